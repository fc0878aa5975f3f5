"""Atomic files: whole or not at all."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import math
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eoli.errors import DataError, InputError

if TYPE_CHECKING:
    import pandas as pd


written: list[Path] = []
"""Files that this process has written, for a command's record."""


def _owner(pid: int | None = None) -> str:
    """Identifies a process (by default this one) among all that may write into a shared folder."""
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        namespace = 0
    machine = hashlib.sha256(f"{socket.gethostname()} {namespace}".encode()).hexdigest()[:12]
    return f"{machine}-{os.getpid() if pid is None else pid}"


def _remove_left(path: Path) -> None:
    """Remove what a killed process of this machine left of `path`."""
    machine = _owner().partition("-")[0]
    for left in path.parent.glob(f".{glob.escape(path.stem)}.{machine}-*{glob.escape(path.suffix)}"):
        pid = left.name[len(f".{path.stem}.{machine}-") :].partition(".")[0]
        try:
            os.kill(int(pid), 0)
        except (ProcessLookupError, OverflowError):
            left.unlink(missing_ok=True)
        except (OSError, ValueError):
            continue


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _named(error: OSError, path: Path) -> OSError:
    """The error, with the target file: a full disk names none, and a temporary name says little."""
    return type(error)(error.errno, error.strerror or str(error), str(path)) if error.errno == errno.ENOSPC else error


def check_replaceable(path: Path) -> None:
    """Raise InputError if what is at `path` is no regular file: to be written as a whole it would be replaced by one."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; allowed: a file")
    # /dev/stdout is a link to a regular file if the output goes into one
    if path.exists() and (not path.is_file() or path.absolute().parent == Path("/dev")):
        raise InputError(f"{path} is no regular file; allowed: a file")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that becomes `path` if the block succeeds and is removed if it fails.

    Raises InputError where something is that is no regular file.
    """
    check_replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_left(path)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.{_owner()}.", suffix=path.suffix)
        os.close(handle)
    except OSError as error:
        raise _named(error, path) from error
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        written.append(path)
    except OSError as error:
        raise _named(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-link a file under a new name; a copy if the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, data: Any) -> None:
    """Write JSON atomically, with sorted keys: the same data gives the same bytes."""
    write_text(path, json.dumps(data, indent=1, sort_keys=True) + "\n")


def table_to_csv(path: Path, table: pd.DataFrame, digits: int = 10) -> None:
    """Write a table as CSV without its index, in place; `digits` is the number of significant digits, zero has no sign."""
    # minus zero plus zero is zero
    unsigned = {str(name): table[name] + 0.0 for name in table if table[name].dtype.kind == "f"}
    table.assign(**unsigned).to_csv(path, index=False, float_format=f"%.{digits}g")


def write_table(path: Path, table: pd.DataFrame, digits: int = 10) -> None:
    """`table_to_csv`, atomically."""
    with whole(path) as temporary:
        table_to_csv(temporary, table, digits)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number


def read_json(path: Path) -> dict[str, Any]:
    """Content of a JSON file; empty if it does not exist.

    Raises DataError for a file that is unreadable, no JSON mapping, or has numbers that JSON does not allow.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"), parse_float=_finite, parse_constant=_finite)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: no JSON: {error}") from error
    if not isinstance(data, dict):
        raise DataError(f"{path}: no JSON mapping")
    return data


def read_record(path: Path) -> dict[str, Any]:
    """A JSON mapping that another process may be writing or have lost: empty if unreadable."""
    try:
        return read_json(path)
    except DataError:
        return {}


def sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
