"""Sites of a system by function: lithium's binding sites, counted pairs, ether torsions."""

from __future__ import annotations

import numpy as np

from eoli.core.arrays import Indices
from eoli.forcefield.models import SOLVENT_ROLES
from eoli.topology.description import SystemDescription
from eoli.topology.species import labels

POLYMER_PARTNERS: dict[str, tuple[str, ...]] = {
    "ether_O": ("ether_O",),
    "carbonyl_O": ("amide_O", "ester_O"),
    "ester_bridging_O": ("ester_bridging_O",),
    "hydroxyl_O": ("hydroxyl_O",),
}
"""Roles of the chain sites that bind lithium, by kind of contact. All lists of partners follow from it."""
SOLVENT_PARTNERS = {role: (role,) for role in SOLVENT_ROLES}
"""The same of solvents."""
_NEUTRAL_PARTNERS = POLYMER_PARTNERS | SOLVENT_PARTNERS
OXYGENS = tuple(kind for kind in _NEUTRAL_PARTNERS if kind.endswith("_O"))
"""Kinds of contact with oxygens of neutral molecules."""
ANION = "anion"
"""Kind of contact of an anion's binding sites."""
OF_TYPE = "@"
"""Between the name of a partner and the label of the one molecule type that is meant."""
_ANION_SITES = ("anion_O", "anion_F", "anion_Cl")


def contact_of(partner: str) -> str | None:
    """Kind of contact (`analysis.contact_nm`) of a lithium partner in `pair_groups`; None for no contact."""
    kinds = {kind: (kind, *roles) for kind, roles in _NEUTRAL_PARTNERS.items()} | {ANION: _ANION_SITES}
    return next((kind for kind, roles in kinds.items() if partner.split(OF_TYPE)[0] in roles), None)


def anion_binding_sites(description: SystemDescription) -> Indices:
    """Anion sites that bind lithium: of each type of anion the oxygens, or all sites with a role if it has none."""
    found = []
    for molecule, sites in description.parts():
        roles = [site.role or "" for site in molecule.sites]
        bind = [role == "anion_O" if "anion_O" in roles else role.startswith("anion_") for role in roles]
        found.append(sites[:, np.flatnonzero(bind)].ravel())
    return np.concatenate(found)


def binding_partners(description: SystemDescription) -> dict[str, Indices]:
    """Sites that may bind lithium by kind of contact, without duplicates; kinds that the system lacks are absent."""
    found = {kind: description.with_role(*roles) for kind, roles in _NEUTRAL_PARTNERS.items()}
    found[ANION] = anion_binding_sites(description)
    return {kind: sites for kind, sites in found.items() if len(sites)}


def binding_sites(description: SystemDescription) -> Indices:
    """All sites of `binding_partners`, in increasing order."""
    partners = binding_partners(description)
    return np.sort(np.concatenate(list(partners.values()))) if partners else np.empty(0, dtype=np.int64)


def block_names(description: SystemDescription) -> tuple[str, str]:
    """Names of the blocks of the ether and of the carbonyl oxygens, as the units name them: `PEO` and `PA` for Pebax.

    Names of several blocks are joined by `+`. Blocks that the units do not name, or name alike, are `ether` and
    `carbonyl`.
    """
    sites = [site for entry in description.molecules for site in entry.molecule.sites]

    def named(*roles: str) -> str:
        return "+".join(dict.fromkeys(site.block for site in sites if site.role in roles and site.block is not None))

    ether, carbonyl = named("ether_O") or named("hydroxyl_O") or "ether", named("amide_O", "ester_O") or "carbonyl"
    return (ether, carbonyl) if ether != carbonyl else ("ether", "carbonyl")


def _outer(description: SystemDescription) -> dict[str, Indices]:
    """Outermost anion sites that meet lithium, of each type O, else F, else Cl."""
    found: dict[str, list[Indices]] = {}
    for molecule, sites in description.parts():
        roles = [site.role for site in molecule.sites]
        if (name := next((name for name in _ANION_SITES if name in roles), None)) is not None:
            found.setdefault(name, []).append(sites[:, [role == name for role in roles]].ravel())
    return {name: np.concatenate(found[name]) for name in _ANION_SITES if name in found}


def by_type(description: SystemDescription, sites: Indices) -> dict[str, Indices]:
    """The sites in each molecule type that has any, by its label (`species.labels`)."""
    named = labels([entry.molecule.name for entry in description.molecules])
    found: dict[str, Indices] = {label: np.empty(0, dtype=np.int64) for label in named.values()}
    for molecule, of_type in description.parts():
        own = np.intersect1d(of_type, sites)
        found[named[molecule.name]] = np.concatenate([found[named[molecule.name]], own])
    return {label: own for label, own in found.items() if len(own)}


def _with_types(description: SystemDescription, partners: dict[str, Indices]) -> dict[str, Indices]:
    """Partners, and beside those of several molecule types the sites of each type: `anion_O` and `anion_O@TFSI`.

    With several types of anions each site of one is also listed by its type: one may bind by oxygen, another by fluorine.
    """
    of_anions = [sites for name, sites in partners.items() if name.startswith(f"{ANION}_")]
    several = len(of_anions) > 0 and len(by_type(description, np.concatenate(of_anions))) > 1
    found = {}
    for name, sites in partners.items():
        found[name] = sites
        types = by_type(description, sites)
        if len(types) > 1 or (several and name.startswith(f"{ANION}_")):
            found |= {f"{name}{OF_TYPE}{label}": own for label, own in types.items()}
    return found


def pair_groups(description: SystemDescription) -> dict[str, dict[str, Indices]]:
    """Sites of the groups whose pairs are counted, by names of first group and partner.

    Lithium is paired with the polymer's oxygens, the binding sites of solvents, with N and O of the anions (F without O,
    Cl without either) and with itself; sites of several molecule types, and of several types of anions, are also listed
    by type. The amide hydrogens with N and O of the anions. carbonyl_O is amide_O and ester_O together, which are listed
    separately only if both exist. No pair of these groups is in the same molecule.
    """
    amide, ester = description.with_role("amide_O"), description.with_role("ester_O")
    nitrogen = {"anion_N": description.with_role("anion_N")}
    lithium: dict[str, Indices] = {}
    for kind, roles in _NEUTRAL_PARTNERS.items():
        lithium[kind] = description.with_role(*roles)
        if kind == "carbonyl_O" and len(amide) and len(ester):
            lithium |= {"amide_O": amide, "ester_O": ester}
    lithium = _with_types(description, lithium | nitrogen | _outer(description))
    lithium["Li"] = description.with_role("Li")
    amide_hydrogen = nitrogen | {"anion_O": description.with_role("anion_O")}
    present = {
        first: {name: sites for name, sites in partners.items() if len(sites) > (name == first)}
        for first, partners in (("Li", lithium), ("amide_H", amide_hydrogen))
        if len(description.with_role(first))
    }
    return {first: partners for first, partners in present.items() if partners}


def ether_torsions(description: SystemDescription) -> Indices:
    """The O-C-C-O torsions: dihedrals whose ends are ether oxygens, each once, shape (torsions, 4)."""
    found = []
    for molecule, sites in description.parts():
        roles = [site.role for site in molecule.sites]
        one = sorted({t.sites for t in molecule.dihedrals if roles[t.sites[0]] == roles[t.sites[3]] == "ether_O"})
        found.append(sites[:, np.array(one, dtype=np.int64).reshape(-1, 4)].reshape(-1, 4))
    return np.concatenate(found)
