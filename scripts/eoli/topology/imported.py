"""GROMACS topologies that others made, read without changing them.

No library does this. ParmEd reads such files into other units and writes its own numbers; MDAnalysis reads atoms and
bonds but no parameters, types or macros; `gmx grompp -pp` is exact but needs a box and run options, drops the line
numbers, and stops at the first thing that it does not like. The tests take it as the reference for what is read here.

What goes to GROMACS is the text of the original (`eoli.topology.composed`). What is parsed here is for checks, start
geometries and analyses: sites, terms with their numbers, and tables of types.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from eoli.errors import ForceFieldError
from eoli.forcefield.models import PARAMETERS
from eoli.forcefield.preprocessed import Line, Macros, read_lines, replay, text_lines
from eoli.topology.molecule import Site, Term

_TYPE_SECTIONS = {
    "defaults": 0, "atomtypes": 1, "nonbond_params": 2, "pairtypes": 2, "bondtypes": 2, "constrainttypes": 2,
    "angletypes": 3, "dihedraltypes": 4, "cmaptypes": 5, "implicit_genborn_params": 1, "implicit_surface_params": 1,
}  # fmt: skip
"""Sections of a force field, with the number of types that a row begins with."""
_TERM_SECTIONS = {
    "bonds": 2, "constraints": 2, "settles": 1, "pairs": 2, "pairs_nb": 2, "angles": 3, "dihedrals": 4, "cmap": 5,
    "virtual_sites1": 2, "virtual_sites2": 3, "virtual_sites3": 4, "virtual_sites4": 5, "position_restraints": 1,
    "polarization": 2, "water_polarization": 3, "thole_polarization": 4, "angle_restraints": 4, "angle_restraints_z": 2,
    "distance_restraints": 2, "orientation_restraints": 2, "dihedral_restraints": 4,
}  # fmt: skip
"""Sections of a molecule type whose rows are sites, a function and numbers, with the number of sites."""
_OF_MOLECULE = ("atoms", "exclusions", "virtual_sitesn", *_TERM_SECTIONS)
_OF_SYSTEM = ("system", "molecules", "intermolecular_interactions")
_KNOWN = {re.sub("[_-]", "", name): name for name in (*_TYPE_SECTIONS, "moleculetype", *_OF_MOLECULE, *_OF_SYSTEM)}
VIRTUAL_SITES = ("virtual_sites1", "virtual_sites2", "virtual_sites3", "virtual_sites4", "virtual_sitesn")
_CHEMICAL_BONDS = (1, 2, 3, 4, 5, 7, 8)
"""Functions of [ bonds ] that GROMACS takes for chemical bonds, and so for exclusions."""
ONE_STATE = {
    ("bonds", 4),
    ("bonds", 7),
    ("angles", 3),
    ("angles", 4),
    ("angles", 6),
    ("pairs", 2),
    ("pairs_nb", 1),
    ("settles", 1),
    *((section, function) for section in VIRTUAL_SITES[:-1] for function in PARAMETERS[section]),
}
"""Terms that have no second state, whose numbers would follow."""
_TERMS_OF = {
    "bondtypes": "bonds", "constrainttypes": "constraints", "angletypes": "angles", "dihedraltypes": "dihedrals",
    "pairtypes": "pairs",
}  # fmt: skip
"""Sections of types, and the terms that take their numbers from them."""
_LARGEST = 3.4e38
"""Largest number of single precision, in which GROMACS calculates."""
_LARGEST_CHARGE_E = 10.0
BOND_NM = (0.02, 0.4)
"""Between the shortest bond, a hydrogen's on a bad start, and more than any: beyond it two atoms are not bonded."""
ANY = "X"
"""A bonded type that stands for all."""


@dataclass(frozen=True)
class Row:
    """A row of a section, with the line that it came from."""

    section: str
    words: tuple[str, ...]
    line: Line


@dataclass(frozen=True)
class AtomType:
    """A row of [ atomtypes ]. Mass in g/mol, charge in e; `numbers` are the two (or three) of the van der Waals term."""

    name: str
    bonded: str
    atomic_number: int | None
    mass: float
    charge: float
    particle: str
    numbers: tuple[float, ...]


@dataclass(frozen=True)
class Defaults:
    """[ defaults ], with what GROMACS puts for what is left out."""

    function: int
    combination_rule: int
    generates_pairs: bool
    fudge_lj: float
    fudge_qq: float
    power: float


@dataclass(frozen=True)
class Given:
    """Numbers of a term, and `file:line` where they stand."""

    numbers: tuple[float, ...]
    where: str


@dataclass(frozen=True)
class ForceFieldPart:
    """All in front of the first molecule type: its lines, its rows in their order, and the table of atom types."""

    lines: tuple[Line, ...]
    rows: tuple[Row, ...]
    defaults: Defaults
    types: Mapping[str, AtomType]

    @cached_property
    def bonded(self) -> Mapping[str, list[tuple[tuple[str, ...], int, Given]]]:
        """Types, function and numbers of the rows of each section of bonded types, by its name."""
        found: dict[str, list[tuple[tuple[str, ...], int, Given]]] = {}
        for row in self.rows:
            if row.section in _TERMS_OF and row.section != "pairtypes":
                key, count = type_key(row)
                numbers = tuple(number(row, k, "parameter") for k in range(count + 1, len(row.words)))
                given = Given(numbers, row.line.where)
                found.setdefault(row.section, []).append((key, whole(row, count, "function"), given))
        return found

    @cached_property
    def _asked(self) -> dict[tuple[str, int, tuple[str, ...]], list[Given]]:
        # a chain asks for the same few types again and again
        return {}

    def of_types(self, section: str, function: int, types: tuple[str, ...]) -> list[Given]:
        """Numbers of the row, or the rows of a sum, that fit best to bonded types; empty if none fits."""
        asked = (section, function, types)
        if asked not in self._asked:
            found: dict[tuple[str, ...], list[Given]] = {}
            for key, of_function, given in self.bonded.get(section, ()):
                if of_function == function and any(_fits(key, way) for way in (types, types[::-1])):
                    found.setdefault(key, []).append(given)
            fewest = min(found.items(), key=lambda entry: entry[0].count(ANY), default=((), []))
            self._asked[asked] = fewest[1]
        return self._asked[asked]


@dataclass(frozen=True)
class MoleculeType:
    """A molecule type as it stands in a topology.

    `terms` holds the terms of each section by its name; a term without parameters takes those of the types. The lines
    begin at [ moleculetype ], and `macros` is the table of macros there.
    """

    name: str
    nrexcl: int
    sites: tuple[Site, ...]
    terms: Mapping[str, tuple[Term, ...]]
    rows: tuple[Row, ...]
    lines: tuple[Line, ...]
    macros: Macros

    @property
    def where(self) -> str:
        """`file:line` of its beginning."""
        return self.lines[0].where

    @property
    def charge(self) -> float:
        """Sum of the charges, e."""
        return math.fsum(site.charge for site in self.sites)

    @property
    def virtual(self) -> frozenset[int]:
        """Sites without a mass of their own, whose place follows from others."""
        return frozenset(term.sites[0] for name in VIRTUAL_SITES for term in self.terms.get(name, ()))


@dataclass(frozen=True)
class ImportedTopology:
    """A topology with its force field, its molecule types and, if it names any, the molecules of its box.

    One that was `made_here` from building blocks gives all numbers of its molecules in their rows, but for 1-4 pairs.
    """

    path: Path
    defines: Macros
    forcefield: ForceFieldPart
    molecules: Mapping[str, MoleculeType]
    counts: tuple[tuple[str, int], ...]
    made_here: bool = False

    def molecule(self, name: str) -> MoleculeType:
        """A molecule type by its name. Raises ForceFieldError if there is none."""
        if name not in self.molecules:
            raise ForceFieldError(f"{self.path}: no molecule type {name!r}; allowed: {', '.join(self.molecules)}")
        return self.molecules[name]


def read_topology(
    path: Path, include: Sequence[Path] = (), defines: Mapping[str, str] | None = None, installed: Path | None = None
) -> ImportedTopology:
    """Read a topology with all its includes, looked for as in `read_lines`.

    Raises ForceFieldError, one line with file and number, for a file that grompp would not take, and for a row that it
    would take but misread: words behind the numbers, a macro that is not defined.
    """
    given = dict(defines or {})
    found = _topology(path, read_lines(path, include, given, installed), given)
    for row in (row for row in found.forcefield.rows if row.section == "nonbond_params"):
        for name in type_key(row)[0]:
            if name not in found.forcefield.types:
                raise ForceFieldError(
                    f"{row.line.where}: type {name!r} of [ nonbond_params ] is in no [ atomtypes ] of this topology; allowed: "
                    "pairs of its own types"
                )
    return found


def topology_made_here(text: str, name: str) -> ImportedTopology:
    """The topology of our own molecules as text, as if it were one of others; `name` stands for its file in messages."""
    return replace(_topology(Path(name), text_lines(text, name), {}), made_here=True)


def _topology(path: Path, lines: list[Line], given: Macros) -> ImportedTopology:
    rows, starts = _rows(lines)
    end = next((n for n, row in starts if row in _OF_SYSTEM), len(lines))
    bounds = [n for n, section in starts if section == "moleculetype"]
    first = min([*bounds, end])
    forcefield = _forcefield(path, tuple(lines[:first]), [row for n, row in rows if n < first])
    if not bounds:
        raise ForceFieldError(f"{path}: has no [ moleculetype ]; allowed: a topology with at least one")
    molecules: dict[str, MoleculeType] = {}
    macros, before = given, 0
    for begin, stop in zip(bounds, [*bounds[1:], end], strict=True):
        macros, before = replay(macros, lines[before:begin]), begin
        own = [row for n, row in rows if begin <= n < stop]
        molecule = _molecule(tuple(lines[begin:stop]), own, macros, forcefield.types)
        if molecule.name in molecules:
            raise ForceFieldError(
                f"{molecule.where}: molecule type {molecule.name!r} is also in {molecules[molecule.name].where}; "
                "allowed: a name for each"
            )
        molecules[molecule.name] = molecule
    return ImportedTopology(path, given, forcefield, molecules, _counts(rows, molecules))


def read_forcefield(path: Path) -> ForceFieldPart:
    """Read a force field without molecule types, such as the forcefield.itp of a topology folder.

    Raises ForceFieldError as `read_topology` does.
    """
    lines = read_lines(path)
    rows, _ = _rows(lines)
    return _forcefield(path, tuple(lines), [row for _, row in rows])


def _rows(lines: list[Line]) -> tuple[list[tuple[int, Row]], list[tuple[int, str]]]:
    """Rows, and beginnings of sections, each with the index of its line."""
    rows: list[tuple[int, Row]] = []
    starts: list[tuple[int, str]] = []
    for n, line in enumerate(lines):
        if line.text.startswith("["):
            name = line.text[1:].partition("]")[0].strip()
            plain = re.sub("[_-]", "", name.lower().replace("dummies", "virtual_sites"))
            if plain not in _KNOWN:
                raise ForceFieldError(f"{line.where}: [ {name} ] is no section of a topology")
            section = _KNOWN[plain]
            _check_order(section, line, [name for _, name in starts])
            starts.append((n, section))
        elif line.text and starts:
            # grompp ignores what stands in front of the first section: CHARMM and AMBER begin with a title
            rows.append((n, Row(starts[-1][1], tuple(line.words), line)))
    return rows, starts


def _check_order(section: str, line: Line, before: list[str]) -> None:
    def refuse(allowed: str) -> None:
        raise ForceFieldError(f"{line.where}: [ {section} ] is not allowed here; allowed: {allowed}")

    if section in _TYPE_SECTIONS and "moleculetype" in before:
        refuse("before the first [ moleculetype ]")
    if section in ("moleculetype", *_OF_MOLECULE) and not set(_OF_SYSTEM).isdisjoint(before):
        refuse("before [ system ]")
    if section in _OF_MOLECULE and "moleculetype" not in before:
        refuse("in a [ moleculetype ]")
    if section not in ("defaults", *_OF_SYSTEM) and "defaults" not in before:
        refuse("after [ defaults ], of the topology or of a force field that it includes first")


def number(row: Row, k: int, what: str) -> float:
    """Word `k` of a row as a finite number. Raises ForceFieldError."""
    try:
        value = float(row.words[k])
    except IndexError:
        raise ForceFieldError(f"{row.line.where}: [ {row.section} ] has no {what} (word {k + 1})") from None
    except ValueError:
        value = math.nan
    if not abs(value) < _LARGEST or "_" in row.words[k] or not row.words[k].isascii():
        raise ForceFieldError(
            f"{row.line.where}: {row.words[k]!r} is no {what} of [ {row.section} ]; allowed: a number of single precision, or "
            "a macro that stands for one"
        )
    return value


def whole(row: Row, k: int, what: str) -> int:
    """Word `k` of a row as a whole number. Raises ForceFieldError."""
    number(row, k, what)
    if re.fullmatch("[+-]?[0-9]+", row.words[k]) is None:
        raise ForceFieldError(f"{row.line.where}: {row.words[k]!r} is no {what}; allowed: a whole number")
    return int(row.words[k])


def _check_numbers(row: Row, section: str, function: int, count: int) -> None:
    """Refuse a function that a section does not have, and another number of parameters than grompp takes."""
    if function not in PARAMETERS[section]:
        known = ", ".join(map(str, PARAMETERS[section]))
        raise ForceFieldError(f"{row.line.where}: function {function} in [ {row.section} ]; allowed: {known}")
    one = PARAMETERS[section][function]
    allowed = {one} if (section, function) in ONE_STATE or not one else {one, 2 * one}
    if count not in allowed | (set() if row.section in _TERMS_OF else {0}):
        own = "" if row.section in _TERMS_OF else ", or none if the types have them"
        second = f" or, with a second state, {2 * one}" if 2 * one in allowed else ""
        raise ForceFieldError(
            f"{row.line.where}: {count} parameters of function {function} in [ {row.section} ]; allowed: {one}{second}{own}"
        )


def _forcefield(path: Path, lines: tuple[Line, ...], rows: list[Row]) -> ForceFieldPart:
    own = [row for row in rows if row.section == "defaults"]
    if not own:
        raise ForceFieldError(f"{path}: has no [ defaults ]; allowed: a topology that includes its force field")
    if len(own) > 1:
        raise ForceFieldError(f"{own[1].line.where}: a second [ defaults ], the first is in {own[0].line.where}")
    types: dict[str, AtomType] = {}
    seen: dict[str, Row] = {}
    defaults = _defaults(own[0])
    for row in rows:
        if row.section == "atomtypes":
            entry = atom_type(row)
            if entry.name in types:
                raise ForceFieldError(
                    f"{row.line.where}: type {entry.name!r} is also in {seen[entry.name].line.where}; allowed: one row each"
                )
            types[entry.name], seen[entry.name] = entry, row
        elif row.section in _TERMS_OF:
            _, count = type_key(row)
            numbers = [number(row, k, "parameter") for k in range(count + 1, len(row.words))]
            _check_numbers(row, _TERMS_OF[row.section], whole(row, count, "function"), len(numbers))
    return ForceFieldPart(lines, tuple(rows), defaults, types)


def _defaults(row: Row) -> Defaults:
    function, rule = whole(row, 0, "function"), whole(row, 1, "combination rule")
    if function != 1 or rule not in (1, 2, 3):
        raise ForceFieldError(
            f"{row.line.where}: [ defaults ] {function} {rule} is not allowed; allowed: 1 (Lennard-Jones) with 1, 2 or 3"
        )
    words = row.words
    pairs = len(words) > 2 and words[2][:1].lower() == "y"
    usual = (("fudgeLJ", 1.0), ("fudgeQQ", 1.0), ("power", 12.0))
    lj, qq, power = (
        number(row, k, what) if len(words) > k else value for k, (what, value) in enumerate(usual, start=3)
    )
    return Defaults(function, rule, pairs, lj, qq, power)


def charge_column(row: Row) -> int:
    """Index of the charge in a row of [ atomtypes ]: bonded type and atomic number may stand in front or not, and the
    letter of the particle, behind the charge, tells which.

    Raises ForceFieldError for a row without such a letter.
    """
    words = row.words
    if len(words) < 6:
        raise ForceFieldError(f"{row.line.where}: {len(words)} words in [ atomtypes ]; allowed: 6 or more")
    at = next((k for k in (5, 3, 4) if len(words[k]) == 1 and words[k].upper() in "ASVDNB"), None)
    if at is None:
        raise ForceFieldError(
            f"{row.line.where}: no kind of particle in [ atomtypes ]; allowed: A, S, V or D, one letter"
        )
    return at - 1


def atom_type(row: Row) -> AtomType:
    """A row of [ atomtypes ]. Raises ForceFieldError for a row that GROMACS does not take."""
    words, at = row.words, charge_column(row)
    lettered = at == 3 and words[1][0].isalpha()
    bonded = words[1] if at == 4 or lettered else words[0]
    numbered = at == 4 or (at == 3 and not lettered)
    return AtomType(
        words[0],
        bonded,
        whole(row, at - 2, "atomic number") if numbered else None,
        number(row, at - 1, "mass"),
        number(row, at, "charge"),
        words[at + 1].upper(),
        tuple(number(row, at + 2 + k, "number of the van der Waals term") for k in range(2)),
    )


def type_key(row: Row) -> tuple[tuple[str, ...], int]:
    """The types of a row of a force field in an order that does not depend on direction, and the number of its words.

    A torsion by its two inner types has `X` outside, or inside for an improper (function 2), as in GROMACS.
    Raises ForceFieldError for a row that is too short.
    """
    words, count = row.words, _TYPE_SECTIONS[row.section]
    if row.section == "dihedraltypes" and len(words) > 2 and re.fullmatch("[0-9]", words[2]):
        inner = words[:2]
        types = (inner[0], ANY, ANY, inner[1]) if words[2] == "2" else (ANY, *inner, ANY)
        return min(types, types[::-1]), 2
    if len(words) < count:
        raise ForceFieldError(
            f"{row.line.where}: {len(words)} words in [ {row.section} ]; allowed: {count} types first"
        )
    types = words[:count]
    return (types if row.section == "cmaptypes" else min(types, types[::-1])), count


def _molecule(lines: tuple[Line, ...], rows: list[Row], macros: Macros, types: Mapping[str, AtomType]) -> MoleculeType:
    heads = [row for row in rows if row.section == "moleculetype"]
    if len(heads) != 1 or len(heads[0].words) < 2:
        raise ForceFieldError(
            f"{lines[0].where}: [ moleculetype ] has not one row of a name and a number of exclusions"
        )
    sites = tuple(_site(row, n, types) for n, row in enumerate((r for r in rows if r.section == "atoms"), start=1))
    if not sites:
        raise ForceFieldError(f"{lines[0].where}: molecule type {heads[0].words[0]!r} has no [ atoms ]")
    terms: dict[str, list[Term]] = {}
    for row in rows:
        if row.section in _TERM_SECTIONS:
            terms.setdefault(row.section, []).append(_term(row, len(sites)))
        elif row.section in ("exclusions", "virtual_sitesn"):
            terms.setdefault(row.section, []).append(_listed(row, len(sites)))
    found = {name: tuple(entries) for name, entries in terms.items()}
    molecule = MoleculeType(
        heads[0].words[0], whole(heads[0], 1, "number of exclusions"), sites, found, tuple(rows), lines, macros
    )
    for n, site in enumerate(sites):
        if site.mass <= 0 and n not in molecule.virtual and types[site.type].particle == "A":
            raise ForceFieldError(
                f"{site.source}: atom {site.name} has a mass of {site.mass:g} g/mol; allowed: above 0"
            )
    return molecule


def _site(row: Row, expected: int, types: Mapping[str, AtomType]) -> Site:
    words = row.words
    if len(words) < 6:
        raise ForceFieldError(
            f"{row.line.where}: {len(words)} words in [ atoms ]; allowed: nr type resnr residue atom cgnr, then charge and mass"
        )
    if whole(row, 0, "atom number") != expected:
        raise ForceFieldError(f"{row.line.where}: atom number {words[0]}; allowed: {expected}, numbers without gaps")
    if words[1] not in types:
        raise ForceFieldError(f"{row.line.where}: atom type {words[1]!r} is in no [ atomtypes ] of this topology")
    residue = re.fullmatch(r"(-?[0-9]+)[A-Za-z]?", words[2])
    if residue is None:
        raise ForceFieldError(f"{row.line.where}: {words[2]!r} is no residue number; allowed: a whole number")
    own = types[words[1]]
    charge = number(row, 6, "charge") if len(words) > 6 else own.charge
    mass = number(row, 7, "mass") if len(words) > 7 else own.mass
    if abs(charge) > _LARGEST_CHARGE_E:
        raise ForceFieldError(
            f"{row.line.where}: atom {words[4]} has a charge of {charge:g} e; allowed: up to {_LARGEST_CHARGE_E:g}"
        )
    return Site(
        words[4], words[1], charge, mass, words[3], int(residue[1]), own.bonded, None, None, row.line.where
    )  # fmt: skip


def _indices(row: Row, places: Sequence[int], n_sites: int) -> tuple[int, ...]:
    found = tuple(whole(row, k, "atom number") for k in places)
    for index in found:
        if not 1 <= index <= n_sites:
            raise ForceFieldError(f"{row.line.where}: atom {index} in [ {row.section} ]; allowed: 1 to {n_sites}")
    return tuple(index - 1 for index in found)


def _term(row: Row, n_sites: int) -> Term:
    count = _TERM_SECTIONS[row.section]
    sites = _indices(row, range(count), n_sites)
    if len(set(sites)) < count and row.section in PARAMETERS:
        raise ForceFieldError(f"{row.line.where}: an atom twice in [ {row.section} ]; allowed: different atoms")
    if row.section == "settles" and sites[0] + 2 >= n_sites:
        raise ForceFieldError(f"{row.line.where}: [ settles ] of an atom without two more behind it")
    function = whole(row, count, "function") if len(row.words) > count else 1
    numbers = tuple(number(row, k, "parameter") for k in range(count + 1, len(row.words)))
    if row.section in PARAMETERS:
        _check_numbers(row, row.section, function, len(numbers))
    return Term(sites, function, numbers, row.section, row.line.where)


def _listed(row: Row, n_sites: int) -> Term:
    """A row of any number of sites; for virtual sites the function stands behind the first, weights among them."""
    if row.section == "exclusions":
        return Term(_indices(row, range(len(row.words)), n_sites), 0, (), row.section, row.line.where)
    function = whole(row, 1, "function")
    step = 2 if function == 3 else 1
    sites = _indices(row, [0, *range(2, len(row.words), step)], n_sites)
    weights = tuple(number(row, k, "weight") for k in range(3, len(row.words), step)) if step == 2 else ()
    return Term(sites, function, weights, row.section, row.line.where)


def _counts(rows: list[tuple[int, Row]], molecules: Mapping[str, MoleculeType]) -> tuple[tuple[str, int], ...]:
    found = []
    for row in (row for _, row in rows if row.section in ("molecules", "intermolecular_interactions")):
        if row.section != "molecules":
            raise ForceFieldError(
                f"{row.line.where}: [ {row.section} ] is not allowed: they belong to one box; allowed: terms in molecules"
            )
        if row.words[0] not in molecules:
            raise ForceFieldError(
                f"{row.line.where}: no molecule type {row.words[0]!r}; allowed: {', '.join(molecules)}"
            )
        count = whole(row, 1, "number of molecules")
        if count < 0:
            raise ForceFieldError(f"{row.line.where}: {count} molecules; allowed: 0 or more")
        found.append((row.words[0], count))
    return tuple(found)


def given(term: Term, molecule: MoleculeType, forcefield: ForceFieldPart) -> list[Given]:
    """Numbers of a bond, constraint, angle or torsion: its own, or those of its types; of a sum of torsions, several.

    Empty if the topology gives none. Of several rows that fit, the one with the fewest `X` counts, and of those the
    first, as in GROMACS.
    """
    if term.parameters:
        return [Given(term.parameters, term.source)]
    types = tuple(molecule.sites[site].bonded_class for site in term.sites)
    return forcefield.of_types(f"{term.label[:-1]}types", term.function, types)


def parameters(term: Term, molecule: MoleculeType, forcefield: ForceFieldPart) -> list[tuple[float, ...]]:
    """The numbers of `given`."""
    return [entry.numbers for entry in given(term, molecule, forcefield)]


def _fits(key: tuple[str, ...], types: tuple[str, ...]) -> bool:
    return all(a in (ANY, b) for a, b in zip(key, types, strict=True))


def bonds(molecule: MoleculeType, forcefield: ForceFieldPart) -> tuple[Term, ...]:
    """Chemical bonds with their reference lengths: [ bonds ], [ constraints ], and the bonds of a [ settles ].

    Each pair once. A bond without a length (function 5 or 8) has no parameters. Raises ForceFieldError for a bond whose
    parameters neither it nor its types give, and for a length outside of BOND_NM.
    """
    found: dict[tuple[int, int], Term] = {}
    for term in molecule.terms.get("settles", ()):
        (oxygen,) = term.sites
        for n in (1, 2):
            found[oxygen, oxygen + n] = Term((oxygen, oxygen + n), 1, term.parameters[:1], "settles", term.source)
    for section, functions in (("constraints", (1,)), ("bonds", _CHEMICAL_BONDS)):
        for term in molecule.terms.get(section, ()):
            i, j = sorted(term.sites)
            if term.function not in functions or (i, j) in found:
                continue
            rows = parameters(term, molecule, forcefield)
            if not rows and term.function not in (5, 8):
                raise ForceFieldError(f"{term.source}: a bond without a length, and its types have none")
            length = rows[0][:1] if rows and term.function not in (5, 8) else ()
            if length and not BOND_NM[0] <= length[0] <= BOND_NM[1]:
                raise ForceFieldError(
                    f"{term.source}: a bond of {length[0]:g} nm; allowed: {BOND_NM[0]:g} to {BOND_NM[1]:g} nm"
                )
            found[i, j] = Term((i, j), term.function, length, section, term.source)
    return tuple(found.values())
