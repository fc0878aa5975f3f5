"""Known limits of the force fields, as data: which of them concern a system."""

from __future__ import annotations

from pydantic import Field

from eoli.chemistry import Library
from eoli.config import Mixing
from eoli.topology.description import SystemDescription
from eoli.validation import Strict, validate
from eoli.yamlfile import read_yaml


class When(Strict):
    """Conditions on a system; those that are given must all hold, of a list one name is enough."""

    mixing: list[Mixing] | None = None
    ether_set: list[str] | None = None
    cation_model: list[str] | None = None
    anion_model: list[str] | None = None
    molecule: list[str] | None = Field(default=None, description="names of molecule types")
    ions: bool | None = None
    polyamide: bool | None = Field(default=None, description="whether a site has the role of an amide nitrogen")
    scaled_charges: bool | None = Field(
        default=None, description="whether the system has ions with a charge factor other than 1"
    )

    def holds(self, description: SystemDescription) -> bool:
        """Whether the conditions hold for a system."""
        choice = description.choice
        molecules = [entry.molecule for entry in description.molecules]
        ions = any(molecule.kind != "polymer" for molecule in molecules)
        found: dict[str, list[str | bool | None]] = {
            "mixing": [choice.mixing],
            "ether_set": [choice.ether_set],
            "cation_model": [choice.cation_model] if ions else [],
            "anion_model": [choice.anion_model] if ions else [],
            "molecule": [molecule.name for molecule in molecules],
            "ions": [ions],
            "polyamide": [any(site.role == "amide_N" for molecule in molecules for site in molecule.sites)],
            "scaled_charges": [ions and choice.ion_charge_scale != 1],
        }
        wanted = self.model_dump(exclude_none=True)
        return all(
            not set(found[key]).isdisjoint(value if isinstance(value, list) else [value])
            for key, value in wanted.items()
        )


class Limit(Strict):
    """One limit in plain words."""

    limit: str = Field(min_length=1)
    when: When = When()


class Limits(Strict):
    """The file `limits.yaml`."""

    limits: list[Limit]


def limits_of(description: SystemDescription, blocks: Library) -> list[str]:
    """The limits that concern a system, in the order of `limits.yaml`.

    Raises InputError when the file is missing or wrong.
    """
    file = read_yaml(blocks.root / "limits.yaml")
    return [entry.limit for entry in validate(Limits, file.data, [file]).limits if entry.when.holds(description)]
