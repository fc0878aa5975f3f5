"""A process that has imported Snakemake and what a Snakefile of ours imports, and forks for each call: a second saved on each.

Started by `support.run_warm`. A line of JSON on standard input is a call, a line on standard output its exit code.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

IMPORTED = (
    "snakemake.cli", "snakemake.api", "snakemake.workflow", "snakemake.dag", "snakemake.scheduling.job_scheduler",
    "snakemake.executors.local", "snakemake.persistence.file", "eoli.workflow.plan", "eoli.workflow.rerun",
)  # fmt: skip


def call(asked: Mapping[str, Any]) -> None:
    """Snakemake or `eoli` as its console command runs it, in this process: folder, environment and output as asked."""
    signal.alarm(asked["limit_s"])
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    for name, flags, numbers in ((os.devnull, os.O_RDONLY, (0,)), (asked["said"], os.O_WRONLY, (1, 2))):
        file = os.open(name, flags)
        for number in numbers:
            os.dup2(file, number)
        os.close(file)
    sys.argv = asked["words"]
    sys.exit(importlib.import_module(f"{sys.argv[0]}.cli").main())


def serve() -> None:
    """Answer calls until standard input ends."""
    for name in IMPORTED:
        importlib.import_module(name)
    forking = multiprocessing.get_context("fork")
    for line in sys.stdin:
        process = forking.Process(target=call, args=(json.loads(line),))
        process.start()
        process.join()
        print(process.exitcode, flush=True)


if __name__ == "__main__":
    serve()
