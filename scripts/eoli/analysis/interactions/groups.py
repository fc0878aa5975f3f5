"""Interaction energies: groups of the study's table, their exact Coulomb energies, and first-shell contacts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eoli.analysis.interactions.ewald import COULOMB_KJ_NM_MOL_E2, ScaledPairs, ewald_form
from eoli.core.arrays import Booleans, Floats, Indices
from eoli.core.statistics import UNKNOWN, Estimate, block_estimate, block_means, estimate, jackknife_error
from eoli.errors import DataError, ForceFieldError
from eoli.topology.description import SystemDescription
from eoli.topology.imported import number, read_forcefield
from eoli.topology.molecule import Molecule
from eoli.topology.selections import block_names, pair_groups

Groups = dict[str, Indices]

_ANGSTROM = 10.0


def anion_name(description: SystemDescription) -> str:
    """Name of the anion, such as TFSI, of several joined by `+`; `anion` if there is none."""
    return "+".join(molecule.name for molecule, _ in description.types_of("anion")) or "anion"


def _nitrogens(description: SystemDescription) -> Groups:
    """Nitrogen atoms of each type of anion that has some, as `N(TFSI)`."""
    return {
        f"N({molecule.name})": np.intersect1d(sites, description.with_role("anion_N"))
        for molecule, sites in description.types_of("anion")
        if any(site.role == "anion_N" for site in molecule.sites)
    }


def table_groups(description: SystemDescription) -> Groups:
    """Site indices of the groups of the study's table (Ma 2022, Table S5) that the system has.

    `Li`; `C-O-C`: the ether oxygens and the carbons bonded to them; `C=O`: the oxygens of amides and esters and the
    carbons bonded to them; `NH`: the amide nitrogens and hydrogens; `N(TFSI)`: the nitrogen atoms of an anion. The
    virtual sites of an atom count with it.
    """
    bonds, virtual = description.bonds(), description.virtual()

    def with_bonded(oxygens: Indices) -> Indices:
        return np.unique(np.concatenate([oxygens, *(bonds[np.isin(bonds[:, k], oxygens), 1 - k] for k in (0, 1))]))

    def with_virtual(atoms: Indices) -> Indices:
        return np.union1d(atoms, virtual[np.isin(virtual[:, 0], atoms), 1])

    found = {
        "Li": description.with_role("Li"),
        "C-O-C": with_bonded(description.with_role("ether_O")),
        "C=O": with_bonded(description.with_role("amide_O", "ester_O")),
        "NH": description.with_role("amide_N", "amide_H"),
        **_nitrogens(description),
    }
    return {name: with_virtual(sites) for name, sites in found.items() if len(sites)}


def table_pairs(description: SystemDescription) -> list[tuple[str, str]]:
    """Group pairs of the study's table that the system has, in its order."""
    groups, nitrogens = table_groups(description), _nitrogens(description)
    pairs = [("Li", "C-O-C"), ("Li", "C=O")]
    pairs += [pair for nitrogen in nitrogens for pair in (("Li", nitrogen), (nitrogen, "NH"))]
    return [pair for pair in pairs if all(name in groups for name in pair)]


def _by_name(description: SystemDescription, kind: str) -> Groups:
    """Sites of each molecule type of a kind."""
    return {molecule.name: sites.ravel() for molecule, sites in description.types_of(kind)}


def whole_groups(description: SystemDescription) -> Groups:
    """The parts that make up the box: lithium, anions and solvents by their names, and the blocks of the chains by theirs.

    The carbon bound to the bridging oxygen of an ester counts as `PA`, since the ester is not neutral without it; the
    rest of a chain is its ether block, in whole and neutral C-O-C units. `chain` joins the two if both exist.
    """
    ether = block_names(description)[0]
    polymer = description.sites_of("polymer")
    is_pa = description.of_sites(lambda site: site.block == "PA")
    bonds, bridges = description.bonds(), description.with_role("ester_bridging_O")
    for k in (0, 1):
        is_pa[bonds[np.isin(bonds[:, k], bridges), 1 - k]] = True
    found = {
        "Li": description.with_role("Li"),
        **_by_name(description, "anion"),
        ether: polymer[~is_pa[polymer]],
        "PA": polymer[is_pa[polymer]],
        **_by_name(description, "solvent"),
    }
    present = {name: sites for name, sites in found.items() if len(sites)}
    return present | ({"chain": polymer} if ether in present and "PA" in present else {})


def scaled_pairs(description: SystemDescription) -> ScaledPairs:
    """Excluded pairs and 1-4 pairs, each with the factor that its Coulomb energy keeps.

    Zero for an excluded pair, with the factor of the 1-4 pair added: one (GROMOS) or that of its own force field.
    """
    pairs, factors = [], []
    for molecule, sites in description.parts():
        one = _factors(molecule)
        pairs.append(sites[:, np.array(list(one), dtype=np.int64).reshape(-1, 2)].reshape(-1, 2))
        factors.append(np.tile(list(one.values()), len(sites)))
    return ScaledPairs(np.concatenate(pairs), np.concatenate(factors))


def _factors(molecule: Molecule) -> dict[tuple[int, int], float]:
    # excluded by bonds, as GROMACS does: lists of angles or torsions need not hold every pair, and for PF6 do not
    found = dict.fromkeys(molecule.excluded(), 0.0)
    for term in molecule.pairs14:
        i, j = sorted(term.sites)
        # a pair that is listed but not excluded interacts twice
        found[i, j] = found.get((i, j), 1.0) + (1.0 if term.function == 1 else term.parameters[0])
    return found


@dataclass(frozen=True)
class Partition:
    """Non-overlapping cells of sites that every group of `groups` is composed of.

    `cell` (n_sites,) numbers the cells; `members[name]` (cells,) is 1 for those of a group and 0 for others.
    """

    cell: Indices
    members: dict[str, Floats]


def partition(groups: Mapping[str, Indices], n_sites: int) -> Partition:
    """The coarsest partition of all sites that splits no group.

    `groups` are indices of sites, shape (sites of the group,), by name.
    """
    belongs = np.zeros((n_sites, len(groups)), dtype=np.int64)
    for column, sites in enumerate(groups.values()):
        belongs[sites, column] = 1
    cells, cell = np.unique(belongs, axis=0, return_inverse=True)
    return Partition(
        cell.ravel().astype(np.int64), {name: cells[:, k].astype(np.float64) for k, name in enumerate(groups)}
    )


def between(forms: Floats, first: Floats, second: Floats) -> Floats:
    """Energy between two groups without common cells, kJ/mol, shape (...), from forms (..., cells, cells)."""
    return np.asarray(2 * np.einsum("a,...ab,b->...", first, forms, second))


def within(forms: Floats, group: Floats) -> Floats:
    """Energy within a group, kJ/mol, shape (...), from forms (..., cells, cells)."""
    return np.asarray(np.einsum("a,...ab,b->...", group, forms, group))


@dataclass(frozen=True)
class LennardJones:
    """C6 (kJ/mol nm6) and C12 (kJ/mol nm12) of every pair of types, both of shape (types, types)."""

    types: tuple[str, ...]
    c6: Floats
    c12: Floats

    def of_sites(self, description: SystemDescription) -> Indices:
        """Row of each site, shape (n_sites,). Raises DataError for a type without parameters."""
        row = {name: k for k, name in enumerate(self.types)}
        names = description.of_sites(lambda site: site.type).tolist()
        missing = sorted(set(names) - set(row))
        if missing:
            raise DataError(f"the force field has no type {', '.join(missing)}")
        return np.array([row[name] for name in names], dtype=np.int64)


def read_lennard_jones(path: Path) -> LennardJones:
    """Lennard-Jones parameters of a topology's forcefield.itp, combined as GROMACS does.

    Combination rule 1: geometric C6 and C12; 2: arithmetic sigma, geometric epsilon; 3: both geometric; listed pairs take
    precedence. Raises DataError if the file is missing or of another kind.
    """
    try:
        part = read_forcefield(path)
        rule, names = part.defaults.combination_rule, tuple(part.types)
        v, w = np.array([entry.numbers for entry in part.types.values()]).T
        listed = [
            (names.index(row.words[0]), names.index(row.words[1]), number(row, 3, "pair"), number(row, 4, "pair"))
            for row in part.rows
            if row.section == "nonbond_params"
        ]
    except (ForceFieldError, ValueError, IndexError) as error:
        raise DataError(f"{path}: no force field: {error}") from error
    if v.min() < 0:
        raise DataError(f"{path}: a number of {names[int(v.argmin())]} is negative; allowed: 0 or more")
    first = np.add.outer(v, v) / 2 if rule == 2 else np.sqrt(np.outer(v, v))
    second = np.sqrt(np.outer(w, w))
    for i, j, one, other in listed:
        first[[i, j], [j, i]], second[[i, j], [j, i]] = one, other
    if rule == 1:
        return LennardJones(names, first, second)
    return LennardJones(names, 4 * second * first**6, 4 * second * first**12)


@dataclass(frozen=True)
class ContactKind:
    """A kind of lithium contact: its sites (S,), the unit of each, (S, U) padded with -1, and its reach, nm.

    A unit is the site plus the bonded sites of its group: C-O-C of an ether oxygen, C=O of a carbonyl. The virtual sites
    of an atom belong to it; `own` (S, U) says which of a unit are the site and its virtual ones.
    """

    sites: Indices
    units: Indices
    own: Booleans
    reach_nm: float


def contact_kinds(description: SystemDescription, reach_nm: Mapping[str, float]) -> dict[str, ContactKind]:
    """Contact kinds that the system has and whose reach is given, by the names of pair_groups."""
    groups = [sites for name, sites in table_groups(description).items() if name != "Li"]
    bonds, virtual = description.bonds(), description.virtual()
    both = np.concatenate([bonds, bonds[:, ::-1]])
    hosts = np.arange(description.n_sites)
    hosts[virtual[:, 1]] = virtual[:, 0]
    kinds = {}
    for name, sites in pair_groups(description).get("Li", {}).items():
        if name not in reach_nm:
            continue
        group = next((g for g in groups if np.isin(sites, g).all()), sites)
        inside = both[np.isin(both[:, 1], group)]
        units = [[site, *inside[inside[:, 0] == site, 1].tolist()] for site in sites.tolist()]
        if len(virtual):
            units = [[*dict.fromkeys([*u, *virtual[np.isin(virtual[:, 0], u), 1].tolist()])] for u in units]
        padded = np.full((len(sites), max(map(len, units))), -1, dtype=np.int64)
        for row, unit in enumerate(units):
            padded[row, : len(unit)] = unit
        own = (padded >= 0) & (hosts[padded] == sites[:, None])
        kinds[name] = ContactKind(sites, padded, own, reach_nm[name])
    return kinds


def contact_energies(
    positions: Floats, box: Floats, lithium: Indices, kind: ContactKind, charges: Floats, types: Indices,
    table: LennardJones,
) -> Floats:  # fmt: skip
    """Sums over the contacts of a frame: [number; E_vdw, E_ele of the sites; E_vdw, E_ele of the units], shape (5,).

    Bare Coulomb and Lennard-Jones energies, kJ/mol, of a lithium with a site within the kind's reach, and with that
    site's whole unit, at their nearest images. `positions` (n_sites, 3) and `box` (3,) in nm.
    """
    from MDAnalysis.lib.distances import capped_distance

    found = capped_distance(
        (positions[lithium] * _ANGSTROM).astype(np.float32),
        (positions[kind.sites] * _ANGSTROM).astype(np.float32),
        max_cutoff=kind.reach_nm * _ANGSTROM,
        box=np.array([*(box * _ANGSTROM), 90, 90, 90], dtype=np.float32),
        return_distances=False,
    )
    ion, unit = lithium[found[:, 0]][:, None], kind.units[found[:, 1]]
    gaps = positions[unit] - positions[ion]
    gaps -= box * np.round(gaps / box)
    r = np.linalg.norm(gaps, axis=2)
    real = unit >= 0
    coulomb = np.where(real, COULOMB_KJ_NM_MOL_E2 * charges[ion] * charges[unit] / r, 0.0)
    c6, c12 = table.c6[types[ion], types[unit]], table.c12[types[ion], types[unit]]
    lj = np.where(real, c12 / r**12 - c6 / r**6, 0.0)
    own = kind.own[found[:, 1]]
    return np.array([len(found), lj[own].sum(), coulomb[own].sum(), lj.sum(), coulomb.sum()])


@dataclass(frozen=True)
class Sums:
    """Per frame: the form over the cells of a partition, (frames, cells, cells); the contacts by kind, (frames, 5)."""

    forms: Floats
    contacts: dict[str, Floats]


def frame_sums(
    frames: Iterable[tuple[Floats, Floats]], description: SystemDescription, cells: Partition,
    kinds: Mapping[str, ContactKind], table: LennardJones,
) -> Sums:  # fmt: skip
    """Exact Coulomb energies between cells, and contacts, of frames (positions nm, box edges nm)."""
    charges, pairs = description.charges(), scaled_pairs(description)
    types, lithium = table.of_sites(description), description.with_role("Li")
    forms, contacts = [], []
    for positions, box in frames:
        forms.append(ewald_form(positions, box, charges, cells.cell, pairs))
        contacts.append(
            [contact_energies(positions, box, lithium, kind, charges, types, table) for kind in kinds.values()]
        )
    by_kind = np.array(contacts).reshape(len(forms), len(kinds), 5)
    return Sums(np.array(forms), {name: by_kind[:, k] for k, name in enumerate(kinds)})


def block_mean(series: Floats) -> Estimate:
    """Mean of a series over frames, shape (n,), with the error of `eoli.core.statistics.block_estimate`, if known."""
    mean, error = block_estimate(series)
    return estimate(float(mean), float(error))


def block_ratio(numerator: Floats, denominator: Floats) -> Estimate:
    """Ratio of the sums of two series, each of shape (n,), and its jackknife error over five blocks (`block_means`).

    Unknown if the denominator is always zero; the error also if only one block has any, or with fewer than five frames.
    """
    samples = np.stack([numerator, denominator], axis=1).astype(np.float64)
    if not denominator.any():
        return UNKNOWN
    with np.errstate(divide="ignore", invalid="ignore"):
        error = jackknife_error(lambda mean: float(mean[0] / mean[1]), block_means(samples))
    return estimate(float(numerator.sum() / denominator.sum()), error)
