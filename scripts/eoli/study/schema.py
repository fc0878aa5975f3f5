"""The configuration's JSON schema and table of keys, generated from the models."""

from __future__ import annotations

import json
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from eoli.study.config import Box, Config, EqualLag, GromacsBuild, ReferenceFiles, Run, SweepBlock
from eoli.study.criteria import AnalysisSection
from eoli.study.protocol import Protocol, Stage

_TABLES: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("Top level", "", Config),
    ("`sweep`: a list of blocks", "sweep[].", SweepBlock),
    ("`box`", "box.", Box),
    ("`run`", "run.", Run),
    ("`analysis`", "analysis.", AnalysisSection),
    *(
        (f"`analysis.{name}`", f"{name}.", field.annotation)
        for name, field in AnalysisSection.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    ),
    ("`reference`", "reference.", ReferenceFiles),
    ("`equal_lag`", "equal_lag.", EqualLag),
    ("`gmx`", "gmx.", GromacsBuild),
    ("Protocol files", "", Protocol),
    ("Stages of a protocol file, and of `stages` in a configuration", "stages[].", Stage),
)


def json_schema(model: type[BaseModel] = Config) -> str:
    """JSON schema of a model, for editors and outside checks."""
    schema = model.model_json_schema()
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (Union, UnionType):
        return " or ".join(_type(a) for a in arguments if a is not type(None))
    if origin is list:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return "mapping"
    names = {float: "number", int: "whole number", str: "text", bool: "true or false"}
    return names.get(annotation, "mapping")


def _plain(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _limits(schema: Any) -> str:
    """Allowed range of a property (for a list: of its items); empty if unlimited."""
    if not isinstance(schema, dict):
        return ""
    low, high = (
        schema.get("minimum", schema.get("exclusiveMinimum")),
        schema.get("maximum", schema.get("exclusiveMaximum")),
    )
    if low is None and high is None:
        return next((found for part in (*schema.get("anyOf", ()), schema.get("items")) if (found := _limits(part))), "")
    if isinstance(low, int) and schema.get("type") == "integer" and "exclusiveMinimum" in schema:
        first = f"from {low + 1}"
    else:
        first = "" if low is None else f"{'above' if 'exclusiveMinimum' in schema else 'from'} {_plain(low)}"
    last = "" if high is None else f"below {_plain(high)}" if "exclusiveMaximum" in schema else f"to {_plain(high)}"
    return f", {' '.join(filter(None, (first, last)))}"


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value is PydanticUndefined or isinstance(value, BaseModel) or value in ([], {}, ""):
        return "-"
    if isinstance(value, list):
        return ", ".join(f"`{v}`" for v in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def markdown() -> str:
    """Markdown tables of all keys with type, default and meaning."""
    parts = []
    for title, prefix, model in _TABLES:
        properties = model.model_json_schema()["properties"]
        rows = [f"### {title}", "", "| key | type | default | meaning |", "| --- | --- | --- | --- |"]
        for name, field in model.model_fields.items():
            kind = _type(field.annotation) + _limits(properties[name])
            rows.append(f"| `{prefix}{name}` | {kind} | {_default(field)} | {field.description or ''} |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts) + "\n"
