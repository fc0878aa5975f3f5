"""Start geometries: all that is shipped passes, each fault is refused with its atoms named, nothing is half-written."""

from __future__ import annotations

import itertools
import json
import math
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from eoli.box import packmol
from eoli.box.conformation import place_site, random_conformation
from eoli.box.geometry import angle_deg, check_box, check_molecule, dihedral_deg
from eoli.errors import ForceFieldError, InputError, RunError
from eoli.forcefield.library import Library, library
from eoli.forcefield.models import ForceFieldChoice
from eoli.topology.description import MoleculeCount, SystemDescription
from eoli.topology.gromos import Gromos54A7
from eoli.topology.molecule import Molecule, Site, Term, build_chain, build_ion
from support import ROOT

SHIPPED = library(ROOT / "topologies")
ENTRIES = [("polymer", name, variant) for name in SHIPPED.names("polymers") for variant in SHIPPED.ether_sets()]
ENTRIES += [("ion", name, variant) for name in SHIPPED.names("ions") for variant in SHIPPED.variants("ions", name)]


def built(kind: str, name: str, variant: str, blocks: Library, forcefield: Gromos54A7) -> Molecule:
    if kind == "polymer":
        return build_chain(blocks.polymer(name, variant), blocks, forcefield)
    return build_ion(blocks.ion(name, variant), 1.0, blocks, forcefield)


@pytest.mark.parametrize(("kind", "name", "variant"), ENTRIES, ids=["-".join(entry) for entry in ENTRIES])
def test_shipped_molecules_pass(kind: str, name: str, variant: str, blocks: Library, forcefield: Gromos54A7) -> None:
    try:
        molecule = built(kind, name, variant, blocks, forcefield)
    except InputError as error:
        pytest.skip(str(error))
    for seed in (1, 2, 3):
        check_molecule(molecule, random_conformation(molecule, np.random.default_rng(seed)))


@pytest.fixture(scope="module")
def pebax(blocks: Library, forcefield: Gromos54A7) -> Molecule:
    return build_chain(blocks.polymer("pebax", "oxy-d"), blocks, forcefield)


@pytest.fixture(scope="module")
def anion(blocks: Library, forcefield: Gromos54A7) -> Molecule:
    return build_ion(blocks.ion("TFSI", "clandp2004"), 1.0, blocks, forcefield)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**63))
def test_every_seed_passes(seed: int, pebax: Molecule, anion: Molecule) -> None:
    for molecule in (pebax, anion):
        check_molecule(molecule, random_conformation(molecule, np.random.default_rng(seed)))


def sites(count: int) -> tuple[Site, ...]:
    return tuple(Site(f"C{n}", "CH2", 0.0, 14.0, "RES", 1, "CT", None, None, "s") for n in range(count))


def star(reference: float | None) -> Molecule:
    """A united-atom CH1 with three neighbours, handed by its improper."""
    return Molecule(
        name="STAR",
        kind="polymer",
        formal_charge=0,
        sites=sites(4),
        bonds=tuple(Term((n, 1), 2, (0.153, 8e6), "gb", "s") for n in (0, 2, 3)),
        angles=tuple(Term((i, 1, j), 2, (111.0, 500.0), "ga", "s") for i, j in ((0, 2), (0, 3), (2, 3))),
        dihedrals=(),
        impropers=(Term((1, 0, 2, 3), 2, (reference, 335.0), "gi_2", "s"),) if reference is not None else (),
    )


def row(count: int) -> Molecule:
    """Bonded in a row."""
    return Molecule(
        name="ROW",
        kind="polymer",
        formal_charge=0,
        sites=sites(count),
        bonds=tuple(Term((n, n + 1), 2, (0.153, 8e6), "gb", "s") for n in range(count - 1)),
        angles=tuple(Term((n, n + 1, n + 2), 2, (111.0, 500.0), "ga", "s") for n in range(count - 2)),
        dihedrals=(),
        impropers=(),
    )


def refused(molecule: Molecule, x: np.ndarray, message: str) -> None:
    with pytest.raises(ForceFieldError) as failure:
        check_molecule(molecule, x)
    assert re.fullmatch(message, str(failure.value)), failure.value


def index(molecule: Molecule, residue: str, name: str, last: bool = False) -> int:
    found = [n for n, site in enumerate(molecule.sites) if (site.residue, site.name) == (residue, name)]
    return found[-1 if last else 0]


@pytest.fixture
def x(pebax: Molecule) -> np.ndarray:
    return random_conformation(pebax, np.random.default_rng(7))


def turned(x: np.ndarray, a: int, b: int, moving: list[int], degrees: float) -> np.ndarray:
    """Sites turned about the bond a-b."""
    axis = (x[b] - x[a]) / np.linalg.norm(x[b] - x[a])
    moved = x.copy()
    moved[moving] = Rotation.from_rotvec(math.radians(degrees) * axis).apply(x[moving] - x[b]) + x[b]
    return moved


def test_a_position_that_is_not_finite(pebax: Molecule, x: np.ndarray) -> None:
    for value in (np.nan, np.inf):
        x[4, 1] = value
        refused(pebax, x, "PEBAX, EO3:O1: the start position is not finite")


@pytest.mark.parametrize("change", [-0.02, 0.02])
def test_a_wrong_bond_length(change: float, pebax: Molecule, x: np.ndarray) -> None:
    x[0] += change * (x[0] - x[1]) / np.linalg.norm(x[0] - x[1])
    shown, bond = 0.144 + change, re.escape("PEBAX, ME1:CM-EO2:O1: the start geometry has a bond of ")
    refused(pebax, x, rf"{bond}{shown:.3f} nm; allowed: 0\.144 \+- 0\.01 nm")


def test_a_slightly_wrong_bond_length_passes(pebax: Molecule, x: np.ndarray) -> None:
    x[0] += 0.009 * (x[0] - x[1]) / np.linalg.norm(x[0] - x[1])
    check_molecule(pebax, x)


@pytest.mark.parametrize(("degrees", "passes"), [(91.0, False), (93.0, True), (131.0, True), (133.0, False)])
def test_an_angle(degrees: float, passes: bool, pebax: Molecule, x: np.ndarray) -> None:
    x[0] = place_site(x[3], x[2], x[1], 0.144, math.radians(degrees), math.pi)
    if passes:
        check_molecule(pebax, x)
    else:
        where = r"PEBAX, ME1:CM-EO2:O1-EO2:C1: the start geometry has angle"
        refused(pebax, x, rf"{where} {degrees:.1f} degrees; allowed: 112\.0 \+- 20 degrees")


@pytest.mark.parametrize(("degrees", "shown"), [(180.0, -0.0), (40.0, None), (25.0, "passes")])
def test_an_amide_that_is_not_trans(degrees: float, shown: float | str | None, pebax: Molecule, x: np.ndarray) -> None:
    nitrogen, carbon = index(pebax, "PA6", "N", last=True), index(pebax, "ACE", "C")
    ends = [index(pebax, "ACE", "O"), index(pebax, "ACE", "CM")]
    x = turned(x, nitrogen, carbon, ends, degrees)
    if shown == "passes":
        check_molecule(pebax, x)
    else:
        atoms = "(PA631:C2-PA631:N-ACE32:C-ACE32:CM|ACE32:CM-ACE32:C-PA631:N-PA631:C2)"
        value = r"-?0\.0" if shown is not None else r"-?140\.0"
        where = f"PEBAX, {atoms}: the start geometry has trans torsion {value}"
        refused(pebax, x, rf"{where} degrees; allowed: 180\.0 \+- 30 degrees")


def test_an_amide_that_is_not_planar(pebax: Molecule, x: np.ndarray) -> None:
    nitrogen, carbon = index(pebax, "PA6", "N", last=True), index(pebax, "ACE", "C")
    moved = turned(x, nitrogen, carbon, [index(pebax, "ACE", "O")], 45)
    number = r"-?(\d+\.\d)"
    message = (
        rf"PEBAX, ACE32:C-ACE32:CM-PA631:N-ACE32:O: the start geometry has improper dihedral {number} degrees; "
        r"allowed: 0\.0 \+- 20 degrees"
    )
    refused(pebax, moved, message)
    check_molecule(pebax, turned(x, nitrogen, carbon, [index(pebax, "ACE", "O")], 15))


@pytest.mark.parametrize("reference", [35.26439, -35.26439])
def test_the_wrong_handedness(reference: float) -> None:
    molecule = star(reference)
    x = random_conformation(molecule, np.random.default_rng(1))
    check_molecule(molecule, x)
    message = (
        r"STAR, RES1:C1-RES1:C0-RES1:C2-RES1:C3: the start geometry has improper dihedral of the wrong handedness "
        rf"{-math.copysign(1, reference) * 32.9:.1f} degrees; allowed: {reference:.1f} \+- 20 degrees"
    )
    refused(molecule, x * [1, 1, -1], message)
    check_molecule(star(None), x * [1, 1, -1])


def test_a_flat_centre_that_should_be_handed() -> None:
    molecule = replace(star(35.26439), angles=())
    flat = [(0.153 * math.cos(turn), 0.153 * math.sin(turn), 0.0) for turn in np.radians([0, 120, 240])]
    x = np.array([flat[0], (0.0, 0.0, 0.0), *flat[1:]])
    refused(molecule, x, r"STAR, .*: the start geometry has improper dihedral -?0\.0 degrees; allowed: 35\.3 .*")


def curled(count: int, degrees: float) -> np.ndarray:
    """A flat row with all torsions cis."""
    turns = np.cumsum([0, *[math.pi - math.radians(degrees)] * (count - 2)])
    steps = 0.153 * np.column_stack([np.cos(turns), np.sin(turns), np.zeros(count - 1)])
    return np.vstack([np.zeros(3), np.cumsum(steps, axis=0)])


def test_sites_that_overlap() -> None:
    x = curled(5, 111)
    gap = np.linalg.norm(x[0] - x[4])
    message = rf"ROW, RES1:C0 and RES1:C4: the start geometry has them {gap:.3f} nm apart; allowed: 0\.2 nm or more"
    refused(row(5), x, message)
    # three bonds apart
    near = curled(4, 95)
    assert np.linalg.norm(near[0] - near[3]) < 0.19
    check_molecule(row(4), near)


def test_wrong_start_geometries(anion: Molecule) -> None:
    x = random_conformation(anion, np.random.default_rng(1))
    assert random_conformation(replace(anion, positions_nm=tuple(map(tuple, x + 3))), np.random.default_rng(9)) == (
        pytest.approx(x, abs=1e-12)
    )
    given = replace(anion, positions_nm=tuple(map(tuple, 1.1 * x)))
    message = r"TFSI, TFSI1:N1-TFSI1:S1: the start geometry has a bond of 0\.173 nm; allowed: 0\.157 \+- 0\.01 nm"
    refused(given, random_conformation(given, np.random.default_rng(1)), message)


POINT = st.tuples(*[st.floats(-1, 1).map(lambda value: round(value, 3))] * 3).map(np.array)


@given(points=st.tuples(POINT, POINT, POINT, POINT))
def test_measures_agree_with_mdanalysis(points: tuple[np.ndarray, ...]) -> None:
    from MDAnalysis.lib.distances import calc_angles, calc_dihedrals

    a, b, c, d = points
    if min(np.linalg.norm(np.cross(b - a, c - b)), np.linalg.norm(np.cross(c - b, d - c))) < 0.05:
        return
    assert angle_deg(a, b, c) == pytest.approx(math.degrees(calc_angles(a, b, c)), abs=1e-2)
    off = dihedral_deg(a, b, c, d) - math.degrees(calc_dihedrals(a, b, c, d))
    assert (off + 180) % 360 - 180 == pytest.approx(0, abs=1e-2)


def box(*entries: tuple[Molecule, int]) -> SystemDescription:
    return SystemDescription(
        tuple(MoleculeCount(*entry) for entry in entries), ForceFieldChoice("oxy-d", None, None, "gromos", 1.0), "0"
    )


def atom(name: str) -> Molecule:
    one = Site(name, name, 0.0, 7.0, name, 1, name, None, None, "s")
    return Molecule(name, "cation", 1, (one,), (), (), (), ())


PAIR = box((row(2), 2), (atom("LI"), 1))


def pair(second: tuple[float, float, float], third: tuple[float, float, float]) -> np.ndarray:
    """Two dimers along x, the first at the origin, and one atom."""
    return np.array([(0, 0, 0), (0.153, 0, 0), second, np.add(second, (0.153, 0, 0)), third], dtype=float)


def test_the_smallest_distance_of_a_box() -> None:
    assert check_box(PAIR, pair((1, 1, 1), (0.153, 0.25, 0)), 3.0, 0.2) == pytest.approx(0.25)
    # through two faces of the box; a molecule that reaches out of it
    assert check_box(PAIR, pair((1, 1, 1), (0.0, -0.15, 2.8)), 3.0, 0.2) == pytest.approx(0.25)
    assert check_box(PAIR, pair((2.68, 0, -1e-18), (1, 1, 1)), 3.0, 0.15) == pytest.approx(0.167)
    # far apart
    assert check_box(PAIR, pair((1, 1, 1), (2, 2, 2)), 3.0, 0.2) == pytest.approx(math.sqrt(3 * 1 + 0.153**2 - 0.306))
    assert check_box(box((row(2), 1)), pair((0, 0, 0), (0, 0, 0))[:2], 3.0, 0.2) == math.inf


@given(seed=st.integers(0, 2**32), count=st.integers(2, 30), edge=st.floats(0.5, 5), tolerance=st.floats(0.01, 0.4))
def test_the_smallest_distance_is_that_of_all_pairs(seed: int, count: int, edge: float, tolerance: float) -> None:
    x = np.random.default_rng(seed).uniform(-edge, 2 * edge, (count, 3))
    shift = [x[i] - x[j] for i, j in itertools.combinations(range(count), 2)]
    gap = min(np.linalg.norm(s - edge * np.round(s / edge)) for s in shift)
    if gap < 0.9 * tolerance:
        with pytest.raises(RunError, match="nm apart"):
            check_box(box((atom("LI"), count)), x, edge, tolerance)
    else:
        assert check_box(box((atom("LI"), count)), x, edge, tolerance) == pytest.approx(gap)


def test_molecules_that_overlap() -> None:
    message = "the packed box has ROW 2 RES1:C1 and LI 1 LI1:LI 0.170 nm apart; allowed: 0.18 nm or more"
    with pytest.raises(RunError, match=f"^{re.escape(message)}$"):
        check_box(PAIR, pair((2.837, 2.9, 1), (-0.01, 0.07, 1)), 3.0, 0.2)


def test_a_molecule_that_is_torn() -> None:
    torn = pair((1, 1, 1), (2, 2, 2))
    torn[3, 0] -= 3.0
    message = "bond of 2.847 nm between ROW 2 RES1:C0 and ROW 2 RES1:C1; allowed: 0.153 +- 0.01 nm"
    with pytest.raises(RunError, match=f"^the packed box has a {re.escape(message)}$"):
        check_box(PAIR, torn, 3.0, 0.2)


def test_a_packed_position_that_is_not_finite() -> None:
    broken = pair((1, 1, 1), (2, 2, np.nan))
    with pytest.raises(RunError, match=r"^the packed box has a position that is not finite: LI 1 LI1:LI$"):
        check_box(PAIR, broken, 3.0, 0.2)


Pack = Callable[[SystemDescription, np.ndarray], None]


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pack:
    """`pack` with a PACKMOL that gives the positions that it is told."""

    def run_pack(description: SystemDescription, packed_nm: np.ndarray) -> None:
        def run(command: list[str], cwd: Path, **_: Any) -> subprocess.CompletedProcess[str]:
            rows = [f"X {x:.6f} {y:.6f} {z:.6f}" for x, y, z in 10 * packed_nm]
            (cwd / "packed.xyz").write_text("\n".join([str(len(rows)), "packed", *rows]) + "\n")
            return subprocess.CompletedProcess(command, 0, "", "")

        monkeypatch.setattr(packmol, "packmol_program", lambda: "packmol")
        monkeypatch.setattr(subprocess, "run", run)
        names = (tmp_path / name for name in ("box.gro", "box.json", "box.log"))
        packmol.pack(description, 1, 0.05, 0.2, 1, *names)

    return run_pack


def test_a_sound_box_is_written(pack: Pack, tmp_path: Path) -> None:
    pack(PAIR, pair((0.4, 0.4, 0.4), (0.153, 0.25, 0)))
    assert (tmp_path / "box.gro").is_file()
    assert json.loads((tmp_path / "box.json").read_text())["smallest_distance_nm"] == pytest.approx(0.25)


def test_one_molecule_has_no_smallest_distance(pack: Pack, tmp_path: Path) -> None:
    pack(box((row(2), 1)), pair((0, 0, 0), (0, 0, 0))[:2])
    assert json.loads((tmp_path / "box.json").read_text())["smallest_distance_nm"] is None


def test_a_faulty_box_is_not_written(pack: Pack, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nm apart"):
        pack(PAIR, pair((0.4, 0.4, 0.4), (0.153, 0.15, 0)))
    assert not (tmp_path / "box.gro").exists() and not (tmp_path / "box.json").exists()


def test_a_faulty_molecule_is_not_packed(pack: Pack, tmp_path: Path) -> None:
    wrong = replace(row(2), positions_nm=((0.0, 0.0, 0.0), (0.2, 0.0, 0.0)))
    with pytest.raises(ForceFieldError, match=r"^ROW, RES1:C0-RES1:C1: the start geometry has a bond of 0\.200 nm"):
        pack(box((wrong, 2)), np.zeros((4, 3)))
    assert not (tmp_path / "box.gro").exists() and not (tmp_path / "box.json").exists()
