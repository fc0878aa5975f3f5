"""Commands of the analyses, from their registry: one decode of a trajectory, then each analysis on its own."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, get_origin

from eoli.commands.common import add_gmx, add_option, gromacs_build, made, typed
from eoli.errors import InputError
from eoli.study.analyses import ANALYSES, BY_NAME, Analysis

if TYPE_CHECKING:
    from eoli.study.criteria import Criteria

Add = Callable[[argparse.ArgumentParser], None]
Command = Callable[[argparse.Namespace], int]
Model = TypeVar("Model", bound="Criteria")

_SOURCES = {
    "reduced": "reduced trajectory",
    "energies": "EDR file of a stage",
    "trajectory": "XTC file",
}


def _model(name: str) -> type[Criteria]:
    model: type[Criteria] = getattr(import_module("eoli.study.criteria"), name)
    return model


def _add_criteria(parser: argparse.ArgumentParser, model: type[Criteria]) -> None:
    for name, field in model.model_fields.items():
        add_option(parser, name, *model.origin(name).field, required=field.is_required(), default=field.default)


def _criteria(arguments: argparse.Namespace, model: type[Model]) -> Model:
    """Criteria from options. Raises InputError for inconsistent ones."""
    from eoli.core.validation import validate

    values = {name: getattr(arguments, name) for name in model.model_fields}
    for name, field in model.model_fields.items():
        if get_origin(field.annotation) is dict:
            values[name] = _distances(name, values[name])
    return validate(model, {name: value for name, value in values.items() if value is not None}, [])


def _distances(name: str, words: Sequence[str]) -> dict[str, float]:
    """Distances, nm, by kind, of the option `name`. Raises InputError for a malformed word."""
    from eoli.core.validation import from_text, kind_of
    from eoli.study.criteria import ContactDistances

    flag = f"--{name.replace('_', '-')}"
    kinds, found = (*ContactDistances.model_fields, "anion_O"), {}
    distance = from_text(kind_of(ContactDistances, "ether_O"))
    for word in words:
        kind, _, value = word.partition("=")
        if kind not in kinds:
            raise InputError(f"{flag} {word!r} is not allowed; allowed: KIND=NM with KIND of {', '.join(kinds)}")
        try:
            found[kind] = distance(value)
        except InputError as error:
            raise InputError(f"{flag} {word!r}: {error}") from None
    return found


def _add_source(parser: argparse.ArgumentParser, analysis: Analysis) -> None:
    parser.add_argument(f"--{analysis.reads}", type=Path, required=True, metavar="FILE", help=_SOURCES[analysis.reads])


def _add_inputs(analysis: Analysis, parser: argparse.ArgumentParser) -> None:
    _add_source(parser, analysis)
    parser.add_argument("--system-json", type=Path, required=True, metavar="FILE", help="description of the system")
    _add_criteria(parser, _model(analysis.criteria))


def _add(analysis: Analysis, parser: argparse.ArgumentParser) -> None:
    _add_inputs(analysis, parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of its tables and scalars")


def _run(analysis: Analysis, arguments: argparse.Namespace) -> int:
    criteria = _criteria(arguments, _model(analysis.criteria))
    source, stage = getattr(arguments, analysis.reads), getattr(criteria, "stage", "")
    paths = [arguments.out / file for file in analysis.files_of(stage)]
    analysis.load()(source, arguments.system_json, criteria, *paths)
    made(arguments.out / analysis.known_by(stage), [source, arguments.system_json])
    return 0


def _add_count(parser: argparse.ArgumentParser, flag: str, text: str) -> None:
    from eoli.core.validation import Count

    parser.add_argument(flag, type=typed(Count), default=1, help=text)


def add_reduce(parser: argparse.ArgumentParser) -> None:
    _add_inputs(BY_NAME["reduce"], parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="reduced trajectory to write, HDF5")
    _add_count(parser, "--processes", "processes that share the frames, at most one for each core")


def reduce(arguments: argparse.Namespace) -> int:
    criteria = _criteria(arguments, _model("ReduceCriteria"))
    BY_NAME["reduce"].load()(
        arguments.trajectory, arguments.system_json, criteria, arguments.out, processes=arguments.processes
    )
    made(arguments.out, [arguments.trajectory, arguments.system_json])
    return 0


def add_interactions(parser: argparse.ArgumentParser) -> None:
    _add_source(parser, BY_NAME["interactions"])
    parser.add_argument("--topology", type=Path, required=True, metavar="DIR", help="folder of the topology")
    _add_criteria(parser, _model("InteractionsCriteria"))
    _add_count(parser, "--threads", "threads of the rerun")
    parser.add_argument("--log", type=Path, required=True, metavar="FILE", help="output of GROMACS")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of its tables and scalars")
    add_gmx(parser)


def interactions(arguments: argparse.Namespace) -> int:
    analysis = BY_NAME["interactions"]
    paths = [arguments.out / file for file in analysis.files]
    analysis.load()(
        arguments.trajectory, arguments.topology, _criteria(arguments, _model(analysis.criteria)), *paths,
        build=gromacs_build(arguments), threads=arguments.threads, log=arguments.log,
    )  # fmt: skip
    made(paths[0], [arguments.trajectory, arguments.topology / "system.json"])
    return 0


def add_starts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reduced", type=Path, nargs="+", required=True, metavar="FILE", help="their trajectories")
    parser.add_argument("--system-json", type=Path, nargs="+", required=True, metavar="FILE", help="their descriptions")
    _add_criteria(parser, _model("StartsCriteria"))
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="scalars to write, JSON")


def starts(arguments: argparse.Namespace) -> int:
    from eoli.analysis.pooled import analyse_starts
    from eoli.study.criteria import StartsCriteria

    if not len(arguments.systems) == len(arguments.reduced) == len(arguments.system_json):
        raise InputError(
            "--systems, --reduced and --system-json name as many starts each; allowed: one of each a start"
        )
    analyse_starts(arguments.reduced, arguments.system_json, _criteria(arguments, StartsCriteria), arguments.out)
    made(arguments.out, [*arguments.reduced, *arguments.system_json])
    return 0


_OWN: dict[str, tuple[Add, Command]] = {
    "reduce": (add_reduce, reduce),
    "interactions": (add_interactions, interactions),
}
"""Analyses whose commands need more than the usual arguments."""

COMMANDS: dict[str, tuple[str, Add, Command]] = {
    analysis.name: (
        analysis.help, *_OWN.get(analysis.name, (partial(_add, analysis), partial(_run, analysis)))
    )
    for analysis in ANALYSES
} | {"starts": ("transport of all starts of a system together", add_starts, starts)}  # fmt: skip
