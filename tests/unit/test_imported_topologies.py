"""Topologies of others: what is read of them, and what is refused."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eoli.box.conformation import random_conformation, torsion_energy
from eoli.box.geometry import check_molecule
from eoli.core.validation import validate
from eoli.core.yamlfile import read_yaml
from eoli.errors import EoliError, ForceFieldError, InputError
from eoli.forcefield.models import ImportedEntry, ImportedPolymer
from eoli.forcefield.preprocessed import expand, read_lines
from eoli.topology.adopted import Adopted, as_molecule, describe_adopted
from eoli.topology.composed import Part, compose
from eoli.topology.imported import ImportedTopology, bonds, parameters, read_forcefield, read_topology
from eoli.topology.molecule import Molecule
from eoli.topology.roles import with_roles
from support import choice, mistake

FILES = Path(__file__).resolve().parents[1] / "imported"
SMALL = """
[ defaults ]
1 2 no
[ atomtypes ]
A 12.0 0.1 A 0.3 0.5
B 6 12.0 -0.1 A 0.3 0.5
[ bondtypes ]
A B 1 0.15 1000
[ moleculetype ]
MOL 3
[ atoms ]
1 A 1 MOL A1 1
2 B 1 MOL B1 1
[ bonds ]
1 2 1
[ system ]
text
[ molecules ]
MOL 2
"""


def write(folder: Path, text: str, name: str = "box.top") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def composed(path: Path) -> dict[str, str]:
    topology = read_topology(path)
    return compose([Part(topology, *entry) for entry in topology.counts], "test")


def said(topology: ImportedTopology) -> object:
    """What a topology says, without where it says it."""
    return [
        (m.name, m.nrexcl, [(s.name, s.type, s.charge, s.mass, s.residue, s.residue_number) for s in m.sites],
         {name: [(t.sites, t.function, parameters(t, m, topology.forcefield)) for t in terms if name != "exclusions"]
          for name, terms in m.terms.items()})
        for m in topology.molecules.values()
    ]  # fmt: skip


def test_an_ether_of_all_atoms() -> None:
    topology = read_topology(FILES / "oplsaa/box.top")
    ether = topology.molecule("DME")
    assert topology.counts == (("DME", 8), ("LI", 2), ("TFSI", 2))
    assert topology.forcefield.defaults.fudge_lj == 0.5 and topology.forcefield.types["opls_180"].bonded == "OS"
    assert topology.forcefield.types["opls_180"].atomic_number == 8
    assert topology.forcefield.types["NBT"].atomic_number is None
    # C4H10O2 has 5 + 10 bonds, 2 x 6 + 2 x 6 + 2 angles, and 2 x 3 + 9 + 2 x 3 torsions
    assert [len(ether.terms[name]) for name in ("bonds", "angles", "dihedrals", "pairs")] == [15, 26, 21, 21]
    assert sum(site.mass for site in ether.sites) == pytest.approx(4 * 12.011 + 10 * 1.008 + 2 * 15.9994)
    # charge and mass of the type stand for those that a row leaves out
    assert (ether.sites[1].charge, ether.sites[1].mass) == (0.03, 1.008)
    assert "position_restraints" not in ether.terms
    restrained = read_topology(FILES / "oplsaa/box.top", defines={"POSRES": ""}).molecule("DME")
    assert len(restrained.terms["position_restraints"]) == 1
    lengths = {
        tuple(sorted(ether.sites[i].name[0] for i in term.sites)): term.parameters
        for term in bonds(ether, topology.forcefield)
    }
    assert lengths == {("C", "C"): (0.1529,), ("C", "H"): (0.109,), ("C", "O"): (0.141,)}
    anion = topology.molecule("TFSI")
    assert anion.charge == pytest.approx(-1) and anion.sites[0].charge == -0.66
    assert anion.terms["angles"][0].parameters == (125.6, 671.0)


def test_stiff_bonds_wildcards_and_sums() -> None:
    topology = read_topology(FILES / "trappe/box.top")
    ether = topology.molecule("DMU")
    assert [term.parameters for term in bonds(ether, topology.forcefield)] == [(0.141,)] * 2 + [(0.154,)] + [
        (0.141,)
    ] * 2
    torsions = [parameters(term, ether, topology.forcefield) for term in ether.terms["dihedrals"]]
    assert [len(rows) for rows in torsions] == [3, 2, 3]


def test_a_converted_file() -> None:
    """Nothing but constraints and written numbers: the anion has the torsions of the file with Fourier series, and chains
    and ions are drawn without a structure."""
    converted, fourier = (read_topology(FILES / f"{name}/box.top") for name in ("converted", "oplsaa"))
    one, other = (
        as_molecule(topology.molecule(name), topology.forcefield, "anion")
        for topology, name in ((converted, "tfi"), (fourier, "TFSI"))
    )
    assert {term.sites: term.parameters for term in one.bonds} == {t.sites: t.parameters[:1] for t in other.bonds}
    angles = np.linspace(-3, 3, 50)

    def torsions(molecule: Molecule) -> dict[tuple[int, ...], np.ndarray]:
        found: dict[tuple[int, ...], np.ndarray] = {}
        for term in molecule.dihedrals:
            found[term.sites] = found.get(term.sites, 0) + torsion_energy(term, angles)
        return found

    expected = torsions(other)
    assert torsions(one).keys() == expected.keys()
    for sites, energy in torsions(one).items():
        assert energy == pytest.approx(expected[sites], abs=1e-3), sites
    ether = as_molecule(converted.molecule("dgl"), converted.forcefield, "polymer")
    ether = with_roles(ether, {"ether_O": "type oeu"}, {}, lambda text, *keys: InputError(text))
    assert [site.residue_number for site in ether.sites if site.role] == [1, 2, 3]
    for molecule in (ether, one):
        found = [random_conformation(molecule, np.random.default_rng(seed)) for seed in range(4)]
        for x in found:
            check_molecule(molecule, x)
        assert np.ptp([np.linalg.norm(x[2] - x[-1]) for x in found]) > 0.01


def test_water_with_a_virtual_site() -> None:
    topology = read_topology(FILES / "tip4p/box.top")
    water = topology.molecule("SOL")
    assert water.virtual == {3} and water.sites[3].mass == 0
    assert [(term.sites, term.parameters) for term in bonds(water, topology.forcefield)] == [
        ((0, 1), (0.09572,)),
        ((0, 2), (0.09572,)),
    ]
    assert "settles" not in read_topology(FILES / "tip4p/box.top", defines={"FLEXIBLE": ""}).molecule("SOL").terms


@pytest.mark.parametrize("name", ["oplsaa", "trappe", "converted", "tip4p"])
def test_composed_files_say_the_same(name: str, tmp_path: Path) -> None:
    for file, text in composed(FILES / name / "box.top").items():
        write(tmp_path, text, file)
    original, again = read_topology(FILES / name / "box.top"), read_topology(tmp_path / "system.top")
    assert said(again) == said(original) and again.counts == original.counts


def test_the_text_stays_as_it_is(tmp_path: Path) -> None:
    """Every line of a molecule is a line of the original, comments, blanks and macros included."""
    original = (FILES / "oplsaa/litfsi.itp").read_text().splitlines()
    rows = composed(FILES / "oplsaa/box.top")["TFSI.itp"].splitlines()
    begin = original.index("TFSI 3") - 1
    # an empty line of the file that includes it follows
    assert rows[1:] == [*original[begin:], ""]


def test_a_scale_changes_the_charges_alone() -> None:
    topology = read_topology(FILES / "oplsaa/box.top")
    plain = compose([Part(topology, "LI", 2), Part(topology, "TFSI", 2)], "test")
    scaled = compose([Part(topology, "LI", 2, 0.75), Part(topology, "TFSI", 2, 0.75)], "test")
    assert plain["forcefield.itp"] == scaled["forcefield.itp"] and plain["system.top"] == scaled["system.top"]
    assert "1 opls_406 1 LI LI 1 0.75 6.941" in scaled["LI.itp"] and "charges times 0.75" in scaled["LI.itp"]
    one, other = (text["TFSI.itp"].splitlines() for text in (plain, scaled))
    changed = [(a, b) for a, b in zip(one[1:], other[1:], strict=True) if a != b]
    assert len(changed) == 15 and changed[0][1] == "   1 NBT 1 TFSI  N1   1 -0.495"


def test_the_charge_of_a_type_is_scaled_too(tmp_path: Path) -> None:
    ions = (
        SMALL.replace("A 12.0 0.1", "A 12.0 1.0")
        .replace("B 6 12.0 -0.1", "B 6 12.0 -1.0")
        .replace("[ bonds ]\n1 2 1\n", "")
    )
    cation = ions.replace("2 B 1 MOL B1 1\n", "").replace("A1 1", "A1 1 ; Li")
    anion = ions.replace("1 A 1 MOL A1 1\n2 B", "1 B").replace("MOL", "ION").replace("B1 1", "B1 1 -1.0 14.0")
    parts = [
        Part(read_topology(write(tmp_path, text, f"{name}.top")), name, 1, 0.8)
        for name, text in (("MOL", cation), ("ION", anion))
    ]
    texts = compose(parts, "test")
    assert "1 A 1 MOL A1 1 0.8 ; Li" in texts["MOL.itp"] and "1 B 1 ION B1 1 -0.8 14.0" in texts["ION.itp"]
    second = read_topology(write(tmp_path, anion.replace("-1.0 14.0", "-1.0 14.0 A 0 14"), "second.top"))
    with pytest.raises(ForceFieldError, match=r"second\.top:12: an atom with a second state is not scaled"):
        compose([parts[0], Part(second, "ION", 1, 0.8)], "test")


@pytest.mark.parametrize(
    ("row", "bonded", "number", "mass", "charge", "numbers"),
    [
        ("c3 c3 0.0 0.0 A 3.4e-01 4.6e-01 ; 1.91 0.11", "c3", None, 0.0, 0.0, (0.34, 0.46)),  # as acpype writes
        ("c c 12.01 0.0 A 0.34 0.36", "c", None, 12.01, 0.0, (0.34, 0.36)),  # types of one letter
        ("n 14.01 0.0 A 0.33 0.71", "n", None, 14.01, 0.0, (0.33, 0.71)),
        ("o 8 16.0 -0.5 A 0.30 0.88", "o", 8, 16.0, -0.5, (0.30, 0.88)),
        ("opls_800 C800 12.011 0.000 A 3.5E-01 2.7E-01", "C800", None, 12.011, 0.0, (0.35, 0.27)),  # LigParGen
        ("opls_180 OS 8 15.9994 -0.4 A 0.29 0.58", "OS", 8, 15.9994, -0.4, (0.29, 0.58)),  # GROMACS
        ("OE 8 0.000 0.000 A 0.0022619536 1.21e-06", "OE", 8, 0.0, 0.0, (0.0022619536, 1.21e-06)),  # GROMOS, ATB
        ("CT1 6 12.011000 0.070 A 0.405358916754 0.08368", "CT1", 6, 12.011, 0.07, (0.405358916754, 0.08368)),  # CHARMM
        ("MW 0 0.0 0.0 D 0.0 0.0", "MW", 0, 0.0, 0.0, (0.0, 0.0)),  # virtual, in an old way
    ],
)  # fmt: skip
def test_layouts_of_types(
    row: str, bonded: str, number: int | None, mass: float, charge: float, numbers: tuple[float, float], tmp_path: Path
) -> None:
    path = write(tmp_path, f"[ defaults ]\n1 2 yes 0.5 0.5\n[ atomtypes ]\n{row}\n", "forcefield.itp")
    (entry,) = read_forcefield(path).types.values()
    assert (entry.bonded, entry.atomic_number, entry.mass, entry.charge, entry.numbers) == (
        bonded,
        number,
        mass,
        charge,
        numbers,
    )


def test_macros_of_two_files_do_not_meet(tmp_path: Path) -> None:
    """A macro of one file that is a name, or another number, in the other file stays out of it."""
    head, _, molecule = SMALL.partition("[ moleculetype ]")
    molecule = "[ moleculetype ]" + molecule.partition("[ system ]")[0]
    one = write(tmp_path, f"#define B1 0.2\n#define K 0.15 7\n{head}{molecule.replace('1 2 1', '1 2 1 K')}", "one.top")
    two = write(
        tmp_path, f"#define K 0.16 9\n{head}{molecule.replace('1 2 1', '1 2 1 K').replace('MOL', 'TWO')}", "two.top"
    )
    parts = [Part(read_topology(one), "MOL", 1), Part(read_topology(two), "TWO", 1)]
    for order in (parts, parts[::-1]):
        for name, text in compose(order, "test").items():
            write(tmp_path, text, name)
        again = read_topology(tmp_path / "system.top")
        assert again.molecule("MOL").sites[1].name == "0.2" and again.molecule("TWO").sites[1].name == "B1"
        assert [again.molecule(n).terms["bonds"][0].parameters for n in ("MOL", "TWO")] == [(0.15, 7.0), (0.16, 9.0)]
        assert len(again.forcefield.types) == 2


def test_includes_are_found_beside_their_file(tmp_path: Path) -> None:
    head, _, rest = SMALL.partition("[ moleculetype ]")
    write(tmp_path, f'#include "ff/all.itp"\n[ moleculetype ]{rest}')
    write(tmp_path, '#include "types.itp"\n', "ff/all.itp")
    write(tmp_path, head, "ff/types.itp")
    assert said(read_topology(tmp_path / "box.top")) == said(read_topology(write(tmp_path, SMALL, "flat.top")))
    library = tmp_path / "library"
    write(library, head, "away.ff/forcefield.itp")
    top = write(tmp_path / "x", f'#include "away.ff/forcefield.itp"\n[ moleculetype ]{rest}')
    assert said(read_topology(top, [library])) == said(read_topology(tmp_path / "flat.top"))


def edit(old: str, new: str) -> Callable[[Path], Path]:
    assert old in SMALL
    return lambda folder: write(folder, SMALL.replace(old, new, 1))


def including(name: str, text: str | None = None) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        if text is not None:
            write(folder, text, name)
        return write(folder / "in", f'#include "{name}"\n{SMALL}')

    return make


def outside(folder: Path) -> Path:
    write(folder, "", "out.itp")
    return write(folder / "in", f'#include "../out.itp"\n{SMALL}')


def linked(folder: Path) -> Path:
    (folder / "in").mkdir()
    (folder / "in/link.itp").symlink_to(write(folder, "", "out.itp"))
    return write(folder / "in", f'#include "link.itp"\n{SMALL}')


def two_defaults(folder: Path) -> Path:
    return write(folder, SMALL.replace("[ moleculetype ]", "[ defaults ]\n1 2 no\n[ moleculetype ]"))


def as_bytes(content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / "box.top"
        path.write_bytes(content)
        return path

    return make


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "box.top")
    return folder / "box.top"


def not_utf_8(folder: Path) -> Path:
    path = folder / "box.top"
    path.write_bytes(SMALL.replace("text", "M\xfcller").encode("latin-1"))
    return path


MISTAKES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing include": (including("no.itp"), r"in/box\.top:1: the include 'no\.itp' is not found; looked for in "),
    "cyclic include": (including("box.top"), r"in/box\.top:1: box\.top includes itself"),
    "absolute include": (including("/etc/passwd"), r"in/box\.top:1: the include '/etc/passwd' is absolute"),
    "include outside": (outside, r"in/box\.top:1: the include '\.\./out\.itp' leaves the folder of the topology; allowed: files in"),
    "include by a link": (linked, r"in/box\.top:1: the include 'link\.itp' leaves the folder of the topology"),
    "include of a folder": (edit("[ system ]", '#include "."\n[ system ]'), r"box\.top:16: the include '\.' is not found"),
    "include of nothing": (edit("[ system ]", "#include x.itp\n[ system ]"), r"box\.top:16: #include x\.itp is not allowed; allowed"),
    "file of a force field": (
        edit("[ system ]", '#include "oplsaa.ff/no.itp"\n[ system ]'), r"box\.top:16: the include 'oplsaa\.ff/no\.itp' is not found",
    ),
    "unknown type": (edit("1 A 1", "1 C 1"), r"box\.top:12: atom type 'C' is in no \[ atomtypes \]"),
    "net charge": (edit("A1 1", "A1 1 0.9"), r"box\.top: the box has a charge of \+1\.6000 e \(2 MOL \+0\.8000\); allowed: 0"),
    "two defaults": (two_defaults, r"box\.top:10: a second \[ defaults \], the first is in .*box\.top:3"),
    "Buckingham": (edit("1 2 no", "2 2 no"), r"box\.top:3: \[ defaults \] 2 2 is not allowed; allowed: 1 "),
    "cmap": (edit("[ system ]", "[ cmap ]\n1 2 1 2 1 1\n[ system ]"), r"box\.top:17: \[ cmap \] of MOL is not supported"),
    "restraint": (
        edit("[ system ]", "[ position_restraints ]\n1 1 9 9 9\n[ system ]"),
        r"box\.top:17: \[ position_restraints \] of MOL is not supported",
    ),
    "open condition": (edit("[ bonds ]", "#ifdef X\n[ bonds ]"), r"box\.top:14: this condition has no #endif in its file"),
    "lone endif": (edit("[ bonds ]", "#endif\n[ bonds ]"), r"box\.top:14: #endif without an #ifdef or #ifndef"),
    "unknown directive": (edit("[ bonds ]", "#if X\n[ bonds ]"), r"box\.top:14: #if is not allowed; allowed: #include"),
    "error": (
        edit("[ bonds ]", "#ifndef X\n#error choose X\n#endif\n[ bonds ]"),
        r"box\.top:15: the topology stops here: choose X; allowed: macros with which it does not",
    ),
    "short atom": (edit("1 A 1 MOL A1 1", "1 A 1 MOL"), r"box\.top:12: 4 words in \[ atoms \]; allowed: nr type resnr"),
    "gap of atoms": (edit("2 B 1", "3 B 1"), r"box\.top:13: atom number 3; allowed: 2, numbers without gaps"),
    "charge in words": (edit("A1 1", "A1 1 0.1e"), r"box\.top:12: '0\.1e' is no charge of \[ atoms \]; allowed: a number"),
    "no macro": (edit("1 2 1\n", "1 2 1 gb_1\n"), r"box\.top:15: 'gb_1' is no parameter of \[ bonds \]; allowed: a number of single precision, or a macro"),
    "atom out of range": (edit("1 2 1\n", "1 3 1\n"), r"box\.top:15: atom 3 in \[ bonds \]; allowed: 1 to 2"),
    "atom twice": (edit("1 2 1\n", "2 2 1\n"), r"box\.top:15: an atom twice in \[ bonds \]; allowed: different atoms"),
    "settles": (edit("[ system ]", "[ settles ]\n1 1 0.1 0.1\n[ system ]"), r"box\.top:17: \[ settles \] of an atom without two more"),
    "same molecule": (
        edit("[ system ]", "[ moleculetype ]\nMOL 3\n[ atoms ]\n1 A 1 M A1 1\n[ system ]"),
        r"box\.top:16: molecule type 'MOL' is also in .*box\.top:9",
    ),
    "same type": (edit("B 6", "A 6"), r"box\.top:6: type 'A' is also in .*box\.top:5"),
    "no force field": (lambda f: write(f, "[ moleculetype ]\nMOL 3\n"), r"box\.top:1: \[ moleculetype \] is not allowed here"),
    "no molecule": (lambda f: write(f, "[ defaults ]\n1 2\n"), r"box\.top: has no \[ moleculetype \]"),
    "unknown section": (edit("[ bonds ]", "[ bond ]"), r"box\.top:14: \[ bond \] is no section of a topology"),
    "late type": (edit("[ system ]", "[ atomtypes ]\n[ system ]"), r"box\.top:16: \[ atomtypes \] is not allowed here; allowed: before"),
    "massless": (edit("A 12.0", "A 0.0"), r"box\.top:12: atom A1 has a mass of 0 g/mol; allowed: above 0"),
    "name of a file": (edit("MOL 3", "../MOL 3"), r"no molecule type 'MOL'; allowed: \.\./MOL"),
    "not UTF-8": (not_utf_8, r"box\.top:17: byte 0xfc is not allowed; allowed: UTF-8 text"),
    "between molecules": (
        lambda f: write(f, f"{SMALL}[ intermolecular_interactions ]\n[ bonds ]\n1 2 1 0.1 1\n"),
        r"is not allowed",
    ),
    "nothing but a line": (lambda f: write(f, "; text\n"), r"box\.top: has no \[ defaults \]; allowed: a topology that includes"),
    "empty": (lambda f: write(f, ""), r"box\.top: has no \[ defaults \]; allowed: a topology that includes its force field"),
    "no defaults": (edit("[ defaults ]\n1 2 no\n", ""), r"box\.top:2: \[ atomtypes \] is not allowed here; allowed: after \[ defaults \]"),
    "no rule": (edit("1 2 no", "1"), r"box\.top:3: \[ defaults \] has no combination rule \(word 2\)"),
    "zero bytes": (as_bytes(b"\n\0\1\2"), r"box\.top:2: a zero byte; allowed: text"),
    "binary": (as_bytes(b"\n\n\xff\xfe\x80"), r"box\.top:3: byte 0xff is not allowed; allowed: UTF-8 text"),
    "folder": (lambda f: f, r": is no file; allowed: a text file"),
    "pipe": (pipe, r"box\.top: is no file; allowed: a text file"),
    "unknown molecule": (edit("MOL 2\n", "ION 2\n"), r"box\.top:19: no molecule type 'ION'; allowed: MOL"),
    "negative count": (edit("MOL 2\n", "MOL -2\n"), r"box\.top:19: -2 molecules; allowed: 0 or more"),
    "fraction of a molecule": (edit("MOL 2\n", "MOL 1.5\n"), r"box\.top:19: '1\.5' is no number of molecules; allowed: a whole number"),
    "too many": (edit("MOL 2\n", "MOL 99999999999999\n"), r"a box of 2e\+14 sites is not allowed; allowed: up to"),
    "long name of a molecule": (edit("MOL 3", f"{'M' * 60} 3"), r"no molecule type 'MOL'; allowed: MMM"),
    "exclusions": (edit("MOL 3", "MOL 3.0"), r"box\.top:10: '3\.0' is no number of exclusions; allowed: a whole number"),
    "excluded atom": (edit("[ system ]", "[ exclusions ]\n1 9\n[ system ]"), r"box\.top:17: atom 9 in \[ exclusions \]; allowed: 1 to 2"),
    "one parameter": (
        edit("1 2 1\n", "1 2 1 0.15\n"),
        r"box\.top:15: 1 parameters of function 1 in \[ bonds \]; allowed: 2 or, with a second state, 4, or none if",
    ),
    "three parameters": (edit("1 2 1\n", "1 2 1 0.15 9 9\n"), r"box\.top:15: 3 parameters of function 1 in \[ bonds \]; allowed: 2 or"),
    "no second state": (edit("1 2 1\n", "1 2 4 0.15 9 9 9 9 9\n"), r"box\.top:15: 6 parameters of function 4 in \[ bonds \]; allowed: 3, or none"),
    "parameter of a type": (edit("0.15 1000", "0.15"), r"box\.top:8: 1 parameters of function 1 in \[ bondtypes \]; allowed: 2 or, with"),
    "function": (edit("1 2 1\n", "1 2 77 0.15 9\n"), r"box\.top:15: function 77 in \[ bonds \]; allowed: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10"),
    "function of a type": (edit("A B 1 0.15", "A B 12 0.15"), r"box\.top:8: function 12 in \[ bondtypes \]; allowed: 1, 2,"),
    "not a number": (edit("A1 1", "A1 1 nan"), r"box\.top:12: 'nan' is no charge of \[ atoms \]; allowed: a number of single precision"),
    "infinite": (edit("A1 1", "A1 1 0.1 inf"), r"box\.top:12: 'inf' is no mass of \[ atoms \]; allowed: a number"),
    "beyond single precision": (edit("A1 1", "A1 1 0.1 1e300"), r"box\.top:12: '1e300' is no mass of \[ atoms \]; allowed: a number of single"),
    "huge charge": (edit("A1 1", "A1 1 1e30"), r"box\.top:12: atom A1 has a charge of 1e\+30 e; allowed: up to 10"),
    "foreign digits": (edit("A1 1", "A1 1 \u0661"), r"box\.top:12: '\u0661' is no charge of \[ atoms \]; allowed: a number"),
    "shells": (
        edit("[ system ]", "[ polarization ]\n1 2 1 0.001\n[ system ]"),
        r"box\.top:17: \[ polarization \] of MOL is not supported; allowed: angles, atoms, bonds",
    ),
    "no file": (lambda f: f / "none.top", r"none\.top: cannot be read: No such file or directory; allowed: a text file"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(name: str, tmp_path: Path) -> None:
    make, message = MISTAKES[name]
    with pytest.raises(InputError, match=message) as caught:
        composed(make(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_macro_that_nothing_uses_is_refused(tmp_path: Path) -> None:
    path = edit("A1 1", "A1 1 Q")(tmp_path)
    path.write_text(path.read_text().replace("[ bonds ]", "#ifdef STIFF\n[ constraints ]\n#else\n[ bonds ]\n#endif"))
    for used in ({"Q": "0.0", "STIFF": ""}, {"Q": "0.0"}):
        assert read_lines(path, defines=used)
    said = mistake(lambda: read_lines(path, defines={"Q": "0.0", "STIF": ""}))
    assert said == f"{path}: nothing uses the macro 'STIF' of defines; its conditions ask for: STIFF"
    # files of GROMACS that are not there may use it
    path.write_text('#include "oplsaa.ff/forcefield.itp"\n' + path.read_text())
    assert read_lines(path, defines={"Q": "0.0", "STIF": ""}, left_out=set())


HEAD, _, BODY = SMALL.partition("[ moleculetype ]")
OTHER = HEAD + "[ moleculetype ]" + BODY.replace("MOL", "TWO")
PAIRS = {
    "defaults": (OTHER.replace("1 2 no", "1 2 yes 0.5 0.5"), r"two\.top: \[ defaults \] is 1 2 yes 0\.5 0\.5 12, in .*one\.top it is 1 2 no 1 1 12"),
    "rules 2 and 3": (OTHER.replace("1 2 no", "1 3 no"), r"two\.top: \[ defaults \] is 1 3 no"),
    "type": (OTHER.replace("12.0 -0.1 A 0.3", "12.0 -0.1 A 0.31"), r"two\.top:6: B in \[ atomtypes \] differs from .*one\.top:6"),
    "bond": (OTHER.replace("1 0.15 1000", "1 0.15 1001"), r"two\.top:8: A B in \[ bondtypes \] differs from .*one\.top:8"),
    "molecule": (SMALL, r"two\.top:9: molecule type 'MOL' is also in .*one\.top:9"),
    "new pair": (
        OTHER.replace("[ bondtypes ]", "[ nonbond_params ]\nB A 1 0.2 0.2\n[ bondtypes ]"),
        r"two\.top:8: A B in \[ nonbond_params \] would change molecules of .*one\.top",
    ),
    "pair less": (OTHER.replace("A B 1 0.15 1000\n", ""), r"one\.top:8: A B in \[ bondtypes \] would change molecules of .*two\.top"),
    "wildcard": (
        OTHER.replace("[ bondtypes ]", "[ dihedraltypes ]\nX A B X 1 0 1 3\n[ bondtypes ]"),
        r"two\.top:8: X A B X in \[ dihedraltypes \] would change molecules of .*one\.top",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_files_that_contradict_each_other(name: str, tmp_path: Path) -> None:
    text, message = PAIRS[name]
    one, two = (read_topology(write(tmp_path, t, f)) for t, f in ((SMALL, "one.top"), (text, "two.top")))
    with pytest.raises(ForceFieldError, match=message) as caught:
        compose([Part(one, "MOL", 1), Part(two, next(iter(two.molecules)), 1)], "test")
    assert "\n" not in str(caught.value)


def test_rows_of_types_that_no_molecule_has(tmp_path: Path) -> None:
    """A whole force field joins one of few types: what it says about types that the other's molecules lack does not count."""
    short = SMALL.replace("2 B 1 MOL B1 1\n", "").replace("[ bonds ]\n1 2 1\n", "").replace("A1 1", "A1 1 0.0")
    whole = OTHER.replace("[ bondtypes ]", "[ nonbond_params ]\nA B 1 0.2 0.2\nB B 1 0.2 0.2\n[ bondtypes ]")
    one, two = (read_topology(write(tmp_path, t, f)) for t, f in ((short, "one.top"), (whole, "two.top")))
    for parts in ([Part(one, "MOL", 1), Part(two, "TWO", 1)], [Part(two, "TWO", 1), Part(one, "MOL", 1)]):
        assert compose(parts, "test")["forcefield.itp"].count("A B 1 0.2 0.2") == 1
    again = read_topology(tmp_path / "one.top")
    with pytest.raises(ForceFieldError, match=r"A A in \[ nonbond_params \] would change molecules of .*one\.top"):
        extra = write(tmp_path, whole.replace("A B 1 0.2", "A A 1 0.2"), "three.top")
        compose([Part(again, "MOL", 1), Part(read_topology(extra), "TWO", 1)], "test")


def test_a_charge_scale_is_for_ions() -> None:
    topology = read_topology(FILES / "oplsaa/box.top")
    message = r"a charge scale of 0\.8 is not allowed for DME, which has a charge of .0\.0000 e; allowed: for ions"
    with pytest.raises(ForceFieldError, match=message):
        compose([Part(topology, "DME", 1, 0.8)], "test")


WORDS = st.text("ABab1_ +;-", max_size=12)
NAMES = st.text("ABab1_", min_size=1, max_size=3)


@given(WORDS, st.dictionaries(NAMES, WORDS, max_size=3))
def test_macros_are_whole_words(text: str, macros: dict[str, str]) -> None:
    expected = text
    for name, value in macros.items():
        parts = re.split(r"([A-Za-z0-9_]+)", expected)
        if value:
            expected = "".join(value if part == name else part for part in parts)
    assert expand(text, macros) == expected


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False))
def test_layout_means_nothing(tmp_path: Path, random: object) -> None:
    """Blanks, comments, continued lines, inactive conditions, macros and includes change nothing of what a file says."""
    choose = random.choice  # type: ignore[attr-defined]
    rows: list[str] = []
    for n, row in enumerate(SMALL.splitlines()):
        words = row.split()
        if not row.startswith("[") and words and row != "text":
            if choose([True, False]) and words[-1].replace(".", "").isdigit():
                rows.append(f" # define M{n} {words[-1]}" if choose([True, False]) else f"#define M{n} {words[-1]}")
                words[-1] = f"M{n}"
            at = choose(range(1, len(words))) if len(words) > 1 else 0
            row = (
                choose(["", " ", "\t"])
                + choose([" ", "\t  "]).join(words)
                + choose(["", " ; text", ";[ atoms ]", "\r"])
            )
            if at and choose([True, False]):
                row = " ".join(words[:at]) + " \\\n" + " ".join(words[at:])
        elif words and words[0] == "[":
            row = choose([row, row.upper(), f"  [{words[1]}]", row.replace("types", "_types")])
        rows += choose(
            [
                [row],
                [row, ""],
                ["; text", row],
                ["#ifdef NO", "[ atoms ]", "#ifdef A", "#endif", "#else", row, "#endif"],
            ]
        )
        if choose(range(6)) == 0:
            (tmp_path / f"part{n}.itp").write_text("\n".join(rows[-1:]) + choose(["", "\n"]))
            if not rows[-1].startswith("#endif"):
                rows[-1] = f'#include "part{n}.itp"'
    path = write(tmp_path, "\n".join(rows))
    expected = read_topology(write(tmp_path, SMALL, "plain.top"))
    found = read_topology(path)
    assert said(found) == said(expected) and found.counts == expected.counts
    texts = compose([Part(found, "MOL", 1)], "test")
    for name, text in texts.items():
        write(tmp_path / "composed", text, name)
    assert said(read_topology(tmp_path / "composed/system.top")) == said(expected)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_files_end_in_one_line(tmp_path: Path, data: st.DataObject) -> None:
    """Any cut, doubled or foreign piece gives a topology or one line."""
    text = data.draw(
        st.sampled_from([SMALL, (FILES / "tip4p/box.top").read_text(), (FILES / "oplsaa/litfsi.itp").read_text()])
    )
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 40)))
    piece = data.draw(
        st.one_of(
            st.text(max_size=8),
            st.sampled_from(
                ["#", "[", "\\\n", '#include "box.top"\n', "#define A B\n", "nan", "9" * 400, "1e400", "\0"]
            ),
        )
    )
    path = tmp_path / "box.top"
    path.write_bytes((text[:begin] + piece + text[end:]).encode("utf-8", "surrogatepass"))
    try:
        composed(path)
    except EoliError as error:
        assert len(str(error).splitlines()) == 1


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    path = write(tmp_path, "; a\u2028b\x0c c\n[ defaults ]\n")
    assert [line.number for line in read_lines(path)] == [1, 2]


def test_as_the_boxes_know_molecules() -> None:
    topology = read_topology(FILES / "oplsaa/box.top")
    ether = as_molecule(topology.molecule("DME"), topology.forcefield, "polymer")
    assert (len(ether.bonds), len(ether.angles), len(ether.dihedrals), len(ether.pairs14)) == (15, 26, 21, 21)
    # half of the Coulomb energy of 1-4 pairs counts
    assert {(term.function, term.parameters) for term in ether.pairs14} == {(2, (0.5,))}
    assert {term.parameters[0] for term in ether.angles} == {110.7, 109.5, 107.8}
    anion = as_molecule(topology.molecule("TFSI"), topology.forcefield, "anion", (), 0.75)
    assert anion.formal_charge == -1 and anion.charge == pytest.approx(-0.75)
    united = read_topology(FILES / "trappe/box.top")
    assert len(as_molecule(united.molecule("DMU"), united.forcefield, "polymer").dihedrals) == 8


def test_exclusions_are_those_of_the_file(tmp_path: Path) -> None:
    """Other pairs than those up to three bonds apart are listed; the usual ones are not."""
    chain = (
        "\n".join(f"{n} A 1 MOL A{n} 1" for n in range(1, 7)),
        "\n".join(f"{n} {n + 1} 1 0.15 100" for n in range(1, 6)),
    )
    text = SMALL.replace("1 A 1 MOL A1 1\n2 B 1 MOL B1 1", chain[0]).replace("1 2 1\n", chain[1] + "\n")

    def excluded(nrexcl: int, rows: str = "") -> tuple[tuple[int, int], ...] | None:
        changed = text.replace("MOL 3", f"MOL {nrexcl}").replace("[ system ]", f"[ exclusions ]\n{rows}\n[ system ]")
        topology = read_topology(write(tmp_path, changed))
        return as_molecule(topology.molecule("MOL"), topology.forcefield, "polymer").exclusions

    assert excluded(3) is None and excluded(3, "1 2 3\n4 4 2") is None
    assert excluded(0) == () and excluded(1) == tuple((n, n + 1) for n in range(5))
    assert excluded(2, "1 4\n5 2\n6 3") is None
    assert excluded(1, "6 1 2") == ((0, 1), (0, 5), (1, 2), (1, 5), (2, 3), (3, 4), (4, 5))
    assert excluded(2_000_000_000) == tuple((i, j) for i in range(6) for j in range(i + 1, 6))


def test_an_unbound_site_in_a_water() -> None:
    topology = read_topology(FILES / "tip4p/box.top")
    water = as_molecule(topology.molecule("SOL"), topology.forcefield, "solvent")
    assert water.massless.tolist() == [False, False, False, True] and water.links.tolist() == [[0, 1], [0, 2], [0, 3]]
    assert set(water.excluded()) == {(i, j) for i in range(4) for j in range(i + 1, 4)}
    x = random_conformation(water, np.random.default_rng(0))
    check_molecule(water, x)
    # on the bisector
    bisector = x[1] + x[2] - 2 * x[0]
    assert x[3] - x[0] == pytest.approx(0.128012065 * bisector)


def test_what_no_analysis_knows(tmp_path: Path) -> None:
    long = read_topology(write(tmp_path, SMALL.replace("1 2 1\n", "1 2 5\n")))
    with pytest.raises(
        ForceFieldError, match=r"box\.top:15: a bond without a length; allowed: a molecule with a structure"
    ):
        as_molecule(long.molecule("MOL"), long.forcefield, "polymer")
    placed = as_molecule(long.molecule("MOL"), long.forcefield, "polymer", [[0, 0, 0], [0, 0, 0.2]])
    assert placed.bonds[0].parameters == (0.2,)


CHAIN = (
    SMALL.replace("2 B 1 MOL B1 1", "2 B 1 MOL B1 1\n3 A 1 MOL A2 1\n4 B 1 MOL B2 1")
    .replace("1 2 1\n", "1 2 1\n2 3 1\n3 4 1\n")
    .replace("[ system ]", "[ pairs ]\n1 4 1 0.3 0.1\n[ angles ]\n1 2 3 1 109 500\n2 3 4 1 109 500\n[ dihedrals ]\n1 2 3 4 1 0 3 3\n[ system ]")
)  # fmt: skip
UNFIT = {
    "name of an atom": ("MOL A1", "MOL ATOM01", r"box\.top:12: atom ATOM01 of residue MOL: names of up to 5 characters fit"),
    "shell": ("0.1 A 0.3", "0.1 S 0.3", r"box\.top:12: atom A1 is a particle of kind S, which no analysis knows; allowed: A, and V or D"),
    "virtual site with a mass": (
        "[ pairs ]", "[ virtual_sites2 ]\n1 2 3 1 0.5\n[ pairs ]",
        r"box\.top:21: A1 is a virtual site with a mass of 12 g/mol; allowed: 0",
    ),
    "virtual site without numbers": (
        "[ pairs ]", "[ virtual_sites2 ]\n1 2 3 1\n[ pairs ]",
        r"box\.top:21: a virtual site without numbers, which grompp would take from bonds and angles; allowed: numbers in the row",
    ),
    "site without a construction": (
        "0.1 A 0.3", "0.1 D 0.3", r"box\.top:12: atom A1 is a particle of kind D, .*; allowed: A, and V or D for virtual sites",
    ),
    "virtual site made later": (
        "[ pairs ]", "[ virtual_sites3 ]\n1 2 3 4 1 0.5 0.5\n[ virtual_sites2 ]\n3 1 2 1 0.5\n[ pairs ]",
        r"box\.top:9: MOL: virtual site A2 follows from A1, which GROMACS makes later; allowed: atoms, and virtual",
    ),
    "angle without numbers": (
        "1 2 3 1 109 500", "1 2 3 1",
        r"box\.top:23: no numbers of function 1 in \[ angles \] for A B A; allowed: numbers in the row, or a row in \[ angletypes",
    ),
    "torsion without numbers": ("1 2 3 4 1 0 3 3", "1 2 3 4 9", r"box\.top:26: no numbers of function 9 in \[ dihedrals \] for A B A B;"),
    "pair without numbers": (
        "1 4 1 0.3 0.1", "1 4 1",
        r"box\.top:21: no numbers for the 1-4 pair of A and B; allowed: numbers in the row, a row in \[ pairtypes \], or gen-",
    ),
    "bond of another unit": ("0.15 1000", "1.5 1000", r"box\.top:17: a bond of 1\.5 nm; allowed: 0\.02 to 0\.4 nm"),
    "bond without length": ("0.15 1000", "0 1000", r"box\.top:17: a bond of 0 nm; allowed: 0\.02 to 0\.4 nm"),
    "C6 as sigma": (
        "A 0.3 0.5\nB", "A 2.3e-3 1.2e-6\nB",
        r"box\.top:12: type A has sigma 0\.0023 nm and epsilon 1\.2e-06 kJ/mol under combination rule 2; allowed: 0\.02 to 0\.9 nm",
    ),
    "sigma as C6": ("1 2 no", "1 1 no", r"box\.top:12: type A has sigma 1\.089 nm and epsilon 0\.045 kJ/mol under combination rule 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNFIT)
def test_what_no_box_can_be_built_of(name: str, tmp_path: Path) -> None:
    """Molecules that grompp would refuse later, or take for something else, or that no analysis knows."""
    old, new, message = UNFIT[name]
    assert old in CHAIN
    text = (
        CHAIN
        if name != "virtual site made later"
        else CHAIN.replace("MOL A1 1", "MOL A1 1 0 0").replace("MOL A2 1", "MOL A2 1 0 0")
    )
    topology = read_topology(write(tmp_path, text.replace(old, new, 1)))
    with pytest.raises(ForceFieldError, match=message) as caught:
        as_molecule(topology.molecule("MOL"), topology.forcefield, "polymer")
    assert "\n" not in str(caught.value)


def test_pairs_have_types_or_are_generated(tmp_path: Path) -> None:
    bare = CHAIN.replace("1 4 1 0.3 0.1", "1 4 1")
    for text in (
        bare.replace("1 2 no", "1 2 yes"),
        bare.replace("[ bondtypes ]", "[ pairtypes ]\nB A 1 0.3 0.1\n[ bondtypes ]"),
    ):
        topology = read_topology(write(tmp_path, text))
        assert len(as_molecule(topology.molecule("MOL"), topology.forcefield, "polymer").pairs14) == 1


def test_files_of_one_tool_join(tmp_path: Path) -> None:
    """Molecules that a tool wrote one by one, each with the types that it uses: a type that both have stands once."""
    head = "[ defaults ]\n1 2 yes 0.5 0.8333\n[ atomtypes ]\n"
    rows = {
        name: f" {name} {name} 0.0 0.0 A {sigma} 0.4 ; x\n"
        for name, sigma in (("c3", 0.34), ("os", 0.31), ("h1", 0.24))
    }
    body = "[ moleculetype ]\n{0} 3\n[ atoms ]\n1 c3 1 {0} C 1 0.1 12.0\n2 {1} 1 {0} X 1 -0.1 16.0\n[ bonds ]\n1 2 1 0.14 1e5\n"
    one = read_topology(write(tmp_path, head + rows["c3"] + rows["os"] + body.format("ONE", "os"), "one.top"))
    two = read_topology(write(tmp_path, head + rows["h1"] + rows["c3"] + body.format("TWO", "h1"), "two.top"))
    for name, text in compose([Part(one, "ONE", 1), Part(two, "TWO", 3)], "test").items():
        write(tmp_path, text, name)
    again = read_topology(tmp_path / "system.top")
    assert sorted(again.forcefield.types) == ["c3", "h1", "os"] and again.counts == (("ONE", 1), ("TWO", 3))
    assert (tmp_path / "forcefield.itp").read_text().count(rows["c3"]) == 1


def test_a_description_does_not_depend_on_the_place(tmp_path: Path) -> None:
    """Digest and files are the same wherever the originals lie."""
    made = []
    for folder in ("one", "two"):
        topology = read_topology(write(tmp_path / folder, SMALL))
        parts = [Part(topology, "MOL", 2)]
        made.append((describe_adopted([Adopted(p, "polymer") for p in parts], choice()).digest, compose(parts, "test")))
    assert made[0] == made[1] and not any(str(tmp_path) in text for text in made[0][1].values())


ENTRY = """\
polymer: mine
description: test
topology: box.top
molecule: MOL
atoms: 4
mass_g_mol: 48.0
force_field: mine
ether_oxygens: 2
roles:
  ether_O: "type A"
blocks: {head: "name A1 B1", tail: "name A2 B2"}
neat_density_g_cm3: {value: 1.0, temperature_K: 300, source: x}
"""
ROLES = {
    "no atom": ("type A", "type OS", r":10: roles\.ether_O: 'type OS' matches no atom of MOL; allowed: atoms such as A1, B1, A2, B2"),
    "no selection": ("type A", "type (", r":10: roles\.ether_O: 'type \(' is no selection: .*; allowed: MDAnalysis' language"),
    "two roles": (
        '"type A"', '"type A"\n  hydroxyl_O: "name A2"',
        r":11: roles\.hydroxyl_O: 'name A2' matches atom A2, which ether_O has; allowed: roles that do not overlap",
    ),
    "two blocks": ("name A2 B2", "name B1 A2 B2", r":11: blocks\.tail: 'name B1 A2 B2' matches atom B1, which head has; allowed: blocks that"),
}  # fmt: skip


@pytest.mark.parametrize("name", ROLES)
def test_roles_that_do_not_fit(name: str, tmp_path: Path) -> None:
    topology = read_topology(write(tmp_path, CHAIN))
    molecule = as_molecule(topology.molecule("MOL"), topology.forcefield, "polymer")
    old, new, message = ROLES[name]
    assert old in ENTRY
    for text, fits in ((ENTRY, True), (ENTRY.replace(old, new), False)):
        file = read_yaml(write(tmp_path, text, "mine.yaml"))
        said = validate(ImportedPolymer, file.data, [file])
        entry = ImportedEntry(said, file, tmp_path, {})
        if fits:
            sites = with_roles(molecule, said.roles, said.blocks, entry.wrong).sites
            assert [site.role for site in sites] == ["ether_O", None] * 2
            assert [site.block for site in sites] == ["head"] * 2 + ["tail"] * 2
        else:
            with pytest.raises(InputError, match=rf"mine\.yaml{message}") as caught:
                with_roles(molecule, said.roles, said.blocks, entry.wrong)
            assert "\n" not in str(caught.value)
