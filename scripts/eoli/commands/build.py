"""Commands that make a system: topology, parameters, box."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from eoli.commands.common import add_gmx, add_option, gromacs_build, made, typed
from eoli.errors import InputError


def _solvent(text: str) -> tuple[str, int]:
    """Name and number of molecules from `NAME=NUMBER`."""
    from eoli.core.validation import Count

    name, separator, number = text.partition("=")
    if not (name and separator):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; allowed: NAME=NUMBER")
    return name, typed(Count)(number)


def _add_solvents(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--solvent", type=_solvent, nargs="+", action="extend", default=[], metavar="NAME=NUMBER",
        help="molecules of a solvent of the building blocks",
    )  # fmt: skip


def _add_polymer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--polymer", nargs="+", required=True, metavar="NAME", help="polymers of the building blocks")


def _chains(names: Sequence[str], numbers: Sequence[int]) -> tuple[tuple[str, int], ...]:
    """Chains of each polymer. Raises InputError for names and numbers that do not belong together."""
    if len(names) != len(numbers) or len(set(names)) < len(names):
        raise InputError(
            f"--polymer {' '.join(names)} with {len(numbers)} --chains; allowed: different polymers, a number for each"
        )
    return tuple(zip(names, numbers, strict=True))


def _add_salt(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--salt", nargs="+", required=True, metavar="NAME", help="salts of the building blocks, or none"
    )


def _salts(names: Sequence[str], numbers: Sequence[int]) -> tuple[tuple[str, int], ...]:
    """Ion pairs of each salt. Raises InputError for names and numbers that do not belong together."""
    from eoli.forcefield.models import NO_SALT

    if NO_SALT in names and any(numbers):
        raise InputError(f"{sum(numbers)} cations of salt {NO_SALT!r}; allowed: 0")
    if len(names) != len(numbers) or len(set(names)) < len(names) or (NO_SALT in names and len(names) > 1):
        raise InputError(
            f"--salt {' '.join(names)} with {len(numbers)} --cations; allowed: different salts, a number for each"
        )
    return tuple((name, number) for name, number in zip(names, numbers, strict=True) if name != NO_SALT)


def add_topology(parser: argparse.ArgumentParser) -> None:
    from eoli.core.validation import CountOrZero, kind_of
    from eoli.forcefield.models import DEFAULT, IMPORTED, Mixing
    from eoli.study.config import Box, SweepBlock

    parser.add_argument("--blocks", type=Path, required=True, metavar="DIR", help="folder of building blocks")
    _add_polymer(parser)
    parser.add_argument(
        "--chains", type=typed(kind_of(Box, "chains")), nargs="+", required=True, metavar="NUMBER",
        help="chains of each polymer",
    )  # fmt: skip
    _add_salt(parser)
    parser.add_argument(
        "--cations", type=typed(CountOrZero), nargs="+", required=True, metavar="NUMBER",
        help="ion pairs of each salt",
    )  # fmt: skip
    _add_solvents(parser)
    parser.add_argument("--ether-set", required=True, metavar="NAME", help="parameter set of the ether")
    parser.add_argument("--cation-model", default=DEFAULT, metavar="NAME", help="default: the one that the salt names")
    parser.add_argument("--anion-model", default=DEFAULT, metavar="NAME", help="default: the one that the salt names")
    parser.add_argument("--mixing", required=True, choices=[*get_args(Mixing), IMPORTED], help="mixing rule")
    scale = typed(kind_of(SweepBlock, "ion_charge_scale"))
    parser.add_argument("--ion-charge-scale", type=scale, required=True, metavar="FACTOR", help="on all ion charges")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the topology")
    add_gmx(parser)


def topology(arguments: argparse.Namespace) -> int:
    from eoli.forcefield.library import library
    from eoli.forcefield.models import GROMOS, IMPORTED, Contents
    from eoli.gromacs.build import inspect
    from eoli.topology.build import describe, write_topology
    from eoli.topology.gromos import read_gromos54a7
    from eoli.topology.imported_box import files_of, imported_box, write_imported

    solvents, salts = tuple(arguments.solvent), _salts(arguments.salt, arguments.cations)
    contents = Contents(_chains(arguments.polymer, arguments.chains), salts, solvents)
    if len(dict(solvents)) < len(solvents):
        raise InputError("--solvent: names a solvent twice; allowed: one number for each")
    gromacs = inspect(gromacs_build(arguments))
    blocks = library(arguments.blocks)
    choice = blocks.choose(
        arguments.salt, arguments.ether_set, arguments.cation_model, arguments.anion_model, arguments.mixing,
        arguments.ion_charge_scale,
    )  # fmt: skip
    pairs = zip(arguments.salt, arguments.cations, strict=True)
    title = ", ".join(f"{count} {name}" for name, count in (*contents.polymers, *pairs, *solvents))
    imported = blocks.composition(contents, choice).imported
    if imported or choice.mixing == IMPORTED:
        box = imported_box(contents, choice, blocks, gromacs.forcefields)
        write_imported(box, title, arguments.out)
        description, files = box.description, files_of(imported, box)
    else:
        forcefield = read_gromos54a7(gromacs.forcefields / GROMOS)
        description = describe(contents, choice, blocks, forcefield)
        write_topology(description, title, arguments.out, blocks, forcefield)
        files = []
    made(
        arguments.out / "system.top",
        [*sorted(arguments.blocks.rglob("*.yaml")), *files],
        gromacs=gromacs.version_text,
        forcefield_sha256=description.forcefield_sha256,
        blocks_sha256=blocks.digest(contents, choice),
    )
    return 0


def add_parameters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--system", required=True, help="name of the system, for the title")
    parser.add_argument("--system-json", type=Path, required=True, metavar="FILE", help="description of the system")
    parser.add_argument("--blocks", type=Path, required=True, metavar="DIR", help="folder of building blocks")
    _add_polymer(parser)
    _add_salt(parser)
    _add_solvents(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="page to write")
    add_gmx(parser)


def parameters(arguments: argparse.Namespace) -> int:
    from eoli.core.files import write_text
    from eoli.errors import DataError
    from eoli.forcefield.library import library
    from eoli.forcefield.models import GROMOS, Contents
    from eoli.gromacs.build import inspect
    from eoli.topology.build import tables_for
    from eoli.topology.description import read_description
    from eoli.topology.gromos import read_gromos54a7
    from eoli.topology.imported_box import imported_box
    from eoli.topology.imported_parameters import imported_parameters_page
    from eoli.topology.parameters import parameters_page

    blocks, description = library(arguments.blocks), read_description(arguments.system_json)
    chains, cations, anions = (
        [entry.count for entry in description.molecules if entry.molecule.kind == kind]
        for kind in ("polymer", "cation", "anion")
    )
    # a salt without anions is its cation
    salts = _salts(arguments.salt, anions or cations or [0])
    contents = Contents(_chains(arguments.polymer, chains), salts, tuple(arguments.solvent))
    found = blocks.composition(contents, description.choice)
    # nobody else needs a GROMACS for a page
    installed = inspect(gromacs_build(arguments)).forcefields if found.of_gromacs else None
    if found.imported:
        box = imported_box(contents, description.choice, blocks, installed)
        if box.description != description:
            held = (*contents.polymers, *contents.salts, *contents.solvents)
            raise DataError(
                f"{arguments.system_json}: not what {' and '.join(f'{n} {name}' for name, n in held)} of {arguments.blocks} are; "
                "make the topology again"
            )
        page = imported_parameters_page(box, blocks, arguments.system)
    else:
        assert installed is not None
        forcefield = read_gromos54a7(installed / GROMOS)
        page = parameters_page(description, tables_for(description, blocks, forcefield), blocks, arguments.system)
    write_text(arguments.out, page)
    made(arguments.out, [arguments.system_json], citations_sha256=blocks.citations_digest)
    return 0


def add_box(parser: argparse.ArgumentParser) -> None:
    from eoli.core.validation import kind_of
    from eoli.study.config import Box, Config

    parser.add_argument("--system-json", type=Path, required=True, metavar="FILE", help="description of the system")
    parser.add_argument(
        "--seed",
        type=typed(kind_of(Config, "seed")),
        required=True,
        help="seed of the box, that of the study and its name in one",
    )
    add_option(parser, "density_g_cm3", Box, "packing_density_g_cm3", required=True)
    for name in ("tolerance_nm", "attempts"):
        add_option(parser, name, Box, name, required=True)
    add_option(parser, "shape", Box, "shape", default="cubic")
    parser.add_argument("--gro", type=Path, required=True, metavar="FILE", help="box to write")
    parser.add_argument("--report", type=Path, required=True, metavar="FILE", help="JSON of seeds and attempts")
    parser.add_argument("--log", type=Path, required=True, metavar="FILE", help="output of PACKMOL")


def add_supercell(parser: argparse.ArgumentParser) -> None:
    from eoli.core.validation import kind_of
    from eoli.study.config import SweepBlock

    copies = typed(kind_of(SweepBlock, "supercell"))
    parser.add_argument("--system-json", type=Path, required=True, metavar="FILE", help="description of the large box")
    parser.add_argument(
        "--small-json", type=Path, required=True, metavar="FILE", help="description of what is repeated"
    )
    parser.add_argument("--state", type=Path, required=True, metavar="FILE", help="its positions and box, TRR")
    parser.add_argument("--copies", type=copies, nargs=3, required=True, metavar="N", help="along x, y and z")
    parser.add_argument("--gro", type=Path, required=True, metavar="FILE", help="box to write")
    parser.add_argument("--report", type=Path, required=True, metavar="FILE", help="JSON of what was repeated")


def supercell(arguments: argparse.Namespace) -> int:
    from eoli.box.supercell import build_supercell
    from eoli.topology.description import read_description

    build_supercell(
        read_description(arguments.system_json), read_description(arguments.small_json), arguments.state,
        tuple(arguments.copies), arguments.gro, arguments.report,
    )  # fmt: skip
    made(arguments.gro, [arguments.system_json, arguments.small_json, arguments.state])
    return 0


def box(arguments: argparse.Namespace) -> int:
    from eoli.box.packmol import pack
    from eoli.topology.description import read_description

    pack(
        read_description(arguments.system_json), arguments.seed, arguments.density_g_cm3, arguments.tolerance_nm,
        arguments.attempts, arguments.gro, arguments.report, arguments.log, arguments.shape,
    )  # fmt: skip
    made(arguments.gro, [arguments.system_json], seed=arguments.seed)
    return 0
