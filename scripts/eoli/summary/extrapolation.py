"""Our temperature series carried to the temperatures that were measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from eoli.core.arrays import Floats
from eoli.core.numbers import counted
from eoli.reference.experiments import Beside, Series, molar_mass_beside, series_beside
from eoli.reference.measured import KINDS, Measured
from eoli.reference.readings import Scalars
from eoli.study.axes import LEAST_OF_FIT
from eoli.study.quantities import Quantity, named
from eoli.summary.temperature import Points, fits_of, predicted_ln

_LN10 = math.log(10)
_WIDEST = 2.0
"""Widest interval of log10 of a value; a wider one leaves its upper bound."""
_BOUND_ERRORS = 2.0
"""Standard errors to a bound, as for all others."""


def beside_series(
    sweep: pd.DataFrame,
    scalars: Mapping[str, Scalars],
    conductivities: pd.DataFrame,
    transport: pd.DataFrame,
    chain_molar_mass_g_mol: Mapping[str, float],
    together: Mapping[str, Sequence[str]],
) -> list[Beside]:
    """What temperature series of a sweep give where others measured and ours has no value (`predicted_ln`).

    Of each measured series, the temperature closest to one of ours is taken, unless a value of ours is beside it already. A
    set of systems that differ in temperature and replicate has one row for each of them and each route of KINDS that is
    fitted; replicas that together have a value count as one point. Arguments as of `beside_experiments`.
    """
    routes = {route.quantity: (name, route) for name, kind in KINDS.items() for route in kind.routes}
    quantities = [quantity for name in routes if (quantity := named(name)).fitted]
    rows = []
    for fits in fits_of(_of_starts(sweep, scalars, together, quantities), quantities):
        systems = sweep[sweep["system"].isin(fits.names)]
        first = systems.iloc[0].to_dict()
        molar_mass = molar_mass_beside(first, chain_molar_mass_g_mol)
        if molar_mass is None or systems["temperature_K"].nunique() < LEAST_OF_FIT:
            continue
        points, (name, route) = fits.points, routes[fits.quantity]
        near = points.temperature_K if points.temperatures else systems["temperature_K"].to_numpy()
        for series in series_beside(conductivities, transport, first, molar_mass):
            if series.quantity != name or any(_is_beside(series, kelvin) for kelvin in points.temperature_K):
                continue
            kelvin = _closest(series, near)
            if (theirs := series.at(kelvin)) is not None:
                rows.append(
                    Beside(
                        system=common_name(fits.names), quantity=name, route=route.name, temperature_K=kelvin,
                        eo_li=first["eo_li_simulated"], chain_molar_mass_g_mol=molar_mass, unit=KINDS[name].unit,
                        measured=10**theirs.log10_value, **series.fields,
                        **_ours(points, KINDS[name].factor, kelvin, theirs),
                    )
                )  # fmt: skip
    return rows


def _of_starts(
    sweep: pd.DataFrame, scalars: Mapping[str, Scalars], together: Mapping[str, Sequence[str]], quantities: Sequence[Quantity]
) -> pd.DataFrame:  # fmt: skip
    """The sweep with what starts have together in place of their own values, in the row of the first."""
    sweep = sweep.copy()
    for group, names in together.items():
        for quantity in quantities:
            found, columns = quantity.resolved(scalars.get(group, {})), list(quantity.columns)
            if found and set(columns) <= set(sweep):
                sweep.loc[sweep["system"].isin(names), columns] = math.nan
                sweep.loc[sweep["system"] == names[0], columns] = found
    return sweep


def _is_beside(series: Series, kelvin: float) -> bool:
    """Whether a value of ours at a temperature is beside the series without a fit."""
    theirs = series.at(kelvin)
    return theirs is not None and theirs.extrapolated_K is None


def _closest(series: Series, near: Floats) -> float:
    """The temperature of the series that is closest to one of ours."""
    return min(series.temperatures_K, key=lambda kelvin: float(abs(near - kelvin).min()))


def _ours(points: Points, factor: float, kelvin: float, theirs: Measured) -> dict[str, Any]:
    """Fields of `Beside` for our value with its interval, or for an upper bound where that is open below or too wide."""
    t, ln = points.temperature_K, predicted_ln(points, kelvin)
    if ln.value is None or ln.high is None:
        few = f"{counted(points.temperatures, 'temperature')} with a value; {LEAST_OF_FIT} are needed"
        falls = "the values do not rise with temperature"
        return {"verdict": f"not resolved: {few if points.temperatures < LEAST_OF_FIT else falls}"}
    beyond = max(t.min() - kelvin, kelvin - t.max(), 0.0)
    where = f"{beyond:.0f} K {'below' if kelvin < t.min() else 'above'} them" if beyond else "between them"
    how = f"by Arrhenius or VTF from {points.temperatures} temperatures, {t.min():.0f} to {t.max():.0f} K, {where}"
    measured = theirs.log10_value - math.log10(factor)
    wide = ln.low is None or ln.high - ln.low > _WIDEST * _LN10
    high = (predicted_ln(points, kelvin, _BOUND_ERRORS).high or ln.high if wide else ln.high) / _LN10
    ours: dict[str, Any] = {
        "ours_extrapolated_K": beyond,
        "ours_high": factor * 10**high,
        "log10_difference_high": high - measured + theirs.half_range,
    }
    if wide or ln.low is None:
        return ours | {"verdict": f"not resolved: {how}, is bounded from above alone"}
    low, value = ln.low / _LN10, ln.value / _LN10
    return ours | {
        "verdict": f"ours {how}",
        "ours": factor * 10**value,
        "ours_low": factor * 10**low,
        "log10_difference": value - measured,
        "log10_difference_error": math.hypot((high - low) / 2, theirs.half_range),
        "log10_difference_low": low - measured - theirs.half_range,
    }


def common_name(names: Sequence[str]) -> str:
    """The parts that names of systems share, else the first and the last name.

    >>> common_name(["peo-eo12-400K-q0.75-r1", "peo-eo12-450K-q0.75-r1"]), common_name(["hot", "cold"])
    ('peo-eo12-q0.75-r1', 'hot to cold')
    """
    others = [set(name.split("-")) for name in names[1:]]
    shared = "-".join(part for part in names[0].split("-") if all(part in other for other in others))
    return shared or f"{names[0]} to {names[-1]}"
