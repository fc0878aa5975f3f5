"""Hydrogen bonds, against geometry by hand, a double loop and MDAnalysis."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pandas as pd
import pytest
from MDAnalysis.analysis.hydrogenbonds import HydrogenBondAnalysis

from eoli.analysis.hydrogen_bonds import (
    COUNTS,
    Donors,
    analyse_hydrogen_bonds,
    bonds_within,
    candidates,
    count,
    donors_of,
    hydrogen_bonds,
)
from eoli.errors import DataError
from eoli.study.criteria import HydrogenBondsCriteria
from eoli.topology.description import MoleculeCount, SystemDescription, to_json
from eoli.topology.molecule import Molecule, Site, Term
from support import choice, reduced_file

CRITERIA = HydrogenBondsCriteria(distance_nm=0.25, angle_deg=130.0)
BOX = np.array([3.0, 3.2, 3.4])


def site(name: str, role: str | None = None) -> Site:
    return Site(name, name, 0.0, 12.0, "X", 1, name, role, "PA", "t")


def molecule(name: str, kind: str, sites: list[Site], bonds: list[tuple[int, int]]) -> Molecule:
    terms = tuple(Term(bond, 2, (0.1, 1.0), "b", "t") for bond in bonds)
    return Molecule(name, kind, 0, tuple(sites), terms, (), (), ())


AMIDE = molecule(
    "AMIDE", "polymer",
    [
        site("C1"), site("O1", "ester_O"), site("C2"), site("N1", "amide_N"), site("H1", "amide_H"), site("C3"),
        site("O2", "amide_O"), site("OE", "ether_O"),
    ],
    [(0, 1), (0, 2), (2, 3), (3, 4), (3, 5), (5, 6), (0, 7)],
)  # fmt: skip
ANION = molecule("TFSI", "anion", [site("N", "anion_N"), site("O", "anion_O"), site("F", "anion_F")], [(0, 1), (0, 2)])
ETHER = molecule("PEO", "polymer", [site("O", "ether_O"), site("C")], [(0, 1)])


def system_of(*molecules: tuple[Molecule, int]) -> SystemDescription:
    return SystemDescription(tuple(MoleculeCount(*entry) for entry in molecules), choice(), "")


def test_donors_and_what_is_near_them() -> None:
    donors = donors_of(system_of((AMIDE, 2), (ANION, 3)))
    assert donors.hydrogens.tolist() == [4, 12]
    assert donors.nitrogens.tolist() == [3, 11]
    assert donors.acceptors.tolist() == [1, 6, 7, 9, 14, 15, 16, 17, 19, 20, 22, 23]
    assert donors.owners.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 4]
    assert {name: donors.acceptors[mask].tolist() for name, mask in donors.kinds.items()} == {
        "anion": [16, 17, 19, 20, 22, 23],
        "anion_O": [17, 20, 23],
        "anion_N": [16, 19, 22],
        "carbonyl_O": [1, 6, 9, 14],
        "amide_O": [6, 14],
        "ester_O": [1, 9],
        "ether_O": [7, 15],
        "any": donors.acceptors.tolist(),
    }
    # H-N-C=O is three bonds; both oxygens on C1 are four bonds away (H, N, C2, C1, O)
    near = [divmod(key, len(donors.acceptors)) for key in donors.near.tolist()]
    assert [(d, int(donors.acceptors[a])) for d, a in near] == [(0, 1), (0, 6), (0, 7), (1, 9), (1, 14), (1, 15)]


def test_a_kind_that_repeats_another_is_left_out() -> None:
    """Without an ester carbonyl_O is amide_O; the anion's fluorine accepts nothing."""
    plain = molecule("A", "polymer", [site("N", "amide_N"), site("H", "amide_H"), site("O", "amide_O")], [(0, 1)])
    salt = molecule("PF6", "anion", [site("F", "anion_F")], [])
    assert list(donors_of(system_of((plain, 1), (salt, 1))).kinds) == ["carbonyl_O", "any"]
    chloride = molecule("CL", "anion", [site("CL", "anion_Cl")], [])
    assert list(donors_of(system_of((plain, 1), (chloride, 1))).kinds) == ["anion", "carbonyl_O", "any"]
    ended = molecule("B", "polymer", [site("N", "amide_N"), site("H", "amide_H"), site("O", "hydroxyl_O")], [(0, 1)])
    assert list(donors_of(system_of((ended, 1))).kinds) == ["hydroxyl_O", "any"]


def test_a_hydrogen_without_nitrogen_is_refused() -> None:
    with pytest.raises(DataError, match="amide nitrogen"):
        donors_of(system_of((molecule("A", "polymer", [site("N", "amide_N"), site("H", "amide_H")], []), 1)))


def by_hand(distance: float, angle: float, shift: np.ndarray) -> tuple[Donors, np.ndarray]:
    """One NH along x and an anion whose oxygen is at a distance of H and an angle N-H...O."""
    amide = molecule("A", "polymer", [site("N", "amide_N"), site("H", "amide_H")], [(0, 1)])
    direction = -np.radians(180 - angle)
    oxygen = np.array([0.1, 0, 0]) + distance * np.array([np.cos(direction), np.sin(direction), 0])
    positions = np.array([[0, 0, 0], [0.1, 0, 0], [1.5, 1.5, 1.5], oxygen, [1.4, 1.4, 1.4]]) + shift
    return donors_of(system_of((amide, 1), (ANION, 1))), positions % BOX


@pytest.mark.parametrize("shift", [np.zeros(3), np.array([2.95, 3.15, 3.35]), np.array([-0.15, 0, 1.7])])
@pytest.mark.parametrize(
    ("distance", "angle", "bound"),
    [(0.18, 175, True), (0.249, 131, True), (0.251, 175, False), (0.18, 129, False), (0.30, 90, False)],
)
def test_geometry_by_hand(distance: float, angle: float, bound: bool, shift: np.ndarray) -> None:
    donors, positions = by_hand(distance, angle, shift)
    found = candidates(donors, positions, BOX, 0.32)
    assert found.distances_nm == pytest.approx([distance])
    assert found.angles_deg == pytest.approx([angle])
    counted = count(donors, found, bonds_within(found, 0.25, 130))
    rows = dict(zip(donors.kinds, counted.tolist(), strict=True))
    assert rows == {
        "anion": [bound, bound, bound],
        "anion_O": [bound, bound, bound],
        "anion_N": [0, 0, 0],
        "any": [bound, bound, bound],
    }


def test_counts_of_shared_bonds() -> None:
    """Two NH on one oxygen, one of which also holds the nitrogen of another anion; a third anion is free."""
    amide = molecule("A", "polymer", [site("N", "amide_N"), site("H", "amide_H")], [(0, 1)])
    donors = donors_of(system_of((amide, 2), (ANION, 3)))
    away = [[1.5, 1.5, 1.5], [1.7, 1.7, 1.7], [2, 2, 2]]
    first = [[1.0, 1.0, 1.0], [0.3, 0, 0], [1.1, 1.1, 1.1]]
    # H at 0.1 and 0.5 on x, the oxygen between them; the nitrogen beside it
    second = [[0.27, 0.1, 0], [2.5, 2.5, 2.5], [2.6, 2.6, 2.6]]
    positions = np.array([[0, 0, 0], [0.1, 0, 0], [0.6, 0, 0], [0.5, 0, 0], *first, *second, *away])
    counted = hydrogen_bonds([(positions, BOX)], donors, [(0.21, 130.0)])[0, 0]
    rows = dict(zip(donors.kinds, counted, strict=True))
    np.testing.assert_allclose(rows["anion_O"], [1, 1, 1 / 3])
    np.testing.assert_allclose(rows["anion_N"], [0.5, 0.5, 1 / 3])
    np.testing.assert_allclose(rows["anion"], [1.5, 1, 2 / 3])
    np.testing.assert_allclose(rows["any"], rows["anion"])


def random_system(seed: int) -> tuple[SystemDescription, np.ndarray]:
    """A dense box of random sites, in which only the N-H bonds are real."""
    rng = np.random.default_rng(seed)
    system = system_of((AMIDE, 120), (ANION, 200))
    positions = rng.uniform(0, 1, (system.n_sites, 3)) * BOX
    direction = rng.normal(size=(120, 3))
    start = 8 * np.arange(120)
    positions[start + 4] = positions[start + 3] + 0.1 * direction / np.linalg.norm(direction, axis=1)[:, None]
    return system, positions % BOX


def minimum_image(vector: np.ndarray) -> np.ndarray:
    return vector - BOX * np.round(vector / BOX)


def test_random_box_as_a_double_loop_finds_it() -> None:
    system, positions = random_system(1)
    donors = donors_of(system)
    found = candidates(donors, positions, BOX, 0.3)
    expected = {}
    for d, h in enumerate(donors.hydrogens):
        for a, site_of in enumerate(donors.acceptors):
            to, back = minimum_image(positions[site_of] - positions[h]), minimum_image(positions[h - 1] - positions[h])
            distance = np.linalg.norm(to)
            # sites 1, 6 and 7 of the same molecule are near
            if distance <= 0.3 and site_of // 8 != h // 8:
                expected[d, a] = (distance, np.degrees(np.arccos(to @ back / distance / np.linalg.norm(back))))
    assert len(expected) > 100
    order = sorted(range(len(found.donors)), key=lambda p: (found.donors[p], found.acceptors[p]))
    assert [(found.donors[p], found.acceptors[p]) for p in order] == sorted(expected)
    values = np.array([expected[key] for key in sorted(expected)])
    np.testing.assert_allclose(found.distances_nm[order], values[:, 0], rtol=1e-9)
    np.testing.assert_allclose(found.angles_deg[order], values[:, 1], atol=1e-6)


def test_random_box_as_mdanalysis_finds_it() -> None:
    """MDAnalysis limits the distance of the heavy sites, so that its bonds are judged by H...A once more."""
    system, positions = random_system(2)
    donors = donors_of(system)
    universe = mda.Universe.empty(system.n_sites, trajectory=True)
    universe.add_TopologyAttr("bonds", [(int(h) - 1, int(h)) for h in donors.hydrogens])
    universe.add_TopologyAttr("elements", ["X"] * system.n_sites)
    universe.atoms.positions = (10 * positions).astype(np.float32)
    universe.dimensions = np.array([*(10 * BOX), 90, 90, 90], dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = HydrogenBondAnalysis(
            universe,
            donors_sel="index " + " ".join(str(n) for n in donors.nitrogens),
            hydrogens_sel="index " + " ".join(str(n) for n in donors.hydrogens),
            acceptors_sel="index " + " ".join(str(n) for n in donors.acceptors),
            d_a_cutoff=3.6,
            d_h_a_angle_cutoff=130,
        ).run()
    expected = set()
    for row in theirs.results.hbonds:
        n, h, a = (int(index) for index in row[1:4])
        # it takes any nitrogen within 0.12 nm for the donor
        if n == h - 1 and np.linalg.norm(minimum_image(positions[a] - positions[h])) <= 0.25 and h // 8 != a // 8:
            expected.add((h, a))
    found = candidates(donors, positions, BOX, 0.25)
    is_bond = bonds_within(found, 0.25, 130)
    mine = set(zip(donors.hydrogens[found.donors[is_bond]], donors.acceptors[found.acceptors[is_bond]], strict=True))
    assert mine == expected
    assert len(expected) > 20


def test_a_range_of_half_the_box_is_refused() -> None:
    donors, positions = by_hand(0.2, 170, np.zeros(3))
    with pytest.raises(DataError, match="wider than 3"):
        candidates(donors, positions, BOX, 1.5)


def analysed(folder: Path, system: SystemDescription, frames: np.ndarray) -> tuple[dict, pd.DataFrame]:
    (folder / "system.json").write_text(to_json(system))
    with reduced_file(folder / "r.h5", system, 1.0, dict.fromkeys(("motion", "structure", "slow"), 10.0)) as file:
        file["slow"].attrs["frames"] = len(frames)
        file["slow/positions"] = frames.astype(np.float32)
        file["slow/box"] = np.tile(BOX, (len(frames), 1)).astype(np.float32)
    analyse_hydrogen_bonds(folder / "r.h5", folder / "system.json", CRITERIA, folder / "h.csv", folder / "h.json")
    return json.loads((folder / "h.json").read_text()), pd.read_csv(folder / "h.csv")


def test_files_of_a_system_with_amide(tmp_path: Path) -> None:
    system, _ = random_system(1)
    frames = np.array([random_system(seed)[1] for seed in range(5)])
    scalars, table = analysed(tmp_path, system, frames)
    donors = donors_of(system)
    series = hydrogen_bonds([(frame, BOX) for frame in frames], donors, [(0.25, 130.0)])[:, 0]
    shares = series[:, list(donors.kinds).index("anion"), COUNTS.index("NH_share")]
    found = scalars["acceptors"]["anion"]["NH_share"]
    assert found["value"] == pytest.approx(shares.mean())
    assert found["error"] == pytest.approx(shares.std(ddof=1) / np.sqrt(5))
    assert (scalars["NH"], scalars["frames"], scalars["interval_ps"]) == (120, 5, 10.0)
    assert scalars["free_NH_share"]["value"] == pytest.approx(1 - scalars["acceptors"]["any"]["NH_share"]["value"])
    assert "ester_bridging_O" not in scalars["acceptors"]
    assert len(table) == 25 * len(donors.kinds)
    # a wider criterion holds the bonds of a narrower one
    bonds = table[table["acceptor"] == "any"].pivot_table(
        index="distance_nm", columns="angle_deg", values="bonds_per_NH"
    )
    assert (np.diff(bonds, axis=0) >= 0).all()
    assert (np.diff(bonds, axis=1) <= 0).all()
    one = table[(table["distance_nm"] == 0.25) & (table["angle_deg"] == 130)].set_index("acceptor")["bonds_per_NH"]
    assert one["anion_O"] + one["anion_N"] == pytest.approx(one["anion"])
    assert one[["anion", "carbonyl_O", "ether_O"]].sum() == pytest.approx(one["any"])


def test_files_of_a_system_without_amide(tmp_path: Path) -> None:
    scalars, table = analysed(tmp_path, system_of((ETHER, 3), (ANION, 2)), np.zeros((2, 12, 3)))
    assert scalars["NH"] == 0
    assert scalars["verdict"].startswith("no NH")
    assert "acceptors" not in scalars
    assert len(table) == 0
    assert {"acceptor", "bonds_per_NH", "NH_share_error"} <= set(table)


def test_a_system_without_amide_has_no_bonds_of_another(tmp_path: Path) -> None:
    analysed(tmp_path, random_system(1)[0], np.array([random_system(1)[1]]))
    (tmp_path / "system.json").write_text(to_json(system_of((ETHER, 3), (ANION, 2))))
    with pytest.raises(DataError, match=r"r\.h5: of \d+ sites, made with another description"):
        analyse_hydrogen_bonds(tmp_path / "r.h5", tmp_path / "system.json", CRITERIA, tmp_path / "x", tmp_path / "y")
