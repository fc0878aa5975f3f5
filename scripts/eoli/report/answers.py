"""The answers of a sweep: diffusion, conductivity and transference of each system, or what is known instead."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from eoli.axes import SERIES_AXES
from eoli.collect import at
from eoli.numbers import with_error
from eoli.report.gather import Sweep, SystemResult
from eoli.temperature import QUANTITIES as FITTED
from eoli.temperature import Arrhenius, Vtf, fits_of

_CURVE_POINTS = 40


@dataclass(frozen=True)
class Answer:
    """A number with its error, or bounds, or neither; and what the analysis says of it."""

    value: float | None
    error: float | None
    bound: float | None
    verdict: str
    least: float | None = None


@dataclass(frozen=True)
class Route:
    """A way to a quantity: where an analysis keeps what it found."""

    key: str
    label: str
    analysis: str
    keys: tuple[str, ...]

    def of(self, system: SystemResult) -> Answer:
        """What a system says; a system without the analysis or without ions says so."""
        if self.analysis not in system.scalars:
            return Answer(None, None, None, f"missing: {self.analysis}")
        found = at(system.scalars, (self.analysis, *self.keys))
        if not isinstance(found, Mapping):
            verdict = "no salt" if "eo_li_asked" not in system.row else "not resolved: the run is too short"
            return Answer(None, None, None, verdict)
        number = found.get("D_m2_s", found)
        bound = found.get("D_upper_bound_m2_s", found.get("upper_bound"))
        verdict = str(found.get("verdict") or "")
        return Answer(number.get("value"), number.get("error"), bound, verdict, found.get("lower_bound"))


@dataclass(frozen=True)
class Quantity:
    """A quantity and the routes to it, the most exact first."""

    key: str
    symbol: str
    name: str
    unit: str
    is_log: bool
    routes: tuple[Route, ...]

    def best(self, system: SystemResult) -> tuple[Route, Answer]:
        """The first route with a number, else the first with a bound, else the first."""
        found = [(route, route.of(system)) for route in self.routes]
        for wanted in ("value", "bound"):
            for route, answer in found:
                if getattr(answer, wanted) is not None:
                    return route, answer
        return found[0]


def _sigma(key: str, label: str) -> Route:
    return Route(key, label, "conductivity", ("sigma_S_m", "formal_charges", key))


def _share(key: str, label: str) -> Route:
    return Route(key, label, "conductivity", ("transference", key))


QUANTITIES = (
    Quantity(
        "D_Li", "D(Li⁺)", "self-diffusion of lithium", "m2_s", True,
        (Route("msd", "mean-square displacement", "motion", ("Li",)),),
    ),
    Quantity(
        "D_anion", "D(anion)", "self-diffusion of the anion's centre of mass", "m2_s", True,
        (Route("msd", "mean-square displacement", "motion", ("anion",)),),
    ),
    Quantity(
        "conductivity", "σ", "conductivity", "S_m", True,
        (
            _sigma("collective", "collective (exact)"),
            _sigma("cluster_nernst_einstein", "clusters move independently"),
            _sigma("nernst_einstein", "ions move independently (Nernst-Einstein)"),
        ),
    ),
    Quantity(
        "transference", "t⁺", "transference number of lithium", "", False,
        (
            _share("onsager_polymer", "collective, seen from the polymer"),
            _share("onsager_centre_of_mass", "collective, seen from the centre of mass"),
            _share("cluster_nernst_einstein", "clusters move independently"),
            _share("nernst_einstein", "ions move independently"),
        ),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Unresolved:
    """What is not resolved: the quantity, why, and in which systems."""

    what: str
    why: str
    systems: tuple[str, ...]


_OPEN = (
    ("free, paired and aggregated ions", "ions", ("verdict",), "not resolved"),
    ("microphase separation beyond chance", "morphology", ("segregation", "verdict"), "not distinguishable"),
    ("spacing of domains from S(q)", "morphology", ("scattering", "verdict"), "box-limited"),
    ("residence of Li⁺ at an ether oxygen", "mechanism", ("residence", "ether_O", "verdict"), "too few"),
    ("residence of Li⁺ at a carbonyl oxygen", "mechanism", ("residence", "carbonyl_O", "verdict"), "too few"),
    ("residence of Li⁺ on a chain", "mechanism", ("residence", "chain", "verdict"), "too few"),
    ("relaxation of PEO segments", "mechanism", ("segments", "P2", "all", "time_1e_ps", "verdict"), "not resolved"),
)  # fmt: skip


def unresolved(sweep: Sweep) -> list[Unresolved]:
    """Quantities that an analysis was made for and did not resolve, by reason; the answers first."""
    found: dict[tuple[str, str], list[str]] = {}
    for system in sweep.answering:
        for quantity in QUANTITIES:
            answer = quantity.best(system)[1]
            if answer.value is None and answer.verdict != "no salt" and not answer.verdict.startswith("missing"):
                why = answer.verdict.removeprefix("not resolved: ")
                found.setdefault((f"{quantity.symbol}, {quantity.name}", why), []).append(system.name)
    for what, analysis, keys, sign in _OPEN:
        for system in sweep.systems:
            verdict = at(system.scalars, (analysis, *keys))
            if isinstance(verdict, str) and verdict.startswith(sign):
                found.setdefault((what, verdict.removeprefix("not resolved: ")), []).append(system.name)
    return _gathered(found)


_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def _gathered(found: Mapping[tuple[str, str], Sequence[str]]) -> list[Unresolved]:
    """Reasons that differ in their numbers alone as one, with the ranges of these."""
    alike: dict[tuple[str, str], list[tuple[str, Sequence[str]]]] = {}
    for (what, why), names in found.items():
        alike.setdefault((what, _NUMBER.sub("#", why)), []).append((why, names))
    gathered = []
    for (what, pattern), members in alike.items():
        said = pattern
        for values in zip(*(_NUMBER.findall(why) for why, _ in members), strict=True):
            low, high = min(values, key=float), max(values, key=float)
            said = said.replace("#", low if low == high else f"{low} to {high}", 1)
        gathered.append(Unresolved(what, said, tuple(name for _, names in members for name in names)))
    return gathered


def _curve(fit: Arrhenius | Vtf, temperature_k: npt.NDArray[np.float64]) -> list[list[float]] | None:
    """Points (T, value) of a fit, evenly in 1/T over the temperatures; None where there is no fit."""
    if fit.ln_prefactor is None:
        return None
    along = 1 / np.linspace(1 / temperature_k.max(), 1 / temperature_k.min(), _CURVE_POINTS)
    return [[float(t), float(y)] for t, y in zip(along, fit.at(along), strict=True)]


def temperature_series(sweep: Sweep) -> list[dict[str, Any]]:
    """The fits of `temperature.csv` by quantity and route: names of the systems, curves, and what the fits say."""
    columns = ["system", "temperature_K", *SERIES_AXES, *(column for both in FITTED.values() for column in both)]
    # rows hold no empty cells
    table = pd.DataFrame([system.row for system in sweep.systems]).reindex(columns=columns)
    fitted = {
        f"{quantity.key}_{route.key}" if len(quantity.routes) > 1 else quantity.key: (quantity.key, route.key)
        for quantity in QUANTITIES
        for route in quantity.routes
    }
    return [
        {
            "quantity": fitted[fits.quantity][0],
            "route": fitted[fits.quantity][1],
            "systems": list(fits.names),
            "arrhenius": _curve(fits.arrhenius, fits.points.temperature_K),
            "arrhenius_says": _said(fits.arrhenius),
            "vtf": _curve(fits.vtf, fits.points.temperature_K),
            "vtf_says": fits.vtf.verdict,
        }
        for fits in fits_of(table)
    ]


def _said(fit: Arrhenius) -> str:
    energy = fit.activation_energy_kJ_mol
    return (
        fit.verdict
        if energy.value is None
        else f"Ea = {with_error(energy.value, energy.error, 'kJ_mol')}, {fit.verdict}"
    )
