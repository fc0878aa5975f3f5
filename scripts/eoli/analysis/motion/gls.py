"""Slope of a mean squared displacement by generalised least squares, with the covariance of Brownian motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eoli.core.arrays import Floats, Indices

_POINTS = 5
_WINDOW_FACTOR = 3


@dataclass(frozen=True)
class Slope:
    """Best linear unbiased estimator of a slope: `weights @ msd[lags]`, in units of the MSD per frame.

    `variance` is that of the slope of one Cartesian component of one Brownian particle over the square of the slope.
    """

    lags: Indices
    weights: Floats
    variance: float


def brownian_covariance(lags: Indices, n_frames: int) -> Floats:
    """Covariance of the all-origin MSD of a one-dimensional walk whose steps have unit variance, (lags, lags).

    Two squared displacements have a covariance of twice the squared overlap of their intervals, summed here over all
    pairs of origins; Bullerjahn, von Bülow, Hummer, J. Chem. Phys. 153, 024116 (2020), doi 10.1063/5.0008312, give the
    sum in closed form (here without their localisation noise). `lags` are in frames, below `n_frames`.
    """
    steps = n_frames - 1
    covariance = np.empty((len(lags), len(lags)))
    for a, i in enumerate(lags):
        for b, j in enumerate(lags[: a + 1]):
            shift = np.arange(1 - i, j)
            pairs = np.minimum(steps - j, steps - i - shift) - np.maximum(0, -shift) + 1
            overlap = np.minimum(j, shift + i) - np.maximum(0, shift)
            both = 2 * (np.maximum(pairs, 0) * overlap.astype(np.float64) ** 2).sum()
            covariance[a, b] = covariance[b, a] = both / ((steps - i + 1) * (steps - j + 1))
    return covariance


def slope_of(longest: int, n_frames: int) -> Slope | None:
    """Slope of the straight line, with a free intercept, through an MSD from a third of the lag `longest` to it.

    Five evenly spaced lags: on a finer grid the best estimator becomes the derivative at the shortest lag, exact for
    Brownian motion and blind to everything else. The intercept absorbs faster motion at short times. `longest` is in
    frames. None if five lags do not fit.
    """
    lags = np.unique(np.round(np.linspace(longest / _WINDOW_FACTOR, longest, _POINTS)).astype(np.int64))
    if len(lags) < _POINTS or lags[0] < 1:
        return None
    design = np.stack([np.ones(len(lags)), lags], axis=1)
    weighted = np.linalg.solve(brownian_covariance(lags, n_frames), design)
    inverse = np.linalg.inv(design.T @ weighted)
    return Slope(lags, np.asarray((weighted @ inverse)[:, 1], dtype=np.float64), float(inverse[1, 1]))
