"""Time left for a job, so that mdrun stops with a checkpoint before the scheduler kills it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass

from eoli.errors import RunError

# Reserve for the checkpoint, judging the run and ending programs: ten seconds plus a tenth of the time, at most five
# minutes, never more than half. mdrun itself reserves another hundredth.
MARGIN_S = 10.0
MARGIN_FRACTION = 0.1
LARGEST_MARGIN_S = 300.0
LEAST_RUN_S = 5.0


@dataclass(frozen=True)
class Deadline:
    """When mdrun has to end, on the clock of time.monotonic(), s."""

    at_s: float

    def hours_left(self, now_s: float | None = None) -> float:
        """Hours left for mdrun.

        Raises RunError if no useful time is left.
        """
        left_s = self.at_s - (time.monotonic() if now_s is None else now_s)
        if left_s < LEAST_RUN_S:
            raise RunError("stopped before mdrun started: the walltime of the job is used up; the next run continues")
        return left_s / 3600


def margin_s(left_s: float) -> float:
    """Reserve out of `left_s` seconds, s."""
    left_s = max(0.0, left_s)
    return min(LARGEST_MARGIN_S, MARGIN_S + MARGIN_FRACTION * left_s, left_s / 2)


def deadline(walltime_minutes: float | None, environment: Mapping[str, str] = os.environ) -> Deadline | None:
    """Deadline of mdrun in this job; None without a limit.

    In a SLURM allocation it is the end set by SLURM, whatever was requested; elsewhere `walltime_minutes` from now.
    """
    left_s = slurm_seconds_left(environment)
    if left_s is None and walltime_minutes is not None:
        left_s = walltime_minutes * 60
    return None if left_s is None else Deadline(time.monotonic() + left_s - margin_s(left_s))


def slurm_seconds_left(environment: Mapping[str, str]) -> float | None:
    """Seconds until SLURM ends this process's allocation; None outside one, or without a limit."""
    job = environment.get("SLURM_JOB_ID")
    if job is None:
        return None
    end = environment.get("SLURM_JOB_END_TIME", "")
    if end.isdigit():
        return float(end) - time.time()
    try:
        # SLURM before 23.02 and the job steps of Snakemake's executor do not set that variable
        run = subprocess.run(
            ["squeue", "--noheader", "--jobs", job, "--format", "%L"],
            capture_output=True, text=True, check=True, timeout=30, env=dict(environment),
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_time_left((run.stdout.split() or [""])[0])


def parse_time_left(text: str) -> float | None:
    """Seconds of SLURM's `[days-]hours:minutes:seconds`, `minutes:seconds`; None for `UNLIMITED`, `INVALID`, ..."""
    days, dash, clock = text.rpartition("-")
    parts = clock.split(":")
    if not 2 <= len(parts) <= 3 or not all(part.isdecimal() for part in parts) or (dash and not days.isdecimal()):
        return None
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + int(part)
    return float(seconds + 86400 * int(days or 0))
