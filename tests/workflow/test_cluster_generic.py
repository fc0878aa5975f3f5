"""The profile for clusters without SLURM, on a scheduler of three shell commands."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support import LIMIT_S, ROOT, TINY, environment, until

pytestmark = [pytest.mark.gmx, pytest.mark.workflow]

SYSTEM = "peo-eo12-400K-r1"
PROFILE = (
    "--workflow-profile", "profiles/cluster-generic", "--latency-wait", "10",
    "--set-threads", "minimise=1", "compress=1", "npt=1", "--set-resources", "npt:runtime=45",
    "--configfile", TINY, "own.yaml",
)  # fmt: skip


class Cluster:
    """The workflow in a folder, and a stub of a scheduler."""

    def __init__(self, folder: Path, jobs: Path) -> None:
        self.folder, self.jobs = folder, jobs
        jobs.mkdir()
        env = environment()
        self.environment = env | {
            "PATH": f"{ROOT / 'tests/scheduler'}{os.pathsep}{env['PATH']}",
            "STUB_SCHEDULER": str(jobs),
            "EOLI_QUEUE": "short",
        }
        # longer than a poll, so that there is something to hit
        (folder / "own.yaml").write_text("stages: {npt: {length_ns: 0.04}}\n")

    def start(self, seconds_between_checks: int = 1) -> subprocess.Popen[str]:
        checks = ("--seconds-between-status-checks", str(seconds_between_checks))
        command = ["snakemake", *PROFILE, *checks, "--", f"results/{SYSTEM}/npt/md.xtc"]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def submitted(self) -> list[str]:
        """Options and script of every job."""
        return (self.jobs / "submitted").read_text().splitlines()

    def job_of(self, rule: str) -> str:
        """Number of the last job of a rule."""
        numbers = [number for number, line in enumerate(self.submitted(), 1) if f"-N eoli-{rule} " in line]
        return f"{numbers[-1]}.stub"


@pytest.fixture
def cluster(workflow: Path, tmp_path: Path) -> Cluster:
    return Cluster(workflow, tmp_path / "jobs")


def test_a_job_that_is_lost_is_submitted_again_and_continues(cluster: Cluster) -> None:
    driver = cluster.start()
    run = cluster.folder / "results" / SYSTEM / "npt/run"
    until(lambda: (run / "md.cpt").exists() or driver.poll() is not None, "npt has a checkpoint")
    subprocess.run(["qdel", cluster.job_of("npt")], env=cluster.environment, check=True)
    out, _ = driver.communicate(timeout=LIMIT_S)
    assert driver.returncode == 0, out
    assert (cluster.folder / f"results/{SYSTEM}/npt/md.xtc").exists()
    text = (run / "mdrun.log").read_text()
    assert len(re.findall(r"^\$ .* mdrun ", text, re.MULTILINE)) == 2 and "Received the TERM" in text
    # 45 minutes of walltime, less what is kept back, on both command lines
    hours = [float(found) for found in re.findall(r"^\$ .*-maxh ([\d.]+)", text, re.MULTILINE)]
    assert len(hours) == 2 and all(0 < value <= 2420 / 3600 for value in hours)
    lines = cluster.submitted()
    rules = [re.search(r"-N eoli-(\w+)", line) for line in lines]
    assert [found[1] for found in rules if found] == ["group", "minimise", "compress", "npt", "npt"]
    assert all("-q short" in line and re.search(r"select=1:ncpus=1:mem=\d+mb", line) for line in lines)
    assert "walltime=00:45:00" in lines[-1] and "walltime=00:30:00" in lines[1]


def test_an_interrupted_driver_cancels_its_jobs(cluster: Cluster) -> None:
    # Snakemake cancels what it is not just asking the scheduler about: interrupted early between two checks
    (cluster.jobs / "hold").touch()
    driver = cluster.start(seconds_between_checks=20)
    until(lambda: (cluster.jobs / "asked").exists() or driver.poll() is not None, "the first job was asked about")
    time.sleep(5)
    os.killpg(driver.pid, signal.SIGINT)
    out, _ = driver.communicate(timeout=LIMIT_S)
    assert driver.returncode != 0, out
    assert (cluster.jobs / "deleted").read_text().split() == ["1.stub"]
    until(lambda: (cluster.jobs / "1.stub/exit").exists(), "the job has ended")


@pytest.mark.parametrize(
    ("files", "says"),
    [({}, "running"), ({"exit": "0"}, "success"), ({"exit": "1"}, "failed"), (None, "failed")],
)
def test_what_became_of_a_job(files: dict[str, str] | None, says: str, cluster: Cluster) -> None:
    if files is not None:
        (cluster.jobs / "7.stub").mkdir()
        for name, text in files.items():
            (cluster.jobs / "7.stub" / name).write_text(text)
    command = ["profiles/cluster-generic/status.sh", "7.stub"]
    run = subprocess.run(
        command, cwd=ROOT, env=cluster.environment, capture_output=True, text=True, check=True, timeout=LIMIT_S
    )
    assert run.stdout == f"{says}\n"
