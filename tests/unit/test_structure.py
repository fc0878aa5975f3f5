"""Conformations from one structure: rigid where nothing turns, drawn from the potential of the topology elsewhere."""

from __future__ import annotations

import itertools
import math
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import MDAnalysis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from eoli.box.conformation import BUILD_TEMPERATURE_K, random_conformation
from eoli.box.geometry import check_molecule
from eoli.topology.adopted import as_molecule
from eoli.topology.imported import read_topology
from eoli.topology.molecule import Molecule, Site, Term
from eoli.topology.structure import read_structure
from support import mistake

FILES = Path(__file__).resolve().parents[1] / "imported"
GAS_CONSTANT = 8.314462618e-3


def dihedrals(x: np.ndarray) -> np.ndarray:
    """IUPAC angles of quadruples, radians, shape (n, 4, 3) to (n,), seen along the inner bond."""
    axis = x[:, 2] - x[:, 1]
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    u, v = x[:, 0] - x[:, 1], x[:, 3] - x[:, 2]
    u, v = (w - (w * axis).sum(axis=1, keepdims=True) * axis for w in (u, v))
    return np.arctan2((np.cross(axis, u) * v).sum(axis=1), (u * v).sum(axis=1))


def ether() -> Molecule:
    topology = read_topology(FILES / "oplsaa/box.top")
    molecule = topology.molecule("DME")
    return as_molecule(molecule, topology.forcefield, "polymer", read_structure(FILES / "oplsaa/dme.gro", molecule))


@st.composite
def graphs(draw: st.DrawFn) -> Molecule:
    """A connected molecule with up to three rings, its sites at the points of a shaken lattice."""
    n = draw(st.integers(2, 14))
    bonds = [(draw(st.integers(max(0, j - 3), j - 1)), j) for j in range(1, n)]
    for _ in range(draw(st.integers(0, 3))):
        i, j = sorted((draw(st.integers(0, n - 1)), draw(st.integers(0, n - 1))))
        if i != j and (i, j) not in bonds:
            bonds.append((i, j))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    points = rng.permutation(np.array(list(itertools.product(range(3), repeat=3))))[:n] * 0.35
    x = points + rng.uniform(-0.06, 0.06, points.shape)
    sites = tuple(Site(f"C{k}", "C", 0.0, 12.0, "R", 1, "C", None, None, "s") for k in range(n))
    terms = tuple(Term(bond, 1, (0.15, 1.0), "b", "s") for bond in bonds)
    return Molecule("M", "polymer", 0, sites, terms, (), (), (), (), tuple(map(tuple, x.tolist())))


@given(graphs())
def test_without_torsions_a_structure_stays(molecule: Molecule) -> None:
    """All distances, and the handedness of every four sites, are those of the structure."""
    given_nm = np.array(molecule.positions_nm)
    found = random_conformation(molecule, np.random.default_rng(0))
    assert pdist(found) == pytest.approx(pdist(given_nm), abs=1e-6)
    if len(found) > 3:
        volumes = [np.linalg.det(x[1:4] - x[0]) for x in (found, given_nm)]
        assert volumes[0] == pytest.approx(volumes[1], abs=1e-6)


def test_rings_do_not_turn() -> None:
    """A six-ring with a torsion at each bond, and a tail: the ring keeps its shape, the tail turns."""
    ring = np.array([[math.cos(k * math.pi / 3), math.sin(k * math.pi / 3), 0.2 * (-1) ** k] for k in range(6)]) * 0.145
    tail = ring[3] + np.array([[-0.15, 0.02, 0.01], [-0.2, 0.16, 0.02], [-0.35, 0.16, 0.06]])
    x = np.concatenate([ring, tail])
    bonds = [*((k, (k + 1) % 6) for k in range(6)), (3, 6), (6, 7), (7, 8)]
    flat = [(k, (k + 1) % 6, (k + 2) % 6, (k + 3) % 6) for k in range(6)] + [(2, 3, 6, 7), (3, 6, 7, 8)]
    sites = tuple(Site(f"C{k}", "C", 0.0, 12.0, "R", 1, "C", None, None, "s") for k in range(9))
    molecule = Molecule(
        "M", "polymer", 0, sites, tuple(Term(b, 1, (0.15, 1.0), "b", "s") for b in bonds), (),
        tuple(Term(q, 1, (0.0, 1.0, 3.0), "d", "s") for q in flat), (), (), tuple(map(tuple, x.tolist())),
    )  # fmt: skip
    found = [random_conformation(molecule, np.random.default_rng(seed)) for seed in range(5)]
    for y in found:
        assert pdist(y[:7]) == pytest.approx(pdist(x[:7]), abs=1e-9)
    assert np.ptp([np.linalg.norm(y[8] - y[0]) for y in found]) > 0.05
    stiff = replace(molecule, dihedrals=tuple(replace(t, parameters=(0.0, 30.0, 2.0)) for t in molecule.dihedrals))
    assert pdist(random_conformation(stiff, np.random.default_rng(1))) == pytest.approx(pdist(x), abs=1e-9)


@pytest.mark.parametrize(
    ("rows", "turns"),
    [
        ([(180.0, 16.7, 2.0)], False),  # an ester of GROMOS 54A7: gd_12
        ([(180.0, 33.5, 2.0)], False),  # its amide: gd_14
        ([(0.0, 5.92, 3.0)], True),  # its alkane: gd_34
        # ethers of TraPPE, whose eclipsed state is high and need not be passed, and of 2016H66
        ([(0.0, 7.6, 1.0), (0.0, 6.7, 2.0), (0.0, 8.4, 3.0)], True),
        ([(180.0, 6.942, 1.0), (0.0, 3.312, 2.0), (0.0, 6.787, 3.0)], True),
        ([(0.0, 25.0, 1.0)], True),
    ],
)
def test_what_turns(rows: list[tuple[float, float, float]], turns: bool) -> None:
    x = ((0.0, 0.14, 0.0), (0.0, 0.0, 0.0), (0.15, 0.0, 0.0), (0.15, -0.14, 0.01))
    sites = tuple(Site(f"C{k}", "C", 0.0, 14.0, "R", 1, "C", None, None, "s") for k in range(4))
    bonds = tuple(Term((k, k + 1), 1, (0.15, 1.0), "b", "s") for k in range(3))
    torsions = tuple(Term((0, 1, 2, 3), 1, row, "d", "s") for row in rows)
    molecule = Molecule("M", "polymer", 0, sites, bonds, (), torsions, (), (), x)
    drawn = [pdist(random_conformation(molecule, np.random.default_rng(seed)))[2] for seed in range(9)]
    assert (np.ptp(drawn) > 1e-6) == turns


def test_torsions_follow_their_potential() -> None:
    """The O-C-C-O torsion of the ether against the sum of its nine terms, evaluated on the rotated structure."""
    molecule = ether()
    inner = [t for t in molecule.dihedrals if set(t.sites[1:3]) == {5, 8}]
    assert len(inner) == 9
    x = np.array(molecule.positions_nm)
    grid = np.radians(np.arange(-179.5, 180.0, 1.0))
    start = dihedrals(x[None, [4, 5, 8, 11]])[0]
    energy = np.zeros_like(grid)
    for term in inner:
        here = dihedrals(x[None, list(term.sites)])[0] + grid - start
        energy += sum(c * np.cos(here - math.pi) ** n for n, c in enumerate(term.parameters))
    weight = np.exp(-(energy - energy.min()) / (GAS_CONSTANT * BUILD_TEMPERATURE_K))
    rng = np.random.default_rng(5)
    drawn = np.array([random_conformation(molecule, rng) for _ in range(600)])
    angles = dihedrals(drawn[:, [4, 5, 8, 11]])
    bins = np.radians(np.arange(-180, 181, 30))
    wanted = np.histogram(grid, bins, weights=weight / weight.sum() * len(angles))[0]
    found = np.histogram(angles, bins)[0]
    # conformations that overlap are not there
    assert ((found - wanted) ** 2 / np.maximum(wanted, 5)).sum() < 40
    for one in drawn[:20]:
        check_molecule(molecule, one)
    assert np.ptp(np.linalg.norm(drawn[:, 0] - drawn[:, 12], axis=1)) > 0.1


def test_an_ion_keeps_its_structure() -> None:
    molecule = replace(ether(), kind="anion")
    given_nm = np.array(molecule.positions_nm)
    assert random_conformation(molecule, np.random.default_rng(1)) == pytest.approx(given_nm - given_nm.mean(axis=0))


def test_both_formats(tmp_path: Path) -> None:
    molecule = read_topology(FILES / "oplsaa/box.top").molecule("DME")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        MDAnalysis.Universe(str(FILES / "oplsaa/dme.gro")).atoms.write(str(tmp_path / "dme.pdb"))
    expected = read_structure(FILES / "oplsaa/dme.gro", molecule)
    assert read_structure(tmp_path / "dme.pdb", molecule) == pytest.approx(expected, abs=1e-4)


def test_a_structure_of_something_else(tmp_path: Path) -> None:
    topology = read_topology(FILES / "oplsaa/box.top")
    ether, anion = topology.molecule("DME"), topology.molecule("TFSI")
    gro = FILES / "oplsaa/dme.gro"
    assert mistake(lambda: read_structure(gro, anion)).startswith(f"{gro}: 16 atoms; allowed: 15, those of TFSI in ")
    other = tmp_path / "other.gro"
    other.write_text(gro.read_text().replace("   C3", "   C7"))
    assert f"{other}: atom 6 is 'C7'; allowed: 'C3', as in " in mistake(lambda: read_structure(other, ether))
    other.write_text(gro.read_text().replace("0.593   0.304", "0.593   2.304"))
    said = mistake(lambda: read_structure(other, ether))
    assert "other.gro: atoms 1 and 2, bonded in " in said and "dme.itp:25, are 2.003 nm apart; allowed: 0.02" in said
    other.write_text(gro.read_text().replace("   0.593", "     nan"))
    assert mistake(lambda: read_structure(other, ether)) == f"{other}: a position is not finite; allowed: numbers"
    other.write_text("")
    assert mistake(lambda: read_structure(other, ether)) == f"{other}: is empty; allowed: a structure of DME"
    assert "allowed: .gro, .pdb" in mistake(lambda: read_structure(tmp_path / "x.xyz", ether))
    (tmp_path / "folder.gro").mkdir()
    for path in (tmp_path / "none.gro", tmp_path / "folder.gro"):
        said = mistake(partial(read_structure, path, ether))
        assert said == f"{path}: no such file; allowed: a structure of DME"
    other.write_bytes(b"\xff\xfe" * 99)
    assert f"{other}: no structure: " in mistake(lambda: read_structure(other, ether))
    for text in ("", "a\nb\nc\n", "\n3\n"):
        other.write_text(text)
        assert f"{other}: " in mistake(lambda: read_structure(other, ether))
