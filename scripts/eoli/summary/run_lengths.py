"""How long must runs be? Lengths for a target error, with their cost, extrapolated from the analyses of short runs.

Only where motion is diffusive does a measured error give a length; otherwise it is a lower bound, labelled as one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from eoli.analysis.motion.msd import NOT_KNOWN
from eoli.analysis.results import Scalars, read_scalars
from eoli.core.statistics import length_for_error
from eoli.forcefield.library import library
from eoli.forcefield.models import NO_SALT
from eoli.study.config import Study
from eoli.study.quantities import LENGTH, In, Quantity, declared, named
from eoli.study.systems import System, replica_groups, size_of, systems_of
from eoli.summary.pooled import read_starts
from eoli.workflow.cost import ASSUMED_SPEED, Cost, cost_of_stage, measured_speed

COLLECTIVE_AT_BEST = 0.25
"""Best relative error of a collective conductivity from one run, which is a single sample."""


@dataclass(frozen=True)
class Need:
    """What a quantity of a system needs, over all its replicas together.

    `total_ns` is an estimate, or a lower bound if `at_least`, or None if the data do not tell; `runs` is the least
    number of replicas. `further_ns` is what is still missing, with its cost; `at_this_exponent_ns` is the same, for the
    same replicas, if sub-diffusion stays as it is: never less, and None if that gives no other length. `longer_helps` is
    false where paths may be folded: no length mends that. `value` is the mean over the replicas, in SI units, where all
    resolve it.
    """

    system: str
    temperature_K: float
    quantity: str
    starts: int
    have_ns: float
    value: float | None
    relative_error: float | None
    target: float
    at_least: bool
    total_ns: float | None
    runs: int
    further_ns: float | None
    at_this_exponent_ns: float | None
    core_hours: float | None
    disk_gb: float | None
    ns_per_day_core: float
    longer_helps: bool
    reason: str

    def line(self) -> str:
        """The need in words; a bound is always marked as one."""
        have = f"{self.system:34s} {self.quantity:28s} {self.have_ns:8.4g} ns"
        if self.further_ns is None or self.core_hours is None or self.disk_gb is None:
            return f"{have}: no estimate: {self.reason}"
        now = "" if self.relative_error is None else f", error now {self.relative_error:.0%}"
        if self.further_ns == 0:
            return f"{have}: enough{now}"
        kind = "at least" if self.at_least else "about"
        slow = (
            "" if self.at_this_exponent_ns is None else f", {self.at_this_exponent_ns:.3g} ns at its present exponent"
        )
        runs = f" in {self.runs} starts" if self.runs > self.starts else ""
        cost = f"{self.core_hours:.3g} core-hours, {self.disk_gb:.2g} GB"
        return f"{have}{now}: {kind} {self.further_ns:.3g} ns more{runs}{slow} ({cost}): {self.reason}"


@dataclass(frozen=True)
class _Found:
    """A quantity in one run: value and relative error if resolved, else the least length that the run must have, and the
    one at its present exponent if that is known."""

    length_ns: float
    value: float | None
    relative_error: float | None
    least_ns: float | None
    slow_ns: float | None
    reason: str
    longer_helps: bool = True

    @property
    def sober_ns(self) -> float | None:
        """The longer of the two lengths."""
        return max((ns for ns in (self.least_ns, self.slow_ns) if ns is not None), default=None)


def _found(quantity: Quantity, of: Mapping[str, Any]) -> _Found:
    """A quantity in scalars by analysis, which must have it."""
    # key by key, so that the error names the missing key
    found: Any = reduce(getitem, (quantity.analysis, *quantity.home), of)
    length: Any = reduce(getitem, LENGTH, of)
    answer = quantity.of(of)
    assert answer is not None
    if answer.value and answer.error is not None:
        return _Found(length, answer.value, answer.error / abs(answer.value), None, None, "")
    if quantity.analysis == "motion":
        extension, verdict = found["extension"], answer.verdict
        further, slow = extension["further_ns"], extension.get("at_this_exponent_ns")
        reason = f"motion of {quantity.home[-1]} is {verdict}: {str(extension['reason']).removeprefix('at least: ')}"
        least, slow = (None if ns is None else length + ns for ns in (further, slow))
        return _Found(length, None, None, least, slow, reason, verdict != NOT_KNOWN.verdict)
    ions = [_found(ion, of) for ion in declared(In.PLAN) if ion.analysis == "motion"]
    if any(each.relative_error is None for each in ions):
        return _slower(ions)
    # the ions diffuse, but a single collective sample has not settled
    return _Found(length, None, None, length, None, answer.verdict)


def _slower(found: Sequence[_Found]) -> _Found:
    """Of several conditions that must all be met, the most demanding; unknown ranks highest."""
    unresolved = [each for each in found if each.relative_error is None]
    most = max(unresolved, key=lambda each: math.inf if each.least_ns is None else each.least_ns)
    # at its exponent another one may take longer
    return replace(most, slow_ns=max((each.slow_ns for each in unresolved if each.slow_ns is not None), default=None))


def _total(
    found: Sequence[_Found], starts: int, target: float, collective: bool
) -> tuple[float | None, float | None, int, float | None]:
    """(ns over all replicas, the same at the present exponents if that is more, replicas, relative error of all replicas
    together). Without an error the length is a lower bound.

    `found` has one entry per replica, or a single one for all together, whose length is their sum.
    """
    have = sum(each.length_ns for each in found)
    errors = [each.relative_error for each in found if each.relative_error is not None]
    if len(errors) == len(found):
        error = math.sqrt(sum(value**2 for value in errors)) / len(found)
        total = length_for_error(have, error, target)
        # a longer run gives longer lags, not more collective samples: that takes more replicas
        more = math.ceil(round(length_for_error(starts, error, target), 6)) if collective else starts
        return total, None, max(starts, more), error
    unresolved = [each for each in found if each.relative_error is None]
    if any(each.least_ns is None for each in unresolved):
        return None, None, starts, None
    runs = max(starts, math.ceil((COLLECTIVE_AT_BEST / target) ** 2)) if collective else starts

    def of_all(lengths_ns: Sequence[float | None]) -> float:
        # each replica as long as the most demanding one
        return max(have, runs * max(ns for ns in lengths_ns if ns is not None) * len(found) / starts)

    least = of_all([each.least_ns for each in unresolved])
    slow = of_all([each.sober_ns for each in unresolved])
    return least, slow if slow > least else None, runs, None


def _need(
    members: Sequence[System], quantity: Quantity, found: Sequence[_Found], target: float, cost_per_ns: Cost,
    ns_per_day_core: float,
) -> Need:  # fmt: skip
    total, slow, runs, error = _total(found, len(members), target, quantity.collective)
    have = sum(each.length_ns for each in found)
    values = [each.value for each in found if each.value is not None]
    value = None if error is None else sum(values) / len(values)
    further = None if total is None else max(0.0, total - have)
    reason = _slower(found).reason if error is None else f"errors fall as 1/sqrt(length); {target:.0%} is asked for"
    return Need(
        members[0].replica_group, members[0].temperature_K, quantity.name, len(members), have, value, error, target, error is None, total, runs,
        further, None if slow is None else slow - have,
        None if further is None else further * cost_per_ns.core_hours,
        None if further is None else further * cost_per_ns.disk_gb, ns_per_day_core, all(each.longer_helps for each in found), reason,
    )  # fmt: skip


def _analyses() -> list[str]:
    """Names of the analyses that planning needs."""
    return list(dict.fromkeys(quantity.analysis for quantity in declared(In.PLAN)))


def not_analysed(study: Study, results: Path) -> dict[str, str]:
    """Systems with ions that lack an analysis of a replica, which `needs` leaves out: by replica group, in words."""
    found = {}
    for group, members in replica_groups(systems_of(study).values()).items():
        if members[0].imported is not None or members[0].salt == NO_SALT:
            continue
        missing = {
            member.name: [
                name for name in _analyses() if not (results / member.name / "analysis" / f"{name}.json").is_file()
            ]
            for member in members
        }
        if said := [f"{name} ({', '.join(names)})" for name, names in missing.items() if names]:
            found[group] = f"not all of its runs are analysed: {', '.join(said)}"
    return found


def _tables(analysis: Path) -> Iterator[dict[str, Scalars]]:
    """Scalars by analysis from a folder, as far as planning needs them; nothing if no lithium moved."""
    found = {name: scalars for name in _analyses() if (scalars := read_scalars(analysis, name)) is not None}
    if named("D_Li").found(found):
        yield found


def needs(study: Study, results: Path, target: float) -> list[Need]:
    """What each system and temperature needs for a relative error `target` of each quantity.

    Replicas count together: by the pooled result of `eoli starts` if there is one, else one by one. Reads `motion.json`
    and `conductivity.json`; systems without them and neat polymers are left out. The speed is the median measured in
    `results`, else the assumed one. Raises DataError for malformed results.
    """
    blocks = library(study.topologies)
    speed = measured_speed(results)[0] or ASSUMED_SPEED
    stage = study.stage(study.config.analysis.stage)
    systems = systems_of(study)
    together = read_starts(results, list(systems))
    found = []
    for group, members in replica_groups(systems.values()).items():
        if members[0].imported is not None:
            # nobody here can prolong it
            continue
        tables: list[Mapping[str, Any]] = []
        for member in members:
            tables += _tables(results / member.name / "analysis")
        if not tables:
            continue
        cost = cost_of_stage(size_of(members[0], blocks), stage, speed)
        per_ns = Cost(cost.core_hours / cost.ns, cost.disk_gb / cost.ns, 1.0, cost.core_hours / cost.ns)
        per_day = 24 / per_ns.core_hours
        present = members[: len(tables)]
        of_all, pooled = together.get(group), list[Mapping[str, Any]]()
        if of_all is not None and len(of_all["systems"]) == len(present):
            pooled = [of_all]
        for quantity in declared(In.PLAN):
            runs = pooled if any(quantity.analysis in of for of in pooled) else tables
            if quantity.analysis == "motion" or all(quantity.found(of) for of in runs):
                found.append(_need(present, quantity, [_found(quantity, of) for of in runs], target, per_ns, per_day))
    return found
