"""Rows of a sweep table and scalars of analyses, made up for what is laid beside them."""

from __future__ import annotations

from typing import Any

from eoli.reference.measured import read_measured
from support import ROOT

STUDY = ROOT / "config/reference/ma2022.yaml"
MEASURED = ROOT / "config/reference/peo-litfsi-conductivity.csv"
TRANSPORT = ROOT / "config/reference/peo-litfsi-transport.csv"
PEO, PEBAX = "peo-eo12-298K-r1", "pebax-eo12-298K-r1"


def number(value: float | None, error: float | None) -> dict[str, float | None]:
    return {"value": value, "error": error}


def stated(value: float | None, error: float | None, verdict: str = "resolved") -> dict[str, Any]:
    return {"value": value, "error": error, "verdict": verdict}


def row(
    polymer: str, ratio: float | None = 12.0, kelvin: float = 298.15, replicate: int = 1, **other: Any
) -> dict[str, Any]:
    name = f"{polymer}-{'neat' if ratio is None else f'eo{ratio:g}'}-{kelvin:.0f}K-r{replicate}"
    lithium = 0 if ratio is None else round(600 / ratio)
    return {
        "system": name, "polymer": polymer, "salt": "none" if ratio is None else "litfsi", "eo_li_asked": ratio,
        "eo_li_simulated": 600 / lithium if lithium else None, "simulated_in_study": ratio == 12.0 and kelvin == 298.15,
        "temperature_K": kelvin, "replicate": replicate, "ether_set": "oxy-d", "cation_model": "aqvist",
        "anion_model": "clandp2004", "mixing": "gromos", "ion_charge_scale": 1.0, "chains": 25, "ether_oxygens": 600,
        "lithium_ions": lithium,
    } | other  # fmt: skip


def sigma(value: float | None, error: float | None) -> dict[str, Any]:
    verdict = "resolved" if value is not None else "not resolved: motion of Li sub-diffusive"
    return {"sigma_S_m": {"formal_charges": {"nernst_einstein": stated(value, error, verdict)}}}


def diffusion(value: float | None, error: float | None, verdict: str = "diffusive") -> dict[str, Any]:
    return {"motion": {"Li": {"D_m2_s": number(value, error), "verdict": verdict}}}


def measured_at(molar_mass: float, kelvin: float) -> float:
    table = read_measured(MEASURED)
    found = table[
        (table["series"] == "chain length")
        & (table["molar_mass_g_mol"] == molar_mass)
        & (table["temperature_K"] == kelvin)
    ]
    return float(10 ** found["log10_sigma_S_cm"].iloc[0])
