"""Independent starts of one system together: the job, its table, and what reads it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from eoli.analysis.conductivity.analyse import analyse_conductivity
from eoli.analysis.conductivity.onsager import siemens_per_metre
from eoli.analysis.pooled import analyse_starts
from eoli.commands.analyse import add_starts, starts
from eoli.commands.compare import add_replicas, replicas
from eoli.errors import DataError
from eoli.study.criteria import ConductivityCriteria, StartsCriteria
from eoli.summary.pooled import read_starts, starts_table
from eoli.topology.description import read_description
from eoli.trajectory.store import seal
from support import mistake
from sweep_results import sweep
from synthetic_trajectories import write_conductor

PAIR = ["peo-r1", "peo-r2"]


def analysed(folder: Path, *runs: list[Path], names: list[str] = PAIR) -> dict[str, Any]:
    out = folder / "results" / "summary" / "starts" / "peo.json"
    criteria = StartsCriteria(
        systems=names, temperature_K=350.0, tolerance=0.15, target_error=0.2, contact_nm=0.3, use_interval_ps=100.0,
        lithium_contact_nm={"ether_O": 0.35, "carbonyl_O": 0.32, "anion": 0.3}, hold_ps=10.0, return_ps=100.0,
    )  # fmt: skip
    analyse_starts([r[0] for r in runs], [r[1] for r in runs], criteria, out)
    return json.loads(out.read_text())


def packed(folder: Path, seed: int, **changes: Any) -> list[Path]:
    folder.mkdir(exist_ok=True)
    return write_conductor(folder, changes.pop("salt", 10), (2e-3, 4e-3), **{"n_frames": 1500, "seed": seed, **changes})


def test_known_transport_comes_back(tmp_path: Path) -> None:
    found = analysed(tmp_path, packed(tmp_path / "a", 1), packed(tmp_path / "b", 2))
    assert found["systems"] == PAIR and found["lengths_ns"] == [pytest.approx(1.499)] * 2
    motion, conductivity = found["motion"], found["conductivity"]
    assert motion["length_ns"] == conductivity["length_ns"] == pytest.approx(2.998)
    # a sixth of each of two
    assert motion["Li"]["fit_to_ps"] == conductivity["fit_to_ps"] == 249
    for ion, true in (("Li", 2e-9), ("anion", 4e-9)):
        d = motion[ion]["D_m2_s"]
        assert motion[ion]["verdict"] == "diffusive" and abs(d["value"] - true) < 3 * d["error"] < 0.9 * true
    factor = siemens_per_metre(64.0, 350.0)
    formal = conductivity["sigma_S_m"]["formal_charges"]
    for route, true in (("nernst_einstein", 6e-2), ("collective", 6e-2), ("cluster_nernst_einstein", 3e-2)):
        sigma = formal[route]
        assert sigma["verdict"] == "resolved" and abs(sigma["value"] - factor * true) < 3 * sigma["error"], route
    for route, share in conductivity["transference"].items():
        assert share["verdict"] != "resolved" or abs(share["value"] - 1 / 3) < 3 * share["error"], route


def test_a_single_start_is_what_its_own_analysis_says(tmp_path: Path) -> None:
    run = packed(tmp_path / "a", 1, scale=0.8)
    analyse_conductivity(
        run[0],
        run[1],
        ConductivityCriteria(temperature_K=350.0, tolerance=0.15, contact_nm=0.3, use_interval_ps=100.0),
        run[2],
        run[3],
    )
    together = analysed(tmp_path, run, names=["peo-r1"])
    assert together["conductivity"] == json.loads(run[3].read_text())


def test_clusters_of_the_starts_count_together(tmp_path: Path) -> None:
    """Half of the ions paired in every frame, in starts of equal composition and different length."""
    found = analysed(tmp_path, packed(tmp_path / "a", 1, salt=40), packed(tmp_path / "b", 2, salt=40, n_frames=1000))
    sigma = found["conductivity"]["sigma_S_m"]["formal_charges"]
    assert sigma["cluster_nernst_einstein"]["value"] == pytest.approx(sigma["nernst_einstein"]["value"] / 2)


def test_without_salt_the_chains_are_left(tmp_path: Path) -> None:
    found = analysed(tmp_path, packed(tmp_path / "a", 1, salt=0), packed(tmp_path / "b", 2, salt=0))
    assert {"Li", "anion"}.isdisjoint(found["motion"]) and "chain" in found["motion"]
    assert found["conductivity"]["ions"] == {} and "sigma_S_m" not in found["conductivity"]


@pytest.mark.parametrize("changes", [{"salt": 12}, {"scale": 0.8}])
def test_other_systems_are_no_starts(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="another system than"):
        analysed(tmp_path, packed(tmp_path / "a", 1), packed(tmp_path / "b", 2, **changes))
    assert not (tmp_path / "results").exists()


def test_frames_must_be_equally_far_apart(tmp_path: Path) -> None:
    runs = [packed(tmp_path / name, n) for n, name in enumerate(("a", "b"))]
    with h5py.File(runs[1][0], "r+") as file:
        for cadence in ("motion", "structure"):
            file[cadence].attrs["interval_ps"] = 2.0
    seal(runs[1][0], read_description(runs[1][1]))
    with pytest.raises(DataError, match=r"frames 2 ps apart, those of .* 1 ps"):
        analysed(tmp_path, *runs)


def test_the_table_has_a_row_a_quantity(tmp_path: Path) -> None:
    analysed(tmp_path, packed(tmp_path / "a", 1), packed(tmp_path / "b", 2))
    rows = sweep([(1.2, 0.01), (1.21, 0.01), (1.3, 0.01)])
    together = read_starts(tmp_path / "results", rows["system"].tolist())
    table = starts_table(rows, together)
    assert set(table["starts"]) == {"peo"} and set(table["systems"]) == {"peo-r1 peo-r2"}
    assert (table["temperature_K"] == 400).all() and (table["polymer"] == "peo").all()
    by = table.set_index("quantity")
    assert {"D_Li", "D_anion", "D_chain", "conductivity_collective", "transference_onsager_polymer", "ionicity"} <= set(
        by.index
    )
    assert by.loc["D_Li", "value"] == pytest.approx(2e-9, rel=0.5) and by.loc["D_Li", "unit"] == "m2/s"
    assert by.loc["D_Li", "verdict"] == "diffusive" and by.loc["D_chain", "verdict"] != "diffusive"
    assert np.isnan(by.loc["D_chain", "value"]) and by.loc["D_chain", "upper_bound"] > 0
    # without both of its starts in the sweep an old result does not count
    assert read_starts(tmp_path / "results", ["peo-r1"]) == {}
    assert starts_table(rows, {}).empty and list(starts_table(rows, {}).columns) == list(table.columns)


def test_a_broken_result_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "summary" / "starts"
    folder.mkdir(parents=True)
    (folder / "peo.json").write_text("{")
    with pytest.raises(DataError, match=r"peo\.json: no JSON"):
        read_starts(tmp_path, PAIR)


def test_the_command(tmp_path: Path) -> None:
    runs = [packed(tmp_path / name, n) for n, name in enumerate(("a", "b"))]
    out = tmp_path / "starts.json"
    words = ["--systems", *PAIR, "--reduced", *(str(r[0]) for r in runs), "--system-json", *(str(r[1]) for r in runs)]
    words += ["--temperature-K", "350", "--tolerance", "0.15", "--target-error", "0.2", "--contact-nm", "0.3"]
    words += ["--use-interval-ps", "100", "--lithium-contact-nm", "ether_O=0.35", "carbonyl_O=0.32", "anion=0.3"]
    words += ["--hold-ps", "10", "--return-ps", "100", "--out", str(out)]
    parser = argparse.ArgumentParser()
    add_starts(parser)
    assert starts(parser.parse_args(words)) == 0
    assert json.loads(out.read_text())["systems"] == PAIR
    assert out.with_name("starts.provenance.json").is_file()
    said = mistake(lambda: starts(parser.parse_args(["--systems", "peo-r1", *words[3:]])))
    assert "as many starts each" in said


def test_the_tables_of_a_sweep_are_written_together(tmp_path: Path) -> None:
    analysed(tmp_path, packed(tmp_path / "a", 1, n_frames=300), packed(tmp_path / "b", 2, n_frames=300))
    table, out = tmp_path / "sweep.csv", tmp_path / "results" / "summary"
    sweep([(1.2, 0.01), (1.21, 0.01)]).to_csv(table, index=False)
    parser = argparse.ArgumentParser()
    add_replicas(parser)
    words = ["--table", str(table), "--results", str(tmp_path / "results"), "--out", str(out)]
    assert replicas(parser.parse_args(words)) == 0
    assert pd.read_csv(out / "replicas.csv")["verdict"].tolist() == ["agree"]
    assert set(pd.read_csv(out / "starts.csv")["starts"]) == {"peo"}
    inputs = json.loads((out / "replicas.provenance.json").read_text())["inputs_sha256"]
    assert any(path.endswith("starts/peo.json") for path in inputs)
