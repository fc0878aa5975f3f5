"""Answers in short, their table, and what is not resolved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from eoli.core.numbers import counted, listed, with_error
from eoli.report.answers import Asked, asked, unresolved
from eoli.report.gather import Sweep, SystemResult, known
from eoli.report.sections.tables import Cell, Line, bounds_text, length_text
from eoli.study.quantities import In, named


def _about(length_ns: float) -> str:
    """A length to two digits."""
    return length_text(float(f"{length_ns:.2g}"))


def _answer_cell(of: Asked, system: SystemResult) -> dict[str, Any]:
    route, answer = of.best(system)
    if answer.value is not None:
        cell = Cell(answer.value, with_error(answer.value, answer.error))
    elif answer.bound is not None:
        cell = Cell(answer.bound, bounds_text(answer.least, answer.bound))
    else:
        missing = answer.verdict.startswith(("missing", "no salt"))
        cell = Cell(None, answer.verdict if missing else "not resolved")
    why = answer.verdict.removeprefix("not resolved: ")
    note = route.route_label if len(of.routes) > 1 and cell.value is not None else ""
    said = "" if why in ("resolved", cell.text) else why
    kind = "good" if answer.value is not None else "open"
    return {"cell": cell, "note": "; ".join(part for part in (said, note) if part), "kind": kind}


def answers(sweep: Sweep) -> dict[str, Any]:
    """Rows of the answer table; a note that all rows of a quantity share goes into its header.

    The replicas of a system follow their pooled result.
    """
    of_group = {of.whole.name: of.replicas for of in sweep.pooled}
    entries = [
        (system, number)
        for subject in sweep.answering
        for number, system in enumerate((subject, *of_group.get(subject.name, ())))
    ]
    headline = asked(In.HEADLINE)
    rows = [[_answer_cell(of, system) for of in headline] for system, _ in entries]
    heads = []
    for number, of in enumerate(headline):
        notes = {row[number]["note"] for row in rows}
        shared = notes.pop() if len(notes) == 1 and len(rows) > 1 else ""
        heads.append({"quantity": of.quantity, "note": shared})
        if shared:
            for row in rows:
                row[number]["note"] = ""
    named = [
        {
            "system": system,
            "starts": len(of_group.get(system.name, ())),
            "is_start": number > 0,
            "cells": cells,
        }
        for (system, number), cells in zip(entries, rows, strict=True)
    ]
    return {"heads": heads, "rows": named}


def not_resolved(sweep: Sweep) -> list[Line]:
    every = ({system.name for system in sweep.systems}, {system.name for system in sweep.answering})
    lines = []
    for found in unresolved(sweep):
        where = (
            "in every system"
            if set(found.systems) in every and len(found.systems) > 1
            else f"in {listed(list(found.systems), 4)}"
        )
        lines.append(Line(found.what, f"{where}: {found.why}"))
    lithium = named("D_Li")
    # zero where the error is small enough
    further = [ns for s in sweep.answering if (ns := lithium.beside(s.scalars, "extension", "further_ns"))]
    if further:
        least, most = _about(min(further)), _about(max(further))
        ends = least if least == most else f"between {least} and {most}"
        lines.append(Line("what would help", f"{ends} more for {lithium.symbol}, by extrapolation"))
    return lines


def in_short(sweep: Sweep) -> str:
    """How far the answers are resolved, in a sentence."""
    salted = [system for system in sweep.answering if "eo_li_asked" in system.row]
    glass = _glass_in_short(sweep.glass)
    if not salted:
        return f"No system has a salt: there is nothing to conduct.{glass}"
    parts = []
    for of in asked(In.HEADLINE):
        answers = [of.best(system)[1] for system in salted]
        values = sum(a.value is not None for a in answers)
        bounds = sum(a.value is None and a.bound is not None for a in answers)
        said = f"in {values}" if values else "in none"
        parts.append(f"{of.quantity.symbol} {said}{f' (an upper bound in {bounds})' if bounds else ''}")
    return f"Resolved, of {counted(len(salted), 'system')} with salt: {', '.join(parts)}.{glass}"


def _glass_in_short(glass: pd.DataFrame | None) -> str:
    """The glass transitions as a follow-up sentence; empty if none was looked for."""
    if glass is None or glass.empty:
        return ""
    said = []
    for row in map(known, glass.to_dict("records")):
        said.append(f"{row['system']} {_glass_found(row)}")
    return f" Tg at the rate of the simulation: {', '.join(said)}."


def _glass_found(row: Mapping[str, Any]) -> str:
    """A glass transition with its interval, or where it would be; unknown values have no key in the row."""
    low, high = (f"{row[key]:.0f}" if key in row else None for key in ("Tg_low_K", "Tg_high_K"))
    if "Tg_K" in row:
        return f"{row['Tg_K']:.0f} K ({low} to {high})"
    if low and high:
        return f"not resolved (between {low} and {high} K, if the volumes bend at all)"
    if low or high:
        return f"not resolved ({'above' if low else 'below'} {low or high} K, if the volumes bend at all)"
    return "not resolved"
