"""Charged chains with lithium alone: the energies of the box that a sweep makes, against the original files by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from eoli.forcefield.library import Library
from eoli.forcefield.models import IMPORTED, Contents
from eoli.gromacs.build import inspect
from eoli.study.config import GromacsBuild
from eoli.topology.imported import read_topology
from eoli.topology.imported_box import imported_box, write_imported
from imported_blocks import follow
from single_points import compare, energies, structure
from support import ROOT

pytestmark = pytest.mark.gmx

TERMS = {"Bond", "Angle", "Ryckaert-Bell.", "LJ-14", "Coulomb-14", "LJ (SR)", "Coulomb (SR)", "Coul. recip."}


@pytest.mark.parametrize(
    "chains", [{"glyme-sulfonate": 8}, {"glyme-sulfonate": 4, "dme-opls": 6}], ids=["one", "blend"]
)
def test_energies_are_those_of_the_files(chains: dict[str, int], tmp_path: Path) -> None:
    root = shutil.copytree(ROOT / "topologies", tmp_path / "blocks")
    follow(root)
    lithium, types = chains["glyme-sulfonate"], {"glyme-sulfonate": "GSO", "dme-opls": "DME"}
    contents = Contents(tuple(chains.items()), (("lithium-opls", lithium),))
    blocks = Library(root)
    choice = blocks.choose("lithium-opls", "imported-oplsaa", "default", "default", IMPORTED, 1.0)
    write_imported(imported_box(contents, choice, blocks), "title", tmp_path / "composed")

    counts = {types[name]: count for name, count in chains.items()} | {"LI": lithium}
    rows = ['#include "glyme-sulfonate.itp"', '#include "dme.itp"', '#include "litfsi.itp"', "[ system ]", "by hand"]
    rows += ["[ molecules ]", *(f"{name} {count}" for name, count in counts.items())]
    by_hand = root / "oplsaa/by-hand.top"
    by_hand.write_text("\n".join(rows) + "\n")
    gro = structure(tmp_path / "box.gro", read_topology(by_hand), counts)
    gromacs = inspect(GromacsBuild())
    original = energies(gromacs, by_hand, gro, tmp_path / "a")
    assert {name for name, value in original.items() if value} >= TERMS
    compare(original, energies(gromacs, tmp_path / "composed/system.top", gro, tmp_path / "b"))
