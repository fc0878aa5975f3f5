"""Figure of our results beside measured ones: ours against theirs, a panel for each quantity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from eoli.core.numbers import counted
from eoli.figures.style import (
    COLOURS,
    DOTTED,
    GUIDE,
    PAGE,
    SHADE,
    Files,
    drawing,
    plain_log,
    said,
    save,
    save_text,
)
from eoli.reference.experiments import Beside
from eoli.reference.measured import KINDS

TITLE = "beside measured values"
_MARKERS = "osD^vP*X"
_FACTOR = 2.0
_LINEAR = ("density", "D_Li_share")
_COLUMNS = 2
_MOST = 16


def _drawn(rows: Iterable[Beside], quantity: str) -> list[Beside]:
    """Rows of a quantity with a measured value: for each system and source the most exact route with a value of ours,
    else one with an upper bound."""
    found: dict[tuple[str, str, str], list[Beside]] = {}
    for row in rows:
        if row.quantity == quantity and row.measured is not None and (quantity in _LINEAR or row.measured > 0):
            found.setdefault((row.system, row.series, row.source), []).append(row)
    # rows are in the order of the routes
    best = [
        next(
            (row for row in of if _value(row) is not None),
            next((row for row in of if _can_be(row.ours_high, row)), None),
        )
        for of in found.values()
    ]
    return [row for row in best if row is not None]


def _can_be(number: float | None, row: Beside) -> bool:
    """Whether a number can be drawn: on a logarithmic axis, if it is positive."""
    return number is not None and (number > 0 or row.quantity in _LINEAR)


def _value(row: Beside) -> float | None:
    """Ours, if it can be drawn."""
    return row.ours if _can_be(row.ours, row) else None


def _ends(row: Beside) -> tuple[float, float]:
    """Lower and upper end of ours."""
    ours, error = _value(row), row.ours_error or 0.0
    if ours is None:
        # a bound: the arrow from it is this long
        return (row.ours_high or 0.0) / _FACTOR, row.ours_high or 0.0
    return max(0.0, row.ours_low or ours - error), row.ours_high or ours + error


def _panel(axes: Axes, rows: Sequence[Beside], colours: dict[str, str], markers: dict[str, str]) -> None:
    linear = rows[0].quantity in _LINEAR
    if not linear:
        axes.set(xscale="log", yscale="log")
    theirs = [row.measured for row in rows if row.measured is not None]
    every = [*theirs, *(end for row in rows for end in (row.ours, *_ends(row)) if end)]
    low, high = min(every), max(every)
    pad = 0.1 * max(high - low, 1e-3 * abs(high))
    low, high = (low - pad, high + pad) if linear else (low / 1.5, high * 1.5)
    if not linear:
        axes.fill_between([low, high], [low / _FACTOR, high / _FACTOR], [low * _FACTOR, high * _FACTOR], color=SHADE,
                          linewidth=0, zorder=0)  # fmt: skip
    axes.plot([low, high], [low, high], color=GUIDE, linewidth=0.8, linestyle=DOTTED, zorder=1)
    for row in rows:
        colour, marker, at = colours[row.system], markers[row.source], row.measured or 0.0
        (bottom, top), ours = _ends(row), _value(row)
        if ours is None:
            axes.annotate("", (at, bottom), (at, top),
                          arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 0.9})  # fmt: skip
            axes.plot(at, top, color=colour, marker="_", linestyle="none", markersize=7)
            continue
        axes.errorbar(at, ours, yerr=[[max(0.0, ours - bottom)], [max(0.0, top - ours)]], color=colour, marker=marker,
                      markersize=4.5, markerfacecolor="white" if row.extrapolated else colour, linestyle="none",
                      capsize=2, elinewidth=0.8)  # fmt: skip
    unit = f" ({rows[0].unit})" if rows[0].unit else ""
    axes.set(xlim=(low, high), ylim=(low, high), title=KINDS[rows[0].quantity].label, xlabel=f"measured{unit}",
             ylabel=f"ours{unit}", aspect="equal")  # fmt: skip
    if not linear:
        plain_log(axes.xaxis)
        plain_log(axes.yaxis)


def figure_experiments(rows: Sequence[Beside], out_stem: Path) -> Files:
    """Ours against measured values, a panel for each quantity that has both; SVG and PNG.

    Each system and source has its most exact resolved route, or the arrow of an upper bound. Open: ours or theirs comes
    from a fit over temperatures. Bars are errors, those of open points 68 % intervals; shaded is a factor of two.
    """
    panels = [of for quantity in KINDS if (of := _drawn(rows, quantity))]
    if not panels:
        return save_text(TITLE, "nothing of ours has a measured counterpart", out_stem)
    every = [row for of in panels for row in of]
    systems, sources = (list(dict.fromkeys(getattr(row, name) for row in every)) for name in ("system", "source"))
    colours = {system: COLOURS[k % len(COLOURS)] for k, system in enumerate(systems)}
    markers = {source: _MARKERS[k % len(_MARKERS)] for k, source in enumerate(sources)}
    columns = min(_COLUMNS, len(panels))
    with drawing():
        height = 3.0 * -(-len(panels) // columns) + 0.13 * min(_MOST, len(systems) + len(sources)) + 0.3
        figure = Figure(figsize=(PAGE, height), layout="constrained")
        every_axes = figure.subplots(-(-len(panels) // columns), columns, squeeze=False).ravel()
        for axes, of in zip(every_axes, panels, strict=False):
            _panel(axes, of, colours, markers)
        for axes in every_axes[len(panels) :]:
            axes.set_axis_off()
        shown = systems[: max(1, _MOST - len(sources))]
        handles = [Line2D([], [], color=colours[name], linewidth=3, label=said(name)) for name in shown]
        handles += [
            Line2D([], [], color=GUIDE, marker=markers[name], linestyle="none", label=said(name)) for name in sources
        ]
        more = len(systems) - len(shown)
        title = f"and {counted(more, 'more system')} in the table" if more else None
        figure.legend(handles=handles, loc="outside lower center", ncols=2, title=title)
        return save(figure, out_stem)
