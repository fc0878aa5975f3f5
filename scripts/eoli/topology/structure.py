"""Start geometries from structure files that others made."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from eoli.core.arrays import Floats
from eoli.errors import InputError
from eoli.topology.imported import BOND_NM, MoleculeType

_WIDTHS = {".gro": 5, ".pdb": 4}
"""Formats, with the characters that an atom name has there at most."""


def read_structure(path: Path, molecule: MoleculeType) -> Floats:
    """Positions (nm, shape (n_sites, 3)) of one molecule, whose atoms stand in the order of its topology.

    Raises InputError, one line that names file and atom, for a file that is unreadable or of another format, for atoms
    whose number or names are not those of the topology, and for bonded atoms that are not beside each other.
    """
    if path.suffix.lower() not in _WIDTHS:
        raise InputError(f"{path}: {path.suffix or 'no suffix'!r} is not allowed; allowed: {', '.join(_WIDTHS)}")
    if not path.is_file():
        raise InputError(f"{path}: no such file; allowed: a structure of {molecule.name}")
    if not path.stat().st_size:
        raise InputError(f"{path}: is empty; allowed: a structure of {molecule.name}")
    from MDAnalysis import Universe

    try:
        with warnings.catch_warnings():
            # it misses masses and types, which the topology has
            warnings.simplefilter("ignore")
            atoms = Universe(str(path), to_guess=()).atoms
            names, positions = [str(name) for name in atoms.names], np.array(atoms.positions, dtype=np.float64) / 10
    except Exception as error:  # MDAnalysis raises whatever its parser stumbles on
        said = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: no structure: {said}; allowed: a file of one molecule") from error
    width = _WIDTHS[path.suffix.lower()]
    if len(names) != len(molecule.sites):
        raise InputError(
            f"{path}: {len(names)} atoms; allowed: {len(molecule.sites)}, those of {molecule.name} in {molecule.where}"
        )
    for number, (name, site) in enumerate(zip(names, molecule.sites, strict=True), start=1):
        if name != site.name[:width]:
            raise InputError(
                f"{path}: atom {number} is {name!r}; allowed: {site.name[:width]!r}, as in {site.source}, in the same order"
            )
    if not np.isfinite(positions).all():
        raise InputError(f"{path}: a position is not finite; allowed: numbers")
    for term in (term for section in ("bonds", "constraints") for term in molecule.terms.get(section, ())):
        i, j = term.sites
        if not BOND_NM[0] <= (length := float(np.linalg.norm(positions[i] - positions[j]))) <= BOND_NM[1]:
            raise InputError(
                f"{path}: atoms {i + 1} and {j + 1}, bonded in {term.source}, are {length:.3f} nm apart; allowed: "
                f"{BOND_NM[0]:g} to {BOND_NM[1]:g} nm, a molecule that no face of a box cuts"
            )
    return positions
