"""GROMACS in a run folder: run input, mdrun from the last good checkpoint, final state.

Files are judged by their bytes, never by a program that fails on them: it may be older, or lack memory or a library.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from eoli.core.files import whole, write_text
from eoli.errors import DataError, RunError
from eoli.gromacs.build import left_out
from eoli.gromacs.known_bugs import STALE_PREVIOUS
from eoli.gromacs.mdp import coupling_of_log, mdp_options, mdp_text
from eoli.gromacs.mdrun import Mdrun, mdrun_command
from eoli.gromacs.states import copy_frame, read_states
from eoli.gromacs.tools import fatal_message, grompp, run_tool
from eoli.machine.processors import this_machine
from eoli.machine.slots import Slots, own_cores
from eoli.stage.binding import ENDS, own_files, reached_step
from eoli.stage.checkpoint import Continued, read_checkpoint
from eoli.stage.ending import FIXED, KEPT, RESTARTS, STARTS, Ending, forget, keep_previous, read_ending, write_ending
from eoli.stage.ending import NAME as ENDING
from eoli.stage.job import GROWING, StageJob
from eoli.stage.masses import simulated_topology
from eoli.stage.messages import Reporter
from eoli.stage.pieces import Piece, piece_of
from eoli.stage.progress import Pace, last_step
from eoli.stage.sessions import SessionRecord, close_open

_STARTED = "starting mdrun"
_WROTE_CHECKPOINT = b"Writing checkpoint"
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
_LEAST_HOURS = 0.005
SAY_EVERY_S = 30.0
LOOK_EVERY_S = 5.0


def _piece(job: StageJob) -> Piece:
    """The piece in which the run goes on; of real MPI the whole stage, since domains that fit its loose box need not
    fit the compressed one, in which the next piece would have to begin."""
    if job.gromacs.is_real_mpi:
        return Piece(0, job.target_steps)
    step = 0
    if is_complete(job):
        step = job.target_steps
    elif job.stage.drives_box:
        with contextlib.suppress(DataError):
            step = read_checkpoint(job.run / "md.cpt").step
    return piece_of(job.stage, step, job.target_steps)


def make_run_input(job: StageJob, say: Callable[[str], None]) -> list[str]:
    """Write stage.mdp and md.tpr, for the piece of the stage in which the run goes on. Returns the command line of grompp."""
    mdp, state, fresh = job.run / "stage.mdp", job.run / "start.trr", job.run / "new.tpr"
    options = mdp_options(job.stage, job.conditions, job.reproducible)
    options |= _coupling_so_far(job, options, say)
    if job.stage.is_dynamics:
        piece = _piece(job)
        options["nsteps"] = str(piece.end)
        grid = piece.grid(job.run / "md.edr", job.conditions.fourier_spacing_nm)
        if grid:
            say(f"from {job.ns(piece.begin):g} ns on with a Fourier grid of {' x '.join(grid.values())} for its box")
        options |= grid
    write_text(mdp, mdp_text(options))
    command = grompp(
        job.gromacs, mdp, job.run / "start.gro", simulated_topology(job), fresh, job.run / "gmx.log",
        state if state.exists() else None,
    )  # fmt: skip
    fresh.replace(job.run / "md.tpr")
    return command


def _coupling_so_far(job: StageJob, options: Mapping[str, str], say: Callable[[str], None]) -> dict[str, str]:
    """Steps between couplings of a run that is continued: those that its GROMACS took where they were not written."""
    log = job.run / "md.log"
    if not log.is_file() or not any((job.run / name).is_file() for name in RESTARTS):
        return {}
    known = coupling_of_log(log.read_text(encoding="utf-8", errors="replace"))
    differ = {key: steps for key, steps in known.items() if options.get(key, steps) != steps}
    if differ:
        words = ", ".join(f"{key} {steps} (a new run: {options[key]})" for key, steps in differ.items())
        say(f"keeps the coupling of its GROMACS: {words}; to start afresh: eoli redo {job.system} {job.stage.name}")
    return differ


def set_aside(path: Path) -> None:
    """Rename a file to the first free `<name>.unusable`, `<name>.unusable-2` and so on; nothing is overwritten."""
    number, target = 1, path.with_name(f"{path.name}.unusable")
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.unusable-{number}")
    path.rename(target)


def _restore(job: StageJob, name: str, say: Reporter) -> None:
    """Copy a published file back into the run folder; the existing one is kept aside."""
    path = job.run / name
    if path.exists():
        set_aside(path)
    with whole(path) as temporary:
        shutil.copyfile(job.folder / name, temporary)
    say(f"{name} of the run was lost or damaged; it is restored from the published file")


def _no_copy(job: StageJob, what: str) -> RunError:
    return RunError(f"{job.run}: {what}; start the stage afresh: eoli redo {job.system} {job.stage.name}")


def mend(job: StageJob, say: Reporter) -> None:
    """Check that a run's files are as its last mdrun left them and repair what can be; bind has checked the start.

    Raises RunError if a finished run has lost something that cannot be made again.
    """
    known = read_ending(job.run)
    if not known.files and job.stage.is_dynamics and is_complete(job):
        # finished before there were records: its checkpoint knows what it continues
        with contextlib.suppress(DataError):
            for name in _missing_parts(job, job.run / "md.cpt", known)[0]:
                _restore(job, name, say)
    if not all(known.files[name].is_all_of(job.run / name) for name in STARTS if name in known.files):
        say("the record of the files of the run is of another run; it is left out")
        (job.run / ENDING).unlink()
        return
    for name, part in known.files.items():
        path = job.run / name
        if part.is_all_of(path):
            continue
        if part.is_all_of(job.folder / name):
            _restore(job, name, say)
            continue
        what = f"{name} is not as the run left it" if path.exists() else f"{name} is lost"
        if name == "md.tpr":
            say(f"{what}; it is made anew")
        elif "md.gro" not in known.files:
            continue  # settle_checkpoint looks at what a run continues
        elif name == "state.trr":
            say(f"{what}; it is made anew")
        elif name in job.stage.published:
            raise _no_copy(job, f"{what}, and no whole copy is there")
        else:
            say(f"{what}; no result needs it")
        if path.exists():
            set_aside(path)
        if name != "state.trr":
            forget(job.run, [name])
        elif not final_state(job):
            raise _no_copy(job, f"{what}, and no checkpoint of its end is there")


def _missing_parts(job: StageJob, checkpoint: Path, known: Ending) -> tuple[list[str], list[str]]:
    """Files that are not as a checkpoint left them: (those whose published copy is, the others).

    Raises DataError if the checkpoint is damaged.
    """
    if checkpoint.name in known.damaged_checkpoints(job.run):
        raise DataError(f"{checkpoint}: is not as it was written")
    parts = known.continued_by(checkpoint)
    restorable: list[str] = []
    lost: list[str] = []
    for each in read_checkpoint(checkpoint).files:

        def fits(path: Path, each: Continued = each) -> bool:
            return each.fits(path) and (each.name not in parts or parts[each.name].begins(path))

        if not fits(job.run / each.name):
            (restorable if fits(job.folder / each.name) else lost).append(each.name)
    return restorable, lost


def settle_checkpoint(job: StageJob, say: Reporter) -> None:
    """Make md.cpt a checkpoint that the files match: the newest, else the previous one, else none (a fresh start).

    They are judged by their bytes alone. Raises RunError if none matches and results of the stage are published: those
    are not discarded automatically.
    """
    if not job.stage.is_dynamics:
        return
    known, problems = read_ending(job.run), []
    for path in (job.run / name for name in RESTARTS):
        if not path.is_file():
            if path.name == KEPT:
                continue
            problems.append(f"{path.name} is missing")
            continue
        try:
            restorable, lost = _missing_parts(job, path, known)
        except DataError:
            problems.append(f"{path.name} is damaged")
            continue
        if lost:
            problems.append(f"{' and '.join(lost)} {'does' if len(lost) == 1 else 'do'} not fit {path.name}")
            continue
        for name in restorable:
            _restore(job, name, say)
        if problems:
            say(f"{problems[0]}; continues from the checkpoint before")
            if (job.run / "md.cpt").is_file():
                set_aside(job.run / "md.cpt")
            path.rename(job.run / "md.cpt")
        return
    if not any((job.run / name).is_file() for name in RESTARTS) and not _has_written_checkpoints(job.run):
        return
    if (job.folder / "md.gro").is_file():
        raise _no_copy(job, f"no checkpoint can be continued: {', '.join(problems)}")
    say(
        f"no checkpoint can be continued: {', '.join(problems)}; the stage starts from its beginning, the old files are "
        "kept as *.unusable"
    )
    _start_over(job)


def _has_written_checkpoints(run: Path) -> bool:
    try:
        return _WROTE_CHECKPOINT in (run / "md.log").read_bytes()
    except OSError:
        return False


def _start_over(job: StageJob) -> None:
    """Move the run's output aside so that mdrun starts afresh; nothing is deleted."""
    forget(job.run, (*RESTARTS, *GROWING))
    for name in (*RESTARTS, *GROWING):
        if (job.run / name).is_file():
            set_aside(job.run / name)


def _its_writer_cannot_read_it(job: StageJob) -> bool:
    """Whether the GROMACS that wrote md.cpt reads the start structure but not md.cpt: then it is damaged. A GROMACS
    that fails on both, or did not write it, proves nothing."""
    checkpoint = job.run / "md.cpt"
    try:
        if read_checkpoint(checkpoint).gromacs != job.gromacs.version_text:
            return False
        _convert(job, job.run / "start.gro")
    except (DataError, RunError):
        return False
    try:
        _convert(job, checkpoint)
    except RunError:
        return True
    return False


def _convert(job: StageJob, source: Path) -> None:
    frame = job.run / ".converted.trr"
    try:
        _write_frame(job, source, frame)
    finally:
        frame.unlink(missing_ok=True)


def _write_frame(job: StageJob, source: Path, frame: Path) -> None:
    """Write a checkpoint or structure as a TRR. Raises RunError with GROMACS' own cause."""
    run_tool(
        job.gromacs, "trjconv", job.run / "gmx.log", answers=("System",), f=source.resolve(),
        s=(job.run / "md.tpr").resolve(), o=frame.resolve(),
    )  # fmt: skip


def final_state(job: StageJob) -> bool:
    """Write state.trr, the last positions and velocities, if the run has reached its end; returns whether it has.

    Raises RunError with GROMACS' own cause if it cannot read its checkpoint.
    """
    state, last = job.run / "state.trr", job.run / ".last.trr"
    if not (job.run / "md.gro").is_file():
        return False
    if not job.stage.is_dynamics:
        copy_frame(job.run / "md.trr", len(read_states(job.run / "md.trr")) - 1, state)
        return True
    try:
        step = read_checkpoint(job.run / "md.cpt").step
    except DataError:
        return False
    if step < job.target_steps:
        return False
    try:
        _write_frame(job, job.run / "md.cpt", last)
        copy_frame(last, 0, state, step=step)
        return True
    finally:
        last.unlink(missing_ok=True)


def is_complete(job: StageJob) -> bool:
    """Whether the run folder holds a finished run of the requested length."""
    if not (job.run / "md.gro").is_file():
        return False
    step = reached_step(job.run / "state.trr")
    return step is not None and step >= job.target_steps


def run_mdrun(job: StageJob, lock: int, say: Reporter, used_s: float = 0.0) -> tuple[list[list[str]], float]:
    """Run mdrun to the end of the stage, piece by piece. `used_s` is time of this call that counts for `max_hours`.

    Returns the command lines and the seconds. Raises RunError if it was stopped (the next run continues) or failed (with
    GROMACS' own cause).
    """
    settle_checkpoint(job, say)
    own_files(job.run)
    if ignored := left_out():
        say(f"GROMACS runs without {', '.join(ignored)} of the environment; the configuration alone says how")
    commands: list[list[str]] = []
    started = time.monotonic()
    while True:
        commands += _prepare(job, say)
        piece = _piece(job)
        ran = _once(_with_hours_left(job, used_s + time.monotonic() - started), piece, lock, say)
        commands.append(ran.command)
        try:
            done = final_state(job)
            at_end_of_piece = not done and not ran.was_told and ran.code == 0 and _piece(job) != piece
            if at_end_of_piece:
                # it would be that of a finished run
                (job.run / "md.gro").unlink(missing_ok=True)
        finally:
            with contextlib.suppress(OSError):
                write_ending(job.run)
        if done:
            return commands, time.monotonic() - started
        if at_end_of_piece:
            continue
        if ran.code <= 0 or _STARTED in ran.output or not _its_writer_cannot_read_it(job):
            raise RunError(_why_incomplete(job, ran))
        say("GROMACS cannot read md.cpt, which it wrote itself; it is kept as unusable")
        set_aside(job.run / "md.cpt")
        settle_checkpoint(job, say)


@dataclass(frozen=True)
class _Ran:
    """An mdrun that has ended: its command line, exit code and output, and whether it was told to stop."""

    command: list[str]
    code: int
    output: str
    told: bool

    @property
    def was_told(self) -> bool:
        """By us or by another: after a signal that it handled, mdrun leaves a checkpoint and exits with 0 or 1."""
        return self.told or "Received the" in self.output


def _prepare(job: StageJob, say: Reporter) -> list[list[str]]:
    """Make md.tpr anew if it is lost or of another piece. Returns the command lines."""
    path, mdp = job.run / "md.tpr", job.run / "stage.mdp"
    if path.is_file():
        if not job.stage.drives_box:
            return []
        # where there is an md.tpr, stage.mdp is its own: it is removed before that is written
        text = mdp.read_text(encoding="utf-8", errors="replace") if mdp.is_file() else ""
        if re.search(rf"^nsteps += {_piece(job).end}$", text, re.MULTILINE):
            return []
        forget(job.run, ENDS)
        for name in ENDS:
            (job.run / name).unlink(missing_ok=True)
    return [make_run_input(job, say)]


def _with_hours_left(job: StageJob, used_s: float) -> StageJob:
    """The job with what is left of the user's limit: it is per call, however many mdruns the call takes."""
    most = job.max_hours
    return job if most is None else replace(job, max_hours=max(min(_LEAST_HOURS, most), most - used_s / 3600))


def _hours_for_mdrun(job: StageJob) -> float | None:
    """The shorter of the user's limit and the job's walltime."""
    limits = [job.max_hours, None if job.deadline is None else job.deadline.hours_left()]
    return min((limit for limit in limits if limit is not None), default=None)


def _once(job: StageJob, piece: Piece, lock: int, say: Reporter) -> _Ran:
    machine, placement = this_machine(), job.placement
    if not placement.pin or job.gromacs.binds_itself:
        return _watched(job, piece, lock, say, Slots(), job.threads)
    gpu = job.gromacs.uses_cuda and job.stage.nb != "cpu"
    with own_cores(
        machine, job.threads, say, who=f"{job.system} {job.stage.name}", at_once=placement.at_once,
        hyper_threads=placement.hyper_threads, wants_gpu=gpu,
    ) as slots:  # fmt: skip
        threads = job.threads if placement.hyper_threads else max(1, job.threads // machine.threads_per_core)
        return _watched(job, piece, lock, say, slots, threads)


def _watched(job: StageJob, piece: Piece, lock: int, say: Reporter, slots: Slots, threads: int) -> _Ran:
    command = mdrun_command(
        job.gromacs, threads=threads, checkpoint_minutes=job.checkpoint_minutes, max_hours=_hours_for_mdrun(job),
        reproducible=job.reproducible, name="md", offload=job.stage.offload,
    )  # fmt: skip
    pace = Pace(job.target_steps, job.stage.time_step_fs or 0.0)
    said, checkpoint, kept = time.monotonic(), _date(job.run / "md.cpt"), True
    _record_checkpoints(job)
    mdrun = Mdrun(command, job.run, job.run / "mdrun.log", [lock], slots)
    close_open(job.run)
    record = SessionRecord(job.run, job.threads, job.gromacs.version_text, job.gromacs.simd, piece.begin)

    def used() -> float | None:
        return None if job.gromacs.binds_itself else mdrun.cpu_seconds()

    def look() -> None:
        nonlocal said, checkpoint, kept
        record.update(used())
        if kept and not (kept := slots.keep()):
            say("the folder of the locks of cores was cleaned away; later runs may come onto the same cores")
        if checkpoint != (checkpoint := _date(job.run / "md.cpt")):
            with contextlib.suppress(OSError):
                _record_checkpoints(job)
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
    return _Ran(command, code, mdrun.output(), mdrun.was_told)


def _record_checkpoints(job: StageJob) -> None:
    if STALE_PREVIOUS.is_in(job.gromacs.version_text):
        keep_previous(job.run)
    write_ending(job.run, (*FIXED, *RESTARTS))


def _date(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def advice(cause: str) -> str:
    """Advice about a cause, as the end of a sentence; empty if there is none."""
    return next((f"; {text}" for word, text in _ADVICE.items() if word.lower() in cause.lower()), "")


def _why_incomplete(job: StageJob, ran: _Ran) -> str:
    code, output = ran.code, ran.output
    step = last_step(job.run / "md.log") or 0
    done = f"at step {step} of {job.target_steps or job.stage.max_steps}"
    if code == 0 or ran.was_told:
        return f"stopped {done}; the next run continues"
    if code < 0 and -code not in _CRASHES:
        return f"mdrun was killed by signal {-code} {done}; the next run continues from its checkpoint"
    cause = fatal_message(output)
    if code < 0:
        # a crash has no fatal error; its earlier warnings tell more than its last line
        warned = _WARNED.findall(output.partition("starting mdrun")[2])
        cause = f"crash ({signal.Signals(-code).name}) after: {' '.join((warned or [cause])[0].split())}"
    return f"mdrun failed {done}: {cause}; log: {job.run / 'md.log'}{advice(cause)}"
