"""Residence: two-state processes with known rates, censoring by short runs, hand-made contacts, scipy as an oracle."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import CensoredData, ecdf

from eoli.analysis.mechanism.residence import (
    Partners,
    Periods,
    bound_periods,
    check_range,
    contact_correlation,
    contacts,
    crossing,
    decay,
    mean_residence,
    survival,
)
from eoli.errors import DataError


def two_state(k_on: float, k_off: float, frames: int, pairs: int, rng: np.random.Generator) -> np.ndarray:
    """A stationary two-state Markov process in continuous time seen every time unit, (frames, pairs)."""
    total = k_on + k_off
    p_on = k_on / total
    mix = 1 - math.exp(-total)
    h = np.empty((frames, pairs), dtype=bool)
    h[0] = rng.random(pairs) < p_on
    for t in range(1, frames):
        h[t] = rng.random(pairs) < np.where(h[t - 1], 1 - (1 - p_on) * mix, p_on * mix)
    return h


def alternating(frames: int, pairs: int, rng: np.random.Generator) -> np.ndarray:
    """A stationary process with bound times of 4 or 60 on average, half of each, and unbound ones of 20."""
    burn = 2000
    h = np.zeros((frames, pairs), dtype=bool)
    for pair in range(pairs):
        time = 0.0
        while time < burn + frames:
            unbound = rng.exponential(20)
            bound = rng.exponential(4 if rng.random() < 0.5 else 60)
            first, last = math.ceil(time + unbound) - burn, math.ceil(time + unbound + bound) - burn
            h[max(0, first) : max(0, last), pair] = True
            time += unbound + bound
    return h


def periods_of(h: np.ndarray, break_frames: int = 0) -> Periods:
    """Bound periods of ions with one partner each, (frames, ions)."""
    distances = np.where(h, 0.2, 0.4)[:, :, None].astype(np.float32)
    partners = Partners(np.array([0]), np.array([0.3]))
    return bound_periods(np.zeros(distances.shape, dtype=np.int32), distances, partners, break_frames)


def test_periods_of_hand_made_contacts() -> None:
    """Two ions, sites 0 and 1 of partner 0, site 2 of partner 1 with a shorter cut-off, site 3 of none."""
    partners = Partners(np.array([0, 0, 1, -1]), np.array([0.3, 0.3, 0.25, 0.3]))
    neighbours = np.full((8, 2, 3), -1, dtype=np.int32)
    distances = np.full((8, 2, 3), np.inf, dtype=np.float32)

    def put(frame: int, ion: int, *found: tuple[int, float]) -> None:
        for k, (site, distance) in enumerate(found):
            neighbours[frame, ion, k], distances[frame, ion, k] = site, distance

    put(0, 0, (3, 0.1), (0, 0.2), (2, 0.27))
    put(1, 0, (1, 0.2), (0, 0.29))
    put(2, 0, (0, 0.31))
    put(3, 0, (2, 0.24), (1, 0.25))
    put(6, 0, (0, 0.1))
    put(7, 1, (2, 0.2))

    def rows(break_frames: int) -> list[tuple[int, ...]]:
        found = bound_periods(neighbours, distances, partners, break_frames)
        return sorted(zip(*(x.tolist() for x in (found.lithium, found.partner, found.first, found.last)), strict=True))

    assert rows(0) == [(0, 0, 0, 1), (0, 0, 3, 3), (0, 0, 6, 6), (0, 1, 3, 3), (1, 1, 7, 7)]
    assert rows(1) == [(0, 0, 0, 3), (0, 0, 6, 6), (0, 1, 3, 3), (1, 1, 7, 7)]
    assert rows(2) == [(0, 0, 0, 6), (0, 1, 3, 3), (1, 1, 7, 7)]
    assert contacts(neighbours, distances, partners)[:, 0].sum(axis=1).tolist() == [1, 2, 0, 2, 0, 0, 1, 0]


def test_cut_offs_beyond_the_neighbour_lists() -> None:
    check_range(Partners(np.array([0]), np.array([0.28])), 0.28)
    with pytest.raises(DataError, match=r"within 0\.25 nm"):
        check_range(Partners(np.array([0]), np.array([0.3])), 0.25)


def test_mean_residence_and_its_error() -> None:
    """Over many runs the time is right, and one standard error covers the truth as often as it should."""
    rng = np.random.default_rng(1)
    found = [mean_residence(periods_of(two_state(0.02, 0.04, 300, 30, rng)), 0.5) for _ in range(300)]
    times, errors = (np.array([getattr(f, key) for f in found]) for key in ("mean_ps", "error_ps"))
    truth = 0.5 / 0.04
    assert all(f.verdict == "resolved" and f.at_least_ps is None for f in found)
    # returns within a frame are not seen: 1 % of the rate here
    assert times.mean() == pytest.approx(truth, rel=0.03)
    assert errors.mean() == pytest.approx(times.std(), rel=0.2)
    assert 0.60 <= (np.abs(times - truth) < errors).mean() <= 0.76


def test_ions_whose_exits_come_together_have_larger_errors() -> None:
    rng = np.random.default_rng(2)
    h = two_state(0.05, 0.05, 300, 10, rng)
    label, cutoff = np.arange(6), np.full(6, 0.3)
    distances = np.where(h, 0.2, 0.4)[:, :, None] * np.ones(6)
    neighbours = np.broadcast_to(np.arange(6), distances.shape).astype(np.int32)
    one, six = (
        mean_residence(bound_periods(neighbours, distances, Partners(where, cutoff)), 1.0)
        for where in (np.zeros(6, dtype=int), label)
    )
    assert six.exits == 6 * one.exits
    assert six.mean_ps == pytest.approx(one.mean_ps)
    assert six.error_ps > 2 * six.mean_ps / math.sqrt(six.exits)


@pytest.mark.parametrize("frames", [15, 40])
def test_a_run_shorter_than_the_residence_does_not_bias(frames: int) -> None:
    rng = np.random.default_rng([3, frames])
    truth, ours, naive = 100.0, [], []
    for _ in range(60):
        periods = periods_of(two_state(0.01, 1 / truth, frames, 400, rng))
        ours.append(mean_residence(periods, 1.0).mean_ps)
        naive.append((periods.last - periods.first + 1).mean())
    spread = np.std(ours) / math.sqrt(len(ours))
    assert abs(np.mean(ours) - truth) < 4 * spread + 0.02 * truth
    assert spread < 0.03 * truth
    assert np.mean(naive) < 0.4 * truth


def test_mean_residence_whatever_the_distribution() -> None:
    """Bound times of 4 and 60 on average, half of each: 32, from runs of 100 as well; rounding to frames adds little."""
    rng = np.random.default_rng(4)
    found = [mean_residence(periods_of(alternating(100, 150, rng)), 1.0) for _ in range(12)]
    times = np.array([f.mean_ps for f in found])
    # a bound time shorter than a frame may fall between two: half of 1 - 4 (1 - exp(-1/4)) of the periods
    seen = 1 - 0.5 * (1 - 4 * (1 - math.exp(-1 / 4))) - 0.5 * (1 - 60 * (1 - math.exp(-1 / 60)))
    assert times.mean() == pytest.approx(32 / seen, rel=0.05)
    assert np.mean([f.error_ps for f in found]) == pytest.approx(times.std(), rel=0.6)


def test_survival_excludes_what_was_there_at_the_start() -> None:
    """With two kinds of periods the long ones are over-represented at the start: counting them as new is wrong."""
    rng = np.random.default_rng(5)
    lags = np.array([1, 5, 10, 20, 40])
    ours, with_first, uncensored = [], [], []
    for _ in range(12):
        periods = periods_of(alternating(80, 200, rng))
        found = survival(periods, 2.0, lags)
        assert found is not None
        ours.append(found.function)
        duration, exited = periods.last - periods.first + 1, periods.last < 79
        everything = CensoredData(uncensored=duration[exited], right=80 - periods.first[~exited])
        with_first.append(ecdf(everything).sf.evaluate(lags))
        uncensored.append(ecdf(duration[periods.first > 0]).sf.evaluate(lags))
    # a period is seen when a frame falls into it
    truth = np.array([_survival_in_frames(n) for n in lags])
    error = np.std(ours, axis=0) / math.sqrt(12)
    assert (np.abs(np.mean(ours, axis=0) - truth) < 4 * error + 0.005).all()
    assert np.mean(with_first, axis=0)[3] - truth[3] > 10 * error[3]
    assert truth[3] - np.mean(uncensored, axis=0)[3] > 10 * error[3]


def _survival_in_frames(n: int) -> float:
    """Probability that more than n frames fall into a period that has one, entries uniform between frames."""
    more = sum(tau * (1 - math.exp(-1 / tau)) * math.exp(-n / tau) for tau in (4, 60))
    return more / sum(tau * (1 - math.exp(-1 / tau)) for tau in (4, 60))


def test_survival_is_that_of_scipy() -> None:
    rng = np.random.default_rng(6)
    periods = periods_of(two_state(0.1, 0.1, 60, 40, rng), 1)
    lags = np.arange(1, 40)
    end = 60 - 1 - 1
    use = (periods.first > 1) & (periods.first < end)
    first, last = periods.first[use], periods.last[use]
    exited = last < end
    oracle = ecdf(CensoredData(uncensored=(last - first + 1)[exited], right=(end - first)[~exited])).sf
    found = survival(periods, 1.0, lags)
    assert found is not None
    reached = lags <= oracle.quantiles.max()
    np.testing.assert_allclose(found.function[reached], oracle.evaluate(lags[reached]), atol=1e-12)
    assert np.isnan(found.function[lags > max((last - first + 1)[exited].max(), (end - first).max())]).all()
    band = oracle.confidence_interval(confidence_level=0.6827, method="linear")
    greenwood = (band.high.evaluate(lags) - band.low.evaluate(lags)) / 2
    assert found.errors[3:10] == pytest.approx(greenwood[3:10], rel=0.4)


def test_tolerance_for_breaks() -> None:
    """A merged period holds 1/q runs, q the probability of an absence beyond the tolerance, and the breaks between."""
    rng = np.random.default_rng(7)
    k_on, k_off, tolerated = 0.2, 0.05, 4
    mix = 1 - math.exp(-k_on - k_off)
    leave, enter = k_off / (k_on + k_off) * mix, k_on / (k_on + k_off) * mix
    q = (1 - enter) ** tolerated
    gaps = np.arange(1, tolerated + 1)
    weights = (1 - enter) ** (gaps - 1) * enter
    frames = 1 / (q * leave) + (1 / q - 1) * (gaps @ weights) / weights.sum()
    expected = -1 / math.log(1 - 1 / frames)
    found = [mean_residence(periods_of(two_state(k_on, k_off, 400, 60, rng), tolerated), 1.0) for _ in range(40)]
    times = np.array([f.mean_ps for f in found])
    assert times.mean() == pytest.approx(expected, abs=4 * times.std() / math.sqrt(40))
    assert times.std() < 0.1 * expected
    assert expected > 1.7 / k_off
    # at the end of a run nobody knows which absences are breaks
    short = [mean_residence(periods_of(two_state(k_on, k_off, 25, 600, rng), tolerated), 1.0) for _ in range(40)]
    times = np.array([f.mean_ps for f in short])
    assert times.mean() == pytest.approx(expected, rel=0.03)


def test_too_few_or_too_fast_exits() -> None:
    always = mean_residence(periods_of(np.ones((101, 5), dtype=bool)), 2.0)
    assert (always.mean_ps, always.error_ps, always.exits, always.verdict) == (None, None, 0, "too few exits")
    assert always.bound_ps == 1000.0
    # 95 % of runs with a mean of 2.996 see an exit
    assert always.at_least_ps == pytest.approx(1000 / 2.9957, rel=1e-4)
    never = mean_residence(periods_of(np.zeros((50, 5), dtype=bool)), 2.0)
    assert (never.at_least_ps, never.exits, never.bound_ps) == (None, 0, 0.0)
    assert survival(periods_of(np.ones((50, 5), dtype=bool)), 1.0, np.array([1])) is None
    assert contact_correlation(periods_of(np.zeros((50, 5), dtype=bool)), 1.0, np.array([1])) is None
    # one ion alone does all the moving: the other nine do not know its rate
    h = np.ones((100, 10), dtype=bool)
    h[::4, 0] = False
    lonely = mean_residence(periods_of(h), 1.0)
    assert (lonely.mean_ps, lonely.exits, lonely.verdict) == (None, 24, "too few exits")
    assert lonely.at_least_ps < 0.5 * lonely.bound_ps / lonely.exits
    flicker = mean_residence(periods_of(np.arange(100)[:, None] % 2 == np.zeros(4)), 1.0)
    assert (flicker.mean_ps, flicker.verdict) == (None, "faster than the frames")


def test_the_lower_bound_holds() -> None:
    rng = np.random.default_rng(8)
    bounds = [mean_residence(periods_of(two_state(0.01, 0.01, 20, 15, rng)), 1.0).at_least_ps for _ in range(300)]
    assert all(bound is not None for bound in bounds)
    assert (np.array(bounds) < 100).mean() >= 0.93


def test_contact_correlation_is_that_of_its_definition() -> None:
    """Three ions, four sites of two partners, straight from <h(0)h(t)>/<h>."""
    rng = np.random.default_rng(9)
    near = rng.random((70, 3, 4)) < 0.3
    neighbours = np.broadcast_to(np.arange(4), near.shape).astype(np.int32)
    label = np.array([0, 1, 1, 0])
    found = contact_correlation(
        bound_periods(neighbours, np.where(near, 0.1, 0.5), Partners(label, np.full(4, 0.3))), 1.0, np.array([1, 3, 35])
    )
    h = np.stack([near[:, :, label == p].any(axis=2) for p in (0, 1)], axis=2)
    expected = [(h[:-t] & h[t:]).sum() / h[:-t].sum() for t in (1, 3, 35)]
    assert found is not None
    np.testing.assert_allclose(found.function, expected, rtol=1e-5)


def test_contact_correlation_of_a_two_state_process() -> None:
    rng = np.random.default_rng(10)
    k_on, k_off, lags = 0.005, 0.05, np.array([1, 5, 10, 15, 20, 25, 30, 40, 60, 100])
    periods = periods_of(two_state(k_on, k_off, 2000, 100, rng))
    found = contact_correlation(periods, 1.0, lags)
    p = k_on / (k_on + k_off)
    expected = p + (1 - p) * np.exp(-(k_on + k_off) * lags)
    assert found is not None
    assert (np.abs(found.function - expected) < 4 * found.errors).all()
    assert (found.errors < 0.02).all()
    assert found.verdict == "resolved"
    truth = -math.log((math.exp(-1) - p) / (1 - p)) / (k_on + k_off)
    assert found.time_ps == pytest.approx(truth, abs=3 * found.error_ps + 0.3)


def test_decay_to_1_e() -> None:
    lags = np.geomspace(0.1, 20, 80)
    rng = np.random.default_rng(11)
    samples = np.exp(-lags / 3) + 0.05 * rng.standard_normal((12, 1))
    found = decay(lags, samples, lambda mean: mean)
    assert found.verdict == "resolved"
    assert found.errors == pytest.approx(np.full(80, samples[:, 0].std(ddof=1) / math.sqrt(12)))
    assert abs(found.time_ps - 3) < 3 * found.error_ps
    assert found.error_ps == pytest.approx(3 * math.e * found.errors[0], rel=0.1)
    slow = decay(lags, np.exp(-lags / 30) + 0.001 * rng.standard_normal((12, 1)), lambda mean: mean)
    assert (slow.time_ps, slow.error_ps, slow.verdict) == (None, None, "not resolved")
    assert slow.at_least_ps == pytest.approx(20)
    fast = decay(lags, np.exp(-lags / 0.01) * np.ones((3, 1)), lambda mean: mean)
    assert (fast.time_ps, fast.at_least_ps, fast.verdict) == (None, None, "faster than the frames")
    single = decay(lags, np.exp(-lags / 3)[None], lambda mean: mean)
    assert (single.time_ps, single.verdict) == (None, "not resolved")
    assert crossing(np.array([1.0, 2.0]), np.array([0.6, 0.2]), 0.5) == pytest.approx(1.25)
    assert crossing(np.array([2.0]), np.array([0.2]), 0.6) == pytest.approx(1.0)
    assert math.isnan(crossing(np.array([2.0]), np.array([0.7]), 0.6))
