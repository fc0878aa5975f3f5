"""The page of a sweep: what it says, and the one HTML file that says it."""

from __future__ import annotations

import base64
import hashlib
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from eoli.analysis.snapshots.scene import load_scene
from eoli.core.numbers import as_given, counted, listed, plain, unit_text, with_error
from eoli.forcefield.library import NO_SALT, library
from eoli.report import plots
from eoli.report.answers import Asked, asked, unresolved
from eoli.report.embed import script_json, summary_data, system_data
from eoli.report.gather import StageResult, Sweep, SystemResult, known
from eoli.study.config import Study
from eoli.study.protocol import Stage
from eoli.study.quantities import In, declared, named
from eoli.study.systems import side_by_side, systems_of
from eoli.summary.cutoffs import POOLED
from eoli.summary.sweep_table import NOT_SHOWN

_POLYMERS = {"peo": "PEO", "pebax": "Pebax"}
_SALTS = {"litfsi": "LiTFSI"}
_VERDICTS = {
    "agrees": ("good", "✓"),
    "differs": ("bad", "✗"),
    "not resolved": ("open", "?"),
    "not comparable": ("quiet", "≠"),
    "not simulated in the study": ("quiet", "+"),
}
_MIXING = {
    "gromos": "the pair table of 54A7, geometric where it has no row",
    "lorentz-berthelot": "Lorentz-Berthelot for every pair, as the study says",
    "lb-ions": "the pair table of 54A7 within the polymer, Lorentz-Berthelot with ions",
}


@dataclass(frozen=True)
class Cell:
    """A number on the page: its exact value, as tables have it, and its text."""

    value: float | None
    text: str


@dataclass(frozen=True)
class Line:
    """A term and what is said of it."""

    term: str
    text: str


def _named(names: Mapping[str, str], key: Any) -> str:
    return names.get(str(key), str(key))


def _unique(values: Sequence[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _ns(length_ns: float) -> str:
    return f"{length_ns:g} ns" if length_ns >= 1 else f"{1000 * length_ns:g} ps"


def _about(length_ns: float) -> str:
    """A length to two digits."""
    return _ns(float(f"{length_ns:.2g}"))


def _stage_words(stage: Stage) -> str:
    if not stage.is_dynamics:
        return f"{stage.name} (energy minimisation)"
    assert stage.length_ns is not None
    return f"{stage.name} ({_ns(stage.length_ns)}, {stage.ensemble}, {stage.time_step_fs:g} fs)"


def _ratios(systems: Sequence[SystemResult]) -> str:
    groups: dict[tuple[str, str], list[SystemResult]] = {}
    for system in systems:
        groups.setdefault((system.row["polymer"], system.row["salt"]), []).append(system)
    parts = []
    for (polymer, salt), members in groups.items():
        ratios = _unique([f"{m.row['eo_li_asked']:g}" for m in members if "eo_li_asked" in m.row])
        name = _named(_POLYMERS, polymer)
        parts.append(name if salt == NO_SALT else f"{name} with {_named(_SALTS, salt)} at EO:Li {listed(ratios, 20)}")
    return "; ".join(parts)


def _force_field(systems: Sequence[SystemResult]) -> str:
    def axis(key: str) -> list[str]:
        return [str(value) for value in _unique([s.row.get(key) for s in systems]) if value is not None]

    mixing = [f"{name} ({_MIXING.get(name, 'as configured')})" for name in axis("mixing")]
    parts = [
        "GROMOS 54A7 (united atoms)",
        f"ether set {listed(axis('ether_set'))}",
        *([f"lithium model {listed(axis('cation_model'))}"] if axis("cation_model") else []),
        *([f"anion model {listed(axis('anion_model'))}"] if axis("anion_model") else []),
        f"mixing {listed(mixing)}",
        f"ion charges × {listed(axis('ion_charge_scale'))}",
    ]
    return "; ".join(parts)


def _lengths(study: Study) -> str:
    """Lengths of the stages of dynamics, `0.5 + 20 + 20 + 10 ns`."""
    lengths = [stage.length_ns for stage in study.stages if stage.length_ns is not None]
    unit, scale = ("ns", 1) if max(lengths) >= 1 else ("ps", 1000)
    return f"{' + '.join(f'{scale * length:g}' for length in lengths)} {unit}"


def _temperatures(systems: Sequence[SystemResult]) -> str:
    found = sorted({float(system.row["temperature_K"]) for system in systems})
    return listed([f"{kelvin:g}" for kelvin in found], 12) + " K"


def _facts(sweep: Sweep) -> str:
    """What was simulated, in one line."""
    systems = sweep.systems
    return " · ".join(
        [
            f"{counted(len(systems), 'box', 'boxes')}: {_ratios(systems)}",
            _temperatures(systems),
            f"{_lengths(sweep.study)} each",
            "GROMOS 54A7",
        ]
    )


def _simulated(sweep: Sweep) -> list[Line]:
    systems, study = sweep.systems, sweep.study
    theirs = sum(bool(system.row["simulated_in_study"]) for system in systems)
    chains = _unique([f"{system.row['chains']:g}" for system in systems])
    polymers = _unique([system.row["polymer"] for system in systems])
    blocks = library(study.topologies)
    analysed = study.stage(study.config.analysis.stage)
    lengths = _unique([s.row["analysed_length_ns"] for s in systems if "analysed_length_ns" in s.row])
    reached = f"; analysed: {listed([_ns(length) for length in lengths])}" if lengths else ""
    origin = f"{theirs} also simulated in the study of record, {len(systems) - theirs} our extension"
    lines = [
        Line("Systems", f"{counted(len(systems), 'box', 'boxes')}: {_ratios(systems)}; {origin}"),
        Line("Conditions", f"{_temperatures(systems)}, {listed(chains)} chains in each box"),
        Line("Lengths", f"{', '.join(_stage_words(stage) for stage in study.stages)}; protocol {study.protocol.name}"),
        Line("Results from", f"the stage {analysed.name}{reached}"),
        Line("Force field", _force_field(systems)),
    ]
    for polymer in polymers:
        chain = blocks.polymer(polymer, next(str(s.row["ether_set"]) for s in systems if s.row["polymer"] == polymer))
        lines.append(Line(f"{_named(_POLYMERS, polymer)} chain", chain.polymer.description))
    return lines


def _range(low: float | None, high: float | None, unit: str = "") -> str:
    """What bounds leave, from both sides or from one; a dash without them."""
    if low is not None and high is not None:
        return f"{plain(low, digits=2)} to {plain(high, unit, digits=2)}"
    if high is not None:
        return f"below {plain(high, unit, digits=2)}"
    return "–" if low is None else f"above {plain(low, unit, digits=2)}"


def _answer_cell(of: Asked, system: SystemResult) -> dict[str, Any]:
    route, answer = of.best(system)
    if answer.value is not None:
        cell = Cell(answer.value, with_error(answer.value, answer.error))
    elif answer.bound is not None:
        cell = Cell(answer.bound, _range(answer.least, answer.bound))
    else:
        missing = answer.verdict.startswith(("missing", "no salt"))
        cell = Cell(None, answer.verdict if missing else "not resolved")
    why = answer.verdict.removeprefix("not resolved: ")
    note = route.route_label if len(of.routes) > 1 and cell.value is not None else ""
    said = "" if why in ("resolved", cell.text) else why
    kind = "good" if answer.value is not None else "open"
    return {"cell": cell, "note": "; ".join(part for part in (said, note) if part), "kind": kind}


def _answers(sweep: Sweep) -> dict[str, Any]:
    """Rows of the table of answers, and of each quantity the note that all its rows share, which its head then has.

    Starts of one system follow what they say together.
    """
    of_family = {of.all_starts.name: of.starts for of in sweep.together}
    entries = [
        (system, number)
        for subject in sweep.answering
        for number, system in enumerate((subject, *of_family.get(subject.name, ())))
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
            "starts": len(of_family.get(system.name, ())),
            "is_start": number > 0,
            "cells": cells,
        }
        for (system, number), cells in zip(entries, rows, strict=True)
    ]
    return {"heads": heads, "rows": named}


def _not_resolved(sweep: Sweep) -> list[Line]:
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
        lines.append(
            Line(
                "what would help",
                f"{ends} more for {lithium.symbol}, by extrapolation",
            )
        )
    return lines


def _in_short(sweep: Sweep) -> str:
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
    """The glass transitions as a sentence that follows another; empty where none was looked for."""
    if glass is None or glass.empty:
        return ""
    said = []
    for row in map(known, glass.to_dict("records")):
        said.append(f"{row['system']} {_glass_found(row)}")
    return f" Tg at the rate of the simulation: {', '.join(said)}."


def _glass_found(row: Mapping[str, Any]) -> str:
    """A glass transition with its interval, or where it would be; a row has no key for what is not known."""
    low, high = (f"{row[key]:.0f}" if key in row else None for key in ("Tg_low_K", "Tg_high_K"))
    if "Tg_K" in row:
        return f"{row['Tg_K']:.0f} K ({low} to {high})"
    if low and high:
        return f"not resolved (between {low} and {high} K, if the volumes bend at all)"
    if low or high:
        return f"not resolved ({'above' if low else 'below'} {low or high} K, if the volumes bend at all)"
    return "not resolved"


def _inlined(figure: Path | None) -> str | None:
    """An SVG as an address that holds it."""
    return None if figure is None else f"data:image/svg+xml;base64,{base64.b64encode(figure.read_bytes()).decode()}"


def _missing(sweep: Sweep) -> list[Line]:
    lines = []
    groups: dict[tuple[str, ...], list[str]] = {}
    for system in sweep.systems:
        if system.missing:
            groups.setdefault(system.missing, []).append(system.name)
    for what, names in groups.items():
        where = "every system" if len(names) == len(sweep.systems) > 1 else listed(names)
        if what[0].startswith(NOT_SHOWN):
            lines.append(Line(where, ", no ".join(what)))
        else:
            lines.append(Line(f"no {', no '.join(what)}", f"in {where}"))
    if sweep.not_in_table:
        lines.append(
            Line(listed(list(sweep.not_in_table), 8), "in the configuration, but not in the table of the sweep")
        )
    lines += [Line(f"no {what}", "beside the table of the sweep") for what in sweep.unreadable]
    if sweep.beside_study is None:
        lines.append(Line("study.csv", "the sweep was not laid beside the study"))
    if sweep.experiments is None:
        lines.append(Line("experiments.csv", "the sweep was not laid beside measured conductivities"))
    return lines


def _number_rows(sweep: Sweep) -> list[dict[str, Any]]:
    """Every scalar of the sweep table that any system has, with its value in each system."""
    rows = []
    for quantity in declared(In.SWEEP):
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


def _beside_study(sweep: Sweep) -> dict[str, Any] | None:
    table = sweep.beside_study
    if table is None:
        return None
    entries = {}
    if sweep.reference is not None:
        entries = {entry.id: entry for entry in (*sweep.reference.numbers, *sweep.reference.claims)}
    claims = {entry.id for entry in sweep.reference.claims} if sweep.reference is not None else set()
    # by id and what is compared, so that the systems of one number stand together
    parts: dict[str, dict[tuple[str, str], dict[str, Any]]] = {"numbers": {}, "claims": {}}
    for record in map(known, table.to_dict("records")):
        entry = entries.get(record["id"])
        unit = str(record.get("unit", ""))
        verdict = str(record["verdict"])
        ours, theirs = record.get("ours"), record.get("theirs")
        said = "–" if ours is None else with_error(ours, record.get("ours_error"), unit)
        is_claim = record["id"] in claims
        if theirs is not None:
            of_study = as_given(theirs, unit)
            if entry is not None and entry.origin == "measured":
                of_study += " (measured)"
        elif is_claim:
            of_study = "a claim in words"
        else:
            of_study = "not simulated there"
        where = entry.where if entry is not None else ""
        unverified = entry is not None and entry.status != "verified"
        group = parts["claims" if is_claim else "numbers"].setdefault(
            (record["id"], record["what"]),
            {"what": record["what"], "where": where, "unverified": unverified, "rows": []},
        )
        group["rows"].append(
            {
                "system": record.get("system", ""),
                "ours": Cell(ours, said),
                "theirs": Cell(theirs, of_study),
                "verdict": verdict,
                "reason": record.get("reason", ""),
            }
        )
    groups = {part: list(of.values()) for part, of in parts.items()}
    found = [row["verdict"] for part in groups.values() for group in part for row in group["rows"]]
    counts = {verdict: found.count(verdict) for verdict in _VERDICTS}
    return {
        **groups,
        "total": len(found),
        "counts": counts,
        "cite": sweep.compared.get("cite", "the study"),
        "reference": sweep.reference,
    }


def _experiments(sweep: Sweep) -> dict[str, Any] | None:
    table = sweep.experiments
    if table is None:
        return None
    rows = []
    for record in map(known, table.to_dict("records")):
        ours, difference = record.get("sigma_S_cm"), record.get("log10_difference")
        bounds = _range(record.get("sigma_low_S_cm"), record.get("sigma_high_S_cm"), "S/cm")
        apart = _range(record.get("log10_difference_low"), record.get("log10_difference_high"))
        rows.append(
            {
                "system": record["system"],
                "route": str(record["route"]).replace("_", " "),
                "ours": Cell(
                    ours, bounds if ours is None else with_error(ours, record.get("sigma_error_S_cm"), "S/cm")
                ),
                "difference": Cell(
                    difference,
                    apart if difference is None else with_error(difference, record.get("log10_difference_error")),
                ),
                "series": f"{record['series']}, {record['measured_molar_mass_g_mol']:g} g/mol, EO:Li {record['measured_eo_li']}",
                "source": record["source"],
                "verdict": record.get("verdict", ""),
                "differs": record["what_differs"],
            }
        )
    means = [
        f"{entry['series']}, {entry['route'].replace('_', ' ')}{', extrapolated' if entry.get('extrapolated') else ''}: "
        f"{with_error(entry['value'], entry['error'])} "
        f"({counted(entry['points'], 'system')})"
        for entry in sweep.compared.get("mean_absolute_log10_difference", [])
        if entry.get("value") is not None
    ]
    return {"rows": rows, "means": means}


_STATES = {"running": "open", "failed": "bad", "stopped": "open", "waiting": "quiet", "stale": "open"}


def _gate(stage: StageResult) -> dict[str, str]:
    status = stage.status
    if stage.verdict and status.state != "stale":
        found = str(stage.verdict.get("status", "pass"))
        text = {"pass": "✓ pass", "warn": "! warned", "broken": "✗ broken"}.get(found, found)
        return {"text": text, "kind": {"pass": "good", "warn": "open"}.get(found, "bad")}
    text = status.state
    if status.ns is not None and status.ns_asked:
        text += f", {100 * status.ns / status.ns_asked:.0f} %"
    return {"text": text, "kind": _STATES.get(status.state, "quiet")}


_DETAILS = {
    "length": "length", "temperature": "temperature", "density": "density", "potential": "potential energy",
    "box": "box edge", "seed": "seed", "threads": "threads", "speed": "ns/day", "wall": "hours", "restarts": "restarts",
    "cost": "core-hours",
}  # fmt: skip
"""Columns of the tables of stages: keys of `_stage_details`, and their headings."""


def _cost(stages: Sequence[StageResult]) -> str:
    """Core-hours of stages together, shared ones once; empty where none has a record."""
    once = {(stage.home, stage.name): stage for stage in stages}.values()
    costs = [stage.core_hours for stage in once if stage.core_hours is not None]
    least = "at least " if any(stage.interrupted for stage in once) else ""
    return f"{least}{plain(sum(costs))}" if costs else ""


def _starts(sweep: Sweep) -> list[dict[str, Any]]:
    """Independent starts beside each other; empty without replicates."""
    if sweep.starts is None:
        return []
    rows = []
    for record in map(known, sweep.starts.to_dict("records")):
        mean, apart = record.get("mean"), record.get("difference_over_error")
        rows.append(
            {
                "systems": record["systems"],
                "quantity": str(record["quantity"]).replace("_", " "),
                "mean": Cell(mean, "–" if mean is None else plain(mean)),
                "apart": Cell(apart, "–" if apart is None else f"{apart:.1f}"),
                "verdict": record["verdict"],
            }
        )
    return rows


def _as_it_is(frame: pd.DataFrame | None) -> dict[str, Any] | None:
    """A table of the sweep as it is, without empty columns; None without rows."""
    if frame is None or frame.empty:
        return None
    table = frame.dropna(axis="columns", how="all")
    rows = [[_as_cell(value) for value in row] for row in table.itertuples(index=False)]
    return {"columns": [str(column).replace("_", " ") for column in table], "rows": rows}


def _pooled(cutoffs: pd.DataFrame | None) -> pd.DataFrame | None:
    """Contact distances of the whole sweep; those of its systems stand in the table alone."""
    if cutoffs is None:
        return None
    return cutoffs[(cutoffs["system"] == POOLED) & cutoffs["contact"].notna()].drop(columns=["system", "contact"])


def _as_cell(value: Any) -> Cell:
    if isinstance(value, int) and not isinstance(value, bool):
        return Cell(float(value), str(value))
    if isinstance(value, float):
        return Cell(None, "–") if math.isnan(value) else Cell(float(value), plain(float(value), digits=4))
    return Cell(None, "–" if value is None else str(value))


def _stage_details(stage: StageResult) -> dict[str, str]:
    values, made = stage.verdict.get("values", {}), stage.provenance

    def number(key: str, error: str, unit: str) -> str:
        if values.get(key) is None:
            return ""
        # the end of a minimisation is one number, not a mean
        return with_error(values[key], values[error], unit) if error in values else plain(values[key], unit)

    return {
        "name": stage.name,
        "length": "" if not values.get("ns") else _ns(values["ns"]),
        "temperature": number("temperature_K", "temperature_error_K", "K"),
        "density": number("density_g_cm3", "density_error_g_cm3", "g_cm3"),
        "potential": number("potential_kJ_mol", "potential_error_kJ_mol", "kJ_mol") if "ns" in values else "",
        "box": "" if values.get("box_nm") is None else f"{values['box_nm']:.3f} nm",
        "seed": str(made.get("seed", "")),
        "threads": str(made.get("threads", "")),
        "speed": plain(stage.cost["ns_per_day"]) if "ns_per_day" in stage.cost else "",
        "wall": plain(stage.cost["wall_hours"]) if "wall_hours" in stage.cost else "",
        "restarts": f"{stage.cost['restarts']:g}" if "restarts" in stage.cost else "",
        "cost": _cost([stage]),
    }


def _command(words: Sequence[str]) -> str:
    return shlex.join([Path(words[0]).name, *words[1:]]) if words else ""


def _commands(system: SystemResult) -> list[str]:
    made = [*system.made_by.values(), *(stage.provenance for stage in system.stages if stage.provenance)]
    return [_command(record["called_as"]) for record in made if record.get("called_as")]


def _versions(sweep: Sweep) -> list[Line]:
    records = [stage.provenance for system in sweep.systems for stage in system.stages if stage.provenance]
    found: dict[str, dict[str, None]] = {}
    for record in records:
        gromacs = record.get("gromacs") or {}
        for version in gromacs.get("versions", []):
            said = ", ".join(str(gromacs[key]) for key in ("mpi", "precision", "simd") if gromacs.get(key))
            found.setdefault("GROMACS", {})[f"{version} ({said})"] = None
        git = record.get("git") or {}
        if git.get("commit"):
            changed = " with uncommitted changes" if git.get("modified") else ""
            found.setdefault("this project, git", {})[f"{git['commit'][:12]}{changed}"] = None
        if record.get("host"):
            found.setdefault("host", {})[str(record["host"])] = None
        for name, version in record.get("software", {}).items():
            found.setdefault(name, {})[str(version)] = None
    return [Line(name, "; ".join(versions)) for name, versions in found.items()]


def _trust(sweep: Sweep) -> dict[str, Any]:
    # a stage that several systems share counts once
    stages = list({(s.home, s.name): s for system in sweep.systems for s in system.stages}.values())
    measured = sum(stage.core_hours is not None for stage in stages)
    details: list[dict[str, Any]] = [
        {"system": s, "stages": [_stage_details(stage) for stage in s.stages], "commands": _commands(s)}
        for s in sweep.systems
    ]
    restarts = sum(int(stage.cost.get("restarts", 0)) for stage in stages)
    over = f", over {counted(restarts, 'restart')}" if restarts else ""
    warnings: dict[str, list[str]] = {}
    for system in sweep.systems:
        for stage in system.stages:
            said = [*stage.verdict.get("broken", []), *stage.verdict.get("warnings", [])]
            if not stage.verdict and stage.status.message:
                said.append(stage.status.message)
            for text in said:
                warnings.setdefault(f"{stage.name}: {text}", []).append(system.name)
    dates = sorted(str(stage.provenance["made"]) for stage in stages if stage.provenance.get("made"))
    commits = _unique([(s.provenance.get("git") or {}).get("commit") for s in stages if s.provenance])
    files = [str(file.path) for file in sweep.study.files]
    return {
        "stage_names": [stage.name for stage in sweep.study.stages],
        "rows": [
            {"system": s, "gates": [_gate(stage) for stage in s.stages], "cost": _cost(s.stages)} for s in sweep.systems
        ],
        "warnings": [Line(listed(names, 8), text) for text, names in warnings.items()],
        "cost": f"{_cost(stages)} core-hours in {measured} of {counted(len(stages), 'stage')}{over}"
        if measured
        else "",
        # what no stage has, has no column
        "columns": [
            (key, name) for key, name in _DETAILS.items() if any(d[key] for of in details for d in of["stages"])
        ],
        "details": details,
        "versions": _versions(sweep),
        "finished": dates[-1][:10] if dates else "",
        "commit": commits[0] if len(commits) == 1 else None,
        "all": _command(["snakemake", "--configfile", *files, "--cores", "all"]),
    }


@cache
def _asset(name: str) -> str:
    return resources.files("eoli.report").joinpath("static", name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _scripts() -> list[str]:
    """What the page runs, in its order."""
    return [_plotly(), _asset("viewer.js"), _asset("report.js")]


def _policy(scripts: Sequence[str]) -> str:
    """Nothing is loaded, and no script runs but these."""
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:"


def _scenes_shown(sweep: Sweep) -> list[str]:
    """Names of the systems whose boxes stand beside each other at first."""
    drawn = {system.name for system in sweep.systems if system.scene is not None}
    planned = systems_of(sweep.study)
    known = [planned[name] for name in drawn if name in planned]
    return [system.name for system in side_by_side(sorted(known, key=lambda s: list(planned).index(s.name)))] or sorted(
        drawn
    )[:2]


def _present(sweep: Sweep, group: Sequence[plots.Plot]) -> list[plots.Plot]:
    """The plots for which any system has data."""
    present = {name for system in sweep.systems for name in (*system.tables, *system.scalars)}
    return [plot for plot in group if any(name.startswith(plot.needs) for name in present)]


def render(sweep: Sweep) -> str:
    """The page as HTML that loads nothing, the same bytes for the same results.

    Raises InputError when a polymer of the table is not in the building blocks.
    """
    environment = Environment(
        loader=PackageLoader("eoli.report", "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"unit": unit_text}
    title = sweep.study.config.study
    summary = summary_data(sweep, title)
    # a script is closed by its end tag alone, and none of these holds one
    scripts = _scripts()
    return environment.get_template("page.html.j2").render(
        title=title,
        policy=_policy(scripts),
        style=Markup(_asset("report.css") + _asset("viewer.css")),
        scripts=[Markup(script) for script in scripts],
        summary=Markup(script_json(summary)),
        data=[Markup(script_json(system_data(system))) for system in sweep.systems],
        scenes=[(s.name, Markup(script_json(load_scene(s.scene)[0]))) for s in sweep.systems if s.scene is not None],
        scenes_shown=_scenes_shown(sweep),
        systems=sweep.systems,
        facts=_facts(sweep),
        simulated=_simulated(sweep),
        in_short=_in_short(sweep),
        answers=_answers(sweep),
        not_resolved=_not_resolved(sweep),
        missing=_missing(sweep),
        numbers=_number_rows(sweep),
        beside=_beside_study(sweep),
        verdicts=_VERDICTS,
        experiments=_experiments(sweep),
        trust=_trust(sweep),
        starts=_starts(sweep),
        glass=_as_it_is(sweep.glass),
        glass_figure=_inlined(sweep.glass_figure),
        cutoffs=_as_it_is(_pooled(sweep.cutoffs)),
        answer_plots=_present(sweep, plots.answers()),
        groups=[
            ("structure", "Structure", _present(sweep, plots.STRUCTURE)),
            ("motion", "Motion", _present(sweep, plots.MOTION)),
            ("runs", "Runs", _present(sweep, plots.RUNS)),
            ("temperature", "Temperature", [plots.TEMPERATURE] if summary["temperature"] else []),
        ],
    )
