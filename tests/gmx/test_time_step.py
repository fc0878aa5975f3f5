"""Steps of 4 fs with heavier hydrogens, in real GROMACS."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import replace
from pathlib import Path

import MDAnalysis
import numpy as np
import pytest

from eoli.box.packmol import gro_text, pack
from eoli.errors import ForceFieldError, InputError
from eoli.forcefield.library import Library, library
from eoli.forcefield.models import IMPORTED, Contents
from eoli.gromacs.build import inspect
from eoli.gromacs.energies import read_energies
from eoli.gromacs.states import read_velocities
from eoli.gromacs.tools import grompp
from eoli.stage.ensemble import kinds_of_motion
from eoli.stage.gate import degrees_of_freedom
from eoli.stage.job import StageJob
from eoli.stage.masses import simulated
from eoli.stage.run import run_stage
from eoli.study.config import GromacsBuild
from eoli.study.protocol import Stage
from eoli.topology.build import describe, write_topology
from eoli.topology.gromos import read_gromos54a7
from eoli.topology.imported_box import imported_box, write_imported
from eoli.topology.repartition import with_heavier_hydrogens, write_repartitioned
from imported_blocks import follow
from support import ROOT, choice
from tiny_stages import Tiny, short

pytestmark = pytest.mark.gmx

HEAVY = 4.0
LONG = short(
    "nvt", integrator="md", time_step_fs=4.0, length_ns=0.012, thermostat="v-rescale", tau_t_ps=0.2,
    start="last-frame", frame_interval_ps=0.4, energy_interval_ps=0.2,
)  # fmt: skip


def heavy(job: StageJob, mass: float | None = HEAVY) -> StageJob:
    return dataclasses.replace(job, conditions=replace(job.conditions, hydrogen_mass_g_mol=mass))


@pytest.fixture(scope="module")
def pebax(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Three chains of Pebax with four LiTFSI, compressed with heavy hydrogens."""
    made = Tiny(tmp_path_factory.mktemp("pebax"), inspect(GromacsBuild()))
    blocks, forcefield = library(ROOT / "topologies"), read_gromos54a7(made.gromacs.forcefields / "gromos54a7.ff")
    description = describe(Contents.of("pebax", 3, "litfsi", 4), choice("lb-ions", 0.75), blocks, forcefield)
    write_topology(description, "tiny", made.topology, blocks, forcefield)
    source = made.folder / "box.gro"
    pack(description, 1, 0.15, 0.2, 3, source, made.folder / "box.json", made.folder / "box.log")
    for stage in (short("minimise"), short("compress")):
        run_stage(heavy(made.job(stage, source, made.folder / stage.name)))
        source = made.folder / stage.name / "md.gro"
    return made


@pytest.fixture(scope="module")
def run(pebax: Tiny, tmp_path_factory: pytest.TempPathFactory) -> StageJob:
    """A run of 4 fs at constant volume."""
    job = heavy(pebax.after("compress", LONG, tmp_path_factory.mktemp("long") / "long"))
    run_stage(job)
    return job


def test_gromacs_simulates_heavy_hydrogens_in_molecules_of_the_same_mass(pebax: Tiny, run: StageJob) -> None:
    simulated_in = MDAnalysis.Universe(str(run.folder / "md.tpr"))
    masses, own = simulated_in.atoms.masses, pebax.description.masses()
    names = pebax.description.of_sites(lambda site: site.name)
    assert set(masses[names == "H"]) == {HEAVY} and np.count_nonzero(names == "H") == 18
    assert masses == pytest.approx(simulated(run, pebax.description).masses(), rel=1e-6)
    for _, sites in pebax.description.parts():
        assert masses[sites].sum(axis=1) == pytest.approx(own[sites].sum(axis=1), rel=1e-6)
    # the minimisation knows no masses, and the topology that analyses read keeps those of nature
    assert own[names == "H"] == pytest.approx(1.008)
    assert not (pebax.folder / "minimise/run/topology").exists()


def test_the_gates_of_a_stage_pass(run: StageJob) -> None:
    verdict = json.loads((run.folder / "verdict.json").read_text())
    values = verdict["values"]
    assert verdict["broken"] == [] and not any("drifts" in text or "motion" in text for text in verdict["warnings"])
    assert values["largest_bond_strain"] < 1e-4 and values["lincs_warnings"] == 0
    assert abs(values["energy_drift_kT_per_ns"]) < 2 + 3 * values["energy_drift_error_kT_per_ns"]


def test_the_kinetic_energy_is_that_of_the_masses_simulated(pebax: Tiny, run: StageJob) -> None:
    speeds, degrees = read_velocities(run.folder / "state.trr"), degrees_of_freedom((run.folder / "md.log").read_text())
    assert speeds is not None and degrees is not None
    kinds = kinds_of_motion(simulated(run, pebax.description), speeds, degrees)
    kinetic = read_energies(run.folder / "md.edr")["Kinetic En."]
    # leap-frog has velocities half a step beside its energies
    assert sum(kind.kinetic_kJ_mol for kind in kinds) == pytest.approx(kinetic[-1], rel=0.1)
    values = json.loads((run.folder / "verdict.json").read_text())["values"]
    assert values["temperature_of_within_molecules_K"] == pytest.approx(kinds[-1].temperature_K)


def test_masses_change_no_energy(pebax: Tiny, run: StageJob, tmp_path: Path) -> None:
    short_step = Stage.model_validate(LONG.model_dump() | {"time_step_fs": 2.0, "length_ns": 0.0004})
    job = pebax.after("compress", short_step, tmp_path / "own")
    run_stage(job)
    own, other = (read_energies(folder / "md.edr")["Potential"][0] for folder in (job.folder, run.folder))
    assert other == pytest.approx(own, rel=1e-6)


def test_light_hydrogens_are_refused_before_anything_runs(pebax: Tiny, tmp_path: Path) -> None:
    job = pebax.after("compress", LONG, tmp_path / "light")
    with pytest.raises(InputError, match=r"time_step_fs 4 is too long for the hydrogen H of PEBAX; allowed: up to 2"):
        run_stage(job)
    assert not job.run.exists()


def test_another_mass_is_other_physics(pebax: Tiny, tmp_path: Path) -> None:
    stage = Stage.model_validate(LONG.model_dump() | {"time_step_fs": 2.0, "length_ns": 0.0004})
    for mass in (None, HEAVY, None):
        job = heavy(pebax.after("compress", stage, tmp_path / "run"), mass)
        run_stage(job)
    history = (job.folder / "history.log").read_text()
    assert "the physics changed (mdp: hydrogen-mass not set, now 4)" in history
    assert "has the physics that is asked for and is taken up again" in history


def test_imported_molecules_of_all_atoms_are_made_heavier_too(pebax: Tiny, tmp_path: Path) -> None:
    """Ethers of OPLS-AA, whose three hydrogens on a carbon leave room for 3.5 g/mol each, not for 4."""
    root = shutil.copytree(ROOT / "topologies", tmp_path / "blocks")
    follow(root)
    blocks = Library(root)
    chosen = blocks.choose("litfsi-opls", "imported-oplsaa", "default", "default", IMPORTED, 0.75)
    box = imported_box(Contents.of("dme-opls", 2, "litfsi-opls", 1), chosen, blocks)
    write_imported(box, "test", tmp_path / "own")
    with pytest.raises(
        ForceFieldError, match=r"molecule DME: hydrogen_mass_g_mol 4 leaves .* allowed: at most 3\.759$"
    ):
        write_repartitioned(tmp_path / "own", box.description, HEAVY, tmp_path / "heavy")
    write_repartitioned(tmp_path / "own", box.description, 3.5, tmp_path / "heavy")
    edges = np.full(3, 4.0)
    positions = np.random.default_rng(1).uniform(0, 0.5, (box.description.n_sites, 3))
    (tmp_path / "box.gro").write_text(gro_text(box.description, positions, edges, "test"))
    (tmp_path / "run.mdp").write_text("integrator = md\nnsteps = 0\nrcoulomb = 1\nrvdw = 1\ncoulombtype = pme\n")
    grompp(
        pebax.gromacs, tmp_path / "run.mdp", tmp_path / "box.gro", tmp_path / "heavy/system.top", tmp_path / "run.tpr",
        tmp_path / "gmx.log", None,
    )  # fmt: skip
    masses, own = MDAnalysis.Universe(str(tmp_path / "run.tpr")).atoms.masses, box.description.masses()
    assert set(masses[own < 1.1]) == {3.5} and np.count_nonzero(own < 1.1) == 20
    assert masses.sum() == pytest.approx(own.sum(), rel=1e-6)
    assert masses == pytest.approx(with_heavier_hydrogens(box.description, 3.5).masses(), rel=1e-6)
