"""Compiled loops, cached for the next process where a folder is writable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit` with its cache beside the source or in the user's folder; without a cache if neither is writable.

    A read-only installation of a user without a home then compiles in each process: slower, otherwise the same.
    """

    def compile_later(function: Callable[..., Any]) -> Any:
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:
            return numba.njit(**options)(function)

    return compile_later
