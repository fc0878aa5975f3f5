"""Motion, against double loops, walks of known diffusion coefficient, and fractional Brownian motion."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from eoli.analysis.displacement.analyse import analyse_displacement
from eoli.analysis.motion.analyse import analyse_motion
from eoli.analysis.motion.msd import (
    Diffusion,
    blocks_of,
    carried_share,
    chain_of_ions,
    diffusion,
    extension,
    local_exponent,
    log_lags,
    mean_msd,
    particle_msd,
)
from eoli.errors import DataError
from eoli.study.criteria import DisplacementCriteria, MotionCriteria, ReduceCriteria
from eoli.topology.description import MoleculeCount, SystemDescription, read_description, to_json
from eoli.topology.molecule import Molecule, Site, Term
from eoli.trajectory.reduce import reduce_trajectory
from eoli.trajectory.store import seal
from support import choice
from synthetic_trajectories import brownian, fractional

TOLERANCE = 0.1
CRITERIA = MotionCriteria(temperature_K=400.0, tolerance=TOLERANCE, target_error=0.2, contact_nm=0.4)


def test_equals_the_double_loop() -> None:
    paths = 1e3 + brownian(40, 5, 0.1, np.random.default_rng(1))
    expected = np.zeros((40, 5))
    for lag in range(1, 40):
        for origin in range(40 - lag):
            expected[lag] += ((paths[origin + lag] - paths[origin]) ** 2).sum(axis=1) / (40 - lag)
    np.testing.assert_allclose(particle_msd(paths), expected, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(mean_msd(paths), expected.mean(axis=1), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(particle_msd(paths, np.array([3, 17])), expected[[3, 17]], rtol=1e-9)


def test_groups_of_particles_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = brownian(100, 7, 0.1, np.random.default_rng(2))
    whole = particle_msd(paths)
    monkeypatch.setattr("eoli.analysis.motion.msd._CHUNK_BYTES", 1.0)
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
    found = [diffusion([brownian(1500, 40, 2e-3, rng)], 1.0, TOLERANCE) for _ in range(60)]
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
    results = [diffusion([fractional(1000, particles, hurst, 0.5, rng)], 1.0, TOLERANCE) for _ in range(25)]
    assert all(result.verdict != "diffusive" for result in results)
    assert all(result.value_m2_s is None and result.error_m2_s is None for result in results)
    if particles == 30:
        assert sum(result.verdict == "sub-diffusive" for result in results) >= 22
        exponents = [result.exponent for result in results]
        assert np.mean(exponents) == pytest.approx(2 * hurst, abs=0.03)
        lag = results[0].fit_to_ps
        expected = 3 * 0.25 * lag ** (2 * hurst) / (6 * lag) * 1e-6
        assert all(0.8 < result.upper_bound_m2_s / expected < 1.6 for result in results)


def test_noise_of_few_particles_does_not_pass_for_diffusion() -> None:
    """An exponent of 0.8, seen by three or ten particles in a short run, 300 times each."""
    rng = np.random.default_rng(12)
    for particles in (3, 10):
        results = [diffusion([fractional(400, particles, 0.4, 0.5, rng)], 1.0, TOLERANCE) for _ in range(300)]
        assert all(result.verdict != "diffusive" for result in results)


def test_too_short_or_too_small() -> None:
    rng = np.random.default_rng(5)
    small = diffusion([brownian(2000, 50, 1e-5, rng)], 1.0, TOLERANCE)
    assert (small.verdict, small.value_m2_s) == ("too short", None)
    assert small.upper_bound_m2_s == pytest.approx(1e-11, rel=0.3)
    short = diffusion([brownian(20, 50, 1.0, rng)], 1.0, TOLERANCE)
    assert (short.verdict, short.exponent, short.upper_bound_m2_s) == ("too short", None, None)
    lonely = diffusion([brownian(300, 1, 1.0, rng)], 1.0, TOLERANCE)
    assert (lonely.verdict, lonely.exponent, lonely.upper_bound_m2_s) == ("too short", None, None)
    frozen = diffusion([np.zeros((300, 4, 3))], 1.0, TOLERANCE)
    assert (frozen.verdict, frozen.exponent, frozen.upper_bound_m2_s) == ("too short", None, 0.0)


def test_drift_is_not_diffusion() -> None:
    paths = brownian(1000, 30, 1e-3, np.random.default_rng(6)) + 0.05 * np.arange(1000)[:, None, None]
    found = diffusion([paths], 1.0, TOLERANCE)
    assert (found.verdict, found.value_m2_s, found.upper_bound_m2_s) == ("too short", None, None)


def caged(n_frames: int, particles: int, rng: np.random.Generator) -> np.ndarray:
    """Particles on springs: MSD 6 size^2 (1 - exp(-t / 20)), far beyond a cage of 0.5 nm, and no diffusion."""
    size, memory = 0.6, math.exp(-1 / 20)
    noise = rng.normal(0, size * math.sqrt(1 - memory**2), (n_frames, particles, 3))
    positions = np.empty_like(noise)
    positions[0] = rng.normal(0, size, (particles, 3))
    for k in range(1, n_frames):
        positions[k] = memory * positions[k - 1] + noise[k]
    return positions


@pytest.mark.parametrize("particles", [5, 30])
def test_caged_motion_is_never_called_diffusive(particles: int) -> None:
    rng = np.random.default_rng([8, particles])
    results = [diffusion([caged(800, particles, rng)], 1.0, TOLERANCE) for _ in range(60)]
    assert all(result.farthest_msd_nm2 > 0.25 for result in results)
    assert all(result.verdict != "diffusive" for result in results)


def test_the_stated_error_covers_as_a_standard_error_does() -> None:
    """240 runs of Brownian particles: the truth lies within one stated error in 60 to 76 % of them."""
    rng = np.random.default_rng(9)
    found = [diffusion([brownian(800, 30, 4e-3, rng)], 1.0, TOLERANCE) for _ in range(240)]
    diffusive = [result for result in found if result.verdict == "diffusive"]
    assert len(diffusive) > 220
    assert 0.60 <= np.mean([abs(r.value_m2_s - 4e-9) < r.error_m2_s for r in diffusive]) <= 0.76


def test_blocks_of_one_run_are_fifths_and_the_longest_lag_a_tenth() -> None:
    for n in range(100, 3000, 37):
        found = blocks_of([n])
        assert (found.longest_lag, found.size, found.counts) == ((n - 1) // 10, n // 5, (5,))


@pytest.mark.parametrize(
    ("lengths", "counts", "part"),
    [((6001, 6001), (3, 3), 6), ((4001,) * 3, (2, 2, 2), 4), ((4001,) * 4, (2, 2, 2, 2), 4), ((2001,) * 5, (1,) * 5, 2),
     ((2001,) * 9, (1,) * 9, 2), ((9001, 4001), (4, 1), 8), ((9001, 901), (10, 1), 20)],
)  # fmt: skip
def test_blocks_of_several_starts_are_longer(lengths: tuple[int, ...], counts: tuple[int, ...], part: int) -> None:
    """`part`: the longest run in units of the longest lag."""
    found = blocks_of(lengths)
    assert found.counts == counts and found.total == sum(counts) >= 5
    assert found.longest_lag == (max(lengths) - 1) // part
    # no block is shared, and each sees the lag from half of its origins
    assert all(count * found.size <= n for count, n in zip(counts, lengths, strict=True))
    assert found.size >= 2 * found.longest_lag
    series = [np.arange(n)[:, None] for n in lengths]
    parts = found.parts(series)
    assert [len(each) for each in parts] == [found.size] * found.total
    firsts = iter(parts)
    for n, count in zip(lengths, counts, strict=True):
        seen = np.concatenate([next(firsts) for _ in range(count)])
        assert (np.diff(seen[:, 0]) == 1).all() and seen[-1, 0] < n


def test_starts_without_room_for_blocks_have_no_window() -> None:
    assert blocks_of([1, 1]).longest_lag == 0
    assert diffusion([np.zeros((3, 4, 3))] * 2, 1.0, TOLERANCE).verdict == "too short"


@pytest.mark.parametrize("lengths", [(700, 700), (900, 500), (400,) * 5], ids=["two", "unequal", "five"])
def test_several_starts_cover_at_least_as_a_standard_error_does(lengths: tuple[int, ...]) -> None:
    """200 sets of starts of 15 Brownian particles: the scatter of the starts widens the error, it never narrows it."""
    rng = np.random.default_rng([13, *lengths])
    found = [diffusion([brownian(n, 15, 4e-3, rng) for n in lengths], 1.0, 0.2) for _ in range(200)]
    diffusive = [result for result in found if result.verdict == "diffusive"]
    assert len(diffusive) > 180
    values, errors = np.array([(r.value_m2_s, r.error_m2_s) for r in diffusive]).T
    assert values.mean() == pytest.approx(4e-9, rel=0.02)
    assert 0.62 <= (np.abs(values - 4e-9) < errors).mean() <= 0.88
    assert errors.mean() < 2 * values.std()
    assert diffusive[0].fit_to_ps == blocks_of(lengths).longest_lag


def test_starts_that_differ_have_the_error_of_their_scatter() -> None:
    rng = np.random.default_rng(14)
    found = diffusion([brownian(1500, 500, d, rng) for d in (2e-3, 4e-3)], 1.0, TOLERANCE)
    assert found.value_m2_s == pytest.approx(3e-9, rel=0.1)
    # Student's t of two for 68 % is 1.837, the standard error of their mean half of their difference
    assert found.error_m2_s == pytest.approx(1.837e-9, rel=0.15)


@pytest.mark.parametrize("starts", [2, 5])
def test_sub_diffusion_of_several_starts_is_never_called_diffusive(starts: int) -> None:
    rng = np.random.default_rng([15, starts])
    for _ in range(60):
        result = diffusion([fractional(600, 10, 0.4, 0.5, rng) for _ in range(starts)], 1.0, TOLERANCE)
        assert result.verdict != "diffusive"


def _known(**changes: float | str | None) -> Diffusion:
    found = Diffusion(2e-11, 1e-11, 1.0, 0.02, 300.0, 900.0, "diffusive", None, 0.5)
    return replace(found, **changes)


def test_how_much_longer() -> None:
    """A run of 9 ns, its longest trustworthy lag 0.9 ns."""
    by_error = extension(_known(), 9.0, TOLERANCE, 0.25)
    assert (by_error.at_least, by_error.further_ns) == (False, pytest.approx(9 * (4 - 1)))
    assert extension(_known(error_m2_s=1e-12), 9.0, TOLERANCE, 0.25).further_ns == 0
    none: dict[str, None] = {"value_m2_s": None, "error_m2_s": None}
    slow = extension(_known(**none, verdict="too short", farthest_msd_nm2=0.05, exponent=0.5), 9.0, TOLERANCE, 0.2)
    assert (slow.at_least, slow.further_ns) == (True, pytest.approx(9 * (5 - 1)))
    assert slow.at_this_exponent_ns == pytest.approx(9 * (25 - 1))
    assert slow.reason.startswith("at least")
    # with this exponent the MSD would be there after 1.25 ** 2 runs, and is not diffusive before three
    both = extension(_known(**none, verdict="sub-diffusive", farthest_msd_nm2=0.2, exponent=0.5), 9.0, TOLERANCE, 0.2)
    assert both.further_ns == both.at_this_exponent_ns == pytest.approx(9 * (3 - 1))
    sub = extension(_known(**none, verdict="sub-diffusive", exponent=0.7), 9.0, TOLERANCE, 0.2)
    assert (sub.at_least, sub.further_ns, sub.at_this_exponent_ns) == (True, pytest.approx(9 * (3 - 1)), None)
    noisy = extension(_known(**none, verdict="too short", exponent_error=0.2), 9.0, TOLERANCE, 0.2)
    assert (noisy.at_least, noisy.further_ns) == (True, pytest.approx(9 * (9 - 1)))
    still = extension(diffusion([np.zeros((300, 4, 3))], 1.0, TOLERANCE), 9.0, TOLERANCE, 0.2)
    assert still.further_ns is None


def test_extension_of_a_short_run_is_borne_out() -> None:
    """Diffusive motion that is too slow for its run: with the length asked for, the MSD is far enough."""
    rng = np.random.default_rng(10)
    found = diffusion([brownian(600, 40, 2e-4, rng)], 1.0, TOLERANCE)
    assert found.verdict == "too short"
    asked = extension(found, 0.599, TOLERANCE, 0.2)
    longer = diffusion([brownian(round(1000 * (0.599 + asked.further_ns) * 1.2), 40, 2e-4, rng)], 1.0, TOLERANCE)
    assert longer.farthest_msd_nm2 == pytest.approx(0.25 * 1.2, rel=0.15)


def test_what_chains_carry() -> None:
    """Ions move by their chain's walk and one of their own, which has 70 % of the variance; other chains are no use."""
    rng = np.random.default_rng(11)
    chain_of, origins = np.arange(20) % 5, np.arange(0, 1000, 5)
    bound = np.tile(chain_of, (len(origins), 1))
    bound[::3, 7] = -1
    own, strange = [], []
    for _ in range(200):
        chains, others = brownian(1000, 5, 0.3, rng), brownian(1000, 5, 0.3, rng)
        ions = chains[:, chain_of] + brownian(1000, 20, 0.7, rng)
        own.append(carried_share(ions, chains, origins, bound, 20))
        strange.append(carried_share(ions, others, origins, bound, 20))
    for found, share in ((own, 0.3), (strange, 0.0)):
        values, errors = np.array([(f.value, f.error) for f in found]).T
        assert values.mean() == pytest.approx(share, abs=0.005)
        assert 0.55 <= (np.abs(values - share) < errors).mean() <= 0.76
    riding = carried_share(chains[:, chain_of], chains, origins, bound, 20)
    assert (riding.value, riding.error) == (pytest.approx(1.0), pytest.approx(0.0, abs=1e-9))
    assert carried_share(ions, chains, origins, np.full_like(bound, -1), 20).value is None


def test_the_chain_that_holds_an_ion() -> None:
    chain_of_site = np.array([0, 0, 1, 1, -1])
    neighbours = np.array([[[2, 0, 1], [0, 2, -1], [4, 3, 0], [4, -1, -1], [0, 1, 2]]])
    distances = np.array([[[0.2, 0.21, 0.22], [0.2, 0.3, np.inf], [0.2, 0.3, 0.5], [0.2, np.inf, np.inf], [0.5] * 3]])
    assert chain_of_ions(neighbours, distances, chain_of_site, 0.35).tolist() == [[0, 0, 1, -1, -1]]


def _molecule(name: str, kind: str, roles: list[str | None]) -> Molecule:
    sites = tuple(Site(f"A{k}", "A", 0.0, 10.0 + k, name, 1, "A", role, None, "test") for k, role in enumerate(roles))
    bonds = tuple(Term((k, k + 1), 1, (0.1, 1.0), "own", "test") for k in range(len(roles) - 1))
    return Molecule(name, kind, 0, sites, bonds, (), (), ())


def _system(salt: int) -> SystemDescription:
    entries = [MoleculeCount(_molecule("PEO", "polymer", [None, "ether_O", None, None, "ether_O", None]), 3)]
    if salt:
        entries += [
            MoleculeCount(_molecule("LI", "cation", ["Li"]), salt),
            MoleculeCount(_molecule("TFSI", "anion", ["anion_F", "anion_N", "anion_F"]), salt),
        ]
    return SystemDescription(tuple(entries), choice(), "")


class Files:
    """Rigid rods that walk and turn in a box of 2 nm, reduced; their centres of mass relative to that of all."""

    def __init__(self, folder: Path, salt: int, n_frames: int = 400, turn: float = 0.0, d: float = 5e-3) -> None:
        rng = np.random.default_rng(7)
        sizes = [6] * 3 + [1] * salt + [3] * salt
        masses = [10.0 + np.arange(size) for size in sizes]
        centres = brownian(n_frames, len(sizes), d, rng)
        angle = turn * np.arange(n_frames)
        axis = 0.1 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
        rods = [
            centres[:, [m]] + (np.arange(size) - np.average(np.arange(size), weights=mass))[:, None] * axis[:, None]
            for m, (size, mass) in enumerate(zip(sizes, masses, strict=True))
        ]
        trajectory, self.description = folder / "t.xtc", folder / "system.json"
        with XTCFile(str(trajectory), "w") as file:
            for k, frame in enumerate(np.concatenate(rods, axis=1) % 2.0):
                file.write(frame.astype(np.float32), 2 * np.eye(3, dtype=np.float32), k, 0.5 * k, 100_000)
        self.description.write_text(to_json(_system(salt)))
        self.reduced = folder / "reduced.h5"
        criteria = ReduceCriteria(
            frame_interval_ps=0.5,
            motion_interval_ps=1.0,
            structure_interval_ps=2.0,
            slow_interval_ps=50.0,
            rdf_range_nm=0.9,
            rdf_bin_nm=0.01,
        )
        reduce_trajectory(trajectory, self.description, criteria, self.reduced)
        self.csv, self.json = folder / "out" / "m.csv", folder / "out" / "m.json"
        weights = np.array([mass.sum() for mass in masses])
        used = centres[::2]
        self.relative = used - np.average(used, axis=1, weights=weights)[:, None]

    def analyse(self) -> tuple[pd.DataFrame, dict[str, Any]]:
        analyse_motion(self.reduced, self.description, CRITERIA, self.csv, self.json)
        return pd.read_csv(self.csv), json.loads(self.json.read_text())


def test_files_of_a_salted_system(tmp_path: Path) -> None:
    files = Files(tmp_path, 5)
    table, data = files.analyse()
    names = ["Li", "anion_com", "chain_com", "F", "ether_O"]
    columns = [f"msd_{n}_nm2" for n in names] + [f"msd_{n}_error_nm2" for n in names] + [f"alpha_{n}" for n in names]
    assert list(table.columns) == ["lag_ps", *columns]
    moved = table.dropna(subset="msd_Li_nm2")
    lags = moved["lag_ps"].round().astype(int).to_numpy()
    for name, part in (("chain_com", slice(0, 3)), ("Li", slice(3, 8)), ("anion_com", slice(8, 13))):
        of_particles = particle_msd(files.relative[:, part], lags)
        np.testing.assert_allclose(moved[f"msd_{name}_nm2"], of_particles.mean(1), rtol=2e-3, atol=1e-5)
        error = of_particles.std(axis=1, ddof=1) / math.sqrt(of_particles.shape[1])
        np.testing.assert_allclose(moved[f"msd_{name}_error_nm2"], error, rtol=1e-2, atol=1e-5)
    # a frame of structure is every second one of motion
    followed = table.dropna(subset="msd_F_nm2")
    assert (followed["lag_ps"] % 2 == 0).all() and len(followed) < len(table) > len(moved)
    lags = (followed["lag_ps"] / 2).round().astype(int).to_numpy()
    for name, part in (("F", slice(8, 13)), ("ether_O", slice(0, 3))):
        own = mean_msd(files.relative[::2, part], lags)
        np.testing.assert_allclose(followed[f"msd_{name}_nm2"], own, rtol=2e-3, atol=1e-5)
    assert data["length_ns"] == pytest.approx(0.199)
    assert (data["use_interval_ps"], data["sites_interval_ps"]) == (1.0, 2.0)
    assert data["system_drift_nm"] > 0.1
    for key in ("Li", "anion", "chain"):
        assert data[key]["verdict"] in ("diffusive", "sub-diffusive", "too short")
        assert (data[key]["D_m2_s"]["value"] is None) == (data[key]["verdict"] != "diffusive")
        assert (data[key]["D_gls_m2_s"]["value"] is None) == (data[key]["verdict"] != "diffusive")
        assert data[key]["extension"]["reason"]
    assert data["Li_carried_by_chain"]["lag_ps"] == 19


def test_sites_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = Files(tmp_path, 3, 80)
    whole, _ = files.analyse()
    monkeypatch.setattr("eoli.analysis.motion.analyse._CHUNK_BYTES", 1.0)
    parts, _ = files.analyse()
    pd.testing.assert_frame_equal(whole, parts)


def test_paths_that_are_read_when_they_are_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = Files(tmp_path, 5)
    eager = files.analyse()
    monkeypatch.setattr("eoli.analysis.motion.analyse._BYTES_IN_MEMORY", 0)
    monkeypatch.setattr("eoli.trajectory.unwrap._BYTES_AT_ONCE", 24 * 200 * 2)
    monkeypatch.setattr("eoli.analysis.motion.analyse._CHUNK_BYTES", 24 * 200 * 2)
    table, data = files.analyse()
    pd.testing.assert_frame_equal(table, eager[0], rtol=1e-8)
    # text and numbers of all particles, also those that are not resolved
    found, expected = (pd.json_normalize(of).T[0] for of in (data, eager[1]))
    numbers = expected.map(lambda value: isinstance(value, float))
    assert numbers.sum() > 10
    np.testing.assert_allclose(found[numbers].astype(float), expected[numbers].astype(float), rtol=1e-8)
    assert found[~numbers].astype(str).to_dict() == expected[~numbers].astype(str).to_dict()


def test_neighbours_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lithium that rides on the first or the second chain, by turns; every third frame is an origin."""
    files = Files(tmp_path, 3, 400)
    monkeypatch.setattr("eoli.analysis.motion.analyse._ORIGINS", 60)
    with h5py.File(files.reduced, "r+") as file:
        n_frames = len(file["motion/lithium"])
        sites = np.where(np.arange(n_frames) % 2, 1, 6 + 1)[:, None, None] * np.ones((1, 3, 1), dtype=int)
        free = np.full_like(sites, -1)
        lists = {"neighbours": (sites, free), "distances": (np.full(sites.shape, 0.2), np.full(sites.shape, np.inf))}
        for name, data in lists.items():
            attributes = dict(file[f"motion/{name}"].attrs)
            del file[f"motion/{name}"]
            file[f"motion/{name}"] = np.concatenate(data, axis=-1)
            file[f"motion/{name}"].attrs.update(attributes)
        file["motion/lithium"][:] = file["motion/chains"][:, :1]
    seal(files.reduced, read_description(files.description))
    chains = files.relative[:, :2]
    origins = np.arange(0, n_frames - 19, 3)
    moved = chains[origins + 19] - chains[origins]
    # the frame of reference is that of the whole system, in which lithium weighs little
    along = (moved[:, 0] * moved[np.arange(len(origins)), (origins + 1) % 2]).sum() / (moved[:, 0] ** 2).sum()
    _, data = files.analyse()
    assert data["Li_carried_by_chain"]["share"]["value"] == pytest.approx(along, abs=0.15)
    monkeypatch.setattr("eoli.trajectory.store.Reduced.pieces.__defaults__", (7,))
    assert files.analyse()[1]["Li_carried_by_chain"] == data["Li_carried_by_chain"]


def test_steps_of_half_the_box_give_no_motion(tmp_path: Path) -> None:
    table, data = Files(tmp_path, 5, d=0.2).analyse()
    assert table.drop(columns="lag_ps").isna().all(axis=None)
    for key in ("Li", "anion", "chain"):
        assert data[key]["verdict"] == "not known" and "at most 0.25 ps apart" in data[key]["extension"]["reason"]
        assert {data[key][name]["value"] for name in ("D_m2_s", "D_gls_m2_s", "exponent")} == {None}
        assert data[key]["D_upper_bound_m2_s"] is None
    assert data["Li_carried_by_chain"]["share"]["value"] is None and data["system_drift_nm"] is None


def test_rotation_moves_atoms_but_not_the_centre_of_mass(tmp_path: Path) -> None:
    files = Files(tmp_path, 4, 120, turn=0.3)
    table = files.analyse()[0].dropna(subset="msd_F_nm2")
    lags = table["lag_ps"].round().astype(int).to_numpy()
    own = mean_msd(files.relative[::2, 7:11], lags // 2)
    # fluorine sits 12/11 and 10/11 of a bond from the centre; the used frames turn by 0.6
    arms = 0.01 * np.mean([(35 / 33) ** 2, (31 / 33) ** 2])
    np.testing.assert_allclose(table["msd_F_nm2"], own + 2 * arms * (1 - np.cos(0.6 * lags)), rtol=0.1, atol=2e-3)


def test_a_neat_polymer_has_chains_alone(tmp_path: Path) -> None:
    table, data = Files(tmp_path, 0, 60).analyse()
    names = ["chain_com", "ether_O"]
    assert [c for c in table.columns if c.startswith("msd_") and "error" not in c] == [f"msd_{n}_nm2" for n in names]
    assert not {"Li", "anion", "Li_carried_by_chain"} & data.keys()


def test_displacements_at_common_lags_are_those_of_motion(tmp_path: Path) -> None:
    files = Files(tmp_path, 3, 200, d=1e-3)
    motion = files.analyse()[0].set_index("lag_ps")
    out = tmp_path / "out" / "displacement.csv"
    analyse_displacement(files.reduced, files.description, DisplacementCriteria(), out, out.with_suffix(".json"))
    found = pd.read_csv(out).set_index("lag_ps")
    for ours, theirs in (("Li", "Li"), ("anion", "anion_com"), ("ether_O", "ether_O")):
        pairs = pd.concat([found[f"msd_{ours}_nm2"], motion[f"msd_{theirs}_nm2"]], axis=1).dropna()
        assert len(pairs) > 5 and pairs.iloc[:, 0].to_numpy() == pytest.approx(pairs.iloc[:, 1].to_numpy())
        # errors up to a tenth of the run, where there are ten independent origins
        known = found[f"ln_msd_{ours}_error"].notna()
        assert known.any() and (found.loc[known, f"origins_{ours}"] >= 10).all()
    # segments are followed in every other frame
    assert found["msd_ether_O_nm2"].first_valid_index() == 2
    of_lithium = json.loads(out.with_suffix(".json").read_text())["Li"]
    assert of_lithium["molecules"] == 3 and of_lithium["trend"]["p_value"] > 0.01


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    files = Files(tmp_path, 2, 30)
    files.description.write_text(to_json(_system(3)))
    with pytest.raises(DataError, match="sites"):
        files.analyse()
    with pytest.raises(DataError, match="no such"):
        analyse_motion(tmp_path / "none.h5", files.description, CRITERIA, files.csv, files.json)
    assert not files.csv.exists() and not files.json.exists()


def test_a_mass_that_does_not_move_is_refused(tmp_path: Path) -> None:
    files = Files(tmp_path, 2, 30)
    with h5py.File(files.reduced, "r+") as file:
        del file["motion/chains"]
    seal(files.reduced, read_description(files.description))
    with pytest.raises(DataError, match="holds no motion/chains"):
        files.analyse()
