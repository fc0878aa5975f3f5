"""YAML with line numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from eoli.errors import InputError
from eoli.yamlfile import read_yaml

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,7}", fullmatch=True).filter(lambda name: yaml.safe_load(name) == name)
SCALARS = st.one_of(st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False), NAMES)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=20
)


def write(folder: Path, text: str) -> Path:
    path = folder / "file.yaml"
    path.write_text(text)
    return path


def key_paths(data: Any, keys: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(data, dict):
        items: Any = data.items()
    elif isinstance(data, list):
        items = enumerate(data)
    else:
        return []
    return [path for key, value in items for path in ((*keys, key), *key_paths(value, (*keys, key)))]


def test_lines_of_keys_and_items(tmp_path: Path) -> None:
    file = read_yaml(write(tmp_path, "# a remark\nstudy: s\n\nsweep:\n  - polymer: peo\n    eo_li: [8,\n      12]\n"))
    assert file.data == {"study": "s", "sweep": [{"polymer": "peo", "eo_li": [8, 12]}]}
    assert file.lines == {
        ("study",): 2,
        ("sweep",): 4,
        ("sweep", 0): 5,
        ("sweep", 0, "polymer"): 5,
        ("sweep", 0, "eo_li"): 6,
        ("sweep", 0, "eo_li", 0): 6,
        ("sweep", 0, "eo_li", 1): 7,
    }


def test_line_of_takes_the_nearest_known_key(tmp_path: Path) -> None:
    file = read_yaml(write(tmp_path, "box:\n  chains: 3\n"))
    assert file.line_of(("box", "chains", "deeper")) == 2
    assert file.line_of(("box", "absent")) == 1
    assert file.line_of(("absent",)) is None
    assert [file.depth_of(keys) for keys in (("box", "chains"), ("box", "absent"), ("absent",))] == [2, 1, 0]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("seed: 1\nseed: 2\n", ":2: seed:"),
        ("box:\n  chains: 1\n  tolerance_nm: 0.2\n  chains: 2\n", ":4: box.chains:"),
        ("sweep:\n  - {polymer: peo, polymer: pebax}\n", ":2: sweep.0.polymer:"),
    ],
)
def test_a_repeated_key_is_refused(text: str, place: str, tmp_path: Path) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError, match="stands twice") as failure:
        read_yaml(path)
    assert str(failure.value).startswith(f"{path}{place}")
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    ("text", "line"), [("a: [1\nb: 2\n", 2), ("a: 1\n b: 2\n", 2), ("a: 'x\n", None), ("\t- 1", 1)]
)
def test_broken_yaml_is_one_line(text: str, line: int | None, tmp_path: Path) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError, match="not valid YAML") as failure:
        read_yaml(path)
    assert str(failure.value).startswith(f"{path}:{line or ''}")
    assert "\n" not in str(failure.value)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.yaml: cannot be read"):
        read_yaml(tmp_path / "absent.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(InputError, match=r"latin\.yaml: cannot be read"):
        read_yaml(tmp_path / "latin.yaml")


def test_an_empty_file_is_an_empty_mapping(tmp_path: Path) -> None:
    assert read_yaml(write(tmp_path, "# nothing\n")).data == {}


@given(data=st.dictionaries(NAMES, VALUES, min_size=1, max_size=5), flow=st.sampled_from([True, False, None]))
def test_any_mapping_comes_back_with_its_lines(
    data: dict[str, Any], flow: bool | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = yaml.safe_dump(data, default_flow_style=flow, sort_keys=False)
    file = read_yaml(write(tmp_path_factory.mktemp("yaml"), text))
    assert file.data == yaml.safe_load(text)
    assert set(file.lines) == set(key_paths(data))
    rows = text.splitlines()
    for keys, line in file.lines.items():
        assert not isinstance(keys[-1], str) or keys[-1] in rows[line - 1]
