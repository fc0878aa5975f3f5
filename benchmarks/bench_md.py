"""mdruns packed on two cores, as a study runs them, against plain mdrun on the same two cores; steps of 4 fs against 2 fs.

    python benchmarks/bench_md.py [--results results] [--pairs 5] [--seconds 9]

The boxes are the demo's PEO and Pebax at EO:Li = 12 (12 chains of PEO, 24 LiTFSI, 1,260 sites; 12 of Pebax), which the
workflow makes where they are missing. Five comparisons, each the median of pairs that are timed one after the other, first
and second in turn:

- packed against plain: two runs of one thread on cores of their own (ns/day of both together) against one run of two
  threads that is left to mdrun and the kernel, the distribution's GROMACS for both;
- the same while another program keeps one core busy, free to move as the kernel likes;
- packed with the GROMACS of `make gromacs` against plain with the distribution's; left out where it is not built;
- the production of `config/protocols/annealed-4fs.yaml` against that of `annealed.yaml`, for PEO and for Pebax, on one
  core each. `benchmarks/time_step.py` compares what they give.

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
import tempfile
from collections.abc import Iterator
from pathlib import Path

from eoli.core.yamlfile import read_yaml
from eoli.gromacs.build import Gromacs, inspect, native_program
from eoli.gromacs.mdp import Conditions
from eoli.gromacs.throughput import Layout, lay_out, throughput
from eoli.machine.processors import Machine, on_processors, this_machine
from eoli.machine.slots import own_cores
from eoli.stage.engine import make_run_input
from eoli.stage.job import StageJob
from eoli.study.config import GromacsBuild
from eoli.study.protocol import Protocol

PEO, PEBAX = "peo-eo12-298K-r1", "pebax-eo12-298K-r1"
TARGETS = {"quiet": 1.0, "busy": 1.5, "native": 1.8, "step-peo": 1.6, "step-pebax": 1.5}
CORES = 2
ROOT = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def busy_core() -> Iterator[None]:
    """Another program that wants one core all the time."""
    program = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        program.kill()
        program.wait()


Timed = tuple[Gromacs, Layout, Path]
"""What is timed: a GROMACS, where its runs are, and their run input."""


def pairs(name: str, number: int, seconds: float, first: Timed, second: Timed) -> float:
    """Median of the ratios first/second."""
    ratios = []
    for index in range(number):
        speeds = {}
        for which in ((first, second), (second, first))[index % 2]:
            gromacs, layout, tpr = which
            speeds[which is first] = sum(throughput(gromacs, tpr, layout, seconds))
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


def production_of(protocol: str, results: Path, system: str, gromacs: Gromacs, folder: Path) -> Path:
    """Run input of the production of a shipped protocol, from the demo's state of a system before its own production."""
    said = Protocol.model_validate(read_yaml(ROOT / f"config/protocols/{protocol}.yaml").data)
    stage = next(stage for stage in said.stages if stage.name == "production")
    conditions = Conditions(
        298.15, said.cutoff_nm, said.fourier_spacing_nm, said.dispersion_correction, said.constraints, 1,
        said.hydrogen_mass_g_mol,
    )  # fmt: skip
    start, topology = results / system / "nvt", results / system / "topology"
    run = folder / f"{system}-{protocol}"
    job = StageJob(system, stage, conditions, topology, start / "md.gro", run, gromacs, 1, 5.0, None, False)
    job.run.mkdir(parents=True)
    shutil.copy(start / "md.gro", job.run / "start.gro")
    shutil.copy(start / "state.trr", job.run / "start.trr")
    make_run_input(job, print)
    return job.run / "md.tpr"


def main() -> None:
    """Time all pairs and print the ratios with their targets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("results"), help="of the demo")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=9.0, help="of each timing; the first half is not counted")
    parser.add_argument("--only", nargs="*", choices=list(TARGETS), default=list(TARGETS))
    arguments = parser.parse_args()
    systems = [PEO, *([PEBAX] if "step-pebax" in arguments.only else [])]
    missing = [str(arguments.results / system / "production/md.gro") for system in systems]
    missing = [path for path in missing if not Path(path).is_file()]
    if missing:
        print(f"{', '.join(missing)} missing; the demo makes it, in some minutes", flush=True)
        subprocess.run(["snakemake", "--configfile", "config/demo.yaml", "--cores", "all", "--", *missing], check=True)
    machine = two_cores()
    distribution = inspect(GromacsBuild(command=shutil.which("gmx") or "gmx"))
    native = native_program()
    packed, plain, one = lay_out(machine, CORES, 1, 1), Layout(CORES, ((),)), lay_out(machine, 1, 1, 1)
    tpr = arguments.results / PEO / "production/md.tpr"
    print(f"{machine.text}; load {os.getloadavg()[0]:.2f}; {tpr}")
    results: dict[str, float] = {}
    with own_cores(machine, CORES, print, who="bench-md"), on_processors(machine.processors):
        same = (arguments.pairs, arguments.seconds)
        if "quiet" in arguments.only:
            results["quiet"] = pairs("packed/plain", *same, (distribution, packed, tpr), (distribution, plain, tpr))
        if "busy" in arguments.only:
            with busy_core():
                results["busy"] = pairs(
                    "packed/plain, busy", *same, (distribution, packed, tpr), (distribution, plain, tpr)
                )
        if "native" in arguments.only and native is not None:
            fast = inspect(GromacsBuild(command=str(native)))
            results["native"] = pairs("native packed/plain", *same, (fast, packed, tpr), (distribution, plain, tpr))
        elif "native" in arguments.only:
            print("  native: left out, for `make gromacs` has built none")
        with tempfile.TemporaryDirectory() as folder:
            for name, system in (("step-peo", PEO), ("step-pebax", PEBAX)):
                if name in arguments.only:
                    long, short = (
                        (
                            distribution,
                            one,
                            production_of(protocol, arguments.results, system, distribution, Path(folder)),
                        )
                        for protocol in ("annealed-4fs", "annealed")
                    )
                    results[name] = pairs(f"4 fs/2 fs, {system}", *same, long, short)
    for name, ratio in results.items():
        print(f"{name:10s} {ratio:5.2f} (target at least {TARGETS[name]:.1f})")


if __name__ == "__main__":
    main()
