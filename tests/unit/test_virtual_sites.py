"""Sites without a mass in descriptions, conformations and analyses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pytest

from eoli.analysis.interactions.groups import (
    LennardJones,
    contact_energies,
    contact_kinds,
    scaled_pairs,
    table_groups,
)
from eoli.analysis.morphology.scattering import electrons, groups_of, weights_of
from eoli.analysis.snapshots.pictures import pdb_text
from eoli.box.conformation import random_conformation
from eoli.box.geometry import check_molecule
from eoli.errors import DataError, ForceFieldError, InputError
from eoli.forcefield.models import imported_choice
from eoli.stage.ensemble import WITHIN, kinds_of_motion
from eoli.study.roles import read_roles
from eoli.topology.adopted import as_molecule
from eoli.topology.description import MoleculeCount, SystemDescription, read_description, to_json
from eoli.topology.imported import read_topology
from eoli.topology.molecule import Molecule, Term
from eoli.topology.propose import propose
from eoli.topology.roles import describe_universe, with_roles
from eoli.topology.selections import binding_sites, pair_groups
from eoli.topology.species import members_of, species_of
from eoli.topology.virtual import place_virtual
from eoli.trajectory.reader import make_whole

BOX = np.array([3.0, 3.2, 3.4])
HEAD = """\
[ defaults ]
1 3 no
[ atomtypes ]
C 14.027 0.0 A 0.38 0.4
E 15.035 0.0 A 0.38 0.4
O 15.9994 0.0 A 0.28 0.5
L 0.0 0.0 D 0.0 0.0
M 7.5175 0.0 A 0.0 0.0
P 6.941 1.0 A 0.21 0.08
[ bondtypes ]
E O 1 0.141 1e5
C O 1 0.141 1e5
C C 1 0.154 1e5
"""
# united atoms: CH3-O-CH2-CH2-O-CH3 with a lone pair on each oxygen, one of them in the middle of the list
ETHER = (
    HEAD
    + """\
[ moleculetype ]
ETH 3
[ atoms ]
1 E 1 ETH C1 1 0.25
2 O 1 ETH O2 1 -0.1
3 L 1 ETH LP2 1 -0.4 0.0
4 C 1 ETH C3 1 0.25
5 C 1 ETH C4 1 0.25
6 O 1 ETH O5 1 -0.1
7 E 1 ETH C6 1 0.25
8 L 1 ETH LP5 1 -0.4 0.0
[ bonds ]
1 2 1
2 4 1
4 5 1
5 6 1
6 7 1
[ angles ]
1 2 4 1 112 400
2 4 5 1 112 400
4 5 6 1 112 400
5 6 7 1 112 400
[ dihedrals ]
1 2 4 5 1 180 2 3
2 4 5 6 1 180 2 3
4 5 6 7 1 180 2 3
[ virtual_sites3 ]
3 2 1 4 1 -0.2 -0.2
8 6 5 7 1 -0.2 -0.2
[ exclusions ]
3 1 2 4 5 6
8 4 5 6 7
[ moleculetype ]
LI 1
[ atoms ]
1 P 1 LI LI 1 1.0
"""
)


def molecule(folder: Path, text: str, name: str, kind: str) -> Molecule:
    (folder / "box.top").write_text(text)
    topology = read_topology(folder / "box.top")
    return as_molecule(topology.molecule(name), topology.forcefield, kind)


def wrong(message: str, *keys: str) -> InputError:
    return InputError(f"{' '.join(keys)}: {message}")


@pytest.fixture
def system(tmp_path: Path) -> SystemDescription:
    """Three ethers and two lithium ions."""
    ether = with_roles(molecule(tmp_path, ETHER, "ETH", "polymer"), {"ether_O": "name O*"}, {}, wrong)
    lithium = with_roles(molecule(tmp_path, ETHER, "LI", "cation"), {"Li": "all"}, {}, wrong)
    return SystemDescription(
        (MoleculeCount(ether, 3), MoleculeCount(lithium, 2)), imported_choice("x", 1.0, True), "0" * 64
    )


def positions_of(system: SystemDescription) -> np.ndarray:
    """Chains of random conformations, and the ions beside oxygens of two of them."""
    rng = np.random.default_rng(4)
    ether = system.molecules[0].molecule
    chains = [random_conformation(ether, rng) + place for place in ([1, 1, 1], [2.9, 0.2, 2], [1.5, 2.6, 3.3])]
    return np.concatenate([*chains, [chains[0][1] + [0.0, 0.1, 0.18]], [chains[1][5] + [0.19, 0.0, 0.05]]])


def test_a_description_keeps_them(system: SystemDescription, tmp_path: Path) -> None:
    path = tmp_path / "system.json"
    path.write_text(to_json(system))
    assert read_description(path) == system
    ether, lithium = (entry["molecule"] for entry in json.loads(path.read_text())["molecules"])
    assert [term["sites"] for term in ether["virtual"]] == [[2, 1, 0, 3], [7, 5, 4, 6]]
    # descriptions of molecules without any are as they always were
    assert not {"virtual", "exclusions"} & lithium.keys()
    for change, said in (
        (lambda m: replace(m, virtual=(Term((2, 1, 7), 1, (0.1,), "virtual_sites2", ""), m.virtual[1])), "a virtual site of sites"),
        (lambda m: replace(m, virtual=m.virtual[:1]), "site LP5: mass 0"),
        (lambda m: replace(m, exclusions=((3, 1),)), "an exclusion that is no pair"),
    ):  # fmt: skip
        changed = replace(system, molecules=(MoleculeCount(change(ether_of(system)), 3), system.molecules[1]))
        path.write_text(to_json(changed))
        with pytest.raises(DataError, match=said):
            read_description(path)


def ether_of(system: SystemDescription) -> Molecule:
    return system.molecules[0].molecule


def test_chains_with_lone_pairs(system: SystemDescription) -> None:
    ether = ether_of(system)
    drawn = [random_conformation(ether, np.random.default_rng(seed)) for seed in range(5)]
    for x in drawn:
        check_molecule(ether, x)
        assert place_virtual(ether.virtual, x) == pytest.approx(x)
        # opposite to the bisector of the angle
        assert np.linalg.norm(x[2] - x[1]) == pytest.approx(0.4 * 0.141 * np.cos(np.radians(56)), rel=1e-6)
    assert np.ptp([np.linalg.norm(x[0] - x[6]) for x in drawn]) > 0.01
    # with a structure, where its virtual sites lie is not looked at
    given = drawn[0].copy()
    given[[2, 7]] = 7.0
    like = random_conformation(replace(ether, positions_nm=tuple(map(tuple, given))), np.random.default_rng(9))
    check_molecule(ether, like)
    assert place_virtual(ether.virtual, like) == pytest.approx(like)
    solvent = replace(ether, kind="solvent", positions_nm=tuple(map(tuple, given)))
    found = random_conformation(solvent, np.random.default_rng(9))
    assert found - found[0] == pytest.approx(drawn[0] - drawn[0][0])


# the end of an ether whose CH3 is a virtual site between two masses that constraints hold
RIGID = (
    HEAD
    + """\
[ moleculetype ]
RIG 3
[ atoms ]
1 E 1 RIG C1 1 0.25 0.0
2 M 1 RIG M1 1 0.0 7.5175
3 M 1 RIG M2 1 0.0 7.5175
4 O 1 RIG O2 1 -0.5
5 E 1 RIG C3 1 0.25
[ constraints ]
2 3 2 0.06
2 4 1 0.14415
3 4 1 0.14415
[ bonds ]
4 5 1
[ virtual_sites2 ]
1 2 3 1 0.5
[ exclusions ]
1 2 3 4 5
2 3 5
"""
)


def test_a_methyl_of_rigid_masses(tmp_path: Path) -> None:
    bare = molecule(tmp_path, RIGID, "RIG", "solvent")
    assert bare.mass == pytest.approx(2 * 15.035 + 15.9994)
    x = np.array([[0, 0, 0], [-0.03, 0, 0], [0.03, 0, 0], [0, 0.141, 0], [0.13, 0.19, 0]], dtype=float) + 0.5
    held = replace(bare, kind="polymer", positions_nm=tuple(map(tuple, x)))
    for seed in range(3):
        found = random_conformation(held, np.random.default_rng(seed))
        check_molecule(held, found)
        assert found[0] == pytest.approx((found[1] + found[2]) / 2)
        assert np.linalg.norm(found[0] - found[3]) == pytest.approx(0.141, abs=1e-4)


# a nitrile as a rigid rod of two masses, whose three sites are virtual
ROD = (
    HEAD
    + """\
[ moleculetype ]
ACN 3
[ atoms ]
1 E 1 ACN C1 1 0.27 0.0
2 M 1 ACN M1 1 0.0 20.5
3 M 1 ACN M2 1 0.0 20.5
4 C 1 ACN C2 1 0.13 0.0
5 O 1 ACN N3 1 -0.40 0.0
[ constraints ]
2 3 2 0.2
[ virtual_sites2 ]
1 2 3 1 -0.15
4 2 3 1 0.55
5 2 3 1 1.1
[ exclusions ]
1 4 5
4 5
"""
)


def test_a_rod_of_two_masses(tmp_path: Path) -> None:
    rod = molecule(tmp_path, ROD, "ACN", "solvent")
    assert rod.bonded.tolist() == [[1, 2]] and rod.mass == 41
    # the constraint is no chemical bond, and excludes nothing
    assert set(rod.excluded()) == {(0, 3), (0, 4), (3, 4)}
    found = with_roles(rod, {}, {}, wrong)
    x = random_conformation(found, np.random.default_rng(3))
    check_molecule(found, x)
    assert np.linalg.norm(x[4] - x[0]) == pytest.approx(0.25)
    assert x[2] - x[1] == pytest.approx((x[4] - x[0]) / 1.25)


def test_atoms_that_only_virtual_sites_connect(tmp_path: Path) -> None:
    text = RIGID.replace("2 4 1 0.14415\n3 4 1 0.14415\n", "").replace("4 5 1\n", "4 5 1\n1 4 1\n")
    loose = molecule(tmp_path, text, "RIG", "solvent")
    with pytest.raises(
        ForceFieldError, match=r"RIG, RIG1:O2: only virtual sites connect it with the first atom; allowed"
    ):
        random_conformation(loose, np.random.default_rng(0))


def test_no_role_is_one_of_a_virtual_site(tmp_path: Path) -> None:
    ether = molecule(tmp_path, ETHER, "ETH", "polymer")
    with pytest.raises(
        InputError, match=r"roles ether_O: 'name O\* LP2' matches LP2, a virtual site without a mass; allowed: at"
    ):
        with_roles(ether, {"ether_O": "name O* LP2"}, {}, wrong)
    found = with_roles(ether, {"ether_O": "(name O* LP2) and mass 0.1 to 1000"}, {"all": "resname ETH"}, wrong)
    assert [n for n, site in enumerate(found.sites) if site.role] == [1, 5]


def test_centres_contacts_and_charges(system: SystemDescription, tmp_path: Path) -> None:
    massless = system.masses() == 0
    assert massless.sum() == 6 and system.mass_g_mol == pytest.approx(3 * 90.1228 + 2 * 6.941)
    assert not massless[binding_sites(system)].any()
    assert not any(massless[sites].any() for of in pair_groups(system).values() for sites in of.values())
    (chains,) = species_of(system)["chain"]
    assert chains.masses.tolist()[2] == 0 and not massless[np.concatenate(members_of(system, "chain"))].any()
    x = positions_of(system)
    whole = make_whole(system, x % BOX, BOX)
    shift = np.round((whole - x) / BOX) * BOX
    assert (
        whole - shift == pytest.approx(x)
        and np.array_equal(shift[2], shift[1])
        and np.array_equal(shift[15], shift[13])
    )
    # X-rays see atoms
    seen = electrons(system)
    assert not seen[massless].any() and seen.sum() == pytest.approx(3 * (2 * 9 + 2 * 8 + 2 * 8) + 2 * 2)
    assert groups_of(system)["ETH"].tolist() == np.flatnonzero(~massless)[:-2].tolist()
    assert not weights_of(system, "composition")[massless].any()
    elements = [
        row[76:78].strip()
        for row in pdb_text(system, x % BOX, BOX, "x").splitlines()
        if row[:6].strip() in ("ATOM", "HETATM")
    ]
    assert elements == ["C", "O", "", "C", "C", "O", "C", ""] * 3 + ["LI"] * 2


def test_interactions_count_them_with_their_atoms(system: SystemDescription) -> None:
    assert table_groups(system)["C-O-C"].tolist() == list(range(24))
    x, kinds = positions_of(system), contact_kinds(system, {"ether_O": 0.25})
    table = LennardJones(("C", "E", "O", "L", "M", "P"), np.zeros((6, 6)), np.zeros((6, 6)))
    found = contact_energies(
        x, BOX, system.with_role("Li"), kinds["ether_O"], system.charges(), table.of_sites(system), table
    )
    assert found[0] == 2
    charges = system.charges()

    def coulomb(ion: int, *sites: int) -> float:
        steps = x[list(sites)] - x[ion]
        return float(
            np.sum(138.935458 * charges[list(sites)] / np.linalg.norm(steps - BOX * np.round(steps / BOX), axis=1))
        )

    assert found[2] == pytest.approx(coulomb(24, 1, 2) + coulomb(25, 13, 15), rel=1e-6)
    assert found[4] == pytest.approx(coulomb(24, 0, 1, 2, 3) + coulomb(25, 12, 13, 14, 15), rel=1e-6)


def test_pairs_that_are_listed_but_not_excluded(system: SystemDescription) -> None:
    """They interact as any two sites do, and as a 1-4 pair besides."""
    pair = Term((0, 4), 2, (0.5,), "pairs", "")
    ether = replace(ether_of(system), exclusions=((0, 1), (0, 3)), pairs14=(pair, replace(pair, sites=(3, 0))))
    found = scaled_pairs(SystemDescription((MoleculeCount(ether, 1),), system.choice, "0" * 64))
    factors = dict(zip(map(tuple, found.sites.tolist()), found.factors.tolist(), strict=True))
    assert factors == {(0, 1): 0.0, (0, 3): 0.5, (0, 4): 1.5}


def test_motion_of_whole_molecules(system: SystemDescription) -> None:
    velocities = np.random.default_rng(2).normal(size=(system.n_sites, 3))
    masses = system.masses()
    kinds = {kind.name: kind for kind in kinds_of_motion(system, velocities, 3 * 20 - 3)}
    kinetic = 0.5 * np.sum(masses[:, None] * velocities**2)
    assert sum(kind.kinetic_kJ_mol for kind in kinds.values()) == pytest.approx(kinetic)
    momenta = (masses[:, None] * velocities)[:24].reshape(3, 8, 3).sum(axis=1)
    assert kinds["ETH"].kinetic_kJ_mol == pytest.approx(np.sum(momenta**2) / 2 / 90.1228)
    assert kinds[WITHIN].degrees_of_freedom == pytest.approx(3 * 20 - 3 - 15 + 3)


def universe(system: SystemDescription) -> mda.Universe:
    """What a run input file would say of the system: its virtual sites are bound to nothing."""
    molecules = [entry.molecule for entry in system.molecules for _ in range(entry.count)]
    sizes = [len(m.sites) for m in molecules]
    found = mda.Universe.empty(
        system.n_sites, len(molecules), 1, atom_resindex=np.repeat(np.arange(len(molecules)), sizes),
        residue_segindex=[0] * len(molecules),
    )  # fmt: skip
    for name, values in (
        ("names", system.of_sites(lambda site: site.name)), ("types", system.of_sites(lambda site: site.type)),
        ("masses", system.masses()), ("charges", system.charges()), ("bonds", [tuple(b) for b in system.bonds().tolist()]),
        ("resnames", [m.name for m in molecules]), ("resids", np.arange(len(molecules)) + 1),
        ("moltypes", [m.name for m in molecules]), ("molnums", np.arange(len(molecules))),
    ):  # fmt: skip
        found.add_TopologyAttr(name, values)
    return found


def test_runs_of_others(system: SystemDescription, tmp_path: Path) -> None:
    """A site without a mass belongs to the atom that is nearest."""
    given, x = universe(system), positions_of(system)
    (tmp_path / "roles.yaml").write_text(
        "molecules:\n  ETH: {kind: polymer, roles: {ether_O: name O*}}\n  LI: {kind: cation, roles: {Li: all}}\n"
    )
    found = describe_universe(given, read_roles(tmp_path / "roles.yaml"), "x", "0" * 64, x % BOX, BOX, "frame.xtc")
    ether = found.molecules[0].molecule
    assert [term.sites for term in ether.virtual] == [(2, 1), (7, 5)]
    assert found.virtual().tolist() == system.virtual().tolist()
    assert [site.residue_number for site in ether.sites] == [site.residue_number for site in ether_of(system).sites]
    (tmp_path / "system.json").write_text(to_json(found))
    assert read_description(tmp_path / "system.json") == found
    assert make_whole(found, x % BOX, BOX) == pytest.approx(make_whole(system, x % BOX, BOX))
    (tmp_path / "roles.yaml").write_text(
        "molecules:\n  ETH: {kind: polymer, roles: {ether_O: name O* LP*}}\n  LI: {kind: cation, roles: {Li: all}}\n"
    )
    with pytest.raises(
        InputError, match=r"roles.*'name O\* LP\*' matches LP2, a virtual site without a mass"
    ) as caught:
        describe_universe(given, read_roles(tmp_path / "roles.yaml"), "x", "0" * 64, x % BOX, BOX, "frame.xtc")
    assert "\n" not in str(caught.value)


def test_proposed_roles_pass_them_over(system: SystemDescription) -> None:
    given = universe(system)
    # some tools bind them to their atoms
    given.add_bonds([(1, 2), (5, 7)])
    ether, lithium = propose(given)
    assert (ether.kind, ether.atoms, ether.open) == ("polymer", {"ether_O": 2}, ())
    assert (lithium.kind, lithium.atoms) == ("cation", {"Li": 1})
