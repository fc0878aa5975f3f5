"""What is measured, what follows from it, and when it no longer holds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eoli.commands.study import check_gromacs
from eoli.gromacs.build import Gromacs
from eoli.gromacs.throughput import Layout, finished_inputs, lay_out, throughput
from eoli.machine.processors import Machine
from eoli.machine.slots import SHARING_ADVICE
from eoli.machine.tuning import (
    Timing,
    Tuning,
    candidates,
    expected,
    read_tuning,
    run_timing,
    tuning_file,
    tuning_lines,
    untuned,
    write_tuning,
)
from eoli.study.config import GromacsBuild, Study, load_study

ROOT = Path(__file__).resolve().parents[2]
HYPER = Machine(((0, 4), (1, 5), (2, 6), (3, 7)), None, "Invented 9000")
PLAIN = Machine(((0,), (1,)), None, "Invented 9000")


def tuning(machine: Machine, *timings: Timing) -> Tuning:
    return Tuning(
        machine.cpu, len(machine.cores), machine.usable, "2022.5", "AVX2_256", "disabled", "peo production", 2625,
        "2026-11-25T08:00:00", timings,
    )  # fmt: skip


SIDE_BY_SIDE = Timing(2, 1, 1, 119.0, (118.0, 119.0, 120.0))
ALONE = Timing(1, 2, 2, 105.0, (105.0,))


def test_ways_to_fill_a_machine() -> None:
    assert set(candidates(PLAIN)) == {(2, 1, 1), (1, 2, 2)}
    # with second threads, and without: then a run holds two hardware threads for each of its own
    assert set(candidates(HYPER)) == {(8, 1, 1), (4, 2, 2), (2, 4, 4), (1, 8, 8), (4, 1, 2), (2, 2, 4), (1, 4, 8)}
    assert set(candidates(replace(HYPER, limit=3))) == {
        (3, 1, 1),
        (1, 2, 2),
        (1, 3, 3),
        (3, 1, 2),
        (1, 2, 4),
        (1, 3, 6),
    }


@given(st.sampled_from([HYPER, PLAIN]), st.data())
def test_every_way_has_places_of_its_own(machine: Machine, data: st.DataObject) -> None:
    runs, threads, processors = data.draw(st.sampled_from(candidates(machine)))
    layout = lay_out(machine, runs, threads, processors)
    taken = [processor for place in layout.places for processor in place]
    assert len(layout.places) == runs and len(taken) == len(set(taken)) <= machine.usable
    cores = [{core for core in machine.cores if set(core) & set(place)} for place in layout.places]
    if processors > threads or processors % machine.threads_per_core == 0:
        # no two runs on one core
        assert sum(map(len, cores)) == len(set().union(*cores))


def test_the_best_depends_on_how_many_systems_there_are() -> None:
    measured = tuning(PLAIN, SIDE_BY_SIDE, ALONE)
    assert measured.best(2, 7) == SIDE_BY_SIDE
    # one system leaves the second core idle: half of what two bring together
    assert measured.best(2, 1) == ALONE
    assert measured.best(1, 7) == SIDE_BY_SIDE
    assert expected(SIDE_BY_SIDE, 2, 1) == 59.5


def test_a_tuning_is_read_as_it_was_written(tmp_path: Path) -> None:
    measured = tuning(PLAIN, SIDE_BY_SIDE, ALONE)
    write_tuning(tmp_path / "tune.json", measured)
    assert read_tuning(tmp_path / "tune.json") == measured
    assert read_tuning(tmp_path / "absent.json") is None
    good = json.loads((tmp_path / "tune.json").read_text())
    timing = good["timings"][0]
    altered = [good | {"cores": 0}, good | {"timings": [timing | {"processors": 0}]}, good | {"cpu": None}]
    altered += [good | {"timings": [timing | change]} for change in ({"runs": 0}, {"threads": "2"}, {"ns_per_day": -1})]
    for broken in (
        *map(json.dumps, altered),
        "\x00",
        "NaN",
        "",
        "[]",
        "{}",
        json.dumps({"timings": []}),
        '{"timings": [{"runs": 1}]}',
    ):
        (tmp_path / "tune.json").write_text(broken)
        assert read_tuning(tmp_path / "tune.json") is None


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("eoli.machine.tuning.this_machine", lambda: PLAIN)
    return load_study([ROOT / "config/config.yaml"], ROOT)


def test_threads_without_a_tuning(study: Study) -> None:
    assert [run_timing(study, 7, cores).threads for cores in (None, 1, 2, 14, 1000)] == [1, 1, 1, 2, 16]
    assert tuning_lines(study, PLAIN, "2022.5", "AVX2_256") == [
        "Invented 9000, 2 cores: run.threads is auto and untuned; eoli tune measures what is best here"
    ]


def test_a_file_that_is_no_tuning_is_named(study: Study) -> None:
    tuning_file().parent.mkdir()
    tuning_file().write_text('{"timings": [{"processors": 0}]}')
    assert run_timing(study, 7, 2) == untuned(2, 7)
    (line,) = tuning_lines(study, PLAIN, "2022.5", "AVX2_256")
    assert (
        line
        == f"Invented 9000, 2 cores: {tuning_file()} is no record of eoli tune and is left out; eoli tune measures again"
    )


def test_a_tuning_of_this_machine_is_taken(study: Study) -> None:
    write_tuning(tuning_file(), tuning(PLAIN, replace(ALONE, ns_per_day=150.0), SIDE_BY_SIDE))
    assert run_timing(study, 7, 2).threads == 2
    # the jobs of a cluster run elsewhere
    assert run_timing(study, 7, None) == untuned(1, 7)
    lines = tuning_lines(study, PLAIN, "2022.5", "AVX2_256")
    assert len(lines) == 1 and "1 run of 2 threads, 150 ns/day in all" in lines[0]
    assert "measured with GROMACS 2022.5, AVX2_256" in tuning_lines(study, PLAIN, "2022.5", "AVX_512")[1]


def test_a_tuning_of_another_machine_is_left_out(study: Study) -> None:
    write_tuning(tuning_file(), tuning(HYPER, Timing(1, 8, 8, 900.0)))
    assert run_timing(study, 7, 2) == untuned(2, 7)
    assert (
        "was measured on Invented 9000, 4 cores (8 threads), and is left out" in tuning_lines(study, PLAIN, "", "")[0]
    )


def test_a_number_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = load_study([ROOT / "config/config.yaml"], ROOT, {"run": {"threads": 3}})
    write_tuning(tuning_file(), tuning(PLAIN, SIDE_BY_SIDE))
    assert run_timing(study, 7, 2).threads == run_timing(study, 7, None).processors == 3


def test_the_box_that_is_timed_is_of_the_last_stage(tmp_path: Path) -> None:
    for name in ("a/npt", "b/npt", "b/production"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "md.tpr").touch()
    found = finished_inputs(tmp_path, ["a", "b"], ["compress", "npt", "production"])
    assert [str(path.parent.relative_to(tmp_path)) for path in found] == ["b/production", "a/npt", "b/npt"]


def _gromacs(folder: Path, gpu: str = "disabled") -> Gromacs:
    """A build whose program is `gmx` in a folder."""
    return Gromacs(
        build=GromacsBuild(command="gmx", launcher=""), program=folder / "gmx", version=(2022, 5), version_text="2022.5",
        mpi="thread_mpi", precision="mixed", simd="AVX2_256", data_prefix=folder, gpu=gpu,
    )  # fmt: skip


@pytest.mark.parametrize(("build", "service", "said"), [("CUDA", False, 1), ("CUDA", True, 0), ("disabled", False, 0)])
def test_a_gpu_without_the_service_that_shares_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: str, service: bool, said: int
) -> None:
    found = _gromacs(tmp_path, gpu=build)
    monkeypatch.setattr("eoli.gromacs.build.inspect", lambda build: found)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    if service:
        (tmp_path / "control").touch()
    assert (
        sum(SHARING_ADVICE in line for line in check_gromacs(load_study([ROOT / "config/config.yaml"], ROOT))) == said
    )


def test_a_stage_is_timed_as_it_runs_on_a_gpu(tmp_path: Path) -> None:
    program = tmp_path / "gmx"
    program.write_text(
        f"#!/bin/sh\necho \"$@\" >> {tmp_path}/said\necho 'Performance:       43.5        0.552' > md.log\n"
    )
    program.chmod(0o755)
    gromacs = _gromacs(tmp_path)
    layout = Layout(1, ((), ()))
    assert throughput(gromacs, tmp_path / "md.tpr", layout, 1.0, {"nb": "gpu", "update": "gpu"}) == [43.5, 43.5]
    assert [line.count("-nb gpu -update gpu") for line in (tmp_path / "said").read_text().splitlines()] == [1, 1]
