"""First shells and chain shapes: by hand, by plain loops, and against ideal chains; then the files of the analysis."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eoli.analysis.structure.analyse import analyse_structure
from eoli.analysis.structure.shells import chain_shape, distribution, gauche_fraction, shell_numbers
from eoli.errors import DataError
from eoli.study.criteria import StructureCriteria
from eoli.topology.description import MoleculeCount, SystemDescription
from support import choice
from synthetic_trajectories import LITHIUM, NEAT, SYSTEM, TFSI, molecule, reduce, write_system

CUTOFFS = {"ether_O": 0.3, "carbonyl_O": 0.3, "ester_bridging_O": 0.26, "anion": 0.36}


def test_numbers_of_a_shell_by_hand() -> None:
    """Sites 0-5: two ether oxygens of chain 0, one of chain 1; three oxygens of two anions."""
    neighbours = np.array([[[0, 1, 3, 4, -1], [5, 2, -1, -1, -1], [-1, -1, -1, -1, -1]]], dtype=np.int32)
    distances = np.array(
        [[[0.20, 0.29, 0.30, 0.36, np.inf], [0.22, 0.31, np.inf, np.inf, np.inf], [np.inf] * 5]], dtype=np.float32
    )
    partners = {"ether_O": (np.array([0, 1, 2]), 0.3), "anion": (np.array([3, 4, 5]), 0.35)}
    molecules = {"chains": np.array([0, 0, 1, -1, -1, -1, 1, -1]), "anions": np.array([-1, -1, -1, 0, 0, 1, -1, 1])}
    found = shell_numbers(neighbours, distances, 8, partners, molecules)
    assert {name: values.tolist() for name, values in found.items()} == {
        "ether_O": [[2, 0, 0]],
        "anion": [[1, 1, 0]],
        "chains": [[1, 0, 0]],
        "anions": [[1, 1, 0]],
    }


def test_numbers_of_shells_as_plain_loops_count_them() -> None:
    rng = np.random.default_rng(1)
    neighbours = np.array([[rng.permutation(30)[:8] for _ in range(6)] for _ in range(40)], dtype=np.int32)
    neighbours[rng.random(neighbours.shape) < 0.2] = -1
    distances = np.where(neighbours < 0, np.inf, rng.random(neighbours.shape)).astype(np.float32)
    partners = {"a": (np.arange(0, 30, 2), 0.6), "b": (np.arange(1, 20, 2), 0.4)}
    site = np.arange(30)
    molecules = {
        "chains": np.where(site < 12, site // 4, -1),
        "anions": np.where((site >= 12) & (site < 28), (site - 12) // 2, -1),
    }
    found = shell_numbers(neighbours, distances, 30, partners, molecules)
    for f in range(40):
        for i in range(6):
            bound = {
                int(site)
                for site, d in zip(neighbours[f, i], distances[f, i], strict=True)
                if any(site in sites and d <= cutoff for sites, cutoff in partners.values())
            }
            for name, (sites, _) in partners.items():
                assert found[name][f, i] == len(bound & set(sites.tolist()))
            for name, of_site in molecules.items():
                assert found[name][f, i] == len({of_site[site] for site in bound} - {-1})


def test_distribution_by_hand() -> None:
    found = distribution(np.array([[2, 2, 0, 0], [0, 4, 0, 0], [2, 2, 0, 0], [4, 0, 0, 0]]))
    assert found.mean.value == pytest.approx(0.5)
    assert found.mean.error == pytest.approx(np.std([0.5, 1, 0.5, 0], ddof=1) / 2)
    assert [p.value for p in found.probabilities] == [pytest.approx(0.5)] * 2
    assert distribution(np.array([[1, 3]])).mean.error is None


def test_shape_of_freely_jointed_chains() -> None:
    """<Ree2> = n b2; <Rg2> = n b2 (n + 2) / (6 (n + 1)) for n bonds (Rubinstein, Colby, section 2.4)."""
    rng = np.random.default_rng(2)
    n_bonds, chains = 50, 400
    steps = rng.normal(size=(20, chains, n_bonds, 3))
    steps *= 0.3 / np.linalg.norm(steps, axis=-1, keepdims=True)
    paths = np.concatenate([np.zeros((20, chains, 1, 3)), np.cumsum(steps, axis=2)], axis=2)
    gyration = np.sqrt(((paths - paths.mean(axis=2, keepdims=True)) ** 2).sum(axis=-1).mean(axis=2))
    found = chain_shape(gyration.astype(np.float32), paths[:, :, -1].astype(np.float32))
    expected = (np.sqrt(n_bonds * 0.09 * (n_bonds + 2) / (6 * (n_bonds + 1))), np.sqrt(n_bonds * 0.09))
    ratio = 6 * (n_bonds + 1) / (n_bonds + 2)
    for estimate, value in zip(
        (found.radius_of_gyration_nm, found.end_to_end_nm, found.end_to_end2_over_gyration2),
        (*expected, ratio),
        strict=True,
    ):
        assert abs(estimate.value - value) < 4 * estimate.error
        assert 0.001 * value < estimate.error < 0.02 * value
    assert chain_shape(gyration[:, :1], paths[:, :1, -1]).end_to_end_nm.error is None


def test_gauche_fraction_of_known_torsions() -> None:
    angles = np.radians([60.0, -60.0, 180.0, -179.0, 119.0, 121.0, -75.0, 90.0])
    found = gauche_fraction(np.tile(angles, (3, 1)).astype(np.float32), 2)
    assert found.value == pytest.approx(5 / 8)
    assert found.error == pytest.approx(np.std([0.5, 0.75], ddof=1) / np.sqrt(2))


def _analyse(
    folder: Path, system: SystemDescription, cutoffs: dict[str, float], slots: int = 16
) -> tuple[pd.DataFrame, dict]:
    trajectory, description = write_system(folder, system)
    reduced = reduce(trajectory, description, folder / "r.h5", (1.0, 1.0, 5.0), slots=slots)
    csv, scalars = folder / "out" / "s.csv", folder / "out" / "s.json"
    analyse_structure(reduced, description, StructureCriteria(contact_nm=cutoffs), csv, scalars)
    return pd.read_csv(csv), json.loads(scalars.read_text())


def test_a_hydroxyl_end_counts_among_the_oxygens(tmp_path: Path) -> None:
    chain = molecule("PX", "polymer", ["hydroxyl_O", None, "ether_O", None, "ether_O"])
    system = SystemDescription((MoleculeCount(chain, 6), MoleculeCount(LITHIUM, 4)), choice(), "")
    table, found = _analyse(tmp_path, system, {"ether_O": 0.4, "hydroxyl_O": 0.45})
    shells = {name: entry["mean"]["value"] for name, entry in found["shell_statistics"].items() if name != "cutoffs_nm"}
    assert shells["ether_O"] > 0 and shells["hydroxyl_O"] > 0
    assert shells["oxygen"] == pytest.approx(shells["ether_O"] + shells["hydroxyl_O"])
    assert found["Li"]["hydroxyl_O"]["at_cutoff"]["value"] == pytest.approx(shells["hydroxyl_O"], abs=0.02)
    assert "g_Li_hydroxyl_O" in table
    with pytest.raises(DataError, match="a cut-off of None nm for hydroxyl_O"):
        _analyse(tmp_path, system, {"ether_O": 0.4})


def test_files_of_a_salted_system(tmp_path: Path) -> None:
    table, found = _analyse(tmp_path, SYSTEM, CUTOFFS)
    partners = ["ether_O", "carbonyl_O", "amide_O", "ester_O", "ester_bridging_O", "anion_N", "anion_O", "Li"]
    pairs = [*(f"Li_{name}" for name in partners), "amide_H_anion_N", "amide_H_anion_O"]
    assert list(table) == ["r_nm", *(f"{c}_{pair}" for pair in pairs for c in "gn")]
    assert set(found["Li"]) == set(partners) and set(found["amide_H"]) == {"anion_N", "anion_O"}
    assert (found["lithium_ions"], found["frames"]) == (5, 30)
    assert found["Li"]["ether_O"]["sites"] == 12 and found["Li"]["Li"]["sites"] == 4
    shells = found["shell_statistics"]
    for name, numbers in shells.items():
        if name != "cutoffs_nm":
            assert sum(p["value"] for p in numbers["probabilities"]) == pytest.approx(1)
    # two ways to the same number: from bins of pairs and from neighbours
    for partner, name in (("ether_O", "ether_O"), ("carbonyl_O", "carbonyl_O"), ("anion_O", "anion")):
        at_cutoff = found["Li"][partner]["at_cutoff"]
        assert at_cutoff["cutoff_nm"] == CUTOFFS[name]
        assert at_cutoff["value"] == pytest.approx(shells[name]["mean"]["value"], abs=1e-3)
        assert at_cutoff["value"] > 0.1
    total = sum(shells[name]["mean"]["value"] for name in CUTOFFS)
    assert shells["oxygen"]["mean"]["value"] == pytest.approx(total)
    assert "at_cutoff" not in found["Li"]["anion_N"] and "at_cutoff" not in found["Li"]["Li"]
    assert 0 < found["gauche_fraction"]["value"] < 1
    assert found["chains"]["end_to_end2_over_gyration2"]["value"] == pytest.approx(6, abs=2)


def test_a_neat_polymer_has_chains_alone(tmp_path: Path) -> None:
    table, found = _analyse(tmp_path, NEAT, {})
    assert list(table) == ["r_nm"]
    assert (found["lithium_ions"], found["Li"]) == (0, {})
    assert "shell_statistics" not in found
    assert found["chains"]["radius_of_gyration_nm"]["value"] > 0.1


def test_ions_without_a_polymer_have_no_chains(tmp_path: Path) -> None:
    salt = SystemDescription((MoleculeCount(LITHIUM, 3), MoleculeCount(TFSI, 3)), choice(), "")
    _, found = _analyse(tmp_path, salt, {"anion": 0.3})
    assert "chains" not in found and "gauche_fraction" not in found
    assert set(found["shell_statistics"]) == {"anion", "anions", "oxygen", "cutoffs_nm"}


def test_sites_of_an_anion_without_oxygen_are_no_oxygen(tmp_path: Path) -> None:
    fluoride = molecule("PF6", "anion", ["anion_F", "anion_F", "anion_F"])
    salt = SystemDescription((MoleculeCount(LITHIUM, 5), MoleculeCount(fluoride, 5)), choice(), "")
    table, found = _analyse(tmp_path, salt, {"anion": 0.45})
    assert "g_Li_anion_F" in table and "at_cutoff" in found["Li"]["anion_F"]
    assert found["shell_statistics"]["anion"]["mean"]["value"] > 0
    assert "oxygen" not in found["shell_statistics"]


def test_chloride_is_counted_within_the_distance_of_anions(tmp_path: Path) -> None:
    chloride = molecule("CL", "anion", ["anion_Cl"])
    salt = SystemDescription((MoleculeCount(LITHIUM, 5), MoleculeCount(chloride, 5)), choice(), "")
    _, found = _analyse(tmp_path, salt, {"anion": 0.45})
    at_cutoff = found["Li"]["anion_Cl"]["at_cutoff"]
    assert at_cutoff["cutoff_nm"] == 0.45
    assert at_cutoff["value"] == pytest.approx(found["shell_statistics"]["anion"]["mean"]["value"], abs=0.02)


def test_every_shell_has_room(tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    assert _analyse(tmp_path / "few", SYSTEM, CUTOFFS, slots=1)[1] == _analyse(tmp_path, SYSTEM, CUTOFFS)[1]


@pytest.mark.parametrize(
    ("cutoffs", "message"),
    [
        ({**CUTOFFS, "anion": 0.6}, r"0\.6 nm for anion; allowed: up to 0\.5 nm"),
        ({"ether_O": 0.3}, "carbonyl_O"),
    ],
)
def test_cutoffs_that_are_missing_or_too_long_leave_no_file(
    tmp_path: Path, cutoffs: dict[str, float], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        _analyse(tmp_path, SYSTEM, cutoffs)
    assert not (tmp_path / "out").exists()
