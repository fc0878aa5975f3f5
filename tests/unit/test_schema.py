"""The generated files are up to date, and the schema judges the shipped configurations as EOLI does."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from eoli.core.yamlfile import read_yaml
from eoli.study.config import Config, merge
from eoli.study.protocol import Protocol
from eoli.study.schema import json_schema, markdown

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted(f"cases/{path.name}" for path in (ROOT / "config/cases").glob("*.yaml"))
CONFIGURATIONS = [["config.yaml"], *(["config.yaml", name] for name in ("demo.yaml", *CASES))]


def generated() -> dict[Path, str]:
    spec = importlib.util.spec_from_file_location("write_schema", ROOT / "scripts/write_schema.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    files: dict[Path, str] = module.generated()
    return files


def validator(model: Any) -> jsonschema.Draft202012Validator:
    schema = json.loads(json_schema(model))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def merged(names: list[str]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for name in names:
        data = merge(data, yaml.safe_load((ROOT / "config" / name).read_text()))
    return data


@pytest.mark.parametrize(
    "name",
    [
        "workflow/schemas/config.schema.json",
        "workflow/schemas/protocol.schema.json",
        "config/README.md",
        *(f"docs/reference/{page}.md" for page in ("columns", "commands", "protocols")),
    ],
)
def test_generated_files_are_up_to_date(name: str) -> None:
    assert (ROOT / name).read_text() == generated()[ROOT / name], "run `make schema`"


@pytest.mark.parametrize("names", CONFIGURATIONS, ids=lambda names: names[-1])
def test_shipped_configurations_fit_the_schema(names: list[str]) -> None:
    validator(Config).validate(merged(names))


@pytest.mark.parametrize("path", sorted((ROOT / "config/protocols").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_protocols_fit_the_schema(path: Path) -> None:
    data = read_yaml(path).data  # refuses a key that stands twice
    validator(Protocol).validate(data)
    Protocol.model_validate(data)


@pytest.mark.parametrize(
    "change",
    [
        {"sede": 1}, {"box": {"chain": 3}}, {"seed": -1}, {"sweep": {}}, {"run": {"threads": 0}},
        {"sweep": [{"polymer": "peo", "eo_l": 12}]}, {"sweep": [{"polymer": "peo", "mixing": "lb"}]},
    ],
    ids=json.dumps,
)  # fmt: skip
def test_the_schema_refuses_what_eoli_refuses(change: dict[str, Any]) -> None:
    assert list(validator(Config).iter_errors(merge(merged(["config.yaml"]), change)))


@pytest.mark.parametrize("value", ["peo", ["peo", "pebax"]])
def test_the_schema_takes_one_value_or_a_list(value: Any) -> None:
    validator(Config).validate(merged(["config.yaml"]) | {"sweep": [{"polymer": value, "eo_li": 12}]})


def test_the_table_names_every_key() -> None:
    table = markdown()
    for key in ("study", "sweep[].polymer", "sweep[].ion_charge_scale", "box.chains", "run.threads", "analysis.stage",
                "gmx.modules", "cutoff_nm", "stages[].tau_p_ps"):  # fmt: skip
        assert f"| `{key}` |" in table
    assert "| `sweep[].temperature_K` | list of number, from 150 to 2000 | `298.15` |" in table
