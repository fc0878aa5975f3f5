"""The console command `eoli`: its commands and exit codes."""

from __future__ import annotations

import argparse
import os
import select
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from eoli import __version__
from eoli.commands import analyse, build, compare, crate, imported, report, shells, stage, study, summarise
from eoli.commands.analyse import Add, Command
from eoli.commands.folder import at_study
from eoli.core.text import printable
from eoli.errors import EoliError, InputError

COMMANDS: dict[str, tuple[str, Add, Command]] = {
    "check": ("check a configuration and print its systems and cost", study.add_check, study.check),
    "schema": ("print the configuration's schema", study.add_schema, study.schema),
    "topology": ("write the topology of a system", build.add_topology, build.topology),
    "parameters": ("page of a system's parameters with their sources", build.add_parameters, build.parameters),
    "adopt": ("propose roles and a study for a run that was made elsewhere", imported.add_adopt, imported.adopt),
    "import-run": ("take in a run that was made elsewhere", imported.add_import_run, imported.import_run),
    "absent": ("files that say why a system has no results of an analysis", imported.add_absent, imported.absent),
    "box": ("pack the start box of a system", build.add_box, build.box),
    "supercell": ("a large box: a small one repeated", build.add_supercell, build.supercell),
    "stage": ("run or continue one stage of one system", stage.add_stage, stage.stage_command),
    "status": ("where the runs of a study stand", study.add_status, study.status),
    "plan": ("how long runs must be, from what short ones found", study.add_plan, study.plan),
    "budget": ("share core-hours among the runs of a sweep", study.add_budget, study.budget),
    "tune": ("time mdruns side by side on this machine, for run.threads: auto", study.add_tune, study.tune_command),
    "redo": ("move a stage's run aside, so that it starts afresh", study.add_redo, study.redo_stage),
    **analyse.COMMANDS,
    "shells": ("solvation shells of lithium for quantum chemistry", shells.add_shells, shells.shells),
    "figures": ("figures of one system", summarise.add_figures, summarise.figures),
    "collect": ("the table of the sweep", summarise.add_collect, summarise.collect_table),
    "cost": ("what the runs of a sweep have cost, over all restarts", summarise.add_cost, summarise.cost),
    "compare": ("a sweep beside the study and the experiments", compare.add_compare, compare.compare),
    "cutoffs": ("distances of contact beside first minima", compare.add_cutoffs, compare.cutoffs),
    "temperature": ("Arrhenius and VTF fits of a sweep", compare.add_temperature, compare.temperature),
    "replicas": ("whether independent starts agree", compare.add_replicas, compare.replicas),
    "glass-transition": ("glass transitions of a sweep", compare.add_glass_transition, compare.glass_transition),
    "report": ("the page of a sweep", report.add_report, report.report),
    "crate": ("describe the results as an RO-Crate", crate.add_crate, crate.crate),
    "paper-figure": ("the figure for papers", summarise.add_paper_figure, summarise.paper_figure),
    "sweep-figures": ("figures of the sweep", summarise.add_sweep_figures, summarise.sweep_figures),
}

RESULTS = ("energies", "trajectory", "reduced", "system_json", "small_json", "state", "table")
"""Command options that name results."""
OUTPUTS = ("out", "gro", "report")
"""Command options that name what is written as a whole; a log may be a device."""


class _Parser(argparse.ArgumentParser):
    """A parser with one-line errors and without abbreviated options."""

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {printable(message)}; help: {self.prog} --help\n")


def _nobody_reads() -> bool:
    """Whether our output goes into a closed pipe (`| head`); the rest of it is then dropped silently."""
    pipe = select.poll()
    try:
        pipe.register(sys.stdout.fileno(), 0)
    except OSError:
        # not a file
        return False
    closed = any(event & (select.POLLERR | select.POLLHUP) for _, event in pipe.poll(0))
    if closed:
        _drop_output()
    return closed


def _drop_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Run a command; every failure is one line."""
    try:
        with at_study(arguments, parser):
            _check_outputs(arguments, parser)
            _check_inputs(arguments, parser)
            code = int(arguments.run(arguments))
        sys.stdout.flush()
        return code
    except EoliError as error:
        line, code = str(error), error.exit_code
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            return 1
        line, code = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", 1
    except MemoryError as error:
        line, code = f"not enough memory{f': {error}' if str(error) else ''}", 1
    except RecursionError:
        line, code = "an input is nested too deeply", 2
    except UnicodeError as error:
        line, code = f"text that this terminal or file cannot hold: {error}", 1
    except KeyboardInterrupt:
        return 130
    # the message comes last, also where both go into one file
    try:
        sys.stdout.flush()
    except OSError:
        # else the interpreter tries again, and ends with a code of its own
        _drop_output()
    print(f"eoli {arguments.command}: {printable(line)}", file=sys.stderr)
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """Run the console command; returns its exit code (2 for a user's mistake, 1 for a failed run)."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _Parser(prog="eoli", description=__doc__)
    parser.add_argument("--version", action="version", version=f"eoli {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (text, add, run) in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run, may_replace=lambda _: False)
        if name in words[:1]:
            add(sub)
    try:
        arguments, unknown = parser.parse_known_args(words)
        if unknown:
            # by the command, whose help lists what it takes
            commands.choices[arguments.command].error(f"unrecognized arguments: {' '.join(unknown)}")
    except SystemExit:
        # of --help and --version
        _nobody_reads()
        raise
    return _run(arguments, commands.choices[arguments.command])


def _check_outputs(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Refuse to write where no file or folder can be, and to replace a file that the command reads, under whatever name,
    unless the command says that it may."""
    given = {
        name: [path for path in (value if isinstance(value, list) else [value]) if isinstance(path, Path)]
        for name, value in vars(arguments).items()
    }
    read = [path for name, paths in given.items() if name not in (*OUTPUTS, "log") for path in paths if path.is_file()]
    kinds = {action.dest: action.metavar for action in parser._actions}
    for name in OUTPUTS:
        for path in given.get(name, []):
            try:
                _check_place(path, str(kinds[name]))
            except InputError as error:
                raise InputError(f"--{name} {error}") from None
            if path.is_file() and any(map(path.samefile, read)) and not arguments.may_replace(path):
                raise InputError(f"--{name} {path} is a file that this command reads; allowed: another file")


def _check_place(path: Path, kind: str) -> None:
    """Raise InputError where no FILE, no DIR, or no file that is named after a STEM can be written."""
    folders = [path, *path.parents] if kind == "DIR" else path.parents
    above = next((folder for folder in folders if folder.exists()), None)
    if above is not None and not above.is_dir():
        raise InputError(f"{above} is a file; allowed: a folder")
    if kind == "FILE":
        from eoli.core.files import check_replaceable

        check_replaceable(path)


def _check_inputs(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Check that the results a command reads match their records, before it computes anything from them."""
    results = getattr(arguments, "results", None)
    # a study has no results before its first run; a folder that is named for them is there
    named = results is not parser.get_default("results")
    if results is not None and not results.is_dir() and (named or results.exists()):
        wrong = "is not allowed" if results.exists() else "does not exist"
        raise InputError(f"--results {results} {wrong}; allowed: the folder of the results")
    given = [getattr(arguments, name, None) or [] for name in RESULTS]
    paths = [path for value in given for path in (value if isinstance(value, list) else [value])]
    if paths:
        from eoli.core.records import check_inputs

        check_inputs(paths)


if __name__ == "__main__":
    raise SystemExit(main())
