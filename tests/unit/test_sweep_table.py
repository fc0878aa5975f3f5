"""The table of a sweep from files as the analyses write them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from eoli.analysis.results import read_sweep
from eoli.errors import DataError, InputError
from eoli.summary.sweep_table import collect
from scalars import number
from sweep_results import STAGES, results_of, system, write_json


def test_a_row_for_each_system(tmp_path: Path) -> None:
    results_of(tmp_path, "a", warnings=["pressure is off", "drift"])
    results_of(tmp_path, "b", salted=False)
    systems = [system("a"), system("b", cations=0, in_study=False)]
    out = tmp_path / "sweep.csv"
    table = collect(systems, STAGES, "production", tmp_path, out, {"a": 1.2})
    assert list(table["system"]) == ["a", "b"]
    first, second = table.iloc[0], table.iloc[1]
    assert first["eo_li_simulated"] == 21.0
    assert (first["ideal_mixing_density_unverified_g_cm3"], first["density_g_cm3"], first["density_error_g_cm3"]) == (
        1.2,
        1.12,
        0.002,
    )
    assert (first["first_peak_Li_ether_O_nm"], first["first_peak_Li_ether_O_error_nm"]) == (0.201, 0.001)
    assert (first["coordination_number_Li_ether_O"], first["coordination_number_Li_ether_O_error"]) == (5.1, 0.1)
    assert pd.isna(first["coordination_number_Li_carbonyl_O"])
    assert (first["D_Li_verdict"], first["D_Li_upper_bound_m2_s"]) == ("sub-diffusive", 3e-12)
    assert pd.isna(first["D_Li_m2_s"])
    assert (first["D_anion_m2_s"], first["D_anion_error_m2_s"]) == (2e-11, 1e-12)
    assert (first["neighbours_Li_ether_O"], first["neighbours_Li_ether_O_error"]) == (5.3, 0.2)
    sigma = ("conductivity_nernst_einstein_S_m", "conductivity_nernst_einstein_error_S_m")
    assert tuple(first[list(sigma)]) == (0.02, 0.004) and second[list(sigma)].isna().all()
    assert (first["status"], first["warnings"]) == ("warn", "npt: pressure is off; npt: drift")
    assert (second["status"], second["warnings"]) == ("pass", "")
    assert bool(first["simulated_in_study"]) and not second["simulated_in_study"]
    assert second[["D_Li_m2_s", "eo_li_asked", "first_peak_Li_ether_O_nm"]].isna().all()
    written = pd.read_csv(out)
    assert list(written.columns) == list(table.columns)
    assert written["analysed_length_ns"].tolist() == [10.0, 10.0]


def test_a_rare_partner_has_columns_where_a_system_has_it(tmp_path: Path) -> None:
    results_of(tmp_path, "a")
    results_of(tmp_path, "b")
    usual = list(collect([system("a"), system("b")], STAGES, "production", tmp_path, tmp_path / "t.csv"))
    assert not any("hydroxyl" in column for column in usual)
    structure = tmp_path / "b" / "analysis" / "structure.json"
    write_json(structure, {"Li": {"hydroxyl_O": {"at_cutoff": number(0.4, 0.1)}}})
    table = collect([system("a"), system("b")], STAGES, "production", tmp_path, tmp_path / "t.csv")
    assert list(table) == [*usual, "neighbours_Li_hydroxyl_O", "neighbours_Li_hydroxyl_O_error"]
    assert table["neighbours_Li_hydroxyl_O"].iloc[1] == 0.4 and pd.isna(table["neighbours_Li_hydroxyl_O"].iloc[0])


def test_missing_files(tmp_path: Path) -> None:
    results_of(tmp_path, "a")
    (tmp_path / "a" / "analysis" / "motion.json").unlink()
    shutil.rmtree(tmp_path / "a" / "production")
    out = tmp_path / "sweep.csv"
    with pytest.raises(DataError, match=r"motion\.json: no such file"):
        collect([system("a")], STAGES, "production", tmp_path, out)
    assert not out.exists()
    table = collect([system("a"), system("none")], STAGES, "production", tmp_path, out, allow_missing=True)
    assert table["status"][0] == "incomplete: motion, production verdict"
    assert table["density_g_cm3"][0] == 1.12
    assert table["status"][1].startswith("incomplete: density, structure, motion")
    assert list(pd.read_csv(out).columns) == list(table.columns)


def test_a_file_that_is_no_json(tmp_path: Path) -> None:
    results_of(tmp_path, "a")
    (tmp_path / "a" / "analysis" / "density.json").write_text("{")
    with pytest.raises(DataError, match=r"density\.json: no JSON"):
        collect([system("a")], STAGES, "production", tmp_path, tmp_path / "s.csv")
    assert not (tmp_path / "s.csv").exists()
    results_of(tmp_path, "b")
    table = collect([system("a"), system("b")], STAGES, "production", tmp_path, tmp_path / "s.csv", allow_missing=True)
    assert table["status"][0].startswith("unreadable: ") and "density.json: no JSON" in table["status"][0]
    assert pd.isna(table["D_anion_m2_s"][0]) and (table["status"][1], table["D_anion_m2_s"][1]) == ("pass", 2e-11)


def test_the_analysed_stage_is_one_of_the_stages(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="allowed: npt, production"):
        collect([], STAGES, "nvt", tmp_path, tmp_path / "s.csv")


def test_molecule_types_of_some_systems_have_columns_of_their_own(tmp_path: Path) -> None:
    found = {
        "D_m2_s": {"value": 2e-10, "error": 1e-11}, "D_upper_bound_m2_s": None, "verdict": "diffusive",
        "exponent": {"value": 1.0, "error": 0.02},
    }  # fmt: skip
    for name in ("a", "b"):
        results_of(tmp_path, name)
    path = tmp_path / "b/analysis/motion.json"
    write_json(path, json.loads(path.read_text()) | {"molecules": {"EC": found}})
    table = collect([system("a"), system("b")], STAGES, "production", tmp_path, tmp_path / "sweep.csv")
    assert list(table)[-6:] == [
        "D_EC_m2_s", "D_EC_error_m2_s", "D_EC_upper_bound_m2_s", "D_EC_verdict", "exponent_EC", "exponent_EC_error",
    ]  # fmt: skip
    assert table["D_EC_m2_s"].isna().tolist() == [True, False] and table["D_EC_verdict"][1] == "diffusive"
    assert len(read_sweep(tmp_path / "sweep.csv")) == 2
    without = collect([system("a")], STAGES, "production", tmp_path, tmp_path / "one.csv")
    assert not any("_EC_" in name for name in without)
