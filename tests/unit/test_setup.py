"""When `make` sets up an environment, and what it says where it cannot."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT, obeying_modes, without_writing

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What set-up needs of a clone, and an environment that looks made for it."""
    folder = tmp_path / "project"
    (folder / "scripts/eoli").mkdir(parents=True)
    sources = ("scripts/setup-venv.sh", "scripts/setup-gromacs.sh", "scripts/eoli/VERSION")
    for name in ("Makefile", "pyproject.toml", *sources):
        shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/python").symlink_to(sys.executable)
    (folder / ".venv/.installed").write_text(f"{folder} {folder}/.venv\n")
    return folder


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # not as a part of the make that runs the tests
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", "VENV=.venv", "PYTHON=python3", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


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
    for name in ("bash", "sed", "realpath", "rm", "id", "mkdir"):
        (project / "bin").mkdir(exist_ok=True)
        (project / "bin" / name).symlink_to(str(shutil.which(name)))
    run = subprocess.run(
        ["bash", "scripts/setup-venv.sh", str(stand_in), ".venv"],
        cwd=project,
        capture_output=True,
        text=True,
        env={"PATH": str(project / "bin")},
        check=False,
    )
    assert "was made elsewhere" in run.stdout and "cannot make a virtual environment" in run.stderr
    assert run.returncode == 1 and not (project / ".venv").exists()


def test_an_environment_that_cannot_be_written_is_one_line(project: Path) -> None:
    (project / "taken").touch()
    run = subprocess.run(
        ["bash", "scripts/setup-venv.sh", "python3", "taken/.venv"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1 and run.stdout == ""
    assert (
        run.stderr
        == "setup: taken/.venv cannot be written; name another folder for the environment with: make VENV=FOLDER\n"
    )


def test_sources_that_cannot_be_written_are_not_installed_but_pointed_at(project: Path, tmp_path: Path) -> None:
    """pip would write beside them."""
    for name in ("README.md", "LICENSE"):
        (project / name).touch()
    shutil.rmtree(project / ".venv")
    elsewhere = tmp_path / "out/.venv"
    stand_in = tmp_path / "python"
    stand_in.write_text(
        f"""#!/bin/sh
[ "$2" != venv ] || {{ mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; }}
[ "$2" != pip ] || for word; do :; done
[ "$2" != pip ] || {{ echo "$word"; cd "${{word%\\[dev]}}" && find . -type f; }} >{tmp_path}/asked
case $2 in *sysconfig*) mkdir -p {tmp_path}/site; echo {tmp_path}/site;; esac
"""
    )
    stand_in.chmod(0o755)
    with without_writing(project):
        run = subprocess.run(
            obeying_modes("bash", "scripts/setup-venv.sh", str(stand_in), str(elsewhere)), cwd=project,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert run.returncode == 0, run.stderr
    what, *files = (tmp_path / "asked").read_text().splitlines()
    assert what.endswith("[dev]")
    assert sorted(files) == ["./LICENSE", "./README.md", "./pyproject.toml", "./scripts/eoli/VERSION"]
    assert (tmp_path / "site/eoli.pth").read_text() == f"{project}/scripts\n"
    assert not Path(what.removesuffix("[dev]")).exists()


@pytest.mark.parametrize(("read_only", "folder"), [(False, ".venv"), (True, "/elsewhere/.venv")])
def test_the_environment_of_a_project_that_cannot_be_written_is_beside_the_results(
    read_only: bool, folder: str, project: Path
) -> None:
    shutil.rmtree(project / ".venv")
    words = ["make", "-n", "setup", "PYTHON=python3", "DIRECTORY=/elsewhere"]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS", "VENV"))}
    with without_writing(project) if read_only else contextlib.nullcontext():
        run = subprocess.run(obeying_modes(*words), cwd=project, env=kept, capture_output=True, text=True, check=False)
    assert f'setup-venv.sh "python3" "{folder}"' in run.stdout, run.stdout + run.stderr


@pytest.mark.parametrize("writable", [True, False])
def test_a_home_that_cannot_be_written_holds_no_cache(writable: bool, project: Path, tmp_path: Path) -> None:
    """Snakemake would not start."""
    home = tmp_path / "home"
    home.mkdir() if writable else home.touch()
    (project / ".venv/bin/snakemake").write_text('#!/bin/sh\necho "cache: $XDG_CACHE_HOME"\n')
    (project / ".venv/bin/snakemake").chmod(0o755)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS", "XDG"))}
    run = subprocess.run(
        ["make", "run", "VENV=.venv", "PYTHON=python3", "DIRECTORY=out"], cwd=project, env=kept | {"HOME": str(home)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    where = "" if writable else f"{project}/out/.snakemake/cache"
    assert run.returncode == 0 and f"cache: {where}\n" in run.stdout, run.stderr


def test_a_python_that_is_missing_is_named(project: Path) -> None:
    (project / ".venv/.installed").unlink()
    run = make(project, "PYTHON=python3.99", ".venv/.installed")
    assert run.returncode != 0
    assert run.stderr.splitlines()[0].startswith("setup: python3.99 is missing or older than 3.11; name another")
    assert not (project / ".venv/.installed").exists()


@pytest.mark.parametrize(("user", "installs"), [("1000", False), ("0", True)])
def test_no_gromacs_is_told_once_where_it_cannot_be_installed(user: str, installs: bool, project: Path) -> None:
    """`eoli check` knows where GROMACS comes from; the script installs it where it may."""
    programs = {
        "id": f"echo {user}",
        "sudo": "exit 1",
        "apt-get": f"echo $1 >>{project}/installed",
        "eoli": 'echo "eoli $*: no GROMACS" >&2; exit 1',
    }
    (project / "bin").mkdir()
    for name in ("bash", "sh", "cat", "make", "python3"):
        (project / "bin" / name).symlink_to(str(shutil.which(name)))
    for name, script in programs.items():
        (project / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (project / "bin" / name).chmod(0o755)
    run = subprocess.run(
        [str(project / "bin/make"), "VENV=.venv", "gromacs-found"], cwd=project, capture_output=True, text=True,
        env={"PATH": str(project / "bin")}, check=False,
    )  # fmt: skip
    assert run.returncode == 0 and run.stderr == "eoli check --gromacs: no GROMACS\n"
    assert (project / "installed").exists() is installs


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
