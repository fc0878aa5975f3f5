"""Types of arrays, by their numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Integers = npt.NDArray[Any]
"""Whole numbers of any width."""
Booleans = npt.NDArray[np.bool_]
