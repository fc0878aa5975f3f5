"""A single-ion conductor of docs/own-molecules.md through the whole workflow, and the same run as one made elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from eoli.topology.description import read_description
from imported_blocks import follow
from support import snakemake

pytestmark = [pytest.mark.workflow, pytest.mark.gmx]
SYSTEM = "glyme-sulfonate-eo2-400K-lithium-opls-r1"
CONFIG = ("tests/config/tiny.yaml", "own.yaml")
RUNS = f"""\
runs:
  - {{name: again, topology: results/{SYSTEM}/production/md.tpr, trajectory: results/{SYSTEM}/production/md.xtc,
     roles: roles.yaml, temperature_K: 400, frame_interval_ps: 0.1, length_ns: 0.004, polymer: glyme-sulfonate,
     salt: lithium-opls, sites: 828, chains: 36, ether_oxygens: 72, lithium_ions: 36}}
"""
ROLES = """\
molecules:
  GSO: {kind: polymer, roles: {ether_O: name O2 O5, anion_O: name O9 O10 O11}}
  LI: {kind: cation, roles: {Li: all}}
"""


def test_a_single_ion_conductor_and_its_run_taken_in_again(workflow: Path) -> None:
    sweep = follow(workflow / "topologies").splitlines(keepends=True)
    entry = "".join(block for block in sweep if "glyme-sulfonate" in block)
    (workflow / "own.yaml").write_text(f"box: {{chains: 36, packing_density_g_cm3: 0.15}}\nsweep:\n{entry}")
    (workflow / "runs.yaml").write_text(RUNS)
    (workflow / "roles.yaml").write_text(ROLES)
    run = snakemake(workflow, config=CONFIG)
    assert run.returncode == 0, run.stdout
    results = workflow / "results"
    row = pd.read_csv(results / "summary/sweep.csv").set_index("system").loc[SYSTEM]
    assert (row["eo_li_asked"], row["eo_li_simulated"], row["lithium_ions"]) == (2, 2, 36)
    assert row["cation_model"] == "oplsaa" and pd.isna(row["anion_model"])
    # lithium binds oxygens of sulfonates, and every tethered anion has a diffusion coefficient or a reason
    assert 0.5 < row["neighbours_Li_anion"] < 6
    assert isinstance(row["D_Li_verdict"], str) and isinstance(row["D_anion_verdict"], str)
    analysis = results / SYSTEM / "analysis"
    assert json.loads((analysis / "conductivity.json").read_text())["ions"] == {
        "Li": {"count": 36, "formal_charge_e": 1.0}, "anion": {"count": 36, "formal_charge_e": -1.0}
    }  # fmt: skip
    # our sum over all charges with their exclusions, and that of GROMACS
    energies = json.loads((analysis / "interactions.json").read_text())
    assert energies["coulomb_total_kJ_mol"]["ewald"] == pytest.approx(
        energies["coulomb_total_kJ_mol"]["gromacs"], rel=1e-3
    )
    assert energies["groups"]["GSO"]["charge_e"] == -36
    verdict = json.loads((results / SYSTEM / "npt/verdict.json").read_text())
    assert 0.9 < verdict["values"]["density_g_cm3"] < 1.6 and verdict["status"] != "fail"
    described = read_description(results / SYSTEM / "topology/system.json")
    assert described.charges().sum() == pytest.approx(0, abs=1e-9)
    assert SYSTEM in (results / "summary/report.html").read_text()

    run = snakemake(workflow, config=(*CONFIG, "runs.yaml"))
    assert run.returncode == 0, run.stdout
    again = results / "again-r1/analysis"
    for name in ("conductivity", "ions", "mechanism", "morphology", "motion", "renewal", "structure"):
        for suffix in ("csv", "json"):
            assert (again / f"{name}.{suffix}").read_bytes() == (analysis / f"{name}.{suffix}").read_bytes(), name
