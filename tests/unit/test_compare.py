"""A sweep in files, beside the study and beside experiments, as `eoli compare` does it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from eoli.commands.compare import add_compare, compare
from eoli.errors import DataError, InputError
from eoli.reference.claims import Comparison
from eoli.reference.experiments import Beside
from eoli.reference.measured import read_measured
from eoli.topology.description import MoleculeCount, SystemDescription, to_json
from eoli.topology.molecule import Molecule, Site
from scalars import MEASURED, PEBAX, PEO, STUDY, TRANSPORT, diffusion, measured_at, row, sigma
from support import choice, mistake


def chain(mass: float) -> SystemDescription:
    site = Site("C", "CH2", 0.0, mass, "EO", 1, "C", None, "PEO", "test")
    return SystemDescription(
        (MoleculeCount(Molecule("PEO", "polymer", 0, (site,), (), (), (), ()), 25),), choice(), "0"
    )


def folder_of(tmp_path: Path, rows: list[dict[str, Any]], scalars: dict[str, dict[str, Any]]) -> list[str]:
    """The files of a sweep, and the options of `eoli compare` for them."""
    for each in rows:
        base = tmp_path / "results" / each["system"]
        (base / "topology").mkdir(parents=True)
        (base / "topology" / "system.json").write_text(to_json(chain(1073.0)))
        (base / "analysis").mkdir()
        for name, found in scalars.get(each["system"], {}).items():
            (base / "analysis" / f"{name}.json").write_text(json.dumps(found))
    pd.DataFrame(rows).to_csv(tmp_path / "sweep.csv", index=False)
    return [
        f"--table={tmp_path / 'sweep.csv'}",
        f"--results={tmp_path / 'results'}",
        f"--study={STUDY}",
        f"--conductivity={MEASURED}",
        f"--transport={TRANSPORT}",
        f"--out={tmp_path}",
    ]


def compare_sweep(options: list[str]) -> None:
    parser = argparse.ArgumentParser()
    add_compare(parser)
    assert compare(parser.parse_args(options)) == 0


def test_files_of_a_sweep(tmp_path: Path) -> None:
    rows = [row("peo", kelvin=349.0), row("pebax", kelvin=349.0), row("peo", None)]
    fast = {"conductivity": sigma(100 * measured_at(1000, 349.0), 0.01), **diffusion(3e-12, 1e-13)}
    scalars = {
        "peo-eo12-349K-r1": diffusion(1e-12, 1e-13) | {"conductivity": fast["conductivity"]},
        "pebax-eo12-349K-r1": fast,
    }
    options = folder_of(tmp_path, rows, scalars)
    compare_sweep(options)
    written = pd.read_csv(tmp_path / "study.csv")
    assert list(written.columns) == list(Comparison.__annotations__)
    claim = written[written["id"] == "lithium-faster-in-pebax"].iloc[0]
    assert (claim["verdict"], claim["ours"]) == ("agrees", pytest.approx(2e-12))
    experiments = pd.read_csv(tmp_path / "experiments.csv")
    assert list(experiments.columns) == list(Beside.__annotations__)
    assert set(experiments["system"]) == {"peo-eo12-349K-r1"}
    summary = json.loads((tmp_path / "compare.json").read_text())
    assert sum(summary["verdicts"].values()) == len(written)
    by_route = {(r["series"], r["route"]): r for r in summary["mean_absolute_log10_difference"]}
    assert by_route["chain length", "nernst_einstein"]["points"] == 1
    assert by_route["chain length", "nernst_einstein"]["value"] == pytest.approx(0.0, abs=1e-9)
    assert by_route["chain length", "collective"] == {
        "quantity": "conductivity",
        "series": "chain length",
        "route": "collective",
        "extrapolated": False,
        "points": 0,
        **dict.fromkeys(("value", "error", "low", "high", "rank_correlation", "rank_low", "rank_high")),
    }
    assert summary["score"]["points"] == 1


def test_starts_that_resolve_transport_together_count_as_one(tmp_path: Path) -> None:
    """No start of PEO has a number of its own; Pebax has starts without a common result, whose mean counts."""
    rows = [row("peo", kelvin=349.0, replicate=n) for n in (1, 2)]
    rows += [row("pebax", kelvin=349.0, replicate=n) for n in (1, 2)]
    open_ = diffusion(None, None, "sub-diffusive") | {"conductivity": sigma(None, None)}
    scalars = {each["system"]: open_ if each["polymer"] == "peo" else diffusion(3e-12, 1e-13) for each in rows}
    options = folder_of(tmp_path, rows, scalars)
    together = diffusion(1e-12, 2e-13) | {"conductivity": sigma(100 * measured_at(1000, 349.0), 0.01)}
    folder = tmp_path / "results" / "summary" / "starts"
    folder.mkdir(parents=True)
    names = ["peo-eo12-349K-r1", "peo-eo12-349K-r2"]
    (folder / "peo-eo12-349K.json").write_text(json.dumps({"systems": names, **together}))
    compare_sweep(options)
    study = pd.read_csv(tmp_path / "study.csv").set_index("id")
    claim = study.loc["lithium-faster-in-pebax"]
    assert (claim["verdict"], claim["ours"]) == ("agrees", pytest.approx(2e-12))
    assert "2 starts together" in claim["reason"] or "mean of 2 of 2 starts" in claim["reason"]
    experiments = pd.read_csv(tmp_path / "experiments.csv")
    assert set(experiments["system"]) == {"peo-eo12-349K"}
    nearest = experiments[(experiments["series"] == "chain length") & (experiments["route"] == "nernst_einstein")]
    assert nearest["log10_difference"].tolist() == [pytest.approx(0.0, abs=1e-9)]
    # what is not in the common result is the mean of the starts
    (folder / "peo-eo12-349K.json").unlink()
    compare_sweep(options)
    study = pd.read_csv(tmp_path / "study.csv").set_index("id")
    assert study.loc["lithium-faster-in-pebax"]["verdict"] == "not resolved"


def test_displacements_at_equal_lag(tmp_path: Path) -> None:
    rows = [row("peo"), row("pebax")]
    options = folder_of(
        tmp_path,
        rows,
        {name: {"displacement": {"Li": {"molecules": 50}, "verdict": "resolved"}} for name in (PEO, PEBAX)},
    )
    for n, name in enumerate((PEO, PEBAX), 1):
        lag = pd.Series([1.0, 2.0, 4.0])
        table = pd.DataFrame({"lag_ps": lag, "msd_Li_nm2": n * lag, "ln_msd_Li_error": 0.05, "origins_Li": 40 // lag})
        table.to_csv(tmp_path / "results" / name / "analysis" / "displacement.csv", index=False)
    compare_sweep(options)
    (pair,) = pd.read_csv(tmp_path / "equal-lag.csv").to_dict("records")
    assert (pair["system"], pair["against"], pair["ratio"], pair["verdict"]) == (PEBAX, PEO, pytest.approx(2), "larger")
    assert pd.read_csv(tmp_path / "equal-lag-course.csv")["lag_ps"].tolist() == [1.0, 2.0, 4.0]
    assert pd.read_csv(tmp_path / "ranking.csv")["system"].tolist() == [PEBAX, PEO]
    claim = pd.read_csv(tmp_path / "study.csv").set_index("id").loc["lithium-msd-larger-in-pebax"]
    assert (claim["verdict"], claim["ours"]) == ("agrees", pytest.approx(2))
    assert f"{PEBAX} / {PEO}" in (tmp_path / "equal-lag.svg").read_text()
    compare_sweep([*options, "--polymer=pebax"])
    (pair,) = pd.read_csv(tmp_path / "equal-lag.csv").to_dict("records")
    assert (pair["against"], pair["ratio"], pair["verdict"]) == (PEBAX, pytest.approx(0.5), "smaller")
    assert pair["lag_ps"] == 4.0
    compare_sweep([*options, "--lag-ps=2"])
    (pair,) = pd.read_csv(tmp_path / "equal-lag.csv").to_dict("records")
    assert (pair["against"], pair["lag_ps"]) == (PEO, 2.0)
    assert set(pd.read_csv(tmp_path / "ranking.csv")["lag_ps"]) == {2.0}
    claim = pd.read_csv(tmp_path / "study.csv").set_index("id").loc["lithium-msd-larger-in-pebax"]
    assert "at a lag of 2 ps" in claim["reason"]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--polymer=pdms", "argument --polymer: pdms is not in the sweep with salt; allowed: pebax"),
        ("--polymer=PEBAX", "PEBAX is not in the sweep with salt (did you mean pebax?); allowed: pebax"),
        # neat systems are not compared
        ("--polymer=peo", "argument --polymer: peo is not in the sweep with salt; allowed: pebax"),
        ("--eo-li=99", "argument --eo-li: 99 is not in the sweep; allowed: 8, 12"),
    ],
)
def test_a_reference_that_the_sweep_has_not_is_refused(tmp_path: Path, option: str, said: str) -> None:
    options = folder_of(tmp_path, [row("pebax"), row("pebax", 8.0), row("peo", None)], {})
    compare_sweep([*options, "--polymer=pebax", "--eo-li=8"])
    (tmp_path / "study.csv").unlink()
    assert said in mistake(lambda: compare_sweep([*options, option]))
    assert not (tmp_path / "study.csv").exists()


@pytest.mark.parametrize("option", ["--eo-li=nan", "--eo-li=-3", "--lag-ps=nan", "--polymer="])
def test_a_reference_that_is_none_is_refused(tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        compare_sweep([*folder_of(tmp_path, [row("pebax")], {}), option])
    assert ended.value.code == 2 and "is not allowed" in capsys.readouterr().err


def test_a_broken_file_leaves_no_table(tmp_path: Path) -> None:
    options = folder_of(tmp_path, [row("peo")], {})
    broken = tmp_path / "results" / PEO / "analysis" / "motion.json"
    broken.write_text("{")
    with pytest.raises(DataError, match=r"motion\.json: no JSON"):
        compare_sweep(options)
    broken.unlink()
    (tmp_path / "sweep.csv").unlink()
    with pytest.raises(DataError, match=r"sweep\.csv: no table"):
        compare_sweep(options)
    assert not (tmp_path / "study.csv").exists() and not (tmp_path / "experiments.csv").exists()
    short = tmp_path / "measured.csv"
    short.write_text("polymer,salt\npeo,litfsi\n")
    with pytest.raises(InputError, match="lacks the columns series"):
        read_measured(short)
