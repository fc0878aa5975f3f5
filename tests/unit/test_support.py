"""What tests share has modules of its own, says why it fails, and leaves nothing that makes the next try fail."""

from __future__ import annotations

import ast
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


def test_no_module_imports_from_a_test_module() -> None:
    """Its fixtures would be made twice, and what is shared would be hidden among tests."""
    found = []
    for path in sorted((support.ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found += [f"{path.name}: {name}" for name in names if name.rpartition(".")[2].startswith("test_")]
    assert found == []
