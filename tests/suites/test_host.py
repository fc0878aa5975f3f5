"""What another GROMACS made, in `EOLI_HOST`: its energies, and its runs and results, taken up by the GROMACS here."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from MDAnalysis.lib.formats.libmdaxdr import XTCFile
from points import KEPT, PROTOCOL, evaluate, structures

from support import SYSTEMS, TINY, snakemake

HOST = Path(os.environ.get("EOLI_HOST", "/nowhere"))
pytestmark = [
    pytest.mark.gmx,
    pytest.mark.workflow,
    pytest.mark.skipif(not (HOST / KEPT).is_file(), reason="no results of another GROMACS: make test-gromacs"),
]
TERMS = (
    "G96Bond", "Bond", "G96Angle", "Angle", "Proper Dih.", "Fourier Dih.", "Improper Dih.", "LJ-14", "Coulomb-14",
    "LJ (SR)", "Disper. corr.", "Coulomb (SR)", "Coul. recip.", "Potential",
)  # fmt: skip
# sums in another order differ in the last of 24 bits; where the parts of a term cancel, it keeps the bits of its parts
RELATIVE, OF_ALL_TERMS, OF_RMS_FORCE = 1e-6, 1e-9, 1e-4


def test_energies_term_by_term(tmp_path: Path) -> None:
    kept = json.loads((HOST / KEPT).read_text())
    assert len(kept) == len(structures(HOST)) >= 10
    largest, largest_force = (0.0, ""), 0.0
    for number, (name, point) in enumerate(kept.items()):
        here = evaluate(HOST / name, HOST / PROTOCOL, tmp_path / str(number))
        there, forces = point["terms"], np.array(point["forces"])
        assert {term for term in TERMS if term in here.terms} == {term for term in TERMS if term in there}
        size = sum(abs(there.get(term, 0.0)) for term in TERMS)
        for term in TERMS:
            if there.get(term):
                largest = max(largest, (abs(here.terms[term] / there[term] - 1), f"{term} of {name}"))
                allowed = RELATIVE * abs(there[term]) + OF_ALL_TERMS * size
                assert here.terms[term] == pytest.approx(there[term], rel=0, abs=allowed), f"{term} of {name}"
        rms = np.sqrt((forces**2).sum(axis=1).mean())
        largest_force = max(largest_force, float(np.abs(here.forces - forces).max() / rms))
    print(f"largest relative difference of {len(kept)} points: {largest[0]:.1e}, {largest[1]}")
    print(f"largest difference of a force: {largest_force:.1e} of the root mean square")
    assert largest_force < OF_RMS_FORCE


@pytest.fixture
def taken(tmp_path: Path) -> Path:
    """A copy of the study with its dates and records."""
    return Path(shutil.copytree(HOST, tmp_path / "taken", symlinks=True))


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open() as stream:
        return {row["system"]: row for row in csv.DictReader(stream)}


def number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def test_results_are_the_same_from_the_same_runs(taken: Path) -> None:
    """Another GROMACS and other libraries make nothing stale, and their analyses give the same numbers."""
    table = taken / "results/summary/sweep.csv"
    before = rows(table)
    again = snakemake(taken)
    assert again.returncode == 0 and "Nothing to be done" in again.stdout, again.stdout
    forced = snakemake(taken, "-R", "reduce", "density", "traces", "interactions", "collect")
    assert forced.returncode == 0, forced.stdout
    after = rows(table)
    assert set(after) == set(before) == set(SYSTEMS)
    largest, off = (0.0, ""), []
    for system, row in before.items():
        assert set(after[system]) == set(row)
        for column, text in row.items():
            there, here = number(text), number(after[system][column])
            if there is None or here is None:
                if text != after[system][column]:
                    off.append(f"{system} {column}: {text!r}, {after[system][column]!r}")
            elif there != here and not (np.isnan(there) and np.isnan(here)):
                difference = abs(here - there) / max(abs(there), abs(here))
                largest = max(largest, (difference, f"{column} of {system}"))
    print(f"largest relative difference of a number of sweep.csv: {largest[0]:.1e} {largest[1]}")
    assert not off
    assert largest[0] < RELATIVE, largest


def positions(path: Path) -> npt.NDArray[np.float32]:
    with XTCFile(str(path)) as stream:
        return np.array([frame.x.copy() for frame in stream])


def test_runs_are_extended(taken: Path) -> None:
    trajectories = [taken / "results" / system / "production/md.xtc" for system in SYSTEMS]
    before = [positions(path) for path in trajectories]
    (taken / "longer.yaml").write_text("stages: {production: {length_ns: 0.006}}\n")
    run = snakemake(taken, config=(TINY, "longer.yaml"))
    assert run.returncode == 0, run.stdout
    assert run.stdout.count("is extended from 0.004 to 0.006 ns") == len(SYSTEMS)
    for path, old in zip(trajectories, before, strict=True):
        new = positions(path)
        assert len(new) == 61
        np.testing.assert_array_equal(new[: len(old)], old)
