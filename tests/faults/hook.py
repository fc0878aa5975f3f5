"""Makes one command of a study fail at a point of its work. Python imports this as `sitecustomize` where
`EOLI_TEST_FAULT` names the command, the point and what happens there; see `Fault` in test_updates.py."""

from __future__ import annotations

import atexit
import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any


def happen() -> None:
    """What the fault does, once: a file says that it was done."""
    if done.exists():
        return
    done.touch()
    if fault["does"] == "exit":
        os._exit(1)
    if fault["does"] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault["does"] == "kill the driver":
        os.kill(int(Path(fault["driver"]).read_text()), signal.SIGKILL)
    if fault["does"] == "fill the disk":
        with Path(fault["filler"]).open("wb", buffering=0) as stream:
            try:
                while stream.write(b"\0" * 65536):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


def install() -> None:
    """Wait for the point."""
    point, name = fault["at"], fault["name"]
    if point == "start":
        happen()
    elif point == "end":
        atexit.register(happen)
    elif point == "mdrun":
        begin = subprocess.Popen.__init__

        def popen(self: Any, arguments: Any, *more: Any, **options: Any) -> None:
            begin(self, arguments, *more, **options)
            if "mdrun" in arguments:
                happen()

        subprocess.Popen.__init__ = popen  # type: ignore[method-assign]
    else:
        replace = Path.replace

        def replaced(self: Path, target: Any) -> Path:
            # a published file, not that of the run
            if Path(target).name == name and Path(target).parent.name != "run":
                happen()
            return replace(self, target)

        Path.replace = replaced  # type: ignore[method-assign]


fault = json.loads(os.environ["EOLI_TEST_FAULT"])
done = Path(fault["done"])
words = sys.orig_argv
if any(Path(word).name == "eoli" for word in words[:3]) and all(word in words for word in fault["command"]):
    install()
