"""The reduced trajectory as an HDF5 file: contract of its arrays, written whole, checked once, read in pieces."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from eoli.core.arrays import Floats
from eoli.errors import DataError
from eoli.topology.description import SystemDescription
from eoli.topology.selections import binding_sites, ether_torsions, pair_groups
from eoli.topology.species import members_of
from eoli.trajectory.sizes import FORMAT

Check = Callable[[npt.NDArray[Any]], bool]

_BYTES_AT_ONCE = 64e6
_FREE = -1
CADENCES = ("motion", "structure", "slow")
"""The three cadences of frames; each interval is a whole multiple of the trajectory's.

Structure's interval is also a multiple of motion's: each structure frame is a motion frame and has its box and drift.
"""

CENTRES = {"anion": "anions", "chain": "chains", "solvent": "solvents", "cation": "cations"}
"""Arrays of centres of mass by family of species (`topology.species.FAMILIES`), in the order of its particles."""

ARRAYS = {
    "motion/box": "box edges, nm, (frames, 3)",
    "motion/lithium": "wrapped positions of lithium, nm, (frames, lithium ions, 3)",
    "motion/anions": "wrapped centres of mass of anions, nm, (frames, anions, 3)",
    "motion/chains": "wrapped centres of mass of chains, nm, (frames, chains, 3)",
    "motion/solvents": "wrapped centres of mass of solvent molecules, nm, (frames, molecules, 3)",
    "motion/cations": "wrapped centres of mass of cations other than lithium, nm, (frames, cations, 3)",
    "motion/neighbours": "per lithium the sites that may bind it, nearest first, padded with -1, "
    "(frames, lithium ions, slots), all within the attribute `range_nm`, the last slot free",
    "motion/distances": "their distances, nm, padded with infinity, (frames, lithium ions, slots), the last slot free",
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
"""Contents of a file; an array of something that the system does not have is absent, never empty."""


@dataclass(frozen=True)
class _Contract:
    """What an array must be: kind of numbers, lengths of the axes after the first (below 0: free), values."""

    kind: str
    shape: tuple[int, ...]
    holds: Check


def _finite(values: npt.NDArray[Any]) -> bool:
    return bool(np.isfinite(values).all())


def _positive(values: npt.NDArray[Any]) -> bool:
    return _finite(values) and bool((values > 0).all())


def _not_negative(values: npt.NDArray[Any]) -> bool:
    return bool((values >= 0).all())


def _sorted(distances: npt.NDArray[Any]) -> bool:
    # NaN fails every comparison, infinity pads
    ordered = _not_negative(distances) and bool((distances[..., 1:] >= distances[..., :-1]).all())
    # a list without a free slot may lack a neighbour
    return ordered and bool(np.isinf(distances[..., -1]).all())


def _some_of(sites: npt.NDArray[np.int64], n_sites: int) -> Check:
    """Whether rows hold only `sites`, padded with -1 at the end."""
    allowed = np.zeros(n_sites + 1, dtype=np.bool_)
    allowed[sites] = allowed[-1] = True

    def holds(numbers: npt.NDArray[Any]) -> bool:
        if not ((numbers >= -1) & (numbers < n_sites)).all() or not allowed[numbers].all():
            return False
        return not ((numbers[..., 1:] >= 0) & (numbers[..., :-1] < 0)).any()

    return holds


def _contracts(system: SystemDescription) -> dict[str, _Contract]:
    """Contract of every array that the reduced trajectory of a system may hold, by name."""
    lithium, binding = len(system.with_role("Li")), binding_sites(system)
    torsions = len(ether_torsions(system))
    centres = {f"motion/{name}": len(members_of(system, family)) for family, name in CENTRES.items()}
    chains = centres["motion/chains"]
    points = {
        "motion/lithium": lithium,
        **centres,
        "structure/fluorine": len(system.with_role("anion_F")),
        "structure/ether_oxygen": len(system.with_role("ether_O")),
        "structure/end_to_end": chains,
        "slow/positions": system.n_sites,
    }
    found = {name: _Contract("f", (number, 3), _finite) for name, number in points.items() if number}
    found |= {f"{cadence}/box": _Contract("f", (3,), _positive) for cadence in ("motion", "slow")}
    if lithium and len(binding):
        found["motion/neighbours"] = _Contract("i", (lithium, _FREE), _some_of(binding, system.n_sites))
        found["motion/distances"] = _Contract("f", (lithium, _FREE), _sorted)
    if chains:
        found["structure/radius_of_gyration"] = _Contract("f", (chains,), lambda x: _finite(x) and _not_negative(x))
    if torsions:
        found["structure/torsions"] = _Contract("f", (torsions,), lambda x: bool((np.abs(x) < 3.1416).all()))
    found["structure/block_frames"] = _Contract("i", (), _not_negative)
    found["structure/block_inverse_volumes"] = _Contract("f", (), _positive)
    if pair_groups(system):
        kinds = sum(len(partners) for partners in pair_groups(system).values())
        found["structure/pair_counts"] = _Contract("i", (kinds, _FREE), _not_negative)
    return found


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns errors of the HDF5 library and numpy about a broken or foreign file into DataError."""
    try:
        yield
    except DataError:
        raise
    except (OSError, LookupError, ArithmeticError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not whole, or changed since it was made; make it again ({error})") from error


def _rows(data: h5py.Dataset) -> Iterator[npt.NDArray[Any]]:
    """An array in consecutive pieces of bounded size."""
    n = max(1, int(_BYTES_AT_ONCE * len(data) / max(1, data.nbytes)))
    for start in range(0, len(data), n):
        yield np.ascontiguousarray(data[start : start + n])


def _datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """All arrays of a file by name; links out of the file, or to nothing, are not followed."""
    found: dict[str, h5py.Dataset] = {}
    file.visititems(lambda name, of: found.update({name: of}) if isinstance(of, h5py.Dataset) else None)
    return found


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: np.asarray(value).tolist() for key, value in attributes.items() if key != "signature"}


def _signature(file: h5py.File) -> str:
    """SHA-256 of all attributes (checksums of the arrays included), shapes and types."""
    parts = {name: [_plain(data.attrs), list(data.shape), data.dtype.str] for name, data in _datasets(file).items()}
    groups = {name: _plain(file[name].attrs) for name in file}
    return hashlib.sha256(json.dumps([_plain(file.attrs), groups, parts], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Reduced:
    """An open reduced trajectory. Frame `k` of a cadence is at `k * interval_ps(cadence)`.

    Use `file` only for shapes and attributes. The methods read numbers; they check an array once before they return any
    of it.
    """

    path: Path
    file: h5py.File
    _contracts: Mapping[str, _Contract]
    _checked: set[str] = field(default_factory=set)

    def has(self, name: str) -> bool:
        """Whether the system has the array `name` of `ARRAYS`.

        Raises DataError if the file lacks what the system has.
        """
        if name in self._contracts and name not in self.file:
            raise DataError(f"{self.path}: holds no {name} ({ARRAYS[name]}), which the system has; make it again")
        return name in self._contracts

    def interval_ps(self, cadence: str) -> float:
        """Spacing of the frames of a cadence, ps."""
        return float(self.file[cadence].attrs["interval_ps"])

    def n_frames(self, cadence: str) -> int:
        """Number of frames of a cadence."""
        return int(self.file[cadence].attrs["frames"])

    @property
    def motion_per_structure(self) -> int:
        """Motion frames from one structure frame to the next."""
        return round(self.interval_ps("structure") / self.interval_ps("motion"))

    @property
    def length_ps(self) -> float:
        """Time from first to last frame of the trajectory, ps."""
        return float(self.file.attrs["length_ps"])

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an array; raises DataError as `array` does."""
        return tuple(self._data(name).shape)

    def attribute(self, name: str, key: str) -> Any:
        """An attribute of an array, e.g. `range_nm` of motion/neighbours; raises DataError as `array` does."""
        with _readable(self.path):
            return self._data(name).attrs[key]

    def _data(self, name: str) -> h5py.Dataset:
        """An array; its shape, checksum and values are checked piece by piece at the first request."""
        if not self.has(name):
            raise DataError(f"{self.path}: holds no {name} ({ARRAYS[name]})")
        with _readable(self.path):
            data = self.file[name]
            if name not in self._checked:
                self._check(name, data)
                self._checked.add(name)
        return data

    def _check(self, name: str, data: h5py.Dataset) -> None:
        wanted, cadence = self._contracts[name], name.split("/")[0]
        summed = name.startswith(("structure/block", "structure/pair"))
        frames = data.shape[0] if summed else self.n_frames(cadence)
        shape = tuple(found if of < 0 else of for of, found in zip((frames, *wanted.shape), data.shape, strict=True))
        if data.dtype.kind != wanted.kind or data.shape != shape:
            raise DataError(
                f"{self.path}: {name} is {data.dtype} of shape {data.shape}; the system has {shape}; make it again"
            )
        checksum, sound = hashlib.sha256(), True
        for piece in _rows(data):
            checksum.update(piece.data)
            sound = sound and wanted.holds(piece)
        if checksum.hexdigest() != data.attrs["sha256"]:
            raise DataError(f"{self.path}: {name} was changed since it was made; make it again")
        if not sound:
            raise DataError(f"{self.path}: {name} holds numbers that it cannot have ({ARRAYS[name]}); make it again")

    def array(self, name: str, particles: slice = slice(None)) -> npt.NDArray[Any]:
        """All frames of an array of `ARRAYS`; `particles` selects from its second axis.

        Raises DataError if the system does not have it, or if it was changed since it was made.
        """
        data = self._data(name)
        return np.asarray(data[:, particles] if data.ndim > 1 else data[:])

    def frame(self, name: str, number: int) -> npt.NDArray[Any]:
        """One frame of an array; raises DataError as `array` does."""
        return np.asarray(self._data(name)[number])

    def pieces(self, names: tuple[str, ...], frames: int = 2048) -> Iterator[tuple[int, tuple[npt.NDArray[Any], ...]]]:
        """Arrays of one cadence in consecutive pieces of at most `frames` frames and 64 MB each: (first frame, arrays).

        Raises DataError as `array` does.
        """
        arrays = [self._data(name) for name in names]
        largest = max(data.nbytes / max(1, len(data)) for data in arrays)
        frames = min(frames, max(1, int(_BYTES_AT_ONCE / max(1, largest))))
        for first in range(0, len(arrays[0]), frames):
            yield first, tuple(np.asarray(data[first : first + frames]) for data in arrays)

    def slow_frames(self, sites: npt.NDArray[np.int64] | None = None) -> Iterator[tuple[Floats, Floats]]:
        """Positions (sites, 3) and box edges (3,) of each slow frame, nm; only of `sites`, if given.

        Raises DataError as `array` does.
        """
        at_once = max(1, int(_BYTES_AT_ONCE / (12 * self.shape("slow/positions")[1])))
        for _, (positions, boxes) in self.pieces(("slow/positions", "slow/box"), at_once):
            for frame, box in zip(positions, boxes, strict=True):
                chosen = frame if sites is None else frame[sites]
                yield chosen.astype(np.float64), box.astype(np.float64)


def _check_file(path: Path, file: h5py.File, system: SystemDescription) -> None:
    found = file.attrs.get("format")
    if np.ndim(found) or found != FORMAT:
        raise DataError(f"{path}: no reduced trajectory of format {FORMAT} (found: {found}); make it again")
    if file.attrs.get("signature") != _signature(file):
        raise DataError(f"{path}: not whole, or changed since it was made; make it again")
    if file.attrs["description"] != system.digest:
        raise DataError(
            f"{path}: of {file.attrs['sites']} sites, made with another description of the system than the one given "
            f"({system.n_sites} sites); make it again"
        )
    intervals = {cadence: float(file[cadence].attrs["interval_ps"]) for cadence in CADENCES}
    frames = [int(file[cadence].attrs["frames"]) for cadence in CADENCES]
    ratio = intervals["structure"] / intervals["motion"]
    if not (
        all(0 < of < math.inf for of in intervals.values()) and min(frames) > 0 and abs(ratio - round(ratio)) < 1e-3
    ):
        raise DataError(f"{path}: frames of {intervals} ps and numbers of frames {frames}; make it again")


@contextmanager
def open_reduced(path: Path, system: SystemDescription) -> Iterator[Reduced]:
    """A reduced trajectory of a system, for reading.

    Raises DataError, one line that names the file, if it is missing, no reduced trajectory, of another format,
    incomplete, changed since it was made, or made with another description than the system's.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such reduced trajectory")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path}: no readable HDF5 file: {error}") from error
    with file:
        with _readable(path):
            _check_file(path, file, system)
        yield Reduced(path, file, _contracts(system))


def create(path: Path, n_sites: int, length_ps: float, intervals_ps: Mapping[str, float]) -> h5py.File:
    """A new, empty file with three cadences; the caller adds arrays and each cadence's `frames`, then calls `seal`."""
    file = h5py.File(path, "w")
    file.attrs.update({"format": FORMAT, "sites": n_sites, "length_ps": length_ps})
    for cadence in CADENCES:
        file.create_group(cadence).attrs["interval_ps"] = intervals_ps[cadence]
    return file


def seal(path: Path, system: SystemDescription) -> None:
    """Add to a complete file what readers check: SHA-256 of each array, of the description, of all attributes."""
    with h5py.File(path, "r+") as file:
        for data in _datasets(file).values():
            checksum = hashlib.sha256()
            for piece in _rows(data):
                checksum.update(piece.data)
            data.attrs["sha256"] = checksum.hexdigest()
        file.attrs["description"] = system.digest
        file.attrs["signature"] = _signature(file)
