"""Shared by all other packages; knows nothing of polymers, studies or GROMACS."""
