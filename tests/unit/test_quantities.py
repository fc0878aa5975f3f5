"""One entry of the table of quantities is all that a new one takes: it then appears wherever its flags say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import eoli
from eoli.analysis.results import read_sweep
from eoli.figures.sweep import OF_SWEEP, read_grouped
from eoli.report.gather import gather
from eoli.report.page import render
from eoli.study import quantities
from eoli.study.analyses import TABLES
from eoli.study.axes import replica_group
from eoli.study.quantities import In, Panel, Quantity, at, declared, grouped, named, sweep_columns
from eoli.summary.pooled import read_starts, starts_table
from eoli.summary.replicas import replica_table
from eoli.summary.run_lengths import needs
from eoli.summary.temperature import activation_table
from synthetic import synthetic_study, write_summary, write_sweep

NEW = Quantity(
    "hopping", "m2_s", "motion", ("Li", "hopping"), Panel("transport", "hopping of Li (m²/s)"), bounds=("upper_bound",),
    verdict_column="hopping_verdict", where=In.SWEEP | In.STARTS | In.PLAN | In.PAGE | In.HEADLINE, log=True, symbol="h⁺",
    title="hopping of lithium", fitted=9, fit_label="h(Li) (m²/s)", compared_as="hopping", open=("hops", "not resolved"),
)  # fmt: skip
STUDY = synthetic_study(
    sweep=[{"polymer": "peo", "eo_li": 12, "temperature_K": [333.0, 363.0, 393.0], "replicate": [1, 2]}]
)


def said_by(path: Path, value: float | None) -> dict[str, Any]:
    """Scalars of motion, with the new quantity as its analysis would write it, or with a bound of it."""
    motion: dict[str, Any] = json.loads(path.read_text())
    found = {"value": value, "error": None if value is None else value / 10, "verdict": "diffusive"}
    if value is None:
        found |= {
            "upper_bound": 3e-11,
            "verdict": "not resolved: invented",
            "extension": {"further_ns": 7.0, "reason": "x"},
        }
    motion["Li"]["hopping"] = found
    path.write_text(json.dumps(motion))
    return motion


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished sweep of three temperatures in two starts each, whose first system has but a bound."""
    monkeypatch.setattr(quantities, "QUANTITIES", (*quantities.QUANTITIES, NEW))
    write_sweep(tmp_path, STUDY)
    for n, path in enumerate(sorted(tmp_path.glob("*/analysis/motion.json"))):
        said_by(path, None if n == 0 else (1 + n) * 1e-11)
    (tmp_path / "summary" / "sweep.csv").unlink()
    write_summary(tmp_path, STUDY)
    return tmp_path


def texts(svg: Path) -> str:
    return "\n".join(text for element in ElementTree.parse(svg).iter() for text in element.itertext())


def test_a_new_entry_appears_in_every_table(results: Path) -> None:
    table = read_sweep(results / "summary" / "sweep.csv")
    assert {"hopping_m2_s", "hopping_error_m2_s", "hopping_upper_bound_m2_s", "hopping_verdict"} <= set(table)
    assert table["hopping_m2_s"].tolist()[1] == 2e-11 and table["hopping_upper_bound_m2_s"].tolist()[0] == 3e-11
    assert table["hopping_verdict"].tolist()[0] == "not resolved: invented"
    compared = replica_table(table).set_index("quantity").loc["hopping", "verdict"].tolist()
    assert compared == ["not resolved: 1 of 2 starts with a value and an error", "agree", "agree"]
    assert "hopping" in activation_table(table)["quantity"].tolist()
    planned = [need for need in needs(STUDY, results, 0.2) if need.quantity == "hopping"]
    assert [need.at_least for need in planned] == [True, False, False]


def test_a_new_entry_appears_in_what_starts_say_together(results: Path) -> None:
    sweep = read_sweep(results / "summary" / "sweep.csv")
    starts = sweep["system"].tolist()[:2]
    motion = said_by(results / starts[0] / "analysis" / "motion.json", 4e-11)
    folder = results / "summary" / "starts"
    folder.mkdir()
    record = {"systems": starts, "motion": motion, "conductivity": {}}
    (folder / f"{replica_group(starts[0])}.json").write_text(json.dumps(record))
    table = starts_table(sweep, read_starts(results, starts))
    (row,) = table[table["quantity"] == "hopping"].to_dict("records")
    assert (row["unit"], row["value"], row["error"], row["verdict"]) == ("m2/s", 4e-11, 4e-12, "diffusive")
    # its window of lags stands above it
    assert row["fit_from_ps"] == motion["Li"]["fit_from_ps"]


def test_a_new_entry_appears_in_the_figures(results: Path) -> None:
    for name, label in (("transport", "hopping of Li (m²/s)"), ("temperature", "h(Li) (m²/s)")):
        svg, _ = OF_SWEEP[name](read_grouped(results / "summary" / "sweep.csv"), results / name)
        assert label in texts(svg)


def test_a_new_entry_appears_on_the_page(results: Path) -> None:
    names = [path.parent.parent.name for path in results.glob("*/analysis/motion.json")]
    page = render(gather(STUDY, names, results, results / "summary" / "sweep.csv", 0.0))
    assert "h⁺, m²/s" in page and "hopping m2 s" not in page and "hopping_m2_s" in page
    assert "Hopping of lithium</h3>" in page and "h⁺ in 5 (an upper bound in 1)" in page
    assert ">hops<" in page and '"quantity":"hopping","route":"only"' in page


def test_the_table_is_consistent() -> None:
    columns = list(sweep_columns(TABLES))
    assert len(columns) == len(set(columns))
    names = [quantity.name for quantity in quantities.QUANTITIES]
    assert len(names) == len(set(names))
    for group, routes in grouped(declared(In.PAGE)).items():
        assert len({(of.unit, of.log, of.symbol, of.title) for of in routes}) == 1, group
        assert len({of.route for of in routes}) == len(routes), group
    for quantity in quantities.QUANTITIES:
        assert set(quantity.bounds) <= {"upper_bound", "lower_bound", "at_least"}
        # a fit and a comparison are of columns
        assert not (quantity.fitted or quantity.compared_as) or In.SWEEP in quantity.where
        assert not quantity.panel or In.SWEEP in quantity.where


def test_a_quantity_is_read_where_it_stands() -> None:
    stated = {"value": None, "error": None, "upper_bound": 2.0, "verdict": "not resolved: short"}
    scalars = {"conductivity": {"sigma_S_m": {"formal_charges": {"collective": stated}}, "fit_from_ps": 3.0}}
    sigma = named("conductivity_collective")
    answer = sigma.of(scalars)
    assert answer is not None and (answer.value, answer.bound, answer.least) == (None, 2.0, None)
    assert sigma.beside(scalars, "fit_from_ps") == 3.0 and sigma.beside(scalars, "fit_to_ps") is None
    assert named("D_Li").of(scalars) is None and named("ionicity").found({"conductivity": {"ionicity": 1}}) is None
    assert at({"a": {"b": 1}}, ("a", "b", "c")) is None


def test_the_table_is_light() -> None:
    code = "import sys, eoli.study.quantities; print([name for name in ('numpy', 'pandas') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_keys_of_results_are_spelled_in_the_table_alone() -> None:
    """What analyses write is read by the table: no other module has these paths."""
    folder = Path(eoli.__file__).parent
    readers = [path for path in folder.rglob("*.py") if path.relative_to(folder).parts[0] != "analysis"]
    spelled = {
        path.name
        for path in readers
        for key in (
            "D_m2_s",
            "D_upper_bound_m2_s",
            '"sigma_S_m"',
            '"formal_charges"',
            '"mean_at_least_ps"',
            '"spacing_nm"',
        )
        if key in path.read_text(encoding="utf-8")
    }
    assert spelled == {"quantities.py"}
