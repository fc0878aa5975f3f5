"""State of a run folder's files when mdrun ended, compared at the next look so that damage is noticed and named.

While mdrun runs, the record holds the files that it leaves unchanged, and its checkpoints; after a kill, no more.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from eoli.core.files import read_record, write_json
from eoli.errors import DataError
from eoli.stage.checkpoint import read_checkpoint
from eoli.stage.job import GROWING

NAME = "session-end.json"
CHECKPOINTS = ("md.cpt", "md_prev.cpt")
KEPT = "md_kept.cpt"
"""A checkpoint that mdrun would never replace, see `keep_previous`; the oldest of the three."""
RESTARTS = (*CHECKPOINTS, KEPT)
STARTS = ("start.gro", "start.trr")
FIXED = ("md.tpr", *STARTS)
_ALL = (*FIXED, *RESTARTS, *GROWING, "md.gro", "state.trr")
_PIECE = 1 << 22
_SEAL = "sha256"


@dataclass(frozen=True)
class Part:
    """The first `size` bytes of a file, as SHA-256."""

    size: int
    sha256: str

    def begins(self, path: Path) -> bool:
        """Whether a file begins with these bytes."""
        try:
            return _digests(path, [self.size])[self.size] == self.sha256
        except (OSError, KeyError):
            return False

    def is_all_of(self, path: Path) -> bool:
        """Whether a file is exactly these bytes."""
        return path.is_file() and path.stat().st_size == self.size and self.begins(path)


@dataclass(frozen=True)
class Ending:
    """Files of a run by name, and what each checkpoint continues of the growing ones."""

    files: Mapping[str, Part] = field(default_factory=dict)
    continued: Mapping[str, Mapping[str, Part]] = field(default_factory=dict)

    def damaged_checkpoints(self, run: Path) -> set[str]:
        """Checkpoints that are not as written. mdrun advances both at once: if one matches the record, so must the
        other. If neither does, or none was recorded, they are younger than the record."""
        if not self.files.keys() & set(CHECKPOINTS):
            return set()
        same = {
            name: self.files[name].is_all_of(run / name) if name in self.files else not (run / name).exists()
            for name in CHECKPOINTS
        }
        return set() if sum(same.values()) != 1 else {name for name in CHECKPOINTS if not same[name]}

    def continued_by(self, checkpoint: Path) -> Mapping[str, Part]:
        """What a checkpoint continues, wherever it lies now; empty if unknown."""
        for name, parts in self.continued.items():
            if name in self.files and self.files[name].is_all_of(checkpoint):
                return parts
        return {}


def sealed(data: dict[str, Any]) -> dict[str, Any]:
    """A JSON record with the SHA-256 of its content."""
    return data | {_SEAL: _sum(data)}


def unsealed(data: dict[str, Any]) -> dict[str, Any]:
    """The record without its sum; records from before there were sums pass.

    Raises ValueError if it was altered.
    """
    rest = {key: value for key, value in data.items() if key != _SEAL}
    if _SEAL in data and data[_SEAL] != _sum(rest):
        raise ValueError("not as it was written")
    return rest


def _sum(data: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _digests(path: Path, sizes: Iterable[int]) -> dict[int, str]:
    """SHA-256 of the first bytes of a file, for each of `sizes` that it reaches."""
    found, at, digest = {}, 0, hashlib.sha256()
    with path.open("rb") as stream:
        for size in sorted(set(sizes)):
            while at < size and (piece := stream.read(min(size - at, _PIECE))):
                digest.update(piece)
                at += len(piece)
            if at == size:
                found[size] = digest.hexdigest()
    return found


def read_ending(run: Path) -> Ending:
    """The record of a run folder; an empty one if none is readable."""
    try:
        return TypeAdapter(Ending).validate_python(unsealed(read_record(run / NAME)))
    except ValueError:
        return Ending()


@dataclass(frozen=True)
class _Place:
    """Which file lies at a path, and how it looks from outside."""

    inode: int
    size: int
    modified_ns: int


def _place(path: Path) -> _Place:
    found = path.stat()
    return _Place(found.st_ino, found.st_size, found.st_mtime_ns)


def write_ending(run: Path, names: Iterable[str] = _ALL) -> None:
    """Record the current state of a run folder's files."""
    present = {name: _place(run / name) for name in names if (run / name).is_file()}
    ends: dict[str, dict[str, int]] = {}
    for name in present.keys() & set(RESTARTS):
        with contextlib.suppress(DataError):
            files = read_checkpoint(run / name).files
            ends[name] = {each.name: each.size for each in files if each.name in present}
    digests = {
        name: _digests(run / name, [at.size, *(sizes[name] for sizes in ends.values() if name in sizes)])
        for name, at in present.items()
    }
    # dates alone do not tell: mdrun may write two checkpoints within one tick of the file system's clock
    if any(_place(run / name) != at or at.size not in digests[name] for name, at in present.items()):
        return  # mdrun has just written the next checkpoint
    record = Ending(
        {name: Part(at.size, digests[name][at.size]) for name, at in present.items()},
        {
            checkpoint: {name: Part(size, digests[name][size]) for name, size in sizes.items() if size in digests[name]}
            for checkpoint, sizes in ends.items()
        },
    )
    write_json(run / NAME, sealed(asdict(record)))


def keep_previous(run: Path) -> None:
    """Move md_prev.cpt to md_kept.cpt.

    For the versions that write md_prev.cpt only where there is none: the next checkpoint then leaves the newest one
    there, and until then this one is kept.
    """
    with contextlib.suppress(FileNotFoundError):
        (run / CHECKPOINTS[1]).replace(run / KEPT)


def forget(run: Path, names: Iterable[str]) -> None:
    """Remove files from the record before they are changed on purpose."""
    known = read_ending(run)
    if known.files:
        kept = {name: part for name, part in known.files.items() if name not in names}
        write_json(run / NAME, sealed(asdict(Ending(kept, known.continued))))
