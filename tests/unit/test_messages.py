"""What a run says when its disk is full: the person hears it, and the watch over mdrun goes on."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import pytest

from eoli.stage import messages as report
from eoli.stage.messages import Reporter


def full_disk(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_full_disk_silences_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = SimpleNamespace(system="peo", stage=SimpleNamespace(name="npt"), folder=tmp_path, target_steps=10)
    shown = io.StringIO()
    say = Reporter(job, None, shown)  # type: ignore[arg-type]
    say("begins")
    assert "peo npt: begins" in (tmp_path / "history.log").read_text()
    monkeypatch.setattr(report, "write_json", full_disk)
    monkeypatch.setattr(Path, "open", full_disk)
    say("goes on")
    say.progress(5, 10, 12.0)
    say.failed("No space left on device")
    assert "peo npt: goes on" in shown.getvalue()
