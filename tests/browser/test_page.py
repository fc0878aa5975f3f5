"""The page of a sweep in a real browser."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from patience import LIMIT_MS
from PIL import Image
from playwright.sync_api import Page, expect

from eoli.report.gather import gather
from eoli.report.page import render
from eoli.study.systems import systems_of
from support import until
from synthetic import synthetic_study, write_sweep

pytestmark = pytest.mark.browser

Open = Callable[..., Any]
PLOTS = (
    "D", "conductivity", "transference", "known-density", "known-coordination", "known-first-shell", "known-hydrogen-bonds", "rdf", "coordination", "ions", "hydrogen", "scattering", "domains", "msd", "charge",
    "residence", "segments", "places", "moves", "renewal", "densities", "energies", "temperature",
)  # fmt: skip
PEO = "peo-eo12-298K-r1"
PEBAX = ["pebax-eo12-298K-r1", "pebax-eo18-298K-r1", "pebax-eo8-298K-r1"]
SYSTEMS = 7


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a synthetic sweep with its page, not to be changed."""
    folder = tmp_path_factory.mktemp("page") / "results"
    study = synthetic_study()
    table = write_sweep(folder, study)
    sweep = gather(study, list(systems_of(study)), folder, table, now=1e10)
    (folder / "summary" / "report.html").write_text(render(sweep))
    return folder


@pytest.fixture(scope="module")
def path(results: Path) -> Path:
    return results / "summary" / "report.html"


@pytest.fixture(scope="module")
def opened(open_page: Open, path: Path) -> Any:
    """The page on a laptop; a test that changes it sets it back."""
    return open_page(path)


@pytest.fixture
def page(opened: Any) -> Page:
    found: Page = opened.page
    found.click("#select-all")
    return found


def pixels(page: Page, selector: str) -> np.ndarray[Any, Any]:
    return np.array(Image.open(io.BytesIO(page.locator(selector).screenshot())).convert("RGB")).astype(int)


def draw(page: Page, key: str) -> None:
    """Scroll to a plot and wait until it is drawn."""
    page.evaluate("key => document.querySelector(`#plot-${key}`).scrollIntoView({block: 'end'})", key)
    page.wait_for_selector(f"#plot-{key}[data-drawn=true] .chart svg.main-svg")


def traces(page: Page, key: str) -> list[dict[str, Any]]:
    """Names and values of what a plot draws, guides left out."""
    found: list[dict[str, Any]] = page.evaluate(
        """key => document.querySelector(`#plot-${key} .chart`).data.filter((t) => t.hoverinfo !== 'skip')
        .map((t) => ({name: t.name, x: [...t.x], y: [...t.y], yaxis: t.yaxis ?? 'y', symbol: t.marker?.symbol}))""",
        key,
    )
    return found


def downloaded(page: Page, key: str, form: str) -> bytes:
    with page.expect_download() as waiting:
        page.click(f"#plot-{key} button[data-format={form}]")
    assert waiting.value.suggested_filename.endswith(f".{form}")
    return Path(waiting.value.path()).read_bytes()


def test_every_plot_is_drawn_without_a_word_on_the_console_or_the_network(opened: Any, path: Path) -> None:
    page = opened.page
    assert page.locator("figure[data-plot]").evaluate_all("all => all.map((e) => e.dataset.plot)") == list(PLOTS)
    for key in PLOTS:
        draw(page, key)
        assert {t["name"] for t in traces(page, key)} >= {PEO}, key
        image = pixels(page, f"#plot-{key} .chart")
        ground = image[2, 2]
        coloured = (np.abs(image - ground).max(axis=2) > 60) & (np.ptp(image, axis=2) > 30)
        assert coloured.sum() > 50, f"{key} has no coloured pixels"
    assert opened.console == []
    assert [url for url in opened.requests if not url.startswith("blob:")] == [path.as_uri()]


def test_no_choice_of_a_plot_is_without_data(page: Page) -> None:
    for key in ("rdf", "coordination", "scattering", "domains"):
        draw(page, key)
        texts = page.evaluate(
            """key => {
                const plot = document.querySelector(`#plot-${key}`), select = plot.querySelector("select"), first = select.value;
                const drawn = (value) => {
                    select.value = value;
                    select.dispatchEvent(new Event("change"));
                    return (plot.querySelector(".chart").layout.annotations ?? []).map((a) => a.text);
                };
                const found = [...select.options].flatMap((option) => drawn(option.value));
                drawn(first);
                return found;
            }""",
            key,
        )
        assert "no data for these systems" not in texts, key
    assert page.locator("#plot-coordination select option").all_inner_texts() == [
        "mean number around Li⁺", "how many: C-O-C", "how many: anion sites", "how many: chains"
    ]  # fmt: skip


def test_a_system_is_switched_in_all_plots_together(page: Page) -> None:
    for key in ("rdf", "msd", "coordination"):
        draw(page, key)
        assert len({t["name"] for t in traces(page, key)}) == SYSTEMS
    before = pixels(page, "#plot-coordination .chart")
    page.locator("input[data-system='0']").uncheck()
    expect(page.locator("#shown")).to_have_text(f"{SYSTEMS - 1} of {SYSTEMS}")
    for key in ("rdf", "msd", "coordination", "D"):
        draw(page, key)
        assert PEO not in {t["name"] for t in traces(page, key)}, key
    draw(page, "coordination")
    assert (pixels(page, "#plot-coordination .chart") != before).any()
    page.click("#select-none")
    draw(page, "msd")
    assert traces(page, "msd") == []
    page.click("#select-all")
    draw(page, "msd")
    assert len({t["name"] for t in traces(page, "msd")}) == SYSTEMS


def test_starts_of_a_system_are_one_point_in_the_plots(open_page: Open, tmp_path: Path) -> None:
    study = synthetic_study(
        sweep=[{"polymer": "pebax", "eo_li": 8, "replicate": [1, 2]}, {"polymer": "peo", "eo_li": 12}]
    )
    results = tmp_path / "results"
    table = write_sweep(results, study)
    first, second, other = systems_of(study)
    record: dict[str, Any] = {"systems": [first, second]}
    for analysis in ("motion", "conductivity"):
        record[analysis] = json.loads((results / other / "analysis" / f"{analysis}.json").read_text())
    (results / "summary" / "starts").mkdir()
    group = first.removesuffix("-r1")
    (results / "summary" / "starts" / f"{group}.json").write_text(json.dumps(record))
    path = results / "summary" / "report.html"
    path.write_text(render(gather(study, list(systems_of(study)), results, table, now=1e10)))
    opened = open_page(path).page
    draw(opened, "D")
    points = {t["name"]: (t["symbol"], t["y"]) for t in traces(opened, "D")}
    assert points[f"{group}, 2 starts together"] == (
        "diamond",
        pytest.approx([record["motion"]["Li"]["D_m2_s"]["value"]]),
    )
    assert points[first][0] == "triangle-down-open"
    # without its starts it is not there either
    for number in (0, 1):
        opened.locator(f"input[data-system='{number}']").uncheck()
    draw(opened, "D")
    assert [t["name"] for t in traces(opened, "D")] == [other]


def test_a_choice_changes_what_a_plot_shows(page: Page, results: Path) -> None:
    draw(page, "rdf")
    page.select_option("#plot-rdf select", label="Li⁺ – O (C=O)")
    disk = pd.read_csv(results / PEO / "analysis" / "structure.csv")
    shown = next(t for t in traces(page, "rdf") if t["name"] == PEO)
    np.testing.assert_allclose(shown["y"], disk["g_Li_carbonyl_O"], rtol=6e-4)
    page.select_option("#plot-rdf select", label="Li⁺ – O (C-O-C)")


def test_the_pointer_and_the_arrow_keys_show_values(page: Page, results: Path) -> None:
    draw(page, "msd")
    box = page.locator("#plot-msd .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    # a busy machine shows it late
    for pause_ms, step in itertools.product((20, 100, 500, 2000), range(40)):
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * (0.1 + 0.02 * step))
        page.wait_for_timeout(pause_ms)
        if page.locator("#plot-msd .hoverlayer .hovertext").count():
            break
    assert page.locator("#plot-msd .hoverlayer .hovertext").count()
    assert "K-r1:" in page.inner_text("#plot-msd .reading")
    page.mouse.move(0, 0)
    page.locator("#plot-msd .chart").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    disk = pd.read_csv(results / PEO / "analysis" / "motion.csv")
    x, y = page.inner_text("#plot-msd .reading").removeprefix(f"{PEO}: ").split(" ± ")[0].split(", ")
    assert (float(x), float(y)) == pytest.approx((disk["lag_ps"][1], disk["msd_Li_nm2"][1]), rel=1e-4)


@pytest.mark.parametrize(("key", "table"), [("rdf", "structure"), ("msd", "motion"), ("scattering", "morphology")])
def test_a_downloaded_table_holds_the_numbers_on_disk(page: Page, results: Path, key: str, table: str) -> None:
    draw(page, key)
    found = pd.read_csv(io.BytesIO(downloaded(page, key, "csv")))
    assert found["system"].nunique() == SYSTEMS
    for name, rows in found.groupby("system"):
        disk = pd.read_csv(results / str(name) / "analysis" / f"{table}.csv")
        columns = [column for column in rows.columns if column != "system"]
        assert len(columns) >= 3
        np.testing.assert_allclose(rows[columns], disk[columns], rtol=6e-4)


def test_the_downloaded_answers_are_those_of_the_sweep_table(page: Page, results: Path) -> None:
    draw(page, "D")
    rows = list(csv.DictReader(io.StringIO(downloaded(page, "D", "csv").decode())))
    sweep = pd.read_csv(results / "summary" / "sweep.csv").set_index("system")
    assert [row["system"] for row in rows] == list(sweep.index)
    for row in rows:
        expected = sweep.loc[row["system"]]
        for column, own in (
            ("value", "D_Li_m2_s"),
            ("error", "D_Li_error_m2_s"),
            ("upper_bound", "D_Li_upper_bound_m2_s"),
        ):
            number = float(row[column]) if row[column] else np.nan
            assert number == pytest.approx(expected[own], rel=1e-8, nan_ok=True)


def test_bars_are_downloaded_with_their_errors(page: Page, results: Path) -> None:
    draw(page, "ions")
    rows = list(csv.DictReader(io.StringIO(downloaded(page, "ions", "csv").decode())))
    scalars = json.loads((results / PEO / "analysis" / "ions.json").read_text())["Li"]
    for row in rows[:3]:
        assert float(row["value"]) == pytest.approx(scalars[row["category"]]["value"])
        assert float(row["error"]) == pytest.approx(scalars[row["category"]]["error"])


def test_pictures_are_downloaded(open_page: Open, path: Path) -> None:
    opened = open_page(path, scheme="dark")
    draw(opened.page, "msd")
    svg = downloaded(opened.page, "msd", "svg").decode()
    assert svg.startswith("<svg") and PEO in svg and "MSD" in svg
    image = np.array(Image.open(io.BytesIO(downloaded(opened.page, "msd", "png"))).convert("RGB")).astype(int)
    assert image.shape[:2] == (1120, 1920)
    assert image[5, 5].min() > 250, "a picture for print has a white ground"
    assert (np.ptp(image, axis=2) > 30).sum() > 500
    assert opened.console == []


def test_the_fit_window_is_where_the_fit_was(page: Page) -> None:
    draw(page, "msd")
    bands = page.evaluate(
        "document.querySelector('#plot-msd .chart').layout.shapes.filter((s) => s.type === 'rect').map((s) => [s.x0, s.x1])"
    )
    assert bands == [[333, 1000]]
    band = page.locator("#plot-msd .chart .shapelayer path, #plot-msd .chart .layer-below path").first.bounding_box()
    plot = page.locator("#plot-msd .nsewdrag").first.bounding_box()
    assert plot["x"] < band["x"] < band["x"] + band["width"] < plot["x"] + plot["width"]


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (360, "dark"), (1280, "light"), (1920, "dark")])
def test_nothing_scrolls_sideways_and_axe_finds_nothing_serious(
    open_page: Open, path: Path, width: int, scheme: str
) -> None:
    page = open_page(path, width=width, scheme=scheme).page
    page.locator("details").evaluate_all("all => { for (const e of all) e.open = true; }")
    for key in PLOTS:
        draw(page, key)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    charts = page.locator(".chart svg.main-svg").evaluate_all("all => all.map((e) => e.getBoundingClientRect().right)")
    assert len(charts) >= len(PLOTS) and max(charts) <= width
    page.evaluate("scrollTo(0, 0)")
    found = Axe().run(page).response["violations"]
    said = [(v["id"], v["impact"], [node["html"][:160] for node in v["nodes"][:3]]) for v in found]
    assert [entry for entry in said if entry[1] in ("serious", "critical")] == []


def test_wide_screens_are_used(open_page: Open, path: Path) -> None:
    page = open_page(path, width=1920, height=1080).page
    columns = page.locator("#plots-structure figure").evaluate_all("all => new Set(all.map((e) => e.offsetLeft)).size")
    assert columns == 3
    assert page.locator("main").bounding_box()["width"] > 1800


def test_dark_and_light_differ_and_follow_the_system(open_page: Open, path: Path) -> None:
    page = open_page(path, scheme="light").page
    draw(page, "rdf")
    light = pixels(page, "#plot-rdf .chart")
    page.emulate_media(color_scheme="dark")
    # the policy of the page forbids the polling of playwright's wait_for_function
    colour = "document.querySelector('#plot-rdf .chart').layout.font.color"
    until(lambda: page.evaluate(colour) == "#e6edf3", "the plot follows the theme")
    dark = pixels(page, "#plot-rdf .chart")
    assert light[2, 2].min() > 250 and dark[2, 2].max() < 40


def test_it_prints(open_page: Open, path: Path) -> None:
    opened = open_page(path)
    printed = opened.page.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF") and opened.console == []
    for key in PLOTS:
        assert opened.page.locator(f"#plot-{key} .chart svg.main-svg").count(), f"{key} is not drawn for print"


def test_the_keyboard_reaches_everything_and_shows_where_it_is(page: Page) -> None:
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.mouse.click(700, 2)
    reached = set()
    for _ in range(90):
        page.keyboard.press("Tab")
        found = page.evaluate(
            """() => { const e = document.activeElement, s = getComputedStyle(e);
            return [e.id || e.dataset.system || e.getAttribute('href') || e.getAttribute('aria-label') || e.tagName,
              s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2]; }"""
        )
        assert found[1], f"no visible focus on {found[0]}"
        reached.add(found[0])
    assert {"#answer", "table: what is open", "0", "select-all"} <= reached
    page.locator("input[data-system='1']").focus()
    page.keyboard.press("Space")
    assert page.inner_text("#shown") == f"{SYSTEMS - 1} of {SYSTEMS}"
    page.keyboard.press("Space")


def test_verdicts_are_filtered(page: Page) -> None:
    rows = "tr[data-verdict]:visible"
    every = page.locator(rows).count()
    page.select_option("#verdict-filter", "agrees")
    left = page.locator(rows)
    assert 0 < left.count() < every
    assert set(left.evaluate_all("all => all.map((e) => e.dataset.verdict)")) == {"agrees"}
    page.select_option("#verdict-filter", "")


def test_what_is_known_leads_and_its_plots_are_on_the_first_screen(page: Page) -> None:
    page.evaluate("scrollTo(0, 0)")
    draw(page, "transference")
    page.evaluate("scrollTo(0, 0)")
    sentences = page.locator(".known li")
    assert 3 <= sentences.count() <= 5
    for selector in (".facts", ".known li >> nth=-1", "#plot-D .chart", "#plot-conductivity .chart"):
        box = page.locator(selector).first.bounding_box()
        assert box["y"] + box["height"] < 800, selector
    page.set_viewport_size({"width": 1920, "height": 1080})
    for selector in ("#plot-known-coordination .chart", "#plot-known-hydrogen-bonds .chart"):
        box = page.locator(selector).first.bounding_box()
        assert box["y"] + box["height"] < 1080, selector
    page.set_viewport_size({"width": 1280, "height": 800})


@pytest.mark.parametrize("width", [1280, 1600, 1920])
def test_plots_on_the_first_screen_leave_no_column_blank(open_page: Open, path: Path, width: int) -> None:
    page = open_page(path, width=width).page
    boxes = page.locator("#plots-known figure").evaluate_all(
        "all => all.map((e) => e.getBoundingClientRect().toJSON())"
    )
    for _, row in itertools.groupby(boxes, lambda box: round(box["top"])):
        cards = list(row)
        assert cards[-1]["right"] == pytest.approx(
            page.locator("main").bounding_box()["width"] + cards[0]["left"], abs=2
        )
        assert len({round(card["height"]) for card in cards}) == 1


def test_what_is_resolved_is_drawn_with_its_error(page: Page, results: Path) -> None:
    draw(page, "known-density")
    rows = list(csv.DictReader(io.StringIO(downloaded(page, "known-density", "csv").decode())))
    sweep = pd.read_csv(results / "summary" / "sweep.csv").set_index("system")
    assert [row["system"] for row in rows] == list(sweep.index)
    for row in rows:
        assert float(row["value"]) == pytest.approx(sweep.loc[row["system"], "density_g_cm3"])
        assert float(row["error"]) == pytest.approx(sweep.loc[row["system"], "density_error_g_cm3"])
    drawn = {t["name"]: (t["x"], t["y"]) for t in traces(page, "known-density")}
    assert drawn[PEO] == ([12], [pytest.approx(1.1)])


def test_what_is_open_stands_below_what_is_known(page: Page) -> None:
    order = page.evaluate(
        """["#answer", "#plots-known", "#open", "#answers", "#simulated"].map((s) => (
        document.querySelector(s).getBoundingClientRect().top))"""
    )
    assert order == sorted(order)
    assert page.locator("#open tbody tr").count() >= 4


def alone(tmp_path: Path, open_page: Open, sweep: list[dict[str, Any]]) -> Page:
    """The page of another study."""
    study = synthetic_study(sweep=sweep)
    results = tmp_path / "results"
    table = write_sweep(results, study)
    path = results / "summary" / "report.html"
    path.write_text(render(gather(study, list(systems_of(study)), results, table, now=1e10)))
    opened = open_page(path)
    found: Page = opened.page
    for key in found.locator("figure[data-plot]:visible").evaluate_all("all => all.map((e) => e.dataset.plot)"):
        draw(found, key)
    assert opened.console == []
    return found


def test_one_system_has_its_quantities_side_by_side(tmp_path: Path, open_page: Open) -> None:
    page = alone(tmp_path, open_page, [{"polymer": "peo", "eo_li": 12}])
    assert [(t["name"], t["x"]) for t in traces(page, "known-coordination")] == [(PEO, [0]), (PEO, [1]), (PEO, [2])]
    labels = "document.querySelector('#plot-known-coordination .chart').layout.xaxis.ticktext"
    assert page.evaluate(labels) == ["ether O", "C=O", "anion"]
    assert page.locator("#plot-known-density").count() == 0, "one point makes no plot"


def test_a_temperature_series_is_drawn_along_the_temperature(tmp_path: Path, open_page: Open) -> None:
    page = alone(tmp_path, open_page, [{"polymer": "peo", "eo_li": 12, "temperature_K": [333.0, 363.0, 393.0]}])
    for key in ("known-density", "D"):
        assert [t["x"] for t in traces(page, key)] == [[333], [363], [393]], key
        title = page.evaluate(f"document.querySelector('#plot-{key} .chart').layout.xaxis.title.text")
        assert title == "temperature (K)"


def test_equilibration_is_marked_in_the_traces(page: Page, results: Path) -> None:
    draw(page, "densities")
    assert page.locator("#plot-densities select option").all_inner_texts() == [
        "compress: density", "compress: pressure", "npt: density", "npt: pressure", "nvt: pressure", "production: pressure",
    ]  # fmt: skip
    data = json.loads((results / PEO / "analysis" / "traces-npt.json").read_text())
    start = data["equilibrated"]["density_g_cm3"]["equilibrated_from_ps"]
    lines = page.evaluate(
        "document.querySelector('#plot-densities .chart').layout.shapes.map((s) => [s.type, s.x0, s.x1])"
    )
    assert lines == SYSTEMS * [["line", start, start]]
    faint, solid = (
        page.evaluate(f"""document.querySelector('#plot-densities .chart').data.filter((t) => (t.opacity ?? 1) {which} 1)
            .map((t) => [t.x[0], t.x.at(-1)])""")
        for which in ("<", "==")
    )
    assert faint == SYSTEMS * [[0, start]] and solid == SYSTEMS * [[start, 299]]
    page.select_option("#plot-densities select", label="compress: density")
    shapes = "document.querySelector('#plot-densities .chart').layout.shapes.length"
    assert page.evaluate(shapes) == 0, "a stage that drives the box has no equilibrated part"
    page.select_option("#plot-densities select", label="npt: density")


def test_the_bar_of_systems_stays_with_the_plots_and_covers_no_heading(page: Page) -> None:
    draw(page, "moves")
    bar = page.locator("#selector").bounding_box()
    assert abs(bar["y"]) < 2 and bar["height"] < 200
    page.goto(page.url.split("#")[0] + "#plots")

    def end_of_bar() -> float:
        bar = page.locator("#selector").bounding_box()
        return float(bar["y"] + bar["height"])

    until(
        lambda: end_of_bar() <= page.locator("#plots-heading").bounding_box()["y"] < 400, "the heading is below the bar"
    )
    page.goto(page.url.split("#")[0] + "#study")
    until(lambda: end_of_bar() < page.locator("#study-heading").bounding_box()["y"], "the bar has left the study")


def test_charts_fill_their_cards(page: Page) -> None:
    for key in ("D", "transference", "charge", "msd"):
        draw(page, key)
        chart, drawn = page.locator(f"#plot-{key} .chart"), page.locator(f"#plot-{key} .chart svg.main-svg").first

        def off(chart: Any = chart, drawn: Any = drawn) -> float:
            return abs(float(chart.bounding_box()["height"] - drawn.bounding_box()["height"]))

        until(lambda off=off: off() < 2, f"{key} fills its card")


def test_axes_within_one_decade_have_ticks(page: Page) -> None:
    for key in ("D", "conductivity"):
        draw(page, key)
        assert page.locator(f"#plot-{key} .chart .ytick text").count() >= 3, key


def test_structures_are_drawn_when_they_come_into_view(open_page: Open, path: Path) -> None:
    opened = open_page(path)
    page = opened.page
    assert page.locator("canvas").count() == 0
    page.locator("#structures").scroll_into_view_if_needed()
    page.wait_for_selector(".structure canvas")
    expect(page.locator("canvas")).to_have_count(2)
    assert (
        page.locator(".structure select").evaluate_all("all => all.map((e) => e.selectedOptions[0].text)") == PEBAX[:2]
    )
    page.locator(".structure canvas").first.scroll_into_view_if_needed()
    for number in range(2):
        canvas = f".structure canvas >> nth={number}"
        until(lambda canvas=canvas: (np.ptp(pixels(page, canvas), axis=2) > 60).sum() > 200, "something red is drawn")
    page.locator(".structure select").first.select_option(label=PEBAX[2])
    expect(page.locator(".structure canvas").first).to_have_attribute("aria-label", f"3D view of {PEBAX[2]}")
    page.locator(".structure select").first.select_option(label=PEBAX[0])
    assert opened.console == []


def test_without_javascript_the_tables_can_be_read(browser: Any, path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(LIMIT_MS)
    page = context.new_page()
    page.goto(path.as_uri())
    assert "need JavaScript" in page.inner_text("noscript") or page.locator("noscript").count()
    assert page.locator("#answers tbody tr").count() == SYSTEMS
    context.close()
