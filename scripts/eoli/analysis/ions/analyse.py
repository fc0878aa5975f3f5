"""Ion pairs and clusters: free, paired and aggregated ions, and clusters by size and charge."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eoli.analysis.common import write_results
from eoli.analysis.ions.clusters import (
    STATES,
    Clusters,
    anion_of_sites,
    block_populations,
    find_clusters,
    mean_of,
    population,
    states,
    verdict,
)
from eoli.core.arrays import Floats
from eoli.core.statistics import Estimate, standard_error
from eoli.errors import DataError
from eoli.study.criteria import IonsCriteria
from eoli.topology.description import SystemDescription, read_description
from eoli.topology.species import Species, species_of
from eoli.trajectory.reader import stride_of
from eoli.trajectory.store import Reduced, open_reduced

_CUTOFF_STEPS_NM = (-0.04, -0.02, 0.0, 0.02, 0.04)
_COLUMNS = ["n_Li", "n_anion", "charge_e", "clusters", "clusters_error", "share_of_Li", "share_of_anions"]


def read_clusters(reduced: Reduced, system: SystemDescription, cutoff_nm: float, use_interval_ps: float) -> Clusters:
    """Clusters of every motion frame used. Raises DataError for a cut-off beyond the range of the file."""
    names = ("motion/neighbours", "motion/distances")
    range_nm = float(reduced.attribute(names[0], "range_nm"))
    if not 0 < cutoff_nm <= range_nm:
        raise DataError(f"{reduced.path}: holds neighbours within {range_nm:g} nm, not within {cutoff_nm:g} nm")
    stride = stride_of(reduced.interval_ps("motion"), use_interval_ps)
    pieces = reduced.pieces(names)
    used = ((sites[-first % stride :: stride], near[-first % stride :: stride]) for first, (sites, near) in pieces)
    return find_clusters(used, anion_of_sites(system), cutoff_nm)


def formal_charges(species: Mapping[str, tuple[Species, ...]]) -> dict[str, float]:
    """Formal charges, e, of lithium and anions, if present; NaN for anions of several charges."""
    found = {family: {of.charge for of in species[family]} for family in ("Li", "anion") if family in species}
    return {family: charges.pop() if len(charges) == 1 else math.nan for family, charges in found.items()}


def _contact_scan(
    reduced: Reduced, system: SystemDescription, cutoff_nm: float, use_interval_ps: float
) -> list[dict[str, Any]]:
    """Shares of lithium for contact distances around the configured one."""
    range_nm = float(reduced.attribute("motion/neighbours", "range_nm"))
    distances = [round(cutoff_nm + step, 6) for step in _CUTOFF_STEPS_NM]
    return [
        {"cutoff_nm": at, **_shares(read_clusters(reduced, system, at, use_interval_ps))["Li"]}
        for at in distances
        if 0 < at <= range_nm
    ]


def _shares(clusters: Clusters) -> dict[str, Any]:
    sides = {"Li": clusters.sizes[:, : clusters.n_lithium], "anion": clusters.sizes[:, clusters.n_lithium :]}
    return {
        name: {state: asdict(mean_of(series)) for state, series in zip(STATES, states(sizes).T, strict=True)}
        for name, sizes in sides.items()
    }


def _shares_by_type(clusters: Clusters, anions: Sequence[Species]) -> dict[str, Any]:
    """Shares of free, paired and aggregated anions of each type."""
    sizes = clusters.sizes[:, clusters.n_lithium :]
    return {
        of.label: {
            state: asdict(mean_of(series))
            for state, series in zip(STATES, states(sizes[:, of.particles]).T, strict=True)
        }
        for of in anions
    }


def _table(clusters: Clusters, charges: Mapping[str, float], mean: Floats, blocks: Floats) -> pd.DataFrame:
    lithium, anions = np.nonzero(mean)
    n_lithium, n_anions = clusters.n_lithium, clusters.sizes.shape[1] - clusters.n_lithium
    number = mean[lithium, anions]
    net = charges["Li"] * lithium + charges["anion"] * anions
    errors = [standard_error(column) for column in blocks[:, lithium, anions].T]
    columns = (lithium, anions, net, number, errors, number * lithium / n_lithium, number * anions / n_anions)
    return pd.DataFrame(dict(zip(_COLUMNS, columns, strict=True)))


def _by_charge(charges: Mapping[str, float], mean: Floats, blocks: Floats) -> dict[str, Any]:
    """Mean number of clusters of each net charge; empty where numbers of ions do not tell it."""
    if math.isnan(charges["anion"]):
        return {}
    net = charges["Li"] * np.arange(blocks.shape[1])[:, None] + charges["anion"] * np.arange(blocks.shape[2])
    return {
        str(charge): asdict(
            Estimate(float(mean[net == charge].sum()), standard_error(blocks[:, net == charge].sum(axis=1)))
        )
        for charge in sorted(set(net[mean > 0].tolist()))
    }


def analyse_ions(reduced: Path, description: Path, criteria: IonsCriteria, out_csv: Path, out_json: Path) -> None:
    """Cluster population by numbers of lithium ions and anions; shares of free, paired and aggregated ions.

    A lithium and an anion are in contact if a binding site of the anion (its oxygens, or all its sites with a role if
    it has none) is within the contact distance. None means that g(r) has no first minimum, and nothing is counted.
    Without salt the table is empty. Raises DataError for files that cannot be read, do not belong together, or a
    cut-off beyond the neighbours in the reduced trajectory.
    """
    system = read_description(description)
    species = species_of(system)
    charges, cutoff_nm, use_interval_ps = formal_charges(species), criteria.contact_nm, criteria.use_interval_ps
    table = pd.DataFrame(columns=_COLUMNS)
    scalars: dict[str, Any] = {"cutoff_nm": cutoff_nm}
    with open_reduced(reduced, system) as opened:
        if {"Li", "anion"} <= charges.keys() and cutoff_nm is None:
            scalars["verdict"] = "not resolved: no cut-off, because g(r) of lithium and anion shows no first minimum"
        elif {"Li", "anion"} <= charges.keys() and cutoff_nm is not None:
            clusters = read_clusters(opened, system, cutoff_nm, use_interval_ps)
            largest = clusters.sizes.sum(axis=2).max(axis=1).astype(np.float64)
            populations = population(clusters.sizes), block_populations(clusters)
            table = _table(clusters, charges, *populations)
            scalars |= _shares(clusters)
            if len(species["anion"]) > 1:
                scalars["anions_by_type"] = _shares_by_type(clusters, species["anion"])
            scalars |= {
                "frames": len(clusters.sizes),
                "use_interval_ps": opened.interval_ps("motion")
                * stride_of(opened.interval_ps("motion"), use_interval_ps),
                "clusters_by_charge_e": _by_charge(charges, *populations),
                "ions_in_largest_cluster": asdict(mean_of(largest)),
                "contacts_kept": clusters.contacts_kept,
                "contact_scan": _contact_scan(opened, system, cutoff_nm, use_interval_ps),
                "verdict": verdict(clusters.contacts_kept),
            }
    write_results(table, scalars, out_csv, out_json)
