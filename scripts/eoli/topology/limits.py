"""Known limits of the force fields, as data, and which of them concern a system."""

from __future__ import annotations

from eoli.forcefield.library import Library
from eoli.forcefield.models import IONS, When
from eoli.topology.description import SystemDescription


def _holds(when: When, description: SystemDescription) -> bool:
    """Whether the conditions hold for a system."""
    choice = description.choice
    molecules = [entry.molecule for entry in description.molecules]
    ions = any(molecule.kind in IONS for molecule in molecules)
    found: dict[str, list[str | bool | None]] = {
        "mixing": [choice.mixing],
        "ether_set": [choice.ether_set],
        "cation_model": [choice.cation_model] if ions else [],
        "anion_model": [*choice.anion_models] if ions else [],
        "molecule": [molecule.name for molecule in molecules],
        "ions": [ions],
        "polyamide": [any(site.role == "amide_N" for molecule in molecules for site in molecule.sites)],
        "scaled_charges": [ions and choice.ion_charge_scale != 1],
    }
    wanted = when.model_dump(exclude_none=True)
    return all(
        not set(found[key]).isdisjoint(value if isinstance(value, list) else [value]) for key, value in wanted.items()
    )


def limits_of(description: SystemDescription, blocks: Library) -> list[str]:
    """The limits that concern a system, in the order of `limits.yaml`.

    Raises InputError if the file is missing or wrong.
    """
    return [entry.limit for entry in blocks.limits if _holds(entry.when, description)]
