"""What moves as one particle: lithium, other cations, anions, chains and solvents, by molecule type."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eoli.core.arrays import Floats, Indices
from eoli.topology.description import SystemDescription
from eoli.topology.molecule import Molecule

FAMILIES = {
    "Li": "cation", "cation": "cation", "anion": "anion", "chain": "polymer", "solvent": "solvent",
}  # fmt: skip
"""Names of the families of species, and the kind of their molecules: `cation` are those without lithium."""
_TAKEN = ("Li", "anion", "chain")


@dataclass(frozen=True)
class Species:
    """Equal particles, each of which moves as one: molecules of one type.

    `label` names the type in results. `sites` (particles, sites of one); `masses` (sites of one,), g/mol, whose centre
    is followed; `bonds` (bonds, 2) between the sites of one, by their places. `charge` is the formal charge of a
    particle, e, `mass` what it adds to the system's, g/mol. `first` is its first particle within the family.
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
                    named[molecule.name], family, sites, masses, molecule.bonded, molecule.formal_charge, molecule.mass,
                    sum(len(of.sites) for of in before),
                )
            )  # fmt: skip
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
    return [sites for species in species_of(description).get(family, ()) for sites in species.sites]


def numbers_of(description: SystemDescription, family: str) -> Indices:
    """Number of the particle within its family of each site, -1 for sites of none, shape (n_sites,)."""
    found = np.full(description.n_sites, -1, dtype=np.int64)
    for number, sites in enumerate(members_of(description, family)):
        found[sites] = number
    return found
