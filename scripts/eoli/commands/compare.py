"""Commands that lay a sweep beside the study, the experiments and its own temperatures."""

from __future__ import annotations

import argparse
from pathlib import Path

from eoli.commands.common import made


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


def add_temperature(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", type=Path, required=True, metavar="FILE", help="sweep.csv")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="table to write")


def temperature(arguments: argparse.Namespace) -> int:
    import pandas as pd

    from eoli.files import whole
    from eoli.temperature import activation_table

    with whole(arguments.out) as temporary:
        activation_table(pd.read_csv(arguments.table)).to_csv(temporary, index=False, float_format="%.10g")
    made(arguments.out, [arguments.table])
    return 0
