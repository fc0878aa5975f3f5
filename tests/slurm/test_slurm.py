"""A small sweep on a real SLURM of one node: stopped by its walltime, cancelled, left by its driver, whole at the end.

Installs SLURM where it may, starts it for this test alone and stops it again. `EOLI_SLURM_ACCOUNTING=accounting` gives
it accounting (slurmdbd, MariaDB), and follows by sacct what is not cancelled.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyedr
import pytest
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from support import LIMIT_S, TINY, copy_workflow, environment, until

pytestmark = [pytest.mark.gmx, pytest.mark.workflow, pytest.mark.slurm]

ONE_NODE = Path(__file__).with_name("one-node.sh")
ACCOUNTING = os.environ.get("EOLI_SLURM_ACCOUNTING", "")
DAEMONS = ("slurmctld", "slurmd", "slurmstepd", "slurmdbd", "munged", "mariadbd", "srun")
SYSTEMS = ("peo-eo12-400K-r1", "peo-eo16-400K-r1")
STUDY = """
sweep: [{{polymer: peo, eo_li: [12, 16], temperature_K: 400}}]
stages:
  compress: {{enabled: false}}
  npt: {{generate_velocities: true, barostat: c-rescale, length_ns: {npt}}}
  production: {{length_ns: {production}}}
"""
NPT_NS = 0.04
# s of mdrun at the speed of npt
PRODUCTION_S = 40.0
# of production: the start of a job and the margin before its end leave mdrun some of it on a busy machine, too
WALLTIME_MIN = 3
PROFILE = (
    "--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "7", "--latency-wait", "10",
    # the account exists only with accounting; without, its name keeps the executor from guessing one
    "--default-resources", "slurm_account=default", "runtime=120", "mem_mb=600", "disk_mb=100", "side_by_side=1",
    "--resources", "side_by_side=2", "--set-threads", "minimise=1", "npt=1", "nvt=1", "production=1",
    "--set-resources", "minimise:runtime=120", "npt:runtime=120", "nvt:runtime=120",
)  # fmt: skip


def processes() -> dict[int, str]:
    """Names of SLURM's processes, by their numbers."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            name = path.read_text().strip()
            if name in DAEMONS:
                found[int(path.parent.name)] = name
    return found


def of_folder(folder: Path) -> dict[int, str]:
    """Command lines of the processes that work in a folder."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str((path / "cwd").readlink()).startswith(str(folder)):
                found[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def one_node(*words: str) -> subprocess.CompletedProcess[str]:
    # into a file: its daemons keep what they inherit, and a pipe would never end
    with tempfile.TemporaryFile("w+") as stream:
        run = subprocess.run(
            ["bash", str(ONE_NODE), *words], stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, check=False
        )
        stream.seek(0)
        return subprocess.CompletedProcess(run.args, run.returncode, stream.read().strip(), "")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running SLURM of one node; skips, and says why, where there can be none."""
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip('no SLURM test: the extra `cluster` is not installed (pip install -e ".[cluster]")')
    if os.getuid() != 0:
        pytest.skip("no SLURM test: only root can start slurmctld, slurmd and munged here")
    if Path("/etc/slurm/slurm.conf").exists() or processes():
        pytest.skip("no SLURM test: this machine has a SLURM of its own")
    started = time.monotonic()
    installed = one_node("install", ACCOUNTING)
    if installed.returncode != 0:
        pytest.skip(f"no SLURM test: {installed.stdout}")
    print(f"\nSLURM installed: {time.monotonic() - started:.1f} s")
    folder = tmp_path_factory.mktemp("cluster")
    # its daemons run as users who may not look into root's folders
    for parent in [folder, *folder.parents][:3]:
        parent.chmod(0o755)
    try:
        begun = one_node("start", str(folder), ACCOUNTING)
        assert begun.returncode == 0, begun.stdout
        yield folder
    finally:
        one_node("stop", str(folder))
    assert not processes(), processes()
    assert not Path("/etc/slurm/slurm.conf").exists()


class Sweep:
    """The study, its driver, and what SLURM knows of its jobs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "driver.log"

    def start(
        self, *targets: str, retries: int = 100, status: str = "squeue", walltime_min: int = WALLTIME_MIN
    ) -> subprocess.Popen[bytes]:
        words = [f"production:runtime={walltime_min}", "--slurm-status-command", status, "--retries", str(retries)]
        words += ["--configfile", TINY, "own.yaml", "--", *targets]
        command = ["snakemake", *PROFILE, *words]
        with self.log.open("ab") as stream:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    def ends_well(self, driver: subprocess.Popen[bytes]) -> None:
        try:
            assert driver.wait(timeout=LIMIT_S) == 0, self.log.read_text()
        except subprocess.TimeoutExpired:
            os.killpg(driver.pid, signal.SIGKILL)
            pytest.fail(f"the driver does not end:\n{self.log.read_text()[-5000:]}")

    def set_lengths(self, production_ns: float) -> None:
        (self.folder / "own.yaml").write_text(STUDY.format(npt=NPT_NS, production=production_ns))

    def of(self, system: str, stage: str) -> Path:
        return self.folder / "results" / system / stage

    def job_of(self, system: str, stage: str) -> str:
        """SLURM's job that runs a stage."""
        return str(json.loads((self.of(system, stage) / "holder.json").read_text())["slurm_job"])

    def is_computing(self, system: str, stage: str) -> bool:
        """Whether the mdrun of a stage is past its first checkpoint."""
        return (self.of(system, stage) / "run/md.cpt").exists() and (self.of(system, stage) / "holder.json").exists()

    def mdrun_of(self, system: str, stage: str) -> list[int]:
        """Processes of a stage's mdrun."""
        return [pid for pid, words in of_folder(self.of(system, stage) / "run").items() if " mdrun " in words]

    def begun(self, system: str, stage: str) -> int:
        """How often an mdrun of a stage began to count its time."""
        return (self.of(system, stage) / "run/md.log").read_text(errors="replace").count("Started mdrun on")

    def freeze(self, system: str, stage: str) -> list[int]:
        """Stop the clock of a stage's mdrun, and let SLURM's job outlast its walltime; the processes that are frozen."""
        job = self.job_of(system, stage)
        found = self.mdrun_of(system, stage)
        for pid in found:
            os.kill(pid, signal.SIGSTOP)
        subprocess.run(["scontrol", "update", f"JobId={job}", "TimeLimit=12:00:00"], check=True)
        return found

    def waited_for(self, system: str, stage: str) -> set[str]:
        """SLURM's jobs that other jobs have waited for in a stage."""
        history = self.of(system, stage) / "history.log"
        text = history.read_text() if history.exists() else ""
        return set(re.findall(r"waits: the run is held by host \S+, process \d+, SLURM job (\d+)", text))

    def mdruns(self, system: str, stage: str) -> int:
        """How often mdrun was started for a stage."""
        text = (self.of(system, stage) / "run/mdrun.log").read_text()
        return len(re.findall(r"^\$ .* mdrun .*-maxh [\d.]+", text, re.MULTILINE))


def jobs() -> dict[str, tuple[str, str]]:
    """State and rule (the comment of the executor) of every job that this SLURM has had."""
    run = subprocess.run(["squeue", "-h", "--states=all", "-o", "%i|%T|%k"], capture_output=True, text=True, check=True)
    rows = [line.split("|") for line in run.stdout.splitlines()]
    return {number: (state, rule) for number, state, rule in rows if rule.startswith("rule_")}


def test_a_sweep_survives_its_walltime_a_cancelled_job_and_a_killed_driver(cluster: Path, tmp_path: Path) -> None:
    begun = time.monotonic()

    def lap(what: str) -> None:
        print(f"{time.monotonic() - begun:5.0f} s: {what}", flush=True)

    sweep = Sweep(copy_workflow(tmp_path / "study"))
    first, second = SYSTEMS

    # somebody cancels a job; Snakemake submits it again, and it continues
    sweep.set_lengths(0.01)
    driver = sweep.start(*[f"results/{system}/npt/md.xtc" for system in SYSTEMS])
    until(lambda: sweep.is_computing(first, "npt") or driver.poll() is not None, "npt has a checkpoint")
    assert driver.poll() is None, sweep.log.read_text()
    cancelled = sweep.job_of(first, "npt")
    subprocess.run(["scancel", cancelled], check=True)
    sweep.ends_well(driver)
    assert jobs()[cancelled][0] == "CANCELLED"
    assert sweep.mdruns(first, "npt") == 2 and sweep.mdruns(second, "npt") == 1
    lap("a job was cancelled; npt is complete")

    # production runs into its walltime, however fast this machine is just now: its mdruns stand still from their first
    # checkpoint on; then its driver is killed
    record = json.loads((sweep.of(second, "npt") / "provenance.json").read_text())
    sweep.set_lengths(round(NPT_NS / record["wall_seconds"] * PRODUCTION_S, 3))
    driver = sweep.start(*[f"results/{system}/production/md.xtc" for system in SYSTEMS])
    frozen: dict[str, list[int]] = {}

    def all_frozen() -> bool:
        for system in SYSTEMS:
            if system not in frozen and sweep.is_computing(system, "production"):
                frozen[system] = sweep.freeze(system, "production")
        return len(frozen) == len(SYSTEMS) or driver.poll() is not None

    until(all_frozen, "production has a checkpoint")
    stood_still = time.monotonic()
    assert driver.poll() is None, sweep.log.read_text()
    assert all(frozen.values())
    driver.kill()
    driver.wait()
    held = {sweep.job_of(system, "production") for system in SYSTEMS}
    assert {jobs()[job][0] for job in held} == {"RUNNING"}
    lap("the driver was killed; its jobs go on")

    # Snakemake wants to be unlocked; its new jobs wait for the old ones, which end when the walltime that they know is over
    refused = sweep.start("results/summary/sweep.csv")
    assert refused.wait(timeout=LIMIT_S) != 0 and "--unlock" in sweep.log.read_text()
    unlock = ["snakemake", "--unlock", "--configfile", TINY, "own.yaml"]
    subprocess.run(unlock, cwd=sweep.folder, env=environment(), check=True, capture_output=True)
    driver = sweep.start(status="sacct" if ACCOUNTING else "squeue")
    until(
        lambda: all(sweep.waited_for(system, "production") for system in SYSTEMS) or driver.poll() is not None,
        "the new jobs wait for the old ones",
    )
    until(lambda: time.monotonic() > stood_still + WALLTIME_MIN * 60, "the old walltime is over")
    for pid in itertools.chain(*frozen.values()):
        os.kill(pid, signal.SIGCONT)
    lap("the new jobs wait; the walltime of the old ones is over")
    sweep.ends_well(driver)
    lap("all is complete")

    known = jobs()
    print(
        *(f"{job} {state} {rule}" for job, (state, rule) in sorted(known.items(), key=lambda item: int(item[0]))),
        sep="\n",
    )
    for system in SYSTEMS:
        history = (sweep.of(system, "production") / "history.log").read_text()
        assert "stopped at step" in history and "the next run continues" in history
        assert sweep.mdruns(system, "production") >= 2
        # a walltime ended no mdrun: it stopped by itself, with a checkpoint
        assert "Received the TERM" not in (sweep.of(system, "production") / "run/mdrun.log").read_text()
        assert json.loads((sweep.of(system, "production") / "verdict.json").read_text())["status"] in ("pass", "warn")
        whole(sweep.of(system, "npt"), NPT_NS, frame_ps=0.5)
        whole(sweep.of(system, "production"), production_ns(sweep), frame_ps=0.1)
    waited = set.union(*(sweep.waited_for(system, "production") for system in SYSTEMS))
    assert waited == held
    # short rules have no jobs of their own: two builds (the page of parameters came later), stages, analyses
    names = [re.sub(r"_wildcards.*", "", rule) for _, rule in known.values()]
    assert {name.split("_")[1] for name in names} == {
        "build", "minimise", "npt", "nvt", "production", "analysis", "interactions",
    }  # fmt: skip
    assert names.count("rule_interactions") == 2 and sum(name.startswith("rule_analysis") for name in names) == 2
    until(lambda: not of_folder(sweep.folder), "no process of the sweep is left")

    # a finished stage is made longer, and the walltime ends its only job: nothing is lost, and it is not forgotten
    shorter, target = production_ns(sweep), f"results/{first}/production/md.xtc"
    sweep.set_lengths(round(2 * shorter, 3))
    before = sweep.begun(first, "production")
    driver = sweep.start(target, retries=0, walltime_min=1)
    # mdrun counts its time from where it says so: one that is frozen before has all of it left
    until(lambda: sweep.begun(first, "production") > before or driver.poll() is not None, "the extension computes")
    # on a very busy machine no time was left to begin
    if driver.poll() is None:
        pids = sweep.freeze(first, "production")
        time.sleep(60)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    assert driver.wait(timeout=LIMIT_S) != 0, sweep.log.read_text()
    whole(sweep.of(first, "production"), shorter, frame_ps=0.1)
    study = ["--config", "config/config.yaml", TINY, "own.yaml"]
    refused_table = subprocess.run(
        ["eoli", "collect", *study, "--out", "table.csv"],
        cwd=sweep.folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused_table.returncode == 1 and "production: length-ns is " in refused_table.stderr
    lap("the walltime ended an extension; the old result stands and is no longer shown")
    sweep.ends_well(sweep.start(target))
    assert f"eoli: not up to date: {first} production: length-ns is " in sweep.log.read_text()
    whole(sweep.of(first, "production"), production_ns(sweep), frame_ps=0.1)
    lap("the extension is complete")


def production_ns(sweep: Sweep) -> float:
    found = re.search(r"production: \{length_ns: ([\d.]+)\}", (sweep.folder / "own.yaml").read_text())
    assert found is not None
    return float(found[1])


def whole(folder: Path, length_ns: float, frame_ps: float) -> None:
    """Every frame of a trajectory is there once, to its end, and so are the energies."""
    n_steps, spacing = round(length_ns * 1e6 / 2), round(frame_ps * 1000 / 2)
    with XTCFile(str(folder / "md.xtc")) as stream:
        steps = [frame.step for frame in stream]
    assert steps == list(range(0, n_steps + 1, spacing))
    times = pyedr.edr_to_dict(str(folder / "md.edr"))["Time"]
    assert len(times) == len(np.unique(times))
    np.testing.assert_allclose(np.diff(times), 0.1, atol=2e-3)
    np.testing.assert_allclose(times[-1], length_ns * 1000, atol=0.11)


def test_a_status_command_that_would_hang_is_refused(cluster: Path, tmp_path: Path) -> None:
    if ACCOUNTING:
        pytest.skip("this SLURM has accounting")
    sweep = Sweep(copy_workflow(tmp_path / "study"))
    sweep.set_lengths(0.01)
    before = jobs()
    command = ["snakemake", *PROFILE, "--slurm-status-command", "sacct", "--configfile", TINY, "own.yaml"]
    run = subprocess.run(
        command,
        cwd=sweep.folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    lines = [line for line in run.stdout.splitlines() if line.startswith("eoli check: ")]
    assert run.returncode != 0 and len(lines) == 1, run.stdout
    assert "no accounting and Snakemake would wait for ever; allowed: squeue" in lines[0]
    assert jobs() == before and not (sweep.folder / "results").exists()


def test_a_login_node_needs_no_gromacs(cluster: Path, tmp_path: Path) -> None:
    # what is missing here is looked for where a job runs, and named there
    sweep = Sweep(copy_workflow(tmp_path / "study"))
    sweep.set_lengths(0.01)
    with (sweep.folder / "own.yaml").open("a") as stream:
        stream.write("gmx: {command: gmx-of-the-nodes}\n")
    driver = sweep.start(f"results/{SYSTEMS[0]}/topology/system.top", retries=0)
    assert driver.wait(timeout=LIMIT_S) != 0
    text = sweep.log.read_text()
    assert "on this machine: GROMACS: 'gmx-of-the-nodes' is not on the PATH" in text
    assert "every job looks for it where it runs" in text and "has been submitted with SLURM jobid" in text
