"""How a result was made: versions, commit, host, hashes, commands."""

from __future__ import annotations

import importlib.metadata
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eoli import PROJECT
from eoli.core.records import content

PACKAGES = (
    "eoli",
    "snakemake",
    "gromacswrapper",
    "MDAnalysis",
    "packmol",
    "numpy",
    "scipy",
    "numba",
    "h5py",
    "pandas",
    "pymbar",
    "pyedr",
)


_SELF = Path(__file__).resolve()


def _git(*arguments: str) -> str | None:
    try:
        run = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return run.stdout.strip() if run.returncode == 0 else None


def commit() -> dict[str, str | bool | None]:
    """Commit of this project, and whether tracked files differ from it; None without a repository of its own.

    A tarball unpacked inside another repository, or an installed package, has no commit.
    """
    root = _git("rev-parse", "--show-toplevel")
    if root is None or Path(root).resolve() != PROJECT or _git("ls-files", "--error-unmatch", str(_SELF)) is None:
        return {"commit": None, "modified": None}
    status = _git("status", "--porcelain", "--untracked-files=no")
    return {"commit": _git("rev-parse", "HEAD"), "modified": None if status is None else bool(status)}


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that affect results."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def provenance(inputs: Sequence[Path], commands: Sequence[Sequence[str]], **more: Any) -> Mapping[str, Any]:
    """A JSON record: software, host, SHA-256 of the inputs, exact commands, and the caller's additions."""
    return {
        "software": {"python": platform.python_version(), **package_versions()},
        "git": commit(),
        "host": socket.gethostname(),
        "made": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "inputs_sha256": {str(path): content(path) for path in inputs if path.is_file()},
        "commands": [list(command) for command in commands],
        "called_as": sys.argv,
        **more,
    }
