"""Tables of the installed gromos54a7.ff: types, pair matrix, 1-4 pairs, bonded macros. Read, never copied."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from eoli.errors import ForceFieldError

PairKey = tuple[str, str]
C6C12 = tuple[float, float]


def pair_key(first: str, second: str) -> PairKey:
    """Order-free key of a pair of types."""
    return (first, second) if first <= second else (second, first)


@dataclass(frozen=True)
class Gromos54A7:
    """Contents of gromos54a7.ff; C6 in kJ mol-1 nm6, C12 in kJ mol-1 nm12, masses in g/mol."""

    folder: Path
    masses: dict[str, float]
    atomic_numbers: dict[str, int]
    types: dict[str, C6C12]
    pairs: dict[PairKey, C6C12]
    pairs14: dict[PairKey, C6C12]
    macros: dict[str, tuple[float, ...]]
    sha256: str

    def macro(self, name: str) -> tuple[float, ...]:
        """Numbers of a bonded macro.

        Raises ForceFieldError if the installed force field does not define it.
        """
        if name not in self.macros:
            raise ForceFieldError(f"{self.folder / 'ffbonded.itp'}: macro {name!r} is not defined")
        return self.macros[name]


def _rows(path: Path) -> dict[str, list[list[str]]]:
    """Rows of a simple include file (no conditionals) by directive."""
    rows: dict[str, list[list[str]]] = {"": []}
    directive = ""
    for line in path.read_text(encoding="latin-1").splitlines():
        body = line.split(";", 1)[0].strip()
        if not body:
            continue
        if body.startswith("["):
            directive = body.strip("[] \t")
            rows.setdefault(directive, [])
        else:
            rows[directive].append(body.split())
    return rows


def read_gromos54a7(folder: Path) -> Gromos54A7:
    """Read the force field in `folder` (".../gromos54a7.ff").

    Raises ForceFieldError if a file is missing or differs from what GROMACS ships.
    """
    files = [folder / name for name in ("atomtypes.atp", "ffnonbonded.itp", "ffbonded.itp", "forcefield.itp")]
    for path in files:
        if not path.is_file():
            raise ForceFieldError(f"{path}: not found; GROMACS ships it in share/gromacs/top")
    defaults = _rows(files[3]).get("defaults", [])
    if not defaults or defaults[0][:3] != ["1", "1", "no"]:
        raise ForceFieldError(
            f"{files[3]}: [ defaults ] is {defaults}; allowed: 1 1 no (combination rule 1, C6 and C12)"
        )
    table = _rows(files[1])
    macros = {}
    for line in files[2].read_text(encoding="latin-1").splitlines():
        words = line.split(";", 1)[0].split()
        if words[:1] == ["#define"] and len(words) > 2:
            macros[words[1]] = tuple(float(word) for word in words[2:])
    return Gromos54A7(
        folder=folder,
        masses={row[0]: float(row[1]) for row in _rows(files[0])[""]},
        atomic_numbers={row[0]: int(row[1]) for row in table["atomtypes"]},
        types={row[0]: (float(row[5]), float(row[6])) for row in table["atomtypes"]},
        pairs={pair_key(row[0], row[1]): (float(row[3]), float(row[4])) for row in table["nonbond_params"]},
        pairs14={pair_key(row[0], row[1]): (float(row[3]), float(row[4])) for row in table["pairtypes"]},
        macros=macros,
        sha256=hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest(),
    )
