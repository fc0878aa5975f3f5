"""Ensembles, against stochastic dynamics of a volume whose equation of state is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from eoli.core.statistics import linear_drift
from eoli.core.units import BAR_NM3, GAS_CONSTANT
from eoli.stage.ensemble import energy_drift, volume_temperature

Floats = npt.NDArray[np.float64]
KT_BAR_NM3 = GAS_CONSTANT * 400 / BAR_NM3
COMPRESSIBILITY_PER_BAR = 5e-5
NM3 = 10.0


def fluctuating(temperature_K: float, n: int = 4000, noise_bar: float = 400.0, seed: int = 1) -> tuple[Floats, Floats]:
    """Volume and pressure of a harmonic box: var V = kT V kappa, P = -(V - V0) / (V0 kappa) + noise.

    The volume is an autoregressive process that forgets a tenth from frame to frame.
    """
    rng = np.random.default_rng(seed)
    sigma = np.sqrt(GAS_CONSTANT * temperature_K / BAR_NM3 * NM3 * COMPRESSIBILITY_PER_BAR)
    volume, kicks = np.empty(n), rng.normal(size=n)
    volume[0] = kicks[0]
    for i in range(1, n):
        volume[i] = 0.9 * volume[i - 1] + np.sqrt(1 - 0.9**2) * kicks[i]
    pressure = 1.0 - sigma * volume / NM3 / COMPRESSIBILITY_PER_BAR + noise_bar * rng.normal(size=n)
    return NM3 + sigma * volume, pressure


def test_the_units_of_pressure_times_volume() -> None:
    """0.1 MPa times 1 nm3 is 1e-22 J; k is 1.380649e-23 J/K."""
    assert pytest.approx(1e-22 / 1.380649e-23, rel=1e-8) == BAR_NM3 / GAS_CONSTANT


@pytest.mark.parametrize("temperature_K", [100.0, 400.0, 1400.0])
def test_the_temperature_of_a_volume(temperature_K: float) -> None:
    found = volume_temperature(*fluctuating(temperature_K), temperature_K)
    assert found.value is not None and found.error is not None
    assert abs(found.value - temperature_K) < 3 * found.error
    assert found.error < 0.25 * max(temperature_K, 200)


def test_the_error_of_the_temperature_covers_that_of_many_runs() -> None:
    """The two parts overlap: the products' own correlation has some of the volume's."""
    found = [volume_temperature(*fluctuating(400.0, 1000, seed=seed), 400) for seed in range(60)]
    values, errors = np.array([f.value for f in found]), np.array([f.error for f in found])
    assert values.mean() == pytest.approx(400, abs=3 * values.std() / np.sqrt(60))
    assert 0.8 * values.std() < errors.mean() < 2.5 * values.std()


def test_few_independent_volumes_are_no_evidence() -> None:
    """A volume that moves once in a run looks colder than it is."""
    found = [volume_temperature(*fluctuating(400.0, 60, noise_bar=40.0, seed=seed), 400) for seed in range(60)]
    wrong = [abs(f.value - 400) > max(100, 3 * f.error) for f in found if f.value is not None and f.error is not None]
    assert np.mean(wrong) <= 0.02


def test_the_compressibility_and_the_reference_pressure_drop_out() -> None:
    volume, pressure = fluctuating(400.0)
    known = volume_temperature(volume, pressure, 400).value
    stiffer = volume_temperature(NM3 + (volume - NM3) / 10, 10 * pressure, 400).value
    pressed = volume_temperature(volume, pressure + 3000, 400).value
    assert known == pytest.approx(stiffer) and known == pytest.approx(pressed)


def test_a_relaxing_volume_keeps_its_temperature() -> None:
    """It shrinks by 10 %, 40 times its fluctuation, while its pressure stays that of the barostat."""
    volume, pressure = fluctuating(400.0)
    found = volume_temperature(volume + np.linspace(1.0, 0.0, len(volume)), pressure, 400)
    assert found.value is not None and found.error is not None
    assert abs(found.value - 400) < 3 * found.error


TIME_PS = np.arange(1000) * 0.5
KINETIC = 1500 + 40 * np.random.default_rng(3).normal(size=1000)
NDF_RT = 2 * 1500.0


@pytest.mark.parametrize("kT_per_ns", [-0.5, 0.0, 3.0])
def test_the_drift_of_an_energy_that_fluctuates(kT_per_ns: float) -> None:
    noise = 20 * np.random.default_rng(5).normal(size=1000)
    found = energy_drift(TIME_PS, kT_per_ns / 1000 * NDF_RT * TIME_PS - 5000 + noise, KINETIC)
    assert found.value is not None and found.error is not None
    assert abs(found.value - kT_per_ns) < 3 * found.error < 0.1


def test_the_drift_of_a_random_walk_is_not_resolved() -> None:
    rng = np.random.default_rng(7)
    walks = [np.cumsum(rng.normal(size=1000)) for _ in range(100)]
    found = [energy_drift(TIME_PS, walk, KINETIC) for walk in walks]
    lines = [linear_drift(TIME_PS, walk) for walk in walks]
    resolved, by_the_line = (np.mean([abs(f.value or 0) > 3 * (f.error or 0) for f in kind]) for kind in (found, lines))
    assert resolved < 0.1 < by_the_line
