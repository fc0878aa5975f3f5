"""Pooled results of replicas, as `eoli starts` wrote them, and their table for a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from eoli.analysis.results import Scalars, read_pooled
from eoli.study.axes import SOLVENTS, SYSTEM_AXES, solvents_of, with_solvents
from eoli.study.quantities import LENGTH, In, Quantity, at, declared, grouped, molecules_in

_FOLDER = Path("summary") / "starts"
_COLUMNS = (
    "starts", "systems", *SYSTEM_AXES, "length_ns", "quantity", "unit", "value", "error", "lower_bound", "upper_bound", "exponent",
    "exponent_error", "fit_from_ps", "fit_to_ps", "verdict",
)  # fmt: skip


def starts_file(results: Path, name: str) -> Path:
    """Path of the pooled scalars of a replica group."""
    return results / _FOLDER / f"{name}.json"


def read_starts(results: Path, systems: Sequence[str]) -> dict[str, Scalars]:
    """Pooled scalars by replica group, for groups whose members are all in `systems`.

    Raises DataError for a malformed file.
    """
    found: dict[str, Scalars] = {}
    for path in sorted((results / _FOLDER).glob("*.json")):
        if path.name.endswith(".provenance.json"):
            continue
        record = read_pooled(path)
        if set(record["systems"]) <= set(systems):
            found[path.stem] = record
    return dict(sorted(found.items(), key=lambda item: systems.index(item[1]["systems"][0])))


def _row(quantity: Quantity, record: Mapping[str, Any]) -> dict[str, Any]:
    """Table columns of a quantity; empty where the pooled replicas have no value."""
    answer = quantity.of(record)
    return {} if answer is None else {
        "quantity": quantity.name, "unit": quantity.unit.replace("_", "/") or "1", "value": answer.value,
        "error": answer.error, "lower_bound": answer.least, "upper_bound": answer.bound,
        "exponent": quantity.beside(record, "exponent", "value"), "verdict": answer.verdict,
        "exponent_error": quantity.beside(record, "exponent", "error"),
        **{key: quantity.beside(record, key) for key in ("fit_from_ps", "fit_to_ps")},
    }  # fmt: skip


def starts_table(sweep: pd.DataFrame, together: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """One row per quantity of each entry of `read_starts`; `sweep` has one row per system.

    `length_ns` is summed over the replicas; conductivities are those of formal charges.
    """
    groups = grouped(declared(In.STARTS)).values()
    quantities = [quantity for group in groups for quantity in sorted(group, key=lambda each: each.name)]
    quantities += [quantity for quantity in molecules_in(together.values()) if quantity.where & In.STARTS]
    rows = []
    for name, record in together.items():
        (first,) = sweep[sweep["system"] == record["systems"][0]].to_dict("records")
        of_all = {"starts": name, "systems": " ".join(record["systems"]), "length_ns": at(record, LENGTH)}
        axes = {axis: first[axis] for axis in SYSTEM_AXES}
        axes |= {SOLVENTS: first[SOLVENTS]} if solvents_of(first.get(SOLVENTS)) else {}
        rows += [{**of_all, **axes, **row} for quantity in quantities if (row := _row(quantity, record))]
    return pd.DataFrame(rows, columns=with_solvents(_COLUMNS, rows))
