"""Random conformations from a molecule's own bond lengths, angles and torsions."""

from __future__ import annotations

import itertools
import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from eoli.box.geometry import CONTACT_NM, angle_deg, dihedral_deg, far_pairs, improper_deg, label
from eoli.core.arrays import Floats, Indices
from eoli.core.units import GAS_CONSTANT
from eoli.errors import ForceFieldError, RunError
from eoli.forcefield.models import IONS, NUMBERS
from eoli.topology.molecule import Molecule, Term
from eoli.topology.virtual import place_virtual

Angles = dict[tuple[int, int, int], float]

BUILD_TEMPERATURE_K = 400.0  # a melt: torsions are drawn from their own potential at this temperature
CLOSEST_NM = 0.25  # sites more than three bonds apart keep this distance
STIFF_KJ_MOL = 30.0  # a torsion with a higher barrier, an ester or amide, stays as a structure has it: 9 RT in a melt
STRAIGHT = 0.05  # sine of an angle that shows no direction, 3 degrees from a line
_GRID = np.radians(np.arange(-180.0, 180.0, 5.0))
_TETRAHEDRAL = math.acos(-1 / 3)
_THIRD = 2 * math.pi / 3


def torsion_energy(term: Term, angle: Floats) -> Floats:
    """Energy (kJ/mol) of a torsion at angles in radians, trans at pi; GROMACS functions 1, 3, 5 and 9.

    Raises ForceFieldError for another function, or another number of parameters than it takes.
    """
    if len(term.parameters) != NUMBERS.get((4, term.function)) or term.function not in (1, 3, 5, 9):
        raise ForceFieldError(
            f"a torsion of function {term.function} with {len(term.parameters)} parameters; allowed: 1 with 3, 3 with 6, "
            "5 with 4, 9 with 3"
        )
    if term.function in (1, 9):
        phase, k, n = term.parameters
        return np.asarray(k * (1 + np.cos(n * angle - math.radians(phase))))
    if term.function == 3:
        # Ryckaert and Bellemans count from trans
        return np.asarray(np.polynomial.polynomial.polyval(np.cos(angle - math.pi), term.parameters))
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

    The torsion is `kept`, or drawn, or it is that of the `leader`, a neighbour of the parent placed earlier, plus an
    offset. `torsions` has the offsets of the torsions that the draw determines.
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
    kept: float | None = None


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


def _start(molecule: Molecule) -> int:
    """The first atom of a molecule."""
    return int(np.argmin(molecule.massless))


def _atoms_only(molecule: Molecule) -> Molecule:
    """A molecule without the terms of its virtual sites, which the atoms are drawn without.

    Raises ForceFieldError where its atoms are not connected without them.
    """
    if not molecule.virtual:
        return molecule
    massless = molecule.massless

    def of_atoms(terms: tuple[Term, ...]) -> tuple[Term, ...]:
        return tuple(term for term in terms if not massless[list(term.sites)].any())

    found = replace(
        molecule, bonds=of_atoms(molecule.bonds), angles=of_atoms(molecule.angles),
        dihedrals=of_atoms(molecule.dihedrals), impropers=of_atoms(molecule.impropers),
    )  # fmt: skip
    bonded, front = found.neighbours(), [_start(molecule)]
    left = set(np.flatnonzero(~massless).tolist()) - {*front}
    for site in front:
        front += left.intersection(bonded[site])
        left.difference_update(bonded[site])
    if left:
        raise ForceFieldError(
            f"{molecule.name}, {label(molecule, [min(left)])}: only virtual sites connect it with the first atom; allowed: bonds or "
            "constraints between the atoms with a mass"
        )
    return found


def _plan(molecule: Molecule) -> list[_Placement]:
    """Order in which sites are placed after the first; torsion carriers before their siblings."""
    bonded, start = molecule.neighbours(), _start(molecule)
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
    parent_of = {start: -1}
    queue = deque([start])
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


def _in_rings(tree: dict[int, int], bonded: list[list[int]]) -> set[tuple[int, int]]:
    """Bonds of a tree (parent of each site) that lie in a ring, in both directions."""
    found: set[tuple[int, int]] = set()

    def up(site: int) -> list[int]:
        way = [site]
        while tree[way[-1]] >= 0:
            way.append(tree[way[-1]])
        return way

    for i, near in enumerate(bonded):
        for j in near:
            if i < j and tree[i] != j and tree[j] != i:
                one, other = up(i), up(j)
                above = set(other)
                meeting = next(site for site in one if site in above)
                for way in (one, other):
                    steps = list(itertools.pairwise(way[: way.index(meeting) + 1]))
                    found |= {*steps, *((b, a) for a, b in steps)}
    return found


def _turn(x: Floats, a: int, b: int, c: int, d: int) -> float:
    """Dihedral a-b-c-d, radians."""
    return math.radians(dihedral_deg(x[a], x[b], x[c], x[d]))


def _energy(torsions: tuple[tuple[Term, float], ...]) -> Floats:
    """Energy (kJ/mol) of torsions with their offsets at the angles of the grid."""
    return sum((torsion_energy(term, _GRID + offset) for term, offset in torsions), np.zeros_like(_GRID))


def _barrier(energy: Floats) -> float:
    """Highest energy (kJ/mol above the lowest) on the way through all minima of a torsion, at even steps of a turn.

    The way leaves out the highest maximum, such as the eclipsed one of an ether: it goes round the other side.
    """
    maxima = energy[(energy > np.roll(energy, 1)) & (energy >= np.roll(energy, -1))]
    return float(np.sort(maxima)[-2] - energy.min()) if len(maxima) > 1 else 0.0


def _plan_like(molecule: Molecule, given: Floats) -> list[_Placement]:
    """The plan that rebuilds a geometry, with torsions drawn where the topology has a potential that lets them turn.

    Lengths, angles and the neighbours of each site relative to one another stay as given. So do torsions in rings,
    torsions without a term, and those with a barrier above STIFF_KJ_MOL.
    """
    bonded, start = molecule.neighbours(), _start(molecule)
    around: dict[tuple[int, int], list[Term]] = {}
    for term in molecule.dihedrals:
        i, j, k, m = term.sites
        if i in bonded[j] and j in bonded[k] and k in bonded[m]:
            around.setdefault((j, k), []).append(term)
            around.setdefault((k, j), []).append(replace(term, sites=(m, k, j, i)))
    tree, order = {start: -1}, [start]
    for parent in order:
        new = [site for site in bonded[parent] if site not in tree]
        tree |= dict.fromkeys(new, parent)
        order += new
    rings = _in_rings(tree, bonded)
    plan: list[_Placement] = []
    placed = {start}
    for parent in order:
        axis, children = tree[parent], [site for site in bonded[parent] if tree[site] == parent]
        if axis < 0 and children:
            axis = children.pop(0)
            length = float(np.linalg.norm(given[axis] - given[parent]))
            plan.append(_Placement(axis, parent, -1, -1, length, 0.0, None, 0.0, ()))
            placed.add(axis)
        if not children:
            continue
        # a reference in line with the bond would show no direction
        bends = {
            site: math.sin(math.radians(angle_deg(given[site], given[axis], given[parent])))
            for site in bonded[axis]
            if site != parent and site in placed
        }
        reference = max(bends, key=lambda site: bends[site], default=-1)
        if reference >= 0 and bends[reference] < STRAIGHT:
            raise ForceFieldError(
                f"{molecule.name}, {label(molecule, [reference, axis, parent])}: in one line, and more atoms follow; "
                "allowed: such a line at the end of a chain"
            )
        placed.update(children)
        for child in children:
            length = float(np.linalg.norm(given[child] - given[parent]))
            angle = math.radians(angle_deg(given[axis], given[parent], given[child]))
            first = children[0]
            if child != first:
                offset = _turn(given, first, axis, parent, child)
                plan.append(_Placement(child, parent, axis, reference, length, angle, first, offset, ()))
                continue
            drawn = tuple(
                (term, _turn(given, first, axis, parent, term.sites[3]) - _turn(given, reference, axis, parent, term.sites[0]))
                for term in around.get((axis, parent), ())
                if reference >= 0
            )  # fmt: skip
            kept = _turn(given, reference, axis, parent, child) if reference >= 0 else 0.0
            turns = bool(drawn) and (axis, parent) not in rings and _barrier(_energy(drawn)) <= STIFF_KJ_MOL
            plan.append(
                _Placement(
                    child,
                    parent,
                    axis,
                    reference,
                    length,
                    angle,
                    None,
                    0.0,
                    drawn if turns else (),
                    None if turns else kept,
                )
            )
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
    energy = _energy(torsions)
    weight = np.exp(-(energy - energy.min()) / (GAS_CONSTANT * BUILD_TEMPERATURE_K))
    centre = float(rng.choice(_GRID, p=weight / weight.sum()))
    return centre + float(rng.uniform(-0.5, 0.5)) * float(_GRID[1] - _GRID[0])


def random_conformation(molecule: Molecule, rng: np.random.Generator, tries: int = 2000) -> Floats:
    """Positions (nm, shape (n_sites, 3)) of one random, self-avoiding conformation about its centre.

    Grows the molecule site by site and steps back at collisions. An ion with a start geometry has that one; a polymer
    with one keeps all of it but the torsions that turn. Virtual sites lie where the atoms put them. Raises RunError after
    more than `tries` steps back, ForceFieldError if the terms do not determine the geometry of a centre, or in which of its
    states a stiff torsion of a polymer is, and if only virtual sites connect the atoms.
    """
    if molecule.positions_nm:
        given = np.array(molecule.positions_nm)
        if molecule.kind != "polymer":
            given = place_virtual(molecule.virtual, given)
            return np.asarray(given - given.mean(axis=0))
        return _grown(molecule, _plan_like(_atoms_only(molecule), given), CONTACT_NM, rng, tries)
    plan = _plan(_atoms_only(molecule))
    for step in plan:
        # what a melt cannot turn must not be drawn
        known = molecule.kind in IONS or any(term.trans for term, _ in step.torsions)
        if not known and (barrier := _barrier(_energy(step.torsions))) > STIFF_KJ_MOL:
            raise ForceFieldError(
                f"{molecule.name}, {label(molecule, [step.reference, step.axis, step.parent, step.site])}: a barrier of "
                f"{barrier:.0f} kJ/mol between the states of this torsion, and nothing says which is meant; allowed: up to "
                f"{STIFF_KJ_MOL:g} kJ/mol, or a structure"
            )
    return _grown(molecule, plan, CONTACT_NM if _all_atom(molecule) else CLOSEST_NM, rng, tries)


def _all_atom(molecule: Molecule) -> bool:
    """Whether a carbon has hydrogens of its own, which come closer to others than united atoms do."""
    masses = [site.mass for site in molecule.sites]
    return any(
        min(pair) < 2 and 11.5 < max(pair) < 12.5 for pair in ((masses[i], masses[j]) for i, j in molecule.bonded)
    )


def _grown(
    molecule: Molecule, plan: list[_Placement], closest_nm: float, rng: np.random.Generator, tries: int
) -> Floats:
    far = far_pairs(molecule)
    positions = np.zeros((len(molecule.sites), 3))
    torsion = np.zeros(len(molecule.sites))
    order = np.array([_start(molecule), *(step.site for step in plan)])
    follow = _following(molecule.virtual, order)
    virtual = np.array([term.sites[0] for of in follow for term in of], dtype=np.int64)
    done = np.cumsum([len(of) for of in follow])
    number = collisions = 0
    while number < len(plan):
        step = plan[number]
        new = [step.site, *(term.sites[0] for term in follow[number + 1])]
        placed = np.concatenate([order[: number + 1], virtual[: done[number]]])
        fixed = step.leader is not None or step.kept is not None or any(term.trans for term, _ in step.torsions)
        for _ in range(1 if fixed else 20):
            positions[step.site], torsion[step.site] = _position(step, positions, torsion, rng)
            if follow[number + 1]:
                positions = place_virtual(follow[number + 1], positions)
            if all(_apart(positions, site, placed[far[site, placed]], closest_nm) for site in new):
                number += 1
                break
        else:
            collisions += 1
            if collisions > tries:
                raise RunError(f"{molecule.name}: no conformation without overlaps after {tries} steps back")
            # an occasional long step back, since a chain can trap itself in a pocket
            number = max(0, number - (40 if collisions % 20 == 0 else 6))
    return np.asarray(positions - positions.mean(axis=0))


def _following(virtual: tuple[Term, ...], order: Indices) -> list[list[Term]]:
    """Virtual sites that each atom of an order completes; those of the first atom alone lie on it, as it begins at 0."""
    rank = {int(site): number for number, site in enumerate(order)}
    found: list[list[Term]] = [[] for _ in order]
    for term in virtual:
        rank[term.sites[0]] = last = max(rank[site] for site in term.sites[1:])
        found[last].append(term)
    return found


def _apart(positions: Floats, site: int, others: Indices, closest_nm: float) -> bool:
    """Whether a site keeps a distance from others."""
    gaps = np.linalg.norm(positions[others] - positions[site], axis=1)
    return not len(gaps) or bool(gaps.min() >= closest_nm)


def _position(step: _Placement, positions: Floats, torsion: Floats, rng: np.random.Generator) -> tuple[Floats, float]:
    parent = positions[step.parent]
    if step.axis < 0:
        return parent + np.array([step.length_nm, 0.0, 0.0]), 0.0
    axis = positions[step.axis]
    if step.kept is not None:
        angle = step.kept
    else:
        angle = _draw(step.torsions, rng) if step.leader is None else float(torsion[step.leader]) + step.offset
    # the first torsion has no reference: any direction off the bond will do
    anywhere = axis + np.array([0.001, 0.001, 1.001])
    reference = positions[step.reference] if step.reference >= 0 else anywhere
    return place_site(reference, axis, parent, step.length_nm, step.angle, angle), angle
