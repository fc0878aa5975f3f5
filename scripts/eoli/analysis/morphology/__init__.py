"""Domains, percolation, structure factor."""
