"""Inputs of one stage run, and the paths of its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eoli.gromacs.build import Gromacs
from eoli.gromacs.mdp import Conditions
from eoli.stage.walltime import Deadline
from eoli.study.protocol import Stage

RUN = "run"
GROWING = ("md.xtc", "md.trr", "md.edr", "md.log")


@dataclass(frozen=True)
class Placement:
    """How a run gets its cores: whether it is pinned, whether it may use a core's second thread, and the number of
    threads of all runs together (None: unknown)."""

    pin: bool = True
    hyper_threads: bool = True
    at_once: int | None = None


@dataclass(frozen=True)
class StageJob:
    """A stage of a system: its start, its folders, and how to call mdrun.

    `n_steps` is the length of a prolonged stage; `contact_nm` is the contact distance of anion and lithium,
    `tolerance` that of an exponent of diffusive motion, `target_error` the relative error that transport is wanted with,
    `lag_ps` the lag of a displacement.
    """

    system: str
    stage: Stage
    conditions: Conditions
    topology: Path
    source: Path
    folder: Path
    gromacs: Gromacs
    threads: int
    checkpoint_minutes: float
    max_hours: float | None
    reproducible: bool
    contact_nm: float = 0.30
    tolerance: float = 0.1
    target_error: float = 0.2
    lag_ps: float | None = None
    n_steps: int | None = None
    placement: Placement = Placement()
    deadline: Deadline | None = None

    @property
    def run(self) -> Path:
        """The run folder, undeclared to Snakemake, which never touches it."""
        return self.folder / RUN

    @property
    def target_steps(self) -> int:
        """Steps of the complete stage; 0 for a minimisation, which ends by itself."""
        return (self.n_steps or self.stage.n_steps) if self.stage.is_dynamics else 0

    @property
    def most_steps(self) -> int:
        """Steps after the maximum prolongation; 0 for a minimisation."""
        return self.stage.most_steps if self.stage.is_dynamics else 0

    @property
    def hydrogen_mass_g_mol(self) -> float | None:
        """Mass of hydrogens in this stage; None for their own. A minimisation depends on no mass."""
        return self.conditions.hydrogen_mass_g_mol if self.stage.is_dynamics else None

    @property
    def temperature_K(self) -> float:
        """Temperature of this stage."""
        return self.conditions.temperature_K if self.stage.temperature_K is None else self.stage.temperature_K

    def ns(self, steps: int) -> float:
        """Steps as simulated time."""
        return steps * (self.stage.time_step_fs or 0.0) * 1e-6
