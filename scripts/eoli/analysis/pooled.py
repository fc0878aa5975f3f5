"""Pooled transport of the replicas of one system: more particles and longer lags than any single replica has."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from eoli.analysis.common import finite
from eoli.analysis.conductivity.analyse import conductivity_scalars, is_salt
from eoli.analysis.ions.analyse import read_clusters
from eoli.analysis.ions.clusters import block_populations
from eoli.analysis.motion.analyse import FRAME, Motion, box_size_of, diffusion_scalars, read_motion
from eoli.analysis.renewal.analyse import renewal, walks_of
from eoli.core.arrays import Floats
from eoli.core.files import write_json
from eoli.errors import DataError
from eoli.study.criteria import RenewalCriteria, StartsCriteria
from eoli.topology.description import read_description
from eoli.trajectory.store import open_reduced


def _stacked(populations: Sequence[Floats]) -> Floats:
    """Blocks of all replicas, (blocks, n, m), padded with zero to the largest cluster of any."""
    most = max(of_start.shape[1] for of_start in populations)
    return np.concatenate(
        [np.pad(p, ((0, 0), (0, most - p.shape[1]), (0, most - p.shape[2]))) for p in populations], axis=0
    )


def _sizes(motion: Motion) -> dict[str, list[tuple[str, int, int]]]:
    """Particles and charge of each species by family."""
    return {name: [(of.label, len(of.sites), of.charge) for of in found] for name, found in motion.species.items()}


def analyse_starts(
    reduced: Sequence[Path], descriptions: Sequence[Path], criteria: StartsCriteria, out_json: Path
) -> None:
    """Transport from all replicas of a system at once, as `motion`, `conductivity` and `renewal` give for one.

    `reduced` and `descriptions` belong to the replicas that the criteria name. The further length that a D needs is
    summed over the replicas. Raises DataError for files that cannot be read or do not belong together, and for replicas
    that differ in composition, charges or frame spacing.
    """
    described = [read_description(path) for path in descriptions]
    motions, populations, walks = [], [], []
    of_renewal = RenewalCriteria(
        contact_nm=criteria.lithium_contact_nm, hold_ps=criteria.hold_ps, return_ps=criteria.return_ps,
        tolerance=criteria.tolerance, temperature_K=criteria.temperature_K,
    )  # fmt: skip
    with ExitStack() as files:
        for path, system in zip(reduced, described, strict=True):
            opened = files.enter_context(open_reduced(path, system))
            motions.append(read_motion(opened, system))
            walks.append(walks_of(opened, system, of_renewal, motions[-1]))
            if is_salt(motions[-1].species):
                populations.append(
                    block_populations(read_clusters(opened, system, criteria.contact_nm, criteria.use_interval_ps))
                )
        first = motions[0]
        sizes = _sizes(first)
        for path, motion, system in zip(reduced, motions, described, strict=True):
            if _sizes(motion) != sizes or system.choice != described[0].choice:
                raise DataError(
                    f"{path}: another system than {reduced[0]}; starts differ in how they were packed alone"
                )
            if motion.interval_ps != first.interval_ps:
                raise DataError(
                    f"{path}: frames {motion.interval_ps:g} ps apart, those of {reduced[0]} {first.interval_ps:g} ps"
                )
        lengths_ns = [motion.length_ns for motion in motions]
        of_motion = diffusion_scalars(motions, criteria.tolerance, criteria.target_error)
        found: dict[str, Any] = {
            "systems": list(criteria.systems),
            "lengths_ns": lengths_ns,
            "motion": {
                "length_ns": sum(lengths_ns),
                "tolerance": criteria.tolerance,
                "frame_of_reference": FRAME,
                **of_motion,
                **box_size_of(motions, of_motion, criteria.temperature_K, criteria.viscosity),
            },
            "conductivity": conductivity_scalars(
                motions, _stacked(populations) if populations else None, described[0].choice.ion_charge_scale, criteria,
            ),
            "renewal": renewal(walks, motions, of_renewal)[1],
        }  # fmt: skip
    write_json(out_json, finite(found))
