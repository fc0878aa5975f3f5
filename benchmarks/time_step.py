"""Does a longer time step change anything but speed? The same boxes at 2 fs and at longer steps, number by number.

    python benchmarks/time_step.py [--ps 48] [--starts 4] [--folder results/time-step] [--only peo pebax]

Boxes of four chains of PEO and of Pebax with LiTFSI at EO:Li = 12, 700 K, charges of ions scaled by 0.75, cut-off 0.9 nm:
small, so that a core makes nanoseconds in an hour, and hot, so that lithium moves. Each box is packed, compressed and
relaxed once with steps of up to 2 fs. All runs continue from that state, each start with random numbers of its own: one at
constant volume, one at constant pressure for the density. The gates of a stage judge each of them. Finished runs are kept: a
second call goes on with more starts, and a longer `--ps` extends them.

A value is the mean of the starts, its error that of this mean, from their spread. The last column is the difference from the
first variant over its error: of four starts each, one in twenty numbers of no difference is beyond 2.4.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from MDAnalysis.lib.distances import calc_dihedrals, capped_distance
from MDAnalysis.lib.formats.libmdaxdr import TRRFile

from eoli.box.packmol import pack
from eoli.core.statistics import standard_error
from eoli.forcefield.library import library
from eoli.forcefield.models import Contents, ForceFieldChoice
from eoli.gromacs.build import Gromacs, inspect
from eoli.gromacs.energies import densities, read_energies
from eoli.gromacs.mdp import Conditions
from eoli.stage.ensemble import energy_drift, kinds_of_motion
from eoli.stage.gate import degrees_of_freedom
from eoli.stage.job import StageJob
from eoli.stage.masses import simulated
from eoli.stage.run import run_stage
from eoli.study.config import GromacsBuild
from eoli.study.protocol import Stage
from eoli.study.systems import whole_ions
from eoli.topology.build import describe, write_topology
from eoli.topology.description import SystemDescription, read_description
from eoli.topology.gromos import read_gromos54a7
from eoli.trajectory.unwrap import unwrap

Floats = npt.NDArray[np.float64]

ROOT = Path(__file__).resolve().parents[1]
CHAINS, EO_LI, SCALE = 4, 12, 0.75
TEMPERATURE_K, CUTOFF_NM, SEED = 700.0, 0.9, 11
CONTACT_NM = 0.30
LAGS_PS = (3.0, 12.0)
EVERY_PS = 0.6
"""Spacing of frames, velocities and energies: a whole number of steps of 2, 3 and 4 fs."""


@dataclass(frozen=True)
class Variant:
    """How a run is integrated."""

    time_step_fs: float
    hydrogen_mass_g_mol: float | None = None
    integrator: str = "md"

    @property
    def name(self) -> str:
        """Name of its folder and of its column."""
        heavy = f", H {self.hydrogen_mass_g_mol:g} g/mol" if self.hydrogen_mass_g_mol else ""
        return f"{self.integrator} {self.time_step_fs:g} fs{heavy}"


VARIANTS = {
    "peo": (Variant(2.0), Variant(4.0), Variant(4.0, None, "md-vv")),
    "pebax": (Variant(2.0), Variant(4.0, 4.0)),
}

RELAXATION: tuple[dict[str, Any], ...] = (
    {"name": "minimise", "ensemble": "minimisation", "integrator": "steep", "max_steps": 3000,
     "force_tolerance_kJ_mol_nm": 500},
    {"name": "compress", "ensemble": "NPT", "integrator": "md", "time_step_fs": 1.0, "length_ns": 0.03,
     "equilibrates": False, "generate_velocities": True, "thermostat": "v-rescale", "tau_t_ps": 0.1, "barostat": "c-rescale",
     "tau_p_ps": 0.5, "pressure_bar": 3000, "frame_interval_ps": 5, "energy_interval_ps": 0.5},
    {"name": "relax", "ensemble": "NPT", "integrator": "md", "time_step_fs": 2.0, "length_ns": 0.1,
     "thermostat": "v-rescale", "tau_t_ps": 0.5, "barostat": "c-rescale", "tau_p_ps": 2.0, "pressure_bar": 1.01325,
     "frame_interval_ps": 5, "energy_interval_ps": 0.5},
)  # fmt: skip


def run_of(variant: Variant, ensemble: str, ps: float) -> Stage:
    """A run of that length at equilibrium."""
    pressure = {"barostat": "c-rescale", "tau_p_ps": 2.0, "pressure_bar": 1.01325} if ensemble == "NPT" else {}
    states = {"state_interval_ps": EVERY_PS} if ensemble == "NVT" else {}
    stage = Stage.model_validate(
        {
            "name": ensemble.lower(), "ensemble": ensemble, "integrator": "md", "time_step_fs": variant.time_step_fs,
            "length_ns": round(ps / 12) * 0.012, "thermostat": "v-rescale", "tau_t_ps": 0.5,
            "frame_interval_ps": EVERY_PS, "energy_interval_ps": EVERY_PS, **pressure, **states,
        }
    )  # fmt: skip
    # a protocol may not have md-vv with such a step; the table shows why
    return stage.model_copy(update={"integrator": variant.integrator})


@dataclass(frozen=True)
class Box:
    """A system, its folder, and how its stages are run."""

    polymer: str
    folder: Path
    gromacs: Gromacs

    @property
    def topology(self) -> Path:
        """Folder of its topology."""
        return self.folder / "topology"

    def job(
        self, stage: Stage, source: Path, folder: Path, seed: int = SEED, hydrogen_mass_g_mol: float | None = None
    ) -> StageJob:
        """One stage of it, on one thread."""
        conditions = Conditions(TEMPERATURE_K, CUTOFF_NM, 0.12, True, "all-bonds", seed, hydrogen_mass_g_mol)
        return StageJob(
            self.polymer, stage, conditions, self.topology, source, folder, self.gromacs, 1, 5.0, None, False
        )

    def relaxed(self) -> Path:
        """Its relaxed state, made where it is missing."""
        if not (self.topology / "system.json").is_file():
            blocks = library(ROOT / "topologies")
            forcefield = read_gromos54a7(self.gromacs.forcefields / "gromos54a7.ff")
            chain = blocks.polymer(self.polymer, "oxy-d")
            pairs = whole_ions(CHAINS * chain.ether_oxygens, EO_LI)
            choice = ForceFieldChoice("oxy-d", "aqvist", "clandp2004", "gromos", SCALE)
            description = describe(Contents.of(self.polymer, CHAINS, "litfsi", pairs), choice, blocks, forcefield)
            pack(
                description,
                SEED,
                0.15,
                0.2,
                5,
                self.folder / "box.gro",
                self.folder / "box.json",
                self.folder / "box.log",
            )
            write_topology(description, self.polymer, self.topology, blocks, forcefield)
        source = self.folder / "box.gro"
        for stage in RELAXATION:
            folder = self.folder / str(stage["name"])
            run_stage(self.job(Stage.model_validate(stage), source, folder))
            source = folder / "md.gro"
        return source


def velocities(path: Path) -> Iterator[Floats]:
    """Velocities of each state, nm/ps, (sites, 3)."""
    with TRRFile(str(path)) as stream:
        for frame in stream:
            yield frame.v.astype(np.float64)


def positions(path: Path) -> tuple[Floats, Floats]:
    """Positions of all states, nm, (frames, sites, 3), and the edges of their box, (3,)."""
    with TRRFile(str(path)) as stream:
        frames = [(frame.x.astype(np.float64), np.diag(frame.box).astype(np.float64)) for frame in stream]
    return np.array([x for x, _ in frames]), frames[0][1]


def ether_torsions(system: SystemDescription) -> npt.NDArray[np.int64]:
    """Sites of all torsions O-C-C-O between ether oxygens, (torsions, 4)."""
    found = []
    for molecule, sites in system.parts():
        role = [site.role for site in molecule.sites]
        quads = {term.sites for term in molecule.dihedrals if {role[term.sites[0]], role[term.sites[3]]} == {"ether_O"}}
        found += [sites[:, list(quad)] for quad in sorted(quads)]
    return np.concatenate(found)


def observed(job: StageJob) -> dict[str, Floats]:
    """Series of each number over the frames of a run at constant volume."""
    system, folder = read_description(job.topology / "system.json"), job.folder
    degrees = degrees_of_freedom((folder / "md.log").read_text())
    assert degrees is not None
    series: dict[str, list[float]] = {}
    for speeds in velocities(folder / "md.trr"):
        for kind in kinds_of_motion(simulated(job, system), speeds, degrees):
            series.setdefault(f"temperature of {kind.name}, K", []).append(kind.temperature_K)
    found = {name: np.array(values) for name, values in series.items()}
    energies = read_energies(folder / "md.edr")
    found["temperature, K"] = energies["Temperature"]
    found["potential energy, kJ/mol"] = energies["Potential"]
    found["energy of angles, kJ/mol"] = np.sum([e for name, e in energies.items() if name.endswith("Angle")], axis=0)
    found["energy of torsions, kJ/mol"] = np.sum([e for name, e in energies.items() if name.endswith("Dih.")], axis=0)
    x, edges = positions(folder / "md.trr")
    box = np.array([*edges * 10, 90, 90, 90], dtype=np.float32)
    quads, lithium, ether = ether_torsions(system), system.with_role("Li"), system.with_role("ether_O")
    gauche, bound, first = [], [], []
    contacts = np.zeros((len(x), len(lithium), len(ether)), dtype=np.bool_)
    for frame, at in enumerate((x * 10).astype(np.float32)):
        turned = calc_dihedrals(*(at[quads[:, k]] for k in range(4)), box=box)
        gauche.append(float(np.mean(np.abs(turned) < 2 * np.pi / 3)))
        pairs, apart = capped_distance(at[lithium], at[ether], CONTACT_NM * 10, box=box)
        contacts[frame, pairs[:, 0], pairs[:, 1]] = True
        bound.append(len(pairs) / len(lithium))
        first.append(float(apart.mean()) / 10)
    found["gauche fraction of O-C-C-O"] = np.array(gauche)
    found["ether oxygens within 0.3 nm of lithium"] = np.array(bound)
    found["their mean distance from lithium, nm"] = np.array(first)
    paths = unwrap(x[:, lithium], np.tile(edges, (len(x), 1)))
    for lag_ps in LAGS_PS:
        lag = round(lag_ps / EVERY_PS)
        moved = np.mean(np.sum((paths[lag:] - paths[:-lag]) ** 2, axis=-1), axis=1)
        found[f"MSD of lithium in {lag_ps:g} ps, nm2"] = moved
        kept = np.sum(contacts[lag:] & contacts[:-lag], axis=(1, 2)) / contacts[:-lag].sum(axis=(1, 2))
        found[f"contacts of lithium and ether left after {lag_ps:g} ps"] = kept
    return found


def measure(box: Box, source: Path, variant: Variant, start: int, ps: float) -> dict[str, float]:
    """Means of all numbers over one start of a variant, its first tenth left out; runs it where that was not done."""
    folder = box.folder / variant.name.replace(",", "").replace("/", "-").replace(" ", "-") / str(start)
    jobs = {
        ensemble: box.job(run_of(variant, ensemble, ps), source, folder / ensemble, start, variant.hydrogen_mass_g_mol)
        for ensemble in ("NVT", "NPT")
    }
    for job in jobs.values():
        run_stage(job)
        verdict = json.loads((job.folder / "verdict.json").read_text())
        if verdict["warnings"]:
            print(
                f"  {box.polymer}, {variant.name}, {job.stage.ensemble}: {'; '.join(verdict['warnings'])}", flush=True
            )
    series = observed(jobs["NVT"])
    mass = read_description(box.topology / "system.json").mass_g_mol
    series["density at constant pressure, g/cm3"] = densities(read_energies(jobs["NPT"].folder / "md.edr"), mass)
    found = {name: float(values[len(values) // 10 :].mean()) for name, values in series.items()}
    energies = read_energies(jobs["NVT"].folder / "md.edr")
    drift = energy_drift(energies["Time"], energies["Conserved En."], energies["Kinetic En."])
    assert drift.value is not None
    found["drift of the conserved energy, kT per degree of freedom and ns"] = drift.value
    return found


def table(found: dict[str, list[dict[str, float]]]) -> str:
    """Markdown: a row for each number, for each variant its value, and how far it is from the first."""
    first, *others = found
    lines = [["", first, *(f"{name} | apart" for name in others)], ["---"] * (2 * len(found))]
    for key in found[first][0]:
        values = {name: [one[key] for one in starts] for name, starts in found.items()}
        means = {name: (float(np.mean(each)), standard_error(each)) for name, each in values.items()}
        value, error = means[first]
        cells = [key, text(value, error)]
        for name in others:
            other, its_error = means[name]
            cells.append(f"{text(other, its_error)} | {(other - value) / np.hypot(error, its_error):+.1f}")
        lines.append(cells)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def text(value: float, error: float) -> str:
    """A value with its error, which has two digits."""
    digits = max(0, 1 - int(np.floor(np.log10(error)))) if error > 0 else 4
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def main() -> None:
    """Run what is missing and print a table for each polymer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ps", type=float, default=48.0, help="length of each run")
    parser.add_argument("--starts", type=int, default=4, help="runs of each kind, at least 2")
    parser.add_argument("--folder", type=Path, default=Path("results/time-step"))
    parser.add_argument("--only", nargs="*", choices=list(VARIANTS), default=list(VARIANTS))
    arguments = parser.parse_args()
    gromacs = inspect(GromacsBuild())
    for polymer in arguments.only:
        box = Box(polymer, arguments.folder / polymer, gromacs)
        source = box.relaxed()
        found: dict[str, list[dict[str, float]]] = {variant.name: [] for variant in VARIANTS[polymer]}
        for start in range(1, arguments.starts + 1):
            for variant in VARIANTS[polymer]:
                found[variant.name].append(measure(box, source, variant, start, arguments.ps))
            if start > 1:
                print(f"\n{polymer}, {start} runs of {arguments.ps:g} ps each:\n\n{table(found)}\n", flush=True)


if __name__ == "__main__":
    main()
