"""Figures as SVG and PNG: readable without colour vision, the same bytes for the same data."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from eoli.config import DEFAULT_CHARGE_SCALE, DEFAULT_MIXING
from eoli.errors import DataError
from eoli.files import whole

# Okabe, Ito: Color Universal Design (2008), without yellow, which is faint on white.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
)  # fmt: skip
GROUP_COLOURS = (BLUE, VERMILION, BLACK, SKY, GREEN, PURPLE, ORANGE)
# In the panel of the sweep where colour means the partner: none of the first groups' colours.
NEIGHBOUR_STYLE = {"ether_O": (GREEN, "-"), "carbonyl_O": (PURPLE, "--"), "anion_O": (ORANGE, ":")}
PARTNER_STYLE = {
    "ether_O": ("O (ether)", BLUE),
    "carbonyl_O": ("O (C=O, amide and ester)", VERMILION),
    "anion_O": ("O (TFSI)", GREEN),
    "anion_N": ("N (TFSI)", PURPLE),
}
MOTION_STYLE = {
    "Li": ("Li", BLUE, "Li"),
    "TFSI_com": ("TFSI, centre of mass", VERMILION, "TFSI"),
    "F": ("F atoms of TFSI", SKY, None),
    "chain_com": ("chains, centre of mass", BLACK, "chain"),
}
_STUDY, _EXTENSION = "simulated in Ma 2022", "extension"
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_STYLE: Any = {
    "svg.hashsalt": "eoli",
    "font.size": 10,
    "axes.titlesize": 11,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.direction": "out",
    "lines.linewidth": 1.6,
    "savefig.dpi": 200,
}


def _table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: no table: {error}") from error


def _save(figure: Figure, out_stem: Path) -> tuple[Path, Path]:
    """Write `<out_stem>.svg` and `.png`, without date or program version."""
    FigureCanvasAgg(figure)
    # Not with_suffix: names of systems contain dots (q0.80).
    svg, png = (out_stem.with_name(f"{out_stem.name}.{ending}") for ending in ("svg", "png"))
    with whole(svg) as temporary:
        figure.savefig(temporary, metadata={"Date": None, "Creator": "eoli"})
    with whole(png) as temporary:
        figure.savefig(temporary, metadata={"Software": None})
    return svg, png


def _empty(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="0.35")


def figure_structure(csv: Path, title: str, out_stem: Path) -> tuple[Path, Path]:
    """g(r) of lithium (solid, left axis) and its running coordination number (dashed, right axis).

    Returns the SVG and the PNG. Raises DataError when the table cannot be read.
    """
    table = _table(csv)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 4.4), layout="constrained")
        left = figure.add_subplot()
        right = left.twinx()
        present = {name: style for name, style in PARTNER_STYLE.items() if f"g_Li_{name}" in table}
        for name, (label, colour) in present.items():
            left.plot(table["r_nm"], table[f"g_Li_{name}"], color=colour, label=label)
            right.plot(table["r_nm"], table[f"n_Li_{name}"], color=colour, linestyle=(0, (4, 2)), linewidth=1.1)
        left.set(xlabel="r from Li (nm)", ylabel="g(r)  (solid)", title=title)
        right.set_ylabel("n(r)  (dashed)")
        right.spines["right"].set_visible(True)
        if present:
            near = table["r_nm"] <= 0.6
            highest = max(float(table.loc[near, f"n_Li_{name}"].max()) for name in present)
            # n(r) grows as r^3; the shells are what the axis has to show.
            right.set_ylim(0, max(8.0, 1.1 * min(highest, 12.0)))
            left.set_ylim(bottom=0)
            left.set_xlim(0, float(table["r_nm"].max()))
            left.legend(title="Li with", loc="upper right")
        else:
            _empty(left, "no lithium in this system")
            right.set_axis_off()
        return _save(figure, out_stem)


def _motion_label(label: str, scalars: dict[str, Any], key: str | None) -> str:
    found = scalars.get(key) if key else None
    if not found:
        return label
    text = f"{label}: {found['verdict']}"
    number, bound = found["D_m2_s"], found["D_upper_bound_m2_s"]
    if number["value"] is not None:
        exponent = int(np.floor(np.log10(number["value"])))
        value, error = (number[part] / 10.0**exponent for part in ("value", "error"))
        return rf"{text}, D = ({value:.2f} ± {error:.2f}) $\times 10^{{{exponent}}}$ m$^2$/s"
    if bound is not None and bound > 0:
        exponent = int(np.floor(np.log10(bound)))
        return rf"{text}, D < {bound / 10.0**exponent:.1f} $\times 10^{{{exponent}}}$ m$^2$/s"
    return text


def figure_motion(csv: Path, scalars_json: Path, title: str, out_stem: Path) -> tuple[Path, Path]:
    """MSD against lag with a guide of slope 1, and below it the local exponent; verdicts stand in the legend.

    Returns the SVG and the PNG. Raises DataError when table or scalars cannot be read.
    """
    table = _table(csv)
    try:
        scalars: dict[str, Any] = json.loads(scalars_json.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{scalars_json}: no scalars: {error}") from error
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 6.4), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        lag = table["lag_ps"].to_numpy(dtype=float)
        tops = []
        for name, (label, colour, key) in MOTION_STYLE.items():
            if f"msd_{name}_nm2" not in table:
                continue
            msd = table[f"msd_{name}_nm2"].to_numpy(dtype=float)
            msd = np.where(msd > 0, msd, np.nan)
            upper.loglog(lag, msd, color=colour, label=_motion_label(label, scalars, key))
            lower.semilogx(lag, table[f"alpha_{name}"], color=colour)
            tops.append(msd)
            if key == "Li" or "msd_Li_nm2" not in table:
                fit = scalars.get(key or "", {})
                if fit.get("fit_from_ps") is not None:
                    for axes in (upper, lower):
                        axes.axvspan(fit["fit_from_ps"], fit["fit_to_ps"], color="0.92", zorder=0)
        if tops and np.isfinite(np.concatenate(tops)).any():
            highest = np.nanmax(tops, axis=0)
            last = np.flatnonzero(np.isfinite(highest))[-1]
            guide = lag >= lag[-1] / 30
            upper.plot(
                lag[guide], 2.5 * highest[last] * lag[guide] / lag[last], color="0.45", linestyle=":", label="slope 1"
            )
            upper.legend(loc="upper center", bbox_to_anchor=(0.5, -0.06), alignment="left")
        lower.axhline(1, color="0.45", linestyle=":")
        if (tolerance := scalars.get("tolerance")) is not None:
            lower.axhspan(1 - tolerance, 1 + tolerance, color="0.85", zorder=0)
        lower.set(xlabel="lag (ps)", ylabel="d ln MSD / d ln t", ylim=(0, 1.6))
        upper.set(ylabel=r"MSD (nm$^2$)", title=title)
        return _save(figure, out_stem)


def figure_rdf_overlay(tables: Sequence[tuple[str, Path]], out_stem: Path) -> tuple[Path, Path]:
    """g(r) of lithium of several systems, one panel for each partner that occurs; `tables` are (label, CSV).

    Returns the SVG and the PNG. Raises DataError when a table cannot be read or none holds lithium.
    """
    read = [(label, _table(path)) for label, path in tables]
    present = [name for name in PARTNER_STYLE if any(f"g_Li_{name}" in table for _, table in read)]
    if not present:
        raise DataError("no table holds a g(r) of lithium")
    with mpl.rc_context(_STYLE):
        colours = mpl.colormaps["viridis"](np.linspace(0, 0.9, max(2, len(read))))
        n_rows = (len(present) + 1) // 2
        n_columns = min(2, len(present))
        figure = Figure(figsize=(4.2 * n_columns + 0.4, 3.0 * n_rows + 0.8), layout="constrained")
        panels = figure.subplots(n_rows, n_columns, sharex=True, squeeze=False).ravel()
        for axes, name in zip(panels, present, strict=False):
            for number, (label, table) in enumerate(read):
                if f"g_Li_{name}" in table:
                    dashes = ("-", (0, (5, 2)), (0, (1, 1)))[number % 3]
                    axes.plot(
                        table["r_nm"], table[f"g_Li_{name}"], color=colours[number], linestyle=dashes, label=label
                    )
            axes.set(title=f"Li – {PARTNER_STYLE[name][0]}", ylabel="g(r)")
            axes.set_xlim(left=0)
            axes.set_ylim(bottom=0)
            axes.xaxis.set_tick_params(labelbottom=True)
            axes.set_xlabel("r (nm)")
        for axes in panels[len(present) :]:
            axes.set_axis_off()
        entries: dict[str, Any] = {}
        for axes in panels:
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                entries.setdefault(label, handle)
        figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=min(4, len(entries)))
        return _save(figure, out_stem)


def _group_label(row: pd.Series, table: pd.DataFrame) -> str:
    label = {"peo": "PEO", "pebax": "Pebax"}.get(str(row["polymer"]), str(row["polymer"]))
    if len(table["temperature_K"].unique()) > 1:
        label += f", {row['temperature_K']:g} K"
    for key in ("ether_set", "cation_model", "anion_model"):
        if len(table[key].dropna().unique()) > 1:
            label += f", {row[key]}"
    if row["mixing"] != DEFAULT_MIXING:
        label += f", {row['mixing']}"
    if row["ion_charge_scale"] != DEFAULT_CHARGE_SCALE:
        label += f", ion charges × {row['ion_charge_scale']:g}"
    return label


class _Sweep:
    """Groups of rows that differ in EO:Li and replicate alone, each with a colour and a marker."""

    def __init__(self, table: pd.DataFrame) -> None:
        labels = table.apply(lambda row: _group_label(row, table), axis=1) if len(table) else pd.Series(dtype=str)
        self.groups = {
            label: (
                table[labels == label].sort_values("eo_li_simulated"),
                GROUP_COLOURS[number % len(GROUP_COLOURS)],
                _MARKERS[number % len(_MARKERS)],
            )
            for number, label in enumerate(dict.fromkeys(labels))
        }

    def draw(
        self, axes: Axes, column: str, error_column: str, colour: str | None = None, linestyle: str = "-"
    ) -> None:  # fmt: skip
        """A column against EO:Li: filled where the study simulated it too, open where it is an extension."""
        for rows, group_colour, marker in self.groups.values():
            use = colour or group_colour
            known = rows[rows[column].notna()]
            mean = known.groupby("eo_li_simulated")[column].mean()
            axes.plot(mean.index, mean, color=use, linewidth=0.9, linestyle=linestyle, alpha=0.6)
            for in_study, some in known.groupby("simulated_in_study"):
                axes.errorbar(
                    some["eo_li_simulated"], some[column], yerr=some[error_column].fillna(0), color=use, marker=marker,
                    markersize=6, markerfacecolor=use if in_study else "white", linestyle="none", capsize=2.5,
                    elinewidth=1,
                )  # fmt: skip

    def handles(self) -> list[Line2D]:
        """Entries of the legend."""
        groups = [
            Line2D([], [], color=colour, marker=marker, label=label)
            for label, (_, colour, marker) in self.groups.items()
        ]
        filled = {_STUDY: "0.35", _EXTENSION: "white"}
        return groups + [
            Line2D([], [], color="0.35", marker="o", linestyle="none", markerfacecolor=face, label=label)
            for label, face in filled.items()
        ]


def _density_panel(axes: Axes, sweep: _Sweep) -> None:
    sweep.draw(axes, "density_g_cm3", "density_error_g_cm3")
    for rows, colour, _ in sweep.groups.values():
        axes.plot(
            rows["eo_li_simulated"], rows["ideal_mixing_density_unverified_g_cm3"], linestyle="none", marker="*", markersize=9,
            markerfacecolor="white", markeredgecolor=colour,
        )  # fmt: skip
    axes.plot([], [], linestyle="none", marker="*", markersize=9, markerfacecolor="white", markeredgecolor="0.35",
              label="ideal mixing (unverified estimate)")  # fmt: skip
    axes.legend(loc="best")
    axes.set_ylabel(r"density (g/cm$^3$)")


def _peak_panel(axes: Axes, sweep: _Sweep) -> None:
    sweep.draw(axes, "first_peak_Li_ether_O_nm", "first_peak_Li_ether_O_error_nm")
    axes.set_ylabel("first peak Li–O (ether) (nm)")


def _coordination_panel(axes: Axes, sweep: _Sweep) -> None:
    for partner, (colour, linestyle) in NEIGHBOUR_STYLE.items():
        column = f"coordination_number_Li_{partner}"
        sweep.draw(axes, column, f"{column}_error", colour, linestyle)
        axes.plot([], [], color=colour, linestyle=linestyle, label=PARTNER_STYLE[partner][0])
    axes.set_ylabel("neighbours of Li in the first shell")
    axes.set_ylim(bottom=0)
    axes.legend(loc="best", title="marker: system, colour: neighbour", title_fontsize=8.5)


def _diffusion_panel(axes: Axes, sweep: _Sweep) -> None:
    sweep.draw(axes, "D_Li_m2_s", "D_Li_error_m2_s")
    bounded = False
    for rows, colour, marker in sweep.groups.values():
        only_bound = rows[rows["D_Li_m2_s"].isna() & (rows["D_Li_upper_bound_m2_s"] > 0)]
        for in_study, some in only_bound.groupby("simulated_in_study"):
            bound = some["D_Li_upper_bound_m2_s"]
            bounded = True
            axes.errorbar(
                some["eo_li_simulated"], bound, yerr=0.4 * bound, uplims=True, color=colour, marker=marker,
                markersize=6, markerfacecolor=colour if in_study else "white", linestyle="none", elinewidth=1,
            )  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylabel(r"D(Li) (m$^2$/s)")
    if bounded:
        axes.plot([], [], linestyle="none", marker="$\\downarrow$", color="0.35", markersize=9,
                  label="upper bound (no D determined)")  # fmt: skip
        axes.legend(loc="best")
    if not bounded and not any(rows["D_Li_m2_s"].notna().any() for rows, _, _ in sweep.groups.values()):
        axes.set_yscale("linear")
        axes.set(xticks=[], yticks=[])
        _empty(axes, "not resolved: neither D nor a bound\nfrom runs of this length")


def figure_sweep(sweep_csv: Path, out_stem: Path) -> tuple[Path, Path]:
    """Density, first Li-O peak, coordination numbers and D(Li), or its upper bound (arrow), against EO:Li.

    Neat systems have no EO:Li and stand in the table alone. Returns the SVG and the PNG. Raises DataError when the
    table cannot be read or lacks a column.
    """
    table = _table(sweep_csv)
    panels: tuple[Callable[[Axes, _Sweep], None], ...] = (
        _density_panel, _peak_panel, _coordination_panel, _diffusion_panel,
    )  # fmt: skip
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.2, 7.4), layout="constrained")
        try:
            salted = table[table["eo_li_simulated"].notna()]
            sweep = _Sweep(salted)
            for axes, panel in zip(figure.subplots(2, 2).ravel(), panels, strict=True):
                axes.set_xlabel("EO:Li")
                panel(axes, sweep)
            if len(salted) < len(table):
                figure.suptitle(
                    f"{len(table) - len(salted)} neat system(s) without EO:Li: see the table", fontsize="small"
                )
        except KeyError as error:
            raise DataError(f"{sweep_csv}: no column {error}") from error
        figure.legend(handles=sweep.handles(), loc="outside lower center", ncols=4)
        return _save(figure, out_stem)
