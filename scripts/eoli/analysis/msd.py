"""Motion: mean squared displacement, its local exponent, and diffusion coefficients only where motion is diffusive."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft

from eoli.errors import DataError
from eoli.statistics import jackknife_error, standard_error

Floats = npt.NDArray[np.float64]
Lags = npt.NDArray[np.int64]
Verdict = Literal["diffusive", "sub-diffusive", "too short"]

M2_S_PER_NM2_PS = 1e-6
SMALLEST_MSD_NM2 = 0.5**2
_BLOCKS = 5
_TRUSTED_PART = 0.1
_WINDOW_FACTOR = 3
_WINDOW_POINTS = 16
_LEAST_POINTS = 5
_SIGMAS = 3
_CHUNK_BYTES = 64e6


@dataclass(frozen=True)
class Diffusion:
    """What the motion of one kind of particle allows to say; see `diffusion`.

    D with its error and the bound in m2/s, the exponent of the MSD with its error, the window of lags in ps. All
    that the data do not determine is None.
    """

    value_m2_s: float | None
    error_m2_s: float | None
    exponent: float | None
    exponent_error: float | None
    fit_from_ps: float | None
    fit_to_ps: float | None
    verdict: Verdict
    upper_bound_m2_s: float | None


def _msd_of_particles(paths: Floats) -> Floats:
    """All-origin MSD of each particle, shape (n_frames, n_particles), from paths (n_frames, n_particles, 3)."""
    n = len(paths)
    # Far from the origin the two large terms below would cancel digits.
    paths = paths - paths.mean(axis=0)
    length = next_fast_len(2 * n, real=True)
    spectrum = rfft(paths, length, axis=0)
    correlation = irfft((spectrum * spectrum.conj()).real, length, axis=0)[:n].sum(axis=-1)
    squares = (paths**2).sum(axis=-1)
    running = np.concatenate([np.zeros((1, squares.shape[1])), np.cumsum(squares, axis=0)])
    lags = np.arange(n)
    ends = running[n - lags] + running[n] - running[lags]
    msd = (ends - 2 * correlation) / (n - lags)[:, None]
    msd[0] = 0
    return np.asarray(np.maximum(msd, 0))


def _checked(positions: Floats) -> Floats:
    paths = np.asarray(positions, dtype=np.float64)
    if paths.ndim != 3 or paths.shape[2] != 3 or len(paths) < 2 or not paths.shape[1]:
        raise DataError(f"positions of shape {paths.shape}; an MSD needs (frames >= 2, particles >= 1, 3)")
    if not np.isfinite(paths).all():
        raise DataError("an MSD needs finite positions")
    return paths


def particle_msd(positions: Floats, lags: Lags | None = None) -> Floats:
    """Mean squared displacement of each particle over all origins, nm2, shape (n_lags, n_particles).

    `positions` (n_frames, n_particles, 3) are unwrapped, nm; `lags` are in frames, all from 0 to n_frames - 1 where
    left out. By zero-padded fast Fourier transform in double precision: Kneller et al., Comput. Phys. Commun. 91,
    191 (1995); Calandrini et al., Coll. SFN 12, 201 (2011), eqs. 2.31-2.35. Works in groups of particles, so that
    memory stays near that of the result. Raises DataError for another shape or positions that are not finite.
    """
    paths = _checked(positions)
    n, particles, _ = paths.shape
    keep = np.arange(n) if lags is None else lags
    result = np.empty((len(keep), particles))
    chunk = max(1, int(_CHUNK_BYTES / (n * 3 * 8 * 6)))
    for start in range(0, particles, chunk):
        part = slice(start, start + chunk)
        result[:, part] = _msd_of_particles(paths[:, part])[keep]
    return result


def mean_msd(positions: Floats, lags: Lags | None = None) -> Floats:
    """Mean over the particles of `particle_msd`, nm2, shape (n_lags,)."""
    return np.asarray(particle_msd(positions, lags).mean(axis=1))


def log_lags(n_frames: int, per_decade: int = 30) -> Lags:
    """Lags in frames, logarithmically spaced, from 1 to half the run; beyond that origins overlap in one sample."""
    longest = max(1, n_frames // 2)
    n_points = max(2, math.ceil(per_decade * math.log10(longest)) + 1)
    return np.unique(np.round(np.geomspace(1, longest, n_points)).astype(np.int64))


def _slope(x: Floats, y: Floats) -> float:
    centred = x - x.mean()
    return float(centred @ y / (centred @ centred))


def local_exponent(lag: npt.ArrayLike, msd: npt.ArrayLike, factor: float = 1.5) -> Floats:
    """Local exponent d ln MSD / d ln t at each lag; both arguments and the result of shape (n,).

    The slope of the straight line through the points from t/factor to t*factor in logarithms. NaN where that window
    leaves the data or holds fewer than three points or one without displacement. Lags should be spaced evenly in
    their logarithm, as those of `log_lags`.
    """
    t, d = np.asarray(lag, dtype=np.float64), np.asarray(msd, dtype=np.float64)
    exponent = np.full(len(t), np.nan)
    for k, centre in enumerate(t):
        low, high = centre / factor * (1 - 1e-9), centre * factor * (1 + 1e-9)
        window = (t >= low) & (t <= high)
        if low < t[0] * (1 - 1e-6) or high > t[-1] * (1 + 1e-6) or window.sum() < 3 or not (d[window] > 0).all():
            continue
        exponent[k] = _slope(np.log(t[window]), np.log(d[window]))
    return exponent


def _window(n_frames: int) -> Lags:
    """Lags of the fit, in frames: from a third of the longest trustworthy lag to it; empty where too few."""
    longest = int(_TRUSTED_PART * (n_frames - 1))
    if longest < 1:
        return np.empty(0, dtype=np.int64)
    spaced = np.geomspace(longest / _WINDOW_FACTOR, longest, _WINDOW_POINTS)
    lags = np.unique(np.floor(spaced + 1e-9).astype(np.int64))
    return lags[lags > 0] if len(lags) >= _LEAST_POINTS else np.empty(0, dtype=np.int64)


def _verdict(msd_at_longest: float, exponent: float, error: float, tolerance: float) -> Verdict:
    if msd_at_longest < SMALLEST_MSD_NM2 or not error <= tolerance:
        return "too short"
    if exponent < 1 - tolerance:
        return "sub-diffusive"
    if exponent <= 1 + tolerance and exponent - _SIGMAS * error > 1 - 2 * tolerance:
        return "diffusive"
    return "too short"


def diffusion(positions: Floats, interval_ps: float, tolerance: float) -> Diffusion:
    """Self-diffusion coefficient of particles in three dimensions (Einstein), or why there is none.

    `positions` (n_frames, n_particles, 3) are unwrapped, nm, `interval_ps` apart. The longest trustworthy lag is a
    tenth of the run: each of five consecutive blocks, which do not overlap and so give an independent error, then
    still sees that lag from half of its origins. The exponent is the slope of ln MSD against ln t from a third of
    that lag to it, D a sixth of the slope of the MSD there (a constant, left by faster motion at short times, does
    not enter D). Each error is the larger of two standard errors: over the five blocks, and by leaving out one
    particle at a time; both must exist, so that a single particle has none. The errors of a straight-line fit are not
    used: points of an MSD share their origins, and those errors are an order of magnitude too small.

    Verdicts:
    - `diffusive`: the exponent is within `tolerance` of 1, and one that is 2 `tolerance` below 1 is excluded by three
      standard errors, so that noise does not pass sub-diffusion for diffusion. Only here D and its error are given.
    - `sub-diffusive`: the exponent is known to `tolerance` and lies below 1 - `tolerance`.
    - `too short`: the MSD at the longest trustworthy lag is below (0.5 nm)^2, about one cage; or the exponent's error
      exceeds the tolerance or leaves the verdict open; or the exponent lies above 1 + `tolerance`, which no settled
      motion does.

    Without D the bound is (MSD + 2 standard errors) / (6 t) at the longest trustworthy lag: MSD / (6 t) of
    sub-diffusive motion falls with t towards D. It is None where the exponent lies above 1 + `tolerance`, because
    MSD / (6 t) then rises, and where the run has no trustworthy lag.

    Raises DataError as `particle_msd` does.
    """
    paths = _checked(positions)
    lags = _window(len(paths))
    if not len(lags):
        return Diffusion(None, None, None, None, None, None, "too short", None)
    time = lags.astype(np.float64) * interval_ps
    size = len(paths) // _BLOCKS
    of_particles = particle_msd(paths, lags).T
    of_blocks = np.array([mean_msd(paths[k * size : (k + 1) * size], lags) for k in range(_BLOCKS)])
    msd = of_particles.mean(axis=0)

    def exponent_of(values: Floats) -> float:
        return _slope(np.log(time), np.log(values)) if (values > 0).all() else math.nan

    def coefficient_of(values: Floats) -> float:
        return _slope(time, values) / 6 * M2_S_PER_NM2_PS

    def error_of(estimate: Callable[[Floats], float]) -> float:
        by_blocks = standard_error([estimate(block) for block in of_blocks])
        return float(np.maximum(by_blocks, jackknife_error(estimate, of_particles)))

    exponent, exponent_error = exponent_of(msd), error_of(exponent_of)
    verdict = _verdict(float(msd[-1]), exponent, exponent_error, tolerance)
    known = math.isfinite(exponent) and math.isfinite(exponent_error)
    value = error = bound = None
    if verdict == "diffusive":
        value, error = coefficient_of(msd), error_of(coefficient_of)
    elif not exponent > 1 + tolerance:
        farthest = float(msd[-1]) + 2 * error_of(lambda values: float(values[-1]))
        bound = farthest / (6 * float(time[-1])) * M2_S_PER_NM2_PS if math.isfinite(farthest) else None
    return Diffusion(
        value_m2_s=value,
        error_m2_s=error,
        exponent=exponent if known else None,
        exponent_error=exponent_error if known else None,
        fit_from_ps=float(time[0]),
        fit_to_ps=float(time[-1]),
        verdict=verdict,
        upper_bound_m2_s=bound,
    )
