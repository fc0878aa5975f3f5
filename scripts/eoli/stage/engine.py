"""GROMACS in a run folder: run input, mdrun from the last good checkpoint, the final state."""

from __future__ import annotations

import re
import signal
import sys
import time
from pathlib import Path

from eoli import gmx
from eoli.errors import DataError, RunError
from eoli.files import write_text
from eoli.machine import this_machine
from eoli.mdp import mdp_options, mdp_text
from eoli.slots import Slots, own_cores
from eoli.stage.bind import own_files, reached_step
from eoli.stage.job import GROWING, StageJob
from eoli.stage.progress import Pace, last_step
from eoli.stage.report import Reporter
from eoli.stage.sessions import SessionRecord, close_open
from eoli.stage.states import copy_frame, read_states

_REFUSES_TO_APPEND = re.compile(
    r"cannot do appending|appending (?:is )?not possible|will not restart|has been (?:replaced|modified)|checksum"
    r"|[Cc]annot restart|Failed to lock|Truncation of file .* failed|checkpoint file",
)
_FILES_ARE_DAMAGED = re.compile(r"checksum|has been (?:replaced|modified)|Truncation of file .* failed|are not present")
_WARNED = re.compile(r"^.*\bwarning\b.*$", re.IGNORECASE | re.MULTILINE)
_CRASHES = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGBUS, signal.SIGILL})
_ADVICE = {
    "LINCS": "try a shorter time_step_fs or a longer compression",
    "settle": "try a shorter time_step_fs or a longer compression",
    "step size": "look at the start box; try a lower box.packing_density_g_cm3",
    "No space left": "free disk space; the next run continues",
    "disk": "free disk space; the next run continues",
    "pressure scaling": "try a slower barostat (larger tau_p_ps)",
    "invert matrix": "try a slower barostat (larger tau_p_ps)",
    "box": "try a slower barostat (larger tau_p_ps)",
}
SAY_EVERY_S = 30.0
LOOK_EVERY_S = 5.0


def make_run_input(job: StageJob) -> list[str]:
    """Write stage.mdp and md.tpr. Returns the command line of grompp."""
    mdp, state, fresh = job.run / "stage.mdp", job.run / "start.trr", job.run / "new.tpr"
    options = mdp_options(job.stage, job.conditions, job.reproducible)
    if job.stage.is_dynamics:
        options["nsteps"] = str(job.target_steps)
    write_text(mdp, mdp_text(options))
    command = gmx.grompp(
        job.gromacs, mdp, job.run / "start.gro", job.topology / "system.top", fresh, job.run / "gmx.log",
        state if state.exists() else None,
    )  # fmt: skip
    fresh.replace(job.run / "md.tpr")
    return command


def _write_checkpoint_frame(job: StageJob, checkpoint: Path, frame: Path) -> int:
    """Write what a checkpoint holds as a TRR; its step. Raises RunError or DataError when it cannot be read."""
    gmx.run_tool(
        job.gromacs, "trjconv", job.run / "gmx.log", answers=("System",), f=checkpoint.resolve(),
        s=(job.run / "md.tpr").resolve(), o=frame.resolve(),
    )  # fmt: skip
    return read_states(frame)[-1].step


def checkpoint_step(job: StageJob, checkpoint: Path) -> int | None:
    """Step of a checkpoint; None when it cannot be read."""
    frame = job.run / ".checkpoint.trr"
    try:
        return _write_checkpoint_frame(job, checkpoint, frame)
    except (RunError, DataError):
        return None
    finally:
        frame.unlink(missing_ok=True)


def use_previous_checkpoint(job: StageJob) -> bool:
    """Put the checkpoint before the newest in its place; the newest is kept beside it. Whether there was one."""
    newest, previous = job.run / "md.cpt", job.run / "md_prev.cpt"
    if not previous.is_file():
        return False
    if newest.is_file():
        newest.replace(job.run / "md.cpt.unusable")
    previous.replace(newest)
    return True


def start_over(job: StageJob) -> None:
    """Put what the run has written aside, so that mdrun begins anew; nothing is deleted."""
    for name in ("md.cpt", *GROWING):
        path = job.run / name
        if path.is_file():
            path.replace(path.with_name(f"{name}.unusable"))


def settle_checkpoint(job: StageJob, say: Reporter) -> None:
    """See that md.cpt is one that mdrun can read: the newest, else the one before, else none (a fresh start)."""
    newest = job.run / "md.cpt"
    if not job.stage.is_dynamics:
        return
    if not newest.is_file() and (job.run / "md_prev.cpt").is_file():
        say("the newest checkpoint is missing; continues from the one before")
        use_previous_checkpoint(job)
    while newest.is_file() and checkpoint_step(job, newest) is None:
        if use_previous_checkpoint(job):
            say("the newest checkpoint is damaged; continues from the one before")
        else:
            say("no checkpoint can be read; the stage starts from its beginning, the old files are kept as *.unusable")
            start_over(job)


def final_state(job: StageJob) -> bool:
    """Write state.trr, the last positions and velocities, when the run has reached its end; whether it has."""
    state, last = job.run / "state.trr", job.run / ".last.trr"
    if not (job.run / "md.gro").is_file():
        return False
    if not job.stage.is_dynamics:
        copy_frame(job.run / "md.trr", len(read_states(job.run / "md.trr")) - 1, state)
        return True
    if not (job.run / "md.cpt").is_file():
        return False
    try:
        step = _write_checkpoint_frame(job, job.run / "md.cpt", last)
        if step < job.target_steps:
            return False
        copy_frame(last, 0, state, step=step)
        return True
    finally:
        last.unlink(missing_ok=True)


def is_complete(job: StageJob) -> bool:
    """Whether the run folder holds a finished run of the length asked for."""
    if not (job.run / "md.gro").is_file():
        return False
    step = reached_step(job.run / "state.trr")
    return step is not None and step >= job.target_steps


def run_mdrun(job: StageJob, lock: int, say: Reporter) -> tuple[list[str], float]:
    """Run mdrun to the end of the stage. Returns its command line and the seconds that it took.

    Raises RunError when it was stopped (the next run continues) or failed (with GROMACS' own cause).
    """
    settle_checkpoint(job, say)
    own_files(job.run)
    started = time.monotonic()
    while True:
        command, code, output = _once(job, lock, say)
        if final_state(job):
            return command, time.monotonic() - started
        # what follows the newest checkpoint was lost with the power; the one before may still fit the files
        refused = code > 0 and _REFUSES_TO_APPEND.search(output)
        if refused and use_previous_checkpoint(job):
            say("the files do not fit the newest checkpoint; continues from the one before")
        elif refused and _FILES_ARE_DAMAGED.search(output) and (job.run / "md.cpt").is_file():
            say(
                "the files fit no checkpoint; the stage starts from its beginning, the old files are kept as *.unusable"
            )
            start_over(job)
        else:
            raise RunError(_why_incomplete(job, code, output))


def _hours_for_mdrun(job: StageJob) -> float | None:
    """The shorter of what the user and the walltime of the job allow."""
    limits = [job.max_hours, None if job.deadline is None else job.deadline.hours_left()]
    return min((limit for limit in limits if limit is not None), default=None)


def _once(job: StageJob, lock: int, say: Reporter) -> tuple[list[str], int, str]:
    machine, placement = this_machine(), job.placement
    if not placement.pin or job.gromacs.binds_itself:
        return _watched(job, lock, say, Slots(), job.threads)
    gpu = job.gromacs.uses_cuda and job.stage.nb != "cpu"
    with own_cores(
        machine, job.threads, say, who=f"{job.system} {job.stage.name}", at_once=placement.at_once,
        hyper_threads=placement.hyper_threads, wants_gpu=gpu,
    ) as slots:  # fmt: skip
        threads = job.threads if placement.hyper_threads else max(1, job.threads // machine.threads_per_core)
        return _watched(job, lock, say, slots, threads)


def _watched(job: StageJob, lock: int, say: Reporter, slots: Slots, threads: int) -> tuple[list[str], int, str]:
    command = gmx.mdrun_command(
        job.gromacs, threads=threads, checkpoint_minutes=job.checkpoint_minutes, max_hours=_hours_for_mdrun(job),
        reproducible=job.reproducible, name="md", offload=job.stage.offload,
    )  # fmt: skip
    pace = Pace(job.target_steps, job.stage.time_step_fs or 0.0)
    said = time.monotonic()
    mdrun = gmx.Mdrun(command, job.run, job.run / "mdrun.log", [lock], slots)
    close_open(job.run)
    record = SessionRecord(job.run, job.threads, job.gromacs.version_text, job.gromacs.simd)

    def used() -> float | None:
        return None if job.gromacs.binds_itself else mdrun.cpu_seconds()

    def look() -> None:
        nonlocal said
        record.update(used())
        step = last_step(job.run / "md.log")
        if step is None or not job.stage.is_dynamics:
            return
        line = pace.line(step)
        say.progress(step, job.target_steps, pace.ns_per_day(step))
        if time.monotonic() - said >= SAY_EVERY_S:
            said = time.monotonic()
            say(line)

    code = mdrun.wait(LOOK_EVERY_S if not sys.stderr.isatty() else 2.0, look)
    record.update(used(), ended=True)
    return command, code, mdrun.output()


def advice(cause: str) -> str:
    """What to try about a cause, as the end of a sentence; empty when nothing is known."""
    return next((f"; {text}" for word, text in _ADVICE.items() if word.lower() in cause.lower()), "")


def _why_incomplete(job: StageJob, code: int, output: str) -> str:
    step = last_step(job.run / "md.log") or 0
    done = f"at step {step} of {job.target_steps or job.stage.max_steps}"
    # a signal that mdrun handled ends it with a checkpoint and exit code 0 or 1
    if code == 0 or "Received the" in output:
        return f"stopped {done}; the next run continues"
    if code < 0 and -code not in _CRASHES:
        return f"mdrun was killed by signal {-code} {done}; the next run continues from its checkpoint"
    cause = gmx.fatal_message(output)
    if code < 0:
        # a crash has no fatal error; what it warned of before tells more than its last line
        warned = _WARNED.findall(output.partition("starting mdrun")[2])
        cause = f"crash ({signal.Signals(-code).name}) after: {' '.join((warned or [cause])[0].split())}"
    return f"mdrun failed {done}: {cause}; log: {job.run / 'md.log'}{advice(cause)}"
