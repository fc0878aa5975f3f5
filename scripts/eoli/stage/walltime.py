"""How long a job may still run, so that mdrun stops with a checkpoint before the scheduler kills it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass

from eoli.errors import RunError

# Kept back for the checkpoint, the judgement of the run and the ends of programs: ten seconds and a tenth of the time,
# five minutes at most, never more than half. mdrun keeps back another hundredth by itself.
MARGIN_S = 10.0
MARGIN_FRACTION = 0.1
LARGEST_MARGIN_S = 300.0
LEAST_RUN_S = 5.0


@dataclass(frozen=True)
class Deadline:
    """When mdrun has to end, on the clock of time.monotonic(), s."""

    at_s: float

    def hours_left(self, now_s: float | None = None) -> float:
        """Hours that mdrun may run from now on.

        Raises RunError when nothing useful is left of them.
        """
        left_s = self.at_s - (time.monotonic() if now_s is None else now_s)
        if left_s < LEAST_RUN_S:
            raise RunError("stopped before mdrun started: the walltime of the job is used up; the next run continues")
        return left_s / 3600


def margin_s(left_s: float) -> float:
    """Seconds kept back of `left_s` seconds."""
    left_s = max(0.0, left_s)
    return min(LARGEST_MARGIN_S, MARGIN_S + MARGIN_FRACTION * left_s, left_s / 2)


def deadline(walltime_minutes: float | None, environment: Mapping[str, str] = os.environ) -> Deadline | None:
    """Deadline of mdrun in this job; None where nothing limits it.

    Inside a SLURM allocation it is the end that SLURM has set, whatever was asked for; elsewhere `walltime_minutes`
    from now on.
    """
    left_s = slurm_seconds_left(environment)
    if left_s is None and walltime_minutes is not None:
        left_s = walltime_minutes * 60
    return None if left_s is None else Deadline(time.monotonic() + left_s - margin_s(left_s))


def slurm_seconds_left(environment: Mapping[str, str]) -> float | None:
    """Seconds until SLURM ends the allocation of this process; None outside of one, or where there is no limit."""
    job = environment.get("SLURM_JOB_ID")
    if job is None:
        return None
    end = environment.get("SLURM_JOB_END_TIME", "")
    if end.isdigit():
        return float(end) - time.time()
    try:
        # SLURM before 23.02, and the steps of Snakemake's executor, do not have that variable
        run = subprocess.run(
            ["squeue", "--noheader", "--jobs", job, "--format", "%L"],
            capture_output=True, text=True, check=True, timeout=30, env=dict(environment),
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_time_left((run.stdout.split() or [""])[0])


def parse_time_left(text: str) -> float | None:
    """Seconds of SLURM's `[days-]hours:minutes:seconds`, `minutes:seconds`; None of `UNLIMITED`, `INVALID` and the like."""
    days, dash, clock = text.rpartition("-")
    parts = clock.split(":")
    if not 2 <= len(parts) <= 3 or not all(part.isdecimal() for part in parts) or (dash and not days.isdecimal()):
        return None
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + int(part)
    return float(seconds + 86400 * int(days or 0))
