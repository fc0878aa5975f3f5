"""A finished study as an RO-Crate: what each file is, and what it was made from, for repositories and other programs.

The metadata follow RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) and Process Run Crate 0.5
(https://w3id.org/ro/wfrun/process/0.5): each record of what was made becomes an action with its inputs, its results and
the programs that made them.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from eoli.core.records import ENDING, Record, damaged, read_record_of
from eoli.errors import DataError, InputError
from eoli.study.analyses import ANALYSES

METADATA = "ro-crate-metadata.json"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_FORMATS = {
    "csv": "text/csv", "json": "application/json", "html": "text/html", "svg": "image/svg+xml", "png": "image/png",
    "pdf": "application/pdf", "h5": "application/x-hdf5", "pdb": "chemical/x-pdb", "xyz": "chemical/x-xyz", "log": "text/plain",
    "gro": "text/plain", "top": "text/plain", "itp": "text/plain",
}  # fmt: skip
_ANALYSES = {file.partition(".")[0]: analysis.help for analysis in ANALYSES for file in analysis.files}
_STAGES = {
    "md.xtc": "trajectory", "md.trr": "positions and velocities in full precision", "md.edr": "energies", "md.tpr": "run input",
    "md.gro": "last frame", "md.log": "log of GROMACS", "state.trr": "last state with velocities",
    "verdict.json": "what was checked, and whether the stage passed",
}  # fmt: skip


@dataclass(frozen=True)
class Author:
    """A person who made the study; `orcid` is a URL, or empty."""

    name: str
    orcid: str = ""


def records_in(results: Path) -> list[Record]:
    """Records of all finished products of a study, in the order of their paths.

    Raises DataError for a malformed one, or for one whose files are lost or changed.
    """
    found = []
    for path in sorted([*results.glob(f"*/*{ENDING}"), *results.glob(f"*/*/*{ENDING}")]):
        record = read_record_of(path)
        assert record is not None
        if wrong := damaged(record):
            raise DataError(f"{path}: {wrong[0]}; snakemake makes it again")
        found.append(record)
    return found


def _described(path: Path) -> str:
    if path.name.endswith(ENDING):
        return "record of what was made, from what and how"
    what = _STAGES.get(path.name) if path.parent.name not in ("analysis", "summary") else _ANALYSES.get(path.stem)
    return what or ""


def _made(record: Record) -> str:
    """When it was written, ISO 8601; empty if the record does not say."""
    try:
        return datetime.fromisoformat(str(record.more.get("made"))).isoformat()
    except ValueError:
        return ""


def _nearest(names: Iterable[str], asked: str) -> str:
    """Of files with the same content the one whose path ends most like the one asked for."""
    wanted = asked.split("/")[::-1]

    def alike(name: str) -> int:
        parts = name.split("/")[::-1]
        return next(
            (k for k, (a, b) in enumerate(zip(parts, wanted, strict=False)) if a != b), min(len(parts), len(wanted))
        )

    return max(sorted(names), key=alike)


def crate_of(
    results: Path, name: str, systems: Mapping[str, str], authors: Sequence[Author] = (), license_url: str = ""
) -> dict[str, Any]:
    """Metadata of the results in a folder as JSON-LD; `systems` are descriptions by name.

    It is dated by the newest record, so that the same results give the same metadata. Raises InputError without the
    package rocrate, DataError as `records_in` does, or without any record.
    """
    try:
        from rocrate.model.contextentity import ContextEntity
        from rocrate.model.person import Person
        from rocrate.rocrate import ROCrate
    except ImportError:
        raise InputError(
            "the Python package rocrate is missing; allowed: pip install rocrate, or EOLI with [crate]"
        ) from None
    records = records_in(results)
    if not records:
        raise DataError(f"{results}: no records of what was made")
    crate = ROCrate(version="1.1")
    crate.name, crate.description = name, f"Simulations of polymer electrolytes with EOLI: {name}"
    crate.datePublished = max(map(_made, records))
    crate.root_dataset["conformsTo"] = crate.add(
        ContextEntity(crate, PROFILE, {"@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"})
    )
    people = [crate.add(Person(crate, of.orcid or f"#{quote(of.name)}", {"name": of.name})) for of in authors]
    if people:
        crate.root_dataset["author"] = people
    if license_url:
        crate.license = crate.add(ContextEntity(crate, license_url, {"@type": "CreativeWork", "name": license_url}))
    files: dict[str, Any] = {}
    by_content: dict[str, list[str]] = {}
    for record in records:
        folder = record.path.parent
        marked = {folder / file: mark for file, mark in record.outputs.items()}
        for path, mark in {**marked, record.path: None}.items():
            relative = path.relative_to(results).as_posix()
            properties: dict[str, Any] = {
                "name": relative,
                "contentSize": str(mark.size if mark else path.stat().st_size),
            }
            if mark:
                properties["sha256"] = mark.sha256
                by_content.setdefault(mark.sha256, []).append(relative)
            if text := _described(path):
                properties["description"] = text
            if kind := _FORMATS.get(path.suffix.removeprefix(".")):
                properties["encodingFormat"] = kind
            files[relative] = crate.add_file(dest_path=relative, properties=properties)
    for system, description in systems.items():
        dataset = crate.add_dataset(dest_path=f"{system}/", properties={"name": system, "description": description})
        dataset["hasPart"] = [entity for file, entity in files.items() if file.startswith(f"{system}/")]
    programs: dict[str, Any] = {}

    def program(called: str, version: str) -> Any:
        key = f"#{called}-{version}"
        if key not in programs:
            properties = {"@type": "SoftwareApplication", "name": called, "softwareVersion": version}
            programs[key] = crate.add(ContextEntity(crate, key, properties))
        return programs[key]

    actions = []
    for record in records:
        relative = record.path.relative_to(results).as_posix()
        words = [str(word) for word in record.more.get("called_as", [])]
        used = [program("EOLI", str((record.more.get("software") or {}).get("eoli", "unknown")))]
        gromacs = record.more.get("gromacs")
        versions = gromacs.get("versions") if isinstance(gromacs, Mapping) else None
        used += [program("GROMACS", str(version)) for version in versions or []]
        inputs = dict.fromkeys(
            _nearest(by_content[digest], asked) for asked, digest in record.inputs.items() if digest in by_content
        )
        folder = record.path.parent
        action: dict[str, Any] = {
            "@type": "CreateAction",
            "name": shlex.join(["eoli", *words[1:2]]),
            "description": shlex.join(["eoli", *words[1:]]),
            "instrument": used,
            "object": [files[file] for file in inputs],
            "result": [files[(folder / file).relative_to(results).as_posix()] for file in record.outputs],
        }
        if made := _made(record):
            action["endTime"] = made
        if people:
            action["agent"] = people
        actions.append(crate.add(ContextEntity(crate, f"#{relative}", action)))
    crate.root_dataset["mentions"] = actions
    found: dict[str, Any] = crate.metadata.generate()
    return found
