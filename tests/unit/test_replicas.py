"""Independent starts side by side: agreement by chance, differences that are found, and the warning in the sweep."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from eoli.summary.replicas import differing, replica_table
from eoli.summary.sweep_table import collect
from scalars import number
from sweep_results import STAGES, results_of, sweep, system, write_json


def test_starts_that_agree() -> None:
    (row,) = replica_table(sweep([(1.20, 0.003), (1.21, 0.004)])).to_dict("records")
    assert row["verdict"] == "agree" and row["systems"] == "peo-r1 peo-r2"
    assert row["combined_error"] == pytest.approx(0.005)
    assert row["difference_over_error"] == pytest.approx(2.0)
    assert row["chi2"] == pytest.approx(4.0) and row["p_value"] == pytest.approx(0.0455, abs=1e-3)
    # not weighted; Student's t of two starts for 68 % is 1.837
    assert row["mean"] == pytest.approx(1.205) and row["mean_error"] == pytest.approx(1.837 * 0.005, rel=1e-3)


def test_starts_that_differ() -> None:
    table = replica_table(sweep([(1.20, 0.003), (1.22, 0.004)]))
    assert table["verdict"].tolist() == ["differ"]
    text = ["starts differ in density by 4.0 combined errors"]
    assert differing(table) == {"peo-r1": text, "peo-r2": text}


def test_chance_alone_rarely_makes_them_differ() -> None:
    rng = np.random.default_rng(4)
    verdicts = [
        replica_table(sweep([(1.2 + 0.002 * rng.normal(), 0.002) for _ in range(3)]))["verdict"][0] for _ in range(200)
    ]
    assert verdicts.count("differ") <= 6


@pytest.mark.parametrize("errors", [(None, None), (0.002, None), (0.002, 0.0)])
def test_without_errors_nothing_is_decided(errors: tuple[float | None, float | None]) -> None:
    (row,) = replica_table(sweep(list(zip((1.2, 1.3), errors, strict=True)))).to_dict("records")
    assert row["verdict"].startswith("not resolved: ") and np.isnan(row["chi2"])


def test_only_starts_of_one_system_are_compared() -> None:
    assert replica_table(sweep([(1.2, 0.001)])).empty
    assert replica_table(sweep([(1.2, 0.001), (1.3, 0.001)], temperature_K=[400, 450])).empty
    assert replica_table(sweep([(1.2, 0.001), (1.3, 0.001)], salt="none", eo_li_asked=None))["verdict"][0] == "differ"


def test_the_sweep_warns_of_starts_that_differ(tmp_path: Path) -> None:
    for name in ("a", "b"):
        results_of(tmp_path, name, warnings=["drift"] if name == "a" else None)
    write_json(tmp_path / "b/analysis/density.json", {"density_g_cm3": number(1.15, 0.002)})
    systems = [system("a"), dataclasses.replace(system("b"), replicate=2)]
    table = collect(systems, STAGES, "production", tmp_path, tmp_path / "sweep.csv").set_index("system")
    assert table["status"].tolist() == ["warn", "warn"]
    assert table.loc["a", "warnings"] == "npt: drift; starts differ in density by 10.6 combined errors"
    assert table.loc["b", "warnings"] == "starts differ in density by 10.6 combined errors"
