"""Figures of a sweep: every scalar of the table is drawn, bounds and what is not resolved too, and bad tables say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from eoli.errors import DataError
from eoli.figures.style import STYLE
from eoli.figures.sweep import OF_SWEEP, draw_panel, figure_rdf_overlay, read_grouped
from eoli.study.quantities import In, declared, fitted, panels
from support import LABELS

OF_C_O = ("carbonyl", "NH_to", "segregation", "interface", "spacing", "_PA")
SIZE = {"D": 2e-12, "residence": 900, "segment": 400, "conductivity": 0.01, "energy": -300, "radius": 1.6, "first": 0.21,
        "density": 1.2, "coordination": 3, "neighbours": 3, "chains": 1.4, "spacing": 3.1}  # fmt: skip


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STYLE, "savefig.dpi", 40)


def value(name: str, ratio: float, polymer: str, temperature: float) -> float:
    """A scalar of one system: unresolved D and what belongs to it at low EO:Li."""
    if polymer == "peo" and any(part in name for part in OF_C_O):
        return np.nan
    if ratio < 14 and name.startswith(("D_", "conductivity", "transference", "ionicity", "residence_Li_chain")):
        return np.nan
    size = SIZE.get(name.split("_")[0], 0.4) * (0.7 if polymer == "peo" else 1.0)
    own = 1 + 0.3 * np.sin(sum(map(ord, name)))
    moving = name.startswith(("D_", "conductivity"))
    return size * own * (1 + 0.01 * ratio) * (np.exp(-5 * (353 / temperature - 1)) if moving else 1)


def sweep_csv(path: Path, temperatures: tuple[float, ...] = (353.15,)) -> Path:
    random = np.random.default_rng(7)
    rows: list[dict[str, Any]] = []
    for polymer, ratios, ours in (("peo", (8, 12, 16, 20, 30), ()), ("pebax", (8, 12, 20, 30), (12, 30))):
        for ratio, temperature, replicate in (
            (r, t, k) for r in ratios for t in temperatures for k in (1, 2, 3)[: 1 + (r == 20)]
        ):
            row: dict[str, Any] = {
                "system": f"{polymer}-eo{ratio}-{temperature:.0f}K-r{replicate}", "polymer": polymer, "salt": "litfsi",
                "eo_li_asked": float(ratio), "eo_li_simulated": ratio + (0.1 if polymer == "peo" else 0.0),
                "simulated_in_study": ratio not in ours, "temperature_K": temperature, "replicate": replicate,
                "ether_set": "oxy-d", "cation_model": "aqvist", "anion_model": "clandp2004", "mixing": "gromos",
                "ion_charge_scale": 1.0, "chains": 25, "ideal_mixing_density_unverified_g_cm3": 1.1 + 1.5 / ratio,
            }  # fmt: skip
            for quantity in declared(In.SWEEP):
                found = value(quantity.name, ratio, polymer, temperature) * (1 + 0.02 * random.normal())
                row |= zip(quantity.columns, (found, 0.06 * abs(found)), strict=True)
            bounded = ratio == 12
            row |= {f"D_{ion}_upper_bound_m2_s": 1.5e-12 if bounded else np.nan for ion in ("Li", "anion")}
            row["residence_Li_chain_at_least_ps"] = 2e4 if ratio < 14 else np.nan
            rows.append(row)
    rows.append({**rows[0], "system": "peo-neat", "eo_li_simulated": np.nan, "eo_li_asked": np.nan, "salt": "none"})
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def texts(svg: Path) -> list[str]:
    return ["".join(element.itertext()) for element in ElementTree.parse(svg).iter() if element.tag.endswith("}text")]


def drawn(name: str, csv: Path, stem: Path) -> list[str]:
    """Draw a figure of the sweep, check its files, and return the texts in it."""
    svg, png = OF_SWEEP[name](read_grouped(csv, LABELS), stem)
    assert (svg, png) == (stem.with_name(stem.name + ".svg"), stem.with_name(stem.name + ".png"))
    assert png.read_bytes().startswith(b"\x89PNG")
    assert b"<dc:date>" not in svg.read_bytes()
    return texts(svg)


def rdf_csv(path: Path, *partners: str) -> Path:
    r = 0.004 * (np.arange(375) + 0.5)
    columns = {f"g_Li_{name}": 30 * np.exp(-(((r - 0.2) / 0.015) ** 2)) for name in partners}
    pd.DataFrame({"r_nm": r, **columns}).to_csv(path, index=False)
    return path


def test_every_scalar_of_the_table_is_in_a_figure() -> None:
    shown = {
        of.name
        for name in ("sweep", "transport", "structure", "mechanism")
        for _, drawn in panels(name)
        for of in drawn
    }
    assert {quantity.name for quantity in declared(In.SWEEP)} - shown == {"coordination_number_Li_anion_N"}


@pytest.mark.parametrize("name", sorted(OF_SWEEP))
def test_figures_of_a_sweep(tmp_path: Path, name: str) -> None:
    csv = sweep_csv(tmp_path / "sweep.csv")
    found = drawn(name, csv, tmp_path / "f")
    if name == "temperature":
        return
    assert {"PEO", "Pebax", "EO:Li"} <= set(found)


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    csv = sweep_csv(tmp_path / "sweep.csv")
    drawn("diffusion", csv, tmp_path / "f")
    before = (tmp_path / "f.svg").read_bytes(), (tmp_path / "f.png").read_bytes()
    drawn("diffusion", csv, tmp_path / "f")
    assert before == ((tmp_path / "f.svg").read_bytes(), (tmp_path / "f.png").read_bytes())


def test_the_anion_has_the_name_of_the_salt_where_that_is_known(tmp_path: Path) -> None:
    csv = sweep_csv(tmp_path / "sweep.csv")
    assert "D(TFSI) (m²/s)" in drawn("transport", csv, tmp_path / "f")
    table = pd.read_csv(csv).replace({"salt": "litfsi"}, "lixyz")
    table.to_csv(csv, index=False)
    assert "D(anion) (m²/s)" in drawn("transport", csv, tmp_path / "f")


def panel_of_d(csv: Path) -> tuple[list[float], list[float]]:
    """EO:Li asked for, to the nearest whole, of arrows and of crosses in the panel of D(Li)."""
    axes = Figure().add_subplot()
    draw_panel(axes, *panels("transport")[0], read_grouped(csv))
    crosses = [x for line in axes.lines if line.get_marker() == "x" for x in line.get_xdata()]
    return [round(float(text.xy[0])) for text in axes.texts], [round(float(x)) for x in crosses]  # type: ignore[attr-defined]


def test_bounds_and_what_is_not_resolved_are_drawn(tmp_path: Path) -> None:
    csv = sweep_csv(tmp_path / "sweep.csv")
    table = pd.read_csv(csv)
    assert panel_of_d(csv) == ([12, 12], [8, 8])
    table.assign(D_Li_upper_bound_m2_s=np.nan).to_csv(csv, index=False)
    assert panel_of_d(csv) == ([], [8, 12, 8, 12])
    table.assign(D_Li_m2_s=np.nan, D_Li_upper_bound_m2_s=np.nan).to_csv(csv, index=False)
    assert "not resolved in any system" in drawn("sweep", csv, tmp_path / "none")
    assert any("neither D nor a bound" in text for text in drawn("diffusion", csv, tmp_path / "bars"))


def test_a_chain_without_carbonyls_has_no_spacing_rather_than_an_unresolved_one(tmp_path: Path) -> None:
    csv = sweep_csv(tmp_path / "sweep.csv")
    table = pd.read_csv(csv)
    table[table["polymer"] == "peo"].to_csv(csv, index=False)
    assert "no system has it" in drawn("mechanism", csv, tmp_path / "f")


def test_bars_say_what_they_are(tmp_path: Path) -> None:
    found = drawn("diffusion", sweep_csv(tmp_path / "sweep.csv"), tmp_path / "f")
    assert "< 1.5" in found and "not resolved" in found and "D(Li) (10⁻¹² m²/s)" in found


def test_temperatures(tmp_path: Path) -> None:
    assert "one temperature alone" in drawn("temperature", sweep_csv(tmp_path / "one.csv"), tmp_path / "one")
    several = sweep_csv(tmp_path / "several.csv", (313.15, 333.15, 353.15, 373.15, 393.15))
    found = drawn("temperature", several, tmp_path / "several")
    assert "D(TFSI) (m²/s)" in found and "temperature (K)" in found
    # exp(-5 (353/T - 1)) has an energy of 5 * 353 R = 14.7 kJ/mol
    energies = [text for text in found if "PEO, EO:Li 30: Eₐ" in text]
    assert len(energies) == sum(bool(of.fit_label) for of in fitted())
    assert all(10 < float(text.split("Eₐ = (")[1].split()[0]) < 20 for text in energies)
    table = pd.read_csv(several)
    table[table["system"] == "peo-neat"].to_csv(several, index=False)
    assert any("no EO:Li" in text for text in drawn("temperature", several, tmp_path / "neat"))


@pytest.mark.parametrize("name", sorted(OF_SWEEP))
def test_neat_systems_alone(tmp_path: Path, name: str) -> None:
    csv = sweep_csv(tmp_path / "sweep.csv")
    table = pd.read_csv(csv)
    table[table["system"] == "peo-neat"].to_csv(csv, index=False)
    assert "neat systems alone: they have no EO:Li" in drawn(name, csv, tmp_path / "f")


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("sweep", "density_g_cm3"),
        ("sweep", "polymer"),
        ("mechanism", "segregation"),
        ("diffusion", "D_Li_m2_s"),
        ("temperature", "D_Li_error_m2_s"),
    ],
)
def test_a_column_that_is_missing(tmp_path: Path, name: str, column: str) -> None:
    csv = sweep_csv(tmp_path / "sweep.csv", (353.15, 393.15))
    pd.read_csv(csv).drop(columns=column).to_csv(csv, index=False)
    with pytest.raises(DataError, match=column):
        OF_SWEEP[name](read_grouped(csv), tmp_path / "g")
    assert not list(tmp_path.glob("g*"))


def test_overlay(tmp_path: Path) -> None:
    first = rdf_csv(tmp_path / "a.csv", "ether_O", "anion_O", "anion_N")
    second = rdf_csv(tmp_path / "b.csv", "ether_O", "carbonyl_O")
    svg, _ = figure_rdf_overlay([("a", first), ("b", second)], "TFSI", tmp_path / "f")
    assert {"a", "b", "Li – O (TFSI)", "Li – N (TFSI)", "Li – O (C=O)"} <= set(texts(svg))
    with pytest.raises(DataError, match="lithium"):
        figure_rdf_overlay([("c", rdf_csv(tmp_path / "c.csv"))], "TFSI", tmp_path / "g")
    with pytest.raises(DataError, match=r"none\.csv"):
        figure_rdf_overlay([("d", tmp_path / "none.csv")], "TFSI", tmp_path / "g")
