"""Unwrapping in time, against displacements that are known, and the common centre of mass."""

from __future__ import annotations

import numpy as np
import pytest

from eoli.analysis.unwrap import centre_of_mass, unwrap
from eoli.errors import DataError


def breathing(n_frames: int, particles: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Known displacements, added to wrapped positions in a box whose edges breathe by 3 %: paths, wrapped, box."""
    rng = np.random.default_rng(seed)
    box = np.array([3.0, 3.5, 4.0]) * (1 + 0.03 * np.sin(np.arange(n_frames) / 7)[:, None])
    steps = rng.normal(0, 0.2, (n_frames, particles, 3))
    wrapped = np.empty_like(steps)
    wrapped[0] = rng.uniform(size=(particles, 3)) * box[0]
    for k in range(1, n_frames):
        wrapped[k] = (wrapped[k - 1] + steps[k]) % box[k]
    steps[0] = wrapped[0]
    return np.cumsum(steps, axis=0), wrapped, box


def test_recovers_the_displacements_in_a_breathing_box() -> None:
    paths, wrapped, box = breathing(2000, 6, 1)
    assert np.ptp(paths, axis=0).max() > 10
    np.testing.assert_allclose(unwrap(wrapped, box), paths, atol=1e-9)
    fractional = np.diff(wrapped / box[:, None], axis=0)
    lattice = np.cumsum(fractional - np.round(fractional), axis=0) * box[1:, None]
    assert np.abs(lattice + wrapped[0] - paths[1:]).max() > 0.1


def test_single_precision_and_a_constant_box() -> None:
    paths, _, _ = breathing(500, 4, 2)
    box = np.full((500, 3), 2.5, dtype=np.float32)
    found = unwrap((paths % 2.5).astype(np.float32), box)
    np.testing.assert_allclose(found - found[0], paths - paths[0], atol=5e-6)


@pytest.mark.parametrize(
    ("wrapped", "box"),
    [
        (np.zeros((4, 2, 2)), np.ones((4, 3))),
        (np.zeros((4, 2, 3)), np.ones((3, 3))),
        (np.zeros((0, 2, 3)), np.ones((0, 3))),
        (np.zeros((4, 2, 3)), np.zeros((4, 3))),
        (np.full((4, 2, 3), np.nan), np.ones((4, 3))),
    ],
)
def test_bad_input(wrapped: np.ndarray, box: np.ndarray) -> None:
    with pytest.raises(DataError):
        unwrap(wrapped, box)


def test_centre_of_mass_weighs_groups_by_mass() -> None:
    light, heavy = np.zeros((3, 2, 3)), np.zeros((3, 1, 3))
    light[:, :, 0] = [[0, 5], [1, 6], [2, 7]]
    heavy[:, 0, 1] = [0, 1, 2]
    found = centre_of_mass({"a": light, "b": heavy}, {"a": np.array([1.0, 1.0]), "b": np.array([6.0])})
    np.testing.assert_allclose(found, [[0, 0, 0], [0.25, 0.75, 0], [0.5, 1.5, 0]])
