"""The worked examples of topologies/README.md: what a reader copies from there builds."""

from __future__ import annotations

from pathlib import Path

import pytest

from eoli.cli import main
from eoli.forcefield.library import Library
from eoli.forcefield.models import Contents
from eoli.topology.build import describe, tables_for, write_topology
from eoli.topology.gromos import Gromos54A7
from pages import extend_blocks, text_of
from support import ROOT


@pytest.fixture
def extended(copied_blocks: Path) -> Library:
    names = extend_blocks(copied_blocks)
    assert names == [
        "polymers/peo12.yaml",
        "solvents/diglyme.yaml",
        "units/ethyl/oxy-d.yaml",
        "sources.yaml",
        "polymers/peo-ethyl.yaml",
        "atomtypes.yaml",
        "ions/LI/my-lithium.yaml",
    ]
    return Library(copied_blocks)


@pytest.mark.parametrize(("polymer", "sites"), [("peo12", 1 + 12 * 3), ("peo-ethyl", 2 + 12 * 3)])
def test_the_examples_build(
    polymer: str, sites: int, extended: Library, forcefield: Gromos54A7, tmp_path: Path
) -> None:
    choice = extended.choose("litfsi", "oxy-d", "my-lithium", "default", "gromos", 1.0)
    description = describe(Contents.of(polymer, 2, "litfsi", 2), choice, extended, forcefield)
    assert len(description.molecules[0].molecule.sites) == sites
    assert tables_for(description, extended, forcefield).types["LI+MY"] == pytest.approx(
        (2.8248e-5, 2.60836e-9), rel=1e-3
    )
    write_topology(description, "example", tmp_path / "out", extended, forcefield)
    beside = describe(Contents.of(polymer, 2, "litfsi", 2, (("diglyme", 3),)), choice, extended, forcefield)
    assert len(beside.molecules_of("solvent")) == 3 and len(beside.with_role("solvent_O")) == 9
    assert (tmp_path / "out/system.top").is_file()


def test_check_names_a_term_that_a_new_unit_lacks(
    extended: Library, forcefield: Gromos54A7, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without GROMACS it cannot, and leaves that to the jobs."""
    unit = extended.root / "units/ethyl/oxy-d.yaml"
    unit.write_text(unit.read_text().replace("type: CH3, class: CT", "type: CH3, class: CX"))
    study = tmp_path / "own.yaml"
    study.write_text(f"topologies: {extended.root}\nsweep: [{{polymer: peo-ethyl, eo_li: 12}}]\n")
    command = ["check", "--config", str(ROOT / "config/config.yaml"), str(study)]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert said.splitlines() == [
        "eoli check: polymers/peo-ethyl.yaml, ET1:C2-ET1:C1 (classes CX-CT): no bond for these classes"
    ]
    study.write_text(study.read_text() + "gmx: {command: no-such-gmx}\n")
    assert main(command) == 0


def test_the_tables_of_the_readme_name_all_that_is_shipped(blocks: Library) -> None:
    readme = text_of(Path("topologies/README.md"))
    entries = [*blocks.names("polymers"), *blocks.names("salts"), *blocks.variants("ions", "LI")]
    assert [name for name in entries if f"`{name}`" not in readme] == []
