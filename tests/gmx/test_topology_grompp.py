"""Topologies and boxes of the shipped building blocks, accepted by grompp without a warning."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from eoli.box.packmol import GROWTH, pack
from eoli.cli import main
from eoli.errors import RunError
from eoli.forcefield.library import library
from eoli.forcefield.models import Contents
from eoli.gromacs.build import Gromacs, inspect
from eoli.gromacs.mdp import Conditions, mdp_options, mdp_text
from eoli.gromacs.tools import grompp
from eoli.study.config import GromacsBuild
from eoli.study.protocol import Stage
from eoli.study.systems import seed_for
from eoli.topology.build import describe
from eoli.topology.description import read_description
from eoli.topology.gromos import read_gromos54a7
from support import choice

pytestmark = pytest.mark.gmx

TOPOLOGIES = Path(__file__).resolve().parents[2] / "topologies"
CHAINS, CATIONS = 2, 4
SYSTEMS = [
    (polymer, salt, mixing, scale)
    for polymer in ("peo", "pebax")
    for mixing in ("gromos", "lorentz-berthelot", "lb-ions")
    for salt, scale in (("none", 1.0), ("litfsi", 1.0), ("litfsi", 0.8))
]
MINIMISE = Stage(
    name="minimise", ensemble="minimisation", integrator="steep", max_steps=10, force_tolerance_kJ_mol_nm=500
)


def build(folder: Path, polymer: str, salt: str, mixing: str, scale: float) -> None:
    cations = 0 if salt == "none" else CATIONS
    words = [
        "--polymer",
        polymer,
        "--chains",
        CHAINS,
        "--salt",
        salt,
        "--cations",
        cations,
        "--ether-set",
        "oxy-d",
        "--mixing",
        mixing,
    ]
    words += ["--ion-charge-scale", scale, "--blocks", TOPOLOGIES, "--out", folder / "topology"]
    assert main(["topology", *map(str, words)]) == 0
    words = ["--system-json", folder / "topology/system.json", "--seed", 4, "--density-g-cm3", 0.1]
    words += ["--tolerance-nm", 0.2, "--attempts", 3, "--gro", folder / "box.gro"]
    words += ["--report", folder / "box.json", "--log", folder / "box.log"]
    assert main(["box", *map(str, words)]) == 0


def texts(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def gromacs() -> Gromacs:
    return inspect(GromacsBuild())


@pytest.mark.parametrize(("polymer", "salt", "mixing", "scale"), SYSTEMS, ids=lambda value: str(value))
def test_grompp_takes_every_system(
    polymer: str, salt: str, mixing: str, scale: float, gromacs: Gromacs, tmp_path: Path
) -> None:
    build(tmp_path, polymer, salt, mixing, scale)
    conditions = Conditions(298.15, 1.2, 0.12, True, "all-bonds", 1)
    (tmp_path / "run.mdp").write_text(mdp_text(mdp_options(MINIMISE, conditions)))
    grompp(
        gromacs,
        tmp_path / "run.mdp",
        tmp_path / "box.gro",
        tmp_path / "topology/system.top",
        tmp_path / "run.tpr",
        tmp_path / "grompp.log",
        None,
    )
    assert (tmp_path / "run.tpr").stat().st_size > 0
    assert "WARNING" not in (tmp_path / "grompp.log").read_text()


def test_outputs_are_the_same_bytes_when_repeated(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        build(folder, "pebax", "litfsi", "lb-ions", 0.8)
    one, two = texts(first), texts(second)
    assert one.keys() == two.keys()
    # PACKMOL prints its running time and the name of its folder; a provenance has the date
    told = {"box.log", *(name for name in one if name.endswith("provenance.json"))}
    assert {name for name in one if one[name] != two[name]} <= told
    assert json.loads(one["box.json"])["attempts"][0]["exit_code"] == 0


def test_masses_are_those_of_the_installed_force_field(gromacs: Gromacs) -> None:
    rows = (gromacs.forcefields / "gromos54a7.ff/atomtypes.atp").read_text().splitlines()
    installed = {words[0]: float(words[1]) for row in rows if (words := row.partition(";")[0].split())}
    for name, mass in yaml.safe_load((TOPOLOGIES / "masses.yaml").read_text()).items():
        assert mass == pytest.approx(installed[name], abs=1e-4), name


def test_packing_that_cannot_work_leaves_no_box(gromacs: Gromacs, tmp_path: Path) -> None:
    forcefield = read_gromos54a7(gromacs.forcefields / "gromos54a7.ff")
    description = describe(Contents.of("peo", 4, "none", 0), choice(), library(TOPOLOGIES), forcefield)
    gro, report, log = tmp_path / "box.gro", tmp_path / "box.json", tmp_path / "box.log"
    with pytest.raises(RunError, match=r"did not converge in 2 attempts.*packing_density_g_cm3") as failure:
        pack(description, 9, 6.0, 0.2, 2, gro, report, log)
    assert "\n" not in str(failure.value)
    assert not gro.exists() and not report.exists()
    tries = re.findall(r"^attempt (\d+): seed (\d+), edge ([\d.]+) nm$", log.read_text(), re.MULTILINE)
    assert [number for number, _, _ in tries] == ["1", "2"]
    assert [int(seed) for _, seed, _ in tries] == [seed_for(9, "packmol", number) for number in (0, 1)]
    assert float(tries[1][2]) == pytest.approx(GROWTH * float(tries[0][2]), abs=2e-4)


def test_a_long_box_is_packed_in_its_shape(gromacs: Gromacs, tmp_path: Path) -> None:
    forcefield = read_gromos54a7(gromacs.forcefields / "gromos54a7.ff")
    description = describe(Contents.of("peo", 4, "litfsi", 8), choice(), library(TOPOLOGIES), forcefield)
    gro = tmp_path / "box.gro"
    pack(description, 9, 0.2, 0.2, 3, gro, tmp_path / "box.json", tmp_path / "box.log", "orthoboxy")
    x, y, z = (float(word) for word in gro.read_text().splitlines()[-1].split())
    assert x == y and z / x == pytest.approx(2.7933596497, abs=1e-4)
    assert x * y * z == pytest.approx(description.mass_g_mol / (0.2 * 602.214076), rel=0.2)
    with gro.open() as lines:
        heights = [float(line[36:44]) for line in list(lines)[2:-1]]
    # molecules fill the long edge
    assert max(heights) - min(heights) > 0.7 * z


def test_description_survives_its_file(gromacs: Gromacs, tmp_path: Path) -> None:
    build(tmp_path, "peo", "litfsi", "gromos", 1.0)
    description = read_description(tmp_path / "topology/system.json")
    sites = int((tmp_path / "box.gro").read_text().splitlines()[1])
    assert description.n_sites == sites
    assert description.charges().sum() == pytest.approx(0, abs=1e-9)
