"""Displacements of the systems of a sweep at equal lags: ratios, their course with the lag, and rankings."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from eoli.analysis.displacement.compared import Compared, Logarithm, compared
from eoli.analysis.displacement.curves import KINDS, Curves, ps_of
from eoli.analysis.displacement.ratio import Ratio, ranking_of, ratio_of
from eoli.forcefield.models import NO_SALT
from eoli.study.axes import SYSTEM_AXES, alike, replica_group

Axis = Literal["polymer", "eo_li_asked"]

_PAIRS = (
    "set", "compared", "particle", "system", "against", "pair", "polymer", "eo_li_asked", "against_polymer", "against_eo_li_asked",
    "temperature_K", "lag_ps", "starts", "against_starts", "origins", "against_origins", "msd_nm2", "against_msd_nm2", "ratio",
    "ratio_low", "ratio_high", "ln_ratio", "ln_ratio_error", "probability_larger", "error_from", "verdict",
)  # fmt: skip
_COURSE = ("set", "compared", "particle", "system", "against", "lag_ps", "ratio", "ratio_low", "ratio_high")
_RANKS = (
    "set", "compared", "particle", "rank", "system", "polymer", "eo_li_asked", "temperature_K", "lag_ps", "msd_nm2",
    "probability_best", "probability_of_order", "verdict",
)  # fmt: skip


@dataclass(frozen=True)
class Against:
    """What systems are compared with; where it is None or not there, with the first system of each set."""

    polymer: str | None = None
    eo_li: float | None = None


@dataclass(frozen=True, eq=False)
class Member:
    """A system of a set: the name of its starts, its place on the axes, and the starts themselves."""

    name: str
    axes: Mapping[str, Any]
    starts: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Set:
    """Systems that differ in one axis, `compared`, and their starts; the reference comes first."""

    compared: Axis
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Tables:
    """The three tables; see `equal_lag_tables`."""

    pairs: pd.DataFrame
    course: pd.DataFrame
    ranking: pd.DataFrame


def _is_reference(member: Member, along: Axis, against: Against) -> bool:
    if along == "polymer":
        return bool(member.axes["polymer"] == against.polymer)
    return against.eo_li is not None and math.isclose(member.axes["eo_li_asked"], against.eo_li)


def sets_of(sweep: pd.DataFrame, against: Against) -> Iterator[Set]:
    """Sets of at least two salted systems that differ in polymer alone, then in EO:Li alone, replicas aside."""
    salted = sweep[sweep["salt"] != NO_SALT]
    axes_compared: tuple[Axis, ...] = ("polymer", "eo_li_asked")
    for along in axes_compared:
        for _, rows in alike(salted, [axis for axis in SYSTEM_AXES if axis != along]):
            members = []
            for axes, starts in alike(rows):
                names = tuple(map(str, starts["system"]))
                members.append(Member(replica_group(names[0]) if len(names) > 1 else names[0], axes, names))
            if len(members) > 1:
                members.sort(key=lambda member: not _is_reference(member, along, against))
                yield Set(along, tuple(members))


def _side(member: Member, found: Logarithm | None = None, starts: int = 0, prefix: str = "") -> dict[str, Any]:
    """Columns of one side of a ratio."""
    columns: dict[str, Any] = {f"{prefix}{axis}": member.axes[axis] for axis in ("polymer", "eo_li_asked")}
    if found is not None:
        columns |= {
            f"{prefix}starts": starts,
            f"{prefix}origins": found.origins,
            f"{prefix}msd_nm2": math.exp(found.value),
        }
    return columns


def _numbers(ratio: Ratio, lag: int) -> dict[str, float]:
    low, high = ratio.interval
    return {"lag_ps": ps_of(lag), "ratio": ratio.value, "ratio_low": low, "ratio_high": high}


def _unresolved(why: str, found: Compared, lag_ps: float | None) -> dict[str, Any]:
    """Columns of what has no result: the reason, and the lag if one was asked for."""
    asked = {} if lag_ps is None else {"lag_ps": lag_ps if found.lag is None else ps_of(found.lag)}
    return {**asked, "verdict": f"not resolved: {why}"}


def _of_pair(member: Member, against: Member, found: Compared, lag_ps: float | None) -> dict[str, Any]:
    """Columns of a pair at the lag of the comparison."""
    if why := found.why_not(member.name, against.name):
        return _side(member) | _side(against, prefix="against_") | _unresolved(why, found, lag_ps)
    lag = found.lag
    assert lag is not None
    logs = [found.at(each.name, lag) for each in (member, against)]
    counts = [len(found.starts[each.name]) for each in (member, against)]
    ratio = ratio_of(*logs)
    sources = dict.fromkeys("starts" if of.of_replicas else "blocks and molecules" for of in logs)
    return {
        **_side(member, logs[0], counts[0]), **_side(against, logs[1], counts[1], "against_"), **_numbers(ratio, lag),
        "ln_ratio": ratio.log, "ln_ratio_error": ratio.half, "probability_larger": ratio.probability_larger,
        "error_from": " / ".join(sources), "verdict": ratio.verdict,
    }  # fmt: skip


def _course(member: Member, against: Member, found: Compared) -> Iterator[dict[str, float]]:
    """Columns of a pair at each lag."""
    for lag in found.lags:
        yield _numbers(ratio_of(found.at(member.name, lag), found.at(against.name, lag)), lag)


def _ranks(of: Set, found: Compared, lag_ps: float | None) -> Iterator[dict[str, Any]]:
    """Rows of a ranking, the farthest first; of all systems without a rank where no two can be compared."""
    able, lag = [member for member in of.members if member.name in found.starts], found.lag
    if len(able) < 2 or lag is None:
        for member in of.members:
            why = found.why_not(member.name) or "no other system of the set can be compared"
            yield _side(member) | {"system": member.name} | _unresolved(why, found, lag_ps)
        return
    logs = [found.at(member.name, lag) for member in able]
    ranked = ranking_of(logs)
    for rank, k in enumerate(ranked.order, 1):
        yield _side(able[k]) | {
            "rank": rank, "system": able[k].name, "lag_ps": ps_of(lag), "msd_nm2": math.exp(logs[k].value),
            "probability_best": ranked.best[k], "probability_of_order": ranked.of_order, "verdict": ranked.verdict,
        }  # fmt: skip


def _is_there(kind: str, of: Set, curves: Curves) -> bool:
    """Whether a run of the set has particles of this kind, as far as results say."""
    found = (curves.get(start, "") for member in of.members for start in member.starts)
    return any(kind in each for each in found if not isinstance(each, str))


def equal_lag_tables(sweep: pd.DataFrame, curves: Curves, against: Against, lag_ps: float | None = None) -> Tables:
    """Ratios of MSDs at the largest lag that all systems of a set share, the same against the lag, and rankings.

    A set has the systems that differ in polymer alone, or in EO:Li alone. Each must have ten independent origins at the
    lag (`compared`). With `lag_ps` that is the lag of ratios and rankings. `pairs` has each pair once; those with the set's reference are also in `course`.
    """
    pairs, course, ranking = [], [], []
    for number, of in enumerate(sets_of(sweep, against), 1):
        kelvin = of.members[0].axes["temperature_K"]
        for kind in KINDS:
            if kind != KINDS[0] and not _is_there(kind, of, curves):
                continue
            found = compared({member.name: member.starts for member in of.members}, curves, kind, lag_ps)
            common = {
                "set": number,
                "compared": of.compared.removesuffix("_asked"),
                "particle": kind,
                "temperature_K": kelvin,
            }
            ranking += [common | row for row in _ranks(of, found, lag_ps)]
            for first, second in itertools.combinations(of.members, 2):
                is_first = first is of.members[0]
                names = {"system": second.name, "against": first.name, "pair": "reference" if is_first else "other"}
                pairs.append(common | names | _of_pair(second, first, found, lag_ps))
                if is_first and not found.why_not(second.name, first.name):
                    course += [common | names | row for row in _course(second, first, found)]
    tables = ((pairs, _PAIRS), (course, _COURSE), (ranking, _RANKS))
    return Tables(*(pd.DataFrame(rows, columns=list(columns)) for rows, columns in tables))
