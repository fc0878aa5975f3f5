"""Pieces of a stage that drives its box: between them the Fourier grid is made anew, for the box has changed.

grompp chooses the grid for the start of a stage, and mdrun keeps it: the grid of a loose box is far too fine for the melt
that a compression makes of it. Where pieces end is a function of the stage alone, and the grid of a piece is one of the box
at its beginning, as the energies have it: a run that was killed, continued or extended has the pieces of one that was not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from eoli.gromacs.energies import box_edges_nm
from eoli.gromacs.mdp import grid_options
from eoli.study.protocol import Stage

FIRST_TIME_CONSTANTS = 4
"""Length of the first piece, in time constants of the barostat; each next end is at twice the time of the last."""


@dataclass(frozen=True)
class Piece:
    """A piece of a stage, by its first and last step."""

    begin: int
    end: int

    def grid(self, energies: Path, spacing_nm: float) -> dict[str, str]:
        """grompp's options for the Fourier grid of the box at the beginning of the piece.

        Empty where grompp's own choice holds: at the start, and if the energies do not have that box.
        """
        edges = box_edges_nm(energies, self.begin) if self.begin else None
        return {} if edges is None else grid_options(edges, spacing_nm)


def piece_of(stage: Stage, step: int, target: int) -> Piece:
    """The piece in which a run of `target` steps goes on at `step`; the whole stage, unless it drives its box.

    Pieces end at steps at which energies are written.
    """
    edges = [0]
    if stage.drives_box and stage.tau_p_ps is not None and stage.energy_interval_ps is not None:
        intervals = math.ceil(FIRST_TIME_CONSTANTS * stage.tau_p_ps / stage.energy_interval_ps - 1e-9)
        end = intervals * stage.steps_in(stage.energy_interval_ps)
        while end < target:
            edges.append(end)
            end *= 2
    number = max(number for number, edge in enumerate(edges) if edge <= step)
    return Piece(edges[number], [*edges, target][number + 1])
