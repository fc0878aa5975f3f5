"""Glass transitions of a sweep: replica coolings combined, in a table next to measured values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from eoli.analysis.glass.fit import GlassTransition, combined, expected_shift_K, fit_curve
from eoli.analysis.results import read_curves
from eoli.errors import InputError
from eoli.study.annealing import cooling_rate_K_per_s
from eoli.study.config import Study
from eoli.study.systems import System, replica_groups, systems_of


@dataclass(frozen=True)
class Cooled:
    """All replica coolings of one system: their rate, each fit, and the combined result.

    `system` is the first replica; `error_K` is the standard error of Tg over the coolings.
    """

    system: System
    curves: tuple[pd.DataFrame, ...]
    rate_K_per_s: float
    own: tuple[GlassTransition, ...]
    found: GlassTransition
    error_K: float | None

    @property
    def name(self) -> str:
        """Name of the replica group."""
        return self.system.replica_group


def volumes_file(results: Path, system: str) -> Path:
    """Path of a system's specific volumes during cooling."""
    return results / system / "analysis" / "specific-volume.csv"


def read_coolings(study: Study, results: Path) -> list[Cooled]:
    """The coolings of a study, grouped by replica.

    Raises InputError if the study has no cooling stage, DataError for volumes that are unreadable or do not belong
    together.
    """
    if study.config.analysis.cooling_stage is None:
        raise InputError("analysis.cooling_stage is not set; allowed: a stage whose temperature changes by steps")
    stage = study.stage(study.config.analysis.cooling_stage)
    cooled = []
    cooled_here = [system for system in systems_of(study).values() if system.imported is None]
    for members in replica_groups(cooled_here).values():
        files = [volumes_file(results, member.name) for member in members]
        curves = tuple(read_curves(file.parent, file.stem) for file in files)
        own = tuple(fit_curve(curve) for curve in curves)
        rate = cooling_rate_K_per_s(stage.course(members[0].temperature_K))
        cooled.append(Cooled(members[0], curves, rate, own, *combined(curves, own)))
    return cooled


def _beside(found: GlassTransition, measured_K: float | None, shift_K: tuple[float, float]) -> str:
    interval = found.temperature_K
    if interval.value is None or interval.low is None or interval.high is None:
        return found.verdict
    if measured_K is None:
        return "nothing measured to compare with"
    if interval.high - measured_K < shift_K[0]:
        return "less above the measured one than so fast a cooling should be"
    if interval.low - measured_K > shift_K[1]:
        return "more above the measured one than so fast a cooling explains"
    return "above the measured one as so fast a cooling should be"


def glass_table(cooled: Sequence[Cooled], measured_K: Sequence[float | None]) -> pd.DataFrame:
    """One row per system: Tg of the cooling with 68 % interval and rate, the measured Tg, the expected shift.

    `measured_K` is the measured Tg of each. Without a Tg, the interval is where a bend would be, if any. Nothing is
    corrected: the shift is the range of `eoli.analysis.glass.fit.expected_shift_K`, measured at 10 K/min.
    """
    rows = []
    for entry, theirs in zip(cooled, measured_K, strict=True):
        found, system = entry.found, entry.system
        interval, goodness = found.temperature_K, found.goodness
        # a run that heats has no cooling rate
        shift = expected_shift_K(entry.rate_K_per_s) if entry.rate_K_per_s > 0 else (0.0, math.inf)
        rows.append(
            {
                "system": entry.name,
                "polymer": system.polymer,
                "salt": system.salt,
                "eo_li_asked": system.eo_li_asked,
                "coolings": len(entry.curves),
                "cooling_rate_K_per_s": entry.rate_K_per_s,
                "Tg_K": interval.value,
                "Tg_low_K": interval.low,
                "Tg_high_K": interval.high,
                "Tg_error_over_coolings_K": entry.error_K,
                "bend_width_K": found.width_K,
                "expansion_glass_cm3_g_K": found.expansion_glass,
                "expansion_melt_cm3_g_K": found.expansion_melt,
                "chi2": None if goodness is None else goodness.chi2,
                "degrees_of_freedom": None if goodness is None else goodness.degrees_of_freedom,
                "verdict": found.verdict,
                "measured_Tg_K": theirs,
                "above_measured_K": None if theirs is None or interval.value is None else interval.value - theirs,
                "expected_shift_low_K": shift[0],
                "expected_shift_high_K": shift[1],
                "beside_measured": _beside(found, theirs, shift),
            }
        )
    return pd.DataFrame(rows)
