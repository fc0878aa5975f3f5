"""One paper figure in the layout of Fig. 18 of Ma 2022: structures, g(r), displacements, paths of lithium.

a to c pictures of the boxes, d and e g(r) of lithium, f mean-square displacements, g and h one lithium at the start, in
the middle and at the end: two systems side by side, or a single one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from eoli.analysis.results import read_curves, read_sweep
from eoli.analysis.snapshots import pictures as pic
from eoli.analysis.snapshots.scene import PATH_COLOURS, Scene, Snapshot, load_scene
from eoli.core.arrays import Floats, Singles
from eoli.errors import DataError
from eoli.figures.style import (
    BLACK,
    BLUE,
    DASHED,
    DOTTED,
    GREEN,
    GUIDE,
    LONG,
    PAGE,
    PURPLE,
    SOLID,
    VERMILION,
    Curve,
    Files,
    drawing,
    said,
    save,
    say_empty,
)
from eoli.forcefield.models import UNLABELLED, Labels
from eoli.workflow.plan import PAPER_FORMATS

INPUTS = ("snapshot-scene.json", "structure.csv", "motion.csv")
"""Input files in the `analysis` folder of each system."""
_PARTNERS = {
    "ether_O": Curve("Li–O (C–O–C)", BLUE),
    "carbonyl_O": Curve("Li–O (C=O)", VERMILION, DASHED),
    "anion_N": Curve("Li–N ({anion})", PURPLE, LONG),
    "anion_O": Curve("Li–O ({anion})", GREEN, LONG),
}
_MOVING = {"Li": ("Li", SOLID), "F": ("F ({anion})", DASHED), "anion_com": ("{anion} centre", DASHED)}
_COLOURS = (BLUE, VERMILION)
_R_NM = 0.8
_PIXELS = 640
_ROTATION = pic.rotation(-24.0, 16.0)
_EDGE_NM, _EDGE_COLOUR = 0.02, "#404040"
_FILLED_NM = 0.19
_AROUND_NM = 0.5
_LITHIUM_NM, _PARTNER_NM, _CONTACT_NM, _PATH_NM = 0.08, 0.075, 0.014, 0.014
_HALO_PIXELS = 3
_FLAT = 0.8
_MARGIN, _GAP, _TITLE = 0.06, 0.08, 0.2


@dataclass(frozen=True)
class Member:
    """A system of the figure: its label, anion, scene and tables."""

    label: str
    anion: str
    scene: Scene
    structure: pd.DataFrame
    motion: pd.DataFrame


def read_member(table: Path, analysis: Path, labels: Labels) -> Member:
    """A system from its `analysis` folder and its row of the sweep table `table`.

    Raises DataError for files that cannot be read and for a system that the table lacks.
    """
    # results/<system>/analysis
    name = analysis.parent.name
    sweep = read_sweep(table)
    rows = sweep[sweep["system"] == name]
    if rows.empty:
        raise DataError(f"{table}: no system {name}")
    row = rows.iloc[0]
    label = said(labels.polymer(str(row["polymer"])))
    if pd.notna(row["eo_li_simulated"]):
        label += f", EO:Li {row['eo_li_simulated']:.3g}"
    return Member(
        label, labels.anion(str(row["salt"])), load_scene(analysis / INPUTS[0])[1], read_curves(analysis, "structure"),
        read_curves(analysis, "motion"),
    )  # fmt: skip


def _colours(scene: Scene) -> Floats:
    return np.array([pic.rgb(colour) for colour in scene.colours])[scene.group]


def _matter(scene: Scene, frame: Snapshot, only: np.ndarray, thinner: float = 1.0) -> pic.Bodies:
    sphere, stick = thinner * scene.sphere_nm[scene.group], thinner * scene.stick_nm[scene.group]
    return pic.balls_and_sticks(frame.positions, frame.box, scene.bonds, _colours(scene), sphere, stick, only)


def _whole_box(scene: Scene, bodies: pic.Bodies, frame: Snapshot) -> tuple[Singles, float]:
    """Picture of a box with its edges, and half its width, nm."""
    half = 1.04 * float((np.abs(_ROTATION[:2]) @ frame.box / 2).max())
    depth = float(np.abs(_ROTATION[2]) @ frame.box / 2)
    view = pic.View(frame.box / 2, _ROTATION, half, _PIXELS, depth, depth)
    return pic.render(bodies + pic.box_edges(frame.box, _EDGE_NM, _EDGE_COLOUR), view), half


def picture_of_box(scene: Scene) -> tuple[Singles, float]:
    """The last frame as balls and sticks, with half its width, nm."""
    frame = scene.frames[-1]
    return _whole_box(scene, _matter(scene, frame, np.ones(len(scene.group), dtype=np.bool_)), frame)


def picture_of_domains(scene: Scene) -> tuple[Singles, float]:
    """The chain blocks in the last frame, space-filling, without the salt; with half its width, nm."""
    frame = scene.frames[-1]
    salt = [scene.names.index(name) for name in ("Li", "anion") if name in scene.names]
    kept = ~np.isin(scene.group, salt)
    bodies = pic.spheres(frame.positions[kept], _FILLED_NM, _colours(scene)[kept])
    return _whole_box(scene, bodies, frame)


def picture_of_lithium(scene: Scene, index: int) -> tuple[Singles, float]:
    """The followed lithium in a frame: path so far, binding sites and surroundings; with half its width."""
    path, frame = scene.lithium, scene.frames[index]
    assert path is not None
    here = path.points[path.until[index] - 1]
    vectors = frame.positions - frame.positions[path.site]
    vectors -= frame.box * np.round(vectors / frame.box)
    near = np.linalg.norm(vectors, axis=1) < _AROUND_NM
    near[path.site] = False
    around = _matter(scene, replace(frame, positions=here + vectors), near, 0.55)
    bound = vectors[path.partners[index]]
    colours = _colours(scene)
    contacts = pic.Bodies(
        np.broadcast_to(here, bound.shape), here + bound, np.full(len(bound), _CONTACT_NM), np.zeros(bound.shape)
    )
    done = path.points[: path.until[index]]
    times = path.times_ps[: len(done)] / max(float(path.times_ps[-1]), 1e-9)
    partners = pic.spheres(here + bound, _PARTNER_NM, colours[path.partners[index]])
    # in front of what would hide them
    above = pic.tubes(done, _PATH_NM, PATH_COLOURS(times)[:, :3]) + pic.spheres(
        here[None], _LITHIUM_NM, colours[path.site]
    )
    centre = (path.points.min(axis=0) + path.points.max(axis=0)) / 2
    half = float(np.abs((path.points - centre) @ _ROTATION.T).max()) + _AROUND_NM
    view = pic.View(centre, _ROTATION, half, _PIXELS, 0.4 * half, 1.6 * half)
    picture = pic.render(around + contacts + partners, view)
    return pic.on_top(picture, pic.render(above, replace(view, fade=0.0)), _HALO_PIXELS), half


def _show(axes: Axes, picture: Singles, half: float, height: float = 1.0) -> None:
    """A picture with a scale bar; only the middle share `height` of its height is shown."""
    axes.imshow(picture[..., :3], extent=(-half, half, -half, half), interpolation="none")
    length = 1.0 if half > 1.5 else 0.2
    x, y = -0.96 * half, -0.94 * height * half
    axes.plot([x, x + length], [y, y], color=BLACK, linewidth=1.5, solid_capstyle="butt")
    axes.text(x, y + 0.03 * half, f"{length:g} nm", va="bottom", fontsize=7)
    axes.set(xlim=(-half, half), ylim=(-height * half, height * half))
    axes.set_axis_off()


def _rdf(axes: Axes, member: Member) -> None:
    table = member.structure
    present = [name for name in _PARTNERS if f"g_Li_{name}" in table]
    # the study shows N of the anion; oxygen replaces it if the anion has none
    if "anion_N" in present and "anion_O" in present:
        present.remove("anion_O")
    if not present:
        return say_empty(axes, "no ions")
    for name in present:
        curve = _PARTNERS[name]
        axes.plot(table["r_nm"], table[f"g_Li_{name}"], **curve.line(label=curve.label.format(anion=member.anion)))
    axes.axhline(1, color=GUIDE, linewidth=0.6)
    axes.set(xlabel="r (nm)", ylabel="g(r)", xlim=(0.1, min(_R_NM, float(table["r_nm"].max()))))
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper right")


def _msd(axes: Axes, members: Sequence[Member]) -> None:
    drawn = False
    for number, member in enumerate(members):
        table = member.motion
        anion = next((name for name in ("F", "anion_com") if f"msd_{name}_nm2" in table), None)
        for name in ("Li", anion):
            column = f"msd_{name}_nm2"
            if name is None or column not in table:
                continue
            text, dashes = _MOVING[name]
            known = table[table[column] > 0]
            label = (
                f"{text.format(anion=member.anion)}, {member.label.split(',')[0] if _differ(members) else member.label}"
            )
            axes.plot(known["lag_ps"], known[column], color=_COLOURS[number], linestyle=dashes, label=label)
            if (error := known.get(f"msd_{name}_error_nm2")) is not None:
                axes.fill_between(known["lag_ps"], (known[column] - error).clip(lower=known[column] / 10),
                                  known[column] + error, color=_COLOURS[number], alpha=0.2, linewidth=0)  # fmt: skip
            drawn = drawn or len(known) > 0
    if not drawn:
        return say_empty(axes, "no ions")
    axes.set(xscale="log", yscale="log", xlabel="lag (ps)", ylabel="MSD (nm²)")
    low, high = axes.get_ylim()
    last = axes.get_xlim()[1]
    axes.plot([last / 30, last / 3], [0.7 * high / 10, 0.7 * high], color=GUIDE, linestyle=DOTTED, linewidth=0.9,
              label="slope 1")  # fmt: skip
    # room for the names
    axes.set_ylim(low**1.45 / high**0.45, high)
    axes.legend(loc="lower right", handlelength=2.6, borderaxespad=0.1)


def _differ(members: Sequence[Member]) -> bool:
    """Whether the first words of the labels tell the systems apart."""
    return len({member.label.split(",")[0] for member in members}) == len(members)


def _time(time_ps: float, length_ps: float) -> str:
    return f"{time_ps / 1000:.3g} ns" if length_ps >= 1000 else f"{time_ps:.3g} ps"


class _Sheet:
    """Places axes on a page by inches from its upper left corner, and letters them."""

    def __init__(self, height: float) -> None:
        self.figure = Figure(figsize=(PAGE, height))
        self._height = height

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        return self.figure.add_axes(
            (left / PAGE, 1 - (top + height) / self._height, width / PAGE, height / self._height)
        )

    def heading(self, letter: str, text: str, left: float, top: float) -> None:
        place: dict[str, Any] = {"va": "top", "transform": self.figure.transFigure}
        self.figure.text(left / PAGE, 1 - top / self._height, letter, fontsize=10, fontweight="bold", **place)
        self.figure.text((left + 0.17) / PAGE, 1 - (top + 0.02) / self._height, text, fontsize=8, **place)


def draw(members: Sequence[Member]) -> Figure:
    """The figure of one or two systems."""
    side = (PAGE - 2 * _MARGIN - 2 * _GAP) / 3
    columns = [_MARGIN + k * (side + _GAP) for k in range(3)]
    row, plots = side + _TITLE + _GAP, 2.15
    has_path = [member for member in members if member.scene.lithium is not None]
    tops = [_MARGIN, _MARGIN + row, _MARGIN + row + plots + 0.1]
    flat_row = _FLAT * side + _TITLE + _GAP
    sheet = _Sheet(tops[2] + flat_row * len(has_path) + 0.32)
    last = members[-1]
    boxes = [(member.label, picture_of_box(member.scene)) for member in members]
    pictures = [*boxes, (f"{last.label.split(',')[0]}: blocks of the chains", picture_of_domains(last.scene))]
    letters = iter("abcdefgh")
    for left, (title, (picture, half)) in zip(columns, pictures, strict=False):
        sheet.heading(next(letters), title, left, tops[0])
        _show(sheet.axes(left, tops[0] + _TITLE, side, side), picture, half)
    for left, member in zip(columns, members, strict=False):
        sheet.heading(next(letters), member.label, left, tops[1])
        _rdf(sheet.axes(left + 0.46, tops[1] + _TITLE, side - 0.54, plots - _TITLE - 0.45), member)
    left = columns[len(members)]
    sheet.heading(next(letters), "mean-square displacement", left, tops[1])
    _msd(sheet.axes(left + 0.47, tops[1] + _TITLE, side - 0.5, plots - _TITLE - 0.45), members)
    for number, member in enumerate(has_path):
        top = tops[2] + number * flat_row
        letter = next(letters)
        for k, (left, frame) in enumerate(zip(columns, member.scene.frames, strict=False)):
            time = _time(frame.time_ps, member.scene.frames[-1].time_ps)
            sheet.heading(letter if not k else "", f"{member.label}, {time}" if not k else time, left, top)
            _show(sheet.axes(left, top + _TITLE, side, _FLAT * side), *picture_of_lithium(member.scene, k), _FLAT)
    _key(sheet, members, has_path)
    return sheet.figure


def _key(sheet: _Sheet, members: Sequence[Member], has_path: Sequence[Member]) -> None:
    """Legend for group colours and the path's time, at the foot."""
    found = {
        label: (colour, size)
        for member in members
        for label, colour, size in zip(member.scene.labels, member.scene.colours, member.scene.sphere_nm, strict=True)
    }
    order = [style.colour for style in pic.STYLES.values()]
    handles = [
        Line2D([], [], marker="o", linestyle="none", color=colour, markeredgecolor="0.3", markeredgewidth=0.4,
               markersize=22 * float(size) ** 0.5, label=label)
        for label, (colour, size) in sorted(found.items(), key=lambda item: order.index(item[1][0]))
    ]  # fmt: skip
    height = sheet.figure.get_size_inches()[1]
    sheet.figure.legend(
        handles=handles, loc="lower left", ncols=6, bbox_to_anchor=(0.0, 0.0), handletextpad=0.3, columnspacing=1.2
    )
    if has_path:
        bar = sheet.figure.add_axes((0.72, 0.17 / height, 0.25, 0.07 / height))
        sheet.figure.colorbar(
            ScalarMappable(Normalize(0, 1), PATH_COLOURS), cax=bar, orientation="horizontal", ticks=[0, 1]
        )
        bar.set_xticks([0, 1], ["start", "end"], fontsize=6.5)
        bar.tick_params(length=0, pad=1)
        sheet.figure.text(0.71, 0.17 / height, "path of Li", ha="right", va="bottom", fontsize=7)


def figure_paper(table: Path, analyses: Sequence[Path], out_stem: Path, labels: Labels = UNLABELLED) -> Files:
    """Draw one or two systems, given their `analysis` folders and the sweep table `table`.

    Returns SVG, PDF and PNG. Raises DataError for files that cannot be read.
    """
    members = [read_member(table, analysis, labels) for analysis in analyses]
    with drawing():
        return save(draw(members), out_stem, PAPER_FORMATS)
