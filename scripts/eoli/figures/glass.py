"""Glass transition figure: specific volume against temperature of every cooled system."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eoli.analysis.glass.fit import GlassTransition, volume_at
from eoli.core.units import ZERO_CELSIUS_K
from eoli.figures.style import BLUE, GREEN, GUIDE, ORANGE, PAGE, SHADE, VERMILION, Files, drawing, said, save
from eoli.summary.glass_transition import Cooled

_COLOURS = (BLUE, VERMILION, GREEN, ORANGE)
_MARKERS = ("o", "s", "^", "D", "v")


def _hyperbola(axes: Axes, found: GlassTransition, curve: pd.DataFrame, **style: Any) -> None:
    line = np.linspace(curve["temperature_K"].min(), curve["temperature_K"].max(), 200)
    axes.plot(line, found.at(line, volume_at(found, curve)), **style)


def _panel(axes: Axes, entry: Cooled, measured_K: float | None) -> None:
    for number, (curve, found) in enumerate(zip(entry.curves, entry.own, strict=True)):
        colour = _COLOURS[number % len(_COLOURS)]
        axes.errorbar(
            curve["temperature_K"], curve["specific_volume_cm3_g"], yerr=curve["specific_volume_error_cm3_g"],
            color=colour, marker=_MARKERS[number % len(_MARKERS)], markersize=3.5, linestyle="none", elinewidth=0.8,
            label=f"cooling {number + 1}",
        )  # fmt: skip
        if found.temperature_K.value is not None:
            _hyperbola(axes, found, curve, color=colour, linewidth=1)
    interval = entry.found.temperature_K
    if interval.value is not None and any(found.temperature_K.value is None for found in entry.own):
        style = {"color": "black", "linestyle": "--", "linewidth": 1.2, "zorder": 5}
        _hyperbola(axes, entry.found, pd.concat(entry.curves), label="their mean", **style)
    name = said(entry.name)
    title = f"{name}: Tg not resolved"
    if interval.value is not None and interval.low is not None and interval.high is not None:
        axes.axvspan(interval.low, interval.high, color=SHADE, zorder=0)
        title = f"{name}: Tg {interval.value:.0f} K ({interval.low:.0f} to {interval.high:.0f})"
    if measured_K is not None:
        axes.axvline(measured_K, color=GUIDE, linestyle=":", linewidth=1)
        axes.annotate("measured", (measured_K, 0.98), xycoords=("data", "axes fraction"), fontsize=6.5, color=GUIDE,
                      rotation=90, ha="right", va="top")  # fmt: skip
    axes.set(title=title, xlabel="temperature (K)", ylabel="specific volume (cm³/g)")
    if len(entry.curves) > 1:
        axes.legend(loc="lower right")


def figure_glass_transition(cooled: Sequence[Cooled], measured_K: Sequence[float | None], out_stem: Path) -> Files:
    """Volumes of all coolings with their hyperbolas, and that of the mean if some have none.

    Shaded: the 68 % interval of a resolved Tg; dotted: the measured Tg.
    """
    n_columns = min(2, len(cooled))
    n_rows = -(-len(cooled) // n_columns)
    with drawing():
        figure = Figure(figsize=(PAGE if n_columns > 1 else PAGE / 2, 2.5 * n_rows + 0.4), layout="constrained")
        panels = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
        for axes, entry, theirs in zip(panels, cooled, measured_K, strict=False):
            _panel(axes, entry, theirs)
        for axes in panels[len(cooled) :]:
            axes.set_axis_off()
        rate = cooled[0].rate_K_per_s
        figure.suptitle(f"cooled at {rate:.2g} K/s; 0 °C is {ZERO_CELSIUS_K:g} K", fontsize=8.5)
        return save(figure, out_stem)
