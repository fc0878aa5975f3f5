"""Random damages to a study: one file is lost, cut, emptied, altered or swapped. The next call ends with the undisturbed
result, or with a line that names the file; never with another result.

`EOLI_DAMAGES` sets how many (8 in the ordinary run), `EOLI_DAMAGE_SEED` repeats a run by its printed seed.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pyedr
import pytest
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from eoli.core.files import read_json
from support import STAGES, SYSTEMS, TINY, environment, processes_in, snakemake, snakemake_command, until

pytestmark = [pytest.mark.gmx, pytest.mark.workflow, pytest.mark.faults]

DAMAGES = int(os.environ.get("EOLI_DAMAGES", "8"))
TARGETS = [f"results/{system}/production/md.xtc" for system in SYSTEMS]
LONGER = "stages: {production: {length_ns: 0.006}}\n"
LONG = "stages: {production: {length_ns: 0.05}}\n"
STATES = ("finished", "extended", "stopped")


def lose(path: Path, _neighbour: Path, _chance: random.Random) -> None:
    path.unlink()


def cut(path: Path, _neighbour: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def empty(path: Path, _neighbour: Path, _chance: random.Random) -> None:
    os.truncate(path, 0)


def flip(path: Path, _neighbour: Path, chance: random.Random) -> None:
    with path.open("r+b") as stream:
        at = chance.randrange(path.stat().st_size)
        stream.seek(at)
        (byte,) = stream.read(1)
        stream.seek(at)
        stream.write(bytes([byte ^ 1 << chance.randrange(8)]))


def swap(path: Path, neighbour: Path, _chance: random.Random) -> None:
    kept = path.with_name(".swapped")
    path.rename(kept)
    neighbour.rename(path)
    kept.rename(neighbour)


KINDS: dict[str, Callable[[Path, Path, random.Random], None]] = {
    kind.__name__: kind for kind in (lose, cut, empty, flip, swap)
}


@dataclass(frozen=True)
class Damage:
    """What is done to which file of a study in which state; paths are from the folder of the study."""

    state: str
    kind: str
    file: Path
    neighbour: Path

    def __str__(self) -> str:
        beside = f" with {self.neighbour.relative_to('results')}" if self.kind == "swap" else ""
        return f"{self.state}: {self.kind} {self.file.relative_to('results')}{beside}"


def choose(folder: Path, state: str, chance: random.Random) -> Damage:
    """A damage to a stage: a published file, one of its run folder, or its record, each kind of file as often."""
    kind = chance.choice(list(KINDS))
    stages = STAGES[-1:] if state != "finished" else STAGES
    found: dict[str, list[tuple[Path, list[Path]]]] = {"published": [], "run": [], "record": []}
    for system in SYSTEMS:
        for stage in stages:
            place = Path("results") / system / stage
            for path in sorted((folder / place).rglob("*")):
                file = path.relative_to(folder)
                if not path.is_file() or (path.name.endswith((".log", ".lock")) and path.name != "md.log"):
                    continue
                where = "record" if path.suffix == ".json" else "run" if "run" in file.parts else "published"
                inside = file.relative_to(place)
                beside = [
                    Path("results") / s / t / inside for s in SYSTEMS for t in STAGES if (s, t) != (system, stage)
                ]
                beside = [other for other in beside if (folder / other).is_file()]
                if path.stat().st_size > 0 and (beside or kind != "swap"):
                    found[where].append((file, beside))
    file, beside = chance.choice(found[chance.choice([where for where, files in found.items() if files])])
    return Damage(state, kind, file, chance.choice(beside) if beside else file)


def results_of(folder: Path) -> dict[str, object]:
    """What the stages have published: positions, energies, verdicts and ends, by path."""
    found: dict[str, object] = {}
    for system in SYSTEMS:
        for stage in STAGES:
            place = folder / "results" / system / stage
            name = f"{system}/{stage}"
            if (place / "md.xtc").is_file():
                with XTCFile(str(place / "md.xtc")) as stream:
                    frames = [(int(frame.step), frame.x.copy()) for frame in stream]
                found[f"{name}/md.xtc"] = (tuple(step for step, _ in frames), np.array([x for _, x in frames]))
            energies = pyedr.edr_to_dict(str(place / "md.edr"))
            found[f"{name}/md.edr"] = (tuple(energies["Time"]), np.round(energies["Potential"], 2))
            found[f"{name}/verdict.json"] = read_json(place / "verdict.json")
            found[f"{name}/md.gro"] = (place / "md.gro").read_text().split("\n", 1)[1]
            found[f"{name}/state.trr"] = (place / "state.trr").read_bytes()
    return found


def differences(expected: dict[str, object], found: dict[str, object]) -> list[str]:
    """Names of what differs."""

    def same(one: object, other: object) -> bool:
        if isinstance(one, tuple) and isinstance(other, tuple):
            return one[0] == other[0] and np.array_equal(one[1], other[1])
        return one == other

    return [name for name in expected if not same(expected[name], found[name])]


def copied(source: Path, target: Path) -> Path:
    """A copy of a study with dates and hard links: published files are those of the runs."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
    return target


def config_of(state: str) -> tuple[str, ...]:
    return (TINY, "own.yaml") if state != "finished" else (TINY,)


def stop_in_between(folder: Path) -> None:
    """Kill all of a study with SIGKILL once both runs that are made longer have written a checkpoint."""
    marks = [folder / "results" / system / "production" / "run" / "md_prev.cpt" for system in SYSTEMS]
    before = {mark: mark.stat().st_mtime_ns if mark.exists() else 0 for mark in marks}
    driver = subprocess.Popen(
        snakemake_command(*TARGETS, config=config_of("stopped")),
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def have_written() -> bool:
        return all(mark.exists() and mark.stat().st_mtime_ns != before[mark] for mark in marks)

    until(lambda: driver.poll() is not None or have_written(), "both runs write checkpoints")
    assert have_written()
    driver.kill()
    driver.wait()
    for process in processes_in(folder):
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    until(lambda: not processes_in(folder), "all processes of the study end")
    snakemake(folder, "--unlock", config=())


def make_states(finished: Path, folder: Path) -> dict[str, Path]:
    """A study in each state."""
    states = {"finished": copied(finished, folder / "finished")}
    for state, overlay in (("extended", LONGER), ("stopped", LONG)):
        states[state] = copied(finished, folder / state)
        (states[state] / "own.yaml").write_text(overlay)
    run = snakemake(states["extended"], *TARGETS, config=config_of("extended"))
    assert run.returncode == 0, run.stdout
    stop_in_between(states["stopped"])
    return states


def test_damage_is_put_right_or_named(finished: Path, tmp_path: Path) -> None:
    seed = int(os.environ.get("EOLI_DAMAGE_SEED", random.SystemRandom().randrange(10**6)))
    chance = random.Random(seed)
    print(f"\nseed {seed}")
    states = make_states(finished, tmp_path)
    expected = {}
    for state, source in states.items():
        study = copied(source, tmp_path / "undisturbed")
        run = snakemake(study, *TARGETS, config=config_of(state))
        assert run.returncode == 0, run.stdout
        expected[state] = results_of(study)
        shutil.rmtree(study)
    wrong = []
    for number in range(DAMAGES):
        state = STATES[number % len(STATES)]
        study = copied(states[state], tmp_path / "study")
        damage = choose(study, state, chance)
        KINDS[damage.kind](study / damage.file, study / damage.neighbour, chance)
        run = snakemake(study, *TARGETS, config=config_of(state))
        names = [file.name for file in (damage.file, damage.neighbour)]
        if run.returncode == 0:
            differs = differences(expected[state], results_of(study))
            outcome = "put right" if not differs else f"DIFFERS: {', '.join(differs)}"
        else:
            lines = [line for line in run.stdout.splitlines() if "eoli" in line or "Error" in line]
            named = any(name in line for name in names for line in lines) and "Traceback" not in run.stdout
            outcome = "named" if named else f"NOT NAMED:\n{run.stdout}"
        print(f"{damage}: {outcome}", flush=True)
        if outcome not in ("put right", "named"):
            wrong.append(f"{damage}: {outcome}")
        shutil.rmtree(study)
    assert not wrong, f"seed {seed}:\n" + "\n".join(wrong)
