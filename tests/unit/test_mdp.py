"""Run parameters from stages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from eoli.gromacs.mdp import Conditions, coupling_of_log, mdp_options, mdp_text
from eoli.study.protocol import Protocol, Stage

ROOT = Path(__file__).resolve().parents[2]

CONDITIONS = Conditions(
    temperature_K=298.15,
    cutoff_nm=1.2,
    fourier_spacing_nm=0.12,
    dispersion_correction=True,
    constraints="all-bonds",
    seed=42,
)
DYNAMICS = {
    "name": "run", "ensemble": "NVT", "integrator": "md", "time_step_fs": 2.0, "length_ns": 0.1, "thermostat": "v-rescale",
    "tau_t_ps": 1.0, "frame_interval_ps": 1.0, "energy_interval_ps": 1.0,
}  # fmt: skip
NPT = DYNAMICS | {"ensemble": "NPT", "barostat": "c-rescale", "tau_p_ps": 5.0, "pressure_bar": 1.01325}
MINIMISATION = {
    "name": "minimise", "ensemble": "minimisation", "integrator": "steep", "max_steps": 5000,
    "force_tolerance_kJ_mol_nm": 500,
}  # fmt: skip


def options(**keys: object) -> dict[str, str]:
    return mdp_options(Stage(**keys), CONDITIONS)


def test_what_all_stages_share() -> None:
    for stage in (MINIMISATION, DYNAMICS, NPT):
        found = options(**stage)
        assert (found["coulombtype"], found["rcoulomb"], found["rvdw"], found["fourierspacing"]) == (
            "pme",
            "1.2",
            "1.2",
            "0.12",
        )
        assert (found["dispcorr"], found["cutoff-scheme"]) == ("enerpres", "verlet")


def test_bonds_are_flexible_in_minimisation_alone() -> None:
    assert [options(**stage)["constraints"] for stage in (MINIMISATION, DYNAMICS, NPT)] == [
        "none",
        "all-bonds",
        "all-bonds",
    ]


def test_minimisation() -> None:
    found = options(**MINIMISATION)
    assert (found["integrator"], found["nsteps"], found["emtol"]) == ("steep", "5000", "500")
    assert {"dt", "tcoupl", "pcoupl", "gen-vel", "ref-t"} & found.keys() == set()


def test_constant_volume() -> None:
    found = options(**DYNAMICS)
    assert (found["integrator"], found["dt"], found["nsteps"]) == ("md", "0.002", "50000")
    assert (found["tcoupl"], found["tau-t"], found["ref-t"], found["pcoupl"]) == ("v-rescale", "1", "298.15", "no")
    assert (found["gen-vel"], found["continuation"]) == ("no", "yes")
    assert (found["nstxout-compressed"], found["nstxout"], found["nstvout"]) == ("500", "0", "0")
    assert {"tau-p", "ref-p", "pcoupltype", "compressibility", "gen-seed"} & found.keys() == set()


def test_constant_pressure() -> None:
    found = options(**NPT, state_interval_ps=10.0)
    assert (found["pcoupl"], found["pcoupltype"], found["tau-p"], found["ref-p"]) == (
        "c-rescale",
        "isotropic",
        "5",
        "1.01325",
    )
    assert found["compressibility"] == "4.5e-05"
    assert (found["nstxout"], found["nstvout"]) == ("5000", "5000")


def test_velocities_and_the_stage_s_own_temperature() -> None:
    found = options(**DYNAMICS, generate_velocities=True, temperature_K=500)
    assert (found["gen-vel"], found["continuation"], found["gen-temp"], found["ref-t"]) == ("yes", "no", "500", "500")
    assert (found["gen-seed"], found["ld-seed"]) == ("42", "42")


@pytest.mark.parametrize("keys", [{"generate_velocities": True}, {"equilibrates": False}])
def test_pairs_of_a_loose_or_driven_box_are_looked_up_often(keys: dict[str, bool]) -> None:
    found = options(**NPT | keys)
    assert (found["verlet-buffer-tolerance"], found["nstlist"], found["rlist"]) == ("-1", "20", "1.32")
    assert {"verlet-buffer-tolerance", "nstlist", "rlist"} & options(**NPT).keys() == set()


def test_stochastic_dynamics_has_no_thermostat() -> None:
    found = options(**DYNAMICS | {"integrator": "sd", "thermostat": "none"})
    assert (found["integrator"], found["tcoupl"], found["tau-t"], found["ref-t"]) == ("sd", "no", "1", "298.15")


def test_without_dispersion_correction() -> None:
    conditions = Conditions(298.15, 1.0, 0.1, False, "none", 1)
    assert mdp_options(Stage(**MINIMISATION), conditions)["dispcorr"] == "no"


@pytest.mark.parametrize(
    ("interval_ps", "calculated"), [(1.0, 100), (0.1, 50), (0.002, 1), (0.202, 1), (0.3, 75), (0.25, 62.5)]
)
def test_energies_are_summed_at_a_divisor_of_where_they_are_written(interval_ps: float, calculated: float) -> None:
    if calculated % 1:
        with pytest.raises(ValueError, match="whole number of steps"):
            options(**DYNAMICS | {"energy_interval_ps": interval_ps, "time_step_fs": 4.0})
        return
    found = options(**DYNAMICS | {"energy_interval_ps": interval_ps})
    assert int(found["nstcalcenergy"]) == calculated


@pytest.mark.parametrize(
    ("keys", "steps"),
    [
        # the stages of the study
        ({"tau_t_ps": 0.1, "time_step_fs": 1.0, "tau_p_ps": 0.5}, ("10", "10")),
        ({"thermostat": "nose-hoover", "time_step_fs": 1.0, "barostat": "parrinello-rahman"}, ("10", "10")),
        # couplings in a time constant: 200 and 25 of the barostats, 20 and 5 of the thermostats
        ({"barostat": "parrinello-rahman", "tau_p_ps": 2.0}, ("10", "5")),
        ({"barostat": "parrinello-rahman", "tau_p_ps": 3.9}, ("10", "5")),
        ({"barostat": "parrinello-rahman", "tau_p_ps": 4.0}, ("10", "10")),
        ({"tau_p_ps": 0.5}, ("10", "10")),
        ({"tau_p_ps": 0.499}, ("10", "5")),
        ({"tau_p_ps": 0.25}, ("10", "5")),
        ({"thermostat": "nose-hoover", "tau_t_ps": 0.399}, ("5", "10")),
        ({"tau_t_ps": 0.099}, ("5", "10")),
        ({"tau_t_ps": 0.049}, ("4", "10")),
        ({"tau_t_ps": 0.02}, ("2", "10")),
        ({"tau_t_ps": 0.01}, ("1", "10")),
        ({"integrator": "md-vv", "barostat": "parrinello-rahman", "tau_p_ps": 2.0}, ("10", "5")),
        # stochastic dynamics has no steps between couplings
        ({"integrator": "sd", "thermostat": "none", "barostat": "parrinello-rahman", "tau_p_ps": 2.0}, (None, "5")),
    ],
    ids=str,
)
def test_steps_between_couplings(keys: dict[str, object], steps: tuple[str | None, str | None]) -> None:
    found = options(**NPT | keys)
    assert (found.get("nsttcouple"), found.get("nstpcouple")) == steps


def test_nothing_is_written_of_a_coupling_that_is_not_there() -> None:
    assert "nstpcouple" not in options(**DYNAMICS)
    assert not {"nsttcouple", "nstpcouple"} & options(**MINIMISATION).keys()


@pytest.mark.parametrize("path", sorted((ROOT / "config/protocols").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_stage_couples_as_gromacs_did_by_itself_until_2022(path: Path) -> None:
    for stage in Protocol.model_validate(yaml.safe_load(path.read_text())).stages:
        expected = (10 if stage.is_dynamics else None, 10 if stage.ensemble == "NPT" else None)
        assert stage.coupling_steps == expected


LOG = """\
   nstcalcenergy                  = 100
   nsttcouple                     = 10
   nstpcouple                     = {first}
Restarting from checkpoint
   nsttcouple                     = 10
   nstpcouple                     = {second}
   nstenergy                      = 1000
"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (LOG.format(first=100, second=25), {"nsttcouple": "10", "nstpcouple": "25"}),
        (LOG.format(first=-1, second=-1), {"nsttcouple": "10"}),
        ("Log file opened\n", {}),
    ],
)
def test_the_log_says_how_a_run_couples(text: str, found: dict[str, str]) -> None:
    assert coupling_of_log(text) == found


COUPLINGS = st.sampled_from(
    [
        (integrator, thermostat, barostat)
        for integrator, thermostat in [
            ("md", "v-rescale"),
            ("md", "nose-hoover"),
            ("md-vv", "v-rescale"),
            ("sd", "none"),
        ]
        for barostat in ("none", "c-rescale", "parrinello-rahman")
    ]
)


@given(
    coupling=COUPLINGS,
    step=st.sampled_from([0.5, 1.0, 2.0]),
    frame=st.integers(1, 3000),
    energy=st.integers(1, 3000),
    state=st.none() | st.integers(1, 3000),
    frames=st.integers(1, 500),
    temperature=st.floats(200, 600),
)
def test_options_of_any_legal_stage(
    coupling: tuple[str, str, str],
    step: float,
    frame: int,
    energy: int,
    state: int | None,
    frames: int,
    temperature: float,
) -> None:
    integrator, thermostat, barostat = coupling
    stage = Stage(
        name="run", ensemble="NVT" if barostat == "none" else "NPT", integrator=integrator, thermostat=thermostat,
        barostat=barostat, tau_t_ps=1.0, tau_p_ps=5.0, pressure_bar=1.0, temperature_K=temperature, time_step_fs=step,
        length_ns=frames * frame * step * 1e-6, frame_interval_ps=frame * step / 1e3, energy_interval_ps=energy * step / 1e3,
        state_interval_ps=None if state is None else state * step / 1e3,
    )  # fmt: skip
    found = mdp_options(stage, CONDITIONS)
    assert int(found["nsteps"]) == frames * frame
    assert float(found["dt"]) == step / 1000
    assert int(found["nstxout-compressed"]) == frame and int(found["nstxout"]) == (state or 0)
    assert int(found["nstenergy"]) == energy and energy % int(found["nstcalcenergy"]) == 0
    assert int(found["nstcalcenergy"]) <= 100
    assert float(found["ref-t"]) == pytest.approx(temperature, rel=1e-5)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", key) for key in found)
    assert not {"None", "none", ""} & set(found.values())
    assert ("tau-p" in found) == (barostat != "none")
    for key, tau_ps, least in (
        ("nsttcouple", 1.0, {"v-rescale": 5, "nose-hoover": 20}.get(thermostat)),
        ("nstpcouple", 5.0, {"c-rescale": 25, "parrinello-rahman": 200}.get(barostat)),
    ):
        assert (key in found) == (least is not None)
        if least is not None:
            assert 100 % int(found[key]) == 0 and int(found[key]) <= 10
            assert tau_ps * 1000 / step / int(found[key]) >= least


def test_the_text_is_sorted_and_complete() -> None:
    found = options(**NPT)
    rows = mdp_text(found).splitlines()
    assert rows == sorted(rows)
    assert dict(row.split(" = ") for row in [re.sub(r"\s+=\s+", " = ", row) for row in rows]) == found
