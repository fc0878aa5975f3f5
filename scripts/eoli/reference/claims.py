"""Numbers and claims of a study compared with a sweep."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from eoli.analysis.displacement.compared import compared
from eoli.analysis.displacement.curves import Curves, ps_of
from eoli.analysis.displacement.ratio import ratio_of
from eoli.core.numbers import never_changed, with_error
from eoli.core.statistics import UNKNOWN, Estimate
from eoli.forcefield.models import NO_SALT
from eoli.reference.model import BeyondRandom, Claim, Farther, Larger, Numbers, Present, Reference, Value
from eoli.reference.readings import Condition, Missing, Reading, Scalars, conditions_of, read, walk
from eoli.study.axes import SOLVENTS

Verdict = Literal["agrees", "differs", "not resolved", "not comparable", "not simulated in the study"]

_SIGMAS = 2.0
_FARTHER: Mapping[str, Verdict] = {"larger": "agrees", "smaller": "differs", "not decided": "not resolved"}
_BESIDE_RANDOM: Mapping[str, Verdict] = {"above": "agrees", "below": "differs"}
_MEASURED_TEMPERATURE_K = 5.0


@dataclass(frozen=True)
class Comparison:
    """One number or claim next to ours; for a claim, `ours` is the scalar that tests it, or the difference or ratio of two."""

    id: str
    what: str
    system: str
    ours: float | None
    ours_error: float | None
    theirs: float | None
    unit: str
    verdict: Verdict
    reason: str


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _fits(condition: Condition, numbers: Numbers, value: Value) -> bool:
    axes = condition.axes
    if (axes["polymer"], condition.ratio) != (value.polymer, value.eo_li) or axes[SOLVENTS]:
        return False
    if numbers.origin == "simulated":
        return condition.in_study
    at = value.temperature_K
    return at is None or bool(abs(axes["temperature_K"] - at) <= _MEASURED_TEMPERATURE_K)


def _judge_number(numbers: Numbers, value: Value, condition: Condition, ours: Reading | Missing) -> tuple[Verdict, str]:
    reason = numbers.comparable.reason
    if not numbers.comparable.answer:
        return "not comparable", _joined(reason, ours.why if isinstance(ours, Missing) else ours.said)
    chains = condition.axes["chains"]
    if numbers.of_chains not in (None, chains):
        return "not comparable", f"a box of {chains:g} chains; theirs has {numbers.of_chains}"
    limit = None if numbers.limit is None else read(condition, numbers.limit)
    spacing = 2 * math.pi / value.value if numbers.unit == "1/nm" else value.value
    if isinstance(limit, Reading) and spacing > limit.value:
        return "not comparable", f"box-limited: it resolves spacings up to {limit.value:.3g} nm; {reason}"
    if isinstance(ours, Missing):
        return "not resolved", ours.why
    difference, allowed = ours.value - value.value, math.hypot(_SIGMAS * ours.error, numbers.uncertainty)
    verdict: Verdict = "agrees" if abs(difference) <= allowed * (1 + 1e-9) else "differs"
    unit = "" if numbers.unit == "1" else f" {numbers.unit}"
    return verdict, _joined(f"difference {difference:.3g}, allowed {allowed:.2g}{unit}", ours.said, reason)


def _of_value(numbers: Numbers, value: Value, conditions: Sequence[Condition]) -> Iterator[Comparison]:
    what = numbers.what if value.of is None else f"{numbers.what}, {value.of}"

    def read_ours(condition: Condition) -> Reading | Missing:
        found = Missing("") if value.scalar is None else read(condition, value.scalar)
        if isinstance(found, Missing):
            return found
        return Reading(numbers.factor * found.value, numbers.factor * found.error, found.said)

    def row(system: str, ours: Reading | Missing, theirs: float | None, verdict: Verdict, reason: str) -> Comparison:
        known: Reading | Estimate = UNKNOWN if isinstance(ours, Missing) else ours
        return Comparison(numbers.id, what, system, known.value, known.error, theirs, numbers.unit, verdict, reason)

    fitting = [condition for condition in conditions if _fits(condition, numbers, value)]
    for condition in fitting:
        ours = read_ours(condition)
        yield row(condition.name, ours, value.value, *_judge_number(numbers, value, condition, ours))
    if not fitting:
        salt = "without salt" if value.eo_li is None else f"{value.eo_li:g}:1"
        at = "" if value.temperature_K is None else f" at {value.temperature_K:g} K"
        verdict: Verdict = "not resolved" if numbers.comparable.answer else "not comparable"
        reason = "no such system in this sweep" if numbers.comparable.answer else numbers.comparable.reason
        yield row(f"{value.polymer} {salt}{at}", Missing(""), value.value, verdict, reason)
    if numbers.origin == "measured":
        return
    for condition in conditions:
        ours = read_ours(condition)
        if condition.axes["polymer"] == value.polymer and condition not in fitting and isinstance(ours, Reading):
            reason = _joined("our extension", ours.said)
            yield row(condition.name, ours, None, "not simulated in the study", reason)


def _extension(*conditions: Condition) -> str:
    return "" if all(condition.in_study for condition in conditions) else "not conditions that the study simulated"


def _first_resolved(
    test: Larger | Present | BeyondRandom, conditions: Sequence[Condition]
) -> tuple[str, list[Reading]] | Missing:
    """The first scalar that all conditions have, with its readings: the same one for all, to compare like with like."""
    why = ""
    for path in test.scalars:
        readings = [read(condition, path, test.needs) for condition in conditions]
        known = [reading for reading in readings if isinstance(reading, Reading)]
        if len(known) == len(readings):
            return path, known
        reasons = (f"{c.name}: {r.why}" for c, r in zip(conditions, readings, strict=True) if isinstance(r, Missing))
        why = why or ", ".join(reasons)
    return Missing(why)


def _pairs(test: Larger | Farther, conditions: Sequence[Condition]) -> list[tuple[Condition, Condition]]:
    ratios_given = bool(test.of.eo_li or test.than.eo_li)
    return [
        (a, b)
        for a, b in itertools.permutations(conditions, 2)
        if a.is_of(test.of) and b.is_of(test.than) and (ratios_given or a.ratio == b.ratio)
        and all(a.axes[axis] == b.axes[axis] for axis in a.axes if axis not in ("polymer", "eo_li_asked"))
    ]  # fmt: skip


def _judge_larger(test: Larger, a: Condition, b: Condition) -> tuple[Estimate, Verdict, str]:
    found = _first_resolved(test, (a, b))
    if isinstance(found, Missing):
        return UNKNOWN, "not resolved", found.why
    path, (of, than) = found
    difference, error = of.value - than.value, math.hypot(of.error, than.error)
    for condition, reading in ((a, of), (b, than)):
        if never_changed(reading.value, reading.error):
            value = with_error(reading.value, reading.error, test.unit)
            return UNKNOWN, "not resolved", f"{condition.name}: {value}, which never changed, has no error"
    said = f"{of.value:.3g} ± {of.error:.1g} against {than.value:.3g} ± {than.error:.1g} {test.unit}"
    if len(test.scalars) > 1:
        # which of several routes
        said += f" ({path.rsplit('.', 1)[-1].replace('_', ' ')})"
    verdict: Verdict = "not resolved"
    if abs(difference) > _SIGMAS * error:
        verdict = "agrees" if difference > 0 else "differs"
    return Estimate(difference, error), verdict, _joined(said, of.said, _extension(a, b))


def _judge_farther(
    test: Farther, a: Condition, b: Condition, curves: Curves, lag_ps: float | None
) -> tuple[Estimate, Verdict, str]:
    found = compared({condition.name: condition.starts for condition in (a, b)}, curves, test.particle, lag_ps)
    if why := found.why_not(a.name, b.name):
        return UNKNOWN, "not resolved", why
    lag = found.lag
    assert lag is not None
    ratio = ratio_of(found.at(a.name, lag), found.at(b.name, lag))
    low, high = ratio.interval
    said = (
        f"ratio {ratio.value:.3g}, 68 % interval {low:.3g} to {high:.3g}, at a lag of {ps_of(lag):g} ps; "
        f"larger with a probability of {ratio.probability_larger:.1%}"
    )
    return Estimate(ratio.value, (high - low) / 2), _FARTHER[ratio.verdict], _joined(said, _extension(a, b))


def _judge_one(test: Present | BeyondRandom, condition: Condition) -> tuple[Estimate, Verdict, str]:
    found = _first_resolved(test, (condition,))
    if isinstance(found, Missing):
        return UNKNOWN, "not resolved", found.why
    _, (reading,) = found
    verdict: Verdict = "not resolved"
    if isinstance(test, BeyondRandom):
        against = {str(walk(start, test.verdict)[0]) for start in condition.replicas}
        if len(against) == 1:
            verdict = _BESIDE_RANDOM.get(next(iter(against)), verdict)
        said = f"beside random arrangements: {', '.join(sorted(against))}"
    elif reading.value > 0 and never_changed(reading.value, reading.error):
        verdict, said = "agrees", "above zero, and the same in every block of the run"
    elif reading.value > _SIGMAS * reading.error:
        verdict, said = "agrees", "above zero by more than two errors"
    elif reading.value == 0:
        verdict, said = "differs", "zero"
    else:
        said = "not different from zero"
    return Estimate(reading.value, reading.error), verdict, _joined(said, reading.said, _extension(condition))


def _of_claim(
    claim: Claim, conditions: Sequence[Condition], curves: Curves, lag_ps: float | None
) -> Iterator[Comparison]:
    def row(system: str, ours: Estimate, unit: str, verdict: Verdict, reason: str) -> Comparison:
        return Comparison(claim.id, claim.what, system, ours.value, ours.error, None, unit, verdict, reason)

    if not claim.comparable.answer:
        yield row("", UNKNOWN, "", "not comparable", claim.comparable.reason)
        return
    for test in claim.tests:
        polymers = test.of.polymer
        if isinstance(test, Larger | Farther):
            polymers += f" and {test.than.polymer}"
            judged = [
                (f"{a.name} and {b.name}", *(
                    _judge_larger(test, a, b) if isinstance(test, Larger) else _judge_farther(test, a, b, curves, lag_ps)
                ))
                for a, b in _pairs(test, conditions)
            ]  # fmt: skip
        else:
            judged = [(c.name, *_judge_one(test, c)) for c in conditions if c.is_of(test.of)]
        for system, ours, verdict, said in judged:
            yield row(system, ours, test.unit, verdict, _joined(said, claim.comparable.reason))
        if not judged:
            missing = "no such systems in this sweep at otherwise equal conditions"
            yield row(polymers, UNKNOWN, test.unit, "not resolved", missing)


def compare(
    reference: Reference,
    sweep: pd.DataFrame,
    scalars: Mapping[str, Scalars],
    curves: Curves | None = None,
    lag_ps: float | None = None,
) -> list[Comparison]:
    """Every number and claim of a study, compared with the systems of a sweep that answer it.

    `sweep` has one row per system, as `eoli.summary.sweep_table` writes them; `scalars` holds the analyses' output by
    system and analysis, `curves` the displacements by system, `lag_ps` the lag at which they are compared, if not the
    largest. Replicas count together: their mean, with the larger of their own error and their scatter. A
    number agrees if the difference is within two errors of ours and the uncertainty of theirs, added in quadrature. A
    claim that one thing is larger than another agrees or differs if both are resolved and apart by more than two errors
    of the difference; that particles move farther, if one order has a probability of DECIDED; a claim of presence, if the value is above zero by two errors; a claim of more structure than
    chance, if it exceeds the random arrangements. Everything else is not resolved, with the reason. Systems of another
    salt are left out; systems that the study did not simulate appear with their number and without one of the study's.
    """
    known = sweep[sweep["salt"].isin([reference.salt, NO_SALT])]
    conditions = conditions_of(known, scalars, reference.simulated_at_K)
    values = [(numbers, value) for numbers in reference.numbers for value in numbers.systems]
    rows = [row for numbers, value in values for row in _of_value(numbers, value, conditions)]
    return rows + [row for claim in reference.claims for row in _of_claim(claim, conditions, curves or {}, lag_ps)]
