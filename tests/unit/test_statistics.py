"""Means, errors, drifts and densities, against series whose statistics are known in closed form."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyedr
import pytest
from scipy import constants

from eoli.analysis.density import analyse_density, density_of
from eoli.core import units
from eoli.core.statistics import (
    block_estimate,
    block_means,
    equilibrated_mean,
    inefficiency,
    jackknife_error,
    linear_drift,
    mean_of_starts,
    standard_error,
)
from eoli.core.units import GRAM_PER_MOL_NM3
from eoli.errors import DataError
from eoli.gromacs import energies
from eoli.gromacs.energies import densities, read_energies
from eoli.study.criteria import DensityCriteria
from eoli.topology.description import MoleculeCount, SystemDescription, to_json
from eoli.topology.molecule import Molecule, Site
from support import choice
from synthetic_trajectories import ar1

NPT_EDR = Path(pyedr.__file__).parent / "tests" / "data" / "irregular.edr"


def test_inefficiency_of_an_autoregression() -> None:
    rng = np.random.default_rng(1)
    found = np.mean([inefficiency(ar1(4000, 0.8, rng)) for _ in range(5)])
    assert found == pytest.approx((1 + 0.8) / (1 - 0.8), rel=0.2)


def test_stated_error_of_the_mean_is_the_real_spread() -> None:
    rng = np.random.default_rng(2)
    means = [equilibrated_mean(5 + ar1(600, 0.7, rng)) for _ in range(80)]
    real = np.std([mean.value for mean in means])
    stated = np.mean([mean.standard_error for mean in means])
    assert 0.7 < stated / real < 1.4


def test_a_start_far_from_equilibrium_is_left_out() -> None:
    rng = np.random.default_rng(3)
    series = 1 + 0.02 * rng.normal(size=2000) + np.exp(-np.arange(2000) / 60)
    mean = equilibrated_mean(series)
    assert 150 < mean.first_equilibrated_index < 700
    assert mean.value == pytest.approx(1, abs=5 * mean.standard_error)


def test_a_constant_series_has_no_error() -> None:
    mean = equilibrated_mean(np.full(50, 0.1 + 0.2))
    assert (mean.value, mean.standard_error, mean.first_equilibrated_index) == (pytest.approx(0.3), 0.0, 0)
    assert inefficiency(np.ones(3)) == 1


@pytest.mark.parametrize("series", [[1.0], [1.0, np.nan, 2.0], []])
def test_series_without_a_mean_are_refused(series: list[float]) -> None:
    with pytest.raises(DataError):
        equilibrated_mean(series)


def test_drift_and_its_error() -> None:
    rng = np.random.default_rng(4)
    time = np.arange(500) * 0.1
    drifts = [linear_drift(time, 3 + 0.02 * time + 0.1 * ar1(500, 0.7, rng)) for _ in range(60)]
    slopes = np.array([drift.value for drift in drifts])
    stated = np.mean([drift.error for drift in drifts])
    assert slopes.mean() == pytest.approx(0.02, abs=5 * slopes.std() / np.sqrt(60))
    assert 0.65 < stated / slopes.std() < 1.4


def test_block_estimate() -> None:
    mean, error = block_estimate(np.arange(10.0)[:, None] * [1, 2])
    np.testing.assert_allclose(mean, [4.5, 9])
    np.testing.assert_allclose(error, np.std([0.5, 2.5, 4.5, 6.5, 8.5], ddof=1) / np.sqrt(5) * np.array([1, 2]))
    assert np.isnan(block_estimate([1.0, 2.0])[1])
    # all frames count, in blocks as equal as can be
    uneven, _ = block_estimate(np.arange(12.0))
    assert uneven == 5.5 and block_means(np.arange(12.0)).tolist() == [1.0, 4.0, 6.5, 8.5, 10.5]


def test_jackknife_of_the_mean_is_the_standard_error() -> None:
    samples = np.random.default_rng(5).normal(size=30)
    assert jackknife_error(float, samples) == pytest.approx(standard_error(samples))
    assert np.isnan(standard_error([1.0]))


def one_site(mass: float) -> SystemDescription:
    site = Site("C", "C", 0.0, mass, "X", 1, "C", None, None, "test")
    return SystemDescription((MoleculeCount(Molecule("X", "polymer", 0, (site,), (), (), (), ()), 1),), choice(), "")


def npt_mass() -> float:
    terms = pyedr.edr_to_dict(str(NPT_EDR))
    return float(np.mean(terms["Density"] / 1000 * terms["Volume"]) * GRAM_PER_MOL_NM3)


def test_density_of_a_real_energy_file(tmp_path: Path) -> None:
    terms = pyedr.edr_to_dict(str(NPT_EDR))
    description, csv, scalars = tmp_path / "system.json", tmp_path / "density.csv", tmp_path / "density.json"
    description.write_text(to_json(one_site(npt_mass())))
    analyse_density(NPT_EDR, description, DensityCriteria(), csv, scalars)
    data = json.loads(scalars.read_text())
    assert data["density_g_cm3"]["value"] == pytest.approx(terms["Density"].mean() / 1000, rel=0.01)
    assert data["density_g_cm3"]["error"] > 0
    assert csv.read_text().splitlines()[0] == "time_ps,density_g_cm3"
    assert len(csv.read_text().splitlines()) == len(terms["Time"]) + 1


def test_density_of_another_system_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    description = tmp_path / "system.json"
    description.write_text(to_json(one_site(1.1 * npt_mass())))
    with pytest.raises(DataError, match="another system"):
        analyse_density(NPT_EDR, description, DensityCriteria(), tmp_path / "d.csv", tmp_path / "d.json")
    assert list(tmp_path.iterdir()) == [description]


def test_density_from_volume_or_box() -> None:
    volume = np.array([1.0, 2.0])
    expected = 602.214076 / 602.214076 / volume
    np.testing.assert_allclose(densities({"Volume": volume}, 602.214076), expected)
    box = {f"Box-{axis}": np.cbrt(volume) for axis in "XYZ"}
    np.testing.assert_allclose(densities(box, 602.214076), expected)
    with pytest.raises(DataError, match="constant volume"):
        densities({"Temperature": volume}, 1.0)


def test_energy_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"empty.edr": b"", "text.edr": b"no energies" * 30, "cut.edr": NPT_EDR.read_bytes()[:40]}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=name):
            density_of(tmp_path / name, 1.0)
    with pytest.raises(DataError, match="no such"):
        density_of(tmp_path / "none.edr", 1.0)
    monkeypatch.setattr(energies, "_frames", lambda _: ({"Time": np.zeros(1)}, np.empty(0)))
    with pytest.raises(DataError, match="fewer than 2"):
        density_of(NPT_EDR, 1.0)


def test_too_little_memory_is_no_sign_of_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path) -> None:
        raise MemoryError

    monkeypatch.setattr(energies, "_frames", full)
    with pytest.raises(MemoryError, match=str(NPT_EDR)):
        read_energies(NPT_EDR)


def test_energies_cut_anywhere_are_refused(tmp_path: Path) -> None:
    whole, path = NPT_EDR.read_bytes(), tmp_path / "cut.edr"
    for length in (*np.linspace(1, len(whole) - 1, 12, dtype=int), len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"cut\.edr"):
            read_energies(path)


@pytest.mark.parametrize(
    ("time", "off", "message"),
    [
        ([0.0, 1.0, 2.0, 3.0], [0.0] * 4, "energies to 3 ps; the run has 4 ps"),
        ([0.0, 1.0, 3.0, 4.0], [0.0] * 4, "missing"),
        ([0.0, 1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 3.0, 0.0, 0.0], "steps"),
        ([0.0, 2.0, 1.0, 3.0, 4.0], [0.0] * 5, "go back"),
        ([0.0, 1.0, np.nan, 3.0, 4.0], [0.0] * 5, "finite"),
    ],
)
def test_energies_of_a_run_of_known_length(
    monkeypatch: pytest.MonkeyPatch, time: list[float], off: list[float], message: str
) -> None:
    monkeypatch.setattr(
        energies, "_frames", lambda _: ({"Time": np.array(time), "Temperature": np.array(time)}, np.array(off))
    )
    with pytest.raises(DataError, match=message):
        read_energies(NPT_EDR, length_ps=4.0)


def test_a_stop_between_two_energies_adds_one(monkeypatch: pytest.MonkeyPatch) -> None:
    time = np.array([0.0, 1.0, 1.4, 2.0, 3.0, 4.0])
    monkeypatch.setattr(energies, "_frames", lambda _: ({"Time": time, "Temperature": time}, 0 * time))
    assert len(read_energies(NPT_EDR, length_ps=4.0)["Time"]) == 6
    monkeypatch.setattr(energies, "_frames", lambda _: ({"Time": time, "Potential": time}, 0 * time))
    with pytest.raises(DataError, match="no energies of dynamics"):
        read_energies(NPT_EDR, length_ps=4.0)


@pytest.mark.parametrize("volume", [0.0, -1.0, np.nan, np.inf])
def test_a_volume_that_is_none_has_no_density(volume: float) -> None:
    with pytest.raises(DataError, match="Volume is not finite and above 0"):
        densities({"Volume": np.array([1.0, volume])}, 602.214076)


def analysed(folder: Path, monkeypatch: pytest.MonkeyPatch, volume: np.ndarray, equilibrates: bool = True) -> dict:
    (folder / "system.json").write_text(to_json(one_site(602.214076)))
    terms = {"Time": np.arange(len(volume)), "Volume": volume}
    monkeypatch.setattr(energies, "_frames", lambda _: (terms, np.empty(0)))
    criteria = DensityCriteria(equilibrates=equilibrates)
    analyse_density(NPT_EDR, folder / "system.json", criteria, folder / "d.csv", folder / "d.json")
    return json.loads((folder / "d.json").read_text())


def test_a_density_that_the_data_do_not_determine_is_withheld(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(3).normal(1, 0.01, 400)
    assert analysed(tmp_path, monkeypatch, noise)["density_g_cm3"]["value"] == pytest.approx(1, abs=0.01)
    for volume, equilibrates, why in (
        (noise, False, "drives the box"),
        (np.ones(400), True, "that differ"),
    ):
        found = analysed(tmp_path, monkeypatch, volume, equilibrates)
        assert why in found.pop("verdict")
        assert found["density_g_cm3"] == found["density_drift_g_cm3_per_ns"] == {"value": None, "error": None}
        assert found["equilibrated_from_ps"] is None and found["independent_samples"] is None


def test_the_interval_of_starts_holds_the_truth_as_often_as_it_says() -> None:
    """Two starts that scatter by far more than their own errors, as stuck ones do, and two that scatter as they say."""
    rng = np.random.default_rng(8)
    for scatter, own, held_from, held_to in ((1.0, 0.01, 0.64, 0.73), (0.1, 0.1, 0.68, 0.9)):
        held = 0
        for _ in range(2000):
            mean, half = mean_of_starts(5 + scatter * rng.normal(size=2), [own, own])
            held += abs(mean - 5) <= half
        assert held_from < held / 2000 < held_to
    with pytest.raises(DataError, match="at least 2"):
        mean_of_starts([1.0], [0.1])


def test_estimates_say_nothing_of_their_own() -> None:
    code = "from eoli.core.statistics import equilibrated_mean\nequilibrated_mean([1, 3, 2, 4, 1, 2, 3, 1, 2, 4])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("", "")


def test_constants_of_the_si_are_those_of_scipy() -> None:
    assert (
        constants.k, constants.e, constants.N_A
    ) == (units.BOLTZMANN_J_K, units.ELEMENTARY_CHARGE_C, units.AVOGADRO_PER_MOL)  # fmt: skip
    assert pytest.approx(constants.R / 1000, rel=1e-9) == units.GAS_CONSTANT
    assert pytest.approx(constants.bar * constants.nano**3 * constants.N_A / 1000) == units.BAR_NM3
