"""Common style of all figures: sizes, colours, labels at the ends of curves, and saving."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogLocator, NullFormatter

from eoli.core.files import whole
from eoli.core.numbers import power_of_ten, ten_to
from eoli.core.text import printable

Dashes = str | tuple[int, tuple[float, ...]]
Files = tuple[Path, ...]

COLUMN, PAGE = 3.5, 7.0
"""Widths, inch, of a printed column and a page: text keeps its size when figures are placed unscaled."""

# Okabe, Ito: Color Universal Design (2008), without yellow, which is faint on white.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
)  # fmt: skip
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
"""Systems one after the other; they repeat."""
SOLID: Dashes = "-"
DASHED: Dashes = (0, (4, 2))
DOTTED: Dashes = (0, (1, 1.3))
CHAINED: Dashes = (0, (6, 2, 1, 2))
DASHES = (SOLID, DASHED, DOTTED, CHAINED)
LONG: Dashes = (0, (9, 3))
DENSE: Dashes = (0, (2, 1))
GUIDE, SHADE = "0.45", "0.91"

STYLE: Any = {
    "svg.hashsalt": "eoli",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "xtick.direction": "out",
    "lines.linewidth": 1.4,
    "hatch.linewidth": 0.7,
    "savefig.dpi": 300,
}

_NOTE_SIZE = 6.8
_NOTE_SPACING = 1.3


@dataclass(frozen=True)
class Curve:
    """Name and style of a curve: dashes too, because colour may be lost."""

    label: str
    colour: str
    dashes: Dashes = SOLID

    def line(self, **changes: Any) -> dict[str, Any]:
        """Keyword arguments of a line."""
        return {"color": self.colour, "linestyle": self.dashes, **changes}


def said(text: str) -> str:
    """A name as shown in a figure: no mathematics between dollars, nothing that a text file cannot hold."""
    return printable(text).replace("$", r"\$")


def drawing() -> Any:
    """Context for making figures."""
    return mpl.rc_context(STYLE)


_METADATA: dict[str, dict[str, str | None]] = {
    "svg": {"Date": None, "Creator": "eoli"},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": "eoli", "Producer": None},
}


def save(figure: Figure, out_stem: Path, formats: Sequence[str] = ("svg", "png")) -> Files:
    """Write `<out_stem>.<format>` for each format, without date or program version. Returns the paths."""
    FigureCanvasAgg(figure)
    # not with_suffix: names of systems contain dots (q0.80)
    paths = tuple(out_stem.with_name(f"{out_stem.name}.{ending}") for ending in formats)
    for path, ending in zip(paths, formats, strict=True):
        with whole(path) as temporary:
            figure.savefig(temporary, metadata=_METADATA[ending])
        # one layout for all files
        figure.set_layout_engine("none")
    return paths


def save_text(title: str, text: str, out_stem: Path) -> Files:
    """A figure that says why there is nothing to draw."""
    with drawing():
        figure = Figure(figsize=(COLUMN, 0.9))
        figure.text(0.5, 0.7, title, ha="center", va="center", fontsize=8.5)
        figure.text(0.5, 0.32, text, ha="center", va="center", color="0.35")
        return save(figure, out_stem)


def say_empty(axes: Axes, text: str) -> None:
    """Text in place of data."""
    axes.set(xticks=[], yticks=[])
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="0.35")


def add_notes(figure: Figure, lines: Iterable[str]) -> None:
    """Add lines of text, wrapped, at the foot of a figure with constrained layout, which grows by their height."""
    width, height = figure.get_size_inches()
    text = [part for line in lines for part in textwrap.wrap(line, int(19.5 * width), subsequent_indent="    ")]
    foot = (len(text) * _NOTE_SIZE * _NOTE_SPACING + 5) / 72
    figure.set_size_inches(width, height + foot)
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        share = foot / (height + foot)
        engine.set(rect=(0, share, 1, 1 - share))
    figure.text(
        0.06 / width, 0.04 / (height + foot), "\n".join(text), ha="left", va="bottom", fontsize=_NOTE_SIZE,
        linespacing=_NOTE_SPACING, in_layout=False,
    )  # fmt: skip


def _tick_text(value: float, _: float | None = None) -> str:
    exponent = power_of_ten(value)
    if -4 < exponent < 4:
        return f"{value:zg}"
    leading = f"{value / 10.0**exponent:g}"
    return ten_to(exponent) if leading == "1" else f"{leading} × {ten_to(exponent)}"


def plain_log(axis: Axis) -> None:
    """Legible ticks of a logarithmic axis with final limits: more of them if it spans few decades."""
    low, high = axis.get_view_interval()
    span = high / low
    axis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 7) if span < 4 else (1, 2, 5) if span < 60 else (1,)))
    axis.set_major_formatter(_tick_text)
    axis.set_minor_locator(LogLocator(subs="all"))
    axis.set_minor_formatter(NullFormatter())


def reciprocal(numerator: float) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """The functions of a second axis that shows the numerator over the first."""

    def over(x: Any) -> Any:
        with np.errstate(divide="ignore"):
            return numerator / np.asarray(x, dtype=float)

    return over, over


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Positions in increasing order, at least `gap` apart, as close as possible to `wanted`, within 0 and 1."""
    order = np.argsort(wanted, kind="stable")
    places = np.clip(np.array(wanted, dtype=float)[order], 0, 1)
    steps = gap * np.arange(len(places))
    # isotonic fit of the positions without gaps, by merging neighbours that would swap
    means: list[list[float]] = []
    for value in places - steps:
        means.append([value, 1.0])
        while len(means) > 1 and means[-2][0] > means[-1][0]:
            (a, n), (b, m) = means[-2:]
            means[-2:] = [[(a * n + b * m) / (n + m), n + m]]
    fitted = np.concatenate([np.full(int(n), value) for value, n in means]) if means else np.empty(0)
    result = np.clip(fitted, 0, max(0.0, 1 - (steps[-1] if len(steps) else 0))) + steps
    found = np.empty(len(result))
    found[order] = result
    return [float(place) for place in found]


def label_ends(axes: Axes, curves: Sequence[tuple[Curve, npt.ArrayLike, npt.ArrayLike]], height_inch: float) -> None:
    """Label curves (with x and y) right of the axes, at the height of their last points, with a line sample.

    The axis limits must be final; `height_inch` is the approximate height of the axes.
    """
    axes.get_xlim(), axes.get_ylim()
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = []
    for curve, x, y in curves:
        points = np.column_stack([np.asarray(x, dtype=float), np.asarray(y, dtype=float)])
        points = points[np.isfinite(points).all(axis=1)]
        if len(points):
            end = float(to_axes.transform(points[-1])[1])
            ends.append((curve, end if math.isfinite(end) else 0.0))
    places = spread([end for _, end in ends], 1.25 * 7 / (72 * height_inch))
    for (curve, end), place in zip(ends, places, strict=True):
        start = min(1.0, max(0.0, end))
        lines = ([1.01, 1.05, 1.12], [start, place, place])
        axes.plot(*lines, transform=axes.transAxes, clip_on=False, **curve.line(linewidth=1.1))
        axes.text(1.135, place, curve.label, transform=axes.transAxes, va="center", fontsize=7, color="black")
