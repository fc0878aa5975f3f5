"""What tells the systems of a sweep apart: in one place for all that takes systems together, pairs them or names them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

SERIES_AXES = (
    "polymer", "salt", "eo_li_asked", "ether_set", "cation_model", "anion_model", "mixing", "ion_charge_scale", "chains",
)  # fmt: skip
"""Columns of the sweep table in which systems that differ in temperature and replicate alone are equal."""
SYSTEM_AXES = (*SERIES_AXES, "temperature_K")
"""Columns of the sweep table in which independent starts of one system are equal."""
SHAPE = "supercell"
"""An axis that the table has in the name of a system alone: how its box repeats that of its parent."""

_SHAPE = re.compile(r"-(\d+x\d+x\d+)-r\d+$")


def shape_of(name: str) -> str:
    """`2x2x1` of a system whose box is a repeated one, by its name; else empty."""
    found = _SHAPE.search(name)
    return found[1] if found else ""


def family_of(name: str) -> str:
    """Name of all independent starts of a system, by the name of one."""
    return re.sub(r"-r\d+$", "", name)


def axes_of(row: Mapping[Any, Any], axes: Sequence[str] = SYSTEM_AXES) -> dict[str, Any]:
    """What a row of the sweep table has on each axis, and its shape; None where it has nothing, so that such are equal."""
    # NaN, which a table has for nothing, is not equal to itself
    found = {axis: value if (value := row.get(axis)) == value else None for axis in axes}
    return found | {SHAPE: shape_of(str(row["system"]))}


def alike(table: pd.DataFrame, axes: Sequence[str] = SYSTEM_AXES) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """The rows of a sweep table that are equal on all axes, with what they have there, in the order of the table."""
    if table.empty:
        return
    shapes = table["system"].astype(str).map(shape_of).rename(SHAPE)
    for key, rows in table.groupby([*axes, shapes], dropna=False, sort=False):
        yield dict(zip(axes, key[:-1], strict=True)), rows


def told_apart(rows: Sequence[Mapping[Any, Any]], besides: Sequence[str] = ()) -> list[str]:
    """The axes on which rows differ, without those named in `besides`: what the name of each has to say."""
    found = [axes_of(row) for row in rows]
    return [axis for axis in (*SYSTEM_AXES, SHAPE) if axis not in besides and len({of[axis] for of in found}) > 1]
