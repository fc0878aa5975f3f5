"""Every job starts the command and parses the workflow: neither may load what only some jobs need."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "numpy",
    "MDAnalysis",
    "gromacs",
    "matplotlib",
    "pandas",
    "scipy",
    "pymbar",
    "pyedr",
    "numba",
    "h5py",
    "jinja2",
)
REPORT = f"\nimport sys\nprint('loaded:', *(name for name in {HEAVY!r} if name in sys.modules))"


def loaded(code: str) -> str:
    run = subprocess.run([sys.executable, "-c", code + REPORT], capture_output=True, text=True, check=True)
    return run.stdout.rsplit("loaded:", 1)[1].strip()


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["check", "--help"],
        ["topology", "--help"],
        ["stage", "--help"],
        ["reduce", "--help"],
        ["mechanism", "--help"],
    ],
)
def test_help_is_light(words: list[str]) -> None:
    code = f"from eoli.cli import main\ntry:\n    main({words!r})\nexcept SystemExit as end:\n    assert end.code == 0"
    assert loaded(code) == ""


@pytest.mark.parametrize(
    "module",
    [
        "eoli.workflow.plan",
        "eoli.study.config",
        "eoli.study.systems",
        "eoli.workflow.cost",
        "eoli.study.schema",
        "eoli.cli",
    ],
)
def test_modules_that_every_job_imports_are_light(module: str) -> None:
    assert loaded(f"import {module}") == ""


def test_the_measure_sees_a_heavy_module() -> None:
    assert loaded("import numpy") == "numpy"
