"""The sweep table: one row per system, from the files of its stages and analyses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from eoli.analysis.results import check_salted, read_scalars, read_verdict
from eoli.core.files import write_table
from eoli.errors import DataError, InputError
from eoli.study.analyses import TABLES
from eoli.study.axes import ION_PAIRS, SOLVENTS, solvents_text
from eoli.study.quantities import In, at, declared, molecule_columns, sweep_columns
from eoli.study.systems import System
from eoli.summary.replicas import differing, replica_table
from eoli.topology.description import read_description

NOT_SHOWN = ("unreadable: ", "of another system: ", "not what the study asks for: ")
"""Status prefixes of rows whose results are not shown because their files are wrong."""


def composition(system: System, ideal_density: Mapping[str, float]) -> dict[str, Any]:
    """Columns of a system that its results do not decide, with its ideal density, g/cm3, from those by name."""
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
        **({SOLVENTS: solvents_text(system.solvents)} if system.solvents else {}),
        **({ION_PAIRS: solvents_text(system.contents.salts)} if len(system.contents.salts) > 1 else {}),
    }


def _results(scalars: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Columns of the analyses, empty for a missing analysis, ion or partner, and those of its molecule types."""
    return {column: at(scalars, path) for column, path in (sweep_columns(TABLES) | molecule_columns(scalars)).items()}


def _of_another_system(system: System, folder: Path, scalars: Mapping[str, Mapping[str, Any]]) -> str:
    """One line that says how the results contradict the system in the study; empty if they do not."""
    path = folder / "topology" / "system.json"
    numbers = {"lithium ions": system.cations}
    made: list[tuple[Path, Mapping[str, Any]]] = [
        (folder / "analysis" / f"{analysis}.json", {"lithium ions": found})
        for analysis, keys in (
            ("structure", ("lithium_ions",)), ("interactions", ("lithium_ions",)), ("conductivity", ("ions", "Li", "count")),
        )
        if (found := at(scalars, (analysis, *keys))) is not None
    ]  # fmt: skip
    if path.is_file():
        description = read_description(path)
        choice = asdict(system.choice)
        numbers |= {"chains": system.chains, "ether oxygens": system.ether_oxygens, **choice}
        found = {"chains": len(description.molecules_of("polymer")), "lithium ions": len(description.with_role("Li"))}
        found["ether oxygens"] = len(description.with_role("ether_O"))
        if system.imported is None:
            numbers["solvent molecules"] = system.contents.solvent_molecules
            found["solvent molecules"] = len(description.molecules_of("solvent"))
        made.insert(0, (path, {**found, **asdict(description.choice)}))
    for file, of_file in made:
        for key, value in of_file.items():
            if value != numbers[key]:
                return f"{file}: {key}: {value}, where {system.name} of the study has {numbers[key]}; run it again"
    lengths = {name: length for name in ("motion", "conductivity") if (length := at(scalars, (name, "length_ns")))}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name}.json {length:g} ns" for name, length in lengths.items())
        return f"{folder / 'analysis'}: analyses of runs of different length: {said}; run them again"
    return ""


def _row(
    system: System, stage_names: Sequence[str], results: Path, ideal_density: Mapping[str, float], allow_missing: bool,
    outdated: str,
) -> dict[str, Any]:  # fmt: skip
    status = f"{NOT_SHOWN[2]}{outdated}"
    if outdated and not allow_missing:
        raise DataError(f"{results / system.name}: {status}; snakemake makes it again")
    if not outdated:
        try:
            return _row_of(system, stage_names, results, ideal_density, allow_missing)
        except DataError as error:
            if not allow_missing:
                raise
            status = f"{NOT_SHOWN[0]}{error}"
    return {**composition(system, ideal_density), **_results({}), "status": status, "warnings": ""}


def _row_of(
    system: System, stage_names: Sequence[str], results: Path, ideal_density: Mapping[str, float], allow_missing: bool
) -> dict[str, Any]:
    analysis = results / system.name / "analysis"
    folders = {stage: results / system.home(stage) / stage for stage in stage_names}
    scalars = {name: read_scalars(analysis, name) for name in TABLES}
    verdicts = {stage: read_verdict(folder) for stage, folder in folders.items()}
    missing = [name for name, found in scalars.items() if found is None]
    files = [analysis / f"{name}.json" for name in missing]
    missing += [f"{stage} verdict" for stage, found in verdicts.items() if found is None]
    files += [folders[stage] / "verdict.json" for stage, found in verdicts.items() if found is None]
    if missing and not allow_missing:
        raise DataError(f"{files[0]}: no such file; {system.name} is incomplete ({', '.join(missing)})")
    read = {name: found for name, found in scalars.items() if found is not None}
    if system.cations:
        check_salted(analysis, read)
    other = _of_another_system(system, results / system.name, read)
    if other and not allow_missing:
        raise DataError(other)
    warnings, warned = [], False
    for stage, verdict in verdicts.items():
        if verdict is not None:
            warned |= verdict["status"] != "pass"
            warnings += [f"{stage}: {text}" for text in verdict["warnings"]]
    status = f"incomplete: {', '.join(missing)}" if missing else "warn" if warned or warnings else "pass"
    if other:
        read, status = {}, f"{NOT_SHOWN[1]}{other}"
    return {
        **composition(system, ideal_density),
        **_results(read),
        "status": status,
        "warnings": "; ".join(warnings),
    }


def _warn_of_starts(table: pd.DataFrame) -> None:
    """Add a warning to systems whose replicas differ; their status `pass` becomes `warn`."""
    for name, texts in differing(replica_table(table)).items():
        row = table["system"] == name
        table.loc[row, "warnings"] = "; ".join([text for text in table.loc[row, "warnings"] if text] + texts)
        table.loc[row & (table["status"] == "pass"), "status"] = "warn"


def collect(
    systems: Sequence[System],
    stage_names: Sequence[str],
    analysis_stage: str,
    results: Path,
    out_csv: Path,
    ideal_density: Mapping[str, float] | None = None,
    allow_missing: bool = False,
    outdated: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Write and return the sweep table: one row per system, units in the column names, empty where unknown.

    Reads `results/<system>/analysis/<analysis>.json` of TABLES, of the stage `analysis_stage`, and
    `results/<system>/<stage>/verdict.json` of every stage, of an imported run of that one. `ideal_density` holds the ideal-mixing estimates, g/cm3, by
    system; `outdated` holds reasons by system (`products.outdated`). The status is `pass`, `warn` (a stage
    warned, or replicas differ; see the column warnings) or, with `allow_missing`, `incomplete: <what is missing>`.

    Raises InputError if `analysis_stage` is not a stage of the study, and DataError for a malformed file. Without
    `allow_missing`, DataError also for a file that is missing, made from another system than the study has (chains,
    ions, force field) or in `outdated`; no table is written then. With it, such a row has no results and its
    status says why.
    """
    if analysis_stage not in stage_names:
        raise InputError(f"stage {analysis_stage!r} is not among the stages; allowed: {', '.join(stage_names)}")
    stale = outdated or {}
    rows = []
    for system in systems:
        # of a run that was made elsewhere there is the trajectory alone
        names = stage_names if system.imported is None else [analysis_stage]
        rows.append(_row(system, names, results, ideal_density or {}, allow_missing, stale.get(system.name, "")))
    table = pd.DataFrame([{**row, "analysed_stage": analysis_stage} for row in rows])
    common = (
        {*composition(systems[0], {}), *_results({}), "status", "warnings", "analysed_stage"} - {SOLVENTS, ION_PAIRS}
        if systems
        else set()
    )
    rare = [name for quantity in declared(In.RARE) for name in quantity.columns]
    found = [name for name in rare if table[name].notna().any()]
    # solvents, mixtures, and those of the molecule types of some systems
    found += [str(name) for name in table if name not in {*common, *found}]
    table = table[[*(name for name in table if name not in {*rare, *found}), *found]]
    _warn_of_starts(table)
    write_table(out_csv, table)
    return table
