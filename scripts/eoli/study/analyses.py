"""The table of analyses. Commands, rules, tables and the list of missing results follow from it.

Criteria are in `eoli.study.criteria`; `function` names the module that does the computation. This module imports
nothing heavy because `eoli --help` and every job read it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

Source = Literal["reduced", "energies", "trajectory"]
Stage = Literal["analysed", "equilibrated", "cooling", "each"]


@dataclass(frozen=True)
class Curves:
    """How the page plots the table of an analysis: each column against the first, with a band of `<column>_error`.

    `group` is the part of the page; `caption` says how to read the plot.
    """

    group: Literal["structure", "motion"]
    heading: str
    caption: str
    x_title: str
    x_log: bool = False


@dataclass(frozen=True)
class Analysis:
    """An analysis of one system.

    `name` is the name of the command and, with underscores, of the rule. The analysis reads one file of the kind
    `reads`, of the stage `of`; with `each` it runs once per stage and its files carry the stage's name. `criteria` is a
    model in `eoli.study.criteria`. `function` is called with the paths of that file and of the system's description,
    the criteria, and the paths of `files`. The provenance record is named after `record`, or after the first file.
    `in_sweep`: the sweep table needs its scalars. Tables without `curves` have their own plotting code, or no plot.
    """

    name: str
    help: str
    reads: Source
    criteria: str
    function: str
    files: tuple[str, ...]
    of: Stage = "analysed"
    record: str = ""
    in_sweep: bool = True
    curves: Curves | None = None

    @property
    def rule(self) -> str:
        """Name of the rule."""
        return self.name.replace("-", "_")

    @property
    def log(self) -> str:
        """Name of the rule's log file."""
        return f"{self.name}-{{stage}}.log" if self.of == "each" else f"{self.name}.log"

    def load(self) -> Callable[..., None]:
        """Import the function."""
        module, _, name = self.function.partition(":")
        function: Callable[..., None] = getattr(import_module(module), name)
        return function

    def files_of(self, stage: str = "") -> tuple[str, ...]:
        """Names of the output files; `stage` fills in the name where there is one set per stage."""
        return tuple(file.format(stage=stage) for file in self.files)

    def known_by(self, stage: str = "") -> str:
        """File name, or common prefix, that the record is named after."""
        return self.record or self.files_of(stage)[0]


def _tables(name: str, *more: str) -> tuple[str, ...]:
    return (f"{name}.csv", *(f"{table}.csv" for table in more), f"{name}.json")


ANALYSES = (
    Analysis(
        "reduce", "decode a trajectory once, for all analyses", "trajectory", "ReduceCriteria",
        "eoli.trajectory.reduce:reduce_trajectory", ("reduced.h5",), in_sweep=False,
    ),
    Analysis(
        "density", "density of a stage from its energies", "energies", "DensityCriteria",
        "eoli.analysis.density:analyse_density", _tables("density"), "equilibrated",
    ),
    Analysis(
        "traces", "energy, temperature, pressure, density of a stage", "energies", "TracesCriteria",
        "eoli.analysis.traces:analyse_traces", _tables("traces-{stage}"), "each", in_sweep=False,
    ),
    Analysis(
        "specific-volume", "specific volume while a melt is cooled", "energies", "SpecificVolumeCriteria",
        "eoli.analysis.glass.analyse:analyse_specific_volume", _tables("specific-volume"), "cooling", in_sweep=False,
    ),
    Analysis(
        "structure", "g(r), first shells, chains, gauche fraction", "reduced", "StructureCriteria",
        "eoli.analysis.structure.analyse:analyse_structure", _tables("structure"),
    ),
    Analysis(
        "motion", "mean-square displacements and diffusion", "reduced", "MotionCriteria",
        "eoli.analysis.motion.analyse:analyse_motion", _tables("motion"),
    ),
    Analysis(
        "displacement", "displacements at lags that all systems have", "reduced", "DisplacementCriteria",
        "eoli.analysis.displacement.analyse:analyse_displacement", _tables("displacement"), in_sweep=False,
    ),
    Analysis(
        "ions", "ion pairs and clusters", "reduced", "IonsCriteria", "eoli.analysis.ions.analyse:analyse_ions", _tables("ions"),
    ),
    Analysis(
        "conductivity", "conductivity and transference", "reduced", "ConductivityCriteria",
        "eoli.analysis.conductivity.analyse:analyse_conductivity", _tables("conductivity"),
    ),
    Analysis(
        "mechanism", "residence, moves of lithium, segments", "reduced", "MechanismCriteria",
        "eoli.analysis.mechanism.analyse:analyse_mechanism", _tables("mechanism", "moves"),
    ),
    Analysis(
        "renewal", "D of lithium from its transfers between chains", "reduced", "RenewalCriteria",
        "eoli.analysis.renewal.analyse:analyse_renewal", _tables("renewal"),
        curves=Curves(
            "motion", "Transport from mechanism",
            "Motion of lithium on its chain, and of the units that hold it, relative to the chain's centre of mass, and along "
            "the chain, at the lags that decide on D: measured, and the Rouse chain that fits it.",
            "lag (ps)", x_log=True,
        ),
    ),
    Analysis(
        "morphology", "domains, percolation, S(q)", "reduced", "MorphologyCriteria",
        "eoli.analysis.morphology.analyse:analyse_morphology", _tables("morphology", "domains"),
    ),
    Analysis(
        "hydrogen-bonds", "hydrogen bonds of the amide", "reduced", "HydrogenBondsCriteria",
        "eoli.analysis.hydrogen_bonds:analyse_hydrogen_bonds", _tables("hydrogen-bonds"),
    ),
    Analysis(
        "snapshots", "structures and pictures of a run", "reduced", "SnapshotsCriteria",
        "eoli.analysis.snapshots.analyse:analyse_snapshots",
        ("snapshot-start.pdb", "snapshot-middle.pdb", "snapshot-end.pdb", "snapshot.png", "snapshot-scene.json"),
        record="snapshot", in_sweep=False,
    ),
    Analysis(
        "interactions", "interaction energies of groups", "trajectory", "InteractionsCriteria",
        "eoli.analysis.interactions.analyse:analyse_interactions", _tables("interactions"),
    ),
)  # fmt: skip
"""All analyses, in the order of commands, columns and pages."""
BY_NAME = {analysis.name: analysis for analysis in ANALYSES}
REDUCED = tuple(analysis for analysis in ANALYSES if analysis.reads == "reduced")
"""Analyses that read the reduced trajectory."""
TABLES = tuple(analysis.name for analysis in ANALYSES if analysis.in_sweep)
"""Analyses whose scalars go into the sweep table."""
