"""Throwing a run away without deleting it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from eoli.errors import InputError, RunError
from eoli.stage.lock import run_lock
from eoli.stage.redo import redo
from eoli.study.protocol import Stage

STAGE = Stage(
    name="npt", ensemble="NPT", integrator="md", time_step_fs=2, length_ns=0.2, thermostat="v-rescale", tau_t_ps=0.1,
    barostat="c-rescale", tau_p_ps=1, pressure_bar=1, frame_interval_ps=1, energy_interval_ps=1, state_interval_ps=1,
)  # fmt: skip
NAMES = (*STAGE.published, "provenance.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished stage: the run, and its files linked beside it."""
    folder = tmp_path / "npt"
    (folder / "run").mkdir(parents=True)
    for name in (*NAMES, "inputs.json", "md.cpt"):
        (folder / "run" / name).write_text(f"{name} of the run")
    for name in NAMES:
        os.link(folder / "run" / name, folder / name)
    for name in (".lock", "progress.json", "history.log", "holder.json"):
        (folder / name).write_text(name)
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_the_run_is_kept_and_nothing_stays_published(folder: Path) -> None:
    run = contents(folder / "run")
    kept = redo(STAGE, folder)
    assert kept == folder / "run.old-1"
    assert contents(kept) == run | {"progress.json": "progress.json", "discarded": ""}
    assert sorted(contents(folder)) == [".lock", "history.log", "holder.json"]
    assert not (folder / "run").exists()


def test_a_second_time(folder: Path) -> None:
    redo(STAGE, folder)
    (folder / "run").mkdir()
    (folder / "run" / "md.xtc").write_text("again")
    assert redo(STAGE, folder).name == "run.old-2"
    assert contents(folder / "run.old-1")["md.xtc"] == "md.xtc of the run"
    assert contents(folder / "run.old-2") == {"md.xtc": "again", "discarded": ""}


def test_published_files_that_are_not_the_run_s_are_kept_too(folder: Path) -> None:
    """A shorter result while its extension runs, and copies on a file system without hard links."""
    for name in ("md.xtc", "md.gro"):
        (folder / name).unlink()
        (folder / name).write_text(f"{name} of the shorter run")
    (folder / "run" / "md.gro").unlink()
    kept = redo(STAGE, folder)
    assert not any((folder / name).exists() for name in NAMES)
    found = contents(kept)
    assert found["md.xtc"] == "md.xtc of the run"
    assert found["published-md.xtc"] == "md.xtc of the shorter run"
    assert found["md.gro"] == "md.gro of the shorter run"


def test_a_failed_run(folder: Path) -> None:
    for name in NAMES:
        (folder / name).unlink()
    (folder / "failure.json").write_text("why")
    kept = redo(STAGE, folder)
    assert contents(kept)["failure.json"] == "why"
    assert not (folder / "failure.json").exists()


def test_a_running_stage_is_refused(folder: Path) -> None:
    before = contents(folder)
    with run_lock(folder, pytest.fail), pytest.raises(RunError, match="is running; stop it first"):
        redo(STAGE, folder)
    assert contents(folder / "run")["md.xtc"] == "md.xtc of the run"
    assert contents(folder) == {name: text for name, text in before.items() if name != "holder.json"}
    assert not (folder / "run.old-1").exists()


def test_a_stage_that_runs_on_another_machine_is_refused(folder: Path) -> None:
    (folder / "holder.json").write_text('{"host": "another-node", "pid": 1, "since": "today"}')
    with pytest.raises(RunError, match="is running; stop it first"):
        redo(STAGE, folder)
    assert (folder / "run").is_dir()


def test_published_files_alone_are_moved_too(folder: Path) -> None:
    shutil.rmtree(folder / "run")
    kept = redo(STAGE, folder)
    assert contents(kept)["md.xtc"] == "md.xtc of the run"
    assert not any((folder / name).exists() for name in NAMES)


def test_nothing_to_redo_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="no run to redo"):
            redo(STAGE, folder)
    assert not list(tmp_path.iterdir())
