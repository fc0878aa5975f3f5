"""Segmental motion: rotors and torsion flips with known relaxation, straight averages, and chains made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import gamma

from eoli.analysis.mechanism.segments import (
    bin_names,
    bin_numbers,
    end_to_end_curve,
    end_to_end_samples,
    fluctuation_curve,
    fluctuation_samples,
    orientation_samples,
    relaxation,
    segment_distances,
    segment_vectors,
    torsion_series,
)
from eoli.errors import InputError
from eoli.topology.molecule import Molecule, Site

LAGS = np.unique(np.round(np.geomspace(1, 400, 50)).astype(int))


def rotor(frames: int, n: int, diffusion: float, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors in rotational diffusion (Debye), (frames, n, 3), small steps of variance 2 D about two axes."""
    u = rng.normal(size=(n, 3))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    path = np.empty((frames, n, 3))
    for t in range(frames):
        path[t] = u
        turn = rng.normal(0, math.sqrt(2 * diffusion), (n, 3))
        u = u + np.cross(turn, u)
        u /= np.linalg.norm(u, axis=1, keepdims=True)
    return path


def flips(frames: int, n: int, to_trans: float, to_gauche: float, rng: np.random.Generator) -> np.ndarray:
    """Torsions, radians, that flip between trans (pi) and gauche (+-70 degrees), in steps of one time unit."""
    trans = rng.random(n) < to_trans / (to_trans + to_gauche)
    path = np.empty((frames, n))
    for t in range(frames):
        sign = np.where(rng.random(n) < 0.5, 1, -1)
        path[t] = np.where(trans, math.pi * sign, math.radians(70) * sign)
        trans = rng.random(n) < np.where(trans, 1 - to_gauche, to_trans)
    return path


def test_debye_rotors() -> None:
    """P1 falls as exp(-2Dt), P2 as exp(-6Dt); times, stretching and amplitude within the errors over chains."""
    rng = np.random.default_rng(1)
    diffusion = 2e-3
    chains = [orientation_samples(rotor(2000, 20, diffusion, rng), LAGS) for _ in range(15)]
    for k, order in enumerate((2, 6)):
        samples = np.array([chain[k] for chain in chains])
        found = relaxation(LAGS * 0.5, samples)
        tau = 0.5 / (order * diffusion)
        expected = np.exp(-LAGS * 0.5 / tau)
        assert (np.abs(found.decay.function - expected) < 4 * found.decay.errors + 0.005).all()
        assert found.decay.verdict == "resolved"
        assert found.decay.time_ps == pytest.approx(tau, abs=3 * found.decay.error_ps)
        assert found.decay.error_ps < 0.1 * tau
        assert found.mean_ps.value == pytest.approx(tau, abs=3 * found.mean_ps.error)
        assert found.mean_ps.error < 0.1 * tau
        assert found.stretching.value == pytest.approx(1, abs=4 * found.stretching.error)
        assert found.amplitude.value == pytest.approx(1, abs=0.03)


def test_orientations_are_those_of_their_definition() -> None:
    u = rotor(60, 4, 0.05, np.random.default_rng(2)).astype(np.float32)
    lags = np.array([1, 7, 30])
    first, second = orientation_samples(u, lags)
    for k, lag in enumerate(lags):
        cosine = (u[lag:] * u[:-lag]).sum(axis=2, dtype=np.float64)
        assert first[k] == pytest.approx(cosine.mean(), abs=1e-5)
        assert second[k] == pytest.approx((1.5 * cosine**2 - 0.5).mean(), abs=1e-5)


def test_torsion_flips() -> None:
    """States and cosines that flip at rates k1 and k2 forget as exp(-(k1 + k2) t)."""
    rng = np.random.default_rng(3)
    to_trans, to_gauche = 0.005, 0.02
    for name in ("torsion_cos", "torsion_state"):
        samples = np.array(
            [
                fluctuation_samples(torsion_series(flips(4000, 20, to_trans, to_gauche, rng))[name], LAGS)
                for _ in range(12)
            ]
        )
        found = relaxation(LAGS.astype(float), samples, fluctuation_curve)
        expected = (1 - to_trans - to_gauche) ** LAGS
        assert (np.abs(found.decay.function - expected) < 4.5 * found.decay.errors).all()
        tau = -1 / math.log(1 - to_trans - to_gauche)
        assert found.decay.time_ps == pytest.approx(tau, abs=3 * found.decay.error_ps)
        assert found.mean_ps.value == pytest.approx(tau, abs=3 * found.mean_ps.error)
        assert found.decay.error_ps < 0.15 * tau


def test_fluctuations_are_those_about_the_common_mean() -> None:
    """Torsions that stay for ever where they are keep their correlation: their own means are not taken off."""
    series = np.random.default_rng(4).normal(size=(1, 30)) * np.ones((50, 1)) + 3
    curve = fluctuation_curve(fluctuation_samples(series, np.array([1, 10, 25])))
    np.testing.assert_allclose(curve, 1, rtol=1e-6)
    assert np.isnan(fluctuation_curve(fluctuation_samples(np.ones((50, 3)), np.array([1, 2])))).all()


def test_trans_is_beyond_120_degrees_on_either_side() -> None:
    found = torsion_series(np.radians([[180.0, -179.0, 121.0, -119.0, 65.0]]))["torsion_state"]
    assert found.tolist() == [[1, 1, 1, 0, 0]]


def test_end_to_end_vectors() -> None:
    rng = np.random.default_rng(5)
    u = rotor(1500, 60, 5e-3, rng) * rng.uniform(0.5, 1.5, (60, 1))
    found = relaxation(LAGS.astype(float), end_to_end_samples(u, LAGS), end_to_end_curve)
    assert found.decay.time_ps == pytest.approx(100, abs=3 * found.decay.error_ps)
    expected = (u[20:] * u[:-20]).sum() / (u**2).sum() * 1500 / 1480
    here = int(np.flatnonzero(LAGS >= 20)[0])
    assert LAGS[here] <= 22
    assert found.decay.function[here] == pytest.approx(expected, abs=0.03)


def test_stretched_exponential_with_fast_libration() -> None:
    """A exp(-(t/tau)^beta) gives its integral; one that does not come down to 1/e gives a bound only."""
    lag_ps = np.geomspace(1, 2000, 70)
    rng = np.random.default_rng(6)
    noise = 0.003 * rng.standard_normal((20, 1)) * np.ones(70)
    found = relaxation(lag_ps, 0.8 * np.exp(-((lag_ps / 50) ** 0.5)) + noise)
    assert found.mean_ps.value == pytest.approx(0.8 * 50 * gamma(2) / 0.5, abs=3 * found.mean_ps.error)
    assert found.stretching.value == pytest.approx(0.5, abs=0.02)
    assert found.amplitude.value == pytest.approx(0.8, abs=0.02)
    slow = relaxation(lag_ps, 0.8 * np.exp(-((lag_ps / 1e5) ** 0.5)) + noise)
    assert (slow.decay.time_ps, slow.mean_ps.value, slow.decay.verdict) == (None, None, "not resolved")
    assert slow.decay.at_least_ps == pytest.approx(2000)


def test_segment_vectors_are_minimum_images() -> None:
    rng = np.random.default_rng(7)
    steps = 0.3 * rotor(20, 5, 0.1, rng)
    whole = np.concatenate([np.zeros((20, 1, 3)), steps.cumsum(axis=1)], axis=1) + rng.random((20, 1, 3)) * 5
    box = 2 + 0.1 * rng.random((20, 3))
    wrapped = (whole % box[:, None]).astype(np.float32)
    two = np.stack([wrapped, wrapped[:, ::-1]], axis=1)
    found = segment_vectors(two, box.astype(np.float32))
    np.testing.assert_allclose(found[:, 0], steps / 0.3, atol=1e-5)
    np.testing.assert_allclose(found[:, 1], -steps[:, ::-1] / 0.3, atol=1e-5)


def chain(*blocks: str | None) -> Molecule:
    """A chain of one unit for each entry: PEO has an ether oxygen, PA and None do not."""
    sites = []
    for number, block in enumerate(blocks, start=1):
        roles = ["ether_O", None] if block == "PEO" else [None]
        sites += [Site("X", "X", 0.0, 1.0, "R", number, "X", role, block, "test") for role in roles]
    return Molecule("chain", "polymer", 0, tuple(sites), (), (), (), ())


def test_distances_from_the_block_or_the_chain_end() -> None:
    diblock = chain(None, *["PEO"] * 6, "PA", "PA")
    assert segment_distances(diblock).tolist() == [5, 4, 3, 2, 1]
    assert segment_distances(chain(None, *["PEO"] * 6, None)).tolist() == [1, 2, 3, 2, 1]
    triblock = chain("PEO", "PEO", "PEO", "PA", "PEO", "PEO")
    assert segment_distances(triblock).tolist() == [2, 1, 0, 1]
    assert segment_distances(chain("PA", "PA", "PEO")).tolist() == []


def test_bins_of_repeat_units() -> None:
    assert bin_names((4, 12)) == ["1_4", "5_12", "13_up"]
    assert bin_names(()) == ["1_up"]
    assert bin_numbers(np.array([1, 4, 5, 12, 13, 40]), (4, 12)).tolist() == [0, 0, 1, 1, 2, 2]
    for edges in ((4, 4), (0,), (5, 3)):
        with pytest.raises(InputError, match="edges"):
            bin_numbers(np.array([1]), edges)
