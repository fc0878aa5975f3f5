"""Our conductivities beside measured ones."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from eoli.core.statistics import UNKNOWN, Estimate
from eoli.errors import InputError
from eoli.reference.experiments import (
    Measured,
    beside_experiments,
    log10_difference,
    mean_absolute_errors,
    measured_log10,
    read_measured,
)
from scalars import MEASURED, measured_at, row, sigma


def test_a_measured_series_is_a_line_between_its_points_and_a_little_beyond() -> None:
    def arrhenius(t: float) -> float:
        return 3 - 6000 / t / math.log(10)

    points = [(t, arrhenius(t)) for t in (370.0, 330.0, 350.0)]
    for t in (330.0, 337.0, 369.0, 374.9, 325.1):
        found = measured_log10(points, t)
        assert found is not None and found.log10_sigma == pytest.approx(arrhenius(t))
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
    assert abs(found.log10_sigma - vtf(450.0)) < found.half_range < min(0.2, farther.half_range)
    assert (found.extrapolated_K, farther.extrapolated_K) == (82.0, 152.0)
    assert measured_log10(points, 300.0) is None
    assert measured_log10(points[:2], 450.0) is None
    assert measured_log10([*points, (235.0, -12.0)], 450.0) is None


def test_conductivities_beside_measured_ones() -> None:
    ours = {330.0: 2 * measured_at(1000, 330.0), 298.15: 1e-6, 339.5: 1e-3}
    rows = [row("peo", kelvin=kelvin) for kelvin in ours] + [row("pebax", kelvin=330.0), row("peo", None, 330.0)]
    scalars = {
        r["system"]: {"conductivity": sigma(100 * s, 10 * s)}
        for r, s in zip(rows, [*ours.values(), 1e-3, 1e-3], strict=True)
    }
    masses = {r["system"]: 1073.0 for r in rows}
    found = beside_experiments(pd.DataFrame(rows), scalars, read_measured(MEASURED), masses, {})
    assert {r.system for r in found} == {"peo-eo12-330K-r1", "peo-eo12-298K-r1", "peo-eo12-340K-r1"}
    assert {(r.series, r.measured_molar_mass_g_mol, r.measured_eo_li) for r in found} == {
        ("chain length", 1000.0, "11.76"),
        ("concentration", 2000.0, "11 to 13.5"),
    }
    known = {r.system: r for r in found if r.series == "chain length" and r.route == "nernst_einstein"}
    same = known["peo-eo12-330K-r1"]
    assert same.log10_difference == pytest.approx(math.log10(2))
    assert same.log10_difference_error == pytest.approx(0.1 / math.log(10))
    assert same.sigma_S_cm == pytest.approx(ours[330.0])
    part = (1 / 339.5 - 1 / 330) / (1 / 349 - 1 / 330)
    between = (1 - part) * -3.130 + part * -2.785
    assert known["peo-eo12-340K-r1"].log10_difference == pytest.approx(-3 - between)
    assert known["peo-eo12-298K-r1"].verdict == "outside the measured temperatures"
    assert known["peo-eo12-298K-r1"].log10_difference is None
    assert "1000 against 1073 g/mol" in same.what_differs and "amorphous" in same.what_differs
    collective = [r for r in found if r.route == "collective"]
    assert all(r.verdict.startswith("not resolved") and r.log10_difference is None for r in collective)
    means = {of["route"]: of for of in mean_absolute_errors(found) if of["series"] == "chain length"}
    mean = means["nernst_einstein"]
    assert (mean["points"], mean["extrapolated"]) == (2, False)
    assert mean["value"] == pytest.approx((math.log10(2) + abs(-3 - between)) / 2)
    assert mean["error"] == pytest.approx(0.1 / math.log(10) / math.sqrt(2))
    assert (means["collective"]["points"], means["collective"]["value"]) == (0, None)


def test_a_hot_box_is_laid_beside_a_curve_and_says_how_far_it_leaves_the_measurements() -> None:
    hot = row("peo", kelvin=500.0)
    scalars = {hot["system"]: {"conductivity": sigma(1.0, 0.1)}}
    found = beside_experiments(pd.DataFrame([hot]), scalars, read_measured(MEASURED), {hot["system"]: 1073.0}, {})
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
        for r in beside_experiments(pd.DataFrame(rows), scalars, measured, masses, {})
        if r.route == "nernst_einstein" and r.series == "chain length"
    ]
    for within, beyond in [found]:
        assert (within.sigma_low_S_cm, within.sigma_high_S_cm) == (pytest.approx(1e-3), pytest.approx(0.1))
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
    found = beside_experiments(pd.DataFrame(rows[:1]), scalars, measured, masses, {})
    (open_below,) = [r for r in found if r.route == "nernst_einstein" and r.series == "chain length"]
    assert (open_below.sigma_low_S_cm, open_below.log10_difference_low) == (None, None)
    assert open_below.sigma_high_S_cm == pytest.approx(0.1)
    assert open_below.log10_difference_high == pytest.approx(-1 + 2.785)
    assert all(r.sigma_high_S_cm is None and r.log10_difference_high is None for r in found if r.route == "collective")
    # a bound of zero has no logarithm
    one_sided.update(lower_bound=0.0)
    (zero,) = [
        r
        for r in beside_experiments(pd.DataFrame(rows[:1]), scalars, measured, masses, {})
        if r.route == "nernst_einstein" and r.series == "chain length"
    ]
    assert (zero.sigma_low_S_cm, zero.log10_difference_low) == (0.0, None)
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
