"""Records of products: the request, the inputs and the bytes written, all checked by content.

Dates and Snakemake's own notes can be lost, copied or set back. A record lies beside its product and holds SHA-256
sums, so that a result that is stale, damaged or from another study is recognised wherever it was copied to.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eoli.core.files import sha256
from eoli.errors import DataError

ENDING = "provenance.json"
Options = Mapping[str, tuple[str, ...]]

_WHERE_AND_HOW = (
    "out log gro report table results start-from topology blocks system-json small-json state reduced trajectory energies "
    "analysis analyses study conductivity config set base system threads processes at-once pin no-pin hyper-threads "
    "no-hyper-threads checkpoint-minutes max-hours walltime-minutes reproducible gmx gmx-launcher gmx-module nb pme bonded "
    "update"
)
WHERE_AND_HOW = frozenset(_WHERE_AND_HOW.split())
"""Command options that say where something lies or how it is computed, not what it is."""


@dataclass(frozen=True)
class Mark:
    """A file as it was written: size in bytes, SHA-256, modification time in ns since 1970."""

    size: int
    sha256: str
    modified_ns: int

    def __post_init__(self) -> None:
        for value, kind in ((self.size, int), (self.sha256, str), (self.modified_ns, int)):
            if type(value) is not kind:
                raise TypeError(f"{value!r} is no {kind.__name__}")

    def fits(self, path: Path) -> bool:
        """Whether a file still has the content of the mark.

        It is read only if its date has changed. If it fits, it gets the old date back, so that it is read only once and
        a copy without dates no longer looks newer.
        """
        try:
            found = path.stat()
            if found.st_size != self.size:
                return False
            if found.st_mtime_ns == self.modified_ns:
                return True
            if content(path) != self.sha256:
                return False
        except OSError:
            return False
        with contextlib.suppress(OSError):
            os.utime(path, ns=(found.st_atime_ns, self.modified_ns))
        return True


@dataclass(frozen=True)
class Record:
    """Record of a product: `options` of its command, SHA-256 of its inputs by path as in the command, marks of its
    files by name, and all else that was written down."""

    path: Path
    options: Options
    inputs: Mapping[str, str]
    outputs: Mapping[str, Mark]
    more: Mapping[str, Any]


def options_of(words: Iterable[str]) -> Options:
    """Options of a command line with their values; the last wins, as in the command itself.

    >>> options_of(["eoli", "motion", "--tolerance", "0.1", "--no-pin"])
    {'tolerance': ('0.1',), 'no-pin': ()}
    """
    found: dict[str, tuple[str, ...]] = {}
    name = None
    for word in words:
        if word.startswith("--") and len(word) > 2:
            name, equals, value = word[2:].partition("=")
            found[name] = (value,) if equals else ()
        elif name is not None:
            found[name] = (*found[name], word)
    return found


def content(path: Path) -> str:
    """SHA-256 of a file; each process reads it once unless it changes."""
    found = path.stat()
    return _content(path, found.st_size, found.st_mtime_ns, found.st_ino)


@functools.cache
def _content(path: Path, _size: int, _modified_ns: int, _inode: int) -> str:
    return sha256(path)


def mark(path: Path) -> Mark:
    """The present mark of a file. Raises OSError if it cannot be read."""
    found = path.stat()
    return Mark(found.st_size, content(path), found.st_mtime_ns)


def marks(folder: Path, paths: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Marks of files for a record in `folder`, by relative path."""
    return {os.path.relpath(path, folder): asdict(mark(path)) for path in sorted(set(paths)) if path.is_file()}


def date_after(paths: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Date files no earlier than their inputs, which lie in the future if a clock was set back since."""
    newest = max((path.stat().st_mtime_ns for path in inputs if path.exists()), default=0)
    for path in paths:
        if path.exists() and path.stat().st_mtime_ns < newest:
            os.utime(path, ns=(newest, newest))


def record_beside(path: Path) -> Path:
    """Path of a file's record: `motion.provenance.json` for `motion.csv`."""
    return path.with_name(f"{path.stem}.{ENDING}")


def read_record_of(path: Path) -> Record | None:
    """A record; None if there is none.

    Raises DataError for a malformed file.
    """
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        data = json.loads(text)
        outputs = {name: Mark(**entry) for name, entry in data.get("outputs", {}).items()}
        inputs = {str(name): str(digest) for name, digest in data["inputs_sha256"].items()}
        return Record(path, options_of(map(str, data["called_as"])), inputs, outputs, data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: no record of what was made ({type(error).__name__})") from error


def other_options(asked: Options, record: Record) -> list[str]:
    """Differences from the request: `length-ns is 0.006, asked for 0.008`, one per option."""
    found = {name: values for name, values in record.options.items() if name not in WHERE_AND_HOW or name in asked}

    def text(name: str) -> str:
        if name not in asked:
            return f"{name} is {' '.join(found[name]) or 'set'}, asked for none"
        wanted = f", asked for {' '.join(asked[name])}" if asked[name] else ""
        return f"{name} is {' '.join(found[name]) if name in found else 'not set'}{wanted}"

    names = [*asked, *(name for name in found if name not in asked)]
    return [text(name) for name in names if found.get(name) != asked.get(name)]


def damaged(record: Record) -> list[str]:
    """Files of a record that are lost or changed, each with the reason."""
    wrong = []
    for name, known in record.outputs.items():
        path = record.path.parent / name
        if not path.is_file():
            wrong.append(f"{name} is missing")
        elif not known.fits(path):
            wrong.append(f"{name} is not the file that was made")
    return wrong


def check_inputs(paths: Sequence[Path]) -> None:
    """Check that inputs match their own records before anything is computed from them.

    A file without a record is a user's own and passes. Raises DataError with one line for a changed file.
    """
    for path in paths:
        known = _known(path)
        if known is not None and (known.size != path.stat().st_size or known.sha256 != content(path)):
            # readers of records read a file only if its date has changed
            os.utime(path)
            raise DataError(
                f"{path}: is not the file that was made here: cut, damaged or replaced since; snakemake makes it again"
            )


def _known(path: Path) -> Mark | None:
    if not path.is_file():
        return None
    for candidate in (record_beside(path), path.with_name(ENDING), *sorted(path.parent.glob(f"*.{ENDING}"))):
        try:
            record = read_record_of(candidate)
        except DataError:
            continue
        if record is not None and path.name in record.outputs:
            return record.outputs[path.name]
    return None
