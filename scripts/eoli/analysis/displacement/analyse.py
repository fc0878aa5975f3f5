"""Displacements of lithium, anions and ether oxygens at lags that systems of any length have in common."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eoli.analysis.common import write_results
from eoli.analysis.displacement.curves import Curve, Trend, common_grid, curve_of, log_msd, trend_of
from eoli.analysis.motion.analyse import Motion, merged_by_lag, of_sites, read_motion
from eoli.analysis.motion.msd import Blocks, blocks_of, particle_msd
from eoli.core.arrays import Floats, Indices
from eoli.study.criteria import DisplacementCriteria
from eoli.topology.description import SystemDescription, read_description
from eoli.trajectory.store import Reduced, open_reduced
from eoli.trajectory.unwrap import Paths

_CENTRES = ("Li", "anion")
_SEGMENTS = "ether_O"


def _lags(n_frames: int) -> tuple[Indices, Indices, Blocks]:
    """All lags of a run in frames, those that each of its blocks sees, and the blocks."""
    blocks, lags = blocks_of([n_frames]), common_grid(n_frames)
    return lags, lags[lags <= blocks.longest_lag], blocks


def msd_rows(paths: Floats | Paths, n_frames: int) -> Floats:
    """MSD of each particle over the run, then over each of its blocks, nm2, (rows, particles).

    `paths` (n_frames, particles, 3) are unwrapped, nm. Rows are the lags of `common_grid`, then for each block those that
    it sees.
    """
    lags, within, blocks = _lags(n_frames)
    parts = [particle_msd(part, within) for part in blocks.parts([paths])] if len(within) else []
    return np.concatenate([particle_msd(paths, lags), *parts])


def _of_blocks(rows: Floats, n_frames: int) -> Floats:
    """The rows of the blocks, (blocks, lags that they see, molecules)."""
    lags, within, _ = _lags(n_frames)
    return rows[len(lags) :].reshape(-1, len(within), rows.shape[1]) if len(within) else np.empty((0, 0, 0))


def trend_in(rows: Floats, n_frames: int) -> tuple[int, Trend] | None:
    """Lag in frames, and the trend there, of the rows of `msd_rows`; None where it is not known.

    The lag is at most half of the longest that blocks see: there, each has several independent origins.
    """
    _, within, blocks = _lags(n_frames)
    if not len(within):
        return None
    place = max(0, int(np.searchsorted(within, blocks.longest_lag / 2, side="right")) - 1)
    found = trend_of(_of_blocks(rows, n_frames)[:, place])
    return None if found is None else (int(within[place]), found)


def table_of(rows: Floats, n_frames: int, interval_ps: float, what: str) -> pd.DataFrame:
    """Table of one kind of particle from the rows of `msd_rows`, (rows, molecules), of frames `interval_ps` apart."""
    lags, _, blocks = _lags(n_frames)
    found = log_msd(rows[: len(lags)], _of_blocks(rows, n_frames), lags, n_frames, blocks)
    return pd.DataFrame(
        {
            "lag_ps": lags * interval_ps,
            f"msd_{what}_nm2": np.exp(found.values),
            f"ln_msd_{what}_error": found.errors,
            f"origins_{what}": (n_frames - 1) // lags,
        }
    )


def curve_of_run(paths: Floats | Paths, interval_ps: float, kind: str) -> Curve:
    """Curve of one kind of particle in a run, from unwrapped paths (frames, molecules, 3), nm, frames `interval_ps` apart."""
    n_frames = len(paths)
    rows = msd_rows(paths, n_frames)
    found = trend_in(rows, n_frames)
    table = table_of(rows, n_frames, interval_ps, kind)
    return curve_of(table, kind, rows.shape[1], None if found is None else found[1])


def _rows(opened: Reduced, system: SystemDescription, motion: Motion) -> dict[str, tuple[Floats, int, float]]:
    """Rows of `msd_rows` by kind, with the number of frames and their interval, ps."""
    found: dict[str, tuple[Floats, int, float]] = {}
    n_frames = len(motion.box)
    for what in _CENTRES:
        if what in motion.paths:
            found[what] = msd_rows(motion.paths[what], n_frames), n_frames, motion.interval_ps
    n_frames = opened.n_frames("structure")
    if opened.has("structure/ether_oxygen") and n_frames > 1:
        rows = of_sites(opened, system, motion, _SEGMENTS, lambda path: msd_rows(path, n_frames))
        found[_SEGMENTS] = rows, n_frames, opened.interval_ps("structure")
    return found


def analyse_displacement(
    reduced: Path, description: Path, criteria: DisplacementCriteria, out_csv: Path, out_json: Path
) -> None:
    """Mean squared displacements at the lags of `common_grid`, with the standard errors of their logarithms.

    Lithium, the anion's centre of mass and the ether oxygens, in the frame of the system's centre of mass. `origins` is
    the number of independent origins, those whose windows do not overlap. The errors are those of `log_msd`, over blocks
    and molecules; the scalars have the number of molecules and the trend of the run (`trend_of`). No table where
    unwrapping may have folded the paths (`eoli.trajectory.unwrap.may_fold`): the verdict gives the reason. Raises
    DataError for files that cannot be read or do not belong together.
    """
    system = read_description(description)
    with open_reduced(reduced, system) as opened:
        motion = read_motion(opened, system)
        rows = {} if motion.folded else _rows(opened, system, motion)
    scalars: dict[str, Any] = {}
    for what, (of, n_frames, interval_ps) in rows.items():
        found = trend_in(of, n_frames)
        trend = None if found is None else {"lag_ps": found[0] * interval_ps, **asdict(found[1])}
        scalars[what] = {"molecules": of.shape[1], "trend": trend}
    tables = [table_of(of, n_frames, interval_ps, what) for what, (of, n_frames, interval_ps) in rows.items()]
    table = merged_by_lag(tables) if tables else pd.DataFrame({"lag_ps": []})
    verdict = f"not known: {motion.folded}" if motion.folded else "resolved"
    write_results(table, scalars | {"verdict": verdict}, out_csv, out_json)
