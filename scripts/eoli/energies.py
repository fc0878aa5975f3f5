"""Energy files of GROMACS: all terms by name, and the density of each frame."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyedr

from eoli.errors import DataError
from eoli.sweep import GRAM_PER_MOL_NM3

Floats = npt.NDArray[np.float64]
_MASS_TOLERANCE = 5e-3
_MAGIC = struct.pack(">i", -55555)


def read_energies(path: Path, least: int = 2) -> dict[str, Floats]:
    """All terms of an energy file by name, each of shape (n,), in its own units; `Time` in ps.

    Raises DataError when the file is missing, unreadable or has fewer than `least` frames.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such energy file")
    # The parser takes the first word of a foreign file for a number of terms, and fills the memory with them.
    with path.open("rb") as stream:
        if stream.read(len(_MAGIC)) != _MAGIC:
            raise DataError(f"{path}: no energy file of GROMACS")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            terms: dict[str, Floats] = pyedr.edr_to_dict(str(path))
    except Exception as error:  # the parser has no error type of its own: it fails as its decoders do
        raise DataError(f"{path}: no readable energy file ({type(error).__name__})") from error
    if len(terms.get("Time", ())) < least:
        raise DataError(f"{path}: fewer than {least} energy frames")
    return terms


def densities(terms: dict[str, Floats], mass_g_mol: float) -> Floats:
    """Density of each energy frame, g/cm3, shape (n,).

    From the term `Density` (kg/m3), else from the mass and `Volume` (nm3) or the box edges `Box-X/Y/Z` (nm). Raises
    DataError when no volume is there, or when the density disagrees with mass over volume by more than 0.5 %: the
    description is then not that of this run.
    """
    if "Volume" in terms:
        volume = terms["Volume"]
    elif all(f"Box-{axis}" in terms for axis in "XYZ"):
        volume = terms["Box-X"] * terms["Box-Y"] * terms["Box-Z"]
    else:
        volume = None
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
