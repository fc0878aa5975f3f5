"""Our molecules beside those of others: one more origin of a composed topology, and the pairs across the border.

A pair of one of our types and one of theirs that a file lists has the numbers of that file. Else it follows the mixing rule
of our molecules as far as that rule knows the other type, which is one of GROMOS 54A7 or of our building blocks if it has
both the name and the numbers. All other pairs are made by grompp with the combination rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from eoli.forcefield.library import Library
from eoli.forcefield.models import IONS, ForceFieldChoice
from eoli.topology.build import check_tables, forcefield_text, molecule_text, shown, tables_for
from eoli.topology.composed import Part
from eoli.topology.description import MoleculeCount, SystemDescription
from eoli.topology.gromos import Gromos54A7
from eoli.topology.imported import ImportedTopology, topology_made_here, type_key
from eoli.topology.pairs import PairTables


@dataclass(frozen=True)
class Ours:
    """Our molecules of a box. The types of `tables` are theirs; its pairs are those among them and, across the border, those
    that the mixing rule knows and no file lists. `topology` has both as text."""

    description: SystemDescription
    tables: PairTables
    topology: ImportedTopology

    def part(self, entry: MoleculeCount) -> Part:
        """A molecule type of the composed box; its charges are scaled already."""
        return Part(self.topology, entry.molecule.name, entry.count)


def make_ours(
    molecules: Sequence[MoleculeCount], others: Sequence[tuple[Part, str]], choice: ForceFieldChoice, blocks: Library,
    forcefield: Gromos54A7,
) -> Ours:  # fmt: skip
    """Our molecules beside `others`, parts of a box with their kinds.

    Raises ForceFieldError for a type without parameters, and for numbers that no combination rule can hold.
    """
    description = SystemDescription(tuple(molecules), choice, forcefield.sha256)
    own = {site.type for entry in molecules for site in entry.molecule.sites}
    listed = {name for pair in forcefield.pairs for name in pair} | blocks.atom_types.keys()
    of_ion: dict[str, bool] = {}
    theirs: dict[str, tuple[tuple[float, ...], int]] = {}
    given: set[tuple[str, ...]] = set()
    for part, kind in others:
        held = part.topology.forcefield
        given |= {type_key(row)[0] for row in held.rows if row.section == "nonbond_params"}
        for name in {site.type for site in part.molecule.sites} & listed:
            of_ion[name] = of_ion.get(name, False) or kind in IONS
            theirs[name] = held.types[name].numbers, held.defaults.combination_rule
    full = tables_for(description, blocks, forcefield, of_ion)
    known = own | {
        name
        for name, (numbers, rule) in theirs.items()
        if rule == full.combination_rule and numbers == tuple(float(shown(value)) for value in full.types[name])
    }
    across = {pair for pair in full.pairs if known.issuperset(pair) and len(own.intersection(pair)) == 1} - given
    written = across | {pair for pair in full.pairs if own.issuperset(pair)}
    tables = replace(
        full,
        types={name: numbers for name, numbers in full.types.items() if name in own},
        pairs={pair: numbers for pair, numbers in full.pairs.items() if pair in written},
        origin={pair: said for pair, said in full.origin.items() if pair in written},
    )
    check_tables(tables)
    texts = [forcefield_text(tables, choice.mixing, blocks, forcefield)]
    texts += [molecule_text(entry.molecule, tables.combination_rule) for entry in molecules]
    name = f"forcefield.itp made from {blocks.root} with mixing {choice.mixing}"
    return Ours(description, tables, topology_made_here("\n".join(texts), name))
