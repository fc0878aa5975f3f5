"""Ratios of mean squared displacements of independent systems, and the probability of their order."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from eoli.analysis.displacement.compared import Logarithm
from eoli.core.statistics import student_factor, welch_freedom

DECIDED = 0.95
"""An order counts as known from this probability on."""

_DRAWS = 20_000
_SEED = 12


@dataclass(frozen=True)
class Ratio:
    """Logarithm of the ratio of two MSDs, half of its 68 % interval, and the probability that the first is larger."""

    log: float
    half: float
    probability_larger: float

    @property
    def value(self) -> float:
        """The ratio."""
        return math.exp(self.log)

    @property
    def interval(self) -> tuple[float, float]:
        """68 % interval of the ratio."""
        return math.exp(self.log - self.half), math.exp(self.log + self.half)

    @property
    def verdict(self) -> str:
        """Larger or smaller, if that has a probability of DECIDED; else not decided."""
        if max(self.probability_larger, 1 - self.probability_larger) < DECIDED:
            return "not decided"
        return "larger" if self.probability_larger > 0.5 else "smaller"


def _freedom(systems: Sequence[Logarithm]) -> float:
    return welch_freedom([of.error for of in systems], [of.freedom for of in systems])


def ratio_of(system: Logarithm, against: Logarithm) -> Ratio:
    """MSD of one system over that of another, independent one at the same lag.

    The logarithms differ by Student's law, with their errors in quadrature and the degrees of freedom of Welch. Without
    any error equal numbers have a probability of one half.
    """
    difference, error = system.value - against.value, math.hypot(system.error, against.error)
    if error == 0:
        return Ratio(difference, 0.0, float(0.5 + 0.5 * np.sign(difference)))
    freedom = _freedom((system, against))
    return Ratio(difference, student_factor(freedom) * error, float(stdtr(freedom, difference / error)))


@dataclass(frozen=True)
class Ranking:
    """Systems by falling MSD: `order` holds their numbers, the likeliest order of all.

    `best` (systems,) is the probability of each to have the largest MSD, `of_order` that of the whole order.
    """

    order: tuple[int, ...]
    best: tuple[float, ...]
    of_order: float

    @property
    def verdict(self) -> str:
        """Whether the order, or at least the first place, has a probability of DECIDED."""
        if self.of_order >= DECIDED:
            return "decided"
        if self.best[self.order[0]] >= DECIDED:
            return "first place decided"
        return "not decided"


def ranking_of(systems: Sequence[Logarithm]) -> Ranking:
    """Order of at least two independent systems by their MSD at the same lag, by parametric bootstrap.

    Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 6.5: logarithms are drawn 20,000 times about
    those measured, with their errors, and counted. Draws come in pairs of opposite sign and from a fixed seed: equal
    systems share their chances, and the same results give the same numbers. The normal numbers of a draw share one
    factor, sqrt(f/chi2(f)), with the degrees of freedom f of Welch for all the systems, so that two systems get what
    `ratio_of` gives them.
    """
    random, half = np.random.default_rng(_SEED), _DRAWS // 2
    freedom = _freedom(systems)
    scale = np.sqrt(freedom / random.chisquare(freedom, (half, 1))) if math.isfinite(freedom) else np.ones((half, 1))
    noise = random.standard_normal((half, len(systems))) * scale
    values, errors = (np.array([getattr(of, name) for of in systems]) for name in ("value", "error"))
    drawn = values + errors * np.concatenate([noise, -noise])
    orders = Counter(map(tuple, np.argsort(-drawn, axis=1, kind="stable").tolist()))
    # of equally likely orders, that of the measured values
    measured = tuple(np.argsort(-values, kind="stable").tolist())
    order = max(orders, key=lambda found: (orders[found], found == measured))
    first = np.bincount(drawn.argmax(axis=1), minlength=len(systems)) / len(drawn)
    return Ranking(order, tuple(first.tolist()), orders[order] / len(drawn))
