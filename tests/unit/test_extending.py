"""The page on adding an analysis, followed to the letter in a copy of the tree."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from support import ROOT, copy_workflow, environment
from synthetic_trajectories import SYSTEM, reduce, write_system

PAGE = ROOT / "docs/extending.md"
STEP = re.compile(
    r"^(?:New file|In) `(?P<file>[^`]+)`(?:, above `(?P<anchor>[^`]+)`)?:\n\n```python\n(?P<text>.*?)```$", re.M | re.S
)
ASKED = """
from eoli.report.plots import STRUCTURE
from eoli.study.analyses import TABLES
from eoli.study.quantities import sweep_columns
print("nearest" in TABLES, sweep_columns(TABLES)["nearest_Li_nm"], "nearest" in [plot.key for plot in STRUCTURE])
"""


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree with the analysis of the page; beside it a reduced trajectory."""
    folder = copy_workflow(tmp_path_factory.mktemp("extended") / "tree")
    text = PAGE.read_text(encoding="utf-8")
    analysis = text[text.index("## An analysis") : text.index("## A quantity")]
    steps = list(STEP.finditer(analysis))
    assert len(steps) == analysis.count("```python") and len({step["file"] for step in steps}) == 5
    for step in steps:
        path = folder / step["file"]
        if step["anchor"] is None:
            assert not path.exists()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step["text"], encoding="utf-8")
        else:
            before = path.read_text(encoding="utf-8")
            assert before.count(f"\n{step['anchor']}") == 1, step["anchor"]
            path.write_text(
                before.replace(f"\n{step['anchor']}", f"\n{step['text']}{step['anchor']}"), encoding="utf-8"
            )
    trajectory, _ = write_system(folder.parent, SYSTEM)
    reduce(trajectory, folder.parent / "system.json", folder.parent / "reduced.h5", (1.0, 1.0, 10.0))
    return folder


def run(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment() | {"PYTHONPATH": str(folder / "scripts")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_command_has_the_option_and_leaves_a_table(extended: Path) -> None:
    assert "--bin-nm" in run(extended, "-m", "eoli.cli", "nearest", "--help")
    run(
        extended.parent, "-c",
        f"import sys; sys.path.insert(0, {str(extended / 'scripts')!r}); from eoli.cli import main; sys.exit(main())",
        "nearest", "--reduced", "reduced.h5", "--system-json", "system.json", "--bin-nm", "0.05", "--out", "out",
    )  # fmt: skip
    table = pd.read_csv(extended.parent / "out/nearest.csv")
    assert table["density_per_nm"].sum() * 0.05 == pytest.approx(1)
    scalars = json.loads((extended.parent / "out/nearest.json").read_text())
    assert scalars["verdict"] == "resolved" and scalars["mean_nm"]["value"] > 0
    record = json.loads((extended.parent / "out/nearest.provenance.json").read_text())
    assert sorted(record["outputs"]) == ["nearest.csv", "nearest.json"]


def test_it_has_a_rule_with_its_parameters(extended: Path) -> None:
    system = "peo-eo12-400K-r1"
    said = run(
        extended,
        "-m",
        "snakemake",
        f"results/{system}/analysis/nearest.csv",
        "-n",
        "--configfile",
        "tests/config/tiny.yaml",
    )
    assert re.search(r"^nearest +1$", said, re.M)
    asked = (
        "from eoli.study.analyses import BY_NAME; from eoli.workflow.plan import make_plan; "
        "plan = make_plan(['config/config.yaml'], ['tests/config/tiny.yaml'], [], '.'); "
        f"print(plan.analysis_flags(BY_NAME['nearest'], {system!r}))"
    )
    assert run(extended, "-c", asked) == "--bin-nm 0.02\n"


def test_its_key_is_documented_and_its_stage_name_taken(extended: Path) -> None:
    assert "| `nearest.bin_nm` | number, above 0 to 1 | `0.02` | bin of the distribution |" in run(
        extended, "-m", "eoli.cli", "schema", "--format", "markdown"
    )
    assert "True" in run(extended, "-c", "from eoli.study.protocol import RULES; print('nearest' in RULES)")


def test_it_is_a_column_and_a_plot(extended: Path) -> None:
    assert run(extended, "-c", ASKED).split() == ["True", "('nearest',", "'mean_nm',", "'value')", "True"]


def test_its_test_passes(extended: Path) -> None:
    run(extended, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/test_nearest.py")
