"""Does a stage sample the ensemble that was asked for? Its conserved energy, and how its volume fluctuates."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eoli.core.statistics import Estimate, inefficiency, linear_drift, standard_error
from eoli.core.units import BAR_NM3, GAS_CONSTANT

Floats = npt.NDArray[np.float64]

_BLOCKS = 10


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
