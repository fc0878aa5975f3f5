"""Names that reach paths, rules, wildcards and shells, and free text that each of these quotes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from eoli.core.names import Line, ModuleName, Part, PathText
from eoli.core.yamlfile import parse_yaml
from eoli.study.analyses import ANALYSES
from eoli.study.protocol import FOLDERS, RULES, StageName
from eoli.workflow.plan import make_plan
from support import ROOT

BAD_PARTS = [
    "", "a b", "peo+x", "PEO (24)", "_peo", "-rf", "..", "../x", "a/b", "a\\b", "a{system}", "a$(x)", "a;b", "a&b<i>", "a*",
    "a%20b", "peo\n", "\n", "pe\u03bf", "x" * 41, "peo.", "peo-", "a\0b", "a'b", 'a"b', "~", "a:b",
]  # fmt: skip


def takes(kind: Any, text: str) -> bool:
    try:
        TypeAdapter(kind).validate_python(text)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("text", BAD_PARTS)
def test_names_that_would_be_something_else_elsewhere(text: str) -> None:
    assert not takes(Part, text)


@pytest.mark.parametrize("text", ["peo", "PEO", "pebax-multiblock", "54a7", "a.b-c_d", "joung-cheatham-spce", "x" * 40])
def test_names_that_are_taken(text: str) -> None:
    assert takes(Part, text)


def test_every_shipped_building_block_has_a_name_that_is_taken() -> None:
    for path in (ROOT / "topologies").rglob("*.yaml"):
        assert takes(Part, path.stem) and takes(Part, path.parent.name), path


@pytest.mark.parametrize(
    "text", ["lambda", "class", "box", "reduce", "hydrogen_bonds", "analysis", "NPT", "1st", "npt\n", "a-b"]
)
def test_stages_have_names_of_their_own(text: str) -> None:
    assert not takes(StageName, text)


def test_the_rules_are_those_of_the_workflow() -> None:
    rules = {
        name
        for path in (ROOT / "workflow/rules").glob("*.smk")
        for name in re.findall(r"^ *rule (\w+):", path.read_text(), re.M)
    }
    assert rules | {"all"} | {analysis.rule for analysis in ANALYSES} == RULES
    assert not RULES & FOLDERS


@pytest.mark.parametrize("text", ["a\nb", "a\0b", "\x1b[2J", " ", "", "a\u202eb", "x" * 201])
def test_free_text_is_one_visible_line(text: str) -> None:
    assert not takes(Line, text)
    assert not takes(PathText, text) or len(text) == 201


@pytest.mark.parametrize("text", ["PEO with {Li}", "a'; touch x; '", '<b>$x$ & "y"</b>', "Polymère für Li⁺", "{{x}}"])
def test_free_text_survives(text: str, tmp_path: Path) -> None:
    assert takes(Line, text)
    (tmp_path / "own.yaml").write_text(f"study: '{text.replace(chr(39), chr(39) * 2)}'\n")
    plan = make_plan([str(ROOT / "config/config.yaml")], [tmp_path / "own.yaml"], [], str(ROOT))
    assert plan.study.config.study == text
    of_call = make_plan(
        [str(ROOT / "config/config.yaml")], [], [f"study='{text.replace(chr(39), chr(39) * 2)}'"], str(ROOT)
    )
    words = shlex.split(of_call.config_flags)
    assert parse_yaml(words[words.index("--set") + 1], "--set")[0]["study"] == text


def test_modules_are_as_module_avail_lists_them() -> None:
    assert all(takes(ModuleName, text) for text in ("gromacs/2022.5-cuda", "GCC/12.3.0", "app+x"))
    assert not any(takes(ModuleName, text) for text in ("", " ", "-x", "a b", "a;b", "a\nb"))
