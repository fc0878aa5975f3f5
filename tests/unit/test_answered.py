"""Runs that end when their transport is known: judged on walkers of known D, prolonged by what is missing."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eoli.analysis.answered import Asked, answered, judge
from eoli.errors import DataError
from eoli.stage.gate import Verdict
from eoli.stage.run import _prolonged
from eoli.study.protocol import Stage
from eoli.study.quantities import named
from eoli.study.systems import Size
from eoli.topology.description import MoleculeCount, SystemDescription, to_json
from eoli.workflow.cost import cost_of_stage
from support import choice
from synthetic_trajectories import brownian, linear_chains, molecule, write_system, write_xtc
from tiny_stages import STAGES, Tiny

ASKED = Asked(0.2, 0.1, 400.0)
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
    found = answered(["D_Li"], *write_system(tmp_path, linear_chains(3)), 1.0, ASKED)
    assert found["D_Li"].converged is None
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
