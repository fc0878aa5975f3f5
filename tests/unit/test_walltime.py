"""What mdrun is told of the time that its job has left."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eoli.errors import RunError
from eoli.stage.walltime import Deadline, deadline, margin_s, parse_time_left, slurm_seconds_left


@given(st.floats(0, 1e7))
def test_something_is_kept_back_and_never_more_than_half(left_s: float) -> None:
    assert 0 <= margin_s(left_s) <= left_s / 2


@pytest.mark.parametrize(("left_s", "kept_s"), [(-5, 0), (0, 0), (10, 5), (60, 16), (3600, 300), (86400, 300)])
def test_the_margin_grows_with_the_walltime(left_s: float, kept_s: float) -> None:
    assert margin_s(left_s) == kept_s


def test_outside_of_slurm_the_walltime_counts_from_now() -> None:
    ends = deadline(60, {})
    assert ends is not None
    assert ends.hours_left() == pytest.approx((3600 - 300) / 3600, abs=1e-3)
    assert deadline(None, {}) is None


def test_what_was_waited_for_is_gone() -> None:
    assert Deadline(7200.0).hours_left(now_s=3600.0) == 1.0
    with pytest.raises(RunError, match="walltime of the job is used up; the next run continues"):
        Deadline(7200.0).hours_left(now_s=7199.0)


def test_the_end_of_the_job_counts_more_than_what_was_asked_for() -> None:
    ends = deadline(1440, {"SLURM_JOB_ID": "1", "SLURM_JOB_END_TIME": str(int(time.time()) + 1000)})
    assert ends is not None
    assert ends.hours_left() == pytest.approx((1000 - 110) / 3600, abs=1e-3)


def _squeue(folder: Path, body: str) -> dict[str, str]:
    program = folder / "squeue"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return {"SLURM_JOB_ID": "17", "PATH": f"{folder}:/usr/bin:/bin"}


def test_squeue_is_asked_where_slurm_sets_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = _squeue(tmp_path, '[ "$*" = "--noheader --jobs 17 --format %L" ] && echo 1-02:03:04')
    monkeypatch.setenv("PATH", environment["PATH"])
    assert slurm_seconds_left(environment) == 86400 + 2 * 3600 + 3 * 60 + 4


@pytest.mark.parametrize("body", ["exit 1", "echo UNLIMITED", "true"])
def test_without_an_answer_what_was_asked_for_counts(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = _squeue(tmp_path, body)
    monkeypatch.setenv("PATH", environment["PATH"])
    assert slurm_seconds_left(environment) is None
    ends = deadline(10, environment)
    assert ends is not None and ends.hours_left() == pytest.approx((600 - 70) / 3600, abs=1e-3)


@given(st.integers(0, 400), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_times_of_slurm_are_read(days: int, hours: int, minutes: int, seconds: int) -> None:
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    assert parse_time_left(f"{days}-{hours:02d}:{minutes:02d}:{seconds:02d}") == total
    assert parse_time_left(f"{hours}:{minutes:02d}:{seconds:02d}") == total - days * 86400
    assert parse_time_left(f"{minutes}:{seconds:02d}") == minutes * 60 + seconds


@given(st.text(max_size=12))
def test_anything_else_is_no_time(text: str) -> None:
    left = parse_time_left(text)
    assert left is None or left >= 0


@pytest.mark.parametrize("text", ["", "UNLIMITED", "INVALID", "NOT_SET", "5", "-1:00", "x-1:00:00", "1:2:3:4"])
def test_no_time(text: str) -> None:
    assert parse_time_left(text) is None
