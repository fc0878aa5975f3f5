"""The command that runs a stage."""

from __future__ import annotations

import argparse
from pathlib import Path

from eoli.commands.common import add_gmx, add_option, gromacs_build, typed
from eoli.errors import EoliError, InputError


def add_stage(parser: argparse.ArgumentParser) -> None:
    from eoli.core.validation import Count, Kelvin, Positive, kind_of
    from eoli.study.config import Config, EqualLag, Run
    from eoli.study.criteria import AnalysisSection, ContactDistances
    from eoli.study.protocol import Protocol, Stage

    parser.add_argument("--system", required=True, help="name of the system, for messages")
    parser.add_argument("--topology", type=Path, required=True, metavar="DIR", help="folder of the topology")
    parser.add_argument(
        "--start-from", type=Path, required=True, metavar="PATH", help="a box, or md.gro of the stage before"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the stage")
    parser.add_argument(
        "--system-temperature-K", type=typed(Kelvin), required=True, help="temperature of the system, K"
    )
    parser.add_argument(
        "--seed",
        type=typed(kind_of(Config, "seed")),
        required=True,
        help="seed of the run, that of the study, the system and the stage in one",
    )
    for name in ("cutoff_nm", "fourier_spacing_nm", "constraints", "dispersion_correction"):
        add_option(parser, name, Protocol, name, required=True)
    add_option(parser, "hydrogen_mass_g_mol", Protocol, "hydrogen_mass_g_mol")
    parser.add_argument(
        "--contact-nm",
        type=typed(kind_of(ContactDistances, "anion")),
        default=0.30,
        help="distance that binds an anion to lithium, for free_ions and so on",
    )
    add_option(parser, "tolerance", AnalysisSection, "diffusive_tolerance", default=0.1)
    add_option(parser, "target_error", AnalysisSection, "target_error", default=0.2)
    add_option(parser, "lag_ps", EqualLag, "lag_ps")
    parser.add_argument("--threads", type=typed(Count), default=1, help="hardware threads that the run holds")
    parser.add_argument(
        "--at-once",
        type=typed(Count),
        metavar="N",
        help="threads of all runs together: up to the number of cores, one on each",
    )
    parser.add_argument("--pin", action=argparse.BooleanOptionalAction, default=True, help="cores of its own for mdrun")
    parser.add_argument(
        "--hyper-threads", action=argparse.BooleanOptionalAction, default=True,
        help="mdrun uses all hardware threads that the run holds, or one on each core",
    )  # fmt: skip
    add_option(parser, "checkpoint_minutes", Run, "checkpoint_minutes", default=5.0)
    add_option(parser, "max_hours", Run, "max_hours")
    parser.add_argument(
        "--walltime-minutes", type=typed(Positive), metavar="MINUTES",
        help="time limit of the job: stop with a checkpoint before it; inside SLURM its own end of the job counts",
    )  # fmt: skip
    parser.add_argument("--reproducible", action="store_true", help="the same trajectory bit for bit")
    parser.add_argument("--log", type=Path, metavar="FILE", help="lines about the run")
    add_gmx(parser)
    group = parser.add_argument_group("the stage, as in a protocol file")
    for name in Stage.model_fields:
        if name != "enabled":
            add_option(group, name, Stage, name, dest=f"stage_{name}")


def stage_command(arguments: argparse.Namespace) -> int:
    from eoli.core.validation import validate
    from eoli.gromacs.build import inspect
    from eoli.gromacs.mdp import Conditions
    from eoli.stage.job import Placement, StageJob
    from eoli.stage.run import run_stage
    from eoli.stage.walltime import deadline
    from eoli.study.protocol import Stage

    # first of all: the job's time is already running
    ends = deadline(arguments.walltime_minutes)
    given = {name.removeprefix("stage_"): value for name, value in vars(arguments).items() if name.startswith("stage_")}
    stage = validate(Stage, {name: value for name, value in given.items() if value is not None}, [])
    if "displacement_Li" in stage.converge and arguments.lag_ps is None:
        raise InputError("--lag-ps is missing; --converge displacement_Li needs it; allowed: a lag in ps")
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
            hydrogen_mass_g_mol=arguments.hydrogen_mass_g_mol,
        ),
        topology=arguments.topology,
        source=arguments.start_from,
        folder=arguments.out,
        gromacs=inspect(gromacs_build(arguments)),
        threads=arguments.threads,
        placement=Placement(arguments.pin, arguments.hyper_threads, arguments.at_once),
        checkpoint_minutes=arguments.checkpoint_minutes,
        max_hours=arguments.max_hours,
        reproducible=arguments.reproducible,
        contact_nm=arguments.contact_nm,
        tolerance=arguments.tolerance,
        target_error=arguments.target_error,
        lag_ps=arguments.lag_ps,
        deadline=ends,
    )
    try:
        run_stage(job, arguments.log)
    except EoliError as error:
        error.args = (f"{job.system} {stage.name}: {error}",)
        raise
    return 0
