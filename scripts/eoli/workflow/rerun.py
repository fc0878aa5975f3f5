"""Changes to Snakemake: refuse a misspelt system in one line, remake what does not match the study, back up and restore
published files without harm to the run, do not fail when a clock was set back, and rest while jobs run.

They patch inner classes of Snakemake, of which a call has one instance each; nothing else in EOLI touches those.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from eoli.core.files import link_or_copy, whole
from eoli.core.records import date_after
from eoli.errors import InputError
from eoli.workflow.plan import Plan
from eoli.workflow.products import Results, Stale

MOST_LINES = 12


def install(plan: Plan, forces: bool, alone: bool = True) -> None:
    """Prepare Snakemake's job graph for a study; with `forces`, results that do not match the study are made again.

    Forcing is for calls by a person. The calls with which Snakemake runs single jobs on a cluster do as they are told.
    A workflow that uses this one as a module (`alone` is false) may have targets of its own anywhere in results.
    """
    from snakemake.dag import DAG

    plain = DAG.init

    @functools.wraps(plain)
    async def init(dag: Any, *arguments: Any, **options: Any) -> None:
        try:
            plan.check_targets(map(str, dag.targetfiles if alone else ()))
        except InputError as error:
            print(f"eoli: {error}", file=sys.stderr)
            sys.exit(error.exit_code)
        persistence = dag.workflow.persistence
        persistence.backup_output = functools.partial(keep, persistence)
        persistence.restore_output = functools.partial(restore, persistence)
        dag.check_output_mtime = date_after_inputs
        limit_by_cores_alone(dag.workflow)
        stale = _stale(plan, dag) if forces else []
        dag.forcefiles.update(file for found in stale for file in found.product.files)
        await plain(dag, *arguments, **options)
        _say(stale, dag)

    DAG.init = init


def limit_by_cores_alone(workflow: Any) -> None:
    """Set no limit to how many jobs start in a second on this machine, where cores are the limit.

    With one, Snakemake looks once a second whether another job may start, and once a second more for each job that has
    ended while others wait; and it outlasts its last job by a second.
    """
    # none where nothing is run, as for a report
    if workflow.scheduling_settings is not None and workflow.local_exec:
        workflow.scheduling_settings.max_jobs_per_timespan = None


def _stale(plan: Plan, dag: Any) -> list[Stale]:
    results = Results(plan)
    # a target that is a rule may need any product
    targets = [] if dag.targetrules else list(map(str, dag.targetfiles))
    return results.stale(results.behind(targets))


def _say(stale: Sequence[Stale], dag: Any) -> None:
    """List what this call brings up to date. What its targets do not need is not in the graph and stays as it is."""
    made = {str(file) for job in dag.needrun_jobs() for file in job.output}
    lines = [f"eoli: not up to date: {found}" for found in stale if made.intersection(found.product.files)]
    if len(lines) > MOST_LINES:
        lines[MOST_LINES:] = [f"eoli: not up to date: {len(lines) - MOST_LINES} more"]
    for line in lines:
        print(line, file=sys.stderr)


def keep(persistence: Any, path: Path) -> None:
    """Back up a published file until its update has succeeded, as a hard link, which takes no space on a full disk.

    Published files are never written into, only replaced as a whole.
    """
    backup = persistence._get_backup_path(path)
    backup.parent.mkdir(parents=True, exist_ok=True)
    backup.unlink(missing_ok=True)
    link_or_copy(path, backup)


def restore(persistence: Any, path: Path) -> bool:
    """Restore a file after its update failed. Returns whether the file exists; if not, Snakemake deletes the remains.

    On a cluster the job has already restored it when the driver hears of its end; what is published is whole and stays.
    Snakemake itself would copy into the existing file: that changes its hard links, such as the one in a run folder,
    and a kill in between leaves half a file.
    """
    backup = persistence._get_backup_path(path)
    if not backup.is_file():
        return path.is_file()
    with whole(path) as temporary:
        temporary.unlink()
        link_or_copy(backup, temporary)
    backup.unlink()
    return True


async def date_after_inputs(job: Any, outputs: Iterable[str]) -> None:
    """Date what a job has left no earlier than its inputs, which lie in the future where a clock was set back since.

    Snakemake itself calls the job failed then, until that time has come, and deletes what it left.
    """
    date_after(map(Path, outputs), map(Path, job.input))
