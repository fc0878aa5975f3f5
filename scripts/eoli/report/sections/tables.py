"""Cells, lines and plain tables of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from eoli.core.numbers import plain, with_error
from eoli.report.gather import Sweep
from eoli.study.columns import UNITS
from eoli.study.quantities import In, declared, molecules_in
from eoli.summary.cutoffs import POOLED


@dataclass(frozen=True)
class Cell:
    """A number on the page: its exact value as in the tables, and its text."""

    value: float | None
    text: str


@dataclass(frozen=True)
class Line:
    """A term and its explanation."""

    term: str
    text: str


def unique(values: Sequence[Any]) -> list[Any]:
    """The values, each once, in their order."""
    return list(dict.fromkeys(values))


def length_text(length_ns: float) -> str:
    """`50 ns`, below one `43 ps`."""
    return f"{length_ns:g} ns" if length_ns >= 1 else f"{1000 * length_ns:g} ps"


def bounds_text(low: float | None, high: float | None, unit: str = "") -> str:
    """The range left by one or two bounds, rounded outwards; a dash without any."""
    if low is not None and high is not None:
        return f"{plain(low, digits=2, towards=-1)} to {plain(high, unit, digits=2, towards=1)}"
    if high is not None:
        return f"below {plain(high, unit, digits=2, towards=1)}"
    return "–" if low is None else f"above {plain(low, unit, digits=2, towards=-1)}"


def number_rows(sweep: Sweep) -> list[dict[str, Any]]:
    """Every scalar of the sweep table that any system has, with its value in each system."""
    rows = []
    for quantity in (*declared(In.SWEEP), *molecules_in(system.scalars for system in sweep.systems)):
        value, error = quantity.columns
        if not any(value in system.row for system in sweep.systems):
            continue
        cells = []
        for system in sweep.systems:
            found = system.row.get(value)
            text = "" if found is None else with_error(found, system.row.get(error), quantity.unit)
            cells.append(Cell(found, text))
        rows.append({"column": value, "name": quantity.name.replace("_", " "), "cells": cells})
    return rows


def as_it_is(frame: pd.DataFrame | None) -> dict[str, Any] | None:
    """A table of the sweep without empty columns; None without rows."""
    if frame is None or frame.empty:
        return None
    table = frame.dropna(axis="columns", how="all")
    rows = [[_as_cell(value) for value in row] for row in table.itertuples(index=False)]
    return {"columns": [_heading(str(column)) for column in table], "rows": rows}


def _heading(column: str) -> str:
    """The name of a column in words, with its unit behind.

    >>> _heading("first_peak_nm")
    'first peak (nm)'
    """
    unit = max((unit for unit in UNITS if column.endswith(f"_{unit}")), key=len, default="")
    words = column.removesuffix(f"_{unit}").replace("_", " ")
    return f"{words} ({UNITS[unit]})" if unit else words


def pooled(cutoffs: pd.DataFrame | None) -> pd.DataFrame | None:
    """Contact distances of the whole sweep; those of single systems are only in the table."""
    if cutoffs is None:
        return None
    kept = cutoffs[(cutoffs["system"] == POOLED) & cutoffs["contact"].notna()].drop(columns=["system", "contact"])
    return kept.assign(second=kept["second"].str.replace("_", " "))


def _as_cell(value: Any) -> Cell:
    if isinstance(value, int) and not isinstance(value, bool):
        return Cell(float(value), str(value))
    if isinstance(value, float):
        return Cell(None, "–") if math.isnan(value) else Cell(float(value), plain(float(value), digits=4))
    return Cell(None, "–" if value is None else str(value))
