"""What a system is called where systems are told apart."""

from __future__ import annotations

from typing import Any

import pytest

from eoli.forcefield.models import Labels, imported_choice
from eoli.study.labels import label_of
from support import choice

LABELS = Labels({"peo": "PEO", "dme": "dimethoxyethane"}, salts={"litfsi": "LiTFSI"})
ROW = {"system": "peo-eo12-400K-r1", "polymer": "peo", "salt": "litfsi", "eo_li_asked": 12.0, "temperature_K": 400.0,
       "chains": 25}  # fmt: skip


@pytest.mark.parametrize(
    ("differing", "label"),
    [
        ([], "PEO"),
        (["temperature_K"], "PEO, 400 K"),
        (["ether_set", "chains"], "PEO, oxy-d, 25 chains"),
        (["salt"], "PEO, LiTFSI"),
    ],
)
def test_a_label_has_what_differs(differing: list[str], label: str) -> None:
    row: dict[str, Any] = ROW | vars(choice())
    assert label_of(row, differing, LABELS) == label
    assert label_of(row | {"solvents": "ec:20"}, differing, LABELS).startswith("PEO, 20 ec")
    assert label_of(row | {"mixing": "lorentz-berthelot", "ion_charge_scale": 0.75}, [], LABELS) == (
        "PEO, lorentz-berthelot, ion charges × 0.75"
    )


def test_a_force_field_of_others_is_named_and_its_mixing_rule_is_not() -> None:
    every = ["ether_set", "cation_model", "anion_model", "mixing"]
    row = {**ROW, "polymer": "dme", **vars(imported_choice("oplsaa", 0.75, True))}
    for differing in ([], every):
        assert label_of(row, differing, LABELS) == ("dimethoxyethane, imported force field oplsaa, ion charges × 0.75")
