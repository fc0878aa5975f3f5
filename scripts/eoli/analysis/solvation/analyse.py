"""The most frequent solvation shells of a system: XYZ files for quantum chemistry, and a table of them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from eoli.analysis.mechanism.contacts import SITES
from eoli.analysis.mechanism.hopping import fraction
from eoli.analysis.solvation.cluster import cluster_of, xyz_text
from eoli.analysis.solvation.coordination import by_type, is_of_type, most_typical, shells_of
from eoli.core.files import write_table, write_text
from eoli.errors import DataError
from eoli.topology.description import read_description
from eoli.topology.selections import binding_partners
from eoli.trajectory.store import open_reduced

COLUMNS = (
    "file", "coordination", "share_of_Li", "share_of_Li_error", "shells", "charge_e", "multiplicity", "atoms",
    "added_hydrogens", "closest_nm", "deviation_nm", "lithium", "frame", "time_ps",
)  # fmt: skip
"""Of the table of shells."""


def write_shells(
    reduced: Path, system_json: Path, contacts_nm: Mapping[str, float], types: int, each: int, name: str, out: Path
) -> pd.DataFrame:
    """Write the `each` most typical shells of the `types` most frequent types of coordination into the folder `out`.

    All lithium ions in all slow frames of the reduced trajectory count. `contacts_nm` are distances that bind lithium, by
    kind. Files are `shell-<type>-<example>.xyz`, and `shells.csv` with `COLUMNS`. Raises DataError for a system without
    lithium, or files that cannot be read or do not belong together.
    """
    system = read_description(system_json)
    lithium = system.with_role("Li")
    if not len(lithium):
        raise DataError(f"{system_json}: no lithium, so no shells of it")
    sites = {kind: found for kind, found in binding_partners(system).items() if kind in SITES}
    if lacking := [kind for kind in sites if kind not in contacts_nm]:
        raise DataError(f"no distance that binds lithium for {', '.join(lacking)}")
    partners = {kind: (found, contacts_nm[kind]) for kind, found in sites.items()}
    rows, texts = [], {}
    with open_reduced(reduced, system) as opened:
        interval, n_frames = opened.interval_ps("slow"), opened.n_frames("slow")
        shells = shells_of(system, partners, opened.slow_frames())
        for rank, (kind, of_type) in enumerate(by_type(shells)[:types], start=1):
            share = fraction(is_of_type(shells, kind, n_frames, len(lithium)))
            written = 0
            for deviation, shell in most_typical(of_type):
                if written == each:
                    break
                positions, box = (
                    opened.frame(array, shell.frame).astype("float64") for array in ("slow/positions", "slow/box")
                )
                cluster = cluster_of(system, positions, box, int(lithium[shell.ion]), shell.sites)
                if cluster is None:
                    continue
                written += 1
                file, time = f"shell-{rank}-{written}.xyz", shell.frame * interval
                comment = (
                    f"system={name} lithium={shell.ion} frame={shell.frame} time_ps={time:g} share_of_Li={share.value:.4g} "
                    f'coordination="{kind}"'
                )
                texts[file] = xyz_text(cluster, comment)
                rows.append(
                    (file, str(kind), share.value, math.nan if share.error is None else share.error, len(of_type), cluster.charge, 1, len(cluster.symbols),
                     sum(cluster.added), cluster.closest_nm, deviation, shell.ion, shell.frame, time)
                )  # fmt: skip
    # those of an earlier call may be more
    for old in out.glob("shell-*.xyz"):
        if re.fullmatch(r"shell-\d+-\d+\.xyz", old.name) and old.name not in texts:
            old.unlink()
    for file, text in texts.items():
        write_text(out / file, text)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    write_table(out / "shells.csv", table)
    return table
