"""Continuous paths from wrapped positions, and their frame of reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from eoli.errors import DataError

Floats = npt.NDArray[np.float64]


@numba.njit(cache=True)
def _unwrap(wrapped: npt.NDArray[Any], box: npt.NDArray[Any], paths: Floats) -> None:
    frames, particles, _ = wrapped.shape
    for p in range(particles):
        for k in range(3):
            paths[0, p, k] = wrapped[0, p, k]
    for f in range(1, frames):
        for p in range(particles):
            for k in range(3):
                step, edge = np.float64(wrapped[f, p, k]) - np.float64(wrapped[f - 1, p, k]), np.float64(box[f, k])
                paths[f, p, k] = paths[f - 1, p, k] + step - edge * np.floor(step / edge + 0.5)


def unwrap(wrapped: npt.NDArray[Any], box: npt.NDArray[Any]) -> Floats:
    """Continuous paths, nm, of the shape of `wrapped` (frames, particles, 3), in boxes of edges `box` (frames, 3).

    Each step is the minimum image of the displacement of the wrapped particle in the box of the new frame: the
    toroidal-view-preserving scheme of von Bülow, Bullerjahn, Hummer, J. Chem. Phys. 153, 021101 (2020), eq. 3, doi
    10.1063/5.0008316. Molecules are unwrapped by one point of each, such as the centre of mass of the whole molecule
    (Bullerjahn et al., J. Chem. Theory Comput. 2023, doi 10.1021/acs.jctc.3c00308). Raises DataError for other shapes,
    values that are not finite or edges that are not positive.
    """
    if wrapped.ndim != 3 or wrapped.shape[2] != 3 or not len(wrapped) or box.shape != (len(wrapped), 3):
        raise DataError(f"positions of shape {wrapped.shape} and boxes of shape {box.shape} cannot be unwrapped")
    if not (np.isfinite(wrapped).all() and np.isfinite(box).all() and (box > 0).all()):
        raise DataError("unwrapping needs finite positions and positive box edges")
    paths = np.empty(wrapped.shape)
    _unwrap(wrapped, box, paths)
    return paths


def centre_of_mass(paths: Mapping[str, Floats], masses: Mapping[str, Floats]) -> Floats:
    """Path of the common centre of mass of groups of particles, nm, (frames, 3), from where it starts.

    `paths` (frames, particles, 3) are unwrapped, nm; `masses` (particles,) of the same groups.
    """
    total = sum(float(of.sum()) for of in masses.values())
    path = sum(np.einsum("p,fpk->fk", masses[name], of) for name, of in paths.items()) / total
    return np.asarray(path - path[0])
