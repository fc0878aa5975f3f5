"""The start of a stage: a packed box, or a full-precision frame of the previous stage."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eoli.core.statistics import equilibrated_mean
from eoli.errors import DataError
from eoli.gromacs.energies import read_energies
from eoli.gromacs.states import copy_frame, nearest_to_mean, read_states
from eoli.study.protocol import Stage


@dataclass(frozen=True)
class Start:
    """Start coordinates of a stage: `gro` names the sites; `trr` has positions, velocities and box in full."""

    gro: Path
    trr: Path | None
    how: dict[str, Any]

    @property
    def files(self) -> list[Path]:
        """The files that determine the start."""
        return [self.gro] if self.trr is None else [self.gro, self.trr]


@dataclass(frozen=True)
class MeanVolumeFrame:
    """Frame whose volume is closest to the mean of the equilibrated part (nm3, ps)."""

    frame: int
    time_ps: float
    volume_nm3: float
    mean_volume_nm3: float
    mean_volume_error_nm3: float
    equilibrated_from_ps: float


def choose_mean_volume_frame(energies_edr: Path, states_trr: Path) -> MeanVolumeFrame:
    """Choose a TRR frame by the volumes of the whole run.

    Raises DataError if no full-precision frame lies in the equilibrated part.
    """
    energies = read_energies(energies_edr)
    mean = equilibrated_mean(energies["Volume"])
    since = float(energies["Time"][mean.first_equilibrated_index])
    states = read_states(states_trr)
    later = [index for index, state in enumerate(states) if state.time_ps >= since - 1e-3]
    if not later:
        raise DataError(f"{states_trr}: no full-precision frame after {since:g} ps; lower state_interval_ps")
    index = nearest_to_mean(np.array([state.volume_nm3 for state in states]), later[0], mean.value)
    if not states[index].has_velocities:
        raise DataError(f"{states_trr}: the frame at {states[index].time_ps:g} ps has no velocities")
    return MeanVolumeFrame(
        index, states[index].time_ps, states[index].volume_nm3, mean.value, mean.standard_error, since
    )


def source_files(stage: Stage, source: Path) -> list[Path]:
    """Files that a start is made from: a box, or md.gro of the previous stage and the files beside it."""
    if not _is_of_a_stage(source):
        return [source]
    return [source.parent / name for name in stage.read_of_start]


def _is_of_a_stage(source: Path) -> bool:
    # by name, not by the files beside it: if one is lost, no stage must start from rounded positions at rest
    return source.name == "md.gro"


def prepare_start(stage: Stage, source: Path, folder: Path) -> Start:
    """Put the start of a stage into `folder`. `source` is a box, or md.gro of the previous stage with its files beside.

    Raises DataError if the source lacks what the stage needs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    gro, trr = folder / "start.gro", folder / "start.trr"
    trr.unlink(missing_ok=True)
    if not source.is_file():
        raise DataError(f"{source}: no such start")
    shutil.copyfile(source, gro)
    if not _is_of_a_stage(source):
        return Start(gro, None, {"from": "box"})
    before = source.parent
    if stage.start == "mean-volume-frame":
        chosen = choose_mean_volume_frame(before / "md.edr", before / "md.trr")
        copy_frame(before / "md.trr", chosen.frame, trr)
        return Start(gro, trr, {"from": "mean-volume-frame", **asdict(chosen)})
    copy_frame(before / "state.trr", 0, trr)
    return Start(gro, trr, {"from": "last-frame"})
