"""Waiting for a browser on a machine that may be busy, which is slow, and no failure of a page."""

from __future__ import annotations

from playwright.sync_api import Page

from support import LIMIT_S

LIMIT_MS = 1000 * LIMIT_S
# what a page still has to do takes fewer
_QUIET_FRAMES = 30


def settle(page: Page, count: str = "", frames: int = _QUIET_FRAMES) -> None:
    """Wait until a property of the window has kept its value over some of the browser's own frames, however slow they are."""
    page.evaluate(
        """([count, frames]) => new Promise((done) => {
          const value = () => count.split(".").reduce((object, key) => object?.[key], window);
          let last = value(), quiet = 0;
          const look = () => {
            quiet = value() === last ? quiet + 1 : 0;
            last = value();
            quiet < frames ? requestAnimationFrame(look) : done();
          };
          requestAnimationFrame(look);
        })""",
        [count, frames],
    )
