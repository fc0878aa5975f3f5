"""Checkpoints by their bytes, and the record of what an mdrun left; no GROMACS needed."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints import CHECKED, checkpoint
from eoli.errors import DataError
from eoli.stage.checkpoint import Checkpoint, read_checkpoint
from eoli.stage.ending import CHECKPOINTS, FIXED, NAME, forget, read_ending, write_ending


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with two checkpoints; the files have grown since each of them."""
    for name, content in {"md.xtc": b"x" * 900 + b"y" * 300, "md.log": b"log" * 200}.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "md_prev.cpt").write_bytes(checkpoint(500, {"md.log": b"log" * 90, "md.xtc": b"x" * 600}))
    (tmp_path / "md.cpt").write_bytes(checkpoint(2**33, {"md.log": b"log" * 120, "md.xtc": b"x" * 900}))
    return tmp_path


def test_what_a_checkpoint_says(run: Path) -> None:
    found = read_checkpoint(run / "md.cpt")
    assert (found.gromacs, found.step) == ("2022.5", 2**33)
    assert [(each.name, each.size, each.checked) for each in found.files] == [
        ("md.log", 360, 360),
        ("md.xtc", 900, 900),
    ]
    assert all(each.fits(run / each.name) for each in found.files)
    _, xtc = found.files
    (run / "md.xtc").write_bytes(b"x" * 899)
    assert not xtc.fits(run / "md.xtc")
    (run / "md.xtc").write_bytes(b"x" * 899 + b"y" * 9)
    assert not xtc.fits(run / "md.xtc")
    assert not xtc.fits(run / "absent") and not xtc.fits(run)


def test_only_the_end_of_a_long_file_is_compared(tmp_path: Path) -> None:
    content = b"a" * 10 + b"b" * CHECKED
    (tmp_path / "md.cpt").write_bytes(checkpoint(1, {"md.edr": content}))
    (entry,) = read_checkpoint(tmp_path / "md.cpt").files
    (tmp_path / "md.edr").write_bytes(b"c" * 10 + content[10:])
    assert (entry.size, entry.checked) == (CHECKED + 10, CHECKED) and entry.fits(tmp_path / "md.edr")


@given(st.integers(0, 3800))
def test_a_cut_checkpoint_is_none(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    content = checkpoint(7, {"md.log": b"log", "md.xtc": b"x"})
    path = tmp_path_factory.mktemp("cut") / "md.cpt"
    path.write_bytes(content[: min(length, len(content) - 1)])
    with pytest.raises(DataError, match=r"md\.cpt: no whole checkpoint: "):
        read_checkpoint(path)


@given(st.binary(max_size=400))
def test_foreign_bytes_are_no_checkpoint(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("foreign") / "md.cpt"
    path.write_bytes(struct.pack(">i", 171817) + content + struct.pack(">i", 171819))
    with pytest.raises(DataError, match="no whole checkpoint"):
        read_checkpoint(path)


@pytest.mark.parametrize("what", ["absent", "folder", "step", "layout"])
def test_what_is_no_checkpoint_either(what: str, tmp_path: Path) -> None:
    path = tmp_path / "md.cpt"
    if what == "folder":
        path.mkdir()
    elif what == "step":
        path.write_bytes(checkpoint(-1, {}))
    elif what == "layout":
        path.write_bytes(checkpoint(1, {}, layout=5))
    with pytest.raises(DataError, match=r"md\.cpt: "):
        read_checkpoint(path)


def test_the_record_knows_each_file_and_what_each_checkpoint_continues(run: Path) -> None:
    write_ending(run)
    known = read_ending(run)
    assert set(known.files) == {"md.cpt", "md_prev.cpt", "md.xtc", "md.log"}
    assert all(part.is_all_of(run / name) for name, part in known.files.items())
    assert {name: part.size for name, part in known.continued_by(run / "md.cpt").items()} == {
        "md.log": 360,
        "md.xtc": 900,
    }
    # wherever it lies now
    (run / "md_prev.cpt").replace(run / "md.cpt")
    parts = read_ending(run).continued_by(run / "md.cpt")
    assert {name: part.size for name, part in parts.items()} == {"md.log": 270, "md.xtc": 600}
    (run / "md.xtc").write_bytes(b"x" * 599 + b"z")
    assert not parts["md.xtc"].begins(run / "md.xtc") and parts["md.log"].begins(run / "md.log")
    assert not parts["md.xtc"].begins(run / "absent")


def test_mdrun_moves_both_checkpoints_on_at_once(run: Path) -> None:
    write_ending(run, CHECKPOINTS)
    known = read_ending(run)
    newest, previous = (run / name for name in CHECKPOINTS)
    contents = newest.read_bytes(), previous.read_bytes()
    assert known.damaged_checkpoints(run) == set()
    newest.write_bytes(checkpoint(9, {}))
    assert known.damaged_checkpoints(run) == {"md.cpt"}
    previous.write_bytes(contents[0])
    assert known.damaged_checkpoints(run) == set()
    newest.write_bytes(contents[0])
    assert known.damaged_checkpoints(run) == {"md_prev.cpt"}


def test_a_record_without_a_second_checkpoint(run: Path) -> None:
    (run / "md_prev.cpt").unlink()
    write_ending(run, CHECKPOINTS)
    known = read_ending(run)
    newest = (run / "md.cpt").read_bytes()
    (run / "md.cpt").write_bytes(checkpoint(9, {}))
    assert known.damaged_checkpoints(run) == {"md.cpt"}
    (run / "md_prev.cpt").write_bytes(newest)
    assert known.damaged_checkpoints(run) == set()


def test_a_first_checkpoint_is_younger_than_the_record(run: Path) -> None:
    (run / "md_prev.cpt").unlink()
    (run / "start.gro").write_text("a box")
    write_ending(run, FIXED)
    assert set(read_ending(run).files) == {"start.gro"} and read_ending(run).damaged_checkpoints(run) == set()


def test_files_that_are_changed_on_purpose_are_forgotten(run: Path) -> None:
    forget(run, ["md.xtc"])
    assert not (run / NAME).exists()
    write_ending(run)
    forget(run, ["md.xtc", "md.gro"])
    assert set(read_ending(run).files) == {"md.cpt", "md_prev.cpt", "md.log"}


def test_a_file_that_changes_meanwhile_is_not_recorded(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "eoli.stage.ending.read_checkpoint", lambda path: os.utime(path, (1, 1)) or read_checkpoint(path)
    )
    write_ending(run)
    assert not (run / NAME).exists()


@pytest.mark.parametrize("cut", [0, 8])
def test_another_file_of_the_same_date_is_not_recorded(run: Path, cut: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """mdrun puts its next checkpoint in place of the last, within one tick of the clock of the file system."""

    def replaced(path: Path) -> Checkpoint:
        found, before, other = read_checkpoint(path), path.stat(), path.with_name("new.cpt")
        other.write_bytes(path.read_bytes()[: before.st_size - cut])
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.replace(path)
        return found

    monkeypatch.setattr("eoli.stage.ending.read_checkpoint", replaced)
    write_ending(run)
    assert not (run / NAME).exists()


def test_an_altered_record_says_nothing(run: Path) -> None:
    write_ending(run)
    text = (run / NAME).read_text()
    (run / NAME).write_text(text.replace('"size": 900', '"size": 901'))
    assert read_ending(run).files == {}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"files": 3}', '{"files": {"md.cpt": {"size": "x"}}}', "\0", "NaN"])
def test_a_foreign_record_says_nothing(run: Path, text: str) -> None:
    (run / NAME).write_text(text)
    assert read_ending(run).files == {}
    (run / NAME).write_text(json.dumps({"files": {"md.xtc": {"size": 1, "sha256": "0", "more": 1}}}))
    assert not read_ending(run).files["md.xtc"].is_all_of(run / "md.xtc")
