"""Our conductivities beside measured ones."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from eoli.core.statistics import UNKNOWN, Estimate
from eoli.errors import InputError
from eoli.reference.experiments import (
    Beside,
    beside_experiments,
    log10_difference,
    mean_absolute_errors,
    overall,
)
from eoli.reference.measured import Measured, measured_at, measured_log10, read_measured, read_transport
from scalars import MEASURED, TRANSPORT, row, sigma
from scalars import measured_at as conductivity_at

NOTHING = read_transport(TRANSPORT).iloc[:0]


def test_a_measured_series_is_a_line_between_its_points_and_a_little_beyond() -> None:
    def arrhenius(t: float) -> float:
        return 3 - 6000 / t / math.log(10)

    points = [(t, arrhenius(t)) for t in (370.0, 330.0, 350.0)]
    for t in (330.0, 337.0, 369.0, 374.9, 325.1):
        found = measured_log10(points, t)
        assert found is not None and found.log10_value == pytest.approx(arrhenius(t))
        assert (found.half_range, found.extrapolated_K) == (0, None)
    assert measured_log10(points[:2], 375.1) is None
    assert measured_log10(points, 324.9) is None
    assert measured_log10([(350.0, -1.0)], 352.0) == Measured(-1.0)
    assert measured_log10([], 350.0) is None


def test_the_difference_has_the_errors_of_both() -> None:
    assert log10_difference(0.2, 0.02, Measured(-1.0)) == Estimate(
        pytest.approx(math.log10(2)), pytest.approx(0.1 / math.log(10))
    )
    noisy = log10_difference(0.2, 0.02, Measured(-1.0, 0.3, 80.0))
    assert noisy.error == pytest.approx(math.hypot(0.1 / math.log(10), 0.3))
    assert log10_difference(0.0, 0.1, Measured(-1.0)) == log10_difference(0.2, 0.02, None) == UNKNOWN


def test_above_the_measured_temperatures_a_vtf_curve_is_followed() -> None:
    def vtf(t: float) -> float:
        return math.log10(3.0) - 700 / (t - 205) / math.log(10)

    points = [(t, vtf(t)) for t in (368.0, 330.0, 349.0)]
    found, farther = measured_log10(points, 450.0), measured_log10(points, 520.0)
    assert found is not None and farther is not None
    assert abs(found.log10_value - vtf(450.0)) < found.half_range < min(0.2, farther.half_range)
    assert (found.extrapolated_K, farther.extrapolated_K) == (82.0, 152.0)
    assert measured_log10(points, 300.0) is None
    assert measured_log10(points[:2], 450.0) is None
    assert measured_log10([*points, (235.0, -12.0)], 450.0) is None


def test_conductivities_beside_measured_ones() -> None:
    ours = {330.0: 2 * conductivity_at(1000, 330.0), 298.15: 1e-6, 339.5: 1e-3}
    rows = [row("peo", kelvin=kelvin) for kelvin in ours] + [row("pebax", kelvin=330.0), row("peo", None, 330.0)]
    scalars = {
        r["system"]: {"conductivity": sigma(100 * s, 10 * s)}
        for r, s in zip(rows, [*ours.values(), 1e-3, 1e-3], strict=True)
    }
    masses = {r["system"]: 1073.0 for r in rows}
    found = beside_experiments(pd.DataFrame(rows), scalars, read_measured(MEASURED), NOTHING, masses, {})
    assert {r.system for r in found} == {"peo-eo12-330K-r1", "peo-eo12-298K-r1", "peo-eo12-340K-r1"}
    assert {(r.series, r.measured_molar_mass_g_mol, r.measured_eo_li) for r in found} == {
        ("chain length", 1000.0, "11.76"),
        ("concentration", 2000.0, "11 to 13.5"),
    }
    known = {r.system: r for r in found if r.series == "chain length" and r.route == "nernst_einstein"}
    same = known["peo-eo12-330K-r1"]
    assert same.log10_difference == pytest.approx(math.log10(2))
    assert same.log10_difference_error == pytest.approx(0.1 / math.log(10))
    assert same.ours == pytest.approx(ours[330.0])
    part = (1 / 339.5 - 1 / 330) / (1 / 349 - 1 / 330)
    between = (1 - part) * -3.130 + part * -2.785
    assert known["peo-eo12-340K-r1"].log10_difference == pytest.approx(-3 - between)
    assert known["peo-eo12-298K-r1"].verdict == "outside the measured conditions"
    assert known["peo-eo12-298K-r1"].log10_difference is None
    assert "1000 against 1073 g/mol" in same.what_differs and "amorphous" in same.what_differs
    collective = [r for r in found if r.route == "collective"]
    assert all(r.verdict.startswith("not resolved") and r.log10_difference is None for r in collective)
    means = {of["route"]: of for of in mean_absolute_errors(found) if of["series"] == "chain length"}
    mean = means["nernst_einstein"]
    assert (mean["points"], mean["extrapolated"]) == (2, False)
    assert mean["value"] == pytest.approx((math.log10(2) + abs(-3 - between)) / 2)
    # errors of one laboratory do not average out
    assert mean["error"] == pytest.approx(0.1 / math.log(10))
    assert (means["collective"]["points"], means["collective"]["value"]) == (0, None)


def test_a_hot_box_is_laid_beside_a_curve_and_says_how_far_it_leaves_the_measurements() -> None:
    hot = row("peo", kelvin=500.0)
    scalars = {hot["system"]: {"conductivity": sigma(1.0, 0.1)}}
    found = beside_experiments(
        pd.DataFrame([hot]), scalars, read_measured(MEASURED), NOTHING, {hot["system"]: 1073.0}, {}
    )
    chain = next(r for r in found if r.series == "chain length" and r.route == "nernst_einstein")
    assert chain.extrapolated_K == pytest.approx(132.0)
    assert chain.verdict == "beside a VTF curve that leaves the measured temperatures by 132 K"
    # by hand: the curve through 330, 349 and 368 K has T0 = 239.5 K and gives -1.832 at 500 K
    assert chain.log10_difference is not None and chain.log10_difference_error is not None
    assert abs(chain.log10_difference - (-2 + 1.832)) < chain.log10_difference_error
    assert chain.log10_difference_error == pytest.approx(0.15, abs=0.05)


def test_a_conductivity_that_is_bounded_has_bounds_of_its_difference() -> None:
    measured, rows = read_measured(MEASURED), [row("peo", kelvin=349.0), row("peo", kelvin=500.0)]
    bounds = {
        "value": None,
        "error": None,
        "verdict": "not resolved: motion of Li",
        "lower_bound": 0.1,
        "upper_bound": 10.0,
    }
    scalars = {
        each["system"]: {"conductivity": {"sigma_S_m": {"formal_charges": {"nernst_einstein": bounds}}}}
        for each in rows
    }
    masses = {each["system"]: 1073.0 for each in rows}
    found = [
        r
        for r in beside_experiments(pd.DataFrame(rows), scalars, measured, NOTHING, masses, {})
        if r.route == "nernst_einstein" and r.series == "chain length"
    ]
    for within, beyond in [found]:
        assert (within.ours_low, within.ours_high) == (pytest.approx(1e-3), pytest.approx(0.1))
        # measured at 349 K: -2.785
        assert within.log10_difference_low == pytest.approx(-3 + 2.785)
        assert within.log10_difference_high == pytest.approx(-1 + 2.785)
        assert within.log10_difference is None and within.verdict == "not resolved: motion of Li"
        # at 500 K the curve may be anywhere between -1.84 and -1.54
        assert beyond.log10_difference_low == pytest.approx(-3 + 1.54, abs=0.02)
        assert beyond.log10_difference_high == pytest.approx(-1 + 1.84, abs=0.02)
        assert beyond.extrapolated_K == pytest.approx(132.0)
    one_sided = {"value": None, "error": None, "verdict": "not resolved: motion of Li", "upper_bound": 10.0}
    scalars[rows[0]["system"]]["conductivity"]["sigma_S_m"]["formal_charges"]["nernst_einstein"] = one_sided
    found = beside_experiments(pd.DataFrame(rows[:1]), scalars, measured, NOTHING, masses, {})
    (open_below,) = [r for r in found if r.route == "nernst_einstein" and r.series == "chain length"]
    assert (open_below.ours_low, open_below.log10_difference_low) == (None, None)
    assert open_below.ours_high == pytest.approx(0.1)
    assert open_below.log10_difference_high == pytest.approx(-1 + 2.785)
    assert all(r.ours_high is None and r.log10_difference_high is None for r in found if r.route == "collective")
    # a bound of zero has no logarithm
    one_sided.update(lower_bound=0.0)
    (zero,) = [
        r
        for r in beside_experiments(pd.DataFrame(rows[:1]), scalars, measured, NOTHING, masses, {})
        if r.route == "nernst_einstein" and r.series == "chain length"
    ]
    assert (zero.ours_low, zero.log10_difference_low) == (0.0, None)
    assert zero.log10_difference_high == pytest.approx(-1 + 2.785)


def test_the_measured_table_matches_what_it_was_drawn_from() -> None:
    table = read_measured(MEASURED)
    chains = table[table["series"] == "chain length"].pivot_table(
        index="molar_mass_g_mol", columns="temperature_K", values="log10_sigma_S_cm"
    )
    assert chains.loc[1000].tolist() == [-3.130, -2.785, -2.542]
    assert (chains.diff(axis=1).iloc[:, 1:] > 0).all().all()
    bins = table[table["series"] == "concentration"]
    assert len(chains) == 8 and len(bins) == 24
    assert (
        (bins["quartile_low"].astype(float) <= bins["log10_sigma_S_cm"])
        & (bins["log10_sigma_S_cm"] <= bins["quartile_high"].astype(float))
    ).all()
    assert set(table["status"]) <= {"verified", "recalled"}


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("source", "", r"measured\.csv:3: source is empty"),
        ("temperature_K", " ", r"measured\.csv:3: temperature_K is empty"),
        (
            "molar_mass_g_mol",
            "high",
            r"measured\.csv:3: molar_mass_g_mol: 'high' is not allowed; allowed: a number above 0",
        ),
        ("eo_li_from", "-2", r"measured\.csv:3: eo_li_from: '-2' is not allowed"),
        ("log10_sigma_S_cm", "nan", r"measured\.csv:3: log10_sigma_S_cm: 'nan' is not allowed"),
        ("log10_sigma_S_cm", "1e400", "1e400"),
        ("eo_li_to", "4", r"measured\.csv:3: eo_li_from: 12 is above eo_li_to"),
        ("source", "a,b", r"measured\.csv:3: 11 cells; allowed: 10"),
    ],
)
def test_a_row_of_measured_values_never_drops_out(tmp_path: Path, column: str, cell: str, message: str) -> None:
    cells = {"polymer": "peo", "salt": "litfsi", "series": "chain length", "molar_mass_g_mol": "1000", "eo_li_from": "12",
             "eo_li_to": "12", "temperature_K": "333", "log10_sigma_S_cm": "-3.1", "source": "a paper", "note": ""}  # fmt: skip
    path = tmp_path / "measured.csv"
    path.write_text(f"# a table\n{','.join(cells)}\n{','.join((cells | {column: cell}).values())}\n")
    with pytest.raises(InputError, match=message) as failure:
        read_measured(path)
    assert "\n" not in str(failure.value)
    path.write_text(f"# a table\n{','.join(cells)}\n{','.join(cells.values())}\n")
    assert read_measured(path)["temperature_K"].tolist() == [333.0]


def test_diffusion_is_interpolated_to_our_ratio_within_one_source() -> None:
    table = read_transport(TRANSPORT)
    pesko = table[(table["quantity"] == "D_Li") & (table["source"] == "pesko2017")]
    # by hand: Li/EO 1/12 lies a sixth of the way from 0.08 to 0.10, on a logarithm
    theirs = measured_at(pesko, 12.0, 363.0)
    assert theirs is not None and theirs.half_range == 0
    assert 10**theirs.log10_value == pytest.approx(7.5941e-12 * (4.54613 / 7.5941) ** (1 / 6), rel=1e-5)
    assert measured_at(pesko, 12.5, 367.9) == measured_at(pesko, 12.5, 363.0)
    assert measured_at(pesko, 12.5, 368.1) is None
    assert measured_at(pesko, 6.0, 363.0) is None and measured_at(pesko, 120.0, 363.0) is None
    # two laboratories at one temperature: the spread that a comparison has to bear
    timachova = table[(table["quantity"] == "D_Li") & (table["source"] == "timachova2015")]
    other = measured_at(timachova, 12.5, 363.0)
    same = measured_at(pesko, 12.5, 363.0)
    assert other is not None and same is not None
    assert 10 ** (other.log10_value - same.log10_value) == pytest.approx(1.88, abs=0.01)
    shares = table[table["quantity"] == "D_Li_share"]["value"]
    assert len(shares) == 20 and shares.between(0.12, 0.31).all()
    density = table[table["quantity"] == "density"]
    assert density["log10_half_range"].tolist() == pytest.approx([math.log10(1.02)] * 10)


def beside_363(kelvin: float, **analyses: dict[str, Any]) -> list[Beside]:
    ours = row("peo", kelvin=kelvin)
    scalars = {ours["system"]: analyses}
    return beside_experiments(
        pd.DataFrame([ours]), scalars, read_measured(MEASURED), read_transport(TRANSPORT), {ours["system"]: 1073.0}, {}
    )


def test_diffusion_and_density_beside_every_source_at_its_temperature() -> None:
    motion = {"Li": {"D_m2_s": {"value": 1e-11, "error": 1e-12}, "verdict": "diffusive"},
              "anion": {"D_m2_s": {"value": None, "error": None}, "D_upper_bound_m2_s": 1e-10, "verdict": "sub-diffusive"}}  # fmt: skip
    found = beside_363(363.0, motion=motion, density={"density_g_cm3": {"value": 1.25, "error": 0.01}})
    known = {(r.quantity, r.route, r.source): r for r in found}
    lithium = known["D_Li", "msd", "timachova2015"]
    assert lithium.unit == "m²/s" and lithium.measured is not None
    assert lithium.log10_difference == pytest.approx(math.log10(1e-11 / lithium.measured))
    assert lithium.log10_difference_error == pytest.approx(0.1 / math.log(10))
    assert "NMR" in lithium.what_differs and "; chains of 4000 against 1073 g/mol" in lithium.what_differs
    anion = known["D_anion", "msd", "pesko2017"]
    assert (anion.ours, anion.ours_high, anion.log10_difference) == (None, 1e-10, None)
    assert anion.measured is not None
    assert anion.log10_difference_high == pytest.approx(math.log10(1e-10 / anion.measured))
    # what nobody looked up again says so
    density = known["density", "mean", "villaluenga2018 (unverified)"]
    assert density.log10_difference_error == pytest.approx(
        math.hypot(0.01 / 1.25 / math.log(10), math.log10(1.02)), rel=1e-3
    )
    assert known["D_Li_share", "nernst_einstein", "pesko2017"].verdict.startswith("not resolved")
    assert known["D_Li", "renewal", "pesko2017"].verdict.startswith("not resolved")
    # 358 K is within reach of 363 K, 400 K of neither
    assert ("D_Li", "msd", "oradd2002") in known
    assert {r.quantity for r in beside_363(400.0, motion=motion)} == {"conductivity"}


def test_density_of_replicas_is_their_mean() -> None:
    rows = [row("peo", kelvin=363.0, replicate=n) for n in (1, 2)]
    scalars: dict[str, Any] = {
        each["system"]: {"density": {"density_g_cm3": {"value": value, "error": 0.001}}}
        for each, value in zip(rows, (1.20, 1.30), strict=True)
    }
    scalars["both"] = {"motion": {}}
    found = beside_experiments(
        pd.DataFrame(rows), scalars, read_measured(MEASURED), read_transport(TRANSPORT),
        {each["system"]: 1073.0 for each in rows}, {"both": [each["system"] for each in rows]},
    )  # fmt: skip
    (density,) = [r for r in found if r.quantity == "density"]
    assert density.system == "both" and density.ours == pytest.approx(1.25)
    assert density.ours_error is not None and density.ours_error > 0.05


def compared(n: int, quantity: str, difference: float, measured: float, **other: Any) -> Beside:
    return Beside(
        system=f"system{n}", quantity=quantity, route=other.pop("route", "msd"), temperature_K=363.0, eo_li=12.0,
        chain_molar_mass_g_mol=1073.0, unit="", measured=measured, series="363 K", measured_molar_mass_g_mol=4000.0,
        measured_eo_li="12", source=other.pop("source", "a paper"), log10_difference=difference,
        log10_difference_error=0.1, verdict="compared", what_differs="", **other,
    )  # fmt: skip


def test_the_score_of_a_quantity_has_its_interval_and_rank() -> None:
    generator = np.random.default_rng(3)
    differences, theirs = generator.normal(0, 0.3, 12), 10.0 ** generator.uniform(-12, -10, 12)
    rows = [compared(n, "D_Li", d, m) for n, (d, m) in enumerate(zip(differences, theirs, strict=True))]
    (score,) = mean_absolute_errors(rows)
    assert score["value"] == pytest.approx(np.abs(differences).mean())
    rank = spearmanr(np.log10(theirs) + differences, np.log10(theirs)).statistic
    assert score["rank_correlation"] == pytest.approx(rank)
    assert score["low"] < score["value"] < score["high"] and score["rank_low"] < rank <= score["rank_high"] <= 1
    (few,) = mean_absolute_errors(rows[:3])
    assert few["low"] is None and few["rank_correlation"] is not None
    (constant,) = mean_absolute_errors([replace(one, measured=1e-11, log10_difference=0.1) for one in rows])
    assert constant["rank_correlation"] is None and constant["rank_low"] is None


def test_the_interval_of_the_score_holds_the_true_one_about_as_often_as_it_says() -> None:
    generator, held = np.random.default_rng(11), 0
    for _ in range(100):
        differences = generator.normal(0, 0.4, 16)
        (score,) = mean_absolute_errors([compared(n, "D_Li", d, 1e-11 * (n + 1)) for n, d in enumerate(differences)])
        held += score["low"] <= 0.4 * math.sqrt(2 / math.pi) <= score["high"]
    assert 54 <= held <= 80


def test_overall_a_system_counts_once_a_quantity() -> None:
    rows = [
        compared(1, "D_Li", 0.2, 1e-11, source="one"),
        compared(1, "D_Li", 0.4, 2e-11, source="two"),
        compared(1, "D_Li", 3.0, 1e-11, route="renewal"),
        compared(1, "conductivity", -0.5, 1e-4, route="collective"),
        compared(2, "D_anion", -0.1, 1e-11),
        compared(2, "density", 2.0, 1.3),
        compared(2, "conductivity", 5.0, 1e-4, extrapolated_K=40.0),
    ]
    score = overall(rows)
    assert score.points == 3 and score.value == pytest.approx((0.3 + 0.5 + 0.1) / 3)
    assert score.rank_correlation is None
    assert overall([]).value is None


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("quantity", "D_Na", r"transport\.csv:2: quantity: 'D_Na' is not allowed; allowed: D_Li, D_anion, density"),
        ("status", "", r"transport\.csv:2: status is empty"),
        ("status", "guessed", "allowed: verified, recalled"),
        ("value", "0", r"transport\.csv:2: value: '0' is not allowed; allowed: a number above 0"),
        ("eo_li", "many", r"transport\.csv:2: eo_li: 'many' is not allowed"),
        ("relative_error", "-0.1", r"transport\.csv:2: relative_error: '-0.1' is not allowed"),
    ],
)
def test_a_wrong_row_of_measured_transport_is_named(tmp_path: Path, column: str, cell: str, message: str) -> None:
    cells = {"polymer": "peo", "salt": "litfsi", "quantity": "D_Li", "molar_mass_g_mol": "4000", "eo_li": "12",
             "temperature_K": "363", "value": "1e-11", "relative_error": "", "source": "a paper", "status": "verified"}  # fmt: skip
    path = tmp_path / "transport.csv"
    path.write_text(f"{','.join(cells)}\n{','.join((cells | {column: cell}).values())}\n")
    with pytest.raises(InputError, match=message) as failure:
        read_transport(path)
    assert "\n" not in str(failure.value)
    path.write_text(f"{','.join(cells)}\n{','.join(cells.values())}\n")
    assert read_transport(path)["log10_value"].tolist() == [pytest.approx(-11)]
