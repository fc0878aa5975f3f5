"""Verdicts: geometry against brute force, logs as GROMACS writes them, synthetic energies."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from MDAnalysis.lib.formats.libmdaxdr import TRRFile, XTCFile

from eoli.core.units import BAR_NM3, GAS_CONSTANT, GRAM_PER_MOL_NM3
from eoli.errors import DataError
from eoli.stage import gate
from eoli.stage.ensemble import KindOfMotion
from eoli.stage.gate import (
    Verdict,
    bond_geometry,
    judge,
    largest_force,
    lincs_warnings,
    require_all_data,
    segment_distances,
)
from eoli.study.protocol import Stage
from synthetic_trajectories import BOND_NM, MASS_G_MOL, linear_chains

Floats = npt.NDArray[np.float64]
STEEP = Stage(name="steep", ensemble="minimisation", integrator="steep", max_steps=10, force_tolerance_kJ_mol_nm=500)
NVT = Stage(
    name="nvt", ensemble="NVT", integrator="md", time_step_fs=2, length_ns=0.2, thermostat="v-rescale", tau_t_ps=0.1,
    frame_interval_ps=1, energy_interval_ps=1,
)  # fmt: skip
NPT = Stage(
    name="npt", ensemble="NPT", integrator="md", time_step_fs=2, length_ns=0.2, thermostat="v-rescale", tau_t_ps=0.1,
    barostat="c-rescale", tau_p_ps=1, pressure_bar=1, frame_interval_ps=1, energy_interval_ps=1,
)  # fmt: skip


def sampled_distance(a: Floats, b: Floats, c: Floats, d: Floats, n: int = 101) -> tuple[float, float]:
    """(smallest distance of points sampled on both segments, by how much it can exceed the true one)."""
    share = np.linspace(0, 1, n)[:, None]
    first, second = a + share * (b - a), c + share * (d - c)
    least = np.linalg.norm(first[:, None] - second[None], axis=2).min()
    return float(least), float((np.linalg.norm(b - a) + np.linalg.norm(d - c)) / (n - 1) / 2)


def random_pairs(kind: str, n: int = 60) -> tuple[Floats, Floats, Floats, Floats]:
    """Pairs of segments about as long and as far apart as bonds, nm."""
    rng = np.random.default_rng(3)
    a, c = rng.uniform(-0.2, 0.2, (2, n, 3))
    along, across = rng.normal(size=(2, n, 3))
    along *= rng.uniform(0.08, 0.2, (n, 1)) / np.linalg.norm(along, axis=1, keepdims=True)
    across *= rng.uniform(0.08, 0.2, (n, 1)) / np.linalg.norm(across, axis=1, keepdims=True)
    if kind == "parallel":
        across = along * rng.choice([-1.5, -1.0, 0.5, 1.0], (n, 1))
    elif kind == "nearly parallel":
        across = along + 1e-6 * across
    elif kind == "collinear":
        across = along * rng.choice([-1.0, 1.0], (n, 1))
        c = a + along * rng.uniform(-3, 3, (n, 1))
    elif kind == "crossing":
        c = a + along * rng.uniform(0, 1, (n, 1)) - across * rng.uniform(0, 1, (n, 1))
    return a, a + along, c, c + across


@pytest.mark.parametrize("kind", ["any", "parallel", "nearly parallel", "collinear", "crossing"])
def test_segment_distances_against_sampling(kind: str) -> None:
    ends = random_pairs(kind)
    found = segment_distances(*ends)
    for distance, *four in zip(found, *ends, strict=True):
        least, slack = sampled_distance(*four)
        # segments that are parallel within 1e-6 are treated as such
        assert least - slack <= distance <= least + 1e-6
    if kind == "crossing":
        assert found.max() < 1e-9


def test_segment_distances_do_not_depend_on_the_order() -> None:
    a, b, c, d = random_pairs("any")
    one = segment_distances(a, b, c, d)
    for other in (segment_distances(c, d, a, b), segment_distances(b, a, c, d), segment_distances(a, b, d, c)):
        np.testing.assert_allclose(other, one, atol=1e-9)


def test_a_stretched_bond_is_measured() -> None:
    positions = np.array([[1, 1, 1], [1 + 1.2 * BOND_NM, 1, 1], [2, 2, 2], [2, 2 + BOND_NM, 2]])
    strain, gap = bond_geometry(positions, 3 * np.eye(3), linear_chains(2))
    assert strain == pytest.approx(0.2)
    assert gap == math.inf


def test_a_compressed_bond_is_strained_too() -> None:
    positions = np.array([[1, 1, 1], [1 + 0.7 * BOND_NM, 1, 1]])
    assert bond_geometry(positions, 3 * np.eye(3), linear_chains(1))[0] == pytest.approx(0.3)


@pytest.mark.parametrize("shift", [(0, 0, 0), (1.5, 0, 0), (1.5, 1.5, 1.5), (-4.5, 6.0, 0.3)])
@pytest.mark.parametrize("wrapped", [True, False])
def test_crossing_bonds_anywhere_in_the_box(shift: tuple[float, float, float], wrapped: bool) -> None:
    """Two chains whose bonds cross at right angles 0.02 nm apart, moved across the boundary, wrapped or whole."""
    half = BOND_NM / 2
    positions = np.array([[-half, 0, 0], [half, 0, 0], [0, -half, 0.02], [0, half, 0.02]]) + 1.5 + np.array(shift)
    if wrapped:
        positions %= 3.0
    strain, gap = bond_geometry(positions, 3 * np.eye(3), linear_chains(2))
    assert strain == pytest.approx(0, abs=1e-9)
    assert gap == pytest.approx(0.02, abs=1e-6)


def test_connected_bonds_do_not_count() -> None:
    """A folded chain of two bonds closes on itself to 0.05 nm: its bonds share a site."""
    angle = 2 * math.asin(0.025 / BOND_NM)
    folded = [[BOND_NM, 0, 0], [0, 0, 0], [BOND_NM * math.cos(angle), BOND_NM * math.sin(angle), 0]]
    assert bond_geometry(np.array(folded) + 1, 3 * np.eye(3), linear_chains(1, 3))[1] == math.inf


def test_bonds_of_one_chain_that_share_no_site_count() -> None:
    square = np.array([[0, 0, 0], [BOND_NM, 0, 0], [BOND_NM, BOND_NM, 0], [0, BOND_NM, 0]]) + 1
    assert bond_geometry(square, 3 * np.eye(3), linear_chains(1, 4))[1] == pytest.approx(BOND_NM, abs=1e-6)


def test_a_system_without_bonds_has_no_geometry() -> None:
    assert bond_geometry(np.ones((2, 3)), 3 * np.eye(3), linear_chains(2, 1)) == (0.0, math.inf)


def test_lincs_warnings_are_counted() -> None:
    block = "\nStep 12, time 0.024 (ps)  LINCS WARNING\nrelative constraint deviation after LINCS:\nrms 0.1\n"
    assert lincs_warnings("Initializing LINear Constraint Solver\n" + 3 * block) == 3
    assert lincs_warnings("++++ PLEASE READ AND CITE: LINCS: A Linear Constraint Solver ++++\n lincs-order = 6\n") == 0


MINIMUM = "\nSteepest Descents converged to Fmax < 1000 in {n} steps\nMaximum force     =  {force} on atom 103\n"


@pytest.mark.parametrize(
    ("text", "force"),
    [
        ("9.2131494e+02", 921.31494),
        ("1.5e+5", 1.5e5),
        ("inf", math.inf),
        ("nan", math.nan),
        ("-nan", math.nan),
    ],
)
def test_largest_force(text: str, force: float) -> None:
    assert largest_force(MINIMUM.format(n=5, force=text)) == pytest.approx(force, nan_ok=True)


def test_largest_force_is_the_last_one() -> None:
    assert largest_force(MINIMUM.format(n=5, force="8e+03") + MINIMUM.format(n=9, force="7e+02")) == 700
    assert largest_force("Energy minimization has stopped\n") is None


def series(**terms: float | Floats) -> dict[str, Floats]:
    """Energies of 200 ps with uncorrelated noise of 0.5 % (0.1 % in the volume), and the given terms instead.

    The pressure answers the volume as in a box at 400 K.
    """
    rng = np.random.default_rng(8)
    volume = 8.0 * (1 + 1e-3 * rng.normal(size=201))
    energies = {
        "Time": np.arange(201.0),
        "Kinetic En.": 1500 * (1 + 5e-3 * np.random.default_rng(9).normal(size=201)),
        "Conserved En.": -3500 + np.random.default_rng(10).normal(size=201),
        "Pressure": 1 - GAS_CONSTANT * 400 / BAR_NM3 * (volume - volume.mean()) / volume.var(),
        "Temperature": 400 * (1 + 5e-3 * rng.normal(size=201)),
        "Potential": -5000 * (1 + 5e-3 * rng.normal(size=201)),
        "Volume": volume,
        **{name: np.broadcast_to(np.asarray(value, dtype=np.float64), 201).copy() for name, value in terms.items()},
    }
    return energies | {"Density": 1000 * MASS_G_MOL / GRAM_PER_MOL_NM3 / energies["Volume"]}


@pytest.fixture
def verdict_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    def verdict(
        energies: dict[str, Floats],
        stage: Stage = NPT,
        log: str = "",
        positions: Floats | None = None,
        edge_nm: float = 2.0,
        cutoff_nm: float = 0.9,
        velocities: Floats | None = None,
    ) -> Verdict:
        whole = np.array([[0.5, 0.5, 0.5], [0.5 + BOND_NM, 0.5, 0.5]]) if positions is None else positions
        monkeypatch.setattr(gate, "read_energies", lambda _, least: energies)
        monkeypatch.setattr(gate, "read_positions", lambda _: (whole, edge_nm * np.eye(3)))
        monkeypatch.setattr(gate, "read_velocities", lambda _: velocities)
        (tmp_path / "md.log").write_text(log)
        return judge(stage, 400.0, tmp_path, linear_chains(1), cutoff_nm)

    return verdict


@pytest.mark.parametrize("stage", [NVT, NPT], ids=["NVT", "NPT"])
def test_a_sound_run_passes(stage: Stage, verdict_of) -> None:  # type: ignore[no-untyped-def]
    verdict = verdict_of(series(), stage)
    assert (verdict.status, verdict.broken, verdict.warnings) == ("pass", [], [])
    assert verdict.values["temperature_K"] == pytest.approx(400, rel=2e-3)
    assert ("density_g_cm3" in verdict.values) == (stage is NPT)


def test_values_of_a_sound_run(verdict_of) -> None:  # type: ignore[no-untyped-def]
    values = verdict_of(series()).values
    assert values["density_g_cm3"] == pytest.approx(MASS_G_MOL / GRAM_PER_MOL_NM3 / 8, rel=1e-3)
    assert values["box_nm"] == 2.0
    assert values["largest_bond_strain"] == pytest.approx(0, abs=1e-9)
    assert values["smallest_bond_gap_nm"] is None


def test_a_constant_volume_at_constant_pressure_is_broken(verdict_of) -> None:  # type: ignore[no-untyped-def]
    still = series(Volume=8.0)
    assert verdict_of(still).broken == ["the volume did not change: the barostat is without effect"]
    assert verdict_of(still, NVT).status == "pass"


@pytest.mark.parametrize(
    ("kelvin", "status"),
    [(400 * 0.85, "broken"), (400 * 1.15, "broken"), (400 * 1.03, "warn"), (400 * 0.97, "warn"), (400 * 1.01, "pass")],
)
def test_temperature(kelvin: float, status: str, verdict_of) -> None:  # type: ignore[no-untyped-def]
    energies = series()
    verdict = verdict_of(energies | {"Temperature": energies["Temperature"] + kelvin - 400}, NVT)
    assert verdict.status == status
    assert all("mean temperature" in text for text in verdict.broken + verdict.warnings)


def test_the_temperature_is_judged_after_its_equilibration(verdict_of) -> None:  # type: ignore[no-untyped-def]
    energies = series()
    energies["Temperature"][:40] += np.linspace(300, 0, 40)
    assert verdict_of(energies, NVT).status == "pass"


def test_a_drifting_density_is_warned_of(verdict_of) -> None:  # type: ignore[no-untyped-def]
    shrinking = series(Volume=8 * np.linspace(1.05, 0.95, 201) * series()["Volume"] / 8)
    verdict = verdict_of(shrinking)
    assert verdict.status == "warn"
    assert "density drifts by +0.0" in verdict.warnings[0]


def test_a_run_too_short_for_a_drift_is_warned_of(verdict_of) -> None:  # type: ignore[no-untyped-def]
    verdict = verdict_of({name: values[:3] for name, values in series().items()})
    assert verdict.warnings == ["too short to judge the drift of the density"]


COUPLED = """
   nsttcouple                     = 10
   nstpcouple                     = {}
"""


@pytest.mark.parametrize(("kT_per_ns", "warned"), [(1.5, False), (-1.5, False), (3.0, True), (-3.0, True)])
@pytest.mark.parametrize("stage", [NVT, NPT], ids=["NVT", "NPT"])
def test_a_drift_of_the_conserved_energy(kT_per_ns: float, warned: bool, stage: Stage, verdict_of) -> None:  # type: ignore[no-untyped-def]
    energies = series()
    energies["Conserved En."] += kT_per_ns / 1000 * 2 * 1500 * energies["Time"]
    stage = stage if stage is NVT else stage.model_copy(update={"barostat": "parrinello-rahman"})
    verdict = verdict_of(energies, stage)
    assert verdict.values["energy_drift_kT_per_ns"] == pytest.approx(kT_per_ns, rel=0.05)
    assert [text.split(",")[0] for text in verdict.warnings] == (
        [f"the conserved energy drifts by {kT_per_ns:+.2g} kT per degree of freedom and ns"] if warned else []
    )


def test_a_conserved_energy_that_gromacs_does_not_keep_up_is_not_judged(verdict_of) -> None:  # type: ignore[no-untyped-def]
    """md-vv with Nose-Hoover: GROMACS counts the energy of the thermostat at a few steps only."""
    energies = series()
    energies["Conserved En."] += 3 / 1000 * 2 * 1500 * energies["Time"]
    for integrator, status in (("md-vv", "pass"), ("md", "warn")):
        stage = NVT.model_copy(update={"integrator": integrator, "thermostat": "nose-hoover"})
        verdict = verdict_of(energies, stage)
        assert verdict.status == status
        assert ("energy_drift_kT_per_ns" in verdict.values) == (integrator == "md")


@pytest.mark.parametrize(("kelvin", "warned"), [(400.0, False), (406.0, False), (500.0, True), (300.0, True)])
def test_a_kind_of_motion_at_another_temperature(
    kelvin: float, warned: bool, verdict_of, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    kind = KindOfMotion("LI", GAS_CONSTANT * kelvin / 2 * 1500, 1500)
    monkeypatch.setattr(gate, "kinds_of_motion", lambda *_: [kind])
    verdict = verdict_of(series(), NVT, log="   nrdf:     1500\n", velocities=np.zeros((2, 3)))
    assert verdict.values["temperature_of_LI_K"] == pytest.approx(kelvin)
    said = [text.split(", which")[0] for text in verdict.warnings]
    assert said == ([f"at the end the motion of whole LI is at {kelvin:.0f} K, asked for 400 K"] if warned else [])
    driven = NVT.model_copy(update={"temperature_from_K": 300})
    values = verdict_of(series(), driven, log="   nrdf: 1500\n", velocities=np.zeros((2, 3))).values
    assert "temperature_of_LI_K" not in values


def test_a_drift_that_is_not_resolved_is_not_warned_of(verdict_of) -> None:  # type: ignore[no-untyped-def]
    energies = series()
    energies["Conserved En."] += (
        500 * np.random.default_rng(4).normal(size=201) + 3 / 1000 * 2 * 1500 * energies["Time"]
    )
    verdict = verdict_of(energies)
    assert verdict.values["energy_drift_error_kT_per_ns"] > 1
    assert verdict.status == "pass"


@pytest.mark.parametrize(
    ("hotter", "said"),
    [
        (1.2, None),
        (0.8, None),
        (
            2.0,
            r"the volume fluctuates as at \d+ \+- \d+ K, not 400 K \(allowed: 240 to 640 K\): the barostat drives it: {}",
        ),
        (
            0.5,
            r"the volume fluctuates as at \d+ \+- \d+ K, not 400 K \(allowed: 240 to 640 K\): the barostat holds it back",
        ),
    ],
)
@pytest.mark.parametrize(
    ("log", "cause"),
    [
        (COUPLED.format(100), "nstpcouple is 100, the time constants allow 10"),
        (COUPLED.format(10), "tau_p_ps is too short"),
        ("", "tau_p_ps is too short"),
    ],
)
def test_the_temperature_of_the_volume(hotter: float, said: str | None, log: str, cause: str, verdict_of) -> None:  # type: ignore[no-untyped-def]
    energies = series()
    verdict = verdict_of(energies | {"Pressure": hotter * energies["Pressure"]}, log=log)
    assert verdict.values["volume_temperature_K"] == pytest.approx(400 * hotter, rel=0.03)
    assert len(verdict.warnings) == (said is not None)
    assert said is None or re.fullmatch(said.format(cause), verdict.warnings[0])


@pytest.mark.parametrize(
    "changes",
    [{"equilibrates": False}, {"tau_p_ps": 11.0}, {"temperature_from_K": 300}],
    ids=lambda keys: next(iter(keys)),
)
def test_an_ensemble_is_judged_only_in_a_steady_run_that_is_long_enough(changes: dict[str, float], verdict_of) -> None:  # type: ignore[no-untyped-def]
    energies = series()
    energies["Conserved En."] += energies["Time"]
    verdict = verdict_of(energies | {"Pressure": 5 * energies["Pressure"]}, NPT.model_copy(update=changes))
    assert not {"energy_drift_kT_per_ns", "volume_temperature_K"} & verdict.values.keys()
    assert not any("conserved" in text or "fluctuates" in text for text in verdict.warnings)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("term", ["Potential", "Temperature", "Volume"])
def test_an_energy_that_is_not_finite_is_broken(value: float, term: str, verdict_of) -> None:  # type: ignore[no-untyped-def]
    energies = series()
    energies[term][-1] = value
    verdict = verdict_of(energies)
    assert f"the energy term {term} is not finite" in verdict.broken


def test_positions_that_are_not_finite_are_broken(verdict_of) -> None:  # type: ignore[no-untyped-def]
    verdict = verdict_of(series(), positions=np.array([[0.5, 0.5, math.nan], [0.5, 0.5, 0.6]]))
    assert verdict.broken == ["the last positions are not finite"]


@pytest.mark.parametrize(("cutoff_nm", "status"), [(0.99, "pass"), (1.01, "broken")])
def test_the_box_holds_two_cutoffs(cutoff_nm: float, status: str, verdict_of) -> None:  # type: ignore[no-untyped-def]
    verdict = verdict_of(series(), cutoff_nm=cutoff_nm)
    assert verdict.status == status
    assert all("smaller than twice the cut-off" in text for text in verdict.broken)


@pytest.mark.parametrize(("stretch", "status"), [(1.08, "pass"), (1.2, "broken"), (0.8, "broken")])
def test_bond_strain(stretch: float, status: str, verdict_of) -> None:  # type: ignore[no-untyped-def]
    positions = np.array([[0.5, 0.5, 0.5], [0.5 + stretch * BOND_NM, 0.5, 0.5]])
    verdict = verdict_of(series(), positions=positions)
    assert verdict.status == status
    assert all("a bond is stretched by 20%" in text for text in verdict.broken)


def test_a_chain_through_another_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = BOND_NM / 2
    crossing = np.array([[-half, 0, 0], [half, 0, 0], [0, -half, 0.05], [0, half, 0.05]]) + 1
    monkeypatch.setattr(gate, "read_energies", lambda _, least: series())
    monkeypatch.setattr(gate, "read_positions", lambda _: (crossing, 2 * np.eye(3)))
    monkeypatch.setattr(gate, "read_velocities", lambda _: None)
    (tmp_path / "md.log").write_text("")
    verdict = judge(NVT, 400.0, tmp_path, linear_chains(2), 0.9)
    assert verdict.broken == ["two bonds come within 0.050 nm: one chain runs through another"]


def test_lincs_warnings_break_a_run(verdict_of) -> None:  # type: ignore[no-untyped-def]
    assert verdict_of(series(), NVT, "Step 5  LINCS WARNING\n").broken == ["1 LINCS warnings"]


def test_a_known_bug_of_the_gromacs_that_ran_is_warned_of(verdict_of) -> None:  # type: ignore[no-untyped-def]
    ran = "GROMACS version:    2024.3\nUsing a dual 8x4 pair-list setup updated with dynamic, rolling pruning:\n"
    verdict = verdict_of(series(), NVT, ran)
    assert verdict.status == "warn" and "issue 5138 of GROMACS" in verdict.warnings[0]
    assert verdict_of(series(), NVT, ran.replace("2024.3", "2024.4")).status == "pass"


@pytest.mark.parametrize(
    ("force", "status"),
    [("4e+02", "pass"), ("9e+02", "warn"), ("2e+05", "broken"), ("inf", "broken"), ("-nan", "broken")],
)
def test_minimisation(force: str, status: str, verdict_of) -> None:  # type: ignore[no-untyped-def]
    assert verdict_of(series(), STEEP, MINIMUM.format(n=5, force=force)).status == status


def test_a_minimisation_without_a_force_is_broken(verdict_of) -> None:  # type: ignore[no-untyped-def]
    assert verdict_of(series(), STEEP, "killed\n").broken == ["the log names no largest force"]


def test_status_and_json() -> None:
    assert Verdict("a").status == "pass"
    assert Verdict("a", warnings=["w"]).status == "warn"
    assert Verdict("a", {"x": 1}, ["w"], ["b"]).as_dict() == {
        "status": "broken",
        "stage": "a",
        "values": {"x": 1},
        "warnings": ["w"],
        "broken": ["b"],
    }


def test_a_stage_that_drives_the_box_is_not_judged_for_drift(verdict_of) -> None:  # type: ignore[no-untyped-def]
    shrinking = series(Volume=8 * np.linspace(1.05, 0.95, 201) * series()["Volume"] / 8)
    driven = NPT.model_copy(update={"equilibrates": False})
    assert verdict_of(shrinking, driven).status == "pass"


WITH_STATES = NPT.model_copy(update={"state_interval_ps": 50, "frame_interval_ps": 20, "energy_interval_ps": 6})
STEPS = 100_000


def write_run(folder: Path, frames: int = 11, states: int = 5, end: int = STEPS) -> None:
    """Files of a run of 200 ps: a frame each 20 ps, a state each 50 ps."""
    x, box = np.ones((1, 3), dtype=np.float32), np.eye(3, dtype=np.float32)
    with XTCFile(str(folder / "md.xtc"), "w") as out:
        for index in range(frames):
            out.write(x, box, 10_000 * index, 20.0 * index, 1000)
    for name, steps in (("md.trr", [25_000 * index for index in range(states)]), ("state.trr", [end])):
        with TRRFile(str(folder / name), "w") as trr:
            for step in steps:
                trr.write(x, x, None, box, step, step * 0.002, 0.0, 1)


@pytest.fixture
def energies(monkeypatch: pytest.MonkeyPatch) -> dict[str, Floats]:
    """Each 6 ps, and at the end of the run, which is none of these times."""
    terms = {"Time": np.array([*np.arange(0, 200, 6.0), 200.0])}
    monkeypatch.setattr(gate, "read_energies", lambda path, least: terms)
    return terms


def test_a_whole_run_has_all_its_data(tmp_path: Path, energies: dict[str, Floats]) -> None:
    write_run(tmp_path)
    require_all_data(WITH_STATES, STEPS, tmp_path)


@pytest.mark.parametrize(("last", "whole"), [(14733.4306640625, True), (14811.8330078125, False), (math.nan, False)])
def test_a_minimisation_ends_with_the_energy_of_its_log(
    last: float, whole: bool, tmp_path: Path, energies: dict[str, Floats]
) -> None:
    energies["Potential"] = np.array([20000.0, last])
    (tmp_path / "md.log").write_text(
        "   Potential Energy\n    1.5e+04\n\nPotential Energy  =  1.4733431e+04\nMaximum force     =  8.4749243e+02 on atom 407\n"
    )
    if whole:
        require_all_data(STEEP, 0, tmp_path)
    else:
        with pytest.raises(DataError, match=r"md\.edr: the last potential energy is .*, by the log it was 14733\.431"):
            require_all_data(STEEP, 0, tmp_path)


@pytest.mark.parametrize(
    ("cut", "said"),
    [
        ({"frames": 10}, r"md\.xtc: 10 frames, the last at 90000 steps; a whole run has 11, the last at 100000 steps"),
        ({"frames": 0}, r"md\.xtc: no readable trajectory"),
        ({"frames": 12}, r"md\.xtc: 12 frames"),
        ({"states": 4}, r"md\.trr: 4 states, the last at 75000 steps; a whole run has 5"),
        ({"states": 0}, r"md\.trr: cannot be read"),
        ({"end": 99_000}, r"state\.trr: the state of step 99000, not of 100000"),
    ],
)
def test_a_run_that_lacks_data_gets_no_verdict(
    cut: dict[str, int], said: str, tmp_path: Path, energies: dict[str, Floats]
) -> None:
    write_run(tmp_path, **cut)
    with pytest.raises(DataError, match=said):
        require_all_data(WITH_STATES, STEPS, tmp_path)


def test_energies_that_were_cut_get_no_verdict(tmp_path: Path, energies: dict[str, Floats]) -> None:
    write_run(tmp_path)
    energies["Time"] = energies["Time"][:-1]
    with pytest.raises(
        DataError, match=r"md\.edr: 34 energies, the last at 198 ps; a whole run has 35, the last at 200 ps"
    ):
        require_all_data(WITH_STATES, STEPS, tmp_path)
    energies["Time"] = np.arange(35) * 5.0
    with pytest.raises(DataError, match=r"md\.edr: 35 energies, the last at 170 ps"):
        require_all_data(WITH_STATES, STEPS, tmp_path)


def test_a_trajectory_cut_within_a_frame(tmp_path: Path, energies: dict[str, Floats]) -> None:
    write_run(tmp_path)
    for name in ("md.xtc", "md.trr", "state.trr"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[:-7])
        with pytest.raises(DataError, match=re.escape(name)):
            require_all_data(WITH_STATES, STEPS, tmp_path)
        (tmp_path / name).write_bytes(content)
