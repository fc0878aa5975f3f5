"""Reproducible EO:Li sweeps of solid polymer electrolytes in GROMACS."""

__version__ = "0.1.0"
