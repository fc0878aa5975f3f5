"""Moves of lithium along a chain, between chains, with anions, between blocks; its environment and mobility there.

The host of an ion is the partner with most contacts. It changes only when another partner leads for t*, that is for
`hold_frames` consecutive frames. Positions are unwrapped and in nm, contour positions in repeat units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import chdtri

from eoli.analysis.mechanism.residence import Partners, contacts
from eoli.analysis.motion.msd import SIGMAS, Verdict, longest_lag, verdict_of
from eoli.core.arrays import Booleans, Floats, Integers
from eoli.core.compiled import compiled
from eoli.core.statistics import BLOCKS, CONFIDENCE, UNKNOWN, Estimate, estimate, jackknife_error, slope, standard_error

Kind = Literal["along_chain", "between_chains", "with_anion", "between_blocks"]

NO_HOST = -1

_BYTES_AT_ONCE = 4e6
_WINDOW_FACTOR = 3
_LEAST_POINTS = 4


@dataclass(frozen=True)
class Move:
    """A move of one ion, from the first frame after the old state (`start`) to the first of the new one (`frame`).

    The two differ only for a stay among anions. The host is a chain, or a block for moves between blocks. Contour
    positions, in repeat units, are given for moves along a chain.
    """

    frame: int
    start: int
    lithium: int
    kind: Kind
    from_host: int
    to_host: int
    from_unit: float | None = None
    to_unit: float | None = None


@dataclass(frozen=True)
class Rate:
    """Number of events, and rate per ion and ns with central 68 % Poisson interval; without events its upper end."""

    events: int
    per_ion_ns: float | None
    low_per_ion_ns: float | None
    high_per_ion_ns: float


@dataclass(frozen=True)
class Displacement:
    """MSD at lags with errors, and the result at `lag_ps`, the longest trusted lag (a tenth of the run).

    `exponent` and `slope` (MSD per ps) are fitted from a third of that lag to it; the slope is given only if the
    verdict is `diffusive`. `origins` counts the ions' origins in the MSD at that lag.
    """

    msd: Floats
    errors: Floats
    lag_ps: float | None
    at_lag: Estimate
    exponent: Estimate
    slope: Estimate
    origins: int
    verdict: Verdict


@compiled()
def _hosts(
    neighbours: Integers, distances: Integers, label: Integers, cutoff: Floats, n_labels: int, hold_frames: int,
    none_is_a_state: bool,
) -> Integers:  # fmt: skip
    n_frames, n_ions, n_slots = neighbours.shape
    unset = -2
    hosts = np.empty((n_frames, n_ions), np.int32)
    votes = np.zeros(n_labels, np.int32)
    for i in range(n_ions):
        present, candidate, held = unset, unset, 0
        for t in range(n_frames):
            most, leading = 0, -1
            votes[:] = 0
            for k in range(n_slots):
                site = neighbours[t, i, k]
                if site < 0:
                    break
                p = label[site]
                if p >= 0 and distances[t, i, k] < cutoff[site]:
                    votes[p] += 1
                    if votes[p] > most:
                        most, leading = votes[p], p
            if most == 0:
                if not none_is_a_state:
                    leading = present
            elif present >= 0 and votes[present] == most:
                leading = present
            elif candidate >= 0 and votes[candidate] == most:
                leading = candidate
            if leading == present:
                candidate, held = unset, 0
            elif leading == candidate:
                held += 1
            else:
                candidate, held = leading, 1
            hosts[t, i] = present
            if held >= hold_frames:
                # contacts before the first lasting host were no state
                begin = 0 if present == unset else t - hold_frames + 1
                hosts[begin : t + 1, i] = candidate
                present, candidate, held = candidate, unset, 0
        if present == unset:
            hosts[:, i] = -1
    return hosts


def hosts(
    neighbours: Integers, distances: Integers, partners: Partners, hold_frames: int, none_is_a_state: bool
) -> Integers:
    """Host of each ion in each frame, (frames, ions): the partner with most sites within their cut-offs.

    A tie keeps the present host. Another host counts once it leads for `hold_frames` consecutive frames, from the first
    of them. With `none_is_a_state`, no contact at all is a state too, -1; otherwise it keeps the present host. The
    first lasting host also holds before its time; an ion that never has one gets -1. `neighbours`, `distances`: see
    `eoli.analysis.mechanism.residence.bound_periods`.
    """
    of = partners.label, partners.cutoff_nm, partners.count
    return np.asarray(_hosts(neighbours, distances, *of, max(1, hold_frames), none_is_a_state))


def contact_numbers(neighbours: Integers, distances: Integers, partners: Partners) -> Integers:
    """Number of sites within their cut-offs of each ion, (frames, ions)."""
    ions = range(neighbours.shape[1])
    return np.stack(
        [contacts(neighbours[:, i], distances[:, i], partners).sum(axis=1, dtype=np.int16) for i in ions], axis=1
    )


def contour_positions(
    neighbours: Integers, distances: Integers, partners: Partners, unit_of_site: Integers, host: Integers
) -> Floats:
    """Mean repeat unit of the host's sites that bind each ion, (frames, ions); NaN if none does.

    `partners` labels the binding sites by chain; `host` (frames, ions) are the chains from `hosts`.
    """
    positions = np.empty(host.shape)
    for i in range(host.shape[1]):
        sites = neighbours[:, i]
        mine = contacts(sites, distances[:, i], partners) & (partners.label[sites] == host[:, i, None])
        number = mine.sum(axis=1)
        total = np.where(mine, unit_of_site[sites], 0).sum(axis=1, dtype=np.float64)
        positions[:, i] = np.divide(total, number, out=np.full(len(number), np.nan), where=number > 0)
    return positions


@compiled()
def _medians(contour: Floats, begin: int, end: int, hold: int, into: Floats) -> None:
    """Medians over the 2 hold - 1 frames around each frame of a stay; NaN if less than half of them are known."""
    width = 2 * hold - 1
    for t in range(begin + hold - 1, end - hold + 1):
        window = contour[t - hold + 1 : t + hold]
        known = window[~np.isnan(window)]
        into[t] = np.median(known) if 2 * len(known) > width else np.nan


@compiled()
def _shifts(contour: Floats, host: Integers, hold: int, least: float) -> list[tuple[int, int, float, float]]:
    found = [(0, 0, 0.0, 0.0) for _ in range(0)]
    n_frames, n_ions = contour.shape
    median = np.empty(n_frames)
    for i in range(n_ions):
        begin = 0
        while begin < n_frames:
            end = begin + 1
            while end < n_frames and host[end, i] == host[begin, i]:
                end += 1
            if host[begin, i] >= 0:
                _medians(contour[:, i], begin, end, hold, median)
                anchor, last = np.nan, end - hold
                t = begin + hold - 1
                while t <= last:
                    if np.isnan(anchor):
                        anchor = median[t]
                    elif abs(median[t] - anchor) >= least:
                        # a slide over several frames within t* is one move
                        after = median[min(t + hold - 1, last)]
                        if abs(after - anchor) >= least:
                            found.append((t, i, anchor, after))
                            anchor = after
                            t += hold - 1
                    t += 1
            begin = end
    return found


def moves_along_chains(contour: Floats, host: Integers, hold_frames: int, least_units: float) -> list[Move]:
    """Shifts of an ion's binding site along its host chain by at least `least_units` repeat units.

    The contour position, from `contour_positions`, is smoothed by the median over 2 `hold_frames` - 1 frames within a
    stay on a chain, so that excursions shorter than `hold_frames` vanish; each shift counts from the end of the
    previous one. `host` (frames, ions) are the chains from `hosts`.
    """
    table = _shifts(np.ascontiguousarray(contour), host, max(1, hold_frames), least_units - 1e-6)
    return [Move(t, t, i, "along_chain", int(host[t, i]), int(host[t, i]), a, b) for t, i, a, b in table]


def moves_between_hosts(host: Integers, kind: Kind) -> list[Move]:
    """Changes of host, (frames, ions) from `hosts`, as moves of `kind`; those through no host are `with_anion`.

    A `with_anion` move is complete once an ion that had left a host has a host again, even the same one. A stay without
    host that began before the run or lasts to its end is no move.
    """
    found = []
    for i, series in enumerate(host.T):
        changes = np.flatnonzero(np.diff(series)) + 1
        stays = series[np.concatenate([[0], changes])].tolist()
        for n, frame in enumerate(changes.tolist()):
            before, after = stays[n], stays[n + 1]
            if NO_HOST not in (before, after):
                found.append(Move(frame, frame, i, kind, before, after))
            elif before == NO_HOST and n > 0:
                found.append(Move(frame, int(changes[n - 1]), i, "with_anion", stays[n - 1], after))
    return found


def displacements(paths: Floats, moves: Sequence[Move], window_frames: int) -> Floats:
    """Displacement of the ion in each move, nm, shape (moves,).

    Between the mean positions over `window_frames` frames before the old state ended and after the new one began, which
    averages out rattling; windows are cut at the ends of the run. `paths` (frames, ions, 3) are unwrapped.
    """
    width = max(1, window_frames)

    def carried(move: Move) -> float:
        path = paths[:, move.lithium]
        before = path[max(0, move.start - width) : move.start].mean(axis=0)
        return float(np.linalg.norm(path[move.frame : move.frame + width].mean(axis=0) - before))

    return np.array([carried(move) for move in moves])


def square_displacement_anytime(paths: Floats, window_frames: int) -> float:
    """Mean square distance between mean positions of neighbouring windows, nm2: the reference for `displacements`
    without a move. `paths` (frames, ions, 3) are unwrapped, nm. NaN for a run shorter than two windows."""
    width = max(1, window_frames)
    if len(paths) < 2 * width:
        return math.nan
    squares = []
    # ion by ion: copies of all paths would dominate the analysis's memory
    for i in range(paths.shape[1]):
        sums = np.concatenate([np.zeros((1, 3)), np.cumsum(paths[:, i] - paths[0, i], axis=0)])
        means = (sums[width:] - sums[:-width]) / width
        squares.append(((means[width:] - means[:-width]) ** 2).sum(axis=1).mean())
    return float(np.mean(squares))


def rate(events: int, ion_ns: float) -> Rate:
    """Rate of events over `ion_ns` (ions times ns), with the exact central Poisson interval (Garwood 1936)."""
    tail = (1 - CONFIDENCE) / 2
    high = chdtri(2 * (events + 1), tail) / 2 / ion_ns
    if not events:
        return Rate(0, None, None, float(high))
    return Rate(events, events / ion_ns, float(chdtri(2 * events, 1 - tail) / 2 / ion_ns), float(high))


def fraction(is_so: Booleans) -> Estimate:
    """Mean of a property over (frames, ions), with the larger standard error of five time blocks and of ions.

    The error is None if the property is always or never true, since nothing then tells its uncertainty.
    """
    value = float(is_so.mean())
    if value in (0.0, 1.0):
        return Estimate(value, None)
    blocks = [float(block.mean()) for block in np.array_split(is_so, min(BLOCKS, len(is_so)))]
    return estimate(value, float(np.fmax(standard_error(blocks), standard_error(is_so.mean(axis=0)))))


def squared_displacements(paths: Floats, origin: Booleans, lags: Integers, stay: Integers | None = None) -> Floats:
    """Sum of squared displacements and number of pairs of frames, (particles, 2, lags), for each particle and lag.

    `paths` (frames, particles, dimensions) may hold NaN, which are left out; `origin` (frames, particles) says which
    origins count; with `stay` (frames, particles) only pairs of frames with the same number count. `lags` are in frames,
    > 0.
    """
    n, n_ions, _ = paths.shape
    samples = np.zeros((n_ions, 2, len(lags)))
    # a few ions at a time: their paths stay in cache over all lags
    size = max(1, int(_BYTES_AT_ONCE / paths[:, 0].nbytes))
    for part in (slice(start, start + size) for start in range(0, n_ions, size)):
        path, from_here = np.ascontiguousarray(paths[:, part]), np.ascontiguousarray(origin[:, part])
        place = None if stay is None else np.ascontiguousarray(stay[:, part])
        for k, lag in enumerate(lags.tolist()):
            steps = path[lag:] - path[: n - lag]
            squares = np.einsum("fik,fik->fi", steps, steps)
            use = from_here[: n - lag] & np.isfinite(squares)
            if place is not None:
                use &= place[lag:] == place[: n - lag]
            samples[part, 0, k] = np.where(use, squares, 0).sum(axis=0)
            samples[part, 1, k] = use.sum(axis=0)
    return samples


def conditional_msd(
    paths: Floats, origin: Booleans, lags: Integers, interval_ps: float, tolerance: float, smallest: float,
    stay: Integers | None = None,
) -> Displacement:  # fmt: skip
    """MSD of ions from origins that fulfil a condition, with jackknife errors over ions.

    `paths` (frames, ions, dimensions) may hold NaN; `origin` (frames, ions) says which origins count; with `stay`
    (frames, ions) only pairs of frames in the same stay count. `lags` are in frames, > 0. The verdict is that of
    `eoli.analysis.motion.msd.diffusion` with the `tolerance` of the exponent, for an MSD of at least `smallest` (in the
    unit of the paths, squared).
    """
    n = len(paths)
    samples = squared_displacements(paths, origin, lags, stay)
    seen = samples[:, 1].any(axis=1)
    samples = samples[seen]

    def msd_of(mean: Floats) -> Floats:
        return np.asarray(np.divide(mean[0], mean[1], out=np.full(mean.shape[1], np.nan), where=mean[1] > 0))

    nothing = np.full(len(lags), np.nan)
    if not len(samples):
        return Displacement(nothing, nothing, None, UNKNOWN, UNKNOWN, UNKNOWN, 0, "too short")
    total, count = samples.sum(axis=0), len(samples)
    msd = msd_of(total)
    left_out = np.array([msd_of((total - sample) / max(1, count - 1)) for sample in samples])
    errors = np.sqrt((count - 1) * left_out.var(axis=0)) if count > 1 else nothing
    longest = longest_lag(n)
    window = (lags <= longest) & (lags * _WINDOW_FACTOR >= longest)
    if window.sum() < _LEAST_POINTS or not (msd[window] > 0).all():
        return Displacement(msd, errors, None, UNKNOWN, UNKNOWN, UNKNOWN, 0, "too short")
    time, last = lags[window] * interval_ps, int(np.flatnonzero(window)[-1])

    def fitted(of: Any) -> Estimate:
        def value_of(mean: Floats) -> float:
            values = msd_of(mean)[window]
            return float(of(values)) if (values > 0).all() else math.nan

        return estimate(value_of(total), jackknife_error(value_of, samples))

    exponent = fitted(lambda values: slope(np.log(time), np.log(values)))
    verdict = verdict_of(float(msd[last]), smallest, exponent.value, exponent.error, SIGMAS, tolerance)
    return Displacement(
        msd=msd,
        errors=errors,
        lag_ps=float(time[-1]),
        at_lag=fitted(lambda values: values[-1]),
        exponent=exponent,
        slope=fitted(lambda values: slope(time, values)) if verdict == "diffusive" else UNKNOWN,
        origins=int(total[1, last]),
        verdict=verdict,
    )
