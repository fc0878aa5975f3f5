"""Sweep figures from its table: every scalar against EO:Li, with errors, bounds as arrows, replicates as points."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from eoli.analysis.results import read_curves, read_sweep
from eoli.core.numbers import plain, power_of_ten, ten_to, with_error
from eoli.errors import DataError
from eoli.figures.style import (
    BLACK,
    BLUE,
    DASHED,
    DASHES,
    DOTTED,
    GREEN,
    GUIDE,
    LONG,
    ORANGE,
    PAGE,
    PURPLE,
    SKY,
    SOLID,
    VERMILION,
    Curve,
    Files,
    drawing,
    plain_log,
    reciprocal,
    said,
    save,
    save_text,
    say_empty,
)
from eoli.figures.system import PARTNERS
from eoli.forcefield.models import UNLABELLED, Labels
from eoli.study.axes import SYSTEM_AXES, alike, distinguishing_axes
from eoli.study.labels import label_of
from eoli.study.quantities import Panel, Quantity, fitted, named, panels
from eoli.summary.temperature import Fits, fits_of

GROUP_COLOURS = (BLUE, VERMILION, BLACK, SKY, GREEN, PURPLE, ORANGE)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_HATCHES = ("", "///", "...", "xxx", "\\\\\\", "+++", "---")
_STUDY, _EXTENSION = "simulated in Ma 2022", "extension"
_OF_CARBONYL = named("neighbours_Li_carbonyl_O").column()
_D, _D_ERROR = named("D_Li").columns
_D_BOUND = named("D_Li").column("_upper_bound")
NEAT = "neat systems alone: they have no EO:Li"


# Colours not used by the first groups of systems: in a panel of several quantities, colour is quantity.
_QUANTITY_COLOURS = (GREEN, PURPLE, ORANGE, SKY)


def _curves(labels: Sequence[str], anion: str) -> list[Curve | None]:
    """Styles of a panel's quantities; a single one has the colours of the systems, and no curve."""
    if len(labels) == 1:
        return [None]
    # other dashes once the colours repeat
    looks = [(_QUANTITY_COLOURS[n % 4], DASHES[(n + n // 4) % 4]) for n in range(len(labels))]
    return [Curve(label.format(anion=anion), *look) for label, look in zip(labels, looks, strict=True)]


@dataclass(frozen=True)
class Group:
    """Systems that differ only in EO:Li and replicate, with their style."""

    label: str
    rows: pd.DataFrame
    number: int

    @property
    def colour(self) -> str:
        """Colour; repeats after seven groups."""
        return GROUP_COLOURS[self.number % len(GROUP_COLOURS)]

    @property
    def marker(self) -> str:
        """Marker."""
        return _MARKERS[self.number % len(_MARKERS)]


@dataclass(frozen=True)
class GroupedSweep:
    """The systems with salt of a table, in groups; `neat` systems have no EO:Li and are only in the table."""

    path: Path
    groups: tuple[Group, ...]
    salts: tuple[str, ...]
    neat: int
    labels: Labels

    @property
    def anion(self) -> str:
        """Name of the anion of all systems, or `anion`."""
        return self.labels.anion(self.salts[0]) if len(self.salts) == 1 else "anion"


def read_grouped(path: Path, labels: Labels = UNLABELLED) -> GroupedSweep:
    """The sweep table. Raises DataError if it cannot be read or lacks a column."""
    table = read_sweep(path)
    try:
        salted = table[table["eo_li_simulated"].notna()]
        differing = distinguishing_axes(salted.to_dict("records"))
        axes = [axis for axis in SYSTEM_AXES if axis != "eo_li_asked"]
        groups = tuple(
            Group(
                said(label_of(rows.iloc[0].to_dict(), differing, labels)), rows.sort_values("eo_li_simulated"), number
            )
            for number, (_, rows) in enumerate(alike(salted, axes))
        )
        return GroupedSweep(path, groups, tuple(salted["salt"].unique()), len(table) - len(salted), labels)
    except KeyError as error:
        raise DataError(f"{path}: no column {error}") from error


def _aside(rows: pd.DataFrame, sweep: GroupedSweep, number: int) -> pd.Series:
    """EO:Li, with groups and replicates slightly offset, so that none hides another."""
    every = np.concatenate([group.rows["eo_li_simulated"].to_numpy(dtype=float) for group in sweep.groups])
    step = 0.018 * (float(np.ptp(every)) or 1.0)
    replicate = rows.groupby("eo_li_simulated").cumcount()
    return rows["eo_li_simulated"] + step * (number - (len(sweep.groups) - 1) / 2 + replicate)


def _points(axes: Axes, rows: pd.DataFrame, x: pd.Series, y: pd.Series, errors: pd.Series | None, **style: Any) -> None:
    """Points of systems: filled if the study simulated it too, open for an extension."""
    for in_study, some in rows.groupby("simulated_in_study"):
        face = style["color"] if in_study else "white"
        axes.errorbar(
            x[some.index], y[some.index], yerr=None if errors is None else errors[some.index], markersize=4.5,
            markeredgewidth=0.9, markerfacecolor=face, linestyle="none", capsize=2, elinewidth=0.8, **style,
        )  # fmt: skip


def _draw(
    axes: Axes, quantity: Quantity, curve: Curve | None, group: Group, sweep: GroupedSweep
) -> tuple[bool, pd.Series]:
    """Draw values and bounds of a group; returns whether there are any, and EO:Li of rows without either."""
    rows = group.rows
    colour, dashes = (curve.colour, curve.dashes) if curve else (group.colour, SOLID)
    value, error = quantity.columns
    x = _aside(rows, sweep, group.number)
    known = rows[rows[value].notna()]
    means = known.assign(x=x).groupby("eo_li_simulated")[["x", value]].mean()
    axes.plot(means["x"], means[value], color=colour, linewidth=0.9, linestyle=dashes, alpha=0.7)
    style = {"color": colour, "marker": group.marker}
    _points(axes, known, x, known[value], known[error].fillna(0), **style)
    left, drawn = rows[rows[value].isna()], len(known) > 0
    for what, points in (("_upper_bound", -13), ("_at_least", 13)):
        column = quantity.column(what)
        if column in rows:
            bounded = left[left[column] > 0]
            _points(axes, bounded, x, bounded[column], None, **style)
            for place, bound in zip(x[bounded.index], bounded[column], strict=True):
                axes.annotate("", (place, bound), xytext=(0, points), textcoords="offset points",
                              arrowprops={"arrowstyle": "<-", "color": colour, "linewidth": 0.9})  # fmt: skip
            left, drawn = left.drop(bounded.index), drawn or len(bounded) > 0
    if quantity.of_carbonyl:
        left = left[left[_OF_CARBONYL].notna()]
    return drawn, x[left.index]


def draw_panel(axes: Axes, panel: Panel, of: Sequence[Quantity], sweep: GroupedSweep) -> None:
    """A panel of quantities: values with errors, bounds as arrows, crosses at the foot for unresolved ones.

    Raises KeyError for a column that the table lacks.
    """
    axes.set(xlabel="EO:Li", ylabel=panel.ylabel.format(anion=sweep.anion))
    # room for arrows and crosses
    axes.margins(y=0.14)
    is_log = all(quantity.log for quantity in of)
    if is_log:
        axes.set_yscale("log")
    drawn, unresolved = False, []
    curves = _curves([quantity.label for quantity in of], sweep.anion)
    for quantity, curve in zip(of, curves, strict=True):
        for group in sweep.groups:
            any_drawn, left = _draw(axes, quantity, curve, group, sweep)
            drawn |= any_drawn
            unresolved.append((curve.colour if curve else group.colour, left))
    if not drawn:
        axes.set_yscale("linear")
        missing = any(len(x) for _, x in unresolved)
        return say_empty(axes, "not resolved in any system" if missing else "no system has it")
    if panel.level is not None:
        axes.axhline(panel.level, color=GUIDE, linestyle=DOTTED, linewidth=0.9)
    if panel.from_zero:
        axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
    if is_log:
        plain_log(axes.yaxis)
    for number, (colour, x) in enumerate(each for each in unresolved if len(each[1])):
        axes.plot(x, np.full(len(x), 0.03 + 0.045 * number), transform=axes.get_xaxis_transform(), color=colour,
                  marker="x", markersize=4, markeredgewidth=1, linestyle="none")  # fmt: skip
    entries = [Line2D([], [], label=curve.label, **curve.line()) for curve in curves if curve]
    if entries:
        axes.legend(handles=entries, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, borderpad=0,
                    handlelength=2.4, columnspacing=1.2)  # fmt: skip


def _key(sweep: GroupedSweep) -> list[Line2D]:
    groups = [Line2D([], [], color=g.colour, marker=g.marker, markersize=4.5, label=g.label) for g in sweep.groups]
    grey: dict[str, Any] = {"color": "0.35", "linestyle": "none", "markersize": 4.5}
    return [
        *groups,
        Line2D([], [], marker="o", label=_STUDY, **grey),
        Line2D([], [], marker="o", markerfacecolor="white", label=_EXTENSION, **grey),
        Line2D([], [], marker="$\\updownarrow$", label="bound", **grey | {"markersize": 8}),
        Line2D([], [], marker="x", label="not resolved", **grey),
    ]


def figure_panels(sweep: GroupedSweep, out_stem: Path, name: str, title: str) -> Files:
    """The panels of a figure, in two columns. Returns SVG and PNG. Raises DataError if the table lacks a column."""
    if not sweep.groups:
        return save_text(title, NEAT, out_stem)
    with drawing():
        shown = panels(name)
        n_rows = (len(shown) + 1) // 2
        figure = Figure(figsize=(PAGE, 2.25 * n_rows + 0.8), layout="constrained")
        try:
            places = figure.subplots(n_rows, 2, squeeze=False).ravel()
            for axes in places[len(shown) :]:
                axes.set_axis_off()
            for axes, (panel, of) in zip(places, shown, strict=False):
                draw_panel(axes, panel, of, sweep)
                if of[0].name == "density":
                    _ideal_densities(axes, sweep)
        except KeyError as error:
            raise DataError(f"{sweep.path}: no column {error}") from error
        neat = f" ({sweep.neat} neat: see the table)" if sweep.neat else ""
        figure.suptitle(f"{title}{neat}", fontsize=8.5)
        figure.align_ylabels()
        figure.legend(handles=_key(sweep), loc="outside lower center", ncols=4)
        return save(figure, out_stem)


def _ideal_densities(axes: Axes, sweep: GroupedSweep) -> None:
    for group in sweep.groups:
        axes.plot(
            group.rows["eo_li_simulated"], group.rows["ideal_mixing_density_unverified_g_cm3"], linestyle="none",
            marker="*", markersize=6, markerfacecolor="white", markeredgecolor=group.colour, markeredgewidth=0.8,
        )  # fmt: skip
    star = Line2D([], [], linestyle="none", marker="*", markersize=6, markerfacecolor="white", markeredgecolor="0.35",
                  label="ideal mixing (unverified estimate)")  # fmt: skip
    axes.legend(handles=[star], loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderpad=0)


def _bar(axes: Axes, place: float, width: float, rows: pd.DataFrame, group: Group, scale: float) -> None:
    known = rows[_D].dropna() / scale
    bounds = rows[_D_BOUND].dropna() / scale
    style: dict[str, Any] = {"width": width, "edgecolor": group.colour, "linewidth": 0.9}
    if len(known):
        hatch = _HATCHES[group.number % len(_HATCHES)]
        axes.bar(place, known.mean(), color="white" if hatch else group.colour, hatch=hatch, **style)
        errors = rows[_D_ERROR][known.index].fillna(0) / scale
        offsets = np.linspace(-0.3, 0.3, len(known)) * width if len(known) > 1 else [0.0]
        axes.errorbar(place + np.array(offsets), known, yerr=errors, color=BLACK, marker="o", markersize=2.6,
                      linestyle="none", capsize=2, elinewidth=0.8)  # fmt: skip
        top, text = float((known + errors).max()), plain(float(known.mean()), digits=2)
    elif len(bounds):
        top, text = float(bounds.min()), f"< {plain(float(bounds.min()), digits=2)}"
        axes.bar(place, top, color="none", linestyle=":", **style)
        axes.annotate("", (place, 0.55 * top), (place, top), arrowprops={"arrowstyle": "->", "color": group.colour})
    else:
        top, text = 0.0, "not resolved"
    axes.annotate(text, (place, top), xytext=(0, 3), textcoords="offset points", ha="center", va="bottom", rotation=90,
                  fontsize=6.5)  # fmt: skip


def figure_diffusion(sweep: GroupedSweep, out_stem: Path) -> Files:
    """Bars of D(Li) by requested EO:Li, one per polymer; points are replicates, open bars upper bounds.

    Raises DataError for a table that lacks a column.
    """
    if not sweep.groups:
        return save_text("D(Li)", NEAT, out_stem)
    try:
        table = pd.concat([group.rows for group in sweep.groups])
        ratios = sorted(table["eo_li_asked"].unique())
        highest = float(np.nanmax(table[[_D, _D_BOUND]].to_numpy(dtype=float), initial=0))
    except KeyError as error:
        raise DataError(f"{sweep.path}: no column {error}") from error
    if not highest > 0:
        return save_text("D(Li)", "not resolved in any system: neither D nor a bound", out_stem)
    exponent = power_of_ten(highest)
    with drawing():
        n_bars = len(ratios) * len(sweep.groups)
        figure = Figure(figsize=(min(PAGE, max(3.5, 0.9 + 0.28 * n_bars)), 3.2), layout="constrained")
        axes = figure.add_subplot()
        width = 0.8 / len(sweep.groups)
        for k, ratio in enumerate(ratios):
            for n, group in enumerate(sweep.groups):
                rows = group.rows[group.rows["eo_li_asked"] == ratio]
                if len(rows):
                    _bar(axes, k - 0.4 + (n + 0.5) * width, 0.92 * width, rows, group, 10.0**exponent)
        axes.set_xticks(range(len(ratios)), [f"{ratio:g}" for ratio in ratios])
        axes.set(xlabel="EO:Li", ylabel=f"D(Li) ({ten_to(exponent)} m²/s)", title="diffusion of Li")
        axes.margins(y=0.25)
        axes.set(xlim=(-0.5, len(ratios) - 0.5))
        axes.set_ylim(bottom=0)
        entries = [
            Patch(facecolor="white" if hatch else g.colour, edgecolor=g.colour, hatch=hatch, label=g.label)
            for g in sweep.groups
            for hatch in (_HATCHES[g.number % len(_HATCHES)],)
        ]
        figure.legend(handles=entries, loc="outside lower center", ncols=2)
        return save(figure, out_stem)


def _fit_label(fits: Fits, all_fits: Sequence[Fits], labels: Labels) -> str:
    named = [other.systems | {"system": other.names[0]} for other in all_fits]
    label = said(label_of(fits.systems | {"system": fits.names[0]}, distinguishing_axes(named), labels))
    energy = fits.arrhenius.activation_energy_kJ_mol
    label += f", EO:Li {fits.systems['eo_li_asked']:g}"
    if energy.value is None or energy.error is None:
        return f"{label}: no fit"
    label += f": Eₐ = {with_error(energy.value, energy.error, 'kJ_mol')}"
    t0 = fits.vtf.T0_K
    return label if t0.value is None else f"{label}, T₀ = {t0.value:.0f} K"


def _temperatures(axes: Axes, of_quantity: Sequence[Fits], all_fits: Sequence[Fits], labels: Labels) -> None:
    axes.set_yscale("log")
    for number, fits in enumerate(of_quantity):
        colour, marker = GROUP_COLOURS[number % len(GROUP_COLOURS)], _MARKERS[number % len(_MARKERS)]
        points = fits.points
        value = np.exp(points.ln_value)
        label = _fit_label(fits, all_fits, labels)
        # an error of ln y is a factor on y
        spread = [value * (1 - np.exp(-points.ln_error)), value * (np.exp(points.ln_error) - 1)]
        axes.errorbar(1000 / points.temperature_K, value, yerr=spread, color=colour, marker=marker, markersize=4.5,
                      linestyle="none", capsize=2, elinewidth=0.8, label=label)  # fmt: skip
        if points.temperatures > 1:
            line = np.linspace(points.temperature_K.min(), points.temperature_K.max(), 100)
            axes.plot(1000 / line, fits.arrhenius.at(line), color=colour, linewidth=1)
            if fits.vtf.T0_K.value is not None:
                axes.plot(1000 / line, fits.vtf.at(line), color=colour, linewidth=1, linestyle=DASHED)
    plain_log(axes.yaxis)
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))


def figure_temperature(sweep: GroupedSweep, out_stem: Path) -> Files:
    """Diffusion and conductivity on a logarithmic axis against 1000/T, with Arrhenius lines and VTF curves.

    Raises DataError for a table that lacks a column.
    """
    try:
        fits = [each for each in fits_of(read_sweep(sweep.path)) if len(each.points.ln_value)]
    except KeyError as error:
        raise DataError(f"{sweep.path}: no column {error}") from error
    if not fits:
        temperatures = {t for group in sweep.groups for t in group.rows["temperature_K"]}
        several = "no system has a resolved value at two temperatures"
        why = NEAT if not temperatures else "one temperature alone" if len(temperatures) == 1 else several
        return save_text("temperature", why, out_stem)
    labels = {of.name: of.fit_label for of in fitted() if of.fit_label}
    names = [name for name in labels if any(each.quantity == name for each in fits)]
    with drawing():
        figure = Figure(figsize=(PAGE, 2.3 * len(names) + 0.6), layout="constrained")
        column = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
        for axes, name in zip(column, names, strict=True):
            axes.set_ylabel(labels[name].format(anion=sweep.anion))
            _temperatures(axes, [each for each in fits if each.quantity == name], fits, sweep.labels)
        figure.suptitle("temperature dependence", fontsize=8.5)
        above = column[0].secondary_xaxis("top", functions=reciprocal(1000))
        above.set_xlabel("temperature (K)")
        column[-1].set_xlabel("1000/T (1/K)    (lines: Arrhenius, dashed: VTF)")
        figure.align_ylabels()
        return save(figure, out_stem)


def figure_rdf_overlay(tables: Sequence[tuple[str, Path]], anion: str, out_stem: Path) -> Files:
    """g(r) of lithium of several systems, one panel per partner; `tables` are (label, CSV).

    Returns SVG and PNG. Raises DataError if a table cannot be read or none holds lithium.
    """
    read = [(said(label), read_curves(path.parent, path.stem)) for label, path in tables]
    present = [name for name in PARTNERS if any(f"g_Li_{name}" in table for _, table in read)]
    if not present:
        raise DataError("no table holds a g(r) of lithium")
    with drawing():
        colours = mpl.colormaps["viridis"](np.linspace(0, 0.8, max(2, len(read))))
        n_rows, n_columns = (len(present) + 1) // 2, min(2, len(present))
        figure = Figure(figsize=(PAGE, 2.3 * n_rows + 0.7 + 0.15 * (len(read) // 3)), layout="constrained")
        panels = figure.subplots(n_rows, n_columns, sharex=True, squeeze=False).ravel()
        for axes, name in zip(panels, present, strict=False):
            for number, (label, table) in enumerate(read):
                if f"g_Li_{name}" in table:
                    dashes = (SOLID, LONG, DOTTED)[number % 3]
                    axes.plot(table["r_nm"], table[f"g_Li_{name}"], color=colours[number], linestyle=dashes, label=label,
                              linewidth=1.1)  # fmt: skip
            axes.set(title=f"Li – {PARTNERS[name].label.format(anion=anion)}", ylabel="g(r)", xlabel="r (nm)")
            axes.set_xlim(left=0)
            axes.set_ylim(bottom=0)
            axes.xaxis.set_tick_params(labelbottom=True)
        for axes in panels[len(present) :]:
            axes.set_axis_off()
        entries: dict[str, Any] = {}
        for axes in panels:
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                entries.setdefault(label, handle)
        figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=min(3, len(entries)))
        return save(figure, out_stem)


OF_SWEEP: dict[str, Callable[[GroupedSweep, Path], Files]] = {
    **{
        name: functools.partial(figure_panels, name=name, title=title)
        for name, title in (
            ("sweep", "overview"), ("transport", "transport"), ("structure", "structure"), ("mechanism", "mechanism"),
        )
    },
    "diffusion": figure_diffusion,
    "temperature": figure_temperature,
}  # fmt: skip
"""Sweep figures by name; each takes the sweep and the stem of its files."""
