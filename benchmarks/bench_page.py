"""Size of the page of a sweep, and how soon headless Chromium can use it, with synthetic results of full-length runs.

    python benchmarks/bench_page.py --systems 7 100

Tables have the rows and columns that the analyses of 10 ns leave, filled with random digits, which compress and round
no better than real ones; boxes have 4,000 sites. Time to ready counts from the start of the navigation to the mark that
the page sets when it answers, frames are those of the 3D view while it turns, drawn by the processor (SwiftShader): a
laptop's graphics chip is faster. Wall times: on a quiet machine.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from eoli.report.gather import gather
from eoli.report.page import render
from eoli.study.config import Study
from eoli.study.systems import systems_of
from synthetic import synthetic_study, write_sweep

# rows and columns of the tables of a Pebax system after the study's 10 ns
FULL = {
    "structure": (375, 21), "motion": (115, 16), "conductivity": (115, 7), "mechanism": (115, 63), "morphology": (60, 16),
    "domains": (12, 34), "traces-minimise": (300, 2), "traces-compress": (300, 5), "traces-npt": (300, 5),
    "traces-nvt": (300, 4), "traces-production": (300, 4),
}  # fmt: skip
SITES, PATH_POINTS = 4000, 300
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
TURNS = 40


def study_of(systems: int) -> Study:
    """PEO once, the rest Pebax at as many ratios."""
    ratios = [round(8 + 0.25 * n, 2) for n in range(systems - 1)]
    return synthetic_study(sweep=[{"polymer": "peo", "eo_li": 12}, {"polymer": "pebax", "eo_li": ratios}])


def widened(path: Path, random: np.random.Generator) -> None:
    """A table with the size that a full-length run gives it; what it held keeps its course."""
    rows, columns = FULL[path.stem]
    small = pd.read_csv(path)
    numbers = small.select_dtypes("number")
    places = np.linspace(0, len(numbers) - 1, rows)
    full = pd.DataFrame({name: np.interp(places, np.arange(len(numbers)), numbers[name]) for name in numbers})
    full *= 1 + 1e-3 * random.random(full.shape)
    more = {f"more_{k}": random.random(rows) for k in range(columns - len(full.columns))}
    full = pd.concat([full, pd.DataFrame(more)], axis=1)
    for name in small.columns.difference(numbers.columns):
        full[name] = small[name].iloc[0]
    full.to_csv(path, index=False, float_format="%.10g")


def full_scene(random: np.random.Generator) -> dict[str, Any]:
    """Chains of 40 sites and a path."""
    frames = [
        {"label": f"{moment}, {time_ps / 1000:g} ns", "time_ps": time_ps, "box_nm": [4.2, 4.2, 4.2],
         "positions": base64.b64encode(random.integers(0, 65536, (SITES, 3)).astype("<u2").tobytes()).decode()}
        for moment, time_ps in (("start", 0.0), ("middle", 5000.0), ("end", 10000.0))
    ]  # fmt: skip
    groups = [{"name": name, "label": name, "colour": colour, "sphere_nm": 0.085, "stick_nm": 0.055}
              for name, colour in (("PEO", "#D32F2F"), ("PA", "#1F6FC4"), ("Li", "#FFC107"))]  # fmt: skip
    molecule = {"count": SITES // 40, "groups": [n % 2 for n in range(40)], "bonds": [[n, n + 1] for n in range(39)]}
    path = np.cumsum(random.normal(0, 0.03, (PATH_POINTS, 3)), axis=0) + 2.1
    lithium = {"number": 1, "total": 50, "site": 0, "times_ps": np.linspace(0, 10000, PATH_POINTS).tolist(),
               "path_nm": path.round(4).tolist(), "until": [1, PATH_POINTS // 2, PATH_POINTS],
               "partners": [[1, 2], [3], [4, 5]], "path_colours": ["#440154", "#21918c", "#fde725"]}  # fmt: skip
    return {"groups": groups, "molecules": [molecule], "frames": frames, "lithium": lithium}


def make(folder: Path, systems: int) -> tuple[Path, float]:
    """The page of so many systems, and the seconds that it took to render."""
    study, random = study_of(systems), np.random.default_rng(1)
    results = folder / "results"
    table = write_sweep(results, study)
    for name in systems_of(study):
        analysis = results / name / "analysis"
        for stem in FULL:
            widened(analysis / f"{stem}.csv", random)
        (analysis / "snapshot-scene.json").write_text(json.dumps(full_scene(random)))
    begun = time.perf_counter()
    html = render(gather(study, list(systems_of(study)), results, table, time.time()))
    took = time.perf_counter() - begun
    page = folder / "report.html"
    page.write_text(html)
    return page, took


def ready_ms(browser: Browser, page_path: Path) -> float:
    """Milliseconds from the start of the navigation until the page answers."""
    page = browser.new_page()
    page.goto(page_path.as_uri())
    page.wait_for_selector("html[data-ready=true]", state="attached", timeout=120_000)
    found = page.evaluate("performance.getEntriesByName('eoli-ready')[0].startTime")
    page.close()
    return float(found)


def frame_ms(browser: Browser, page_path: Path) -> float:
    """Milliseconds of a frame while a box of 4,000 sites turns."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(page_path.as_uri())
    page.locator("#structures").scroll_into_view_if_needed()
    page.wait_for_selector(".structure canvas")
    page.wait_for_timeout(3000)
    page.locator(".structure canvas").first.focus()
    found = page.evaluate(
        """async (turns) => {
            const canvas = document.querySelector('.structure canvas');
            const next = () => new Promise(requestAnimationFrame);
            const turn = async () => {
                canvas.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowLeft' }));
                await next();
            };
            // the view finds out in its first frames how fine it may draw
            for (let n = 0; n < 15; n++) await turn();
            const begun = performance.now();
            for (let n = 0; n < turns; n++) await turn();
            return (performance.now() - begun) / turns;
        }""",
        TURNS,
    )
    page.close()
    return float(found)


def main(words: Sequence[str] | None = None) -> int:
    """Print a line for each number of systems."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--systems", type=int, nargs="+", default=[7, 100])
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args(words)
    program = next(path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        for systems in arguments.systems:
            with tempfile.TemporaryDirectory() as folder:
                page, took = make(Path(folder), systems)
                times = [ready_ms(browser, page) for _ in range(arguments.repeats)]
                print(
                    f"{systems} systems: {page.stat().st_size / 1e6:.1f} MB, rendered in {took:.1f} s, ready after "
                    f"{statistics.median(times):.0f} ms ({min(times):.0f} to {max(times):.0f}), a frame of the turning box "
                    f"in {frame_ms(browser, page):.0f} ms"
                )
        browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
