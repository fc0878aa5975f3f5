"""Checks of start geometries: a molecule against its own terms, a packed box for contacts between molecules."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist, squareform

from eoli.core.arrays import Floats
from eoli.errors import ForceFieldError, RunError
from eoli.topology.description import SystemDescription
from eoli.topology.molecule import Molecule, Term

BOND_NM = 0.01  # allowed deviations from the reference of a term
ANGLE_DEG = 20.0
TRANS_DEG = 30.0
CONTACT_NM = 0.2  # sites of a molecule more than three bonds apart keep this distance
KEPT_TOLERANCE = 0.9  # PACKMOL may fall short of its tolerance by a tenth


def far_pairs(molecule: Molecule) -> npt.NDArray[np.bool_]:
    """Mask of pairs more than three bonds apart, shape (n, n). A virtual site counts as its atom, too."""
    far = ~np.eye(len(molecule.sites), dtype=bool)
    for i, j in molecule.separations():
        far[i, j] = far[j, i] = False
    hosts = molecule.hosts
    return far & far[np.ix_(hosts, hosts)]


def angle_deg(a: Floats, b: Floats, c: Floats) -> float:
    """Angle a-b-c, degrees."""
    u, v = a - b, c - b
    return math.degrees(math.atan2(float(np.linalg.norm(np.cross(u, v))), float(np.dot(u, v))))


def dihedral_deg(a: Floats, b: Floats, c: Floats, d: Floats) -> float:
    """Dihedral a-b-c-d with the sign of GROMACS (IUPAC), degrees, trans at 180."""
    u, v, w = b - a, c - b, d - c
    normal = np.cross(v, w)
    return math.degrees(math.atan2(float(np.linalg.norm(v) * np.dot(u, normal)), float(np.dot(np.cross(u, v), normal))))


def improper_deg(term: Term) -> float:
    """Angle (degrees) at which an improper keeps its centre: non-zero only for harmonic ones (GROMACS function 2)."""
    return term.parameters[0] if term.function == 2 else 0.0


def label(molecule: Molecule, sites: Sequence[int]) -> str:
    """Sites of a molecule, as named in messages."""
    shown = (molecule.sites[i] for i in sites)
    return "-".join(f"{site.residue}{site.residue_number}:{site.name}" for site in shown)


def _measured(molecule: Molecule, x: Floats) -> Iterator[tuple[str, tuple[int, ...], float, float, float]]:
    """(what, sites, value, reference, allowed deviation) of each term with an angle, all in degrees."""
    for term in molecule.angles:
        i, j, k = term.sites
        yield "angle", term.sites, angle_deg(x[i], x[j], x[k]), term.parameters[0], ANGLE_DEG
    for term in molecule.dihedrals:
        if term.trans:
            i, j, k, m = term.sites
            yield "trans torsion", term.sites, dihedral_deg(x[i], x[j], x[k], x[m]), 180.0, TRANS_DEG
    for term in molecule.impropers:
        i, j, k, m = term.sites
        value, reference = dihedral_deg(x[i], x[j], x[k], x[m]), improper_deg(term)
        what = "improper dihedral of the wrong handedness" if value * reference < 0 else "improper dihedral"
        yield what, term.sites, value, reference, ANGLE_DEG


def check_molecule(molecule: Molecule, positions_nm: Floats) -> None:
    """Check a conformation, positions in nm, against the terms of its molecule.

    Raises ForceFieldError, naming the atoms, for a non-finite position, a bond, angle, trans torsion or improper far
    off its reference, a centre of the wrong handedness, and overlapping sites: the molecule's terms or its start
    geometry contradict each other.
    """
    broken = np.flatnonzero(~np.isfinite(positions_nm).all(axis=1))
    if len(broken):
        raise ForceFieldError(f"{molecule.name}, {label(molecule, [int(broken[0])])}: the start position is not finite")
    for term in molecule.bonds:
        i, j = term.sites
        length, reference = float(np.linalg.norm(positions_nm[i] - positions_nm[j])), term.parameters[0]
        if abs(length - reference) > BOND_NM:
            raise ForceFieldError(
                f"{molecule.name}, {label(molecule, term.sites)}: the start geometry has a bond of {length:.3f} nm; "
                f"allowed: {reference:.3f} +- {BOND_NM:g} nm"
            )
    for what, sites, value, reference, allowed in _measured(molecule, positions_nm):
        if abs((value - reference + 180) % 360 - 180) > allowed:
            raise ForceFieldError(
                f"{molecule.name}, {label(molecule, sites)}: the start geometry has {what} {value:.1f} degrees; "
                f"allowed: {reference:.1f} +- {allowed:g} degrees"
            )
    gaps = np.where(far_pairs(molecule), squareform(pdist(positions_nm)), np.inf)
    i, j = divmod(int(gaps.argmin()), len(gaps))
    if gaps[i, j] < CONTACT_NM:
        raise ForceFieldError(
            f"{molecule.name}, {label(molecule, [i])} and {label(molecule, [j])}: the start geometry has them "
            f"{gaps[i, j]:.3f} nm apart; allowed: {CONTACT_NM:g} nm or more"
        )


def _box_label(description: SystemDescription, index: int) -> str:
    for entry in description.molecules:
        size = len(entry.molecule.sites)
        if index < size * entry.count:
            copy, site = divmod(index, size)
            return f"{entry.molecule.name} {copy + 1} {label(entry.molecule, [site])}"
        index -= size * entry.count
    raise IndexError(index)


def _closest(positions: Floats, owner: npt.NDArray[np.int64], edges: Floats, reach: float) -> tuple[float, int, int]:
    """(distance, site, site) of the closest two sites with different owners; infinite distance without any.

    Looks for pairs within `reach` first and then farther.
    """
    wrapped = positions % edges
    # a tiny negative number modulo the edge is the edge itself
    wrapped[wrapped >= edges] = 0.0
    tree = cKDTree(wrapped, boxsize=edges)
    while reach < 2 * edges.max():
        pairs = tree.query_pairs(reach, output_type="ndarray")
        pairs = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]
        if len(pairs):
            shift = positions[pairs[:, 1]] - positions[pairs[:, 0]]
            gaps = np.linalg.norm(shift - edges * np.round(shift / edges), axis=1)
            best = int(gaps.argmin())
            return float(gaps[best]), int(pairs[best, 0]), int(pairs[best, 1])
        reach *= 2
    return math.inf, -1, -1


def check_box(
    description: SystemDescription, positions_nm: Floats, edges_nm: npt.ArrayLike, tolerance_nm: float
) -> float:
    """Smallest periodic distance (nm) between sites of different molecules in a box with these edges (one number: a
    cube); infinite for one molecule.

    Raises RunError, naming the sites, for a non-finite position, a torn molecule, and molecules closer than PACKMOL's
    tolerance allows.
    """
    broken = np.flatnonzero(~np.isfinite(positions_nm).all(axis=1))
    if len(broken):
        raise RunError(f"the packed box has a position that is not finite: {_box_label(description, int(broken[0]))}")
    bonds, references = description.bonds(), description.bond_lengths_nm()
    lengths = np.linalg.norm(positions_nm[bonds[:, 0]] - positions_nm[bonds[:, 1]], axis=1)
    for torn in np.flatnonzero(np.abs(lengths - references) > BOND_NM):
        one, other = (_box_label(description, int(site)) for site in bonds[torn])
        raise RunError(
            f"the packed box has a bond of {lengths[torn]:.3f} nm between {one} and {other}; "
            f"allowed: {references[torn]:.3f} +- {BOND_NM:g} nm"
        )
    sizes = [len(entry.molecule.sites) for entry in description.molecules for _ in range(entry.count)]
    edges = np.broadcast_to(np.asarray(edges_nm, dtype=np.float64), 3)
    gap, i, j = _closest(positions_nm, np.repeat(np.arange(len(sizes)), sizes), edges, tolerance_nm)
    if gap < KEPT_TOLERANCE * tolerance_nm:
        raise RunError(
            f"the packed box has {_box_label(description, i)} and {_box_label(description, j)} {gap:.3f} nm apart; "
            f"allowed: {KEPT_TOLERANCE * tolerance_nm:g} nm or more"
        )
    return gap
