"""Hostile cases have the fork server and the sound results of a worker in common."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from judge import Judge


@pytest.fixture(scope="session")
def judge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """Runs cases on copies of the finished study. EOLI_HOSTILE_STUDY names one that is there already."""
    given = os.environ.get("EOLI_HOSTILE_STUDY")
    finished = Path(given) if given else request.getfixturevalue("finished")
    with Judge(finished, tmp_path_factory.mktemp("hostile")) as judge:
        yield judge
