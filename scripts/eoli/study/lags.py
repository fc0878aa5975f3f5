"""Lags at which displacements are compared: those of all runs, and the one that a study may ask for."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Sequence
from typing import TypeVar

Lag = TypeVar("Lag", int, float)

INDEPENDENT_ORIGINS = 10
"""Windows that do not overlap, which a system must have at a lag where it is compared."""
REPLICAS = 3
"""From as many starts on, their scatter is the error."""
CLOSE = 0.05
"""A lag within this relative distance is the one that is asked for. Neighbours are at least a fifth apart, so a run has at
most one such lag, the same whatever its length."""
_STEPS = (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)


def common_lags(longest: int) -> list[int]:
    """Lags in frames up to `longest`: 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, and so on by decades.

    The same for runs of all lengths. Products of 2, 3 and 5 alone, because runs whose frames are twice, three or five
    times as far apart then share lags.
    """
    decades = range(len(str(max(1, longest))) + 1)
    lags = {step * 10**k // 10 for k in decades for step in _STEPS if step * 10**k % 10 == 0}
    return sorted(lag for lag in lags if lag <= longest)


def enough(origins: Sequence[int]) -> bool:
    """Whether a system whose starts have so many independent origins at a lag has enough of them: INDEPENDENT_ORIGINS in all
    starts together where their scatter is the error, else in each."""
    return (sum(origins) if len(origins) >= REPLICAS else min(origins)) >= INDEPENDENT_ORIGINS


def within_reach(lengths_ps: Sequence[float], interval_ps: float) -> list[float]:
    """Lags, ps, at which a system has `enough` origins, in starts of these lengths with frames `interval_ps` apart."""
    frames = [math.floor(length / interval_ps * (1 + 1e-9)) for length in lengths_ps]
    # a run has lags up to its half
    lags = common_lags((min(frames) + 1) // 2)
    return [lag * interval_ps for lag in lags if enough([number // lag for number in frames])]


def closest(lags: Iterable[Lag], asked: float) -> Lag | None:
    """The lag that `asked`, in the same unit, stands for; None if none is CLOSE."""
    found = min(lags, key=lambda lag: abs(lag - asked), default=None)
    return found if found is not None and abs(found - asked) <= CLOSE * asked else None


def around(asked_ps: float, interval_ps: float) -> tuple[int, int]:
    """The common lags below and above one in ps, in frames `interval_ps` apart; the first two if it is below all."""
    frames = asked_ps / interval_ps
    # a lag is at most twice the one before
    lags = common_lags(2 * max(1, math.ceil(frames)))
    above = max(1, bisect.bisect_right(lags, frames))
    return lags[above - 1], lags[above]


def lag_of_frames(asked_ps: float, interval_ps: float) -> float | None:
    """The lag, ps, that `asked_ps` stands for in runs with frames `interval_ps` apart; None if they have none."""
    found = closest(around(asked_ps, interval_ps), asked_ps / interval_ps)
    return None if found is None else found * interval_ps
