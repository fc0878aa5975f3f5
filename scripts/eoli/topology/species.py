"""What moves as one particle: lithium, other cations, anions, chains and solvents, by molecule type.

The anions that are tethered to a chain are species of their own beside it. A tethered anion is the atoms of a chain with
roles of an anion that are up to `_TETHERED_BONDS` bonds apart, directly or through others of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from eoli.core.arrays import Floats, Indices
from eoli.topology.description import SystemDescription
from eoli.topology.molecule import Molecule

FAMILIES = {
    "Li": "cation", "cation": "cation", "anion": "anion", "chain": "polymer", "solvent": "solvent",
}  # fmt: skip
"""Names of the families of species, and the kind of their molecules: `cation` are those without lithium."""
_TAKEN = ("Li", "anion", "chain")
_TETHERED_BONDS = 3


@dataclass(frozen=True)
class Species:
    """Equal particles, each of which moves as one: molecules of one type, or the anions tethered to one.

    `label` names the type in results. `sites` (particles, sites of one); `masses` (sites of one,), g/mol, whose centre
    is followed, zero for virtual sites and for sites that only connect a tethered anion; `bonds` (bonds, 2) connect the
    sites of one, by their places. `charge` is the formal charge of a particle, e, `mass` what it adds to the system's, g/mol: nothing for a
    tethered anion, which is part of its chain. `first` is its first particle within the family.
    """

    label: str
    family: str
    sites: Indices
    masses: Floats
    bonds: Indices
    charge: int
    mass: float
    first: int

    @property
    def particles(self) -> slice:
        """Its particles within the family."""
        return slice(self.first, self.first + len(self.sites))


def labels(names: Sequence[str]) -> dict[str, str]:
    """Labels of molecule types in keys and columns: letters, digits, `_` and `-`, different for different types.

    >>> labels(["EC", "Cl-", "Cl+", "chain"])
    {'EC': 'EC', 'Cl-': 'Cl-', 'Cl+': 'Cl_', 'chain': 'chain_2'}
    """
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
        used = {*_TAKEN, *found.values()}
        numbered = (f"{plain}_{number}" for number in range(2, len(used) + 3))
        found[name] = plain if plain not in used else next(label for label in numbered if label not in used)
    return found


def family_of(molecule: Molecule) -> str:
    """Family of the species that a molecule is."""
    if molecule.kind == "cation":
        return "Li" if any(site.role == "Li" for site in molecule.sites) else "cation"
    return next(family for family, kind in FAMILIES.items() if kind == molecule.kind)


@dataclass(frozen=True)
class Tethered:
    """An anion of a chain: its atoms and those between them, `sites` in increasing order, of which `own` are its atoms."""

    sites: tuple[int, ...]
    own: tuple[bool, ...]


def _near(start: int, neighbours: Sequence[Sequence[int]]) -> dict[int, list[int]]:
    """Atoms up to `_TETHERED_BONDS` bonds away, each with a shortest path to it."""
    paths, front = {start: [start]}, [start]
    for _ in range(_TETHERED_BONDS):
        reached = []
        for atom in front:
            for other in neighbours[atom]:
                if other not in paths:
                    paths[other] = [*paths[atom], other]
                    reached.append(other)
        front = reached
    return paths


def tethered_anions(molecule: Molecule) -> list[Tethered]:
    """The anions of a chain, in the order of their first atoms; none for other molecules."""
    if molecule.kind != "polymer":
        return []
    atoms = {k for k, site in enumerate(molecule.sites) if (site.role or "").startswith("anion_")}
    neighbours = molecule.neighbours() if atoms else []
    found, left = [], sorted(atoms)
    while left:
        own, between = {left[0]}, set()
        for atom in (front := [left[0]]):
            for other, path in _near(atom, neighbours).items():
                if other in atoms:
                    between |= {*path} - atoms
                    front += [other] if other not in own else []
                    own.add(other)
        sites = tuple(sorted(own | between))
        found.append(Tethered(sites, tuple(site in own for site in sites)))
        left = [atom for atom in left if atom not in own]
    return found


def _tethered_species(molecule: Molecule, chains: Indices, label: str) -> list[Species]:
    """Species of the anions of a type of chain: those of equal masses and bonds are one. Their `first` is to be set."""
    anions = tethered_anions(molecule)
    alike: dict[tuple[tuple[float, ...], tuple[tuple[int, int], ...]], list[Tethered]] = {}
    for anion in anions:
        place = {site: k for k, site in enumerate(anion.sites)}
        masses = tuple(molecule.sites[k].mass if own else 0.0 for k, own in zip(anion.sites, anion.own, strict=True))
        bonds = tuple((place[i], place[j]) for i, j in molecule.bonded.tolist() if i in place and j in place)
        alike.setdefault((masses, bonds), []).append(anion)
    return [
        Species(
            f"{label}_anion" if number == 1 else f"{label}_anion_{number}", "anion",
            chains[:, np.array([anion.sites for anion in same])].reshape(-1, len(masses)), np.array(masses),
            np.array(bonds, dtype=np.int64).reshape(-1, 2), molecule.formal_charge // len(anions), 0.0, 0,
        )
        for number, ((masses, bonds), same) in enumerate(alike.items(), start=1)
    ]  # fmt: skip


def species_of(description: SystemDescription) -> dict[str, tuple[Species, ...]]:
    """Species by family, in the order of the topology; families that the system lacks are absent."""
    named = labels([entry.molecule.name for entry in description.molecules])
    found: dict[str, list[Species]] = {}
    for kind in dict.fromkeys(FAMILIES.values()):
        for molecule, sites in description.types_of(kind):
            family = family_of(molecule)
            before = found.setdefault(family, [])
            masses = np.array([site.mass for site in molecule.sites])
            before.append(
                Species(
                    named[molecule.name], family, sites, masses, molecule.links, molecule.formal_charge, molecule.mass,
                    sum(len(of.sites) for of in before),
                )
            )  # fmt: skip
    used = {*_TAKEN, *named.values()}
    for molecule, chains in description.types_of("polymer"):
        for species in _tethered_species(molecule, chains, named[molecule.name]):
            before = found.setdefault("anion", [])
            # a molecule type may be called like it
            label = next(
                label for label in (species.label + "_" * n for n in range(len(used) + 1)) if label not in used
            )
            used.add(label)
            before.append(replace(species, label=label, first=sum(len(of.sites) for of in before)))
    return {family: tuple(found[family]) for family in FAMILIES if family in found}


def apart(families: dict[str, tuple[Species, ...]]) -> tuple[Species, ...]:
    """Species with results of their own: solvents, cations other than lithium, and the types of a family of several."""
    return tuple(
        species
        for family, of_family in families.items()
        for species in of_family
        if family in ("cation", "solvent") or (family != "Li" and len(of_family) > 1)
    )


def members_of(description: SystemDescription, family: str) -> list[Indices]:
    """Sites of each particle of a family, in the order of `species_of`."""
    found = species_of(description).get(family, ())
    return [sites for species in found for sites in species.sites[:, species.masses > 0]]


def numbers_of(description: SystemDescription, family: str) -> Indices:
    """Number of the particle within its family of each site, -1 for sites of none, shape (n_sites,)."""
    found = np.full(description.n_sites, -1, dtype=np.int64)
    for number, sites in enumerate(members_of(description, family)):
        found[sites] = number
    return found
