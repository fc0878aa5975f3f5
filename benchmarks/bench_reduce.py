"""Cost of the core pass, and of all that one system needs, against decoding alone and GROMACS, in turns in one run.

    python benchmarks/bench_reduce.py --frames 10000

What each figure is:

- *Ratios of one process* are of CPU time (user and system, of the process and its children), because a busy machine
  stretches wall time. The jobs take turns; a ratio is that of two jobs of the same turn, and the figure is the median
  over the turns. Compiled code is cached before the first turn; the start of Python and imports do not count.
- *decode alone* reads all frames into one array and drops them.
- *core pass* writes the reduced trajectory: five g(r) (four partners of lithium, and lithium), the neighbours of lithium,
  from which clusters are made, centres of mass, radii of gyration; beside these all that the other analyses read.
- *all that Pebax needs*: the core pass and every analysis of it at the default cadences, for frames every 0.1 ps.
  Interaction energies and pictures use a fixed number of frames however long the run is: they count in the *study's run*.
- *gmx / ours, same output* is `gmx rdf` with four selections and `gmx msd` of lithium and of the anions over the core pass
  with structure at every frame and what makes g(r), n(r) and the two MSD from it, of the same frames. gmx takes an origin
  every 10 ps and every lag, ours every origin and every lag.
- *one process / two* is of wall time, in turns in a process that has loaded the core pass alone, as `eoli reduce` has: it
  means something on an idle machine. The control, two processes that only decode, says what the machine gives at that
  moment.
- *The study's run*: 100,000 frames of Pebax (the trajectory repeated, steps and times continued), every command once, as a
  process of its own with its start and imports, as a workflow runs it. Peak memory is that of each process (VmHWM), once
  at the default cadences and once with motion at every frame; the ratio is the CPU time of all commands, start-up, the
  rerun of GROMACS for interaction energies and the pictures among it, over that of decoding the 100,000 frames.

Two systems: a PEO electrolyte (25 chains, 50 LiTFSI) for the core pass, a Pebax one of as many for all analyses. Sites
jitter about drifting molecules in a box that breathes: the numbers of pairs, contacts and bits a frame are those of a
melt, the physics is not. Needs gmx, and 5 GB of disk for the study's run (`--no-long` leaves it out).
"""

from __future__ import annotations

import argparse
import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from eoli.analysis.motion.analyse import read_motion
from eoli.analysis.motion.msd import mean_msd
from eoli.analysis.structure.analyse import pair_counts
from eoli.analysis.structure.rdf import radial_distribution, running_number
from eoli.box.conformation import random_conformation
from eoli.box.packmol import gro_text
from eoli.forcefield.library import library
from eoli.forcefield.models import Contents, ForceFieldChoice
from eoli.gromacs.build import inspect
from eoli.gromacs.tools import grompp
from eoli.study import criteria
from eoli.study.analyses import BY_NAME, REDUCED
from eoli.study.config import GromacsBuild
from eoli.study.criteria import Analysis, ReduceCriteria
from eoli.topology.build import describe, write_topology
from eoli.topology.description import SystemDescription
from eoli.topology.gromos import read_gromos54a7
from eoli.trajectory.reduce import reduce_trajectory
from eoli.trajectory.store import open_reduced
from eoli.workflow.plan import make_plan

TOPOLOGIES = Path(__file__).resolve().parents[1] / "topologies"
FORCE_FIELD = ForceFieldChoice("oxy-d", "aqvist", "clandp2004", "gromos", 1.0)
RANGE_NM, BIN_NM = 1.5, 0.002
STRUCTURE_STRIDE, SLOW_STRIDE = 10, 100
TURNS, GMX_TURNS = 5, 2
LONG_FRAMES = 100_000
CONFIG = TOPOLOGIES.parent / "config/config.yaml"


@dataclass(frozen=True)
class Box:
    """A system with its trajectory in a folder of its own."""

    folder: Path
    system: SystemDescription
    edge_nm: float
    frame_ps: float

    @property
    def trajectory(self) -> Path:
        return self.folder / "md.xtc"

    @property
    def description(self) -> Path:
        return self.folder / "system.json"


def build(folder: Path, polymer: str, edge_nm: float, frame_ps: float) -> Box:
    """25 chains and 50 LiTFSI; writes their topology."""
    folder.mkdir()
    forcefield = read_gromos54a7(inspect(GromacsBuild()).forcefields / "gromos54a7.ff")
    blocks = library(TOPOLOGIES)
    system = describe(Contents.of(polymer, 25, "litfsi", 50), FORCE_FIELD, blocks, forcefield)
    write_topology(system, "benchmark", folder, blocks, forcefield)
    return Box(folder, system, edge_nm, frame_ps)


def write_trajectory(box: Box, path: Path, n_frames: int) -> None:
    """Frames of random conformations that drift by 0.005 nm and jitter by 0.02 nm from frame to frame, and a .gro."""
    rng = np.random.default_rng(1)
    molecules = [entry.molecule for entry in box.system.molecules for _ in range(entry.count)]
    start = np.concatenate([random_conformation(m, rng) + box.edge_nm * rng.random(3) for m in molecules])
    owner = np.repeat(np.arange(len(molecules)), [len(m.sites) for m in molecules])
    path.with_suffix(".gro").write_text(gro_text(box.system, start % box.edge_nm, box.edge_nm, "benchmark"))
    drift = np.zeros((len(molecules), 3))
    with XTCFile(str(path), "w") as file:
        for k in range(n_frames):
            drift += rng.normal(0, 0.005, drift.shape)
            edge = box.edge_nm * (1 + 0.002 * np.sin(k / 50))
            positions = (start + drift[owner] + rng.standard_normal(start.shape, np.float32) * 0.014) % edge
            matrix = np.eye(3, dtype=np.float32) * np.float32(edge)
            file.write(positions.astype(np.float32), matrix, k, k * box.frame_ps)


def decode(trajectory: Path, n_sites: int) -> None:
    """Read all frames and drop them."""
    positions = np.empty((n_sites, 3), dtype=np.float32)
    with XTCFile(str(trajectory)) as file:
        for _ in range(len(file)):
            file.read_direct_x(positions)


def reduce(folder: Path, structure_stride: int) -> None:
    """The core pass of frames 1 ps apart: motion at every frame."""
    reduce_trajectory(
        folder / "md.xtc",
        folder / "system.json",
        ReduceCriteria(
            frame_interval_ps=1.0,
            motion_interval_ps=1.0,
            structure_interval_ps=float(structure_stride),
            slow_interval_ps=float(SLOW_STRIDE),
            rdf_range_nm=RANGE_NM,
            rdf_bin_nm=BIN_NM,
        ),
        folder / "reduced.h5",
    )


def same_output(box: Box) -> None:
    """What `gromacs` prints: g(r) and n(r) of lithium with four groups, the MSD of lithium and of the anions."""
    reduce(box.folder, 1)
    with open_reduced(box.folder / "reduced.h5", box.system.n_sites) as opened:
        for counts in pair_counts(opened).values():
            radial_distribution(counts), running_number(counts)
        motion = read_motion(opened, box.system)
    mean_msd(motion.paths["Li"]), mean_msd(motion.paths["anion"])


def analyse(box: Box) -> dict[str, Callable[[], None]]:
    """The core pass and the analyses of a system with salt at the default settings, by name."""
    chosen, reduced, out = Analysis.model_validate({}), box.folder / "all.h5", box.folder / "out"
    contacts = {kind: getattr(chosen.contact_nm, kind) for kind in ("ether_O", "carbonyl_O", "anion")}
    facts = {
        "analysis": chosen.model_dump(),
        "stage": {"frame_interval_ps": box.frame_ps, "length_ns": None},
        "system": {"temperature_K": 298.0, "contact_nm": contacts, "copies": None, "name": "bench"},
    }

    def job(analysis: str, source: Path, *files: Path) -> Callable[[], None]:
        entry = BY_NAME[analysis]
        function, told = entry.load(), getattr(criteria, entry.criteria).of(facts)
        return lambda: function(source, box.description, told, *files)

    timed = ("structure", "motion", "ions", "conductivity", "mechanism", "morphology", "hydrogen-bonds")
    return {"core pass": job("reduce", box.trajectory, reduced)} | {
        name.replace("-", " "): job(name, reduced, *(out / file for file in BY_NAME[name].files)) for name in timed
    }


def write_run_input(box: Box) -> None:
    """md.tpr, which names the molecules, and index groups of the roles that gmx is asked for."""
    folder = box.folder
    (folder / "md.mdp").write_text("integrator = md\n")
    grompp(
        inspect(GromacsBuild()), folder / "md.mdp", folder / "md.gro", folder / "system.top", folder / "md.tpr",
        folder / "grompp.log", None,
    )  # fmt: skip
    anions = box.system.molecules_of("anion").ravel()
    lines = ["[ anions ]", *(str(site + 1) for site in anions)]
    for role in ("Li", "ether_O", "anion_O", "anion_N"):
        lines += [f"[ {role} ]", *(str(site + 1) for site in box.system.with_role(role))]
    (folder / "index.ndx").write_text("\n".join(lines) + "\n")


def gromacs(box: Box, program: str) -> None:
    """g(r) of lithium with four groups, and the MSD of lithium and of the anions."""
    common = ["-f", "md.xtc", "-s", "md.tpr", "-n", "index.ndx"]
    rdf = ["rdf", "-ref", "Li", "-sel", "ether_O", "anion_O", "anion_N", "Li", "-rmax", str(RANGE_NM)]
    lithium = ["msd", "-sel", "Li", "-trestart", "10", "-o", "msd.xvg"]
    anions = ["msd", "-sel", "anions", "-mol", "mol.xvg", "-trestart", "10", "-o", "msd.xvg"]
    for words in ([*rdf, "-bin", str(BIN_NM), "-o", "rdf.xvg", "-cn", "cn.xvg"], lithium, anions):
        subprocess.run([program, "-quiet", *words, *common], cwd=box.folder, check=True, capture_output=True)


PROCESSES = """
import sys, time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
import numpy as np
from MDAnalysis.lib.formats.libmdaxdr import XTCFile
from eoli.study.criteria import ReduceCriteria
from eoli.trajectory.reduce import reduce_trajectory

folder, numbers, turns = Path(sys.argv[1]), [float(word) for word in sys.argv[2:-1]], int(sys.argv[-1])
keys = [key for key in ReduceCriteria.model_fields if key != "length_ns"]
criteria = ReduceCriteria(**dict(zip(keys, numbers, strict=True)))
trajectory, description, out = folder / "md.xtc", folder / "system.json", folder / "reduced.h5"

def decode(_):
    with XTCFile(str(trajectory)) as file:
        positions = np.empty((file.n_atoms, 3), dtype=np.float32)
        for _ in range(len(file)):
            file.read_direct_x(positions)

def decode_twice():
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(decode, range(2)))

def core(processes):
    reduce_trajectory(trajectory, description, criteria, out, processes=processes)

out.unlink(missing_ok=True)
core(1)
for _ in range(turns):
    for job in (lambda: core(1), lambda: core(2), lambda: decode(0), decode_twice):
        out.unlink(missing_ok=True)
        start = time.perf_counter()
        job()
        print(time.perf_counter() - start)
"""


def wall_times(folder: Path) -> np.ndarray:
    """Wall times, s, of the core pass in one and two processes and of one and two that decode, (turns, 4)."""
    numbers = (1.0, 1.0, 1.0, float(SLOW_STRIDE), RANGE_NM, BIN_NM)
    command = [sys.executable, "-c", PROCESSES, str(folder), *map(str, numbers), str(TURNS)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return np.array(printed.split(), dtype=float).reshape(-1, 4)


@dataclass(frozen=True)
class Job:
    """Something to be measured, over so many frames; `before` does not count."""

    run: Callable[[], None]
    frames: int
    before: Callable[[], None] = lambda: None


def cost(job: Callable[[], None]) -> tuple[float, float]:
    """CPU time of a call and its children, and its wall time, s."""

    def cpu() -> float:
        used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(usage.ru_utime + usage.ru_stime for usage in used)

    cpu_before, wall_before = cpu(), time.perf_counter()
    job()
    return cpu() - cpu_before, time.perf_counter() - wall_before


@dataclass(frozen=True)
class Costs:
    """CPU and wall times, us a frame, (turns, 2) by job."""

    of: dict[str, np.ndarray]

    def ratio(self, above: str, below: str) -> float:
        """Median over the turns of the ratio of the CPU times of two jobs of one turn."""
        return float(np.median(self.of[above][:, 0] / self.of[below][:, 0]))

    def show(self, title: str) -> None:
        """Medians, and their ratios to the first job."""
        first = next(iter(self.of))
        print(f"{title}, us/frame, medians of {len(self.of[first])} turns; load {os.getloadavg()[0]:.1f}")
        print(f"{'':46s} {'CPU':>8s} {'wall':>8s} {'CPU / first':>12s}")
        for label, values in self.of.items():
            cpu, wall = np.median(values, axis=0)
            print(f"{label:46s} {cpu:8.1f} {wall:8.1f} {self.ratio(label, first):12.2f}")
        print(flush=True)


def in_turns(jobs: dict[str, Job], turns: int) -> Costs:
    """Costs of jobs that take turns."""
    measured: dict[str, list[np.ndarray]] = {label: [] for label in jobs}
    for _ in range(turns):
        for label, job in jobs.items():
            job.before()
            measured[label].append(np.array(cost(job.run)) / job.frames * 1e6)
    return Costs({label: np.array(values) for label, values in measured.items()})


def repeat_trajectory(source: Path, target: Path, times: int, frame_ps: float) -> None:
    """A trajectory over and over; step and time of the frames continue."""
    with XTCFile(str(source)) as file:
        offsets = file.offsets
    data = np.fromfile(source, dtype=np.uint8)
    # of a frame: magic number, atoms, step, time, big-endian
    header = offsets[:, None] + np.arange(8, 16)
    with target.open("wb") as out:
        for k in range(times):
            steps = np.arange(len(offsets)) + k * len(offsets)
            words = np.column_stack([steps.astype(">i4").view("u1").reshape(-1, 4),
                                     (steps * frame_ps).astype(">f4").view("u1").reshape(-1, 4)])  # fmt: skip
            data[header] = words
            data.tofile(out)


def as_process(*words: str) -> tuple[float, float]:
    """CPU time, s, and peak resident memory, MB, of an eoli command in a process of its own."""
    # what the system keeps for a child that has ended holds the memory of the parent before it started
    code = (
        "import sys; from eoli.cli import main; code = main(sys.argv[1:]); "
        "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM')); "
        "print(peak.split()[1], file=sys.stderr); sys.exit(code)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run([sys.executable, "-c", code, *words], check=False, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(run.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, float(run.stderr.split()[-1]) / 1024


def study_run(box: Box, n_frames: int) -> tuple[float, float]:
    """CPU time of all commands over decoding 100,000 frames, and the largest peak memory of any, GB; printed, too."""
    times = LONG_FRAMES // n_frames
    trajectory, out = box.folder / "long.xtc", box.folder / "long"
    repeat_trajectory(box.trajectory, trajectory, times, box.frame_ps)
    plan = make_plan([str(CONFIG)], [], [], str(CONFIG.parents[1]))
    name = next(name for name, system in plan.systems.items() if system.polymer == "pebax")
    reduced, description = str(out / "reduced.h5"), str(box.description)
    of_run = ["--trajectory", str(trajectory), "--frame-interval-ps", str(box.frame_ps)]
    reading = ["--system-json", description]

    def commands(motion_ps: float | None) -> dict[str, list[str]]:
        cadence = [] if motion_ps is None else ["--motion-interval-ps", str(motion_ps)]
        chosen = shlex.split(plan.analysis_flags(BY_NAME["reduce"], name))
        words = {"reduce": ["reduce", *reading, *chosen, *of_run, *cadence, "--out", reduced]}
        for analysis in REDUCED:
            # the invented melt is so crowded here and there that more than 16 sites lie within the default distance
            flags = [word.replace("ether_O=0.35", "ether_O=0.3") for word in
                     shlex.split(plan.analysis_flags(analysis, name))]  # fmt: skip
            words[analysis.name] = [analysis.name, "--reduced", reduced, *reading, *flags, "--out", str(out)]
        return words

    decoding, _ = cost(lambda: decode(trajectory, box.system.n_sites))
    total, largest = 0.0, 0.0
    print(f"The study's run: Pebax, {times * n_frames} frames; decoding takes {decoding:.1f} s of CPU time")
    print(f"{'':46s} {'CPU, s':>8s} {'x decode':>9s} {'peak, MB':>9s}")
    for title, motion_ps in (("", None), (", motion at every frame", box.frame_ps)):
        words = commands(motion_ps)
        if motion_ps is None:
            words["interactions"] = [
                "interactions", *shlex.split(plan.interaction_flags), *of_run, "--topology", str(box.folder), "--log",
                str(out / "interactions.log"), "--out", str(out),
            ]  # fmt: skip
        for label, command in words.items():
            cpu, peak = as_process(*command)
            print(f"{label + title:46s} {cpu:8.1f} {cpu / decoding:9.2f} {peak:9.0f}", flush=True)
            largest = max(largest, peak)
            total += cpu if motion_ps is None else 0
    print()
    return total / decoding, largest / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=10_000, help="frames of the trajectories; a part of 100,000")
    parser.add_argument("--no-long", action="store_true", help="without the study's run of 100,000 frames")
    arguments = parser.parse_args()
    program = GromacsBuild().command
    with tempfile.TemporaryDirectory() as name:
        n = arguments.frames
        # gmx msd 2022 dies on spacings below 0.5 ps
        peo, pebax = build(Path(name) / "peo", "peo", 3.8, 1.0), build(Path(name) / "pebax", "pebax", 4.4, 0.1)
        for box in (peo, pebax):
            write_trajectory(box, box.trajectory, n)
            write_run_input(box)
        parts = analyse(pebax)
        # compiles
        same_output(peo)
        for part in parts.values():
            part()

        def clear() -> None:
            # to write over a file waits for the disk, and to remove one is no work of the pass
            for reduced in (peo.folder / "reduced.h5", pebax.folder / "all.h5"):
                reduced.unlink(missing_ok=True)

        def of(label: str, run: Callable[[], None]) -> tuple[str, Job]:
            return label, Job(run, n, clear if "core pass" in label else lambda: None)

        once, full, strided = "decode alone", "core pass", f"core pass, structure at every {STRUCTURE_STRIDE}th"
        core = in_turns(
            dict(
                [
                    of(once, lambda: decode(peo.trajectory, peo.system.n_sites)),
                    of(full, lambda: reduce(peo.folder, 1)),
                    of(strided, lambda: reduce(peo.folder, STRUCTURE_STRIDE)),
                ]
            ),
            TURNS,
        )
        core.show(f"PEO, {peo.system.n_sites} sites, {n} frames")
        one, two, decoded, twice = wall_times(peo.folder).T
        tools, ours = "gmx rdf (4 groups) and 2 gmx msd", "core pass, g(r), n(r) and both MSD"
        beside = in_turns(
            dict([of(ours, lambda: same_output(peo)), of(tools, lambda: gromacs(peo, program))]), GMX_TURNS
        )
        beside.show("The same output")
        pebax_parts = in_turns(
            dict(
                [
                    of(once, lambda: decode(pebax.trajectory, pebax.system.n_sites)),
                    *(of(label, part) for label, part in parts.items()),
                ]
            ),
            TURNS,
        )
        pebax_parts.show(
            f"Pebax, {pebax.system.n_sites} sites, {n} frames every {pebax.frame_ps:g} ps, default cadences"
        )
        everything = np.sum([values[:, 0] for label, values in pebax_parts.of.items() if label != once], axis=0)
        results = [
            ("core pass / decode", core.ratio(full, once), "<=", 2.5),
            (f"structure at every {STRUCTURE_STRIDE}th / decode", core.ratio(strided, once), "<=", 1.7),
            ("all that Pebax needs / decode", float(np.median(everything / pebax_parts.of[once][:, 0])), "<=", 3.5),
            ("gmx / ours, same output", beside.ratio(tools, ours), ">=", 10),
            ("one process / two, wall time", float(np.median(one / two)), ">=", 1.8),
        ]
        if not arguments.no_long:
            ratio, peak = study_run(pebax, n)
            results += [
                ("peak memory, GB, 100,000 frames", peak, "<=", 1.0),
            ]
            print(f"every command of the study's run / decode: {ratio:.2f}, of which no target is asked\n")
        for label, value, sign, target in results:
            met = value <= target if sign == "<=" else value >= target
            print(f"{label:46s} {value:6.2f}   target {sign} {target:g}   {'met' if met else 'MISSED'}")
        print(f"\ncontrol of two processes: two decode {2 * np.median(decoded / twice):.2f} times as fast as one")


if __name__ == "__main__":
    main()
