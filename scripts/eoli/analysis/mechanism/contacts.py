"""Partners of lithium, and its neighbour lists, as the analyses of its mechanism read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from eoli.analysis.mechanism.residence import Partners
from eoli.core.arrays import Integers
from eoli.errors import DataError
from eoli.topology.description import SystemDescription
from eoli.topology.molecule import Molecule
from eoli.topology.selections import ANION, binding_partners, block_names
from eoli.trajectory.store import Reduced

_CHUNK_BYTES = 128e6
ETHER, CARBONYL = ("ether_O", "hydroxyl_O"), ("carbonyl_O",)
"""Kinds of contact by block; lithium does not bind to the bridging oxygen of an ester."""
POLYMER = (*ETHER, *CARBONYL)
SITES = (*POLYMER, ANION)


def numbered(n_sites: int, groups: Sequence[Integers]) -> Integers:
    """Number of the group of each site, (n_sites,), -1 for sites of none."""
    label = np.full(n_sites, -1, dtype=np.int64)
    for number, sites in enumerate(groups):
        label[sites] = number
    return label


def partners_of(system: SystemDescription, cutoffs_nm: Mapping[str, float]) -> dict[str, Partners]:
    """Possible partners of lithium; those that the system lacks are absent."""
    n = system.n_sites
    sites = {name: found for name, found in binding_partners(system).items() if name in SITES}
    cutoff = np.zeros(n)
    for name, indices in sites.items():
        if name not in cutoffs_nm:
            raise DataError(f"no cut-off for the contacts of lithium with {name}")
        cutoff[indices] = cutoffs_nm[name]
    polymers, anions = (list(system.molecules_of(kind)) for kind in ("polymer", "anion"))

    def of_kinds(kinds: Sequence[str]) -> Integers:
        return np.concatenate([np.empty(0, dtype=np.int64), *(sites[kind] for kind in kinds if kind in sites)])

    def of_molecules(molecules: list[Integers], only: Integers) -> Integers:
        return numbered(n, [molecule[np.isin(molecule, only)] for molecule in molecules])

    blocks = {name: of_kinds(kinds) for name, kinds in zip(block_names(system), (ETHER, CARBONYL), strict=True)}
    labels = {
        **{name: numbered(n, list(of_kinds([name])[:, None])) for name in POLYMER},
        ANION: of_molecules(anions, of_kinds([ANION])),
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
    """The chain and its ether oxygens in all copies, (chains, ether oxygens); None for fewer than two of them."""
    chains = system.molecules_of("polymer")
    if not len(chains):
        return None
    molecule = next(entry.molecule for entry in system.molecules if entry.molecule.kind == "polymer")
    ether = [k for k, site in enumerate(molecule.sites) if site.role == "ether_O"]
    return (molecule, chains[:, ether]) if len(ether) > 1 else None
