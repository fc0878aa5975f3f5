"""Cost of the runs of a sweep, from the records of every mdrun: the table `results/summary/cost.csv`.

One row for each stage that ran (one for a stage that several systems share), columns:

- `system`, `stage`: the folder `results/<system>/<stage>`;
- `ns`: simulated, empty for a minimisation;
- `core_hours`: hardware threads held by the run times the time it held them, over all restarts, including work lost to
  a kill; runs that were moved aside (`run.old-1`) are not counted;
- `ns_per_day`: `ns` over the wall time of all mdruns, so restarts and lost work lower it;
- `wall_hours`: of all mdruns together, without the time in between;
- `idle_share`: part of `core_hours` in which the held hardware threads did nothing for mdrun, from its processor time;
  other programs on the same cores, and waiting for files, raise it. Threads that wait for each other count as busy.
  Empty if the processor time is unknown;
- `restarts`: mdruns after the first, prolongations included; those that begin a new piece of a stage are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from eoli.analysis.results import read_verdict
from eoli.stage.sessions import Session, read_sessions

# runs without records: `Time:` at the end of each session in the log, Core t and Wall t in s
_TIME = re.compile(r"^\s+Time:\s+([0-9.]+)\s+([0-9.]+)\s", re.MULTILINE)
_THREADS = re.compile(r"^Using (\d+) (MPI|OpenMP) (?:process|thread)", re.MULTILINE)


@dataclass(frozen=True)
class StageCost:
    """A row of the table; see the module for what its fields mean."""

    system: str
    stage: str
    ns: float | None
    core_hours: float
    ns_per_day: float | None
    wall_hours: float
    idle_share: float | None
    restarts: int


def _from_log(log: Path) -> list[Session]:
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    per_kind = {kind: int(number) for number, kind in _THREADS.findall(text)}
    threads = per_kind.get("MPI", 1) * per_kind.get("OpenMP", 1)
    return [
        # core time in a log is wall time times threads
        Session(float(number), float(wall), threads, None, True, "", "", "")
        for number, (_, wall) in enumerate(_TIME.findall(text))
    ]


def _ns(folder: Path) -> float | None:
    verdict = read_verdict(folder)
    return (verdict["values"].get("ns") or None) if verdict is not None else None


def cost_of_stage(system: str, stage: str, folder: Path) -> StageCost | None:
    """Cost of one stage; None if nothing is known of any mdrun.

    Raises DataError for a malformed record or verdict.
    """
    ns = _ns(folder)
    sessions = read_sessions(folder / "run") or _from_log(folder / "run" / "md.log") or _from_log(folder / "md.log")
    wall = sum(session.wall_seconds for session in sessions)
    if not sessions or wall <= 0:
        return None
    core = sum(session.wall_seconds * session.processors for session in sessions)
    used = [session.cpu_seconds for session in sessions if session.cpu_seconds is not None]
    # clock ticks, and what ran before the first look, can make it slightly more than the total
    idle = max(0.0, 1 - sum(used) / core) if len(used) == len(sessions) else None
    restarts = len(sessions) - len({session.piece for session in sessions})
    return StageCost(system, stage, ns, core / 3600, ns / wall * 86400 if ns else None, wall / 3600, idle, restarts)


def write_cost(stages: Iterable[tuple[str, str]], results: Path, out: Path) -> None:
    """Write the table for stages given as (system, stage), each once; stages without records have no row."""
    import pandas as pd

    from eoli.core.files import write_table

    found = [cost_of_stage(system, stage, results / system / stage) for system, stage in dict.fromkeys(stages)]
    table = pd.DataFrame(
        [asdict(row) for row in found if row is not None], columns=list(StageCost.__dataclass_fields__)
    )
    write_table(out, table, digits=6)
