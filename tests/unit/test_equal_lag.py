"""Displacements at equal lag in a sweep: who is compared with whom, what the study claims, and the files."""

from __future__ import annotations

import dataclasses
import json
import math
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from eoli.analysis.displacement.curves import Curve, Trend, read_displacements
from eoli.errors import DataError
from eoli.reference.claims import Comparison
from eoli.reference.claims import compare as beside
from eoli.reference.model import compared_with, read_reference
from eoli.study.config import Study, load_study
from eoli.study.systems import systems_of
from eoli.summary.equal_lag import Against, equal_lag_tables, sets_of
from eoli.workflow.plan import Plan
from scalars import PEBAX, PEO, STUDY, row
from support import ROOT, mistake


def curve(msd: float, error: float, lags: tuple[int, ...] = (1, 2, 4), molecules: int = 50) -> Curve:
    """An MSD at each lag, ps, with its relative error, in a run of 40 ps."""
    at, n = np.array(lags), len(lags)
    return Curve(at * 10**6, np.log(np.full(n, msd) * at**0.5), np.full(n, error), 40 // at, molecules)


def test_sets_differ_in_one_axis_and_begin_with_the_reference() -> None:
    rows = [row("pebax"), row("peo"), row("pebax", 8.0), row("pebax", 18.0), row("peo", kelvin=353.0), row("pebax", kelvin=353.0),
            row("peo", None)]  # fmt: skip
    sweep = pd.DataFrame(rows)

    def sets(against: Against) -> list[tuple[str, list[str]]]:
        return [(of.compared, [member.name for member in of.members]) for of in sets_of(sweep, against)]

    assert sets(Against("peo")) == [
        ("polymer", [PEO, PEBAX]),
        ("polymer", ["peo-eo12-353K-r1", "pebax-eo12-353K-r1"]),
        ("eo_li_asked", [PEBAX, "pebax-eo8-298K-r1", "pebax-eo18-298K-r1"]),
    ]
    assert sets(Against("nylon", 18.0))[0] == ("polymer", [PEBAX, PEO])
    assert sets(Against(None, 18.0))[2][1] == ["pebax-eo18-298K-r1", PEBAX, "pebax-eo8-298K-r1"]
    series = pd.DataFrame([row("peo", replicate=k) for k in (1, 2)] + [row("pebax")])
    (found,) = sets_of(series, Against("peo"))
    assert [(member.name, member.starts) for member in found.members] == [
        ("peo-eo12-298K", (PEO, "peo-eo12-298K-r2")),
        (PEBAX, (PEBAX,)),
    ]


def test_pairs_course_and_ranking() -> None:
    rows = [row("pebax"), row("pebax", 8.0), row("pebax", 18.0)]
    names = [of["system"] for of in rows]
    curves = {name: {"Li": curve(msd, 0.02)} for name, msd in zip(names, (1.0, 0.5, 1.02), strict=True)}
    found = equal_lag_tables(pd.DataFrame(rows), curves, Against())
    pairs = found.pairs.set_index(["system", "against"])
    assert list(found.pairs["pair"]) == ["reference", "reference", "other"]
    low = pairs.loc[(names[1], names[0])]
    assert (low["ratio"], low["lag_ps"], low["verdict"]) == (pytest.approx(0.5), 4.0, "smaller")
    # two errors of 2 % in quadrature, with some 98 degrees of freedom
    assert low["ln_ratio_error"] == pytest.approx(0.02 * math.sqrt(2), rel=0.02)
    assert low["ratio_low"] == pytest.approx(0.5 * math.exp(-low["ln_ratio_error"]))
    assert pairs.loc[(names[2], names[0]), "verdict"] == "not decided"
    assert pairs.loc[(names[2], names[1]), "verdict"] == "larger"
    assert (low["starts"], low["origins"], low["error_from"]) == (1, 10, "blocks and molecules")
    assert found.course.groupby("system", sort=False)["lag_ps"].agg(list).tolist() == [[1.0, 2.0, 4.0]] * 2
    assert found.ranking["system"].tolist() == [names[2], names[0], names[1]]
    assert set(found.ranking["verdict"]) == {"not decided"} and found.ranking[
        "probability_best"
    ].sum() == pytest.approx(1)
    assert found.ranking["probability_best"].iloc[2] == 0


def test_what_cannot_be_compared_says_why_and_does_not_stop_the_others() -> None:
    rows = [row("pebax"), row("pebax", 8.0), row("pebax", 18.0), row("pebax", 10.0)]
    names = [of["system"] for of in rows]
    curves: dict[str, Any] = {name: {"Li": curve(1.0, 0.1)} for name in names[:2]}
    curves |= {names[2]: "not known: frames 5 ps apart", names[3]: {"Li": curve(1.0, 0.1, (8, 10))}}
    found = equal_lag_tables(pd.DataFrame(rows), curves, Against())
    said = found.pairs.set_index(["system", "against"])["verdict"]
    assert said[names[1], names[0]] == "not decided"
    assert said[names[2], names[0]] == f"not resolved: {names[2]}: not known: frames 5 ps apart"
    assert said[names[3], names[0]] == f"not resolved: {names[3]}: no lag with 10 independent origins and an error"
    assert found.ranking["system"].tolist() == names[:2]


def test_tables_at_a_lag_that_is_named() -> None:
    """By hand from the curves: systems whose order differs from lag to lag, one of them too short for it."""
    rows = [row("pebax"), row("pebax", 8.0), row("pebax", 18.0)]
    names = [of["system"] for of in rows]
    curves: dict[str, Any] = {name: {"Li": curve(1.0, 0.02)} for name in names}
    first = curves[names[0]]["Li"]
    msd = np.array([0.5, 3.0, 0.7])
    curves[names[1]]["Li"] = dataclasses.replace(first, values=np.log(msd * [1, 2**0.5, 2]), errors=msd / 10)
    curves[names[2]]["Li"] = dataclasses.replace(first, origins=np.array([12, 6, 3]))
    found = equal_lag_tables(pd.DataFrame(rows), curves, Against(), 2.0)
    pairs = found.pairs.set_index(["system", "against"])
    pair = pairs.loc[(names[1], names[0])]
    assert (pair["lag_ps"], pair["ratio"], pair["origins"]) == (2.0, pytest.approx(3.0), 20)
    assert pair["msd_nm2"] == pytest.approx(3.0 * 2**0.5)
    # Welch: nearly all of the variance has the 49 degrees of freedom of one system
    half = math.hypot(0.02, 0.3) * stats.t.ppf(0.84134, 49)
    assert pair["ln_ratio_error"] == pytest.approx(half, rel=2e-3)
    assert pairs.loc[(names[2], names[0]), "verdict"] == (
        f"not resolved: {names[2]}: no lag within 5% of 2 ps with 10 independent origins and an error (it has 1 to 1 ps)"
    )
    assert found.ranking["system"].tolist() == [names[1], names[0]] and set(found.ranking["lag_ps"]) == {2.0}
    # the course is that of the systems which can be compared, at all lags that they share
    assert found.course["lag_ps"].tolist() == [1.0, 2.0, 4.0]
    assert found.course["ratio"].tolist() == pytest.approx(msd.tolist())
    usual = equal_lag_tables(pd.DataFrame(rows), curves, Against()).pairs.set_index(["system", "against"])
    assert set(usual["lag_ps"]) == {1.0} and usual["ratio"].notna().all()


def test_a_lag_that_no_run_reaches_has_a_row_for_each_particle() -> None:
    names = [PEO, PEBAX]
    sweep = pd.DataFrame([row("peo"), row("pebax")])
    curves: dict[str, Any] = {name: {kind: curve(1.0, 0.1) for kind in ("Li", "anion", "ether_O")} for name in names}
    found = equal_lag_tables(sweep, curves, Against("peo"), 400.0)
    said = "no lag within 5% of 400 ps with 10 independent origins and an error (it has 1 to 4 ps)"
    assert found.pairs[["particle", "system", "against", "lag_ps", "verdict"]].to_numpy().tolist() == [
        [kind, PEBAX, PEO, 400.0, f"not resolved: {PEBAX}: {said}, {PEO}: {said}"]
        for kind in ("Li", "anion", "ether_O")
    ]
    assert found.ranking[["particle", "system", "lag_ps", "verdict"]].to_numpy().tolist() == [
        [kind, name, 400.0, f"not resolved: {name}: {said}"] for kind in ("Li", "anion", "ether_O") for name in names
    ]
    assert found.pairs["ratio"].isna().all() and found.ranking["rank"].isna().all() and found.course.empty
    # one alone has no order; the lag is the one that it stands for, and an anion that no run has is no row
    curves[PEO] = {"Li": curve(1.0, 0.1), "ether_O": curve(1.0, 0.1)}
    curves[PEBAX] = {"Li": curve(1.0, 0.1, (1,)), "ether_O": curve(1.0, 0.1)}
    found = equal_lag_tables(sweep, curves, Against("peo"), 4.1)
    assert found.pairs[["particle", "lag_ps"]].to_numpy().tolist() == [["Li", 4.0], ["ether_O", 4.0]]
    assert found.ranking[["particle", "system", "lag_ps"]].to_numpy().tolist() == [
        ["Li", PEO, 4.0], ["Li", PEBAX, 4.0], ["ether_O", PEO, 4.0], ["ether_O", PEBAX, 4.0]
    ]  # fmt: skip
    alone, other = found.ranking["verdict"][:2]
    assert alone == "not resolved: no other system of the set can be compared" and other.startswith(
        f"not resolved: {PEBAX}: no lag within 5% of 4.1 ps"
    )
    assert found.ranking["rank"].notna().tolist() == [False, False, True, True]


def claim(rows: list[dict[str, Any]], curves: dict[str, Any], lag_ps: float | None = None) -> Comparison:
    study = read_reference(STUDY)
    found = beside(study, pd.DataFrame(rows), {}, curves, lag_ps)
    (of_claim,) = (of for of in found if of.id == "lithium-msd-larger-in-pebax")
    return of_claim


def test_the_claim_of_the_study_holds_fails_or_is_open() -> None:
    assert compared_with(read_reference(STUDY)) == "peo"
    rows = [row("peo"), row("pebax")]

    def judged(pebax: float, error: float = 0.05) -> Comparison:
        return claim(rows, {PEO: {"Li": curve(1.0, error)}, PEBAX: {"Li": curve(pebax, error)}})

    more = judged(1.5)
    assert (more.verdict, more.ours, more.system) == ("agrees", pytest.approx(1.5), f"{PEBAX} and {PEO}")
    assert "ratio 1.5, 68 % interval 1.4 to 1.61, at a lag of 4 ps" in more.reason
    assert judged(0.7).verdict == "differs"
    assert (judged(1.05).verdict, judged(1.0).ours) == ("not resolved", pytest.approx(1.0))
    of_peo = curve(1.0, 0.05)
    turned = dataclasses.replace(of_peo, values=np.log([0.5, 0.5 * 2**0.5, 2 * 2]))
    at = {lag: claim(rows, {PEO: {"Li": of_peo}, PEBAX: {"Li": turned}}, lag) for lag in (None, 2.0)}
    assert (at[None].verdict, at[2.0].verdict) == ("agrees", "differs") and "at a lag of 2 ps" in at[2.0].reason
    missing = claim(rows, {PEO: {"Li": curve(1.0, 0.1)}})
    assert (missing.verdict, missing.ours) == ("not resolved", None) and "analysis missing" in missing.reason


def test_three_starts_count_by_their_scatter() -> None:
    rows = [row(polymer, replicate=k) for polymer in ("peo", "pebax") for k in (1, 2, 3)]
    values = {"peo": (1.0, 1.1, 0.9), "pebax": (1.05, 0.8, 1.3)}
    curves = {of["system"]: {"Li": curve(values[of["polymer"]][of["replicate"] - 1], 0.001)} for of in rows}
    found = claim(rows, curves)
    assert found.verdict == "not resolved" and found.system == "pebax-eo12-298K and peo-eo12-298K"
    assert found.ours == pytest.approx((1.05 * 0.8 * 1.3 / 0.99) ** (1 / 3))
    table = equal_lag_tables(pd.DataFrame(rows), curves, Against("peo")).pairs
    assert table["error_from"].tolist() == ["starts"] and table["origins"].tolist() == [30]


def test_a_table_without_a_column_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "analysis"
    folder.mkdir(parents=True)
    (folder / "displacement.json").write_text(json.dumps({"Li": {"molecules": 5}, "verdict": "resolved"}))
    (folder / "displacement.csv").write_text("lag_ps,msd_Li_nm2,ln_msd_Li_error\n1,0.1,0.1\n")
    with pytest.raises(DataError, match=r"displacement\.csv: no column origins_Li"):
        read_displacements(tmp_path, ["run"])
    (folder / "displacement.json").write_text(json.dumps({"verdict": "not known: frames are too far apart"}))
    assert read_displacements(tmp_path, ["run", "other"]) == {
        "run": "not known: frames are too far apart",
        "other": "analysis missing: displacement",
    }


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [("polymer", "pebx", "pebx is not in the sweep with salt (did you mean pebax?); allowed: peo, pebax"),
     ("eo_li", 11, "11 is not in the sweep; allowed: 8, 10, 12, 14, 16, 18")],
)  # fmt: skip
def test_a_declared_reference_must_be_in_the_sweep(key: str, value: object, message: str) -> None:
    study = load_study([ROOT / "config/config.yaml"], ROOT, {"equal_lag": {key: value}})
    said = mistake(lambda: systems_of(study))
    assert said.endswith(message) and f"equal_lag.{key}" in said


@pytest.mark.parametrize("blend", [{"peo": 0.6, "pebax": 0.4}, {"peo": 15, "pebax": 10}])
def test_a_blend_is_a_reference_by_the_name_that_tables_give_it(blend: dict[str, float]) -> None:
    def study(reference: Any) -> Study:
        sweep = [{"polymer": ["peo", blend], "eo_li": 12}]
        keys = {"sweep": sweep, "equal_lag": {"polymer": reference}}
        return load_study([ROOT / "config/config.yaml"], ROOT, keys)

    name = " ".join(f"{polymer}:{share:g}" for polymer, share in sorted(blend.items()))
    assert mistake(lambda: systems_of(study("0.6peo-0.4pebax"))).endswith(f"allowed: peo, {name}")
    systems = systems_of(study(name))
    sweep = pd.DataFrame([row(of.polymer) for of in systems.values()]).assign(system=[*systems])
    words = shlex.split(Plan(study(name), systems, "").against_flags)
    assert words == ["--polymer", name]
    (found,) = sets_of(sweep, Against(words[1]))
    assert [member.axes["polymer"] for member in found.members] == [name, "peo"]
    assert "a blend as tables name it (`pebax:0.4 peo:0.6`)" in mistake(lambda: study(blend))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"equal_lag": {"lag_ps": 17}},
         "equal_lag.lag_ps: 17 is no lag of frames 1 ps apart (analysis.motion_interval_ps); allowed: 15 or 20, for example"),
        ({"equal_lag": {"lag_ps": 0.5}}, "(analysis.motion_interval_ps); allowed: 1 or 2, for example"),
        ({"equal_lag": {"lag_ps": 0}}, "equal_lag.lag_ps: 0 is not allowed: Input should be greater than 0"),
        ({"stages": {"production": {"converge": "displacement_Li", "max_length_ns": 20}}},
         "stages.production.converge: displacement_Li of production needs equal_lag.lag_ps, which is missing; allowed: a lag "
         "in ps there, or D_Li, D_anion, conductivity_nernst_einstein"),
        ({"equal_lag": {"lag_ps": 2500}, "stages": {"production": {"converge": "displacement_Li", "max_length_ns": 20}}},
         "stages.production.max_length_ns: 20 leaves less than 10 independent origins at equal_lag.lag_ps 2500 for "
         "displacement_Li; allowed: at least 25, or a shorter lag"),
        ({"equal_lag": {"lag_ps": 700}, "analysis": {"motion_interval_ps": 7, "structure_interval_ps": 7},
          "stages": {"production": {"converge": "displacement_Li", "max_length_ns": 20}}},
         "equal_lag.lag_ps: 700 is no lag of frames 0.1 ps apart (frame_interval_ps of production); allowed: 600 or 800, for "
         "example"),
    ],
)  # fmt: skip
def test_a_lag_that_no_run_has_or_can_reach_is_refused(keys: dict[str, Any], message: str) -> None:
    said = mistake(lambda: load_study([ROOT / "config/config.yaml"], ROOT, keys))
    assert message in said


@pytest.mark.parametrize(
    ("block", "keys", "message"),
    [
        ({}, {"equal_lag": {"lag_ps": 100_000}},
         "equal_lag.lag_ps: 100000 leaves peo-eo12-298K fewer than 10 independent origins in its run of 10 ns (production); "
         "allowed: at most 1000, or longer runs"),
        # two starts need them each, three have them together
        ({"replicate": [1, 2]}, {"equal_lag": {"lag_ps": 2000}}, "in its 2 runs of 10 ns (production); allowed: at most 1000,"),
        ({"replicate": [1, 2, 3]}, {"equal_lag": {"lag_ps": 3000}},
         "in its 3 runs of 10 ns (production); allowed: at most 2500, or longer runs"),
        # a run has lags up to its half, however many there are
        ({"replicate": [*range(1, 21)]}, {"equal_lag": {"lag_ps": 6000}}, "allowed: at most 5000, or longer runs"),
        # one that is prolonged for something else
        ({}, {"equal_lag": {"lag_ps": 2500}, "stages": {"production": {"converge": "D_Li", "max_length_ns": 20}}},
         "in its run of 20 ns (production); allowed: at most 2000, or longer runs"),
        ({"replicate": [1, 2]}, {"equal_lag": {"lag_ps": 2000}, "lengths_ns": {"peo-eo12-298K-r1": 30}},
         "in its 2 runs of 10, 30 ns (production); allowed: at most 1000, or longer runs"),
    ],
)  # fmt: skip
def test_a_lag_beyond_the_productions_is_refused(block: dict[str, Any], keys: dict[str, Any], message: str) -> None:
    sweep = [{"polymer": ["peo", "pebax"], "eo_li": 12, **block}]
    study = load_study([ROOT / "config/config.yaml"], ROOT, {"sweep": sweep, **keys})
    assert message in mistake(lambda: systems_of(study))


@pytest.mark.parametrize(
    ("block", "keys"),
    [
        ({}, {"equal_lag": {"lag_ps": 1000}}),
        ({"replicate": [1, 2, 3]}, {"equal_lag": {"lag_ps": 2500}}),
        ({}, {"equal_lag": {"lag_ps": 2000}, "stages": {"production": {"converge": "D_Li", "max_length_ns": 20}}}),
        ({}, {"equal_lag": {"lag_ps": 3000}, "lengths_ns": {"peo-eo12-298K-r1": 30, "pebax-eo12-298K-r1": 30}}),
        # without salt there is nothing to compare
        ({"salt": "none", "eo_li": []}, {"equal_lag": {"lag_ps": 100_000}}),
    ],
)
def test_a_lag_that_the_productions_reach_is_taken(block: dict[str, Any], keys: dict[str, Any]) -> None:
    sweep = [{"polymer": ["peo", "pebax"], "eo_li": 12, **block}]
    assert systems_of(load_study([ROOT / "config/config.yaml"], ROOT, {"sweep": sweep, **keys}))


@pytest.mark.parametrize("lag_ps", [100, 103, 1000.0])
def test_a_lag_of_the_runs_is_taken(lag_ps: float) -> None:
    keys = {
        "equal_lag": {"lag_ps": lag_ps},
        "stages": {"production": {"converge": "displacement_Li", "max_length_ns": 10}},
    }
    study = load_study([ROOT / "config/config.yaml"], ROOT, keys)
    assert study.config.equal_lag.lag_ps == lag_ps and systems_of(study)


def test_an_unsettled_run_has_neither_ratio_nor_rank() -> None:
    rows = [row("pebax"), row("pebax", 8.0), row("pebax", 18.0)]
    names = [of["system"] for of in rows]
    curves: dict[str, Any] = {name: {"Li": curve(msd, 0.02)} for name, msd in zip(names, (1.0, 0.5, 1.02), strict=True)}
    curves[names[1]] = {"Li": dataclasses.replace(curves[names[1]]["Li"], trend=Trend(0.7, 0.05, 1e-3))}
    found = equal_lag_tables(pd.DataFrame(rows), curves, Against())
    pairs = found.pairs.set_index(["system", "against"])
    withheld = pairs.loc[(names[1], names[0])]
    assert withheld["verdict"].startswith(
        f"not resolved: {names[1]}: {names[1]} has not settled: the MSD of its second half"
    )
    assert withheld[["ratio", "probability_larger", "msd_nm2"]].isna().all()
    assert pairs.loc[(names[2], names[0]), "verdict"] == "not decided"
    assert found.ranking["system"].tolist() == [names[2], names[0]]


def test_trends_are_read_and_older_results_have_none(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "analysis"
    folder.mkdir(parents=True)
    (folder / "displacement.csv").write_text("lag_ps,msd_Li_nm2,ln_msd_Li_error,origins_Li\n1,0.1,0.1,40\n")
    trend = {"lag_ps": 1.0, "ln_ratio": 0.3, "error": 0.1, "p_value": 0.2}
    for of_kind, expected in (({"trend": trend}, Trend(0.3, 0.1, 0.2)), ({"trend": None}, None), ({}, None)):
        (folder / "displacement.json").write_text(
            json.dumps({"Li": {"molecules": 5, **of_kind}, "verdict": "resolved"})
        )
        found = read_displacements(tmp_path, ["run"])["run"]
        assert not isinstance(found, str) and found["Li"].trend == expected
