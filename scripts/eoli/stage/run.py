"""Running a stage to its end: start or continue, judge, publish."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from eoli import gmx
from eoli.errors import DataError, RunError
from eoli.files import write_json, write_text
from eoli.mdp import Conditions, mdp_options, mdp_text
from eoli.protocol import OLDEST_GROMACS, OLDEST_GROMACS_FOR, Stage
from eoli.provenance import provenance
from eoli.stage.fingerprint import Fingerprint, make_fingerprint
from eoli.stage.gate import Verdict, judge
from eoli.stage.lock import run_lock
from eoli.stage.progress import Pace, last_step
from eoli.stage.start import Start, prepare_start
from eoli.stage.states import copy_frame, read_states
from eoli.topology.description import read_description

RUN = "run"
_ADVICE = {
    "LINCS": "a shorter time_step_fs or a longer compression",
    "No space left": "free disk space; the next run continues",
    "box": "a slower barostat (larger tau_p_ps)",
}


@dataclass(frozen=True)
class StageJob:
    """Everything that one run of a stage needs."""

    system: str
    stage: Stage
    conditions: Conditions
    topology: Path
    source: Path
    folder: Path
    gromacs: gmx.Gromacs
    threads: int
    checkpoint_minutes: float
    max_hours: float | None
    reproducible: bool

    @property
    def run(self) -> Path:
        """The undeclared run folder; Snakemake never touches it."""
        return self.folder / RUN

    @property
    def target_steps(self) -> int:
        """Steps that make the stage complete; 0 for a minimisation, which ends by itself."""
        return self.stage.n_steps if self.stage.is_dynamics else 0


class Reporter:
    """Lines for a person: to the terminal, to the log of the rule, to the history of the run folder."""

    def __init__(self, job: StageJob, log: Path | None, stream: TextIO = sys.stderr) -> None:
        self._prefix = f"{job.system} {job.stage.name}"
        self._stream = stream
        self._history = job.folder / "history.log"
        self._files = [self._history] + ([log] if log else [])
        for path in self._files:
            path.parent.mkdir(parents=True, exist_ok=True)

    def __call__(self, text: str) -> None:
        stamp = time.strftime("%H:%M:%S")
        print(f"[{stamp}] {self._prefix}: {text}", file=self._stream, flush=True)
        for path in self._files:
            with path.open("a", encoding="utf-8") as stream:
                stream.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {self._prefix}: {text}\n")


def _check_versions(job: StageJob) -> None:
    gmx.require(job.gromacs, OLDEST_GROMACS, "this workflow")
    oldest = OLDEST_GROMACS_FOR.get(job.stage.barostat)
    if oldest is not None:
        gmx.require(job.gromacs, oldest, f"stage {job.stage.name}: barostat {job.stage.barostat}")


def _next_free(folder: Path) -> Path:
    number = 1
    while (target := folder.with_name(f"{folder.name}.old-{number}")).exists():
        number += 1
    return target


def move_aside(run: Path) -> Path:
    """Move a run folder out of the way; its data is kept. Returns where it went."""
    target = _next_free(run)
    run.rename(target)
    return target


def _recorded(run: Path) -> tuple[Fingerprint, dict[str, Any]] | None:
    try:
        data = json.loads((run / "inputs.json").read_text(encoding="utf-8"))
        return Fingerprint(**data["fingerprint"]), data
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _place_start(job: StageJob, start: Start, fingerprint: Fingerprint) -> None:
    """Make a fresh run folder from a prepared start."""
    job.run.mkdir(parents=True)
    for path in start.files:
        path.replace(job.run / path.name)
    _record(job, fingerprint, start.how)


def _record(job: StageJob, fingerprint: Fingerprint, how: dict[str, Any]) -> None:
    write_json(
        job.run / "inputs.json",
        {
            "fingerprint": asdict(fingerprint),
            "n_steps": job.target_steps,
            "start": how,
            "gromacs": job.gromacs.version_text,
            "seed": job.conditions.seed,
        },
    )


def _bind(job: StageJob, say: Callable[[str], None]) -> dict[str, Any]:
    """Bind the run folder to the present physics; returns how the run started."""
    scratch = job.folder / ".start"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        start = prepare_start(job.stage, job.source, scratch)
        options = mdp_options(job.stage, job.conditions)
        fingerprint = make_fingerprint(options, start.files, job.topology, job.gromacs.precision)
        known = _recorded(job.run)
        if known is None and job.run.exists():
            say(f"the run folder has no record of its inputs; moved to {move_aside(job.run).name}")
        elif known is not None and (differs := known[0].differences(fingerprint)):
            say(f"the physics changed ({', '.join(differs)}); the old run is kept as {move_aside(job.run).name}")
        if not job.run.exists():
            _place_start(job, start, fingerprint)
            return start.how
        assert known is not None
        if known[1]["n_steps"] < job.target_steps:
            say(f"extends from {known[1]['n_steps']} to {job.target_steps} steps")
            (job.run / "md.tpr").unlink(missing_ok=True)
            (job.run / "md.gro").unlink(missing_ok=True)
            _record(job, fingerprint, known[1]["start"])
        return dict(known[1]["start"])
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _make_tpr(job: StageJob) -> list[str]:
    mdp = job.run / "stage.mdp"
    write_text(mdp, mdp_text(mdp_options(job.stage, job.conditions)))
    state = job.run / "start.trr"
    temporary = job.run / "new.tpr"
    command = gmx.grompp(
        job.gromacs, mdp, job.run / "start.gro", job.topology / "system.top", temporary, job.run / "gmx.log",
        state if state.exists() else None,
    )  # fmt: skip
    temporary.replace(job.run / "md.tpr")
    return command


def _final_state(job: StageJob) -> bool:
    """Write state.trr when the run has reached its end; whether it has."""
    state, last = job.run / "state.trr", job.run / "last.trr"
    if not (job.run / "md.gro").is_file():
        return False
    if not job.stage.is_dynamics:
        copy_frame(job.run / "md.trr", len(read_states(job.run / "md.trr")) - 1, state)
        return True
    if not (job.run / "md.cpt").is_file():
        return False
    try:
        gmx.run_tool(
            job.gromacs, "trjconv", job.run / "gmx.log", answers=("System",), f=(job.run / "md.cpt").resolve(),
            s=(job.run / "md.tpr").resolve(), o=last.resolve(),
        )  # fmt: skip
        if read_states(last)[-1].step < job.target_steps:
            return False
        copy_frame(last, 0, state)
        return True
    finally:
        last.unlink(missing_ok=True)


def _advice(cause: str) -> str:
    found = [advice for word, advice in _ADVICE.items() if word.lower() in cause.lower()]
    return f"; try {found[0]}" if found else ""


def _run_mdrun(job: StageJob, lock: int, say: Callable[[str], None]) -> tuple[list[str], float]:
    command = gmx.mdrun_command(
        job.gromacs, threads=job.threads, checkpoint_minutes=job.checkpoint_minutes, max_hours=job.max_hours,
        reproducible=job.reproducible, name="md",
    )  # fmt: skip
    log = job.run / "md.log"
    started = time.monotonic()
    mdrun = gmx.Mdrun(command, job.run, job.run / "mdrun.log", job.threads, lock)
    pace = Pace(job.target_steps, job.stage.time_step_fs or 0.0, started)

    def report() -> None:
        step = last_step(log)
        if step is not None and job.stage.is_dynamics:
            say(pace.line(step))

    interval = 10.0 if sys.stderr.isatty() else 30.0
    code = mdrun.wait(interval, report)
    if not _final_state(job):
        _explain_incomplete(job, code, mdrun.output())
    return command, time.monotonic() - started


def _explain_incomplete(job: StageJob, code: int, output: str) -> None:
    step = last_step(job.run / "md.log") or 0
    done = f"at step {step} of {job.target_steps or job.stage.max_steps}"
    stopped = code == 0 or "Received the" in output or code in (-15, -2)
    if stopped:
        raise RunError(f"stopped {done}; the next run continues from its checkpoint")
    if code < 0:
        raise RunError(f"mdrun was killed by signal {-code} {done}; the next run continues from its checkpoint")
    cause = gmx.fatal_message(output)
    raise RunError(f"mdrun failed {done}: {cause}; log: {job.run / 'md.log'}{_advice(cause)}")


def publish(job: StageJob) -> None:
    """Link the files of a finished run beside the run folder, each whole or not at all."""
    for name in [*job.stage.published, "provenance.json"]:
        source, target = job.run / name, job.folder / name
        temporary = job.folder / f".{name}.new"
        temporary.unlink(missing_ok=True)
        try:
            os.link(source, temporary)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(source, temporary)
        temporary.replace(target)
        # Snakemake compares dates with the inputs of the rule; a link has that of the simulation
        os.utime(target)


def run_stage(job: StageJob, log: Path | None = None) -> Verdict:
    """Run a stage to its end, or continue it, judge it and publish its files.

    Raises RunError (one line with cause and log) when it did not end or is physically broken, DataError when its
    start is unusable, InputError when GROMACS is too old for it.
    """
    say = Reporter(job, log)
    _check_versions(job)
    with run_lock(job.folder, say) as lock:
        how = _bind(job, say)
        commands: list[list[str]] = []
        seconds = 0.0
        if not (job.run / "md.tpr").is_file():
            commands.append(_make_tpr(job))
        if _complete(job):
            say("is complete already")
        else:
            commands_run, seconds = _run_mdrun(job, lock, say)
            commands.append(commands_run)
        verdict = _judge(job, how)
        if commands or not (job.run / "provenance.json").is_file():
            _write_provenance(job, commands, how, seconds)
        publish(job)
    _say_result(say, job, verdict, seconds)
    return verdict


def _complete(job: StageJob) -> bool:
    state = job.run / "state.trr"
    if not ((job.run / "md.gro").is_file() and state.is_file()):
        return False
    try:
        read_states(state)
    except DataError:
        return False
    return bool(json.loads((job.run / "inputs.json").read_text()).get("n_steps", 0) >= job.target_steps)


def _judge(job: StageJob, how: dict[str, Any]) -> Verdict:
    temperature = job.conditions.temperature_K if job.stage.temperature_K is None else job.stage.temperature_K
    description = read_description(job.topology / "system.json")
    verdict = judge(job.stage, temperature, job.run, description, job.conditions.cutoff_nm)
    if "mean_volume_nm3" in how:
        verdict.values["start_volume_over_mean"] = how["volume_nm3"] / how["mean_volume_nm3"]
    verdict.values["ns"] = job.target_steps * (job.stage.time_step_fs or 0.0) * 1e-6
    write_json(job.run / "verdict.json", {"system": job.system, **verdict.as_dict()})
    if verdict.broken:
        raise RunError(f"{'; '.join(verdict.broken)}; log: {job.run / 'md.log'}{_advice(' '.join(verdict.broken))}")
    return verdict


def _write_provenance(job: StageJob, commands: list[list[str]], how: dict[str, Any], seconds: float) -> None:
    inputs = [*sorted(job.topology.glob("*.itp")), job.topology / "system.top", job.run / "start.gro"]
    write_json(
        job.run / "provenance.json",
        provenance(
            [*inputs, job.run / "start.trr"],
            commands,
            system=job.system,
            stage=job.stage.model_dump(),
            start=how,
            seed=job.conditions.seed,
            threads=job.threads,
            wall_seconds=round(seconds, 1),
            gromacs={
                "version": job.gromacs.version_text,
                "mpi": job.gromacs.mpi,
                "precision": job.gromacs.precision,
                "simd": job.gromacs.simd,
            },
        ),
    )


def _say_result(say: Callable[[str], None], job: StageJob, verdict: Verdict, seconds: float) -> None:
    values = verdict.values
    parts = []
    if "largest_force_kJ_mol_nm" in values:
        parts.append(f"largest force {values['largest_force_kJ_mol_nm']:.0f} kJ/mol/nm")
    if "temperature_K" in values:
        parts.append(f"{values['temperature_K']:.1f} K")
    if "density_g_cm3" in values:
        parts.append(f"{values['density_g_cm3']:.3f} g/cm3")
    if seconds and job.target_steps:
        parts.append(f"{values['ns'] / seconds * 86400:.3g} ns/day")
    parts += verdict.warnings
    say(f"done ({verdict.status}): {', '.join(parts)}")
