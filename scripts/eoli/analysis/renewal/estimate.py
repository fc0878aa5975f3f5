"""The times of the renewal model, its D and the tests of its assumptions, from paths of ions and chains.

Errors are by jackknife, over ions for what ions do and over chains for what chains do; those of D are both together. Where
runs that started independently are taken together, ions of one run may have more in common than its length lets them
forget: the error is then at least that of a jackknife over the runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from eoli.analysis.mechanism.hopping import NO_HOST, squared_displacements
from eoli.analysis.mechanism.residence import Periods, Residence, mean_residence_of_runs
from eoli.analysis.motion.msd import particle_msd
from eoli.analysis.renewal.model import (
    index_msd,
    long_chain_diffusion,
    renewal_diffusion,
    segment_msd,
    slowest_time,
)
from eoli.core.arrays import Booleans, Floats, Indices, Integers
from eoli.core.statistics import UNKNOWN, Estimate, student_factor

Tested = Literal["holds", "fails", "not tested"]

LARGEST_RELATIVE_ERROR = 0.5
LEAST_INTERVALS = 10
"""Fewest intervals between transfers whose begin and end are seen."""
LARGEST_SHARE_OF_RUN = 0.25
"""Longest tau_3 in lengths of the run for the mean over intervals: 9 % of the time is then in intervals longer than the
run, which are never seen."""
_WINDOW_FACTOR = 10
_WINDOW_POINTS = 12
_LEAST_POINTS = 5
_SHARE_OF_RUN = 0.25
_SAME_D = math.log(1.25)
_RATES_APART = math.log(2)
_LARGEST_CORRELATION = 0.1
_LARGEST_ABSENCE = 0.1
_LARGEST_ASSISTED = 0.25
_ERRORS = 2


@dataclass(frozen=True)
class Walks:
    """Ions on chains in one run; lengths in nm.

    `host` (frames, ions) are chains or -1 (`eoli.analysis.mechanism.hopping.hosts`, with no host as a state), `index`
    (frames, ions) the repeat unit on the host, NaN where none binds; `ions` (frames, ions, 3) and `chains` (frames, chains,
    3) are unwrapped paths `interval_ps` apart. Every `every`-th of these frames is one of the segments: `segments(chain)`
    gives the paths of the binding sites of a chain relative to its centre of mass, (segment frames, sites, 3), and the ion
    at each, or -1, (segment frames, sites). `end_to_end2` (chains,) is the mean square end-to-end distance of each chain of
    `units` repeat units, of which a share `other_block` is of another block than the one that the model describes.
    """

    interval_ps: float
    host: Integers
    index: Floats
    ions: Floats
    chains: Floats
    every: int
    segments: Callable[[int], tuple[Floats, Integers]]
    end_to_end2: Floats
    units: int
    other_block: float = 0.0


@dataclass(frozen=True)
class Check:
    """Test of one assumption: it holds where `value` is at most `limit` from 0, or by no more than two errors beyond."""

    value: float | None
    error: float | None
    limit: float
    result: Tested


@dataclass(frozen=True)
class Transfers:
    """Mean time on a chain, transfers, direct and by way of an anion, and the share of time without a chain."""

    residence: Residence
    direct: int
    assisted: int
    absent: float


@dataclass(frozen=True)
class Curve:
    """A measured MSD at the lags of the fit, with its model: (lags,) each."""

    msd: Floats
    errors: Floats
    model: Floats


@dataclass(frozen=True)
class Transport:
    """What the renewal model says, in ps and nm; unknown what the data do not tell.

    `diffusion` is D of the ions on the simulated chains, `long_chains` on chains of infinite length, both from tau_1, tau_2
    and tau_3; `on_chains` the former with the motion of the ions on their chains, not split in two; `model_free` that of
    the displacements R between transfers, <R^2> (1 + 2 c) over six times their mean interval: nm2/ps. `chain_share` is
    what the motion of whole chains adds. `curves`, at `lag_ps`, are <Dn^2> and the MSD of segments and ions on their chains.
    """

    transfers: Transfers
    checks: dict[str, Check]
    model_free: Estimate = UNKNOWN
    tau_1: Estimate = UNKNOWN
    tau_2: Estimate = UNKNOWN
    index_rate: Estimate = UNKNOWN
    end_to_end2: Estimate = UNKNOWN
    chain_share: Estimate = UNKNOWN
    diffusion: Estimate = UNKNOWN
    long_chains: Estimate = UNKNOWN
    on_chains: Estimate = UNKNOWN
    lag_ps: Floats = field(default_factory=lambda: np.empty(0))
    curves: dict[str, Curve] = field(default_factory=dict)


def bridged(host: Integers, return_frames: int) -> Integers:
    """Hosts (frames, ions) without excursions: an ion that comes back to the chain it left has not left it.

    It comes back from an anion after any time, from other chains within `return_frames`. An absence that lasts to the end
    belongs to the last chain; it is no transfer yet.
    """
    found = np.array(host)
    for series in found.T:
        begins = np.concatenate([[0], np.flatnonzero(np.diff(series)) + 1])
        chains = series[begins].tolist()
        ends = np.concatenate([begins[1:], [len(series)]])
        k = 0
        while k < len(chains):
            back = _return(chains, begins, ends, k, return_frames)
            if back is not None:
                series[ends[k] : begins[back]] = chains[k]
            k = k + 1 if back is None else back
        if len(chains) > 1 and chains[-1] == NO_HOST:
            series[begins[-1] :] = series[begins[-1] - 1]
    return found


def _return(chains: list[int], begins: Indices, ends: Indices, k: int, return_frames: int) -> int | None:
    """Number of the period in which an ion comes back to the chain of period `k`; None for no excursion."""
    if chains[k] == NO_HOST:
        return None
    elsewhere = False
    for m in range(k + 1, len(chains)):
        if elsewhere and begins[m] - ends[k] > return_frames:
            return None
        if chains[m] == chains[k]:
            return m
        elsewhere = elsewhere or chains[m] != NO_HOST
    return None


def _stays(host: Integers) -> tuple[Integers, Integers, Integers]:
    """Ion, first and last frame of each stay on a chain, in order of ions and time."""
    rows = []
    for ion, series in enumerate(host.T):
        edges = np.concatenate([[0], np.flatnonzero(np.diff(series)) + 1, [len(series)]])
        rows += [(ion, a, b - 1) for a, b in pairwise(edges) if series[a] != NO_HOST]
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def intervals_between(host: Integers, ions: Floats, confirm_frames: int, mean_frames: int) -> tuple[Floats, Floats]:
    """Intervals from one transfer to the next of the same ion, and the displacements in them, (intervals, 3), nm.

    Rows of the first: ion, duration in frames, squared displacement, weight. `host` is bridged; a transfer is known
    `confirm_frames` after it. An interval of T frames is seen whole only if it begins in the first L - T of L frames; its
    weight L/(L - T) makes up for those that are not (Horvitz, Thompson, J. Am. Stat. Assoc. 47, 663 (1952)). Positions are
    means over `mean_frames` frames from a transfer on, which averages out rattling.
    """
    ion, first, _ = _stays(host)
    length = len(host) - max(confirm_frames, mean_frames)
    known = np.concatenate([[False], ion[1:] == ion[:-1]])
    rows, moved = [], []
    for k in range(len(ion) - 1):
        if known[k] and ion[k + 1] == ion[k] and first[k + 1] <= length:
            path = ions[:, ion[k]]
            ends = [path[f : f + mean_frames].mean(axis=0) for f in (first[k], first[k + 1])]
            duration = int(first[k + 1] - first[k])
            step = ends[1] - ends[0]
            rows.append((ion[k], duration, step @ step, length / max(1, length - duration)))
            moved.append(step)
    return np.array(rows).reshape(-1, 4), np.array(moved).reshape(-1, 3)


def _spread(left_out: Floats) -> float:
    """Half of the 68 % interval of a number, by jackknife: `left_out` (n,) has its values without one sample each."""
    n = len(left_out)
    return student_factor(n - 1) * float(np.sqrt((n - 1) * left_out.var())) if n > 1 else math.nan


def _left_out(values_of: Callable[..., Any], starts: Indices, *sums: Floats) -> tuple[Any, list[Any], list[Any]]:
    """Values of the totals of independent samples (n, ...), those without one sample each, and without one run each.

    `starts` (n,) is the run of each sample; of a single run there is none without it.
    """
    totals, n = [of.sum(axis=0) for of in sums], len(starts)

    def without(gone: Booleans) -> Any:
        return values_of(n - int(gone.sum()), *(t - of[gone].sum(axis=0) for t, of in zip(totals, sums, strict=True)))

    samples, runs = np.arange(n), np.unique(starts)
    return (
        values_of(n, *totals),
        [without(samples == k) for k in samples],
        [without(starts == k) for k in runs] if len(runs) > 1 else [],
    )


def _larger(within: float, without_start: Sequence[float]) -> float:
    """The error of a number from samples within runs, or that from its values without one run each if it is larger."""
    return max(within, _spread(np.array(without_start)))


def _of_sums(of: Callable[[Floats], float], starts: Indices, sums: Floats) -> tuple[float, float]:
    """The number `of` the total of independent samples (n, ...), with its error; `starts` (n,) is the run of each."""
    value, without_sample, without_start = _left_out(lambda _, total: of(total), starts, sums)
    return value, _larger(_spread(np.array(without_sample)), without_start)


def _estimate(value: float, error: float) -> Estimate:
    """A value with its error; unknown if that exceeds half of it, or where no such number is positive."""
    if not (math.isfinite(value) and value > 0 and error <= LARGEST_RELATIVE_ERROR * value):
        return UNKNOWN
    return Estimate(float(value), error)


def _check(value: float, error: float, limit: float) -> Check:
    if not math.isfinite(value) or not error <= 2 * limit:
        return Check(None, None, limit, "not tested")
    return Check(float(value), float(error), limit, "holds" if abs(value) <= limit + _ERRORS * error else "fails")


def _msd(sums: Floats) -> Floats:
    """MSD from sums of squares and of pairs, (2, lags)."""
    return np.asarray(np.divide(sums[0], sums[1], out=np.full(sums.shape[1], np.nan), where=sums[1] > 0))


def fitted_rate(msd: Floats, model: Callable[[float], Floats], low: float, high: float) -> tuple[float, float]:
    """Rate W between `low` and `high`, 1/ps, and offset c >= 0 for which c + model(W) is nearest to the MSD, (lags,).

    Least squares of relative residuals. The offset is local motion, faster than the lags: it does not carry an ion on. NaN
    for an MSD that is not positive.
    """
    if not (msd > 0).all():
        return math.nan, math.nan

    # a slow import
    from scipy.optimize import minimize_scalar

    def offset(values: Floats) -> float:
        return max(0.0, float(((msd - values) / msd**2).sum() / (1 / msd**2).sum()))

    def misfit(log_rate: float) -> float:
        values = model(math.exp(log_rate))
        return float((((offset(values) + values) / msd - 1) ** 2).sum())

    grid = np.linspace(math.log(low), math.log(high), 30)
    best = int(np.argmin([misfit(x) for x in grid]))
    bounds = grid[max(0, best - 1)], grid[min(len(grid) - 1, best + 1)]
    rate = math.exp(minimize_scalar(misfit, bounds=bounds, method="bounded", options={"xatol": 1e-4}).x)
    return rate, offset(model(rate))


def _transfers(runs: Sequence[Walks], whole: Sequence[Integers], confirm_frames: int) -> Transfers:
    periods, direct, assisted = [], 0, 0
    for host in whole:
        ion, first, last = _stays(host)
        periods.append(Periods(ion, host[first, ion], first, last, len(host), host.shape[1], confirm_frames - 1))
        follows = np.flatnonzero(ion[1:] == ion[:-1])
        by_anion = int((first[follows + 1] > last[follows] + 1).sum())
        direct, assisted = direct + len(follows) - by_anion, assisted + by_anion
    absent = float(np.concatenate([(walks.host == NO_HOST).ravel() for walks in runs]).mean())
    return Transfers(mean_residence_of_runs(periods, runs[0].interval_ps), direct, assisted, absent)


def _lags(tau_3: float, runs: Sequence[Walks]) -> Indices:
    """Lags of the fit in frames that segments have: from a tenth of tau_3 to tau_3, at most a quarter of the shortest run."""
    every = runs[0].every
    longest = min(tau_3 / runs[0].interval_ps, _SHARE_OF_RUN * min(len(walks.host) for walks in runs)) / every
    spaced = np.geomspace(max(1.0, longest / _WINDOW_FACTOR), max(1.0, longest), _WINDOW_POINTS)
    return np.unique(np.round(spaced).astype(np.int64)) * every


def _ageing(host: Integers, tau_frames: float, last_frame: int) -> tuple[Floats, Floats]:
    """Exits and frames at risk of stays whose begin was seen, younger and older than tau_3: (ions, 2) each."""
    exits, risk = np.zeros((host.shape[1], 2)), np.zeros((host.shape[1], 2))
    for ion, first, last in zip(*_stays(host), strict=True):
        if first == 0 or first > last_frame:
            continue
        seen, age = last < last_frame, min(last, last_frame) + 1 - first
        risk[ion] += min(age, tau_frames), max(0.0, age - tau_frames)
        exits[ion, int(age > tau_frames)] += seen
    return exits, risk


def _randomness(whole: Sequence[Integers], of_start: Indices, tau_frames: float, confirm_frames: int) -> Check:
    """ln of the rate of transfers of young over that of old stays, 0 for exponential times."""
    found = [np.stack(_ageing(host, tau_frames, len(host) - confirm_frames), axis=1) for host in whole]
    sums = np.concatenate(found)

    def ratio(total: Floats) -> float:
        young, old = (total[0] + 0.5) / np.maximum(total[1], 0.5)
        return math.log(young / old)

    if not (sums[:, 0].sum(axis=0) >= LEAST_INTERVALS / 2).all():
        return _check(math.nan, math.nan, _RATES_APART)
    return _check(*_of_sums(ratio, of_start, sums), _RATES_APART)


def _successive(intervals: Floats, moved: Floats, n_ions: int) -> Floats:
    """Sums of each ion, (ions, 4): R_k . R_k+1 of intervals that follow each other, their pairs, R^2, intervals."""
    ion = intervals[:, 0].astype(np.int64)
    next_too = ion[1:] == ion[:-1]
    products = np.where(next_too, (moved[1:] * moved[:-1]).sum(axis=1), 0)
    columns = ((ion[1:], products), (ion[1:], next_too), (ion, intervals[:, 2]), (ion, np.ones(len(ion))))
    return np.stack([np.bincount(of, values, n_ions) for of, values in columns], axis=1).astype(np.float64)


def _correlation(total: Floats) -> float:
    """<R_k . R_k+1> / <R^2> from sums of `_successive`."""
    return float(total[0] / max(1, total[1]) / (total[2] / max(1, total[3])))


def _independence(successive: Floats, of_start: Indices) -> Check:
    """Correlation of the displacements in successive intervals."""
    seen = successive[:, 3] > 0
    if successive[:, 1].sum() < LEAST_INTERVALS:
        return _check(math.nan, math.nan, _LARGEST_CORRELATION)
    return _check(*_of_sums(_correlation, of_start[seen], successive[seen]), _LARGEST_CORRELATION)


def _model_free(
    intervals: Floats, successive: Floats, of_start: Indices, shortest_ps: float, interval_ps: float, tau_3: float
) -> Estimate:
    """<R^2> (1 + 2 c) / (6 <T>), nm2/ps, over intervals between transfers (`intervals_between`).

    c is the correlation of successive displacements: the MSD of a walk of n such steps is n <R^2> (1 + 2 c) for large n,
    if those further apart are independent.
    """
    if len(intervals) < LEAST_INTERVALS or tau_3 > LARGEST_SHARE_OF_RUN * shortest_ps:
        return UNKNOWN
    ion, duration, square, weight = intervals.T
    columns = (np.bincount(ion.astype(np.int64), weight * of, len(of_start)) for of in (square, duration))
    sums = np.concatenate([np.stack(list(columns), axis=1), successive], axis=1).astype(np.float64)
    seen = sums[:, 1] > 0

    def diffusion(total: Floats) -> float:
        return float(total[0] / total[1] / 6 / interval_ps) * (1 + 2 * _correlation(total[2:]))

    return _estimate(*_of_sums(diffusion, of_start[seen], sums[seen]))


@dataclass(frozen=True, eq=False)
class _OfIons:
    """What ions say: tau_3, ps, W_1, 1/ps, and their own MSD on their chains, (lags,), nm2."""

    tau_3: float
    index_rate: float
    own_msd: Floats


@dataclass(frozen=True, eq=False)
class _OfChains:
    """What chains say: W_2 from all, short and long lags, 1/ps; b^2, nm2; MSD/(6 t) of the whole chain, nm2/ps."""

    segment_rate: float
    at_short_lags: float
    at_long_lags: float
    bond2: float
    chain_share: float


def transport(runs: Sequence[Walks], hold_frames: int, return_frames: int) -> Transport:
    """The renewal model for one run, or for several of one system, which must have frames equally far apart.

    Runs are taken together ion by ion and chain by chain: sums over all of them, one fit. A new host leads for
    `hold_frames` (see `hosts`); an ion back within `return_frames` has not left (`bridged`).

    - tau_3 is time on chains over transfers, with censored stays (`mean_residence_of_runs`).
    - W_1 from <Dn^2(t)> of ions that stay on a chain, W_2 from the MSD, relative to the centre of mass of their chain, of
      repeat units that bind the same ion at both ends of t: both by `fitted_rate` at lags from tau_3/10 to tau_3, the times
      that decide on D.
    - W_1 + W_2 once more from the MSD of ions on their chains, relative to the centre of mass of the chain.
    - The whole chain adds MSD/(6 t) of its centre of mass at lags from tau_3/3 to tau_3.

    Checks: *one block* (share of units of another one), *on chains* (share of time without a chain), *without anions* (share of transfers by way of an anion),
    *transfers at random* (ln of the rate of transfers in stays younger over that in stays older than tau_3), *independent
    transfers* (correlation of successive displacements), *Rouse segments* (ln of the D from the W_2 of short over that from
    the W_2 of long lags), *motions add up* (ln of the D from W_1 + W_2 over that from the MSD of ions on their chains).
    """
    whole, confirm = [bridged(walks.host, return_frames) for walks in runs], hold_frames + return_frames
    first, transfers = runs[0], _transfers(runs, whole, confirm)
    assisted = transfers.assisted / max(1, transfers.assisted + transfers.direct)
    checks = {
        "one block": _check(first.other_block, 0.0, 0.0),
        "on chains": _check(transfers.absent, 0.0, _LARGEST_ABSENCE),
        "without anions": _check(assisted, 0.0, _LARGEST_ASSISTED),
    }
    mean_ps = transfers.residence.mean_ps
    if mean_ps is None:
        return Transport(transfers, checks)
    of_start = _starts([host.shape[1] for host in whole])
    rows, steps = [], []
    for k, (walks, host) in enumerate(zip(runs, whole, strict=True)):
        found, moved = intervals_between(host, walks.ions, confirm, hold_frames)
        # ions are counted through all runs
        found[:, 0] += np.searchsorted(of_start, k)
        rows.append(found)
        steps.append(moved)
    intervals, moved = np.concatenate(rows), np.concatenate(steps)
    shortest_ps = min(len(host) for host in whole) * first.interval_ps
    checks["transfers at random"] = _randomness(whole, of_start, mean_ps / first.interval_ps, confirm)
    successive = _successive(intervals, moved, len(of_start))
    checks["independent transfers"] = _independence(successive, of_start)
    model_free = _model_free(intervals, successive, of_start, shortest_ps, first.interval_ps, mean_ps)
    lags = _lags(mean_ps, runs)
    if len(lags) < _LEAST_POINTS or first.other_block:
        return Transport(transfers, checks, model_free)
    return _modelled(runs, whole, confirm, lags, Transport(transfers, checks, model_free))


def _starts(counts: Sequence[int]) -> Indices:
    """Number of the run of each of its ions, or chains, for all runs one after the other."""
    return np.repeat(np.arange(len(counts)), counts)


def _modelled(
    runs: Sequence[Walks], whole: Sequence[Integers], confirm_frames: int, lags: Indices, so_far: Transport
) -> Transport:
    """The result with the times, the D of the model and the checks that need them."""
    interval_ps, n = runs[0].interval_ps, runs[0].units
    time = lags.astype(np.float64) * interval_ps
    low, high = 1e-4 / float(time[-1]), 10 / interval_ps
    short, late = time <= math.sqrt(time[0] * time[-1]), lags * 3 >= lags[-1]

    def on_chain(msd: Floats, bond2: float, part: Booleans) -> float:
        return fitted_rate(msd[part], lambda rate: segment_msd(time[part], rate, n, bond2), low, high)[0]

    def along(msd: Floats) -> float:
        return fitted_rate(msd, lambda rate: index_msd(time, rate, n), low, high)[0]

    every = np.ones(len(lags), dtype=np.bool_)
    end_to_end2 = np.concatenate([walks.end_to_end2 for walks in runs])

    def ions_of(_: int, steps: Floats, index: Floats, own: Floats) -> _OfIons:
        tau_3 = -interval_ps / math.log1p(-steps[0] / steps[1])
        return _OfIons(tau_3, along(_msd(index)), _msd(own))

    def chains_of(count: int, segments: Floats, squares: Floats, centres: Floats) -> _OfChains:
        msd, of_bond = _msd(segments), float(squares) / count / (n - 1)
        rate, at_short, at_long = (on_chain(msd, of_bond, part) for part in (every, short, ~short))
        return _OfChains(rate, at_short, at_long, of_bond, float((centres / count / (6 * time))[late].mean()))

    of_ion = _starts([host.shape[1] for host in whole])
    sums = [_ion_sums(walks, host, lags) for walks, host in zip(runs, whole, strict=True)]
    of_index, of_own = (np.concatenate(part) for part in zip(*sums, strict=True))
    exits = np.concatenate([_exits(host, confirm_frames) for host in whole])
    of_chain = _starts([len(walks.end_to_end2) for walks in runs])
    of_segments = np.concatenate([_segment_sums(walks, lags) for walks in runs])
    centres = np.concatenate([particle_msd(walks.chains, lags).T for walks in runs])
    of_ions, without_ion, without_their_run = _left_out(ions_of, of_ion, exits, of_index, of_own)
    of_chains, without_chain, without_its_run = _left_out(chains_of, of_chain, of_segments, end_to_end2, centres)

    @cache
    def both_rates(ions: _OfIons, chains: _OfChains) -> float:
        """W_1 + W_2, 1/ps, from the motion of ions on their chains: smaller where bonds are longer."""
        return on_chain(ions.own_msd, chains.bond2, every)

    def found(of: Callable[[_OfIons, _OfChains], float]) -> tuple[float, float]:
        """A number with its error: those from ions and from chains, or from runs if that is larger."""
        by_ions = _spread(np.array([of(ions, of_chains) for ions in without_ion]))
        by_chains = _spread(np.array([of(of_ions, chains) for chains in without_chain]))
        by_runs = [of(*both) for both in zip(without_their_run, without_its_run, strict=True)]
        return of(of_ions, of_chains), _larger(math.hypot(by_ions, by_chains), by_runs)

    def ratio(rates: Callable[[_OfIons, _OfChains], tuple[float, float]]) -> Check:
        """Check of the ln of the ratio of D from two rates."""

        def log_ratio(ions: _OfIons, chains: _OfChains) -> float:
            first, second = (renewal_diffusion(rate, n, chains.bond2, ions.tau_3) for rate in rates(ions, chains))
            return math.log(first / second)

        return _check(*found(log_ratio), _SAME_D)

    def curve(sums: Floats, starts: Indices, model: Callable[[float], Floats]) -> Curve:
        msd, left_out, _ = _left_out(lambda _, total: _msd(total), starts, sums)
        rate, offset = fitted_rate(msd, model, low, high)
        return Curve(msd, np.sqrt((len(sums) - 1) * np.var(left_out, axis=0)), offset + model(rate))

    return replace(
        so_far,
        checks={
            **so_far.checks,
            "Rouse segments": ratio(lambda i, c: (i.index_rate + c.at_short_lags, i.index_rate + c.at_long_lags)),
            "motions add up": ratio(lambda i, c: (i.index_rate + c.segment_rate, both_rates(i, c))),
        },
        lag_ps=time,
        tau_1=_estimate(*found(lambda i, _: slowest_time(i.index_rate, n))),
        tau_2=_estimate(*found(lambda _, c: slowest_time(c.segment_rate, n))),
        index_rate=_estimate(*found(lambda i, _: i.index_rate)),
        end_to_end2=_estimate(*found(lambda _, c: c.bond2 * (n - 1))),
        chain_share=_estimate(*found(lambda _, c: c.chain_share)),
        diffusion=_estimate(
            *found(lambda i, c: renewal_diffusion(i.index_rate + c.segment_rate, n, c.bond2, i.tau_3) + c.chain_share)
        ),
        long_chains=_estimate(
            *found(lambda i, c: long_chain_diffusion(i.index_rate + c.segment_rate, c.bond2, i.tau_3))
        ),
        on_chains=_estimate(
            *found(lambda i, c: renewal_diffusion(both_rates(i, c), n, c.bond2, i.tau_3) + c.chain_share)
        ),
        curves={
            "index": curve(of_index, of_ion, lambda rate: index_msd(time, rate, n)),
            "segments": curve(of_segments, of_chain, lambda rate: segment_msd(time, rate, n, of_chains.bond2)),
            "ions": curve(of_own, of_ion, lambda rate: segment_msd(time, rate, n, of_chains.bond2)),
        },
    )


def _ion_sums(walks: Walks, whole: Integers, lags: Indices) -> tuple[Floats, Floats]:
    """Sums (ions, 2, lags), see `squared_displacements`, of <Dn^2> and of paths relative to the chain, within stays."""
    stay = (np.diff(whole, axis=0, prepend=whole[:1]) != 0).cumsum(axis=0, dtype=np.int32)
    here = (walks.host == whole) & (whole != NO_HOST)
    chain = np.take_along_axis(walks.chains, np.maximum(whole, 0)[:, :, None], axis=1)
    own = np.where(here[:, :, None], walks.ions - chain, np.nan)
    index = np.where(here, walks.index, np.nan)
    return (
        squared_displacements(index[:, :, None], here, lags, stay),
        squared_displacements(own, here, lags, stay),
    )


def _segment_sums(walks: Walks, lags: Indices) -> Floats:
    """Sums (chains, 2, lags), see `squared_displacements`, of units that bind the same ion, relative to their chain."""
    found = []
    for chain in range(walks.chains.shape[1]):
        paths, bound = walks.segments(chain)
        found.append(squared_displacements(paths, bound >= 0, lags // walks.every, bound).sum(axis=0))
    return np.array(found)


def _exits(whole: Integers, confirm_frames: int) -> Floats:
    """Transfers of each ion, and frames in which they could happen, (ions, 2)."""
    ion, first, last = _stays(whole)
    end = len(whole) - confirm_frames
    seen = first <= end
    exited = seen & (last < end)
    steps = np.where(seen, np.where(exited, last + 1, end) - first, 0)
    return np.stack([np.bincount(ion, of, whole.shape[1]) for of in (exited, steps)], axis=1).astype(np.float64)
