"""Time course of energy, temperature, pressure and density of a stage, short enough to plot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from eoli.analysis.common import write_results
from eoli.core.arrays import Floats
from eoli.core.statistics import Mean, equilibrated_mean
from eoli.errors import DataError
from eoli.gromacs.energies import densities, read_energies
from eoli.study.criteria import TracesCriteria
from eoli.topology.description import read_description

TERMS = {"potential_kJ_mol": "Potential", "temperature_K": "Temperature", "pressure_bar": "Pressure"}
"""Columns of the table, with the GROMACS names of their terms."""
ROWS = 300
"""Most rows of a table."""


@dataclass(frozen=True)
class Trace:
    """Equilibrated mean of a quantity, and the time, ps, from which it counts as equilibrated."""

    mean: Mean
    equilibrated_from_ps: float


@dataclass(frozen=True)
class Traces:
    """Quantities of a stage against `time_ps`, or `step` of a minimisation.

    A table row is the mean over `frames_per_row` energy frames, the last row over the rest. `equilibrated` holds, by
    column, the means of a stage that equilibrates, from all frames.
    """

    table: pd.DataFrame
    frames_per_row: int
    equilibrated: dict[str, Trace]


def block_means(values: Floats, size: int) -> Floats:
    """Means over blocks of `size` values of a series (n,), the last block over the rest: (ceil(n / size),)."""
    starts = np.arange(0, len(values), size)
    return np.add.reduceat(values, starts) / np.diff([*starts, len(values)])


def traces_of(edr: Path, mass_g_mol: float, equilibrates: bool, length_ps: float | None = None) -> Traces:
    """Traces of a finished stage from its energy file; `length_ps` is the length of its dynamics, if known.

    Density, g/cm3, is included if the volume changes: not at constant volume. A minimisation has no temperature, has
    steps instead of times and no meaningful pressure. Raises DataError, naming the file, as `read_energies` and
    `densities` do, and for values that are not finite.
    """
    terms = read_energies(edr, least=1, length_ps=length_ps)
    is_dynamics = "Temperature" in terms
    wanted = TERMS if is_dynamics else {"potential_kJ_mol": TERMS["potential_kJ_mol"]}
    series = {column: np.asarray(terms[term], dtype=np.float64) for column, term in wanted.items() if term in terms}
    time = np.asarray(terms["Time"], dtype=np.float64)
    try:
        if is_dynamics and ("Volume" in terms or "Density" in terms):
            series["density_g_cm3"] = densities(terms, mass_g_mol)
        for column, values in series.items():
            if not np.isfinite(values).all():
                raise DataError(
                    f"the series has {np.count_nonzero(~np.isfinite(values))} values of {column} that are not finite"
                )
        found = {}
        if equilibrates and len(time) > 1:
            for column, values in series.items():
                mean = equilibrated_mean(values)
                found[column] = Trace(mean, float(time[mean.first_equilibrated_index]))
    except DataError as error:
        raise DataError(f"{edr}: {error}") from None
    size = -(-len(time) // ROWS)
    columns = {"time_ps" if is_dynamics else "step": time, **series}
    return Traces(pd.DataFrame({name: block_means(values, size) for name, values in columns.items()}), size, found)


def analyse_traces(edr: Path, description: Path, criteria: TracesCriteria, out_csv: Path, out_json: Path) -> None:
    """Potential energy, temperature, pressure and density: a table to plot, and by column the equilibrated mean and its
    start.

    Raises DataError for files that cannot be read, do not belong together, or end before the run does.
    """
    traces = traces_of(edr, read_description(description).mass_g_mol, criteria.equilibrates, criteria.length_ps)
    means = {
        column: {
            "value": trace.mean.value,
            "error": trace.mean.standard_error,
            "equilibrated_from_ps": trace.equilibrated_from_ps,
            "independent_samples": trace.mean.n_effective,
        }
        for column, trace in traces.equilibrated.items()
    }
    write_results(traces.table, {"frames_per_row": traces.frames_per_row, "equilibrated": means}, out_csv, out_json)
