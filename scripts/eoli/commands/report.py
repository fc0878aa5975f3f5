"""The command that makes the page of a sweep."""

from __future__ import annotations

import argparse
from pathlib import Path

from eoli.commands.common import add_study, made, study_of


def add_report(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument(
        "--table", type=Path, default=Path("results/summary/sweep.csv"), metavar="FILE", help="sweep.csv"
    )
    parser.add_argument("--partial", action="store_true", help="name files that cannot be read instead of failing")
    parser.add_argument("--out", type=Path, default=Path("results/summary/report.html"), metavar="FILE")


def report(arguments: argparse.Namespace) -> int:
    import time

    from eoli.core.files import write_text
    from eoli.report.gather import gather
    from eoli.report.page import render
    from eoli.study.systems import systems_of
    from eoli.workflow.products import not_asked_for

    study = study_of(arguments)
    stale = not_asked_for(study, arguments.results)
    sweep = gather(
        study, list(systems_of(study)), arguments.results, arguments.table, time.time(), arguments.partial, stale
    )
    write_text(arguments.out, render(sweep))
    analyses = [arguments.results / system.name / "analysis" for system in sweep.systems]
    inputs = [path for folder in analyses for path in sorted([*folder.glob("*.csv"), *folder.glob("*.json")])]
    tables = [path for path in inputs if "provenance" not in path.name]
    made(arguments.out, [arguments.table, *tables], config=study.config.model_dump())
    return 0
