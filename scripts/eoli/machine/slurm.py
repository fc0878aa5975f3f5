"""Check before jobs go to a SLURM cluster: will the executor learn that a job has ended?

Snakemake's executor asks sacct or squeue. sacct knows nothing without accounting; squeue forgets a job MinJobAge after
its end. A job that neither names counts as running for ever.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass

from eoli.errors import InputError, ToolError

# the executor can trust squeue if finished jobs stay in it for this many of its intervals
INTERVALS = 3


@dataclass(frozen=True)
class SlurmSettings:
    """`scontrol show config` on finished jobs; `min_job_age_s` is None if it is not given."""

    accounting: bool
    min_job_age_s: int | None


def parse_slurm_settings(text: str) -> SlurmSettings:
    """Settings from the output of `scontrol show config`."""
    found = dict(re.findall(r"^\s*(AccountingStorageType|MinJobAge)\s*=\s*(.*?)\s*$", text, re.MULTILINE))
    storage = found.get("AccountingStorageType", "")
    age = re.match(r"\d+", found.get("MinJobAge", ""))
    return SlurmSettings(storage not in ("", "(null)", "accounting_storage/none"), int(age[0]) if age else None)


def slurm_settings() -> SlurmSettings:
    """Settings of the cluster that this machine submits to.

    Raises ToolError if SLURM does not answer.
    """
    try:
        run = subprocess.run(
            ["scontrol", "show", "config"], capture_output=True, text=True, check=False, timeout=60,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"SLURM: scontrol show config failed: {error}") from error
    if run.returncode != 0:
        reason = (run.stderr.strip().splitlines() or ["no output"])[-1]
        raise ToolError(f"SLURM: scontrol show config failed: {reason}")
    return parse_slurm_settings(run.stdout)


def check_slurm(settings: SlurmSettings, status_command: str, interval_s: int, has_sacct: bool | None = None) -> str:
    """How the executor will learn that a job has ended.

    `status_command` and `interval_s` are its options --slurm-status-command and
    --slurm-init-seconds-before-status-checks. Raises InputError if it would wait for ever.
    """
    has_sacct = shutil.which("sacct") is not None if has_sacct is None else has_sacct
    age = settings.min_job_age_s
    remembers = age is not None and age >= INTERVALS * interval_s
    asks = status_command if has_sacct else "squeue"
    if asks == "squeue" and remembers:
        return f"SLURM: squeue tells when a job has ended, for {age} s"
    if has_sacct and settings.accounting:
        return "SLURM: sacct tells when a job has ended, but not that it was cancelled: then start Snakemake again"
    if remembers:
        raise InputError(
            "SLURM: slurm-status-command: sacct is not allowed, for this cluster has no accounting and Snakemake would "
            "wait for ever; allowed: squeue"
        )
    raise InputError(
        f"SLURM: no accounting, and finished jobs leave squeue after MinJobAge = {age} s: Snakemake would wait for ever; "
        f"allowed: slurm-init-seconds-before-status-checks of at most {max(1, (age or 0) // INTERVALS)}"
        f" with slurm-status-command: squeue (now {interval_s} with {status_command})"
    )
