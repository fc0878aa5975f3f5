"""Whether a run answers its question: transport or a displacement known to a target error, or how much further to go."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eoli.analysis.conductivity.analyse import conductivity_scalars, is_salt
from eoli.analysis.convergence import Finding
from eoli.analysis.displacement.analyse import curve_of_run
from eoli.analysis.displacement.compared import compared
from eoli.analysis.displacement.curves import Curve, ps_of
from eoli.analysis.motion.analyse import Motion, diffusion_scalars, read_motion
from eoli.core.numbers import plain, with_error
from eoli.core.statistics import length_for_error
from eoli.study.criteria import ConductivityCriteria, ReduceCriteria
from eoli.study.lags import INDEPENDENT_ORIGINS, lag_of_frames
from eoli.study.protocol import TRANSPORT, Criterion
from eoli.study.quantities import Quantity, named
from eoli.topology.description import SystemDescription, read_description
from eoli.trajectory.reduce import reduce_trajectory
from eoli.trajectory.store import open_reduced

_IONS = {"D_Li": ("Li",), "D_anion": ("anion",), "conductivity_nernst_einstein": ("Li", "anion")}
_MSD = "MSD(Li⁺)"
_RDF_NM = (0.5, 0.1)


@dataclass(frozen=True)
class Asked:
    """What a run is asked: relative error, tolerance of diffusive motion, temperature, lag of a displacement."""

    target_error: float
    tolerance: float
    temperature_K: float
    lag_ps: float | None = None


def answered(
    names: Sequence[Criterion], xtc: Path, description: Path, frame_interval_ps: float, asked: Asked
) -> dict[Criterion, Finding]:
    """Each of ANSWERS on a whole trajectory: answered if its relative error is at most the target.

    As `motion` and `conductivity` compute it. `further_ns` in the values is what `motion.msd.extension` expects to be
    missing, None where it cannot tell. For a displacement see `judge_displacement`. A system without salt has nothing to
    answer. Raises DataError for files that cannot be read.
    """
    system = read_description(description)
    # g(r) and structure of one frame: only the motion is read
    once = 1e6
    criteria = ReduceCriteria(
        frame_interval_ps=frame_interval_ps, motion_interval_ps=frame_interval_ps, structure_interval_ps=once,
        slow_interval_ps=once, rdf_range_nm=_RDF_NM[0], rdf_bin_nm=_RDF_NM[1],
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix=".answered-", dir=xtc.parent) as folder:
        reduced = Path(folder) / "motion.h5"
        reduce_trajectory(xtc, description, criteria, reduced)
        with open_reduced(reduced, system) as opened:
            motion = read_motion(opened, system)
            transport = [name for name in names if name in TRANSPORT]
            found = _transport(transport, motion, system, asked) if transport else {}
            if "displacement_Li" in names:
                found["displacement_Li"] = _displacement(motion, asked)
    return found


def _transport(
    names: Sequence[Criterion], motion: Motion, system: SystemDescription, asked: Asked
) -> dict[Criterion, Finding]:
    """Each of TRANSPORT."""
    if not is_salt(motion.species):
        return {name: Finding(None, f"{_symbol(named(name))}: no ions", {}) for name in names}
    scalars = {"motion": diffusion_scalars([motion], asked.tolerance, asked.target_error)}
    if any(named(name).analysis == "conductivity" for name in names):
        of_conductivity = ConductivityCriteria(
            contact_nm=None, use_interval_ps=motion.interval_ps, tolerance=asked.tolerance,
            temperature_K=asked.temperature_K,
        )  # fmt: skip
        scalars["conductivity"] = conductivity_scalars([motion], None, system.choice.ion_charge_scale, of_conductivity)
    return {name: judge(named(name), scalars, motion.length_ns, asked.target_error) for name in names}


def _displacement(motion: Motion, asked: Asked) -> Finding:
    """The displacement of lithium."""
    if "Li" not in motion.species:
        return Finding(None, f"{_MSD}: no ions", {})
    if motion.folded:
        return Finding(False, f"{_MSD} is not known: {motion.folded}", {"further_ns": None})
    curve = curve_of_run(motion.paths["Li"], motion.interval_ps, "Li")
    return judge_displacement(curve, motion.interval_ps, motion.length_ns, asked)


def judge_displacement(curve: Curve, interval_ps: float, length_ns: float, asked: Asked) -> Finding:
    """Whether the MSD at `asked.lag_ps` is known well enough for a ratio to another system's.

    `curve` is that of a run of `length_ns` with frames `interval_ps` apart. It is taken for the comparison as the single
    start of a system (`compared`), and answers where it has a value there whose relative error, that of its logarithm, is at
    most the target over sqrt(2): the logarithms of two such runs then differ with the target error. `further_ns` is
    what that error is expected to need, as 1/sqrt(length), or before, what ten origins need; None where neither is known.
    Raises ValueError without a lag.
    """
    if asked.lag_ps is None:
        raise ValueError("a displacement is asked for without a lag")
    run, target = "the run", asked.target_error / math.sqrt(2)
    found = compared({run: [run]}, {run: {"Li": curve}}, "Li", asked.lag_ps)
    values: dict[str, Any] = {"value": None, "error": None, "lag_ps": asked.lag_ps, "target_error": target}
    if found.lag is None:
        lag_ps = lag_of_frames(asked.lag_ps, interval_ps)
        missing = 0.0 if lag_ps is None else INDEPENDENT_ORIGINS * lag_ps / 1000 - length_ns
        text = f"{_MSD} at {asked.lag_ps:g} ps is not known: {found.lacking[run]}"
        return Finding(False, text, values | {"further_ns": missing if missing > 0 else None})
    log = found.at(run, found.lag)
    value = math.exp(log.value)
    error, lag_ps = value * log.error, ps_of(found.lag)
    text = f"{_MSD} at {lag_ps:g} ps = {with_error(value, error, 'nm²')}, {log.error:.0%}; asked: {target:.0%}"
    further = max(0.0, length_for_error(length_ns, log.error, target) - length_ns)
    values |= {"value": value, "error": error, "lag_ps": lag_ps, "relative_error": log.error, "further_ns": further}
    return Finding(log.error <= target, text, values)


def judge(quantity: Quantity, scalars: Mapping[str, Mapping[str, Any]], length_ns: float, target: float) -> Finding:
    """Whether a quantity is known to a relative error `target` in scalars by analysis, of a run of `length_ns`."""
    answer, what = quantity.of(scalars), _symbol(quantity)
    if answer is None:
        return Finding(False, f"{what}: not computed", {"further_ns": None})
    values: dict[str, Any] = {"value": answer.value, "error": answer.error, "target_error": target}
    if answer.value is not None and answer.error is not None and answer.value > 0:
        relative = answer.error / answer.value
        further = max(0.0, length_for_error(length_ns, relative, target) - length_ns)
        text = f"{what} = {with_error(answer.value, answer.error, quantity.unit)}, {relative:.0%}; asked: {target:.0%}"
        return Finding(relative <= target, text, values | {"relative_error": relative, "further_ns": further})
    missing = [scalars["motion"][ion]["extension"]["further_ns"] for ion in _IONS[quantity.name]]
    known = [further for further in missing if further is not None]
    bound = "" if answer.bound is None else f", at most {plain(answer.bound, quantity.unit, towards=1)}"
    verdict = answer.verdict.removeprefix("not resolved: ")
    return Finding(
        False, f"{what} is not resolved: {verdict}{bound}", values | {"further_ns": max(known) if known else None}
    )


def _symbol(quantity: Quantity) -> str:
    return quantity.symbol or quantity.name
