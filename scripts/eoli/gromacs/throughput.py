"""Speed of parallel mdruns: short runs of a real box on chosen cores, timed by their own logs."""

from __future__ import annotations

import re
import shutil
import statistics
import tempfile
import time
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eoli.errors import InputError, RunError
from eoli.gromacs.build import Gromacs
from eoli.gromacs.mdrun import Mdrun, mdrun_start, offload_options
from eoli.gromacs.tools import fatal_message
from eoli.machine.processors import Machine, on_processors, visible_gpus
from eoli.machine.slots import Slots, choose, choose_whole, own_cores
from eoli.machine.tuning import Timing, Tuning, candidates

_PERFORMANCE = re.compile(r"^Performance:\s+([0-9.]+)", re.MULTILINE)
SHORTEST_S = 3.0
FEWEST_ROUNDS = 3


@dataclass(frozen=True)
class Layout:
    """Parallel mdruns: threads of each, and the hardware threads that each is bound to (empty: the kernel's choice)."""

    threads: int
    places: tuple[tuple[int, ...], ...]


def lay_out(machine: Machine, runs: int, threads: int, processors: int) -> Layout:
    """Places for `runs` mdruns, as the slots of a study would assign them.

    Raises InputError if the machine has too few.
    """
    free = set(machine.processors)
    per_core = 1 if runs * processors <= len(machine.cores) else machine.threads_per_core
    places = []
    for _ in range(runs):
        if processors == threads:
            place = choose(machine.cores, free, processors, per_core)
        else:
            place = choose_whole(machine.cores, free, processors)
        if place is None:
            raise InputError(f"{runs} runs of {processors} hardware threads do not fit on {machine.text}")
        free -= set(place)
        places.append(place)
    return Layout(threads, tuple(places))


def throughput(
    gromacs: Gromacs,
    tpr: Path,
    layout: Layout,
    seconds: float,
    offload: Mapping[str, str] = types.MappingProxyType({}),
) -> list[float]:
    """ns/day of each mdrun of a layout, all at once for `seconds`; the first half of the time is not counted.

    Raises RunError if one of them fails.
    """
    folder = Path(tempfile.mkdtemp(prefix="eoli-tune-"))
    gpus = visible_gpus() if gromacs.uses_cuda else ()
    running = []
    try:
        for number, place in enumerate(layout.places):
            run = folder / str(number)
            run.mkdir()
            # as a stage runs it, except for its end: unlimited steps, counters reset half way
            command = [*mdrun_start(gromacs, layout.threads), "-s", str(tpr.resolve()), "-deffnm", "md"]
            command += offload_options(offload)
            command += ["-nsteps", "-1", "-maxh", f"{seconds / 3600:.6f}", "-resethway", "-noconfout", "-cpt", "-1"]
            gpu = gpus[number % len(gpus)] if gpus else None
            with on_processors(place):
                running.append((run, Mdrun(command, run, run / "mdrun.log", slots=Slots(place, gpu))))
        speeds = []
        for run, mdrun in running:
            code = mdrun.wait(seconds, lambda: None)
            found = _PERFORMANCE.findall((run / "md.log").read_text()) if (run / "md.log").is_file() else []
            if code != 0 or not found:
                raise RunError(f"mdrun of {tpr} could not be timed: {fatal_message(mdrun.output())}")
            speeds.append(float(found[-1]))
        return speeds
    finally:
        for _, mdrun in running:
            if mdrun.process.poll() is None:
                mdrun.process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def tune(
    gromacs: Gromacs, machine: Machine, tpr: Path, box: str, sites: int, seconds: float, say: Callable[[str], None],
    offload: Mapping[str, str] = types.MappingProxyType({}),
) -> Tuning:  # fmt: skip
    """Time every way to fill this machine with mdruns of a box, for about `seconds` in total.

    The ways are timed several times in turn, so that a disturbance hits all of them; the median counts. All cores of
    the machine are held meanwhile. Raises RunError if mdrun fails.
    """
    ways = candidates(machine)
    each = max(SHORTEST_S, seconds / (FEWEST_ROUNDS * len(ways)))
    rounds = max(FEWEST_ROUNDS, int(seconds / (each * len(ways))))
    say(
        f"{len(ways)} ways to fill {machine.text}, {rounds} rounds of {each:.0f} s each: {rounds * each * len(ways):.0f} s"
    )
    samples: dict[tuple[int, int, int], list[float]] = {way: [] for way in ways}
    with own_cores(machine, machine.usable, say, who="eoli tune"):
        for number in range(rounds):
            for way in ways:
                total = sum(throughput(gromacs, tpr, lay_out(machine, *way), each, offload))
                samples[way].append(total)
                say(f"round {number + 1}: {Timing(*way, total).text}: {total:.4g} ns/day")
    timings = tuple(Timing(*way, statistics.median(found), tuple(found)) for way, found in samples.items())
    return Tuning(
        machine.cpu, len(machine.cores), machine.usable, gromacs.version_text, gromacs.simd, gromacs.gpu, box, sites,
        time.strftime("%Y-%m-%dT%H:%M:%S"), timings,
    )  # fmt: skip


def finished_inputs(results: Path, systems: Sequence[str], stages: Sequence[str]) -> list[Path]:
    """Run inputs of finished stages: later stages first, within a stage in system order."""
    found = [results / system / stage / "md.tpr" for stage in reversed(stages) for system in systems]
    return [path for path in found if path.is_file()]


def sites_of(tpr: Path) -> int:
    """Number of sites of a finished stage, from the structure beside its run input."""
    return int((tpr.parent / "md.gro").read_text(encoding="utf-8").split("\n", 2)[1])
