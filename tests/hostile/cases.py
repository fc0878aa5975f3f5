"""Hostile cases by their number: which command is run on what, and what was done to it."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import random
import re
import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from pools import CELLS, FILES, JSON_VALUES, NAMES, NUMBERS, SCALARS

from eoli.cli import COMMANDS
from eoli.study.schema import json_schema
from support import SYSTEMS, TINY

OUT = "out"
"""Folder of all that a command writes, in the copy of the study."""
CHECK = ("check", "--config", "config/config.yaml", TINY)
# no command reads pictures of the study; what it has said is looked at and not used
_PICTURES = {".png", ".svg", ".pdf", ".html"}
_NOT_USED = {*_PICTURES, ".log"}
# `eoli figures` writes beside the tables that it draws
_OF_FIGURES = "figures.provenance.json"
# these take seconds, others a fraction of one
_SLOW = {"figures", "interactions", "paper-figure", "report", "snapshots", "sweep-figures"}
_OUTPUTS = {"--out", "--gro", "--report", "--log"}
# says its version and fails at all else: flags of a stage are judged before a simulation starts
GMX = "config/gmx"
_GMX = """#!/bin/sh
[ "$1" = --version ] || { printf 'Fatal error:\\nnot installed\\n\\n' >&2; exit 1; }
printf 'GROMACS version:    2022.5\\nPrecision:          mixed\\nMPI library:        thread_mpi\\nSIMD instructions:  AVX2_256\\n'
printf 'Data prefix:  /usr\\n'
"""
_BOTH = [f"results/{system}" for system in SYSTEMS]


@dataclass(frozen=True)
class Case:
    """A command line in a copy of the finished study, and what is done to the copy before."""

    what: str
    argv: list[str]
    damage: Callable[[Path], None] | None = None
    damaged: Path | None = None
    """A damaged file of a finished study: what is made of it must be what is made of the sound one."""
    elsewhere: bool = False
    """Whether it was asked to write somewhere else: new files are its output, wherever they are."""


def copy_study(finished: Path, folder: Path) -> Path:
    """A copy of what commands read of a finished study, of links to its files: to change one is to replace it."""
    for top in ("config", "topologies", "tests", "results"):
        for path, _, names in os.walk(finished / top):
            target = folder / Path(path).relative_to(finished)
            target.mkdir(parents=True)
            for name in names:
                if Path(name).suffix not in _PICTURES and name != _OF_FIGURES:
                    os.link(Path(path) / name, target / name)
    (folder / OUT).mkdir()
    return folder


def write_gmx(study: Path) -> None:
    """Put the stand-in for GROMACS where command lines name it."""
    (study / GMX).write_text(_GMX)
    (study / GMX).chmod(0o755)


def into_out(argv: list[str]) -> list[str]:
    """The same command line with its results in OUT."""
    words = list(argv)
    for number, word in enumerate(words[:-1]):
        if word in _OUTPUTS:
            words[number + 1] = f"{OUT}/{Path(words[number + 1]).name}"
    return words


def recorded_commands(finished: Path) -> dict[str, list[str]]:
    """A command line of each command, as the finished study has called it, or as it could be called on it."""
    found: dict[str, list[str]] = {}
    for path in sorted((finished / "results").rglob("*provenance.json")):
        record = json.loads(path.read_text())
        called = record["called_as"][1:]
        for argv in (called, *(command[1:] for command in record["commands"] if command[0] == "eoli")):
            if "--config" in argv:
                argv[argv.index("--config") + 1] = "config/config.yaml"
            if "--base" in argv:
                # the copy of a case is complete, wherever the study was run from
                argv[argv.index("--base") + 1] = "."
            if argv and argv[0] == "stage":
                argv[argv.index("--gmx") + 1] = GMX
            if argv and argv[0] in COMMANDS:
                found.setdefault(argv[0], into_out(argv))
    config = ["--config", "config/config.yaml", TINY]
    topology = f"{_BOTH[0]}/topology/system.json"
    written = [
        list(CHECK), ["status", "--json", *config], ["plan", *config, "--out", f"{OUT}/plan.csv"], ["schema"],
        ["budget", "1", *config, "--out", f"{OUT}/budget.yaml"],
        ["redo", *config, SYSTEMS[0], "nowhere"],
        ["supercell", "--system-json", topology, "--small-json", topology, "--state", f"{_BOTH[0]}/npt/state.trr", "--copies", "1",
         "1", "1", "--gro", f"{OUT}/large.gro", "--report", f"{OUT}/large.json"],
        ["specific-volume", "--energies", f"{_BOTH[0]}/npt/md.edr", "--system-json", topology, "--from-K", "400", "--to-K", "400",
         "--step-K", "10", "--length-ns", "0.006", "--out", OUT],
        ["starts", "--systems", *SYSTEMS, "--reduced", *[f"{folder}/analysis/reduced.h5" for folder in _BOTH], "--system-json",
         *[f"{folder}/topology/system.json" for folder in _BOTH], "--tolerance", "0.1", "--temperature-K", "400", "--target-error",
         "0.2", "--contact-nm", "0.3", "--use-interval-ps", "0.1", "--lithium-contact-nm", "ether_O=0.35", "anion=0.3",
         "--hold-ps", "1", "--return-ps", "0", "--out", f"{OUT}/starts.json"],
        ["glass-transition", *config, "--out", OUT],
    ]  # fmt: skip
    return {argv[0]: argv for argv in written} | found


class Maker:
    """Makes the case of a number, always the same."""

    def __init__(self, finished: Path, seed: str) -> None:
        self._finished, self._seed = finished, seed
        self.commands = recorded_commands(finished)
        self._keys = sorted(_keys())
        self._families = {self.config: 30, self.flag: 25, self.block: 15, self.file: 30}

    def __call__(self, number: int) -> Case:
        chance = random.Random(f"{self._seed}/{number}")
        (family,) = chance.choices(list(self._families), list(self._families.values()))
        return family(chance)

    def _command(self, chance: random.Random, without: Collection[str] = ()) -> str:
        names = sorted(set(self.commands) - set(without))
        return chance.choices(names, [1 if name in _SLOW else 4 for name in names])[0]

    def config(self, chance: random.Random) -> Case:
        """A configuration: a key, a word of a shipped file, or a whole file that is not one."""
        kind = chance.randrange(10)
        if kind < 6:
            pairs = [(chance.choice(self._keys), chance.choice(SCALARS)) for _ in range(chance.choice((1, 1, 1, 2)))]
            text = "\n".join(_overlay(key, value) for key, value in pairs)
            what, content = f"{text[:200]!r}", text.encode("utf-8", "surrogatepass")
        elif kind < 7:
            content = chance.choice(FILES)
            what = f"a file of {content[:80]!r}"
        else:
            name = chance.choice((TINY, "config/config.yaml", "tests/config/tiny-protocol.yaml"))
            text, what = _swap_scalar((self._finished / name).read_text(), chance)
            return Case(f"{name}: {what}", list(CHECK), lambda folder: _replace(folder / name, text.encode()))
        return Case(what, [*CHECK, f"{OUT}/case.yaml"], lambda folder: _replace(folder / OUT / "case.yaml", content))

    def flag(self, chance: random.Random) -> Case:
        """A command line with one word that is another's, or nobody's."""
        name = self._command(chance)
        argv = list(self.commands[name])
        actions = [action for action in _actions(name) if action.option_strings and action.nargs != 0]
        if not actions:
            return Case("a word too much", [*argv, chance.choice(NAMES)])
        action = chance.choice(actions)
        option = action.option_strings[0]
        pool: tuple[str, ...] = NAMES
        known = argv[argv.index(option) + 1] if option in argv[:-1] else ""
        if action.type in (int, float) or _is_number(known):
            pool = NUMBERS
        elif action.type is Path:
            pool = (*_places(option), *NAMES)
        elif option == "--contact-nm":
            pool = tuple(f"{kind}={value}" for kind in ("ether_O", "x", "") for value in NUMBERS)
        elif option == "--set":
            pool = tuple(json.dumps({"box": {"chains": value}}) for value in JSON_VALUES) + NAMES
        value = chance.choice(pool)
        if option not in argv:
            argv += [option, value]
        else:
            place = argv.index(option) + 1
            last = place
            while last < len(argv) and not argv[last].startswith("--"):
                last += 1
            argv[chance.randrange(place, max(place + 1, last))] = value
        if option in ("--max-hours", "--seconds"):
            return self.flag(chance)
        return Case(f"{option} {value[:60]!r}", argv, elsewhere=option in _OUTPUTS or name == "figures")

    def block(self, chance: random.Random) -> Case:
        """A building block with another scalar, or that is no building block."""
        path = chance.choice(sorted(self._finished.joinpath("topologies").rglob("*.yaml"))).relative_to(self._finished)
        if chance.random() < 0.1:
            content = chance.choice(FILES)
            what = f"a file of {content[:80]!r}"
        else:
            text, what = _swap_scalar((self._finished / path).read_text(), chance)
            content = text.encode("utf-8", "surrogatepass")
        argv = self.commands[chance.choice(("check", "topology", "topology", "parameters"))]
        return Case(f"{path}: {what}", list(argv), lambda folder: _replace(folder / path, content))

    def file(self, chance: random.Random) -> Case:
        """A file of a finished study that is damaged, stale or foreign."""
        name = self._command(chance, {"schema", "check", "topology", "redo", "stage"})
        argv = list(self.commands[name])
        read = sorted(_files_read(self._finished, argv))
        # of a whole study, few commands read more than numbers
        numbers = [path for path in read if path.suffix in (".csv", ".json") and "run" not in path.parts]
        path = chance.choice(numbers if len(read) > 100 and chance.random() < 0.8 else read)
        damage = chance.choice(_damages(path))
        seed = chance.random()

        def do(folder: Path) -> None:
            damage(folder / path, random.Random(seed))

        return Case(f"{path} {damage.__name__.strip('_')}", argv, do, path, name == "figures")


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _actions(command: str) -> list[argparse.Action]:
    parser = argparse.ArgumentParser(add_help=False)
    COMMANDS[command][1](parser)
    return parser._actions


def _places(option: str) -> tuple[str, ...]:
    """Paths that are not what a command wants there."""
    if option in _OUTPUTS:
        return (f"{TINY}/x", "config", "/proc/x", "/dev/null/x", f"{OUT}/{'x' * 300}", f"{OUT}/a/b/c")
    others = (
        "topology/system.json",
        "analysis/reduced.h5",
        "production/md.xtc",
        "npt/md.edr",
        "npt/verdict.json",
        "box/box.gro",
        "analysis",
    )
    return (
        "missing",
        ".",
        "config/config.yaml",
        "/dev/null",
        "results/summary/sweep.csv",
        *(f"{_BOTH[1]}/{name}" for name in others),
    )


def _files_read(finished: Path, argv: list[str]) -> Iterator[Path]:
    """Files of the study that the paths of a command line name, those of folders among them."""
    tops = [word for word in argv if word.startswith("results")]
    if not tops or argv[0] in (
        "report",
        "compare",
        "cutoffs",
        "collect",
        "status",
        "plan",
        "cost",
        "replicas",
        "glass-transition",
    ):
        tops = ["results"]
    for top in tops:
        path = finished / top
        for file in [path] if path.is_file() else path.rglob("*"):
            relative = file.relative_to(finished)
            if file.is_file() and file.suffix not in _NOT_USED and file.name != _OF_FIGURES:
                yield relative


def _keys() -> Iterator[tuple[str, ...]]:
    """Paths of all keys of a configuration; * is an entry of a list or the name of a stage."""
    schema = json.loads(json_schema())

    def walk(part: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if "$ref" in part:
            part = schema["$defs"][part["$ref"].rpartition("/")[2]]
        if path:
            yield path
        for name, inner in part.get("properties", {}).items():
            yield from walk(inner, (*path, name))
        for inner in part.get("anyOf", []):
            yield from (found for found in walk(inner, path) if found != path)
        for key in ("items", "additionalProperties"):
            if isinstance(part.get(key), dict):
                yield from walk(part[key], (*path, "*"))

    return iter(
        {
            *walk(schema, ()),
            *(("stages", "npt", key) for key in ("length_ns", "tau_t_ps", "frame_interval_ps", "temperature_K")),
        }
    )


def _overlay(key: tuple[str, ...], value: str) -> str:
    """A configuration of one key."""
    lines, indent = [], ""
    for number, word in enumerate(key):
        if word == "*" and key[0] == "sweep":
            lines.append(f"{indent}- polymer: peo\n{indent}  eo_li: 12")
            indent += "  "
        else:
            lines.append(f"{indent}{'npt' if word == '*' else word}:")
            indent += "  "
        if number == len(key) - 1:
            lines[-1] += f" {value}" if word != "*" or key[0] != "sweep" else f"\n{indent}note: {value}"
    return "\n".join(lines) + "\n"


_SCALAR = re.compile(r"(?<=[:\[,] )([^\s#\[\]{},][^#\[\]{},\n]*)|(?<=\[)([^\s#\[\]{},]+)")


def _swap_scalar(text: str, chance: random.Random) -> tuple[str, str]:
    """YAML with another text in the place of one scalar, and what was done."""
    found = list(_SCALAR.finditer(text))
    if not found:
        return text + "x: 1\n", "a key too much"
    place, value = chance.choice(found), chance.choice(SCALARS)
    line = text.count("\n", 0, place.start()) + 1
    return text[: place.start()] + value + text[place.end() :], f"line {line}: {place[0][:30]} is {value[:60]!r}"


def _replace(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(content)


Damage = Callable[[Path, random.Random], None]


def _damages(path: Path) -> list[Damage]:
    """What can befall a file of its kind."""
    any_file: list[Damage] = [_lost, _empty, _cut, _flipped, _noise, _a_folder, _foreign, _of_another_kind]
    own = {
        ".json": [_another_value, _another_value, _a_key_less],
        ".csv": [_another_cell, _another_cell, _a_row_less, _a_column_less],
    }
    own[".h5"] = [_another_number, _another_number, _shorter, _a_dataset_less, _another_attribute]
    return any_file + 3 * own.get(path.suffix, [])


def _lost(path: Path, chance: random.Random) -> None:
    path.unlink()


def _empty(path: Path, chance: random.Random) -> None:
    _replace(path, b"")


def _cut(path: Path, chance: random.Random) -> None:
    content = path.read_bytes()
    _replace(path, content[: chance.randrange(len(content))] if content else b"")


def _flipped(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    if content:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    _replace(path, bytes(content))


def _noise(path: Path, chance: random.Random) -> None:
    _replace(path, chance.randbytes(5000))


def _a_folder(path: Path, chance: random.Random) -> None:
    path.unlink()
    path.mkdir()


def _foreign(path: Path, chance: random.Random) -> None:
    """The same file of the other system, or of another folder."""
    text = str(path)
    other = Path(text.replace(*SYSTEMS)) if SYSTEMS[0] in text else Path(text.replace(*reversed(SYSTEMS)))
    if other == path or not other.is_file():
        other = chance.choice(sorted(file for file in path.parent.iterdir() if file.is_file()))
    _replace(path, other.read_bytes())


def _of_another_kind(path: Path, chance: random.Random) -> None:
    files = sorted(file for file in path.parent.iterdir() if file.is_file() and file.suffix != path.suffix)
    _replace(path, chance.choice(files).read_bytes() if files else b"text")


def _leaves(data: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of every value in JSON."""
    for key in range(len(data)) if isinstance(data, list) else data:
        yield data, key
        if isinstance(data[key], list | dict):
            yield from _leaves(data[key])


def _another_value(path: Path, chance: random.Random) -> None:
    data = json.loads(path.read_bytes())
    leaves = list(_leaves(data))
    if leaves:
        container, key = chance.choice(leaves)
        container[key] = chance.choice(JSON_VALUES)
    _replace(path, json.dumps(data).encode())


def _a_key_less(path: Path, chance: random.Random) -> None:
    data = json.loads(path.read_bytes())
    leaves = list(_leaves(data))
    if leaves:
        container, key = chance.choice(leaves)
        del container[key]
    _replace(path, json.dumps(data).encode())


def _rows(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text())))


def _write_rows(path: Path, rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    _replace(path, text.getvalue().encode())


def _another_cell(path: Path, chance: random.Random) -> None:
    rows = _rows(path)
    row = chance.choice(rows)
    row[chance.randrange(len(row))] = chance.choice(CELLS)
    _write_rows(path, rows)


def _a_row_less(path: Path, chance: random.Random) -> None:
    rows = _rows(path)
    del rows[chance.randrange(len(rows))]
    _write_rows(path, rows)


def _a_column_less(path: Path, chance: random.Random) -> None:
    rows = _rows(path)
    column = chance.randrange(len(rows[0]))
    _write_rows(path, [row[:column] + row[column + 1 :] for row in rows])


def _datasets(file: h5py.File) -> list[str]:
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return sorted(names)


def _h5(path: Path, change: Callable[[h5py.File], None]) -> None:
    copy = path.with_suffix(".copy")
    shutil.copyfile(path, copy)
    with h5py.File(copy, "r+") as file:
        change(file)
    copy.replace(path)


def _rewrite(file: h5py.File, name: str, data: np.ndarray[Any, Any]) -> None:
    attributes = dict(file[name].attrs)
    del file[name]
    file[name] = data
    file[name].attrs.update(attributes)


def _another_number(path: Path, chance: random.Random) -> None:
    def change(file: h5py.File) -> None:
        name = chance.choice([name for name in _datasets(file) if file[name].size and file[name].dtype.kind in "iufb"])
        data = file[name][()]
        flat = np.atleast_1d(data).reshape(-1).copy()
        place = chance.randrange(flat.size)
        if flat.dtype.kind == "f":
            flat[place] = chance.choice((np.nan, np.inf, -1.0, 0.0, 1e30, 2 * flat[place] + 1))
        elif flat.dtype.kind == "b":
            flat[place] = not flat[place]
        else:
            info = np.iinfo(flat.dtype)
            flat[place] = chance.choice((info.min, info.max, 0, min(info.max, int(flat[place]) + 1), 100))
        _rewrite(file, name, flat.reshape(np.shape(data)))

    _h5(path, change)


def _shorter(path: Path, chance: random.Random) -> None:
    def change(file: h5py.File) -> None:
        name = chance.choice([name for name in _datasets(file) if file[name].ndim and len(file[name]) > 1])
        _rewrite(file, name, file[name][: chance.randrange(len(file[name]))])

    _h5(path, change)


def _a_dataset_less(path: Path, chance: random.Random) -> None:
    def change(file: h5py.File) -> None:
        del file[chance.choice(_datasets(file))]

    _h5(path, change)


def _another_attribute(path: Path, chance: random.Random) -> None:
    def change(file: h5py.File) -> None:
        holders = [file, *(file[name] for name in _datasets(file))]
        holder = chance.choice([item for item in holders if len(item.attrs)] or [file])
        names = sorted(holder.attrs)
        if names and chance.random() < 0.3:
            del holder.attrs[chance.choice(names)]
        else:
            holder.attrs[chance.choice([*names, "more"])] = chance.choice((np.nan, -1, 0, 1e30, "x", 2**40))

    _h5(path, change)
