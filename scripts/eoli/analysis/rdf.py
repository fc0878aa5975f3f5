"""Structure around lithium: partial radial distribution functions, first shells and coordination numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from MDAnalysis.lib.distances import capped_distance
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from eoli.errors import DataError
from eoli.statistics import UNKNOWN, Estimate, standard_error
from eoli.topology.description import SystemDescription
from eoli.trajectory import Floats, Indices, Trajectory, frames

PARTNER_ROLES: dict[str, tuple[str, ...]] = {
    "ether_O": ("ether_O",),
    "carbonyl_O": ("amide_O", "ester_O"),
    "amide_O": ("amide_O",),
    "ester_O": ("ester_O",),
    "anion_N": ("anion_N",),
    "anion_O": ("anion_O",),
}
"""Partners of lithium by the name of their columns; carbonyl_O is amide_O and ester_O together."""

_BLOCKS = 4
_SMOOTHING_NM = 0.004
_ANGSTROM = 10.0


@dataclass(frozen=True)
class Shell:
    """First coordination shell: maximum and minimum of g(r) that bound it, nm, and the neighbours inside."""

    first_peak_nm: Estimate
    first_minimum_nm: Estimate
    coordination_number: Estimate


@dataclass(frozen=True)
class Structure:
    """g(r) and n(r) against r_nm (columns g_Li_<partner>, n_Li_<partner>), and the first shells by partner."""

    table: pd.DataFrame
    shells: dict[str, Shell]
    n_frames: int


@dataclass(frozen=True)
class _Counts:
    """Pairs by block, partner and bin (B, P, R), and by block the frames (B,) and the sum of 1/V, 1/nm3 (B,)."""

    pairs: Floats
    frames: Floats
    inverse_volumes: Floats


def lithium_partners(description: SystemDescription) -> dict[str, Indices]:
    """Sites of each partner of lithium that the system has, by the names of PARTNER_ROLES.

    Amide and ester oxygens stand by themselves only where both exist: otherwise they repeat carbonyl_O.
    """
    found = {name: description.with_role(*roles) for name, roles in PARTNER_ROLES.items()}
    if not (len(found["amide_O"]) and len(found["ester_O"])):
        found = {name: indices for name, indices in found.items() if name not in ("amide_O", "ester_O")}
    return {name: indices for name, indices in found.items() if len(indices)}


def _count(
    trajectory: Trajectory, centres: Indices, partners: Mapping[str, Indices], range_nm: float, bin_nm: float,
    stride: int,
) -> _Counts:  # fmt: skip
    n_used = len(range(0, trajectory.n_frames, stride))
    n_blocks = min(_BLOCKS, n_used)
    n_bins = int(range_nm / bin_nm + 1e-9)
    # One neighbour search serves all partners; `member` says which of them a found site belongs to.
    union = np.unique(np.concatenate(list(partners.values())))
    member = np.array([np.isin(union, indices) for indices in partners.values()])
    pairs = np.zeros((n_blocks, len(partners), n_bins))
    n_frames, inverse_volumes = np.zeros(n_blocks), np.zeros(n_blocks)
    for used, (_, positions, box) in enumerate(frames(trajectory, stride)):
        block = used * n_blocks // n_used
        n_frames[block] += 1
        inverse_volumes[block] += 1 / box.prod()
        # Beyond half the box the minimum image misses pairs: those bins are dropped for all frames.
        n_bins = min(n_bins, int(box.min() / 2 / bin_nm + 1e-9))
        if n_bins < 1:
            raise DataError(f"{trajectory.path}: the box is too small for a g(r) with bins of {bin_nm:g} nm")
        # MDAnalysis searches on a grid whose cells are at least one of its length units, so it gets angstroms.
        found, distances = capped_distance(
            (positions[centres] * _ANGSTROM).astype(np.float32),
            (positions[union] * _ANGSTROM).astype(np.float32),
            max_cutoff=n_bins * bin_nm * _ANGSTROM,
            box=np.array([*(box * _ANGSTROM), 90, 90, 90], dtype=np.float32),
        )
        bins = (distances / (_ANGSTROM * bin_nm)).astype(np.int64)
        inside = bins < n_bins
        bins, columns = bins[inside], found[inside, 1]
        for row, is_member in enumerate(member):
            pairs[block, row, :n_bins] += np.bincount(bins[is_member[columns]], minlength=n_bins)
    return _Counts(pairs[:, :, :n_bins], n_frames, inverse_volumes)


def _distribution(
    pairs: Floats, n_frames: float, inverse_volumes: float, n_centres: int, n_partners: int, bin_nm: float
) -> tuple[Floats, Floats]:
    """g(r) and n(r) at the bin centres, each of shape (bins,), from pairs (bins,)."""
    edges = bin_nm * np.arange(len(pairs) + 1)
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    ideal = n_centres * n_partners * shells * inverse_volumes
    per_centre = pairs / (n_frames * n_centres)
    return pairs / ideal, np.cumsum(per_centre) - per_centre / 2


def _smooth(r: Floats, g: Floats) -> Floats:
    width = max(1.0, _SMOOTHING_NM / float(r[1] - r[0]))
    return np.asarray(gaussian_filter1d(g, width, mode="nearest"))


def _peak_index(smooth: Floats) -> int | None:
    highest = float(smooth.max())
    peaks, _ = find_peaks(smooth, height=max(1.2, 0.5 * highest), prominence=0.3 * highest)
    return int(peaks[0]) if len(peaks) else None


def first_peak(r: npt.ArrayLike, g: npt.ArrayLike) -> float | None:
    """Position of the main first maximum of g(r), in the unit of `r`; both of shape (bins,), `r` equally spaced, nm.

    The maximum is the first one of the lightly smoothed g (Gaussian of 4 pm or one bin) that is above 1.2, at least
    half the largest value, and stands out by 0.3 of it; its position is the vertex of the parabola through the
    smoothed points above 0.85 of its height. None where there is no such maximum or the points are too few.
    """
    distance, values = np.asarray(r, dtype=np.float64), np.asarray(g, dtype=np.float64)
    if len(values) < 5 or not np.isfinite(values).all():
        return None
    smooth = _smooth(distance, values)
    top = _peak_index(smooth)
    if top is None:
        return None
    low, high = top - 1, top + 1
    while low > 0 and smooth[low - 1] >= 0.85 * smooth[top]:
        low -= 1
    while high < len(smooth) - 1 and smooth[high + 1] >= 0.85 * smooth[top]:
        high += 1
    around = slice(low, high + 1)
    curvature, slope, _ = np.polyfit(distance[around] - distance[top], smooth[around], 2)
    if curvature >= 0:
        return None
    vertex = float(distance[top] - slope / (2 * curvature))
    return vertex if distance[low] <= vertex <= distance[high] else None


def first_minimum(r: npt.ArrayLike, g: npt.ArrayLike) -> float | None:
    """Position of the minimum behind the main first maximum of g(r), in the unit of `r`; arguments as `first_peak`.

    The lowest smoothed value before g rises again by 0.1; the middle of the gap where it is flat. None where there
    is no first maximum or g does not rise again within the range.
    """
    distance, values = np.asarray(r, dtype=np.float64), np.asarray(g, dtype=np.float64)
    if len(values) < 5 or not np.isfinite(values).all():
        return None
    smooth = _smooth(distance, values)
    top = _peak_index(smooth)
    if top is None:
        return None
    behind = smooth[top:]
    rises = np.flatnonzero(behind > np.minimum.accumulate(behind) + 0.1)
    if not len(rises):
        return None
    before_rise = behind[: rises[0]]
    flat = np.flatnonzero(before_rise <= before_rise.min() + 0.01)
    return float((distance[top + flat[0]] + distance[top + flat[-1]]) / 2)


def _estimate(value: float | None, blocks: list[float | None]) -> Estimate:
    known = [block for block in blocks if block is not None]
    if value is None or len(known) < _BLOCKS:
        return UNKNOWN
    return Estimate(value, standard_error(known))


def structure_around(
    trajectory: Trajectory, centres: Indices, partners: Mapping[str, Indices], range_nm: float, bin_nm: float,
    stride: int = 1,
) -> Structure:  # fmt: skip
    """Partial g(r) and running coordination number n(r) of `centres` (sites of lithium) with each partner.

    g(r) is normalised by the mean of 1/V over the frames; n(r) is the mean number of partners within r. Both stand
    at the centres of bins of `bin_nm`, up to `range_nm` or half the smallest box edge of the used frames. A partner
    without sites has no column. Errors are standard errors over four blocks of consecutive frames; position and
    coordination number of a shell are unknown where a block does not show it, or the frames are fewer than four.
    The coordination number is n(r) at the first minimum of the whole run, in each block as well.

    Raises DataError without centres, or where the box is smaller than two bins, or as `frames` does.
    """
    present = {name: indices for name, indices in partners.items() if len(indices)}
    if not len(centres) or not present:
        raise DataError(
            f"{trajectory.path}: no pairs to count: {len(centres)} centres, {len(present)} kinds of partner"
        )
    counts = _count(trajectory, centres, present, range_nm, bin_nm, stride)
    r = bin_nm * (np.arange(counts.pairs.shape[2]) + 0.5)
    columns, shells = {"r_nm": r}, {}
    for row, (name, indices) in enumerate(present.items()):
        sizes = (len(centres), len(indices), bin_nm)
        g, n = _distribution(counts.pairs[:, row].sum(0), counts.frames.sum(), counts.inverse_volumes.sum(), *sizes)
        blocks = [
            _distribution(*block, *sizes)
            for block in zip(counts.pairs[:, row], counts.frames, counts.inverse_volumes, strict=True)
        ]
        minimum = first_minimum(r, g)
        numbers: list[float | None] = [
            None if minimum is None else float(np.interp(minimum, r, number)) for _, number in [(g, n), *blocks]
        ]
        columns |= {f"g_Li_{name}": g, f"n_Li_{name}": n}
        shells[name] = Shell(
            _estimate(first_peak(r, g), [first_peak(r, block) for block, _ in blocks]),
            _estimate(minimum, [first_minimum(r, block) for block, _ in blocks]),
            _estimate(numbers[0], numbers[1:]),
        )
    return Structure(pd.DataFrame(columns), shells, int(counts.frames.sum()))
