"""Arrhenius and VTF fits, against data of known parameters."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import constants
from scipy.optimize import curve_fit, minimize

from eoli.errors import DataError
from eoli.summary.temperature import (
    R_KJ_MOL_K,
    Points,
    activation_table,
    fit_arrhenius,
    fit_vtf,
    predicted_ln,
    preferred,
    usable_points,
)

WIDE = np.array([300.0, 320.0, 340.0, 360.0, 380.0, 400.0, 430.0, 460.0])


def arrhenius(temperature: np.ndarray, energy_kj_mol: float = 40.0) -> np.ndarray:
    return 1e-6 * np.exp(-energy_kj_mol * 1000 / (constants.R * temperature))


def vtf(temperature: np.ndarray, t0: float = 200.0, b: float = 1200.0) -> np.ndarray:
    return 1e-8 * np.exp(-b / (temperature - t0))


def noisy(
    temperature: np.ndarray, values: np.ndarray, relative: float, seed: int, stated: float | None = None
) -> Points:
    noise = np.random.default_rng(seed).normal(0, relative, len(values))
    measured = values * np.exp(noise)
    return usable_points(temperature.tolist(), measured.tolist(), (measured * (stated or relative)).tolist())


def test_recovers_an_exact_line_and_its_standard_error() -> None:
    found = fit_arrhenius(usable_points(WIDE.tolist(), arrhenius(WIDE).tolist(), (0.1 * arrhenius(WIDE)).tolist()))
    x = 1 / WIDE
    error = constants.R / 1000 * 0.1 / math.sqrt(((x - x.mean()) ** 2).sum())
    assert found.activation_energy_kJ_mol.value == pytest.approx(40.0, rel=1e-9)
    assert found.activation_energy_kJ_mol.error == pytest.approx(error, rel=1e-9)
    assert found.activation_energy_eV.value == pytest.approx(40.0 / 96.48533, rel=1e-6)
    np.testing.assert_allclose(found.at([310.0, 410.0]), arrhenius(np.array([310.0, 410.0])), rtol=1e-9)
    assert found.goodness is not None and found.goodness.degrees_of_freedom == 6
    assert found.verdict.startswith("a straight line within the errors")


def test_weights_are_those_of_an_independent_fit() -> None:
    rng = np.random.default_rng(4)
    errors = rng.uniform(0.02, 0.3, len(WIDE))
    values = arrhenius(WIDE) * np.exp(rng.normal(0, errors))
    found = fit_arrhenius(usable_points(WIDE.tolist(), values.tolist(), (values * errors).tolist()))
    reference, covariance = curve_fit(
        lambda t, a, e: a - e / (R_KJ_MOL_K * t), WIDE, np.log(values), [-10.0, 30.0], errors, absolute_sigma=True
    )
    assert found.activation_energy_kJ_mol.value == pytest.approx(reference[1], rel=1e-4)
    assert found.activation_energy_kJ_mol.error == pytest.approx(math.sqrt(covariance[1, 1]), rel=1e-4)


@pytest.mark.parametrize(
    ("temperatures", "stated"),
    [(WIDE, 0.15), (WIDE[::3], 0.15), (WIDE, 0.05)],
    ids=["many", "three", "stated errors three times too small"],
)
def test_the_interval_of_the_energy_covers_68_percent(temperatures: np.ndarray, stated: float) -> None:
    hits = 0
    for seed in range(500):
        found = fit_arrhenius(noisy(temperatures, arrhenius(temperatures), 0.15, seed, stated)).activation_energy_kJ_mol
        assert found.value is not None and found.error is not None
        hits += abs(found.value - 40.0) < found.error
    assert 0.60 < hits / 500 < 0.76


def test_curved_data_are_no_straight_line_and_the_error_says_so() -> None:
    points = noisy(WIDE, vtf(WIDE), 0.02, 1)
    found = fit_arrhenius(points)
    assert found.goodness is not None and found.goodness.poor
    assert found.verdict.startswith("not a straight line within the errors")
    x = 1 / WIDE
    from_points = constants.R / 1000 * 0.02 / math.sqrt(((x - x.mean()) ** 2).sum())
    assert found.activation_energy_kJ_mol.error > 3 * from_points
    assert preferred(found, fit_vtf(points)).verdict == "VTF"


def test_two_temperatures_give_an_energy_that_nothing_tests() -> None:
    few = WIDE[[0, -1]]
    found = fit_arrhenius(noisy(few, arrhenius(few), 0.01, 1))
    assert found.activation_energy_kJ_mol.value == pytest.approx(40.0, abs=1.0)
    assert found.goodness is not None and found.goodness.p_value is None
    assert "nothing tests" in found.verdict
    # two starts at each of two temperatures test the errors, not the line
    twice = np.repeat(few, 2)
    assert "nothing tests" in fit_arrhenius(noisy(twice, arrhenius(twice), 0.01, 1)).verdict


def test_one_temperature_gives_none() -> None:
    found = fit_arrhenius(usable_points([300.0, 300.0], [1.0, 1.1], [0.1, 0.1]))
    assert found.activation_energy_kJ_mol.value is None and found.verdict.startswith("not resolved")
    with pytest.raises(DataError, match="no Arrhenius line"):
        found.at(300.0)


def test_bounds_and_unresolved_values_are_left_out_and_counted() -> None:
    values = arrhenius(WIDE).tolist()
    errors = (0.1 * arrhenius(WIDE)).tolist()
    wanted = fit_arrhenius(usable_points(WIDE[3:].tolist(), values[3:], errors[3:]))
    found = fit_arrhenius(
        usable_points(WIDE.tolist(), [None, math.nan, -1.0, *values[3:]], [None, None, 1.0, *errors[3:]])
    )
    assert (found.points, found.excluded) == (5, 3)
    assert found.activation_energy_kJ_mol == wanted.activation_energy_kJ_mol


def test_recovers_vtf_parameters_within_their_intervals() -> None:
    inside_t0 = inside_energy = 0
    seeds = 300
    for seed in range(seeds):
        found = fit_vtf(noisy(WIDE, vtf(WIDE), 0.02, seed))
        assert found.T0_K.low is not None and found.T0_K.high is not None and found.T0_K.value is not None
        assert found.energy_kJ_mol.low is not None and found.energy_kJ_mol.high is not None
        assert found.T0_K.low < found.T0_K.value < found.T0_K.high
        inside_t0 += found.T0_K.low < 200.0 < found.T0_K.high
        inside_energy += found.energy_kJ_mol.low < 1.2 * constants.R < found.energy_kJ_mol.high
    assert 0.60 < inside_t0 / seeds < 0.76
    assert 0.60 < inside_energy / seeds < 0.76


def test_exact_vtf_data_are_recovered_exactly() -> None:
    values = vtf(WIDE)
    found = fit_vtf(usable_points(WIDE.tolist(), values.tolist(), (1e-3 * values).tolist()))
    assert found.T0_K.value == pytest.approx(200.0, abs=1e-3)
    assert found.energy_kJ_mol.value == pytest.approx(1.2 * constants.R, rel=1e-4)
    assert found.energy_eV.value == pytest.approx(1.2 * constants.R / 96.48533, rel=1e-4)
    np.testing.assert_allclose(found.at([350.0]), vtf(np.array([350.0])), rtol=1e-4)


def test_the_interval_of_t0_is_that_of_a_brute_force_profile() -> None:
    points = noisy(WIDE, vtf(WIDE), 0.05, 3)
    found = fit_vtf(points)

    def chi2(t0: float) -> float:
        design = np.stack([np.ones_like(WIDE), 1 / (WIDE - t0)], axis=1) / 0.05
        return float(np.linalg.lstsq(design, points.ln_value / 0.05)[1][0])

    scan = np.arange(0.0, 299.0, 0.02)
    profile = np.array([chi2(t0) for t0 in scan])
    inside = scan[profile < profile.min() + 1]
    assert found.T0_K.value == pytest.approx(scan[profile.argmin()], abs=0.05)
    assert (found.T0_K.low, found.T0_K.high) == (
        pytest.approx(inside[0], abs=0.05),
        pytest.approx(inside[-1], abs=0.05),
    )


def test_the_interval_of_the_energy_is_that_of_a_brute_force_profile() -> None:
    points = noisy(WIDE, vtf(WIDE), 0.05, 3)
    found = fit_vtf(points)
    energies = np.linspace(0.3 * constants.R, 4.0 * constants.R, 400)
    t0 = np.arange(0.0, 299.0, 0.25)
    # for a given energy and T0 the best prefactor is the mean of what is left
    left = points.ln_value + energies[:, None, None] / (R_KJ_MOL_K * (WIDE - t0[:, None]))
    profile = (((left - left.mean(axis=2, keepdims=True)) / 0.05) ** 2).sum(axis=2).min(axis=1)
    assert found.goodness is not None
    inside = energies[profile < found.goodness.chi2 + 1]
    step = energies[1] - energies[0]
    assert found.energy_kJ_mol.low == pytest.approx(inside[0], abs=1.1 * step)
    assert found.energy_kJ_mol.high == pytest.approx(inside[-1], abs=1.1 * step)


def test_a_narrow_window_does_not_determine_t0() -> None:
    narrow = np.array([330.0, 340.0, 350.0, 360.0])
    found = fit_vtf(usable_points(narrow.tolist(), vtf(narrow).tolist(), (0.2 * vtf(narrow)).tolist()))
    assert found.verdict.startswith("not determined: T0 is not bounded")
    assert found.T0_K.value is None and found.energy_kJ_mol.value is None
    with pytest.raises(DataError, match="no VTF curve"):
        found.at(350.0)


def test_arrhenius_data_leave_t0_without_a_lower_end() -> None:
    exact = fit_vtf(usable_points(WIDE.tolist(), arrhenius(WIDE).tolist(), (0.05 * arrhenius(WIDE)).tolist()))
    assert exact.T0_K.low is None and exact.T0_K.high is not None and exact.T0_K.high < 200
    assert "towards 0 K" in exact.verdict
    # by the meaning of a 68 % interval a sixth of all noisy sets has its lower end above zero
    open_below = sum(fit_vtf(noisy(WIDE, arrhenius(WIDE), 0.05, seed)).T0_K.low is None for seed in range(200))
    assert open_below / 200 > 0.75


def test_falling_values_and_few_temperatures_have_no_vtf() -> None:
    falling = fit_vtf(noisy(WIDE, 1 / arrhenius(WIDE), 0.05, 1))
    assert falling.verdict == "not determined: the values do not rise with temperature"
    three = fit_vtf(noisy(np.repeat(WIDE[:3], 2), arrhenius(np.repeat(WIDE[:3], 2)), 0.05, 1))
    assert three.verdict == "not determined: 3 temperatures with a value; at least 4 are needed"
    for known, said in ((0, "0 temperatures"), (1, "1 temperature")):
        values = arrhenius(WIDE[:3])
        values[known:] = np.nan
        few = fit_arrhenius(usable_points(WIDE[:3].tolist(), values.tolist(), (0.05 * values).tolist()))
        assert few.verdict == f"not resolved: {said} with a value; at least 3 are needed"


def test_preference() -> None:
    straight = noisy(WIDE, arrhenius(WIDE), 0.05, 5)
    line, curve = fit_arrhenius(straight), fit_vtf(straight)
    found = preferred(line, curve)
    assert line.goodness is not None and curve.goodness is not None
    assert found.aicc_arrhenius == pytest.approx(line.goodness.chi2 + 4 + 12 / 5)
    assert found.aicc_vtf == pytest.approx(curve.goodness.chi2 + 6 + 24 / 4)
    assert found.verdict == "Arrhenius"
    four = noisy(WIDE[:4], arrhenius(WIDE[:4]), 0.05, 5)
    assert preferred(fit_arrhenius(four), fit_vtf(four)).verdict == "not resolved: too few points"
    # the straight line is rejected, and AICc asks for so many points that it does not know
    for at in (WIDE[:4], WIDE[:5]):
        bent = noisy(at, vtf(at), 1e-6, 5, stated=0.02)
        line, curve = fit_arrhenius(bent), fit_vtf(bent)
        assert line.goodness is not None and line.goodness.poor
        assert preferred(line, curve).verdict == "VTF"
    wild = noisy(WIDE, arrhenius(WIDE), 1.0, 5, stated=0.01)
    assert preferred(fit_arrhenius(wild), fit_vtf(wild)).verdict == "neither fits within the errors"


def test_bad_input() -> None:
    with pytest.raises(DataError, match="2 temperatures, 1 values, 1 errors"):
        usable_points([300.0, 310.0], [1.0], [0.1])
    with pytest.raises(DataError, match="above 0 K"):
        usable_points([-5.0], [1.0], [0.1])
    with pytest.raises(DataError, match="without error"):
        usable_points([300.0], [1.0], [0.0])


def test_table_of_a_sweep() -> None:
    rows = [
        {"system": f"{polymer}-{temperature:g}", "polymer": polymer, "salt": "litfsi", "eo_li_asked": ratio, "ether_set": "oxy-d", "cation_model": cation,
         "anion_model": "clandp2004", "mixing": "gromos", "ion_charge_scale": 1.0, "chains": 25,
         "temperature_K": temperature, "D_Li_m2_s": value, "D_Li_error_m2_s": None if value is None else 0.05 * value}
        for polymer, ratio, cation, temperatures in (
            ("peo", 12.0, "aqvist", WIDE), ("peo", 12.0, "other", WIDE[:1]),
            ("pebax", 12.0, "aqvist", WIDE[:1]), ("pebax", None, None, WIDE[:2]),
        )
        for temperature, value in zip(temperatures, [None, *arrhenius(temperatures)[1:]], strict=True)
    ]  # fmt: skip
    sweep = pd.DataFrame(rows)
    table = activation_table(sweep)
    assert table[["polymer", "points", "excluded"]].to_numpy().tolist() == [["peo", 7, 1], ["pebax", 1, 1]]
    assert table.loc[0, "activation_energy_kJ_mol"] == pytest.approx(40.0)
    assert math.isnan(table.loc[1, "activation_energy_kJ_mol"])
    assert table["quantity"].tolist() == ["D_Li", "D_Li"]
    # one temperature: no rows, but a table that can be read again
    none = activation_table(sweep[sweep["temperature_K"] == WIDE[0]])
    assert none.empty and "quantity" in none


MEASURED_HOT = np.array([400.0, 450.0, 500.0, 600.0, 700.0])


@pytest.mark.parametrize("true", [arrhenius, vtf], ids=["Arrhenius", "VTF"])
@pytest.mark.parametrize("temperature", [363.0, 550.0])
@pytest.mark.parametrize("relative", [0.05, 0.3])
def test_a_value_at_another_temperature_is_in_its_interval_as_often_as_it_says(
    true: Callable[[np.ndarray], np.ndarray], temperature: float, relative: float
) -> None:
    hits = 0
    expected = math.log(true(np.array([temperature]))[0])
    for seed in range(300):
        found = predicted_ln(noisy(MEASURED_HOT, true(MEASURED_HOT), relative, seed), temperature)
        assert found.high is not None
        hits += (-math.inf if found.low is None else found.low) < expected < found.high
    assert 0.60 < hits / 300 < 0.78


def test_the_ends_of_a_value_at_another_temperature_are_those_of_a_constrained_fit() -> None:
    """By scipy's minimiser: with the value held at an end, the best curve is worse by 1 in chi-squared."""
    points = noisy(MEASURED_HOT, vtf(MEASURED_HOT, 150.0), 0.1, 4)
    found = predicted_ln(points, 363.0)
    assert found.value is not None and found.low is not None and found.high is not None

    def chi2(of: np.ndarray, held: float | None) -> float:
        t0, slope = of[0], of[1] * 1000
        intercept = of[2] if held is None else held + slope / (363.0 - t0)
        return float(
            (((points.ln_value - intercept + slope / (points.temperature_K - t0)) / points.ln_error) ** 2).sum()
        )

    def least(held: float | None) -> float:
        starts = [np.array([t0, 1.2, -18.0]) for t0 in (50.0, 150.0, 250.0)]
        bounds = [(0.0, 362.0), (0.0, 20.0), (-60.0, 20.0)]
        return min(float(minimize(chi2, start, (held,), bounds=bounds, method="Nelder-Mead",
                                  options={"maxiter": 5000, "xatol": 1e-8, "fatol": 1e-8}).fun) for start in starts)  # fmt: skip

    best = least(None)
    assert least(found.value) == pytest.approx(best, abs=1e-3)
    for end in (found.low, found.high):
        assert least(end) == pytest.approx(best + 1, abs=0.02)


@pytest.mark.parametrize("temperature", [300.0, 363.0, 550.0, 900.0])
@pytest.mark.parametrize("relative", [0.2, 0.6, 2.0])
def test_no_curve_falls_with_temperature(temperature: float, relative: float) -> None:
    """The upper end against a plain search over curves: any T0, any offset, any slope that is not positive."""
    points = noisy(MEASURED_HOT, arrhenius(MEASURED_HOT, 10.0), relative, 5)
    found = predicted_ln(points, temperature)
    assert found.value is not None and found.high is not None
    error = (points.ln_error**-2).sum() ** -0.5
    values, chi2 = [], []
    for t0 in np.linspace(0, min(400.0, temperature) - 1, 150):
        x, x_at = 1 / (points.temperature_K - t0), 1 / (temperature - t0)
        for slope in -np.concatenate([[0.0], np.geomspace(1, 1e5, 400)]):
            best = np.average(points.ln_value - slope * x, weights=points.ln_error**-2)
            offsets = best + np.linspace(-3, 3, 61)[:, None] * error
            chi2.append((((points.ln_value - offsets - slope * x) / points.ln_error) ** 2).sum(axis=1))
            values.append(offsets[:, 0] + slope * x_at)
    allowed = np.concatenate(values)[np.concatenate(chi2) <= np.concatenate(chi2).min() + 1]
    width = found.high - found.value
    assert allowed.max() == pytest.approx(found.high, abs=0.1 * width)
    assert allowed.max() < found.high + 0.02 * width


def test_a_value_far_below_poor_data_has_no_lower_end() -> None:
    found = predicted_ln(noisy(MEASURED_HOT, vtf(MEASURED_HOT, 260.0), 0.6, 2), 300.0)
    assert found.low is None and found.high is not None
    two = predicted_ln(noisy(WIDE[:2], arrhenius(WIDE[:2]), 0.1, 2), 300.0)
    assert (two.value, two.low, two.high) == (None, None, None)
