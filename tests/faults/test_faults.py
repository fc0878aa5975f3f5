"""Faults at random moments against one sweep: nothing is lost, nothing is repeated, nothing differs.

`EOLI_FAULTS` sets how many (6 in the ordinary test run), `EOLI_FAULT_SEED` repeats a run by its printed seed.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from disturbed import Disturbed, read_checkpoint, same_trajectory

from support import EVERY_HALF_PS, SYSTEMS, TINY, copy_workflow, snakemake

pytestmark = [pytest.mark.gmx, pytest.mark.workflow, pytest.mark.faults]

FAULTS = int(os.environ.get("EOLI_FAULTS", "6"))
HIT = ("npt", "production")
# faults are for simulations: the analyses behind them are left out
TARGETS = [f"results/{system}/production/md.xtc" for system in SYSTEMS]


def overlay(n_faults: int) -> str:
    """Long enough that most faults find something to hit before the stages have to be redone."""
    length = round(0.06 + 0.004 * n_faults, 3)
    stages = f"stages:\n  npt: {{length_ns: {length}}}\n  production: {{length_ns: {length}, frame_interval_ps: 0.5}}"
    return stages + EVERY_HALF_PS


def kill_mdrun(study: Disturbed) -> None:
    study.end_after_failures(study.signal("gmx mdrun", signal.SIGKILL))


def terminate_mdrun(study: Disturbed) -> None:
    study.end_after_failures(study.signal("gmx mdrun", signal.SIGTERM))


def kill_stage_leaving_an_orphan(study: Disturbed) -> None:
    # the orphaned mdruns still run: the next stages have to wait for them
    study.end_after_failures(study.signal("bin/eoli stage", signal.SIGKILL))


def terminate_stage(study: Disturbed) -> None:
    study.end_after_failures(study.signal("bin/eoli stage", signal.SIGTERM))


def kill_snakemake(study: Disturbed) -> None:
    study.driver.kill()
    study.end()


def kill_everything(study: Disturbed) -> None:
    study.kill_all()


def press_ctrl_c(study: Disturbed) -> None:
    os.killpg(study.driver.pid, signal.SIGINT)
    study.end()
    study.wait_for_no_mdrun()


def walltime(study: Disturbed) -> None:
    study.kill_all()
    # 2 s of mdrun
    (study.folder / "walltime.yaml").write_text("run: {max_hours: 0.0006}\n")
    study.start("walltime.yaml")
    study.end()


def damage_newest_checkpoint(study: Disturbed) -> None:
    study.kill_all()
    for run in study.unfinished():
        newest = run / "md.cpt"
        if newest.exists() and (run / "md_prev.cpt").exists():
            content = newest.read_bytes()
            newest.write_bytes(content[: len(content) // 2] if study.random.random() < 0.5 else os.urandom(5000))


def lose_the_end_of_the_files(study: Disturbed) -> None:
    study.kill_all()
    for run in study.unfinished():
        # what mdrun wrote after the checkpoint before the last had not all reached the disk
        before = read_checkpoint(run / "md_prev.cpt")
        for name in ("md.xtc", "md.edr"):
            size = (run / name).stat().st_size if (run / name).exists() else 0
            if before is not None and size > before.sizes[name]:
                os.truncate(run / name, max(before.sizes[name], size - study.random.randint(1, 3000)))


def fill_the_disk(study: Disturbed) -> None:
    filler = study.folder / "filler"
    free = shutil.disk_usage(study.folder).free
    try:
        with filler.open("wb") as stream, contextlib.suppress(OSError):
            stream.write(b"\0" * free)
        study.end()
    finally:
        filler.unlink(missing_ok=True)


KINDS: dict[str, Callable[[Disturbed], None]] = {
    kind.__name__: kind
    for kind in (
        kill_mdrun, terminate_mdrun, kill_stage_leaving_an_orphan, terminate_stage, kill_snakemake, kill_everything,
        press_ctrl_c, walltime, damage_newest_checkpoint, lose_the_end_of_the_files, fill_the_disk,
    )
}  # fmt: skip
TWO_INTERVALS = {"damage_newest_checkpoint", "lose_the_end_of_the_files"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A file system of its own that can be filled, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    yield folder if mounted else None
    if mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def choose(n_faults: int, chance: random.Random, kinds: list[str]) -> list[str]:
    """Every kind as often as the others, in random order."""
    whole = [kind for _ in range(n_faults // len(kinds) + 1) for kind in chance.sample(kinds, len(kinds))]
    return whole[:n_faults]


def test_no_fault_costs_more_than_a_checkpoint(small_disk: Path | None, tmp_path: Path) -> None:
    seed = int(os.environ.get("EOLI_FAULT_SEED", random.SystemRandom().randrange(10**6)))
    chance = random.Random(seed)
    kinds = [kind for kind in KINDS if small_disk is not None or kind != "fill_the_disk"]
    faults = choose(FAULTS, chance, kinds)
    print(f"\nseed {seed}: {', '.join(faults)}")

    reference = copy_workflow(tmp_path / "reference")
    (reference / "own.yaml").write_text(overlay(FAULTS))
    started = time.monotonic()
    undisturbed = snakemake(reference, *TARGETS, config=(TINY, "own.yaml"))
    assert undisturbed.returncode == 0, undisturbed.stdout
    print(f"undisturbed: {time.monotonic() - started:.0f} s")

    study = Disturbed(copy_workflow((small_disk or tmp_path) / "study"), tmp_path / "driver.log", chance, TARGETS, HIT)
    (study.folder / "own.yaml").write_text(overlay(FAULTS))
    for kind in faults:
        study.start()
        while not study.wait_for_a_run():
            # a fast machine was done before the last fault: the same stages once more, with the same result
            out = study.end()
            assert "(100%) done" in out or "Nothing to be done" in out, out
            study.redo()
            study.start()
        study.mark(kind, "md_prev.cpt" if kind in TWO_INTERVALS else "md.cpt")
        KINDS[kind](study)
    last = snakemake(study.folder, "--unlock", config=(TINY, "own.yaml"))
    last = snakemake(study.folder, *TARGETS, config=(TINY, "own.yaml"))
    assert last.returncode == 0, last.stdout
    study.judge()
    for system in SYSTEMS:
        for stage in HIT:
            same_trajectory(reference / "results" / system / stage, study.folder / "results" / system / stage)
    assert study.judged
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    print(f"{len(faults)} faults in {time.monotonic() - started:.0f} s, {used:.0f} s of processor")
    print(f"{study.judged} runs went on from the newest checkpoint that was whole, or a later one")
