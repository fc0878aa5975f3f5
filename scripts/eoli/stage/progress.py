"""How far a run is, from its log, and one line about it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

_STEP = re.compile(r"^\s+Step\s+Time\n\s+(\d+)\s+([0-9.]+)", re.MULTILINE)
_TAIL_BYTES = 64 * 1024


def last_step(log: Path) -> int | None:
    """Last step that an mdrun log reports."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - _TAIL_BYTES))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return None
    found = _STEP.findall(text)
    return int(found[-1][0]) if found else None


def duration(seconds: float) -> str:
    """12 s, 3 min, 4.2 h, 2.1 d."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.1f} d"


@dataclass
class Pace:
    """Speed of a run since it was started or continued."""

    n_steps: int
    time_step_fs: float
    started: float
    first_step: int | None = None

    def line(self, step: int, now: float | None = None) -> str:
        """`0.012 of 0.040 ns, 95 ns/day, 25 s left`."""
        now = time.monotonic() if now is None else now
        to_ns = self.time_step_fs * 1e-6
        text = f"{step * to_ns:.4g} of {self.n_steps * to_ns:.4g} ns"
        if self.first_step is None:
            self.first_step, self.started = step, now
            return text
        elapsed = now - self.started
        if step <= self.first_step or elapsed <= 0:
            return text
        per_second = (step - self.first_step) / elapsed
        left = max(0, self.n_steps - step) / per_second
        return f"{text}, {per_second * to_ns * 86400:.3g} ns/day, {duration(left)} left"
