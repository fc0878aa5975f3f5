"""YAML with line numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from eoli.core.yamlfile import parse_value, read_yaml
from eoli.errors import InputError

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


@pytest.mark.parametrize("text", ["", "# nothing\n", "null\n", "---\n"])
def test_an_empty_file_is_no_mapping(text: str, tmp_path: Path) -> None:
    assert read_yaml(write(tmp_path, text)).data is None
    assert read_yaml(write(tmp_path, "{}\n")).data == {}


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


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12), ("-3", -3), ("+4", 4), ("0", 0), ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), ("1.0e-3", 0.001),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None), (".inf", math.inf),
        # YAML 1.1 makes other values of these
        ("12:1", "12:1"), ("1:30", "1:30"), ("012", "012"), ("0o14", "0o14"), ("0x1F", "0x1F"), ("0b11", "0b11"),
        ("1_000", "1_000"), ("yes", "yes"), ("no", "no"), ("on", "on"), ("2024-01-01", "2024-01-01"),
        ("2024-99-99", "2024-99-99"), ("2024-01-01 99:00:00", "2024-01-01 99:00:00"), ("007.5", "007.5"),
        ("nan", "nan"), ("inf", "inf"), ("=", "="), ("9" * 5000, "9" * 5000), ("1e", "1e"), (".", "."),
    ],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(text: str, value: Any, tmp_path: Path) -> None:
    found = read_yaml(write(tmp_path, f"a: {text}\nb: [{text}]\nc: '{text}'\n")).data
    assert (found["a"], type(found["a"])) == (value, type(value))
    assert found["b"] == ([] if text == "" else [value]) and found["c"] == text
    assert math.isnan(read_yaml(write(tmp_path, "a: .nan\n")).data["a"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: !!int abc", "with the tag !!int is not allowed"),
        ("a: !!int 1_0", "with the tag !!int is not allowed"),
        ("a: !!int yes", "with the tag !!int is not allowed"),
        ("a: !!float true", "with the tag !!float is not allowed"),
        ("a: !!binary aGk=", "with the tag !!binary is not allowed"),
        ("a: !!python/object/apply:os.system [ls]", "is not allowed; allowed: plain values, lists and mappings"),
        ("a: !!set {x}", "is not allowed; allowed: plain values, lists and mappings"),
        ("a: !include other.yaml", "is not allowed; allowed: no tag"),
        ("a: &x [*x]", "more than 40 levels deep, or an alias of itself"),
        ("a: &x {b: *x}", "more than 40 levels deep, or an alias of itself"),
        ("a: " + "[" * 5000, "not valid YAML"),
        ("a: " + "[" * 100 + "]" * 100, "more than 40 levels deep"),
        (
            "{a: &a [x,x,x,x,x,x,x,x,x,x], b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a], c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b],"
            " d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c], e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d], f: [*e,*e,*e,*e,*e,*e,*e,*e]}",
            "more than 200000 entries, with its aliases",
        ),
        ("{[1, 2]: 3}", "a list or mapping is no key"),
        ("a: {<<: 3}", "<< takes a mapping"),
        ("a: x\0y", "not valid YAML"),
        ("a: 1\n---\nb: 2", "not valid YAML"),
        ("seed: 1\n__use_yte__: true", ":2: __use_yte__: would run code of the file"),
    ],
)
def test_what_yaml_can_say_and_a_study_does_not(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as failure:
        read_yaml(write(tmp_path, text))
    assert says in str(failure.value) and "\n" not in str(failure.value)


def test_files_as_editors_write_them(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    for raw in (b"\xef\xbb\xbfa: 1\r\nb: x\r\n", b"a: 1\rb: x", b"a: 1\nb: x"):
        path.write_bytes(raw)
        assert read_yaml(path).data == {"a": 1, "b": "x"}
    path.write_bytes("a: 1\n".encode("utf-16"))
    with pytest.raises(InputError, match="allowed: a file in UTF-8"):
        read_yaml(path)
    for name in ("a\0b", "x" * 300, str(tmp_path)):
        with pytest.raises(InputError, match="cannot be read"):
            read_yaml(Path(name))
    with pytest.raises(InputError, match="larger than 10 MB"):
        read_yaml(Path("/dev/zero"))


def test_merged_keys_keep_their_lines_and_what_stands_here_wins(tmp_path: Path) -> None:
    file = read_yaml(write(tmp_path, "- &a {x: 1, y: 2}\n- &b {y: 3, z: 4}\n- <<: [*a, *b]\n  x: 5\n"))
    assert file.data[2] == {"x": 5, "y": 2, "z": 4}
    assert [file.line_of((2, key)) for key in ("x", "y", "z")] == [4, 1, 2]


def test_values_of_a_command_line() -> None:
    assert [
        parse_value(text, "--config x")
        for text in ("5", "12:1", "1_0", "a: b #c", "[1, 2:1]", "{a: {b: 1}}", "'5'", "")
    ] == [5, "12:1", "1_0", "a: b #c", [1, "2:1"], {"a": {"b": 1}}, "5", None]
    with pytest.raises(InputError, match="--config x:1: a: the key stands twice"):
        parse_value("{a: 1, a: 2}", "--config x")
