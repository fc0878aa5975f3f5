"""Traces of a stage from its energy file."""

from __future__ import annotations

from pathlib import Path

from eoli.analysis.traces import traces_of
from eoli.criteria import TracesCriteria
from eoli.jobs.common import write_results
from eoli.topology.description import read_description


def analyse_traces(edr: Path, description: Path, criteria: TracesCriteria, out_csv: Path, out_json: Path) -> None:
    """Potential energy, temperature, pressure and density of a stage: a table short enough to be drawn, and by column
    the mean of the equilibrated part and where that begins.

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
