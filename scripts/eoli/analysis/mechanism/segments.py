"""Segmental motion: reorientation of ether segments and torsion flips, by distance from a block or a chain end."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import gamma

from eoli.analysis.mechanism.residence import Decay, decay
from eoli.core.arrays import Floats, Integers
from eoli.core.statistics import UNKNOWN, Estimate
from eoli.errors import InputError
from eoli.topology.molecule import Molecule

Curve = Callable[[Floats], Floats]

_TRANS = 2 * math.pi / 3
_FIT_TO = 0.05
_LEAST_POINTS = 6
_LARGEST_RELATIVE_ERROR = 0.5


@dataclass(frozen=True)
class Relaxation:
    """A correlation function with its 1/e time, and A exp(-(t/tau)^beta) with its mean time A tau Gamma(1/beta)/beta.

    The fit is given only if the 1/e time is resolved.
    """

    decay: Decay
    mean_ps: Estimate
    stretching: Estimate
    amplitude: Estimate


def segment_distances(chain: Molecule) -> Integers:
    """Repeat units from each ether segment of a chain to the nearest PA unit, or to the nearest end without PA.

    A segment runs from one ether oxygen to the next, shape (ether oxygens - 1,), and counts by the nearer of its two
    units; the unit joined to PA, or the first and last one with an ether oxygen, is 1. If the two are not in
    neighbouring units there is no segment: 0.
    """
    own = np.array([site.residue_number for site in chain.sites if site.role == "ether_O"], dtype=np.int64)
    if len(own) < 2:
        return np.empty(0, dtype=np.int64)
    other = np.array(sorted({site.residue_number for site in chain.sites if site.block == "PA"}), dtype=np.int64)
    ends = other if len(other) else np.array([own.min() - 1, own.max() + 1])
    distance = np.abs(own[:, None] - ends).min(axis=1)
    return np.where(np.diff(own) == 1, np.minimum(distance[1:], distance[:-1]), 0)


def bin_names(edges: Sequence[int]) -> list[str]:
    """Names of the distance bins: edges (4, 12) give `1_4`, `5_12` and `13_up`."""
    starts = [1, *(edge + 1 for edge in edges)]
    return [f"{start}_{end}" for start, end in zip(starts, edges, strict=False)] + [f"{starts[-1]}_up"]


def bin_numbers(distances: Integers, edges: Sequence[int]) -> Integers:
    """Bin of each distance in repeat units, in the shape of `distances`; an edge is the last unit of its bin.

    Raises InputError for edges that do not increase from 1 or more.
    """
    if not all(a < b for a, b in zip((0, *edges), edges, strict=False)):
        raise InputError(
            f"edges of bins of repeat units {list(edges)} are not allowed; allowed: 1 or more, each larger than the one before"
        )
    return np.searchsorted(np.asarray(edges), distances)


def segment_vectors(oxygens: Floats, box: Floats) -> Floats:
    """Unit vectors from each ether oxygen to the next along its chain, (frames, chains, oxygens - 1, 3).

    `oxygens` (frames, chains, oxygens, 3) are wrapped, nm; neighbours lie well within half of the `box` (frames, 3).
    """
    vectors = np.diff(oxygens, axis=2)
    edges = box[:, None, None, :]
    vectors -= edges * np.round(vectors / edges)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=3, keepdims=True))


def _autocorrelations(series: Floats, lags: Integers) -> Floats:
    """Sum over series of <x(0)x(t)> over all origins at the lags; series (frames, n)."""
    n = len(series)
    length = next_fast_len(2 * n, real=True)
    spectrum = rfft(series, length, axis=0)
    power = (spectrum.real**2 + spectrum.imag**2).sum(axis=1)
    return np.asarray(irfft(power, length)[lags] / (n - lags), dtype=np.float64)


def orientation_samples(vectors: Floats, lags: Integers) -> tuple[Floats, Floats]:
    """<u(0).u(t)> and <P2(u(0).u(t))> of unit vectors (frames, n, 3) at lags in frames, each the mean over the n.

    P2 is 3/2 of the contraction of the dyads minus 1/2, so both are sums of autocorrelations by Fourier transform.
    """
    n = vectors.shape[1]
    first = sum(_autocorrelations(vectors[:, :, a], lags) for a in range(3)) / n
    second = sum(
        (1 if a == b else 2) * _autocorrelations(vectors[:, :, a] * vectors[:, :, b], lags)
        for a in range(3)
        for b in range(a, 3)
    )
    return np.asarray(first), np.asarray(1.5 * second / n - 0.5)


def fluctuation_samples(series: Floats, lags: Integers) -> Floats:
    """<x(0)x(t)> at lags in frames, then <x^2> and <x>, of series (frames, n): a sample for `fluctuation_curve`."""
    correlation = _autocorrelations(series, lags) / series.shape[1]
    return np.concatenate([correlation, [float((series.astype(np.float64) ** 2).mean()), float(series.mean())]])


def fluctuation_curve(mean: Floats) -> Floats:
    """(<x(0)x(t)> - <x>^2) / (<x^2> - <x>^2), shape (lags,); <x> is the average over all series, not of each.

    `mean` (lags + 2,) has <x(0)x(t)> at the lags, then <x^2> and <x>. NaN where nothing fluctuates.
    """
    square = mean[-1] ** 2
    variance = mean[-2] - square
    return np.asarray((mean[:-2] - square) / variance if variance > 1e-12 else np.full(len(mean) - 2, np.nan))


def torsion_series(torsions: Floats) -> dict[str, Floats]:
    """Series from torsions in radians: their cosine, and whether they are trans (beyond 120 degrees)."""
    return {"torsion_cos": np.cos(torsions), "torsion_state": (np.abs(torsions) > _TRANS).astype(torsions.dtype)}


def end_to_end_samples(vectors: Floats, lags: Integers) -> Floats:
    """<R(0).R(t)> at lags in frames, then <R^2>, of end-to-end vectors (frames, chains, 3): one row per chain."""
    rows = [
        [*_autocorrelations(vectors[:, chain], lags), float((vectors[:, chain].astype(np.float64) ** 2).sum(1).mean())]
        for chain in range(vectors.shape[1])
    ]
    return np.array(rows)


def end_to_end_curve(mean: Floats) -> Floats:
    """<R(0).R(t)> / <R^2>, shape (lags,), from the mean over the chains of `end_to_end_samples`, shape (lags + 1,)."""
    return np.asarray(mean[:-1] / mean[-1])


def _stretched(time: Floats, log_tau: float, log_beta: float, amplitude: float) -> Floats:
    exponent = math.exp(min(log_beta, 5.0)) * (np.log(time) - log_tau)
    return np.asarray(amplitude * np.exp(-np.exp(np.clip(exponent, -50, 50))))


def _fit(time: Floats, values: Floats, start: Floats) -> Floats:
    # a slow import
    from scipy.optimize import curve_fit

    try:
        found, _ = curve_fit(_stretched, time, values, p0=start, maxfev=2000)
    except RuntimeError:
        return np.full(3, np.nan)
    return np.asarray(found)


def _numbers(fit: Floats) -> Floats:
    """Mean time, stretching and amplitude."""
    tau, beta, amplitude = np.exp(np.clip(fit[0], -700, 700)), np.exp(np.clip(fit[1], -4, 5)), fit[2]
    return np.array([amplitude * tau * gamma(1 + 1 / beta), beta, amplitude])


def relaxation(lag_ps: Floats, samples: Floats, curve: Curve = lambda mean: mean) -> Relaxation:
    """Relaxation of the correlation function `curve(mean of samples)`, shape (lags,), with errors over the chains.

    `samples` (chains, ...) has one row per chain; `lag_ps` increases from above 0. If the 1/e time is resolved (see
    `eoli.analysis.mechanism.residence.decay`), the stretched exponential of Williams and Watts (Trans. Faraday Soc. 66,
    80 (1970)) is fitted down to 0.05, with an amplitude that allows for libration faster than the first lag; its mean
    time is its integral. Jackknife errors over chains for all three; a number whose error exceeds half of it is
    withheld.
    """
    found = decay(lag_ps, samples, curve)
    low = np.flatnonzero(~(found.function > _FIT_TO))
    end = int(low[0]) if len(low) else len(lag_ps)
    if found.time_ps is None or end < _LEAST_POINTS:
        return Relaxation(found, UNKNOWN, UNKNOWN, UNKNOWN)
    time = lag_ps[:end]
    fit = _fit(time, found.function[:end], np.array([math.log(found.time_ps), 0.0, 1.0]))
    n = len(samples)
    left_out = [_numbers(_fit(time, curve(mean)[:end], fit)) for mean in (samples.sum(axis=0) - samples) / (n - 1)]
    errors = np.sqrt((n - 1) * np.var(left_out, axis=0))

    def estimate(value: float, error: float) -> Estimate:
        return Estimate(value, error) if error <= _LARGEST_RELATIVE_ERROR * value else UNKNOWN

    return Relaxation(found, *(estimate(float(v), float(e)) for v, e in zip(_numbers(fit), errors, strict=True)))
