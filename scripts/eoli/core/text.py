"""Foreign text (from other programs, files, names) on its way to a terminal, a page or a figure."""

from __future__ import annotations

import difflib
import re
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


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _misspells(one: str, other: str) -> bool:
    """Whether names differ, but for case and separators, by one letter left out of a longer one, or two that changed
    places."""
    short, long = sorted((_letters(one), _letters(other)), key=len)
    if len(long) < 5:
        return False
    if len(short) == len(long):
        return any(short[:i] + short[i : i + 2][::-1] + short[i + 2 :] == long for i in range(len(short) - 1))
    return any(long[:i] + long[i + 1 :] == short and long[i].isalpha() for i in range(len(long)))


def misspelt(name: str, known: Iterable[str]) -> str:
    """` (did you mean litfsi?)` for the name of a molecule that is a known one misspelt; else nothing.

    Another letter or number mostly makes another molecule (dmf is not dme), so that `did_you_mean` would offer a wrong one.
    """
    names = list(known)
    same = [entry for entry in names if _letters(entry) == _letters(name)]
    near = same or [entry for entry in names if _misspells(name, entry)]
    return f" (did you mean {near[0]}?)" if len(near) == 1 else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean peo?)` for a name that is nearly one of the known ones, in upper or lower case; else nothing."""
    names = {entry.lower(): entry for entry in known}
    near = difflib.get_close_matches(name.lower(), names, n=1)
    return f" (did you mean {names[near[0]]}?)" if near else ""
