"""Roles of a foreign topology: the description of a small box, and each mistake as one line."""

from __future__ import annotations

from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pytest

from eoli.errors import DataError, InputError
from eoli.study.roles import read_roles
from eoli.topology.description import SystemDescription, read_description, to_json
from eoli.topology.roles import composition, describe_universe
from eoli.topology.selections import binding_partners, ether_torsions
from eoli.topology.species import species_of

BOX = np.array([3.0, 3.0, 3.0])
GLYME = ["CA", "O1", "CB", "CC", "O2", "CD"]
ION = ["S", "OS", "OS"]
MASSES = {"C": 14.027, "O": 15.9994, "S": 32.06, "L": 6.941}


def box(anion_charge: float = -1.0, scale: float = 1.0) -> tuple[mda.Universe, np.ndarray]:
    """Three glymes, two lithium ions, two anions of three atoms, with positions in nm; a bond is 0.15 nm long."""
    names = GLYME * 3 + ["LI"] * 2 + ION * 2
    molecules = [("GLY", 6)] * 3 + [("LI", 1)] * 2 + [("AN", 3)] * 2
    residues = np.repeat(np.arange(len(molecules)), [size for _, size in molecules])
    universe = mda.Universe.empty(
        len(names), n_residues=len(molecules), atom_resindex=residues, trajectory=False, residue_segindex=[0] * len(molecules)
    )  # fmt: skip
    universe.add_TopologyAttr("names", names)
    universe.add_TopologyAttr("types", [name[0] for name in names])
    universe.add_TopologyAttr("masses", np.array([MASSES[name[0]] for name in names], dtype=np.float32))
    charges = [0.25, -0.5, 0.25, 0.25, -0.5, 0.25] * 3 + [scale] * 2 + [0.0, anion_charge / 2, anion_charge / 2] * 2
    universe.add_TopologyAttr("charges", charges)
    universe.add_TopologyAttr("resnames", [name for name, _ in molecules])
    universe.add_TopologyAttr("resids", np.arange(len(molecules)) + 1)
    universe.add_TopologyAttr("moltypes", [name for name, _ in molecules])
    universe.add_TopologyAttr("molnums", np.arange(len(molecules)))
    chains = [(6 * m + k, 6 * m + k + 1) for m in range(3) for k in range(5)]
    universe.add_TopologyAttr("bonds", [*chains, *((20 + 3 * m, 20 + 3 * m + k) for m in range(2) for k in (1, 2))])
    positions = np.zeros((len(names), 3))
    for m in range(3):
        # the second one crosses a face of the box
        positions[6 * m : 6 * m + 6] = np.c_[2.6 * (m == 1) + 0.15 * np.arange(6), np.full(6, m), np.zeros(6)]
    for m in range(2):
        positions[20 + 3 * m : 23 + 3 * m] = m + 1 + np.array([[0, 0, 0], [0.15, 0, 0], [0, 0.15, 0]])
    return universe, positions % BOX


ROLES = """\
molecules:
  GLY: {kind: polymer, roles: {ether_O: name O*}}
  LI: {kind: cation, roles: {Li: all}}
  AN:
    kind: anion
    roles: {anion_O: name OS}
"""


def described(folder: Path, text: str, *changed: float) -> SystemDescription:
    path = folder / "roles.yaml"
    path.write_text(text)
    universe, positions = box(*changed)
    return describe_universe(universe, read_roles(path), "mine", "0" * 64, positions, BOX, "frame.xtc")


def test_a_description_of_a_foreign_box(tmp_path: Path) -> None:
    found = described(tmp_path, ROLES)
    assert [(e.molecule.name, e.count, e.molecule.formal_charge) for e in found.molecules] == [
        ("GLY", 3, 0), ("LI", 2, 1), ("AN", 2, -1)
    ]  # fmt: skip
    assert composition(found) == {
        "sites": 26, "chains": 3, "ether_oxygens": 6, "lithium_ions": 2, "ion_charge_scale": 1.0
    }  # fmt: skip
    # as topologies print it, not 15.99940013885498
    assert found.molecules[0].molecule.sites[1].mass == 15.9994
    assert ether_torsions(found).tolist() == [[1, 2, 3, 4], [7, 8, 9, 10], [13, 14, 15, 16]]
    assert found.bonds().tolist()[:6] == [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [6, 7]]
    assert found.bond_lengths_nm() == pytest.approx(0.15)
    assert {kind: len(sites) for kind, sites in binding_partners(found).items()} == {"ether_O": 6, "anion": 4}
    (tmp_path / "system.json").write_text(to_json(found))
    assert read_description(tmp_path / "system.json") == found


def test_scaled_charges_of_the_ions_are_found(tmp_path: Path) -> None:
    found = described(tmp_path, ROLES, -0.8, 0.8)
    assert found.choice.ion_charge_scale == 0.8
    assert [e.molecule.formal_charge for e in found.molecules] == [0, 1, -1]
    assert found.choice.ether_set == "imported-mine"


def test_blocks_are_those_of_the_file(tmp_path: Path) -> None:
    text = ROLES.replace("name O*}}", "name O*}, blocks: {head: name CA O1 CB, tail: name CC O2 CD}}")
    blocks = [site.block for site in described(tmp_path, text).molecules[0].molecule.sites]
    assert blocks == ["head"] * 3 + ["tail"] * 3


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name O*", "name OE", r":2: molecules\.GLY\.roles\.ether_O: 'name OE' matches no atom of GLY; allowed: atoms such as CA"),
        ("name O*", "name (", r":2: molecules\.GLY\.roles\.ether_O: 'name \(' is no selection: .*allowed: MDAnalysis' language"),
        ("name O*", "index 1", "matches other atoms of molecule 2 than of the first; allowed: the same in all"),
        ("name O*}}", "name O*, amide_N: name O1}}", r"GLY\.roles\.amide_N: 'name O1' matches atom O1, which ether_O has"),
        ("ether_O", "ether_0", r"GLY\.roles\.ether_0: no role of kind polymer \(did you mean ether_O\?\); allowed: ether_O, "),
        ("Li: all", "anion_O: all", r":3: molecules\.LI\.roles\.anion_O: no role of kind cation; allowed: Li"),
        ("  LI:", "  LJ:", r":3: molecules\.LJ: no molecule type of .*; allowed: GLY, LI, AN"),
        ("  LI: {kind: cation, roles: {Li: all}}\n", "", "molecules: LI, which .* has, is missing; it has no default"),
        ("kind: cation", "kind: anion", r":3: molecules\.LI\.roles\.Li: no role of kind anion"),
        ("kind: anion", "kind: anode", r":5: molecules\.AN\.kind: 'anode' is not allowed"),
        ("kind: anion", "kind: anion\n    charge: 1", r":6: molecules\.AN\.charge: AN is of kind anion, and"),
        ("kind: polymer", "kind: solvent", r"GLY\.roles\.ether_O: no role of kind solvent; allowed: solvent_O, solvent_N"),
        ("    roles: {anion_O: name OS}\n", "", r":5: molecules\.AN\.kind: an anion without roles; allowed: one of anion_O, "),
        ("kind: cation, roles: {Li: all}", "kind: solvent", r":3: molecules\.LI\.kind: LI is of kind solvent, and its atoms' charges sum to 1 e"),
        ("kind: anion", "kinds: anion", r"molecules\.AN\.kinds: unknown key"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in ROLES
    with pytest.raises(InputError, match=said) as caught:
        described(tmp_path, ROLES.replace(old, new))
    assert "\n" not in str(caught.value)


def test_another_cation_is_not_taken_for_lithium(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MASSES, "L", 22.9898)
    with pytest.raises(
        InputError, match=r":3: molecules\.LI\.roles\.Li: 'all' matches LI with a mass of 22\.9898 g/mol; allowed: li"
    ):
        described(tmp_path, ROLES)
    # a mass of no element is no evidence
    monkeypatch.setitem(MASSES, "L", 10.0)
    assert described(tmp_path, ROLES).molecules[1].molecule.sites[0].role == "Li"


def test_atoms_that_no_bond_holds_are_refused(tmp_path: Path) -> None:
    (tmp_path / "roles.yaml").write_text(ROLES)
    universe, positions = box()
    universe.delete_bonds([(2, 3), (8, 9), (14, 15)])
    with pytest.raises(
        InputError, match=r":2: molecules\.GLY: the bonds and constraints of GLY do not connect its atoms"
    ):
        describe_universe(universe, read_roles(tmp_path / "roles.yaml"), "mine", "0" * 64, positions, BOX, "frame.xtc")


def test_ions_that_are_not_scaled_alike_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not scaled alike: LI 1, AN 0\.8; allowed: one factor"):
        described(tmp_path, ROLES, -0.8, 1.0)


def test_a_frame_of_another_system_is_refused(tmp_path: Path) -> None:
    (tmp_path / "roles.yaml").write_text(ROLES)
    universe, positions = box()
    with pytest.raises(
        DataError, match=r"frame\.xtc: of another system: the atoms \d+ and \d+, bonded in GLY, are .* nm apart"
    ):
        describe_universe(
            universe, read_roles(tmp_path / "roles.yaml"), "mine", "0" * 64, positions[::-1].copy(), BOX, "frame.xtc"
        )  # fmt: skip


def test_molecules_of_a_type_may_stand_in_several_places(tmp_path: Path) -> None:
    """The second glyme is called another type, which then stands between two of the first."""
    (tmp_path / "roles.yaml").write_text(ROLES + "  DME: {kind: solvent, roles: {solvent_O: name O*}}\n")
    universe, positions = box()
    universe.atoms.residues.moltypes = ["GLY", "DME", "GLY", *["LI"] * 2, *["AN"] * 2]
    roles = read_roles(tmp_path / "roles.yaml")
    found = describe_universe(universe, roles, "mine", "0" * 64, positions, BOX, "frame.xtc")
    assert [(e.molecule.name, e.count) for e in found.molecules] == [
        ("GLY", 1), ("DME", 1), ("GLY", 1), ("LI", 2), ("AN", 2)
    ]  # fmt: skip
    assert found.molecules[0].molecule is found.molecules[2].molecule
    assert [sites.tolist() for sites in found.molecules_of("polymer")] == [[*range(6)], [*range(12, 18)]]
    assert {kind: sites.tolist() for kind, sites in binding_partners(found).items()} == {
        "ether_O": [1, 4, 13, 16], "solvent_O": [7, 10], "anion": [21, 22, 24, 25]
    }  # fmt: skip
    assert composition(found)["chains"] == 2


def test_lithium_has_one_molecule_type(tmp_path: Path) -> None:
    (tmp_path / "roles.yaml").write_text(ROLES + "  LB: {kind: cation, roles: {Li: all}}\n")
    universe, positions = box()
    universe.atoms.residues.moltypes = [*["GLY"] * 3, "LI", "LB", *["AN"] * 2]
    with pytest.raises(InputError, match="LI, LB have the role Li; allowed: one type of molecule"):
        describe_universe(
            universe, read_roles(tmp_path / "roles.yaml"), "mine", "0" * 64, positions, BOX, "frame.xtc"
        )  # fmt: skip


def test_other_cations_and_double_charges(tmp_path: Path) -> None:
    text = ROLES + "  NA: {kind: cation}\n"
    (tmp_path / "roles.yaml").write_text(text)
    universe, positions = box(-2.0)
    universe.atoms.residues.moltypes = [*["GLY"] * 3, "LI", "NA", *["AN"] * 2]
    found = describe_universe(
        universe, read_roles(tmp_path / "roles.yaml"), "mine", "0" * 64, positions, BOX, "frame.xtc"
    )  # fmt: skip
    assert {name: [(of.label, of.charge) for of in types] for name, types in species_of(found).items()} == {
        "Li": [("LI", 1)], "cation": [("NA", 1)], "anion": [("AN", -2)], "chain": [("GLY", 0)]
    }  # fmt: skip


TETHERED = """\
molecules:
  GLY: {kind: polymer, roles: {anion_O: name O1, ether_O: name O2}}
  LI: {kind: cation, roles: {Li: all}}
  AN: {kind: solvent, roles: {solvent_O: name OS}}
"""


@pytest.mark.parametrize(("charge", "fits"), [(-1.0, True), (-2.0, True), (1.0, False), (0.0, False)])
def test_a_chain_with_tethered_anions_has_a_whole_charge_for_each(tmp_path: Path, charge: float, fits: bool) -> None:
    (tmp_path / "roles.yaml").write_text(TETHERED)
    universe, positions = box(0.0)
    universe.atoms.charges = np.where(universe.atoms.names == "O1", -0.5 + charge, universe.atoms.charges)
    asked = universe, read_roles(tmp_path / "roles.yaml"), "mine", "0" * 64, positions, BOX, "frame.xtc"
    if not fits:
        with pytest.raises(
            InputError, match=r"GLY\.roles: GLY has 1 groups of atoms with roles of anions and a charge of"
        ):
            describe_universe(*asked)
        return
    found = describe_universe(*asked)
    (anion,) = species_of(found)["anion"]
    assert (anion.label, anion.charge, len(anion.sites)) == ("GLY_anion", charge, 3)
    assert binding_partners(found)["anion"].tolist() == [1, 7, 13]
