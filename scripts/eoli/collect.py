"""The table of a sweep: one row for each system, from the files that its stages and analyses left."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from eoli.errors import DataError, InputError
from eoli.files import whole
from eoli.sweep import System

ANALYSES = ("density", "structure", "motion")
PARTNERS = ("ether_O", "carbonyl_O", "anion_N", "anion_O")
SHELL_COLUMNS = {"first_peak_nm": "first_peak_Li_{}_nm", "coordination_number": "coordination_number_Li_{}"}


def _error_column(column: str) -> str:
    return f"{column.removesuffix('_nm')}_error_nm" if column.endswith("_nm") else f"{column}_error"


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: no JSON: {error}") from error
    if not isinstance(data, dict):
        raise DataError(f"{path}: no mapping of scalars")
    return data


def _composition(system: System, ideal_density: Mapping[str, float]) -> dict[str, Any]:
    return {
        "system": system.name,
        "polymer": system.polymer,
        "salt": system.salt,
        "eo_li_asked": system.eo_li_asked,
        "eo_li_simulated": system.eo_li,
        "simulated_in_study": system.in_study,
        "temperature_K": system.temperature_K,
        "replicate": system.replicate,
        **asdict(system.choice),
        "chains": system.chains,
        "ether_oxygens": system.ether_oxygens,
        "lithium_ions": system.cations,
        "ideal_mixing_density_unverified_g_cm3": ideal_density.get(system.name),
    }


def _pair(data: Mapping[str, Any], key: str) -> tuple[Any, Any]:
    entry = data.get(key) or {}
    return entry.get("value"), entry.get("error")


def _results(scalars: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Columns of the analyses; those of a missing analysis, ion or partner are empty."""
    row: dict[str, Any] = {}
    row["density_g_cm3"], row["density_error_g_cm3"] = _pair(scalars.get("density", {}), "density_g_cm3")
    shells = scalars.get("structure", {}).get("Li", {})
    for partner in PARTNERS:
        for key, pattern in SHELL_COLUMNS.items():
            column = pattern.format(partner)
            row[column], row[_error_column(column)] = _pair(shells.get(partner, {}), key)
    motion = scalars.get("motion", {})
    for ion in ("Li", "TFSI"):
        found = motion.get(ion, {})
        row[f"D_{ion}_m2_s"], row[f"D_{ion}_error_m2_s"] = _pair(found, "D_m2_s")
        row[f"D_{ion}_upper_bound_m2_s"] = found.get("D_upper_bound_m2_s")
        row[f"D_{ion}_verdict"] = found.get("verdict")
        row[f"exponent_{ion}"], row[f"exponent_{ion}_error"] = _pair(found, "exponent")
    row["analysed_length_ns"] = motion.get("length_ns")
    return row


def _row(
    system: System, stage_names: Sequence[str], results: Path, ideal_density: Mapping[str, float], allow_missing: bool
) -> dict[str, Any]:
    folder = results / system.name
    files = {name: folder / "analysis" / f"{name}.json" for name in ANALYSES}
    files |= {f"{stage} verdict": folder / stage / "verdict.json" for stage in stage_names}
    missing = [name for name, path in files.items() if not path.is_file()]
    if missing and not allow_missing:
        raise DataError(f"{files[missing[0]]}: no such file; {system.name} is incomplete ({', '.join(missing)})")
    read = {name: _read(path) for name, path in files.items() if name not in missing}
    warnings, warned = [], False
    for stage in stage_names:
        verdict = read.get(f"{stage} verdict", {})
        warned |= verdict.get("status", "pass") != "pass"
        warnings += [f"{stage}: {text}" for text in verdict.get("warnings", [])]
    status = f"incomplete: {', '.join(missing)}" if missing else "warn" if warned or warnings else "pass"
    return {
        **_composition(system, ideal_density),
        **_results({name: read[name] for name in ANALYSES if name in read}),
        "status": status,
        "warnings": "; ".join(warnings),
    }


def collect(
    systems: Sequence[System],
    stage_names: Sequence[str],
    analysis_stage: str,
    results: Path,
    out_csv: Path,
    ideal_density: Mapping[str, float] | None = None,
    allow_missing: bool = False,
) -> pd.DataFrame:
    """Write and return the table of a sweep: one row a system, units in the column names, empty where unknown.

    Reads `results/<system>/analysis/{density,structure,motion}.json`, analyses of `analysis_stage`, and
    `results/<system>/<stage>/verdict.json` of every stage. `ideal_density` holds the ideal-mixing estimates, g/cm3,
    by system. The status is `pass`, `warn` (a stage warned; see the column warnings) or, with `allow_missing`,
    `incomplete: <what is missing>`.

    Raises InputError when `analysis_stage` is no stage of the study, DataError for a file that is no JSON or, without
    `allow_missing`, is missing; no table is written then.
    """
    if analysis_stage not in stage_names:
        raise InputError(f"stage {analysis_stage!r} is not among the stages; allowed: {', '.join(stage_names)}")
    rows = [_row(system, stage_names, results, ideal_density or {}, allow_missing) for system in systems]
    table = pd.DataFrame([{**row, "analysed_stage": analysis_stage} for row in rows])
    with whole(out_csv) as temporary:
        table.to_csv(temporary, index=False, float_format="%.10g")
    return table
