"""Stages of a tiny system in real GROMACS, and how a run of one is stopped and read."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import yaml
from MDAnalysis.lib.formats.libmdaxdr import TRRFile, XTCFile

from eoli.errors import RunError
from eoli.gromacs.build import Gromacs
from eoli.gromacs.energies import read_energies
from eoli.gromacs.mdp import Conditions
from eoli.gromacs.mdrun import Mdrun
from eoli.gromacs.states import read_states
from eoli.stage import engine
from eoli.stage.checkpoint import read_checkpoint
from eoli.stage.job import StageJob
from eoli.stage.run import run_stage
from eoli.study.protocol import Protocol, Stage
from eoli.topology.description import SystemDescription, read_description
from support import ROOT

PROTOCOL = Protocol.model_validate(yaml.safe_load((ROOT / "tests/config/tiny-protocol.yaml").read_text()))
STAGES = {stage.name: stage for stage in PROTOCOL.stages}
FIVE_SECONDS_NS = 0.024
CHECKPOINT_MINUTES = 0.01


@dataclass(frozen=True)
class Tiny:
    """Four chains of PEO with eight LiTFSI, and a folder for each of its stages."""

    folder: Path
    gromacs: Gromacs

    @property
    def topology(self) -> Path:
        return self.folder / "topology"

    @property
    def description(self) -> SystemDescription:
        return read_description(self.topology / "system.json")

    def job(self, stage: Stage, source: Path, folder: Path, **changes: Any) -> StageJob:
        conditions = Conditions(
            400.0,
            PROTOCOL.cutoff_nm,
            PROTOCOL.fourier_spacing_nm,
            PROTOCOL.dispersion_correction,
            PROTOCOL.constraints,
            7,
        )
        job = StageJob(
            "tiny", stage, conditions, self.topology, source, folder, self.gromacs, 1, CHECKPOINT_MINUTES, None, True
        )
        return dataclasses.replace(job, **changes)

    def after(self, before: str, stage: Stage, folder: Path, **changes: Any) -> StageJob:
        """A job that starts from a finished stage."""
        return self.job(stage, self.folder / before / "md.gro", folder, **changes)


def short(name: str, **changes: Any) -> Stage:
    """A stage of the protocol with other keys."""
    return Stage.model_validate(STAGES[name].model_dump() | changes)


Frames = tuple[npt.NDArray[np.float32], npt.NDArray[np.float64], npt.NDArray[np.int64]]


def xtc(path: Path) -> Frames:
    """Positions, times (ps) and steps of all frames."""
    with XTCFile(str(path)) as stream:
        frames = [(frame.x.copy(), frame.time, frame.step) for frame in stream]
    return np.array([f[0] for f in frames]), np.array([f[1] for f in frames]), np.array([f[2] for f in frames])


def first_trr(path: Path, index: int = 0) -> tuple[bytes, bytes, bytes]:
    with TRRFile(str(path)) as stream:
        stream.seek(index)
        frame = stream.read()
        return frame.x.tobytes(), frame.v.tobytes(), frame.box.tobytes()


def was_said(job: StageJob, what: str) -> bool:
    return what in (job.folder / "history.log").read_text()


def stop_when(job: StageJob, ready: Callable[[], bool], monkeypatch: pytest.MonkeyPatch, number: int) -> RunError:
    """Run a stage, send mdrun a signal as soon as `ready`; returns the error of the run."""

    class Watched(Mdrun):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            threading.Thread(target=self.stop, daemon=True).start()

        def stop(self) -> None:
            while self.process.poll() is None:
                if ready():
                    self.process.send_signal(number)
                    return
                time.sleep(0.02)

    with monkeypatch.context() as patched:
        patched.setattr(engine, "Mdrun", Watched)
        patched.setattr(engine, "LOOK_EVERY_S", 0.3)
        with pytest.raises(RunError) as error:
            run_stage(job)
    return error.value


def continued(checkpoint: Path) -> dict[str, int]:
    """Bytes of each file that a checkpoint continues."""
    return {each.name: each.size for each in read_checkpoint(checkpoint).files}


def assert_whole(job: StageJob) -> None:
    """Every frame and every energy of the stage once, at its time, from the start to the end."""
    stage = job.stage
    assert stage.frame_interval_ps and stage.energy_interval_ps
    every = stage.steps_in(stage.frame_interval_ps)
    _, times, steps = xtc(job.folder / "md.xtc")
    np.testing.assert_array_equal(steps, np.arange(0, stage.n_steps + 1, every))
    np.testing.assert_allclose(times, steps * (stage.time_step_fs or 0) / 1000, atol=1e-4)
    energy_times = read_energies(job.folder / "md.edr")["Time"]
    expected = np.arange(round(stage.n_steps / stage.steps_in(stage.energy_interval_ps)) + 1) * stage.energy_interval_ps
    np.testing.assert_allclose(energy_times, expected, atol=1e-4)
    if stage.state_interval_ps:
        states = [state.step for state in read_states(job.folder / "md.trr")]
        np.testing.assert_array_equal(states, np.arange(0, stage.n_steps + 1, stage.steps_in(stage.state_interval_ps)))
    assert read_states(job.folder / "state.trr")[-1].step == stage.n_steps


def mdrun_calls(job: StageJob) -> int:
    return sum(line.startswith("$ ") for line in (job.run / "mdrun.log").read_text().splitlines())
