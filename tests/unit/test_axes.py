"""Systems that differ on one axis alone: nothing takes them together, pairs them or gives them one name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from eoli.figures.sweep import read_grouped
from eoli.reference.claims import compare
from eoli.reference.model import Reference
from eoli.study.analyses import TABLES
from eoli.study.axes import SERIES_AXES, SHAPE, SOLVENTS, SYSTEM_AXES, alike, axes_of, distinguishing_axes
from eoli.study.quantities import sweep_columns
from eoli.summary.replicas import replica_table
from eoli.summary.temperature import activation_table, fits_of

OTHER: dict[str, Any] = {
    "polymer": "pebax", "salt": "lifsi", "eo_li_asked": 20.0, "ether_set": "oxy-v", "cation_model": "other",
    "anion_model": "another", "mixing": "lb-ions", "ion_charge_scale": 0.8, "chains": 50, "temperature_K": 420.0,
    SHAPE: "2x1x1", SOLVENTS: "acetonitrile:20",
}  # fmt: skip


def system(number: int = 1, replicate: int = 1, **changes: Any) -> dict[str, Any]:
    """A row of the sweep table; `number` keeps the names of systems apart, as their axes do in a study."""
    shape = changes.pop(SHAPE, "")
    row = {
        "system": f"s{number}{f'-{shape}' if shape else ''}-r{replicate}", "polymer": "peo", "salt": "litfsi",
        "eo_li_asked": 12.0, "eo_li_simulated": 12.0, "simulated_in_study": False, "temperature_K": 400.0,
        "replicate": replicate, "ether_set": "oxy-d", "cation_model": "aqvist", "anion_model": "clandp2004",
        "mixing": "gromos", "ion_charge_scale": 1.0, "chains": 25,
    }  # fmt: skip
    row |= dict.fromkeys(sweep_columns(TABLES))
    row |= {"density_g_cm3": 1.1, "density_error_g_cm3": 0.01, "D_Li_m2_s": 1e-11, "D_Li_error_m2_s": 1e-12}
    return row | {"ideal_mixing_density_unverified_g_cm3": 1.1, "status": "pass"} | changes


REFERENCE = Reference.model_validate({
    "cite": "a", "thesis": "b", "article": "c", "doi": "d", "salt": "litfsi", "simulated_at_K": 298.0,
    "numbers": [{
        "id": "density", "what": "density", "where": "here", "status": "verified", "origin": "simulated",
        "comparable": {"answer": True, "reason": ""}, "unit": "g/cm3",
        "systems": [{"polymer": polymer, "eo_li": 99, "value": 1.0, "scalar": "sweep.density_g_cm3"}
                    for polymer in ("peo", "pebax")],
    }],
    "claims": [{
        "id": "denser", "what": "denser", "where": "here", "status": "verified", "origin": "simulated",
        "comparable": {"answer": True, "reason": ""},
        "tests": [{"kind": "larger", "of": {"polymer": "peo"}, "than": {"polymer": "pebax"}, "unit": "g/cm3",
                   "scalars": ["sweep.density_g_cm3"]}],
    }],
})  # fmt: skip


@pytest.mark.parametrize("axis", [*SYSTEM_AXES, SOLVENTS, SHAPE])
def test_systems_that_differ_on_one_axis_are_not_taken_together(axis: str, tmp_path: Path) -> None:
    pair = [system(1), system(2, 2, **{axis: OTHER[axis]})]
    table = pd.DataFrame(pair)
    assert [list(rows["system"]) for _, rows in alike(table)] == [[row["system"]] for row in pair]
    assert distinguishing_axes(pair) == [axis]
    assert replica_table(table).empty
    said = compare(REFERENCE, table, {})
    ours = [row for row in said if row.id == "density" and row.ours is not None]
    # a salt that the study has not is no subject of the comparison
    assert len(ours) == (1 if axis == "salt" else 2) and not any("starts" in row.reason for row in ours)
    table.to_csv(tmp_path / "sweep.csv", index=False)
    groups = read_grouped(tmp_path / "sweep.csv").groups
    if axis == "eo_li_asked":
        assert len(groups) == 1 and groups[0].rows["eo_li_asked"].nunique() == 2
    else:
        assert len({group.label for group in groups}) == len(groups) == 2


@pytest.mark.parametrize("axis", [*SERIES_AXES, SOLVENTS, SHAPE])
def test_temperatures_of_systems_that_differ_are_not_fitted_together(axis: str) -> None:
    changes = {axis: OTHER[axis]}
    alone = pd.DataFrame([system(1), system(2, temperature_K=420.0, **changes)])
    assert fits_of(alone) == []
    both = pd.DataFrame([*alone.to_dict("records"), system(3, temperature_K=380.0), system(4, **changes)])
    assert {fits.names for fits in fits_of(both)} == {tuple(both["system"][[0, 2]]), tuple(both["system"][[1, 3]])}


@pytest.mark.parametrize(
    "axis", [axis for axis in (*SYSTEM_AXES, SOLVENTS, SHAPE) if axis not in ("polymer", "eo_li_asked")]
)
def test_a_claim_compares_systems_that_are_equal_but_for_what_it_is_about(axis: str) -> None:
    def judged(**changes: Any) -> str:
        table = pd.DataFrame([system(1), system(2, polymer="pebax", **changes)])
        (row,) = (row for row in compare(REFERENCE, table, {}) if row.id == "denser")
        return row.system

    assert judged() == "s1-r1 and s2-r1"
    assert judged(**{axis: OTHER[axis]}) == "peo and pebax"


def test_numbers_of_a_polymer_are_not_laid_beside_one_with_a_solvent() -> None:
    (numbers,) = REFERENCE.numbers
    at_twelve = numbers.model_copy(update={"systems": [numbers.systems[0].model_copy(update={"eo_li": 12.0})]})
    simulated = {"simulated_in_study": True, "temperature_K": 298.0}
    table = pd.DataFrame([system(1, **simulated), system(2, solvents="acetonitrile:20", **simulated)])
    said = compare(REFERENCE.model_copy(update={"numbers": [at_twelve]}), table, {})
    assert [row.system for row in said if row.id == "density" and row.theirs is not None] == ["s1-r1"]


def test_tables_of_groups_have_a_column_of_solvents_last_and_only_with_some() -> None:
    plain = [system(n, n, temperature_K=kelvin) for n, kelvin in enumerate((380.0, 380.0, 400.0, 420.0), 1)]
    beside = [
        system(n + 4, n, solvents="acetonitrile:20", temperature_K=row["temperature_K"])
        for n, row in enumerate(plain, 1)
    ]
    for make in (replica_table, activation_table):
        without, mixed = make(pd.DataFrame(plain)), make(pd.DataFrame([*beside, *plain]))
        assert len(without) and SOLVENTS not in without and list(mixed) == [*without, SOLVENTS]
        # those of the plain systems are as they were
        assert mixed[mixed[SOLVENTS].isna()].drop(columns=SOLVENTS).reset_index(drop=True).equals(without)
        assert set(mixed[SOLVENTS].dropna()) == {"acetonitrile:20"}


def test_starts_are_taken_together_also_where_an_axis_is_empty() -> None:
    neat = {"salt": "none", "eo_li_asked": None, "cation_model": None, "anion_model": float("nan")}
    table = pd.DataFrame([system(1, 1, **neat), system(1, 2, **neat)])
    assert [len(rows) for _, rows in alike(table)] == [2]
    first, second = (axes_of(row) for row in table.to_dict("records"))
    assert first == second and first["anion_model"] is None


def test_a_salt_says_the_model_of_its_own_anion() -> None:
    pf6, tfsi, other = (
        {"system": "a-r1", "salt": salt, "anion_model": model}
        for salt, model in (("lipf6", "kolb"), ("litfsi", "clandp2004"), ("litfsi", "other"))
    )
    assert distinguishing_axes([pf6, tfsi]) == ["salt"]
    assert distinguishing_axes([tfsi, other]) == ["anion_model"]
    assert distinguishing_axes([pf6, tfsi, other]) == ["salt", "anion_model"]
