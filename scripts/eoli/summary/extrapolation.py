"""Our temperature series carried to the temperatures that were measured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from eoli.core.arrays import Floats
from eoli.core.numbers import counted
from eoli.reference.experiments import Beside, conductivity_series, transport_sources
from eoli.reference.measured import KINDS, NEAR_K, Measured
from eoli.study.axes import LEAST_OF_FIT, SOLVENTS, solvents_of
from eoli.study.quantities import named
from eoli.summary.temperature import Fits, fits_of, predicted_ln

LN10 = math.log(10)


def beside_series(
    sweep: pd.DataFrame,
    conductivities: pd.DataFrame,
    transport: pd.DataFrame,
    chain_molar_mass_g_mol: Mapping[str, float],
) -> list[Beside]:
    """What temperature series of a sweep give where others measured and ours has no value (`predicted_ln`).

    Of each measured series or source, the temperature closest to one of ours is taken. A set of systems that differ in
    temperature and replicate has one row for each of them and each route of KINDS that is fitted. Arguments as of `beside_experiments`.
    """
    routes = {route.quantity: (name, route) for name, kind in KINDS.items() for route in kind.routes}
    rows = []
    for fits in fits_of(sweep, [quantity for name in routes if (quantity := named(name)).fitted]):
        systems = sweep[sweep["system"].isin(fits.names)]
        if systems["temperature_K"].nunique() < LEAST_OF_FIT:
            continue
        ours_K = fits.points.temperature_K if fits.points.temperatures else systems["temperature_K"].to_numpy()
        first = systems.iloc[0].to_dict()
        molar_mass = chain_molar_mass_g_mol.get(first["system"])
        if molar_mass is None or pd.isna(first["eo_li_simulated"]) or solvents_of(first.get(SOLVENTS)):
            continue
        name, route = routes[fits.quantity]
        for kelvin, fields, theirs in _closest(conductivities, transport, name, first, molar_mass, ours_K):
            rows.append(
                Beside(
                    system=common_name(fits.names), quantity=name, route=route.name, temperature_K=kelvin,
                    eo_li=first["eo_li_simulated"], chain_molar_mass_g_mol=molar_mass, unit=KINDS[name].unit,
                    measured=10**theirs.log10_value, **fields, **_ours(fits, KINDS[name].factor, kelvin, theirs),
                )
            )  # fmt: skip
    return rows


def _closest(
    conductivities: pd.DataFrame,
    transport: pd.DataFrame,
    name: str,
    row: Mapping[Any, Any],
    molar_mass: float,
    ours_K: Floats,
) -> Iterator[tuple[float, dict[str, Any], Measured]]:
    """Temperature, fields of `Beside` and value of every series and source, at its temperature closest to ours."""
    table = conductivities if name == "conductivity" else transport[transport["quantity"] == name]
    measured = table[(table["polymer"] == row["polymer"]) & (table["salt"] == row["salt"])]["temperature_K"].unique()
    found: dict[tuple[Any, ...], tuple[float, dict[str, Any], Measured]] = {}
    away = {kelvin: float(abs(ours_K - kelvin).min()) for kelvin in map(float, measured)}
    for kelvin in sorted((kelvin for kelvin in away if away[kelvin] > NEAR_K), key=lambda kelvin: away[kelvin]):
        at = {**row, "temperature_K": kelvin}
        series = (
            conductivity_series(conductivities, at, molar_mass)
            if name == "conductivity"
            else (
                (fields, theirs)
                for _, fields, theirs in transport_sources(table[table["temperature_K"] == kelvin], at, molar_mass)
            )
        )
        for fields, theirs in series:
            if theirs is not None and theirs.extrapolated_K is None:
                found.setdefault(tuple(fields.values()), (kelvin, fields, theirs))
    yield from found.values()


def _ours(fits: Fits, factor: float, kelvin: float, theirs: Measured) -> dict[str, Any]:
    """Fields of `Beside` for our value: with both ends, or the upper one alone where the lower is open."""
    t, ln = fits.points.temperature_K, predicted_ln(fits.points, kelvin)
    if ln.value is None or ln.high is None:
        return {
            "verdict": f"not resolved: {counted(fits.points.temperatures, 'temperature')} with a value; {LEAST_OF_FIT} are needed"
        }
    beyond = max(t.min() - kelvin, kelvin - t.max(), 0.0)
    where = f"{beyond:.0f} K {'below' if kelvin < t.min() else 'above'} them" if beyond else "between them"
    high, measured = ln.high / LN10, theirs.log10_value - math.log10(factor)
    found = {
        "verdict": f"ours by Arrhenius or VTF from {fits.points.temperatures} temperatures, {t.min():.0f} to {t.max():.0f} K, {where}",
        "ours_extrapolated_K": beyond,
        "ours_high": factor * 10**high,
        "log10_difference_high": high - measured + theirs.half_range,
    }
    if ln.low is None:
        return found
    low, value = ln.low / LN10, ln.value / LN10
    return found | {
        "ours": factor * 10**value,
        "ours_low": factor * 10**low,
        "log10_difference": value - measured,
        "log10_difference_error": math.hypot((high - low) / 2, theirs.half_range),
        "log10_difference_low": low - measured - theirs.half_range,
    }


def common_name(names: Sequence[str]) -> str:
    """The parts that names of systems share.

    >>> common_name(["peo-eo12-400K-q0.75-r1", "peo-eo12-450K-q0.75-r1"])
    'peo-eo12-q0.75-r1'
    """
    others = [set(name.split("-")) for name in names[1:]]
    return "-".join(part for part in names[0].split("-") if all(part in other for other in others))
