"""Trajectories made elsewhere: pieces of XTC or TRR joined into the one XTC file that `reader` opens.

The originals are only read. Frames of XTC are copied as they are, byte for byte; those of TRR are written with
`TRR_PRECISION`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from MDAnalysis.lib.formats.libmdaxdr import TRRFile, XTCFile

from eoli.core.arrays import Floats, Indices
from eoli.core.files import sha256, whole, write_json
from eoli.core.numbers import counted
from eoli.errors import DataError, InputError
from eoli.study.roles import read_roles
from eoli.topology.description import SystemDescription
from eoli.topology.roles import composition, describe_universe, read_run_input
from eoli.trajectory.reader import Trajectory, misplaced, open_trajectory

TRR_PRECISION = 10_000.0
"""Steps per nm of positions that come from TRR: ten times finer than GROMACS' default."""
_HEADER = struct.Struct(">iiif9f")
"""Begin of an XTC frame: magic number, atoms, step, time in ps, box vectors in nm."""
_SIZE_AT = _HEADER.size + 36
"""Place in a frame of the number of bytes of its coordinates, which begin after it and fill whole words."""
_UNCOMPRESSED = 9
"""Atoms up to which XTC writes the positions as they are."""
_SKEW = 1e-5
_AT_ONCE = 1 << 24
NOT_JUDGED = "imported: the run itself was not judged"
"""Warning of every imported run: its energies, temperature and constraints are its user's concern."""


@dataclass(frozen=True)
class Piece:
    """Frames of one file: `times_ps` (F,), `boxes_nm` (F, 3, 3), and of XTC the bytes (F + 1,) between which they lie."""

    path: Path
    times_ps: Floats
    boxes_nm: Floats
    bytes_at: Indices | None


@dataclass(frozen=True)
class Joined:
    """A joined trajectory, and in words what was left out."""

    trajectory: Trajectory
    notes: tuple[str, ...]


def _end_of_frame(path: Path, offset: int, n_atoms: int) -> int:
    """First byte after an XTC frame."""
    if n_atoms <= _UNCOMPRESSED:
        return offset + _HEADER.size + 4 + 12 * n_atoms
    with path.open("rb") as stream:
        stream.seek(offset + _SIZE_AT)
        (size,) = struct.unpack(">i", stream.read(4))
    return int(offset + _SIZE_AT + 4 + (size + 3) // 4 * 4)


def _read_xtc(path: Path, n_sites: int) -> Piece:
    with XTCFile(str(path)) as file:
        n_atoms, offsets = int(file.n_atoms), np.asarray(file.offsets, dtype=np.int64)
        if n_atoms == n_sites and len(offsets):
            file.seek(len(offsets) - 1)
            # raises if the last frame is cut
            file.read()
    _require(path, n_atoms, n_sites)
    times, boxes = np.empty(len(offsets)), np.empty((len(offsets), 3, 3))
    with path.open("rb") as stream:
        for row, offset in enumerate(offsets.tolist()):
            stream.seek(offset)
            _, atoms, _, times[row], *box = _HEADER.unpack(stream.read(_HEADER.size))
            _require(path, atoms, n_sites, row)
            boxes[row] = np.reshape(box, (3, 3))
    size = path.stat().st_size
    if len(offsets) and _end_of_frame(path, int(offsets[-1]), n_sites) != size:
        raise DataError(f"{path}: truncated after frame {len(offsets) - 1}, or still written; allowed: a finished file")
    return Piece(path, times, boxes, np.append(offsets, size))


def _read_trr(path: Path, n_sites: int) -> Piece:
    times, boxes = [], []
    with TRRFile(str(path)) as file:
        _require(path, int(file.n_atoms), n_sites)
        for frame in file:
            # those with velocities or forces alone are none
            if frame.hasx:
                times.append(float(frame.time))
                boxes.append(np.array(frame.box, dtype=np.float64))
    return Piece(path, np.array(times), np.array(boxes).reshape(-1, 3, 3), None)


def _require(path: Path, found: int, n_sites: int, frame: int | None = None) -> None:
    if found != n_sites:
        where = path if frame is None else f"{path}: frame {frame}"
        raise DataError(f"{where}: {found} atoms; the topology has {n_sites}")


def _read(path: Path, n_sites: int) -> Piece:
    """Times and boxes of a file.

    Raises DataError if it is missing, no XTC or TRR, truncated, growing, without frames, of another number of atoms, or
    has a frame whose box is not orthorhombic.
    """
    readers = {".xtc": _read_xtc, ".trr": _read_trr}
    if path.suffix.lower() not in readers:
        raise DataError(f"{path}: no trajectory that can be read; allowed: .xtc, .trr")
    if not path.is_file():
        raise DataError(f"{path}: no such trajectory")
    size = path.stat().st_size
    try:
        piece = readers[path.suffix.lower()](path, n_sites)
    except (OSError, StopIteration, struct.error, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: no readable trajectory, or truncated: {error}") from error
    if path.stat().st_size != size:
        raise DataError(f"{path}: grows while it is read: its run has not ended; allowed: a finished file, or a copy")
    if not len(piece.times_ps):
        raise DataError(f"{path}: holds no frame with positions")
    _edges(path, piece.boxes_nm)
    return piece


def _edges(path: Path, boxes_nm: Floats) -> Floats:
    """Edges (F, 3) of boxes (F, 3, 3). Raises DataError for a frame without one, or with other than right angles."""
    edges = np.diagonal(boxes_nm, axis1=1, axis2=2)
    off = np.abs(boxes_nm * (1 - np.eye(3))).max(axis=(1, 2))
    wrong = np.flatnonzero(~((edges > 0).all(axis=1) & (off <= _SKEW * edges.min(axis=1))))
    if len(wrong):
        raise DataError(f"{path}: frame {wrong[0]} has no box, or one that is not orthorhombic; allowed: right angles")
    return edges


def _kept(pieces: Sequence[Piece]) -> list[int]:
    """Frames of each piece before the next one begins: what a run that went on from a checkpoint wrote again counts.

    Raises DataError for pieces that are not in order of time.
    """
    kept = []
    for number, piece in enumerate(pieces):
        if number + 1 == len(pieces):
            kept.append(len(piece.times_ps))
            continue
        after = pieces[number + 1]
        if after.times_ps[0] < piece.times_ps[0] or after.times_ps[-1] <= piece.times_ps[-1]:
            raise DataError(
                f"{after.path}: from {after.times_ps[0]:g} to {after.times_ps[-1]:g} ps, and {piece.path} before it from "
                f"{piece.times_ps[0]:g} to {piece.times_ps[-1]:g} ps; allowed: pieces in order of time"
            )
        # the last digit of a time in single precision
        least = after.times_ps[0] - 2 * np.spacing(np.float32(abs(after.times_ps[0])))
        kept.append(int(np.count_nonzero(piece.times_ps < least)))
    return kept


def _check_spacing(pieces: Sequence[Piece], kept: Sequence[int], interval_ps: float | None) -> float:
    """Frame interval, ps. Raises DataError that names the frame which is not at its time."""
    times = np.concatenate([piece.times_ps[:n] for piece, n in zip(pieces, kept, strict=True)])
    if len(times) < 2:
        raise DataError(f"{pieces[0].path}: {len(times)} frame; at least 2 are needed")
    found = float(times[-1] - times[0]) / (len(times) - 1)
    first = float(times[1] - times[0])
    # of the whole run where it is as in the beginning, since times are rounded
    interval = found if abs(found - first) <= 0.01 * first else first
    if not interval > 0:
        raise DataError(f"{pieces[0].path}: frames are not in order of time: frame 1 is at {times[1]:g} ps")
    if interval_ps is not None:
        if abs(interval - interval_ps) > 0.01 * interval_ps:
            raise DataError(f"{pieces[0].path}: frames every {interval:g} ps, not every {interval_ps:g} ps")
        interval = interval_ps
    off = misplaced(np.arange(len(times)), times, float(times[0]), interval)
    if len(off):
        row = int(off[0])
        number = int(np.searchsorted(np.cumsum(kept), row, side="right"))
        raise DataError(
            f"{pieces[number].path}: frames are not equidistant: frame {row - sum(kept[:number])} is at {times[row]:g} ps, "
            f"not at {times[0] + row * interval:g} ps (frame interval {interval:g} ps)"
        )
    return interval


def _write(pieces: Sequence[Piece], kept: Sequence[int], n_sites: int, out: Path) -> None:
    """Join the first `kept` frames of each piece."""
    if all(piece.bytes_at is not None for piece in pieces):
        with out.open("wb") as target:
            for piece, n in zip(pieces, kept, strict=True):
                assert piece.bytes_at is not None
                with piece.path.open("rb") as source:
                    _copy(source, target, int(piece.bytes_at[n]))
        return
    with XTCFile(str(out), "w") as target_xtc:
        for piece, n in zip(pieces, kept, strict=True):
            if piece.bytes_at is not None:
                with XTCFile(str(piece.path)) as xtc:
                    for _, frame in zip(range(n), xtc, strict=False):
                        target_xtc.write(frame.x, frame.box, frame.step, frame.time, TRR_PRECISION)
            else:
                with TRRFile(str(piece.path)) as trr:
                    left = n
                    for frame in trr:
                        if frame.hasx and left:
                            target_xtc.write(frame.x, frame.box, frame.step, frame.time, TRR_PRECISION)
                            left -= 1


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> None:
    """Copy `size` bytes from the start of one open file to the end of another."""
    while size > 0:
        data = source.read(min(_AT_ONCE, size))
        if not data:
            raise DataError(f"{source.name}: became shorter while it was read; allowed: a finished file, or a copy")
        target.write(data)
        size -= len(data)


def join(
    pieces: Sequence[Path], n_sites: int, out: Path, interval_ps: float | None = None, length_ps: float | None = None
) -> Joined:
    """Join the files of one trajectory, in order of time, into an XTC file.

    Where a piece begins before the one in front ends, the later piece counts. `interval_ps` is the frame interval,
    `length_ps` the time from the first frame to the last, if known. Raises DataError, one line that names the file and
    frame, and leaves no file, for a piece that is missing, truncated, growing or no trajectory, for another number of
    atoms, a box that is not orthorhombic, pieces that are not in order, frames that are not equidistant, fewer than two
    frames, and another length.
    """
    read = [_read(path, n_sites) for path in pieces]
    kept = _kept(read)
    interval = _check_spacing(read, kept, interval_ps)
    found = (sum(kept) - 1) * interval
    if length_ps is not None and abs(found - length_ps) > 0.5 * interval:
        raise DataError(f"{pieces[0]}: frames over {found / 1000:g} ns; the study says length_ns: {length_ps / 1000:g}")
    notes = [
        f"{counted(len(piece.times_ps) - n, 'frame')} of {piece.path.name} from {piece.times_ps[n]:g} ps left out, which "
        f"{after.path.name} has again"
        for piece, n, after in zip(read, kept, read[1:], strict=False)
        if n < len(piece.times_ps)
    ]
    with whole(out) as temporary:
        _write(read, kept, n_sites, temporary)
        open_trajectory(temporary, n_sites, interval)
    if any(piece.bytes_at is None for piece in read):
        notes.append(f"positions of TRR rounded to {1 / TRR_PRECISION:g} nm")
    return Joined(open_trajectory(out, n_sites, interval), tuple(notes))


def survey(pieces: Sequence[Path], n_sites: int) -> tuple[float, float]:
    """Frame interval, ps, and length, ns, of the files of one trajectory. Raises DataError as `join` does."""
    read = [_read(path, n_sites) for path in pieces]
    kept = _kept(read)
    interval = _check_spacing(read, kept, None)
    # the times of a file have seven digits
    return float(f"{interval:.5g}"), float(f"{(sum(kept) - 1) * float(f'{interval:.5g}') / 1000:.9g}")


def first_frame(path: Path, n_sites: int) -> tuple[Floats, Floats]:
    """Positions (n_sites, 3) and box edges (3,) of a file's first frame, nm.

    Raises DataError as `join` does for a single piece.
    """
    if path.suffix.lower() not in (".xtc", ".trr"):
        raise DataError(f"{path}: no trajectory that can be read; allowed: .xtc, .trr")
    if not path.is_file():
        raise DataError(f"{path}: no such trajectory")
    try:
        with (TRRFile if path.suffix.lower() == ".trr" else XTCFile)(str(path)) as file:
            _require(path, int(file.n_atoms), n_sites)
            frame = next(frame for frame in file if getattr(frame, "hasx", True))
    except (OSError, StopIteration) as error:
        raise DataError(f"{path}: no readable trajectory, or truncated: {error}") from error
    return np.array(frame.x, dtype=np.float64), _edges(path, np.array(frame.box, dtype=np.float64)[None])[0]


def describe_run(topology: Path, roles: Path, first: Path, label: str) -> SystemDescription:
    """Description of an imported run: of the file `topology`, the roles file, and the first frame of a trajectory.

    `label` names the force field. Raises InputError and DataError as `read_run_input`, `read_roles`, `first_frame` and
    `describe_universe` do.
    """
    given, universe = read_roles(roles), read_run_input(topology)
    positions, edges = first_frame(first, len(universe.atoms))
    return describe_universe(universe, given, label, sha256(topology), positions, edges, str(first))


def check_composition(description: SystemDescription, said: Mapping[str, Any], topology: Path) -> None:
    """Compare the box with what a study says about it, `said`: keys of `composition`.

    Raises InputError for the first key that differs.
    """
    for key, found in composition(description).items():
        if key in said and abs(said[key] - found) > 1e-6:
            raise InputError(f"{key}: {said[key]:g} is not what {topology} has; allowed: {found:g}")


def import_frames(
    pieces: Sequence[Path], description: SystemDescription, frame_interval_ps: float, length_ns: float, out: Path
) -> tuple[str, ...]:
    """Write the trajectory of a run of known length as `md.xtc` in the folder `out`, and its verdict; returns notes.

    Raises DataError as `join` does.
    """
    joined = join(pieces, description.n_sites, out / "md.xtc", frame_interval_ps, length_ns * 1000)
    verdict = {"system": out.parent.name, "stage": out.name, "status": "warn", "broken": [], "warnings": [NOT_JUDGED]}
    write_json(out / "verdict.json", verdict | {"values": {"ns": length_ns}})
    return joined.notes
