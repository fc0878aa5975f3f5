"""The system's Chromium without a window, and pages that forbid the network."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from patience import LIMIT_MS
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
expect.set_options(timeout=LIMIT_MS)


@dataclass
class Opened:
    """A page, with what it said on the console and what it asked of the network."""

    page: Page
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


Open = Callable[..., Opened]


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as found:
        yield found


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Headless Chromium of the system; without one the tests are skipped."""
    program = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is installed")
    found = playwright.chromium.launch(executable_path=program, args=_FLAGS, timeout=LIMIT_MS)
    yield found
    found.close()


@pytest.fixture(scope="module")
def open_page(browser: Browser) -> Iterator[Open]:
    """Open a file at a size and colour scheme, and wait until it says that it is ready."""
    contexts = []

    def opened(path: Path, width: int = 1280, height: int = 800, scheme: str = "light") -> Opened:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, offline=True)
        context.set_default_timeout(LIMIT_MS)
        contexts.append(context)
        found = Opened(context.new_page())
        found.page.on("console", lambda message: found.console.append(f"{message.type}: {message.text}"))
        found.page.on("pageerror", lambda error: found.console.append(f"error: {error}"))
        found.page.on("request", lambda request: found.requests.append(request.url))
        found.page.goto(path.as_uri())
        found.page.wait_for_selector("html[data-ready=true]", state="attached")
        return found

    yield opened
    for context in contexts:
        context.close()
