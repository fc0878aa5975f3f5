"""Allowed names and texts of a configuration: the one place for all that reaches a path, a rule, a shell or a page.

Names become parts of system names, and so of folders, Snakemake wildcards and rules, shell words and columns. Free text
(the name of the study) reaches shells, pages and figures, each of which quotes it.
"""

from __future__ import annotations

from collections.abc import Mapping
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


def shares_text(shares: Mapping[str, float]) -> str:
    """Cell of a table for a mixture, in order of names; a single name stands alone.

    >>> shares_text({"litfsi": 0.7, "lipf6": 0.3}), shares_text({"litfsi": 1.0})
    ('lipf6:0.3 litfsi:0.7', 'litfsi')
    """
    if len(shares) == 1:
        return next(iter(shares))
    return " ".join(f"{name}:{share:g}" for name, share in sorted(shares.items()))


def shares_of(cell: str) -> dict[str, float]:
    """Shares by name from a cell of `shares_text`.

    >>> shares_of("lipf6:0.3 litfsi:0.7"), shares_of("litfsi")
    ({'lipf6': 0.3, 'litfsi': 0.7}, {'litfsi': 1.0})
    """
    if ":" not in cell:
        return {cell: 1.0}
    return {name: float(share) for name, _, share in (word.rpartition(":") for word in cell.split())}


Part = Annotated[str, Field(pattern=PART)]
"""A part of a system's name: polymer, salt, ether set, ion model."""
Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
"""One line of free text."""
PathText = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_one_line)]
"""Path of a file or folder, or of a program."""
ModuleName = Annotated[str, Field(pattern=MODULE)]
