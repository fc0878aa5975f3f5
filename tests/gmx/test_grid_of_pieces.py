"""A compression in real GROMACS, piece by piece: each has the Fourier grid of its box, and all are one run."""

from __future__ import annotations

import dataclasses
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from eoli.gromacs.energies import box_edges_nm, read_energies
from eoli.stage import engine
from eoli.stage.checkpoint import read_checkpoint
from eoli.stage.job import StageJob
from eoli.stage.pieces import Piece
from eoli.stage.run import run_stage
from tiny_stages import PROTOCOL, STAGES, Tiny, assert_whole, first_trr, mdrun_calls, short, stop_when, was_said, xtc

pytestmark = pytest.mark.gmx

COMPRESS = STAGES["compress"]
ENDS_PS = (2, 4, 8, 10)
"""Of pieces of the tiny compression: four, eight and sixteen time constants of its barostat, and its end."""


def grids(folder: Path) -> list[tuple[int, ...]]:
    """Grids of all run inputs, as grompp says them; a log that mdrun appends to has the first one only."""
    found = re.findall(r"^Using a fourier grid of (\d+)x(\d+)x(\d+)", (folder / "gmx.log").read_text(), re.MULTILINE)
    return [tuple(map(int, sizes)) for sizes in found]


def steps_of(ps: float) -> int:
    return COMPRESS.steps_in(ps)


def test_each_piece_has_the_grid_of_its_box(tiny: Tiny) -> None:
    job = tiny.after("minimise", COMPRESS, tiny.folder / "compress")
    assert_whole(job)
    used = grids(job.run)
    assert len(used) == mdrun_calls(job) == len(ENDS_PS)
    assert used == sorted(used, reverse=True) and used[-1] < used[0]
    energies = read_energies(job.folder / "md.edr")
    for grid, begin_ps in zip(used, (0, *ENDS_PS), strict=False):
        (frame,) = np.flatnonzero(np.isclose(energies["Time"], begin_ps))
        edges = [energies[f"Box-{axis}"][frame] for axis in "XYZ"]
        spacings = np.divide(edges, grid)
        assert (spacings <= PROTOCOL.fourier_spacing_nm * (1 + 1e-6)).all() and (spacings > 0.7 * 0.16).all()
        if begin_ps:
            assert box_edges_nm(job.folder / "md.edr", steps_of(begin_ps)) == pytest.approx(edges)


def kept_results(job: StageJob) -> tuple[object, ...]:
    """What two runs with the same history have in common, to the bit."""
    energies = read_energies(job.folder / "md.edr")
    return first_trr(job.folder / "state.trr"), energies["Volume"].tolist(), energies["Potential"].tolist()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_stopped_within_a_piece_ends_as_if_it_had_not(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    job = tiny.after("minimise", COMPRESS, tmp_path / "compress")
    begun: list[float] = []

    def in_the_third_piece() -> bool:
        # a piece may be too short for a checkpoint of its own
        if not begun and mdrun_calls(job) == 3:
            begun.append(time.monotonic())
        return bool(begun) and time.monotonic() > begun[0] + 0.1

    stop_when(job, in_the_third_piece, monkeypatch, number)
    run_stage(job)
    assert_whole(job)
    assert mdrun_calls(job) == len(ENDS_PS) + 1
    assert kept_results(job) == kept_results(tiny.after("minimise", COMPRESS, tiny.folder / "compress"))
    assert grids(job.run) == grids(tiny.folder / "compress/run")


def test_an_extended_run_has_the_pieces_of_a_longer_one(tiny: Tiny, tmp_path: Path) -> None:
    """5 ps are within the third piece."""
    job = tiny.after("minimise", short("compress", length_ns=0.005), tmp_path / "compress")
    run_stage(job)
    assert mdrun_calls(job) == 3
    longer = dataclasses.replace(job, stage=COMPRESS)
    run_stage(longer)
    assert_whole(longer)
    assert kept_results(longer)[0] == kept_results(tiny.after("minimise", COMPRESS, tiny.folder / "compress"))[0]


def test_an_older_checkpoint_gets_the_grid_of_its_own_piece(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest is damaged, and that before it is of an earlier piece, in which the box is wider."""
    job = tiny.after("minimise", COMPRESS, tmp_path / "compress", checkpoint_minutes=5.0)

    def begun() -> bool:
        return mdrun_calls(job) == 3 and (job.run / "md_prev.cpt").exists()

    stop_when(job, begun, monkeypatch, signal.SIGKILL)
    assert read_checkpoint(job.run / "md_prev.cpt").step == steps_of(ENDS_PS[0])
    (job.run / "md.cpt").write_bytes(b"")
    run_stage(job)
    assert was_said(job, "continues from the checkpoint before")
    assert_whole(job)
    assert kept_results(job) == kept_results(tiny.after("minimise", COMPRESS, tiny.folder / "compress"))


def test_a_run_of_an_earlier_version_goes_on_and_counts(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had one grid for the whole stage."""
    job = tiny.after("minimise", short("compress", length_ns=0.005), tmp_path / "compress")
    with monkeypatch.context() as patched:
        patched.setattr(engine, "piece_of", lambda _stage, _step, target: Piece(0, target))
        run_stage(job)
    assert len(set(grids(job.run))) == mdrun_calls(job) == 1
    result = (job.folder / "md.edr").read_bytes()
    run_stage(job)
    assert mdrun_calls(job) == 1 and (job.folder / "md.edr").read_bytes() == result
    longer = dataclasses.replace(job, stage=COMPRESS)
    run_stage(longer)
    assert not (job.folder / "run.old-1").exists()
    assert_whole(longer)
    assert grids(job.run)[-1] < grids(job.run)[0]
    np.testing.assert_array_equal(xtc(longer.folder / "md.xtc")[2], np.arange(0, COMPRESS.n_steps + 1, steps_of(1)))
