"""What the page leads with: its numbers are those of the tables, and it claims no difference within its error."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy.stats import ttest_ind_from_stats

from eoli.core.numbers import unit_text, with_error
from eoli.core.statistics import exceeds
from eoli.report.gather import Sweep, gather
from eoli.report.known import SENTENCES, Shown, along, chosen, points, shown
from eoli.report.page import render
from eoli.report.sections.setup import labels_of
from eoli.report.sections.tables import Cell
from eoli.study import quantities
from eoli.study.quantities import QUANTITIES, THEMES, Known, Quantity, leading, named
from eoli.study.systems import systems_of
from synthetic import synthetic_study, write_summary, write_sweep

SERIES = [{"polymer": "peo", "eo_li": 12}, {"polymer": "pebax", "eo_li": [18, 12, 8]}]
PEO, *PEBAX = ("peo-eo12-298K-r1", "pebax-eo18-298K-r1", "pebax-eo12-298K-r1", "pebax-eo8-298K-r1")
Change = Callable[[str, dict[str, dict[str, Any]]], None]


def number(value: float | None, error: float | None) -> dict[str, float | None]:
    return {"value": value, "error": error}


def made(folder: Path, blocks: list[dict[str, Any]], change: Change = lambda name, scalars: None) -> Sweep:
    """A sweep whose scalars a function has changed, by system and analysis; an emptied one has no file."""
    study = synthetic_study(sweep=blocks)
    write_sweep(folder, study)
    for name in systems_of(study):
        analysis = folder / name / "analysis"
        scalars = {path.stem: json.loads(path.read_text()) for path in analysis.glob("*.json")}
        change(name, scalars)
        for stem, found in scalars.items():
            if found:
                (analysis / f"{stem}.json").write_text(json.dumps(found))
            else:
                (analysis / f"{stem}.json").unlink()
                (analysis / f"{stem}.csv").unlink(missing_ok=True)
    write_summary(folder, study)
    return gather(study, list(systems_of(study)), folder, folder / "summary" / "sweep.csv", now=1e10)


def said(sweep: Sweep, why: str = "95% of the contacts of the first frame are there in the last") -> Shown:
    return shown(sweep, labels_of(sweep), why)


def densities(values: dict[str, tuple[float, float]], mixed: bool = False) -> Change:
    """Densities by system, and whether lithium has exchanged its partners; a number of ether oxygens that falls."""

    def change(name: str, scalars: dict[str, dict[str, Any]]) -> None:
        value, error = values[name]
        scalars["density"]["density_g_cm3"] = number(value, error)
        scalars["structure"]["Li"]["ether_O"]["at_cutoff"] = number(6 - 2 * value, error)
        if mixed:
            scalars["ions"]["verdict"] = "resolved"

    return change


APART = {PEO: (1.15, 0.002), PEBAX[0]: (1.10, 0.002), PEBAX[1]: (1.12, 0.002), PEBAX[2]: (1.20, 0.002)}


def cells(found: Shown) -> list[Cell]:
    return [part for sentence in found.sentences for part in sentence.parts if isinstance(part, Cell)]


def test_every_number_is_one_of_the_table_with_its_error_and_unit(tmp_path: Path) -> None:
    sweep = made(tmp_path, SERIES, densities(APART, mixed=True))
    table = pd.read_csv(tmp_path / "summary" / "sweep.csv")
    texts: dict[str, set[str]] = {}
    for quantity in QUANTITIES:
        if quantity.known is None or quantity.columns[0] not in table:
            continue
        for value, error in table[list(quantity.columns)].dropna().itertuples(index=False):
            whole = with_error(value, error, quantity.unit)
            # the unit stands once at the end of a range
            texts.setdefault(f"{value:.9g}", set()).update({whole, whole.removesuffix(f" {unit_text(quantity.unit)}")})
    found = said(sweep)
    assert len(cells(found)) > 10
    for cell in cells(found):
        assert cell.value is not None and cell.text in texts[f"{cell.value:.9g}"]
    # no other number but the places along the axis and how many systems there are
    words = " ".join(part for sentence in found.sentences for part in sentence.parts if isinstance(part, str))
    assert set(re.findall(r"\d+", words.replace("first", ""))) <= {"18", "8", "1", "3", "4"}


def frozen(values: dict[str, float], error: float = 1e-17) -> Change:
    """A share of free lithium that never changes, by system; all others leave it as it is."""

    def change(name: str, scalars: dict[str, dict[str, Any]]) -> None:
        if name in values:
            scalars["ions"]["Li"]["free"] = number(values[name], error)
            scalars["ions"]["verdict"] = "resolved"

    return change


def test_what_never_changed_is_left_out_with_a_word(tmp_path: Path) -> None:
    sweep = made(tmp_path, SERIES, frozen({PEO: 0.25, PEBAX[0]: 0.5}))
    found = said(sweep)
    assert "its error is not known: ion pairs and clusters (free in 2 systems)." in found.basis
    assert "0.25 (constant)" not in " ".join(sentence.text for sentence in found.sentences)
    page = render(sweep)
    assert "0.25 (constant)" in page and "0.5 (constant)" in page and "± 0<" not in page
    others = made(tmp_path / "others", SERIES)
    assert "never changed" not in said(others).basis


def test_of_several_starts_one_that_never_changed_counts(tmp_path: Path) -> None:
    """Their scatter gives an error, and leaving the frozen one out would move the mean."""
    first, second = (f"peo-eo12-298K-r{n}" for n in (1, 2))
    both = [{"polymer": "peo", "eo_li": 12, "replicate": [1, 2]}]
    (point,) = points(named("Li_free"), made(tmp_path, both, frozen({first: 0.25, second: 0.35})))
    assert point.value == pytest.approx(0.3) and point.standard_error == pytest.approx(0.05) and point.freedom == 1
    # with the same number in both nothing tells the error
    assert points(named("Li_free"), made(tmp_path / "same", both, frozen({first: 0.25, second: 0.25}))) == []


def test_each_sentence_ends_and_there_are_few(tmp_path: Path) -> None:
    found = said(made(tmp_path, SERIES, densities(APART)))
    assert 3 <= len(found.sentences) <= SENTENCES + 1
    for sentence in found.sentences:
        assert re.fullmatch(r"[A-Z][^{}]*[^ .]\.", sentence.text), sentence.text
        assert "  " not in sentence.text and " ," not in sentence.text


def test_a_difference_beyond_its_error_is_claimed_between_the_ends_of_the_series(tmp_path: Path) -> None:
    found = said(made(tmp_path, SERIES, densities(APART)))
    (density,) = [
        sentence.text for sentence in found.sentences if "density" in sentence.text and "is " in sentence.text
    ][:1]
    assert density == (
        "The density is (1.1000 ± 0.0020) to (1.2000 ± 0.0020) g/cm³; in Pebax it rises from (1.1000 ± 0.0020) g/cm³ at "
        "EO:Li 18 to (1.2000 ± 0.0020) g/cm³ at EO:Li 8."
    )
    assert "at 95 % confidence" in found.basis and "EO:Li" in found.basis


@pytest.mark.parametrize(("error", "claimed"), [(0.01, True), (0.04, False), (0.2, False)])
def test_a_difference_within_its_error_is_not_claimed(tmp_path: Path, error: float, claimed: bool) -> None:
    found = said(made(tmp_path, SERIES, densities({name: (value, error) for name, (value, _) in APART.items()})))
    assert any(" rises from " in sentence.text for sentence in found.sentences) == claimed
    assert not any(" falls from " in sentence.text for sentence in found.sentences)


def test_what_remembers_the_packing_is_not_compared_until_lithium_has_moved(tmp_path: Path) -> None:
    packed = said(made(tmp_path / "packed", SERIES, densities(APART)))
    assert not any("ether oxygens falls" in sentence.text for sentence in packed.sentences)
    assert packed.sentences[-1].text == (
        "The boxes are still as packed (95% of the contacts of the first frame are there in the last): these numbers may "
        "change in a longer run; all but the transport and the density also depend on the start, and no difference between "
        "such boxes is claimed from them."
    )
    mixed = said(made(tmp_path / "mixed", SERIES, densities(APART, mixed=True)))
    (sentence,) = [s.text for s in mixed.sentences if s.text.startswith("Lithium binds")]
    assert (
        "; in Pebax the number of ether oxygens falls from 3.8000 ± 0.0020 at EO:Li 18 to 3.6000 ± 0.0020 at"
        in sentence
    )
    assert not any("as packed" in s.text for s in mixed.sentences)


def test_starts_count_by_their_scatter(tmp_path: Path) -> None:
    """Two starts that differ by more than their errors leave no difference to claim, however small those are."""
    blocks = [{"polymer": "pebax", "eo_li": [18, 8], "replicate": [1, 2]}]

    def change(name: str, scalars: dict[str, dict[str, Any]]) -> None:
        shift = 0.03 if name.endswith("r2") else 0.0
        scalars["density"]["density_g_cm3"] = number((1.1 if "eo18" in name else 1.15) + shift, 0.0005)

    sweep = made(tmp_path, blocks, change)
    _, points = chosen([named("density")], sweep)
    table = pd.read_csv(tmp_path / "summary" / "sweep.csv")
    means = table.groupby("eo_li_asked", sort=False)["density_g_cm3"].mean()
    assert [point.value for point in points] == pytest.approx(means.tolist())
    # half of the 68 % interval of two values: Student's t of one degree of freedom
    assert [point.standard_error for point in points] == pytest.approx([0.015, 0.015])
    assert [point.error for point in points] == pytest.approx([1.837 * 0.015] * 2, rel=1e-3)
    assert not any("rises" in sentence.text for sentence in said(sweep).sentences)


def test_a_pooled_result_counts_where_there_is_one(tmp_path: Path) -> None:
    blocks = [{"polymer": "pebax", "eo_li": 8, "replicate": [1, 2]}, {"polymer": "peo", "eo_li": 12}]
    sweep = made(tmp_path, blocks)
    first, second, other = systems_of(sweep.study)
    assert len(chosen([named("D_Li")], sweep)[1]) == 1
    record: dict[str, Any] = {"systems": [first, second]}
    record["motion"] = json.loads((tmp_path / other / "analysis" / "motion.json").read_text())
    record["conductivity"] = json.loads((tmp_path / first / "analysis" / "conductivity.json").read_text())
    record["motion"]["Li"]["D_m2_s"] = number(7e-12, 1e-12)
    (tmp_path / "summary" / "starts").mkdir()
    (tmp_path / "summary" / "starts" / f"{first.removesuffix('-r1')}.json").write_text(json.dumps(record))
    sweep = gather(sweep.study, list(systems_of(sweep.study)), tmp_path, tmp_path / "summary" / "sweep.csv", now=1e10)
    assert [point.value for point in chosen([named("D_Li")], sweep)[1]] == [7e-12, pytest.approx(2.4e-11)]
    assert (
        said(sweep)
        .sentences[0]
        .text.startswith("In transport, D(Li⁺) is (7.0 ± 1.0) × 10⁻¹² to (2.40 ± 0.24) × 10⁻¹¹ m²/s")
    )


@pytest.mark.parametrize("shift", [0.5, 2.0, 3.0, 3.9, 6.0, 30.0])
def test_the_test_of_a_difference_is_that_of_welch(shift: float) -> None:
    for (a, b), (n, m), confidence in itertools.product([(1.0, 1.0), (1.0, 0.2)], [(5, 5), (2, 5)], (0.95, 0.995)):
        found = ttest_ind_from_stats(
            shift, a * math.sqrt(n), n, 0.0, b * math.sqrt(m), m, equal_var=False
        )  # the standard deviation of one sample
        assert exceeds(shift, (a, b), (n - 1, m - 1), confidence) == (found.pvalue < 1 - confidence)
    assert not exceeds(shift, (0.0, 0.0), (4, 4), 0.95)


def test_nothing_that_is_not_resolved_is_said(tmp_path: Path) -> None:
    """A value that its verdict withholds, or that has no error, is in no sentence and in no plot."""

    def change(name: str, scalars: dict[str, dict[str, Any]]) -> None:
        scalars["density"] = {"density_g_cm3": number(1.23456, None)}
        scalars["ions"]["Li"]["free"] = number(0.777, 0.01)
        scalars["hydrogen-bonds"]["acceptors"]["anion"]["NH_share"] = number(0.25, 1e-17)
        for analysis in ("motion", "conductivity", "renewal", "structure"):
            scalars[analysis] = {}

    sweep = made(tmp_path, SERIES, change)
    found = said(sweep)
    assert (found.sentences, found.drawn) == ((), ())
    assert found.basis == (
        "No sentence or plot counts what never changed during the run, for its error is not known: hydrogen bonds of the amide "
        "(anion in 4 systems)."
    )
    html = render(replace(sweep, equal_lag=None))
    assert "No number is resolved yet." in html and 'id="plots-known"' not in html
    assert '"known":{}' in html


def test_what_only_some_systems_have_is_counted(tmp_path: Path) -> None:
    def change(name: str, scalars: dict[str, dict[str, Any]]) -> None:
        if name in (PEO, PEBAX[0]):
            scalars["density"]["density_g_cm3"]["error"] = None
            scalars["structure"]["Li"]["ether_O"]["at_cutoff"] = number(None, None)
        elif name == PEBAX[1]:
            del scalars["structure"]["Li"]["carbonyl_O"]

    found = said(made(tmp_path, SERIES, change))
    texts = [sentence.text for sentence in found.sentences]
    assert any(text == "The density is (1.1000 ± 0.0020) g/cm³ in 2 of 4 systems." for text in texts)
    (coordination,) = [text for text in texts if text.startswith("Lithium binds")]
    # what a system does not have, by nature or not yet, is not counted: the page says elsewhere what is missing
    assert " ether oxygens (2 of 4 systems), " in coordination and " carbonyl oxygens and " in coordination


def test_one_system_alone_is_compared_with_nothing(tmp_path: Path) -> None:
    sweep = made(tmp_path, SERIES[:1])
    found = said(sweep)
    assert along(sweep) is None and "difference" not in found.basis
    assert (
        found.sentences[-1].text.startswith("The box is still as packed") and "claimed" not in found.sentences[-1].text
    )
    assert not any(" to " in sentence.text for sentence in found.sentences[:-1])


def test_a_temperature_series_runs_along_the_temperature(tmp_path: Path) -> None:
    blocks = [{"polymer": "peo", "eo_li": 12, "temperature_K": [333.0, 363.0, 393.0]}]

    def change(name: str, scalars: dict[str, dict[str, Any]]) -> None:
        kelvin = float(name.split("-")[2].removesuffix("K"))
        scalars["density"]["density_g_cm3"] = number(1.3 - kelvin / 1000, 0.001)

    sweep = made(tmp_path, blocks, change)
    where = along(sweep)
    assert where is not None and where.axis == "temperature_K"
    (density,) = [s.text for s in said(sweep).sentences if s.text.startswith("The density")]
    assert density.endswith("; it falls from (0.9670 ± 0.0010) g/cm³ at 333 K to (0.9070 ± 0.0010) g/cm³ at 393 K.")


def test_a_neat_polymer_has_a_density_and_no_salt_to_speak_of(tmp_path: Path) -> None:
    def change(name: str, scalars: dict[str, dict[str, Any]]) -> None:
        for analysis in ("ions", "structure", "conductivity", "renewal", "mechanism", "hydrogen-bonds"):
            scalars[analysis] = {}
        scalars["motion"] = {"length_ns": 10.0, "chain": scalars["motion"]["chain"]}

    sweep = made(tmp_path, [{"polymer": "peo", "salt": "none"}], change)
    assert [sentence.text for sentence in said(sweep, "").sentences] == ["The density is (1.1000 ± 0.0020) g/cm³."]


def test_a_plot_without_data_is_left_out(tmp_path: Path) -> None:
    def change(name: str, scalars: dict[str, dict[str, Any]]) -> None:
        scalars["hydrogen-bonds"] = {"NH": 0, "verdict": "no NH: the system has no donor"}

    html = render(made(tmp_path, SERIES[:1], change))
    drawn = re.findall(r'data-plot="([\w-]+)"', html)
    assert "hydrogen" not in drawn and "known-hydrogen-bonds" not in drawn
    assert {"ions", "coordination", "moves", "known-coordination"} <= set(drawn)


def test_an_entry_of_the_table_is_all_that_a_quantity_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theme = replace(
        THEMES[1], key="jump", heading="Displacement", sentence="In one picosecond {}.", axis="displacement"
    )
    new = Quantity("jump", "nm", "motion", ("Li", "jump"), known=Known("jump", "lithium moves {}", "its way", "Li"))
    monkeypatch.setattr(quantities, "QUANTITIES", (*QUANTITIES, new))
    for module in ("study.quantities", "report.known", "report.embed"):
        monkeypatch.setattr(f"eoli.{module}.THEMES", (theme,))

    def change(name: str, scalars: dict[str, dict[str, Any]]) -> None:
        scalars["motion"]["Li"]["jump"] = number(0.05 if "eo8" in name else 0.1, 0.001)

    sweep = made(tmp_path, SERIES, change)
    assert [sentence.text for sentence in said(sweep).sentences] == [
        "In one picosecond lithium moves (0.0500 ± 0.0010) to (0.1000 ± 0.0010) nm; in Pebax its way falls from "
        "(0.1000 ± 0.0010) nm at EO:Li 18 to (0.0500 ± 0.0010) nm at EO:Li 8."
    ]
    html = render(sweep)
    assert 'data-plot="known-jump"' in html and '"axis":"displacement (nm)"' in html


def test_the_table_of_what_is_known_is_consistent() -> None:
    keys = [theme.key for theme in THEMES]
    assert len(set(keys)) == len(keys)
    for theme in THEMES:
        members = [quantity for routes in leading(theme.key).values() for quantity in routes]
        assert members and theme.sentence.count("{}") == 1
        # quantities of one plot share its axis
        assert not theme.axis or len({quantity.unit for quantity in members}) == 1
    for quantity in QUANTITIES:
        if quantity.known is not None:
            assert quantity.known.theme in keys and quantity.known.words.count("{}") == 1
