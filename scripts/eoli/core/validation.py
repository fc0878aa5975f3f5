"""One-line messages for data that violates its pydantic model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    RootModel,
    Tag,
    TypeAdapter,
    ValidationError,
)
from pydantic import Strict as StrictType
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from eoli.core.names import SAID
from eoli.core.numbers import listed
from eoli.core.text import did_you_mean
from eoli.core.units import ZERO_CELSIUS_K
from eoli.core.yamlfile import KeyPath, YamlFile, scalar
from eoli.errors import InputError

Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Base of all models: unknown keys are errors, instances are frozen, numbers are neither text nor booleans."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True)


class AtKeys(ValueError):
    """A mistake that a validator finds in a whole model, and the keys within the model where it is."""

    def __init__(self, message: str, *keys: str | int) -> None:
        super().__init__(message)
        self.keys = keys


LENIENT = StrictType(False)
"""For values that YAML cannot express: a tuple, or a number as a key."""
Positive = Annotated[float, Field(gt=0, le=1e12)]
Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(gt=0, le=2**31 - 1)]
CountOrZero = Annotated[int, Field(ge=0, le=2**31 - 1)]
Kelvin = Annotated[float, Field(ge=50, le=5000)]


_OF_UNION = "union-"


def _shape(value: Any) -> str:
    return f"{_OF_UNION}{'mapping' if isinstance(value, Mapping | BaseModel) else 'value'}"


VALUE, MAPPING = Tag(f"{_OF_UNION}value"), Tag(f"{_OF_UNION}mapping")
"""Marks of the two members of a union that BY_SHAPE chooses from, so that a mistake is one of the member meant."""
BY_SHAPE = Discriminator(_shape)


class _OneOrMany:
    """Marks a list that also accepts a single value, in the schema too."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda value: value if isinstance(value, list | tuple) else [value], handler(source)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        many = handler(schema)
        return {"anyOf": [many, many["items"]]}


Many = _OneOrMany()


def section(model: type[Model], description: str) -> Any:
    """A key that holds the keys of a model; left out, each of them has its default."""
    return Field(default_factory=lambda: model.model_validate({}), description=description)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType, list, tuple, dict) or get_args(annotation):
        return [model for argument in get_args(annotation) for model in _models_in(argument)]
    return []


def _model_at(model: type[BaseModel], keys: KeyPath) -> type[BaseModel] | None:
    """Model that holds the last of `keys`."""
    # a file of entries by name
    pending = _models_in(model.model_fields["root"].annotation) if issubclass(model, RootModel) else []
    current: type[BaseModel] = pending[0] if pending else model
    for key in keys[:-1]:
        if isinstance(key, str) and key in current.model_fields:
            pending = _models_in(current.model_fields[key].annotation)
        if pending:
            current = pending[0]
    return current


def _path_text(keys: KeyPath) -> str:
    """`sweep[0].eo_li`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")


def place(keys: KeyPath, files: Sequence[YamlFile]) -> str:
    """`file:line: key.path` of the last file that sets the key."""
    shown = _path_text(keys)
    # a list replaces that of an earlier file as a whole, so a mistake in it belongs to the last file that has one
    whole = next((keys[:at] for at, key in enumerate(keys) if isinstance(key, int)), ())
    owners = [file for file in files if whole and file.depth_of(whole) == len(whole)][-1:]
    best = max(reversed(owners or files), key=lambda file: file.depth_of(keys), default=None)
    if best is None:
        return shown
    line = best.line_of(keys)
    return f"{best.path}:{line}: {shown}" if line else f"{best.path}: {shown}"


def _keys_of(data: Any, error: Any) -> KeyPath:
    """The part of an error's location that the user wrote, or should have; the rest are pydantic's names of unions,
    their members and validators."""
    keys: list[str | int] = []
    for number, key in enumerate(error["loc"], 1):
        is_key = isinstance(data, Mapping) and (
            key in data or (error["type"] == "missing" and number == len(error["loc"]))
        )
        if is_key or (isinstance(data, list | tuple) and isinstance(key, int)):
            keys.append(key)
            data = data.get(key) if isinstance(data, Mapping) else data[int(key)]
    return tuple(keys)


Accepts = Callable[[Any], bool]
"""Whether a value would be allowed in place of a wrong one."""

_UNIT_OF_KEY = re.compile(r"(?<!per)(?<!mol)(?<!mPa)_(K|fs|ps|ns|s|minutes|hours|nm|bar|deg|cm3)$")
_SIZES = {
    "fs": (1e-15, "s"), "ps": (1e-12, "s"), "ns": (1e-9, "s"), "s": (1.0, "s"), "min": (60.0, "s"), "minutes": (60.0, "s"),
    "h": (3600.0, "s"), "hours": (3600.0, "s"), "nm": (1.0, "nm"), "bar": (1.0, "bar"), "deg": (1.0, "deg"), "°": (1.0, "deg"),
    "K": (1.0, "K"),
}  # fmt: skip
"""Size and kind of units, of keys and of values."""
_WITH_UNIT = re.compile(r"([-+]?\d+(?:\.\d*)?)\s*(°?[CK]|[fpn]?s|h|min|nm|bar|deg|°|%)")


def _without_unit(number: float, unit: str, keys: KeyPath, accepts: Accepts) -> float | None:
    """The number in the unit of the nearest key that names one; None where the unit is of another kind."""
    named = next((found for key in reversed(keys) if (found := _UNIT_OF_KEY.search(str(key)))), None)
    if unit == "%":
        # of keys without a unit, those of shares take no number above 1
        return None if named or accepts(1.5) else number / 100
    if named is None:
        return None
    if unit.endswith("C"):
        is_step = "step" in str(keys[-1])
        return (number if is_step else number + ZERO_CELSIUS_K) if named[1] == "K" else None
    (size, kind), (of_key, kind_of_key) = _SIZES[unit.replace("°K", "K")], _SIZES.get(named[1], (1.0, ""))
    return number * size / of_key if kind == kind_of_key else None


def _spelling(value: str, kind: str, keys: KeyPath, accepts: Accepts) -> str:
    """Correct spelling of a value that YAML or a user, but not EOLI, takes for a `kind` (int, float, bool), if that is
    allowed there."""
    text = value.strip()
    if text.lower() in ("yes", "no", "on", "off", "y", "n"):
        return "; write true or false" if kind == "bool" else ""
    if ratio := re.fullmatch(r"(\d+(?:\.\d+)?)\s*:\s*1(?:\.0*)?", text):
        return f"; write {ratio[1]} for {text}" if accepts(scalar(ratio[1])) else ""
    if re.fullmatch(r"\d+(:\d+)+(\.\d*)?", text):
        return "; write one decimal number, as 1.5 for 1:30" if accepts(1.5) else ""
    if unit := _WITH_UNIT.fullmatch(text):
        found = _without_unit(float(unit[1]), unit[2], keys, accepts)
        shown = "" if found is None else f"{found:.12g}"
        return f"; write {shown} for {text}" if shown and accepts(scalar(shown)) else ""
    plain = text.replace("_", "").lstrip("+")
    plain = re.sub(r"^0+(?=\d)", "", plain) if re.fullmatch(r"[\d.]+", plain) else plain.replace(",", ".")
    return f"; write {plain}" if isinstance(scalar(plain), int | float) and accepts(scalar(plain)) else ""


def _short(value: Any) -> str:
    """A value as in YAML, shortened if long."""
    shown = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


_SHAPES = {"list_type": "a list", "dict_type": "a mapping", "model_type": "a mapping", "string_type": "text"}
"""Shapes of values in words, by pydantic's errors."""


def _shape_wanted(kind: str, value: Any, keys: KeyPath, model: type[BaseModel]) -> str:
    """The shape that a value must have: with its keys or an example, and what it means."""
    # items of a list are what its key means
    named = [number for number, key in enumerate(keys) if isinstance(key, str)][-1:]
    holder = _model_at(model, keys[: named[0] + 1]) if named else None
    field = holder.model_fields.get(str(keys[named[0]])) if holder else None
    # a name that is no field is one of many, which are of the model that holds what is under it
    inside = _models_in(field.annotation) if field else [holder or model]
    if kind == "model_type" and inside:
        return f"a mapping with keys of {', '.join(sorted(inside[0].model_fields))}"
    example = ""
    if kind == "list_type" and not inside and isinstance(value, str | int | float):
        least = max((getattr(limit, "min_length", 1) for limit in (field.metadata if field else ())), default=1)
        example = f", as [{', '.join([str(value)] * least)}]"
    elif kind == "dict_type" and (names := value if isinstance(value, list) else [value]) and isinstance(names[0], str):
        example = f", as {{{names[0]}: ...}}"
    meant = f" ({field.description})" if field and field.description else ""
    return f"{_SHAPES[kind]}{example}{meant}"


def _explain(error: Any, keys: KeyPath, model: type[BaseModel], accepts: Accepts, elsewhere: str = "") -> str:
    value = error.get("input")
    if error["type"] == "extra_forbidden":
        holder = _model_at(model, keys)
        known = sorted(holder.model_fields) if holder else []
        return f"unknown key{did_you_mean(str(keys[-1]), known)}; allowed: {', '.join(known)}"
    if error["type"] == "missing":
        return f"is missing; {elsewhere if elsewhere and len(keys) == 1 else 'it has no default'}"
    if error["type"] in _SHAPES:
        return f"{_short(value)} is not allowed; allowed: {_shape_wanted(error['type'], value, keys, model)}"
    if error["type"] == "string_pattern_mismatch" and error["ctx"]["pattern"] in SAID:
        return f"{_short(value)} is not allowed; allowed: {SAID[error['ctx']['pattern']]}"
    message = str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if isinstance(value, dict | list | tuple) and not str(error["type"]).endswith("_type"):
        return message
    kind, key = str(error["type"]).split("_")[0], str(next((key for key in reversed(keys) if isinstance(key, str)), ""))
    is_text = isinstance(value, str) and kind in ("int", "float", "bool")
    hint = _spelling(value, kind, keys, accepts) if is_text else ""
    if kind == "greater" and key.endswith("_K") and "step" not in key and accepts(value + ZERO_CELSIUS_K):
        hint = f"; in kelvin, {value:g} degrees Celsius are {value + ZERO_CELSIUS_K:g}"
    return f"{_short(value)} is not allowed: {message}{hint}"


def kind_of(model: type[BaseModel], name: str) -> Any:
    """Type of a single value of a field, with its limits: of a list the items' type, without None."""
    field = model.model_fields[name]
    found: Any = field.annotation
    if get_origin(found) in (Union, UnionType):
        found = Union[tuple(kind for kind in get_args(found) if kind is not type(None))]  # noqa: UP007
    if get_origin(found) is list:
        return get_args(found)[0]
    return Annotated[found, *field.metadata] if field.metadata else found


def from_text(kind: Any) -> Callable[[str], Any]:
    """Parser of one word into a type, by the rules of a configuration file.

    It raises InputError with the mistake and what is allowed.
    """
    adapter = TypeAdapter(kind, config=ConfigDict(strict=True, allow_inf_nan=False))

    def accepts(value: Any) -> bool:
        try:
            adapter.validate_python(value)
        except ValidationError:
            return False
        return True

    def read(text: str) -> Any:
        value = scalar(text)
        for candidate in (value, text):
            try:
                return adapter.validate_python(candidate)
            except ValidationError as failure:
                error = failure.errors()[0]
                if error["type"] != "string_type":
                    raise InputError(_explain(error, (), Strict, accepts)) from None
        raise AssertionError("text is text")

    return read


def _with(data: Any, keys: KeyPath, value: Any) -> Any:
    """A copy of nested data with another value under the keys."""
    if not keys:
        return value
    copied: Any = dict(data) if isinstance(data, Mapping) else list(data)
    copied[keys[0]] = _with(data[keys[0]], keys[1:], value)
    return copied


def validate(
    model: type[Model], data: Any, files: Sequence[YamlFile], under: KeyPath = (), elsewhere: str = ""
) -> Model:
    """Build `model` from `data`, which the files hold under the keys `under`; None, from an empty file, has no keys.

    `elsewhere` says where a key of the model that is missing could come from. Raises InputError with one line that names
    file, key, value and what is allowed, and the keys of further mistakes.
    """
    data = {} if data is None else data
    try:
        return model.model_validate(data)
    except ValidationError as failure:
        # an unknown key explains a missing one
        errors = sorted(failure.errors(), key=lambda error: error["type"] != "extra_forbidden")
        raised = errors[0].get("ctx", {}).get("error")
        keys = (*_keys_of(data, errors[0]), *(raised.keys if isinstance(raised, AtKeys) else ()))
        where = place((*under, *keys), files) if under or keys else str(files[-1].path) if files else ""
        # a value that fits no member of a union has one error for each
        here = [error for error in errors if error["loc"] == errors[0]["loc"] or _keys_of(data, error) == keys]
        tail = "".join(f", or {text}" for text in [*dict.fromkeys(error["msg"] for error in here)][1:])
        others = dict.fromkeys(_path_text(_keys_of(data, error)) for error in errors if error not in here)
        more = f" (also wrong: {listed([*others], 4)})" if others else ""

        def accepts(value: Any) -> bool:
            try:
                model.model_validate(_with(data, keys, value))
            except ValidationError as left:
                return all(_keys_of(data, error) != keys for error in left.errors())
            return True

        said = f"{_explain(errors[0], keys, model, accepts, elsewhere)}{tail}{more}"
        raise InputError(f"{where}: {said}" if where else said) from None
