"""A run folder and the physics that it belongs to; no GROMACS is started."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from MDAnalysis.lib.formats.libmdaxdr import TRRFile

from eoli.core.files import read_json
from eoli.errors import DataError, RunError
from eoli.gromacs.build import Gromacs
from eoli.gromacs.mdp import Conditions
from eoli.stage import run as running
from eoli.stage.binding import DISCARDED, bind, move_aside, reached_step, read_binding
from eoli.stage.job import GROWING, StageJob
from eoli.stage.run import publish, run_stage, vouch_for_shorter
from eoli.study.config import GromacsBuild
from eoli.study.protocol import Stage

GROMACS = Gromacs(
    GromacsBuild(), Path("/nowhere/gmx"), (2022, 5), "2022.5", "thread_mpi", "mixed", "AVX2_256", Path("/nowhere")
)
STAGE: dict[str, Any] = {
    "name": "npt", "ensemble": "NPT", "integrator": "md", "time_step_fs": 2, "length_ns": 0.01,
    "thermostat": "v-rescale", "tau_t_ps": 0.1, "barostat": "c-rescale", "tau_p_ps": 1, "pressure_bar": 1,
    "generate_velocities": True, "frame_interval_ps": 1, "state_interval_ps": 1, "energy_interval_ps": 1,
}  # fmt: skip
PUBLISHED = ("md.gro", "md.tpr", "md.edr", "md.log", "state.trr", "verdict.json", "md.xtc", "md.trr")


@pytest.fixture
def job(tmp_path: Path) -> StageJob:
    """A job that starts from a box."""
    topology = tmp_path / "topology"
    topology.mkdir()
    (topology / "system.top").write_text("[ molecules ]\nPEO 4\n")
    (topology / "system.json").write_text("{}\n")
    box = tmp_path / "box" / "box.gro"
    box.parent.mkdir()
    box.write_text("a box\n")
    return StageJob(
        "peo", Stage(**STAGE), Conditions(400.0, 0.8, 0.16, True, "all-bonds", 7), topology, box, tmp_path / "npt",
        GROMACS, 1, 5.0, None, False,
    )  # fmt: skip


def changed(job: StageJob, **keys: Any) -> StageJob:
    return dataclasses.replace(job, stage=Stage(**(STAGE | keys)))


def write_state(path: Path, step: int) -> None:
    with TRRFile(str(path), "w") as out:
        out.write(np.ones((1, 3), dtype=np.float32), None, None, np.eye(3, dtype=np.float32), step, 0.0, 0.0, 1)


def pretend_finished(job: StageJob) -> None:
    """Files of a finished run, linked beside it as `publish` does."""
    for name in PUBLISHED:
        (job.run / name).write_text(f"{name} of {job.target_steps} steps\n")
    write_state(job.run / "state.trr", job.target_steps)
    for name in PUBLISHED:
        (job.folder / name).unlink(missing_ok=True)
        os.link(job.run / name, job.folder / name)


def test_a_fresh_run(job: StageJob) -> None:
    said: list[str] = []
    binding = bind(job, said.append)
    assert said == []
    assert sorted(path.name for path in job.run.iterdir()) == ["inputs.json", "start.gro"]
    assert (job.run / "start.gro").read_text() == "a box\n"
    assert (binding.n_steps, binding.how, binding.gromacs, binding.seed) == (5000, {"from": "box"}, ("2022.5",), 7)
    assert read_binding(job.run) == binding
    assert [path.name for path in job.folder.iterdir()] == ["run"]


def test_the_same_run_is_continued(job: StageJob) -> None:
    first = bind(job, pytest.fail)
    pretend_finished(job)
    before = {path: path.stat().st_mtime_ns for path in job.run.iterdir()}
    assert bind(job, pytest.fail) == first
    assert {path: path.stat().st_mtime_ns for path in job.run.iterdir()} == before
    assert not list(job.folder.glob("run.old-*"))


def test_changed_physics_keeps_the_old_runs(job: StageJob) -> None:
    bind(job, pytest.fail)
    (job.run / "md.xtc").write_text("first")
    said: list[str] = []
    hot = changed(job, temperature_K=420.0)
    bind(hot, said.append)
    assert said == [
        "the physics changed (mdp: gen-temp 400, now 420; ref-t 400, now 420); the old run is kept as run.old-1"
    ]
    assert (job.folder / "run.old-1/md.xtc").read_text() == "first"
    assert not (job.run / "md.xtc").exists()
    (job.run / "md.xtc").write_text("second")
    (job.topology / "system.top").write_text("[ molecules ]\nPEO 5\n")
    job.source.write_text("another box\n")
    bind(hot, said.append)
    assert said[1:] == ["the physics changed (start, topology); the old run is kept as run.old-2"]
    assert (job.folder / "run.old-1/md.xtc").read_text() == "first"
    assert (job.folder / "run.old-2/md.xtc").read_text() == "second"
    assert (job.run / "start.gro").read_text() == "another box\n"


def test_a_changed_seed_is_changed_physics(job: StageJob) -> None:
    bind(job, pytest.fail)
    said: list[str] = []
    bind(dataclasses.replace(job, conditions=dataclasses.replace(job.conditions, seed=8)), said.append)
    assert said == ["the physics changed (mdp: gen-seed 7, now 8; ld-seed 7, now 8); the old run is kept as run.old-1"]


def test_physics_taken_back_takes_the_kept_run_up_again(job: StageJob) -> None:
    first = bind(job, pytest.fail)
    (job.run / "md.xtc").write_text("first")
    hot = changed(job, temperature_K=420.0)
    bind(hot, lambda text: None)
    (job.run / "md.xtc").write_text("second")
    said: list[str] = []
    assert bind(job, said.append) == first
    assert said == [
        "the physics changed (mdp: gen-temp 420, now 400; ref-t 420, now 400); the old run is kept as run.old-2",
        "run.old-1 has the physics that is asked for and is taken up again",
    ]
    assert (job.run / "md.xtc").read_text() == "first" and not (job.folder / "run.old-1").exists()
    assert (job.folder / "run.old-2/md.xtc").read_text() == "second"
    # killed between the two renames: neither is lost
    move_aside(job.run)
    bind(hot, said.append)
    assert said[2:] == ["run.old-2 has the physics that is asked for and is taken up again"]
    assert (job.folder / "run.old-1/md.xtc").read_text() == "first"


def test_a_longer_or_discarded_run_is_not_taken_up_again(job: StageJob) -> None:
    bind(changed(job, length_ns=0.02), pytest.fail)
    move_aside(job.run)
    bind(job, pytest.fail)
    (move_aside(job.run) / DISCARDED).touch()
    bind(job, pytest.fail)
    assert sorted(path.name for path in job.folder.glob("run*")) == ["run", "run.old-1", "run.old-2"]


def test_a_run_of_before_names_no_values(job: StageJob) -> None:
    """Its record has neither options nor a sum of its own."""
    binding = bind(job, pytest.fail)
    data = json.loads((job.run / "inputs.json").read_text())
    del data["options"], data["sha256"]
    (job.run / "inputs.json").write_text(json.dumps(data))
    assert read_binding(job.run) == dataclasses.replace(binding, options={})
    said: list[str] = []
    bind(changed(job, temperature_K=420.0), said.append)
    assert said == ["the physics changed (mdp); the old run is kept as run.old-1"]


@pytest.mark.parametrize("old", ["5000", '"ref-t": "400"'])
def test_an_altered_record_is_no_record(job: StageJob, old: str) -> None:
    bind(job, pytest.fail)
    path = job.run / "inputs.json"
    path.write_text(path.read_text().replace(old, old.replace("0", "1", 1), 1))
    assert read_binding(job.run) is None


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"fingerprint": 1}', '{"n_steps": "x"}', "\x00", '{"how": {"a": NaN}}']
)
def test_a_foreign_record_is_no_record(job: StageJob, content: str) -> None:
    bind(job, pytest.fail)
    (job.run / "inputs.json").write_text(content)
    assert read_binding(job.run) is None


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("x")])
def test_a_damaged_start_is_made_anew(job: StageJob, damage: Callable[[Path], object]) -> None:
    bind(job, pytest.fail)
    damage(job.run / "start.gro")
    said: list[str] = []
    bind(job, said.append)
    assert said == ["start.gro of the run was lost or damaged; it is made anew"]
    assert (job.run / "start.gro").read_text() == "a box\n"


def test_changed_physics_leaves_published_files(job: StageJob) -> None:
    bind(job, pytest.fail)
    pretend_finished(job)
    before = {name: (job.folder / name).read_bytes() for name in PUBLISHED}
    bind(changed(job, pressure_bar=2.0), lambda _: None)
    assert {name: (job.folder / name).read_bytes() for name in PUBLISHED} == before


def test_a_longer_stage_is_extended(job: StageJob) -> None:
    bind(job, pytest.fail)
    pretend_finished(job)
    published = {name: ((job.folder / name).read_bytes(), (job.folder / name).stat().st_ino) for name in PUBLISHED}
    said: list[str] = []
    longer = changed(job, length_ns=0.025)
    binding = bind(longer, said.append)
    assert said == ["is extended from 0.01 to 0.025 ns"]
    assert binding.n_steps == 12500
    recorded = read_binding(job.run)
    assert recorded is not None and recorded.n_steps == 12500
    # what mdrun makes anew is gone, what it appends to is the run's own copy
    assert not any((job.run / name).exists() for name in ("md.tpr", "md.gro", "state.trr"))
    for name in GROWING:
        assert not (job.run / name).samefile(job.folder / name)
        assert (job.run / name).read_bytes() == published[name][0]
        with (job.run / name).open("a") as stream:
            stream.write("appended")
    assert {n: ((job.folder / n).read_bytes(), (job.folder / n).stat().st_ino) for n in PUBLISHED} == published
    assert not list(job.folder.glob("run.old-*"))
    assert not list(job.run.glob(".*.own"))


def test_an_extension_is_said_once(job: StageJob) -> None:
    bind(job, pytest.fail)
    bind(changed(job, length_ns=0.02), lambda _: None)
    assert bind(changed(job, length_ns=0.02), pytest.fail).n_steps == 10000


def test_a_shorter_stage_keeps_the_published_shorter_result(job: StageJob) -> None:
    bind(job, pytest.fail)
    pretend_finished(job)
    bind(changed(job, length_ns=0.02), lambda _: None)
    assert bind(job, pytest.fail).n_steps == 10000
    recorded = read_binding(job.run)
    assert recorded is not None and recorded.n_steps == 10000


@pytest.mark.parametrize("published", [None, 10000, 7])
def test_a_shorter_stage_is_not_cut(job: StageJob, published: int | None) -> None:
    longer = changed(job, length_ns=0.02)
    bind(longer, pytest.fail)
    (job.run / "md.xtc").write_text("data")
    if published is not None:
        write_state(job.folder / "state.trr", published)
    with pytest.raises(RunError, match=r"set to 0.02 ns and is not cut to 0.01 ns; .* eoli redo peo npt"):
        bind(job, pytest.fail)
    assert (job.run / "md.xtc").read_text() == "data"
    assert not (job.folder / ".start").exists()


@pytest.mark.parametrize("record", [None, "", "{ half a rec", "[]", '{"n_steps": 5}', '{"fingerprint": {"mdp": "x"}}'])
def test_a_folder_without_a_record_is_kept(job: StageJob, record: str | None) -> None:
    job.run.mkdir(parents=True)
    (job.run / "md.xtc").write_text("whose?")
    if record is not None:
        (job.run / "inputs.json").write_text(record)
    said: list[str] = []
    bind(job, said.append)
    assert said == ["the run folder has no record of its inputs; it is kept as run.old-1"]
    assert (job.folder / "run.old-1/md.xtc").read_text() == "whose?"
    assert read_binding(job.run) is not None


def test_leftovers_of_a_kill_are_harmless(job: StageJob) -> None:
    for name in (".run.new", ".start"):
        (job.folder / name).mkdir(parents=True)
        (job.folder / name / "start.gro").write_text("half a bo")
        (job.folder / name / "start.trr").write_text("half a frame")
    bind(job, pytest.fail)
    assert [path.name for path in job.folder.iterdir()] == ["run"]
    assert sorted(path.name for path in job.run.iterdir()) == ["inputs.json", "start.gro"]
    assert (job.run / "start.gro").read_text() == "a box\n"


def test_a_kill_before_the_folder_is_bound_leaves_no_run(job: StageJob, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("eoli.stage.binding.write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            bind(job, pytest.fail)
    assert not job.run.exists()
    bind(job, pytest.fail)
    assert read_binding(job.run) is not None


def test_an_unusable_start_leaves_the_run_alone(job: StageJob) -> None:
    bind(job, pytest.fail)
    before = (job.run / "inputs.json").read_bytes()
    job.source.unlink()
    with pytest.raises(DataError, match=r"box\.gro: no such start"):
        bind(job, pytest.fail)
    assert (job.run / "inputs.json").read_bytes() == before
    assert not (job.folder / ".start").exists()


def test_another_version_of_gromacs_continues_and_is_recorded(job: StageJob) -> None:
    bind(job, pytest.fail)
    newer = dataclasses.replace(job, gromacs=dataclasses.replace(GROMACS, version=(2024, 1), version_text="2024.1"))
    said: list[str] = []
    assert bind(newer, said.append).gromacs == ("2022.5", "2024.1")
    assert said == ["continues with GROMACS 2024.1; it was begun with 2022.5"]
    assert bind(newer, pytest.fail).gromacs == ("2022.5", "2024.1")


def test_another_precision_starts_afresh(job: StageJob) -> None:
    bind(job, pytest.fail)
    said: list[str] = []
    bind(dataclasses.replace(job, gromacs=dataclasses.replace(GROMACS, precision="double")), said.append)
    assert said == ["the physics changed (precision); the old run is kept as run.old-1"]


def test_the_record_names_what_it_binds(job: StageJob) -> None:
    bind(job, pytest.fail)
    record = json.loads((job.run / "inputs.json").read_text())
    assert sorted(record["fingerprint"]) == ["mdp", "precision", "start", "topology"]
    assert len({record["fingerprint"][key] for key in ("mdp", "start", "topology")}) == 3


def test_move_aside_takes_the_first_free_number(tmp_path: Path) -> None:
    for name in ("run", "run.old-1", "run.old-3"):
        (tmp_path / name).mkdir()
    assert move_aside(tmp_path / "run").name == "run.old-2"


def test_reached_step(tmp_path: Path) -> None:
    assert reached_step(tmp_path / "state.trr") is None
    write_state(tmp_path / "state.trr", 123456)
    assert reached_step(tmp_path / "state.trr") == 123456


def test_where_links_fail_whole_copies_are_published(job: StageJob, monkeypatch: pytest.MonkeyPatch) -> None:
    binding = bind(job, pytest.fail)
    names = job.stage.published
    for name in names:
        (job.run / name).write_text(f"new {name}\n")
        (job.folder / name).write_text(f"old {name}\n")

    def no_links(_source: object, _target: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    publish(job, binding)
    for name in names:
        assert (job.folder / name).read_text() == f"new {name}\n"
        assert not (job.folder / name).samefile(job.run / name)
    assert not list(job.folder.glob(".*.new"))


def test_a_copy_that_fails_leaves_what_was_published(job: StageJob, monkeypatch: pytest.MonkeyPatch) -> None:
    binding = bind(job, pytest.fail)
    for name in [*job.stage.published, "provenance.json"]:
        (job.run / name).write_text("new\n")
        (job.folder / name).write_text("old\n")

    def full(*_paths: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(OSError, match="No space left"):
        publish(job, binding)
    assert {(job.folder / name).read_text() for name in job.stage.published} == {"old\n"}


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (MemoryError(), "not enough memory; log: "),
        (MemoryError("energies of md.edr"), "not enough memory: energies of md.edr; log: "),
        (OSError(errno.ENOSPC, "No space left on device", "md.gro"), "No space left on device: md.gro; log: "),
    ],
)
def test_what_the_machine_lacks_is_one_line_and_recorded(
    error: Exception, cause: str, job: StageJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lack(*_: object) -> None:
        raise error

    monkeypatch.setattr(running, "_run_locked", lack)
    with pytest.raises(RunError, match=f"^{cause}"):
        run_stage(job)
    assert read_json(job.folder / "failure.json")["message"].startswith(cause)


def test_a_shorter_result_is_vouched_for_only_with_the_physics_of_the_run(job: StageJob) -> None:
    binding = bind(job, pytest.fail)
    for name in job.stage.published:
        (job.run / name).write_text(f"{name}\n")
    publish(job, binding)
    vouch_for_shorter(job, binding)
    other = dataclasses.replace(binding, fingerprint=dataclasses.replace(binding.fingerprint, mdp="another"))
    with pytest.raises(RunError, match=r"has other physics than the run; start afresh: eoli redo"):
        vouch_for_shorter(job, other)
    (job.folder / "md.gro").unlink()
    with pytest.raises(RunError, match=r"md\.gro is missing; start afresh: eoli redo"):
        vouch_for_shorter(job, binding)
    (job.folder / "provenance.json").unlink()
    with pytest.raises(RunError, match=r"provenance\.json is missing; start afresh: eoli redo"):
        vouch_for_shorter(job, binding)
