"""What a sweep left on disk, read from its tables alone, and what is missing of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from eoli.collect import ANALYSES
from eoli.compare import Reference, read_reference
from eoli.config import Study
from eoli.errors import DataError
from eoli.files import read_json
from eoli.starts import read_starts
from eoli.status import StageStatus, stage_status
from eoli.sweep import System, systems_of

TABLES = ("structure", "motion", "ions", "conductivity", "mechanism", "morphology", "domains")
"""Tables of a system that are drawn; the other analyses are shown by their scalars."""
TRACES = "traces-"
"""Before the name of a stage: its traces."""
STEPS = ("topology/system", "box/box")
"""Steps before the stages that leave a provenance, as paths without its ending."""


@dataclass(frozen=True)
class StageResult:
    """A stage: the system in whose folder it lies, where it stands, and its verdict, provenance, history and cost over
    restarts, empty where there is none."""

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
        """Core-hours of all calls of mdrun, else of the last one; None where it did not run or left no record."""
        if "core_hours" in self.cost:
            return float(self.cost["core_hours"])
        seconds, threads = self.provenance.get("wall_seconds"), self.provenance.get("threads")
        return seconds * threads / 3600 if seconds and threads else None

    @property
    def interrupted(self) -> bool:
        """Whether earlier calls of mdrun, whose time is not recorded, belong to the run as well."""
        return "core_hours" not in self.cost and ("continues" in self.history or "is extended" in self.history)


@dataclass(frozen=True, eq=False)
class SystemResult:
    """A system: its row of the sweep table (no key where empty), scalars and tables by analysis, and its stages.

    `scene` is the path of its structures in three dimensions, `made_by` the provenance of the steps before its stages.
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
class Together:
    """Independent starts of one system: what they say together, as a system of their common name, and each of them."""

    all_starts: SystemResult
    starts: tuple[SystemResult, ...]


@dataclass(frozen=True, eq=False)
class Sweep:
    """A sweep as far as it got; tables are None where they were not made."""

    study: Study
    systems: tuple[SystemResult, ...]
    together: tuple[Together, ...]
    not_in_table: tuple[str, ...]
    beside_study: pd.DataFrame | None
    experiments: pd.DataFrame | None
    compared: Mapping[str, Any]
    reference: Reference | None
    starts: pd.DataFrame | None
    glass: pd.DataFrame | None
    glass_figure: Path | None
    cutoffs: pd.DataFrame | None

    @property
    def answering(self) -> tuple[SystemResult, ...]:
        """What transport is read from: the systems, those that are starts of one system together as one."""
        first = {of.starts[0].name: of.all_starts for of in self.together}
        others = {start.name for of in self.together for start in of.starts[1:]}
        return tuple(first.get(system.name, system) for system in self.systems if system.name not in others)


def _table(path: Path) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    try:
        return pd.read_csv(path)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except ValueError as error:
        raise DataError(f"{path}: no table: {error}") from error


def known(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row of a table without its empty cells."""
    return {str(key): value for key, value in row.items() if not (isinstance(value, float) and math.isnan(value))}


def _stage(status: StageStatus, folder: Path, cost: Mapping[str, Any]) -> StageResult:
    history = folder / "history.log"
    return StageResult(
        folder.parent.name,
        status,
        read_json(folder / "verdict.json"),
        read_json(folder / "provenance.json"),
        history.read_text(encoding="utf-8", errors="replace") if history.is_file() else "",
        cost,
    )


Costs = Mapping[tuple[str, str], Mapping[str, Any]]
"""Rows of `cost.csv` by system and stage."""


def _costs(path: Path) -> Costs:
    table = _table(path)
    if table is None:
        return {}
    try:
        return {(str(row["system"]), str(row["stage"])): known(row) for row in table.to_dict("records")}
    except KeyError as error:
        raise DataError(f"{path}: no column {error}") from None


def _system(
    row: Mapping[str, Any], study: Study, planned: Mapping[str, System], results: Path, now: float, costs: Costs
) -> SystemResult:
    name = str(row["system"])
    folder = results / name
    analysis = folder / "analysis"
    traces = [f"{TRACES}{stage.name}" for stage in study.stages]
    scalars = {key: found for key in (*ANALYSES, *traces) if (found := read_json(analysis / f"{key}.json"))}
    names = (*TABLES, *traces)
    tables = {key: table for key in names if (table := _table(analysis / f"{key}.csv")) is not None and len(table)}
    homes = {s.name: results / (planned[name].home(s.name) if name in planned else name) for s in study.stages}
    stages = tuple(
        _stage(
            stage_status(name, stage, home / stage.name, now), home / stage.name, costs.get((home.name, stage.name), {})
        )
        for stage in study.stages
        for home in [homes[stage.name]]
    )
    scene = analysis / "snapshot-scene.json"
    missing = [key for key in ANALYSES if key not in scalars] + [s.name for s in stages if not s.verdict]
    missing += [f"traces of {s.name}" for s in stages if s.verdict and f"{TRACES}{s.name}" not in tables]
    made_by = {step: found for step in STEPS if (found := read_json(folder / f"{step}.provenance.json"))}
    return SystemResult(
        name, row, scalars, tables, stages, made_by, scene if scene.is_file() else None, tuple(missing)
    )  # fmt: skip


def _together(systems: Sequence[SystemResult], results: Path) -> tuple[Together, ...]:
    by_name = {system.name: system for system in systems}
    found = []
    for name, record in read_starts(results, list(by_name)).items():
        starts = tuple(by_name[start] for start in record["systems"])
        scalars = {analysis: record[analysis] for analysis in ("motion", "conductivity")}
        whole = replace(starts[0], name=name, scalars=scalars, tables={}, stages=(), made_by={}, scene=None, missing=())
        found.append(Together(whole, starts))
    return tuple(found)


def gather(study: Study, names: Sequence[str], results: Path, table: Path, now: float) -> Sweep:
    """Read a sweep: every system of the table `table`, the comparisons beside it, and what its stages left.

    `names` are the systems of the configuration, `now` the time in s since the epoch, by which a run counts as alive.
    What is not there is left out and named. Raises DataError for the table of the sweep when it is missing or has no
    systems, and for any file that cannot be read.
    """
    sweep = _table(table)
    if sweep is None or "system" not in sweep:
        raise DataError(f"{table}: no table of a sweep; `eoli collect --partial` makes one of what there is")
    costs = _costs(table.with_name("cost.csv"))
    planned = systems_of(study)
    systems = tuple(_system(known(row), study, planned, results, now, costs) for row in sweep.to_dict("records"))
    present = {system.name for system in systems}
    said = study.found(study.config.reference.study)
    glass_figure = table.with_name("glass-transition.svg")
    return Sweep(
        study,
        systems,
        _together(systems, results),
        tuple(name for name in names if name not in present),
        _table(table.with_name("study.csv")),
        _table(table.with_name("experiments.csv")),
        read_json(table.with_name("compare.json")),
        read_reference(said) if said.is_file() else None,
        _table(table.with_name("replicas.csv")),
        _table(table.with_name("glass-transition.csv")),
        glass_figure if glass_figure.is_file() else None,
        _table(table.with_name("cutoffs.csv")),
    )
