"""Logarithms of mean squared displacements with their errors, and the lags at which runs can be compared."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import stdtr

from eoli.analysis.motion.msd import Blocks, gain
from eoli.core.arrays import Floats, Indices
from eoli.core.statistics import jackknife_error, standard_error
from eoli.errors import DataError
from eoli.study.lags import common_lags

KINDS = ("Li", "anion", "ether_O")
"""What is compared: lithium, centres of mass of anions, ether oxygens as the segments of the chains."""

TICKS_PER_PS = 1e6
"""Lags of curves are counted in millionths of a picosecond."""
_LEAST_BLOCKS = 4
_COLUMNS = (("msd", "_nm2"), ("ln_msd", "_error"), ("origins", ""))


def common_grid(n_frames: int) -> Indices:
    """Those of `common_lags`, in frames, up to half the run."""
    return np.array(common_lags(n_frames // 2), dtype=np.int64)


@dataclass(frozen=True)
class Logarithms:
    """Values and standard errors of several numbers' natural logarithms, both of shape (n,)."""

    values: Floats
    errors: Floats


def log_msd(of_particles: Floats, of_blocks: Floats, lags: Indices, n_frames: int, blocks: Blocks) -> Logarithms:
    """Logarithm of a run's MSD, and its standard error, at each of the lags, in frames.

    `of_particles` (lags, particles) is the MSD over all origins, nm2; `of_blocks` (blocks, shorter lags, particles) is
    that of consecutive blocks of the run, at the first of the lags. The error is the larger of two, as that of D
    (`eoli.analysis.motion.msd.diffusion`): over the blocks, times the gain of the whole run for Brownian motion, and by
    jackknife over the particles, which are sites of one molecule taken together. NaN where blocks do not see the lag,
    where there is one particle, and where nothing moved.
    """
    with np.errstate(divide="ignore"):
        values = np.log(of_particles.mean(axis=1))
        within = np.log(of_blocks.mean(axis=2)) if of_blocks.size else np.empty((0, 0))
    values[~np.isfinite(values)] = np.nan
    errors = np.full(len(lags), np.nan)
    for k in range(within.shape[1]):
        if np.isfinite(within[:, k]).all() and np.isfinite(values[k]):
            by_blocks = gain([1.0], lags[k : k + 1], [n_frames], blocks) * standard_error(within[:, k])
            by_particles = jackknife_error(lambda mean: math.log(mean), of_particles[k])
            errors[k] = np.maximum(by_blocks, by_particles)
    return Logarithms(values, errors)


@dataclass(frozen=True)
class Trend:
    """Logarithm of the MSD of the second half of a run over that of the first, at one lag; see `trend_of`.

    `p_value` is the probability that a run whose motion stays the same shows as much.
    """

    ln_ratio: float
    error: float
    p_value: float


def trend_of(of_blocks: Floats) -> Trend | None:
    """Trend of the MSDs (blocks, particles), nm2, of consecutive blocks of a run at one lag; None where it is not known.

    A straight line through ln MSD of the blocks; half the run is half of their number apart. Its slope is tested twice, as
    errors of an MSD are: against the scatter of the blocks about the line, and by jackknife over the particles, each with
    Student's distribution. Particles that move differently for the whole run are no trend, since all are in all blocks. The
    larger error and the larger p-value count.
    """
    n_blocks, particles = of_blocks.shape
    with np.errstate(divide="ignore"):
        logs = np.log(of_blocks.mean(axis=1))
    if n_blocks < _LEAST_BLOCKS or particles < 2 or not np.isfinite(logs).all():
        return None
    centred = np.arange(n_blocks) - (n_blocks - 1) / 2
    weights = centred / (centred**2).sum() * n_blocks / 2
    ratio = float(weights @ logs)
    about_line = logs - logs.mean() - centred * ratio * 2 / n_blocks
    scatter = math.sqrt((about_line**2).sum() / (n_blocks - 2)) * float(np.linalg.norm(weights))
    of_particles = jackknife_error(lambda mean: float(weights @ np.log(mean)), of_blocks.T)
    errors = ((scatter, n_blocks - 2), (of_particles, particles - 1))
    p_values = [2 * float(stdtr(freedom, -abs(ratio) / error)) if error > 0 else 1.0 for error, freedom in errors]
    return Trend(ratio, max(scatter, of_particles), max(p_values))


@dataclass(frozen=True)
class Curve:
    """ln MSD of one kind of particle in one run, with its standard error, against lags in millionths of a ps.

    Lags are integers, so that those of two runs are equal or not. `origins` are independent ones; an error is NaN
    where blocks do not see the lag. All of shape (n,), and finite but for the errors. `trend` is that of the run, where known.
    """

    lags: Indices
    values: Floats
    errors: Floats
    origins: Indices
    molecules: int
    trend: Trend | None = None


Curves = Mapping[str, Mapping[str, Curve] | str]
"""Curves by system and kind, or why a system has none."""


def ps_of(lag: int) -> float:
    """A lag of a curve in ps."""
    return lag / TICKS_PER_PS


def curve_of(table: pd.DataFrame, kind: str, molecules: int, trend: Trend | None = None) -> Curve:
    """Curve of one kind from the table of the analysis, at the lags where it moved."""
    columns = ("lag_ps", *(f"{stem}_{kind}{end}" for stem, end in _COLUMNS))
    lag_ps, msd, errors, origins = (table[column].to_numpy(dtype=np.float64) for column in columns)
    known = (msd > 0) & (origins >= 1)
    lags = np.round(lag_ps[known] * TICKS_PER_PS).astype(np.int64)
    return Curve(lags, np.log(msd[known]), errors[known], origins[known].astype(np.int64), molecules, trend)


def _of_system(analysis: Path) -> dict[str, Curve] | str:
    """Curves by kind from a system's `analysis` folder, or why there are none."""
    # the models of all results, which the analysis itself does without
    from eoli.analysis.results import read_curves, read_scalars

    scalars = read_scalars(analysis, "displacement")
    if scalars is None:
        return "analysis missing: displacement"
    if scalars["verdict"] != "resolved":
        return str(scalars["verdict"])
    table = read_curves(analysis, "displacement")
    kinds = [kind for kind in KINDS if kind in scalars]
    for column in (f"{stem}_{kind}{end}" for kind in kinds for stem, end in _COLUMNS):
        if column not in table:
            raise DataError(f"{analysis / 'displacement.csv'}: no column {column}")

    def trend(kind: str) -> Trend | None:
        # results of earlier versions have none
        found = scalars[kind].get("trend")
        return None if found is None else Trend(**{key.name: found[key.name] for key in fields(Trend)})

    return {kind: curve_of(table, kind, scalars[kind]["molecules"], trend(kind)) for kind in kinds}


def read_displacements(results: Path, systems: Iterable[str]) -> Curves:
    """Curves of systems from `results/<system>/analysis`. Raises DataError for a malformed file."""
    return {system: _of_system(results / system / "analysis") for system in systems}
