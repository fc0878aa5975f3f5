"""Generalised least squares of an MSD, against sums over intervals and walks of known diffusion coefficient."""

from __future__ import annotations

import numpy as np
import pytest

from eoli.analysis.motion.gls import brownian_covariance, slope_of
from eoli.analysis.motion.msd import gls_diffusion, particle_msd
from eoli.core.statistics import UNKNOWN
from eoli.errors import DataError


def test_covariance_equals_the_sum_over_intervals() -> None:
    n_frames, lags = 23, np.array([1, 2, 5, 11, 20])

    def overlap(a: int, i: int, b: int, j: int) -> int:
        return len(set(range(a, a + i)) & set(range(b, b + j)))

    for i in lags:
        for j in lags:
            origins = [(a, b) for a in range(n_frames - i) for b in range(n_frames - j)]
            expected = 2 * np.mean([overlap(a, i, b, j) ** 2 for a, b in origins])
            found = brownian_covariance(np.array([i, j]), n_frames)
            assert found[0, 1] == found[1, 0] == pytest.approx(expected)


def test_covariance_of_many_walks() -> None:
    lags = np.array([3, 8, 15])
    walks = np.cumsum(np.random.default_rng(1).normal(size=(60, 20_000, 1)), axis=0)
    paths = np.concatenate([walks, np.zeros((60, 20_000, 2))], axis=2)
    np.testing.assert_allclose(np.cov(particle_msd(paths, lags)), brownian_covariance(lags, 60), rtol=0.06)


def test_a_straight_line_gives_its_slope_whatever_its_intercept() -> None:
    slope = slope_of(100, 1001)
    assert slope is not None
    assert (slope.lags[0], slope.lags[-1]) == (33, 100)
    assert slope.weights @ (7.0 + 0.3 * slope.lags) == pytest.approx(0.3)
    covariance = brownian_covariance(slope.lags, 1001)
    assert slope.weights @ covariance @ slope.weights == pytest.approx(slope.variance)
    centred = slope.lags - slope.lags.mean()
    ordinary = centred / (centred @ centred)
    assert slope.variance < 0.8 * ordinary @ covariance @ ordinary


def test_too_few_lags() -> None:
    assert slope_of(5, 60) is None
    assert gls_diffusion([np.zeros((60, 3, 3))], 1.0) == UNKNOWN
    with pytest.raises(DataError):
        gls_diffusion([np.zeros((60, 3))], 1.0)


def test_the_stated_error_is_right() -> None:
    """Over 400 runs of Brownian particles the truth lies within one stated error as often as for a normal law."""
    rng = np.random.default_rng(2)
    runs = np.cumsum(rng.normal(0, np.sqrt(2 * 2e-3 * 0.5), (400, 400, 8, 3)), axis=1)
    found = [gls_diffusion([run], 0.5) for run in runs]
    values, errors = np.array([(f.value, f.error) for f in found]).T
    assert values.mean() == pytest.approx(2e-9, rel=0.015)
    assert errors.mean() == pytest.approx(values.std(), rel=0.1)
    assert 0.60 <= (np.abs(values - 2e-9) < errors).mean() <= 0.76
    # pairs of runs as starts of one system, at longer lags
    found = [gls_diffusion(list(pair), 0.5) for pair in runs.reshape(200, 2, 400, 8, 3)]
    values, errors = np.array([(f.value, f.error) for f in found]).T
    assert values.mean() == pytest.approx(2e-9, rel=0.02)
    assert 0.58 <= (np.abs(values - 2e-9) < errors).mean() <= 0.78
