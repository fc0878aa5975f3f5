"""Commands of runs that were made elsewhere."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from typing import Any

from eoli import PROJECT
from eoli.commands.common import add_gmx, add_option, gromacs_build, made, typed
from eoli.errors import DataError, InputError
from eoli.study.analyses import ANALYSES, BY_NAME


def add_adopt(parser: argparse.ArgumentParser) -> None:
    from eoli.core.names import Part
    from eoli.study.config import ImportedRun

    parser.add_argument("run_input", type=Path, metavar="RUN.tpr", help="run input file of the run")
    parser.add_argument(
        "pieces", type=Path, nargs="+", metavar="RUN.xtc", help="its trajectory, pieces in order of time"
    )
    parser.add_argument("--energies", type=Path, metavar="FILE", help="its energies (EDR)")
    parser.add_argument("--name", type=typed(Part), help="name of the run (default: that of the run input file)")
    add_option(parser, "temperature_K", ImportedRun, "temperature_K")
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="folder of the two files (default: here)"
    )
    add_gmx(parser)


def adopt(arguments: argparse.Namespace) -> int:
    from eoli.core.files import write_text
    from eoli.gromacs.adopt import run_text, temperature_of
    from eoli.gromacs.energies import check_energies
    from eoli.topology.propose import proposal_lines, propose, roles_text
    from eoli.topology.roles import read_run_input
    from eoli.trajectory.imported import describe_run, survey

    name = arguments.name or re.sub(r"[^A-Za-z0-9_.-]+", "-", arguments.run_input.stem).strip("-._") or "run"
    roles, study = arguments.out / f"{name}-roles.yaml", arguments.out / f"{name}.yaml"
    for path in (roles, study):
        if path.exists():
            raise InputError(f"{path}: is there already; allowed: another --name or --out")
    universe = read_run_input(arguments.run_input)
    try:
        interval_ps, length_ns = survey(arguments.pieces, len(universe.atoms))
        if arguments.energies is not None:
            check_energies(arguments.energies, float(universe.atoms.masses.sum()))
    except DataError as error:
        raise InputError(str(error)) from None
    temperature_K, remark = temperature_of(arguments.run_input, arguments.temperature_K, gromacs_build(arguments))
    proposals = propose(universe)
    write_text(roles, roles_text(proposals, str(arguments.run_input)))
    try:
        description = describe_run(arguments.run_input, roles, arguments.pieces[0], name)
    except DataError as error:
        roles.unlink()
        raise InputError(str(error)) from None
    write_text(
        study,
        run_text(name, arguments.run_input, arguments.pieces, arguments.energies, roles, temperature_K, interval_ps, length_ns,
                 description),
    )  # fmt: skip
    print("\n".join(proposal_lines(proposals)))
    print(f"{length_ns:g} ns, a frame every {interval_ps:g} ps, {temperature_K:g} K{remark and f'; {remark}'}")
    print(f"check the roles in {roles} and the run in {study}, then:")
    snakefile = [] if Path("Snakefile").is_file() else ["-s", str(PROJECT / "Snakefile")]
    print(shlex.join(["snakemake", *snakefile, "--configfile", str(study)]))
    print("makes results/summary/report.html")
    return 0


def add_absent(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("analysis", choices=[entry.name for entry in ANALYSES], help="analysis without results")
    parser.add_argument("--stage", default="", metavar="NAME", help="stage, of an analysis that is made of each")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why there are none")
    parser.add_argument("--system-json", type=Path, required=True, metavar="FILE", help="description of the system")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of its tables and scalars")


def absent(arguments: argparse.Namespace) -> int:
    from eoli.analysis.absent import write_absent

    analysis = BY_NAME[arguments.analysis]
    table, scalars = (arguments.out / file for file in analysis.files_of(arguments.stage))
    write_absent(analysis.name, arguments.reason, table, scalars)
    made(arguments.out / analysis.known_by(arguments.stage), [arguments.system_json])
    return 0


def add_import_run(parser: argparse.ArgumentParser) -> None:
    from eoli.study.config import COMPOSITION, ImportedRun

    parser.add_argument("--run-input", type=Path, required=True, metavar="FILE", help="run input file (TPR) of the run")
    parser.add_argument(
        "--pieces", type=Path, nargs="+", required=True, metavar="FILE", help="its trajectory, pieces in order of time"
    )
    parser.add_argument("--run-energies", type=Path, metavar="FILE", help="its energies (EDR)")
    parser.add_argument("--roles", type=Path, required=True, metavar="FILE", help="functions of its atoms (YAML)")
    add_option(parser, "force_field", ImportedRun, "force_field", required=True)
    for name in ("temperature_K", "frame_interval_ps", "length_ns", *COMPOSITION):
        add_option(parser, name, ImportedRun, name, required=True)
    parser.add_argument("--stage", required=True, metavar="NAME", help="stage that the run stands in for")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the system")
    add_gmx(parser)


def import_run(arguments: argparse.Namespace) -> int:
    import shutil

    from eoli.core.files import whole, write_text, written
    from eoli.gromacs.adopt import check_temperature
    from eoli.gromacs.energies import check_energies
    from eoli.study.config import COMPOSITION
    from eoli.topology.description import to_json
    from eoli.trajectory.imported import check_composition, describe_run, import_frames

    files = [arguments.run_input, *arguments.pieces, arguments.roles]
    said: dict[str, Any] = {key: getattr(arguments, key) for key in COMPOSITION}
    description = describe_run(arguments.run_input, arguments.roles, arguments.pieces[0], arguments.force_field)
    check_composition(description, said, arguments.run_input)
    remark = check_temperature(arguments.run_input, arguments.temperature_K, gromacs_build(arguments))
    folder = arguments.out / arguments.stage
    if arguments.run_energies is not None:
        files.append(arguments.run_energies)
        check_energies(arguments.run_energies, description.mass_g_mol)
    notes = import_frames(
        arguments.pieces, description, arguments.frame_interval_ps, arguments.length_ns, folder
    )  # fmt: skip
    notes += (remark,) if remark else ()
    if arguments.run_energies is not None:
        with whole(folder / "md.edr") as temporary:
            shutil.copyfile(arguments.run_energies, temporary)
    for note in notes:
        print(note)
    made(folder / "md.xtc", files, imported=list(notes))
    # a record of its own
    written.clear()
    topology = arguments.out / "topology" / "system.json"
    write_text(topology, to_json(description))
    made(topology, files)
    return 0
