"""Two things that Snakemake does not do by itself: make again what is not what the study asks for, restore without harm.

Both need its inner classes, of which there is one of each in a call; nothing else of EOLI touches them.
"""

from __future__ import annotations

import functools
import shutil
import sys
from pathlib import Path
from typing import Any

from eoli.files import whole
from eoli.products import Results
from eoli.workflow import Plan

MOST_LINES = 12


def install(plan: Plan, forces: bool) -> None:
    """Prepare Snakemake's graph of jobs for a study; with `forces`, results that do not fit the study are made again.

    That is for the call of a person; the calls with which Snakemake runs single jobs on a cluster do what they are told.
    """
    from snakemake.dag import DAG

    plain = DAG.init

    @functools.wraps(plain)
    async def init(dag: Any, *arguments: Any, **options: Any) -> None:
        persistence = dag.workflow.persistence
        persistence.restore_output = functools.partial(restore, persistence)
        if forces:
            # of jobs that the targets do not need nothing is made: these are not in the graph
            dag.forcefiles.update(_stale_files(plan, dag))
        await plain(dag, *arguments, **options)

    DAG.init = init


def _stale_files(plan: Plan, dag: Any) -> list[str]:
    results = Results(plan)
    # a target that is a rule may need anything
    targets = [] if dag.targetrules else list(map(str, dag.targetfiles))
    stale = results.stale(results.behind(targets))
    for found in stale[:MOST_LINES]:
        print(f"eoli: made again: {found}", file=sys.stderr)
    if len(stale) > MOST_LINES:
        print(f"eoli: made again: {len(stale) - MOST_LINES} more", file=sys.stderr)
    return [file for found in stale for file in found.product.files]


def restore(persistence: Any, path: Path) -> bool:
    """Put back what a file was before its update failed, under a new inode; whether there was something to put back.

    Snakemake itself copies into the file that is there: a hard link of it, such as the one in a run folder, would change
    with it, and a kill in between would leave half a file.
    """
    backup = persistence._get_backup_path(path)
    if not backup.is_file():
        return False
    with whole(path) as temporary:
        shutil.copyfile(backup, temporary)
    backup.unlink()
    return True
