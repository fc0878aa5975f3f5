"""Discard a stage's run without deleting it."""

from __future__ import annotations

import shutil
from pathlib import Path

from eoli.errors import InputError, RunError
from eoli.stage.binding import DISCARDED, move_aside
from eoli.stage.job import RUN
from eoli.stage.lock import runs_anywhere
from eoli.study.protocol import Stage


def redo(stage: Stage, folder: Path) -> Path:
    """Move a stage's run, its published files and their record aside for good; the next `snakemake` starts it afresh.

    Returns their new place. Raises InputError if there is nothing, RunError while it is running.
    """
    run = folder / RUN
    published = [folder / name for name in (*stage.published, "provenance.json", "failure.json", "progress.json")]
    if not run.is_dir() and not any(path.is_file() for path in published):
        raise InputError(f"{folder}: the stage has no run to redo")
    if runs_anywhere(folder):
        raise RunError(f"{folder}: the stage is running; stop it first")
    run.mkdir(exist_ok=True)
    (run / DISCARDED).touch()
    kept = move_aside(run)
    for path in published:
        if not path.is_file():
            continue
        own = kept / path.name
        if own.exists():
            # after an extension, the published file is no longer the run's
            path.unlink() if path.samefile(own) else shutil.move(path, kept / f"published-{path.name}")
        else:
            shutil.move(path, own)
    return kept
