"""Residence of lithium with its partners: contacts, bound periods, survival, contact correlation, and their times.

Frames are counted from 0; a run of n frames has n - 1 steps of `interval_ps`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import chdtri, ndtri

from eoli.core.arrays import Booleans, Floats, Integers
from eoli.core.compiled import compiled
from eoli.core.statistics import jackknife_error
from eoli.errors import DataError

Verdict = Literal["resolved", "too few exits", "faster than the frames", "not resolved"]

LEAST_EXITS = 10
"""Fewer exits give only a lower bound: the relative error of a mean of n exponential times is 1/sqrt(n)."""

_ONE_SIDED = 0.95
_LARGEST_RELATIVE_ERROR = 0.5
_CHUNK_BYTES = 64e6


@dataclass(frozen=True)
class Partners:
    """Definition of contact: the partner of every site (-1: none), shape (n_sites,), and the site's cut-off."""

    label: Integers
    cutoff_nm: Floats

    @property
    def count(self) -> int:
        """Number of partners."""
        return int(self.label.max(initial=-1)) + 1


@dataclass(frozen=True)
class Periods:
    """Bound periods: lithium, partner, first and last bound frame, each of shape (periods,), in a run of n_frames.

    A period may hold breaks of at most `break_frames` unbound frames.
    """

    lithium: Integers
    partner: Integers
    first: Integers
    last: Integers
    n_frames: int
    n_lithium: int
    break_frames: int


@dataclass(frozen=True)
class Decay:
    """A decaying function of the lag with errors, shape (lags,), and the lag at which it falls to 1/e.

    If that lag is not resolved it is None, and `at_least_ps` is the last lag up to which the function stays above 1/e
    by two standard errors; None if it does not even at the first lag.
    """

    function: Floats
    errors: Floats
    time_ps: float | None
    error_ps: float | None
    at_least_ps: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Residence:
    """Mean residence time in ps with its error, or a lower bound (one-sided, 95 %), from exits and bound time."""

    mean_ps: float | None
    error_ps: float | None
    at_least_ps: float | None
    exits: int
    bound_ps: float
    verdict: Verdict


@compiled()
def _periods(
    neighbours: Integers, distances: Integers, label: Integers, cutoff: Floats, n_partners: int, break_frames: int
) -> Integers:
    found = [(-1, -1, -1, -1) for _ in range(0)]
    first, last = np.empty(n_partners, np.int64), np.empty(n_partners, np.int64)
    n_frames, n_lithium, n_slots = neighbours.shape
    for i in range(n_lithium):
        first[:] = -1
        for t in range(n_frames):
            for k in range(n_slots):
                site = neighbours[t, i, k]
                if site < 0:
                    break
                p = label[site]
                if p < 0 or distances[t, i, k] >= cutoff[site]:
                    continue
                if first[p] >= 0 and t - last[p] > break_frames + 1:
                    found.append((i, p, first[p], last[p]))
                    first[p] = -1
                if first[p] < 0:
                    first[p] = t
                last[p] = t
        for p in range(n_partners):
            if first[p] >= 0:
                found.append((i, p, first[p], last[p]))
    table = np.empty((len(found), 4), np.int64)
    for n in range(len(found)):
        table[n, 0], table[n, 1], table[n, 2], table[n, 3] = found[n]
    return table


def check_range(partners: Partners, range_nm: float) -> None:
    """Raise DataError if the neighbour lists, which reach `range_nm`, are shorter than the cut-offs."""
    longest = float(partners.cutoff_nm[partners.label >= 0].max(initial=0.0))
    if longest > range_nm * (1 + 1e-6):
        raise DataError(f"a cut-off of {longest:g} nm; the reduced trajectory holds neighbours within {range_nm:g} nm")


def bound_periods(neighbours: Integers, distances: Integers, partners: Partners, break_frames: int = 0) -> Periods:
    """Bound periods of every pair of lithium and partner that ever touches.

    `neighbours` and `distances` (frames, lithium ions, slots) are sites, padded at the end with -1, and their distances
    in nm. A pair is bound in a frame if any site of the partner is below its cut-off. Absences of at most
    `break_frames` frames do not end a period (the tolerance t* of Impey, Madden, McDonald, J. Phys. Chem. 87, 5071
    (1983)). Extra memory is that of the periods.
    """
    table = _periods(neighbours, distances, partners.label, partners.cutoff_nm, partners.count, break_frames)
    ion, partner, first, last = table.T
    return Periods(ion, partner, first, last, len(neighbours), neighbours.shape[1], break_frames)


def contacts(neighbours: Integers, distances: Integers, partners: Partners) -> Booleans:
    """Mask of slots with a site within its cut-off, shape of `neighbours`."""
    known = neighbours >= 0
    near = distances < partners.cutoff_nm[neighbours]
    return np.asarray(known & near & (partners.label[neighbours] >= 0))


def crossing(lags: Floats, values: Floats, level: float = math.exp(-1)) -> float:
    """First lag at which `values` (lags,), 1 at lag 0, fall to `level`, by linear interpolation; NaN if they do not."""
    below = np.flatnonzero(values <= level)
    if not len(below):
        return math.nan
    k = int(below[0])
    before, start = (lags[k - 1], values[k - 1]) if k else (0.0, 1.0)
    return float(before + (lags[k] - before) * (start - level) / (start - values[k]))


def decay(lag_ps: Floats, samples: Floats, curve: Callable[[Floats], Floats]) -> Decay:
    """The function `curve(mean of samples)` of the lags, shape (lags,), and its 1/e time, with jackknife errors.

    `samples` (n, ...) are independent, such as one row per ion or chain; `lag_ps` increase from above 0. The time is
    resolved if the function reaches 1/e beyond its first lag, also with any one sample left out, and if the error is
    below half of the time.
    """
    n = len(samples)
    total = samples.sum(axis=0)
    values = curve(total / n)
    if n < 2:
        return Decay(values, np.full(len(lag_ps), np.nan), None, None, None, "not resolved")
    left_out = np.array([curve((total - sample) / (n - 1)) for sample in samples])
    errors = np.sqrt((n - 1) * left_out.var(axis=0))
    time = crossing(lag_ps, values)
    if time < lag_ps[0]:
        return Decay(values, errors, None, None, None, "faster than the frames")
    error = float(np.sqrt((n - 1) * np.var([crossing(lag_ps, row) for row in left_out])))
    if error <= _LARGEST_RELATIVE_ERROR * time:
        return Decay(values, errors, time, error, None, "resolved")
    above = values - 2 * errors > math.exp(-1)
    n_above = len(above) if above.all() else int(np.argmin(above))
    return Decay(values, errors, None, None, float(lag_ps[n_above - 1]) if n_above else None, "not resolved")


def _window(periods: Periods) -> tuple[Booleans, Booleans, Integers, Booleans]:
    """Kept periods, and for each: exit seen, steps at risk, entry seen."""
    # Later absences could still turn out to be breaks, so everything is censored here.
    end = periods.n_frames - 1 - periods.break_frames
    kept = periods.first <= end
    exited = periods.last[kept] < end
    steps = np.where(exited, periods.last[kept] + 1, end) - periods.first[kept]
    return kept, exited, steps, periods.first[kept] > periods.break_frames


def mean_residence(periods: Periods, interval_ps: float) -> Residence:
    """Mean residence time of the bound periods of one run; see `mean_residence_of_runs`."""
    return mean_residence_of_runs([periods], interval_ps)


def mean_residence_of_runs(runs: Sequence[Periods], interval_ps: float) -> Residence:
    """Mean residence time of bound periods with right and left censoring, in all of several runs of one system.

    The exit probability p per step of bound time is exits / steps at risk, and the time -interval / ln(1 - p): the
    maximum likelihood for exponential times seen in steps. Periods present at the start count from there (delayed entry
    without memory); those that last to the end count as time without an exit. In a stationary state as many ions enter
    as leave, so bound time / exits is the mean residence of an entering ion for any distribution of times. The relative
    error is the larger of 1 / sqrt(exits) and the jackknife error of the rate over ions, which sees that exits of one
    ion come in bunches, and over runs if there are several. Fewer than `LEAST_EXITS` exits, a single ion, or a relative error above one half give only the
    lower bound: the inverse of the rate plus 1.64 of its errors, or of its upper Poisson limit if that is higher.
    """
    of_runs = []
    for periods in runs:
        kept, exited, steps, _ = _window(periods)
        lithium = periods.lithium[kept]
        of_runs.append(np.stack([np.bincount(lithium, w, periods.n_lithium) for w in (exited, steps)], axis=1))
    of_ions: Floats = np.concatenate(of_runs)
    n_exits, bound_ps = int(of_ions[:, 0].sum()), float(of_ions[:, 1].sum()) * interval_ps
    of_ions = of_ions[of_ions[:, 1] > 0]

    def rate_of(mean: Floats) -> float:
        # frames cannot resolve a rate of one exit per step; any large number says so
        return float(-np.log1p(-min(mean[0] / mean[1], 0.99)) / interval_ps)

    rate = rate_of(of_ions.sum(axis=0)) if n_exits else 0.0
    if rate * interval_ps > 1:
        return Residence(None, None, None, n_exits, bound_ps, "faster than the frames")
    samples = (of_ions, np.array([of_run.sum(axis=0) for of_run in of_runs if of_run[:, 1].any()]))
    errors = (rate / math.sqrt(max(1, n_exits)), *(jackknife_error(rate_of, of) for of in samples))
    error = float(np.fmax.reduce(errors))
    if n_exits < LEAST_EXITS or len(of_ions) < 2 or error > _LARGEST_RELATIVE_ERROR * rate:
        if not bound_ps:
            return Residence(None, None, None, 0, 0.0, "too few exits")
        highest = max(chdtri(2 * (n_exits + 1), 1 - _ONE_SIDED) / 2 / bound_ps, rate + ndtri(_ONE_SIDED) * error)
        return Residence(None, None, float(1 / highest), n_exits, bound_ps, "too few exits")
    return Residence(1 / rate, error / rate**2, None, n_exits, bound_ps, "resolved")


def _counts(durations: Integers, lithium: Integers, shape: tuple[int, int]) -> Floats:
    table = np.zeros(shape)
    np.add.at(table, (lithium, durations), 1.0)
    return table


def survival(periods: Periods, interval_ps: float, lags: Integers) -> Decay | None:
    """Kaplan-Meier survival of bound periods at `lags` in frames, > 0, with jackknife errors over ions.

    Only periods whose entry was seen enter; those present at the start have unknown age and are the long ones. Periods
    that last to the end are censored there. Kaplan, Meier, J. Am. Stat. Assoc. 53, 457 (1958). Beyond the longest time
    at which a period was at risk the survival is NaN. None if no entry was seen.
    """
    kept, exited, steps, entered = _window(periods)
    # A period that begins at the last frame at risk has no step yet.
    use = entered & (steps > 0)
    if not use.any():
        return None
    steps, exited, lithium = steps[use], exited[use], periods.lithium[kept][use]
    ions, row = np.unique(lithium, return_inverse=True)
    shape = (len(ions), int(steps.max()) + 1)
    leaving = _counts(steps, row, shape)
    exits = _counts(steps[exited], row[exited], shape)
    at_risk = leaving[:, ::-1].cumsum(axis=1)[:, ::-1]
    here = lags[lags < shape[1]]

    def curve(mean: Floats) -> Floats:
        events, risk = mean
        hazard = np.divide(events, risk, out=np.zeros_like(events), where=risk > 1e-12)
        result = np.full(len(lags), np.nan)
        result[: len(here)] = np.cumprod(1 - hazard)[here]
        return result

    return decay(lags * interval_ps, np.stack([exits, at_risk], axis=1), curve)


def contact_correlation(periods: Periods, interval_ps: float, lags: Integers) -> Decay | None:
    """Intermittent correlation C(t) = <h(0)h(t)>/<h> at `lags` in frames, > 0, over all origins and pairs that touch.

    h is 1 while a pair is bound; a pair bound again counts, whatever happened in between. The average of h is over the
    origins. Computed by Fourier transform, with one row of frames per pair in memory at a time. Rapaport, Mol. Phys.
    50, 1151 (1983). Jackknife errors over ions. None if nothing is ever bound.
    """
    if not len(periods.first):
        return None
    n = periods.n_frames
    length = next_fast_len(2 * n, real=True)
    chunk = max(1, int(_CHUNK_BYTES / (length * 16)))
    rows = []
    for ion in np.unique(periods.lithium):
        mine = periods.lithium == ion
        partners, row = np.unique(periods.partner[mine], return_inverse=True)
        power, bound = np.zeros(length // 2 + 1), np.zeros(n)
        for start in range(0, len(partners), chunk):
            part = (row >= start) & (row < start + chunk)
            steps = np.zeros((min(chunk, len(partners) - start), n + 1), dtype=np.float32)
            np.add.at(steps, (row[part] - start, periods.first[mine][part]), 1)
            np.add.at(steps, (row[part] - start, periods.last[mine][part] + 1), -1)
            h = np.cumsum(steps[:, :n], axis=1)
            spectrum = rfft(h, length, axis=1)
            power += (spectrum.real**2 + spectrum.imag**2).sum(axis=0)
            bound += h.sum(axis=0)
        origins = np.cumsum(bound)[n - 1 - lags]
        rows.append(np.stack([irfft(power, length)[lags], origins]))

    def curve(mean: Floats) -> Floats:
        return np.asarray(np.divide(mean[0], mean[1], out=np.full(len(lags), np.nan), where=mean[1] > 1e-9))

    return decay(lags * interval_ps, np.array(rows), curve)
