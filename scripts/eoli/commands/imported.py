"""Commands of runs that were made elsewhere."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from eoli.commands.common import add_option, made
from eoli.study.analyses import ANALYSES, BY_NAME


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
    for name in ("frame_interval_ps", "length_ns", *COMPOSITION):
        add_option(parser, name, ImportedRun, name, required=True)
    parser.add_argument("--stage", required=True, metavar="NAME", help="stage that the run stands in for")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the system")


def import_run(arguments: argparse.Namespace) -> int:
    from eoli.core.files import written
    from eoli.gromacs.energies import copy_energies
    from eoli.study.config import COMPOSITION
    from eoli.trajectory.imported import (
        check_composition,
        describe_run,
        import_frames,
        write_description,
    )  # fmt: skip

    files = [arguments.run_input, *arguments.pieces, arguments.roles]
    said: dict[str, Any] = {key: getattr(arguments, key) for key in COMPOSITION}
    description = describe_run(arguments.run_input, arguments.roles, arguments.pieces[0], arguments.force_field)
    check_composition(description, said, arguments.run_input)
    topology, folder = arguments.out / "topology" / "system.json", arguments.out / arguments.stage
    write_description(description, topology)
    made(topology, files)
    written.clear()
    if arguments.run_energies is not None:
        files.append(arguments.run_energies)
        copy_energies(arguments.run_energies, description.mass_g_mol, folder / "md.edr")
    notes = import_frames(
        arguments.pieces, description, arguments.frame_interval_ps, arguments.length_ns, folder
    )  # fmt: skip
    for note in notes:
        print(note)
    made(folder / "md.xtc", files, imported=list(notes))
    return 0
