"""Means, drifts and errors of correlated series."""

from __future__ import annotations

import dataclasses
import functools
import logging
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eoli.core.alone import alone
from eoli.core.arrays import Floats
from eoli.errors import DataError


@dataclass(frozen=True)
class Estimate:
    """A value and its standard error; both None if the data do not determine them."""

    value: float | None
    error: float | None

    def times(self, factor: float) -> Estimate:
        """The same in another unit."""
        return Estimate(*(None if number is None else factor * number for number in (self.value, self.error)))


@dataclass(frozen=True)
class Mean:
    """Equilibrated mean of a series, with its standard error and the number of independent samples."""

    value: float
    standard_error: float
    n_effective: float
    first_equilibrated_index: int


@dataclass(frozen=True)
class BlockTest:
    """Whether blocks of a series agree; `p_value` is None with too few independent samples."""

    block_means: tuple[float, ...]
    n_effective: float
    p_value: float | None


UNKNOWN = Estimate(None, None)


def estimate(value: float, error: float) -> Estimate:
    """A value whose error is unknown if it is not finite."""
    return Estimate(float(value), float(error) if math.isfinite(error) else None)


CONFIDENCE = 0.6827
"""Of every interval: one standard deviation."""
BLOCKS = 5
"""Blocks of a run whose means count as independent."""

_TEST_BLOCKS = 4
_LEAST_PER_BLOCK = 5.0


@functools.cache
def _timeseries() -> Any:
    # it says on import what every user of such estimates is to know
    logging.getLogger("pymbar").setLevel(logging.ERROR)
    # the rest of pymbar takes longer to import than most series to analyse
    return alone("pymbar.timeseries")


def _series(series: npt.ArrayLike, least: int) -> Floats:
    values = np.asarray(series, dtype=np.float64)
    if values.ndim != 1 or len(values) < least:
        raise DataError(f"a series of {values.size} values; at least {least} are needed")
    if not np.isfinite(values).all():
        raise DataError(f"the series has {np.count_nonzero(~np.isfinite(values))} values that are not finite")
    return values


def _is_constant(values: Floats) -> bool:
    # the variance of equal numbers is not exactly zero in floating point
    return bool(np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())))


def inefficiency(series: npt.ArrayLike) -> float:
    """Statistical inefficiency g >= 1: a series of n values has n/g independent ones.

    Chodera et al., J. Chem. Theory Comput. 3, 26 (2007). A constant series gives 1. Raises DataError for fewer than
    two values or one that is not finite.
    """
    values = _series(series, 2)
    if _is_constant(values):
        return 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(max(1.0, _timeseries().statistical_inefficiency(values, fast=len(values) > 10_000)))


def equilibrated_mean(series: npt.ArrayLike) -> Mean:
    """Mean of a series, shape (n,), after the start that maximises the number of independent samples.

    Chodera, J. Chem. Theory Comput. 12, 1799 (2016), doi 10.1021/acs.jctc.5b00784; about 100 starts are tried, and at
    least the second half of the series is kept. The standard error is that of n/g samples. A constant series has error
    0. Raises DataError for fewer than two values or one that is not finite.
    """
    values = _series(series, 2)
    if _is_constant(values):
        return Mean(float(values.mean()), 0.0, float(len(values)), 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, _, _ = _timeseries().detect_equilibration(values, fast=True, nskip=max(1, len(values) // 100))
    # a start near the end leaves too little to estimate its own correlation
    start = min(int(found), (len(values) - 1) // 2)
    kept = values[start:]
    n_effective = len(kept) / inefficiency(kept)
    error = float(kept.std(ddof=1) / np.sqrt(n_effective))
    return Mean(float(kept.mean()), error, float(n_effective), start)


def slope(x: Floats, y: Floats) -> float:
    """Slope of the straight line through points by least squares; both of shape (n,)."""
    centred = x - x.mean()
    return float(centred @ y / (centred @ centred))


def linear_drift(time: npt.ArrayLike, series: npt.ArrayLike) -> Estimate:
    """Slope of a series against time, in units of series per time; both of shape (n,), time increasing.

    The error is that of the straight line, with the residual variance multiplied by the residuals' statistical
    inefficiency, because neighbours are not independent. Raises DataError for fewer than four values.
    """
    x, y = _series(time, 4), _series(series, 4)
    if len(x) != len(y) or not np.ptp(x) > 0:
        raise DataError("a drift needs as many times as values, and times that differ")
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    residuals = y - y.mean() - slope * centred
    variance = float(residuals @ residuals) / (len(x) - 2) * inefficiency(residuals)
    return Estimate(slope, float(np.sqrt(variance / (centred @ centred))))


def blocks_agree(series: npt.ArrayLike) -> BlockTest:
    """Analysis of variance of the means of four consecutive blocks of a correlated series, shape (n,).

    The p-value is the probability that blocks of a stationary series differ by more. F is the variance of the block
    means over that within the blocks, with n/g independent samples (g: statistical inefficiency of the series without
    its block means) in place of n; drifts, and fluctuations slower than a block, make it large. Unknown with fewer than
    five independent samples per block, since then the correlation itself is unknown. A constant series agrees. Raises
    DataError for fewer than eight values.
    """
    values = _series(series, 2 * _TEST_BLOCKS)
    blocks = np.array_split(values, _TEST_BLOCKS)
    means = np.array([block.mean() for block in blocks])
    if _is_constant(values):
        return BlockTest(tuple(means.tolist()), float(len(values)), 1.0)
    residuals = np.concatenate([block - block.mean() for block in blocks])
    g = inefficiency(residuals)
    sizes = np.array([len(block) for block in blocks])
    n_effective = float(len(values) / g)
    found = BlockTest(tuple(means.tolist()), n_effective, None)
    if n_effective < _TEST_BLOCKS * _LEAST_PER_BLOCK:
        return found
    freedom = n_effective - _TEST_BLOCKS
    # the mean of a correlated block follows its samples, which takes variance g/n of each block out of the residuals
    within = float(residuals @ residuals) / len(values) * n_effective / freedom
    if within <= 0:
        return dataclasses.replace(found, p_value=0.0)
    between = float(sizes @ (means - values.mean()) ** 2) / g / (_TEST_BLOCKS - 1)
    # a slow import, as all of scipy.special, which many commands do without
    from scipy.special import fdtrc

    return dataclasses.replace(found, p_value=float(fdtrc(_TEST_BLOCKS - 1, freedom, between / within)))


def standard_error(samples: npt.ArrayLike) -> float:
    """Standard error of the mean of independent samples (replicas, blocks), shape (n,); NaN for fewer than two."""
    values = np.asarray(samples, dtype=np.float64)
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def length_for_error(length: float, error: float, target: float) -> float:
    """Length of a run at which an error, that of a run of `length`, falls to `target`: errors of means fall as 1/sqrt(length)."""
    return length * (error / target) ** 2


def student_factor(degrees_of_freedom: float) -> float:
    """Student's t: half of the CONFIDENCE interval, in units of an error with this many degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees_of_freedom, (1 + CONFIDENCE) / 2))


def welch_freedom(errors: Sequence[float], freedom: Sequence[float]) -> float:
    """Degrees of freedom of a sum of independent variances, from standard errors and the degrees of freedom of each.

    Welch, Biometrika 34, 28 (1947); Satterthwaite, Biometrics Bulletin 2, 110 (1946). Infinite without any error.
    """
    variances = [error**2 for error in errors]
    if not sum(variances) > 0:
        return math.inf
    return sum(variances) ** 2 / sum(v**2 / of for v, of in zip(variances, freedom, strict=True))


def exceeds(difference: float, errors: Sequence[float], freedom: Sequence[float], confidence: float) -> bool:
    """Whether the difference of two independent means is beyond its error at a two-sided confidence.

    `errors` are the standard errors of the two, `freedom` their degrees of freedom: Welch's t with those of
    `welch_freedom`. Two errors of zero decide nothing.
    """
    pooled = welch_freedom(errors, freedom)
    if math.isinf(pooled):
        return False
    from scipy.special import stdtrit

    return abs(difference) > float(stdtrit(pooled, (1 + confidence) / 2)) * math.hypot(*errors)


def mean_of_starts(values: npt.ArrayLike, errors: npt.ArrayLike) -> tuple[float, float]:
    """Plain mean of at least two replicas, shape (n,), and half of its 68 % interval.

    The half-interval is the larger of Student's t times the standard error over the replicas and of what their own
    errors give. Replicas are not weighted: one that is stuck has a small error. Raises DataError for fewer than two.
    """
    x, sigma = _series(values, 2), _series(errors, 2)
    between = student_factor(len(x) - 1) * standard_error(x)
    return float(x.mean()), max(between, float(np.sqrt((sigma**2).sum())) / len(x))


def block_means(series: npt.ArrayLike) -> Floats:
    """Means of five consecutive blocks of frames, (5, ...), of a series (frames, ...), as equal in length as possible.

    NaN for fewer frames than blocks.
    """
    values = np.asarray(series, dtype=np.float64)
    if len(values) < BLOCKS:
        return np.full((BLOCKS, *values.shape[1:]), np.nan)
    return np.array([part.mean(axis=0) for part in np.array_split(values, BLOCKS)])


def block_estimate(series: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Mean over frames and its standard error from `block_means`; both of shape (...).

    `series` has shape (frames, ...). The error is NaN for fewer than five frames.
    """
    values = np.asarray(series, dtype=np.float64)
    return values.mean(axis=0), block_means(values).std(axis=0, ddof=1) / np.sqrt(BLOCKS)


def jackknife_error(estimate: Callable[[Floats], float], samples: Floats) -> float:
    """Standard error of `estimate(mean of samples)` by leaving out one of the independent samples at a time.

    `samples` has shape (n, ...); the estimate takes a mean of shape (...). NaN for fewer than two samples. Efron,
    Stein, Ann. Stat. 9, 586 (1981).
    """
    n = len(samples)
    if n < 2:
        return float("nan")
    total = samples.sum(axis=0)
    left_out = np.array([estimate((total - sample) / (n - 1)) for sample in samples])
    return float(np.sqrt((n - 1) * left_out.var()))
