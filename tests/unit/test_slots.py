"""Cores of its own for every run: which ones, held how long, and by whom."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eoli.machine import slots
from eoli.machine.processors import Machine
from eoli.machine.slots import FOLDER, SHARING_ADVICE, choose, choose_whole, own_cores
from support import LIMIT_S

HYPER = ((0, 4), (1, 5), (2, 6), (3, 7))
PLAIN = ((0,), (1,))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks of this test alone; no process is moved, for the invented machines have processors that are not there."""
    monkeypatch.setenv(FOLDER, str(tmp_path / "slots"))
    monkeypatch.setattr(slots, "_measure_load", dict)
    monkeypatch.setattr(os, "sched_setaffinity", lambda process, processors: None)
    return tmp_path / "slots"


def machine(cores: tuple[tuple[int, ...], ...], limit: int | None = None) -> Machine:
    return Machine(cores, limit, "Invented 9000")


@given(st.sets(st.integers(0, 7)), st.integers(1, 8), st.integers(1, 2))
def test_a_choice_is_of_free_threads(free: set[int], number: int, per_core: int) -> None:
    chosen = choose(HYPER, free, number, per_core)
    if chosen is None:
        assert len(free) < number
    else:
        assert len(set(chosen)) == number and set(chosen) <= free
        # nobody shares a core while another is idle
        idle = [core for core in HYPER if set(core) <= free]
        shared = [core for core in HYPER if set(core) & set(chosen) and not set(core) <= free]
        assert not shared or all(set(core) & set(chosen) for core in idle)


def test_one_thread_on_each_core_while_there_are_cores() -> None:
    free = set(range(8))
    taken = []
    for _ in range(8):
        chosen = choose(HYPER, free, 1, 1)
        assert chosen is not None
        free -= set(chosen)
        taken += chosen
    assert taken == [0, 1, 2, 3, 4, 5, 6, 7]
    assert choose(HYPER, set(range(8)), 4, 1) == (0, 1, 2, 3)


def test_whole_cores_when_all_hardware_threads_are_filled() -> None:
    assert choose(HYPER, set(range(8)), 4, 2) == (0, 1, 4, 5)
    assert choose(HYPER, {2, 3, 6, 7}, 4, 2) == (2, 3, 6, 7)


def test_a_busy_core_comes_last() -> None:
    assert choose(HYPER, set(range(8)), 2, 1, {0: 0.1, 1: 1.0, 5: 0.2}) == (0, 2)
    assert choose(PLAIN, {0, 1}, 2, 1, {0: 1.0}) == (0, 1)


def test_without_hyper_threads_a_run_holds_whole_cores() -> None:
    assert choose_whole(HYPER, set(range(8)), 4) == (0, 1, 4, 5)
    assert choose_whole(HYPER, set(range(8)) - {4}, 2) == (1, 5)
    assert choose_whole(HYPER, {0, 1, 2, 3}, 2) is None


@contextlib.contextmanager
def held(which: Machine, threads: int) -> Iterator[threading.Event]:
    """Hold slots in a thread of their own, until the event that is given is set."""
    taken, release = threading.Event(), threading.Event()

    def run() -> None:
        with own_cores(which, threads, pytest.fail, who="another run"):
            taken.set()
            assert release.wait(LIMIT_S)

    thread = threading.Thread(target=run)
    thread.start()
    assert taken.wait(LIMIT_S)
    try:
        yield release
    finally:
        release.set()
        thread.join()


def test_runs_side_by_side_get_cores_of_their_own() -> None:
    said: list[str] = []
    with own_cores(machine(HYPER), 2, said.append, who="a", at_once=4) as first:  # noqa: SIM117
        with own_cores(machine(HYPER), 2, said.append, who="b", at_once=4) as second:
            assert (first.processors, second.processors) == ((0, 1), (2, 3))
    assert said == []


def test_a_run_waits_for_cores_and_says_who_has_them() -> None:
    said: list[str] = []
    with held(machine(PLAIN), 2) as release:

        def say(text: str) -> None:
            said.append(text)
            release.set()

        with own_cores(machine(PLAIN), 1, say, who="b", poll_s=0.02) as second:
            assert second.processors == (0,)
    assert said == [f"waits for 1 free core; held by another run (process {os.getpid()})"]


def test_a_quota_counts_all_runs_together() -> None:
    said: list[str] = []
    with held(machine(HYPER, limit=2), 1) as release:

        def say(text: str) -> None:
            said.append(text)
            release.set()

        with own_cores(machine(HYPER, limit=2), 1, pytest.fail, who="b") as second:
            assert second.processors == (1,)
        with own_cores(machine(HYPER, limit=2), 2, say, who="c", poll_s=0.02) as third:
            assert third.processors == (0, 4)
    assert len(said) == 1


def test_more_threads_than_there_are_take_all() -> None:
    with own_cores(machine(PLAIN), 8, pytest.fail, who="a") as taken:
        assert taken.processors == (0, 1)


def test_a_run_of_many_threads_is_not_overtaken() -> None:
    order: list[str] = []
    waits = threading.Event()

    def wanted(name: str, threads: int) -> None:
        with own_cores(machine(PLAIN), threads, lambda text: waits.set(), who=name, poll_s=0.02):
            order.append(name)

    with held(machine(PLAIN), 1) as release:
        wide = threading.Thread(target=wanted, args=("wide", 2))
        wide.start()
        assert waits.wait(LIMIT_S)
        narrow = threading.Thread(target=wanted, args=("narrow", 1))
        narrow.start()
        narrow.join(0.3)  # it would have its core by now, could it overtake
        release.set()
        for thread in (wide, narrow):
            thread.join()
    assert order == ["wide", "narrow"]


def test_an_orphan_keeps_its_cores() -> None:
    with own_cores(machine(PLAIN), 1, pytest.fail, who="a") as taken:
        orphan = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=taken.descriptors)
    try:
        # the run that held it is gone, its child is not
        with own_cores(machine(PLAIN), 1, pytest.fail, who="b") as other:
            assert (taken.processors, other.processors) == ((0,), (1,))
    finally:
        orphan.communicate(b"\n")
    with own_cores(machine(PLAIN), 2, pytest.fail, who="c") as both:
        assert both.processors == (0, 1)


def test_runs_share_gpus_evenly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    given_: list[str | None] = []
    said: list[str] = []
    with own_cores(machine(HYPER), 1, pytest.fail, who="a", wants_gpu=True) as a:  # noqa: SIM117
        with own_cores(machine(HYPER), 1, pytest.fail, who="b", wants_gpu=True) as b:
            with own_cores(machine(HYPER), 1, said.append, who="c", wants_gpu=True) as c:
                given_ = [a.gpu, b.gpu, c.gpu]
            # side by side without NVIDIA's service they are slower than one alone
            assert said == [f"shares GPU 0 with 1 more, in turns; {SHARING_ADVICE}"]
            (tmp_path / "control").touch()
            with own_cores(machine(HYPER), 1, pytest.fail, who="c", wants_gpu=True) as c:
                given_.append(c.gpu)
    assert given_ == ["0", "1", "0", "0"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with own_cores(machine(HYPER), 1, pytest.fail, who="d", wants_gpu=True) as none:
        assert none.gpu is None and none.processors == (0,)


def test_without_a_folder_for_locks_a_run_is_left_to_the_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setenv(FOLDER, str(blocked / "slots"))
    said: list[str] = []
    with own_cores(machine(PLAIN), 1, said.append, who="a") as taken:
        assert taken == slots.Slots()
    assert said == [f"the run is not pinned: cores cannot be locked: Not a directory: {blocked / 'slots'}"]


def _not_pinned() -> str:
    """Why a run is left to the kernel."""
    said: list[str] = []
    with own_cores(machine(PLAIN), 1, said.append, who="a") as taken:
        assert taken == slots.Slots()
    assert len(said) == 1
    return said[0]


@pytest.mark.parametrize("kind", ["link", "open to others"])
def test_a_folder_in_tmp_that_is_not_the_user_s_alone_is_not_used(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(FOLDER)
    monkeypatch.setattr(slots, "IN_TMP", str(tmp_path / "eoli-slots-"))
    folder, aim = tmp_path / f"eoli-slots-{os.getuid()}", tmp_path / "aim"
    aim.mkdir()
    if kind == "link":
        folder.symlink_to(aim)
    else:
        folder.mkdir()
        folder.chmod(0o777)
    assert f"no folder of this user alone: {folder}" in _not_pinned()
    assert not list(aim.iterdir())


def test_a_folder_of_another_user_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    monkeypatch.setattr(slots.os, "getuid", lambda: folder.stat().st_uid + 1)
    assert f"no folder of this user alone: {folder}" in _not_pinned()


def test_a_lock_file_that_is_a_link_is_not_followed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir()
    (tmp_path / "aim").write_text("precious")
    (folder / "cpu0").symlink_to(tmp_path / "aim")
    assert str(folder / "cpu0") in _not_pinned()
    assert (tmp_path / "aim").read_text() == "precious"


def test_a_folder_without_locks_stops_nobody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_descriptor: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(slots.fcntl, "flock", refuse)
    assert f"No locks available: {folder}" in _not_pinned()


def test_locks_that_were_cleaned_away_are_noticed(folder: Path) -> None:
    with own_cores(machine(PLAIN), 1, pytest.fail, who="a") as taken:
        os.utime(folder / "cpu0", (0, 0))
        assert taken.keep()
        assert (folder / "cpu0").stat().st_mtime > 0
        shutil.rmtree(folder)
        assert not taken.keep()
        with own_cores(machine(PLAIN), 1, pytest.fail, who="b"):
            assert folder.is_dir()
