"""Our conductivities, diffusion coefficients, densities and glass transitions beside measured ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eoli.core.arrays import Floats
from eoli.core.statistics import UNKNOWN, Estimate, mean_of_starts
from eoli.core.units import ZERO_CELSIUS_K
from eoli.forcefield.models import NO_SALT
from eoli.reference.measured import KINDS, SAME_RATIO, SERIES, Kind, Measured, Route, measured_at, measured_log10
from eoli.reference.model import Reference
from eoli.reference.readings import Missing, Reading, Scalars, read_one, walk
from eoli.study.axes import SOLVENTS, solvents_of
from eoli.study.quantities import Quantity, named
from eoli.study.systems import System
from eoli.topology.description import read_description

SCORED = ("conductivity", "D_Li", "D_anion")
"""Quantities that the overall score counts: transport, each over decades."""
_LEAST_RANKED = 3
_LEAST_RESAMPLED = 4
_RESAMPLES = 2000
_ENDS = (0.16, 0.84)
_UNVERIFIED = " (unverified)"


@dataclass(frozen=True, kw_only=True)
class Beside:
    """One of our results next to a measured series, in `unit`.

    `log10_difference` is log10 of ours over the measured value, which was extrapolated to higher temperature by
    `extrapolated_K`, if given. A bounded result has `ours_low` and `ours_high` instead of a value, None for an open
    side; its differences include the uncertainty of the series. A result that our own temperature series gives for a
    temperature at which nothing was simulated has its 68 % interval there, and says by how much it leaves ours.
    """

    system: str
    quantity: str
    route: str
    temperature_K: float
    eo_li: float
    chain_molar_mass_g_mol: float
    unit: str
    ours: float | None = None
    ours_error: float | None = None
    measured: float | None = None
    series: str
    measured_molar_mass_g_mol: float
    measured_eo_li: str
    source: str
    log10_difference: float | None = None
    log10_difference_error: float | None = None
    verdict: str
    what_differs: str
    extrapolated_K: float | None = None
    ours_low: float | None = None
    ours_high: float | None = None
    log10_difference_low: float | None = None
    log10_difference_high: float | None = None
    ours_extrapolated_K: float | None = None

    @property
    def extrapolated(self) -> bool:
        """Whether ours or theirs was carried to another temperature by a fit."""
        return self.extrapolated_K is not None or self.ours_extrapolated_K is not None


def log10_difference(ours: float, error: float, measured: Measured | None) -> Estimate:
    """log10 of a result over the measured value, in its unit; the half range adds to the error in quadrature.

    Unknown without a measurement and for a result that is not positive.
    """
    if measured is None or ours <= 0:
        return UNKNOWN
    relative = error / (ours * math.log(10))
    return Estimate(math.log10(ours) - measured.log10_value, math.hypot(relative, measured.half_range))


def _bounds_beside(low: Any, high: Any, factor: float, measured: Measured | None) -> dict[str, float | None]:
    """Fields of `Beside` for a result that has bounds, in our unit."""
    found: dict[str, float | None] = {}
    for end, bound, sign in (("low", low, -1), ("high", high, 1)):
        if bound is None:
            continue
        value = factor * float(bound)
        found[f"ours_{end}"] = value
        difference = log10_difference(value, 0.0, measured)
        if measured is not None and difference.value is not None:
            found[f"log10_difference_{end}"] = difference.value + sign * measured.half_range
            found["extrapolated_K"] = measured.extrapolated_K
    return found


@dataclass(frozen=True)
class _Ours:
    """Scalars of a system, or of replicas together; those of the replicas, for what is not read from all together."""

    scalars: Scalars
    starts: Sequence[Scalars] = ()

    def read(self, quantity: Quantity) -> Reading | Missing:
        path = ".".join((quantity.analysis, *quantity.home, *quantity.value))
        if quantity.analysis in self.scalars or not self.starts:
            return read_one(self.scalars, path)
        found = [read_one(start, path) for start in self.starts]
        known = [one for one in found if isinstance(one, Reading)]
        if len(known) < 2:
            return found[0]
        return Reading(*mean_of_starts([one.value for one in known], [one.error for one in known]))


def _route_beside(of: _Ours, kind: Kind, route: Route, measured: Measured | None) -> dict[str, Any]:
    """Fields of `Beside` that depend on the route."""
    quantity = named(route.quantity)
    ours = of.read(quantity)
    if isinstance(ours, Missing):
        verdict = ours.why if ours.why.startswith("not resolved") else f"not resolved: {ours.why}"
        stated, _ = walk(of.scalars, ".".join((quantity.analysis, *quantity.home)))
        bounds = (
            (stated.get(quantity.lower_bound), stated.get(quantity.upper_bound)) if isinstance(stated, Mapping) else ()
        )
        return {"verdict": verdict} | (_bounds_beside(*bounds, kind.factor, measured) if bounds else {})
    value, error = kind.factor * ours.value, kind.factor * ours.error
    difference = log10_difference(value, error, measured)
    return {
        "ours": value, "ours_error": error, "log10_difference": difference.value,
        "log10_difference_error": difference.error,
        "verdict": "outside the measured conditions" if measured is None else measured.verdict,
        "extrapolated_K": None if measured is None else measured.extrapolated_K,
    }  # fmt: skip


def _fields(
    kind: Kind, series: str, mass: float, theirs: str, source: str, ours: tuple[float, float], of_one: str = ""
) -> dict[str, Any]:
    """Fields of `Beside` that tell a series; `ours` is the molar mass of our chain and our ratio, `of_one` a word before
    the molar mass of theirs."""
    return {
        "series": series, "measured_molar_mass_g_mol": mass, "measured_eo_li": theirs, "source": source,
        "what_differs": f"measured: {kind.how}; simulated: an amorphous box; chains of {of_one}{mass:g} against "
        f"{ours[0]:.0f} g/mol, EO:Li {theirs} against {ours[1]:.4g}",
    }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Series:
    """What one source measured that a system of ours is laid beside: fields of `Beside`, and its rows of the table."""

    quantity: str
    fields: Mapping[str, Any]
    points: pd.DataFrame
    eo_li: float

    @property
    def temperatures_K(self) -> list[float]:
        """Temperatures it was measured at, ascending."""
        return sorted(set(map(float, self.points["temperature_K"])))

    def at(self, temperature_K: float) -> Measured | None:
        """Its value at our ratio and a temperature (`measured_log10`, `measured_at`); None if it has none."""
        if self.quantity != "conductivity":
            return measured_at(self.points, self.eo_li, temperature_K)
        return measured_log10(
            zip(self.points["temperature_K"], self.points["log10_sigma_S_cm"], strict=True), temperature_K
        )


def molar_mass_beside(row: Mapping[Any, Any], chain_molar_mass_g_mol: Mapping[str, float]) -> float | None:
    """Molar mass of the chains of a system that is laid beside measurements; None if it is not: without lithium or
    chains, or with a solvent."""
    found = chain_molar_mass_g_mol.get(row["system"])
    return None if pd.isna(row["eo_li_simulated"]) or solvents_of(row.get(SOLVENTS)) else found


def series_beside(
    conductivities: pd.DataFrame, transport: pd.DataFrame, row: Mapping[Any, Any], molar_mass: float
) -> Iterator[Series]:
    """What was measured of the polymer and salt of a row of the sweep.

    Of conductivities, per kind of series, the one with a fitting ratio and the closest chain length; of the others every
    source.
    """
    ratio = row["eo_li_simulated"]
    single = conductivities["eo_li_from"] == conductivities["eo_li_to"]
    fits = np.where(
        single,
        (conductivities["eo_li_from"] / ratio - 1).abs() <= SAME_RATIO,
        (conductivities["eo_li_from"] <= ratio) & (ratio < conductivities["eo_li_to"]),
    )
    near = _alike(conductivities[fits], row)
    for _, kind in near.groupby("series", sort=False):
        away = np.log(kind["molar_mass_g_mol"] / molar_mass).abs()
        for key, points in kind[away == away.min()].groupby(list(SERIES), sort=False):
            _, _, series, mass, first, last, source = key
            theirs, of_one = (f"{first:g}", "") if first == last else (f"{first:g} to {last:g}", "from ")
            fields = _fields(KINDS["conductivity"], series, mass, theirs, source, (molar_mass, ratio), of_one)
            yield Series("conductivity", fields, points, ratio)
    sources: Any = _alike(transport, row).groupby(["quantity", "source", "status", "molar_mass_g_mol"], sort=False)
    for (name, source, status, mass), points in sources:
        first, last = points["eo_li"].min(), points["eo_li"].max()
        said = source if status == "verified" else f"{source}{_UNVERIFIED}"
        kelvins = " and ".join(f"{kelvin:g} K" for kelvin in sorted(set(points["temperature_K"])))
        theirs = f"{first:.4g}" if first == last else f"{first:.4g} to {last:.4g}"
        fields = _fields(KINDS[str(name)], kelvins, float(mass), theirs, said, (molar_mass, ratio))
        yield Series(str(name), fields, points, ratio)


def _alike(measured: pd.DataFrame, row: Mapping[Any, Any]) -> pd.DataFrame:
    """Rows of a table of the same polymer and salt."""
    found: pd.DataFrame = measured[(measured["polymer"] == row["polymer"]) & (measured["salt"] == row["salt"])]
    return found


def _subjects(sweep: pd.DataFrame, together: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, dict[Any, Any]]]:
    """Systems by name, with their row of the sweep; pooled replicas have the row of the first."""
    first = {names[0]: name for name, names in together.items()}
    others = {name for names in together.values() for name in names[1:]}
    for row in sweep.to_dict("records"):
        if row["system"] not in others:
            yield first.get(row["system"], row["system"]), row


def beside_experiments(
    sweep: pd.DataFrame,
    scalars: Mapping[str, Scalars],
    conductivities: pd.DataFrame,
    transport: pd.DataFrame,
    chain_molar_mass_g_mol: Mapping[str, float],
    together: Mapping[str, Sequence[str]],
) -> list[Beside]:
    """Our results next to the measured ones of the same polymer and salt, by every route of KINDS.

    Of measured conductivities, per kind of series, the one is taken whose EO:Li range holds ours (within a tenth for a
    series of one ratio) and whose molar mass is closest to that of our chain, given by system, at our temperature
    (`measured_log10`). Of diffusion coefficients and densities every source is, interpolated to our ratio
    (`measured.measured_at`). A bounded result, even from one side, has bounds of the difference instead of a
    difference. Replicas that `together` names have one row, under their common name, instead of one each. Systems with
    a solvent have none.
    """
    rows = []
    for system, row in _subjects(sweep, together):
        molar_mass = molar_mass_beside(row, chain_molar_mass_g_mol)
        if molar_mass is None:
            continue
        starts = [scalars.get(name, {}) for name in together.get(system, ())]
        for series in series_beside(conductivities, transport, row, molar_mass):
            kind, theirs = KINDS[series.quantity], series.at(row["temperature_K"])
            # none of the sources of the other tables holds at other temperatures
            if theirs is None and series.quantity != "conductivity":
                continue
            rows += [
                Beside(
                    system=system, quantity=series.quantity, route=route.name, temperature_K=row["temperature_K"],
                    eo_li=row["eo_li_simulated"], chain_molar_mass_g_mol=molar_mass, unit=kind.unit,
                    measured=None if theirs is None else 10**theirs.log10_value, **series.fields,
                    **_route_beside(_Ours(scalars.get(system, {}), starts), kind, route, theirs),
                )
                for route in kind.routes
            ]  # fmt: skip
    return rows


def mean_absolute_errors(rows: Sequence[Beside]) -> list[dict[str, Any]]:
    """Mean absolute difference in log10 for each quantity, series and route, extrapolated rows apart.

    Over the `points` rows that were compared; unknown without any.
    """
    kinds: dict[tuple[str, str, str, bool], list[Beside]] = {}
    for row in rows:
        # a source of transport has one series for each temperature: together they are that source
        series = row.series if row.quantity == "conductivity" else row.source
        kinds.setdefault((row.quantity, series, row.route, row.extrapolated), []).append(row)
    return [
        {"quantity": quantity, "series": series, "route": route, "extrapolated": extrapolated, **asdict(_score(of))}
        for (quantity, series, route, extrapolated), of in kinds.items()
    ]


@dataclass(frozen=True)
class Score:
    """Mean absolute difference in log10 over `points`, with the mean of their errors, and Spearman's rank correlation of ours
    with the measured; each with its 68 % interval over resampled points, None for too few.
    """

    points: int
    value: float | None = None
    error: float | None = None
    low: float | None = None
    high: float | None = None
    rank_correlation: float | None = None
    rank_low: float | None = None
    rank_high: float | None = None


def _score(rows: Sequence[Beside]) -> Score:
    known = [row for row in rows if row.log10_difference is not None and row.measured is not None]
    if not known:
        return Score(0)
    differences = np.array([row.log10_difference for row in known], dtype=np.float64)
    errors = np.array([row.log10_difference_error for row in known], dtype=np.float64)
    theirs = np.log10(np.array([row.measured for row in known], dtype=np.float64))
    n = len(known)
    # one fit, ours or theirs, and one laboratory err together
    mean = {"value": float(np.abs(differences).mean()), "error": float(errors.mean())}
    (found,) = _rank_correlations((theirs + differences)[None], theirs[None])
    rank = None if n < _LEAST_RANKED or np.isnan(found) else float(found)
    if n < _LEAST_RESAMPLED:
        return Score(n, **mean, rank_correlation=rank)
    chosen = np.random.default_rng(0).integers(n, size=(_RESAMPLES, n))
    means = np.abs(differences[chosen]).mean(axis=1)
    low, high = np.quantile(means, _ENDS)
    ends: list[Any] = [None, None]
    if rank is not None:
        ends = np.nanquantile(_rank_correlations((theirs + differences)[chosen], theirs[chosen]), _ENDS).tolist()
    return Score(
        n, **mean, low=float(low), high=float(high), rank_correlation=rank, rank_low=ends[0], rank_high=ends[1]
    )


def _rank_correlations(ours: Floats, theirs: Floats) -> Floats:
    """Spearman's for each row of two arrays (rows, points), (rows,); NaN where one of the two is constant."""
    from scipy.stats import rankdata

    a, b = (rankdata(values, axis=1) for values in (ours, theirs))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        found: Floats = (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return found


def overall(rows: Sequence[Beside]) -> Score:
    """Score over every system and quantity of SCORED that was compared at a temperature of both.

    A system counts once for a quantity: by its most exact route, its difference the mean over the sources.
    """
    one: dict[tuple[str, str], dict[str, list[Beside]]] = {}
    for row in rows:
        if row.quantity in SCORED and not row.extrapolated and row.log10_difference is not None:
            one.setdefault((row.system, row.quantity), {}).setdefault(row.route, []).append(row)
    score = _score([_over_sources(next(iter(routes.values()))) for routes in one.values()])
    # ranks of quantities in different units mean nothing
    return replace(score, rank_correlation=None, rank_low=None, rank_high=None)


def _over_sources(rows: Sequence[Beside]) -> Beside:
    """One row for several sources: the mean of their logarithms; their errors are ours, hence common."""
    theirs = [math.log10(row.measured) for row in rows if row.measured]
    differences = [row.log10_difference for row in rows if row.log10_difference is not None]
    errors = [row.log10_difference_error for row in rows if row.log10_difference_error is not None]
    return replace(
        rows[0], measured=10 ** (sum(theirs) / len(theirs)), log10_difference=sum(differences) / len(differences),
        log10_difference_error=max(errors),
    )  # fmt: skip


def chain_molar_masses(results: Path, systems: Sequence[str]) -> dict[str, float]:
    """Mean molar mass of the chains, g/mol, by system, from `results/<system>/topology/system.json`.

    Raises DataError for a description that cannot be read.
    """
    found = {}
    for system in systems:
        description = read_description(results / system / "topology" / "system.json")
        chains = [entry for entry in description.molecules if entry.molecule.kind == "polymer"]
        if chains:
            mass = sum(entry.molecule.mass * entry.count for entry in chains)
            found[system] = mass / sum(entry.count for entry in chains)
    return found


def measured_Tg_K(reference: Reference, system: System) -> float | None:
    """Tg that a study measured for the same polymer, ratio and salt without a solvent, K; None if it did not."""
    if system.salt not in (reference.salt, NO_SALT) or system.solvents:
        return None
    measured = {
        (value.polymer, value.eo_li): value.value + ZERO_CELSIUS_K
        for entry in reference.numbers
        if entry.id == "glass-transition"
        for value in entry.systems
    }
    return measured.get((system.polymer, system.eo_li_asked))
