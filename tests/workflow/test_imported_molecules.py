"""Molecules of others through the whole workflow, as docs/own-molecules.md says."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from eoli.topology.description import read_description
from imported_blocks import follow, study_beside
from support import imported_blocks, snakemake

pytestmark = [pytest.mark.workflow, pytest.mark.gmx]
SYSTEM = "dme-opls-eo12-400K-litfsi-opls-r1"
WITH_SOLVENT = "dme-opls-eo12-400K-litfsi-opls-acetonitrile30-r1"
CONFIG = ("tests/config/tiny.yaml", "own.yaml")


def test_a_study_of_molecules_that_others_made(workflow: Path) -> None:
    blocks = follow(workflow / "topologies").replace("[12, 8]", "12").splitlines(keepends=True)
    sweep = "".join(block for block in blocks if "per_lithium" not in block and "sulfonate" not in block)
    (workflow / "own.yaml").write_text(f"box: {{chains: 36, packing_density_g_cm3: 0.15}}\n{sweep}")
    run = snakemake(workflow, config=CONFIG)
    assert run.returncode == 0, run.stdout
    results = workflow / "results"
    table = pd.read_csv(results / "summary/sweep.csv").set_index("system")
    row = table.loc[SYSTEM]
    assert (row["polymer"], row["ether_set"], row["mixing"]) == ("dme-opls", "imported-oplsaa", "imported")
    assert row["eo_li_simulated"] == 12
    described = read_description(results / SYSTEM / "topology/system.json")
    assert described.n_sites == 36 * 16 + 6 * 16
    beside = table.loc[WITH_SOLVENT]
    assert beside["solvents"] == "acetonitrile:30" and pd.isna(row["solvents"])
    assert isinstance(beside["D_ACN_verdict"], str) and 0 < beside["neighbours_Li_solvent_N"] < 6
    verdict = json.loads((results / SYSTEM / "npt/verdict.json").read_text())
    # liquid glyme with salt at 400 K is near 0.9 g/cm3: this is no test of the force field
    assert 0.7 < verdict["values"]["density_g_cm3"] < 1.3 and verdict["status"] != "fail"
    page = (results / SYSTEM / "topology/parameters.html").read_text()
    assert "forcefield.itp" in page and "opls_180" in page
    assert "nothing to be done" in snakemake(workflow, config=CONFIG).stdout.lower()

    # an edit of an included file, beyond what the entry says of it, makes the topology anew
    included = workflow / "topologies/oplsaa/forcefield.itp"
    included.write_text(included.read_text() + "; a note\n")
    planned = snakemake(workflow, "--dry-run", config=CONFIG).stdout
    assert "topology" in planned and "nothing to be done" not in planned.lower()


LONE_PAIRS = "dme-lp-eo12-400K-litfsi-oplsaa-tip4p24-r1"
VIRTUAL = """\
topologies: blocks
box: {chains: 36, packing_density_g_cm3: 0.15}
sweep:
  - {polymer: dme-lp, salt: litfsi-oplsaa, eo_li: 12, temperature_K: 400, solvents: {tip4p: 24}}
"""
RUNS = f"""\
runs:
  - {{name: again, topology: results/{LONE_PAIRS}/production/md.tpr, trajectory: results/{LONE_PAIRS}/production/md.xtc,
     roles: roles.yaml, temperature_K: 400, frame_interval_ps: 0.1, length_ns: 0.004, polymer: dme-lp, salt: litfsi-oplsaa,
     sites: 912, chains: 36, ether_oxygens: 72, lithium_ions: 6}}
"""
ROLES = """\
molecules:
  DME: {kind: polymer, roles: {ether_O: name O*}}
  LI: {kind: cation, roles: {Li: all}}
  TFSI: {kind: anion, roles: {anion_N: name N*, anion_O: name O*, anion_F: name F*}}
  SOL: {kind: solvent, roles: {solvent_O: name OW}}
"""


def test_lone_pairs_and_water_with_a_virtual_site(workflow: Path) -> None:
    """With the force field that GROMACS installs; and the run taken in again as one made elsewhere."""
    imported_blocks(workflow / "blocks")
    for name, text in (("own.yaml", VIRTUAL), ("runs.yaml", RUNS), ("roles.yaml", ROLES)):
        (workflow / name).write_text(text)
    run = snakemake(workflow, config=CONFIG)
    assert run.returncode == 0, run.stdout
    results = workflow / "results"
    verdict = json.loads((results / LONE_PAIRS / "npt/verdict.json").read_text())
    assert 0.7 < verdict["values"]["density_g_cm3"] < 1.4 and verdict["status"] != "fail"
    page = (results / LONE_PAIRS / "topology/parameters.html").read_text()
    assert "GROMACS:oplsaa.ff/forcefield.itp" in page and "out of the plane of 3 atoms" in page
    made_from = json.loads((results / LONE_PAIRS / "topology/system.provenance.json").read_text())
    assert any("oplsaa.ff/ffnonbonded.itp" in name for name in json.dumps(made_from).split('"'))
    # our sum over all charges with their exclusions, and that of GROMACS
    total = json.loads((results / LONE_PAIRS / "analysis/interactions.json").read_text())["coulomb_total_kJ_mol"]
    assert total["ewald"] == pytest.approx(total["gromacs"], rel=1e-3)

    run = snakemake(workflow, config=(*CONFIG, "runs.yaml"))
    assert run.returncode == 0, run.stdout
    ours, again = (results / name / "analysis" for name in (LONE_PAIRS, "again-r1"))
    for name in ("conductivity", "ions", "mechanism", "morphology", "motion", "renewal", "structure"):
        for suffix in ("csv", "json"):
            assert (again / f"{name}.{suffix}").read_bytes() == (ours / f"{name}.{suffix}").read_bytes(), name


def test_an_imported_solvent_beside_our_polymer(workflow: Path) -> None:
    follow(workflow / "topologies")
    (workflow / "own.yaml").write_text(study_beside())
    run = snakemake(workflow, config=CONFIG)
    assert run.returncode == 0, run.stdout
    results, system = workflow / "results", "peo-eo12-400K-acetonitrile-ua16-r1"
    row = pd.read_csv(results / "summary/sweep.csv").set_index("system").loc[system]
    assert (row["ether_set"], row["mixing"], row["solvents"]) == ("oxy-d", "gromos", "acetonitrile-ua:16")
    assert 0 <= row["neighbours_Li_solvent_N"] < 6 and row["neighbours_Li_ether_O"] > 0
    assert isinstance(row["D_ACN_verdict"], str)
    assert json.loads((results / system / "npt/verdict.json").read_text())["status"] != "fail"
    page = (results / system / "topology/parameters.html").read_text()
    assert "Pairs across the border" in page and "54A7 row of OE" in page
    assert "Imported beside it" in (results / "summary/report.html").read_text()
    # our sum over all charges with their exclusions, and that of GROMACS
    total = json.loads((results / system / "analysis/interactions.json").read_text())["coulomb_total_kJ_mol"]
    assert total["ewald"] == pytest.approx(total["gromacs"], rel=1e-3)
    assert "nothing to be done" in snakemake(workflow, config=CONFIG).stdout.lower()
