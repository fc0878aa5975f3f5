"""Structure of an electrolyte from its reduced trajectory: g(r), first shells of lithium, shape of the chains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eoli.analysis.common import write_results
from eoli.analysis.structure.rdf import (
    PairCounts,
    coordination_number,
    first_shell,
    radial_distribution,
    running_number,
)
from eoli.analysis.structure.shells import chain_shape, distribution, gauche_fraction, shell_numbers, weighted
from eoli.errors import DataError
from eoli.study.criteria import StructureCriteria
from eoli.topology.description import SystemDescription, read_description
from eoli.topology.selections import OF_TYPE, OXYGENS, binding_partners, by_type, contact_of, ether_torsions
from eoli.topology.species import numbers_of, species_of
from eoli.trajectory.store import Reduced, open_reduced

_BLOCKS = 10


def pair_counts(reduced: Reduced) -> dict[tuple[str, str], PairCounts]:
    """Counted pairs by the names of the two groups; empty for a system without such pairs."""
    if not reduced.has("structure/pair_counts"):
        return {}
    pairs, of = reduced.array("structure/pair_counts"), reduced.file["structure/pair_counts"].attrs
    frames, volumes = reduced.array("structure/block_frames"), reduced.array("structure/block_inverse_volumes")
    return {
        (first, second): PairCounts(
            pairs[:, k], int(of["n_first"][k]), int(of["n_second"][k]), frames, volumes, of["bin_nm"]
        )
        for k, (first, second) in enumerate(zip(of["first"], of["second"], strict=True))
    }


def _shells(reduced: Reduced, system: SystemDescription, cutoffs_nm: Mapping[str, float]) -> dict[str, Any]:
    range_nm, slots = reduced.attribute("motion/neighbours", "range_nm"), reduced.file["motion/neighbours"].shape[2]
    partners = {}
    for name, sites in binding_partners(system).items():
        if not 0 < cutoffs_nm.get(name, 0) <= range_nm:
            raise DataError(
                f"{reduced.path}: a cut-off of {cutoffs_nm.get(name)} nm for {name}; allowed: up to {range_nm:g} nm"
            )
        partners[name] = (sites, cutoffs_nm[name])
    kinds = {f"{family}s": numbers_of(system, family) for family in ("anion", "chain", "solvent")}
    molecules = {name: found for name, found in kinds.items() if (found >= 0).any()}
    several = {name: types for name, (sites, _) in partners.items() if len(types := by_type(system, sites)) > 1}
    single = {
        f"{name}{OF_TYPE}{label}": (sites, cutoffs_nm[name])
        for name, of in several.items()
        for label, sites in of.items()
    }
    # of anions without oxygen other sites bind
    oxygen = np.concatenate([system.with_role("anion_O"), *(partners[name][0] for name in partners if name in OXYGENS)])
    oxygens = {
        name: (sites[np.isin(sites, oxygen)], cutoff)
        for name, (sites, cutoff) in partners.items()
        if np.isin(sites, oxygen).any()
    }
    n_frames = reduced.n_frames("motion")
    n_blocks = min(_BLOCKS, n_frames)
    histograms: dict[str, Any] = {}
    for start, (neighbours, distances) in reduced.pieces(("motion/neighbours", "motion/distances")):
        numbers = shell_numbers(neighbours, distances, system.n_sites, partners | single, molecules)
        if oxygens:
            of_oxygens = shell_numbers(neighbours, distances, system.n_sites, oxygens, {})
            numbers["oxygen"] = np.sum(list(of_oxygens.values()), axis=0)
        blocks = (start + np.arange(len(neighbours))) * n_blocks // n_frames
        for name, values in numbers.items():
            places = blocks[:, None] * (slots + 1) + values
            found = np.bincount(places.ravel(), minlength=n_blocks * (slots + 1)).reshape(n_blocks, -1)
            histograms[name] = histograms.get(name, 0) + found
    return {name: asdict(distribution(histogram)) for name, histogram in histograms.items()} | {
        "cutoffs_nm": {name: cutoff for name, (_, cutoff) in partners.items()}
    }


def _chains(reduced: Reduced, system: SystemDescription) -> dict[str, Any]:
    if not reduced.has("structure/radius_of_gyration"):
        return {}
    radii, ends = reduced.array("structure/radius_of_gyration"), reduced.array("structure/end_to_end")
    found: dict[str, Any] = {"chains": asdict(chain_shape(radii, ends))}
    types = species_of(system)["chain"]
    if len(types) > 1:
        found["chains_by_type"] = {
            of.label: asdict(chain_shape(radii[:, of.particles], ends[:, of.particles])) for of in types
        }
    if reduced.has("structure/torsions"):
        torsions = reduced.array("structure/torsions")
        chain = numbers_of(system, "chain")[ether_torsions(system)[:, 0]]
        shares = {}
        for of in types:
            own = (chain >= of.particles.start) & (chain < of.particles.stop)
            if own.any():
                shares[of.label] = (own.mean(), gauche_fraction(torsions[:, own], len(of.sites)))
                if len(types) > 1:
                    found["chains_by_type"][of.label]["gauche_fraction"] = asdict(shares[of.label][1])
        found["gauche_fraction"] = asdict(weighted(list(shares.values())))
    return found


def analyse_structure(
    reduced: Path, description: Path, criteria: StructureCriteria, out_csv: Path, out_json: Path
) -> None:
    """g(r) and n(r) of every kind of pair, first shells, what binds each lithium, and the shape of the chains.

    Contact distances are required for the kinds of `selections.binding_partners` that the system has. A neat polymer
    has only r_nm and its chains. Raises DataError for files that cannot be read or do not belong together, and for a
    cut-off that is missing or beyond the neighbour range of the reduced trajectory.
    """
    system, cutoffs_nm = read_description(description), criteria.contact_nm
    with open_reduced(reduced, system) as opened:
        kinds = pair_counts(opened)
        columns = {"r_nm": next(iter(kinds.values())).r_nm} if kinds else {"r_nm": np.empty(0)}
        scalars: dict[str, Any] = {
            "lithium_ions": len(system.with_role("Li")),
            "frames": opened.n_frames("structure"),
            "use_interval_ps": opened.interval_ps("structure"),
            "Li": {},
            **({"shell_statistics": _shells(opened, system, cutoffs_nm)} if opened.has("motion/neighbours") else {}),
            **_chains(opened, system),
        }
        for (first, second), counts in kinds.items():
            columns |= {
                f"g_{first}_{second}": radial_distribution(counts),
                f"n_{first}_{second}": running_number(counts),
            }
            shell = asdict(first_shell(counts)) | {"sites": counts.n_second}
            contact = contact_of(second) if first == "Li" else None
            if contact is not None and contact in cutoffs_nm:
                cutoff = cutoffs_nm[contact]
                shell["at_cutoff"] = asdict(coordination_number(counts, cutoff)) | {"cutoff_nm": cutoff}
            scalars.setdefault(first, {})[second] = shell
    write_results(pd.DataFrame(columns), scalars, out_csv, out_json)
