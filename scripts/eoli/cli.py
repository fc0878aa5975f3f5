"""The console command `eoli`; heavy modules are imported by the command that needs them."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from eoli import __version__
from eoli.errors import EoliError, InputError


def _made(path: Path, inputs: Sequence[Path], **more: Any) -> None:
    """Write down what a result was made from and with, beside it, and tell the person at the terminal."""
    from eoli.files import write_json
    from eoli.provenance import provenance

    record = provenance(inputs, [["eoli", *sys.argv[1:]]], **more)
    write_json(path.with_name(f"{path.stem}.provenance.json"), record)
    print(f"[{time.strftime('%H:%M:%S')}] made {path}", flush=True)


Command = Callable[[argparse.Namespace], int]


def _add_gmx(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gmx", default="gmx", metavar="PROGRAM", help="GROMACS program (default: gmx)")
    parser.add_argument("--gmx-launcher", default="", metavar="WORDS", help="put in front of mdrun")
    parser.add_argument("--gmx-module", action="append", default=[], metavar="NAME", help="module to load first")


def _build(arguments: argparse.Namespace):  # type: ignore[no-untyped-def]
    from eoli.config import GromacsBuild

    return GromacsBuild(command=arguments.gmx, launcher=arguments.gmx_launcher, modules=arguments.gmx_module)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, nargs="+", default=[Path("config/config.yaml")], metavar="FILE",
        help="configuration files, later ones over earlier ones (default: config/config.yaml)",
    )  # fmt: skip
    parser.add_argument("--set", default="{}", metavar="JSON", help="keys that override the files")
    parser.add_argument("--base", type=Path, default=Path(), metavar="DIR", help="folder of the workflow")


def _study(arguments: argparse.Namespace):  # type: ignore[no-untyped-def]
    from eoli.config import load_study

    try:
        overrides = json.loads(arguments.set)
    except ValueError as error:
        raise InputError(f"--set {arguments.set!r} is not allowed: {error}; allowed: a JSON object") from None
    if not isinstance(overrides, dict):
        raise InputError(f"--set {arguments.set!r} is not allowed; allowed: a JSON object")
    return load_study(arguments.config, arguments.base, overrides)


def _add_check(parser: argparse.ArgumentParser) -> None:
    _add_config(parser)
    parser.add_argument("--gromacs", action="store_true", help="also find GROMACS and compare versions")


def _check(arguments: argparse.Namespace) -> int:
    from eoli.cost import check_gromacs, cost_lines

    study = _study(arguments)
    print("\n".join(cost_lines(study)))
    if arguments.gromacs:
        print(check_gromacs(study))
    return 0


def _add_schema(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=["json", "markdown"], default="json", help="JSON schema or table of keys")


def _schema(arguments: argparse.Namespace) -> int:
    from eoli.schema import json_schema, markdown

    print(json_schema() if arguments.format == "json" else markdown(), end="")
    return 0


def _add_topology(parser: argparse.ArgumentParser) -> None:
    from eoli.chemistry import DEFAULT

    parser.add_argument("--blocks", type=Path, required=True, metavar="DIR", help="folder of building blocks")
    parser.add_argument("--polymer", required=True, help="polymer of the building blocks")
    parser.add_argument("--chains", type=int, required=True, help="polymer chains")
    parser.add_argument("--salt", required=True, help="salt of the building blocks, or none")
    parser.add_argument("--cations", type=int, required=True, help="cations, and as many anions")
    parser.add_argument("--ether-set", required=True, metavar="NAME", help="parameter set of the ether")
    parser.add_argument("--cation-model", default=DEFAULT, metavar="NAME", help="default: the one that the salt names")
    parser.add_argument("--anion-model", default=DEFAULT, metavar="NAME", help="default: the one that the salt names")
    parser.add_argument("--mixing", required=True, choices=["gromos", "lorentz-berthelot", "lb-ions"])
    parser.add_argument("--ion-charge-scale", type=float, required=True, metavar="FACTOR")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the topology")
    _add_gmx(parser)


def _topology(arguments: argparse.Namespace) -> int:
    from eoli import gmx
    from eoli.chemistry import library
    from eoli.topology.build import describe, write_topology
    from eoli.topology.gromos import read_gromos54a7

    gromacs = gmx.inspect(_build(arguments))
    forcefield = read_gromos54a7(gromacs.forcefields / "gromos54a7.ff")
    blocks = library(arguments.blocks)
    choice = blocks.choose(
        arguments.salt, arguments.ether_set, arguments.cation_model, arguments.anion_model, arguments.mixing,
        arguments.ion_charge_scale,
    )  # fmt: skip
    description = describe(
        arguments.polymer, arguments.chains, arguments.salt, arguments.cations, choice, blocks, forcefield
    )
    title = f"{arguments.chains} {arguments.polymer}, {arguments.cations} {arguments.salt}"
    write_topology(description, title, arguments.out, blocks, forcefield)
    _made(
        arguments.out / "system.top",
        sorted(arguments.blocks.rglob("*.yaml")),
        gromacs=gromacs.version_text,
        forcefield_sha256=forcefield.sha256,
    )
    return 0


def _add_parameters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--system", required=True, help="name of the system, for the title")
    parser.add_argument("--system-json", type=Path, required=True, metavar="FILE", help="description of the system")
    parser.add_argument("--blocks", type=Path, required=True, metavar="DIR", help="folder of building blocks")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="page to write")
    _add_gmx(parser)


def _parameters(arguments: argparse.Namespace) -> int:
    from eoli import gmx
    from eoli.chemistry import library
    from eoli.files import write_text
    from eoli.topology.build import tables_for
    from eoli.topology.description import read_description
    from eoli.topology.gromos import read_gromos54a7
    from eoli.topology.parameters import parameters_page

    forcefield = read_gromos54a7(gmx.inspect(_build(arguments)).forcefields / "gromos54a7.ff")
    blocks, description = library(arguments.blocks), read_description(arguments.system_json)
    tables = tables_for(description, blocks, forcefield)
    write_text(arguments.out, parameters_page(description, tables, blocks, arguments.system))
    _made(arguments.out, [arguments.system_json])
    return 0


def _add_box(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--system-json", type=Path, required=True, metavar="FILE", help="description of the system")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--density-g-cm3", type=float, required=True, help="density of the packed box")
    parser.add_argument("--tolerance-nm", type=float, required=True, help="smallest distance between molecules")
    parser.add_argument("--attempts", type=int, required=True, help="PACKMOL runs before giving up")
    parser.add_argument("--gro", type=Path, required=True, metavar="FILE", help="box to write")
    parser.add_argument("--report", type=Path, required=True, metavar="FILE", help="JSON of seeds and attempts")
    parser.add_argument("--log", type=Path, required=True, metavar="FILE", help="output of PACKMOL")


def _box(arguments: argparse.Namespace) -> int:
    from eoli.box.packmol import pack
    from eoli.topology.description import read_description

    pack(
        read_description(arguments.system_json), arguments.seed, arguments.density_g_cm3, arguments.tolerance_nm,
        arguments.attempts, arguments.gro, arguments.report, arguments.log,
    )  # fmt: skip
    _made(arguments.gro, [arguments.system_json], seed=arguments.seed)
    return 0


def _stage_option(annotation: Any) -> dict[str, Any]:
    """argparse settings for a field of a stage."""
    options = [a for a in get_args(annotation) if a is not type(None)] if get_origin(annotation) is not Literal else []
    plain = options[0] if options else annotation
    if get_origin(plain) is Literal:
        return {"choices": get_args(plain)}
    return {"action": argparse.BooleanOptionalAction} if plain is bool else {"type": plain}


def _add_stage(parser: argparse.ArgumentParser) -> None:
    from eoli.protocol import Stage

    parser.add_argument("--system", required=True, help="name of the system, for messages")
    parser.add_argument("--topology", type=Path, required=True, metavar="DIR", help="folder of the topology")
    parser.add_argument(
        "--start-from", type=Path, required=True, metavar="PATH", help="a box, or md.gro of the stage before"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the stage")
    parser.add_argument("--system-temperature-K", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--cutoff-nm", type=float, required=True)
    parser.add_argument("--fourier-spacing-nm", type=float, required=True)
    parser.add_argument("--constraints", required=True, choices=["none", "h-bonds", "all-bonds"])
    parser.add_argument("--dispersion-correction", action=argparse.BooleanOptionalAction, required=True)
    parser.add_argument("--threads", type=int, default=1, help="threads of mdrun")
    parser.add_argument("--checkpoint-minutes", type=float, default=5.0)
    parser.add_argument("--max-hours", type=float, help="stop with a checkpoint after this long")
    parser.add_argument("--reproducible", action="store_true", help="the same trajectory bit for bit")
    parser.add_argument("--log", type=Path, metavar="FILE", help="lines about the run")
    _add_gmx(parser)
    group = parser.add_argument_group("the stage, as in a protocol file")
    for name, field in Stage.model_fields.items():
        if name != "enabled":
            flag = f"--{name.replace('_', '-')}"
            group.add_argument(flag, dest=f"stage_{name}", default=None, help=field.description,
                               **_stage_option(field.annotation))  # fmt: skip


def _stage(arguments: argparse.Namespace) -> int:
    from eoli import gmx
    from eoli.mdp import Conditions
    from eoli.protocol import Stage
    from eoli.stage.job import StageJob
    from eoli.stage.run import run_stage
    from eoli.validation import validate

    given = {name.removeprefix("stage_"): value for name, value in vars(arguments).items() if name.startswith("stage_")}
    stage = validate(Stage, {name: value for name, value in given.items() if value is not None}, [])
    job = StageJob(
        system=arguments.system,
        stage=stage,
        conditions=Conditions(
            temperature_K=arguments.system_temperature_K,
            cutoff_nm=arguments.cutoff_nm,
            fourier_spacing_nm=arguments.fourier_spacing_nm,
            dispersion_correction=arguments.dispersion_correction,
            constraints=arguments.constraints,
            seed=arguments.seed,
        ),
        topology=arguments.topology,
        source=arguments.start_from,
        folder=arguments.out,
        gromacs=gmx.inspect(_build(arguments)),
        threads=arguments.threads,
        checkpoint_minutes=arguments.checkpoint_minutes,
        max_hours=arguments.max_hours,
        reproducible=arguments.reproducible,
    )
    try:
        run_stage(job, arguments.log)
    except EoliError as error:
        error.args = (f"{job.system} {stage.name}: {error}",)
        raise
    return 0


def _add_analysis(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--system-json", type=Path, required=True, metavar="FILE", help="description of the system")
    parser.add_argument("--out-csv", type=Path, required=True, metavar="FILE", help="table to write")
    parser.add_argument("--out-json", type=Path, required=True, metavar="FILE", help="scalars to write")


def _add_trajectory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trajectory", type=Path, required=True, metavar="FILE", help="XTC file")
    parser.add_argument("--frame-interval-ps", type=float, required=True, help="spacing of its frames")
    parser.add_argument("--use-interval-ps", type=float, required=True, help="spacing of the frames to use")
    _add_analysis(parser)


def _add_density(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--energies", type=Path, required=True, metavar="FILE", help="EDR file of an NPT stage")
    _add_analysis(parser)


def _density(arguments: argparse.Namespace) -> int:
    from eoli.analysis.run import analyse_density

    analyse_density(arguments.energies, arguments.system_json, arguments.out_csv, arguments.out_json)
    _made(arguments.out_csv, [arguments.energies, arguments.system_json])
    return 0


def _add_structure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--range-nm", type=float, required=True, help="largest distance")
    parser.add_argument("--bin-nm", type=float, required=True, help="width of a bin")
    _add_trajectory(parser)


def _structure(arguments: argparse.Namespace) -> int:
    from eoli.analysis.run import analyse_structure

    analyse_structure(
        arguments.trajectory, arguments.system_json, arguments.frame_interval_ps, arguments.use_interval_ps,
        arguments.range_nm, arguments.bin_nm, arguments.out_csv, arguments.out_json,
    )  # fmt: skip
    _made(arguments.out_csv, [arguments.trajectory, arguments.system_json])
    return 0


def _add_motion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tolerance", type=float, required=True, help="of the exponent of diffusive motion")
    _add_trajectory(parser)


def _motion(arguments: argparse.Namespace) -> int:
    from eoli.analysis.run import analyse_motion

    analyse_motion(
        arguments.trajectory, arguments.system_json, arguments.frame_interval_ps, arguments.use_interval_ps,
        arguments.tolerance, arguments.out_csv, arguments.out_json,
    )  # fmt: skip
    _made(arguments.out_csv, [arguments.trajectory, arguments.system_json])
    return 0


def _add_figures(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--system", required=True, help="name of the system, for the titles")
    parser.add_argument("--analysis", type=Path, required=True, metavar="DIR", help="folder of its tables, and figures")


def _figures(arguments: argparse.Namespace) -> int:
    from eoli.figures import figure_motion, figure_structure

    folder: Path = arguments.analysis
    figure_structure(folder / "structure.csv", arguments.system, folder / "structure")
    figure_motion(folder / "motion.csv", folder / "motion.json", arguments.system, folder / "motion")
    _made(folder / "figures", [folder / "structure.csv", folder / "motion.csv", folder / "motion.json"])
    return 0


def _add_collect(parser: argparse.ArgumentParser) -> None:
    _add_config(parser)
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    parser.add_argument("--out", type=Path, default=Path("results/summary/sweep.csv"), metavar="FILE")
    parser.add_argument("--partial", action="store_true", help="rows of unfinished systems say what is missing")


def _collect(arguments: argparse.Namespace) -> int:
    from eoli.chemistry import library
    from eoli.collect import collect
    from eoli.sweep import size_of, systems_of

    study = _study(arguments)
    systems = list(systems_of(study).values())
    blocks = library(study.topologies)
    collect(
        systems,
        [stage.name for stage in study.stages],
        study.config.analysis.stage,
        arguments.results,
        arguments.out,
        {system.name: size_of(system, blocks).ideal_density_g_cm3 for system in systems},
        allow_missing=arguments.partial,
    )
    analyses = [arguments.results / s.name / "analysis" for s in systems]
    tables = [path for folder in analyses for path in sorted(folder.glob("*.json")) if "provenance" not in path.name]
    _made(arguments.out, tables, config=study.config.model_dump())
    return 0


def _add_sweep_figures(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", type=Path, required=True, metavar="FILE", help="sweep.csv")
    parser.add_argument("--structures", type=Path, nargs="*", default=[], metavar="FILE", help="structure.csv files")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the figures")


def _sweep_figures(arguments: argparse.Namespace) -> int:
    from eoli.figures import figure_rdf_overlay, figure_sweep

    figure_sweep(arguments.table, arguments.out / "sweep")
    if arguments.structures:
        # results/<system>/analysis/structure.csv
        figure_rdf_overlay([(path.parent.parent.name, path) for path in arguments.structures], arguments.out / "rdf")
    _made(arguments.out / "figures", [arguments.table, *arguments.structures])
    return 0


def _add_status(parser: argparse.ArgumentParser) -> None:
    _add_config(parser)
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="a JSON list, for scripts")
    shape.add_argument("--watch", action="store_true", help="a table that follows the runs, until Ctrl-C")


def _status(arguments: argparse.Namespace) -> int:
    from eoli.status import plain_lines, study_status, table, to_json
    from eoli.sweep import systems_of

    study = _study(arguments)
    names = list(systems_of(study))
    statuses = study_status(study, names, arguments.results)
    if arguments.json:
        print(to_json(statuses), end="")
    elif not sys.stdout.isatty():
        print("\n".join(plain_lines(statuses)))
    elif not arguments.watch:
        from rich.console import Console

        Console().print(table(statuses))
    else:
        from rich.live import Live

        with Live(table(statuses), auto_refresh=False) as live:
            while True:
                time.sleep(2)
                live.update(table(study_status(study, names, arguments.results)), refresh=True)
    return 0


def _add_redo(parser: argparse.ArgumentParser) -> None:
    _add_config(parser)
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    parser.add_argument("system", help="name of the system")
    parser.add_argument("stage", help="name of the stage")


def _redo(arguments: argparse.Namespace) -> int:
    from eoli.redo import redo
    from eoli.sweep import systems_of

    study = _study(arguments)
    stage = study.stage(arguments.stage)
    names = list(systems_of(study))
    if arguments.system not in names:
        raise InputError(f"system {arguments.system!r} is not in the sweep; allowed: {', '.join(names)}")
    kept = redo(stage, arguments.results / arguments.system / stage.name)
    print(f"{arguments.system} {stage.name}: the run is kept as {kept}; the next snakemake starts it afresh")
    return 0


COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None], Command]] = {
    "check": ("check a configuration and print its systems and cost", _add_check, _check),
    "schema": ("print the configuration's schema", _add_schema, _schema),
    "topology": ("write the topology of a system", _add_topology, _topology),
    "parameters": ("write the page of a system's parameters with their sources", _add_parameters, _parameters),
    "box": ("pack the start box of a system", _add_box, _box),
    "stage": ("run or continue one stage of one system", _add_stage, _stage),
    "status": ("where the runs of a study stand", _add_status, _status),
    "redo": ("move a stage's run aside, so that it starts afresh", _add_redo, _redo),
    "density": ("density of a stage from its energies", _add_density, _density),
    "structure": ("g(r) and coordination numbers of lithium", _add_structure, _structure),
    "motion": ("mean-square displacements and diffusion", _add_motion, _motion),
    "figures": ("figures of one system", _add_figures, _figures),
    "collect": ("the table of the sweep", _add_collect, _collect),
    "sweep-figures": ("figures of the sweep", _add_sweep_figures, _sweep_figures),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the console command; returns its exit code (2 for a user's mistake, 1 for a failed run)."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="eoli", description=__doc__)
    parser.add_argument("--version", action="version", version=f"eoli {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (text, add, run) in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        if name in words[:1]:
            add(sub)
    arguments = parser.parse_args(words)
    try:
        return int(arguments.run(arguments))
    except EoliError as error:
        print(f"eoli {arguments.command}: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"eoli {arguments.command}: {error.strerror or error}: {error.filename or ''}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
