"""A solvent beside an imported polymer, by the commands of the workflow: its box has the energies of its own files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from eoli.cli import main
from eoli.gromacs.build import inspect
from eoli.study.config import GromacsBuild
from imported_blocks import follow
from single_points import compare, energies
from support import ROOT

pytestmark = pytest.mark.gmx


def test_a_packed_box_with_a_solvent(tmp_path: Path) -> None:
    blocks = tmp_path / "topologies"
    shutil.copytree(ROOT / "topologies", blocks)
    follow(blocks)
    out, box = tmp_path / "topology", tmp_path / "box"
    box.mkdir()
    words = f"--blocks {blocks} --polymer dme-opls --chains 20 --salt litfsi-opls --cations 3 --out {out}"
    choice = "--ether-set imported-oplsaa --mixing imported --ion-charge-scale 1"
    assert main(["topology", *words.split(), *choice.split(), "--solvent", "acetonitrile=15"]) == 0
    files = f"--gro {box / 'box.gro'} --report {box / 'box.json'} --log {box / 'box.log'}"
    limits = "--seed 1 --density-g-cm3 0.3 --tolerance-nm 0.2 --attempts 3"
    assert main(["box", "--system-json", str(out / "system.json"), *limits.split(), *files.split()]) == 0
    original = blocks / "oplsaa/all.top"
    # the solvent's file has the force field, and types of its own that must stand before any molecule
    original.write_text(
        "".join(f'#include "{name}.itp"\n' for name in ("acetonitrile", "dme", "litfsi"))
        + "[ system ]\nx\n[ molecules ]\nDME 20\nLI 3\nTFSI 3\nACN 15\n"
    )
    gromacs = inspect(GromacsBuild())
    found = energies(gromacs, original, box / "box.gro", tmp_path / "a")
    compare(found, energies(gromacs, out / "system.top", box / "box.gro", tmp_path / "b"))
    assert all(found[name] for name in ("Bond", "Angle", "LJ-14", "Coulomb-14", "Coulomb (SR)"))
