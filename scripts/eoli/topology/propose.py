"""Proposed roles of the atoms of a foreign topology, by element, bonds and charge; for a person to check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from eoli.topology.elements import element_of
from eoli.topology.molecule import neighbours_of
from eoli.topology.roles import MoleculeType, molecule_types

if TYPE_CHECKING:
    from MDAnalysis import AtomGroup, Universe

_CHARGED = 0.3
"""Least charge of an ion, e: models scale charges, and round them."""


@dataclass(frozen=True)
class Proposal:
    """What a molecule type may be: kind, selections by role, atoms of each role in one molecule, and what is left open."""

    name: str
    count: int
    kind: str
    charge: float
    roles: dict[str, str]
    atoms: dict[str, int]
    open: tuple[str, ...]


def _neutral_roles(elements: Sequence[str | None], bonds: Sequence[Sequence[int]]) -> Iterator[tuple[int, str]]:
    """Atoms of a neutral molecule with a role: oxygens by what they are bonded to, the amide's nitrogen and hydrogen."""
    neighbours = neighbours_of(len(elements), [(i, j) for i, j in bonds])

    def around(atom: int, symbol: str) -> list[int]:
        return [other for other in neighbours[atom] if elements[other] == symbol]

    def is_carbonyl(carbon: int) -> bool:
        return any(len(neighbours[oxygen]) == 1 for oxygen in around(carbon, "O"))

    for atom, symbol in enumerate(elements):
        carbons = around(atom, "C")
        if symbol == "O" and len(carbons) == len(neighbours[atom]) == 2:
            yield atom, "ester_bridging_O" if any(map(is_carbonyl, carbons)) else "ether_O"
        elif symbol == "O" and len(carbons) == 1 and around(atom, "H"):
            yield atom, "hydroxyl_O"
        elif symbol == "O" and len(carbons) == len(neighbours[atom]) == 1:
            if around(carbons[0], "N"):
                yield atom, "amide_O"
            elif len(around(carbons[0], "O")) == 2:
                yield atom, "ester_O"
        elif symbol == "N" and any(map(is_carbonyl, carbons)):
            yield atom, "amide_N"
            yield from ((hydrogen, "amide_H") for hydrogen in around(atom, "H"))


def _solvent_roles(elements: Sequence[str | None], bonds: Sequence[Sequence[int]]) -> Iterator[tuple[int, str]]:
    """Atoms of a solvent that bind lithium: oxygens but those between a carbonyl and another carbon, nitriles' nitrogen."""
    neighbours = neighbours_of(len(elements), [(i, j) for i, j in bonds])
    bridging = {atom for atom, role in _neutral_roles(elements, bonds) if role == "ester_bridging_O"}
    for atom, symbol in enumerate(elements):
        if symbol == "O" and atom not in bridging:
            yield atom, "solvent_O"
        elif symbol == "N" and [elements[other] for other in neighbours[atom]] == ["C"]:
            yield atom, "solvent_N"


def _selection(chosen: set[int], names: Sequence[str], types: Sequence[str], residues: Sequence[str]) -> str | None:
    """A selection of these atoms of a molecule and of no others, by name, by type, or by both or residue and name."""

    def found(key: Callable[[int], tuple[str, ...]]) -> list[tuple[str, ...]] | None:
        own = dict.fromkeys(key(atom) for atom in sorted(chosen))
        others = {key(atom) for atom in range(len(names)) if atom not in chosen}
        return None if others & own.keys() else list(own)

    for word, of in (("name", names), ("type", types)):
        if (values := found(lambda atom, of=of: (of[atom],))) is not None:  # type: ignore[misc]
            return f"{word} {' '.join(value for (value,) in values)}"
    for word, of in (("resname", residues), ("type", types)):
        if (pairs := found(lambda atom, of=of: (of[atom], names[atom]))) is not None:  # type: ignore[misc]
            return " or ".join(f"({word} {first} and name {name})" for first, name in pairs)
    return None


def propose(universe: Universe) -> list[Proposal]:
    """A proposal for each molecule type, in topology order.

    Neutral molecules with the most ether oxygens, else the most atoms, are the polymer; other neutral ones are solvent.
    """
    found: list[Proposal] = []
    solvents: dict[str, Proposal] = {}
    bonds = np.asarray(universe.bonds.indices if hasattr(universe, "bonds") else [], dtype=np.int64).reshape(-1, 2)
    counts: dict[str, int] = {}
    for kind in molecule_types(universe, str(universe.filename)):
        counts[kind.name] = counts.get(kind.name, 0) + len(kind.atoms)
        if any(one.name == kind.name for one in found):
            continue
        size, first = kind.atoms.shape[1], int(kind.atoms[0, 0])
        one = universe.atoms[kind.atoms[0]]
        elements = [element_of(float(mass)) for mass in one.masses]
        own = bonds[((bonds >= first) & (bonds < first + size)).all(axis=1)] - first
        # virtual sites are no neighbours
        own = own[(one.masses[own] > 0).all(axis=1)]
        charge = round(float(np.sum(one.charges)), 3) + 0.0
        of_atoms: Iterable[tuple[int, str]]
        if charge > _CHARGED:
            name, of_atoms = "cation", ((atom, "Li") for atom, symbol in enumerate(elements) if symbol == "Li")
        elif charge < -_CHARGED:
            name = "anion"
            of_atoms = ((atom, f"anion_{of}") for atom, of in enumerate(elements) if of in ("O", "N", "F", "Cl"))
        else:
            name, of_atoms = "solvent", _neutral_roles(elements, own.tolist())
        found.append(_proposal(kind, one, elements, name, charge, of_atoms))
        solvents[kind.name] = _proposal(kind, one, elements, name, charge, _solvent_roles(elements, own.tolist()))
    sizes = {kind.name: kind.atoms.shape[1] for kind in molecule_types(universe, "")}
    found, neutral = ([replace(one, count=counts[one.name]) for one in of] for of in (found, solvents.values()))
    return _with_polymer(found, {one.name: one for one in neutral}, sizes)


def _proposal(
    kind: MoleculeType, one: AtomGroup, elements: Sequence[str | None], name: str, charge: float,
    of_atoms: Iterable[tuple[int, str]],
) -> Proposal:  # fmt: skip
    chosen: dict[str, set[int]] = {}
    for atom, role in of_atoms:
        chosen.setdefault(role, set()).add(atom)
    names, types, residues = (list(map(str, of)) for of in (one.names, one.types, one.resnames))
    roles = {role: _selection(atoms, names, types, residues) for role, atoms in chosen.items()}
    unknown = sorted(
        {
            f"{names[atom]} ({one.masses[atom]:g} g/mol)"
            for atom, of in enumerate(elements)
            if of is None and one.masses[atom]
        }
    )
    remarks = [f"{role}: no selection by name, type and residue" for role, of in roles.items() if of is None]
    remarks += [f"no element for {', '.join(unknown[:6])}"] if unknown else []
    return Proposal(
        kind.name, len(kind.atoms), name, charge, {role: of for role, of in roles.items() if of is not None},
        {role: len(atoms) for role, atoms in chosen.items()}, tuple(remarks),
    )  # fmt: skip


def _with_polymer(
    found: Sequence[Proposal], solvents: Mapping[str, Proposal], sizes: Mapping[str, int]
) -> list[Proposal]:
    """The proposals, of the neutral molecules one as the polymer and the others as solvents."""
    neutral = [one for one in found if one.kind == "solvent"]
    if not neutral:
        return list(found)
    chain = max(neutral, key=lambda one: (one.atoms.get("ether_O", 0) * one.count, sizes[one.name] * one.count))
    return [
        replace(one, kind="polymer") if one is chain else solvents[one.name] if one in neutral else one for one in found
    ]


def roles_text(proposals: Sequence[Proposal], topology: str) -> str:
    """A roles file."""
    lines = [f"# Proposed for {topology} by element, bonds and charge: check every line.", "molecules:"]
    for one in proposals:
        lines += [
            f"  {_quoted(one.name)}:  # {one.count} molecules, charge {one.charge:g} e each",
            f"    kind: {one.kind}",
        ]
        if one.kind in ("cation", "anion") and abs(one.charge - round(one.charge)) > 0.01:
            lines.append(f"    charge: {max(1, round(abs(one.charge))) * (1 if one.charge > 0 else -1)}")
        if one.roles:
            lines.append("    roles:")
        lines += [f"      {role}: {_quoted(of)}  # {one.atoms[role]} in each" for role, of in one.roles.items()]
        lines += [f"    # open: {remark}" for remark in one.open]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"


def proposal_lines(proposals: Sequence[Proposal]) -> list[str]:
    """A table for a terminal."""
    lines = [f"{'molecule':12s} {'count':>6s} {'kind':8s} {'charge':>7s}  roles, atoms in each molecule"]
    for one in proposals:
        said = ", ".join(f"{role} {number}" for role, number in one.atoms.items()) or "none"
        lines.append(f"{one.name:12s} {one.count:6d} {one.kind:8s} {one.charge:7.3f}  {said}")
        lines += [f"{'':12s} open: {remark}" for remark in one.open]
    return lines
