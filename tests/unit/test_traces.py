"""Traces of a stage against its energy file as pyedr reads it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyedr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eoli.analysis import traces
from eoli.analysis.traces import ROWS, TERMS, analyse_traces, block_means, traces_of
from eoli.core.units import GRAM_PER_MOL_NM3
from eoli.errors import DataError
from eoli.study.criteria import TracesCriteria
from eoli.topology.description import MoleculeCount, SystemDescription, to_json
from eoli.topology.molecule import Molecule, Site
from support import choice

NPT_EDR = Path(pyedr.__file__).parent / "tests" / "data" / "irregular.edr"

Floats = npt.NDArray[np.float64]


def terms() -> dict[str, Floats]:
    found: dict[str, Floats] = pyedr.edr_to_dict(str(NPT_EDR))
    return found


def mass() -> float:
    return float(np.mean(terms()["Density"] / 1000 * terms()["Volume"]) * GRAM_PER_MOL_NM3)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.integers(1, 70))
def test_block_means_are_those_of_the_blocks(values: list[float], size: int) -> None:
    expected = [np.mean(values[k : k + size]) for k in range(0, len(values), size)]
    np.testing.assert_allclose(block_means(np.array(values), size), expected, rtol=1e-9, atol=1e-6)


def test_every_frame_of_a_short_run_is_kept(tmp_path: Path) -> None:
    site = Site("C", "C", 0.0, mass(), "X", 1, "C", None, None, "test")
    system = SystemDescription((MoleculeCount(Molecule("X", "polymer", 0, (site,), (), (), (), ()), 1),), choice(), "")
    description, csv, scalars = (tmp_path / name for name in ("system.json", "t.csv", "t.json"))
    description.write_text(to_json(system))
    analyse_traces(NPT_EDR, description, TracesCriteria(stage="npt"), csv, scalars)
    table, data, expected = pd.read_csv(csv), json.loads(scalars.read_text()), terms()
    assert data["frames_per_row"] == 1 and len(expected["Time"]) <= ROWS
    np.testing.assert_allclose(table["time_ps"], expected["Time"])
    for column, term in TERMS.items():
        np.testing.assert_allclose(table[column], expected[term], rtol=1e-9)
    np.testing.assert_allclose(table["density_g_cm3"], expected["Density"] / 1000, rtol=1e-9)
    for column in (*TERMS, "density_g_cm3"):
        found = data["equilibrated"][column]
        kept = table[column][table["time_ps"] >= found["equilibrated_from_ps"]]
        assert found["value"] == pytest.approx(kept.mean(), rel=1e-9) and found["error"] > 0
        assert len(kept) >= len(table) / 2


def stage(monkeypatch: pytest.MonkeyPatch, **series: Floats) -> None:
    monkeypatch.setattr(traces, "read_energies", lambda path, **_: {k.replace("_", "-"): v for k, v in series.items()})


def test_a_long_run_is_averaged_to_few_rows_that_keep_its_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    n = 40_001
    noise = np.random.default_rng(1).normal(size=n)
    time = np.arange(n) * 0.5
    # relaxes within a twentieth of the run
    values = 300 + 50 * np.exp(-time / 200) + noise
    stage(monkeypatch, Time=time, Potential=values, Temperature=values, Pressure=noise)
    found = traces_of(NPT_EDR, 1.0, True)
    assert found.frames_per_row == 134 and len(found.table) == 299
    assert list(found.table) == ["time_ps", *TERMS]
    weights = np.full(299, 134.0)
    weights[-1] = n - 298 * 134
    assert np.average(found.table["potential_kJ_mol"], weights=weights) == pytest.approx(values.mean(), rel=1e-12)
    assert 200 < found.equilibrated["temperature_K"].equilibrated_from_ps < 3000
    assert found.equilibrated["pressure_bar"].equilibrated_from_ps == 0


def test_a_stage_that_drives_the_box_has_no_equilibrated_part(monkeypatch: pytest.MonkeyPatch) -> None:
    stage(monkeypatch, Time=np.arange(9.0), Temperature=np.arange(9.0), Potential=np.arange(9.0), Volume=np.ones(9))
    found = traces_of(NPT_EDR, 602.214076, False)
    assert found.equilibrated == {}
    np.testing.assert_allclose(found.table["density_g_cm3"], 1)


def test_a_minimisation_has_steps_and_energy_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    stage(monkeypatch, Time=np.array([0.0, 3.0]), Potential=np.array([5.0, 1.0]), Pressure=np.array([9.0, 9.0]))
    table = traces_of(NPT_EDR, 1.0, False).table
    assert table.to_dict("list") == {"step": [0.0, 3.0], "potential_kJ_mol": [5.0, 1.0]}


def test_what_cannot_be_is_refused_with_the_name_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"none\.edr: no such"):
        traces_of(tmp_path / "none.edr", 1.0, True)
    with pytest.raises(DataError, match=r"irregular\.edr.*another system"):
        traces_of(NPT_EDR, 1.1 * mass(), True)
    bad = np.array([1.0, np.nan, 1.0])
    stage(monkeypatch, Time=np.arange(3.0), Temperature=bad, Potential=bad)
    with pytest.raises(DataError, match=r"irregular\.edr: the series has 1 values of potential_kJ_mol"):
        traces_of(NPT_EDR, 1.0, True)
