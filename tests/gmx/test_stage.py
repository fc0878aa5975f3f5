"""Stages in real GROMACS: physics, hand-over, continuation after every kind of interruption."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import yaml
from MDAnalysis.lib.formats.libmdaxdr import TRRFile, XTCFile

from eoli.analysis.glass.fit import volume_curve
from eoli.analysis.results import read_found
from eoli.box.supercell import build_supercell
from eoli.core.units import GAS_CONSTANT
from eoli.errors import EoliError, RunError
from eoli.forcefield.library import library
from eoli.forcefield.models import Contents
from eoli.gromacs.build import Gromacs, inspect
from eoli.gromacs.energies import read_energies
from eoli.gromacs.mdp import coupling_of_log, mdp_options
from eoli.gromacs.states import read_states, read_velocities
from eoli.machine.processors import this_machine
from eoli.machine.slots import FOLDER
from eoli.stage import engine
from eoli.stage.ensemble import kinds_of_motion
from eoli.stage.gate import degrees_of_freedom
from eoli.stage.job import StageJob
from eoli.stage.redo import redo
from eoli.stage.run import run_stage
from eoli.stage.sessions import read_sessions
from eoli.study.config import GromacsBuild
from eoli.study.protocol import Protocol, Stage
from eoli.topology.build import describe, write_topology
from eoli.topology.description import read_description
from eoli.topology.gromos import read_gromos54a7
from support import ROOT, choice
from tiny_stages import (
    FIVE_SECONDS_NS,
    STAGES,
    Tiny,
    assert_whole,
    continued,
    first_trr,
    mdrun_calls,
    short,
    stop_when,
    was_said,
    xtc,
)

pytestmark = pytest.mark.gmx


def read_box(path: Path, index: int) -> npt.NDArray[np.float64]:
    """Edges of the box of a frame, nm."""
    with XTCFile(str(path)) as stream:
        stream.seek(index)
        return np.diag(stream.read().box).astype(np.float64)


@pytest.mark.parametrize("name", list(STAGES))
def test_verdicts(tiny: Tiny, name: str) -> None:
    verdict = read_found(tiny.folder / name / "verdict.json", "verdict")
    assert verdict is not None
    assert verdict["status"] in ("pass", "warn")
    assert verdict["broken"] == []


@pytest.mark.parametrize("name", [name for name, stage in STAGES.items() if stage.is_dynamics])
def test_frames_are_equidistant(tiny: Tiny, name: str) -> None:
    assert_whole(tiny.job(STAGES[name], tiny.folder / "box.gro", tiny.folder / name))


@pytest.mark.parametrize("name", list(STAGES))
def test_what_is_published(tiny: Tiny, name: str) -> None:
    folder = tiny.folder / name
    for file in STAGES[name].published:
        assert (folder / file).read_bytes() == (folder / "run" / file).read_bytes()
    record = json.loads((folder / "provenance.json").read_text())
    of_the_run = json.loads((folder / "run/provenance.json").read_text())
    assert {
        key: value
        for key, value in record.items()
        if key not in ("outputs", "called_as", "inputs_sha256", "fingerprint")
    } == {key: value for key, value in of_the_run.items() if key not in ("called_as", "inputs_sha256")}
    assert set(record["outputs"]) == set(STAGES[name].published)
    pieces = mdrun_calls(tiny.job(STAGES[name], tiny.folder / "box.gro", folder))
    assert pieces == (4 if name == "compress" else 1)
    assert [command[1] for command in record["commands"]] == ["grompp", "mdrun"] * pieces
    assert not (folder / "failure.json").exists()


@pytest.mark.parametrize("name", ["compress", "npt"])
def test_the_volume_varies_at_constant_pressure(tiny: Tiny, name: str) -> None:
    volume = read_energies(tiny.folder / name / "md.edr")["Volume"]
    assert np.ptp(volume) > 0.01 * volume.mean()
    assert len(np.unique(volume)) > len(volume) / 2


def test_nvt_starts_from_the_frame_of_mean_volume(tiny: Tiny) -> None:
    how = json.loads((tiny.folder / "nvt/run/inputs.json").read_text())["how"]
    states = read_states(tiny.folder / "npt/md.trr")
    later = [s for s in states if s.time_ps >= how["equilibrated_from_ps"] - 1e-3]
    nearest = min(later, key=lambda state: abs(state.volume_nm3 - how["mean_volume_nm3"]))
    assert states[how["frame"]] == nearest
    assert abs(how["volume_nm3"] / how["mean_volume_nm3"] - 1) < 0.01
    assert first_trr(tiny.folder / "nvt/run/start.trr") == first_trr(tiny.folder / "npt/md.trr", how["frame"])
    ratio = json.loads((tiny.folder / "nvt/verdict.json").read_text())["values"]["start_volume_over_mean"]
    assert ratio == how["volume_nm3"] / how["mean_volume_nm3"]


@pytest.mark.parametrize(("before", "after"), [("minimise", "compress"), ("compress", "npt"), ("nvt", "production")])
def test_other_stages_start_from_the_last_state(tiny: Tiny, before: str, after: str) -> None:
    first, second = tiny.folder / before / "state.trr", tiny.folder / after / "run/start.trr"
    if before == "minimise":
        with TRRFile(str(first)) as one, TRRFile(str(second)) as two:
            np.testing.assert_array_equal(one.read().x, two.read().x)
    else:
        assert first_trr(first) == first_trr(second)


@pytest.mark.parametrize(("before", "name"), [("npt", "nvt"), ("nvt", "production")])
def test_gromacs_uses_the_velocities_of_the_start(tiny: Tiny, tmp_path: Path, before: str, name: str) -> None:
    job = tiny.after(before, short(name, state_interval_ps=0.1), tmp_path / name)
    run_stage(job)
    with TRRFile(str(job.run / "start.trr")) as start, TRRFile(str(job.run / "md.trr")) as run:
        given, used = start.read().v.astype(np.float64), run.read().v.astype(np.float64)
    # velocity Verlet writes its first frame half a step of acceleration on; velocities drawn anew would differ by 141 %
    assert np.sqrt(np.mean((used - given) ** 2) / np.mean(given**2)) < 0.1


def test_gromacs_uses_the_positions_of_the_start(tiny: Tiny) -> None:
    """The GRO file beside it holds the last frame of the stage before, another one."""
    first = xtc(tiny.folder / "nvt/md.xtc")[0][0]
    with TRRFile(str(tiny.folder / "nvt/run/start.trr")) as stream:
        frame = stream.read()
        edges = np.diag(frame.box)
        off = first - frame.x
    off -= edges * np.round(off / edges)
    assert np.abs(off).max() < 1.1e-3


def test_a_frozen_box_is_broken(tiny: Tiny, tmp_path: Path) -> None:
    """The model refuses this combination; GROMACS takes it, and does not couple the pressure (or refuses it itself)."""
    keys = STAGES["npt"].model_dump() | {"name": "frozen", "integrator": "md-vv", "length_ns": 0.002}
    stage = Stage.model_construct(**keys)
    with pytest.raises(ValueError, match="keeps the box frozen"):
        Stage.model_validate(keys)
    with pytest.raises(RunError) as error:
        run_stage(tiny.after("npt", stage, tmp_path / "frozen"))
    if (tmp_path / "frozen/run/md.gro").exists():
        assert "the volume did not change: the barostat is without effect" in str(error.value)
        assert np.ptp(read_energies(tmp_path / "frozen/run/md.edr")["Volume"]) == 0
    assert not (tmp_path / "frozen/md.gro").exists()


def ensemble_warnings(job: StageJob) -> list[str]:
    """What was said of the ensemble of a run, which was judged."""
    verdict = verdict_of(job)
    assert "volume_temperature_K" in verdict["values"] and "energy_drift_kT_per_ns" in verdict["values"]
    return [text for text in verdict["warnings"] if "the volume fluctuates" in text or "conserved energy" in text]


def test_a_barostat_that_is_coupled_too_rarely_is_warned_of(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty couplings in tau_p, as few as 100 steps leave in the 5 ps of the study: its volume drives itself.

    GROMACS 2023 to 2025.3 chooses such steps by itself, earlier ones take them, later ones refuse them.
    """
    if tiny.gromacs.version >= (2025, 4):
        pytest.skip("this GROMACS refuses it")
    # time constants shorter than a configuration may ask for; long enough for the error of the volume's fluctuation, which
    # after 36 ps hid it in one run of three versions
    stage = short("npt", length_ns=0.12, energy_interval_ps=0.02).model_copy(update={"tau_t_ps": 0.4, "tau_p_ps": 0.8})
    monkeypatch.setattr(engine, "mdp_options", lambda *of: mdp_options(*of) | {"nstpcouple": "10"})
    job = tiny.after("npt", stage, tmp_path / "npt", checkpoint_minutes=15)
    run_stage(job)
    said = ensemble_warnings(job)
    assert any("the barostat drives it" in text for text in said)
    assert all(text.endswith("nstpcouple is 10, the time constants allow 5") for text in said)


def test_a_sound_ensemble_is_not_warned_of(tiny: Tiny, tmp_path: Path) -> None:
    stage = short(
        "npt", length_ns=0.03, thermostat="v-rescale", tau_t_ps=0.1, barostat="c-rescale", tau_p_ps=0.5,
        energy_interval_ps=0.02,
    )  # fmt: skip
    job = tiny.after("npt", stage, tmp_path / "npt", checkpoint_minutes=15)
    run_stage(job)
    assert ensemble_warnings(job) == []


def test_the_kinds_of_motion_have_the_kinetic_energy_of_gromacs(tiny: Tiny, tmp_path: Path) -> None:
    """Velocities of the last state with velocity Verlet are those of its energies."""
    job = tiny.after("nvt", short("production", length_ns=0.001), tmp_path / "production")
    run_stage(job)
    velocities = read_velocities(job.folder / "state.trr")
    degrees = degrees_of_freedom((job.folder / "md.log").read_text())
    assert velocities is not None and degrees is not None
    kinds = kinds_of_motion(read_description(job.topology / "system.json"), velocities, degrees)
    energies = read_energies(job.folder / "md.edr")
    assert sum(kind.kinetic_kJ_mol for kind in kinds) == pytest.approx(energies["Kinetic En."][-1], rel=0.01)
    assert sum(kind.degrees_of_freedom for kind in kinds) == pytest.approx(degrees)
    kelvin = 2 * energies["Kinetic En."][-1] / degrees / GAS_CONSTANT
    assert kelvin == pytest.approx(energies["Temperature"][-1], rel=1e-4)
    values = verdict_of(job)["values"]
    assert values["temperature_of_LI_K"] == kinds[1].temperature_K
    assert values["temperature_of_within_molecules_K"] == kinds[-1].temperature_K


def test_a_finished_stage_is_not_run_again(tiny: Tiny, tmp_path: Path) -> None:
    job = tiny.after("nvt", short("production", length_ns=0.001), tmp_path / "production")
    run_stage(job)
    log = (job.run / "mdrun.log").read_bytes()
    provenance = (job.run / "provenance.json").read_bytes()
    contents = {name: (job.folder / name).read_bytes() for name in job.stage.published}
    (job.folder / "md.xtc").unlink()
    begun = time.time()
    run_stage(job)
    assert (job.run / "mdrun.log").read_bytes() == log
    assert (job.run / "provenance.json").read_bytes() == provenance
    assert {name: (job.folder / name).read_bytes() for name in job.stage.published if name != "verdict.json"} == {
        name: content for name, content in contents.items() if name != "verdict.json"
    }
    assert all((job.folder / name).stat().st_mtime > begun - 1 for name in job.stage.published)
    assert was_said(job, "is complete already")


def test_an_extension_continues_the_trajectory(tiny: Tiny, tmp_path: Path) -> None:
    stage = short("npt", length_ns=0.002)
    job = tiny.after("npt", stage, tmp_path / "npt")
    run_stage(job)
    x, _, _ = xtc(job.folder / "md.xtc")
    published = {name: (job.folder / name).read_bytes() for name in stage.published}
    kept = tmp_path / "kept"
    kept.mkdir()
    for name in stage.published:
        (kept / name).hardlink_to(job.folder / name)
    longer = dataclasses.replace(job, stage=short("npt", length_ns=0.004))
    run_stage(longer)
    assert_whole(longer)
    again = xtc(longer.folder / "md.xtc")[0][: len(x)]
    np.testing.assert_array_equal(again[:-1], x[:-1])
    # the frame of the checkpoint is written again, its sites wrapped into the box
    box = read_box(kept / "md.xtc", len(x) - 1)
    off = again[-1].astype(np.float64) - x[-1]
    assert np.abs(off - box * np.round(off / box)).max() < 1.1e-3
    assert len(xtc(longer.folder / "md.xtc")[0]) == 2 * len(x) - 1
    # whoever still has the shorter result open or linked has it unchanged
    assert {name: (kept / name).read_bytes() for name in stage.published} == published


def test_an_extension_keeps_the_couplings_of_its_run(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier EOLI left the steps between couplings to GROMACS, and newer versions take more than are written now."""
    keys = {"thermostat": "v-rescale", "barostat": "c-rescale", "tau_p_ps": 5.0}
    job = tiny.after("npt", short("npt", length_ns=0.001, **keys), tmp_path / "npt")
    with monkeypatch.context() as patched:
        patched.setattr(engine, "mdp_options", lambda *of: mdp_options(*of) | {"nsttcouple": "20", "nstpcouple": "20"})
        run_stage(job)
    longer = dataclasses.replace(job, stage=short("npt", length_ns=0.002, **keys))
    run_stage(longer)
    assert_whole(longer)
    assert not (job.folder / "run.old-1").exists()
    assert coupling_of_log((job.run / "md.log").read_text()) == {"nsttcouple": "20", "nstpcouple": "20"}
    assert was_said(
        job, "keeps the coupling of its GROMACS: nsttcouple 20 (a new run: 10), nstpcouple 20 (a new run: 10)"
    )
    redo(longer.stage, longer.folder)
    run_stage(longer)
    assert coupling_of_log((job.run / "md.log").read_text()) == {"nsttcouple": "10", "nstpcouple": "10"}


def test_a_shorter_length_than_the_result_s_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    job = tiny.after("nvt", short("production", length_ns=0.001), tmp_path / "production")
    run_stage(job)
    content = (job.folder / "md.xtc").read_bytes()
    with pytest.raises(RunError, match=r"is not cut to 0\.0005 ns"):
        run_stage(dataclasses.replace(job, stage=short("production", length_ns=0.0005)))
    assert (job.folder / "md.xtc").read_bytes() == content


def test_reproducible_runs_are_bit_identical(tiny: Tiny, tmp_path: Path) -> None:
    jobs = [tiny.after("npt", short("npt", length_ns=0.002), tmp_path / name) for name in ("a", "b")]
    for job in jobs:
        run_stage(job)
    for file, read in (("md.xtc", lambda path: xtc(path)[0].tobytes()), ("state.trr", first_trr)):
        assert read(jobs[0].folder / file) == read(jobs[1].folder / file)


def test_a_minimum_is_minimised_again(tiny: Tiny, tmp_path: Path) -> None:
    """A start that meets the tolerance at once is a result, too."""
    job = tiny.after("minimise", short("minimise", force_tolerance_kJ_mol_nm=1e4), tmp_path / "minimise")
    run_stage(job)
    assert json.loads((job.folder / "verdict.json").read_text())["status"] == "pass"


# which of them comes first depends on how a build rounds
EXPLOSIONS = (
    "Can not invert matrix",
    "Cannot invert matrix",
    "crash (SIGSEGV) after: Step 0 Warning: pressure scaling more than 1%",
    "Too many LINCS warnings",
)


@pytest.mark.parametrize("per_bar", [10.0, 0.1, 0.01])
def test_a_crash_names_its_cause(tiny: Tiny, tmp_path: Path, per_bar: float) -> None:
    """A box that explodes ends in a segmentation fault or in a fatal error; neither is a run to be continued."""
    # more than a configuration may ask for
    stage = short("compress").model_copy(update={"compressibility_per_bar": per_bar})
    job = tiny.after("compress", stage, tmp_path / "crash")
    with pytest.raises(RunError) as error:
        run_stage(job)
    message = str(error.value)
    assert message.startswith("mdrun failed at step 0 of 5000: ")
    assert any(cause in message for cause in EXPLOSIONS)
    assert f"; log: {job.run / 'md.log'}; try " in message
    assert "continues" not in message
    assert "\n" not in message
    assert json.loads((job.folder / "failure.json").read_text())["message"] == message
    assert not any((job.folder / name).exists() for name in job.stage.published)


def test_a_stopped_run_continues(half: StageJob) -> None:
    x, _, _ = xtc(half.run / "md.xtc")
    run_stage(half)
    assert_whole(half)
    assert len(x) > 1
    np.testing.assert_array_equal(xtc(half.folder / "md.xtc")[0][: len(x)], x)
    assert not (half.folder / "failure.json").exists()
    assert mdrun_calls(half) == 2


def test_a_killed_run_continues(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = tiny.after("npt", short("npt", length_ns=FIVE_SECONDS_NS), tmp_path / "npt")
    error = stop_when(job, (job.run / "md.cpt").exists, monkeypatch, signal.SIGKILL)
    assert "killed by signal 9" in str(error)
    assert "the next run continues" in str(error)
    run_stage(job)
    assert_whole(job)


def test_a_walltime_stops_and_continues(tiny: Tiny, tmp_path: Path) -> None:
    job = tiny.after("npt", short("npt", length_ns=FIVE_SECONDS_NS), tmp_path / "npt", max_hours=1.5 / 3600)
    with pytest.raises(RunError, match=r"stopped at step .* the next run continues"):
        run_stage(job)
    run_stage(dataclasses.replace(job, max_hours=None))
    assert_whole(job)


def test_a_damaged_checkpoint(half: StageJob) -> None:
    (half.run / "md.cpt").write_bytes(b"no checkpoint " * 100)
    run_stage(half)
    assert_whole(half)
    assert was_said(half, "md.cpt is damaged; continues from the checkpoint before")
    assert not was_said(half, "starts from its beginning")


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_a_truncated_checkpoint(half: StageJob, keep: float) -> None:
    content = (half.run / "md.cpt").read_bytes()
    (half.run / "md.cpt").write_bytes(content[: int(keep * len(content))])
    run_stage(half)
    assert_whole(half)


def test_a_missing_checkpoint(half: StageJob) -> None:
    (half.run / "md.cpt").unlink()
    run_stage(half)
    assert_whole(half)
    assert was_said(half, "md.cpt is missing; continues from the checkpoint before")


def test_no_checkpoint_at_all(half: StageJob) -> None:
    (half.run / "md.cpt").write_bytes(b"no checkpoint")
    (half.run / "md_prev.cpt").write_bytes(b"no checkpoint either")
    run_stage(half)
    assert_whole(half)
    assert was_said(half, "md.cpt is damaged, md_prev.cpt is damaged; the stage starts from its beginning")


@pytest.mark.parametrize("name", ["md.xtc", "md.trr", "md.edr"])
def test_a_file_that_lost_its_end(half: StageJob, name: str) -> None:
    """A power failure leaves a checkpoint that counts bytes which never reached the disk."""
    newest, before = (continued(half.run / checkpoint)[name] for checkpoint in ("md.cpt", "md_prev.cpt"))
    os.truncate(half.run / name, newest - 1)
    run_stage(half)
    assert_whole(half)
    # on a slow machine the signal can come at once after a checkpoint
    way = "does not fit md.cpt; continues from the checkpoint before" if before < newest else "from its beginning"
    assert was_said(half, way) and was_said(half, f"{name} does not fit md.cpt")


def test_a_log_that_lost_its_end(half: StageJob) -> None:
    path = half.run / "md.log"
    path.write_bytes(path.read_bytes()[:-2000])
    run_stage(half)
    assert_whole(half)


@pytest.mark.parametrize("name", ["md.xtc", "md.edr"])
def test_a_file_that_lost_nearly_all(half: StageJob, name: str) -> None:
    """Less than both checkpoints ask for is left: the stage starts over, and what was there is kept."""
    path = half.run / name
    path.write_bytes(path.read_bytes()[:100])
    states = (half.run / "md.trr").read_bytes()
    run_stage(half)
    assert_whole(half)
    assert was_said(half, f"{name} does not fit md_prev.cpt; the stage starts from its beginning")
    assert (half.run / f"{name}.unusable").stat().st_size == 100
    assert (half.run / "md.trr.unusable").read_bytes() == states


def test_a_file_that_is_missing(half: StageJob) -> None:
    (half.run / "md.xtc").unlink()
    run_stage(half)
    assert_whole(half)


def test_a_run_of_another_start_is_kept(tiny: Tiny, half: StageJob) -> None:
    steps = read_states(half.run / "md.trr")[-1].step
    changed = dataclasses.replace(half, stage=short("npt", length_ns=0.001), source=tiny.folder / "compress/md.gro")
    run_stage(changed)
    assert_whole(changed)
    assert read_states(half.folder / "run.old-1/md.trr")[-1].step == steps


def test_physics_that_is_taken_back_takes_its_run_up_again(tiny: Tiny, tmp_path: Path) -> None:
    job = tiny.after("nvt", short("production", length_ns=0.001), tmp_path / "production")
    run_stage(job)
    frames = (job.folder / "md.xtc").read_bytes()
    run_stage(dataclasses.replace(job, stage=short("production", length_ns=0.001, temperature_K=420.0)))
    assert was_said(job, "the physics changed (mdp: ref-t 400, now 420); the old run is kept as run.old-1")
    assert (job.folder / "md.xtc").read_bytes() != frames
    run_stage(job)
    assert was_said(job, "run.old-1 has the physics that is asked for and is taken up again")
    assert (job.folder / "md.xtc").read_bytes() == frames and mdrun_calls(job) == 1
    assert (job.folder / "run.old-2/md.xtc").is_file()


def test_a_run_that_was_thrown_away_is_not_taken_up_again(tiny: Tiny, tmp_path: Path) -> None:
    job = tiny.after("nvt", short("production", length_ns=0.001), tmp_path / "production")
    run_stage(job)
    redo(job.stage, job.folder)
    assert not (job.folder / "md.xtc").exists() and not (job.folder / "provenance.json").exists()
    run_stage(job)
    assert mdrun_calls(job) == 1 and (job.folder / "run.old-1/md.xtc").is_file()


PROLONGED: dict[str, Any] = {"length_ns": 0.002, "max_length_ns": 0.005, "converge": ["density", "chain_memory"]}


def verdict_of(job: StageJob) -> dict[str, Any]:
    """By the reader of tables, status and page."""
    data = read_found(job.folder / "verdict.json", "verdict")
    assert data is not None
    return dict(data)


def test_a_stage_is_prolonged_to_its_limit_as_if_it_had_been_that_long(tiny: Tiny, tmp_path: Path) -> None:
    """Chains turn in nanoseconds: picoseconds cannot make them forget."""
    job = tiny.after("compress", short("npt", **PROLONGED), tmp_path / "prolonged")
    run_stage(job)
    verdict = verdict_of(job)
    assert verdict["values"]["ns"] == pytest.approx(0.005)
    assert verdict["values"]["converged"] is False and verdict["status"] == "warn"
    assert "not converged after 0.005 ns: " in verdict["warnings"][-1]
    assert "end-to-end vectors keep" in verdict["warnings"][-1]
    assert mdrun_calls(job) == 3
    assert_whole(dataclasses.replace(job, stage=short("npt", length_ns=0.005)))
    whole = tiny.after("compress", short("npt", length_ns=0.005), tmp_path / "whole")
    run_stage(whole)
    assert first_trr(job.folder / "state.trr") == first_trr(whole.folder / "state.trr")
    # nothing is left to do, and a limit that is raised goes on from there
    run_stage(job)
    assert mdrun_calls(job) == 3
    run_stage(dataclasses.replace(job, stage=short("npt", **PROLONGED | {"max_length_ns": 0.006})))
    assert verdict_of(job)["values"]["ns"] == pytest.approx(0.006)
    with pytest.raises(RunError, match=r"is not cut to 0\.003 ns; set max_length_ns back"):
        run_stage(dataclasses.replace(job, stage=short("npt", **PROLONGED | {"max_length_ns": 0.003})))


def test_a_stage_that_has_converged_is_not_prolonged(tiny: Tiny, tmp_path: Path) -> None:
    stage = short("npt", length_ns=0.004, max_length_ns=0.04, converge=["energy"], energy_interval_ps=0.02)
    job = tiny.after("npt", stage, tmp_path / "steady")
    run_stage(job)
    values = verdict_of(job)["values"]
    assert values["converged"] is True and values["ns"] < 0.04
    assert values["convergence"]["energy"]["values"]["p_value"] > 0.05


def test_a_run_is_prolonged_until_its_question_is_answered_or_its_budget_spent(tiny: Tiny, tmp_path: Path) -> None:
    """Picoseconds do not answer what D of lithium is: to the limit, and not beyond a budget of a blink."""
    keys: dict[str, Any] = {
        "length_ns": 0.002,
        "max_length_ns": 0.005,
        "converge": ["D_Li", "conductivity_nernst_einstein"],
    }
    job = tiny.after("nvt", short("production", **keys), tmp_path / "asked")
    run_stage(job)
    values = verdict_of(job)["values"]
    assert values["ns"] == pytest.approx(0.005) and values["converged"] is False and values["core_hours"] > 0
    assert set(values["convergence"]) == {"D_Li", "conductivity_nernst_einstein"}
    assert (
        was_said(job, "D(Li⁺) is not resolved: ") and "not converged after 0.005 ns" in verdict_of(job)["warnings"][-1]
    )
    assert_whole(dataclasses.replace(job, stage=short("production", length_ns=0.005)))
    poor = tiny.after("nvt", short("production", **keys, max_core_hours=1e-6), tmp_path / "poor")
    run_stage(poor)
    assert verdict_of(poor)["values"]["ns"] == pytest.approx(0.002) and mdrun_calls(poor) == 1
    assert was_said(poor, "its 1e-06 core-hours are spent")
    # asked again, it still has nothing to spend; with more it goes on from there
    run_stage(poor)
    assert mdrun_calls(poor) == 1
    run_stage(dataclasses.replace(poor, stage=short("production", **keys, max_core_hours=1e6)))
    assert verdict_of(poor)["values"]["ns"] == pytest.approx(0.005)


def test_a_run_ends_once_its_displacement_can_be_compared(tiny: Tiny, tmp_path: Path) -> None:
    """First it lacks ten origins at the lag, which 4 ps have; then it ends by its error, or goes on to make it smaller."""
    keys: dict[str, Any] = {"length_ns": 0.002, "max_length_ns": 0.012, "converge": ["displacement_Li"]}
    job = tiny.after("nvt", short("production", **keys), tmp_path / "loose", lag_ps=0.4, target_error=0.9)
    run_stage(job)
    values = verdict_of(job)["values"]
    found = values["convergence"]["displacement_Li"]["values"]
    assert was_said(job, "MSD(Li⁺) at 0.4 ps is not known: no lag within 5% of 0.4 ps with 10 independent origins")
    assert values["converged"] is True and values["ns"] == pytest.approx(0.004) and mdrun_calls(job) == 2
    assert found["lag_ps"] == pytest.approx(0.4) and 0 < found["error"] < found["value"] * 0.9 / 2**0.5
    assert was_said(job, "converged within 0.004 ns, MSD(Li⁺) at 0.4 ps = ")
    assert_whole(dataclasses.replace(job, stage=short("production", length_ns=0.004)))
    # asked more of, it goes on from there to its limit
    run_stage(dataclasses.replace(job, target_error=0.01))
    assert verdict_of(job)["values"]["ns"] == pytest.approx(0.012)
    assert "; asked: 1%" in verdict_of(job)["warnings"][-1]


def test_a_prolongation_that_is_killed_continues(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = PROLONGED | {"length_ns": 0.012, "max_length_ns": 0.036}
    job = tiny.after("compress", short("npt", **keys), tmp_path / "killed")
    inputs = job.run / "inputs.json"

    def in_the_second_part() -> bool:
        later = inputs.exists() and json.loads(inputs.read_text())["n_steps"] == 12000
        checkpoint = job.run / "md.cpt"
        return later and checkpoint.exists() and checkpoint.stat().st_mtime > inputs.stat().st_mtime

    error = stop_when(job, in_the_second_part, monkeypatch, signal.SIGKILL)
    assert "killed by signal 9" in str(error)
    run_stage(job)
    assert verdict_of(job)["values"]["ns"] == pytest.approx(0.036)
    assert_whole(dataclasses.replace(job, stage=short("npt", length_ns=0.036)))


def test_a_temperature_that_changes_by_steps(tiny: Tiny, tmp_path: Path) -> None:
    stage = short(
        "compress",
        length_ns=0.02,
        generate_velocities=False,
        temperature_from_K=400,
        temperature_K=250,
        temperature_step_K=50,
        pressure_bar=1.0,
        equilibrates=True,
    )
    job = tiny.after("compress", stage, tmp_path / "cool")
    run_stage(job)
    energies = read_energies(job.folder / "md.edr")
    for plateau in stage.course(400.0):
        late = (energies["Time"] > plateau.to_ps - 2.5) & (energies["Time"] <= plateau.to_ps)
        assert energies["Temperature"][late].mean() == pytest.approx(plateau.temperature_K, rel=0.06)
    volumes = volume_curve(job.folder / "md.edr", tiny.description.mass_g_mol, stage.course(400.0))
    assert volumes["temperature_K"].tolist() == [400, 350, 300, 250]
    assert volumes["density_g_cm3"].iloc[-1] > volumes["density_g_cm3"].iloc[1]
    verdict = verdict_of(job)
    assert verdict["values"]["temperature_K"] == pytest.approx(250, rel=0.04)
    assert verdict["broken"] == [] and not any("drifts" in text for text in verdict["warnings"])


@pytest.mark.parametrize("path", sorted((ROOT / "config/protocols").glob("*.yaml")), ids=lambda path: path.stem)
def test_gromacs_takes_every_stage_of_every_protocol_without_a_warning(tiny: Tiny, path: Path, tmp_path: Path) -> None:
    for stage in Protocol.model_validate(yaml.safe_load(path.read_text())).stages:
        job = tiny.after("npt", stage, tmp_path / stage.name)
        (job.run / "start.gro").parent.mkdir(parents=True)
        shutil.copy(tiny.folder / "npt/md.gro", job.run / "start.gro")
        if stage.is_dynamics and not stage.generate_velocities:
            shutil.copy(tiny.folder / "npt/state.trr", job.run / "start.trr")
        engine.make_run_input(job, print)
        assert (job.run / "md.tpr").is_file()


def test_an_old_gromacs_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    old = dataclasses.replace(tiny.gromacs, version=(2020, 7), version_text="2020.7")
    with pytest.raises(EoliError, match=r"stage compress: barostat c-rescale needs GROMACS 2021\.0 or newer"):
        run_stage(tiny.after("minimise", STAGES["compress"], tmp_path / "compress", gromacs=old))
    assert not (tmp_path / "compress/run").exists()


MPI_RUN = "mpirun --allow-run-as-root --oversubscribe -np 2"


@pytest.fixture(scope="session")
def real_mpi() -> Gromacs:
    """A GROMACS with real MPI and its launcher; nothing is installed for it here."""
    for program in ("gmx_mpi", "mpirun"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} on the PATH")
    build = inspect(GromacsBuild(command="gmx_mpi", launcher=MPI_RUN))
    assert build.is_real_mpi and build.ranks == 2
    return build


def test_ranks_of_real_mpi_share_the_cores_of_a_run(tiny: Tiny, tmp_path: Path, real_mpi: Gromacs) -> None:
    """The box of the start is wide enough for two domains; a continuation by thread-MPI is the same run."""
    length_ns = float(STAGES["compress"].length_ns or 0)
    job = tiny.after("minimise", STAGES["compress"], tmp_path / "mpi", gromacs=real_mpi, threads=2, reproducible=False)
    run_stage(job)
    log = (job.run / "md.log").read_text()
    assert "Using 2 MPI processes" in log and "Using 1 OpenMP thread per MPI process" in log
    called = (job.run / "mdrun.log").read_text().splitlines()[0]
    assert called.startswith(f"$ {MPI_RUN} ") and "-ntmpi" not in called and " -nt " not in called
    (session,) = read_sessions(job.run)
    assert session.processors == 2 and session.ended
    # of how many ranks it is the time: test_the_time_of_all_ranks_is_counted (on a busy machine two may get less than one)
    assert session.cpu_seconds is not None and session.cpu_seconds > 0
    assert_whole(job)
    run_stage(
        tiny.after("minimise", short("compress", length_ns=1.5 * length_ns), tmp_path / "mpi", reproducible=False)
    )
    assert len(read_sessions(job.run)) == 2


def test_mdruns_side_by_side_have_cores_of_their_own(tiny: Tiny, tmp_path: Path) -> None:
    """What /proc says of running mdruns: as many different hardware threads as runs."""
    if len(this_machine().processors) < 2:
        pytest.skip("one processor")
    program = (
        "import sys; from eoli.gromacs.mdrun import Mdrun; from eoli.machine.processors import this_machine; from eoli.machine.slots import own_cores\n"
        "from pathlib import Path\n"
        "with own_cores(this_machine(), 1, print, who='test', at_once=2) as slots:\n"
        "    run = Mdrun(['sleep', '60'], Path(sys.argv[1]), Path(sys.argv[1]) / 'log', slots=slots)\n"
        "print(run.process.pid)\n"
    )
    pids = []
    try:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            done = subprocess.run(
                [sys.executable, "-c", program, str(tmp_path / name)],
                capture_output=True,
                text=True,
                check=True,
                # locks of its own: it must not wait for the runs of other tests
                env=os.environ | {FOLDER: str(tmp_path / "slots")},
            )
            pids.append(int(done.stdout))
        # who started them is gone; they keep cores that differ
        places = [os.sched_getaffinity(pid) for pid in pids]
        assert [len(place) for place in places] == [1, 1] and places[0] != places[1]
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)


def test_what_a_stage_costs_is_recorded_over_restarts(half: StageJob) -> None:
    before = read_sessions(half.run)
    run_stage(half)
    sessions = read_sessions(half.run)
    assert len(sessions) == len(before) + 1 and all(session.ended for session in sessions)
    assert all(0 < session.wall_seconds < 300 for session in sessions)
    assert sessions[-1].cpu_seconds is not None and 0 < sessions[-1].cpu_seconds <= 1.2 * sessions[-1].wall_seconds


def test_a_supercell_has_the_energy_of_its_copies(tiny: Tiny, tmp_path: Path) -> None:
    """At equal positions: the order of molecules is that of the topology, and none is torn at the old boundary."""
    blocks, forcefield = library(ROOT / "topologies"), read_gromos54a7(tiny.gromacs.forcefields / "gromos54a7.ff")
    large = describe(Contents.of("peo", 8, "litfsi", 16), choice("lb-ions", 0.75), blocks, forcefield)
    write_topology(large, "large", tmp_path / "large/topology", blocks, forcefield)
    state = tiny.folder / "npt/state.trr"
    energies = []
    for description, topology, copies in (
        (tiny.description, tiny.topology, (1, 1, 1)),
        (large, tmp_path / "large/topology", (1, 1, 2)),
    ):
        folder = tmp_path / "x".join(map(str, copies))
        build_supercell(description, tiny.description, state, copies, folder / "box.gro", folder / "box.json")
        job = tiny.job(short("minimise", max_steps=1), folder / "box.gro", folder / "minimise", topology=topology)
        with contextlib.suppress(RunError):  # one step ends no minimisation
            run_stage(job)
        found = read_energies(job.run / "md.edr")
        energies.append([found[name][0] for name in ("Potential", "LJ (SR)", "Coulomb (SR)", "Angle")])
    # a GRO file rounds to 0.001 nm, in each copy elsewhere; of 0.08 rad that an angle is off, that is 0.005
    for one, two, within in zip(*energies, (5e-3, 5e-3, 5e-3, 2e-2), strict=True):
        assert two == pytest.approx(2 * one, rel=within)
