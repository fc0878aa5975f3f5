"""Random conformations: exact bonds and angles, torsions of Boltzmann, no overlaps, the same seed the same chain."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eoli.box.conformation import (
    BUILD_TEMPERATURE_K,
    CLOSEST_NM,
    place_site,
    random_conformation,
    torsion_energy,
)
from eoli.errors import ForceFieldError, RunError
from eoli.forcefield.library import Library
from eoli.topology.gromos import Gromos54A7
from eoli.topology.molecule import Molecule, Site, Term, build_chain, build_ion

GAS_CONSTANT = 8.314462618e-3


def dihedral(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> float:
    """IUPAC angle in radians, trans at pi: seen along b-c, clockwise from a to d."""
    axis = (c - b) / np.linalg.norm(c - b)
    u, v = (a - b) - np.dot(a - b, axis) * axis, (d - c) - np.dot(d - c, axis) * axis
    return math.atan2(np.dot(np.cross(axis, u), v), np.dot(u, v))


def angle(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    u, v = a - b, c - b
    return math.acos(np.dot(u, v) / np.linalg.norm(u) / np.linalg.norm(v))


def four_sites(torsions: tuple[Term, ...], length: float = 0.15) -> Molecule:
    sites = tuple(Site(f"C{n}", "CH2", 0.0, 14.0, "R", 1, "CT", None, None, "s") for n in range(4))
    return Molecule(
        name="FOUR",
        kind="polymer",
        formal_charge=0,
        sites=sites,
        bonds=tuple(Term((n, n + 1), 2, (length, 8e6), "gb", "s") for n in range(3)),
        angles=tuple(Term((n, n + 1, n + 2), 2, (111.0, 500.0), "ga", "s") for n in range(2)),
        dihedrals=torsions,
        impropers=(),
    )


@pytest.fixture(scope="module", params=["peo", "pebax"])
def chain(request: pytest.FixtureRequest, blocks: Library, forcefield: Gromos54A7) -> Molecule:
    return build_chain(blocks.polymer(request.param, "oxy-d"), blocks, forcefield)


@pytest.fixture(scope="module")
def anion(blocks: Library, forcefield: Gromos54A7) -> Molecule:
    return build_ion(blocks.ion("TFSI", "clandp2004"), 1.0, blocks, forcefield)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_bonds_and_angles_of_chains_are_exact(chain: Molecule, seed: int) -> None:
    x = random_conformation(chain, np.random.default_rng(seed))
    for term in chain.bonds:
        i, j = term.sites
        assert np.linalg.norm(x[i] - x[j]) == pytest.approx(term.parameters[0], abs=1e-9)
    for term in chain.angles:
        assert math.degrees(angle(*x[list(term.sites)])) == pytest.approx(term.parameters[0], abs=1e-6), term
    assert x.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-9)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_amides_and_esters_are_trans_and_planar(seed: int, blocks: Library, forcefield: Gromos54A7) -> None:
    chain = build_chain(blocks.polymer("pebax", "oxy-d"), blocks, forcefield)
    x = random_conformation(chain, np.random.default_rng(seed))
    trans = [term for term in chain.dihedrals if term.trans]
    # one ester and six amides
    assert len(trans) == 7
    for term in trans:
        assert abs(math.degrees(dihedral(*x[list(term.sites)]))) == pytest.approx(180, abs=1)
    for term in chain.impropers:
        assert math.degrees(dihedral(*x[list(term.sites)])) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_anion_is_near_its_geometry(seed: int, anion: Molecule) -> None:
    x = random_conformation(anion, np.random.default_rng(seed))
    for term in anion.bonds:
        i, j = term.sites
        assert np.linalg.norm(x[i] - x[j]) == pytest.approx(term.parameters[0], abs=1e-9)
    # six angles between four bonds have five degrees of freedom: the references contradict each other by so much
    for term in anion.angles:
        assert math.degrees(angle(*x[list(term.sites)])) == pytest.approx(term.parameters[0], abs=0.1), term


def test_torsions_of_siblings_count(anion: Molecule) -> None:
    """The torsion of TFSI with the high barrier at cis is that of the last neighbour of sulfur."""
    rng = np.random.default_rng(4)
    quads = [t.sites for t in anion.dihedrals if sorted(anion.sites[i].bonded_class for i in t.sites) == list("CNSS")]
    assert len(quads) == 2
    conformations = [random_conformation(anion, rng) for _ in range(300)]
    turns = np.degrees(np.abs([dihedral(*x[list(quad)]) for x in conformations for quad in quads]))
    # exp(-V/RT) at 400 K has 1.5 % of the turns below 90 degrees; turns drawn evenly have half of them there
    assert (turns < 90).mean() < 0.05


def cluster(
    neighbours: int, centre: int, degrees: float | None = 109.4712, impropers: tuple[Term, ...] = ()
) -> Molecule:
    """A centre with some neighbours, the first of which comes before it or not."""
    around = [site for site in range(neighbours + 1) if site != centre]
    pairs = itertools.combinations(around, 2) if degrees is not None else ()
    return Molecule(
        name="CLUSTER",
        kind="anion",
        formal_charge=0,
        sites=tuple(Site(f"X{n}", "X", 0.0, 14.0, "CLU", 1, "X", None, None, "s") for n in range(neighbours + 1)),
        bonds=tuple(Term((centre, site), 1, (0.15, 8e6), "gb", "s") for site in around),
        angles=tuple(Term((i, centre, j), 1, (degrees or 0.0, 500.0), "ga", "s") for i, j in pairs),
        dihedrals=(),
        impropers=impropers,
    )


@pytest.mark.parametrize("degrees", [109.4712, None], ids=["angles", "no-angles"])
@pytest.mark.parametrize("neighbours", [3, 4])
@pytest.mark.parametrize("centre", [0, 1], ids=["first", "after-a-parent"])
def test_neighbours_of_a_tetrahedral_centre(centre: int, neighbours: int, degrees: float | None) -> None:
    x = random_conformation(cluster(neighbours, centre, degrees), np.random.default_rng(2))
    around = [site for site in range(neighbours + 1) if site != centre]
    for i, j in itertools.combinations(around, 2):
        assert math.degrees(angle(x[i], x[centre], x[j])) == pytest.approx(109.4712, abs=1e-3)


@pytest.mark.parametrize("centre", [0, 1], ids=["first", "after-a-parent"])
@pytest.mark.parametrize("degrees", [120.0, 119.0, 121.0])
def test_a_planar_centre_with_three_neighbours(degrees: float, centre: int) -> None:
    improper = Term((centre, *(site for site in range(4) if site != centre)), 2, (0.0, 167.0), "gi", "s")
    x = random_conformation(cluster(3, centre, degrees, (improper,)), np.random.default_rng(2))
    assert math.degrees(dihedral(*x[list(improper.sites)])) == pytest.approx(0, abs=1e-6)
    assert math.degrees(angle(x[2], x[centre], x[3])) == pytest.approx(120, abs=3)


@pytest.mark.parametrize(
    ("to_parent", "between", "built"),
    [((100.0, 140.0), 10.0, 120.0), ((130.0, 125.0), 120.0, 180.0)],
    ids=["narrow", "wide"],
)
def test_angles_that_no_turn_leads_to(to_parent: tuple[float, float], between: float, built: float) -> None:
    """Thirds of a turn where the neighbours cannot come so close, a flat centre where the angles exceed 360 degrees."""
    molecule = cluster(3, 1)
    references = {(0, 1, 2): to_parent[0], (0, 1, 3): to_parent[1], (2, 1, 3): between}
    molecule = replace(molecule, angles=tuple(Term(i, 1, (a, 500.0), "ga", "s") for i, a in references.items()))
    x = random_conformation(molecule, np.random.default_rng(2))
    for sites, degrees in list(references.items())[:2]:
        assert math.degrees(angle(*x[list(sites)])) == pytest.approx(degrees, abs=1e-6)
    # the dihedral 2-0-1-3 is the turn about the bond to the parent
    assert abs(math.degrees(dihedral(*x[[2, 0, 1, 3]]))) == pytest.approx(built, abs=1e-6)


@pytest.mark.parametrize("degrees", [100.0, 111.0, 118.0])
@pytest.mark.parametrize("order", list(itertools.permutations([0, 2, 3])))
@pytest.mark.parametrize("reference", [35.26439, -35.26439])
def test_handedness(reference: float, order: tuple[int, ...], degrees: float) -> None:
    """A harmonic improper off 0 decides on which side the last neighbour of a united-atom CH1 lies."""
    improper = Term((1, *order), 2, (reference, 335.0), "gi_2", "s")
    molecule = cluster(3, 1, degrees, (improper,))
    x = random_conformation(molecule, np.random.default_rng(3))
    assert math.degrees(dihedral(*x[list(improper.sites)])) * reference > 0
    for term in molecule.angles:
        assert math.degrees(angle(*x[list(term.sites)])) == pytest.approx(degrees, abs=1e-6)


@pytest.mark.parametrize("neighbours", [3, 4])
@pytest.mark.parametrize("reference", [35.26439, -35.26439])
def test_handedness_of_the_first_site(reference: float, neighbours: int) -> None:
    improper = Term((0, 1, 3, 2), 2, (reference, 335.0), "gi_2", "s")
    x = random_conformation(cluster(neighbours, 0, impropers=(improper,)), np.random.default_rng(3))
    assert math.degrees(dihedral(*x[list(improper.sites)])) == pytest.approx(reference, abs=0.1)


def test_a_periodic_improper_keeps_its_centre_planar() -> None:
    improper = Term((1, 0, 2, 3), 4, (180.0, 43.9, 2.0), "own", "s")
    x = random_conformation(cluster(3, 1, 120.0, (improper,)), np.random.default_rng(3))
    assert math.degrees(dihedral(*x[list(improper.sites)])) == pytest.approx(0, abs=1e-6)


def test_a_start_geometry_is_taken_as_given() -> None:
    corners = ((0, 0, 0), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))
    given = tuple((0.15 * x + 1, 0.15 * y - 2, 0.15 * z) for x, y, z in corners)
    octahedron = replace(cluster(6, 0, None), positions_nm=given)
    x = random_conformation(octahedron, np.random.default_rng(1))
    assert x == pytest.approx(np.array(given) - [1, -2, 0], abs=1e-12)


def test_more_than_four_neighbours_need_a_start_geometry() -> None:
    message = "^CLUSTER, CLU1:X0: has 6 neighbours; a molecule with more than four around a centre needs positions_nm$"
    with pytest.raises(ForceFieldError, match=message):
        random_conformation(cluster(6, 0), np.random.default_rng(1))


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_far_sites_keep_their_distance(chain: Molecule, seed: int) -> None:
    x = random_conformation(chain, np.random.default_rng(seed))
    near: dict[int, set[int]] = {site: {site} for site in range(len(x))}
    for _ in range(3):
        near = {site: set(reached) for site, reached in near.items()} | {
            site: reached | {n for t in chain.bonds for s in reached if s in t.sites for n in t.sites}
            for site, reached in near.items()
        }
    gaps = [np.linalg.norm(x[i] - x[j]) for i, j in itertools.combinations(range(len(x)), 2) if j not in near[i]]
    assert min(gaps) >= CLOSEST_NM


TORSION_SETS = {
    "threefold": ((0.0, 5.92, 3.0),),
    "ether": ((180.0, 6.942, 1.0), (0.0, 3.312, 2.0), (0.0, 6.787, 3.0)),
    # not symmetric about 0: tells the sense of rotation
    "one-sided": ((90.0, 4.0, 1.0),),
}


@pytest.mark.parametrize("rows", TORSION_SETS.values(), ids=TORSION_SETS)
def test_torsions_follow_boltzmann(rows: tuple[tuple[float, ...], ...]) -> None:
    terms = tuple(Term((0, 1, 2, 3), 1, row, "gd", "s") for row in rows)
    molecule, rng, draws = four_sites(terms), np.random.default_rng(8), 3000
    angles = [dihedral(*random_conformation(molecule, rng)) for _ in range(draws)]
    bins = np.radians(np.arange(-180, 181, 30))
    fine = np.radians(np.arange(-180, 180) + 0.5)
    energy = sum(k * (1 + np.cos(n * fine - math.radians(phase))) for phase, k, n in rows)
    weight = np.exp(-energy / (GAS_CONSTANT * BUILD_TEMPERATURE_K)).reshape(12, 30).sum(axis=1)
    wanted = draws * weight / weight.sum()
    # grid points lie on bin edges, where half of a 5 degree cell belongs to either side
    found = np.histogram(angles, bins)[0]
    assert np.abs(found - wanted).max() < 5 * np.sqrt(wanted.max())
    assert ((found - wanted) ** 2 / np.maximum(wanted, 5)).sum() < 60


def test_torsion_energies() -> None:
    phi = np.radians([0.0, 60.0, 180.0])
    periodic = Term((0, 1, 2, 3), 1, (180.0, 2.0, 1.0), "gd", "s")
    assert torsion_energy(periodic, phi) == pytest.approx([0.0, 1.0, 4.0])
    fourier = Term((0, 1, 2, 3), 5, (4.0, 2.0, 1.0, 0.0), "own", "s")
    assert torsion_energy(fourier, phi) == pytest.approx([5.0, 4.5, 0.0])
    with pytest.raises(ValueError, match="a torsion of function 9 with"):
        torsion_energy(Term((0, 1, 2, 3), 9, (), "x", "s"), phi)
    with pytest.raises(ForceFieldError, match="function 1 with 1 parameters; allowed: 1 with 3"):
        torsion_energy(Term((0, 1, 2, 3), 1, (1.0,), "t", "test"), np.zeros(1))


COORDINATES = st.floats(-2, 2).map(lambda value: round(value, 3))
POINTS = st.tuples(COORDINATES, COORDINATES, COORDINATES).map(np.array)


@given(a=POINTS, b=POINTS, c=POINTS, length=st.floats(0.09, 0.2), bend=st.floats(0.5, 2.6), turn=st.floats(-3.1, 3.1))
def test_a_site_is_placed_at_its_torsion(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, length: float, bend: float, turn: float
) -> None:
    if np.linalg.norm(np.cross(b - a, c - b)) < 0.05:
        # three sites on a line have no torsion
        return
    site = place_site(a, b, c, length, bend, turn)
    assert np.linalg.norm(site - c) == pytest.approx(length, abs=1e-9)
    assert angle(b, c, site) == pytest.approx(bend, abs=1e-6)
    assert dihedral(a, b, c, site) == pytest.approx(turn, abs=1e-6)


def test_the_seed_decides_the_conformation(chain: Molecule) -> None:
    one, same, other = (random_conformation(chain, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert np.abs(one - other).max() > 0.1


def test_a_single_site_stands_at_the_origin(blocks: Library, forcefield: Gromos54A7) -> None:
    lithium = build_ion(blocks.ion("LI", "aqvist"), 1.0, blocks, forcefield)
    assert random_conformation(lithium, np.random.default_rng(1)).tolist() == [[0.0, 0.0, 0.0]]


def test_a_molecule_that_cannot_avoid_itself(chain: Molecule) -> None:
    short = tuple(Term(t.sites, t.function, (0.02, 1.0), t.label, t.source) for t in chain.bonds)
    tangle = Molecule(
        "TANGLE", "polymer", 0, chain.sites, short, chain.angles, chain.dihedrals, chain.impropers, chain.pairs14
    )
    with pytest.raises(RunError, match="TANGLE: no conformation without overlaps after 30 steps back"):
        random_conformation(tangle, np.random.default_rng(1), tries=30)
