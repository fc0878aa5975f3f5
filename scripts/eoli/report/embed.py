"""Data of the page as JSON: tables thinned to what a plot can show."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from eoli.core.numbers import unit_text
from eoli.report.answers import answer_of, asked, temperature_series
from eoli.report.gather import Sweep, SystemResult
from eoli.report.known import along, is_as_packed
from eoli.report.plots import LEADING
from eoli.study.analyses import ANALYSES
from eoli.study.axes import axes_of
from eoli.study.quantities import THEMES, Theme, leading

ROWS = 400
"""Most rows of a table: every n-th is kept, so that each number on the page is also in the table on disk."""
_DIGITS = {"structure": 4}
_USUAL_DIGITS = 5
_TEXTS = ("block",)


def rounded(value: Any, digits: int = _USUAL_DIGITS) -> Any:
    """Numbers to `digits` significant digits, NaN and infinity as None, recursively in lists and mappings."""
    if isinstance(value, Mapping):
        return {str(key): rounded(entry, digits) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(entry, digits) for entry in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        if not math.isfinite(value):
            return None
        short = float(f"{value:.{digits}g}")
        return int(short) if short.is_integer() and abs(short) < 1e15 else short
    return value


def thinned(table: pd.DataFrame) -> pd.DataFrame:
    """At most ROWS rows, evenly spaced from the first to the last."""
    if len(table) <= ROWS:
        return table
    return table.iloc[np.unique(np.linspace(0, len(table) - 1, ROWS).round().astype(int))]


def _columns(name: str, table: pd.DataFrame) -> dict[str, list[Any]]:
    kept = [str(c) for c in table if pd.api.types.is_numeric_dtype(table[c]) or c in _TEXTS]
    return {column: rounded(table[column].tolist(), _DIGITS.get(name, _USUAL_DIGITS)) for column in kept}


def system_data(system: SystemResult) -> dict[str, Any]:
    """Tables and scalars of a system."""
    return {
        "name": system.name,
        "tables": {
            # a g(r) keeps all bins: its peaks are narrower than the thinning
            name: _columns(name, table if name == "structure" else thinned(table))
            for name, table in system.tables.items()
        },
        "scalars": rounded({name: found for name, found in system.scalars.items() if name != "interactions"}),
    }


def _summary_of(system: SystemResult, runs_along: str) -> dict[str, Any]:
    row = system.row
    return {
        "name": system.name,
        "eo_li": row.get("eo_li_simulated"),
        "temperature_K": row["temperature_K"],
        "in_study": bool(row["simulated_in_study"]),
        # all axes except the one along which plots run, the polymer first
        "group": [value for axis, value in axes_of(row).items() if axis != runs_along],
        "as_packed": is_as_packed([system]),
        "known": {
            quantity.name: number
            for theme in THEMES
            for quantities in leading(theme.key).values()
            for quantity in quantities
            if theme.axis and (number := quantity.resolved(system.scalars)) is not None
        },
        "answers": {of.key: {q.route: asdict(answer_of(q, system)) for q in of.routes} for of in asked()},
    }


def _theme(theme: Theme) -> dict[str, Any]:
    """A theme for its plot."""
    members = [quantity for routes in leading(theme.key).values() for quantity in routes]
    unit = unit_text(members[0].unit)
    return {
        "key": f"{LEADING}{theme.key}",
        "axis": f"{theme.axis} ({unit})" if unit else theme.axis,
        "from_zero": theme.from_zero,
        "remembers": theme.remembers,
        "quantities": [{"name": of.name, "label": of.known.label} for of in members if of.known is not None],
    }


def summary_data(sweep: Sweep, title: str) -> dict[str, Any]:
    """Data of all plots: answers of systems and pooled replicas, columns of the tables, blocks of the chains,
    partners of lithium, fits against temperature."""
    columns: dict[str, dict[str, None]] = {}
    where = along(sweep)
    runs_along = where.axis if where else ""
    places = {system.name: number for number, system in enumerate(sweep.systems)}
    blocks: dict[str, None] = {}
    partners: dict[str, None] = {}
    for system in sweep.systems:
        for name, table in system.tables.items():
            columns.setdefault(name, {}).update(dict.fromkeys(map(str, table.columns)))
        if "domains" in system.tables:
            blocks |= dict.fromkeys(map(str, system.tables["domains"]["block"]))
        partners |= dict.fromkeys(system.scalars.get("structure", {}).get("shell_statistics", {}))
    return {
        "title": title,
        "systems": [rounded(_summary_of(system, runs_along), 10) for system in sweep.systems],
        "pooled": [
            rounded(_summary_of(of.whole, runs_along), 10) | {"starts": [places[start.name] for start in of.replicas]}
            for of in sweep.pooled
        ],
        "quantities": [
            {"key": of.key, "symbol": of.quantity.symbol, "unit": unit_text(of.quantity.unit), "log": of.quantity.log,
             "routes": {q.route: q.route_label for q in of.routes}}
            for of in asked()
        ],
        "along": {"key": where.axis.removesuffix("_asked"), "title": where.title} if where else None,
        "themes": [_theme(theme) for theme in THEMES if theme.axis],
        "curves": {
            analysis.name: {"xTitle": analysis.curves.x_title, "xLog": analysis.curves.x_log}
            for analysis in ANALYSES
            if analysis.curves is not None
        },
        "columns": {name: list(found) for name, found in columns.items()},
        "blocks": list(blocks),
        "partners": list(partners),
        "temperature": rounded(temperature_series(sweep)),
    }  # fmt: skip


def script_json(data: Any) -> str:
    """JSON that is safe inside a script element, whatever the data hold."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e").replace("\u2028", "\\u2028")
