"""The data of the 3D viewer, read back as the viewer reads it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from eoli.analysis.snapshots import pictures as pic
from eoli.analysis.snapshots.scene import Follow, Snapshot, read_scene, scene
from eoli.forcefield.library import Library
from eoli.forcefield.models import Contents
from eoli.topology.build import describe
from eoli.topology.description import SystemDescription
from eoli.topology.gromos import Gromos54A7
from support import choice

Make = Callable[..., SystemDescription]


@pytest.fixture
def make(blocks: Library, forcefield: Gromos54A7) -> Make:
    def system(polymer: str = "pebax", salt: int = 3, chains: int = 3) -> SystemDescription:
        return describe(Contents.of(polymer, chains, "litfsi" if salt else "none", salt), choice(), blocks, forcefield)

    return system


def frames(system: SystemDescription, n: int = 3) -> dict[str, Snapshot]:
    rng = np.random.default_rng(4)
    edges = np.array([3.0, 3.5, 4.0])
    return {
        f"frame {k}": Snapshot(5.0 * k, rng.uniform(-1, 2, (system.n_sites, 3)) * edges, edges + 0.01 * k)
        for k in range(n)
    }


def walk(system: SystemDescription) -> Follow:
    path = np.random.default_rng(5).normal(0, 0.05, (21, 3)).cumsum(axis=0)
    return Follow(1, int(system.with_role("Li")[1]), np.linspace(0, 10, 21), path, np.array([1, 11, 21]))


def positions(frame: dict[str, Any]) -> np.ndarray:
    """Positions of a frame as the viewer decodes them."""
    steps = np.frombuffer(base64.b64decode(frame["positions"]), dtype="<u2").reshape(-1, 3)
    return np.asarray(steps / 65536 * np.array(frame["box_nm"]))


def expanded(data: dict[str, Any]) -> tuple[list[str], list[list[int]]]:
    """Group name of every site and all bonds, as the viewer counts molecules."""
    names, bonds = [], []
    for molecule in data["molecules"]:
        for _ in range(molecule["count"]):
            bonds += [[len(names) + a, len(names) + b] for a, b in molecule["bonds"]]
            names += [data["groups"][group]["name"] for group in molecule["groups"]]
    return names, bonds


def test_sites_bonds_and_positions_come_back(make: Make) -> None:
    system = make()
    given = frames(system)
    data = json.loads(json.dumps(scene(system, given, None, [])))
    names, bonds = expanded(data)
    assert names == pic.groups_of_sites(system).tolist()
    assert bonds == system.bonds().tolist()
    for frame, (label, snapshot) in zip(data["frames"], given.items(), strict=True):
        assert (frame["label"], frame["time_ps"]) == (label, snapshot.time_ps)
        np.testing.assert_allclose(frame["box_nm"], snapshot.box, atol=1e-5)
        found = positions(frame)
        assert (found >= 0).all() and (found < snapshot.box).all()
        offsets = (found - snapshot.positions) / snapshot.box
        assert np.abs(offsets - np.round(offsets)).max() < 1 / 65536


@pytest.mark.parametrize("fraction", [-1e-9, 0.0, 1.0, 1 - 1e-9, 2.0])
def test_the_boundary_is_inside(make: Make, fraction: float) -> None:
    system = make()
    box = np.array([3.0, 3.1, 3.2])
    frame = Snapshot(0.0, np.full((system.n_sites, 3), fraction) * box, box)
    assert (positions(scene(system, {"one": frame}, None, [])["frames"][0]) == 0).all()


def test_the_lithium_that_is_followed(make: Make) -> None:
    system = make()
    follow = walk(system)
    partners = [np.array([3, 4]), np.array([], dtype=np.int64), np.array([7])]
    found = json.loads(json.dumps(scene(system, frames(system), follow, partners)))["lithium"]
    assert (found["number"], found["total"], found["site"]) == (2, 3, system.with_role("Li")[1])
    assert (found["until"], found["partners"]) == ([1, 11, 21], [[3, 4], [], [7]])
    np.testing.assert_allclose(found["path_nm"], follow.path, atol=1e-4)
    np.testing.assert_allclose(found["times_ps"], follow.times_ps)
    assert (found["path_colours"][0], found["path_colours"][-1]) == ("#440154", "#fde725")


def test_a_scene_is_read_back(make: Make) -> None:
    system = make()
    given, follow = frames(system), walk(system)
    partners = [np.array([4, 7]), np.array([], dtype=np.int64), np.array([1])]
    found = read_scene(json.loads(json.dumps(scene(system, given, follow, partners))))
    assert [found.names[k] for k in found.group] == list(pic.groups_of_sites(system))
    np.testing.assert_array_equal(found.bonds, system.bonds())
    for frame, snapshot in zip(found.frames, given.values(), strict=True):
        away = (frame.positions - snapshot.positions) / snapshot.box
        assert np.abs(away - np.round(away)).max() < 1 / 65536 and frame.time_ps == snapshot.time_ps
    assert found.lithium is not None and found.lithium.until == (1, 11, 21)
    np.testing.assert_allclose(found.lithium.points, follow.path, atol=1e-4)
    assert [list(sites) for sites in found.lithium.partners] == [[4, 7], [], [1]]
    assert read_scene(scene(make(salt=0), frames(make(salt=0)), None, [])).lithium is None


@pytest.mark.parametrize(
    ("contents", "label"),
    [
        (Contents.of("pebax", 2, "litfsi", 2), "rest of the chains"),
        (Contents.of("ptmo", 2, "litfsi", 2), "chains"),
        (Contents.of("ptmo", 2, "litfsi", 2, (("dme", 3),)), "chains and DME"),
    ],
)
def test_sites_of_no_colour_of_their_own_are_called_what_they_are(
    contents: Contents, label: str, blocks: Library, forcefield: Gromos54A7
) -> None:
    groups = scene(describe(contents, choice(), blocks, forcefield), {}, None, [])["groups"]
    assert [group["label"] for group in groups if group["name"] == "other"] == [label]


@pytest.mark.parametrize(
    ("polymer", "salt", "names"),
    [("pebax", 3, ["PEO", "PA", "Li", "TFSI"]), ("peo", 0, ["PEO"]), ("pebax", 0, ["PEO", "PA"])],
)
def test_groups_are_those_of_the_system_in_the_colours_of_the_pictures(
    make: Make, polymer: str, salt: int, names: list[str]
) -> None:
    data = scene(make(polymer, salt), {}, None, [])
    groups = data["groups"]
    assert [group["label"] for group in groups if group["name"] != "other"] == names
    assert {group["name"]: group["colour"] for group in groups} == {
        group["name"]: pic.STYLES[group["name"]].colour for group in groups
    }
    assert [group["sphere_nm"] for group in groups] == [pic.STYLES[group["name"]].sphere_nm for group in groups]
    assert "lithium" not in data


def test_a_usual_system_takes_little_room(make: Make) -> None:
    system = make(salt=50, chains=25)
    assert system.n_sites > 4000
    times = np.linspace(0, 1e5, 303)
    path = np.random.default_rng(1).normal(0, 0.1, (303, 3)).cumsum(axis=0)
    follow = Follow(0, int(system.with_role("Li")[0]), times, path, np.array([1, 152, 303]))
    data = scene(system, frames(system), follow, [np.arange(6)] * 3)
    assert len(json.dumps(data, separators=(",", ":"))) < 130_000
