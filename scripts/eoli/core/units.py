"""Shared unit factors."""

GRAM_PER_MOL_NM3 = 602.214076
"""1 g/cm3 in g/mol/nm3."""
ZERO_CELSIUS_K = 273.15
GAS_CONSTANT = 8.314462618e-3
"""kJ/(mol K)"""
BAR_NM3 = 0.0602214076
"""1 bar nm3 in kJ/mol."""
