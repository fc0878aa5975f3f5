"""Composed topologies against the files that they are made of: GROMACS gives the same energies, term by term."""

from __future__ import annotations

import math
import re
import subprocess
from pathlib import Path

import numpy as np
import pyedr
import pytest

from eoli.box.conformation import torsion_energy
from eoli.box.geometry import angle_deg, dihedral_deg
from eoli.box.packmol import pack
from eoli.core.files import write_text
from eoli.errors import ForceFieldError
from eoli.forcefield.models import PARAMETERS
from eoli.forcefield.preprocessed import read_lines
from eoli.gromacs.build import Gromacs, inspect
from eoli.gromacs.tools import grompp, run_tool
from eoli.study.config import GromacsBuild
from eoli.topology.adopted import Adopted, as_molecule, describe_adopted
from eoli.topology.composed import Part, write_composed
from eoli.topology.description import read_description, to_json
from eoli.topology.imported import ONE_STATE, read_topology
from eoli.topology.structure import read_structure
from single_points import MDP, compare, energies, structure
from support import choice

pytestmark = pytest.mark.gmx

FILES = Path(__file__).resolve().parents[1] / "imported"
# the force fields that GROMACS brings: many macros, conditionals, wildcards and all layouts of types
INSTALLED = {
    "oplsaa.ff": ("ethanol.itp", "tip4p.itp", "ions.itp"),
    "gromos54a7.ff": ("spc.itp", "ions.itp"),
    "charmm27.ff": ("tip3p.itp", "ions.itp"),
    "amber99sb-ildn.ff": ("tip4pew.itp", "ions.itp"),
}
COUNTS = {
    "oplsaa.ff": {"ETH": 4, "SOL": 30, "NA": 2, "CL": 2},
    "gromos54a7.ff": {"SOL": 30, "NA": 2, "CL": 2},
    "charmm27.ff": {"SOL": 30, "NA": 2, "CL": 2},
    "amber99sb-ildn.ff": {"SOL": 30, "NA": 2, "CL": 2},
}
# GROMOS with a united ether: its bonded macros, its matrix of pairs, its 1-4 pairs and an improper
UNITED = """
[ moleculetype ]
DMG 3
[ atoms ]
1 CH3 1 DMG C1 1 0.2 15.035
2 OE  1 DMG O2 1 -0.4 15.9994
3 CH2 1 DMG C3 1 0.2 14.027
4 CH2 1 DMG C4 2 0.2 14.027
5 OE  1 DMG O5 2 -0.4 15.9994
6 CH3 1 DMG C6 2 0.2 15.035
[ bonds ]
1 2 2 gb_18
2 3 2 gb_18
3 4 2 gb_27
4 5 2 gb_18
5 6 2 gb_18
[ pairs ]
1 4 1
2 5 1
3 6 1
[ angles ]
1 2 3 2 ga_12
2 3 4 2 ga_15
3 4 5 2 ga_15
4 5 6 2 ga_12
[ dihedrals ]
1 2 3 4 1 gd_29
2 3 4 5 1 gd_1
3 4 5 6 1 gd_29
[ dihedrals ]
3 2 4 1 2 gi_2
"""


@pytest.fixture(scope="module")
def gromacs() -> Gromacs:
    return inspect(GromacsBuild())


@pytest.mark.parametrize(
    ("name", "defines", "terms"),
    [
        ("oplsaa", {}, {"Bond", "Angle", "Ryckaert-Bell.", "Fourier Dih.", "LJ-14", "Coulomb-14", "LJ (SR)"}),
        ("trappe", {}, {"Angle", "Proper Dih.", "LJ (SR)", "Coulomb (SR)"}),
        ("converted", {}, {"Angle", "Proper Dih.", "LJ-14", "Coulomb-14", "LJ (SR)"}),
        ("tip4p", {}, {"LJ (SR)", "Coulomb (SR)"}),
        ("tip4p", {"FLEXIBLE": ""}, {"Bond", "Angle", "LJ (SR)", "Coulomb (SR)"}),
    ],
    ids=["all-atoms", "united-atoms", "converted", "virtual-sites", "flexible"],
)
def test_small_files(name: str, defines: dict[str, str], terms: set[str], gromacs: Gromacs, tmp_path: Path) -> None:
    top = FILES / name / "box.top"
    topology = read_topology(top, defines=defines)
    gro = structure(tmp_path / "box.gro", topology, dict(topology.counts))
    write_composed([Part(topology, *entry) for entry in topology.counts], "test", tmp_path / "composed")
    if defines:
        text = "".join(f"#define {key} {value}\n" for key, value in defines.items()) + top.read_text()
        top = tmp_path / "defined.top"
        top.write_text(text)
    original = energies(gromacs, top, gro, tmp_path / "a")
    assert {term for term in terms if original.get(term)} == terms
    compare(original, energies(gromacs, tmp_path / "composed/system.top", gro, tmp_path / "b"))


@pytest.mark.parametrize("name", INSTALLED)
def test_installed_force_fields(name: str, gromacs: Gromacs, tmp_path: Path) -> None:
    counts = dict(COUNTS[name])
    top = tmp_path / "box.top"
    text = "".join(f'#include "{name}/{file}"\n' for file in ("forcefield.itp", *INSTALLED[name]))
    if name == "gromos54a7.ff":
        text += UNITED
        counts["DMG"] = 4
    top.write_text(text)
    topology = read_topology(top, [gromacs.forcefields])
    listed = "".join(f"{key} {value}\n" for key, value in counts.items())
    # with this macro grompp warns of any GROMOS force field, whatever the energies
    top.write_text(f"{text}\n#undef _FF_GROMOS96\n[ system ]\ntest\n[ molecules ]\n{listed}")
    gro = structure(tmp_path / "box.gro", topology, counts)
    write_composed([Part(topology, *entry) for entry in counts.items()], "test", tmp_path / "composed")
    original = energies(gromacs, top, gro, tmp_path / "a")
    compare(original, energies(gromacs, tmp_path / "composed/system.top", gro, tmp_path / "b"))
    # and the lines that were read are those that the preprocessor of grompp sees
    run_tool(
        gromacs, "grompp", tmp_path / "pp.log", f=tmp_path / "a/sp.mdp", c=gro, p=top, o=tmp_path / "pp.tpr",
        pp=tmp_path / "pp.top", po=tmp_path / "pp.mdp",
    )  # fmt: skip
    joined = re.sub(r"\\[ \t]*\n", " ", (tmp_path / "pp.top").read_text())
    seen = [words for row in joined.splitlines() if (words := row.partition(";")[0].split())]
    assert [line.words for line in read_lines(top, [gromacs.forcefields]) if line.text] == seen


AMBER = {"opls_180": "OS", "opls_181": "CT", "opls_182": "CT", "opls_185": "H1"}
TORSIONS = {"oplsaa.ff": "Ryckaert-Bell.", "amber99sb-ildn.ff": "Proper Dih."}


@pytest.mark.parametrize("name", TORSIONS)
def test_terms_and_their_types(name: str, gromacs: Gromacs, tmp_path: Path) -> None:
    """An ether whose numbers all come from types, wildcards and sums of torsions among them: the numbers that are looked
    up here give the energies of GROMACS, and so do the composed files, with their factors on 1-4 pairs."""
    ether = (FILES / "oplsaa/dme.itp").read_text()
    if name != "oplsaa.ff":
        ether = re.sub("opls_18[0-9]", lambda match: AMBER[match[0]], ether)
        # the type of this hydrogen has no charge of its own
        ether = ether.replace("; charge and mass of the type", "0.03")
        begin = ether.index("[ dihedrals ]")
        ether = ether[:begin] + re.sub(r"  3$", "  9", ether[begin:], flags=re.MULTILINE)
    top = tmp_path / "box.top"
    top.write_text(f'#include "{name}/forcefield.itp"\n{ether}\n[ system ]\nx\n[ molecules ]\nDME 5\n')
    topology = read_topology(top, [gromacs.forcefields])
    gro = structure(tmp_path / "box.gro", topology, {"DME": 5})
    write_composed([Part(topology, "DME", 5)], "test", tmp_path / "composed")
    original = energies(gromacs, top, gro, tmp_path / "a")
    compare(original, energies(gromacs, tmp_path / "composed/system.top", gro, tmp_path / "b"))
    assert {"LJ-14", "Coulomb-14", TORSIONS[name]} <= {key for key, value in original.items() if value}
    molecule = as_molecule(topology.molecule("DME"), topology.forcefield, "polymer")
    rows = gro.read_text().splitlines()[2:-1]
    x = np.array([[float(row[k : k + 8]) for k in (20, 28, 36)] for row in rows]).reshape(5, 16, 3)
    angle = torsion = coulomb = 0.0
    for one in x:
        for term in molecule.angles:
            reference, k = term.parameters
            angle += k / 2 * math.radians(angle_deg(*one[list(term.sites)]) - reference) ** 2
        for term in molecule.dihedrals:
            torsion += float(torsion_energy(term, np.array(math.radians(dihedral_deg(*one[list(term.sites)])))))
        for term in molecule.pairs14:
            i, j = term.sites
            charges = molecule.sites[i].charge * molecule.sites[j].charge
            coulomb += 138.935458 * term.parameters[0] * charges / float(np.linalg.norm(one[i] - one[j]))
    found = {"Angle": angle, TORSIONS[name]: torsion, "Coulomb-14": coulomb}
    for key, value in found.items():
        assert value == pytest.approx(original[key], rel=2e-5), key


NASTY = r"""
#define EPS_A 0.3
#define LONG LATER
#define EARLY 0.6
#define NOT EARLY
#define LATER 0.6
#define EARLY 0.5
#define LATER 0.5 ; the comment hides what follows
#define MASS 12.0
#undef MASS
#define MASS 13.0
 # define BLANK 1
#ifdef BLANK
#ifndef BLANK
[ nothing ]
#else
[ defaults ]
1 2 \
  no \
  1.0 1.0
#endif
#else
#include "missing.itp"
#endif ; with a word
[ATOM-TYPES]
AMASS MASS 0.0 A EPS_A LONG
MASS-1 MASS 0.0 A 0.3 LATER
B 12.0 0.0 A 0.3 LATER EPS_A
#include "sub/molecule.itp"
[ system ]
NOT EARLY EARLY-EARLY EARLY_EARLY
[ molecules ]
M 1
"""


def test_the_rules_of_the_preprocessor(gromacs: Gromacs, tmp_path: Path) -> None:
    """Nested, moved and removed macros, macros beside signs, continued lines, conditions in conditions."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "box.top").write_text(NASTY)
    (tmp_path / "sub/molecule.itp").write_text('[ moleculetype ]\nM 1\n#include "atoms.itp"\n')
    (tmp_path / "sub/atoms.itp").write_text("[ atoms ] ; x\n1 AMASS 1 M A 1 -EARLY\n2 B 1 M BLANK 1 \\\n EARLY MASS\n")
    gro = tmp_path / "box.gro"
    gro.write_text(
        "x\n2\n    1M        A    1   0.100   0.100   0.100\n    1M        1    2   1.100   0.100   0.100\n   4.0 4.0 4.0\n"
    )
    (tmp_path / "sp.mdp").write_text("".join(f"{key} = {value}\n" for key, value in MDP.items()))
    run_tool(
        gromacs, "grompp", tmp_path / "pp.log", f=tmp_path / "sp.mdp", c=gro, p=tmp_path / "box.top",
        o=tmp_path / "pp.tpr", pp=tmp_path / "pp.top", po=tmp_path / "pp.mdp",
    )  # fmt: skip
    joined = re.sub(r"\\[ \t]*\n", " ", (tmp_path / "pp.top").read_text())
    seen = [words for row in joined.splitlines() if (words := row.partition(";")[0].split())]
    assert [line.words for line in read_lines(tmp_path / "box.top") if line.text] == seen
    topology = read_topology(tmp_path / "box.top")
    assert topology.forcefield.types["AMASS"].numbers == (0.3, 0.5)
    write_composed([Part(topology, "M", 1)], "test", tmp_path / "composed")
    original = energies(gromacs, tmp_path / "box.top", gro, tmp_path / "a")
    compare(original, energies(gromacs, tmp_path / "composed/system.top", gro, tmp_path / "b"))


def rule_1(text: str) -> str:
    """A force field of combination rule 3 as one of rule 1, by the last two words of its types."""
    rows = []
    for row in text.splitlines():
        words = row.partition(";")[0].split()
        if words == ["1", "3", "yes", "0.5", "0.5"]:
            row = "1 1 yes 0.5 0.5"
        elif len(words) in (7, 8) and words[-3] == "A":
            sigma, epsilon = float(words[-2]), float(words[-1])
            row = " ".join([*words[:-2], f"{4 * epsilon * sigma**6:.12e}", f"{4 * epsilon * sigma**12:.12e}"])
        rows.append(row)
    return "\n".join(rows) + "\n"


PAIR_TYPES = """
[ nonbond_params ]
opls_180 opls_185 1 0.27 0.3
[ pairtypes ]
opls_185 opls_185 1 0.24 0.06
"""
OWN_PAIRS = """
[ pairs_nb ]
1 12 1 0.1 -0.4 0.30 0.2
[ pairs ]
1 10 1 0.33 0.2
2 12 2 0.5 0.03 0.14 0.3 0.1
"""


@pytest.mark.parametrize("ions_first", [False, True])
def test_rules_1_and_3_join(ions_first: bool, gromacs: Gromacs, tmp_path: Path) -> None:
    """The ether in sigma and epsilon and the ions in C6 and C12 have the energies of one file in sigma and epsilon."""
    source = FILES / "oplsaa"
    # numbers of pairs too: of types, of 1-4 types, and of terms with their own
    forcefield = (source / "forcefield.itp").read_text().replace("[ bondtypes ]", PAIR_TYPES + "[ bondtypes ]")
    molecule = (source / "dme.itp").read_text().replace("[ pairs ]", OWN_PAIRS)
    types = [row for row in forcefield.splitlines() if re.match(r" *(opls_406|.BT) ", row)]
    head, _, _ = forcefield.partition("; name  bonded  at.num")
    (tmp_path / "ions.top").write_text(rule_1(head + "\n".join(types)) + (source / "litfsi.itp").read_text())
    kept = "\n".join(row for row in forcefield.splitlines() if row not in types)
    (tmp_path / "ether.top").write_text(kept + "\n" + molecule)
    ether, ions = read_topology(tmp_path / "ether.top"), read_topology(tmp_path / "ions.top")
    counts = {"DME": 8, "LI": 2, "TFSI": 2}
    parts = [Part(ether, "DME", 8), Part(ions, "LI", 2), Part(ions, "TFSI", 2)]
    if ions_first:
        parts, counts = [*parts[1:], parts[0]], {"LI": 2, "TFSI": 2, "DME": 8}
    write_composed(parts, "test", tmp_path / "composed")
    topology = read_topology(source / "box.top")
    gro = structure(tmp_path / "box.gro", topology, counts)
    top = tmp_path / "original.top"
    listed = "".join(f"{key} {value}\n" for key, value in counts.items())
    ions_text = (source / "litfsi.itp").read_text()
    top.write_text(f"{forcefield}\n{molecule}\n{ions_text}\n[ system ]\nx\n[ molecules ]\n{listed}")
    original = energies(gromacs, top, gro, tmp_path / "a")
    # single precision holds C6 and C12 as well as sigma and epsilon, but not the same last bit
    compare(original, energies(gromacs, tmp_path / "composed/system.top", gro, tmp_path / "b"), rel=2e-6)


def test_a_packed_box(gromacs: Gromacs, tmp_path: Path) -> None:
    """From the files of others to a box that GROMACS takes: chains of different conformations, a stable start."""
    topology = read_topology(FILES / "oplsaa/box.top")
    start = read_structure(FILES / "oplsaa/dme.gro", topology.molecule("DME")).tolist()
    adopted = [
        Adopted(Part(topology, "DME", 30), "polymer", start),
        Adopted(Part(topology, "LI", 3, 0.8), "cation"),
        Adopted(Part(topology, "TFSI", 3, 0.8), "anion"),
    ]
    description = describe_adopted(adopted, choice("lorentz-berthelot", 0.8))
    assert description.charges().sum() == pytest.approx(0, abs=1e-6) and description.n_sites == 30 * 16 + 3 * 16
    write_text(tmp_path / "system.json", to_json(description))
    assert read_description(tmp_path / "system.json") == description
    gro = tmp_path / "box.gro"
    pack(description, 2, 0.5, 0.2, 3, gro, tmp_path / "box.json", tmp_path / "box.log")
    write_composed([entry.part for entry in adopted], "test", tmp_path)
    (tmp_path / "em.mdp").write_text("integrator = steep\nnsteps = 100\nnstenergy = 1\nrcoulomb = 0.9\nrvdw = 0.9\n")
    grompp(gromacs, tmp_path / "em.mdp", gro, tmp_path / "system.top", tmp_path / "em.tpr", tmp_path / "em.log", None)
    run = subprocess.run(
        [str(gromacs.program), "mdrun", "-deffnm", "em", "-ntmpi", "1", "-ntomp", "1"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    potential = pyedr.edr_to_dict(str(tmp_path / "em.edr"))["Potential"]
    assert np.isfinite(potential).all() and potential[-1] < potential[0]
    x = np.array([[float(row[k : k + 8]) for k in (20, 28, 36)] for row in gro.read_text().splitlines()[2:482]])
    spans = np.linalg.norm(x.reshape(30, 16, 3)[:, 0] - x.reshape(30, 16, 3)[:, 12], axis=1)
    assert np.ptp(spans) > 0.1


def test_scaled_ions(gromacs: Gromacs, tmp_path: Path) -> None:
    """Scaled charges change the Coulomb energy of the ions as they must, and nothing else."""
    topology = read_topology(FILES / "oplsaa/box.top")
    gro = structure(tmp_path / "box.gro", topology, {"LI": 2, "TFSI": 2})
    found = {}
    for scale in (1.0, 0.8):
        folder = tmp_path / f"{scale}"
        write_composed([Part(topology, "LI", 2, scale), Part(topology, "TFSI", 2, scale)], "test", folder)
        found[scale] = energies(gromacs, folder / "system.top", gro, folder)
    for name, value in found[1.0].items():
        factor = 0.64 if "Coul" in name else 1.0
        if name != "Potential":
            assert found[0.8][name] == pytest.approx(factor * value, rel=1e-5, abs=1e-6), name


@pytest.mark.parametrize("states", [1, 2])
def test_numbers_of_parameters(states: int, gromacs: Gromacs, tmp_path: Path) -> None:
    """grompp takes as many numbers of each function as we do, for one state and for two, and no other number."""
    head = "[ defaults ]\n1 2 yes 0.5 0.5\n[ atomtypes ]\nA 12.0 0.0 A 0.3 0.5\n[ moleculetype ]\nM 3\n[ atoms ]\n"
    head += "".join(f"{k} A 1 M A{k} {k} 0.0 12.0\n" for k in range(1, 5))
    sites = {"bonds": 2, "constraints": 2, "pairs": 2, "pairs_nb": 2, "angles": 3, "dihedrals": 4}
    gro = tmp_path / "x.gro"
    rows = [f"    1M       A{k}{k:5d}{0.15 * k:8.3f}{0.1 * (k % 2):8.3f}{0.05 * (k % 3):8.3f}" for k in range(1, 5)]
    gro.write_text("\n".join(["x", "4", *rows, "   4.00000" * 3]) + "\n")
    (tmp_path / "x.mdp").write_text("integrator = md\n")
    for section, count in sites.items():
        for function, one in PARAMETERS[section].items():
            if states == 2 and ((section, function) in ONE_STATE or not one):
                continue
            # one more than a single number would be its second state
            for more in (0, 2 if one == 1 else 1):
                numbers = " ".join(["0.3"] * (one * states + more))
                if section == "dihedrals" and function in (1, 4, 9):
                    # the third is a whole number
                    numbers = " ".join((["0.3", "0.3", "1"] * 3)[: one * states + more])
                top = tmp_path / "x.top"
                term = f"[ {section} ]\n{' '.join(map(str, range(1, count + 1)))} {function} {numbers}\n"
                top.write_text(f"{head}{term}[ system ]\nx\n[ molecules ]\nM 1\n")
                said = subprocess.run(
                    [str(gromacs.program), "grompp", "-f", "x.mdp", "-c", "x.gro", "-p", "x.top", "-o", "x.tpr"],
                    cwd=tmp_path, capture_output=True, text=True, check=False,
                ).stderr  # fmt: skip
                wrong = "Incorrect number of parameters" in said or "Too many parameters" in said
                assert wrong == bool(more), (section, function, more, said[-800:])
                if more:
                    with pytest.raises(ForceFieldError, match="parameters of function"):
                        read_topology(top)
                else:
                    read_topology(top)
