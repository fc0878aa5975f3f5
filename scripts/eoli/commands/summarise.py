"""Commands for the figures and tables of a sweep."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from eoli import PROJECT
from eoli.commands.common import add_study, in_summary, made, study_of
from eoli.errors import InputError

if TYPE_CHECKING:
    from eoli.forcefield.models import Labels


def add_figures(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--system", required=True, help="name of the system, for the titles")
    parser.add_argument("--analysis", type=Path, required=True, metavar="DIR", help="folder of its tables, and figures")
    parser.add_argument("--system-json", type=Path, metavar="FILE", help="description of the system: names its anion")


def figures(arguments: argparse.Namespace) -> int:
    from eoli.analysis.interactions.groups import anion_name
    from eoli.figures.system import OF_SYSTEM, Subject
    from eoli.topology.description import read_description

    folder, description = arguments.analysis, arguments.system_json
    subject = Subject(folder, arguments.system, anion_name(read_description(description)) if description else "anion")
    for name, (figure, _) in OF_SYSTEM.items():
        figure(subject, folder / name)
    inputs = [folder / file for _, files in OF_SYSTEM.values() for file in files]
    made(folder / "figures", [*inputs, description] if description else inputs)
    return 0


def add_collect(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="(default: sweep.csv in the summary, sweep-partial.csv with --partial)"
    )
    parser.add_argument("--partial", action="store_true", help="rows of unfinished systems say what is missing")


def collect_table(arguments: argparse.Namespace) -> int:
    from eoli.forcefield.library import library
    from eoli.study.systems import size_of, stages_of, systems_of
    from eoli.summary.sweep_table import collect
    from eoli.workflow.products import outdated

    study = study_of(arguments)
    out = arguments.out or in_summary(arguments, "sweep", "csv")
    systems = list(systems_of(study).values())
    blocks = library(study.topologies)
    collect(
        systems,
        [stage.name for stage in study.stages],
        study.config.analysis.stage,
        arguments.results,
        out,
        {s.name: size_of(s, blocks).ideal_density_g_cm3 for s in systems if s.imported is None},
        allow_missing=arguments.partial,
        outdated=outdated(study, arguments.results),
    )
    analyses = [arguments.results / s.name / "analysis" for s in systems]
    tables = [path for folder in analyses for path in sorted(folder.glob("*.json")) if "provenance" not in path.name]
    stages = {
        arguments.results / s.home(stage.name) / stage.name: None for s in systems for stage in stages_of(study, s)
    }
    made(
        out, [*tables, *(folder / "verdict.json" for folder in stages)], config=study.config.model_dump(),
        study=study.config.study, systems=[system.name for system in systems],
    )  # fmt: skip
    return 0


def add_cost(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("results/summary/cost.csv"),
        metavar="FILE",
        help="table to write (default: results/summary/cost.csv)",
    )


def cost(arguments: argparse.Namespace) -> int:
    from eoli.study.systems import stages_of, systems_of
    from eoli.summary.core_hours import write_cost

    study = study_of(arguments)
    stages = [
        (system.home(stage.name), stage.name)
        for system in systems_of(study).values()
        for stage in stages_of(study, system)
    ]
    write_cost(stages, arguments.results, arguments.out)
    made(arguments.out, [arguments.results / home / stage / "verdict.json" for home, stage in dict.fromkeys(stages)])
    return 0


def _add_table(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", type=Path, required=True, metavar="FILE", help="sweep.csv")
    parser.add_argument(
        "--blocks", type=Path, default=PROJECT / "topologies", metavar="DIR",
        help="folder of building blocks: how polymers and salts are called (default: the project's)",
    )  # fmt: skip


def _labels(arguments: argparse.Namespace) -> Labels:
    from eoli.analysis.results import read_sweep
    from eoli.forcefield.library import library
    from eoli.study.axes import SOLVENTS, solvents_of

    table = read_sweep(arguments.table)
    solvents = {name for cell in table.get(SOLVENTS, ()) for name in solvents_of(cell)}
    return library(arguments.blocks).labels(table["polymer"].unique(), table["salt"].unique(), sorted(solvents))


def add_sweep_figures(parser: argparse.ArgumentParser) -> None:
    _add_table(parser)
    # not single file names: a command line has no room for those of some thousand systems
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="folders of the systems")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the figures")


def sweep_figures(arguments: argparse.Namespace) -> int:
    from eoli.figures.sweep import OF_SWEEP, figure_rdf_overlay, read_grouped

    sweep = read_grouped(arguments.table, _labels(arguments))
    for name, figure in OF_SWEEP.items():
        figure(sweep, arguments.out / name)
    # along EO:Li, as the colours run
    names = [name for group in sweep.groups for name in group.rows["system"]]
    tables = [(name, arguments.results / name / "analysis/structure.csv") for name in names]
    if tables:
        figure_rdf_overlay(tables, sweep.anion, arguments.out / "rdf")
    made(arguments.out / "figures", [arguments.table, *(path for _, path in tables)])
    return 0


def add_paper_figure(parser: argparse.ArgumentParser) -> None:
    _add_table(parser)
    parser.add_argument(
        "--analyses",
        type=Path,
        nargs="+",
        required=True,
        metavar="DIR",
        help="results/<system>/analysis of 1 or 2 systems",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="STEM", help="name of the files without its ending")


def paper_figure(arguments: argparse.Namespace) -> int:
    from eoli.figures.paper import INPUTS, figure_paper

    if len(arguments.analyses) > 2:
        raise InputError(f"--analyses names {len(arguments.analyses)} systems; allowed: 1 or 2")
    figure_paper(arguments.table, arguments.analyses, arguments.out, _labels(arguments))
    made(arguments.out, [arguments.table, *(folder / name for folder in arguments.analyses for name in INPUTS)])
    return 0
