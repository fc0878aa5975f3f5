"""Whether a run answers its question: transport coefficients known to a target error, or how much further to go."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eoli.analysis.conductivity.analyse import conductivity_scalars, is_salt
from eoli.analysis.convergence import Finding
from eoli.analysis.motion.analyse import diffusion_scalars, read_motion
from eoli.core.numbers import plain, with_error
from eoli.core.statistics import length_for_error
from eoli.study.criteria import ConductivityCriteria, ReduceCriteria
from eoli.study.protocol import Criterion
from eoli.study.quantities import Quantity, named
from eoli.topology.description import read_description
from eoli.trajectory.reduce import reduce_trajectory
from eoli.trajectory.store import open_reduced

_IONS = {"D_Li": ("Li",), "D_anion": ("anion",), "conductivity_nernst_einstein": ("Li", "anion")}
_RDF_NM = (0.5, 0.1)


@dataclass(frozen=True)
class Asked:
    """What a run is asked: relative error, tolerance of diffusive motion, temperature."""

    target_error: float
    tolerance: float
    temperature_K: float


def answered(
    names: Sequence[Criterion], xtc: Path, description: Path, frame_interval_ps: float, asked: Asked
) -> dict[Criterion, Finding]:
    """Each of ANSWERS on a whole trajectory: answered if its relative error is at most the target.

    As `motion` and `conductivity` compute it. `further_ns` in the values is what `motion.msd.extension` expects to be
    missing, None where it cannot tell. A system without salt has nothing to answer. Raises DataError for files that
    cannot be read.
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
            if not is_salt(motion.species):
                return {name: Finding(None, f"{_symbol(named(name))}: no ions", {}) for name in names}
            scalars = {"motion": diffusion_scalars([motion], asked.tolerance, asked.target_error)}
            if any(named(name).analysis == "conductivity" for name in names):
                of_conductivity = ConductivityCriteria(
                    contact_nm=None, use_interval_ps=frame_interval_ps, tolerance=asked.tolerance,
                    temperature_K=asked.temperature_K,
                )  # fmt: skip
                scalars["conductivity"] = conductivity_scalars(
                    [motion], None, system.choice.ion_charge_scale, of_conductivity
                )
    return {name: judge(named(name), scalars, motion.length_ns, asked.target_error) for name in names}


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
    bound = "" if answer.bound is None else f", at most {plain(answer.bound, quantity.unit)}"
    verdict = answer.verdict.removeprefix("not resolved: ")
    return Finding(
        False, f"{what} is not resolved: {verdict}{bound}", values | {"further_ns": max(known) if known else None}
    )


def _symbol(quantity: Quantity) -> str:
    return quantity.symbol or quantity.name
