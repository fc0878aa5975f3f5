"""Reproducible EO:Li sweeps of solid polymer electrolytes in GROMACS."""

from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = (Path(__file__).parent / "VERSION").read_text(encoding="ascii").strip()

PROJECT = Path(__file__).resolve().parents[2]
"""Folder of the workflow."""

_PUBLIC = {
    **dict.fromkeys(("open_study", "Study", "System", "Value"), "eoli.interface"),
    **dict.fromkeys(("EoliError", "InputError", "DataError"), "eoli.errors"),
}
__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    # on first use: every module imports this package
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
