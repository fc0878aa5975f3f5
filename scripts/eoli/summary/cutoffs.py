"""Contact distances of a sweep next to the first minima of g(r), per system and pooled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eoli.analysis.results import read_curves, read_scalars
from eoli.analysis.structure.rdf import first_minimum, first_peak
from eoli.core.arrays import Floats
from eoli.core.statistics import UNKNOWN, Estimate, estimate, jackknife_error
from eoli.errors import DataError
from eoli.topology.selections import contact_of

POOLED = "all"
"""Name in the `system` column for pooled rows."""
FLAT = 0.05
"""The flat region around a minimum: n(r) within this share of its value there."""

HYDROGEN_BOND = "hydrogen_bond"
"""Contact kind of the amide hydrogens."""

_COLUMNS = (
    "first", "second", "system", "systems", "first_peak_nm", "first_minimum_nm", "first_minimum_error_nm",
    "flat_from_nm", "flat_to_nm", "neighbours_at_minimum", "contact", "contact_nm", "neighbours_at_contact", "verdict",
)  # fmt: skip


@dataclass(frozen=True)
class Structure:
    """g(r) and n(r) of a system: `table` has r_nm and g_, n_ of each pair, `scalars` the first shells."""

    table: pd.DataFrame
    scalars: Mapping[str, Any]

    def minimum(self, first: str, second: str) -> Estimate:
        """The system's own first minimum, with its error over blocks."""
        found = self.scalars.get(first, {}).get(second, {}).get("first_minimum_nm", {})
        return Estimate(found.get("value"), found.get("error"))


@dataclass(frozen=True)
class _Curve:
    """g(r) and n(r) at r, nm, (bins,)."""

    r: Floats
    g: Floats
    n: Floats

    def number(self, distance_nm: float) -> float:
        return float(np.interp(distance_nm, self.r, self.n))

    def flat(self, minimum_nm: float) -> tuple[float, float]:
        """Range around a minimum in which n stays within FLAT of its value there, nm."""
        inside = np.abs(self.n - self.number(minimum_nm)) <= FLAT * self.number(minimum_nm)
        at = int(np.searchsorted(self.r, minimum_nm))
        below, above = np.flatnonzero(~inside[:at]), np.flatnonzero(~inside[at:])
        low = int(below[-1]) + 1 if len(below) else 0
        high = at + int(above[0]) - 1 if len(above) else len(self.r) - 1
        return float(self.r[low]), float(self.r[high])


def read_structure(table: Path) -> Structure:
    """Structure of a system from structure.csv and structure.json beside it. Raises DataError with one line."""
    scalars = read_scalars(table.parent, table.stem)
    if scalars is None:
        raise DataError(f"{table.with_suffix('.json')}: no such file")
    curves = read_curves(table.parent, table.stem)
    lacking = [
        f"{kind}_{first}_{second}"
        for first in ("Li", "amide_H")
        for second in scalars.get(first, {})
        for kind in ("g", "n")
        if f"{kind}_{first}_{second}" not in curves
    ]
    if lacking:
        raise DataError(f"{table}: no column {lacking[0]}, of which {table.stem}.json speaks")
    return Structure(curves, scalars)


def _pairs(structures: Mapping[str, Structure]) -> list[tuple[str, str]]:
    found = dict.fromkeys(
        (first, second)
        for structure in structures.values()
        for first, partners in structure.scalars.items()
        if isinstance(partners, Mapping)
        for second in partners
        if f"g_{first}_{second}" in structure.table
    )
    return list(found)


def _curves(structures: Sequence[Structure], pair: str) -> list[_Curve]:
    """Curves over the distances that all systems have. Raises DataError if bins differ."""
    n = min(len(structure.table) for structure in structures)
    r = structures[0].table["r_nm"].to_numpy()[:n]
    if any(not np.allclose(structure.table["r_nm"][:n], r) for structure in structures):
        raise DataError("g(r) of the systems have different bins; make their structures again")
    return [_Curve(r, *(s.table[f"{kind}_{pair}"].to_numpy()[:n] for kind in ("g", "n"))) for s in structures]


def _pooled_minimum(curves: Sequence[_Curve]) -> Estimate:
    """First minimum of the mean g(r), with a jackknife error over systems."""

    def minimum(g: Floats) -> float:
        found = first_minimum(curves[0].r, g)
        return math.nan if found is None else found

    samples = np.array([curve.g for curve in curves])
    value, error = minimum(samples.mean(axis=0)), jackknife_error(minimum, samples)
    return UNKNOWN if math.isnan(value) else estimate(value, error)


def _verdict(curve: _Curve, peak: float | None, minimum: float | None, contact_nm: float | None) -> str:
    if minimum is None:
        return "no first minimum found"
    if contact_nm is None:
        return "no distance of contact is configured for this pair"
    if peak is not None and peak > contact_nm:
        return f"no direct contact: the first maximum is at {peak:.3f} nm"
    more = curve.number(contact_nm) / curve.number(minimum) - 1
    low, high = curve.flat(minimum)
    where = "below" if contact_nm < low else "above" if contact_nm > high else "within"
    return f"{where} the flat region: {abs(more):.1%} {'more' if more > 0 else 'fewer'} than up to the first minimum"


def _row(names: tuple[str, str], system: str, systems: int, curve: _Curve, minimum: Estimate,
         contact: str | None, contact_nm: float | None) -> dict[str, Any]:  # fmt: skip
    peak, at = first_peak(curve.r, curve.g), minimum.value
    low, high = (None, None) if at is None else curve.flat(at)
    values = (
        *names, system, systems, peak, at, minimum.error, low, high, None if at is None else curve.number(at), contact,
        contact_nm, None if contact_nm is None else curve.number(contact_nm),
        _verdict(curve, peak, at, contact_nm),
    )  # fmt: skip
    return dict(zip(_COLUMNS, values, strict=True))


def cutoff_table(structures: Mapping[str, Structure], contacts_nm: Mapping[str, float]) -> pd.DataFrame:
    """For each pair of a sweep a pooled row, then one row per system that has the pair.

    `structures` by system; `contacts_nm` are the configured distances by kind (`analysis.contact_nm`, and
    HYDROGEN_BOND), the same for all systems. The pooled row uses the mean of g(r) and n(r) over systems with equal
    weight, and the jackknife error of its minimum; a system's error is over the blocks of its run. In the flat region
    n(r) stays within FLAT of its value at the minimum, so the choice of the distance does not matter there. Raises
    DataError if the bins of g(r) differ between systems.
    """
    rows = []
    for first, second in _pairs(structures):
        having = {name: s for name, s in structures.items() if f"g_{first}_{second}" in s.table}
        curves = _curves(list(having.values()), f"{first}_{second}")
        contact = contact_of(second) if first == "Li" else HYDROGEN_BOND
        distance = None if contact is None else contacts_nm.get(contact)
        pooled = _Curve(curves[0].r, *(np.mean([getattr(c, of) for c in curves], axis=0) for of in ("g", "n")))
        own = [structure.minimum(first, second) for structure in having.values()]
        minimum = _pooled_minimum(curves) if len(curves) > 1 else own[0]
        rows.append(_row((first, second), POOLED, len(curves), pooled, minimum, contact, distance))
        rows += [
            _row((first, second), name, 1, curve, of_system, contact, distance)
            for name, curve, of_system in zip(having, curves, own, strict=True)
        ]
    return pd.DataFrame(rows, columns=list(_COLUMNS))
