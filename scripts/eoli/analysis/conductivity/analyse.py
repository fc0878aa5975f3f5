"""Conductivity: Nernst-Einstein, clusters and collective; Onsager coefficients, ionicity, transference numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eoli.analysis.common import write_results
from eoli.analysis.conductivity.onsager import (
    Onsager,
    charge_form,
    cluster_nernst_einstein,
    collective_exponent,
    judged,
    nernst_einstein,
    nernst_einstein_transference,
    of_ions,
    onsager,
    pair_msd,
    polymer_frame,
    ratio,
    siemens_per_metre,
    transference_form,
)
from eoli.analysis.ions.analyse import read_clusters
from eoli.analysis.ions.clusters import block_populations
from eoli.analysis.motion.analyse import FOLLOWED, FRAME, Motion, folded_of, read_motion
from eoli.analysis.motion.msd import (
    M2_S_PER_NM2_PS,
    NOT_KNOWN,
    Diffusion,
    diffusion,
    gls_diffusion,
    local_exponent,
    log_lags,
)
from eoli.core.arrays import Floats
from eoli.core.statistics import UNKNOWN, Estimate
from eoli.core.units import AVOGADRO_PER_MOL, ELEMENTARY_CHARGE_C
from eoli.study.criteria import ConductivityCriteria, StartsCriteria
from eoli.topology.description import read_description
from eoli.topology.species import Species
from eoli.trajectory.store import open_reduced
from eoli.trajectory.unwrap import total

_EQUAL_SHARES = 0.5


def _stated(
    estimate: Estimate, verdict: str, at_most: float | None = None, at_least: float | None = None
) -> dict[str, Any]:
    """Value and error only if resolved, bounds only if not."""
    if verdict == "resolved":
        return asdict(estimate) | {"verdict": verdict}
    bounds = {"upper_bound": at_most, "lower_bound": at_least}
    return asdict(UNKNOWN) | {"verdict": verdict} | {key: bound for key, bound in bounds.items() if bound is not None}


def _coefficient(found: Diffusion) -> Estimate:
    """D in nm2/ps."""
    return Estimate(found.value_m2_s, found.error_m2_s).times(1 / M2_S_PER_NM2_PS)


def _bounds(found: Diffusion) -> tuple[float, float | None]:
    """Lower and upper bound of D, nm2/ps: two errors around a known D, else zero and its bound, if any."""
    if found.value_m2_s is not None and found.error_m2_s is not None:
        low, high = (found.value_m2_s + sign * 2 * found.error_m2_s for sign in (-1, 1))
        return max(0.0, low) / M2_S_PER_NM2_PS, high / M2_S_PER_NM2_PS
    return 0.0, None if found.upper_bound_m2_s is None else found.upper_bound_m2_s / M2_S_PER_NM2_PS


def _known(value: float | None) -> Estimate:
    return UNKNOWN if value is None else Estimate(value, 0.0)


def _share(ions: _Ions, lithium: float | None, others: Sequence[float | None]) -> float | None:
    """Nernst-Einstein transference number of lithium from the D of all ions; None if one is missing or no ion moves."""
    known = [d for d in others if d is not None]
    if lithium is None or len(known) < len(others):
        return None
    one, *weights = (n * z**2 for n, z in zip(ions.counts, ions.charges, strict=True))
    rest = sum(weight / one * d for weight, d in zip(weights, known, strict=True))
    return lithium / (lithium + rest) if lithium + rest > 0 else None


@dataclass(frozen=True)
class _Ions:
    """Ions of one or several replicas, lithium first: sums of their positions (frames, n, 3), nm, per replica, self and
    collective motion. `onsager` and `sums` have the neutral species of `neutral` behind the ions, whose motion belongs to
    the frame of reference. If paths are `folded`, the motion is unknown."""

    names: list[str]
    counts: list[int]
    charges: list[float]
    neutral: tuple[Species, ...]
    masses: list[float]
    sums: list[Floats]
    interval_ps: float
    motions: dict[str, Diffusion]
    gls: list[Estimate]
    onsager: Onsager | None
    folded: bool

    def exponent(self, weights: Sequence[float]) -> Estimate:
        """Exponent of the MSD of a weighted sum of the position sums of the ions."""
        if self.folded:
            return UNKNOWN
        paths = [np.einsum("i,fik->fk", np.array(weights), sums[:, : len(weights)]) for sums in self.sums]
        return collective_exponent(paths, self.interval_ps)

    def form(self, of_ions: Floats) -> Floats:
        """Coefficients (n, n) of the ions, and zero for the neutral species."""
        return np.pad(of_ions, (0, len(self.neutral)))

    def others_alike(self) -> bool:
        """Whether all ions but lithium are anions of one charge, so that clusters have a charge by their numbers."""
        return len(set(self.charges[1:])) == 1 and self.charges[1] < 0


def is_salt(species: Mapping[str, tuple[Species, ...]]) -> bool:
    """Whether a system has lithium and anions."""
    return {"Li", "anion"} <= species.keys()


def ions_of(motion: Motion) -> dict[str, Species]:
    """Species of ions by their names in results, lithium first: `anion` if there is only one type, else by label."""
    return {
        family if len(of_family) == 1 and family in FOLLOWED else one.label: one
        for family, of_family in motion.species.items()
        if family in ("Li", "cation", "anion")
        for one in of_family
    }


def _sums(motion: Motion, species: Sequence[Species]) -> Floats:
    """Sums of the positions of each species, (frames, n, 3), nm."""
    return np.stack([total(motion.path_of(one)) for one in species], axis=1)


def _ions(motions: Sequence[Motion], tolerance: float) -> _Ions:
    interval_ps, folded = motions[0].interval_ps, folded_of(motions) is not None
    species, neutral = ions_of(motions[0]), motions[0].species.get("solvent", ())
    paths = {name: [motion.path_of(one) for motion in motions] for name, one in species.items()}
    sums = [_sums(motion, [*species.values(), *neutral]) for motion in motions]
    return _Ions(
        names=list(species),
        counts=[len(one.sites) for one in species.values()],
        charges=[float(one.charge) for one in species.values()],
        neutral=neutral,
        masses=[one.mass for one in species.values()],
        sums=sums,
        interval_ps=interval_ps,
        motions={
            name: NOT_KNOWN if folded else diffusion(starts, interval_ps, tolerance) for name, starts in paths.items()
        },
        gls=[gls_diffusion(starts, interval_ps).times(1 / M2_S_PER_NM2_PS) for starts in paths.values()],
        onsager=None if folded else onsager(sums, interval_ps),
        folded=folded,
    )


def _onsager_scalars(ions: _Ions, matrix: Onsager, factor: float) -> dict[str, Any]:
    """F^2 L_ij in S/m, with the self and distinct parts of the diagonal."""
    scalars: dict[str, Any] = {}
    n = len(ions.names)
    exponents = [ions.exponent(weights) for weights in np.eye(n).tolist()]
    for i, j in (*((k, k) for k in range(n)), *itertools.combinations(range(n), 2)):
        # cross terms are judged against their largest possible value
        most = math.sqrt(abs(matrix.matrix[i, i] * matrix.matrix[j, j]))
        form = np.zeros((n, n))
        form[i, j] += 0.5
        form[j, i] += 0.5
        found = matrix.form(ions.form(form))
        verdicts = [judged(found, ions.motions, exponents[k], most if i != j else None) for k in {i, j}]
        verdict = next((text for text in verdicts if text != "resolved"), "resolved")
        name = f"{ions.names[i]}_{ions.names[j]}"
        scalars[name] = _stated(found.times(factor), verdict)
        if i == j:
            alone = ions.gls[i].times(ions.counts[i])
            scalars[f"{name}_self"] = _stated(
                alone.times(factor), of_ions({ions.names[i]: ions.motions[ions.names[i]]})
            )
            # the two errors are not independent; that of the whole dwarfs that of the self part
            rest = Estimate((found.value or 0) - (alone.value or 0), found.error)
            scalars[f"{name}_distinct"] = _stated(rest.times(factor), verdict)
    return scalars


def _bare(scalars: dict[str, Any]) -> dict[str, Any]:
    """Onsager coefficients in mol2 / (J m s), from those in S/m."""
    squared = (ELEMENTARY_CHARGE_C * AVOGADRO_PER_MOL) ** 2
    return {
        name: {key: None if found[key] is None else found[key] / squared for key in ("value", "error")}
        for name, found in scalars.items()
    }


def _independent(
    ions: _Ions, factor: float, populations: Floats | None, anion: Diffusion
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Conductivities, S/m, and transference numbers of independently moving ions, and of clusters.

    `anion` is the motion of the anions of all types.
    """
    coefficients = [_coefficient(ions.motions[name]) for name in ions.names]
    verdict = of_ions(ions.motions)
    least, most = zip(*(_bounds(ions.motions[name]) for name in ions.names), strict=True)

    def sigma_of(coefficients: Sequence[float | None]) -> float | None:
        return nernst_einstein(ions.counts, ions.charges, list(map(_known, coefficients))).times(factor).value

    # the diffusing ions carry their part whatever the others do
    lowest = sigma_of(least) if any(least) else None
    smallest = _share(ions, least[0], most[1:]) if least[0] else None
    largest = _share(ions, most[0], least[1:]) if any(least[1:]) else None
    total = nernst_einstein(ions.counts, ions.charges, coefficients)
    share = nernst_einstein_transference(ions.counts, ions.charges, coefficients)
    sigma = {"nernst_einstein": _stated(total.times(factor), verdict, sigma_of(most), lowest)}
    shares = {"nernst_einstein": _stated(share, verdict, largest, smallest)}
    if populations is not None and ions.others_alike():
        of_both = (coefficients[0], _coefficient(anion))
        clusters = cluster_nernst_einstein(populations, (ions.charges[0], ions.charges[1]), of_both)
        verdict = of_ions({"Li": ions.motions["Li"], "anion": anion})
        name, carry = "cluster_nernst_einstein", verdict
        if verdict == "resolved" and clusters.transference.value is None:
            carry = "not resolved: no charged clusters"
        sigma[name] = _stated(clusters.charge_diffusivity.times(factor), verdict)
        shares[name] = _stated(clusters.transference, carry)
    return sigma, shares


def _collective(ions: _Ions, motion: Motion, factor: float) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Collective conductivity, S/m, collective transference numbers, and related scalars."""
    exponent = ions.exponent(ions.charges)
    beside: dict[str, Any] = {"exponent_of_charge_msd": asdict(exponent)}
    if ions.onsager is None:
        why = of_ions(ions.motions) if ions.folded else "not resolved: too few frames"
        return {"collective": _stated(UNKNOWN, why)}, {}, beside
    charge = ions.form(charge_form(ions.charges))
    found = ions.onsager.form(charge)
    verdict = judged(found, ions.motions, exponent)
    sigma = found.times(factor)
    at_most = None
    if of_ions(ions.motions) == "resolved" and sigma.value is not None and sigma.error is not None:
        at_most = sigma.value + 2 * sigma.error
    independent = nernst_einstein(ions.counts, ions.charges, [_coefficient(ions.motions[name]) for name in ions.names])
    beside["ionicity"] = _stated(ratio(found, independent), verdict)
    beside["onsager_S_m"] = _onsager_scalars(ions, ions.onsager, factor)
    beside["onsager_mol2_J_m_s"] = _bare(beside["onsager_S_m"])
    frames = {"onsager_centre_of_mass": ions.onsager}
    if chains := motion.species.get("chain"):
        counts = [*ions.counts, *(len(of.sites) for of in ions.neutral)]
        masses = [*ions.masses, *(of.mass for of in ions.neutral)]
        of_polymer = np.repeat([of.mass for of in chains], [len(of.sites) for of in chains])
        transform = polymer_frame(counts, masses, float(of_polymer.sum()))
        frames["onsager_polymer"] = ions.onsager.transformed(transform)
    shares = {}
    for name, matrix in frames.items():
        share = matrix.form(ions.form(transference_form(ions.charges, 0)), charge)
        shares[name] = _stated(share, judged(share, ions.motions, exponent, _EQUAL_SHARES))
    return {"collective": _stated(sigma, verdict, at_most)}, shares, beside


def _table(motion: Motion, factor: float) -> pd.DataFrame:
    ions = ions_of(motion)
    sums = _sums(motion, list(ions.values()))
    lags = log_lags(len(sums))
    lag_ps = lags * motion.interval_ps
    n = len(ions)
    pairs = np.full((len(lags), n, n), np.nan) if motion.folded else pair_msd(sums, lags)
    charge = np.tensordot(pairs, charge_form([of.charge for of in ions.values()]), 2)
    numbered = [*((of, of) for of in enumerate(ions)), *itertools.combinations(enumerate(ions), 2)]
    return pd.DataFrame(
        {
            "lag_ps": lag_ps,
            **{f"collective_{first}_{second}_nm2": pairs[:, i, j] for (i, first), (j, second) in numbered},
            "charge_msd_e2_nm2": charge,
            "alpha_charge": local_exponent(lag_ps, charge),
            "sigma_apparent_S_m": factor * charge / (6 * lag_ps),
        }
    )


def _simulated(sigma: dict[str, Any], scale: float) -> dict[str, Any]:
    """Conductivities with the charges of the simulation; verdicts stay."""
    return {
        route: {key: number * scale**2 if isinstance(number, float) else number for key, number in found.items()}
        for route, found in sigma.items()
    }


def _volume_nm3(motions: Sequence[Motion]) -> float:
    return float(np.mean([motion.box.prod(axis=1).mean() for motion in motions]))


def with_lithium(
    lithium: Estimate, motions: Sequence[Motion], tolerance: float, temperature_K: float
) -> dict[str, Any]:
    """Nernst-Einstein conductivity, S/m, of the replicas of a salt, with a D of lithium, m2/s, that is known otherwise.

    The other ions have the D of their mean squared displacement, and the verdict is theirs; formal charges. Where they do
    not diffuse there are bounds, the lower one from lithium and the ions that do.
    """
    ions = ions_of(motions[0])
    others = {
        name: diffusion([motion.path_of(one) for motion in motions], motions[0].interval_ps, tolerance)
        for name, one in ions.items()
        if name != "Li"
    }
    counts, charges = [len(one.sites) for one in ions.values()], [float(one.charge) for one in ions.values()]
    factor = siemens_per_metre(_volume_nm3(motions), temperature_K)
    own = lithium.times(1 / M2_S_PER_NM2_PS)

    def sigma(coefficients: Iterable[Estimate]) -> Estimate:
        return nernst_einstein(counts, charges, [own, *coefficients]).times(factor)

    # two errors around each, as in `_bounds`
    two = 2 * (sigma(Estimate(0.0, 0.0) for _ in others).error or 0.0)
    low, high = ([_known(bound) for bound in side] for side in zip(*map(_bounds, others.values()), strict=True))
    least, most = sigma(low).value, sigma(high).value
    return _stated(
        sigma(map(_coefficient, others.values())), of_ions(others), None if most is None else most + two,
        None if least is None else max(0.0, least - two),
    )  # fmt: skip


def conductivity_scalars(
    motions: Sequence[Motion], populations: Floats | None, charge_scale: float,
    criteria: ConductivityCriteria | StartsCriteria,
) -> dict[str, Any]:  # fmt: skip
    """Conductivities, Onsager coefficients, ionicity and transference numbers of the replicas of one system.

    `motions` has one entry per replica, often a single one; `populations` (blocks, n, m) are the ion clusters of all of
    them, which have a charge only where all anions have the same and lithium is the only cation. Ions are those of
    `ions_of`. Results use formal charges, the mean box volume, and the frame of the system's centre of mass unless
    another is named: that of the polymer is that of all chains. With scaled charges the simulated values are added: conductivities
    are multiplied by the square of the scale, ratios stay the same.
    """
    volume = _volume_nm3(motions)
    scalars: dict[str, Any] = {
        "temperature_K": criteria.temperature_K,
        "volume_nm3": volume,
        "length_ns": sum(motion.length_ns for motion in motions),
        "frame_of_reference": FRAME,
        "system_drift_nm": max(motion.farthest_drift_nm for motion in motions),
        "ion_charge_scale": charge_scale,
        "ions": {},
    }
    folded = folded_of(motions)
    if folded:
        scalars |= {"system_drift_nm": None, "motion_not_known": folded}
    if not is_salt(motions[0].species):
        return scalars
    factor = siemens_per_metre(volume, criteria.temperature_K)
    ions = _ions(motions, criteria.tolerance)
    anion = ions.motions.get("anion") or (
        NOT_KNOWN
        if folded
        else diffusion([motion.paths["anion"] for motion in motions], ions.interval_ps, criteria.tolerance)
    )
    sigma, shares = _independent(ions, factor, populations, anion)
    collective, of_collective, beside = _collective(ions, motions[0], factor)
    sigma |= collective
    window = ions.motions["Li"]
    scalars |= beside | {
        "ions": {
            n: {"count": c, "formal_charge_e": z} for n, c, z in zip(ions.names, ions.counts, ions.charges, strict=True)
        },
        "sigma_S_m": {"formal_charges": sigma},
        "transference": shares | of_collective,
        "cluster_cutoff_nm": criteria.contact_nm,
        "fit_from_ps": window.fit_from_ps,
        "fit_to_ps": window.fit_to_ps,
    }
    if charge_scale != 1:
        scalars["sigma_S_m"]["simulated_charges"] = _simulated(sigma, charge_scale)
    return scalars


def analyse_conductivity(
    reduced: Path, description: Path, criteria: ConductivityCriteria, out_csv: Path, out_json: Path
) -> None:
    """Collective displacements by lag, and the `conductivity_scalars` of one system.

    Without a contact distance there is no cluster route. A system without salt has only lag_ps. Raises DataError for
    files that cannot be read or do not belong together.
    """
    system = read_description(description)
    with open_reduced(reduced, system) as opened:
        motion = read_motion(opened, system)
        salted = is_salt(motion.species)
        populations = None
        if salted and criteria.contact_nm is not None:
            clusters = read_clusters(opened, system, criteria.contact_nm, criteria.use_interval_ps)
            populations = block_populations(clusters)
        scalars = conductivity_scalars([motion], populations, system.choice.ion_charge_scale, criteria)
        table = pd.DataFrame({"lag_ps": log_lags(len(motion.box)) * motion.interval_ps})
        if salted:
            table = _table(motion, siemens_per_metre(scalars["volume_nm3"], criteria.temperature_K))
    write_results(table, scalars, out_csv, out_json)
