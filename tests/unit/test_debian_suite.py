"""Another Debian suite: what is needed for one, what its commands know of this machine, and what a failure leaves."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from support import ROOT


@pytest.fixture
def suites(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module, on a Debian with everything that it needs."""
    spec = importlib.util.spec_from_file_location("debian_suite", ROOT / "scripts/debian_suite.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "debian_suite", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "is_debian", lambda: True)
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    return module


def refuses(suites: Any, folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that it refuses with, before it writes anything."""
    assert suites.main([*(words or ("trixie",)), "--folder", str(folder / "suites")]) == suites.CANNOT
    assert not list(folder.iterdir())
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    return captured.err


def test_elsewhere_than_on_debian(
    suites: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(suites, "is_debian", lambda: False)
    assert "on Debian only" in refuses(suites, tmp_path, capsys)


def test_as_another_user_than_root(
    suites: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert "only root can set up another Debian suite" in refuses(suites, tmp_path, capsys)


def test_what_is_missing_is_named_with_its_package(
    suites: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "debootstrap" else name)
    assert refuses(suites, tmp_path, capsys).endswith("debootstrap is not here; apt-get install debootstrap\n")


@pytest.mark.parametrize("name", ["../etc", "Trixie", ""])
def test_a_name_that_is_none(name: str, suites: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is no name of a Debian suite" in refuses(suites, tmp_path, capsys, name)


def test_a_suite_that_cannot_be_had_leaves_no_folder(
    suites: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = suites.Network({}, "", b"")
    monkeypatch.setattr(suites, "network", lambda: reached)
    monkeypatch.setattr(suites, "mirror", lambda: "http://mirror/debian")

    def half(words: list[str], stream: Any, folder: Path | None = None) -> int:
        Path(words[-3], "usr").mkdir(parents=True)
        stream.write("E: Failed getting release file\n")
        return 1

    monkeypatch.setattr(suites, "logged", half)
    log = tmp_path / "log"
    with pytest.raises(suites.Cannot, match="cannot set trixie up: E: Failed getting release file; log: "):
        suites.install(tmp_path, "trixie", log)
    assert list(tmp_path.iterdir()) == [log]


def test_a_suite_that_is_there_is_kept(suites: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Path] = []
    monkeypatch.setattr(suites, "network", lambda: types.SimpleNamespace(variables={"A": "b"}, give=given.append))
    stamp = tmp_path / "trixie" / suites.STAMP[1:]
    stamp.parent.mkdir(parents=True)
    stamp.write_text(" ".join(suites.PACKAGES))
    assert suites.install(tmp_path, "trixie", tmp_path / "log").root == tmp_path / "trixie"
    assert given == [tmp_path / "trixie"]


def test_settings_of_pip_go_along_but_folders_of_this_machine(suites: Any) -> None:
    one, two = "https://one.invalid", "https://two.invalid"
    listed = (
        ":env:.timeout='180'\n"
        "global.cert='/etc/ssl/certs/ca.crt'\n"
        "global.constraint='/etc/constraints.txt'\n"
        f"global.extra-index-url='\\nfile:///here/simple\\n{two}'\n"
        "global.find-links='/here/wheels'\n"
        f"global.index-url='{one}'\n"
        "global.timeout='15'\n"
    )
    assert suites.pip_settings(listed) == {
        "PIP_TIMEOUT": "180", "PIP_EXTRA_INDEX_URL": two, "PIP_INDEX_URL": one,
    }  # fmt: skip


def test_commands_know_nothing_else_of_this_machine(suites: Any) -> None:
    words = suites.Suite("trixie", Path("suites/trixie"), {"PIP_TIMEOUT": "180"}).command("make", "a b")
    assert words[: len(suites.ALONE)] == list(suites.ALONE)
    assert "PIP_TIMEOUT=180" in words and words[-1] == "cd 'a b' && make"
    assert not any(word.startswith("PYTHONPATH=") for word in words)


def test_the_table(suites: Any) -> None:
    lines = suites.table({"trixie": {"set-up": "ok, 2.0 min"}, "forky": {}}).splitlines()
    assert lines[0] == "| check | trixie | forky |" and lines[2] == "| set-up | ok, 2.0 min | not run |"
    assert len(lines) == 2 + len(suites.CHECKS)
