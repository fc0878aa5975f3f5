"""Trajectories: checked on opening, read frame by frame, unwrapped in time without the errors of a changing box."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from eoli.errors import DataError

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Points = Callable[[Floats, Floats], Floats]
"""Points of a frame, nm, shape (points, 3), from its positions (n_sites, 3) and box edges (3,)."""

_INTERVAL_TOLERANCE = 0.01


@dataclass(frozen=True)
class Trajectory:
    """A checked XTC file; frame `i` is at `i * frame_interval_ps`, whatever single-precision time the file holds."""

    path: Path
    n_frames: int
    n_sites: int
    frame_interval_ps: float

    @property
    def length_ps(self) -> float:
        """Time from the first frame to the last, ps."""
        return (self.n_frames - 1) * self.frame_interval_ps


def _time_is_off(time: float, first_time: float, index: int, interval_ps: float) -> bool:
    # The file holds single-precision times: late in a run their rounding alone exceeds 1 % of a short interval.
    rounding = float(np.spacing(np.float32(abs(time))) + np.spacing(np.float32(abs(first_time))))
    return not abs(time - first_time - index * interval_ps) <= _INTERVAL_TOLERANCE * interval_ps + rounding


def _check_time(path: Path, time: float, first_time: float, index: int, interval_ps: float) -> None:
    if _time_is_off(time, first_time, index, interval_ps):
        raise DataError(
            f"{path}: frames are not equidistant: frame {index} is at {time:g} ps, "
            f"not at {first_time + index * interval_ps:g} ps (frame interval {interval_ps:g} ps)"
        )


def open_trajectory(path: Path, n_sites: int, frame_interval_ps: float) -> Trajectory:
    """Check an XTC file: readable from its first frame to its last, `n_sites` sites, frames `frame_interval_ps` apart.

    Raises DataError, one line that names the file, when it is missing, unreadable or truncated, has another number
    of sites, fewer than two frames, or times that leave the spacing by more than 1 % of the interval (beyond the
    rounding of the file's single-precision times).
    """
    if not path.is_file():
        raise DataError(f"{path}: no such trajectory")
    try:
        with XTCFile(str(path)) as file:
            n_frames, found = len(file), int(file.n_atoms)
            if found != n_sites:
                raise DataError(f"{path}: {found} sites; the system has {n_sites}")
            if n_frames < 2:
                raise DataError(f"{path}: {n_frames} frame; at least 2 are needed")
            times = {}
            for index in (0, 1, n_frames - 1):
                file.seek(index)
                times[index] = float(file.read().time)
    except OSError as error:
        raise DataError(f"{path}: no readable XTC, or truncated: {error}") from error
    for index, time in times.items():
        _check_time(path, time, times[0], index, frame_interval_ps)
    return Trajectory(path, n_frames, n_sites, frame_interval_ps)


def stride_of(frame_interval_ps: float, use_interval_ps: float) -> int:
    """Frames from one used frame to the next: the nearest whole number of frames, at least one."""
    return max(1, round(use_interval_ps / frame_interval_ps))


def _orthorhombic(path: Path, index: int, box: npt.NDArray[Any]) -> Floats:
    edges = np.diagonal(box).astype(np.float64)
    if not np.isfinite(box).all() or (edges <= 0).any():
        raise DataError(f"{path}: frame {index} has no box")
    if np.abs(box - np.diag(np.diagonal(box))).max() > 1e-5 * edges.min():
        raise DataError(f"{path}: frame {index} has a box that is not orthorhombic")
    return edges


def frames(trajectory: Trajectory, stride: int = 1) -> Iterator[tuple[int, Floats, Floats]]:
    """Every `stride`-th frame as (index in the file, positions nm (n_sites, 3), box edges nm (3,)).

    Raises DataError at a frame that cannot be read, has a non-finite coordinate or a box that is not orthorhombic,
    or is not at its time.
    """
    path = trajectory.path
    try:
        with XTCFile(str(path)) as file:
            first_time = 0.0
            for index in range(0, trajectory.n_frames, stride):
                if stride > 1:
                    file.seek(index)
                frame = file.read()
                if index == 0:
                    first_time = float(frame.time)
                _check_time(path, float(frame.time), first_time, index, trajectory.frame_interval_ps)
                if not np.isfinite(frame.x).all():
                    raise DataError(f"{path}: frame {index} has a coordinate that is not finite")
                yield index, frame.x.astype(np.float64), _orthorhombic(path, index, frame.box)
    except (OSError, StopIteration) as error:
        raise DataError(f"{path}: no readable XTC, or truncated: {error}") from error


def sites(indices: Indices) -> Points:
    """The sites themselves as points."""
    return lambda positions, _box: positions[indices]


def _spanning_tree(n_sites: int, bonds: Indices) -> tuple[Indices, Indices, Indices]:
    """Parents, children (one pair for each edge) and sites in the order of a walk from site 0.

    Raises DataError when the bonds do not connect all sites.
    """
    neighbours: list[list[int]] = [[] for _ in range(n_sites)]
    for i, j in bonds.tolist():
        neighbours[i].append(j)
        neighbours[j].append(i)
    order, parent = [0], {0: -1}
    for site in order:
        for other in neighbours[site]:
            if other not in parent:
                parent[other] = site
                order.append(other)
    if len(order) != n_sites:
        raise DataError(f"the bonds connect {len(order)} of {n_sites} sites of a molecule")
    children = np.array(order[1:], dtype=np.int64)
    return np.array([parent[c] for c in order[1:]], dtype=np.int64), children, np.array(order, dtype=np.int64)


def centres_of_mass(molecules: Indices, bonds: Indices, masses: Floats) -> Points:
    """The centres of mass of molecules as points; each frame's molecules are made whole along their bonds.

    `molecules` (M, S) are site indices, `bonds` (B, 2) pairs of 0 .. S-1 within one molecule, `masses` (S,). A bond
    is its minimum image, so a molecule that is broken across the boundary, or longer than half the box, is right.
    Raises DataError when the bonds do not connect all sites.
    """
    n_sites = molecules.shape[1]
    parents, children, order = _spanning_tree(n_sites, bonds)
    # centre of mass = root + sum over tree edges of (mass beyond the edge / total mass) * bond vector
    beyond = masses.astype(np.float64).copy()
    for child, parent in zip(children[::-1], parents[::-1], strict=True):
        beyond[parent] += beyond[child]
    weights = beyond[children] / masses.sum()
    root, from_sites, to_sites = molecules[:, order[0]], molecules[:, parents], molecules[:, children]

    def points(positions: Floats, box: Floats) -> Floats:
        vectors = positions[to_sites] - positions[from_sites]
        vectors -= box * np.round(vectors / box)
        return np.asarray(positions[root] + np.einsum("b,mbk->mk", weights, vectors))

    return points


def unwrapped(trajectory: Trajectory, points: Mapping[str, Points], stride: int = 1) -> dict[str, Floats]:
    """Continuous paths of several sets of points in one pass: for each, nm, shape (frames used, points, 3).

    Each step adds the minimum image of the displacement of the wrapped point in the box of the new frame: the
    toroidal-view-preserving scheme of von Bülow, Bullerjahn, Hummer (J. Chem. Phys. 153, 021101, 2020, doi
    10.1063/5.0008316), which keeps its variance in a box that breathes, where lattice unwrapping does not. For
    molecules it must act on one point of each (Bullerjahn et al., doi 10.1021/acs.jctc.3c00308), here the centre of
    mass of the whole molecule: sites that cross the boundary at different box sizes would drift apart. The paths are
    in the frame of the box. Memory is that of the result. Raises DataError as `frames` does.
    """
    n_used = len(range(0, trajectory.n_frames, stride))
    paths: dict[str, Floats] = {}
    before: dict[str, Floats] = {}
    for row, (_, positions, box) in enumerate(frames(trajectory, stride)):
        for name, points_of in points.items():
            wrapped = points_of(positions, box)
            wrapped = wrapped - box * np.floor(wrapped / box)
            if row == 0:
                paths[name] = np.empty((n_used, *wrapped.shape))
                paths[name][0] = wrapped
            else:
                step = wrapped - before[name]
                paths[name][row] = paths[name][row - 1] + step - box * np.floor(step / box + 0.5)
            before[name] = wrapped
    return paths


def unwrapped_positions(trajectory: Trajectory, indices: Indices, stride: int = 1) -> Floats:
    """Continuous paths of sites, nm, shape (frames used, len(indices), 3); see `unwrapped`."""
    return unwrapped(trajectory, {"sites": sites(indices)}, stride)["sites"]


def unwrapped_centres_of_mass(
    trajectory: Trajectory, molecules: Indices, bonds: Indices, masses: Floats, stride: int = 1
) -> Floats:
    """Continuous paths of centres of mass, nm, shape (frames used, M, 3); see `centres_of_mass` and `unwrapped`."""
    return unwrapped(trajectory, {"molecules": centres_of_mass(molecules, bonds, masses)}, stride)["molecules"]
