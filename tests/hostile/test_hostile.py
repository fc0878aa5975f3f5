"""Hostile input against every command: success or one line, in time and memory, with nothing changed but the output.

`EOLI_HOSTILE` sets how many cases (100 in the ordinary test run), `EOLI_HOSTILE_SEED` chooses others; a case is repeated
by its number: `EOLI_HOSTILE=1000 pytest tests/hostile -k "case-123-"`.
"""

from __future__ import annotations

import json
import os
import random
import shlex
from pathlib import Path

import pytest
from judge import SEED, Judge
from pools import NAMES

from support import TINY, snakemake

pytestmark = pytest.mark.hostile

CASES = int(os.environ.get("EOLI_HOSTILE", "100"))


@pytest.mark.parametrize("number", range(CASES), ids=lambda number: f"case-{number}-")
def test_it_ends_well(number: int, judge: Judge) -> None:
    case = judge.make(number)
    fault = judge.fault(case)
    if fault:
        pytest.fail(f"{case.argv[0]}: {fault} | {case.what} | eoli {shlex.join(case.argv)}"[:600], pytrace=False)


@pytest.mark.workflow
@pytest.mark.parametrize("number", range(max(3, CASES // 50)), ids=lambda number: f"name-{number}-")
def test_a_name_passes_through_snakemake(number: int, workflow: Path) -> None:
    """A name of a study, a polymer or a stage is one line, or reaches the plan of Snakemake's jobs."""
    chance = random.Random(f"{SEED}/name/{number}")
    name, place = chance.choice([name for name in NAMES if len(name) < 1000]), ("study", "polymer", "stage")[number % 3]
    quoted = json.dumps(name)
    overlay = f"study: {quoted}\n" if place == "study" else "seed: 7\n"
    if place == "polymer":
        overlay = f"sweep: [{{polymer: {quoted}, eo_li: 12, temperature_K: 400}}]\n"
        block = (workflow / "topologies/polymers/peo.yaml").read_text().replace("polymer: peo", f"polymer: {quoted}")
        if "/" not in name and "\0" not in name and len(name) < 200:
            (workflow / f"topologies/polymers/{name}.yaml").write_text(block)
    if place == "stage":
        protocol = workflow / "tests/config/tiny-protocol.yaml"
        protocol.write_text(protocol.read_text().replace("name: nvt", f"name: {quoted}"))
    (workflow / "own.yaml").write_text(overlay)
    run = snakemake(workflow, "-n", config=(TINY, "own.yaml"))
    lines = [line for line in run.stdout.splitlines() if line.startswith("eoli: ")]
    fine = run.returncode == 0 or (run.returncode in (1, 2) and len(lines) == 1 and "Exception" not in run.stdout)
    if not fine or "Traceback" in run.stdout:
        pytest.fail(f"{place} {quoted}: exit code {run.returncode} | {run.stdout[-300:]!r}", pytrace=False)
    assert not (workflow / "results").exists()
