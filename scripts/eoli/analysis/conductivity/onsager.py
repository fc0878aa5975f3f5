"""Conductivity, Onsager coefficients and transference numbers from the motion of ions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from eoli.analysis.motion.gls import Slope, brownian_covariance, slope_of
from eoli.analysis.motion.msd import Diffusion, blocks_of, mean_msd, slopes_of
from eoli.core.arrays import Floats, Indices
from eoli.core.numbers import with_error
from eoli.core.statistics import UNKNOWN, Estimate, jackknife_error
from eoli.core.units import BOLTZMANN_J_K, ELEMENTARY_CHARGE_C

LARGEST_RELATIVE_ERROR = 0.5
_SIGMAS = 2


def siemens_per_metre(volume_nm3: float, temperature_K: float) -> float:
    """Factor to S/m from a charge diffusivity summed over the box, e2 nm2/ps: e^2 / (kB T V)."""
    squared = ELEMENTARY_CHARGE_C**2 * 1e-9**2 / 1e-12
    return float(squared / (BOLTZMANN_J_K * temperature_K * volume_nm3 * 1e-9**3))


@dataclass(frozen=True)
class Onsager:
    """Collective diffusivities Λ_ij, nm2/ps, (n, n), with the input of their errors.

    Λ_ij = lim d/dt <ΔS_i · ΔS_j> / 6, S_i the sum of the positions of the particles of kind i, so that the Onsager
    coefficient per volume is Λ_ij / (kB T V); Fong, Self, McCloskey, Persson, Macromolecules 54, 2575 (2021). `blocks`
    (blocks, n, n) are those of the blocks of the runs. For Brownian motion, `variance` is that of a diagonal element
    over its square, and `gain` the standard error of the whole over that of the mean of the blocks.
    """

    matrix: Floats
    blocks: Floats
    variance: float
    gain: float

    def form(self, numerator: Floats, denominator: Floats | None = None) -> Estimate:
        """The sum of numerator_ij Λ_ij, divided by that of denominator_ij Λ_ij if given; both symmetric (n, n).

        The error is the larger of two standard errors. One is that of Brownian motion: the elements of Λ have the
        covariance (Λ_ik Λ_jl + Λ_il Λ_jk) v / 2 of a Wishart matrix with the variance v of a diagonal element; ratios
        are linearised. The other is the jackknife over blocks, times `gain`. Blocks alone have few degrees of freedom;
        Brownian motion alone would miss that the motion changes during a run or between replicas.
        """

        def value_of(matrix: Floats) -> float:
            below = 1.0 if denominator is None else float((denominator * matrix).sum())
            return float((numerator * matrix).sum()) / below if below else math.nan

        value = value_of(self.matrix)
        gradient = numerator
        if denominator is not None:
            gradient = (numerator - value * denominator) / (denominator * self.matrix).sum()
        twice = gradient @ self.matrix
        brownian = math.sqrt(max(0.0, self.variance * float(np.trace(twice @ twice))))
        error = max(brownian, self.gain * jackknife_error(value_of, self.blocks))
        return Estimate(value, error) if math.isfinite(value) and math.isfinite(error) else UNKNOWN

    def transformed(self, transform: Floats) -> Onsager:
        """The same in another frame of reference, whose position sums are `transform` (n, n) times the present ones."""
        return replace(self, matrix=transform @ self.matrix @ transform.T, blocks=transform @ self.blocks @ transform.T)


def pair_msd(sums: Floats, lags: Indices) -> Floats:
    """All-origin <ΔS_i · ΔS_j>, nm2, (lags, n, n), from position sums (frames, n, 3).

    From the MSD of each sum and of each pair's sum, by fast Fourier transform.
    """
    n = sums.shape[1]
    found = np.empty((len(lags), n, n))
    for i in range(n):
        found[:, i, i] = mean_msd(sums[:, [i]], lags)
    for i in range(n):
        for j in range(i):
            both = mean_msd(sums[:, [i]] + sums[:, [j]], lags)
            found[:, i, j] = found[:, j, i] = (both - found[:, i, i] - found[:, j, j]) / 2
    return found


def _slopes(sums: Floats, slope: Slope, interval_ps: float) -> Floats:
    return np.asarray(np.tensordot(slope.weights, pair_msd(sums, slope.lags), 1) / (6 * interval_ps))


def onsager(starts: Sequence[Floats], interval_ps: float) -> Onsager | None:
    """Collective diffusivities from replicas of one system, often a single one.

    Each of `starts` holds unwrapped position sums (frames, n, 3), nm, one per kind of particle. Slopes by generalised
    least squares from a third of the longest trustworthy lag to it (`eoli.analysis.motion.gls.slope_of`), averaged over
    the replicas; blocks are those of `eoli.analysis.motion.msd.blocks_of`, with the same lags. None if there are too
    few frames.
    """
    lengths = [len(sums) for sums in starts]
    cut, slopes = blocks_of(lengths), slopes_of(lengths)
    of_block = slope_of(cut.longest_lag, cut.size) if slopes else None
    if of_block is None:
        return None
    matrices = [_slopes(sums, slope, interval_ps) for sums, slope in zip(starts, slopes, strict=True)]
    blocks = np.array([_slopes(np.asarray(part), of_block, interval_ps) for part in cut.parts(starts)])
    variance = sum(slope.variance for slope in slopes) / len(slopes) ** 2
    gain = math.sqrt(variance / (of_block.variance / cut.total))
    return Onsager(np.mean(matrices, axis=0), blocks, variance / 3, gain)


def polymer_frame(counts: Sequence[int], masses: Sequence[float], polymer_mass: float) -> Floats:
    """Transform (n, n) of ion position sums from the frame of the system's centre of mass to that of the polymer.

    `counts` and `masses` (per ion) by kind, `polymer_mass` of all chains, all in g/mol. In the first frame the
    polymer's centre of mass moves by - sum_k m_k ΔS_k / M_polymer: Shao, Gudla, Brandell, Zhang, J. Am. Chem. Soc. 144,
    7583 (2022), doi 10.1021/jacs.2c02389.
    """
    return np.asarray(np.eye(len(counts)) + np.outer(counts, masses) / polymer_mass)


def charge_form(charges: Sequence[float]) -> Floats:
    """Coefficients of the charge diffusivity: z_i z_j, e2, (n, n)."""
    return np.outer(charges, charges)


def transference_form(charges: Sequence[float], kind: int) -> Floats:
    """The part of `charge_form` carried by one kind of particle, z_kind z_j, made symmetric."""
    form = np.zeros((len(charges), len(charges)))
    form[kind] = charges[kind] * np.asarray(charges)
    return np.asarray((form + form.T) / 2)


def collective_exponent(starts: Sequence[Floats], interval_ps: float) -> Estimate:
    """Exponent of the MSD of one collective coordinate at the lags of `onsager`, from `starts` of (frames, 3) each.

    The error is that of Brownian motion: how far from 1 diffusive runs of these lengths may come out. Unknown for too
    few frames, or a coordinate that does not move.
    """
    slopes = slopes_of([len(path) for path in starts])
    if not slopes:
        return UNKNOWN
    lags = slopes[0].lags
    msd = np.mean([mean_msd(path[:, None], lags) for path in starts], axis=0)
    if not (msd > 0).all():
        return UNKNOWN
    x = np.log(lags)
    weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    covariance = sum(brownian_covariance(lags, len(path)) for path in starts) / len(starts) ** 2
    relative = covariance / np.outer(lags, lags)
    return Estimate(float(weights @ np.log(msd)), math.sqrt(float(weights @ relative @ weights) / 3))


def of_ions(motions: dict[str, Diffusion]) -> str:
    """`resolved` if all `motions` are diffusive, else which are not."""
    failed = [f"motion of {name} {found.verdict}" for name, found in motions.items() if found.verdict != "diffusive"]
    return f"not resolved: {', '.join(failed)}" if failed else "resolved"


def judged(estimate: Estimate, motions: dict[str, Diffusion], exponent: Estimate, scale: float | None = None) -> str:
    """`resolved`, or why a collective number is not.

    The ions themselves must be diffusive (`motions`: their 100 particles can tell what one collective coordinate
    cannot), the exponent of the collective MSD within two errors of 1, and the error at most half of `scale`, by
    default the value itself.
    """
    if of_ions(motions) != "resolved":
        return of_ions(motions)
    if exponent.value is None or exponent.error is None or estimate.value is None or estimate.error is None:
        return "not resolved: no collective motion, or too few frames"
    if abs(exponent.value - 1) > _SIGMAS * exponent.error:
        return f"not resolved: exponent of the collective MSD {with_error(exponent.value, exponent.error)}"
    reference = abs(estimate.value) if scale is None else scale
    if not estimate.error <= LARGEST_RELATIVE_ERROR * reference:
        return f"not resolved: {estimate.value:.3g} ± {estimate.error:.2g}"
    return "resolved"


def nernst_einstein(counts: Sequence[int], charges: Sequence[float], coefficients: Sequence[Estimate]) -> Estimate:
    """Charge diffusivity of independent ions, sum of N z^2 D, in the unit of D times e2.

    Errors of the kinds add in quadrature. Unknown if a D is.
    """
    if any(d.value is None or d.error is None for d in coefficients):
        return UNKNOWN
    factors = [n * z**2 for n, z in zip(counts, charges, strict=True)]
    value = sum(f * (d.value or 0) for f, d in zip(factors, coefficients, strict=True))
    return Estimate(value, math.hypot(*(f * (d.error or 0) for f, d in zip(factors, coefficients, strict=True))))


def ratio(above: Estimate, below: Estimate) -> Estimate:
    """Ratio of two independent estimates; unknown if one is, or if the denominator is not positive."""
    if above.value is None or above.error is None or below.value is None or below.error is None or below.value <= 0:
        return UNKNOWN
    value = above.value / below.value
    return Estimate(value, math.hypot(above.error, value * below.error) / below.value)


def nernst_einstein_transference(
    counts: Sequence[int], charges: Sequence[float], coefficients: Sequence[Estimate]
) -> Estimate:
    """Share of the first kind in the `nernst_einstein` sum of all kinds; D+ / (D+ + D-) for a 1:1 salt."""
    first = nernst_einstein(counts[:1], charges[:1], coefficients[:1])
    odds = ratio(nernst_einstein(counts[1:], charges[1:], coefficients[1:]), first)
    if odds.value is None or odds.error is None:
        return UNKNOWN
    return Estimate(1 / (1 + odds.value), odds.error / (1 + odds.value) ** 2)


@dataclass(frozen=True)
class ClusterTransport:
    """Charge diffusivity of independent clusters, unit of D times e2, and the cations' share of it."""

    charge_diffusivity: Estimate
    transference: Estimate


def cluster_nernst_einstein(
    populations: Floats, charges: tuple[float, float], coefficients: tuple[Estimate, Estimate]
) -> ClusterTransport:
    """Nernst-Einstein sum over clusters as charge carriers, France-Lanord, Grossman, Phys. Rev. Lett. 122, 136001
    (2019).

    Sum over clusters of i cations and j anions of n_ij z_ij^2 D_ij with z_ij = i z+ + j z-; the cations carry the sum
    of n_ij i z+ z_ij D_ij. Changing clusters have no D: D_ij is the cation's for positive net charge, the anion's for
    negative (as Xie et al., arXiv:2101.05339); neutral clusters carry nothing. `populations` (blocks, i, j) are mean
    numbers in the box. The error combines those of both D and of the blocks. Unknown if a D is, or for one block.
    """
    plus, minus = coefficients
    if plus.value is None or minus.value is None or plus.error is None or minus.error is None:
        return ClusterTransport(UNKNOWN, UNKNOWN)
    of_cations = charges[0] * np.arange(populations.shape[1])[:, None]
    net = of_cations + charges[1] * np.arange(populations.shape[2])

    def total(population: Floats, d_plus: float, d_minus: float) -> float:
        return float((population * net**2 * np.where(net > 0, d_plus, d_minus)).sum())

    def share(population: Floats, d_plus: float, d_minus: float) -> float:
        above = float((population * net * of_cations * np.where(net > 0, d_plus, d_minus)).sum())
        below = total(population, d_plus, d_minus)
        return above / below if below else math.nan

    def estimate(of: Callable[[Floats, float, float], float], d: float, dd: float, e: float, ee: float) -> Estimate:
        mean = populations.mean(axis=0)
        value = of(mean, d, e)
        by_blocks = jackknife_error(lambda population: of(population, d, e), populations)
        error = math.hypot(by_blocks, of(mean, d + dd, e) - value, of(mean, d, e + ee) - value)
        return Estimate(value, error) if math.isfinite(value) and math.isfinite(error) else UNKNOWN

    known = (plus.value, plus.error, minus.value, minus.error)
    return ClusterTransport(estimate(total, *known), estimate(share, *known))
