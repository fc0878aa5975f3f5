"""The description of a box whose topology was not built here, from an MDAnalysis Universe and a roles file.

Only `read_run_input` depends on the format of the topology.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from eoli.core.arrays import Floats, Indices
from eoli.core.text import misspelt
from eoli.errors import DataError, InputError
from eoli.forcefield.models import IMPORTED, imported_choice
from eoli.study.roles import MoleculeRoles, Roles
from eoli.topology.description import MoleculeCount, SystemDescription
from eoli.topology.elements import element_of
from eoli.topology.imported import BOND_NM
from eoli.topology.molecule import Molecule, Site, Term, neighbours_of
from eoli.topology.species import tethered_anions

if TYPE_CHECKING:
    from MDAnalysis import AtomGroup, Universe

_NOTHING = (0.0, 0.0, 1.0)
"""Phase, force constant and multiplicity of a torsion without a potential."""
Wrong = Callable[..., InputError]
"""Makes the error of a mistake, from a message and the keys where it stands."""
_ALIKE = 1e-3
"""Charges that differ by less, e, are the same: those of a topology have a few digits after the point."""


def read_run_input(path: Path) -> Universe:
    """Topology of a run input file (TPR), without any guess.

    Raises InputError if it is missing, or if MDAnalysis cannot read it.
    """
    import MDAnalysis

    if not path.is_file():
        raise InputError(f"{path}: no such file; allowed: the run input file (TPR) of the run")
    if not path.stat().st_size:
        raise InputError(f"{path}: is empty; allowed: the run input file (TPR) of the run")
    if path.suffix.lower() != ".tpr":
        raise InputError(f"{path}: no topology that can be read; allowed: a run input file (.tpr)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return MDAnalysis.Universe(str(path), to_guess=())
    # the parser fails as its decoders do
    except Exception as error:
        said = " ".join(str(error).split())
        raise InputError(f"{path}: no readable run input file: {said or type(error).__name__}") from error


@dataclass(frozen=True)
class MoleculeType:
    """A run of equal molecules: name, and atom indices (molecules, atoms of one)."""

    name: str
    atoms: Indices


def molecule_types(universe: Universe, where: str) -> Iterator[MoleculeType]:
    """The molecules of a topology in its order, neighbours of one type together.

    Raises InputError for one that says not which atoms form a molecule.
    """
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
            yield MoleculeType(str(this[0]), starts[first] + np.arange(count * size).reshape(count, size))
            first = number + 1


def _in_one(group: AtomGroup, selection: str, kind: MoleculeType, wrong: Wrong, *keys: str) -> Indices:
    """Places within one molecule that a selection finds, the same in all molecules of the type."""
    try:
        chosen = np.isin(kind.atoms, group.select_atoms(selection).indices)
    # the parser and the attributes of MDAnalysis raise all kinds of exceptions
    except Exception as error:
        said = " ".join(str(error).split())
        raise wrong(f"{selection!r} is no selection: {said}; allowed: MDAnalysis' language", *keys) from None
    if not chosen.any():
        known = ", ".join(dict.fromkeys(map(str, group[: kind.atoms.shape[1]].names)))
        raise wrong(f"{selection!r} matches no atom of {kind.name}; allowed: atoms such as {known[:200]}", *keys)
    if (chosen != chosen[0]).any():
        other = int(np.flatnonzero((chosen != chosen[0]).any(axis=1))[0])
        raise wrong(
            f"{selection!r} matches other atoms of molecule {other + 1} than of the first; allowed: the same in all",
            *keys,
        )
    return np.flatnonzero(chosen[0])


def _labels(
    group: AtomGroup, kind: MoleculeType, what: Literal["roles", "blocks"], selections: Mapping[str, str], wrong: Wrong
) -> list[str | None]:
    """The role, or block, of each atom of one molecule."""
    found: list[str | None] = [None] * kind.atoms.shape[1]
    for label, selection in selections.items():
        for atom in _in_one(group, selection, kind, wrong, what, label).tolist():
            if what == "roles" and not group[atom].mass > 0:
                raise wrong(
                    f"{selection!r} matches {group[atom].name}, a virtual site without a mass; allowed: atoms, such as "
                    f"({selection}) and mass 0.1 to 1000",
                    what, label,
                )  # fmt: skip
            if label == "Li" and element_of(float(group[atom].mass)) not in ("Li", None):
                raise wrong(
                    f"{selection!r} matches {group[atom].name} with a mass of {group[atom].mass:g} g/mol; allowed: lithium",
                    what, label,
                )  # fmt: skip
            if (other := found[atom]) is not None:
                raise wrong(
                    f"{selection!r} matches atom {group[atom].name}, which {other} has; allowed: {what} that do not overlap",
                    what, label,
                )  # fmt: skip
            found[atom] = label
    return found


def _decimal(values: npt.ArrayLike) -> list[float]:
    """Numbers of a topology as it prints them: binary formats hold single precision, 12.0110 as 12.0109997."""
    return [float(str(value)) for value in np.asarray(values, dtype=np.float32)]


def _bonds(universe: Universe) -> Indices:
    found = getattr(universe, "bonds", None)
    return np.asarray(found.indices if found is not None else [], dtype=np.int64).reshape(-1, 2)


def _lengths(kind: MoleculeType, bonds: Indices, positions_nm: Floats, edges_nm: Floats, where: str) -> Floats:
    """Median length of each bond (bonds of one molecule, 2) over the molecules, nm.

    Raises DataError for a bond that no molecule has, or that is not alike in all.
    """
    i, j = kind.atoms[:, bonds[:, 0]], kind.atoms[:, bonds[:, 1]]
    steps = positions_nm[j] - positions_nm[i]
    lengths = np.linalg.norm(steps - edges_nm * np.round(steps / edges_nm), axis=2)
    median = np.asarray(np.median(lengths, axis=0), dtype=np.float64)
    wrong = ~((lengths > BOND_NM[0]) & (lengths < BOND_NM[1]) & (lengths > median / 2) & (lengths < median * 2))
    if wrong.any():
        molecule, bond = (int(of[0]) for of in np.nonzero(wrong))
        raise DataError(
            f"{where}: of another system: the atoms {i[molecule, bond] + 1} and {j[molecule, bond] + 1}, bonded in {kind.name}, "
            f"are {lengths[molecule, bond]:.3f} nm apart"
        )
    return median


def _hosts(
    kind: MoleculeType, masses: Sequence[float], positions_nm: Floats, edges_nm: Floats
) -> list[tuple[int, int]]:
    """Atoms and their massless sites, by places in one molecule: a site belongs to the atom that is nearest, in the median
    over the molecules."""
    real = np.flatnonzero(masses)
    found = []
    for site in np.flatnonzero(np.equal(masses, 0)).tolist():
        steps = positions_nm[kind.atoms[:, real]] - positions_nm[kind.atoms[:, site]][:, None]
        gaps = np.linalg.norm(steps - edges_nm * np.round(steps / edges_nm), axis=2)
        if len(real):
            found.append((int(real[int(np.median(gaps, axis=0).argmin())]), site))
    return found


def _connected(n_atoms: int, bonds: Indices) -> bool:
    """Whether the bonds connect all atoms."""
    neighbours = neighbours_of(n_atoms, bonds.tolist())
    seen = {0}
    for atom in (front := [0]):
        front += [other for other in dict.fromkeys(neighbours[atom]) if other not in seen]
        seen |= set(neighbours[atom])
    return len(seen) == n_atoms


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


def _units(
    labels: Sequence[str | None], residues: Sequence[int], bonds: Indices, hosts: Sequence[tuple[int, int]] = ()
) -> list[int]:
    """Number of the repeat unit of each atom, from 1: its residue, or where a residue has several ether oxygens, that of
    the ether oxygen that is the fewest bonds away, of two as near the first. Virtual sites belong to their atoms (`hosts`,
    pairs of atom and site)."""
    ether = [atom for atom, label in enumerate(labels) if label == "ether_O"]
    if len({residues[atom] for atom in ether}) == len(ether):
        return [residue - residues[0] + 1 for residue in residues]
    neighbours = neighbours_of(len(labels), [*bonds.tolist(), *hosts])
    found = {atom: number for number, atom in enumerate(ether, start=1)}
    for atom in (front := list(ether)):
        for other in neighbours[atom]:
            if other not in found:
                found[other] = found[atom]
                front.append(other)
    return [found.get(atom, 1) for atom in range(len(labels))]


def _formal_charge(kind: MoleculeType, charge: float, given: MoleculeRoles, roles: Roles) -> int:
    formal = round(charge) if given.charge is None else given.charge
    tethers = given.kind == "polymer" and any(role.startswith("anion_") for role in given.roles)
    if given.kind in ("polymer", "solvent") and formal and not tethers:
        raise roles.wrong(
            f"{kind.name} is of kind {given.kind}, and its atoms' charges sum to {charge:g} e; allowed: neutral molecules, "
            "or a polymer whose tethered anions have roles of anions",
            kind.name, "kind",
        )  # fmt: skip
    sign = {"cation": 1, "anion": -1}.get(given.kind)
    if sign is not None and (formal * sign <= 0 or charge * sign <= 0):
        raise roles.wrong(
            f"{kind.name} is of kind {given.kind}, and its atoms' charges sum to {charge:g} e; allowed: the sign of its kind, with "
            "charge: NUMBER where the model has scaled charges",
            kind.name, "kind" if given.charge is None else "charge",
        )  # fmt: skip
    return formal


def _in_entry(roles: Roles, name: str, message: str, *keys: str) -> InputError:
    """A mistake in the entry of a molecule type."""
    return roles.wrong(message, name, *keys)


def _block_name(molecule: str) -> str:
    """Name of the one block of a chain."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", molecule)


def _molecule(
    group: AtomGroup, kind: MoleculeType, bonds: Indices, lengths_nm: Floats, hosts: Sequence[tuple[int, int]],
    given: MoleculeRoles, roles: Roles,
) -> Molecule:  # fmt: skip
    """`bonds` (bonds, 2) with their lengths, and `hosts`, atoms and their massless sites, are those of one molecule."""
    size = kind.atoms.shape[1]
    one = group[:size]
    masses, charges = _decimal(one.masses), _decimal(one.charges)
    if not any(masses):
        raise roles.wrong(f"no atom of {kind.name} has a mass; allowed: virtual sites beside atoms", kind.name)
    if not _connected(size, np.array([*bonds.tolist(), *hosts])):
        raise roles.wrong(
            f"the bonds and constraints of {kind.name} do not connect its atoms; allowed: molecules in one piece",
            kind.name,
        )
    wrong = partial(_in_entry, roles, kind.name)
    labels = _labels(group, kind, "roles", given.roles, wrong)
    if "Li" in given.roles and labels.count("Li") != 1:
        raise roles.wrong(
            f"{labels.count('Li')} atoms of {kind.name} have the role Li; allowed: one in each",
            kind.name,
            "roles",
            "Li",
        )
    blocks = _labels(group, kind, "blocks", given.blocks, wrong)
    if given.kind == "polymer" and not given.blocks:
        blocks = [_block_name(kind.name)] * size
    units = _units(labels, one.resids.tolist(), bonds, hosts)
    molecule = Molecule(
        name=kind.name,
        kind=given.kind,
        formal_charge=_formal_charge(kind, round(sum(charges), 4), given, roles),
        sites=tuple(
            Site(str(name)[:4], str(of_type), charge, mass, str(residue)[:4], number, str(of_type), role, block, IMPORTED)
            for name, of_type, charge, mass, residue, number, role, block in zip(
                one.names, one.types, charges, masses, one.resnames, units, labels, blocks, strict=True
            )
        ),
        bonds=tuple(
            Term((int(i), int(j)), 1, (round(float(nm), 4),), IMPORTED, IMPORTED)
            for (i, j), nm in zip(bonds, lengths_nm, strict=True)
        ),
        angles=(),
        dihedrals=_ether_torsions(labels, bonds, IMPORTED),
        impropers=(),
        virtual=tuple(Term((site, atom), 0, (), IMPORTED, IMPORTED) for atom, site in hosts),
    )  # fmt: skip
    _check_tethered(molecule, wrong, ", with charge: NUMBER where the model has scaled charges")
    return molecule


def _check_tethered(molecule: Molecule, wrong: Wrong, hint: str = "") -> None:
    """Raise what `wrong` makes for a chain whose charge is not shared evenly by tethered anions."""
    if molecule.kind != "polymer":
        return
    anions, formal = len(tethered_anions(molecule)), molecule.formal_charge
    if (formal >= 0 or formal % anions) if anions else formal:
        raise wrong(
            f"{molecule.name} has {anions} groups of atoms with roles of anions and a charge of {formal} e; allowed: a whole "
            f"negative charge for each group{hint}",
            "roles",
        )


def _one_molecule(molecule: Molecule) -> Universe:
    """A Universe of one molecule, without positions."""
    from MDAnalysis import Universe

    sites = molecule.sites
    numbers = np.array([site.residue_number for site in sites])
    begins = np.r_[True, numbers[1:] != numbers[:-1]]
    firsts = np.flatnonzero(begins)
    made = Universe.empty(
        len(sites),
        len(firsts),
        1,
        atom_resindex=np.cumsum(begins) - 1,
        residue_segindex=np.zeros(len(firsts), dtype=int),
    )
    for name, values in (
        ("names", [site.name for site in sites]),
        ("types", [site.type for site in sites]),
        ("masses", [site.mass for site in sites]),
        ("charges", [site.charge for site in sites]),
        ("resids", numbers[firsts]),
        ("resnames", [sites[first].residue for first in firsts]),
        ("bonds", [term.sites for term in molecule.bonds]),
    ):
        made.add_TopologyAttr(name, values)
    return made


def with_roles(molecule: Molecule, roles: Mapping[str, str], blocks: Mapping[str, str], wrong: Wrong) -> Molecule:
    """A molecule whose sites have the roles and blocks that selections give them; a chain without blocks is one.

    Sites are numbered by repeat units, as in `describe_universe`. A torsion between ether oxygens that the topology has
    no term for is added with a potential of zero, so that analyses find it. Raises what `wrong` makes, with a message
    and the keys `roles` or `blocks` and a name, for bonds that do not connect the atoms and for a selection that is
    none, matches nothing or overlaps with another, and at `roles` for a chain with a charge that is not that of its tethered
    anions.
    """
    atoms, pairs = len(molecule.sites), molecule.bonded
    if not _connected(atoms, molecule.links):
        raise wrong(
            f"the bonds and constraints of {molecule.name} do not connect its atoms; allowed: molecules in one piece",
            "molecule",
        )
    group = _one_molecule(molecule).atoms
    kind = MoleculeType(molecule.name, np.arange(atoms)[None])
    labels = _labels(group, kind, "roles", roles, wrong)
    named = _labels(group, kind, "blocks", blocks, wrong)
    if molecule.kind == "polymer" and not blocks:
        named = [_block_name(molecule.name)] * atoms
    hosts = [(int(atom), int(site)) for atom, site in molecule.links[len(pairs) :]]
    units = _units(labels, [site.residue_number for site in molecule.sites], pairs, hosts)
    ether = {term.sites: term for term in _ether_torsions(labels, pairs, IMPORTED)}
    dihedrals = [
        replace(term, sites=term.sites[::-1]) if term.sites[::-1] in ether else term for term in molecule.dihedrals
    ]
    known = {term.sites for term in dihedrals}
    found = replace(
        molecule,
        sites=tuple(
            replace(site, role=role, block=block, residue_number=unit)
            for site, role, block, unit in zip(molecule.sites, labels, named, units, strict=True)
        ),
        dihedrals=(*dihedrals, *(replace(ether[s], parameters=_NOTHING) for s in ether if s not in known)),
    )
    _check_tethered(found, wrong)
    return found


def charge_scale(molecules: Sequence[Molecule], where: str) -> float:
    """Factor between the simulated and the formal charges of the ions; 1 without ions.

    Raises InputError if it is not the same for all.
    """
    scales = {m.name: round(m.charge / m.formal_charge, 4) for m in molecules if m.formal_charge}
    different = [f"{name} {scale:g}" for name, scale in scales.items()]
    if scales and max(scales.values()) - min(scales.values()) > _ALIKE:
        raise InputError(
            f"{where}: the charges of the ions are not scaled alike: {', '.join(different)}; allowed: one factor"
        )
    return next(iter(scales.values()), 1.0)


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
    kinds = list(molecule_types(universe, name))
    present = list(dict.fromkeys(kind.name for kind in kinds))
    for known in roles.molecules:
        if known not in present:
            raise roles.wrong(
                f"no molecule type of {name}{misspelt(known, present)}; allowed: {', '.join(present)}", known
            )
    for unnamed in present:
        if unnamed not in roles.molecules:
            raise InputError(
                f"{roles.file.path}: molecules: {unnamed}, which {name} has, is missing; it has no default"
            )
    lithium = [unique for unique in present if "Li" in roles.molecules[unique].roles]
    if len(lithium) > 1:
        raise roles.wrong(f"{', '.join(lithium)} have the role Li; allowed: one type of molecule", lithium[-1], "roles")
    bonds = _bonds(universe)
    types: dict[str, Molecule] = {}
    for unique in present:
        # one description of a type, whose molecules may stand in several places
        kind = MoleculeType(unique, np.concatenate([kind.atoms for kind in kinds if kind.name == unique]))
        group, size = universe.atoms[kind.atoms.ravel()], kind.atoms.shape[1]
        inside = bonds[((bonds >= kind.atoms[0, 0]) & (bonds < kind.atoms[0, 0] + size)).all(axis=1)]
        own = np.sort(inside - kind.atoms[0, 0], axis=1)
        lengths = _lengths(kind, own, positions_nm, edges_nm, where)
        hosts = _hosts(kind, _decimal(group[:size].masses), positions_nm, edges_nm)
        types[unique] = _molecule(group, kind, own, lengths, hosts, roles.molecules[unique], roles)
    made = [MoleculeCount(types[kind.name], len(kind.atoms)) for kind in kinds]
    molecules = list(types.values())
    salted = any(molecule.formal_charge for molecule in molecules)
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
