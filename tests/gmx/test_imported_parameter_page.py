"""Numbers that the page of imported molecules looks up or makes, against those that grompp puts into a run input file."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from eoli.forcefield.library import Library
from eoli.forcefield.models import IMPORTED, Contents
from eoli.topology.imported_box import imported_box, write_imported
from eoli.topology.imported_parameters import imported_parameters
from imported_blocks import follow
from support import ROOT

pytestmark = pytest.mark.gmx

# an ordinary pair that is no mean of its types, which a generated 1-4 pair begins with, and a 1-4 pair of its own
LISTED = (
    "[ nonbond_params ]\nopls_185 opls_180 1 0.271 0.123\n[ pairtypes ]\nopls_180 opls_180 1 0.3 0.2\n[ bondtypes ]"
)
MDP = "integrator = md\nnsteps = 0\ndt = 0.001\ncoulombtype = pme\nrcoulomb = 1\nrvdw = 1\n"


def test_pairs_and_charges_are_those_of_the_run_input(tmp_path: Path) -> None:
    root = shutil.copytree(ROOT / "topologies", tmp_path / "blocks")
    follow(root)
    file = root / "oplsaa/forcefield.itp"
    file.write_text(file.read_text().replace("[ bondtypes ]", LISTED))
    blocks = Library(root)
    choice = blocks.choose("litfsi-opls", "imported-oplsaa", "default", "default", IMPORTED, 0.75)
    box = imported_box(Contents.of("dme-opls", 1, "litfsi-opls", 1), choice, blocks)
    write_imported(box, "title", tmp_path)
    sites = [site for entry in box.description.molecules for site in entry.molecule.sites]
    rows = [
        f"{1:5d}{site.residue:5s}{site.name:>5s}{n + 1:5d}{0.1 * (n % 4):8.3f}{0.1 * (n // 4 % 4):8.3f}{0.1 * (n // 16):8.3f}"
        for n, site in enumerate(sites)
    ]
    (tmp_path / "box.gro").write_text("\n".join(["title", str(len(sites)), *rows, "4 4 4", ""]))
    (tmp_path / "run.mdp").write_text(MDP)
    words = ["-f", "run.mdp", "-c", "box.gro", "-p", "system.top", "-o", "run.tpr"]
    subprocess.run(["gmx", "-quiet", "grompp", *words], cwd=tmp_path, capture_output=True, check=True)
    dump = subprocess.run(
        ["gmx", "-quiet", "dump", "-s", "run.tpr"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    parameters = imported_parameters(box)
    found = {(float(c6), float(c12)) for c6, c12 in re.findall(r"=LJ14, c6A=\s*(\S+), c12A=\s*([^,]+),", dump)}
    shown = sorted({(row.lj.c6, row.lj.c12) for row in parameters.one_four if row.lj is not None})
    assert len(shown) == len(found) > 5
    for numbers, others in zip(shown, sorted(found), strict=True):
        assert numbers == pytest.approx(others, rel=1e-6)
    charges = sorted({float(charge) for charge in re.findall(r"q=\s*([^,\s]+),", dump)})
    assert sorted({round(row.simulated, 10) for row in parameters.charges}) == pytest.approx(charges, rel=1e-6)
