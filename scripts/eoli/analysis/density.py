"""Density from the energy file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from eoli.energies import densities, read_energies
from eoli.errors import DataError
from eoli.statistics import UNKNOWN, Estimate, Mean, equilibrated_mean, linear_drift

LEAST_SAMPLES = 2.0
"""Independent samples below which a mean has no error."""


@dataclass(frozen=True)
class Density:
    """Density against time (columns time_ps, density_g_cm3), its equilibrated mean, g/cm3, and drift, g/cm3/ns.

    `resolved` says whether the mean has a standard error that means something.
    """

    table: pd.DataFrame
    mean: Mean
    equilibrated_from_ps: float
    drift_per_ns: Estimate

    @property
    def resolved(self) -> bool:
        """A series that never changes is not that of a fluctuating box, and one sample has no error."""
        return self.mean.standard_error > 0 and self.mean.n_effective >= LEAST_SAMPLES


def density_of(edr: Path, mass_g_mol: float, length_ps: float | None = None) -> Density:
    """Density of a run, of `length_ps` where that is known.

    The drift is unknown below four frames. Raises DataError, naming the file, as `read_energies` and `densities` do.
    """
    terms = read_energies(edr, length_ps=length_ps)
    time = np.asarray(terms["Time"], dtype=np.float64)
    try:
        density = densities(terms, mass_g_mol)
        mean = equilibrated_mean(density)
        drift = linear_drift(time / 1000, density) if len(time) >= 4 else UNKNOWN
    except DataError as error:
        raise DataError(f"{edr}: {error}") from None
    table = pd.DataFrame({"time_ps": time, "density_g_cm3": density})
    return Density(table, mean, float(time[mean.first_equilibrated_index]), drift)
