"""Commands about a study: check, schema, status, redo."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from eoli.commands.common import add_config, add_study, study_of, typed
from eoli.errors import EoliError, InputError

if TYPE_CHECKING:
    from eoli.study.config import Study


def add_check(parser: argparse.ArgumentParser) -> None:
    from eoli.core.validation import Count

    add_config(parser)
    parser.add_argument("--gromacs", action="store_true", help="also find GROMACS and compare versions")
    parser.add_argument(
        "--on-nodes", action="store_true", help="jobs run elsewhere: a GROMACS that is missing here is no mistake"
    )
    parser.add_argument(
        "--cores",
        type=typed(Count),
        metavar="N",
        help="threads of this machine, for the time it will take (default: all)",
    )
    parser.add_argument("--slurm-status-command", metavar="NAME", help="also ask whether SLURM can be followed with it")
    parser.add_argument(
        "--slurm-interval-s", type=typed(Count), default=40, metavar="SECONDS", help="between its status checks"
    )


def check(arguments: argparse.Namespace) -> int:
    from eoli.machine.slurm import check_slurm, slurm_settings
    from eoli.workflow.cost import cost_lines

    study = study_of(arguments)
    _check_references(study)
    _check_topologies(study)
    print("\n".join(cost_lines(study)))
    if not arguments.on_nodes:
        _print_time_left(study, Path("results"), arguments.cores)
    if arguments.gromacs:
        try:
            print("\n".join(check_gromacs(study, arguments.on_nodes)))
        except EoliError as error:
            if not arguments.on_nodes:
                raise
            print(f"on this machine: {str(error).partition('; allowed: ')[0]}; every job looks for it where it runs")
    if arguments.slurm_status_command:
        print(check_slurm(slurm_settings(), arguments.slurm_status_command, arguments.slurm_interval_s))
    return 0


def _print_time_left(study: Study, results: Path, cores: int | None) -> None:
    from eoli.study.systems import systems_of
    from eoli.workflow.status import study_status
    from eoli.workflow.time_left import time_left

    line = time_left(study, study_status(study, systems_of(study).values(), results), results, cores)
    if line is not None:
        print(line)


def check_gromacs(study: Study, on_nodes: bool = False) -> list[str]:
    """Find the study's GROMACS and refuse one too old for a stage; returns what it is, how it will run, its known bugs.

    `on_nodes` says that jobs run elsewhere, where there may be a GPU.

    Raises ToolError if there is none, InputError if it is too old.
    """
    from eoli.gromacs.build import inspect, native_program, require_for
    from eoli.gromacs.known_bugs import bugs_ahead
    from eoli.machine.processors import mps_runs, this_machine, visible_gpus
    from eoli.machine.slots import SHARING_ADVICE
    from eoli.machine.tuning import tuning_lines

    found = inspect(study.config.gmx)
    require_for(found, study.stages)
    native = f" (built by make gromacs: {found.program})" if found.program == native_program() else ""
    gpu = f"GPU: {found.gpu}" if found.has_gpu_support else "no GPU support"
    gpus = visible_gpus() if found.uses_cuda else ()
    # on nodes, and with a build that is not of CUDA, nobody here knows
    may_use_gpu = bool(gpus) or (found.has_gpu_support and (on_nodes or not found.uses_cuda))
    sharing = [] if not gpus or mps_runs() else [f"runs that share a GPU take turns on it; {SHARING_ADVICE}"]
    return [
        f"GROMACS {found.version_text}, {found.mpi}, {found.precision} precision, {found.simd}, {gpu}{native}",
        *tuning_lines(study, this_machine(), found.version_text, found.simd),
        *bugs_ahead(found, study.stages, study.config.run.reproducible, may_use_gpu),
        *sharing,
    ]


def _check_topologies(study: Study) -> None:
    """Look up all terms of the systems' molecules, which otherwise only a job does. Raises the errors that the job would.

    The tables of GROMOS 54A7 and other force fields of GROMACS need it here, too; without it their molecules are left to
    the jobs.
    """
    from eoli.errors import ToolError
    from eoli.forcefield.library import library
    from eoli.forcefield.models import GROMOS
    from eoli.gromacs.build import inspect
    from eoli.study.systems import systems_of
    from eoli.topology.build import check_tables, describe, tables_for
    from eoli.topology.gromos import read_gromos54a7
    from eoli.topology.imported_box import imported_box

    boxes = [s for s in systems_of(study).values() if s.imported is None]
    if not boxes:
        return
    blocks = library(study.topologies)
    try:
        installed, missing = inspect(study.config.gmx).forcefields, ""
    except ToolError as error:
        installed, missing = None, str(error)
    ours = read_gromos54a7(installed / GROMOS) if installed is not None else None
    for contents, choice in dict.fromkeys((s.contents.names, s.choice) for s in boxes):
        found = blocks.composition(contents, choice)
        if not found.imported:
            if ours is not None:
                check_tables(tables_for(describe(contents, choice, blocks, ours), blocks, ours))
        elif found.of_gromacs and installed is None:
            print(
                f"{' with '.join(contents.words)}: not checked, for {found.of_gromacs[0]} is one of GROMACS: {missing}"
            )
        else:
            imported_box(contents, choice, blocks, installed)


def _check_references(study: Study) -> None:
    """Read the references, which otherwise only the end of a sweep does. Raises InputError that names key and file."""
    from eoli.reference.measured import read_measured, read_transport
    from eoli.reference.model import read_reference

    readers: dict[str, Callable[[Path], object]] = {
        "study": read_reference,
        "conductivity": read_measured,
        "transport": read_transport,
    }
    for key, path in study.config.reference.model_dump().items():
        try:
            readers[key](study.found(path))
        except InputError as error:
            raise study.wrong(("reference", key), error) from None


def add_schema(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=["json", "markdown"], default="json", help="JSON schema or table of keys")


def schema(arguments: argparse.Namespace) -> int:
    from eoli.study.schema import json_schema, markdown

    print(json_schema() if arguments.format == "json" else markdown(), end="")
    return 0


def add_status(parser: argparse.ArgumentParser) -> None:
    from eoli.core.validation import Count

    add_study(parser)
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="a JSON list, for scripts")
    shape.add_argument("--watch", action="store_true", help="a table that follows the runs, until Ctrl-C")
    shape.add_argument("--left", action="store_true", help="only how long the rest will take on this machine")
    parser.add_argument("--cores", type=typed(Count), metavar="N", help="threads for that (default: all)")


def status(arguments: argparse.Namespace) -> int:
    from eoli.study.systems import systems_of
    from eoli.workflow.status import plain_lines, study_status, table, to_json
    from eoli.workflow.time_left import time_left

    study = study_of(arguments)
    systems = list(systems_of(study).values())
    statuses = study_status(study, systems, arguments.results)
    if arguments.json:
        print(to_json(statuses), end="")
    elif not arguments.watch or not sys.stdout.isatty():
        line = time_left(study, statuses, arguments.results, arguments.cores)
        if not arguments.left and not sys.stdout.isatty():
            print("\n".join(plain_lines(statuses)))
        elif not arguments.left:
            from rich.console import Console

            Console().print(table(statuses))
        if line is not None:
            print(line)
    else:
        from rich.live import Live

        with Live(table(statuses), auto_refresh=False) as live:
            while True:
                time.sleep(2)
                live.update(table(study_status(study, systems, arguments.results)), refresh=True)
    return 0


def _print_outdated(study: Study, results: Path) -> None:
    """One line about the systems whose results do not match the study, if there are any."""
    from eoli.core.numbers import listed
    from eoli.workflow.products import outdated

    stale = outdated(study, results)
    if stale:
        print(f"not up to date, by `eoli status`: {listed([*stale], 4)}; the first: {next(iter(stale.values()))}")


def add_plan(parser: argparse.ArgumentParser) -> None:
    from eoli.core.validation import Share

    add_study(parser)
    parser.add_argument(
        "--target", type=typed(Share), metavar="SHARE", help="relative error to reach (default: analysis.target_error)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="also a table (CSV)")


def plan(arguments: argparse.Namespace) -> int:
    from eoli.summary.run_lengths import needs, not_analysed
    from eoli.workflow.cost import measured_speed

    study = study_of(arguments)
    target = study.config.analysis.target_error if arguments.target is None else arguments.target
    found = needs(study, arguments.results, target)
    if not found:
        raise InputError(f"{arguments.results}: no analysed system with ions; allowed: results of `snakemake motion`")
    missing = not_analysed(study, arguments.results)
    print("\n".join([*(need.line() for need in found), *(f"{name:34s} {why}" for name, why in missing.items())]))
    speed, stages = measured_speed(arguments.results)
    said = f"{speed / 1e6:.2f} million site-steps/s/core, measured in {stages} stages" if stages else "an assumed speed"
    print(f"for a relative error of {target:.0%}; independent starts of a system count together; cost at {said}")
    _print_outdated(study, arguments.results)
    if arguments.out is not None:
        import pandas as pd

        from eoli.core.files import write_table

        write_table(arguments.out, pd.DataFrame(found), digits=6)
    return 0


def add_budget(parser: argparse.ArgumentParser) -> None:
    from pydantic import Field

    parser.add_argument(
        "core_hours", type=typed(Annotated[float, Field(ge=0, le=1e12)]), metavar="HOURS",
        help="core-hours of all runs of the study, past ones included",
    )  # fmt: skip
    add_study(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("budget.yaml"), metavar="FILE",
        help="lengths of the runs, to be the last configuration file from now on (default: budget.yaml)",
    )  # fmt: skip
    parser.set_defaults(may_replace=_holds_lengths_alone)


def _holds_lengths_alone(path: Path) -> bool:
    """Whether a configuration file may be one of an earlier call, which the next one updates."""
    from eoli.core.yamlfile import read_yaml

    data = read_yaml(path).data
    return isinstance(data, dict) and set(data) == {"lengths_ns"}


def budget(arguments: argparse.Namespace) -> int:
    from eoli.core.files import write_text
    from eoli.summary.budget import allotment

    study = study_of(arguments)
    found = allotment(study, arguments.results, arguments.core_hours)
    write_text(arguments.out, found.text())
    print("\n".join(share.line() for share in found.shares))
    print(found.line())
    _print_outdated(study, arguments.results)
    print(f"lengths in {arguments.out}: name it last, snakemake --configfile ... {arguments.out}, and eoli likewise")
    return 0


def add_tune(parser: argparse.ArgumentParser) -> None:
    from pydantic import Field

    add_study(parser)
    parser.add_argument("--system", metavar="NAME", help="time this system (default: the largest that has been run)")
    parser.add_argument(
        "--seconds",
        type=typed(Annotated[float, Field(ge=1, le=86_400)]),
        default=60.0,
        help="for all measurements together (default: 60)",
    )


def tune_command(arguments: argparse.Namespace) -> int:
    from eoli.gromacs.build import inspect
    from eoli.gromacs.throughput import finished_inputs, sites_of, tune
    from eoli.machine.processors import this_machine
    from eoli.machine.tuning import table, tuning_file, write_tuning
    from eoli.study.systems import systems_of

    study = study_of(arguments)
    names = list(systems_of(study))
    if arguments.system is not None and arguments.system not in names:
        raise _no_system(arguments.system, names)
    stages = [stage.name for stage in study.stages if stage.is_dynamics]
    systems = names if arguments.system is None else [arguments.system]
    found = finished_inputs(arguments.results, systems, stages)
    if not found:
        raise InputError(
            f"{arguments.results}: no finished stage of dynamics to time; "
            f"snakemake {arguments.results}/{systems[0]}/{stages[0]}/md.gro makes one"
        )
    # from the last stage that any system has reached, since a box still being compressed is not typical
    tpr = max([path for path in found if path.parent.name == found[0].parent.name], key=sites_of)
    gromacs = inspect(study.config.gmx)
    box = f"{tpr.parent.parent.name} {tpr.parent.name}"
    print(f"times {tpr}, {sites_of(tpr)} sites, with GROMACS {gromacs.version_text}, {gromacs.simd}", flush=True)
    tuning = tune(
        gromacs, this_machine(), tpr, box, sites_of(tpr), arguments.seconds, lambda text: print(text, flush=True),
        study.stage(tpr.parent.name).offload,
    )  # fmt: skip
    path = tuning_file()
    write_tuning(path, tuning)
    print("\n".join(table(tuning.timings)))
    print(f"run.threads: auto takes this from {path}; undo: delete the file, or set run.threads to a number")
    return 0


def _no_system(name: str, known: Iterable[str]) -> InputError:
    from eoli.core.text import did_you_mean

    hint = did_you_mean(name, known)
    return InputError(f"system {name!r} is not in the sweep{hint}; allowed: {', '.join(known)}")


def add_redo(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument("system", help="name of the system")
    parser.add_argument("stage", help="name of the stage")


def redo_stage(arguments: argparse.Namespace) -> int:
    from eoli.stage.redo import redo
    from eoli.study.systems import series_of, systems_of

    study = study_of(arguments)
    stage = study.stage(arguments.stage)
    systems = systems_of(study)
    boxes = systems | series_of(study, systems.values())
    if arguments.system not in boxes:
        raise _no_system(arguments.system, boxes)
    if boxes[arguments.system].imported is not None:
        raise InputError(f"{arguments.system} was made elsewhere; `snakemake -R import_run` takes it in again")
    kept = redo(stage, arguments.results / boxes[arguments.system].home(stage.name) / stage.name)
    print(f"{arguments.system} {stage.name}: the run is kept as {kept}; the next snakemake starts it afresh")
    return 0
