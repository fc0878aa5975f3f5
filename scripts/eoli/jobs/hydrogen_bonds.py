"""Hydrogen bonds of the amide NH groups of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from eoli.analysis.hydrogen_bonds import COUNTS, donors_of, hydrogen_bonds
from eoli.criteria import HydrogenBondsCriteria
from eoli.jobs.common import write_results
from eoli.reduce.store import open_reduced
from eoli.statistics import block_estimate
from eoli.topology.description import read_description

_DISTANCE_STEPS_NM = (-0.05, -0.025, 0.0, 0.025, 0.05)
_ANGLE_STEPS_DEG = (-20.0, -10.0, 0.0, 10.0, 20.0)
_COLUMNS = ("distance_nm", "angle_deg", "acceptor", *(f"{name}{end}" for name in COUNTS for end in ("", "_error")))


def analyse_hydrogen_bonds(
    reduced: Path, description: Path, criteria: HydrogenBondsCriteria, out_csv: Path, out_json: Path
) -> None:
    """Hydrogen bonds of amide NH by kind of acceptor: a table over criteria, and the scalars of the given one.

    A bond has H...A and an angle N-H...A within the criteria; the table scans both around them. A system without amide has a table without rows. See `eoli.analysis.hydrogen_bonds`. Raises DataError for
    files that cannot be read or do not belong together, or a box too small for the distance.
    """
    system = read_description(description)
    donors = donors_of(system)
    distance_nm, angle_deg = criteria.distance_nm, criteria.angle_deg
    scalars: dict[str, Any] = {
        "distance_nm": distance_nm,
        "angle_deg": angle_deg,
        "NH": len(donors.hydrogens),
    }
    scanned = [(distance_nm + d, angle_deg + a) for d in _DISTANCE_STEPS_NM for a in _ANGLE_STEPS_DEG]
    with open_reduced(reduced, system) as opened:
        if not len(donors.hydrogens):
            none = pd.DataFrame(columns=list(_COLUMNS))
            write_results(none, scalars | {"verdict": "no NH: the system has no donor"}, out_csv, out_json)
            return
        series = hydrogen_bonds(opened.slow_frames(), donors, scanned)
        scalars |= {"frames": len(series), "interval_ps": opened.interval_ps("slow")}
    mean, error = block_estimate(series)
    rows = []
    for c, criterion in enumerate(scanned):
        for k, kind in enumerate(donors.kinds):
            numbers = [x for n in range(len(COUNTS)) for x in (mean[c, k, n], error[c, k, n])]
            rows.append((*criterion, kind, *numbers))
    chosen = scanned.index((distance_nm, angle_deg))
    scalars["acceptors"] = {
        kind: {"sites": int(mask.sum())}
        | {name: {"value": mean[chosen, k, n], "error": error[chosen, k, n]} for n, name in enumerate(COUNTS)}
        for k, (kind, mask) in enumerate(donors.kinds.items())
    }
    bound = scalars["acceptors"]["any"]["NH_share"]
    scalars["free_NH_share"] = {"value": 1 - bound["value"], "error": bound["error"]}
    write_results(pd.DataFrame(rows, columns=list(_COLUMNS)), scalars, out_csv, out_json)
