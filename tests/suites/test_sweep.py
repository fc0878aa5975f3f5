"""A sweep that is killed goes on to its end, is then complete, and is extended: with the GROMACS that is here."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import pytest
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from support import SYSTEMS, TINY, environment, processes_in, snakemake, snakemake_command, until

pytestmark = [
    pytest.mark.gmx,
    pytest.mark.workflow,
    # the tests of faults do more of it, for longer, with the GROMACS of this machine
    pytest.mark.skipif("EOLI_HOST" not in os.environ, reason="for the GROMACS of another suite: make test-gromacs"),
]


def frames(path: Path) -> tuple[list[int], npt.NDArray[np.float32]]:
    """Steps and positions of a trajectory."""
    with XTCFile(str(path)) as stream:
        found = [(frame.step, frame.x.copy()) for frame in stream]
    return [step for step, _ in found], np.array([x for _, x in found])


def test_a_sweep_that_is_killed_and_extended(workflow: Path) -> None:
    with (workflow / "driver.log").open("w") as log:
        driver = subprocess.Popen(
            snakemake_command(), cwd=workflow, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        until(
            lambda: driver.poll() is not None or [*workflow.glob("results/*/compress/run/md.cpt")], "a first checkpoint"
        )
        assert driver.poll() is None, (workflow / "driver.log").read_text()
        while found := processes_in(workflow):
            for process in found:
                with contextlib.suppress(psutil.Error):
                    process.kill()
        assert driver.wait() == -signal.SIGKILL
    assert snakemake(workflow, "--unlock").returncode == 0
    run = snakemake(workflow)
    assert run.returncode == 0, run.stdout
    assert "Nothing to be done" in snakemake(workflow).stdout

    trajectories = [workflow / "results" / system / "production/md.xtc" for system in SYSTEMS]
    before = [frames(path) for path in trajectories]
    (workflow / "longer.yaml").write_text("stages: {production: {length_ns: 0.006}}\n")
    extended = snakemake(workflow, config=(TINY, "longer.yaml"))
    assert extended.returncode == 0, extended.stdout
    for path, (steps, x) in zip(trajectories, before, strict=True):
        now, positions = frames(path)
        assert steps == list(range(0, 2001, 50)) and now == list(range(0, 3001, 50))
        np.testing.assert_array_equal(positions[: len(x)], x)
