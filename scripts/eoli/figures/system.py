"""Figures of one system, from the tables and scalars of its analyses. What a system lacks is not drawn."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from eoli.analysis.mechanism.residence import LEAST_EXITS
from eoli.analysis.results import read_curves, read_scalars
from eoli.analysis.snapshots.pictures import STYLES
from eoli.core.numbers import plain, with_error
from eoli.errors import DataError
from eoli.figures.style import (
    BLACK,
    BLUE,
    CHAINED,
    COLUMN,
    DASHED,
    DENSE,
    DOTTED,
    GREEN,
    GUIDE,
    LONG,
    ORANGE,
    PAGE,
    PURPLE,
    SHADE,
    SKY,
    SOLID,
    VERMILION,
    Curve,
    Files,
    add_notes,
    drawing,
    label_ends,
    plain_log,
    reciprocal,
    said,
    save,
    save_text,
    say_empty,
)
from eoli.study.quantities import Answer, molecules_in, named
from eoli.topology.selections import OF_TYPE

PARTNERS = {
    "ether_O": Curve("O (ether)", BLUE),
    "carbonyl_O": Curve("O (C=O)", VERMILION, DASHED),
    "ester_bridging_O": Curve("O (ester, bridging)", BLACK, DOTTED),
    "hydroxyl_O": Curve("O (hydroxyl)", SKY, DOTTED),
    "anion_O": Curve("O ({anion})", GREEN, CHAINED),
    "anion_N": Curve("N ({anion})", PURPLE, LONG),
    "anion_F": Curve("F ({anion})", ORANGE, DENSE),
    "anion_Cl": Curve("{anion}", ORANGE, DENSE),
    "solvent_O": Curve("O (solvent)", VERMILION, LONG),
    "solvent_N": Curve("N (solvent)", PURPLE, DOTTED),
}
"""Partners of lithium in g(r), and of the amide's H; carbonyl oxygens are those of amides and esters together."""
MOVING = {
    "Li": Curve("Li", BLUE),
    "anion_com": Curve("{anion} centre", VERMILION, DASHED),
    "F": Curve("{anion} F", SKY, DENSE),
    "ether_O": Curve("ether O", GREEN, CHAINED),
    "chain_com": Curve("chain centre", BLACK, LONG),
}
RESIDENT = {
    "ether_O": Curve("O (ether)", BLUE),
    "carbonyl_O": Curve("O (C=O)", VERMILION, DASHED),
    "hydroxyl_O": Curve("O (hydroxyl)", ORANGE, DOTTED),
    "anion": Curve("{anion}", GREEN, CHAINED),
    "solvent": Curve("solvent", SKY, DENSE),
    "chain": Curve("chain", BLACK, LONG),
}
_BLOCK_STYLES = ((SKY, DENSE), (PURPLE, DOTTED))
"""Of the ether block and the other, which go by their own names."""
COLLECTIVE = {
    "charge_msd_e2_nm2": Curve("charge", BLACK),
    "collective_Li_Li_nm2": Curve("Li, Li", BLUE, DASHED),
    "collective_anion_anion_nm2": Curve("{anion}, {anion}", VERMILION, CHAINED),
    "collective_Li_anion_nm2": Curve("Li, {anion}", GREEN, DOTTED),
}
ROUTES = {
    "nernst_einstein": Curve("ions independent", BLUE, DASHED),
    "cluster_nernst_einstein": Curve("clusters independent", VERMILION, CHAINED),
    "collective": Curve("collective", BLACK),
}
_PARTICLES = {"Li": "Li", "anion": "{anion}", "chain": "chain"}
"""Labels of the particles with a diffusion coefficient."""
_STATES = {"free": ("0.85", ""), "paired": (SKY, "///"), "aggregated": (BLUE, "")}
_BINS = ((BLUE, SOLID), (GREEN, DASHED), (ORANGE, CHAINED), (PURPLE, DOTTED), (SKY, DENSE))
_BLOCKS = {"PEO": (STYLES["PEO"].colour, SOLID), "PA": (STYLES["PA"].colour, LONG)}
_HIGHEST_N = 8.0
_SHARE_WITH_NUMBER, _SHARE_WITH_ERROR = 0.12, 0.3
_MOST_NUMBERED_CELLS = 64
_MOST_IONS_DRAWN = 2000
NO_SALT = "a neat polymer: there are no ions"


@dataclass(frozen=True)
class Subject:
    """A system: its folder of tables and scalars, its name for titles, and its anion's name."""

    analysis: Path
    title: str
    anion: str = "anion"

    def table(self, name: str) -> pd.DataFrame:
        """The table of an analysis. Raises DataError if it cannot be read."""
        return read_curves(self.analysis, name)

    def scalars(self, name: str) -> dict[str, Any]:
        """The scalars of an analysis. Raises DataError if they cannot be read."""
        found = read_scalars(self.analysis, name)
        if found is None:
            raise DataError(f"{self.analysis / name}.json: no such file")
        return found

    def heading(self, what: str) -> str:
        """Title of a figure."""
        return f"{said(self.title)}: {what}"

    def called(self, text: str) -> str:
        """Text with the anion's name in it."""
        return text.format(anion=said(self.anion))

    def curve(self, curve: Curve) -> Curve:
        """A curve with the anion's name in its label."""
        return Curve(self.called(curve.label), curve.colour, curve.dashes)


def _present(table: pd.DataFrame, names: Iterable[str], column: str) -> list[str]:
    return [name for name in names if column.format(name) in table and table[column.format(name)].notna().any()]


def _band(axes: Axes, x: pd.Series, y: pd.Series, error: pd.Series, colour: str) -> None:
    axes.fill_between(x, y - error, y + error, color=colour, alpha=0.22, linewidth=0)


def _types(table: pd.DataFrame, column: str) -> list[str]:
    """Molecule types for which a column stands once more."""
    found = (str(name).partition(f"{column}{OF_TYPE}") for name in table)
    return [label for before, mark, label in found if mark and not before]


def figure_structure(of: Subject, out_stem: Path) -> Files:
    """g(r) and n(r) around lithium, and around the H of amides for anions.

    Like all figures here, returns SVG and PNG, and raises DataError for files that cannot be read.
    """
    table = of.table("structure")
    columns = {
        first: names
        for first in ("Li", "amide_H")
        if (names := _present(table, PARTNERS if first == "Li" else list(PARTNERS)[3:], f"g_{first}_{{}}"))
    }
    if not columns:
        return save_text(of.heading("structure"), NO_SALT, out_stem)
    with drawing():
        figure = Figure(figsize=(COLUMN if len(columns) == 1 else PAGE, 4.2), layout="constrained")
        panels = figure.subplots(2, len(columns), sharex=True, squeeze=False, height_ratios=(1.3, 1))
        figure.suptitle(of.heading("structure"), fontsize=8.5)
        for (upper, lower), (first, names) in zip(panels.T, columns.items(), strict=True):
            centre = "Li" if first == "Li" else "H (amide)"
            highest = 0.0
            for name in names:
                # of several anions those that have such sites
                types = _types(table, f"g_{first}_{name}")
                binding = replace(of, anion="+".join(types)) if types else of
                curve = binding.curve(PARTNERS[name])
                upper.plot(table["r_nm"], table[f"g_{first}_{name}"], **curve.line(label=curve.label))
                lower.plot(table["r_nm"], table[f"n_{first}_{name}"], **curve.line())
                highest = max(highest, float(table[f"n_{first}_{name}"].max()))
            upper.axhline(1, color=GUIDE, linewidth=0.6)
            upper.set(ylabel="g(r)", xlim=(0, float(table["r_nm"].max())))
            upper.set_ylim(bottom=0)
            upper.legend(title=f"{centre} with", loc="upper right")
            # n(r) grows as r³; the axis must show the shells
            lower.set(xlabel=f"r from {centre} (nm)", ylabel="n(r)", ylim=(0, min(_HIGHEST_N, 1.05 * highest) or 1))
        return save(figure, out_stem)


def _molecules(table: pd.DataFrame) -> dict[str, Curve]:
    """Curves of the single molecule types in a table of motion."""
    names = [str(column)[4:-4] for column in table if re.fullmatch(r"msd_.+_molecule_nm2", str(column))]
    return {name: Curve(said(name.removesuffix("_molecule")), *_BINS[k % len(_BINS)]) for k, name in enumerate(names)}


def _collective(table: pd.DataFrame) -> dict[str, Curve]:
    """Curves of the collective displacements in a table of conductivity: of several types of anions, all pairs."""
    names = [str(column) for column in table if re.fullmatch(r"collective_.+_nm2", str(column))]
    others = [name for name in names if name not in COLLECTIVE]
    pairs = (said(name.removeprefix("collective_").removesuffix("_nm2").replace("_", " ")) for name in others)
    own = {name: curve for name, curve in COLLECTIVE.items() if name in table}
    return own | {
        name: Curve(pair, *_BINS[k % len(_BINS)]) for k, (name, pair) in enumerate(zip(others, pairs, strict=True))
    }


def _motion_note(name: str, found: Answer) -> str:
    text = f"{name}: {found.verdict}"
    if found.value is not None:
        return f"{text}, D = {with_error(found.value, found.error, 'm2_s')}"
    return f"{text}, D < {plain(found.bound, 'm2_s', 2)}" if found.bound else text


def figure_motion(of: Subject, out_stem: Path) -> Files:
    """MSD against lag with a guide of slope 1; below it the local exponent, and the verdicts.

    The fit window is shaded, and in the exponent panel the tolerance of diffusive motion.
    """
    table, scalars = of.table("motion"), of.scalars("motion")
    with drawing():
        figure = Figure(figsize=(COLUMN, 5.0), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.7, 1))
        upper.set(ylabel="MSD (nm²)", title=of.heading("motion"), xscale="log", yscale="log")
        ends = []
        moving = MOVING | _molecules(table)
        for name in _present(table, moving, "msd_{}_nm2"):
            curve = of.curve(moving[name])
            known = table[table[f"msd_{name}_nm2"] > 0]
            msd = known[f"msd_{name}_nm2"]
            upper.plot(known["lag_ps"], msd, **curve.line())
            if (errors := known.get(f"msd_{name}_error_nm2")) is not None:
                upper.fill_between(known["lag_ps"], (msd - errors).clip(lower=msd / 10), msd + errors,
                                   color=curve.colour, alpha=0.22, linewidth=0)  # fmt: skip
            slope = table[table[f"alpha_{name}"].notna()]
            lower.plot(slope["lag_ps"], slope[f"alpha_{name}"], **curve.line())
            ends.append((curve, known["lag_ps"], msd))
        if any(len(x) for _, x, _ in ends):
            last = max(float(x.iloc[-1]) for _, x, _ in ends if len(x))
            highest = max(float(y.iloc[-1]) for _, x, y in ends if len(x))
            upper.plot([last / 30, last], [2.5 * highest / 30, 2.5 * highest], color=GUIDE, linestyle=DOTTED)
            upper.annotate("slope 1", (last / 6, 2.5 * highest / 6), xytext=(-3, 3), textcoords="offset points",
                           ha="right", color=GUIDE, fontsize=7)  # fmt: skip
            label_ends(upper, ends, 2.4)
        else:
            say_empty(upper, "nothing moved")
        by_analysis = {"motion": scalars}
        moved = {name: of_it for name in _PARTICLES if (of_it := named(f"D_{name}")).found(by_analysis)}
        windows = [[of_it.beside(by_analysis, f"fit_{end}_ps") for end in ("from", "to")] for of_it in moved.values()]
        if windows and windows[0][0] is not None:
            for axes in (upper, lower):
                axes.axvspan(*windows[0], color=SHADE, zorder=0)
        lower.axhline(1, color=GUIDE, linestyle=DOTTED, linewidth=1)
        if (tolerance := scalars.get("tolerance")) is not None:
            lower.axhspan(1 - tolerance, 1 + tolerance, color="0.85", zorder=0)
        lower.set(xlabel="lag (ps)", ylabel="d ln MSD / d ln t", ylim=(0, 2))
        answers = [(of.called(_PARTICLES[name]), of_it.of(by_analysis)) for name, of_it in moved.items()]
        answers += [
            (said(of_it.home[-1]), of_it.of(by_analysis))
            for of_it in molecules_in([by_analysis])
            if of_it.verdict_column
        ]
        add_notes(figure, [_motion_note(name, answer) for name, answer in answers if answer])
        figure.align_ylabels()
        return save(figure, out_stem)


def _population(axes: Axes, figure: Figure, of: Subject, table: pd.DataFrame) -> None:
    """Mean number of clusters by numbers of lithium ions and anions."""
    counts = np.zeros((int(table["n_anion"].max()) + 1, int(table["n_Li"].max()) + 1))
    counts[table["n_anion"].to_numpy(dtype=int), table["n_Li"].to_numpy(dtype=int)] = table["clusters"]
    shown = np.ma.masked_less_equal(counts, 0)
    lowest, highest = float(shown.min()), float(shown.max())
    norm = LogNorm(min(lowest, highest / 10), highest)
    mesh = axes.imshow(shown, origin="lower", cmap="cividis_r", norm=norm, aspect="auto", interpolation="none")
    most = max(counts.shape)
    axes.plot([-0.5, most - 0.5], [-0.5, most - 0.5], color=GUIDE, linestyle=DOTTED, linewidth=0.9)
    axes.set(xlim=(-0.5, counts.shape[1] - 0.5), ylim=(-0.5, counts.shape[0] - 0.5))
    axes.set(xlabel="Li in the cluster", ylabel=of.called("{anion} in the cluster"), title="mean number of clusters")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    if counts.size <= _MOST_NUMBERED_CELLS:
        for y, x in np.argwhere(counts > 0):
            dark = norm(counts[y, x]) > 0.55
            number = f"{counts[y, x]:.2g}" if counts[y, x] >= 0.01 else "<.01"
            axes.text(x, y, number, ha="center", va="center", fontsize=6.5, color="w" if dark else "k")
    figure.colorbar(mesh, ax=axes, fraction=0.05, pad=0.03)


def figure_ions(of: Subject, out_stem: Path) -> Files:
    """Population of ion clusters by size, neutral ones on the dotted line; shares of free, paired, aggregated ions."""
    table, scalars = of.table("ions"), of.scalars("ions")
    if table.empty:
        return save_text(of.heading("ions"), scalars.get("verdict", NO_SALT), out_stem)
    most = int(table[["n_Li", "n_anion"]].to_numpy().max())
    if most > _MOST_IONS_DRAWN:
        return save_text(of.heading("ions"), f"clusters of up to {most} ions of a kind: see the table", out_stem)
    with drawing():
        figure = Figure(figsize=(COLUMN, 4.3), layout="constrained")
        upper, lower = figure.subplots(2, 1, height_ratios=(2.3, 1))
        figure.suptitle(of.heading("ions"), fontsize=8.5)
        _population(upper, figure, of, table)
        for place, (key, name) in enumerate((("anion", of.anion), ("Li", "Li"))):
            start = 0.0
            for state, (colour, hatch) in _STATES.items():
                share = scalars[key][state]
                lower.barh(place, share["value"], left=start, color=colour, hatch=hatch, edgecolor="0.2", linewidth=0.6,
                           height=0.62, label=state if not place else None)  # fmt: skip
                if share["value"] > _SHARE_WITH_NUMBER:
                    has_error = share["value"] > _SHARE_WITH_ERROR and share["error"] is not None
                    number = with_error(share["value"], share["error"]) if has_error else f"{share['value']:.2f}"
                    lower.text(
                        start + share["value"] / 2, place, number, ha="center", va="center",
                        fontsize=6.5, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
                    )  # fmt: skip
                start += share["value"]
            lower.text(-0.015, place, name, ha="right", va="center")
        lower.set(xlim=(0, 1), yticks=[], xlabel="share of the ions")
        lower.legend(loc="lower center", bbox_to_anchor=(0.5, 0.98), ncols=3)
        add_notes(figure, [f"pairs and clusters: {scalars['verdict']}"])
        return save(figure, out_stem)


def _route_note(name: str, found: Answer) -> str:
    if found.value is not None:
        return f"σ, {name}: {with_error(found.value, found.error, 'S_m')}"
    below = f"; σ < {plain(found.bound, 'S_m', 2)}" if found.bound else ""
    return f"σ, {name}: {found.verdict}{below}"


def figure_transport(of: Subject, out_stem: Path) -> Files:
    """Collective displacements by lag, and the conductivity that each single lag would give; verdicts below."""
    table, scalars = of.table("conductivity"), of.scalars("conductivity")
    if "charge_msd_e2_nm2" not in table:
        return save_text(of.heading("transport"), NO_SALT, out_stem)
    with drawing():
        figure = Figure(figsize=(COLUMN, 5.4), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.3, 1))
        upper.set(
            title=of.heading("transport"), ylabel="collective MSD (nm²; charge: e² nm²)", xscale="log", yscale="log"
        )
        ends = []
        for column, style in _collective(table).items():
            curve = of.curve(style)
            size = table[column].abs().where(table[column] != 0)
            upper.plot(table["lag_ps"], size, **curve.line())
            negative = table[column] < 0
            if negative.any():
                upper.plot(table["lag_ps"][negative], size[negative], color=curve.colour, marker="o", markersize=3.2,
                           markerfacecolor="white", markeredgewidth=0.8, linestyle="none")  # fmt: skip
                curve = Curve(f"{curve.label} (○ < 0)", curve.colour, curve.dashes)
            ends.append((curve, table["lag_ps"], size))
        label_ends(upper, ends, 2.0)
        apparent = table["sigma_apparent_S_m"]
        lower.plot(table["lag_ps"], apparent.where(apparent > 0), color=BLACK)
        lower.set(xlabel="lag (ps)", ylabel="charge MSD / 6t as σ (S/m)", yscale="log")
        answers = {name: named(f"conductivity_{name}").of({"conductivity": scalars}) for name in ROUTES}
        routes = {name: answer for name, answer in answers.items() if answer}
        levels = []
        for name, found in routes.items():
            if found.value is not None and found.error is not None and found.value > 0:
                levels.append((ROUTES[name], [1.0], [found.value]))
                lower.axhline(found.value, **ROUTES[name].line(linewidth=1.0))
                lower.axhspan(found.value - found.error, found.value + found.error,
                              color=ROUTES[name].colour, alpha=0.15, linewidth=0)  # fmt: skip
        plain_log(lower.yaxis)
        label_ends(lower, levels, 1.6)
        if scalars.get("fit_from_ps") is not None:
            for axes in (upper, lower):
                axes.axvspan(scalars["fit_from_ps"], scalars["fit_to_ps"], color=SHADE, zorder=0)
        add_notes(figure, [_route_note(ROUTES[name].label, found) for name, found in routes.items()])
        figure.align_ylabels()
        return save(figure, out_stem)


def _bin_label(name: str) -> str:
    return {"all": "all"}.get(name, f"from {name[:-3]}" if name.endswith("_up") else name.replace("_", "–"))


def _decays(axes: Axes, table: pd.DataFrame, curves: Sequence[tuple[Curve, str]], ylabel: str, height: float) -> None:
    """Functions that start at 1, with the 1/e level."""
    axes.set(xscale="log", ylim=(0, 1.05), ylabel=ylabel)
    ends = []
    for curve, column in curves:
        known = table[table[column].notna()]
        axes.plot(known["lag_ps"], known[column], **curve.line())
        _band(axes, known["lag_ps"], known[column], known[f"{column}_error"].fillna(0), curve.colour)
        ends.append((curve, known["lag_ps"], known[column]))
    axes.axhline(np.exp(-1), color=GUIDE, linestyle=DOTTED, linewidth=0.9)
    axes.annotate("1/e", (0, np.exp(-1)), xycoords=("axes fraction", "data"), xytext=(3, 2), fontsize=6.5,
                  textcoords="offset points", color=GUIDE)  # fmt: skip
    label_ends(axes, ends, height)


def figure_mechanism(of: Subject, out_stem: Path) -> Files:
    """Residence of lithium with its partners, and reorientation of ether segments by distance from PA or the end."""
    table, scalars = of.table("mechanism"), of.scalars("mechanism")
    blocks = [name for name in scalars.get("residence", {}) if name not in RESIDENT]
    resident = RESIDENT | {
        name: Curve(f"{name} block", *style) for name, style in zip(blocks, _BLOCK_STYLES, strict=False)
    }
    panels: list[tuple[list[tuple[Curve, str]], str]] = []
    few: list[str] = []
    for key, ylabel in (("correlation", "contact correlation"), ("survival", "survival of contacts")):
        names = _present(table, resident, f"{key}_{{}}")
        if key == "survival":
            few = [
                name
                for name in names
                if scalars.get("residence", {}).get(name, {}).get("exits", LEAST_EXITS) < LEAST_EXITS
            ]
            names = [name for name in names if name not in few]
        panels.append(([(of.curve(resident[name]), f"{key}_{name}") for name in names], ylabel))
    columns = [name for name in map(str, table) if re.fullmatch(rf"P2_[^{OF_TYPE}]+(?<!_error)", name)]
    bins = [name.removeprefix("P2_") for name in columns if table[name].notna().any()]
    styles = {"all": (BLACK, LONG)} | dict(zip([b for b in bins if b != "all"], _BINS, strict=False))
    segments = [(Curve(_bin_label(name), *styles[name]), f"P2_{name}") for name in bins if name in styles]
    types = _present(table, _types(table, "P2_all"), f"P2_all{OF_TYPE}{{}}")
    types = [name for name in types if not name.endswith("_error")]
    if types:
        segments = [
            (Curve(said(name), *_BINS[k % len(_BINS)]), f"P2_all{OF_TYPE}{name}") for k, name in enumerate(types)
        ]
    panels.append((segments, "P₂ of ether segments"))
    panels = [panel for panel in panels if panel[0]]
    if not panels:
        return save_text(of.heading("mechanism"), "neither lithium nor ether segments", out_stem)
    with drawing():
        figure = Figure(figsize=(COLUMN, 0.7 + 1.75 * len(panels)), layout="constrained")
        column = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        column[0].set_title(of.heading("mechanism"))
        for axes, (curves, ylabel) in zip(column, panels, strict=True):
            _decays(axes, table, curves, ylabel, 1.4)
        column[-1].set_xlabel("lag (ps)")
        figure.align_ylabels()
        if segments and not types:
            of_what = scalars.get("segments", {}).get("units_from", "chain end")
            column[-1].text(1.02, 1.04, f"units from {of_what}", transform=column[-1].transAxes, fontsize=6.5)
        if few:
            called = ", ".join(of.curve(resident[name]).label for name in few)
            add_notes(figure, [f"survival, fewer than {LEAST_EXITS} exits: {called}"])
        return save(figure, out_stem)


def _pair(name: str) -> str:
    return name.removeprefix("S_").replace("_", "–")


def _partials(axes: Axes, table: pd.DataFrame, names: Sequence[str]) -> None:
    q = table["q_per_nm"]
    rest = iter(((BLACK, DASHED), (GREEN, CHAINED), (ORANGE, DENSE), (PURPLE, DOTTED), (SKY, SOLID)))
    ends = []
    for name in names:
        first, second = _pair(name).split("–", 1)
        own = first == second and first in _BLOCKS
        curve = Curve(_pair(name), *(_BLOCKS[first] if own else next(rest, (GUIDE, SOLID))))
        axes.plot(q, table[name], **curve.line())
        _band(axes, q, table[name], table[f"{name}_error"].fillna(0), curve.colour)
        ends.append((curve, q, table[name]))
    axes.axhline(0, color=GUIDE, linewidth=0.6)
    axes.set_yscale("symlog", linthresh=1)
    axes.set(ylabel="S(q), partial", xlim=(0.9 * q.min(), q.max()))
    label_ends(axes, ends, 1.9)


def figure_scattering(of: Subject, out_stem: Path) -> Files:
    """S(q), total and partial; shaded: what the box cannot resolve; band: the scatter of few wave vectors."""
    table, scalars = of.table("morphology"), of.scalars("morphology")
    found = scalars["scattering"]
    if "S_total" not in table or table.empty:
        return save_text(of.heading("scattering"), found["verdict"], out_stem)
    q = table["q_per_nm"]
    names = [
        name for name in map(str, table) if name.startswith("S_") and not name.endswith("_error") and name != "S_total"
    ]
    with drawing():
        # the total is the only partial
        n_panels = 2 if len(names) > 1 else 1
        figure = Figure(figsize=(COLUMN, 0.8 + 2.1 * n_panels), layout="constrained")
        panels = figure.subplots(n_panels, 1, sharex=True, squeeze=False)[:, 0]
        upper, lower = panels[0], panels[-1]
        total = table["S_total"]
        speckle = np.maximum(table["S_total_error"].fillna(0), total / np.sqrt(table["vectors"]))
        _band(upper, q, total, speckle, BLACK)
        upper.errorbar(q, total, yerr=table["S_total_error"], color=BLACK, elinewidth=0.7, linewidth=1.1)
        upper.set(ylabel="S(q), total", xscale="log")
        upper.set_title(of.heading("scattering"))
        upper.set_ylim(bottom=0)
        for axes in panels[1:]:
            _partials(axes, table, names)
        lower.set_xlabel("q (1/nm)")
        lower.set_xlim(0.9 * q.min(), q.max())
        above = upper.secondary_xaxis("top", functions=reciprocal(2 * np.pi))
        above.set_xlabel("2π/q (nm)")
        for axis in (lower.xaxis, above.xaxis):
            plain_log(axis)
        limit = 2 * found["q_min_per_nm"]
        for axes in panels:
            axes.axvspan(0.9 * q.min(), limit, color=SHADE, zorder=0)
        upper.annotate("at most\n2 periods\nin the box", (0.02, 0.97), xycoords="axes fraction", va="top", fontsize=6.5)
        spacing = named("spacing").of({"morphology": scalars})
        verdict = f"peak of domains: {found['verdict']}"
        if spacing and spacing.value is not None:
            verdict += f", spacing {with_error(spacing.value, spacing.error, 'nm')}"
        add_notes(figure, [verdict, f"weights: {found['weighting']}; band: blocks or S/√vectors"])
        figure.align_ylabels()
        return save(figure, out_stem)


OF_SYSTEM: dict[str, tuple[Callable[[Subject, Path], Files], tuple[str, ...]]] = {
    "structure": (figure_structure, ("structure.csv",)),
    "motion": (figure_motion, ("motion.csv", "motion.json")),
    "ions": (figure_ions, ("ions.csv", "ions.json")),
    "transport": (figure_transport, ("conductivity.csv", "conductivity.json")),
    "mechanism": (figure_mechanism, ("mechanism.csv", "mechanism.json")),
    "scattering": (figure_scattering, ("morphology.csv", "morphology.json")),
}
"""Figures by name, with their input files."""
