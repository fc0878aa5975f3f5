"""Distances of contact beside first minima: a known g(r), systems that differ, and what has no minimum."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from eoli.errors import DataError
from eoli.study.criteria import AnalysisSection
from eoli.summary.cutoffs import FLAT, HYDROGEN_BOND, POOLED, Structure, cutoff_table, read_structure
from eoli.topology.selections import contact_of

R = np.arange(0.002, 1.2, 0.004)
DENSITY = 8.0


def bump(at: float, width: float, height: float) -> np.ndarray:
    return height * np.exp(-(((R - at) / width) ** 2) / 2)


def shells(minimum: float) -> np.ndarray:
    """A contact peak at 0.21 nm that falls evenly to `minimum`, and the second shell beyond."""
    side = 50 * (R - minimum) ** 2 * np.where(minimum > R, 1, 3)
    return bump(0.21, 0.012, 25) + np.minimum(side, 1.5) * (R > 0.21)


def structure(
    g: dict[str, np.ndarray], minima: dict[str, tuple[float | None, float | None]] | None = None
) -> Structure:
    columns: dict[str, Any] = {"r_nm": R}
    scalars: dict[str, Any] = {"lithium_ions": 50, "cutoffs_nm": {"ether_O": 0.3}}
    for pair, values in g.items():
        first, second = pair.split("-")
        per_shell = DENSITY * values * 4 / 3 * np.pi * ((R + 0.002) ** 3 - (R - 0.002) ** 3)
        columns |= {f"g_{first}_{second}": values, f"n_{first}_{second}": np.cumsum(per_shell) - per_shell / 2}
        value, error = (minima or {}).get(pair, (None, None))
        scalars.setdefault(first, {})[second] = {"first_minimum_nm": {"value": value, "error": error}}
    return Structure(pd.DataFrame(columns), scalars)


def pooled(table: pd.DataFrame, second: str) -> pd.Series:
    return table[(table["system"] == POOLED) & (table["second"] == second)].iloc[0]


def test_minima_are_pooled_and_stand_beside_those_of_each_system() -> None:
    at = {"a": 0.33, "b": 0.35, "c": 0.37}
    systems = {k: structure({"Li-ether_O": shells(m)}, {"Li-ether_O": (m, 0.01)}) for k, m in at.items()}
    table = cutoff_table(systems, {"ether_O": 0.34})
    assert table["system"].tolist() == [POOLED, "a", "b", "c"] and table["systems"].tolist() == [3, 1, 1, 1]
    np.testing.assert_allclose(table["first_minimum_nm"], [0.35, *at.values()], atol=0.008)
    # leaving out one of 0.33, 0.35, 0.37 moves the pooled minimum by 0.01 at most
    assert 0.004 < table["first_minimum_error_nm"][0] < 0.02
    assert table["first_minimum_error_nm"][1:].tolist() == [0.01] * 3
    np.testing.assert_allclose(table["first_peak_nm"], 0.21, atol=1e-3)
    assert table["verdict"].str.startswith("within the flat region").all()


def test_the_flat_region_is_where_the_number_stays() -> None:
    one = structure({"Li-ether_O": shells(0.35)}, {"Li-ether_O": (0.35, 0.01)})
    row = pooled(cutoff_table({"a": one}, {"ether_O": 0.35}), "ether_O")
    n = one.table["n_Li_ether_O"].to_numpy()
    at_minimum = float(np.interp(0.35, R, n))
    assert row["neighbours_at_minimum"] == row["neighbours_at_contact"] == pytest.approx(at_minimum)
    inside = R[np.abs(n / at_minimum - 1) <= FLAT]
    assert (row["flat_from_nm"], row["flat_to_nm"]) == (inside[0], inside[-1])
    assert (row["first_minimum_nm"], row["first_minimum_error_nm"]) == (0.35, 0.01)


@pytest.mark.parametrize(
    ("contact", "verdict"),
    [
        (0.20, "no direct contact: the first maximum is at 0.2"),
        (0.215, "below the flat region: "),
        (0.34, "within "),
        (0.46, "above the flat region: "),
    ],
)
def test_verdicts(contact: float, verdict: str) -> None:
    one = structure({"Li-ether_O": shells(0.35)}, {"Li-ether_O": (0.35, 0.01)})
    said = pooled(cutoff_table({"a": one}, {"ether_O": contact}), "ether_O")["verdict"]
    assert said.startswith(verdict)
    if "flat" in said:
        assert said.endswith(
            "more than up to the first minimum" if contact > 0.35 else "fewer than up to the first minimum"
        )


def test_pairs_without_a_minimum_or_without_a_contact() -> None:
    g = {
        "Li-Li": np.ones(len(R)),
        "Li-anion_N": shells(0.35),
        "Li-anion_Cl": shells(0.35),
        "amide_H-anion_O": shells(0.3),
    }
    table = cutoff_table(
        {"a": structure(g, {"Li-anion_Cl": (0.35, 0.0)}), "b": structure(g)}, {"anion": 0.3, "hydrogen_bond": 0.25}
    )
    assert pooled(table, "Li")["verdict"] == "no first minimum found" and np.isnan(pooled(table, "Li")["flat_from_nm"])
    assert pooled(table, "anion_N")["verdict"] == "no distance of contact is configured for this pair"
    assert pooled(table, "anion_Cl")[["contact", "contact_nm"]].tolist() == ["anion", 0.3]
    assert pooled(table, "anion_O")[["contact", "contact_nm"]].tolist() == ["hydrogen_bond", 0.25]
    # a system whose own blocks did not show it has none, whatever is pooled
    assert table[(table["system"] == "b") & (table["second"] == "anion_Cl")]["verdict"].tolist() == [
        "no first minimum found"
    ]


def test_a_pair_counts_only_where_the_system_has_it_and_ranges_may_differ() -> None:
    pebax = structure({"Li-ether_O": shells(0.35), "Li-carbonyl_O": shells(0.33)}, {"Li-carbonyl_O": (0.33, 0.02)})
    peo = structure({"Li-ether_O": shells(0.35)})
    short = Structure(peo.table.iloc[:200], peo.scalars)
    table = cutoff_table({"pebax": pebax, "peo": short}, {"ether_O": 0.35, "carbonyl_O": 0.32})
    assert table.groupby("second")["systems"].max().to_dict() == {"ether_O": 2, "carbonyl_O": 1}
    assert "peo" not in set(table[table["second"] == "carbonyl_O"]["system"])
    assert list(cutoff_table({}, {}).columns) == list(table.columns)


def test_other_bins_are_refused() -> None:
    one, other = structure({"Li-ether_O": shells(0.35)}), structure({"Li-ether_O": shells(0.35)})
    other.table["r_nm"] *= 2
    with pytest.raises(DataError, match="different bins"):
        cutoff_table({"a": one, "b": other}, {})


def test_files_of_a_system(tmp_path: Path) -> None:
    one = structure({"Li-ether_O": shells(0.35)}, {"Li-ether_O": (0.35, 0.01)})
    one.table.to_csv(tmp_path / "structure.csv", index=False)
    with pytest.raises(DataError, match=r"structure\.json: no such file"):
        read_structure(tmp_path / "structure.csv")
    (tmp_path / "structure.json").write_text(json.dumps(one.scalars))
    assert len(cutoff_table({"a": read_structure(tmp_path / "structure.csv")}, {"ether_O": 0.35})) == 2


def test_every_distance_of_the_configuration_is_judged() -> None:
    distances = AnalysisSection.model_validate({"contact_nm": {"anion": 0.31}}).contacts_nm
    kinds = {
        "ether_O": 0.35,
        "carbonyl_O": 0.32,
        "ester_bridging_O": 0.32,
        "hydroxyl_O": 0.35,
        "solvent_O": 0.32,
        "solvent_N": 0.32,
        "anion": 0.31,
        "hydrogen_bond": 0.25,
    }
    assert distances == kinds
    partners = (
        "ether_O", "carbonyl_O", "amide_O", "ester_O", "ester_bridging_O", "hydroxyl_O", "solvent_O", "solvent_N", "anion_O", "anion_F", "anion_Cl",
    )  # fmt: skip
    assert {contact_of(name) for name in partners} | {HYDROGEN_BOND} == kinds.keys()
