"""Shared unit factors."""

GRAM_PER_MOL_NM3 = 602.214076
"""1 g/cm3 in g/mol/nm3."""
ZERO_CELSIUS_K = 273.15
