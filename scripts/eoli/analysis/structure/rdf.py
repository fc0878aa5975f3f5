"""Radial distribution functions, first shells and coordination numbers from counted pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from eoli.core.arrays import Floats
from eoli.core.statistics import UNKNOWN, Estimate, jackknife_error, standard_error
from eoli.errors import DataError

_LEAST_BLOCKS = 4
_SMOOTHING_NM = 0.004


@dataclass(frozen=True)
class PairCounts:
    """Pairs of one kind by block of consecutive frames and bin, (B, R), with the data to normalise g(r).

    `n_first` sites each have `n_second` partners (one less than their number if both groups are the same; each pair
    then counts twice). `frames` (B,) are the frames per block, `inverse_volumes` (B,) their sums of 1/V, 1/nm3.
    """

    pairs: npt.NDArray[np.int64]
    n_first: int
    n_second: int
    frames: npt.NDArray[np.int64]
    inverse_volumes: Floats
    bin_nm: float

    @property
    def r_nm(self) -> Floats:
        """Centres of the bins, (R,)."""
        return np.asarray(self.bin_nm * (np.arange(self.pairs.shape[1]) + 0.5), dtype=np.float64)


@dataclass(frozen=True)
class Shell:
    """First coordination shell: maximum and minimum of g(r) that bound it, nm, and the partners inside."""

    first_peak_nm: Estimate
    first_minimum_nm: Estimate
    coordination_number: Estimate


def _g(counts: PairCounts, pairs: Floats, inverse_volumes: float) -> Floats:
    edges = counts.bin_nm * np.arange(len(pairs) + 1)
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    return np.asarray(pairs / (counts.n_first * counts.n_second * shells * inverse_volumes))


def radial_distribution(counts: PairCounts) -> Floats:
    """g(r) at the centres of the bins, (R,), normalised by the mean of 1/V over the frames."""
    return _g(counts, counts.pairs.sum(axis=0), counts.inverse_volumes.sum())


def running_number(counts: PairCounts) -> Floats:
    """n(r), the mean number of partners within the centre of each bin, (R,)."""
    per_site = counts.pairs.sum(axis=0) / (counts.frames.sum() * counts.n_first)
    return np.asarray(np.cumsum(per_site) - per_site / 2)


def coordination_number(counts: PairCounts, cutoff_nm: float) -> Estimate:
    """Mean number of partners within a cut-off; its error is the standard error over the blocks.

    The bin that holds the cut-off counts in part. The error is unknown with fewer than four blocks. Raises DataError
    for a cut-off beyond the last bin.
    """
    n_bins = counts.pairs.shape[1]
    if not 0 < cutoff_nm <= counts.bin_nm * n_bins * (1 + 1e-9):
        raise DataError(f"a cut-off of {cutoff_nm:g} nm; pairs are counted up to {counts.bin_nm * n_bins:g} nm")
    edges = counts.bin_nm * np.arange(n_bins + 1)
    below = np.cumsum(np.pad(counts.pairs, ((0, 0), (1, 0))), axis=1)
    within = np.array([np.interp(cutoff_nm, edges, block) for block in below])
    per_block = within / (counts.frames * counts.n_first)
    error = standard_error(per_block) if len(per_block) >= _LEAST_BLOCKS else None
    return Estimate(float(within.sum() / (counts.frames.sum() * counts.n_first)), error)


def _main_maximum(r: npt.ArrayLike, g: npt.ArrayLike) -> tuple[Floats, Floats, int] | None:
    """Distances, smoothed g(r), and the index of its main first maximum; None without one."""
    distance, values = np.asarray(r, dtype=np.float64), np.asarray(g, dtype=np.float64)
    if len(values) < 5 or not np.isfinite(values).all():
        return None
    width = max(1.0, _SMOOTHING_NM / float(distance[1] - distance[0]))
    smooth = np.asarray(gaussian_filter1d(values, width, mode="nearest"))
    highest = float(smooth.max())
    top = first_maximum(smooth, max(1.2, 0.5 * highest), 0.3 * highest)
    return None if top is None else (distance, smooth, top)


def first_maximum(values: Floats, height: float, prominence: float) -> int | None:
    """Index of the first local maximum of `values` (n,) with at least this height and prominence; None without one.

    The prominence is the height above the higher of the two lowest points between the maximum and a higher value, or
    the end, on either side (`scipy.signal.find_peaks`, whose import takes longer than most analyses of a short run).
    """
    rises = np.flatnonzero(np.diff(values))
    # equal neighbours are one point
    points = values[np.append(rises, len(values) - 1)]
    index = np.append(-1, rises) + 1
    is_maximum = (points[1:-1] > points[:-2]) & (points[1:-1] > points[2:]) & (points[1:-1] >= height)
    for at in np.flatnonzero(is_maximum) + 1:
        higher = np.flatnonzero(points > points[at])
        left, right = higher[higher < at], higher[higher > at]
        base_left = points[left[-1] if len(left) else 0 : at].min()
        base_right = points[at + 1 : (right[0] if len(right) else len(points)) + 1].min()
        if points[at] - max(base_left, base_right) >= prominence:
            return int(index[at])
    return None


def first_peak(r: npt.ArrayLike, g: npt.ArrayLike) -> float | None:
    """Position of the main first maximum of g(r), in the unit of `r`; both of shape (bins,), `r` equally spaced, nm.

    The maximum is the first one of the lightly smoothed g (Gaussian of 4 pm or one bin) that is above 1.2, at least
    half the largest value, and of prominence 0.3; its position is the vertex of the parabola through the smoothed
    points above 0.85 of its height. None if there is no such maximum or the points are too few.
    """
    found = _main_maximum(r, g)
    if found is None:
        return None
    distance, smooth, top = found
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
    """Position of the minimum behind the main first maximum of g(r), in the unit of `r`; `r` and `g` have the shape (bins,).

    The lowest smoothed value before g rises again by 0.1; in a flat gap its middle. None if there is no first maximum
    or g does not rise again within the range.
    """
    found = _main_maximum(r, g)
    if found is None:
        return None
    distance, smooth, top = found
    behind = smooth[top:]
    rises = np.flatnonzero(behind > np.minimum.accumulate(behind) + 0.1)
    if not len(rises):
        return None
    before_rise = behind[: rises[0]]
    flat = np.flatnonzero(before_rise <= before_rise.min() + 0.01)
    return float((distance[top + flat[0]] + distance[top + flat[-1]]) / 2)


def _position(counts: PairCounts, find: Callable[[Floats, Floats], float | None]) -> Estimate:
    """A distance that `find` reads off g(r), with its jackknife error over the blocks."""
    # per block: its pairs, and its sum of 1/V
    samples = np.column_stack([counts.pairs, counts.inverse_volumes])

    def position(mean: Floats) -> float:
        found = find(counts.r_nm, _g(counts, mean[:-1], mean[-1]))
        return np.nan if found is None else found

    value = position(samples.mean(axis=0))
    error = jackknife_error(position, samples) if len(samples) >= _LEAST_BLOCKS else np.nan
    return Estimate(value, error) if np.isfinite([value, error]).all() else UNKNOWN


def first_shell(counts: PairCounts) -> Shell:
    """First shell of a kind of pair.

    Errors are over blocks: by jackknife for the positions, which are unknown if the run or any of its parts does not
    show them, or with fewer than four blocks. The coordination number is n(r) at the first minimum of the whole run, in
    each block as well.
    """
    minimum = _position(counts, first_minimum)
    number = UNKNOWN if minimum.value is None else coordination_number(counts, minimum.value)
    return Shell(_position(counts, first_peak), minimum, number)
