"""What one run of a stage needs, and where its files lie."""

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
    """How a run gets its cores: whether it is pinned at all, whether it may use the second thread of a core, and how
    many threads all runs together have (None: not known)."""

    pin: bool = True
    hyper_threads: bool = True
    at_once: int | None = None


@dataclass(frozen=True)
class StageJob:
    """A stage of a system, where it starts, where it goes, and how mdrun is called.

    `n_steps` is the length of a stage that has been prolonged; `contact_nm` binds an anion to lithium.
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
    n_steps: int | None = None
    placement: Placement = Placement()
    deadline: Deadline | None = None

    @property
    def run(self) -> Path:
        """The undeclared run folder; Snakemake never touches it."""
        return self.folder / RUN

    @property
    def target_steps(self) -> int:
        """Steps that make the stage complete; 0 for a minimisation, which ends by itself."""
        return (self.n_steps or self.stage.n_steps) if self.stage.is_dynamics else 0

    @property
    def most_steps(self) -> int:
        """Steps that the stage may be prolonged to; 0 for a minimisation."""
        return self.stage.most_steps if self.stage.is_dynamics else 0

    @property
    def temperature_K(self) -> float:
        """Temperature of this stage."""
        return self.conditions.temperature_K if self.stage.temperature_K is None else self.stage.temperature_K

    def ns(self, steps: int) -> float:
        """Simulated time of a number of steps."""
        return steps * (self.stage.time_step_fs or 0.0) * 1e-6
