"""A box with molecules whose topologies others made, alone or beside ours: from their entries to its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eoli.core.files import write_text
from eoli.errors import ForceFieldError, InputError
from eoli.forcefield.library import Composition, Library
from eoli.forcefield.models import (
    GROMOS,
    IMPORTED,
    IONS,
    Contents,
    ForceFieldChoice,
    ImportedEntry,
    ImportedIon,
    ImportedPolymer,
    imported_set,
)
from eoli.topology.adopted import Adopted, describe_adopted
from eoli.topology.beside import Ours, make_ours
from eoli.topology.build import built
from eoli.topology.composed import Part, compose, titled
from eoli.topology.description import MoleculeCount, SystemDescription, to_json
from eoli.topology.gromos import read_gromos54a7
from eoli.topology.imported import ImportedTopology, MoleculeType, read_topology
from eoli.topology.molecule import Molecule
from eoli.topology.roles import with_roles
from eoli.topology.structure import read_structure

_ROUNDED_E = 0.01
"""Most that the charges of one molecule may differ from its formal charge, e: files give four digits or so."""
_MASS = 1e-3
"""Most that a mass may differ from the sum of its atoms', relative."""
_DIGITS = 6
"""Digits of a start geometry, nm: more than its formats have, and fewer than single precision adds."""


@dataclass(frozen=True)
class ImportedBox:
    """The molecules of others in a box as their files have them, the description of all with their roles, and the texts of
    `compose`.

    `ours` are the molecules beside them that are built here. `installed` is the folder of GROMACS' force fields, if one was
    looked at.
    """

    adopted: tuple[Adopted, ...]
    description: SystemDescription
    texts: Mapping[str, str]
    installed: Path | None = None
    ours: Ours | None = None

    @property
    def counts(self) -> list[MoleculeCount]:
        """The molecules of `adopted` in the description."""
        names = {entry.part.name for entry in self.adopted}
        return [entry for entry in self.description.molecules if entry.molecule.name in names]

    @property
    def files(self) -> list[Path]:
        """All files that the topologies were read from."""
        topologies = {id(entry.part.topology): entry.part.topology for entry in self.adopted}.values()
        parts = [part for t in topologies for part in (t.forcefield.lines, *(m.lines for m in t.molecules.values()))]
        return sorted({*(t.path for t in topologies), *(line.file for lines in parts for line in lines)})


def _check(entry: ImportedEntry, molecule: MoleculeType) -> None:
    """Raise InputError where the files hold something else than the entry says."""
    said, atoms = entry.said, len(molecule.sites)
    mass = sum(site.mass for site in molecule.sites)
    if said.atoms != atoms:
        raise entry.wrong(f"{said.atoms} is not allowed; allowed: {atoms}, as in {molecule.where}", "atoms")
    if abs(mass - said.mass_g_mol) > _MASS * mass:
        raise entry.wrong(
            f"{said.mass_g_mol:g} is not allowed; allowed: {mass:.3f}, the sum of the atoms in {molecule.where}",
            "mass_g_mol",
        )
    if abs(molecule.charge - entry.charge) > _ROUNDED_E:
        if not entry.charge:
            allowed = "0, or a whole negative one that the key charge has, for a polymer"
            raise entry.wrong(
                f"{molecule.where} has a charge of {molecule.charge:+.4f} e; allowed: "
                f"{allowed if isinstance(said, ImportedPolymer) else '0 for a solvent'}",
                "molecule",
            )
        allowed, of_files = "a topology with the full charges", round(molecule.charge)
        if isinstance(said, ImportedIon):
            scaled = 0 < molecule.charge / entry.charge < 1
            factor = f"ion_charge_scale: {molecule.charge / entry.charge:.4g} in the sweep, and " if scaled else ""
            allowed = f"{factor}{allowed}"
        elif of_files <= 0 and abs(molecule.charge - of_files) <= _ROUNDED_E:
            allowed = f"{of_files}"
        raise entry.wrong(
            f"{entry.charge:+d} is not allowed: the charges in {molecule.where} sum to {molecule.charge:+.4f} e; allowed: {allowed}",
            "charge",
        )


def _read_once(entries: Iterable[ImportedEntry], installed: Path | None) -> list[ImportedTopology]:
    """The topology of each entry: one object for those that are read from the same files in the same way."""
    found: dict[tuple[object, ...], ImportedTopology] = {}
    topologies = []
    for entry in entries:
        key = (entry.topology, *entry.include, *entry.said.defines.items())
        if key not in found:
            found[key] = read_topology(entry.topology, entry.include, entry.said.defines, installed)
        topologies.append(found[key])
    return topologies


def _adopt(topology: ImportedTopology, entry: ImportedEntry, kind: str, count: int, scale: float) -> Adopted:
    """An entry's molecule type, checked, with its start geometry. Raises InputError for what the entry says wrongly."""
    try:
        molecule = topology.molecule(entry.molecule)
    except ForceFieldError as error:
        raise entry.wrong(str(error), "molecule") from None
    _check(entry, molecule)
    positions = read_structure(entry.structure, molecule).round(_DIGITS).tolist() if entry.structure else ()
    return Adopted(Part(topology, molecule.name, count, scale), kind, positions)


def _with_roles(molecule: Molecule, entry: ImportedEntry) -> Molecule:
    said = entry.said
    found = with_roles(molecule, said.roles, said.blocks if isinstance(said, ImportedPolymer) else {}, entry.wrong)
    roles = [site.role for site in found.sites]
    if isinstance(said, ImportedPolymer) and roles.count("ether_O") != said.ether_oxygens:
        raise entry.wrong(
            f"{said.ether_oxygens} is not allowed; allowed: {roles.count('ether_O')}, the atoms with the role ether_O",
            "ether_oxygens",
        )
    if molecule.kind == "cation" and roles.count("Li") != 1:
        raise entry.wrong(f"{roles.count('Li')} atoms have this role; allowed: one", "roles", "Li")
    return found


def _check_choice(contents: Contents, choice: ForceFieldChoice, found: Composition) -> None:
    """Raise InputError for an ether set and a mixing rule that imported polymers do not have."""
    sets = dict.fromkeys(
        imported_set(entry.said.force_field) for entry in found.imported if isinstance(entry.said, ImportedPolymer)
    )
    if choice.mixing != IMPORTED or [*sets] != [choice.ether_set]:
        raise InputError(
            f"{' with '.join(contents.words)}: ether set {choice.ether_set!r} with mixing {choice.mixing!r} is not allowed; "
            "allowed: " + (f"{', '.join(sets)} with {IMPORTED!r}" if sets else f"any but {IMPORTED!r}")
        )


def _ours(
    found: Composition, others: Sequence[Adopted], choice: ForceFieldChoice, blocks: Library, installed: Path | None
) -> Ours | None:
    """Molecules of our building blocks beside others, if there are any."""
    own = [part for part in found.ingredients if part.count and not isinstance(part.entry, ImportedEntry)]
    if not own:
        return None
    assert installed is not None
    forcefield = read_gromos54a7(installed / GROMOS)
    molecules = [built(part, choice, blocks, forcefield) for part in own]
    return make_ours(molecules, [(entry.part, entry.kind) for entry in others], choice, blocks, forcefield)


def imported_box(
    contents: Contents, choice: ForceFieldChoice, blocks: Library, installed: Path | None = None
) -> ImportedBox:
    """The box of molecules whose topologies others made, and of ours if the polymer is one of ours.

    `installed` is the folder of GROMACS' own force fields, which a box may need (`Composition.of_gromacs`).
    Raises InputError, at the entry's key, for a molecule that is not what its entry says; ForceFieldError, one line with
    file and number, for a topology that grompp would not take, or that differs from another one of the box.
    """
    found, scale = blocks.composition(contents, choice), choice.ion_charge_scale
    if not found.built_here or choice.mixing == IMPORTED:
        _check_choice(contents, choice, found)
    wanted: list[tuple[ImportedEntry, str, int, float]] = []
    for part in (part for part in found.ingredients if part.count):
        if isinstance(part.entry, ImportedEntry):
            wanted.append((part.entry, part.kind, part.count, scale if part.kind in IONS else 1.0))
    read = _read_once([entry for entry, *_ in wanted], installed)
    adopted = [_adopt(topology, *one) for topology, one in zip(read, wanted, strict=True)]
    ours = _ours(found, adopted, choice, blocks, installed)
    parts = {one.part.name: one.part for one in adopted}
    parts |= {} if ours is None else {entry.molecule.name: ours.part(entry) for entry in ours.description.molecules}
    order = [part.entry.molecule for part in found.ingredients if part.count]
    texts = compose([parts[name] for name in order], "")
    described = describe_adopted(adopted, choice, texts["forcefield.itp"])
    molecules = {
        entry.molecule: MoleculeCount(_with_roles(counted.molecule, entry), counted.count)
        for counted, (entry, *_) in zip(described.molecules, wanted, strict=True)
    }
    molecules |= {} if ours is None else {entry.molecule.name: entry for entry in ours.description.molecules}
    description = replace(described, molecules=tuple(molecules[name] for name in order))
    return ImportedBox(tuple(adopted), description, texts, installed, ours)


def write_imported(box: ImportedBox, title: str, folder: Path) -> None:
    """Write all files of the topology, or none."""
    for name, text in (titled(box.texts, title) | {"system.json": to_json(box.description)}).items():
        write_text(folder / name, text)


def files_of(entries: Sequence[ImportedEntry], box: ImportedBox) -> list[Path]:
    """All files that the molecules are read from, without their entries."""
    return sorted({path for entry in entries for path in entry.sums} | {*box.files})
