"""The records that an mdrun leaves of what it cost, however it ends."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

import pytest

from eoli.errors import DataError
from eoli.gromacs.mdrun import Mdrun
from eoli.stage.sessions import SessionRecord, close_open, read_sessions


def test_a_record_grows_and_ends(tmp_path: Path) -> None:
    record = SessionRecord(tmp_path, 2, "2022.5", "AVX2_256")
    (first,) = read_sessions(tmp_path)
    assert (first.processors, first.cpu_seconds, first.ended, first.simd) == (2, None, False, "AVX2_256")
    time.sleep(0.02)
    record.update(1.5)
    record.update(3.0, ended=True)
    (last,) = read_sessions(tmp_path)
    assert (last.cpu_seconds, last.ended) == (3.0, True) and last.wall_seconds >= 0.02
    assert last.started == first.started


def test_sessions_follow_each_other(tmp_path: Path) -> None:
    for number in range(1, 13):
        SessionRecord(tmp_path, number, "2022.5", "").update(None, ended=True)
    assert [session.processors for session in read_sessions(tmp_path)] == list(range(1, 13))


def test_an_end_that_nobody_saw_is_that_of_the_log(tmp_path: Path) -> None:
    SessionRecord(tmp_path, 1, "2022.5", "").update(10.0)
    (open_session,) = read_sessions(tmp_path)
    log = tmp_path / "md.log"
    log.touch()
    os.utime(log, (0, open_session.started + 120))
    close_open(tmp_path)
    (closed,) = read_sessions(tmp_path)
    assert closed.ended and closed.wall_seconds == pytest.approx(120, abs=1e-3)
    close_open(tmp_path)
    assert read_sessions(tmp_path) == [closed]


FOREIGN: list[dict[str, object]] = [
    {"started": "today"}, {"wall_seconds": float("nan")}, {"wall_seconds": -1}, {"processors": 1.5},
    {"cpu_seconds": float("inf")}, {"ended": "no"}, {"host": 7},
]  # fmt: skip


def test_a_record_that_was_lost_is_not_written_over(tmp_path: Path) -> None:
    for number in range(3):
        SessionRecord(tmp_path, number, "2022.5", "")
    (tmp_path / "sessions/00001.json").unlink()
    SessionRecord(tmp_path, 3, "2022.5", "")
    assert [session.processors for session in read_sessions(tmp_path)] == [1, 2, 3]


def test_a_record_that_cannot_be_read_is_no_run_without_cost(tmp_path: Path) -> None:
    assert read_sessions(tmp_path) == []
    SessionRecord(tmp_path, 1, "2022.5", "")
    good = json.loads((tmp_path / "sessions/00001.json").read_text())
    record = tmp_path / "sessions" / "00002.json"
    (tmp_path / "md.log").touch()
    for text in ["{", "[]", "7", "{}", *(json.dumps(good | change) for change in FOREIGN)]:
        record.write_text(text)
        with pytest.raises(DataError, match=r"00002\.json: "):
            read_sessions(tmp_path)
        # the run itself goes on
        close_open(tmp_path)
    close_open(tmp_path / "absent")


def test_the_time_of_all_ranks_is_counted(tmp_path: Path) -> None:
    """Two ranks under a launcher burn 0.3 s of processor time each, however busy the machine is meanwhile."""
    rank = "import time\nwhile time.process_time() < 0.3: pass"
    launcher = "import subprocess, sys; [run.wait() for run in [subprocess.Popen(sys.argv[1:]) for _ in range(2)]]"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = Mdrun([sys.executable, "-c", launcher, sys.executable, "-c", rank], tmp_path, tmp_path / "mdrun.log")
    assert run.wait(0.1, lambda: None) == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    all_of_it = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert 0.6 <= run.cpu_seconds() <= all_of_it + 1e-6
