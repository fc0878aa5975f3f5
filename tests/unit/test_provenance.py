"""The commit that a result is said to be made with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import copy_workflow

WITH_GIT = pytest.mark.skipif(shutil.which("git") is None, reason="no git")

IDENTITY = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org", "-c", "commit.gpgsign=false")


def git(folder: Path, *words: str) -> str:
    run = subprocess.run(["git", *IDENTITY, *words], cwd=folder, capture_output=True, text=True, check=True)
    return run.stdout.strip()


def recorded(project: Path) -> dict[str, object]:
    """What the code of a copy of the project says of its commit."""
    program = "import json; from eoli.core.provenance import commit; print(json.dumps(commit()))"
    # git is not asked through the variables of a hook that runs these tests
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=project,
        env=environment | {"PYTHONPATH": str(project / "scripts")},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, object] = json.loads(run.stdout)
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copy_workflow(tmp_path / "outer/project")


@WITH_GIT
def test_a_clone_has_its_commit(project: Path) -> None:
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-qm", "all")
    assert recorded(project) == {"commit": git(project, "rev-parse", "HEAD"), "modified": False}
    with (project / "Snakefile").open("a") as stream:
        stream.write("# a remark\n")
    assert recorded(project)["modified"] is True


@WITH_GIT
def test_a_copy_inside_another_repository_has_none(project: Path) -> None:
    outer = project.parent
    (outer / "notes").write_text("mine\n")
    git(outer, "init", "-q")
    git(outer, "add", "notes")
    git(outer, "commit", "-qm", "notes")
    assert recorded(project) == {"commit": None, "modified": None}
    # nor when that repository has taken it in: its commits are about other things
    git(outer, "add", ".")
    git(outer, "commit", "-qm", "with the project")
    assert recorded(project) == {"commit": None, "modified": None}


def test_a_copy_without_a_repository_has_none(project: Path) -> None:
    assert recorded(project) == {"commit": None, "modified": None}


@WITH_GIT
def test_a_repository_that_does_not_track_the_code_has_no_say(project: Path) -> None:
    git(project, "init", "-q")
    git(project, "add", "Snakefile")
    git(project, "commit", "-qm", "one file")
    assert recorded(project) == {"commit": None, "modified": None}
