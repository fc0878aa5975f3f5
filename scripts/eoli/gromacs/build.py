"""The only module that calls GROMACS: finding it, its tools through GromacsWrapper, mdrun as a supervised process."""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eoli import PROJECT
from eoli.errors import InputError, RunError, ToolError
from eoli.machine.processors import vector_units
from eoli.machine.slots import Slots
from eoli.study.config import DEFAULT_COMMAND, GromacsBuild
from eoli.study.protocol import OFFLOADED, OLDEST_GROMACS, OLDEST_GROMACS_FOR, Stage

Version = tuple[int, int]
NATIVE = PROJECT / ".gromacs"
"""Where `make gromacs` installs."""


@dataclass(frozen=True)
class Gromacs:
    """An installed GROMACS, as it describes itself."""

    build: GromacsBuild
    program: Path
    version: Version
    version_text: str
    mpi: str
    precision: str
    simd: str
    data_prefix: Path
    gpu: str = "disabled"

    @property
    def is_real_mpi(self) -> bool:
        """Whether mdrun needs an MPI launcher; such a build has no thread-MPI options."""
        return self.mpi.lower().startswith("mpi")

    @property
    def uses_cuda(self) -> bool:
        """Whether mdrun computes on NVIDIA GPUs."""
        return self.gpu.lower().startswith("cuda")

    @property
    def ranks(self) -> int:
        """MPI ranks of one mdrun, as the launcher starts them; they share its threads."""
        return launched_ranks(self.build.launcher) if self.is_real_mpi else 1

    @property
    def binds_itself(self) -> bool:
        """Whether the launcher places the ranks on cores itself: it may start them on another machine."""
        return bool(self.build.launcher) and not _starts_here(self.build.launcher)

    @property
    def words(self) -> list[str]:
        """First words of each command line: the program, or a shell that loads modules first, if there are some."""
        return _words(self.program, self.build.modules)

    @property
    def forcefields(self) -> Path:
        """Folder of the installed force fields: its own, else as GMXDATA says."""
        own, said = self.data_prefix / "share/gromacs/top", os.environ.get("GMXDATA")
        return own if own.is_dir() or not said else Path(said) / "top"


_KEPT = frozenset(
    {
        "GMX_ENABLE_DIRECT_GPU_COMM",
        "GMX_CUDA_GRAPH",
        "GMX_FORCE_GPU_AWARE_MPI",
        "GMX_DISABLE_DIRECT_GPU_COMM",
        "GMX_GPU_ID",
    }
)
"""GROMACS variables about the use of a machine's GPUs; all others can change what is computed, or with what."""


def left_out(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Environment variables hidden from every GROMACS started here: only the configuration says what runs and how.

    Some change the physics (GMX_NSTLIST, GMX_MAXCONSTRWARN), others the files that are read (GMXLIB).
    """
    return sorted(name for name in environment if name.startswith("GMX") and name not in _KEPT)


def _environment() -> dict[str, str]:
    """Environment of every GROMACS process."""
    # -ntomp sets the threads; mdrun refuses to start if OMP_NUM_THREADS differs
    dropped = {*left_out(), "OMP_NUM_THREADS"}
    return {key: value for key, value in os.environ.items() if key not in dropped} | {"GMX_MAXBACKUP": "-1"}


@contextlib.contextmanager
def _as_environment(environment: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _words(program: Path | str, modules: Sequence[str]) -> list[str]:
    if not modules:
        return [str(program)]
    # not a script file: a temporary folder can be cleaned, or be mounted noexec
    load = "".join(f"module load {shlex.quote(module)} >/dev/null || exit 127; " for module in modules)
    return ["/bin/bash", "-lc", f'{load}exec "$0" "$@"', str(program)]


def launched_ranks(launcher: str) -> int:
    """MPI ranks that a launcher starts: the number after -n, -np or --ntasks, else SLURM's for srun, else 1."""
    found = re.search(r"(?:^|\s)(?:-np?|--np?|--ntasks)[ =](\d+)(?=\s|$)", launcher)
    if found:
        return max(1, int(found[1]))
    words = shlex.split(launcher)
    tasks = os.environ.get("SLURM_NTASKS", "") if words and Path(words[0]).name == "srun" else ""
    return int(tasks) if tasks.isdigit() else 1


def _starts_here(launcher: str) -> bool:
    """Whether a launcher starts its ranks as children on this machine, where they inherit our cores."""
    words = shlex.split(launcher)
    return Path(words[0]).name.startswith(("mpirun", "mpiexec", "orterun", "prterun")) and not re.search(
        r"-(?:host|hostfile|machinefile|f)\b", launcher
    )


def native_program() -> Path | None:
    """The GROMACS built by `make gromacs`, if there is one that this processor can run."""
    program = NATIVE / "bin" / "gmx"
    try:
        needed = set((NATIVE / "vector-units").read_text(encoding="utf-8").split())
    except OSError:
        return None
    return program if os.access(program, os.X_OK) and needed <= vector_units() else None


def program_of(build: GromacsBuild) -> Path:
    """The program of this build, found through its modules, if any; the default command means the project's own GROMACS
    if there is one.

    Raises ToolError if the command does not exist.
    """
    if build.modules:
        return Path(build.command)
    if build.command == DEFAULT_COMMAND and (native := native_program()) is not None:
        return native
    found = shutil.which(build.command)
    if found is None:
        raise ToolError(
            f"GROMACS: {build.command!r} is not on the PATH; install it (Debian: apt-get install gromacs), "
            "or name another build with gmx.command or gmx.modules in the config"
        )
    return Path(found).absolute()


def _field(text: str, key: str) -> str:
    match = re.search(rf"^{re.escape(key)}:\s*(.*?)\s*$", text, re.MULTILINE)
    return match[1] if match else ""


def parse_version(text: str) -> Version:
    """(2022, 5) from "2022.5-Debian_2022.5_2".

    Raises ToolError if the text has no version.
    """
    match = re.search(r"(\d{4})(?:\.(\d+))?", text)
    if match is None:
        raise ToolError(f"GROMACS: cannot read a version from {text!r}")
    return int(match[1]), int(match[2] or 0)


@functools.lru_cache(maxsize=4)
def _inspect(command: str, modules: tuple[str, ...], launcher: str) -> Gromacs:
    build = GromacsBuild(command=command, modules=list(modules), launcher=launcher)
    program = program_of(build)
    try:
        run = subprocess.run(
            [*_words(program, modules), "--version"], capture_output=True, text=True, errors="replace", check=False,
            stdin=subprocess.DEVNULL, timeout=120, env=_environment(),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"GROMACS: {command} --version failed: {error}") from error
    text = run.stdout
    version = _field(text, "GROMACS version")
    if run.returncode != 0 or not version:
        reason = (run.stderr.strip().splitlines() or ["no output"])[-1]
        raise ToolError(f"GROMACS: {command} --version failed with exit code {run.returncode}: {reason}")
    return Gromacs(
        build=build,
        program=program,
        version=parse_version(version),
        version_text=version,
        mpi=_field(text, "MPI library"),
        precision=_field(text, "Precision"),
        simd=_field(text, "SIMD instructions"),
        gpu=_field(text, "GPU support"),
        data_prefix=Path(_field(text, "Data prefix")),
    )


def inspect(build: GromacsBuild) -> Gromacs:
    """Find a build and read its version, MPI kind and folders from its own output.

    Raises ToolError if it cannot be run.
    """
    return _inspect(build.command, tuple(build.modules), build.launcher)


def require(gromacs: Gromacs, oldest: Version, what: str) -> None:
    """Raise InputError for a GROMACS that is too old for something."""
    if gromacs.version < oldest:
        raise InputError(
            f"{what} needs GROMACS {oldest[0]}.{oldest[1]} or newer; {gromacs.build.command} is {gromacs.version_text}"
        )


def require_for(gromacs: Gromacs, stages: Iterable[Stage]) -> None:
    """Raise InputError for a GROMACS that is too old for the workflow or for one of the stages."""
    require(gromacs, OLDEST_GROMACS, "this workflow")
    for stage in stages:
        if stage.barostat in OLDEST_GROMACS_FOR:
            require(gromacs, OLDEST_GROMACS_FOR[stage.barostat], f"stage {stage.name}: barostat {stage.barostat}")
        wanted = [key for key in OFFLOADED if getattr(stage, key) == "gpu"]
        if wanted and gromacs.gpu.lower() in ("", "disabled"):
            raise InputError(
                f"stage {stage.name}: {wanted[0]}: gpu needs a GROMACS with GPU support; {gromacs.program} has none; "
                "allowed: auto, cpu"
            )


# GROMACS has more than a dozen titles for errors, and new versions add some: a block is known by what stands above it.
_BLOCK = re.compile(
    r"(?:^Program:[^\n]*\n(?:[^\s][^\n]*\n)*\n[^\n]+|Fatal error[^\n]*)\n(?P<text>.+?)\n\s*(?:For more information|\n)",
    re.DOTALL | re.MULTILINE,
)
_NUMBERED = re.compile(r"(?P<kind>WARNING|ERROR) \d+[^\n]*:\n(?P<text>(?:  [^\n]*\n)+)")


def fatal_message(text: str) -> str:
    """The cause that GROMACS gives, in one line; the errors or warnings that it counts there; else its last line."""
    match = _BLOCK.search(text)
    cause = " ".join(match["text"].split()) if match else ""
    if not match or "Too many warnings" in cause or "in input file(s)" in cause:
        found = [(entry["kind"], " ".join(entry["text"].split())) for entry in _NUMBERED.finditer(text)]
        reasons = [reason for kind, reason in found if kind == "ERROR"] or [reason for _, reason in found]
        if reasons:
            return "; ".join(reasons)
    if cause:
        return cause
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


@functools.cache
def _wrapper() -> types.ModuleType:
    """Import GromacsWrapper such that it finds no settings, no user folder and no GROMACS to probe: only the
    configuration decides what runs."""
    nowhere = {"HOME": os.devnull, "PATH": os.devnull}
    environment = {key: value for key, value in _environment().items() if not key.startswith("GW_")} | nowhere
    with (
        _as_environment(environment),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        return importlib.import_module("gromacs.core")


def _tool(gromacs: Gromacs, name: str) -> Callable[..., Any]:
    class Tool(_wrapper().GromacsCommand):  # type: ignore[misc]
        command_name = name

        def _commandline(self, *arguments: Any, **options: Any) -> list[str]:
            return [*gromacs.words, name, *self.transform_args(*arguments, **options)]

    # its exception would hold only the fatal message, without the warnings that grompp counts in it
    return Tool(failure=None)


def run_tool(gromacs: Gromacs, name: str, log: Path, *, answers: Sequence[str] = (), **options: Any) -> list[str]:
    """Run a gmx tool other than mdrun; its output goes to `log`, the cause of a failure into the error.

    Paths must be absolute: GromacsWrapper has no working directory. Returns the command line. Raises RunError.
    """
    flags: list[str] = []
    for key, value in options.items():
        flags += [f"-{key}"] if value is True else [f"-no{key}"] if value is False else [f"-{key}", str(value)]
    command = [str(gromacs.build.command), name, *flags]
    plain = {key: str(value) if isinstance(value, Path) else value for key, value in options.items()}
    if answers:
        plain["input"] = tuple(answers)
    tool = _tool(gromacs, name)
    try:
        with _as_environment(_environment()):
            code, out, err = tool(stdout=False, stderr=False, **plain)
    except OSError as error:
        raise ToolError(f"gmx {name} could not be started: {error}") from error
    text = f"{out or ''}{err or ''}"
    with log.open("a", encoding="utf-8", errors="replace") as stream:
        stream.write(f"$ {shlex.join(command)}\n{text}\n")
    if code != 0:
        raise RunError(f"gmx {name}: {fatal_message(text)}; log: {log}")
    return command


def grompp(
    gromacs: Gromacs, mdp: Path, structure: Path, topology: Path, tpr: Path, log: Path, state: Path | None,
    index: Path | None = None,
) -> list[str]:  # fmt: skip
    """Make a run input. A grompp warning is an error here.

    Raises RunError with the warning or the cause.
    """
    options: dict[str, Any] = {
        "f": mdp.resolve(),
        "c": structure.resolve(),
        "p": topology.resolve(),
        "o": tpr.resolve(),
        "po": tpr.with_suffix(".mdout.mdp").resolve(),
    }
    if state is not None:
        options["t"] = state.resolve()
    if index is not None:
        options["n"] = index.resolve()
    return run_tool(gromacs, "grompp", log, **options)


def mdrun_start(gromacs: Gromacs, threads: int) -> list[str]:
    """First words of an mdrun command line with `threads` threads in total; a real MPI build never gets thread-MPI
    options."""
    command = [*shlex.split(gromacs.build.launcher), *gromacs.words, "mdrun"]
    command += ["-ntomp", str(max(1, threads // gromacs.ranks))]
    return command if gromacs.is_real_mpi else [*command, "-ntmpi", "1"]


def offload_options(offload: Mapping[str, str]) -> list[str]:
    """mdrun options for where parts of the work run: `nb`, `pme`, `bonded`, `update`, each auto, cpu or gpu."""
    return [word for key, where in offload.items() for word in (f"-{key}", where)]


def mdrun_command(
    gromacs: Gromacs, *, threads: int, checkpoint_minutes: float, max_hours: float | None, reproducible: bool, name: str,
    offload: Mapping[str, str] = types.MappingProxyType({}),
) -> list[str]:  # fmt: skip
    """mdrun command line for a run folder; the same for start and continuation."""
    command = [
        *mdrun_start(gromacs, threads),
        "-deffnm",
        name,
        "-cpi",
        f"{name}.cpt",
        "-cpt",
        f"{checkpoint_minutes:g}",
    ]
    command += offload_options(offload)
    if max_hours is not None:
        command += ["-maxh", f"{max_hours:.4f}"]
    if reproducible:
        command.append("-reprod")
    return command


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Mdrun:
    """A running mdrun: started in its folder, output appended to a log, signals passed on."""

    def __init__(
        self, command: Sequence[str], folder: Path, log: Path, keep_open: Sequence[int] = (), slots: Slots | None = None
    ) -> None:
        environment = _environment()
        slots = slots or Slots()
        if slots.processors:
            # Open MPI and Intel MPI would move their ranks to the machine's first cores, whatever our affinity
            environment |= {"OMPI_MCA_hwloc_base_binding_policy": "none", "I_MPI_PIN": "off"}
            environment |= {"PRTE_MCA_hwloc_default_binding_policy": "none"}
        if slots.gpu is not None:
            environment["CUDA_VISIBLE_DEVICES"] = slots.gpu
        self._log = log.open("a", encoding="utf-8")
        self._log.write(f"$ {shlex.join(command)}\n")
        self._log.flush()
        self._start = self._log.tell()
        self._path = log
        try:
            # lock descriptors are inherited: an orphaned mdrun keeps its folder and its cores
            self.process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT,
                env=environment, pass_fds=(*keep_open, *slots.descriptors),
            )  # fmt: skip
        except OSError as error:
            self._log.close()
            raise ToolError(f"mdrun could not be started: {error}") from error
        self._used_before = _children_seconds()

    def cpu_seconds(self) -> float:
        """Processor time used; after the end, that of all its processes."""
        if self.process.returncode is not None:
            return _children_seconds() - self._used_before
        try:
            stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        # utime, stime and those of ended children: fields 14 to 17 of proc(5), the second of which ends in ")"
        return sum(map(int, stat[11:15])) / os.sysconf("SC_CLK_TCK")

    def output(self) -> str:
        """Output of this mdrun so far."""
        with self._path.open(encoding="utf-8", errors="replace") as stream:
            stream.seek(self._start)
            return stream.read()

    def wait(self, every_s: float, report: Callable[[], None]) -> int:
        """Wait for the end, calling `report` regularly; SIGTERM and SIGINT reach mdrun, which writes a checkpoint.

        Returns the exit code, negative for a signal.
        """
        previous = {}

        def forward(number: int, _frame: object) -> None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM if number == signal.SIGINT else number)

        for number in (signal.SIGTERM, signal.SIGINT):
            previous[number] = signal.signal(number, forward)
        try:
            while True:
                try:
                    return self.process.wait(timeout=every_s)
                except subprocess.TimeoutExpired:
                    report()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            self._log.close()


def rerun(gromacs: Gromacs, tpr: Path, trajectory: Path, log: Path, threads: int) -> Path:
    """Energies of each frame of a trajectory, as an EDR file beside the run input; on CPUs, the only place with energy
    groups.

    Raises RunError with the cause.
    """
    command = [*mdrun_start(gromacs, threads), "-deffnm", tpr.stem, "-rerun", str(trajectory.resolve()), "-nb", "cpu"]
    mdrun = Mdrun(command, tpr.parent, log)
    code = mdrun.wait(60.0, lambda: None)
    if code != 0:
        raise RunError(f"gmx mdrun -rerun {trajectory.name}: {fatal_message(mdrun.output())}; log: {log}")
    return tpr.with_suffix(".edr")
