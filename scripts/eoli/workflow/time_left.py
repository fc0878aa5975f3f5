"""How long a study still takes on this machine, from what its runs have left and the speed of those that were made."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from eoli.forcefield.library import library
from eoli.machine.processors import this_machine
from eoli.machine.tuning import run_timing
from eoli.stage.progress import duration
from eoli.study.analyses import TABLES
from eoli.study.config import Study
from eoli.study.systems import size_of, stages_of, systems_of
from eoli.workflow.cost import ASSUMED_SPEED, measured_speed
from eoli.workflow.status import StageStatus

ANALYSES_S = 60.0
"""Processor time of all that is built and analysed of a system of picoseconds, most of it the starts of Python."""
SWEEP_S = 30.0
"""Processor time of the tables, figures and page of a sweep."""


@dataclass(frozen=True)
class Left:
    """Seconds that the runs of a system take, one after the other, and the processor seconds of its analyses."""

    runs_s: float
    analyses_s: float


def seconds_left(systems: Iterable[Left], runs: int, cores: int) -> float:
    """Seconds until all systems are done, with `runs` mdruns at once on `cores` threads.

    Systems go to the run that is free first, the longest first (R. L. Graham, SIAM J. Appl. Math. 1969, 17, 416: at most a
    third longer than the shortest possible). Analyses fill what is free, and those of the last system come after it.
    """
    longest = sorted(systems, key=lambda left: -left.runs_s)
    slots = [0.0] * min(max(1, runs), max(1, len(longest)))
    for left in longest:
        heapq.heapreplace(slots, slots[0] + left.runs_s)
    analyses = [left.analyses_s for left in longest if left.analyses_s]
    if not any(slots) and not analyses:
        return 0.0
    threads = cores / max(1, runs)
    filled = (sum(left.runs_s for left in longest) * threads + sum(analyses)) / cores
    return max(filled, max(slots) + max(analyses, default=0.0)) + SWEEP_S


def work_left(study: Study, statuses: Sequence[StageStatus], results: Path, speed: float, threads: int) -> list[Left]:
    """What is left of each system, at a speed in site-steps per second and core. What several systems share counts once."""
    by = {(status.system, status.stage): status for status in statuses if not status.analysis}
    blocks, found, shared = library(study.topologies), [], set()
    for system in systems_of(study).values():
        analysed = all((results / system.name / "analysis" / f"{name}.json").is_file() for name in TABLES)
        if system.imported is not None:
            found.append(Left(0.0, 0.0 if analysed else ANALYSES_S))
            continue
        steps = 0.0
        for stage in stages_of(study, system):
            home, status = (system.home(stage.name), stage.name), by[system.name, stage.name]
            if home in shared or not stage.is_dynamics or status.state == "done":
                continue
            shared.add(home)
            kept = 0.0 if status.state == "stale" or status.ns is None else status.ns
            steps += max(0.0, (status.ns_asked or 0.0) - kept) * 1e6 / float(stage.time_step_fs or 1)
        found.append(
            Left(steps * size_of(system, blocks).sites / speed / threads, 0.0 if analysed and not steps else ANALYSES_S)
        )
    return found


def time_left(study: Study, statuses: Sequence[StageStatus], results: Path, cores: int | None = None) -> str | None:
    """The estimate in one line, for `cores` threads of this machine (default: all); None if nothing is left."""
    cores = cores or this_machine().usable
    speed, stages = measured_speed(results)
    timing = run_timing(study, len(systems_of(study)), cores)
    left = work_left(study, statuses, results, speed or ASSUMED_SPEED, timing.threads)
    seconds = seconds_left(left, timing.runs, cores)
    if not seconds:
        return None
    said = (
        "at the speed of the stages so far" if stages else "at a speed that is assumed until the first stages are done"
    )
    return f"about {duration(seconds)} left on {cores} core{'s' if cores > 1 else ''}, {said}"
