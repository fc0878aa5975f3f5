"""Continuous paths from wrapped positions, and their frame of reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from eoli.core.arrays import Floats
from eoli.core.compiled import compiled
from eoli.errors import DataError

_FOLDED_AT_MOST = 0.01
_BYTES_AT_ONCE = 64e6


@dataclass(frozen=True)
class Paths:
    """Continuous paths (frames, particles, 3), nm, computed on request for some particles at a time.

    Used where one array of all of them would not fit into memory. `read` gives those of a slice of particles over all
    `n_frames`; these paths cover the frames from `first` to before `last`.
    """

    read: Callable[[slice], Floats]
    n_frames: int
    particles: int
    first: int = 0
    last: int | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, particles, 3."""
        return len(self), self.particles, 3

    def __len__(self) -> int:
        return len(range(self.n_frames)[self.first : self.last])

    def of(self, particles: slice) -> Floats:
        """Paths of some particles."""
        return self.read(particles)[self.first : self.last]

    def part(self, window: slice) -> Paths:
        """A range of consecutive frames."""
        frames = range(self.n_frames)[self.first : self.last][window]
        return replace(self, first=frames.start, last=frames.stop)

    def pieces(self) -> Iterator[Floats]:
        """All particles, some at a time."""
        size = max(1, int(_BYTES_AT_ONCE / (24 * self.n_frames)))
        for start in range(0, self.particles, size):
            yield self.of(slice(start, start + size))


def some(paths: Floats | Paths, particles: slice) -> Floats:
    """Paths of some particles."""
    return paths.of(particles) if isinstance(paths, Paths) else paths[:, particles]


def particles_of(paths: Floats | Paths, particles: slice) -> Floats | Paths:
    """A range of consecutive particles of paths."""
    if not isinstance(paths, Paths):
        return paths[:, particles]
    chosen, read = range(paths.particles)[particles], paths.read
    return replace(paths, read=lambda part: read(slice(chosen[part].start, chosen[part].stop)), particles=len(chosen))


def window(paths: Floats | Paths, frames: slice) -> Floats | Paths:
    """A range of consecutive frames of paths."""
    return paths.part(frames) if isinstance(paths, Paths) else paths[frames]


def at(paths: Floats | Paths, frames: npt.NDArray[np.int64]) -> Floats:
    """Positions in some frames, (len(frames), particles, 3), nm."""
    if isinstance(paths, Paths):
        return np.concatenate([piece[frames] for piece in paths.pieces()], axis=1)
    return np.asarray(paths[frames])


def total(paths: Floats | Paths, weights: Floats | None = None) -> Floats:
    """Sum of the positions of all particles, (frames, 3), nm, weighted if weights are given."""
    start, found = 0, np.zeros((len(paths), 3))
    for piece in paths.pieces() if isinstance(paths, Paths) else [paths]:
        if weights is None:
            found = found + piece.sum(axis=1)
        else:
            found = found + np.einsum("p,fpk->fk", weights[start : start + piece.shape[1]], piece)
        start += piece.shape[1]
    return found


@compiled()
def _unwrap(wrapped: npt.NDArray[Any], box: npt.NDArray[Any], paths: Floats) -> float:
    """Fill `paths`; returns the largest step along an axis, as a share of half its edge."""
    frames, particles, _ = wrapped.shape
    largest = 0.0
    for p in range(particles):
        for k in range(3):
            paths[0, p, k] = wrapped[0, p, k]
    for f in range(1, frames):
        for p in range(particles):
            for k in range(3):
                step, edge = np.float64(wrapped[f, p, k]) - np.float64(wrapped[f - 1, p, k]), np.float64(box[f, k])
                images = edge * np.floor(step / edge + 0.5)
                paths[f, p, k] = paths[f - 1, p, k] + step - images
                largest = max(largest, 2 * abs(step - images) / edge)
    return largest


def unwrap(wrapped: npt.NDArray[Any], box: npt.NDArray[Any]) -> Floats:
    """The paths of `unwrap_and_largest_step`."""
    return unwrap_and_largest_step(wrapped, box)[0]


def unwrap_and_largest_step(wrapped: npt.NDArray[Any], box: npt.NDArray[Any]) -> tuple[Floats, float]:
    """Continuous paths, nm, of the shape of `wrapped` (frames, particles, 3), in boxes of edges `box` (frames, 3).

    Each step is the minimum image of the wrapped particle's displacement in the box of the new frame: the
    toroidal-view-preserving scheme of von Bülow, Bullerjahn, Hummer, J. Chem. Phys. 153, 021101 (2020), eq. 3, doi
    10.1063/5.0008316. Molecules are unwrapped by one point each, such as the centre of mass of the whole molecule
    (Bullerjahn et al., J. Chem. Theory Comput. 2023, doi 10.1021/acs.jctc.3c00308). Also returned: the largest step of
    any particle along any axis, as a share of half the edge; see `may_fold`. Raises DataError for other shapes, values
    that are not finite or edges that are not positive.
    """
    if wrapped.ndim != 3 or wrapped.shape[2] != 3 or not len(wrapped) or box.shape != (len(wrapped), 3):
        raise DataError(f"positions of shape {wrapped.shape} and boxes of shape {box.shape} cannot be unwrapped")
    if not (np.isfinite(wrapped).all() and np.isfinite(box).all() and (box > 0).all()):
        raise DataError("unwrapping needs finite positions and positive box edges")
    paths = np.empty(wrapped.shape)
    return paths, float(_unwrap(wrapped, box, paths))


def may_fold(largest_step: float, shape: tuple[int, ...]) -> bool:
    """Whether steps beyond half the box are likely, which unwrapping would fold back by an edge.

    `largest_step` is the largest of the N steps along an axis as a share of half an edge, in paths of `shape` (frames,
    particles, 3). With tails no heavier than exponential (Gaussian ones are lighter) the largest of N steps of scale b
    is about b ln N, and N exp(-1/b) = N^(1 - 1/largest) of them are beyond half the box. True if more than 0.01 of them
    in all may fold.
    """
    n = max(2, (shape[0] - 1) * shape[1] * shape[2])
    return largest_step > 0 and (1 - 1 / largest_step) * math.log(n) > math.log(_FOLDED_AT_MOST)


def too_far_apart(largest_step: float, interval_ps: float) -> str:
    """Reason in words: step size as a share of half the box, frames `interval_ps` apart."""
    return (
        f"frames {interval_ps:g} ps apart, between which particles move by up to {largest_step:.0%} of half the box: paths "
        f"across its faces are not known; frames at most {interval_ps / 4:.3g} ps apart are needed"
    )


def centre_of_mass(paths: Mapping[str, Floats | Paths], masses: Mapping[str, Floats]) -> Floats:
    """Path of the common centre of mass of groups of particles relative to its start, nm, (frames, 3).

    `paths` (frames, particles, 3) are unwrapped, nm; `masses` (particles,) of the same groups.
    """
    mass = sum(float(of.sum()) for of in masses.values())
    path = np.sum([total(of, masses[name]) for name, of in paths.items()], axis=0) / mass
    return np.asarray(path - path[0])
