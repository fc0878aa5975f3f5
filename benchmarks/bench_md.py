"""mdruns packed on two cores, as a study runs them, against plain mdrun on the same two cores.

    python benchmarks/bench_md.py [--tpr results/peo-eo12-298K-r1/production/md.tpr] [--pairs 5] [--seconds 9]

The box is the demo's PEO (12 chains, 24 LiTFSI, 1,260 sites, 2 fs); it is made by the workflow where it is missing. Three
comparisons, each the median of pairs that are timed one after the other, first and second in turn:

- packed against plain: two runs of one thread on cores of their own (ns/day of both together) against one run of two
  threads that is left to mdrun and the kernel, the distribution's GROMACS for both;
- the same while another program keeps one core busy, free to move as the kernel likes;
- packed with the GROMACS of `make gromacs` against plain with the distribution's; left out where it is not built.

Figures of a busy machine mean nothing: the load before the start is printed with them.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from eoli.gromacs.build import Gromacs, inspect, native_program
from eoli.gromacs.throughput import Layout, lay_out, throughput
from eoli.machine.processors import Machine, on_processors, this_machine
from eoli.machine.slots import own_cores
from eoli.study.config import GromacsBuild

TPR = Path("results/peo-eo12-298K-r1/production/md.tpr")
TARGETS = {"quiet": 1.0, "busy": 1.5, "native": 1.8}
CORES = 2


@contextlib.contextmanager
def busy_core() -> Iterator[None]:
    """Another program that wants one core all the time."""
    program = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        program.kill()
        program.wait()


def pairs(
    name: str, number: int, seconds: float, tpr: Path, first: tuple[Gromacs, Layout], second: tuple[Gromacs, Layout]
) -> float:  # fmt: skip
    """Median of the ratios first/second."""
    ratios = []
    for index in range(number):
        speeds = {}
        for which in ((first, second), (second, first))[index % 2]:
            speeds[which is first] = sum(throughput(which[0], tpr, which[1], seconds))
        ratios.append(speeds[True] / speeds[False])
        print(f"  {name} {index + 1}: {speeds[True]:.1f} / {speeds[False]:.1f} ns/day = {ratios[-1]:.2f}", flush=True)
    return statistics.median(ratios)


def two_cores() -> Machine:
    """The machine as a process sees it that has two cores, one hardware thread on each."""
    cores = this_machine().cores
    if len(cores) < CORES:
        sys.exit(f"bench-md: {len(cores)} core is not enough; it compares on {CORES}")
    os.sched_setaffinity(0, [core[0] for core in cores[:CORES]])
    return this_machine()


def main() -> None:
    """Time all pairs and print the ratios with their targets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tpr", type=Path, default=TPR)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=9.0, help="of each timing; the first half is not counted")
    parser.add_argument("--only", nargs="*", choices=list(TARGETS), default=list(TARGETS))
    arguments = parser.parse_args()
    if not arguments.tpr.is_file():
        made = arguments.tpr.with_name("md.gro")
        print(f"{arguments.tpr} is missing; the demo makes it, in some minutes", flush=True)
        subprocess.run(["snakemake", "--configfile", "config/demo.yaml", "--cores", "all", "--", str(made)], check=True)
    machine = two_cores()
    distribution = inspect(GromacsBuild(command=shutil.which("gmx") or "gmx"))
    native = native_program()
    packed, plain = lay_out(machine, CORES, 1, 1), Layout(CORES, ((),))
    print(f"{machine.text}; load {os.getloadavg()[0]:.2f}; {arguments.tpr}")
    results: dict[str, float] = {}
    with own_cores(machine, CORES, print, who="bench-md"), on_processors(machine.processors):
        same = (arguments.pairs, arguments.seconds, arguments.tpr)
        if "quiet" in arguments.only:
            results["quiet"] = pairs("packed/plain", *same, (distribution, packed), (distribution, plain))
        if "busy" in arguments.only:
            with busy_core():
                results["busy"] = pairs("packed/plain, busy", *same, (distribution, packed), (distribution, plain))
        if "native" in arguments.only and native is not None:
            fast = inspect(GromacsBuild(command=str(native)))
            results["native"] = pairs("native packed/plain", *same, (fast, packed), (distribution, plain))
        elif "native" in arguments.only:
            print("  native: left out, for `make gromacs` has built none")
    for name, ratio in results.items():
        print(f"{name:8s} {ratio:5.2f} (target at least {TARGETS[name]:.1f})")


if __name__ == "__main__":
    main()
