"""Messages of a run and of its failure: lines for people, small JSON files for `eoli status`."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from eoli.core.files import write_json
from eoli.core.text import printable
from eoli.stage.job import StageJob

PROGRESS = "progress.json"
FAILURE = "failure.json"


class Reporter:
    """Writes lines to the terminal, the rule's log and the stage's history; progress and failure as JSON."""

    def __init__(self, job: StageJob, log: Path | None, stream: TextIO | None = None) -> None:
        self._job = job
        self._prefix = f"{job.system} {job.stage.name}"
        self._stream = stream or sys.stderr
        # the history belongs to the stage: Snakemake empties a rule's log at every start
        self._files = [job.folder / "history.log", *([log] if log else [])]
        for path in self._files:
            path.parent.mkdir(parents=True, exist_ok=True)

    def __call__(self, text: str) -> None:
        """Write one line."""
        text = printable(text)
        print(f"[{time.strftime('%H:%M:%S')}] {self._prefix}: {text}", file=self._stream, flush=True)
        self._write(text)

    def _write(self, text: str) -> None:
        # a full disk must neither hide the line nor end the supervision of a running mdrun
        with contextlib.suppress(OSError):
            for path in self._files:
                with path.open("a", encoding="utf-8") as stream:
                    stream.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {self._prefix}: {text}\n")

    def progress(self, step: int, n_steps: int, ns_per_day: float | None) -> None:
        """Record the progress of the run towards `n_steps`."""
        data: dict[str, Any] = {
            "step": step,
            "n_steps": n_steps,
            "ns_per_day": ns_per_day,
            "time": time.time(),
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }
        with contextlib.suppress(OSError):
            write_json(self._job.folder / PROGRESS, data)

    def started(self) -> None:
        """Remove the failure record of an earlier run."""
        (self._job.folder / FAILURE).unlink(missing_ok=True)

    def failed(self, message: str) -> None:
        """Record why the run ended without a result."""
        with contextlib.suppress(OSError):
            write_json(self._job.folder / FAILURE, {"message": message, "time": time.time()})
        self._write(f"failed: {printable(message)}")
