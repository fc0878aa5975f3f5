"""The three analyses of a stage: files in, a table (CSV) and its scalars (JSON) out, both whole or not at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eoli.analysis.density import density_of
from eoli.analysis.msd import Diffusion, diffusion, local_exponent, log_lags, mean_msd
from eoli.analysis.rdf import Shell, lithium_partners, structure_around
from eoli.errors import DataError
from eoli.files import whole, write_json
from eoli.statistics import Estimate
from eoli.topology.description import SystemDescription, read_description
from eoli.trajectory import Points, centres_of_mass, open_trajectory, sites, stride_of, unwrapped

_PS_PER_NS = 1000.0


def _finite(data: Any) -> Any:
    """The same data with null for numbers that JSON does not have."""
    if isinstance(data, Mapping):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return data


def _write(table: pd.DataFrame, scalars: dict[str, Any], out_csv: Path, out_json: Path) -> None:
    # Nested, so that a table without its scalars does not stay behind.
    with whole(out_csv) as temporary:
        table.to_csv(temporary, index=False, float_format="%.10g")
        write_json(out_json, _finite(scalars))


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
    _write(density.table, scalars, out_csv, out_json)


def _shell(shell: Shell, n_partners: int) -> dict[str, Any]:
    def both(estimate: Estimate) -> dict[str, float | None]:
        return asdict(estimate)

    return {
        "first_peak_nm": both(shell.first_peak_nm),
        "first_minimum_nm": both(shell.first_minimum_nm),
        "coordination_number": both(shell.coordination_number),
        "sites": n_partners,
    }


def analyse_structure(
    trajectory: Path, description: Path, frame_interval_ps: float, use_interval_ps: float, range_nm: float,
    bin_nm: float, out_csv: Path, out_json: Path,
) -> None:  # fmt: skip
    """g(r) and n(r) of lithium with each of its partners, and the first shells; a neat polymer has r_nm alone.

    `use_interval_ps` is rounded to whole frames. Raises DataError for files that cannot be read or do not belong
    together.
    """
    system = read_description(description)
    opened = open_trajectory(trajectory, system.n_sites, frame_interval_ps)
    stride = stride_of(frame_interval_ps, use_interval_ps)
    lithium, partners = system.with_role("Li"), lithium_partners(system)
    scalars: dict[str, Any] = {"lithium_ions": len(lithium), "use_interval_ps": stride * frame_interval_ps}
    if len(lithium) and partners:
        structure = structure_around(opened, lithium, partners, range_nm, bin_nm, stride)
        table = structure.table
        scalars["frames"] = structure.n_frames
        scalars["Li"] = {name: _shell(shell, len(partners[name])) for name, shell in structure.shells.items()}
    else:
        table = pd.DataFrame({"r_nm": bin_nm * (np.arange(int(range_nm / bin_nm + 1e-9)) + 0.5)})
        scalars |= {"frames": 0, "Li": {}}
    _write(table, scalars, out_csv, out_json)


def _centres(system: SystemDescription, kind: str) -> Points | None:
    molecules = system.molecules_of(kind)
    if not len(molecules):
        return None
    molecule = next(entry.molecule for entry in system.molecules if entry.molecule.kind == kind)
    bonds = np.array([term.sites for term in molecule.bonds], dtype=np.int64).reshape(-1, 2)
    return centres_of_mass(molecules, bonds, np.array([site.mass for site in molecule.sites]))


def _diffusion(found: Diffusion) -> dict[str, Any]:
    return {
        "D_m2_s": {"value": found.value_m2_s, "error": found.error_m2_s},
        "D_upper_bound_m2_s": found.upper_bound_m2_s,
        "exponent": {"value": found.exponent, "error": found.exponent_error},
        "fit_from_ps": found.fit_from_ps,
        "fit_to_ps": found.fit_to_ps,
        "verdict": found.verdict,
    }


def analyse_motion(
    trajectory: Path, description: Path, frame_interval_ps: float, use_interval_ps: float, tolerance: float,
    out_csv: Path, out_json: Path,
) -> None:  # fmt: skip
    """MSD and local exponent of lithium, fluorine, anion and chain centres of mass; D where motion is diffusive.

    The MSD of the F atoms holds the anion's own rotation; only that of its centre of mass gives a D of the anion.
    Lags are logarithmically spaced, up to half the run. `use_interval_ps` is rounded to whole frames. Raises
    DataError for files that cannot be read or do not belong together.
    """
    system = read_description(description)
    opened = open_trajectory(trajectory, system.n_sites, frame_interval_ps)
    stride = stride_of(frame_interval_ps, use_interval_ps)
    interval_ps = stride * frame_interval_ps
    lithium, fluorine = system.with_role("Li"), system.with_role("anion_F")
    wanted: dict[str, Points | None] = {
        "Li": sites(lithium) if len(lithium) else None,
        "F": sites(fluorine) if len(fluorine) else None,
        "TFSI_com": _centres(system, "anion"),
        "chain_com": _centres(system, "polymer"),
    }
    paths = unwrapped(opened, {name: points for name, points in wanted.items() if points is not None}, stride)
    n_used = len(range(0, opened.n_frames, stride))
    if n_used < 2:
        raise DataError(
            f"{trajectory}: {n_used} frame is used at an interval of {interval_ps:g} ps; at least 2 are needed"
        )
    lags = log_lags(n_used)
    lag_ps = lags * interval_ps
    msd = {name: mean_msd(path, lags) for name, path in paths.items()}
    columns = {"lag_ps": lag_ps}
    columns |= {f"msd_{name}_nm2": values for name, values in msd.items()}
    columns |= {f"alpha_{name}": local_exponent(lag_ps, values) for name, values in msd.items()}
    scalars: dict[str, Any] = {
        "length_ns": opened.length_ps / _PS_PER_NS,
        "use_interval_ps": interval_ps,
        "frames": n_used,
        "tolerance": tolerance,
    }
    for key, name in (("Li", "Li"), ("TFSI", "TFSI_com"), ("chain", "chain_com")):
        if name in paths:
            scalars[key] = _diffusion(diffusion(paths[name], interval_ps, tolerance))
    _write(pd.DataFrame(columns), scalars, out_csv, out_json)
