"""Domains: bodies of known winding, a plain search on random sites, surfaces of known area, and arrangements by hand."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eoli.analysis.morphology.analyse import SCAN, analyse_morphology
from eoli.analysis.morphology.domains import (
    CONNECTIVITY,
    Blocks,
    blocks_of,
    compare,
    connections,
    interface_area,
    morphology,
    random_labels,
    segregation,
    site_labels,
)
from eoli.core.periodic import inside_box
from eoli.errors import DataError
from eoli.study.criteria import MorphologyCriteria
from eoli.topology.description import MoleculeCount, SystemDescription, to_json
from eoli.topology.molecule import Molecule, Site
from support import choice, reduced_file

EDGE = 6.0
BOX = np.full(3, EDGE)
REACH = 0.6


def line(start: Sequence[float], vector: Sequence[float], n: int) -> np.ndarray:
    """Points from `start`, `n` of them; the last stands one step before the end of the vector."""
    return np.array(start) + np.arange(n)[:, None] / n * np.array(vector)


def of_one(points: np.ndarray, box: np.ndarray = BOX, distance: float = REACH) -> dict[str, float]:
    found = connections(points, box, [distance]).of(np.zeros(len(points)), 1)
    return dict(zip(CONNECTIVITY, found[0, 0].tolist(), strict=True))


def ring(centre: Sequence[float], radius: float = 1.5) -> np.ndarray:
    angle = np.arange(30) / 30 * 2 * np.pi
    return np.array(centre) + radius * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)


def slab() -> np.ndarray:
    grid = np.arange(12) * 0.5
    return np.array([(x, y, 3.0) for x in grid for y in grid])


def network(shift: float) -> np.ndarray:
    """Three rods along the axes that meet in one point."""
    corner = np.full(3, shift)
    return np.concatenate([line(corner, EDGE * np.eye(3)[k], 12) for k in range(3)])


BODIES = {
    "a rod through the boundary": (line([4, 1, 1], [EDGE, 0, 0], 12), 1, 1, "x"),
    "a rod with a gap": (line([4, 1, 1], [EDGE, 0, 0], 12)[:-1], 1, 0, ""),
    "a rod along z": (line([1, 1, 5], [0, 0, EDGE], 12), 1, 1, "z"),
    "a ring": (ring([3, 3, 3]), 1, 0, ""),
    "a ring across two faces": (ring([0, 0, 3]), 1, 0, ""),
    "a slab": (slab(), 1, 2, "xy"),
    "a diagonal rod": (line([1, 1, 1], [EDGE, EDGE, 0], 20), 1, 1, "xy"),
    "a rod that closes after two boxes along x": (line([1, 1, 1], [2 * EDGE, EDGE, 0], 28), 1, 1, "xy"),
    "a rod that goes there and back": (
        np.concatenate([line([0, 1, 1], [9, 0, 0], 18), line([9, 1, 1], [0, 1, 0], 2), line([9, 2, 1], [-9, 0, 0], 18)]),
        1, 1, "x",
    ),
    "two parallel rods with a bridge": (
        np.concatenate([line([0, 1, 1], [EDGE, 0, 0], 12), line([0, 4, 1], [EDGE, 0, 0], 12), line([2, 1, 1], [0, 3, 0], 6)]),
        1, 1, "x",
    ),
    "two crossing rods": (np.concatenate([line([0, 1, 1], [EDGE, 0, 0], 12), line([2, 0, 1], [0, EDGE, 0], 12)]), 1, 2, "xy"),
    "three rods apart": (
        np.concatenate([line([0, 1, 1], [EDGE, 0, 0], 12), line([2, 0, 3], [0, EDGE, 0], 12), line([4, 3, 0], [0, 0, EDGE], 12)]),
        3, 1, "xyz",
    ),
    "two interleaved networks": (np.concatenate([network(0.7), network(3.7)]), 2, 3, "xyz"),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_bodies_of_known_winding(name: str) -> None:
    points, domains, dimensions, axes = BODIES[name]
    rng = np.random.default_rng(1)
    for _ in range(3):
        # neither where the body lies nor the order or image in which its sites are written matters
        points = (
            points[rng.permutation(len(points))] + rng.uniform(-20, 20, 3) + EDGE * rng.integers(-2, 3, points.shape)
        )
        found = of_one(points)
        assert (found["domains"], found["dimensions"]) == (domains, dimensions)
        assert {axis for axis in "xyz" if found[axis]} == set(axes)
        assert found["xyz"] == (dimensions == 3)
        turned = of_one(points[:, [1, 2, 0]])
        assert {"yzx"["xyz".index(axis)] for axis in "xyz" if turned[axis]} == set(axes)


def test_networks_of_two_blocks_are_told_apart() -> None:
    points = np.concatenate([network(0.7), network(3.7)[:-1], [[0.2, 0.2, 0.2]]])
    labels = np.repeat([0, 1], [36, 36])
    found = connections(points, BOX, [REACH]).of(labels, 2)[0]
    assert found[0].tolist() == [1, 1, 3, 1, 1, 1, 1]
    # the second network misses the rod along z, and has one site apart
    assert found[1].tolist() == [2, 35 / 36, 2, 1, 1, 0, 0]


def search(points: np.ndarray, box: np.ndarray, labels: np.ndarray, distance: float, label: int) -> list[float]:
    """CONNECTIVITY by a walk that notes in which image of the box it meets each site."""
    n = len(points)
    links: list[list[tuple[int, np.ndarray]]] = [[] for _ in range(n)]
    for i, j in itertools.permutations(np.flatnonzero(labels == label), 2):
        image = -np.round((points[j] - points[i]) / box).astype(int)
        if np.linalg.norm(points[j] + image * box - points[i]) <= distance:
            links[i].append((j, image))
    seen: dict[int, np.ndarray] = {}
    sizes, ranks, along = [], [], np.zeros(3, dtype=bool)
    for first in np.flatnonzero(labels == label):
        if first in seen:
            continue
        seen[first] = np.zeros(3, dtype=int)
        walk, windings = [first], [np.zeros(3, dtype=int)]
        for site in walk:
            for other, image in links[site]:
                here = seen[site] + image
                if other in seen:
                    windings.append(here - seen[other])
                else:
                    seen[other] = here
                    walk.append(other)
        sizes.append(len(walk))
        ranks.append(int(np.linalg.matrix_rank(np.array(windings))))
        along |= np.any(windings, axis=0)
    return [len(sizes), max(sizes) / sum(sizes), max(ranks), *along.astype(float), float(max(ranks) == 3)]


@pytest.mark.parametrize("seed", range(8))
def test_random_sites_as_a_plain_search_finds_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    box = np.array([2.0, 2.6, 3.1])
    points, labels = rng.uniform(0, 1, (160, 3)) * box, rng.integers(0, 2, 160)
    distances = [0.4, 0.47, 0.55, 0.63]
    found = connections(points, box, distances).of(labels, 2)
    for d, label in itertools.product(range(4), range(2)):
        expected = search(points, box, labels, distances[d], label)
        np.testing.assert_allclose(found[d, label], expected, rtol=1e-12)


def test_random_sites_hold_all_kinds_of_winding() -> None:
    """The comparison above is empty unless it meets domains of every dimension."""
    met = set()
    for seed in range(8):
        rng = np.random.default_rng(seed)
        box = np.array([2.0, 2.6, 3.1])
        points, labels = rng.uniform(0, 1, (160, 3)) * box, rng.integers(0, 2, 160)
        met |= set(connections(points, box, [0.4, 0.47, 0.55, 0.63]).of(labels, 2)[:, :, 2].ravel())
    assert met == {0, 1, 2, 3}


def test_half_the_box_is_the_limit() -> None:
    with pytest.raises(DataError, match="wider than 6"):
        connections(np.zeros((3, 3)), BOX, [0.6, 3.0])


def test_inside_box_excludes_the_upper_face() -> None:
    points = inside_box([[-1e-18, 6.0, 13.0]], BOX)
    np.testing.assert_allclose(points, [[0, 0, 1]])
    assert (points < EDGE).all()


@pytest.mark.parametrize(("normal", "periods"), [((1, 0, 0), 1), ((1, 1, 0), 1), ((1, 2, 2), 1), ((0, 0, 1), 2)])
def test_area_of_flat_surfaces(normal: tuple[int, int, int], periods: int) -> None:
    """A wave of `periods` along a vector of the reciprocal lattice has two surfaces in each of its periods."""
    grid = np.stack(np.meshgrid(*[(np.arange(40) + 0.37) / 40] * 3, indexing="ij"), axis=-1)
    field = 0.5 + 0.4 * np.sin(2 * np.pi * periods * grid @ np.array(normal))
    expected = 2 * periods * np.linalg.norm(normal) * EDGE**2
    assert interface_area(field, BOX) == pytest.approx(expected, rel=0.005)


@pytest.mark.parametrize("box", [(6.0, 6.0, 6.0), (6.0, 7.0, 9.0)])
def test_area_of_a_sphere(box: tuple[float, float, float]) -> None:
    shape = (40, 40, 45)
    grid = np.stack(
        np.meshgrid(*[np.arange(n) / n * e for n, e in zip(shape, box, strict=True)], indexing="ij"), axis=-1
    )
    distance = np.linalg.norm(grid - np.array(box) / 2 - 0.03, axis=-1)
    field = 1 / (1 + np.exp((distance - 2.0) / 0.1))
    assert interface_area(field, np.array(box)) == pytest.approx(4 * np.pi * 4, rel=0.01)
    assert interface_area(np.zeros((5, 5, 5)), BOX) == 0


def chains_of(n: int, length: int, rng: np.random.Generator) -> np.ndarray:
    """Chains that lie along x at random places, each `EDGE` long, shape (n, length, 3)."""
    along = np.arange(length) * EDGE / length
    starts = rng.uniform(0, EDGE, (n, 3)) * [0, 1, 1]
    return starts[:, None] + along[None, :, None] * np.array([1, 0, 0])


def blocks_by_hand(labels: np.ndarray, names: tuple[str, ...] = ("PEO", "PA")) -> Blocks:
    return Blocks(names, np.arange(labels.size).reshape(labels.shape), labels.astype(np.int8))


def test_a_lamella_of_chains_is_told_from_a_random_arrangement() -> None:
    rng = np.random.default_rng(3)
    positions = chains_of(300, 24, rng).reshape(-1, 3)
    labels = np.tile(np.repeat([0, 1], 12), (300, 1))
    lamella = morphology([(positions, BOX)] * 2, 2, blocks_by_hand(labels), [REACH])
    assert lamella.mixing is not None
    degree, interface = lamella.mixing.mean(axis=0)
    # two sharp surfaces, smeared by the smoothing
    assert degree > 0.7
    assert interface == pytest.approx(2 / EDGE, rel=0.03)
    assert compare(degree, lamella.null_mixing["chains"][:, 0]).verdict == "above"
    assert compare(interface, lamella.null_mixing["chains"][:, 1]).verdict == "below"
    assert lamella.connectivity[0, 0, 0, 1] > 0.98
    assert lamella.connectivity[0, 0, 0, 2:].tolist() == [2, 0, 1, 1, 0]
    assert (lamella.null_connectivity["chains"][:, 0, 0, CONNECTIVITY.index("xyz")] == 1).all()
    # the same chains, each turned round at random, are what they are compared with
    turned = np.where(rng.random((300, 1)) < 0.5, labels, labels[:, ::-1])
    mixed = morphology([(positions, BOX)] * 2, 2, blocks_by_hand(turned), [REACH])
    assert mixed.mixing is not None
    found = compare(mixed.mixing[:, 0].mean(), mixed.null_mixing["chains"][:, 0])
    assert found.verdict == "not distinguishable"
    # chains are more than shuffled sites
    assert compare(mixed.mixing[:, 0].mean(), mixed.null_mixing["sites"][:, 0]).verdict == "above"


def test_degree_of_segregation_lies_between_a_mixture_and_halves() -> None:
    rng = np.random.default_rng(4)
    positions = rng.uniform(0, EDGE, (8000, 3))
    halves, mixture = positions[:, 0] < EDGE / 2, rng.random(8000) < 0.5
    (apart, area), (mixed, _) = segregation(positions, BOX, np.array([halves, mixture]))
    # the integral of 1 - erf(x / (sqrt(2) s))^2 is 4 s / sqrt(pi) for each of the two surfaces
    assert apart == pytest.approx(1 - 2 * 4 * 0.3 / np.sqrt(np.pi) / EDGE, abs=0.02)
    assert area == pytest.approx(2 / EDGE, rel=0.03)
    # a Gaussian of width s averages over (4 pi s^2)^(3/2) of volume
    assert mixed == pytest.approx(EDGE**3 / 8000 / (4 * np.pi * 0.3**2) ** 1.5, rel=0.2)
    moved = segregation(positions[:, [2, 0, 1]] + 10 * 0.15, BOX, np.array([halves]))
    np.testing.assert_allclose(moved[0], (apart, area), rtol=1e-6)


def test_random_labels_keep_what_they_should() -> None:
    labels = np.tile(np.repeat([0, 1], [7, 5]), (40, 1)).astype(np.int8)
    chains = random_labels(labels, "chains", 6)
    same, turned = (chains == labels).all(axis=2), (chains == labels[:, ::-1]).all(axis=2)
    assert (same ^ turned).all()
    assert 0.3 < same.mean() < 0.7
    sites = random_labels(labels, "sites", 6)
    assert (sites.sum(axis=(1, 2)) == labels.sum()).all()
    assert (sites.sum(axis=2) != 5).any()
    symmetric = np.tile([0, 0, 1, 1, 1, 0, 0], (40, 1)).astype(np.int8)
    moved = random_labels(symmetric, "chains", 6)
    assert (moved.sum(axis=2) == 3).all()
    assert len({tuple(chain) for chain in moved.reshape(-1, 7)}) == 7
    np.testing.assert_array_equal(moved, random_labels(symmetric, "chains", 6))


def test_compare() -> None:
    random = np.array([1.0, 2.0, 3.0])
    assert compare(5.2, random).verdict == "above"
    assert compare(4.9, random).verdict == "not distinguishable"
    assert compare(-1.2, random).verdict == "below"
    assert compare(1.0, np.ones(20)).verdict == "not distinguishable"
    assert compare(0.9, np.ones(20)).verdict == "below"


def site(block: str | None, mass: float = 14.027) -> Site:
    return Site("C", "CH2", 0.0, mass, "X", 1, "CT", None, block, "t")


def system_of(chain: Sequence[Site], chains: int, ions: int = 0) -> SystemDescription:
    molecules = [MoleculeCount(Molecule("POL", "polymer", 0, tuple(chain), (), (), (), ()), chains)]
    if ions:
        lithium = Site("LI", "LI+", 1.0, 6.941, "LI", 1, "LI", "Li", None, "t")
        molecules.append(MoleculeCount(Molecule("LI", "cation", 1, (lithium,), (), (), (), ()), ions))
    return SystemDescription(tuple(molecules), choice(), "")


def test_end_groups_join_their_neighbours_and_hydrogens_are_left_out() -> None:
    chain = [site(None), site("PEO"), site(None), site("PA"), site("PA", 1.008), site(None)]
    system = system_of(chain, 2, 1)
    names, labels = site_labels(system)
    assert names == ("PEO", "PA")
    assert labels.tolist() == [0, 0, 1, 1, 1, 1] * 2 + [-1]
    blocks = blocks_of(system)
    assert blocks.sites.tolist() == [[0, 1, 2, 3, 5], [6, 7, 8, 9, 11]]
    assert blocks.labels.tolist() == [[0, 0, 1, 1, 1]] * 2


def test_systems_without_blocks_are_refused() -> None:
    with pytest.raises(DataError, match="no site belongs to a block"):
        site_labels(system_of([site(None)], 1))
    ions = SystemDescription(system_of([site("PEO")], 1, 3).molecules[1:], choice(), "")
    with pytest.raises(DataError, match="no polymer"):
        blocks_of(ions)


def write_slow(path: Path, system: SystemDescription, positions: np.ndarray, box: np.ndarray) -> None:
    """A reduced trajectory with the slow cadence alone, from positions (frames, sites, 3)."""
    with reduced_file(path, system, 1.0, dict.fromkeys(("motion", "structure", "slow"), 10.0)) as file:
        file["slow"].attrs["frames"] = len(positions)
        file["slow/positions"] = positions.astype(np.float32)
        file["slow/box"] = np.tile(box, (len(positions), 1)).astype(np.float32)


def analysed(folder: Path, system: SystemDescription, positions: np.ndarray, weighting: str) -> dict:
    write_slow(folder / "reduced.h5", system, positions, BOX)
    (folder / "system.json").write_text(to_json(system))
    analyse_morphology(
        folder / "reduced.h5",
        folder / "system.json",
        MorphologyCriteria(distance_nm=REACH, q_max_per_nm=6.0, weighting=weighting),
        folder / "s.csv",
        folder / "d.csv",
        folder / "m.json",
    )
    return json.loads((folder / "m.json").read_text())


def test_files_of_a_lamella(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    chain = [site("PEO")] * 12 + [site("PA")] * 12
    positions = np.array([chains_of(120, 24, rng).reshape(-1, 3) for _ in range(5)])
    positions = np.concatenate([positions, rng.uniform(0, EDGE, (5, 10, 3))], axis=1)
    found = analysed(tmp_path, system_of(chain, 120, 10), positions, "composition")
    assert found["frames"] == 5
    assert found["segregation"]["verdict"] == "more segregated than a random arrangement"
    assert found["segregation"]["random"]["chains"]["degree"]["verdict"] == "above"
    assert found["blocks"]["PA"]["sites"] == 1440
    assert found["blocks"]["PA"]["percolating_share_of_frames"]["x"] == {"value": 0.0, "error": 0.0}
    assert found["blocks"]["PA"]["verdict"].startswith("percolates in three dimensions in none of the frames")
    # one period in the box
    assert found["scattering"]["verdict"] == "box-limited"
    assert found["scattering"]["spacing_nm"] == {"value": None, "error": None}
    assert found["scattering"]["largest_resolvable_spacing_nm"] == pytest.approx(EDGE / 2)
    table = pd.read_csv(tmp_path / "d.csv")
    assert len(table) == 2 * len(SCAN)
    assert table["distance_nm"].between(0.29, 0.73).all()
    assert {"random_chains_largest_share", "random_sites_percolates_xyz_spread"} <= set(table)
    scattering = pd.read_csv(tmp_path / "s.csv")
    assert scattering["S_total"].iloc[0] == scattering["S_total"].max()
    assert {"S_PEO_PEO", "S_PEO_PA", "S_PA_PA", "S_PA_PA_error"} <= set(scattering)
    assert "S_ions_ions" not in scattering
    # the other contrast, from the first shells alone, is what it is as the chosen one
    (tmp_path / "other").mkdir()
    other = analysed(tmp_path / "other", system_of(chain, 120, 10), positions, "electrons")["scattering"]
    peak = {key: other[key] for key in ("peak_q_per_nm", "spacing_nm", "verdict")}
    assert found["scattering"]["other_weightings"] == {"electrons": peak}
    assert list(other["other_weightings"]) == ["composition"]
    assert other["other_weightings"]["composition"]["verdict"] == "box-limited"


def test_a_homopolymer_has_nothing_to_compare_with(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    positions = chains_of(120, 12, rng).reshape(1, -1, 3).repeat(2, axis=0)
    found = analysed(tmp_path, system_of([site("PEO")] * 12, 120), positions, "composition")
    assert "trivially" in found["blocks"]["PEO"]["verdict"]
    assert found["blocks"]["PEO"]["domains"]["error"] is None
    assert not {"segregation", "random"} & set(found)
    assert "random" not in found["blocks"]["PEO"]
    assert "no contrast" in found["scattering"]["verdict"]
    assert len(pd.read_csv(tmp_path / "s.csv")) == 0
    assert not [column for column in pd.read_csv(tmp_path / "d.csv") if column.startswith("random")]


def test_a_mass_of_no_element_withholds_the_scattering_alone(tmp_path: Path) -> None:
    """Repartitioned hydrogens, or the masses of a rigid group: electrons are unknown, the composition is not."""
    rng = np.random.default_rng(6)
    chain = [replace(site("PEO"), mass=17.1)] * 12 + [site("PA")] * 12
    positions = np.array([chains_of(60, 24, rng).reshape(-1, 3) for _ in range(2)])
    found = analysed(tmp_path, system_of(chain, 60), positions, "electrons")
    assert found["scattering"]["verdict"].startswith("no contrast: POL, ")
    assert found["scattering"]["verdict"].endswith("no element or CHn has a mass of 17.1 g/mol")
    assert len(pd.read_csv(tmp_path / "s.csv")) == 0 and found["blocks"]["PA"]["sites"] == 720
    (tmp_path / "other").mkdir()
    other = analysed(tmp_path / "other", system_of(chain, 60), positions, "composition")["scattering"]
    assert other["other_weightings"] == {} and "no contrast" not in other["verdict"]
