"""Allowed names and texts of a configuration: the one place for all that reaches a path, a rule, a shell or a page.

Names become parts of system names, and so of folders, Snakemake wildcards and rules, shell words and columns. Free text
(the name of the study) reaches shells, pages and figures, each of which quotes it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

LONGEST_NAME = 180
"""Characters in a system's name: file names end at 255, and Snakemake and GROMACS add to it."""

PART = r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,38}[A-Za-z0-9_])?$"
STAGE = r"^[a-z][a-z0-9_]{0,30}$"
MODULE = r"^[A-Za-z0-9][A-Za-z0-9_.+/@:-]{0,99}$"
SAID = {
    PART: "up to 40 letters, digits, '_', '-' and '.', a letter or digit first, no '-' or '.' last",
    STAGE: "up to 31 lower-case letters, digits and '_', a letter first",
    MODULE: "a name as `module avail` lists it",
}
"""The patterns in words."""


def _one_line(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("allowed: one line of visible text")
    return text


Part = Annotated[str, Field(pattern=PART)]
"""A part of a system's name: polymer, salt, ether set, ion model."""
Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
"""One line of free text."""
PathText = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_one_line)]
"""Path of a file or folder, or of a program."""
ModuleName = Annotated[str, Field(pattern=MODULE)]
