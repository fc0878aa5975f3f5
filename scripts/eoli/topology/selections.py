"""Sites of a system by function: lithium's binding sites, counted pairs, ether torsions."""

from __future__ import annotations

import numpy as np

from eoli.core.arrays import Indices
from eoli.topology.description import SystemDescription

POLYMER_PARTNERS: dict[str, tuple[str, ...]] = {
    "ether_O": ("ether_O",),
    "carbonyl_O": ("amide_O", "ester_O"),
    "ester_bridging_O": ("ester_bridging_O",),
    "hydroxyl_O": ("hydroxyl_O",),
}
"""Roles of the chain sites that bind lithium, by kind of contact. All lists of partners follow from it."""
ANION = "anion"
"""Kind of contact of an anion's binding sites."""
_ANION_SITES = ("anion_O", "anion_F", "anion_Cl")


def contact_of(partner: str) -> str | None:
    """Kind of contact (`analysis.contact_nm`) of a lithium partner in `pair_groups`; None for no contact."""
    if partner in _ANION_SITES:
        return ANION
    return next((kind for kind, roles in POLYMER_PARTNERS.items() if partner in (kind, *roles)), None)


def anion_binding_sites(description: SystemDescription) -> Indices:
    """Anion sites that bind lithium: oxygens, or all sites with a role if there are none."""
    oxygens = description.with_role("anion_O")
    return oxygens if len(oxygens) else _with_prefix(description, "anion_")


def binding_partners(description: SystemDescription) -> dict[str, Indices]:
    """Sites that may bind lithium by kind of contact, without duplicates; kinds that the system lacks are absent."""
    found = {kind: description.with_role(*roles) for kind, roles in POLYMER_PARTNERS.items()}
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


def _with_prefix(description: SystemDescription, prefix: str) -> Indices:
    roles = {site.role for entry in description.molecules for site in entry.molecule.sites}
    return description.with_role(*(role for role in roles if role is not None and role.startswith(prefix)))


def _outer(description: SystemDescription) -> dict[str, Indices]:
    """Outermost anion sites that meet lithium: O, else F, else Cl."""
    found = {name: description.with_role(name) for name in _ANION_SITES}
    name = next((name for name, sites in found.items() if len(sites)), None)
    return {} if name is None else {name: found[name]}


def pair_groups(description: SystemDescription) -> dict[str, dict[str, Indices]]:
    """Sites of the groups whose pairs are counted, by names of first group and partner.

    Lithium is paired with the polymer's oxygens, with N and O of the anions (F without O, Cl without either) and with
    itself; the amide hydrogens with N and O of the anions. carbonyl_O is amide_O and ester_O together, which are listed
    separately only if both exist. No pair of these groups is in the same molecule.
    """
    amide, ester = description.with_role("amide_O"), description.with_role("ester_O")
    nitrogen = {"anion_N": description.with_role("anion_N")}
    lithium: dict[str, Indices] = {}
    for kind, roles in POLYMER_PARTNERS.items():
        lithium[kind] = description.with_role(*roles)
        if kind == "carbonyl_O" and len(amide) and len(ester):
            lithium |= {"amide_O": amide, "ester_O": ester}
    lithium |= {**nitrogen, **_outer(description), "Li": description.with_role("Li")}
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
