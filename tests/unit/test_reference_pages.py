"""The reference has each public function and class, with shapes, units and errors, and each column of each table."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

import eoli
from eoli import errors
from eoli.study.columns import meaning, tables, unit_of
from eoli.study.quantities import QUANTITIES, In, Quantity
from support import ROOT

FAMILY = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.EoliError)}
ARRAYS = re.compile(r"\b(Floats|Indices|Integers|Paths|NDArray|ArrayLike)\b")
SHAPE = re.compile(r"\(\w[\w .+*/-]*,[^)]*\)|shape|Arguments as in|as in `|series|frames", re.IGNORECASE)


def conf() -> ModuleType:
    spec = importlib.util.spec_from_file_location("conf_of_docs", ROOT / "docs/conf.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


CONF = conf()


@dataclass(frozen=True)
class Public:
    """A function or class of the library without a leading underscore in its path."""

    module: str
    name: str
    node: ast.FunctionDef | ast.ClassDef

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.node) or ""


def inside(module: str, node: ast.Module | ast.ClassDef, before: str = "") -> Iterator[Public]:
    for entry in node.body:
        if isinstance(entry, ast.FunctionDef | ast.ClassDef) and not entry.name.startswith("_"):
            yield Public(module, before + entry.name, entry)
            if isinstance(entry, ast.ClassDef):
                yield from inside(module, entry, f"{before}{entry.name}.")


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "scripts").with_suffix("").parts).removesuffix(".__init__")


# the interface has a page of its own
ROOMS = CONF.NO_API - {"interface"}
SOURCES = {
    module_of(path): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "scripts/eoli").rglob("*.py"))
    if path != ROOT / "scripts/eoli/__init__.py"
}
PUBLIC = [
    found for module, source in SOURCES.items() if module.split(".")[1] not in ROOMS for found in inside(module, source)
]


def test_there_is_something_to_look_at() -> None:
    assert len(PUBLIC) > 500


def test_each_module_is_on_a_page_of_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "reference").mkdir()
    monkeypatch.setattr(CONF, "DOCS", tmp_path)
    CONF.write_api_pages(None)
    pages = [*(tmp_path / "reference/python").glob("*.md"), ROOT / "docs/reference/interface.md"]
    shown = {name for page in pages for name in re.findall(r"automodule:: (\S+)\n   :members:", page.read_text())}
    assert {found.module for found in PUBLIC} <= shown
    # autodoc leaves out what has no docstring
    assert [f"{found.module}.{found.name}" for found in PUBLIC if not found.docstring] == []


def test_each_public_name_is_told_where_the_interface_is() -> None:
    page = (ROOT / "docs/reference/interface.md").read_text()
    own = {found.name for found in PUBLIC if found.module == "eoli.interface"}
    assert [name for name in eoli.__all__ if name not in own and f"`eoli.{name}`" not in page] == []


def raised(node: ast.AST) -> set[str]:
    """Errors of our family that a function raises itself; functions within it raise for it."""
    return {
        each.exc.func.id
        for each in ast.walk(node)
        if isinstance(each, ast.Raise) and isinstance(each.exc, ast.Call) and isinstance(each.exc.func, ast.Name)
    } & FAMILY


def test_errors_are_told_where_they_are_raised() -> None:
    silent = [
        (f"{found.module}.{found.name}", error)
        for found in PUBLIC
        if isinstance(found.node, ast.FunctionDef)
        for error in raised(found.node)
        # one of a kind may be told as its kind
        if not any(base.__name__ in found.docstring for base in getattr(errors, error).__mro__[:2])
    ]
    assert silent == []


def test_functions_of_arrays_tell_their_shapes() -> None:
    of_arrays = [
        found
        for found in PUBLIC
        if found.module.startswith("eoli.analysis.") and isinstance(found.node, ast.FunctionDef)
        and any(each.annotation and ARRAYS.search(ast.unparse(each.annotation)) for each in found.node.args.args)
    ]  # fmt: skip
    assert len(of_arrays) > 50
    assert [f"{found.module}.{found.name}" for found in of_arrays if not SHAPE.search(found.docstring)] == []


def test_the_page_of_columns_has_each_column_with_its_unit() -> None:
    page = (ROOT / "docs/reference/columns.md").read_text()
    sections = {
        name: text for name, text in re.findall(r"^## `([^`]+)`\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    }
    assert sections.keys() == tables().keys()
    for table, columns in tables().items():
        rows = re.findall(r"^\| `([^`]+)` \| (.*?) \| (.+) \|$", sections[table], re.MULTILINE)
        assert rows == [(column, unit_of(column), text.replace("|", r"\|")) for column, text in columns.items()], table


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda quantity: quantity.name)
def test_a_column_means_what_the_page_calls_it(quantity: Quantity) -> None:
    said = meaning("summary/sweep.csv", quantity.column())
    assert said if quantity.where & (In.SWEEP | In.RARE) else True
    if said is not None:
        assert said.startswith(quantity.title)
    # an answer has a title and a symbol, its routes the same ones
    assert bool(quantity.title) == bool(quantity.symbol) == bool(quantity.where & In.PAGE)
    for other in QUANTITIES:
        if quantity.group and other.group == quantity.group:
            assert (other.title, other.symbol, other.unit) == (quantity.title, quantity.symbol, quantity.unit)
