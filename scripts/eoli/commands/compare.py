"""Commands that compare a sweep with the study, with experiments and across temperatures."""

from __future__ import annotations

import argparse
from pathlib import Path

from eoli.commands.common import add_option, add_study, made, study_of
from eoli.errors import InputError


def add_compare(parser: argparse.ArgumentParser) -> None:
    from eoli.study.config import EqualLag

    parser.add_argument("--table", type=Path, required=True, metavar="FILE", help="sweep.csv")
    parser.add_argument("--results", type=Path, required=True, metavar="DIR", help="folder of the systems")
    parser.add_argument("--study", type=Path, required=True, metavar="FILE", help="what the study reports, YAML")
    parser.add_argument("--conductivity", type=Path, required=True, metavar="FILE", help="measured conductivities, CSV")
    parser.add_argument(
        "--transport", type=Path, required=True, metavar="FILE", help="measured diffusion and density, CSV"
    )
    for key in EqualLag.model_fields:
        add_option(parser, key, EqualLag, key)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the tables and the figure")


def compare(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict, fields
    from typing import get_args

    import pandas as pd

    from eoli.analysis.displacement.curves import read_displacements
    from eoli.analysis.results import read_sweep
    from eoli.core.files import write_json, write_table
    from eoli.figures.equal_lag import figure_equal_lag
    from eoli.figures.experiments import figure_experiments
    from eoli.reference import claims, experiments, measured, model, readings
    from eoli.study.axes import unknown_reference
    from eoli.study.config import EqualLag
    from eoli.summary.equal_lag import Against, equal_lag_tables
    from eoli.summary.extrapolation import beside_series
    from eoli.summary.pooled import read_starts
    from eoli.workflow.plan import EQUAL_LAG

    study = model.read_reference(arguments.study)
    conductivity, transport = (
        measured.read_measured(arguments.conductivity),
        measured.read_transport(arguments.transport),
    )
    sweep, results, out = read_sweep(arguments.table), arguments.results, arguments.out
    salted = sweep.dropna(subset="eo_li_asked")
    pairs = [*zip(salted["polymer"], salted["eo_li_asked"], strict=True)]
    if wrong := unknown_reference(arguments.polymer, arguments.eo_li, pairs):
        key, message = wrong
        raise InputError(f"argument --{key.replace('_', '-')}: {message}")
    systems = sweep["system"].tolist()
    together = read_starts(results, systems)
    scalars = readings.read_scalars(results, systems) | together
    starts = {name: record["systems"] for name, record in together.items()}
    masses = experiments.chain_molar_masses(results, systems)
    curves = read_displacements(results, systems)
    compared = claims.compare(study, sweep, scalars, curves, arguments.lag_ps)
    against = Against(arguments.polymer or model.compared_with(study), arguments.eo_li)
    tables = equal_lag_tables(sweep, curves, against, arguments.lag_ps)
    beside = experiments.beside_experiments(sweep, scalars, conductivity, transport, masses, starts)
    beside += beside_series(sweep, scalars, conductivity, transport, masses, starts)
    summary = {
        "cite": study.cite,
        "verdicts": {verdict: sum(row.verdict == verdict for row in compared) for verdict in get_args(claims.Verdict)},
        "mean_absolute_log10_difference": experiments.mean_absolute_errors(beside),
        "score": asdict(experiments.overall(beside)),
    }
    for name, rows, kind in (("study", compared, claims.Comparison), ("experiments", beside, experiments.Beside)):
        write_table(out / f"{name}.csv", pd.DataFrame(rows, columns=[field.name for field in fields(kind)]))
    for name, table in zip(EQUAL_LAG, (tables.pairs, tables.course, tables.ranking), strict=True):
        write_table(out / f"{name}.csv", table)
    figure_equal_lag(tables.course, out / EQUAL_LAG[0])
    figure_experiments(beside, out / "experiments")
    write_json(out / "compare.json", summary)
    used = [results / system / "analysis" / "displacement.csv" for system in systems]
    made(
        out / "study.csv",
        [
            arguments.table, arguments.study, arguments.conductivity, arguments.transport,
            *(path for path in used if path.is_file()),
        ],
        against=EqualLag.model_construct(
            polymer=arguments.polymer, eo_li=arguments.eo_li, lag_ps=arguments.lag_ps
        ).noted,
    )  # fmt: skip
    return 0


def add_replicas(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", type=Path, required=True, metavar="FILE", help="sweep.csv")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="folder of the systems")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the tables")


def replicas(arguments: argparse.Namespace) -> int:
    from eoli.analysis.results import read_sweep
    from eoli.core.files import write_table
    from eoli.summary.pooled import read_starts, starts_file, starts_table
    from eoli.summary.replicas import replica_table

    sweep, out = read_sweep(arguments.table), arguments.out / "replicas.csv"
    together = read_starts(arguments.results, sweep["system"].tolist())
    write_table(out, replica_table(sweep))
    write_table(out.with_name("starts.csv"), starts_table(sweep, together))
    made(out, [arguments.table, *(starts_file(arguments.results, name) for name in together)])
    return 0


def add_cutoffs(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="table to write")


def cutoffs(arguments: argparse.Namespace) -> int:
    from eoli.core.files import write_table
    from eoli.forcefield.models import NO_SALT
    from eoli.study.systems import systems_of
    from eoli.summary.cutoffs import cutoff_table, read_structure

    study = study_of(arguments)
    salted = [name for name, system in systems_of(study).items() if system.salt != NO_SALT]
    files = {name: arguments.results / name / "analysis" / "structure.csv" for name in salted}
    structures = {name: read_structure(path) for name, path in files.items()}
    table = cutoff_table(structures, study.config.analysis.contacts_nm)
    write_table(arguments.out, table, digits=6)
    made(arguments.out, list(files.values()), contacts_nm=study.config.analysis.contacts_nm)
    return 0


def add_glass_transition(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the table and the figure")


def glass_transition(arguments: argparse.Namespace) -> int:
    from eoli.core.files import write_table
    from eoli.figures.glass import figure_glass_transition
    from eoli.reference.experiments import measured_Tg_K
    from eoli.reference.model import read_reference
    from eoli.study.systems import systems_of
    from eoli.summary.glass_transition import glass_table, read_coolings, volumes_file

    study, out = study_of(arguments), arguments.out / "glass-transition.csv"
    cooled = read_coolings(study, arguments.results)
    reference = study.found(study.config.reference.study)
    study_of_record = read_reference(reference)
    theirs = [measured_Tg_K(study_of_record, entry.system) for entry in cooled]
    write_table(out, glass_table(cooled, theirs))
    figure_glass_transition(cooled, theirs, out.with_suffix(""))
    made(
        out,
        [
            *(volumes_file(arguments.results, name) for name, s in systems_of(study).items() if s.imported is None),
            reference,
        ],
    )
    return 0


def add_temperature(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", type=Path, required=True, metavar="FILE", help="sweep.csv")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="table to write")


def temperature(arguments: argparse.Namespace) -> int:
    from eoli.analysis.results import read_sweep
    from eoli.core.files import write_table
    from eoli.summary.temperature import activation_table

    write_table(arguments.out, activation_table(read_sweep(arguments.table)))
    made(arguments.out, [arguments.table])
    return 0
