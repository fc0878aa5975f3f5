"""Glass transitions of volume curves with a known one, with none, and with one out of sight; the table beside them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eoli.analysis.glass import fit as glass
from eoli.analysis.glass.analyse import analyse_specific_volume
from eoli.analysis.glass.fit import (
    combined,
    expected_shift_K,
    fit_curve,
    fit_glass_transition,
    fit_mean,
    volume_at,
    volume_curve,
)
from eoli.core.units import GRAM_PER_MOL_NM3
from eoli.errors import DataError, InputError
from eoli.figures.glass import figure_glass_transition
from eoli.reference.experiments import measured_Tg_K
from eoli.reference.model import Value, read_reference
from eoli.study.annealing import plateaus
from eoli.study.config import load_study
from eoli.study.criteria import SpecificVolumeCriteria
from eoli.study.systems import systems_of
from eoli.summary.glass_transition import glass_table, read_coolings, volumes_file
from eoli.topology.description import to_json
from support import ROOT
from synthetic import synthetic_study
from synthetic_trajectories import MASS_G_MOL, linear_chains

KELVIN = np.linspace(450, 150, 21)


def hyperbola(kelvin: np.ndarray, tg: float = 270.0, width: float = 0.0) -> np.ndarray:
    """Specific volume, cm3/g, with the expansions of a polymer."""
    x = kelvin - tg
    return np.asarray(0.85 + 2e-4 * x + 5e-4 * 0.5 * (x + np.sqrt(x**2 + width**2)))


def curve(volume: np.ndarray, error: float, kelvin: np.ndarray = KELVIN) -> pd.DataFrame:
    return pd.DataFrame(
        {"temperature_K": kelvin, "specific_volume_cm3_g": volume, "specific_volume_error_cm3_g": error}
    )


def noisy(volume: np.ndarray, error: float, seed: int) -> np.ndarray:
    return np.asarray(volume + error * np.random.default_rng(seed).normal(size=len(volume)))


@pytest.mark.parametrize("width", [0.0, 30.0, 60.0])
def test_an_exact_hyperbola_is_found(width: float) -> None:
    volume = hyperbola(KELVIN, 275.0, width) + 1e-7 * np.cos(np.arange(21))
    found = fit_glass_transition(KELVIN, volume, np.full(21, 1e-7))
    assert found.verdict == "resolved" and found.temperature_K.value == pytest.approx(275, abs=1)
    assert found.width_K == pytest.approx(width, abs=8)
    assert found.expansion_glass == pytest.approx(2e-4, rel=0.05)
    assert found.expansion_melt == pytest.approx(7e-4, rel=0.05)
    assert found.at(KELVIN, volume_at(found, curve(volume, 1e-7))) == pytest.approx(volume, abs=2e-4)


@pytest.mark.parametrize(("error", "width"), [(1e-3, 0.0), (1e-3, 30.0)])
def test_the_interval_holds_the_truth_as_often_as_it_says(error: float, width: float) -> None:
    held, resolved = 0, 0
    for seed in range(100):
        found = fit_glass_transition(KELVIN, noisy(hyperbola(KELVIN, 270, width), error, seed), np.full(21, error))
        interval = found.temperature_K
        if interval.low is not None and interval.high is not None:
            resolved += 1
            held += interval.low <= 270 <= interval.high
    assert resolved >= 90
    assert 0.55 < held / resolved < 0.85


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        (lambda kelvin: 0.85 + 7e-4 * (kelvin - 300), "a straight line describes the volumes as well"),
        (lambda kelvin: 0.85 + 6e-4 * (kelvin - 300) + 6e-7 * (kelvin - 300) ** 2, "a parabola describes"),
        (lambda kelvin: 0.85 * np.exp(4e-4 * (kelvin - 300) + 4e-7 * (kelvin - 300) ** 2), "describes"),
        (lambda kelvin: 1.7 - hyperbola(kelvin), "describes the volumes as well"),
    ],
    ids=["line", "parabola", "smooth melt", "bend the other way"],
)
def test_without_a_transition_there_is_none(shape, says: str) -> None:  # type: ignore[no-untyped-def]
    verdicts = []
    for seed in range(40):
        found = fit_glass_transition(KELVIN, noisy(shape(KELVIN), 5e-4, seed), np.full(21, 5e-4))
        assert found.temperature_K.value is None or found.verdict == "resolved"
        verdicts.append(found.verdict)
    assert sum("not resolved: " in text and says in text for text in verdicts) >= 38


def test_a_bend_as_wide_as_the_scan_is_none() -> None:
    # a cooling of PEO with salt, 1e-3 cm3/g (docs/results, peo-eo12-540K-r2): 446 K otherwise, beside 285 K of another one
    kelvin = np.arange(540.0, 149, -15)
    volume = 1e-3 * np.array([
        891.3, 888.2, 872.4, 866.1, 850.4, 843.7, 839.7, 827.8, 821.6, 820.5, 811.8, 808.4, 797.3, 793.5,
        790.0, 783.7, 783.2, 780.0, 775.8, 773.4, 770.7, 768.2, 766.5, 762.5, 760.6, 759.1, 757.2,
    ])  # fmt: skip
    error = 1e-3 * np.array([
        1.5, 1.2, 1.5, 2.5, 1.6, 1.0, 1.4, 1.7, 1.0, 1.4, 0.8, 0.8, 2.3, 0.6,
        0.8, 1.0, 0.7, 0.6, 0.4, 0.5, 0.4, 0.3, 0.3, 0.3, 0.3, 0.3, 0.2,
    ])  # fmt: skip
    found = fit_curve(curve(volume, 1e-3, kelvin).assign(specific_volume_error_cm3_g=error))
    assert found.verdict.startswith("not resolved: no bend is found but one as wide as half of the range")
    assert found.temperature_K.value is None and found.width_K is None


@pytest.mark.parametrize("tg", [165.0, 440.0])
def test_a_transition_at_an_end_is_not_resolved(tg: float) -> None:
    found = fit_glass_transition(KELVIN, noisy(hyperbola(KELVIN, tg), 5e-4, 1), np.full(21, 5e-4))
    assert found.temperature_K.value is None and found.verdict.startswith("not resolved: ")


def test_a_bend_that_is_not_resolved_has_bounds() -> None:
    """Where it would be if there was one: they hold the truth when there is, as often as an interval does."""
    held, unresolved = 0, 0
    for seed in range(150):
        found = fit_glass_transition(KELVIN, noisy(hyperbola(KELVIN, 300, 60), 3e-3, seed), np.full(21, 3e-3))
        if found.temperature_K.value is None:
            unresolved += 1
            low, high = found.temperature_K.low, found.temperature_K.high
            held += (low is None or low <= 300) and (high is None or high >= 300)
    assert unresolved >= 100
    assert 0.55 < held / unresolved < 0.85


@pytest.mark.parametrize(("tg", "bounded"), [(165.0, "high"), (440.0, "low")])
def test_a_bend_at_an_end_is_bounded_on_one_side(tg: float, bounded: str) -> None:
    found = fit_glass_transition(KELVIN, noisy(hyperbola(KELVIN, tg), 3e-5, 1), np.full(21, 3e-5)).temperature_K
    ends = {"low": found.low, "high": found.high}
    assert [name for name, end in ends.items() if end is not None] == [bounded]


def test_errors_that_are_too_small_widen_the_interval() -> None:
    volume = noisy(hyperbola(KELVIN), 1e-3, 4)
    honest = fit_glass_transition(KELVIN, volume, np.full(21, 1e-3)).temperature_K
    proud = fit_glass_transition(KELVIN, volume, np.full(21, 1e-4)).temperature_K
    assert None not in (honest.low, honest.high, proud.low, proud.high)
    assert proud.high - proud.low > 0.7 * (honest.high - honest.low)  # type: ignore[operator]


def test_few_temperatures_and_bad_errors() -> None:
    assert "7 temperatures; at least 8" in fit_glass_transition(KELVIN[:7], KELVIN[:7], np.ones(7)).verdict
    with pytest.raises(DataError, match="positive errors"):
        fit_glass_transition(KELVIN, KELVIN, np.zeros(21))


def test_an_error_that_is_small_by_chance_does_not_decide() -> None:
    error = np.full(21, 1e-3)
    volume = noisy(hyperbola(KELVIN), 1e-3, 6)
    error[3], volume[3] = 1e-6, volume[3] + 5e-3
    table = curve(volume, 0.0)
    table["specific_volume_error_cm3_g"] = error
    assert fit_curve(table) == fit_glass_transition(KELVIN, volume, np.full(21, 1e-3))


def test_coolings_that_differ_widen_the_interval() -> None:
    curves = [curve(noisy(hyperbola(KELVIN, tg), 3e-4, 9), 3e-4) for tg in (250.0, 290.0)]
    own = [fit_curve(each) for each in curves]
    found, error = combined(curves, own)
    assert found.temperature_K.value == pytest.approx(270, abs=8)
    assert error == pytest.approx(20, abs=4)
    assert found.temperature_K.high - found.temperature_K.low > 60  # type: ignore[operator]
    assert combined(curves[:1], own[:1]) == (own[0], None)


def test_a_bend_that_not_every_cooling_has_is_that_of_their_mean() -> None:
    bent = curve(noisy(hyperbola(KELVIN, 290), 3e-4, 9), 3e-4)
    straight = curve(noisy(0.85 + 7e-4 * (KELVIN - 300), 3e-4, 2), 3e-4)
    one_each, error = combined([bent, straight], [fit_curve(bent), fit_curve(straight)])
    assert one_each.verdict == "not resolved: the bend may lie anywhere in half of the range"
    assert error is not None and error > 30
    more = [curve(noisy(hyperbola(KELVIN, tg), 3e-4, int(tg)), 3e-4) for tg in (285.0, 290.0, 295.0, 300.0)]
    all_six, error = combined([*more, bent, straight], [fit_curve(each) for each in (*more, bent, straight)])
    assert all_six.temperature_K.value == pytest.approx(292, abs=6) and error is not None and error < 10
    assert all_six.expansion_melt == pytest.approx(7e-4, rel=0.05)
    with pytest.raises(DataError, match="the same temperatures"):
        fit_mean([bent, bent.assign(temperature_K=KELVIN + 1)])


@pytest.mark.parametrize(("coolings", "scatter_K"), [(2, 10.0), (4, 15.0), (6, 30.0)])
def test_the_mean_of_coolings_holds_the_truth_as_often_as_it_says(coolings: int, scatter_K: float) -> None:
    """Each froze at a temperature of its own, and its glass expands as it happened to."""
    held, resolved = 0, 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        curves = [
            curve(noisy(hyperbola(KELVIN, tg, 40) + slope * np.minimum(KELVIN - tg, 0), 5e-4, seed * 10 + n), 5e-4)
            for n, (tg, slope) in enumerate(random.normal([300, 0], [scatter_K, 2e-5], size=(coolings, 2)))
        ]
        interval = fit_mean(curves)[0].temperature_K
        if interval.value is not None and interval.low is not None and interval.high is not None:
            resolved += 1
            held += interval.low <= 300 <= interval.high
    assert resolved >= 50
    assert 0.57 < held / resolved < 0.82


def test_the_mean_of_coolings_without_a_bend_has_none() -> None:
    for seed in range(20):
        random = np.random.default_rng(seed)
        curves = [
            curve(noisy(0.85 + a * (KELVIN - 300) + b * (KELVIN - 300) ** 2, 1e-3, seed * 10 + n), 1e-3)
            for n, (a, b) in enumerate(random.normal([6e-4, 6e-7], [2e-5, 1e-7], size=(6, 2)))
        ]
        assert fit_mean(curves)[0].temperature_K.value is None


def test_volumes_of_plateaus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    course = plateaus(450, 150, 15, 2100)
    time = np.arange(0, 2100.1, 0.5)
    kelvin = np.interp(time, [p.to_ps for p in course], [p.temperature_K for p in course])
    held = np.full(len(time), math.nan)
    for plateau in course:
        held[(time >= plateau.from_ps) & (time <= plateau.to_ps)] = plateau.temperature_K
    wobble = 0.002 * np.random.default_rng(3).normal(size=len(time))
    volume = hyperbola(np.where(np.isnan(held), kelvin, held)) + wobble
    terms = {"Time": time, "Volume": volume * MASS_G_MOL / GRAM_PER_MOL_NM3}
    monkeypatch.setattr(glass, "read_energies", lambda _, **__: terms)
    found = volume_curve(tmp_path / "md.edr", MASS_G_MOL, course)
    assert found["temperature_K"].tolist() == pytest.approx(KELVIN)
    off = (found["specific_volume_cm3_g"] - hyperbola(KELVIN)) / found["specific_volume_error_cm3_g"]
    assert np.abs(off).max() < 4 and off.std() < 2
    description = tmp_path / "system.json"
    description.write_text(to_json(linear_chains(1)))
    criteria = SpecificVolumeCriteria(from_K=450, to_K=150, step_K=15, length_ns=2.1)
    analyse_specific_volume(tmp_path / "md.edr", description, criteria, tmp_path / "v.csv", tmp_path / "v.json")
    scalars = json.loads((tmp_path / "v.json").read_text())
    assert scalars["cooling_rate_K_per_s"] == pytest.approx(1.5e11)
    assert scalars["glass_transition"]["temperature_K"]["value"] == pytest.approx(270, abs=3)
    with pytest.raises(DataError, match="0 energies at 140 K"):
        volume_curve(tmp_path / "md.edr", MASS_G_MOL, [*course, type(course[0])(140.0, 2110.0, 2200.0)])


def test_the_expected_shift_against_the_wlf_equation() -> None:
    low, high = expected_shift_K(1.5e11)
    decades = math.log10(1.5e11 / (10 / 60))
    assert low == pytest.approx(51.6 / 17.44 * decades)
    assert 17.44 * high / (51.6 + high) == pytest.approx(decades)
    assert expected_shift_K(10 / 60) == (0, 0)
    assert expected_shift_K(1e17)[1] == math.inf
    with pytest.raises(DataError, match="above zero"):
        expected_shift_K(-1)


def test_the_table_of_a_sweep(tmp_path: Path) -> None:
    sweep = [
        {"polymer": "peo", "salt": "none", "temperature_K": 450, "replicate": [1, 2]},
        {"polymer": "peo", "eo_li": 12, "temperature_K": 450},
        {"polymer": "pebax", "eo_li": 10, "temperature_K": 450},
    ]
    cooling = load_study([ROOT / "config/config.yaml", ROOT / "config/cases/tg.yaml"], ROOT, {"sweep": sweep})
    straight = 0.85 + 7e-4 * (KELVIN - 300)
    volumes = [hyperbola(KELVIN), hyperbola(KELVIN), hyperbola(KELVIN, 350), straight]
    for n, (name, volume) in enumerate(zip(systems_of(cooling), volumes, strict=True)):
        path = volumes_file(tmp_path, name)
        path.parent.mkdir(parents=True)
        curve(noisy(volume, 3e-4, n), 3e-4).to_csv(path, index=False)
    cooled = read_coolings(cooling, tmp_path)
    with pytest.raises(InputError, match=r"analysis\.cooling_stage is not set"):
        read_coolings(synthetic_study(), tmp_path)
    study = read_reference(ROOT / "config/reference/ma2022.yaml")
    tg = next(entry for entry in study.numbers if entry.id == "glass-transition")
    measured = [Value(polymer="peo", value=-54.1), Value(polymer="peo", eo_li=12, value=-39.5)]
    reference = study.model_copy(update={"numbers": [tg.model_copy(update={"systems": measured})]})
    measured_K = [measured_Tg_K(reference, entry.system) for entry in cooled]
    table = glass_table(cooled, measured_K).set_index("system")
    # of another salt the same ratio is another liquid
    others = reference.model_copy(update={"salt": "lifsi"})
    assert [measured_Tg_K(others, entry.system) for entry in cooled] == [measured_K[0], None, None]
    neat, salty, without = (table.loc[name] for name in ("peo-neat-450K", "peo-eo12-450K", "pebax-eo10-450K"))
    assert (neat.coolings, salty.coolings) == (2, 1)
    assert neat.measured_Tg_K == pytest.approx(219.05)
    assert neat.above_measured_K == pytest.approx(51, abs=3)
    assert neat.beside_measured == "above the measured one as so fast a cooling should be"
    assert salty.beside_measured == "more above the measured one than so fast a cooling explains"
    assert pd.isna(without.Tg_K) and without.beside_measured.startswith("not resolved: a straight line")
    assert pd.isna(without.measured_Tg_K)
    files = figure_glass_transition(cooled, measured_K, tmp_path / "glass")
    assert all(path.stat().st_size > 5000 for path in files)
    assert "Tg not resolved" in files[0].read_text()
