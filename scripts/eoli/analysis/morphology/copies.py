"""Do the copies in a repeated box still look alike? A correlation of their structure that decays from 1 to 0.

A box that repeats a small one N times has, at the start, all its scattering on the reciprocal lattice of the small box
and none between. With a correlation R between the densities of two copies, and S(q) that of one copy alone, the mean
intensity is S (1 + (N - 1) R) on that lattice and S (1 - R) off it, at equal |q|; so

R = (S_on - S_off) / (S_on + (N - 1) S_off).

R is measured where structure lives longest: on the first three shells of the small box's lattice, and off the lattice
at similar lengths. Below the first shell S(q) of the repeated box is too small by the share R, so nothing is known
there until R is shown to be small. If each site has moved independently by a Gaussian of variance s^2 along each axis,
R = exp(-q^2 s^2); the tests compare with that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from eoli.analysis.morphology.scattering import amplitudes, wave_vectors
from eoli.core.arrays import Floats
from eoli.core.statistics import BLOCKS, Estimate, jackknife_error

SHELLS = 3
"""Shells of the small box's lattice, |n|^2 = 1, 2, 3: lengths L, L/sqrt(2), L/sqrt(3)."""
NEAR = 0.25
"""Largest distance from a shell, in units of 2 pi / L, at which off-lattice vectors count for it."""
TOLERANCE = 0.1
"""Copies count as different once R plus twice its error is below this: S(q) beyond the small box is right within it."""


@dataclass(frozen=True)
class Likeness:
    """Correlation R between copies, mean over the frames, and whether it is shown to be small.

    The error combines the scatter over blocks of frames and that of the few wave vectors of one configuration, which
    frames of a slow system share.
    """

    correlation: Estimate
    different: bool

    @property
    def text(self) -> str:
        """Text for a table."""
        value, error = self.correlation.value, self.correlation.error
        return f"copies correlate by {value:z.2f} +- {error:.2f}; allowed: below {TOLERANCE:g} with twice the error"


def likeness(
    frames: Iterable[tuple[Floats, Floats]], n_frames: int, copies: tuple[int, int, int], weights: Floats
) -> Likeness:
    """Likeness of the copies of a repeated box in frames (positions (n_sites, 3), box edges (3,)), nm.

    `weights` (n_sites,) are the scattering weights. The lattices follow each frame's box.
    """
    number = int(np.prod(copies))
    # in units of the small box's lattice, taken as cubic for the shells only
    hkl, _ = wave_vectors(2 * np.pi * np.array(copies), np.sqrt(SHELLS) + NEAR)
    scaled = hkl / np.array(copies)
    lengths = np.linalg.norm(scaled, axis=1)
    on = np.all(hkl % np.array(copies) == 0, axis=1)
    shells = [
        (on & (np.abs(lengths - radius) < 1e-6), ~on & (np.abs(lengths - radius) <= NEAR))
        for radius in np.sqrt(np.arange(1, SHELLS + 1))
    ]
    blocks = min(BLOCKS, n_frames)
    sums, counts = np.zeros((blocks, 2)), np.zeros(blocks)
    for index, (positions, box) in enumerate(frames):
        found = amplitudes(np.asarray(positions, dtype=np.float64) / box, weights, hkl)
        intensity = (found * found.conj()).real
        block = index * blocks // n_frames
        counts[block] += 1
        # a shell is weighted by its number of lattice vectors
        sums[block, 0] += sum(intensity[lattice].sum() for lattice, _ in shells)
        sums[block, 1] += sum(intensity[off].mean() * lattice.sum() for lattice, off in shells)
    samples = sums / counts[:, None]

    def correlation(means: Floats) -> float:
        return float((means[0] - means[1]) / (means[0] + (number - 1) * means[1]))

    value = correlation(samples.mean(axis=0))
    vectors = [sum(int(mask.sum()) for mask in masks) for masks in zip(*shells, strict=True)]
    # dR/R of the two intensities, each known to 1/sqrt(vectors) from one configuration
    speckle = (1 - value) * (1 + (number - 1) * value) / number * float(np.sqrt(sum(1 / n for n in vectors)))
    scatter = jackknife_error(correlation, samples)
    error = float(np.hypot(speckle, 0.0 if np.isnan(scatter) else scatter))
    return Likeness(Estimate(value, error), n_frames > 1 and value + 2 * error < TOLERANCE)
