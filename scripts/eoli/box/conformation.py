"""Random conformations from a molecule's own bond lengths, angles and torsions."""

from __future__ import annotations

import itertools
import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from eoli.box.geometry import dihedral_deg, far_pairs, improper_deg, label
from eoli.core.arrays import Floats
from eoli.core.units import GAS_CONSTANT
from eoli.errors import ForceFieldError, RunError
from eoli.forcefield.models import NUMBERS
from eoli.topology.molecule import Molecule, Term

Angles = dict[tuple[int, int, int], float]

BUILD_TEMPERATURE_K = 400.0  # a melt: torsions are drawn from their own potential at this temperature
CLOSEST_NM = 0.25  # sites more than three bonds apart keep this distance
_GRID = np.radians(np.arange(-180.0, 180.0, 5.0))
_TETRAHEDRAL = math.acos(-1 / 3)
_THIRD = 2 * math.pi / 3


def torsion_energy(term: Term, angle: Floats) -> Floats:
    """Energy (kJ/mol) of a torsion at angles in radians, trans at pi; GROMACS functions 1 and 5.

    Raises ForceFieldError for another function, or another number of parameters than it takes.
    """
    if len(term.parameters) != NUMBERS.get((4, term.function)) or term.function not in (1, 5):
        raise ForceFieldError(
            f"a torsion of function {term.function} with {len(term.parameters)} parameters; allowed: 1 with 3, 5 with 4"
        )
    if term.function == 1:
        phase, k, n = term.parameters
        return np.asarray(k * (1 + np.cos(n * angle - math.radians(phase))))
    f1, f2, f3, f4 = term.parameters
    return np.asarray(
        0.5
        * (
            f1 * (1 + np.cos(angle))
            + f2 * (1 - np.cos(2 * angle))
            + f3 * (1 + np.cos(3 * angle))
            + f4 * (1 - np.cos(4 * angle))
        )
    )


@dataclass(frozen=True)
class _Placement:
    """Placement of a site: bonded to `parent`, at an angle to `axis`, with a torsion against `reference`.

    The torsion is drawn, or it is that of the `leader`, a neighbour of the parent placed earlier, plus an offset.
    `torsions` has the offsets of the sites whose torsions the draw determines.
    """

    site: int
    parent: int
    axis: int
    reference: int
    length_nm: float
    angle: float
    leader: int | None
    offset: float
    torsions: tuple[tuple[Term, float], ...]


def _offset(angles: Angles, centre: int, axis: int, one: int, other: int) -> float:
    """Turn (radians) about the bond `axis`-`centre` between two neighbours, from the three angles between bonds.

    Tetrahedral if an angle is unknown or no turn fits; flat if the three angles exceed 360 degrees.
    """
    try:
        first, second = angles[axis, centre, one], angles[axis, centre, other]
        cosine = (math.cos(angles[one, centre, other]) - math.cos(first) * math.cos(second)) / (
            math.sin(first) * math.sin(second)
        )
    except (KeyError, ZeroDivisionError):
        return _THIRD
    if cosine > 1:
        return _THIRD
    return math.acos(max(cosine, -1.0))


def _offsets(molecule: Molecule, centre: int, axis: int, around: list[int], angles: Angles) -> list[float]:
    """Turns (radians) of the other neighbours about the bond from `axis` to `centre`, relative to the first of them.

    A harmonic improper other than 0 decides their side. Raises ForceFieldError for more than four neighbours.
    """
    if len(around) > 3:
        raise ForceFieldError(
            f"{molecule.name}, {label(molecule, [centre])}: has {len(around) + 1} neighbours; "
            "a molecule with more than four around a centre needs positions_nm"
        )
    impropers = [term for term in molecule.impropers if term.sites[0] == centre]
    handed = [term for term in impropers if improper_deg(term)]
    if len(around) == 3:
        gaps = [_offset(angles, centre, axis, *pair) for pair in itertools.pairwise([*around, around[0]])]
        # six angles around a centre are one more than its degrees of freedom: the three gaps share the excess
        excess = (sum(gaps) - 2 * math.pi) / 3
        offsets = [0.0, gaps[0] - excess, excess - gaps[2]]
    elif impropers and not handed:
        offsets = [0.0, math.pi][: len(around)]
    else:
        offsets = [0.0, *(_offset(angles, centre, axis, around[0], site) for site in around[1:])]
    # the neighbours as they will lie around the centre, to tell its handedness
    x, z, origin = np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0]), np.zeros(3)
    lying = {centre: origin, axis: z}
    for site, offset in zip(around, offsets, strict=True):
        lying[site] = place_site(x, z, origin, 1.0, angles.get((axis, centre, site), _TETRAHEDRAL), offset)
    mirrored = any(dihedral_deg(*(lying[site] for site in term.sites)) * improper_deg(term) < 0 for term in handed)
    return [-offset for offset in offsets] if mirrored else offsets


def _plan(molecule: Molecule) -> list[_Placement]:
    """Order in which sites are placed after the first; torsion carriers before their siblings."""
    bonded = molecule.neighbours()
    angles: Angles = {}
    for term in molecule.angles:
        i, j, k = term.sites
        angles[i, j, k] = angles[k, j, i] = math.radians(term.parameters[0])
    lengths = {frozenset(t.sites): t.parameters[0] for t in molecule.bonds}
    quads: dict[tuple[int, int], list[tuple[int, int, Term]]] = {}
    for term in molecule.dihedrals:
        i, j, k, m = term.sites
        quads.setdefault((j, k), []).append((i, m, term))
        quads.setdefault((k, j), []).append((m, i, term))
    plan: list[_Placement] = []
    parent_of = {0: -1}
    queue = deque([0])
    while queue:
        parent = queue.popleft()
        axis = parent_of[parent]
        children = [n for n in bonded[parent] if n not in parent_of]
        carriers = quads.get((axis, parent), [])
        children.sort(key=lambda c: (c not in [m for _, m, _ in carriers], c))
        parent_of |= dict.fromkeys(children, parent)
        queue.extend(children)
        if axis < 0 and children:
            # the first site has no parent: its other neighbours turn about the bond to the first of them
            axis = children.pop(0)
            plan.append(_Placement(axis, parent, -1, -1, lengths[frozenset((parent, axis))], 0.0, None, 0.0, ()))
        if not children:
            continue
        placed = [n for n in bonded[axis] if n != parent and n in parent_of]
        wanted = [i for i, m, _ in carriers if m == children[0] and i in placed]
        reference = (wanted or placed or [-1])[0]
        offsets = dict(zip(children, _offsets(molecule, parent, axis, children, angles), strict=True))
        drawn = tuple((term, offsets[m]) for i, m, term in carriers if i == reference and m in offsets)
        for child, offset in offsets.items():
            angle, length = angles.get((axis, parent, child), _TETRAHEDRAL), lengths[frozenset((parent, child))]
            if child == children[0]:
                plan.append(_Placement(child, parent, axis, reference, length, angle, None, 0.0, drawn))
            else:
                plan.append(_Placement(child, parent, axis, reference, length, angle, children[0], offset, ()))
    return plan


def place_site(a: Floats, b: Floats, c: Floats, length: float, angle: float, torsion: float) -> Floats:
    """Position bonded to `c` with the angle at `c` against `b` and the torsion a-b-c-new (radians, nm).

    Natural extension reference frame, Parsons et al., J. Comput. Chem. 26 (2005) 1063.
    """
    bc = (c - b) / np.linalg.norm(c - b)
    normal = np.cross(b - a, bc)
    normal /= np.linalg.norm(normal)
    third = np.cross(normal, bc)
    return np.asarray(
        c
        - length * math.cos(angle) * bc
        + length * math.sin(angle) * (math.cos(torsion) * third + math.sin(torsion) * normal)
    )


def _draw(torsions: tuple[tuple[Term, float], ...], rng: np.random.Generator) -> float:
    for term, offset in torsions:
        if term.trans:
            return math.pi - offset
    energy = sum((torsion_energy(term, _GRID + offset) for term, offset in torsions), np.zeros_like(_GRID))
    weight = np.exp(-(energy - energy.min()) / (GAS_CONSTANT * BUILD_TEMPERATURE_K))
    centre = float(rng.choice(_GRID, p=weight / weight.sum()))
    return centre + float(rng.uniform(-0.5, 0.5)) * float(_GRID[1] - _GRID[0])


def random_conformation(molecule: Molecule, rng: np.random.Generator, tries: int = 2000) -> Floats:
    """Positions (nm, shape (n_sites, 3)) of one random, self-avoiding conformation about its centre.

    Grows the molecule site by site and steps back at collisions; a molecule with a start geometry has that one. Raises
    RunError after more than `tries` steps back, ForceFieldError if the terms do not determine the geometry of a centre.
    """
    if molecule.positions_nm:
        given = np.array(molecule.positions_nm)
        return np.asarray(given - given.mean(axis=0))
    plan = _plan(molecule)
    far = far_pairs(molecule)
    positions = np.zeros((len(molecule.sites), 3))
    torsion = np.zeros(len(molecule.sites))
    order = np.array([0, *(step.site for step in plan)])
    number = collisions = 0
    while number < len(plan):
        step = plan[number]
        placed = order[: number + 1]
        others = placed[far[step.site, placed]]
        fixed = step.leader is not None or any(term.trans for term, _ in step.torsions)
        for _ in range(1 if fixed else 20):
            positions[step.site], torsion[step.site] = _position(step, positions, torsion, rng)
            gaps = np.linalg.norm(positions[others] - positions[step.site], axis=1)
            if not len(gaps) or gaps.min() >= CLOSEST_NM:
                number += 1
                break
        else:
            collisions += 1
            if collisions > tries:
                raise RunError(f"{molecule.name}: no conformation without overlaps after {tries} steps back")
            # an occasional long step back, since a chain can trap itself in a pocket
            number = max(0, number - (40 if collisions % 20 == 0 else 6))
    return np.asarray(positions - positions.mean(axis=0))


def _position(step: _Placement, positions: Floats, torsion: Floats, rng: np.random.Generator) -> tuple[Floats, float]:
    parent = positions[step.parent]
    if step.axis < 0:
        return parent + np.array([step.length_nm, 0.0, 0.0]), 0.0
    axis = positions[step.axis]
    angle = _draw(step.torsions, rng) if step.leader is None else float(torsion[step.leader]) + step.offset
    # the first torsion has no reference: any direction off the bond will do
    anywhere = axis + np.array([0.001, 0.001, 1.001])
    reference = positions[step.reference] if step.reference >= 0 else anywhere
    return place_site(reference, axis, parent, step.length_nm, step.angle, angle), angle
