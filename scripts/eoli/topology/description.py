"""Contents of a built system as one JSON file, which boxes, stages and analyses read instead of topologies."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eoli.errors import DataError
from eoli.forcefield.models import ForceFieldChoice
from eoli.topology.molecule import Molecule, Site, Term

KINDS = ("polymer", "cation", "anion", "solvent")
LARGEST_SITES = 10**7
"""Most sites of a box: more than its coordinate file and any analysis can hold."""
_ARITY = {"bonds": 2, "angles": 3, "dihedrals": 4, "impropers": 4, "pairs14": 2}


@dataclass(frozen=True)
class MoleculeCount:
    """A molecule type and its number of consecutive molecules in the topology."""

    molecule: Molecule
    count: int


@dataclass(frozen=True)
class SystemDescription:
    """Molecules of a box in topology order, with the choices that made them."""

    molecules: tuple[MoleculeCount, ...]
    choice: ForceFieldChoice
    forcefield_sha256: str

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the whole description."""
        return hashlib.sha256(json.dumps(_data(self), sort_keys=True).encode()).hexdigest()

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return sum(len(entry.molecule.sites) * entry.count for entry in self.molecules)

    @property
    def mass_g_mol(self) -> float:
        """Mass of the box, g/mol."""
        return sum(entry.molecule.mass * entry.count for entry in self.molecules)

    def of_sites(self, value: Callable[[Site], Any]) -> npt.NDArray[Any]:
        """A value of each site, shape (n_sites,)."""
        return np.concatenate([np.tile([value(site) for site in e.molecule.sites], e.count) for e in self.molecules])

    def parts(self) -> Iterator[tuple[Molecule, npt.NDArray[np.int64]]]:
        """Each molecule type with the site indices of its molecules, shape (molecules, sites of one)."""
        start = 0
        for entry in self.molecules:
            shape = entry.count, len(entry.molecule.sites)
            yield entry.molecule, start + np.arange(math.prod(shape)).reshape(shape)
            start += math.prod(shape)

    def masses(self) -> npt.NDArray[np.float64]:
        """Masses of all sites, g/mol, shape (n_sites,)."""
        return self.of_sites(lambda site: site.mass)

    def charges(self) -> npt.NDArray[np.float64]:
        """Simulated charges of all sites, e, shape (n_sites,)."""
        return self.of_sites(lambda site: site.charge)

    def with_role(self, *roles: str) -> npt.NDArray[np.int64]:
        """Indices of the sites with one of the roles; empty if there are none."""
        return np.flatnonzero(self.of_sites(lambda site: site.role in roles))

    def types_of(self, kind: str) -> list[tuple[Molecule, npt.NDArray[np.int64]]]:
        """Molecule types of a kind (`KINDS`) in the order of the topology, each with the site indices of all its molecules,
        shape (molecules, sites of one), wherever they stand."""
        found: dict[str, tuple[Molecule, list[npt.NDArray[np.int64]]]] = {}
        for molecule, sites in self.parts():
            if molecule.kind == kind:
                found.setdefault(molecule.name, (molecule, []))[1].append(sites)
        return [(molecule, np.concatenate(parts)) for molecule, parts in found.values()]

    def molecules_of(self, kind: str) -> list[npt.NDArray[np.int64]]:
        """Site indices of each molecule of a kind, type by type as `types_of`."""
        return [sites for _, molecules in self.types_of(kind) for sites in molecules]

    def sites_of(self, kind: str) -> npt.NDArray[np.int64]:
        """Indices of all sites of the molecules of a kind, in increasing order."""
        return np.flatnonzero(
            np.concatenate([np.full(sites.size, molecule.kind == kind) for molecule, sites in self.parts()])
        )

    def bonds(self) -> npt.NDArray[np.int64]:
        """Bonded pairs of the whole box, shape (n_bonds, 2)."""
        return np.concatenate([sites[:, molecule.bonded].reshape(-1, 2) for molecule, sites in self.parts()])

    def virtual(self) -> npt.NDArray[np.int64]:
        """Atoms and their virtual sites, pairs of the whole box, shape (virtual sites, 2)."""
        found = []
        for molecule, sites in self.parts():
            own = np.flatnonzero(molecule.massless)
            found.append(np.stack([sites[:, molecule.hosts[own]], sites[:, own]], axis=-1).reshape(-1, 2))
        return np.concatenate(found)

    def bond_lengths_nm(self) -> npt.NDArray[np.float64]:
        """Reference lengths of `bonds`, nm, shape (n_bonds,)."""
        return np.concatenate([np.tile([t.parameters[0] for t in e.molecule.bonds], e.count) for e in self.molecules])


def _data(description: SystemDescription) -> dict[str, Any]:
    """The description as plain data; what only molecules of others have is left out where there is none."""
    data = asdict(description)
    for entry in data["molecules"]:
        for key, none in (("virtual", ()), ("exclusions", None)):
            if entry["molecule"][key] == none:
                del entry["molecule"][key]
    return data


def to_json(description: SystemDescription) -> str:
    """The description as JSON text with its checksum; the same system gives the same bytes."""
    return json.dumps(_data(description) | {"sha256": description.digest}, indent=1, sort_keys=True) + "\n"


def _molecule(data: dict[str, Any]) -> Molecule:
    terms = {
        key: tuple(Term(**{**t, "sites": tuple(t["sites"]), "parameters": tuple(t["parameters"])}) for t in data[key])
        for key in ("bonds", "angles", "dihedrals", "impropers", "pairs14", "virtual")
        if key in data
    }
    exclusions = data.get("exclusions")
    return Molecule(
        name=data["name"],
        kind=data["kind"],
        formal_charge=data["formal_charge"],
        sites=tuple(Site(**site) for site in data["sites"]),
        positions_nm=tuple(tuple(position) for position in data["positions_nm"]),
        exclusions=None if exclusions is None else tuple((i, j) for i, j in exclusions),
        **terms,
    )


@cache
def _reader() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(SystemDescription)


def _flaw(description: SystemDescription) -> str | None:
    """What is impossible about a system, in words; None if nothing is."""
    if not 0 < description.n_sites <= LARGEST_SITES or any(entry.count < 1 for entry in description.molecules):
        return f"{description.n_sites} sites; allowed: 1 to {LARGEST_SITES}, at least one molecule of each type"
    if not 0 < description.choice.ion_charge_scale < math.inf:
        return f"ion_charge_scale {description.choice.ion_charge_scale}; allowed: above 0"
    for molecule in (entry.molecule for entry in description.molecules):
        n, where = len(molecule.sites), f"molecule {molecule.name}"
        if molecule.kind not in KINDS:
            return f"{where} is of kind {molecule.kind!r}; allowed: {', '.join(KINDS)}"
        later = {term.sites[0] for term in molecule.virtual if term.sites}
        for term in molecule.virtual:
            if len(term.sites) < 2 or later.intersection(term.sites[1:]) or not all(0 <= k < n for k in term.sites):
                return f"{where}: a virtual site of sites {term.sites}; allowed: one of 0 to {n - 1}, and sites placed before"
            later.discard(term.sites[0])
        if any(not 0 <= i < j < n for i, j in molecule.exclusions or ()):
            return f"{where}: an exclusion that is no pair of sites; allowed: pairs of 0 to {n - 1} in order"
        for site, massless in zip(molecule.sites, molecule.massless.tolist(), strict=True):
            possible = site.mass == 0 if massless else 0 < site.mass < math.inf
            if not possible or not math.isfinite(site.charge):
                return f"{where}, site {site.name}: mass {site.mass} g/mol, charge {site.charge} e; allowed: finite, a mass above 0"
        if len(molecule.positions_nm) not in (0, n) or not np.isfinite(np.array(molecule.positions_nm)).all():
            return (
                f"{where}: {len(molecule.positions_nm)} positions; allowed: none, or a finite one for each of {n} sites"
            )
        for key, arity in _ARITY.items():
            for term in getattr(molecule, key):
                if len(set(term.sites)) != arity or len(term.sites) != arity or not all(0 <= k < n for k in term.sites):
                    return f"{where}: {key} between sites {term.sites}; allowed: {arity} different ones of 0 to {n - 1}"
                if not all(math.isfinite(number) for number in term.parameters):
                    return f"{where}: {key} with parameters {term.parameters}; allowed: finite"
        if not all(term.parameters and term.parameters[0] > 0 for term in molecule.bonds):
            return f"{where}: a bond without a length; allowed: above 0 nm"
    return None


def read_description(path: Path) -> SystemDescription:
    """Read a description.

    Raises DataError, one line that names the file, if it is malformed, describes an impossible system, or was altered
    (files with a checksum).
    """
    try:
        text = path.read_text(encoding="utf-8")
        _reader().validate_json(text, strict=True)
        data = json.loads(text)
        molecules = tuple(MoleculeCount(_molecule(entry["molecule"]), entry["count"]) for entry in data["molecules"])
        found = SystemDescription(molecules, ForceFieldChoice(**data["choice"]), data["forcefield_sha256"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: no description of a system: {_cause(error)}") from error
    flaw = _flaw(found)
    if flaw is None and data.get("sha256", found.digest) != found.digest:
        flaw = "changed since it was written; make it again"
    if flaw is not None:
        raise DataError(f"{path}: {flaw}")
    return found


def _cause(error: Exception) -> str:
    """The first mistake that pydantic found, or what else went wrong, on one line."""
    found = getattr(error, "errors", None)
    if found is None:
        return " ".join(str(error).split())
    first = found(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"
