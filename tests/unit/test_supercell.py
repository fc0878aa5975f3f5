"""Small boxes repeated: molecules whole, in the order of the topology, and copies that are told apart or not."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from MDAnalysis.lib.formats.libmdaxdr import TRRFile

from eoli.analysis.morphology.analyse import analyse_morphology
from eoli.analysis.morphology.copies import likeness
from eoli.box.supercell import build_supercell, repeat
from eoli.errors import DataError
from eoli.forcefield.library import Library
from eoli.forcefield.models import Contents
from eoli.study.criteria import MorphologyCriteria
from eoli.topology.build import describe
from eoli.topology.description import SystemDescription, to_json
from eoli.topology.gromos import Gromos54A7
from eoli.trajectory.reader import make_whole
from support import choice, reduced_file

EDGES = np.array([3.0, 3.0, 3.0])
COPIES = (2, 2, 2)
Frames = list[tuple[np.ndarray, np.ndarray]]


def system(blocks: Library, forcefield: Gromos54A7, times: int) -> SystemDescription:
    return describe(Contents.of("pebax", 2 * times, "litfsi", 3 * times), choice(), blocks, forcefield)


@pytest.fixture(scope="session")
def small(blocks: Library, forcefield: Gromos54A7) -> SystemDescription:
    return system(blocks, forcefield, 1)


@pytest.fixture(scope="session")
def large(blocks: Library, forcefield: Gromos54A7) -> SystemDescription:
    return system(blocks, forcefield, 8)


def walks(description: SystemDescription, rng: np.random.Generator) -> np.ndarray:
    """Whole molecules: each site near the one that it is bonded to."""
    positions = []
    for entry in description.molecules:
        for _ in range(entry.count):
            steps = rng.normal(0, 0.08, (len(entry.molecule.sites), 3))
            steps[0] = rng.uniform(0, EDGES[0], 3)
            positions.append(np.cumsum(steps, axis=0))
    return np.concatenate(positions)


def wrapped(positions: np.ndarray) -> np.ndarray:
    return positions - EDGES * np.floor(positions / EDGES)


def write_state(path: Path, positions: np.ndarray, box: np.ndarray) -> None:
    with TRRFile(str(path), "w") as out:
        out.write(positions.astype(np.float32), None, None, box.astype(np.float32), 0, 0.0, 0.0, len(positions))


def bond_lengths(description: SystemDescription, positions: np.ndarray) -> np.ndarray:
    i, j = description.bonds().T
    return np.linalg.norm(positions[i] - positions[j], axis=1)


def test_molecules_become_whole(small: SystemDescription) -> None:
    positions = walks(small, np.random.default_rng(1))
    whole = make_whole(small, wrapped(positions), EDGES)
    np.testing.assert_allclose(bond_lengths(small, whole), bond_lengths(small, positions), atol=1e-9)
    assert bond_lengths(small, wrapped(positions)).max() > 1
    np.testing.assert_allclose(wrapped(whole), wrapped(positions), atol=1e-9)


@given(copies=st.tuples(*[st.integers(1, 3)] * 3))
def test_a_supercell_is_its_small_box_in_another_order(small: SystemDescription, copies: tuple[int, int, int]) -> None:
    positions = walks(small, np.random.default_rng(2))
    repeated = repeat(small, positions, EDGES, copies)
    start = first = 0
    for entry in small.molecules:
        sites = entry.count * len(entry.molecule.sites)
        block = repeated[start : start + sites * math.prod(copies)].reshape(-1, sites, 3)
        shifts = [np.array(shift) * EDGES for shift in itertools.product(*map(range, copies))]
        np.testing.assert_allclose(block, positions[first : first + sites] + np.array(shifts)[:, None])
        start, first = start + sites * math.prod(copies), first + sites
    assert start == len(repeated)


def test_a_box_is_written(small: SystemDescription, large: SystemDescription, tmp_path: Path) -> None:
    positions = walks(small, np.random.default_rng(3))
    write_state(tmp_path / "state.trr", wrapped(positions), np.diag(EDGES))
    build_supercell(large, small, tmp_path / "state.trr", COPIES, tmp_path / "box.gro", tmp_path / "box.json")
    lines = (tmp_path / "box.gro").read_text().splitlines()
    assert int(lines[1]) == large.n_sites == 8 * small.n_sites
    assert [float(word) for word in lines[-1].split()] == [6.0, 6.0, 6.0]
    written = np.array([[float(line[k : k + 8]) for k in (20, 28, 36)] for line in lines[2:-1]])
    names = [site.name for entry in large.molecules for _ in range(entry.count) for site in entry.molecule.sites]
    assert [line[10:15].strip() for line in lines[2:-1]] == names
    assert bond_lengths(large, written).max() < 1
    # the same structure in every copy: folded into the small box all of them coincide
    folded = np.sort(np.round(wrapped(written), 3) % 3.0, axis=0).reshape(-1, 8, 3)
    assert np.ptp(folded, axis=1).max() < 0.003
    assert json.loads((tmp_path / "box.json").read_text())["copies"] == [2, 2, 2]


def test_what_is_no_multiple_is_refused(small: SystemDescription, large: SystemDescription, tmp_path: Path) -> None:
    state, out = tmp_path / "state.trr", (tmp_path / "box.gro", tmp_path / "box.json")
    write_state(state, walks(small, np.random.default_rng(4)), np.diag(EDGES))
    with pytest.raises(DataError, match="not 12 times the one that it repeats"):
        build_supercell(large, small, state, (2, 2, 3), *out)
    write_state(state, np.zeros((5, 3)), np.diag(EDGES))
    with pytest.raises(DataError, match="holds 5 sites"):
        build_supercell(large, small, state, COPIES, *out)
    write_state(state, walks(small, np.random.default_rng(4)), np.diag(EDGES) + 0.1)
    with pytest.raises(DataError, match="oblique"):
        build_supercell(large, small, state, COPIES, *out)
    assert not out[0].exists()


def gas(rng: np.random.Generator, sites: int, moved_nm: float) -> tuple[np.ndarray, np.ndarray]:
    """An ideal gas in eight copies, of which each site has moved by itself."""
    shifts = np.array(list(itertools.product(range(2), repeat=3))) * EDGES
    positions = (rng.uniform(0, EDGES[0], (sites, 3)) + shifts[:, None]).reshape(-1, 3)
    return positions + rng.normal(0, moved_nm, positions.shape) if moved_nm else positions, 2 * EDGES


def of_shells(moved_nm: float) -> float:
    """The correlation of three shells from exp(-q^2 s^2) of each: it weighs intensities, not correlations."""
    square = (2 * np.pi / EDGES[0]) ** 2 * np.array([1, 2, 3])
    vectors, alike = np.array([3, 6, 4]), np.exp(-square * moved_nm**2)
    on, off = (vectors * (1 + 7 * alike)).sum(), (vectors * (1 - alike)).sum()
    return float((on - off) / (on + 7 * off))


def test_copies_that_have_not_moved_are_alike() -> None:
    frames = [gas(np.random.default_rng(5), 300, 0.0)] * 10
    found = likeness(frames, 10, COPIES, np.ones(2400))
    assert found.correlation.value == pytest.approx(1.0, abs=1e-9)
    assert not found.different


@pytest.mark.parametrize("moved_nm", [0.1, 0.2, 0.35, 0.5])
def test_the_correlation_falls_as_sites_move(moved_nm: float) -> None:
    rng = np.random.default_rng(6)
    found = likeness([gas(rng, 300, moved_nm) for _ in range(40)], 40, COPIES, np.ones(2400))
    assert found.correlation.value == pytest.approx(of_shells(moved_nm), abs=0.03)
    assert not found.different


def test_independent_copies_are_different() -> None:
    rng = np.random.default_rng(7)
    frames: Frames = [(rng.uniform(0, 6, (2400, 3)), 2 * EDGES) for _ in range(20)]
    found = likeness(frames, 20, COPIES, np.ones(2400))
    assert abs(found.correlation.value) < 0.02 and found.different
    # a single configuration shows nothing, whatever it looks like
    assert not likeness(frames[:1], 1, COPIES, np.ones(2400)).different


def test_one_axis_is_enough_to_repeat() -> None:
    rng = np.random.default_rng(8)
    one = rng.uniform(0, 3, (500, 3))
    twice = np.concatenate([one, one + np.array([0, 0, 3])])
    assert likeness([(twice, EDGES * [1, 1, 2])] * 3, 3, (1, 1, 2), np.ones(1000)).correlation.value == pytest.approx(1)


def analysed(folder: Path, description: SystemDescription, positions: np.ndarray, **more: Any) -> dict[str, Any]:
    with reduced_file(folder / "r.h5", description, 1.0, dict.fromkeys(("motion", "structure", "slow"), 10.0)) as file:
        file["slow"].attrs["frames"] = len(positions)
        file["slow/positions"] = positions.astype(np.float32)
        file["slow/box"] = np.tile(2 * EDGES, (len(positions), 1)).astype(np.float32)
    (folder / "s.json").write_text(to_json(description))
    out = [folder / name for name in ("s.csv", "d.csv", "m.json")]
    criteria = MorphologyCriteria(distance_nm=0.5, q_max_per_nm=6.0, weighting="composition", **more)
    analyse_morphology(folder / "r.h5", folder / "s.json", criteria, *out)
    found: dict[str, Any] = json.loads(out[2].read_text())
    return found | {"rows": [len(pd.read_csv(path)) for path in out[:2]]}


def test_what_repeats_is_withheld(small: SystemDescription, large: SystemDescription, tmp_path: Path) -> None:
    still = repeat(small, walks(small, np.random.default_rng(9)), EDGES, COPIES)
    found = analysed(tmp_path, large, np.array([still] * 6), copies=list(COPIES))
    assert found["copies"]["correlation"]["value"] == pytest.approx(1, abs=1e-4)
    assert found["rows"] == [0, 0]
    assert found["scattering"]["verdict"].startswith(
        "withheld: the box repeats one of 3.00 nm and copies correlate by 1.0"
    )
    assert set(found["scattering"]) == {"weighting", "verdict"}
    assert all(set(block) == {"sites", "verdict"} for block in found["blocks"].values())
    # what is local is not
    assert found["segregation"]["degree"]["value"] is not None


def test_copies_that_differ_are_shown(large: SystemDescription, tmp_path: Path) -> None:
    rng = np.random.default_rng(10)
    positions = np.array([walks(large, rng) + rng.uniform(0, 6, 3) for _ in range(12)])
    # molecules anywhere in the large box, as `walks` puts them into an eighth of it
    for frame in positions:
        start = 0
        for entry in large.molecules:
            size = len(entry.molecule.sites)
            for _ in range(entry.count):
                frame[start : start + size] += rng.integers(0, 2, 3) * 3.0
                start += size
    found = analysed(tmp_path, large, positions, copies=list(COPIES))
    assert found["copies"]["different"] and min(found["rows"]) > 0
    assert "q_min_per_nm" in found["scattering"]
    # the same box without a word about copies
    assert "copies" not in analysed(tmp_path, large, positions)
