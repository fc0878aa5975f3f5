"""Trajectories: checked on opening, read frame by frame; and the spanning trees that make molecules whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eoli.core.arrays import Floats, Indices, Singles
from eoli.errors import DataError
from eoli.topology.description import SystemDescription
from eoli.topology.molecule import neighbours_of

if TYPE_CHECKING:
    from MDAnalysis.lib.formats.libmdaxdr import XTCFile

_INTERVAL_TOLERANCE = 0.01


@dataclass(frozen=True)
class Trajectory:
    """A checked XTC file; frame `i` is at `i * frame_interval_ps`, whatever single-precision time the file holds.

    `offsets` (n_frames,) are the byte positions of the frames. They are found once, since the search takes a hundredth
    of the decoding time, in every process and for every jump.
    """

    path: Path
    n_sites: int
    frame_interval_ps: float
    offsets: Indices

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.offsets)

    @property
    def length_ps(self) -> float:
        """Time from the first frame to the last, ps."""
        return (self.n_frames - 1) * self.frame_interval_ps


def misplaced(indices: Indices, times: Floats, first_time: float, interval_ps: float) -> Indices:
    """Rows of the frames `indices` (F,) whose `times` (F,), ps, are not those of equidistant frames."""
    # The file holds single-precision times: late in a run their rounding alone exceeds 1 % of a short interval.
    rounding = np.spacing(np.abs(times).astype(np.float32)) + np.spacing(np.float32(abs(first_time)))
    expected = first_time + indices * interval_ps
    return np.flatnonzero(~(np.abs(times - expected) <= _INTERVAL_TOLERANCE * interval_ps + rounding))


def _check_times(path: Path, indices: Indices, times: Floats, first_time: float, interval_ps: float) -> None:
    off = misplaced(indices, times, first_time, interval_ps)
    if len(off):
        raise DataError(
            f"{path}: frames are not equidistant: frame {indices[off[0]]} is at {times[off[0]]:g} ps, "
            f"not at {first_time + indices[off[0]] * interval_ps:g} ps (frame interval {interval_ps:g} ps)"
        )


def _open(path: Path) -> XTCFile:
    # slow to import, and most analyses want only what else is here
    from MDAnalysis.lib.formats.libmdaxdr import XTCFile

    return XTCFile(str(path))


def open_trajectory(path: Path, n_sites: int, frame_interval_ps: float, length_ps: float | None = None) -> Trajectory:
    """Check an XTC file: readable from first to last frame, `n_sites` sites, frames `frame_interval_ps` apart.

    `length_ps` is the length of the run, if known. Raises DataError, one line that names the file, if it is missing,
    unreadable or truncated, has another number of sites, fewer than two frames, fewer than the length requires, or
    times that deviate from the spacing by more than 1 % of the interval (beyond single-precision rounding).
    """
    if not path.is_file():
        raise DataError(f"{path}: no such trajectory")
    try:
        with _open(path) as file:
            offsets, found = file.offsets, int(file.n_atoms)
            n_frames = len(offsets)
            if found != n_sites:
                raise DataError(f"{path}: {found} sites; the system has {n_sites}")
            if n_frames < 2:
                raise DataError(f"{path}: {n_frames} frame; at least 2 are needed")
            indices, times = np.array([0, 1, n_frames - 1]), np.empty(3)
            for row, index in enumerate(indices):
                file.seek(int(index))
                times[row] = file.read().time
    except OSError as error:
        raise DataError(f"{path}: no readable XTC, or truncated: {error}") from error
    _check_times(path, indices, times, times[0], frame_interval_ps)
    trajectory = Trajectory(path, n_sites, frame_interval_ps, offsets)
    # if the length is no multiple of the interval, the last frame comes before the end
    if length_ps is not None and trajectory.length_ps <= length_ps - frame_interval_ps * (1 - _INTERVAL_TOLERANCE):
        raise DataError(f"{path}: frames to {trajectory.length_ps:g} ps; the run has {length_ps:g} ps")
    return trajectory


def stride_of(frame_interval_ps: float, use_interval_ps: float) -> int:
    """Frames from one used frame to the next: the nearest whole number, at least one."""
    return max(1, round(use_interval_ps / frame_interval_ps))


def _orthorhombic(path: Path, indices: Indices, boxes: Singles) -> Floats:
    """Edges (frames, 3) of box matrices (frames, 3, 3)."""
    edges = np.diagonal(boxes, axis1=1, axis2=2).astype(np.float64)
    missing = ~np.isfinite(boxes).all(axis=(1, 2)) | (edges <= 0).any(axis=1)
    if missing.any():
        raise DataError(f"{path}: frame {indices[missing][0]} has no box")
    skew = np.abs(boxes * (1 - np.eye(3))).max(axis=(1, 2)) > 1e-5 * edges.min(axis=1)
    if skew.any():
        raise DataError(f"{path}: frame {indices[skew][0]} has a box that is not orthorhombic")
    return edges


def chunks(trajectory: Trajectory, indices: Indices, size: int = 64) -> Iterator[tuple[Indices, Singles, Floats]]:
    """Increasing frames `indices` as (at most `size` of them, positions nm (n, n_sites, 3), box edges nm (n, 3)).

    Frames between them are not decoded. Positions are as in the file, and valid until the next chunk. Raises DataError
    at a frame that is unreadable, has a non-finite coordinate or a box that is not orthorhombic, or is not at its time.
    """
    path = trajectory.path
    positions = np.empty((min(size, len(indices)), trajectory.n_sites, 3), dtype=np.float32)
    boxes, times = np.empty((len(positions), 3, 3), dtype=np.float32), np.empty(len(positions))
    try:
        with _open(path) as file:
            file.set_offsets(trajectory.offsets)
            first_time, at = float(file.read().time), 1
            for start in range(0, len(indices), size):
                chunk = indices[start : start + size]
                n = len(chunk)
                for row, index in enumerate(chunk.tolist()):
                    if index != at:
                        file.seek(index)
                    frame = file.read_direct_x(positions[row])
                    boxes[row], times[row], at = frame.box, frame.time, index + 1
                _check_times(path, chunk, times[:n], first_time, trajectory.frame_interval_ps)
                if not np.isfinite(positions[:n]).all():
                    finite = np.isfinite(positions[:n]).all(axis=(1, 2))
                    raise DataError(f"{path}: frame {chunk[~finite][0]} has a coordinate that is not finite")
                yield chunk, positions[:n], _orthorhombic(path, chunk, boxes[:n])
    except (OSError, StopIteration) as error:
        raise DataError(f"{path}: no readable XTC, or truncated: {error}") from error


def frames(trajectory: Trajectory, stride: int = 1) -> Iterator[tuple[int, Floats, Floats]]:
    """Every `stride`-th frame as (index in the file, positions nm (n_sites, 3), box edges nm (3,)).

    Raises DataError as `chunks` does.
    """
    for indices, positions, boxes in chunks(trajectory, np.arange(0, trajectory.n_frames, stride), 1):
        yield int(indices[0]), positions[0].astype(np.float64), boxes[0]


def spanning_tree(n_sites: int, bonds: Indices) -> tuple[Indices, Indices]:
    """Parents and children, one pair per edge, in the order of a walk from site 0.

    Raises DataError if the bonds do not connect all sites.
    """
    neighbours = neighbours_of(n_sites, bonds.tolist())
    order, parent = [0], {0: -1}
    for site in order:
        for other in neighbours[site]:
            if other not in parent:
                parent[other] = site
                order.append(other)
    if len(order) != n_sites:
        raise DataError(f"the bonds connect {len(order)} of {n_sites} sites of a molecule")
    return np.array([parent[c] for c in order[1:]], dtype=np.int64), np.array(order[1:], dtype=np.int64)


def make_whole(system: SystemDescription, positions_nm: Floats, edges_nm: Floats) -> Floats:
    """Positions (n_sites, 3) with every molecule in one piece, its first site in place; edges (3,) of the box.

    Every bond becomes its minimum image. Raises DataError where the bonds of a molecule do not connect its sites.
    """
    whole = np.array(positions_nm, dtype=np.float64)
    for molecule, sites in system.parts():
        for parent, child in zip(*spanning_tree(len(molecule.sites), molecule.links), strict=True):
            step = whole[sites[:, child]] - whole[sites[:, parent]]
            whole[sites[:, child]] = whole[sites[:, parent]] + step - edges_nm * np.round(step / edges_nm)
    return whole


def masses_beyond(parents: Indices, children: Indices, masses: Floats) -> Floats:
    """Mass beyond each edge of a spanning tree, shape (edges,).

    The centre of mass is the root's position plus the sum over the edges of (mass beyond the edge / total mass) * bond
    vector.
    """
    beyond = masses.astype(np.float64).copy()
    for child, parent in zip(children[::-1], parents[::-1], strict=True):
        beyond[parent] += beyond[child]
    return np.asarray(beyond[children])
