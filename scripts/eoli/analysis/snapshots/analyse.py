"""Snapshots: structure files, a picture and a scene of start, middle and end of a run, with the path of one Li."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from eoli.analysis.snapshots import pictures as pic
from eoli.analysis.snapshots.scene import PATH_COLOURS, Follow, Snapshot, group_labels, scene
from eoli.core.arrays import Floats, Indices
from eoli.core.files import whole
from eoli.errors import DataError
from eoli.study.criteria import SnapshotsCriteria
from eoli.topology.description import SystemDescription, read_description
from eoli.topology.selections import binding_partners
from eoli.trajectory.store import Reduced, open_reduced
from eoli.trajectory.unwrap import may_fold, unwrap_and_largest_step

MOMENTS = ("start", "middle", "end")

_OF_SLOW = ("positions", "box")
_PATH_POINTS = 300
_NEAR_NM = 0.55
_PIXELS = 720
_DPI = 300
_ROTATION = pic.rotation(-24.0, 16.0)
_BOX_COLOUR, _CONTACT_COLOUR = "#404040", "#101010"
_EDGE_NM, _FOLLOWED_NM, _BOUND_NM, _PATH_NM, _CONTACT_NM = 0.018, 0.1, 0.08, 0.018, 0.014
_HALO_PIXELS = 4
_THICKER, _THINNER = 1.4, 0.55
_STYLE: Any = {"font.size": 7, "axes.titlesize": 7, "legend.fontsize": 7, "legend.frameon": False}


def read_snapshots(reduced: Reduced) -> tuple[Snapshot, Snapshot, Snapshot]:
    """First, middle and last frame of the slow cadence.

    Raises DataError if it has fewer than three frames.
    """
    n_frames, interval_ps = reduced.n_frames("slow"), reduced.interval_ps("slow")
    if n_frames < 3:
        raise DataError(f"{reduced.path}: {n_frames} frames of all sites; start, middle and end need 3")
    start, middle, end = (
        Snapshot(number * interval_ps, *(reduced.frame(f"slow/{of}", number).astype(np.float64) for of in _OF_SLOW))
        for number in (0, (n_frames - 1) // 2, n_frames - 1)
    )
    return start, middle, end


def read_farthest_lithium(reduced: Reduced, system: SystemDescription, snapshots: Sequence[Snapshot]) -> Follow | None:
    """The lithium farthest from its start at the last snapshot; None without lithium.

    None, too, if frames are so far apart that its path across the box faces is unknown. Its path holds about
    `_PATH_POINTS` equidistant frames, including those of the snapshots.
    """
    if not reduced.has("motion/lithium"):
        return None
    paths, largest = unwrap_and_largest_step(reduced.array("motion/lithium"), reduced.array("motion/box"))
    if may_fold(largest, paths.shape):
        return None
    interval_ps = reduced.interval_ps("motion")
    ends = [min(round(snapshot.time_ps / interval_ps), len(paths) - 1) for snapshot in snapshots]
    number = int(np.argmax(np.linalg.norm(paths[ends[-1]] - paths[0], axis=-1)))
    kept = np.union1d(np.arange(0, ends[-1] + 1, max(1, ends[-1] // _PATH_POINTS)), ends)
    return Follow(
        number, int(system.with_role("Li")[number]), kept * interval_ps, paths[kept, number],
        np.searchsorted(kept, ends, side="right"),
    )  # fmt: skip


def from_site(snapshot: Snapshot, site: int) -> Floats:
    """Minimum images of the vectors from a site to all sites, nm, (sites, 3)."""
    vectors = snapshot.positions - snapshot.positions[site]
    return np.asarray(vectors - snapshot.box * np.round(vectors / snapshot.box))


def bound_sites(system: SystemDescription, snapshot: Snapshot, site: int, cutoffs_nm: Mapping[str, float]) -> Indices:
    """Sites that bind the lithium `site`: within the cut-off of their kind, by the names of `analyse_structure`."""
    reach = np.zeros(system.n_sites)
    for name, sites in binding_partners(system).items():
        reach[sites] = cutoffs_nm.get(name, 0.0)
    return np.flatnonzero(np.linalg.norm(from_site(snapshot, site), axis=1) < reach)


def centred_on_path(snapshots: Sequence[Snapshot], follow: Follow) -> tuple[list[Snapshot], Follow]:
    """The same frames, shifted so that path and lithium agree and the middle of the path is that of the first box.

    A wrapped site is not always a whole number of boxes from its unwrapped place when the box breathes.
    """
    middle = (follow.path.min(axis=0) + follow.path.max(axis=0)) / 2 - snapshots[0].box / 2
    path = follow.path - middle
    shifted = [
        Snapshot(s.time_ps, s.positions - s.positions[follow.site] + path[until - 1], s.box)
        for s, until in zip(snapshots, follow.until, strict=True)
    ]
    return shifted, Follow(follow.number, follow.site, follow.times_ps, path, follow.until)


def _highlights(
    system: SystemDescription, snapshot: Snapshot, follow: Follow, until: int, cutoffs_nm: Mapping[str, float]
) -> pic.Bodies:  # fmt: skip
    """The lithium with its path so far, and its binding sites."""
    lithium = snapshot.positions[follow.site]
    bound = bound_sites(system, snapshot, follow.site, cutoffs_nm)
    vectors = from_site(snapshot, follow.site)[bound]
    colours = np.array([pic.rgb(pic.STYLES[name].colour) for name in pic.groups_of_sites(system)[bound]]).reshape(-1, 3)
    times = follow.times_ps[:until] / max(follow.times_ps[-1], 1e-9)
    contacts = pic.Bodies(
        np.broadcast_to(lithium, vectors.shape), lithium + vectors, np.full(len(bound), _CONTACT_NM),
        np.broadcast_to(pic.rgb(_CONTACT_COLOUR), vectors.shape),
    )  # fmt: skip
    return (
        pic.spheres(lithium[None], _FOLLOWED_NM, pic.rgb(pic.STYLES["Li"].colour))
        + pic.spheres(lithium + vectors, _BOUND_NM, colours)
        + contacts
        + pic.tubes(follow.path[:until], _PATH_NM, PATH_COLOURS(times)[:, :3])
    )


def time_label(time_ps: float, length_ps: float) -> str:
    """A time in ps, or in ns if the run has at least one."""
    return f"{time_ps / 1000:.4g} ns" if length_ps >= 1000 else f"{time_ps:.4g} ps"


def _close_view(follow: Follow) -> pic.View:
    """The whole path, and the surroundings of the lithium along it."""
    centre = (follow.path.min(axis=0) + follow.path.max(axis=0)) / 2
    reach = float(np.abs((follow.path - centre) @ _ROTATION.T).max()) + _NEAR_NM
    return pic.View(centre, _ROTATION, reach, _PIXELS, 0.3 * reach, 1.5 * reach)


def _show(axes: Axes, picture: npt.NDArray[np.float32], view: pic.View) -> None:
    half = view.half_width_nm
    axes.imshow(picture[..., :3], extent=(-half, half, -half, half), interpolation="none")
    length = 1.0 if half > 1.5 else 0.2
    x, y = -0.97 * half, -0.93 * half
    axes.plot([x, x + length], [y, y], color="black", linewidth=1.5, solid_capstyle="butt")
    axes.text(x, y + 0.02 * half, f"{length:g} nm", va="bottom")
    axes.set(xlim=(-half, half), ylim=(-half, half))
    axes.set_axis_off()


def _handles(system: SystemDescription, followed: bool) -> list[Line2D]:
    handles = [
        Line2D([], [], marker="o", linestyle="none", color=pic.STYLES[name].colour, markeredgecolor="0.3",
               markeredgewidth=0.4, markersize=22 * pic.STYLES[name].sphere_nm**0.5, label=label)
        for name, label in group_labels(system).items()
    ]  # fmt: skip
    if followed:
        handles.append(Line2D([], [], color=_CONTACT_COLOUR, linewidth=1.2, label="binds the followed Li"))
    return handles


def draw(
    system: SystemDescription, name: str, snapshots: Sequence[Snapshot], follow: Follow | None,
    cutoffs_nm: Mapping[str, float],
) -> Figure:  # fmt: skip
    """The snapshots side by side: the whole box, and below it the surroundings of the followed lithium, if any.

    In the upper row the lithium, its path and its binding sites are drawn thicker and on top. The panels of a row share
    one scale.
    """
    if follow is not None:
        snapshots, follow = centred_on_path(snapshots, follow)
    length_ps = snapshots[-1].time_ps
    rows, side, head, gap, foot = (1 if follow is None else 2), _PIXELS / _DPI, 0.45, 0.25, 0.5
    width, height = len(snapshots) * side, head + rows * side + (rows - 1) * gap + foot
    figure = Figure(figsize=(width, height), dpi=_DPI)
    FigureCanvasAgg(figure)

    def panel(row: int, column: int) -> Axes:
        bottom = foot + (rows - 1 - row) * (side + gap)
        return figure.add_axes((column * side / width, bottom / height, side / width, side / height))

    half_width = 1.1 * max(float((np.abs(_ROTATION[:2]) @ s.box / 2).max()) for s in snapshots)
    for column, snapshot in enumerate(snapshots):
        box, axes = snapshot.box, panel(0, column)
        depth = float(np.abs(_ROTATION[2]) @ box / 2)
        view = pic.View(box / 2, _ROTATION, half_width, _PIXELS, depth, depth)
        wrapped = snapshot.positions - box * np.floor(snapshot.positions / box)
        bodies = pic.matter(system, wrapped, box, np.ones(system.n_sites, dtype=np.bool_))
        picture = pic.render(bodies + pic.box_edges(box, _EDGE_NM, _BOX_COLOUR), view)
        if follow is not None:
            highlights = _highlights(system, snapshot, follow, int(follow.until[column]), cutoffs_nm)
            above = pic.render(highlights.scaled(_THICKER), replace(view, fade=0.0))
            picture = pic.on_top(picture, above, _HALO_PIXELS)
            vectors = from_site(snapshot, follow.site)
            near = np.linalg.norm(vectors, axis=1) < _NEAR_NM
            around = pic.matter(system, snapshot.positions[follow.site] + vectors, box, near)
            close = _close_view(follow)
            _show(panel(1, column), pic.render(around.scaled(_THINNER) + highlights, close), close)
        _show(axes, picture, view)
        axes.set_title(time_label(snapshot.time_ps, length_ps), pad=1)
    figure.text(0.5, 1 - 0.07 / height, name, ha="center", va="top", fontsize=9)
    figure.legend(
        handles=_handles(system, follow is not None), loc="center left", ncols=7,
        bbox_to_anchor=(0.0, 0.5 * foot / height), handletextpad=0.3, columnspacing=1.2,
    )  # fmt: skip
    if follow is not None:
        total = len(system.with_role("Li"))
        moved = float(np.linalg.norm(follow.path[-1] - follow.path[0]))
        figure.text(
            0.5, (foot + side + 0.5 * gap) / height, ha="center", va="center",
            s=f"Li {follow.number + 1} of {total}, ringed in white, ended farthest from its start ({moved:.2f} nm); "
            f"below: the sites within {_NEAR_NM:g} nm of it",
        )  # fmt: skip
        shown, unit = (length_ps / 1000, "ns") if length_ps >= 1000 else (length_ps, "ps")
        bar = figure.add_axes((0.72, 0.24 / height, 0.25, 0.08 / height))
        figure.colorbar(ScalarMappable(Normalize(0, shown), PATH_COLOURS), cax=bar, orientation="horizontal")
        bar.set_title(f"path of the followed Li: time ({unit})", pad=2)
    return figure


def scene_of(
    system: SystemDescription, snapshots: Sequence[Snapshot], follow: Follow | None, cutoffs_nm: Mapping[str, float]
) -> dict[str, Any]:
    """The data of the 3D viewer: the frames as `draw` shows them, labelled by moment and time."""
    partners: list[Indices] = []
    if follow is not None:
        partners = [bound_sites(system, snapshot, follow.site, cutoffs_nm) for snapshot in snapshots]
        snapshots, follow = centred_on_path(snapshots, follow)
    times = [time_label(snapshot.time_ps, snapshots[-1].time_ps) for snapshot in snapshots]
    labels = [f"{moment}, {time}" for moment, time in zip(MOMENTS, times, strict=True)]
    return scene(system, dict(zip(labels, snapshots, strict=True)), follow, partners)


def analyse_snapshots(reduced: Path, description: Path, criteria: SnapshotsCriteria, *files: Path) -> None:
    """Structures of start, middle and end (PDB), a picture (PNG) and a scene (JSON) as `files` in order, all or none.

    The moments are frames of the slow cadence. In the structure files molecules are whole, with their centres of mass
    in the box; the scene is what the report page draws in 3D. A kind of site without a contact distance binds nothing.
    Raises DataError for files that cannot be read or do not belong together, and for a run with fewer than three frames
    of all sites.
    """
    described, cutoffs_nm = read_description(description), criteria.contact_nm
    with open_reduced(reduced, described) as opened:
        snapshots = read_snapshots(opened)
        follow = read_farthest_lithium(opened, described, snapshots)
    *structures, picture, scene_json = files
    with ExitStack() as stack:
        temporary = {path: stack.enter_context(whole(path)) for path in (*structures, picture, scene_json)}
        for path, snapshot in zip(structures, snapshots, strict=True):
            placed = pic.whole_molecules(described, snapshot.positions, snapshot.box)
            title = f"{criteria.system}, {time_label(snapshot.time_ps, snapshots[-1].time_ps)}"
            temporary[path].write_text(pic.pdb_text(described, placed, snapshot.box, title), encoding="ascii")
        with mpl.rc_context(_STYLE):
            figure = draw(described, criteria.system, snapshots, follow, cutoffs_nm)
            figure.savefig(temporary[picture], dpi=_DPI, metadata={"Software": None})
        # on one line: a line per number would make it several times as large
        data = json.dumps(scene_of(described, snapshots, follow, cutoffs_nm), separators=(",", ":"), sort_keys=True)
        temporary[scene_json].write_text(data + "\n", encoding="ascii")
