"""The data of the 3D viewer: a few frames of all sites and the path of one lithium, in little room."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.colors import to_hex

from eoli.analysis.pictures import STYLES, groups_of_sites
from eoli.topology.description import SystemDescription

if TYPE_CHECKING:
    # the job that makes snapshots also writes their scene
    from eoli.jobs.snapshots import Follow, Snapshot

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

PATH_COLOURS = mpl.colormaps["viridis"]
"""Colours of a path by time."""

_STEPS = 2**16
_PATH_COLOURS = 9
_LABELS = {"PEO": "PEO", "PA": "PA", "other": "rest of the chains", "Li": "Li"}


def group_labels(system: SystemDescription) -> dict[str, str]:
    """What the groups of `STYLES` that the system has are called, in their order."""
    present = set(groups_of_sites(system))
    anion = next((entry.molecule.name for entry in system.molecules if entry.molecule.kind == "anion"), "")
    return {name: label for name, label in {**_LABELS, "anion": anion}.items() if name in present}


def _fractions(positions: Floats, box: Floats) -> str:
    """Positions (sites, 3) as fractions of the box edges in steps of 1/65536: little-endian 16-bit numbers, base64."""
    steps = np.round(positions / box * _STEPS).astype(np.int64) % _STEPS
    return base64.b64encode(steps.astype("<u2").tobytes()).decode("ascii")


def _molecules(system: SystemDescription, groups: Sequence[str]) -> list[dict[str, Any]]:
    """Count, and of one molecule the group number of each site and the bonded pairs, by type of molecule."""
    of_site, start, found = groups_of_sites(system), 0, []
    for entry in system.molecules:
        size = len(entry.molecule.sites)
        one = [groups.index(str(name)) for name in of_site[start : start + size]]
        found.append(
            {"count": entry.count, "groups": one, "bonds": [list(term.sites) for term in entry.molecule.bonds]}
        )
        start += entry.count * size
    return found


def scene(
    system: SystemDescription, frames: Mapping[str, Snapshot], follow: Follow | None, partners: Sequence[Indices]
) -> dict[str, Any]:
    """What `viewer.js` draws, as JSON data.

    `frames` by their labels; `partners` are the sites that bind the followed lithium in each of them. Positions are
    wrapped into the box, to 1/65536 of its edges. Keys: `groups` (label, colour, radii), `molecules` in topology order
    (count; of one molecule the group of each site and the bonds), `frames` (label, time, box edges, positions), and
    `lithium` where one is followed: its number (from 1), how many there are, its site, the times and points of its
    unwrapped path in the coordinates of the frames, and by frame the points up to it and the partners.
    """
    labels = group_labels(system)
    data: dict[str, Any] = {
        "groups": [
            {
                "name": name,
                "label": label,
                "colour": STYLES[name].colour,
                "sphere_nm": STYLES[name].sphere_nm,
                "stick_nm": STYLES[name].stick_nm,
            }
            for name, label in labels.items()
        ],
        "molecules": _molecules(system, list(labels)),
        "frames": [
            {
                "label": label,
                "time_ps": round(frame.time_ps, 6),
                "box_nm": np.round(frame.box, 5).tolist(),
                "positions": _fractions(frame.positions, frame.box),
            }
            for label, frame in frames.items()
        ],
    }
    if follow is not None:
        data["lithium"] = {
            "number": follow.number + 1,
            "total": len(system.with_role("Li")),
            "site": follow.site,
            "times_ps": np.round(follow.times_ps, 6).tolist(),
            "path_nm": np.round(follow.path, 4).tolist(),
            "until": follow.until.tolist(),
            "partners": [found.tolist() for found in partners],
            "path_colours": [to_hex(PATH_COLOURS(k / (_PATH_COLOURS - 1))) for k in range(_PATH_COLOURS)],
        }
    return data
