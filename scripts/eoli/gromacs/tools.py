"""The gmx tools other than mdrun, through GromacsWrapper."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import shlex
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from eoli.core.alone import alone
from eoli.errors import RunError, ToolError
from eoli.gromacs.build import Gromacs, process_environment

# GROMACS has more than a dozen titles for errors, and new versions add some: a block is known by what stands above it.
_BLOCK = re.compile(
    r"(?:^Program:[^\n]*\n(?:[^\s][^\n]*\n)*\n[^\n]+|Fatal error[^\n]*)\n(?P<text>.+?)\n\s*(?:For more information|\n)",
    re.DOTALL | re.MULTILINE,
)
_NUMBERED = re.compile(r"(?P<kind>WARNING|ERROR) \d+[^\n]*:\n(?P<text>(?:  [^\n]*\n)+)")


def fatal_message(text: str) -> str:
    """The cause that GROMACS gives, in one line; the errors or warnings that it counts there; else its last line."""
    match = _BLOCK.search(text)
    cause = " ".join(match["text"].split()) if match else ""
    if not match or "Too many warnings" in cause or "in input file(s)" in cause:
        found = [(entry["kind"], " ".join(entry["text"].split())) for entry in _NUMBERED.finditer(text)]
        reasons = [reason for kind, reason in found if kind == "ERROR"] or [reason for _, reason in found]
        if reasons:
            return "; ".join(reasons)
    if cause:
        return cause
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


@contextlib.contextmanager
def _as_environment(environment: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@functools.cache
def _wrapper() -> types.ModuleType:
    """The part of GromacsWrapper that runs programs. The rest looks for settings, a user's folder and a GROMACS, where
    only the configuration may decide what runs, and draws figures."""
    # what the package does for its loggers: they say nothing of their own
    logging.getLogger("gromacs").addHandler(logging.NullHandler())
    return alone("gromacs.core")


def _tool(gromacs: Gromacs, name: str) -> Callable[..., Any]:
    class Tool(_wrapper().GromacsCommand):  # type: ignore[misc]
        command_name = name

        def _commandline(self, *arguments: Any, **options: Any) -> list[str]:
            return [*gromacs.words, name, *self.transform_args(*arguments, **options)]

    # its exception would hold only the fatal message, without the warnings that grompp counts in it
    return Tool(failure=None)


def run_tool(gromacs: Gromacs, name: str, log: Path, *, answers: Sequence[str] = (), **options: Any) -> list[str]:
    """Run a gmx tool other than mdrun; its output goes to `log`, the cause of a failure into the error.

    Paths must be absolute: GromacsWrapper has no working directory. Returns the command line. Raises ToolError if it cannot be started,
    RunError if it fails.
    """
    flags: list[str] = []
    for key, value in options.items():
        flags += [f"-{key}"] if value is True else [f"-no{key}"] if value is False else [f"-{key}", str(value)]
    command = [str(gromacs.build.command), name, *flags]
    plain = {key: str(value) if isinstance(value, Path) else value for key, value in options.items()}
    if answers:
        plain["input"] = tuple(answers)
    tool = _tool(gromacs, name)
    try:
        with _as_environment(process_environment()):
            code, out, err = tool(stdout=False, stderr=False, **plain)
    except OSError as error:
        raise ToolError(f"gmx {name} could not be started: {error}") from error
    text = f"{out or ''}{err or ''}"
    with log.open("a", encoding="utf-8", errors="replace") as stream:
        stream.write(f"$ {shlex.join(command)}\n{text}\n")
    if code != 0:
        raise RunError(f"gmx {name}: {fatal_message(text)}; log: {log}")
    return command


def grompp(
    gromacs: Gromacs, mdp: Path, structure: Path, topology: Path, tpr: Path, log: Path, state: Path | None,
    index: Path | None = None,
) -> list[str]:  # fmt: skip
    """Make a run input. A grompp warning is an error here.

    Raises RunError with the warning or the cause.
    """
    options: dict[str, Any] = {
        "f": mdp.resolve(),
        "c": structure.resolve(),
        "p": topology.resolve(),
        "o": tpr.resolve(),
        "po": tpr.with_suffix(".mdout.mdp").resolve(),
    }
    if state is not None:
        options["t"] = state.resolve()
    if index is not None:
        options["n"] = index.resolve()
    return run_tool(gromacs, "grompp", log, **options)
