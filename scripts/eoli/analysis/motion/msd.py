"""Motion: mean squared displacement, its local exponent, and diffusion coefficients only where motion is diffusive."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import ndtr, stdtrit

from eoli.analysis.motion.gls import Slope, brownian_covariance, slope_of
from eoli.core.arrays import Floats, Indices
from eoli.core.statistics import (
    BLOCKS,
    UNKNOWN,
    Estimate,
    jackknife_error,
    length_for_error,
    slope,
    standard_error,
    student_factor,
)
from eoli.errors import DataError
from eoli.trajectory.unwrap import Paths, at, some, window

Verdict = Literal["diffusive", "sub-diffusive", "too short", "not known"]

M2_S_PER_NM2_PS = 1e-6
SMALLEST_MSD_NM2 = 0.5**2
_WINDOW_FACTOR = 3
_WINDOW_POINTS = 16
_LEAST_POINTS = 5
SIGMAS = 3
_CHUNK_BYTES = 64e6


@dataclass(frozen=True)
class Diffusion:
    """Diffusion result for one kind of particle; see `diffusion`.

    D with its error and the bound in m2/s, the exponent of the MSD with its error, the window of lags in ps, and the
    MSD at its end in nm2. Whatever the data do not determine is None.
    """

    value_m2_s: float | None
    error_m2_s: float | None
    exponent: float | None
    exponent_error: float | None
    fit_from_ps: float | None
    fit_to_ps: float | None
    verdict: Verdict
    upper_bound_m2_s: float | None
    farthest_msd_nm2: float | None


NOT_KNOWN = Diffusion(None, None, None, None, None, None, "not known", None, None)
"""For paths that unwrapping may have folded."""


@dataclass(frozen=True)
class Extension:
    """Additional run length needed, ns, with the reason in words; see `extension`.

    `further_ns` is an estimate, or a lower bound if `at_least`; None if nothing can be said. `at_this_exponent_ns`
    accompanies a lower bound from a small MSD: the length needed, never below the bound, if the exponent stays as it is.
    """

    further_ns: float | None
    at_least: bool
    at_this_exponent_ns: float | None
    reason: str


def _msd_of_particles(paths: Floats) -> Floats:
    """All-origin MSD of each particle, shape (n_frames, n_particles), from paths (n_frames, n_particles, 3)."""
    n = len(paths)
    # far from the origin the two large terms below would cancel digits
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


def _checked(positions: Floats | Paths) -> Floats | Paths:
    paths = positions if isinstance(positions, Paths) else np.asarray(positions, dtype=np.float64)
    if len(paths.shape) != 3 or paths.shape[2] != 3 or len(paths) < 2 or not paths.shape[1]:
        raise DataError(f"positions of shape {paths.shape}; an MSD needs (frames >= 2, particles >= 1, 3)")
    # lazy paths are checked when they are computed
    if not isinstance(paths, Paths) and not np.isfinite(paths).all():
        raise DataError("an MSD needs finite positions")
    return paths


def particle_msd(positions: Floats | Paths, lags: Indices | None = None) -> Floats:
    """Mean squared displacement of each particle over all origins, nm2, shape (n_lags, n_particles).

    `positions` (n_frames, n_particles, 3) are unwrapped, nm; `lags` are in frames, by default all from 0 to n_frames -
    1. By zero-padded fast Fourier transform in double precision: Kneller et al., Comput. Phys. Commun. 91, 191 (1995);
    Calandrini et al., Coll. SFN 12, 201 (2011), eqs. 2.31-2.35. Works in groups of particles, so that memory stays near
    that of the result. Raises DataError for another shape or positions that are not finite.
    """
    paths = _checked(positions)
    n, particles, _ = paths.shape
    keep = np.arange(n) if lags is None else lags
    result = np.empty((len(keep), particles))
    chunk = max(1, int(_CHUNK_BYTES / (n * 3 * 8 * 6)))
    for start in range(0, particles, chunk):
        part = slice(start, start + chunk)
        result[:, part] = _msd_of_particles(some(paths, part))[keep]
    return result


def mean_msd(positions: Floats | Paths, lags: Indices | None = None) -> Floats:
    """Mean over the particles of `particle_msd`, nm2, shape (n_lags,)."""
    return np.asarray(particle_msd(positions, lags).mean(axis=1))


def log_lags(n_frames: int, per_decade: int = 30) -> Indices:
    """Logarithmically spaced lags in frames, from 1 to half the run; beyond that all origins overlap."""
    longest = max(1, n_frames // 2)
    n_points = max(2, math.ceil(per_decade * math.log10(longest)) + 1)
    return np.unique(np.round(np.geomspace(1, longest, n_points)).astype(np.int64))


def local_exponent(lag: npt.ArrayLike, msd: npt.ArrayLike, factor: float = 1.5) -> Floats:
    """Local exponent d ln MSD / d ln t at each lag; both arguments and the result of shape (n,).

    The slope of the straight line through the points from t/factor to t*factor in logarithms. NaN if that window leaves
    the data, or holds fewer than three points or one without displacement. Lags should be evenly spaced in their
    logarithm, as those of `log_lags`.
    """
    t, d = np.asarray(lag, dtype=np.float64), np.asarray(msd, dtype=np.float64)
    exponent = np.full(len(t), np.nan)
    for k, centre in enumerate(t):
        low, high = centre / factor * (1 - 1e-9), centre * factor * (1 + 1e-9)
        window = (t >= low) & (t <= high)
        if low < t[0] * (1 - 1e-6) or high > t[-1] * (1 + 1e-6) or window.sum() < 3 or not (d[window] > 0).all():
            continue
        exponent[k] = slope(np.log(t[window]), np.log(d[window]))
    return exponent


@dataclass(frozen=True)
class Blocks:
    """Consecutive, non-overlapping blocks of replicas, all of `size` frames, `counts` of them in each replica.

    `longest_lag`, in frames, is the longest trustworthy lag: a block sees it from half of its origins.
    """

    longest_lag: int
    size: int
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """Number of blocks in all replicas."""
        return sum(self.counts)

    def parts(self, starts: Sequence[Floats | Paths]) -> list[Floats | Paths]:
        """The blocks of series (frames, ...) of the replicas."""
        pairs = zip(starts, self.counts, strict=True)
        return [window(path, slice(k * self.size, (k + 1) * self.size)) for path, count in pairs for k in range(count)]


def blocks_of(lengths: Sequence[int]) -> Blocks:
    """Longest blocks such that replicas of these `lengths`, in frames, hold five together, and each at least one.

    One run has five blocks and a longest lag of a tenth of it; two replicas have three each and a sixth, five or more
    are a block each, with a longest lag of half of a run.
    """
    steps = [n - 1 for n in lengths]
    candidates = {n // k for n in steps for k in range(1, BLOCKS + 1)}
    longest = max((c for c in candidates if 0 < c <= min(steps) and sum(n // c for n in steps) >= BLOCKS), default=0)
    if not longest:
        return Blocks(0, min(lengths), (1,) * len(lengths))
    counts = tuple(n // longest for n in steps)
    return Blocks(longest // 2, min(n // k for n, k in zip(lengths, counts, strict=True)), counts)


def longest_lag(n_frames: int) -> int:
    """Longest trustworthy lag of a single run in frames, a tenth of it; see `blocks_of`."""
    return blocks_of([n_frames]).longest_lag


def _window(longest: int) -> Indices:
    """Lags of the fit, in frames: from a third of the longest trustworthy lag to it; empty where too few."""
    if longest < 1:
        return np.empty(0, dtype=np.int64)
    spaced = np.geomspace(longest / _WINDOW_FACTOR, longest, _WINDOW_POINTS)
    lags = np.unique(np.floor(spaced + 1e-9).astype(np.int64))
    return lags[lags > 0] if len(lags) >= _LEAST_POINTS else np.empty(0, dtype=np.int64)


def _sigmas(particles: int) -> float:
    """Number of standard errors equivalent to three sigma: few particles and five blocks know their error poorly."""
    return float(stdtrit(max(particles, BLOCKS) - 1, ndtr(SIGMAS)))


def verdict_of(
    msd: float, smallest: float, exponent: float | None, error: float | None, sigmas: float, tolerance: float
) -> Verdict:
    """The verdict of `diffusion` on an MSD at the longest trustworthy lag, and its exponent."""
    if exponent is None or error is None or msd < smallest or not error <= tolerance:
        return "too short"
    if exponent < 1 - tolerance:
        return "sub-diffusive"
    if exponent <= 1 + tolerance and exponent - sigmas * error > 1 - 2 * tolerance:
        return "diffusive"
    return "too short"


def gain(weights: npt.ArrayLike, lags: Indices, lengths: Sequence[int], blocks: Blocks) -> float:
    """Standard error of `weights @ msd[lags]`, mean over replicas, over that of its mean over the blocks.

    For Brownian motion. `lags` and the `lengths` of the replicas are in frames.
    """
    w = np.asarray(weights, dtype=np.float64)
    of_starts = [float(w @ brownian_covariance(lags, n) @ w) for n in lengths]
    of_block = float(w @ brownian_covariance(lags, blocks.size) @ w)
    return math.sqrt(sum(of_starts) / len(of_starts) ** 2 / (of_block / blocks.total))


@dataclass(frozen=True)
class Sampled:
    """MSD at the lags of the fit, nm2: of each particle, by start (particles, lags), and of each block (blocks, lags).

    `gain` is the standard error of a slope over that of the mean of the blocks' slopes, for Brownian motion.
    """

    time_ps: Floats
    of_starts: tuple[Floats, ...]
    of_blocks: Floats
    gain: float

    @property
    def particles(self) -> int:
        """Particles of all starts."""
        return sum(len(of_start) for of_start in self.of_starts)

    @property
    def msd(self) -> Floats:
        """Mean over all particles, (lags,)."""
        return np.asarray(np.concatenate(self.of_starts).mean(axis=0))

    def error_of(self, estimate: Callable[[Floats], float], gain: float = 1.0) -> float:
        """Standard error of an estimate from an MSD, the larger of over blocks and by jackknife over particles.

        `estimate` takes an MSD, nm2, shape (lags,); `gain` is that of the run over its blocks.
        """
        by_blocks = gain * standard_error([estimate(block) for block in self.of_blocks])
        return float(np.maximum(by_blocks, jackknife_error(estimate, np.concatenate(self.of_starts))))

    def coefficient(self) -> tuple[float, float]:
        """A sixth of the slope, m2/s, with its error, which with several starts is at least that of their scatter."""

        def coefficient_of(values: Floats) -> float:
            return slope(self.time_ps, values) / 6 * M2_S_PER_NM2_PS

        error = self.error_of(coefficient_of, self.gain)
        if len(self.of_starts) > 1:
            apart = standard_error([coefficient_of(of_start.mean(axis=0)) for of_start in self.of_starts])
            error = max(error, student_factor(len(self.of_starts) - 1) * apart)
        return coefficient_of(self.msd), error

    def plus(self, other: Sampled, here: float, there: float) -> Sampled:
        """`here` times this MSD plus `there` times another one of the same particles and lags."""
        of_starts = (here * a + there * b for a, b in zip(self.of_starts, other.of_starts, strict=True))
        return replace(self, of_starts=tuple(of_starts), of_blocks=here * self.of_blocks + there * other.of_blocks)


def sampled(starts: Sequence[Floats | Paths], interval_ps: float) -> Sampled | None:
    """MSD of the replicas at the lags of the fit; None if they have no trustworthy lag.

    `starts` are the unwrapped paths of each replica, shape (frames, particles, 3), nm, frames `interval_ps` apart. Raises
    DataError for another shape.
    """
    paths = [_checked(positions) for positions in starts]
    lengths = [len(path) for path in paths]
    blocks = blocks_of(lengths)
    lags = _window(blocks.longest_lag)
    if not len(lags):
        return None
    return Sampled(
        lags.astype(np.float64) * interval_ps,
        tuple(particle_msd(path, lags).T for path in paths),
        np.array([mean_msd(part, lags) for part in blocks.parts(paths)]),
        # a least-squares slope weights the lags by their distance from the middle
        gain(lags - lags.mean(), lags, lengths, blocks),
    )


def diffusion(starts: Sequence[Floats | Paths], interval_ps: float, tolerance: float) -> Diffusion:
    """Self-diffusion coefficient of particles in three dimensions (Einstein), or why there is none.

    `starts` are replicas of one system, often a single one: unwrapped positions (n_frames, n_particles, 3), nm,
    `interval_ps` apart. All are cut into consecutive, non-overlapping blocks, five or more in total (`blocks_of`),
    which give an independent error. The longest trustworthy lag is one that a block still sees from half of its
    origins: a tenth of a single run, a sixth of each of two. The exponent is the slope of ln MSD against ln t from a
    third of that lag to it; D is a sixth of the slope of the MSD there (a constant, left by faster motion at short
    times, does not enter D). The MSD is the mean over all particles of all replicas. Each error is the larger of two
    standard errors, over blocks and by jackknife over particles; both must exist, so a single particle has none. With
    several replicas the error of D is at least Student's t for 68 % times the standard error over them, because the
    blocks of a replica that has not forgotten its packing are not independent. Errors of a straight-line fit are not
    used: points of an MSD share their origins, and those errors are an order of magnitude too small. A block sees the
    window from fewer origins than its share of the run, so the error of D over the blocks is multiplied by the gain of
    the whole for Brownian motion (about 0.83 for one run).

    Verdicts:
    - `diffusive`: the exponent is within `tolerance` of 1, and an exponent 2 `tolerance` below 1 is excluded by three
      standard errors (more for few particles, by Student's law), so that noise does not pass sub-diffusion for
      diffusion. Only here are D and its error given.
    - `sub-diffusive`: the exponent is known to `tolerance` and lies below 1 - `tolerance`.
    - `too short`: the MSD at the longest trustworthy lag is below (0.5 nm)^2, about one cage; or the exponent's error
      exceeds the tolerance or leaves the verdict open; or the exponent lies above 1 + `tolerance`, which no settled
      motion does.

    Without D the bound is (MSD + 2 standard errors) / (6 t) at the longest trustworthy lag: MSD / (6 t) of
    sub-diffusive motion falls with t towards D. It is None if the run has no trustworthy lag, or if the exponent lies
    above 1 + `tolerance`, because MSD / (6 t) then rises.

    Raises DataError as `particle_msd` does.
    """
    found = sampled(starts, interval_ps)
    if found is None:
        return Diffusion(None, None, None, None, None, None, "too short", None, None)
    time, msd = found.time_ps, found.msd

    def exponent_of(values: Floats) -> float:
        return slope(np.log(time), np.log(values)) if (values > 0).all() else math.nan

    exponent, exponent_error = exponent_of(msd), found.error_of(exponent_of)
    verdict = verdict_of(
        float(msd[-1]), SMALLEST_MSD_NM2, exponent, exponent_error, _sigmas(found.particles), tolerance
    )
    known = math.isfinite(exponent) and math.isfinite(exponent_error)
    value = error = bound = None
    if verdict == "diffusive":
        value, error = found.coefficient()
    elif not exponent > 1 + tolerance:
        farthest = float(msd[-1]) + 2 * found.error_of(lambda values: float(values[-1]))
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
        farthest_msd_nm2=float(msd[-1]),
    )


def slopes_of(lengths: Sequence[int]) -> list[Slope]:
    """`eoli.analysis.motion.gls.slope_of` for each replica, at the common longest lag; empty if lags are too few."""
    longest = blocks_of(lengths).longest_lag
    found = [slope_of(longest, n) for n in lengths]
    return [slope for slope in found if slope is not None]


def gls_diffusion(starts: Sequence[Floats | Paths], interval_ps: float) -> Estimate:
    """Self-diffusion coefficient, m2/s, by generalised least squares with the covariance of Brownian motion.

    From a third of the longest trustworthy lag to it, with a free intercept; see `eoli.analysis.motion.gls.slope_of`.
    The error is that of independent Brownian particles, the smallest that the data allow. It sees neither sub-diffusion
    nor correlated motion, so it is meaningful only if `diffusion` says diffusive, and stands beside that error, which
    is from blocks and particles. `starts` are the unwrapped paths of each replica, shape (frames, particles, 3), nm.
    Unknown if the lags are too few.
    """
    paths = [_checked(positions) for positions in starts]
    slopes = slopes_of([len(path) for path in paths])
    if not slopes:
        return UNKNOWN
    pairs = list(zip(slopes, paths, strict=True))
    squares = [float(slope.weights @ mean_msd(path, slope.lags)) for slope, path in pairs]
    value = float(np.mean(squares)) / (6 * interval_ps) * M2_S_PER_NM2_PS
    variance = sum(slope.variance / (3 * path.shape[1]) for slope, path in pairs) / len(pairs) ** 2
    return Estimate(value, abs(value) * math.sqrt(variance))


def _exponent_error_needed(exponent: float, tolerance: float) -> float:
    """Error at which an exponent of diffusive motion that is as measured, or 1, passes as diffusive."""
    within = min(exponent, 1.0) if exponent >= 1 - tolerance else 1.0
    return (within - 1 + 2 * tolerance) / SIGMAS


def extension(found: Diffusion, length_ns: float, tolerance: float, target: float) -> Extension:
    """How much longer runs of `length_ns` in all must be for D, or for a relative error `target` of D.

    Diffusive: the error falls with the square root of the length. Otherwise a lower bound, the largest of what is
    missing, because the longest trustworthy lag is a fixed part of the run:
    - so much longer that the MSD there reaches (0.5 nm)^2, if it grew as fast as diffusion from now on. Sub-diffusion
      takes longer, as long as `at_this_exponent_ns` if its exponent does not rise;
    - three times the run, where its whole window of lags is known not to be diffusive;
    - what the error of the exponent needs to fall to.
    """
    if found.value_m2_s is not None and found.error_m2_s is not None:
        relative = found.error_m2_s / found.value_m2_s
        total = length_for_error(length_ns, relative, target)
        reason = f"the relative error is {relative:.0%}; {target:.0%} is asked for and errors fall as 1/sqrt(length)"
        return Extension(max(0.0, total - length_ns), False, None, reason)
    if found.fit_to_ps is None or not found.farthest_msd_nm2:
        return Extension(None, True, None, "no motion, or too few frames to extrapolate")
    missing = SMALLEST_MSD_NM2 / found.farthest_msd_nm2
    needs: list[tuple[float, str]] = []
    at_this_exponent = None
    if missing > 1:
        needs.append((length_ns * missing, "the MSD at the longest trustworthy lag must reach 0.25 nm2"))
        if found.exponent is not None and 0 < found.exponent < 1:
            at_this_exponent = length_ns * missing ** (1 / found.exponent)
    if found.verdict == "sub-diffusive" or (found.exponent is not None and found.exponent > 1 + tolerance):
        needs.append((_WINDOW_FACTOR * length_ns, "the motion must become diffusive, at lags beyond those of this run"))
    elif found.exponent is not None and found.exponent_error is not None:
        needed = _exponent_error_needed(found.exponent, tolerance)
        if found.exponent_error > needed:
            needs.append(
                (
                    length_for_error(length_ns, found.exponent_error, needed),
                    "the exponent of the MSD must be known better",
                )
            )
    if not needs:
        return Extension(None, True, None, "the data do not tell")
    total, reason = max(needs)
    # all that is missing must be met, in this case too
    slow = None if at_this_exponent is None else max(total, at_this_exponent) - length_ns
    return Extension(max(0.0, total - length_ns), True, slow, f"at least: {reason}")


def chain_of_ions(
    neighbours: npt.NDArray[Any], distances: npt.NDArray[Any], chain_of_site: Indices, cutoff_nm: float
) -> Indices:
    """Chain with most of each ion's contacts, in a tie the one of the nearest contact, -1 for none.

    `neighbours` (frames, ions, slots) are sites, nearest first and padded with -1, `distances`, nm, theirs;
    `chain_of_site` (n_sites,) is -1 for sites of no chain. The result is (frames, ions).
    """
    chain = np.where((neighbours >= 0) & (distances <= cutoff_nm), chain_of_site[neighbours], -1)
    contacts = (chain[..., :, None] == chain[..., None, :]).sum(axis=-1) * (chain >= 0)
    most = contacts.argmax(axis=-1)[..., None]
    return np.asarray(np.take_along_axis(chain, most, axis=-1)[..., 0])


def carried_share(
    ions: Floats | Paths, chains: Floats | Paths, origins: Indices, chain_of: npt.NDArray[np.int64], lag: int
) -> Estimate:
    """Share of ion motion that is carried by the chains they are bound to, <d_ion . d_chain> / <d_ion^2>.

    Both displacements are over `lag` frames from each of the `origins` (frames, ascending), that of the chain by its
    centre of mass. `ions` (frames, n, 3) and `chains` (frames, m, 3) are unwrapped paths in one frame of reference, nm;
    `chain_of` (origins, n) is each ion's chain at the origin, -1 for none. 1 for ions that ride on their chains, 0 for
    ions that move independently of the chain's centre. The error is the standard error over five blocks of the run,
    with displacements that begin and end within a block. Unknown if a block has none.
    """
    inside = origins + lag < len(ions)
    start, chain_of = origins[inside], chain_of[inside]
    bound = chain_of >= 0
    of_ion = at(ions, start + lag) - at(ions, start)
    of_chain = at(chains, start + lag) - at(chains, start)
    of_chain = np.take_along_axis(of_chain, np.maximum(chain_of, 0)[:, :, None], axis=1)
    products = np.where(bound, (of_ion * of_chain).sum(axis=2), 0).sum(axis=1)
    squares = np.where(bound, (of_ion**2).sum(axis=2), 0).sum(axis=1)
    block = start * BLOCKS // len(ions)
    whole = (start + lag) * BLOCKS // len(ions) == block
    sums = np.array([[v[whole & (block == k)].sum() for v in (products, squares)] for k in range(BLOCKS)])
    if not (sums[:, 1] > 0).all():
        return UNKNOWN
    return Estimate(float(products.sum() / squares.sum()), standard_error(sums[:, 0] / sums[:, 1]))
