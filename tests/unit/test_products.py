"""What of a study's results is not what the study asks for, on invented results: records and files of a few bytes."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from eoli.core.records import content, marks
from eoli.study.config import load_study
from eoli.study.systems import systems_of
from eoli.workflow.plan import Plan
from eoli.workflow.products import Product, Results
from support import ROOT, TINY

PEO = "peo-eo12-400K-r1"


def plan_of(folder: Path, overlay: str = "") -> Plan:
    """The tiny study of one system with an overlay."""
    own = folder / "own.yaml"
    own.write_text("sweep: [{polymer: peo, eo_li: 12, temperature_K: 400}]\n" + overlay)
    study = load_study([ROOT / "config/config.yaml", ROOT / TINY, own], ROOT, {})
    return Plan(study, systems_of(study), "")


def make(product: Product, folder: Path, text: str = "") -> None:
    """Leave what the job of a product leaves: files that say their name, and the record of them."""
    paths = [folder / file for file in product.files]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{path.name} {text}\n")
    record = {
        "called_as": [
            "/somewhere/eoli",
            "command",
            *shlex.split(product.flags),
            "--out",
            "somewhere",
            "--threads",
            "3",
        ],
        "inputs_sha256": {file: content(folder / file) for file in product.inputs if (folder / file).is_file()},
        "outputs": marks((folder / product.record).parent, paths),
        **product.noted,
    }
    (folder / product.record).write_text(json.dumps(record))


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A folder with the invented results of the whole study."""
    for product in results(tmp_path).products:
        make(product, tmp_path)
    return tmp_path


def results(folder: Path, overlay: str = "") -> Results:
    return Results(plan_of(folder, overlay), folder / "results")


def stale(folder: Path, overlay: str = "") -> dict[str, str]:
    return {found.product.name: found.reason for found in results(folder, overlay).stale()}


def test_nothing_of_a_finished_study_is_stale_and_nothing_of_one_that_was_not_begun(finished: Path) -> None:
    assert stale(finished) == {}
    empty = finished / "empty"
    empty.mkdir()
    assert stale(empty) == {}


@pytest.mark.parametrize(
    ("overlay", "expected"),
    [
        ("stages: {npt: {length_ns: 0.008}}\n", {"npt": "length-ns is 0.006, asked for 0.008"}),
        ("stages: {npt: {tau_t_ps: 0.7}}\n", {"npt": "tau-t-ps is 0.5, asked for 0.7"}),
        ("analysis: {target_error: 0.3}\n", {"motion": "target-error is 0.2, asked for 0.3"}),
        ("study: another\n", {"sweep.csv": "was made with other words about the study"}),
        (
            "analysis: {contact_nm: {anion: 0.4}}\n",
            {"cutoffs.csv": "was made with other contact distances", "ions": "contact-nm is 0.3, asked for 0.4"},
        ),
        ("run: {max_hours: 3, checkpoint_minutes: 9}\n", {}),
    ],
)
def test_a_change_makes_stale_what_it_changes(overlay: str, expected: dict[str, str], finished: Path) -> None:
    found = stale(finished, overlay)
    assert {name: found.get(name) for name in expected} == expected
    assert expected or not found


STAGES = ("minimise", "compress", "npt", "nvt", "production")


@pytest.mark.parametrize(
    ("overlay", "afresh"),
    [
        ("", ()),
        ("analysis: {target_error: 0.3}\n", ()),
        ("stages: {production: {length_ns: 0.5}}\n", ()),
        ("stages: {production: {converge: D_Li, max_length_ns: 0.5, max_core_hours: 9}}\n", ()),
        ("stages: {production: {tau_t_ps: 0.7}}\n", ("production",)),
        # what follows starts elsewhere, the run itself is continued
        ("stages: {npt: {length_ns: 0.008}}\n", ("nvt", "production")),
        ("stages: {npt: {tau_t_ps: 0.7}}\n", ("npt", "nvt", "production")),
        ("box: {chains: 3}\n", STAGES),
        ("box: {packing_density_g_cm3: 0.5}\n", STAGES),
    ],
)
def test_a_run_of_another_study_is_told_from_one_that_is_continued(
    overlay: str, afresh: tuple[str, ...], finished: Path
) -> None:
    assert results(finished, overlay).other_runs().keys() == {(PEO, stage) for stage in afresh}


def test_a_system_less_makes_the_table_stale(finished: Path) -> None:
    plan = plan_of(finished)
    table = next(product for product in Results(plan).products if product.name == "sweep.csv")
    path = finished / table.record
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"systems": [*record["systems"], "another"]}))
    assert stale(finished) == {"sweep.csv": "was made with other systems"}


DAMAGES: dict[str, Callable[[Path], object]] = {
    "is missing": Path.unlink,
    "is not the file that was made": lambda path: path.write_text("another\n"),
}


@pytest.mark.parametrize("reason", list(DAMAGES))
@pytest.mark.parametrize("file", ["npt/md.trr", "topology/system.json", "analysis/moves.csv", "analysis/ions.png"])
def test_a_lost_or_altered_file_makes_its_product_stale(file: str, reason: str, finished: Path) -> None:
    DAMAGES[reason](finished / "results" / PEO / file)
    (text,) = stale(finished).values()
    assert text == f"{Path(file).name} {reason}"
    # made again it is the same: no run has to be of another study
    assert results(finished).other_runs() == {}


def test_what_was_made_from_another_file_is_stale_wherever_the_dates_are(finished: Path) -> None:
    npt = next(product for product in results(finished).products if product.name == "npt")
    make(npt, finished, "another run")
    for path in (finished / "results").rglob("*"):
        os.utime(path, (1, 1))
    assert stale(finished) == {
        "nvt": f"was made from another md.edr of {PEO} npt",
        "density": f"was made from another md.edr of {PEO} npt",
        "traces-npt": f"was made from another md.edr of {PEO} npt",
        "sweep.csv": f"was made from another verdict.json of {PEO} npt",
        "cost.csv": f"was made from another verdict.json of {PEO} npt",
    }


def test_molecules_of_a_topology_are_compared_though_no_rule_names_them(finished: Path) -> None:
    molecule = finished / f"results/{PEO}/topology/PEO.itp"
    molecule.write_text("a charge\n")
    for name in ("topology", "minimise"):
        product = next(product for product in results(finished).products if product.name == name)
        path = finished / product.record
        record = json.loads(path.read_text())
        if name == "topology":
            record["outputs"] |= marks(molecule.parent, [molecule])
        else:
            record["inputs_sha256"][f"results/{PEO}/topology/PEO.itp"] = content(molecule)
        path.write_text(json.dumps(record))
    assert stale(finished) == {}
    molecule.write_text("other charge\n")
    topology = finished / f"results/{PEO}/topology/system.provenance.json"
    record = json.loads(topology.read_text())
    topology.write_text(json.dumps(record | {"outputs": record["outputs"] | marks(molecule.parent, [molecule])}))
    assert stale(finished) == {"minimise": f"was made from another PEO.itp of {PEO} topology"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "it has no record of what it was made from"),
        ("", "its record cannot be read"),
        ("[" * 100_000, "its record cannot be read"),
    ],
)
def test_a_lost_or_broken_record_makes_its_product_stale(text: str | None, reason: str, finished: Path) -> None:
    path = finished / f"results/{PEO}/npt/provenance.json"
    path.unlink() if text is None else path.write_text(text)
    assert stale(finished) == {"npt": reason}


def test_a_stage_of_which_nothing_is_left_is_made_again_when_others_were_made_from_it(finished: Path) -> None:
    npt = next(product for product in results(finished).products if product.name == "npt")
    for file in (*npt.files, npt.record):
        (finished / file).unlink()
    assert stale(finished) == {"npt": "is missing"}


def test_a_file_that_fits_gets_its_date_back(finished: Path) -> None:
    path = finished / f"results/{PEO}/npt/md.trr"
    date = path.stat().st_mtime_ns
    path.touch()
    assert path.stat().st_mtime_ns != date
    assert stale(finished) == {} and path.stat().st_mtime_ns == date


def test_records_of_earlier_versions_are_compared_by_their_options_alone(finished: Path) -> None:
    for path in (finished / "results").rglob("*provenance.json"):
        record = json.loads(path.read_text())
        path.write_text(json.dumps({"called_as": record["called_as"], "inputs_sha256": {}}))
    assert stale(finished) == {}
    assert set(stale(finished, "stages: {nvt: {tau_t_ps: 0.7}}\n")) == {"nvt"}


def test_what_a_target_needs(finished: Path) -> None:
    found = results(finished)
    names = [product.name for product in found.behind([f"results/{PEO}/npt/md.gro"])]
    assert names == ["topology", "box", "minimise", "compress", "npt"]
    assert found.behind([]) == found.products == found.behind(["anything else"])


@pytest.mark.parametrize(
    "sweep",
    [
        "{polymer: peo, eo_li: 12, temperature_K: 400, replicate: [1, 2]}",
        "{polymer: peo, salt: none, temperature_K: 400}",
        "{polymer: peo, eo_li: 12, temperature_K: [400, 420], temperature_series: true}",
        "{polymer: peo, eo_li: 12, temperature_K: 400}, {polymer: peo, eo_li: 12, temperature_K: 400, supercell: [2, 1, 1]}",
    ],
)
def test_other_studies_when_finished_have_nothing_stale(sweep: str, tmp_path: Path) -> None:
    overlay = f"sweep: [{sweep}]\nanalysis: {{stage: production}}\n"
    (tmp_path / "own.yaml").write_text(overlay)
    study = load_study([ROOT / "config/config.yaml", ROOT / TINY, tmp_path / "own.yaml"], ROOT, {})
    found = Results(Plan(study, systems_of(study), ""), tmp_path / "results")
    for product in found.products:
        make(product, tmp_path)
    fresh = Results(Plan(study, systems_of(study), ""), tmp_path / "results")
    assert [str(entry) for entry in fresh.stale()] == []
    made = [file for product in fresh.products for file in product.files]
    assert len(made) == len(set(made))


def test_what_was_never_made_is_no_loss_of_the_tables(finished: Path) -> None:
    """The tables of a sweep stand behind every system; one that is new has nothing to lose."""
    wider = "sweep: [{polymer: peo, eo_li: 12, temperature_K: 400}, {polymer: pebax, eo_li: 16, temperature_K: 400}]"
    own = finished / "own.yaml"
    own.write_text(f"{wider}\n")
    study = load_study([ROOT / "config/config.yaml", ROOT / TINY, own], ROOT, {})
    found = Results(Plan(study, systems_of(study), ""), finished / "results").stale()
    assert {one.product.home for one in found} == {""}
