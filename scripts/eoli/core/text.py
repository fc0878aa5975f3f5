"""Foreign text (from other programs, files, names) on its way to a terminal, a page or a figure."""

from __future__ import annotations

import unicodedata

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
