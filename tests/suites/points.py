"""Energies and forces of one configuration of each stage of a finished tiny study: `points.py STUDY` keeps them there.

Configurations are the structures that the study published, with the positions that their files hold, so that two
builds of GROMACS evaluate the same.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml
from MDAnalysis.lib.formats.libmdaxdr import TRRFile

from eoli.gromacs.build import inspect
from eoli.gromacs.energies import read_energies
from eoli.gromacs.mdp import Conditions, mdp_options, mdp_text
from eoli.gromacs.mdrun import mdrun_start
from eoli.gromacs.tools import grompp
from eoli.study.config import GromacsBuild
from eoli.study.protocol import Protocol

KEPT = "points.json"
PROTOCOL = "tests/config/tiny-protocol.yaml"


@dataclass(frozen=True)
class Point:
    """Terms by name (kJ/mol) and forces, (sites, 3), kJ/(mol nm)."""

    terms: dict[str, float]
    forces: npt.NDArray[np.float64]


def structures(study: Path) -> list[Path]:
    """The structures of a study at the ends of its stages."""
    return sorted(study.glob("results/*/*/md.gro"))


def evaluate(structure: Path, protocol: Path, folder: Path) -> Point:
    """The production's Hamiltonian, with flexible bonds, for the positions of a structure of its study."""
    gromacs = inspect(GromacsBuild())
    settings = Protocol.model_validate(yaml.safe_load(protocol.read_text()))
    conditions = Conditions(
        400.0, settings.cutoff_nm, settings.fourier_spacing_nm, settings.dispersion_correction, "none", 7
    )
    options = mdp_options(settings.stages[-1], conditions, reproducible=True) | {
        "integrator": "md", "nsteps": "0", "dt": "0.0001", "tcoupl": "no", "nstcalcenergy": "1", "nstenergy": "1", "nstfout": "1",
    }  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "point.mdp").write_text(mdp_text(options))
    topology = structure.parents[1] / "topology/system.top"
    grompp(gromacs, folder / "point.mdp", structure, topology, folder / "point.tpr", folder / "log", None)
    command = [*mdrun_start(gromacs, 1), "-deffnm", "point", "-nb", "cpu"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise RuntimeError(run.stderr)
    with TRRFile(str(folder / "point.trr")) as stream:
        forces = stream.read().f.astype(np.float64)
    terms = {name: float(values[0]) for name, values in read_energies(folder / "point.edr", least=1).items()}
    return Point(terms, forces)


def main(study: Path) -> None:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, structure in enumerate(structures(study)):
            point = evaluate(structure, study / PROTOCOL, Path(folder, str(number)))
            found[str(structure.relative_to(study))] = {"terms": point.terms, "forces": point.forces.tolist()}
    (study / KEPT).write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
