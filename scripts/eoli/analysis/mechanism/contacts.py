"""Partners of lithium, and its neighbour lists, as the analyses of its mechanism read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from eoli.analysis.mechanism.residence import Partners
from eoli.core.arrays import Integers
from eoli.errors import DataError
from eoli.topology.description import SystemDescription
from eoli.topology.molecule import Molecule
from eoli.topology.selections import ANION, SOLVENT_PARTNERS, binding_partners, block_names
from eoli.topology.species import members_of
from eoli.trajectory.store import Reduced

_CHUNK_BYTES = 128e6
ETHER, CARBONYL = ("ether_O", "hydroxyl_O"), ("carbonyl_O",)
"""Kinds of contact by block; lithium does not bind to the bridging oxygen of an ester."""
POLYMER = (*ETHER, *CARBONYL)
_SOLVENT = tuple(SOLVENT_PARTNERS)
SITES = (*POLYMER, *_SOLVENT, ANION)


def numbered(n_sites: int, groups: Sequence[Integers]) -> Integers:
    """Number of the group of each site, (n_sites,), -1 for sites of none."""
    label = np.full(n_sites, -1, dtype=np.int64)
    for number, sites in enumerate(groups):
        label[sites] = number
    return label


def partners_of(system: SystemDescription, cutoffs_nm: Mapping[str, float]) -> dict[str, Partners]:
    """Possible partners of lithium; those that the system lacks are absent.

    `cutoffs_nm` are the largest distances of a contact by kind. Raises DataError for a kind of the system without one.
    """
    n = system.n_sites
    sites = {name: found for name, found in binding_partners(system).items() if name in SITES}
    cutoff = np.zeros(n)
    for name, indices in sites.items():
        if name not in cutoffs_nm:
            raise DataError(f"no cut-off for the contacts of lithium with {name}")
        cutoff[indices] = cutoffs_nm[name]
    polymers, anions, solvents = (members_of(system, family) for family in ("chain", "anion", "solvent"))

    def of_kinds(kinds: Sequence[str]) -> Integers:
        return np.concatenate([np.empty(0, dtype=np.int64), *(sites[kind] for kind in kinds if kind in sites)])

    def of_molecules(molecules: list[Integers], only: Integers) -> Integers:
        return numbered(n, [molecule[np.isin(molecule, only)] for molecule in molecules])

    blocks = {name: of_kinds(kinds) for name, kinds in zip(block_names(system), (ETHER, CARBONYL), strict=True)}
    labels = {
        **{name: numbered(n, list(of_kinds([name])[:, None])) for name in (*POLYMER, *_SOLVENT)},
        ANION: of_molecules(anions, of_kinds([ANION])),
        "solvent": of_molecules(solvents, of_kinds(_SOLVENT)),
        "chain": of_molecules(polymers, of_kinds(POLYMER)),
        **{name: numbered(n, [of_block]) for name, of_block in blocks.items()},
        "block": numbered(n, list(blocks.values())),
        "ether_chain": of_molecules(polymers, of_kinds(ETHER)),
    }
    return {name: Partners(label, cutoff) for name, label in labels.items() if (label >= 0).any()}


def batches(reduced: Reduced) -> Iterator[tuple[Integers, Integers]]:
    """Neighbours and distances, for as many ions at a time as memory allows."""
    n_frames, n_ions, slots = reduced.file["motion/neighbours"].shape
    size = max(1, int(_CHUNK_BYTES / (n_frames * slots * 8)))
    for start in range(0, n_ions, size):
        part = slice(start, start + size)
        yield reduced.array("motion/neighbours", part), reduced.array("motion/distances", part)


def ether_chains(system: SystemDescription) -> tuple[Molecule, Integers] | None:
    """The type of chain with the most ether oxygens in the box, and these in all copies, (chains, ether oxygens).

    None for fewer than two of them in a chain.
    """
    found = [
        (molecule, chains[:, [site.role == "ether_O" for site in molecule.sites]])
        for molecule, chains in system.types_of("polymer")
    ]
    most = max(found, key=lambda of: of[1].size, default=None)
    return most if most is not None and most[1].shape[1] > 1 else None
