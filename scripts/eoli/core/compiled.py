"""Compiled loops, kept for the next process where some folder can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit` with its cache beside the source or in the user's folder; without one where neither can be written.

    A read-only installation of a user without a home then compiles in each process: slower, and all else the same.
    """

    def compile_later(function: Callable[..., Any]) -> Any:
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:
            return numba.njit(**options)(function)

    return compile_later
