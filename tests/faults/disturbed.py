"""A study under faults: the running Snakemake, its processes, its checkpoints, and whether its result is the undisturbed one."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import pyedr
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from support import LIMIT_S, SYSTEMS, TINY, environment, snakemake, snakemake_command, until


@dataclass(frozen=True)
class Mark:
    """A run when a fault came to it: how often mdrun had been started, and the step of the checkpoint to go on from."""

    fault: str
    run: Path
    mdruns: int
    step: int


@dataclass
class Disturbed:
    """A study under faults: the running Snakemake and what is known of it."""

    folder: Path
    log: Path
    """What the driver that was started last has said; not on the disk of the folder, which may be full."""
    random: random.Random
    targets: list[str]
    hit: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = None
    marks: list[Mark] = field(default_factory=list)
    judged: int = 0

    def start(self, *config: str) -> None:
        """Start the workflow as a process group of its own, as a shell does."""
        snakemake(self.folder, "--unlock", config=())
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(
                snakemake_command(*self.targets, config=(TINY, "own.yaml", *config)),
                cwd=self.folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    @property
    def driver(self) -> subprocess.Popen[bytes]:
        """The Snakemake that was started last."""
        assert self.process is not None
        return self.process

    def processes(self, word: str) -> list[psutil.Process]:
        """Processes of this study whose command line has a word; an orphan counts."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if word in " ".join(process.cmdline()) and process.cwd().startswith(str(self.folder)):
                    found.append(process)
        return found

    def mdruns(self) -> Iterator[tuple[Path, float]]:
        """Where the mdruns of this study run, and the processor time that each has used, s."""
        for process in self.processes("gmx mdrun"):
            with contextlib.suppress(psutil.Error):
                yield Path(process.cwd()), process.cpu_times().user

    def wait_for_a_run(self) -> bool:
        """Wait until an mdrun has worked for a random time; False when the workflow ended before."""
        work_s = self.random.uniform(0.8, 3.0)

        def has_worked() -> bool:
            return any(run.parent.name in self.hit and used > work_s for run, used in self.mdruns())

        until(lambda: has_worked() or self.driver.poll() is not None, "an mdrun works")
        return self.driver.poll() is None

    def run_folders(self) -> list[Path]:
        """Run folders of the stages that are hit."""
        return [self.folder / "results" / system / stage / "run" for system in SYSTEMS for stage in self.hit]

    def unfinished(self) -> list[Path]:
        """Those of them in which a run has begun and not ended."""
        return [run for run in self.run_folders() if (run / "md.tpr").exists() and not (run / "md.gro").exists()]

    def mark(self, fault: str, checkpoint: str) -> None:
        """Note from where each unfinished run must go on after a fault: from this checkpoint, or a later one."""
        for run in self.unfinished():
            state = read_checkpoint(run / checkpoint)
            if state is not None:
                self.marks.append(Mark(fault, run, len(started_from(run)), state.step))

    def judge(self) -> None:
        """No run went on from before its mark. Those that nothing had to go on for, or has yet, are not judged."""
        for mark in self.marks:
            # a run that was orphaned may have ended by itself
            later = started_from(mark.run)[mark.mdruns :]
            went_on = next((step for step in later if step is not None), None)
            if went_on is not None:
                history = (mark.run.parent / "history.log").read_text()
                assert went_on >= mark.step, f"{mark} went on from step {went_on}\n{history}"
                self.judged += 1
        self.marks = []

    def redo(self) -> None:
        """Throw finished runs away and do them again."""
        self.judge()
        for system in SYSTEMS:
            for stage in self.hit:
                command = ["eoli", "redo", system, stage, "--config", "config/config.yaml", TINY, "own.yaml"]
                subprocess.run(command, cwd=self.folder, env=environment(), check=True)

    def end(self) -> str:
        """Wait for the driver's end; its output."""
        self.driver.wait(timeout=LIMIT_S)
        return self.log.read_text()

    def end_after_failures(self, number: int) -> str:
        """Wait until the driver has seen jobs fail, then for its end, by Ctrl-C when it goes on with other jobs."""
        until(
            lambda: self.driver.poll() is not None or self.log.read_text().count("Error in rule") >= number,
            f"{number} jobs have failed",
        )
        until(lambda: self.driver.poll() is not None or self.processes("eoli stage"), "the driver goes on or ends")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.driver.pid, signal.SIGINT)
        return self.end()

    def signal(self, word: str, number: int) -> int:
        """Send a signal to all processes of this study that have a word; how many they were."""
        found = self.processes(word)
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        return len(found)

    def kill_all(self) -> None:
        """The power goes."""
        for word in ("snakemake", "eoli stage", "gmx mdrun"):
            self.signal(word, signal.SIGKILL)
        self.end()
        self.wait_for_no_mdrun()

    def wait_for_no_mdrun(self) -> None:
        """Wait until the last mdrun of this study is gone."""
        until(lambda: not self.processes("gmx mdrun"), "no mdrun is left")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's step, and how long each file was that belongs to it, bytes."""

    step: int
    sizes: dict[str, int]


def read_checkpoint(path: Path) -> Checkpoint | None:
    """What `gmx dump` says of a checkpoint; None when there is none."""
    with contextlib.suppress(FileNotFoundError):
        content = path.read_bytes()  # one that mdrun replaces meanwhile stays whole
        with tempfile.NamedTemporaryFile(suffix=".cpt") as copy:
            copy.write(content)
            copy.flush()
            run = subprocess.run(["gmx", "dump", "-cp", copy.name], capture_output=True, text=True, check=True)
        step = re.search(r"^step = (\d+)", run.stdout, re.MULTILINE)
        assert step is not None
        files = re.findall(
            r"^output filename = (\S+)\nfile_offset_high = 0\nfile_offset_low = (\d+)", run.stdout, re.MULTILINE
        )
        return Checkpoint(int(step[1]), {name: int(size) for name, size in files})
    return None


def started_from(run: Path) -> list[int | None]:
    """The step that each mdrun of a run folder has begun with; None for one that did not come so far."""
    log = run / "mdrun.log"
    if not log.exists():
        return []
    steps: list[int | None] = []
    for text in re.split(r"^\$ ", log.read_text(errors="replace"), flags=re.MULTILINE)[1:]:
        went_on = re.search(r"^\d+ steps, .*?(?:\(continuing from step +(\d+),|$)", text, re.MULTILINE)
        steps.append(None if went_on is None else int(went_on[1] or 0))
    return steps


def same_trajectory(expected: Path, found: Path) -> None:
    """A stage has the frames and energies of the undisturbed one, each once, to the bit, and a verdict."""
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
