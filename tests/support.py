"""What tests share: the tiny study in a copy of the workflow, and Snakemake as a user calls it."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest

from eoli.errors import InputError
from eoli.forcefield.library import library
from eoli.forcefield.models import ForceFieldChoice
from eoli.study.systems import Size
from eoli.topology.description import SystemDescription
from eoli.trajectory.store import CADENCES, create, seal

ROOT = Path(__file__).resolve().parents[1]
TINY = "tests/config/tiny.yaml"
SYSTEMS = ("peo-eo12-400K-r1", "pebax-eo16-400K-r1")
STAGES = ("minimise", "compress", "npt", "nvt", "production")
EVERY_HALF_PS = """
analysis: {motion_interval_ps: 0.5, structure_interval_ps: 0.5, slow_interval_ps: 0.5}
"""
"""Overlay of the tiny study for a production with frames of 0.5 ps."""
LIMIT_S = 7200.0 * float(os.environ.get("EOLI_TEST_PATIENCE", "1"))
"""When a test gives something up as hung, s. The slowest, an undisturbed sweep of the fault test, takes five minutes on
an idle machine; a busy one must not fail a test, so this is far more and one for all."""
LABELS = library(ROOT / "topologies").labels(["peo", "pebax"], ["litfsi"])
WORKFLOW = ("Snakefile", "workflow", "config", "topologies", "profiles", "scripts", "tests/config")


def choice(mixing: str = "gromos", ion_charge_scale: float = 1.0) -> ForceFieldChoice:
    """The default force field with another mixing rule or charge scale."""
    return ForceFieldChoice("oxy-d", "aqvist", "clandp2004", mixing, ion_charge_scale)


@contextmanager
def reduced_file(
    path: Path, system: SystemDescription, length_ps: float, intervals_ps: Mapping[str, float]
) -> Iterator[h5py.File]:
    """A reduced trajectory for arrays of a test; complete and sealed afterwards, its lists with a free slot."""
    with create(path, system.n_sites, length_ps, intervals_ps) as file:
        yield file
        for name, free in (("motion/neighbours", -1), ("motion/distances", np.inf)):
            if name in file:
                values, attributes = file[name][:], dict(file[name].attrs)
                del file[name]
                file[name] = np.concatenate([values, np.full_like(values[..., :1], free)], axis=-1)
                file[name].attrs.update(attributes)
        for cadence in CADENCES:
            longest = max((len(file[cadence][name]) for name in file[cadence]), default=1)
            if "frames" not in file[cadence].attrs:
                file[cadence].attrs["frames"] = longest
    seal(path, system)


def environment() -> dict[str, str]:
    """The environment of a shell in which this Python's virtual environment is active."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def copy_workflow(folder: Path) -> Path:
    """A copy of the workflow's files, as a clone has them, without results."""
    for name in WORKFLOW:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy2(source, target)
    return folder


def imported_blocks(folder: Path) -> Path:
    """The building blocks with chains and a salt among them whose topologies are not built here."""
    shutil.copytree(ROOT / "topologies", folder)
    for name in ("peo-oplsaa", "polyply", "lone-pairs"):
        shutil.copytree(ROOT / "tests/imported" / name, folder, dirs_exist_ok=True)
    shutil.copytree(ROOT / "tests/imported/oplsaa", folder / "oplsaa")
    return folder


def snakemake_command(*words: str, config: tuple[str, ...] = (TINY,)) -> list[str]:
    """Command line of a run on two cores; configuration files are named from the folder of the workflow."""
    # the option takes many values, so that a target must not follow it
    return ["snakemake", *(["--configfile", *config] if config else []), "--cores", "2", *words]


@cache
def _warm() -> subprocess.Popen[str]:
    """The server of `run_warm`, which ends with this process."""
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("warm_snakemake.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def run_warm(folder: Path, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command line of Snakemake or `eoli` in `folder` to its end; standard output and error come together."""
    server = _warm()
    assert server.stdin is not None and server.stdout is not None
    with tempfile.NamedTemporaryFile("r", errors="replace") as said:
        asked = {
            "words": list(command),
            "folder": str(folder),
            "environment": environment(),
            "said": said.name,
            "limit_s": round(LIMIT_S),
        }
        print(json.dumps(asked), file=server.stdin, flush=True)
        code = server.stdout.readline()
        assert code, f"the server of Snakemake ended with exit code {server.wait()}"
        return subprocess.CompletedProcess(command, int(code), said.read())


def snakemake(folder: Path, *words: str, config: tuple[str, ...] = (TINY,)) -> subprocess.CompletedProcess[str]:
    """Run Snakemake on the workflow in `folder`."""
    return run_warm(folder, snakemake_command(*words, config=config))


def run_tiny(folder: Path) -> str:
    """Run the tiny study in a new folder; why that failed, empty when it did not."""
    # a worker that was killed here has left its part
    shutil.rmtree(folder, ignore_errors=True)
    try:
        run = snakemake(copy_workflow(folder))
    except (OSError, subprocess.SubprocessError) as error:
        return f"{type(error).__name__}: {error}"
    return "" if run.returncode == 0 else f"exit code {run.returncode}\n{run.stdout}"


def until(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds. Fails with `what` was waited for when it does not come about at all."""
    end = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"waited {LIMIT_S:.0f} s in vain: {what}")
        time.sleep(0.05)


def processes_in(folder: Path) -> list[psutil.Process]:
    """Processes that work in a folder or below it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder):
                found.append(process)
    return found


def mistake(call: Callable[[], object]) -> str:
    """The one line that a call refuses its input with."""
    with pytest.raises(InputError) as failure:
        call()
    text = str(failure.value)
    assert "\n" not in text
    return text


def obeying_modes(*words: str) -> list[str]:
    """A command line whose process may write only where the modes of files let it; root could write anywhere."""
    if os.getuid() != 0:
        return [*words]
    if shutil.which("setpriv") is None:
        pytest.skip("root obeys no modes without setpriv")
    return ["setpriv", "--inh-caps=-dac_override", "--bounding-set=-dac_override", *words]


@contextmanager
def without_writing(folder: Path) -> Iterator[Path]:
    """A folder and all in it, which nobody may write meanwhile."""
    paths = [folder, *folder.rglob("*")]
    modes = {path: path.stat().st_mode for path in paths if not path.is_symlink()}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    try:
        yield folder
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


def assert_sizes_add_up(mixture: Size, parts: Sequence[tuple[float, Size]]) -> None:
    """Mass, sites and volume of a mixture are those of its parts by their shares."""
    for value in (
        lambda size: size.mass_g_mol,
        lambda size: size.sites,
        lambda size: math.prod(size.edges_nm("cubic")),
    ):
        assert value(mixture) == pytest.approx(sum(share * value(size) for share, size in parts), rel=1e-12)
