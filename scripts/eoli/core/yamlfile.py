"""YAML 1.2 with line numbers: the one place that decides what a scalar is.

Duplicate keys are refused, and every key knows its line. Base 60 (`12:1`), octal (`012`), `1_000`, dates and `yes` are
text, which the models refuse where they expect a number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from eoli.errors import InputError

KeyPath = tuple[str | int, ...]

LARGEST_FILE_BYTES = 10_000_000
MOST_ENTRIES = 200_000
"""Keys and values of a file, aliases expanded: a few lines of aliases can multiply without limit."""
DEEPEST = 40
TEMPLATES = "__use_yte__"
"""Key by which a file asks Snakemake to evaluate it as a template, including any code in it."""
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_MOST_DIGITS = 400  # more than the largest float has
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **{f"{sign}.{word}": float(f"{sign}inf") for sign in ("", "+", "-") for word in ("inf", "Inf", "INF")},
    **{f".{word}": float("nan") for word in ("nan", "NaN", "NAN")},
}
_TAGS: dict[str, type | tuple[type, ...]] = {
    "tag:yaml.org,2002:int": int,
    "tag:yaml.org,2002:float": (int, float),
    "tag:yaml.org,2002:bool": bool,
    "tag:yaml.org,2002:null": type(None),
}
_STRING = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
_NO_TAG = "tag:eoli,2026:none"


@dataclass(frozen=True)
class YamlFile:
    """A parsed file: `data` as plain Python, `lines` the 1-based line of each key path."""

    path: Path
    data: Any
    lines: dict[KeyPath, int]

    def line_of(self, keys: KeyPath) -> int | None:
        """Line of the longest known prefix of `keys`; None if not even the first key is in this file."""
        for length in range(len(keys), 0, -1):
            if keys[:length] in self.lines:
                return self.lines[keys[:length]]
        return None

    def depth_of(self, keys: KeyPath) -> int:
        """Number of leading keys of `keys` that this file holds."""
        return next((n for n in range(len(keys), 0, -1) if keys[:n] in self.lines), 0)


def scalar(text: str) -> Any:
    """Value of plain text in YAML 1.2: None, a boolean, a number, else the text itself.

    Whole numbers with a leading zero, in another base or with too many digits are text.
    """
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= _MOST_DIGITS:
        if _INT.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
    return text


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Resolves only merges; `scalar` interprets plain text."""

    yaml_implicit_resolvers = {"<": [(_MERGE, re.compile(r"<<"))]}  # noqa: RUF012
    DEFAULT_SCALAR_TAG = _NO_TAG


@dataclass
class _Reading:
    """Converts nodes to plain data and records the line of every key."""

    name: str
    lines: dict[KeyPath, int] = field(default_factory=dict)
    entries: int = 0

    def wrong(self, node: yaml.Node, keys: KeyPath, message: str) -> InputError:
        where = f" {'.'.join(map(str, keys))}:" if keys else ""
        return InputError(f"{self.name}:{node.start_mark.line + 1}:{where} {message}")

    def data(self, node: yaml.Node, keys: KeyPath) -> Any:
        self.entries += 1
        if self.entries > MOST_ENTRIES:
            raise self.wrong(node, keys[:1], f"more than {MOST_ENTRIES} entries, with its aliases; allowed: fewer")
        if len(keys) > DEEPEST:
            raise self.wrong(node, keys[:1], f"more than {DEEPEST} levels deep, or an alias of itself; allowed: fewer")
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return self._mapping(node, keys)
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            for number, item in enumerate(node.value):
                self.lines[(*keys, number)] = item.start_mark.line + 1
            return [self.data(item, (*keys, number)) for number, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, keys)
        raise self.wrong(node, keys, f"the tag {node.tag} is not allowed; allowed: plain values, lists and mappings")

    def _scalar(self, node: yaml.ScalarNode, keys: KeyPath) -> Any:
        text = str(node.value)
        if node.tag == _NO_TAG:
            return text if node.style else scalar(text)
        if node.tag in (_STRING, _MERGE):
            return text
        value = scalar(text)
        kind = _TAGS.get(node.tag)
        if kind is None or not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            short = node.tag.replace("tag:yaml.org,2002:", "!!")
            raise self.wrong(node, keys, f"{text[:40]!r} with the tag {short} is not allowed; allowed: no tag")
        return value

    def _mapping(self, node: yaml.MappingNode, keys: KeyPath) -> dict[str, Any]:
        made: dict[str, Any] = {}
        merged: list[yaml.Node] = []
        seen: set[str] = set()
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self.wrong(key_node, keys, "a list or mapping is no key; allowed: text")
            key = str(key_node.value)
            if key in seen:
                raise self.wrong(key_node, (*keys, key), "the key stands twice; allowed: once")
            seen.add(key)
            if key_node.tag == _MERGE:
                merged += value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                continue
            self.lines[(*keys, key)] = key_node.start_mark.line + 1
            made[key] = self.data(value_node, (*keys, key))
        for source in merged:
            if not isinstance(source, yaml.MappingNode):
                raise self.wrong(source, keys, "<< takes a mapping or a list of mappings")
            known = dict(self.lines)
            # keys here, or in an earlier source, take precedence
            made = {**self.data(source, keys), **made}
            self.lines.update(known)
        return made


def parse_yaml(text: str, name: str) -> tuple[Any, dict[KeyPath, int]]:
    """(data, line of each key path) of YAML text; `name` stands for it in messages. The data of empty text is None.

    Raises InputError if it is not YAML, repeats a key, holds a tag, or is larger or deeper than a person writes.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InputError(f"{name}{line}: not valid YAML: {problem}") from error
    except RecursionError:
        raise InputError(f"{name}: not valid YAML: more than {DEEPEST} levels deep; allowed: fewer") from None
    if root is None:
        return None, {}
    reading = _Reading(name)
    data = reading.data(root, ())
    return data, reading.lines


def parse_value(text: str, name: str) -> Any:
    """A command-line value: a list, a mapping or quoted text in YAML, else a plain scalar.

    Raises InputError as `parse_yaml` does.
    """
    return parse_yaml(text, name)[0] if text.lstrip()[:1] in ("[", "{", '"', "'") else scalar(text.strip())


def read_yaml(path: Path) -> YamlFile:
    """Read one YAML file: UTF-8, with or without a byte-order mark.

    Raises InputError if it is missing, too large, or refused by `parse_yaml`.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(LARGEST_FILE_BYTES + 1)
        text = raw.decode("utf-8-sig")
    # ValueError: a name with a NUL, or text that is not UTF-8
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        name = str(path) if str(path).isprintable() else repr(str(path))
        raise InputError(f"{name}: cannot be read: {reason}; allowed: a file in UTF-8") from error
    if len(raw) > LARGEST_FILE_BYTES:
        raise InputError(f"{path}: cannot be read: larger than {LARGEST_FILE_BYTES / 1e6:g} MB; allowed: smaller")
    data, lines = parse_yaml(text, str(path))
    if isinstance(data, dict) and TEMPLATES in data:
        raise InputError(f"{path}:{lines[(TEMPLATES,)]}: {TEMPLATES}: would run code of the file; allowed: plain YAML")
    return YamlFile(path, data, lines)
