"""One run at a time per run folder. An orphaned mdrun counts as a run, also on another machine."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from eoli.core.files import read_record, write_json

SILENCE_S = 120.0
"""A run on another machine counts as ended once it has written nothing for this long."""
NOTE = "holder.json"
_NO_LOCKS = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL})
_SIGNS = ("progress.json", "run/md.log", "run/md.cpt", "run/md.edr")


def _holder(note: dict[str, Any]) -> str:
    if not {"host", "pid", "since"} <= set(note):
        return "an unknown process"
    job = f", SLURM job {note['slurm_job']}" if note.get("slurm_job") else ""
    return f"host {note['host']}, process {note['pid']}{job}, since {note['since']}"


def _slurm_runs(job: str) -> bool | None:
    """Whether SLURM still runs a job; None if SLURM cannot be asked."""
    try:
        run = subprocess.run(
            ["squeue", "--noheader", "--jobs", job, "--states", "RUNNING,COMPLETING,SUSPENDED", "--format", "%i"],
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    if run.returncode != 0:
        # SLURM forgets a job some minutes after its end
        return False if "Invalid job id" in run.stderr else None
    return bool(run.stdout.strip())


def _writes(folder: Path, signs: Sequence[str] = _SIGNS) -> bool:
    """Whether a run has written recently, by the file system's clock, since clocks of nodes may differ."""
    lock = folder / ".lock"
    lock.touch()
    now = lock.stat().st_mtime
    times = [path.stat().st_mtime for name in signs if (path := folder / name).is_file()]
    return any(now - written < SILENCE_S for written in times)


def runs_elsewhere(folder: Path, note: dict[str, Any]) -> bool:
    """Whether the process that left a note still runs on another machine; for file systems that do not share locks.

    A run removes its note when it ends, unless it was killed.
    """
    if not note or note.get("host") == socket.gethostname():
        return False
    known = _slurm_runs(str(note["slurm_job"])) if note.get("slurm_job") else None
    return _writes(folder) if known is None else known


def take(descriptor: int, how: int = fcntl.LOCK_EX) -> bool | None:
    """Try flock(2) without waiting. Returns whether it was free; None if the file system has no such lock.

    Raises OSError for any other failure.
    """
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True


def is_held(folder: Path) -> bool:
    """Whether a process holds the lock of a stage folder on this machine (or a file system that shares locks); where
    there are no locks, whether its note is kept fresh. Writes nothing."""
    try:
        descriptor = os.open(folder / ".lock", os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        # shared, so that two observers do not take each other for a run
        free = take(descriptor, fcntl.LOCK_SH)
        return not free and (free is False or time.time() - (folder / NOTE).stat().st_mtime < SILENCE_S)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def runs_anywhere(folder: Path) -> bool:
    """Whether a run holds a stage folder, on this machine or on one that does not share its locks."""
    return is_held(folder) or runs_elsewhere(folder, read_record(folder / NOTE))


def _runs(folder: Path, note: dict[str, Any], locked: bool | None) -> bool:
    """Whether the process that left a note runs out of sight of its lock: only elsewhere, if this machine has locks."""
    if locked is None:
        return bool(note) and _writes(folder, (NOTE, *_SIGNS))
    return runs_elsewhere(folder, note)


@contextlib.contextmanager
def _alive(note: Path) -> Iterator[None]:
    """Keep a note fresh, for observers that cannot tell otherwise whether its writer lives."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(SILENCE_S / 4):
            with contextlib.suppress(OSError):
                os.utime(note)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def run_lock(
    folder: Path, say: Callable[[str], None], poll_s: float = 2.0, still: Callable[[], object] = lambda: None
) -> Iterator[int]:
    """Hold the lock of a run folder; yields the descriptor, which a child inherits to hold the lock too.

    A run that finds the lock taken waits and logs who holds it: a resubmitted job must not spend its retries. `still`
    is called at every poll and ends the waiting by raising. The lock is flock(2): it ends with the last process that
    has the descriptor, whatever killed the others. Where the file system does not share it between machines, or has
    none, the holder's note counts: it is valid while the run writes, and two minutes more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NOTE
    holder = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        "since": time.strftime("%Y-%m-%dT%H:%M:%S"),
    }
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        said = 0.0
        while True:
            locked = take(descriptor)
            if locked is not False and not _runs(folder, read_record(path), locked):
                write_json(path, holder)
                if locked:
                    break
                # if two processes found no note, the last one to write it goes on
                time.sleep(poll_s)
                if read_record(path) == holder:
                    say("the file system has no locks; the note of the holder keeps others from the run")
                    break
            if time.monotonic() - said > 60 or said == 0.0:
                say(f"waits: the run is held by {_holder(read_record(path))}")
                said = time.monotonic()
            still()
            time.sleep(poll_s)
        try:
            with contextlib.nullcontext() if locked else _alive(path):
                yield descriptor
        finally:
            path.unlink(missing_ok=True)
    finally:
        # close without unlocking: an mdrun that outlives this process keeps the folder locked
        os.close(descriptor)
