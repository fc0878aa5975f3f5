"""The command that describes the results of a study as an RO-Crate."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eoli.commands.common import typed


def add_crate(parser: argparse.ArgumentParser) -> None:
    from eoli.forcefield.models import Text

    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="folder of the systems (default: results)"
    )
    parser.add_argument(
        "--author", type=typed(Text), action="append", default=[], metavar="NAME[=ORCID]",
        help="who made the study, with the URL of the ORCID if there is one; may be repeated",
    )  # fmt: skip
    parser.add_argument("--license", type=typed(Text), metavar="URL", help="licence of the results")


def _salt(row: Mapping[str, Any]) -> list[str]:
    from eoli.forcefield.models import NO_SALT

    return [] if row["salt"] == NO_SALT else [row["salt"], f"EO:Li {row['eo_li_simulated']:g}"]


def crate(arguments: argparse.Namespace) -> int:
    from eoli.core.files import write_json
    from eoli.core.text import printable
    from eoli.errors import DataError
    from eoli.interface import open_study
    from eoli.report.crate import METADATA, Author, crate_of

    study = open_study(arguments.results)
    for system in study.systems.values():
        if not system.is_finished:
            raise DataError(f"{system.name} is not finished ({printable(system.status)}); allowed: a finished study")
    systems = {
        name: ", ".join(
            [
                system.row["polymer"],
                *_salt(system.row),
                f"{system.row['temperature_K']:g} K",
                f"start {system.row['replicate']}",
            ]
        )
        for name, system in study.systems.items()
    }
    authors = [Author(*(part.strip() for part in text.partition("=")[::2])) for text in arguments.author]
    title = str(study.configuration.get("study") or arguments.results)
    path = arguments.results / METADATA
    write_json(path, crate_of(arguments.results, title, systems, authors, arguments.license or ""))
    print(f"made {printable(str(path))}: the folder {printable(str(arguments.results))} is an RO-Crate")
    return 0
