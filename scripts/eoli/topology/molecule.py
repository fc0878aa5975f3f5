"""Molecules from building blocks: sites, bonds, angles, torsions, impropers and 1-4 pairs, each with its source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from eoli.errors import ForceFieldError
from eoli.forcefield.library import Library
from eoli.forcefield.models import NUMBERS, BondedEntry, BondedTable, Chain, Ion
from eoli.topology.gromos import Gromos54A7

NREXCL = 3
"""GROMACS excludes the interaction of sites up to this many bonds apart, in every molecule type; those exactly this far
apart may be listed as 1-4 pairs, and then interact as such."""


@dataclass(frozen=True)
class Site:
    """One particle. Charge in e, mass in g/mol."""

    name: str
    type: str
    charge: float
    mass: float
    residue: str
    residue_number: int
    bonded_class: str
    role: str | None
    block: str | None
    source: str


@dataclass(frozen=True)
class Term:
    """A bonded term: 0-based sites, GROMACS function, numbers in GROMACS units."""

    sites: tuple[int, ...]
    function: int
    parameters: tuple[float, ...]
    label: str
    source: str
    trans: bool = False


@dataclass(frozen=True)
class Molecule:
    """A molecule type with all its terms; `formal_charge` is that of the unscaled ion.

    `positions_nm` is a start geometry, one position per site; empty if the terms determine one. `virtual` are the sites
    without a mass, each first in its term, before the sites that its place follows from, in the order in which they can
    be placed (`eoli.topology.virtual`).
    `exclusions` are the pairs (i < j) that GROMACS excludes; None for those up to NREXCL bonds apart.
    """

    name: str
    kind: str
    formal_charge: int
    sites: tuple[Site, ...]
    bonds: tuple[Term, ...]
    angles: tuple[Term, ...]
    dihedrals: tuple[Term, ...]
    impropers: tuple[Term, ...]
    pairs14: tuple[Term, ...] = field(default=())
    positions_nm: tuple[tuple[float, float, float], ...] = field(default=())
    virtual: tuple[Term, ...] = field(default=())
    exclusions: tuple[tuple[int, int], ...] | None = None

    def neighbours(self) -> list[list[int]]:
        """Bonded sites of each site, in the order of the bonds."""
        return neighbours_of(len(self.sites), self.bonded.tolist())

    def separations(self) -> dict[tuple[int, int], int]:
        """Number of bonds between the sites (i < j) of each pair up to NREXCL bonds apart."""
        return _separations(self.neighbours())

    def excluded(self) -> Iterable[tuple[int, int]]:
        """Pairs (i < j) that GROMACS excludes from the interactions of any two sites."""
        return self.separations() if self.exclusions is None else self.exclusions

    @property
    def massless(self) -> npt.NDArray[np.bool_]:
        """Whether each site is a virtual one, shape (n_sites,)."""
        found = np.zeros(len(self.sites), dtype=np.bool_)
        found[[term.sites[0] for term in self.virtual]] = True
        return found

    @property
    def links(self) -> npt.NDArray[np.int64]:
        """Pairs that hold the molecule together, shape (links, 2): bonds, and each virtual site with the first that makes it."""
        hosts = [(term.sites[1], term.sites[0]) for term in self.virtual]
        return np.concatenate([self.bonded, np.array(hosts, dtype=np.int64).reshape(-1, 2)])

    @property
    def hosts(self) -> npt.NDArray[np.int64]:
        """The atom that each site belongs to, shape (n_sites,): itself, of a virtual site the first that makes it."""
        found = np.arange(len(self.sites))
        for term in self.virtual:
            # one that it follows from may be virtual itself, and stands in front of it then
            found[term.sites[0]] = found[term.sites[1]]
        return found

    @property
    def bonded(self) -> npt.NDArray[np.int64]:
        """Pairs of bonded sites, shape (bonds, 2)."""
        return np.array([term.sites for term in self.bonds], dtype=np.int64).reshape(-1, 2)

    @property
    def charge(self) -> float:
        """Sum of the simulated charges, e."""
        return sum(site.charge for site in self.sites)

    @property
    def mass(self) -> float:
        """Mass, g/mol."""
        return sum(site.mass for site in self.sites)


def neighbours_of(n_sites: int, bonds: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Bonded sites of each of `n_sites` sites, in the order of the bonds."""
    lists: list[list[int]] = [[] for _ in range(n_sites)]
    for i, j in bonds:
        lists[i].append(j)
        lists[j].append(i)
    return lists


def _separations(neighbours: list[list[int]]) -> dict[tuple[int, int], int]:
    """Bonds on the shortest path of each pair (i < j) that is up to NREXCL bonds apart."""
    found: dict[tuple[int, int], int] = {}
    for start in range(len(neighbours)):
        distance, front = {start: 0}, [start]
        for step in range(1, NREXCL + 1):
            front = [n for site in front for n in neighbours[site] if distance.setdefault(n, step) == step]
        found |= {(start, site): steps for site, steps in sorted(distance.items()) if site > start}
    return found


@dataclass(frozen=True)
class _Graph:
    """Sites and bonds of a molecule, before its terms are looked up."""

    where: str
    sites: tuple[Site, ...]
    bonds: tuple[tuple[int, int], ...]

    def neighbours(self) -> list[list[int]]:
        return [sorted(entry) for entry in neighbours_of(len(self.sites), self.bonds)]

    def classes(self, sites: Sequence[int]) -> tuple[str, ...]:
        return tuple(self.sites[i].bonded_class for i in sites)

    def shown(self, sites: Sequence[int]) -> str:
        named = (f"{self.sites[i].residue}{self.sites[i].residue_number}:{self.sites[i].name}" for i in sites)
        return f"{self.where}, {'-'.join(named)} (classes {'-'.join(self.classes(sites))})"


def _lookup(entries: Sequence[BondedEntry], classes: tuple[str, ...]) -> BondedEntry | None:
    return next((e for e in entries if e.classes in (classes, classes[::-1])), None)


def _terms(
    graph: _Graph, sites: tuple[int, ...], entry: BondedEntry, function: int, forcefield: Gromos54A7
) -> list[Term]:
    if entry.omitted:
        return []
    rows = [forcefield.macro(entry.macro)] if entry.macro is not None else [tuple(row) for row in entry.rows]
    numbers = NUMBERS[len(sites), function]
    if any(len(row) != numbers for row in rows):
        raise ForceFieldError(
            f"{graph.shown(sites)}: {entry.macro} has {len(rows[0])} numbers; function {function} takes {numbers}"
        )
    return [Term(sites, function, row, entry.macro or "own", entry.source, entry.trans) for row in rows]


def _all_terms(
    what: str, graph: _Graph, tuples: Sequence[tuple[int, ...]], entries: Sequence[BondedEntry], function: int,
    forcefield: Gromos54A7,
) -> tuple[Term, ...]:  # fmt: skip
    terms: list[Term] = []
    for sites in tuples:
        entry = _lookup(entries, graph.classes(sites))
        if entry is None:
            raise ForceFieldError(f"{graph.shown(sites)}: no {what} for these classes")
        terms += _terms(graph, sites, entry, function, forcefield)
    return tuple(terms)


def _torsions(graph: _Graph, neighbours: list[list[int]]) -> list[list[tuple[int, int, int, int]]]:
    """For each bond with neighbours on both sides, all quadruples around it."""
    return [
        quads
        for j, k in graph.bonds
        if (quads := [(i, j, k, m) for i in neighbours[j] if i != k for m in neighbours[k] if m not in (i, j)])
    ]


def _dihedral_terms(
    graph: _Graph, neighbours: list[list[int]], table: BondedTable, forcefield: Gromos54A7
) -> tuple[Term, ...]:
    groups = _torsions(graph, neighbours)
    if table.dihedral_convention == "all":
        every = [quad for group in groups for quad in group]
        return _all_terms("dihedral", graph, every, table.dihedrals, table.functions.dihedrals, forcefield)
    terms: list[Term] = []
    for group in groups:
        matches = [(q, e) for q in group if (e := _lookup(table.dihedrals, graph.classes(q))) is not None]
        if len(matches) != 1:
            found = "no dihedral" if not matches else f"{len(matches)} dihedrals"
            raise ForceFieldError(f"{graph.shown(group[0])}: {found} around this bond; allowed: exactly one")
        quad, entry = matches[0]
        terms += _terms(graph, quad, entry, table.functions.dihedrals, forcefield)
    return tuple(terms)


def _improper_terms(
    graph: _Graph, neighbours: list[list[int]], table: BondedTable, forcefield: Gromos54A7
) -> tuple[Term, ...]:
    terms: list[Term] = []
    for centre, around in enumerate(neighbours):
        entries = [e for e in table.impropers if e.classes[0] == graph.sites[centre].bonded_class]
        # with united atoms, three neighbours mean a planar centre or a hidden hydrogen: nothing else holds it
        if not entries and not (table.dihedral_convention == "one-per-bond" and len(around) == 3):
            continue
        for entry in entries:
            by_class: dict[str, list[int]] = defaultdict(list)
            for site in around:
                by_class[graph.sites[site].bonded_class].append(site)
            if sorted(entry.classes[1:]) == sorted(graph.classes(around)):
                sites = (centre, *(by_class[c].pop(0) for c in entry.classes[1:]))
                terms += _terms(graph, sites, entry, table.functions.impropers, forcefield)
                break
        else:
            raise ForceFieldError(f"{graph.shown([centre, *around])}: no improper keeps the shape of this centre")
    return tuple(terms)


def _assemble(
    name: str, kind: str, charge: int, graph: _Graph, table: BondedTable, forcefield: Gromos54A7,
    types: Callable[[str], tuple[float, float]], positions_nm: tuple[tuple[float, float, float], ...] = (),
) -> Molecule:  # fmt: skip
    neighbours = graph.neighbours()
    angles = [
        (around[a], centre, around[b])
        for centre, around in enumerate(neighbours)
        for a in range(len(around))
        for b in range(a + 1, len(around))
    ]
    one_four, functions = table.one_four, table.functions
    pairs = []
    for i, j in (pair for pair, bonds in _separations(neighbours).items() if bonds == 3):
        if one_four.function == 1:
            pairs.append(Term((i, j), 1, (), "pair table", "gromos54a7"))
            continue
        (c6_i, c12_i), (c6_j, c12_j) = types(graph.sites[i].type), types(graph.sites[j].type)
        numbers = (
            one_four.fudge_qq,
            graph.sites[i].charge,
            graph.sites[j].charge,
            one_four.fudge_lj * (c6_i * c6_j) ** 0.5,
            one_four.fudge_lj * (c12_i * c12_j) ** 0.5,
        )
        pairs.append(Term((i, j), 2, numbers, "own", graph.sites[i].source))
    return Molecule(
        name=name,
        kind=kind,
        formal_charge=charge,
        sites=graph.sites,
        bonds=_all_terms("bond", graph, graph.bonds, table.bonds, functions.bonds, forcefield),
        angles=_all_terms("angle", graph, angles, table.angles, functions.angles, forcefield),
        dihedrals=_dihedral_terms(graph, neighbours, table, forcefield),
        impropers=_improper_terms(graph, neighbours, table, forcefield),
        pairs14=tuple(pairs),
        positions_nm=positions_nm,
    )


def _lj(blocks: Library, forcefield: Gromos54A7) -> Callable[[str], tuple[float, float]]:
    def types(name: str) -> tuple[float, float]:
        own = blocks.atom_types.get(name)
        return (own.c6, own.c12) if own is not None else forcefield.types[name]

    return types


def _mass(blocks: Library, forcefield: Gromos54A7, type_name: str, where: str) -> float:
    if type_name not in blocks.atom_types:
        if type_name not in forcefield.types or type_name not in forcefield.masses:
            raise ForceFieldError(f"{where}: type {type_name!r} is neither in gromos54a7.ff nor in atomtypes.yaml")
        if abs(forcefield.masses[type_name] - blocks.mass(type_name)) > 1e-3:
            raise ForceFieldError(
                f"{where}: masses.yaml gives {blocks.mass(type_name)} for {type_name}, "
                f"the installed force field {forcefield.masses[type_name]}"
            )
    return blocks.mass(type_name)


def build_chain(chain: Chain, blocks: Library, forcefield: Gromos54A7) -> Molecule:
    """A polymer chain, or a solvent of units, with all its terms.

    Raises ForceFieldError, naming unit and atoms, for an unresolved type, bond, angle, torsion or improper.
    """
    sites: list[Site] = []
    bonds: list[tuple[int, int]] = []
    tail: int | None = None
    for number, unit in enumerate(chain.units, start=1):
        offset = len(sites)
        index = {atom.name: offset + k for k, atom in enumerate(unit.atoms)}
        where = blocks.relative_path("units", unit.unit, chain.ether_set)
        sites += [
            Site(
                atom.name, atom.type, atom.charge, _mass(blocks, forcefield, atom.type, f"{where}, atom {atom.name}"),
                unit.residue, number, atom.bonded_class, chain.role(atom),
                unit.block if chain.kind == "polymer" else None, atom.source,
            )
            for atom in unit.atoms
        ]  # fmt: skip
        if tail is not None and unit.head is not None:
            bonds.append((tail, index[unit.head]))
        bonds += [(index[a], index[b]) for a, b in unit.bonds]
        tail = index[unit.tail] if unit.tail is not None else None
    graph = _Graph(chain.where, tuple(sites), tuple(bonds))
    return _assemble(chain.molecule, chain.kind, 0, graph, blocks.bonded, forcefield, _lj(blocks, forcefield))


def build_ion(ion: Ion, charge_scale: float, blocks: Library, forcefield: Gromos54A7) -> Molecule:
    """An ion with all its terms; `charge_scale` multiplies every charge, those of the 1-4 pairs too.

    Raises ForceFieldError for an unresolved type or term.
    """
    where = f"ions/{ion.ion}/{ion.model}.yaml"
    sites = tuple(
        Site(
            atom.name, atom.type, atom.charge * charge_scale,
            _mass(blocks, forcefield, atom.type, f"{where}, atom {atom.name}"),
            ion.molecule[:4], 1, atom.bonded_class, atom.role, None, atom.source,
        )
        for atom in ion.atoms
    )  # fmt: skip
    index = {atom.name: k for k, atom in enumerate(ion.atoms)}
    graph = _Graph(where, sites, tuple((index[a], index[b]) for a, b in ion.bonds))
    if ion.bonded is None and ion.bonds:
        raise ForceFieldError(f"{where}: has bonds but no bonded terms")
    table = ion.bonded or blocks.bonded
    kind = "cation" if ion.charge > 0 else "anion"
    positions = tuple(ion.positions_nm[atom.name] for atom in ion.atoms) if ion.positions_nm else ()
    return _assemble(ion.molecule, kind, ion.charge, graph, table, forcefield, _lj(blocks, forcefield), positions)
