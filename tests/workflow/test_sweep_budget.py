"""A budget of core-hours through the whole DAG: what it allots is run, what is there stays, and it ends."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support import LIMIT_S, SYSTEMS, TINY, environment, snakemake

pytestmark = pytest.mark.workflow


def told(study: Path, core_hours: float, *files: str) -> str:
    """What `eoli budget` says."""
    words = ["budget", str(core_hours), "--config", "config/config.yaml", TINY, *files]
    run = subprocess.run(
        [sys.executable, "-m", "eoli.cli", *words], cwd=study, capture_output=True, text=True, timeout=LIMIT_S,
        env=environment(), check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_a_budget_prolongs_the_runs_of_a_sweep(study: Path) -> None:
    folders = {system: study / "results" / system for system in SYSTEMS}
    before = {system: (folder / "production/md.xtc").read_bytes() for system, folder in folders.items()}
    assert "0 allotted now: the budget is spent" in told(study, 0.0)
    assert yaml.safe_load((study / "budget.yaml").read_text()) == {"lengths_ns": {}}
    spent = float(re.search(r"([\d.e-]+) spent", told(study, 0.0))[1])  # type: ignore[index]
    # a doubled production costs less than all runs before
    said = told(study, 3 * spent)
    lengths = yaml.safe_load((study / "budget.yaml").read_text())["lengths_ns"]
    # picoseconds have no estimate: their runs are doubled
    assert set(lengths) == set(SYSTEMS) and "no estimate, so twice its length" in said
    assert list(lengths.values()) == [0.008] * 2
    analyses = [f"results/{system}/analysis/{name}.json" for system in SYSTEMS for name in ("motion", "conductivity")]
    run = snakemake(study, *analyses, config=(TINY, "budget.yaml"))
    assert run.returncode == 0, run.stdout
    for system, folder in folders.items():
        verdict = json.loads((folder / "production/verdict.json").read_text())
        assert verdict["values"]["ns"] == pytest.approx(lengths[system])
        motion = json.loads((folder / "analysis/motion.json").read_text())
        assert motion["length_ns"] == pytest.approx(lengths[system])
        assert (folder / "production/md.xtc").read_bytes().startswith(before[system])
    # what is there stays, with the file of lengths and without
    for files in (("budget.yaml",), ()):
        assert "the budget is spent" in told(study, 0.0, *files)
        assert yaml.safe_load((study / "budget.yaml").read_text())["lengths_ns"] == lengths
