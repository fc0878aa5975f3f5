"""GROMACS builds: found by command or modules, described by their own output, with the environment that they run in."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eoli import PROJECT
from eoli.errors import InputError, ToolError
from eoli.machine.processors import vector_units
from eoli.study.config import DEFAULT_COMMAND, GromacsBuild
from eoli.study.protocol import OFFLOADED, OLDEST_GROMACS, OLDEST_GROMACS_FOR, Stage

Version = tuple[int, int]
WAYS_TO_GET_IT = (
    "allowed: one that is installed (in a config file gmx: {command: /path/bin/gmx}, or {modules: [gromacs]}), "
    "a package (as root: apt-get install gromacs), or without root: snakemake --sdm conda"
)
"""Where GROMACS comes from, for a message that there is none."""
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
    def has_gpu_support(self) -> bool:
        """Whether mdrun can compute on GPUs of any kind."""
        return self.gpu.lower() not in ("", "disabled")

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


def process_environment() -> dict[str, str]:
    """Environment of every GROMACS process."""
    # -ntomp sets the threads; mdrun refuses to start if OMP_NUM_THREADS differs
    dropped = {*left_out(), "OMP_NUM_THREADS"}
    return {key: value for key, value in os.environ.items() if key not in dropped} | {"GMX_MAXBACKUP": "-1"}


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
        own = Path(build.command) / "bin" / DEFAULT_COMMAND
        what = f"is a folder; did you mean {own}?" if own.is_file() else "is not on the PATH"
        raise ToolError(f"GROMACS: {build.command!r} {what}; {WAYS_TO_GET_IT}")
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
            stdin=subprocess.DEVNULL, timeout=120, env=process_environment(),
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
        if wanted and not gromacs.has_gpu_support:
            raise InputError(
                f"stage {stage.name}: {wanted[0]}: gpu needs a GROMACS with GPU support; {gromacs.program} has none; "
                "allowed: auto, cpu"
            )
