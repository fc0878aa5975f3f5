"""Ion pairs and clusters: connected components of lithium ions and anions in contact."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eoli.core.arrays import Floats, Indices
from eoli.core.compiled import compiled
from eoli.core.statistics import BLOCKS, Estimate, block_means, inefficiency, standard_error
from eoli.errors import DataError
from eoli.topology.description import SystemDescription
from eoli.topology.selections import anion_binding_sites
from eoli.topology.species import numbers_of

STATES = ("free", "paired", "aggregated")
"""State of an ion: alone, in a cluster of one lithium and one anion, or in any other cluster."""

_LEAST_TURNOVER = 0.5


@dataclass(frozen=True)
class Clusters:
    """For each ion the size of its cluster, `sizes` (frames, ions, 2): lithium ions and anions. Lithium comes first.

    `contacts_kept` is the share of the first frame's contacts that the last frame still has, None without contacts.
    """

    sizes: npt.NDArray[np.int32]
    n_lithium: int
    contacts_kept: float | None


def anion_of_sites(description: SystemDescription) -> Indices:
    """Anion of each site that binds lithium, -1 for other sites; shape (n_sites,)."""
    binds = np.zeros(description.n_sites, dtype=np.bool_)
    binds[anion_binding_sites(description)] = True
    return np.where(binds, numbers_of(description, "anion"), -1)


@compiled()
def _root(parent: Indices, node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@compiled()
def _components(
    neighbours: npt.NDArray[Any], distances: npt.NDArray[Any], anion_of: Indices, cutoff: float, n_anions: int,
    sizes: npt.NDArray[np.int32],
) -> None:  # fmt: skip
    frames, n_lithium, slots = neighbours.shape
    ions = n_lithium + n_anions
    parent = np.empty(ions, dtype=np.int64)
    count = np.empty((ions, 2), dtype=np.int32)
    for f in range(frames):
        for ion in range(ions):
            parent[ion] = ion
        count[:] = 0
        for ion in range(n_lithium):
            for slot in range(slots):
                site = neighbours[f, ion, slot]
                if site >= 0 and distances[f, ion, slot] <= cutoff and anion_of[site] >= 0:
                    parent[_root(parent, ion)] = _root(parent, n_lithium + anion_of[site])
        for ion in range(ions):
            count[_root(parent, ion), 0 if ion < n_lithium else 1] += 1
        for ion in range(ions):
            root = _root(parent, ion)
            sizes[f, ion, 0], sizes[f, ion, 1] = count[root, 0], count[root, 1]


def _contacts(neighbours: npt.NDArray[Any], distances: npt.NDArray[Any], anion_of: Indices, cutoff: float) -> set[Any]:
    ion, slot = np.nonzero((neighbours >= 0) & (distances <= cutoff))
    anion = anion_of[neighbours[ion, slot]]
    return set(zip(ion[anion >= 0].tolist(), anion[anion >= 0].tolist(), strict=True))


def find_clusters(
    pieces: Iterable[tuple[npt.NDArray[Any], npt.NDArray[Any]]], anion_of: Indices, cutoff_nm: float
) -> Clusters:
    """Clusters of each frame: lithium and anion are connected if a binding site of the anion is within the cut-off.

    Each of the consecutive `pieces` holds the neighbours of the lithium ions, sites padded with -1, and their
    distances, nm, both (frames, lithium ions, slots); `anion_of` is from `anion_of_sites`. Ions of one kind are
    connected only through the other kind. Raises DataError without frames or lithium.
    """
    n_anions = int(anion_of.max(initial=-1)) + 1
    found: list[npt.NDArray[np.int32]] = []
    ends: list[set[Any]] = []
    for neighbours, distances in pieces:
        frames, n_lithium, _ = neighbours.shape
        if not frames or not n_lithium:
            continue
        sizes = np.empty((frames, n_lithium + n_anions, 2), dtype=np.int32)
        _components(neighbours, distances, anion_of, cutoff_nm, n_anions, sizes)
        found.append(sizes)
        ends += [_contacts(neighbours[k], distances[k], anion_of, cutoff_nm) for k in (0, -1)]
    if not found:
        raise DataError("no frames of lithium ions to find clusters in")
    first, last = ends[0], ends[-1]
    kept = len(first & last) / len(first) if first else None
    return Clusters(np.concatenate(found), found[0].shape[1] - n_anions, kept)


def states(sizes: npt.NDArray[np.int32]) -> Floats:
    """Share of ions in each of STATES per frame, (frames, 3), from sizes (frames, ions, 2)."""
    of_cluster = sizes.sum(axis=2)
    paired = (sizes == 1).all(axis=2)
    return np.stack([(of_cluster == 1).mean(1), paired.mean(1), ((of_cluster > 1) & ~paired).mean(1)], axis=1)


def population(sizes: npt.NDArray[np.int32]) -> Floats:
    """Mean number of clusters of n lithium ions and m anions per frame, [n, m], from sizes (frames, ions, 2)."""
    most = int(sizes.max()) + 1
    index = sizes[..., 0].ravel() * most + sizes[..., 1].ravel()
    # every cluster is met once for each of its ions
    weights = 1 / sizes.sum(axis=2).ravel()
    return np.asarray(np.bincount(index, weights, most * most).reshape(most, most) / len(sizes))


def block_populations(clusters: Clusters) -> Floats:
    """`population` of each of five consecutive blocks of frames, (blocks, n, m); fewer if there are fewer frames."""
    most = int(clusters.sizes.max()) + 1
    blocks = np.zeros((min(BLOCKS, len(clusters.sizes)), most, most))
    for block, part in zip(blocks, np.array_split(clusters.sizes, len(blocks)), strict=True):
        found = population(part)
        block[: len(found), : len(found)] = found
    return blocks


def mean_of(series: Floats) -> Estimate:
    """Mean of a series of frames, with the larger of two standard errors: over five blocks, and from its inefficiency.

    No error for fewer than ten frames.
    """
    if len(series) < 2 * BLOCKS:
        return Estimate(float(series.mean()), None)
    blocks = standard_error(block_means(series))
    correlated = float(series.std(ddof=1)) * (inefficiency(series) / len(series)) ** 0.5
    return Estimate(float(series.mean()), max(blocks, correlated))


def verdict(contacts_kept: float | None) -> str:
    """Whether the shares are those of the liquid or still of the start: at least half of the contacts must change.

    Errors over frames cannot tell: ions that never part have no error at all.
    """
    if contacts_kept is None or contacts_kept <= 1 - _LEAST_TURNOVER:
        return "resolved"
    return f"not resolved: {contacts_kept:.0%} of the contacts of the first frame are there in the last"
