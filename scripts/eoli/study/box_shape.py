"""Shapes of a start box."""

from __future__ import annotations

from typing import Literal

Shape = Literal["cubic", "orthoboxy"]
Edges = tuple[float, float, float]

ORTHOBOXY = 2.7933596497
"""Lz/Lx = Lz/Ly at which the periodic images do not slow diffusion along x and y: Busch and Paschek, J. Phys. Chem. B 127,
7983 (2023)."""
ELONGATION: dict[Shape, float] = {"cubic": 1.0, "orthoboxy": ORTHOBOXY}
"""Edge along z over those along x and y."""


def edges_nm(volume_nm3: float, shape: Shape) -> Edges:
    """Edges of a box of a volume."""
    short = float((volume_nm3 / ELONGATION[shape]) ** (1 / 3))
    return short, short, ELONGATION[shape] * short
