"""Systems that are compared at equal lags: which lags they share, and what each has there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eoli.analysis.displacement.curves import TICKS_PER_PS, Curve, Curves, ps_of
from eoli.core.statistics import BLOCKS, mean_of_starts, standard_error
from eoli.study.lags import CLOSE, INDEPENDENT_ORIGINS, REPLICAS, closest, enough

UNSETTLED = 0.01
"""Probability of a trend of a run, if its motion stays the same, below which it counts as not settled."""


@dataclass(frozen=True)
class Logarithm:
    """ln MSD of one system at one lag, with its standard error and the degrees of freedom behind it.

    `of_replicas`: the error is the scatter of independent starts, else that within runs.
    """

    value: float
    error: float
    freedom: float
    origins: int
    of_replicas: bool


def usable(starts: Sequence[Curve]) -> dict[int, list[int]]:
    """Lags at which a system can be compared, those with `enough` origins, each with its place in the curve of every start."""
    places = [{int(lag): k for k, lag in enumerate(curve.lags)} for curve in starts]
    shared = [lag for lag in places[0] if all(lag in of for of in places)] if places else []
    found = {lag: [of[lag] for of in places] for lag in shared}

    def able(at: Sequence[int]) -> bool:
        pairs = list(zip(starts, at, strict=True))
        known = len(starts) >= REPLICAS or all(np.isfinite(curve.errors[k]) for curve, k in pairs)
        return known and enough([int(curve.origins[k]) for curve, k in pairs])

    return {lag: at for lag, at in found.items() if able(at)}


def unsettled(starts: Mapping[str, Curve], own_error: float) -> str:
    """Why displacements of a system depend on when they are measured, in words; empty where they do not.

    One of its starts has a trend from its first half to its second that is larger than the error of ln MSD, and that a run
    whose motion stays the same shows with a probability below UNSETTLED, all starts together (Bonferroni).
    """
    said = []
    for name, curve in starts.items():
        trend = curve.trend
        if trend is not None and trend.p_value < UNSETTLED / len(starts) and abs(trend.ln_ratio) > own_error:
            times = f"{math.exp(trend.ln_ratio):.2g} times that of its first"
            said.append(f"{name} has not settled: the MSD of its second half is {times} (p = {trend.p_value:.1g})")
    return "; ".join(said)


def logarithm(starts: Sequence[Curve], at: Sequence[int]) -> Logarithm:
    """ln MSD of a system at one lag, whose places in the starts' curves are given by `usable`.

    The mean over the starts. From three starts on its error is their standard error, with as many degrees of freedom
    as Student's law gives. Two starts have the half-interval of `mean_of_starts`, a single one its own error. An error within runs is the larger of two estimates, of which that over the molecules
    is the better known, so it has their number of degrees of freedom, and at least that of the blocks.
    """
    pairs = list(zip(starts, at, strict=True))
    values, errors = [float(curve.values[k]) for curve, k in pairs], [float(curve.errors[k]) for curve, k in pairs]
    origins = sum(int(curve.origins[k]) for curve, k in pairs)
    if len(starts) >= REPLICAS:
        return Logarithm(float(np.mean(values)), standard_error(values), len(starts) - 1, origins, True)
    freedom = max(sum(curve.molecules for curve in starts), BLOCKS) - 1
    value, error = mean_of_starts(values, errors) if len(starts) > 1 else (values[0], errors[0])
    return Logarithm(value, error, freedom, origins, False)


@dataclass(frozen=True, eq=False)
class Compared:
    """Systems that can be compared, with the curves of their starts, and the lags, rising, that all of them share.

    `places` are the lags at which each could be compared, as `usable` gives them; `lacking` says why others cannot be.
    `lag` is where they are compared, one of `lags` or None, and `asked` says in words which one that is, if a study says so.
    """

    starts: Mapping[str, Sequence[Curve]]
    places: Mapping[str, Mapping[int, Sequence[int]]]
    lags: Sequence[int]
    lag: int | None
    asked: str
    lacking: Mapping[str, str]

    def at(self, system: str, lag: int) -> Logarithm:
        """What a system has at one of the lags."""
        return logarithm(self.starts[system], self.places[system][lag])

    def why_not(self, *systems: str) -> str:
        """Why some of the systems have no ratio, in words; empty if they have one."""
        said = [f"{name}: {self.lacking[name]}" for name in systems if name in self.lacking]
        if said or self.lag is not None:
            return ", ".join(said)
        ends = ((name, ps_of(min(of)), ps_of(max(of))) for name, of in self.places.items())
        ranges = ", ".join(f"{name} has {low:g} to {high:g} ps" for name, low, high in ends)
        return f"no lag{self.asked} that all have with {INDEPENDENT_ORIGINS} independent origins: {ranges}"


def _lag_of(lags: Iterable[int], lag_ps: float | None) -> int | None:
    """Of these lags the largest, or the one that `lag_ps` stands for; None if there is none."""
    return max(lags, default=None) if lag_ps is None else closest(lags, lag_ps * TICKS_PER_PS)


def compared(systems: Mapping[str, Sequence[str]], curves: Curves, kind: str, lag_ps: float | None = None) -> Compared:
    """One kind of particle in systems, each given by its starts; a start without results is left out.

    They are compared at the largest of their lags: the largest at which each has INDEPENDENT_ORIGINS. With `lag_ps`, it is
    that lag, or the one CLOSE to it, and a system without so many origins there is left out. A system that has not settled
    is not compared.
    """
    asked = "" if lag_ps is None else f" within {CLOSE:.0%} of {lag_ps:g} ps"
    able: dict[str, list[Curve]] = {}
    places: dict[str, dict[int, list[int]]] = {}
    lacking: dict[str, str] = {}
    for name, starts in systems.items():
        found = [curves.get(start, "analysis missing: displacement") for start in starts]
        of_starts = {
            start: of[kind] for start, of in zip(starts, found, strict=True) if not isinstance(of, str) and kind in of
        }
        known = [*of_starts.values()]
        at = usable(known)
        if (lag := _lag_of(at, lag_ps)) is not None:
            if why := unsettled(of_starts, logarithm(known, at[lag]).error):
                lacking[name] = why
            else:
                able[name], places[name] = known, at
        else:
            said = [of for of in found if isinstance(of, str)]
            few = f"no lag{asked} with {INDEPENDENT_ORIGINS} independent origins and an error"
            if at:
                few += f" (it has {ps_of(min(at)):g} to {ps_of(max(at)):g} ps)"
            lacking[name] = few if known else said[0] if said else f"no {kind}"
    of_systems = [set(at) for at in places.values()]
    shared = sorted(set.intersection(*of_systems)) if of_systems else []
    return Compared(able, places, shared, _lag_of(shared, lag_ps), asked, lacking)
