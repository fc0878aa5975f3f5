"""Every job starts the command and parses the workflow: neither may load what only some jobs need.

Nor may an analysis load, before it reads its data, what takes long to import and what it does not always need.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from eoli.study.analyses import ANALYSES

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
SLOW = ("MDAnalysis", "gromacs", "matplotlib", "pymbar", "scipy.stats", "scipy.signal", "scipy.optimize", "jinja2")
"""Each takes at least as long to import as pandas."""
NEEDED = {"snapshots": "matplotlib"}
"""What an analysis cannot do without, of those."""


def loaded(code: str, names: tuple[str, ...] = HEAVY) -> str:
    report = f"\nimport sys\nprint('loaded:', *(name for name in {names!r} if name in sys.modules))"
    run = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=True)
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
        "eoli.interface",
    ],
)
def test_modules_that_every_job_imports_are_light(module: str) -> None:
    assert loaded(f"import {module}") == ""


def test_the_package_finds_its_interface_on_first_use() -> None:
    code = "import eoli, sys\nassert 'open_study' in dir(eoli) and 'eoli.interface' not in sys.modules\neoli.open_study"
    assert loaded(code) == ""


@pytest.mark.parametrize("name", [analysis.name for analysis in ANALYSES])
def test_analyses_start_without_what_is_slow_to_import(name: str) -> None:
    code = f"import eoli.cli\nfrom eoli.study.analyses import BY_NAME\nBY_NAME[{name!r}].load()"
    assert loaded(code, SLOW) == NEEDED.get(name, "")


def test_the_measure_sees_a_heavy_module() -> None:
    assert loaded("import numpy") == "numpy"
