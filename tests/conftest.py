"""One finished run of the tiny study serves all tests of a session, in every worker."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from eoli.machine.slots import FOLDER
from support import TINY, copy_workflow, run_tiny


@pytest.fixture(scope="session")
def of_session(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Folder of this session, the same for all its workers."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session", autouse=True)
def slots(of_session: Path) -> None:
    """Locks of cores for this session, for all its workers: a test neither waits for a study that runs on this machine,
    nor holds it up."""
    os.environ[FOLDER] = str(of_session / "slots")


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """What tests start hears Ctrl-C: a shell that runs the tests in the background has them and all their children
    ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def finished(of_session: Path) -> Path:
    """Folder of a finished run of tests/config/tiny.yaml; not to be changed.

    It is made once, by the worker that comes first; when that fails all tests that need it fail with its cause.
    """
    folder, done, failure = of_session / "finished", of_session / "finished.done", of_session / "finished.failed"
    with (of_session / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists() and not failure.exists():
            cause = run_tiny(folder)
            failure.write_text(cause) if cause else done.touch()
    if failure.exists():
        pytest.fail(f"the shared run of {TINY} failed, and with it every test that needs it:\n{failure.read_text()}")
    return folder


@pytest.fixture
def study(finished: Path) -> Iterator[Path]:
    """A copy of the finished run, with its dates and records, to be changed by a test."""
    folder = finished.with_name(f"study-{uuid.uuid4().hex[:8]}")
    shutil.copytree(finished, folder, symlinks=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    """A copy of the workflow without results."""
    return copy_workflow(tmp_path / "workflow")
