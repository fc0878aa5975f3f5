"""D without the size of the box, and a viscosity: the constants from a lattice sum, the estimates from walkers."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.constants import k as BOLTZMANN

from eoli.analysis.motion.analyse import analyse_motion
from eoli.analysis.motion.box_size import VISCOSITY_FACTOR, box_size_scalars, is_orthoboxy, viscosity, without_box
from eoli.core.statistics import UNKNOWN, Estimate
from eoli.study.box_shape import ORTHOBOXY, edges_nm
from eoli.study.criteria import MotionCriteria
from eoli.trajectory.reduce import reduce_trajectory
from synthetic_trajectories import linear_chains, told, write_system


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
    assert 6 * math.pi * cube == pytest.approx([-2.837297, -2.837297], abs=1e-6)  # Yeh and Hummer
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
