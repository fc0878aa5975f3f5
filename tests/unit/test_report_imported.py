"""What the page of a sweep says of force fields that it does not have from here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from eoli.report.gather import Sweep, gather
from eoli.report.page import render
from eoli.report.sections.setup import facts, simulated
from eoli.study.config import load_study
from eoli.study.systems import systems_of
from imported_blocks import follow
from support import ROOT
from synthetic import write_sweep

OWN = {"polymer": "peo", "salt": "litfsi", "eo_li": 12, "temperature_K": 400}


@pytest.fixture
def imported(copied_blocks: Path) -> dict[str, Any]:
    block, *_ = yaml.safe_load(follow(copied_blocks))["sweep"]
    return {"topologies": str(copied_blocks), "sweep": [block]}


def run(folder: Path) -> dict[str, Any]:
    for name in ("a.tpr", "a.xtc"):
        (folder / name).touch()
    (folder / "roles.yaml").write_text("molecules: {PEO: {kind: polymer, roles: {ether_O: name O1}}}\n")
    return {
        "name": "mine", "topology": str(folder / "a.tpr"), "trajectory": [str(folder / "a.xtc")],
        "roles": str(folder / "roles.yaml"), "temperature_K": 400.0, "frame_interval_ps": 2.0, "length_ns": 5.0,
        "polymer": "peo", "sites": 420, "chains": 4, "force_field": "theirs",
    }  # fmt: skip


def sweep(folder: Path, keys: dict[str, Any]) -> Sweep:
    analysis = {"motion_interval_ps": 2.0, "structure_interval_ps": 2.0}
    (folder / "own.yaml").write_text(yaml.safe_dump({**keys, "analysis": analysis, "box": {"chains": 120}}))
    study = load_study([ROOT / "config/config.yaml", folder / "own.yaml"], ROOT)
    table = write_sweep(folder / "results", study)
    return gather(study, list(systems_of(study)), folder / "results", table, now=1e10)


def said(found: Sweep) -> dict[str, str]:
    return {line.term: line.text for line in simulated(found)}


def test_a_sweep_of_imported_molecules_says_nothing_of_our_force_field(
    imported: dict[str, Any], tmp_path: Path
) -> None:
    found = sweep(tmp_path, imported)
    lines = said(found)
    assert "oplsaa" in facts(found) and "GROMOS" not in facts(found) and "elsewhere" not in facts(found)
    assert "Force field" not in lines and "Made elsewhere" not in lines
    assert lines["Imported force field"].startswith("oplsaa: topologies of others, unverified; lithium model oplsaa; ")
    assert "elsewhere" not in lines["Systems"] and "Lengths" in lines
    html = render(found)
    assert "GROMOS" not in html and "54A7" not in html and "Made elsewhere" not in html
    assert html.count("oplsaa, imported with its own mixing rule") == len(found.systems)
    # the page of parameters is there
    assert all(f'href="../{system.name}/topology/parameters.html"' in html for system in found.systems)


def test_a_stranger_reads_nothing_of_the_study_of_record(imported: dict[str, Any], tmp_path: Path) -> None:
    """None of these systems is one of the study: no extension of it, and no page of rows without a number of ours."""
    found = sweep(tmp_path, imported)
    assert found.beside_study is not None
    bare = replace(found, beside_study=found.beside_study.assign(ours=float("nan")))
    html = render(bare)
    assert "extension" not in said(found)["Systems"] and "study of record," not in html
    assert 'class="tally"' not in html and 'id="verdict-filter"' not in html
    assert "Nothing in this sweep can be laid beside Ma 2022 so far" in html
    assert 'id="verdict-filter"' in render(replace(found, beside_study=found.beside_study.assign(ours=1.0)))


def test_a_plot_needs_data_to_draw(imported: dict[str, Any], tmp_path: Path) -> None:
    found = sweep(tmp_path, imported)
    assert 'id="plot-domains"' in render(found) and 'id="plot-densities"' in render(found)
    # what is left of an analysis without a result: its reason
    bare = [
        replace(
            of, tables={name: table for name, table in of.tables.items() if not name.startswith(("domains", "traces-"))}
        )
        for of in found.systems
    ]
    html = render(replace(found, systems=bare))
    assert 'id="plot-domains"' not in html and 'id="plot-densities"' not in html


def test_each_origin_has_its_line(imported: dict[str, Any], tmp_path: Path) -> None:
    keys = {**imported, "sweep": [OWN, *imported["sweep"]], "runs": [run(tmp_path)]}
    found = sweep(tmp_path, keys)
    lines = said(found)
    assert "GROMOS 54A7 and oplsaa" in facts(found) and "1 run made elsewhere" in facts(found)
    assert lines["Force field"].startswith("GROMOS 54A7") and "imported" not in lines["Force field"]
    assert lines["Imported force field"].startswith("oplsaa: ") and "theirs" not in lines["Imported force field"]
    assert lines["Made elsewhere"].startswith("mine-r1 (theirs)")
    html = render(found)
    assert 'href="../mine-r1/topology/parameters.html"' not in html
    assert 'href="../peo-eo12-400K-r1/topology/parameters.html"' in html


def test_what_is_imported_beside_our_polymer_is_named(imported: dict[str, Any], tmp_path: Path) -> None:
    wet = {**OWN, "solvents": {"acetonitrile-ua": 5, "dme": 5}}
    lines = said(sweep(tmp_path, {**imported, "sweep": [wet, *imported["sweep"]]}))
    assert lines["Imported beside it"].startswith(
        "acetonitrile-ua: topologies of others, unverified, as are their pairs"
    )
    assert lines["Force field"].startswith("GROMOS 54A7")
    (tmp_path / "dry").mkdir()
    assert "Imported beside it" not in said(sweep(tmp_path / "dry", {**imported, "sweep": [OWN, *imported["sweep"]]}))


@pytest.mark.parametrize(("protocol", "says"), [("annealed", False), ("annealed-4fs", True)])
def test_the_page_says_that_hydrogens_are_heavier(protocol: str, says: bool, tmp_path: Path) -> None:
    found = sweep(tmp_path, {"sweep": [OWN], "protocol": f"config/protocols/{protocol}.yaml"})
    lengths = said(found)["Lengths"]
    assert ("hydrogens weigh 4 g/mol in the dynamics" in lengths) is says
    assert lengths.endswith(f"protocol {protocol}")
