"""A stage whose temperature changes in steps: its plateaus, and the annealing points for GROMACS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MOVE_SHARE = 0.1
"""First part of a plateau, as a share of its length, in which the temperature ramps from the previous one."""


@dataclass(frozen=True)
class Plateau:
    """A temperature, K, reached at `from_ps` and held until `to_ps`."""

    temperature_K: float
    from_ps: float
    to_ps: float


def plateaus(from_K: float, to_K: float, step_K: float, length_ps: float) -> list[Plateau]:
    """Plateaus of equal length from one temperature to another, both included, in equal steps of about `step_K`.

    The first is held from the start of the stage; each later one is reached after MOVE_SHARE of its length. Equal
    temperatures give a single plateau.
    """
    n_steps = 0 if from_K == to_K else max(1, round(abs(to_K - from_K) / step_K))
    each = length_ps / (n_steps + 1)
    height = (to_K - from_K) / max(1, n_steps)
    return [
        Plateau(from_K + n * height, (n + (MOVE_SHARE if n else 0.0)) * each, (n + 1) * each)
        for n in range(n_steps + 1)
    ]


def points(course: Sequence[Plateau]) -> list[tuple[float, float]]:
    """Annealing points (time ps, K) in time order; the temperature is linear between them."""
    ends = [(p.to_ps, p.temperature_K) for p in course]
    starts = [(p.from_ps, p.temperature_K) for p in course]
    return [point for pair in zip(starts, ends, strict=True) for point in pair]


def target_K(course: Sequence[Plateau], time_ps: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Target temperature at the given times, K."""
    import numpy as np

    times, kelvin = zip(*points(course), strict=True)
    return np.asarray(np.interp(np.asarray(time_ps, dtype=np.float64), times, kelvin))


def cooling_rate_K_per_s(course: Sequence[Plateau]) -> float:
    """Mean cooling rate between plateaus, K/s: positive for cooling, negative for heating, 0 for a single plateau."""
    if len(course) < 2:
        return 0.0
    fall_K = course[0].temperature_K - course[1].temperature_K
    return fall_K / (course[1].to_ps - course[0].to_ps) * 1000 * 1e9
