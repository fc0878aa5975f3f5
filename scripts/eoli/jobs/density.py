"""Density of a run from its energy file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from eoli.analysis.density import density_of
from eoli.jobs.common import write_results
from eoli.topology.description import read_description


def analyse_density(edr: Path, description: Path, out_csv: Path, out_json: Path) -> None:
    """Density of a run: table of time_ps and density_g_cm3; scalars of its equilibrated mean and its drift.

    Raises DataError for files that cannot be read, do not belong together or hold no density.
    """
    density = density_of(edr, read_description(description).mass_g_mol)
    scalars = {
        "density_g_cm3": {"value": density.mean.value, "error": density.mean.standard_error},
        "density_drift_g_cm3_per_ns": asdict(density.drift_per_ns),
        "equilibrated_from_ps": density.equilibrated_from_ps,
        "independent_samples": density.mean.n_effective,
    }
    write_results(density.table, scalars, out_csv, out_json)
