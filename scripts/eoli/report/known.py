"""What a sweep shows: sentences from its resolved numbers, and the differences that exceed their errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eoli.core.numbers import counted, listed, never_changed, unit_text, with_error
from eoli.core.statistics import BLOCKS, exceeds, mean_of_starts, standard_error
from eoli.forcefield.models import Labels
from eoli.report.gather import Sweep, SystemResult
from eoli.report.sections.tables import Cell
from eoli.study.axes import SYSTEM_AXES, axes_of, distinguishing_axes, replica_group
from eoli.study.labels import label_of
from eoli.study.quantities import THEMES, In, Known, Quantity, Theme, leading, named

CONFIDENCE = 0.95
"""Of all differences that the sentences claim, together."""
SENTENCES = 4
"""Most themes in words; the others have their plots."""
_EO_LI, _TEMPERATURE = "eo_li_asked", "temperature_K"
PAIRS = named("Li_free")
"""Tells by its verdict whether lithium still has the partners it was packed with."""


@dataclass(frozen=True)
class Along:
    """The axis that a sweep runs along: a column of its table, its title, and how a value of it is said."""

    axis: str
    title: str
    said: str


_ALONG = (Along(_EO_LI, "EO:Li", "EO:Li {:g}"), Along(_TEMPERATURE, "temperature (K)", "{:g} K"))


@dataclass(frozen=True)
class Point:
    """A quantity in a system, its replicas together: the mean and its error as it is shown, the standard error with its
    degrees of freedom, and whether the system is still as it was packed."""

    row: Mapping[str, Any]
    value: float
    error: float
    standard_error: float
    freedom: float
    as_packed: bool


@dataclass(frozen=True)
class Difference:
    """The ends of a series, from the first to the last along its axis."""

    quantity: Quantity
    ends: tuple[Point, Point]
    is_whole: bool  # no other series has the quantity


@dataclass(frozen=True)
class Sentence:
    """Words and numbers, in turn."""

    parts: tuple[str | Cell, ...]

    @property
    def text(self) -> str:
        """The sentence."""
        return "".join(part.text if isinstance(part, Cell) else part for part in self.parts)


@dataclass(frozen=True)
class Shown:
    """What a sweep shows: its sentences, what their errors mean, and the themes with more than one number to plot."""

    sentences: tuple[Sentence, ...]
    basis: str
    drawn: tuple[Theme, ...]


def along(sweep: Sweep) -> Along | None:
    """The axis along which a series of the sweep has at least two values, EO:Li first; None if there is none."""
    for candidate in _ALONG:
        series: dict[tuple[Any, ...], set[Any]] = {}
        for system in sweep.systems:
            if candidate.axis in system.row:
                series.setdefault(_series(system.row, candidate.axis), set()).add(system.row[candidate.axis])
        if any(len(values) > 1 for values in series.values()):
            return candidate
    return None


def _series(row: Mapping[str, Any], axis: str) -> tuple[Any, ...]:
    """Axes that the members of a series share."""
    return tuple(axes_of(row, [name for name in SYSTEM_AXES if name != axis]).values())


def _groups(sweep: Sweep) -> dict[str, list[SystemResult]]:
    groups: dict[str, list[SystemResult]] = {}
    for system in sweep.systems:
        groups.setdefault(replica_group(system.name), []).append(system)
    return groups


def is_as_packed(members: Sequence[SystemResult]) -> bool:
    """Whether lithium still has the partners it was packed with, in any member, as far as its contacts tell."""
    return any(PAIRS.resolved(system.scalars) is None for system in members)


def points(quantity: Quantity, sweep: Sweep) -> list[Point]:
    """The quantity in each system that resolves it; replicas of a system together.

    Replicas count by their pooled result where there is one, else by `mean_of_starts`. The error within a run stems from
    BLOCKS blocks.
    """
    found = (_point(_numbers(quantity, name, members, sweep), members) for name, members in _groups(sweep).items())
    return [point for point in found if point is not None]


def _numbers(quantity: Quantity, name: str, members: Sequence[SystemResult], sweep: Sweep) -> list[tuple[float, float]]:
    """Values and errors of the replicas of a system, or those of all together; a replica may never have changed."""
    for of in sweep.pooled if quantity.where & In.STARTS else ():
        if of.whole.name == name and (together := quantity.resolved(of.whole.scalars)) is not None:
            return [together]
    return [each for system in members if (each := quantity.standing(system.scalars)) is not None]


def _point(numbers: Sequence[tuple[float, float]], members: Sequence[SystemResult]) -> Point | None:
    """The point of a system; None without a number, and where none ever changed and all are the same."""
    if not numbers:
        return None
    row, (values, errors) = members[0].row, np.array(numbers).T
    if len(numbers) == 1:
        point = Point(row, float(values[0]), float(errors[0]), float(errors[0]), BLOCKS - 1, is_as_packed(members))
    else:
        value, half = mean_of_starts(values, errors)
        within = float(np.sqrt((errors**2).sum())) / len(errors)
        # their scatter contains what the packing decides, and may be small by chance
        point = Point(row, value, half, max(within, standard_error(values)), len(errors) - 1, False)
    return None if never_changed(point.value, point.standard_error) else point


def _constant(sweep: Sweep) -> str:
    """The quantities of the themes that never changed, with the number of such systems, in words."""
    said = []
    for theme in THEMES:
        found = []
        for quantity in (each for routes in leading(theme.key).values() for each in routes):
            numbers = [(_numbers(quantity, name, of, sweep), of) for name, of in _groups(sweep).items()]
            count = sum(bool(of_group) and _point(of_group, members) is None for of_group, members in numbers)
            if count:
                label = _known(quantity).label or quantity.route_label
                found.append(f"{label}{' ' if label else ''}in {counted(count, 'system')}")
        if found:
            said.append(f"{theme.heading.lower()} ({', '.join(found)})")
    return listed(said)


def chosen(routes: Sequence[Quantity], sweep: Sweep) -> tuple[Quantity, list[Point]]:
    """Of the routes to a quantity, from the least to the most exact, the one that most systems resolve, and its points."""
    return max(((route, points(route, sweep)) for route in reversed(routes)), key=lambda found: len(found[1]))


def _ends(quantity: Quantity, found: Sequence[Point], where: Along) -> Difference | None:
    """First and last of the longest series: along EO:Li the salt increases."""
    series: dict[tuple[Any, ...], list[Point]] = {}
    for point in found:
        if where.axis in point.row:
            series.setdefault(_series(point.row, where.axis), []).append(point)
    if not series:
        return None
    longest = max(series.values(), key=len)
    ordered = sorted(longest, key=lambda point: float(point.row[where.axis]), reverse=where.axis == _EO_LI)
    return Difference(quantity, (ordered[0], ordered[-1]), len(longest) == len(found)) if len(ordered) > 1 else None


def _testable(theme: Theme, difference: Difference) -> bool:
    """Whether the errors of both ends contain what the packing decides, or nothing of it is left."""
    return not (theme.remembers and any(point.as_packed for point in difference.ends))


def _exceeds(difference: Difference, comparisons: int) -> bool:
    first, last = difference.ends
    return exceeds(
        last.value - first.value,
        (first.standard_error, last.standard_error),
        (first.freedom, last.freedom),
        # Bonferroni: all comparisons together
        1 - (1 - CONFIDENCE) / comparisons,
    )


def _known(quantity: Quantity) -> Known:
    assert quantity.known is not None
    return quantity.known


def _cell(quantity: Quantity, point: Point, with_unit: bool = True) -> Cell:
    said = with_error(point.value, point.error, quantity.unit)
    return Cell(point.value, said if with_unit else said.removesuffix(f" {unit_text(quantity.unit)}"))


def _range(quantity: Quantity, found: Sequence[Point]) -> list[str | Cell]:
    """The least and the greatest value; one alone where both read alike."""
    low, high = min(found, key=lambda point: point.value), max(found, key=lambda point: point.value)
    last = _cell(quantity, high)
    return [last] if _cell(quantity, low).text == last.text else [_cell(quantity, low, False), " to ", last]


def _within(words: str, inside: Sequence[str | Cell]) -> list[str | Cell]:
    """Words with parts in the place of `{}`."""
    before, after = words.split("{}")
    return [before, *inside, after]


def _joined(items: Sequence[Sequence[str | Cell]]) -> list[str | Cell]:
    parts: list[str | Cell] = []
    for number, item in enumerate(items):
        if number:
            parts.append(" and " if number == len(items) - 1 else ", ")
        parts += item
    return parts


def _counts(quantity: Quantity, found: Sequence[Point], sweep: Sweep) -> tuple[int, int]:
    """Systems that resolve the quantity, of those that have it: some have no such partner, or not yet."""
    having = [
        members
        for members in _groups(sweep).values()
        if any(quantity.found(system.scalars) is not None for system in members)
    ]
    return len(found), max(len(found), len(having))


def _claims(differences: Sequence[Difference], where: Along, labels: Labels, sweep: Sweep) -> list[str | Cell]:
    parts: list[str | Cell] = []
    if not differences:
        return parts
    if not all(difference.is_whole for difference in differences):
        # systems that have no place on the axis are in no series
        rows = [system.row for system in sweep.systems if where.axis in system.row]
        differing = distinguishing_axes(rows, besides=(_EO_LI, where.axis))
        label = label_of(differences[0].ends[0].row, differing, labels)
        parts.append(f"in {label}{', ' if ', ' in label else ' '}")
    items: list[list[str | Cell]] = []
    for difference in differences:
        first, last = difference.ends
        verb = "rises" if last.value > first.value else "falls"
        items.append([
            f"{_known(difference.quantity).noun} {verb} from ", _cell(difference.quantity, first),
            f" at {where.said.format(first.row[where.axis])} to ", _cell(difference.quantity, last),
            f" at {where.said.format(last.row[where.axis])}",
        ])  # fmt: skip
    return ["; ", *parts, *_joined(items)]


def _sentence(
    theme: Theme, found: Sequence[tuple[Quantity, list[Point]]], claims: Sequence[str | Cell], sweep: Sweep
) -> Sentence:
    counts = [_counts(quantity, of, sweep) for quantity, of in found]
    alike = len(set(counts)) == 1
    said = ["" if resolved == having else f"{resolved} of {counted(having, 'system')}" for resolved, having in counts]
    items: list[list[str | Cell]] = [
        [*_within(_known(quantity).words, _range(quantity, of)), f" ({text})" if text and not alike else ""]
        for (quantity, of), text in zip(found, said, strict=True)
    ]
    inside = [*_joined(items), f" in {said[0]}" if alike and said[0] else "", *claims]
    parts = [part for part in _within(theme.sentence, inside) if part != ""]
    return Sentence(tuple(parts))


def _resolved(sweep: Sweep) -> Iterator[tuple[Theme, list[tuple[Quantity, list[Point]]]]]:
    """Themes with numbers, and their quantities with points."""
    for theme in THEMES:
        found = [each for routes in leading(theme.key).values() if (each := chosen(routes, sweep))[1]]
        if found:
            yield theme, found


def _reservation(themes: Sequence[Theme], sweep: Sweep, why: str) -> Sentence | None:
    """That the boxes are still as they were packed, where that is so."""
    lasting = [f"the {theme.heading.lower()}" for theme in themes if not theme.remembers]
    packed = [members for members in _groups(sweep).values() if len(members) == 1 and is_as_packed(members)]
    if len(lasting) == len(themes) or not packed:
        return None
    depends = f"; all but {listed(lasting)} also depend on the start" if lasting else " and depend on the start"
    one = len(sweep.systems) == 1
    which = "The box" if one else "The boxes" if len(packed) == len(_groups(sweep)) else "Some boxes"
    state = f"{'is' if one else 'are'} still as packed ({why})" if why else "may still be as packed"
    then = "" if one else ", and no difference between such boxes is claimed from them"
    return Sentence((f"{which} {state}: these numbers may change in a longer run{depends}{then}.",))


def _basis(comparisons: int, where: Along | None, sweep: Sweep, is_resolved: bool) -> str:
    constant = _constant(sweep)
    left_out = (
        f"No sentence or plot counts what never changed during the run, for its error is not known: {constant}"
        if constant
        else ""
    )
    if not is_resolved:
        return f"{left_out}." if left_out else ""
    single = [members for members in _groups(sweep).values() if len(members) == 1]
    parts = ["± is one standard error, within a run"]
    if len(single) < len(_groups(sweep)):
        parts[0] += "; of several starts, half of their 68 % interval"
    if comparisons and where is not None:
        parts.append(
            f"A difference is that between the ends of the longest series along {where.title.removesuffix(' (K)')}, and "
            f"claimed at {100 * CONFIDENCE:g} % confidence for {counted(comparisons, 'comparison')}"
            f"{' together' if comparisons > 1 else ''}"
        )
    if single:
        parts.append("What the starting box decides is not in the error of a single start")
    return ". ".join([*parts, *([left_out] if left_out else [])]) + "."


def shown(sweep: Sweep, labels: Labels, why_packed: str, most: int = SENTENCES) -> Shown:
    """Up to `most` sentences on what is resolved, in the order of THEMES, and one on how far they hold.

    `why_packed` is the reason for which ion pairs are not resolved. Numbers are values of the tables, with their errors.
    A difference is claimed between the ends of a series alone, if it exceeds its error at CONFIDENCE (all comparisons
    together, Bonferroni). A quantity that remembers the packing is not compared while the contacts of lithium are those
    of the first frame, unless there are several starts.
    """
    resolved, where = list(_resolved(sweep)), along(sweep)
    spoken = resolved[:most]
    differences = {
        theme.key: [
            difference
            for quantity, found in of
            if where is not None and (difference := _ends(quantity, found, where)) and _testable(theme, difference)
        ]
        for theme, of in spoken
    }
    comparisons = sum(map(len, differences.values()))
    sentences = []
    for theme, found in spoken:
        claimed = [difference for difference in differences[theme.key] if _exceeds(difference, comparisons)]
        claims = _claims(claimed, where, labels, sweep) if where is not None else []
        sentences.append(_sentence(theme, found, claims, sweep))
    drawn = tuple(theme for theme, found in resolved if sum(len(of) for _, of in found) > 1)
    reservation = _reservation([theme for theme, _ in resolved], sweep, why_packed)
    basis = _basis(comparisons, where, sweep, bool(resolved))
    return Shown((*sentences, *([reservation] if reservation else [])), basis, drawn)
