"""Random conformations from a molecule's own bond lengths, angles and torsions."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eoli.errors import RunError
from eoli.topology.molecule import Molecule, Term

Array = npt.NDArray[np.float64]

BUILD_TEMPERATURE_K = 400.0  # a melt: torsions are drawn from their own potential at this temperature
GAS_CONSTANT = 8.314462618e-3  # kJ/(mol K)
CLOSEST_NM = 0.25  # sites more than three bonds apart keep this distance
_GRID = np.radians(np.arange(-180.0, 180.0, 5.0))
_TETRAHEDRAL_ANGLE_DEG = 109.5


def torsion_energy(term: Term, angle: Array) -> Array:
    """Energy (kJ/mol) of a torsion at angles in radians, trans at pi; GROMACS functions 1 and 5."""
    if term.function == 1:
        phase, k, n = term.parameters
        return np.asarray(k * (1 + np.cos(n * angle - math.radians(phase))))
    if term.function == 5:
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
    raise ValueError(f"torsion function {term.function} is not known")


@dataclass(frozen=True)
class _Placement:
    """How a site is placed: bonded to `parent`, at an angle to `grandparent`, with a torsion against `reference`."""

    site: int
    parent: int
    grandparent: int
    reference: int
    length_nm: float
    angle: float
    sibling: int | None
    offset: float
    torsions: tuple[Term, ...]


def _neighbours(molecule: Molecule) -> list[list[int]]:
    lists: list[list[int]] = [[] for _ in molecule.sites]
    for bond in molecule.bonds:
        i, j = bond.sites
        lists[i].append(j)
        lists[j].append(i)
    return lists


def _length_nm(molecule: Molecule, i: int, j: int) -> float:
    return next(t.parameters[0] for t in molecule.bonds if t.sites in ((i, j), (j, i)))


def _angle(angles: dict[tuple[int, int, int], float], i: int, j: int, k: int) -> float:
    return angles.get((i, j, k), angles.get((k, j, i), math.radians(_TETRAHEDRAL_ANGLE_DEG)))


def _plan(molecule: Molecule) -> list[_Placement]:
    """Order in which sites are placed after the first; torsion carriers before their siblings."""
    neighbours = _neighbours(molecule)
    planar = {term.sites[0] for term in molecule.impropers}
    angles = {(t.sites[0], t.sites[1], t.sites[2]): math.radians(t.parameters[0]) for t in molecule.angles}
    lengths = {frozenset(t.sites): t.parameters[0] for t in molecule.bonds}
    around: dict[tuple[int, int], list[tuple[int, int, Term]]] = {}
    for term in molecule.dihedrals:
        i, j, k, m = term.sites
        around.setdefault((j, k), []).append((i, m, term))
        around.setdefault((k, j), []).append((m, i, term))
    plan: list[_Placement] = []
    parent_of = {0: -1}
    queue = deque([0])
    while queue:
        parent = queue.popleft()
        grandparent = parent_of[parent]
        children = [n for n in neighbours[parent] if n not in parent_of]
        carriers = around.get((grandparent, parent), [])
        children.sort(key=lambda c: (c not in [m for _, m, _ in carriers], c))
        reference = -1
        for number, child in enumerate(children):
            parent_of[child] = parent
            if number == 0 and grandparent >= 0:
                placed = [n for n in neighbours[grandparent] if n != parent and n in parent_of]
                wanted = [i for i, m, _ in carriers if m == child and i in placed]
                reference = wanted[0] if wanted else (placed[0] if placed else -1)
            sibling = children[0] if number else None
            step = math.pi if parent in planar else (2 * math.pi / 3 if number == 1 else -2 * math.pi / 3)
            if grandparent < 0 and number:
                # the first site has no grandparent: its other neighbours turn against the first of them
                grand, angle = children[0], _angle(angles, children[0], parent, child)
            else:
                grand = grandparent
                angle = _angle(angles, grandparent, parent, child) if grandparent >= 0 else 0.0
            plan.append(
                _Placement(
                    child, parent, grand, reference, lengths[frozenset((parent, child))], angle, sibling, step,
                    tuple(t for i, m, t in carriers if m == child and i == reference),
                )
            )  # fmt: skip
        queue.extend(children)
    return plan


def place_site(a: Array, b: Array, c: Array, length: float, angle: float, torsion: float) -> Array:
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


def _draw(torsions: tuple[Term, ...], rng: np.random.Generator) -> float:
    if any(term.trans for term in torsions):
        return math.pi
    energy = sum((torsion_energy(term, _GRID) for term in torsions), np.zeros_like(_GRID))
    weight = np.exp(-(energy - energy.min()) / (GAS_CONSTANT * BUILD_TEMPERATURE_K))
    centre = float(rng.choice(_GRID, p=weight / weight.sum()))
    return centre + float(rng.uniform(-0.5, 0.5)) * float(_GRID[1] - _GRID[0])


def _far_pairs(molecule: Molecule) -> npt.NDArray[np.bool_]:
    """Which pairs are more than three bonds apart, shape (n, n)."""
    neighbours = _neighbours(molecule)
    far = np.ones((len(molecule.sites),) * 2, dtype=bool)
    for start in range(len(molecule.sites)):
        reached, front = {start}, {start}
        for _ in range(3):
            front = {n for site in front for n in neighbours[site]} - reached
            reached |= front
        far[start, list(reached)] = False
    return far


def random_conformation(molecule: Molecule, rng: np.random.Generator, tries: int = 2000) -> Array:
    """Positions (nm, shape (n_sites, 3)) of one random, self-avoiding conformation about its centre.

    Grows the molecule site by site and steps back where it runs into itself. Raises RunError when it did so more than
    `tries` times.
    """
    plan = _plan(molecule)
    far = _far_pairs(molecule)
    positions = np.zeros((len(molecule.sites), 3))
    torsion = np.zeros(len(molecule.sites))
    order = np.array([0, *(step.site for step in plan)])
    number = collisions = 0
    while number < len(plan):
        step = plan[number]
        placed = order[: number + 1]
        others = placed[far[step.site, placed]]
        fixed = step.sibling is not None or any(term.trans for term in step.torsions)
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
            # now and then a long step back, for a chain can grow into a pocket of its own
            number = max(0, number - (40 if collisions % 20 == 0 else 6))
    return np.asarray(positions - positions.mean(axis=0))


def _position(step: _Placement, positions: Array, torsion: Array, rng: np.random.Generator) -> tuple[Array, float]:
    parent = positions[step.parent]
    if step.grandparent < 0:
        return parent + np.array([step.length_nm, 0.0, 0.0]), 0.0
    grandparent = positions[step.grandparent]
    if step.sibling is not None and step.grandparent != step.sibling:
        angle = float(torsion[step.sibling]) + step.offset
    elif step.sibling is not None:
        angle = step.offset
    else:
        angle = _draw(step.torsions, rng)
    # the first torsion of a molecule has nothing to be measured against: any direction off the bond will do
    anywhere = grandparent + np.array([0.001, 0.001, 1.001])
    reference = positions[step.reference] if step.reference >= 0 else anywhere
    return place_site(reference, grandparent, parent, step.length_nm, step.angle, angle), angle
