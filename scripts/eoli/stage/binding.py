"""A run folder belongs to one physics: the same continues, longer extends, anything else starts anew beside it."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from eoli.core.files import read_record, sha256, write_json
from eoli.errors import DataError, RunError
from eoli.gromacs.mdp import mdp_options
from eoli.gromacs.states import read_states
from eoli.stage.ending import forget, sealed, unsealed
from eoli.stage.fingerprint import Fingerprint, make_fingerprint, physics
from eoli.stage.initial_frame import Start, prepare_start
from eoli.stage.job import GROWING, StageJob
from eoli.stage.masses import physics_of_masses

INPUTS = "inputs.json"
DISCARDED = "discarded"
"""Marker file in a run that was moved aside for good; it is never resumed."""
ENDS = ("md.tpr", "md.gro", "state.trr")
"""Files that an extension writes anew."""


@dataclass(frozen=True)
class Binding:
    """The physics that a run folder is bound to; `options` are its settings, to name what changes."""

    fingerprint: Fingerprint
    n_steps: int
    how: dict[str, Any]
    gromacs: tuple[str, ...]
    seed: int
    options: dict[str, str] = field(default_factory=dict)


def read_binding(run: Path) -> Binding | None:
    """The record of a run folder; None if it is missing or altered."""
    try:
        return TypeAdapter(Binding).validate_python(unsealed(read_record(run / INPUTS)))
    except ValueError:
        return None


def move_aside(folder: Path) -> Path:
    """Rename a folder to the first free `<name>.old-<n>`; nothing is deleted. Returns the new path."""
    number = 1
    while (target := folder.with_name(f"{folder.name}.old-{number}")).exists():
        number += 1
    folder.rename(target)
    return target


def own_files(run: Path) -> None:
    """Replace a run's hard links to published files by its own copies, so that the published ones stay unchanged."""
    for name in GROWING:
        path = run / name
        if path.is_file() and path.stat().st_nlink > 1:
            private = path.with_name(f".{name}.own")
            shutil.copy2(path, private)
            private.replace(path)


def reached_step(state: Path) -> int | None:
    """Step of a final state; None if there is none."""
    try:
        return read_states(state)[-1].step
    except DataError:
        return None


def bind(job: StageJob, say: Callable[[str], None]) -> Binding:
    """Bind a job's run folder to its physics: other physics moves aside, an earlier run of the same physics comes back.

    Raises RunError if the run is already longer than asked for: a trajectory is never cut.
    """
    scratch = job.folder / ".start"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        start = prepare_start(job.stage, job.source, scratch)
        options = mdp_options(job.stage, job.conditions) | physics_of_masses(job)
        fingerprint = make_fingerprint(options, start.files, job.topology, job.gromacs.precision)
        # a kill can come between discarding a run and moving it
        known = None if (job.run / DISCARDED).exists() else read_binding(job.run)
        if known is None or known.fingerprint != fingerprint:
            kept = _kept_run(job, fingerprint)
            if job.run.exists():
                why = "the run folder has no record of its inputs"
                if known is not None:
                    why = f"the physics changed ({_changes(known, fingerprint, options)})"
                say(f"{why}; {'the old run' if known else 'it'} is kept as {move_aside(job.run).name}")
            known = None
            if kept is not None:
                say(f"{kept.name} has the physics that is asked for and is taken up again")
                kept.rename(job.run)
                known = read_binding(job.run)
        if known is None:
            return _begin(job, start, fingerprint, physics(options))
        _restore_start(job, start, say)
        return _continue(job, known, physics(options), say)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _changes(known: Binding, fingerprint: Fingerprint, options: dict[str, str]) -> str:
    """Differing keys and values, as far as recorded: `mdp: ref-t 400, now 420; start`."""
    words = []
    now = physics(options)
    for name in known.fingerprint.differences(fingerprint):
        if name == "mdp" and known.options:
            keys = sorted({*known.options, *now})
            differ = [key for key in keys if known.options.get(key) != now.get(key)]
            pairs = [f"{key} {known.options.get(key, 'not set')}, now {now.get(key, 'not set')}" for key in differ]
            words.append(f"mdp: {'; '.join(pairs)}")
        else:
            words.append(name)
    return ", ".join(words)


def _kept_run(job: StageJob, fingerprint: Fingerprint) -> Path | None:
    """The newest run moved aside that has this fingerprint and is no longer than the stage may be."""
    found = {}
    for path in job.folder.glob(f"{job.run.name}.old-*"):
        number = path.name.rpartition("-")[2]
        binding = None if (path / DISCARDED).exists() else read_binding(path)
        if number.isdecimal() and binding and binding.fingerprint == fingerprint and binding.n_steps <= job.most_steps:
            found[int(number)] = path
    return found[max(found)] if found else None


def _restore_start(job: StageJob, start: Start, say: Callable[[str], None]) -> None:
    """Make sure that a run has the start that its fingerprint was made from."""
    for path in start.files:
        own = job.run / path.name
        if not own.is_file() or sha256(own) != sha256(path):
            say(f"{own.name} of the run was lost or damaged; it is made anew")
            path.replace(own)


def _begin(job: StageJob, start: Start, fingerprint: Fingerprint, options: dict[str, str]) -> Binding:
    # the folder gets its name only once bound: a kill in between leaves nothing that looks like a run
    fresh = job.folder / ".run.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for path in start.files:
        path.replace(fresh / path.name)
    binding = Binding(
        fingerprint, job.target_steps, start.how, (job.gromacs.version_text,), job.conditions.seed, options
    )
    _write(fresh, binding)
    fresh.replace(job.run)
    return binding


def _continue(job: StageJob, known: Binding, options: dict[str, str], say: Callable[[str], None]) -> Binding:
    versions = known.gromacs
    if job.gromacs.version_text not in versions:
        say(f"continues with GROMACS {job.gromacs.version_text}; it was begun with {versions[-1]}")
        versions = (*versions, job.gromacs.version_text)
    known_now = dataclasses.replace(known, gromacs=versions, options=options)
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
    """Bind a run to the longer `target_steps` of a job; after a kill in between it can still be extended."""
    say(f"is extended from {job.ns(known.n_steps):g} to {job.ns(job.target_steps):g} ns")
    own_files(job.run)
    forget(job.run, ENDS)
    for name in ENDS:
        (job.run / name).unlink(missing_ok=True)
    binding = dataclasses.replace(known, n_steps=job.target_steps)
    _write(job.run, binding)
    return binding


def _write(run: Path, binding: Binding) -> None:
    write_json(run / INPUTS, sealed(asdict(binding)))
