"""The axes of a sweep: the one place that says how systems are grouped, paired and named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from eoli.core.text import misspelt

if TYPE_CHECKING:
    import pandas as pd

SERIES_AXES = (
    "polymer", "salt", "eo_li_asked", "ether_set", "cation_model", "anion_model", "mixing", "ion_charge_scale", "chains",
)  # fmt: skip
"""Columns of the sweep table that are equal for systems that differ only in temperature and replicate."""
LEAST_OF_FIT = 3
"""Temperatures that an activation energy is fitted to."""
SYSTEM_AXES = (*SERIES_AXES, "temperature_K")
"""Columns of the sweep table that are equal for replicas of one system."""
SOLVENTS = "solvents"
"""An axis that a table has only where a system has a solvent: names and molecules, such as `succinonitrile:20`."""
ION_PAIRS = "ion_pairs"
"""A column that a table has only where a system has a mixture of salts: their ion pairs, such as `lipf6:15 litfsi:35`."""
SHAPE = "supercell"
"""An axis that the table holds only in the system's name: how its box repeats the parent's."""

_SHAPE = re.compile(r"-(\d+x\d+x\d+)-r\d+$")


def shape_of(name: str) -> str:
    """Supercell part of a system's name, such as `2x2x1`; empty without one."""
    found = _SHAPE.search(name)
    return found[1] if found else ""


def solvents_text(solvents: Sequence[tuple[str, int]]) -> str:
    """Cell of the columns SOLVENTS and ION_PAIRS; empty without a name.

    >>> solvents_text([("ec", 20), ("g4", 5)]), solvents_of(solvents_text([("ec", 20), ("g4", 5)]))
    ('ec:20 g4:5', {'ec': 20, 'g4': 5})
    """
    return " ".join(f"{name}:{count}" for name, count in solvents)


def solvents_of(cell: object) -> dict[str, int]:
    """Molecules by solvent from a cell of the column SOLVENTS; none from one that is empty or missing."""
    words = cell.split() if isinstance(cell, str) else []
    return {name: int(count) for name, _, count in (word.rpartition(":") for word in words)}


def with_solvents(columns: Iterable[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Columns of a table of rows: SOLVENTS last, and only if a row has some."""
    return [
        *(name for name in columns if name != SOLVENTS),
        *([SOLVENTS] if any(SOLVENTS in row for row in rows) else []),
    ]


def replica_group(name: str) -> str:
    """Name of the replica group that a system belongs to."""
    return re.sub(r"-r\d+$", "", name)


def axes_of(row: Mapping[Any, Any], axes: Sequence[str] = SYSTEM_AXES) -> dict[str, Any]:
    """A row's value on each axis, plus its solvents and shape. Missing values become None so that they compare equal."""
    # pandas marks missing values by NaN, which is not equal to itself
    found = {axis: value if (value := row.get(axis)) == value else None for axis in axes}
    solvents = solvents_text([*solvents_of(row.get(SOLVENTS)).items()])
    return found | {SOLVENTS: solvents, SHAPE: shape_of(str(row["system"]))}


def alike(table: pd.DataFrame, axes: Sequence[str] = SYSTEM_AXES) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Groups of rows that are equal on all axes, each with its axis values, in table order.

    The axis values have SOLVENTS only where there are some.
    """
    if table.empty:
        return
    shapes = table["system"].astype(str).map(shape_of).rename(SHAPE)
    cells = table[SOLVENTS] if SOLVENTS in table else shapes.map(lambda _: "")
    solvents = cells.map(lambda cell: cell if isinstance(cell, str) else "").rename(SOLVENTS)
    for key, rows in table.groupby([*axes, solvents, shapes], dropna=False, sort=False):
        *values, beside, _ = key
        yield dict(zip(axes, values, strict=True)) | ({SOLVENTS: beside} if beside else {}), rows


def unknown_reference(
    polymer: str | None, eo_li: float | None, salted: Sequence[tuple[str, float]]
) -> tuple[str, str] | None:
    """The key (polymer, eo_li) of a reference of displacements that no system has, and what is wrong with it.

    `salted` has polymer and EO:Li of each system with salt; only these are compared.
    """
    polymers, ratios = list(dict.fromkeys(name for name, _ in salted)), sorted({ratio for _, ratio in salted})
    none = "none, since no system of the sweep has salt"
    if polymer is not None and polymer not in polymers:
        allowed = ", ".join(polymers) or none
        return "polymer", f"{polymer} is not in the sweep with salt{misspelt(polymer, polymers)}; allowed: {allowed}"
    if eo_li is not None and eo_li not in ratios:
        allowed = ", ".join(f"{ratio:g}" for ratio in ratios) or none
        return "eo_li", f"{eo_li:g} is not in the sweep; allowed: {allowed}"
    return None


def distinguishing_axes(rows: Sequence[Mapping[Any, Any]], besides: Sequence[str] = ()) -> list[str]:
    """Axes on which rows differ, except those in `besides`: what a label has to mention.

    Where each salt has its own model of the anion, the salt says it.
    """
    found = [axes_of(row) for row in rows]
    differing = [
        axis for axis in (*SYSTEM_AXES, SOLVENTS, SHAPE) if axis not in besides and len({of[axis] for of in found}) > 1
    ]
    models = {(of["salt"], of["anion_model"]) for of in found}
    if "salt" in differing and len(models) == len({salt for salt, _ in models}):
        differing = [axis for axis in differing if axis != "anion_model"]
    return differing
