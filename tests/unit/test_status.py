"""Where a study stands, from folders as runs leave them."""

from __future__ import annotations

import fcntl
import io
import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from eoli.stage.lock import run_lock
from eoli.study.protocol import Stage
from eoli.workflow.status import HEARTBEAT_S, StageStatus, plain_lines, stage_status, table, to_json

NOW = time.time()
MINIMISE = Stage(
    name="minimise", ensemble="minimisation", integrator="steep", max_steps=10, force_tolerance_kJ_mol_nm=500
)
NVT = Stage(
    name="nvt", ensemble="NVT", integrator="md", time_step_fs=2, length_ns=2, thermostat="v-rescale", tau_t_ps=0.1,
    generate_velocities=True, frame_interval_ps=1, energy_interval_ps=1,
)  # fmt: skip
LOG = "           Step           Time\n         500000     1000.00000\n\n   Energies (kJ/mol)\n"


def write(path: Path, data: dict[str, Any], age_s: float = 0.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))
    os.utime(path, (NOW - age_s, NOW - age_s))


def verdict(folder: Path, ns: float = 2.0, age_s: float = 3600.0, warnings: tuple[str, ...] = ()) -> None:
    data = {"status": "warn" if warnings else "pass", "warnings": list(warnings), "values": {"ns": ns}}
    write(folder / "verdict.json", data, age_s)


def heartbeat(folder: Path, age_s: float, ns_per_day: float | None = 24.0) -> None:
    data = {"step": 500000, "n_steps": 1000000, "ns_per_day": ns_per_day, "time": NOW - age_s, "host": "n1", "pid": 5}
    write(folder / "progress.json", data, age_s)
    (folder / "run").mkdir(exist_ok=True)
    (folder / "run" / "md.log").write_text(LOG)


def status(folder: Path, stage: Stage = NVT) -> StageStatus:
    return stage_status("peo", stage, folder, NOW)


def test_waiting(tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        found = status(folder)
        assert found == StageStatus("peo", "nvt", "waiting", None, 2.0, None, None, None, "")


def test_done(tmp_path: Path) -> None:
    verdict(tmp_path)
    heartbeat(tmp_path, 3700)
    (tmp_path / ".lock").touch()
    assert status(tmp_path) == StageStatus("peo", "nvt", "done", 2.0, 2.0, None, None, "pass", "")


def test_done_is_seen_at_once(tmp_path: Path) -> None:
    """A run that ended a second ago has a fresh heartbeat, too."""
    heartbeat(tmp_path, 3)
    verdict(tmp_path, age_s=1)
    assert status(tmp_path).state == "done"


def test_done_minimisation(tmp_path: Path) -> None:
    verdict(tmp_path, ns=0.0)
    found = status(tmp_path, MINIMISE)
    assert (found.state, found.ns_asked) == ("done", None)


def test_done_with_a_warning(tmp_path: Path) -> None:
    verdict(tmp_path, warnings=("nvt: too warm",))
    found = status(tmp_path)
    assert (found.state, found.verdict, found.message) == ("done", "warn", "nvt: too warm")


def test_done_at_a_shorter_length_waits(tmp_path: Path) -> None:
    verdict(tmp_path, ns=0.5)
    found = status(tmp_path)
    assert (found.state, found.ns) == ("waiting", 0.5)
    assert found.message == "complete at 0.5 ns; 2 ns are asked for"


def test_done_at_a_greater_length_is_done(tmp_path: Path) -> None:
    verdict(tmp_path, ns=5.0)
    assert status(tmp_path).state == "done"


def test_running_by_its_lock(tmp_path: Path) -> None:
    heartbeat(tmp_path, 10_000)
    with run_lock(tmp_path, pytest.fail):
        found = status(tmp_path)
    assert (found.state, found.ns, found.ns_per_day) == ("running", 1.0, 24.0)
    # 1 ns at 24 ns/day
    assert found.left_s == pytest.approx(3600)
    assert status(tmp_path).state == "stopped"


def test_running_before_its_first_log(tmp_path: Path) -> None:
    with run_lock(tmp_path, pytest.fail):
        found = status(tmp_path)
    assert (found.state, found.ns, found.ns_per_day, found.left_s) == ("running", None, None, None)


def test_running_minimisation(tmp_path: Path) -> None:
    with run_lock(tmp_path, pytest.fail):
        found = status(tmp_path, MINIMISE)
    assert (found.state, found.ns, found.left_s) == ("running", None, None)


def test_running_extension(tmp_path: Path) -> None:
    verdict(tmp_path, ns=0.5)
    heartbeat(tmp_path, 5)
    assert status(tmp_path).state == "running"


def test_somebody_else_who_looks_is_no_run(tmp_path: Path) -> None:
    """Two `eoli status` at the same time do not take each other for runs."""
    (tmp_path / "run").mkdir()
    with (tmp_path / ".lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        assert status(tmp_path).state == "stopped"


def test_running_beyond_a_length_that_was_lowered_meanwhile(tmp_path: Path) -> None:
    heartbeat(tmp_path, 5)
    found = status(tmp_path, NVT.model_copy(update={"length_ns": 0.5}))
    assert (found.state, found.left_s) == ("running", 0)


def test_running_by_its_heartbeat(tmp_path: Path) -> None:
    """The lock of a run on another node may not be seen."""
    heartbeat(tmp_path, HEARTBEAT_S - 1)
    (tmp_path / ".lock").touch()
    found = status(tmp_path)
    assert (found.state, found.ns) == ("running", 1.0)


def test_a_stale_heartbeat_is_an_interrupted_run(tmp_path: Path) -> None:
    heartbeat(tmp_path, HEARTBEAT_S + 1)
    found = status(tmp_path)
    assert (found.state, found.ns) == ("stopped", 1.0)
    assert found.message == "was interrupted; the next run continues"


def test_interrupted_before_its_first_heartbeat(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert status(tmp_path).state == "stopped"
    assert status(tmp_path, MINIMISE).state == "stopped"


def test_failed(tmp_path: Path) -> None:
    heartbeat(tmp_path, 5)
    write(tmp_path / "failure.json", {"message": "mdrun failed at step 5 of 9: boom; log: md.log"}, age_s=2)
    found = status(tmp_path)
    assert (found.state, found.message) == ("failed", "mdrun failed at step 5 of 9: boom; log: md.log")


def test_an_extension_that_failed(tmp_path: Path) -> None:
    verdict(tmp_path, ns=0.5)
    write(tmp_path / "failure.json", {"message": "boom"}, age_s=2)
    found = status(tmp_path)
    assert (found.state, found.ns) == ("failed", 0.5)


def test_stopped_by_its_walltime(tmp_path: Path) -> None:
    heartbeat(tmp_path, 5)
    write(tmp_path / "failure.json", {"message": "stopped at step 500000 of 1000000; the next run continues"}, age_s=2)
    assert status(tmp_path).state == "stopped"


def test_run_again_after_a_failure(tmp_path: Path) -> None:
    write(tmp_path / "failure.json", {"message": "boom"}, age_s=60)
    heartbeat(tmp_path, 5)
    assert status(tmp_path).state == "running"


@pytest.mark.parametrize("text", ["", "{ half a rec", "[1]", "null"])
@pytest.mark.parametrize("name", ["verdict.json", "progress.json", "failure.json"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    found = status(tmp_path)
    assert (found.state, found.ns) == ("unreadable", None) and f"{name}: no JSON" in found.message
    assert plain_lines([found])[-1].startswith("peo nvt: unreadable: ")


def test_reading_changes_nothing(tmp_path: Path) -> None:
    verdict(tmp_path)
    heartbeat(tmp_path, 10_000)
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    status(tmp_path)
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before


STATUSES = [
    StageStatus("peo-eo12", "npt", "done", 10.0, 10.0, None, None, "warn", "npt: drifts"),
    StageStatus("peo-eo12", "nvt", "running", 1.25, 20.0, 30.0, 54000.0, None, ""),
    StageStatus("pebax", "npt", "done", 10.0, 10.0, None, None, "pass", ""),
    StageStatus("pebax", "nvt", "failed", None, 20.0, None, None, None, "boom; log: md.log"),
    StageStatus("neat", "npt", "waiting", 5.0, 10.0, None, None, "pass", "complete at 5 ns; 10 ns are asked for"),
    StageStatus("neat", "nvt", "stopped", None, 20.0, None, None, None, "was interrupted; the next run continues"),
]


def test_plain_lines() -> None:
    assert plain_lines(STATUSES) == [
        "system    npt              nvt",
        "peo-eo12  done (warn)      running 1.25/20 ns 30 ns/d 15.0 h",
        "pebax     done             failed",
        "neat      waiting 5/10 ns  stopped",
        "pebax nvt: failed: boom; log: md.log",
        "neat nvt: stopped: was interrupted; the next run continues",
    ]


def test_json() -> None:
    text = to_json(STATUSES)
    assert text.endswith("]\n")
    assert json.loads(text) == [asdict(entry) for entry in STATUSES]


def test_table_says_the_same() -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(table(STATUSES))
    shown = console.export_text()
    for words in ("running 1.25/20 ns 30 ns/d 15.0 h", "done (warn)", "waiting 5/10 ns", "pebax nvt: failed: boom"):
        assert words in shown


def test_a_prolonged_stage_is_asked_for_what_it_has_been_prolonged_to(tmp_path: Path) -> None:
    stage = NVT.model_copy(update={"converge": ["energy"], "max_length_ns": 10.0})
    heartbeat(tmp_path, 1)
    write(tmp_path / "progress.json", json.loads((tmp_path / "progress.json").read_text()) | {"n_steps": 3000000})
    with run_lock(tmp_path, lambda _: None):
        found = status(tmp_path, stage)
    assert (found.state, found.ns, found.ns_asked) == ("running", 1.0, 6.0)
    verdict(tmp_path, ns=6.0, warnings=("not converged after 6 ns: it drifts",))
    (tmp_path / "progress.json").unlink()
    found = status(tmp_path, stage)
    assert (found.state, found.ns) == ("done", 6.0) and "not converged" in found.message
