"""Density of a run from its energy file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from eoli.analysis.density import LEAST_SAMPLES, Density, density_of
from eoli.criteria import DensityCriteria
from eoli.jobs.common import write_results
from eoli.statistics import UNKNOWN
from eoli.topology.description import read_description


def _verdict(density: Density, equilibrates: bool) -> str | None:
    """Why there is no mean, None where there is one."""
    if not equilibrates:
        return "not resolved: the stage drives the box or its temperature, a mean over it is that of no state"
    if not density.resolved:
        return f"not resolved: {density.mean.n_effective:.1f} independent samples, at least {LEAST_SAMPLES:g} that differ are needed"
    return None


def analyse_density(edr: Path, description: Path, criteria: DensityCriteria, out_csv: Path, out_json: Path) -> None:
    """Density of a run: table of time_ps and density_g_cm3; scalars of its equilibrated mean and its drift.

    Of a stage that does not equilibrate, because it is driven, and of a series that does not determine its mean, the
    scalars have a verdict and no numbers. Raises DataError for files
    that cannot be read, do not belong together, hold no density, or end before the run does.
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
