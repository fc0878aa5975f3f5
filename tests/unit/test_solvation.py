"""Clusters of lithium for quantum chemistry: hydrogens and cuts by hand, types of coordination by plain loops."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from eoli.analysis.solvation.analyse import write_shells
from eoli.analysis.solvation.cluster import Cluster, cluster_of, hydrogens, kept_sites, xyz_text
from eoli.analysis.solvation.coordination import by_type, is_of_type, most_typical, shells_of
from eoli.errors import DataError
from eoli.topology.description import MoleculeCount, SystemDescription, to_json
from eoli.topology.molecule import Molecule, Site, Term
from support import choice
from synthetic_trajectories import NEAT, reduce, walk, write_xtc

MASSES = {"CH3": 15.035, "CH2": 14.027, "C": 12.011, "O": 15.9994, "N": 14.0067, "H": 1.008, "LI": 6.941, "F": 18.9984, "S": 32.06, "NH": 15.0147}  # fmt: skip
TETRAHEDRAL = math.degrees(math.acos(-1 / 3))


def built(name: str, kind: str, atoms: str, charge: int = 0, branches: tuple[tuple[int, int], ...] = ()) -> Molecule:
    """A molecule of `NAME` or `NAME:role`; each atom is bonded to the one before unless a branch says to which."""
    words = [word.split(":") for word in atoms.split()]
    sites = tuple(
        Site(f"A{k}", word[0], 0.0, MASSES[word[0]], name, 1, "A", word[1] if len(word) > 1 else None, None, "test")
        for k, word in enumerate(words)
    )
    to = {k: k - 1 for k in range(1, len(words))} | {k: at for k, at in branches}
    bonds = tuple(Term((at, k), 1, (0.15, 1.0), "b", "test") for k, at in to.items())
    return Molecule(name, kind, charge, sites, bonds, (), (), ())


GLYME = built("PEO", "polymer", "CH3 O:ether_O CH2 CH2 O:ether_O CH2 CH2 O:ether_O CH2 CH2 O:ether_O CH3")
# CH3-CH2-C(=O)-NH-CH2-CH2-O-CH3
AMIDE = built(
    "PA", "polymer", "CH3 CH2 C O:amide_O N:amide_N H:amide_H CH2 CH2 O:ether_O CH3", branches=((4, 2), (6, 4))
)
LITHIUM = built("LI", "cation", "LI:Li", 1)
FLUORIDE = built("F", "anion", "F:anion_F", -1)


def zigzag(n: int) -> np.ndarray:
    """Positions of a planar chain, nm: bonds of 0.15 nm at tetrahedral angles."""
    half = math.radians(TETRAHEDRAL / 2)
    return 0.15 * np.array([[k * math.sin(half), (k % 2) * math.cos(half), 0.0] for k in range(n)])


def angle(a: np.ndarray, b: np.ndarray) -> float:
    return math.degrees(math.acos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1)))


def formula(cluster: Cluster) -> dict[str, int]:
    return dict(Counter(cluster.symbols))


def test_two_hydrogens_are_tetrahedral() -> None:
    half = math.radians(TETRAHEDRAL / 2)
    bonds = np.array([[math.sin(half), math.cos(half), 0], [-math.sin(half), math.cos(half), 0]])
    every = [*bonds, *hydrogens(bonds, 2)]
    assert [angle(a, b) for a, b in itertools.combinations(every, 2)] == pytest.approx([TETRAHEDRAL] * 6)


def test_three_hydrogens_are_tetrahedral_and_staggered() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        bond, reference = rng.normal(size=(2, 3))
        bond /= np.linalg.norm(bond)
        found = hydrogens(bond[None], 3, reference)
        assert [angle(a, b) for a, b in itertools.combinations([bond, *found], 2)] == pytest.approx([TETRAHEDRAL] * 6)
        across = [h - bond * (bond @ h) for h in found]
        turns = sorted(angle(h, reference - bond * (bond @ reference)) for h in across)
        assert turns == pytest.approx([60, 60, 180])
    # without a reference, or along it, any turn is as good
    for reference in (None, 2 * bond):
        found = hydrogens(bond[None], 3, reference)
        assert [angle(bond, h) for h in found] == pytest.approx([TETRAHEDRAL] * 3)


def test_one_hydrogen_lies_opposite_the_other_bonds() -> None:
    bonds = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1]]) / math.sqrt(3)
    np.testing.assert_allclose(hydrogens(bonds, 1), np.array([[-1, -1, 1]]) / math.sqrt(3), atol=1e-12)
    flat = np.array(
        [[math.cos(math.pi / 3), math.sin(math.pi / 3), 0], [math.cos(math.pi / 3), -math.sin(math.pi / 3), 0]]
    )
    np.testing.assert_allclose(hydrogens(flat, 1), [[-1, 0, 0]], atol=1e-12)


@pytest.mark.parametrize(("bonds", "number"), [(0, 4), (2, 3), (1, 2), (1, 1), (4, 1)])
def test_other_carbons_are_refused(bonds: int, number: int) -> None:
    with pytest.raises(DataError, match=f"a carbon with {bonds} bonds and {number} hydrogens"):
        hydrogens(np.eye(3)[[0, 1, 2, 0][:bonds]].reshape(-1, 3), number)


def test_chains_are_cut_between_tetrahedral_carbons() -> None:
    assert kept_sites(GLYME, [4]) == [3, 4, 5]
    assert kept_sites(GLYME, [1, 4]) == [0, 1, 2, 3, 4, 5]
    # the oxygen between two that bind keeps the chelate together
    assert kept_sites(GLYME, [4, 10]) == [3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert kept_sites(GLYME, [1, 10]) == [0, 1, 2, 9, 10, 11]
    # the carbonyl carbon is not cut from its neighbour
    assert kept_sites(AMIDE, [3]) == [1, 2, 3, 4, 5, 6]


def one_glyme(box: float, shift: float = 0.0) -> tuple[SystemDescription, np.ndarray, np.ndarray]:
    """A chain, a lithium beside its second oxygen, and a fluoride beside that; moved, and wrapped into the box."""
    system = SystemDescription(tuple(MoleculeCount(m, 1) for m in (GLYME, LITHIUM, FLUORIDE)), choice(), "")
    chain = zigzag(12)
    lithium = chain[4] + np.array([0.02, -0.21, 0.01])
    positions = np.array([*chain, lithium, lithium + np.array([0.0, -0.16, 0.1])]) + shift
    return system, positions % box, np.full(3, box)


@pytest.mark.parametrize("shift", [0.5, -0.3, 1.9])
def test_a_cluster_by_hand(shift: float) -> None:
    system, positions, box = one_glyme(3.0, shift)
    cluster = cluster_of(system, positions, box, 12, [4, 13])
    # dimethyl ether, lithium, fluoride
    assert cluster is not None and formula(cluster) == {"Li": 1, "C": 2, "O": 1, "H": 6, "F": 1}
    assert cluster.charge == 0 and cluster.electrons == 2 + 26 + 10 and sum(cluster.added) == 6
    at = cluster.positions_nm
    assert cluster.symbols[0] == "Li" and not at[0].any()
    carbons = [k for k, symbol in enumerate(cluster.symbols) if symbol == "C"]
    oxygen = cluster.symbols.index("O")
    for carbon in carbons:
        own = [
            at[k] - at[carbon]
            for k, s in enumerate(cluster.symbols)
            if s == "H" and np.linalg.norm(at[k] - at[carbon]) < 0.13
        ]
        assert [np.linalg.norm(bond) for bond in own] == pytest.approx([0.109] * 3)
        every = [at[oxygen] - at[carbon], *own]
        assert [angle(a, b) for a, b in itertools.combinations(every, 2)] == pytest.approx([TETRAHEDRAL] * 6, abs=1e-3)
    assert np.linalg.norm(at[oxygen]) == pytest.approx(math.sqrt(0.02**2 + 0.21**2 + 0.01**2))
    assert cluster.closest_nm == pytest.approx(min(np.linalg.norm(at[k] - at[m]) for k in range(11) for m in range(11) if cluster.molecule[k] != cluster.molecule[m]))  # fmt: skip
    text = xyz_text(cluster, "system=x").splitlines()
    assert text[:2] == ["11", "charge=0 multiplicity=1 system=x"] and len(text) == 13
    np.testing.assert_allclose([[float(x) for x in line.split()[1:]] for line in text[2:]], 10 * at, atol=1e-5)


def test_a_chain_that_binds_through_images_of_itself_gives_none() -> None:
    system, positions, box = one_glyme(3.0)
    assert cluster_of(system, positions, box, 12, [4, 7]) is not None
    # the lithium between both ends of a chain as long as the box
    box = np.array([zigzag(12)[10, 0] + 0.2 - zigzag(12)[1, 0] + 0.2, 3.0, 3.0])
    positions = np.array([*zigzag(12), zigzag(12)[10] + [0.2, 0, 0], [0.0, 2.0, 0.0]]) % box
    assert cluster_of(system, positions, box, 12, [10, 1]) is not None
    assert cluster_of(system, positions, box, 12, [1, 4, 7, 10]) is None


def test_an_amide() -> None:
    system = SystemDescription((MoleculeCount(AMIDE, 1), MoleculeCount(LITHIUM, 1)), choice(), "")
    flat = np.array(
        [[-2.5, 0.9, 0], [-1.3, 0, 0], [0, 0.8, 0], [0, 2.03, 0], [1.2, 0.1, 0], [1.2, -0.9, 0], [2.5, 0.8, 0], [3.8, 0, 0],
         [5, 0.8, 0], [6.2, 0, 0], [0.3, 4.0, 0]]
    ) / 10  # fmt: skip
    cluster = cluster_of(system, flat, np.full(3, 4.0), 10, [3])
    # N-methylacetamide
    assert cluster is not None and formula(cluster) == {"Li": 1, "C": 3, "H": 7, "N": 1, "O": 1}
    assert cluster.charge == 1 and sum(cluster.added) == 6 and cluster.electrons % 2 == 0


def test_a_tethered_anion_brings_its_charge() -> None:
    chain = built("SU", "polymer", "CH3 CH2 S O:anion_O O:anion_O O:anion_O", -1, ((4, 2), (5, 2)))
    system = SystemDescription((MoleculeCount(chain, 1), MoleculeCount(LITHIUM, 1)), choice(), "")
    positions = np.array(
        [*0.15 * np.eye(3)[:2], [0, 0.33, 0], [0.12, 0.4, 0], [-0.1, 0.4, 0.1], [0, 0.35, -0.15], [0.2, 0.55, 0]]
    )
    cluster = cluster_of(system, positions, np.full(3, 4.0), 6, [3])
    # methanesulfonate
    assert cluster is not None and formula(cluster) == {"Li": 1, "C": 1, "H": 3, "S": 1, "O": 3}
    assert cluster.charge == 0 and cluster.electrons == 2 + 50


def test_what_cannot_be_a_cluster_is_refused() -> None:
    for atoms, said in (
        ("O:ether_O NH", "X, A1: a united atom of N"),
        ("O:ether_O CH2", "X, A1: CH2 with 1 bonds"),
        ("O:ether_O S", None),
    ):
        chain = built("X", "polymer", atoms)
        system = SystemDescription((MoleculeCount(chain, 1), MoleculeCount(LITHIUM, 1)), choice(), "")
        positions = np.array([[0.0, 0, 0], [0.15, 0, 0], [0, 0.2, 0]])
        if said is None:
            radical = cluster_of(system, positions, np.full(3, 3.0), 2, [0])
            assert radical is not None and radical.electrons % 2 == 0
            odd = Cluster(radical.symbols, radical.positions_nm, radical.molecule, radical.added, radical.charge + 1)
            with pytest.raises(DataError, match="an even number"):
                xyz_text(odd, "")
        else:
            with pytest.raises(DataError, match=said):
                cluster_of(system, positions, np.full(3, 3.0), 2, [0])


MIXED = SystemDescription(
    (MoleculeCount(GLYME, 6), MoleculeCount(LITHIUM, 7), MoleculeCount(FLUORIDE, 7)), choice(), ""
)  # fmt: skip
CONTACTS = {"ether_O": 0.4, "anion": 0.35}


def test_types_of_coordination_as_plain_loops_find_them(tmp_path: Path) -> None:
    positions, boxes = walk(MIXED, 12)
    (tmp_path / "system.json").write_text(to_json(MIXED))
    trajectory = write_xtc(tmp_path / "md.xtc", positions % boxes[:, None], boxes)
    reduced = reduce(trajectory, tmp_path / "system.json", tmp_path / "reduced.h5", (1.0, 1.0, 2.0))
    table = write_shells(reduced, tmp_path / "system.json", CONTACTS, 100, 1, "x", tmp_path / "out")
    counted: Counter[tuple[int, int, int]] = Counter()
    lithium, fluorides = range(72, 79), range(79, 86)
    oxygens = [12 * chain + place for chain in range(6) for place in (1, 4, 7, 10)]
    for frame, box in zip(positions[::2], boxes[::2], strict=True):
        frame = np.round(frame, 3)

        def distance(a: int, b: int, frame: np.ndarray = frame, box: np.ndarray = box) -> float:
            images = itertools.product((-2, -1, 0, 1, 2), repeat=3)
            gap = (frame[a] - frame[b]) % box
            return min(np.linalg.norm(gap + np.array(image) * box) for image in images)

        for ion in lithium:
            bound = [o for o in oxygens if distance(ion, o) <= 0.4]
            held = sum(distance(ion, f) <= 0.35 for f in fluorides)
            counted[len(bound), len({o // 12 for o in bound}), held] += 1
    assert table["shells"].is_monotonic_decreasing
    assert sum(counted.values()) == 6 * 7
    written: Counter[tuple[int, int, int]] = Counter()
    for row in table.itertuples():

        def said(what: str, words: str = row.coordination) -> int:
            found = re.search(rf"(\d+) {what}", words)
            return int(found[1]) if found else 0

        written[said("ether_O"), said("chain"), said("anion")] += row.shells
        assert row.share_of_Li == pytest.approx(row.shells / 42)
        assert (tmp_path / "out" / row.file).read_text().splitlines()[0] == str(row.atoms)
    assert written == counted


def test_the_most_typical_shells_come_first() -> None:
    system = SystemDescription((MoleculeCount(LITHIUM, 1), MoleculeCount(FLUORIDE, 1)), choice(), "")
    frames = [(np.array([[0.0, 0, 0], [r, 0, 0]]), np.full(3, 3.0)) for r in (0.18, 0.30, 0.22, 0.21, 0.5)]
    shells = shells_of(system, {"anion": (np.array([1]), 0.35)}, frames)
    (bound, of_bound), (free, _) = by_type(shells)
    assert (str(bound), str(free)) == ("1 anion of 1 anion", "no partner")
    # the mean is 0.2275 nm
    assert [shell.frame for _, shell in most_typical(of_bound)] == [2, 3, 0, 1]
    assert most_typical(of_bound)[0][0] == pytest.approx(0.0075)
    assert is_of_type(shells, free, 5, 1).ravel().tolist() == [False, False, False, False, True]


def test_systems_without_lithium_are_refused(tmp_path: Path) -> None:
    (tmp_path / "system.json").write_text(to_json(NEAT))
    with pytest.raises(DataError, match="no lithium"):
        write_shells(tmp_path / "reduced.h5", tmp_path / "system.json", CONTACTS, 1, 1, "x", tmp_path / "out")
