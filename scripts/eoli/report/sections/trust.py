"""Basis of the numbers: gates, restarts, commands, versions, and what is missing."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eoli.core.numbers import counted, listed, plain, with_error
from eoli.report.gather import StageResult, Sweep, SystemResult, known
from eoli.report.sections.tables import Cell, Line, length_text, unique
from eoli.summary.sweep_table import NOT_SHOWN


def missing(sweep: Sweep) -> list[Line]:
    """What the page lacks, and in which systems."""
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
        lines.append(Line("experiments.csv", "the sweep was not laid beside measured values"))
    return lines


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


def _gates(system: SystemResult, names: Sequence[str]) -> list[dict[str, str]]:
    """Verdicts by stage of the protocol; a run that was made elsewhere has one stage alone."""
    found = {stage.name: _gate(stage) for stage in system.stages}
    return [found.get(name, {"text": "elsewhere", "kind": "quiet"}) for name in names]


_DETAILS = {
    "length": "length", "temperature": "temperature", "density": "density", "potential": "potential energy",
    "box": "box edge", "seed": "seed", "threads": "threads", "speed": "ns/day", "wall": "hours", "restarts": "restarts",
    "cost": "core-hours",
}  # fmt: skip
"""Columns of the stage tables: keys of `_stage_details`, and their headings."""


def _cost(stages: Sequence[StageResult]) -> str:
    """Total core-hours of stages, shared ones counted once; empty if none has a record."""
    once = {(stage.home, stage.name): stage for stage in stages}.values()
    costs = [stage.core_hours for stage in once if stage.core_hours is not None]
    least = "at least " if any(stage.interrupted for stage in once) else ""
    return f"{least}{plain(sum(costs))}" if costs else ""


def starts(sweep: Sweep) -> list[dict[str, Any]]:
    """Replicas side by side; empty without replicates."""
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


def _stage_details(stage: StageResult) -> dict[str, str]:
    values, made = stage.verdict.get("values", {}), stage.provenance

    def number(key: str, error: str, unit: str) -> str:
        if values.get(key) is None:
            return ""
        # the end of a minimisation is one number, not a mean
        return with_error(values[key], values[error], unit) if error in values else plain(values[key], unit)

    return {
        "name": stage.name,
        "length": "" if not values.get("ns") else length_text(values["ns"]),
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


def trust(sweep: Sweep) -> dict[str, Any]:
    """Gates, warnings, cost, commands and versions behind the numbers."""
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
    commits = unique([(s.provenance.get("git") or {}).get("commit") for s in stages if s.provenance])
    files = [str(file.path) for file in sweep.study.files]
    names = [stage.name for stage in sweep.study.stages]
    return {
        "stage_names": names,
        "rows": [{"system": s, "gates": _gates(s, names), "cost": _cost(s.stages)} for s in sweep.systems],
        "warnings": [Line(listed(names, 8), text) for text, names in warnings.items()],
        "cost": f"{_cost(stages)} core-hours in {measured} of {counted(len(stages), 'stage')}{over}"
        if measured
        else "",
        # a detail that no stage has gets no column
        "columns": [
            (key, name) for key, name in _DETAILS.items() if any(d[key] for of in details for d in of["stages"])
        ],
        "details": details,
        "versions": _versions(sweep),
        "finished": dates[-1][:10] if dates else "",
        "commit": commits[0] if len(commits) == 1 else None,
        "all": _command(["snakemake", "--configfile", *files, "--cores", "all"]),
    }
