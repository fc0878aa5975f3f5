"""A file of a stage is lost, cut, emptied, flipped or another's: the undisturbed result, or one line that names it."""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eoli.errors import EoliError, InputError, RunError
from eoli.gromacs.states import read_states
from eoli.stage.binding import read_binding
from eoli.stage.ending import CHECKPOINTS, FIXED, read_ending, write_ending
from eoli.stage.job import StageJob
from eoli.stage.run import run_stage
from tiny_stages import FIVE_SECONDS_NS, Tiny, first_trr, short, was_said, xtc

pytestmark = pytest.mark.gmx

LENGTH_NS, LONGER_NS = 0.002, 0.003
ROUNDS = 8


def _flip(path: Path, _other: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 16
    _write(path, bytes(content))


def _write(path: Path, content: bytes) -> None:
    """In place: a file that is linked elsewhere is damaged there, too."""
    with path.open("r+b") as stream:
        stream.truncate(0)
        stream.write(content)


DAMAGES: dict[str, Callable[[Path, Path], object]] = {
    "deleted": lambda path, other: path.unlink(),
    "cut": lambda path, other: os.truncate(path, path.stat().st_size * 2 // 3),
    "emptied": lambda path, other: os.truncate(path, 0),
    "flipped": _flip,
    "another's": lambda path, other: _write(path, other.read_bytes()),
}


@dataclasses.dataclass(frozen=True)
class Cases:
    """Finished runs of one stage from two starts; their published files, and those of the first extended."""

    job: StageJob
    other: Path
    result: dict[str, bytes]
    extended: dict[str, bytes]

    def copy(self, folder: Path, linked: bool) -> StageJob:
        """A copy of the finished run; published files are links to those of the run, or files of their own."""
        job = dataclasses.replace(self.job, folder=folder)
        shutil.copytree(self.job.folder, folder)
        for name in (*job.stage.published, "provenance.json") if linked else ():
            (folder / name).unlink()
            os.link(job.run / name, folder / name)
        return job


def published(job: StageJob) -> dict[str, bytes]:
    return {name: (job.folder / name).read_bytes() for name in job.stage.published}


def longer(job: StageJob) -> StageJob:
    return dataclasses.replace(job, stage=short("npt", length_ns=LONGER_NS))


@pytest.fixture(scope="module")
def cases(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Cases:
    folder = tmp_path_factory.mktemp("damage")
    job = tiny.after("npt", short("npt", length_ns=LENGTH_NS), folder / "first")
    other = tiny.after("compress", short("npt", length_ns=LENGTH_NS), folder / "other")
    for each in (job, other):
        run_stage(each)
    found = Cases(job, other.folder, published(job), {})
    extended = longer(found.copy(folder / "extended", linked=True))
    run_stage(extended)
    return dataclasses.replace(found, extended=published(extended))


def physics(result: dict[str, bytes]) -> dict[str, bytes]:
    """What no date and no count of a program's own is in; logs are compared by their presence alone."""
    return {name: content for name, content in result.items() if name not in ("md.log", "md.tpr")}


def outcome(job: StageJob) -> dict[str, bytes] | str:
    """The published files, or the one line of the error."""
    try:
        run_stage(job)
    except EoliError as error:
        assert not isinstance(error, InputError) and "\n" not in str(error)
        return str(error)
    return published(job)


RUN_FILES = ["md.xtc", "md.edr", "md.trr", "md.log", "md.gro", "md.cpt", "md.tpr", "state.trr", "start.gro", "start.trr", "verdict.json", "provenance.json", "inputs.json", "session-end.json", "stage.mdp"]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", RUN_FILES)
def test_a_damaged_file_of_a_finished_run(cases: Cases, name: str, damage: str, tmp_path: Path) -> None:
    for linked in (True, False):
        job = cases.copy(tmp_path / str(linked), linked)
        DAMAGES[damage](job.run / name, cases.other / "run" / name)
        found = outcome(job)
        if isinstance(found, str):
            assert name in found and "eoli redo tiny npt" in found
            # a copy beside it, or what it was made from, puts it right
            assert linked and damage != "deleted" and name in job.stage.published
        elif name in ("inputs.json", "md.tpr"):
            # whose run it is cannot be told: it is kept, and run again; grompp draws a seed that nothing uses
            assert physics(found) == physics(cases.result)
        else:
            assert found == cases.result


@pytest.mark.parametrize("name", ["md.xtc", "md.edr", "md.trr", "md.log"])
def test_a_run_without_a_record_is_known_by_its_checkpoint(cases: Cases, name: str, tmp_path: Path) -> None:
    """A stage that an older version has finished."""
    job = cases.copy(tmp_path / "npt", linked=True)
    (job.run / "session-end.json").unlink()
    (job.run / name).unlink()
    assert outcome(job) == cases.result
    assert was_said(job, f"{name} of the run was lost or damaged; it is restored from the published file")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_published_file(cases: Cases, damage: str, tmp_path: Path) -> None:
    for name in cases.job.stage.published:
        job = cases.copy(tmp_path / name, linked=False)
        DAMAGES[damage](job.folder / name, cases.other / name)
        assert outcome(job) == cases.result


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_a_damaged_file_of_a_run_that_is_extended(cases: Cases, round_: int, tmp_path: Path) -> None:
    draw = random.Random(round_)
    name, damage = draw.choice(RUN_FILES[:10]), draw.choice(list(DAMAGES))
    job = longer(cases.copy(tmp_path / "npt", linked=draw.random() < 0.5))
    DAMAGES[damage](job.run / name, cases.other / "run" / name)
    found = outcome(job)
    if isinstance(found, str):
        assert name in found and "eoli redo tiny npt" in found
    else:
        assert physics(found) == physics(cases.extended)


@pytest.fixture(scope="module")
def undisturbed(tiny: Tiny, stopped: Path, tmp_path_factory: pytest.TempPathFactory) -> StageJob:
    """The stopped run, continued."""
    folder = tmp_path_factory.mktemp("undisturbed") / "npt"
    shutil.copytree(stopped, folder)
    job = tiny.after("npt", short("npt", length_ns=FIVE_SECONDS_NS), folder)
    run_stage(job)
    return job


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("round_", range(ROUNDS // 2))
def test_a_damaged_file_of_a_run_that_goes_on(
    cases: Cases, half: StageJob, undisturbed: StageJob, round_: int, killed: bool
) -> None:
    """Where it was killed the record knows its start and its checkpoints alone; mdrun looks at the ends of the others."""
    if killed:
        write_ending(half.run, (*FIXED, *CHECKPOINTS))
    draw = random.Random(100 + round_)
    name, damage = draw.choice([*RUN_FILES[:4], *CHECKPOINTS, *FIXED]), draw.choice(list(DAMAGES))
    DAMAGES[damage](half.run / name, cases.other / "run" / (name if name != "md_prev.cpt" else "md.cpt"))
    run_stage(half)
    assert first_trr(half.folder / "state.trr") == first_trr(undisturbed.folder / "state.trr")
    x, _, steps = xtc(half.folder / "md.xtc")
    wanted, _, wanted_steps = xtc(undisturbed.folder / "md.xtc")
    assert steps.tolist() == wanted_steps.tolist()
    # a frame at which a run was continued is written again, wrapped into the box
    same = (x == wanted).all(axis=(1, 2))
    assert (~same).sum() <= 3
    assert len(read_states(half.folder / "md.trr")) == len(read_states(undisturbed.folder / "md.trr"))


def test_what_is_set_aside_is_never_written_over(half: StageJob) -> None:
    for name in (*CHECKPOINTS, "md.cpt.unusable"):
        (half.run / name).write_bytes(f"no checkpoint {name}".encode())
    run_stage(half)
    kept = {path.read_bytes() for path in half.run.glob("md*.cpt.unusable*")}
    assert kept == {f"no checkpoint {name}".encode() for name in (*CHECKPOINTS, "md.cpt.unusable")}


def _stand_in(half: StageJob, folder: Path, body: str) -> StageJob:
    """The job with a GROMACS that goes through a script of its own first."""
    program = folder / "gmx-other"
    program.write_text(f'#!/bin/bash\n{body}\nexec {half.gromacs.program} "$@"\n')
    program.chmod(0o755)
    return dataclasses.replace(half, gromacs=dataclasses.replace(half.gromacs, program=program))


FATAL = (
    r"printf '\nProgram: gmx, version 2021.4\n\nFatal error:\nreading tpx file (md.tpr) version 127 with version 122 "
    r"program\n\nFor more information\n' >&2; exit 1"
)


@pytest.mark.parametrize(
    ("when", "body", "said"),
    [
        ("older", FATAL, "reading tpx file (md.tpr) version 127 with version 122 program"),
        ("no library", "echo 'gmx: error while loading shared libraries: libmpi.so.40' >&2; exit 127", "libmpi.so.40"),
        ("no memory", "kill -9 $$", "killed by signal 9"),
    ],
)
def test_a_program_that_fails_is_no_sign_of_damage(
    half: StageJob, tmp_path: Path, when: str, body: str, said: str
) -> None:
    names = {path.name: path.read_bytes() for path in half.run.iterdir() if path.suffix in (".cpt", ".xtc", ".edr")}
    text = outcome(_stand_in(half, tmp_path, body))
    assert isinstance(text, str) and said in text
    assert {name: (half.run / name).read_bytes() for name in names} == names
    assert not list(half.run.glob("*.unusable*"))
    begun = read_states(half.run / "md.trr")[-1].step
    run_stage(half)
    assert begun > 0 and not was_said(half, "from its beginning")


def test_a_tool_that_fails_after_the_run_is_no_sign_of_damage(cases: Cases, tmp_path: Path) -> None:
    """mdrun ends, and then there is no memory to read its checkpoint."""
    job = longer(cases.copy(tmp_path / "npt", linked=True))
    text = outcome(_stand_in(job, tmp_path, '[ "$1" = trjconv ] && { echo "Fatal error:" ; echo; exit 1; }'))
    assert isinstance(text, str) and "gmx trjconv" in text
    assert not list(job.run.glob("*.unusable*"))
    assert outcome(job) == cases.extended or physics(published(job)) == physics(cases.extended)


def test_a_checkpoint_that_its_own_writer_cannot_read(half: StageJob) -> None:
    """Whole at both ends and unknown to the record: GROMACS alone can tell, and reads the start all the same.

    GROMACS 2025.2 does not tell, and dies of it; that is no evidence of what is wrong, so it is said, and nothing is moved.
    """
    content = bytearray((half.run / "md.cpt").read_bytes())
    at = content.index(b"\0\0\0\x06md.log") - 40
    content[at // 2 : at] = b"\xff" * (at - at // 2)
    (half.run / "md.cpt").write_bytes(content)
    (half.run / "session-end.json").unlink()
    try:
        run_stage(half)
    except RunError as error:
        assert half.gromacs.version[0] == 2025 and "crash (SIGSEGV)" in str(error)
        assert (half.run / "md.cpt").read_bytes() == content
    else:
        assert was_said(half, "GROMACS cannot read md.cpt, which it wrote itself")


def test_records_of_a_run(cases: Cases, half: StageJob) -> None:
    known: Any = read_ending(cases.job.run)
    assert {"md.gro", "state.trr", "md.tpr", "start.gro", "start.trr", "md.xtc", "md.cpt"} <= set(known.files)
    assert set(read_ending(half.run).continued) == set(CHECKPOINTS)
    binding = read_binding(half.run)
    assert binding is not None and binding.options["integrator"] == "md"
