"""Energies between groups: GROMACS, the Ewald sum and a naive sum over pairs must agree on the same frames."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from MDAnalysis.lib.formats.libmdaxdr import XTCFile
from scipy.optimize import brentq
from scipy.special import erfc

from eoli.analysis.interactions.analyse import analyse_interactions, group_energies, rerun_options, short_range
from eoli.analysis.interactions.ewald import COULOMB_KJ_NM_MOL_E2
from eoli.analysis.interactions.groups import frame_sums, partition, read_lennard_jones, table_groups, whole_groups
from eoli.box.packmol import pack
from eoli.errors import RunError
from eoli.forcefield.library import library
from eoli.forcefield.models import Contents
from eoli.gromacs.build import Gromacs, inspect
from eoli.study.config import GromacsBuild
from eoli.study.criteria import InteractionsCriteria
from eoli.topology.build import describe, write_topology
from eoli.topology.description import SystemDescription
from eoli.topology.gromos import read_gromos54a7
from eoli.trajectory.reader import frames, open_trajectory

pytestmark = pytest.mark.gmx

TOPOLOGIES = Path(__file__).resolve().parents[2] / "topologies"
CUTOFF_NM, FRAMES = 1.1, 5
COULOMB_TERMS = ("Coulomb (SR)", "Coul. recip.", "Coulomb-14")


@dataclass(frozen=True)
class Box:
    """A packed box on disk, with frames that differ."""

    folder: Path
    system: SystemDescription

    @property
    def trajectory(self) -> Path:
        return self.folder / "md.xtc"

    def used(self) -> list[tuple[np.ndarray, np.ndarray]]:
        opened = open_trajectory(self.trajectory, self.system.n_sites, 0.5)
        return [(np.asarray(x), np.asarray(box)) for _, x, box in frames(opened, 1)]


@pytest.fixture(scope="module")
def gromacs() -> Gromacs:
    return inspect(GromacsBuild())


def make_box(
    polymer: str,
    salt: str,
    mixing: str,
    chains: int,
    ions: int,
    n_frames: int,
    folder: Path,
    gromacs: Gromacs,
    density: float = 0.4,
) -> Box:
    blocks, forcefield = library(TOPOLOGIES), read_gromos54a7(gromacs.forcefields / "gromos54a7.ff")
    models = blocks.choose(salt, "oxy-d", "default", "default", mixing, 1.0)
    system = describe(Contents.of(polymer, chains, salt, ions), models, blocks, forcefield)
    write_topology(system, "test", folder, blocks, forcefield)
    edge = pack(system, 5, density, 0.22, 3, folder / "box.gro", folder / "box.json", folder / "box.log")[-1].edge_nm
    rows = (folder / "box.gro").read_text().splitlines()[2:-1]
    x = np.array([[float(row[k : k + 8]) for k in (20, 28, 36)] for row in rows])
    rng = np.random.default_rng(1)
    with XTCFile(str(folder / "md.xtc"), "w") as file:
        for k in range(n_frames):
            moved = (x + rng.normal(0, 0.01, x.shape)) % edge
            file.write(moved.astype(np.float32), np.eye(3, dtype=np.float32) * np.float32(edge), k, 0.5 * k, 1000)
    return Box(folder, system)


@pytest.fixture(scope="module", params=[("peo", "lorentz-berthelot"), ("pebax", "gromos")], ids=["peo", "pebax"])
def box(request: pytest.FixtureRequest, gromacs: Gromacs, tmp_path_factory: pytest.TempPathFactory) -> Box:
    polymer, mixing = request.param
    return make_box(polymer, "litfsi", mixing, 4, 6, FRAMES, tmp_path_factory.mktemp(polymer), gromacs)


def energies_of(box: Box, gromacs: Gromacs, options: dict[str, str]) -> dict[str, np.ndarray]:
    groups = table_groups(box.system)
    return group_energies(box.used(), box.folder, box.system, groups, options, gromacs, 1, box.folder / "gmx.log")


def assert_ewald_sum_is_that_of_gromacs(box: Box, gromacs: Gromacs, rtol: float) -> None:
    """On a fine grid, where mesh Ewald comes close to the sum itself; direct, reciprocal and 1-4 terms together."""
    options = rerun_options(list(table_groups(box.system)), CUTOFF_NM) | {
        "fourierspacing": "0.06",
        "ewald-rtol": "1e-6",
    }
    energies = energies_of(box, gromacs, options)
    cells = partition(table_groups(box.system) | whole_groups(box.system), box.system.n_sites)
    table = read_lennard_jones(box.folder / "forcefield.itp")
    forms = frame_sums(box.used(), box.system, cells, {}, table).forms
    found = sum(energies[name] for name in COULOMB_TERMS if name in energies)
    # single precision keeps the terms, which partly cancel, to about 1e-6 of their magnitudes
    size = np.abs(forms).sum(axis=(1, 2))
    assert (np.abs(found) > 0.01 * size).all()
    np.testing.assert_allclose(forms.sum(axis=(1, 2)), found, rtol=rtol, atol=2e-6 * size.max())


def test_ewald_sum_is_the_coulomb_energy_of_gromacs(box: Box, gromacs: Gromacs) -> None:
    assert_ewald_sum_is_that_of_gromacs(box, gromacs, 5e-5)


def shipped() -> list[tuple[str, str]]:
    """Every polymer and every salt of the building blocks at least once."""
    polymers, salts = library(TOPOLOGIES).names("polymers"), library(TOPOLOGIES).names("salts")
    return [(polymers[k % len(polymers)], salts[k % len(salts)]) for k in range(max(len(polymers), len(salts)))]


@pytest.mark.parametrize(("polymer", "salt"), shipped())
def test_exclusions_are_those_of_gromacs(polymer: str, salt: str, gromacs: Gromacs, tmp_path: Path) -> None:
    chains = 20 if polymer == "dme" else 2
    box = make_box(polymer, salt, "gromos", chains, 4, 2, tmp_path, gromacs, 0.15)
    # one pair too many or too few is tens of kJ/mol; the mesh of a small box is good to 1e-4
    assert_ewald_sum_is_that_of_gromacs(box, gromacs, 5e-4)


def test_energy_groups_equal_a_sum_over_pairs(box: Box, gromacs: Gromacs) -> None:
    """Lennard-Jones and direct mesh-Ewald energies within the cut-off, both shifted to zero there, pair by pair."""
    groups, system = table_groups(box.system), box.system
    energies = energies_of(box, gromacs, rerun_options(list(groups), CUTOFF_NM))
    table = read_lennard_jones(box.folder / "forcefield.itp")
    types, charges = table.of_sites(system), system.charges()
    beta = brentq(lambda b: erfc(b * CUTOFF_NM) - 1e-5, 0.1, 20)
    shift = erfc(beta * CUTOFF_NM) / CUTOFF_NM
    for a, b in itertools.combinations(groups, 2):
        if {a, b} <= {"C-O-C", "C=O", "NH"}:
            continue  # of one molecule: GROMACS leaves excluded pairs out
        i, j = np.ix_(groups[a], groups[b])
        c6, c12 = table.c6[types[i], types[j]], table.c12[types[i], types[j]]
        lj, coulomb = [], []
        for x, edges in box.used():
            gaps = x[i] - x[j]
            r = np.linalg.norm(gaps - edges * np.round(gaps / edges), axis=2)
            near = r < CUTOFF_NM
            lj.append((near * (c12 * (r**-12 - CUTOFF_NM**-12) - c6 * (r**-6 - CUTOFF_NM**-6))).sum())
            coulomb.append(COULOMB_KJ_NM_MOL_E2 * (near * charges[i] * charges[j] * (erfc(beta * r) / r - shift)).sum())
        found = short_range(energies, a, b)
        for name, expected in (("E_vdw", lj), ("E_ele", coulomb)):
            size = np.abs(expected).max()
            np.testing.assert_allclose(
                found[name], expected, rtol=2e-5, atol=2e-5 * size + 1e-3, err_msg=f"{a} {b} {name}"
            )
        np.testing.assert_allclose(found["E_total"], found["E_vdw"] + found["E_ele"])


def run_job(box: Box, folder: Path) -> tuple[pd.DataFrame, dict]:
    analyse_interactions(
        box.trajectory,
        box.folder,
        InteractionsCriteria(
            frame_interval_ps=0.5, frames=FRAMES, cutoff_nm=CUTOFF_NM, contact_nm={"ether_O": 0.3, "carbonyl_O": 0.3}
        ),
        folder / "interactions.csv",
        folder / "interactions.json",
        build=GromacsBuild(),
        threads=1,
        log=folder / "gmx.log",
    )
    return pd.read_csv(folder / "interactions.csv"), json.loads((folder / "interactions.json").read_text())


def test_table_of_a_system(box: Box, tmp_path: Path) -> None:
    table, scalars = run_job(box, tmp_path)
    is_pebax = "PEBAX" in {entry.molecule.name for entry in box.system.molecules}
    pairs = ["Li/C-O-C", "Li/C=O", "Li/N(TFSI)", "N(TFSI)/NH"] if is_pebax else ["Li/C-O-C", "Li/N(TFSI)"]
    rows = table[(table.method == "short_range") & (table.per == "box")].set_index("pair")
    assert list(rows.index) == pairs == sorted(scalars["short_range"])
    assert np.isfinite(rows.select_dtypes("number")).all(axis=None)
    np.testing.assert_allclose(rows.E_total_kJ_mol, rows.E_vdw_kJ_mol + rows.E_ele_kJ_mol)
    per_ion = scalars["short_range"]["Li/C-O-C"]["lithium"]["E_ele_kJ_mol"]
    assert per_ion["value"] == pytest.approx(rows.E_ele_kJ_mol["Li/C-O-C"] / 6)
    assert per_ion["error"] == pytest.approx(rows.E_ele_error_kJ_mol["Li/C-O-C"] / 6)
    # the parts of the box add up to its energy
    exact = {pair: found["box"]["E_ele_kJ_mol"]["value"] for pair, found in scalars["exact"].items()}
    parts = ["Li", "TFSI", "PEO", "PA"] if is_pebax else ["Li", "TFSI", "PEO"]
    total = sum(exact[f"{a}/{b}"] for a, b in itertools.combinations_with_replacement(parts, 2))
    assert total == pytest.approx(scalars["coulomb_total_kJ_mol"]["ewald"])
    assert exact["Li/PEO"] == pytest.approx(exact["Li/C-O-C"])
    assert ("Li/chain" in exact) == is_pebax
    if is_pebax:
        assert exact["Li/chain"] == pytest.approx(exact["Li/PEO"] + exact["Li/PA"])
    assert scalars["groups"]["C-O-C"]["charge_e"] == 0 and scalars["groups"]["Li"]["charge_e"] == 6
    assert "a property of the cut-off" in scalars["definitions"]["short_range"]


def test_a_failure_names_what_failed_and_the_log(box: Box, tmp_path: Path) -> None:
    topology = tmp_path / "topology"
    topology.mkdir()
    for path in (*box.folder.glob("*.itp"), box.folder / "system.json"):
        (topology / path.name).write_bytes(path.read_bytes())
    (topology / "system.top").write_text((box.folder / "system.top").read_text().replace("LI 6", "LI 5"))
    (topology / "md.xtc").symlink_to(box.trajectory)
    with pytest.raises(RunError, match=rf"gmx grompp: .*; log: {tmp_path}/gmx\.log"):
        run_job(Box(topology, box.system), tmp_path)
    assert not (tmp_path / "interactions.csv").exists() and not (tmp_path / "interactions.json").exists()
    assert "$ gmx grompp" in (tmp_path / "gmx.log").read_text()
