"""Solvation shells of lithium as clusters of atoms for quantum chemistry."""
