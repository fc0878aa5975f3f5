"""Status of a study, systems by stages, read from small files only, so that it works wherever the results are."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from eoli.analysis.results import read_found, read_verdict
from eoli.errors import DataError
from eoli.stage.lock import is_held
from eoli.stage.progress import duration, last_step
from eoli.study.config import Study
from eoli.study.protocol import Stage
from eoli.study.systems import System, stages_of
from eoli.workflow.products import Results, plan_of

State = Literal["done", "running", "failed", "stopped", "waiting", "stale", "unreadable"]
HEARTBEAT_S = 120.0


@dataclass(frozen=True)
class StageStatus:
    """One stage of one system: lengths in ns, `left_s` in seconds, None if not applicable or unknown.

    `analysis` marks another step of the system, listed only when stale.
    """

    system: str
    stage: str
    state: State
    ns: float | None
    ns_asked: float | None
    ns_per_day: float | None
    left_s: float | None
    verdict: str | None
    message: str
    analysis: bool = False


def stage_status(system: str, stage: Stage, folder: Path, now: float, stale: str = "") -> StageStatus:
    """Status of one stage, from its folder; a damaged file does not hide the others.

    `stale` says why its published files do not match the study; empty if they do.
    """
    asked, wrong = stage.length_ns, []

    def read(kind: str) -> Mapping[str, Any]:
        if f"{kind}.json" not in present:
            return {}
        try:
            found = read_verdict(folder) if kind == "verdict" else read_found(folder / f"{kind}.json", kind)
        except DataError as error:
            wrong.append(str(error))
            return {}
        return found or {}

    try:
        present = {entry.name for entry in os.scandir(folder)}
    except FileNotFoundError:
        present = set()
    except OSError as error:
        present = set()
        wrong.append(f"{folder}: cannot be read: {error.strerror}")
    verdict, progress = read("verdict"), read("progress")
    running = ".lock" in present and is_held(folder)
    # on another cluster node the lock may be invisible here; the heartbeat is not
    elsewhere = progress.get("host") != socket.gethostname()
    fresh = now - float(progress.get("time", 0)) < HEARTBEAT_S
    running = running or (elsewhere and fresh and not _ended_after(folder, progress))
    done_ns = verdict.get("values", {}).get("ns")
    finished = bool(verdict) and (asked is None or done_ns is None or done_ns >= asked * (1 - 1e-9))
    message = "; ".join(verdict.get("warnings", []))

    def made(state: State, ns: float | None, speed: float | None = None, text: str = message) -> StageStatus:
        left = max(0.0, asked - ns) / speed * 86400 if speed and asked is not None and ns is not None else None
        return StageStatus(system, stage.name, state, ns, asked, speed, left, verdict.get("status"), text)

    if running:
        to_ns = (stage.time_step_fs or 0.0) * 1e-6
        if stage.converge and progress.get("n_steps"):
            asked = float(progress["n_steps"]) * to_ns
        step = last_step(folder / "run" / "md.log") if stage.is_dynamics else None
        return made("running", None if step is None else step * to_ns, progress.get("ns_per_day"), "")
    failure = read("failure")
    if wrong:
        return StageStatus(system, stage.name, "unreadable", None, asked, None, None, None, wrong[0])
    if failure:
        text = str(failure.get("message", ""))
        return made("stopped" if "the next run continues" in text else "failed", done_ns, text=text)
    if verdict and stale:
        longest = stage.max_length_ns or asked
        kept = longest is not None and done_ns is not None and done_ns > longest * (1 + 1e-9)
        to_do = f"a run is not cut: set the length back, or eoli redo {system} {stage.name}"
        return made("stale", done_ns, text=f"{stale}; {to_do if kept else 'the next run makes it again'}")
    if finished:
        return made("done", done_ns)
    if verdict and done_ns is not None:
        return made("waiting", done_ns, text=f"complete at {done_ns:g} ns; {asked:g} ns are asked for")
    if "run" in present:
        step = last_step(folder / "run" / "md.log") if stage.is_dynamics else None
        ns = None if step is None else step * (stage.time_step_fs or 0.0) * 1e-6
        return made("stopped", ns, text="was interrupted; the next run continues")
    return made("waiting", done_ns)


def _ended_after(folder: Path, progress: Mapping[str, Any]) -> bool:
    """Whether the run that wrote a heartbeat has ended since."""
    ends = [path.stat().st_mtime for name in ("verdict.json", "failure.json") if (path := folder / name).is_file()]
    return any(end >= float(progress.get("time", 0)) - 1 for end in ends)


def study_status(study: Study, systems: Iterable[System], results: Path, now: float | None = None) -> list[StageStatus]:
    """Status of all stages of all systems, in study order, at time `now` in s since the epoch (default: now).

    Steps other than stages follow their system if they do not match the study.
    """
    now, compared = time.time() if now is None else now, Results(plan_of(study), results)
    found = []
    for system in systems:
        reasons = {one.product.name: one.reason for one in compared.of_system(system)}
        # a step after one that is made again is made again itself
        before = next((f"{name} before it: {reasons[name]}" for name in ("topology", "box") if name in reasons), "")
        for stage in stages_of(study, system):
            folder = results / system.home(stage.name) / stage.name
            found.append(stage_status(system.name, stage, folder, now, reasons.get(stage.name, before)))
            if stage.name in reasons:
                before = f"{stage.name} before it: {reasons.pop(stage.name)}"
        for name, reason in reasons.items():
            text = f"{reason}; the next run makes it again"
            found.append(StageStatus(system.name, name, "stale", None, None, None, None, None, text, analysis=True))
    return found


def to_json(statuses: Sequence[StageStatus]) -> str:
    """Statuses as a JSON list."""
    return json.dumps([asdict(status) for status in statuses], indent=1) + "\n"


def _cell(status: StageStatus) -> str:
    if status.state == "running":
        far = f"{status.ns:.3g}/{status.ns_asked:.3g} ns" if status.ns is not None and status.ns_asked else ""
        speed = f" {status.ns_per_day:.3g} ns/d" if status.ns_per_day else ""
        left = f" {duration(status.left_s)}" if status.left_s is not None else ""
        return f"running {far}{speed}{left}".rstrip()
    if status.state == "done" and status.verdict == "warn":
        return "done (warn)"
    if status.state == "waiting" and status.ns is not None:
        return f"waiting {status.ns:.3g}/{status.ns_asked:.3g} ns"
    return status.state


def plain_lines(statuses: Sequence[StageStatus]) -> list[str]:
    """One line per system, one column per stage, then a line per failure."""
    stages = list(dict.fromkeys(status.stage for status in statuses if not status.analysis))
    systems = list(dict.fromkeys(status.system for status in statuses))
    cells = {(status.system, status.stage): _cell(status) for status in statuses}
    first = max([len("system"), *map(len, systems)])
    widths = [max([len(stage), *(len(cells[system, stage]) for system in systems)]) for stage in stages]
    lines = ["  ".join(["system".ljust(first), *(s.ljust(w) for s, w in zip(stages, widths, strict=True))]).rstrip()]
    for system in systems:
        row = [cells[system, stage].ljust(width) for stage, width in zip(stages, widths, strict=True)]
        lines.append("  ".join([system.ljust(first), *row]).rstrip())
    return lines + notes(statuses)


def notes(statuses: Sequence[StageStatus]) -> list[str]:
    """One line for each stage that failed, stopped or does not match the study, with the reason."""
    return [
        f"{status.system} {status.stage}: {status.state}: {status.message}"
        for status in statuses
        if status.state in ("failed", "stopped", "stale", "unreadable")
    ]


_STYLE = {
    "done": "green",
    "running": "cyan",
    "failed": "bold red",
    "stopped": "yellow",
    "stale": "yellow",
    "unreadable": "bold red",
    "waiting": "dim",
}


def table(statuses: Sequence[StageStatus]) -> Any:
    """The same as a rich table, reasons below."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    stages = list(dict.fromkeys(status.stage for status in statuses if not status.analysis))
    systems = list(dict.fromkeys(status.system for status in statuses))
    by = {(status.system, status.stage): status for status in statuses}
    shown = Table(header_style="bold")
    for name in ("system", *stages):
        shown.add_column(Text(name))
    for system in systems:
        cells = [by[system, stage] for stage in stages]
        shown.add_row(Text(system), *(Text(_cell(status), style=_STYLE[status.state]) for status in cells))
    return Group(shown, *(Text(line) for line in notes(statuses)))
