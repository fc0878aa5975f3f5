"""Energy files of GROMACS: all terms by name, and the density of each frame."""

from __future__ import annotations

import math
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyedr.pyedr

from eoli.core.units import GRAM_PER_MOL_NM3
from eoli.errors import DataError

Floats = npt.NDArray[np.float64]
_MASS_TOLERANCE = 5e-3
_OFF_STEP = 0.5
_GAP = 1.5
# a length that is no whole number of steps is rounded
_OFF_END_PS = 0.005
_MAGIC = struct.pack(">i", -55555)


def _frames(path: Path) -> tuple[dict[str, Floats], Floats]:
    """Terms by name, and the offset of each frame's time from its step, in steps.

    Raises DataError if frames end before the file does: `pyedr.edr_to_dict` takes that for the end.
    """
    file = pyedr.pyedr.EDRFile(str(path))
    rows, off, first, end = [], [], None, file.data.get_position()
    for frame in file:
        end = file.data.get_position()
        if frame.ener:
            first = first or frame
            # a list of numbers takes four times the memory of an array
            rows.append(np.array([frame.t, *(energy.e for energy in frame.ener)]))
            if frame.dt > 0:
                off.append((frame.t - first.t) / frame.dt - (frame.step - first.step))
    if end != path.stat().st_size:
        raise DataError(f"{path}: truncated after {len(rows)} energy frames")
    names = ["Time", *(name.name for name in file.nms)]
    return dict(zip(names, np.array(rows).reshape(-1, len(names)).T.copy(), strict=True)), np.array(off)


def _is_of_gromacs(path: Path) -> bool:
    # the parser reads the first word of a foreign file as a number of terms, and fills the memory with them
    with path.open("rb") as stream:
        return stream.read(len(_MAGIC)) == _MAGIC


def read_energies(path: Path, least: int = 2, length_ps: float | None = None) -> dict[str, Floats]:
    """All terms of an energy file by name, each of shape (n,), in its own units; `Time` in ps.

    `length_ps` is the length of a run of dynamics, if known. Raises DataError if the file is missing, unreadable,
    truncated, has fewer than `least` frames, or times that go back; with a length also if it ends early, lacks frames,
    or has times that do not fit their steps.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such energy file")
    if not _is_of_gromacs(path):
        raise DataError(f"{path}: no energy file of GROMACS")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            terms, off = _frames(path)
    except DataError:
        raise
    except MemoryError:
        raise MemoryError(f"energies of {path}") from None
    except Exception as error:  # the parser has no error type of its own: it fails as its decoders do
        raise DataError(f"{path}: no readable energy file ({type(error).__name__})") from error
    time = terms["Time"]
    if len(time) < least:
        raise DataError(f"{path}: fewer than {least} energy frames")
    if not (np.isfinite(time).all() and (np.diff(time) >= 0).all()):
        raise DataError(f"{path}: times of energy frames that go back or are not finite")
    if length_ps is not None:
        _check_run(path, terms, off, length_ps)
    return terms


def box_edges_nm(path: Path, step: int) -> tuple[float, ...] | None:
    """Edges of a box at a step, nm; None if the energies do not have it. What comes after the step is not read."""
    if not path.is_file() or not _is_of_gromacs(path):
        return None
    try:
        file = pyedr.pyedr.EDRFile(str(path))
        frame = next((frame for frame in file if frame.ener and frame.step == step), None)
    except Exception:  # the parser fails as its decoders do
        return None
    if frame is None:
        return None
    terms = dict(zip((name.name for name in file.nms), (energy.e for energy in frame.ener), strict=True))
    edges = tuple(terms.get(f"Box-{axis}", 0.0) for axis in "XYZ")
    return edges if min(edges) > 0 and all(map(math.isfinite, edges)) else None


def check_energies(path: Path, mass_g_mol: float) -> None:
    """Check that an energy file made elsewhere is one of a box with that mass.

    Raises DataError as `read_energies` and `densities` do: for energies that cannot be read, or of another box.
    """
    try:
        densities(read_energies(path), mass_g_mol)
    except DataError as error:
        said = str(error).removeprefix(f"{path}: ")
        raise DataError(f"{path}: {said}; allowed: energies of this box with its density, or none") from None


def _check_run(path: Path, terms: Mapping[str, Floats], off: Floats, length_ps: float) -> None:
    """Raise DataError for anything that a complete run of dynamics does not write."""
    time = terms["Time"]
    if "Temperature" not in terms:
        raise DataError(f"{path}: no energies of dynamics")
    if time[-1] < length_ps - _OFF_END_PS:
        raise DataError(f"{path}: energies to {time[-1]:g} ps; the run has {length_ps:g} ps")
    # a stop between two energies adds one: intervals may be shorter than the others, never longer
    intervals = np.diff(time)
    if (np.abs(off) > _OFF_STEP).any() or (intervals > _GAP * np.median(intervals)).any():
        raise DataError(f"{path}: energy frames are missing, or are not at the times of their steps")


def densities(terms: dict[str, Floats], mass_g_mol: float) -> Floats:
    """Density of each energy frame, g/cm3, shape (n,).

    From the term `Density` (kg/m3), else from the mass and `Volume` (nm3) or the box edges `Box-X/Y/Z` (nm). Raises
    DataError for a missing or impossible volume, or if the density differs from mass over volume by more than 0.5 %:
    then the description is not of this run.
    """
    for name in ("Volume", "Density", "Box-X", "Box-Y", "Box-Z"):
        if name in terms and not ((terms[name] > 0) & np.isfinite(terms[name])).all():
            raise DataError(f"{name} is not finite and above 0 in all energy frames")
    edges = [terms[f"Box-{axis}"] for axis in "XYZ" if f"Box-{axis}" in terms]
    volume = terms.get("Volume", math.prod(edges) if len(edges) == 3 else None)
    expected = None if volume is None else mass_g_mol / (GRAM_PER_MOL_NM3 * np.asarray(volume, dtype=np.float64))
    if "Density" not in terms:
        if expected is None:
            raise DataError("no density, volume or box among the energies (a run at constant volume does not write it)")
        return expected
    density = np.asarray(terms["Density"], dtype=np.float64) / 1000
    if expected is not None and not np.allclose(density, expected, rtol=_MASS_TOLERANCE, atol=0):
        raise DataError(
            f"the density {density.mean():.4f} g/cm3 is not that of {mass_g_mol:.1f} g/mol in the volume of the run "
            f"({expected.mean():.4f} g/cm3); the description is of another system"
        )
    return density
