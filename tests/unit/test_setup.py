"""When `make` sets up an environment, and what it says where it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What set-up needs of a clone, and an environment that looks made for it."""
    folder = tmp_path / "project"
    (folder / "scripts").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "scripts/setup-venv.sh", "scripts/setup-gromacs.sh"):
        shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/python").symlink_to(sys.executable)
    (folder / ".venv/.installed").write_text(f"{folder} {folder}/.venv\n")
    return folder


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # not as a part of the make that runs the tests
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", "VENV=.venv", "PYTHON=python3", *words], cwd=folder, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def sets_up(folder: Path) -> bool:
    return "setup-venv.sh" in make(folder, "-n", ".venv/.installed").stdout


def test_a_second_setup_does_nothing(project: Path) -> None:
    assert not sets_up(project)


def test_a_moved_project_is_set_up_again(project: Path) -> None:
    assert sets_up(project.rename(project.with_name("moved")))


def test_an_environment_whose_python_is_gone_is_set_up_again(project: Path) -> None:
    (project / ".venv/bin/python").unlink()
    assert sets_up(project)


def test_an_unfinished_setup_goes_on(project: Path) -> None:
    (project / ".venv/.installed").unlink()
    assert sets_up(project)


def test_an_environment_that_was_moved_is_made_again(project: Path) -> None:
    (project / ".venv/pyvenv.cfg").write_text("command = /usr/bin/python3 -m venv /elsewhere/.venv\n")
    stand_in = project / "python"
    # a Python that is new enough and makes nothing
    stand_in.write_text('#!/bin/sh\n[ "$1" = -c ] || { echo "asked for $*" >&2; exit 1; }\n')
    stand_in.chmod(0o755)
    # no package can be installed from here
    for name in ("bash", "sed", "realpath", "rm", "id"):
        (project / "bin").mkdir(exist_ok=True)
        (project / "bin" / name).symlink_to(str(shutil.which(name)))
    run = subprocess.run(
        ["bash", "scripts/setup-venv.sh", str(stand_in), ".venv"], cwd=project, capture_output=True, text=True,
        env={"PATH": str(project / "bin")}, check=False,
    )  # fmt: skip
    assert "was made elsewhere" in run.stdout and "cannot make a virtual environment" in run.stderr
    assert run.returncode == 1 and not (project / ".venv").exists()


def test_a_python_that_is_missing_is_named(project: Path) -> None:
    (project / ".venv/.installed").unlink()
    run = make(project, "PYTHON=python3.99", ".venv/.installed")
    assert run.returncode != 0
    assert run.stderr.splitlines()[0].startswith("setup: python3.99 is missing or older than 3.11; name another")
    assert not (project / ".venv/.installed").exists()


def test_results_that_cannot_be_written_are_one_line(project: Path) -> None:
    (project / "taken").touch()
    run = make(project, "run", "DIRECTORY=taken/results")
    lines = [line for line in run.stderr.splitlines() if line.startswith("run: ")]
    assert run.returncode != 0 and "Traceback" not in run.stderr
    assert lines == ["run: taken/results cannot be written; name a folder for the results: make run DIRECTORY=..."]


FAKE_PYTHON = """#!/bin/bash
# a Python: makes environments with itself in them, and its pip finds wheels, or not
case "$*" in
    *%d.%d*) echo 3.$MINOR ;;
    *"print(sys.version_info"*) echo $MINOR ;;
    *sysconfig*) exit 1 ;;
    "-c "*) exit 0 ;;
    "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; echo "command = $0 -m venv $PWD/$3" >"$3/pyvenv.cfg" ;;
    *"pip install"*) PIP ;;
    --version) echo Python 3.$MINOR ;;
esac
"""
WHEELS = "exit 0"
NO_WHEEL = r"""printf '  ERROR: Failed building wheel for immutables\n%s\n\n× Failed to build installable wheels for some
╰─> immutables\n' 'error: failed-wheel-build-for-install'; exit 1"""
NO_NETWORK = "echo 'ERROR: Could not find a version that satisfies the requirement setuptools>=77'; exit 1"


def set_up(project: Path, python: str, pythons: dict[str, tuple[int, str]], *tools: str) -> tuple[int, str, str]:
    """Exit code, output and errors of set-up where only these Pythons and tools are on the PATH."""
    shutil.rmtree(project / ".venv")
    programs = project / "bin"
    programs.mkdir()
    for name in ("bash", "sed", "realpath", "rm", "id", "grep", "sort", "paste", "tail", "mkdir", "cp", *tools):
        (programs / name).symlink_to(str(shutil.which(name)))
    for name, (minor, pip) in pythons.items():
        program = programs / name
        program.write_text(FAKE_PYTHON.replace("$MINOR", str(minor)).replace("PIP ;;", f"{pip} ;;"))
        program.chmod(0o755)
    run = subprocess.run(
        ["bash", "scripts/setup-venv.sh", python, ".venv"], cwd=project, capture_output=True, text=True,
        env={"PATH": str(programs)}, check=False,
    )  # fmt: skip
    return run.returncode, run.stdout, run.stderr


def test_a_python_with_wheels_is_all_it_takes(project: Path) -> None:
    assert set_up(project, "python3", {"python3": (14, WHEELS), "python3.13": (13, WHEELS)}) == (0, "", "")
    assert "python3 -m venv" in (project / ".venv/pyvenv.cfg").read_text()


def test_an_older_python_serves_where_packages_have_no_wheel(project: Path) -> None:
    pythons = {"python3": (14, NO_WHEEL), "python3.13": (13, WHEELS), "python3.12": (12, WHEELS)}
    code, out, err = set_up(project, "python3", pythons)
    assert (code, err) == (0, "")
    lacks = "no wheel of immutables for Python 3.14, and no C compiler with Python's headers"
    assert out == f"setup: {lacks}; takes python3.13\n"
    assert "python3.13 -m venv" in (project / ".venv/pyvenv.cfg").read_text()


@pytest.mark.parametrize("python", ["python3", "python3.14"])
def test_what_to_install_where_packages_have_no_wheel_is_one_line(project: Path, python: str) -> None:
    # a Python that the user named is not replaced
    others = {"python3.13": (13, WHEELS)} if python != "python3" else {}
    code, out, err = set_up(project, python, {python: (14, NO_WHEEL), **others})
    assert (code, out) == (1, "")
    assert err.startswith("setup: no wheel of immutables for Python 3.14, and no C compiler")
    assert "apt-get install gcc libc6-dev python3-dev" in err and err.count("\n") == 1


def test_why_pip_failed_is_one_line(project: Path) -> None:
    code, out, err = set_up(project, "python3", {"python3": (14, NO_NETWORK), "python3.13": (13, WHEELS)})
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "Could not find a version that satisfies the requirement setuptools>=77; log: .venv/pip.log" in err
