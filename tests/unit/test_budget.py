"""A budget of core-hours for a sweep: shared well, spent nearly all, never exceeded, and nothing is lost."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eoli.cli import main
from eoli.commands.study import add_budget, budget
from eoli.errors import RunError
from eoli.stage.sessions import FOLDER, Session
from eoli.study.config import Study, load_study
from eoli.study.protocol import MOST_TIMES
from eoli.study.systems import stages_of, systems_of
from eoli.summary import budget as module
from eoli.summary.budget import NEARLY, ONE_CALL, Allotment, Candidate, allot, allotment, to_allot
from eoli.workflow.plan import Plan
from eoli.workflow.products import plan_of, products_of
from support import ROOT, mistake
from synthetic import synthetic_study

SWEEP = [{"polymer": ["peo", "pebax"], "eo_li": [12, 16], "temperature_K": 400}]
NAMES = [f"{polymer}-eo{ratio}-400K-r1" for polymer in ("peo", "pebax") for ratio in (12, 16)]


def missing(candidates: Iterable[Candidate], further: dict[str, float]) -> float:
    """What is missing of all runs, weighted: the square of the error over the target, less 1."""
    return sum(
        max(1, of.open_comparisons) * max(0.0, of.needed_ns / (of.have_ns + further.get(of.name, 0.0)) - 1)
        for of in candidates
    )


def spent(candidates: Iterable[Candidate], further: dict[str, float]) -> float:
    return sum(of.per_ns * further.get(of.name, 0.0) for of in candidates)


def test_the_allotment_is_as_good_as_the_best_of_all_on_a_grid() -> None:
    random = np.random.default_rng(1)
    for _ in range(10):
        # errors of 1/sqrt(t): a target of 0.2, and 0.2 to 0.6 now
        toys = [
            Candidate(name, have, have * (random.uniform(0.2, 0.6) / 0.2) ** 2, random.uniform(0.2, 3), decides)
            for name, have, decides in zip("abcd", random.uniform(1, 10, 4), random.integers(1, 4, 4), strict=True)
        ]
        core_hours, parts = 12.0, 16
        found = allot(toys, core_hours)
        assert spent(toys, found) <= core_hours * (1 + 1e-9)
        shares = np.arange(parts + 1) / parts * core_hours
        best = min(
            missing(toys, {of.name: capped(of, share) for of, share in zip(toys, of_all, strict=True)})
            for of_all in itertools.product(shares, repeat=4)
            if sum(of_all) <= core_hours * (1 + 1e-9)
        )
        assert missing(toys, found) <= best + 0.01 * missing(toys, {})


def capped(of: Candidate, core_hours: float) -> float:
    return min(core_hours / of.per_ns, min(of.needed_ns, MOST_TIMES * of.have_ns) - of.have_ns)


def test_what_decides_comes_first_and_what_is_answered_gets_nothing() -> None:
    open_, closed, answered = (
        Candidate("open", 10.0, 20.0, 1.0, 2),
        # more to gain for less
        Candidate("closed", 10.0, 90.0, 0.1, 0),
        Candidate("answered", 10.0, 9.0, 1.0, 3),
    )
    assert allot([closed, answered, open_], 5.0) == {"open": pytest.approx(5.0)}
    both = allot([closed, answered, open_], 11.0)
    assert both == {"open": pytest.approx(10.0), "closed": pytest.approx(10.0)}
    # the budget has more than anybody needs at once
    assert spent([closed, open_], allot([closed, open_], 1000.0)) == pytest.approx(10.0 + 2.0)
    for nothing in (0.0, -1.0):
        assert allot([closed, open_], nothing) == {}
    assert allot([], 5.0) == {}


def test_a_simulated_sweep_spends_its_budget_and_no_more() -> None:
    random = np.random.default_rng(3)
    for _ in range(50):
        n, hours = 6, 100.0
        have, v = random.uniform(1, 3, n), random.uniform(20, 400, n)
        cost, used = random.uniform(0.3, 3, n), 0.0
        used = float((have * cost).sum())
        measured = cost.copy()
        for _ in range(20):
            toys = [Candidate(str(i), have[i], v[i], measured[i], i % 3) for i in range(n)]
            further = allot(toys, to_allot(hours, used, 0.0))
            if not further:
                break
            for name, ns in further.items():
                # each call at another speed, of which the next takes the last for the true one
                real = cost[int(name)] * random.uniform(0.9, 1.1)
                used += ns * real
                have[int(name)] += ns
                measured[int(name)] = real
            assert used <= hours
        assert used >= 0.9 * hours or all(have >= v * (1 - 1e-6))


def test_one_call_leaves_a_part_and_the_last_crumbs_are_left() -> None:
    assert to_allot(100.0, 40.0, 10.0) == pytest.approx(ONE_CALL * 50.0)
    assert to_allot(100.0, 100.0 * (1 - NEARLY), 0.0) == 0.0
    assert to_allot(100.0, 90.0, 20.0) == 0.0 and to_allot(0.0, 0.0, 0.0) == 0.0


def study_of(**more: Any) -> Study:
    return synthetic_study(sweep=SWEEP, **more)


def a_run(folder: Path, ns: float | None, core_hours: float) -> None:
    """A finished stage of that length, if it has one, and cost."""
    (folder / "run" / FOLDER).mkdir(parents=True)
    record = Session(1.0, core_hours * 3600, 1, None, True, "vm", "2022.5", "")
    (folder / "run" / FOLDER / "00000.json").write_text(json.dumps(dataclasses.asdict(record)))
    (folder / "verdict.json").write_text(
        json.dumps({"status": "pass", "warnings": [], "values": {} if ns is None else {"ns": ns}})
    )


def results(folder: Path, errors: dict[str, float | None], d: dict[str, float] | None = None) -> Path:
    """Sweep with the relative error of D of each system, None where motion is sub-diffusive; 1 core-hour an ns."""
    for name in NAMES:
        for stage in synthetic_study().stages:
            # a minimisation costs one core-hour
            a_run(folder / name / stage.name, stage.length_ns or None, float(stage.length_ns or 1))
        if name not in errors:
            continue
        relative, value = errors[name], (d or {}).get(name, 1e-11)
        ion: dict[str, Any] = {"D_m2_s": {"value": value, "error": value * (relative or 0)}, "verdict": "diffusive"}
        if relative is None:
            extension = {"further_ns": 20.0, "at_least": True, "reason": "at least: the motion must become diffusive"}
            ion = {"D_m2_s": {"value": None, "error": None}, "verdict": "sub-diffusive", "extension": extension}
        sigma = 1e10 * value
        route = {"value": sigma, "error": sigma / 10, "verdict": "resolved"} | (
            {} if relative else {"value": None, "error": None}
        )
        analysis = folder / name / "analysis"
        analysis.mkdir(parents=True)
        (analysis / "motion.json").write_text(json.dumps({"length_ns": 10.0, "Li": ion, "anion": ion}))
        formal = {"nernst_einstein": route, "collective": route}
        (analysis / "conductivity.json").write_text(json.dumps({"sigma_S_m": {"formal_charges": formal}}))
    return folder


def shares(found: Allotment) -> dict[str, float]:
    return {share.system.removesuffix("-400K"): share.further_ns for share in found.shares}


def test_the_shipped_study_is_what_the_results_assume() -> None:
    assert [stage.length_ns for stage in study_of().stages if stage.is_dynamics][-1] == 10.0


def test_the_core_hours_of_all_stages_count(tmp_path: Path) -> None:
    folder = results(tmp_path, dict.fromkeys(NAMES, 0.4))
    of_one = sum(stage.length_ns or 1 for stage in study_of().stages)
    found = allotment(study_of(), folder, 4 * of_one + 10.0)
    assert (found.spent, found.reserved) == (pytest.approx(4 * of_one), 0.0)
    # less than 5 % are left
    assert found.core_hours == 0 and found.line().endswith("the budget is spent") and not found.lengths_ns
    found = allotment(study_of(), folder, 4 * of_one + 40.0)
    assert found.core_hours == pytest.approx(ONE_CALL * 40.0, abs=0.1)
    assert set(found.lengths_ns) == set(NAMES) and found.lengths_ns[NAMES[0]] == pytest.approx(18.0, abs=0.1)
    assert allotment(study_of(), folder, 0.0).lengths_ns == {}


def test_answered_and_unfinished_systems_get_nothing_and_unknown_ones_by_their_bound(tmp_path: Path) -> None:
    folder = results(tmp_path, {NAMES[0]: 0.4, NAMES[1]: 0.1, NAMES[2]: None})
    found = allotment(study_of(), folder, 1000.0)
    # four times the run for half of the error, three times what it has at once
    assert shares(found) == {"peo-eo12": 20.0, "peo-eo16": 0.0, "pebax-eo12": 20.0, "pebax-eo16": 0.0}
    why = {share.system.removesuffix("-400K"): share.why for share in found.shares}
    assert why["peo-eo16"] == "answered" and why["pebax-eo16"].startswith("not all of its runs are analysed: ")
    assert "needs about 40 ns, its error is 40%" in why["peo-eo12"]
    assert "needs at least 30 ns" in why["pebax-eo12"]
    lines = [share.line() for share in found.shares]
    assert "20 ns more (20 core-hours)" in lines[0] and "nothing: answered" in lines[1]


def test_a_system_without_ions_is_not_called_unanalysed(tmp_path: Path) -> None:
    neat = {"polymer": "peo", "salt": "none", "temperature_K": 400}
    found = allotment(synthetic_study(sweep=[*SWEEP, neat]), results(tmp_path, dict.fromkeys(NAMES, 0.4)), 1000.0)
    assert {share.system: share.why for share in found.shares}["peo-neat-400K"] == "it has no ions"


def test_a_displacement_that_ends_runs_is_no_transport_to_be_shared_out_for(tmp_path: Path) -> None:
    folder = results(tmp_path, {NAMES[0]: 0.4, NAMES[1]: 0.1, NAMES[2]: None})
    ends = {"production": {"converge": "displacement_Li", "max_length_ns": 20}}
    found = allotment(study_of(stages=ends, equal_lag={"lag_ps": 100}), folder, 1000.0)
    assert shares(found) == shares(allotment(study_of(), folder, 1000.0)) and any(shares(found).values())


def test_a_run_too_short_for_an_estimate_is_doubled_but_not_one_that_no_length_helps(tmp_path: Path) -> None:
    folder = results(tmp_path, dict.fromkeys(NAMES, 0.1))
    for name, verdict in zip(NAMES, ("too short", "not known"), strict=False):
        path = folder / name / "analysis/motion.json"
        ion = {"D_m2_s": {"value": None, "error": None}, "verdict": verdict}
        ion["extension"] = {"further_ns": None, "at_least": True, "reason": "frames too few or too far apart"}
        path.write_text(json.dumps({"length_ns": 10.0, "Li": ion, "anion": ion}))
    found = allotment(study_of(), folder, 1000.0)
    assert shares(found) == {"peo-eo12": 10.0, "peo-eo16": 0.0, "pebax-eo12": 0.0, "pebax-eo16": 0.0}
    assert found.shares[0].why.startswith("no estimate, so twice its length: motion of Li is too short")
    assert found.shares[1].why.startswith("no estimate, and no length helps: motion of Li is not known")


def test_a_comparison_that_is_open_comes_first(tmp_path: Path) -> None:
    # the ratios of peo differ by ten, those of pebax not
    d = dict(zip(NAMES, (1e-11, 1e-10, 1e-9, 1e-9), strict=True))
    found = allotment(study_of(), results(tmp_path, dict.fromkeys(NAMES, 0.3), d), 4 * 51.5 + 13.0)
    assert found.core_hours == pytest.approx(ONE_CALL * 13.0, abs=0.1)
    assert shares(found)["peo-eo12"] == shares(found)["peo-eo16"] == 0.0 < shares(found)["pebax-eo12"]
    assert "open comparisons: 1" in found.shares[2].why and "open comparisons: 0" in found.shares[0].why


def test_what_is_not_done_is_kept_for(tmp_path: Path) -> None:
    folder = results(tmp_path, dict.fromkeys(NAMES[:3], 0.4))
    verdict = folder / NAMES[3] / "production/verdict.json"
    verdict.unlink()
    found = allotment(study_of(), folder, 1000.0)
    assert found.reserved > 0 and "kept for runs that are not done" in found.line()


@pytest.mark.parametrize(
    ("budget_hours", "done", "reserved", "says"),
    [
        (10.0, 0.0, 51.2, "0 spent, 51.2 kept for runs that are not done, 0 allotted now: the budget is too small"),
        (10.0, 12.0, 5.0, ": the budget is too small for the runs that the study asks for"),
        (100.0, 40.0, 57.0, ": the rest is for the runs that the study asks for"),
        (100.0, 97.0, 0.0, ": the budget is spent"),
        (100.0, 12.0, 0.0, ": the rest has no use yet"),
    ],
)
def test_what_is_spent_is_not_what_is_kept(budget_hours: float, done: float, reserved: float, says: str) -> None:
    assert says in Allotment(budget_hours, done, reserved, (), {}).line()


def recorded(folder: Path, study: Study) -> None:
    """The record and the files of the topology of the first system, as the study has it made."""
    (product,) = (p for p in products_of(plan_of(study)) if (p.home, p.name) == (NAMES[0], "topology"))
    for file in (product.record, *product.files):
        path = folder / file.removeprefix("results/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    record = {"called_as": ["eoli", "topology", *shlex.split(product.flags)], "inputs_sha256": {}, **product.noted}
    (folder / product.record.removeprefix("results/")).write_text(json.dumps(record))


def test_runs_of_another_study_are_not_paid_for_by_this_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = results(tmp_path / "results", dict.fromkeys(NAMES, 0.4))
    recorded(folder, study_of())
    assert allotment(study_of(), folder, 1000.0).spent == pytest.approx(4 * 51.5)
    recorded(folder, study_of(box={"chains": 12}))
    found = allotment(study_of(), folder, 1000.0)
    # they are made again
    assert found.spent == pytest.approx(3 * 51.5) and found.reserved > 0
    assert shares(found)["peo-eo12"] == 0.0 < shares(found)["peo-eo16"]
    assert (
        found.shares[0].why
        == "its runs are of another study: topology: chains is 12, asked for 25, cations is 24, asked for 50"
    )
    own = tmp_path / "own.yaml"
    own.write_text(json.dumps({"sweep": SWEEP}))
    words = ["--config", str(ROOT / "config/config.yaml"), str(own), "--base", str(ROOT), "--results", str(folder)]
    line = "not up to date, by `eoli status`: peo-eo12-400K-r1; the first: topology: chains is 12, asked for 25, cations is 24, asked for 50"
    for command in (["budget", "1000", "--out", str(tmp_path / "budget.yaml")], ["plan"]):
        assert main([*command, *words]) == 0
        assert line in capsys.readouterr().out.splitlines()


def test_a_second_call_before_the_runs_counts_what_the_first_allotted(tmp_path: Path) -> None:
    folder = results(tmp_path, dict.fromkeys(NAMES, 0.4))
    first = allotment(study_of(), folder, 4 * 51.5 + 40.0)
    second = allotment(study_of(lengths_ns=dict(first.lengths_ns)), folder, 4 * 51.5 + 40.0)
    assert second.reserved == pytest.approx(first.core_hours)
    assert second.core_hours <= (1 - ONE_CALL) * 40.0 + 1e-6
    assert all(second.lengths_ns[name] >= first.lengths_ns[name] for name in NAMES)


def test_no_run_is_cut_and_a_forgotten_file_changes_nothing(tmp_path: Path) -> None:
    folder = results(tmp_path, dict.fromkeys(NAMES, 0.1))
    for path in (folder / NAMES[0] / "production").rglob("*.json"):
        path.unlink()
    (folder / NAMES[0] / "production" / "run" / FOLDER).rmdir()
    (folder / NAMES[0] / "production" / "run").rmdir()
    a_run(folder / NAMES[0] / "production", 14.5, 14.5)
    assert allotment(study_of(), folder, 0.0).lengths_ns == {NAMES[0]: 14.5}
    assert allotment(study_of(lengths_ns={NAMES[0]: 14.5}), folder, 0.0).lengths_ns == {NAMES[0]: 14.5}


def test_a_sweep_that_runs_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "runs_anywhere", lambda folder: folder.name == "production")
    with pytest.raises(RunError, match="production: the stage is running"):
        allotment(study_of(), results(tmp_path, {}), 10.0)


def test_the_file_is_a_configuration_and_the_stage_has_its_length(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    add_budget(parser)
    base = [str(ROOT / "config/config.yaml")]
    own = tmp_path / "own.yaml"
    own.write_text(json.dumps({"sweep": SWEEP}))
    out = tmp_path / "budget.yaml"
    folder = results(tmp_path / "results", dict.fromkeys(NAMES, 0.4))
    words = ["--base", str(ROOT), "--results", str(folder), "--out", str(out)]
    assert budget(parser.parse_args(["1000", "--config", *base, str(own), *words])) == 0
    assert "1000 core-hours: 206 spent" in capsys.readouterr().out
    study = load_study([Path(base[0]), own, out], ROOT)
    systems = systems_of(study)
    assert stages_of(study, systems[NAMES[0]])[-1].length_ns == pytest.approx(30.0)
    flags = Plan(study, systems, "").stage_flags("production", NAMES[0]).split()
    assert flags[flags.index("--length-ns") + 1] == "30"
    assert parser.parse_args(["0"]).core_hours == 0
    for wrong in ("-1", "nan", "much"):
        with pytest.raises(SystemExit):
            parser.parse_args([wrong])


def test_a_run_that_is_prolonged_keeps_to_the_length_of_its_system() -> None:
    production = {"converge": ["D_Li"], "max_length_ns": 100.0}
    study = study_of(stages={"production": production}, lengths_ns={NAMES[0]: 25.0})
    of = systems_of(study)
    own, other = (stages_of(study, of[name])[-1] for name in NAMES[:2])
    assert (own.length_ns, own.max_length_ns) == (25.0, 25.0)
    assert (other.length_ns, other.max_length_ns) == (10.0, 100.0)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ({"peo-eo12-400K-r2": 20}, "is not in the sweep (did you mean peo-eo12-400K-r1?)"),
        ({NAMES[0]: 5}, "5 is not allowed; allowed: a whole number of steps, 10 to"),
        ({NAMES[0]: 10.0000001}, "a whole number of steps"),
        ({NAMES[0]: 0}, "lengths_ns.peo-eo12-400K-r1"),
    ],
)
def test_lengths_that_no_run_can_have_are_refused(lengths: dict[str, float], message: str) -> None:
    assert message in mistake(lambda: systems_of(study_of(lengths_ns=lengths)))
