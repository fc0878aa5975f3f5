"""Heavier hydrogens: masses of molecules and of topology files, and which time steps they allow."""

from __future__ import annotations

import argparse
import copy
import dataclasses
import math
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from eoli.commands.stage import add_stage
from eoli.errors import EoliError, ForceFieldError
from eoli.forcefield.library import Library
from eoli.forcefield.models import Contents
from eoli.gromacs.mdp import Conditions, mdp_options
from eoli.stage.job import StageJob
from eoli.stage.masses import check_masses, physics_of_masses, simulated_topology
from eoli.study.config import Study, load_study
from eoli.study.protocol import Stage, hydrogen_mass_needed
from eoli.study.systems import systems_of
from eoli.topology.build import describe, write_topology
from eoli.topology.description import MoleculeCount, SystemDescription, read_description
from eoli.topology.gromos import Gromos54A7
from eoli.topology.molecule import Molecule, Site, Term, build_chain
from eoli.topology.repartition import repartitioned, with_heavier_hydrogens, write_repartitioned
from eoli.workflow.plan import Plan
from support import ROOT, choice, mistake

RUN: dict[str, Any] = {
    "name": "run", "ensemble": "NVT", "integrator": "md", "time_step_fs": 4.0, "length_ns": 0.1, "thermostat": "v-rescale",
    "tau_t_ps": 1.0, "frame_interval_ps": 1.0, "energy_interval_ps": 1.0,
}  # fmt: skip
FIRST = {"name": "heat", "generate_velocities": True}
CONDITIONS = Conditions(400.0, 1.2, 0.12, True, "all-bonds", 7)


def molecule(masses: dict[str, float], bonds: list[tuple[int, int]], virtual: tuple[Term, ...] = ()) -> Molecule:
    sites = tuple(Site(name, name, 0.0, mass, "MOL", 1, name, None, None, "test") for name, mass in masses.items())
    terms = tuple(Term(pair, 1, (0.1, 1000.0), "", "test") for pair in bonds)
    return Molecule("MOL", "solvent", 0, sites, terms, (), (), (), virtual=virtual)


def rows_of(path: Path) -> list[list[str]]:
    """Rows of [ atoms ]."""
    atoms = path.read_text().partition("[ atoms ]")[2].partition("\n[")[0]
    return [words for line in atoms.splitlines() if (words := line.partition(";")[0].split())]


@pytest.fixture
def pebax(blocks: Library, forcefield: Gromos54A7) -> SystemDescription:
    return describe(Contents.of("pebax", 2, "litfsi", 4), choice(), blocks, forcefield)


def test_only_hydrogens_and_their_partners_change_and_the_molecule_keeps_its_mass(
    blocks: Library, forcefield: Gromos54A7
) -> None:
    chain = build_chain(blocks.polymer("pebax", "oxy-d"), blocks, forcefield)
    heavier = repartitioned(chain, 4.0)
    assert heavier.mass == pytest.approx(chain.mass, abs=1e-9)
    gained = {
        (before.name, round(after.mass - before.mass, 9))
        for before, after in zip(chain.sites, heavier.sites, strict=True)
        if after.mass != before.mass
    }
    assert gained == {("H", 2.992), ("N", -2.992)}
    assert [replace(site, mass=0.0) for site in heavier.sites] == [replace(site, mass=0.0) for site in chain.sites]
    assert replace(heavier, sites=chain.sites) == chain


def test_united_atoms_keep_their_masses(blocks: Library, forcefield: Gromos54A7) -> None:
    chain = build_chain(blocks.polymer("peo", "oxy-d"), blocks, forcefield)
    assert repartitioned(chain, 4.0) == chain


def test_a_heavy_atom_gives_to_all_its_hydrogens() -> None:
    methane = molecule({"C": 12.011} | {f"H{k}": 1.008 for k in range(4)}, [(0, k) for k in range(1, 5)])
    assert [site.mass for site in repartitioned(methane, 2.0).sites] == pytest.approx([12.011 - 4 * 0.992, *[2.0] * 4])


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (molecule({"C": 12.011} | {f"H{k}": 1.008 for k in range(3)}, [(0, k) for k in range(1, 4)]),
         r"leaves 3\.035 g/mol for C with 3 hydrogens; allowed: at most 3\.759$"),
        (molecule({"H1": 1.008, "H2": 1.008}, [(0, 1)]), r"hydrogen H1: .* no single heavy atom .*; allowed: "),
        (molecule({"B1": 10.81, "H": 1.008, "B2": 10.81}, [(0, 1), (1, 2)]), r"hydrogen H: .*; allowed: "),
        (molecule({"H": 1.008, "O": 15.999}, []), r"hydrogen H: .*; allowed: "),
        (molecule({"O": 15.999, "H": 1.008, "M": 0.0}, [(0, 1)], (Term((2, 0, 1), 2, (), "virtual_sitesn", "test"),)),
         r"virtual site M is at a centre of mass.*; allowed: "),
    ],
)  # fmt: skip
def test_what_cannot_be_made_heavier(made: Molecule, says: str) -> None:
    with pytest.raises(ForceFieldError, match=says) as error:
        repartitioned(made, 4.0)
    assert "\n" not in str(error.value)


def test_a_virtual_site_in_the_middle_of_a_bond_stays_where_it_is() -> None:
    made = molecule(
        {"O": 15.999, "H": 1.008, "M": 0.0}, [(0, 1)], (Term((2, 0, 1), 1, (0.5,), "virtual_sites2", "test"),)
    )
    assert repartitioned(made, 3.0).sites[2].mass == 0


def test_topology_files_differ_in_these_masses_alone(
    pebax: SystemDescription, blocks: Library, forcefield: Gromos54A7, tmp_path: Path
) -> None:
    write_topology(pebax, "test", tmp_path / "own", blocks, forcefield)
    write_repartitioned(tmp_path / "own", pebax, 4.0, tmp_path / "heavy")
    for path in sorted((tmp_path / "own").glob("*.itp")):
        before, after = path.read_text().splitlines(), (tmp_path / "heavy" / path.name).read_text().splitlines()
        assert len(before) == len(after)
        differ = [(a.split(), b.split()) for a, b in zip(before, after, strict=True) if a != b]
        assert {(a[4], a[7], b[7]) for a, b in differ} == (
            {("H", "1.008", "4"), ("N", "14.0067", "11.0147")} if path.stem == "PEBAX" else set()
        )
        assert all(a[:7] == b[:7] and a[8:] == b[8:] for a, b in differ)
    heavy = with_heavier_hydrogens(pebax, 4.0).molecules[0].molecule
    assert [float(row[7]) for row in rows_of(tmp_path / "heavy/PEBAX.itp")] == pytest.approx(
        [s.mass for s in heavy.sites]
    )
    assert (tmp_path / "heavy/system.top").read_text() == (tmp_path / "own/system.top").read_text()


def small(tmp_path: Path, atoms: str) -> SystemDescription:
    """A topology of one hydroxyl, as others may write it."""
    made = molecule({"O": 15.999, "H": 1.008}, [(0, 1)])
    made = replace(made, sites=tuple(replace(s, charge=q) for s, q in zip(made.sites, (-0.4, 0.4), strict=True)))
    (tmp_path / "MOL.itp").write_text(f"[ moleculetype ]\nMOL 3\n[ atoms ]\n{atoms}\n[ bonds ]\n1 2 1\n")
    (tmp_path / "system.top").write_text('#include "MOL.itp"\n')
    return SystemDescription((MoleculeCount(made, 3),), choice(), "0" * 64)


@pytest.mark.parametrize(
    "atoms",
    ["1 O 1 MOL O 1 -0.4 15.999\n2 H 1 MOL H 1 0.4 1.008", "1 O 1 MOL O 1 ; of the type\n#define X\n2 H 1 MOL H 1 0.4"],
    ids=["masses", "of the types"],
)
def test_masses_that_stand_with_the_types_are_written(atoms: str, tmp_path: Path) -> None:
    write_repartitioned(tmp_path, small(tmp_path, atoms), 4.0, tmp_path / "heavy")
    charges_and_masses = [
        [float(word) for word in row[6:]] for row in rows_of(tmp_path / "heavy/MOL.itp") if row[0] != "#define"
    ]
    assert charges_and_masses == [[-0.4, pytest.approx(13.007)], [0.4, 4.0]]


@pytest.mark.parametrize(
    ("atoms", "says"),
    [
        ("1 O 1 MOL O 1 -0.4 15.999\n2 H 1 MOL H 1 0.4 1.008 H 0 1.008", r"MOL\.itp, line 5: the mass of H cannot be changed"),
        ("1 O 1 MOL O 1 -0.4 15.999", r"MOL\.itp: 1 atoms instead of the 2 of system\.json"),
        ("1 O 1 MOL O 1\n2 H 1 MOL H 1\n3 H 1 MOL H 1", r"MOL\.itp: more atoms than the 2 of system\.json"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_changed(atoms: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ForceFieldError, match=says):
        write_repartitioned(tmp_path, small(tmp_path, atoms), 4.0, tmp_path / "heavy")


@pytest.mark.parametrize(("step_fs", "mass"), [(1.0, 1.0), (2.0, 1.0), (3.0, 2.25), (4.0, 4.0)])
def test_the_period_of_a_hydrogen_grows_with_the_root_of_its_mass(step_fs: float, mass: float) -> None:
    assert hydrogen_mass_needed(step_fs) == pytest.approx(mass)
    assert max(2.0, step_fs) / math.sqrt(hydrogen_mass_needed(step_fs)) == pytest.approx(2.0)


def study(folder: Path, polymer: str, step_fs: float = 4.0, **keys: Any) -> Study:
    stages = [
        RUN | FIRST | {"time_step_fs": 2.0},
        RUN | {"time_step_fs": step_fs, "length_ns": 0.12, "name": "production"},
    ]
    protocol = {"name": "long", "description": "test", "cutoff_nm": 1.2, "stages": copy.deepcopy(stages), **keys}
    (folder / "protocol.yaml").write_text(yaml.safe_dump(protocol))
    data = {
        "study": "s", "seed": 1, "sweep": [{"polymer": polymer, "eo_li": 12}], "protocol": str(folder / "protocol.yaml"),
    }  # fmt: skip
    data["analysis"] = {"stage": "production", "slow_interval_ps": 1}
    data["stages"] = {"heat": {"ensemble": "NPT", "barostat": "c-rescale", "tau_p_ps": 5, "pressure_bar": 1}}
    (folder / "config.yaml").write_text(yaml.safe_dump(data))
    made = load_study([folder / "config.yaml"], ROOT)
    systems_of(made)
    return made


def test_a_step_above_two_fs_needs_heavy_hydrogens_or_none(tmp_path: Path) -> None:
    assert study(tmp_path, "peo").stage("production").time_step_fs == 4
    assert study(tmp_path, "pebax", hydrogen_mass_g_mol=4).protocol.hydrogen_mass_g_mol == 4
    text = mistake(lambda: study(tmp_path, "pebax"))
    assert f"{tmp_path / 'config.yaml'}" in text
    assert "stage production: time_step_fs 4 is too long for the hydrogen H of PEBAX; allowed: up to 2, or" in text
    assert text.endswith("hydrogen_mass_g_mol of at least 4 in the protocol")


def test_a_step_above_two_fs_may_stand_in_a_configuration_over_a_protocol() -> None:
    """As docs/howto/time-step.md says; the protocol of the study of record wants its integrator changed, too."""

    def checked(polymer: str, **production: Any) -> object:
        keys = {
            "sweep": [{"polymer": polymer, "eo_li": 12}],
            "stages": {"production": {"time_step_fs": 4, **production}},
        }
        return systems_of(load_study([ROOT / "config/config.yaml"], ROOT, keys))

    assert checked("peo", integrator="md")
    assert "too long for the hydrogen H of PEBAX" in mistake(lambda: checked("pebax", integrator="md"))
    assert "too long for md-vv" in mistake(lambda: checked("peo"))


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"hydrogen_mass_g_mol": 3}, "stage production: time_step_fs 4 is too long for a hydrogen_mass_g_mol of 3; "
         "allowed: up to 3.46 fs"),
        ({"hydrogen_mass_g_mol": 5}, "hydrogen_mass_g_mol"),
        ({"hydrogen_mass_g_mol": 1}, "hydrogen_mass_g_mol"),
        ({"hydrogen_mass_g_mol": 4, "constraints": "h-bonds"}, "is not allowed with constraints h-bonds"),
    ],
)  # fmt: skip
def test_masses_that_do_not_fit(keys: dict[str, Any], says: str, tmp_path: Path) -> None:
    text = mistake(lambda: study(tmp_path, "pebax", **keys))
    assert text.startswith(f"{tmp_path / 'protocol.yaml'}") and says in text and "\n" not in text


def test_the_flags_name_the_mass_where_it_matters(tmp_path: Path) -> None:
    made = study(tmp_path, "pebax", hydrogen_mass_g_mol=4)
    plan = Plan(made, systems_of(made), "")
    name = next(iter(plan.systems))
    words = ["--system", "x", "--topology", "t", "--start-from", "s", "--out", "o"]
    parser = argparse.ArgumentParser()
    add_stage(parser)
    assert parser.parse_args([*words, *shlex.split(plan.stage_flags("production", name))]).hydrogen_mass_g_mol == 4
    plain = study(tmp_path, "pebax", 2.0)
    assert "hydrogen" not in Plan(plain, systems_of(plain), "").stage_flags("production", name)


@pytest.fixture
def job(pebax: SystemDescription, blocks: Library, forcefield: Gromos54A7, tmp_path: Path) -> StageJob:
    write_topology(pebax, "test", tmp_path / "topology", blocks, forcefield)
    none: Any = None
    return StageJob(
        "pebax", Stage(**RUN), CONDITIONS, tmp_path / "topology", tmp_path / "box.gro", tmp_path / "run", none, 1, 5.0, None,
        False,
    )  # fmt: skip


def heavy(job: StageJob, mass: float | None) -> StageJob:
    return dataclasses.replace(job, conditions=replace(job.conditions, hydrogen_mass_g_mol=mass))


def test_a_stage_refuses_light_hydrogens(job: StageJob) -> None:
    with pytest.raises(
        EoliError, match=r"time_step_fs 4 is too long for the hydrogen H of PEBAX; allowed: up to 2, or"
    ):
        check_masses(job)
    check_masses(heavy(job, 4.0))
    check_masses(dataclasses.replace(job, stage=Stage(**(RUN | {"time_step_fs": 2.0}))))


def test_a_stage_is_simulated_with_its_masses_and_bound_to_them(job: StageJob, pebax: SystemDescription) -> None:
    assert simulated_topology(job) == job.topology / "system.top" and physics_of_masses(job) == {}
    top = simulated_topology(heavy(job, 4.0))
    assert top.parent == job.run / "topology" and physics_of_masses(heavy(job, 4.0)) == {"hydrogen-mass": "4"}
    assert sum(row[7] == "4" for row in rows_of(top.parent / "PEBAX.itp")) == sum(
        site.name == "H" for site in pebax.molecules[0].molecule.sites
    )
    # analyses read the masses of nature
    own = read_description(job.topology / "system.json")
    assert np.array_equal(own.masses(), pebax.masses())
    minimise = Stage(
        name="minimise", ensemble="minimisation", integrator="steep", max_steps=9, force_tolerance_kJ_mol_nm=9
    )
    assert physics_of_masses(dataclasses.replace(heavy(job, 4.0), stage=minimise)) == {}


@pytest.mark.parametrize(("step_fs", "steps"), [(0.5, "20"), (2.0, "20"), (2.5, "16"), (4.0, "10")])
def test_a_fixed_list_is_not_older_for_a_longer_step(step_fs: float, steps: str) -> None:
    keys = RUN | FIRST | {"time_step_fs": step_fs}
    assert mdp_options(Stage(**keys), CONDITIONS)["nstlist"] == steps


def test_half_steps_have_the_temperature_of_the_positions_and_whole_steps_too_little() -> None:
    """A harmonic motion, integrated: why a thermostat of velocity Verlet heats, and one of leap-frog does not."""
    frequency, step, n = 1.0, 0.4, 100_000
    position, velocity = np.empty(n), np.empty(n)
    x, half = 1.0, 0.0
    for k in range(n):
        before, half = half, half - step * frequency**2 * x
        position[k], velocity[k] = x, (before + half) / 2
        x += step * half
    halves = np.diff(position) / step
    potential = frequency**2 * np.mean(position**2)
    assert np.mean(halves**2) / potential == pytest.approx(1, abs=1e-3)
    assert np.mean(velocity**2) / potential == pytest.approx(1 - (frequency * step / 2) ** 2, abs=1e-3)
