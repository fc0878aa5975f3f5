"""Shared unit factors. The constants of the SI are exact by definition; scipy.constants reads 400 others to give them."""

BOLTZMANN_J_K = 1.380649e-23
ELEMENTARY_CHARGE_C = 1.602176634e-19
AVOGADRO_PER_MOL = 6.02214076e23

GRAM_PER_MOL_NM3 = 602.214076
"""1 g/cm3 in g/mol/nm3."""
ZERO_CELSIUS_K = 273.15
GAS_CONSTANT = 8.314462618e-3
"""kJ/(mol K)"""
BAR_NM3 = 0.0602214076
"""1 bar nm3 in kJ/mol."""
