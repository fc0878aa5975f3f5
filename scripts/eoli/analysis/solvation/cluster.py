"""A solvation shell cut out of a box as a cluster of whole atoms, with the hydrogens that united atoms hide.

Ions and solvent molecules are taken whole. Of a chain, only the part around the sites that bind is: it is cut at bonds
between two tetrahedral carbons, and each cut ends in a hydrogen along the bond.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from eoli.core.arrays import Floats, Indices
from eoli.errors import DataError
from eoli.forcefield.models import ELEMENTS
from eoli.topology.description import SystemDescription
from eoli.topology.elements import atom_of_site
from eoli.topology.molecule import Molecule
from eoli.topology.species import tethered_anions

CH_NM = 0.109
"""Length of a C-H bond, nm: that of alkanes (CRC Handbook of Chemistry and Physics, bond lengths)."""
_TETRAHEDRAL = math.acos(-1 / 3)
_PLACES = "4 bonds in all, or CH with 2"
_SAME_NM = 1e-3
"""Largest difference of a distance along the bonds and one to the nearest image that are the same, nm."""


@dataclass(frozen=True)
class Cluster:
    """Atoms by element with positions (atoms, 3), nm, the lithium first and at the origin; charge, e.

    `molecule` (atoms,) numbers the pieces, the lithium being 0; `added` (atoms,) marks hydrogens that the simulation does
    not have.
    """

    symbols: tuple[str, ...]
    positions_nm: Floats
    molecule: Indices
    added: tuple[bool, ...]
    charge: int

    @property
    def electrons(self) -> int:
        """Number of electrons."""
        return sum(ELEMENTS[symbol][0] for symbol in self.symbols) - self.charge

    @property
    def closest_nm(self) -> float:
        """Smallest distance between atoms of two pieces, nm; infinity for a lithium alone."""
        gaps = np.linalg.norm(self.positions_nm[:, None] - self.positions_nm[None], axis=2)
        apart = self.molecule[:, None] != self.molecule[None]
        return float(gaps[apart].min(initial=math.inf))


@dataclass(frozen=True)
class _Type:
    """A molecule type: bonded neighbours, element and hidden hydrogens of each site, the part of a chain between cuts
    that it is in, parts next to each part, and the tethered anions."""

    neighbours: list[list[int]]
    atoms: list[tuple[str, int]]
    part: list[int]
    beside: dict[int, set[int]]
    anions: list[set[int]]


def _has_place(bonds: int, hydrogens: int) -> bool:
    return bonds > 0 and (bonds + hydrogens == 4 or (bonds, hydrogens) == (2, 1))


@cache
def _type_of(molecule: Molecule) -> _Type:
    neighbours = molecule.neighbours()
    atoms = []
    for site, bonded in zip(molecule.sites, neighbours, strict=True):
        atom = atom_of_site(molecule.name, site)
        if atom[1] and atom[0] != "C":
            raise DataError(f"{molecule.name}, {site.name}: a united atom of {atom[0]}; allowed: of carbon alone")
        if atom[1] and not _has_place(len(bonded), atom[1]):
            raise DataError(f"{molecule.name}, {site.name}: CH{atom[1]} with {len(bonded)} bonds; allowed: {_PLACES}")
        atoms.append(atom)
    tethered = [set(anion.sites) for anion in tethered_anions(molecule)]

    def is_cut(i: int, j: int) -> bool:
        tetrahedral = all(atoms[k][0] == "C" and len(neighbours[k]) + atoms[k][1] == 4 for k in (i, j))
        return molecule.kind == "polymer" and tetrahedral and not any({i, j} <= anion for anion in tethered)

    part = [-1] * len(atoms)
    for first in range(len(atoms)):
        if part[first] < 0:
            part[first] = first
            for at in (front := [first]):
                for other in neighbours[at]:
                    if part[other] < 0 and not is_cut(at, other):
                        part[other] = first
                        front.append(other)
    beside: dict[int, set[int]] = {own: set() for own in part}
    for i, j in molecule.bonded.tolist():
        if part[i] != part[j]:
            beside[part[i]].add(part[j])
            beside[part[j]].add(part[i])
    return _Type(neighbours, atoms, part, beside, tethered)


def kept_sites(molecule: Molecule, binding: Sequence[int]) -> list[int]:
    """Sites of a molecule that go into a cluster to which `binding` ones belong, all 0-based within the molecule.

    A part of a chain between two that bind is kept with them, so that a chelate stays in one piece.
    """
    of_type = _type_of(molecule)
    bound = {of_type.part[site] for site in binding}
    kept = bound | {part for part, beside in of_type.beside.items() if len(beside & bound) > 1}
    return [site for site, part in enumerate(of_type.part) if part in kept]


def hydrogens(directions: Floats, number: int, reference: Floats | None = None) -> Floats:
    """Unit vectors (number, 3) of the hydrogens of a carbon whose other bonds have unit vectors `directions` (k, 3).

    With four bonds in all they are tetrahedral: opposite the sum of the others, two of them in the plane across it, and
    three of them staggered to `reference`, a vector from the neighbour to one of its own. With three bonds in all, one
    hydrogen lies opposite the sum of the others. Raises DataError for another number of bonds.
    """
    if not _has_place(len(directions), number):
        raise DataError(f"a carbon with {len(directions)} bonds and {number} hydrogens; allowed: {_PLACES}")
    if number == 3:
        axis = directions[0]
        side = (
            np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
            if reference is None
            else reference - axis * (axis @ reference)
        )
        if (length := float(np.linalg.norm(side))) < 1e-6:
            return hydrogens(directions, number)
        # away from the reference by 180 and 60 degrees about the bond
        x = -side / length
        y = np.cross(axis, x)
        angles = np.radians([0.0, 120.0, 240.0])
        across = np.cos(angles)[:, None] * x + np.sin(angles)[:, None] * y
        return np.asarray(math.cos(_TETRAHEDRAL) * axis + math.sin(_TETRAHEDRAL) * across)
    away = -directions.sum(axis=0)
    away /= np.linalg.norm(away)
    if number == 1:
        return np.asarray(away[None])
    across = np.cross(directions[0], directions[1])
    across /= np.linalg.norm(across)
    half = _TETRAHEDRAL / 2
    return np.asarray([math.cos(half) * away + sign * math.sin(half) * across for sign in (1, -1)])


def _unwrapped(
    of_type: _Type, kept: set[int], first: int, start: Floats, positions: Floats, box: Floats
) -> dict[int, Floats]:
    """Positions of the kept sites that bonds connect to `first`, and of their neighbours, from `start` along the bonds."""
    placed = {first: start}
    for site in (front := [first]):
        for other in of_type.neighbours[site]:
            if other not in placed:
                step = positions[other] - positions[site]
                placed[other] = placed[site] + step - box * np.round(step / box)
                if other in kept:
                    front.append(other)
    return placed


def _atoms(of_type: _Type, piece: list[int], placed: dict[int, Floats]) -> list[tuple[str, Floats, bool]]:
    """Atoms of a piece, each site followed by the hydrogens that it gets."""
    found, inside = [], set(piece)
    for site in piece:
        at, (element, hidden) = placed[site], of_type.atoms[site]
        found.append((element, at, False))
        bonds = {other: placed[other] - at for other in of_type.neighbours[site]}
        units = {other: bond / np.linalg.norm(bond) for other, bond in bonds.items()}
        found += [("H", at + CH_NM * unit, True) for other, unit in units.items() if other not in inside]
        if hidden:
            reference = None
            if len(units) == 1:
                (neighbour,) = units
                beyond = [placed[other] for other in of_type.neighbours[neighbour] if other != site and other in placed]
                reference = beyond[0] - placed[neighbour] if beyond else None
            new = hydrogens(np.array(list(units.values())).reshape(-1, 3), hidden, reference)
            found += [("H", at + CH_NM * unit, True) for unit in new]
    return found


def cluster_of(
    description: SystemDescription, positions: Floats, box: Floats, lithium: int, binding: Sequence[int]
) -> Cluster | None:
    """The cluster of a lithium and all molecules that `binding` sites belong to; sites by number in the box.

    `positions` (n_sites, 3) and `box` (3,) in nm. None where a piece of a chain binds the lithium through images of
    itself: the box is too small for a cluster. Raises DataError for atoms that cannot be recognised by mass, or whose
    hydrogens have no place.
    """
    found: list[tuple[str, Floats, bool]] = [("Li", np.zeros(3), False)]
    number, molecule_of, charge = 0, [0], 1
    for molecule, sites in description.parts():
        if molecule.kind == "cation":
            continue
        for copy in sites[np.isin(sites, binding).any(axis=1)]:
            own = np.flatnonzero(np.isin(copy, binding)).tolist()
            of_type, kept = _type_of(molecule), set(kept_sites(molecule, own))
            local = positions[copy]
            if molecule.kind == "polymer":
                per_anion = molecule.formal_charge // len(of_type.anions) if of_type.anions else 0
                charge += per_anion * sum(anion <= kept for anion in of_type.anions)
            else:
                charge += molecule.formal_charge
            left = list(own)
            while left:
                gap = local[left[0]] - positions[lithium]
                placed = _unwrapped(of_type, kept, left[0], gap - box * np.round(gap / box), local, box)
                piece = sorted(kept & placed.keys())
                for site in (here := [site for site in left if site in placed]):
                    to = local[site] - positions[lithium]
                    nearest = np.linalg.norm(to - box * np.round(to / box))
                    if abs(np.linalg.norm(placed[site]) - nearest) > _SAME_NM:
                        return None
                left = [site for site in left if site not in here]
                atoms = _atoms(of_type, piece, placed)
                number += 1
                found += atoms
                molecule_of += [number] * len(atoms)
    symbols, points, added = zip(*found, strict=True)
    return Cluster(symbols, np.array(points), np.array(molecule_of, dtype=np.int64), added, charge)


def xyz_text(cluster: Cluster, comment: str) -> str:
    """The cluster as an XYZ file in angstrom; charge and multiplicity stand first in the comment.

    Raises DataError for an odd number of electrons: all molecules here have closed shells.
    """
    if cluster.electrons % 2:
        raise DataError(f"a cluster of {cluster.electrons} electrons ({comment}); allowed: an even number")
    lines = [str(len(cluster.symbols)), f"charge={cluster.charge} multiplicity=1 {comment}"]
    for symbol, (x, y, z) in zip(cluster.symbols, 10 * cluster.positions_nm + 0.0, strict=True):
        lines.append(f"{symbol:2s} {x:12.5f} {y:12.5f} {z:12.5f}")
    return "\n".join(lines) + "\n"
