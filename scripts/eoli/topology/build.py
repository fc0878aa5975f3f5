"""From composition to files: forcefield.itp, one .itp per molecule, system.top and system.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from eoli.core.files import write_text
from eoli.errors import ForceFieldError, InputError
from eoli.forcefield.library import Library
from eoli.forcefield.models import ELEMENTS, IONS, Chain, Contents, ForceFieldChoice, Ingredient, Ion
from eoli.topology.description import LARGEST_SITES, MoleculeCount, SystemDescription, to_json
from eoli.topology.gromos import Gromos54A7, PairKey, pair_key
from eoli.topology.molecule import NREXCL, Molecule, Term, build_chain, build_ion
from eoli.topology.pairs import PairTables, make_pair_tables, sigma_epsilon


def built(part: Ingredient, choice: ForceFieldChoice, blocks: Library, forcefield: Gromos54A7) -> MoleculeCount:
    """The molecules of an ingredient of our building blocks. Raises ForceFieldError for an unresolved term."""
    assert isinstance(part.entry, Chain | Ion)
    if isinstance(part.entry, Chain):
        return MoleculeCount(build_chain(part.entry, blocks, forcefield), part.count)
    return MoleculeCount(build_ion(part.entry, choice.ion_charge_scale, blocks, forcefield), part.count)


def describe(
    contents: Contents, choice: ForceFieldChoice, blocks: Library, forcefield: Gromos54A7
) -> SystemDescription:
    """The molecules of a box of our building blocks.

    Raises ForceFieldError for an unresolved term or a box that is not neutral, InputError for a box too large for any
    file, and for ions without a salt.
    """
    found, what = blocks.composition(contents, choice), " with ".join(contents.words)
    if found.imported:
        raise InputError(f"{found.imported[0].molecule} is imported; allowed: molecules of our building blocks")
    molecules = [built(part, choice, blocks, forcefield) for part in found.ingredients if part.count]
    n_sites = sum(len(entry.molecule.sites) * entry.count for entry in molecules)
    if n_sites > LARGEST_SITES:
        raise InputError(f"{what}: a box of {n_sites:.6g} sites is not allowed; allowed: up to {LARGEST_SITES}")
    charge = sum(entry.molecule.charge * entry.count for entry in molecules)
    if abs(charge) > 1e-4:
        raise ForceFieldError(f"{what}: the box has a charge of {charge:+.4f} e; allowed: 0")
    return SystemDescription(tuple(molecules), choice, forcefield.sha256)


def tables_for(
    description: SystemDescription, blocks: Library, forcefield: Gromos54A7, beside: Mapping[str, bool] | None = None
) -> PairTables:
    """Pair tables of all types that the system uses, and of types `beside` them, each with whether an ion has it."""
    others = beside or {}
    types = [*others]
    ion_types = {name for name, of_ion in others.items() if of_ion}
    fourteen: set[PairKey] = set()
    for entry in description.molecules:
        sites = entry.molecule.sites
        types += [site.type for site in sites]
        if entry.molecule.kind in IONS:
            ion_types |= {site.type for site in sites}
        fourteen |= {
            pair_key(sites[term.sites[0]].type, sites[term.sites[1]].type)
            for term in entry.molecule.pairs14
            if term.function == 1
        }
    return make_pair_tables(types, ion_types, fourteen, description.choice.mixing, blocks, forcefield)


def shown(value: float) -> str:
    """A number as topologies have it, with ten digits."""
    return f"{value:z.10g}"


def forcefield_text(tables: PairTables, mixing: str, blocks: Library, forcefield: Gromos54A7) -> str:
    """forcefield.itp: [ defaults ], types and pairs."""
    first, second = ("C6", "C12") if tables.combination_rule == 1 else ("sigma", "epsilon")
    lines = [
        f"; Mixing rule: {mixing}. Numbers of types and pairs: {first}, {second}.",
        "; GROMOS 54A7 was made for a twin-range cut-off with a reaction field; here it runs with a single cut-off and PME.",
        "[ defaults ]",
        "; nbfunc  comb-rule  gen-pairs  fudgeLJ  fudgeQQ",
        f"1 {tables.combination_rule} no 1.0 1.0",
        "",
        "[ atomtypes ]",
        f"; name  at.num  mass  charge  ptype  {first}  {second}",
    ]
    for name, (v, w) in tables.types.items():
        own = blocks.atom_types.get(name)
        number = ELEMENTS[own.element][0] if own is not None else forcefield.atomic_numbers[name]
        source = own.source if own is not None else "gromos54a7"
        lines.append(f"{name} {number} {shown(blocks.mass(name))} 0.0 A {shown(v)} {shown(w)} ; {source}")
    if tables.pairs:
        lines += ["", "[ nonbond_params ]", f"; i  j  func  {first}  {second}"]
        lines += [f"{a} {b} 1 {shown(v)} {shown(w)} ; {tables.origin[a, b]}" for (a, b), (v, w) in tables.pairs.items()]
    if tables.pairs14:
        lines += ["", "[ pairtypes ]", f"; i  j  func  {first}  {second}"]
        lines += [f"{a} {b} 1 {shown(v)} {shown(w)}" for (a, b), (v, w) in tables.pairs14.items()]
    return "\n".join(lines) + "\n"


def check_tables(tables: PairTables) -> None:
    """Check numbers against [ defaults ]: C6 and C12 read as sigma and epsilon give nonsense without an error.

    Raises ForceFieldError if a type with Lennard-Jones is outside what its combination rule can hold.
    """
    for name, (v, w) in tables.types.items():
        if v == 0 and w == 0:
            continue
        sigma, epsilon = sigma_epsilon((v, w), name) if tables.combination_rule == 1 else (v, w)
        if not (0.1 <= sigma <= 0.8 and 1e-4 <= epsilon <= 10):
            raise ForceFieldError(
                f"type {name}: sigma {sigma:.4g} nm and epsilon {epsilon:.4g} kJ/mol under combination rule "
                f"{tables.combination_rule}; allowed: 0.1 to 0.8 nm and 1e-4 to 10 kJ/mol"
            )


def _term_line(term: Term, combination_rule: int) -> str:
    sites = " ".join(str(site + 1) for site in term.sites)
    numbers = list(term.parameters)
    if term.function == 2 and len(term.sites) == 2 and len(numbers) == 5 and combination_rule == 2:
        numbers[3:] = sigma_epsilon((numbers[3], numbers[4]), f"1-4 pair {sites}")
    # GROMACS requires an integer multiplicity of a periodic torsion
    words = " ".join(shown(x) for x in numbers)
    return f"{sites} {term.function} {words} ; {term.label}, {term.source}".replace("  ", " ")


def molecule_text(molecule: Molecule, combination_rule: int) -> str:
    """The .itp of a molecule type."""
    lines = ["[ moleculetype ]", "; name  nrexcl", f"{molecule.name} {NREXCL}", "", "[ atoms ]"]
    lines.append("; nr  type  resnr  residue  atom  cgnr  charge  mass")
    lines += [
        f"{n} {s.type} {s.residue_number} {s.residue} {s.name} {n} {shown(s.charge)} {shown(s.mass)} ; {s.source}"
        for n, s in enumerate(molecule.sites, start=1)
    ]
    sections = {
        "bonds": molecule.bonds,
        "pairs": molecule.pairs14,
        "angles": molecule.angles,
        "dihedrals": (*molecule.dihedrals, *molecule.impropers),
    }
    for name, terms in sections.items():
        if terms:
            lines += ["", f"[ {name} ]", *(_term_line(term, combination_rule) for term in terms)]
    return "\n".join(lines) + "\n"


def top_text(description: SystemDescription, title: str) -> str:
    """system.top: includes and counts."""
    lines = ['#include "forcefield.itp"']
    lines += [f'#include "{entry.molecule.name}.itp"' for entry in description.molecules]
    lines += ["", "[ system ]", title, "", "[ molecules ]"]
    lines += [f"{entry.molecule.name} {entry.count}" for entry in description.molecules]
    return "\n".join(lines) + "\n"


def plain_text(text: str) -> str:
    """Text that may stand on one line of a GROMACS file.

    Raises InputError for text that would begin another line, a comment, a section or a directive.
    """
    if not text.isprintable() or set(text) & set(';#[]\\"'):
        raise InputError(
            f'{text!r} cannot stand in a topology; allowed: one line of printable text without ; # [ ] \\ and "'
        )
    return text


def _check_texts(description: SystemDescription, title: str) -> None:
    texts = {title}
    for molecule in (entry.molecule for entry in description.molecules):
        texts |= {molecule.name}
        texts |= {text for s in molecule.sites for text in (s.name, s.type, s.residue, s.source)}
        terms = (molecule.bonds, molecule.angles, molecule.dihedrals, molecule.impropers, molecule.pairs14)
        texts |= {text for of_kind in terms for term in of_kind for text in (term.label, term.source)}
    for text in texts:
        plain_text(text)


def write_topology(
    description: SystemDescription, title: str, folder: Path, blocks: Library, forcefield: Gromos54A7
) -> None:
    """Write all files of a topology, or none if anything is unresolved."""
    _check_texts(description, title)
    tables = tables_for(description, blocks, forcefield)
    check_tables(tables)
    texts = {"forcefield.itp": forcefield_text(tables, description.choice.mixing, blocks, forcefield)}
    for entry in description.molecules:
        texts[f"{entry.molecule.name}.itp"] = molecule_text(entry.molecule, tables.combination_rule)
    texts["system.top"] = top_text(description, title)
    texts["system.json"] = to_json(description)
    for name, text in texts.items():
        write_text(folder / name, text)
