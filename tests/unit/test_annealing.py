"""Temperatures that change by steps: plateaus, what GROMACS is told, and the protocols that are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eoli.core.validation import validate
from eoli.gromacs.mdp import Conditions, mdp_options
from eoli.study.annealing import cooling_rate_K_per_s, plateaus, points, target_K
from eoli.study.protocol import Stage
from support import mistake

COOL: dict[str, Any] = {
    "name": "cool", "ensemble": "NPT", "integrator": "md", "time_step_fs": 2, "length_ns": 0.04,
    "temperature_from_K": 400, "temperature_step_K": 50, "thermostat": "v-rescale", "tau_t_ps": 0.1,
    "barostat": "c-rescale", "tau_p_ps": 1, "pressure_bar": 1, "frame_interval_ps": 1, "energy_interval_ps": 1,
}  # fmt: skip
CONDITIONS = Conditions(250.0, 1.2, 0.12, True, "all-bonds", 7)


def test_plateaus_of_a_cooling() -> None:
    course = plateaus(400, 250, 50, 40)
    assert [p.temperature_K for p in course] == [400, 350, 300, 250]
    assert [p.from_ps for p in course] == pytest.approx([0, 11, 21, 31])
    assert [p.to_ps for p in course] == pytest.approx([10, 20, 30, 40])
    assert cooling_rate_K_per_s(course) == pytest.approx(5e12)


def test_steps_are_made_equal() -> None:
    assert [p.temperature_K for p in plateaus(500, 298.15, 25, 9)] == pytest.approx(np.linspace(500, 298.15, 9))


def test_nothing_to_do_is_one_plateau() -> None:
    (only,) = plateaus(500, 500, 25, 10)
    assert (only.from_ps, only.to_ps, cooling_rate_K_per_s([only])) == (0, 10, 0)


@given(st.floats(100, 600), st.floats(100, 600), st.floats(1, 100), st.floats(1, 1e5))
def test_times_increase_and_the_ends_are_the_ends(start: float, end: float, step: float, length: float) -> None:
    course = plateaus(start, end, step, length)
    times, kelvin = zip(*points(course), strict=True)
    assert (np.diff(times) > 0).all() and times[0] == 0 and times[-1] == pytest.approx(length)
    assert (kelvin[0], kelvin[-1]) == pytest.approx((start, end))
    assert target_K(course, [0, 2 * length]) == pytest.approx([start, end])


def test_the_target_moves_between_plateaus() -> None:
    assert target_K(plateaus(400, 300, 100, 20), [5, 10, 10.5, 11, 15]) == pytest.approx([400, 400, 350, 300, 300])


def test_gromacs_is_told_of_the_course() -> None:
    options = mdp_options(Stage(**COOL), CONDITIONS)
    assert options["annealing"] == "single" and options["annealing-npoints"] == "8"
    assert options["annealing-time"] == "0 10 11 20 21 30 31 40"
    assert options["annealing-temp"] == "400 400 350 350 300 300 250 250"
    assert options["ref-t"] == "400"
    plain = {key: value for key, value in COOL.items() if not key.startswith("temperature_")}
    assert not any(key.startswith("annealing") for key in mdp_options(Stage(**plain), CONDITIONS))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"temperature_step_K": None}, "temperature_from_K and temperature_step_K go together"),
        ({"thermostat": "nose-hoover"}, "needs md, v-rescale, and c-rescale or no barostat"),
        ({"integrator": "md-vv"}, "GROMACS refuses it with md-vv"),
        ({"barostat": "parrinello-rahman", "tau_p_ps": 5}, "needs md, v-rescale, and c-rescale or no barostat"),
        ({"converge": ["density"], "max_length_ns": 1}, "allowed: dynamics at one temperature"),
    ],
)
def test_what_does_not_integrate_is_refused(change: dict[str, Any], says: str) -> None:
    assert says in mistake(lambda: validate(Stage, COOL | change, []))


NPT = {key: value for key, value in COOL.items() if not key.startswith("temperature_")}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"converge": ["density"]}, "needs max_length_ns, which is missing"),
        ({"max_length_ns": 1}, "max_length_ns 1 needs a criterion in converge"),
        ({"converge": ["density"], "max_length_ns": 0.03}, "at least length_ns 0.04"),
        ({"converge": ["density"], "max_length_ns": 0.0410001}, "a whole number of steps"),
        ({"converge": ["volume"], "max_length_ns": 1}, "'volume' is not allowed"),
        ({"converge": ["density"], "max_length_ns": 1, "ensemble": "NVT", "barostat": "none"}, "density needs NPT"),
    ],
)
def test_prolongations_that_are_refused(change: dict[str, Any], says: str) -> None:
    assert says in mistake(lambda: validate(Stage, NPT | change, []))


def test_steps_of_a_prolonged_stage() -> None:
    stage = Stage(**NPT, converge=["energy"], max_length_ns=0.1)
    assert (stage.n_steps, stage.most_steps) == (20000, 50000)
    assert Stage(**NPT).most_steps == 20000
