"""Ewald sums, against Madelung constants, an explicit sum of lattice vectors, and the limit of a large box."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.special import erfc

from eoli.analysis.interactions.ewald import COULOMB_KJ_NM_MOL_E2, ScaledPairs, balanced_splitting, ewald_form
from eoli.errors import DataError

NO_PAIRS = ScaledPairs(np.empty((0, 2), dtype=np.int64), np.empty(0))
BOX = np.array([2.0, 2.6, 3.1])


def crystal(basis: list[tuple[tuple[float, float, float], float]], cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions in cubic cells of edge 1 and charges."""
    shifts = np.array(list(itertools.product(range(cells), repeat=3)), dtype=float)
    positions = np.concatenate([shifts + np.array(place) for place, _ in basis])
    return positions, np.repeat([charge for _, charge in basis], len(shifts)).astype(float)


FCC = [(0.0, 0.0, 0.0), (0.5, 0.5, 0.0), (0.5, 0.0, 0.5), (0.0, 0.5, 0.5)]


def shifted(by: float) -> list[tuple[float, float, float]]:
    return [(x + by, y + by, z + by) for x, y, z in FCC]


@pytest.mark.parametrize(
    ("basis", "nearest", "madelung"),
    [
        ([(p, 1.0) for p in FCC] + [(p, -1.0) for p in shifted(0.5)], 0.5, 1.747564594633182),
        ([((0.0, 0.0, 0.0), 1.0), ((0.5, 0.5, 0.5), -1.0)], math.sqrt(0.75), 1.762674773070992),
        ([(p, 1.0) for p in FCC] + [(p, -1.0) for p in shifted(0.25)], math.sqrt(3) / 4, 1.638055053388789),
    ],
    ids=["NaCl", "CsCl", "ZnS"],
)
def test_madelung_constants(
    basis: list[tuple[tuple[float, float, float], float]], nearest: float, madelung: float
) -> None:
    positions, charges = crystal(basis, 3)
    form = ewald_form(positions, np.full(3, 3.0), charges, np.zeros(len(charges), dtype=np.int64), NO_PAIRS)
    energy = form.sum() / COULOMB_KJ_NM_MOL_E2 * nearest / (len(charges) / 2)
    assert energy == pytest.approx(-madelung, rel=5e-7)


def random_charges(rng: np.random.Generator, n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions in BOX and outside it, charges of zero sum with some zeros, three groups that are charged."""
    positions = rng.uniform(-1, 2, (n, 3)) * BOX
    charges = np.where(rng.random(n) < 0.2, 0.0, rng.normal(size=n))
    charges[charges != 0] -= charges.sum() / np.count_nonzero(charges)
    return positions, charges, rng.integers(0, 3, n)


def explicit_form(positions: np.ndarray, charges: np.ndarray, groups: np.ndarray, alpha: float) -> np.ndarray:
    """The same matrix by a plain sum over images and over all wave vectors, pair by pair."""
    n = len(charges)
    energy = np.zeros((n, n))
    products = np.outer(charges, charges)
    gaps = positions[:, None] - positions[None]
    for image in itertools.product(range(-4, 5), repeat=3):
        r = np.linalg.norm(gaps + np.array(image) * BOX, axis=2)
        with np.errstate(divide="ignore", invalid="ignore"):
            energy += np.where(r > 1e-9, products * erfc(alpha * r) / r, 0) / 2
    for numbers in itertools.product(range(-16, 17), repeat=3):
        k = 2 * np.pi * np.array(numbers) / BOX
        k2 = k @ k
        if k2:
            energy += 2 * np.pi / BOX.prod() * np.exp(-k2 / (4 * alpha**2)) / k2 * products * np.cos(gaps @ k)
    energy -= np.diag(alpha / math.sqrt(math.pi) * charges**2)
    energy -= math.pi / (2 * alpha**2 * BOX.prod()) * products
    one_hot = np.eye(3)[groups]
    return COULOMB_KJ_NM_MOL_E2 * one_hot.T @ energy @ one_hot


def test_equals_the_explicit_sum_in_a_box_of_three_edges() -> None:
    positions, charges, groups = random_charges(np.random.default_rng(5), 25)
    positions -= BOX * np.floor(positions / BOX)
    expected = explicit_form(positions, charges, groups, 2.5)
    np.testing.assert_allclose(
        ewald_form(positions, BOX, charges, groups, NO_PAIRS), expected, atol=1e-6 * np.abs(expected).max()
    )


def test_no_entry_depends_on_the_splitting() -> None:
    positions, charges, groups = random_charges(np.random.default_rng(1))
    forms = [ewald_form(positions, BOX, charges, groups, NO_PAIRS, splitting) for splitting in (4.0, 5.0, 7.0)]
    size = np.abs(forms[0]).max()
    for form in forms[1:]:
        np.testing.assert_allclose(form, forms[0], atol=1e-6 * size)


def test_groups_are_bilinear() -> None:
    positions, charges, groups = random_charges(np.random.default_rng(2))
    form = ewald_form(positions, BOX, charges, groups, NO_PAIRS)
    np.testing.assert_array_equal(form, form.T)
    size = np.abs(form).max()
    whole = ewald_form(positions, BOX, charges, np.zeros(len(charges), dtype=np.int64), NO_PAIRS)
    assert form.sum() == pytest.approx(float(whole[0, 0]), abs=1e-9 * size)
    for group in range(3):
        alone = ewald_form(positions, BOX, np.where(groups == group, charges, 0), groups, NO_PAIRS)
        assert alone.sum() == pytest.approx(form[group, group], abs=1e-6 * size)
    scaled = ewald_form(positions, BOX, np.where(groups == 1, 3, 1) * charges, groups, NO_PAIRS)
    np.testing.assert_allclose(scaled, form * np.outer([1, 3, 1], [1, 3, 1]), atol=1e-6 * size)


def test_a_pair_in_a_large_box_is_bare() -> None:
    """Conducting surroundings lower the energy of a dipole p in a cubic box by 2 pi p^2 / (3 V)."""
    r, edge = 0.2, 8.0
    positions = np.array([[0.1, 4, 4], [0.1 + r, 4, 4]])
    form = ewald_form(positions, np.full(3, edge), np.array([1.0, -1.0]), np.array([0, 1]), NO_PAIRS)
    assert pytest.approx(138.935458, rel=1e-7) == COULOMB_KJ_NM_MOL_E2
    expected = -COULOMB_KJ_NM_MOL_E2 * (1 / r + 2 * math.pi * r**2 / (3 * edge**3))
    assert form.sum() == pytest.approx(expected, rel=2e-7)


def test_scaled_pairs_keep_their_factor_of_the_nearest_image() -> None:
    positions, charges, groups = random_charges(np.random.default_rng(3))
    charged = np.flatnonzero(charges)
    sites = charged[[[0, 1], [5, 2]]]
    positions[sites[0, 1]] = positions[sites[0, 0]] + [0.1, 0, 0] + 2 * BOX
    positions[sites[1, 1]] = positions[sites[1, 0]] + [0, 0.25, 0] - [0, BOX[1], 0]
    groups[sites] = [[0, 2], [1, 1]]
    plain = ewald_form(positions, BOX, charges, groups, NO_PAIRS)
    form = ewald_form(positions, BOX, charges, groups, ScaledPairs(sites, np.array([0.0, 0.5])))
    bare = COULOMB_KJ_NM_MOL_E2 * charges[sites].prod(axis=1) / np.array([0.1, 0.25])
    expected = np.zeros((3, 3))
    expected[0, 2] = expected[2, 0] = -bare[0] / 2
    expected[1, 1] = -bare[1] / 2
    np.testing.assert_allclose(form - plain, expected, atol=1e-9 * np.abs(plain).max())


def test_splitting_whose_direct_sum_leaves_the_box_is_refused() -> None:
    positions, charges, groups = random_charges(np.random.default_rng(4))
    with pytest.raises(DataError, match=r"splitting of 3\.9 /nm is too small for a box of 2 nm"):
        ewald_form(positions, BOX, charges, groups, NO_PAIRS, 3.9)
    assert balanced_splitting(60, BOX) >= 4.0
