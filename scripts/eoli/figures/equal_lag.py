"""Figure of displacements at equal lag: ratios to the reference against the lag, with their intervals."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eoli.core.numbers import counted
from eoli.figures.style import (
    COLOURS,
    DASHES,
    DOTTED,
    GUIDE,
    PAGE,
    Files,
    drawing,
    plain_log,
    said,
    save,
    save_text,
)

_PARTICLES = {"Li": "Li", "anion": "anion", "ether_O": "O (ether)"}
_MOST = 12
_SPAN = 3.0
TITLE = "Displacements at equal lag"


def _panel(axes: Axes, rows: pd.DataFrame, names: list[tuple[str, str]]) -> None:
    for number, (system, against) in enumerate(names):
        course = rows[(rows["system"] == system) & (rows["against"] == against)]
        if course.empty:
            continue
        colour = COLOURS[number % len(COLOURS)]
        # dots, since a course may be a single lag
        axes.plot(
            course["lag_ps"], course["ratio"], color=colour, linestyle=DASHES[number // len(COLOURS) % len(DASHES)],
            marker=".", markersize=3, label=said(f"{system} / {against}"),
        )  # fmt: skip
        axes.fill_between(
            course["lag_ps"], course["ratio_low"], course["ratio_high"], color=colour, alpha=0.2, linewidth=0
        )
    axes.axhline(1, color=GUIDE, linewidth=0.8, linestyle=DOTTED)
    axes.set(xscale="log", xlabel="lag (ps)")
    plain_log(axes.xaxis)


def figure_equal_lag(course: pd.DataFrame, out_stem: Path) -> Files:
    """MSD over that of the reference against the lag, a row of panels for each axis that is compared.

    `course` is the table of `eoli.summary.equal_lag`. Bands: 68 % intervals, each of its lag alone, since
    neighbouring lags share their displacements.
    """
    if course.empty:
        return save_text(TITLE, "no two systems share a lag", out_stem)
    axes_compared, particles = (list(dict.fromkeys(course[name])) for name in ("compared", "particle"))
    with drawing():
        figure = Figure(figsize=(PAGE, 2.6 * len(axes_compared)), layout="constrained")
        parts = figure.subfigures(len(axes_compared), 1, squeeze=False).ravel()
        for part, compared in zip(parts, axes_compared, strict=True):
            of_row = course[course["compared"] == compared]
            pairs = list(dict.fromkeys(zip(of_row["system"], of_row["against"], strict=True)))
            row = part.subplots(1, len(particles), squeeze=False, sharey=True).ravel()
            if of_row["ratio_high"].max() / of_row["ratio_low"].min() > _SPAN:
                row[0].set_yscale("log")
            for axes, particle in zip(row, particles, strict=True):
                _panel(axes, of_row[of_row["particle"] == particle], pairs[:_MOST])
                axes.set_title(_PARTICLES[particle])
            if row[0].get_yscale() == "log":
                plain_log(row[0].yaxis)
            row[0].set_ylabel("MSD / MSD of the reference")
            handles = next(found for axes in row if (found := axes.get_legend_handles_labels()[0]))
            more = len(pairs) - len(pairs[:_MOST])
            title = f"and {counted(more, 'more pair')} in the table" if more else None
            part.legend(handles=handles, loc="outside lower center", ncols=2, title=title)
        return save(figure, out_stem)
