"""The figure of ours against measured values."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eoli.figures.experiments import figure_experiments
from eoli.reference.experiments import Beside


def one(**changed: Any) -> Beside:
    fields: dict[str, Any] = dict(
        system="peo-eo12-363K-r1", quantity="D_Li", route="msd", temperature_K=363.0, eo_li=12.0, chain_molar_mass_g_mol=1073.3,
        unit="m²/s", ours=9e-12, ours_error=2e-12, measured=7.5e-12, series="363 K", measured_molar_mass_g_mol=5000.0,
        measured_eo_li="7 to 100", source="pesko2017", log10_difference=0.08, verdict="compared", what_differs="chains",
    )  # fmt: skip
    return Beside(**(fields | changed))


BOUND = one(route="renewal", ours=None, ours_error=None, ours_high=3e-11, log10_difference=None)
SERIES = one(
    system="peo-eo12-q0.75-r1", ours=6e-12, ours_error=None, ours_low=3e-12, ours_high=2e-11, ours_extrapolated_K=37.0,
    source="timachova2015", measured=1.4e-11,
)  # fmt: skip


def drawn(rows: list[Beside], folder: Path) -> str:
    svg, png = figure_experiments(rows, folder / "experiments")
    assert png.stat().st_size > 1000
    return svg.read_text()


def points(text: str) -> int:
    """Markers outside the legend."""
    return len(re.findall(r"<use ", text.partition('id="legend_1"')[0]))


def test_every_quantity_with_a_measured_value_has_a_panel(tmp_path: Path) -> None:
    sigma = one(quantity="conductivity", unit="S/cm", ours=1e-4, ours_error=1e-5, measured=3e-4, source="a paper")
    density = one(quantity="density", unit="g/cm³", ours=1.25, ours_error=0.01, measured=1.33, source="b paper")
    text = drawn([one(), sigma, density, SERIES], tmp_path)
    for said in (
        "D(Li)",
        "conductivity",
        "density",
        "measured (S/cm)",
        "ours (g/cm³)",
        "a paper",
        "timachova2015",
        SERIES.system,
    ):
        assert said in text
    assert "D(anion)" not in text


def test_a_route_without_a_value_stands_back_behind_one_with(tmp_path: Path) -> None:
    alone, both = drawn([one()], tmp_path), drawn([BOUND, one()], tmp_path)
    assert points(alone) == points(both)
    # a bound alone is an arrow
    assert points(drawn([BOUND], tmp_path)) > 0


def test_every_bound_has_its_arrow(tmp_path: Path) -> None:
    low = replace(BOUND, ours_high=2e-12, measured=3e-12, system="peo-eo8-363K-r1")
    heads = [len(re.findall(r"<path ", drawn(rows, tmp_path))) for rows in ([one()], [one(), low])]
    assert heads[1] > heads[0]
    share = one(quantity="D_Li_share", unit="", ours=None, ours_error=None, ours_high=0.5, measured=0.2)
    assert "D(Li) / (D(Li) + D(anion))" in drawn(
        [share, replace(share, system="b", ours=0.0, ours_high=None)], tmp_path
    )


def test_what_a_logarithm_does_not_have_is_left_out(tmp_path: Path) -> None:
    rows = [one(), one(system="b", ours=-1e-12), one(system="c", ours=None, ours_error=None, ours_high=0.0)]
    found = drawn(rows, tmp_path)
    assert rows[0].system in found and ">b<" not in found and ">c<" not in found


def test_many_systems_leave_room_for_every_source(tmp_path: Path) -> None:
    rows = [one(system=f"s{n:02d}", source=f"source {n % 6}") for n in range(40)]
    found = drawn(rows, tmp_path)
    assert all(f"source {n}" in found for n in range(6)) and "and 30 more systems in the table" in found


@pytest.mark.parametrize(
    "rows", [[], [one(measured=None)], [one(ours=None, ours_error=None)]], ids=["none", "not measured", "open"]
)
def test_nothing_to_draw_says_so(tmp_path: Path, rows: list[Beside]) -> None:
    assert "nothing of ours has a measured counterpart" in drawn(rows, tmp_path)
