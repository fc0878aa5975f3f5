"""Roles files: which atoms of a topology that was not built here have which function.

A roles file names each molecule type of the topology, its kind, and by selections in MDAnalysis' language the atoms with
a role.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from eoli.core.names import Part
from eoli.core.text import did_you_mean
from eoli.core.validation import AtKeys, Strict, place, validate
from eoli.core.yamlfile import YamlFile, read_yaml
from eoli.errors import InputError
from eoli.forcefield.models import ANION_ROLES, CATION_ROLES, POLYMER_ROLES, SOLVENT_ROLES, Selection

ALLOWED: dict[str, tuple[str, ...]] = {
    "polymer": (*POLYMER_ROLES, *ANION_ROLES),
    "solvent": SOLVENT_ROLES,
    "cation": CATION_ROLES,
    "anion": ANION_ROLES,
}
"""Roles by kind of molecule."""


class MoleculeRoles(Strict):
    """A molecule type: its kind, and its atoms by function."""

    kind: Literal["polymer", "cation", "anion", "solvent"] = Field(description="what analyses take it for")
    charge: int | None = Field(
        None, ge=-10_000, le=4, description="formal charge, e; left out, the rounded sum of its atoms'"
    )
    roles: dict[str, Selection] = Field(default_factory=dict, description="selections in MDAnalysis' language by role")
    blocks: dict[Part, Selection] = Field(
        default_factory=dict,
        description="selections of the blocks of a copolymer, by name; left out, the whole chain is one",
    )

    @model_validator(mode="after")
    def _roles_of_its_kind(self) -> Self:
        allowed = ALLOWED[self.kind]
        for role in self.roles:
            if role not in allowed:
                hint = did_you_mean(role, allowed)
                raise AtKeys(
                    f"no role of kind {self.kind}{hint}; allowed: {', '.join(allowed) or 'none'}", "roles", role
                )
        if self.kind == "anion" and not self.roles:
            raise AtKeys(f"an anion without roles; allowed: one of {', '.join(allowed)} for what binds lithium", "kind")
        return self


class _Roles(Strict):
    molecules: dict[str, MoleculeRoles] = Field(min_length=1, description="molecule types by name in the topology")


@dataclass(frozen=True)
class Roles:
    """A roles file: its molecule types by name, and where they stand."""

    molecules: Mapping[str, MoleculeRoles]
    file: YamlFile

    @property
    def names(self) -> set[str | None]:
        """All roles that the file gives."""
        return {role for molecule in self.molecules.values() for role in molecule.roles}

    def wrong(self, message: str, *keys: str) -> InputError:
        """A mistake in the file, at the line of its key."""
        return InputError(f"{place(('molecules', *keys), [self.file])}: {message}")


def read_roles(path: Path) -> Roles:
    """Read a roles file. Raises InputError with one line that names file, key, value and what is allowed."""
    file = read_yaml(path)
    return Roles(validate(_Roles, file.data, [file]).molecules, file)
