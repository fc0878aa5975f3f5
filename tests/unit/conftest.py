"""Building blocks of the project, and a small force field in the format of gromos54a7.ff with invented numbers."""

from __future__ import annotations

import itertools
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, settings

from eoli.forcefield.library import Library, library
from eoli.topology.gromos import Gromos54A7, read_gromos54a7
from support import ROOT

# a busy machine is slow, which is no failure of a property; the same examples every time
settings.register_profile("eoli", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("eoli")


MASSES = {
    "O": 15.9994,
    "OA": 15.9994,
    "OE": 15.9994,
    "CL-": 35.453,
    "N": 14.0067,
    "H": 1.008,
    "C": 12.011,
    "CH2": 14.027,
    "CH3": 15.035,
}
NUMBERS = {"O": 8, "OA": 8, "OE": 8, "CL-": 17, "N": 7, "H": 1, "C": 6, "CH2": 6, "CH3": 6}
SIGMA_EPSILON = {
    "O": (0.28, 1.2), "OA": (0.295, 0.8), "OE": (0.29, 1.0), "CL-": (0.44, 0.4), "N": (0.31, 0.7), "C": (0.35, 0.3), "CH2": (0.4, 0.4), "CH3": (0.38, 0.9),
}  # fmt: skip
BONDS = {
    "gb_1": 0.1,
    "gb_2": 0.1,
    "gb_5": 0.124,
    "gb_10": 0.134,
    "gb_13": 0.137,
    "gb_18": 0.144,
    "gb_21": 0.146,
    "gb_27": 0.152,
}
# the three angles around each planar centre sum to 360 degrees
ANGLES = {
    "ga_12": 109.0, "ga_13": 110.5, "ga_15": 112.0, "ga_16": 113.0, "ga_18": 115.0, "ga_19": 114.0, "ga_22": 118.0, "ga_30": 122.0,
    "ga_31": 123.0, "ga_32": 122.0, "ga_33": 124.0, "ga_35": 124.0,
}  # fmt: skip
TORSIONS = {
    "gd_12": (180.0, 17.0, 2), "gd_23": (0.0, 1.3, 3), "gd_14": (180.0, 34.0, 2), "gd_29": (0.0, 4.0, 3), "gd_34": (0.0, 6.0, 3),
    "gd_39": (180.0, 1.5, 6), "gd_40": (0.0, 1.5, 6),
}  # fmt: skip


def c6_c12(name: str) -> tuple[float, float]:
    """Invented C6 and C12 of a type; the amide hydrogen has none, as in the real force field."""
    if name not in SIGMA_EPSILON:
        return 0.0, 0.0
    sigma, epsilon = SIGMA_EPSILON[name]
    return 4 * epsilon * sigma**6, 4 * epsilon * sigma**12


def pair_c6_c12(a: str, b: str) -> tuple[float, float]:
    """An invented pair, off the geometric mean by a factor that depends on the two names."""
    (c6_a, c12_a), (c6_b, c12_b) = c6_c12(a), c6_c12(b)
    return math.sqrt(c6_a * c6_b), (1 + 0.01 * (len(a) + len(b))) * math.sqrt(c12_a * c12_b)


def write_forcefield(folder: Path) -> Path:
    """The four files that EOLI reads of an installed gromos54a7.ff."""
    folder.mkdir(parents=True)
    names = list(MASSES)
    rows = ["[ atomtypes ]", ";name at.num mass charge ptype c6 c12"]
    for name in names:
        c6, c12 = c6_c12(name)
        rows.append(f"{name:>5s} {NUMBERS[name]:4d}  0.000  0.000  A  {c6!r}  {c12!r}")
    rows += ["", "[ nonbond_params ]\t\t", ";\ti\tj\tfunc\tc6\tc12"]
    for a, b in itertools.combinations(names, 2):
        c6, c12 = pair_c6_c12(a, b)
        rows.append(f"\t{b}\t{a}\t1\t{c6!r}\t{c12!r}")
    rows += ["", "[ pairtypes ]\t\t", ";\ti\tj\tfunc\tc6\tc12"]
    for a, b in itertools.combinations_with_replacement(names, 2):
        c6, c12 = pair_c6_c12(a, b)
        rows.append(f"\t{b}\t{a}\t1\t{0.8 * c6!r}\t{0.5 * c12!r}")
    (folder / "ffnonbonded.itp").write_text("\n".join(rows) + "\n")
    bonded = ["; invented", "#define gi_1 0.0 170.0"]
    bonded += [f"#define {name}   {length}  8.0e+06\n; a remark" for name, length in BONDS.items()]
    bonded += [f"#define {name}   {angle}  500.0" for name, angle in ANGLES.items()]
    bonded += [f"#define {name}   {phase}  {k}  {n} ; as used" for name, (phase, k, n) in TORSIONS.items()]
    (folder / "ffbonded.itp").write_text("\n".join([*bonded, "", "[ bondtypes ]", ""]))
    (folder / "atomtypes.atp").write_text("".join(f"{n:>5s} {m:.5f} ;  remark\n" for n, m in MASSES.items()))
    (folder / "forcefield.itp").write_text(
        '#define _FF_GROMOS96\n[ defaults ]\n; nbfunc\n  1\t1\tno\t1.0\t1.0\n\n#include "ffnonbonded.itp"\n'
    )
    return folder


@pytest.fixture(scope="session")
def forcefield_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small force field on disk."""
    return write_forcefield(tmp_path_factory.mktemp("top") / "gromos54a7.ff")


@pytest.fixture(scope="session")
def forcefield(forcefield_folder: Path) -> Gromos54A7:
    """The small force field as EOLI reads it."""
    return read_gromos54a7(forcefield_folder)


@pytest.fixture(scope="session")
def blocks() -> Library:
    """The shipped building blocks."""
    return library(ROOT / "topologies")


@pytest.fixture
def copied_blocks(tmp_path: Path) -> Path:
    """A copy of the shipped building blocks that a test may break."""
    return Path(shutil.copytree(ROOT / "topologies", tmp_path / "topologies"))


Edit = Callable[[str, Callable[[Any], None]], Path]


@pytest.fixture
def edit_block(copied_blocks: Path) -> Edit:
    """Change the data of one building-block file in place; returns its path."""

    def edit(name: str, change: Callable[[Any], None]) -> Path:
        path = copied_blocks / name
        data = yaml.safe_load(path.read_text())
        change(data)
        path.write_text(yaml.safe_dump(data, sort_keys=False))
        return path

    return edit
