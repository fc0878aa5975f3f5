"""Compiled loops where nothing can be kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = """
from eoli.core.compiled import compiled
@compiled()
def twice(x):
    return 2 * x
print(twice(21))
"""


@pytest.mark.parametrize("writable", [True, False])
def test_loops_work_without_a_place_for_their_cache(tmp_path: Path, writable: bool) -> None:
    """A folder that is a file can be written by nobody, not even by root."""
    (tmp_path / "loops.py").write_text(SOURCE)
    home, cache = tmp_path / "home", tmp_path / "__pycache__"
    for path in (home, cache):
        path.mkdir() if writable else path.write_text("")
    unset = ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")
    environment = {k: v for k, v in os.environ.items() if k not in unset} | {"HOME": str(home)}
    run = subprocess.run(
        [sys.executable, tmp_path / "loops.py"], env=environment, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "42\n", "")
    shutil.rmtree(cache, ignore_errors=True)
