"""The folder of the study that a command is about, wherever it was called."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Any

from eoli import PROJECT
from eoli.core.text import printable

CONFIG = [Path("config/config.yaml")]
"""The configuration, if none is named."""
BASE = Path()
"""The folder of the workflow, if none is named."""


def _holds_study(folder: Path) -> bool:
    """Whether somebody ran the workflow in a folder, or it is the workflow's."""
    return (folder / CONFIG[0]).is_file() or ((folder / ".snakemake").is_dir() and (folder / "results").is_dir())


def _absolute(value: Any) -> Any:
    if isinstance(value, list):
        return [_absolute(entry) for entry in value]
    return value.absolute() if isinstance(value, Path) else value


def at_study(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> contextlib.AbstractContextManager[None]:
    """Work in the folder of the study, for a command that names no workflow, in a folder without one.

    It is this folder if results or a configuration that is named are in it, else the nearest one above where the workflow
    ran, or that of the results that are named, else the workflow's own. Paths that were given keep their meaning;
    configuration files that are not here are looked for beside the Snakefile.
    """
    config, base = getattr(arguments, "config", CONFIG), getattr(arguments, "base", None)
    if base is not BASE or CONFIG[0].is_file() or not (PROJECT / CONFIG[0]).is_file():
        return contextlib.nullcontext()
    here = Path.cwd()
    given = {name: value for name, value in vars(arguments).items() if value is not parser.get_default(name)}
    results = given.get("results")
    named_here = any(path.is_file() and path.resolve().is_relative_to(here) for path in given.get("config", ()))
    if named_here or (here / "results").is_dir():
        folder = here
    else:
        folder = next((each for each in (here, *here.parents) if _holds_study(each)), PROJECT)
    if results is not None:
        if not results.is_dir():
            # refused later
            return contextlib.nullcontext()
        folder = results.absolute().parent
    base = folder if (folder / CONFIG[0]).is_file() else PROJECT
    for name, value in given.items():
        setattr(arguments, name, _absolute(value))
    beside = [base / path for path in config]
    # one that is nowhere is named as it was given
    arguments.config = [
        path if path.exists() or not other.exists() else other
        for path, other in zip(arguments.config, beside, strict=True)
    ]
    arguments.base = base
    if folder == here:
        return contextlib.nullcontext()
    print(f"eoli {arguments.command}: the study in {printable(str(folder))}", file=sys.stderr)
    return contextlib.chdir(folder)
