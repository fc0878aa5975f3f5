"""A finished study as an RO-Crate, read back by the library and compared with the files."""

from __future__ import annotations

import builtins
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from eoli.cli import main

pytestmark = pytest.mark.workflow
PEO = "peo-eo12-400K-r1"
ORCID, LICENCE = "https://orcid.org/0000-0002-1825-0097", "https://creativecommons.org/licenses/by/4.0/"


def graph(folder: Path) -> dict[str, dict[str, Any]]:
    found = json.loads((folder / "ro-crate-metadata.json").read_text())["@graph"]
    assert len({entity["@id"] for entity in found}) == len(found)
    return {entity["@id"]: entity for entity in found}


def test_the_crate_describes_every_file(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rocrate = pytest.importorskip("rocrate.rocrate")
    monkeypatch.chdir(study)
    words = ["crate", "--author", f"A. Person={ORCID}", "--author", "B Other", "--license", LICENCE]
    assert main(words) == 0
    results = study / "results"
    before = (results / "ro-crate-metadata.json").read_bytes()
    entities = graph(results)
    root = entities["./"]
    assert (root["name"], root["license"]) == ("tiny", {"@id": LICENCE})
    assert root["author"] == [{"@id": ORCID}, {"@id": "#B%20Other"}] and entities["#B%20Other"]["name"] == "B Other"
    files = {name: entity for name, entity in entities.items() if entity["@type"] == "File"}
    assert len(files) > 200
    for name, entity in files.items():
        content = (results / name).read_bytes()
        assert entity["contentSize"] == str(len(content)), name
        assert entity.get("sha256", "") in ("", hashlib.sha256(content).hexdigest()), name
    # all that the study shows is in it
    for pattern in (
        "summary/*.csv",
        "summary/report.html",
        f"{PEO}/analysis/*.csv",
        f"{PEO}/*/md.xtc",
        f"{PEO}/topology/system.*",
    ):
        for path in results.glob(pattern):
            assert str(path.relative_to(results)) in files, path
    motion = entities[f"#{PEO}/analysis/motion.provenance.json"]
    assert {part["@id"] for part in motion["object"]} == {f"{PEO}/analysis/reduced.h5", f"{PEO}/topology/system.json"}
    assert {part["@id"] for part in motion["result"]} == {f"{PEO}/analysis/motion.csv", f"{PEO}/analysis/motion.json"}
    stage = entities[f"#{PEO}/production/provenance.json"]
    assert {entities[of["@id"]]["name"] for of in stage["instrument"]} == {"EOLI", "GROMACS"}
    # every reference leads somewhere
    for entity in entities.values():
        for value in entity.values():
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, dict) and not part["@id"].startswith("https://w3id.org/ro/crate/"):
                    assert part["@id"] in entities, part
    crate = rocrate.ROCrate(str(results))
    assert crate.name == "tiny" and crate.dereference(f"{PEO}/")["description"].startswith(
        "peo, litfsi, EO:Li 12, 400 K"
    )
    # a second call writes the same
    assert main(words) == 0 and (results / "ro-crate-metadata.json").read_bytes() == before


def test_what_is_no_finished_study_is_refused(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rocrate")
    monkeypatch.chdir(study)
    with (study / "results" / PEO / "analysis/motion.csv").open("a") as stream:
        stream.write("\n")
    assert main(["crate"]) == 1
    assert main(["crate", "--results", "nowhere"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert (
        len(lines) == 2
        and "motion.csv is not the file that was made" in lines[0]
        and "nowhere does not exist" in lines[1]
    )
    assert not (study / "results/ro-crate-metadata.json").exists()


def test_without_the_package(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name.startswith("rocrate"):
            raise ImportError(name)
        return found(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.chdir(finished)
    assert main(["crate"]) == 2
    assert "rocrate is missing; allowed: pip install rocrate" in capsys.readouterr().err
