"""Reading and unwrapping, against paths that are known before they are wrapped and written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from eoli.errors import DataError
from eoli.trajectory import kernels
from eoli.trajectory.reader import Trajectory, frames, masses_beyond, open_trajectory, spanning_tree, stride_of
from eoli.trajectory.unwrap import unwrap

XTC_STEP = 1e-4  # a precision of 10 000


def read(trajectory: Trajectory, stride: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Positions (frames, sites, 3) and box edges (frames, 3)."""
    used = list(frames(trajectory, stride))
    return np.array([positions for _, positions, _ in used]), np.array([box for _, _, box in used])


def unwrapped_positions(trajectory: Trajectory, picked: np.ndarray, stride: int = 1) -> np.ndarray:
    positions, boxes = read(trajectory, stride)
    return unwrap(positions[:, picked], boxes)


def unwrapped_centres_of_mass(
    trajectory: Trajectory, molecules: np.ndarray, bonds: np.ndarray, masses: np.ndarray
) -> np.ndarray:
    parents, children = spanning_tree(molecules.shape[1], bonds)
    weights = masses_beyond(parents, children, masses) / masses.sum()
    positions, boxes = (values.astype(np.float32) for values in read(trajectory))
    of = kernels.centres_of_mass(positions, boxes, molecules, parents, children, weights.astype(np.float32))
    return unwrap(of, boxes)


def write_xtc(path: Path, positions: np.ndarray, boxes: np.ndarray, interval_ps: float, start_ps: float = 0.0) -> Path:
    with XTCFile(str(path), "w") as file:
        for k, (frame, box) in enumerate(zip(positions, boxes, strict=True)):
            matrix = np.diag(box) if np.ndim(box) == 1 else box
            file.write(frame.astype(np.float32), matrix.astype(np.float32), k, start_ps + k * interval_ps, 10_000)
    return path


def still(path: Path, n_frames: int = 4, n_sites: int = 12, interval_ps: float = 0.1) -> Path:
    positions = np.random.default_rng(1).random((1, n_sites, 3)).repeat(n_frames, axis=0)
    return write_xtc(path, positions, np.ones((n_frames, 3)), interval_ps)


def test_frames_come_with_index_positions_and_box(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    positions, boxes = rng.random((7, 15, 3)), 2 + rng.random((7, 3))
    trajectory = open_trajectory(write_xtc(tmp_path / "a.xtc", positions, boxes, 0.1), 15, 0.1)
    assert (trajectory.n_frames, trajectory.n_sites, trajectory.length_ps) == (7, 15, pytest.approx(0.6))
    for stride in (1, 3):
        read = list(frames(trajectory, stride))
        assert [index for index, _, _ in read] == list(range(0, 7, stride))
        for index, found, box in read:
            np.testing.assert_allclose(found, positions[index], atol=XTC_STEP)
            np.testing.assert_allclose(box, boxes[index], atol=1e-6)


def _truncated(path: Path) -> Path:
    still(path)
    path.write_bytes(path.read_bytes()[:-40])
    return path


def _text(path: Path) -> Path:
    path.write_text("not a trajectory\n" * 20)
    return path


def _empty(path: Path) -> Path:
    path.write_bytes(b"")
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path, "no such trajectory"),
        (_truncated, "truncated"),
        (_text, "no readable XTC"),
        (_empty, "no readable XTC"),
        (lambda path: still(path, n_sites=11), "11 sites; the system has 12"),
        (lambda path: still(path, n_frames=1), "at least 2"),
        (lambda path: still(path, interval_ps=0.2), "not equidistant"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    path = make(tmp_path / "bad.xtc")
    with pytest.raises(DataError, match=message) as raised:
        open_trajectory(path, 12, 0.1)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_gap_in_the_middle_is_found(tmp_path: Path) -> None:
    path = tmp_path / "gap.xtc"
    with XTCFile(str(path), "w") as file:
        for k, time in enumerate((0.0, 0.1, 0.25, 0.3)):
            file.write(np.zeros((3, 3), np.float32), np.eye(3, dtype=np.float32), k, time)
    trajectory = open_trajectory(path, 3, 0.1)
    with pytest.raises(DataError, match=r"frame 2 is at 0\.25 ps"):
        list(frames(trajectory))


def test_single_precision_times_late_in_a_run_pass(tmp_path: Path) -> None:
    boxes = np.ones((6, 3))
    path = write_xtc(tmp_path / "late.xtc", np.zeros((6, 3, 3)), boxes, 0.1, start_ps=80_000.0)
    assert len(list(frames(open_trajectory(path, 3, 0.1)))) == 6


def test_a_coordinate_that_is_not_finite_is_found(tmp_path: Path) -> None:
    positions = np.zeros((4, 5, 3))
    positions[2, 3, 1] = np.nan
    trajectory = open_trajectory(write_xtc(tmp_path / "nan.xtc", positions, np.ones((4, 3)), 1.0), 5, 1.0)
    with pytest.raises(DataError, match="frame 2 has a coordinate"):
        unwrapped_positions(trajectory, np.arange(2))


def test_a_box_that_is_not_orthorhombic_is_found(tmp_path: Path) -> None:
    box = np.array([[3.0, 0, 0], [0, 3, 0], [1.5, 1.5, 2.1]])
    path = write_xtc(tmp_path / "tric.xtc", np.zeros((3, 5, 3)), np.array([box] * 3), 1.0)
    with pytest.raises(DataError, match="not orthorhombic"):
        list(frames(open_trajectory(path, 5, 1.0)))


def test_stride_is_the_nearest_whole_number_of_frames() -> None:
    assert [stride_of(0.1, use) for use in (1.0, 0.1, 0.04, 0.26)] == [10, 1, 1, 3]


def test_paths_across_the_boundary_are_recovered(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    paths = 1.0 + np.cumsum(rng.normal(0, 0.15, (200, 20, 3)), axis=0)
    assert np.abs(paths).max() > 4
    trajectory = open_trajectory(write_xtc(tmp_path / "w.xtc", paths % 2.0, np.full((200, 3), 2.0), 1.0), 20, 1.0)
    picked = np.array([4, 7, 19])
    found = unwrapped_positions(trajectory, picked)
    np.testing.assert_allclose(found - found[0], (paths - paths[0])[:, picked], atol=3e-3)
    strided = unwrapped_positions(trajectory, picked, 2)
    np.testing.assert_allclose(strided, found[::2], atol=1e-9)


def test_a_breathing_box_adds_no_motion(tmp_path: Path) -> None:
    """A particle far out in lattice images would jump with the box; here each step is that of the wrapped particle."""
    rng = np.random.default_rng(4)
    n, edges = 3000, 2.0 + 0.05 * rng.normal(size=3000)
    paths = np.empty((n, 10, 3))
    wrapped = np.empty_like(paths)
    paths[0] = wrapped[0] = rng.random((10, 3))
    for k in range(1, n):
        step = rng.normal(0, 0.1, (10, 3))
        paths[k] = paths[k - 1] + step
        wrapped[k] = (wrapped[k - 1] + step) % edges[k]
    boxes = np.repeat(edges[:, None], 3, axis=1)
    trajectory = open_trajectory(write_xtc(tmp_path / "npt.xtc", wrapped, boxes, 1.0), 10, 1.0)
    found = np.diff(unwrapped_positions(trajectory, np.arange(10)), axis=0)
    # No particle that stays inside moves otherwise; one that the box passes by moves at most by the box's change.
    assert np.abs(found - np.diff(paths, axis=0)).max() < 2 * np.ptp(edges)
    assert found.var() == pytest.approx(0.1**2, rel=0.1)


def _chain_paths(rng: np.random.Generator, n_frames: int, chains: int, sites: int) -> np.ndarray:
    """Zigzag chains, longer than half the box, that turn about nothing and drift."""
    shape = np.array([[0.12 * k, 0.05 * (k % 2), 0.0] for k in range(sites)])
    drift = np.cumsum(rng.normal(0, 0.1, (n_frames, chains, 1, 3)), axis=0)
    wobble = rng.normal(0, 0.01, (n_frames, chains, sites, 3))
    return rng.random((1, chains, 1, 3)) * 2 + shape + drift + wobble


def test_centres_of_mass_of_molecules_broken_in_the_first_frame(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    paths = _chain_paths(rng, 60, 3, 14)
    masses = rng.uniform(1, 20, 14)
    molecules = np.arange(42).reshape(3, 14)
    bonds = np.array([(k, k + 1) for k in range(13)] + [(0, 2)])
    wrapped = (paths % 2.0).reshape(60, 42, 3)
    assert (np.ptp(wrapped[0].reshape(3, 14, 3), axis=1).max(axis=1) > 1.8).all()
    trajectory = open_trajectory(write_xtc(tmp_path / "m.xtc", wrapped, np.full((60, 3), 2.0), 1.0), 42, 1.0)
    found = unwrapped_centres_of_mass(trajectory, molecules, bonds, masses)
    expected = np.einsum("fmsk,s->fmk", paths, masses) / masses.sum()
    np.testing.assert_allclose(found - found[0], expected - expected[0], atol=1e-3)
    np.testing.assert_allclose((found - expected) / 2, np.round((found - expected) / 2), atol=1e-3)


def test_bonds_that_leave_a_site_out_are_refused(tmp_path: Path) -> None:
    trajectory = open_trajectory(still(tmp_path / "a.xtc"), 12, 0.1)
    with pytest.raises(DataError, match="2 of 3 sites"):
        unwrapped_centres_of_mass(trajectory, np.arange(12).reshape(4, 3), np.array([(0, 1)]), np.ones(3))
