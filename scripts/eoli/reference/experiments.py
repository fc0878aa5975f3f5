"""Measured conductivities and glass transitions, compared with ours."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eoli.core.statistics import UNKNOWN, Estimate
from eoli.core.text import printable
from eoli.core.units import ZERO_CELSIUS_K
from eoli.errors import InputError
from eoli.forcefield.models import NO_SALT
from eoli.reference.model import Reference
from eoli.reference.readings import Missing, Scalars, read_one, walk
from eoli.study.axes import SOLVENTS, solvents_of
from eoli.study.quantities import QUANTITIES, grouped, named
from eoli.study.systems import System
from eoli.topology.description import read_description

ROUTES = tuple(quantity.route for quantity in reversed(grouped(QUANTITIES)["conductivity"]))
"""Routes to a conductivity, most exact first."""
EXTRAPOLATED_K = 5.0
VOGEL_TEMPERATURES_K = (170.0, 240.0)
"""Possible Vogel temperatures T0 of PEO with salt; unverified: about 50 K below the Tg of PEO with and without salt, by
WLF with universal constants (Williams, Landel, Ferry 1955)."""

_LEAST_VTF = 3
_SAME_RATIO = 0.1
_S_CM_PER_S_M = 0.01
_SERIES = ("polymer", "salt", "series", "molar_mass_g_mol", "eo_li_from", "eo_li_to", "source")
_RANGES = {
    "molar_mass_g_mol": (0.0, 1e9), "eo_li_from": (0.0, 1e6), "eo_li_to": (0.0, 1e6), "temperature_K": (0.0, 1e5),
    "log10_sigma_S_cm": (-30.0, 3.0),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Beside:
    """One of our conductivities next to a measured series.

    `log10_difference` is log10 of ours over the measured one, which was extrapolated to higher temperature by
    `extrapolated_K`, if given. A bounded conductivity has `sigma_low` and `sigma_high` instead of a value, None for an
    open side; its differences include the uncertainty of the series.
    """

    system: str
    route: str
    temperature_K: float
    eo_li: float
    chain_molar_mass_g_mol: float
    sigma_S_cm: float | None = None
    sigma_error_S_cm: float | None = None
    series: str
    measured_molar_mass_g_mol: float
    measured_eo_li: str
    source: str
    log10_difference: float | None = None
    log10_difference_error: float | None = None
    verdict: str
    what_differs: str
    extrapolated_K: float | None = None
    sigma_low_S_cm: float | None = None
    sigma_high_S_cm: float | None = None
    log10_difference_low: float | None = None
    log10_difference_high: float | None = None


@dataclass(frozen=True)
class Measured:
    """log10 of a measured conductivity with half its possible range, and the extrapolation."""

    log10_sigma: float
    half_range: float = 0.0
    extrapolated_K: float | None = None

    @property
    def verdict(self) -> str:
        """Status of a comparison with it."""
        if self.extrapolated_K is None:
            return "compared"
        return f"beside a VTF curve that leaves the measured temperatures by {self.extrapolated_K:.0f} K"


def read_measured(path: Path) -> pd.DataFrame:
    """Read a table of measured conductivities; lines that begin with `#` are skipped.

    Raises InputError if it cannot be read or lacks a column, and for a required cell that is empty or not a number
    where one belongs: its row would silently drop out.
    """
    try:
        # a spreadsheet may put a mark of UTF-8 in front
        lines = list(enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no table: {printable(str(error))}") from error
    kept = [(n, line) for n, line in lines if line.strip() and not line.lstrip().startswith("#")]
    rows = list(csv.reader([line for _, line in kept]))
    head = [name.strip() for name in rows[0]] if rows else []
    needed = [*_SERIES, "temperature_K", "log10_sigma_S_cm"]
    if missing := [column for column in needed if column not in head]:
        raise InputError(f"{path}: lacks the columns {', '.join(missing)}")
    for (line, _), cells in zip(kept[1:], rows[1:], strict=True):
        if len(cells) != len(head):
            raise InputError(f"{path}:{line}: {len(cells)} cells; allowed: {len(head)}, one a column")
        row = dict(zip(head, cells, strict=True))
        for column in needed:
            if not row[column].strip():
                raise InputError(f"{path}:{line}: {column} is empty; allowed: a value in every row")
            if column in _RANGES and (allowed := _outside(row[column], *_RANGES[column])):
                raise InputError(
                    f"{path}:{line}: {column}: {printable(row[column])!r} is not allowed; allowed: {allowed}"
                )
        if float(row["eo_li_from"]) > float(row["eo_li_to"]):
            raise InputError(f"{path}:{line}: eo_li_from: {row['eo_li_from']} is above eo_li_to; allowed: at most that")
    return pd.DataFrame(rows[1:], columns=head).astype(dict.fromkeys(_RANGES, float))


def _outside(text: str, low: float, high: float) -> str:
    """What is allowed, if a text is not a number in the range (a lower limit of zero is excluded); else empty."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if low <= number <= high and (number > 0 or low < 0):
        return ""
    return f"a number above 0, at most {high:g}" if low == 0 else f"a number from {low:g} to {high:g}"


def measured_log10(points: Iterable[tuple[float, float]], temperature_K: float) -> Measured | None:
    """log10 of a measured series at a temperature; None if the series does not cover it.

    `points` are temperatures, K, with log10 of the conductivities measured there. Between neighbours log10 is linear in
    1/T. Up to 5 K beyond the first and last point the line through the two outermost is continued, or a single point
    taken as it is. Further above, a VTF curve through at least three points is used: log10 is linear in 1/(T - T0), and
    T0 runs over VOGEL_TEMPERATURES_K, because a few points do not determine it; the value is the middle of the result,
    with its half range. Nothing is known further below, nor for a point at or below those T0.
    """
    t, logs = np.array(sorted(points), dtype=np.float64).reshape(-1, 2).T
    if len(t) and t[0] - EXTRAPOLATED_K <= temperature_K <= t[-1] + EXTRAPOLATED_K:
        if len(t) == 1:
            return Measured(float(logs[0]))
        k = int(np.clip(np.searchsorted(t, temperature_K), 1, len(t) - 1))
        part = (1 / temperature_K - 1 / t[k - 1]) / (1 / t[k] - 1 / t[k - 1])
        return Measured(float(logs[k - 1] + part * (logs[k] - logs[k - 1])))
    if len(t) < _LEAST_VTF or t[0] <= VOGEL_TEMPERATURES_K[1] or temperature_K <= t[-1]:
        return None
    low, high = (
        float(np.polynomial.Polynomial.fit(1 / (t - t0), logs, 1)(1 / (temperature_K - t0)))
        for t0 in VOGEL_TEMPERATURES_K
    )
    return Measured((low + high) / 2, abs(high - low) / 2, temperature_K - float(t[-1]))


def log10_difference(sigma: float, error: float, measured: Measured | None) -> Estimate:
    """log10 of a conductivity over the measured one, in its unit; the half range adds to the error in quadrature.

    Unknown without a measurement and for a conductivity that is not positive.
    """
    if measured is None or sigma <= 0:
        return UNKNOWN
    relative = error / (sigma * math.log(10))
    return Estimate(math.log10(sigma) - measured.log10_sigma, math.hypot(relative, measured.half_range))


def _bounds_beside(stated: Mapping[str, Any], measured: Measured | None) -> dict[str, float | None]:
    """Fields of `Beside` for a conductivity, S/m, that has bounds."""
    found: dict[str, float | None] = {}
    for end, bound, sign in (("low", "lower_bound", -1), ("high", "upper_bound", 1)):
        if stated.get(bound) is None:
            continue
        sigma = _S_CM_PER_S_M * float(stated[bound])
        found[f"sigma_{end}_S_cm"] = sigma
        difference = log10_difference(sigma, 0.0, measured)
        if measured is not None and difference.value is not None:
            found[f"log10_difference_{end}"] = difference.value + sign * measured.half_range
            found["extrapolated_K"] = measured.extrapolated_K
    return found


def _route_beside(scalars: Scalars, route: str, measured: Measured | None) -> dict[str, Any]:
    """Fields of `Beside` that depend on the route."""
    quantity = named(f"conductivity_{route}")
    path = ".".join((quantity.analysis, *quantity.home))
    ours = read_one(scalars, path)
    if isinstance(ours, Missing):
        verdict = ours.why if ours.why.startswith("not resolved") else f"not resolved: {ours.why}"
        stated, _ = walk(scalars, path)
        return {"verdict": verdict} | (_bounds_beside(stated, measured) if isinstance(stated, Mapping) else {})
    sigma, error = _S_CM_PER_S_M * ours.value, _S_CM_PER_S_M * ours.error
    difference = log10_difference(sigma, error, measured)
    return {
        "sigma_S_cm": sigma, "sigma_error_S_cm": error, "log10_difference": difference.value,
        "log10_difference_error": difference.error,
        "verdict": "outside the measured temperatures" if measured is None else measured.verdict,
        "extrapolated_K": None if measured is None else measured.extrapolated_K,
    }  # fmt: skip


def _matching(
    measured: pd.DataFrame, row: Mapping[Any, Any], molar_mass: float
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Per kind of series, the one with a fitting ratio and the closest chain length: fields of `Beside`, points."""
    ratio = row["eo_li_simulated"]
    single = measured["eo_li_from"] == measured["eo_li_to"]
    fits = np.where(
        single,
        (measured["eo_li_from"] / ratio - 1).abs() <= _SAME_RATIO,
        (measured["eo_li_from"] <= ratio) & (ratio < measured["eo_li_to"]),
    )
    near = measured[(measured["polymer"] == row["polymer"]) & (measured["salt"] == row["salt"]) & fits]
    for _, kind in near.groupby("series", sort=False):
        away = np.log(kind["molar_mass_g_mol"] / molar_mass).abs()
        for key, points in kind[away == away.min()].groupby(list(_SERIES), sort=False):
            _, _, series, mass, first, last, source = key
            of_one, theirs = ("", f"{first:g}") if first == last else ("from ", f"{first:g} to {last:g}")
            yield {
                "series": series, "measured_molar_mass_g_mol": mass, "measured_eo_li": theirs, "source": source,
                "what_differs": "measured: total conductivity by impedance, of a polymer that is semicrystalline below some "
                f"328 K; simulated: an amorphous box; chains of {of_one}{mass:g} against {molar_mass:.0f} g/mol, EO:Li "
                f"{theirs} against {ratio:.4g}",
            }, points  # fmt: skip


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
    measured: pd.DataFrame,
    chain_molar_mass_g_mol: Mapping[str, float],
    together: Mapping[str, Sequence[str]],
) -> list[Beside]:
    """Our conductivities next to the measured series of the same polymer and salt, by every route of ROUTES.

    Per kind of series, the one is taken whose EO:Li range holds ours (within a tenth for a series of one ratio) and
    whose molar mass is closest to that of our chain, given by system, at our temperature (`measured_log10`). A bounded
    conductivity, even from one side, has bounds of the difference instead of a difference. Replicas that `together`
    names have one row, under their common name, instead of one each. Systems with a solvent have none.
    """
    rows = []
    for system, row in _subjects(sweep, together):
        molar_mass = chain_molar_mass_g_mol.get(row["system"])
        kelvin, ratio = row["temperature_K"], row["eo_li_simulated"]
        if molar_mass is None or pd.isna(ratio) or solvents_of(row.get(SOLVENTS)):
            continue
        for series, points in _matching(measured, row, molar_mass):
            theirs = measured_log10(zip(points["temperature_K"], points["log10_sigma_S_cm"], strict=True), kelvin)
            rows += [
                Beside(
                    system=system, route=route, temperature_K=kelvin, eo_li=ratio, chain_molar_mass_g_mol=molar_mass,
                    **series, **_route_beside(scalars.get(system, {}), route, theirs),
                )
                for route in ROUTES
            ]  # fmt: skip
    return rows


def mean_absolute_errors(rows: Sequence[Beside]) -> list[dict[str, Any]]:
    """Mean absolute difference in log10 of the conductivity for each series and route, extrapolated rows apart.

    Over the `points` rows that were compared; unknown without any.
    """
    kinds: dict[tuple[str, str, bool], list[tuple[float | None, float | None]]] = {}
    for row in rows:
        known = kinds.setdefault((row.series, row.route, row.extrapolated_K is not None), [])
        if row.log10_difference is not None:
            known.append((row.log10_difference, row.log10_difference_error))
    found = []
    for (series, route, extrapolated), known in kinds.items():
        mean, (differences, errors) = UNKNOWN, np.array(known, dtype=np.float64).reshape(-1, 2).T
        if known:
            mean = Estimate(float(np.abs(differences).mean()), float(np.sqrt((errors**2).sum()) / len(errors)))
        kind = {"series": series, "route": route, "extrapolated": extrapolated, "points": len(known)}
        found.append(kind | asdict(mean))
    return found


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
