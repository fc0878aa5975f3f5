"""Goodness of fit, intervals, and the choice between two curves."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import chdtrc

from eoli.core.statistics import student_factor

_POOR_FIT = 0.05


@dataclass(frozen=True)
class Goodness:
    """Chi-squared of a fit, and the probability of a larger one by chance; none without degrees of freedom."""

    chi2: float
    degrees_of_freedom: int
    p_value: float | None

    @property
    def poor(self) -> bool:
        """Chance gives a fit this bad in fewer than one case in twenty."""
        return self.p_value is not None and self.p_value < _POOR_FIT

    @property
    def widening(self) -> float:
        """Factor on the errors: 1, or for a poor fit Student's t for 68 % times the scatter over the stated errors."""
        if not self.poor:
            return 1.0
        n = self.degrees_of_freedom
        return student_factor(n) * math.sqrt(self.chi2 / n)


@dataclass(frozen=True)
class Interval:
    """A value with its 68 % interval; an unbounded end is None, everything is None if unknown."""

    value: float | None
    low: float | None
    high: float | None


NO_INTERVAL = Interval(None, None, None)


def goodness_of(chi2: float, degrees_of_freedom: int) -> Goodness:
    """The `Goodness` of a fit with this chi-squared."""
    known = degrees_of_freedom > 0
    return Goodness(chi2, degrees_of_freedom, float(chdtrc(degrees_of_freedom, chi2)) if known else None)


def aicc(goodness: Goodness | None, parameters: int) -> float | None:
    """Akaike's criterion, corrected for few points, with known errors of the points.

    AICc = chi2 + 2 k + 2 k (k + 1) / (n - k - 1) for k parameters and n points (Hurvich, Tsai, Biometrika 76, 297
    (1989)). None without a fit or with fewer than k + 2 points.
    """
    n = 0 if goodness is None else goodness.degrees_of_freedom + parameters
    if goodness is None or n - parameters - 1 <= 0:
        return None
    return goodness.chi2 + 2 * parameters + 2 * parameters * (parameters + 1) / (n - parameters - 1)
