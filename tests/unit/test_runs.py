"""Runs made elsewhere in a configuration: their systems, what the rules are told, and each mistake as one line."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from eoli.study.analyses import BY_NAME
from eoli.study.axes import SYSTEM_AXES
from eoli.workflow.plan import NO_ENERGIES, NO_RERUN, Plan, make_plan
from eoli.workflow.products import products_of
from support import ROOT, mistake

ROLES = """\
molecules:
  PEO: {kind: polymer, roles: {ether_O: name O1}}
  LI: {kind: cation, roles: {Li: all}}
  TFSI: {kind: anion, roles: {anion_O: name O*}}
"""


def given(folder: Path, **changes: Any) -> dict[str, Any]:
    """Keys of a run whose files lie in a folder."""
    for name in ("a.tpr", "a.xtc", "b.xtc", "a.edr"):
        (folder / name).touch()
    (folder / "roles.yaml").write_text(ROLES)
    files = {"topology": "a.tpr", "trajectory": ["a.xtc", "b.xtc"], "roles": "roles.yaml"}
    run: dict[str, Any] = {
        **{key: [str(folder / n) for n in name] if isinstance(name, list) else str(folder / name) for key, name in files.items()},
        "name": "mine", "temperature_K": 400.0, "frame_interval_ps": 2.0, "length_ns": 5.0, "polymer": "peo", "salt": "litfsi",
        "sites": 420, "chains": 4, "ether_oxygens": 96, "lithium_ions": 8,
    }  # fmt: skip
    return {key: value for key, value in (run | changes).items() if value is not None}


def plan(folder: Path, *runs: dict[str, Any], **keys: Any) -> Plan:
    path = folder / "own.yaml"
    analysis = {"motion_interval_ps": 2.0, "structure_interval_ps": 2.0}
    path.write_text(yaml.safe_dump({"sweep": [], "analysis": analysis, "runs": list(runs), **keys}))
    return make_plan([str(path), str(ROOT / "config/config.yaml")], [path], [], str(ROOT))


def test_a_run_is_a_system_of_one_stage(tmp_path: Path) -> None:
    made = plan(tmp_path, given(tmp_path))
    (system,) = made.systems.values()
    assert (system.name, system.replica_group, system.eo_li, system.eo_li_asked) == ("mine-r1", "mine", 12.0, 12.0)
    (stage,) = made.stages_of("mine-r1")
    assert (stage.name, stage.frame_interval_ps, stage.length_ns) == ("production", 2.0, 5.0)
    words = shlex.split(made.analysis_flags(BY_NAME["reduce"], "mine-r1"))
    assert words[words.index("--frame-interval-ps") + 1] == "2"
    assert words[words.index("--length-ns") + 1] == "5"
    assert made.source(BY_NAME["reduce"], "mine-r1") == "results/mine-r1/production/md.xtc"
    assert made.files(["minimise", "production"], "verdict.json") == ["results/mine-r1/production/verdict.json"]
    assert "hydroxyl_O" not in made.analysis_flags(BY_NAME["mechanism"], "mine-r1")


def test_what_a_run_cannot_have_has_its_reason(tmp_path: Path) -> None:
    made = plan(tmp_path, given(tmp_path), given(tmp_path, name="more", energies=str(tmp_path / "a.edr")))
    lacks = {
        name: [made.lacks(BY_NAME[of], name) for of in ("density", "traces", "interactions", "motion")]
        for name in made.systems
    }
    assert lacks == {"mine-r1": [NO_ENERGIES, NO_ENERGIES, NO_RERUN, None], "more-r1": [None, None, NO_RERUN, None]}
    assert made.source(BY_NAME["density"], "more-r1") == "results/more-r1/production/md.edr"
    # its times may begin anywhere
    assert "--length-ns" not in made.analysis_flags(BY_NAME["density"], "more-r1")
    names = [product.name for product in products_of(made) if product.home == "more-r1"]
    assert names[:2] == ["topology", "production"]
    assert not {"box", "parameters", "npt"} & set(names)


def test_runs_are_alike_only_if_asked(tmp_path: Path) -> None:
    def axes(*runs: dict[str, Any]) -> set[tuple[Any, ...]]:
        systems = plan(tmp_path, *runs).systems.values()
        rows = [vars(system) | vars(system.choice) | {"chains": system.chains} for system in systems]
        assert len(rows) == len(runs)
        return {tuple(row[axis] for axis in SYSTEM_AXES) for row in rows}

    assert len(axes(given(tmp_path), given(tmp_path, name="other"))) == 2
    assert len(axes(given(tmp_path), given(tmp_path, replicate=2))) == 1
    same = {"force_field": "opls"}
    assert len(axes(given(tmp_path, **same), given(tmp_path, name="other", replicate=2, **same))) == 1
    (ours, theirs) = plan(
        tmp_path, given(tmp_path), sweep=[{"polymer": "peo", "eo_li": 12, "temperature_K": 400}]
    ).systems.values()  # fmt: skip
    assert ours.choice != theirs.choice
    assert len(plan(tmp_path, given(tmp_path), given(tmp_path, replicate=2)).replica_groups["mine"]) == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"topology": "nowhere.tpr"}, "runs[0].topology: 'nowhere.tpr' is no file"),
        ({"trajectory": ["nowhere.xtc"]}, "runs[0].trajectory[0]: "),
        ({"energies": "nowhere.edr"}, "runs[0].energies: 'nowhere.edr' is no file"),
        ({"roles": "nowhere.yaml"}, "runs[0].roles: 'nowhere.yaml' is no file"),
        ({"salt": None}, "runs[0].salt: names no salt; allowed: a name with lithium_ions, none without"),
        ({"lithium_ions": None}, "runs[0].salt: is litfsi where there is no lithium ion"),
        ({"temperature_K": None}, "runs[0].temperature_K: is missing"),
        ({"temperature_K": 25.0}, "runs[0].temperature_K: 25.0 is not allowed"),
        ({"sites": 0}, "runs[0].sites: 0 is not allowed"),
        ({"name": "a/b"}, "runs[0].name: 'a/b' is not allowed"),
        ({"topologie": "a"}, "runs[0].topologie: unknown key (did you mean topology?)"),
        ({"frame_interval_ps": 3.0}, "motion_interval_ps: 2 is not allowed; allowed: a whole multiple of 3, the frame_interval_ps of the run mine"),
        ({"length_ns": 0.01}, "leaves 6 frames of the run mine"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    text = mistake(lambda: plan(tmp_path, given(tmp_path, **changes)))
    assert "own.yaml:" in text.partition(" ")[0] and said in text


def test_mistakes_beyond_one_run(tmp_path: Path) -> None:
    assert "mine-r1 is already in the study" in mistake(lambda: plan(tmp_path, given(tmp_path), given(tmp_path)))
    assert "sweep: has no system; allowed: at least 1" in mistake(lambda: plan(tmp_path))
    run = given(tmp_path)
    (tmp_path / "roles.yaml").write_text(ROLES.replace("ether_O", "ether"))
    assert "molecules.PEO.roles.ether: no role of kind polymer" in mistake(lambda: plan(tmp_path, run))
