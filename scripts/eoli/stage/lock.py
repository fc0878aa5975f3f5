"""One run at a time in a run folder; an orphaned mdrun counts as a run."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path


def _holder(path: Path) -> str:
    try:
        data = json.loads(path.read_text())
        job = f", SLURM job {data['slurm_job']}" if data.get("slurm_job") else ""
        return f"host {data['host']}, process {data['pid']}{job}, since {data['since']}"
    except (OSError, ValueError, KeyError):
        return "an unknown process"


@contextlib.contextmanager
def run_lock(folder: Path, say: Callable[[str], None], poll_s: float = 2.0) -> Iterator[int]:
    """Hold the lock of a run folder; yields the descriptor that a child inherits to hold it too.

    Waits while somebody else holds it, for a resubmitted job must not spend its retries; says who it waits for.
    The lock is flock(2): it ends with the last process that has the descriptor, whatever killed the others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / "holder.json"
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        said = 0.0
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() - said > 60 or said == 0.0:
                    say(f"waits: the run is held by {_holder(note)}")
                    said = time.monotonic()
                time.sleep(poll_s)
        holder = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "slurm_job": os.environ.get("SLURM_JOB_ID"),
            "since": time.strftime("%Y-%m-%dT%H:%M:%S"),
        }
        note.write_text(json.dumps(holder) + "\n")
        yield descriptor
    finally:
        # closing, not unlocking: an mdrun that outlives this process keeps the folder locked
        os.close(descriptor)
