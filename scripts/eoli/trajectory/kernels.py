"""Compiled loops over frames, pairs and bonds, on raw positions (frames, sites, 3) and box edges (frames, 3).

Positions and edges are single precision, nm, as in the file. Boxes are orthorhombic; every distance is a minimum image.
Positions may lie outside the box, and molecules may be broken across its faces. The pair loops have no branch on a
distance, so that the compiler can vectorise them.
"""

from __future__ import annotations

import math

import numpy as np

from eoli.core.arrays import Integers, Singles
from eoli.core.compiled import compiled

Vector = tuple[np.float32, np.float32, np.float32]

_compiled = compiled(error_model="numpy", fastmath={"contract"})


@_compiled
def _wrap(x: np.float32, edge: np.float32, per_edge: np.float32) -> np.float32:
    inside = x - edge * np.floor(x * per_edge)
    # rounding can end on the upper face, or just outside
    return inside if np.float32(0) <= inside < edge else np.float32(0)


@_compiled
def _box(edges: Singles) -> tuple[Vector, Vector]:
    """Edges and their inverses."""
    one = np.float32(1)
    return (edges[0], edges[1], edges[2]), (one / edges[0], one / edges[1], one / edges[2])


@_compiled
def _wrapped_site(positions: Singles, site: int, edges: Vector, per_edge: Vector) -> Vector:
    return (
        _wrap(positions[site, 0], edges[0], per_edge[0]),
        _wrap(positions[site, 1], edges[1], per_edge[1]),
        _wrap(positions[site, 2], edges[2], per_edge[2]),
    )


@_compiled
def _columns(positions: Singles, edges: Vector, per_edge: Vector, sites: Integers, into: Singles) -> None:
    """Wrapped positions of one frame's sites as columns (3, sites), the memory order of the pair loops."""
    for n in range(len(sites)):
        into[0, n], into[1, n], into[2, n] = _wrapped_site(positions, sites[n], edges, per_edge)


@_compiled
def _squared_distance(centre: Vector, edges: Vector, columns: Singles, n: int) -> np.float32:
    """Squared distance of two wrapped sites: the nearer of two neighbouring images, axis by axis."""
    x, y, z = abs(columns[0, n] - centre[0]), abs(columns[1, n] - centre[1]), abs(columns[2, n] - centre[2])
    x, y, z = min(x, edges[0] - x), min(y, edges[1] - y), min(z, edges[2] - z)
    return np.float32(x * x + y * y + z * z)


@_compiled
def _bond(positions: Singles, start: int, end: int, edges: Vector, per_edge: Vector) -> Vector:
    """Minimum-image vector between two bonded sites of one frame."""
    x = positions[end, 0] - positions[start, 0]
    y = positions[end, 1] - positions[start, 1]
    z = positions[end, 2] - positions[start, 2]
    x -= edges[0] * np.rint(x * per_edge[0])
    y -= edges[1] * np.rint(y * per_edge[1])
    z -= edges[2] * np.rint(z * per_edge[2])
    return x, y, z


@_compiled
def first_flaw(
    positions: Singles, boxes: Singles, bonds: Integers, least: Singles, most: Singles, reach: np.float32
) -> tuple[int, int]:
    """First frame that no run produces, and its bond (B, 2) with a length outside `least` to `most` (B,), nm.

    Instead of a bond: -1 for a coordinate more than `reach` edges from the box, -2 for the coordinates of the frame
    before. (-1, 0) if all is well.
    """
    for f in range(len(positions)):
        edges, per_edge = _box(boxes[f])
        moved = f == 0
        for n in range(positions.shape[1]):
            for k in range(3):
                if not abs(positions[f, n, k]) <= reach * edges[k]:
                    return f, -1
                if not moved and positions[f, n, k] != positions[f - 1, n, k]:
                    moved = True
        if not moved:
            return f, -2
        for b in range(len(bonds)):
            x, y, z = _bond(positions[f], bonds[b, 0], bonds[b, 1], edges, per_edge)
            if not least[b] <= np.sqrt(x * x + y * y + z * z) <= most[b]:
                return f, b
    return -1, 0


@_compiled
def wrapped(positions: Singles, boxes: Singles, sites: Integers) -> Singles:
    """Positions of `sites` inside the box, (frames, len(sites), 3)."""
    found = np.empty((len(positions), len(sites), 3), dtype=np.float32)
    for f in range(len(positions)):
        edges, per_edge = _box(boxes[f])
        for n in range(len(sites)):
            found[f, n, 0], found[f, n, 1], found[f, n, 2] = _wrapped_site(positions[f], sites[n], edges, per_edge)
    return found


@_compiled
def centres_of_mass(
    positions: Singles, boxes: Singles, molecules: Integers, parents: Integers, children: Integers, weights: Singles
) -> Singles:
    """Wrapped centres of mass, (frames, M, 3), of molecules made whole along their bonds.

    The centre is the position of site 0 plus the sum over the edges of a spanning tree of (mass beyond the edge / mass
    of the molecule) * bond vector. `molecules` (M, S) are sites; `parents`, `children` and `weights` (S - 1,) are the
    edges within one molecule.
    """
    found = np.empty((len(positions), len(molecules), 3), dtype=np.float32)
    for f in range(len(positions)):
        edges, per_edge = _box(boxes[f])
        for m in range(len(molecules)):
            sites = molecules[m]
            x, y, z = positions[f, sites[0]]
            for b in range(len(weights)):
                dx, dy, dz = _bond(positions[f], sites[parents[b]], sites[children[b]], edges, per_edge)
                x += weights[b] * dx
                y += weights[b] * dy
                z += weights[b] * dz
            found[f, m, 0] = _wrap(x, edges[0], per_edge[0])
            found[f, m, 1] = _wrap(y, edges[1], per_edge[1])
            found[f, m, 2] = _wrap(z, edges[2], per_edge[2])
    return found


@_compiled
def nearest(
    positions: Singles, boxes: Singles, centres: Integers, candidates: Integers, range_nm: np.float32, slots: int
) -> tuple[Integers, Singles]:
    """Candidates within `range_nm` of each centre, nearest first: sites, and distances nm, (frames, centres, slots).

    Padded with -1 and infinity; if there are more than `slots`, the nearest are kept.
    """
    sites = np.full((len(positions), len(centres), slots), -1, dtype=np.int32)
    distances = np.full((len(positions), len(centres), slots), np.inf, dtype=np.float32)
    n = len(candidates)
    first, second = np.empty((3, len(centres)), dtype=np.float32), np.empty((3, n), dtype=np.float32)
    squared = np.empty(n, dtype=np.float32)
    # few candidates are near: read eight flags at a time as one word
    near = np.zeros((n + 7) // 8 * 8, dtype=np.bool_)
    words = near.view(np.uint64)
    found = np.empty(n + 8, dtype=np.int64)
    limit = range_nm * range_nm
    for f in range(len(positions)):
        edges, per_edge = _box(boxes[f])
        _columns(positions[f], edges, per_edge, centres, first)
        _columns(positions[f], edges, per_edge, candidates, second)
        for i in range(len(centres)):
            centre = (first[0, i], first[1, i], first[2, i])
            for j in range(n):
                squared[j] = _squared_distance(centre, edges, second, j)
                near[j] = squared[j] <= limit
            n_found = 0
            for word in range(len(words)):
                if words[word]:
                    for j in range(8 * word, 8 * word + 8):
                        found[n_found] = j
                        n_found += near[j]
            row, sorted_squares = sites[f, i], distances[f, i]
            for h in range(n_found):
                square, k = squared[found[h]], min(h, slots - 1)
                if square >= sorted_squares[k]:
                    continue
                while k > 0 and sorted_squares[k - 1] > square:
                    sorted_squares[k], row[k] = sorted_squares[k - 1], row[k - 1]
                    k -= 1
                sorted_squares[k], row[k] = square, candidates[found[h]]
    return sites, np.sqrt(distances)


def all_within(
    positions: Singles, boxes: Singles, centres: Integers, candidates: Integers, range_nm: float, slots: int
) -> tuple[Integers, Singles]:
    """As `nearest`, with at least `slots` slots, and enough that the last of every list is free: no list is cut."""
    while True:
        sites, distances = nearest(positions, boxes, centres, candidates, np.float32(range_nm), slots)
        if not is_full(distances):
            return sites, distances
        slots = more_slots(slots)


def is_full(distances: Singles) -> bool:
    """Whether a list of `nearest` has no free slot, so that it may lack a neighbour."""
    return bool(np.isfinite(distances[..., -1]).any())


def more_slots(slots: int) -> int:
    """Number of slots to try after `slots` were too few."""
    return slots + slots // 2 + 1


@_compiled
def count_pairs(
    positions: Singles, boxes: Singles, first: Integers, second: Integers, starts: Integers, per_nm: np.float32,
    blocks: Integers, counts: Integers,
) -> None:  # fmt: skip
    """Add the pairs of `first` with `second` to `counts` (blocks, kinds, bins) by distance.

    Kind `k` is `second[starts[k]:starts[k + 1]]`; `blocks` (frames,) is the block of each frame; a bin is 1/per_nm
    wide. The bins must reach the largest minimum image, sqrt(3)/2 of the largest edge, so that no pair needs a test. A
    site in both groups counts as its own pair, in bin 0.
    """
    n = len(second)
    centres, partners = np.empty((3, len(first)), dtype=np.float32), np.empty((3, n), dtype=np.float32)
    bins = np.empty(n, dtype=np.int32)
    for f in range(len(positions)):
        edges, per_edge = _box(boxes[f])
        _columns(positions[f], edges, per_edge, first, centres)
        _columns(positions[f], edges, per_edge, second, partners)
        for i in range(len(first)):
            centre = (centres[0, i], centres[1, i], centres[2, i])
            for j in range(n):
                bins[j] = np.int32(np.sqrt(_squared_distance(centre, edges, partners, j)) * per_nm)
            for kind in range(len(starts) - 1):
                row = counts[blocks[f], kind]
                for distance in bins[starts[kind] : starts[kind + 1]]:
                    row[np.uint32(distance)] += 1


@_compiled
def chain_shapes(
    positions: Singles, boxes: Singles, molecules: Integers, parents: Integers, children: Integers, masses: Singles
) -> tuple[Singles, Singles]:
    """Mass-weighted radius of gyration (frames, M) and vector from first to last site (frames, M, 3) of whole chains.

    `molecules` (M, S) are sites, `masses` (S,) their masses; `parents` and `children` (S - 1,) are the edges of a
    spanning tree within one molecule, in the order of a walk from site 0.
    """
    gyration = np.empty((len(positions), len(molecules)), dtype=np.float32)
    ends = np.empty((len(positions), len(molecules), 3), dtype=np.float32)
    path = np.zeros((molecules.shape[1], 3), dtype=np.float32)
    total = masses.sum()
    for f in range(len(positions)):
        edges, per_edge = _box(boxes[f])
        for m in range(len(molecules)):
            sites = molecules[m]
            x, y, z, square = 0.0, 0.0, 0.0, 0.0
            for b in range(len(children)):
                child, parent = children[b], parents[b]
                dx, dy, dz = _bond(positions[f], sites[parent], sites[child], edges, per_edge)
                dx += path[parent, 0]
                dy += path[parent, 1]
                dz += path[parent, 2]
                path[child, 0], path[child, 1], path[child, 2] = dx, dy, dz
                x += masses[child] * dx
                y += masses[child] * dy
                z += masses[child] * dz
                square += masses[child] * (dx * dx + dy * dy + dz * dz)
            gyration[f, m] = math.sqrt(max(square / total - (x * x + y * y + z * z) / total**2, 0.0))
            ends[f, m, 0], ends[f, m, 1], ends[f, m, 2] = path[-1, 0], path[-1, 1], path[-1, 2]
    return gyration, ends


@_compiled
def torsions(positions: Singles, boxes: Singles, quadruples: Integers) -> tuple[Singles, Singles]:
    """Sine and cosine, up to a common factor, of the torsions of `quadruples` (Q, 4) of sites, each (frames, Q)."""
    sines = np.empty((len(positions), len(quadruples)), dtype=np.float32)
    cosines = np.empty_like(sines)
    for f in range(len(positions)):
        edges, per_edge = _box(boxes[f])
        for q in range(len(quadruples)):
            i, j, k, end = quadruples[q]
            ux, uy, uz = _bond(positions[f], i, j, edges, per_edge)
            vx, vy, vz = _bond(positions[f], j, k, edges, per_edge)
            wx, wy, wz = _bond(positions[f], k, end, edges, per_edge)
            # normals of the two planes
            ax, ay, az = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
            bx, by, bz = vy * wz - vz * wy, vz * wx - vx * wz, vx * wy - vy * wx
            sines[f, q] = math.sqrt(vx * vx + vy * vy + vz * vz) * (ux * bx + uy * by + uz * bz)
            cosines[f, q] = ax * bx + ay * by + az * bz
    return sines, cosines
