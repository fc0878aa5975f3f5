"""Molecules with virtual sites: where GROMACS puts them, what it excludes, and a box of them from entries to dynamics."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pyedr
import pytest
from MDAnalysis.lib.formats.libmdaxdr import TRRFile

from eoli.box.geometry import check_molecule
from eoli.box.packmol import pack
from eoli.forcefield.library import Library
from eoli.forcefield.models import Contents, ForceFieldChoice
from eoli.gromacs.build import Gromacs, inspect
from eoli.gromacs.tools import grompp, run_tool
from eoli.study.config import GromacsBuild
from eoli.topology.adopted import as_molecule
from eoli.topology.composed import Part, write_composed
from eoli.topology.description import read_description, to_json
from eoli.topology.imported import ImportedTopology, read_topology
from eoli.topology.imported_box import ImportedBox, imported_box, write_imported
from eoli.topology.virtual import FUNCTIONS, place_virtual
from single_points import compare, energies
from support import imported_blocks

pytestmark = pytest.mark.gmx

CHOICE = ForceFieldChoice("imported-oplsaa-lone-pairs", "oplsaa", "clandp-all-atom", "imported", 1.0)
NUMBERS = {
    ("virtual_sites1", 1): "1 1",
    ("virtual_sites2", 1): "1 2 1 0.3",
    ("virtual_sites2", 2): "2 1 2 -0.11",
    ("virtual_sites3", 1): "1 2 3 1 0.3 -0.2",
    ("virtual_sites3", 2): "2 1 3 2 0.4 -0.1",
    ("virtual_sites3", 3): "2 1 3 3 115 0.12",
    ("virtual_sites3", 4): "2 1 3 4 -0.3 -0.3 2.5",
    ("virtual_sites4", 1): "2 1 3 4 1 0.2 0.3 0.1",
    ("virtual_sites4", 2): "2 1 3 4 2 0.9 1.1 0.1",
    ("virtual_sitesn", 1): "1 1 2 4",
    ("virtual_sitesn", 2): "2 1 3 4",
    ("virtual_sitesn", 3): "3 1 0.2 2 0.5 5 0.3",
}
"""Makers, function and numbers of a site of each kind; those of [ virtual_sitesn ] begin with the function. The last
follows from another virtual site."""


@pytest.fixture(scope="module")
def gromacs() -> Gromacs:
    return inspect(GromacsBuild())


def dynamics(gromacs: Gromacs, top: Path, gro: Path, options: str) -> Path:
    """Folder of a short run."""
    folder = top.parent / "md"
    folder.mkdir()
    (folder / "md.mdp").write_text(f"integrator = md\ndt = 0.001\nrcoulomb = 0.9\nrvdw = 0.9\n{options}\n")
    grompp(gromacs, folder / "md.mdp", gro, top, folder / "md.tpr", folder / "grompp.log", None)
    run = subprocess.run(
        [str(gromacs.program), "mdrun", "-deffnm", "md", "-ntmpi", "1", "-ntomp", "1"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return folder


def frames(path: Path) -> np.ndarray:
    """Positions of all frames of a TRR, nm."""
    with TRRFile(str(path)) as file:
        return np.array([frame.x for frame in file if frame.hasx], dtype=np.float64)


def test_every_kind_lies_where_gromacs_puts_it(gromacs: Gromacs, tmp_path: Path) -> None:
    assert tuple(NUMBERS) == FUNCTIONS
    atoms = "".join(f"{n} A 1 M A{n} 1 0.0 {11 + n}\n" for n in range(1, 5))
    atoms += "".join(f"{n} V 1 M V{n} 1 0.0 0.0\n" for n in range(5, 5 + len(NUMBERS)))
    rows = "".join(f"[ {of} ]\n{n} {text}\n" for n, ((of, _), text) in enumerate(NUMBERS.items(), start=5))
    top = tmp_path / "box.top"
    top.write_text(
        "[ defaults ]\n1 2 no\n[ atomtypes ]\nA 12.0 0.0 A 0.3 0.5\nV 0.0 0.0 D 0.0 0.0\n[ moleculetype ]\nM 3\n"
        f"[ atoms ]\n{atoms}[ bonds ]\n1 2 1 0.15 1e5\n2 3 1 0.14 1e5\n2 4 1 0.16 1e5\n"
        f"[ angles ]\n1 2 3 1 110 300\n1 2 4 1 100 300\n{rows}[ system ]\nx\n[ molecules ]\nM 1\n"
    )
    x = np.zeros((4 + len(NUMBERS), 3))
    x[:4] = np.array([[0.0, 0.0, 0.0], [0.15, 0.0, 0.0], [0.2, 0.13, 0.02], [0.18, -0.05, 0.15]]) + 1.5
    names = [*(f"A{n}" for n in range(1, 5)), *(f"V{n}" for n in range(5, 5 + len(NUMBERS)))]
    gro = tmp_path / "box.gro"
    gro.write_text(
        "\n".join(["x", str(len(x)), *(f"    1M    {name:>5s}{n:5d}{a:8.3f}{b:8.3f}{c:8.3f}" for n, (name, (a, b, c)) in
                  enumerate(zip(names, x, strict=True), start=1)), "   4.00000" * 3]) + "\n"
    )  # fmt: skip
    folder = dynamics(gromacs, top, gro, "nsteps = 40\nnstxout = 10\ngen-vel = yes\ngen-temp = 600")
    found = frames(folder / "md.trr")
    assert len(found) == 5 and np.abs(found[-1, :4] - found[0, :4]).max() > 1e-3
    topology = read_topology(top)
    molecule = as_molecule(topology.molecule("M"), topology.forcefield, "solvent")
    assert {(term.label, term.function) for term in molecule.virtual} == set(FUNCTIONS)
    bare = found.copy()
    bare[:, 4:] = 0
    # single precision of positions near 1.5 nm
    assert place_virtual(molecule.virtual, bare) == pytest.approx(found, abs=2e-6)


def exclusions(gromacs: Gromacs, folder: Path) -> dict[str, set[tuple[int, int]]]:
    """Excluded pairs (i < j) of each molecule type of a run input file, as GROMACS prints them."""
    run_tool(gromacs, "grompp", folder / "grompp.log", f=folder / "sp.mdp", c=folder / "box.gro", p=folder / "system.top",
             o=folder / "sp.tpr", po=folder / "out.mdp")  # fmt: skip
    said = subprocess.run(
        [str(gromacs.program), "dump", "-s", "sp.tpr"], cwd=folder, capture_output=True, text=True, check=True
    ).stdout
    found: dict[str, set[tuple[int, int]]] = {}
    for part in re.split(r"\n   moltype \(\d+\):\n", said)[1:]:
        name = re.search(r'name="(.*?)"', part)
        assert name
        # lists of several lines end with a brace
        rows = re.findall(r"excls\[(\d+)\]\[num=\d+\]=\{([^}]*)\}", part)
        found[name[1]] = {(int(i), int(j)) for i, row in rows for j in row.replace(",", " ").split() if int(i) < int(j)}
    return found


@pytest.fixture(scope="module")
def made(gromacs: Gromacs, tmp_path_factory: pytest.TempPathFactory) -> tuple[ImportedBox, Path]:
    """Ethers with lone pairs, a lithium salt and TIP4P: the box and its folder, packed."""
    folder = tmp_path_factory.mktemp("lone-pairs")
    blocks = Library(imported_blocks(folder / "blocks"))
    box = imported_box(
        Contents.of("dme-lp", 40, "litfsi-oplsaa", 4, (("tip4p", 60),)), CHOICE, blocks, gromacs.forcefields
    )
    write_imported(box, "test", folder)
    pack(box.description, 2, 0.5, 0.2, 3, folder / "box.gro", folder / "box.json", folder / "box.log")
    return box, folder


def original(folder: Path, box: ImportedBox) -> Path:
    """The files of the box as a user would join them for grompp."""
    blocks = folder / "blocks"
    ions = (blocks / "oplsaa/forcefield.itp").read_text().splitlines()
    types = "\n".join(row for row in ions if row.split()[:1] in [["NBT"], ["SBT"], ["OBT"], ["CBT"], ["FBT"]])
    listed = "".join(f"{entry.molecule.name} {entry.count}\n" for entry in box.description.molecules)
    top = blocks / "lone-pairs/all.top"
    top.write_text(
        f'#include "oplsaa.ff/forcefield.itp"\n[ atomtypes ]\n{types}\n#include "dme-lp.itp"\n'
        f'{(blocks / "oplsaa/litfsi.itp").read_text()}#include "oplsaa.ff/tip4p.itp"\n'
        f"[ system ]\nx\n[ molecules ]\n{listed}"
    )
    return top


def test_energies_are_those_of_the_files(gromacs: Gromacs, made: tuple[ImportedBox, Path], tmp_path: Path) -> None:
    box, folder = made
    found = energies(gromacs, original(folder, box), folder / "box.gro", tmp_path / "a")
    compare(found, energies(gromacs, folder / "system.top", folder / "box.gro", tmp_path / "b"))
    assert all(found[name] for name in ("Bond", "Angle", "Ryckaert-Bell.", "LJ-14", "Coulomb-14", "Coul. recip."))


def test_the_box_and_its_description(gromacs: Gromacs, made: tuple[ImportedBox, Path]) -> None:
    box, folder = made
    description = read_description(folder / "system.json")
    assert description == box.description and to_json(description) == (folder / "system.json").read_text()
    ether, *_, water = (entry.molecule for entry in description.molecules)
    assert ether.massless.sum() == 4 and water.massless.tolist() == [False, False, False, True]
    assert water.hosts.tolist() == [0, 1, 2, 0] and water.mass == pytest.approx(18.0154)
    assert {site.role for site, none in zip(ether.sites, ether.massless, strict=True) if none} == {None}
    # in one numbering with the oxygens
    assert [ether.sites[k].residue_number for k in (4, 16, 17, 11, 18, 19)] == [1, 1, 1, 2, 2, 2]
    x = np.array(
        [[float(r[k : k + 8]) for k in (20, 28, 36)] for r in (folder / "box.gro").read_text().splitlines()[2:-1]]
    )
    start = 0
    for entry in description.molecules:
        n = len(entry.molecule.sites)
        for one in x[start : start + n * entry.count].reshape(-1, n, 3):
            # a file has three digits
            assert place_virtual(entry.molecule.virtual, one) == pytest.approx(one, abs=5e-3)
            check_molecule(entry.molecule, one)
        start += n * entry.count


def test_exclusions_are_those_of_gromacs(gromacs: Gromacs, made: tuple[ImportedBox, Path], tmp_path: Path) -> None:
    box, folder = made
    for name in ("box.gro", "system.top", "forcefield.itp", "DME.itp", "LI.itp", "TFSI.itp", "SOL.itp"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "sp.mdp").write_text("integrator = md\nrcoulomb = 0.9\nrvdw = 0.9\n")
    found = exclusions(gromacs, tmp_path)
    for entry in box.description.molecules:
        assert set(entry.molecule.excluded()) == found[entry.molecule.name], entry.molecule.name
    assert len(found["SOL"]) == 6


def test_minimisation_and_dynamics(gromacs: Gromacs, made: tuple[ImportedBox, Path], tmp_path: Path) -> None:
    """Virtual sites have no degrees of freedom, and lie where the atoms put them."""
    box, folder = made
    for path in folder.glob("*.itp"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    top = tmp_path / "system.top"
    top.write_bytes((folder / "system.top").read_bytes())
    (tmp_path / "em.mdp").write_text("integrator = steep\nnsteps = 300\nrcoulomb = 0.9\nrvdw = 0.9\n")
    grompp(gromacs, tmp_path / "em.mdp", folder / "box.gro", top, tmp_path / "em.tpr", tmp_path / "em.log", None)
    command = [str(gromacs.program), "mdrun", "-deffnm", "em", "-ntmpi", "1", "-ntomp", "1"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    potential = pyedr.edr_to_dict(str(tmp_path / "em.edr"))["Potential"]
    assert np.isfinite(potential).all() and potential[-1] < potential[0]
    run = dynamics(
        gromacs, top, tmp_path / "em.gro",
        "nsteps = 200\nnstxout = 100\nnstvout = 100\nnstenergy = 10\nconstraints = h-bonds\ngen-vel = yes\ngen-temp = 300\n"
        "coulombtype = pme\ntcoupl = v-rescale\ntc-grps = System\ntau-t = 0.1\nref-t = 300",
    )  # fmt: skip
    for positions in frames(run / "md.trr"):
        start = 0
        for entry in box.description.molecules:
            n = len(entry.molecule.sites)
            molecules = positions[start : start + n * entry.count].reshape(-1, n, 3)
            # molecules may be cut by the box, virtual sites are beside their atoms then
            whole = (np.ptp(molecules, axis=1) < 1.2).all(axis=1)
            assert whole.any()
            found = place_virtual(entry.molecule.virtual, molecules[whole])
            assert found == pytest.approx(molecules[whole], abs=1e-5)
            start += n * entry.count
    said = re.findall(r"^ +nrdf: +(\S+)$", (run / "md.log").read_text(), re.MULTILINE)
    ether, lithium, anion, water = ((e.molecule, e.count) for e in box.description.molecules)
    bonds_of_hydrogen = 10 * ether[1]
    free = 3 * (16 * ether[1] + lithium[1] + 15 * anion[1]) - bonds_of_hydrogen + 6 * water[1] - 3
    assert float(said[-1]) == pytest.approx(free, abs=0.5)


def read(tmp_path: Path, text: str) -> ImportedTopology:
    (tmp_path / "box.top").write_text(text)
    return read_topology(tmp_path / "box.top")


def test_a_local_copy_of_a_force_field_wins(gromacs: Gromacs, tmp_path: Path) -> None:
    """A folder oplsaa.ff beside the topology is taken before the one that GROMACS installs, as by grompp."""
    text = '#include "oplsaa.ff/forcefield.itp"\n#include "oplsaa.ff/tip4p.itp"\n[ system ]\nx\n[ molecules ]\nSOL 4\n'
    (tmp_path / "a").mkdir()
    (tmp_path / "a/box.top").write_text(text)
    installed = read_topology(tmp_path / "a/box.top", installed=gromacs.forcefields)
    assert installed.molecule("SOL").where.startswith(str(gromacs.forcefields / "oplsaa.ff/tip4p.itp"))
    local = tmp_path / "b/oplsaa.ff"
    local.mkdir(parents=True)
    (tmp_path / "b/box.top").write_text(text)
    water = (gromacs.forcefields / "oplsaa.ff/tip4p.itp").read_text()
    (local / "tip4p.itp").write_text(water.replace("SOL\t\t2", "SOL 1"))
    own = read_topology(tmp_path / "b/box.top", installed=gromacs.forcefields)
    assert own.molecule("SOL").where.startswith(str(local)) and own.molecule("SOL").nrexcl == 1
    assert own.forcefield.types == installed.forcefield.types
    write_composed([Part(installed, "SOL", 4)], "x", tmp_path / "composed")
    gro = tmp_path / "box.gro"
    rows = [f"    {m}SOL  {name:>5s}{4 * m + k:5d}{0.5 * m + 0.03 * k:8.3f}{0.06 * (k % 2):8.3f}{0.0:8.3f}"
            for m in range(1, 5) for k, name in enumerate(("OW", "HW1", "HW2", "MW"))]  # fmt: skip
    gro.write_text("\n".join(["x", "16", *rows, "   4.00000" * 3]) + "\n")
    found = energies(gromacs, tmp_path / "a/box.top", gro, tmp_path / "c")
    compare(found, energies(gromacs, tmp_path / "composed/system.top", gro, tmp_path / "d"))
