"""One run at a time, between processes, whatever kills them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eoli.stage.lock import run_lock
from eoli.status import is_held

HOLDER = """
import subprocess, sys
from pathlib import Path
from eoli.stage.lock import run_lock
with run_lock(Path(sys.argv[1]), lambda text: print(text, flush=True), poll_s=0.05) as descriptor:
    child = subprocess.Popen(["sleep", "60"], pass_fds=(descriptor,)) if len(sys.argv) > 2 else None
    print("held", child.pid if child else 0, flush=True)
    sys.stdin.readline()
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start processes that hold the lock of `tmp_path` until a line comes; they are killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def one(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLDER, str(tmp_path), *words]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield one
    for process in started:
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def let_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_second_process_waits_and_names_the_holder(tmp_path: Path, start: Start) -> None:
    first = start()
    assert line(first) == "held 0"
    second = start()
    said = line(second)
    assert said.startswith("waits: the run is held by ")
    assert f"host {socket.gethostname()}, process {first.pid}" in said
    assert second.poll() is None
    let_go(first)
    assert line(second) == "held 0"
    assert json.loads((tmp_path / "holder.json").read_text())["pid"] == second.pid


def test_the_lock_outlives_its_taker_with_a_child(tmp_path: Path, start: Start) -> None:
    first = start("with a child")
    child = int(line(first).split()[1])
    try:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        assert is_held(tmp_path)
        second = start()
        assert f"process {first.pid}" in line(second)
    finally:
        os.kill(child, signal.SIGKILL)
    assert line(second) == "held 0"


def test_the_lock_ends_with_its_taker(tmp_path: Path, start: Start) -> None:
    first = start()
    assert line(first) == "held 0"
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert not is_held(tmp_path)
    # it would say that it waits
    with run_lock(tmp_path, pytest.fail):
        assert is_held(tmp_path)


def test_the_lock_ends_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), run_lock(tmp_path / "new" / "folder", pytest.fail):
        assert is_held(tmp_path / "new" / "folder")
        raise ZeroDivisionError
    assert not is_held(tmp_path / "new" / "folder")


@pytest.mark.parametrize(
    ("note", "said"),
    [
        (
            {"host": "n12", "pid": 5, "slurm_job": "4711", "since": "2024-01-01T00:00:00"},
            "host n12, process 5, SLURM job 4711, since 2024-01-01T00:00:00",
        ),
        ({"host": "n12"}, "an unknown process"),
        (None, "an unknown process"),
    ],
)
def test_the_holder_is_named_as_well_as_it_is_known(
    tmp_path: Path, start: Start, note: dict[str, object] | None, said: str
) -> None:
    first = start()
    assert line(first) == "held 0"
    if note is None:
        (tmp_path / "holder.json").write_text("{ half a rec")
    else:
        (tmp_path / "holder.json").write_text(json.dumps(note))
    assert line(start()) == f"waits: the run is held by {said}"


def test_who_has_no_lock_file_is_not_held(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    assert not is_held(tmp_path / "nowhere")


def _left_by(folder: Path, **more: object) -> None:
    """The note of a run that was killed on another machine, on a file system that does not carry its lock here."""
    note = {"host": "another-node", "pid": 1, "since": "2026-11-25T08:00:00", "slurm_job": None, **more}
    (folder / "holder.json").write_text(json.dumps(note))
    (folder / "run").mkdir()


def _fake_squeue(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    program = folder / "bin/squeue"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


class _Impatient(Exception):
    pass


def _give_up() -> None:
    raise _Impatient


def _waits(folder: Path) -> list[str]:
    """What is said before the waiting is given up; nothing when the lock was free."""
    said: list[str] = []
    try:
        with run_lock(folder, said.append, poll_s=0.01, still=_give_up):
            pass
    except _Impatient:
        assert said
    return said


def test_a_run_on_another_machine_is_waited_for_as_long_as_it_writes(tmp_path: Path) -> None:
    _left_by(tmp_path)
    log = tmp_path / "run/md.log"
    log.write_text("Step")
    assert "waits: the run is held by host another-node, process 1" in _waits(tmp_path)[0]
    old = time.time() - 3600
    os.utime(log, (old, old))
    assert _waits(tmp_path) == []


def test_clocks_of_machines_need_not_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _left_by(tmp_path)
    (tmp_path / "run/md.log").write_text("Step")
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert _waits(tmp_path)


@pytest.mark.parametrize(("answer", "waits"), [("echo 17", True), ("true", False), ("exit 1", True)])
def test_slurm_knows_whether_the_job_of_the_holder_runs(
    answer: str, waits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _left_by(tmp_path, slurm_job="17")
    # what is asked where SLURM does not answer
    (tmp_path / "run/md.log").write_text("Step")
    _fake_squeue(tmp_path, monkeypatch, answer)
    said = _waits(tmp_path)
    assert bool(said) == waits and all("SLURM job 17" in text for text in said)


def test_a_job_that_slurm_has_forgotten_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _left_by(tmp_path, slurm_job="17")
    (tmp_path / "run/md.log").write_text("Step")
    _fake_squeue(tmp_path, monkeypatch, "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    assert _waits(tmp_path) == []


def test_a_run_that_ended_leaves_no_note(tmp_path: Path) -> None:
    with pytest.raises(_Impatient), run_lock(tmp_path, print):
        assert (tmp_path / "holder.json").exists()
        raise _Impatient
    assert not (tmp_path / "holder.json").exists()
