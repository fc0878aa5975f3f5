"""Building blocks of molecules as data: units, polymers, ions, salts (the YAML files of `topologies/`)."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from eoli.errors import ForceFieldError, InputError
from eoli.validation import LENIENT, Model, Strict, place, validate
from eoli.yamlfile import KeyPath, YamlFile, read_yaml


class AtomEntry(Strict):
    """One site of a unit or ion."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9]{0,3}$", description="atom name, unique in its unit")
    type: str = Field(description="Lennard-Jones type: of gromos54a7.ff or of atomtypes.yaml")
    bonded_class: str = Field(alias="class", description="class by which bonded terms are looked up")
    charge: float = Field(description="partial charge, e")
    role: str | None = Field(None, pattern=r"^[A-Za-z][A-Za-z0-9_]*$", description="name under which analyses find it")
    source: str


class BondedEntry(Strict):
    """A bonded term for a tuple of classes: a macro of the installed force field, own numbers, or none on purpose."""

    classes: Annotated[tuple[str, ...], LENIENT]
    macro: str | None = None
    parameters: list[float] | list[list[float]] = Field(default_factory=list)
    omitted: bool = Field(False, description="these atoms have no such term, on purpose")
    trans: bool = Field(False, description="built in the trans conformation")
    source: str

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.macro is not None) + bool(self.parameters) + self.omitted != 1:
            raise ValueError("give exactly one of macro, parameters and omitted: true")
        return self

    @property
    def rows(self) -> list[list[float]]:
        """The own numbers, a row for each term (a torsion may be a sum)."""
        rows: list[list[float]] = []
        for entry in self.parameters:
            if isinstance(entry, list):
                rows.append(entry)
            else:
                return [[float(value) for value in self.parameters if not isinstance(value, list)]]
        return rows


class OneFour(Strict):
    """How 1-4 pairs are written: function 1 reads the pair table, 2 carries its own scaled numbers."""

    function: Literal[1, 2] = 1
    fudge_lj: float = 1.0
    fudge_qq: float = 1.0


class Functions(Strict):
    """GROMACS function numbers of the bonded terms."""

    bonds: int
    angles: int
    dihedrals: int
    impropers: int


class BondedTable(Strict):
    """Bonded terms by class."""

    functions: Functions
    dihedral_convention: Literal["one-per-bond", "all"]
    one_four: OneFour
    bonds: list[BondedEntry]
    angles: list[BondedEntry]
    dihedrals: list[BondedEntry]
    impropers: list[BondedEntry]


class Unit(Strict):
    """A repeat unit, cap or link of a chain; `head` binds to the unit in front, `tail` to the one behind."""

    unit: str
    description: str
    residue: str = Field(pattern=r"^[A-Z][A-Z0-9]{0,3}$")
    block: str | None = Field(None, description="block of a copolymer that the unit belongs to")
    charge: float
    head: str | None = None
    tail: str | None = None
    ether_oxygens: int = Field(0, ge=0, description="oxygens that EO:Li counts")
    atoms: list[AtomEntry] = Field(min_length=1)
    bonds: list[Annotated[tuple[str, str], LENIENT]]


class Estimate(Strict):
    """A reference value that is used for sizes and for a plausibility column, never as a result."""

    value: float = Field(gt=0)
    temperature_K: float = Field(gt=0)
    source: str


class Repeat(Strict):
    """A part of a sequence that stands several times, as the blocks of a multiblock copolymer do."""

    repeat: int = Field(gt=0)
    of: list[str] = Field(min_length=1, description="unit names, `NAME * COUNT` repeats")


class Polymer(Strict):
    """A chain as a sequence of units."""

    polymer: str
    molecule: str = Field(pattern=r"^[A-Z][A-Z0-9]{0,7}$")
    description: str
    sequence: list[str | Repeat] = Field(min_length=1, description="unit names, `NAME * COUNT` repeats, or parts")
    neat_density_g_cm3: Estimate


class Ion(Strict):
    """A small ion with all its terms."""

    ion: str
    molecule: str = Field(pattern=r"^[A-Z][A-Z0-9]{0,7}$")
    description: str
    model: str = Field(description="name of the parameter set")
    charge: int
    atoms: list[AtomEntry] = Field(min_length=1)
    bonds: list[Annotated[tuple[str, str], LENIENT]]
    bonded: BondedTable | None = None
    positions_nm: dict[str, Annotated[tuple[float, float, float], LENIENT]] = Field(
        default_factory=dict, description="start geometry, where bonds, angles and torsions alone do not lead to it"
    )


class IonVariant(Strict):
    """A model of an ion that differs from another one in Lennard-Jones types alone."""

    ion: str
    model: str
    description: str
    based_on: str = Field(description="the model that all else is taken from")
    types: dict[str, str] = Field(min_length=1, description="types of that model and what stands in their place")
    source: str


class Salt(Strict):
    """A 1:1 salt; its models are those that are used unless a sweep asks for others."""

    salt: str
    description: str
    cation: str
    cation_model: str
    anion: str
    anion_model: str
    molar_volume_cm3_mol: Estimate


class LennardJonesType(Strict):
    """A type that gromos54a7.ff lacks. C6 in kJ mol-1 nm6, C12 in kJ mol-1 nm12, mass in g/mol.

    `sigma_nm` and `epsilon_kJ_mol` may stand instead of `c6` and `c12`, as the source prints them.
    """

    element: str
    mass: float = Field(gt=0)
    sigma_nm: float | None = Field(None, gt=0, le=1)
    epsilon_kJ_mol: float | None = Field(None, gt=0)
    c6: float = Field(ge=0)
    c12: float = Field(ge=0)
    like: str | None = None
    sqrt_c12: float | None = None
    sqrt_c12_like: dict[Annotated[float, LENIENT] | Literal["default"], float | list[str]] = Field(default_factory=dict)
    source: str

    @model_validator(mode="before")
    @classmethod
    def _from_sigma_epsilon(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not {"sigma_nm", "epsilon_kJ_mol"} <= data.keys():
            return data
        if {"c6", "c12"} & data.keys():
            raise ValueError("give either c6 and c12 or sigma_nm and epsilon_kJ_mol")
        sigma, epsilon = float(data["sigma_nm"]), float(data["epsilon_kJ_mol"])
        return data | {"c6": 4 * epsilon * sigma**6, "c12": 4 * epsilon * sigma**12}


class Source(Strict):
    """Where a number comes from, and whether anybody looked."""

    citation: str
    doi: str | None = None
    status: Literal["verified", "assumed", "recalled"]
    read_in: str | None = None
    why: str | None = None


NO_SALT = "none"
DEFAULT = "default"
"""Stands for the model that a salt names itself."""
_TERMS = ("bonds", "angles", "dihedrals", "impropers")
_REPEAT = re.compile(r"^\s*(?P<unit>[^*\s]+)\s*(?:\*\s*(?P<count>[1-9]\d*)\s*)?$")


@dataclass(frozen=True)
class ForceFieldChoice:
    """What is disputed, chosen: parameter sets, mixing rule, factor on the ion charges."""

    ether_set: str
    cation_model: str | None
    anion_model: str | None
    mixing: str
    ion_charge_scale: float


@dataclass(frozen=True)
class Chain:
    """A polymer with its units looked up."""

    polymer: Polymer
    ether_set: str
    units: tuple[Unit, ...]

    @property
    def ether_oxygens(self) -> int:
        """Ether oxygens of one chain, the EO of EO:Li."""
        return sum(unit.ether_oxygens for unit in self.units)

    @property
    def n_atoms(self) -> int:
        """Sites of one chain."""
        return sum(len(unit.atoms) for unit in self.units)


@dataclass(frozen=True)
class Library:
    """The folder of building blocks."""

    root: Path

    def _file(self, kind: str, name: str, wanted: str, variant: str | None = None) -> YamlFile:
        """The file of an entry: `<kind>/<name>.yaml`, or `<kind>/<name>/<variant>.yaml` where it has variants."""
        known = self.names(kind)
        if name not in known:
            raise InputError(f"{wanted} {name!r} is not in {self.root / kind}; allowed: {', '.join(known)}")
        variants = self.variants(kind, name)
        if variants and variant not in variants:
            raise InputError(f"{wanted} {name} has no parameter set {variant!r}; allowed: {', '.join(variants)}")
        return read_yaml(self.root / self.relative_path(kind, name, variant))

    def relative_path(self, kind: str, name: str, variant: str | None) -> str:
        """Where an entry stands in the folder."""
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
        """Names of the entries of one kind (`polymers`, `salts`, `units`, `ions`)."""
        folder = self.root / kind
        return sorted(
            {path.stem for path in folder.glob("*.yaml")} | {path.parent.name for path in folder.glob("*/*.yaml")}
        )

    def variants(self, kind: str, name: str) -> list[str]:
        """Parameter sets of an entry that has several; empty where it has one file."""
        return sorted(path.stem for path in (self.root / kind / name).glob("*.yaml"))

    def ether_sets(self) -> list[str]:
        """Parameter sets that units of polymers have."""
        return sorted({variant for name in self.names("units") for variant in self.variants("units", name)})

    @lru_cache  # noqa: B019  (a process reads one or two libraries)
    def unit(self, name: str, ether_set: str) -> Unit:
        """A unit by its name, with its own consistency checked; one without variants belongs to every ether set."""
        file = self._file("units", name, "unit", ether_set)
        unit = self._cited(Unit, file.data, file)
        _check_atoms(file, unit.atoms, unit.bonds, unit.charge)
        for key in ("head", "tail"):
            atom = getattr(unit, key)
            if atom is not None and atom not in {a.name for a in unit.atoms}:
                raise InputError(f"{place((key,), [file])}: {atom!r} is no atom of unit {name}")
        return unit

    def _repeated(self, entry: str, ether_set: str) -> list[Unit]:
        match = _REPEAT.match(entry)
        if match is None:
            raise InputError(f"{entry!r} is not allowed: write NAME or NAME * COUNT")
        return [self.unit(match["unit"], ether_set)] * int(match["count"] or 1)

    @lru_cache  # noqa: B019  (a process reads one or two libraries)
    def polymer(self, name: str, ether_set: str) -> Chain:
        """A polymer by its name, with all its units in the parameters of an ether set."""
        file = self._file("polymers", name, "polymer")
        polymer = self._cited(Polymer, file.data, file)
        units: list[Unit] = []
        for number, entry in enumerate(polymer.sequence):
            try:
                parts = [self._repeated(part, ether_set) for part in ([entry] if isinstance(entry, str) else entry.of)]
            except InputError as error:
                raise InputError(f"{place(('sequence', number), [file])}: {error}") from None
            units += [unit for part in parts for unit in part] * (1 if isinstance(entry, str) else entry.repeat)
        for before, after in itertools.pairwise(units):
            if before.tail is None or after.head is None:
                raise InputError(
                    f"{place(('sequence',), [file])}: unit {before.unit} cannot be followed by {after.unit}"
                )
        return Chain(polymer, ether_set, tuple(units))

    @lru_cache  # noqa: B019  (a process reads one or two libraries)
    def ion(self, name: str, model: str) -> Ion:
        """An ion by its name, in the parameters of a model."""
        file = self._file("ions", name, "ion", model)
        if isinstance(file.data, dict) and "based_on" in file.data:
            return self._variant(self._cited(IonVariant, file.data, file), file)
        ion = self._cited(Ion, file.data, file)
        _check_atoms(file, ion.atoms, ion.bonds, ion.charge)
        _check_geometry(file, ion)
        return ion

    def _variant(self, variant: IonVariant, file: YamlFile) -> Ion:
        base = self.ion(variant.ion, variant.based_on)
        known = sorted({atom.type for atom in base.atoms})
        for name in variant.types:
            if name not in known:
                raise InputError(
                    f"{place(('types', name), [file])}: no type of {base.model}; allowed: {', '.join(known)}"
                )
        atoms = [
            atom.model_copy(update={"type": variant.types[atom.type], "source": variant.source})
            if atom.type in variant.types
            else atom
            for atom in base.atoms
        ]
        own = {"model": variant.model, "description": variant.description, "atoms": atoms}
        return base.model_copy(update=own)

    @lru_cache  # noqa: B019  (a process reads one or two libraries)
    def salt(self, name: str) -> Salt:
        """A salt by its name; its ions exist and are of opposite charge."""
        file = self._file("salts", name, "salt")
        salt = self._cited(Salt, file.data, file)
        try:
            ions = self._ions(salt, salt.cation_model, salt.anion_model)
        except InputError as error:
            raise InputError(f"{file.path}: {error}") from None
        if sum(ion.charge for ion in ions) != 0:
            raise InputError(f"{place(('anion',), [file])}: {salt.cation} and {salt.anion} do not make a neutral pair")
        return salt

    def _ions(self, salt: Salt, cation_model: str, anion_model: str) -> tuple[Ion, Ion]:
        return self.ion(salt.cation, cation_model), self.ion(salt.anion, anion_model)

    def choose(
        self, salt: str, ether_set: str, cation_model: str, anion_model: str, mixing: str, ion_charge_scale: float
    ) -> ForceFieldChoice:
        """A choice with `default` replaced by the models that the salt names; a neat polymer has none of its ions.

        Raises InputError for a model that an ion does not have.
        """
        if salt == NO_SALT:
            return ForceFieldChoice(ether_set, None, None, mixing, ion_charge_scale)
        entry = self.salt(salt)
        cation = entry.cation_model if cation_model == DEFAULT else cation_model
        anion = entry.anion_model if anion_model == DEFAULT else anion_model
        self._ions(entry, cation, anion)
        return ForceFieldChoice(ether_set, cation, anion, mixing, ion_charge_scale)

    def ions(self, salt: str, choice: ForceFieldChoice) -> tuple[Ion, ...]:
        """Cation and anion of a salt in the models of a choice; none for a neat polymer."""
        if salt == NO_SALT or choice.cation_model is None or choice.anion_model is None:
            return ()
        return self._ions(self.salt(salt), choice.cation_model, choice.anion_model)

    @cached_property
    def bonded(self) -> BondedTable:
        """Bonded terms of the polymers."""
        file = read_yaml(self.root / "bonded.yaml")
        return self._cited(BondedTable, file.data, file)

    @cached_property
    def atom_types(self) -> dict[str, LennardJonesType]:
        """Types that the installed force field lacks."""
        file = read_yaml(self.root / "atomtypes.yaml")
        return {name: self._cited(LennardJonesType, entry, file, (name,)) for name, entry in file.data.items()}

    @cached_property
    def _masses(self) -> dict[str, float]:
        file = read_yaml(self.root / "masses.yaml")
        return {str(name): float(mass) for name, mass in file.data.items()}

    def mass(self, type_name: str) -> float:
        """Mass (g/mol) of a Lennard-Jones type."""
        own = self.atom_types.get(type_name)
        if own is not None:
            return own.mass
        if type_name not in self._masses:
            known = sorted([*self.atom_types, *self._masses])
            raise ForceFieldError(f"type {type_name!r} has no mass in {self.root}; allowed: {', '.join(known)}")
        return self._masses[type_name]

    def digest(self, polymer: str, salt: str, choice: ForceFieldChoice) -> str:
        """SHA-256 of all that the topology of a polymer with a salt is made from, without comments and spacing.

        Only the entries that these molecules use count, so that an edit elsewhere makes no other topology stale.
        """
        chain = self.polymer(polymer, choice.ether_set)
        parts: list[Strict] = [chain.polymer, *{unit.unit: unit for unit in chain.units}.values()]
        if salt != NO_SALT:
            parts += [self.salt(salt), *self.ions(salt, choice)]
        atoms = [atom for part in parts if isinstance(part, Unit | Ion) for atom in part.atoms]
        classes = {atom.bonded_class for atom in atoms}
        table = self.bonded
        used = [e for name in _TERMS for e in getattr(table, name) if classes.issuperset(e.classes)]
        types = sorted({atom.type for atom in atoms})
        likes = [self.atom_types[name] for name in types if name in self.atom_types]
        masses = [f"{name} {self.mass(name)}" for name in types]
        texts = [part.model_dump_json() for part in (*parts, table.functions, table.one_four, *used, *likes)]
        text = "\n".join([*texts, *masses, table.dihedral_convention])
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def citations_digest(self) -> str:
        """SHA-256 of what is said about the numbers: sources and known limits, without comments and spacing."""
        said = [read_yaml(self.root / name).data for name in ("sources.yaml", "limits.yaml")]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    @cached_property
    def sources(self) -> dict[str, Source]:
        """Citations by key."""
        file = read_yaml(self.root / "sources.yaml")
        return {name: validate(Source, entry, [file], (name,)) for name, entry in file.data.items()}


def _sources(data: Any, keys: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """All `source:` entries, however deep, with their key paths."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        if key == "source":
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
    total = sum(atom.charge for atom in atoms)
    if abs(total - charge) > 1e-6:
        raise InputError(f"{place(('charge',), [file])}: {charge:+g} is not allowed: the atoms sum to {total:+.4f}")


def _check_geometry(file: YamlFile, ion: Ion) -> None:
    names = [atom.name for atom in ion.atoms]
    if ion.positions_nm and sorted(ion.positions_nm) != sorted(names):
        raise InputError(
            f"{place(('positions_nm',), [file])}: has {', '.join(ion.positions_nm)}; allowed: each of {', '.join(names)}"
        )


@lru_cache(maxsize=8)
def library(root: Path) -> Library:
    """The building blocks of a folder; one object a folder, so that files are parsed once.

    Raises InputError when the folder is not one of building blocks.
    """
    if not (root / "bonded.yaml").is_file():
        raise InputError(f"{root}: no folder of building blocks: bonded.yaml is missing")
    return Library(root)
