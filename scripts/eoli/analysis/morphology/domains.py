"""Domains of the blocks of a copolymer: connectivity through the periodic box, and degree of segregation.

Both are compared with random arrangements of the labels on the same positions: a majority component percolates in any
mixture, so percolation alone says nothing about structure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from eoli.core.arrays import Floats, Indices
from eoli.core.compiled import compiled
from eoli.core.periodic import inside_box
from eoli.errors import DataError
from eoli.topology.description import SystemDescription

Pairs = npt.NDArray[np.int32]
Labels = npt.NDArray[np.int8]
Verdict = Literal["above", "below", "not distinguishable"]

CONNECTIVITY = ("domains", "largest_share", "dimensions", "x", "y", "z", "xyz")
"""Results of `Connections.of` per block: number of domains, share of sites in the largest, independent directions (0 to
3) in which a domain percolates; 1 or 0 for percolation along each axis, and for percolation of one domain in all three
dimensions."""
NULLS = ("chains", "sites")
"""Random arrangements: whole chains with reversed labels, or shuffled labels of all sites."""

GRID_NM = 0.15
SMOOTHING_NM = 0.3
LABELLINGS = 20
NULL_FRAMES = 5
_SPREADS = 3.0
_HYDROGEN = 1.5
_SEED = 2022


@dataclass(frozen=True)
class Blocks:
    """The sites of the polymer without hydrogens, chain by chain.

    `names` of the blocks in chain order, `sites` (chains, sites of one), and `labels` of the same shape: indices into
    `names`. Chains of several types stand in one row, and are not `alike`: they have no random arrangements.
    """

    names: tuple[str, ...]
    sites: Indices
    labels: Labels
    alike: bool = True


def site_labels(description: SystemDescription) -> tuple[tuple[str, ...], Labels]:
    """Block names, and the block index of each site of the box, shape (n_sites,); -1 for ions.

    A site without a block (an end group) belongs to the block that follows it, at the end of a chain to the preceding
    one. Raises DataError for a chain without any block.
    """
    names: list[str] = []
    parts = []
    for entry in description.molecules:
        found = [site.block for site in entry.molecule.sites]
        if entry.molecule.kind != "polymer":
            parts.append(np.full(len(found) * entry.count, -1))
            continue
        if not any(found):
            raise DataError(f"{entry.molecule.name}: no site belongs to a block")
        filled = pd.Series(found, dtype="string").bfill().ffill().tolist()
        names += [name for name in dict.fromkeys(filled) if name not in names]
        parts.append(np.tile([names.index(name) for name in filled], entry.count))
    return tuple(names), np.concatenate(parts).astype(np.int8)


def blocks_of(description: SystemDescription) -> Blocks:
    """The blocks of the chains.

    Hydrogens are left out: next to their heavy site they only add weight. Raises DataError without a polymer.
    """
    if not (types := description.types_of("polymer")):
        raise DataError("the system has no polymer and so no domains")
    names, labels = site_labels(description)
    masses = description.masses()
    parts = [chains[:, masses[chains[0]] > _HYDROGEN] for _, chains in types]
    sites = parts[0] if len(parts) == 1 else np.concatenate([part.ravel() for part in parts])[None]
    return Blocks(names, sites, labels[sites], len(parts) == 1)


@compiled()
def _root(parent: Indices, image: Indices, site: int) -> int:
    """Root of a site; on return the path hangs on it directly, with `image` the box image relative to the root."""
    root = site
    x = y = z = 0
    while parent[root] != root:
        x, y, z = x + image[root, 0], y + image[root, 1], z + image[root, 2]
        root = parent[root]
    while parent[site] != root:
        above, own_x, own_y, own_z = parent[site], image[site, 0], image[site, 1], image[site, 2]
        image[site, 0], image[site, 1], image[site, 2] = x, y, z
        parent[site] = root
        x, y, z = x - own_x, y - own_y, z - own_z
        site = above
    return root


@compiled()
def _is_independent(basis: Indices, n: int, v: Indices) -> bool:
    """Whether the vector (3,) is independent of the first `n` rows of the basis (3, 3)."""
    if n == 0:
        return bool(v[0] != 0 or v[1] != 0 or v[2] != 0)
    a = basis[0]
    if n == 1:
        return bool(a[1] * v[2] != a[2] * v[1] or a[2] * v[0] != a[0] * v[2] or a[0] * v[1] != a[1] * v[0])
    b = basis[1]
    volume = (
        v[0] * (a[1] * b[2] - a[2] * b[1]) + v[1] * (a[2] * b[0] - a[0] * b[2]) + v[2] * (a[0] * b[1] - a[1] * b[0])
    )
    return bool(n == 2 and volume != 0)


@compiled()
def _copy(source: Indices, target: Indices) -> None:
    """Copy a vector (3,): an assignment of arrays takes two seconds to compile, for the text of its error."""
    for k in range(3):
        target[k] = source[k]


@compiled()
def _connect(pairs: Pairs, ends: Indices, fractions: Floats, labels: Labels, n_labels: int) -> Floats:
    """`Connections.of`: union-find that tracks the box image of each site relative to its cluster's root."""
    n = len(labels)
    parent = np.arange(n)
    image = np.zeros((n, 3), dtype=np.int64)
    size = np.ones(n, dtype=np.int64)
    rank = np.zeros(n, dtype=np.int64)
    basis = np.zeros((n, 3, 3), dtype=np.int64)
    step = np.empty(3, dtype=np.int64)
    found = np.zeros((len(ends), n_labels, 7))
    first = 0
    for stage in range(len(ends)):
        for p in range(first, ends[stage]):
            i, j = pairs[p, 0], pairs[p, 1]
            if labels[i] != labels[j]:
                continue
            a, b = _root(parent, image, i), _root(parent, image, j)
            # most pairs join what is already joined in all directions
            if a == b and rank[a] == 3:
                continue
            for k in range(3):
                # box image of j as i's neighbour, relative to i's root, minus the image that j already has
                step[k] = image[i, k] - int(np.floor(fractions[j, k] - fractions[i, k] + 0.5)) - image[j, k]
            if a == b:
                if _is_independent(basis[a], rank[a], step):
                    _copy(step, basis[a, rank[a]])
                    rank[a] += 1
                continue
            if size[a] < size[b]:
                a, b = b, a
                for k in range(3):
                    step[k] = -step[k]
            parent[b] = a
            _copy(step, image[b])
            size[a] += size[b]
            for r in range(rank[b]):
                if rank[a] < 3 and _is_independent(basis[a], rank[a], basis[b, r]):
                    _copy(basis[b, r], basis[a, rank[a]])
                    rank[a] += 1
        first = ends[stage]
        total = np.zeros(n_labels)
        for i in range(n):
            row = found[stage, labels[i]]
            total[labels[i]] += 1
            if parent[i] != i:
                continue
            row[0] += 1
            row[1] = max(row[1], size[i])
            row[2] = max(row[2], rank[i])
            row[6] = max(row[6], rank[i] // 3)
            for r in range(rank[i]):
                for k in range(3):
                    if basis[i, r, k] != 0:
                        row[3 + k] = 1
        for label in range(n_labels):
            if total[label] > 0:
                found[stage, label, 1] /= total[label]
    return found


@dataclass(frozen=True)
class Connections:
    """Neighbours of one frame within increasing distances: pairs (P, 2) and the pairs within each distance."""

    fractions: Floats
    pairs: Pairs
    ends: Indices

    def of(self, labels: npt.ArrayLike, n_labels: int) -> Floats:
        """CONNECTIVITY by distance and block, shape (distances, n_labels, 7), of sites with `labels` (sites,).

        Neighbours of the same label are connected. A domain percolates along a closed path that ends in another image
        of the box (non-zero winding numbers); the independent windings of all its paths count its percolating
        directions. An axis percolates if one of them has a component along it.
        """
        flat = np.ascontiguousarray(labels, dtype=np.int8)
        return np.asarray(_connect(self.pairs, self.ends, self.fractions, flat, n_labels))


@compiled(error_model="numpy")
def _neighbours(points: Floats, site: npt.NDArray[np.int32], edges: Floats, limits: Floats) -> tuple[Pairs, Indices]:
    """Pairs (P, 2) of points inside the box ordered by `limits` of their squared distance, and the end of each limit.

    A sweep along x: each point is paired with those that follow within reach; `site` are the points in the order of x,
    with the first ones repeated behind the last. Most candidates are no neighbours, and a loop over them without branches is faster than cells.
    """
    n, n_all, last = len(points), len(site), limits[-1]
    reach = np.sqrt(last)
    x, y, z = np.empty(n_all), np.empty(n_all), np.empty(n_all)
    for p in range(n_all):
        x[p], y[p], z[p] = points[site[p]]
        x[p] += edges[0] * (p // n)
    squares, found = np.empty(n), np.empty(n + 8, dtype=np.int64)
    # few are near: read eight flags at a time as one word
    near = np.zeros((n + 7) // 8 * 8, dtype=np.bool_)
    words = near.view(np.uint64)
    pairs, stages = np.empty((64 * n, 2), dtype=np.int32), np.empty(64 * n, dtype=np.int8)
    ends = np.zeros(len(limits), dtype=np.int64)
    n_pairs, end = 0, 1
    for p in range(n):
        end = max(end, p + 1)
        while end < n_all and x[end] - x[p] <= reach:
            end += 1
        behind_x, behind_y, behind_z = x[p + 1 : end], y[p + 1 : end], z[p + 1 : end]
        here_x, here_y, here_z = x[p], y[p], z[p]
        for q in range(len(behind_x)):
            dx, dy, dz = behind_x[q] - here_x, abs(behind_y[q] - here_y), abs(behind_z[q] - here_z)
            dy, dz = min(dy, edges[1] - dy), min(dz, edges[2] - dz)
            squares[q] = dx * dx + dy * dy + dz * dz
            near[q] = squares[q] <= last
        n_words = (len(behind_x) + 7) // 8
        near[len(behind_x) : 8 * n_words] = False
        n_found = 0
        for word in range(n_words):
            if words[word]:
                for q in range(8 * word, 8 * word + 8):
                    found[n_found] = q
                    n_found += near[q]
        if n_pairs + n_found > len(pairs):
            pairs, stages = np.concatenate((pairs, pairs)), np.concatenate((stages, stages))
        for k in range(n_found):
            stage = 0
            for limit in limits:
                stage += squares[found[k]] > limit
            pairs[n_pairs, 0], pairs[n_pairs, 1], stages[n_pairs] = site[p], site[p + 1 + found[k]], stage
            ends[stage] += 1
            n_pairs += 1
    at = np.zeros(len(limits), dtype=np.int64)
    for stage in range(1, len(limits)):
        at[stage] = ends[stage - 1]
        ends[stage] += ends[stage - 1]
    in_order = np.empty((n_pairs, 2), dtype=np.int32)
    for k in range(n_pairs):
        row = in_order[at[stages[k]]]
        row[0], row[1] = pairs[k, 0], pairs[k, 1]
        at[stages[k]] += 1
    return in_order, ends


def connections(positions: npt.ArrayLike, box: npt.ArrayLike, distances_nm: Sequence[float]) -> Connections:
    """Neighbours of sites (n, 3) in a box with edges (3,), nm, within each of the increasing distances.

    Raises DataError if a distance reaches half the box, because a pair then has two nearest images.
    """
    edges = np.asarray(box, dtype=np.float64)
    limits = np.asarray(distances_nm, dtype=np.float64)
    if limits[-1] >= edges.min() / 2:
        raise DataError(f"a neighbour distance of {limits[-1]:g} nm needs a box wider than {2 * limits[-1]:g} nm")
    points = inside_box(positions, edges)
    along = np.argsort(points[:, 0])
    repeated = np.searchsorted(points[along, 0], limits[-1] * (1 + 1e-9), side="right")
    site = np.concatenate([along, along[:repeated]]).astype(np.int32)
    pairs, ends = _neighbours(points, site, edges, limits**2 * (1 + 1e-12))
    return Connections(points / edges, pairs, ends)


@compiled()
def _crossings(field: Floats, spacing: Floats, level: float) -> float:
    """`interface_area` on a grid of `spacing` (3,)."""
    n_x, n_y, n_z = field.shape
    area = 0.0
    for x in range(n_x):
        for y in range(n_y):
            for z in range(n_z):
                is_below = field[x, y, z] < level
                for axis in range(3):
                    u = (x + 1) % n_x if axis == 0 else x
                    v = (y + 1) % n_y if axis == 1 else y
                    w = (z + 1) % n_z if axis == 2 else z
                    if (field[u, v, w] < level) == is_below:
                        continue
                    square = sum_of_parts = 0.0
                    for k in range(3):
                        # four times the gradient does as well: the weight does not depend on its length
                        normal = (_slope(field, (x, y, z), k) + _slope(field, (u, v, w), k)) / spacing[k]
                        square += normal * normal
                        sum_of_parts += abs(normal)
                    weight = math.sqrt(square) / sum_of_parts if sum_of_parts > 0 else 2 / 3
                    area += weight * spacing.prod() / spacing[axis]
    return area


@compiled()
def _slope(field: Floats, at: tuple[int, int, int], axis: int) -> float:
    """Difference between the two neighbours of a grid point along an axis, across the boundary."""
    x, y, z = at
    n = field.shape[axis]
    after, before = (at[axis] + 1) % n, (at[axis] - 1) % n
    if axis == 0:
        return float(field[after, y, z] - field[before, y, z])
    if axis == 1:
        return float(field[x, after, z] - field[x, before, z])
    return float(field[x, y, after] - field[x, y, before])


def interface_area(composition: Floats, box: npt.ArrayLike, level: float = 0.5) -> float:
    """Area, nm2, of the surface where a periodic field (X, Y, Z) on a grid in a box with edges (3,), nm, is `level`.

    Counts where the grid lines cross it (Cauchy and Crofton): a surface element crosses the lines along axis a |n_a|
    times per face of a cell, so each crossing stands for face / (|n_x| + |n_y| + |n_z|) of area, with the normal n from
    the gradient of the field. The average of that weight over directions is the 2/3 of the isotropic formula, which is
    wrong by up to a third for a flat surface along the grid.
    """
    field = np.ascontiguousarray(composition, dtype=np.float64)
    return float(_crossings(field, np.asarray(box, dtype=np.float64) / field.shape, level))


def _smoothed(cells: Indices, shape: tuple[int, ...], sigma: Floats) -> Floats:
    # a slow import
    from scipy.ndimage import gaussian_filter

    counts = np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape).astype(np.float64)
    return np.asarray(gaussian_filter(counts, sigma, mode="wrap"))


def segregation(positions: npt.ArrayLike, box: npt.ArrayLike, labellings: npt.ArrayLike) -> Floats:
    """Degree of segregation and interface per volume, 1/nm, of two blocks; shape (labellings, 2).

    `positions` (n, 3), nm, in a box with edges (3,); `labellings` (labellings, n) are True for sites of the second
    block. The local composition is the share of the second block in the density of sites on a grid of about GRID_NM,
    after a Gaussian of SMOOTHING_NM. The degree of segregation is its density-weighted variance over f (1 - f), that of
    fully demixed blocks: between 0 and 1, and below 1 for any domains because of the smoothing. The interface is where
    the local composition is 1/2 (`interface_area`).
    """
    edges = np.asarray(box, dtype=np.float64)
    shape = tuple(np.maximum(1, np.round(edges / GRID_NM)).astype(int))
    sigma = SMOOTHING_NM / (edges / shape)
    cell = np.minimum((inside_box(positions, edges) / edges * shape).astype(np.int64), np.array(shape) - 1)
    cells = np.ravel_multi_index(tuple(cell.T), shape)
    density = _smoothed(cells, shape, sigma)
    occupied = density > 1e-9 * density.max()
    result = []
    for is_second in np.asarray(labellings, dtype=bool):
        second = _smoothed(cells[is_second], shape, sigma)
        local = np.divide(second, density, out=np.full(shape, 0.5), where=occupied)
        mean = second.sum() / density.sum()
        variance = (density * (local - mean) ** 2).sum() / density.sum()
        area = interface_area(local, edges)
        result.append((variance / (mean * (1 - mean)), area / edges.prod()))
    return np.array(result)


def random_labels(labels: Labels, kind: str, n: int) -> Labels:
    """`n` random labellings of chains, shape (n, chains, sites of one), from their labels (chains, sites of one).

    `chains`: each chain's labels are reversed with probability one half. Blocks, their lengths and junctions stay; only
    the side on which each lies is random. Labels that are the same from both ends are instead shifted cyclically along
    the chain by a random number of sites. `sites`: the labels of all sites are shuffled, ignoring chain connectivity.
    Every call gives the same numbers.
    """
    rng = np.random.default_rng(_SEED)
    chains, length = labels.shape
    if kind == "sites":
        return rng.permuted(np.broadcast_to(labels.reshape(-1), (n, chains * length)), axis=1).reshape(
            n, chains, length
        )
    if (labels == labels[:, ::-1]).all():
        moved = (np.arange(length) + rng.integers(0, length, (n, chains, 1))) % length
        return np.take_along_axis(np.broadcast_to(labels, (n, chains, length)), moved, axis=2)
    return np.where(rng.random((n, chains, 1)) < 0.5, labels[:, ::-1], labels)


@dataclass(frozen=True)
class Comparison:
    """An observed value, with mean and standard deviation over random labellings of the same positions."""

    observed: float
    mean: float
    spread: float
    verdict: Verdict


def compare(observed: float, random: npt.ArrayLike) -> Comparison:
    """Compare with the values of random labellings, shape (labellings,).

    `above` or `below` if the observed value lies outside all of them and by more than three standard deviations from
    their mean; else `not distinguishable`.
    """
    values = np.asarray(random, dtype=np.float64)
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    margin = max(_SPREADS * spread, 1e-9 * max(1.0, abs(mean)))
    verdict: Verdict = "not distinguishable"
    if observed > values.max() and observed - mean > margin:
        verdict = "above"
    elif observed < values.min() and mean - observed > margin:
        verdict = "below"
    return Comparison(observed, mean, spread, verdict)


@dataclass(frozen=True)
class Morphology:
    """Domains over a run.

    `connectivity` (frames, distances, blocks, 7) as CONNECTIVITY, `mixing` (frames, 2) as `segregation`, or None with
    other than two blocks. The means over the frames `null_frames` (F,) of the same two for each labelling of each of
    NULLS: `null_connectivity[kind]` (labellings, distances, blocks, 7), `null_mixing[kind]` (labellings, 2); both empty
    for a single block, whose labels cannot be rearranged, and for chains of several types.
    """

    connectivity: Floats
    mixing: Floats | None
    null_frames: Indices
    null_connectivity: dict[str, Floats]
    null_mixing: dict[str, Floats]


def _of_frame(
    linked: Connections, positions: Floats, box: Floats, labellings: Labels, n_blocks: int
) -> tuple[Floats, Floats]:
    """CONNECTIVITY (labellings, distances, blocks, 7) and segregation (labellings, 2) of one frame."""
    flat = labellings.reshape(len(labellings), -1)
    connectivity = np.array([linked.of(labels, n_blocks) for labels in flat])
    return connectivity, segregation(positions, box, flat == 1) if n_blocks == 2 else np.empty((len(flat), 0))


def morphology(
    frames: Iterable[tuple[Floats, Floats]], n_frames: int, blocks: Blocks, distances_nm: Sequence[float]
) -> Morphology:
    """Domains of blocks in frames (positions of `blocks.sites` flattened (n, 3), box edges (3,)), nm.

    Random labellings are evaluated on at most NULL_FRAMES evenly spaced frames. Each keeps its labels over the run, so
    that their spread includes what time does not average out. Extra memory is that of one frame's neighbours, about 1
    kB per site. Raises DataError as `connections` does.
    """
    n_blocks = len(blocks.names)
    step = math.ceil(n_frames / NULL_FRAMES)
    random = (
        {kind: random_labels(blocks.labels, kind, LABELLINGS) for kind in NULLS}
        if n_blocks > 1 and blocks.alike
        else {}
    )
    sums: dict[str, tuple[Floats, Floats]] = {}
    null_frames, connectivity, mixing = [], [], []
    for index, (positions, box) in enumerate(frames):
        linked = connections(positions, box, distances_nm)
        seen, mixed = _of_frame(linked, positions, box, blocks.labels[None], n_blocks)
        connectivity.append(seen[0])
        mixing.append(mixed[0])
        if index % step:
            continue
        null_frames.append(index)
        for kind, labellings in random.items():
            one = _of_frame(linked, positions, box, labellings, n_blocks)
            before = sums.get(kind, (np.zeros_like(one[0]), np.zeros_like(one[1])))
            sums[kind] = (before[0] + one[0], before[1] + one[1])
    return Morphology(
        connectivity=np.array(connectivity),
        mixing=np.array(mixing) if n_blocks == 2 else None,
        null_frames=np.array(null_frames),
        null_connectivity={kind: both[0] / len(null_frames) for kind, both in sums.items()},
        null_mixing={kind: both[1] / len(null_frames) for kind, both in sums.items()} if n_blocks == 2 else {},
    )
