"""Solvents of ours and mixtures of salts through the whole workflow."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from eoli.topology.description import read_description
from support import snakemake

pytestmark = [pytest.mark.workflow, pytest.mark.gmx]
SYSTEM = "peo-eo12-400K-0.5lipf6-0.5litfsi-dme12-r1"
CONFIG = ("tests/config/tiny.yaml", "own.yaml")


def test_two_salts_and_a_solvent(workflow: Path) -> None:
    (workflow / "own.yaml").write_text(
        "box: {chains: 6, packing_density_g_cm3: 0.15}\nsweep: [{polymer: peo, eo_li: 12, temperature_K: 400, "
        "salt: {litfsi: 0.5, lipf6: 0.5}, solvents: {dme: {per_lithium: 1}}}]\n"
    )
    run = snakemake(workflow, config=CONFIG)
    assert run.returncode == 0, run.stdout
    results = workflow / "results"
    described = read_description(results / SYSTEM / "topology/system.json")
    assert [(e.molecule.name, e.count) for e in described.molecules] == [
        ("PEO", 6), ("LI", 12), ("PF6", 6), ("TFSI", 6), ("DME", 12)]  # fmt: skip
    row = pd.read_csv(results / "summary/sweep.csv").set_index("system").loc[SYSTEM]
    assert (row["salt"], row["solvents"], row["ion_pairs"]) == ("lipf6:0.5 litfsi:0.5", "dme:12", "lipf6:6 litfsi:6")
    # a gate may warn of a box of picoseconds
    assert (row["eo_li_simulated"], row["lithium_ions"]) == (12, 12) and row["status"] in ("pass", "warn")
    assert all(isinstance(row[f"D_{name}_verdict"], str) for name in ("PF6", "TFSI", "DME"))
    # both anions are near lithium, each by its own atoms
    of_each = [row[f"neighbours_Li_{name}"] for name in ("anion_O_of_TFSI", "anion_F_of_PF6")]
    assert min(of_each) > 0 and sum(of_each) == pytest.approx(row["neighbours_Li_anion"])
    assert row["neighbours_Li_solvent_O"] > 0

    def scalars(name: str) -> dict:
        return json.loads((results / SYSTEM / f"analysis/{name}.json").read_text())

    assert scalars("structure")["Li"]["anion_F"]["sites"] == 6 * 6
    conductivity = scalars("conductivity")["ions"]
    assert [conductivity[name]["count"] for name in ("Li", "PF6", "TFSI")] == [12, 6, 6]
    shares = scalars("ions")["anions_by_type"]
    assert set(shares) == {"PF6", "TFSI"}
    energies = scalars("interactions")["groups"]
    assert sum(energies[name]["charge_e"] for name in ("Li", "PF6", "TFSI", "PEO", "DME")) == pytest.approx(0, abs=1e-6)
    page = (results / "summary/report.html").read_text()
    assert "0.5 LiPF₆ + 0.5 LiTFSI" in page and "12 DME" in page
    assert "nothing to be done" in snakemake(workflow, config=CONFIG).stdout.lower()


def test_a_blend(workflow: Path) -> None:
    (workflow / "own.yaml").write_text(
        "box: {packing_density_g_cm3: 0.15}\nsweep: [{polymer: {peo: 3, pebax: 2}, eo_li: 12, temperature_K: 400}]\n"
    )
    run = snakemake(workflow, config=CONFIG)
    assert run.returncode == 0, run.stdout
    results, system = workflow / "results", "2pebax-3peo-eo12-400K-r1"
    described = read_description(results / system / "topology/system.json")
    assert [(e.molecule.name, e.count) for e in described.molecules] == [
        ("PEBAX", 2), ("PEO", 3), ("LI", 10), ("TFSI", 10)]  # fmt: skip
    row = pd.read_csv(results / "summary/sweep.csv").set_index("system").loc[system]
    assert (row["polymer"], row["chains"], row["ether_oxygens"]) == ("pebax:2 peo:3", 5, 120)
    assert row["eo_li_simulated"] == 12 and row["status"] in ("pass", "warn")
    assert all(isinstance(row[f"D_{name}_verdict"], str) for name in ("PEBAX", "PEO"))
    analysis = results / system / "analysis"
    mechanism = json.loads((analysis / "mechanism.json").read_text())["segments"]
    assert mechanism["by_type"].keys() == {"PEBAX", "PEO"} and mechanism["by_type"]["PEBAX"]["units_from"] == "PA"
    assert all(f"segment_relaxation_{name}_at_least_ps" in row for name in ("PEBAX", "PEO"))
    assert json.loads((analysis / "structure.json").read_text())["chains_by_type"].keys() == {"PEBAX", "PEO"}
    # what several types of chains do not have is absent with its reason
    renewal = json.loads((analysis / "renewal.json").read_text())["D_m2_s"]
    assert renewal["value"] is None and "several types of chains" in renewal["verdict"]
    segregation = json.loads((analysis / "morphology.json").read_text())["segregation"]
    assert segregation["verdict"] == "not compared: there are no random arrangements of several types of chains"
    assert "2 Pebax + 3 PEO" in (results / "summary/report.html").read_text()
