"""g(r) and coordination numbers, against an ideal gas, a lattice, an independent implementation and shapes by hand."""

from __future__ import annotations

import json
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pandas as pd
import pytest
from MDAnalysis.analysis.rdf import InterRDF
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from eoli.analysis.rdf import first_minimum, first_peak, lithium_partners, structure_around
from eoli.analysis.run import analyse_structure
from eoli.errors import DataError
from eoli.topology.description import MoleculeCount, SystemDescription, to_json
from eoli.topology.molecule import Molecule, Site
from eoli.trajectory import Trajectory, open_trajectory
from support import choice


def write_xtc(path: Path, positions: np.ndarray, edges: np.ndarray) -> Trajectory:
    with XTCFile(str(path), "w") as file:
        for k, (frame, edge) in enumerate(zip(positions, edges, strict=True)):
            file.write(frame.astype(np.float32), np.eye(3, dtype=np.float32) * np.float32(edge), k, float(k), 10_000)
    return open_trajectory(path, positions.shape[1], 1.0)


def test_ideal_gas_is_one_everywhere_in_a_breathing_box(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    edges = np.linspace(2.4, 3.2, 40)
    trajectory = write_xtc(tmp_path / "a.xtc", rng.random((40, 300, 3)) * edges[:, None, None], edges)
    structure = structure_around(trajectory, np.arange(100), {"ether_O": np.arange(100, 300)}, 5.0, 0.025)
    table = structure.table
    assert table["r_nm"].iloc[-1] == pytest.approx(1.1875)  # the last bin within half the smallest box
    beyond = table["r_nm"] > 0.3
    assert np.abs(table.loc[beyond, "g_Li_ether_O"] - 1).max() < 0.08
    assert table.loc[beyond, "g_Li_ether_O"].mean() == pytest.approx(1, abs=0.005)
    expected = 200 * np.mean(1 / edges**3) * 4 / 3 * np.pi * table["r_nm"] ** 3
    np.testing.assert_allclose(table.loc[beyond, "n_Li_ether_O"], expected[beyond], rtol=0.02)
    assert structure.shells["ether_O"].first_peak_nm.value is None


def test_neighbours_on_a_rock_salt_lattice(tmp_path: Path) -> None:
    """Each ion of a simple cubic lattice of two kinds has 6 unlike neighbours at a, and 8 more at sqrt(3) a."""
    cells = np.array(np.meshgrid(*[np.arange(6)] * 3, indexing="ij")).reshape(3, -1).T
    kind = cells.sum(axis=1) % 2
    rng = np.random.default_rng(2)
    positions = cells * 0.3 + rng.normal(0, 0.008, (8, len(cells), 3))
    trajectory = write_xtc(tmp_path / "s.xtc", positions % 1.8, np.full(8, 1.8))
    structure = structure_around(
        trajectory, np.flatnonzero(kind == 0), {"ether_O": np.flatnonzero(kind == 1)}, 0.9, 0.004
    )
    number = structure.table.set_index("r_nm")["n_Li_ether_O"]
    assert np.interp(0.40, number.index, number) == pytest.approx(6, abs=1e-9)
    assert np.interp(0.59, number.index, number) == pytest.approx(14, abs=1e-9)
    shell = structure.shells["ether_O"]
    assert shell.first_peak_nm.value == pytest.approx(0.300, abs=0.002)
    assert 0 <= shell.first_peak_nm.error < 0.002
    assert shell.coordination_number.value == pytest.approx(6, abs=1e-9)
    assert shell.coordination_number.error == pytest.approx(0, abs=1e-9)
    assert 0.35 < shell.first_minimum_nm.value < 0.5


def test_agrees_with_an_independent_implementation(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    oxygens = rng.random((20, 120, 3)) * 2.5
    shell = 0.25 * rng.normal(size=(20, 30, 3))
    lithium = (oxygens[:, :30] + shell) % 2.5
    path = tmp_path / "o.xtc"
    trajectory = write_xtc(path, np.concatenate([lithium, oxygens], axis=1), np.full(20, 2.5))
    table = structure_around(trajectory, np.arange(30), {"anion_O": np.arange(30, 150)}, 1.2, 0.02, 2).table
    universe = mda.Universe.empty(150, trajectory=True)
    universe.load_new(str(path))
    oracle = InterRDF(universe.atoms[:30], universe.atoms[30:], nbins=60, range=(0.0, 12.0), norm="rdf")
    oracle.run(step=2)
    np.testing.assert_allclose(table["r_nm"] * 10, oracle.results.bins, rtol=1e-6)
    np.testing.assert_allclose(table["g_Li_anion_O"], oracle.results.rdf, rtol=2e-3, atol=2e-3)


def test_several_partners_at_once_equal_one_at_a_time(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    trajectory = write_xtc(tmp_path / "p.xtc", rng.random((6, 90, 3)) * 2, np.full(6, 2.0))
    groups = {"carbonyl_O": np.arange(20, 60), "amide_O": np.arange(20, 50), "anion_N": np.arange(60, 90)}
    together = structure_around(
        trajectory, np.arange(20), {**groups, "ether_O": np.empty(0, dtype=int)}, 0.9, 0.03
    ).table
    assert "g_Li_ether_O" not in together
    for name, sites in groups.items():
        alone = structure_around(trajectory, np.arange(20), {name: sites}, 0.9, 0.03).table
        pd.testing.assert_series_equal(together[f"g_Li_{name}"], alone[f"g_Li_{name}"])


def test_peak_and_minimum_of_a_known_curve() -> None:
    r = 0.004 * (np.arange(300) + 0.5)
    g = 20 * np.exp(-(((r - 0.2013) / 0.015) ** 2) / 2) + 1 / (1 + np.exp(-(r - 0.42) / 0.01))
    assert first_peak(r, g) == pytest.approx(0.2013, abs=5e-4)
    assert 0.25 < first_minimum(r, g) < 0.38
    noisy = g * (1 + 0.03 * np.random.default_rng(5).normal(size=len(r)))
    assert first_peak(r, noisy) == pytest.approx(0.2013, abs=2e-3)


@pytest.mark.parametrize(
    "g",
    [
        np.ones(200),
        np.zeros(200),
        1 + 0.1 * np.random.default_rng(6).normal(size=200),
        np.linspace(0, 3, 200),
        np.full(200, np.nan),
        np.ones(3),
    ],
)
def test_no_peak_where_there_is_none(g: np.ndarray) -> None:
    r = 0.004 * (np.arange(len(g)) + 0.5)
    assert first_peak(r, g) is None
    assert first_minimum(r, g) is None


def molecule(name: str, kind: str, *roles: str | None) -> Molecule:
    sites = tuple(Site(f"A{k}", "A", 0.0, 10.0, name, 1, "A", role, None, "test") for k, role in enumerate(roles))
    return Molecule(name, kind, 0, sites, (), (), (), ())


def test_partners_by_role() -> None:
    chain = molecule("PX", "polymer", "ether_O", "amide_O", "ester_O", "ester_bridging_O", None)
    salt = (MoleculeCount(molecule("LI", "cation", "Li"), 2), MoleculeCount(molecule("TFSI", "anion", "anion_N"), 2))
    found = lithium_partners(SystemDescription((MoleculeCount(chain, 2), *salt), choice(), ""))
    assert {name: list(sites) for name, sites in found.items()} == {
        "ether_O": [0, 5], "carbonyl_O": [1, 2, 6, 7], "amide_O": [1, 6], "ester_O": [2, 7], "anion_N": [12, 13],
    }  # fmt: skip
    peo = MoleculeCount(molecule("PEO", "polymer", "ether_O", None), 2)
    assert list(lithium_partners(SystemDescription((peo, *salt), choice(), ""))) == ["ether_O", "anion_N"]


def _files(tmp_path: Path, salt: int) -> tuple[Path, Path, Path, Path]:
    chain, lithium = molecule("PEO", "polymer", *["ether_O"] * 20), molecule("LI", "cation", "Li")
    counts = [MoleculeCount(chain, 2)] + ([MoleculeCount(lithium, salt)] if salt else [])
    description = tmp_path / "system.json"
    description.write_text(to_json(SystemDescription(tuple(counts), choice(), "")))
    rng = np.random.default_rng(7)
    write_xtc(tmp_path / "t.xtc", rng.random((8, 40 + salt, 3)), np.ones(8))
    return tmp_path / "t.xtc", description, tmp_path / "out" / "s.csv", tmp_path / "out" / "s.json"


def test_files_of_a_salted_and_a_neat_system(tmp_path: Path) -> None:
    for salt, columns in ((4, ["r_nm", "g_Li_ether_O", "n_Li_ether_O"]), (0, ["r_nm"])):
        trajectory, description, csv, scalars = _files(tmp_path, salt)
        analyse_structure(trajectory, description, 1.0, 2.0, 0.4, 0.01, csv, scalars)
        assert list(pd.read_csv(csv).columns) == columns
        data = json.loads(scalars.read_text())
        assert data["lithium_ions"] == salt
        assert list(data["Li"]) == (["ether_O"] if salt else [])


def test_a_broken_trajectory_leaves_no_file(tmp_path: Path) -> None:
    trajectory, description, csv, scalars = _files(tmp_path, 4)
    with pytest.raises(DataError, match="not equidistant"):
        analyse_structure(trajectory, description, 0.5, 2.0, 0.4, 0.01, csv, scalars)
    trajectory.write_bytes(trajectory.read_bytes()[:-60])
    with pytest.raises(DataError, match=r"t\.xtc"):
        analyse_structure(trajectory, description, 1.0, 2.0, 0.4, 0.01, csv, scalars)
    assert not csv.parent.exists() or not list(csv.parent.iterdir())
