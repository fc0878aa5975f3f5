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
from support import mistake

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


def test_only_a_regular_file_is_replaced(tmp_path: Path) -> None:
    folder, pipe, table, linked = (tmp_path / name for name in ("folder", "pipe", "a.csv", "linked"))
    folder.mkdir()
    os.mkfifo(pipe)
    for path, says in ((folder, f"{folder} is a folder"), (pipe, f"{pipe} is no regular file")):
        assert mistake(lambda path=path: write_text(path, "x")) == f"{says}; allowed: a file"
    linked.symlink_to(pipe)
    assert "is no regular file" in mistake(lambda: write_text(linked, "x"))
    for _ in range(2):
        write_text(table, "x")
    assert pipe.is_fifo() and linked.is_symlink() and folder.is_dir() and table.read_text() == "x"


def test_the_links_of_the_system_to_its_streams_stay(tmp_path: Path) -> None:
    """Also where the output goes into a regular file, to which /dev/stdout then is a link."""
    code = "from pathlib import Path\nfrom eoli.core.files import check_replaceable as f\nf(Path('/dev/stdout'))"
    with (tmp_path / "out.txt").open("w") as out:
        done = subprocess.run([sys.executable, "-c", code], stdout=out, stderr=subprocess.PIPE, text=True, check=False)
    assert "/dev/stdout is no regular file; allowed: a file" in done.stderr


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
