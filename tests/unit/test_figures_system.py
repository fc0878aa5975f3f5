"""Figures of one system: all files appear, the same bytes each time, and what a system lacks is said or left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from eoli.errors import DataError
from eoli.figures.style import STYLE, spread
from eoli.figures.system import OF_SYSTEM, Subject

NONE: dict[str, Any] = {"value": None, "error": None}


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STYLE, "savefig.dpi", 40)


def estimate(value: float, error: float) -> dict[str, Any]:
    return {"value": value, "error": error}


def write(folder: Path, name: str, table: dict[str, Any] | None = None, scalars: dict[str, Any] | None = None) -> None:
    if table is not None:
        pd.DataFrame(table).to_csv(folder / f"{name}.csv", index=False)
    if scalars is not None:
        (folder / f"{name}.json").write_text(json.dumps(scalars))


def structure(folder: Path, salted: bool, amide: bool) -> None:
    r = 0.004 * (np.arange(375) + 0.5)
    columns = {"r_nm": r}
    peaks = {"Li_ether_O": (40, 0.21), "Li_anion_N": (6, 0.4), "Li_anion_O": (20, 0.22), "Li_Li": (2, 0.5)}
    if amide:
        peaks |= {"Li_carbonyl_O": (30, 0.2), "Li_amide_O": (25, 0.2), "Li_ester_bridging_O": (2, 0.5)}
        peaks |= {"amide_H_anion_O": (4, 0.2), "amide_H_anion_N": (2, 0.33)}
    for name, (height, at) in peaks.items() if salted else ():
        g = height * np.exp(-(((r - at) / 0.015) ** 2)) + 1 / (1 + np.exp(-(r - at - 0.22) / 0.02))
        columns |= {f"g_{name}": g, f"n_{name}": np.cumsum(g * r**2) * 0.004 * 4 * np.pi * 12}
    write(folder, "structure", columns if salted else {"r_nm": r[:0]})


def motion(folder: Path, salted: bool) -> None:
    lag = np.unique(np.round(np.geomspace(1, 50000, 110)))
    power = {"Li": 0.6, "F": 0.65, "anion_com": 0.95, "chain_com": 0.55, "ether_O": 0.5}
    names = list(power) if salted else ["chain_com", "ether_O"]
    scale = {"Li": 0.01, "F": 0.02, "anion_com": 0.01, "chain_com": 0.002, "ether_O": 0.03}
    table: dict[str, Any] = {"lag_ps": lag} | {f"msd_{n}_nm2": scale[n] * lag ** power[n] for n in names}
    # a cadence of its own leaves blanks
    table["msd_ether_O_nm2"] = np.where(np.arange(len(lag)) % 2, np.nan, table["msd_ether_O_nm2"])
    table |= {f"msd_{n}_error_nm2": 0.1 * table[f"msd_{n}_nm2"] for n in names}
    table |= {f"alpha_{n}": np.where(np.isnan(table[f"msd_{n}_nm2"]), np.nan, power[n]) for n in names}
    window = {"fit_from_ps": 3333.0, "fit_to_ps": 9999.0, "exponent": estimate(0.6, 0.02)}
    kinds = {
        "Li": {"D_m2_s": NONE, "D_upper_bound_m2_s": 3.1e-12, "verdict": "sub-diffusive"},
        "anion": {"D_m2_s": estimate(2e-11, 3e-12), "D_upper_bound_m2_s": None, "verdict": "diffusive"},
        "chain": {"D_m2_s": NONE, "D_upper_bound_m2_s": None, "verdict": "too short"},
    }
    scalars = {key: of | window for key, of in kinds.items() if salted or key == "chain"}
    write(folder, "motion", table, {"tolerance": 0.1, "Li_carried_by_chain": {}, **scalars})


def ions(folder: Path, salted: bool) -> None:
    lithium, anions = np.divmod(np.arange(144), 12)
    likely = np.exp(-0.35 * (lithium + anions) - 0.9 * np.abs(lithium - anions)) * ((lithium + anions) > 0)
    kept = likely > 2e-3
    table = {"n_Li": lithium[kept], "n_anion": anions[kept], "clusters": 40 * likely[kept]}
    shares = {"free": estimate(0.31, 0.02), "paired": estimate(0.47, 0.03), "aggregated": estimate(0.22, 0.02)}
    if salted:
        write(folder, "ions", table, {"Li": shares, "anion": shares, "verdict": "resolved"})
    else:
        write(folder, "ions", {"n_Li": [], "n_anion": [], "clusters": []}, {"cutoff_nm": None})


def conductivity(folder: Path, salted: bool) -> None:
    lag = np.unique(np.round(np.geomspace(1, 50000, 110)))
    if not salted:
        return write(folder, "conductivity", {"lag_ps": lag}, {"ions": {}})
    own, cross = 0.4 * lag**0.8, 0.05 * lag**0.8 * np.cos(np.log(lag))
    table = {
        "lag_ps": lag,
        "collective_Li_Li_nm2": own,
        "collective_anion_anion_nm2": 1.5 * own,
        "collective_Li_anion_nm2": cross,
        "charge_msd_e2_nm2": 2.5 * own - 2 * cross,
        "sigma_apparent_S_m": 0.02 * (2.5 * own - 2 * cross) / lag,
    }
    sigma = {
        "nernst_einstein": {**estimate(0.012, 0.002), "verdict": "resolved"},
        "cluster_nernst_einstein": {**NONE, "verdict": "not resolved: motion of Li sub-diffusive"},
        "collective": {**NONE, "verdict": "not resolved: 0.004 ± 0.003", "upper_bound": 0.0102},
    }
    scalars = {"sigma_S_m": {"formal_charges": sigma}, "fit_from_ps": 3333.0, "fit_to_ps": 9999.0}
    write(folder, "conductivity", table, scalars)


def mechanism(folder: Path, salted: bool, amide: bool) -> None:
    lag = np.unique(np.round(np.geomspace(2, 50000, 90)))
    times = {"P2_all": 900.0}
    if amide:
        times |= {"P2_1_4": 4000.0, "P2_5_12": 1200.0, "P2_13_up": 600.0}
    if salted:
        times |= {"survival_ether_O": 300, "correlation_ether_O": 2000, "correlation_chain": 50000}
        times |= {"survival_anion": 150, "correlation_anion": 700}
    if salted and amide:
        times |= {"survival_carbonyl_O": 2500, "correlation_carbonyl_O": 12000, "survival_PA": 5000}
    table: dict[str, Any] = {"lag_ps": lag}
    for name, time in times.items():
        table |= {name: np.exp(-((lag / time) ** 0.5)), f"{name}_error": 0.03}
    write(folder, "mechanism", table, {"segments": {"units_from": "PA" if amide else "chain end"}})


def morphology(folder: Path, salted: bool, amide: bool) -> None:
    scalars = {"q_min_per_nm": 0.9, "spacing_nm": estimate(3.3, 0.2), "verdict": "resolved", "weighting": "electrons"}
    q = 0.9 * np.sqrt(np.arange(1, 300))
    blocks = ["PEO", *(["PA"] if amide else []), *(["ions"] if salted else [])]
    domains = 25 * np.exp(-(((q - 1.9) / 0.5) ** 2))
    liquid = 0.4 + 2 * np.exp(-(((q - 14) / 2) ** 2))
    table: dict[str, Any] = {"q_per_nm": q, "vectors": np.round(3 + q**2), "S_total": liquid + 0.1 * domains}
    table["S_total_error"] = 0.05 * table["S_total"]
    for k, first in enumerate(blocks):
        for second in blocks[k:]:
            table[f"S_{first}_{second}"] = liquid + domains if first == second else -domains - 0.2 * k
            table[f"S_{first}_{second}_error"] = 0.05
    write(folder, "morphology", table, {"scattering": scalars})


def analysis_of(folder: Path, salted: bool = True, amide: bool = True) -> Path:
    """A folder of tables and scalars as the analyses leave them."""
    folder.mkdir(exist_ok=True)
    structure(folder, salted, amide)
    motion(folder, salted)
    ions(folder, salted)
    conductivity(folder, salted)
    mechanism(folder, salted, amide)
    morphology(folder, salted, amide)
    return folder


def texts(svg: Path) -> str:
    """All text of an SVG, which only is there as text."""
    return "\n".join(
        "".join(element.itertext()) for element in ElementTree.parse(svg).iter() if element.tag.endswith("}text")
    )


def drawn(name: str, folder: Path, stem: Path) -> str:
    """Draw a figure, check its files, and return the text in it."""
    svg, png = OF_SYSTEM[name][0](Subject(folder, "some system", "TFSI"), stem)
    assert (svg, png) == (stem.with_name(stem.name + ".svg"), stem.with_name(stem.name + ".png"))
    assert png.read_bytes().startswith(b"\x89PNG")
    assert b"<dc:date>" not in svg.read_bytes()
    found = texts(svg)
    assert "some system" in found
    return found


@pytest.mark.parametrize("name", ["ions", "motion"])
def test_the_same_files_give_the_same_bytes(tmp_path: Path, name: str) -> None:
    folder = analysis_of(tmp_path / "analysis")
    # a name with a dot is no ending
    stem = tmp_path / "pebax-eo20-353K-q0.80-r1"
    drawn(name, folder, stem)
    before = [path.read_bytes() for path in sorted(tmp_path.glob("pebax*"))]
    drawn(name, folder, stem)
    assert before == [path.read_bytes() for path in sorted(tmp_path.glob("pebax*"))]


def test_names_stand_in_the_figures_as_they_are(tmp_path: Path) -> None:
    folder, name = analysis_of(tmp_path / "analysis"), "PEO $x_1$ with {Li} <b>&"
    for figure in ("structure", "ions", "motion", "mechanism"):
        svg, _ = OF_SYSTEM[figure][0](Subject(folder, name + "\x1b", "$a$"), tmp_path / figure)
        found = texts(svg)
        assert f"{name}\\x1b: " in found and ("$a$" in found or figure == "mechanism")


def test_clusters_too_large_to_draw_are_said(tmp_path: Path) -> None:
    folder = analysis_of(tmp_path / "analysis")
    table = pd.read_csv(folder / "ions.csv").astype({"n_Li": int})
    table.loc[0, "n_Li"] = 500_000
    table.to_csv(folder / "ions.csv", index=False)
    assert "clusters of up to 500000 ions" in drawn("ions", folder, tmp_path / "f")


def test_numbers_and_verdicts_stand_in_the_figures(tmp_path: Path) -> None:
    folder = analysis_of(tmp_path / "analysis")
    found = drawn("motion", folder, tmp_path / "f")
    assert "Li: sub-diffusive, D < 3.1 × 10⁻¹² m²/s" in found
    assert "TFSI: diffusive, D = (2.0 ± 0.3) × 10⁻¹¹ m²/s" in found
    found = drawn("transport", folder, tmp_path / "f")
    assert "σ, collective: not resolved: 0.004 ± 0.003; σ < 0.010 S/m" in found
    assert "σ, ions independent: (0.0120 ± 0.0020) S/m" in found
    found = drawn("scattering", folder, tmp_path / "f")
    assert "resolved, spacing (3.30 ± 0.20) nm" in found and "PEO–PA" in found
    found = drawn("mechanism", folder, tmp_path / "f")
    assert "units from PA" in found and "5–12" in found and "from 13" in found
    assert "0.47 ± 0.03" in drawn("ions", folder, tmp_path / "f")
    assert "H (amide) with" in drawn("structure", folder, tmp_path / "f")


def test_survival_of_few_exits_is_not_drawn(tmp_path: Path) -> None:
    folder = analysis_of(tmp_path / "analysis")
    path = folder / "mechanism.json"
    scalars = json.loads(path.read_text())
    path.write_text(json.dumps(scalars | {"residence": {"ether_O": {"exits": 80}, "anion": {"exits": 9}}}))
    assert "survival, fewer than 10 exits: TFSI" in drawn("mechanism", folder, tmp_path / "f")


def test_a_chain_without_amides_has_fewer_curves(tmp_path: Path) -> None:
    folder = analysis_of(tmp_path / "analysis", amide=False)
    for name in OF_SYSTEM:
        found = drawn(name, folder, tmp_path / name)
        assert "C=O" not in found and "amide" not in found and "PA" not in found


def test_a_neat_polymer_has_the_figures_that_it_can_have(tmp_path: Path) -> None:
    folder = analysis_of(tmp_path / "analysis", salted=False)
    for name in ("structure", "ions", "transport"):
        assert "there are no ions" in drawn(name, folder, tmp_path / name)
    for name in ("motion", "mechanism", "scattering"):
        found = drawn(name, folder, tmp_path / name)
        assert "Li" not in found and "TFSI" not in found and "no ions" not in found


def test_what_an_analysis_could_not_do_is_said(tmp_path: Path) -> None:
    folder = analysis_of(tmp_path / "analysis")
    write(folder, "morphology", {"q_per_nm": [], "vectors": []}, {"scattering": {"verdict": "no contrast: one block"}})
    assert "no contrast: one block" in drawn("scattering", folder, tmp_path / "f")
    write(folder, "ions", {"n_Li": [], "n_anion": []}, {"verdict": "not resolved: no cut-off"})
    assert "not resolved: no cut-off" in drawn("ions", folder, tmp_path / "f")
    write(folder, "mechanism", {"lag_ps": [1.0]}, {"segments": {}})
    assert "neither lithium nor ether segments" in drawn("mechanism", folder, tmp_path / "f")


def test_motion_of_a_run_of_two_frames(tmp_path: Path) -> None:
    folder = analysis_of(tmp_path / "analysis", salted=False)
    write(folder, "motion", {"lag_ps": [1.0], "msd_chain_com_nm2": [0.0], "alpha_chain_com": [np.nan]})
    assert "nothing moved" in drawn("motion", folder, tmp_path / "f")


@pytest.mark.parametrize("name", sorted(OF_SYSTEM))
def test_files_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    for file in OF_SYSTEM[name][1]:
        folder = analysis_of(tmp_path / "analysis")
        (folder / file).write_text("{" if file.endswith("json") else "")
        with pytest.raises(DataError, match=file):
            OF_SYSTEM[name][0](Subject(folder, "x"), tmp_path / "f")
        (folder / file).unlink()
        with pytest.raises(DataError, match=file):
            OF_SYSTEM[name][0](Subject(folder, "x"), tmp_path / "f")
    assert not list(tmp_path.glob("f.*"))


def test_labels_are_spread_no_further_than_they_must() -> None:
    assert spread([0.9, 0.1, 0.5], 0.1) == pytest.approx([0.9, 0.1, 0.5])
    assert spread([0.5, 0.5], 0.1) == pytest.approx([0.45, 0.55])
    assert spread([1.2, 0.99], 0.1) == pytest.approx([1.0, 0.9])
    assert spread([-1, 0.0, 0.0], 0.2) == pytest.approx([0.0, 0.2, 0.4])
    assert spread([], 0.1) == []
