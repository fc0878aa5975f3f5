"""Run a stage to its end: lock, bind, start or continue, judge, publish."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from eoli.core.files import link_or_copy, read_json, read_record, write_json
from eoli.core.provenance import provenance
from eoli.core.records import ENDING, check_inputs, content, damaged, date_after, marks, read_record_of
from eoli.errors import EoliError, RunError
from eoli.gromacs.build import require_for
from eoli.stage.binding import Binding, bind, extend, reached_step
from eoli.stage.ending import read_ending, write_ending
from eoli.stage.engine import advice, is_complete, make_run_input, mend, run_mdrun
from eoli.stage.gate import Verdict, judge, require_all_data
from eoli.stage.initial_frame import source_files
from eoli.stage.job import StageJob
from eoli.stage.lock import run_lock
from eoli.stage.masses import check_masses, simulated
from eoli.stage.messages import Reporter
from eoli.stage.progress import last_step
from eoli.stage.sessions import read_sessions
from eoli.study.protocol import ANSWERS, MOST_TIMES, OFFLOADED, Criterion, Stage
from eoli.topology.description import SystemDescription, read_description


def run_stage(job: StageJob, log: Path | None = None) -> None:
    """Run or continue a stage to its end, judge it and publish its files.

    Raises an EoliError, one line with its cause, after recording it for `eoli status`: RunError if the run did not end
    or is physically broken, DataError if its start is unusable, InputError if GROMACS is too old for it.
    """
    say = Reporter(job, log)
    require_for(job.gromacs, [job.stage])
    still = (lambda: None) if job.deadline is None else job.deadline.hours_left
    with run_lock(job.folder, say, still=still) as lock:
        say.started()
        try:
            _run_locked(job, lock, say)
        except EoliError as error:
            say.failed(str(error))
            raise
        except (OSError, MemoryError) as error:
            cause = f"not enough memory{f': {error}' if str(error) else ''}"
            if isinstance(error, OSError):
                cause = f"{error.strerror or error}: {error.filename or job.folder}"
            failure = RunError(f"{cause}; log: {job.folder / 'history.log'}{advice(cause)}")
            say.failed(str(failure))
            raise failure from error


def _run_locked(job: StageJob, lock: int, say: Reporter) -> None:
    check_inputs(_inputs(job))
    check_masses(job)
    binding = bind(job, say)
    if binding.n_steps > job.most_steps:
        say("is complete already, from before its run was extended")
        vouch_for_shorter(job, binding)
        return
    done = _Done()
    while True:
        # a stage prolonged before keeps that length
        job = dataclasses.replace(job, n_steps=binding.n_steps)
        _simulate(job, lock, say, done)
        verdict = _judge(job, binding)
        if not verdict.unsettled or job.target_steps >= job.most_steps:
            break
        say(f"has not converged: {'; '.join(verdict.unsettled)}")
        longer = _prolonged(job, verdict)
        if longer.target_steps <= binding.n_steps:
            say(f"its {job.stage.max_core_hours:g} core-hours are spent")
            break
        binding = extend(longer, binding, say)
    if done.seconds or not read_record(job.run / ENDING):
        # if the run has lost its own record, the published one says the same and more
        known = {} if done.seconds else read_record(job.folder / ENDING)
        own = asdict(binding.fingerprint)
        same = known and known.get("fingerprint", own) == own  # earlier versions recorded none
        write_json(job.run / ENDING, known if same else _provenance(job, binding, done))
    if not read_ending(job.run).files:
        write_ending(job.run)
    publish(job, binding)
    _say_result(say, job, verdict, done)


@dataclass
class _Done:
    """Work done in one call: command lines, seconds of mdrun, steps."""

    commands: list[list[str]] = field(default_factory=list)
    seconds: float = 0.0
    steps: int = 0


def _simulate(job: StageJob, lock: int, say: Reporter, done: _Done) -> None:
    """Bring a run to the end of its job, if it is not there yet."""
    mend(job, say)
    if is_complete(job):
        if not (job.run / "md.tpr").is_file():
            done.commands.append(make_run_input(job, say))
        say("is complete already")
        return
    before = last_step(job.run / "md.log") or 0
    commands, seconds = run_mdrun(job, lock, say, done.seconds)
    done.commands += commands
    done.seconds += seconds
    done.steps += max(0, job.target_steps - before)


def _prolonged(job: StageJob, verdict: Verdict) -> StageJob:
    """The job, longer by one length of its stage or by what its answers are expected to need, within its limits.

    That expectation does not make a run longer than MOST_TIMES what it has. Of the core-hours, those of this run
    tell how far the rest will go; the job is not longer where that is less than a frame.
    """
    stage, now = job.stage, job.target_steps
    needed = [finding["values"].get("further_ns") for finding in verdict.values["convergence"].values()]
    expected = round(max((ns for ns in needed if ns), default=0.0) / job.ns(1))
    steps = min(now + max(stage.n_steps, min(expected, (MOST_TIMES - 1) * now)), job.most_steps)
    spent = verdict.values["core_hours"]
    if stage.max_core_hours is not None and spent > 0:
        steps = min(steps, round(now * stage.max_core_hours / spent))
    if steps < job.most_steps:
        assert stage.frame_interval_ps is not None
        steps -= steps % stage.steps_in(stage.frame_interval_ps)
    return dataclasses.replace(job, n_steps=max(steps, now))


def publish(job: StageJob, binding: Binding) -> None:
    """Link the files of a finished run beside the run folder, each one atomically, and write their record last.

    Without the record the files do not count as matching the study, so a kill in between costs one more call.
    """
    fresh = {name: job.folder / f".{name}.new" for name in job.stage.published}
    try:
        for name, path in fresh.items():
            path.unlink(missing_ok=True)
            link_or_copy(job.run / name, path)
        for name, path in fresh.items():
            path.replace(job.folder / name)
    finally:
        for path in fresh.values():
            path.unlink(missing_ok=True)
    _vouch(job, binding, read_json(job.run / ENDING))


def vouch_for_shorter(job: StageJob, binding: Binding) -> None:
    """Renew the record of files that were published before a run was extended, when a study asks for them again.

    Raises RunError if they are lost, damaged, or of other physics than the run.
    """
    path = job.folder / ENDING
    known = read_record_of(path)
    wrong = [f"{path} is missing"] if known is None else damaged(known)
    if known is not None and known.more.get("fingerprint") != asdict(binding.fingerprint):
        wrong.append(f"what {path} speaks of has other physics than the run")
    if known is None or wrong:
        raise RunError(f"{'; '.join(wrong)}; start afresh: eoli redo {job.system} {job.stage.name}")
    _vouch(job, binding, known.more)


def _vouch(job: StageJob, binding: Binding, provenance: Mapping[str, Any]) -> None:
    """Date the published files and record them, with the request and inputs of this call."""
    published = [job.folder / name for name in job.stage.published]
    for path in published:
        # Snakemake compares their dates with the rule's inputs, and a link has the date of the run
        os.utime(path)
    date_after(published, _inputs(job))
    record = {
        **provenance,
        "called_as": sys.argv,
        "fingerprint": asdict(binding.fingerprint),
        "inputs_sha256": {str(path): content(path) for path in _inputs(job)},
        "outputs": marks(job.folder, published),
    }
    write_json(job.folder / ENDING, record)


def _inputs(job: StageJob) -> list[Path]:
    """Files of other steps that determine the run: topology and start."""
    topology = [*sorted(job.topology.glob("*.itp")), job.topology / "system.top", job.topology / "system.json"]
    return [*topology, *source_files(job.stage, job.source)]


def _judge(job: StageJob, binding: Binding) -> Verdict:
    require_all_data(job.stage, job.target_steps, job.run)
    description = read_description(job.topology / "system.json")
    verdict = judge(job.stage, job.temperature_K, job.run, simulated(job, description), job.conditions.cutoff_nm)
    if "mean_volume_nm3" in binding.how:
        verdict.values["start_volume_over_mean"] = binding.how["volume_nm3"] / binding.how["mean_volume_nm3"]
    verdict.values["ns"] = job.ns(reached_step(job.run / "state.trr") or 0)
    if job.stage.converge and not verdict.broken:
        _judge_convergence(job, verdict, description)
    write_json(job.run / "verdict.json", {"system": job.system, **verdict.as_dict()})
    if verdict.broken:
        raise RunError(f"{'; '.join(verdict.broken)}; log: {job.run / 'md.log'}{advice(' '.join(verdict.broken))}")
    return verdict


def _answers(stage: Stage) -> list[Criterion]:
    """What the stage is asked to know, of its criteria."""
    return [name for name in stage.converge if name in ANSWERS]


def _judge_convergence(job: StageJob, verdict: Verdict, description: SystemDescription) -> None:
    # seconds of imports that other stages do not need
    from eoli.analysis.convergence import convergence

    stage = job.stage
    assert stage.frame_interval_ps is not None
    steady = [name for name in stage.converge if name not in ANSWERS]
    found = convergence(steady, job.run, stage.frame_interval_ps, description, job.contact_nm)
    if wanted := _answers(stage):
        from eoli.analysis.answered import Asked, answered

        asked = Asked(job.target_error, job.tolerance, job.temperature_K, job.lag_ps)
        found |= answered(wanted, job.run / "md.xtc", job.topology / "system.json", stage.frame_interval_ps, asked)
    values = verdict.values
    values["convergence"] = {name: asdict(found[name]) for name in stage.converge}
    verdict.unsettled = [finding.text for finding in found.values() if finding.converged is False]
    values["converged"] = not verdict.unsettled
    values["core_hours"] = sum(one.processors * one.wall_seconds for one in read_sessions(job.run)) / 3600
    if verdict.unsettled:
        cost = f" and {values['core_hours']:.3g} core-hours" if stage.max_core_hours is not None else ""
        verdict.warnings.append(f"not converged after {values['ns']:g} ns{cost}: {'; '.join(verdict.unsettled)}")


def _provenance(job: StageJob, binding: Binding, done: _Done) -> Mapping[str, Any]:
    gromacs = job.gromacs
    return provenance(
        [*_inputs(job), job.run / "start.gro", job.run / "start.trr"],
        done.commands,
        system=job.system,
        simulated_ns=job.ns(done.steps),
        stage=job.stage.model_dump(exclude=set(OFFLOADED)),
        offload=job.stage.offload,
        start=binding.how,
        seed=binding.seed,
        threads=job.threads,
        wall_seconds=round(done.seconds, 1),
        gromacs={
            "versions": list(binding.gromacs),
            "mpi": gromacs.mpi,
            "precision": gromacs.precision,
            "simd": gromacs.simd,
            "gpu": gromacs.gpu,
            "program": str(gromacs.program),
        },
    )


def _say_result(say: Reporter, job: StageJob, verdict: Verdict, done: _Done) -> None:
    values = verdict.values
    parts = []
    if "largest_force_kJ_mol_nm" in values:
        parts.append(f"largest force {values['largest_force_kJ_mol_nm']:.0f} kJ/mol/nm")
    if "temperature_K" in values:
        parts.append(f"{values['temperature_K']:.1f} K")
    if "density_g_cm3" in values:
        parts.append(f"{values['density_g_cm3']:.3f} g/cm3")
    if "converged" in values and not verdict.unsettled:
        parts.append(f"converged within {values['ns']:g} ns")
        parts += [values["convergence"][name]["text"] for name in _answers(job.stage)]
    if done.seconds and done.steps:
        parts.append(f"{job.ns(done.steps) / done.seconds * 86400:.3g} ns/day")
    # the warning about a force says how large it is
    said = [part for part in parts if not any(warning.startswith(part) for warning in verdict.warnings)]
    say(f"done ({verdict.status}): {', '.join(said + verdict.warnings)}")
