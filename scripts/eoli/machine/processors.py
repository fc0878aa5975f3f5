"""Resources of this machine: cores with their hardware threads, limited by affinity and control groups; GPUs."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_VECTOR = re.compile(r"^(?:sse|ssse|avx|fma|f16c|asimd|sve|vsx)")


@dataclass(frozen=True)
class Machine:
    """Processors that this process may use: `cores` holds the hardware threads of each physical core.

    `limit` is a control group's quota in processors (a container started with `--cpus 2` sees all processors of its
    host); None without one.
    """

    cores: tuple[tuple[int, ...], ...]
    limit: int | None
    cpu: str

    @property
    def processors(self) -> tuple[int, ...]:
        """All hardware threads, those of a core side by side."""
        return tuple(processor for core in self.cores for processor in core)

    @property
    def usable(self) -> int:
        """Number of hardware threads that may be busy at a time."""
        number = len(self.processors)
        return number if self.limit is None else min(number, self.limit)

    @property
    def threads_per_core(self) -> int:
        """Most hardware threads of any core."""
        return max(len(core) for core in self.cores)

    @property
    def text(self) -> str:
        """`AMD EPYC, 8 cores of 2 threads, limited to 4`."""
        threads = f" of {self.threads_per_core} threads" if self.threads_per_core > 1 else ""
        quota = f", limited to {self.limit}" if self.usable < len(self.processors) else ""
        return f"{self.cpu}, {len(self.cores)} cores{threads}{quota}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def parse_list(text: str) -> tuple[int, ...]:
    """The kernel's processor lists: `0-2,8` is (0, 1, 2, 8)."""
    numbers: list[int] = []
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return tuple(numbers)


def _cores(processors: Iterable[int], system: Path) -> tuple[tuple[int, ...], ...]:
    allowed = set(processors)
    cores: dict[tuple[int, ...], None] = {}
    for processor in sorted(allowed):
        siblings = parse_list(_read(system / f"cpu{processor}/topology/thread_siblings_list")) or (processor,)
        cores[tuple(sorted(allowed.intersection(siblings) | {processor}))] = None
    return tuple(cores)


def _quota(folder: Path) -> float | None:
    """Processors granted by one control group, of either version; None without a limit."""
    words = _read(folder / "cpu.max").split() or [
        _read(folder / "cpu.cfs_quota_us"),
        _read(folder / "cpu.cfs_period_us"),
    ]
    try:
        quota, period = float(words[0]), float(words[1])
    except (ValueError, IndexError):
        return None
    return quota / period if quota > 0 and period > 0 else None


def _limit(root: Path) -> int | None:
    """Smallest quota of our control groups and their parents, in whole processors."""
    quotas = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, place = [*line.split(":", 2), "", ""][:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts = (
            [f"sys/fs/cgroup/{controllers}", "sys/fs/cgroup/cpu"]
            if controllers
            else ["sys/fs/cgroup", "sys/fs/cgroup/unified"]
        )
        for mount in mounts:
            folder = root / mount / place.lstrip("/")
            # a container sees its own group as the root of the mount, whatever the path says
            groups = [folder, *folder.parents]
            quotas += [_quota(group) for group in groups[: groups.index(root / mount) + 1]]
    granted = [quota for quota in quotas if quota is not None]
    return max(1, int(min(granted) + 1e-9)) if granted else None


def _cpu_field(root: Path, *names: str) -> str:
    for line in _read(root / "proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in names:
            return value.strip()
    return ""


def this_machine(root: Path = Path("/"), affinity: Iterable[int] | None = None) -> Machine:
    """The machine that this process runs on; `root` and `affinity` stand in for the real ones in tests."""
    processors = os.sched_getaffinity(0) if affinity is None else affinity
    return Machine(
        cores=_cores(processors, root / "sys/devices/system/cpu"),
        limit=_limit(root),
        cpu=_cpu_field(root, "model name", "Model", "cpu") or "unknown processor",
    )


def vector_units(root: Path = Path("/")) -> frozenset[str]:
    """Vector instructions of the processor, by their kernel names."""
    return frozenset(flag for flag in _cpu_field(root, "flags", "Features").split() if _VECTOR.match(flag))


def loads(before: str, after: str) -> dict[int, float]:
    """Busy share of each processor between two readings of /proc/stat."""

    def ticks(text: str) -> dict[int, tuple[int, int]]:
        rows = re.findall(r"^cpu(\d+) (.*)$", text, re.MULTILINE)
        found = {}
        for number, row in rows:
            values = [int(value) for value in row.split()]
            found[int(number)] = (values[3] + values[4], sum(values[:8]))
        return found

    first, second = ticks(before), ticks(after)
    shares = {}
    for number, (idle, total) in second.items():
        past_idle, past_total = first.get(number, (idle, total))
        shares[number] = 1 - (idle - past_idle) / (total - past_total) if total > past_total else 0.0
    return shares


def visible_gpus() -> tuple[str, ...]:
    """NVIDIA GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; none without their driver."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return tuple(word for word in map(str.strip, given.split(",")) if word not in ("", "-1"))
    try:
        run = subprocess.run(
            ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"],
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=30,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(run.stdout.split()) if run.returncode == 0 else ()


def mps_runs() -> bool:
    """Whether NVIDIA's multi-process service runs, which lets programs compute on a GPU concurrently, not in turns.

    Its control daemon listens on a pipe in CUDA_MPS_PIPE_DIRECTORY.
    """
    return (Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps")) / "control").exists()


@contextlib.contextmanager
def on_processors(processors: Collection[int]) -> Iterator[None]:
    """Start processes on these hardware threads: a child inherits its parent's affinity. None: anywhere."""
    before = os.sched_getaffinity(0)
    try:
        if processors:
            os.sched_setaffinity(0, processors)
        yield
    finally:
        os.sched_setaffinity(0, before)
