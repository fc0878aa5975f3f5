"""S(q), against explicit sums, an ideal gas, a lattice and lamellae of known period."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from eoli.analysis.morphology.scattering import (
    amplitudes,
    electrons,
    groups_of,
    low_q_peak,
    structure_factors,
    wave_vectors,
    weights_of,
)
from eoli.core.statistics import UNKNOWN
from eoli.errors import DataError
from eoli.topology.description import MoleculeCount, SystemDescription
from eoli.topology.molecule import Molecule, Site
from support import choice


def explicit(positions: np.ndarray, box: np.ndarray, weights: np.ndarray, hkl: np.ndarray) -> np.ndarray:
    return np.exp(1j * (positions @ (2 * np.pi * hkl / box).T)).T @ weights


def test_wave_vectors_are_one_half_of_all() -> None:
    box, limit = np.array([3.0, 4.0, 5.5]), 9.0
    hkl, lengths = wave_vectors(box, limit)
    everything = {
        h
        for h in itertools.product(range(-9, 10), repeat=3)
        if 0 < np.linalg.norm(2 * np.pi * np.array(h) / box) <= limit
    }
    half = {tuple(h) for h in hkl.tolist()}
    assert len(half) == len(hkl)
    assert half.isdisjoint({tuple(h) for h in (-hkl).tolist()})
    assert half | {tuple(h) for h in (-hkl).tolist()} == everything
    np.testing.assert_allclose(lengths, np.linalg.norm(2 * np.pi * hkl / box, axis=1))
    with pytest.raises(DataError, match="no wave vector"):
        wave_vectors(box, 1.0)


def test_amplitudes_equal_the_explicit_sum() -> None:
    rng = np.random.default_rng(1)
    box = np.array([3.0, 4.0, 5.5])
    positions, weights = rng.uniform(-1, 7, (700, 3)), rng.normal(size=700)
    hkl, _ = wave_vectors(box, 14.0)
    np.testing.assert_allclose(
        amplitudes(positions / box, weights, hkl), explicit(positions, box, weights, hkl), rtol=0, atol=1e-9
    )


def test_partials_equal_the_explicit_sum_over_all_vectors() -> None:
    rng = np.random.default_rng(2)
    boxes = [np.array([3.0, 3.0, 4.0]) * scale for scale in (0.99, 1.01)]
    groups = {"a": np.arange(100), "b": np.arange(100, 150)}
    weights = rng.uniform(1, 9, 150)
    frames = [(rng.uniform(0, 1, (150, 3)) * box, box) for box in boxes]
    mean_box = np.mean(boxes, axis=0)
    found = structure_factors(frames, 2, mean_box, groups, weights, 8.0)
    all_hkl = np.array([h for h in itertools.product(range(-7, 8), repeat=3) if any(h)])
    lengths = np.linalg.norm(2 * np.pi * all_hkl / mean_box, axis=1)
    all_hkl, lengths = all_hkl[lengths <= 8.0], lengths[lengths <= 8.0]
    step = 2 * np.pi / mean_box.max() / 4
    shell = np.round(lengths / step).astype(int)
    table = found.table()
    assert (found.vectors * 2).tolist() == [int((shell == s).sum()) for s in np.unique(shell)]
    for row, s in enumerate(np.unique(shell)):
        chosen = shell == s
        assert table["q_per_nm"][row] == pytest.approx(lengths[chosen].mean())
        of = [[explicit(x[g], box, weights[g], all_hkl[chosen]) for g in groups.values()] for x, box in frames]
        square = [(weights[g] ** 2).sum() for g in groups.values()]
        total = np.mean([np.abs(a + b) ** 2 for a, b in of]) / sum(square)
        cross = np.mean([(a * b.conj()).real for a, b in of]) / np.sqrt(square[0] * square[1])
        own = np.mean([np.abs(b) ** 2 for _, b in of]) / square[1]
        np.testing.assert_allclose(
            table.loc[row, ["S_total", "S_a_b", "S_b_b"]].astype(float), [total, cross, own], rtol=1e-6, atol=1e-9
        )


def test_ideal_gas_has_no_structure() -> None:
    rng = np.random.default_rng(3)
    box = np.full(3, 3.0)
    groups, weights = {"a": np.arange(60), "b": np.arange(60, 200)}, rng.uniform(1, 9, 200)
    frames = [(rng.uniform(0, 3, (200, 3)), box) for _ in range(100)]
    table = structure_factors(frames, 100, box, groups, weights, 12.0).table()
    for name, expected in (("total", 1), ("a_a", 1), ("b_b", 1), ("a_b", 0)):
        off = (table[f"S_{name}"] - expected) / table[f"S_{name}_error"]
        # t distribution with four degrees of freedom, about 25 bins
        assert (off.abs() < 8).all()
        assert table[f"S_{name}"].mean() == pytest.approx(expected, abs=0.03)
        # |A|^2 is exponentially distributed: the error is 1 / sqrt(vectors * frames)
        if expected:
            assert np.median(table[f"S_{name}_error"] * np.sqrt(table["vectors"] * 100)) == pytest.approx(1, abs=0.35)


def test_simple_cubic_lattice_has_bragg_peaks_alone() -> None:
    n, a = 5, 0.5
    lattice = np.array(list(itertools.product(range(n), repeat=3))) * a + 0.123
    found = structure_factors(
        [(lattice, np.full(3, n * a))], 1, np.full(3, n * a), {"a": np.arange(125)}, np.ones(125), 18.0
    )
    table = found.table()
    peaks = table[table["S_total"] > 1e-9]
    # 100, and 110 among the vectors of its bin; elsewhere nothing
    for order in (1, np.sqrt(2)):
        assert np.abs(peaks["q_per_nm"] - order * 2 * np.pi / a).min() < 0.35
    assert len(peaks) == 2
    first = peaks.iloc[0]
    assert first["S_total"] * first["vectors"] == pytest.approx(125 * 3)
    assert table["S_total_error"].isna().all()


def lamella(period: float, box: np.ndarray, n: int, rng: np.random.Generator, roughness: float = 0.1) -> np.ndarray:
    """Sites of the block that fills the first half of each period along x."""
    x = rng.integers(0, round(box[0] / period), n) * period + rng.uniform(0, period / 2, n)
    return np.stack([x + rng.normal(0, roughness, n), *rng.uniform(0, 1, (2, n)) * box[1:, None]], axis=1)


def two_blocks(period: float, box: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    beside = np.array([period / 2, 0, 0])
    return np.concatenate([lamella(period, box, 1500, rng), lamella(period, box, 1500, rng) + beside])


COMPOSITION = np.repeat([0.5, -0.5], 1500)
HALVES = {"PEO": np.arange(1500), "PA": np.arange(1500, 3000)}


def test_a_lamella_gives_its_period() -> None:
    rng = np.random.default_rng(4)
    box = np.array([12.0, 10.0, 10.0])
    found = structure_factors([(two_blocks(2.4, box, rng), box) for _ in range(5)], 5, box, HALVES, COMPOSITION, 8.0)
    peak = low_q_peak(found.q_per_nm, found.vectors, found.blocks["total"], found.q_min_per_nm)
    assert peak.verdict == "resolved"
    assert peak.spacing_nm.value is not None
    assert peak.spacing_nm.error is not None
    assert peak.spacing_nm.value == pytest.approx(2.4, abs=0.1)
    assert 0 < peak.spacing_nm.error < 0.1
    assert peak.q_per_nm.value == pytest.approx(2 * np.pi / peak.spacing_nm.value)
    table = found.table()
    at_peak = table["S_total"].idxmax()
    assert table["S_PEO_PA"][at_peak] < -1
    assert table["S_PEO_PEO"][at_peak] > 1


def test_a_period_near_the_box_is_limited_by_it() -> None:
    rng = np.random.default_rng(5)
    for periods in (1, 2):
        box = np.full(3, 4.8)
        frames = [(two_blocks(4.8 / periods, box, rng), box) for _ in range(5)]
        found = structure_factors(frames, 5, box, HALVES, COMPOSITION, 8.0)
        peak = low_q_peak(found.q_per_nm, found.vectors, found.blocks["total"], found.q_min_per_nm)
        assert peak.verdict == "box-limited"
        assert (peak.q_per_nm, peak.spacing_nm) == (UNKNOWN, UNKNOWN)


def test_speckle_is_no_peak() -> None:
    """One arrangement without structure, seen again and again: its frames agree on peaks that mean nothing."""
    verdicts = set()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        positions, box = rng.uniform(0, 8, (3000, 3)), np.full(3, 8.0)
        frames = [(positions + rng.normal(0, 0.01, (3000, 3)), box) for _ in range(5)]
        found = structure_factors(frames, 5, box, HALVES, COMPOSITION, 6.0)
        verdicts.add(low_q_peak(found.q_per_nm, found.vectors, found.blocks["total"], found.q_min_per_nm).verdict)
    assert verdicts <= {"not resolved", "box-limited"}
    assert "not resolved" in verdicts


def test_verdicts_of_curves_by_hand() -> None:
    q, vectors = np.linspace(0.5, 5.0, 46), np.full(46, 400)
    bump = 1 + 3 * np.exp(-((q - 2.53) ** 2) / 0.18)
    blocks = np.array([bump * (1 + 0.01 * k) for k in range(5)])
    peak = low_q_peak(q, vectors, blocks, 0.5)
    assert peak.verdict == "resolved"
    assert peak.q_per_nm.value == pytest.approx(2.53, abs=0.01)
    # nothing is known from a single block, and nothing stands out of few vectors
    assert low_q_peak(q, vectors, blocks[:1], 0.5).verdict == "not resolved"
    assert low_q_peak(q, np.full(46, 4), blocks, 0.5).verdict == "not resolved"
    # blocks that see it in the first shells
    shifted = np.array([*blocks[:4], 6 * np.exp(-(q**2))])
    assert low_q_peak(q, vectors, shifted, 0.5).verdict == "not resolved"
    assert low_q_peak(q, vectors, np.tile(np.exp(q), (5, 1)), 0.5).verdict == "no peak"
    assert low_q_peak(q, vectors, np.tile(np.exp(-q), (5, 1)), 0.5).verdict == "box-limited"
    assert low_q_peak(q, vectors, blocks, 1.3).verdict == "box-limited"


def site(type_: str, mass: float, block: str | None = None) -> Site:
    return Site(type_, type_, 0.0, mass, "X", 1, "X", None, block, "t")


def pebax(extra: Site | None = None) -> SystemDescription:
    chain = [
        site("CH3", 15.035),
        site("OEP", 15.9994, "PEO"),
        site("CH2", 14.027, "PEO"),
        site("C", 12.011, "PA"),
        site("N", 14.0067, "PA"),
        site("H", 1.008, "PA"),
    ]
    anion = [site("S", 32.06), site("F", 18.9984), extra or site("O", 15.9994)]

    def count(name: str, kind: str, charge: int, sites: list[Site], n: int) -> MoleculeCount:
        return MoleculeCount(Molecule(name, kind, charge, tuple(sites), (), (), (), ()), n)

    return SystemDescription(
        (
            count("P", "polymer", 0, chain, 2),
            count("LI", "cation", 1, [site("LI+", 6.941)], 1),
            count("A", "anion", -1, anion, 1),
        ),
        choice(),
        "",
    )


def test_electrons_of_sites() -> None:
    found = electrons(pebax())
    np.testing.assert_allclose(found[:6], [9, 8, 8, 6, 7, 1])
    assert found[12] == 2
    np.testing.assert_allclose(found[13:], np.array([16, 9, 8]) + 1 / 3)
    # chlorine, boron and phosphorus of other anions
    for mass, number in ((35.453, 17), (10.811, 5), (30.9738, 15), (13.019, 7)):
        assert electrons(pebax(site("X", mass)))[-1] == pytest.approx(number + 1 / 3)
    with pytest.raises(DataError, match=r"no element or CHn has a mass of 55\.8"):
        electrons(pebax(site("FE", 55.845)))


def test_weights_and_groups() -> None:
    system = pebax()
    assert {name: sites.tolist() for name, sites in groups_of(system).items()} == {
        "PEO": [0, 1, 2, 6, 7, 8],
        "PA": [3, 4, 5, 9, 10, 11],
        "ions": [12, 13, 14, 15],
    }
    composition = weights_of(system, "composition")
    np.testing.assert_allclose(composition, [*([0.5] * 3 + [-0.5] * 3) * 2, 0, 0, 0, 0])
    np.testing.assert_array_equal(weights_of(system, "electrons"), electrons(system))
    with pytest.raises(DataError, match="allowed: electrons, composition"):
        weights_of(system, "neutrons")  # type: ignore[arg-type]


def test_nothing_that_scatters_is_refused() -> None:
    with pytest.raises(DataError, match="nothing that scatters"):
        structure_factors([], 1, np.full(3, 3.0), {"a": np.arange(3)}, np.zeros(3), 5.0)
