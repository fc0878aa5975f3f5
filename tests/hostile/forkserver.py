"""A process that has imported all of EOLI and forks for each command line that it is given: a command in milliseconds.

Started by `Server`; reads a request a line as JSON from standard input and answers each with a line of JSON.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import resource
import selectors
import signal
import subprocess
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

CPU_S = 20
MEMORY = 2 * 1024**3
LARGEST_FILE = 1024**3


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code or signal, what it said, whether it was killed because it did not end."""

    code: int | None
    signal: int | None
    hung: bool
    out: str
    err: str


class Server:
    """A fork server in a process of its own."""

    def __init__(self, wall_s: float) -> None:
        self._wall_s = wall_s
        # threads of a parent are lost in a fork, with the locks that they hold
        one_thread = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")}
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | one_thread,
        )

    def run(self, argv: list[str], cwd: Path, said: Path, *, warm: bool = False) -> Ended:
        """Run `eoli ARGV` in a folder, its output in the folder `said`; `warm` runs it in the server itself."""
        assert self._process.stdin is not None and self._process.stdout is not None
        said.mkdir(parents=True, exist_ok=True)
        request = {"argv": argv, "cwd": str(cwd), "said": str(said), "warm": warm, "wall_s": self._wall_s}
        print(json.dumps(request), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the fork server ended with exit code {self._process.wait()}")
        texts = {name: (said / name).read_text(encoding="utf-8", errors="replace") for name in ("out", "err")}
        return Ended(**json.loads(answer), **texts)

    def close(self) -> None:
        """End the server."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def _import_all() -> None:
    import eoli

    for module in pkgutil.walk_packages(eoli.__path__, "eoli."):
        importlib.import_module(module.name)


def _run(request: dict[str, Any]) -> int:
    """The command in this process; its exit code, as Python's own way to end would give it."""
    from eoli.cli import main

    os.chdir(request["cwd"])
    sys.argv = ["eoli", *request["argv"]]
    try:
        code: Any = main(request["argv"])
    except SystemExit as error:
        code = error.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    return code if isinstance(code, int) else int(code is not None)


@contextlib.contextmanager
def _standard_streams(folder: Path):  # type: ignore[no-untyped-def]
    """Standard output and error into files of a folder, input from nowhere; back again at the end."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    opened = [os.open(os.devnull, os.O_RDONLY), os.open(folder / "out", flags), os.open(folder / "err", flags)]
    kept = [os.dup(number) for number in range(3)]
    for number, descriptor in enumerate(opened):
        os.dup2(descriptor, number)
        os.close(descriptor)
    yield
    for number, descriptor in enumerate(kept):
        os.dup2(descriptor, number)
        os.close(descriptor)


def _size() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _child(request: dict[str, Any]) -> None:
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 5))
        resource.setrlimit(resource.RLIMIT_AS, (_size() + MEMORY, _size() + MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
        with _standard_streams(Path(request["said"])):
            os._exit(_run(request))
    finally:
        os._exit(99)


def _forked(request: dict[str, Any]) -> dict[str, Any]:
    pid = os.fork()
    if pid == 0:
        _child(request)
    descriptor = os.pidfd_open(pid)
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        hung = not selector.select(request["wall_s"])
    os.close(descriptor)
    # its group ends with it: what it has started must not outlive the test
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return {"code": code if code >= 0 else None, "signal": -code if code < 0 else None, "hung": hung}


def _serve(requests: TextIO, answers: TextIO) -> None:
    _import_all()
    for line in requests:
        request = json.loads(line)
        if request["warm"]:
            with _standard_streams(Path(request["said"])):
                answer = {"code": _run(request), "signal": None, "hung": False}
        else:
            answer = _forked(request)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    # the pipes of the server are kept away from what the commands call standard
    pipes = [os.fdopen(os.dup(number), mode, encoding="utf-8") for number, mode in ((0, "r"), (1, "w"))]
    os.set_inheritable(pipes[0].fileno(), False)
    _serve(*pipes)
