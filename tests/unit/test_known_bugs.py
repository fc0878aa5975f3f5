"""Known bugs of GROMACS: which versions and settings meet them, in plans, in logs; and the checkpoint that is kept."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import pytest

from checkpoints import checkpoint
from eoli import cli
from eoli.errors import RunError
from eoli.gromacs.build import Gromacs, inspect, parse_version
from eoli.gromacs.known_bugs import KNOWN_BUGS, STALE_PREVIOUS, KnownBug, bugs_ahead, bugs_met
from eoli.gromacs.mdp import Conditions
from eoli.stage import engine
from eoli.stage.checkpoint import read_checkpoint
from eoli.stage.ending import CHECKPOINTS, FIXED, KEPT, RESTARTS, keep_previous, read_ending, write_ending
from eoli.stage.job import Placement, StageJob
from eoli.study.config import GromacsBuild
from eoli.study.protocol import Stage
from support import ROOT

COMMON = {"time_step_fs": 1, "length_ns": 0.01, "frame_interval_ps": 1, "energy_interval_ps": 1, "integrator": "md"}
NVT = COMMON | {"name": "nvt", "ensemble": "NVT", "thermostat": "v-rescale", "tau_t_ps": 1}
NPT = NVT | {"name": "npt", "ensemble": "NPT", "barostat": "c-rescale", "tau_p_ps": 5, "pressure_bar": 1}
STEEP = {
    "name": "minimise", "ensemble": "minimisation", "integrator": "steep", "max_steps": 9, "force_tolerance_kJ_mol_nm": 9
}  # fmt: skip


def fake_gmx(folder: Path, version: str, gpu: str = "disabled", mpi: str = "thread_mpi", mdrun: str = "exit 1") -> Path:
    """A program that describes itself as this GROMACS, and runs a script for `mdrun`."""
    program = folder / "gmx"
    program.write_text(
        f"""#!/bin/sh
[ "$1" = mdrun ] && {{ {mdrun}
}}
printf 'GROMACS version:    {version}\\nPrecision:          mixed\\nMPI library:        {mpi}\\n'
printf 'SIMD instructions:  AVX2_256\\nGPU support:        {gpu}\\nData prefix:        /usr\\n'
"""
    )
    program.chmod(0o755)
    return program


def build(folder: Path, version: str, gpu: str = "disabled", mpi: str = "thread_mpi") -> Gromacs:
    return inspect(GromacsBuild(command=str(fake_gmx(folder, version, gpu, mpi))))


def ahead(gromacs: Gromacs, *stages: dict[str, object], gpu: bool = True, reproducible: bool = False) -> list[int]:
    """Issue numbers of the bugs that stages can meet."""
    lines = bugs_ahead(gromacs, [Stage.model_validate(stage) for stage in stages], reproducible, gpu)
    return [bug.issue for bug in KNOWN_BUGS for line in lines if f"(issue {bug.issue} of" in line]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("2023.1-Debian_2023.1_2", (2023, 1)), ("2026.0-conda", (2026, 0)), ("2024-dev-20231201-1a2b3c4d", (2024, 0)),
        ("2023", (2023, 0)), ("2025.4-plumed_2.10.0", (2025, 4)), ("2024.2-dev-20240506-8d1c2e5f-dirty", (2024, 2)),
    ],
)  # fmt: skip
def test_versions_as_packagers_write_them(text: str, version: tuple[int, int]) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("text", "issues"),
    [
        ("2022.5-Debian_2022.5_2", {4937, 5138}),
        ("2023", {4810, 4937, 5138}),
        ("2023.1-Debian_2023.1_2", {4810, 4937, 5138}),
        ("2023.2", {4937, 5138}),
        ("2023.4", {5138}),
        ("2023.6", set()),
        ("2024.3-conda_forge", {5138}),
        ("2024-dev-20231201-1a2b3c4d", {5138}),
        ("2024.4-dev-20241001-1a2b3c4d", {5138}),
        ("2024.4", set()),
        ("2025.2-Debian_2025.2_1", set()),
        ("2026.0-conda", {5564}),
        ("2026.1-dev-20260212-1a2b3c4d", {5564}),
        ("2026.4-Debian_2026.4_1", set()),
    ],
)
def test_which_version_has_which_bug(text: str, issues: set[int]) -> None:
    assert {bug.issue for bug in KNOWN_BUGS if bug.is_in(text)} == issues


@pytest.mark.parametrize("bug", KNOWN_BUGS, ids=lambda bug: str(bug.issue))
def test_the_table_is_sound(bug: KnownBug) -> None:
    assert bug.first < min(bug.mended) and list(bug.mended) == sorted(bug.mended)
    assert not any(bug.is_in(f"{year}.{patch}") for year, patch in bug.mended)
    line = bug.line("2023.1")
    assert "\n" not in line and line.isascii() and f"issue {bug.issue} of GROMACS" in line


def test_only_what_a_stage_uses_is_told(tmp_path: Path) -> None:
    cuda = build(tmp_path, "2023.1", gpu="CUDA")
    assert ahead(cuda, NVT, gpu=False) == [4810] and ahead(cuda, STEEP) == [4810]
    assert ahead(cuda, NVT) == [4810, 4937, 5138]
    assert ahead(cuda, NVT | {"nb": "cpu"}) == [4810]
    assert ahead(cuda, NVT | {"update": "cpu"}) == [4810, 5138]
    assert ahead(cuda, NVT | {"thermostat": "nose-hoover"}) == [4810, 5138]
    assert ahead(cuda, NVT | {"integrator": "md-vv"}) == [4810, 5138]
    # a list of fixed age has no dynamic pruning
    assert ahead(cuda, NVT, reproducible=True) == [4810, 4937]
    assert (
        ahead(cuda, NVT | {"equilibrates": False}) == ahead(cuda, NVT | {"generate_velocities": True}) == [4810, 4937]
    )


def test_the_update_on_gpus_is_automatic_since_2023(tmp_path: Path) -> None:
    before = build(tmp_path, "2022.5", gpu="CUDA")
    assert ahead(before, NVT) == [5138] and ahead(before, NVT | {"update": "gpu"}) == [4937, 5138]


def test_threads_are_those_of_gromacs_own_mpi(tmp_path: Path) -> None:
    assert ahead(build(tmp_path, "2026.0-conda"), NVT) == [5564]


def test_real_mpi_starts_its_own_threads(tmp_path: Path) -> None:
    assert ahead(build(tmp_path, "2026.0-conda", mpi="MPI"), NVT) == []


def test_stages_are_named_where_not_all_are_concerned(tmp_path: Path) -> None:
    stages = [Stage.model_validate(stage) for stage in (STEEP, NVT, NPT)]
    lines = bugs_ahead(build(tmp_path, "2024.3", gpu="CUDA"), stages, False, True)
    assert len(lines) == 1 and lines[0].startswith("nvt, npt: GROMACS 2024.3 misses a few pairs")


@pytest.mark.parametrize(
    ("devices", "gpu", "words", "told"),
    [
        ("", "CUDA", [], {4810}),
        ("0", "CUDA", [], {4810, 4937, 5138}),
        ("", "CUDA", ["--on-nodes"], {4810, 4937, 5138}),
        ("", "OpenCL", [], {4810, 4937, 5138}),
        ("0", "disabled", ["--on-nodes"], {4810}),
    ],
)
def test_check_tells_each_bug_in_a_line(
    devices: str, gpu: str, words: list[str], told: set[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", devices)
    program = fake_gmx(tmp_path, "2023.1-Debian_2023.1_2", gpu)
    overrides = json.dumps({"gmx": {"command": str(program)}})
    assert cli.main(["check", "--gromacs", "--set", overrides, *words]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "of GROMACS, mended in" in line]
    assert {bug.issue for bug in KNOWN_BUGS for line in lines if str(bug.issue) in line} == told
    assert len(lines) == len(told)


def log(version: str, *, pruned: bool = False, moved: bool = False, pcoupl: str = "No", nstpcouple: int = 10) -> str:
    """The lines of md.log that tell, as GROMACS prints them."""
    lines = [
        f"GROMACS:      gmx mdrun, version {version}",
        f"GROMACS version:    {version}", "MPI library:        thread_mpi", "GPU support:        CUDA",
        "   nstlist                        = 10", f"   pcoupl                         = {pcoupl}",
        f"   nstpcouple                     = {nstpcouple}", "Changing nstlist from 10 to 80, rlist from 0.8 to 0.95",
    ]  # fmt: skip
    if moved:
        lines.append("PP task will update and constrain coordinates on the GPU")
    if pruned:
        lines.append("Using a dual 8x4 pair-list setup updated with dynamic, rolling pruning:")
    return "\n".join([*lines, ""])


def met(text: str) -> list[int]:
    return [bug.issue for line in bugs_met(text) for bug in KNOWN_BUGS if f"(issue {bug.issue} of" in line]


def test_what_a_log_says_that_was_met() -> None:
    assert met(log("2023.1")) == met(log("2026.0-conda")) == met("") == met("GROMACS version: unknown\n") == []
    assert met(log("2024.3", pruned=True)) == [5138] and met(log("2024.4", pruned=True)) == []
    assert met(log("2023.3", moved=True)) == [4937]
    # the virial is computed at each search where lists live for a multiple of the coupling's steps
    assert met(log("2023.3", moved=True, pcoupl="C-rescale", nstpcouple=10)) == []
    assert met(log("2023.3", moved=True, pcoupl="C-rescale", nstpcouple=100)) == [4937]


def test_each_session_of_a_log_is_of_its_own_version() -> None:
    assert met(log("2024.3") + log("2024.4", pruned=True)) == []
    assert met(log("2024.4", pruned=True) + log("2024.3", pruned=True) + log("2024.3", pruned=True)) == [5138]


WRITES = """
    put() {{ [ -e md.cpt ] && [ ! -e md_prev.cpt ] && cp md.cpt md_prev.cpt; cp "$1" .new; mv .new md.cpt; }}
    seen() {{ until grep -q "$(sha256sum md.cpt | cut -c 1-64)" session-end.json; do sleep 0.05; done; }}
    put {0}/1; seen; put {0}/2; seen; put {0}/3; seen; put {0}/4; exit 0"""
"""What mdrun 2023.1 does with its checkpoints; each is noticed before the next but one."""


def stage_job(tmp_path: Path, version: str) -> StageJob:
    """A job whose mdrun writes the checkpoints of steps 1 to 4, as 2023.1 does."""
    (tmp_path / "cpt").mkdir()
    for step in range(1, 5):
        (tmp_path / "cpt" / str(step)).write_bytes(checkpoint(step, {}))
    program = fake_gmx(tmp_path, version, mdrun=WRITES.format(tmp_path / "cpt"))
    job = StageJob(
        "peo", Stage.model_validate(NVT), Conditions(400.0, 0.8, 0.16, True, "all-bonds", 7), tmp_path, tmp_path,
        tmp_path / "nvt", inspect(GromacsBuild(command=str(program))), 1, 5.0, None, False, placement=Placement(pin=False),
    )  # fmt: skip
    job.run.mkdir(parents=True)
    (job.run / "md.tpr").touch()
    return job


def run_mdrun(job: StageJob) -> dict[str, int]:
    """The steps of its checkpoints after a session."""
    said = type("Say", (), {"__call__": lambda *_: None, "progress": lambda *_: None})()
    lock = os.open(job.folder / "lock", os.O_CREAT | os.O_RDWR)
    try:
        with contextlib.suppress(RunError):
            engine.run_mdrun(job, lock, said)
    finally:
        os.close(lock)
    return {name: read_checkpoint(job.run / name).step for name in RESTARTS if (job.run / name).exists()}


def test_the_checkpoint_before_the_newest_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LOOK_EVERY_S", 0.05)
    job = stage_job(tmp_path, "2023.1-Debian_2023.1_2")
    found = run_mdrun(job)
    # the last one may be noticed before mdrun has ended
    assert found in ({"md.cpt": 4, "md_prev.cpt": 3, KEPT: 2}, {"md.cpt": 4, KEPT: 3})
    for step in sorted(found.values(), reverse=True)[1:]:
        os.truncate(job.run / "md.cpt", 100)
        engine.settle_checkpoint(job, lambda text: None)
        assert read_checkpoint(job.run / "md.cpt").step == step
    assert not (job.run / KEPT).exists()


def test_a_version_without_the_bug_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LOOK_EVERY_S", 0.05)
    assert run_mdrun(stage_job(tmp_path, "2023.2")) == {"md.cpt": 4, "md_prev.cpt": 1}


@pytest.mark.parametrize("kept", [True, False])
def test_a_checkpoint_that_nobody_has_seen_yet(kept: bool, tmp_path: Path) -> None:
    """A kill right after mdrun wrote it: with a stale md_prev.cpt it would pass for damaged."""
    (tmp_path / "md_prev.cpt").write_bytes(checkpoint(1, {}))
    (tmp_path / "md.cpt").write_bytes(checkpoint(8, {}))
    if kept:
        keep_previous(tmp_path)
        keep_previous(tmp_path)
    write_ending(tmp_path, (*FIXED, *RESTARTS))
    if not (tmp_path / "md_prev.cpt").exists():
        (tmp_path / "md_prev.cpt").write_bytes(checkpoint(8, {}))
    (tmp_path / "md.cpt").write_bytes(checkpoint(9, {}))
    assert read_ending(tmp_path).damaged_checkpoints(tmp_path) == (set() if kept else {"md.cpt"})
    assert (tmp_path / KEPT).exists() is kept and KEPT not in CHECKPOINTS


def test_the_versions_that_need_it() -> None:
    assert [text for text in ("2022.6", "2023", "2023.1", "2023.2", "2024") if STALE_PREVIOUS.is_in(text)] == [
        "2023",
        "2023.1",
    ]
