"""A module of a package without the rest of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from eoli.core.alone import alone


@pytest.fixture
def heavy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package whose own start fails, with two modules that need nothing of it."""
    folder = tmp_path / "heavy_of_test"
    folder.mkdir()
    (folder / "__init__.py").write_text("STARTED = True\nif FAILS:\n    raise RuntimeError('started')\n")
    (folder / "first.py").write_text("from .second import NUMBER\nfrom heavy_of_test import second\n")
    (folder / "second.py").write_text("NUMBER = 7\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder.name


def test_the_package_itself_does_not_start(heavy: str) -> None:
    first = alone(f"{heavy}.first")
    assert first.NUMBER == first.second.NUMBER == 7
    assert not [name for name in sys.modules if name.startswith(heavy)]
    with pytest.raises(NameError):
        __import__(heavy)


def test_a_package_that_was_imported_is_used(heavy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.FAILS", False, raising=False)
    package = __import__(heavy)
    assert alone(f"{heavy}.first").second is sys.modules[f"{heavy}.second"] and package.STARTED
    for name in [name for name in sys.modules if name.startswith(heavy)]:
        monkeypatch.delitem(sys.modules, name)


def test_what_is_not_installed() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_package_of_test"):
        alone("no_package_of_test.module")
    with pytest.raises(ModuleNotFoundError, match="no_module_of_test"):
        alone("pymbar.no_module_of_test")
