"""Solvents and salts of others beside our polymer: energies of GROMACS against files that are composed by hand."""

from __future__ import annotations

import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from beside import as_rule, entry, forcefield, nitrile
from eoli.box.packmol import pack
from eoli.cli import main
from eoli.forcefield.library import Library
from eoli.forcefield.models import Contents, ForceFieldChoice
from eoli.gromacs.build import Gromacs, inspect
from eoli.study.config import GromacsBuild
from eoli.topology.build import describe, write_topology
from eoli.topology.description import SystemDescription
from eoli.topology.gromos import Gromos54A7, read_gromos54a7
from eoli.topology.imported_box import imported_box, write_imported
from single_points import compare, energies
from support import ROOT

pytestmark = pytest.mark.gmx
DRY = Contents.of("peo-dimethyl", 2, "litfsi", 3)
RULES = {"gromos": 1, "lorentz-berthelot": 2, "lb-ions": 2}
OF_GROMOS = ("CH3", "C", "NR")


@pytest.fixture(scope="module")
def gromacs() -> Gromacs:
    return inspect(GromacsBuild())


@pytest.fixture(scope="module")
def gromos(gromacs: Gromacs) -> Gromos54A7:
    return read_gromos54a7(gromacs.forcefields / "gromos54a7.ff")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "topologies", tmp_path / "topologies"))


def chosen(mixing: str, scale: float = 0.8) -> ForceFieldChoice:
    # the lithium of set L has a row of the 54A7 table for its partners, which is no geometric mean
    return ForceFieldChoice("oxy-d", "set-l", "clandp2004", mixing, scale)


def with_solvent(name: str, count: int = 20) -> Contents:
    return replace(DRY, solvents=((name, count),))


def box(root: Path, contents: Contents, choice: ForceFieldChoice, gromacs: Gromacs, out: Path) -> SystemDescription:
    found = imported_box(contents, choice, Library(root), gromacs.forcefields)
    write_imported(found, "x", out)
    assert found.description.charges().sum() == pytest.approx(0, abs=1e-6)
    return found.description


def own(root: Path, contents: Contents, choice: ForceFieldChoice, gromos: Gromos54A7, out: Path) -> None:
    write_topology(describe(contents, choice, Library(root), gromos), "x", out, Library(root), gromos)


def energies_of(
    made: Path, by_hand: Path, described: SystemDescription, gromacs: Gromacs, folder: Path
) -> dict[str, float]:
    """Energies of the composed files, which must be those of the files by hand in the same packed box."""
    gro = folder / "box.gro"
    pack(described, 1, 0.3, 0.2, 3, gro, folder / "box.json", folder / "box.log")
    found = energies(gromacs, made, gro, folder / "a")
    compare(energies(gromacs, by_hand, gro, folder / "b"), found)
    return found


def by_hand(folder: Path, types: str, more: str, molecule: str) -> Path:
    """Our own topology of polymer and salt in a folder, with rows and a molecule written into it."""
    text = (folder / "forcefield.itp").read_text()
    text = re.sub(r"(\[ atomtypes \]\n[^\n]*\n)", lambda found: found[0] + types, text) + more
    (folder / "forcefield.itp").write_text(text)
    top = folder / "system.top"
    top.write_text(top.read_text().replace("\n[ system ]", f"{molecule}\n[ system ]") + "ACN 20\n")
    return top


@pytest.mark.parametrize("mixing", RULES)
def test_a_solvent_of_its_own_types(
    mixing: str, root: Path, gromacs: Gromacs, gromos: Gromos54A7, tmp_path: Path
) -> None:
    """Pairs across the border are those of the combination rule; a pair that the file lists stays."""
    rule = RULES[mixing]
    head = forcefield(rule)
    entry(root, head + nitrile())
    described = box(root, with_solvent("nitrile"), chosen(mixing), gromacs, tmp_path / "made")
    own(root, DRY, chosen(mixing), gromos, tmp_path / "hand")
    types, more = head.partition("[ atomtypes ]\n")[2].split("[ nonbond_params ]\n")
    top = by_hand(tmp_path / "hand", types, f"[ nonbond_params ]\n{more}", nitrile())
    found = energies_of(tmp_path / "made/system.top", top, described, gromacs, tmp_path)
    assert all(found[term] for term in ("LJ-14", "Coulomb-14", "LJ (SR)", "Coulomb (SR)", "G96Angle"))


def test_a_solvent_with_the_force_field_of_gromacs(
    root: Path, gromacs: Gromacs, gromos: Gromos54A7, tmp_path: Path
) -> None:
    """A file of GROMOS with its whole table: ours is the same force field, and the table holds across the border.

    The ether oxygen of ours has no row there. Its C6 with a type is that of OE times the square root of the ratio of their C6,
    its C12 that of OE with the one factor in place of the other.
    """
    entry(root, '#include "gromos54a7.ff/forcefield.itp"\n' + nitrile(*OF_GROMOS))
    described = box(root, with_solvent("nitrile"), chosen("gromos"), gromacs, tmp_path / "made")
    own(root, DRY, chosen("gromos"), gromos, tmp_path / "hand")
    ours = {site.type for entry in described.molecules for site in entry.molecule.sites} - {"C", "NR"}
    rows = []
    for theirs, sqrt_c12 in (("C", 1.1e-3), ("NR", 1.227e-3)):
        for other in ours & gromos.types.keys():
            rows.append((theirs, other, *gromos.pairs[min(theirs, other), max(theirs, other)]))
        c6, c12 = gromos.pairs[theirs, "OE"]
        rows.append(
            (theirs, "OEP", c6 / 0.04756 * math.sqrt(Library(root).atom_types["OEP"].c6), c12 / sqrt_c12 * 1.529e-3)
        )
        c6, c12 = gromos.pairs[min(theirs, "NA+"), max(theirs, "NA+")]
        lithium = Library(root).atom_types["LI+L"].c6
        rows.append((theirs, "LI+L", c6 * math.sqrt(lithium / gromos.types["NA+"][0]), c12 / 2.70e-4 * 3.75e-5))
    rows.append(("C", "NR", *gromos.pairs["C", "NR"]))
    types = "".join(f"{name} 6 12.0 0.0 A {as_rule(gromos.types[name], 1)}\n" for name in ("C", "NR"))
    pairs = "".join(f"{a} {b} 1 {c6:.10g} {c12:.10g}\n" for a, b, c6, c12 in rows)
    top = by_hand(tmp_path / "hand", types, f"[ nonbond_params ]\n{pairs}", nitrile(*OF_GROMOS))
    energies_of(tmp_path / "made/system.top", top, described, gromacs, tmp_path)


GLYCOL = """\
solvent: glycol
molecule: GLY
description: "HO-CH2-CH2-O-CH2-CH2-OH, diethylene glycol"
sequence: [HO-start, EO, EO-OH]
density_g_cm3: {value: 1.1, temperature_K: 298.15, source: idealmixing}
"""


@pytest.mark.parametrize("mixing", RULES)
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "of-a-box"])
def test_our_own_solvent_imported_again(
    mixing: str, alone: bool, root: Path, gromacs: Gromacs, gromos: Gromos54A7, tmp_path: Path
) -> None:
    """Exported from a box of its own, or from one with the polymer, it has the energies of our own solvent beside it."""
    (root / "solvents/glycol.yaml").write_text(GLYCOL)
    choice, wet = chosen(mixing), with_solvent("glycol")
    own(root, wet, choice, gromos, tmp_path / "own")
    described = describe(wet, choice, Library(root), gromos)
    if alone:
        described = replace(described, molecules=described.molecules[-1:])
    write_topology(described, "x", root / "exported", Library(root), gromos)
    molecule = described.molecules[-1].molecule
    # the same name of the molecule type, so that the files differ in nothing else
    said = f"atoms: {len(molecule.sites)}\nmass_g_mol: {molecule.mass:.4f}\nroles: {{solvent_O: name O*}}"
    entry(root, "", said, "again", "GLY")
    entry_file = root / "solvents/again.yaml"
    entry_file.write_text(entry_file.read_text().replace("beside/again.itp", "exported/system.top"))
    made = box(root, with_solvent("again"), choice, gromacs, tmp_path / "made")
    energies_of(tmp_path / "made/system.top", tmp_path / "own/system.top", made, gromacs, tmp_path)


def test_our_own_salt_imported_again(root: Path, gromacs: Gromacs, gromos: Gromos54A7, tmp_path: Path) -> None:
    """Its charges are scaled as ours are, those of its 1-4 pairs too."""
    choice = chosen("gromos")
    own(root, DRY, choice, gromos, tmp_path / "own")
    full = describe(DRY, chosen("gromos", 1.0), Library(root), gromos)
    write_topology(replace(full, molecules=full.molecules[1:]), "x", root / "exported", Library(root), gromos)
    for ion, charge, molecule, atoms, mass, roles in (
        ("li-again", 1, "LI", 1, 6.941, "{Li: all}"),
        ("tfsi-again", -1, "TFSI", 15, 280.15, "{anion_O: name O*, anion_N: name N*}"),
    ):
        (root / f"ions/{ion}.yaml").write_text(
            f"ion: {ion}\nmodel: again\ndescription: an ion\ntopology: exported/system.top\nmolecule: {molecule}\n"
            f"atoms: {atoms}\nmass_g_mol: {mass}\ncharge: {charge}\nroles: {roles}\n"
        )
    (root / "salts/again.yaml").write_text(
        "salt: again\ndescription: a salt\ncation: li-again\ncation_model: again\nanion: tfsi-again\nanion_model: again\n"
        "molar_volume_cm3_mol: {value: 142.5, temperature_K: 298.15, source: idealmixing}\n"
    )
    again = replace(choice, cation_model="again", anion_model="again")
    described = box(root, replace(DRY, salts=(("again", 3),)), again, gromacs, tmp_path / "made")
    assert described.molecules[1].molecule.charge == pytest.approx(0.8)
    energies_of(tmp_path / "made/system.top", tmp_path / "own/system.top", described, gromacs, tmp_path)


@pytest.mark.parametrize(
    ("defaults", "said"),
    [("no 1.0 1.0", ""), ("yes 0.5 0.8333", "nitrile.itp it is 1 1 yes 0.5 0.8333 12; allowed: the same in both")],
    ids=["same", "other"],
)
def test_eoli_check_reads_both(
    defaults: str, said: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry(root, forcefield(1, defaults) + nitrile())
    study = "sweep: [{polymer: peo, eo_li: 12, temperature_K: 400, solvents: {nitrile: 5}}]"
    (tmp_path / "own.yaml").write_text(f"topologies: {root}\n{study}\n")
    code = main(["check", "--config", str(ROOT / "config/config.yaml"), str(tmp_path / "own.yaml")])
    err = capsys.readouterr().err
    assert (code, said in err, err.count("\n")) == ((2, True, 1) if said else (0, True, 0)), err


def test_numbers_of_the_page(gromos: Gromos54A7) -> None:
    """How far C12 of the 54A7 table is from the geometric mean, and sigma with it, for the pairs that the page names."""
    page = (ROOT / "docs/own-molecules.md").read_text()
    for one, other, said in (("N", "O", "1.28 times"), ("CH2", "NR", "0.83 times"), ("CH2", "OE", "")):
        c6, c12 = gromos.pairs[one, other]
        (c6_a, c12_a), (c6_b, c12_b) = gromos.types[one], gromos.types[other]
        assert c6 == pytest.approx(math.sqrt(c6_a * c6_b), rel=1e-4)
        ratio = c12 / math.sqrt(c12_a * c12_b)
        assert f"{ratio:.2f} times" == said if said else ratio == pytest.approx(1, abs=1e-3)
        sigma = 100 * abs(ratio ** (1 / 6) - 1)
        assert said in page and (not said or f"{sigma:.0f} % {'larger' if ratio > 1 else 'smaller'}" in page)
