"""Cores, hardware threads and quotas as Linux shows them, on invented machines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eoli.machine.processors import Machine, loads, on_processors, parse_list, this_machine, vector_units, visible_gpus


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def invented(root: Path, siblings: list[str]) -> Path:
    """A machine of len(siblings) hardware threads, each with the kernel's list of its core."""
    for number, text in enumerate(siblings):
        write(root / f"sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list", text)
    write(root / "proc/cpuinfo", "processor : 0\nmodel name\t: Invented 9000\nflags\t\t: fpu sse4_1 avx2 fma rdrand")
    return root


HYPER = ["0,4", "1,5", "2,6", "3,7"] * 2


@given(st.lists(st.integers(0, 300), unique=True))
def test_lists_of_processors(numbers: list[int]) -> None:
    numbers = sorted(numbers)
    assert parse_list(",".join(map(str, numbers))) == tuple(numbers)
    assert parse_list("0-2,8,10-11\n") == (0, 1, 2, 8, 10, 11)


def test_hyper_threads_are_no_cores(tmp_path: Path) -> None:
    machine = this_machine(invented(tmp_path, HYPER), range(8))
    assert machine == Machine(((0, 4), (1, 5), (2, 6), (3, 7)), None, "Invented 9000")
    assert (machine.usable, machine.threads_per_core) == (8, 2)
    assert machine.text == "Invented 9000, 4 cores of 2 threads"
    assert vector_units(tmp_path) == {"sse4_1", "avx2", "fma"}


def test_an_affinity_hides_what_it_leaves_out(tmp_path: Path) -> None:
    machine = this_machine(invented(tmp_path, HYPER), {1, 2, 5})
    assert machine.cores == ((1, 5), (2,))
    assert machine.usable == 3


def test_a_machine_that_says_nothing_of_its_cores(tmp_path: Path) -> None:
    assert this_machine(tmp_path, [0, 1]) == Machine(((0,), (1,)), None, "unknown processor")


@pytest.mark.parametrize(
    ("groups", "files", "limit"),
    [
        ("0::/", {"sys/fs/cgroup/cpu.max": "max 100000"}, None),
        ("0::/", {"sys/fs/cgroup/cpu.max": "250000 100000"}, 2),
        ("0::/", {"sys/fs/cgroup/cpu.max": "50000 100000"}, 1),
        # the parent's quota holds for the child, and the smaller one counts
        ("0::/a/b", {"sys/fs/cgroup/a/cpu.max": "300000 100000", "sys/fs/cgroup/a/b/cpu.max": "600000 100000"}, 3),
        # a container of version 1: the path is the host's, its own group is the root of the mount
        (
            "4:cpu,cpuacct:/docker/1f\n3:memory:/docker/1f",
            {"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "400000", "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000"},
            4,
        ),
        ("1:cpu:/", {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, None),
        ("", {}, None),
    ],
)  # fmt: skip
def test_quotas_of_control_groups(tmp_path: Path, groups: str, files: dict[str, str], limit: int | None) -> None:
    invented(tmp_path, HYPER)
    write(tmp_path / "proc/self/cgroup", groups)
    for name, text in files.items():
        write(tmp_path / name, text)
    machine = this_machine(tmp_path, range(8))
    assert machine.limit == limit
    assert machine.usable == (limit or 8)


def test_the_real_machine() -> None:
    machine = this_machine()
    assert set(machine.processors) == os.sched_getaffinity(0)
    assert 1 <= machine.usable <= len(machine.processors)


def test_busy_shares() -> None:
    before = "cpu  9 9 9 9 9 9 9 9\ncpu0 100 0 0 100 0 0 0 0\ncpu1 0 0 0 500 0 0 0 0\n"
    after = "cpu  9 9 9 9 9 9 9 9\ncpu0 190 0 0 110 0 0 0 0\ncpu1 0 0 0 550 50 0 0 0\ncpu2 1 0 0 1 0 0 0 0\n"
    assert loads(before, after) == {0: pytest.approx(0.9), 1: 0.0, 2: 0.0}


@pytest.mark.parametrize(("given_", "seen"), [("0,1", ("0", "1")), ("", ()), ("-1", ()), ("GPU-ab", ("GPU-ab",))])
def test_gpus_that_the_environment_names(monkeypatch: pytest.MonkeyPatch, given_: str, seen: tuple[str, ...]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given_)
    assert visible_gpus() == seen


def test_gpus_that_the_driver_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus() == ()
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho GPU-1\necho GPU-2\n")
    program.chmod(0o755)
    assert visible_gpus() == ("GPU-1", "GPU-2")
    program.write_text("#!/bin/sh\necho 'No devices were found'\nexit 6\n")
    assert visible_gpus() == ()


def test_processes_start_where_they_are_put() -> None:
    before = os.sched_getaffinity(0)
    one = {min(before)}
    with pytest.raises(ZeroDivisionError), on_processors(one):
        assert os.sched_getaffinity(0) == one
        raise ZeroDivisionError
    with on_processors(()):
        assert os.sched_getaffinity(0) == before
