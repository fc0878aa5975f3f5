"""D without the size of the box, and a viscosity: the constants from a lattice sum, the estimates from walkers."""

from __future__ import annotations

import dataclasses
import json
import math
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.constants import k as BOLTZMANN

from eoli.analysis.motion.analyse import analyse_motion
from eoli.analysis.motion.box_size import (
    CUBIC_FACTOR,
    VISCOSITY_FACTOR,
    beyond_cube,
    box_size_scalars,
    is_cubic,
    is_orthoboxy,
    viscosity,
    without_box,
)
from eoli.core.statistics import UNKNOWN, Estimate
from eoli.errors import DataError
from eoli.study.analyses import BY_NAME
from eoli.study.box_shape import ORTHOBOXY, edges_nm
from eoli.study.config import Study
from eoli.study.criteria import MotionCriteria, StartsCriteria
from eoli.study.quantities import named
from eoli.study.systems import systems_of
from eoli.topology.description import MoleculeCount, SystemDescription, to_json
from eoli.trajectory.reduce import reduce_trajectory
from eoli.workflow.plan import Plan
from support import choice, mistake
from synthetic import synthetic_study
from synthetic_trajectories import brownian, linear_chains, molecule, told, write_system, write_xtc


def lattice(elongation: float, width: float) -> np.ndarray:
    """Change of D along x and z by the periodic images, in kT/eta, of a box with edges 1, 1 and `elongation`.

    The Oseen tensor of a Gaussian of that width, summed over the reciprocal lattice, less its integral over all space.
    """
    edges = np.array([1.0, 1.0, elongation])
    grids = np.meshgrid(*(np.arange(-round(21 * edge), round(21 * edge) + 1) for edge in edges), indexing="ij")
    q = 2 * np.pi * np.stack(grids, axis=-1).reshape(-1, 3) / edges
    squared = (q**2).sum(axis=1)
    near = (squared > 0) & (squared * width < 40)
    q, squared = q[near], squared[near]
    weights = np.exp(-squared * width) / squared / elongation
    in_space = (2 / 3) / (2 * math.pi**2) * math.sqrt(math.pi / width) / 2
    return np.array([((1 - q[:, axis] ** 2 / squared) * weights).sum() for axis in (0, 2)]) - in_space


def test_the_constants_are_those_of_the_lattice() -> None:
    # what is left of the width is linear in it
    cube, long = (2 * lattice(e, 0.0025) - lattice(e, 0.005) for e in (1.0, ORTHOBOXY))
    assert 6 * math.pi * cube == pytest.approx([-CUBIC_FACTOR, -CUBIC_FACTOR], abs=1e-6)
    assert long[0] == pytest.approx(0.0, abs=1e-9)
    assert 3 * math.pi * ORTHOBOXY * 2 * (long[0] - long[1]) == pytest.approx(VISCOSITY_FACTOR, abs=1e-8)


def walkers(n: int, d: tuple[float, float], seed: int, frames: int = 3000) -> np.ndarray:
    """Paths (frames, n, 3) that diffuse with d[0] along x and y and d[1] along z, nm2/ps."""
    sizes = np.sqrt(2 * np.array([d[0], d[0], d[1]]))
    return np.cumsum(np.random.default_rng(seed).normal(size=(frames, n, 3)) * sizes, axis=0)


def test_intervals_hold_the_known_D0_and_difference() -> None:
    held = np.zeros(2)
    for seed in range(100):
        d0, difference = without_box([walkers(30, (2e-3, 1.5e-3), seed, 1000)], 1.0)
        for n, (found, true) in enumerate(((d0, 2e-9), (difference, 1e-9))):
            assert found.value is not None and found.error is not None
            held[n] += abs(found.value - true) <= found.error
    assert ((held >= 54) & (held <= 84)).all()


def test_several_starts_and_kinds_of_particle_give_one_viscosity() -> None:
    z_nm, kelvin, eta = 8.0, 400.0, 2e-3
    # the images slow all particles along z by the same amount, whatever their D
    slower = BOLTZMANN * kelvin * VISCOSITY_FACTOR / (3 * math.pi * z_nm * 1e-9 * eta) / 2 * 1e6
    starts = {
        name: [walkers(60, (d, d - slower), seed + offset) for offset in range(3)]
        for name, d, seed in (("Li", 1.5 * slower, 1), ("anion", 2.5 * slower, 50))
    }
    box = np.tile([z_nm / ORTHOBOXY, z_nm / ORTHOBOXY, z_nm], (9000, 1))
    found = box_size_scalars(starts, box, 1.0, kelvin)
    answer = found["viscosity_Pa_s"]
    assert answer["verdict"] == "resolved" and abs(answer["value"] - eta) < 3 * answer["error"] < eta
    of_lithium = found["Li"]["D0_m2_s"]
    assert abs(of_lithium["value"] - 1.5e-6 * slower) < 3 * of_lithium["error"]


def test_a_difference_within_its_error_gives_a_bound() -> None:
    found = viscosity([Estimate(1e-12, 1e-12), UNKNOWN], 8.0, 400.0)
    assert found["value"] is None and found["verdict"].startswith("not resolved")
    clear = viscosity([Estimate(3e-12, 1e-14)], 8.0, 400.0)
    # three times the difference: 1e-12 with two errors is 3e-12
    assert found["lower_bound"] == pytest.approx(clear["value"])
    assert viscosity([Estimate(-5e-12, 1e-12)], 8.0, 400.0)["lower_bound"] is None
    assert viscosity([UNKNOWN], 8.0, 400.0)["verdict"] == "not resolved: no motion is diffusive"


def test_only_the_one_shape_has_it(tmp_path: Path) -> None:
    x, _, z = edges_nm(100.0, "orthoboxy")
    assert is_orthoboxy(np.array([[x, x, z], [2 * x, 2 * x, 2 * z]]))
    assert not is_orthoboxy(np.array([[x, x, z], [x, x, 1.01 * z]])) and not is_orthoboxy(np.full((3, 3), 4.0))
    trajectory, description = write_system(tmp_path, linear_chains(3))
    reduce_trajectory(trajectory, description, told(1.0, 1.0, 1.0, 0.5, 0.1), tmp_path / "reduced.h5")
    criteria = MotionCriteria(temperature_K=400.0, tolerance=0.1, target_error=0.2, contact_nm=0.4)
    analyse_motion(tmp_path / "reduced.h5", description, criteria, tmp_path / "m.csv", tmp_path / "m.json")
    assert "box_size" not in json.loads((tmp_path / "m.json").read_text())


def test_a_given_viscosity_adds_what_the_images_of_a_cube_take() -> None:
    # by hand: water of 0.89 mPa s at 298.15 K in a box of 3 nm, kT = 4.1164e-21 J
    eta = Estimate(0.89e-3, 0.089e-3)
    added = 2.837297 * 4.1164e-21 / (6 * math.pi * 0.89e-3 * 3e-9)
    found = beyond_cube(Estimate(2.0e-9, 1e-11), 3.0, 298.15, eta)
    assert found.value == pytest.approx(2.0e-9 + added, rel=1e-5) and added == pytest.approx(2.32e-10, rel=1e-3)
    # a tenth of what is added, and the error of D, in quadrature
    assert found.error == pytest.approx(math.hypot(1e-11, 0.1 * added), rel=1e-4)
    assert beyond_cube(UNKNOWN, 3.0, 298.15, eta) == UNKNOWN
    assert is_cubic(np.full((3, 3), 4.0)) and not is_cubic(np.array([[4.0, 4.0, 4.1]]))


def test_boxes_of_all_sizes_give_one_D0() -> None:
    kelvin, eta, d0 = 400.0, Estimate(5e-3, 0.0), 3e-10
    # what the lattice sum leaves of D in a cube, kT/eta: independent of the constant of the code
    slower = (2 * lattice(1.0, 0.0025) - lattice(1.0, 0.005))[0] * BOLTZMANN * kelvin / 5e-3
    for edge_nm in (2.0, 4.0, 8.0):
        in_box = Estimate(d0 + slower / (edge_nm * 1e-9), 1e-12)
        assert beyond_cube(in_box, edge_nm, kelvin, eta).value == pytest.approx(d0, rel=1e-6)


def write_walkers(
    folder: Path, rng: np.random.Generator, edges: tuple[float, float, float] = (4.0, 4.0, 4.0)
) -> tuple[Path, Path]:
    """Ions that diffuse in a box of these edges, nm, and chains that hardly move."""
    entries = [
        MoleculeCount(molecule("PEO", "polymer", ["ether_O"], 1e6), 4),
        MoleculeCount(dataclasses.replace(molecule("LI", "cation", ["Li"], 7.0), formal_charge=1), 60),
        MoleculeCount(dataclasses.replace(molecule("X", "anion", ["anion_O"], 280.0), formal_charge=-1), 60),
    ]
    paths = np.concatenate([brownian(2000, n, d, rng) for n, d in ((4, 1e-7), (60, 2e-3), (60, 4e-3))], axis=1)
    description = folder / "system.json"
    description.write_text(to_json(SystemDescription(tuple(entries), choice(), "")))
    return write_xtc(folder / "md.xtc", paths % np.array(edges), np.tile(edges, (2000, 1))), description


def test_motion_has_it_where_it_diffuses_and_a_viscosity_is_given(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    trajectory, description = write_walkers(tmp_path, rng)
    reduce_trajectory(trajectory, description, told(1.0, 1.0, 1.0, 0.5, 0.1), tmp_path / "reduced.h5")
    found = {}
    for name, given in (
        ("none", {}),
        ("given", {"viscosity_mPa_s": 2.0, "viscosity_error_mPa_s": 0.5, "viscosity_source": "own run"}),
    ):
        criteria = MotionCriteria(temperature_K=400.0, tolerance=0.1, target_error=0.2, contact_nm=0.4, **given)
        out = tmp_path / f"{name}.json"
        analyse_motion(tmp_path / "reduced.h5", description, criteria, tmp_path / "m.csv", out)
        found[name] = json.loads(out.read_text())
    assert "box_size" not in found["none"]
    of_box, d = found["given"]["box_size"], found["given"]["Li"]["D_m2_s"]
    assert found["given"]["Li"]["verdict"] == "diffusive" and found["given"]["Li"] == found["none"]["Li"]
    added = CUBIC_FACTOR * BOLTZMANN * 400.0 / (6 * math.pi * 2e-3 * 4e-9)
    assert of_box["Li"]["D0_m2_s"]["value"] == pytest.approx(d["value"] + added)
    assert of_box["Li"]["D0_m2_s"]["error"] == pytest.approx(math.hypot(d["error"], added / 4))
    # chains that do not diffuse have none
    assert found["given"]["chain"]["verdict"] != "diffusive" and "chain" not in of_box
    assert of_box["given_viscosity_Pa_s"] == {"value": 2e-3, "error": 5e-4, "source": "own run"}
    answers = {name: named(name).of({"motion": found["given"]}) for name in ("D0_Li", "viscosity")}
    # a viscosity that was given is no result
    assert answers["D0_Li"] is not None and answers["D0_Li"].value and answers["viscosity"] is None


def of_study(copies: list[int] | None = None, **more: Any) -> Study:
    sweep = [{"polymer": "peo", "eo_li": [12, 16], "temperature_K": 400, "replicate": [1, 2]}]
    sweep += [sweep[0] | {"supercell": copies}] if copies else []
    return synthetic_study(sweep=sweep, **more)


GIVEN = {"mPa_s": 40.0, "error_mPa_s": 8.0, "source": "own run in a long box"}


def test_a_viscosity_belongs_to_one_system_and_its_starts() -> None:
    study = of_study(analysis={"viscosity": {"peo-eo12-400K": GIVEN}})
    plan = Plan(study, systems_of(study), "")
    words = [shlex.split(plan.analysis_flags(BY_NAME["motion"], f"peo-eo{ratio}-400K-r2")) for ratio in (12, 16)]
    assert words[0][words[0].index("--viscosity-mPa-s") + 1] == "40" and "own run in a long box" in words[0]
    assert "--viscosity-mPa-s" not in words[1]
    assert "--viscosity-mPa-s" in plan.starts_flags("peo-eo12-400K").split()
    assert StartsCriteria.model_fields["viscosity_mPa_s"].default is None


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (
            {"analysis": {"viscosity": {"peo-eo13-400K": GIVEN}}},
            "peo-eo13-400K is not in the sweep (did you mean peo-eo1",
        ),
        ({"analysis": {"viscosity": {"peo-eo12-400K": {"mPa_s": 4.0, "error_mPa_s": 1.0}}}}, "source"),
        ({"analysis": {"viscosity": {"peo-eo12-400K": GIVEN | {"mPa_s": 0}}}}, "mPa_s"),
        (
            {"analysis": {"viscosity": {"peo-eo12-400K": GIVEN}}, "box": {"shape": "orthoboxy"}},
            "a box of shape orthoboxy needs no viscosity",
        ),
    ],
)
def test_a_viscosity_without_use_or_source_is_refused(keys: dict[str, Any], says: str) -> None:
    assert says in mistake(lambda: systems_of(of_study(**keys)))


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (
            {"analysis": {"viscosity": {"peo-eo12-400K-1x1x3": GIVEN}}},
            "analysis.viscosity.peo-eo12-400K-1x1x3: the box of peo-eo12-400K-1x1x3 is no cube, by its supercell [1, 1, 3]; allowed: "
            "three equal numbers in supercell, or no such key",
        ),
        (
            {"box": {"shape": "orthoboxy"}},
            "sweep[1].supercell: [1, 1, 3] breaks the ratio of edges that box.shape orthoboxy is for; allowed: three equal numbers, "
            "or box.shape: cubic",
        ),
    ],
)
def test_copies_that_make_another_shape_of_a_box_are_refused(keys: dict[str, Any], says: str) -> None:
    assert says in mistake(lambda: systems_of(of_study(copies=[1, 1, 3], **keys)))


def test_equal_copies_keep_the_shape_of_a_box() -> None:
    """And unequal ones of a cubic box may stand where no viscosity is given for them."""
    for copies, more in (
        ([2, 2, 2], {"box": {"shape": "orthoboxy"}}),
        ([2, 2, 2], {"analysis": {"viscosity": {"peo-eo12-400K-2x2x2": GIVEN}}}),
        ([1, 1, 3], {"analysis": {"viscosity": {"peo-eo12-400K": GIVEN}}}),
    ):
        assert systems_of(of_study(copies=copies, **more))


def test_a_viscosity_in_a_box_that_is_no_cube_is_refused(tmp_path: Path) -> None:
    """As in a run that was made elsewhere, whose box is known only here."""
    trajectory, description = write_walkers(tmp_path, np.random.default_rng(8), (4.0, 4.0, 12.0))
    reduce_trajectory(trajectory, description, told(1.0, 1.0, 1.0, 0.5, 0.1), tmp_path / "reduced.h5")
    given = {"viscosity_mPa_s": 2.0, "viscosity_error_mPa_s": 0.5, "viscosity_source": "own run"}
    criteria = MotionCriteria(temperature_K=400.0, tolerance=0.1, target_error=0.2, contact_nm=0.4, **given)
    with pytest.raises(
        DataError, match=r"no use in a box that is no cube \(4 x 4 x 12 nm at first\); allowed: no analysis"
    ):
        analyse_motion(tmp_path / "reduced.h5", description, criteria, tmp_path / "m.csv", tmp_path / "m.json")
