"""Faults at random moments against one sweep: nothing is lost, nothing is repeated, nothing differs.

`EOLI_FAULTS` sets how many (6 in the ordinary test run), `EOLI_FAULT_SEED` repeats a run by its printed seed.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import pyedr
import pytest
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from support import SYSTEMS, TINY, copy_workflow, environment, snakemake, snakemake_command

pytestmark = [pytest.mark.gmx, pytest.mark.workflow, pytest.mark.faults]

FAULTS = int(os.environ.get("EOLI_FAULTS", "6"))
CHECKPOINT_S = 1.2
# mdrun writes a checkpoint at the first neighbour search after the interval, and later on a busy machine
SLACK_S = 2.5
HIT = ("npt", "production")


def overlay(n_faults: int) -> str:
    """Long enough that most faults find something to hit before the stages have to be redone."""
    length = round(0.06 + 0.004 * n_faults, 3)
    return f"stages:\n  npt: {{length_ns: {length}}}\n  production: {{length_ns: {length}, frame_interval_ps: 0.5}}\n"


# faults are for simulations: the analyses behind them are left out
TARGETS = [f"results/{system}/production/md.xtc" for system in SYSTEMS]


@dataclass
class Disturbed:
    """A study under faults: the running Snakemake and what is known of it."""

    folder: Path
    random: random.Random
    process: subprocess.Popen[str] | None = None
    log: list[str] = field(default_factory=list)
    lost_s: list[tuple[str, float, float]] = field(default_factory=list)

    def start(self, *config: str) -> None:
        """Start the workflow as a process group of its own, as a shell does."""
        subprocess.run(["snakemake", "--unlock"], cwd=self.folder, env=environment(), capture_output=True, check=False)
        self.process = subprocess.Popen(
            snakemake_command(*TARGETS, config=(TINY, "own.yaml", *config)), cwd=self.folder, env=environment(), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def processes(self, word: str) -> list[int]:
        """Processes of this study whose command line has a word; an orphan counts."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                here = str((entry / "cwd").readlink())
            except OSError:
                continue
            if word in command and here.startswith(str(self.folder)):
                found.append(int(entry.name))
        return found

    def mdrun_folders(self) -> list[str]:
        """Where the mdruns of this study run."""
        folders = []
        for pid in self.processes("gmx mdrun"):
            with contextlib.suppress(OSError):
                folders.append(str(Path(f"/proc/{pid}/cwd").readlink()))
        return folders

    def started(self, run: Path) -> float | None:
        """When the mdrun of a run folder was started; None while there is none."""
        for pid in self.processes("gmx mdrun"):
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if Path(process.cwd()) == run:
                    return process.create_time()
        return None

    def wait_for_a_run(self, timeout_s: float = 120) -> bool:
        """Wait until an mdrun is past its start; False when the workflow ended before."""
        end = time.monotonic() + timeout_s
        assert self.process is not None
        while time.monotonic() < end:
            if self.process.poll() is not None:
                return False
            if any(Path(where).parent.name in HIT for where in self.mdrun_folders()):
                time.sleep(self.random.uniform(0.8, 3.0))
                return True
            time.sleep(0.1)
        raise AssertionError("no mdrun appeared")

    def run_folders(self) -> list[Path]:
        return [self.folder / "results" / system / stage / "run" for system in SYSTEMS for stage in HIT]

    def unfinished(self) -> list[Path]:
        return [run for run in self.run_folders() if (run / "md.tpr").exists() and not (run / "md.gro").exists()]

    def redo(self) -> None:
        """Throw finished runs away and do them again."""
        for system in SYSTEMS:
            for stage in HIT:
                command = ["eoli", "redo", system, stage, "--config", "config/config.yaml", TINY, "own.yaml"]
                subprocess.run(command, cwd=self.folder, env=environment(), check=True)

    def end(self, patience_s: float = 10) -> str:
        """Wait for the driver's end, or end it by Ctrl-C when a system that was not hit goes on; its output."""
        assert self.process is not None
        try:
            out, _ = self.process.communicate(timeout=patience_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGINT)
            out, _ = self.process.communicate(timeout=120)
        self.log.append(out)
        return out

    def kill_all(self) -> None:
        """The power goes."""
        assert self.process is not None
        for word in ("snakemake", "eoli stage", "gmx mdrun"):
            for pid in self.processes(word):
                _kill(pid, signal.SIGKILL)
        self.process.wait(timeout=30)
        _until(lambda: not self.processes("gmx mdrun"), 10)


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _until(condition: Callable[[], bool], timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.1)


def kill_mdrun(study: Disturbed) -> None:
    for pid in study.processes("gmx mdrun"):
        _kill(pid, signal.SIGKILL)
    study.end()


def terminate_mdrun(study: Disturbed) -> None:
    for pid in study.processes("gmx mdrun"):
        _kill(pid, signal.SIGTERM)
    study.end()


def kill_stage_leaving_an_orphan(study: Disturbed) -> None:
    for pid in study.processes("eoli stage"):
        _kill(pid, signal.SIGKILL)
    # at once, while the orphaned mdrun still runs: the next run has to wait for it
    study.end()


def terminate_stage(study: Disturbed) -> None:
    for pid in study.processes("eoli stage"):
        _kill(pid, signal.SIGTERM)
    study.end()


def kill_snakemake(study: Disturbed) -> None:
    assert study.process is not None
    study.process.kill()
    study.process.wait(timeout=30)


def kill_everything(study: Disturbed) -> None:
    study.kill_all()


def press_ctrl_c(study: Disturbed) -> None:
    assert study.process is not None
    os.killpg(study.process.pid, signal.SIGINT)
    study.end()
    _until(lambda: not study.processes("gmx mdrun"), 20)


def walltime(study: Disturbed) -> None:
    study.kill_all()
    # 2 s of mdrun
    (study.folder / "walltime.yaml").write_text("run: {max_hours: 0.0006}\n")
    study.start("walltime.yaml")
    study.end(30)


def damage_newest_checkpoint(study: Disturbed) -> None:
    study.kill_all()
    for run in study.unfinished():
        newest = run / "md.cpt"
        if newest.exists() and (run / "md_prev.cpt").exists():
            content = newest.read_bytes()
            newest.write_bytes(content[: len(content) // 2] if study.random.random() < 0.5 else os.urandom(5000))


def lose_the_end_of_the_files(study: Disturbed) -> None:
    study.kill_all()
    for run in study.unfinished():
        # what mdrun wrote after its last checkpoint had not reached the disk, nor had a piece of a frame before it
        for name in ("md.xtc", "md.edr"):
            if (run / name).exists() and (run / "md_prev.cpt").exists():
                os.truncate(run / name, max(0, (run / name).stat().st_size - study.random.randint(1, 3000)))


def fill_the_disk(study: Disturbed) -> None:
    filler = study.folder / "filler"
    free = shutil.disk_usage(study.folder).free
    try:
        with filler.open("wb") as stream, contextlib.suppress(OSError):
            stream.write(b"\0" * free)
        study.end(20)
    finally:
        filler.unlink(missing_ok=True)


KINDS: dict[str, Callable[[Disturbed], None]] = {
    kind.__name__: kind
    for kind in (
        kill_mdrun, terminate_mdrun, kill_stage_leaving_an_orphan, terminate_stage, kill_snakemake, kill_everything,
        press_ctrl_c, walltime, damage_newest_checkpoint, lose_the_end_of_the_files, fill_the_disk,
    )
}  # fmt: skip
TWO_INTERVALS = {"damage_newest_checkpoint", "lose_the_end_of_the_files"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A file system of its own that can be filled, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(folder)], capture_output=True, check=False
    ).returncode == 0  # fmt: skip
    yield folder if mounted else None
    if mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def choose(n_faults: int, chance: random.Random, kinds: list[str]) -> list[str]:
    """Every kind as often as the others, in random order."""
    whole = [kind for _ in range(n_faults // len(kinds) + 1) for kind in chance.sample(kinds, len(kinds))]
    return whole[:n_faults]


@dataclass(frozen=True)
class Mark:
    """A run, since when its mdrun works (None while there is none), and when a fault came to it."""

    run: Path
    started: float | None
    time: float


def test_no_fault_costs_more_than_a_checkpoint(small_disk: Path | None, tmp_path: Path) -> None:
    seed = int(os.environ.get("EOLI_FAULT_SEED", random.SystemRandom().randrange(10**6)))
    chance = random.Random(seed)
    kinds = [kind for kind in KINDS if small_disk is not None or kind != "fill_the_disk"]
    faults = choose(FAULTS, chance, kinds)
    print(f"\nseed {seed}: {', '.join(faults)}")

    reference = copy_workflow(tmp_path / "reference")
    (reference / "own.yaml").write_text(overlay(FAULTS))
    started = time.monotonic()
    undisturbed = snakemake(reference, *TARGETS, config=(TINY, "own.yaml"), timeout=1200)
    assert undisturbed.returncode == 0, undisturbed.stdout
    print(f"undisturbed: {time.monotonic() - started:.0f} s")

    study = Disturbed(copy_workflow((small_disk or tmp_path) / "study"), chance)
    (study.folder / "own.yaml").write_text(overlay(FAULTS))
    injected = []
    for kind in faults:
        study.start()
        while not study.wait_for_a_run():
            # a fast machine was done before the last fault: the same stages once more, with the same result
            out = study.end()
            assert "(100%) done" in out or "Nothing to be done" in out, out
            study.redo()
            study.start()
        marks = [Mark(run, study.started(run), time.time()) for run in study.unfinished()]
        KINDS[kind](study)
        injected.append(kind)
        _note_lost_work(study, kind, marks)
    last = snakemake(study.folder, "--unlock", config=(TINY, "own.yaml"))
    last = snakemake(study.folder, *TARGETS, config=(TINY, "own.yaml"), timeout=1200)
    assert last.returncode == 0, last.stdout
    assert injected == faults
    report = ", ".join(f"{kind} {lost:.1f}/{allowed:.1f} s" for kind, lost, allowed in study.lost_s)
    worst = max(lost for _, lost, _ in study.lost_s)
    print(f"work lost to each fault / allowed: {report}; at most {worst:.1f} s")
    assert all(lost <= allowed for _, lost, allowed in study.lost_s), report
    for system in SYSTEMS:
        for stage in HIT:
            _same_trajectory(reference / "results" / system / stage, study.folder / "results" / system / stage)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{len(injected)} faults in {time.monotonic() - started:.0f} s, {usage.ru_utime:.0f} s of processor")


def _note_lost_work(study: Disturbed, kind: str, marks: list[Mark]) -> None:
    """Work since the checkpoint that the next run will use, when the fault came."""
    for mark in marks:
        names = ("md_prev.cpt",) if kind in TWO_INTERVALS else ("md.cpt", "md_prev.cpt")
        usable = [mark.run / name for name in names if (mark.run / name).exists()]
        # nothing is lost but what was computed: since the start of this mdrun, or since its checkpoint if that is later
        if mark.started is not None:
            since = max([mark.started, *(path.stat().st_mtime for path in usable)])
            allowed = (2 if kind in TWO_INTERVALS else 1) * CHECKPOINT_S + SLACK_S
            study.lost_s.append((kind, max(0.0, mark.time - since), allowed))


def _same_trajectory(expected: Path, found: Path) -> None:
    frames = []
    for folder in (expected, found):
        with XTCFile(str(folder / "md.xtc")) as stream:
            rows = [(frame.step, frame.x.copy()) for frame in stream]
        frames.append(([step for step, _ in rows], np.array([x for _, x in rows])))
    steps = np.array(frames[1][0])
    assert steps[0] == 0 and (np.diff(steps) == 250).all()
    assert frames[0][0] == frames[1][0]
    np.testing.assert_array_equal(frames[1][1], frames[0][1])
    energies = [pyedr.edr_to_dict(str(folder / "md.edr")) for folder in (expected, found)]
    times = energies[1]["Time"]
    np.testing.assert_allclose(np.diff(times), 0.1, atol=1e-4)
    np.testing.assert_array_equal(times, energies[0]["Time"])
    np.testing.assert_allclose(energies[1]["Potential"], energies[0]["Potential"], rtol=1e-6)
    verdict = json.loads((found / "verdict.json").read_text())
    assert verdict["status"] in ("pass", "warn")
