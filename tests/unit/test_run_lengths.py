"""Lengths of runs from what short ones found: estimates where motion is diffusive, lower bounds where it is not."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from eoli.commands.study import add_plan, plan
from eoli.forcefield.library import library
from eoli.study.systems import size_of, systems_of
from eoli.summary.run_lengths import Need, needs, not_analysed
from support import ROOT, mistake
from synthetic import synthetic_study

SWEEP = [
    {"polymer": "peo", "eo_li": 12, "temperature_K": 400, "replicate": [1, 2]},
    {"polymer": "peo", "salt": "none", "temperature_K": 400},
]
STUDY = synthetic_study(sweep=SWEEP)


def ion(relative: float | None, further: float | None = 40.0, at_exponent: float | None = None) -> dict[str, Any]:
    """An ion that diffuses, with the error of its D, or one that does not, with its lower bound."""
    if relative is not None:
        return {"D_m2_s": {"value": 1e-11, "error": relative * 1e-11}, "verdict": "diffusive"}
    extension = {
        "further_ns": further,
        "at_least": True,
        "at_this_exponent_ns": at_exponent,
        "reason": "at least: the motion must become diffusive",
    }
    return {"D_m2_s": {"value": None, "error": None}, "verdict": "sub-diffusive", "extension": extension}


def sigma(relative: float | None, verdict: str = "resolved") -> dict[str, Any]:
    return {
        "value": None if relative is None else 0.1,
        "error": None if relative is None else 0.1 * relative,
        "verdict": verdict,
    }


def write(folder: Path, number: int, lithium: dict[str, Any], anion: dict[str, Any], *routes: dict[str, Any]) -> None:
    analysis = folder / f"peo-eo12-400K-r{number}" / "analysis"
    analysis.mkdir(parents=True)
    (analysis / "motion.json").write_text(json.dumps({"length_ns": 10.0, "Li": lithium, "anion": anion}))
    formal = dict(zip(("nernst_einstein", "collective"), routes, strict=True))
    (analysis / "conductivity.json").write_text(json.dumps({"sigma_S_m": {"formal_charges": formal}}))


def found(folder: Path, target: float = 0.2) -> dict[str, Need]:
    return {need.quantity: need for need in needs(STUDY, folder, target)}


def test_diffusive_runs_have_an_estimate(tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path, number, ion(0.4), ion(0.1), sigma(0.3), sigma(0.5))
    by = found(tmp_path)
    lithium = by["D_Li"]
    # two starts of 10 ns: 0.4/sqrt(2) now, so twice as much for 0.2
    assert lithium.relative_error == pytest.approx(0.4 / math.sqrt(2))
    assert (lithium.total_ns, lithium.further_ns) == (pytest.approx(40), pytest.approx(20))
    assert not lithium.at_least and lithium.runs == 2
    assert "error now 28%: about 20 ns more (" in lithium.line()
    assert by["D_anion"].further_ns == 0 and "enough, error now 7%" in by["D_anion"].line()
    assert by["conductivity_nernst_einstein"].total_ns == pytest.approx(20 * (0.3 / math.sqrt(2) / 0.2) ** 2)
    collective = by["conductivity_collective"]
    assert collective.total_ns == pytest.approx(62.5) and collective.runs == 7
    assert "42.5 ns more in 7 starts" in collective.line()


def test_sub_diffusion_has_a_lower_bound_and_says_so(tmp_path: Path) -> None:
    write(tmp_path, 1, ion(None, 40.0, 300.0), ion(0.1), sigma(None, "not resolved"), sigma(None, "not resolved"))
    write(tmp_path, 2, ion(None, 20.0), ion(0.1), sigma(None, "not resolved"), sigma(None, "not resolved"))
    by = found(tmp_path)
    lithium = by["D_Li"]
    assert lithium.at_least and lithium.relative_error is None
    # both lengths are of two starts, each as long as the slower one must be: 10 + 40 and 10 + 300 ns
    assert (lithium.total_ns, lithium.further_ns, lithium.at_this_exponent_ns) == (100.0, 80.0, 600.0)
    assert "at least 80 ns more, 600 ns at its present exponent (" in lithium.line()
    assert "motion of Li is sub-diffusive: the motion must become" in lithium.line()
    for route in ("nernst_einstein", "collective"):
        assert by[f"conductivity_{route}"].at_least and "at least" in by[f"conductivity_{route}"].line()
    assert not by["D_anion"].at_least


@pytest.mark.parametrize(
    ("first", "second", "at_least", "at_exponent"),
    # the slow start sets the bound; the other one has an exponent, which asks for less, for as much, for more
    [(40.0, 10.0, 80.0, None), (40.0, 40.0, 80.0, None), (40.0, 50.0, 80.0, 100.0)],
)
def test_a_length_at_the_present_exponent_is_never_below_the_bound(
    tmp_path: Path, first: float, second: float, at_least: float, at_exponent: float | None
) -> None:
    none = sigma(None, "no")
    write(tmp_path, 1, ion(None, first), ion(0.1), none, none)
    write(tmp_path, 2, ion(None, 5.0, second), ion(0.1), none, none)
    by = found(tmp_path)
    for quantity in ("D_Li", "conductivity_nernst_einstein"):
        assert (by[quantity].further_ns, by[quantity].at_this_exponent_ns) == (at_least, at_exponent)


def test_a_conductivity_waits_for_the_slower_ion_at_its_exponent(tmp_path: Path) -> None:
    none = sigma(None, "no")
    for number in (1, 2):
        # lithium sets the bound, and the anion the length at the exponents
        write(tmp_path, number, ion(None, 40.0, 50.0), ion(None, 20.0, 90.0), none, none)
    conductivity = found(tmp_path)["conductivity_nernst_einstein"]
    assert (conductivity.further_ns, conductivity.at_this_exponent_ns) == (80.0, 180.0)


def test_what_starts_say_together_comes_before_what_each_says(tmp_path: Path) -> None:
    open_ = (ion(None, 20.0), ion(0.1), sigma(None, "not resolved"), sigma(None, "not resolved"))
    for number in (1, 2):
        write(tmp_path, number, *open_)
    folder = tmp_path / "summary" / "starts"
    folder.mkdir(parents=True)
    names = ["peo-eo12-400K-r1", "peo-eo12-400K-r2"]

    def together(lithium: dict[str, Any], *routes: dict[str, Any]) -> dict[str, Need]:
        formal = dict(zip(("nernst_einstein", "collective"), routes, strict=True))
        record = {
            "systems": names,
            "motion": {"length_ns": 20.0, "Li": lithium, "anion": ion(0.1)},
            "conductivity": {"sigma_S_m": {"formal_charges": formal}},
        }
        (folder / "peo-eo12-400K.json").write_text(json.dumps(record))
        return found(tmp_path)

    by = together(ion(0.4), sigma(0.3), sigma(0.4))
    # 20 ns over both starts now, four times as much for half of the error
    assert (by["D_Li"].have_ns, by["D_Li"].total_ns) == (20.0, pytest.approx(80.0)) and not by["D_Li"].at_least
    assert by["conductivity_collective"].runs == 8 and by["conductivity_nernst_einstein"].total_ns == pytest.approx(
        45.0
    )
    by = together(ion(None, 40.0), sigma(None, "no"), sigma(None, "no"))
    assert by["D_Li"].at_least and (by["D_Li"].total_ns, by["D_Li"].further_ns) == (60.0, 40.0)
    # 30 ns a start
    assert (by["conductivity_collective"].runs, by["conductivity_collective"].total_ns) == (2, 60.0)


def test_one_start_that_diffuses_is_not_enough_for_an_estimate(tmp_path: Path) -> None:
    write(tmp_path, 1, ion(0.3), ion(0.1), sigma(0.3), sigma(0.5))
    write(tmp_path, 2, ion(None, 20.0), ion(0.1), sigma(None, "no"), sigma(None, "no"))
    lithium = found(tmp_path)["D_Li"]
    assert lithium.at_least and lithium.total_ns == 60


def test_where_nothing_can_be_said_there_is_no_number(tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path, number, ion(None, None), ion(0.1), sigma(None, "no"), sigma(None, "no"))
    lithium = found(tmp_path)["D_Li"]
    assert lithium.further_ns is None and lithium.core_hours is None
    assert ": no estimate: motion of Li is sub-diffusive" in lithium.line()


def test_a_collective_sample_that_did_not_settle_asks_for_starts(tmp_path: Path) -> None:
    write(tmp_path, 1, ion(0.1), ion(0.1), sigma(0.1), sigma(None, "not resolved: 0.1 ± 0.09"))
    collective = found(tmp_path, 0.1)["conductivity_collective"]
    assert collective.at_least and (collective.starts, collective.runs, collective.total_ns) == (1, 7, 70.0)


def test_the_cost_is_that_of_the_measured_speed(tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path, number, ion(0.4), ion(0.1), sigma(0.3), sigma(0.5))
    folder = tmp_path / "peo-eo12-400K-r1" / "production"
    folder.mkdir()
    (folder / "md.gro").write_text("peo\n1000\n")
    record = {"stage": {"length_ns": 9.0, "time_step_fs": 1.0}, "simulated_ns": 0.5, "wall_seconds": 500, "threads": 1}
    (folder / "provenance.json").write_text(json.dumps(record))
    lithium = found(tmp_path)["D_Li"]
    system = systems_of(STUDY)["peo-eo12-400K-r1"]
    sites = size_of(system, library(ROOT / "topologies")).sites
    # 1,000 sites x 500,000 steps in 500 s; the production of the shipped protocol has steps of 1 fs
    assert lithium.core_hours == pytest.approx(20e6 * sites / 1e6 / 3600)
    assert lithium.ns_per_day_core == pytest.approx(86400 * 1e6 / sites * 1e-6)


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ({1: ["motion"], 2: ["motion"]}, "peo-eo12-400K-r1 (motion), peo-eo12-400K-r2 (motion)"),
        ({2: ["conductivity"]}, "peo-eo12-400K-r2 (conductivity)"),
        ({2: ["motion", "conductivity"]}, "peo-eo12-400K-r2 (motion, conductivity)"),
    ],
)
def test_a_system_that_is_not_analysed_is_named(lost: dict[int, list[str]], said: str, tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path, number, ion(0.4), ion(0.1), sigma(0.3), sigma(0.5))
    assert not_analysed(STUDY, tmp_path) == {}
    for number, names in lost.items():
        for name in names:
            (tmp_path / f"peo-eo12-400K-r{number}/analysis/{name}.json").unlink()
    # the one without ions has nothing to analyse
    assert not_analysed(STUDY, tmp_path) == {"peo-eo12-400K": f"not all of its runs are analysed: {said}"}


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 2):
        write(tmp_path, number, ion(0.4), ion(0.1), sigma(0.3), sigma(0.5))
    parser = argparse.ArgumentParser()
    add_plan(parser)
    sweep = json.dumps({"sweep": [*SWEEP, SWEEP[0] | {"eo_li": 20, "replicate": 1}]})
    words = ["--config", str(ROOT / "config/config.yaml"), "--base", str(ROOT), "--set", sweep]
    out = tmp_path / "plan.csv"
    assert plan(parser.parse_args([*words, "--results", str(tmp_path), "--target", "0.1", "--out", str(out)])) == 0
    lines = {line.partition(" ")[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "core-hours" in lines["peo-eo12-400K"] and "peo-neat-400K" not in lines
    assert lines["peo-eo20-400K"].endswith(" not all of its runs are analysed: peo-eo20-400K-r1 (motion, conductivity)")
    assert pd.read_csv(out)["target"].unique().tolist() == [0.1]
    assert "no analysed system" in mistake(lambda: plan(parser.parse_args([*words, "--results", "nowhere"])))
    for wrong in ("1.5", "0", "nan", "-inf", "yes"):
        with pytest.raises(SystemExit):
            parser.parse_args([*words, "--target", wrong])
        assert "argument --target: " in capsys.readouterr().err
