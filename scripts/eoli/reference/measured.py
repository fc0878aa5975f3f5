"""Tables of measured conductivities, diffusion coefficients and densities, and their values at our conditions."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from eoli.core.text import printable
from eoli.errors import InputError
from eoli.study.quantities import QUANTITIES, grouped

NEAR_K = 5.0
"""How far a measured value is carried in temperature without a fit."""
SAME_RATIO = 0.1
"""How far one in EO:Li, as a share."""
VOGEL_TEMPERATURES_K = (170.0, 240.0)
"""Possible Vogel temperatures T0 of PEO with salt; unverified: about 50 K below the Tg of PEO with and without salt, by
WLF with universal constants (Williams, Landel, Ferry 1955)."""
SERIES = ("polymer", "salt", "series", "molar_mass_g_mol", "eo_li_from", "eo_li_to", "source")
"""Columns that tell series of measured conductivities apart."""


@dataclass(frozen=True)
class Route:
    """A quantity of ours, by name, that a measured one is compared with; `name` as in the table."""

    name: str
    quantity: str


@dataclass(frozen=True)
class Kind:
    """A measured quantity: its unit in the tables, ours in that unit by `factor`, and our routes, most exact first."""

    label: str
    unit: str
    factor: float
    routes: tuple[Route, ...]
    how: str


KINDS: Mapping[str, Kind] = {
    "conductivity": Kind(
        "conductivity", "S/cm", 0.01,
        tuple(Route(quantity.route, quantity.name) for quantity in reversed(grouped(QUANTITIES)["conductivity"])),
        "total conductivity by impedance, of a polymer that is semicrystalline below some 328 K",
    ),
    "D_Li": Kind(
        "D(Li)", "m²/s", 1.0,
        (
            Route("msd", "D_Li"), Route("renewal_long_chains", "D_Li_long_chains"), Route("renewal", "D_Li_renewal"),
            Route("renewal_between_transfers", "D_Li_between_transfers"), Route("renewal_on_chains", "D_Li_on_chains"),
        ),
        "self-diffusion of all lithium, free and paired, by pulsed-field-gradient NMR",
    ),
    "D_anion": Kind(
        "D(anion)", "m²/s", 1.0, (Route("msd", "D_anion"),),
        "self-diffusion of all anions, free and paired, by pulsed-field-gradient NMR",
    ),
    "D_Li_share": Kind(
        "D(Li) / (D(Li) + D(anion))", "", 1.0, (Route("nernst_einstein", "transference_nernst_einstein"),),
        "from the two coefficients by pulsed-field-gradient NMR",
    ),
    "density": Kind("density", "g/cm³", 1.0, (Route("mean", "density"),), "density of the mixture"),
}  # fmt: skip
"""What a sweep is laid beside, by the name in the tables."""

_LEAST_VTF = 3
_READ = ("D_Li", "D_anion", "density")
_RANGES = {
    "molar_mass_g_mol": (0.0, 1e9), "eo_li_from": (0.0, 1e6), "eo_li_to": (0.0, 1e6), "eo_li": (0.0, 1e6),
    "temperature_K": (0.0, 1e5), "log10_sigma_S_cm": (-30.0, 3.0), "value": (0.0, 100.0),
    "relative_error": (0.0, 1.0),
}  # fmt: skip
_OPTIONAL = ("relative_error",)
_FORMS = {"status": ("verified", "recalled"), "quantity": _READ}


@dataclass(frozen=True)
class Measured:
    """log10 of a measured quantity with half its possible range, and the extrapolation."""

    log10_value: float
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

    Raises InputError if it cannot be read or lacks a column, and for a required cell that is empty or not allowed: its
    row would silently drop out.
    """
    table = _read(path, [*SERIES, "temperature_K", "log10_sigma_S_cm"])
    for line, first, last in zip(table["line"], table["eo_li_from"], table["eo_li_to"], strict=True):
        if first > last:
            raise InputError(f"{path}:{line}: eo_li_from: {first:g} is above eo_li_to; allowed: at most that")
    return table


def read_transport(path: Path) -> pd.DataFrame:
    """Read a table of measured D(Li), D(anion), m²/s, and densities, g/cm³; D_Li_share of each pair of D is added.

    `log10_half_range` is half the range that the source states, in log10; zero if it states none. Raises InputError as
    `read_measured` does.
    """
    table = _read(
        path,
        ["polymer", "salt", "quantity", "molar_mass_g_mol", "eo_li", "temperature_K", "value", "source", "status"],
    )
    stated = table.get("relative_error", pd.Series("", table.index)).str.strip().replace("", "0").astype(float)
    table = table.assign(log10_value=np.log10(table["value"]), log10_half_range=np.log10(1 + stated))
    same = ["polymer", "salt", "molar_mass_g_mol", "eo_li", "temperature_K", "source", "status"]
    lithium, anion = (table[table["quantity"] == name] for name in ("D_Li", "D_anion"))
    both = lithium.merge(anion, on=same, suffixes=("", "_anion"))
    share = both["value"] / (both["value"] + both["value_anion"])
    both = both.assign(quantity="D_Li_share", value=share, log10_value=np.log10(share), log10_half_range=0.0)
    return pd.concat([table, both[table.columns]], ignore_index=True)


def _read(path: Path, needed: Sequence[str]) -> pd.DataFrame:
    """Rows of a table, with the `line` of each; columns that have a range are numbers."""
    try:
        # a spreadsheet may put a mark of UTF-8 in front
        lines = list(enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no table: {printable(str(error))}") from error
    kept = [(n, line) for n, line in lines if line.strip() and not line.lstrip().startswith("#")]
    rows = list(csv.reader([line for _, line in kept]))
    head = [name.strip() for name in rows[0]] if rows else []
    if missing := [column for column in needed if column not in head]:
        raise InputError(f"{path}: lacks the columns {', '.join(missing)}")
    for (line, _), cells in zip(kept[1:], rows[1:], strict=True):
        if len(cells) != len(head):
            raise InputError(f"{path}:{line}: {len(cells)} cells; allowed: {len(head)}, one a column")
        row = dict(zip(head, cells, strict=True))
        for column in needed:
            if not row[column].strip():
                raise InputError(f"{path}:{line}: {column} is empty; allowed: a value in every row")
        for column, cell in row.items():
            # of the others, a number that is given has to be one
            if (column in needed or (column in _OPTIONAL and cell.strip())) and (allowed := _outside(cell, column)):
                raise InputError(f"{path}:{line}: {column}: {printable(cell)!r} is not allowed; allowed: {allowed}")
    numbers = {column: float for column in _RANGES if column in needed}
    return pd.DataFrame(rows[1:], columns=head).astype(numbers).assign(line=[line for line, _ in kept[1:]])


def _outside(text: str, column: str) -> str:
    """What is allowed in a column, if a text is not (a lower limit of zero is excluded); else empty."""
    if column in _FORMS:
        return "" if text in _FORMS[column] else ", ".join(_FORMS[column])
    if column not in _RANGES:
        return ""
    low, high = _RANGES[column]
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
    if len(t) and t[0] - NEAR_K <= temperature_K <= t[-1] + NEAR_K:
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


def measured_at(points: pd.DataFrame, eo_li: float, temperature_K: float) -> Measured | None:
    """log10 of what one source measured, at a ratio; None if it did not measure there, within a tenth and 5 K.

    `points` are rows of `read_transport`. log10 is linear in Li/EO between neighbours, as diffusion coefficients fall
    exponentially with the concentration of the salt (Timachova et al., Macromolecules 2015, 48, 7882). Over the tenth and
    the 5 K a value is taken as it is.
    """
    near = points[(points["temperature_K"] - temperature_K).abs() <= NEAR_K]
    lithium, at = 1 / near["eo_li"].to_numpy(), 1 / eo_li
    order = np.argsort(lithium)
    if not len(order) or not lithium.min() * (1 - SAME_RATIO) <= at <= lithium.max() * (1 + SAME_RATIO):
        return None
    value, half = (
        float(np.interp(at, lithium[order], near[name].to_numpy()[order]))
        for name in ("log10_value", "log10_half_range")
    )
    return Measured(value, half)
