"""Full-precision states (TRR): reading, and extracting one frame as the start of the next stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eoli.core.files import whole
from eoli.errors import DataError


@dataclass(frozen=True)
class StateInfo:
    """A frame of a TRR file; volume in nm3, time in ps as the file has it."""

    step: int
    time_ps: float
    volume_nm3: float
    has_velocities: bool


def _open(path: Path, mode: str = "r"):  # type: ignore[no-untyped-def]
    from MDAnalysis.lib.formats.libmdaxdr import TRRFile

    try:
        return TRRFile(str(path), mode)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def read_states(path: Path) -> list[StateInfo]:
    """All frames of a TRR file.

    Raises DataError if the file is missing or damaged.
    """
    states = []
    with _open(path) as stream:
        try:
            for frame in stream:
                box = np.asarray(frame.box, dtype=np.float64)
                states.append(
                    StateInfo(int(frame.step), float(frame.time), float(abs(np.linalg.det(box))), bool(frame.hasv))
                )
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: damaged after frame {len(states)}: {error}") from error
    if not states:
        raise DataError(f"{path}: holds no frame")
    return states


def _frame(stream: Any, path: Path, index: int) -> Any:
    try:
        stream.seek(index if index >= 0 else len(stream) + index)
        return stream.read()
    except (OSError, EOFError, StopIteration) as error:
        raise DataError(f"{path}: frame {index} cannot be read: {error}") from error


def read_positions(path: Path, index: int = -1) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Positions (n_sites, 3) and box vectors (3, 3) of a frame, nm.

    Raises DataError if the file has no such frame.
    """
    with _open(path) as stream:
        frame = _frame(stream, path, index)
        return np.asarray(frame.x, dtype=np.float64), np.asarray(frame.box, dtype=np.float64)


def read_velocities(path: Path) -> npt.NDArray[np.float64] | None:
    """Velocities (n_sites, 3) of the last frame, nm/ps; None if it has none.

    Raises DataError if the file has no frame.
    """
    with _open(path) as stream:
        frame = _frame(stream, path, -1)
        return np.asarray(frame.v, dtype=np.float64) if frame.hasv else None


def copy_frame(source: Path, index: int, target: Path, step: int = 0) -> None:
    """Write one frame of a TRR as its own TRR: the same float32 numbers, at time 0 and the given step.

    Raises DataError if the file has no such frame, or if the step exceeds the TRR's 32 bits.
    """
    with _open(source) as stream, whole(target) as temporary:
        frame = _frame(stream, source, index)
        velocities = frame.v if frame.hasv else None
        with _open(temporary, "w") as out:
            try:
                out.write(frame.x, velocities, None, frame.box, step, 0.0, 0.0, stream.n_atoms)
            except OverflowError as error:
                raise DataError(f"{target}: a TRR file holds steps up to 2147483647, not {step}") from error


def nearest_to_mean(volumes_nm3: npt.NDArray[np.float64], first: int, mean_nm3: float) -> int:
    """Index of the frame, at `first` or later, whose volume is closest to the mean."""
    return first + int(np.argmin(np.abs(volumes_nm3[first:] - mean_nm3)))
