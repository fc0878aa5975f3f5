"""Morphology of a run: block domains compared with random arrangements, and S(q) with its low-q peak."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eoli.analysis.common import write_results
from eoli.analysis.morphology.copies import Likeness, likeness
from eoli.analysis.morphology.domains import (
    CONNECTIVITY,
    GRID_NM,
    LABELLINGS,
    NULLS,
    SMOOTHING_NM,
    Comparison,
    Morphology,
    blocks_of,
    compare,
    morphology,
    site_labels,
)
from eoli.analysis.morphology.scattering import (
    PEAK_BELOW_PER_NM,
    WEIGHTINGS,
    StructureFactors,
    Weighting,
    groups_of,
    low_q_peak,
    structure_factors,
    weights_of,
)
from eoli.core.arrays import Floats
from eoli.core.files import table_to_csv, whole
from eoli.core.statistics import block_estimate
from eoli.errors import DataError
from eoli.study.criteria import MorphologyCriteria
from eoli.topology.description import SystemDescription, read_description
from eoli.trajectory.store import Reduced, open_reduced

SCAN = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Distances of the domain table, as multiples of the criterion."""
NOT_COMPARED = "not compared: there are no random arrangements of several types of chains"
_CRITERION = SCAN.index(1.0)
_MIXING = ("degree", "interface_per_volume_per_nm")
_COMPARED = ("domains", "largest_share", "xyz")
_WORDS = {"above": "more {} than", "below": "less {} than", "not distinguishable": "not distinguishable from"}


def _estimate(value: float, error: float) -> dict[str, float]:
    return {"value": float(value), "error": float(error)}


def _beside(compared: Comparison, how: str) -> str:
    return f"{_WORDS[compared.verdict].format(how)} a random arrangement"


def _random(found: Morphology, kind: str, distance: int, block: int) -> dict[str, Comparison]:
    """Comparison of a block's quantities with one kind of random labels."""
    observed = found.connectivity[found.null_frames].mean(axis=0)[distance, block]
    random = found.null_connectivity[kind][:, distance, block]
    return {name: compare(float(observed[k]), random[:, k]) for k, name in enumerate(CONNECTIVITY) if name in _COMPARED}


def _domain_table(found: Morphology, names: tuple[str, ...], distances: list[float]) -> pd.DataFrame:
    mean, error = block_estimate(found.connectivity)
    rows: list[dict[str, Any]] = []
    for b, name in enumerate(names):
        for d, distance in enumerate(distances):
            row: dict[str, Any] = {"block": name, "distance_nm": distance}
            for k, quantity in enumerate(CONNECTIVITY):
                column = quantity if k < 3 else f"percolates_{quantity}"
                row |= {column: mean[d, b, k], f"{column}_error": error[d, b, k]}
            for kind in found.null_connectivity:
                for quantity, compared in _random(found, kind, d, b).items():
                    column = f"random_{kind}_{'percolates_xyz' if quantity == 'xyz' else quantity}"
                    row |= {column: compared.mean, f"{column}_spread": compared.spread}
                    row |= {f"{column}_verdict": compared.verdict}
            rows.append(row)
    return pd.DataFrame(rows)


def _block_scalars(found: Morphology, names: tuple[str, ...], sites: list[int]) -> dict[str, Any]:
    mean, error = block_estimate(found.connectivity[:, _CRITERION])
    result: dict[str, Any] = {}
    for b, name in enumerate(names):
        values = {q: _estimate(mean[b, k], error[b, k]) for k, q in enumerate(CONNECTIVITY)}
        share = float(mean[b, CONNECTIVITY.index("xyz")])
        amount = {0.0: "none", 1.0: "all"}.get(share, "part")
        entry: dict[str, Any] = {
            "sites": sites[b],
            "domains": values["domains"],
            "largest_share": values["largest_share"],
            "dimensions": values["dimensions"],
            "percolating_share_of_frames": {q: values[q] for q in ("x", "y", "z", "xyz")},
        }
        if found.null_connectivity:
            random = {kind: _random(found, kind, _CRITERION, b) for kind in NULLS}
            entry["random"] = {kind: {q: asdict(c) for q, c in both.items()} for kind, both in random.items()}
            chains = random["chains"]
            entry["verdict"] = (
                f"percolates in three dimensions in {amount} of the frames, random arrangements of the chains in "
                f"{chains['xyz'].mean:.0%}; {_beside(chains['largest_share'], 'connected')}"
            )
        else:
            entry["verdict"] = (
                "a single block: it percolates trivially and has nothing to compare with"
                if len(names) == 1
                else NOT_COMPARED
            )
        result[name] = entry
    return result


def _mixing_scalars(found: Morphology) -> dict[str, Any]:
    if found.mixing is None:
        return {}
    mean, error = block_estimate(found.mixing)
    observed = found.mixing[found.null_frames].mean(axis=0)
    random = {
        kind: {name: compare(float(observed[k]), values[:, k]) for k, name in enumerate(_MIXING)}
        for kind, values in found.null_mixing.items()
    }
    scalars: dict[str, Any] = {name: _estimate(mean[k], error[k]) for k, name in enumerate(_MIXING)}
    if not random:
        return {"segregation": scalars | {"verdict": NOT_COMPARED, "smoothing_nm": SMOOTHING_NM, "grid_nm": GRID_NM}}
    scalars["random"] = {kind: {name: asdict(c) for name, c in both.items()} for kind, both in random.items()}
    scalars["verdict"] = _beside(random["chains"]["degree"], "segregated")
    scalars |= {"smoothing_nm": SMOOTHING_NM, "grid_nm": GRID_NM}
    return {"segregation": scalars}


def _scattering(
    opened: Reduced, system: SystemDescription, boxes: Floats, q_max_per_nm: float, weighting: Weighting
) -> tuple[pd.DataFrame, dict[str, Any]]:
    groups, why = groups_of(system), "the polymer has a single block"
    try:
        weights = weights_of(system, weighting)
    except DataError as error:
        # repartitioned hydrogens, or the masses of a rigid group
        weights, why = np.zeros(system.n_sites), str(error)
    if not weights.any():
        return pd.DataFrame({"q_per_nm": [], "vectors": []}), {
            "weighting": weighting,
            "verdict": f"no contrast: {why}",
        }
    found = structure_factors(opened.slow_frames(), len(boxes), boxes.mean(axis=0), groups, weights, q_max_per_nm)
    return found.table(), {
        "weighting": weighting,
        "q_min_per_nm": found.q_min_per_nm,
        "largest_resolvable_spacing_nm": math.pi / found.q_min_per_nm,
        **_peak(found),
        "other_weightings": _other_weightings(opened, system, boxes, q_max_per_nm, weighting),
    }


def _peak(found: StructureFactors) -> dict[str, Any]:
    peak = low_q_peak(found.q_per_nm, found.vectors, found.blocks["total"], found.q_min_per_nm)
    return {
        "peak_q_per_nm": asdict(peak.q_per_nm),
        "spacing_nm": asdict(peak.spacing_nm),
        "verdict": peak.verdict,
    }


def _other_weightings(
    opened: Reduced, system: SystemDescription, boxes: Floats, q_max_per_nm: float, chosen: Weighting
) -> dict[str, Any]:
    """The peak with each of the other contrasts, from the wave vectors in its search range."""
    box = boxes.mean(axis=0)
    found: dict[str, Any] = {}
    reach = min(q_max_per_nm, max(PEAK_BELOW_PER_NM, 3 * math.tau / float(box.max())))
    for other in WEIGHTINGS:
        if other == chosen or (other == "composition" and len(site_labels(system)[0]) > 2):
            continue
        try:
            weights = weights_of(system, other)
        except DataError:
            continue
        if weights.any():
            factors = structure_factors(opened.slow_frames(), len(boxes), box, groups_of(system), weights, reach)
            found[other] = _peak(factors)
    return found


def _likeness(opened: Reduced, system: SystemDescription, n_frames: int, copies: tuple[int, int, int]) -> Likeness:
    """Likeness of the copies in block composition, or in electrons if the polymer does not have two blocks."""
    two = len(site_labels(system)[0]) == 2
    weights = weights_of(system, "composition" if two else "electrons")
    return likeness(opened.slow_frames(), n_frames, copies, weights)


def _withheld(
    table: pd.DataFrame, domains: pd.DataFrame, scalars: dict[str, Any], alike: Likeness, small_nm: float
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Tables and scalars without S(q) and domains, which copies that still look alike repeat from the parent."""
    why = f"withheld: the box repeats one of {small_nm:.2f} nm and {alike.text}"
    for block in scalars["blocks"].values():
        for key in ("domains", "largest_share", "dimensions", "percolating_share_of_frames", "random"):
            block.pop(key, None)
        block["verdict"] = why
    scalars["scattering"] = {"weighting": scalars["scattering"]["weighting"], "verdict": why}
    return table.iloc[:0], domains.iloc[:0], scalars


def analyse_morphology(
    reduced: Path, description: Path, criteria: MorphologyCriteria, out_csv: Path, out_domains_csv: Path, out_json: Path
) -> None:
    """S(q) (`out_csv`), domains by distance criterion (`out_domains_csv`), and their scalars at the criterion.

    See `eoli.analysis.morphology.domains` and `eoli.analysis.morphology.scattering`. The domain table has a row for
    each block and each multiple (SCAN) of the criterion's distance. Polymers of one block have no segregation and no
    random arrangements. For a box that began as copies of a smaller one, S(q) and domains are withheld until
    `eoli.analysis.morphology.copies` shows that the copies differ; local quantities such as segregation are not. Raises
    DataError for files that cannot be read or do not belong together, a system without polymer, or a box too small for
    the distance or for the largest wave vector.
    """
    system = read_description(description)
    blocks = blocks_of(system)
    distances = [criteria.distance_nm * factor for factor in SCAN]
    with open_reduced(reduced, system) as opened:
        boxes = opened.array("slow/box").astype(np.float64)
        if not len(boxes):
            raise DataError(f"{reduced}: holds no frame of the slow cadence")
        found = morphology(opened.slow_frames(blocks.sites.reshape(-1)), len(boxes), blocks, distances)
        table, scattering = _scattering(opened, system, boxes, criteria.q_max_per_nm, criteria.weighting)
        scalars: dict[str, Any] = {
            "frames": len(boxes),
            "interval_ps": opened.interval_ps("slow"),
            "domain_distance_nm": criteria.distance_nm,
            "blocks": _block_scalars(found, blocks.names, np.bincount(blocks.labels.reshape(-1)).tolist()),
            "scattering": scattering,
        }
        scalars |= _mixing_scalars(found)
        if found.null_connectivity:
            scalars["random"] = {"labellings": LABELLINGS, "frames": len(found.null_frames)}
        domains = _domain_table(found, blocks.names, distances)
        if criteria.copies is not None and max(criteria.copies) > 1:
            copies = (criteria.copies[0], criteria.copies[1], criteria.copies[2])
            alike = _likeness(opened, system, len(boxes), copies)
            scalars["copies"] = {"number": list(copies), **asdict(alike)}
            if not alike.different:
                small_nm = float((boxes.mean(axis=0) / copies).max())
                table, domains, scalars = _withheld(table, domains, scalars, alike, small_nm)
    with whole(out_domains_csv) as temporary:
        table_to_csv(temporary, domains)
        write_results(table, scalars, out_csv, out_json)
