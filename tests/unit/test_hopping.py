"""Moves: hand-made sequences for every kind, flicker that must not count, and processes with known rates and MSDs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import poisson

from eoli.analysis.mechanism.hopping import (
    Move,
    conditional_msd,
    contact_numbers,
    contour_positions,
    displacements,
    fraction,
    hosts,
    moves_along_chains,
    moves_between_hosts,
    rate,
    square_displacement_anytime,
)
from eoli.analysis.mechanism.residence import Partners

# chain 0: sites 0-5 (units 2-7), chain 1: sites 6-9 (units 2-5)
CHAINS = Partners(np.array([0] * 6 + [1] * 4), np.full(10, 0.3))
UNITS = np.array([2, 3, 4, 5, 6, 7, 2, 3, 4, 5])


def lists(*frames: str, repeat: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Neighbour lists of one ion; each frame is the digits of the sites within the cut-off."""
    frames = tuple(frame for frame in frames for _ in range(repeat))
    neighbours = np.full((len(frames), 1, 8), -1, dtype=np.int32)
    distances = np.full((len(frames), 1, 8), np.inf, dtype=np.float32)
    for t, frame in enumerate(frames):
        neighbours[t, 0, : len(frame)] = [int(digit) for digit in frame]
        distances[t, 0, : len(frame)] = 0.2
    return neighbours, distances


def chain_of(*frames: str, hold: int = 3, none_is_a_state: bool = True) -> list[int]:
    return hosts(*lists(*frames), CHAINS, hold, none_is_a_state)[:, 0].tolist()


def test_host_has_most_sites_and_ties_keep_it() -> None:
    assert chain_of("016", "06", "067", "0", hold=1) == [0, 0, 1, 0]
    assert chain_of("678", "6701", "6701", "6701", hold=1) == [1, 1, 1, 1]


def test_a_host_counts_once_it_stays() -> None:
    a, b = "01", "67"
    assert chain_of(a, a, a, b, b, a, b, a, a) == [0] * 9
    assert chain_of(a, a, a, b, b, b, a, b, b) == [0, 0, 0, 1, 1, 1, 1, 1, 1]
    # flicker at the start is no host, nor is what never stays
    assert chain_of(b, a, b, a, a, a) == [0] * 6
    assert chain_of(a, b, a, b) == [-1] * 4


def test_no_contact_is_a_host_of_its_own_or_keeps_the_last() -> None:
    frames = ("01", "01", "", "", "", "67", "67")
    assert chain_of(*frames, hold=2) == [0, 0, -1, -1, -1, 1, 1]
    assert chain_of(*frames, hold=2, none_is_a_state=False) == [0, 0, 0, 0, 0, 1, 1]
    assert chain_of("01", "", "01", "", "", hold=2) == [-1] * 5
    assert chain_of("01", "01", "", "01", hold=2) == [0] * 4


def test_distances_beyond_the_cut_off_do_not_vote() -> None:
    neighbours, distances = lists("06789")
    distances[0, 0, 2:] = 0.31
    assert hosts(neighbours, distances, CHAINS, 1, True).tolist() == [[0]]
    assert contact_numbers(neighbours, distances, CHAINS).tolist() == [[2]]


def test_moves_between_chains_and_with_anions() -> None:
    series = np.array([[0, 0, 1, 1, -1, -1, 1, 2, -1, 0, -1], [-1, -1, 0, 0, 0, 0, 0, -1, -1, -1, -1]]).T
    assert moves_between_hosts(series, "between_chains") == [
        Move(2, 2, 0, "between_chains", 0, 1),
        Move(6, 4, 0, "with_anion", 1, 1),
        Move(7, 7, 0, "between_chains", 1, 2),
        Move(9, 8, 0, "with_anion", 2, 0),
    ]


def test_flicker_to_another_chain_is_no_move() -> None:
    frames = ["01"] * 5 + ["67"] * 2 + ["01"] * 4 + [""] * 2 + ["01"] * 3 + ["67"] * 5
    host = hosts(*lists(*frames), CHAINS, 3, True)
    assert moves_between_hosts(host, "between_chains") == [Move(16, 16, 0, "between_chains", 0, 1)]
    without_tolerance = moves_between_hosts(hosts(*lists(*frames), CHAINS, 1, True), "between_chains")
    assert [move.kind for move in without_tolerance] == ["between_chains"] * 2 + ["with_anion", "between_chains"]


def test_moves_between_blocks() -> None:
    """Sites 0-5 as ether oxygens, 6-9 as C=O: ties and frames without contact keep the block."""
    frames = ["0126"] * 4 + ["067"] * 2 + ["0167"] * 2 + ["067"] * 3 + [""] * 4 + ["67"] * 2 + ["0"] * 3
    block = hosts(*lists(*frames), CHAINS, 3, False)
    assert moves_between_hosts(block, "between_blocks") == [
        Move(8, 8, 0, "between_blocks", 0, 1),
        Move(17, 17, 0, "between_blocks", 1, 0),
    ]


def contour_of(*frames: str, host: int = 0) -> np.ndarray:
    neighbours, distances = lists(*frames)
    return contour_positions(neighbours, distances, CHAINS, UNITS, np.full((len(frames), 1), host))[:, 0]


def test_contour_position_is_the_mean_unit_of_the_host() -> None:
    np.testing.assert_array_equal(contour_of("012", "0156789", "678", ""), [3, (2 + 3 + 7) / 3, np.nan, np.nan])
    np.testing.assert_array_equal(contour_of("0189", host=1), [4.5])


def along(values: list[float], hold: int = 3, least: float = 1.0, host: list[int] | None = None) -> list[Move]:
    chain = np.zeros(len(values), dtype=np.int32) if host is None else np.array(host, dtype=np.int32)
    return moves_along_chains(np.array(values)[:, None], chain[:, None], hold, least)


def test_moves_along_a_chain() -> None:
    assert along([3.0] * 8 + [4.5] * 8) == [Move(8, 8, 0, "along_chain", 0, 0, 3.0, 4.5)]
    back = along([3.0] * 8 + [4.0] * 8 + [3.0] * 8)
    assert [(m.frame, m.from_unit, m.to_unit) for m in back] == [(8, 3.0, 4.0), (16, 4.0, 3.0)]
    # below the threshold nothing counts, but small shifts add up
    assert along([3.0] * 8 + [3.5] * 8 + [3.0] * 8) == []
    adding = along([3.0] * 8 + [3.5] * 8 + [4.0] * 8)
    assert [(m.frame, m.from_unit, m.to_unit) for m in adding] == [(16, 3.0, 4.0)]
    # a slide within the holding time is one move
    slide = along([3.0] * 8 + [4.0, 5.0] + [6.0] * 8)
    assert [(m.from_unit, m.to_unit) for m in slide] == [(3.0, 6.0)]


def test_flicker_along_a_chain_is_no_move() -> None:
    assert along([3.0] * 8 + [9.0] * 2 + [3.0] * 8) == []
    assert along([3.0] * 8 + [math.nan] * 3 + [3.0] * 8) == []
    assert len(along([3.0] * 8 + [9.0] * 3 + [3.0] * 8)) == 2
    assert len(along([3.0, 3.0, 9.0, 9.0, 3.0, 3.0], hold=1)) == 2


def test_another_chain_is_no_move_along_one() -> None:
    assert along([3.0] * 8 + [9.0] * 8, host=[0] * 8 + [1] * 8) == []
    assert along([3.0] * 8 + [9.0] * 8 + [3.0] * 8, host=[-1] * 24) == []
    assert [m.from_host for m in along([3.0] * 8 + [9.0] * 16, host=[0] * 4 + [1] * 20)] == [1]


def test_displacements_average_rattling_out() -> None:
    rng = np.random.default_rng(1)
    paths = rng.normal(0, 0.02, (200, 2, 3))
    paths[100:, 1] += [0.3, 0.4, 0]
    moves = [Move(100, 100, 1, "between_chains", 0, 1), Move(100, 100, 0, "between_chains", 0, 1)]
    moves.append(Move(150, 50, 1, "with_anion", 0, 1))
    found = displacements(paths, moves, 50)
    assert found == pytest.approx([0.5, 0, 0.5], abs=0.015)
    assert displacements(paths, [Move(1, 1, 0, "between_chains", 0, 1)], 50).shape == (1,)
    assert displacements(paths, [], 5).shape == (0,)


def test_square_displacement_anytime_is_that_of_every_frame() -> None:
    paths = np.random.default_rng(2).normal(size=(30, 4, 3)).cumsum(axis=0)
    every = [Move(t, t, i, "between_chains", 0, 1) for t in range(5, 26) for i in range(4)]
    expected = (displacements(paths, every, 5) ** 2).mean()
    assert square_displacement_anytime(paths, 5) == pytest.approx(expected)
    assert math.isnan(square_displacement_anytime(paths, 20))


def test_rates_have_exact_poisson_intervals() -> None:
    none = rate(0, 2.0)
    assert (none.events, none.per_ion_ns, none.low_per_ion_ns) == (0, None, None)
    for events in (0, 1, 7, 40):
        found = rate(events, 2.0)
        assert poisson.cdf(events, 2 * found.high_per_ion_ns) == pytest.approx(0.15865)
        if events:
            assert found.per_ion_ns == events / 2
            assert poisson.sf(events - 1, 2 * found.low_per_ion_ns) == pytest.approx(0.15865)


def test_fraction_and_its_errors() -> None:
    """Ions that never change tell from ions alone; ions that change together from time alone."""
    rng = np.random.default_rng(3)
    frozen = np.broadcast_to(rng.random(50) < 0.3, (400, 50))
    p = frozen[0].mean()
    assert fraction(frozen).value == pytest.approx(p)
    assert fraction(frozen).error == pytest.approx(math.sqrt(p * (1 - p) / 49))
    together = np.repeat(np.arange(5) < 2, 80)[:, None] * np.ones(50, dtype=bool)
    assert fraction(together).error == pytest.approx(math.sqrt(0.4 * 0.6 / 4))
    assert fraction(np.zeros((10, 3), dtype=bool)) == fraction(~np.ones((10, 3), dtype=bool))
    assert (fraction(np.ones((10, 3), dtype=bool)).value, fraction(np.ones((10, 3), dtype=bool)).error) == (1.0, None)


def test_conditional_msd_is_that_of_its_definition() -> None:
    rng = np.random.default_rng(4)
    paths = rng.normal(size=(40, 3, 2)).cumsum(axis=0)
    paths[rng.random((40, 3)) < 0.1] = np.nan
    origin, stay = rng.random((40, 3)) < 0.5, np.sort(rng.integers(0, 4, (40, 3)), axis=0)
    lags = np.array([1, 2, 4, 9])
    found = conditional_msd(paths, origin, lags, 0.5, 0.1, 1.0, stay)
    for k, lag in enumerate(lags):
        squares = [
            ((paths[t + lag, i] - paths[t, i]) ** 2).sum()
            for i in range(3)
            for t in range(40 - lag)
            if origin[t, i] and stay[t, i] == stay[t + lag, i]
        ]
        assert found.msd[k] == pytest.approx(np.nanmean(squares))


def test_conditional_msd_tells_environments_apart() -> None:
    """Ions that walk ten times faster at one place, where they stay long: both slopes, with honest errors."""
    rng = np.random.default_rng(5)
    lags = np.unique(np.round(np.geomspace(1, 199, 40)).astype(int))
    here = np.broadcast_to(np.arange(60) % 2 == 0, (2000, 60))
    slopes, errors = [], []
    for _ in range(12):
        steps = rng.normal(0, math.sqrt(2e-3), (2000, 60, 3)) * np.where(here, math.sqrt(10), 1)[:, :, None]
        fast, slow = (conditional_msd(steps.cumsum(axis=0), where, lags, 2.0, 0.1, 0.25) for where in (here, ~here))
        assert (fast.verdict, fast.lag_ps) == ("diffusive", 398.0)
        assert fast.exponent.value == pytest.approx(1, abs=4 * fast.exponent.error)
        assert fast.at_lag.value == pytest.approx(10 * slow.at_lag.value, rel=0.5)
        slopes.append(fast.slope.value)
        errors.append(fast.slope.error)
    # 2 D d / interval: 3 dimensions of variance 0.02 each 2 ps
    assert np.mean(slopes) == pytest.approx(0.03, rel=0.05)
    assert np.mean(errors) == pytest.approx(np.std(slopes), rel=0.6)


def test_conditional_msd_gives_no_slope_without_diffusion() -> None:
    rng = np.random.default_rng(6)
    lags = np.unique(np.round(np.geomspace(1, 100, 30)).astype(int))
    rattling = rng.normal(size=(1000, 20, 1))
    everywhere = np.ones((1000, 20), dtype=bool)
    found = conditional_msd(rattling, everywhere, lags, 1.0, 0.1, 1.0)
    assert (found.verdict, found.slope.value) == ("sub-diffusive", None)
    assert found.exponent.value == pytest.approx(0, abs=0.05)
    small = conditional_msd(0.01 * rattling.cumsum(axis=0), everywhere, lags, 1.0, 0.1, 1.0)
    assert (small.verdict, small.slope.value) == ("too short", None)
    nowhere = conditional_msd(rattling, ~everywhere, lags, 1.0, 0.1, 1.0)
    assert (nowhere.verdict, nowhere.at_lag.value, nowhere.origins) == ("too short", None, 0)
    assert np.isnan(nowhere.msd).all()
    lonely = conditional_msd(rattling[:, :1].cumsum(axis=0), everywhere[:, :1], lags, 1.0, 0.1, 1.0)
    assert (lonely.verdict, lonely.exponent.error) == ("too short", None)


def test_rate_of_moves_of_hopping_ions() -> None:
    """Ions that change chains at a known rate, with flicker of single frames to the other chain on top."""
    rng = np.random.default_rng(7)
    n_frames, n_ions, k = 2000, 20, 0.005
    true = (rng.random((n_frames, n_ions)) < k).cumsum(axis=0) % 2
    shown = true ^ (rng.random((n_frames, n_ions)) < 0.02)
    neighbours = (6 * shown)[:, :, None].astype(np.int32)
    distances = np.full(neighbours.shape, 0.2, dtype=np.float32)

    def seen(hold: int) -> int:
        return len(moves_between_hosts(hosts(neighbours, distances, CHAINS, hold, True), "between_chains"))

    # a stay shorter than the holding time is not seen, with the move that ends it
    hold, at_frames = 5, n_frames * n_ions
    expected = k * at_frames * (1 - k) ** (2 * hold)
    assert seen(hold) == pytest.approx(expected, abs=4 * math.sqrt(expected))
    assert seen(1) > 5 * expected
