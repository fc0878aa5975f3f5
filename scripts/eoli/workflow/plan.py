"""What the Snakefile needs: systems, command-line flags, file names. Imports are light because every job loads this."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from eoli.core.text import did_you_mean
from eoli.core.yamlfile import parse_value
from eoli.errors import InputError
from eoli.forcefield.library import library
from eoli.forcefield.models import NO_SALT, Contents, ForceFieldChoice
from eoli.machine.tuning import Timing, run_timing
from eoli.study import criteria
from eoli.study.analyses import ANALYSES, TABLES, Analysis
from eoli.study.config import COMPOSITION, ImportedRun, Study, load_study, merge
from eoli.study.criteria import Criteria
from eoli.study.protocol import ANSWERS, OFFLOADED, TRANSPORT, Stage
from eoli.study.systems import (
    NO_COPIES,
    System,
    n_sites,
    replica_groups,
    seed_for,
    series_of,
    side_by_side,
    stages_of,
    systems_of,
)
from eoli.trajectory.sizes import analysis_mb

FIGURES = ("structure", "motion", "ions", "transport", "mechanism", "scattering")
"""Figures of one system."""
SWEEP_FIGURES = ("sweep", "transport", "structure", "mechanism", "diffusion", "temperature")
"""Figures of the sweep; with salt there is also one of g(r)."""
NO_ENERGIES = "the run was taken in without energies"
NO_RERUN = "it takes the force field in files of GROMACS, and the run was taken in from a run input file"
PAPER_FORMATS = ("svg", "pdf", "png")
"""Formats of the paper figure."""
EQUAL_LAG = ("equal-lag", "equal-lag-course", "ranking")
"""Tables of displacements at equal lag; the first is also the name of their figure."""


def flags(values: Mapping[str, Any]) -> str:
    """Shell words `--key value`. True gives a bare flag, False its negation, None nothing, a list all its values."""
    words: list[str] = []
    for key, value in values.items():
        flag = f"--{key.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        elif isinstance(value, list):
            words += [flag, *map(str, value)]
        elif value is not None:
            word = f"{value:z.10g}" if isinstance(value, float) else str(value)
            # argparse takes a word that begins with a dash for an option
            words += [f"{flag}={word}"] if word.startswith("-") else [flag, word]
    return shlex.join(words)


def _words(distances: Mapping[str, float]) -> list[str]:
    return [f"{kind}={nm:g}" for kind, nm in distances.items()]


def walltime_flags(runtime: Any) -> str:
    """Flag for a job's time limit, if it has one; `runtime` is Snakemake's resource, in minutes."""
    return flags({"walltime_minutes": runtime if isinstance(runtime, int | float) else None})


def check_flags(executor: str, settings: Any, by_conda: bool, cores: int | None) -> str:
    """Flags for the check before jobs start, from the executor's name and its plugin settings, whether the jobs get
    GROMACS from conda, and the cores that they fill here."""
    values: dict[str, Any] = {"gromacs": True, "on_nodes": executor != "local" or by_conda or None, "cores": cores}
    if executor == "slurm":
        values |= {
            "slurm_status_command": settings.status_command,
            "slurm_interval_s": settings.init_seconds_before_status_checks,
        }
    return flags(values)


def _numbered(system: System) -> list[str]:
    """Solvents of a system with the number of their molecules, as flags want them."""
    return [f"{name}={count}" for name, count in system.contents.solvents]


def _polymers(system: System) -> list[str]:
    """Polymers of a system, as flags want them."""
    return [name for name, _ in system.contents.polymers]


def _salts(system: System) -> list[str]:
    """Salts of a system, as flags want them."""
    return [name for name, _ in system.contents.salts] or [NO_SALT]


@cache
def _digest(topologies: Path, contents: Contents, choice: ForceFieldChoice) -> str:
    return library(topologies).digest(contents, choice)


@dataclass(frozen=True)
class Plan:
    """A study and its systems, as the rules need them."""

    study: Study
    systems: dict[str, System]
    config_flags: str

    @cached_property
    def boxes(self) -> dict[str, System]:
        """All folders with a topology: the systems, and the shared parts of temperature series."""
        return self.systems | series_of(self.study, self.systems.values())

    @cached_property
    def replica_groups(self) -> dict[str, list[str]]:
        """Systems with several replicas: their names, keyed by replica group."""
        groups = replica_groups(self.systems.values()).items()
        return {group: [system.name for system in starts] for group, starts in groups if len(starts) > 1}

    def check_targets(self, targets: Iterable[str]) -> None:
        """Refuse targets of systems that are not in the study; a rule would accept them.

        Raises InputError that suggests close names.
        """
        for target in targets:
            parts = Path(target).parts
            if len(parts) > 2 and parts[0] == "results" and parts[1] not in (*self.boxes, "summary"):
                hint = did_you_mean(parts[1], self.boxes)
                raise InputError(f"{target}: {parts[1]!r} is no system of the study{hint}; `eoli check` lists them")

    def file(self, system: str, stage: str, name: str) -> str:
        """Path of a published file of a system's stage, also when the stage lies in the series' folder."""
        return f"results/{self.systems[system].home(stage)}/{stage}/{name}"

    def files(self, stages: Sequence[str], name: str) -> list[str]:
        """`file` for all systems and those of the given stages that they have, without duplicates."""
        of_all = ((system, stage.name) for system in self.systems for stage in self.stages_of(system))
        return list(dict.fromkeys(self.file(system, stage, name) for system, stage in of_all if stage in stages))

    def stages_of(self, system: str) -> tuple[Stage, ...]:
        """Stages of a system."""
        return stages_of(self.study, self.boxes[system])

    @property
    def imported(self) -> dict[str, ImportedRun]:
        """Runs that were made elsewhere, by system."""
        runs = self.study.config.runs
        return {name: runs[system.imported] for name, system in self.systems.items() if system.imported is not None}

    def import_files(self, system: str) -> dict[str, list[str]]:
        """Files that a run is taken in from, by option."""
        run = self.imported[system]
        named = {"run_input": [run.topology], "pieces": run.trajectory, "roles": [run.roles]}
        if run.energies is not None:
            named["run_energies"] = [run.energies]
        return {option: [str(self.study.found(name)) for name in names] for option, names in named.items()}

    def import_flags(self, system: str) -> str:
        """Flags for taking in a run: its files, and what the study says about them."""
        run = self.imported[system]
        said = {key: getattr(run, key) for key in ("temperature_K", "frame_interval_ps", "length_ns", *COMPOSITION)}
        label, stage = run.force_field or run.name, self.study.config.analysis.stage
        return flags({**self.import_files(system), "force_field": label, **said, "stage": stage})

    def lacks(self, analysis: Analysis, system: str) -> str | None:
        """Why a system has no results of an analysis; None if it has."""
        run = self.imported.get(system)
        if run is None:
            return None
        if analysis.reads == "energies" and run.energies is None:
            return NO_ENERGIES
        return NO_RERUN if analysis.name == "interactions" else None

    @property
    def built(self) -> list[str]:
        """Systems that are built and simulated here."""
        return [name for name in self.systems if name not in self.imported]

    def traces_files(self) -> list[str]:
        """Tables of the traces of all stages."""
        return [
            f"results/{system}/analysis/traces-{stage.name}.csv"
            for system in self.systems
            for stage in self.stages_of(system)
        ]

    def absent_flags(self, analysis: Analysis, system: str, stage: str | None = None) -> str:
        """Flags for an analysis that a system lacks."""
        return flags({"stage": stage if analysis.of == "each" else None, "reason": self.lacks(analysis, system)})

    def table_files(self) -> list[str]:
        """Inputs of the sweep table: scalars of the analyses, verdicts of the stages."""
        scalars = [f"results/{system}/analysis/{table}.json" for system in self.systems for table in TABLES]
        return [*scalars, *self.files([stage.name for stage in self.study.stages], "verdict.json")]

    def topology_flags(self, system: str) -> str:
        """Flags for composition and force field."""
        s = self.boxes[system]
        return flags(
            {
                "polymer": _polymers(s),
                "chains": [chains for _, chains in s.contents.polymers],
                "salt": _salts(s),
                "cations": [pairs for _, pairs in s.contents.salts] or 0,
                "solvent": _numbered(s) or None,
                **asdict(s.choice),
            }
        )

    def molecules_flags(self, system: str) -> str:
        """Flags for the molecules of a topology that is there: its numbers of them are in its description."""
        entry = self.boxes[system]
        return flags({"polymer": _polymers(entry), "salt": _salts(entry), "solvent": _numbered(entry) or None})

    def blocks_digest(self, system: str) -> str:
        """Digest of what a topology is built from; comments and dates in the building blocks do not change it."""
        entry = self.boxes[system]
        return _digest(self.study.topologies, entry.contents.names, entry.choice)

    @property
    def citations_digest(self) -> str:
        """Digest of the citations; a change only affects the parameter pages."""
        return library(self.study.topologies).citations_digest

    def box_flags(self, system: str) -> str:
        """Flags for packing."""
        box = self.study.config.box
        return flags(
            {
                "seed": seed_for(self.study.config.seed, system, "box"),
                "density_g_cm3": box.packing_density_g_cm3,
                "tolerance_nm": box.tolerance_nm,
                "attempts": box.attempts,
                # a cube has no flag of its own, so that boxes from before there were others stay valid
                "shape": None if box.shape == "cubic" else box.shape,
            }
        )

    def supercell_flags(self, system: str) -> str:
        """Flags for the copies of a supercell along x, y and z."""
        return flags({"copies": list(self.boxes[system].supercell)})

    def repeated_files(self, system: str) -> list[str]:
        """Inputs of a supercell: its parent's description and the final frame of one of its stages."""
        parent, stage = self.boxes[system].parent, self.study.supercell_stage
        if parent is None:
            return []
        return [f"results/{self.systems[parent].name}/topology/system.json", self.file(parent, stage, "state.trr")]

    def stage_flags(self, stage: str, system: str) -> str:
        """Physics of a stage: the protocol, the system's temperature, the seed."""
        protocol, entry = self.study.protocol, self._stage(system, stage)
        own = entry.model_dump(exclude_defaults=True, exclude={"enabled", *OFFLOADED})
        if {"free_ions", "contact_memory"} & set(entry.converge):
            own["contact_nm"] = self.study.config.analysis.contact_nm.anion
        if set(ANSWERS) & set(entry.converge):
            own["target_error"] = self.study.config.analysis.target_error
        if set(TRANSPORT) & set(entry.converge):
            own["tolerance"] = self.study.config.analysis.diffusive_tolerance
        if "displacement_Li" in entry.converge:
            own["lag_ps"] = self.study.config.equal_lag.lag_ps
        return flags(
            {
                **own,
                "system_temperature_K": self.boxes[system].temperature_K,
                "seed": seed_for(self.study.config.seed, system, stage),
                "cutoff_nm": protocol.cutoff_nm,
                "fourier_spacing_nm": protocol.fourier_spacing_nm,
                "constraints": protocol.constraints,
                "dispersion_correction": protocol.dispersion_correction,
                "hydrogen_mass_g_mol": protocol.hydrogen_mass_g_mol if entry.is_dynamics else None,
            }
        )

    @property
    def gmx_flags(self) -> str:
        """Flags for the GROMACS build. Not a rule parameter: another build makes no result stale."""
        gmx = self.study.config.gmx
        words = flags({"gmx": gmx.command, "gmx_launcher": gmx.launcher or None})
        return " ".join([words, *(flags({"gmx_module": module}) for module in gmx.modules)])

    def run_flags(self, cores: int | None) -> str:
        """How mdrun runs when Snakemake fills `cores`; changes no physics."""
        run, timing = self.study.config.run, self.timing(cores)
        words = {"checkpoint_minutes": run.checkpoint_minutes, "max_hours": run.max_hours, "at_once": cores}
        # said only where they are not the command's defaults
        switches = {"pin": None if run.pin else False, "hyper_threads": None if timing.hyper_threads else False}
        return flags(words | switches | {"reproducible": run.reproducible or None})

    def offload_flags(self, stage: str) -> str:
        """Where mdrun computes what; changes no physics."""
        return flags(self.study.stage(stage).offload)

    def timing(self, cores: int | None) -> Timing:
        """Parallel mdruns when Snakemake fills `cores` of this machine (None: jobs run elsewhere)."""
        return run_timing(self.study, len(self.systems), cores)

    def threads(self, cores: int | None) -> int:
        """Hardware threads of one mdrun."""
        return self.timing(cores).processors

    def start_files(self, stage: str, system: str) -> list[str]:
        """Files that a stage reads for its start; the first one names the start."""
        names = [entry.name for entry in self.study.stages]
        number = names.index(stage)
        if number == 0:
            return [f"results/{system}/box/box.gro"]
        wanted = self.study.stage(stage).read_of_start
        before = names[number - 1]
        return [f"results/{self.boxes[system].home(before)}/{before}/{name}" for name in wanted]

    @property
    def cooling_stage(self) -> str | None:
        """The stage that Tg is read from."""
        return self.study.config.analysis.cooling_stage

    @property
    def analyses(self) -> list[Analysis]:
        """Analyses that the study asks for."""
        return [analysis for analysis in ANALYSES if analysis.of != "cooling" or self.cooling_stage]

    def stage_of(self, analysis: Analysis) -> str | None:
        """The stage that an analysis reads; None if it reads each stage, or if the study has no such stage."""
        study = self.study
        stages = {
            "analysed": study.config.analysis.stage,
            "equilibrated": study.equilibrated_stage,
            "cooling": self.cooling_stage,
        }
        return stages.get(analysis.of)

    def source(self, analysis: Analysis, system: str, stage: str | None = None) -> str:
        """Path of the file that an analysis reads; `stage` for an analysis of each stage."""
        if analysis.reads == "reduced":
            return f"results/{system}/analysis/reduced.h5"
        name = {"energies": "md.edr", "trajectory": "md.xtc"}[analysis.reads]
        return self.file(system, self._read_of(analysis, system, stage), name)

    def _read_of(self, analysis: Analysis, system: str, stage: str | None) -> str:
        """Name of the stage of a system that an analysis reads; `stage` for an analysis of each."""
        if system in self.imported:
            return self.study.config.analysis.stage
        return str(stage or self.stage_of(analysis))

    def outputs(self, analysis: Analysis, system: str, stage: str = "") -> list[str]:
        """Paths of the files that an analysis writes."""
        return [f"results/{system}/analysis/{file}" for file in analysis.files_of(stage)]

    @cached_property
    def _settings(self) -> dict[str, Any]:
        return {
            "analysis": self.study.config.analysis.model_dump(),
            "protocol": {"cutoff_nm": self.study.protocol.cutoff_nm},
        }

    def _contacts(self, system: str) -> dict[str, float]:
        """Contact distances by kind; those of `criteria.RARE_CONTACTS` only if the system has such sites."""
        entry = self.systems[system]
        distances: dict[str, float] = self._settings["analysis"]["contact_nm"]
        if entry.imported is None:
            blocks = library(self.study.topologies)
            roles = blocks.composition(entry.contents, entry.choice).roles
        else:
            roles = self.study.roles_of(self.imported[system]).names
        absent = {kind for kind in criteria.RARE_CONTACTS if kind not in roles}
        return {kind: nm for kind, nm in distances.items() if kind not in absent}

    def _facts(self, system: str, stage: Stage) -> dict[str, Any]:
        """Facts for the criteria of analyses: `criteria.Facts` for a system and a stage."""
        entry = self.systems[system]
        # what the stage really does: a cooling begins and ends with its plateaus
        of_stage = stage.model_dump() | {"equilibrates": stage.is_steady}
        if stage.temperature_from_K is not None:
            course = stage.course(entry.temperature_K)
            of_stage |= {"temperature_from_K": course[0].temperature_K, "temperature_K": course[-1].temperature_K}
        viscosity = self.study.config.analysis.viscosity.get(entry.replica_group)
        of_system = {
            "name": system,
            "starts": self.replica_groups.get(entry.replica_group, [system]),
            "temperature_K": entry.temperature_K,
            "contact_nm": self._contacts(system),
            "copies": None if entry.supercell == NO_COPIES else list(entry.supercell),
            "viscosity_mPa_s": viscosity and viscosity.mPa_s,
            "viscosity_error_mPa_s": viscosity and viscosity.error_mPa_s,
            "viscosity_source": viscosity and viscosity.source,
        }
        return {**self._settings, "stage": of_stage, "system": of_system}

    def _criteria_flags(self, model: type[Criteria], system: str, stage: Stage) -> str:
        values = dict(model.of(self._facts(system, stage)))
        return flags({key: _words(value) if isinstance(value, Mapping) else value for key, value in values.items()})

    def _stage(self, system: str, name: str) -> Stage:
        """A stage as a system has it."""
        return next((stage for stage in self.stages_of(system) if stage.name == name), self.study.stage(name))

    def analysis_flags(self, analysis: Analysis, system: str, stage: str | None = None) -> str:
        """Flags for the criteria of an analysis; `stage` for an analysis of each stage."""
        read = self._stage(system, self._read_of(analysis, system, stage))
        if analysis.reads == "energies" and system in self.imported:
            # those of a continued run begin at any time, and may have been joined
            read = read.model_copy(update={"length_ns": None})
        return self._criteria_flags(getattr(criteria, analysis.criteria), system, read)

    def starts_flags(self, group: str) -> str:
        """Flags for motion and conductivity over all replicas of a system."""
        first = self.replica_groups[group][0]
        return self._criteria_flags(
            criteria.StartsCriteria, first, self._stage(first, self.study.config.analysis.stage)
        )

    @property
    def against_flags(self) -> str:
        """Flags for the systems that displacements are compared with, where the study declares them."""
        return flags(self.study.config.equal_lag.model_dump())

    def analysis_mb(self, system: str) -> int:
        """Peak memory of any analysis of a system's reduced trajectory, MB."""
        _, cadences = self.study.reduced_frames
        stage = self._stage(system, self.study.config.analysis.stage)
        length_ps = (stage.max_length_ns or stage.length_ns or 0.0) * 1000
        return analysis_mb(n_sites(self.systems[system], self.study), self.systems[system].cations, length_ps, cadences)

    @property
    def sweep_figures(self) -> list[str]:
        """Names of the sweep figures."""
        return [*SWEEP_FIGURES, *(["rdf"] if self.salted() else [])]

    @property
    def paper_systems(self) -> list[str]:
        """Names of the one or two systems in the paper figure."""
        return [system.name for system in side_by_side(self.systems.values())]

    def salted(self) -> list[str]:
        """Names of the systems with ions."""
        return [name for name, system in self.systems.items() if system.salt != NO_SALT]


def make_plan(files: Sequence[str], overlays: Sequence[str | Path], entries: Sequence[str], base: str) -> Plan:
    """Plan of one Snakemake call: its configuration `files`, then the call's `overlays` and `KEY=VALUE` entries.

    The files are read again because Snakemake reads YAML 1.1, where 12:1 is 721. Raises InputError with one line that
    names file, key, value and what is allowed.
    """
    last = [os.path.relpath(file) for file in overlays]
    ordered = [path for file in files if (path := os.path.relpath(file)) not in last] + last
    overrides: dict[str, Any] = {}
    for entry in entries:
        key, _, text = entry.partition("=")
        overrides = merge(overrides, {key: parse_value(text, f"--config {key}")})
    words = ["--config", *ordered]
    if overrides:
        words += ["--set", json.dumps(overrides, sort_keys=True, ensure_ascii=False)]
    study = load_study([Path(path) for path in ordered], Path(base), overrides)
    return Plan(study, systems_of(study), shlex.join(words))
