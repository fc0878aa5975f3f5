"""What strangers and machines look for in a repository: how to cite it, its version, hooks, the public CI."""

from __future__ import annotations

import os
import re
import tomllib
from datetime import date
from typing import Any

import jsonschema
import pytest
import yaml

import eoli
from support import ROOT

# the keys of the Citation File Format 1.2.0 that CITATION.cff uses, and what its schema demands of them
_TEXT = {"type": "string", "minLength": 1}
_AUTHORS = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "properties": {key: _TEXT for key in ("name", "family-names", "given-names", "affiliation", "website")},
        "anyOf": [{"required": ["name"]}, {"required": ["family-names"]}],
        "additionalProperties": False,
    },
}
CITATION = {
    "type": "object",
    "required": ["authors", "cff-version", "message", "title"],
    "additionalProperties": False,
    "properties": {
        "cff-version": {"const": "1.2.0"},
        **{key: _TEXT for key in ("message", "title", "abstract", "license")},
        "type": {"enum": ["software", "dataset"]},
        "authors": _AUTHORS,
        "keywords": {"type": "array", "items": _TEXT, "uniqueItems": True},
        "references": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["authors", "title", "type"],
                "additionalProperties": False,
                "properties": {
                    "authors": _AUTHORS,
                    **{key: _TEXT for key in ("title", "thesis-type", "notes")},
                    "type": {"enum": ["article", "book", "thesis"]},
                    "year": {"type": "integer", "maximum": date.today().year},
                    "institution": {"type": "object", "required": ["name"], "properties": {"name": _TEXT}},
                },
            },
        },
    },
}


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_the_citation_file_is_valid() -> None:
    citation = read("CITATION.cff")
    jsonschema.validate(citation, CITATION)
    assert citation["license"] == project()["license"]


@pytest.mark.parametrize("lost", ["authors", "cff-version", "message", "title"])
def test_a_citation_file_without_what_is_required_is_not(lost: str) -> None:
    citation = {key: value for key, value in read("CITATION.cff").items() if key != lost}
    with pytest.raises(jsonschema.ValidationError, match=lost):
        jsonschema.validate(citation, CITATION)


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return table["project"] | {"from": table["tool"]["setuptools"]["dynamic"]}


def test_the_version_is_declared_once() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", eoli.__version__)
    assert project()["dynamic"] == ["version"] and project()["from"] == {"version": {"file": "scripts/eoli/VERSION"}}
    assert "version" not in read("CITATION.cff")
    newest = re.search(r"^## (\S+),", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None and newest[1] == eoli.__version__


def test_hooks_are_local_and_of_the_environment() -> None:
    repositories = read(".pre-commit-config.yaml")["repos"]
    assert [entry["repo"] for entry in repositories] == ["local"]
    dev = " ".join(project()["optional-dependencies"]["dev"])
    for hook in repositories[0]["hooks"]:
        assert hook["language"] == "system" and hook["entry"].split()[0] in dev
        assert {"id", "name", "entry"} <= hook.keys() and ("files" in hook or "types" in hook)


def test_public_ci_runs_what_ci_runs() -> None:
    steps = read(".github/workflows/ci.yml")["jobs"]["all"]["steps"]
    assert steps[-1] == {"run": ".ci/run"} and os.access(ROOT / ".ci/run", os.X_OK)


def test_the_catalogue_finds_what_it_asks_for() -> None:
    assert "usage" in read(".snakemake-workflow-catalog.yml")
    for name in ("workflow/Snakefile", "config/README.md", "LICENSE", "README.md"):
        assert (ROOT / name).is_file()


def test_names_of_test_files_are_unique() -> None:
    """pytest imports them by name alone, and two of one name end the whole run."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
