"""Commands that lay a sweep beside the study, the experiments and its own temperatures."""

from __future__ import annotations

import argparse
from pathlib import Path

from eoli.commands.common import add_config, made, study_of
from eoli.errors import InputError


def add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", type=Path, required=True, metavar="FILE", help="sweep.csv")
    parser.add_argument("--results", type=Path, required=True, metavar="DIR", help="folder of the systems")
    parser.add_argument("--study", type=Path, required=True, metavar="FILE", help="what the study reports, YAML")
    parser.add_argument("--conductivity", type=Path, required=True, metavar="FILE", help="measured conductivities, CSV")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the tables")


def compare(arguments: argparse.Namespace) -> int:
    from eoli.compare import compare_sweep

    out: Path = arguments.out
    compare_sweep(
        arguments.study, arguments.conductivity, arguments.table, arguments.results,
        out / "study.csv", out / "experiments.csv", out / "compare.json",
    )  # fmt: skip
    made(out / "study.csv", [arguments.table, arguments.study, arguments.conductivity])
    return 0


def add_replicas(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", type=Path, required=True, metavar="FILE", help="sweep.csv")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="folder of the systems")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the tables")


def replicas(arguments: argparse.Namespace) -> int:
    from eoli.files import write_table
    from eoli.replicas import replica_table
    from eoli.results import read_sweep
    from eoli.starts import read_starts, starts_file, starts_table

    sweep, out = read_sweep(arguments.table), arguments.out / "replicas.csv"
    together = read_starts(arguments.results, sweep["system"].tolist())
    write_table(out, replica_table(sweep))
    write_table(out.with_name("starts.csv"), starts_table(sweep, together))
    made(out, [arguments.table, *(starts_file(arguments.results, name) for name in together)])
    return 0


def add_cutoffs(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="folder of the systems")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="table to write")


def cutoffs(arguments: argparse.Namespace) -> int:
    from eoli.chemistry import NO_SALT
    from eoli.cutoffs import cutoff_table, read_structure
    from eoli.files import write_table
    from eoli.sweep import systems_of

    study = study_of(arguments)
    salted = [name for name, system in systems_of(study).items() if system.salt != NO_SALT]
    files = {name: arguments.results / name / "analysis" / "structure.csv" for name in salted}
    structures = {name: read_structure(path) for name, path in files.items()}
    table = cutoff_table(structures, study.config.analysis.contacts_nm)
    write_table(arguments.out, table, digits=6)
    made(arguments.out, list(files.values()), contacts_nm=study.config.analysis.contacts_nm)
    return 0


def add_glass_transition(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="folder of the systems")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the table and the figure")


def glass_transition(arguments: argparse.Namespace) -> int:
    import pandas as pd

    from eoli.compare import read_reference
    from eoli.figures.glass import figure_glass_transition
    from eoli.files import write_table
    from eoli.jobs.glass import cooling_rate_K_per_s, glass_table, pooled
    from eoli.results import read_curves
    from eoli.sweep import systems_of

    study = study_of(arguments)
    if study.config.analysis.cooling_stage is None:
        raise InputError("analysis.cooling_stage is not set; allowed: a stage whose temperature changes by steps")
    stage = study.stage(study.config.analysis.cooling_stage)
    systems = list(systems_of(study).values())
    files = {s.name: arguments.results / s.name / "analysis" / "specific-volume.csv" for s in systems}
    rates = {s.name: cooling_rate_K_per_s(stage.course(s.temperature_K)) for s in systems}
    cooled = pooled(systems, {name: read_curves(path.parent, path.stem) for name, path in files.items()}, rates)
    reference = study.found(study.config.reference.study)
    table, out = glass_table(cooled, read_reference(reference)), arguments.out / "glass-transition.csv"
    write_table(out, table)
    theirs = [None if pd.isna(kelvin) else float(kelvin) for kelvin in table["measured_Tg_K"]]
    figure_glass_transition(cooled, theirs, arguments.out / "glass-transition")
    made(out, [*files.values(), reference])
    return 0


def add_temperature(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", type=Path, required=True, metavar="FILE", help="sweep.csv")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="table to write")


def temperature(arguments: argparse.Namespace) -> int:
    from eoli.files import write_table
    from eoli.results import read_sweep
    from eoli.temperature import activation_table

    write_table(arguments.out, activation_table(read_sweep(arguments.table)))
    made(arguments.out, [arguments.table])
    return 0
