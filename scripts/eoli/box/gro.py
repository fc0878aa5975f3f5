"""Boxes as GRO files."""

from __future__ import annotations

import numpy as np

from eoli.core.arrays import Floats
from eoli.topology.description import SystemDescription


def gro_text(description: SystemDescription, positions_nm: Floats, edges_nm: float | Floats, title: str) -> str:
    """A GRO file of a box with these edges (one number: a cube); residue and site numbers wrap at 100,000, as the
    format requires."""
    lines = [title, f"{description.n_sites}"]
    site_number = residue_offset = 0
    for entry in description.molecules:
        sites = entry.molecule.sites
        for _ in range(entry.count):
            for site in sites:
                x, y, z = positions_nm[site_number]
                site_number += 1
                lines.append(
                    f"{(residue_offset + site.residue_number) % 100000:5d}{site.residue:<5s}{site.name:>5s}"
                    f"{site_number % 100000:5d}{x:z8.3f}{y:z8.3f}{z:z8.3f}"
                )
            residue_offset += sites[-1].residue_number
    lines.append("".join(f"{edge:10.5f}" for edge in np.broadcast_to(edges_nm, 3)))
    return "\n".join(lines) + "\n"
