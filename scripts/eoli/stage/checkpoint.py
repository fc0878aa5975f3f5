"""Checkpoints of mdrun, read byte by byte: whether whole, at which step, and whether the files they continue match.

No GROMACS tool is asked: a tool that fails proves nothing about the file; it may be older, or lack memory or a library.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from eoli.errors import DataError

_FIRST, _LAST = 171817, 171819
_OLDEST_LAYOUT = 14
# file name, its length when the checkpoint was written, length and MD5 sum of its end (checkpoint.cpp)
_FILE = re.compile(rb"\0\0\0\x06(md\.(?:log|xtc|trr|edr))\0\0(.{8})(.{4})((?:\0\0\0.){16})", re.DOTALL)


@dataclass(frozen=True)
class Continued:
    """A file that mdrun truncates to `size` bytes and appends to; `md5` is that of its last `checked` bytes, if any."""

    name: str
    size: int
    checked: int
    md5: bytes

    def fits(self, path: Path) -> bool:
        """Whether a file holds what was written up to the checkpoint; its end is compared as mdrun does it."""
        try:
            with path.open("rb") as stream:
                if stream.seek(0, 2) < self.size:
                    return False
                stream.seek(max(0, self.size - max(0, self.checked)))
                tail = stream.read(max(0, self.checked))
        except OSError:
            return False
        return self.checked <= 0 or hashlib.md5(tail, usedforsecurity=False).digest() == self.md5


@dataclass(frozen=True)
class Checkpoint:
    """Contents of a checkpoint: the GROMACS that wrote it, its step, the files that it continues."""

    gromacs: str
    step: int
    files: tuple[Continued, ...]


class _Reader:
    """Reads successive XDR numbers and strings."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def _take(self, kind: str, size: int) -> int:
        (value,) = struct.unpack_from(kind, self._data, self._at)
        self._at += size
        return int(value)

    def number(self) -> int:
        return self._take(">i", 4)

    def long(self) -> int:
        return self._take(">q", 8)

    def text(self) -> str:
        length = self._take(">I", 4)
        found = self._data[self._at : self._at + length]
        if length > 4096 or len(found) < length:
            raise ValueError("a text without end")
        self._at += -(-length // 4) * 4
        return found.rstrip(b"\0").decode("utf-8", errors="replace")


def read_checkpoint(path: Path) -> Checkpoint:
    """Read the header of a checkpoint.

    Raises DataError if it is missing, truncated, or not a checkpoint.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        reader = _Reader(data)
        if reader.number() != _FIRST:
            raise ValueError("it does not begin as one")
        if struct.unpack(">i", data[-4:])[0] != _LAST:
            raise ValueError("its end is missing")
        gromacs, *_unused = (reader.text() for _ in range(6))
        if reader.number() < _OLDEST_LAYOUT:
            raise ValueError("its layout is of GROMACS 4")
        reader.number()  # precision
        reader.text()  # host
        sites, *_others, part = (reader.number() for _ in range(7))
        step = reader.long()
        if sites < 1 or part < 1 or step < 0:
            raise ValueError(f"it speaks of {sites} sites, part {part}, step {step}")
    except (ValueError, struct.error) as error:
        raise DataError(f"{path}: no whole checkpoint: {error}") from error
    files = []
    for name, at, checked, md5 in _FILE.findall(data):
        (size,), (length,) = struct.unpack(">q", at), struct.unpack(">i", checked)
        files.append(Continued(name.decode(), size, length, md5[3::4]))
    return Checkpoint(gromacs, step, tuple(files))
