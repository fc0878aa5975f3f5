"""How each lithium is coordinated: types of coordination, how frequent each is, and its most typical examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eoli.core.arrays import Booleans, Floats, Indices
from eoli.topology.description import SystemDescription
from eoli.topology.species import FAMILIES, numbers_of


@dataclass(frozen=True)
class Coordination:
    """A type of coordination: number of binding sites by kind of contact, and of the particles that hold them by family
    (chains, anions, solvent molecules)."""

    sites: tuple[tuple[str, int], ...]
    particles: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        if not self.sites:
            return "no partner"
        held = ", ".join(f"{number} {family}{'s' if number > 1 else ''}" for family, number in self.particles)
        return f"{' + '.join(f'{number} {kind}' for kind, number in self.sites)} of {held}"


@dataclass(frozen=True)
class Shell:
    """A lithium in a frame, as numbers, with the sites that bind it and their distances, nm: kind by kind, each by
    distance."""

    frame: int
    ion: int
    type: Coordination
    sites: tuple[int, ...]
    distances_nm: tuple[float, ...]


def shells_of(
    description: SystemDescription,
    partners: Mapping[str, tuple[Indices, float]],
    frames: Iterable[tuple[Floats, Floats]],
) -> list[Shell]:
    """Shells of all lithium ions in frames of positions (n_sites, 3) and box edges (3,), nm.

    A site binds if its nearest image is within the distance of its kind: `partners` holds sites and distance, nm, by kind.
    """
    lithium = description.with_role("Li")
    families = {family: numbers_of(description, family) for family in FAMILIES if family != "Li"}
    found = []
    for frame, (positions, box) in enumerate(frames):
        bound: list[list[tuple[str, Indices, Floats]]] = [[] for _ in lithium]
        for kind, (sites, reach) in partners.items():
            gaps = positions[sites][None] - positions[lithium][:, None]
            r = np.linalg.norm(gaps - box * np.round(gaps / box), axis=2)
            for ion, row in enumerate(r):
                near = np.flatnonzero(row <= reach)
                order = near[np.argsort(row[near], kind="stable")]
                if len(order):
                    bound[ion].append((kind, sites[order], row[order]))
        for ion, of_kinds in enumerate(bound):
            sites = np.concatenate([np.empty(0, dtype=np.int64), *(sites for _, sites, _ in of_kinds)])
            held = {family: np.unique(numbers[sites]) for family, numbers in families.items()}
            held = {family: owners[owners >= 0] for family, owners in held.items()}
            # a tethered anion counts, and so does its chain
            coordination = Coordination(
                tuple((kind, len(of_kind)) for kind, of_kind, _ in of_kinds),
                tuple((family, len(owners)) for family, owners in held.items() if len(owners)),
            )
            distances = [float(d) for _, _, of_kind in of_kinds for d in of_kind]
            found.append(Shell(frame, ion, coordination, tuple(sites.tolist()), tuple(distances)))
    return found


def by_type(shells: Sequence[Shell]) -> list[tuple[Coordination, list[Shell]]]:
    """Shells of each type, the most frequent type first."""
    found: dict[Coordination, list[Shell]] = {}
    for shell in shells:
        found.setdefault(shell.type, []).append(shell)
    return sorted(found.items(), key=lambda entry: (-len(entry[1]), str(entry[0])))


def is_of_type(shells: Sequence[Shell], kind: Coordination, n_frames: int, n_ions: int) -> Booleans:
    """Whether each lithium in each frame is of a type, shape (frames, ions)."""
    found = np.zeros((n_frames, n_ions), dtype=np.bool_)
    for shell in shells:
        found[shell.frame, shell.ion] = shell.type == kind
    return found


def most_typical(shells: Sequence[Shell]) -> list[tuple[float, Shell]]:
    """Shells of one type in the order of their deviation from it, nm.

    The deviation is the root mean square difference of the distances, kind by kind in increasing order, from their means
    over all shells of the type.
    """
    distances = np.array([shell.distances_nm for shell in shells]).reshape(len(shells), -1)
    if distances.shape[1] == 0:
        return [(0.0, shell) for shell in shells]
    off = np.sqrt(((distances - distances.mean(axis=0)) ** 2).mean(axis=1))
    return [(float(off[k]), shells[k]) for k in np.argsort(off, kind="stable")]
