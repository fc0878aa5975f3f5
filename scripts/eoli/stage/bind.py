"""A run folder belongs to one physics: the same continues, longer extends, anything else starts afresh beside it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eoli.errors import DataError, RunError
from eoli.files import write_json
from eoli.mdp import mdp_options
from eoli.stage.fingerprint import Fingerprint, make_fingerprint
from eoli.stage.job import GROWING, StageJob
from eoli.stage.start import Start, prepare_start
from eoli.stage.states import read_states

INPUTS = "inputs.json"


@dataclass(frozen=True)
class Binding:
    """What a run folder is bound to."""

    fingerprint: Fingerprint
    n_steps: int
    how: dict[str, Any]
    gromacs: tuple[str, ...]
    seed: int


def read_binding(run: Path) -> Binding | None:
    """The record of a run folder; None when it has none."""
    try:
        data = json.loads((run / INPUTS).read_text(encoding="utf-8"))
        return Binding(
            Fingerprint(**data["fingerprint"]), int(data["n_steps"]), data["how"], tuple(data["gromacs"]), data["seed"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def move_aside(folder: Path) -> Path:
    """Rename a folder to the first free `<name>.old-<n>`; nothing is deleted. Returns the new path."""
    number = 1
    while (target := folder.with_name(f"{folder.name}.old-{number}")).exists():
        number += 1
    folder.rename(target)
    return target


def own_files(run: Path) -> None:
    """Give a run folder its own copy of what it shares with published files, so that these stay as they are."""
    for name in GROWING:
        path = run / name
        if path.is_file() and path.stat().st_nlink > 1:
            private = path.with_name(f".{name}.own")
            shutil.copy2(path, private)
            private.replace(path)


def reached_step(state: Path) -> int | None:
    """Step of a final state; None without one."""
    try:
        return read_states(state)[-1].step
    except DataError:
        return None


def bind(job: StageJob, say: Callable[[str], None]) -> Binding:
    """Bind the run folder of a job to its physics, moving a run of other physics aside.

    Raises RunError when the run is already longer than what is asked for, for a trajectory is never cut.
    """
    scratch = job.folder / ".start"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        start = prepare_start(job.stage, job.source, scratch)
        fingerprint = make_fingerprint(
            mdp_options(job.stage, job.conditions), start.files, job.topology, job.gromacs.precision
        )
        known = read_binding(job.run)
        if known is None and job.run.exists():
            say(f"the run folder has no record of its inputs; it is kept as {move_aside(job.run).name}")
        elif known is not None and (differs := known.fingerprint.differences(fingerprint)):
            say(f"the physics changed ({', '.join(differs)}); the old run is kept as {move_aside(job.run).name}")
            known = None
        if known is None:
            return _begin(job, start, fingerprint)
        return _continue(job, known, say)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _begin(job: StageJob, start: Start, fingerprint: Fingerprint) -> Binding:
    # the folder appears under its name only when it is bound: a kill in between leaves nothing that looks like a run
    fresh = job.folder / ".run.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for path in start.files:
        path.replace(fresh / path.name)
    binding = Binding(fingerprint, job.target_steps, start.how, (job.gromacs.version_text,), job.conditions.seed)
    _write(fresh, binding)
    fresh.replace(job.run)
    return binding


def _continue(job: StageJob, known: Binding, say: Callable[[str], None]) -> Binding:
    versions = known.gromacs
    if job.gromacs.version_text not in versions:
        say(f"continues with GROMACS {job.gromacs.version_text}; it was begun with {versions[-1]}")
        versions = (*versions, job.gromacs.version_text)
    known_now = dataclasses.replace(known, gromacs=versions)
    if known.n_steps < job.target_steps:
        return extend(job, known_now, say)
    if known.n_steps > job.most_steps:
        reached = reached_step(job.folder / "state.trr")
        if reached is None or not job.target_steps <= reached <= job.most_steps:
            length = "length_ns" if job.stage.max_length_ns is None else "max_length_ns"
            raise RunError(
                f"the run was set to {job.ns(known.n_steps):g} ns and is not cut to {job.ns(job.most_steps):g} ns; "
                f"set {length} back, or start afresh: eoli redo {job.system} {job.stage.name}"
            )
    if known_now != known:
        _write(job.run, known_now)
    return known_now


def extend(job: StageJob, known: Binding, say: Callable[[str], None]) -> Binding:
    """Bind a run to the longer `target_steps` of a job; a kill in between leaves a run that can be extended again."""
    say(f"is extended from {job.ns(known.n_steps):g} to {job.ns(job.target_steps):g} ns")
    own_files(job.run)
    for name in ("md.tpr", "md.gro", "state.trr"):
        (job.run / name).unlink(missing_ok=True)
    binding = dataclasses.replace(known, n_steps=job.target_steps)
    _write(job.run, binding)
    return binding


def _write(run: Path, binding: Binding) -> None:
    write_json(run / INPUTS, asdict(binding))
