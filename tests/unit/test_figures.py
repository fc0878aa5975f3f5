"""Figures: both files appear, the same bytes each time, for tables with all, some and no lithium."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from eoli.errors import DataError
from eoli.figures import figure_motion, figure_rdf_overlay, figure_structure, figure_sweep


def structure_csv(path: Path, partners: tuple[str, ...] = ("ether_O", "anion_O"), height: float = 40.0) -> Path:
    r = 0.004 * (np.arange(375) + 0.5)
    columns = {"r_nm": r}
    for k, name in enumerate(partners):
        g = height / (k + 1) * np.exp(-(((r - 0.2 - 0.02 * k) / 0.015) ** 2)) + 1 / (1 + np.exp(-(r - 0.42) / 0.02))
        columns |= {f"g_Li_{name}": g, f"n_Li_{name}": np.cumsum(g * r**2) * 0.004 * 4 * np.pi * 20}
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def motion_files(folder: Path, salted: bool = True) -> tuple[Path, Path]:
    lag = np.unique(np.round(np.geomspace(1, 5000, 110)))
    names = ["Li", "F", "TFSI_com", "chain_com"] if salted else ["chain_com"]
    power = {"Li": 0.6, "F": 0.65, "TFSI_com": 0.95, "chain_com": 0.55}
    table = {"lag_ps": lag} | {f"msd_{n}_nm2": 0.01 * lag ** power[n] for n in names}
    table |= {f"alpha_{n}": np.full(len(lag), power[n]) for n in names}
    pd.DataFrame(table).to_csv(folder / "m.csv", index=False)
    window = {"fit_from_ps": 333.0, "fit_to_ps": 999.0, "exponent": {"value": 0.6, "error": 0.02}}
    none = {"value": None, "error": None}
    kinds = {
        "Li": {"D_m2_s": none, "D_upper_bound_m2_s": 3.1e-12, "verdict": "sub-diffusive", **window},
        "TFSI": {
            "D_m2_s": {"value": 2e-11, "error": 3e-12},
            "D_upper_bound_m2_s": None,
            "verdict": "diffusive",
            **window,
        },
        "chain": {"D_m2_s": none, "D_upper_bound_m2_s": None, "verdict": "too short", **window},
    }
    scalars = {"tolerance": 0.1, **{key: kinds[key] for key in (kinds if salted else ["chain"])}}
    (folder / "m.json").write_text(json.dumps(scalars))
    return folder / "m.csv", folder / "m.json"


def sweep_csv(path: Path) -> Path:
    rows: list[dict[str, Any]] = []
    for polymer, ratios, ours in (("peo", (8, 12, 16, 20, 30), ()), ("pebax", (8, 12, 20, 30), (12, 30))):
        shift = 0.1 if polymer == "pebax" else 0.0
        for ratio in ratios:
            row = {
                "system": f"{polymer}-eo{ratio}", "polymer": polymer, "eo_li_simulated": ratio + 0.1,
                "simulated_in_study": ratio not in ours, "temperature_K": 353.15, "ether_set": "oxy-d", "cation_model": "aqvist",
                "anion_model": "clandp2004", "mixing": "gromos",
                "ion_charge_scale": 1.0, "density_g_cm3": 1.0 + 2.0 / ratio - shift, "density_error_g_cm3": 0.004,
                "ideal_mixing_density_unverified_g_cm3": 1.02 + 2.0 / ratio - shift,
                "first_peak_Li_ether_O_nm": 0.2 + 0.002 * shift + 1e-5 * ratio, "first_peak_Li_ether_O_error_nm": 2e-4,
                "D_Li_m2_s": (1 - 3 * shift) * 1e-12 * ratio if ratio > 16 else np.nan,
                "D_Li_error_m2_s": 2e-12 if ratio > 16 else np.nan,
                "D_Li_upper_bound_m2_s": np.nan if ratio > 16 else (4e-13 - 2e-12 * shift) * ratio,
            }  # fmt: skip
            for partner, number in (
                ("ether_O", 5 - 8 / ratio - 5 * shift),
                ("carbonyl_O", 10 * shift),
                ("anion_O", 8 / ratio),
            ):
                known = partner != "carbonyl_O" or polymer == "pebax"
                row[f"coordination_number_Li_{partner}"] = number if known else np.nan
                row[f"coordination_number_Li_{partner}_error"] = 0.1 if known else np.nan
            rows.append(row)
    rows.append({**rows[0], "system": "peo-neat", "eo_li_simulated": np.nan})
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def check(files: tuple[Path, Path], stem: Path) -> None:
    svg, png = files
    assert (svg, png) == (stem.with_name(stem.name + ".svg"), stem.with_name(stem.name + ".png"))
    assert ElementTree.parse(svg).getroot().tag.endswith("svg")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert b"<dc:date>" not in svg.read_bytes()


def test_structure(tmp_path: Path) -> None:
    stem = tmp_path / "peo-eo20-353K-q0.80-r1"
    csv = structure_csv(tmp_path / "s.csv")
    check(figure_structure(csv, "PEO", stem), stem)
    before = [path.read_bytes() for path in sorted(tmp_path.glob("peo*"))]
    figure_structure(csv, "PEO", stem)
    assert before == [path.read_bytes() for path in sorted(tmp_path.glob("peo*"))]


def test_structure_without_lithium(tmp_path: Path) -> None:
    check(figure_structure(structure_csv(tmp_path / "s.csv", ()), "neat", tmp_path / "f"), tmp_path / "f")


@pytest.mark.parametrize("salted", [True, False])
def test_motion(tmp_path: Path, salted: bool) -> None:
    check(figure_motion(*motion_files(tmp_path, salted), "PEO", tmp_path / "f"), tmp_path / "f")


def test_motion_of_a_run_of_two_frames(tmp_path: Path) -> None:
    csv, scalars = motion_files(tmp_path, False)
    pd.DataFrame({"lag_ps": [1.0], "msd_chain_com_nm2": [0.0], "alpha_chain_com": [np.nan]}).to_csv(csv, index=False)
    check(figure_motion(csv, scalars, "PEO", tmp_path / "f"), tmp_path / "f")


def test_overlay(tmp_path: Path) -> None:
    first = structure_csv(tmp_path / "a.csv", ("ether_O", "anion_O", "anion_N"))
    second = structure_csv(tmp_path / "b.csv", ("ether_O", "carbonyl_O"), 30)
    check(figure_rdf_overlay([("a", first), ("b", second)], tmp_path / "f"), tmp_path / "f")
    with pytest.raises(DataError, match="lithium"):
        figure_rdf_overlay([("c", structure_csv(tmp_path / "c.csv", ()))], tmp_path / "g")


def test_sweep(tmp_path: Path) -> None:
    csv = sweep_csv(tmp_path / "sweep.csv")
    check(figure_sweep(csv, tmp_path / "f"), tmp_path / "f")
    table = pd.read_csv(csv)
    table[table["system"] == "peo-neat"].to_csv(csv, index=False)
    check(figure_sweep(csv, tmp_path / "neat"), tmp_path / "neat")
    table.drop(columns="density_g_cm3").to_csv(csv, index=False)
    with pytest.raises(DataError, match="density_g_cm3"):
        figure_sweep(csv, tmp_path / "g")
    assert not list(tmp_path.glob("g*"))


def test_tables_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    for name in ("none.csv", "empty.csv"):
        with pytest.raises(DataError, match=name):
            figure_structure(tmp_path / name, "x", tmp_path / "f")
    csv, scalars = motion_files(tmp_path)
    scalars.write_text("{")
    with pytest.raises(DataError, match="scalars"):
        figure_motion(csv, scalars, "x", tmp_path / "f")
