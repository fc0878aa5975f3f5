"""Full-precision frames: bit-identical copies, damage, and the choice of the frame of mean volume."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from MDAnalysis.lib.formats.libmdaxdr import TRRFile

from eoli.errors import DataError
from eoli.gromacs.states import copy_frame, nearest_to_mean, read_positions, read_states
from eoli.stage import initial_frame as start
from eoli.stage.initial_frame import choose_mean_volume_frame, prepare_start
from eoli.study.protocol import Stage

N_SITES = 7
NVT = Stage(
    name="nvt", ensemble="NVT", integrator="md", time_step_fs=2, length_ns=0.2, thermostat="v-rescale", tau_t_ps=0.1,
    frame_interval_ps=1, energy_interval_ps=1, start="mean-volume-frame",
)  # fmt: skip


def write_trr(
    path: Path, volumes_nm3: npt.ArrayLike, interval_ps: float = 1.0, velocities: bool = True, seed: int = 1
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Random frames with cubic boxes; returns positions, velocities and boxes as written."""
    rng = np.random.default_rng(seed)
    edges = np.cbrt(np.asarray(volumes_nm3, dtype=np.float64))
    x = rng.uniform(0, 3, (len(edges), N_SITES, 3)).astype(np.float32)
    v = rng.normal(0, 0.4, x.shape).astype(np.float32)
    boxes = (edges[:, None, None] * np.eye(3)).astype(np.float32)
    with TRRFile(str(path), "w") as out:
        for index in range(len(edges)):
            out.write(
                x[index],
                v[index] if velocities else None,
                None,
                boxes[index],
                500 * index,
                index * interval_ps,
                0.0,
                N_SITES,
            )
    return x, v, boxes


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "md.trr"
    x, _, boxes = write_trr(path, [8.0, 27.0, 12.5], 0.2)
    states = read_states(path)
    assert [state.step for state in states] == [0, 500, 1000]
    assert [state.time_ps for state in states] == pytest.approx([0, 0.2, 0.4])
    assert [state.volume_nm3 for state in states] == pytest.approx([8, 27, 12.5], rel=1e-6)
    assert all(state.has_velocities for state in states)
    for index in (0, 1, 2, -1):
        positions, box = read_positions(path, index)
        np.testing.assert_array_equal(positions, x[index])
        np.testing.assert_array_equal(box, boxes[index])


def test_a_step_that_does_not_fit_is_one_line(tmp_path: Path) -> None:
    write_trr(tmp_path / "md.trr", [8.0])
    with pytest.raises(DataError, match="steps up to 2147483647, not 3000000000"):
        copy_frame(tmp_path / "md.trr", 0, tmp_path / "state.trr", step=3_000_000_000)
    assert not (tmp_path / "state.trr").exists()


@pytest.mark.parametrize("index", [0, 2, 4])
def test_a_copied_frame_is_bit_identical(tmp_path: Path, index: int) -> None:
    x, v, boxes = write_trr(tmp_path / "md.trr", [8.1, 8.2, 8.3, 8.4, 8.5], 0.3)
    copy_frame(tmp_path / "md.trr", index, tmp_path / "start.trr", step=77)
    with TRRFile(str(tmp_path / "start.trr")) as stream:
        frame = stream.read()
        assert len(stream) == 1
    for copied, original in ((frame.x, x), (frame.v, v), (frame.box, boxes)):
        assert copied.dtype == np.float32
        assert copied.tobytes() == original[index].tobytes()
    assert (frame.step, frame.time) == (77, 0.0)


def test_a_copied_frame_without_velocities_has_none(tmp_path: Path) -> None:
    write_trr(tmp_path / "md.trr", [8.0], velocities=False)
    copy_frame(tmp_path / "md.trr", 0, tmp_path / "start.trr")
    assert not read_states(tmp_path / "start.trr")[0].has_velocities


@pytest.mark.parametrize("keep", [0.99, 0.5, 0.2, 0.03])
def test_a_truncated_file_is_named(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "md.trr"
    write_trr(path, [8.0] * 3)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(DataError, match=r"md\.trr"):
        read_states(path)


@pytest.mark.parametrize("content", [b"", b"no trajectory at all, but a few words of text\n" * 9])
def test_a_foreign_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "md.trr"
    path.write_bytes(content)
    for read in (read_states, read_positions):
        with pytest.raises(DataError, match=r"md\.trr"):
            read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for read in (read_states, read_positions):
        with pytest.raises(DataError, match=r"md\.trr"):
            read(tmp_path / "md.trr")


@pytest.mark.parametrize("keep", [0.9, 0.05])
def test_a_truncated_last_state_is_no_start(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "state.trr"
    write_trr(path, [8.0])
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(DataError, match=r"state\.trr"):
        copy_frame(path, 0, tmp_path / "start.trr")
    with pytest.raises(DataError, match=r"state\.trr"):
        read_positions(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.trr"]


@pytest.mark.parametrize("index", [3, 100])
def test_a_frame_that_is_not_there_is_refused(tmp_path: Path, index: int) -> None:
    write_trr(tmp_path / "md.trr", [8.0] * 3)
    with pytest.raises(DataError, match=r"md\.trr"):
        copy_frame(tmp_path / "md.trr", index, tmp_path / "start.trr")


def test_nearest_to_mean_counts_from_the_first() -> None:
    volumes = np.array([10.0, 10.0, 9.0, 10.4, 9.8, 12.0])
    assert nearest_to_mean(volumes, 0, 10.0) == 0
    assert nearest_to_mean(volumes, 2, 10.0) == 4
    assert nearest_to_mean(volumes, 5, 10.0) == 5


FRAMES = 60
RELAXED = 24


def relaxing(monkeypatch: pytest.MonkeyPatch, interval_ps: float) -> npt.NDArray[np.float64]:
    """Volumes of the frames of a run: from far above down to 10 nm3, then noise; its energies are ten times denser."""
    rng = np.random.default_rng(5)
    n = 10 * (FRAMES - 1) + 1
    volume = 10 + 0.05 * rng.normal(size=n)
    volume[: 10 * RELAXED] += np.linspace(6, 1, 10 * RELAXED)
    energies = {"Time": np.arange(n) * interval_ps / 10, "Volume": volume}
    monkeypatch.setattr(start, "read_energies", lambda _: energies)
    return volume[::10].copy()


@pytest.mark.parametrize("interval_ps", [0.2, 1.0, 2.5, 50.0])
def test_the_frame_of_mean_volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interval_ps: float) -> None:
    """The published script of PEMD takes the index of a frame for its time, which is the same at 1 ps alone."""
    volumes = relaxing(monkeypatch, interval_ps)
    volumes[3] = 10.0  # the mean itself, but long before the volume has settled
    x, v, boxes = write_trr(tmp_path / "md.trr", volumes, interval_ps)
    chosen = choose_mean_volume_frame(tmp_path / "md.edr", tmp_path / "md.trr")
    assert chosen.equilibrated_from_ps >= (RELAXED - 2) * interval_ps
    assert chosen.mean_volume_nm3 == pytest.approx(10, abs=0.02)
    first = int(np.ceil(chosen.equilibrated_from_ps / interval_ps - 1e-6))
    assert chosen.frame == first + np.argmin(np.abs(volumes[first:] - chosen.mean_volume_nm3))
    assert chosen.time_ps == pytest.approx(chosen.frame * interval_ps)
    assert chosen.volume_nm3 == pytest.approx(volumes[chosen.frame], rel=1e-6)
    copy_frame(tmp_path / "md.trr", chosen.frame, tmp_path / "start.trr")
    with TRRFile(str(tmp_path / "start.trr")) as stream:
        frame = stream.read()
    for copied, original in ((frame.x, x), (frame.v, v), (frame.box, boxes)):
        np.testing.assert_array_equal(copied, original[chosen.frame])


def test_a_start_holds_the_chosen_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tmp_path / "npt"
    before.mkdir()
    _, v, _ = write_trr(before / "md.trr", relaxing(monkeypatch, 2.5), 2.5)
    (before / "md.gro").write_text("the sites\n")
    (before / "verdict.json").write_text("{}\n")
    made = prepare_start(NVT, before / "md.gro", tmp_path / "start")
    assert made.trr is not None
    with TRRFile(str(made.trr)) as stream:
        np.testing.assert_array_equal(stream.read().v, v[made.how["frame"]])
    assert made.how["time_ps"] == pytest.approx(2.5 * made.how["frame"])
    assert made.gro.read_text() == "the sites\n"


def test_no_velocities_no_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_trr(tmp_path / "md.trr", relaxing(monkeypatch, 1.0), velocities=False)
    with pytest.raises(DataError, match="has no velocities"):
        choose_mean_volume_frame(tmp_path / "md.edr", tmp_path / "md.trr")


def test_no_frame_after_equilibration_no_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_trr(tmp_path / "md.trr", relaxing(monkeypatch, 1.0)[: RELAXED - 5])
    with pytest.raises(DataError, match=r"no full-precision frame after .* lower state_interval_ps"):
        choose_mean_volume_frame(tmp_path / "md.edr", tmp_path / "md.trr")


def test_a_missing_start_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"md\.gro: no such start"):
        prepare_start(NVT, tmp_path / "md.gro", tmp_path / "start")
