"""Does a stage sample the ensemble that was asked for? Its conserved energy, how its volume fluctuates, and whether all
kinds of motion are as hot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eoli.core.statistics import Estimate, inefficiency, linear_drift, standard_error
from eoli.core.units import BAR_NM3, GAS_CONSTANT
from eoli.topology.description import SystemDescription

Floats = npt.NDArray[np.float64]

_BLOCKS = 10
WITHIN = "within molecules"
"""Name of all motion besides that of whole molecules."""


def energy_drift(time_ps: Floats, conserved: Floats, kinetic: Floats) -> Estimate:
    """Drift of the conserved energy, kT per degree of freedom and ns.

    All of shape (n,), energies in kJ/mol; N_df R T is twice the mean kinetic energy. Errors of integration add up
    like the steps of a random walk, about which the residuals of a straight line say too little: the error is the larger
    of theirs and that of the mean of the nine steps between ten blocks. Raises DataError for fewer than twenty values.
    """
    slope = linear_drift(time_ps, conserved)
    times, energies = (np.array([b.mean() for b in np.array_split(x, _BLOCKS)]) for x in (time_ps, conserved))
    steps = standard_error(np.diff(energies) / np.diff(times))
    unit = 2 * float(np.mean(kinetic)) / 1000
    assert slope.value is not None and slope.error is not None
    return Estimate(slope.value / unit, max(slope.error, steps) / unit)


def volume_temperature(volume_nm3: Floats, pressure_bar: Floats, temperature_K: float) -> Estimate:
    """Temperature at which the volume fluctuates, K: -cov(V, P) / k, with instantaneous pressures; both of shape (n,).

    Partial integration of the isothermal-isobaric distribution Z(V) exp(-p V / kT), with kT dlnZ/dV = P(V), gives
    cov(V, P) = -kT, whatever the system, its compressibility and its mean pressure. As var(V) = kT V kappa and the
    pressure answers the volume with slope -1 / (V kappa), this compares the fluctuation with the compressibility of the
    same run. A volume that still relaxes does so at the reference pressure and hardly adds to the covariance. A barostat
    that is coupled too rarely drives its own volume: the temperature is too high.

    The error has the noise of the pressure, and that of a variance from as many independent volumes as there are, if
    they fluctuated as at `temperature_K`.
    """
    n = len(volume_nm3)
    product = -(volume_nm3 - volume_nm3.mean()) * (pressure_bar - pressure_bar.mean()) * BAR_NM3 / GAS_CONSTANT
    of_pressure = float(product.var(ddof=1)) * inefficiency(product) / n
    of_volume = 2 * temperature_K**2 * inefficiency(volume_nm3) / n
    return Estimate(float(product.mean()), float(np.sqrt(of_pressure + of_volume)))


@dataclass(frozen=True)
class KindOfMotion:
    """A kind of motion at one instant: its kinetic energy, kJ/mol, and its degrees of freedom."""

    name: str
    kinetic_kJ_mol: float
    degrees_of_freedom: float

    @property
    def temperature_K(self) -> float:
        """Twice the kinetic energy of a degree of freedom, over R."""
        return 2 * self.kinetic_kJ_mol / (self.degrees_of_freedom * GAS_CONSTANT)

    def chance(self, temperature_K: float) -> float:
        """Probability that a system at a temperature is at least as far from it.

        2 K / RT has a chi-squared distribution; both tails count.
        """
        from scipy.special import chdtr, chdtrc

        energy = 2 * self.kinetic_kJ_mol / (GAS_CONSTANT * temperature_K)
        tails = chdtr(self.degrees_of_freedom, energy), chdtrc(self.degrees_of_freedom, energy)
        return float(min(1.0, 2 * min(tails)))


def kinds_of_motion(
    description: SystemDescription, velocities_nm_ps: Floats, degrees_of_freedom: float
) -> list[KindOfMotion]:
    """Motion of whole molecules, by molecule type, and motion within molecules; velocities of shape (n_sites, 3).

    By equipartition all are as hot. `degrees_of_freedom` are those of the whole system, whose centre of mass rests: a
    molecule of mass m in a system of mass M moves with 3 (1 - m/M) of them.
    """
    masses, whole = description.masses(), description.mass_g_mol
    of_all = 0.5 * float(np.sum(masses[:, None] * velocities_nm_ps**2))
    found = []
    for molecule, sites in description.parts():
        weights = masses[sites[0]] / molecule.mass
        centres = np.einsum("s,msx->mx", weights, velocities_nm_ps[sites])
        energy = 0.5 * molecule.mass * float(np.sum(centres**2))
        found.append(KindOfMotion(molecule.name, energy, 3 * len(sites) * (1 - molecule.mass / whole)))
    within = of_all - sum(kind.kinetic_kJ_mol for kind in found)
    left = degrees_of_freedom - sum(kind.degrees_of_freedom for kind in found)
    return [kind for kind in (*found, KindOfMotion(WITHIN, within, left)) if kind.degrees_of_freedom > 0]
