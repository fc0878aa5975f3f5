"""The tiny system after all its stages, and a run of one that was stopped."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest

from eoli.box.packmol import pack
from eoli.errors import DataError
from eoli.forcefield.library import library
from eoli.forcefield.models import Contents
from eoli.gromacs.build import inspect
from eoli.stage.job import StageJob
from eoli.stage.run import run_stage
from eoli.study.config import GromacsBuild
from eoli.topology.build import describe, write_topology
from eoli.topology.gromos import read_gromos54a7
from support import ROOT, choice
from tiny_stages import FIVE_SECONDS_NS, PROTOCOL, Tiny, continued, short, stop_when

SOME_FRAMES = 5000  # bytes of full-precision states, which are larger than what is buffered
STATES_OF_TWO_FRAMES = 4  # each 0.2 ps, frames each 0.5 ps


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The system after all stages of the protocol; not to be changed."""
    made = Tiny(tmp_path_factory.mktemp("tiny"), inspect(GromacsBuild()))
    blocks, forcefield = library(ROOT / "topologies"), read_gromos54a7(made.gromacs.forcefields / "gromos54a7.ff")
    description = describe(Contents.of("peo", 4, "litfsi", 8), choice("lb-ions", 0.75), blocks, forcefield)
    write_topology(description, "tiny", made.topology, blocks, forcefield)
    source = made.folder / "box.gro"
    pack(description, 1, 0.15, 0.2, 3, source, made.folder / "box.json", made.folder / "box.log")
    for stage in PROTOCOL.stages:
        run_stage(made.job(stage, source, made.folder / stage.name))
        source = made.folder / stage.name / "md.gro"
    return made


@pytest.fixture(scope="session")
def stopped(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run that SIGTERM has stopped some frames after its first checkpoint; not to be changed."""
    job = tiny.after("npt", short("npt", length_ns=FIVE_SECONDS_NS), tmp_path_factory.mktemp("stopped") / "npt")

    one_state = (tiny.folder / "npt/state.trr").stat().st_size

    def some_frames_later() -> bool:
        """Since the newest checkpoint, so that it and the one that the signal brings continue files of other lengths."""
        try:
            some_later = continued(job.run / "md.cpt")["md.trr"] + SOME_FRAMES
            return (job.run / "md.trr").stat().st_size > max(some_later, STATES_OF_TWO_FRAMES * one_state)
        except (DataError, OSError):
            return False

    with pytest.MonkeyPatch.context() as monkeypatch:
        error = stop_when(job, some_frames_later, monkeypatch, signal.SIGTERM)
    assert "the next run continues" in str(error)
    assert json.loads((job.folder / "failure.json").read_text())["message"] == str(error)
    assert not any((job.folder / name).exists() for name in job.stage.published)
    assert {"step", "n_steps", "time"} <= set(json.loads((job.folder / "progress.json").read_text()))
    assert (job.run / "md_prev.cpt").is_file()
    return job.folder


@pytest.fixture
def half(tiny: Tiny, stopped: Path, tmp_path: Path) -> StageJob:
    """A copy of the stopped run, to be damaged and continued."""
    shutil.copytree(stopped, tmp_path / "npt")
    return tiny.after("npt", short("npt", length_ns=FIVE_SECONDS_NS), tmp_path / "npt")
