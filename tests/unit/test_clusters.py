"""Ion pairs and clusters, against connected components of scipy and clusters that are known by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from eoli.analysis.ions.analyse import analyse_ions
from eoli.analysis.ions.clusters import (
    anion_of_sites,
    block_populations,
    find_clusters,
    mean_of,
    population,
    states,
    verdict,
)
from eoli.errors import DataError
from eoli.study.criteria import IonsCriteria
from eoli.topology.description import MoleculeCount, SystemDescription, to_json
from eoli.topology.molecule import Molecule, Site
from support import choice, reduced_file


def molecule(name: str, kind: str, charge: int, roles: list[str | None]) -> Molecule:
    sites = tuple(Site(f"A{k}", "A", 0.0, 10.0, name, 1, "A", role, None, "test") for k, role in enumerate(roles))
    return Molecule(name, kind, charge, sites, (), (), (), ())


def system(anion_roles: list[str | None], salt: int = 3) -> SystemDescription:
    """Two chains of three sites, then lithium, then anions."""
    entries = [MoleculeCount(molecule("PEO", "polymer", 0, ["ether_O", None, "ether_O"]), 2)]
    if salt:
        entries += [
            MoleculeCount(molecule("LI", "cation", 1, ["Li"]), salt),
            MoleculeCount(molecule("X", "anion", -1, anion_roles), salt),
        ]
    return SystemDescription(tuple(entries), choice(), "")


@pytest.mark.parametrize(
    ("roles", "binding"),
    [
        (["anion_O", "anion_N", "anion_O"], [0, 2]),
        (["anion_P", None, "anion_F"], [0, 2]),
        (["anion_N", "anion_S", "anion_F"], [0, 1, 2]),
    ],
)
def test_binding_sites_of_an_anion(roles: list[str | None], binding: list[int]) -> None:
    expected = np.full(6 + 3 + 9, -1)
    for anion in range(3):
        expected[9 + 3 * anion + np.array(binding)] = anion
    np.testing.assert_array_equal(anion_of_sites(system(roles)), expected)


def test_equals_connected_components() -> None:
    rng = np.random.default_rng(1)
    frames, lithium, anions, slots = 60, 12, 14, 4
    anion_of = np.concatenate([np.full(20, -1), np.repeat(np.arange(anions), 2)])
    neighbours = rng.integers(-1, len(anion_of), (frames, lithium, slots)).astype(np.int32)
    distances = rng.uniform(0.1, 0.5, neighbours.shape).astype(np.float32)
    found = find_clusters([(neighbours, distances)], anion_of, 0.3)
    n_clusters = 0
    for f in range(frames):
        near = (neighbours[f] >= 0) & (distances[f] <= 0.3)
        ion, slot = np.nonzero(near)
        anion = anion_of[neighbours[f, ion, slot]]
        edges = (ion[anion >= 0], lithium + anion[anion >= 0])
        graph = coo_array((np.ones(len(edges[0])), edges), shape=(lithium + anions,) * 2)
        count, labels = connected_components(graph, directed=False)
        n_clusters += count
        for node, label in enumerate(labels):
            members = np.flatnonzero(labels == label)
            expected = [(members < lithium).sum(), (members >= lithium).sum()]
            assert found.sizes[f, node].tolist() == expected
    mean = population(found.sizes)
    assert mean.sum() == pytest.approx(n_clusters / frames)
    assert (mean * np.arange(len(mean))[:, None]).sum() == pytest.approx(lithium)
    assert (mean * np.arange(len(mean))).sum() == pytest.approx(anions)
    np.testing.assert_allclose(block_populations(found).mean(axis=0), mean)


def by_hand() -> tuple[np.ndarray, np.ndarray]:
    """Two frames of three lithium and three anions of two sites each, at sites 9 to 14.

    First frame: Li 0 and anion 0 a pair, Li 1 between anions 1 and 2, Li 2 free (its contact is too far). Second: all
    lithium on anion 2, the others free.
    """
    neighbours = np.array([[[9, 10], [11, 14], [12, -1]], [[13, -1], [14, 0], [13, 14]]], dtype=np.int32)
    distances = np.array([[[0.2, 0.25], [0.2, 0.29], [0.35, np.inf]], [[0.2, np.inf], [0.2, 0.2], [0.2, 0.3]]])
    return neighbours, distances.astype(np.float32)


def test_clusters_by_hand() -> None:
    found = find_clusters([by_hand()], anion_of_sites(system(["anion_O", "anion_O"])), 0.3)
    np.testing.assert_array_equal(found.sizes[0], [[1, 1], [1, 2], [1, 0], [1, 1], [1, 2], [1, 2]])
    np.testing.assert_array_equal(found.sizes[1], [[3, 1]] * 3 + [[0, 1]] * 2 + [[3, 1]])
    np.testing.assert_allclose(states(found.sizes[:, :3]), [[1 / 3, 1 / 3, 1 / 3], [0, 0, 1]])
    np.testing.assert_allclose(states(found.sizes[:, 3:]), [[0, 1 / 3, 2 / 3], [2 / 3, 0, 1 / 3]])
    assert found.contacts_kept == pytest.approx(1 / 3)
    assert verdict(found.contacts_kept) == "resolved"
    assert "67% of the contacts" in verdict(2 / 3)
    assert verdict(None) == "resolved"


def test_no_ions() -> None:
    with pytest.raises(DataError):
        find_clusters([(np.zeros((0, 3, 2), int), np.zeros((0, 3, 2)))], np.array([0]), 0.3)


def test_errors_of_shares_cover() -> None:
    """Ions that bind and part at known rates: over 300 runs the share bound lies within one stated error."""
    rng = np.random.default_rng(2)
    frames, ions, leave, bind = 1000, 10, 0.05, 0.1
    state = rng.uniform(size=(300, ions)) < bind / (bind + leave)
    series = np.empty((300, frames))
    for k in range(frames):
        chance = rng.uniform(size=state.shape)
        state = np.where(state, chance > leave, chance < bind)
        series[:, k] = state.mean(axis=1)
    found = [mean_of(one) for one in series]
    inside = [abs(f.value - 2 / 3) < f.error for f in found]
    assert 0.60 <= np.mean(inside) <= 0.76
    assert mean_of(series[0, :9]).error is None


def write_reduced(path: Path, description: SystemDescription, arrays: dict[str, np.ndarray]) -> None:
    with reduced_file(path, description, 1.0, {"motion": 1.0, "structure": 1.0, "slow": 1.0}) as file:
        for name, data in arrays.items():
            file[name] = data
        if "motion/neighbours" in arrays:
            file["motion/neighbours"].attrs["range_nm"] = 0.5


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path, Path]:
    described = system(["anion_O", "anion_O"])
    neighbours, distances = (np.repeat(part, 10, axis=0) for part in by_hand())
    reduced, description = tmp_path / "reduced.h5", tmp_path / "system.json"
    write_reduced(reduced, described, {"motion/neighbours": neighbours, "motion/distances": distances})
    description.write_text(to_json(described))
    return reduced, description, tmp_path / "ions.csv", tmp_path / "ions.json"


def test_files(files: tuple[Path, Path, Path, Path]) -> None:
    reduced, description, csv, scalars = files
    analyse_ions(reduced, description, IonsCriteria(contact_nm=0.3, use_interval_ps=1.0), csv, scalars)
    table, data = pd.read_csv(csv), json.loads(scalars.read_text())
    rows = {(row.n_Li, row.n_anion): row for row in table.itertuples()}
    assert set(rows) == {(1, 0), (0, 1), (1, 1), (1, 2), (3, 1)}
    assert rows[0, 1].clusters == 1.0
    assert (rows[1, 2].charge_e, rows[1, 2].clusters, rows[1, 2].share_of_anions) == (-1, 0.5, pytest.approx(1 / 3))
    assert rows[3, 1].share_of_Li == pytest.approx(0.5)
    assert rows[1, 1].clusters_error == pytest.approx(np.std([1, 1, 0.5, 0, 0], ddof=1) / math.sqrt(5))
    assert table["share_of_Li"].sum() == pytest.approx(1)
    assert {key: found["value"] for key, found in data["clusters_by_charge_e"].items()} == pytest.approx(
        {"-1": 1.5, "0": 0.5, "1": 0.5, "2": 0.5}
    )
    assert data["Li"]["aggregated"]["value"] == pytest.approx(2 / 3)
    assert data["anion"]["free"]["value"] == pytest.approx(1 / 3)
    assert data["ions_in_largest_cluster"]["value"] == pytest.approx(3.5)
    scan = {entry["cutoff_nm"]: entry for entry in data["contact_scan"]}
    assert list(scan) == [0.26, 0.28, 0.3, 0.32, 0.34] and scan[0.3] == {"cutoff_nm": 0.3, **data["Li"]}
    free = [entry["free"]["value"] for entry in scan.values()]
    assert free == sorted(free, reverse=True)
    analyse_ions(reduced, description, IonsCriteria(contact_nm=0.3, use_interval_ps=5.0), csv, scalars)
    assert json.loads(scalars.read_text())["frames"] == 4


def test_without_a_cutoff_or_with_one_too_far(files: tuple[Path, Path, Path, Path]) -> None:
    reduced, description, csv, scalars = files
    with pytest.raises(DataError, match=r"within 0\.5 nm, not within 0\.6"):
        analyse_ions(reduced, description, IonsCriteria(contact_nm=0.6, use_interval_ps=1.0), csv, scalars)
    assert not csv.exists() and not scalars.exists()
    analyse_ions(reduced, description, IonsCriteria(contact_nm=None, use_interval_ps=1.0), csv, scalars)
    assert json.loads(scalars.read_text())["verdict"].startswith("not resolved")
    assert pd.read_csv(csv).empty


def test_a_neat_polymer(tmp_path: Path) -> None:
    described = system([], 0)
    reduced, description = tmp_path / "reduced.h5", tmp_path / "system.json"
    write_reduced(reduced, described, {"motion/box": np.ones((4, 3))})
    description.write_text(to_json(described))
    analyse_ions(
        reduced, description, IonsCriteria(contact_nm=0.3, use_interval_ps=1.0), tmp_path / "i.csv", tmp_path / "i.json"
    )
    assert json.loads((tmp_path / "i.json").read_text()) == {"cutoff_nm": 0.3}


def test_frames_come_in_pieces(files: tuple[Path, Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    reduced, description, csv, scalars = files
    analyse_ions(reduced, description, IonsCriteria(contact_nm=0.3, use_interval_ps=3.0), csv, scalars)
    once = csv.read_text()
    monkeypatch.setattr("eoli.trajectory.store.Reduced.pieces.__defaults__", (7,))
    analyse_ions(reduced, description, IonsCriteria(contact_nm=0.3, use_interval_ps=3.0), csv, scalars)
    assert csv.read_text() == once
