"""Progress and speed of a run, from its log."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from pathlib import Path

_STEP = re.compile(r"^\s+Step\s+Time\n\s+(\d+)\s+([0-9.]+)", re.MULTILINE)
_TAIL_BYTES = 64 * 1024


def last_step(log: Path) -> int | None:
    """Last step in an mdrun log."""
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
    """Speed of a run since it was first looked at; a continued run gets no credit for its past."""

    n_steps: int
    time_step_fs: float
    _first: tuple[int, float] | None = field(default=None)

    def ns_per_day(self, step: int, now: float | None = None) -> float | None:
        """Speed up to a step; None if it is too early to tell."""
        now = time.monotonic() if now is None else now
        if self._first is None:
            self._first = (step, now)
        steps, seconds = step - self._first[0], now - self._first[1]
        return steps / seconds * self.time_step_fs * 1e-6 * 86400 if steps > 0 and seconds > 0 else None

    def line(self, step: int, now: float | None = None) -> str:
        """`0.012 of 0.040 ns, 95 ns/day, 25 s left`."""
        to_ns = self.time_step_fs * 1e-6
        text = f"{step * to_ns:.4g} of {self.n_steps * to_ns:.4g} ns"
        speed = self.ns_per_day(step, now)
        if speed is None:
            return text
        left = max(0, self.n_steps - step) * to_ns / speed * 86400
        return f"{text}, {speed:.3g} ns/day, {duration(left)} left"
