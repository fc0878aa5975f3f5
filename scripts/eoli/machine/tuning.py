"""Threads of one mdrun as `eoli tune` measured them on this machine: the file, and what follows from it."""

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
"""Untuned, no mdrun gets more: a box of thousands of sites gains nothing from them."""


@dataclass(frozen=True)
class Timing:
    """mdruns side by side that fill the machine: how many, threads of each, hardware threads that each holds (more than
    its threads where the second thread of a core stays idle), and their speed together."""

    runs: _Number
    threads: _Number
    processors: _Number
    ns_per_day: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    samples: tuple[float, ...] = field(default=())

    @property
    def hyper_threads(self) -> bool:
        """Whether each hardware thread that a run holds is used."""
        return self.processors == self.threads

    @property
    def text(self) -> str:
        """`2 runs of 1 thread`."""
        idle = "" if self.hyper_threads else " on whole cores"
        runs, threads = ("s" if number > 1 else "" for number in (self.runs, self.threads))
        return f"{self.runs} run{runs} of {self.threads} thread{threads}{idle}"


@dataclass(frozen=True)
class Tuning:
    """What was measured, on which machine, with which GROMACS and box."""

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
        """The timing that brings most when Snakemake fills `cores` with `systems`."""
        return max(self.timings, key=lambda timing: (expected(timing, cores, systems), -timing.processors))


def expected(timing: Timing, cores: int, systems: int) -> float:
    """ns/day of all runs together when `cores` hardware threads are filled and no more than `systems` runs exist."""
    runs = min(cores // timing.processors, max(1, systems))
    return timing.ns_per_day / timing.runs * runs


def tuning_file(folder: Path = FOLDER) -> Path:
    """Where the tuning of this machine is kept; a folder that several machines share holds one file for each."""
    return folder / f"tune-{socket.gethostname()}.json"


def write_tuning(path: Path, tuning: Tuning) -> None:
    """Write a tuning whole."""
    write_json(path, asdict(tuning))


def read_tuning(path: Path) -> Tuning | None:
    """The tuning of a file; None where there is none that can be read."""
    try:
        return TypeAdapter(Tuning).validate_json(path.read_bytes(), strict=True)
    except (OSError, ValueError):
        return None


def untuned(cores: int, systems: int) -> Timing:
    """Without a measurement all systems run side by side before one of them gets a second core."""
    threads = max(1, min(MOST_THREADS, cores // max(1, systems)))
    return Timing(max(1, cores // threads), threads, threads, 0.0)


def run_timing(study: Study, systems: int, cores: int | None) -> Timing:
    """What `run.threads` means when Snakemake fills `cores` hardware threads of this machine with `systems`.

    A number is taken as it is. `auto` is what was measured here, and shares the cores among the systems where nothing
    was, where the machine has changed since, or where the runs go to other machines (`cores` None).
    """
    wanted = study.config.run.threads
    if isinstance(wanted, int):
        return Timing(max(1, (cores or wanted) // wanted), wanted, wanted, 0.0)
    if cores is not None and (tuning := read_tuning(tuning_file())) is not None and tuning.fits(this_machine()):
        return tuning.best(cores, systems)
    return untuned(cores or 1, systems)


def tuning_lines(study: Study, machine: Machine, gromacs: str, simd: str) -> list[str]:
    """What `run.threads` comes to on this machine, for a person."""
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
    """(runs, threads, hardware threads of each) worth timing: every way to fill the cores evenly with threads of a power
    of two, with and without their second threads."""
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
