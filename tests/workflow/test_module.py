"""Another workflow that uses this one as a module, and the standard place of the Snakefile."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pages import blocks, commands
from support import SYSTEMS, TINY, run_warm

pytestmark = pytest.mark.workflow

CONSUMER = """
configfile: "theirs.yaml"

module eoli:
    snakefile: "{snakefile}"
    config: config["eoli"]

use rule * from eoli as eoli_*

rule sites:
    default_target: True
    input: "results/peo-eo10-400K-r1/topology/system.json"
    output: "results/of/their/own.txt"
    shell: "wc -c < {{input}} > {{output}}"
"""
THEIRS = """
eoli:
  protocol: tests/config/tiny-protocol.yaml
  box: {chains: 5}
  sweep: [{polymer: peo, eo_li: 10, temperature_K: 400}]
  analysis: {structure_interval_ps: 0.1, motion_interval_ps: 0.1, slow_interval_ps: 0.5}
"""


def call(folder: Path, *words: str) -> str:
    run = run_warm(folder, ["snakemake", "--cores", "1", *words])
    assert run.returncode == 0 and "Traceback" not in run.stdout, run.stdout
    return run.stdout


@pytest.fixture
def consumer(workflow: Path, tmp_path: Path) -> Path:
    """A folder with a workflow that uses the copy of ours, and its configuration."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "Snakefile").write_text(CONSUMER.format(snakefile=workflow / "workflow/Snakefile"))
    (folder / "theirs.yaml").write_text(THEIRS)
    return folder


def test_a_module_brings_its_rules_its_data_and_the_defaults_of_its_study(consumer: Path) -> None:
    call(consumer)
    assert int((consumer / "results/of/their/own.txt").read_text()) > 1000
    assert (consumer / "results/peo-eo10-400K-r1/topology/system.top").is_file()
    planned = call(consumer, "-n", "eoli_all")
    for rule in ("eoli_box", "eoli_npt", "eoli_conductivity", "eoli_report"):
        assert f"rule {rule}:" in planned
    assert "Nothing to be done" in call(consumer)


def test_the_workflow_of_the_page_is_planned(consumer: Path, workflow: Path) -> None:
    page = Path("docs/howto/module.md")
    (block,) = blocks(page, "python")
    assert block["text"].count('"../eoli/') == 1
    (consumer / "Snakefile").write_text(block["text"].replace('"../eoli/', f'"{workflow}/'))
    (line,) = (line for line in commands(page) if line.startswith("snakemake"))
    planned = call(consumer, "-n", *shlex.split(line)[1:])
    assert "rule mine:" in planned and "rule eoli_npt:" in planned


def test_both_snakefiles_make_the_same(workflow: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    counts = []
    for snakefile in ("Snakefile", "workflow/Snakefile"):
        planned = call(folder, "-n", "-s", str(workflow / snakefile), "--configfile", str(workflow / TINY))
        counts.append(dict(re.findall(r"^(\w+) +(\d+)$", planned, re.MULTILINE)))
    assert counts[0] == counts[1]
    assert counts[0]["production"] == str(len(SYSTEMS)) and counts[0]["all"] == "1"
