"""A topology folder from molecule types that others made: their text as it stands, and a box of our own.

The force field stands once in `forcefield.itp`, each molecule type in its own file, and `system.top` names them. Includes
and conditionals are resolved, so that the folder is whole and its hash covers all. Two things are changed, and a comment
says so: charges of ions under a charge scale, and Lennard-Jones numbers where a file with combination rule 3 joins one
with rule 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile, zip_longest
from pathlib import Path

from eoli.core.files import write_text
from eoli.errors import ForceFieldError, InputError
from eoli.forcefield.models import MOLECULE_NAME
from eoli.forcefield.preprocessed import Line, Macros, replay
from eoli.topology.build import plain_text
from eoli.topology.description import LARGEST_SITES
from eoli.topology.imported import (
    ANY,
    VIRTUAL_SITES,
    AtomType,
    ForceFieldPart,
    ImportedTopology,
    MoleculeType,
    Row,
    atom_type,
    charge_column,
    number,
    type_key,
)

LARGEST_CHARGE_E = 0.01
"""Most net charge of a box: files give charges to four digits or so, and the rest of many long chains adds up."""
_COMPOSED = frozenset(
    {
        "moleculetype", "atoms", "bonds", "constraints", "settles", "pairs", "pairs_nb", "angles", "dihedrals",
        "exclusions", *VIRTUAL_SITES,
    }
)  # fmt: skip
_GROMOS = "_FF_GROMOS96"
# grompp warns of a file with this macro, and a warning ends a run here; system.top has no macro left at its end
_TWIN_RANGE = "; GROMOS force fields were made for a twin-range cut-off with a reaction field; here they run with a single cut-off."
_OWN_FILES = ("forcefield", "system")
_BY_ATOM_TYPE = ("atomtypes", "nonbond_params", "pairtypes")
"""Sections that name types of atoms; the others name bonded types."""
Key = tuple[str, tuple[str, ...], str]
"""Section, types and function of a row of a force field."""
Edits = dict[Line, dict[int, str]]
"""New words of lines, by their places."""


@dataclass(frozen=True)
class Part:
    """A molecule type of a topology and its number in the box; `charge_scale` multiplies the charges of an ion."""

    topology: ImportedTopology
    name: str
    count: int
    charge_scale: float = 1.0

    @property
    def molecule(self) -> MoleculeType:
        """The molecule type as it stands, with its own charges."""
        return self.topology.molecule(self.name)


def compose(parts: Sequence[Part], title: str) -> dict[str, str]:
    """Texts of a topology folder by file name.

    Raises ForceFieldError, one line that names the files, for molecules that share a name, for force fields that differ
    in [ defaults ] or in what they give for the same types, for a section that is not supported, and for a box that is
    not neutral; InputError for a box too large for any file.
    """
    _check_parts(parts)
    # ours come last: of two rows that say the same, the first stays, and others may look into it for a mass or a charge
    topologies = list({_file(part.topology): part.topology for part in sorted(parts, key=_made_here)}.values())
    rule = min(topology.forcefield.defaults.combination_rule for topology in topologies)
    texts: dict[str, str] = {}
    macros: Macros = {}
    known = _Known(topologies[0], parts)
    rows: list[str] = []
    edits: Edits
    twin_range = False
    for topology in topologies:
        own = topology.forcefield
        dropped = set() if topology is topologies[0] else known.join(topology)
        edits = _converted(own.rows) if own.defaults.combination_rule != rule else {}
        if topology is not topologies[0]:
            dropped |= {line for line in own.lines if re.match(r"\[\s*defaults", line.text, re.IGNORECASE)}
            dropped |= {row.line for row in own.rows if row.section == "defaults"}
        lines = [line for line in own.lines if line not in dropped]
        if any(line.text and not line.text.startswith("[") for line in lines):
            said = ", combination rule 3 written as C6 and C12 of rule 1" if edits else ""
            rows += [f"; force field of {_origin(topology)}{said}", *_moved(macros, topology.defines)]
            rows += _written(lines, edits)
            macros = replay(topology.defines, own.lines)
        twin_range |= _GROMOS in replay(topology.defines, own.lines)
    texts["forcefield.itp"] = "\n".join([_TWIN_RANGE] * twin_range + rows) + "\n"
    for part in parts:
        molecule = part.molecule
        edits = {}
        if part.topology.forcefield.defaults.combination_rule != rule:
            edits = _converted(molecule.rows)
        if part.charge_scale != 1:
            for line, words in _scaled(part).items():
                edits.setdefault(line, {}).update(words)
        said = f", charges times {part.charge_scale:g}" if part.charge_scale != 1 else ""
        head = [f"; {molecule.name} of {_origin(part.topology)}{said}", *_moved(macros, molecule.macros)]
        texts[f"{molecule.name}.itp"] = "\n".join([*head, *_written(molecule.lines, edits)]) + "\n"
        macros = replay(molecule.macros, molecule.lines)
    top = ['#include "forcefield.itp"', *(f'#include "{part.name}.itp"' for part in parts), *_moved(macros, {})]
    top += ["", "[ system ]", plain_text(title), "", "[ molecules ]"]
    texts["system.top"] = "\n".join([*top, *(f"{part.name} {part.count}" for part in parts)]) + "\n"
    return texts


def titled(texts: Mapping[str, str], title: str) -> dict[str, str]:
    """Texts of `compose` with another title."""
    head, system, tail = texts["system.top"].partition("[ system ]\n")
    return {**texts, "system.top": f"{head}{system}{plain_text(title)}\n{tail.partition(chr(10))[2]}"}


def write_composed(parts: Sequence[Part], title: str, folder: Path) -> None:
    """Write all files of a composed topology, or none. Raises as `compose` does."""
    for name, text in compose(parts, title).items():
        write_text(folder / name, text)


def _check_parts(parts: Sequence[Part]) -> None:
    if not parts or any(part.count < 1 for part in parts):
        raise InputError("a box without molecules is not allowed; allowed: at least one of each type")
    seen: dict[str, Part] = {}
    for part in parts:
        molecule = part.molecule
        if part.name in seen:
            raise ForceFieldError(
                f"{molecule.where}: molecule type {part.name!r} is also in {seen[part.name].molecule.where}; allowed: a "
                "name for each, listed once"
            )
        seen[part.name] = part
        if not re.fullmatch(MOLECULE_NAME, part.name) or part.name in _OWN_FILES:
            raise ForceFieldError(
                f"{molecule.where}: {part.name!r} is not allowed as the name of a molecule type: a file is named so; "
                f"allowed: letters, digits and _.+-, and neither of {', '.join(_OWN_FILES)}"
            )
        for row in molecule.rows:
            if row.section not in _COMPOSED:
                raise ForceFieldError(
                    f"{row.line.where}: [ {row.section} ] of {part.name} is not supported; allowed: "
                    f"{', '.join(sorted(_COMPOSED))}"
                )
        if part.charge_scale != 1 and abs(molecule.charge) < 0.5:
            raise ForceFieldError(
                f"{molecule.where}: a charge scale of {part.charge_scale:g} is not allowed for {part.name}, which has a "
                f"charge of {molecule.charge:+.4f} e; allowed: for ions"
            )
        if not 0 < part.charge_scale <= 1:
            raise ForceFieldError(f"{molecule.where}: charge scale {part.charge_scale:g}; allowed: above 0, up to 1")
    n_sites = sum(len(part.molecule.sites) * part.count for part in parts)
    if n_sites > LARGEST_SITES:
        raise InputError(f"a box of {n_sites:.6g} sites is not allowed; allowed: up to {LARGEST_SITES}")
    charge = sum(part.molecule.charge * part.charge_scale * part.count for part in parts)
    if abs(charge) > LARGEST_CHARGE_E:
        of_parts = ", ".join(
            f"{part.count} {part.name} {part.molecule.charge * part.charge_scale:+.4f}" for part in parts
        )
        files = ", ".join(dict.fromkeys(str(part.topology.path) for part in parts))
        raise ForceFieldError(f"{files}: the box has a charge of {charge:+.4f} e ({of_parts}); allowed: 0")


class _Known:
    """What the force fields so far say about each tuple of types, and the types of the molecules so far."""

    def __init__(self, first: ImportedTopology, parts: Sequence[Part]) -> None:
        self.first = first
        self.parts = parts
        self.rows: dict[Key, list[Row]] = {}
        self.types: list[AtomType] = []
        self._add(first)

    def _add(self, topology: ImportedTopology) -> None:
        self.rows = _tables(topology.forcefield) | self.rows
        self.types += self._used(topology)

    def _used(self, topology: ImportedTopology) -> list[AtomType]:
        """Types that the molecules of a topology in this box have; rows of other types concern none of them."""
        same = [part for part in self.parts if _file(part.topology) == _file(topology)]
        names = {site.type for part in same for site in part.molecule.sites}
        return [entry for name, entry in topology.forcefield.types.items() if name in names]

    def join(self, topology: ImportedTopology) -> set[Line]:
        """Take in another force field; its lines that are there already.

        Raises ForceFieldError if one of the two would change what the other says about its own molecules.
        """
        self._check_defaults(topology)
        own = _tables(topology.forcefield)
        shared = own.keys() & self.rows.keys()
        for key in sorted(shared):
            if any(_differ(*rows, topology.made_here) for rows in zip_longest(own[key], self.rows[key])):
                raise ForceFieldError(
                    f"{own[key][0].line.where}: {' '.join(key[1])} in [ {key[0]} ] differs from "
                    f"{self.rows[key][0].line.where}; allowed: the same numbers, or other names of types"
                )
        for here, there, types, path in (
            (own, self.rows, self.types, self.first.path),
            (self.rows, own, self._used(topology), topology.path),
        ):
            names = {"atoms": {entry.name for entry in types}, "bonded": {entry.bonded for entry in types} | {ANY}}
            for key in sorted(here.keys() - there.keys()):
                if topology.made_here and key[0] != "nonbond_params":
                    # our terms have their numbers, and where no pair is generated each 1-4 pair has had its own
                    continue
                if names["atoms" if key[0] in _BY_ATOM_TYPE else "bonded"].issuperset(key[1]):
                    raise ForceFieldError(
                        f"{here[key][0].line.where}: {' '.join(key[1])} in [ {key[0]} ] would change molecules of {path}, "
                        "which has these types without this row; allowed: the row in both, or other names of types"
                    )
        self._add(topology)
        return {row.line for key in shared for row in own[key]}

    def _check_defaults(self, topology: ImportedTopology) -> None:
        mine, other = self.first.forcefield.defaults, topology.forcefield.defaults
        if {mine.combination_rule, other.combination_rule} == {1, 3}:
            other = replace(other, combination_rule=mine.combination_rule)
        if mine != other:
            raise ForceFieldError(
                f"{topology.path}: [ defaults ] is {_shown(topology)}, in {self.first.path} it is {_shown(self.first)}; "
                "allowed: the same in both, but for combination rules 1 and 3, which mix alike"
            )


def _file(topology: ImportedTopology) -> tuple[object, ...]:
    """What a topology was read from: two with the same are one."""
    return (topology.path, *topology.defines.items())


def _shown(topology: ImportedTopology) -> str:
    d = topology.forcefield.defaults
    pairs = "yes" if d.generates_pairs else "no"
    return f"{d.function} {d.combination_rule} {pairs} {d.fudge_lj:g} {d.fudge_qq:g} {d.power:g}"


def _origin(topology: ImportedTopology) -> str:
    """What comments call a topology, the same wherever it lies."""
    return "our building blocks" if topology.made_here else topology.path.name


def _made_here(part: Part) -> bool:
    return part.topology.made_here


def _differ(row: Row | None, other: Row | None, made_here: bool) -> bool:
    """Whether two rows of the same types say something else; of types that were made here only Lennard-Jones counts."""
    if row is None or other is None:
        return True
    if made_here and row.section == "atomtypes":
        return atom_type(row).numbers != atom_type(other).numbers
    return _values(row) != _values(other)


def _tables(part: ForceFieldPart) -> dict[Key, list[Row]]:
    """Rows of each tuple of types; several where torsions are a sum."""
    found: dict[Key, list[Row]] = {}
    for row in part.rows:
        if row.section == "atomtypes":
            found.setdefault((row.section, row.words[:1], ""), []).append(row)
        elif row.section != "defaults":
            types, count = type_key(row)
            found.setdefault((row.section, types, "".join(row.words[count : count + 1])), []).append(row)
    return found


def _values(row: Row) -> tuple[object, ...]:
    """What a row says about its types."""
    if row.section == "atomtypes":
        entry = atom_type(row)
        return entry.bonded, entry.mass, entry.charge, entry.particle, entry.numbers
    _, count = type_key(row)
    return tuple(number(row, k, "parameter") for k in range(count + 1, len(row.words)))


def _lennard_jones(row: Row) -> int | None:
    """Where the two Lennard-Jones numbers of a row begin; None if it has none."""
    if row.section == "atomtypes":
        return charge_column(row) + 2
    begin = {"nonbond_params": 3, "pairtypes": 3, "pairs": 3, "pairs_nb": 5}.get(row.section)
    if row.section == "pairs" and row.words[2:3] == ("2",):
        begin = 6
    return begin if begin is not None and len(row.words) > begin else None


def _converted(rows: Sequence[Row]) -> Edits:
    """Lennard-Jones numbers of combination rule 3 as those of rule 1: C6 = 4 epsilon sigma^6, C12 = 4 epsilon sigma^12.

    Both rules take geometric means, of sigma and epsilon or of C6 and C12, and (sigma_i sigma_j)^(6/2) is the square root
    of sigma_i^6 sigma_j^6: every pair keeps its energy. A negative sigma stands for a pair without C6.
    """
    found: Edits = {}
    for row in rows:
        at = _lennard_jones(row)
        if at is not None:
            sigma, epsilon = number(row, at, "sigma"), number(row, at + 1, "epsilon")
            c6 = 4 * epsilon * sigma**6 if sigma > 0 else 0.0
            found[row.line] = {at: repr(c6), at + 1: repr(4 * epsilon * sigma**12)}
        elif row.section == "defaults":
            found[row.line] = {1: "1"}
    return found


def _scaled(part: Part) -> Edits:
    """Charges of an ion times its scale: of its atoms, and of the pairs that have charges of their own."""
    found: Edits = {}
    sites = iter(part.molecule.sites)
    for row in part.molecule.rows:
        if row.section == "atoms":
            if len(row.words) > 8:
                raise ForceFieldError(
                    f"{row.line.where}: an atom with a second state is not scaled; allowed: up to charge and mass"
                )
            charges = {6: next(sites).charge}
        elif row.section == "pairs" and row.words[2:3] == ("2",) and len(row.words) > 5:
            charges = {k: number(row, k, "charge") for k in (4, 5)}
        elif row.section == "pairs_nb":
            charges = {k: number(row, k, "charge") for k in (3, 4)}
        else:
            continue
        found[row.line] = {k: f"{charge * part.charge_scale:z.10g}" for k, charge in charges.items()}
    return found


def _written(lines: Sequence[Line], edits: Edits) -> list[str]:
    """The lines as they stand, but for the words that are edited."""
    return [raw for line in lines for raw in (line.raw if line not in edits else [_edited(line, edits[line])])]


def _edited(line: Line, words: Mapping[int, str]) -> str:
    body, semicolon, comment = line.raw[0].partition(";")
    places = [match.span() for match in re.finditer(r"\S+", body)]
    if len(line.raw) > 1 or len(places) != len(line.words):
        raise ForceFieldError(
            f"{line.where}: the numbers of this line have to be changed, and a macro or a continued line hides them; "
            "allowed: numbers on one line"
        )
    for k, word in sorted(words.items(), reverse=True):
        if k < len(places):
            begin, end = places[k]
            body = body[:begin] + word + body[end:]
        else:
            # the charge of the type stands for one that is left out
            body = f"{body.rstrip()} {word} "
    return body + semicolon + comment


def _moved(now: Macros, wanted: Macros) -> list[str]:
    """Directives that turn one table of macros into another, with the same order: grompp replaces in this order."""
    before, after = list(now.items()), list(wanted.items())
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
    gone = [f"#undef {name}" for name, _ in before[same:]]
    return gone + [f"#define {name} {value}".rstrip() for name, value in after[same:]]
