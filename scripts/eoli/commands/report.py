"""The command that makes the page of a sweep."""

from __future__ import annotations

import argparse
from pathlib import Path

from eoli.commands.common import add_study, in_summary, made, study_of


def add_report(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument(
        "--table", type=Path, metavar="FILE", help="of the sweep (default: that of `eoli collect`, see --partial)"
    )
    parser.add_argument("--partial", action="store_true", help="name files that cannot be read instead of failing")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="(default: report.html in the summary, report-partial.html with --partial)",
    )


def report(arguments: argparse.Namespace) -> int:
    import time

    from eoli.core.files import write_text
    from eoli.core.records import check_inputs
    from eoli.report.gather import gather
    from eoli.report.page import render
    from eoli.study.systems import systems_of
    from eoli.workflow.products import outdated

    study = study_of(arguments)
    table = arguments.table or in_summary(arguments, "sweep", "csv")
    out = arguments.out or in_summary(arguments, "report", "html")
    if arguments.table is None:
        check_inputs([table])
    stale = outdated(study, arguments.results)
    sweep = gather(study, list(systems_of(study)), arguments.results, table, time.time(), arguments.partial, stale)
    write_text(out, render(sweep))
    analyses = [arguments.results / system.name / "analysis" for system in sweep.systems]
    inputs = [path for folder in analyses for path in sorted([*folder.glob("*.csv"), *folder.glob("*.json")])]
    tables = [path for path in inputs if "provenance" not in path.name]
    made(out, [table, *tables], config=study.config.model_dump())
    return 0
