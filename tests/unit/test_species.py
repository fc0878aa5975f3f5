"""Mixtures of several types of chains, anions and solvents: each species against plain numpy and MDAnalysis."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import MDAnalysis as mda
import numpy as np
import pandas as pd
import pytest
from MDAnalysis.analysis.msd import EinsteinMSD
from scipy import constants

from eoli.analysis.conductivity.analyse import analyse_conductivity, ions_of
from eoli.analysis.conductivity.onsager import onsager, polymer_frame
from eoli.analysis.ions.analyse import analyse_ions
from eoli.analysis.mechanism.analyse import analyse_mechanism
from eoli.analysis.morphology.analyse import NOT_COMPARED, analyse_morphology
from eoli.analysis.motion.analyse import analyse_motion, read_motion
from eoli.analysis.structure.analyse import analyse_structure
from eoli.study.criteria import (
    ConductivityCriteria,
    IonsCriteria,
    MechanismCriteria,
    MorphologyCriteria,
    MotionCriteria,
    StructureCriteria,
)
from eoli.topology.description import MoleculeCount, SystemDescription, to_json
from eoli.topology.selections import binding_partners
from eoli.topology.species import labels, numbers_of, species_of, tethered_anions
from eoli.trajectory.store import open_reduced
from support import choice
from synthetic_trajectories import brownian, molecule, reduce, write_xtc

EDGE = 3.0
PEO = molecule("PEO", "polymer", ["ether_O", None, None, "ether_O"], 60.0)
GLYME = molecule("G3", "polymer", [None, "ether_O", None], 20.0)
LITHIUM = replace(molecule("LI", "cation", ["Li"], 7.0), formal_charge=1)
TFSI = replace(molecule("TFSI", "anion", ["anion_O", None, "anion_N"], 50.0), formal_charge=-1)
SULFATE = replace(molecule("SO4", "anion", ["anion_O", None], 48.0), formal_charge=-2)
EC = molecule("EC", "solvent", [None, "solvent_O"], 40.0)
SN = molecule("SN", "solvent", ["solvent_N", None, "solvent_N"], 26.0)
# the molecules of a type need not stand side by side
MIXTURE = SystemDescription(
    (
        MoleculeCount(PEO, 2), MoleculeCount(EC, 20), MoleculeCount(LITHIUM, 8), MoleculeCount(TFSI, 3),
        MoleculeCount(SULFATE, 2), MoleculeCount(GLYME, 4), MoleculeCount(TFSI, 1), MoleculeCount(SN, 5), MoleculeCount(EC, 10),
    ),
    choice(), "",
)  # fmt: skip
DIFFUSION = {"PEO": 1e-5, "G3": 2e-4, "LI": 1e-3, "TFSI": 2e-3, "SO4": 1e-3, "EC": 6e-3, "SN": 1e-7}
N_FRAMES = 1500


def moving(system: SystemDescription, d: dict[str, float], n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Rigid molecules that walk, nm: positions (frames, sites, 3), and the centres of all molecules in site order."""
    rng = np.random.default_rng(3)
    parts, centres = [], []
    for entry in system.molecules:
        n = len(entry.molecule.sites)
        shape = np.c_[0.12 * np.arange(n), 0.09 * (np.arange(n) % 2), np.zeros(n)]
        shape -= np.average(shape, axis=0, weights=[site.mass for site in entry.molecule.sites])
        walks = rng.uniform(0, EDGE, (entry.count, 3)) + brownian(n_frames, entry.count, d[entry.molecule.name], rng)
        parts.append((walks[:, :, None] + shape).reshape(n_frames, -1, 3))
        centres.append(walks)
    return np.concatenate(parts, axis=1), np.concatenate(centres, axis=1)


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """Folder with the description and the reduced trajectory, and the paths of all molecules without common drift."""
    folder = tmp_path_factory.mktemp("mixture")
    positions, centres = moving(MIXTURE, DIFFUSION, N_FRAMES)
    (folder / "system.json").write_text(to_json(MIXTURE))
    trajectory = write_xtc(folder / "md.xtc", positions % EDGE, np.full((N_FRAMES, 3), EDGE))
    reduce(trajectory, folder / "system.json", folder / "reduced.h5", (1.0, 1.0, 100.0))
    masses = np.concatenate([np.full(e.count, e.molecule.mass) for e in MIXTURE.molecules])
    drift = np.einsum("m,fmk->fk", masses, centres) / masses.sum()
    return folder, centres - (drift - drift[0])[:, None]


def of_type(name: str) -> np.ndarray:
    """Numbers of the molecules of a type in the order of the topology."""
    names = np.concatenate([np.full(entry.count, entry.molecule.name) for entry in MIXTURE.molecules])
    return np.flatnonzero(names == name)


@pytest.fixture(scope="module")
def motion(mixture: tuple[Path, np.ndarray]) -> tuple[pd.DataFrame, dict[str, Any]]:
    folder, _ = mixture
    criteria = MotionCriteria(temperature_K=400.0, tolerance=0.1, target_error=0.2, contact_nm=0.4)
    out = folder / "motion.csv", folder / "motion.json"
    analyse_motion(folder / "reduced.h5", folder / "system.json", criteria, *out)
    return pd.read_csv(out[0]), json.loads(out[1].read_text())


def test_particles_are_grouped_by_type() -> None:
    found = species_of(MIXTURE)
    assert {name: [(of.label, len(of.sites), of.first) for of in types] for name, types in found.items()} == {
        "Li": [("LI", 8, 0)],
        "anion": [("TFSI", 4, 0), ("SO4", 2, 4)],
        "chain": [("PEO", 2, 0), ("G3", 4, 2)],
        "solvent": [("EC", 30, 0), ("SN", 5, 30)],
    }
    anion = numbers_of(MIXTURE, "anion")
    expected = np.concatenate([[0, 0, 0, 1, 1, 1, 2, 2, 2], [4, 4, 5, 5], [3, 3, 3]])
    assert anion[anion >= 0].tolist() == expected.tolist()


def test_labels_are_plain_and_differ() -> None:
    assert labels(["EC", "Cl-", "Cl+", "Cl*", "chain"]) == {
        "EC": "EC", "Cl-": "Cl-", "Cl+": "Cl_", "Cl*": "Cl__2", "chain": "chain_2"
    }  # fmt: skip


def test_centres_of_mass_of_all_molecules(mixture: tuple[Path, np.ndarray]) -> None:
    folder, _ = mixture
    _, centres = moving(MIXTURE, DIFFUSION, N_FRAMES)
    with open_reduced(folder / "reduced.h5", MIXTURE) as reduced:
        for array, names in (("anions", ("TFSI", "SO4")), ("chains", ("PEO", "G3")), ("solvents", ("EC", "SN"))):
            expected = centres[:, np.concatenate([of_type(name) for name in names])]
            apart = reduced.array(f"motion/{array}") - expected
            assert np.abs(apart - EDGE * np.round(apart / EDGE)).max() < 2e-4
        assert reduced.shape("structure/radius_of_gyration")[1] == 6


@pytest.mark.parametrize("name", ["EC", "SN", "TFSI", "SO4", "PEO", "G3"])
def test_mean_squared_displacement_of_each_species_is_that_of_mdanalysis(
    name: str, mixture: tuple[Path, np.ndarray], motion: tuple[pd.DataFrame, dict[str, Any]]
) -> None:
    paths = mixture[1][:, of_type(name)]
    universe = mda.Universe.empty(paths.shape[1], trajectory=True)
    universe.load_new(10 * paths, order="fac", dt=1.0)
    # Å
    expected = EinsteinMSD(universe, fft=False).run().results.timeseries / 100
    table = motion[0]
    lags = table["lag_ps"].to_numpy(dtype=int)
    np.testing.assert_allclose(table[f"msd_{name}_molecule_nm2"], expected[lags], rtol=2e-3, atol=1e-6)


def test_verdicts_and_coefficients_of_each_species(motion: tuple[pd.DataFrame, dict[str, Any]]) -> None:
    found = motion[1]["molecules"]
    assert {label: (of["kind"], of["count"]) for label, of in found.items()} == {
        "TFSI": ("anion", 4), "SO4": ("anion", 2), "PEO": ("polymer", 2), "G3": ("polymer", 4), "EC": ("solvent", 30),
        "SN": ("solvent", 5),
    }  # fmt: skip
    ethylene = found["EC"]
    assert ethylene["verdict"] == "diffusive"
    value, error = ethylene["D_m2_s"]["value"], ethylene["D_m2_s"]["error"]
    assert abs(value - 6e-9) < 4 * error < 4e-9
    # it moves with the drift of the centre of mass alone: no number, but a bound
    assert found["SN"]["verdict"] == "too short" and found["SN"]["D_m2_s"]["value"] is None
    assert 1e-13 < found["SN"]["D_upper_bound_m2_s"] < 5e-10
    assert set(motion[1]) >= {"Li", "anion", "chain"}


def near(x: np.ndarray, sites: np.ndarray, cutoff_nm: float) -> float:
    """Mean number of `sites` within the cut-off of a lithium, by all distances."""
    vectors = x[:, MIXTURE.with_role("Li")][:, :, None] - x[:, sites][:, None]
    vectors -= EDGE * np.round(vectors / EDGE)
    return float((np.linalg.norm(vectors, axis=-1) < cutoff_nm).sum(axis=-1).mean())


def test_coordination_by_kind_and_by_molecule_type(mixture: tuple[Path, np.ndarray]) -> None:
    folder, _ = mixture
    contacts = {"ether_O": 0.35, "solvent_O": 0.45, "solvent_N": 0.5, "anion": 0.4}
    out = folder / "structure.csv", folder / "structure.json"
    analyse_structure(folder / "reduced.h5", folder / "system.json", StructureCriteria(contact_nm=contacts), *out)
    found = json.loads(out[1].read_text())
    positions, _ = moving(MIXTURE, DIFFUSION, N_FRAMES)
    names = np.concatenate([np.full(e.count * len(e.molecule.sites), e.molecule.name) for e in MIXTURE.molecules])

    def expected(name: str | None, role: str, cutoff_nm: float) -> float:
        sites = MIXTURE.with_role(role)
        return near(positions, sites if name is None else sites[names[sites] == name], cutoff_nm)

    shells = found["shell_statistics"]
    for key, name, role in (
        ("solvent_O", None, "solvent_O"), ("solvent_N", None, "solvent_N"), ("anion", None, "anion_O"),
        ("anion@TFSI", "TFSI", "anion_O"), ("anion@SO4", "SO4", "anion_O"), ("ether_O@G3", "G3", "ether_O"),
    ):  # fmt: skip
        number = expected(name, role, contacts[key.split("@")[0]])
        assert number > 0 and shells[key]["mean"]["value"] == pytest.approx(number, rel=1e-3), key
        partner = key.replace("anion", "anion_O")
        # g(r) counts whole bins
        assert found["Li"][partner]["at_cutoff"]["value"] == pytest.approx(number, rel=0.05), key
    assert "solvent_O@EC" not in shells
    oxygens = sum(shells[key]["mean"]["value"] for key in ("ether_O", "solvent_O", "anion"))
    assert shells["oxygen"]["mean"]["value"] == pytest.approx(oxygens)


CHARGES = {"LI": 1, "TFSI": -1, "SO4": -2}


def all_origins(path: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """MSD of one path (frames, 3) by its definition."""
    return np.array([((path[lag:] - path[:-lag]) ** 2).sum(axis=1).mean() for lag in lags])


@pytest.fixture(scope="module")
def conductivity(mixture: tuple[Path, np.ndarray]) -> tuple[pd.DataFrame, dict[str, Any]]:
    folder, _ = mixture
    criteria = ConductivityCriteria(tolerance=0.1, temperature_K=400, contact_nm=0.3, use_interval_ps=10.0)
    out = folder / "conductivity.csv", folder / "conductivity.json"
    analyse_conductivity(folder / "reduced.h5", folder / "system.json", criteria, *out)
    return pd.read_csv(out[0]), json.loads(out[1].read_text())


def test_all_ions_carry_charge(
    mixture: tuple[Path, np.ndarray], conductivity: tuple[pd.DataFrame, dict[str, Any]]
) -> None:
    table, found = conductivity
    assert found["ions"] == {
        "Li": {"count": 8, "formal_charge_e": 1}, "TFSI": {"count": 4, "formal_charge_e": -1},
        "SO4": {"count": 2, "formal_charge_e": -2},
    }  # fmt: skip
    lags = table["lag_ps"].to_numpy(dtype=int)
    charge = sum(z * mixture[1][:, of_type(name)].sum(axis=1) for name, z in CHARGES.items())
    np.testing.assert_allclose(table["charge_msd_e2_nm2"], all_origins(charge, lags), rtol=5e-3)
    between = [mixture[1][:, of_type(name)].sum(axis=1) for name in ("TFSI", "SO4")]
    cross = (all_origins(sum(between), lags) - sum(all_origins(of, lags) for of in between)) / 2
    np.testing.assert_allclose(table["collective_TFSI_SO4_nm2"], cross, atol=2e-2 * np.abs(cross).max())
    # clusters of anions of different charges have no charge by their numbers
    assert "cluster_nernst_einstein" not in found["sigma_S_m"]["formal_charges"]


def test_independent_ions_conduct_by_number_and_square_of_charge(
    motion: tuple[pd.DataFrame, dict[str, Any]], conductivity: tuple[pd.DataFrame, dict[str, Any]]
) -> None:
    """Bounds, where not all are diffusive: sigma = sum of N z^2 e^2 D / (kB T V)."""
    stated = conductivity[1]["sigma_S_m"]["formal_charges"]["nernst_einstein"]
    parts, bounded = [], False
    for name, z in CHARGES.items():
        of = motion[1]["Li"] if name == "LI" else motion[1]["molecules"][name]
        d, bounded = of["D_m2_s"]["value"], bounded or of["D_m2_s"]["value"] is None
        most = of["D_upper_bound_m2_s"] if d is None else d + 2 * of["D_m2_s"]["error"]
        parts.append((len(of_type(name)) * z**2, d, most))
    factor = constants.e**2 / (constants.k * 400 * (EDGE * 1e-9) ** 3)
    if bounded:
        assert stated["value"] is None
        if all(most is not None for _, _, most in parts):
            assert stated["upper_bound"] == pytest.approx(factor * sum(n * most for n, _, most in parts), rel=1e-4)
    else:
        assert stated["value"] == pytest.approx(factor * sum(n * d for n, d, _ in parts), rel=1e-4)


def test_the_frame_of_the_polymer_is_that_of_its_chains_in_a_solvent(mixture: tuple[Path, np.ndarray]) -> None:
    """The shares from positions relative to the chains' centre of mass, instead of from the momentum of all else."""
    folder, paths = mixture
    with open_reduced(folder / "reduced.h5", MIXTURE) as reduced:
        motion = read_motion(reduced, MIXTURE)
        ions = list(ions_of(motion).values())
        every = [*ions, *motion.species["solvent"]]
        sums = np.stack([motion.path_of(of).sum(axis=1) for of in every], axis=1)
        counts = [len(of.sites) for of in every]
        chains = motion.species["chain"]
        mass = np.repeat([of.mass for of in chains], [len(of.sites) for of in chains])
    chain = np.einsum("m,fmk->fk", mass, paths[:, np.r_[of_type("PEO"), of_type("G3")]]) / mass.sum()
    direct = sums - np.array(counts)[:, None] * (chain - chain[0])[:, None]
    direct = onsager([direct], 1.0)
    transformed = onsager([sums], 1.0)
    assert direct is not None and transformed is not None
    transformed = transformed.transformed(polymer_frame(counts, [of.mass for of in every], float(mass.sum())))
    np.testing.assert_allclose(transformed.matrix, direct.matrix, rtol=5e-3, atol=1e-4 * np.abs(direct.matrix).max())


def test_clusters_of_several_anions(mixture: tuple[Path, np.ndarray]) -> None:
    folder, _ = mixture
    out = folder / "ions.csv", folder / "ions.json"
    criteria = IonsCriteria(contact_nm=0.4, use_interval_ps=10.0)
    analyse_ions(folder / "reduced.h5", folder / "system.json", criteria, *out)
    found = json.loads(out[1].read_text())
    kinds = found["anions_by_type"]
    for state in ("free", "paired", "aggregated"):
        of_all = (4 * kinds["TFSI"][state]["value"] + 2 * kinds["SO4"][state]["value"]) / 6
        assert found["anion"][state]["value"] == pytest.approx(of_all)
    assert found["clusters_by_charge_e"] == {}
    assert pd.read_csv(out[0])["charge_e"].isna().all()


def test_further_analyses_of_a_mixture(mixture: tuple[Path, np.ndarray]) -> None:
    folder, _ = mixture
    contacts = {"ether_O": 0.35, "carbonyl_O": 0.3, "solvent_O": 0.45, "solvent_N": 0.5, "anion": 0.4}
    out = [folder / name for name in ("mechanism.csv", "moves.csv", "mechanism.json")]
    criteria = MechanismCriteria(contact_nm=contacts, tolerance=0.1)
    analyse_mechanism(folder / "reduced.h5", folder / "system.json", criteria, *out)
    mechanism = json.loads(out[2].read_text())
    assert {"ether_O", "solvent_O", "solvent_N", "solvent", "anion", "chain"} <= mechanism["residence"].keys()
    # the chains with the most ether oxygens
    assert mechanism["segments"]["molecule"] == "PEO"
    assert mechanism["segments"]["by_type"].keys() == {"PEO", "G3"}
    morphology = [folder / name for name in ("morphology.csv", "domains.csv", "morphology.json")]
    # S(q) wants elements
    real = [
        replace(e.molecule, sites=tuple(
            replace(site, mass=12.011, block=e.molecule.name if e.molecule.kind == "polymer" else None)
            for site in e.molecule.sites
        ))
        for e in MIXTURE.molecules
    ]  # fmt: skip
    entries = (replace(entry, molecule=of) for entry, of in zip(MIXTURE.molecules, real, strict=True))
    blocks = replace(MIXTURE, molecules=tuple(entries))
    (folder / "blocks.json").write_text(to_json(blocks))
    reduce(folder / "md.xtc", folder / "blocks.json", folder / "blocks.h5", (100.0, 100.0, 100.0))
    criteria_of_domains = MorphologyCriteria(q_max_per_nm=5, weighting="composition")
    analyse_morphology(folder / "blocks.h5", folder / "blocks.json", criteria_of_domains, *morphology)
    domains = json.loads(morphology[2].read_text())
    assert {name: of["sites"] for name, of in domains["blocks"].items()} == {"PEO": 8, "G3": 12}
    assert domains["segregation"]["verdict"] == NOT_COMPARED == domains["blocks"]["PEO"]["verdict"]


POLYANION = replace(
    molecule(
        "PA-",
        "polymer",
        [None, "anion_O", None, "anion_O", None, "ether_O", None, None, "anion_O", None, "anion_O", None],
        12.0,
    ),
    formal_charge=-2,
)
SINGLE_ION = SystemDescription(
    (MoleculeCount(POLYANION, 4), MoleculeCount(LITHIUM, 8), MoleculeCount(EC, 30)), choice(), ""
)


def test_tethered_anions_are_groups_of_close_atoms() -> None:
    assert [(of.sites, of.own) for of in tethered_anions(POLYANION)] == [
        ((1, 2, 3), (True, False, True)), ((8, 9, 10), (True, False, True))
    ]  # fmt: skip
    assert tethered_anions(PEO) == [] == tethered_anions(TFSI)
    # of other masses, and so two species
    first, second = species_of(SINGLE_ION)["anion"]
    assert (first.label, second.label) == ("PA-_anion", "PA-_anion_2")
    assert (first.charge, second.charge, first.mass) == (-1, -1, 0.0)
    named = replace(SINGLE_ION, molecules=(*SINGLE_ION.molecules, MoleculeCount(replace(TFSI, name="PA-_anion"), 1)))
    assert [of.label for of in species_of(named)["anion"]] == ["PA-_anion", "PA-_anion_", "PA-_anion_2"]
    assert numbers_of(SINGLE_ION, "anion")[:24].tolist() == [
        -1, 0, -1, 0, -1, -1, -1, -1, 4, -1, 4, -1, -1, 1, -1, 1, -1, -1, -1, -1, 5, -1, 5, -1,
    ]  # fmt: skip
    assert binding_partners(SINGLE_ION)["anion"].tolist() == [12 * m + k for m in range(4) for k in (1, 3, 8, 10)]


@pytest.fixture(scope="module")
def tethered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """Folder of a reduced run with chains that rotate, and its unwrapped positions without the drift of all mass."""
    folder = tmp_path_factory.mktemp("tethered")
    positions, centres = moving(SINGLE_ION, {"PA-": 1e-3, "LI": 1e-3, "EC": 6e-3}, N_FRAMES)
    angle = np.cumsum(np.random.default_rng(5).normal(0, 0.1, (N_FRAMES, 4)), axis=0)
    chains = positions[:, :48].reshape(N_FRAMES, 4, 12, 3)
    arms = chains - centres[:, :4, None]
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=-1).reshape(N_FRAMES, 4, 2, 2)
    chains[..., :2] = centres[:, :4, None, :2] + np.einsum("fcij,fcsj->fcsi", turn, arms[..., :2])
    (folder / "system.json").write_text(to_json(SINGLE_ION))
    trajectory = write_xtc(folder / "md.xtc", positions % EDGE, np.full((N_FRAMES, 3), EDGE))
    reduce(trajectory, folder / "system.json", folder / "reduced.h5", (1.0, 1.0, 100.0))
    drift = np.einsum("s,fsk->fk", SINGLE_ION.masses(), positions) / SINGLE_ION.mass_g_mol
    return folder, positions - (drift - drift[0])[:, None]


def test_charge_of_tethered_anions_moves_with_them(tethered: tuple[Path, np.ndarray]) -> None:
    """Not with the centres of their chains: they turn about these."""
    folder, x = tethered
    criteria = ConductivityCriteria(tolerance=0.1, temperature_K=400, contact_nm=0.3, use_interval_ps=10.0)
    out = folder / "conductivity.csv", folder / "conductivity.json"
    analyse_conductivity(folder / "reduced.h5", folder / "system.json", criteria, *out)
    table, found = pd.read_csv(out[0]), json.loads(out[1].read_text())
    masses, sites = SINGLE_ION.masses(), np.arange(48).reshape(4, 12)
    charge = x[:, SINGLE_ION.with_role("Li")].sum(axis=1)
    for pair in ([1, 3], [8, 10]):
        centre = np.average(x[:, sites[:, pair]], axis=2, weights=masses[pair])
        charge = charge - centre.sum(axis=1)
    lags = table["lag_ps"].to_numpy(dtype=int)
    np.testing.assert_allclose(table["charge_msd_e2_nm2"], all_origins(charge, lags), rtol=5e-3)
    assert {name: of["formal_charge_e"] for name, of in found["ions"].items()} == {
        "Li": 1, "PA-_anion": -1, "PA-_anion_2": -1
    }  # fmt: skip
    assert "cluster_nernst_einstein" in found["sigma_S_m"]["formal_charges"]
