"""Which atoms of a foreign topology have which function, and the description that follows from it.

A roles file names each molecule type of the topology, its kind, and by selections in MDAnalysis' language the atoms with
a role. Nothing here depends on the format of the topology: it comes as an MDAnalysis Universe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from eoli.core.arrays import Floats, Indices
from eoli.core.names import Part
from eoli.core.text import did_you_mean
from eoli.core.validation import AtKeys, Strict, place, validate
from eoli.core.yamlfile import YamlFile, read_yaml
from eoli.errors import DataError, InputError
from eoli.forcefield.models import ANION_ROLES, CATION_ROLES, POLYMER_ROLES, ForceFieldChoice
from eoli.topology.description import MoleculeCount, SystemDescription
from eoli.topology.molecule import Molecule, Site, Term, neighbours_of

if TYPE_CHECKING:
    from MDAnalysis import AtomGroup, Universe

IMPORTED = "imported"
"""Stands for the force-field choices of a topology that was not built here, and for the source of its numbers."""
ALLOWED = {"polymer": POLYMER_ROLES, "solvent": POLYMER_ROLES, "cation": CATION_ROLES, "anion": ANION_ROLES}
"""Roles by kind of molecule."""
_BOND_NM = (0.02, 0.4)
"""Between the shortest bond, a hydrogen's on a bad start, and more than any: beyond it two atoms are not bonded."""
_ALIKE = 1e-3
"""Charges that differ by less, e, are the same: those of a topology have a few digits after the point."""

Selection = Annotated[str, Field(min_length=1, max_length=2000)]


class MoleculeRoles(Strict):
    """A molecule type: its kind, and its atoms by function."""

    kind: Literal["polymer", "cation", "anion", "solvent"] = Field(description="what analyses take it for")
    charge: int | None = Field(
        None, ge=-4, le=4, description="formal charge, e; left out, the rounded sum of its atoms'"
    )
    roles: dict[str, Selection] = Field(default_factory=dict, description="selections in MDAnalysis' language by role")
    blocks: dict[Part, Selection] = Field(
        default_factory=dict, description="selections of the blocks of a copolymer, by name"
    )

    @model_validator(mode="after")
    def _roles_of_its_kind(self) -> Self:
        allowed = ALLOWED[self.kind]
        for role in self.roles:
            if role not in allowed:
                hint = did_you_mean(role, allowed)
                raise AtKeys(f"no role of kind {self.kind}{hint}; allowed: {', '.join(allowed)}", "roles", role)
        return self


class _Roles(Strict):
    molecules: dict[str, MoleculeRoles] = Field(min_length=1, description="molecule types by name in the topology")


@dataclass(frozen=True)
class Roles:
    """A roles file: its molecule types by name, and where they stand."""

    molecules: Mapping[str, MoleculeRoles]
    file: YamlFile

    def wrong(self, message: str, *keys: str) -> InputError:
        """A mistake in the file, at the line of its key."""
        return InputError(f"{place(('molecules', *keys), [self.file])}: {message}")


def read_roles(path: Path) -> Roles:
    """Read a roles file. Raises InputError with one line that names file, key, value and what is allowed."""
    file = read_yaml(path)
    return Roles(validate(_Roles, file.data, [file]).molecules, file)


@dataclass(frozen=True)
class _Type:
    """A run of equal molecules: name, and atom indices (molecules, atoms of one)."""

    name: str
    atoms: Indices


def _types(universe: Universe, where: str) -> Iterator[_Type]:
    """The molecules of a topology in its order, neighbours of one type together."""
    try:
        names, numbers = np.asarray(universe.atoms.moltypes), np.asarray(universe.atoms.molnums)
    except AttributeError:
        raise InputError(f"{where}: says not which atoms form a molecule; allowed: a run input file (TPR)") from None
    starts = np.flatnonzero(np.r_[True, numbers[1:] != numbers[:-1]])
    sizes = np.diff(np.r_[starts, len(numbers)])
    of_molecule = list(zip(names[starts].tolist(), sizes.tolist(), strict=True))
    first = 0
    for number, this in enumerate(of_molecule):
        if number + 1 == len(of_molecule) or of_molecule[number + 1] != this:
            count, size = number + 1 - first, this[1]
            yield _Type(str(this[0]), starts[first] + np.arange(count * size).reshape(count, size))
            first = number + 1


def _in_one(group: AtomGroup, selection: str, kind: _Type, roles: Roles, *keys: str) -> Indices:
    """Places within one molecule that a selection finds, the same in all molecules of the type."""
    try:
        chosen = np.isin(kind.atoms, group.select_atoms(selection).indices)
    # the parser and the attributes of MDAnalysis raise all kinds of exceptions
    except Exception as error:
        said = " ".join(str(error).split())
        raise roles.wrong(f"{selection!r} is no selection: {said}; allowed: MDAnalysis' language", *keys) from None
    if not chosen.any():
        known = ", ".join(dict.fromkeys(map(str, group[: kind.atoms.shape[1]].names)))
        raise roles.wrong(f"{selection!r} matches no atom of {kind.name}; allowed: atoms such as {known[:200]}", *keys)
    if (chosen != chosen[0]).any():
        other = int(np.flatnonzero((chosen != chosen[0]).any(axis=1))[0])
        raise roles.wrong(
            f"{selection!r} matches other atoms of molecule {other + 1} than of the first; allowed: the same in all",
            *keys,
        )
    return np.flatnonzero(chosen[0])


def _labels(
    group: AtomGroup, kind: _Type, what: Literal["roles", "blocks"], selections: Mapping[str, str], roles: Roles
) -> list[str | None]:
    """The role, or block, of each atom of one molecule."""
    found: list[str | None] = [None] * kind.atoms.shape[1]
    for label, selection in selections.items():
        for atom in _in_one(group, selection, kind, roles, kind.name, what, label).tolist():
            if (other := found[atom]) is not None:
                raise roles.wrong(
                    f"{selection!r} matches atom {group[atom].name}, which {other} has; allowed: {what} that do not overlap",
                    kind.name, what, label,
                )  # fmt: skip
            found[atom] = label
    return found


def _decimal(values: npt.ArrayLike) -> list[float]:
    """Numbers of a topology as it prints them: binary formats hold single precision, 12.0110 as 12.0109997."""
    return [float(str(value)) for value in np.asarray(values, dtype=np.float32)]


def _bonds(universe: Universe) -> Indices:
    found = getattr(universe, "bonds", None)
    return np.asarray(found.indices if found is not None else [], dtype=np.int64).reshape(-1, 2)


def _lengths(kind: _Type, bonds: Indices, positions_nm: Floats, edges_nm: Floats, where: str) -> Floats:
    """Median length of each bond (bonds of one molecule, 2) over the molecules, nm.

    Raises DataError for a bond that no molecule has, or that is not alike in all.
    """
    i, j = kind.atoms[:, bonds[:, 0]], kind.atoms[:, bonds[:, 1]]
    steps = positions_nm[j] - positions_nm[i]
    lengths = np.linalg.norm(steps - edges_nm * np.round(steps / edges_nm), axis=2)
    median = np.asarray(np.median(lengths, axis=0), dtype=np.float64)
    wrong = ~((lengths > _BOND_NM[0]) & (lengths < _BOND_NM[1]) & (lengths > median / 2) & (lengths < median * 2))
    if wrong.any():
        molecule, bond = (int(of[0]) for of in np.nonzero(wrong))
        raise DataError(
            f"{where}: of another system: the atoms {i[molecule, bond] + 1} and {j[molecule, bond] + 1}, bonded in {kind.name}, "
            f"are {lengths[molecule, bond]:.3f} nm apart"
        )
    return median


def _ether_torsions(labels: Sequence[str | None], bonds: Indices, source: str) -> tuple[Term, ...]:
    """Each O-C-C-O between ether oxygens once: a force field may list any torsion around the middle bond, or several."""
    ends = neighbours_of(len(labels), bonds.tolist())
    found = {
        (i, j, k, m) if i < m else (m, k, j, i)
        for j, k in bonds.tolist()
        for i in ends[j]
        for m in ends[k]
        if len({i, j, k, m}) == 4 and labels[i] == labels[m] == "ether_O"
    }
    return tuple(Term(sites, 1, (), IMPORTED, source) for sites in sorted(found))


def _formal_charge(kind: _Type, charge: float, given: MoleculeRoles, roles: Roles) -> int:
    formal = round(charge) if given.charge is None else given.charge
    sign = {"cation": 1, "anion": -1}.get(given.kind)
    if sign is not None and (formal * sign <= 0 or charge * sign <= 0):
        raise roles.wrong(
            f"{kind.name} is of kind {given.kind}, and its atoms' charges sum to {charge:g} e; allowed: the sign of its kind, with "
            "charge: NUMBER where the model has scaled charges",
            kind.name, "kind" if given.charge is None else "charge",
        )  # fmt: skip
    return formal


def _molecule(
    group: AtomGroup, kind: _Type, bonds: Indices, lengths_nm: Floats, given: MoleculeRoles, roles: Roles
) -> Molecule:
    size = kind.atoms.shape[1]
    one = group[:size]
    masses, charges = _decimal(one.masses), _decimal(one.charges)
    if not min(masses) > 0:
        name = one.names[int(np.argmin(masses))]
        raise roles.wrong(
            f"atom {name} of {kind.name} has no mass; allowed: topologies without virtual sites", kind.name
        )
    labels = _labels(group, kind, "roles", given.roles, roles)
    blocks = _labels(group, kind, "blocks", given.blocks, roles)
    first = int(one.resids[0])
    return Molecule(
        name=kind.name,
        kind=given.kind,
        formal_charge=_formal_charge(kind, round(sum(charges), 4), given, roles),
        sites=tuple(
            Site(str(name), str(of_type), charge, mass, str(residue), int(number) - first + 1, str(of_type), role, block, IMPORTED)
            for name, of_type, charge, mass, residue, number, role, block in zip(
                one.names, one.types, charges, masses, one.resnames, one.resids, labels, blocks, strict=True
            )
        ),
        bonds=tuple(
            Term((int(i), int(j)), 1, (round(float(nm), 4),), IMPORTED, IMPORTED)
            for (i, j), nm in zip(bonds, lengths_nm, strict=True)
        ),
        angles=(),
        dihedrals=_ether_torsions(labels, bonds, IMPORTED),
        impropers=(),
    )  # fmt: skip


def charge_scale(molecules: Sequence[Molecule], where: str) -> float:
    """Factor between the simulated and the formal charges of the ions; 1 without ions.

    Raises InputError if it is not the same for all.
    """
    scales = {m.name: round(m.charge / m.formal_charge, 4) for m in molecules if m.kind in ("cation", "anion")}
    different = [f"{name} {scale:g}" for name, scale in scales.items()]
    if scales and max(scales.values()) - min(scales.values()) > _ALIKE:
        raise InputError(
            f"{where}: the charges of the ions are not scaled alike: {', '.join(different)}; allowed: one factor"
        )
    return next(iter(scales.values()), 1.0)


def imported_choice(label: str, scale: float, salted: bool) -> ForceFieldChoice:
    """The force-field axes of a topology that was not built here: `label` says which force field it is."""
    ions = IMPORTED if salted else None
    return ForceFieldChoice(f"{IMPORTED}-{label}", ions, ions, IMPORTED, scale)


def describe_universe(
    universe: Universe, roles: Roles, label: str, topology_sha256: str, positions_nm: Floats, edges_nm: Floats, where: str
) -> SystemDescription:  # fmt: skip
    """Description of a foreign topology.

    `universe` has the topology: names, types, masses, charges, molecules, bonds (constraints count as bonds). `label`
    names its force field, `topology_sha256` is the checksum of its file. `positions_nm` (atoms, 3) and `edges_nm` (3,)
    are those of one frame: the length of a bond is the median over the molecules of that frame, since force fields keep
    it in many forms. `where` is the file of that frame, for messages. Of the torsions only those between ether oxygens
    are kept, and no angles: analyses use no others. Raises InputError, one line at the key of the roles file, for a molecule type
    that only one of topology and roles has, for a selection that is none, matches nothing, overlaps with another or
    differs between molecules, and for charges that do not fit the kind; DataError for a frame of another system.
    """
    name = str(universe.filename or "the topology")
    kinds = list(_types(universe, name))
    present = list(dict.fromkeys(kind.name for kind in kinds))
    for known in roles.molecules:
        if known not in present:
            raise roles.wrong(
                f"no molecule type of {name}{did_you_mean(known, present)}; allowed: {', '.join(present)}", known
            )
    for unnamed in present:
        if unnamed not in roles.molecules:
            raise InputError(
                f"{roles.file.path}: molecules: {unnamed}, which {name} has, is missing; it has no default"
            )
    bonds = _bonds(universe)
    made = []
    for kind in kinds:
        group, size = universe.atoms[kind.atoms.ravel()], kind.atoms.shape[1]
        inside = bonds[((bonds >= kind.atoms[0, 0]) & (bonds < kind.atoms[0, 0] + size)).all(axis=1)]
        own = np.sort(inside - kind.atoms[0, 0], axis=1)
        own = own[np.lexsort((own[:, 1], own[:, 0]))]
        lengths = _lengths(kind, own, positions_nm, edges_nm, where)
        molecule = _molecule(group, kind, own, lengths, roles.molecules[kind.name], roles)
        made.append(MoleculeCount(molecule, len(kind.atoms)))
    molecules = [entry.molecule for entry in made]
    salted = any(molecule.kind in ("cation", "anion") for molecule in molecules)
    choice = imported_choice(label, charge_scale(molecules, str(roles.file.path)), salted)
    return SystemDescription(tuple(made), choice, topology_sha256)


def composition(description: SystemDescription) -> dict[str, Any]:
    """What a configuration says about an imported box: sites, chains, ether oxygens, lithium ions, factor on the charges."""
    return {
        "sites": description.n_sites,
        "chains": sum(entry.count for entry in description.molecules if entry.molecule.kind == "polymer"),
        "ether_oxygens": len(description.with_role("ether_O")),
        "lithium_ions": len(description.with_role("Li")),
        "ion_charge_scale": description.choice.ion_charge_scale,
    }
