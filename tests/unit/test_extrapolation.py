"""Temperature series of ours carried to measured temperatures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from eoli.reference.experiments import mean_absolute_errors, overall
from eoli.reference.measured import read_measured, read_transport
from eoli.summary.extrapolation import beside_series
from scalars import MEASURED, TRANSPORT, diffusion, measured_at, row

CONDUCTIVITIES, MEASURED_TRANSPORT = read_measured(MEASURED), read_transport(TRANSPORT)
HOT = (400.0, 450.0, 500.0, 600.0, 700.0)


def series(
    through: float, kelvin: float, column: str = "D_Li_m2_s", at: tuple[float, ...] = HOT
) -> list[dict[str, Any]]:
    """Rows of a sweep on the Arrhenius line of 40 kJ/mol through a value, known to 5 %."""
    values = [through * math.exp(-40000 / 8.314462618 * (1 / t - 1 / kelvin)) for t in at]
    error = column.replace("_m2_s", "_error_m2_s").replace("_S_m", "_error_S_m")
    return [row("peo", kelvin=t) | {column: v, error: 0.05 * v} for t, v in zip(at, values, strict=True)]


def beside(
    rows: list[dict[str, Any]], scalars: dict[str, Any] | None = None, transport: pd.DataFrame = MEASURED_TRANSPORT,
    together: dict[str, list[str]] | None = None,
) -> list[Any]:  # fmt: skip
    masses = {r["system"]: 1073.0 for r in rows}
    return beside_series(pd.DataFrame(rows), scalars or {}, CONDUCTIVITIES, transport, masses, together or {})


def test_a_series_is_laid_beside_every_source_at_the_temperature_it_was_measured_at() -> None:
    found = {r.source: r for r in beside(series(3e-11, 363.0))}
    assert {source: r.temperature_K for source, r in found.items()} == {
        "pesko2017": 363.0, "timachova2015": 363.0, "oradd2002": 358.0,
    }  # fmt: skip
    lithium = found["timachova2015"]
    assert (lithium.system, lithium.quantity, lithium.route) == ("peo-eo12-r1", "D_Li", "msd")
    assert lithium.ours_extrapolated_K == 37.0 and lithium.verdict.endswith("400 to 700 K, 37 K below them")
    assert lithium.ours == pytest.approx(3e-11, rel=0.01)
    assert lithium.ours_low < 3e-11 < lithium.ours_high
    assert lithium.log10_difference == pytest.approx(math.log10(3e-11 / lithium.measured), abs=0.005)
    assert lithium.log10_difference_low < lithium.log10_difference < lithium.log10_difference_high
    # it has a mean of its own, and the score of what was simulated where it was measured does not know it
    (apart,) = (entry for entry in mean_absolute_errors([lithium]) if entry["points"])
    assert apart["extrapolated"] and overall([lithium]).points == 0


def test_a_conductivity_is_taken_at_the_closest_measured_temperature() -> None:
    measured = 100 * measured_at(1000.0, 368.0)
    found = [r for r in beside(series(measured, 368.0, "conductivity_collective_S_m")) if r.route == "collective"]
    (chain_length,) = (r for r in found if r.series == "chain length")
    assert chain_length.temperature_K == 368.0 and chain_length.unit == "S/cm"
    assert chain_length.log10_difference == pytest.approx(0.0, abs=0.01)


def test_what_was_simulated_at_the_measured_temperature_needs_no_series() -> None:
    # 363 K is there, and 358 K within reach of it
    assert beside(series(3e-11, 363.0, at=(363.0, *HOT))) == []
    # a conductivity within the range of the measured ones is beside them already
    rows = series(0.01, 368.0, "conductivity_collective_S_m", at=(353.0, 363.0, 373.0))
    assert [r.series for r in beside(rows)] == []
    # a bound at 363 K does not stand in its place
    rows = series(3e-11, 363.0, at=(363.0, *HOT))
    rows[0] |= {"D_Li_m2_s": np.nan, "D_Li_error_m2_s": np.nan}
    assert {r.temperature_K for r in beside(rows)} == {363.0, 358.0}


def test_too_few_resolved_temperatures_say_so_and_two_simulated_ones_nothing() -> None:
    rows = series(3e-11, 363.0)
    for each in rows[:3]:
        each |= {"D_Li_m2_s": np.nan, "D_Li_error_m2_s": np.nan}
    found = beside(rows)
    assert found and {r.verdict for r in found} == {"not resolved: 2 temperatures with a value; 3 are needed"}
    assert all(r.ours is None and r.log10_difference is None and r.ours_extrapolated_K is None for r in found)
    assert beside(series(3e-11, 363.0, at=HOT[:2])) == []
    assert beside([r | {"solvents": "ec:20"} for r in series(3e-11, 363.0)]) == []


@pytest.mark.parametrize(("at", "share"), [((600.0, 650.0, 700.0), 0.5), ((440.0, 445.0, 450.0), 0.3), (HOT, 1.5)])
def test_what_is_hardly_known_leaves_an_upper_bound(at: tuple[float, ...], share: float) -> None:
    """A curve that does not fall with temperature is at most as high as the points."""
    rows = series(3e-11, 363.0, at=at)
    for each in rows:
        each["D_Li_error_m2_s"] = share * each["D_Li_m2_s"]
    found = beside(rows)
    assert len(found) == 3
    for one in found:
        assert one.ours is None and one.log10_difference is None and one.verdict.endswith("is bounded from above alone")
        assert 3e-11 < one.ours_high < rows[0]["D_Li_m2_s"] * math.exp(3 * share)


def test_values_that_fall_with_temperature_give_none() -> None:
    rows = series(3e-11, 363.0)
    for each, other in zip(rows, series(3e-11, 363.0)[::-1], strict=True):
        each |= {name: other[name] for name in ("D_Li_m2_s", "D_Li_error_m2_s")}
    assert {(r.verdict, r.ours_high) for r in beside(rows)} == {
        ("not resolved: the values do not rise with temperature", None)
    }


def test_starts_that_have_a_value_together_count_as_one() -> None:
    rows = [r for t in (363.0, *HOT) for r in _starts_at(t)]
    together = {f"peo-eo12-{t:.0f}K": [f"peo-eo12-{t:.0f}K-r{n}" for n in (1, 2)] for t in (363.0, *HOT)}
    alone = beside(rows, together=together)
    assert {r.verdict for r in alone} == {"not resolved: 0 temperatures with a value; 3 are needed"}
    values = {t: 3e-11 * math.exp(-40000 / 8.314462618 * (1 / t - 1 / 363.0)) for t in (363.0, *HOT)}
    scalars = {f"peo-eo12-{t:.0f}K": diffusion(v, 0.05 * v) for t, v in values.items() if t > 363.0}
    assert {round(r.ours * 1e11) for r in beside(rows, scalars, together=together) if r.source == "pesko2017"} == {3}
    scalars["peo-eo12-363K"] = diffusion(3e-11, 1e-12)
    assert beside(rows, scalars, together=together) == []


def _starts_at(kelvin: float) -> list[dict[str, Any]]:
    unknown = {"D_Li_m2_s": math.nan, "D_Li_error_m2_s": math.nan}
    return [row("peo", kelvin=kelvin, replicate=n) | unknown for n in (1, 2)]


def test_a_source_counts_once(tmp_path: Path) -> None:
    """At its temperature that is closest to ours, and only at one that it measured at."""
    text = TRANSPORT.read_text()
    hotter = [line.replace(",363,", ",383,") for line in text.splitlines() if ",363," in line and "pesko2017" in line]
    (tmp_path / "t.csv").write_text("\n".join([text.rstrip("\n"), *hotter, ""]))
    found = beside(series(3e-11, 363.0), transport=read_transport(tmp_path / "t.csv"))
    assert [r.temperature_K for r in found if r.source == "pesko2017"] == [383.0]
    sigma = beside(series(0.01, 368.0, "conductivity_collective_S_m"))
    points = {key: set(of["temperature_K"]) for key, of in CONDUCTIVITIES.groupby("series")}
    assert sigma and all(r.temperature_K in points[r.series] for r in sigma)
