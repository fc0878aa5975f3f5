"""The 3D viewer in a real browser: what it draws against geometry, its controls, and what may happen around it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import matplotlib.image as mpl_image
import numpy as np
import pytest
from patience import LIMIT_MS, settle

from eoli.analysis.snapshots import pictures as pic
from eoli.analysis.snapshots.analyse import scene_of
from eoli.analysis.snapshots.scene import Follow, Snapshot
from eoli.topology.description import MoleculeCount, SystemDescription
from eoli.topology.molecule import Molecule, Site, Term
from support import choice, until

pytestmark = pytest.mark.browser

BOX = np.full(3, 3.0)
CENTRE = BOX / 2
TO_VIEWER = pic.rotation(-24.0, 16.0)[2]
RIGHT = pic.rotation(-24.0, 16.0)[0]
HALF_NM = 0.95 * np.linalg.norm(BOX) / 2
"""Half the height of the canvas at the distance of the centre."""


@dataclass
class Opened:
    """A page with a viewer, and what its console and network said."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def run(self, script: str) -> Any:
        return self.page.evaluate(script)

    def still(self) -> None:
        """Wait until nothing more is drawn, which comes about only where it is drawn on demand."""
        settle(self.page, "viewer.pictures")

    def picture(self) -> np.ndarray:
        """The canvas (height, width, 3), fully drawn, in numbers from 0 to 1."""
        settle(self.page, frames=2)
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name="Save PNG").click()
        return np.asarray(mpl_image.imread(io.BytesIO(Path(download.value.path()).read_bytes())))[..., :3]

    def share(self, colour: str) -> float:
        return share(self.picture(), colour)


Open = Callable[..., Opened]


def share(picture: np.ndarray, colour: str) -> float:
    """Share of the pixels with nearly the hue of a colour, and strong."""
    wanted = pic.rgb(colour) - pic.rgb(colour).mean()
    found = picture - picture.mean(axis=-1, keepdims=True)
    size = np.linalg.norm(found, axis=-1)
    return float(((found @ wanted > 0.97 * size * np.linalg.norm(wanted)) & (size > 0.15)).mean())


def covered(picture: np.ndarray) -> np.ndarray:
    """Which pixels differ from the background, that of the corner."""
    return (np.abs(picture - picture[0, 0]) > 0.02).any(axis=-1)


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """A page of a size with a viewer of a scene and nothing else."""
    contexts = []

    def opened(data: dict[str, Any], size: tuple[int, int] = (320, 480), before: str = "", **more: Any) -> Opened:
        static = resources.files("eoli.report").joinpath("static")
        script, style = (static.joinpath(f"viewer.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
        page_path = tmp_path / "viewer.html"
        page_path.write_text(
            f"<!doctype html><html lang=en><meta charset=utf-8><title>A viewer</title>"
            f"<meta name=viewport content='width=device-width, initial-scale=1'><style>body{{margin:8px}}{style}</style>"
            f"<main><h1>A viewer</h1><div id=place></div></main><script>{script}</script><script>"
            f"window.viewer = EoliViewer.create(document.getElementById('place'), {json.dumps(data)},"
            f" {{title: 'a system q0.80'}})</script></html>",
            encoding="utf-8",
        )
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **more)
        context.set_default_timeout(LIMIT_MS)
        contexts.append(context)
        page = context.new_page()
        found = Opened(page)
        page.on("console", lambda message: found.said.append(message.text))
        page.on("pageerror", lambda error: found.said.append(str(error)))
        page.on("request", lambda request: found.asked.append(request.url))
        page.add_init_script(before)
        page.goto(page_path.as_uri())
        page.wait_for_function("viewer.canvas.clientWidth > 0")
        return found

    yield opened
    for context in contexts:
        context.close()


def one_site(name: str, block: str | None, role: str | None) -> Site:
    return Site(name, name, 0.0, 12.0, name, 1, name, role, block, "t")


def molecule(name: str, kind: str, sites: list[Site], bonds: list[tuple[int, int]]) -> Molecule:
    return Molecule(name, kind, 0, tuple(sites), tuple(Term(b, 1, (0.15,), "", "t") for b in bonds), (), (), ())


def system(sites: str, bonds: list[tuple[int, int]], lithium: int = 0, anions: int = 0) -> SystemDescription:
    """A polymer of one molecule with sites E (ether) and A (amide), ions beside it."""
    kinds = {"E": ("OE", "PEO", "ether_O"), "A": ("O", "PA", "amide_O"), "M": ("CH3", None, None)}
    parts = [MoleculeCount(molecule("P", "polymer", [one_site(*kinds[s]) for s in sites], bonds), 1)]
    if lithium:
        parts.append(MoleculeCount(molecule("LI", "cation", [one_site("LI", None, "Li")], []), lithium))
    if anions:
        pair = [one_site("N", None, "anion_N"), one_site("O", None, "anion_O")]
        parts.append(MoleculeCount(molecule("TFSI", "anion", pair, [(0, 1)]), anions))
    return SystemDescription(tuple(parts), choice(), "")


def still(of: SystemDescription, positions: Any, follow: Follow | None = None) -> dict[str, Any]:
    """A scene of three frames that are the same."""
    frames = [Snapshot(k * 1000.0, np.array(positions, dtype=float), BOX) for k in range(3)]
    return scene_of(of, frames, follow, {"ether_O": 0.3, "carbonyl_O": 0.3, "anion": 0.3})


def electrolyte() -> dict[str, Any]:
    """All groups, far apart along a line to the right; one lithium that walks 0.6 nm upwards."""
    of = system("EEAAM", [(0, 1), (2, 3)], lithium=2, anions=1)
    along = np.array([-1.2, -1.05, -0.7, -0.55, -0.2, 0.2, 0.5, 0.8, 0.95])
    positions = CENTRE + along[:, None] * RIGHT
    steps = np.linspace(0, 0.6, 31)[:, None] * pic.rotation(-24.0, 16.0)[1]
    frames = []
    for k in range(3):
        moved = positions.copy()
        moved[5] += steps[15 * k]
        moved[0] = moved[5] + 0.25 * RIGHT if k == 2 else moved[0]
        frames.append(Snapshot(1000.0 * k, moved % BOX, BOX))
    follow = Follow(0, 5, np.linspace(0, 2000, 31), positions[5] + steps, np.array([1, 16, 31]))
    return scene_of(of, frames, follow, {"ether_O": 0.3, "carbonyl_O": 0.3, "anion": 0.3})


def plain(opened: Opened) -> None:
    """Spheres and sticks alone, under parallel rays."""
    for name, state in (("box", "false"), ("path", "false"), ("parallel", "true")):
        opened.run(f"viewer.toggle('{name}', {state})")


def test_all_groups_are_drawn_without_network_or_complaint(show: Open) -> None:
    opened = show(electrolyte())
    opened.still()
    screen = mpl_image.imread(io.BytesIO(opened.page.locator("canvas").screenshot()))[..., :3]
    assert covered(screen[2:-2, 2:-2])[10:-10, 10:-10].mean() > 0.02
    for name in ("PEO", "PA", "Li"):
        assert share(screen, pic.STYLES[name].colour) > 2e-4, name
    assert opened.said == []
    assert len(opened.asked) == 1 and opened.asked[0].startswith("file:")
    labels = [opened.page.get_by_label(label, exact=True).is_checked() for label in ("PEO", "PA", "Li", "TFSI", "box")]
    assert labels == [True] * 5
    assert opened.page.get_by_role("radio").count() == 3
    assert opened.page.get_by_label("end, 2 ns").is_checked()


@pytest.mark.parametrize("name", ["PEO", "PA", "Li"])
def test_a_group_is_switched_by_its_checkbox(show: Open, name: str) -> None:
    opened = show(electrolyte())
    opened.run("viewer.toggle('path', false)")
    colour = pic.STYLES[name].colour
    before = opened.share(colour)
    opened.page.get_by_label(name, exact=True).focus()
    opened.page.keyboard.press("Space")
    assert opened.share(colour) < 1e-5 < 2e-4 < before
    opened.page.get_by_label(name, exact=True).check()
    assert opened.share(colour) == pytest.approx(before, rel=0.02)


def test_spheres_and_sticks_have_the_size_of_the_geometry(show: Open) -> None:
    offsets = [[0.0, 0, 0], [0.15, 0, 0]]
    turned = CENTRE + np.array(offsets) @ pic.rotation(-24.0, 16.0)
    radius = pic.STYLES["PEO"].sphere_nm
    areas = {}
    for name, bonds in (("two", []), ("bonded", [(0, 1)])):
        opened = show(still(system("EE", bonds), turned))
        plain(opened)
        opened.run("viewer.zoom(8)")
        picture = opened.picture()
        pixel_nm = 2 * HALF_NM / 8 / min(picture.shape[:2])
        areas[name] = covered(picture).sum() * pixel_nm**2
        # the one in the middle of the view, the other to its right
        columns = np.flatnonzero(covered(picture).any(axis=0)) + 0.5 - picture.shape[1] / 2
        assert columns[0] * pixel_nm == pytest.approx(-radius, abs=0.01)
        assert columns[-1] * pixel_nm == pytest.approx(0.15 + radius, abs=0.01)
    lens = 2 * radius**2 * np.arccos(0.15 / 2 / radius) - 0.15 / 2 * np.sqrt(4 * radius**2 - 0.15**2)
    assert areas["two"] == pytest.approx(2 * np.pi * radius**2 - lens, rel=0.03)
    assert areas["two"] * 1.005 < areas["bonded"] < 0.15 * 2 * radius + np.pi * radius**2


def test_the_site_in_front_hides_the_one_behind_and_a_half_turn_swaps_them(show: Open) -> None:
    opened = show(still(system("EA", []), [CENTRE + 0.6 * TO_VIEWER, CENTRE - 0.6 * TO_VIEWER]))
    plain(opened)
    red, blue = (pic.STYLES[name].colour for name in ("PEO", "PA"))
    picture = opened.picture()
    assert share(picture, red) > 4e-4 and share(picture, blue) == 0
    opened.run("viewer.turn(Math.PI, 0)")
    picture = opened.picture()
    assert share(picture, blue) > 4e-4 and share(picture, red) == 0


def test_intersecting_spheres_share_their_depth(show: Open) -> None:
    """Two balls that overlap side by side: each shows its own half, whichever is drawn last."""
    middle = CENTRE + np.array([-0.04, 0.04])[:, None] * RIGHT
    for order in ("EA", "AE"):
        opened = show(still(system(order, []), middle))
        plain(opened)
        opened.run("viewer.zoom(10)")
        picture = opened.picture()
        shares = [share(picture, pic.STYLES["PEO" if s == "E" else "PA"].colour) for s in order]
        assert shares[0] == pytest.approx(shares[1], rel=0.2)
        half = picture.shape[1] // 2
        assert share(picture[:, : half - 5], pic.STYLES["PEO" if order[0] == "E" else "PA"].colour) > 1.5 * shares[0]


def test_a_bond_across_the_boundary_is_not_drawn(show: Open) -> None:
    found = []
    for bonds in ([], [(0, 1)]):
        opened = show(still(system("EE", bonds), [[0.05, 1.5, 1.5], [2.95, 1.5, 1.5]]))
        plain(opened)
        found.append(covered(opened.picture()).sum())
    assert found[0] == found[1]


def test_moments_move_the_lithium_and_tell_its_partners(show: Open) -> None:
    opened = show(electrolyte())
    status = opened.page.locator(".viewer__status")
    assert "has moved 0.60 nm" in status.inner_text() and "1 of PEO" in status.inner_text()
    end = opened.picture()
    opened.page.get_by_label("end, 2 ns").focus()
    opened.page.keyboard.press("ArrowLeft")
    assert opened.page.get_by_label("middle, 1 ns").is_checked()
    assert status.inner_text() == (
        "middle, 1 ns: lithium 1 of 2, the one that ended farthest from its start, has moved 0.30 nm. "
        "Sites that bind it: none."
    )
    assert np.abs(opened.picture() - end).max() > 0.3


def test_following_keeps_the_lithium_in_the_middle_with_its_surroundings(show: Open) -> None:
    opened = show(electrolyte())
    opened.page.get_by_label("follow the lithium").check()
    opened.run("viewer.toggle('path', false)")
    opened.run("viewer.toggle('parallel', true)")
    for frame in range(3):
        opened.run(f"viewer.setFrame({frame})")
        picture = opened.picture()
        gold = pic.rgb(pic.STYLES["Li"].colour)
        middle = picture[picture.shape[0] // 2, picture.shape[1] // 2]
        assert np.abs(middle / middle.max() - gold).max() < 0.25, frame
    assert share(picture, pic.STYLES["PA"].colour) == 0
    assert opened.page.get_by_label("box", exact=True).is_disabled()


def test_the_path_lies_over_what_is_in_front(show: Open) -> None:
    of = system("A" * 25, [], lithium=1)
    across = np.array([[x, y, 0.8] for x in np.linspace(-0.3, 0.3, 5) for y in np.linspace(-0.3, 0.3, 5)])
    positions = np.concatenate([CENTRE + across @ pic.rotation(-24.0, 16.0), CENTRE[None]])
    path = CENTRE + np.linspace(-0.3, 0, 20)[:, None] * RIGHT
    opened = show(still(of, positions, Follow(0, 25, np.linspace(0, 2000, 20), path, np.array([1, 10, 20]))))
    gold = pic.STYLES["Li"].colour
    with_path = opened.picture()
    opened.page.get_by_label("path of lithium 1").uncheck()
    assert share(with_path, gold) > 1e-3
    assert np.abs(opened.picture() - with_path).max() > 0.3


def test_it_draws_on_demand_only_and_turns_by_mouse_keys_and_wheel(show: Open) -> None:
    opened = show(electrolyte())
    opened.still()
    before = opened.picture()

    box = opened.page.locator("canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    opened.page.mouse.move(x, y)
    opened.page.mouse.wheel(0, -200)
    opened.still()
    assert np.abs(opened.picture() - before).max() < 0.02  # it scrolls the page

    opened.page.mouse.move(x, y)
    opened.page.mouse.down()
    opened.page.mouse.move(x + 60, y + 20, steps=3)
    opened.page.mouse.up()
    turned = opened.picture()
    assert np.abs(turned - before).max() > 0.3
    opened.run("viewer.canvas.focus()")
    opened.page.keyboard.press("0")
    assert np.abs(opened.picture() - before).max() < 0.02

    opened.run("viewer.canvas.focus()")
    opened.page.keyboard.press("+")
    larger = covered(opened.picture()).sum()
    opened.page.mouse.move(x, y)
    opened.run("viewer.canvas.focus()")
    opened.page.mouse.wheel(0, -300)
    opened.still()
    assert covered(opened.picture()).sum() > larger > covered(before).sum()
    for key in ("ArrowLeft", "ArrowUp"):
        opened.page.get_by_role("button", name="Reset").click()
        opened.run("viewer.canvas.focus()")
        opened.page.keyboard.press(key)
        assert np.abs(opened.picture() - before).max() > 0.3, key


def test_two_fingers_zoom(show: Open) -> None:
    opened = show(electrolyte(), has_touch=True)
    before = covered(opened.picture()).sum()
    opened.run("""() => {
        const { left, top } = viewer.canvas.getBoundingClientRect();
        viewer.canvas.setPointerCapture = () => {};
        const send = (name, id, x) => viewer.canvas.dispatchEvent(
            new PointerEvent(name, { pointerId: id, clientX: left + x, clientY: top + 100, bubbles: true }));
        send('pointerdown', 1, 80); send('pointerdown', 2, 120);
        send('pointermove', 1, 70); send('pointermove', 2, 130);
        send('pointerup', 1, 70); send('pointerup', 2, 130);
    }""")
    assert covered(opened.picture()).sum() > 1.2 * before


def test_the_saved_picture_is_fine_and_named(show: Open) -> None:
    opened = show(electrolyte(), device_scale_factor=2)
    with opened.page.expect_download() as download:
        opened.page.get_by_role("button", name="Save PNG").click()
    assert download.value.suggested_filename == "a-system-q0.80-end-2-ns.png"
    picture = mpl_image.imread(io.BytesIO(Path(download.value.path()).read_bytes()))
    width, height = opened.run("[viewer.canvas.clientWidth, viewer.canvas.clientHeight]")
    assert picture.shape[:2] == (2 * height, 2 * width)
    assert covered(picture[..., :3]).mean() > 0.02


def test_a_lost_context_comes_back(show: Open) -> None:
    opened = show(electrolyte())
    before = opened.picture()
    opened.run(
        "window.lost = viewer.canvas.getContext('webgl2').getExtension('WEBGL_lose_context'); lost.loseContext()"
    )
    opened.page.get_by_text("comes back by itself").wait_for()
    opened.run("viewer.turn(0, 0); lost.restoreContext()")
    opened.page.get_by_text("comes back by itself").wait_for(state="hidden")
    assert np.abs(opened.picture() - before).max() < 0.02


def test_without_webgl_there_are_words(show: Open) -> None:
    opened = show(electrolyte(), before="HTMLCanvasElement.prototype.getContext = () => null")
    assert opened.page.get_by_text("This browser has no WebGL 2").is_visible()
    assert "has moved 0.60 nm" in opened.page.locator(".viewer__status").inner_text()
    opened.page.get_by_label("start, 0 ns").check()
    assert "has moved 0.00 nm" in opened.page.locator(".viewer__status").inner_text()
    assert opened.said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_page_of_either_theme(show: Open, scheme: str) -> None:
    opened = show(electrolyte(), size=(360, 640), color_scheme=scheme)
    assert opened.run("document.documentElement.scrollWidth") <= 360
    corner = opened.picture()[0, 0]
    assert (corner > 0.95).all() if scheme == "light" else (corner < 0.15).all()
    opened.page.emulate_media(color_scheme="dark" if scheme == "light" else "light")
    until(lambda: (opened.picture()[0, 0] < 0.15).all() == (scheme == "light"), "the viewer follows the theme")


def test_a_neat_polymer_has_no_controls_of_ions(show: Open) -> None:
    opened = show(still(system("EE", [(0, 1)]), [CENTRE, CENTRE + 0.1]))
    found = opened.page.get_by_role("checkbox").evaluate_all("boxes => boxes.map((box) => box.value)")
    assert found == ["PEO", "box", "parallel"]
    assert opened.page.locator(".viewer__status").inner_text() == "end, 2 ns: 2 sites."
    opened.run("viewer.follow(true); viewer.toggle('path', true)")
    assert share(opened.picture(), pic.STYLES["PEO"].colour) > 1e-3
    assert opened.said == []


def test_another_scene_and_the_end(show: Open) -> None:
    opened = show(electrolyte())
    opened.run("viewer.toggle('PEO', false)")
    other = still(system("AA", [(0, 1)]), [CENTRE, CENTRE + 0.1])
    opened.page.evaluate("data => viewer.show(data, 'another')", other)
    assert opened.page.locator("canvas").get_attribute("aria-label") == "3D view of another"
    picture = opened.picture()
    assert share(picture, pic.STYLES["PA"].colour) > 1e-3
    assert share(picture, pic.STYLES["PEO"].colour) == share(picture, pic.STYLES["Li"].colour) == 0
    opened.run("viewer.dispose()")
    settle(opened.page)
    assert opened.page.locator("#place").inner_html() == ""
    assert opened.said == []
