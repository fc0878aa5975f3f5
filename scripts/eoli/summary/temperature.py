"""Temperature dependence of transport coefficients: Arrhenius or Vogel-Tammann-Fulcher, and which one data prefer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import constants
from scipy.optimize import brentq, minimize_scalar

from eoli.core.arrays import Floats
from eoli.core.fitting import NO_INTERVAL, Goodness, Interval, aicc, goodness_of
from eoli.core.statistics import UNKNOWN, Estimate
from eoli.errors import DataError
from eoli.study.axes import LEAST_OF_FIT, SERIES_AXES, alike, with_solvents
from eoli.study.quantities import Quantity, fitted

R_KJ_MOL_K = constants.R / 1000
KJ_MOL_PER_EV = constants.e * constants.N_A / 1000

_LEAST_VTF = 4
_SCAN = 2000
_BELOW_LOWEST_K = 1.0
_AICC_DECIDES = 2.0


@dataclass(frozen=True)
class Points:
    """Temperatures, K, with ln of the values and its errors, each (n,), and the number of unusable points."""

    temperature_K: Floats
    ln_value: Floats
    ln_error: Floats
    excluded: int

    @property
    def temperatures(self) -> int:
        """Number of different temperatures."""
        return len(np.unique(self.temperature_K))


@dataclass(frozen=True)
class Arrhenius:
    """y = exp(ln_prefactor) exp(-Ea/RT), with goodness of fit."""

    activation_energy_kJ_mol: Estimate
    activation_energy_eV: Estimate
    ln_prefactor: float | None
    goodness: Goodness | None
    points: int
    excluded: int
    verdict: str

    def at(self, temperature_K: npt.ArrayLike) -> Floats:
        """Fitted values in the unit of the data. Raises DataError without a fit."""
        energy = self.activation_energy_kJ_mol.value
        if energy is None or self.ln_prefactor is None:
            raise DataError(f"no Arrhenius line: {self.verdict}")
        exponent = self.ln_prefactor - energy / (R_KJ_MOL_K * np.asarray(temperature_K, dtype=np.float64))
        return np.asarray(np.exp(exponent))


@dataclass(frozen=True)
class Vtf:
    """y = exp(ln_prefactor) exp(-B/(T - T0)), with goodness of fit; B is given as the energy R B.

    If T0 is not determined, the other numbers are unknown and `T0_K` keeps the bounded end of its interval.
    """

    T0_K: Interval
    energy_kJ_mol: Interval
    energy_eV: Interval
    ln_prefactor: float | None
    goodness: Goodness | None
    points: int
    excluded: int
    verdict: str

    def at(self, temperature_K: npt.ArrayLike) -> Floats:
        """Fitted values above T0 in the unit of the data. Raises DataError if T0 is not determined."""
        if self.energy_kJ_mol.value is None or self.T0_K.value is None or self.ln_prefactor is None:
            raise DataError(f"no VTF curve: {self.verdict}")
        temperature = np.asarray(temperature_K, dtype=np.float64)
        exponent = self.ln_prefactor - self.energy_kJ_mol.value / (R_KJ_MOL_K * (temperature - self.T0_K.value))
        return np.asarray(np.exp(exponent))


@dataclass(frozen=True)
class Preference:
    """AICc (Akaike's criterion, corrected for few points) of each fit that has it, and the verdict."""

    aicc_arrhenius: float | None
    aicc_vtf: float | None
    verdict: str


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else float(value)


def usable_points(
    temperatures_K: Sequence[float], values: Sequence[float | None], errors: Sequence[float | None]
) -> Points:
    """Points in ln y; the error of ln y is the relative error of y.

    Left out and counted: a value or error that is None or NaN (an upper bound, motion that is not diffusive), a value
    that is not positive. Raises DataError for lengths that differ, or temperatures or errors that are not positive.
    """
    if not len(temperatures_K) == len(values) == len(errors):
        raise DataError(f"{len(temperatures_K)} temperatures, {len(values)} values, {len(errors)} errors")
    temperature, y, error = (np.array([_or_nan(x) for x in of]) for of in (temperatures_K, values, errors))
    if not (temperature > 0).all():
        raise DataError("temperatures must be above 0 K")
    used = np.isfinite(y) & np.isfinite(error) & (y > 0)
    if not (error[used] > 0).all():
        raise DataError("a value without error cannot be weighted; errors must be above 0")
    return Points(temperature[used], np.log(y[used]), error[used] / y[used], int((~used).sum()))


@dataclass(frozen=True)
class _Line:
    """Weighted least squares of ln y = intercept + slope x for rows of x, (..., n): arrays (...)."""

    intercept: Floats
    slope: Floats
    slope_error: Floats
    chi2: Floats
    middle: Floats
    middle_error: float

    def end(self, x: Floats, reach: Floats) -> Floats:
        """Value of each line at its x, and at most `reach` errors from its best; both (...), reach with its sign.

        The largest or smallest value of lines of a chi-squared reach^2 above the best, of those whose slope is at most 0.
        """
        away = x - self.middle
        error = np.hypot(self.middle_error, away * self.slope_error)
        slope = self.slope + reach * self.slope_error**2 * away / error
        at_middle = self.intercept + self.slope * self.middle
        left = np.sqrt(np.maximum(reach**2 - (self.slope / self.slope_error) ** 2, 0))
        flat = at_middle + np.sign(reach) * self.middle_error * left
        return np.where(slope > 0, flat, at_middle + self.slope * away + reach * error)


def _line(x: Floats, y: Floats, errors: Floats) -> _Line:
    weights = errors**-2
    middle = (weights * x).sum(axis=-1) / weights.sum()
    centred = x - middle[..., None]
    squares = (weights * centred**2).sum(axis=-1)
    slope = (weights * centred * y).sum(axis=-1) / squares
    intercept = (weights * y).sum() / weights.sum() - slope * middle
    residuals = y - intercept[..., None] - slope[..., None] * x
    chi2 = (weights * residuals**2).sum(axis=-1)
    return _Line(intercept, slope, squares**-0.5, chi2, middle, float(weights.sum() ** -0.5))


def _said(goodness: Goodness, shape: str) -> str:
    numbers = f"chi2 {goodness.chi2:.2g} with {goodness.degrees_of_freedom} degrees of freedom"
    if goodness.poor:
        return f"not {shape} within the errors ({numbers}); the error is that of the scatter"
    return f"{shape} within the errors ({numbers})"


def _counted(temperatures: int) -> str:
    return "1 temperature" if temperatures == 1 else f"{temperatures} temperatures"


def fit_arrhenius(points: Points) -> Arrhenius:
    """Weighted least squares of ln y against 1/T.

    The error of the activation energy follows from the points' errors. If chi-squared rejects the straight line (p <
    0.05), it is the 68 % half-width of the scatter with Student's t instead. Two temperatures give an energy without a
    test; fewer give none.
    """
    n, different = len(points.ln_value), points.temperatures
    if different < 2:
        verdict = f"not resolved: {_counted(different)} with a value; at least {LEAST_OF_FIT} are needed"
        return Arrhenius(UNKNOWN, UNKNOWN, None, None, n, points.excluded, verdict)
    line = _line(1 / points.temperature_K, points.ln_value, points.ln_error)
    goodness = goodness_of(float(line.chi2), n - 2)
    energy = -R_KJ_MOL_K * float(line.slope)
    error = R_KJ_MOL_K * float(line.slope_error) * goodness.widening
    tested = different >= LEAST_OF_FIT
    verdict = _said(goodness, "a straight line") if tested else "two temperatures: nothing tests the straight line"
    return Arrhenius(
        Estimate(energy, error), Estimate(energy / KJ_MOL_PER_EV, error / KJ_MOL_PER_EV), float(line.intercept),
        goodness, n, points.excluded, verdict,
    )  # fmt: skip


def _scaled(interval: Interval, factor: float) -> Interval:
    return Interval(*(None if x is None else factor * x for x in (interval.value, interval.low, interval.high)))


def fit_vtf(points: Points) -> Vtf:
    """Fit of Vogel (Phys. Z. 22, 645 (1921)), Tammann and Fulcher, by the profile of chi-squared over T0.

    At each T0 from 0 to 1 K below the lowest temperature, the rest is a straight line in 1/(T - T0). The 68 % interval
    of T0 is where chi-squared is less than 1 above its minimum; if the best fit is rejected (p < 0.05), the limit is
    the square of `Goodness.widening`. T0 is not determined if that interval reaches an end of the scan, or with fewer
    than four temperatures. The interval of R B is its range between the ends of T0, which matches its own profile to
    about a hundredth of its width.
    """

    def undetermined(why: str, goodness: Goodness | None = None, t0: Interval = NO_INTERVAL) -> Vtf:
        verdict = f"not determined: {why}"
        return Vtf(t0, NO_INTERVAL, NO_INTERVAL, None, goodness, n, points.excluded, verdict)

    n = len(points.ln_value)
    if points.temperatures < _LEAST_VTF:
        return undetermined(f"{_counted(points.temperatures)} with a value; at least {_LEAST_VTF} are needed")

    def lines(t0: npt.ArrayLike) -> _Line:
        x = 1 / (points.temperature_K - np.asarray(t0, dtype=np.float64)[..., None])
        return _line(x, points.ln_value, points.ln_error)

    scan = np.linspace(0, points.temperature_K.min() - _BELOW_LOWEST_K, _SCAN)
    top = int(np.argmin(lines(scan).chi2))
    around = (scan[max(0, top - 1)], scan[min(_SCAN - 1, top + 1)])
    best = float(minimize_scalar(lambda t0: float(lines(t0).chi2), bounds=around, method="bounded").x)
    found = lines(best)
    goodness = goodness_of(float(found.chi2), n - 3)
    if found.slope >= 0:
        return undetermined("the values do not rise with temperature", goodness)
    limit = float(found.chi2) + goodness.widening**2
    scan = np.sort(np.append(scan, best))
    inside = np.flatnonzero(lines(scan).chi2 <= limit)
    first, last = int(inside[0]), int(inside[-1])

    def end(outside: int, within: int) -> float:
        return float(brentq(lambda t0: float(lines(t0).chi2) - limit, scan[outside], scan[within]))

    low = end(first - 1, first) if first > 0 else None
    high = end(last + 1, last) if last < len(scan) - 1 else None
    if low is None or high is None:
        open_ends = [name for name, x in (("0 K", low), ("the lowest temperature", high)) if x is None]
        return undetermined(f"T0 is not bounded towards {' and '.join(open_ends)}", goodness, Interval(None, low, high))
    ends = -lines([high, low]).slope
    energy = _scaled(Interval(-float(found.slope), *map(float, ends)), R_KJ_MOL_K)
    return Vtf(
        Interval(best, low, high), energy, _scaled(energy, 1 / KJ_MOL_PER_EV), float(found.intercept), goodness, n, points.excluded, _said(goodness, "a VTF curve"),
    )  # fmt: skip


def predicted_ln(points: Points, temperature_K: float, errors: float = 1) -> Interval:
    """ln of the value at a temperature with its 68 % interval, whether the points lie on an Arrhenius line or bend.

    The curve is that of VTF with any T0 from 0, where it is Arrhenius, to 1 K below the lowest temperature involved, and
    does not fall with temperature. The interval is the profile of chi-squared: all values that a curve reaches whose
    chi-squared is at most 1 above the minimum, with the limit of `fit_vtf` for a poor fit; for another number of
    `errors`, its square. An end is open where the highest T0 is among these curves. All is unknown below three
    temperatures, and for values that do not rise with temperature.
    """
    if points.temperatures < LEAST_OF_FIT:
        return NO_INTERVAL
    lowest = min(float(points.temperature_K.min()), temperature_K)
    t0 = np.linspace(0, lowest - _BELOW_LOWEST_K, _SCAN)
    lines = _line(1 / (points.temperature_K - t0[:, None]), points.ln_value, points.ln_error)
    best = int(np.argmin(lines.chi2))
    if lines.slope[best] >= 0:
        return NO_INTERVAL
    limit = (errors * goodness_of(float(lines.chi2[best]), len(points.ln_value) - 3).widening) ** 2
    reach = np.sqrt(np.maximum(lines.chi2[best] + limit - lines.chi2, 0))
    inside = (lines.chi2 <= lines.chi2[best] + limit) & (lines.slope <= reach * lines.slope_error)
    ends = (lines.end(1 / (temperature_K - t0), side * reach)[inside] for side in (-1, 1))
    low, high = (float(of.min() if side < 0 else of.max()) for of, side in zip(ends, (-1, 1), strict=True))
    value = float(lines.end(1 / (temperature_K - t0), 0 * reach)[best])
    open_below = inside[-1] and temperature_K < points.temperature_K.min()
    return Interval(value, None if open_below else low, high)


def preferred(arrhenius: Arrhenius, vtf: Vtf) -> Preference:
    """Which of two fits to the same points is preferred: the only one that chi-squared does not reject, or by AICc.

    AICc (Hurvich, Tsai, Biometrika 76, 297 (1989)) decides by a difference of 2; VTF needs five points for it.
    """
    of_line, of_curve = aicc(arrhenius.goodness, 2), aicc(vtf.goodness, 3)
    if arrhenius.goodness is None or vtf.goodness is None:
        verdict = "not resolved: too few points"
    elif arrhenius.goodness.poor or vtf.goodness.poor:
        both = arrhenius.goodness.poor and vtf.goodness.poor
        verdict = "neither fits within the errors" if both else "VTF" if arrhenius.goodness.poor else "Arrhenius"
    elif of_line is None or of_curve is None:
        verdict = "not resolved: too few points"
    elif abs(of_line - of_curve) < _AICC_DECIDES:
        verdict = "not resolved: the two fit alike"
    else:
        verdict = "Arrhenius" if of_line < of_curve else "VTF"
    return Preference(of_line, of_curve, verdict)


@dataclass(frozen=True)
class Fits:
    """Both fits of a quantity, for systems that differ only in temperature and replicate.

    `systems` holds what they have in common, `names` their names.
    """

    systems: dict[str, Any]
    names: tuple[str, ...]
    quantity: str
    points: Points
    arrhenius: Arrhenius
    vtf: Vtf
    preference: Preference


def fits_of(sweep: pd.DataFrame, quantities: Sequence[Quantity] | None = None) -> list[Fits]:
    """Fits of the given quantities (default: all that are fitted), for each set of systems of a sweep.

    The systems of a set differ only in temperature and replicate; `sweep` has one row per system. A set at a single
    temperature and a quantity without a column have no fit.
    """
    found = []
    for common, systems in alike(sweep, SERIES_AXES):
        if systems["temperature_K"].nunique() < 2:
            continue
        for quantity in fitted() if quantities is None else quantities:
            value, error = quantity.columns
            if value not in systems:
                continue
            # an error of zero is no known weight
            errors = systems[error].where(systems[error] != 0)
            points = usable_points(systems["temperature_K"].tolist(), systems[value].tolist(), errors.tolist())
            line, curve = fit_arrhenius(points), fit_vtf(points)
            found.append(
                Fits(common, tuple(systems["system"]), quantity.name, points, line, curve, preferred(line, curve))
            )
    return found


def _row(fits: Fits) -> dict[str, Any]:
    line, curve, goodness = fits.arrhenius, fits.vtf, fits.arrhenius.goodness
    return fits.systems | {
        "quantity": fits.quantity,
        "points": line.points,
        "excluded": line.excluded,
        "activation_energy_kJ_mol": line.activation_energy_kJ_mol.value,
        "activation_energy_error_kJ_mol": line.activation_energy_kJ_mol.error,
        "activation_energy_eV": line.activation_energy_eV.value,
        "activation_energy_error_eV": line.activation_energy_eV.error,
        "chi2": None if goodness is None else goodness.chi2,
        "degrees_of_freedom": None if goodness is None else goodness.degrees_of_freedom,
        "p_value": None if goodness is None else goodness.p_value,
        "arrhenius_verdict": line.verdict,
        "T0_K": curve.T0_K.value,
        "T0_low_K": curve.T0_K.low,
        "T0_high_K": curve.T0_K.high,
        "vtf_energy_eV": curve.energy_eV.value,
        "vtf_energy_low_eV": curve.energy_eV.low,
        "vtf_energy_high_eV": curve.energy_eV.high,
        "vtf_verdict": curve.verdict,
        "aicc_arrhenius": fits.preference.aicc_arrhenius,
        "aicc_vtf": fits.preference.aicc_vtf,
        "preferred": fits.preference.verdict,
    }


def activation_table(sweep: pd.DataFrame) -> pd.DataFrame:
    """`fits_of` as a table, one row per fit; at a single temperature only the first column names."""
    rows = [_row(fits) for fits in fits_of(sweep)]
    return pd.DataFrame(rows, columns=with_solvents(rows[0] if rows else [*SERIES_AXES, "quantity"], rows))
