"""Displacements at equal lag against walkers with a known ratio: lags, errors, probabilities, tables."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import integrate, stats

from eoli.analysis.displacement.analyse import curve_of_run
from eoli.analysis.displacement.compared import (
    UNSETTLED,
    Logarithm,
    compared,
    logarithm,
    usable,
)
from eoli.analysis.displacement.curves import Curve, Trend, common_grid, ps_of, trend_of
from eoli.analysis.displacement.ratio import DECIDED, Ratio, ranking_of, ratio_of
from eoli.study.lags import CLOSE, INDEPENDENT_ORIGINS, REPLICAS, around, closest, lag_of_frames, within_reach
from synthetic_trajectories import fractional

CASES = 200
# Hurst exponents: an MSD linear in time, and one that grows with its root, as that of a Rouse bead
BROWNIAN, ROUSE = 0.5, 0.25


def curve_of_walk(
    random: np.random.Generator, hurst: float, scale: float = 1.0, steps: int = 400, particles: int = 20, shared: float = 0.0,
    interval_ps: float = 1.0, slows: float = 0.0,
) -> Curve:  # fmt: skip
    """Curve of walkers with an MSD of 3 scale lag^(2 hurst), of which all have a part `shared` in common.

    With `slows` their steps change in the course of the run.
    """
    paths = fractional(steps + 1, particles, hurst, math.sqrt(scale * (1 - shared)), random)
    if shared:
        paths = paths + fractional(steps + 1, 1, hurst, math.sqrt(scale * shared), random)
    if slows:
        # steps become shorter, so that the MSD of the end is `slows` times that of the beginning
        falling = np.sqrt(slows ** np.linspace(0, 1, steps))[:, None, None]
        paths = np.concatenate([paths[:1], paths[:1] + np.cumsum(np.diff(paths, axis=0) * falling, axis=0)])
    return curve_of_run(paths, interval_ps, "Li")


@pytest.mark.parametrize("steps", [(200,), (200, 230), (200, 200, 200), (60, 200, 240), (19,) * 8, (5,)])
def test_lags_within_reach_are_those_that_runs_of_these_lengths_have(steps: tuple[int, ...]) -> None:
    random = np.random.default_rng(11)
    curves = [curve_of_walk(random, BROWNIAN, steps=number, interval_ps=2.0) for number in steps]
    assert within_reach([2.0 * number for number in steps], 2.0) == [ps_of(lag) for lag in sorted(usable(curves))]


def at_largest_lag(starts: Sequence[Curve]) -> Logarithm:
    places = usable(starts)
    return logarithm(starts, places[max(places)])


def ratios(seed: int, logs: Sequence[float], hurst: float, starts: int, shared: float = 0.0) -> list[Ratio]:
    """A ratio for each of the true logarithms."""
    random = np.random.default_rng(seed)
    # the errors of blocks need a run; the scatter of starts does not
    steps, particles = (400, 20) if starts < REPLICAS else (60, 10)

    def system(scale: float) -> Logarithm:
        walks = [curve_of_walk(random, hurst, scale, steps, particles, shared) for _ in range(starts)]
        return at_largest_lag(walks)

    return [ratio_of(system(math.exp(log)), system(1.0)) for log in logs]


def held(found: Sequence[Ratio], log: float) -> float:
    """Share of the 68 % intervals that hold the true ratio."""
    return float(np.mean([of.interval[0] <= math.exp(log) <= of.interval[1] for of in found]))


def test_runs_of_all_lengths_have_the_same_lags() -> None:
    assert common_grid(41).tolist() == [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20]
    long = common_grid(100_001)
    assert long[-1] == 50_000 and set(common_grid(1001)) <= set(long)
    assert common_grid(2).tolist() == [1] and common_grid(1).tolist() == []
    for factor in (2, 3, 5):
        # a run whose frames are so much farther apart shares lags in every decade
        shared = set(long) & set(factor * common_grid(100_001 // factor))
        assert all(any(10**k <= lag < 10 ** (k + 1) for lag in shared) for k in range(1, 5))


def test_a_lag_that_is_asked_for_is_one_of_the_run_or_none() -> None:
    lags = common_grid(200_001).tolist()
    for frames in (0.4, 1.0, 2.0, 3.5, 17.0, 80.0, 81.0, 99.0, 1234.0):
        below, above = around(frames * 0.3, 0.3)
        assert (below, above) == (
            (max(lag for lag in lags if lag <= frames + 1e-9), min(lag for lag in lags if lag > frames + 1e-9))
            if frames >= 1
            else (1, 2)
        )
    # neighbours are too far apart for two of them to be close
    for frames in np.geomspace(1, 50_000, 500):
        close = [lag for lag in lags if abs(lag - frames) <= CLOSE * frames]
        assert len(close) <= 1 and closest(lags, frames) == (close[0] if close else None)
        found = lag_of_frames(frames * 0.3, 0.3)
        assert found == (pytest.approx(close[0] * 0.3) if close else None)


def test_systems_are_compared_at_the_lag_that_is_asked_for() -> None:
    random = np.random.default_rng(31)
    curves = {
        name: {"Li": curve_of_walk(random, ROUSE, steps=steps, interval_ps=interval)}
        for name, interval, steps in (("a", 1.0, 400), ("b", 1.0, 800), ("c", 1.0, 100), ("d", 0.99, 400))
    }
    usual = compared({"a": ["a"], "b": ["b"]}, curves, "Li")
    assert usual.lag is not None and ps_of(usual.lag) == 40.0 and usual.lag == max(usual.lags)
    for asked, lag in ((20.0, 20.0), (19.5, 20.0), (40.0, 40.0), (1.0, 1.0)):
        found = compared({"a": ["a"], "b": ["b"]}, curves, "Li", asked)
        assert found.lag is not None and ps_of(found.lag) == lag and found.lags == usual.lags
        # as it stands in the curves
        k = int(np.flatnonzero(curves["a"]["Li"].lags == found.lag)[0])
        log = found.at("a", found.lag)
        assert (log.value, log.error) == (curves["a"]["Li"].values[k], curves["a"]["Li"].errors[k])
    # a run that is too short there is left out, and does not hold back the others
    found = compared({"a": ["a"], "b": ["b"], "c": ["c"]}, curves, "Li", 20.0)
    assert found.lag == 20_000_000 and set(found.starts) == {"a", "b"}
    assert found.why_not("c", "a") == (
        "c: no lag within 5% of 20 ps with 10 independent origins and an error (it has 1 to 10 ps)"
    )
    beyond = compared({"a": ["a"], "b": ["b"]}, curves, "Li", 80.0)
    assert beyond.why_not("b") == "" and "a" in beyond.lacking
    # 20 frames of each are close to what is asked, but not the same
    assert compared({"a": ["a"], "d": ["d"]}, curves, "Li", 20.0).why_not("a", "d") == (
        "no lag within 5% of 20 ps that all have with 10 independent origins: a has 1 to 40 ps, d has 0.99 to 39.6 ps"
    )


def test_whether_a_run_has_settled_is_judged_by_the_error_at_the_lag() -> None:
    curve = curve_of_walk(np.random.default_rng(32), BROWNIAN)
    at = {int(lag): float(error) for lag, error in zip(curve.lags, curve.errors, strict=True)}
    between = (at[1_000_000] + at[40_000_000]) / 2
    assert at[1_000_000] < between < at[40_000_000]
    curves = {"a": {"Li": dataclasses.replace(curve, trend=Trend(between, between / 4, 1e-4))}}
    assert "a has not settled" in compared({"a": ["a"]}, curves, "Li", 1.0).why_not("a")
    assert compared({"a": ["a"]}, curves, "Li", 40.0).why_not("a") == ""
    assert compared({"a": ["a"]}, curves, "Li").why_not("a") == ""


def test_an_msd_at_a_lag_is_that_of_a_plain_loop() -> None:
    paths = fractional(61, 4, ROUSE, 2.0, np.random.default_rng(3))
    curve = curve_of_walk(np.random.default_rng(3), ROUSE, 4.0, 60, 4)
    for k, lag in enumerate(np.array(curve.lags) // 10**6):
        squares = [((paths[t + lag] - paths[t]) ** 2).sum(axis=1).mean() for t in range(len(paths) - lag)]
        assert curve.values[k] == pytest.approx(math.log(np.mean(squares)))
        assert curve.origins[k] == 60 // lag
    assert np.isnan(curve.errors[curve.origins < INDEPENDENT_ORIGINS]).all()
    assert np.isnan(curve_of_walk(np.random.default_rng(2), ROUSE, particles=1).errors).all()


# blocks: the larger of two estimates is a little too large where both are right, so it holds more for free particles
@pytest.mark.parametrize(
    ("hurst", "starts", "shared", "at_most"),
    [(ROUSE, 1, 0.0, 0.76), (ROUSE, 1, 0.3, 0.76), (BROWNIAN, 1, 0.0, 0.80), (BROWNIAN, 1, 0.3, 0.76),
     (ROUSE, 3, 0.3, 0.76), (BROWNIAN, 3, 0.0, 0.76), (BROWNIAN, 5, 0.0, 0.76)],
)  # fmt: skip
def test_the_interval_holds_the_known_ratio(hurst: float, starts: int, shared: float, at_most: float) -> None:
    log = math.log(1.3)
    found = ratios(11, [log] * CASES, hurst, starts, shared)
    assert 0.60 <= held(found, log) <= at_most
    assert np.mean([of.log for of in found]) == pytest.approx(
        log, abs=4 * np.std([of.log for of in found]) / CASES**0.5
    )


def test_two_starts_hold_it_more_often() -> None:
    assert held(ratios(12, [0.2] * 100, ROUSE, 2), 0.2) > 0.68


@pytest.mark.parametrize(("hurst", "starts", "shared"), [(ROUSE, 1, 0.3), (ROUSE, 3, 0.0)])
def test_a_probability_is_how_often_it_is_right(hurst: float, starts: int, shared: float) -> None:
    random = np.random.default_rng(4)
    # wide beside the errors, so that neither order is likely beforehand
    logs = random.uniform(-0.5, 0.5, 300)
    found = ratios(5, logs, hurst, starts, shared)
    stated = np.array([max(of.probability_larger, 1 - of.probability_larger) for of in found])
    right = np.array([(of.log > 0) == (log > 0) for of, log in zip(found, logs, strict=True)])
    for low, high in ((0.5, 0.8), (0.8, 0.97), (0.5, 1.0)):
        of = (stated >= low) & (stated <= high)
        binomial = math.sqrt(stated[of].mean() * (1 - stated[of].mean()) / of.sum())
        assert of.sum() > 20 and abs(right[of].mean() - stated[of].mean()) < 3 * binomial + 0.03


def test_equal_systems_have_a_ratio_of_one_and_no_order() -> None:
    one = at_largest_lag([curve_of_walk(np.random.default_rng(6), ROUSE)])
    same = ratio_of(one, one)
    assert (same.value, same.probability_larger, same.verdict) == (1.0, 0.5, "not decided")
    ranked = ranking_of([one, one, one])
    assert ranked.best == pytest.approx((1 / 3, 1 / 3, 1 / 3), abs=0.01)
    assert ranked.of_order == pytest.approx(1 / 6, abs=0.01) and ranked.verdict == "not decided"
    for starts, shared in ((1, 0.0), (3, 0.3)):
        decided = [of.verdict != "not decided" for of in ratios(7, [0.0] * CASES, ROUSE, starts, shared)]
        by_chance = 2 * (1 - DECIDED)
        assert np.mean(decided) <= by_chance + 3 * math.sqrt(by_chance * (1 - by_chance) / CASES)


def test_nothing_that_moves_without_error_is_decided_by_rounding() -> None:
    still = Logarithm(0.5, 0.0, 2, 10, True)
    assert ratio_of(still, still).verdict == "not decided"
    assert ranking_of([still, still]).of_order in (0.5, 1.0)


def test_two_systems_rank_as_their_ratio_says() -> None:
    for errors, freedoms in (((0.1, 0.2), (2, 4)), ((0.05, 0.1), (49, 2))):
        first, second = (Logarithm(v, e, f, 10, True) for v, e, f in zip((0.15, 0.0), errors, freedoms, strict=True))
        # by hand: Welch's test
        variances = np.array(errors) ** 2
        freedom = variances.sum() ** 2 / (variances**2 / np.array(freedoms)).sum()
        expected = stats.t.cdf(0.15 / math.sqrt(variances.sum()), freedom)
        assert ratio_of(first, second).probability_larger == pytest.approx(expected)
        assert ranking_of([first, second]).best[0] == pytest.approx(expected, abs=0.01)


def test_the_best_of_several_by_an_integral() -> None:
    values, errors = (0.3, 0.2, 0.0), (0.1, 0.2, 0.15)
    ranked = ranking_of([Logarithm(v, e, 1e9, 10, False) for v, e in zip(values, errors, strict=True)])
    for k in range(3):
        others = [i for i in range(3) if i != k]

        def density(x: float, k: int = k, others: list[int] = others) -> float:
            below = np.prod([stats.norm.cdf(x, values[i], errors[i]) for i in others])
            return float(stats.norm.pdf(x, values[k], errors[k]) * below)

        assert ranked.best[k] == pytest.approx(integrate.quad(density, -2, 3, points=[0, 0.3])[0], abs=0.01)
    assert ranked.order == (0, 1, 2) and ranked.verdict == "not decided"
    clear = ranking_of([Logarithm(v, 0.01, 1e9, 10, False) for v in (0.0, 1.0, 0.5)])
    assert (clear.order, clear.verdict) == ((1, 2, 0), "decided")
    first = ranking_of([Logarithm(v, 0.05, 1e9, 10, False) for v in (0.0, 1.0, 0.01)])
    assert first.verdict == "first place decided"


def test_runs_with_other_frames_share_lags_or_say_that_they_do_not() -> None:
    random = np.random.default_rng(8)
    curves = {
        name: {"Li": curve_of_walk(random, ROUSE, steps=steps, interval_ps=interval)}
        for name, interval, steps in (("a", 0.1, 400), ("b", 0.2, 400), ("c", 0.7, 400), ("d", 1.0, 3), ("e", 1.1, 400))
    }
    found = compared({"a": ["a"], "b": ["b"]}, curves, "Li")
    # a tenth of the shorter run; 0.1 x 40 and 0.2 x 20 are the same number of millionths of a picosecond
    assert ps_of(found.lags[-1]) == 4.0 and found.lags[-1] == 4_000_000
    # ratio of the true MSDs: (40 / 20)^(2 H)
    ratio = ratio_of(found.at("a", found.lags[-1]), found.at("b", found.lags[-1]))
    assert ratio.log == pytest.approx(2 * ROUSE * math.log(2), abs=5 * ratio.half)
    assert compared({"c": ["c"], "e": ["e"]}, curves, "Li").why_not("c", "e") == (
        "no lag that all have with 10 independent origins: c has 0.7 to 28 ps, e has 1.1 to 44 ps"
    )
    few = compared({"a": ["a"], "d": ["d"], "f": ["f"]}, curves, "Li")
    assert few.why_not("d", "a") == "d: no lag with 10 independent origins and an error"
    assert few.why_not("f", "a") == "f: analysis missing: displacement" and few.why_not("a") == ""


def test_from_three_starts_on_all_count_their_origins_together() -> None:
    random = np.random.default_rng(9)
    starts = [curve_of_walk(random, ROUSE) for _ in range(5)]
    lags = {count: ps_of(max(usable(starts[:count]))) for count in (1, 2, 3, 5)}
    assert lags == {1: 40, 2: 40, 3: 100, 5: 200}
    three = at_largest_lag(starts[:3])
    at = [int(np.flatnonzero(curve.lags == 100_000_000)[0]) for curve in starts[:3]]
    values = [curve.values[k] for curve, k in zip(starts, at, strict=False)]
    assert (three.value, three.error) == (pytest.approx(np.mean(values)), pytest.approx(stats.sem(values)))
    assert (three.freedom, three.origins, three.of_replicas) == (2, 12, True)


@pytest.mark.parametrize(("hurst", "shared"), [(ROUSE, 0.0), (ROUSE, 0.3), (BROWNIAN, 0.0), (BROWNIAN, 0.3)])
def test_a_run_that_stays_the_same_seldom_has_a_trend(hurst: float, shared: float) -> None:
    random = np.random.default_rng(21)
    found = [curve_of_walk(random, hurst, shared=shared).trend for _ in range(CASES)]
    p_values = np.array([trend.p_value for trend in found if trend is not None])
    # the larger of two p-values is too large, never too small
    for level in (UNSETTLED, 0.1):
        assert np.mean(p_values < level) <= level + 3 * math.sqrt(level * (1 - level) / CASES)


def test_a_run_that_slows_down_is_found() -> None:
    random = np.random.default_rng(22)
    found = [curve_of_walk(random, BROWNIAN, slows=0.1).trend for _ in range(50)]
    known = [trend for trend in found if trend is not None]
    assert np.mean([trend.p_value < UNSETTLED for trend in known]) > 0.8
    # by hand: the logarithm falls evenly by ln 10 over the run, so halves are half of it apart
    assert np.mean([trend.ln_ratio for trend in known]) == pytest.approx(-math.log(10) / 2, rel=0.1)


def test_a_trend_by_the_formulas_of_a_line() -> None:
    random = np.random.default_rng(23)
    of_blocks = np.exp(0.2 * np.arange(5)[:, None] + random.normal(size=(5, 400)) * 0.1)
    found = trend_of(of_blocks)
    line = stats.linregress(np.arange(5), np.log(of_blocks.mean(axis=1)))
    assert found is not None and found.ln_ratio == pytest.approx(2.5 * line.slope)
    # the blocks scatter as the particles say, and their test is the weaker one
    assert found.p_value == pytest.approx(line.pvalue)
    assert found.error >= 2.5 * line.stderr * (1 - 1e-9)
    assert (
        trend_of(np.ones((5, 1))) is None and trend_of(np.ones((3, 9))) is None and trend_of(np.zeros((5, 9))) is None
    )
    # particles that differ for good are no trend
    steady = trend_of(np.exp(random.normal(size=400)) * np.ones((5, 1)))
    assert steady is not None and steady.p_value == 1.0


def test_a_run_that_has_not_settled_has_no_ratio_and_says_why() -> None:
    random = np.random.default_rng(24)
    curves = {name: {"Li": curve_of_walk(random, BROWNIAN)} for name in ("a", "b", "c")}
    slow = Trend(-0.8, 0.1, 1e-4)
    curves["c"] = {"Li": dataclasses.replace(curves["c"]["Li"], trend=slow)}
    found = compared({"a": ["a"], "b": ["b"], "c": ["c"]}, curves, "Li")
    assert found.why_not("a", "b") == "" and set(found.starts) == {"a", "b"}
    assert found.why_not("c", "a") == (
        "c: c has not settled: the MSD of its second half is 0.45 times that of its first (p = 0.0001)"
    )
    # a trend within the error of the displacement, one that chance makes, one that was not looked for
    for trend in (Trend(-0.001, 1e-5, 1e-9), Trend(-0.8, 0.4, 0.02), None):
        curves["c"] = {"Li": dataclasses.replace(curves["c"]["Li"], trend=trend)}
        assert compared({"a": ["a"], "c": ["c"]}, curves, "Li").why_not("c") == ""
