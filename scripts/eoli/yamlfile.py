"""YAML with line numbers: duplicate keys are refused, and every key knows the line that it came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from eoli.errors import InputError

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class YamlFile:
    """A parsed file: `data` as plain Python, `lines` the 1-based line of each key path."""

    path: Path
    data: Any
    lines: dict[KeyPath, int]

    def line_of(self, keys: KeyPath) -> int | None:
        """Line of the longest known prefix of `keys`; None when not even the first key is in this file."""
        for length in range(len(keys), 0, -1):
            if keys[:length] in self.lines:
                return self.lines[keys[:length]]
        return None

    def depth_of(self, keys: KeyPath) -> int:
        """How many leading keys of `keys` this file holds."""
        return next((n for n in range(len(keys), 0, -1) if keys[:n] in self.lines), 0)


def _index(node: yaml.Node, keys: KeyPath, lines: dict[KeyPath, int], path: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in seen:
                where = ".".join(map(str, (*keys, key)))
                raise InputError(f"{path}:{line}: {where}: the key stands twice; allowed: once")
            seen.add(key)
            lines[(*keys, key)] = line
            _index(value_node, (*keys, key), lines, path)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            lines[(*keys, number)] = item.start_mark.line + 1
            _index(item, (*keys, number), lines, path)


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path) -> YamlFile:
    """Read one YAML file.

    Raises InputError when it is missing, not YAML, or repeats a key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    try:
        root = yaml.compose(text, Loader=_Loader)
        data = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InputError(f"{path}{line}: not valid YAML: {problem}") from error
    lines: dict[KeyPath, int] = {}
    if root is not None:
        _index(root, (), lines, path)
    return YamlFile(path, data if data is not None else {}, lines)
