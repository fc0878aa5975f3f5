"""Elements of sites by their masses, united atoms with their hydrogens."""

from __future__ import annotations

from eoli.errors import DataError
from eoli.forcefield.models import ELEMENTS
from eoli.topology.molecule import Site

_MOST_HYDROGENS = 4
_BARE = ("H", "Li", "F", "Cl", "Na")
_OFF = 0.03
"""Largest difference of a mass from that of an element with whole hydrogens, g/mol."""


def atom_of(mass: float) -> tuple[str, int] | None:
    """Element of an atom by its mass, g/mol, and the hydrogens of a united atom, up to four; None if none fits.

    >>> atom_of(14.027), atom_of(14.0067), atom_of(12.011), atom_of(200.0)
    (('C', 2), ('N', 0), ('C', 0), None)
    """
    hydrogen = ELEMENTS["H"][1]
    off, hydrogens, symbol = min(
        (abs(mass - own - n * hydrogen), n, symbol)
        for symbol, (_, own) in ELEMENTS.items()
        for n in range(1 if symbol in _BARE else _MOST_HYDROGENS + 1)
    )
    return (symbol, hydrogens) if off <= _OFF else None


def atom_of_site(molecule: str, site: Site) -> tuple[str, int]:
    """`atom_of` of a site of a molecule. Raises DataError, naming both, where none fits."""
    atom = atom_of(site.mass)
    if atom is None:
        raise DataError(f"{molecule}, {site.name}: no element or CHn has a mass of {site.mass:g} g/mol")
    return atom


def element_of(mass: float) -> str | None:
    """The element alone."""
    found = atom_of(mass)
    return found and found[0]
