"""Glass transition: the volumes of one cooling, and the table of a sweep beside what was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from eoli.chemistry import NO_SALT
from eoli.compare import Reference
from eoli.criteria import SpecificVolumeCriteria
from eoli.glass import GlassTransition, combined, expected_shift_K, fit_curve, volume_curve
from eoli.jobs.common import write_results
from eoli.ramp import Plateau, rate_K_per_ns
from eoli.sweep import System
from eoli.topology.description import read_description

ZERO_CELSIUS_K = 273.15
_NS_PER_S = 1e9


@dataclass(frozen=True)
class Cooled:
    """All independent coolings of one system, their rate, the fit of each, and what they say together.

    `error_K` is the standard error of Tg over the coolings.
    """

    name: str
    system: System
    curves: tuple[pd.DataFrame, ...]
    rate_K_per_s: float
    own: tuple[GlassTransition, ...]
    found: GlassTransition
    error_K: float | None


def cooling_rate_K_per_s(course: Sequence[Plateau]) -> float:
    """Mean rate of a cooling, above zero."""
    return -rate_K_per_ns(course) * _NS_PER_S


def analyse_specific_volume(
    edr: Path, description: Path, criteria: SpecificVolumeCriteria, out_csv: Path, out_json: Path
) -> None:
    """Specific volume at each plateau of a cooling, and the glass transition of this cooling alone.

    Raises DataError for files that cannot be read or do not belong together.
    """
    course = criteria.course
    curve = volume_curve(edr, read_description(description).mass_g_mol, course)
    found = fit_curve(curve)
    scalars = {"cooling_rate_K_per_s": cooling_rate_K_per_s(course), "glass_transition": asdict(found)}
    write_results(curve, scalars, out_csv, out_json)


def pooled(
    systems: Sequence[System], curves: Mapping[str, pd.DataFrame], rates_K_per_s: Mapping[str, float]
) -> list[Cooled]:
    """Coolings of systems that differ in their replicate alone, taken together; curves and rates are by system."""
    groups: dict[str, list[System]] = {}
    for system in systems:
        groups.setdefault(system.family, []).append(system)
    cooled = []
    for name, members in groups.items():
        volumes = tuple(curves[member.name] for member in members)
        own = tuple(fit_curve(curve) for curve in volumes)
        found, error = combined(volumes, own)
        cooled.append(Cooled(name, members[0], volumes, rates_K_per_s[members[0].name], own, found, error))
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


def glass_table(cooled: Sequence[Cooled], reference: Reference) -> pd.DataFrame:
    """A row for each system: Tg of the cooling with its 68 % interval and rate, the measured one, the shift to expect.

    Measured is what the study has of the same polymer and ratio with its salt, in degrees Celsius. Without a Tg the interval is where a bend would be if there was one. Nothing is corrected: the shift is the range of `eoli.glass.expected_shift_K`, the measured rate taken as 10 K/min.
    """
    measured = {
        (value.polymer, value.eo_li): value.value + ZERO_CELSIUS_K
        for entry in reference.numbers
        if entry.id == "glass-transition"
        for value in entry.systems
    }
    rows = []
    for entry in cooled:
        found, system = entry.found, entry.system
        interval, goodness = found.temperature_K, found.goodness
        of_study = system.salt in (reference.salt, NO_SALT)
        theirs = measured.get((system.polymer, system.eo_li_asked)) if of_study else None
        # the start of the cooling must not be warmer than its end
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
