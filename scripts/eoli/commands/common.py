"""Shared by several commands: the GROMACS build, the configuration, provenance."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from eoli.commands.folder import BASE, CONFIG
from eoli.errors import InputError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from eoli.study.config import GromacsBuild, Study


def made(path: Path, inputs: Sequence[Path], **more: Any) -> None:
    """Write the provenance record of a result beside it, and name the result on the terminal."""
    from eoli.core.files import write_json, written
    from eoli.core.provenance import provenance
    from eoli.core.records import date_after, marks, record_beside
    from eoli.core.text import printable

    date_after(written, inputs)
    record = provenance(inputs, [["eoli", *sys.argv[1:]]], outputs=marks(path.parent, written), **more)
    write_json(record_beside(path), record)
    print(f"[{time.strftime('%H:%M:%S')}] made {printable(str(path))}", flush=True)


def in_summary(arguments: argparse.Namespace, name: str, suffix: str) -> Path:
    """A file of the summary; one made with --partial has a name of its own, so that it never replaces the whole one."""
    results: Path = arguments.results
    return results / "summary" / f"{name}{'-partial' if arguments.partial else ''}.{suffix}"


def typed(kind: Any) -> Callable[[str], Any]:
    """argparse's `type` for a value with the limits of a pydantic type: `typed(Positive)`, `typed(kind_of(Box, "chains"))`.

    Flags obey the rules of files: no NaN or inf, no `1_000`, no `yes`; the limits are those of the model. The types
    Positive, Share, Count, CountOrZero and Kelvin, and `kind_of`, are in eoli.core.validation.
    """
    from eoli.core.validation import from_text

    read = from_text(kind)

    def checked(text: str) -> Any:
        try:
            return read(text)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return checked


def add_option(
    parser: Any, name: str, model: type[BaseModel], field: str, required: bool = False, default: Any = None,
    dest: str | None = None,
) -> None:  # fmt: skip
    """Add an option for a model's field, with its type, limits and description."""
    from eoli.core.validation import kind_of

    described = model.model_fields[field]
    kind = kind_of(model, field)
    bare = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    is_list = any(get_origin(part) is list for part in (described.annotation, *get_args(described.annotation)))
    options: dict[str, Any] = {"nargs": "+"} if is_list else {}
    if get_origin(bare) is dict:
        options = {"nargs": "+", "metavar": "KIND=NM"}
    elif get_origin(bare) is Literal:
        options["choices"] = get_args(bare)
    elif bare is bool:
        options["action"] = argparse.BooleanOptionalAction
    else:
        options["type"] = typed(kind)
    if not required:
        options["default"] = default
    flag = f"--{name.replace('_', '-')}"
    parser.add_argument(flag, dest=dest or name, required=required, help=described.description, **options)


def add_gmx(parser: argparse.ArgumentParser) -> None:
    from eoli.core.validation import kind_of
    from eoli.study.config import GromacsBuild

    command, launcher, module = (typed(kind_of(GromacsBuild, key)) for key in ("command", "launcher", "modules"))
    parser.add_argument("--gmx", type=command, default="gmx", metavar="PROGRAM", help="GROMACS program (default: gmx)")
    parser.add_argument("--gmx-launcher", type=launcher, default="", metavar="WORDS", help="put in front of mdrun")
    parser.add_argument(
        "--gmx-module", type=module, action="append", default=[], metavar="NAME", help="module to load first"
    )


def gromacs_build(arguments: argparse.Namespace) -> GromacsBuild:
    from eoli.study.config import GromacsBuild

    return GromacsBuild(command=arguments.gmx, launcher=arguments.gmx_launcher, modules=arguments.gmx_module)


def add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, nargs="+", default=CONFIG, metavar="FILE",
        help="configuration files, later ones over earlier ones (default: config/config.yaml)",
    )  # fmt: skip
    parser.add_argument("--set", default="{}", metavar="JSON", help="keys that override the files")
    parser.add_argument("--base", type=Path, default=BASE, metavar="DIR", help="folder of the workflow")


def add_study(parser: argparse.ArgumentParser) -> None:
    """The options of a study and of its results."""
    add_config(parser)
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="folder of the systems (default: results)"
    )


def study_of(arguments: argparse.Namespace) -> Study:
    from eoli.core.yamlfile import parse_yaml
    from eoli.study.config import load_study

    overrides = parse_yaml(arguments.set, "--set")[0]
    if not isinstance(overrides, dict):
        raise InputError(f"--set {arguments.set!r} is not allowed; allowed: a JSON object")
    if not arguments.base.is_dir():
        raise InputError(f"--base {arguments.base} is not allowed; allowed: a folder")
    return load_study(arguments.config, arguments.base, overrides)
