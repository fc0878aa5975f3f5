"""Motion, against double loops, walks of known diffusion coefficient, and fractional Brownian motion."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from eoli.analysis.msd import diffusion, local_exponent, log_lags, mean_msd, particle_msd
from eoli.analysis.run import analyse_motion
from eoli.errors import DataError
from eoli.topology.description import MoleculeCount, SystemDescription, to_json
from eoli.topology.molecule import Molecule, Site, Term
from support import choice

TOLERANCE = 0.1


def walk(n_frames: int, particles: int, d_nm2_ps: float, interval_ps: float, rng: np.random.Generator) -> np.ndarray:
    steps = rng.normal(0, math.sqrt(2 * d_nm2_ps * interval_ps), (n_frames, particles, 3))
    return np.cumsum(steps, axis=0)


def fractional(n_frames: int, particles: int, hurst: float, size: float, rng: np.random.Generator) -> np.ndarray:
    """Fractional Brownian motion, MSD = 3 size^2 t^(2 H), by circulant embedding (Davies, Harte 1987)."""
    k = np.arange(n_frames)
    covariance = 0.5 * (
        np.abs(k + 1.0) ** (2 * hurst) - 2 * np.abs(k * 1.0) ** (2 * hurst) + np.abs(k - 1.0) ** (2 * hurst)
    )
    circle = np.concatenate([covariance, covariance[-2:0:-1]])
    power = np.fft.fft(circle).real.clip(0) / len(circle)
    shape = (len(circle), 3 * particles)
    noise = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    steps = np.fft.fft(noise * np.sqrt(power)[:, None], axis=0)[:n_frames].real
    return size * np.cumsum(steps, axis=0).reshape(n_frames, particles, 3)


def test_equals_the_double_loop() -> None:
    paths = 1e3 + walk(40, 5, 0.1, 1.0, np.random.default_rng(1))
    expected = np.zeros((40, 5))
    for lag in range(1, 40):
        for origin in range(40 - lag):
            expected[lag] += ((paths[origin + lag] - paths[origin]) ** 2).sum(axis=1) / (40 - lag)
    np.testing.assert_allclose(particle_msd(paths), expected, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(mean_msd(paths), expected.mean(axis=1), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(particle_msd(paths, np.array([3, 17])), expected[[3, 17]], rtol=1e-9)


def test_groups_of_particles_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = walk(100, 7, 0.1, 1.0, np.random.default_rng(2))
    whole = particle_msd(paths)
    monkeypatch.setattr("eoli.analysis.msd._CHUNK_BYTES", 1.0)
    np.testing.assert_allclose(particle_msd(paths), whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(5, 3), (1, 4, 3), (5, 0, 3), (5, 4, 2)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError):
        particle_msd(np.zeros(shape))


def test_lags_are_logarithmic_and_end_at_half_the_run() -> None:
    lags = log_lags(2001)
    assert (lags[0], lags[-1]) == (1, 1000)
    assert (np.diff(lags) > 0).all()
    assert len(lags) < 91
    assert list(log_lags(2)) == [1]


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_exponent_of_a_power_law(power: float) -> None:
    lag = log_lags(4000) * 0.1
    found = local_exponent(lag, 3 * lag**power)
    np.testing.assert_allclose(found[np.isfinite(found)], power, atol=1e-9)
    assert np.isfinite(found).mean() > 0.7
    assert np.isnan(found[[0, -1]]).all()


def test_known_diffusion_coefficient_and_honest_error() -> None:
    """D = 2e-3 nm2/ps is 2e-9 m2/s; over many walks the stated error covers the truth as often as it says."""
    rng = np.random.default_rng(3)
    found = [diffusion(walk(1500, 40, 2e-3, 1.0, rng), 1.0, TOLERANCE) for _ in range(60)]
    diffusive = [result for result in found if result.verdict == "diffusive"]
    assert len(diffusive) >= 54
    values = np.array([result.value_m2_s for result in diffusive])
    errors = np.array([result.error_m2_s for result in diffusive])
    assert values.mean() == pytest.approx(2e-9, rel=0.01)
    assert 0.8 < errors.mean() / values.std() < 1.8
    within = np.abs(values - 2e-9) < errors
    assert 0.58 <= within.mean() <= 0.95
    assert (np.abs(values - 2e-9) < 2.5 * errors).mean() > 0.93
    result = diffusive[0]
    assert result.fit_to_ps == pytest.approx(149)
    assert result.fit_to_ps / result.fit_from_ps >= 3
    assert result.upper_bound_m2_s is None


@pytest.mark.parametrize("hurst", [0.25, 0.33, 0.4])
@pytest.mark.parametrize("particles", [4, 30])
def test_sub_diffusion_is_never_called_diffusive(hurst: float, particles: int) -> None:
    rng = np.random.default_rng([4, particles, round(100 * hurst)])
    results = [diffusion(fractional(1000, particles, hurst, 0.5, rng), 1.0, TOLERANCE) for _ in range(25)]
    assert all(result.verdict != "diffusive" for result in results)
    assert all(result.value_m2_s is None and result.error_m2_s is None for result in results)
    if particles == 30:
        assert sum(result.verdict == "sub-diffusive" for result in results) >= 22
        exponents = [result.exponent for result in results]
        assert np.mean(exponents) == pytest.approx(2 * hurst, abs=0.03)
        lag = results[0].fit_to_ps
        expected = 3 * 0.25 * lag ** (2 * hurst) / (6 * lag) * 1e-6
        assert all(0.8 < result.upper_bound_m2_s / expected < 1.6 for result in results)


def test_too_short_or_too_small() -> None:
    rng = np.random.default_rng(5)
    small = diffusion(walk(2000, 50, 1e-5, 1.0, rng), 1.0, TOLERANCE)
    assert (small.verdict, small.value_m2_s) == ("too short", None)
    assert small.upper_bound_m2_s == pytest.approx(1e-11, rel=0.3)
    short = diffusion(walk(20, 50, 1.0, 1.0, rng), 1.0, TOLERANCE)
    assert (short.verdict, short.exponent, short.upper_bound_m2_s) == ("too short", None, None)
    lonely = diffusion(walk(300, 1, 1.0, 1.0, rng), 1.0, TOLERANCE)
    assert (lonely.verdict, lonely.exponent, lonely.upper_bound_m2_s) == ("too short", None, None)
    frozen = diffusion(np.zeros((300, 4, 3)), 1.0, TOLERANCE)
    assert (frozen.verdict, frozen.exponent, frozen.upper_bound_m2_s) == ("too short", None, 0.0)


def test_drift_is_not_diffusion() -> None:
    paths = walk(1000, 30, 1e-3, 1.0, np.random.default_rng(6)) + 0.05 * np.arange(1000)[:, None, None]
    found = diffusion(paths, 1.0, TOLERANCE)
    assert (found.verdict, found.value_m2_s, found.upper_bound_m2_s) == ("too short", None, None)


def _molecule(name: str, kind: str, roles: list[str | None]) -> Molecule:
    sites = tuple(Site(f"A{k}", "A", 0.0, 10.0 + k, name, 1, "A", role, None, "test") for k, role in enumerate(roles))
    bonds = tuple(Term((k, k + 1), 1, (0.1, 1.0), "own", "test") for k in range(len(roles) - 1))
    return Molecule(name, kind, 0, sites, bonds, (), (), ())


def _system(salt: int) -> SystemDescription:
    entries = [MoleculeCount(_molecule("PEO", "polymer", [None] * 6), 3)]
    if salt:
        entries += [
            MoleculeCount(_molecule("LI", "cation", ["Li"]), salt),
            MoleculeCount(_molecule("TFSI", "anion", ["anion_F", "anion_N", "anion_F"]), salt),
        ]
    return SystemDescription(tuple(entries), choice(), "")


def _write(tmp_path: Path, salt: int, n_frames: int = 400) -> tuple[Path, Path, Path, Path, np.ndarray]:
    """Rigid rods that walk in a box of 2 nm; each molecule's walk is returned, shape (frames, molecules, 3)."""
    rng = np.random.default_rng(7)
    sizes = [6] * 3 + [1] * salt + [3] * salt
    walks = walk(n_frames, len(sizes), 5e-3, 1.0, rng)
    rods = [walks[:, [m]] + 0.1 * np.arange(size)[:, None] * [1, 0, 0] for m, size in enumerate(sizes)]
    positions = np.concatenate(rods, axis=1) % 2.0
    trajectory, description = tmp_path / "t.xtc", tmp_path / "system.json"
    with XTCFile(str(trajectory), "w") as file:
        for k, frame in enumerate(positions):
            file.write(frame.astype(np.float32), 2 * np.eye(3, dtype=np.float32), k, 0.5 * k, 100_000)
    description.write_text(to_json(_system(salt)))
    return trajectory, description, tmp_path / "out" / "m.csv", tmp_path / "out" / "m.json", walks


def test_files_of_a_salted_system(tmp_path: Path) -> None:
    trajectory, description, csv, scalars, walks = _write(tmp_path, 5)
    analyse_motion(trajectory, description, 0.5, 1.0, TOLERANCE, csv, scalars)
    table = pd.read_csv(csv)
    names = ["Li", "F", "TFSI_com", "chain_com"]
    assert list(table.columns) == ["lag_ps", *[f"msd_{n}_nm2" for n in names], *[f"alpha_{n}" for n in names]]
    lags = (table["lag_ps"] / 1.0).round().astype(int).to_numpy()
    used = walks[::2]
    for name, part in (("chain_com", slice(0, 3)), ("Li", slice(3, 8)), ("TFSI_com", slice(8, 13))):
        np.testing.assert_allclose(table[f"msd_{name}_nm2"], mean_msd(used[:, part], lags), rtol=2e-3, atol=1e-5)
    data = json.loads(scalars.read_text())
    assert data["length_ns"] == pytest.approx(0.1995)
    assert data["use_interval_ps"] == 1.0
    for key in ("Li", "TFSI", "chain"):
        assert data[key]["verdict"] in ("diffusive", "sub-diffusive", "too short")
        assert (data[key]["D_m2_s"]["value"] is None) == (data[key]["verdict"] != "diffusive")


def test_rotation_moves_atoms_but_not_the_centre_of_mass(tmp_path: Path) -> None:
    trajectory, description, csv, scalars, _ = _write(tmp_path, 4, 60)
    n, angle = 60, 0.3 * np.arange(60)
    rods = 0.1 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    masses = np.array([10.0, 11.0, 12.0])
    anion = (np.arange(3) - (masses * np.arange(3)).sum() / masses.sum())[None, :, None] * rods[:, None] + 1.99
    positions = np.concatenate([np.zeros((n, 18 + 4, 3)), np.tile(anion, (1, 4, 1))], axis=1) % 2.0
    with XTCFile(str(trajectory), "w") as file:
        for k, frame in enumerate(positions):
            file.write(frame.astype(np.float32), 2 * np.eye(3, dtype=np.float32), k, 1.0 * k, 100_000)
    analyse_motion(trajectory, description, 1.0, 1.0, TOLERANCE, csv, scalars)
    table = pd.read_csv(csv)
    assert table["msd_TFSI_com_nm2"].max() < 1e-8
    assert table["msd_F_nm2"].max() > 1e-2


def test_files_of_a_neat_system(tmp_path: Path) -> None:
    trajectory, description, csv, scalars, _ = _write(tmp_path, 0)
    analyse_motion(trajectory, description, 0.5, 0.5, TOLERANCE, csv, scalars)
    assert list(pd.read_csv(csv).columns) == ["lag_ps", "msd_chain_com_nm2", "alpha_chain_com"]
    assert "Li" not in json.loads(scalars.read_text())


def test_an_error_leaves_no_file(tmp_path: Path) -> None:
    trajectory, description, csv, scalars, _ = _write(tmp_path, 2, 30)
    with pytest.raises(DataError, match="at least 2"):
        analyse_motion(trajectory, description, 0.5, 100.0, TOLERANCE, csv, scalars)
    description.write_text(to_json(_system(3)))
    with pytest.raises(DataError, match="sites"):
        analyse_motion(trajectory, description, 0.5, 1.0, TOLERANCE, csv, scalars)
    assert not csv.parent.exists() or not list(csv.parent.iterdir())
