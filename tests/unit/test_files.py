"""Files that appear whole: what a killed writer left, what a full disk says, whose permissions they have."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eoli.analysis.common import write_results
from eoli.core.files import whole, write_table, write_text

KILLED = """
import os, signal, sys
from pathlib import Path
from eoli.core.files import whole
with whole(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_goes_with_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "table.v1.csv"
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert not path.exists() and len(list(tmp_path.iterdir())) == 1
    write_text(tmp_path / "other.csv", "whole")
    assert len(list(tmp_path.iterdir())) == 2
    with whole(path) as mine, whole(path) as beside:
        assert mine.exists() and beside.exists() and mine != beside
        for temporary in (mine, beside):
            temporary.write_text("whole")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["other.csv", "table.v1.csv"]


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as raised, whole(tmp_path / "a.csv"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert raised.value.filename == str(tmp_path / "a.csv") and raised.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())


def test_permissions_are_those_of_the_users_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a.csv", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.csv").stat().st_mode) == 0o640


def test_zero_has_no_sign_in_tables(tmp_path: Path) -> None:
    table = pd.DataFrame({"name": ["a", "-0"], "x": [-0.0, -1e-30], "n": [0, -1], "y": np.float32([-0.0, np.nan])})
    write_table(tmp_path / "a.csv", table)
    assert (tmp_path / "a.csv").read_text() == "name,x,n,y\na,0,0,0\n-0,-1e-30,-1,\n"
    write_results(table, {"x": [-0.0, -2.0], "y": {"z": -0.0}}, tmp_path / "b.csv", tmp_path / "b.json")
    assert (tmp_path / "b.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()
    assert "-0" not in (tmp_path / "b.json").read_text()
    assert np.signbit(table["x"][0])
