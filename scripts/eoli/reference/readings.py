"""Reads our results for a comparison: at a path, over all replicas of a system."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from eoli.analysis.results import read_scalars as read_analysis
from eoli.core.statistics import mean_of_starts
from eoli.reference.model import Of
from eoli.study.analyses import ANALYSES
from eoli.study.axes import SOLVENTS, alike, axes_of, replica_group

Scalars = Mapping[str, Mapping[str, Any]]
"""Content of the JSON files by system and analysis."""

_RESOLVED = ("resolved", "diffusive")
_SAME_TEMPERATURE_K = 1.0


@dataclass(frozen=True)
class Reading:
    """A number with its standard error, and the replicas that it is from, if several."""

    value: float
    error: float
    said: str = ""


@dataclass(frozen=True)
class Missing:
    """Why there is no number."""

    why: str


@dataclass(frozen=True, eq=False)
class Condition:
    """Replicas of one system, with their scalars; the sweep table's row is under `sweep`.

    `pooled` holds the pooled scalars, if any.
    """

    name: str
    axes: Mapping[str, Any]
    in_study: bool
    replicas: tuple[Mapping[str, Any], ...]
    pooled: Mapping[str, Any]

    @property
    def ratio(self) -> float | None:
        """The requested EO:Li; None without salt."""
        asked = self.axes["eo_li_asked"]
        return None if asked is None else float(asked)

    @property
    def starts(self) -> list[str]:
        """Names of the replicas."""
        return [str(replica["sweep"]["system"]) for replica in self.replicas]

    def is_of(self, of: Of) -> bool:
        """Whether these are systems with salt of that polymer, at one of those ratios, without a solvent."""
        same = self.axes["polymer"] == of.polymer
        return same and not self.axes[SOLVENTS] and self.ratio is not None and self.ratio in (of.eo_li or [self.ratio])


def conditions_of(sweep: pd.DataFrame, scalars: Mapping[str, Scalars], simulated_at_K: float) -> list[Condition]:
    """The conditions of a sweep table with one row per system; `scalars` are by system and by replica group."""
    found = []
    for _, rows in alike(sweep):
        records = rows.to_dict("records")
        first, several = records[0], len(records) > 1
        name = replica_group(str(first["system"])) if several else str(first["system"])
        found.append(
            Condition(
                name=name,
                axes=axes_of(first),
                in_study=all(bool(row["simulated_in_study"]) for row in records)
                and abs(first["temperature_K"] - simulated_at_K) <= _SAME_TEMPERATURE_K,
                replicas=tuple({**scalars.get(str(row["system"]), {}), "sweep": row} for row in records),
                pooled=scalars.get(name, {}) if several else {},
            )
        )
    return found


def walk(start: Mapping[str, Any], path: str) -> tuple[Any, str | None]:
    """Value at a path, and the nearest verdict above or in it; None if there is no value."""
    node: Any = start
    verdict = None
    for key in path.split("."):
        if not isinstance(node, Mapping) or key not in node:
            return None, verdict
        node = node[key]
        if isinstance(node, Mapping) and isinstance(node.get("verdict"), str):
            verdict = node["verdict"]
    return node, verdict


def _lacks(start: Mapping[str, Any], path: str) -> str:
    """A message if the analysis of a path is missing; else empty."""
    analysis = path.split(".")[0]
    return "" if analysis in start else f"analysis missing: {analysis}"


def read_one(start: Mapping[str, Any], path: str, needs: Sequence[str] = ()) -> Reading | Missing:
    """The number at a path in the scalars of one replica, if the verdicts at the paths `needs` are resolved."""
    for need in needs:
        verdict = _lacks(start, need) or walk(start, need)[0]
        if verdict not in _RESOLVED:
            absent = f"{need}: not in the results of this system"
            return Missing(str(verdict).removeprefix("not resolved: ") if verdict else absent)
    if lacks := _lacks(start, path):
        return Missing(lacks)
    node, verdict = walk(start, path)
    if isinstance(node, int | float) and not isinstance(node, bool):
        return Reading(float(node), 0.0) if math.isfinite(node) else Missing(f"{path} is empty")
    if not isinstance(node, Mapping):
        return Missing(f"{path} is not in the results of this system")
    value, error = node.get("value"), node.get("error")
    if verdict is not None and verdict.startswith("not resolved"):
        return Missing(verdict.removeprefix("not resolved: "))
    if value is None or error is None:
        return Missing(verdict or f"{path}: {'no value' if value is None else 'no error'}")
    return Reading(float(value), float(error))


def read(condition: Condition, path: str, needs: Sequence[str] = ()) -> Reading | Missing:
    """The pooled result of a condition, else the mean over its replicas with half of its 68 % interval."""
    n = len(condition.replicas)
    of_all = read_one(condition.pooled, path, needs)
    if isinstance(of_all, Reading):
        return replace(of_all, said=f"{n} starts together")
    found = [read_one(start, path, needs) for start in condition.replicas]
    known = [one for one in found if isinstance(one, Reading)]
    if n == 1 or not known:
        return found[0]
    said = f"mean of {len(known)} of {n} starts"
    if len(known) == 1:
        return replace(known[0], said=said)
    return Reading(*mean_of_starts([one.value for one in known], [one.error for one in known]), said)


def read_scalars(results: Path, systems: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Scalars of every analysis under `results/<system>/analysis` by system, `hydrogen-bonds` as `hydrogen_bonds`.

    Raises DataError for a malformed file.
    """
    return {
        system: {
            name.replace("-", "_"): scalars
            for name in sorted(analysis.name for analysis in ANALYSES)
            if (scalars := read_analysis(results / system / "analysis", name)) is not None
        }
        for system in systems
    }
