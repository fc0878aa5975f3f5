"""Unwrapping in time, against displacements that are known, and the common centre of mass."""

from __future__ import annotations

import numpy as np
import pytest

from eoli.errors import DataError
from eoli.trajectory.unwrap import centre_of_mass, may_fold, too_far_apart, unwrap, unwrap_and_largest_step


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


@pytest.mark.parametrize("draw", ["normal", "laplace"])
def test_steps_that_unwrapping_folds_never_pass(draw: str) -> None:
    """Walkers with steps of known width, from rattling to steps of half the box: where one was folded it is said."""
    rng = np.random.default_rng(4)
    passed, edge = [], 3.0
    for width in np.geomspace(0.02, 1.5, 60):
        steps = getattr(rng, draw)(0, width, (300, 5, 3))
        paths = np.cumsum(steps, axis=0)
        wrapped = paths % edge
        found, largest = unwrap_and_largest_step(wrapped, np.full((300, 3), edge))
        folded = not np.allclose(found - found[0], paths - paths[0], atol=1e-9)
        assert largest == pytest.approx(min(2 * np.abs(steps[1:]).max() / edge, largest), rel=1e-6)
        if not may_fold(largest, wrapped.shape):
            assert not folded
            passed.append(width)
    # steps whose largest takes half of the way are still believed
    assert max(passed) > 0.5 * edge / 2 / {"normal": 4.0, "laplace": 9.0}[draw]


def test_what_stands_still_is_not_folded() -> None:
    still = np.ones((9, 2, 3))
    paths, largest = unwrap_and_largest_step(still, np.full((9, 3), 2.0))
    assert largest == 0 and not may_fold(largest, still.shape) and not np.ptp(paths)


def test_the_reason_names_frames_that_would_do() -> None:
    assert "frames 40 ps apart" in too_far_apart(0.9, 40.0) and "at most 10 ps apart" in too_far_apart(0.9, 40.0)
