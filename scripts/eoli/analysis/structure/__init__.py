"""Radial distributions, first shells, shape of the chains."""
