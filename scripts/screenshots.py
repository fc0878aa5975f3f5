"""Pictures of the page of a sweep for README and docs, by the system's Chromium: `make screenshots`.

Small PNGs: a wide screen, plots, boxes and the study beside ours, a phone; and the figure for papers that
lies beside the page, smaller.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--hide-scrollbars"]
_COLOURS, _ROUNDS = 256, 8
_FIGURE_WIDTH = 900
_PATIENCE_MS = 120_000
# plots and boxes finish their drawing when they are seen
_SETTLE_MS = 2500
# beneath the bar that sticks to the plots, else to the very top
_SCROLL = """top => {
    const found = document.querySelector(top);
    found.scrollIntoView();
    if (!found.closest(".scope")) scrollBy(0, found.getBoundingClientRect().top);
}"""


@dataclass(frozen=True)
class View:
    """A picture: its name, the size of the window, the element at its top, the colour scheme, pixels of the picture.

    Shaded boxes survive a palette; thin coloured lines on grey do not.
    """

    name: str
    width: int
    height: int
    top: str = "body"
    scheme: str = "light"
    shrunk_to: int | None = None
    with_palette: bool = False


VIEWS = (
    View("page-wide", 1600, 1000, shrunk_to=1200),
    View("page-plots", 1600, 1150, top="#plots", shrunk_to=1200),
    View("page-boxes", 1600, 860, top="#structures", shrunk_to=1200, with_palette=True),
    View("page-study", 1600, 780, top="#study", shrunk_to=1200),
    View("page-narrow", 390, 844),
    View("page-narrow-dark", 390, 844, top="#plots-motion", scheme="dark"),
)


def take(browser: Browser, page_path: Path, view: View, out: Path) -> Path:
    """Write one picture; returns its path."""
    context = browser.new_context(
        viewport={"width": view.width, "height": view.height}, color_scheme=view.scheme, offline=True
    )
    context.set_default_timeout(_PATIENCE_MS)
    page = context.new_page()
    page.goto(page_path.resolve().as_uri())
    page.wait_for_selector("html[data-ready=true]", state="attached")
    for _ in range(2):
        # what came into view last may have moved the rest
        page.evaluate(_SCROLL, view.top)
        page.wait_for_timeout(_SETTLE_MS)
    image = Image.open(io.BytesIO(page.screenshot()))
    context.close()
    return save(image, view.shrunk_to or image.width, out / f"{view.name}.png", view.with_palette)


def save(image: Image.Image, width: int, path: Path, with_palette: bool) -> Path:
    """Write a picture scaled to a width in pixels; returns its path."""
    scaled = image.convert("RGB").resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    if with_palette:
        scaled = scaled.quantize(_COLOURS, kmeans=_ROUNDS, dither=Image.Dither.NONE)
    scaled.save(path, optimize=True)
    return path


def main(words: Sequence[str] | None = None) -> int:
    """Take all pictures; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, default=Path("results/summary/report.html"), metavar="FILE")
    parser.add_argument("--out", type=Path, default=Path("docs/images"), metavar="DIR")
    arguments = parser.parse_args(words)
    program = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    if program is None or not arguments.page.is_file():
        missing = (
            f"none of {', '.join(_BROWSERS)} is installed" if program is None else f"{arguments.page}: no such page"
        )
        print(f"screenshots: {missing}", file=sys.stderr)
        return 2
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        for view in VIEWS:
            print(take(browser, arguments.page, view, arguments.out))
        browser.close()
    figure = arguments.page.with_name("paper.png")
    if figure.is_file():
        print(save(Image.open(figure), _FIGURE_WIDTH, arguments.out / "paper.png", True))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
