"""Positions in a periodic box."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eoli.core.arrays import Floats


def inside_box(positions: npt.ArrayLike, box: npt.ArrayLike) -> Floats:
    """Positions (n, 3) in double precision moved into the box with edges (3,), upper faces excluded."""
    points, edges = np.asarray(positions, dtype=np.float64), np.asarray(box, dtype=np.float64)
    points = points - edges * np.floor(points / edges)
    return np.where(points < edges, points, 0.0)
