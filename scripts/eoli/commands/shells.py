"""The command that writes solvation shells of lithium for quantum chemistry."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from eoli.commands.common import made, typed


def add_shells(parser: argparse.ArgumentParser) -> None:
    from eoli.core.validation import Count

    parser.add_argument("--system", required=True, help="name of a system of a finished study")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="folder of the systems (default: results)"
    )
    parser.add_argument(
        "--types", type=typed(Count), default=5, help="most frequent types of coordination (default: 5)"
    )
    parser.add_argument("--each", type=typed(Count), default=1, help="most typical examples of each (default: 1)")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the XYZ files and their table"
    )


def shells(arguments: argparse.Namespace) -> int:
    from eoli.analysis.solvation.analyse import write_shells
    from eoli.core.numbers import with_error
    from eoli.core.records import check_inputs
    from eoli.errors import DataError
    from eoli.interface import open_study
    from eoli.study.quantities import at

    study = open_study(arguments.results)
    system = study.system(arguments.system)
    reduced, description = system.finished("analysis/reduced.h5"), system.finished("topology/system.json")
    check_inputs([reduced, description])
    contacts = at(study.configuration, ("analysis", "contact_nm"))
    if contacts is None:
        raise DataError(
            f"{arguments.results}/summary: the record of the sweep has no analysis.contact_nm; make it again"
        )
    table = write_shells(reduced, description, contacts, arguments.types, arguments.each, system.name, arguments.out)
    for row in table.to_dict("records"):
        share, error = 100 * row["share_of_Li"], 100 * row["share_of_Li_error"]
        known = with_error(share, error) if math.isfinite(error) else f"{share:.0f}"
        print(f"{row['file']}: {known} % of lithium: {row['coordination']}; charge {row['charge_e']}")
    made(arguments.out / "shells.csv", [reduced, description], system=system.name, contacts_nm=contacts)
    return 0
