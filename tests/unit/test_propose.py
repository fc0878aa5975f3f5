"""Proposed roles, against molecules whose chemistry is known: all atoms, united atoms, ions."""

from __future__ import annotations

from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pytest

from eoli.forcefield.models import ELEMENTS
from eoli.study.roles import read_roles
from eoli.topology.elements import element_of
from eoli.topology.propose import propose, roles_text

H = ELEMENTS["H"][1]
Molecule = tuple[str, int, list[tuple[str, float, float]], list[tuple[int, int]]]


def universe(molecules: list[Molecule]) -> mda.Universe:
    """A box of molecule types: name, count, atoms (name, mass, charge) and bonds of one."""
    atoms: list[tuple[str, float, float]] = []
    bonds, residues, types = [], [], []
    for name, count, own, pairs in molecules:
        for _ in range(count):
            bonds += [(len(atoms) + i, len(atoms) + j) for i, j in pairs]
            residues += [len(types)] * len(own)
            types.append(name)
            atoms += own
    made = mda.Universe.empty(
        len(atoms), n_residues=len(types), atom_resindex=residues, residue_segindex=[0] * len(types), trajectory=False
    )
    for key, values in (
        ("names", [a[0] for a in atoms]), ("types", [a[0] for a in atoms]), ("masses", [a[1] for a in atoms]),
        ("charges", [a[2] for a in atoms]), ("resnames", types), ("moltypes", types), ("molnums", np.arange(len(types))),
        ("bonds", bonds),
    ):  # fmt: skip
        made.add_TopologyAttr(key, values)
    return made


def of(symbol: str, hydrogens: int = 0) -> float:
    return ELEMENTS[symbol][1] + hydrogens * H


@pytest.mark.parametrize("symbol", sorted(ELEMENTS))
def test_bare_atoms_have_their_element(symbol: str) -> None:
    assert element_of(ELEMENTS[symbol][1]) == symbol


@pytest.mark.parametrize(
    ("mass", "symbol"),
    [(13.019, "C"), (14.027, "C"), (15.035, "C"), (14.02638, "C"), (15.03422, "C"), (16.043, "C"), (17.007, "O"), (32.0645, "S"), (5.0, None)],
)  # fmt: skip
def test_united_atoms_have_the_element_of_their_heavy_atom(mass: float, symbol: str | None) -> None:
    assert element_of(mass) == symbol


ESTER_AMIDE: Molecule = (
    # CH3-O-CH2-O(ester bridge)-C(=O)-CH2-C(=O)-NH-CH2-OH, united carbons
    "EA", 2,
    [("C1", of("C", 3), 0), ("O1", of("O"), 0), ("C2", of("C", 2), 0), ("O2", of("O"), 0), ("C3", of("C"), 0), ("O3", of("O"), 0),
     ("C4", of("C", 2), 0), ("C5", of("C"), 0), ("O4", of("O"), 0), ("N1", of("N"), 0), ("H1", of("H"), 0), ("C6", of("C", 2), 0),
     ("O5", of("O"), 0), ("H2", of("H"), 0)],
    [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (4, 6), (6, 7), (7, 8), (7, 9), (9, 10), (9, 11), (11, 12), (12, 13)],
)  # fmt: skip
WATER: Molecule = ("SOL", 9, [("OW", of("O"), -0.8), ("HW1", H, 0.4), ("HW2", H, 0.4)], [(0, 1), (0, 2)])
LITHIUM: Molecule = ("LI", 2, [("LI", of("Li"), 0.8)], [])
PF6: Molecule = (
    "PF6",
    2,
    [("P", of("P"), 0.7), *((f"F{k}", of("F"), -0.25) for k in range(6))],
    [(0, k) for k in range(1, 7)],
)


CARBONATE: Molecule = (
    # ethylene carbonate: the ring's oxygens do not bind
    "EC", 3, [("C1", of("C"), 0.9), ("OD", of("O"), -0.6), *((name, of(name[0], 2 * (name[0] == "C")), -0.075) for name in ("O1", "C2", "C3", "O2"))],
    [(0, 1), (0, 2), (2, 3), (3, 4), (4, 5), (5, 0)],
)  # fmt: skip
NITRILE: Molecule = (
    "SN", 3, [("N1", of("N"), -0.5), ("C1", of("C"), 0.5), ("C2", of("C", 2), 0), ("C3", of("C", 2), 0), ("C4", of("C"), 0.5), ("N2", of("N"), -0.5)],
    [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)],
)  # fmt: skip


def test_solvents_bind_with_carbonyl_and_nitrile() -> None:
    found = propose(universe([ESTER_AMIDE, CARBONATE, NITRILE, CARBONATE]))
    assert [(one.count, one.kind, one.roles) for one in found[1:]] == [
        (6, "solvent", {"solvent_O": "name OD"}), (3, "solvent", {"solvent_N": "name N1 N2"})
    ]  # fmt: skip


def test_roles_follow_from_bonds(tmp_path: Path) -> None:
    found = propose(universe([ESTER_AMIDE, WATER, LITHIUM, PF6]))
    assert [(one.name, one.count, one.kind) for one in found] == [
        ("EA", 2, "polymer"), ("SOL", 9, "solvent"), ("LI", 2, "cation"), ("PF6", 2, "anion")
    ]  # fmt: skip
    assert found[0].roles == {
        "ether_O": "name O1", "ester_bridging_O": "name O2", "ester_O": "name O3", "amide_O": "name O4",
        "amide_N": "name N1", "amide_H": "name H1", "hydroxyl_O": "name O5",
    }  # fmt: skip
    assert found[1].roles == {"solvent_O": "name OW"}
    assert found[3].roles == {"anion_F": "name F0 F1 F2 F3 F4 F5"}
    assert found[3].open == ()
    path = tmp_path / "roles.yaml"
    path.write_text(roles_text(found, "run.tpr"))
    read = read_roles(path).molecules
    assert {name: of.kind for name, of in read.items()} == {one.name: one.kind for one in found}
    # charges are scaled
    assert (read["LI"].charge, read["PF6"].charge) == (1, -1)


def test_atoms_that_share_a_name_with_others_are_told_apart_or_left_open() -> None:
    glyme: Molecule = (
        "G", 1, [("X", of("C", 3), 0), ("X", of("O"), 0), ("X", of("C", 3), 0)], [(0, 1), (1, 2)]
    )  # fmt: skip
    (found,) = propose(universe([glyme]))
    assert found.roles == {} and found.open == ("ether_O: no selection by name, type and residue",)
    strange: Molecule = ("S", 1, [("XE", 131.3, 0.0)], [])
    (found,) = propose(universe([strange]))
    assert found.open == ("no element for XE (131.3 g/mol)",)
