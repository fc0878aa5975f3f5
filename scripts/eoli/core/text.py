"""Foreign text (from other programs, files, names) on its way to a terminal, a page or a figure."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def printable(text: str) -> str:
    """The text on one line, without terminal control: control characters become blanks or escapes, `\\x1b`."""
    if text.isprintable():
        return text
    kept = "".join(
        character
        if character == " " or unicodedata.category(character) not in _UNSEEN
        else character.encode("unicode_escape").decode("ascii")
        for character in text.replace("\n", " ").replace("\t", " ")
    )
    return kept.strip()


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean peo?)` for a name that is nearly one of the known ones, in upper or lower case; else nothing."""
    names = {entry.lower(): entry for entry in known}
    near = difflib.get_close_matches(name.lower(), names, n=1)
    return f" (did you mean {names[near[0]]}?)" if near else ""
