"""Reads the results of a sweep from its tables only, and lists what is missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, get_args

import pandas as pd

from eoli.analysis.absent import NOT_AVAILABLE
from eoli.analysis.results import (
    check_salted,
    read_curves,
    read_found,
    read_scalars,
    read_sweep,
    read_table,
    read_verdict,
)
from eoli.analysis.snapshots.scene import load_scene
from eoli.core.text import printable
from eoli.errors import DataError
from eoli.reference.claims import Verdict
from eoli.reference.model import Reference, read_reference
from eoli.study.analyses import ANALYSES
from eoli.study.analyses import TABLES as SCALARS
from eoli.study.axes import SOLVENTS, SYSTEM_AXES, solvents_text
from eoli.study.config import Study
from eoli.study.quantities import In, declared
from eoli.study.systems import System, stages_of, systems_of
from eoli.summary.pooled import read_starts
from eoli.summary.run_lengths import Need, needs
from eoli.summary.sweep_table import NOT_SHOWN
from eoli.workflow.status import StageStatus, study_status

TABLES = (
    "structure", "motion", "ions", "conductivity", "mechanism", "morphology", "domains",
    *(analysis.name for analysis in ANALYSES if analysis.curves is not None),
)  # fmt: skip
"""Tables of a system that are plotted; the other analyses appear only by their scalars."""
TRACES = "traces-"
"""Prefix of a stage's traces, followed by its name."""
STEPS = ("topology/system", "box/box")
"""Steps before the stages that write a provenance, as paths without its ending."""


@dataclass(frozen=True)
class StageResult:
    """A stage: the system in whose folder it lies, its status, and its verdict, provenance, history and cost over
    restarts, empty if there is none."""

    home: str
    status: StageStatus
    verdict: Mapping[str, Any]
    provenance: Mapping[str, Any]
    history: str
    cost: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the stage."""
        return self.status.stage

    @property
    def core_hours(self) -> float | None:
        """Core-hours of all mdrun calls, else of the last one; None if it did not run or left no record."""
        if "core_hours" in self.cost:
            return float(self.cost["core_hours"])
        seconds, threads = self.provenance.get("wall_seconds"), self.provenance.get("threads")
        return seconds * threads / 3600 if seconds and threads else None

    @property
    def interrupted(self) -> bool:
        """Whether the run includes earlier mdrun calls without a recorded time."""
        return "core_hours" not in self.cost and ("continues" in self.history or "is extended" in self.history)


@dataclass(frozen=True, eq=False)
class SystemResult:
    """A system: its row of the sweep table (no key for empty cells), scalars and tables by analysis, and its stages.

    `scene` is the path of its 3D structures, `made_by` the provenance of the steps before its stages.
    """

    name: str
    row: Mapping[str, Any]
    scalars: Mapping[str, Mapping[str, Any]]
    tables: Mapping[str, pd.DataFrame]
    stages: tuple[StageResult, ...]
    made_by: Mapping[str, Mapping[str, Any]]
    scene: Path | None
    missing: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Pooled:
    """Replicas of one system: the pooled result, as a system with their common name, and each of them."""

    whole: SystemResult
    replicas: tuple[SystemResult, ...]


@dataclass(frozen=True, eq=False)
class Sweep:
    """A sweep as far as it got; tables that were not made are None."""

    study: Study
    systems: tuple[SystemResult, ...]
    pooled: tuple[Pooled, ...]
    not_in_table: tuple[str, ...]
    beside_study: pd.DataFrame | None
    experiments: pd.DataFrame | None
    experiments_figure: Path | None
    compared: Mapping[str, Any]
    reference: Reference | None
    starts: pd.DataFrame | None
    glass: pd.DataFrame | None
    glass_figure: Path | None
    cutoffs: pd.DataFrame | None
    equal_lag: pd.DataFrame | None
    ranking: pd.DataFrame | None
    equal_lag_figure: Path | None
    needs: tuple[Need, ...] = ()
    unreadable: tuple[str, ...] = ()

    @property
    def elsewhere(self) -> frozenset[str]:
        """Names of the systems whose runs were made elsewhere."""
        return frozenset(run.system for run in self.study.config.runs)

    @property
    def answering(self) -> tuple[SystemResult, ...]:
        """Systems that transport is read from; replicas of one system count as one."""
        first = {of.replicas[0].name: of.whole for of in self.pooled}
        others = {start.name for of in self.pooled for start in of.replicas[1:]}
        return tuple(first.get(system.name, system) for system in self.systems if system.name not in others)


_SUMMARIES: Mapping[str, tuple[str, str]] = {
    "study": ("id what verdict", "system ours ours_error theirs unit reason"),
    "experiments": (
        "system quantity route series measured_molar_mass_g_mol measured_eo_li source what_differs",
        "unit ours ours_error measured log10_difference log10_difference_error verdict",
    ),
    "replicas": ("systems quantity verdict", "mean difference_over_error"),
    "glass-transition": ("system", "Tg_K Tg_low_K Tg_high_K"),
    "cutoffs": ("first second system", "contact"),
    "equal-lag": (
        "compared particle system against pair verdict",
        "lag_ps starts against_starts ratio ratio_low ratio_high probability_larger error_from",
    ),
    "ranking": ("set compared particle system verdict", "rank lag_ps probability_best probability_of_order"),
    "cost": ("system stage core_hours wall_hours restarts", "ns_per_day"),
}
"""Tables next to that of the sweep: columns that must be filled, and those that may be empty."""
Found = TypeVar("Found")


@dataclass
class _Reading:
    """Reads files. With `partial`, a malformed one counts as missing and is noted."""

    partial: bool
    unreadable: list[str] = field(default_factory=list)

    def __call__(self, read: Callable[..., Found | None], *arguments: Any) -> Found | None:
        try:
            return read(*arguments)
        except DataError as error:
            if not self.partial:
                raise
            self.unreadable.append(f"readable {error}")
            return None

    def summary(self, table: Path, name: str) -> pd.DataFrame | None:
        """The table of that name next to that of the sweep; None if there is none."""
        path = table.with_name(f"{name}.csv")
        return self(_summary, path, name) if path.is_file() else None


def _summary(path: Path, name: str) -> pd.DataFrame:
    filled, needed = (columns.split() for columns in _SUMMARIES[name])
    found = read_table(path, needed, filled)
    if name == "study" and (wrong := ~found["verdict"].isin(get_args(Verdict))).any():
        raise DataError(f"{path}: verdict: {printable(str(found['verdict'][wrong].iloc[0]))} is none of a comparison")
    return found


def _if_there(path: Path) -> Path | None:
    return path if path.is_file() else None


def known(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row of a table without its empty cells."""
    return {str(key): value for key, value in row.items() if not (isinstance(value, float) and math.isnan(value))}


def _stage(status: StageStatus, folder: Path, cost: Mapping[str, Any], reading: _Reading) -> StageResult:
    history = folder / "history.log"
    if status.state == "unreadable" and not reading.partial:
        raise DataError(status.message)
    return StageResult(
        folder.parent.name,
        status,
        reading(read_verdict, folder) or {},
        reading(read_found, folder / "provenance.json", "provenance") or {},
        history.read_text(encoding="utf-8", errors="replace") if history.is_file() else "",
        cost,
    )


Costs = Mapping[tuple[str, str], Mapping[str, Any]]
"""Rows of `cost.csv` by system and stage."""


def _costs(table: pd.DataFrame | None) -> Costs:
    rows = [] if table is None else table.to_dict("records")
    return {(str(row["system"]), str(row["stage"])): known(row) for row in rows}


def _differs(row: Mapping[str, Any], system: System, table: Path) -> None:
    """Raises DataError if a table row does not match its system in the study."""
    axes = asdict(system) | asdict(system.choice) | {"chains": system.chains, SOLVENTS: solvents_text(system.solvents)}
    for axis in (*SYSTEM_AXES, SOLVENTS):
        ours, theirs = row.get(axis), axes[axis]
        alike = math.isclose(ours, theirs, rel_tol=1e-9) if isinstance(ours, int | float) and theirs else ours == theirs
        # an axis that a neat polymer does not have
        if not alike and (ours or theirs):
            made = f"{axis} of {system.name} is {ours}, in the study {theirs}"
            raise DataError(f"{table}: {made}; `eoli collect` makes the table again")


def _system(
    row: Mapping[str, Any], study: Study, planned: Mapping[str, System], results: Path,
    statuses: Mapping[tuple[str, str], StageStatus], costs: Costs, partial: bool,
) -> SystemResult:  # fmt: skip
    name, reading = str(row["system"]), _Reading(partial)
    folder = results / name
    analysis = folder / "analysis"
    own = stages_of(study, planned[name])
    traces = [f"{TRACES}{stage.name}" for stage in own]
    # the row of a system whose results are not its own is empty and says why
    of_row = [str(row[key]) for key in ("status",) if str(row.get(key, "")).startswith(NOT_SHOWN)]
    analyses = () if of_row else (*SCALARS, *traces)
    scalars = {key: found for key in analyses if (found := reading(read_scalars, analysis, key)) is not None}
    if "eo_li_asked" in row:
        reading(check_salted, analysis, scalars)
    names = [key for key in (() if of_row else (*TABLES, *traces)) if (analysis / f"{key}.csv").is_file()]
    tables = {key: table for key in names if (table := reading(read_curves, analysis, key)) is not None and len(table)}
    homes = {stage.name: planned[name].home(stage.name) for stage in own}
    stages = tuple(
        _stage(statuses[name, stage], results / home / stage, costs.get((home, stage), {}), reading)
        for stage, home in homes.items()
    )
    scene = analysis / "snapshot-scene.json"
    without = [key for key, found in scalars.items() if str(found.get("verdict", "")).startswith(NOT_AVAILABLE)]
    missing = [key for key in SCALARS if key not in scalars] + [s.name for s in stages if not s.verdict]
    missing += [f"traces of {s.name}" for s in stages if s.verdict and f"{TRACES}{s.name}" not in (*tables, *without)]
    paths = {step: folder / f"{step}.provenance.json" for step in STEPS}
    made_by = {step: found for step, path in paths.items() if (found := reading(read_found, path, "provenance"))}
    has_scene = scene.is_file() and reading(load_scene, scene) is not None and not of_row
    # if nothing of a system is shown, only the reason is given
    missing = [*(of_row or missing), *reading.unreadable]
    return SystemResult(name, row, scalars, tables, stages, made_by, scene if has_scene else None, tuple(missing))


def _pooled(systems: Sequence[SystemResult], results: Path, reading: _Reading) -> tuple[Pooled, ...]:
    by_name = {system.name: system for system in systems}
    found = []
    for name, record in (reading(read_starts, results, list(by_name)) or {}).items():
        starts = tuple(by_name[start] for start in record["systems"])
        scalars = {of.analysis: record[of.analysis] for of in declared(In.STARTS) if of.analysis in record}
        whole = replace(starts[0], name=name, scalars=scalars, tables={}, stages=(), made_by={}, scene=None, missing=())
        found.append(Pooled(whole, starts))
    return tuple(found)


def gather(
    study: Study, names: Sequence[str], results: Path, table: Path, now: float, partial: bool = False,
    outdated: Mapping[str, str] | None = None,
) -> Sweep:  # fmt: skip
    """Read a sweep: every system of the table `table`, the comparisons beside it, and the output of its stages.

    `names` are the systems of the configuration; `now` is the time in s since the epoch, to tell whether a run is
    alive. Missing things are left out and named. Raises DataError if the sweep table is missing or has no systems, for
    a row with numbers of a system in `outdated` (`products.outdated`), and for any malformed file; with
    `partial` such a file is left out and named, too.
    """
    if not table.is_file():
        raise DataError(
            f"{table}: no table of a sweep; `eoli collect --partial` makes one of what there is, `eoli report --partial` its page"
        )
    reading = _Reading(partial)
    rows = [known(row) for row in read_sweep(table).to_dict("records")]
    costs = _costs(reading.summary(table, "cost"))
    planned = systems_of(study)
    for row in rows:
        if row["system"] not in planned:
            raise DataError(f"{table}: {row['system']} is no system of the study; `eoli collect` makes the table again")
        _differs(row, planned[row["system"]], table)
        reason = (outdated or {}).get(row["system"])
        if reason and not str(row.get("status", "")).startswith(NOT_SHOWN):
            made = "`eoli collect --partial` and `eoli report --partial` leave it out, snakemake makes the results"
            raise DataError(f"{table}: {row['system']} is {NOT_SHOWN[2]}{reason}; {made}")
    statuses = {(found.system, found.stage): found for found in study_status(study, planned.values(), results, now)}
    systems = tuple(_system(row, study, planned, results, statuses, costs, partial) for row in rows)
    present = {system.name for system in systems}
    said = study.found(study.config.reference.study)
    return Sweep(
        study,
        systems,
        _pooled(systems, results, reading),
        tuple(name for name in names if name not in present),
        reading.summary(table, "study"),
        reading.summary(table, "experiments"),
        _if_there(table.with_name("experiments.svg")),
        reading(read_found, table.with_name("compare.json"), "compare") or {},
        read_reference(said) if said.is_file() else None,
        reading.summary(table, "replicas"),
        reading.summary(table, "glass-transition"),
        _if_there(table.with_name("glass-transition.svg")),
        reading.summary(table, "cutoffs"),
        reading.summary(table, "equal-lag"),
        reading.summary(table, "ranking"),
        _if_there(table.with_name("equal-lag.svg")),
        tuple(reading(needs, study, results, study.config.analysis.target_error) or ()),
        tuple(reading.unreadable),
    )
