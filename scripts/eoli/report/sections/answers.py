"""Answers in short, their table, and what is not resolved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from eoli.core.numbers import counted, listed, plain, with_error
from eoli.report.answers import Asked, Unresolved, asked, unresolved
from eoli.report.gather import Sweep, SystemResult, known
from eoli.report.sections.tables import Cell, bounds_text, length_text
from eoli.study.axes import replica_group
from eoli.study.quantities import QUANTITIES, In, declared, named
from eoli.summary.run_lengths import Need


def _about(length_ns: float) -> str:
    """A length to two digits."""
    return length_text(float(f"{length_ns:.2g}"))


def _ends(lengths_ns: Sequence[float]) -> str:
    """The least and the greatest of lengths, to two digits."""
    least, most = _about(min(lengths_ns)), _about(max(lengths_ns))
    return least if least == most else f"{least} to {most}"


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
    lines = [
        {
            "system": system,
            "starts": len(of_group.get(system.name, ())),
            "is_start": number > 0,
            "cells": cells,
        }
        for (system, number), cells in zip(entries, rows, strict=True)
    ]
    return {"heads": heads, "rows": lines}


@dataclass(frozen=True)
class Open:
    """What is not resolved: where, why, and what would close it as `eoli plan` extrapolates."""

    what: str
    where: str
    why: str
    closes: str


def not_resolved(sweep: Sweep) -> list[Open]:
    """Rows of the table of what is open, the answers first."""
    rows = []
    for found in unresolved(sweep):
        where = _where(found, sweep)
        rows.append(Open(found.what, where, found.why, _closes(found, sweep.needs)))
    return rows


def _where(found: Unresolved, sweep: Sweep) -> str:
    """The systems where a quantity is open, by name unless they are all, or all that have it."""
    open_in = set(found.systems)
    if len(open_in) > 1:
        every = ({system.name for system in sweep.systems}, {system.name for system in sweep.answering})
        routes = [quantity for quantity in QUANTITIES if found.key in (quantity.group, quantity.name)]
        if open_in in every:
            return "every system"
        if open_in == {s.name for s in sweep.answering if any(of.found(s.scalars) is not None for of in routes)}:
            return "every system that has it"
    return listed(list(found.systems), 4)


def _closes(found: Unresolved, needs: Sequence[Need]) -> str:
    """Further length and cost of the systems where a quantity is open; empty for one that is not planned."""
    systems = {replica_group(name) for name in found.systems}
    routes = {quantity.name for quantity in declared(In.PLAN) if found.key in (quantity.group, quantity.name)}
    by_route: dict[str, list[Need]] = {}
    for need in needs:
        if need.quantity in routes and need.system in systems:
            by_route.setdefault(need.quantity, []).append(need)
    said = {route: _said(of) for route, of in by_route.items()}
    if len(set(said.values())) < 2:
        return next(iter(said.values()), "")
    return "; ".join(f"{named(route).route_label}: {text}" for route, text in said.items())


def _said(needs: Sequence[Need]) -> str:
    """What systems need: length and cost, and both of the same systems if sub-diffusion stays as it is."""
    known = [need for need in needs if need.further_ns is not None]
    if not known:
        return f"no estimate: {needs[0].reason}"
    lengths = [need.further_ns or 0.0 for need in known]
    bound = "at least" if any(need.at_least for need in known) else "about"
    said = f"{bound} {_ends(lengths)} more{_each(known)}, {_cost(known, lengths)}"
    slow = sum(need.at_this_exponent_ns is not None for need in known)
    if slow:
        lengths = [need.at_this_exponent_ns or need.further_ns or 0.0 for need in known]
        where = f" (known in {slow} of them, else the bound)" if slow < len(known) else ""
        said += f"; at the present exponent{where} {_ends(lengths)}{_each(known)}, {_cost(known, lengths)}"
    return said + (f"; no estimate for {len(needs) - len(known)}" if len(known) < len(needs) else "")


def _each(needs: Sequence[Need]) -> str:
    return f" for each of {counted(len(needs), 'system')}" if len(needs) > 1 else ""


def _cost(needs: Sequence[Need], lengths_ns: Sequence[float]) -> str:
    """Cost of such lengths of all systems, by their costs per length."""
    every = zip(needs, lengths_ns, strict=True)
    shares = [(need, length / need.further_ns) for need, length in every if need.further_ns]
    core_hours = sum((need.core_hours or 0.0) * share for need, share in shares)
    disk_gb = sum((need.disk_gb or 0.0) * share for need, share in shares)
    return f"{plain(core_hours, digits=2)} core-hours and {plain(disk_gb, digits=2)} GB{' for all' if len(needs) > 1 else ''}"


def in_short(sweep: Sweep) -> str:
    """How far the answers are resolved, in a sentence."""
    salted = [system for system in sweep.answering if "eo_li_asked" in system.row]
    if not salted:
        return "No system has a salt: there is nothing to conduct."
    parts = []
    for of in asked(In.HEADLINE):
        answers = [of.best(system)[1] for system in salted]
        values = sum(a.value is not None for a in answers)
        bounds = sum(a.value is None and a.bound is not None for a in answers)
        said = f"in {values}" if values else "in none"
        parts.append(f"{of.quantity.symbol} {said}{f' (an upper bound in {bounds})' if bounds else ''}")
    return f"Resolved, of {counted(len(salted), 'system')} with salt: {', '.join(parts)}."


def glass_in_short(glass: pd.DataFrame | None, resolved: bool) -> str:
    """The glass transitions that are resolved, or those that are not, as a sentence; empty without any."""
    rows = [] if glass is None else [row for row in map(known, glass.to_dict("records")) if ("Tg_K" in row) == resolved]
    said = ", ".join(f"{row['system']} {_glass_found(row)}" for row in rows)
    return f"Tg at the rate of the simulation: {said}." if said else ""


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
