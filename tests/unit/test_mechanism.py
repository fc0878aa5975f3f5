"""The mechanism of a small system whose moves are known, from its reduced trajectory to the files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from eoli.analysis.mechanism import analyse as mechanism
from eoli.analysis.mechanism.analyse import analyse_mechanism
from eoli.analysis.mechanism.contacts import partners_of
from eoli.errors import DataError, EoliError
from eoli.study.criteria import MechanismCriteria
from eoli.topology.description import MoleculeCount, SystemDescription, read_description, to_json
from eoli.topology.molecule import Molecule, Site, Term
from eoli.trajectory.store import seal
from support import choice, reduced_file

FRAMES, CHAINS, UNITS = 240, 4, 8
CUTOFFS = {"ether_O": 0.3, "carbonyl_O": 0.28, "anion": 0.32}


def site(role: str | None, number: int = 1, block: str | None = None) -> Site:
    return Site("X", "X", 0.0, 1.0, "R", number, "X", role, block, "test")


def polymer(with_pa: bool) -> Molecule:
    """Units of O-C-C, then one unit with a C=O if asked for."""
    sites = [site(role, unit, "PEO") for unit in range(1, UNITS + 1) for role in ("ether_O", None, None)]
    if with_pa:
        sites += [site(None, UNITS + 1, "PA"), site("amide_O", UNITS + 1, "PA")]
    torsions = [Term((3 * k, 3 * k + 1, 3 * k + 2, 3 * k + 3), 1, (), "own", "test") for k in range(UNITS - 1)]
    return Molecule("P", "polymer", 0, tuple(sites), (), (), tuple(torsions), ())


def system(with_pa: bool, salt: int) -> SystemDescription:
    molecules = [MoleculeCount(polymer(with_pa), CHAINS)]
    if salt:
        molecules.append(MoleculeCount(Molecule("LI", "cation", 1, (site("Li"),), (), (), (), ()), salt))
        anion = tuple(site(role) for role in ("anion_N", "anion_O", "anion_O"))
        molecules.append(MoleculeCount(Molecule("AN", "anion", -1, anion, (), (), (), ()), salt))
    return SystemDescription(tuple(molecules), choice(), "")


def write(folder: Path, with_pa: bool = True, salt: int = 3) -> tuple[Path, Path]:
    """Ion 1 moves from chain 1 to 2, ion 2 leaves chain 1 for an anion and comes back, ion 3 goes from PEO to PA."""
    description, reduced = folder / "system.json", folder / "reduced.h5"
    described = system(with_pa, salt)
    description.write_text(to_json(described))
    rng = np.random.default_rng(1)
    box = np.full((FRAMES, 3), 3.0, dtype=np.float32)
    turning = rng.normal(size=(FRAMES, CHAINS, UNITS, 3))
    for t in range(1, FRAMES):
        turning[t] = 0.92 * turning[t - 1] + 0.39 * turning[t]
    steps = 0.3 * turning / np.linalg.norm(turning, axis=3, keepdims=True)
    arrays = {
        "motion/box": box,
        "structure/ether_oxygen": (steps[::2].cumsum(axis=2) % 3).reshape(FRAMES // 2, -1, 3).astype(np.float32),
        "structure/torsions": rng.uniform(-np.pi, np.pi, (FRAMES // 2, CHAINS * (UNITS - 1))).astype(np.float32),
        "structure/end_to_end": steps.sum(axis=2)[::2].astype(np.float32),
    }
    if salt:
        ether, carbonyl, anion = (described.with_role(r) for r in ("ether_O", "amide_O", "anion_O"))
        first, second = ether[:3], ether[UNITS : UNITS + 3]
        contacts = [
            [first if t < 100 else second for t in range(FRAMES)],
            [first if not 60 <= t < 120 else anion[:1] for t in range(FRAMES)],
            [first if t < 150 or not with_pa else carbonyl[1:3] for t in range(FRAMES)],
        ]
        neighbours = np.full((FRAMES, salt, 4), -1, dtype=np.int32)
        distances = np.full((FRAMES, salt, 4), np.inf, dtype=np.float32)
        for i, series in enumerate(contacts):
            for t, sites in enumerate(series):
                neighbours[t, i, : len(sites)], distances[t, i, : len(sites)] = sites, 0.2
        lithium = np.full((FRAMES, salt, 3), 2.9, dtype=np.float32) + rng.normal(0, 0.001, (FRAMES, salt, 3))
        lithium[100:, 0, 0] += 0.4
        arrays |= {"motion/lithium": (lithium % 3).astype(np.float32), "motion/neighbours": neighbours}
        arrays["motion/distances"] = distances
    with reduced_file(reduced, described, 1.0 * (FRAMES - 1), {"motion": 1.0, "structure": 2.0, "slow": 10.0}) as file:
        for cadence, frames in (("motion", FRAMES), ("structure", FRAMES // 2), ("slow", 1)):
            file[cadence].attrs["frames"] = frames
        for name, values in arrays.items():
            file[name] = values
        if salt:
            file["motion/neighbours"].attrs["range_nm"] = 0.5
    return reduced, description


def analyse(
    folder: Path, reduced: Path, description: Path, **changed: object
) -> tuple[dict, pd.DataFrame, pd.DataFrame]:
    arguments = {
        "contact_nm": CUTOFFS,
        "break_ps": 2.0,
        "hold_ps": 5.0,
        "least_units": 1.0,
        "tolerance": 0.1,
        "unit_edges": [2, 5],
        **changed,
    }
    csv, events, scalars = (folder / "out" / name for name in ("m.csv", "e.csv", "m.json"))
    analyse_mechanism(reduced, description, MechanismCriteria.model_validate(arguments), csv, events, scalars)
    return json.loads(scalars.read_text()), pd.read_csv(csv), pd.read_csv(events, keep_default_na=False)


def test_files_of_a_salted_block_copolymer(tmp_path: Path) -> None:
    data, table, events = analyse(tmp_path, *write(tmp_path))
    columns = ["time_ps", "left_ps", "lithium", "kind", "from_chain", "to_chain", "from_block", "to_block"]
    assert events[columns].to_numpy().tolist() == [
        [100, 100, 1, "between_chains", 1, 2, "PEO", "PEO"],
        [120, 60, 2, "with_anion", 1, 1, "PEO", "PEO"],
        [150, 150, 3, "between_chains", 1, 2, "PEO", "PA"],
        [150, 150, 3, "between_blocks", 1, 2, "PEO", "PA"],
    ]
    assert events["displacement_nm"].to_numpy() == pytest.approx([0.4, 0, 0, 0], abs=0.005)
    moves = data["moves"]
    assert {key: moves[key]["events"] for key in moves if key != "square_displacement_anytime_nm2"} == {
        "along_chain": 0,
        "between_blocks": 1,
        "between_chains": 2,
        "with_anion": 1,
        "PEO_to_PA": 1,
        "PA_to_PEO": 0,
    }
    assert moves["between_chains"]["per_ion_ns"] == pytest.approx(2 / (3 * 0.235))
    assert moves["between_chains"]["square_displacement_nm2"]["value"] == pytest.approx(0.08, abs=0.002)

    partition = data["partition"]
    assert partition["with_carbonyl_O"]["value"] == pytest.approx(90 / 720)
    assert partition["with_anion"]["value"] == pytest.approx(60 / 720)
    assert partition["mostly_ether_O"]["value"] == pytest.approx(1 - 150 / 720)
    residence = data["residence"]
    assert set(residence) == {"ether_O", "carbonyl_O", "chain", "anion", "PEO", "PA"}
    assert (residence["ether_O"]["exits"], residence["chain"]["exits"], residence["anion"]["exits"]) == (9, 3, 1)
    assert residence["ether_O"]["mean_at_least_ps"] is not None
    assert data["mobility"]["PEO_only"]["verdict"] == "too short"
    assert data["mobility"]["PEO_only"]["D_m2_s"] == {"value": None, "error": None}
    assert 0.8 < data["mobility"]["PEO_only"]["still_there"] < 1

    segments = data["segments"]
    assert segments["units_from"] == "PA"
    assert set(segments["P2"]) == set(segments["torsion_cos"]) == {"all", "1_2", "3_5", "6_up"}
    assert segments["P2"]["all"]["time_1e_ps"]["verdict"] == "resolved"
    assert segments["torsion_cos"]["all"]["time_1e_ps"]["verdict"] == "faster than the frames"
    assert table["lag_ps"].is_monotonic_increasing
    assert table["lag_ps"].is_unique
    for name in ("survival_anion", "correlation_chain", "msd_Li_PEO_only_nm2", "msd_contour_units2", "P1_1_2"):
        assert {name, f"{name}_error"} <= set(table.columns)
    by_bin = {name: table[f"P2_{name}"].dropna() for name in ("all", "1_2", "3_5", "6_up")}
    np.testing.assert_allclose(by_bin["all"], (2 * by_bin["1_2"] + 3 * by_bin["3_5"] + 2 * by_bin["6_up"]) / 7)
    # twice the interval: lags of its own, and blanks at odd lags
    followed = table[["P1_all", "P2_all", "torsion_cos_all", "end_to_end"]].notna()
    np.testing.assert_array_equal(followed.any(axis=1), followed.all(axis=1))
    assert (table.loc[followed["P1_all"], "lag_ps"] % 2 == 0).all()
    assert 0 < table["msd_Li_PEO_only_nm2"].isna().sum() < followed["P1_all"].sum() < len(table)


def test_a_homopolymer_has_no_pa(tmp_path: Path) -> None:
    data, table, events = analyse(tmp_path, *write(tmp_path, with_pa=False), contact_nm={"ether_O": 0.3, "anion": 0.3})
    assert set(data["residence"]) == {"ether_O", "chain", "anion", "PEO"}
    assert set(data["partition"]) == {"with_anion", "without_polymer"}
    assert set(data["mobility"]) == {"all", "PEO_only", "anion_contact"}
    assert "between_blocks" not in data["moves"]
    assert "PEO_to_PA" not in data["moves"]
    assert data["segments"]["units_from"] == "chain end"
    assert set(data["segments"]["P1"]) == {"all", "1_2", "3_5"}
    assert set(events["kind"]) == {"between_chains", "with_anion"}
    assert set(events["to_block"]) == {""}
    assert not any("PA" in name or "carbonyl" in name for name in table.columns)


def test_a_neat_polymer_has_segments_alone(tmp_path: Path) -> None:
    data, table, events = analyse(tmp_path, *write(tmp_path, salt=0))
    assert set(data) == {"criteria", "length_ns", "motion_interval_ps", "structure_interval_ps", "segments"}
    assert len(events) == 0
    assert "kind" in events.columns
    assert not any(name.startswith(("survival", "msd")) for name in table.columns)


def test_an_error_leaves_no_file(tmp_path: Path) -> None:
    reduced, description = write(tmp_path)
    for changed, message in (
        ({"contact_nm": {"ether_O": 0.3, "anion": 0.3}}, "carbonyl_O"),
        ({"contact_nm": {**CUTOFFS, "anion": 0.6}}, "within 0.5 nm"),
    ):
        with pytest.raises(EoliError, match=re.escape(message)):
            analyse(tmp_path, reduced, description, **changed)
    description.write_text(to_json(system(True, 2)))
    with pytest.raises(DataError, match="sites"):
        analyse(tmp_path, reduced, description)
    assert not (tmp_path / "out").exists()


def test_hydroxyl_ends_belong_to_their_chain_and_to_peo() -> None:
    sites = [site(role, 1, "PEO") for role in ("hydroxyl_O", None, "ether_O")]
    ended = MoleculeCount(Molecule("P", "polymer", 0, tuple(sites), (), (), (), ()), 2)
    described = SystemDescription((ended,), choice(), "")
    partners = partners_of(described, {"ether_O": 0.3, "hydroxyl_O": 0.28})
    assert {name: of.label.tolist() for name, of in partners.items()} == {
        "ether_O": [-1, -1, 0, -1, -1, 1],
        "hydroxyl_O": [0, -1, -1, 1, -1, -1],
        "chain": [0, -1, 0, 1, -1, 1],
        "PEO": [0, -1, 0, 0, -1, 0],
        "block": [0, -1, 0, 0, -1, 0],
        "ether_chain": [0, -1, 0, 1, -1, 1],
    }
    assert partners["chain"].cutoff_nm.tolist() == [0.28, 0, 0.3] * 2
    ends_only = {"ether_O": np.zeros((4, 1), dtype=int), "hydroxyl_O": np.array([[1], [0], [2], [0]])}
    assert mechanism._partition(ends_only)["without_polymer"]["value"] == 0.5
    assert mechanism._environments(ends_only, ("PEO", "PA"))["PEO_only"].tolist() == [[True], [False], [True], [False]]


def test_steps_of_half_the_box_leave_contacts_and_no_motion(tmp_path: Path) -> None:
    reduced, description = write(tmp_path)
    with h5py.File(reduced, "r+") as file:
        file["motion/lithium"][:] = np.random.default_rng(1).uniform(0, 3, file["motion/lithium"].shape)
    seal(reduced, read_description(description))
    data, table, moves = analyse(tmp_path, reduced, description)
    assert "frames at most 0.25 ps apart" in data["mobility"]["all"]["verdict"]
    assert all(entry["msd_nm2"]["value"] is None for entry in data["mobility"].values())
    assert table["msd_Li_all_nm2"].isna().all() and (moves["displacement_nm"] == "").all() and len(moves)
    assert data["moves"]["square_displacement_anytime_nm2"] is None
    assert data["residence"]["ether_O"]["bound_ns"] > 0
