"""The results of a sweep with synthetic numbers: every table and scalar that its page shows, without a simulation."""

from __future__ import annotations

import base64
import json
import math
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from eoli.analysis.displacement.curves import Curve
from eoli.figures.equal_lag import figure_equal_lag
from eoli.figures.experiments import figure_experiments
from eoli.reference.claims import compare
from eoli.reference.experiments import Beside
from eoli.reference.model import read_reference
from eoli.reference.readings import read_scalars
from eoli.study.config import Study, load_study
from eoli.study.protocol import Stage
from eoli.study.systems import System, systems_of
from eoli.summary.equal_lag import Against, equal_lag_tables
from eoli.summary.sweep_table import collect
from eoli.workflow.products import plan_of
from support import ROOT

Floats = npt.NDArray[np.float64]

SWEEP = [
    {"polymer": "peo", "eo_li": 12, "in_study": True, "temperature_K": [298.15, 333.15, 363.15, 393.15]},
    {"polymer": "pebax", "eo_li": 12, "in_study": True},
    {"polymer": "pebax", "eo_li": [18, 8]},
]
R_KJ = 8.314462618e-3


def synthetic_study(**overrides: Any) -> Study:
    """The shipped study with another sweep."""
    return load_study([ROOT / "config/config.yaml"], ROOT, {"sweep": SWEEP, "study": "synthetic", **overrides})


def _number(value: float | None, share: float = 0.1) -> dict[str, float | None]:
    return {"value": value, "error": None if value is None else share * abs(value)}


def _motion(system: System, n: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    lag = np.unique(np.geomspace(1, 1e5, 60).round()) * 0.1
    columns: dict[str, Floats] = {"lag_ps": lag}
    d_li = 2e-11 * math.exp(-30 / R_KJ * (1 / system.temperature_K - 1 / 298.15)) * (1 + 0.1 * n)
    factors = {"Li": 1.0, "anion": 2.0, "chain": 0.4}
    for name, factor in (("Li", 1.0), ("anion_com", 2.0), ("chain_com", 0.4), ("F", 2.2)):
        msd = 0.003 * lag**0.4 + 6e6 * d_li * factor * lag
        columns |= {f"msd_{name}_nm2": msd, f"msd_{name}_error_nm2": 0.1 * msd}
        columns[f"alpha_{name}"] = np.gradient(np.log(msd), np.log(lag))
    scalars: dict[str, Any] = {"length_ns": 10.0, "tolerance": 0.1}
    for name, factor in factors.items():
        resolved = system.eo_li_asked != 8
        scalars[name] = {
            "D_m2_s": _number(d_li * factor if resolved else None),
            "D_upper_bound_m2_s": None if resolved else 3 * d_li * factor,
            "exponent": _number(1.0 if resolved else 0.7, 0.02),
            "fit_from_ps": 333.0,
            "fit_to_ps": 1000.0,
            "verdict": "diffusive" if resolved else "sub-diffusive",
            "extension": {
                "further_ns": None if resolved else 40.0,
                "reason": "" if resolved else "at least: sub-diffusive",
            },
        }
    return pd.DataFrame(columns), scalars


def _conductivity(motion: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, Any]]:
    d = motion["Li"]["D_m2_s"]["value"]
    verdict = "resolved" if d else "not resolved: motion of Li sub-diffusive"
    routes = ("nernst_einstein", "cluster_nernst_einstein", "collective")
    sigma = {
        route: {**_number(d and 2e9 * d * (1 - 0.2 * k)), "verdict": verdict} | ({} if d else {"upper_bound": 0.5})
        for k, route in enumerate(routes)
    }
    shares = {"nernst_einstein": {**_number(0.33 if d else None), "verdict": verdict}}
    lag = np.geomspace(0.1, 1000, 20)
    table = pd.DataFrame({"lag_ps": lag, "charge_msd_e2_nm2": 0.01 * lag, "sigma_apparent_S_m": 0.1 + 1 / lag})
    return table, {"sigma_S_m": {"formal_charges": sigma}, "transference": shares, "ions": {}}


def _structure(n: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    r = np.arange(0.002, 1.2, 0.004)
    peak = (20 + n) * np.exp(-(((r - 0.21) / 0.012) ** 2))
    g = peak + 1 / (1 + np.exp(-(r - 0.4) / 0.03))
    table = pd.DataFrame({"r_nm": r})
    for k, partner in enumerate(("ether_O", "carbonyl_O", "anion_O")):
        table[f"g_Li_{partner}"] = g * (1 - 0.2 * k)
        table[f"n_Li_{partner}"] = np.cumsum(g * r**2) * 0.3 * (1 - 0.2 * k)
    partner_numbers = {"first_peak_nm": _number(0.21), "coordination_number": _number(4.2), "at_cutoff": _number(4.1)}
    counts = {"mean": _number(4.1), "probabilities": [_number(p) for p in (0.0, 0.1, 0.2, 0.4, 0.3)]}
    scalars = {
        "Li": {partner: partner_numbers for partner in ("ether_O", "carbonyl_O", "anion_O")},
        "shell_statistics": {kind: counts for kind in ("ether_O", "anion", "chains")},
        "gauche_fraction": _number(0.8),
    }
    return table, scalars


def _mechanism() -> tuple[pd.DataFrame, dict[str, Any]]:
    lag = np.geomspace(0.1, 1000, 30)
    table = pd.DataFrame({"lag_ps": lag})
    for name in ("correlation_ether_O", "survival_ether_O", "P2_all", "P1_1_4", "msd_Li_all_nm2"):
        table[name] = np.exp(-((lag / 200) ** 0.6))
        table[f"{name}_error"] = 0.02
    moves = {
        "along_chain": {"events": 3, "per_ion_ns": 0.5, "low_per_ion_ns": 0.3, "high_per_ion_ns": 0.9},
        "between_chains": {"events": 0, "per_ion_ns": None, "low_per_ion_ns": None, "high_per_ion_ns": 0.2},
    }
    residence = {"ether_O": {"mean_ps": _number(None), "verdict": "too few exits"}}
    return table, {"moves": moves, "residence": residence}


def _renewal(system: System, n: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    lag = np.geomspace(100, 1000, 12)
    table = pd.DataFrame({"lag_ps": lag})
    for name, unit in (("index", "units2"), ("segments", "nm2"), ("ions", "nm2")):
        table[f"{name}_{unit}"], table[f"{name}_{unit}_error"] = 0.1 * np.sqrt(lag), 0.05
        table[f"{name}_model_{unit}"] = 0.1 * np.sqrt(lag)
    resolved = system.polymer == "peo"
    verdict = "resolved" if resolved else "not resolved: the data contradict: one block"
    names = ("D_m2_s", "D_long_chains_m2_s", "D_on_chains_m2_s", "D_between_transfers_m2_s")
    found = {name: {**_number(1e-11 * (1 + n) if resolved else None), "verdict": verdict} for name in names}
    found["conductivity_S_m"] = {**_number(0.02 * (1 + n) if resolved else None), "verdict": verdict}
    times = {f"tau_{k}": {**_number(1e3 * k if resolved else None), "verdict": verdict} for k in (1, 2, 3)}
    return table, found | times


def _others() -> dict[str, tuple[pd.DataFrame | None, dict[str, Any]]]:
    time = np.arange(0, 5001, 1.0)
    density = 1.1 - 0.1 * np.exp(-time / 300)
    q = np.linspace(1.5, 20, 25)
    distance = np.linspace(0.3, 0.7, 8)
    states = {"free": _number(0.2), "paired": _number(0.3), "aggregated": _number(0.5)}
    return {
        "density": (
            pd.DataFrame({"time_ps": time, "density_g_cm3": density}),
            {"density_g_cm3": {"value": 1.1, "error": 0.002}, "equilibrated_from_ps": 1200.0},
        ),
        "ions": (
            pd.DataFrame({"n_Li": [0, 1], "n_anion": [1, 0], "share_of_Li": [0.0, 0.2]}),
            {"Li": states, "anion": states, "clusters_by_charge_e": {"-1": _number(2), "0": _number(5)},
             "verdict": "not resolved: 95% of the contacts of the first frame are there in the last"},
        ),
        "morphology": (
            pd.DataFrame({"q_per_nm": q, "S_total": 1 + np.sin(q) ** 2, "S_total_error": 0.05}),
            {"scattering": {"q_min_per_nm": 1.5, "verdict": "box-limited"},
             "segregation": {"degree": _number(0.3), "verdict": "not distinguishable from a random arrangement"}},
        ),
        "domains": (
            pd.DataFrame({"block": "PEO", "distance_nm": distance, "largest_share": distance, "largest_share_error": 0.01,
                          "random_chains_largest_share": 0.9 * distance}),
            {},
        ),
        "hydrogen-bonds": (None, {"acceptors": {"anion": {"NH_share": _number(0.2)}}}),
        "interactions": (None, {"exact": {}}),
    }  # fmt: skip


def _traces(stage: Stage) -> tuple[pd.DataFrame, dict[str, Any]]:
    n = np.arange(300.0)
    if not stage.is_dynamics:
        return pd.DataFrame({"step": n, "potential_kJ_mol": 5e4 + 5e5 * np.exp(-n / 20)}), {"equilibrated": {}}
    columns = {
        "time_ps": n,
        "potential_kJ_mol": 3e4 + 9e3 * np.exp(-n / 30),
        "temperature_K": 298 + 3 * np.sin(n),
        "pressure_bar": 200 * np.cos(n),
    }
    if stage.ensemble == "NPT":
        columns["density_g_cm3"] = 1.1 - 0.1 * np.exp(-n / 30)
    found = {c: {"value": 1.0, "error": 0.1, "equilibrated_from_ps": 90.0} for c in columns if c != "time_ps"}
    return pd.DataFrame(columns), {"equilibrated": found if stage.equilibrates else {}}


def _write_stages(folder: Path, system: System, study: Study) -> None:
    for stage in study.stages:
        place = folder / stage.name
        place.mkdir(parents=True)
        warnings = ["mean temperature 415.1 K, asked for 400 K"] if stage.name == "compress" else []
        values = {"ns": stage.length_ns, "temperature_K": 298.2, "temperature_error_K": 0.1, "box_nm": 4.2}
        verdict = {
            "system": system.name,
            "stage": stage.name,
            "status": "warn" if warnings else "pass",
            "warnings": warnings,
            "broken": [],
            "values": values if stage.is_dynamics else {"largest_force_kJ_mol_nm": 400.0},
        }
        record = {"seed": 7, "threads": 2, "wall_seconds": 1800.0, "called_as": ["/bin/eoli", "stage", *shlex.split(plan_of(study).stage_flags(stage.name, system.name))],
                  "inputs_sha256": {},
                  "made": "2026-01-02T03:04:05+0000", "git": {"commit": "abcdef0123456789", "modified": False},
                  "gromacs": {"versions": ["2022.5"], "mpi": "thread_mpi"}, "software": {"numpy": "2.0.0"}, "host": "here"}  # fmt: skip
        for name in stage.published:
            (place / name).touch()
        (place / "verdict.json").write_text(json.dumps(verdict))
        (place / "provenance.json").write_text(json.dumps(record))


def _scene() -> dict[str, Any]:
    """Two bonded sites in the middle of a box."""
    steps = np.array([[30000, 32768, 32768], [36000, 32768, 32768]], dtype="<u2")
    group = {"name": "PEO", "label": "PEO", "colour": "#cc3311", "sphere_nm": 0.15, "stick_nm": 0.06}
    frame = {"label": "start, 0 ns", "time_ps": 0.0, "box_nm": [2.0, 2.0, 2.0]}
    positions = base64.b64encode(steps.tobytes()).decode()
    return {
        "groups": [group],
        "molecules": [{"count": 1, "groups": [0, 0], "bonds": [[0, 1]]}],
        "frames": [{**frame, "positions": positions}],
    }


def write_system(folder: Path, system: System, study: Study, n: int) -> None:
    """Everything that a finished system leaves for its page; structures of Pebax alone."""
    analysis = folder / "analysis"
    analysis.mkdir(parents=True)
    motion = _motion(system, n)
    found: dict[str, tuple[pd.DataFrame | None, dict[str, Any]]] = {
        "motion": motion,
        "conductivity": _conductivity(motion[1]),
        "structure": _structure(n),
        "mechanism": _mechanism(),
        "renewal": _renewal(system, n),
        **_others(),
        **{f"traces-{stage.name}": _traces(stage) for stage in study.stages},
    }
    for name, (table, scalars) in found.items():
        if table is not None:
            table.to_csv(analysis / f"{name}.csv", index=False, float_format="%.10g")
        if scalars:
            (analysis / f"{name}.json").write_text(json.dumps(scalars))
    if system.polymer == "pebax":
        (analysis / "snapshot-scene.json").write_text(json.dumps(_scene()))
    _write_stages(folder, system, study)


def write_summary(results: Path, study: Study) -> Path:
    """The tables of the sweep from what lies in `results`, as the workflow makes them; returns that of the sweep."""
    systems = systems_of(study)
    table = results / "summary" / "sweep.csv"
    sweep = collect(
        list(systems.values()),
        [s.name for s in study.stages],
        study.config.analysis.stage,
        results,
        table,
        allow_missing=True,
    )
    # as the command reads it, with what a table on disk cannot tell apart
    sweep = pd.read_csv(table)
    rows = compare(read_reference(ROOT / "config/reference/ma2022.yaml"), sweep, read_scalars(results, list(systems)))
    pd.DataFrame([asdict(row) for row in rows]).to_csv(table.with_name("study.csv"), index=False, float_format="%.10g")
    first = next(iter(systems.values()))
    beside = Beside(
        system=first.name, quantity="conductivity", route="collective", temperature_K=first.temperature_K, eo_li=12.0,
        chain_molar_mass_g_mol=1073.3, unit="S/cm", ours=1e-5, ours_error=2e-6, measured=5e-5, series="concentration",
        measured_molar_mass_g_mol=4e6, measured_eo_li="12", source="a paper", log10_difference=-0.7,
        log10_difference_error=0.1, verdict="compared", what_differs="chains of 4e6 against 1073 g/mol",
    )  # fmt: skip
    pd.DataFrame([asdict(beside)]).to_csv(table.with_name("experiments.csv"), index=False, float_format="%.10g")
    figure_experiments([beside], table.with_name("experiments"))
    table.with_name("compare.json").write_text(json.dumps({"cite": "Ma 2022", "mean_absolute_log10_difference": []}))
    write_equal_lag(table, sweep)
    return table


def write_equal_lag(table: Path, sweep: pd.DataFrame, lag_ps: float | None = None) -> None:
    """Displacements of lithium that differ by a twentieth from system to system, known to a tenth."""
    lags = np.array([1, 10, 100]) * 10**6
    curves = {
        name: {"Li": Curve(lags, np.log(0.01 * lags / 1e6) + 0.05 * n, np.full(3, 0.1), 10**9 // lags, 50)}
        for n, name in enumerate(sweep["system"])
    }
    found = equal_lag_tables(sweep, curves, Against("peo"), lag_ps)
    for name, of in (("equal-lag", found.pairs), ("ranking", found.ranking)):
        of.to_csv(table.with_name(f"{name}.csv"), index=False, float_format="%.10g")
    figure_equal_lag(found.course, table.with_name("equal-lag"))


def write_sweep(results: Path, study: Study) -> Path:
    """A finished sweep; returns the path of its table."""
    for n, (name, system) in enumerate(systems_of(study).items()):
        write_system(results / name, system, study, n)
    return write_summary(results, study)
