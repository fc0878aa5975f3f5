"""What a system is called where systems are told apart: its polymer, and what it does not share with the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eoli.forcefield.models import IMPORTED, Labels
from eoli.study.axes import SHAPE, SOLVENTS, axes_of, solvents_of
from eoli.study.config import DEFAULT_CHARGE_SCALE, DEFAULT_MIXING

_SAID = {"temperature_K": "{:g} K", "ion_charge_scale": "ion charges × {:g}", "chains": "{:g} chains"}
_USUAL = {"mixing": DEFAULT_MIXING, "ion_charge_scale": DEFAULT_CHARGE_SCALE}
_FORCE_FIELD = ("ether_set", "cation_model", "anion_model", "mixing")


def force_field_of(ether_set: str) -> str:
    """What the user calls the force field of a system whose molecules were not built here, from its ether set."""
    return ether_set.removeprefix(f"{IMPORTED}-")


def label_of(row: Mapping[Any, Any], differing: Sequence[str], labels: Labels) -> str:
    """The polymer and what distinguishes a system; solvents and an unusual force field are always named.

    `row` has the axes of a system, `differing` are the axes on which it differs from others.
    """
    axes = axes_of(row)
    parts = [labels.polymer(str(axes["polymer"]))]
    parts += [f"{count} {labels.solvent(name)}" for name, count in solvents_of(axes[SOLVENTS]).items()]
    imported = axes["mixing"] == IMPORTED
    for axis in ("temperature_K", "salt", *_FORCE_FIELD, "ion_charge_scale", "chains", SHAPE):
        value = axes[axis]
        if imported and axis in _FORCE_FIELD:
            # one force field, where those that are built here have four choices
            parts += [f"imported force field {force_field_of(str(axes['ether_set']))}"] if axis == "mixing" else []
        elif value and (value != _USUAL[axis] if axis in _USUAL else axis in differing):
            parts.append(labels.salt(str(value)) if axis == "salt" else _SAID.get(axis, "{}").format(value))
    return ", ".join(parts)
