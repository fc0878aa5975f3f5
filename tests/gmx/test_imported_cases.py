"""Molecules that users bring, from their entries to a packed box: its energies are those of their own files."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.spatial.distance import pdist

from eoli.box.conformation import random_conformation
from eoli.box.geometry import check_molecule, dihedral_deg
from eoli.box.packmol import pack
from eoli.core.validation import validate
from eoli.core.yamlfile import read_yaml
from eoli.errors import ForceFieldError
from eoli.forcefield.library import Library
from eoli.forcefield.models import Contents, ImportedEntry, ImportedIon, ImportedPolymer, imported_choice
from eoli.gromacs.build import Gromacs, inspect
from eoli.study.config import GromacsBuild
from eoli.topology.adopted import Adopted, describe_adopted
from eoli.topology.build import describe, write_topology
from eoli.topology.composed import Part, write_composed
from eoli.topology.description import MoleculeCount, SystemDescription, read_description, to_json
from eoli.topology.gromos import read_gromos54a7
from eoli.topology.imported import read_topology
from eoli.topology.molecule import Molecule
from eoli.topology.roles import with_roles
from eoli.topology.structure import read_structure
from single_points import compare, energies
from support import LIMIT_S, choice, environment, imported_blocks

pytestmark = pytest.mark.gmx

FILES = Path(__file__).resolve().parents[1] / "imported"


@pytest.fixture(scope="module")
def gromacs() -> Gromacs:
    return inspect(GromacsBuild())


@dataclass(frozen=True)
class Brought:
    """An entry of a user and the number of its molecules."""

    entry: ImportedEntry
    count: int
    include: tuple[Path, ...] = ()

    def adopted(self) -> Adopted:
        """The molecule type with its start geometry, where it has one."""
        entry = self.entry
        topology = read_topology(entry.topology, [*entry.include, *self.include], entry.said.defines)
        molecule = topology.molecule(entry.molecule)
        assert len(molecule.sites) == entry.said.atoms
        assert sum(site.mass for site in molecule.sites) == pytest.approx(entry.said.mass_g_mol, rel=1e-5)
        assert molecule.charge == pytest.approx(entry.charge, abs=1e-9)
        kind = "polymer" if entry.charge == 0 else "cation" if entry.charge > 0 else "anion"
        positions = read_structure(entry.structure, molecule).tolist() if entry.structure else ()
        return Adopted(Part(topology, entry.molecule, self.count), kind, positions)


def brought(blocks: Path, name: str, count: int, *include: Path) -> Brought:
    """An entry by its path in the building blocks."""
    file = read_yaml(blocks / name)
    model = ImportedPolymer if name.startswith("polymers") else ImportedIon
    return Brought(ImportedEntry(validate(model, file.data, [file]), file, blocks, {}), count, include)


def described(molecules: Sequence[Brought]) -> SystemDescription:
    """The box with the roles of the entries."""
    found = describe_adopted([one.adopted() for one in molecules], imported_choice("test", 1.0, True))
    return replace(
        found,
        molecules=tuple(
            MoleculeCount(
                with_roles(counted.molecule, one.entry.said.roles, getattr(one.entry.said, "blocks", {}), one.entry.wrong),
                counted.count,
            )
            for counted, one in zip(found.molecules, molecules, strict=True)
        ),
    )  # fmt: skip


def packed(molecules: Sequence[Brought], folder: Path, density_g_cm3: float = 0.3) -> Path:
    """A packed box, and its composed topology in `folder`."""
    pack(described(molecules), 2, density_g_cm3, 0.2, 3, folder / "box.gro", folder / "box.json", folder / "box.log")
    write_composed([one.adopted().part for one in molecules], "test", folder)
    return folder / "box.gro"


def counts(molecules: Sequence[Brought]) -> str:
    return "[ system ]\nx\n[ molecules ]\n" + "".join(f"{one.entry.molecule} {one.count}\n" for one in molecules)


LITHIUM, ANION = "ions/LI/oplsaa.yaml", "ions/TFSI/clandp-all-atom.yaml"


def test_an_all_atom_peo(gromacs: Gromacs, tmp_path: Path) -> None:
    """PEO and LiTFSI of OPLS-AA; and the chain with the force field as GROMACS installs it."""
    blocks = imported_blocks(tmp_path / "blocks")
    chain = brought(blocks, "polymers/peo-oplsaa.yaml", 6)
    molecules = [chain, brought(blocks, LITHIUM, 4), brought(blocks, ANION, 4)]
    gro = packed(molecules, tmp_path)
    original = blocks / "oplsaa/all.top"
    files = ("forcefield.itp", "peo.itp", "litfsi.itp")
    original.write_text("".join(f'#include "{name}"\n' for name in files) + counts(molecules))
    found = energies(gromacs, original, gro, tmp_path / "a")
    compare(found, energies(gromacs, tmp_path / "system.top", gro, tmp_path / "b"))
    assert all(found[name] for name in ("Bond", "Angle", "Ryckaert-Bell.", "Fourier Dih.", "LJ-14", "Coulomb-14"))

    gro = packed([chain], tmp_path / "neat")
    installed = blocks / "oplsaa/installed.top"
    installed.write_text(f'#include "oplsaa.ff/forcefield.itp"\n#include "peo.itp"\n{counts([chain])}')
    ours = energies(gromacs, tmp_path / "neat/system.top", gro, tmp_path / "c")
    compare(ours, energies(gromacs, installed, gro, tmp_path / "d"))


def test_chains_of_all_atoms(tmp_path: Path) -> None:
    """Drawn chains keep bonds and angles of their structure, or those of their terms without one, and differ."""
    blocks = imported_blocks(tmp_path / "blocks")
    description = described([brought(blocks, "polymers/peo-oplsaa.yaml", 1)])
    with_structure = description.molecules[0].molecule
    without = replace(with_structure, positions_nm=())
    given = np.array(with_structure.positions_nm)
    near = np.array([[a, b] for a, b in with_structure.separations() if with_structure.separations()[a, b] <= 2])
    assert len(near) == 71 + 130
    for molecule in (with_structure, without):
        drawn = [random_conformation(molecule, np.random.default_rng(seed)) for seed in range(5)]
        for x in drawn:
            check_molecule(molecule, x)
            if molecule.positions_nm:
                distances = [np.linalg.norm(y[near[:, 0]] - y[near[:, 1]], axis=1) for y in (x, given)]
                assert distances[0] == pytest.approx(distances[1], abs=1e-9)
        assert np.ptp([pdist(x).max() for x in drawn]) > 0.1


def test_a_chain_of_polyply(gromacs: Gromacs, tmp_path: Path) -> None:
    """Its all-atom PEO on the installed OPLS-AA, with ions on a force field of few types."""
    blocks = imported_blocks(tmp_path / "blocks")
    chain = brought(blocks, "polymers/peo-polyply.yaml", 6, gromacs.forcefields)
    molecules = [chain, brought(blocks, LITHIUM, 4), brought(blocks, ANION, 4)]
    assert sum(site.role == "hydroxyl_O" for site in described([chain]).molecules[0].molecule.sites) == 2
    gro = packed(molecules, tmp_path)
    ions = (blocks / "oplsaa/forcefield.itp").read_text().splitlines()
    types = "\n".join(
        row for row in ions if row.split()[:1] in [[name] for name in ("NBT", "SBT", "OBT", "CBT", "FBT")]
    )
    original = blocks / "polyply/all.top"
    original.write_text(
        f'#include "oplsaa.ff/forcefield.itp"\n[ atomtypes ]\n{types}\n#include "peo-opls.itp"\n'
        f"{(blocks / 'oplsaa/litfsi.itp').read_text()}{counts(molecules)}"
    )
    found = energies(gromacs, original, gro, tmp_path / "a")
    compare(found, energies(gromacs, tmp_path / "system.top", gro, tmp_path / "b"))
    assert all(found[name] for name in ("Bond", "Angle", "Ryckaert-Bell.", "LJ-14", "Coulomb-14"))


# 53A6_OXY+D and 2016H66, as in topologies/bonded.yaml
ETHER_TORSIONS = {
    "gd_42": "180 0.931 1", "gd_43": "0 0.569 2", "gd_44": "0 4.682 3",
    "gd_45": "180 6.942 1", "gd_46": "0 3.312 2", "gd_47": "0 6.787 3",
}  # fmt: skip
OWN = """\
polymer: mine
molecule: PEO
description: "CH3-O-(CH2CH2O)9-CH3"
sequence: [methyl, "EO * 9", OMe]
neat_density_g_cm3: {value: 1.06, temperature_K: 298.15, source: idealmixing}
"""


def test_a_united_chain_of_polyply(gromacs: Gromacs, tmp_path: Path) -> None:
    """Its GROMOS 2016H66 chain, drawn without a structure, has the energies of its own files and of our own chain."""
    blocks = imported_blocks(tmp_path / "blocks")
    (blocks / "polymers/mine.yaml").write_text(OWN)
    installed = read_gromos54a7(gromacs.forcefields / "gromos54a7.ff")
    ours = describe(Contents.of("mine", 6, "none", 0), choice(), Library(blocks), installed)
    write_topology(ours, "own", tmp_path / "own", Library(blocks), installed)
    forcefield = re.sub(r"\bOEP\b", "OE", (tmp_path / "own/forcefield.itp").read_text())
    macros = ETHER_TORSIONS | {
        name: " ".join(f"{x:g}" for x in installed.macro(name)) for name in ("gb_18", "gb_27", "ga_15")
    }
    defined = "".join(f"#define {name} {value}\n" for name, value in macros.items())
    (blocks / "polyply/2016h66.itp").write_text(defined + forcefield)

    chain = brought(blocks, "polymers/peo-2016h66.yaml", 6)
    gro = packed([chain], tmp_path)
    original = tmp_path / "blocks/polyply/all.top"
    original.write_text(f'#include "peo-2016h66.top"\n{counts([chain])}')
    found = energies(gromacs, original, gro, tmp_path / "a")
    compare(found, energies(gromacs, tmp_path / "system.top", gro, tmp_path / "b"))
    # our chain has other names of atoms, in the same order
    rows = gro.read_text().splitlines()
    sites = ours.molecules[0].molecule.sites * 6
    named = [
        f"{site.residue_number:5d}{site.residue:<5s}{site.name:>5s}{row[15:]}"
        for site, row in zip(sites, rows[2:-1], strict=True)
    ]
    own = tmp_path / "own.gro"
    own.write_text("\n".join([*rows[:2], *named, rows[-1]]) + "\n")
    compare(found, energies(gromacs, tmp_path / "own/system.top", own, tmp_path / "c"), rel=2e-6)


def test_torsions_of_the_same_names(gromacs: Gromacs, tmp_path: Path) -> None:
    """The installed GROMOS force field has other torsions under some names of 2016H66, and others are missing."""
    blocks = imported_blocks(tmp_path / "blocks")
    top = blocks / "polyply/peo-2016h66.top"
    top.write_text('#include "gromos54a7.ff/forcefield.itp"\n#include "peo-2016h66.itp"\n')
    with pytest.raises(
        ForceFieldError, match=r"peo-2016h66\.itp:[0-9]+: 'gd_46' is no parameter of \[ dihedrals \]; allowed"
    ):
        read_topology(top, [gromacs.forcefields])


def test_what_polyply_makes_today(tmp_path: Path) -> None:
    """The kept files are those of the installed polyply, but for the order of what it cites."""
    polyply = shutil.which("polyply", path=f"{Path(sys.executable).parent}")
    if polyply is None:
        pytest.skip("polyply is not installed: pip install eoli[polyply]")
    for name in ("peo-opls.itp", "peo-2016h66.itp"):
        kept = (FILES / "polyply/polyply" / name).read_text()
        words = kept.splitlines()[0].split()[2:]
        subprocess.run([polyply, *words], cwd=tmp_path, check=True, capture_output=True)
        made = (tmp_path / name).read_text()
        made, kept = (text[text.index("[ moleculetype ]") :] for text in (made, kept))
        assert made == kept


def write_gro(path: Path, molecule: Molecule, x: np.ndarray) -> None:
    """A structure of one molecule, positions in nm."""
    rows = [
        f"{site.residue_number:5d}{site.residue:<5s}{site.name:>5s}{n:5d}{''.join(f'{value:8.3f}' for value in at)}"
        for n, (site, at) in enumerate(zip(molecule.sites, x, strict=True), start=1)
    ]
    path.write_text("\n".join([molecule.name, str(len(rows)), *rows, "   9.00000" * 3]) + "\n")


def exported(description: SystemDescription, blocks: Path) -> list[Brought]:
    """Entries for the molecules of a topology folder of ours, `own` in the building blocks, as a user would write them."""
    found = []
    for molecule, count in ((entry.molecule, entry.count) for entry in description.molecules):
        data: dict[str, object] = {
            "description": "exported", "topology": "own/system.top", "molecule": molecule.name,
            "atoms": len(molecule.sites), "mass_g_mol": molecule.mass,
        }  # fmt: skip
        for key in ("role", "block"):
            places: dict[str, list[str]] = {}
            for n, site in enumerate(molecule.sites):
                if label := getattr(site, key):
                    places.setdefault(label, []).append(str(n))
            data[f"{key}s"] = {label: f"index {' '.join(of_label)}" for label, of_label in places.items()}
        if molecule.kind == "polymer":
            name = f"polymers/own-{molecule.name}.yaml"
            density = {"value": 1.1, "temperature_K": 298.15, "source": "idealmixing"}
            ether = sum(site.role == "ether_O" for site in molecule.sites)
            data |= {"polymer": "own", "force_field": "own", "ether_oxygens": ether, "neat_density_g_cm3": density}
            # its amides and esters are in trans, which no topology says
            data["structure"] = f"own/{molecule.name}.gro"
            write_gro(
                blocks / f"own/{molecule.name}.gro", molecule, random_conformation(molecule, np.random.default_rng(0))
            )
        else:
            name = f"ions/{molecule.name}/own.yaml"
            data |= {"ion": molecule.name, "model": "own", "charge": molecule.formal_charge}
            del data["blocks"]
        (blocks / name).write_text(yaml.safe_dump(data))
        found.append(brought(blocks, name, count))
    return found


@pytest.mark.parametrize(("polymer", "mixing"), [("peo", "gromos"), ("pebax", "gromos"), ("pebax", "lb-ions")])
def test_our_own_topologies(polymer: str, mixing: str, gromacs: Gromacs, tmp_path: Path) -> None:
    """A topology folder of ours, taken in again as that of somebody else: the same molecules, the same energies."""
    blocks = imported_blocks(tmp_path / "blocks")
    installed = read_gromos54a7(gromacs.forcefields / "gromos54a7.ff")
    ours = describe(Contents.of(polymer, 4, "litfsi", 8), choice(mixing), Library(blocks), installed)
    write_topology(ours, "own", blocks / "own", Library(blocks), installed)
    molecules = exported(ours, blocks)
    for one, other in zip(ours.molecules, described(molecules).molecules, strict=True):
        known, again = one.molecule, other.molecule
        assert (known.name, known.kind, known.formal_charge, one.count) == (
            again.name, again.kind, again.formal_charge, other.count
        )  # fmt: skip
        for site, same in zip(known.sites, again.sites, strict=True):
            assert (site.name, site.type, site.charge, site.mass) == (same.name, same.type, same.charge, same.mass)
            assert (site.residue, site.residue_number, site.role) == (same.residue, same.residue_number, same.role)
            # a chain without blocks of its own is one block
            assert site.block in (same.block, None)
        for key in ("bonds", "angles", "dihedrals", "impropers", "pairs14"):
            terms, again_terms = ([(t.sites, t.function) for t in getattr(m, key)] for m in (known, again))
            # a pair that takes its numbers from the types has the 1-4 factor of the force field here
            assert sorted(s for s, _ in terms) == sorted(s for s, _ in again_terms), key
        assert sorted(t.parameters[0] for t in known.bonds) == pytest.approx(
            sorted(t.parameters[0] for t in again.bonds)
        )
    gro = packed(molecules, tmp_path, 0.15)
    found = energies(gromacs, blocks / "own/system.top", gro, tmp_path / "a")
    compare(found, energies(gromacs, tmp_path / "system.top", gro, tmp_path / "b"))
    assert all(found[name] for name in ("Angle", "Proper Dih.", "LJ-14", "Coulomb-14", "LJ (SR)"))


def test_amides_stay_trans(gromacs: Gromacs, tmp_path: Path) -> None:
    """Pebax of ours has its amides built in trans; taken in with a structure it keeps them, since their barrier is high."""
    blocks = imported_blocks(tmp_path / "blocks")
    installed = read_gromos54a7(gromacs.forcefields / "gromos54a7.ff")
    ours = describe(Contents.of("pebax", 1, "none", 0), choice(), Library(blocks), installed)
    write_topology(ours, "own", blocks / "own", Library(blocks), installed)
    own = ours.molecules[0].molecule
    kept = [term.sites for term in own.dihedrals if term.trans]
    assert kept
    (chain,) = exported(ours, blocks)
    imported = described([chain]).molecules[0].molecule
    bare = replace(imported, positions_nm=())
    with pytest.raises(
        ForceFieldError, match=r"PEBAX, .*: a barrier of [0-9]+ kJ/mol between .*; allowed: .*, or a structure"
    ):
        random_conformation(bare, np.random.default_rng(0))
    for seed in range(3):
        x = random_conformation(imported, np.random.default_rng(seed))
        check_molecule(imported, x)
        for sites in kept:
            assert abs(dihedral_deg(*x[list(sites)])) == pytest.approx(180, abs=3)


ANALYSES = ("reduced", "motion", "structure", "ions", "conductivity", "mechanism", "morphology", "hydrogen-bonds")


@pytest.mark.workflow
@pytest.mark.parametrize("system", ["peo-eo12-400K-r1", "pebax-eo16-400K-r1"])
def test_tables_of_an_exported_copy(system: str, finished: Path, tmp_path: Path) -> None:
    """The same trajectory read with our description and with that of its exported topology: tables equal to the byte."""
    home = Path("results") / system
    ours = read_description(finished / home / "topology/system.json")
    blocks = imported_blocks(tmp_path / "blocks")
    shutil.copytree(finished / home / "topology", blocks / "own")
    molecules = exported(ours, blocks)
    again = described(molecules)
    copies = {}
    for name, description in (("own", ours), ("again", again)):
        folder = tmp_path / name
        (folder / home / "topology").mkdir(parents=True)
        (folder / home / "analysis").mkdir()
        (folder / home / "topology/system.json").write_text(to_json(description))
        shutil.copytree(finished / home / "production", folder / home / "production")
        for analysis in ANALYSES:
            record = json.loads((finished / home / f"analysis/{analysis}.provenance.json").read_text())
            subprocess.run(record["commands"][-1], cwd=folder, env=environment(), check=True, timeout=LIMIT_S)
        made = (folder / home / "analysis").glob("*")
        copies[name] = {
            path.name: path.read_bytes()
            for path in made
            if path.suffix in (".csv", ".json") and not path.name.endswith(".provenance.json")
        }
    assert len(copies["own"]) == 16 and copies["own"].keys() == copies["again"].keys()
    assert [name for name, text in copies["own"].items() if text != copies["again"][name]] == []
