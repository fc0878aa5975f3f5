"""The folder of building blocks: reads, resolves and checks the YAML files of `topologies/`."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from pydantic import ConfigDict, Field, RootModel

from eoli.core.files import sha256
from eoli.core.names import shares_of
from eoli.core.text import did_you_mean, misspelt
from eoli.core.validation import Model, Strict, place, validate
from eoli.core.yamlfile import KeyPath, YamlFile, read_yaml
from eoli.errors import ForceFieldError, InputError
from eoli.forcefield.models import (
    ANION_ROLES,
    CATION_ROLES,
    DEFAULT,
    ELEMENTS,
    GROMOS,
    MOST_SITES,
    NO_SALT,
    POLYMER_ROLES,
    SOLVENT_ROLES,
    TERMS,
    AtomEntry,
    BondedTable,
    Chain,
    Contents,
    ForceFieldChoice,
    ImportedEntry,
    ImportedIon,
    ImportedPolymer,
    ImportedSolvent,
    Ingredient,
    Ion,
    IonVariant,
    Labels,
    LennardJonesType,
    Limit,
    Limits,
    Polymer,
    Salt,
    Solvent,
    Source,
    Unit,
    Word,
    imported_set,
)
from eoli.forcefield.preprocessed import read_lines

Item = TypeVar("Item")
_REPEAT = re.compile(r"^\s*(?P<unit>[^*\s]+)\s*(?:\*\s*(?P<count>[1-9][0-9]{0,30})\s*)?$")


class _Table(RootModel[dict[Word, Item]], Generic[Item]):
    """A file of entries by name."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Library:
    """The folder of building blocks."""

    root: Path

    def _file(self, kind: str, name: str, wanted: str, variant: str | None = None) -> YamlFile:
        """The file of an entry: `<kind>/<name>.yaml`, or `<kind>/<name>/<variant>.yaml` if it has variants."""
        known = self.names(kind)
        if name not in known:
            raise InputError(
                f"{wanted} {name!r} is not in {self.root / kind}{misspelt(name, known)}; allowed: "
                + (", ".join(known) or "none")
            )
        variants = self.variants(kind, name)
        if variants:
            _check_variant(f"{wanted} {name}", variant, variants)
        file = read_yaml(self.root / self.relative_path(kind, name, variant))
        _check_called(file, wanted, name)
        if kind == "ions" and variants:
            _check_called(file, "model", str(variant))
        elif kind == "ions" and (model := _said(file, "model")) is not None:
            _check_variant(f"{wanted} {name}", variant, [model])
        return file

    def relative_path(self, kind: str, name: str, variant: str | None) -> str:
        """Path of an entry within the folder."""
        return f"{kind}/{name}/{variant}.yaml" if self.variants(kind, name) else f"{kind}/{name}.yaml"

    def _cited(self, model: type[Model], data: Any, file: YamlFile, under: KeyPath = ()) -> Model:
        """Validated data whose sources are all in sources.yaml."""
        entry = validate(model, data, [file], under)
        for keys, source in _sources(data, under):
            if source not in self.sources:
                allowed = ", ".join(self.sources)
                raise InputError(f"{place(keys, [file])}: {source!r} is not in sources.yaml; allowed: {allowed}")
        return entry

    def names(self, kind: str) -> list[str]:
        """Names of the entries of one kind (`polymers`, `salts`, `units`, `ions`, `solvents`)."""
        folder = self.root / kind
        return sorted(
            {path.stem for path in folder.glob("*.yaml")} | {path.parent.name for path in folder.glob("*/*.yaml")}
        )

    def variants(self, kind: str, name: str) -> list[str]:
        """Parameter sets of an entry that has several; empty if it has a single file."""
        return sorted(path.stem for path in (self.root / kind / name).glob("*.yaml"))

    def ether_sets(self) -> list[str]:
        """Parameter sets that units of polymers have."""
        return sorted({variant for name in self.names("units") for variant in self.variants("units", name)})

    @lru_cache  # noqa: B019  (a process reads one or two libraries)
    def unit(self, name: str, ether_set: str) -> Unit:
        """A unit by its name, checked for consistency; one without variants belongs to every ether set.

        Raises InputError for a unit that is none or contradicts itself, at its key.
        """
        file = self._file("units", name, "unit", ether_set)
        unit = self._cited(Unit, file.data, file)
        _check_atoms(file, unit.atoms, unit.bonds, unit.charge)
        self._check_roles(file, unit.atoms, POLYMER_ROLES)
        ether_oxygens = sum(atom.role == "ether_O" for atom in unit.atoms)
        if ether_oxygens != unit.ether_oxygens:
            raise InputError(
                f"{place(('ether_oxygens',), [file])}: {unit.ether_oxygens} is not allowed; allowed: {ether_oxygens}, the "
                "number of its atoms with the role ether_O"
            )
        for key in ("head", "tail"):
            atom = getattr(unit, key)
            if atom is not None and atom not in {a.name for a in unit.atoms}:
                raise InputError(f"{place((key,), [file])}: {atom!r} is no atom of unit {name}")
        return unit

    def _imported(
        self, said: ImportedPolymer | ImportedIon | ImportedSolvent, file: YamlFile, roles: Sequence[str]
    ) -> ImportedEntry:
        """An entry whose topology others made, with the checksums of its files; roles are some of those given.

        The topology is read as text only, without what GROMACS installs: enough to name an include that is missing.
        """
        for role in said.roles:
            if role not in roles:
                hint = did_you_mean(role, roles)
                raise InputError(f"{place(('roles', role), [file])}: is not allowed{hint}; allowed: {', '.join(roles)}")
        entry = ImportedEntry(said, file, self.root, {})
        for folder in entry.include:
            if not folder.is_dir():  # a file of GROMACS with the same name would be taken without a word
                raise entry.wrong(
                    f"no folder {folder}; allowed: folders with files that the topology includes", "include"
                )
        of_gromacs: set[str] = set()
        try:
            lines = read_lines(entry.topology, entry.include, said.defines, left_out=of_gromacs)
        except ForceFieldError as error:
            raise entry.wrong(str(error), "topology") from None
        read = {line.file for line in lines}
        if entry.structure is not None:
            if not entry.structure.is_file():
                raise entry.wrong(f"no file {entry.structure}; allowed: a .gro or .pdb file", "structure")
            read.add(entry.structure)
        sums = {path: sha256(path) for path in sorted({entry.topology, *read})}
        return replace(entry, sums=sums, of_gromacs=frozenset(of_gromacs))

    def _check_roles(self, file: YamlFile, atoms: list[AtomEntry], allowed: tuple[str, ...]) -> None:
        """Roles must be known, and every oxygen needs one: else it would bind lithium without being counted."""
        for number, atom in enumerate(atoms):
            where = place(("atoms", number, "role"), [file])
            if atom.role is not None and atom.role not in allowed:
                raise InputError(f"{where}: {atom.role!r} is not allowed; allowed: {', '.join(allowed)}")
            if atom.role is None and abs(self.mass(atom.type) - ELEMENTS["O"][1]) < 0.01:
                raise InputError(
                    f"{where}: the oxygen {atom.name} has none, and nothing would count what it binds; allowed: "
                    f"{', '.join(allowed)}"
                )

    def _part(self, entry: str, ether_set: str) -> tuple[Unit, int]:
        match = _REPEAT.match(entry)
        if match is None:
            raise InputError(f"{entry!r} is not allowed: write NAME or NAME * COUNT")
        return self.unit(match["unit"], ether_set), int(match["count"] or 1)

    @lru_cache  # noqa: B019  (a process reads one or two libraries)
    def polymer(self, name: str, ether_set: str) -> Chain | ImportedEntry:
        """A polymer by its name, with all its units in the parameters of an ether set; an imported one has its own."""
        file = self._file("polymers", name, "polymer")
        return self._molecule(file, Polymer, ImportedPolymer, (*POLYMER_ROLES, *ANION_ROLES), ether_set)

    def imported_sets(self, polymers: Sequence[str], ether_set: str) -> list[str]:
        """The ether sets that imported polymers have; one at most, and none for polymers of our building blocks.

        Raises InputError for polymers of several sets, and for some of ours beside imported ones.
        """
        entries = {name: self.polymer(name, ether_set) for name in polymers}
        sets = {
            name: imported_set(entry.said.force_field)
            for name, entry in entries.items()
            if isinstance(entry, ImportedEntry) and isinstance(entry.said, ImportedPolymer)
        }
        found = list(dict.fromkeys(sets.values()))
        if len(found) > 1 or 0 < len(sets) < len(entries):
            said = ", ".join(f"{name} of {sets.get(name, 'our building blocks')}" for name in entries)
            raise InputError(f"{said}; allowed: a blend of one force field")
        return found

    @lru_cache  # noqa: B019  (a process reads one or two libraries)
    def solvent(self, name: str, ether_set: str) -> Chain | ImportedEntry:
        """A solvent by its name, as a polymer."""
        file = self._file("solvents", name, "solvent")
        return self._molecule(file, Solvent, ImportedSolvent, SOLVENT_ROLES, ether_set)

    def _molecule(
        self, file: YamlFile, own: type[Polymer | Solvent], imported: type[ImportedPolymer | ImportedSolvent],
        roles: Sequence[str], ether_set: str,
    ) -> Chain | ImportedEntry:  # fmt: skip
        """A molecule of units, or one whose topology others made."""
        if _is_imported(file):
            return self._imported(self._cited(imported, file.data, file), file, roles)
        return self._chain(self._cited(own, file.data, file), file, ether_set)

    def _chain(self, said: Polymer | Solvent, file: YamlFile, ether_set: str) -> Chain:
        """The units of a sequence. Raises InputError for some that do not follow one another, ForceFieldError for a charge."""
        parts: list[tuple[list[tuple[Unit, int]], int]] = []
        for number, entry in enumerate(said.sequence):
            try:
                one = [self._part(part, ether_set) for part in ([entry] if isinstance(entry, str) else entry.of)]
            except InputError as error:
                raise InputError(f"{place(('sequence', number), [file])}: {error}") from None
            parts.append((one, 1 if isinstance(entry, str) else entry.repeat))
        n_sites = sum(times * count * len(unit.atoms) for one, times in parts for unit, count in one)
        if n_sites > MOST_SITES:
            raise InputError(
                f"{place(('sequence',), [file])}: a chain of {n_sites:.6g} sites is not allowed; allowed: up to {MOST_SITES}"
            )
        units = [unit for one, times in parts for _ in range(times) for unit, count in one for _ in range(count)]
        for before, after in itertools.pairwise(units):
            if before.tail is None or after.head is None:
                raise InputError(
                    f"{place(('sequence',), [file])}: unit {before.unit} cannot be followed by {after.unit}"
                )
        charge = sum(unit.charge for unit in units)
        if abs(charge) > 1e-6:
            of_units = ", ".join(sorted({f"{unit.unit} {unit.charge:+g}" for unit in units}))
            raise ForceFieldError(
                f"{place(('sequence',), [file])}: the chain has a charge of {charge:+.4f} e; allowed: 0 (units: {of_units})"
            )
        return Chain(said, ether_set, tuple(units))

    @lru_cache  # noqa: B019  (a process reads one or two libraries)
    def ion(self, name: str, model: str) -> Ion | ImportedEntry:
        """An ion by its name, in the parameters of a model.

        Raises InputError for one that is none or contradicts itself, at its key.
        """
        variants: list[tuple[IonVariant, YamlFile]] = []
        seen = {(name, model)}
        file = self._file("ions", name, "ion", model)
        while isinstance(file.data, dict) and "based_on" in file.data:
            variant = self._cited(IonVariant, file.data, file)
            variants.append((variant, file))
            base = (variant.ion, variant.based_on)
            if base in seen:
                raise InputError(
                    f"{place(('based_on',), [file])}: {base[1]} is based on this model; allowed: one that is not"
                )
            seen.add(base)
            file = self._file("ions", base[0], "ion", base[1])
        if _is_imported(file):
            if variants:
                raise InputError(
                    f"{place(('based_on',), [variants[-1][1]])}: {base[1]} is imported; allowed: a model of own building blocks"
                )
            said = self._cited(ImportedIon, file.data, file)
            return self._imported(said, file, _roles_of_ion(file, said.charge))
        ion = self._cited(Ion, file.data, file)
        _check_atoms(file, ion.atoms, ion.bonds, ion.charge)
        _check_geometry(file, ion)
        allowed = _roles_of_ion(file, ion.charge)
        self._check_roles(file, ion.atoms, allowed)
        if all(atom.role is None for atom in ion.atoms):
            raise InputError(
                f"{place(('atoms',), [file])}: no atom has a role, and no analysis would find the ion; allowed: "
                f"{', '.join(allowed)}"
            )
        for variant, source in reversed(variants):
            ion = _changed(ion, variant, source)
        return ion

    @lru_cache  # noqa: B019  (a process reads one or two libraries)
    def salt(self, name: str) -> Salt:
        """A salt by its name. Raises InputError unless its ions exist and have opposite charges."""
        file = self._file("salts", name, "salt")
        salt = self._cited(Salt, file.data, file)
        try:
            ions = self._ions(salt, salt.cation_model, salt.anion_model)
        except InputError as error:
            raise InputError(f"{file.path}: {error}") from None
        for key, ion, wanted in zip(("cation", "anion"), ions, (1, -1), strict=False):
            if ion.charge != wanted:
                raise InputError(
                    f"{place((key,), [file])}: {getattr(salt, key)!r} has a charge of {ion.charge:+d} e; allowed: {wanted:+d} e, "
                    "for the salt is a neutral pair"
                )
        _check_names(str(file.path), [ion.molecule for ion in ions])
        return salt

    def _ions(self, salt: Salt, cation_model: str, anion_model: str | None) -> list[Ion | ImportedEntry]:
        """The cation, then the anion of a salt that has one."""
        cation = self.ion(salt.cation, cation_model)
        return [cation] if salt.anion is None or anion_model is None else [cation, self.ion(salt.anion, anion_model)]

    def choose(
        self, salts: str | Sequence[str], ether_set: str, cation_model: str, anion_model: str, mixing: str,
        ion_charge_scale: float,
    ) -> ForceFieldChoice:  # fmt: skip
        """A choice with `default` replaced by the models that the salts name; a neat polymer has no ion models.

        Raises InputError for a model that an ion does not have, for salts without a cation in common, and for a mixture with
        one that has no anion.
        """
        names = [salts] if isinstance(salts, str) else salts
        entries = [self.salt(name) for name in names if name != NO_SALT]
        if not entries:
            return ForceFieldChoice(ether_set, None, None, mixing, ion_charge_scale)
        first = entries[0]
        for other in entries[1:]:
            for what, one, another in (
                ("cation", first.cation, other.cation),
                ("model of its cation", first.cation_model, other.cation_model),
            ):
                if one != another:
                    raise InputError(
                        f"{first.salt} has the {what} {one!r}, and {other.salt} {another!r}; allowed: salts that name one cation "
                        "and one model of it"
                    )
        cation = first.cation_model if cation_model == DEFAULT else cation_model
        usual = [entry.anion_model for entry in entries if entry.anion_model is not None]
        if len(entries) > 1 and len(usual) < len(entries):
            alone = next(entry.salt for entry in entries if entry.anion is None)
            raise InputError(f"{alone} has no anion, and a mixture has shares of anions; allowed: {alone} by itself")
        anions = usual if anion_model == DEFAULT else anion_model.split("+")
        if len(anions) != len(usual):
            raise InputError(
                f"{anion_model!r} is not allowed for the anions of {', '.join(names)}; allowed: {DEFAULT}, the ones that the "
                "salts name"
            )
        for entry, anion in itertools.zip_longest(entries, anions):
            self._ions(entry, cation, anion)
        return ForceFieldChoice(ether_set, cation, "+".join(anions) or None, mixing, ion_charge_scale)

    def composition(self, contents: Contents, choice: ForceFieldChoice) -> Composition:
        """The molecules of a box: chains, cation, anions, and solvents.

        Raises InputError if two of them have the same name, and so the same file, for some of our building blocks beside an
        imported polymer, and if chains have a charge that the salt is not made for.
        """
        parts = [
            Ingredient("polymer", self.polymer(name, choice.ether_set), count) for name, count in contents.polymers
        ]
        polymers = {name: part.entry for (name, _), part in zip(contents.polymers, parts, strict=True)}
        theirs = next((name for name, entry in polymers.items() if isinstance(entry, ImportedEntry)), None)
        built_here = [name for name, entry in polymers.items() if isinstance(entry, Chain)]
        if theirs is not None and built_here:
            raise self._built_here("polymers", built_here[0], theirs, "an imported polymer")
        salts = [(self.salt(name), count) for name, count in contents.salts]
        _check_charges(parts, [entry for entry, _ in salts], choice)
        if salts:
            with_anion = [entry for entry, _ in salts if entry.anion is not None]
            if choice.cation_model is None or len(choice.anion_models) != len(with_anion):
                raise InputError(
                    f"{', '.join(entry.salt for entry, _ in salts)}: no models of the ions; allowed: one for each"
                )
            models = iter(choice.anion_models)
            ions_of = [
                self._ions(entry, choice.cation_model, None if entry.anion is None else next(models))
                for entry, _ in salts
            ]
            for (entry, _), ions in zip(salts, ions_of, strict=True):
                own = [ion.molecule for ion in ions if not isinstance(ion, ImportedEntry)]
                if theirs is not None and own:
                    what = f"{' and '.join(own)} of {entry.salt}"
                    raise self._built_here("salts", entry.salt, theirs, "a salt whose ions are all imported", what)
            parts.append(Ingredient("cation", ions_of[0][0], contents.cations))
            parts += [
                Ingredient("anion", anion, count)
                for (_, count), (_, *anions) in zip(salts, ions_of, strict=True)
                for anion in anions
            ]
        for name, _ in contents.solvents:
            if theirs is not None and not _is_imported(self._file("solvents", name, "solvent")):
                raise self._built_here("solvents", name, theirs, "an imported solvent")
        parts += [
            Ingredient("solvent", self.solvent(name, choice.ether_set), count) for name, count in contents.solvents
        ]
        where = f"{self.root / self.relative_path('polymers', contents.polymers[0][0], None)}"
        _check_names(where, [part.entry.molecule for part in parts])
        return Composition(tuple(parts))

    def _built_here(self, kind: str, name: str, polymer: str, allowed: str, what: str = "") -> InputError:
        """Of our building blocks, beside an imported polymer: nothing says by which rule the two would mix."""
        named = what or name
        return InputError(
            f"{self.root / self.relative_path(kind, name, None)}: {named} {'are' if ' and ' in named else 'is'} made of our "
            f"building blocks, and the polymer {polymer} is imported, so that nothing says with which ether set and mixing "
            f"rule; allowed: {allowed} (with the key topology)"
        )

    def imported_beside(self, salts: Iterable[str], solvents: Iterable[str]) -> list[str]:
        """Those of the salts (cells, names with shares) and solvents whose topology others made; a salt for one of its ions."""
        entries = [self.salt(name) for name in dict.fromkeys(self._known("salts", salts))]
        found = [
            entry.salt
            for entry in entries
            if any(isinstance(i, ImportedEntry) for i in self._ions(entry, entry.cation_model, entry.anion_model))
        ]
        known = [name for name in dict.fromkeys(solvents) if name in self.names("solvents")]
        return found + [
            name for name in known if _is_imported(read_yaml(self.root / self.relative_path("solvents", name, None)))
        ]

    def labels(self, polymers: Iterable[str], salts: Iterable[str], solvents: Iterable[str] = ()) -> Labels:
        """Names for people of polymers, salts and their anions, and solvents; those without a label, or not in the folder,
        are left out."""
        chains = {name: self._either("polymers", name) for name in self._known("polymers", polymers)}
        pairs = {name: self._entry(Salt, "salts", name) for name in self._known("salts", salts)}
        beside = {name: self._either("solvents", name) for name in solvents if name in self.names("solvents")}
        return Labels(
            {name: entry.label for name, entry in chains.items() if entry.label},
            {name: entry.label for name, entry in pairs.items() if entry.label},
            {name: entry.anion_label for name, entry in pairs.items() if entry.anion_label},
            {name: entry.label for name, entry in beside.items() if entry.label},
        )

    def _known(self, kind: str, cells: Iterable[str]) -> list[str]:
        """Names in cells, those of mixtures one by one, that the folder has."""
        known = self.names(kind)
        return [name for cell in cells for name in shares_of(cell) if name in known]

    def _either(self, kind: str, name: str) -> Polymer | ImportedPolymer | Solvent | ImportedSolvent:
        """What an entry says that may be imported."""
        is_imported = _is_imported(read_yaml(self.root / self.relative_path(kind, name, None)))
        if kind == "polymers":
            return self._entry(ImportedPolymer, kind, name) if is_imported else self._entry(Polymer, kind, name)
        return self._entry(ImportedSolvent, kind, name) if is_imported else self._entry(Solvent, kind, name)

    def _entry(self, model: type[Model], kind: str, name: str) -> Model:
        file = read_yaml(self.root / self.relative_path(kind, name, None))
        return self._cited(model, file.data, file)

    @cached_property
    def bonded(self) -> BondedTable:
        """Bonded terms of the polymers."""
        file = read_yaml(self.root / "bonded.yaml")
        return self._cited(BondedTable, file.data, file)

    @cached_property
    def atom_types(self) -> dict[str, LennardJonesType]:
        """Types that the installed force field lacks. Raises InputError for one that is like another of this file."""
        file = read_yaml(self.root / "atomtypes.yaml")
        types = self._cited(_Table[LennardJonesType], file.data, file).root
        for name, entry in types.items():
            if entry.like in types:
                raise InputError(
                    f"{place((name, 'like'), [file])}: {entry.like!r} is of this file; allowed: a type of gromos54a7.ff"
                )
        return types

    @cached_property
    def _masses(self) -> dict[str, float]:
        file = read_yaml(self.root / "masses.yaml")
        return validate(_Table[Annotated[float, Field(ge=1, le=300)]], file.data, [file]).root

    @cached_property
    def limits(self) -> tuple[Limit, ...]:
        """Known limits of the models."""
        file = read_yaml(self.root / "limits.yaml")
        return tuple(validate(Limits, file.data, [file]).limits)

    def size_of(self, entry: Chain | Ion | ImportedEntry) -> tuple[int, float]:
        """Sites and mass (g/mol) of one molecule."""
        if isinstance(entry, ImportedEntry):
            return entry.said.atoms, entry.said.mass_g_mol
        return len(entry.atoms), sum(self.mass(atom.type) for atom in entry.atoms)

    def mass(self, type_name: str) -> float:
        """Mass (g/mol) of a Lennard-Jones type. Raises ForceFieldError for one that has none."""
        own = self.atom_types.get(type_name)
        if own is not None:
            return own.mass
        if type_name not in self._masses:
            known = sorted([*self.atom_types, *self._masses])
            raise ForceFieldError(f"type {type_name!r} has no mass in {self.root}; allowed: {', '.join(known)}")
        return self._masses[type_name]

    def digest(self, contents: Contents, choice: ForceFieldChoice) -> str:
        """SHA-256 of everything that the topology of a box is made from, without comments, spacing and numbers of molecules.

        Only the entries that these molecules use count, so that an edit elsewhere makes no other topology stale.
        """
        found = self.composition(contents, choice)
        imported = _imported_digest(found.imported) if found.imported else ""
        if imported and not found.built_here:
            return imported
        parts: list[Strict] = [
            *_sequences(found, "polymer"),
            *(self.salt(name) for name, _ in contents.salts),
            *(part.entry for part in found.ingredients if isinstance(part.entry, Ion)),
            *_sequences(found, "solvent"),
        ]
        atoms = [atom for part in parts if isinstance(part, Unit | Ion) for atom in part.atoms]
        classes = {atom.bonded_class for atom in atoms}
        table = self.bonded
        used = [e for name in TERMS for e in getattr(table, name) if classes.issuperset(e.classes)]
        types = sorted({atom.type for atom in atoms})
        likes = [self.atom_types[name] for name in types if name in self.atom_types]
        masses = [f"{name} {self.mass(name)}" for name in types]
        texts = [
            part.model_dump_json(exclude={"label", "anion_label"})
            for part in (*parts, table.functions, table.one_four, *used, *likes)
        ]
        text = "\n".join([*texts, *masses, table.dihedral_convention, *([imported] if imported else [])])
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def citations_digest(self) -> str:
        """SHA-256 of sources and known limits, without comments and spacing."""
        said = [read_yaml(self.root / name).data for name in ("sources.yaml", "limits.yaml")]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    @cached_property
    def sources(self) -> dict[str, Source]:
        """Citations by key."""
        file = read_yaml(self.root / "sources.yaml")
        return validate(_Table[Source], file.data, [file]).root

    def check_tables(self) -> None:
        """Read the shared files. Raises InputError for one that is missing or wrong."""
        _ = self.sources, self.atom_types, self._masses, self.bonded, self.limits


@dataclass(frozen=True)
class Composition:
    """The molecules of a box in the order of its topology."""

    ingredients: tuple[Ingredient, ...]

    @property
    def imported(self) -> tuple[ImportedEntry, ...]:
        """Those whose topology others made."""
        return tuple(part.entry for part in self.ingredients if isinstance(part.entry, ImportedEntry))

    @property
    def built_here(self) -> bool:
        """Whether some are of our building blocks."""
        return any(not isinstance(part.entry, ImportedEntry) for part in self.ingredients)

    @property
    def of_gromacs(self) -> list[str]:
        """What they take from the force fields that GROMACS installs: includes, and the one that ours are built with."""
        return sorted(
            {name for entry in self.imported for name in entry.of_gromacs} | ({GROMOS} if self.built_here else set())
        )

    @property
    def ether_oxygens(self) -> int:
        """Ether oxygens of the box, the EO of EO:Li."""
        return sum(part.count * part.ether_oxygens for part in self.ingredients)

    @property
    def tethered_charge(self) -> int:
        """Formal charge of all chains, e: zero, or that of their tethered anions."""
        return sum(part.count * part.charge for part in self.ingredients if part.kind == "polymer")

    @property
    def roles(self) -> set[str | None]:
        """Roles of the sites."""
        return set().union(*(part.roles for part in self.ingredients))


def _check_charges(chains: Sequence[Ingredient], salts: Sequence[Salt], choice: ForceFieldChoice) -> None:
    """Chains have a charge exactly where the salt has no anion. Raises InputError where they do not."""
    alone = next((entry.salt for entry in salts if entry.anion is None), None)
    charged = [part.entry for part in chains if part.charge]
    if alone is not None and not charged:
        names = ", ".join(part.entry.molecule for part in chains)
        raise InputError(
            f"{alone} has no anion, and {names} has no charge; allowed: a polymer with a charge, or a salt with an anion"
        )
    for entry in charged:
        assert isinstance(entry, ImportedEntry)
        if alone is None:
            raise entry.wrong(
                f"{entry.molecule} has a charge of {entry.charge:+d} e; allowed: with a salt that has no anion, whose lithium "
                "neutralises the chains", "charge",
            )  # fmt: skip
        if choice.ion_charge_scale != 1:
            raise entry.wrong(
                f"{entry.molecule} has the anions in its chain, and a factor of {choice.ion_charge_scale:g} on the charges of ions "
                "would leave the box charged; allowed: an ion_charge_scale of 1", "charge",
            )  # fmt: skip


def _sequences(found: Composition, kind: str) -> Iterator[Strict]:
    """Polymers or solvents of a box, each followed by its units."""
    for entry in (part.entry for part in found.ingredients if part.kind == kind):
        if isinstance(entry, Chain):
            yield entry.said
            yield from {unit.unit: unit for unit in entry.units}.values()


def _said(file: YamlFile, key: str) -> str | None:
    """Text of an entry under a key, before the entry is validated."""
    said = file.data.get(key) if isinstance(file.data, dict) else None
    return said if isinstance(said, str) else None


def _check_called(file: YamlFile, key: str, name: str) -> None:
    """Raise InputError for an entry with another name than its file: sweeps ask for the one, tables list the other."""
    said = _said(file, key)
    if said is not None and said != name:
        raise InputError(f"{place((key,), [file])}: {said!r} is not allowed; allowed: {name}, as its file is called")


def _check_variant(entry: str, variant: str | None, variants: list[str]) -> None:
    """Raise InputError for a parameter set that an entry does not have."""
    if variant not in variants:
        hint = did_you_mean(str(variant), variants)
        raise InputError(f"{entry} has no parameter set {variant!r}{hint}; allowed: {', '.join(variants)}")


def _is_imported(file: YamlFile) -> bool:
    """Whether an entry names a topology that others made."""
    return isinstance(file.data, dict) and "topology" in file.data


def _imported_digest(entries: Iterable[ImportedEntry]) -> str:
    """SHA-256 of what imported entries say and of their files, wherever these lie."""
    texts = []
    for entry in entries:
        texts += [
            # a neutral chain is the same whether its entry says so or not
            entry.said.model_dump_json(exclude={"label"} if entry.charge else {"label", "charge"}),
            *(f"{path.name} {text}" for path, text in entry.sums.items()),
        ]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def _roles_of_ion(file: YamlFile, charge: int) -> tuple[str, ...]:
    """Roles that an ion may have. Raises InputError for one without a charge."""
    if charge == 0:
        raise InputError(f"{place(('charge',), [file])}: 0 is not allowed: an ion has a charge")
    return CATION_ROLES if charge > 0 else ANION_ROLES


def _sources(data: Any, keys: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """All `source:` entries, however deep, with their key paths."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        if key == "source" and isinstance(value, str):
            yield (*keys, key), value
        else:
            yield from _sources(value, (*keys, key))


def _check_atoms(file: YamlFile, atoms: list[AtomEntry], bonds: list[tuple[str, str]], charge: float) -> None:
    names = [atom.name for atom in atoms]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise InputError(
                f"{place(('atoms', number), [file])}: atom {name} stands twice; names are unique in a unit"
            )
    for number, bond in enumerate(bonds):
        for name in bond:
            if name not in names:
                raise InputError(f"{place(('bonds', number), [file])}: {name!r} is no atom of this file")
        if bond[0] == bond[1] or set(bond) in [set(other) for other in bonds[:number]]:
            raise InputError(
                f"{place(('bonds', number), [file])}: {'-'.join(bond)} is not allowed: two different atoms, each pair once"
            )
    apart = set(names) - _bonded_to(names[0], bonds)
    if apart:
        raise InputError(f"{place(('bonds',), [file])}: no bonds lead from {names[0]} to {', '.join(sorted(apart))}")
    total = sum(atom.charge for atom in atoms)
    if abs(total - charge) > 1e-6:
        raise InputError(f"{place(('charge',), [file])}: {charge:+g} is not allowed: the atoms sum to {total:+.4f}")


def _bonded_to(name: str, bonds: list[tuple[str, str]]) -> set[str]:
    """Atoms connected to an atom by bonds, including itself."""
    reached, front = {name}, [name]
    for atom in front:
        new = {other for bond in bonds if atom in bond for other in bond} - reached
        reached |= new
        front += new
    return reached


def _check_names(where: str, molecules: list[str]) -> None:
    if len(set(molecules)) < len(molecules):
        raise InputError(
            f"{where}: molecules named {', '.join(molecules)} would share a file; allowed: a molecule name for each"
        )


def _changed(ion: Ion, variant: IonVariant, file: YamlFile) -> Ion:
    """An ion with the types of a variant."""
    known = sorted({atom.type for atom in ion.atoms})
    for name in variant.types:
        if name not in known:
            raise InputError(f"{place(('types', name), [file])}: no type of {ion.model}; allowed: {', '.join(known)}")
    atoms = [
        atom.model_copy(update={"type": variant.types[atom.type], "source": variant.source})
        if atom.type in variant.types
        else atom
        for atom in ion.atoms
    ]
    own = {"model": variant.model, "description": variant.description, "atoms": atoms}
    return ion.model_copy(update=own)


def _check_geometry(file: YamlFile, ion: Ion) -> None:
    names = [atom.name for atom in ion.atoms]
    if ion.positions_nm and sorted(ion.positions_nm) != sorted(names):
        raise InputError(
            f"{place(('positions_nm',), [file])}: has {', '.join(ion.positions_nm)}; allowed: each of {', '.join(names)}"
        )


@lru_cache(maxsize=8)
def library(root: Path) -> Library:
    """The building blocks of a folder; cached per folder, so that files are parsed once.

    Raises InputError if the folder is not one of building blocks.
    """
    if not (root / "bonded.yaml").is_file():
        raise InputError(f"{root}: no folder of building blocks: bonded.yaml is missing")
    found = Library(root)
    found.check_tables()
    return found
