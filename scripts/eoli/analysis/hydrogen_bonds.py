"""Hydrogen bonds of amide NH groups by a geometric criterion, by kind of acceptor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_array, eye_array
from scipy.spatial import cKDTree

from eoli.analysis.common import write_results
from eoli.core.arrays import Booleans, Floats, Indices
from eoli.core.periodic import inside_box
from eoli.core.statistics import block_estimate
from eoli.errors import DataError
from eoli.study.criteria import HydrogenBondsCriteria
from eoli.topology.description import SystemDescription, read_description
from eoli.trajectory.store import open_reduced

ACCEPTORS: dict[str, tuple[str, ...]] = {
    "anion": ("anion_O", "anion_N", "anion_Cl"),
    "anion_O": ("anion_O",),
    "anion_N": ("anion_N",),
    "carbonyl_O": ("amide_O", "ester_O"),
    "amide_O": ("amide_O",),
    "ester_O": ("ester_O",),
    "ether_O": ("ether_O",),
    "ester_bridging_O": ("ester_bridging_O",),
    "hydroxyl_O": ("hydroxyl_O",),
}
"""Kinds of acceptor by the roles of their sites, in addition to `any`; a kind equal to an earlier one in a system is
left out there. Fluorine is no acceptor."""
COUNTS = ("bonds_per_NH", "NH_share", "molecule_share")
"""Counted per kind: bonds per NH; share of NH with a bond; share of the molecules with such sites that an NH binds."""
_NEAR_BONDS = 4


@dataclass(frozen=True)
class Donors:
    """NH groups and their possible partners.

    `hydrogens` and their `nitrogens` (D,), `acceptors` (A,) as sites of the box, `owners` (A,) the molecules of the
    acceptors, `kinds` by name the acceptors that belong to it (A,), and `near` the pairs too close along the chain to
    bind, as donor * A + acceptor.
    """

    hydrogens: Indices
    nitrogens: Indices
    acceptors: Indices
    owners: Indices
    kinds: dict[str, Booleans]
    near: Indices


def _near(bonds: Indices, n_sites: int, hydrogens: Indices, acceptors: Indices) -> Indices:
    links = np.ones(len(bonds), dtype=np.int32)
    upper = csr_array((links, (bonds[:, 0], bonds[:, 1])), shape=(n_sites, n_sites))
    own = eye_array(n_sites, dtype=np.int32, format="csr")
    step = upper + upper.T + own
    reached = own[hydrogens]
    for _ in range(_NEAR_BONDS):
        reached = reached @ step
    donor, acceptor = reached[:, acceptors].nonzero()
    return np.sort(donor.astype(np.int64) * len(acceptors) + acceptor)


def donors_of(description: SystemDescription) -> Donors:
    """The amide NH groups and all acceptors of a system; without NH groups the arrays are empty.

    Acceptors within four bonds of the hydrogen are excluded: the carbonyl oxygen of the same amide (three bonds) is
    always near and never bound. More distant ones of the same chain count, including the oxygen of the same PA6 unit
    (eight bonds): that ring can form. Raises DataError if an amide hydrogen is not bound to exactly one nitrogen.
    """
    hydrogens, n_sites = description.with_role("amide_H"), description.n_sites
    is_nitrogen = np.zeros(n_sites, dtype=bool)
    is_nitrogen[description.with_role("amide_N")] = True
    bonds = description.bonds()
    both = np.concatenate([bonds, bonds[:, ::-1]])
    of_hydrogen = both[np.isin(both[:, 0], hydrogens) & is_nitrogen[both[:, 1]]]
    of_hydrogen = of_hydrogen[np.argsort(of_hydrogen[:, 0])]
    if not np.array_equal(of_hydrogen[:, 0], hydrogens):
        raise DataError("each amide hydrogen needs a bond to one amide nitrogen")
    every = tuple(role for roles in ACCEPTORS.values() for role in roles)
    acceptors = description.with_role(*every)
    kinds: dict[str, Booleans] = {}
    for name, roles in (ACCEPTORS | {"any": every}).items():
        mask = np.isin(acceptors, description.with_role(*roles))
        if name == "any" or (mask.any() and not any(np.array_equal(mask, other) for other in kinds.values())):
            kinds[name] = mask
    sizes = np.repeat([len(e.molecule.sites) for e in description.molecules], [e.count for e in description.molecules])
    owners = np.repeat(np.arange(len(sizes)), sizes)[acceptors]
    return Donors(hydrogens, of_hydrogen[:, 1], acceptors, owners, kinds, _near(bonds, n_sites, hydrogens, acceptors))


@dataclass(frozen=True)
class Candidates:
    """Pairs of one frame: donor and acceptor (P,) as in Donors, distance H...A, nm, and angle N-H...A, degrees."""

    donors: Indices
    acceptors: Indices
    distances_nm: Floats
    angles_deg: Floats


def candidates(donors: Donors, positions: npt.ArrayLike, box: npt.ArrayLike, range_nm: float) -> Candidates:
    """Pairs with H...A within `range_nm`, from positions (n_sites, 3), nm, in a box with edges (3,).

    Raises DataError if the range reaches half the box.
    """
    edges = np.asarray(box, dtype=np.float64)
    if range_nm >= edges.min() / 2:
        raise DataError(f"hydrogen bonds of {range_nm:g} nm need a box wider than {2 * range_nm:g} nm")
    points = inside_box(positions, edges)
    hydrogens, acceptors = points[donors.hydrogens], points[donors.acceptors]
    found = cKDTree(hydrogens, boxsize=edges).sparse_distance_matrix(
        cKDTree(acceptors, boxsize=edges), range_nm, output_type="ndarray"
    )
    i, j = found["i"].astype(np.int64), found["j"].astype(np.int64)
    apart = ~np.isin(i * len(acceptors) + j, donors.near)
    i, j = i[apart], j[apart]
    to_acceptor = acceptors[j] - hydrogens[i]
    to_acceptor -= edges * np.round(to_acceptor / edges)
    to_nitrogen = points[donors.nitrogens[i]] - hydrogens[i]
    to_nitrogen -= edges * np.round(to_nitrogen / edges)
    distances = np.sqrt((to_acceptor**2).sum(axis=1))
    cosine = (to_acceptor * to_nitrogen).sum(axis=1) / (distances * np.sqrt((to_nitrogen**2).sum(axis=1)))
    return Candidates(i, j, distances, np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def bonds_within(found: Candidates, distance_nm: float, angle_deg: float) -> Booleans:
    """Mask of candidates that are bonds: H...A at most `distance_nm` and N-H...A at least `angle_deg`."""
    return (found.distances_nm <= distance_nm) & (found.angles_deg >= angle_deg)


def _distinct(numbers: Indices) -> int:
    return int(np.count_nonzero(np.bincount(numbers)))


def count(donors: Donors, found: Candidates, is_bond: Booleans) -> Floats:
    """COUNTS of each kind of acceptor in `donors.kinds`, shape (kinds, 3).

    An NH bound to two kinds counts in both shares, so shares may add up to more than that of `any`.
    """
    d, a = found.donors[is_bond], found.acceptors[is_bond]
    n_donors = len(donors.hydrogens)
    rows = []
    for mask in donors.kinds.values():
        bound = mask[a]
        molecules = _distinct(donors.owners[a[bound]]) / max(1, _distinct(donors.owners[mask]))
        rows.append((bound.sum() / n_donors, _distinct(d[bound]) / n_donors, molecules))
    return np.array(rows)


def hydrogen_bonds(
    frames: Iterable[tuple[Floats, Floats]], donors: Donors, criteria: Sequence[tuple[float, float]]
) -> Floats:
    """`count` for each criterion (distance, nm; angle, degrees), shape (frames, criteria, kinds, 3).

    `frames` give positions (n_sites, 3) and box edges (3,), nm. Raises DataError as `candidates` does.
    """
    farthest = max(distance for distance, _ in criteria)
    series = []
    for positions, box in frames:
        found = candidates(donors, positions, box, farthest)
        series.append([count(donors, found, bonds_within(found, *criterion)) for criterion in criteria])
    return np.array(series)


_DISTANCE_STEPS_NM = (-0.05, -0.025, 0.0, 0.025, 0.05)
_ANGLE_STEPS_DEG = (-20.0, -10.0, 0.0, 10.0, 20.0)
_COLUMNS = ("distance_nm", "angle_deg", "acceptor", *(f"{name}{end}" for name in COUNTS for end in ("", "_error")))


def analyse_hydrogen_bonds(
    reduced: Path, description: Path, criteria: HydrogenBondsCriteria, out_csv: Path, out_json: Path
) -> None:
    """Hydrogen bonds of amide NH by kind of acceptor: a table over criteria, and scalars for the configured one.

    H...A and N-H...A are within the criteria; the table scans around both. Without amide the table is empty. Raises
    DataError for files that cannot be read or do not belong together, or a box too small for the distance.
    """
    system = read_description(description)
    donors = donors_of(system)
    distance_nm, angle_deg = criteria.distance_nm, criteria.angle_deg
    scalars: dict[str, Any] = {
        "distance_nm": distance_nm,
        "angle_deg": angle_deg,
        "NH": len(donors.hydrogens),
    }
    scanned = [(distance_nm + d, angle_deg + a) for d in _DISTANCE_STEPS_NM for a in _ANGLE_STEPS_DEG]
    with open_reduced(reduced, system) as opened:
        if not len(donors.hydrogens):
            none = pd.DataFrame(columns=list(_COLUMNS))
            write_results(none, scalars | {"verdict": "no NH: the system has no donor"}, out_csv, out_json)
            return
        series = hydrogen_bonds(opened.slow_frames(), donors, scanned)
        scalars |= {"frames": len(series), "interval_ps": opened.interval_ps("slow")}
    mean, error = block_estimate(series)
    rows = []
    for c, criterion in enumerate(scanned):
        for k, kind in enumerate(donors.kinds):
            numbers = [x for n in range(len(COUNTS)) for x in (mean[c, k, n], error[c, k, n])]
            rows.append((*criterion, kind, *numbers))
    chosen = scanned.index((distance_nm, angle_deg))
    scalars["acceptors"] = {
        kind: {"sites": int(mask.sum())}
        | {name: {"value": mean[chosen, k, n], "error": error[chosen, k, n]} for n, name in enumerate(COUNTS)}
        for k, (kind, mask) in enumerate(donors.kinds.items())
    }
    bound = scalars["acceptors"]["any"]["NH_share"]
    scalars["free_NH_share"] = {"value": 1 - bound["value"], "error": bound["error"]}
    write_results(pd.DataFrame(rows, columns=list(_COLUMNS)), scalars, out_csv, out_json)
