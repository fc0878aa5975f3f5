"""Cost of each mdrun of a stage: one small record per start, updated while it runs: a kill loses only seconds."""

from __future__ import annotations

import contextlib
import socket
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from eoli.analysis.results import read_found
from eoli.core.files import write_json
from eoli.errors import DataError

FOLDER = "sessions"


@dataclass(frozen=True)
class Session:
    """One mdrun: start (s since 1970), duration, hardware threads held, processor time used (None if unknown, as when a
    launcher starts it elsewhere), whether its end was seen, and the first step of the piece of the stage that it ran."""

    started: float
    wall_seconds: float
    processors: int
    cpu_seconds: float | None
    ended: bool
    host: str
    gromacs: str
    simd: str
    piece: int = 0


def _read(path: Path) -> Session | None:
    """One record; None if it is lost. Raises DataError for a malformed file."""
    record = read_found(path, "session")
    return (
        None
        if record is None
        else Session(**{field.name: record[field.name] for field in fields(Session) if field.name in record})
    )


def read_sessions(run: Path) -> list[Session]:
    """All sessions of a run folder in order.

    Raises DataError for a malformed record: without it the run would seem cheaper than it was.
    """
    found = [_read(path) for path in sorted((run / FOLDER).glob("*.json"))]
    return sorted((session for session in found if session is not None), key=lambda session: session.started)


def close_open(run: Path) -> None:
    """Close the records whose end nobody saw: such an mdrun ran as long as it wrote to its log."""
    with contextlib.suppress(OSError):
        wrote = (run / "md.log").stat().st_mtime
        for path in sorted((run / FOLDER).glob("*.json")):
            with contextlib.suppress(OSError, DataError):
                session = _read(path)
                if session is not None and not session.ended:
                    seconds = max(session.wall_seconds, wrote - session.started)
                    write_json(path, asdict(replace(session, wall_seconds=seconds, ended=True)))


class SessionRecord:
    """Record of a running mdrun. A full disk or a lost folder never ends the supervision."""

    def __init__(self, run: Path, processors: int, gromacs: str, simd: str, piece: int = 0) -> None:
        numbers = [int(path.stem) for path in (run / FOLDER).glob("*.json") if path.stem.isdecimal()]
        self._path = run / FOLDER / f"{max(numbers, default=0) + 1:05d}.json"
        self._began = time.monotonic()
        self._session = Session(time.time(), 0.0, processors, None, False, socket.gethostname(), gromacs, simd, piece)
        self.update(None)

    def update(self, cpu_seconds: float | None, ended: bool = False) -> None:
        """Write its duration and processor time so far."""
        seconds = time.monotonic() - self._began
        self._session = replace(self._session, wall_seconds=seconds, cpu_seconds=cpu_seconds, ended=ended)
        with contextlib.suppress(OSError):
            write_json(self._path, asdict(self._session))
