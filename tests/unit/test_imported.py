"""Trajectories made elsewhere: what is joined and copied, and each wrong file as one line."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from MDAnalysis.lib.formats.libmdaxdr import TRRFile, XTCFile

from eoli.errors import DataError
from eoli.trajectory.imported import TRR_PRECISION, first_frame, join

SITES = 20
BOX = np.diag([3.0, 4.0, 5.0]).astype(np.float32)


def positions(time: float, branch: int = 0) -> np.ndarray:
    return np.random.default_rng([round(time * 10), branch]).uniform(-3, 6, (SITES, 3)).astype(np.float32)


def write(path: Path, times: list[float], box: np.ndarray = BOX, branch: int = 0, sites: int = SITES) -> Path:
    if path.suffix == ".xtc":
        with XTCFile(str(path), "w") as xtc:
            for step, time in enumerate(times):
                xtc.write(positions(time, branch)[:sites], box, step, time, 1000.0)
    else:
        with TRRFile(str(path), "w") as trr:
            for step, time in enumerate(times):
                trr.write(positions(time, branch)[:sites], None, None, box, step, time, 0.0, sites)
    return path


def times_in(path: Path) -> list[float]:
    with XTCFile(str(path)) as file:
        return [round(frame.time, 3) for frame in file]


def test_one_file_is_copied_byte_for_byte(tmp_path: Path) -> None:
    piece, out = write(tmp_path / "a.xtc", [5.0, 5.5, 6.0]), tmp_path / "out" / "md.xtc"
    before = hashlib.sha256(piece.read_bytes()).digest()
    found = join([piece], SITES, out)
    assert out.read_bytes() == piece.read_bytes()
    assert hashlib.sha256(piece.read_bytes()).digest() == before
    assert not out.samefile(piece)
    assert (found.trajectory.n_frames, found.trajectory.frame_interval_ps, found.notes) == (3, 0.5, ())


def test_where_pieces_overlap_the_later_one_counts(tmp_path: Path) -> None:
    first = write(tmp_path / "a.xtc", [0.0, 1.0, 2.0, 3.0])
    # went on from a checkpoint at 2 ps, on another way
    second = write(tmp_path / "b.xtc", [2.0, 3.0, 4.0], branch=1)
    found = join([first, second], SITES, tmp_path / "md.xtc", 1.0)
    assert times_in(tmp_path / "md.xtc") == [0, 1, 2, 3, 4]
    with XTCFile(str(tmp_path / "md.xtc")) as file:
        assert np.abs(file.read().x - positions(0.0)).max() < 1e-3
        file.seek(3)
        assert np.abs(file.read().x - positions(3.0, 1)).max() < 1e-3
    assert found.notes == ("2 frames of a.xtc from 2 ps left out, which b.xtc has again",)


def test_trr_becomes_xtc(tmp_path: Path) -> None:
    pieces = [write(tmp_path / "a.trr", [0.0, 1.0]), write(tmp_path / "b.xtc", [1.0, 2.0])]
    found = join(pieces, SITES, tmp_path / "md.xtc")
    assert times_in(tmp_path / "md.xtc") == [0, 1, 2]
    with XTCFile(str(tmp_path / "md.xtc")) as file:
        assert np.abs(file.read().x - positions(0.0)).max() < 0.6 / TRR_PRECISION
    assert found.notes[-1] == "positions of TRR rounded to 0.0001 nm"


def test_the_first_frame(tmp_path: Path) -> None:
    for name in ("a.xtc", "a.trr"):
        found, edges = first_frame(write(tmp_path / name, [0.0, 1.0]), SITES)
        assert np.abs(found - positions(0.0)).max() < 1e-3
        assert edges.tolist() == [3, 4, 5]


SKEWED = BOX.copy()
SKEWED[1, 0] = 0.5


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ([("a.xtc", [0.0, 1.0, 3.0, 4.0])], r"a\.xtc: frames are not equidistant: frame 2 is at 3 ps, not at 2 ps"),
        ([("a.xtc", [0.0, 1.0]), ("b.xtc", [2.0, 4.0])], r"b\.xtc: frames are not equidistant: frame 1 is at 4 ps, not at 3 ps"),
        ([("a.xtc", [0.0, 1.0]), ("b.xtc", [3.0, 4.0])], r"b\.xtc: frames are not equidistant: frame 0 is at 3 ps"),
        ([("b.xtc", [2.0, 3.0]), ("a.xtc", [0.0, 1.0])], r"a\.xtc: from 0 to 1 ps, and .*b\.xtc before it .*order of time"),
        ([("a.xtc", [0.0])], r"a\.xtc: 1 frame; at least 2"),
        ([("a.xtc", [1.0, 0.0])], r"a\.xtc: frames are not in order of time"),
    ],
)  # fmt: skip
def test_times_that_are_wrong(tmp_path: Path, pieces: list[tuple[str, list[float]]], said: str) -> None:
    with pytest.raises(DataError, match=said):
        join([write(tmp_path / name, times) for name, times in pieces], SITES, tmp_path / "md.xtc")
    assert not (tmp_path / "md.xtc").exists()


@pytest.mark.parametrize("suffix", [".xtc", ".trr"])
def test_files_that_are_wrong(tmp_path: Path, suffix: str) -> None:
    def refused(path: Path, said: str, interval_ps: float | None = None) -> None:
        with pytest.raises(DataError, match=said) as caught:
            join([path], SITES, tmp_path / "md.xtc", interval_ps)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "md.xtc").exists()

    name = tmp_path / f"a{suffix}"
    refused(name, "no such trajectory")
    refused(write(name, [0.0, 1.0], sites=SITES - 1), f"{SITES - 1} atoms; the topology has {SITES}")
    refused(
        write(name, [0.0, 1.0], SKEWED), "frame 0 has no box, or one that is not orthorhombic; allowed: right angles"
    )
    refused(write(name, [0.0, 1.0], BOX * 0), "frame 0 has no box")
    with pytest.raises(DataError, match="frame 0 has no box, or one that is not orthorhombic"):
        first_frame(write(name, [0.0, 1.0], SKEWED), SITES)
    refused(write(name, [0.0, 1.0, 2.0]), "frames every 1 ps, not every 2 ps", 2.0)
    with pytest.raises(DataError, match=r"frames over 0\.002 ns; the study says length_ns: 0\.003"):
        join([name], SITES, tmp_path / "md.xtc", 1.0, 3.0)
    whole = name.read_bytes()
    for kept in (len(whole) - 7, len(whole) * 2 // 3 + 20, len(whole) // 2, 10):
        name.write_bytes(whole[:kept])
        refused(name, "truncated|frame")
    name.write_bytes(b"no trajectory at all" * 10)
    refused(name, "no readable trajectory")


def test_other_kinds_of_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.gro").write_text("")
    with pytest.raises(DataError, match=r"a\.gro: no trajectory that can be read; allowed: \.xtc, \.trr"):
        join([tmp_path / "a.gro"], SITES, tmp_path / "md.xtc")
