"""The reduced trajectory as an HDF5 file: what it holds, written whole, read in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from eoli.errors import DataError

Floats = npt.NDArray[np.float64]

FORMAT = 2
_BYTES_AT_ONCE = 64e6
CADENCES = ("motion", "structure", "slow")
"""The three groups of frames; each has its own interval, a whole multiple of the trajectory's.

That of structure is a whole multiple of that of motion as well: each of its frames is a frame of motion, whose box
and drift of the system are also its own.
"""

ARRAYS = {
    "motion/box": "box edges, nm, (frames, 3)",
    "motion/lithium": "wrapped positions of lithium, nm, (frames, lithium ions, 3)",
    "motion/anions": "wrapped centres of mass of anions, nm, (frames, anions, 3)",
    "motion/chains": "wrapped centres of mass of chains, nm, (frames, chains, 3)",
    "motion/neighbours": "per lithium the sites that may bind it, nearest first, padded with -1, "
    "(frames, lithium ions, slots), within the attribute `range_nm`",
    "motion/distances": "their distances, nm, padded with infinity, (frames, lithium ions, slots)",
    "structure/pair_counts": "pairs by block of frames, kind of pair and bin, (blocks, kinds, bins); attributes by "
    "kind: `first` and `second` name the groups (`kinds` both), `n_first` are the sites of the first, `n_second` the "
    "partners that each has (of the same group one less, and each pair counts twice); `bin_nm` is the width of a bin",
    "structure/block_frames": "frames in each block, (blocks,)",
    "structure/block_inverse_volumes": "sum of 1/V over the frames of each block, 1/nm3, (blocks,)",
    "structure/fluorine": "wrapped positions of the fluorine atoms, nm, (frames, fluorine atoms, 3)",
    "structure/ether_oxygen": "wrapped positions of the ether oxygens, nm, (frames, ether oxygens, 3)",
    "structure/radius_of_gyration": "radius of gyration of each chain, nm, (frames, chains)",
    "structure/end_to_end": "vector from the first site of each chain to its last, nm, (frames, chains, 3)",
    "structure/torsions": "O-C-C-O torsions of the ether, radians, trans at pi, (frames, torsions)",
    "slow/box": "box edges, nm, (frames, 3)",
    "slow/positions": "wrapped positions of all sites, nm, (frames, sites, 3)",
}
"""What a file holds; an array of something that the system does not have is absent, never empty."""


@dataclass(frozen=True)
class Reduced:
    """An open reduced trajectory. Frame `k` of a cadence is at `k * interval_ps(cadence)`."""

    path: Path
    file: h5py.File

    def has(self, name: str) -> bool:
        """Whether the system has the array `name` of `ARRAYS`."""
        return name in self.file

    def interval_ps(self, cadence: str) -> float:
        """Spacing of the frames of a cadence, ps."""
        return float(self.file[cadence].attrs["interval_ps"])

    def n_frames(self, cadence: str) -> int:
        """Frames of a cadence."""
        return int(self.file[cadence].attrs["frames"])

    @property
    def motion_per_structure(self) -> int:
        """Frames of motion from one frame of structure to the next."""
        return round(self.interval_ps("structure") / self.interval_ps("motion"))

    @property
    def length_ps(self) -> float:
        """Time from the first frame of the trajectory to the last, ps."""
        return float(self.file.attrs["length_ps"])

    def attribute(self, name: str, key: str) -> Any:
        """An attribute of an array, e.g. `range_nm` of motion/neighbours."""
        return self.file[name].attrs[key]

    def array(self, name: str, particles: slice = slice(None)) -> npt.NDArray[Any]:
        """An array of `ARRAYS`, all frames; of its second axis the part `particles`.

        Raises DataError when the system does not have it.
        """
        if name not in self.file:
            raise DataError(f"{self.path}: holds no {name} ({ARRAYS[name]})")
        data = self.file[name]
        return np.asarray(data[:, particles] if data.ndim > 1 else data[:])

    def pieces(self, names: tuple[str, ...], frames: int = 2048) -> Iterator[tuple[int, tuple[npt.NDArray[Any], ...]]]:
        """Arrays of one cadence in consecutive pieces of at most `frames` frames: (first frame, arrays)."""
        total = len(self.file[names[0]])
        for first in range(0, total, frames):
            yield first, tuple(np.asarray(self.file[name][first : first + frames]) for name in names)

    def slow_frames(self, sites: npt.NDArray[np.int64] | None = None) -> Iterator[tuple[Floats, Floats]]:
        """Positions (sites, 3) and box edges (3,) of each slow frame, nm; of `sites` alone where given."""
        at_once = max(1, int(_BYTES_AT_ONCE / (12 * int(self.file.attrs["sites"]))))
        for _, (positions, boxes) in self.pieces(("slow/positions", "slow/box"), at_once):
            for frame, box in zip(positions, boxes, strict=True):
                chosen = frame if sites is None else frame[sites]
                yield chosen.astype(np.float64), box.astype(np.float64)


@contextmanager
def open_reduced(path: Path, n_sites: int) -> Iterator[Reduced]:
    """A reduced trajectory of a system with `n_sites` sites, for reading.

    Raises DataError, one line that names the file, when it is missing, no reduced trajectory, of another format or
    of another system.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such reduced trajectory")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path}: no readable HDF5 file: {error}") from error
    with file:
        found = file.attrs.get("format")
        if found != FORMAT:
            raise DataError(f"{path}: no reduced trajectory of format {FORMAT} (found: {found}); make it again")
        if int(file.attrs["sites"]) != n_sites:
            raise DataError(f"{path}: of {int(file.attrs['sites'])} sites; the system has {n_sites}")
        yield Reduced(path, file)


def create(path: Path, n_sites: int, length_ps: float, intervals_ps: Mapping[str, float]) -> h5py.File:
    """A new, empty file with its three cadences; the caller adds arrays and each cadence's attribute `frames`."""
    file = h5py.File(path, "w")
    file.attrs.update({"format": FORMAT, "sites": n_sites, "length_ps": length_ps})
    for cadence in CADENCES:
        file.create_group(cadence).attrs["interval_ps"] = intervals_ps[cadence]
    return file
