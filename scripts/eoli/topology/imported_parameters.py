"""The page of parameters of a box of molecules that others made: every number as their files have it, with file and line.

Equal rows stand once with their number, since a chain repeats the same few. A number that a type gives is looked up as
GROMACS does; its place is that of the type.
"""

from __future__ import annotations

import itertools
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eoli.core.files import sha256
from eoli.forcefield.library import Library
from eoli.forcefield.models import ELEMENTS
from eoli.topology.composed import Part
from eoli.topology.description import MoleculeCount
from eoli.topology.elements import element_of
from eoli.topology.imported import (
    VIRTUAL_SITES,
    AtomType,
    Defaults,
    ForceFieldPart,
    Given,
    ImportedTopology,
    Row,
    given,
    number,
    type_key,
)
from eoli.topology.imported_box import ImportedBox
from eoli.topology.limits import limits_of
from eoli.topology.molecule import Term
from eoli.topology.parameters import (
    MIXING_WORDS,
    Coefficient,
    LennardJones,
    form_of,
    from_c6_c12,
    from_sigma_epsilon,
    parameter_rows,
    template,
)

_MOST_NAMES = 24
"""Names of atoms that a row spells out."""
_POLAR = ("O", "N")
"""Elements whose atoms have a role as a rule: without one, analyses do not see them."""
_MIXED = {
    1: "geometric in C6 and C12",
    2: "arithmetic in sigma and geometric in epsilon",
    3: "geometric in sigma and epsilon",
}
_GROMACS = "GROMACS:"
"""In front of the name of a file that GROMACS installs."""
_GENERATED = "types, times fudgeLJ"
"""Origin of the numbers of a 1-4 pair that grompp makes."""
_KINDS = {"bonds": "bond", "constraints": "constraint", "settles": "settle", "angles": "angle", "dihedrals": "torsion"}
_KINDS |= dict.fromkeys(VIRTUAL_SITES, "virtual site")
"""Sections of bonded terms, in the order of the page."""
_IMPROPERS = (2, 4)
"""Functions of [ dihedrals ] that are impropers."""


@dataclass(frozen=True)
class Charge:
    """Atoms with the same numbers: charges in e, mass in g/mol, `count` in one molecule."""

    molecule: str
    residue: str
    atoms: str
    type: str
    bonded: str
    unscaled: float
    simulated: float
    mass: float
    count: int
    where: str


@dataclass(frozen=True)
class Labelled:
    """Atoms of one molecule with a role, or with none though their element has one as a rule."""

    molecule: str
    role: str | None
    element: str
    atoms: str
    count: int


@dataclass(frozen=True)
class LennardJonesRow:
    """A type, or a pair of types that a file lists; `written` are the two that the file has, of all four."""

    types: str
    bonded: str
    mass: float | None
    lj: LennardJones
    rule: int
    where: str


@dataclass(frozen=True)
class Pair:
    """A kind of 1-4 pair, `count` in one molecule; `factor` is on the product of its charges."""

    molecule: str
    types: str
    function: str
    charges: tuple[float, ...]
    factor: float
    lj: LennardJones | None
    rule: int
    origin: str
    count: int
    where: str


@dataclass(frozen=True)
class Bonded:
    """A kind of bonded term, `count` in one molecule."""

    molecule: str
    kind: str
    types: str
    function: int
    form: str
    coefficients: tuple[Coefficient, ...]
    count: int
    where: str


@dataclass(frozen=True)
class Held:
    """A molecule type with what its file says of it."""

    entry: MoleculeCount
    file: str
    where: str
    unscaled: float
    exclusions: int
    listed_exclusions: int
    blocks: str


@dataclass(frozen=True)
class ImportedParameters:
    """All rows of the imported molecules of a box; of each file its name, what it holds, and its SHA-256.

    `across` are the pairs of our types with those of others, ours first, where `where` says what gives the numbers.
    """

    files: tuple[tuple[str, str, str], ...]
    defaults: Defaults
    rules: dict[str, int]
    molecules: tuple[Held, ...]
    roles: tuple[Labelled, ...]
    charges: tuple[Charge, ...]
    types: tuple[LennardJonesRow, ...]
    pairs: tuple[LennardJonesRow, ...]
    one_four: tuple[Pair, ...]
    bonded: tuple[Bonded, ...]
    across: tuple[LennardJonesRow, ...] = ()

    @property
    def of_gromacs(self) -> bool:
        """Whether some files are those that GROMACS installs."""
        return any(name.startswith(_GROMACS) for name, *_ in self.files)


class _Places:
    """Names of files from the deepest folder that holds all: the same wherever that folder lies. Those of GROMACS are named
    from the folder of its force fields."""

    def __init__(self, files: Iterable[Path], installed: Path | None) -> None:
        self.installed = installed
        own = {path.resolve().parent for path in files if not self._of_gromacs(path)}
        self.root = Path(os.path.commonpath(own))

    def _of_gromacs(self, path: Path) -> bool:
        return self.installed is not None and path.is_relative_to(self.installed)

    def file(self, path: Path) -> str:
        if self.installed is not None and self._of_gromacs(path):
            return f"{_GROMACS}{path.relative_to(self.installed).as_posix()}"
        return path.resolve().relative_to(self.root).as_posix()

    def __call__(self, where: str) -> str:
        path, _, line = where.rpartition(":")
        return f"{self.file(Path(path))}:{line}"


def _named(names: Iterable[str]) -> str:
    """Different names in their order, not more than a reader can take in."""
    different = list(dict.fromkeys(names))
    rest = len(different) - _MOST_NAMES
    return " ".join(different[:_MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def both_forms(numbers: Sequence[float], rule: int) -> LennardJones:
    """Numbers of a combination rule in both forms, where both exist. A negative sigma stands for a pair without C6."""
    first, second = numbers[:2]
    if rule == 1:
        possible = (first > 0 and second > 0) or (first == 0 and second == 0)
        return from_c6_c12((first, second)) if possible else LennardJones(first, second, None, None)
    found = from_sigma_epsilon((first, second))
    return found if first >= 0 else replace(found, c6=0.0)


def mixed(first: AtomType, second: AtomType, rule: int) -> tuple[float, float]:
    """Numbers of a pair as GROMACS makes them from its types."""
    (a, b), (c, d) = first.numbers[:2], second.numbers[:2]
    return (a + c) / 2 if rule == 2 else math.sqrt(a * c), math.sqrt(b * d)


def _by_types(forcefield: ForceFieldPart, section: str) -> dict[tuple[str, ...], Given]:
    """The rows of a section of pairs of types; of several, the last counts, as in GROMACS."""
    found = {}
    for row in forcefield.rows:
        if row.section == section:
            key, count = type_key(row)
            found[key] = Given(
                tuple(number(row, k, "parameter") for k in range(count + 1, len(row.words))), row.line.where
            )
    return found


def _type_rows(topology: ImportedTopology) -> Iterator[tuple[str, Row]]:
    return ((row.words[0], row) for row in topology.forcefield.rows if row.section == "atomtypes")


def _types_and_pairs(
    topologies: Sequence[ImportedTopology], used: set[str], places: _Places
) -> tuple[list[LennardJonesRow], list[LennardJonesRow]]:
    """Rows of the types in use, and of pairs of them that files list."""
    types: dict[str, LennardJonesRow] = {}
    pairs: dict[tuple[str, ...], LennardJonesRow] = {}
    for topology in topologies:
        own, rule = topology.forcefield, topology.forcefield.defaults.combination_rule
        for name, row in _type_rows(topology):
            if name in used and name not in types:
                held = own.types[name]
                lj = both_forms(held.numbers, rule)
                types[name] = LennardJonesRow(name, held.bonded, held.mass, lj, rule, places(row.line.where))
        for key, listed in _by_types(own, "nonbond_params").items():
            if used.issuperset(key) and key not in pairs:
                lj = both_forms(listed.numbers, rule)
                pairs[key] = LennardJonesRow(" ".join(key), "", None, lj, rule, places(listed.where))
    return list(types.values()), list(pairs.values())


def _across(box: ImportedBox, topologies: Sequence[ImportedTopology], places: _Places) -> Iterator[LennardJonesRow]:
    """Pairs of a type of our molecules and one that only those of others have."""
    if box.ours is None:
        return
    tables, held = box.ours.tables, box.ours.topology.forcefield
    rule = tables.combination_rule
    listed = {
        key: (row.numbers, rule, tables.origin[key[0], key[1]])
        for key, row in _by_types(held, "nonbond_params").items()
    }
    theirs: dict[str, AtomType] = {}
    for topology in topologies:
        own = topology.forcefield.defaults.combination_rule
        for key, row in _by_types(topology.forcefield, "nonbond_params").items():
            listed.setdefault(key, (row.numbers, own, places(row.where)))
        used = {s.type for e in box.adopted if e.part.topology is topology for s in e.part.molecule.sites}
        for name in sorted(used - tables.types.keys()):
            kind = topology.forcefield.types[name]
            lj = both_forms(kind.numbers, own)
            theirs[name] = kind if own == rule else replace(kind, numbers=(lj.c6, lj.c12))
    for ours, (name, kind) in itertools.product(sorted(tables.types), theirs.items()):
        key = (min(ours, name), max(ours, name))
        if key in listed:
            numbers, of_file, where = listed[key]
            yield LennardJonesRow(f"{ours} {name}", "", None, both_forms(numbers, of_file), of_file, where)
        else:
            lj = both_forms(mixed(held.types[ours], kind, rule), rule)
            yield LennardJonesRow(f"{ours} {name}", "", None, lj, 0, f"combination rule {rule}, by grompp")


def _charges(part: Part, places: _Places) -> Iterator[Charge]:
    groups: dict[tuple[object, ...], list[int]] = {}
    sites = part.molecule.sites
    for n, s in enumerate(sites):
        groups.setdefault((s.residue, s.type, s.bonded_class, s.charge, s.mass), []).append(n)
    for members in groups.values():
        first = sites[members[0]]
        yield Charge(
            molecule=part.name, residue=first.residue, atoms=_named(sites[n].name for n in members), type=first.type,
            bonded=first.bonded_class, unscaled=first.charge, simulated=first.charge * part.charge_scale,
            mass=first.mass, count=len(members), where=places(first.source),
        )  # fmt: skip


def _element(held: AtomType, mass: float) -> str | None:
    """Element of an atom: by the atomic number of its type, else by its mass."""
    numbers = {own: symbol for symbol, (own, _) in ELEMENTS.items()}
    return numbers.get(held.atomic_number or 0) or element_of(mass)


def _roles(part: Part, entry: MoleculeCount) -> Iterator[Labelled]:
    """Atoms by role and element; of those without a role, oxygens and nitrogens."""
    types = part.topology.forcefield.types
    groups: dict[tuple[str | None, str], list[str]] = {}
    for site in entry.molecule.sites:
        element = _element(types[site.type], site.mass) or "unknown"
        if site.role is not None or element in _POLAR:
            groups.setdefault((site.role, element), []).append(site.name)
    for (role, element), names in sorted(groups.items(), key=lambda item: item[0][0] is None):
        yield Labelled(part.name, role, element, _named(names), len(names))


def _one_four(part: Part, places: _Places) -> Iterator[Pair]:
    own, sites = part.topology.forcefield, part.molecule.sites
    defaults, listed = own.defaults, _by_types(own, "pairtypes")
    overridden = _by_types(own, "nonbond_params")
    rule = defaults.combination_rule

    def numbers(types: tuple[str, ...], term: Term) -> tuple[tuple[float, ...], str, str]:
        """Lennard-Jones numbers of function 1, what gives them, and where."""
        if term.parameters:
            return term.parameters[:2], "the pair", term.source
        if types in listed:
            return listed[types].numbers[:2], "[ pairtypes ]", listed[types].where
        if not defaults.generates_pairs:
            return (), "none", term.source
        a, b = own.types[types[0]], own.types[types[1]]
        first, second = overridden[types].numbers[:2] if types in overridden else mixed(a, b, rule)
        first = first * defaults.fudge_lj if rule == 1 else first
        return (first, second * defaults.fudge_lj), _GENERATED, term.source

    rows: Counter[Pair] = Counter()
    first: dict[Pair, str] = {}
    for section in ("pairs", "pairs_nb"):
        for term in part.molecule.terms.get(section, ()):
            i, j = sorted(term.sites, key=lambda site: sites[site].type)
            types = sites[i].type, sites[j].type
            charges: tuple[float, ...] = ()
            factor = defaults.fudge_qq
            if section == "pairs" and term.function == 1:
                lj, origin, where = numbers(types, term)
            else:
                own_numbers = term.parameters if section == "pairs_nb" else term.parameters[1:]
                factor = 1.0 if section == "pairs_nb" else (term.parameters[:1] or (factor,))[0]
                charges = own_numbers[:2] if (i, j) == term.sites else own_numbers[:2][::-1]
                lj, origin, where = own_numbers[2:4], "the pair", term.source
            row = Pair(
                molecule=part.name, types=" ".join(types), function=f"{section} {term.function}",
                charges=tuple(charge * part.charge_scale for charge in charges), factor=factor,
                lj=both_forms(lj, rule) if len(lj) == 2 else None, rule=0 if origin == _GENERATED else rule,
                origin=origin, count=0, where="",
            )  # fmt: skip
            rows[row] += 1
            first.setdefault(row, places(where))
    return (replace(row, count=count, where=first[row]) for row, count in rows.items())


def _bonded(part: Part, places: _Places) -> Iterator[Bonded]:
    sites = part.molecule.sites
    for section, name in _KINDS.items():
        groups: dict[tuple[str, tuple[str, ...], int, tuple[float, ...]], list[str]] = {}
        for term in part.molecule.terms.get(section, ()):
            kind = "improper" if section == "dihedrals" and term.function in _IMPROPERS else name
            classes = tuple(sites[site].bonded_class for site in term.sites)
            # terms read the same from both ends, but the first atom of an improper is not like its last
            shown = classes if kind in ("improper", "virtual site") else min(classes, classes[::-1])
            rows = [Given(term.parameters, term.source)] if section in ("settles", *VIRTUAL_SITES) else []
            rows = rows or given(term, part.molecule, part.topology.forcefield) or [Given((), term.source)]
            for row in rows:
                groups.setdefault((kind, shown, term.function, row.numbers), []).append(row.where)
        for (kind, classes, function, numbers), found in groups.items():
            form, coefficients = form_of(section if section in VIRTUAL_SITES else kind, function, numbers)
            yield Bonded(
                molecule=part.name, kind=kind, types=" ".join(classes), function=function, form=form,
                coefficients=coefficients, count=len(found), where=places(found[0]),
            )  # fmt: skip


def _held(part: Part, entry: MoleculeCount, places: _Places) -> Held:
    molecule = part.molecule
    blocks = Counter(site.block for site in entry.molecule.sites if site.block is not None)
    return Held(
        entry=entry, file=places.file(part.topology.path), where=places(molecule.where), unscaled=molecule.charge,
        exclusions=molecule.nrexcl, listed_exclusions=len(molecule.terms.get("exclusions", ())),
        blocks=", ".join(f"{block} ({count})" for block, count in blocks.items()),
    )  # fmt: skip


def imported_parameters(box: ImportedBox) -> ImportedParameters:
    """All parameters of the imported molecules of a box, each kind once."""
    parts = [entry.part for entry in box.adopted]
    topologies = list({(p.topology.path, *p.topology.defines.items()): p.topology for p in parts}.values())
    holds: dict[Path, list[str]] = {topology.path: [] for topology in topologies}
    held = [(topology.forcefield.rows, "force field") for topology in topologies]
    for rows, what in [*held, *((part.molecule.rows, part.name) for part in parts)]:
        for row in rows:
            holds.setdefault(row.line.file, []).append(what)
    places = _Places(holds, box.installed)
    used = {site.type for part in parts for site in part.molecule.sites}
    types, pairs = _types_and_pairs(topologies, used, places)
    return ImportedParameters(
        files=tuple(
            (places.file(path), ", ".join(dict.fromkeys(what)) or "what it includes", sha256(path))
            for path, what in holds.items()
        ),
        defaults=replace(
            topologies[0].forcefield.defaults,
            combination_rule=min(
                *(topology.forcefield.defaults.combination_rule for topology in topologies),
                *([box.ours.tables.combination_rule] if box.ours else [3]),
            ),
        ),
        rules={places.file(t.path): t.forcefield.defaults.combination_rule for t in topologies},
        molecules=tuple(_held(p, e, places) for p, e in zip(parts, box.counts, strict=True)),
        roles=tuple(row for p, e in zip(parts, box.counts, strict=True) for row in _roles(p, e)),
        charges=tuple(row for part in parts for row in _charges(part, places)),
        types=tuple(types),
        pairs=tuple(pairs),
        one_four=tuple(row for part in parts for row in _one_four(part, places)),
        bonded=tuple(row for part in parts for row in _bonded(part, places)),
        across=tuple(_across(box, topologies, places)),
    )


def imported_parameters_page(box: ImportedBox, blocks: Library, title: str) -> str:
    """The page as self-contained HTML; the same box gives the same bytes, wherever its files lie.

    Raises InputError if limits.yaml is missing or wrong, ForceFieldError for a source of ours that is missing.
    """
    parameters = imported_parameters(box)
    ours, rule = box.ours, parameters.defaults.combination_rule
    beside = {} if ours is None else {
        "our_parameters": parameter_rows(ours.description, ours.tables, blocks), "our_mixing": MIXING_WORDS[ours.description.choice.mixing],
        "prefix": "our-",
    }  # fmt: skip
    return template("imported_parameters.html.j2").render(
        title=title, limits=limits_of(box.description, blocks), description=box.description, parameters=parameters,
        mixed=_MIXED[rule], converted=[name for name, own in parameters.rules.items() if own != rule], ours=ours, **beside,
    )  # fmt: skip
