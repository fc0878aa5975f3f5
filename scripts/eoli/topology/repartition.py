"""Heavier hydrogens for longer time steps: their mass is taken from the atoms that they are bonded to.

Every molecule keeps its mass. Positions at equilibrium do not depend on masses, and the others hardly move otherwise, but
the fastest motions that constrained bonds leave, those of hydrogens, are slower by the root of their mass (K. A. Feenstra,
B. Hess, H. J. C. Berendsen, J. Comput. Chem. 1999, 20, 786). GROMACS has an option for it since 2024; that goes by
the lightest mass of a system, which is that of lithium where there is no hydrogen.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from eoli.core.files import write_text
from eoli.errors import ForceFieldError
from eoli.forcefield.models import is_hydrogen
from eoli.topology.description import SystemDescription
from eoli.topology.molecule import Molecule, Site

_CENTRE_OF_MASS = ("virtual_sitesn", 2)
_SECTION = re.compile(r"\[\s*(\S+)\s*\]")


def hydrogens(description: SystemDescription) -> list[tuple[str, str]]:
    """Molecule and name of the hydrogens of a system, each once."""
    sites = [(entry.molecule.name, site) for entry in description.molecules for site in entry.molecule.sites]
    return list(dict.fromkeys((molecule, site.name) for molecule, site in sites if is_hydrogen(site.mass)))


def repartitioned(molecule: Molecule, hydrogen_mass_g_mol: float) -> Molecule:
    """The molecule with hydrogens of that mass, which their heavy atoms lack.

    Raises ForceFieldError for a hydrogen that is not bonded to one heavy atom, for a heavy atom that would become lighter
    than its hydrogens, and for a virtual site at a centre of mass that would move.
    """
    neighbours = molecule.neighbours()
    masses = [site.mass for site in molecule.sites]
    for n, site in enumerate(molecule.sites):
        if not is_hydrogen(site.mass):
            continue
        heavy = [k for k in neighbours[n] if not is_hydrogen(molecule.sites[k].mass)]
        if len(neighbours[n]) != 1 or not heavy:
            raise ForceFieldError(
                f"molecule {molecule.name}, hydrogen {site.name}: hydrogen_mass_g_mol {hydrogen_mass_g_mol:g} is not possible, "
                "no single heavy atom can give the mass; allowed: hydrogens with one bond, to a heavy atom"
            )
        masses[heavy[0]] -= hydrogen_mass_g_mol - site.mass
        masses[n] = hydrogen_mass_g_mol
    changed = {n for n, (mass, site) in enumerate(zip(masses, molecule.sites, strict=True)) if mass != site.mass}
    for n in sorted(changed):
        if masses[n] < hydrogen_mass_g_mol:
            site, own = molecule.sites[n], [molecule.sites[k].mass for k in neighbours[n]]
            light = [mass for mass in own if is_hydrogen(mass)]
            most = (site.mass + sum(light)) / (1 + len(light))
            raise ForceFieldError(
                f"molecule {molecule.name}: hydrogen_mass_g_mol {hydrogen_mass_g_mol:g} leaves {masses[n]:.4g} g/mol for "
                f"{site.name} with {len(light)} hydrogens; allowed: at most {most:.4g}"
            )
    for term in molecule.virtual:
        if (term.label, term.function) == _CENTRE_OF_MASS and changed.intersection(term.sites):
            raise ForceFieldError(
                f"molecule {molecule.name}: the virtual site {molecule.sites[term.sites[0]].name} is at a centre of mass, which "
                "hydrogen_mass_g_mol would move; allowed: no such key for this molecule"
            )
    return replace(molecule, sites=tuple(replace(s, mass=mass) for s, mass in zip(molecule.sites, masses, strict=True)))


def with_heavier_hydrogens(description: SystemDescription, hydrogen_mass_g_mol: float) -> SystemDescription:
    """The system with all molecules `repartitioned`. Raises as that does."""
    molecules = tuple(
        replace(entry, molecule=repartitioned(entry.molecule, hydrogen_mass_g_mol)) for entry in description.molecules
    )
    return replace(description, molecules=molecules)


def write_repartitioned(
    topology: Path, description: SystemDescription, hydrogen_mass_g_mol: float, folder: Path
) -> None:
    """Copy a topology of this package, the one that `description` describes, with heavier hydrogens.

    Nothing but the masses of the atoms concerned differs. Raises ForceFieldError for a row that cannot be changed.
    """
    heavier = {
        entry.molecule.name: entry.molecule
        for entry in with_heavier_hydrogens(description, hydrogen_mass_g_mol).molecules
    }
    own = {entry.molecule.name: entry.molecule for entry in description.molecules}
    for path in sorted([*topology.glob("*.itp"), topology / "system.top"]):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".itp" and path.stem in own:
            text = _with_masses(text, path, own[path.stem].sites, heavier[path.stem].sites)
        write_text(folder / path.name, text)


def _with_masses(text: str, path: Path, before: tuple[Site, ...], after: tuple[Site, ...]) -> str:
    """The text of a molecule type with the masses of `after` in its [ atoms ], where they are not those of `before`."""
    lines, section, n = text.splitlines(), "", 0
    for number, line in enumerate(lines):
        body, semicolon, comment = line.partition(";")
        words = body.split()
        if not words or words[0].startswith("#"):
            continue
        if found := _SECTION.match(body.strip()):
            section = found[1]
        elif section == "atoms":
            if n == len(after):
                raise ForceFieldError(
                    f"{path}: more atoms than the {len(after)} of system.json; make the topology again"
                )
            if after[n].mass != before[n].mass:
                if not 6 <= len(words) <= 8 or words[4] != before[n].name:
                    raise ForceFieldError(
                        f"{path}, line {number + 1}: the mass of {before[n].name} cannot be changed here; allowed: one atom with "
                        "charge and mass on a line of its own"
                    )
                charge = words[6] if len(words) > 6 else f"{before[n].charge:.10g}"
                lines[number] = " ".join([*words[:6], charge, f"{after[n].mass:.10g}", semicolon + comment]).rstrip()
            n += 1
    if n != len(after):
        raise ForceFieldError(f"{path}: {n} atoms instead of the {len(after)} of system.json; make the topology again")
    return "\n".join(lines) + "\n"
