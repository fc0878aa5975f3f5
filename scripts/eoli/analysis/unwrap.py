"""Continuous paths from wrapped positions, and their frame of reference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from eoli.compiled import compiled
from eoli.errors import DataError

Floats = npt.NDArray[np.float64]


_FOLDED_AT_MOST = 0.01


@compiled()
def _unwrap(wrapped: npt.NDArray[Any], box: npt.NDArray[Any], paths: Floats) -> float:
    """Fill `paths`; the largest step along an axis, as a share of half of its edge, is returned."""
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
    """Continuous paths as those of `unwrap_and_largest_step`."""
    return unwrap_and_largest_step(wrapped, box)[0]


def unwrap_and_largest_step(wrapped: npt.NDArray[Any], box: npt.NDArray[Any]) -> tuple[Floats, float]:
    """Continuous paths, nm, of the shape of `wrapped` (frames, particles, 3), in boxes of edges `box` (frames, 3).

    Each step is the minimum image of the displacement of the wrapped particle in the box of the new frame: the
    toroidal-view-preserving scheme of von Bülow, Bullerjahn, Hummer, J. Chem. Phys. 153, 021101 (2020), eq. 3, doi
    10.1063/5.0008316. Molecules are unwrapped by one point of each, such as the centre of mass of the whole molecule
    (Bullerjahn et al., J. Chem. Theory Comput. 2023, doi 10.1021/acs.jctc.3c00308). Beside the paths stands the largest
    step of any particle along any axis, as a share of half of the edge: see `may_fold`. Raises DataError for other
    shapes, values that are not finite or edges that are not positive.
    """
    if wrapped.ndim != 3 or wrapped.shape[2] != 3 or not len(wrapped) or box.shape != (len(wrapped), 3):
        raise DataError(f"positions of shape {wrapped.shape} and boxes of shape {box.shape} cannot be unwrapped")
    if not (np.isfinite(wrapped).all() and np.isfinite(box).all() and (box > 0).all()):
        raise DataError("unwrapping needs finite positions and positive box edges")
    paths = np.empty(wrapped.shape)
    return paths, float(_unwrap(wrapped, box, paths))


def may_fold(largest_step: float, wrapped: npt.NDArray[Any]) -> bool:
    """Whether steps beyond half the box, which unwrapping folds back by an edge, are to be expected.

    `largest_step` is the share of half an edge that the largest of the N steps along an axis takes. With tails no heavier than
    exponential (Gaussian ones are lighter) the largest of N steps of scale b is about b ln N, and N exp(-1/b) =
    N^(1 - 1/largest) of them are beyond half the box. More than 0.01 of them in all may fold.
    """
    n = max(2, wrapped.size - wrapped[0].size)
    return largest_step > 0 and (1 - 1 / largest_step) * math.log(n) > math.log(_FOLDED_AT_MOST)


def too_far_apart(largest_step: float, interval_ps: float) -> str:
    """In words: steps are a share of half the box, frames `interval_ps` apart."""
    return (
        f"frames {interval_ps:g} ps apart, between which particles move by up to {largest_step:.0%} of half the box: paths "
        f"across its faces are not known; frames at most {interval_ps / 4:.3g} ps apart are needed"
    )


def centre_of_mass(paths: Mapping[str, Floats], masses: Mapping[str, Floats]) -> Floats:
    """Path of the common centre of mass of groups of particles, nm, (frames, 3), from where it starts.

    `paths` (frames, particles, 3) are unwrapped, nm; `masses` (particles,) of the same groups.
    """
    total = sum(float(of.sum()) for of in masses.values())
    path = sum(np.einsum("p,fpk->fk", masses[name], of) for name, of in paths.items()) / total
    return np.asarray(path - path[0])
