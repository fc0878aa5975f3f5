"""The table of a sweep: one row for each system, from the files that its stages and analyses left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from eoli.analyses import TABLES
from eoli.errors import DataError, InputError
from eoli.files import write_table
from eoli.replicas import differing, replica_table
from eoli.results import check_salted, read_scalars, read_verdict
from eoli.sweep import System
from eoli.topology.description import read_description

NOT_SHOWN = ("unreadable: ", "of another system: ", "not what the study asks for: ")
"""How the status of a row without results begins, whose files are not what they should be."""


@dataclass(frozen=True)
class Scalar:
    """A column of the table, with one for its error: where an analysis keeps the value.

    `keys` lead to `{"value": ..., "error": ...}`; the unit stands at the end of both columns.
    """

    name: str
    unit: str
    analysis: str
    keys: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, str]:
        """Names of the value and of its error."""
        tail = f"_{self.unit}" if self.unit else ""
        return f"{self.name}{tail}", f"{self.name}_error{tail}"


def _around_lithium() -> Iterator[Scalar]:
    for partner in ("ether_O", "carbonyl_O", "anion_N", "anion_O"):
        for key, pattern, unit in (
            ("first_peak_nm", "first_peak_Li_{}", "nm"),
            ("coordination_number", "coordination_number_Li_{}", ""),
            ("at_cutoff", "neighbours_Li_{}", ""),
        ):
            if key != "at_cutoff" or not partner.startswith("anion"):
                yield Scalar(pattern.format(partner), unit, "structure", ("Li", partner, key))
    # whatever sites an anion binds with
    yield Scalar("neighbours_Li_anion", "", "structure", ("shell_statistics", "anion", "mean"))


def _of_motion() -> Iterator[Scalar]:
    for particle in ("Li", "anion", "chain"):
        yield Scalar(f"D_{particle}", "m2_s", "motion", (particle, "D_m2_s"))
        yield Scalar(f"exponent_{particle}", "", "motion", (particle, "exponent"))


def _of_conductivity() -> Iterator[Scalar]:
    for route in ("nernst_einstein", "cluster_nernst_einstein", "collective"):
        keys = ("sigma_S_m", "formal_charges", route)
        yield Scalar(f"conductivity_{route}", "S_m", "conductivity", keys)
    for route in ("nernst_einstein", "onsager_centre_of_mass", "onsager_polymer"):
        yield Scalar(f"transference_{route}", "", "conductivity", ("transference", route))
    yield Scalar("ionicity", "", "conductivity", ("ionicity",))


def _of_mechanism() -> Iterator[Scalar]:
    for partner in ("ether_O", "carbonyl_O", "chain", "anion"):
        yield Scalar(f"residence_Li_{partner}", "ps", "mechanism", ("residence", partner, "mean_ps"))
    yield Scalar("Li_with_carbonyl_O", "", "mechanism", ("partition", "with_carbonyl_O"))
    yield Scalar("segment_relaxation", "ps", "mechanism", ("segments", "P2", "all", "time_1e_ps"))


SCALARS = (
    Scalar("density", "g_cm3", "density", ("density_g_cm3",)),
    *_around_lithium(),
    Scalar("chains_of_Li", "", "structure", ("shell_statistics", "chains", "mean")),
    Scalar("radius_of_gyration", "nm", "structure", ("chains", "radius_of_gyration_nm")),
    Scalar("gauche_fraction", "", "structure", ("gauche_fraction",)),
    Scalar("Li_free", "", "ions", ("Li", "free")),
    Scalar("Li_aggregated", "", "ions", ("Li", "aggregated")),
    *_of_motion(),
    Scalar("Li_carried_by_chain", "", "motion", ("Li_carried_by_chain", "share")),
    *_of_conductivity(),
    *_of_mechanism(),
    Scalar("segregation", "", "morphology", ("segregation", "degree")),
    Scalar("interface", "per_nm", "morphology", ("segregation", "interface_per_volume_per_nm")),
    Scalar("spacing", "nm", "morphology", ("scattering", "spacing_nm")),
    Scalar("NH_to_anion", "", "hydrogen-bonds", ("acceptors", "anion", "NH_share")),
    Scalar("NH_to_carbonyl_O", "", "hydrogen-bonds", ("acceptors", "carbonyl_O", "NH_share")),
    Scalar("energy_Li_PEO", "kJ_mol", "interactions", ("exact", "Li/PEO", "lithium", "E_ele_kJ_mol")),
    Scalar("energy_Li_PA", "kJ_mol", "interactions", ("exact", "Li/PA", "lithium", "E_ele_kJ_mol")),
)
"""What the table holds of the analyses, in its order."""

RARE = (
    Scalar("neighbours_Li_hydroxyl_O", "", "structure", ("Li", "hydroxyl_O", "at_cutoff")),
    Scalar("residence_Li_hydroxyl_O", "ps", "mechanism", ("residence", "hydroxyl_O", "mean_ps")),
)
"""What the table holds only where a system of the sweep has it, in columns at its end."""

WORDS = (
    ("D_Li_verdict", "motion", ("Li", "verdict")),
    ("D_anion_verdict", "motion", ("anion", "verdict")),
    ("ions_verdict", "ions", ("verdict",)),
    ("conductivity_verdict", "conductivity", ("sigma_S_m", "formal_charges", "collective", "verdict")),
    ("segregation_verdict", "morphology", ("segregation", "verdict")),
    ("spacing_verdict", "morphology", ("scattering", "verdict")),
)
"""Verdicts by column, analysis and keys."""

_SIGMA = ("sigma_S_m", "formal_charges")
BOUNDS = (
    ("D_Li_upper_bound_m2_s", "motion", ("Li", "D_upper_bound_m2_s")),
    ("D_anion_upper_bound_m2_s", "motion", ("anion", "D_upper_bound_m2_s")),
    *(
        (f"conductivity_{route}_upper_bound_S_m", "conductivity", (*_SIGMA, route, "upper_bound"))
        for route in ("nernst_einstein", "collective")
    ),
    ("conductivity_nernst_einstein_lower_bound_S_m", "conductivity", (*_SIGMA, "nernst_einstein", "lower_bound")),
    *(
        (f"transference_nernst_einstein_{bound}", "conductivity", ("transference", "nernst_einstein", bound))
        for bound in ("lower_bound", "upper_bound")
    ),
    *(
        (f"residence_Li_{partner}_at_least_ps", "mechanism", ("residence", partner, "mean_at_least_ps"))
        for partner in ("ether_O", "carbonyl_O", "chain", "anion")
    ),
    ("segment_relaxation_at_least_ps", "mechanism", ("segments", "P2", "all", "time_1e_ps", "at_least")),
    ("further_ns_for_D_Li", "motion", ("Li", "extension", "further_ns")),
    ("analysed_length_ns", "motion", ("length_ns",)),
)
"""Single numbers by column, analysis and keys."""


def at(data: Any, keys: Sequence[str]) -> Any:
    """What stands under keys in nested mappings; None where one of them is missing."""
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
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


def _results(scalars: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Columns of the analyses; those of a missing analysis, ion or partner are empty."""
    row: dict[str, Any] = {}
    for scalar in (*SCALARS, *RARE):
        found = at(scalars, (scalar.analysis, *scalar.keys))
        row |= zip(scalar.columns, (at(found, ("value",)), at(found, ("error",))), strict=True)
    return row | {column: at(scalars, (analysis, *keys)) for column, analysis, keys in (*BOUNDS, *WORDS)}


def _of_another_system(system: System, folder: Path, scalars: Mapping[str, Mapping[str, Any]]) -> str:
    """What says that the results of a system were made from another one than the study has, in a line; else empty."""
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
        of_box = {kind: len(description.molecules_of(kind)) for kind in ("polymer", "cation")}
        found = {"chains": of_box["polymer"], "lithium ions": of_box["cation"]}
        found["ether oxygens"] = len(description.with_role("ether_O"))
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
    not_asked_for: str,
) -> dict[str, Any]:  # fmt: skip
    if not_asked_for:
        if not allow_missing:
            raise DataError(f"{results / system.name}: {NOT_SHOWN[2]}{not_asked_for}; snakemake makes it again")
        status = {"status": f"{NOT_SHOWN[2]}{not_asked_for}", "warnings": ""}
        return {**_composition(system, ideal_density), **_results({}), **status}
    try:
        return _row_of(system, stage_names, results, ideal_density, allow_missing)
    except DataError as error:
        if not allow_missing:
            raise
        status = {"status": f"{NOT_SHOWN[0]}{error}", "warnings": ""}
        return {**_composition(system, ideal_density), **_results({}), **status}


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
        **_composition(system, ideal_density),
        **_results(read),
        "status": status,
        "warnings": "; ".join(warnings),
    }


def _warn_of_starts(table: pd.DataFrame) -> None:
    """Add to the warnings of systems whose independent starts differ; what has passed warns then."""
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
    not_asked_for: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Write and return the table of a sweep: one row a system, units in the column names, empty where unknown.

    Reads `results/<system>/analysis/<analysis>.json` of TABLES, of the stage `analysis_stage`, and
    `results/<system>/<stage>/verdict.json` of every stage. `ideal_density` holds the ideal-mixing estimates, g/cm3,
    by system. The status is `pass`, `warn` (a stage warned, or independent starts of the system differ; see the column
    warnings) or, with `allow_missing`, `incomplete: <what is missing>`.

    Raises InputError when `analysis_stage` is no stage of the study, DataError for a file that is not what it should be
    or, without `allow_missing`, is missing or was made from another system than the study has (chains, ions, force field)
    or is in `not_asked_for`, reasons by system (`products.not_asked_for`); no table is written then. With it, such a row
    has no results and its status says why.
    """
    if analysis_stage not in stage_names:
        raise InputError(f"stage {analysis_stage!r} is not among the stages; allowed: {', '.join(stage_names)}")
    stale = not_asked_for or {}
    rows = [
        _row(system, stage_names, results, ideal_density or {}, allow_missing, stale.get(system.name, ""))
        for system in systems
    ]
    table = pd.DataFrame([{**row, "analysed_stage": analysis_stage} for row in rows])
    rare = [name for scalar in RARE for name in scalar.columns]
    found = [name for name in rare if table[name].notna().any()]
    table = table[[*(name for name in table if name not in rare), *found]]
    _warn_of_starts(table)
    write_table(out_csv, table)
    return table
