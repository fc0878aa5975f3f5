"""One run at a time in a run folder; an orphaned mdrun counts as a run, one on another machine too."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from eoli.files import read_record

SILENCE_S = 120.0
"""A run on another machine that has written nothing for this long has ended."""
_SIGNS = ("progress.json", "run/md.log", "run/md.cpt", "run/md.edr")


def _holder(note: dict[str, Any]) -> str:
    if not {"host", "pid", "since"} <= set(note):
        return "an unknown process"
    job = f", SLURM job {note['slurm_job']}" if note.get("slurm_job") else ""
    return f"host {note['host']}, process {note['pid']}{job}, since {note['since']}"


def _slurm_runs(job: str) -> bool | None:
    """Whether SLURM still runs a job; None when SLURM cannot be asked."""
    try:
        run = subprocess.run(
            ["squeue", "--noheader", "--jobs", job, "--states", "RUNNING,COMPLETING,SUSPENDED", "--format", "%i"],
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    if run.returncode != 0:
        # it does not know a job any more whose end lies some minutes back
        return False if "Invalid job id" in run.stderr else None
    return bool(run.stdout.strip())


def _writes(folder: Path) -> bool:
    """Whether a run has written lately. The clock is that of the file system: nodes need not agree on the time."""
    lock = folder / ".lock"
    os.utime(lock)
    now = lock.stat().st_mtime
    times = [path.stat().st_mtime for name in _SIGNS if (path := folder / name).is_file()]
    return any(now - written < SILENCE_S for written in times)


def runs_elsewhere(folder: Path, note: dict[str, Any]) -> bool:
    """Whether the process that left a note still runs on another machine, for file systems that share no locks.

    The note is taken away when a run ends, however it ends, unless it was killed.
    """
    if not note or note.get("host") == socket.gethostname():
        return False
    known = _slurm_runs(str(note["slurm_job"])) if note.get("slurm_job") else None
    return _writes(folder) if known is None else known


@contextlib.contextmanager
def run_lock(
    folder: Path, say: Callable[[str], None], poll_s: float = 2.0, still: Callable[[], object] = lambda: None
) -> Iterator[int]:
    """Hold the lock of a run folder; yields the descriptor that a child inherits to hold it too.

    Waits while somebody else holds it, for a resubmitted job must not spend its retries; says who it waits for.
    `still` is called at every look and ends the waiting by raising. The lock is flock(2): it ends with the last process
    that has the descriptor, whatever killed the others. Where the file system does not carry it from one machine to
    another, the note of the holder does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "holder.json"
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        said = 0.0
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not runs_elsewhere(folder, read_record(path)):
                    break
            except BlockingIOError:
                pass
            if time.monotonic() - said > 60 or said == 0.0:
                say(f"waits: the run is held by {_holder(read_record(path))}")
                said = time.monotonic()
            still()
            time.sleep(poll_s)
        holder = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "slurm_job": os.environ.get("SLURM_JOB_ID"),
            "since": time.strftime("%Y-%m-%dT%H:%M:%S"),
        }
        path.write_text(json.dumps(holder) + "\n", encoding="utf-8")
        try:
            yield descriptor
        finally:
            path.unlink(missing_ok=True)
    finally:
        # closing, not unlocking: an mdrun that outlives this process keeps the folder locked
        os.close(descriptor)
