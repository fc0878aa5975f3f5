"""What is published is what the study asks for, whatever failed in between: each way to fail with each kind of change.

A change of a finished study fails once. Until the next call the old result stays, and is named as not what is asked for;
the next call makes what an undisturbed one makes. The ordinary run has one cell for each way and each kind;
`EOLI_FAULTS` of thirty and more has all of them.
"""

from __future__ import annotations

import fcntl
import json
import os
import pickle
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyedr
import pytest
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from support import (
    LIMIT_S,
    SYSTEMS,
    TINY,
    copy_workflow,
    environment,
    processes_in,
    snakemake,
    snakemake_command,
    until,
)

pytestmark = [pytest.mark.gmx, pytest.mark.workflow, pytest.mark.faults]

ALL = int(os.environ.get("EOLI_FAULTS", "6")) >= 30
SYSTEM = SYSTEMS[0]
HOME = Path("results") / SYSTEM


@dataclass(frozen=True)
class Kind:
    """A change of a study: an overlay, or words of the building blocks that are replaced; the product that it changes
    and the words of the command that makes it. `afresh`: the undisturbed result is that of a new study."""

    name: str
    product: str
    command: tuple[str, ...]
    overlay: str = ""
    blocks: tuple[str, str, str] | None = None
    afresh: bool = False

    @property
    def target(self) -> str:
        """The file that is asked for."""
        return str(HOME / self.product) + ("" if self.product.endswith(".json") else "/md.xtc")

    def make(self, folder: Path) -> None:
        """Change the study in a folder."""
        (folder / "own.yaml").write_text(self.overlay or "{}\n")
        if self.blocks is not None:
            path, old, new = self.blocks
            text = (folder / path).read_text()
            assert old in text
            (folder / path).write_text(text.replace(old, new))


LITHIUM = ("topologies/atomtypes.yaml", "2.82836e-5", "2.83e-5")
KINDS = {
    kind.name: kind
    for kind in (
        Kind("length", "production", ("stage", "production"), "stages: {production: {length_ns: 0.006}}\n"),
        Kind("physics", "production", ("stage", "production"), "stages: {production: {tau_t_ps: 0.7}}\n", afresh=True),
        Kind("topology", "compress", ("stage", "compress"), blocks=LITHIUM, afresh=True),
        Kind("seed", "compress", ("stage", "compress"), "seed: 8\n", afresh=True),
        Kind("criteria", "analysis/ions.json", ("ions",), "analysis: {contact_nm: {anion: 0.5}}\n"),
    )
}


@dataclass(frozen=True)
class Fault:
    """A way to fail: what happens, and at which point of the command's work (`replace`: when it puts `name` in place;
    `{table}` and `{record}` stand for the last file of a product and its record)."""

    name: str
    does: str
    at: str
    file: str = ""


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("exit", "exit", "start"),
        Fault("exit-at-the-end", "exit", "end"),
        Fault("killed", "kill", "middle"),
        Fault("driver-killed", "kill the driver", "middle"),
        Fault("killed-while-publishing", "kill", "replace", "{last}"),
        Fault("killed-before-the-record", "kill", "replace", "{record}"),
        Fault("driver-killed-while-publishing", "kill the driver", "replace", "{record}"),
        Fault("disk-full", "fill the disk", "middle"),
        Fault("walltime", "", ""),
    )
}
CELLS = [(fault, kind) for fault in FAULTS for kind in KINDS if (fault, kind) != ("walltime", "criteria")]
FEW = [
    ("exit", "physics"), ("exit-at-the-end", "length"), ("killed", "topology"), ("driver-killed", "length"),
    ("killed-while-publishing", "physics"), ("killed-before-the-record", "criteria"),
    ("driver-killed-while-publishing", "criteria"), ("disk-full", "length"), ("walltime", "seed"),
]  # fmt: skip


def environment_of(fault: Fault, kind: Kind, folder: Path, helpers: Path) -> dict[str, str]:
    """The environment in which the command of a kind of change fails once."""
    stage = not kind.product.endswith(".json")
    names = {"last": "verdict.json", "record": "provenance.json"}
    if not stage:
        stem = Path(kind.product).stem
        names = {"last": f"{stem}.json", "record": f"{stem}.provenance.json"}
    middle = "mdrun" if stage else "replace"
    (helpers / "sitecustomize.py").write_text(Path(__file__).with_name("hook.py").read_text())
    description = {
        "command": kind.command,
        "does": fault.does,
        "at": middle if fault.at == "middle" else fault.at,
        "name": fault.file.format(**names) or f"{Path(kind.product).stem}.csv",
        "done": str(helpers / "done"),
        "driver": str(helpers / "driver"),
        "filler": str(folder / "filler"),
    }
    path = os.pathsep.join([str(helpers), *filter(None, [os.environ.get("PYTHONPATH")])])
    return environment() | {"PYTHONPATH": path, "EOLI_TEST_FAULT": json.dumps(description)}


def fail_once(fault: Fault, kind: Kind, folder: Path, helpers: Path) -> str:
    """Call Snakemake while a fault comes to it; what it said."""
    helpers.mkdir()
    config: tuple[str, ...] = (TINY, "own.yaml")
    if fault.name == "walltime":
        # mdrun stops at its first search for neighbours
        (folder / "walltime.yaml").write_text("run: {max_hours: 1.0e-5}\n")
        config = (*config, "walltime.yaml")
    variables = environment() if not fault.does else environment_of(fault, kind, folder, helpers)
    log = helpers / "log"
    with log.open("wb") as stream:
        driver = subprocess.Popen(
            snakemake_command(kind.target, config=config),
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
        (helpers / "driver").write_text(str(driver.pid))
        code = driver.wait(timeout=LIMIT_S)
    # what the driver has left behind goes on to its end
    until(lambda: not processes_in(folder), "the processes of the study end")
    (folder / "filler").unlink(missing_ok=True)
    text = log.read_text(errors="replace")
    assert code != 0, text
    assert not fault.does or (helpers / "done").exists(), text
    return text


@dataclass(frozen=True)
class Result:
    """The content of a product: positions by step, energies, or the scalars of an analysis."""

    steps: tuple[int, ...]
    numbers: dict[str, np.ndarray]
    scalars: object

    def same(self, other: Result) -> bool:
        """Whether two results are the same to the bit (energies to what GROMACS repeats after a restart)."""
        if self.steps != other.steps or self.numbers.keys() != other.numbers.keys() or self.scalars != other.scalars:
            return False
        return all(
            mine.shape == theirs.shape and np.allclose(mine, theirs, rtol=0 if name == "x" else 1e-6, atol=0)
            for name, mine in self.numbers.items()
            for theirs in [other.numbers[name]]
        )


def result_of(folder: Path, kind: Kind) -> Result:
    """Read what is published in a study."""
    place = folder / HOME / kind.product
    if place.suffix == ".json":
        return Result((), {}, (json.loads(place.read_text()), place.with_suffix(".csv").read_text()))
    with XTCFile(str(place / "md.xtc")) as stream:
        frames = [(int(frame.step), frame.x.copy()) for frame in stream]
    energies = pyedr.edr_to_dict(str(place / "md.edr"))
    verdict = json.loads((place / "verdict.json").read_text())
    numbers = {"x": np.array([x for _, x in frames]), "t": energies["Time"], "V": energies["Potential"]}
    return Result(tuple(step for step, _ in frames), numbers, (verdict["status"], verdict["values"]["ns"]))


@pytest.fixture(scope="session")
def undisturbed(finished: Path, of_session: Path) -> Callable[[Kind], Result]:
    """The result of each kind of change without a fault, made once for all workers, when it is first asked for."""

    def result(kind: Kind) -> Result:
        folder = of_session / f"undisturbed-{kind.name}"
        known, lock = folder.with_suffix(".pickle"), folder.with_suffix(".lock")
        with lock.open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            if not known.exists():
                # a worker that failed here has left its part
                shutil.rmtree(folder, ignore_errors=True)
                copy_workflow(folder) if kind.afresh else shutil.copytree(finished, folder, symlinks=True)
                kind.make(folder)
                run = snakemake(folder, kind.target, config=(TINY, "own.yaml"))
                assert run.returncode == 0, run.stdout
                known.write_bytes(pickle.dumps(result_of(folder, kind)))
                shutil.rmtree(folder)
        found: Result = pickle.loads(known.read_bytes())
        return found

    return result


@pytest.fixture
def on_small_disk(finished: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the finished study on a file system of its own that can be filled, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = sum(path.lstat().st_size for path in finished.rglob("*") if path.is_file())
    options = f"size={2 * size + 2**26}"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may not mount a file system")
    shutil.copytree(finished, folder / "study", symlinks=True)
    yield folder / "study"
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def dry_run(folder: Path, target: str, config: tuple[str, ...] = (TINY, "own.yaml")) -> str:
    run = snakemake(folder, target, "-n", config=config)
    assert run.returncode == 0, run.stdout
    return run.stdout


def state_of(folder: Path, stage: str) -> str:
    """What `eoli status` says of a stage."""
    command = ["eoli", "status", "--json", "--config", "config/config.yaml", TINY, "own.yaml"]
    run = subprocess.run(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True, check=True)
    return next(str(s["state"]) for s in json.loads(run.stdout) if (s["system"], s["stage"]) == (SYSTEM, stage))


@pytest.mark.parametrize(("fault", "kind"), CELLS if ALL else FEW)
def test_a_change_that_failed_once_is_made_by_the_next_call(
    fault: str, kind: str, undisturbed: Callable[[Kind], Result], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    change, expected = KINDS[kind], undisturbed(KINDS[kind])
    folder = request.getfixturevalue("on_small_disk" if fault == "disk-full" else "study")
    before = result_of(folder, change)
    assert not before.same(expected)
    change.make(folder)
    said = fail_once(FAULTS[fault], change, folder, tmp_path / "helpers")
    snakemake(folder, "--unlock", config=())

    look = dry_run(folder, change.target)
    if "Nothing to be done" in look:
        assert result_of(folder, change).same(expected), f"{said}\n{look}"
    # a stage whose driver alone was killed goes on to its end, and is done then
    if change.command[0] == "stage" and state_of(folder, change.product) == "done":
        assert result_of(folder, change).same(expected), f"{said}\n{look}"

    again = snakemake(folder, change.target, config=(TINY, "own.yaml"))
    assert again.returncode == 0, f"{said}\n{again.stdout}"
    assert result_of(folder, change).same(expected), f"{said}\n{again.stdout}"
    assert "Nothing to be done" in dry_run(folder, change.target)


def everything(folder: Path, *config: str) -> str:
    """What a dry run of the whole study says."""
    run = snakemake(folder, "-n", config=(TINY, *config))
    assert run.returncode == 0, run.stdout
    return run.stdout


@pytest.mark.parametrize("date", [1e9, 4e9], ids=["past", "future"])
def test_dates_alone_make_nothing_again(date: float, study: Path) -> None:
    for path in (study / "results").rglob("*"):
        os.utime(path, (date, date))
    assert "Nothing to be done" in everything(study)


def test_a_copy_without_dates_and_without_what_snakemake_knows(study: Path) -> None:
    shutil.rmtree(study / ".snakemake")
    for number, path in enumerate(sorted((study / "results").rglob("*"))):
        os.utime(path, (1e9 + number, 1e9 + number))
    for name in ("config", "topologies"):
        for path in (study / name).rglob("*"):
            os.utime(path, (1e9, 1e9))
    assert "Nothing to be done" in everything(study)
    for kind in KINDS.values():
        if kind.blocks is None:
            (study / "own.yaml").write_text(kind.overlay)
            found = everything(study, "own.yaml")
            assert (
                f"eoli: not up to date: {SYSTEM} {Path(kind.product).stem if kind.name != 'seed' else 'box'}: " in found
            )


def test_only_what_a_target_needs_is_made_again(study: Path) -> None:
    (study / HOME / "nvt" / "state.trr").unlink()
    (study / HOME / "compress" / "md.xtc").write_bytes(b"")
    look = dry_run(study, str(HOME / "npt" / "md.gro"), config=(TINY,))
    assert f"not up to date: {SYSTEM} compress: md.xtc is not the file that was made" in look and "nvt" not in look
