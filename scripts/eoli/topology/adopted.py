"""Molecule types that others made, as boxes and analyses know molecules; roles of their sites are laid over them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from eoli.errors import ForceFieldError
from eoli.forcefield.models import NUMBERS, PARAMETERS, ForceFieldChoice
from eoli.topology.composed import Part, compose
from eoli.topology.description import MoleculeCount, SystemDescription
from eoli.topology.imported import VIRTUAL_SITES, ForceFieldPart, MoleculeType, bonds, parameters, type_key
from eoli.topology.molecule import Molecule, Site, Term, neighbours_of
from eoli.topology.pairs import sigma_epsilon
from eoli.topology.virtual import FUNCTIONS, in_order

LONGEST_NAME = 5
"""Characters of an atom's or residue's name in a .gro file."""
_SIGMA_NM = (0.02, 0.9)
_EPSILON_KJ_MOL = 30.0
"""What atoms and united atoms have, from the hydrogens of CHARMM to a small lithium with much epsilon. C6 and C12 taken for
sigma and epsilon, or the other way round, lie far outside, and GROMACS does not notice."""
Positions = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Adopted:
    """A part of a composed box with what its file does not say: its kind, and a start geometry (nm) or none."""

    part: Part
    kind: str
    positions_nm: Positions = ()


Item = TypeVar("Item", Site, Term)


def _local(item: Item) -> Item:
    """A site or term whose source is a file name and a line: a description is the same wherever the files lie."""
    return replace(item, source=Path(item.source).name)


def as_molecule(
    molecule: MoleculeType, forcefield: ForceFieldPart, kind: str, positions_nm: Positions = (), charge_scale: float = 1.0
) -> Molecule:  # fmt: skip
    """A molecule type with numbers from its types, charges times the scale, and sites without roles.

    Angles have their reference in degrees first, torsions the numbers of a potential (functions 1, 3, 5 and 9), and
    impropers are harmonic ones; terms of other kinds are left out, since only GROMACS needs them. A 1-4 pair has the
    factor on its Coulomb energy first, as with function 2. A bond to which the topology gives no length has the one of
    `positions_nm`. Raises ForceFieldError for a bond without any length, for an angle, torsion or 1-4 pair without numbers,
    for shells, for virtual sites without numbers or with a mass, and for Lennard-Jones numbers that belong to another
    combination rule.
    """
    virtual = _virtual(molecule)
    _check_sites(molecule, forcefield)
    _check_pairs(molecule, forcefield)

    def terms(section: str, functions: Sequence[int]) -> tuple[Term, ...]:
        found = []
        for term in molecule.terms.get(section, ()):
            if term.function in functions:
                rows = parameters(term, molecule, forcefield)
                if not rows:
                    names = " ".join(molecule.sites[site].bonded_class for site in term.sites)
                    raise ForceFieldError(
                        f"{term.source}: no numbers of function {term.function} in [ {section} ] for {names}; allowed: numbers "
                        f"in the row, or a row in [ {section[:-1]}types ]"
                    )
                # the numbers of a second state may follow
                count = NUMBERS[len(term.sites), term.function]
                found += [_local(replace(term, parameters=row[:count])) for row in rows]
        return tuple(found)

    fudge = (forcefield.defaults.fudge_qq,)
    positions = tuple((float(x), float(y), float(z)) for x, y, z in positions_nm)
    bonded = []
    for term in bonds(molecule, forcefield):
        i, j = term.sites
        if not term.parameters and not positions:
            raise ForceFieldError(f"{term.source}: a bond without a length; allowed: a molecule with a structure")
        bonded.append(_local(replace(term, parameters=term.parameters or (math.dist(positions[i], positions[j]),))))
    chemical = neighbours_of(len(molecule.sites), [(i, j) for i, j in (term.sites for term in bonded)])
    bonded += _connecting(molecule, forcefield, chemical)
    made = Molecule(
        name=molecule.name,
        kind=kind,
        formal_charge=round(molecule.charge),
        sites=tuple(_local(replace(site, charge=site.charge * charge_scale)) for site in molecule.sites),
        bonds=tuple(bonded),
        angles=terms("angles", (1, 2, 5, 6, 10)),
        dihedrals=terms("dihedrals", (1, 3, 5, 9)),
        impropers=terms("dihedrals", (2,)),
        pairs14=tuple(
            _local(replace(t, function=2, parameters=(t.parameters[:1] if t.function == 2 else ()) or fudge))
            for t in molecule.terms.get("pairs", ())
        ),
        positions_nm=positions,
        virtual=virtual,
    )
    excluded = _excluded(molecule, chemical)
    return made if excluded == made.separations().keys() else replace(made, exclusions=tuple(sorted(excluded)))


def _connecting(molecule: MoleculeType, forcefield: ForceFieldPart, chemical: list[list[int]]) -> list[Term]:
    """Constraints that are no chemical bonds but connect what no bond does, as in a rigid rod of two masses."""
    piece: dict[int, int] = {}
    for start in range(len(chemical)):
        if start not in piece:
            piece[start] = start
            for site in (front := [start]):
                new = [other for other in chemical[site] if other not in piece]
                piece |= dict.fromkeys(new, start)
                front += new
    found = []
    for term in molecule.terms.get("constraints", ()):
        i, j = sorted(term.sites)
        rows = parameters(term, molecule, forcefield) if term.function == 2 and piece[i] != piece[j] else []
        if rows:
            piece = {site: piece[i] if of == piece[j] else of for site, of in piece.items()}
            found.append(_local(replace(term, sites=(i, j), parameters=rows[0][:1])))
    return found


def _virtual(molecule: MoleculeType) -> tuple[Term, ...]:
    """Virtual sites in the order in which they can be placed. Refuses those that grompp works out, or that have a mass."""
    found = []
    for term in (term for section in VIRTUAL_SITES for term in molecule.terms.get(section, ())):
        site, *makers = term.sites
        if (term.label, term.function) not in FUNCTIONS or not makers:
            known = ", ".join(str(function) for section, function in FUNCTIONS if section == term.label)
            raise ForceFieldError(
                f"{term.source}: function {term.function} in [ {term.label} ]; allowed: {known}, and sites that it follows from"
            )
        if term.label == VIRTUAL_SITES[-1] and term.function == 2:
            term = replace(term, parameters=tuple(molecule.sites[maker].mass for maker in makers))
        if not term.parameters and PARAMETERS.get(term.label, {}).get(term.function):
            raise ForceFieldError(
                f"{term.source}: a virtual site without numbers, which grompp would take from bonds and angles; allowed: numbers "
                "in the row"
            )
        if molecule.sites[site].mass:
            raise ForceFieldError(
                f"{term.source}: {molecule.sites[site].name} is a virtual site with a mass of {molecule.sites[site].mass:g} g/mol; "
                "allowed: 0"
            )
        found.append(_local(term))
    found, left = in_order(found), set(molecule.virtual)
    for term in found:
        if early := sorted(left.intersection(term.sites[1:])):
            raise ForceFieldError(
                f"{molecule.where}: {molecule.name}: virtual site {molecule.sites[term.sites[0]].name} follows from "
                f"{molecule.sites[early[0]].name}, which GROMACS makes later; allowed: atoms, and virtual sites made before"
            )
        left.discard(term.sites[0])
    return tuple(found)


def _check_sites(molecule: MoleculeType, forcefield: ForceFieldPart) -> None:
    """Refuse what no analysis knows, names that a .gro file cannot hold, and Lennard-Jones numbers of another rule."""
    for n, site in enumerate(molecule.sites):
        own = forcefield.types[site.type]
        if max(len(site.name), len(site.residue)) > LONGEST_NAME:
            raise ForceFieldError(
                f"{site.source}: atom {site.name} of residue {site.residue}: names of up to {LONGEST_NAME} characters fit into "
                "a .gro file"
            )
        if own.particle not in ("A", "V", "D") or (own.particle != "A" and n not in molecule.virtual):
            raise ForceFieldError(
                f"{site.source}: atom {site.name} is a particle of kind {own.particle}, which no analysis knows; allowed: A, and V "
                "or D for virtual sites"
            )
        rule = forcefield.defaults.combination_rule
        sigma, epsilon = own.numbers
        if rule == 1:
            sigma, epsilon = sigma_epsilon((sigma, epsilon), site.type) if min(own.numbers) > 0 else (0.0, 0.0)
        # without one of the two there is nothing to compare
        if sigma and epsilon and not (_SIGMA_NM[0] <= abs(sigma) <= _SIGMA_NM[1] and 0 < epsilon <= _EPSILON_KJ_MOL):
            raise ForceFieldError(
                f"{site.source}: type {site.type} has sigma {sigma:.4g} nm and epsilon {epsilon:.4g} kJ/mol under combination "
                f"rule {rule}; allowed: {_SIGMA_NM[0]:g} to {_SIGMA_NM[1]:g} nm and up to {_EPSILON_KJ_MOL:g} kJ/mol, as "
                "rule 1 with C6 and C12, rules 2 and 3 with sigma and epsilon give them"
            )


def _check_pairs(molecule: MoleculeType, forcefield: ForceFieldPart) -> None:
    """Refuse a 1-4 pair for which grompp finds no numbers."""
    given = {type_key(row)[0] for row in forcefield.rows if row.section == "pairtypes"}
    for term in molecule.terms.get("pairs", ()):
        one, other = (molecule.sites[site].type for site in term.sites)
        types = (min(one, other), max(one, other))
        if not (term.parameters or forcefield.defaults.generates_pairs or types in given):
            raise ForceFieldError(
                f"{term.source}: no numbers for the 1-4 pair of {one} and {other}; allowed: numbers in the row, a row in "
                "[ pairtypes ], or gen-pairs yes in [ defaults ]"
            )


def _excluded(molecule: MoleculeType, neighbours: list[list[int]]) -> set[tuple[int, int]]:
    """Pairs (i < j) that GROMACS excludes: up to `nrexcl` chemical bonds apart, and the rows of [ exclusions ]."""
    excluded: set[tuple[int, int]] = set()
    for start in range(len(neighbours)):
        reached, front = {start}, {start}
        for _ in range(molecule.nrexcl):
            front = {site for near in front for site in neighbours[near]} - reached
            reached |= front
            if not front:
                break
        excluded |= {(start, site) for site in reached if site > start}
    for term in molecule.terms.get("exclusions", ()):
        first, *others = term.sites
        excluded |= {(min(first, other), max(first, other)) for other in others if other != first}
    return excluded


def describe_adopted(
    adopted: Sequence[Adopted], choice: ForceFieldChoice, forcefield: str | None = None
) -> SystemDescription:
    """Description of the box that `compose` writes for the parts, its force field as text where it is known; sites have no
    roles yet.

    Raises ForceFieldError as `compose` and `as_molecule` do.
    """
    if forcefield is None:
        forcefield = compose([entry.part for entry in adopted], "")["forcefield.itp"]
    return SystemDescription(
        tuple(
            MoleculeCount(
                as_molecule(
                    entry.part.molecule, entry.part.topology.forcefield, entry.kind, entry.positions_nm,
                    entry.part.charge_scale,
                ),
                entry.part.count,
            )
            for entry in adopted
        ),
        choice,
        hashlib.sha256(forcefield.encode()).hexdigest(),
    )  # fmt: skip
