"""Specific volume along one cooling run, and the glass transition of this run alone."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from eoli.analysis.common import write_results
from eoli.analysis.glass.fit import fit_curve, volume_curve
from eoli.study.annealing import cooling_rate_K_per_s
from eoli.study.criteria import SpecificVolumeCriteria
from eoli.topology.description import read_description


def analyse_specific_volume(
    edr: Path, description: Path, criteria: SpecificVolumeCriteria, out_csv: Path, out_json: Path
) -> None:
    """Specific volume at each plateau of a cooling, and the position of its bend, as table and scalars.

    Raises DataError for files that cannot be read or do not belong together.
    """
    course = criteria.course
    curve = volume_curve(edr, read_description(description).mass_g_mol, course)
    scalars = {"cooling_rate_K_per_s": cooling_rate_K_per_s(course), "glass_transition": asdict(fit_curve(curve))}
    write_results(curve, scalars, out_csv, out_json)
