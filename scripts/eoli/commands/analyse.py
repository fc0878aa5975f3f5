"""Commands of the analyses: one decode of a trajectory, then each analysis by itself."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from eoli.commands.common import add_gmx, gromacs_build, made, typed
from eoli.errors import InputError


def _kind(field: str) -> Any:
    """Type and limits of a field of the configuration or the protocol, by the names of the model and the field."""
    from eoli import config, protocol
    from eoli.validation import kind_of

    model, _, name = field.partition(".")
    return kind_of(getattr(config, model, None) or getattr(protocol, model), name)


def _limited(field: str) -> Callable[[str], Any]:
    return typed(_kind(field))


def _count() -> Callable[[str], Any]:
    from eoli.validation import Count

    return typed(Count)


def _add_numbers(parser: argparse.ArgumentParser, required: bool = True, **options: tuple[str, str]) -> None:
    """Options that are numbers, by name: what they are, and the field (Model.name) whose limits they have."""
    for name, (text, field) in options.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=_limited(field), required=required, help=text)


def _add_stage(parser: argparse.ArgumentParser) -> None:
    """What is known of the stage that left the energies."""
    _add_numbers(
        parser, False, length_ns=("length of the stage: energies that end before it are refused", "Stage.length_ns")
    )
    parser.add_argument(
        "--equilibrates", action=argparse.BooleanOptionalAction, default=True,
        help="whether the stage has an equilibrated part (default: yes)",
    )  # fmt: skip


def _picoseconds(length_ns: float | None) -> float | None:
    return None if length_ns is None else length_ns * 1000


def add_reduce(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trajectory", type=Path, required=True, metavar="FILE", help="XTC file")
    parser.add_argument("--system-json", type=Path, required=True, metavar="FILE", help="description of the system")
    _add_numbers(
        parser,
        frame_interval_ps=("spacing of its frames", "Stage.frame_interval_ps"),
        motion_interval_ps=("spacing of positions and neighbours", "Analysis.motion_interval_ps"),
        structure_interval_ps=("spacing of g(r), chains, torsions", "Analysis.structure_interval_ps"),
        slow_interval_ps=("spacing of whole frames", "Analysis.slow_interval_ps"),
        rdf_range_nm=("largest distance of g(r)", "Analysis.rdf_range_nm"),
        rdf_bin_nm=("width of a bin of g(r)", "Analysis.rdf_bin_nm"),
    )
    _add_numbers(
        parser, False, length_ns=("length of the run: a trajectory that ends before it is refused", "Stage.length_ns")
    )
    parser.add_argument(
        "--processes", type=_count(), default=1, help="processes that share the frames, at most one for each core"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="HDF5 file to write")


def reduce(arguments: argparse.Namespace) -> int:
    from eoli.reduce.run import reduce_trajectory

    reduce_trajectory(
        arguments.trajectory, arguments.system_json, arguments.frame_interval_ps, arguments.motion_interval_ps,
        arguments.structure_interval_ps, arguments.slow_interval_ps, arguments.rdf_range_nm, arguments.rdf_bin_nm,
        arguments.out, processes=arguments.processes, length_ps=_picoseconds(arguments.length_ns),
    )  # fmt: skip
    made(arguments.out, [arguments.trajectory, arguments.system_json])
    return 0


def add_density(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--energies", type=Path, required=True, metavar="FILE", help="EDR file of an NPT stage")
    parser.add_argument("--system-json", type=Path, required=True, metavar="FILE", help="description of the system")
    _add_stage(parser)
    _add_out(parser)


def density(arguments: argparse.Namespace) -> int:
    from eoli.jobs.density import analyse_density

    table = _table(arguments, "density")
    analyse_density(
        arguments.energies, arguments.system_json, table, _scalars(arguments, "density"), arguments.equilibrates,
        _picoseconds(arguments.length_ns),
    )  # fmt: skip
    made(table, [arguments.energies, arguments.system_json])
    return 0


def add_traces(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--energies", type=Path, required=True, metavar="FILE", help="EDR file of a stage")
    parser.add_argument("--system-json", type=Path, required=True, metavar="FILE", help="description of the system")
    parser.add_argument(
        "--stage", type=_limited("Stage.name"), required=True, metavar="NAME",
        help="name of the stage, for the names of the files",
    )  # fmt: skip
    _add_stage(parser)
    _add_out(parser)


def traces(arguments: argparse.Namespace) -> int:
    from eoli.jobs.traces import analyse_traces

    name = f"traces-{arguments.stage}"
    table, scalars = _table(arguments, name), _scalars(arguments, name)
    analyse_traces(
        arguments.energies, arguments.system_json, arguments.equilibrates, table, scalars,
        _picoseconds(arguments.length_ns),
    )  # fmt: skip
    made(table, [arguments.energies, arguments.system_json])
    return 0


def add_specific_volume(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--energies", type=Path, required=True, metavar="FILE", help="EDR file of the cooling stage")
    parser.add_argument("--system-json", type=Path, required=True, metavar="FILE", help="description of the system")
    _add_numbers(
        parser,
        from_K=("temperature at which the stage begins", "Stage.temperature_from_K"),
        to_K=("temperature at which it ends", "Stage.temperature_K"),
        step_K=("height of its steps", "Stage.temperature_step_K"),
        length_ns=("its length", "Stage.length_ns"),
    )
    _add_out(parser)


def specific_volume(arguments: argparse.Namespace) -> int:
    from eoli.jobs.glass import analyse_specific_volume
    from eoli.ramp import plateaus

    if arguments.from_K == arguments.to_K:
        raise InputError(f"--to-K {arguments.to_K:g} is not allowed; allowed: another temperature than --from-K")
    table = _table(arguments, "specific-volume")
    course = plateaus(arguments.from_K, arguments.to_K, arguments.step_K, arguments.length_ns * 1000)
    scalars = _scalars(arguments, "specific-volume")
    analyse_specific_volume(arguments.energies, arguments.system_json, course, table, scalars)
    made(table, [arguments.energies, arguments.system_json])
    return 0


def _add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the table and the scalars")


def _add_reduced(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reduced", type=Path, required=True, metavar="FILE", help="reduced trajectory")
    parser.add_argument("--system-json", type=Path, required=True, metavar="FILE", help="description of the system")
    _add_out(parser)


def _table(arguments: argparse.Namespace, name: str) -> Path:
    return Path(arguments.out / f"{name}.csv")


def _scalars(arguments: argparse.Namespace, name: str) -> Path:
    return Path(arguments.out / f"{name}.json")


def _made(arguments: argparse.Namespace, name: str) -> int:
    made(_table(arguments, name), [arguments.reduced, arguments.system_json])
    return 0


def _add_distances(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--contact-nm", nargs="+", required=True, metavar="KIND=NM", help="distance within which a kind of site binds"
    )


def _distances(words: Sequence[str]) -> dict[str, float]:
    """Distances, nm, by kind. Raises InputError for a word that is none."""
    from eoli.config import ContactDistances
    from eoli.validation import from_text

    kinds, found = (*ContactDistances.model_fields, "anion_O"), {}
    distance = from_text(_kind("ContactDistances.ether_O"))
    for word in words:
        kind, _, value = word.partition("=")
        if kind not in kinds:
            raise InputError(f"--contact-nm {word!r} is not allowed; allowed: KIND=NM with KIND of {', '.join(kinds)}")
        try:
            found[kind] = distance(value)
        except InputError as error:
            raise InputError(f"--contact-nm {word!r}: {error}") from None
    return found


def add_structure(parser: argparse.ArgumentParser) -> None:
    _add_reduced(parser)
    _add_distances(parser)


def structure(arguments: argparse.Namespace) -> int:
    from eoli.jobs.structure import analyse_structure

    analyse_structure(
        arguments.reduced, arguments.system_json, _distances(arguments.contact_nm),
        _table(arguments, "structure"), _scalars(arguments, "structure"),
    )  # fmt: skip
    return _made(arguments, "structure")


def _add_tolerance(parser: argparse.ArgumentParser) -> None:
    _add_numbers(parser, tolerance=("of the exponent of diffusive motion", "Analysis.diffusive_tolerance"))


def add_motion(parser: argparse.ArgumentParser) -> None:
    _add_reduced(parser)
    _add_tolerance(parser)
    _add_numbers(
        parser,
        target_error=("relative error of D that a run should reach", "Analysis.target_error"),
        contact_nm=("distance that binds lithium to a chain", "ContactDistances.ether_O"),
    )


def motion(arguments: argparse.Namespace) -> int:
    from eoli.jobs.motion import analyse_motion

    analyse_motion(
        arguments.reduced, arguments.system_json, arguments.tolerance, arguments.target_error, arguments.contact_nm,
        _table(arguments, "motion"), _scalars(arguments, "motion"),
    )  # fmt: skip
    return _made(arguments, "motion")


def add_ions(parser: argparse.ArgumentParser) -> None:
    _add_reduced(parser)
    _add_numbers(
        parser,
        contact_nm=("distance that binds an anion to lithium", "ContactDistances.anion"),
        use_interval_ps=("spacing of the frames to use", "Analysis.structure_interval_ps"),
    )


def ions(arguments: argparse.Namespace) -> int:
    from eoli.jobs.ions import analyse_ions

    analyse_ions(
        arguments.reduced, arguments.system_json, arguments.contact_nm, arguments.use_interval_ps,
        _table(arguments, "ions"), _scalars(arguments, "ions"),
    )  # fmt: skip
    return _made(arguments, "ions")


def add_conductivity(parser: argparse.ArgumentParser) -> None:
    add_ions(parser)
    _add_tolerance(parser)
    _add_numbers(parser, temperature_K=("temperature of the run, K", "Stage.temperature_K"))


def conductivity(arguments: argparse.Namespace) -> int:
    from eoli.jobs.conductivity import analyse_conductivity

    analyse_conductivity(
        arguments.reduced, arguments.system_json, arguments.temperature_K, arguments.tolerance, arguments.contact_nm,
        arguments.use_interval_ps, _table(arguments, "conductivity"), _scalars(arguments, "conductivity"),
    )  # fmt: skip
    return _made(arguments, "conductivity")


def add_starts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--systems", nargs="+", required=True, metavar="NAME", help="names of the starts")
    parser.add_argument("--reduced", type=Path, nargs="+", required=True, metavar="FILE", help="their trajectories")
    parser.add_argument("--system-json", type=Path, nargs="+", required=True, metavar="FILE", help="their descriptions")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="scalars to write, JSON")
    _add_tolerance(parser)
    _add_numbers(
        parser,
        temperature_K=("temperature of the runs, K", "Stage.temperature_K"),
        target_error=("relative error of D that the runs should reach", "Analysis.target_error"),
        contact_nm=("distance that binds an anion to lithium", "ContactDistances.anion"),
        use_interval_ps=("spacing of the frames in which ions are clustered", "Analysis.structure_interval_ps"),
    )


def starts(arguments: argparse.Namespace) -> int:
    from eoli.jobs.starts import analyse_starts

    if not len(arguments.systems) == len(arguments.reduced) == len(arguments.system_json):
        raise InputError(
            "--systems, --reduced and --system-json name as many starts each; allowed: one of each a start"
        )
    analyse_starts(
        arguments.systems, arguments.reduced, arguments.system_json, arguments.temperature_K, arguments.tolerance,
        arguments.target_error, arguments.contact_nm, arguments.use_interval_ps, arguments.out,
    )  # fmt: skip
    made(arguments.out, [*arguments.reduced, *arguments.system_json])
    return 0


def add_mechanism(parser: argparse.ArgumentParser) -> None:
    _add_reduced(parser)
    _add_distances(parser)
    _add_tolerance(parser)
    _add_numbers(
        parser,
        break_ps=("absences up to this do not end a residence", "Mechanism.break_ps"),
        hold_ps=("a new host counts once held this long", "Mechanism.hold_ps"),
        least_units=("least shift that is a move along a chain", "Mechanism.least_units"),
    )
    parser.add_argument(
        "--unit-edges", type=_limited("Mechanism.unit_edges"), nargs="+", required=True,
        help="repeat units that part the segments",
    )  # fmt: skip


def mechanism(arguments: argparse.Namespace) -> int:
    from eoli.jobs.mechanism import analyse_mechanism

    analyse_mechanism(
        arguments.reduced, arguments.system_json, _distances(arguments.contact_nm), arguments.break_ps,
        arguments.hold_ps, arguments.least_units, arguments.tolerance, arguments.unit_edges,
        _table(arguments, "mechanism"), arguments.out / "moves.csv", _scalars(arguments, "mechanism"),
    )  # fmt: skip
    return _made(arguments, "mechanism")


def add_morphology(parser: argparse.ArgumentParser) -> None:
    _add_reduced(parser)
    _add_numbers(
        parser,
        distance_nm=("sites of one block this near are connected", "Morphology.distance_nm"),
        q_max_per_nm=("largest wave vector of S(q)", "Morphology.q_max_per_nm"),
    )
    parser.add_argument("--weighting", choices=["electrons", "composition"], required=True, help="contrast of S(q)")
    parser.add_argument(
        "--copies", type=_count(), nargs=3, default=[1, 1, 1], metavar="N",
        help="of a smaller box that the start repeated",
    )  # fmt: skip


def morphology(arguments: argparse.Namespace) -> int:
    from eoli.jobs.morphology import analyse_morphology

    analyse_morphology(
        arguments.reduced, arguments.system_json, arguments.distance_nm, arguments.q_max_per_nm, arguments.weighting,
        _table(arguments, "morphology"), arguments.out / "domains.csv", _scalars(arguments, "morphology"),
        tuple(arguments.copies),
    )  # fmt: skip
    return _made(arguments, "morphology")


def add_hydrogen_bonds(parser: argparse.ArgumentParser) -> None:
    _add_reduced(parser)
    _add_numbers(
        parser,
        distance_nm=("largest distance H...A", "HydrogenBonds.distance_nm"),
        angle_deg=("smallest angle N-H...A", "HydrogenBonds.angle_deg"),
    )


def hydrogen_bonds(arguments: argparse.Namespace) -> int:
    from eoli.jobs.hydrogen_bonds import analyse_hydrogen_bonds

    analyse_hydrogen_bonds(
        arguments.reduced, arguments.system_json, arguments.distance_nm, arguments.angle_deg,
        _table(arguments, "hydrogen-bonds"), _scalars(arguments, "hydrogen-bonds"),
    )  # fmt: skip
    return _made(arguments, "hydrogen-bonds")


def add_snapshots(parser: argparse.ArgumentParser) -> None:
    _add_reduced(parser)
    _add_distances(parser)
    parser.add_argument("--system", required=True, help="name of the system, for the titles")


def snapshots(arguments: argparse.Namespace) -> int:
    from eoli.jobs.snapshots import analyse_snapshots

    analyse_snapshots(
        arguments.reduced, arguments.system_json, arguments.system, _distances(arguments.contact_nm),
        arguments.out / "snapshot",
    )  # fmt: skip
    made(arguments.out / "snapshot", [arguments.reduced, arguments.system_json])
    return 0


def add_interactions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trajectory", type=Path, required=True, metavar="FILE", help="XTC file")
    parser.add_argument("--topology", type=Path, required=True, metavar="DIR", help="folder of the topology")
    _add_numbers(
        parser,
        frame_interval_ps=("spacing of its frames", "Stage.frame_interval_ps"),
        frames=("frames to use at most, evenly spaced", "Analysis.interaction_frames"),
        cutoff_nm=("cut-off of the run", "Protocol.cutoff_nm"),
    )
    parser.add_argument("--threads", type=_count(), default=1, help="threads of the rerun")
    parser.add_argument("--log", type=Path, required=True, metavar="FILE", help="output of GROMACS")
    _add_distances(parser)
    _add_out(parser)
    add_gmx(parser)


def interactions(arguments: argparse.Namespace) -> int:
    from eoli.jobs.interactions import analyse_interactions

    table = _table(arguments, "interactions")
    analyse_interactions(
        arguments.trajectory, arguments.topology, arguments.frame_interval_ps, arguments.frames, arguments.cutoff_nm,
        _distances(arguments.contact_nm), gromacs_build(arguments), arguments.threads, table,
        _scalars(arguments, "interactions"), arguments.log,
    )  # fmt: skip
    made(table, [arguments.trajectory, arguments.topology / "system.json"])
    return 0
