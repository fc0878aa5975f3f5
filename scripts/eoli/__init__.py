"""Reproducible EO:Li sweeps of solid polymer electrolytes in GROMACS."""

from pathlib import Path

__version__ = (Path(__file__).parent / "VERSION").read_text(encoding="ascii").strip()

PROJECT = Path(__file__).resolve().parents[2]
"""Folder of the workflow."""
