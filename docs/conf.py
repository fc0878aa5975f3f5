"""The documentation as a site: `make docs`."""

from __future__ import annotations

import pkgutil
import re
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent / "scripts"))

import eoli  # noqa: E402

project = "EOLI"
author = "The EOLI developers"
copyright = author
version = release = eoli.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"EOLI {release}"
highlight_language = "none"
myst_heading_anchors = 4
autodoc_typehints = "none"
autodoc_member_order = "bysource"
# patterns in the types of the models look like references of reStructuredText; pages are Markdown, whose warnings stay
suppress_warnings = ["docutils"]

# what is called by the command line and the Snakefile alone, and what has a page of its own
NO_API = {"cli", "commands", "workflow", "interface"}


def write_api_pages(app: Any) -> None:
    """A page for each room of the library, which autodoc fills."""
    folder = DOCS / "reference/python"
    folder.mkdir(exist_ok=True)
    rooms: dict[str, list[str]] = {}
    for found in pkgutil.walk_packages(eoli.__path__, "eoli."):
        room = found.name.split(".")[1]
        if room not in NO_API:
            rooms.setdefault(room, []).append(found.name)
    pages = {f"{room}.md": f"# `eoli.{room}`\n\n" + "\n".join(map(_of_module, names)) for room, names in rooms.items()}
    toctree = "\n".join(sorted(rooms))
    pages["index.md"] = (
        "# Python library\n\nThe rooms of [the architecture](../../architecture.md), by their docstrings, for those who change "
        "EOLI. They may change with any version: what is public is [the interface](../interface.md).\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\n{toctree}\n```\n"
    )
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _of_module(name: str) -> str:
    return f"```{{eval-rst}}\n.. automodule:: {name}\n   :members:\n```\n"


def plain_docstring(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are plain text with code between backticks; escape what reStructuredText would take for markup."""
    # one paragraph each: a list that goes on in the next line is no list to docutils
    text = "\n".join(line.strip() for line in lines)
    lines[:] = re.sub(r"\n- ", r"\n\n\\- ", "``".join(_escaped(text))).split("\n")


def _escaped(text: str) -> list[str]:
    parts = enumerate(text.split("`"))
    return [" ".join(part.split("\n")) if i % 2 else re.sub(r"([\\*_|<>])", r"\\\1", part) for i, part in parts]


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", write_api_pages)
    app.connect("autodoc-process-docstring", plain_docstring)
