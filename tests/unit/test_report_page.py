"""The page of a sweep against the tables that it is made from."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eoli.core.numbers import as_given, listed, plain, with_error
from eoli.errors import DataError
from eoli.report import plots
from eoli.report.answers import asked, temperature_series, unresolved
from eoli.report.embed import ROWS, rounded, script_json, system_data, thinned
from eoli.report.gather import Sweep, gather
from eoli.report.page import render
from eoli.report.sections.answers import not_resolved
from eoli.study.config import Study
from eoli.study.quantities import In
from eoli.study.systems import systems_of
from eoli.summary.run_lengths import needs
from synthetic import R_KJ, synthetic_study, write_equal_lag, write_summary, write_sweep

VOID = {"meta", "br", "input", "link", "img", "hr"}
NOW = 1e10
PEO = "peo-eo12-298K-r1"


@dataclass
class Page(HTMLParser):
    """Cells of tables by caption, numbers in sentences, scripts, ids and what is referred to; tags must be balanced."""

    tables: dict[str, list[list[tuple[str, float | None]]]] = field(default_factory=dict)
    scripts: list[tuple[dict[str, str], str]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    references: list[tuple[str, str]] = field(default_factory=list)
    meta: dict[str, str] = field(default_factory=dict)
    headings: list[int] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: dict[str, str] = {}
        self.caption: str | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attributes}
        if tag not in VOID:
            self.open.append(tag)
        self.attributes = found
        if "id" in found:
            self.ids.append(found["id"])
        self.references += [(key, found[key]) for key in ("src", "href", "srcset", "action", "poster") if key in found]
        if tag == "meta":
            self.meta[found.get("http-equiv", found.get("name", ""))] = found.get("content", "")
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "caption":
            self.caption = ""
        if tag == "tr" and self.caption is not None:
            self.tables.setdefault(self.caption, []).append([])
        if tag in ("td", "th") and self.caption is not None and self.tables.get(self.caption):
            assert tag == "td" or found.get("scope") in ("row", "col", "rowgroup"), "a header cell without scope"
            self.tables[self.caption][-1].append(("", None))
        if tag == "data" and self.caption is None:
            self.numbers.append(float(found["value"]))
        elif tag == "data":
            row = self.tables[self.caption or ""][-1]
            row[-1] = (row[-1][0], float(found["value"]))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "table":
            self.caption = None

    def handle_data(self, data: str) -> None:
        tag = self.open[-1] if self.open else ""
        if tag == "script":
            self.scripts.append((self.attributes, data))
        elif tag == "caption" and self.caption is not None:
            self.caption += data
        else:
            self.text += data
            if self.caption is not None and {"td", "th"} & set(self.open):
                row = self.tables[self.caption][-1]
                row[-1] = (row[-1][0] + data.strip(), row[-1][1])

    def table(self, beginning: str) -> list[list[tuple[str, float | None]]]:
        """Rows of the table whose caption begins so."""
        return next(rows for caption, rows in self.tables.items() if caption.startswith(beginning))


def parsed(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    return page


@pytest.fixture(scope="module")
def study() -> Study:
    return synthetic_study()


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, study: Study) -> Path:
    """Results of a finished sweep, not to be changed."""
    folder = tmp_path_factory.mktemp("sweep") / "results"
    write_sweep(folder, study)
    return folder


def read(results: Path, study: Study) -> Sweep:
    return gather(study, list(systems_of(study)), results, results / "summary" / "sweep.csv", now=NOW)


@pytest.fixture(scope="module")
def html(results: Path, study: Study) -> str:
    return render(read(results, study))


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return parsed(html)


def json_of(page: Page, name: str) -> Any:
    return next(json.loads(text) for attributes, text in page.scripts if attributes.get("id") == name)


@pytest.mark.parametrize(
    ("value", "error", "unit", "text"),
    [
        (1.07612, 0.00813, "g_cm3", "(1.076 ± 0.008) g/cm³"),
        (1.07612, 0.00213, "g_cm3", "(1.0761 ± 0.0021) g/cm³"),
        (1.234e-12, 1.5e-13, "m2_s", "(1.23 ± 0.15) × 10⁻¹² m²/s"),
        (1.234e-12, 4e-12, "m2_s", "(1 ± 4) × 10⁻¹² m²/s"),
        (-431.6, 12.3, "kJ_mol", "(−432 ± 12) kJ/mol"),
        (123456.0, 7000.0, "", "(1.23 ± 0.07) × 10⁵"),
        (123.0, 40.0, "", "120 ± 40"),
        (0.31, 0.0299, "", "0.31 ± 0.03"),
        (50.0, 0.0, "", "50"),
        (1 / 3, 1e-17, "nm", "0.3333 nm (constant)"),
        (0.5, None, "nm", "0.500 nm (error unknown)"),
        (math.nan, 1.0, "", "not a number"),
    ],
)
def test_a_number_has_the_digits_that_its_error_allows(value: float, error: float | None, unit: str, text: str) -> None:
    assert with_error(value, error, unit) == text


@given(st.floats(1e-14, 1e7), st.sampled_from([2, 3]))
def test_a_bound_is_rounded_away_from_what_it_bounds(value: float, digits: int) -> None:
    def read(text: str) -> float:
        number, _, power = text.partition(" × 10")
        return float(number) * 10.0 ** int(power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or 0)

    low, high = (read(plain(value, digits=digits, towards=towards)) for towards in (-1, 1))
    assert low <= value * (1 + 1e-8) and value * (1 - 1e-8) <= high
    assert high - low <= 1.0001 * 10.0 ** (1 - digits) * value
    # what has these digits already keeps them
    assert plain(high, digits=digits, towards=1) == plain(high, digits=digits, towards=-1) == plain(high, digits=digits)


def test_numbers_without_error_keep_their_digits() -> None:
    assert plain(3.21e-11, "m2_s", 2) == "3.2 × 10⁻¹¹ m²/s"
    assert plain(0.0) == plain(-0.0) == as_given(-0.0) == "0"
    assert with_error(-0.0001, 0.5) == "0.0 ± 0.5"
    assert as_given(-12949.65, "kJ/mol") == "−12949.65 kJ/mol"
    assert as_given(4e-4, "S/cm") == "4 × 10⁻⁴ S/cm"
    assert listed(["a"]) == "a"
    assert listed(list("abc")) == "a, b and c"
    assert listed(list("abcdefgh"), 3) == "a, b, c and 5 more"


def test_rounding_keeps_what_is_no_number_and_drops_what_is_none() -> None:
    data = {"a": [1.23456789, math.nan, None, True, "x"], "b": {"c": np.float64(123456.0), "d": np.int64(3)}}
    assert rounded(data, 3) == {"a": [1.23, None, None, True, "x"], "b": {"c": 123000, "d": 3}}


def test_a_thinned_table_has_only_rows_of_the_table_and_both_ends() -> None:
    table = pd.DataFrame({"t": np.arange(5000.0)})
    kept = thinned(table)
    assert len(kept) <= ROWS
    assert (kept["t"].iloc[0], kept["t"].iloc[-1]) == (0, 4999)
    assert set(kept["t"]) <= set(table["t"])
    assert np.diff(kept["t"]).max() <= 5000 / ROWS + 1
    assert thinned(table.head(ROWS)) is not kept and len(thinned(table.head(ROWS))) == ROWS


def test_the_page_loads_nothing_and_runs_only_what_it_names(page: Page) -> None:
    embedded = [value for key, value in page.references if key != "href"]
    assert all(value.startswith("data:image/svg+xml;base64,") for value in embedded)
    links = [value for key, value in page.references if key == "href"]
    assert all(link.startswith(("#", "../", "https://doi.org/")) for link in links)
    assert {link[1:] for link in links if link.startswith("#")} <= set(page.ids)
    policy = page.meta["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy.split(";")[1] and "unsafe-eval" not in policy
    assert len(page.ids) == len(set(page.ids))


def test_headings_descend_without_gaps(page: Page) -> None:
    assert page.headings[0] == 1 and page.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False))


def test_the_numbers_of_the_page_are_those_of_the_sweep_table(page: Page, results: Path) -> None:
    sweep = pd.read_csv(results / "summary" / "sweep.csv").set_index("system")
    head, *rows = page.table("Mean ± one standard error; empty")
    names = [text for text, _ in head[1:]]
    assert names == list(sweep.index)
    checked = 0
    columns = {re.sub(r"_(m2_s|S_m|g_cm3|nm|ps|kJ_mol|per_nm)$", "", c).replace("_", " "): c for c in sweep}
    for (name, _), *cells in rows:
        for system, (text, value) in zip(names, cells, strict=True):
            expected = sweep.loc[system, columns[name]]
            if math.isnan(expected):
                assert text == "" and value is None
            else:
                assert value == pytest.approx(expected, rel=1e-9) and "±" in text
                checked += 1
    assert checked > 100


def test_the_answers_are_those_of_the_sweep_table(page: Page, results: Path) -> None:
    sweep = pd.read_csv(results / "summary" / "sweep.csv").set_index("system")
    head, *rows = page.table("Mean ± one standard error, or")
    assert [text for text, _ in head] == ["system", "EO:Li", "D(Li⁺), m²/s", "σ, S/m", "t⁺"]
    for row in rows:
        name = row[0][0].removesuffix("in the study")
        found = sweep.loc[name]
        bound = math.isnan(found["D_Li_m2_s"])
        assert row[2][1] == pytest.approx(found["D_Li_upper_bound_m2_s" if bound else "D_Li_m2_s"], rel=1e-9)
        assert row[2][0].startswith("below" if bound else "(")
        if not bound:
            assert row[3][1] == pytest.approx(found["conductivity_collective_S_m"], rel=1e-9)
            assert row[4][1] == pytest.approx(found["transference_nernst_einstein"], rel=1e-9)
        else:
            assert row[3][0].startswith("below") and row[4][0].startswith("not resolved")


def test_the_embedded_tables_are_those_on_disk(page: Page, results: Path, study: Study) -> None:
    for n, name in enumerate(systems_of(study)):
        data = json_of(page, f"data-{n}")
        assert data["name"] == name
        for table in ("structure", "motion", "morphology", "traces-npt"):
            disk = pd.read_csv(results / name / "analysis" / f"{table}.csv")
            kept = disk.set_index(disk.columns[0])
            embedded = data["tables"][table]
            assert set(embedded) == set(disk.columns)
            x = disk.columns[0]
            for column in kept:
                expected = kept[column].to_numpy()[
                    np.searchsorted(kept.index.to_numpy(), np.array(embedded[x]) * (1 - 1e-4))
                ]
                np.testing.assert_allclose(embedded[column], expected, rtol=6e-4)


def test_structures_stand_under_the_name_of_their_system(page: Page, html: str, results: Path) -> None:
    views = html[html.index('id="structures"') : html.index('id="study"')]
    names = re.findall(r'<option value="(\d+)"( selected)?>([^<]+)</option>', views)
    pebax = [f"pebax-eo{ratio}-298K-r1" for ratio in (12, 18, 8)]
    # two views of all systems: without structures of PEO there are no two polymers to begin with
    assert [name for _, _, name in names] == 2 * pebax
    assert [name for _, selected, name in names if selected] == pebax[:2]
    for number, _, name in names:
        disk = json.loads((results / name / "analysis" / "snapshot-scene.json").read_text())
        assert json_of(page, f"scene-{number}") == disk


def test_every_row_of_the_comparisons_is_on_the_page_with_its_verdict(page: Page, results: Path) -> None:
    study_csv = pd.read_csv(results / "summary" / "study.csv")
    table = page.table("Every number of the study")[1:] + page.table("Every claim in words")[1:]
    heads, rows = [row for row in table if len(row) == 1], [row for row in table if len(row) > 1]
    assert len(rows) == len(study_csv) and len(heads) == len(study_csv.groupby(["id", "what"]))
    ours = sorted(value for row in rows if (value := row[1][1]) is not None)
    np.testing.assert_allclose(ours, sorted(study_csv["ours"].dropna()), rtol=1e-9)
    for verdict, count in study_csv["verdict"].value_counts().items():
        assert sum(row[3][0].endswith(f" {verdict}") for row in rows) == count
    extension = [row for row in rows if row[3][0].endswith("not simulated in the study")]
    assert extension and all(row[2] == ("not simulated there", None) for row in extension)
    assert [cell[1] for cell in page.table("Ours beside the measured")[1][3:6]] == pytest.approx([1e-5, 5e-5, -0.7])


def test_displacements_at_equal_lag_stand_with_interval_and_probability(page: Page, results: Path) -> None:
    on_disk = pd.read_csv(results / "summary" / "equal-lag.csv")
    against = on_disk[on_disk["pair"] == "reference"]
    rows = page.table("Mean squared displacement over that of the reference")[1:]
    assert [(row[0][0], row[1][0], row[3][1]) for row in rows] == [
        (of.system, of.against, pytest.approx(of.ratio)) for of in against.itertuples()
    ]
    first = against.iloc[0]
    assert rows[0][3][0] == f"{first['ratio']:.3g} ({first['ratio_low']:.3g} to {first['ratio_high']:.3g})"
    assert rows[0][5][0] == f"{100 * first['probability_larger']:.0f} %"
    # the first screen has those of polymers
    is_lithium = (against["compared"] == "polymer") & (against["particle"] == "Li")
    polymers = against[is_lithium & against["ratio"].notna()]
    leading = page.text[page.text.index("What the sweep shows") : page.text.index("Systems: ")]
    assert len(polymers) and all(
        f"{of.system} is {of.ratio:.3g} ({of.ratio_low:.3g} to {of.ratio_high:.3g}) of that in {of.against}" in leading
        for of in polymers.itertuples()
    )
    assert f"In {first['lag_ps']:g}" in leading
    orders = page.table("The likeliest order")[1:]
    ranked = pd.read_csv(results / "summary" / "ranking.csv")
    assert len(orders) == ranked["set"].nunique()
    assert orders[0][2][0].startswith(ranked["system"].iloc[0]) and orders[0][4][0] == ranked["verdict"].iloc[0]
    assert "Who moves farther in the same time" in page.text


def test_a_lag_that_no_system_reaches_is_named_and_nothing_is_ranked(tmp_path: Path) -> None:
    study = synthetic_study(sweep=[{"polymer": ["peo", "pebax"], "eo_li": 12}])
    results = tmp_path / "results"
    table = write_sweep(results, study)
    write_equal_lag(table, pd.read_csv(table), lag_ps=400.0)
    page = parsed(render(read(results, study)))
    (row,) = page.table("Mean squared displacement over that of the reference")[1:]
    assert [text for text, _ in row[3:6]] == ["–", "400 ps", "–"] and row[6][0].startswith("not resolved: ")
    assert "mean squared displacement in" not in page.text
    assert not [caption for caption in page.tables if "likeliest order" in caption]


def test_trust_says_gates_warnings_cost_versions_and_commands(page: Page, study: Study) -> None:
    gates = page.table("Verdict of the gate")
    assert [text for text, _ in gates[0][1:]] == [*(stage.name for stage in study.stages), "core-hours"]
    assert {text for row in gates[1:] for text, _ in row[1:-1]} == {"✓ pass", "! warned"}
    assert {row[-1][0] for row in gates[1:]} == {plain(len(study.stages) * 0.5 * 2)}
    assert "compress: mean temperature 415.1 K, asked for 400 K" in page.text
    stages = len(systems_of(study)) * len(study.stages)
    assert f"{plain(stages * 0.5 * 2)} core-hours in {stages} of {stages} stages" in page.text
    assert "2022.5 (thread_mpi)" in page.text and "abcdef0123456789" in page.text
    assert "eoli stage --name production" in page.text


def test_costs_over_restarts_are_those_of_their_table(tmp_path: Path) -> None:
    study = synthetic_study(sweep=[{"polymer": "peo", "eo_li": 12}])
    results = tmp_path / "results"
    write_sweep(results, study)
    history = results / PEO / "production" / "history.log"
    history.write_text("continues from its checkpoint\n")
    page = parsed(render(read(results, study)))
    stages = len(study.stages)
    assert f"at least {plain(stages * 0.5 * 2)} core-hours" in page.text
    cost = {"system": PEO, "stage": "production", "ns": 10, "core_hours": 40.5, "ns_per_day": 25.0, "wall_hours": 20.25,
            "idle_share": 0.01, "restarts": 3}  # fmt: skip
    pd.DataFrame([cost]).to_csv(results / "summary" / "cost.csv", index=False)
    page = parsed(render(read(results, study)))
    total = plain((stages - 1) * 0.5 * 2 + 40.5)
    assert f"Cost: {total} core-hours in {stages} of {stages} stages, over 3 restarts" in page.text
    assert page.table("Verdict of the gate")[1][-1][0] == total
    head, *rows = page.table(f"Stages of {PEO}")
    production = dict(zip([text for text, _ in head], [text for text, _ in rows[-1]], strict=True))
    assert (production["core-hours"], production["ns/day"], production["hours"], production["restarts"]) == (
        "40.5",
        "25.0",
        "20.2",
        "3",
    )


def test_starts_and_glass_transitions_have_tables_where_there_are_any(tmp_path: Path, html: str) -> None:
    assert "Independent starts" not in parsed(html).text and 'id="glass"' not in html
    study = synthetic_study(sweep=[{"polymer": "peo", "eo_li": 12}])
    results = tmp_path / "results"
    write_sweep(results, study)
    starts = {
        "systems": "peo-eo12-298K-r1 peo-eo12-298K-r2",
        "quantity": "Li_free",
        "replicates": 2,
        "mean": 0.25,
        "difference_over_error": 3.21,
        "verdict": "differ",
    }
    pd.DataFrame([starts, starts | {"mean": None, "difference_over_error": None, "verdict": "not resolved"}]).to_csv(
        results / "summary" / "replicas.csv", index=False
    )
    glass = {"system": "peo-neat", "Tg_K": 251.25, "Tg_low_K": 240.0, "Tg_high_K": 260.0, "verdict": "resolved"}
    open_ = {"system": "peo-eo12", "verdict": "not resolved", "nothing": None}
    within = open_ | {"system": "peo-eo10", "Tg_low_K": 271.4, "Tg_high_K": 400.0}
    above = open_ | {"system": "peo-eo8", "Tg_low_K": 300.0}
    pd.DataFrame([glass, open_, within, above]).to_csv(results / "summary" / "glass-transition.csv", index=False)
    text = render(read(results, study))
    before = text.count("<img")
    (results / "summary" / "glass-transition.svg").write_text("<svg/>")
    text = render(read(results, study))
    page = parsed(text)
    assert text.count("<img") == before + 1
    assert 'src="data:image/svg+xml;base64,PHN2Zy8+"' in text and '<a href="#glass">' in text
    said = (
        "Tg at the rate of the simulation: peo-eo12 not resolved, peo-eo10 not resolved "
        "(between 271 and 400 K, if the volumes bend at all), peo-eo8 not resolved (above 300 K, if"
    )
    assert said in page.text
    assert "Tg at the rate of the simulation: peo-neat 251 K (240 to 260)." in page.text
    rows = page.table("Largest difference of two starts")
    assert [row[3] for row in rows[1:]] == [("3.2", 3.21), ("–", None)] and rows[1][4][0] == "differ"
    head, row, *_ = page.table("Where the branches")
    assert [text for text, _ in head] == ["system", "Tg (K)", "Tg low (K)", "Tg high (K)", "verdict"]
    assert row[1] == ("251.2", 251.25)


def test_what_starts_say_together_leads_the_answers(tmp_path: Path) -> None:
    study = synthetic_study(
        sweep=[{"polymer": "pebax", "eo_li": 8, "replicate": [1, 2]}, {"polymer": "peo", "eo_li": 12}]
    )
    results = tmp_path / "results"
    write_sweep(results, study)
    first, second, other = systems_of(study)
    alone = parsed(render(read(results, study)))
    assert "D(Li⁺) in 1 (an upper bound in 2)" in alone.text and "starts together" not in alone.text
    record: dict[str, Any] = {"systems": [first, second]}
    for analysis in ("motion", "conductivity"):
        record[analysis] = json.loads((results / other / "analysis" / f"{analysis}.json").read_text())
    folder = results / "summary" / "starts"
    folder.mkdir()
    group = first.removesuffix("-r1")
    (folder / f"{group}.json").write_text(json.dumps(record))
    page = parsed(render(read(results, study)))
    assert "Resolved, of 2 systems with salt: D(Li⁺) in 2" in page.text
    rows = page.table("Mean ± one standard error, or")[1:]
    assert [row[0][0] for row in rows] == [f"{group}2 starts together", first, second, other]
    assert rows[0][2][1] == rows[3][2][1] and rows[1][2][0].startswith("below")
    assert "D(Li⁺), self-diffusion of lithium" not in page.text
    # each of the two starts needs 40 ns more
    opened = {row[0][0]: row[3][0] for row in alone.table("“Not resolved” is a result")[1:]}
    assert opened["D(Li⁺), self-diffusion of lithium"].startswith("at least 80 ns more, ")
    # the plots have it beside the starts
    assert json_of(alone, "summary")["pooled"] == []
    (whole,) = json_of(page, "summary")["pooled"]
    assert (whole["name"], whole["starts"]) == (group, [0, 1])
    assert whole["answers"]["D_Li"] == json_of(page, "summary")["systems"][2]["answers"]["D_Li"]
    # what one ion alone leaves open
    del record["conductivity"]["sigma_S_m"]["formal_charges"]["collective"]
    record["conductivity"]["sigma_S_m"]["formal_charges"] = {
        "nernst_einstein": {
            "value": None,
            "error": None,
            "verdict": "not resolved: motion of Li",
            "lower_bound": 5.1,
            "upper_bound": 9.43,
        }
    }
    (folder / f"{group}.json").write_text(json.dumps(record))
    table = pd.read_csv(results / "summary" / "experiments.csv").assign(ours=None, log10_difference=None)
    table = table.assign(ours_low=0.051, ours_high=0.094, log10_difference_low=-0.3, log10_difference_high=0.5)
    table.to_csv(results / "summary" / "experiments.csv", index=False)
    page = parsed(render(read(results, study)))
    assert page.table("Mean ± one standard error, or")[1][3][0].startswith("5.1 to 9.5")
    row = page.table("Ours beside the measured series")[1]
    assert (row[3][0], row[5][0]) == ("0.051 to 0.094 S/cm", "−0.30 to 0.50")
    open_below = table.assign(ours_low=None, log10_difference_low=None)
    open_below.to_csv(results / "summary" / "experiments.csv", index=False)
    row = parsed(render(read(results, study))).table("Ours beside the measured series")[1]
    assert (row[3][0], row[5][0]) == ("below 0.094 S/cm", "below 0.50")
    # the figure is there once something can be drawn
    (results / "summary" / "experiments.svg").write_text("<svg/>")
    for measured, drawn in ((0.05, True), (None, False)):
        table.assign(measured=measured).to_csv(results / "summary" / "experiments.csv", index=False)
        assert ("Ours against measured values" in render(read(results, study))) is drawn


def test_a_stage_that_systems_share_is_paid_once(tmp_path: Path) -> None:
    study = synthetic_study(
        sweep=[{"polymer": "peo", "eo_li": 12, "temperature_K": [298.15, 333.15], "temperature_series": True}]
    )
    results = tmp_path / "results"
    write_sweep(results, study)
    found = read(results, study)
    shared = {(s.home, s.name) for system in found.systems for s in system.stages}
    total = sum(len(system.stages) for system in found.systems)
    assert len(shared) < total
    known = sum((results / home / stage / "provenance.json").is_file() for home, stage in shared)
    assert f"{plain(known * 0.5 * 2)} core-hours in {known} of {len(shared)} stages" in parsed(render(found)).text


def test_reasons_that_differ_in_their_numbers_are_said_once(results: Path, study: Study) -> None:
    sweep = read(results, study)
    for n, system in enumerate(sweep.systems):
        system.scalars["ions"]["verdict"] = f"not resolved: {90 + n}% of the contacts"  # type: ignore[index]
    found = [entry for entry in unresolved(sweep) if entry.what.startswith("free")]
    assert [(entry.why, len(entry.systems)) for entry in found] == [("90 to 96% of the contacts", 7)]


def test_what_is_not_resolved_is_said_with_its_reason(results: Path, study: Study, page: Page) -> None:
    found = {entry.what: entry for entry in unresolved(read(results, study))}
    lithium = found["D(Li⁺), self-diffusion of lithium"]
    assert (lithium.why, lithium.systems) == ("sub-diffusive", ("pebax-eo8-298K-r1",))
    assert found["spacing of domains from S(q)"].why == "box-limited"
    assert "Resolved, of 7 systems with salt: D(Li⁺) in 6 (an upper bound in 1)" in page.text
    planned = needs(study, results, study.config.analysis.target_error)
    (need,) = [need for need in planned if (need.system, need.quantity) == ("pebax-eo8-298K", "D_Li")]
    rows = {row[0][0]: [text for text, _ in row[1:]] for row in page.table("“Not resolved” is a result")[1:]}
    assert need.core_hours is not None and need.disk_gb is not None and need.further_ns == 40.0
    assert rows["D(Li⁺), self-diffusion of lithium"] == [
        "pebax-eo8-298K-r1",
        "sub-diffusive",
        f"at least 40 ns more, {plain(need.core_hours, digits=2)} core-hours and {plain(need.disk_gb, digits=2)} GB",
    ]
    assert rows["spacing of domains from S(q)"][-1] == "no estimate"
    assert "This page is partial" not in page.text


def test_the_page_calls_the_answers_as_they_are_declared(page: Page) -> None:
    heads = [text for text, _ in page.table("Mean ± one standard error, or")[0]]
    for of in asked():
        symbol, heading = of.quantity.symbol, plots.answers()[of.key].heading
        assert heading in page.text and heading.lower() in of.quantity.title.lower()
        assert of.quantity.where & In.HEADLINE == In(0) or any(head.startswith(symbol) for head in heads)


def test_lengths_and_costs_of_what_is_open_are_of_the_same_systems(results: Path, study: Study) -> None:
    sweep = read(results, study)
    (need,) = [need for need in sweep.needs if (need.system, need.quantity) == ("pebax-eo8-298K", "D_Li")]
    systems = list(sweep.systems)[:3]
    of_each = [
        replace(need, system=system.name.removesuffix("-r1"), further_ns=further, core_hours=further, disk_gb=0.1 * further,
                at_this_exponent_ns=at_exponent)
        for system, further, at_exponent in zip(systems, (40.0, 90.0, 60.0), (50.0, None, None), strict=True)
    ]  # fmt: skip
    for system in systems:
        system.scalars["motion"]["Li"] = {"D_m2_s": {"value": None, "error": None}, "verdict": "sub-diffusive"}  # type: ignore[index]
    sweep = replace(sweep, systems=tuple(systems), needs=tuple(of_each))
    (row,) = [row for row in not_resolved(sweep) if row.what.startswith("D(Li⁺), self")]
    # 40 + 90 + 60 ns, and with the one exponent that is known 50 + 90 + 60 ns
    assert row.closes == (
        "at least 40 ns to 90 ns more for each of 3 systems, 190 core-hours and 19 GB for all; at the present exponent "
        "(known in 1 of them, else the bound) 50 ns to 90 ns for each of 3 systems, 200 core-hours and 20 GB for all"
    )


def test_what_is_open_is_listed_once(results: Path, study: Study) -> None:
    sweep = read(results, study)
    for system in sweep.systems:
        verdict = "not resolved: transfers between chains: too few exits"
        system.scalars["renewal"] = {"D_m2_s": {"value": None, "error": None, "verdict": verdict}}  # type: ignore[index]
    (found,) = [entry for entry in unresolved(sweep) if entry.why == "transfers between chains: too few exits"]
    assert (found.key, len(found.systems)) == ("D_Li_renewal", len(sweep.systems))


def test_the_fits_against_temperature_find_the_energy_that_was_put_in(results: Path, study: Study) -> None:
    series = [s for s in temperature_series(read(results, study)) if s["quantity"] == "D_Li"]
    assert [len(s["systems"]) for s in series] == [4]
    points = np.array(series[0]["arrhenius"])
    slope = np.polyfit(1 / points[:, 0], np.log(points[:, 1]), 1)[0]
    # the synthetic D also rises by a tenth of its first value from one temperature to the next
    temperatures = np.array([298.15, 333.15, 363.15, 393.15])
    values = np.exp(-30 / R_KJ / temperatures) * (1 + 0.1 * np.arange(4))
    assert slope == pytest.approx(np.polyfit(1 / temperatures, np.log(values), 1)[0], rel=1e-3)


def test_a_partial_sweep_gives_a_page_that_says_what_is_missing(tmp_path: Path, study: Study) -> None:
    results = tmp_path / "results"
    write_sweep(results, study)
    (results / PEO / "analysis" / "motion.json").unlink()
    (results / PEO / "analysis" / "motion.csv").unlink()
    (results / PEO / "production" / "verdict.json").unlink()
    (results / PEO / "production" / "failure.json").write_text('{"message": "mdrun stopped: disk full", "time": 1}')
    for path in (results / "pebax-eo8-298K-r1").rglob("*.*"):
        path.unlink()
    write_summary(results, study)
    for name in ("study.csv", "experiments.csv", "equal-lag.csv", "compare.json"):
        (results / "summary" / name).unlink()
    page = parsed(render(read(results, study)))
    assert "This page is partial" in page.text
    assert "no motion, no production" in page.text
    assert "The sweep was not laid beside the study" in page.text
    assert "Displacements at equal lag" not in page.text
    assert "production: mdrun stopped: disk full" in page.text
    gates = {row[0][0]: [text for text, _ in row[1:-1]] for row in page.table("Verdict of the gate")[1:]}
    assert gates[PEO][-1] == "failed" and set(gates["pebax-eo8-298K-r1"]) == {"waiting"}
    answers = {
        row[0][0].removesuffix("in the study"): row[2:] for row in page.table("Mean ± one standard error, or")[1:]
    }
    assert answers["pebax-eo8-298K-r1"] == [("missing: motion", None), *[("missing: conductivity", None)] * 2]
    assert "motion" not in json_of(page, "data-0")["tables"]


def test_systems_that_the_table_lacks_are_named(results: Path, study: Study) -> None:
    larger = synthetic_study(sweep=[*study.config.model_dump()["sweep"], {"polymer": "peo", "eo_li": 20}])
    table = results / "summary" / "sweep.csv"
    sweep = gather(larger, list(systems_of(larger)), results, table, now=NOW)
    assert sweep.not_in_table == ("peo-eo20-298K-r1",)
    assert "peo-eo20-298K-r1" in parsed(render(sweep)).text


def test_a_sweep_without_a_table_or_with_a_broken_file_is_refused(tmp_path: Path, study: Study) -> None:
    with pytest.raises(DataError, match="no table of a sweep"):
        read(tmp_path, study)
    results = tmp_path / "results"
    write_sweep(results, study)
    (results / PEO / "analysis" / "motion.json").write_text("{")
    with pytest.raises(DataError, match=r"motion\.json: no JSON"):
        read(results, study)


EVIL = '</script><script>alert(1)</script><img src=x onerror="alert(1)">&"\''


def test_names_and_words_of_the_results_are_escaped(tmp_path: Path) -> None:
    study = synthetic_study(study=EVIL, sweep=[{"polymer": "peo", "eo_li": 12}])
    results = tmp_path / "results"
    write_sweep(results, study)
    verdict = results / PEO / "npt" / "verdict.json"
    data = json.loads(verdict.read_text())
    verdict.write_text(json.dumps(data | {"status": "warn", "warnings": [EVIL]}))
    motion = results / PEO / "analysis" / "motion.json"
    scalars = json.loads(motion.read_text())
    scalars["Li"] |= {"verdict": EVIL, "D_m2_s": {"value": None, "error": None}}
    motion.write_text(json.dumps(scalars))
    page = parsed(render(read(results, study)))
    assert f"npt: {EVIL}" in page.text
    # pictures are in the page itself
    assert [
        of for key, of in page.references if key != "href" and not of.startswith("data:image/svg+xml;base64,")
    ] == []
    assert json_of(page, "summary")["title"] == EVIL
    assert json_of(page, "data-0")["scalars"]["motion"]["Li"]["verdict"] == EVIL
    executed = [text for attributes, text in page.scripts if attributes.get("type") != "application/json"]
    assert len(executed) == 3 and not any("alert(1)" in text for text in executed)


def test_script_json_cannot_close_its_element() -> None:
    assert "<" not in script_json({"x": EVIL + "\u2028<!--"})
    assert json.loads(script_json({"x": EVIL})) == {"x": EVIL}


def test_the_page_is_the_same_for_the_same_results(html: str, results: Path, study: Study) -> None:
    assert render(read(results, study)) == html


def test_a_system_without_salt_has_no_number_of_ions(tmp_path: Path) -> None:
    study = synthetic_study(sweep=[{"polymer": "peo", "salt": "none"}])
    results = tmp_path / "results"
    write_sweep(results, study)
    name = next(iter(systems_of(study)))
    for table in ("motion", "conductivity", "renewal"):
        path = results / name / "analysis" / f"{table}.json"
        data = json.loads(path.read_text())
        for key in ("Li", "anion", "sigma_S_m", "transference", "conductivity_S_m"):
            data.pop(key, None)
        path.write_text(json.dumps(data))
    write_summary(results, study)
    sweep = read(results, study)
    page = parsed(render(sweep))
    row = page.table("Mean ± one standard error, or")[1]
    assert [cell[0] for cell in row[1:]] == ["–", "no salt", "no salt", "no salt"]
    assert not [entry for entry in unresolved(sweep) if entry.what.startswith(("D(", "σ", "t"))]
    assert "Li" not in system_data(sweep.systems[0])["scalars"]["motion"]
