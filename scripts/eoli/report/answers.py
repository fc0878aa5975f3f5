"""Answers of a sweep: diffusion, conductivity and transference of each system, or what is known instead."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from eoli.core.numbers import with_error
from eoli.report.gather import Sweep, SystemResult
from eoli.study import quantities
from eoli.study.axes import SERIES_AXES, SOLVENTS
from eoli.study.quantities import Answer, In, Quantity, declared, fitted, grouped
from eoli.summary.temperature import Arrhenius, Vtf, fits_of

_CURVE_POINTS = 40


@dataclass(frozen=True)
class Asked:
    """A quantity that the page shows for each system, by its routes, most exact first."""

    key: str
    routes: tuple[Quantity, ...]

    @property
    def quantity(self) -> Quantity:
        """The quantity, by any of its routes."""
        return self.routes[0]

    def best(self, system: SystemResult) -> tuple[Quantity, Answer]:
        """The first route with a number, else the first with a bound, else the first."""
        found = [(route, answer_of(route, system)) for route in self.routes]
        for wanted in ("value", "bound"):
            for route, answer in found:
                if getattr(answer, wanted) is not None:
                    return route, answer
        return found[0]


def answer_of(quantity: Quantity, system: SystemResult) -> Answer:
    """Answer of a system; a missing analysis or missing ions are stated."""
    if quantity.analysis not in system.scalars:
        return Answer(None, None, None, f"missing: {quantity.analysis}")
    no_answer = "no salt" if "eo_li_asked" not in system.row else "not resolved: the run is too short"
    return quantity.of(system.scalars) or Answer(None, None, None, no_answer)


def asked(where: In = In.PAGE) -> list[Asked]:
    """Quantities of the answer plots, or of the answer table."""
    return [Asked(key, tuple(routes[::-1])) for key, routes in grouped(declared(where)).items()]


@dataclass(frozen=True)
class Unresolved:
    """An unresolved quantity: why, and in which systems."""

    what: str
    why: str
    systems: tuple[str, ...]
    key: str  # of the quantity


def unresolved(sweep: Sweep) -> list[Unresolved]:
    """Quantities that were analysed but not resolved, by reason; the answers first."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for system in sweep.answering:
        # one with words of its own stands below, once
        for each in (of for of in asked() if not of.quantity.open[0]):
            answer, quantity = each.best(system)[1], each.quantity
            if answer.value is None and answer.verdict != "no salt" and not answer.verdict.startswith("missing"):
                why = answer.verdict.removeprefix("not resolved: ")
                found.setdefault((each.key, f"{quantity.symbol}, {quantity.title}", why), []).append(system.name)
    # structure before mechanism
    for quantity in sorted(quantities.QUANTITIES, key=lambda each: each.analysis == "mechanism"):
        for system in sweep.systems if quantity.open[0] else ():
            stated = quantity.of(system.scalars)
            if stated and stated.verdict.startswith(quantity.open[1]):
                why = stated.verdict.removeprefix("not resolved: ")
                found.setdefault((quantity.name, quantity.open[0], why), []).append(system.name)
    return _gathered(found)


_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def _gathered(found: Mapping[tuple[str, str, str], Sequence[str]]) -> list[Unresolved]:
    """Merge reasons that differ only in their numbers, giving the ranges."""
    alike: dict[tuple[str, str, str], list[tuple[str, Sequence[str]]]] = {}
    for (key, what, why), names in found.items():
        alike.setdefault((key, what, _NUMBER.sub("#", why)), []).append((why, names))
    gathered = []
    for (key, what, pattern), members in alike.items():
        said = pattern
        for values in zip(*(_NUMBER.findall(why) for why, _ in members), strict=True):
            low, high = min(values, key=float), max(values, key=float)
            said = said.replace("#", low if low == high else f"{low} to {high}", 1)
        gathered.append(Unresolved(what, said, tuple(name for _, names in members for name in names), key))
    return gathered


def _curve(fit: Arrhenius | Vtf, temperature_K: npt.NDArray[np.float64]) -> list[list[float]] | None:
    """Points (T, value) of a fit, evenly in 1/T over the temperatures; None without a fit."""
    if fit.ln_prefactor is None:
        return None
    along = 1 / np.linspace(1 / temperature_K.max(), 1 / temperature_K.min(), _CURVE_POINTS)
    return [[float(t), float(y)] for t, y in zip(along, fit.at(along), strict=True)]


def temperature_series(sweep: Sweep) -> list[dict[str, Any]]:
    """Fits of `temperature.csv` by quantity and route: system names, curves, and results in words."""
    shown = {quantity.name: quantity for quantity in fitted() if quantity.where & In.PAGE}
    columns = [
        "system",
        "temperature_K",
        *SERIES_AXES,
        SOLVENTS,
        *(column for each in shown.values() for column in each.columns),
    ]
    # rows hold no empty cells
    table = pd.DataFrame([system.row for system in sweep.systems]).reindex(columns=columns)
    return [
        {
            "quantity": shown[fits.quantity].group or fits.quantity,
            "route": shown[fits.quantity].route,
            "systems": list(fits.names),
            "arrhenius": _curve(fits.arrhenius, fits.points.temperature_K),
            "arrhenius_says": _said(fits.arrhenius),
            "vtf": _curve(fits.vtf, fits.points.temperature_K),
            "vtf_says": fits.vtf.verdict,
        }
        for fits in fits_of(table, list(shown.values()))
    ]


def _said(fit: Arrhenius) -> str:
    energy = fit.activation_energy_kJ_mol
    return (
        fit.verdict
        if energy.value is None
        else f"Ea = {with_error(energy.value, energy.error, 'kJ_mol')}, {fit.verdict}"
    )
