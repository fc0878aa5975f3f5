"""Calling GROMACS: what its Python wrapper does behind one's back stays without effect."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from eoli.errors import RunError, ToolError
from eoli.gromacs.build import Gromacs, inspect
from eoli.gromacs.tools import run_tool
from eoli.study.config import GromacsBuild

pytestmark = pytest.mark.gmx


@pytest.fixture(scope="module")
def gromacs() -> Gromacs:
    return inspect(GromacsBuild())


def test_installed_build_describes_itself(gromacs: Gromacs) -> None:
    assert gromacs.version >= (2020, 0) and gromacs.version_text.startswith(str(gromacs.version[0]))
    assert gromacs.precision in ("mixed", "double", "single")
    assert (gromacs.forcefields / "gromos54a7.ff/ffbonded.itp").is_file()


def test_a_missing_program_is_one_line() -> None:
    with pytest.raises(ToolError, match="'no-such-gmx' is not on the PATH"):
        inspect(GromacsBuild(command="no-such-gmx"))


def test_a_program_that_is_no_gromacs_is_refused() -> None:
    with pytest.raises(ToolError, match="true --version failed"):
        inspect(GromacsBuild(command="true"))


def test_failure_carries_the_cause_and_the_log(gromacs: Gromacs, tmp_path: Path) -> None:
    log = tmp_path / "gmx.log"
    with pytest.raises(RunError, match=r"gmx trjconv: .*no-such\.xtc.*log: "):
        run_tool(gromacs, "trjconv", log, f=tmp_path / "no-such.xtc", o=tmp_path / "out.xtc")
    assert log.read_text().startswith("$ gmx trjconv -f")


def test_wrapper_prints_nothing_and_leaves_the_environment_alone(tmp_path: Path) -> None:
    script = (
        "import os\nfrom pathlib import Path\nfrom eoli.errors import RunError\nfrom eoli.gromacs.build import inspect\n"
        "from eoli.gromacs.tools import run_tool\nfrom eoli.study.config import GromacsBuild\n"
        "path, here = os.environ['PATH'], os.getcwd()\n"
        "try:\n    run_tool(inspect(GromacsBuild()), 'dump', Path('log'), s=Path('none.tpr').resolve())\n"
        "except RunError:\n    pass\n"
        "assert os.environ['PATH'] == path and os.getcwd() == here\n"
    )
    # a variant whose start fails loudly, as an MPI build does where its launcher is not installed
    loud = tmp_path / "gmx_mpi"
    loud.write_text("#!/bin/bash\necho 'MPI_Init failed' >&2\nexit 1\n")
    loud.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert not (tmp_path / ".gromacswrapper.cfg").exists()


OTHERS = {
    "release 4": "[Gromacs]\nrelease = 4.6.5\ntools = grompp mdrun trjconv editconf\ngroups = tools\n",
    "real MPI": "[Gromacs]\nrelease = 2023.3\nGMXRC = /opt/gromacs/bin/GMXRC\ntools = gmx_mpi\n",
    "GMXRC": "[Gromacs]\nGMXRC = {home}/GMXRC\n",
    "no text": "[Gromacs\nrelease",
}


@pytest.mark.parametrize("name", OTHERS)
def test_settings_of_a_user_s_wrapper_have_no_say(name: str, tmp_path: Path) -> None:
    (tmp_path / ".gromacswrapper.cfg").write_text(OTHERS[name].format(home=tmp_path))
    (tmp_path / "GMXRC").write_text("export GMXBIN=/other GMXDATA=/other PATH=/other\n")
    _run_in(tmp_path, HOME=str(tmp_path), GMXBIN="/other", GMXDATA="/other", GMXLIB="/other", GW_START_LOGGING="1")


@pytest.mark.parametrize("home", ["/nowhere", "/dev/null", "/proc", ""])
def test_no_home_is_needed_and_no_temporary_folder(home: str, tmp_path: Path) -> None:
    _run_in(tmp_path, HOME=home, TMPDIR=str(tmp_path / "cleaned"))


def _run_in(folder: Path, **environment: str) -> None:
    """Run a tool in an environment; it works, prints nothing and leaves nothing but its log."""
    script = (
        "from pathlib import Path\nfrom eoli.gromacs.build import inspect\nfrom eoli.gromacs.tools import run_tool\n"
        "from eoli.study.config import GromacsBuild\n"
        "found = inspect(GromacsBuild(command='/usr/bin/gmx'))\n"
        "assert (found.forcefields / 'gromos54a7.ff').is_dir()\n"
        "run_tool(found, 'help', Path('log'))\n"
    ).replace("/usr/bin/gmx", str(shutil.which("gmx")))
    before = set(folder.iterdir())
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert set(folder.iterdir()) - before == {folder / "log"}


def test_modules_are_loaded_before_every_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = tmp_path / ".bash_profile"
    profile.write_text(f'module() {{ echo "$@" >> {tmp_path}/loaded; }}\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    build = GromacsBuild(command=str(shutil.which("gmx")), modules=["gromacs/2022.5"])
    assert inspect(build).version >= (2020, 0)
    assert (tmp_path / "loaded").read_text() == "load gromacs/2022.5\n"
