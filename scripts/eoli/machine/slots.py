"""Separate cores, and a GPU, for every mdrun on a machine: Snakemake counts cores but assigns none.

Each hardware thread has a lock file. A run holds flock(2) on it through a descriptor that mdrun inherits, so that an
orphaned mdrun keeps its cores. mdrun gets its cores by the affinity of the process that starts it, not by -pinoffset:
that option counts the machine's hardware threads in GROMACS' own order, which differs from ours under control groups,
hyper-threads or our own affinity, whereas every mdrun respects the affinity it finds.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eoli.machine.processors import Machine, loads, mps_runs, on_processors, visible_gpus

Cores = Sequence[Sequence[int]]
FOLDER = "EOLI_SLOTS"
"""Environment variable for the folder of the locks; default: one per user in /tmp."""
IN_TMP = "/tmp/eoli-slots-"
POLL_S = 1.0
SAY_EVERY_S = 60.0
LOOK_AT_LOAD_S = 0.1
MOST_ON_A_GPU = 64
SHARING_ADVICE = "nvidia-cuda-mps-control -d, before the study starts, lets runs compute on it at once"


@dataclass(frozen=True)
class Slots:
    """Resources of a run: hardware threads (none: left to the kernel), a GPU, the lock descriptors."""

    processors: tuple[int, ...] = ()
    gpu: str | None = None
    descriptors: tuple[int, ...] = ()

    def keep(self) -> bool:
        """Touch the lock files to protect them from cleaners of temporary folders; returns whether all still exist."""
        for descriptor in self.descriptors:
            os.utime(descriptor)
        return all(os.fstat(descriptor).st_nlink for descriptor in self.descriptors)

    def give_back(self) -> None:
        """Close the locks without unlocking them: an mdrun that outlives this process keeps its cores."""
        for descriptor in self.descriptors:
            os.close(descriptor)


def choose(
    cores: Cores, free: Collection[int], number: int, per_core: int, load: Mapping[int, float] | None = None
) -> tuple[int, ...] | None:
    """Hardware threads for a run of `number` threads, or None if too few are free.

    Idle cores come first, `per_core` threads on each, then the rest of others; among equals those least used by other
    programs (`load`, busy share of each).
    """
    load = load or {}
    # other programs move when we arrive; only a clearly busy core is worth avoiding
    busy = [round(2 * max((load.get(processor, 0.0) for processor in core), default=0.0)) for core in cores]
    taken = [sum(processor not in free for processor in core) for core in cores]
    order = sorted(range(len(cores)), key=lambda index: (taken[index] > 0, busy[index], taken[index], index))
    open_in_order = [[processor for processor in cores[index] if processor in free] for index in order]
    chosen = [processor for places in open_in_order for processor in places[:per_core]]
    chosen += [processor for places in open_in_order for processor in places[per_core:]]
    return tuple(sorted(chosen[:number])) if len(chosen) >= number else None


def choose_whole(
    cores: Cores, free: Collection[int], number: int, load: Mapping[int, float] | None = None
) -> tuple[int, ...] | None:
    """All hardware threads of as many idle cores as `number` threads would fill, or None if too few are idle."""
    idle = [core for core in cores if all(processor in free for processor in core)]
    count = max(1, number // max(map(len, cores)))
    first = choose([core[:1] for core in idle], free, count, 1, load)
    return None if first is None else tuple(sorted(p for core in idle if core[0] in first for p in core))


def slots_folder() -> Path:
    """This user's folder of lock files on this machine, created if missing.

    Raises OSError if that is impossible: a folder in /tmp that others made or can write to is not safe for locks.
    """
    own = os.environ.get(FOLDER)
    folder = Path(own) if own else Path(f"{IN_TMP}{os.getuid()}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat() if own else folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or (not own and found.st_mode & 0o022):
        raise PermissionError(errno.EPERM, "no folder of this user alone", str(folder))
    return folder


def _try_lock(path: Path) -> int | None:
    """A descriptor that holds a lock; None if another process has it. Raises OSError if locks do not work."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError as error:
        os.close(descriptor)
        raise OSError(error.errno, error.strerror, str(path)) from error
    return descriptor


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip() or "unknown"
    except (OSError, UnicodeDecodeError):
        return "unknown"


def _measure_load() -> dict[int, float]:
    try:
        before = Path("/proc/stat").read_text()
        time.sleep(LOOK_AT_LOAD_S)
        return loads(before, Path("/proc/stat").read_text())
    except OSError:
        return {}


def _take(
    folder: Path, machine: Machine, choose_from: Callable[[Collection[int]], tuple[int, ...] | None], who: str
) -> tuple[tuple[int, ...], tuple[int, ...]] | str:
    """(hardware threads, descriptors), or who holds them if too few are free; called by one process at a time."""
    locks: dict[int, int | None] = {}
    try:
        for processor in machine.processors:
            locks[processor] = _try_lock(folder / f"cpu{processor}")
    except OSError:
        for lock in locks.values():
            if lock is not None:
                os.close(lock)
        raise
    free = {processor: lock for processor, lock in locks.items() if lock is not None}
    chosen = choose_from(free)
    if chosen is not None and len(machine.processors) - len(free) + len(chosen) > machine.usable:
        chosen = None
    for processor, lock in free.items():
        if chosen is None or processor not in chosen:
            os.close(lock)
    if chosen is None:
        return ", ".join(dict.fromkeys(_holder(folder / f"cpu{p}") for p in locks if p not in free)) or "nobody"
    descriptors = tuple(free[processor] for processor in chosen)
    for descriptor in descriptors:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{who} (process {os.getpid()})\n".encode(), 0)
    return chosen, descriptors


def _take_gpu(folder: Path, gpus: Sequence[str], say: Callable[[str], None]) -> tuple[str | None, tuple[int, ...]]:
    """The GPU used by the fewest runs, and the descriptor of its lock."""
    for layer in range(MOST_ON_A_GPU):
        for gpu in gpus:
            descriptor = _try_lock(folder / f"gpu-{gpu.replace('/', '_')}-{layer}")
            if descriptor is not None:
                if layer and not mps_runs():
                    say(f"shares GPU {gpu} with {layer} more, in turns; {SHARING_ADVICE}")
                return gpu, (descriptor,)
    return None, ()


@contextlib.contextmanager
def own_cores(
    machine: Machine, threads: int, say: Callable[[str], None], *, who: str, at_once: int | None = None,
    hyper_threads: bool = True, wants_gpu: bool = False, poll_s: float = POLL_S,
) -> Iterator[Slots]:  # fmt: skip
    """Hold `threads` hardware threads of this machine, and a GPU if wanted and present; moves this process there.

    `at_once` is the number of threads of all runs together, Snakemake's cores: while it does not exceed the cores, no
    core gets a second thread. Without `hyper_threads` whole cores are held, as many as have `threads` hardware threads.
    A run that finds too few free waits, first come first served, and logs who holds them. Where locks are impossible
    the run is left to the kernel. The locks end with the last process that has the descriptors.
    """
    try:
        held = _wait_for(machine, threads, say, who, at_once, hyper_threads, wants_gpu, poll_s)
    except OSError as error:
        where = error.filename or os.environ.get(FOLDER, f"{IN_TMP}{os.getuid()}")
        say(f"the run is not pinned: cores cannot be locked: {error.strerror or error}: {where}")
        held = Slots()
    try:
        with on_processors(held.processors):
            yield held
    finally:
        held.give_back()


def _wait_for(
    machine: Machine, threads: int, say: Callable[[str], None], who: str, at_once: int | None, hyper_threads: bool,
    wants_gpu: bool, poll_s: float,
) -> Slots:  # fmt: skip
    folder = slots_folder()
    number = min(threads, machine.usable)
    sparse = at_once is not None and at_once <= len(machine.cores)
    per_core = 1 if sparse else machine.threads_per_core
    queue = os.open(folder / "queue", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        # a waiting run keeps the queue, else runs of one thread would overtake a run of many for ever
        fcntl.flock(queue, fcntl.LOCK_EX)
        load, said = _measure_load(), 0.0

        def choose_from(free: Collection[int]) -> tuple[int, ...] | None:
            if hyper_threads:
                return choose(machine.cores, free, number, per_core, load)
            return choose_whole(machine.cores, free, number, load)

        while isinstance(taken := _take(folder, machine, choose_from, who), str):
            if time.monotonic() - said > SAY_EVERY_S or said == 0.0:
                say(f"waits for {number} free core{'s' if number > 1 else ''}; held by {taken}")
                said = time.monotonic()
            time.sleep(poll_s)
        processors, descriptors = taken
        gpu, lock = _take_gpu(folder, visible_gpus(), say) if wants_gpu else (None, ())
        return Slots(processors, gpu, descriptors + lock)
    finally:
        os.close(queue)
