"""Interaction energies between groups."""
