"""Results of the systems of a sweep in numbers made up for its tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from eoli.forcefield.models import Contents
from eoli.study.analyses import TABLES
from eoli.study.systems import System
from scalars import number
from support import choice

STAGES = ["npt", "production"]


def system(name: str, cations: int = 10, in_study: bool = True) -> System:
    return System(
        name=name, polymer="peo", salt="litfsi" if cations else "none", eo_li_asked=20.0 if cations else None,
        temperature_K=353.0, replicate=1, choice=choice(),
        contents=Contents.of("peo", 10, "litfsi" if cations else "none", cations), ether_oxygens=210, in_study=in_study,
    )  # fmt: skip


def write_json(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))


def results_of(folder: Path, name: str, salted: bool = True, warnings: list[str] | None = None) -> None:
    shell = {
        "first_peak_nm": number(0.201, 0.001),
        "first_minimum_nm": number(0.3, 0.01),
        "coordination_number": number(5.1, 0.1),
        "at_cutoff": {**number(5.3, 0.2), "cutoff_nm": 0.32},
        "sites": 210,
    }
    motion = {
        "D_m2_s": number(None, None),
        "D_upper_bound_m2_s": 3e-12,
        "exponent": number(0.6, 0.02),
        "fit_from_ps": 300.0,
        "fit_to_ps": 1000.0,
        "verdict": "sub-diffusive",
    }
    settled = {**motion, "D_m2_s": number(2e-11, 1e-12), "D_upper_bound_m2_s": None, "verdict": "diffusive"}
    base = folder / name
    write_json(base / "analysis" / "density.json", {"density_g_cm3": number(1.12, 0.002)})
    write_json(base / "analysis" / "structure.json", {"Li": {"ether_O": shell} if salted else {}})
    ions = {"Li": motion, "anion": settled} if salted else {}
    write_json(base / "analysis" / "motion.json", {"length_ns": 10.0, "chain": motion, **ions})
    conductivity = {"nernst_einstein": {**number(0.02, 0.004), "verdict": "resolved"}}
    write_json(
        base / "analysis" / "conductivity.json",
        {"ions": {}} | ({"sigma_S_m": {"formal_charges": conductivity}} if salted else {}),
    )
    for name in TABLES:
        if not (path := base / "analysis" / f"{name}.json").exists():
            write_json(path, {"frames": 1, "verdict": "not resolved: synthetic"})
    for stage in STAGES:
        write_json(base / stage / "verdict.json", {"status": "pass", "warnings": [], "values": {}})
    if warnings:
        write_json(base / "npt" / "verdict.json", {"status": "warn", "warnings": warnings, "values": {}})


def sweep(densities: list[tuple[float, float | None]], **columns: object) -> pd.DataFrame:
    """Starts of one system with these densities and errors."""
    rows = [
        {"system": f"peo-r{n}", "polymer": "peo", "salt": "litfsi", "eo_li_asked": 12, "ether_set": "oxy-d",
         "cation_model": "aqvist", "anion_model": "clandp2004", "mixing": "gromos", "ion_charge_scale": 1.0,
         "temperature_K": 400, "chains": 25, "eo_li_simulated": 12, "simulated_in_study": False, "replicate": n, "density_g_cm3": value, "density_error_g_cm3": error}
        for n, (value, error) in enumerate(densities, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(**columns)
