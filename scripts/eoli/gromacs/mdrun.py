"""mdrun: its command line, and its process under supervision."""

from __future__ import annotations

import contextlib
import os
import resource
import shlex
import signal
import subprocess
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from eoli.errors import RunError, ToolError
from eoli.gromacs.build import Gromacs, process_environment
from eoli.gromacs.tools import fatal_message
from eoli.machine.slots import Slots


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
        environment = process_environment()
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
        self.was_told = False
        """Whether a signal was passed on to it, even if it had just ended."""

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
            self.was_told = True
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
