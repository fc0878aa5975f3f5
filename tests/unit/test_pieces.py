"""Where pieces of a stage that drives its box end, and the Fourier grid of each."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from eoli.gromacs.mdp import grid_options, grid_size
from eoli.stage.pieces import Piece, piece_of
from eoli.study.protocol import Protocol, Stage
from support import ROOT


def stage(protocol: str, name: str, **changes: object) -> Stage:
    """A stage of a protocol that ships, with other keys."""
    study = Protocol.model_validate(yaml.safe_load((ROOT / f"config/protocols/{protocol}.yaml").read_text()))
    (found,) = (stage for stage in study.stages if stage.name == name)
    return Stage.model_validate(found.model_dump() | changes)


def ends(of: Stage, target: int) -> list[int]:
    """Last steps of all pieces, found as a run finds them: one after the other."""
    found = [0]
    while found[-1] < target:
        piece = piece_of(of, found[-1], target)
        assert piece.begin == found[-1]
        found.append(piece.end)
    return found[1:]


def test_the_compression_of_the_study_has_pieces_that_double() -> None:
    """Four time constants of 0.5 ps and steps of 1 fs: 2, 4, 8 ps and so on, and the rest to 500 ps."""
    compress = stage("ma2022", "compress")
    assert ends(compress, compress.n_steps) == [2000 * 2**n for n in range(8)] + [500_000]


@pytest.mark.parametrize("name", ["minimise", "npt", "nvt", "production"])
def test_a_stage_that_does_not_drive_its_box_is_one_piece(name: str) -> None:
    other = stage("ma2022", name)
    target = other.n_steps if other.is_dynamics else 0
    assert piece_of(other, 0, target) == Piece(0, target)
    assert piece_of(other, target // 2, target) == Piece(0, target)


def test_pieces_end_where_energies_are_written() -> None:
    """1.4 ps of four time constants lie between two energies."""
    odd = stage("ma2022", "compress", time_step_fs=2.0, tau_p_ps=0.35, energy_interval_ps=0.5)
    steps = odd.steps_in(0.5)
    assert ends(odd, 10 * steps) == [3 * steps, 6 * steps, 10 * steps]


def test_a_step_between_ends_and_a_longer_target_change_no_piece() -> None:
    compress = stage("ma2022", "compress")
    assert piece_of(compress, 1999, 5000) == piece_of(compress, 0, 9000) == Piece(0, 2000)
    assert piece_of(compress, 2000, 5000) == piece_of(compress, 3999, 9000) == Piece(2000, 4000)
    # finished at 5000 and then extended: the piece begins where that of an uninterrupted run does
    assert piece_of(compress, 5000, 5000) == Piece(4000, 5000)
    assert piece_of(compress, 5000, 9000) == Piece(4000, 8000)
    # as long as a piece, to the step
    assert ends(compress, 4000) == [2000, 4000]


@pytest.mark.parametrize(
    ("edge_nm", "size"),
    [(7.57569, 64), (4.2727, 36), (4.3201, 40), (4.32, 36), (0.5, 6), (2.64, 24), (13.0, 112)],
)
def test_the_grid_is_the_least_fast_one_that_is_fine_enough(edge_nm: float, size: int) -> None:
    """By hand: 7.57569 / 0.12 is 63.1, 4.2727 / 0.12 is 35.6, 13 / 0.12 is 108.3 and 110 has the factor 11."""
    assert grid_size(edge_nm, 0.12) == size


def test_no_point_of_the_grid_is_further_apart_than_asked_for() -> None:
    for tenths in range(5, 300):
        size, edge = grid_size(tenths / 10, 0.12), tenths / 10
        assert size % 2 == 0 and edge / size <= 0.12 + 1e-9
        rest = size
        for factor in (2, 3, 5, 7):
            while rest % factor == 0:
                rest //= factor
        assert rest == 1


def test_options_name_each_axis() -> None:
    assert grid_options((2.0, 3.0, 4.0), 0.12) == {"fourier-nx": "18", "fourier-ny": "28", "fourier-nz": "36"}


def test_without_the_box_grompp_chooses(tmp_path: Path) -> None:
    """At the start, and where energies are lost or foreign: the grid of the start is fine enough."""
    assert Piece(0, 2000).grid(tmp_path / "md.edr", 0.12) == {}
    assert Piece(2000, 4000).grid(tmp_path / "md.edr", 0.12) == {}
    (tmp_path / "md.edr").write_bytes(b"energies of another program")
    assert Piece(2000, 4000).grid(tmp_path / "md.edr", 0.12) == {}
