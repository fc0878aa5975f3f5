"""A system and its trajectory as a Universe of MDAnalysis, with the roles of its sites."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eoli.errors import DataError
from eoli.topology.description import SystemDescription
from eoli.topology.elements import element_of
from eoli.topology.selections import binding_partners
from eoli.topology.species import FAMILIES, members_of

if TYPE_CHECKING:
    from MDAnalysis import AtomGroup, Universe


@cache
def _roles() -> type[Any]:
    """The attribute `roles` of atoms; as a class it also is the word `role` in selections."""
    from MDAnalysis.core.topologyattrs import AtomStringAttr

    class Roles(AtomStringAttr):  # type: ignore[misc]
        attrname, singular, dtype = "roles", "role", object

        @staticmethod
        def _gen_initial_values(na: int, nr: int, ns: int) -> Any:
            return np.full(na, "", dtype=object)

    return Roles


def universe_of(description: SystemDescription, trajectory: Path | None = None) -> Universe:
    """A Universe with names, types, elements, masses, simulated charges, roles, residues, molecules and bonds.

    Units are those of MDAnalysis: angstrom, ps, e, g/mol. A segment is a molecule type; residues are numbered from 1 through
    all molecules, as in a run input file. Sites without a role have the role
    "", and united atoms the element of their heavy atom. Raises DataError for a trajectory that cannot be read or has
    another number of sites.
    """
    import MDAnalysis

    keys, names, types, numbers = [], [], [], 0
    for place, entry in enumerate(description.molecules):
        for _ in range(entry.count):
            keys += [(numbers, site.residue_number, site.residue) for site in entry.molecule.sites]
            names.append(entry.molecule.name)
            types.append(place)
            numbers += 1
    residues = {key: at for at, key in enumerate(dict.fromkeys(keys))}
    molecules = [number for number, _, _ in residues]
    made = MDAnalysis.Universe.empty(
        description.n_sites,
        n_residues=len(residues),
        n_segments=len(description.molecules),
        atom_resindex=[residues[key] for key in keys],
        residue_segindex=[types[number] for number in molecules],
    )
    attributes: dict[str, Any] = {
        "names": description.of_sites(lambda site: site.name),
        "types": description.of_sites(lambda site: site.type),
        "elements": description.of_sites(lambda site: element_of(site.mass) or ""),
        "masses": description.masses(),
        "charges": description.charges(),
        # as in the boxes: through all molecules, so that each ion has its own
        "resids": range(1, len(residues) + 1),
        "resnames": [name for _, _, name in residues],
        "molnums": molecules,
        "moltypes": [names[number] for number in molecules],
        "segids": [entry.molecule.name for entry in description.molecules],
        "bonds": [tuple(pair) for pair in description.bonds().tolist()],
    }
    for key, values in attributes.items():
        made.add_TopologyAttr(key, values)
    made.add_TopologyAttr(_roles()(description.of_sites(lambda site: site.role or "").astype(object)))
    if trajectory is not None:
        try:
            made.load_new(str(trajectory), to_guess=())
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{trajectory}: no trajectory of this system: {' '.join(str(error).split())}") from error
    return made


def groups_of(description: SystemDescription, universe: Universe) -> dict[str, AtomGroup]:
    """Atoms by what they are: each family of species (`Li`, `cation`, `anion`, `chain`, `solvent`), each kind of contact of
    lithium, and each role that the system has."""
    families = {
        family: np.sort(np.concatenate(found)) for family in FAMILIES if (found := members_of(description, family))
    }
    contacts = {kind: sites for kind, sites in binding_partners(description).items() if kind not in families}
    roles = {
        role: description.with_role(role) for role in dict.fromkeys(description.of_sites(lambda s: s.role)) if role
    }
    return {name: universe.atoms[sites] for name, sites in (families | contacts | roles).items()}
