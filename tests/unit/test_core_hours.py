"""What a sweep has cost, from records and, without them, from logs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest

from eoli.stage.sessions import FOLDER, Session
from eoli.summary.core_hours import cost_of_stage, write_cost

# the ends of two sessions of one log, shortened output of GROMACS 2022.5
LOG = """\
Using 1 MPI thread
Using 2 OpenMP threads
               Core t (s)   Wall t (s)        (%)
       Time:      129.103       64.553      200.0
                 (ns/day)    (hour/ns)
Performance:       40.153        0.598
Restarting from checkpoint, appending to previous log file.
Using 1 MPI thread
Using 2 OpenMP threads
       Time:       70.895       35.447      200.0
"""


def stage(folder: Path, *sessions: tuple[float, int, float | None], ns: float | None = 0.1) -> Path:
    """A stage folder whose mdruns took (wall s, hardware threads, processor s)."""
    (folder / "run" / FOLDER).mkdir(parents=True)
    for number, (wall, processors, used) in enumerate(sessions):
        record = Session(1000.0 * number, wall, processors, used, True, "vm", "2022.5", "")
        (folder / "run" / FOLDER / f"{number:05d}.json").write_text(json.dumps(asdict(record)))
    (folder / "verdict.json").write_text(
        json.dumps({"status": "pass", "warnings": [], "values": {} if ns is None else {"ns": ns}})
    )
    return folder


def test_restarts_add_up(tmp_path: Path) -> None:
    cost = cost_of_stage("peo", "npt", stage(tmp_path, (3600.0, 2, 7000.0), (1800.0, 4, 5000.0)))
    assert cost is not None
    assert (cost.core_hours, cost.wall_hours, cost.restarts) == (4.0, 1.5, 1)
    assert cost.ns_per_day == pytest.approx(0.1 * 24 / 1.5)
    assert cost.idle_share == pytest.approx(1 - 12000 / 14400)


def test_the_next_piece_of_a_stage_is_no_restart(tmp_path: Path) -> None:
    folder = stage(tmp_path, *[(60.0, 1, 50.0)] * 4)
    for number, piece in enumerate((0, 1000, 1000, 2000)):
        path = folder / "run" / FOLDER / f"{number:05d}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"piece": piece}))
    cost = cost_of_stage("peo", "compress", folder)
    assert cost is not None and cost.restarts == 1
    # records of earlier versions do not know of pieces
    for path in (folder / "run" / FOLDER).iterdir():
        path.write_text(
            json.dumps({key: value for key, value in json.loads(path.read_text()).items() if key != "piece"})
        )
    cost = cost_of_stage("peo", "compress", folder)
    assert cost is not None and cost.restarts == 3


def test_what_is_not_known_is_empty(tmp_path: Path) -> None:
    cost = cost_of_stage("peo", "minimise", stage(tmp_path / "a", (60.0, 1, None), (60.0, 1, 50.0), ns=None))
    assert cost is not None and (cost.ns, cost.ns_per_day, cost.idle_share) == (None, None, None)
    busy = cost_of_stage("peo", "npt", stage(tmp_path / "b", (60.0, 1, 60.4)))
    assert busy is not None and busy.idle_share == 0.0
    assert cost_of_stage("peo", "npt", tmp_path / "absent") is None
    (tmp_path / "c" / "run").mkdir(parents=True)
    assert cost_of_stage("peo", "npt", tmp_path / "c") is None


def test_runs_without_records_are_read_from_their_log(tmp_path: Path) -> None:
    folder = stage(tmp_path / "npt", ns=0.05)
    (folder / "run" / "md.log").write_text(LOG)
    cost = cost_of_stage("peo", "npt", folder)
    assert cost is not None
    assert cost.wall_hours * 3600 == pytest.approx(100.0)
    assert cost.core_hours * 3600 == pytest.approx(200.0)
    assert (cost.restarts, cost.idle_share) == (1, None)


def test_the_table_has_a_row_for_every_stage_that_was_run(tmp_path: Path) -> None:
    stage(tmp_path / "peo" / "npt", (3600.0, 1, 3500.0))
    stages = [("peo", "npt"), ("peo", "production"), ("peo", "npt")]
    write_cost(stages, tmp_path, tmp_path / "cost.csv")
    table = pd.read_csv(tmp_path / "cost.csv")
    assert list(table) == ["system", "stage", "ns", "core_hours", "ns_per_day", "wall_hours", "idle_share", "restarts"]
    assert table[["system", "stage"]].to_numpy().tolist() == [["peo", "npt"]]
    write_cost([], tmp_path, tmp_path / "none.csv")
    assert list(pd.read_csv(tmp_path / "none.csv")) == list(table)
