"""Ensembles, against stochastic dynamics of a volume whose equation of state is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from eoli.core.statistics import linear_drift
from eoli.core.units import BAR_NM3, GAS_CONSTANT
from eoli.stage.ensemble import WITHIN, energy_drift, kinds_of_motion, volume_temperature
from eoli.topology.description import MoleculeCount, SystemDescription
from eoli.topology.molecule import Molecule, Site
from synthetic_trajectories import choice

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


def chains_and_ions(chains: int = 6, sites: int = 20, ions: int = 40) -> SystemDescription:
    def sized(name: str, kind: str, masses: list[float]) -> Molecule:
        parts = tuple(Site(f"C{n}", "C", 0.0, mass, name, 1, "C", None, None, "test") for n, mass in enumerate(masses))
        return Molecule(name, kind, 0, parts, (), (), (), ())

    chain, ion = sized("CHAIN", "polymer", [14.0, 16.0] * (sites // 2)), sized("ION", "cation", [7.0])
    return SystemDescription((MoleculeCount(chain, chains), MoleculeCount(ion, ions)), choice(), "0")


def drawn_velocities(system: SystemDescription, temperature_K: float, seed: int) -> Floats:
    """Velocities of the Maxwell distribution, the centre of mass at rest."""
    masses = system.masses()[:, None]
    found = np.random.default_rng(seed).normal(size=(system.n_sites, 3)) * np.sqrt(
        GAS_CONSTANT * temperature_K / masses
    )
    return np.asarray(found - (masses * found).sum(axis=0) / masses.sum())


def test_all_kinds_of_motion_of_a_maxwell_distribution_are_as_hot() -> None:
    """Energies have the mean of their degrees of freedom, and probabilities are uniform."""
    system = chains_and_ions()
    degrees = 3 * system.n_sites - 3
    runs = [kinds_of_motion(system, drawn_velocities(system, 400.0, seed), degrees) for seed in range(400)]
    for name, kinds in zip(["CHAIN", "ION", WITHIN], zip(*runs, strict=True), strict=True):
        kelvin, chances = (
            np.array([kind.temperature_K for kind in kinds]),
            np.array([kind.chance(400.0) for kind in kinds]),
        )
        assert {kind.name for kind in kinds} == {name}
        assert kelvin.mean() == pytest.approx(400, abs=4 * kelvin.std() / 20)
        assert kelvin.std() == pytest.approx(400 * np.sqrt(2 / kinds[0].degrees_of_freedom), rel=0.15)
        assert np.mean(chances < 0.1) == pytest.approx(0.1, abs=0.06)
    assert sum(kind.degrees_of_freedom for kind in runs[0]) == pytest.approx(degrees)


@pytest.mark.parametrize("factor", [0.3, 3.0])
def test_molecules_that_move_too_fast_or_too_slowly_are_found(factor: float) -> None:
    system = chains_and_ions(ions=100)
    velocities = drawn_velocities(system, 400.0, 1)
    velocities[-100:] *= np.sqrt(factor)
    found = {kind.name: kind for kind in kinds_of_motion(system, velocities, 3 * system.n_sites - 3)}
    assert found["ION"].chance(400.0) < 1e-6
    assert found["ION"].temperature_K == pytest.approx(400 * factor, rel=0.2)
    assert found["CHAIN"].chance(400.0) > 1e-3
    assert found[WITHIN].chance(400.0) > 1e-3


def test_one_molecule_has_no_motion_as_a_whole() -> None:
    system = chains_and_ions(chains=1, ions=1)
    alone = SystemDescription(system.molecules[:1], system.choice, "0")
    kinds = kinds_of_motion(alone, drawn_velocities(alone, 400.0, 1), 3 * alone.n_sites - 3)
    assert [kind.name for kind in kinds] == [WITHIN]
