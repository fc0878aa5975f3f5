"""Reproducible EO:Li sweeps of solid polymer electrolytes in GROMACS."""

from pathlib import Path

__version__ = "0.1.0"

PROJECT = Path(__file__).resolve().parents[2]
"""Folder of the workflow."""
