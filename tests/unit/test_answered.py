"""Runs that end when their transport is known: judged on walkers of known D, prolonged by what is missing."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eoli.analysis.answered import Asked, answered, judge, judge_displacement
from eoli.analysis.convergence import Finding
from eoli.analysis.displacement.analyse import analyse_displacement, curve_of_run
from eoli.analysis.displacement.curves import Curve, Trend
from eoli.core.arrays import Floats
from eoli.errors import DataError
from eoli.stage.gate import Verdict
from eoli.stage.run import _prolonged
from eoli.study.criteria import DisplacementCriteria, ReduceCriteria
from eoli.study.protocol import Stage
from eoli.study.quantities import named
from eoli.study.systems import Size
from eoli.topology.description import MoleculeCount, SystemDescription, to_json
from eoli.trajectory.reduce import reduce_trajectory
from eoli.workflow.cost import cost_of_stage
from support import choice
from synthetic_trajectories import brownian, fractional, linear_chains, molecule, write_system, write_xtc
from tiny_stages import STAGES, Tiny

ASKED = Asked(0.2, 0.1, 400.0)
AT_20_PS = dataclasses.replace(ASKED, lag_ps=20.0)
# a criterion asks of each of two runs
TARGET = 0.2 / math.sqrt(2)
NVT = STAGES["production"].model_dump() | {"length_ns": 1.0, "max_length_ns": 20.0, "converge": ["D_Li"]}


def write_walkers(folder: Path, salt: int, d_nm2_ps: float = 2e-3, n_frames: int = 2000) -> tuple[Path, Path]:
    """A trajectory of independent ions, of which lithium has D = `d_nm2_ps`, and four chains that hardly move."""
    rng = np.random.default_rng(8)
    entries = [
        MoleculeCount(molecule("PEO", "polymer", ["ether_O"], 1e6), 4),
        MoleculeCount(dataclasses.replace(molecule("LI", "cation", ["Li"], 7.0), formal_charge=1), salt),
        MoleculeCount(dataclasses.replace(molecule("X", "anion", ["anion_O"], 280.0), formal_charge=-1), salt),
    ]
    paths = [brownian(n_frames, n, d, rng) for n, d in ((4, 1e-4), (salt, d_nm2_ps), (salt, 2 * d_nm2_ps))]
    folder.mkdir()
    description = folder / "system.json"
    description.write_text(to_json(SystemDescription(tuple(entries), choice(), "")))
    boxes = np.full((n_frames, 3), 4.0)
    return write_xtc(folder / "md.xtc", np.concatenate(paths, axis=1) % 4.0, boxes), description


def test_walkers_of_known_D_are_an_answer_once_there_are_enough_of_them(tmp_path: Path) -> None:
    few, many = (
        answered(["D_Li", "D_anion", "conductivity_nernst_einstein"], *write_walkers(tmp_path / str(n), n), 1.0, ASKED)
        for n in (2, 60)
    )
    assert not few["D_Li"].converged
    found = many["D_Li"]
    assert found.converged and found.values["relative_error"] <= 0.2 and "asked: 20%" in found.text
    # 1 nm2/ps is 1e-6 m2/s
    assert abs(found.values["value"] - 2e-9) < 3 * found.values["error"]
    assert many["D_anion"].converged and many["conductivity_nernst_einstein"].converged
    stricter = answered(
        ["D_Li"], *write_walkers(tmp_path / "again", 60), 1.0, dataclasses.replace(ASKED, target_error=0.01)
    )
    assert not stricter["D_Li"].converged and stricter["D_Li"].values["further_ns"] > 0
    assert not list(tmp_path.glob("*/.answered*"))


def test_a_box_without_salt_has_nothing_to_answer(tmp_path: Path) -> None:
    found = answered(["D_Li", "displacement_Li"], *write_system(tmp_path, linear_chains(3)), 1.0, AT_20_PS)
    assert found["D_Li"].converged is None and found["displacement_Li"].converged is None
    with pytest.raises(DataError):
        answered(["D_Li"], tmp_path / "none.xtc", tmp_path / "system.json", 1.0, ASKED)


def of_lithium(value: float | None, error: float | None, further: float | None = 3.0) -> dict[str, Any]:
    of = {"D_m2_s": {"value": value, "error": error}, "D_upper_bound_m2_s": 4e-11, "verdict": "sub-diffusive",
          "extension": {"further_ns": further}}  # fmt: skip
    return {"motion": {"Li": of}}


def test_what_is_missing_is_what_the_error_or_the_motion_needs() -> None:
    known = judge(named("D_Li"), of_lithium(1e-11, 4e-12), 5.0, 0.2)
    # half the error takes four times the run
    assert known.values["further_ns"] == pytest.approx(15.0) and not known.converged
    assert known.text == "D(Li⁺) = (1.0 ± 0.4) × 10⁻¹¹ m²/s, 40%; asked: 20%"
    assert judge(named("D_Li"), of_lithium(1e-11, 2e-12), 5.0, 0.2).converged
    bound = judge(named("D_Li"), of_lithium(None, None), 5.0, 0.2)
    assert bound.values["further_ns"] == 3.0
    assert bound.text == "D(Li⁺) is not resolved: sub-diffusive, at most 4.00 × 10⁻¹¹ m²/s"
    assert judge(named("D_Li"), of_lithium(None, None, None), 5.0, 0.2).values["further_ns"] is None


def curve_with(errors: tuple[float, ...], frames: int = 1000, trend: Trend | None = None) -> Curve:
    """An MSD of 0.01 nm2/ps times the lag at 10, 20 and 40 ps, in a run of so many steps of 1 ps."""
    lags = np.array([10, 20, 40])
    return Curve(lags * 10**6, np.log(0.01 * lags), np.array(errors), frames // lags, 50, trend)


def test_a_displacement_is_an_answer_at_the_target_over_the_root_of_two() -> None:
    known = judge_displacement(curve_with((0.1, 0.14, 0.5)), 1.0, 1.0, AT_20_PS)
    assert known.converged and known.values["further_ns"] == 0.0
    assert (known.values["value"], known.values["error"]) == (pytest.approx(0.2), pytest.approx(0.028))
    assert (known.values["lag_ps"], known.values["target_error"]) == (20.0, pytest.approx(TARGET))
    open_ = judge_displacement(curve_with((0.1, 2 * TARGET, 0.5)), 1.0, 1.0, AT_20_PS)
    # half the error takes four times the run
    assert not open_.converged and open_.values["further_ns"] == pytest.approx(3.0)
    assert open_.text == "MSD(Li⁺) at 20 ps = (0.20 ± 0.06) nm², 28%; asked: 14%"
    # another lag of the same run
    assert judge_displacement(curve_with((0.1, 0.5, 0.5)), 1.0, 1.0, dataclasses.replace(ASKED, lag_ps=9.9)).converged


def test_a_displacement_needs_ten_origins_before_it_has_an_error() -> None:
    few = judge_displacement(curve_with((0.1, math.nan, math.nan), 120), 1.0, 0.12, AT_20_PS)
    assert not few.converged and few.values["further_ns"] == pytest.approx(0.08)
    assert few.text == (
        "MSD(Li⁺) at 20 ps is not known: no lag within 5% of 20 ps with 10 independent origins and an error "
        "(it has 10 to 10 ps)"
    )
    # so many origins, and yet no error: one ion, or none that moved; and a lag that no such frames have
    alone = judge_displacement(curve_with((math.nan,) * 3), 1.0, 1.0, AT_20_PS)
    assert not alone.converged and alone.values["further_ns"] is None
    none = judge_displacement(curve_with((0.1,) * 3), 1.0, 1.0, dataclasses.replace(ASKED, lag_ps=17.0))
    assert not none.converged and none.values["further_ns"] is None
    with pytest.raises(ValueError, match="without a lag"):
        judge_displacement(curve_with((0.1,) * 3), 1.0, 1.0, ASKED)


def test_a_run_that_has_not_settled_has_no_displacement_to_compare() -> None:
    found = judge_displacement(curve_with((0.1,) * 3, trend=Trend(-0.7, 0.1, 1e-3)), 1.0, 1.0, AT_20_PS)
    assert not found.converged and found.values["further_ns"] is None
    assert found.text.startswith(
        "MSD(Li⁺) at 20 ps is not known: the run has not settled: the MSD of its second half is 0.5"
    )


def naive_log_msd(paths: Floats, lag: int) -> tuple[float, float]:
    """ln MSD and its error by plain loops; paths (frames, particles, 3).

    Five blocks and the whole run differ, for Brownian motion, by the variance of a mean over origins that overlap: Qian,
    Sheetz, Elson, Biophys. J. 60, 910 (1991).
    """

    def msd(path: Floats) -> Floats:
        return np.array([((path[t + lag] - path[t]) ** 2).sum(axis=1) for t in range(len(path) - lag)]).mean(axis=0)

    def variance(frames: int) -> float:
        k, n = frames - lag, lag
        assert k >= n
        return (4 * n * n * k + 2 * k + n - n**3) / (6 * n * k * k)

    of_particles, blocks = msd(paths), np.split(paths, 5)
    logs = [math.log(msd(block).mean()) for block in blocks]
    of_blocks = np.std(logs, ddof=1) / math.sqrt(5) * math.sqrt(variance(len(paths)) / (variance(len(blocks[0])) / 5))
    left_out = [math.log(np.delete(of_particles, k).mean()) for k in range(len(of_particles))]
    of_molecules = math.sqrt((len(left_out) - 1) * np.var(left_out))
    return math.log(of_particles.mean()), max(float(of_blocks), of_molecules)


@pytest.mark.parametrize("particles", [5, 40])
def test_the_error_of_a_single_run_is_that_of_plain_loops(particles: int) -> None:
    rng = np.random.default_rng(5)
    for _ in range(5):
        paths = fractional(400, particles, 0.5, 0.3, rng)
        found = judge_displacement(curve_of_run(paths, 1.0, "Li"), 1.0, 0.399, AT_20_PS)
        value, error = naive_log_msd(paths, 20)
        assert found.values["value"] == pytest.approx(math.exp(value))
        assert found.values["relative_error"] == pytest.approx(error, rel=1e-6)


def test_a_run_is_judged_by_what_its_analysis_will_say(tmp_path: Path) -> None:
    xtc, description = write_walkers(tmp_path / "run", 20)
    found = answered(["displacement_Li"], xtc, description, 1.0, AT_20_PS)["displacement_Li"]
    # 6 D t with D of 2e-3 nm2/ps
    assert abs(found.values["value"] - 0.24) < 4 * found.values["error"] and found.converged
    reduced = tmp_path / "reduced.h5"
    criteria = ReduceCriteria(
        frame_interval_ps=1.0, motion_interval_ps=1.0, structure_interval_ps=1.0, slow_interval_ps=10.0,
        rdf_range_nm=1.0, rdf_bin_nm=0.1,
    )  # fmt: skip
    reduce_trajectory(xtc, description, criteria, reduced)
    analyse_displacement(reduced, description, DisplacementCriteria(), tmp_path / "d.csv", tmp_path / "d.json")
    table = np.genfromtxt(tmp_path / "d.csv", delimiter=",", names=True)
    (of_lag,) = table[table["lag_ps"] == 20.0]
    assert found.values["value"] == pytest.approx(of_lag["msd_Li_nm2"])
    assert found.values["relative_error"] == pytest.approx(of_lag["ln_msd_Li_error"])


def ended(paths: Floats, target: float) -> tuple[int, Finding]:
    """Steps at which a run ends that is prolonged as a stage is, 200 at a time, and what it then knows at 20 ps."""
    asked, now = dataclasses.replace(AT_20_PS, target_error=target), 200
    while True:
        found = judge_displacement(curve_of_run(paths[: now + 1], 1.0, "Li"), 1.0, now / 1000, asked)
        if found.converged or now == len(paths) - 1:
            return now, found
        further = round(1000 * (found.values["further_ns"] or 0))
        now = min(len(paths) - 1, now + max(200, min(further, 2 * now)))


@pytest.mark.parametrize(("hurst", "shared", "target"), [(0.5, 0.0, 0.06), (0.25, 0.0, 0.04), (0.25, 0.3, 0.08)])
def test_runs_that_end_by_themselves_know_the_ratio_to_the_target(hurst: float, shared: float, target: float) -> None:
    """200 runs each, of Brownian walkers and of such as beads of a chain, free or with a part of their motion in common."""
    rng, steps = np.random.default_rng(17), 2000
    true = 3 * 20 ** (2 * hurst)

    def holds(found: Finding) -> bool:
        return abs(math.log(found.values["value"] / true)) <= found.values["relative_error"]

    off, held, held_at_400, lengths = [], [], [], []
    for _ in range(200):
        paths = fractional(steps + 1, 20, hurst, math.sqrt(1 - shared), rng)
        if shared:
            paths = paths + fractional(steps + 1, 1, hurst, math.sqrt(shared), rng)
        length, found = ended(paths, target)
        if found.converged:
            off.append(math.log(found.values["value"] / true))
            held.append(holds(found))
            lengths.append(length)
        of_400 = judge_displacement(curve_of_run(paths[:401], 1.0, "Li"), 1.0, 0.4, AT_20_PS)
        if of_400.values["value"] is not None:
            held_at_400.append(holds(of_400))
    assert len(off) >= 190 and max(lengths) > 200
    ratios = np.array(off[: len(off) // 2]) - np.array(off[-(len(off) // 2) :])
    # 68 % of normal errors lie within their standard deviation; of 100, with their scatter
    assert np.mean(np.abs(ratios) <= target) >= 0.6827 - 2 * 0.047
    # a run ends more readily where its error happens to be too small
    assert 0.6827 - 3 * 0.033 <= np.mean(held_at_400) <= 0.6827 + 3 * 0.033 and 0.50 <= np.mean(held) <= 0.80


def longer(further_ns: float | None, core_hours: float = 0.0, at_ns: float = 1.0, **keys: Any) -> float:
    """Length, ns, to which a run is prolonged."""
    stage = Stage(**NVT | keys)
    job = Tiny(Path("tiny"), gromacs=None).job(stage, Path("nvt"), Path("production"))  # type: ignore[arg-type]
    job = dataclasses.replace(job, n_steps=round(at_ns / job.ns(1)))
    values = {"convergence": {"D_Li": {"values": {"further_ns": further_ns}}}, "core_hours": core_hours}
    return job.ns(_prolonged(job, Verdict("production", values=values)).target_steps)


def test_a_run_is_prolonged_by_what_it_is_expected_to_need() -> None:
    assert longer(None) == pytest.approx(2.0)
    assert longer(0.2) == pytest.approx(2.0)
    assert longer(1.5) == pytest.approx(2.5)
    # an expectation from few data is not believed beyond twice the run
    assert longer(100.0) == pytest.approx(3.0)
    assert longer(100.0, at_ns=10.0) == pytest.approx(20.0)


def test_the_last_prolongation_spends_what_is_left_of_the_budget() -> None:
    assert longer(100.0, core_hours=2.0, max_core_hours=5.0) == pytest.approx(2.5)
    assert longer(100.0, core_hours=2.0, max_core_hours=50.0) == pytest.approx(3.0)
    assert longer(100.0, core_hours=5.0, max_core_hours=5.0) == pytest.approx(1.0)
    assert longer(100.0, core_hours=7.0, max_core_hours=5.0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"converge": [], "max_length_ns": None, "max_core_hours": 3.0},
            "max_core_hours has no meaning without converge",
        ),
        ({"ensemble": "NPT", "barostat": "c-rescale", "tau_p_ps": 1.0, "pressure_bar": 1.0}, "D_Li needs NVT"),
        ({"converge": ["D_Na"]}, "'D_Na' is not allowed|D_Na"),
        ({"max_core_hours": -1.0}, "max_core_hours"),
    ],
)
def test_what_has_no_meaning_is_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Stage(**NVT | keys)


def test_the_budget_bounds_the_cost_that_is_told() -> None:
    def most(**keys: Any) -> float:
        # 1 ns takes 0.5 core-hours here
        size, stage = Size(1000, 1.0, 1.0), Stage(**NVT | keys)
        return cost_of_stage(size, stage, 1000 * stage.n_steps / 1800).most_core_hours

    assert most() == pytest.approx(10.0)
    assert most(max_core_hours=4.0) == pytest.approx(4.0)
    assert most(max_core_hours=0.1) == pytest.approx(0.5)
