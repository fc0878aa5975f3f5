"""Every column of every table has a meaning, and the unit that its name ends in."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from eoli.study.analyses import ANALYSES
from eoli.study.columns import meaning, tables, unit_of
from eoli.study.quantities import QUANTITIES, Quantity
from support import ROOT

KEPT = sorted((ROOT / "docs/results").glob("*/*.csv"))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_columns_of_tables_that_were_kept(path: Path) -> None:
    table = "analysis/specific-volume.csv" if path.name.startswith("specific-volume") else f"summary/{path.name}"
    columns = list(pd.read_csv(path, nrows=1))
    assert [column for column in columns if not meaning(table, column)] == []


def test_each_table_of_an_analysis_is_there() -> None:
    files = {
        f"analysis/{name}" for analysis in ANALYSES for name in analysis.files_of("<stage>") if name.endswith(".csv")
    }
    assert files <= tables().keys()


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda quantity: quantity.name)
def test_the_unit_of_a_quantity_is_that_of_its_column(quantity: Quantity) -> None:
    found = {unit_of(column) for column in quantity.columns}
    assert len(found) == 1 and bool(found.pop()) == bool(quantity.unit)


@pytest.mark.parametrize(
    ("column", "unit"),
    [("Tg_K", "K"), ("D_Li_upper_bound_m2_s", "m²/s"), ("conductivity_collective_error_S_m", "S/m"), ("chi2", ""),
     ("interface_error_per_nm", "1/nm"), ("cooling_rate_K_per_s", "K/s"), ("msd_Li_all_nm2_error", "nm²"), ("ns_per_day", "ns/day")],
)  # fmt: skip
def test_units_are_read_from_the_end_of_a_name(column: str, unit: str) -> None:
    assert unit_of(column) == unit
