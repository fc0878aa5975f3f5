"""What each mdrun of a stage cost: one small record a start, kept up to date while it runs, so that a kill loses seconds."""

from __future__ import annotations

import contextlib
import socket
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from eoli.files import write_json

FOLDER = "sessions"
_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Session:
    """One mdrun: when it began (s since 1970), how long it ran, the hardware threads that it held, the processor time
    that it used (None where it cannot be known: a launcher starts it elsewhere), whether its end was seen."""

    started: _Seconds
    wall_seconds: _Seconds
    processors: Annotated[int, Field(ge=0)]
    cpu_seconds: _Seconds | None
    ended: bool
    host: str
    gromacs: str
    simd: str


def _read(path: Path) -> Session:
    """One record. Raises ValueError for a file that is none, OSError when it cannot be read."""
    return TypeAdapter(Session).validate_json(path.read_bytes(), strict=True)


def read_sessions(run: Path) -> list[Session]:
    """All sessions of a run folder in their order; records that cannot be read are left out."""
    sessions = []
    for path in sorted((run / FOLDER).glob("*.json")):
        with contextlib.suppress(OSError, ValueError):
            sessions.append(_read(path))
    return sorted(sessions, key=lambda session: session.started)


def close_open(run: Path) -> None:
    """End the records whose end nobody saw: such an mdrun wrote to its log for as long as it ran."""
    with contextlib.suppress(OSError):
        wrote = (run / "md.log").stat().st_mtime
        for path in sorted((run / FOLDER).glob("*.json")):
            with contextlib.suppress(OSError, ValueError):
                session = _read(path)
                if not session.ended:
                    seconds = max(session.wall_seconds, wrote - session.started)
                    write_json(path, asdict(replace(session, wall_seconds=seconds, ended=True)))


class SessionRecord:
    """The record of an mdrun that runs now. A full disk or a lost folder never ends the watch over it."""

    def __init__(self, run: Path, processors: int, gromacs: str, simd: str) -> None:
        numbers = [int(path.stem) for path in (run / FOLDER).glob("*.json") if path.stem.isdecimal()]
        self._path = run / FOLDER / f"{max(numbers, default=0) + 1:05d}.json"
        self._began = time.monotonic()
        self._session = Session(time.time(), 0.0, processors, None, False, socket.gethostname(), gromacs, simd)
        self.update(None)

    def update(self, cpu_seconds: float | None, ended: bool = False) -> None:
        """Write how long it has run, and the processor time that it has used."""
        seconds = time.monotonic() - self._began
        self._session = replace(self._session, wall_seconds=seconds, cpu_seconds=cpu_seconds, ended=ended)
        with contextlib.suppress(OSError):
            write_json(self._path, asdict(self._session))
