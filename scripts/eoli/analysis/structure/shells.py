"""Binding partners of each lithium and shape of the chains: distributions over frames, with errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eoli.core.arrays import Floats, Indices, Singles
from eoli.core.statistics import Estimate, estimate, jackknife_error, standard_error

_GAUCHE_BELOW = 2 * np.pi / 3


@dataclass(frozen=True)
class Distribution:
    """Mean of a whole number, and the probability of 0, 1, 2, ... up to the largest one found."""

    mean: Estimate
    probabilities: tuple[Estimate, ...]


@dataclass(frozen=True)
class ChainShape:
    """Root mean squares of radius of gyration and end-to-end distance, nm, and the ratio of the mean squares."""

    radius_of_gyration_nm: Estimate
    end_to_end_nm: Estimate
    end_to_end2_over_gyration2: Estimate


def shell_numbers(
    neighbours: npt.NDArray[np.int32], distances: Singles, n_sites: int, partners: Mapping[str, tuple[Indices, float]],
    molecules: Mapping[str, Indices],
) -> dict[str, Indices]:  # fmt: skip
    """Number of sites and molecules of each kind that bind each lithium, (frames, lithium ions).

    `neighbours` and `distances` (frames, lithium ions, slots) are those of the reduced trajectory. A neighbour binds if
    it is within the cut-off, nm, of its kind: `partners` holds sites and cut-off by name, and no site is in two of
    them. `molecules` (n_sites,) by name are the molecule of each site, -1 for none: each counts once, however many of
    its sites bind.
    """
    # the last entry serves the padding, -1
    cutoffs = np.full(n_sites + 1, -1, dtype=np.float32)
    for sites, cutoff in partners.values():
        cutoffs[sites] = cutoff
    bound = distances <= cutoffs[neighbours]
    numbers = {}
    for name, (sites, _) in partners.items():
        member = np.zeros(n_sites + 1, dtype=np.bool_)
        member[sites] = True
        numbers[name] = (bound & member[neighbours]).sum(axis=-1)
    for name, of_site in molecules.items():
        owner = np.append(of_site, -1)
        owners = np.sort(np.where(bound, owner[neighbours], -1), axis=-1)
        new = np.diff(owners, axis=-1, prepend=-1) > 0
        numbers[name] = new.sum(axis=-1)
    return numbers


def distribution(histograms: Indices) -> Distribution:
    """Distribution of a number from its counts in each block, (blocks, values).

    Errors are standard errors over the blocks, unknown for a single one.
    """
    values = np.arange(histograms.shape[1])
    weights = histograms / histograms.sum(axis=1, keepdims=True)
    whole = histograms.sum(axis=0) / histograms.sum()
    largest = int(np.flatnonzero(whole)[-1])
    return Distribution(
        _estimate(float(whole @ values), weights @ values),
        tuple(_estimate(float(whole[k]), weights[:, k]) for k in range(largest + 1)),
    )


def _estimate(value: float, samples: npt.ArrayLike) -> Estimate:
    return estimate(value, standard_error(samples))


def chain_shape(radius_of_gyration: Singles, end_to_end: Singles) -> ChainShape:
    """Shape of the chains from their radii (frames, chains) and end-to-end vectors (frames, chains, 3), nm.

    A chain keeps its conformation longer than a block of frames, so the independent samples are the chains: errors are
    jackknife over chains, unknown for a single one.
    """
    squares = np.column_stack(
        [
            np.mean(radius_of_gyration.astype(np.float64) ** 2, axis=0),
            np.mean((end_to_end.astype(np.float64) ** 2).sum(axis=-1), axis=0),
        ]
    )

    def found(of: Callable[[Floats], float]) -> Estimate:
        return estimate(of(squares.mean(axis=0)), jackknife_error(of, squares))

    return ChainShape(
        found(lambda mean: np.sqrt(mean[0])),
        found(lambda mean: np.sqrt(mean[1])),
        found(lambda mean: mean[1] / mean[0]),
    )


def gauche_fraction(torsions: Singles, n_chains: int) -> Estimate:
    """Share of torsions (frames, torsions), radians, that are nearer to gauche than to trans: |angle| below 120 deg.

    The torsions are those of `n_chains` equal chains in order; the error is the standard error over the chains.
    """
    per_chain = (np.abs(torsions) < _GAUCHE_BELOW).reshape(len(torsions), n_chains, -1).mean(axis=(0, 2))
    return _estimate(float(per_chain.mean()), per_chain)


def weighted(parts: Sequence[tuple[float, Estimate]]) -> Estimate:
    """Sum of independent estimates times their weights; without an error if a part has none."""
    value = sum(weight * (of.value or 0.0) for weight, of in parts)
    errors = [weight * of.error for weight, of in parts if of.error is not None]
    return Estimate(float(value), math.hypot(*errors) if len(errors) == len(parts) else None)
