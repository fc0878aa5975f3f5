"""Glass transition: specific volume against temperature during cooling, and where its slope changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from eoli.core.arrays import Floats
from eoli.core.fitting import NO_INTERVAL, Goodness, Interval, goodness_of
from eoli.core.statistics import equilibrated_mean, jackknife_error, mean_of_starts, standard_error, student_factor
from eoli.errors import DataError
from eoli.gromacs.energies import densities, read_energies
from eoli.study.annealing import Plateau

CALORIMETER_K_PER_S = 10 / 60
"""10 K/min, a usual calorimeter rate."""
WLF_C1, WLF_C2_K = 17.44, 51.6
"""Universal constants of Williams, Landel, Ferry, J. Am. Chem. Soc. 77, 3701 (1955)."""

_COLUMNS = ("temperature_K", "specific_volume_cm3_g", "specific_volume_error_cm3_g")
_MEANS = ("width_K", "expansion_glass", "expansion_melt")
_LEAST_POINTS = 8
_LEAST_BESIDE = 3
_SCAN_K = 0.5
_WIDEST = 0.5
_WIDTHS = 30
_AICC_DECIDES = 4.0


def volume_curve(edr: Path, mass_g_mol: float, course: Sequence[Plateau]) -> pd.DataFrame:
    """Specific volume at each plateau of a cooling: mean of the equilibrated part, with its standard error.

    Columns temperature_K, specific_volume_cm3_g, specific_volume_error_cm3_g, density_g_cm3, independent_samples.
    Raises DataError for an energy file that cannot be read, ends early or has fewer than four frames in a plateau.
    """
    terms = read_energies(edr, length_ps=course[-1].to_ps)
    time, volume = np.asarray(terms["Time"]), 1 / densities(terms, mass_g_mol)
    rows = []
    for plateau in course:
        held = (time >= plateau.from_ps - 1e-3) & (time <= plateau.to_ps + 1e-3)
        if held.sum() < 4:
            raise DataError(f"{edr}: {held.sum()} energies at {plateau.temperature_K:g} K; at least 4 are needed")
        mean = equilibrated_mean(volume[held])
        rows.append((plateau.temperature_K, mean.value, mean.standard_error, 1 / mean.value, mean.n_effective))
    return pd.DataFrame(rows, columns=[*_COLUMNS, "density_g_cm3", "independent_samples"])


@dataclass(frozen=True)
class GlassTransition:
    """Intersection of the two straight branches of v(T), K, with its 68 % interval.

    `width_K` is the width of the bend; expansions are slopes dv/dT of glass and melt, cm3/g/K. If not resolved, these
    and the value are None, and the interval says where a bend would be if there were one; an open end is None.
    """

    temperature_K: Interval
    width_K: float | None
    expansion_glass: float | None
    expansion_melt: float | None
    goodness: Goodness | None
    verdict: str

    def at(self, temperature_K: npt.ArrayLike, volume_at_transition: float) -> Floats:
        """The hyperbola, cm3/g, at temperatures, K, of any shape, through the intersection of its branches.

        Raises DataError if it is not resolved.
        """
        centre = self.temperature_K.value
        if centre is None or self.width_K is None or self.expansion_glass is None or self.expansion_melt is None:
            raise DataError(f"no hyperbola: {self.verdict}")
        x = np.asarray(temperature_K, dtype=np.float64) - centre
        bend = 0.5 * (x + np.sqrt(x**2 + self.width_K**2))
        return np.asarray(
            volume_at_transition + self.expansion_glass * x + (self.expansion_melt - self.expansion_glass) * bend
        )


def _nothing(verdict: str, goodness: Goodness | None = None, bounds: Interval = NO_INTERVAL) -> GlassTransition:
    return GlassTransition(bounds, None, None, None, goodness, f"not resolved: {verdict}")


def _without(basis: Floats, values: Floats) -> Floats:
    """Residuals of values (..., n) after least squares on the columns of an orthonormal basis (n, k)."""
    return np.asarray(values - (values @ basis) @ basis.T)


def _aicc(chi2: float, n: int, parameters: int) -> float:
    """Akaike's criterion, corrected for few points, with an unknown scale of the errors."""
    k = parameters + 1
    return n * math.log(max(chi2, 1e-300) / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1)


def _polynomial_chi2(x: Floats, y: Floats, weight: Floats, degree: int) -> float:
    basis, _ = np.linalg.qr(np.vander(x, degree + 1) * weight[:, None])
    left = _without(basis, y * weight)
    return float(left @ left)


@dataclass(frozen=True)
class _Profile:
    """Smallest chi-squared over the bend width at each temperature, (scan,), with that width."""

    scan_K: Floats
    chi2: Floats
    width_K: Floats


def _profile(x: Floats, y: Floats, weight: Floats) -> _Profile:
    ordered = np.unique(x)
    scan = np.arange(ordered[_LEAST_BESIDE - 1], ordered[-_LEAST_BESIDE] + _SCAN_K / 2, _SCAN_K)
    span = ordered[-1] - ordered[0]
    widths = np.concatenate([[0.0], np.geomspace(0.01, _WIDEST, _WIDTHS)]) * span
    basis, _ = np.linalg.qr(np.stack([np.ones_like(x), x - x.mean()], axis=1) * weight[:, None])
    left = _without(basis, y * weight)
    away = x - scan[:, None, None]
    bends = 0.5 * (away + np.sqrt(away**2 + widths[:, None] ** 2))
    bends = _without(basis, bends * weight)
    squares = (bends**2).sum(axis=-1)
    size = np.divide(bends @ left, squares, out=np.zeros_like(squares), where=squares > 0)
    # a melt expands more than its glass, so a bend the other way does not count
    chi2 = left @ left - np.where(size > 0, size, 0) ** 2 * squares
    best = chi2.argmin(axis=1)
    return _Profile(scan, chi2.min(axis=1), widths[best])


def fit_glass_transition(
    temperature_K: npt.ArrayLike, volume: npt.ArrayLike, error: npt.ArrayLike, least_half_K: float = _SCAN_K
) -> GlassTransition:
    """Hyperbola of specific volume against temperature, weighted by the errors, by profile likelihood.

    v = v0 + a (T - Tg) + b/2 [(T - Tg) + sqrt((T - Tg)^2 + w^2)]: straight branches that meet at Tg, with a bend of
    width w (0: two lines) (Patrone et al., Polymer 87, 246 (2016)). Tg is scanned from the third lowest temperature to
    the third highest, w up to half of the range. The 68 % interval is where chi-squared is less than 1 above its
    minimum, the square of `Goodness.widening` if the fit is poor. Not resolved: fewer than eight temperatures; a
    straight line or a parabola (a melt that expands ever faster) is no worse by 4 in Akaike's criterion; an interval
    that reaches an end of the scan or is wider than half of the range; a bend as wide as that. The interval of an
    unresolved bend holds only if there is a bend; every interval reaches at least `least_half_K` to both sides. Raises
    DataError for arrays of different lengths or errors that are not positive.
    """
    x, y, sigma = (np.asarray(values, dtype=np.float64) for values in (temperature_K, volume, error))
    if not len(x) == len(y) == len(sigma) or not (sigma > 0).all():
        raise DataError("a glass transition needs as many volumes and positive errors as temperatures")
    n, different = len(x), len(np.unique(x))
    if different < _LEAST_POINTS:
        return _nothing(f"{different} temperatures; at least {_LEAST_POINTS} are needed")
    weight = 1 / sigma
    profile = _profile(x, y, weight)
    best = int(profile.chi2.argmin())
    least = float(profile.chi2[best])
    goodness = goodness_of(least, n - 5)
    scan, centre, width = profile.scan_K, float(profile.scan_K[best]), float(profile.width_K[best])
    inside = scan[profile.chi2 <= least + goodness.widening**2]
    first, last = min(inside[0], centre - least_half_K), max(inside[-1], centre + least_half_K)
    low = float(first) if first > scan[0] else None
    high = float(last) if last < scan[-1] else None
    bounds = Interval(None, low, high)
    bent = _aicc(least, n, 5)
    for shape, degree in (("a straight line", 1), ("a parabola", 2)):
        if _aicc(_polynomial_chi2(x - x.mean(), y, weight, degree), n, degree + 1) < bent + _AICC_DECIDES:
            return _nothing(f"{shape} describes the volumes as well", goodness, bounds)
    if low is None or high is None:
        where = "lowest" if low is None else "highest"
        return _nothing(f"the bend may lie beyond the {where} temperatures", goodness, bounds)
    if high - low > _WIDEST * np.ptp(x):
        return _nothing("the bend may lie anywhere in half of the range", goodness, bounds)
    if width > 0.999 * _WIDEST * np.ptp(x):
        return _nothing("no bend is found but one as wide as half of the range, as a curved melt has", goodness, bounds)
    bend = 0.5 * (x - centre + np.sqrt((x - centre) ** 2 + width**2))
    columns = np.stack([np.ones(n), x - centre, bend], axis=1) * weight[:, None]
    (_, glass, more), *_ = np.linalg.lstsq(columns, y * weight, rcond=None)
    return GlassTransition(Interval(centre, low, high), width, float(glass), float(glass + more), goodness, "resolved")


def volume_at(found: GlassTransition, curve: pd.DataFrame) -> float:
    """Specific volume where the branches meet, cm3/g: the one parameter that `GlassTransition` does not hold."""
    kelvin, volume, error = (curve[name].to_numpy(dtype=np.float64) for name in _COLUMNS)
    return float(np.average(volume - found.at(kelvin, 0.0), weights=1 / error**2))


def _errors(curve: pd.DataFrame) -> Floats:
    """Errors of a curve, none smaller than their median.

    The error of a short plateau is itself uncertain; one that came out small by chance must not dominate the fit.
    """
    error = curve[_COLUMNS[2]].to_numpy(dtype=np.float64)
    return np.asarray(np.maximum(error, np.median(error)))


def fit_curve(curve: pd.DataFrame) -> GlassTransition:
    """`fit_glass_transition` of a table of `volume_curve`, with no error smaller than their median."""
    return fit_glass_transition(curve[_COLUMNS[0]], curve[_COLUMNS[1]], _errors(curve))


def fit_mean(curves: Sequence[pd.DataFrame]) -> tuple[GlassTransition, float]:
    """Hyperbola of the mean volumes of at least two replica coolings, and the standard error of Tg over them, K.

    The mean curve bends at the average Tg with a smaller error, but does not know how the coolings differ. The
    jackknife over them does: half the interval is at least Student's t for 68 % times that error. Raises DataError for
    coolings with different temperatures.
    """
    kelvin = curves[0][_COLUMNS[0]].to_numpy(dtype=np.float64)
    if any(not np.allclose(curve[_COLUMNS[0]], kelvin) for curve in curves):
        raise DataError("coolings of one system must have the same temperatures")
    n, samples = len(curves), np.array([(curve[_COLUMNS[1]], np.square(_errors(curve))) for curve in curves])

    def bends_at_K(mean: Floats) -> float:
        profile = _profile(kelvin, mean[0], 1 / np.sqrt(mean[1]))
        return float(profile.scan_K[profile.chi2.argmin()])

    error = jackknife_error(bends_at_K, samples)
    volume, squared_error = samples.mean(axis=0)
    half = max(_SCAN_K, student_factor(n - 1) * error)
    return fit_glass_transition(kelvin, volume, np.sqrt(squared_error / n), half), error


def combined(curves: Sequence[pd.DataFrame], own: Sequence[GlassTransition]) -> tuple[GlassTransition, float | None]:
    """Tg of several replica coolings of one system, given the fit of each, and its standard error over them.

    Volumes below Tg are frozen in, so errors within a cooling miss the differences between coolings. If each cooling
    resolves its own Tg, the result is their mean; its half-interval is the larger of Student's t for 68 % times the
    standard error over the coolings, and of what their own intervals give. Otherwise it is `fit_mean`.
    """
    if len(own) == 1:
        return own[0], None
    intervals = [found.temperature_K for found in own]
    centres = [x.value for x in intervals if x.value is not None]
    if len(centres) < len(own):
        return fit_mean(curves)
    halves = [0.5 * (x.high - x.low) for x in intervals if x.high is not None and x.low is not None]
    centre, half = mean_of_starts(centres, halves)
    width, glass, melt = (float(np.mean([getattr(found, name) for found in own])) for name in _MEANS)
    known = [found.goodness for found in own if found.goodness is not None]
    goodness = goodness_of(sum(of.chi2 for of in known), sum(of.degrees_of_freedom for of in known))
    interval = Interval(centre, centre - half, centre + half)
    return GlassTransition(interval, width, glass, melt, goodness, "resolved"), standard_error(centres)


def expected_shift_K(rate_K_per_s: float) -> tuple[float, float]:
    """Expected rise of Tg, K, from cooling faster than a calorimeter: by the WLF slope at Tg, and by the full equation.

    At Tg the equation gives C2/C1 = 3 K per decade of rate. Ten decades away it is no longer linear, and the shift is
    expected between the two. With the universal constants (WLF_C1, WLF_C2_K) this is an estimate, never a correction.
    The second is infinite from C1 decades on. Raises DataError for a rate that is not positive.
    """
    if rate_K_per_s <= 0:
        raise DataError("rates of cooling must be above zero")
    decades = math.log10(rate_K_per_s / CALORIMETER_K_PER_S)
    whole = WLF_C2_K * decades / (WLF_C1 - decades) if decades < WLF_C1 else math.inf
    return WLF_C2_K / WLF_C1 * decades, whole
