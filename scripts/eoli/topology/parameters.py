"""The provenance page of a topology: every number with its source, and whether anyone verified it."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from eoli.errors import ForceFieldError
from eoli.forcefield.library import Library
from eoli.forcefield.models import IONS, Source
from eoli.topology.description import SystemDescription
from eoli.topology.gromos import pair_key
from eoli.topology.limits import limits_of
from eoli.topology.molecule import Molecule, Term
from eoli.topology.pairs import PairTables, sigma_epsilon

STATUSES = ("recalled", "assumed", "verified")
"""From least to most trusted; a row is as good as its worst source."""
_GROMOS, _MASSES = "gromos54a7", "atomicmass"
MIXING_WORDS = {
    "gromos": "the 54A7 pair table among types of GROMOS and types that follow a row of it, geometric in C6 and C12 for "
    "all others; every pair is written out",
    "lorentz-berthelot": "arithmetic in sigma and geometric in epsilon for every pair; made by grompp",
    "lb-ions": "the 54A7 pair table among the types of neutral molecules, arithmetic in sigma and geometric in epsilon for "
    "pairs with an ion; the latter are made by grompp",
}
_FORMS: dict[tuple[str, int], tuple[str, tuple[tuple[str, str], ...]]] = {
    ("bond", 1): ("harmonic", (("b0", "nm"), ("k", "kJ/mol/nm²"))),
    ("bond", 2): ("quartic, GROMOS", (("b0", "nm"), ("k", "kJ/mol/nm⁴"))),
    ("bond", 3): ("Morse", (("b0", "nm"), ("D", "kJ/mol"), ("beta", "nm⁻¹"))),
    ("bond", 4): ("cubic", (("b0", "nm"), ("C2", "kJ/mol/nm²"), ("C3", "kJ/mol/nm³"))),
    ("bond", 5): ("connection without a potential", ()),
    ("bond", 6): ("harmonic, no chemical bond", (("b0", "nm"), ("k", "kJ/mol/nm²"))),
    ("bond", 7): ("FENE", (("bm", "nm"), ("k", "kJ/mol/nm²"))),
    ("constraint", 1): ("constraint, a chemical bond", (("b0", "nm"),)),
    ("constraint", 2): ("constraint, no chemical bond", (("b0", "nm"),)),
    ("settle", 1): ("rigid water", (("O-H", "nm"), ("H-H", "nm"))),
    ("angle", 1): ("harmonic", (("theta0", "°"), ("k", "kJ/mol/rad²"))),
    ("angle", 2): ("in the cosine, GROMOS", (("theta0", "°"), ("k", "kJ/mol"))),
    ("angle", 5): ("Urey-Bradley", (("theta0", "°"), ("k", "kJ/mol/rad²"), ("r13", "nm"), ("kUB", "kJ/mol/nm²"))),
    ("angle", 10): ("restricted bending", (("theta0", "°"), ("k", "kJ/mol"))),
    ("torsion", 1): ("periodic", (("phase", "°"), ("k", "kJ/mol"), ("multiplicity", ""))),
    ("torsion", 3): ("Ryckaert-Bellemans", tuple((f"C{n}", "kJ/mol") for n in range(6))),
    ("torsion", 5): ("Fourier", tuple((f"F{n}", "kJ/mol") for n in range(1, 5))),
    ("torsion", 9): ("periodic", (("phase", "°"), ("k", "kJ/mol"), ("multiplicity", ""))),
    ("torsion", 10): ("restricted", (("phi0", "°"), ("k", "kJ/mol"))),
    ("improper", 2): ("harmonic", (("xi0", "°"), ("k", "kJ/mol/rad²"))),
    ("improper", 4): ("periodic", (("phase", "°"), ("k", "kJ/mol"), ("multiplicity", ""))),
    ("virtual_sites1", 1): ("on an atom", ()),
    ("virtual_sites2", 1): ("on the line of 2 atoms", (("a", ""),)),
    ("virtual_sites2", 2): ("at a distance on the line of 2 atoms", (("a", "nm"),)),
    ("virtual_sites3", 1): ("in the plane of 3 atoms", (("a", ""), ("b", ""))),
    ("virtual_sites3", 2): ("at a distance in the plane of 3 atoms", (("a", ""), ("d", "nm"))),
    ("virtual_sites3", 3): ("at an angle and a distance in the plane of 3 atoms", (("theta", "°"), ("d", "nm"))),
    ("virtual_sites3", 4): ("out of the plane of 3 atoms", (("a", ""), ("b", ""), ("c", "nm⁻¹"))),
    ("virtual_sites4", 1): ("at a distance, of 4 atoms, 4fd", (("a", ""), ("b", ""), ("c", "nm"))),
    ("virtual_sites4", 2): ("at a distance, of 4 atoms, 4fdn", (("a", ""), ("b", ""), ("c", "nm"))),
    ("virtual_sitesn", 1): ("centre of atoms", ()),
    ("virtual_sitesn", 2): ("centre of mass of atoms", ()),
    ("virtual_sitesn", 3): ("weighted mean of atoms", ()),
}


@dataclass(frozen=True)
class Cited:
    """A source, with its key in sources.yaml."""

    key: str
    source: Source


@dataclass(frozen=True, kw_only=True)
class Row:
    """Numbers, and the sources they were taken or computed from."""

    sources: tuple[Cited, ...]

    @property
    def status(self) -> str:
        """The least trusted status of the sources."""
        return min((cited.source.status for cited in self.sources), key=STATUSES.index)


@dataclass(frozen=True, kw_only=True)
class Charge(Row):
    """An atom of a residue: charges in e, mass in g/mol, `count` in one molecule."""

    molecule: str
    residue: str
    atom: str
    type: str
    bonded_class: str
    unscaled: float
    simulated: float
    mass: float
    count: int


@dataclass(frozen=True)
class LennardJones:
    """The same numbers in both forms: kJ mol-1 nm6 and kJ mol-1 nm12; nm and kJ/mol, None if these do not exist."""

    c6: float
    c12: float
    sigma: float | None
    epsilon: float | None


@dataclass(frozen=True, kw_only=True)
class AtomType(Row):
    """A Lennard-Jones type; mass in g/mol."""

    name: str
    mass: float
    lj: LennardJones


@dataclass(frozen=True, kw_only=True)
class Pair(Row):
    """Two different types; `written`: the topology holds the numbers, rather than leaving them to grompp."""

    types: tuple[str, str]
    lj: LennardJones
    origin: str
    written: bool


@dataclass(frozen=True, kw_only=True)
class OneFour(Row):
    """A kind of 1-4 pair, `count` in one molecule; charges in e and their factor, if the pair has its own."""

    molecule: str
    types: tuple[str, str]
    function: int
    charges: tuple[float, float] | None
    fudge_qq: float | None
    lj: LennardJones
    origin: str
    count: int


@dataclass(frozen=True)
class Coefficient:
    """A number of a bonded term."""

    symbol: str
    value: float
    unit: str


@dataclass(frozen=True, kw_only=True)
class Bonded(Row):
    """A kind of bonded term, `count` in one molecule; `label` is the force field's macro or `own`."""

    molecule: str
    kind: str
    classes: tuple[str, ...]
    label: str
    function: int
    form: str
    coefficients: tuple[Coefficient, ...]
    count: int


@dataclass(frozen=True)
class Parameters:
    """All rows of a system."""

    charges: tuple[Charge, ...]
    types: tuple[AtomType, ...]
    pairs: tuple[Pair, ...]
    one_four: tuple[OneFour, ...]
    bonded: tuple[Bonded, ...]

    @property
    def rows(self) -> Iterator[Row]:
        """The rows of all tables."""
        return itertools.chain(self.charges, self.types, self.pairs, self.one_four, self.bonded)

    def statuses(self) -> dict[str, int]:
        """Number of rows by status."""
        found = Counter(row.status for row in self.rows)
        return {status: found[status] for status in STATUSES}

    def sources(self) -> list[tuple[Cited, int]]:
        """Every cited source with its number of rows, least trusted first."""
        found = Counter(cited for row in self.rows for cited in row.sources)
        return sorted(found.items(), key=lambda item: (STATUSES.index(item[0].source.status), item[0].key))


class _Sources:
    """Finds sources by key or by type."""

    def __init__(self, blocks: Library) -> None:
        self.blocks = blocks

    def cited(self, keys: Iterable[str]) -> tuple[Cited, ...]:
        known = self.blocks.sources
        unique = list(dict.fromkeys(keys))
        missing = [key for key in unique if key not in known]
        if missing:
            raise ForceFieldError(f"{self.blocks.root / 'sources.yaml'}: {missing[0]!r} is missing")
        return tuple(Cited(key, known[key]) for key in unique)

    def of_type(self, name: str) -> str:
        own = self.blocks.atom_types.get(name)
        return own.source if own is not None else _GROMOS

    def own(self, names: Iterable[str]) -> list[str]:
        """Sources of those types that the installed force field lacks."""
        return [self.blocks.atom_types[name].source for name in names if name in self.blocks.atom_types]

    def like(self, name: str) -> str:
        """The 54A7 type whose 1-4 pairs a type uses."""
        own = self.blocks.atom_types.get(name)
        return (own.like or name) if own is not None else name


def from_c6_c12(numbers: tuple[float, float]) -> LennardJones:
    """Both forms of C6 (kJ mol-1 nm6) and C12 (kJ mol-1 nm12)."""
    c6, c12 = numbers
    if (c6 == 0) != (c12 == 0):
        return LennardJones(c6, c12, None, None)
    return LennardJones(c6, c12, *sigma_epsilon(numbers, "a pair"))


def from_sigma_epsilon(numbers: tuple[float, float]) -> LennardJones:
    """Both forms of sigma (nm) and epsilon (kJ/mol)."""
    sigma, epsilon = numbers
    return LennardJones(4 * epsilon * sigma**6, 4 * epsilon * sigma**12, sigma, epsilon)


def _as_written(numbers: tuple[float, float], tables: PairTables) -> LennardJones:
    return from_c6_c12(numbers) if tables.combination_rule == 1 else from_sigma_epsilon(numbers)


def _charges(molecule: Molecule, scale: float, sources: _Sources) -> list[Charge]:
    factor = scale if molecule.kind in IONS else 1.0
    kinds = Counter(
        (s.residue, s.name, s.type, s.bonded_class, s.charge, s.mass, s.source) for s in molecule.sites
    )  # fmt: skip
    return [
        Charge(
            molecule=molecule.name, residue=residue, atom=atom, type=kind, bonded_class=bonded_class,
            unscaled=charge / factor, simulated=charge, mass=mass, count=count, sources=sources.cited([source]),
        )
        for (residue, atom, kind, bonded_class, charge, mass, source), count in kinds.items()
    ]  # fmt: skip


def _pairs(tables: PairTables, sources: _Sources) -> list[Pair]:
    rows = []
    for key in itertools.combinations(sorted(tables.types), 2):
        origin = tables.origin.get(key, "Lorentz-Berthelot")
        if key in tables.pairs:
            lj = _as_written(tables.pairs[key], tables)
        else:
            (sigma_a, epsilon_a), (sigma_b, epsilon_b) = (tables.types[name] for name in key)
            lj = from_sigma_epsilon(((sigma_a + sigma_b) / 2, math.sqrt(epsilon_a * epsilon_b)))
        # a pair of the matrix has its own numbers, all others are computed from those of the types
        keys = [_GROMOS, *sources.own(key)] if origin.startswith("54A7") else [sources.of_type(name) for name in key]
        rows.append(Pair(types=key, lj=lj, origin=origin, written=key in tables.pairs, sources=sources.cited(keys)))
    return rows


def _one_four(molecule: Molecule, tables: PairTables, sources: _Sources) -> list[OneFour]:
    counts: Counter[OneFour] = Counter()
    for term in molecule.pairs14:
        sites = [molecule.sites[site] for site in term.sites]
        types = pair_key(sites[0].type, sites[1].type)
        if term.function == 1:
            like = pair_key(*(sources.like(name) for name in types))
            row = OneFour(
                molecule=molecule.name, types=types, function=1, charges=None, fudge_qq=None,
                lj=_as_written(tables.pairs14[types], tables), count=0,
                origin="54A7" if like == types else f"54A7, as {' '.join(like)}",
                sources=sources.cited([term.source, *sources.own(types)]),
            )  # fmt: skip
        else:
            fudge_qq, first, second, c6, c12 = term.parameters
            ends = sorted([(sites[0].type, first), (sites[1].type, second)])
            keys = [site.source for site in sites] + [sources.of_type(name) for name in types]
            row = OneFour(
                molecule=molecule.name, types=types, function=term.function, charges=(ends[0][1], ends[1][1]),
                fudge_qq=fudge_qq, lj=from_c6_c12((c6, c12)), count=0, origin="own",
                sources=sources.cited(sorted(keys)),
            )  # fmt: skip
        counts[row] += 1
    return [replace(row, count=count) for row, count in counts.items()]


def form_of(kind: str, function: int, numbers: tuple[float, ...]) -> tuple[str, tuple[Coefficient, ...]]:
    """Name of a GROMACS function, and the numbers of a term with symbols and units; those of no known form are numbered."""
    form, symbols = _FORMS.get((kind, function), ("see the manual of GROMACS", ()))
    if len(symbols) != len(numbers):
        symbols = tuple((f"parameter {n}", "") for n in range(1, len(numbers) + 1))
    return form, tuple(Coefficient(s, value, unit) for (s, unit), value in zip(symbols, numbers, strict=True))


def _bonded(molecule: Molecule, sources: _Sources) -> list[Bonded]:
    sections: dict[str, tuple[Term, ...]] = {
        "bond": molecule.bonds,
        "angle": molecule.angles,
        "torsion": molecule.dihedrals,
        "improper": molecule.impropers,
    }
    counts: Counter[tuple[str, tuple[str, ...], str, int, tuple[float, ...], str]] = Counter()
    for kind, terms in sections.items():
        for term in terms:
            classes = tuple(molecule.sites[site].bonded_class for site in term.sites)
            # the first class of an improper is its centre; other terms read the same from both ends
            shown = classes if kind == "improper" else min(classes, classes[::-1])
            counts[kind, shown, term.label, term.function, term.parameters, term.source] += 1
    rows = []
    for (kind, classes, label, function, parameters, source), count in counts.items():
        form, coefficients = form_of(kind, function, parameters)
        row = Bonded(
            molecule=molecule.name, kind=kind, classes=classes, label=label, function=function, form=form,
            coefficients=coefficients, count=count, sources=sources.cited([source]),
        )  # fmt: skip
        rows.append(row)
    return rows


def parameter_rows(description: SystemDescription, tables: PairTables, blocks: Library) -> Parameters:
    """All parameters of a system, each kind once.

    Raises ForceFieldError for a source missing from sources.yaml.
    """
    sources = _Sources(blocks)
    molecules = [entry.molecule for entry in description.molecules]
    scale = description.choice.ion_charge_scale
    return Parameters(
        charges=tuple(row for molecule in molecules for row in _charges(molecule, scale, sources)),
        types=tuple(
            AtomType(
                name=name,
                mass=blocks.mass(name),
                lj=_as_written(numbers, tables),
                sources=sources.cited([sources.of_type(name), _MASSES]),
            )
            for name, numbers in tables.types.items()
        ),
        pairs=tuple(_pairs(tables, sources)),
        one_four=tuple(row for molecule in molecules for row in _one_four(molecule, tables, sources)),
        bonded=tuple(row for molecule in molecules for row in _bonded(molecule, sources)),
    )


def _exact(value: float) -> str:
    """As in the topology files."""
    return f"{value:z.10g}"


def _short(value: float) -> str:
    return f"{value:z.5g}"


def template(name: str) -> Template:
    """A template of this package, which escapes what it shows."""
    environment = Environment(
        loader=PackageLoader("eoli.topology", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"exact": _exact, "short": _short}
    return environment.get_template(name)


def parameters_page(description: SystemDescription, tables: PairTables, blocks: Library, title: str) -> str:
    """The page as self-contained HTML; the same system gives the same bytes.

    Raises InputError if limits.yaml or sources.yaml is missing or wrong.
    """
    parameters = parameter_rows(description, tables, blocks)
    return template("parameters.html.j2").render(
        title=title,
        description=description,
        tables=tables,
        parameters=parameters,
        mixing=MIXING_WORDS[description.choice.mixing],
        ions=[entry.molecule for entry in description.molecules if entry.molecule.kind in IONS],
        limits=limits_of(description, blocks),
    )
