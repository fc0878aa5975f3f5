"""Conductivity, Onsager coefficients, transference numbers."""
