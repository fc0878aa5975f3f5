"""Records: what a product is, is told from its content and its options, never from dates alone."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from eoli.core.records import (
    _content,
    check_inputs,
    damaged,
    mark,
    marks,
    options_of,
    other_options,
    read_record_of,
    record_beside,
)
from eoli.errors import DataError

CALL = ["/bin/eoli", "motion", "--reduced", "a/reduced.h5", "--tolerance", "0.1", "--contact-nm", "0.35", "--out", "a"]


def write_record(folder: Path, *names: str, **more: object) -> Path:
    path = record_beside(folder / names[0])
    data = {"called_as": CALL, "inputs_sha256": {}, "outputs": marks(folder, [folder / name for name in names]), **more}
    path.write_text(json.dumps(data))
    return path


def test_options_keep_values_that_look_like_negative_numbers() -> None:
    words = ["eoli", "x", "--a", "-3", "--no-b", "--c", "1", "2", "--d=4"]
    assert options_of(words) == {"a": ("-3",), "no-b": (), "c": ("1", "2"), "d": ("4",)}


def test_options_that_say_where_are_not_compared_and_all_others_are(tmp_path: Path) -> None:
    (tmp_path / "motion.csv").write_text("x")
    record = read_record_of(write_record(tmp_path, "motion.csv"))
    assert record is not None
    assert other_options(options_of(["--tolerance", "0.1", "--contact-nm", "0.35"]), record) == []
    assert other_options(options_of(["--tolerance", "0.2", "--contact-nm", "0.35"]), record) == [
        "tolerance is 0.1, asked for 0.2"
    ]
    # an option that the study no longer sets is a difference, wherever it stood
    assert other_options(options_of(["--tolerance", "0.1"]), record) == ["contact-nm is 0.35, asked for none"]
    assert other_options(options_of(["--tolerance", "0.1", "--contact-nm", "0.35", "--x", "1"]), record) == [
        "x is not set, asked for 1"
    ]


@pytest.mark.parametrize("change", ["cut", "flipped", "emptied", "lost"])
def test_changed_files_are_found_also_with_their_old_date(tmp_path: Path, change: str) -> None:
    path = tmp_path / "motion.csv"
    path.write_bytes(b"0123456789")
    record_path = write_record(tmp_path, "motion.csv")
    before = path.stat()
    if change == "lost":
        path.unlink()
    else:
        path.write_bytes({"cut": b"01234", "flipped": b"0123456780", "emptied": b""}[change])
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + (1 if change == "flipped" else 0)))
    record = read_record_of(record_path)
    assert record is not None
    (text,) = damaged(record)
    assert "motion.csv" in text


def test_another_date_alone_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "motion.csv").write_text("x")
    record_path = write_record(tmp_path, "motion.csv")
    os.utime(tmp_path / "motion.csv", (1, 1))
    record = read_record_of(record_path)
    assert record is not None and damaged(record) == []


def test_inputs_are_read_for_what_they_are_not_for_their_date(tmp_path: Path) -> None:
    path = tmp_path / "moves.csv"
    path.write_bytes(b"0123456789")
    (tmp_path / "mechanism.csv").write_text("y")
    write_record(tmp_path, "mechanism.csv", "moves.csv")
    check_inputs([path, tmp_path / "of a user.csv"])
    before = path.stat()
    path.write_bytes(b"0123456780")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    with pytest.raises(DataError, match=r"moves\.csv: is not the file that was made here"):
        check_inputs([path])


def test_no_record_and_a_broken_one(tmp_path: Path) -> None:
    assert read_record_of(tmp_path / "none") is None
    for text in ("", "[1]", '{"called_as": 1}', '{"called_as": [], "inputs_sha256": {}, "outputs": {"a": {"b": 1}}}'):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(DataError, match=r"x\.json: no record of what was made"):
            read_record_of(tmp_path / "x.json")


def test_marks_go_through_json(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    assert marks(tmp_path, [tmp_path / "a", tmp_path / "missing"]) == {"a": asdict(mark(tmp_path / "a"))}


def test_a_change_that_kept_its_date_is_seen_by_the_next_look_once_a_command_found_it(tmp_path: Path) -> None:
    path = tmp_path / "motion.csv"
    path.write_bytes(b"0123456789")
    record_path = write_record(tmp_path, "motion.csv")
    before = path.stat()
    path.write_bytes(b"0123456780")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    _content.cache_clear()  # the command is another process
    with pytest.raises(DataError, match=r"motion\.csv: is not the file that was made here"):
        check_inputs([path])
    record = read_record_of(record_path)
    assert record is not None and damaged(record) == ["motion.csv is not the file that was made"]


@pytest.mark.parametrize("change", [{"modified_ns": "1"}, {"size": 1.5}, {"sha256": None}, {"modified_ns": True}])
def test_a_mark_of_another_type_makes_no_record(change: dict[str, object], tmp_path: Path) -> None:
    mark = {"size": 1, "sha256": "a", "modified_ns": 1} | change
    path = tmp_path / "motion.provenance.json"
    path.write_text(json.dumps({"called_as": ["eoli"], "inputs_sha256": {}, "outputs": {"motion.csv": mark}}))
    with pytest.raises(DataError, match="no record of what was made"):
        read_record_of(path)
