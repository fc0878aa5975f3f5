"""Snapshots: structure files as another program reads them, paths that are known, bodies of known size and order."""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import matplotlib.image as mpl_image
import MDAnalysis as mda
import numpy as np
import pytest

from eoli.analysis.snapshots import analyse as snapshots
from eoli.analysis.snapshots import pictures as pic
from eoli.analysis.snapshots.scene import Snapshot
from eoli.errors import DataError
from eoli.forcefield.library import Library
from eoli.forcefield.models import Contents
from eoli.study.criteria import SnapshotsCriteria
from eoli.topology.build import describe
from eoli.topology.description import MoleculeCount, SystemDescription, to_json
from eoli.topology.gromos import Gromos54A7
from eoli.topology.molecule import Molecule, Site
from eoli.trajectory.reader import spanning_tree
from eoli.trajectory.store import open_reduced
from support import choice, reduced_file

CUTOFFS = {"ether_O": 0.3, "carbonyl_O": 0.3, "anion": 0.3}
SLOW, MOTION = 20.0, 4.0
FRAMES = 9
Make = Callable[..., SystemDescription]


@pytest.fixture
def make(blocks: Library, forcefield: Gromos54A7) -> Make:
    def system(polymer: str = "pebax", salt: int = 3) -> SystemDescription:
        return describe(Contents.of(polymer, 3, "litfsi" if salt else "none", salt), choice(), blocks, forcefield)

    return system


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "_PIXELS", 150)


def grown(system: SystemDescription, rng: np.random.Generator, edge: float) -> np.ndarray:
    """Molecules whose bonds are all 0.15 nm long, each starting anywhere in the box, not wrapped."""
    parts = []
    for entry in system.molecules:
        size = len(entry.molecule.sites)
        bonds = np.array([term.sites for term in entry.molecule.bonds], dtype=np.int64).reshape(-1, 2)
        parents, children = spanning_tree(size, bonds)
        for _ in range(entry.count):
            positions = np.empty((size, 3))
            positions[0] = rng.uniform(0, edge, 3)
            for parent, child in zip(parents, children, strict=True):
                step = rng.normal(size=3)
                positions[child] = positions[parent] + 0.15 * step / np.linalg.norm(step)
            parts.append(positions)
    return np.concatenate(parts)


def boxes(n: int, interval: float) -> np.ndarray:
    """Edges that breathe by 2 %."""
    return np.array([3.0, 3.2, 3.4]) * (1 + 0.02 * np.sin(np.arange(n) * interval / 30))[:, None]


def write(folder: Path, system: SystemDescription, frames: int = FRAMES) -> tuple[Path, Path, np.ndarray]:
    """Files of a run in which lithium 2 walks 0.1 nm along x in each frame of motion; and the steps of all lithium."""
    rng = np.random.default_rng(3)
    n_motion = round((frames - 1) * SLOW / MOTION) + 1
    motion_box, slow_box = boxes(n_motion, MOTION), boxes(frames, SLOW)
    lithium = system.with_role("Li")
    steps = rng.normal(0, 0.01, (n_motion, len(lithium), 3))
    steps[:, 1:2, 0] += 0.1
    wrapped = np.empty_like(steps)
    first = grown(system, rng, 3.0)
    wrapped[0] = first[lithium] % motion_box[0]
    for k in range(1, n_motion):
        wrapped[k] = (wrapped[k - 1] + steps[k]) % motion_box[k]
    positions = np.array([first % box for box in slow_box])
    positions[:, lithium] = wrapped[:: round(SLOW / MOTION)]
    intervals = {"motion": MOTION, "structure": SLOW, "slow": SLOW}
    with reduced_file(folder / "reduced.h5", system, (frames - 1) * SLOW, intervals) as file:
        file["motion"].attrs["frames"], file["slow"].attrs["frames"] = n_motion, frames
        arrays = {"motion/box": motion_box, "slow/box": slow_box, "slow/positions": positions}
        if len(lithium):
            arrays["motion/lithium"] = wrapped
        for name, values in arrays.items():
            file[name] = values.astype(np.float32)
    (folder / "system.json").write_text(to_json(system))
    return folder / "reduced.h5", folder / "system.json", steps


def read_pdb(path: Path) -> mda.Universe:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mda.Universe(str(path), to_guess=())


def analyse(folder: Path, system: SystemDescription) -> list[Path]:
    reduced, description, _ = write(folder, system)
    criteria = SnapshotsCriteria(system="a system q0.80", contact_nm=CUTOFFS)
    files = files_in(folder)
    snapshots.analyse_snapshots(reduced, description, criteria, *files)
    return files


def files_in(folder: Path) -> list[Path]:
    return [
        folder / "out" / f"s-q0.80{end}" for end in ("-start.pdb", "-middle.pdb", "-end.pdb", ".png", "-scene.json")
    ]


def test_files_of_a_system_as_mdanalysis_reads_them(tmp_path: Path, make: Make) -> None:
    system = make()
    files = analyse(tmp_path, system)
    assert sorted(files) == sorted((tmp_path / "out").iterdir())
    sites = [site for entry in system.molecules for _ in range(entry.count) for site in entry.molecule.sites]
    bonds = system.bonds()
    for path, frame in zip(files[:3], (0, 4, 8), strict=True):
        atoms = read_pdb(path).atoms
        box = boxes(FRAMES, SLOW)[frame]
        assert atoms.names.tolist() == [site.name for site in sites]
        assert atoms.resnames.tolist() == [site.residue for site in sites]
        assert set(atoms.elements) == {"C", "O", "N", "H", "Li", "S", "F"}
        assert atoms.elements[atoms.names == "LI"].tolist() == ["Li"] * 3
        assert atoms.chainIDs.tolist() == ["P"] * 3 * 131 + ["C"] * 3 + ["A"] * 3 * 15
        assert len(set(zip(atoms.chainIDs, atoms.resids, strict=True))) == 3 * 32 + 6
        np.testing.assert_allclose(atoms.dimensions, [*(10 * box), 90, 90, 90], atol=1e-3)
        with open_reduced(tmp_path / "reduced.h5", system) as reduced:
            wrapped = reduced.array("slow/positions")[frame]
        found = atoms.positions / 10
        offsets = (found - wrapped) / box
        np.testing.assert_allclose(offsets * box, np.round(offsets) * box, atol=1e-3)
        lengths = np.linalg.norm(found[bonds[:, 0]] - found[bonds[:, 1]], axis=1)
        assert lengths.max() < 0.3
    wrapped_lengths = np.linalg.norm(wrapped[bonds[:, 0]] - wrapped[bonds[:, 1]], axis=1)
    assert wrapped_lengths.max() > 2


def test_whole_molecules_are_the_grown_ones_around_the_box(make: Make) -> None:
    system = make()
    box = np.array([1.1, 1.3, 1.2])
    known = grown(system, np.random.default_rng(7), 1.2)
    found = pic.whole_molecules(system, known % box, box)
    for kind in ("polymer", "anion", "cation"):
        ((_, molecules),) = system.types_of(kind)
        shapes = [x[molecules] - x[molecules[:, :1]] for x in (found, known)]
        np.testing.assert_allclose(*shapes, atol=1e-9)
        masses = system.masses()[molecules[0]]
        centres = np.einsum("s,msk->mk", masses, found[molecules]) / masses.sum()
        assert (centres >= 0).all() and (centres < box).all()
    # a chain of 131 sites is longer than half of this box
    assert np.ptp(known[system.molecules_of("polymer")[0]], axis=0).max() > box.max() / 2


def ions(n: int) -> SystemDescription:
    site = Site("LI", "LI+", 1.0, 6.941, "LI", 1, "LI", "Li", None, "t")
    return SystemDescription((MoleculeCount(Molecule("LI", "cation", 1, (site,), (), (), (), ()), n),), choice(), "")


def test_numbers_wrap_and_columns_stay(tmp_path: Path) -> None:
    n = 100_050
    positions = np.random.default_rng(1).uniform(-5, 40, (n, 3))
    (tmp_path / "many.pdb").write_text(pic.pdb_text(ions(n), positions, np.full(3, 40.0), "many"))
    lines = (tmp_path / "many.pdb").read_text().splitlines()[2:-1]
    assert {len(line) for line in lines} == {78}
    assert lines[99_999][:27] == "HETATM    0 LI   LI  C   0 "
    atoms = read_pdb(tmp_path / "many.pdb").atoms
    np.testing.assert_allclose(atoms.positions / 10, positions, atol=1e-4)
    assert atoms.n_residues == n


@pytest.mark.parametrize("value", [-100.0, 1000.0, np.nan])
def test_a_coordinate_without_room_is_refused(value: float) -> None:
    with pytest.raises(DataError, match="a box: a coordinate does not fit"):
        pic.pdb_text(ions(1), np.array([[0, value, 0]]), np.ones(3), "a box")


def test_the_followed_path_is_continuous_across_the_boundary(tmp_path: Path, make: Make) -> None:
    system = make()
    reduced, _, steps = write(tmp_path, system)
    with open_reduced(reduced, system) as opened:
        found = snapshots.read_snapshots(opened)
        follow = snapshots.read_farthest_lithium(opened, system, found)
    assert follow is not None
    assert [snapshot.time_ps for snapshot in found] == [0, 80, 160]
    assert follow.number == 1 and follow.site == system.with_role("Li")[1]
    known = steps[:, 1].cumsum(axis=0) - steps[0, 1]
    np.testing.assert_allclose(follow.path - follow.path[0], known, atol=1e-5)
    assert np.ptp(follow.path[:, 0]) > 1.1 * found[0].box[0]
    assert follow.until.tolist() == [1, 21, 41]

    shifted, moved = snapshots.centred_on_path(found, follow)
    middle = (moved.path.min(axis=0) + moved.path.max(axis=0)) / 2
    np.testing.assert_allclose(middle, found[0].box / 2)
    np.testing.assert_allclose(np.diff(moved.path, axis=0), np.diff(follow.path, axis=0))
    for before, after, until in zip(found, shifted, follow.until, strict=True):
        np.testing.assert_allclose(after.positions[follow.site], moved.path[until - 1])
        shift = after.positions - before.positions
        np.testing.assert_allclose(shift, np.broadcast_to(shift[0], shift.shape), atol=1e-9)


def test_long_paths_are_thinned_but_keep_the_snapshots(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = make()
    reduced, _, _ = write(tmp_path, system)
    monkeypatch.setattr(snapshots, "_PATH_POINTS", 5)
    with open_reduced(reduced, system) as opened:
        found = snapshots.read_snapshots(opened)
        follow = snapshots.read_farthest_lithium(opened, system, found)
    assert follow is not None
    assert follow.times_ps.tolist() == [0, 32, 64, 80, 96, 128, 160]
    assert follow.times_ps[follow.until - 1].tolist() == [0, 80, 160]


def test_bound_sites_by_kind_and_across_the_boundary(make: Make) -> None:
    system = make()
    box = np.full(3, 4.0)
    positions = np.full((system.n_sites, 3), 2.0)
    lithium = int(system.with_role("Li")[0])
    positions[lithium] = 0.05
    ether, amide, bridge, oxygen, carbon = (
        system.with_role(role)[0] for role in ("ether_O", "amide_O", "ester_bridging_O", "anion_O", None)
    )
    for site, distance in ((ether, 0.29), (amide, 0.31), (bridge, 0.2), (oxygen, 0.25), (carbon, 0.2)):
        positions[site] = [3.999 if site == ether else 0.05, 0.05, 0.05]
        positions[site, 1] = (0.05 + np.sqrt(distance**2 - 0.051**2 * (site == ether))) % 4
    snapshot = Snapshot(0.0, positions, box)
    assert set(snapshots.bound_sites(system, snapshot, lithium, CUTOFFS)) == {ether, oxygen}
    assert set(snapshots.bound_sites(system, snapshot, lithium, {**CUTOFFS, "carbonyl_O": 0.32})) == {
        ether,
        amide,
        oxygen,
    }


def view(half: float = 1.0, pixels: int = 200) -> pic.View:
    return pic.View(np.zeros(3), np.eye(3), half, pixels, half, half, fade=0.0)


def test_bodies_cover_what_geometry_says() -> None:
    pixel = (2 / 200) ** 2
    sphere = pic.render(pic.spheres(np.zeros((1, 3)), 0.4, [1, 0, 0]), view())
    assert sphere[..., 3].sum() * pixel == pytest.approx(np.pi * 0.4**2, rel=0.01)
    across = pic.Bodies(np.array([[-0.5, 0, 0]]), np.array([[0.5, 0, 0]]), np.array([0.1]), np.array([[1.0, 0, 0]]))
    assert pic.render(across, view())[..., 3].sum() * pixel == pytest.approx(0.2, rel=0.02)
    # at 60 degrees to the screen its front half is half as long
    ends = 0.5 * np.array([[0.5, 0, np.sqrt(0.75)]])
    leaning = pic.render(pic.Bodies(-ends, ends, np.array([0.1]), np.array([[1.0, 0, 0]])), view())
    assert leaning[..., 3].sum() * pixel == pytest.approx(0.1, rel=0.03)
    # up is up, right is right
    right_top = pic.render(pic.spheres(np.array([[0.5, 0.5, 0]]), 0.2, [1, 0, 0]), view())[..., 3]
    assert right_top[:100, 100:].sum() == right_top.sum() > 0


def test_the_body_in_front_hides_the_others_and_depth_pales() -> None:
    centres = np.array([[0, 0, 0.5], [0, 0, -0.5]])
    red_in_front = pic.render(pic.spheres(centres, 0.3, [[1, 0, 0], [0, 0, 1]]), view())
    covered = red_in_front[..., 3] == 1
    assert (red_in_front[covered, 0] > red_in_front[covered, 2]).all()
    turned = pic.View(np.zeros(3), pic.rotation(180, 0), 1.0, 200, 1.0, 1.0, fade=0.0)
    blue_in_front = pic.render(pic.spheres(centres, 0.3, [[1, 0, 0], [0, 0, 1]]), turned)
    assert (blue_in_front[covered, 2] > blue_in_front[covered, 0]).all()
    fading = pic.View(np.zeros(3), np.eye(3), 1, 200, 1, 1)
    bodies = [pic.spheres(np.array([[0, 0, z]]), 0.2, [1, 0, 0]) for z in (0.7, 0, -0.7)]
    pale = [pic.render(body, fading)[100, 100, 1] for body in bodies]
    assert pale[0] < pale[1] < pale[2] < 1


def test_on_top_lies_over_with_a_halo() -> None:
    below = pic.render(pic.spheres(np.zeros((1, 3)), 0.9, [0, 0, 1]), view())
    above = pic.render(pic.spheres(np.zeros((1, 3)), 0.2, [1, 0, 0]), view())
    both = pic.on_top(below, above, 4)
    inside = above[..., 3] == 1
    np.testing.assert_allclose(both[inside], above[inside], atol=1e-6)
    assert both[100, 100 + 20 + 3, :3].min() > 0.7
    far = np.hypot(*(np.indices((200, 200)) - 99.5)) > 30
    np.testing.assert_allclose(both[far], below[far], atol=1e-6)


def share(picture: np.ndarray, colour: str) -> float:
    """Share of the pixels with nearly the hue of a colour, and strong."""
    wanted = pic.rgb(colour) - pic.rgb(colour).mean()
    found = picture[..., :3] - picture[..., :3].mean(axis=-1, keepdims=True)
    size = np.linalg.norm(found, axis=-1)
    return float(((found @ wanted > 0.97 * size * np.linalg.norm(wanted)) & (size > 0.15)).mean())


@pytest.mark.parametrize(("polymer", "salt", "absent"), [("pebax", 3, ""), ("peo", 0, "PA Li"), ("pebax", 0, "Li")])
def test_colours_tell_what_the_system_has(tmp_path: Path, make: Make, polymer: str, salt: int, absent: str) -> None:
    files = analyse(tmp_path, make(polymer, salt))
    picture = mpl_image.imread(files[3])
    # one row of panels, or two with a gap; above them 0.45, below them 0.5 inch
    assert picture.shape[:2] == (135 + (375 if salt else 150) + 150, 450)
    panel = round(0.45 * 300)
    shares = {name: share(picture[panel : panel + 150], pic.STYLES[name].colour) for name in ("PEO", "PA", "Li")}
    for name, found in shares.items():
        assert (found < 1e-4) if name in absent.split() else (found > 1e-3), shares
    assert len(read_pdb(files[0]).atoms) == make(polymer, salt).n_sites


def test_bonds_across_the_boundary_are_not_drawn(make: Make) -> None:
    system, box = make(), np.full(3, 2.0)
    positions = grown(system, np.random.default_rng(2), 2.0) % box
    everything = np.ones(system.n_sites, dtype=bool)
    bodies = pic.matter(system, positions, box, everything)
    lengths = np.linalg.norm(bodies.ends - bodies.starts, axis=1)
    assert lengths.max() < 0.0751
    lengths_of_bonds = np.linalg.norm(np.subtract(*positions[system.bonds()].swapaxes(0, 1)), axis=1)
    assert (lengths > 0).sum() == 2 * (lengths_of_bonds < 0.2).sum() < 2 * len(system.bonds())
    peo = pic.groups_of_sites(system) == "PEO"
    assert np.unique(pic.matter(system, positions, box, peo).colours, axis=0).tolist() == [
        pic.rgb(pic.STYLES["PEO"].colour).tolist()
    ]


@pytest.mark.parametrize(("time", "length", "text"), [(7.5, 15, "7.5 ps"), (0, 10_000, "0 ns"), (5000, 10_000, "5 ns")])
def test_time_label(time: float, length: float, text: str) -> None:
    assert snapshots.time_label(time, length) == text


def test_the_scene_shows_the_lithium_at_the_end_of_its_path_with_what_binds_it(tmp_path: Path, make: Make) -> None:
    system = make()
    data = json.loads(analyse(tmp_path, system)[-1].read_text())
    assert [frame["label"] for frame in data["frames"]] == ["start, 0 ps", "middle, 80 ps", "end, 160 ps"]
    lithium = data["lithium"]
    assert (lithium["number"], lithium["total"], lithium["until"]) == (2, 3, [1, 21, 41])
    path = np.array(lithium["path_nm"])
    np.testing.assert_allclose(
        (path.min(axis=0) + path.max(axis=0)) / 2, np.array(data["frames"][0]["box_nm"]) / 2, atol=1e-4
    )
    assert np.abs(np.diff(path, axis=0)).max() < 0.2
    with open_reduced(tmp_path / "reduced.h5", system) as reduced:
        known = snapshots.read_snapshots(reduced)
    for frame, until, partners, snapshot in zip(
        data["frames"], lithium["until"], lithium["partners"], known, strict=True
    ):
        box = np.array(frame["box_nm"])
        steps = np.frombuffer(base64.b64decode(frame["positions"]), dtype="<u2").reshape(-1, 3)
        vectors = steps / 65536 * box - path[until - 1]
        vectors -= box * np.round(vectors / box)
        # the lithium where its path has come to, everything else around it as in the trajectory
        np.testing.assert_allclose(vectors[lithium["site"]], 0, atol=3e-4)
        from_lithium = snapshots.from_site(snapshot, lithium["site"])
        inside = (np.abs(from_lithium) < 0.49 * box).all(axis=1)
        np.testing.assert_allclose(vectors[inside], from_lithium[inside], atol=3e-4)
        bound = snapshots.bound_sites(system, snapshot, lithium["site"], CUTOFFS)
        assert partners == bound.tolist()


def test_the_same_data_gives_the_same_bytes(tmp_path: Path, make: Make) -> None:
    first = [path.read_bytes() for path in analyse(tmp_path, make())]
    assert first == [path.read_bytes() for path in analyse(tmp_path, make())]


def test_nothing_is_left_behind_on_an_error(tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise DataError("no picture")

    monkeypatch.setattr(snapshots, "draw", fail)
    with pytest.raises(DataError, match="no picture"):
        analyse(tmp_path, make())
    assert list((tmp_path / "out").iterdir()) == []


def test_too_few_frames_or_another_system(tmp_path: Path, make: Make) -> None:
    reduced, description, _ = write(tmp_path, make(), frames=2)
    with pytest.raises(DataError, match=r"reduced\.h5: 2 frames of all sites"):
        snapshots.analyse_snapshots(
            reduced, description, SnapshotsCriteria(system="s", contact_nm=CUTOFFS), *files_in(tmp_path)
        )
    description.write_text(to_json(make("peo")))
    with pytest.raises(DataError, match=r"reduced\.h5: of"):
        snapshots.analyse_snapshots(
            reduced, description, SnapshotsCriteria(system="s", contact_nm=CUTOFFS), *files_in(tmp_path)
        )
    assert not (tmp_path / "out").exists()
