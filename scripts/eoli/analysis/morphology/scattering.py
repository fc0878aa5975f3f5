"""Static structure factor: partial and weighted S(q) on the reciprocal lattice of the box, and its peak at low q."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from eoli.analysis.morphology.domains import Labels, site_labels
from eoli.core.arrays import Floats, Indices
from eoli.core.compiled import compiled
from eoli.core.statistics import BLOCKS, UNKNOWN, Estimate, standard_error
from eoli.errors import DataError
from eoli.forcefield.models import ELEMENTS
from eoli.topology.description import SystemDescription
from eoli.topology.elements import atom_of_site

Complex = npt.NDArray[np.complex128]
Weighting = Literal["electrons", "composition"]
PeakVerdict = Literal["resolved", "box-limited", "not resolved", "no peak"]

WEIGHTINGS: tuple[Weighting, ...] = ("electrons", "composition")
PEAK_BELOW_PER_NM = 5.0
"""The domain peak is searched below this q, 1/nm; beyond it follow intrachain neighbours and the halo."""
_BINS_PER_STEP = 4
_SIGMAS = 3.0
# not a power of two: rows a power of two apart evict each other from the cache
_SITES_AT_ONCE = 264


def electrons(description: SystemDescription) -> Floats:
    """Electrons of each site, shape (n_sites,): 8 for CH2, 9 for CH3; the charge of an ion is spread over its atoms.

    Atoms are recognised by mass, as an element or as a carbon with its hydrogens; virtual sites have none. The charge is
    the formal one, even if the simulation scales charges. Raises DataError for a mass that is neither.
    """
    parts = []
    for entry in description.molecules:
        found = np.zeros(len(entry.molecule.sites))
        atoms = ~entry.molecule.massless
        for k in np.flatnonzero(atoms).tolist():
            element, hydrogens = atom_of_site(entry.molecule.name, entry.molecule.sites[k])
            found[k] = ELEMENTS[element][0] + hydrogens
        parts.append(np.tile(found - entry.molecule.formal_charge / atoms.sum() * atoms, entry.count))
    return np.concatenate(parts)


def _labels(description: SystemDescription) -> tuple[tuple[str, ...], Labels]:
    """`site_labels` without virtual sites."""
    names, labels = site_labels(description)
    return names, np.where(description.masses() > 0, labels, -1).astype(np.int8)


def groups_of(description: SystemDescription) -> dict[str, Indices]:
    """Atoms of each polymer block, of the `ions` and of the `solvent`, as far as present."""
    names, labels = _labels(description)
    atoms = description.masses() > 0
    kinds = np.repeat(
        [e.molecule.kind for e in description.molecules],
        [e.count * len(e.molecule.sites) for e in description.molecules],
    )
    groups = {name: np.flatnonzero(labels == k) for k, name in enumerate(names)}
    groups |= {
        "ions": np.flatnonzero(atoms & (kinds != "solvent") & (kinds != "polymer")),
        "solvent": np.flatnonzero(atoms & (kinds == "solvent")),
    }
    return {name: sites for name, sites in groups.items() if len(sites)}


def weights_of(description: SystemDescription, weighting: Weighting) -> Floats:
    """Weight of each site, shape (n_sites,).

    `electrons`: its electrons, the contrast of SAXS. `composition`: with two blocks of site shares f and 1-f, 1-f and
    -f, and 0 for ions, so that S(q) holds composition fluctuations and no density fluctuations; all 0 for a polymer of
    one block. Raises DataError for other weightings, or other than one or two blocks.
    """
    if weighting == "electrons":
        return electrons(description)
    if weighting != "composition":
        raise DataError(f"weighting {weighting!r}; allowed: {', '.join(WEIGHTINGS)}")
    names, labels = _labels(description)
    if len(names) > 2:
        raise DataError(f"the composition of {len(names)} blocks ({', '.join(names)}) is not a single number")
    first = float((labels == 0).sum() / (labels >= 0).sum())
    return np.select([labels == 0, labels == 1], [1 - first, -first], 0.0)


def wave_vectors(box: npt.ArrayLike, q_max_per_nm: float) -> tuple[Indices, Floats]:
    """Indices hkl (V, 3) and lengths (V,), 1/nm, of the wave vectors 2 pi (h/Lx, k/Ly, l/Lz) up to `q_max_per_nm`.

    One of each pair q, -q, for which S is the same; without q = 0; ordered by h. Raises DataError if there is none.
    """
    unit = 2 * np.pi / np.asarray(box, dtype=np.float64)
    most = (q_max_per_nm / unit * (1 + 1e-12)).astype(int)
    axes = [np.arange(0 if k == 0 else -n, n + 1) for k, n in enumerate(most)]
    hkl = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    h, k, m = hkl.T
    half = (h > 0) | ((h == 0) & (k > 0)) | ((h == 0) & (k == 0) & (m > 0))
    lengths = np.sqrt(((hkl * unit) ** 2).sum(axis=1))
    keep = half & (lengths <= q_max_per_nm * (1 + 1e-12))
    if not keep.any():
        raise DataError(f"no wave vector of the box up to {q_max_per_nm:g}/nm: the first is at {unit.min():.3g}/nm")
    return hkl[keep], lengths[keep]


@compiled()
def _powers(fractions: Floats, most: int, real: Floats, imaginary: Floats) -> None:
    """exp(2 pi i m x) for m = -most .. most into two arrays (2 most + 1, sites), by recurrence."""
    for j in range(len(fractions)):
        c, s = math.cos(2 * math.pi * fractions[j]), math.sin(2 * math.pi * fractions[j])
        a, b = 1.0, 0.0
        for m in range(most + 1):
            real[most + m, j], imaginary[most + m, j] = a, b
            real[most - m, j], imaginary[most - m, j] = a, -b
            a, b = a * c - b * s, a * s + b * c


@compiled(fastmath=True)
def _products(a: Floats, b: Floats, c: Floats, d: Floats) -> tuple[complex, complex]:
    """Sums of (a + i b) (c + i d) and (a + i b) (c - i d), four arrays (sites,): the innermost loop."""
    ac = bd = ad = bc = 0.0
    for j in range(len(a)):
        ac += a[j] * c[j]
        bd += b[j] * d[j]
        ad += a[j] * d[j]
        bc += b[j] * c[j]
    return complex(ac - bd, bc + ad), complex(ac + bd, bc - ad)


@compiled()
def amplitudes(fractions: Floats, weights: Floats, hkl: Indices) -> Complex:
    """Sum over sites of weight * exp(2 pi i hkl . s), shape (V,), for fractional coordinates s (n, 3); exact.

    The phase is a product over the axes, each factor a power. `hkl` (V, 3) in the order of `wave_vectors` shares the
    product over the first two axes. Sites are taken in groups that fit the cache.
    """
    result = np.zeros(len(hkl), dtype=np.complex128)
    most = [np.abs(hkl[:, axis]).max() for axis in range(3)]
    for start in range(0, len(fractions), _SITES_AT_ONCE):
        stop = min(start + _SITES_AT_ONCE, len(fractions))
        powers = [np.empty((2, 2 * most[axis] + 1, stop - start)) for axis in range(3)]
        for axis in range(3):
            _powers(fractions[start:stop, axis], most[axis], powers[axis][0], powers[axis][1])
        x, y, z = powers
        a, b = np.empty(stop - start), np.empty(stop - start)
        for v in range(len(hkl)):
            h, k, m = hkl[v, 0] + most[0], hkl[v, 1] + most[1], hkl[v, 2] + most[2]
            if v == 0 or hkl[v, 0] != hkl[v - 1, 0] or hkl[v, 1] != hkl[v - 1, 1]:
                for j in range(stop - start):
                    a[j] = (x[0, h, j] * y[0, k, j] - x[1, h, j] * y[1, k, j]) * weights[start + j]
                    b[j] = (x[0, h, j] * y[1, k, j] + x[1, h, j] * y[0, k, j]) * weights[start + j]
            # the vector with the opposite last index is in the same row, if it is in the half space
            if hkl[v, 2] < 0:
                continue
            above, below = _products(a, b, z[0, m], z[1, m])
            result[v] += above
            opposite = v - 2 * hkl[v, 2]
            if hkl[v, 2] > 0 and opposite >= 0 and hkl[opposite, 2] == -hkl[v, 2]:
                result[opposite] += below
    return result


@dataclass(frozen=True)
class StructureFactors:
    """S(q) by bin: mean q, 1/nm, and number of independent wave vectors, (bins,); S by name and block of frames.

    `blocks[name]` has shape (blocks, bins); the names are `total` and, for each pair of groups, `<one>_<other>`.
    """

    q_per_nm: Floats
    vectors: Indices
    blocks: dict[str, Floats]
    q_min_per_nm: float

    def table(self) -> pd.DataFrame:
        """Columns q_per_nm, vectors, and for each name S_<name> and S_<name>_error (NaN with one block)."""
        columns: dict[str, npt.NDArray[np.generic]] = {"q_per_nm": self.q_per_nm, "vectors": self.vectors}
        for name, values in self.blocks.items():
            columns[f"S_{name}"] = values.mean(axis=0)
            columns[f"S_{name}_error"] = np.array([standard_error(column) for column in values.T])
        return pd.DataFrame(columns)


def structure_factors(
    frames: Iterable[tuple[Floats, Floats]], n_frames: int, mean_box: Floats, groups: Mapping[str, Indices],
    weights: Floats, q_max_per_nm: float,
) -> StructureFactors:  # fmt: skip
    """S(q) of frames (positions (n_sites, 3), box edges (3,)), nm, by shells of the reciprocal lattice.

    With A_a(q) the sum of b_j exp(i q r_j) over the sites of group a, and w_a that of b_j^2: the partial S_ab = <Re A_a
    A_b*> / sqrt(w_a w_b) (Ashcroft, Langreth, Phys. Rev. 156, 685 (1967)), without the sign of the weights, so that
    groups which avoid each other have a negative S_ab; and S = <|sum_a A_a|^2> / sum_a w_a. For an ideal gas S = S_aa =
    1 and the others are 0. Sites are points: form factors, which fall by some per cent up to 10/nm, are neglected.
    Groups of weight zero are left out.

    The wave vectors follow each frame's box; q refers to the mean box. A bin is a quarter of the first step 2 pi / L
    wide (of the longest edge), so that the first shells stand alone. Errors come from five blocks of consecutive
    frames. Raises DataError as `wave_vectors` does, and without any group of weight.
    """
    hkl, lengths = wave_vectors(mean_box, q_max_per_nm)
    first = float(2 * np.pi / mean_box.max())
    _, bins = np.unique(np.round(lengths / first * _BINS_PER_STEP).astype(int), return_inverse=True)
    vectors = np.bincount(bins)
    squares = {name: float((weights[sites] ** 2).sum()) for name, sites in groups.items()}
    used = [name for name in groups if squares[name] > 0]
    if not used:
        raise DataError("no site has a weight: there is nothing that scatters")
    scale = {name: math.copysign(math.sqrt(squares[name]), weights[groups[name]].sum()) for name in used}
    pairs = list(combinations_with_replacement(used, 2))
    names = ["total", *("_".join(pair) for pair in pairs)]
    n_blocks = min(BLOCKS, n_frames)
    sums, counts = np.zeros((n_blocks, len(names), len(vectors))), np.zeros(n_blocks)
    for index, (positions, box) in enumerate(frames):
        fractions = np.asarray(positions, dtype=np.float64) / box
        of = {name: amplitudes(fractions[groups[name]], weights[groups[name]], hkl) for name in used}
        total = np.sum(list(of.values()), axis=0)
        intensities = [(total * total.conj()).real / sum(squares.values())]
        intensities += [(of[a] * of[b].conj()).real / (scale[a] * scale[b]) for a, b in pairs]
        block = index * n_blocks // n_frames
        counts[block] += 1
        sums[block] += [np.bincount(bins, intensity) / vectors for intensity in intensities]
    means = sums / counts[:, None, None]
    return StructureFactors(
        q_per_nm=np.bincount(bins, lengths) / vectors,
        vectors=vectors,
        blocks={name: means[:, row] for row, name in enumerate(names)},
        q_min_per_nm=first,
    )


@dataclass(frozen=True)
class Peak:
    """The main maximum of S(q) at low q, 1/nm, with the spacing 2 pi / q, nm; both unknown unless resolved."""

    q_per_nm: Estimate
    spacing_nm: Estimate
    verdict: PeakVerdict


def _highest(values: Floats) -> int | None:
    """Index of the highest local maximum, the first value included and the last not; None if values rise to the end."""
    padded = np.concatenate([[-np.inf], values])
    tops = np.flatnonzero((padded[1:-1] > padded[:-2]) & (padded[1:-1] > padded[2:]))
    return int(tops[np.argmax(values[tops])]) if len(tops) else None


def _vertex(q: Floats, values: Floats, top: int) -> float:
    if not 0 < top < len(q) - 1:
        return float(q[top])
    x = q[top - 1 : top + 2]
    curvature, slope, _ = np.polyfit(x - x[1], values[top - 1 : top + 2], 2)
    return float(np.clip(x[1] - slope / (2 * curvature), x[0], x[2]))


def low_q_peak(q: Floats, vectors: Indices, blocks: Floats, q_min_per_nm: float) -> Peak:
    """The peak of domains in S(q) by block (blocks, bins) at `q` (bins,), 1/nm, with `vectors` wave vectors each.

    It is the highest local maximum below PEAK_BELOW_PER_NM.

    - `no peak`: there is none.
    - `box-limited`: it lies at or below 2 `q_min_per_nm`, the first shells of a box with the longest edge 2 pi / q_min.
      It says only that the box holds at most two periods of any structure.
    - `not resolved`: the maximum stands out from the lowest values on either side by less than three errors, or the
      highest maximum of a block is box-limited or missing, or there are fewer than two blocks. The error of a value is
      the larger of that over the blocks and S / sqrt(vectors), the speckle of a single configuration, which frames of a
      slow system share.
    - `resolved`: only here is a position given, from the parabola through three bins, and the spacing. Its error
      combines that over the blocks and the bin spacing (as the standard deviation of a uniform distribution).
    """
    low = q <= PEAK_BELOW_PER_NM
    q, vectors, blocks = q[low], vectors[low], blocks[:, low]
    mean = blocks.mean(axis=0)
    top = _highest(mean)
    if top is None:
        return Peak(UNKNOWN, UNKNOWN, "no peak")
    limit = 2 * q_min_per_nm * (1 + 1e-9)
    if q[top] <= limit:
        return Peak(UNKNOWN, UNKNOWN, "box-limited")
    tops = [_highest(block) for block in blocks]
    known = [t for t in tops if t is not None and q[t] > limit]
    error = np.maximum([standard_error(column) for column in blocks.T], mean / np.sqrt(vectors))
    stands_out = all(
        mean[top] - mean[foot] > _SIGMAS * np.hypot(error[top], error[foot])
        for foot in (int(np.argmin(mean[:top])), top + int(np.argmin(mean[top:])))
    )
    if len(known) < max(2, len(blocks)) or not stands_out:
        return Peak(UNKNOWN, UNKNOWN, "not resolved")
    position = _vertex(q, mean, top)
    by_blocks = standard_error([_vertex(q, block, t) for block, t in zip(blocks, known, strict=True)])
    wide = float(q[top + 1] - q[top - 1]) / 2 / np.sqrt(12)
    uncertainty = float(np.hypot(by_blocks, wide))
    spacing = 2 * np.pi / position
    return Peak(Estimate(position, uncertainty), Estimate(spacing, spacing * uncertainty / position), "resolved")
