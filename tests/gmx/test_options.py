"""A few of the options of the force field through GROMACS; `make validate` runs all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from eoli.cli import main
from eoli.gromacs.build import inspect
from eoli.gromacs.mdp import Conditions
from eoli.stage.job import StageJob
from eoli.stage.run import run_stage
from eoli.study.config import GromacsBuild
from eoli.study.protocol import Stage
from eoli.topology.description import read_description

pytestmark = pytest.mark.gmx

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = [
    ("peo", "licl", "54a7", "set-l", "gromos54a7", "gromos"),
    ("peo-diol", "lipf6", "oxy-d", "joung-cheatham-spce", "clandp2004", "lorentz-berthelot"),
    ("pebax-multiblock", "lifsi", "oxy-d", "jensen-jorgensen", "clandp2017", "lb-ions"),
    ("ptmo", "liclo4", "oxy-d", "aqvist", "acevedo2009", "gromos"),
]
CONDITIONS = Conditions(
    temperature_K=400,
    cutoff_nm=0.9,
    fourier_spacing_nm=0.12,
    dispersion_correction=True,
    constraints="all-bonds",
    seed=3,
)


@pytest.mark.parametrize(
    ("polymer", "salt", "ether", "cation", "anion", "mixing"), OPTIONS, ids=lambda value: str(value)
)
def test_minimised_and_moved(
    polymer: str, salt: str, ether: str, cation: str, anion: str, mixing: str, tmp_path: Path
) -> None:
    """grompp stops at a warning; mdrun at bonds that do not hold."""
    topology, box = tmp_path / "topology", tmp_path / "box.gro"
    chosen = ["--ether-set", ether, "--cation-model", cation, "--anion-model", anion, "--mixing", mixing]
    composition = ["--polymer", polymer, "--chains", "3", "--salt", salt, "--cations", "4", "--ion-charge-scale", "0.8"]
    words = ["--blocks", str(ROOT / "topologies"), *composition, *chosen, "--out", str(topology)]
    assert main(["topology", *words]) == 0
    description = read_description(topology / "system.json")
    assert sum(description.charges()) == pytest.approx(0, abs=1e-6)
    packing = ["--seed", "5", "--density-g-cm3", "0.2", "--tolerance-nm", "0.2", "--attempts", "3"]
    files = ["--gro", str(box), "--report", str(tmp_path / "box.json"), "--log", str(tmp_path / "box.log")]
    assert main(["box", "--system-json", str(topology / "system.json"), *packing, *files]) == 0
    gromacs = inspect(GromacsBuild.model_validate({}))
    stages = [
        Stage(name="minimise", ensemble="minimisation", integrator="steep", max_steps=2000, force_tolerance_kJ_mol_nm=500),
        Stage(
            # long enough for the thermostat to take up what ions release that find each other in a loose box
            name="move", ensemble="NVT", integrator="md", time_step_fs=2, length_ns=0.006, generate_velocities=True,
            thermostat="v-rescale", tau_t_ps=0.05, frame_interval_ps=1, energy_interval_ps=0.2,
        ),
    ]  # fmt: skip
    source = box
    for stage in stages:
        folder = tmp_path / stage.name
        run_stage(
            StageJob(
                system=polymer, stage=stage, conditions=CONDITIONS, topology=topology, source=source, folder=folder,
                gromacs=gromacs, threads=1, checkpoint_minutes=5, max_hours=None, reproducible=False,
            ),
            None,
        )  # fmt: skip
        source = folder / "md.gro"
    assert source.is_file()
