"""Compact data of the 3D viewer: a few frames of all sites and the path of one lithium."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex

from eoli.analysis.snapshots.pictures import STYLES, groups_of_sites
from eoli.core.arrays import Floats, Indices
from eoli.core.files import read_json
from eoli.core.text import printable
from eoli.errors import DataError
from eoli.topology.description import SystemDescription

PATH_COLOURS = mpl.colormaps["viridis"]
"""Colours of a path by time."""

_STEPS = 2**16
_MOST_SITES = 10**8
_PATH_COLOURS = 9


@dataclass(frozen=True)
class Snapshot:
    """A frame: time, ps, wrapped positions (sites, 3) and box edges (3,), nm."""

    time_ps: float
    positions: Floats
    box: Floats


@dataclass(frozen=True)
class Follow:
    """A lithium and its path: its number, its site, times (n,), ps, and points (n, 3), nm, unwrapped.

    `until` (snapshots,) counts the points up to each snapshot.
    """

    number: int
    site: int
    times_ps: Floats
    path: Floats
    until: Indices


@dataclass(frozen=True)
class ScenePath:
    """The followed lithium: its site, times (n,), ps, unwrapped points (n, 3), nm, and per frame the number of points
    so far and its binding sites."""

    site: int
    times_ps: Floats
    points: Floats
    until: tuple[int, ...]
    partners: tuple[Indices, ...]


@dataclass(frozen=True)
class Scene:
    """A scene as read from its file: names, labels and looks of groups, group of each site, bonds (n, 2), frames."""

    names: tuple[str, ...]
    labels: tuple[str, ...]
    colours: tuple[str, ...]
    sphere_nm: Floats
    stick_nm: Floats
    group: Indices
    bonds: Indices
    frames: tuple[Snapshot, ...]
    lithium: ScenePath | None


def _indices(values: Sequence[int], below: int, what: str) -> Sequence[int]:
    """Whole numbers from 0 to `below`. Raises ValueError for any other."""
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < below:
            raise ValueError(f"{what} {value!r} is none of {below}")
    return values


def _check(data: Mapping[str, Any]) -> None:
    """Check that groups, molecules, frames and path belong together. Raises ValueError, KeyError or TypeError."""
    for group in data["groups"]:
        if not re.fullmatch(r"#[0-9A-Fa-f]{6}", group["colour"]) or not (group["sphere_nm"] > 0 < group["stick_nm"]):
            raise ValueError(f"group {group['name']!r} has no colour or no size")
    sites = 0
    for molecule in data["molecules"]:
        one = len(_indices(molecule["groups"], len(data["groups"]), "group"))
        sites += one * _indices([molecule["count"]], _MOST_SITES, "count")[0]
        for bond in molecule["bonds"]:
            if len(_indices(bond, one, "bonded site")) != 2:
                raise ValueError(f"bond {bond!r} has not two ends")
    for frame in data["frames"]:
        if len(base64.b64decode(frame["positions"], validate=True)) != 6 * sites:
            raise ValueError(f"frame {frame['label']!r} has not the positions of {sites} sites")
        if len(frame["box_nm"]) != 3 or not all(edge > 0 for edge in frame["box_nm"]):
            raise ValueError(f"frame {frame['label']!r} has no box")
    if not data["frames"]:
        raise ValueError("no frame")
    if path := data.get("lithium"):
        _indices([path["site"]], sites, "site")
        for until in _indices(path["until"], len(path["path_nm"]) + 1, "point of the path"):
            if not until:
                raise ValueError("a path without points")
        for partners in path["partners"]:
            _indices(partners, sites, "partner")
        numbers = len(path["until"]), len(path["partners"]), len(data["frames"])
        if len(set(numbers)) > 1 or len(path["times_ps"]) != len(path["path_nm"]):
            raise ValueError("a path that is not that of its frames")


def load_scene(path: Path) -> tuple[dict[str, Any], Scene]:
    """The JSON data of a `scene` file, and the scene. Raises DataError for a file that is no scene."""
    data = read_json(path)
    try:
        return data, read_scene(data)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        why = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{path}: no scene: {printable(why)}") from None


def read_scene(data: Mapping[str, Any]) -> Scene:
    """The scene from JSON data made by `scene`; positions are accurate to 1/65536 of the box edges.

    Raises ValueError, KeyError or TypeError for other data.
    """
    _check(data)
    group: list[int] = []
    bonds: list[tuple[int, int]] = []
    for molecule in data["molecules"]:
        for _ in range(molecule["count"]):
            bonds += [(len(group) + a, len(group) + b) for a, b in molecule["bonds"]]
            group += molecule["groups"]
    frames = []
    for entry in data["frames"]:
        steps = np.frombuffer(base64.b64decode(entry["positions"]), dtype="<u2").reshape(-1, 3)
        box = np.array(entry["box_nm"], dtype=np.float64)
        frames.append(Snapshot(float(entry["time_ps"]), steps / _STEPS * box, box))
    path = None
    if found := data.get("lithium"):
        partners = tuple(np.array(sites, dtype=np.int64) for sites in found["partners"])
        points = np.array(found["path_nm"], dtype=np.float64).reshape(-1, 3)
        path = ScenePath(found["site"], np.array(found["times_ps"]), points, tuple(found["until"]), partners)
    groups = data["groups"]
    return Scene(
        tuple(g["name"] for g in groups), tuple(g["label"] for g in groups), tuple(g["colour"] for g in groups),
        np.array([g["sphere_nm"] for g in groups]), np.array([g["stick_nm"] for g in groups]),
        np.array(group, dtype=np.int64), np.array(bonds, dtype=np.int64).reshape(-1, 2), tuple(frames), path,
    )  # fmt: skip


def group_labels(system: SystemDescription) -> dict[str, str]:
    """Labels of the `STYLES` groups that the system has, in order."""
    names = groups_of_sites(system)
    present = set(names)

    def types(kind: str) -> list[str]:
        return [molecule.name for molecule, _ in system.types_of(kind)]

    grey = (names[system.sites_of("polymer")] == "other").any()
    chains = ["rest of the chains" if present & {"PEO", "PA"} else "chains"] if grey else []
    labels = {"PEO": "PEO", "PA": "PA", "other": " and ".join([*chains, *types("solvent")]), "Li": "Li"}
    return {name: label for name, label in {**labels, "anion": "+".join(types("anion"))}.items() if name in present}


def _fractions(positions: Floats, box: Floats) -> str:
    """Positions (sites, 3) as fractions of the box edges in steps of 1/65536: little-endian 16-bit numbers, base64."""
    steps = np.round(positions / box * _STEPS).astype(np.int64) % _STEPS
    return base64.b64encode(steps.astype("<u2").tobytes()).decode("ascii")


def _molecules(system: SystemDescription, groups: Sequence[str]) -> list[dict[str, Any]]:
    """Per type of molecule: count, and for one molecule the group number of each site and the bonded pairs."""
    of_site, found = groups_of_sites(system), []
    for molecule, sites in system.parts():
        one = [groups.index(str(name)) for name in of_site[sites[0]]]
        found.append({"count": len(sites), "groups": one, "bonds": molecule.bonded.tolist()})
    return found


def scene(
    system: SystemDescription, frames: Mapping[str, Snapshot], follow: Follow | None, partners: Sequence[Indices]
) -> dict[str, Any]:
    """What `viewer.js` draws, as JSON data.

    `frames` by their labels; `partners` are the binding sites of the followed lithium per frame. Positions are wrapped
    into the box, to 1/65536 of its edges. Keys: `groups` (label, colour, radii), `molecules` in topology order (count;
    of one molecule the group of each site and the bonds), `frames` (label, time, box edges, positions), and `lithium`
    where one is followed: its number (from 1), how many there are, its site, the times and points of its unwrapped path
    in the coordinates of the frames, and by frame the points up to it and the partners.
    """
    labels = group_labels(system)
    data: dict[str, Any] = {
        "groups": [{"name": name, "label": label, **asdict(STYLES[name])} for name, label in labels.items()],
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
