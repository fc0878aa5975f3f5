"""Energies of single structures by GROMACS, term by term."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyedr
import pytest

from eoli.gromacs.build import Gromacs
from eoli.gromacs.tools import grompp
from eoli.topology.imported import ImportedTopology

EDGE_NM = 4.0
MDP = {
    "integrator": "md", "nsteps": "0", "continuation": "yes", "nstenergy": "1", "nstcalcenergy": "1", "dt": "0.0001",
    "verlet-buffer-tolerance": "-1", "rlist": "1.0", "rcoulomb": "0.9", "rvdw": "0.9", "coulombtype": "pme",
}  # fmt: skip


def lattice(n: int) -> np.ndarray:
    """The first n points of a cubic lattice, shape (n, 3)."""
    side = int(np.ceil(n ** (1 / 3)))
    return np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)[:n].astype(float)


def structure(path: Path, topology: ImportedTopology, counts: Mapping[str, int]) -> Path:
    """A box of molecules on a lattice, their atoms on small shaken lattices: nothing but its energy matters."""
    rng = np.random.default_rng(3)
    molecules = [topology.molecule(name) for name, count in counts.items() for _ in range(count)]
    rows = []
    for molecule, centre in zip(molecules, 0.9 * lattice(len(molecules)), strict=True):
        x = centre + 0.15 * lattice(len(molecule.sites)) + rng.uniform(-0.02, 0.02, (len(molecule.sites), 3))
        rows += [
            f"{site.residue_number:5d}{site.residue:<5s}{site.name:>5s}{0:5d}{a:8.3f}{b:8.3f}{c:8.3f}"
            for site, (a, b, c) in zip(molecule.sites, x, strict=True)
        ]
    box = f"{EDGE_NM:10.5f}" * 3
    path.write_text("\n".join(["test", str(len(rows)), *rows, box]) + "\n")
    return path


def energies(gromacs: Gromacs, top: Path, gro: Path, folder: Path) -> dict[str, float]:
    """All energy terms of one structure; grompp must take the files without a warning."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sp.mdp").write_text("".join(f"{key} = {value}\n" for key, value in MDP.items()))
    grompp(gromacs, folder / "sp.mdp", gro, top, folder / "sp.tpr", folder / "grompp.log", None)
    # without the last word its Fourier transforms are chosen by timing, and the last digits differ from run to run
    run = subprocess.run(
        [str(gromacs.program), "mdrun", "-deffnm", "sp", "-rerun", str(gro), "-ntmpi", "1", "-ntomp", "1", "-reprod"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    found = {name: float(values[0]) for name, values in pyedr.edr_to_dict(str(folder / "sp.edr")).items()}
    # velocities are none of the topology's business
    return {
        name: value for name, value in found.items() if not re.search("Time|Kinetic|Total|Conserved|Temp|Pres", name)
    }


def compare(one: Mapping[str, float], other: Mapping[str, float], rel: float = 1e-6) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert other[name] == pytest.approx(value, rel=rel, abs=1e-9), name
