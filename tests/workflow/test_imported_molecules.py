"""Molecules of others through the whole workflow, as docs/own-molecules.md says."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from eoli.topology.description import read_description
from imported_blocks import follow
from support import snakemake

pytestmark = [pytest.mark.workflow, pytest.mark.gmx]
SYSTEM = "dme-opls-eo12-400K-litfsi-opls-r1"
WITH_SOLVENT = "dme-opls-eo12-400K-litfsi-opls-acetonitrile30-r1"
CONFIG = ("tests/config/tiny.yaml", "own.yaml")


def test_a_study_of_molecules_that_others_made(workflow: Path) -> None:
    blocks = follow(workflow / "topologies").replace("[12, 8]", "12").splitlines(keepends=True)
    sweep = "".join(block for block in blocks if "per_lithium" not in block)
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
