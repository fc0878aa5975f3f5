"""Files that stages and analyses left, cut, altered or of another system: one line with the file and the key, no number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eoli.analysis.results import (
    read_curves,
    read_found,
    read_pooled,
    read_scalars,
    read_sweep,
    read_table,
    read_verdict,
)
from eoli.cli import main
from eoli.core.text import printable
from eoli.errors import DataError
from eoli.forcefield.library import Library
from eoli.forcefield.models import Contents
from eoli.report.gather import gather
from eoli.report.page import render
from eoli.study.config import Study
from eoli.study.systems import System, systems_of
from eoli.summary.sweep_table import collect
from eoli.topology.build import describe
from eoli.topology.description import to_json
from eoli.topology.gromos import Gromos54A7
from eoli.workflow.status import plain_lines, study_status
from synthetic import synthetic_study, write_sweep

NONE = {"value": None, "error": None}
MOVING: dict[str, Any] = {
    "D_m2_s": {"value": 2e-11, "error": 1e-12},
    "verdict": "diffusive",
    "D_upper_bound_m2_s": None,
}
MOTION: dict[str, Any] = {"length_ns": 10.0, "Li": MOVING}


@pytest.fixture
def study() -> Study:
    return synthetic_study(sweep=[{"polymer": "peo", "eo_li": 12}])


def written(folder: Path, name: str, data: Any) -> Path:
    path = folder / f"{name}.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no JSON"),
        ("[1]", "no JSON mapping"),
        ("null", "no JSON mapping"),
        ("{}", "holds nothing"),
        ("[" * 100_000, "no JSON"),
        ('{"length_ns": NaN}', "NaN is no finite number"),
        ('{"length_ns": 1e999}', "1e999 is no finite number"),
        (json.dumps({"length_ns": "10"}), "length_ns: '10'"),
        (json.dumps({"length_ns": True}), "length_ns: 'True'"),
        (json.dumps({"length_ns": None}), "length_ns"),
        (json.dumps({"Li": None}), "Li is null"),
        (json.dumps({"Li": []}), "Li"),
        (json.dumps({"Li": MOVING | {"verdict": 3}}), "Li.verdict"),
        (json.dumps({"Li": MOVING | {"D_m2_s": {"value": "fast", "error": 1}}}), "Li.D_m2_s.value: 'fast'"),
        (json.dumps({"Li": MOVING | {"D_m2_s": {"value": -1e-11, "error": 1e-13}}}), "Li.D_m2_s.value: -1e-11 is not allowed"),
        (json.dumps({"Li": MOVING | {"D_m2_s": {"value": 1e300, "error": 1e-13}}}), "Li.D_m2_s.value: 1e.300 is not allowed"),
        (json.dumps({"Li": MOVING | {"D_m2_s": {"value": 1e-11, "error": -1}}}), "Li.D_m2_s.error: -1 is not allowed"),
        (json.dumps({"Li": MOVING | {"D_m2_s": {"value": 1e-11}}}), "Li.D_m2_s.error is missing"),
        (json.dumps({"Li": MOVING | {"verdict": "too short"}}), "has a D beside the verdict"),
        (json.dumps({"Li": MOVING | {"D_upper_bound_m2_s": 3e-11}}), "has a D and a bound"),
        (json.dumps({"new": {"value": 1.0, "error": 0.1, "verdict": "not resolved: x"}}), "new.value: a number beside the verdict"),
        (json.dumps({"new": {**NONE, "upper_bound": 3.0, "verdict": "withheld: x"}}), "new.upper_bound: a number beside"),
        (json.dumps({"new": {**NONE, "mean_at_least_ps": 3.0, "verdict": "not known: x"}}), "new.mean_at_least_ps: a number"),
        (json.dumps({"new": {"inner": {"value": 1.0, "error": None}, "verdict": "withheld: x"}}), "new.inner.value: a number"),
        (json.dumps({"new": {"value": "1", "error": None}}), "new.value: '1' is no number"),
    ],
)  # fmt: skip
def test_scalars_that_cannot_be_right(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, "motion", text)
    with pytest.raises(DataError, match=message) as failure:
        read_scalars(tmp_path, "motion")
    assert str(failure.value).startswith(f"{path}: ") and "\n" not in str(failure.value)


def test_scalars_that_are_sound(tmp_path: Path) -> None:
    assert read_scalars(tmp_path, "motion") is None
    path = written(tmp_path, "motion", MOTION)
    found = read_scalars(tmp_path, "motion")
    assert found == MOTION
    with pytest.raises(DataError, match=rf"^{path}: Li.extension is missing$"):
        found["Li"]["extension"]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (
            {"value": 7.0, "error": 0.1, "verdict": "resolved"},
            "transference.nernst_einstein.value: 7 is not allowed: 0 to 1",
        ),
        ({"value": 0.3, "error": 0.1, "verdict": "resolved", "upper_bound": 0.5}, "bounds beside its value"),
        ({**NONE, "verdict": "not resolved: x", "lower_bound": 0.6, "upper_bound": 0.5}, "lower bound above the upper"),
    ],
)
def test_a_number_has_bounds_or_a_value(tmp_path: Path, found: dict[str, Any], message: str) -> None:
    written(tmp_path, "conductivity", {"transference": {"nernst_einstein": found}})
    with pytest.raises(DataError, match=message):
        read_scalars(tmp_path, "conductivity")


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "motion.json").symlink_to("motion.json")
    (tmp_path / "density.json").mkdir()
    (tmp_path / "file").write_text("x")
    for folder, name in ((tmp_path, "motion"), (tmp_path, "density"), (tmp_path / "file", "ions")):
        with pytest.raises(DataError, match=rf"{name}\.json: cannot be read"):
            read_scalars(folder, name)


def test_a_verdict_says_what_was_asked_of_a_stage(tmp_path: Path) -> None:
    folder = tmp_path / "peo" / "anneal"
    folder.mkdir(parents=True)
    asked = {
        "density": {
            "converged": False,
            "text": "density drifts",
            "values": {"block_means": [1.0, 1.1], "p_value": None},
        }
    }
    verdict: dict[str, Any] = {
        "status": "warn",
        "warnings": ["not converged"],
        "values": {"converged": False, "convergence": asked, "ns": 1.0},
    }
    written(folder, "verdict", verdict)
    assert read_verdict(folder) == verdict
    written(folder, "verdict", verdict | {"values": verdict["values"] | {"answers": []}})
    assert read_verdict(folder) is not None
    # noise of fluctuations
    written(folder, "verdict", verdict | {"values": {"ns": 1.0, "volume_temperature_K": -20.0}})
    assert read_verdict(folder) is not None
    written(folder, "verdict", verdict | {"values": {"ns": "long"}})
    with pytest.raises(DataError, match=r"verdict\.json: values\.ns: 'long'"):
        read_verdict(folder)


def test_a_verdict_of_another_stage_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "peo" / "npt"
    folder.mkdir(parents=True)
    assert read_verdict(folder) is None
    sound: dict[str, Any] = {"status": "pass", "warnings": [], "values": {"ns": 1.0}, "system": "peo", "stage": "npt"}
    written(folder, "verdict", sound)
    assert read_verdict(folder) == sound
    for change, message in (
        ({"system": "pebax"}, "system: it is the verdict of pebax, not of peo"),
        ({"stage": "nvt"}, "stage: it is the"),
        ({"values": None}, "values is null"),
        ({"warnings": [1]}, "warnings.0"),
        ({"values": {"ns": -1}}, "values.ns: -1"),
        ({"status": "fine"}, "status"),
    ):
        written(folder, "verdict", sound | change)
        with pytest.raises(DataError, match=rf"verdict\.json: {message}"):
            read_verdict(folder)


def test_starts_are_those_of_their_name(tmp_path: Path) -> None:
    record = {"systems": ["peo-r1", "peo-r2"], "motion": MOTION, "conductivity": {"ions": {}}}
    assert read_pooled(written(tmp_path, "peo", record)) == record
    for name, systems in (
        ("peo", ["peo-r1", "pebax-r1"]),
        ("peo", ["peo-r1", "peo-r1"]),
        ("pebax", ["peo-r1", "peo-r2"]),
    ):
        with pytest.raises(DataError, match=f"are not starts of {name}"):
            read_pooled(written(tmp_path, name, record | {"systems": systems}))


def test_text_of_a_record_is_printable(tmp_path: Path) -> None:
    found = read_found(
        written(tmp_path, "failure", {"message": "disk\x1b[2J\x1b]0;x\x07 full\nagain", "time": 1}), "failure"
    )
    assert found is not None and found["message"] == r"disk\x1b[2J\x1b]0;x\x07 full again"
    assert printable("σ ± 1 \u202e\u2028x") == r"σ ± 1 \u202e\u2028x"


TABLE = "lag_ps,msd_Li_nm2,msd_Li_error_nm2\n1,0.1,0.01\n2,0.2,\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (TABLE, "", "the file is empty"),
        ("1,0.1,0.01\n2,0.2,\n", "", "has 0 rows; at least 1"),
        ("0.2", "x", ":3: msd_Li_nm2: x is no number"),
        ("0.2", "NaN", ":3: msd_Li_nm2: NaN is no number"),
        ("0.2", "inf", ":3: msd_Li_nm2: inf is not allowed"),
        ("0.2", "-0.2", ":3: msd_Li_nm2: -0.2 is not allowed"),
        ("0.01", "-0.01", ":2: msd_Li_error_nm2: -0.01 is not allowed"),
        ("0.01", "True", ":2: msd_Li_error_nm2: True is no number"),
        ("2,0.2,", ",0.2,", ":3: lag_ps is empty"),
        ("2,0.2,", "1,0.2,", ":3: lag_ps does not rise"),
        ("lag_ps", "lag", "no column lag_ps"),
        ("0.1,0.01\n2,0.2,", "0.1,0.01,5\n2,0.2,3,4", "more cells than its head"),
    ],
)
def test_tables_that_cannot_be_right(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "motion.csv"
    path.write_text(TABLE.replace(old, new))
    with pytest.raises(DataError, match=message) as failure:
        read_curves(tmp_path, "motion")
    assert str(failure.value).startswith(str(path)) and "\n" not in str(failure.value)
    path.write_text(TABLE)
    assert len(read_curves(tmp_path, "motion")) == 2


def test_a_cut_g_of_r_is_refused_and_that_of_a_neat_polymer_is_not(tmp_path: Path) -> None:
    path = tmp_path / "structure.csv"
    for text, message in (("r_nm,g_Li_X\n0.1,1\n", "has 1 rows"), ("r_nm,g_Li_X\n0.1,1\n0.2,\n", ":3: an empty cell")):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            read_curves(tmp_path, "structure")
    path.write_text("r_nm\n")
    assert read_curves(tmp_path, "structure").empty


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("system", "", ":2: system is empty"),
        ("system", "../../x", "is no name of a system"),
        ("temperature_K", "hot", ":2: temperature_K: hot is no number"),
        ("temperature_K", "-300", ":2: temperature_K: -300"),
        ("temperature_K", "0", "no temperature_K above 0"),
        ("salt", "", ":2: salt is empty"),
        ("eo_li_asked", "", "a ratio in one of two columns alone"),
        ("simulated_in_study", "maybe", ":2: simulated_in_study: maybe is not True or False"),
        ("density_g_cm3", "-1", ":2: density_g_cm3: -1"),
        ("D_Li_m2_s", "-1e-11", ":2: D_Li_m2_s: -1e-11"),
        ("coordination_number_Li_ether_O", "1e300", ":2: coordination_number_Li_ether_O"),
        ("transference_nernst_einstein", "7", ":2: transference_nernst_einstein: 7"),
    ],
)
def test_a_table_of_a_sweep_that_cannot_be_right(
    tmp_path: Path, study: Study, column: str, cell: str, message: str
) -> None:
    path = write_sweep(tmp_path / "results", study)
    sound = read_sweep(path)
    sound.astype(object).assign(**{column: cell}).to_csv(path, index=False)
    with pytest.raises(DataError, match=message):
        read_sweep(path)
    for rows, said in ((sound.iloc[:0], "has 0 rows"), (sound.iloc[[0, 0]], ":3: .* stands twice")):
        rows.to_csv(path, index=False)
        with pytest.raises(DataError, match=said):
            read_sweep(path)


def test_a_row_is_never_made_of_another_systems_results(
    tmp_path: Path, study: Study, blocks: Library, forcefield: Gromos54A7
) -> None:
    results = tmp_path / "results"
    table = write_sweep(results, study)
    (system,) = systems_of(study).values()
    other = next(iter(systems_of(synthetic_study(sweep=[{"polymer": "peo", "eo_li": 20}])).values()))
    stages = [stage.name for stage in study.stages]
    folder = results / system.name / "topology"
    folder.mkdir()

    def collected(partial: bool) -> Any:
        return collect([system], stages, stages[-1], results, table, allow_missing=partial)

    def describes(made: System) -> None:
        found = describe(
            Contents.of(made.polymer, made.chains, made.salt, made.cations), made.choice, blocks, forcefield
        )
        (folder / "system.json").write_text(to_json(found))

    describes(system)
    assert collected(False)["status"][0] == "warn"
    describes(other)
    with pytest.raises(DataError, match=r"system\.json: lithium ions: \d+, where peo-eo12-298K-r1 of the study has"):
        collected(False)
    row = collected(True).iloc[0]
    assert row["status"].startswith("of another system: ") and row["D_Li_m2_s"] is None
    page = render(gather(study, [system.name], results, table, 0.0, partial=True))
    assert "of another system: " in page


def test_a_system_with_salt_lacks_no_verdict(tmp_path: Path, study: Study) -> None:
    results = tmp_path / "results"
    table = write_sweep(results, study)
    (system,) = systems_of(study).values()
    path = results / system.name / "analysis" / "conductivity.json"
    path.write_text(json.dumps({key: of for key, of in json.loads(path.read_text()).items() if key != "sigma_S_m"}))
    with pytest.raises(DataError, match=r"conductivity\.json: sigma_S_m\.formal_charges is missing"):
        gather(study, [system.name], results, table, 0.0)
    stages = [stage.name for stage in study.stages]
    with pytest.raises(DataError, match=r"conductivity\.json: sigma_S_m\.formal_charges is missing"):
        collect([system], stages, stages[-1], results, table)


def test_one_bad_file_hides_nothing_else(tmp_path: Path) -> None:
    study = synthetic_study(sweep=[{"polymer": "peo", "eo_li": [12, 20]}])
    results = tmp_path / "results"
    table = write_sweep(results, study)
    first, second = systems_of(study).values()
    (results / first.name / "npt" / "verdict.json").write_text("{")
    lines = plain_lines(study_status(study, [first, second], results))
    told = [line for line in lines if "unreadable" in line]
    assert len(told) == 2 and told[0].startswith(first.name) and told[1].startswith(f"{first.name} npt: unreadable: ")
    with pytest.raises(DataError, match=r"npt/verdict\.json: no JSON"):
        gather(study, [first.name, second.name], results, table, 0.0)
    page = render(gather(study, [first.name, second.name], results, table, 0.0, partial=True))
    assert "npt/verdict.json: no JSON" in page


def test_a_table_of_a_study_that_was_changed_since_is_no_page(tmp_path: Path, study: Study) -> None:
    table = write_sweep(tmp_path / "results", study)
    rows = read_table(table)
    rows.assign(chains=rows["chains"] + 2).to_csv(table, index=False)
    with pytest.raises(DataError, match=r"chains of peo-eo12-298K-r1 is \d+, in the study \d+; `eoli collect` makes"):
        gather(study, [], tmp_path / "results", table, 0.0)
    rows.assign(system="nan").to_csv(table, index=False)
    with pytest.raises(DataError, match=r"sweep\.csv: nan is no system of the study"):
        gather(study, [], tmp_path / "results", table, 0.0)


def test_results_are_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results"
    path.write_text("x")
    assert main(["status", "--results", str(path)]) == 2
    assert (
        capsys.readouterr().err == f"eoli status: --results {path} is not allowed; allowed: the folder of the results\n"
    )


def test_motion_that_is_not_known_is_read(tmp_path: Path) -> None:
    """As `eoli motion` writes it where particles move by half the box between frames."""
    extension = {"further_ns": None, "at_least": True, "at_this_exponent_ns": None, "reason": "frames 1 ps apart"}
    unknown = {"D_m2_s": {"value": None, "error": None}, "D_upper_bound_m2_s": None, "verdict": "not known"}
    (tmp_path / "motion.json").write_text(json.dumps({"Li": unknown | {"extension": extension}}))
    found = read_scalars(tmp_path, "motion")
    assert found is not None and found["Li"]["verdict"] == "not known"
    bounded = unknown | {"D_upper_bound_m2_s": 1e-12}
    (tmp_path / "motion.json").write_text(json.dumps({"Li": bounded}))
    with pytest.raises(DataError, match="a number beside the verdict 'not known'"):
        read_scalars(tmp_path, "motion")
