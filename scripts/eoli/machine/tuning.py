"""Threads per mdrun as measured by `eoli tune` on this machine: the file, and its use."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from eoli.core.files import write_json
from eoli.machine.processors import Machine, this_machine
from eoli.study.config import Study

FOLDER = Path(".eoli")
_Number = Annotated[int, Field(ge=1)]
MOST_THREADS = 16
"""Most threads of an untuned mdrun: a box of thousands of sites gains nothing from more."""


@dataclass(frozen=True)
class Timing:
    """Parallel mdruns that fill the machine: their number, threads of each, hardware threads held by each (more than
    its threads if the second thread of a core stays idle), and their total speed."""

    runs: _Number
    threads: _Number
    processors: _Number
    ns_per_day: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    samples: tuple[float, ...] = field(default=())

    @property
    def hyper_threads(self) -> bool:
        """Whether every hardware thread that a run holds is used."""
        return self.processors == self.threads

    @property
    def text(self) -> str:
        """`2 runs of 1 thread`."""
        idle = "" if self.hyper_threads else " on whole cores"
        runs, threads = ("s" if number > 1 else "" for number in (self.runs, self.threads))
        return f"{self.runs} run{runs} of {self.threads} thread{threads}{idle}"


@dataclass(frozen=True)
class Tuning:
    """Measured timings, with machine, GROMACS and box."""

    cpu: str
    cores: _Number
    processors: _Number
    gromacs: str
    simd: str
    gpu: str
    box: str
    sites: int
    made: str
    timings: Annotated[tuple[Timing, ...], Field(min_length=1)]

    def fits(self, machine: Machine) -> bool:
        """Whether it was measured on a machine like this one."""
        return (self.cpu, self.cores, self.processors) == (machine.cpu, len(machine.cores), machine.usable)

    def best(self, cores: int, systems: int) -> Timing:
        """The fastest timing when Snakemake fills `cores` with `systems`."""
        return max(self.timings, key=lambda timing: (expected(timing, cores, systems), -timing.processors))


def expected(timing: Timing, cores: int, systems: int) -> float:
    """ns/day of all runs together when they fill `cores` hardware threads and there are at most `systems` runs."""
    runs = min(cores // timing.processors, max(1, systems))
    return timing.ns_per_day / timing.runs * runs


def tuning_file(folder: Path = FOLDER) -> Path:
    """Path of this machine's tuning; a folder shared by several machines holds one file for each."""
    return folder / f"tune-{socket.gethostname()}.json"


def write_tuning(path: Path, tuning: Tuning) -> None:
    """Write a tuning whole."""
    write_json(path, asdict(tuning))


def read_tuning(path: Path) -> Tuning | None:
    """The tuning in a file; None if none is readable."""
    try:
        return TypeAdapter(Tuning).validate_json(path.read_bytes(), strict=True)
    except (OSError, ValueError):
        return None


def untuned(cores: int, systems: int) -> Timing:
    """Without a measurement, all systems run in parallel before any gets a second core."""
    threads = max(1, min(MOST_THREADS, cores // max(1, systems)))
    return Timing(max(1, cores // threads), threads, threads, 0.0)


def run_timing(study: Study, systems: int, cores: int | None) -> Timing:
    """The meaning of `run.threads` when Snakemake fills `cores` hardware threads of this machine with `systems`.

    A number is taken as it is. `auto` uses the measurement on this machine. Without one, after a change of the machine,
    or if the runs go to other machines (`cores` None), it shares the cores among the systems.
    """
    wanted = study.config.run.threads
    if isinstance(wanted, int):
        return Timing(max(1, (cores or wanted) // wanted), wanted, wanted, 0.0)
    if cores is not None and (tuning := read_tuning(tuning_file())) is not None and tuning.fits(this_machine()):
        return tuning.best(cores, systems)
    return untuned(cores or 1, systems)


def tuning_lines(study: Study, machine: Machine, gromacs: str, simd: str) -> list[str]:
    """The effect of `run.threads` on this machine, in words."""
    path = tuning_file()
    tuning = read_tuning(path)
    if isinstance(study.config.run.threads, int):
        return [f"{machine.text}: run.threads is {study.config.run.threads}"]
    if tuning is None and path.exists():
        return [f"{machine.text}: {path} is no record of eoli tune and is left out; eoli tune measures again"]
    if tuning is None:
        return [f"{machine.text}: run.threads is auto and untuned; eoli tune measures what is best here"]
    if not tuning.fits(machine):
        return [
            f"{machine.text}: {path} was measured on {tuning.cpu}, {tuning.cores} cores ({tuning.processors} threads), "
            "and is left out; eoli tune measures again"
        ]
    best = max(tuning.timings, key=lambda timing: timing.ns_per_day)
    lines = [
        f"{machine.text}: run.threads is auto: {best.text}, {best.ns_per_day:.4g} ns/day in all ({path}, {tuning.box})"
    ]
    if (tuning.gromacs, tuning.simd) != (gromacs, simd):
        lines.append(f"(measured with GROMACS {tuning.gromacs}, {tuning.simd}; eoli tune measures again)")
    return lines


def candidates(machine: Machine) -> list[tuple[int, int, int]]:
    """(runs, threads, hardware threads of each) worth timing: every way to fill the cores evenly with a power of two of
    threads, with and without second threads."""
    found = []
    cores = min(len(machine.cores), machine.usable)
    for per_core in {1, machine.threads_per_core}:
        filled = min(cores * per_core, machine.usable)
        sizes = [size for size in (1 << power for power in range(filled.bit_length())) if size <= filled] + [filled]
        for threads in dict.fromkeys(sizes):
            held = threads * (machine.threads_per_core // per_core)
            found.append((filled // threads, threads, held))
    return list(dict.fromkeys(found))


def table(timings: Sequence[Timing]) -> list[str]:
    """Lines of a table, best first."""
    lines = [f"{'side by side':32s} {'ns/day in all':>14s} {'each':>8s}  samples"]
    for timing in sorted(timings, key=lambda entry: -entry.ns_per_day):
        samples = ", ".join(f"{value:.3g}" for value in timing.samples)
        lines.append(f"{timing.text:32s} {timing.ns_per_day:14.4g} {timing.ns_per_day / timing.runs:8.3g}  {samples}")
    return lines
