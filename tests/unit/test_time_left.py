"""How long the rest of a study takes: schedules worked out by hand and by trying all of them, and what counts as left."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from eoli.cli import main
from eoli.forcefield.library import library
from eoli.study.analyses import TABLES
from eoli.study.config import Study, load_study
from eoli.study.systems import size_of, systems_of
from eoli.workflow.status import study_status
from eoli.workflow.time_left import ANALYSES_S, SWEEP_S, Left, seconds_left, time_left, work_left
from support import ROOT

SPEED = 1e6


def test_one_system_takes_its_runs_and_its_analyses() -> None:
    assert seconds_left([Left(100.0, 20.0)], runs=1, cores=1) == 120.0 + SWEEP_S


def test_systems_share_the_cores_and_analyses_fill_what_is_free() -> None:
    """On two cores 40 + 30 run beside 50; the analyses of the first are done beside the rest, those of the last after."""
    found = seconds_left([Left(40.0, 10.0), Left(50.0, 10.0), Left(30.0, 10.0)], runs=2, cores=2)
    assert found == 70.0 + 10.0 + SWEEP_S


def test_many_analyses_take_longer_than_the_runs() -> None:
    assert seconds_left([Left(1.0, 100.0)] * 4, runs=2, cores=2) == (4 * 1 + 400) / 2 + SWEEP_S


def test_a_run_of_several_threads_holds_them() -> None:
    assert seconds_left([Left(100.0, 0.0)] * 2, runs=1, cores=4) == 200.0 + SWEEP_S


def test_nothing_left_takes_no_time() -> None:
    assert seconds_left([], 2, 2) == seconds_left([Left(0.0, 0.0)] * 3, 2, 2) == 0.0


@pytest.mark.parametrize("runs", [2, 3])
def test_the_schedule_is_at_most_a_third_longer_than_the_best(runs: int) -> None:
    lengths = [5.0, 5.0, 4.0, 4.0, 3.0, 3.0, 3.0]
    best = min(
        max(sum(length for length, at in zip(lengths, places, strict=True) if at == slot) for slot in range(runs))
        for places in itertools.product(range(runs), repeat=len(lengths))
    )
    found = seconds_left([Left(length, 0.0) for length in lengths], runs, runs) - SWEEP_S
    assert best <= found <= best * (4 / 3 - 1 / (3 * runs)) + 1e-9


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return load_study([ROOT / "config/config.yaml", ROOT / "config/demo.yaml"], ROOT)


def lefts(study: Study, results: Path) -> list[Left]:
    statuses = study_status(study, systems_of(study).values(), results)
    return work_left(study, statuses, results, SPEED, threads=1)


def test_what_has_not_begun_is_left_whole(study: Study, tmp_path: Path) -> None:
    found = lefts(study, tmp_path)
    blocks = library(study.topologies)
    steps = sum(stage.n_steps for stage in study.stages if stage.is_dynamics)
    for left, system in zip(found, systems_of(study).values(), strict=True):
        assert left == Left(pytest.approx(steps * size_of(system, blocks).sites / SPEED), ANALYSES_S)


def test_what_ran_is_not_left(study: Study, tmp_path: Path) -> None:
    """A compression stopped at step 5,000; another system's analyses are all there, but its runs are not."""
    first, second, *_ = systems_of(study).values()
    run = tmp_path / first.name / "compress/run"
    run.mkdir(parents=True)
    (run / "md.log").write_text("           Step           Time\n           5000       10.00000\n\n")
    for name in TABLES:
        path = tmp_path / second.name / f"analysis/{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({}))
    whole, now = lefts(study, tmp_path / "none"), lefts(study, tmp_path)
    sites = size_of(first, library(study.topologies)).sites
    assert whole[0].runs_s - now[0].runs_s == pytest.approx(5000 * sites / SPEED)
    assert now[1:] == whole[1:]


def test_the_line_says_for_which_cores_and_at_what_speed(study: Study, tmp_path: Path) -> None:
    statuses = study_status(study, systems_of(study).values(), tmp_path)
    lines = [time_left(study, statuses, tmp_path, cores) for cores in (1, 2)]
    assert all(line and line.endswith("at a speed that is assumed until the first stages are done") for line in lines)
    assert "left on 1 core," in str(lines[0]) and "left on 2 cores," in str(lines[1])


def test_the_command_says_it_alone_or_after_the_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    named = ["--config", str(ROOT / "config/config.yaml"), str(ROOT / "config/demo.yaml"), "--cores", "2"]
    assert main(["status", *named, "--results", str(tmp_path), "--left"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("about ") and "left on 2 cores" in line
    assert main(["status", *named, "--results", str(tmp_path)]) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith("system ") and last == line
    assert main(["check", *named]) == 0
    assert line in capsys.readouterr().out.splitlines()
