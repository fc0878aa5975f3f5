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
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import ConfigDict, Field, RootModel, model_validator

from eoli.core.text import did_you_mean
from eoli.core.validation import LENIENT, Model, Strict, place, validate
from eoli.core.yamlfile import KeyPath, YamlFile, read_yaml
from eoli.errors import ForceFieldError, InputError

Item = TypeVar("Item")

Mixing = Literal["gromos", "lorentz-berthelot", "lb-ions"]
Word = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_+.*-]*$", max_length=40)]
"""A name in GROMACS files: one word, nothing that begins a comment, a section or a directive."""
Text = Annotated[str, Field(pattern=r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]+$", max_length=2000)]
"""Text for people: no control characters."""
POLYMER_ROLES = (
    "ether_O", "hydroxyl_O", "amide_O", "amide_N", "amide_H", "ester_O", "ester_bridging_O",
)  # fmt: skip
CATION_ROLES = ("Li",)
ANION_ROLES = ("anion_O", "anion_N", "anion_F", "anion_Cl")
Charge = Annotated[float, Field(ge=-10, le=10)]

ELEMENTS = {
    "H": (1, 1.008), "Li": (3, 6.94), "B": (5, 10.81), "C": (6, 12.011), "N": (7, 14.007), "O": (8, 15.999),
    "F": (9, 18.998), "Na": (11, 22.99), "P": (15, 30.974), "S": (16, 32.06), "Cl": (17, 35.45),
}  # fmt: skip
"""Atomic number and mass, g/mol."""
_HIDDEN_HYDROGENS = 4.1
"""Largest excess of a united atom's mass over its element's, g/mol."""
MOST_SITES = 10_000
"""Most sites of a chain: building looks at its pairs one by one."""


class AtomEntry(Strict):
    """One site of a unit or ion."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9]{0,3}$", description="atom name, unique in its unit")
    type: Word = Field(description="Lennard-Jones type: of gromos54a7.ff or of atomtypes.yaml")
    bonded_class: Word = Field(alias="class", description="class by which bonded terms are looked up")
    charge: Charge = Field(description="partial charge, e")
    role: str | None = Field(None, description="name under which analyses find it")
    source: Word


class BondedEntry(Strict):
    """A bonded term for a tuple of classes: a macro of the installed force field, own numbers, or none on purpose."""

    classes: Annotated[tuple[Word, ...], LENIENT]
    macro: Word | None = None
    parameters: list[float] | list[list[float]] = Field(default_factory=list)
    omitted: bool = Field(False, description="these atoms have no such term, on purpose")
    trans: bool = Field(False, description="built in the trans conformation")
    source: Word

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.macro is not None) + bool(self.parameters) + self.omitted != 1:
            raise ValueError("give exactly one of macro, parameters and omitted: true")
        return self

    @property
    def rows(self) -> list[list[float]]:
        """Its own numbers, one row per term (a torsion may be a sum)."""
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
    fudge_lj: float = Field(1.0, ge=0, le=1)
    fudge_qq: float = Field(1.0, ge=0, le=1)


class Functions(Strict):
    """GROMACS function numbers of the bonded terms."""

    bonds: Literal[1, 2]
    angles: Literal[1, 2]
    dihedrals: Literal[1, 5]
    impropers: Literal[2]


class BondedTable(Strict):
    """Bonded terms by class."""

    functions: Functions
    dihedral_convention: Literal["one-per-bond", "all"]
    one_four: OneFour
    bonds: list[BondedEntry]
    angles: list[BondedEntry]
    dihedrals: list[BondedEntry]
    impropers: list[BondedEntry]

    @model_validator(mode="after")
    def _fit_their_functions(self) -> Self:
        for section, sites in TERMS.items():
            function = getattr(self.functions, section)
            numbers = NUMBERS[sites, function]
            for entry in getattr(self, section):
                if len(entry.classes) != sites:
                    raise ValueError(f"{section}: {len(entry.classes)} classes; allowed: {sites}")
                if any(len(row) != numbers for row in entry.rows):
                    raise ValueError(
                        f"{section} of {' '.join(entry.classes)}: {entry.parameters} is not allowed; "
                        f"function {function} takes {numbers} numbers"
                    )
                if section == "bonds" and any(row[0] <= 0 for row in entry.rows):
                    raise ValueError(f"bonds of {' '.join(entry.classes)}: a length is above 0 nm")
        return self


class Unit(Strict):
    """A repeat unit, cap or link of a chain; `head` binds to the unit in front, `tail` to the one behind."""

    unit: str
    description: Text
    residue: str = Field(pattern=r"^[A-Z][A-Z0-9]{0,3}$")
    block: str | None = Field(None, description="block of a copolymer that the unit belongs to")
    charge: Charge
    head: str | None = None
    tail: str | None = None
    ether_oxygens: int = Field(0, ge=0, description="oxygens that EO:Li counts: the atoms with the role ether_O")
    atoms: list[AtomEntry] = Field(min_length=1)
    bonds: list[Annotated[tuple[str, str], LENIENT]]


class Estimate(Strict):
    """A reference value for sizes and for a plausibility column, never a result."""

    value: float = Field(gt=0, le=1e4)
    temperature_K: float = Field(gt=0, le=5000)
    source: Word


class Repeat(Strict):
    """A repeated part of a sequence, such as the blocks of a multiblock copolymer."""

    repeat: int = Field(gt=0, le=MOST_SITES)
    of: list[str] = Field(min_length=1, description="unit names, `NAME * COUNT` repeats")


class Polymer(Strict):
    """A chain as a sequence of units."""

    polymer: str
    molecule: str = Field(pattern=r"^[A-Z][A-Z0-9]{0,7}$")
    description: Text
    sequence: list[str | Repeat] = Field(min_length=1, description="unit names, `NAME * COUNT` repeats, or parts")
    neat_density_g_cm3: Estimate


class Ion(Strict):
    """A small ion with all its terms."""

    ion: str
    molecule: str = Field(pattern=r"^[A-Z][A-Z0-9]{0,7}$")
    description: Text
    model: str = Field(description="name of the parameter set")
    charge: int = Field(ge=-4, le=4)
    atoms: list[AtomEntry] = Field(min_length=1)
    bonds: list[Annotated[tuple[str, str], LENIENT]]
    bonded: BondedTable | None = None
    positions_nm: dict[str, Annotated[tuple[float, float, float], LENIENT]] = Field(
        default_factory=dict, description="start geometry, where bonds, angles and torsions alone do not lead to it"
    )


class IonVariant(Strict):
    """A model of an ion that differs from another one only in Lennard-Jones types."""

    ion: str
    model: str
    description: Text
    based_on: str = Field(description="the model that all else is taken from")
    types: dict[str, Word] = Field(min_length=1, description="types of that model and what stands in their place")
    source: Word


class Salt(Strict):
    """A 1:1 salt; its models are used unless a sweep asks for others."""

    salt: str
    description: Text
    cation: str
    cation_model: str
    anion: str
    anion_model: str
    molar_volume_cm3_mol: Estimate


class LennardJonesType(Strict):
    """A type that gromos54a7.ff lacks. C6 in kJ mol-1 nm6, C12 in kJ mol-1 nm12, mass in g/mol.

    `sigma_nm` and `epsilon_kJ_mol` may replace `c6` and `c12`, as the source prints them.
    """

    element: str
    mass: float = Field(gt=0)
    sigma_nm: float | None = Field(None, gt=0, le=1)
    epsilon_kJ_mol: float | None = Field(None, gt=0)
    c6: float = Field(ge=0, le=1)
    c12: float = Field(ge=0, le=1)
    like: Word | None = None
    sqrt_c12: float | None = Field(None, gt=0)
    sqrt_c12_like: dict[
        Annotated[float, LENIENT, Field(gt=0)] | Literal["default"], Annotated[float, Field(gt=0)] | list[Word]
    ] = Field(default_factory=dict)
    source: Word

    @model_validator(mode="before")
    @classmethod
    def _from_sigma_epsilon(cls, data: Any) -> Any:
        own = {"sigma_nm", "epsilon_kJ_mol"}
        if not isinstance(data, dict) or not own & data.keys():
            return data
        if {"c6", "c12"} & data.keys():
            raise ValueError("give either c6 and c12 or sigma_nm and epsilon_kJ_mol")
        sigma: Any = data.get("sigma_nm")
        epsilon: Any = data.get("epsilon_kJ_mol")
        if not all(isinstance(x, int | float) and 0 < x <= most for x, most in ((sigma, 1), (epsilon, 100))):
            raise ValueError(
                f"sigma_nm {sigma!r} and epsilon_kJ_mol {epsilon!r} are not allowed; "
                "allowed: two numbers above 0, up to 1 nm and 100 kJ/mol"
            )
        return data | {"c6": 4 * epsilon * sigma**6, "c12": 4 * epsilon * sigma**12}

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.element not in ELEMENTS:
            raise ValueError(f"element {self.element!r} is not allowed; allowed: {', '.join(ELEMENTS)}")
        least = ELEMENTS[self.element][1]
        if not least - 0.1 <= self.mass <= least + _HIDDEN_HYDROGENS:
            raise ValueError(
                f"mass {self.mass:g} is not allowed for {self.element}; allowed: {least:g}, and more for hydrogens of a "
                "united atom, g/mol"
            )
        if not (self.like is None) == (self.sqrt_c12 is None) == (not self.sqrt_c12_like):
            raise ValueError("like, sqrt_c12 and sqrt_c12_like go together; give all three or none")
        for value, partners in self.sqrt_c12_like.items():
            if (value == "default") == isinstance(partners, list):
                raise ValueError("sqrt_c12_like: write `default: NUMBER` and `NUMBER: [types]`")
        if self.like is not None and "default" not in self.sqrt_c12_like:
            raise ValueError("sqrt_c12_like: default is missing")
        return self


class Source(Strict):
    """Source of a number, and whether anyone verified it."""

    citation: Text
    doi: str | None = Field(None, pattern=r"^10\.[0-9]{4,9}/[!-~]+$")
    status: Literal["verified", "assumed", "recalled"]
    read_in: Text | None = None
    why: Text | None = None


class When(Strict):
    """Conditions on a system; all that are given must hold; of a list, one name suffices."""

    mixing: list[Mixing] | None = None
    ether_set: list[str] | None = None
    cation_model: list[str] | None = None
    anion_model: list[str] | None = None
    molecule: list[str] | None = Field(default=None, description="names of molecule types")
    ions: bool | None = None
    polyamide: bool | None = Field(default=None, description="whether a site has the role of an amide nitrogen")
    scaled_charges: bool | None = Field(
        default=None, description="whether the system has ions with a charge factor other than 1"
    )


class Limit(Strict):
    """A known limit, in plain words."""

    limit: Text
    when: When = When()


class Limits(Strict):
    """The file `limits.yaml`."""

    limits: list[Limit]


class _Table(RootModel[dict[Word, Item]], Generic[Item]):
    """A file of entries by name."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


NO_SALT = "none"
DEFAULT = "default"
"""Stands for the model that the salt names."""
TERMS = {"bonds": 2, "angles": 3, "dihedrals": 4, "impropers": 4}
"""Sections of bonded terms, with the number of sites per term."""
NUMBERS = {(2, 1): 2, (2, 2): 2, (3, 1): 2, (3, 2): 2, (4, 1): 3, (4, 2): 2, (4, 5): 4}
"""Number of parameters of a term, by number of sites and GROMACS function."""
_REPEAT = re.compile(r"^\s*(?P<unit>[^*\s]+)\s*(?:\*\s*(?P<count>[1-9][0-9]{0,30})\s*)?$")


@dataclass(frozen=True)
class ForceFieldChoice:
    """Disputed choices: parameter sets, mixing rule, factor on the ion charges."""

    ether_set: str
    cation_model: str | None
    anion_model: str | None
    mixing: str
    ion_charge_scale: float


@dataclass(frozen=True)
class Chain:
    """A polymer with its units resolved."""

    polymer: Polymer
    ether_set: str
    units: tuple[Unit, ...]

    @property
    def ether_oxygens(self) -> int:
        """Ether oxygens of one chain, the EO of EO:Li."""
        return sum(unit.ether_oxygens for unit in self.units)

    @property
    def n_atoms(self) -> int:
        """Number of sites of one chain."""
        return sum(len(unit.atoms) for unit in self.units)


@dataclass(frozen=True)
class Library:
    """The folder of building blocks."""

    root: Path

    def _file(self, kind: str, name: str, wanted: str, variant: str | None = None) -> YamlFile:
        """The file of an entry: `<kind>/<name>.yaml`, or `<kind>/<name>/<variant>.yaml` if it has variants."""
        known = self.names(kind)
        if name not in known:
            raise InputError(
                f"{wanted} {name!r} is not in {self.root / kind}{did_you_mean(name, known)}; allowed: {', '.join(known)}"
            )
        variants = self.variants(kind, name)
        if variants and variant not in variants:
            hint = did_you_mean(str(variant), variants)
            raise InputError(f"{wanted} {name} has no parameter set {variant!r}{hint}; allowed: {', '.join(variants)}")
        return read_yaml(self.root / self.relative_path(kind, name, variant))

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
        """Names of the entries of one kind (`polymers`, `salts`, `units`, `ions`)."""
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
        """A unit by its name, checked for consistency; one without variants belongs to every ether set."""
        file = self._file("units", name, "unit", ether_set)
        unit = self._cited(Unit, file.data, file)
        _check_atoms(file, unit.atoms, unit.bonds, unit.charge)
        self._check_roles(file, unit.atoms, POLYMER_ROLES)
        ether_oxygens = sum(atom.role == "ether_O" for atom in unit.atoms)
        if ether_oxygens != unit.ether_oxygens:
            raise InputError(
                f"{place(('ether_oxygens',), [file])}: {unit.ether_oxygens} is not allowed: {ether_oxygens} of the atoms "
                "have the role ether_O"
            )
        for key in ("head", "tail"):
            atom = getattr(unit, key)
            if atom is not None and atom not in {a.name for a in unit.atoms}:
                raise InputError(f"{place((key,), [file])}: {atom!r} is no atom of unit {name}")
        return unit

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
    def polymer(self, name: str, ether_set: str) -> Chain:
        """A polymer by its name, with all its units in the parameters of an ether set."""
        file = self._file("polymers", name, "polymer")
        polymer = self._cited(Polymer, file.data, file)
        parts: list[tuple[list[tuple[Unit, int]], int]] = []
        for number, entry in enumerate(polymer.sequence):
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
        return Chain(polymer, ether_set, tuple(units))

    @lru_cache  # noqa: B019  (a process reads one or two libraries)
    def ion(self, name: str, model: str) -> Ion:
        """An ion by its name, in the parameters of a model."""
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
        ion = self._cited(Ion, file.data, file)
        _check_atoms(file, ion.atoms, ion.bonds, ion.charge)
        _check_geometry(file, ion)
        if ion.charge == 0:
            raise InputError(f"{place(('charge',), [file])}: 0 is not allowed: an ion has a charge")
        allowed = CATION_ROLES if ion.charge > 0 else ANION_ROLES
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
        """A salt by its name; its ions must exist and have opposite charges."""
        file = self._file("salts", name, "salt")
        salt = self._cited(Salt, file.data, file)
        try:
            ions = self._ions(salt, salt.cation_model, salt.anion_model)
        except InputError as error:
            raise InputError(f"{file.path}: {error}") from None
        cation, anion = ions
        for key, ion, wanted in (("cation", cation, 1), ("anion", anion, -1)):
            if ion.charge != wanted:
                raise InputError(
                    f"{place((key,), [file])}: {ion.ion!r} has a charge of {ion.charge:+d} e; allowed: {wanted:+d} e, for "
                    "the salt is a neutral pair"
                )
        _check_names(str(file.path), [cation.molecule, anion.molecule])
        return salt

    def _ions(self, salt: Salt, cation_model: str, anion_model: str) -> tuple[Ion, Ion]:
        return self.ion(salt.cation, cation_model), self.ion(salt.anion, anion_model)

    def choose(
        self, salt: str, ether_set: str, cation_model: str, anion_model: str, mixing: str, ion_charge_scale: float
    ) -> ForceFieldChoice:
        """A choice with `default` replaced by the models that the salt names; a neat polymer has no ion models.

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

    def composition(self, polymer: str, salt: str, choice: ForceFieldChoice) -> tuple[Chain, tuple[Ion, ...]]:
        """The chain and ions of a system. Raises InputError if two of them have the same name, and so the same file."""
        chain, ions = self.polymer(polymer, choice.ether_set), self.ions(salt, choice)
        where = f"{self.root / self.relative_path('polymers', polymer, None)}"
        _check_names(where, [chain.polymer.molecule, *(ion.molecule for ion in ions)])
        return chain, ions

    @cached_property
    def bonded(self) -> BondedTable:
        """Bonded terms of the polymers."""
        file = read_yaml(self.root / "bonded.yaml")
        return self._cited(BondedTable, file.data, file)

    @cached_property
    def atom_types(self) -> dict[str, LennardJonesType]:
        """Types that the installed force field lacks."""
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
        """SHA-256 of everything that the topology of a polymer with a salt is made from, without comments and spacing.

        Only the entries that these molecules use count, so that an edit elsewhere makes no other topology stale.
        """
        chain, ions = self.composition(polymer, salt, choice)
        parts: list[Strict] = [chain.polymer, *{unit.unit: unit for unit in chain.units}.values()]
        if salt != NO_SALT:
            parts += [self.salt(salt), *ions]
        atoms = [atom for part in parts if isinstance(part, Unit | Ion) for atom in part.atoms]
        classes = {atom.bonded_class for atom in atoms}
        table = self.bonded
        used = [e for name in TERMS for e in getattr(table, name) if classes.issuperset(e.classes)]
        types = sorted({atom.type for atom in atoms})
        likes = [self.atom_types[name] for name in types if name in self.atom_types]
        masses = [f"{name} {self.mass(name)}" for name in types]
        texts = [part.model_dump_json() for part in (*parts, table.functions, table.one_four, *used, *likes)]
        text = "\n".join([*texts, *masses, table.dihedral_convention])
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
