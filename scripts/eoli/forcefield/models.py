"""Models of the building blocks: units, polymers, ions, salts, tables of types and terms, sources and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from eoli.core.names import Part, PathText, shares_of
from eoli.core.validation import LENIENT, Many, Strict, place
from eoli.core.yamlfile import YamlFile
from eoli.errors import InputError

Mixing = Literal["gromos", "lorentz-berthelot", "lb-ions"]
Word = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_+.*-]*$", max_length=40)]
"""A name in GROMACS files: one word, nothing that begins a comment, a section or a directive."""
Text = Annotated[str, Field(pattern=r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]+$", max_length=2000)]
"""Text for people: no control characters."""
MOLECULE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,38}$"
"""Name of a molecule type that a file can be named after."""
Selection = Annotated[str, Field(min_length=1, max_length=2000)]
"""Atoms, in the selection language of MDAnalysis."""
POLYMER_ROLES = (
    "ether_O", "hydroxyl_O", "amide_O", "amide_N", "amide_H", "ester_O", "ester_bridging_O",
)  # fmt: skip
SOLVENT_ROLES = ("solvent_O", "solvent_N")
ROLES_IN_SOLVENT = dict.fromkeys(("ether_O", "hydroxyl_O", "amide_O", "ester_O"), "solvent_O")
"""Roles of a unit's atoms where the unit is part of a solvent; its other atoms have none there."""
IONS = ("cation", "anion")
"""Kinds of molecules whose charges a factor scales."""
CATION_ROLES = ("Li",)
ANION_ROLES = ("anion_O", "anion_N", "anion_F", "anion_Cl")
Charge = Annotated[float, Field(ge=-10, le=10)]

ELEMENTS = {
    "H": (1, 1.008), "Li": (3, 6.94), "B": (5, 10.81), "C": (6, 12.011), "N": (7, 14.007), "O": (8, 15.999),
    "F": (9, 18.998), "Na": (11, 22.99), "P": (15, 30.974), "S": (16, 32.06), "Cl": (17, 35.45),
}  # fmt: skip
"""Atomic number and mass, g/mol."""
HEAVIEST_HYDROGEN = 2.5
"""Mass below which a site that has one is a hydrogen, g/mol: deuterium is one, the next is lithium."""
_HIDDEN_HYDROGENS = 4.1
"""Largest excess of a united atom's mass over its element's, g/mol."""
MOST_SITES = 10_000
"""Most sites of a chain: building looks at its pairs one by one."""


def is_hydrogen(mass_g_mol: float) -> bool:
    """Whether a site of that mass is a hydrogen; virtual sites have none."""
    return 0 < mass_g_mol < HEAVIEST_HYDROGEN


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


class CitedValue(Strict):
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
    label: Text | None = Field(None, description="name for people, in figures and on the page")
    molecule: str = Field(pattern=r"^[A-Z][A-Z0-9]{0,7}$")
    description: Text
    sequence: list[str | Repeat] = Field(min_length=1, description="unit names, `NAME * COUNT` repeats, or parts")
    neat_density_g_cm3: CitedValue


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


class _Imported(Strict):
    """A molecule type of a topology that others made. What it is said to hold is compared with the files."""

    description: Text
    topology: PathText = Field(description="GROMACS topology with the molecule type and its force field, .top or .itp")
    include: Annotated[list[PathText], Many] = Field(
        default_factory=list, description="folders in which its includes are looked for"
    )
    defines: dict[Word, str] = Field(default_factory=dict, description="macros, as `define = -DNAME` of a run")
    structure: PathText | None = Field(None, description="start geometry, .gro or .pdb, atoms as in the topology")
    molecule: str = Field(pattern=MOLECULE_NAME, description="name of the molecule type")
    atoms: int = Field(gt=0, le=MOST_SITES)
    mass_g_mol: float = Field(gt=0, le=1e7)


class ImportedPolymer(_Imported):
    """A chain whose topology others made."""

    polymer: str
    label: Text | None = Field(None, description="name for people, in figures and on the page")
    force_field: Part = Field(description="name for the force field; part of the ether set's name in tables")
    ether_oxygens: int = Field(ge=0, description="oxygens that EO:Li counts: the atoms with the role ether_O")
    charge: int = Field(0, ge=-MOST_SITES, le=0, description="formal charge of a chain, that of its tethered anions")
    roles: dict[str, Selection] = Field(default_factory=dict, description="selections by role")
    blocks: dict[Part, Selection] = Field(default_factory=dict, description="selections of the blocks of a copolymer")
    neat_density_g_cm3: CitedValue


class ImportedIon(_Imported):
    """An ion whose topology others made."""

    ion: str
    model: str = Field(description="name of the parameter set")
    charge: int = Field(ge=-4, le=4)
    roles: dict[str, Selection] = Field(min_length=1, description="selections by role")


class Solvent(Strict):
    """A solvent or plasticiser as a sequence of units; their oxygens that bind lithium are those of a solvent."""

    solvent: str
    label: Text | None = Field(None, description="name for people, in figures and on the page")
    molecule: str = Field(pattern=r"^[A-Z][A-Z0-9]{0,7}$")
    description: Text
    sequence: list[str | Repeat] = Field(min_length=1, description="unit names, `NAME * COUNT` repeats, or parts")
    density_g_cm3: CitedValue


class ImportedSolvent(_Imported):
    """A solvent or plasticiser whose topology others made."""

    solvent: str
    label: Text | None = Field(None, description="name for people, in figures and on the page")
    roles: dict[str, Selection] = Field(default_factory=dict, description="selections by role")
    density_g_cm3: CitedValue


@dataclass(frozen=True)
class ImportedEntry:
    """A molecule whose topology others made: what its YAML file says, that file, and the folder of building blocks.

    `sums` are the SHA-256 of all files that its topology is read from and of its structure, but for those of force fields
    that GROMACS installs; `of_gromacs` are the includes of those.
    """

    said: ImportedPolymer | ImportedIon | ImportedSolvent
    file: YamlFile
    root: Path
    sums: Mapping[Path, str]
    of_gromacs: frozenset[str] = frozenset()

    @property
    def molecule(self) -> str:
        """Name of the molecule type."""
        return self.said.molecule

    @property
    def charge(self) -> int:
        """Formal charge, e."""
        return self.said.charge if isinstance(self.said, ImportedIon | ImportedPolymer) else 0

    @property
    def topology(self) -> Path:
        """Path of the topology."""
        return self.root / self.said.topology

    @property
    def include(self) -> list[Path]:
        """Folders in which its includes are looked for."""
        return [self.root / name for name in self.said.include]

    @property
    def structure(self) -> Path | None:
        """Path of the start geometry."""
        return self.root / self.said.structure if self.said.structure is not None else None

    def wrong(self, message: str, *keys: str) -> InputError:
        """A mistake in the entry, at the line of its key."""
        return InputError(f"{place(keys, [self.file])}: {message}")


class IonVariant(Strict):
    """A model of an ion that differs from another one only in Lennard-Jones types."""

    ion: str
    model: str
    description: Text
    based_on: str = Field(description="the model that all else is taken from")
    types: dict[str, Word] = Field(min_length=1, description="types of that model and what stands in their place")
    source: Word


class Salt(Strict):
    """A 1:1 salt; its models are used unless a sweep asks for others.

    One without an anion is the cation alone, beside chains that carry the anions. It has no volume of its own: lithium adds
    next to none to a melt.
    """

    salt: str
    label: Text | None = Field(None, description="name for people, in figures and on the page")
    anion_label: Text | None = Field(None, description="the same for its anion")
    description: Text
    cation: str
    cation_model: str
    anion: str | None = None
    anion_model: str | None = None
    molar_volume_cm3_mol: CitedValue | None = None

    @model_validator(mode="after")
    def _whole_anion(self) -> Self:
        given = {key: getattr(self, key) is not None for key in ("anion", "anion_model", "molar_volume_cm3_mol")}
        if len({*given.values()}) > 1:
            lacks = ", ".join(key for key, is_given in given.items() if not is_given)
            raise ValueError(f"{lacks} missing beside the others; allowed: all of {', '.join(given)}, or none of them")
        return self


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

    mixing: list[Mixing | Literal["imported"]] | None = None
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


NO_SALT = "none"
DEFAULT = "default"
"""Stands for the model that the salt names."""
TERMS = {"bonds": 2, "angles": 3, "dihedrals": 4, "impropers": 4}
"""Sections of bonded terms, with the number of sites per term."""
PARAMETERS: Mapping[str, Mapping[int, int]] = {
    "bonds": {1: 2, 2: 2, 3: 3, 4: 3, 5: 0, 6: 2, 7: 2, 8: 2, 9: 2, 10: 4},
    "constraints": {1: 1, 2: 1},
    "settles": {1: 2},
    "pairs": {1: 2, 2: 5},
    "pairs_nb": {1: 4},
    "angles": {1: 2, 2: 2, 3: 3, 4: 4, 5: 4, 6: 6, 8: 2, 9: 2, 10: 2},
    "dihedrals": {1: 3, 2: 2, 3: 6, 4: 3, 5: 4, 8: 2, 9: 3, 10: 2, 11: 6},
    "virtual_sites1": {1: 0},
    "virtual_sites2": {1: 1, 2: 1},
    "virtual_sites3": {1: 2, 2: 2, 3: 2, 4: 3},
    "virtual_sites4": {1: 3, 2: 3},
}
"""Number of parameters of a term, by section of a topology and GROMACS function."""
NUMBERS = {
    (sites, function): count
    for sites, section in ((2, "bonds"), (3, "angles"), (4, "dihedrals"))
    for function, count in PARAMETERS[section].items()
}
"""The same by number of sites and function."""


@dataclass(frozen=True)
class ForceFieldChoice:
    """Disputed choices: parameter sets, mixing rule, factor on the ion charges.

    With several salts, the models of their anions are joined by `+`.
    """

    ether_set: str
    cation_model: str | None
    anion_model: str | None
    mixing: str
    ion_charge_scale: float

    @property
    def anion_models(self) -> list[str]:
        """Models of the anions, in the order of the salts."""
        return self.anion_model.split("+") if self.anion_model is not None else []


GROMOS = "gromos54a7.ff"
"""Folder of the force field of GROMACS that our molecules are built with."""
IMPORTED = "imported"
"""Stands for the force-field choices of a topology that was not built here, and for the source of its numbers."""


def imported_set(label: str) -> str:
    """The ether set of a force field that was not built here."""
    return f"{IMPORTED}-{label}"


def imported_choice(label: str, scale: float, salted: bool) -> ForceFieldChoice:
    """Choices of a topology that was not built here: `label` says which force field it is, `scale` what its ion charges
    are of the formal ones."""
    ions = IMPORTED if salted else None
    return ForceFieldChoice(imported_set(label), ions, ions, IMPORTED, scale)


@dataclass(frozen=True)
class Chain:
    """A polymer or solvent of our building blocks, with its units resolved."""

    said: Polymer | Solvent
    ether_set: str
    units: tuple[Unit, ...]

    @property
    def molecule(self) -> str:
        """Name of the molecule type."""
        return self.said.molecule

    @property
    def where(self) -> str:
        """File of the sequence in the folder of building blocks."""
        said = self.said
        return f"solvents/{said.solvent}.yaml" if isinstance(said, Solvent) else f"polymers/{said.polymer}.yaml"

    @property
    def kind(self) -> str:
        """Kind of its molecules."""
        return "solvent" if isinstance(self.said, Solvent) else "polymer"

    @property
    def atoms(self) -> list[AtomEntry]:
        """Atoms of all its units."""
        return [atom for unit in self.units for atom in unit.atoms]

    def role(self, atom: AtomEntry) -> str | None:
        """Role of an atom of its units."""
        return atom.role if self.kind == "polymer" else ROLES_IN_SOLVENT.get(atom.role or "")

    @property
    def roles(self) -> set[str | None]:
        """Roles of the sites."""
        return {self.role(atom) for atom in self.atoms}

    @property
    def ether_oxygens(self) -> int:
        """Sites that EO:Li counts."""
        return sum(self.role(atom) == "ether_O" for atom in self.atoms)


Counts = tuple[tuple[str, int], ...]
"""Names with numbers of molecules."""


@dataclass(frozen=True)
class Contents:
    """What a box holds, by names in the building blocks: chains of polymers, ion pairs of salts, molecules of solvents.

    Those of a kind stand in the order of the topology.
    """

    polymers: Counts
    salts: Counts = ()
    solvents: Counts = ()

    @classmethod
    def of(cls, polymer: str, chains: int, salt: str, cations: int, solvents: Counts = ()) -> Contents:
        """One polymer and at most one salt. Raises InputError for ions of no salt."""
        if salt == NO_SALT and cations:
            raise InputError(f"{cations} cations of salt {salt!r}; allowed: 0")
        return cls(((polymer, chains),), () if salt == NO_SALT else ((salt, cations),), solvents)

    @property
    def chains(self) -> int:
        """Polymer chains."""
        return _total(self.polymers)

    @property
    def cations(self) -> int:
        """Cations of the salts."""
        return _total(self.salts)

    @property
    def solvent_molecules(self) -> int:
        """Molecules of all solvents."""
        return _total(self.solvents)

    @property
    def names(self) -> Contents:
        """The same with one molecule of each: what they are made from does not depend on their numbers."""
        return Contents(*(tuple((name, 1) for name, _ in of) for of in (self.polymers, self.salts, self.solvents)))

    @property
    def words(self) -> list[str]:
        """Names of all, for messages."""
        return [name for of in (self.polymers, self.salts, self.solvents) for name, _ in of]

    def times(self, copies: int) -> Contents:
        """The contents of several such boxes."""
        of_kinds = (self.polymers, self.salts, self.solvents)
        return Contents(*(tuple((name, count * copies) for name, count in of) for of in of_kinds))


def _total(counts: Counts) -> int:
    return sum(count for _, count in counts)


@dataclass(frozen=True)
class Ingredient:
    """A type of molecule of a box: its kind, its entry in the building blocks, and its number in the box."""

    kind: str
    entry: Chain | Ion | ImportedEntry
    count: int

    @property
    def charge(self) -> int:
        """Formal charge of one molecule, e; chains and solvents of our building blocks are neutral."""
        return 0 if isinstance(self.entry, Chain) else self.entry.charge

    @property
    def density_g_cm3(self) -> float:
        """Density of a neat polymer or solvent, for sizes alone."""
        said = self.entry.said if not isinstance(self.entry, Ion) else None
        if isinstance(said, Solvent | ImportedSolvent):
            return said.density_g_cm3.value
        assert isinstance(said, Polymer | ImportedPolymer)
        return said.neat_density_g_cm3.value

    @property
    def roles(self) -> set[str | None]:
        """Roles of the sites."""
        if isinstance(self.entry, Chain):
            return self.entry.roles
        if isinstance(self.entry, Ion):
            return {atom.role for atom in self.entry.atoms}
        return set(self.entry.said.roles)

    @property
    def ether_oxygens(self) -> int:
        """Ether oxygens of one molecule, the EO of EO:Li."""
        if isinstance(self.entry, Chain):
            return self.entry.ether_oxygens
        said = self.entry.said if isinstance(self.entry, ImportedEntry) else None
        return said.ether_oxygens if isinstance(said, ImportedPolymer) else 0


def _labelled(cell: str, labels: Mapping[str, str]) -> str:
    named = [(labels.get(name, name), share) for name, share in shares_of(cell).items()]
    return named[0][0] if len(named) == 1 else " + ".join(f"{share:g} {label}" for label, share in named)


@dataclass(frozen=True)
class Labels:
    """Names for people by the names of the configuration; what has none goes by its own name."""

    polymers: Mapping[str, str] = field(default_factory=dict)
    salts: Mapping[str, str] = field(default_factory=dict)
    anions: Mapping[str, str] = field(default_factory=dict)
    solvents: Mapping[str, str] = field(default_factory=dict)

    def polymer(self, name: str) -> str:
        """The polymer's label, else its name; those of a blend with their shares."""
        return _labelled(name, self.polymers)

    def salt(self, name: str) -> str:
        """The salt's label, else its name; those of a mixture with their shares."""
        return _labelled(name, self.salts)

    def anion(self, salt: str) -> str:
        """The label of a salt's anion, else `anion`, as of a mixture."""
        return self.anions.get(salt, "anion")

    def solvent(self, name: str) -> str:
        """The solvent's label, else its name."""
        return self.solvents.get(name, name)


UNLABELLED = Labels()
