"""Cost of the core pass, and of all that one system needs, against decoding alone and GROMACS, in turns in one run.

Ratios are of CPU time with that of child processes, because a busy machine stretches wall time; that of one process
to two is of wall time, beside a control: two processes that only decode. Compiled code is cached before the first
turn, and the start of a process and its imports do not count.

    python benchmarks/bench_reduce.py --frames 10000

Two systems: a PEO electrolyte (25 chains, 50 LiTFSI) for the core pass, a Pebax one of as many for all analyses at
their default cadences, of frames every 0.1 ps. Sites jitter about drifting molecules in a box that breathes: the
numbers of pairs, contacts and bits a frame are those of a melt, the physics is not. Needs gmx.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from eoli import gmx
from eoli.box.conformation import random_conformation
from eoli.box.packmol import gro_text
from eoli.chemistry import ForceFieldChoice, library
from eoli.config import Analysis, GromacsBuild
from eoli.jobs.conductivity import analyse_conductivity
from eoli.jobs.hydrogen_bonds import analyse_hydrogen_bonds
from eoli.jobs.ions import analyse_ions
from eoli.jobs.mechanism import analyse_mechanism
from eoli.jobs.morphology import analyse_morphology
from eoli.jobs.motion import analyse_motion
from eoli.jobs.structure import analyse_structure
from eoli.reduce.run import reduce_trajectory
from eoli.topology.build import describe, write_topology
from eoli.topology.description import SystemDescription
from eoli.topology.gromos import read_gromos54a7

TOPOLOGIES = Path(__file__).resolve().parents[1] / "topologies"
FORCE_FIELD = ForceFieldChoice("oxy-d", "aqvist", "clandp2004", "gromos", 1.0)
RANGE_NM, BIN_NM = 1.5, 0.002
STRUCTURE_STRIDE, SLOW_STRIDE = 10, 100
REPEATS = 4
GMX_FRAMES = 1000


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
    forcefield = read_gromos54a7(gmx.inspect(GromacsBuild()).forcefields / "gromos54a7.ff")
    blocks = library(TOPOLOGIES)
    system = describe(polymer, 25, "litfsi", 50, FORCE_FIELD, blocks, forcefield)
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


def decode_twice(trajectory: Path, n_sites: int) -> None:
    """Read all frames in each of two processes: what the machine gives to two at the moment."""
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(decode, [trajectory] * 2, [n_sites] * 2))


def reduce(folder: Path, structure_stride: int, processes: int = 1, name: str = "md") -> None:
    """The core pass of frames 1 ps apart: motion at every frame."""
    # to write over a file waits for the disk
    (folder / "reduced.h5").unlink(missing_ok=True)
    reduce_trajectory(
        folder / f"{name}.xtc", folder / "system.json", 1.0, 1.0, float(structure_stride), float(SLOW_STRIDE), RANGE_NM,
        BIN_NM, folder / "reduced.h5", processes=processes,
    )  # fmt: skip


def analyse(box: Box) -> dict[str, Callable[[], None]]:
    """The core pass and the analyses of a system with salt at the default settings, by name."""
    chosen = Analysis.model_validate({})
    reduced, tolerance, out = box.folder / "all.h5", chosen.diffusive_tolerance, box.folder / "out"
    contact, every_ps = chosen.contact_nm, chosen.structure_interval_ps
    moves, morphology, bonds = chosen.mechanism, chosen.morphology, chosen.hydrogen_bonds
    kinds = {"ether_O": contact.ether_O, "carbonyl_O": contact.carbonyl_O, "anion": contact.anion}
    of = (reduced, box.description)

    def files(name: str) -> tuple[Path, Path]:
        return out / f"{name}.csv", out / f"{name}.json"

    return {
        "core pass": lambda: reduce_trajectory(
            box.trajectory, box.description, box.frame_ps, chosen.motion_interval_ps, every_ps, chosen.slow_interval_ps,
            chosen.rdf_range_nm, chosen.rdf_bin_nm, reduced,
        ),
        "structure": lambda: analyse_structure(*of, contact.model_dump(), *files("structure")),
        "motion": lambda: analyse_motion(*of, tolerance, chosen.target_error, contact.ether_O, *files("motion")),
        "ions": lambda: analyse_ions(*of, contact.anion, every_ps, *files("ions")),
        "conductivity": lambda: analyse_conductivity(
            *of, 298.0, tolerance, contact.anion, every_ps, *files("conductivity")
        ),
        "mechanism": lambda: analyse_mechanism(
            *of, kinds, moves.break_ps, moves.hold_ps, moves.least_units, tolerance, moves.unit_edges,
            out / "mechanism.csv", out / "moves.csv", out / "mechanism.json",
        ),
        "morphology": lambda: analyse_morphology(
            *of, morphology.distance_nm, morphology.q_max_per_nm, morphology.weighting, out / "morphology.csv",
            out / "domains.csv", out / "morphology.json",
        ),
        "hydrogen bonds": lambda: analyse_hydrogen_bonds(
            *of, bonds.distance_nm, bonds.angle_deg, *files("hydrogen-bonds")
        ),
    }  # fmt: skip


def write_run_input(box: Box) -> None:
    """md.tpr, which names the molecules, and index groups of the roles that gmx is asked for."""
    folder = box.folder
    (folder / "md.mdp").write_text("integrator = md\n")
    gmx.grompp(
        gmx.inspect(GromacsBuild()), folder / "md.mdp", folder / "md.gro", folder / "system.top", folder / "md.tpr",
        folder / "grompp.log", None,
    )  # fmt: skip
    anions = box.system.molecules_of("anion").ravel()
    lines = ["[ anions ]", *(str(site + 1) for site in anions)]
    for role in ("Li", "ether_O", "anion_O", "anion_N"):
        lines += [f"[ {role} ]", *(str(site + 1) for site in box.system.with_role(role))]
    (folder / "index.ndx").write_text("\n".join(lines) + "\n")


def gromacs(box: Box, program: str) -> None:
    """g(r) of lithium with four groups, and the MSD of lithium and of the anions, of the first frames."""
    common = ["-f", "md.xtc", "-s", "md.tpr", "-n", "index.ndx", "-e", str((GMX_FRAMES - 1) * box.frame_ps)]
    rdf = ["rdf", "-ref", "Li", "-sel", "ether_O", "anion_O", "anion_N", "Li", "-rmax", str(RANGE_NM)]
    lithium = ["msd", "-sel", "Li", "-trestart", "10", "-o", "msd.xvg"]
    anions = ["msd", "-sel", "anions", "-mol", "mol.xvg", "-trestart", "10", "-o", "msd.xvg"]
    for words in ([*rdf, "-bin", str(BIN_NM), "-o", "rdf.xvg", "-cn", "cn.xvg"], lithium, anions):
        subprocess.run([program, "-quiet", *words, *common], cwd=box.folder, check=True, capture_output=True)


def peak_mb(folder: Path, name: str) -> float:
    """Peak resident memory of a pass of its own, MB."""
    command = [sys.executable, __file__, "--pass-of", str(folder), name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def cost(job: Callable[[], None]) -> tuple[float, float]:
    """CPU time of a call and its children, and its wall time, s."""

    def cpu() -> float:
        used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(usage.ru_utime + usage.ru_stime for usage in used)

    cpu_before, wall_before = cpu(), time.perf_counter()
    job()
    return cpu() - cpu_before, time.perf_counter() - wall_before


def least(jobs: dict[str, tuple[Callable[[], None], int]]) -> dict[str, tuple[float, float]]:
    """CPU and wall time of jobs over so many frames each, us a frame: of each the least disturbed of some turns."""
    measured = {label: np.empty((REPEATS, 2)) for label in jobs}
    for k in range(REPEATS):
        for label, (job, frames) in jobs.items():
            measured[label][k] = np.array(cost(job)) / frames * 1e6
    return {label: tuple(values.min(axis=0)) for label, values in measured.items()}


def show(title: str, measured: dict[str, tuple[float, float]]) -> None:
    decoding = next(iter(measured.values()))[0]
    print(f"{title}, best of {REPEATS} turns, us/frame; load {os.getloadavg()[0]:.1f}")
    print(f"{'':46s} {'CPU':>8s} {'wall':>8s} {'x decode (CPU)':>15s}")
    for label, (cpu, wall) in measured.items():
        print(f"{label:46s} {cpu:8.1f} {wall:8.1f} {cpu / decoding:15.2f}")
    print()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=10_000, help="frames of the trajectories")
    parser.add_argument("--pass-of", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.pass_of:
        reduce(Path(arguments.pass_of[0]), 1, name=arguments.pass_of[1])
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    program = GromacsBuild().command
    with tempfile.TemporaryDirectory() as name:
        n = arguments.frames
        # gmx msd 2022 dies on spacings below 0.5 ps
        peo, pebax = build(Path(name) / "peo", "peo", 3.8, 1.0), build(Path(name) / "pebax", "pebax", 4.4, 0.1)
        folder, of_gmx = peo.folder, min(n, GMX_FRAMES)
        write_trajectory(peo, folder / "short.xtc", n // 10)
        for box in (peo, pebax):
            write_trajectory(box, box.trajectory, n)
        write_run_input(peo)
        # compiles
        reduce(folder, 1, name="short")
        parts = analyse(pebax)
        for part in parts.values():
            part()
        core = least(
            {
                "decode alone": (lambda: decode(peo.trajectory, peo.system.n_sites), n),
                "core pass, structure at every frame": (lambda: reduce(folder, 1), n),
                f"core pass, structure at every {STRUCTURE_STRIDE}th": (lambda: reduce(folder, STRUCTURE_STRIDE), n),
                "structure at every frame, two processes": (lambda: reduce(folder, 1, 2), n),
                "decode alone, twice at the same time": (lambda: decode_twice(peo.trajectory, peo.system.n_sites), n),
                f"gmx rdf (4 groups) + 2 msd, {of_gmx} frames": (lambda: gromacs(peo, program), of_gmx),
            }
        )
        (decoding, wall_decoding), (full, wall_one), (strided, _), (_, wall_two), (_, wall_twice), (tools, _) = (
            core.values()
        )
        show(f"PEO, {peo.system.n_sites} sites, {n} frames", core)
        whole = least(
            {"decode alone": (lambda: decode(pebax.trajectory, pebax.system.n_sites), n)}
            | {label: (part, n) for label, part in parts.items()}
        )
        show(f"Pebax, {pebax.system.n_sites} sites, {n} frames every {pebax.frame_ps:g} ps, default cadences", whole)
        (pebax_decoding, _), *pebax_parts = whole.values()
        large, small = peak_mb(folder, "md"), peak_mb(folder, "short")
        growth = (large - small) / (n - n // 10)
        results = [
            ("structure at every frame / decode", full / decoding, "<=", 2.5),
            (f"structure at every {STRUCTURE_STRIDE}th / decode", strided / decoding, "<=", 1.7),
            ("all that Pebax needs / decode", sum(cpu for cpu, _ in pebax_parts) / pebax_decoding, "<=", 3.5),
            ("gmx / core pass with structure at every frame", tools / full, ">=", 10),
            ("one process / two, wall time", wall_one / wall_two, ">=", 1.8),
            ("peak memory, GB, at 100,000 frames", (large + max(growth, 0) * (100_000 - n)) / 1024, "<=", 1.0),
        ]
        for label, value, sign, target in results:
            met = value <= target if sign == "<=" else value >= target
            print(f"{label:46s} {value:6.2f}   target {sign} {target:g}   {'met' if met else 'MISSED'}")
        print(f"\ncontrol of two processes: {2 * wall_decoding / wall_twice:.2f} times the frames of decoding in one")
        print(f"memory: {small:.0f} MB for {n // 10} frames, {large:.0f} MB for {n}; the rest is extrapolated")


if __name__ == "__main__":
    main()
