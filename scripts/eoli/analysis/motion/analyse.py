"""Motion: mean squared displacements, their exponents, diffusion coefficients where motion is diffusive."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eoli.analysis.common import write_results
from eoli.analysis.motion.box_size import box_size_scalars, cubic_box_scalars, is_cubic, is_orthoboxy
from eoli.analysis.motion.msd import (
    NOT_KNOWN,
    Extension,
    carried_share,
    chain_of_ions,
    diffusion,
    extension,
    gls_diffusion,
    local_exponent,
    log_lags,
    longest_lag,
    particle_msd,
)
from eoli.core.arrays import Floats, Indices
from eoli.core.statistics import UNKNOWN, Estimate, standard_error
from eoli.errors import DataError
from eoli.study.criteria import GivenViscosity, MotionCriteria
from eoli.topology.description import SystemDescription, read_description
from eoli.topology.species import FAMILIES, Species, apart, numbers_of, species_of
from eoli.trajectory.store import CENTRES, Reduced, open_reduced
from eoli.trajectory.unwrap import (
    Paths,
    centre_of_mass,
    may_fold,
    particles_of,
    too_far_apart,
    unwrap,
    unwrap_and_largest_step,
)

FRAME = "centre of mass of the system"

FOLLOWED = ("Li", "anion", "chain")
"""Families with results of their own, over all their species; other results are those of single species."""
_ARRAYS = {"Li": "lithium", **CENTRES}
_COLUMNS = {"Li": "Li", "anion": "anion_com", "chain": "chain_com"}
_SITES = {"F": ("fluorine", ("anion_F",), "anion"), "ether_O": ("ether_oxygen", ("ether_O",), "chain")}
_FORMS = ("msd_{}_nm2", "msd_{}_error_nm2", "alpha_{}")
_ORIGINS = 2000
_CHUNK_BYTES = 64e6
_BYTES_IN_MEMORY = 256e6


@dataclass(frozen=True)
class Motion:
    """Paths (frames, particles, 3), nm, by family of `species`, relative to the system's centre of mass.

    `drift` (frames, 3) is the path of that centre in the box, `box` (frames, 3) its edges, nm. `folded` says why the
    paths are unreliable, None if they are reliable. Paths too large for memory are read again on request, so the
    reduced trajectory must stay open.
    """

    species: dict[str, tuple[Species, ...]]
    paths: dict[str, Floats | Paths]
    drift: Floats
    box: Floats
    interval_ps: float
    folded: str | None = None

    def path_of(self, species: Species) -> Floats | Paths:
        """Paths of one species."""
        return particles_of(self.paths[species.family], species.particles)

    @property
    def length_ns(self) -> float:
        """Time from first to last frame."""
        return (len(self.box) - 1) * self.interval_ps / 1000

    @property
    def farthest_drift_nm(self) -> float:
        """Largest distance of the system's centre of mass from its start; NaN if paths may be folded."""
        return float("nan") if self.folded else float(np.linalg.norm(self.drift, axis=1).max())


def read_motion(reduced: Reduced, system: SystemDescription) -> Motion:
    """Unwrapped paths of lithium and of the centres of mass of all other molecules, without the drift of the system.

    Raises DataError for fewer than two frames.
    """
    box = reduced.array("motion/box").astype(np.float64)
    if len(box) < 2:
        raise DataError(f"{reduced.path}: {len(box)} frame of motion; at least 2 are needed")
    species = species_of(system)
    masses = {
        name: np.repeat([of.mass for of in found], [len(of.sites) for of in found]) for name, found in species.items()
    }
    interval_ps, folded = reduced.interval_ps("motion"), None
    paths: dict[str, Floats | Paths] = {}
    for name in species:
        paths[name], largest = _unwrapped(reduced, f"motion/{_ARRAYS[name]}", box)
        if may_fold(largest, paths[name].shape):
            folded = f"{name}: {too_far_apart(largest, interval_ps)}"
    drift = centre_of_mass(paths, masses)
    in_frame = {name: _without(drift, path) for name, path in paths.items()}
    return Motion(species, in_frame, drift, box, interval_ps, folded)


def _unwrapped(reduced: Reduced, name: str, box: Floats) -> tuple[Floats | Paths, float]:
    """Paths of an array and its largest step; large arrays are recomputed on each request."""
    n_frames, particles, _ = reduced.shape(name)
    if 24 * n_frames * particles <= _BYTES_IN_MEMORY:
        return unwrap_and_largest_step(reduced.array(name), box)
    size = max(1, int(_CHUNK_BYTES / (24 * n_frames)))
    parts = (slice(start, start + size) for start in range(0, particles, size))
    largest = max(unwrap_and_largest_step(reduced.array(name, part), box)[1] for part in parts)
    return Paths(lambda part: unwrap(reduced.array(name, part), box), n_frames, particles), largest


def _without(drift: Floats, paths: Floats | Paths) -> Floats | Paths:
    """Paths relative to a common one."""
    if not isinstance(paths, Paths):
        paths -= drift[:, None]
        return paths
    read = paths.read
    return replace(paths, read=lambda part: read(part) - drift[:, None])


def _msd(motion: Motion, paths: Floats | Paths, lags: Indices) -> Floats:
    """MSD of each particle, (lags, particles); NaN where paths may be folded."""
    if motion.folded:
        return np.full((len(lags), paths.shape[1]), np.nan)
    return particle_msd(paths, lags)


def of_sites(
    reduced: Reduced, system: SystemDescription, motion: Motion, name: str, found_of: Callable[[Floats], Floats]
) -> Floats:
    """Means over the sites of each molecule, (rows, molecules), of what `found_of` gives for each site, (rows, sites).

    `name` is a kind of site, F or ether_O; `found_of` gets paths (structure frames, sites, 3), nm, in the frame of the
    system's centre of mass, some at a time to bound memory. NaN if paths may be folded.
    """
    array, roles, family = _SITES[name]
    used = slice(None, None, reduced.motion_per_structure)
    box, drift = motion.box[used], motion.drift[used]
    n_sites = reduced.shape(f"structure/{array}")[1]
    chunk = max(1, int(_CHUNK_BYTES / (24 * len(box))))
    parts = []
    for start in range(0, n_sites, chunk):
        path, largest = unwrap_and_largest_step(reduced.array(f"structure/{array}", slice(start, start + chunk)), box)
        path -= drift[:, None]
        parts.append(found_of(path))
        if motion.folded or may_fold(largest, path.shape):
            parts[-1][:] = np.nan
    molecule = numbers_of(system, family)[system.with_role(*roles)]
    found = np.concatenate(parts, axis=1)
    return np.stack([found[:, molecule == m].mean(axis=1) for m in np.unique(molecule)], axis=1)


def _chain_of_lithium(reduced: Reduced, system: SystemDescription, stride: int, cutoff_nm: float) -> Indices:
    """Chain of each lithium in every `stride`-th frame, -1 for none, (origins, ions)."""
    of_site = numbers_of(system, "chain")
    found = []
    for first, (sites, distances) in reduced.pieces(("motion/neighbours", "motion/distances")):
        rows = slice(-first % stride, None, stride)
        found.append(chain_of_ions(sites[rows], distances[rows], of_site, cutoff_nm))
    return np.concatenate(found)


def _carried(reduced: Reduced, system: SystemDescription, motion: Motion, cutoff_nm: float) -> dict[str, Any]:
    n_frames = len(motion.box)
    lag, stride = longest_lag(n_frames), max(1, n_frames // _ORIGINS)
    share: Estimate = UNKNOWN
    if lag and not motion.folded:
        chain_of = _chain_of_lithium(reduced, system, stride, cutoff_nm)
        origins = np.arange(0, n_frames, stride, dtype=np.int64)
        share = carried_share(motion.paths["Li"], motion.paths["chain"], origins, chain_of, lag)
    return {"share": asdict(share), "lag_ps": lag * motion.interval_ps, "cutoff_nm": cutoff_nm}


def _table(lags: Indices, interval_ps: float, msd: Mapping[str, Floats]) -> pd.DataFrame:
    """MSD, its standard error and its local exponent by lag, from MSDs (lags, molecules) by name."""
    lag_ps = lags * interval_ps
    columns: dict[str, Any] = {"lag_ps": lag_ps}
    for name, values in msd.items():
        mean = values.mean(axis=1)
        of_name = (mean, [standard_error(row) for row in values], local_exponent(lag_ps, mean))
        columns |= {form.format(name): column for form, column in zip(_FORMS, of_name, strict=True)}
    return pd.DataFrame(columns)


def merged_by_lag(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Merge tables of several cadences by `lag_ps`; blank where a cadence lacks the lag."""
    rounded = [table.assign(lag_ps=table["lag_ps"].round(6)) for table in tables]
    return reduce(lambda left, right: left.merge(right, on="lag_ps", how="outer"), rounded).sort_values("lag_ps")


def folded_of(motions: Sequence[Motion]) -> str | None:
    """Why the paths of some replicas are unreliable; None if all are reliable."""
    return next((motion.folded for motion in motions if motion.folded), None)


def diffusion_scalars(motions: Sequence[Motion], tolerance: float, target_error: float) -> dict[str, Any]:
    """Diffusion results of lithium, anions and chains, from the replicas of one system, often a single one.

    `molecules` has those of the species that `topology.species.apart` lists, by their labels. The D by generalised
    least squares accompanies a D and never stands alone.
    """
    interval_ps, length_ns = motions[0].interval_ps, sum(motion.length_ns for motion in motions)
    folded = folded_of(motions)

    def of_paths(starts: Sequence[Floats | Paths]) -> dict[str, Any]:
        found = NOT_KNOWN if folded else diffusion(starts, interval_ps, tolerance)
        further = (
            Extension(None, True, None, folded) if folded else extension(found, length_ns, tolerance, target_error)
        )
        gls = gls_diffusion(starts, interval_ps) if found.verdict == "diffusive" else UNKNOWN
        return {
            "D_m2_s": {"value": found.value_m2_s, "error": found.error_m2_s},
            "D_gls_m2_s": asdict(gls),
            "D_upper_bound_m2_s": found.upper_bound_m2_s,
            "exponent": {"value": found.exponent, "error": found.exponent_error},
            "fit_from_ps": found.fit_from_ps,
            "fit_to_ps": found.fit_to_ps,
            "msd_at_fit_to_nm2": found.farthest_msd_nm2,
            "verdict": found.verdict,
            "extension": asdict(further),
        }

    scalars = {
        name: of_paths([motion.paths[name] for motion in motions]) for name in FOLLOWED if name in motions[0].paths
    }
    molecules = {
        species.label: {"kind": FAMILIES[species.family], "count": len(species.sites)}
        | of_paths([motion.path_of(species) for motion in motions])
        for species in apart(motions[0].species)
    }
    return scalars | ({"molecules": molecules} if molecules else {})


def box_size_of(
    motions: Sequence[Motion], scalars: Mapping[str, Any], temperature_K: float, viscosity: GivenViscosity | None
) -> dict[str, Any]:
    """Results of `box_size` under that key, for what moves diffusively by `scalars`.

    Empty in a box of another shape, and in a cubic one without a viscosity. Raises DataError for a viscosity in a box that
    is no cube.
    """
    if folded_of(motions):
        return {}
    box = np.concatenate([motion.box for motion in motions])
    diffusive = [name for name in FOLLOWED if scalars.get(name, {}).get("verdict") == "diffusive"]
    if viscosity is not None:
        if not is_cubic(box):
            edges = " x ".join(f"{edge:.3g}" for edge in box[0])
            raise DataError(
                f"viscosity_mPa_s {viscosity.mPa_s:g} has no use in a box that is no cube ({edges} nm at first); allowed: no "
                "analysis.viscosity for it"
            )
        found = {name: Estimate(**scalars[name]["D_m2_s"]) for name in diffusive}
        return {"box_size": cubic_box_scalars(found, box, temperature_K, viscosity)}
    if not is_orthoboxy(box):
        return {}
    starts = {name: [motion.paths[name] for motion in motions] for name in diffusive}
    return {"box_size": box_size_scalars(starts, box, motions[0].interval_ps, temperature_K)}


def analyse_motion(reduced: Path, description: Path, criteria: MotionCriteria, out_csv: Path, out_json: Path) -> None:
    """MSD and local exponent of everything that moves; D, its verdict and the run length it needs; what chains carry.

    Lithium, centres of mass of anions and chains, fluorine and ether oxygen, and the centres of mass of each type of
    molecule that `topology.species.apart` lists, each in the frame of the system's centre of mass, at logarithmic lags up to half the run. Fluorine and ether oxygen use structure frames: they are blank at
    lags that these lack, as the others are at lags that motion lacks. The MSD of fluorine includes the anion's own
    rotation: only its centre of mass gives a D of the anion. Errors of an MSD are standard errors over molecules. If
    particles move by nearly half the box between frames, the table has no MSD and the scalars give only the reason
    (`eoli.trajectory.unwrap.may_fold`). Raises DataError for files that cannot be read or do not belong together.
    """
    system = read_description(description)
    with open_reduced(reduced, system) as opened:
        motion, sites_ps = read_motion(opened, system), opened.interval_ps("structure")
        lags, site_lags = (log_lags(opened.n_frames(cadence)) for cadence in ("motion", "structure"))
        msd = {_COLUMNS[name]: _msd(motion, motion.paths[name], lags) for name in FOLLOWED if name in motion.paths}
        msd |= {f"{of.label}_molecule": _msd(motion, motion.path_of(of), lags) for of in apart(motion.species)}
        msd_of_sites = {
            name: of_sites(opened, system, motion, name, lambda path: particle_msd(path, site_lags))
            for name, (array, _, _) in _SITES.items()
            if opened.has(f"structure/{array}") and opened.n_frames("structure") > 1
        }
        scalars: dict[str, Any] = {
            "length_ns": motion.length_ns,
            "use_interval_ps": motion.interval_ps,
            "sites_interval_ps": sites_ps,
            "frames": len(motion.box),
            "tolerance": criteria.tolerance,
            "frame_of_reference": FRAME,
            "system_drift_nm": motion.farthest_drift_nm,
        }
        scalars |= diffusion_scalars([motion], criteria.tolerance, criteria.target_error)
        scalars |= box_size_of([motion], scalars, criteria.temperature_K, criteria.viscosity)
        if {"Li", "chain"} <= motion.paths.keys() and opened.has("motion/neighbours"):
            scalars["Li_carried_by_chain"] = _carried(opened, system, motion, criteria.contact_nm)
    cadences = ((lags, motion.interval_ps, msd), (site_lags, sites_ps, msd_of_sites))
    table = merged_by_lag([_table(at, interval_ps, of) for at, interval_ps, of in cadences if of])
    columns = [form.format(name) for form in _FORMS for name in (*msd, *msd_of_sites)]
    write_results(table[["lag_ps", *columns]], scalars, out_csv, out_json)
