"""Throwing a stage's run away without deleting it."""

from __future__ import annotations

import shutil
from pathlib import Path

from eoli.errors import InputError, RunError
from eoli.protocol import Stage
from eoli.stage.bind import move_aside
from eoli.stage.job import RUN
from eoli.status import is_held


def redo(stage: Stage, folder: Path) -> Path:
    """Move the run of a stage aside, its published files with it, so that the next `snakemake` starts it afresh.

    Returns where the run went. Raises InputError when there is no run, RunError while it is running.
    """
    run = folder / RUN
    if not run.is_dir():
        raise InputError(f"{folder}: the stage has no run to redo")
    if is_held(folder):
        raise RunError(f"{folder}: the stage is running; stop it first")
    kept = move_aside(run)
    for name in (*stage.published, "provenance.json", "failure.json", "progress.json"):
        path = folder / name
        if not path.is_file():
            continue
        if (kept / name).exists():
            # a published file that an extension has outgrown is another file than the run's
            same = path.samefile(kept / name)
            path.unlink() if same else shutil.move(path, kept / f"published-{name}")
        else:
            shutil.move(path, kept / name)
    return kept
