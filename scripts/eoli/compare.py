"""A sweep beside the study of record and beside measured conductivities."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from eoli.analysis.conductivity import log10_difference, log10_difference_above
from eoli.axes import alike, axes_of, family_of
from eoli.chemistry import NO_SALT
from eoli.errors import InputError
from eoli.files import whole, write_json
from eoli.results import KINDS, read_sweep
from eoli.results import read_scalars as read_analysis
from eoli.starts import read_starts
from eoli.statistics import UNKNOWN, Estimate, mean_of_starts
from eoli.text import printable
from eoli.topology.description import read_description
from eoli.validation import Strict, validate
from eoli.yamlfile import read_yaml

Verdict = Literal["agrees", "differs", "not resolved", "not comparable", "not simulated in the study"]
Scalars = Mapping[str, Mapping[str, Any]]
"""Of each system, by the name of the analysis, the content of its JSON file."""

ROUTES = ("collective", "cluster_nernst_einstein", "nernst_einstein")
"""Routes to a conductivity, the most exact first."""

_SIGMAS = 2.0
_BESIDE_RANDOM: Mapping[str, Verdict] = {"above": "agrees", "below": "differs"}
_RESOLVED = ("resolved", "diffusive")
_SAME_TEMPERATURE_K = 1.0
_MEASURED_TEMPERATURE_K = 5.0
_SAME_RATIO = 0.1
_S_CM_PER_S_M = 0.01


class Comparable(Strict):
    """Whether a number or claim means the same as ours, and why."""

    answer: bool
    reason: str


class Value(Strict):
    """A number of one system; a system without `eo_li` has no salt. `scalar` is the path of ours."""

    of: str | None = None
    polymer: str
    eo_li: float | None = Field(None, gt=0)
    temperature_K: float | None = Field(None, gt=0)
    value: float
    scalar: str | None = None

    @model_validator(mode="after")
    def _said(self) -> Value:
        for key in sorted(self.model_fields_set):
            if getattr(self, key) is None:
                raise ValueError(f"{key} is empty; allowed: a value, or no such key")
        return self


class _Entry(Strict):
    id: str
    what: str
    where: str
    status: Literal["verified", "recalled"]
    origin: Literal["simulated", "measured"]
    comparable: Comparable


class Numbers(_Entry):
    """Numbers of one kind; ours times `factor` is in `unit`. A value beyond that of the path `limit` needs a larger box."""

    unit: str
    uncertainty: float = Field(0.0, ge=0)
    factor: float = 1.0
    limit: str | None = None
    systems: list[Value] = Field(min_length=1)

    @model_validator(mode="after")
    def _answered(self) -> Numbers:
        if self.comparable.answer and any(value.scalar is None for value in self.systems):
            raise ValueError(f"{self.id} is comparable: every value needs a scalar")
        return self


class Of(Strict):
    """Systems of a polymer, at the given ratios or at any."""

    polymer: str
    eo_li: list[float] = Field(default_factory=list)


class _Test(Strict):
    """The first of `scalars` that is resolved counts; the verdicts at the paths `needs` must be resolved, too."""

    of: Of
    scalars: list[str] = Field(min_length=1)
    unit: str
    needs: list[str] = Field(default_factory=list)


class Larger(_Test):
    """The scalar is larger in `of` than in `than`, all other axes equal, and `at_equal` as well."""

    kind: Literal["larger"]
    than: Of
    at_equal: str | None = None


class Present(_Test):
    """The scalar is above zero."""

    kind: Literal["present"]


class BeyondRandom(_Test):
    """The comparison with random arrangements at the path `verdict` says `above`."""

    kind: Literal["beyond_random"]
    verdict: str


Test = Annotated[Larger | Present | BeyondRandom, Field(discriminator="kind")]


class Claim(_Entry):
    """A claim in words and what tests it."""

    tests: list[Test] = Field(default_factory=list)

    @model_validator(mode="after")
    def _tested(self) -> Claim:
        if self.comparable.answer and not self.tests:
            raise ValueError(f"{self.id} is comparable: it needs tests")
        return self


class Reference(Strict):
    """What a study reports."""

    cite: str
    thesis: str
    article: str
    doi: str
    salt: str
    simulated_at_K: float = Field(gt=0)
    numbers: list[Numbers]
    claims: list[Claim]


@dataclass(frozen=True)
class Comparison:
    """One number or claim beside ours; of a claim `ours` is the scalar that tests it, or the difference of two."""

    id: str
    what: str
    system: str
    ours: float | None
    ours_error: float | None
    theirs: float | None
    unit: str
    verdict: Verdict
    reason: str


@dataclass(frozen=True)
class _Reading:
    value: float
    error: float
    said: str


@dataclass(frozen=True)
class _Missing:
    why: str


@dataclass(frozen=True, eq=False)
class _Condition:
    """Systems that differ in the replicate alone, with their scalars; the sweep table's row stands as `sweep`.

    `together` holds the scalars of all starts at once, where there are any.
    """

    name: str
    axes: Mapping[str, Any]
    in_study: bool
    starts: tuple[Mapping[str, Any], ...]
    together: Mapping[str, Any]

    @property
    def ratio(self) -> float | None:
        asked = self.axes["eo_li_asked"]
        return None if asked is None else float(asked)

    def is_of(self, of: Of) -> bool:
        return (
            self.axes["polymer"] == of.polymer and self.ratio is not None and self.ratio in (of.eo_li or [self.ratio])
        )


def read_reference(path: Path) -> Reference:
    """Read what a study reports. Raises InputError with one line."""
    file = read_yaml(path)
    return validate(Reference, file.data, [file])


def _conditions(sweep: pd.DataFrame, scalars: Mapping[str, Scalars], simulated_at_k: float) -> list[_Condition]:
    found = []
    for _, rows in alike(sweep):
        records = rows.to_dict("records")
        first = records[0]
        name = first["system"] if len(records) == 1 else family_of(str(first["system"]))
        found.append(
            _Condition(
                name=str(name),
                axes=axes_of(first),
                in_study=all(bool(row["simulated_in_study"]) for row in records)
                and abs(first["temperature_K"] - simulated_at_k) <= _SAME_TEMPERATURE_K,
                starts=tuple({**scalars.get(str(row["system"]), {}), "sweep": row} for row in records),
                together=scalars.get(str(name), {}) if len(records) > 1 else {},
            )
        )
    return found


def _walk(start: Mapping[str, Any], path: str) -> tuple[Any, str | None]:
    """What stands at a path, and the nearest verdict above or in it; None where nothing does."""
    node: Any = start
    verdict = None
    for key in path.split("."):
        if not isinstance(node, Mapping) or key not in node:
            return None, verdict
        node = node[key]
        if isinstance(node, Mapping) and isinstance(node.get("verdict"), str):
            verdict = node["verdict"]
    return node, verdict


def _read_one(start: Mapping[str, Any], path: str) -> Estimate | _Missing:
    analysis = path.split(".")[0]
    if analysis not in start:
        return _Missing(f"analysis missing: {analysis}")
    node, verdict = _walk(start, path)
    if isinstance(node, int | float) and not isinstance(node, bool):
        return Estimate(float(node), 0.0) if math.isfinite(node) else _Missing(f"{path} is empty")
    if not isinstance(node, Mapping):
        return _Missing(f"{path} is not in the results of this system")
    value, error = node.get("value"), node.get("error")
    if verdict is not None and verdict.startswith("not resolved"):
        return _Missing(verdict.removeprefix("not resolved: "))
    if value is None or error is None:
        return _Missing(verdict or f"{path}: {'no value' if value is None else 'no error'}")
    return Estimate(float(value), float(error))


def _unmet(start: Mapping[str, Any], needs: Sequence[str]) -> str | None:
    for path in needs:
        analysis = path.split(".")[0]
        verdict = _walk(start, path)[0] if analysis in start else f"analysis missing: {analysis}"
        if verdict not in _RESOLVED:
            return (
                str(verdict).removeprefix("not resolved: ") if verdict else f"{path}: not in the results of this system"
            )
    return None


def _read(condition: _Condition, path: str, needs: Sequence[str] = ()) -> _Reading | _Missing:
    """What the starts of a condition say together, else the mean over them with half of its 68 % interval."""
    if path.split(".")[0] in condition.together and not _unmet(condition.together, needs):
        of_all = _read_one(condition.together, path)
        if isinstance(of_all, Estimate) and of_all.value is not None and of_all.error is not None:
            return _Reading(of_all.value, of_all.error, f"{len(condition.starts)} starts together")
    known, why = [], ""
    for start in condition.starts:
        unmet = _unmet(start, needs)
        one = _Missing(unmet) if unmet else _read_one(start, path)
        if isinstance(one, _Missing):
            why = why or one.why
        else:
            known.append((one.value, one.error))
    if not known:
        return _Missing(why)
    values, errors = np.array(known, dtype=np.float64).T
    mean, error = mean_of_starts(values, errors) if len(values) > 1 else (float(values[0]), float(errors[0]))
    said = f"mean of {len(values)} of {len(condition.starts)} starts" if len(condition.starts) > 1 else ""
    return _Reading(mean, error, said)


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _named(polymer: str, ratio: float | None, temperature_k: float | None) -> str:
    salt = "without salt" if ratio is None else f"{ratio:g}:1"
    return f"{polymer} {salt}" + (f" at {temperature_k:g} K" if temperature_k is not None else "")


def _fits(condition: _Condition, numbers: Numbers, value: Value) -> bool:
    axes = condition.axes
    if (axes["polymer"], condition.ratio) != (value.polymer, value.eo_li):
        return False
    if numbers.origin == "simulated":
        return condition.in_study
    away = 0.0 if value.temperature_K is None else abs(axes["temperature_K"] - value.temperature_K)
    return bool(away <= _MEASURED_TEMPERATURE_K)


def _judge_number(
    numbers: Numbers, value: Value, condition: _Condition, found: _Reading | _Missing
) -> tuple[Verdict, str]:
    reason = numbers.comparable.reason
    if not numbers.comparable.answer:
        return "not comparable", _joined(reason, found.why if isinstance(found, _Missing) else found.said)
    limit = None if numbers.limit is None else _read(condition, numbers.limit)
    spacing = 2 * math.pi / value.value if numbers.unit == "1/nm" else value.value
    if isinstance(limit, _Reading) and spacing > limit.value:
        return "not comparable", f"box-limited: it resolves spacings up to {limit.value:.3g} nm; {reason}"
    if isinstance(found, _Missing):
        return "not resolved", found.why
    difference, error = numbers.factor * found.value - value.value, numbers.factor * found.error
    allowed = math.hypot(_SIGMAS * error, numbers.uncertainty)
    verdict: Verdict = "agrees" if abs(difference) <= allowed * (1 + 1e-9) else "differs"
    unit = "" if numbers.unit == "1" else f" {numbers.unit}"
    return verdict, _joined(f"difference {difference:.3g}, allowed {allowed:.2g}{unit}", found.said, reason)


def _row(
    numbers: Numbers, value: Value, system: str, found: _Reading | _Missing, theirs: float | None, verdict: Verdict,
    reason: str,
) -> Comparison:  # fmt: skip
    ours = UNKNOWN
    if isinstance(found, _Reading):
        ours = Estimate(numbers.factor * found.value, numbers.factor * found.error)
    what = numbers.what if value.of is None else f"{numbers.what}, {value.of}"
    return Comparison(numbers.id, what, system, ours.value, ours.error, theirs, numbers.unit, verdict, reason)


def _of_value(numbers: Numbers, value: Value, conditions: Sequence[_Condition]) -> Iterator[Comparison]:
    fitting = [condition for condition in conditions if _fits(condition, numbers, value)]
    for condition in fitting:
        found = _Missing("") if value.scalar is None else _read(condition, value.scalar)
        yield _row(numbers, value, condition.name, found, value.value, *_judge_number(numbers, value, condition, found))
    if not fitting:
        system = _named(value.polymer, value.eo_li, value.temperature_K)
        verdict: Verdict = "not resolved" if numbers.comparable.answer else "not comparable"
        reason = "no such system in this sweep" if numbers.comparable.answer else numbers.comparable.reason
        yield _row(numbers, value, system, _Missing(""), value.value, verdict, reason)
    if numbers.origin == "measured" or value.scalar is None:
        return
    for condition in conditions:
        found = _read(condition, value.scalar)
        if condition.axes["polymer"] == value.polymer and condition not in fitting and isinstance(found, _Reading):
            reason = _joined("our extension", found.said)
            yield _row(numbers, value, condition.name, found, None, "not simulated in the study", reason)


def _extension(*conditions: _Condition) -> str:
    return "" if all(condition.in_study for condition in conditions) else "not conditions that the study simulated"


def _first_resolved(test: _Test, conditions: Sequence[_Condition]) -> tuple[str, list[_Reading]] | _Missing:
    """The first scalar that all conditions have, with its readings; the same for all, so that like stands by like."""
    why = ""
    for path in test.scalars:
        readings = [_read(condition, path, test.needs) for condition in conditions]
        known = [reading for reading in readings if isinstance(reading, _Reading)]
        if len(known) == len(readings):
            return path, known
        reasons = (f"{c.name}: {r.why}" for c, r in zip(conditions, readings, strict=True) if isinstance(r, _Missing))
        why = why or ", ".join(reasons)
    return _Missing(why)


def _pairs(test: Larger, conditions: Sequence[_Condition]) -> list[tuple[_Condition, _Condition]]:
    ratios_given = bool(test.of.eo_li or test.than.eo_li)
    return [
        (a, b)
        for a in conditions
        for b in conditions
        if a is not b and a.is_of(test.of) and b.is_of(test.than) and (ratios_given or a.ratio == b.ratio)
        and all(a.axes[axis] == b.axes[axis] for axis in a.axes if axis not in ("polymer", "eo_li_asked"))
    ]  # fmt: skip


def _judge_larger(test: Larger, a: _Condition, b: _Condition) -> tuple[Estimate, Verdict, str]:
    found = _first_resolved(test, (a, b))
    if isinstance(found, _Missing):
        return UNKNOWN, "not resolved", found.why
    path, (of, than) = found
    if test.at_equal is not None:
        at = [_read(condition, test.at_equal) for condition in (a, b)]
        lags = [reading.value for reading in at if isinstance(reading, _Reading)]
        if len(lags) < 2 or not math.isclose(*lags, rel_tol=1e-6):
            return UNKNOWN, "not resolved", f"{test.at_equal} differs or is missing"
    difference = Estimate(of.value - than.value, math.hypot(of.error, than.error))
    said = f"{of.value:.3g} ± {of.error:.1g} against {than.value:.3g} ± {than.error:.1g} {test.unit}"
    if len(test.scalars) > 1:
        # which of several routes
        said += f" ({path.rsplit('.', 1)[-1].replace('_', ' ')})"
    threshold = _SIGMAS * math.hypot(of.error, than.error)
    verdict: Verdict = "not resolved"
    if abs(of.value - than.value) > threshold:
        verdict = "agrees" if of.value > than.value else "differs"
    return difference, verdict, _joined(said, of.said, _extension(a, b))


def _judge_one(test: Present | BeyondRandom, condition: _Condition) -> tuple[Estimate, Verdict, str]:
    found = _first_resolved(test, (condition,))
    if isinstance(found, _Missing):
        return UNKNOWN, "not resolved", found.why
    _, (reading,) = found
    ours = Estimate(reading.value, reading.error)
    verdict: Verdict = "not resolved"
    if isinstance(test, BeyondRandom):
        against = {str(_walk(start, test.verdict)[0]) for start in condition.starts}
        if len(against) == 1:
            verdict = _BESIDE_RANDOM.get(next(iter(against)), verdict)
        said = f"beside random arrangements: {', '.join(sorted(against))}"
    elif reading.value > _SIGMAS * reading.error:
        verdict, said = "agrees", "above zero by more than two errors"
    elif reading.value == 0:
        verdict, said = "differs", "zero"
    else:
        said = "not different from zero"
    return ours, verdict, _joined(said, reading.said, _extension(condition))


def _of_claim(claim: Claim, conditions: Sequence[_Condition]) -> Iterator[Comparison]:
    def row(system: str, ours: Estimate, unit: str, verdict: Verdict, reason: str) -> Comparison:
        return Comparison(claim.id, claim.what, system, ours.value, ours.error, None, unit, verdict, reason)

    if not claim.comparable.answer:
        yield row("", UNKNOWN, "", "not comparable", claim.comparable.reason)
        return
    for test in claim.tests:
        if isinstance(test, Larger):
            judged = [(f"{a.name} and {b.name}", *_judge_larger(test, a, b)) for a, b in _pairs(test, conditions)]
        else:
            judged = [(c.name, *_judge_one(test, c)) for c in conditions if c.is_of(test.of)]
        for system, ours, verdict, said in judged:
            yield row(system, ours, test.unit, verdict, _joined(said, claim.comparable.reason))
        if not judged:
            polymers = [test.of.polymer, *([test.than.polymer] if isinstance(test, Larger) else [])]
            missing = "no such systems in this sweep at otherwise equal conditions"
            yield row(" and ".join(polymers), UNKNOWN, test.unit, "not resolved", missing)


def compare(reference: Reference, sweep: pd.DataFrame, scalars: Mapping[str, Scalars]) -> list[Comparison]:
    """Every number and claim of a study beside the systems of a sweep that answer it.

    `sweep` has a row a system, as `eoli.collect` writes them; `scalars` holds by system and analysis what the analyses
    wrote. Starts of one composition count together: their mean, with the larger one of their own error and their
    scatter. A number agrees where the difference is within two errors of ours and the uncertainty of theirs, added in
    quadrature. A claim that one thing is larger than another agrees or differs where both are resolved and apart by
    more than two errors of the difference; that something is there, where it is above zero by two errors; that a
    structure is more than chance, where it exceeds the random arrangements. Everything else is not resolved, with the
    reason. Systems of another salt are left out; those that the study did not simulate stand with their number and without one of the study's.
    """
    known = sweep[sweep["salt"].isin([reference.salt, NO_SALT])]
    conditions = _conditions(known, scalars, reference.simulated_at_K)
    rows = [
        row
        for numbers in reference.numbers
        for value in numbers.systems
        for row in _of_value(numbers, value, conditions)
    ]
    return rows + [row for claim in reference.claims for row in _of_claim(claim, conditions)]


@dataclass(frozen=True)
class Beside:
    """One of our conductivities beside a measured series; `log10_difference` is log10 of ours over the measured one,
    which was followed to higher temperatures by `extrapolated_K` where that is given. What is bounded
    has `sigma_low` and `sigma_high` instead of a value, None where that side is open; the differences there include the
    uncertainty of the series."""

    system: str
    route: str
    temperature_K: float
    eo_li: float
    chain_molar_mass_g_mol: float
    sigma_S_cm: float | None
    sigma_error_S_cm: float | None
    series: str
    measured_molar_mass_g_mol: float
    measured_eo_li: str
    source: str
    log10_difference: float | None
    log10_difference_error: float | None
    verdict: str
    what_differs: str
    extrapolated_K: float | None = None
    sigma_low_S_cm: float | None = None
    sigma_high_S_cm: float | None = None
    log10_difference_low: float | None = None
    log10_difference_high: float | None = None


def read_measured(path: Path) -> pd.DataFrame:
    """Read a table of measured conductivities, lines that begin with `#` left out.

    Raises InputError when it cannot be read or lacks a column, and for a cell of those that are used which is empty or is
    no number where one belongs: its row would drop out without a word.
    """
    numbers = {
        "molar_mass_g_mol": (0.0, 1e9), "eo_li_from": (0.0, 1e6), "eo_li_to": (0.0, 1e6), "temperature_K": (0.0, 1e5),
        "log10_sigma_S_cm": (-30.0, 3.0),
    }  # fmt: skip
    try:
        lines = [(n, line) for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no table: {printable(str(error))}") from error
    kept = [(n, line) for n, line in lines if line.strip() and not line.lstrip().startswith("#")]
    rows = list(csv.reader([line for _, line in kept]))
    head = [name.strip() for name in rows[0]] if rows else []
    needed = [*_SERIES, "temperature_K", "log10_sigma_S_cm"]
    missing = [column for column in needed if column not in head]
    if missing:
        raise InputError(f"{path}: lacks the columns {', '.join(missing)}")
    for (line, _), cells in zip(kept[1:], rows[1:], strict=True):
        if len(cells) != len(head):
            raise InputError(f"{path}:{line}: {len(cells)} cells; allowed: {len(head)}, one a column")
        row = dict(zip(head, cells, strict=True))
        for column in needed:
            if not row[column].strip():
                raise InputError(f"{path}:{line}: {column} is empty; allowed: a value in every row")
            if column in numbers and (allowed := _outside(row[column], *numbers[column])):
                raise InputError(
                    f"{path}:{line}: {column}: {printable(row[column])!r} is not allowed; allowed: {allowed}"
                )
        if float(row["eo_li_from"]) > float(row["eo_li_to"]):
            raise InputError(f"{path}:{line}: eo_li_from: {row['eo_li_from']} is above eo_li_to; allowed: at most that")
    table = pd.DataFrame(rows[1:], columns=head)
    others = [column for column in head if column not in needed]
    table[others] = table[others].apply(_numeric)
    return table.assign(**{column: table[column].astype(float) for column in numbers})


def _numeric(column: pd.Series) -> pd.Series:
    """A column as numbers where all that stands in it are some."""
    numbers = pd.to_numeric(column, errors="coerce")
    return numbers if (numbers.notna() | (column.str.strip() == "")).all() else column


def _outside(text: str, low: float, high: float) -> str:
    """What is allowed where a number is none or not between two; else empty."""
    try:
        inside = low <= float(text) <= high and float(text) != 0.0 if low == 0.0 else low <= float(text) <= high
    except ValueError:
        inside = False
    return (
        "" if inside else f"a number above 0, at most {high:g}" if low == 0.0 else f"a number from {low:g} to {high:g}"
    )


_SERIES = ("polymer", "salt", "series", "molar_mass_g_mol", "eo_li_from", "eo_li_to", "source")


def _matching(
    measured: pd.DataFrame, row: Mapping[str, Any], molar_mass: float
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Of each kind of series the one with a ratio that fits and the nearest chain length."""
    ratio = row["eo_li_simulated"]
    single = measured["eo_li_from"] == measured["eo_li_to"]
    fits = np.where(
        single,
        (measured["eo_li_from"] / ratio - 1).abs() <= _SAME_RATIO,
        (measured["eo_li_from"] <= ratio) & (ratio < measured["eo_li_to"]),
    )
    near = measured[(measured["polymer"] == row["polymer"]) & (measured["salt"] == row["salt"]) & fits]
    for _, kind in near.groupby("series", sort=False):
        away = np.log(kind["molar_mass_g_mol"] / molar_mass).abs()
        chosen = kind[away == away.min()]
        for key, points in chosen.groupby(list(_SERIES), sort=False):
            yield dict(zip(_SERIES, key, strict=True)), points


def _differs(series: Mapping[str, Any], molar_mass: float, ratio: float, measured_ratio: str) -> str:
    more = "from " if series["eo_li_from"] != series["eo_li_to"] else ""
    return (
        "measured: total conductivity by impedance, of a polymer that is semicrystalline below some 328 K; simulated: an "
        f"amorphous box; chains of {more}{series['molar_mass_g_mol']:g} against {molar_mass:.0f} g/mol, EO:Li "
        f"{measured_ratio} against {ratio:.4g}"
    )


def _laid_beside(
    ours: Estimate, temperature_K: float, known: Sequence[tuple[float, float]]
) -> tuple[Estimate, str, float | None]:
    """The difference in log10, a verdict, and by how many kelvin the measured series had to be extrapolated."""
    within = log10_difference(ours, temperature_K, known)
    if within.value is not None:
        return within, "compared", None
    beyond = log10_difference_above(ours, temperature_K, known)
    if beyond.value is None:
        return UNKNOWN, "outside the measured temperatures", None
    above = temperature_K - max(t for t, _ in known)
    return beyond, f"beside a VTF curve that leaves the measured temperatures by {above:.0f} K", above


def beside_experiments(
    sweep: pd.DataFrame,
    scalars: Mapping[str, Scalars],
    measured: pd.DataFrame,
    chain_molar_mass_g_mol: Mapping[str, float],
    together: Mapping[str, Sequence[str]] | None = None,
) -> list[Beside]:
    """Our conductivities beside the measured series of the same polymer and salt, by every route of ROUTES.

    Of each kind of series the one whose EO:Li holds ours (within a tenth for a series of one ratio) and whose molar
    mass is nearest to that of our chain, given by system, is taken. Between its temperatures log10 sigma is linear in
    1/T, and the error is that of the simulation. More than 5 K above them the series is followed by a VTF curve, whose
    uncertainty is in the error (`log10_difference_above`); below there is no comparison. A conductivity that is bounded,
    be it from one side, has the bounds of the difference instead of a difference. Starts that `together` names
    have one row, under their common name, instead of one each.
    """
    rows = []
    for row in _subjects(sweep, together or {}):
        system = str(row["system"])
        if system not in chain_molar_mass_g_mol or pd.isna(row["eo_li_simulated"]):
            continue
        molar_mass = chain_molar_mass_g_mol[system]
        for series, points in _matching(measured, {str(k): v for k, v in row.items()}, molar_mass):
            first, last = series["eo_li_from"], series["eo_li_to"]
            measured_ratio = f"{first:g}" if first == last else f"{first:g} to {last:g}"
            known = list(zip(points["temperature_K"], 10.0 ** points["log10_sigma_S_cm"], strict=True))
            for route in ROUTES:
                found = _read_one(scalars.get(system, {}), f"conductivity.sigma_S_m.formal_charges.{route}")
                ours, difference, verdict, above = UNKNOWN, UNKNOWN, "", None
                bounds: _Bounds = (None, None, None, None)
                if isinstance(found, _Missing):
                    verdict = found.why if found.why.startswith("not resolved") else f"not resolved: {found.why}"
                    stated, _ = _walk(scalars.get(system, {}), f"conductivity.sigma_S_m.formal_charges.{route}")
                    if isinstance(stated, Mapping):
                        bounds, above = _bounds_beside(stated, row["temperature_K"], known)
                elif found.value is not None and found.error is not None:
                    ours = Estimate(_S_CM_PER_S_M * found.value, _S_CM_PER_S_M * found.error)
                    difference, verdict, above = _laid_beside(ours, row["temperature_K"], known)
                rows.append(
                    Beside(
                        system, route, row["temperature_K"], row["eo_li_simulated"], molar_mass, ours.value, ours.error,
                        series["series"], series["molar_mass_g_mol"], measured_ratio, series["source"], difference.value,
                        difference.error, verdict, _differs(series, molar_mass, row["eo_li_simulated"], measured_ratio),
                        above, *bounds,
                    )
                )  # fmt: skip
    return rows


_Bounds = tuple[float | None, float | None, float | None, float | None]


def _bounds_beside(
    found: Mapping[str, Any], temperature_K: float, known: Sequence[tuple[float, float]]
) -> tuple[_Bounds, float | None]:
    """Ends of a conductivity that is bounded and of its log10 difference, None where open; and what was extrapolated."""
    low, below, extrapolated = _end_beside(found.get("lower_bound"), -1, temperature_K, known)
    high, beyond, above = _end_beside(found.get("upper_bound"), 1, temperature_K, known)
    return (low, high, below, beyond), extrapolated if above is None else above


def _end_beside(
    bound_S_m: float | None, sign: int, temperature_K: float, known: Sequence[tuple[float, float]]
) -> tuple[float | None, float | None, float | None]:
    if bound_S_m is None:
        return None, None, None
    end = _S_CM_PER_S_M * float(bound_S_m)
    if end <= 0:
        return end, None, None
    difference, _, above = _laid_beside(Estimate(end, 0.0), temperature_K, known)
    if difference.value is None or difference.error is None:
        return end, None, None
    return end, difference.value + sign * difference.error, above


def _subjects(sweep: pd.DataFrame, together: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Rows of a sweep, those of starts that are taken together as one."""
    first = {names[0]: name for name, names in together.items()}
    others = {name for names in together.values() for name in names[1:]}
    rows = [{str(key): value for key, value in row.items()} for row in sweep.to_dict("records")]
    return [row | {"system": first.get(row["system"], row["system"])} for row in rows if row["system"] not in others]


def mean_absolute_error(rows: Sequence[Beside]) -> Estimate:
    """Mean absolute difference in log10 of the conductivity over the rows that were compared; unknown without any."""
    known = [(r.log10_difference, r.log10_difference_error) for r in rows if r.log10_difference is not None]
    if not known:
        return UNKNOWN
    differences, errors = np.array(known, dtype=np.float64).T
    return Estimate(float(np.abs(differences).mean()), float(np.sqrt((errors**2).sum()) / len(errors)))


def read_scalars(results: Path, systems: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By system the scalars of every analysis under `results/<system>/analysis`, `hydrogen-bonds` as `hydrogen_bonds`.

    Raises DataError for a file that is not what it should be.
    """
    found: dict[str, dict[str, Any]] = {}
    for system in systems:
        found[system] = {}
        for path in sorted((results / system / "analysis").glob("*.json")):
            if path.stem in KINDS and (scalars := read_analysis(path.parent, path.stem)) is not None:
                found[system][path.stem.replace("-", "_")] = scalars
    return found


def chain_molar_masses(results: Path, systems: Sequence[str]) -> dict[str, float]:
    """By system the mean molar mass of its chains, g/mol, from `results/<system>/topology/system.json`.

    Raises DataError for a description that cannot be read.
    """
    found = {}
    for system in systems:
        description = read_description(results / system / "topology" / "system.json")
        chains = [entry for entry in description.molecules if entry.molecule.kind == "polymer"]
        if chains:
            number = sum(entry.count for entry in chains)
            found[system] = sum(entry.molecule.mass * entry.count for entry in chains) / number
    return found


def _write(rows: Sequence[Comparison] | Sequence[Beside], kind: type[Comparison] | type[Beside], path: Path) -> None:
    columns = [field.name for field in fields(kind)]
    pd.DataFrame([asdict(row) for row in rows], columns=columns).to_csv(path, index=False, float_format="%.10g")


def compare_sweep(
    reference: Path, measured: Path, sweep_csv: Path, results: Path, out_study_csv: Path, out_experiments_csv: Path,
    out_json: Path,
) -> None:  # fmt: skip
    """Write a sweep beside a study and beside measured conductivities: two tables, their columns the fields of
    Comparison and Beside, and the counts of verdicts and mean absolute differences in log10 sigma as JSON.

    Analyses that are not there leave rows that say so. Raises InputError for the reference, DataError for tables or
    results that cannot be read.
    """
    study, experiments = read_reference(reference), read_measured(measured)
    sweep = read_sweep(sweep_csv)
    systems = sweep["system"].tolist()
    together = read_starts(results, systems)
    names = {name: record["systems"] for name, record in together.items()}
    scalars = read_scalars(results, systems) | together
    masses = chain_molar_masses(results, systems)
    masses |= {name: masses[of[0]] for name, of in names.items() if of[0] in masses}
    compared = compare(study, sweep, scalars)
    beside = beside_experiments(sweep, scalars, experiments, masses, names)
    kinds: dict[tuple[str, str, bool], list[Beside]] = {}
    for row in beside:
        kinds.setdefault((row.series, row.route, row.extrapolated_K is not None), []).append(row)
    summary = {
        "cite": study.cite,
        "verdicts": {verdict: sum(row.verdict == verdict for row in compared) for verdict in get_args(Verdict)},
        "mean_absolute_log10_difference": [
            {
                "series": series, "route": route, "extrapolated": extrapolated,
                "points": sum(r.log10_difference is not None for r in of),
            }
            | asdict(mean_absolute_error(of))
            for (series, route, extrapolated), of in kinds.items()
        ],
    }  # fmt: skip
    with whole(out_study_csv) as of_study, whole(out_experiments_csv) as of_experiments:
        _write(compared, Comparison, of_study)
        _write(beside, Beside, of_experiments)
        write_json(out_json, summary)
