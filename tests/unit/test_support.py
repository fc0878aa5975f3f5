"""What tests share fails with its own cause, and leaves nothing that makes the next try fail."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import support


def test_a_shared_run_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "finished"

    def fails(folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 1, "no disk is left")

    def hangs(folder: Path) -> subprocess.CompletedProcess[str]:
        raise subprocess.TimeoutExpired("snakemake", 7200)

    monkeypatch.setattr(support, "snakemake", fails)
    assert support.run_tiny(folder) == "exit code 1\nno disk is left"
    monkeypatch.setattr(support, "snakemake", hangs)
    assert "timed out after 7200 seconds" in support.run_tiny(folder)
    monkeypatch.setattr(support, "snakemake", lambda folder: subprocess.CompletedProcess([], 0, ""))
    assert support.run_tiny(folder) == "" and (folder / "Snakefile").exists()


def test_what_never_comes_about_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "LIMIT_S", 0.0)
    with pytest.raises(pytest.fail.Exception, match="waited 0 s in vain: the moon is blue"):
        support.until(lambda: False, "the moon is blue")
