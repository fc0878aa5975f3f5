"""Lines of a GROMACS topology after includes, conditionals and macros, as grompp sees them.

Every line keeps its file, its number and its text as it stands, so that a topology can be written out again bit for bit
and every complaint can name its line. The rules are those of the preprocessor in grompp, which is not that of C: macros
are replaced in the order of their first definition, `;` is no comment in a directive, and there is no `#if`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eoli.errors import ForceFieldError

_INCLUDE = re.compile(r"""["<](?P<name>[^"<>]+)[">]""")
_FORCE_FIELD = re.compile(r"[^/.][^/]*\.ff/")
_DEEPEST = 50  # includes in one another: far more than any force field has
Macros = dict[str, str]
"""Macros by name in the order of their first definition; one without a value is the empty text."""


@dataclass(frozen=True)
class Line:
    """One line of a topology, joined with those that a `\\` at the end continues.

    `raw` are the lines as they stand; `text` is what is left without comments and with macros replaced. A `#define` or
    `#undef` has no text but the `directive`: its name, and what stands behind it.
    """

    file: Path
    number: int
    raw: tuple[str, ...]
    text: str
    directive: tuple[str, str] | None = None

    @property
    def where(self) -> str:
        """`file:line`, as named in messages."""
        return f"{self.file}:{self.number}"

    @property
    def words(self) -> list[str]:
        """The words of the text."""
        return self.text.split()


def apply(macros: Macros, directive: tuple[str, str]) -> None:
    """Change a table of macros as a `#define` or `#undef` does."""
    name, rest = directive
    if name == "undef":
        macros.pop(rest, None)
    else:
        words = rest.split(None, 1)
        macros[words[0]] = words[1] if len(words) > 1 else ""


def replay(macros: Mapping[str, str], lines: Sequence[Line]) -> Macros:
    """The table of macros after some lines."""
    found = dict(macros)
    for line in lines:
        if line.directive is not None:
            apply(found, line.directive)
    return found


def expand(text: str, macros: Mapping[str, str]) -> str:
    """A text with its macros replaced: whole words, one macro after the other."""
    for name, value in macros.items():
        if value and name in text:
            word = rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])"
            text = re.sub(word, lambda _, value=value: value, text)  # type: ignore[misc]
    return text


def read_lines(
    path: Path, include: Sequence[Path] = (), defines: Mapping[str, str] | None = None, installed: Path | None = None,
    left_out: set[str] | None = None,
) -> list[Line]:  # fmt: skip
    """Active lines of a topology and all files that it includes, in the order in which grompp reads them.

    An include is looked for beside the file that names it, then in the folders `include`; it must lie in the folder of
    `path` or in one of those. One of a force field, `NAME.ff/...`, is looked for in the folder `installed` last, where
    GROMACS has its own. Where none is given, such an include joins `left_out`, if that is given, and its lines are missing.
    Raises ForceFieldError, one line with file and number, for a file that cannot be read, is
    no UTF-8 or includes itself, for an include with an absolute path, for a directive that grompp does not know or
    that lacks its partner, and for a macro of `defines` that nothing uses.
    """
    folders = [folder.resolve() for folder in include]
    trees = [path.parent.resolve(), *folders]
    reader = _Reader(folders, trees, dict(defines or {}), installed, left_out)
    physical = list(reader.physical(path, ()))
    for name, value in (defines or {}).items() if not left_out else ():
        used = name in reader.asked or any(expand(row, {name: value}) != row for line in physical for row in line.raw)
        if not used:
            asked = ", ".join(sorted(reader.asked)) or "none"
            raise ForceFieldError(
                f"{path}: nothing uses the macro {name!r} of defines; its conditions ask for: {asked}"
            )
    return list(_joined(iter(physical)))


def text_lines(text: str, name: str) -> list[Line]:
    """Lines of a text that was made here, without directives and macros; `name` stands for its file in messages."""
    return [
        Line(Path(name), number, (row,), row.partition(";")[0].strip())
        for number, row in enumerate(text.split("\n"), 1)
    ]


def _joined(lines: Iterator[Line]) -> Iterator[Line]:
    """Lines with their continuations, comments removed."""
    begun: Line | None = None
    for line in lines:
        text = line.text if begun is None else begun.text + line.text
        raw = line.raw if begun is None else begun.raw + line.raw
        first = line if begun is None else begun
        if line.directive is not None:
            if begun is not None:
                raise ForceFieldError(f"{line.where}: a directive continues line {begun.number}; allowed: a plain line")
            yield line
        elif text.rstrip().endswith("\\"):
            begun = Line(first.file, first.number, raw, text.rstrip()[:-1] + " ")
        else:
            yield Line(first.file, first.number, raw, _visible(text.partition(";")[0], first.where))
            begun = None
    if begun is not None:
        yield Line(begun.file, begun.number, begun.raw, _visible(begun.text.partition(";")[0], begun.where))


def _visible(text: str, where: str) -> str:
    """A text with plain blanks. A foreign one would end a word here but not for grompp, and so it is refused."""
    plain = re.sub(r"[\t\r\f\v]", " ", text).strip(" ")
    odd = next((character for character in plain if not character.isprintable()), None)
    if odd is not None:
        raise ForceFieldError(f"{where}: the character {odd!a} is not allowed; allowed: visible text, blanks and tabs")
    return plain


@dataclass(frozen=True)
class _Reader:
    include: list[Path]
    trees: list[Path]
    macros: Macros
    installed: Path | None
    left_out: set[str] | None
    asked: set[str] = field(default_factory=set)
    """Names in conditions."""

    def physical(self, path: Path, opened: tuple[Path, ...], named: str = "") -> Iterator[Line]:
        """Active lines of a file; `opened` are the files that include it, `named` is where."""
        here = path.resolve()
        if here in opened:
            raise ForceFieldError(f"{named}: {path.name} includes itself; allowed: a file that does not")
        if len(opened) > _DEEPEST:
            raise ForceFieldError(f"{named}: more than {_DEEPEST} includes in one another")
        conditions: list[tuple[str, bool | None]] = []
        for number, raw in enumerate(_rows(path, named), start=1):
            where = f"{path}:{number}"
            active = all(state for _, state in conditions)
            if not raw.lstrip().startswith("#"):
                if active:
                    yield Line(path, number, (raw,), expand(raw, self.macros))
                continue
            name, rest = _directive(_visible(raw, where))
            if name in ("ifdef", "ifndef"):
                self.asked.add(rest)
                if active and not rest:
                    raise ForceFieldError(f"{where}: #{name} of nothing; allowed: the name of a macro")
                conditions.append((where, (rest in self.macros) == (name == "ifdef") if active else None))
            elif name in ("else", "endif"):
                if not conditions:
                    raise ForceFieldError(f"{where}: #{name} without an #ifdef or #ifndef")
                begun, state = conditions.pop()
                if name == "else":
                    conditions.append((begun, None if state is None else not state))
            elif not active:
                continue
            elif name == "include":
                if (found := self._find(path, rest, where)) is not None:
                    yield from self.physical(found, (*opened, here), where)
            elif name in ("define", "undef"):
                if not rest:
                    raise ForceFieldError(f"{where}: #{name} of nothing; allowed: the name of a macro")
                apply(self.macros, (name, rest))
                yield Line(path, number, (raw,), "", (name, rest))
            elif name == "error":
                raise ForceFieldError(
                    f"{where}: the topology stops here: {rest}; allowed: macros with which it does not"
                )
            else:
                raise ForceFieldError(
                    f"{where}: #{name} is not allowed; allowed: #include, #define, #undef, #ifdef, #ifndef, #else, #endif"
                )
        if conditions:
            raise ForceFieldError(f"{conditions[-1][0]}: this condition has no #endif in its file")

    def _find(self, path: Path, rest: str, where: str) -> Path | None:
        """The file of an include; None for one that is left out."""
        match = _INCLUDE.search(rest)
        if match is None:
            raise ForceFieldError(
                f'{where}: #include {rest} is not allowed; allowed: a file name in quotes, "name.itp"'
            )
        name = match["name"]
        if Path(name).is_absolute():
            raise ForceFieldError(f"{where}: the include {name!r} is absolute; allowed: a path relative to this file")
        of_gromacs = _FORCE_FIELD.match(name) is not None
        last = [self.installed] if of_gromacs and self.installed is not None else []
        for folder in (path.parent, *self.include, *last):
            found = Path(os.path.normpath(folder / name))
            if found.is_file():
                # an installed tree may be one of links
                ours = self.installed is not None and found.is_relative_to(self.installed)
                if not ours and not any(found.resolve().is_relative_to(tree) for tree in self.trees):
                    raise ForceFieldError(
                        f"{where}: the include {name!r} leaves the folder of the topology; allowed: files in "
                        f"{', '.join(map(str, self.trees))}"
                    )
                return found
        if of_gromacs and self.installed is None and self.left_out is not None:
            self.left_out.add(name)
            return None
        looked = ", ".join(map(str, [path.parent, *self.include, *last]))
        raise ForceFieldError(f"{where}: the include {name!r} is not found; looked for in {looked}")


def _directive(text: str) -> tuple[str, str]:
    """Name of a directive, and what stands behind it."""
    words = text[1:].split(None, 1)
    return (words[0] if words else ""), (words[1] if len(words) > 1 else "")


def _rows(path: Path, named: str) -> list[str]:
    """Physical lines of a file: only a line feed ends one, as for grompp."""
    before = f"{named}: " if named else ""
    if path.exists() and not path.is_file():
        # a named pipe would be waited for
        raise ForceFieldError(f"{before}{path}: is no file; allowed: a text file")
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ForceFieldError(
            f"{before}{path}: cannot be read: {error.strerror or error}; allowed: a text file"
        ) from error
    except UnicodeDecodeError as error:
        number = error.object[: error.start].count(b"\n") + 1
        raise ForceFieldError(
            f"{path}:{number}: byte 0x{error.object[error.start]:02x} is not allowed; allowed: UTF-8 text"
        ) from error
    if "\0" in text:
        raise ForceFieldError(f"{path}:{text[: text.index(chr(0))].count(chr(10)) + 1}: a zero byte; allowed: text")
    return [row.removesuffix("\r") for row in text.removesuffix("\n").split("\n")]
