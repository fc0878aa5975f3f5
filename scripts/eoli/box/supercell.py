"""Large boxes from small ones: an equilibrated box repeated along its axes, instead of a day of packing.

The copies are identical at the start and stay alike until they diverge. The next stages draw velocities for the whole
box, so that no two copies move alike. `eoli.analysis.morphology.copies` judges what still repeats.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from eoli.box.gro import gro_text
from eoli.core.arrays import Floats
from eoli.core.files import write_json, write_text
from eoli.errors import DataError
from eoli.gromacs.states import read_positions
from eoli.topology.description import SystemDescription
from eoli.trajectory.reader import make_whole

Copies = tuple[int, int, int]


def repeat(description: SystemDescription, positions_nm: Floats, edges_nm: Floats, copies: Copies) -> Floats:
    """Positions of the large box in the order of its topology, which lists each kind of molecule once.

    `description` and the whole molecules `positions_nm` (n_sites, 3) are those of the small box with edges (3,). For
    each kind all molecules of the first copy come first, then those of the next, the last axis fastest.
    """
    shifts = np.array(list(itertools.product(*map(range, copies)))) * edges_nm
    kinds = [positions_nm[sites.ravel()] for _, sites in description.parts()]
    return np.concatenate([(of_kind + shifts[:, None]).reshape(-1, 3) for of_kind in kinds])


def build_supercell(
    description: SystemDescription, small: SystemDescription, state: Path, copies: Copies, gro: Path, report: Path
) -> None:
    """Write the box of `description` as `copies` of the last frame of `state` (TRR), whose molecules are `small`.

    Raises DataError if the large system is no multiple of the small one, or if the box has oblique axes.
    """
    number = int(np.prod(copies))
    large = [(entry.molecule, entry.count) for entry in description.molecules]
    if large != [(entry.molecule, entry.count * number) for entry in small.molecules]:
        raise DataError(f"{state}: the system is not {number} times the one that it repeats")
    positions, box = read_positions(state)
    edges = np.diag(box)
    if np.abs(box - np.diag(edges)).max() > 1e-6:
        raise DataError(f"{state}: the box has oblique axes; only rectangular ones are repeated")
    if len(positions) != small.n_sites:
        raise DataError(f"{state}: holds {len(positions)} sites; the system that is repeated has {small.n_sites}")
    repeated = repeat(small, make_whole(small, positions, edges), edges, copies)
    title = f"{copies[0]} x {copies[1]} x {copies[2]} copies of an equilibrated box"
    write_text(gro, gro_text(description, repeated, edges * copies, title))
    write_json(
        report,
        {
            "copies": list(copies),
            "edges_of_a_copy_nm": edges.tolist(),
            "molecules": {entry.molecule.name: entry.count for entry in description.molecules},
        },
    )
