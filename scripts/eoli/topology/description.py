"""What a built system contains, as one JSON file that boxes, stages and analyses read instead of parsing topologies."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eoli.chemistry import ForceFieldChoice
from eoli.errors import DataError
from eoli.topology.molecule import Molecule, Site, Term


@dataclass(frozen=True)
class MoleculeCount:
    """A molecule type and how many of it follow each other in the topology."""

    molecule: Molecule
    count: int


@dataclass(frozen=True)
class SystemDescription:
    """Molecules of a box in topology order, with the choices that made them."""

    molecules: tuple[MoleculeCount, ...]
    choice: ForceFieldChoice
    forcefield_sha256: str

    @property
    def n_sites(self) -> int:
        """Sites of the box."""
        return sum(len(entry.molecule.sites) * entry.count for entry in self.molecules)

    @property
    def mass_g_mol(self) -> float:
        """Mass of the box, g/mol."""
        return sum(entry.molecule.mass * entry.count for entry in self.molecules)

    def _expand(self, values: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return np.concatenate([np.tile(v, e.count) for v, e in zip(values, self.molecules, strict=True)])

    def masses(self) -> npt.NDArray[np.float64]:
        """Masses of all sites, g/mol, shape (n_sites,)."""
        return self._expand([np.array([site.mass for site in e.molecule.sites]) for e in self.molecules])

    def charges(self) -> npt.NDArray[np.float64]:
        """Simulated charges of all sites, e, shape (n_sites,)."""
        return self._expand([np.array([site.charge for site in e.molecule.sites]) for e in self.molecules])

    def with_role(self, *roles: str) -> npt.NDArray[np.int64]:
        """Indices of the sites that have one of the roles; empty when the system has none."""
        mask = self._expand([np.array([site.role in roles for site in e.molecule.sites]) for e in self.molecules])
        return np.flatnonzero(mask)

    def molecules_of(self, kind: str) -> npt.NDArray[np.int64]:
        """Site indices of all molecules of a kind (`polymer`, `cation`, `anion`), shape (molecules, sites of one).

        Raises DataError when two molecule types share the kind.
        """
        start, found = 0, []
        for entry in self.molecules:
            size = len(entry.molecule.sites)
            if entry.molecule.kind == kind:
                found.append(start + np.arange(entry.count * size).reshape(entry.count, size))
            start += entry.count * size
        if len(found) > 1:
            raise DataError(f"the system has {len(found)} molecule types of kind {kind}")
        return found[0] if found else np.empty((0, 0), dtype=np.int64)

    def molecule_numbers(self, kind: str) -> npt.NDArray[np.int64]:
        """For every site the number of its molecule among those of a kind, -1 for other sites, shape (n_sites,).

        Raises DataError when two molecule types share the kind.
        """
        molecules = self.molecules_of(kind)
        numbers = np.full(self.n_sites, -1, dtype=np.int64)
        numbers[molecules] = np.arange(len(molecules))[:, None]
        return numbers

    def bonds(self) -> npt.NDArray[np.int64]:
        """Bonded pairs of the whole box, shape (n_bonds, 2)."""
        start, blocks = 0, []
        for entry in self.molecules:
            size = len(entry.molecule.sites)
            if entry.molecule.bonds:
                one = np.array([term.sites for term in entry.molecule.bonds])
                shifts = start + size * np.arange(entry.count)
                blocks.append((one[None] + shifts[:, None, None]).reshape(-1, 2))
            start += entry.count * size
        return np.concatenate(blocks) if blocks else np.empty((0, 2), dtype=np.int64)

    def bond_lengths_nm(self) -> npt.NDArray[np.float64]:
        """Reference lengths of `bonds`, nm, shape (n_bonds,)."""
        lengths = [
            np.tile(np.array([term.parameters[0] for term in e.molecule.bonds]), e.count)
            for e in self.molecules
            if e.molecule.bonds
        ]
        return np.concatenate(lengths) if lengths else np.empty(0)


def to_json(description: SystemDescription) -> str:
    """The description as JSON text, the same bytes for the same system."""
    return json.dumps(asdict(description), indent=1, sort_keys=True) + "\n"


def _molecule(data: dict[str, Any]) -> Molecule:
    terms = {
        key: tuple(Term(**{**t, "sites": tuple(t["sites"]), "parameters": tuple(t["parameters"])}) for t in data[key])
        for key in ("bonds", "angles", "dihedrals", "impropers", "pairs14")
    }
    return Molecule(
        name=data["name"],
        kind=data["kind"],
        formal_charge=data["formal_charge"],
        sites=tuple(Site(**site) for site in data["sites"]),
        positions_nm=tuple(tuple(position) for position in data["positions_nm"]),
        **terms,
    )


def read_description(path: Path) -> SystemDescription:
    """Read a description.

    Raises DataError when the file is not one.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        molecules = tuple(MoleculeCount(_molecule(entry["molecule"]), entry["count"]) for entry in data["molecules"])
        return SystemDescription(molecules, ForceFieldChoice(**data["choice"]), data["forcefield_sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: no description of a system: {error}") from error
