"""Density from the energy file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from eoli.analysis.common import write_results
from eoli.core.statistics import UNKNOWN, Estimate, Mean, equilibrated_mean, linear_drift
from eoli.errors import DataError
from eoli.gromacs.energies import densities, read_energies
from eoli.study.criteria import DensityCriteria
from eoli.topology.description import read_description

LEAST_SAMPLES = 2.0
"""A mean from fewer independent samples has no error."""


@dataclass(frozen=True)
class Density:
    """Density against time (columns time_ps, density_g_cm3), its equilibrated mean, g/cm3, and drift, g/cm3/ns.

    `resolved`: the mean has a meaningful standard error.
    """

    table: pd.DataFrame
    mean: Mean
    equilibrated_from_ps: float
    drift_per_ns: Estimate

    @property
    def resolved(self) -> bool:
        """A constant series is not that of a fluctuating box, and a single sample has no error."""
        return self.mean.standard_error > 0 and self.mean.n_effective >= LEAST_SAMPLES


def density_of(edr: Path, mass_g_mol: float, length_ps: float | None = None) -> Density:
    """Density of a run of length `length_ps`, if known.

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


def _verdict(density: Density, equilibrates: bool) -> str | None:
    """Why there is no mean; None if there is one."""
    if not equilibrates:
        return "not resolved: the stage drives the box or its temperature, a mean over it is that of no state"
    if not density.resolved:
        return f"not resolved: {density.mean.n_effective:.1f} independent samples, at least {LEAST_SAMPLES:g} that differ are needed"
    return None


def analyse_density(edr: Path, description: Path, criteria: DensityCriteria, out_csv: Path, out_json: Path) -> None:
    """Density of a run: table of time_ps and density_g_cm3; scalars of its equilibrated mean and drift.

    If the stage is driven and does not equilibrate, or if the series does not determine its mean, the scalars have a
    verdict and no numbers. Raises DataError for files that cannot be read, do not belong together, hold no density, or
    end before the run does.
    """
    density = density_of(edr, read_description(description).mass_g_mol, criteria.length_ps)
    scalars = {
        "density_g_cm3": {"value": density.mean.value, "error": density.mean.standard_error},
        "density_drift_g_cm3_per_ns": asdict(density.drift_per_ns),
        "equilibrated_from_ps": density.equilibrated_from_ps,
        "independent_samples": density.mean.n_effective,
    }
    verdict = _verdict(density, criteria.equilibrates)
    if verdict is not None:
        unknown = dict.fromkeys(("equilibrated_from_ps", "independent_samples"))
        scalars = {**dict.fromkeys(list(scalars)[:2], asdict(UNKNOWN)), **unknown, "verdict": verdict}
    write_results(density.table, scalars, out_csv, out_json)
