"""The core pass against plain numpy on a system whose box changes and whose molecules are broken everywhere."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from MDAnalysis.lib.distances import calc_dihedrals
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from eoli.errors import DataError
from eoli.topology.description import MoleculeCount, SystemDescription, to_json
from eoli.topology.selections import anion_binding_sites, binding_partners, binding_sites, ether_torsions, pair_groups
from eoli.trajectory import reduce as run
from eoli.trajectory.reduce import reduce_trajectory
from eoli.trajectory.sizes import reduced_bytes
from eoli.trajectory.store import ARRAYS, Reduced, open_reduced, seal
from support import choice
from synthetic_trajectories import (
    BIN_NM,
    CHAIN,
    CONTACT_NM,
    LITHIUM,
    NEAT,
    SLOTS,
    SYSTEM,
    TFSI,
    molecule,
    reduce,
    told,
    walk,
    write_system,
    write_xtc,
)


def as_read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with XTCFile(str(path)) as file:
        frames = [file.read() for _ in range(len(file))]
    boxes = np.array([np.diagonal(frame.box) for frame in frames], dtype=np.float64)
    return np.array([frame.x for frame in frames], dtype=np.float64), boxes


def image(vectors: np.ndarray, box: np.ndarray) -> np.ndarray:
    return vectors - box * np.round(vectors / box)


def same_point(found: np.ndarray, expected: np.ndarray, boxes: np.ndarray) -> None:
    assert ((found >= 0) & (found <= boxes[:, None])).all()
    assert np.abs(image(found - expected, boxes[:, None])).max() < 2e-6


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray, np.ndarray]:
    """The reduced trajectory in chunks of a few frames, and what the XTC file holds."""
    folder = tmp_path_factory.mktemp("reduce")
    trajectory, description = write_system(folder, SYSTEM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "_CHUNK", 4)
        out = reduce(trajectory, description, folder / "reduced.h5", (1.0, 2.0, 7.0))
    return out, *as_read(trajectory)


def test_sites_and_molecules(reference: tuple[Path, np.ndarray, np.ndarray]) -> None:
    path, x, boxes = reference
    with open_reduced(path, SYSTEM) as reduced:
        known = {name.split("/")[1] for name in ARRAYS if name.startswith("motion")}
        assert set(reduced.file["motion"]) == known - {"solvents", "cations"}
        np.testing.assert_array_equal(reduced.array("motion/box"), boxes.astype(np.float32))
        same_point(reduced.array("motion/lithium"), x[:, SYSTEM.with_role("Li")], boxes)
        assert reduced.motion_per_structure == 2
        for name, role in (("fluorine", "anion_F"), ("ether_oxygen", "ether_O")):
            same_point(reduced.array(f"structure/{name}"), x[::2, SYSTEM.with_role(role)], boxes[::2])
        for name, kind in (("anions", "anion"), ("chains", "polymer")):
            ((_, sites),) = SYSTEM.types_of(kind)
            masses = SYSTEM.masses()[sites[0]]
            bonds = image(np.diff(x[:, sites], axis=2), boxes[:, None, None])
            paths = x[:, sites[:, :1]] + np.concatenate([0 * bonds[:, :, :1], np.cumsum(bonds, axis=2)], axis=2)
            same_point(reduced.array(f"motion/{name}"), np.average(paths, axis=2, weights=masses), boxes)
        slow = np.arange(0, len(x), 7)
        assert (reduced.n_frames("slow"), reduced.interval_ps("slow"), reduced.length_ps) == (len(slow), 7.0, 29.0)
        np.testing.assert_array_equal(reduced.array("slow/box"), boxes[slow].astype(np.float32))
        same_point(reduced.array("slow/positions"), x[slow], boxes[slow])


def test_all_neighbours_in_range_nearest_first(reference: tuple[Path, np.ndarray, np.ndarray]) -> None:
    path, x, boxes = reference
    candidates = SYSTEM.with_role("ether_O", "ester_bridging_O", "ester_O", "amide_O", "anion_O")
    lithium = SYSTEM.with_role("Li")
    longer = 0
    with open_reduced(path, SYSTEM) as reduced:
        assert reduced.attribute("motion/neighbours", "range_nm") == CONTACT_NM
        sites, distances = reduced.array("motion/neighbours"), reduced.array("motion/distances")
    for f in range(len(x)):
        d = np.linalg.norm(image(x[f, lithium, None] - x[f, candidates], boxes[f]), axis=-1)
        for i in range(len(lithium)):
            order = np.argsort(d[i])
            order = order[d[i, order] <= CONTACT_NM]
            n = len(order)
            longer += n > SLOTS
            np.testing.assert_array_equal(sites[f, i, :n], candidates[order])
            np.testing.assert_allclose(distances[f, i, :n], d[i, order], atol=1e-6)
            assert (sites[f, i, n:] == -1).all() and np.isinf(distances[f, i, n:]).all()
    assert longer > 10


@pytest.mark.parametrize("processes", [1, 2])
def test_a_crowded_frame_between_others_has_room(
    tmp_path: Path, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frames that are looked at first have few neighbours; the pass that meets the crowd is repeated."""
    monkeypatch.setattr(run, "_CHUNK", 2)
    chloride = molecule("CL", "anion", ["anion_Cl"])
    system = SystemDescription((MoleculeCount(LITHIUM, 1), MoleculeCount(chloride, 40)), choice(), "")
    positions, boxes = np.full((9, system.n_sites, 3), 1.5), np.full((9, 3), 3.0)
    positions[:, 0] = 0.1
    positions[4, 1:] = 0.2
    positions += 0.01 * np.arange(9)[:, None, None]
    (tmp_path / "system.json").write_text(to_json(system))
    trajectory = write_xtc(tmp_path / "md.xtc", positions, boxes)
    path = reduce(trajectory, tmp_path / "system.json", tmp_path / "r.h5", (1.0, 1.0, 4.0), processes=processes)
    with open_reduced(path, system) as reduced:
        assert (reduced.array("motion/neighbours") >= 0).sum(axis=(1, 2)).tolist() == [0, 0, 0, 0, 40, 0, 0, 0, 0]


def test_a_list_that_may_be_cut_is_refused(tmp_path: Path) -> None:
    trajectory, description = write_system(tmp_path, SYSTEM)
    path = reduce(trajectory, description, tmp_path / "r.h5", (1.0, 1.0, 5.0))
    with h5py.File(path, "r+") as file:
        cut = {name: file[f"motion/{name}"][..., :SLOTS] for name in ("neighbours", "distances")}
        for name, values in cut.items():
            del file[f"motion/{name}"]
            file[f"motion/{name}"] = values
        file["motion/neighbours"].attrs["range_nm"] = CONTACT_NM
    seal(path, SYSTEM)
    with open_reduced(path, SYSTEM) as reduced, pytest.raises(DataError, match="the last slot free"):
        reduced.array("motion/distances")


def test_an_array_that_is_missing_has_no_attributes_either(tmp_path: Path) -> None:
    trajectory, description = write_system(tmp_path, SYSTEM)
    path = reduce(trajectory, description, tmp_path / "r.h5", (1.0, 1.0, 5.0))
    with h5py.File(path, "r+") as file:
        del file["motion/neighbours"]
        file.attrs["sites"] = "many"
    seal(path, SYSTEM)
    with open_reduced(path, SYSTEM) as reduced:
        with pytest.raises(DataError, match=r"r\.h5: holds no motion/neighbours"):
            reduced.attribute("motion/neighbours", "range_nm")
        assert len(list(reduced.slow_frames())) == reduced.n_frames("slow")


def test_pair_counts(reference: tuple[Path, np.ndarray, np.ndarray]) -> None:
    path, x, boxes = reference
    x, boxes = x[::2], boxes[::2]
    roles = {
        ("Li", "ether_O"): ["ether_O"], ("Li", "carbonyl_O"): ["amide_O", "ester_O"], ("Li", "amide_O"): ["amide_O"],
        ("Li", "ester_O"): ["ester_O"], ("Li", "ester_bridging_O"): ["ester_bridging_O"],
        ("Li", "anion_N"): ["anion_N"], ("Li", "anion_O"): ["anion_O"], ("Li", "Li"): ["Li"],
        ("amide_H", "anion_N"): ["anion_N"], ("amide_H", "anion_O"): ["anion_O"],
    }  # fmt: skip
    with open_reduced(path, SYSTEM) as reduced:
        counts, of = reduced.array("structure/pair_counts"), dict(reduced.file["structure/pair_counts"].attrs)
        frames, volumes = reduced.array("structure/block_frames"), reduced.array("structure/block_inverse_volumes")
    assert counts.shape == (10, len(roles), int(boxes.min() / 2 / BIN_NM))
    assert list(zip(of["first"], of["second"], strict=True)) == list(roles)
    assert list(of["kinds"]) == [f"{first}_{second}" for first, second in roles]
    block_of = np.arange(len(x)) * 10 // len(x)
    np.testing.assert_array_equal(frames, np.bincount(block_of))
    np.testing.assert_allclose(volumes, np.bincount(block_of, 1 / boxes.prod(axis=1)), rtol=1e-6)
    for k, ((first, _), second) in enumerate(roles.items()):
        a, b = SYSTEM.with_role(first), SYSTEM.with_role(*second)
        assert (of["n_first"][k], of["n_second"][k]) == (len(a), len(b) - (second == [first]))
        d = np.linalg.norm(image(x[:, a, None] - x[:, None, b], boxes[:, None, None]), axis=-1)
        d[:, a[:, None] == b] = np.inf
        expected = [
            np.histogram(d[block_of == block], BIN_NM * np.arange(counts.shape[2] + 1))[0] for block in range(10)
        ]
        np.testing.assert_array_equal(counts[:, k], expected)


def test_shape_and_torsions_of_chains(reference: tuple[Path, np.ndarray, np.ndarray]) -> None:
    path, x, boxes = reference
    x, boxes = x[::2], boxes[::2]
    ((_, sites),) = SYSTEM.types_of("polymer")
    masses = SYSTEM.masses()[sites[0]]
    bonds = image(np.diff(x[:, sites], axis=2), boxes[:, None, None])
    paths = np.concatenate([0 * bonds[:, :, :1], np.cumsum(bonds, axis=2)], axis=2)
    offsets = paths - np.average(paths, axis=2, weights=masses)[:, :, None]
    gyration = np.sqrt(np.average((offsets**2).sum(axis=-1), axis=2, weights=masses))
    quadruples = sites[:, [[0, 1, 2, 3], [3, 4, 5, 6]]].reshape(-1, 4)
    with open_reduced(path, SYSTEM) as reduced:
        np.testing.assert_allclose(reduced.array("structure/radius_of_gyration"), gyration, rtol=1e-5)
        np.testing.assert_allclose(reduced.array("structure/end_to_end"), paths[:, :, -1], atol=3e-6)
        found = reduced.array("structure/torsions")
    for f in range(len(x)):
        corners = [x[f, quadruples[:, k]].astype(np.float32) for k in range(4)]
        expected = calc_dihedrals(*corners, box=np.array([*boxes[f], 90, 90, 90], dtype=np.float32))
        np.testing.assert_allclose(np.cos(found[f] - expected), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("intervals", "kept"),
    [
        ((1.0, 1.0, 1.0), (1, 1, 1)),
        ((2.0, 5.0, 3.0), (2, 4, 3)),
        ((6.0, 10.0, 13.0), (6, 12, 13)),
        ((5.0, 1.0, 10.0), (5, 5, 10)),
    ],
)
def test_intervals_pick_frames_and_processes_change_no_bit(
    tmp_path: Path, intervals: tuple[float, float, float], kept: tuple[int, int, int]
) -> None:
    trajectory, description = write_system(tmp_path, SYSTEM)
    _, boxes = as_read(trajectory)
    one, two = tmp_path / "1.h5", tmp_path / "2.h5"
    reduce(trajectory, description, one, intervals)
    reduce(trajectory, description, two, intervals, processes=2)
    many = reduce(trajectory, description, tmp_path / "many.h5", intervals, processes=100_000)
    assert many.read_bytes() == two.read_bytes()
    assert one.read_bytes() == two.read_bytes()
    with open_reduced(one, SYSTEM) as reduced:
        for cadence, interval in zip(("motion", "structure", "slow"), kept, strict=True):
            used = np.arange(0, 30, interval)
            assert (reduced.interval_ps(cadence), reduced.n_frames(cadence)) == (interval, len(used))
            if cadence != "structure":
                np.testing.assert_array_equal(reduced.array(f"{cadence}/box"), boxes[used].astype(np.float32))
        assert reduced.array("structure/block_frames").sum() == reduced.n_frames("structure")


def test_a_neat_polymer_has_chains_and_no_ions(tmp_path: Path) -> None:
    trajectory, description = write_system(tmp_path, NEAT)
    with open_reduced(reduce(trajectory, description, tmp_path / "r.h5", (1.0, 1.0, 5.0)), NEAT) as reduced:
        assert set(reduced.file["motion"]) == {"box", "chains"}
        assert reduced.has("structure/ether_oxygen")
        assert not reduced.has("structure/fluorine")
        assert not reduced.has("structure/pair_counts")
        assert reduced.array("structure/end_to_end").shape == (30, 4, 3)
        with pytest.raises(DataError, match=r"r\.h5: holds no motion/lithium"):
            reduced.array("motion/lithium")


def test_an_anion_without_oxygen_binds_with_all_its_sites() -> None:
    fluoride = molecule("PF6", "anion", ["anion_P", "anion_F", "anion_F"])
    system = SystemDescription((MoleculeCount(LITHIUM, 1), MoleculeCount(fluoride, 1)), choice(), "")
    assert list(anion_binding_sites(system)) == list(binding_sites(system)) == [1, 2, 3]
    assert {first: list(partners) for first, partners in pair_groups(system).items()} == {"Li": ["anion_F"]}
    assert ether_torsions(system).shape == (0, 4)


def test_chloride_stands_with_lithium_and_amide_hydrogen_has_no_partner() -> None:
    salt = (MoleculeCount(LITHIUM, 2), MoleculeCount(molecule("CL", "anion", ["anion_Cl"]), 2))
    system = SystemDescription((MoleculeCount(CHAIN, 1), *salt), choice(), "")
    groups = pair_groups(system)
    assert set(groups) == {"Li"}
    np.testing.assert_array_equal(groups["Li"]["anion_Cl"], system.with_role("anion_Cl"))
    assert set(system.with_role("anion_Cl")) <= set(binding_sites(system))


def test_a_hydroxyl_end_binds_and_is_no_ether_oxygen() -> None:
    chain = molecule("PX", "polymer", ["hydroxyl_O", None, None, "ether_O"])
    system = SystemDescription((MoleculeCount(chain, 2), MoleculeCount(LITHIUM, 1)), choice(), "")
    assert list(binding_sites(system)) == [0, 3, 4, 7]
    assert list(pair_groups(system)["Li"]) == ["ether_O", "hydroxyl_O"]
    assert {name: list(sites) for name, sites in binding_partners(system).items()} == {
        "ether_O": [3, 7],
        "hydroxyl_O": [0, 4],
    }
    assert ether_torsions(system).shape == (0, 4)


def _damage(path: Path, how: str) -> None:
    positions, boxes = walk(SYSTEM, 30)
    if how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:-50])
    elif how == "foreign":
        write_xtc(path, positions[:, 1:], boxes)
    elif how == "one frame":
        write_xtc(path, positions[:1], boxes[:1])
    elif how == "triclinic":
        matrices = np.array([np.diag(box) for box in boxes])
        matrices[20, 1, 0] = 0.3
        write_xtc(path, positions, matrices)
    elif how == "no box":
        write_xtc(path, positions, boxes * (np.arange(30) != 9)[:, None])
    elif how == "gap":
        with XTCFile(str(path), "w") as file:
            for k in range(30):
                box = np.diag(boxes[k]).astype(np.float32)
                file.write(positions[k].astype(np.float32), box, k, k + 0.4 * (k == 13))


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("empty", "no readable XTC"),
        ("truncated", "truncated"),
        ("foreign", "78 sites; the system has 79"),
        ("one frame", "1 frame; at least 2"),
        ("triclinic", "frame 20 has a box that is not orthorhombic"),
        ("no box", "frame 9 has no box"),
        ("gap", r"not equidistant: frame 13 is at 13\.4 ps"),
    ],
)
def test_bad_trajectories_are_refused_and_leave_no_file(tmp_path: Path, how: str, message: str, processes: int) -> None:
    trajectory, description = write_system(tmp_path, SYSTEM)
    _damage(trajectory, how)
    out = tmp_path / "out" / "reduced.h5"
    with pytest.raises(DataError, match=message) as raised:
        reduce(trajectory, description, out, (1.0, 2.0, 5.0), processes=processes)
    assert str(trajectory) in str(raised.value) and "\n" not in str(raised.value)
    assert not out.parent.exists() or not list(out.parent.iterdir())


def test_a_coordinate_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    # XTC compresses from ten sites on, and its compressed form holds no NaN
    system = SystemDescription((MoleculeCount(LITHIUM, 2), MoleculeCount(TFSI, 1)), choice(), "")
    trajectory, description = write_system(tmp_path, system)
    positions, boxes = walk(system, 30)
    positions[17, 3, 1] = np.nan
    write_xtc(trajectory, positions, boxes)
    with pytest.raises(DataError, match="frame 17 has a coordinate that is not finite"):
        reduce(trajectory, description, tmp_path / "r.h5", (1.0, 1.0, 1.0))
    assert not (tmp_path / "r.h5").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: np.zeros_like(x), "bonded sites 1 and 2"),
        (lambda x: x[:, ::-1], "bonded sites"),
        (lambda x: x[:, np.random.default_rng(1).permutation(x.shape[1])], "bonded sites"),
        (lambda x: x + 5000, "edges from the box"),
        (lambda x: x[[0, 0, 0]], "coordinates of the one before"),
    ],
)
def test_readable_frames_of_no_run_are_refused(
    tmp_path: Path, change: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    trajectory, description = write_system(tmp_path, SYSTEM)
    positions, boxes = as_read(trajectory)
    changed = change(positions)
    write_xtc(trajectory, changed, boxes[: len(changed)])
    with pytest.raises(DataError, match=rf"md\.xtc: frame \d+ .*{message}"):
        reduce(trajectory, description, tmp_path / "r.h5", (1.0, 1.0, 1.0))
    assert not (tmp_path / "r.h5").exists()


def test_a_trajectory_that_ends_before_its_run_is_refused(tmp_path: Path) -> None:
    trajectory, description = write_system(tmp_path, NEAT)
    with pytest.raises(DataError, match=r"frames to 29 ps; the run has 30 ps"):
        reduce(trajectory, description, tmp_path / "r.h5", (1.0, 1.0, 1.0), length_ps=30.0)
    reduce(trajectory, description, tmp_path / "r.h5", (1.0, 1.0, 1.0), length_ps=29.5)


def test_a_box_smaller_than_two_bins_is_refused(tmp_path: Path) -> None:
    trajectory, description = write_system(tmp_path, SYSTEM)
    with pytest.raises(DataError, match="too small"):
        reduce_trajectory(trajectory, description, told(1.0, 1.0, 1.0, 4.0, 2.0), tmp_path / "r.h5")


def test_another_file_is_no_reduced_trajectory(tmp_path: Path) -> None:
    path = tmp_path / "r.h5"

    def refusal() -> str:
        with pytest.raises(DataError) as raised, open_reduced(path, SYSTEM):
            pass
        return str(raised.value)

    assert "no such reduced trajectory" in refusal()
    path.write_text("text")
    assert "no readable HDF5 file" in refusal()
    with h5py.File(path, "w") as file:
        file.attrs["format"] = 1
    assert "of format 3 (found: 1); make it again" in refusal()
    trajectory, description = write_system(tmp_path, NEAT)
    reduce(trajectory, description, path, (1.0, 1.0, 1.0))
    assert "of 44 sites, made with another description" in refusal()


def test_pieces_join_to_the_whole(reference: tuple[Path, np.ndarray, np.ndarray]) -> None:
    with open_reduced(reference[0], SYSTEM) as reduced:
        assert isinstance(reduced, Reduced)
        names = ("motion/lithium", "motion/box")
        pieces = list(reduced.pieces(names, frames=7))
        assert [first for first, _ in pieces] == [0, 7, 14, 21, 28]
        for k, name in enumerate(names):
            np.testing.assert_array_equal(np.concatenate([arrays[k] for _, arrays in pieces]), reduced.array(name))
        np.testing.assert_array_equal(
            reduced.array("motion/lithium", slice(1, 3)), reduced.array("motion/lithium")[:, 1:3]
        )


def _put(name: str, values: np.ndarray) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        attributes = dict(file[name].attrs)
        del file[name]
        file[name] = values
        file[name].attrs.update(attributes)

    return change


def _patched(name: str, value: Any, place: Any = 0) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[name][place] = value

    return change


def _linked(link: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file["motion/lithium"]
        file["motion/lithium"] = link

    return change


def _attribute(group: str, key: str, value: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[group].attrs[key] = value

    return change


CHANGES: dict[str, tuple[str, Callable[[h5py.File], None]]] = {
    "a coordinate": ("motion/lithium", _patched("motion/lithium", 0.123)),
    "no number": ("motion/lithium", _patched("motion/lithium", np.nan)),
    "no frame": ("motion/lithium", _put("motion/lithium", np.zeros((0, 5, 3), dtype=np.float32))),
    "a scalar": ("motion/lithium", _put("motion/lithium", np.float32(1))),
    "text": ("motion/lithium", _put("motion/lithium", np.array([b"x"] * 30))),
    "frames missing": ("motion/lithium", _put("motion/lithium", np.ones((7, 5, 3), dtype=np.float32))),
    "ions missing": ("motion/lithium", _put("motion/lithium", np.ones((30, 2, 3), dtype=np.float32))),
    "whole numbers": ("motion/lithium", _put("motion/lithium", np.ones((30, 5, 3), dtype=np.int32))),
    "another file": ("motion/lithium", _linked(h5py.ExternalLink("elsewhere.h5", "/x"))),
    "a loop": ("motion/lithium", _linked(h5py.SoftLink("/motion/lithium"))),
    "a flat box": ("motion/box", _patched("motion/box", 0.0)),
    "a site beyond the system": ("motion/neighbours", _patched("motion/neighbours", 10**6)),
    "a site below the system": ("motion/neighbours", _patched("motion/neighbours", -7)),
    "a site that binds nothing": ("motion/neighbours", _patched("motion/neighbours", 1)),
    "a gap among neighbours": ("motion/neighbours", _patched("motion/neighbours", [-1, 0], np.s_[0, :, :2])),
    "no distance": ("motion/distances", _patched("motion/distances", np.nan)),
    "distances that fall": ("motion/distances", _patched("motion/distances", [0.4, 0.3], np.s_[0, :, :2])),
    "a torsion of 7": ("structure/torsions", _patched("structure/torsions", 7.0)),
    "fewer pairs than none": ("structure/pair_counts", _patched("structure/pair_counts", -1)),
    "no block volume": ("structure/block_inverse_volumes", _patched("structure/block_inverse_volumes", np.inf)),
    "no interval": ("motion/box", _attribute("motion", "interval_ps", 0.0)),
    "a negative interval": ("motion/box", _attribute("motion", "interval_ps", -1.0)),
    "an interval that is none": ("motion/box", _attribute("structure", "interval_ps", np.nan)),
    "many formats": ("motion/box", _attribute("/", "format", np.arange(3))),
}


@pytest.mark.parametrize(
    ("what", "sealed"),
    # a coordinate can be any, and a scalar cannot be sealed
    [
        (what, sealed)
        for what in CHANGES
        for sealed in (False, True)
        if not (sealed and what in ("a coordinate", "a scalar"))
    ],
)
def test_what_was_changed_is_refused(
    reference: tuple[Path, np.ndarray, np.ndarray], tmp_path: Path, what: str, sealed: bool
) -> None:
    """Whether the checksums tell, or where they were made to fit, the description of the system."""
    name, change = CHANGES[what]
    path = Path(shutil.copy(reference[0], tmp_path))
    with h5py.File(path, "r+") as file:
        change(file)
    if sealed:
        seal(path, SYSTEM)
    with pytest.raises(DataError) as raised, open_reduced(path, SYSTEM) as reduced:
        reduced.array(name)
    assert str(path) in str(raised.value) and "again" in str(raised.value) and "\n" not in str(raised.value)


def test_bytes_that_changed_are_named(reference: tuple[Path, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    path = Path(shutil.copy(reference[0], tmp_path))
    with h5py.File(path) as file:
        at = file["slow/positions"].id.get_offset() + 11
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)
    with open_reduced(path, SYSTEM) as reduced:
        reduced.array("motion/lithium")
        with pytest.raises(DataError, match="slow/positions was changed"):
            next(reduced.slow_frames())


def test_every_cut_is_refused(reference: tuple[Path, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    path, whole = tmp_path / "r.h5", reference[0].read_bytes()
    for length in np.linspace(0, len(whole) - 1, 60, dtype=int):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"r\.h5"), open_reduced(path, SYSTEM) as reduced:
            for name in ARRAYS:
                reduced.array(name)


def test_another_description_is_refused(reference: tuple[Path, np.ndarray, np.ndarray]) -> None:
    heavier = replace(SYSTEM, molecules=(SYSTEM.molecules[0], MoleculeCount(molecule("LI", "cation", ["Li"], 12.0), 5)))
    with pytest.raises(DataError, match="another description"), open_reduced(reference[0], heavier):
        pass


def test_it_says_what_it_was_made_from(tmp_path: Path) -> None:
    trajectory, description = write_system(tmp_path, NEAT)
    with h5py.File(reduce(trajectory, description, tmp_path / "r.h5", (1.0, 1.0, 1.0))) as file:
        assert file.attrs["trajectory"] == "md.xtc"
        assert file.attrs["trajectory_sha256"] == hashlib.sha256(trajectory.read_bytes()).hexdigest()
        assert file.attrs["description"] == NEAT.digest


def test_the_size_that_is_told_before_is_at_least_that_of_the_file(
    reference: tuple[Path, np.ndarray, np.ndarray],
) -> None:
    intervals = {"motion": 1.0, "structure": 2.0, "slow": 7.0}
    told = reduced_bytes(SYSTEM.n_sites, 4, 5, 29.0, intervals)
    with h5py.File(reference[0]) as file:
        arrays = [file[name] for name in ARRAYS if name in file and not name.startswith("structure/pair")]
        assert sum(data.nbytes for data in arrays) <= told < 4 * sum(data.nbytes for data in arrays)
    assert reduced_bytes(1000, 10, 50, 1e6, intervals) == pytest.approx(
        10 * reduced_bytes(1000, 10, 50, 1e5, intervals), rel=1e-3
    )
