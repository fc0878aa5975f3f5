"""Topologies against naive references, on a small force field with invented numbers."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eoli.errors import DataError, ForceFieldError
from eoli.forcefield.library import Library
from eoli.forcefield.models import Contents
from eoli.topology.build import check_tables, describe, molecule_text, tables_for, write_topology
from eoli.topology.description import SystemDescription, read_description, to_json
from eoli.topology.gromos import Gromos54A7, pair_key, read_gromos54a7
from eoli.topology.molecule import Molecule, build_chain, build_ion
from eoli.topology.pairs import PairTables, make_pair_tables, sigma_epsilon
from support import choice, mistake

Edit = Callable[[str, Callable[[Any], None]], Path]
TYPES = ["CH2", "CH3", "C", "O", "N", "H", "OEP", "LI+", "NBT", "SBT", "OBT", "CBT", "FBT"]
IONS = {"LI+", "NBT", "SBT", "OBT", "CBT", "FBT"}
MIXING = ["gromos", "lorentz-berthelot", "lb-ions"]


@pytest.fixture(scope="module", params=["peo", "pebax", "TFSI"])
def molecule(request: pytest.FixtureRequest, blocks: Library, forcefield: Gromos54A7) -> Molecule:
    if request.param == "TFSI":
        return build_ion(blocks.ion("TFSI", "clandp2004"), 1.0, blocks, forcefield)
    return build_chain(blocks.polymer(request.param, "oxy-d"), blocks, forcefield)


def described(blocks: Library, forcefield: Gromos54A7, mixing: str = "gromos", scale: float = 1.0) -> SystemDescription:
    return describe(Contents.of("pebax", 2, "litfsi", 3), choice(mixing, scale), blocks, forcefield)


def distances(molecule: Molecule) -> dict[tuple[int, int], int]:
    """Bonds on the shortest path of every pair, by walking from each site."""
    near: dict[int, set[int]] = {site: set() for site in range(len(molecule.sites))}
    for bond in molecule.bonds:
        i, j = bond.sites
        near[i].add(j)
        near[j].add(i)
    found = {}
    for start in near:
        reached, front, step = {start}, {start}, 0
        while front:
            found.update({(start, site): step for site in front})
            front = {n for site in front for n in near[site]} - reached
            reached |= front
            step += 1
    return found


@pytest.mark.parametrize(
    ("name", "sites", "angles", "torsions", "rows", "impropers"),
    [
        # a line of n sites has n - 2 angles and n - 3 torsions; each ether torsion has three rows
        ("peo", 73, 71, 70, 3 * 70, 0),
        # 118 sites in a line, 7 carbonyl oxygens and 6 hydrogens on planar centres; 71 ether torsions of three rows
        ("pebax", 131, 116 + 2 * 13, 115, 3 * 71 + 44, 13),
    ],
)
def test_counts_of_the_chains(
    name: str,
    sites: int,
    angles: int,
    torsions: int,
    rows: int,
    impropers: int,
    blocks: Library,
    forcefield: Gromos54A7,
) -> None:
    chain = build_chain(blocks.polymer(name, "oxy-d"), blocks, forcefield)
    assert (len(chain.sites), len(chain.bonds), len(chain.angles)) == (sites, sites - 1, angles)
    assert (len({term.sites for term in chain.dihedrals}), len(chain.dihedrals)) == (torsions, rows)
    assert len(chain.impropers) == impropers
    assert chain.charge == pytest.approx(0, abs=1e-9)


def test_counts_of_tfsi(blocks: Library, forcefield: Gromos54A7) -> None:
    ion = build_ion(blocks.ion("TFSI", "clandp2004"), 1.0, blocks, forcefield)
    # angles: 1 at N, 6 at each of S, S, C, C; torsions: 3 around each N-S, 9 around each S-C; no torsion counts twice
    assert (len(ion.bonds), len(ion.angles), len(ion.dihedrals), len(ion.pairs14)) == (14, 25, 24, 24)
    assert ion.charge == pytest.approx(-1) and ion.formal_charge == -1


def test_pairs_and_angles_are_the_shortest_paths(molecule: Molecule) -> None:
    apart = distances(molecule)

    def pairs(bonds: int) -> set[tuple[int, int]]:
        return {pair for pair, steps in apart.items() if steps == bonds and pair[0] < pair[1]}

    assert sorted(tuple(sorted(term.sites)) for term in molecule.pairs14) == sorted(pairs(3))
    assert sorted(tuple(sorted((t.sites[0], t.sites[2]))) for t in molecule.angles) == sorted(pairs(2))


def test_terms_follow_bonds(molecule: Molecule) -> None:
    bonded = {frozenset(term.sites) for term in molecule.bonds}
    for term in (*molecule.angles, *molecule.dihedrals):
        assert all(frozenset(pair) in bonded for pair in itertools.pairwise(term.sites))
    for term in molecule.impropers:
        assert all(frozenset((term.sites[0], site)) in bonded for site in term.sites[1:])


def test_gromos_has_one_torsion_for_each_bond(blocks: Library, forcefield: Gromos54A7) -> None:
    chain = build_chain(blocks.polymer("pebax", "oxy-d"), blocks, forcefield)
    axes = [frozenset(sites[1:3]) for sites in {term.sites for term in chain.dihedrals}]
    assert len(axes) == len(set(axes))


@pytest.mark.parametrize(
    ("kind", "classes", "words"),
    [
        ("bonds", ["OS", "CE"], ["PAE26:OE-PAE26:C", "no bond"]),
        ("angles", ["CT", "OS", "CE"], ["EO25:C2-PAE26:OE-PAE26:C", "no angle"]),
        ("dihedrals", ["CT", "OS", "CE", "CT"], ["EO25:C2-PAE26:OE-PAE26:C-", "no dihedral around this bond"]),
    ],
)
def test_a_missing_term_is_named(
    kind: str, classes: list[str], words: list[str], edit_block: Edit, copied_blocks: Path, forcefield: Gromos54A7
) -> None:
    def remove(table: Any) -> None:
        table[kind] = [entry for entry in table[kind] if entry["classes"] != classes]

    edit_block("bonded.yaml", remove)
    library = Library(copied_blocks)
    with pytest.raises(ForceFieldError) as failure:
        build_chain(library.polymer("pebax", "oxy-d"), library, forcefield)
    text = str(failure.value)
    assert "\n" not in text and text.startswith("polymers/pebax.yaml, ")
    assert [word for word in words if word not in text] == []


def test_an_improper_that_does_not_fit_is_named(edit_block: Edit, copied_blocks: Path, forcefield: Gromos54A7) -> None:
    edit_block("bonded.yaml", lambda table: table["impropers"][2].update(classes=["N", "CA", "CT", "CT"]))
    library = Library(copied_blocks)
    with pytest.raises(ForceFieldError, match=r"pebax\.yaml, PAE26:N-.*no improper keeps the shape of this centre"):
        build_chain(library.polymer("pebax", "oxy-d"), library, forcefield)


def test_two_torsions_for_one_bond_are_refused(edit_block: Edit, copied_blocks: Path, forcefield: Gromos54A7) -> None:
    extra = {"classes": ["OC", "CA", "N", "CT"], "macro": "gd_14", "source": "peptide54a7"}
    edit_block("bonded.yaml", lambda table: table["dihedrals"].append(extra))
    library = Library(copied_blocks)
    with pytest.raises(ForceFieldError, match=r"2 dihedrals around this bond; allowed: exactly one"):
        build_chain(library.polymer("pebax", "oxy-d"), library, forcefield)


def test_a_charged_chain_is_refused(edit_block: Edit, copied_blocks: Path, forcefield: Gromos54A7) -> None:
    edit_block("polymers/peo.yaml", lambda polymer: polymer.update(sequence=["methyl", "EO * 24"]))
    library = Library(copied_blocks)
    with pytest.raises(
        ForceFieldError, match=r"peo\.yaml:\d+: sequence: the chain has a charge of \+0\.2900 e; .*methyl \+0\.29"
    ):
        build_chain(library.polymer("peo", "oxy-d"), library, forcefield)


def test_a_mass_that_the_force_field_contradicts(edit_block: Edit, copied_blocks: Path, forcefield: Gromos54A7) -> None:
    edit_block("masses.yaml", lambda masses: masses.update(CH2=14.5))
    library = Library(copied_blocks)
    with pytest.raises(ForceFieldError, match=r"units/EO/oxy-d\.yaml, atom C1: masses\.yaml gives 14\.5 for CH2"):
        build_chain(library.polymer("peo", "oxy-d"), library, forcefield)


def test_an_unknown_type(edit_block: Edit, copied_blocks: Path, forcefield: Gromos54A7) -> None:
    edit_block("units/EO/oxy-d.yaml", lambda unit: unit["atoms"][0].update(type="OX"))
    library = Library(copied_blocks)
    with pytest.raises(ForceFieldError, match=r"units/EO/oxy-d\.yaml, atom O1: type 'OX' is neither"):
        build_chain(library.polymer("peo", "oxy-d"), library, forcefield)


@pytest.mark.parametrize("ion", [("LI", "aqvist"), ("TFSI", "clandp2004")], ids=lambda ion: ion[0])
def test_the_charge_scale_reaches_atoms_and_pairs(
    ion: tuple[str, str], blocks: Library, forcefield: Gromos54A7
) -> None:
    whole, scaled = (build_ion(blocks.ion(*ion), scale, blocks, forcefield) for scale in (1.0, 0.8))
    assert [s.charge for s in scaled.sites] == pytest.approx([0.8 * s.charge for s in whole.sites])
    assert scaled.formal_charge == whole.formal_charge
    for one, other in zip(whole.pairs14, scaled.pairs14, strict=True):
        assert one.function == 2 and one.parameters[0] == 0.5
        assert other.parameters[1:3] == pytest.approx([0.8 * charge for charge in one.parameters[1:3]])
        assert other.parameters[3:] == one.parameters[3:]
        assert [other.parameters[1], other.parameters[2]] == [scaled.sites[site].charge for site in other.sites]


def c6_c12(name: str, blocks: Library, forcefield: Gromos54A7) -> tuple[float, float]:
    own = blocks.atom_types.get(name)
    return (own.c6, own.c12) if own else forcefield.types[name]


def by_hand(a: str, b: str, mixing: str, blocks: Library, forcefield: Gromos54A7) -> tuple[float, float] | None:
    """C6 and C12 of a pair under a mixing rule; None where the rule leaves the pair to GROMACS."""
    (c6_a, c12_a), (c6_b, c12_b) = (c6_c12(name, blocks, forcefield) for name in (a, b))
    ion = bool(IONS & {a, b})
    if mixing == "lorentz-berthelot" or (mixing == "lb-ions" and ion):
        return None
    if ion:
        return math.sqrt(c6_a * c6_b), math.sqrt(c12_a * c12_b)
    if "OEP" not in (a, b):
        return forcefield.pairs[pair_key(a, b)]
    partner = a if b == "OEP" else b
    c6, c12 = forcefield.pairs[pair_key("OE", partner)]
    c6_oe = forcefield.types["OE"][0]
    return c6 * math.sqrt(1.6999129e-3 / c6_oe), c12 * 1.529e-3 / (1.227e-3 if partner == "N" else 1.1e-3)


@pytest.mark.parametrize("mixing", MIXING)
def test_pair_tables(mixing: str, blocks: Library, forcefield: Gromos54A7) -> None:
    fourteen = {("CH2", "CH2"), ("CH2", "OEP"), ("OEP", "OEP")}
    tables = make_pair_tables(TYPES, IONS, fourteen, mixing, blocks, forcefield)
    shown = (lambda numbers: numbers) if mixing == "gromos" else (lambda numbers: sigma_epsilon(numbers, ""))
    assert tables.combination_rule == (1 if mixing == "gromos" else 2)
    for name in TYPES:
        assert tables.types[name] == pytest.approx(shown(c6_c12(name, blocks, forcefield)), rel=1e-12)
    wanted = {
        pair_key(a, b): numbers
        for a, b in itertools.combinations(TYPES, 2)
        if (numbers := by_hand(a, b, mixing, blocks, forcefield)) is not None
    }
    assert tables.pairs.keys() == wanted.keys() == tables.origin.keys()
    for key, numbers in wanted.items():
        assert tables.pairs[key] == pytest.approx(shown(numbers), rel=1e-12), key
    # the pairs that stay with GROMACS mix by Lorentz-Berthelot there, for combination rule 2 does so
    for a, b in fourteen:
        row = forcefield.pairs14[pair_key("OE" if a == "OEP" else a, "OE" if b == "OEP" else b)]
        assert tables.pairs14[a, b] == pytest.approx(shown(row), rel=1e-12)


def test_origins_of_pairs(blocks: Library, forcefield: Gromos54A7) -> None:
    origin = make_pair_tables(TYPES, IONS, set(), "gromos", blocks, forcefield).origin
    assert origin["CH2", "CH3"] == "54A7 matrix"
    assert origin["CH2", "OEP"] == "54A7 row of OE"
    assert origin["LI+", "OEP"] == "geometric"


@pytest.mark.parametrize(("numbers", "expected"), [((0.0, 0.0), (0, 0)), ((4e-3, 4e-6), (10**-0.5, 1.0))])
def test_sigma_epsilon(numbers: tuple[float, float], expected: tuple[float, float]) -> None:
    assert sigma_epsilon(numbers, "X") == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("numbers", [(1e-3, 0.0), (0.0, 1e-6), (-1e-3, 1e-6)])
def test_numbers_without_sigma_and_epsilon(numbers: tuple[float, float]) -> None:
    with pytest.raises(ForceFieldError, match="type X: "):
        sigma_epsilon(numbers, "type X")


def test_numbers_of_the_other_combination_rule_are_refused(blocks: Library, forcefield: Gromos54A7) -> None:
    gromos = make_pair_tables(TYPES, IONS, set(), "gromos", blocks, forcefield)
    for right in MIXING:
        check_tables(make_pair_tables(TYPES, IONS, set(), right, blocks, forcefield))
    with pytest.raises(ForceFieldError, match=r"under combination rule 2; allowed: 0\.1 to 0\.8 nm"):
        check_tables(replace(gromos, combination_rule=2))
    other = make_pair_tables(TYPES, IONS, set(), "lorentz-berthelot", blocks, forcefield)
    with pytest.raises(ForceFieldError, match="under combination rule 1"):
        check_tables(PairTables(1, other.types, {}, {}, {}))


def test_a_missing_row_is_named(blocks: Library, forcefield: Gromos54A7) -> None:
    with pytest.raises(ForceFieldError, match=r"1-4 pair OEP O9: no pairtype O9 OE in gromos54a7\.ff"):
        make_pair_tables(["OEP"], set(), {("OEP", "O9")}, "gromos", blocks, forcefield)
    poor = replace(forcefield, pairs={})
    with pytest.raises(ForceFieldError, match="no pair CH2 CH3"):
        make_pair_tables(["CH2", "CH3"], set(), set(), "gromos", blocks, poor)


@pytest.mark.parametrize("mixing", MIXING)
def test_one_four_pairs_of_the_anion_are_half_the_geometric_mean(
    mixing: str, blocks: Library, forcefield: Gromos54A7
) -> None:
    ion = build_ion(blocks.ion("TFSI", "clandp2004"), 1.0, blocks, forcefield)
    rule = 1 if mixing == "gromos" else 2
    [row] = [row for row in molecule_text(ion, rule).splitlines() if row.startswith("1 6 2 ")]
    v, w = (float(word) for word in row.split()[6:8])
    (c6_n, c12_n), (c6_f, c12_f) = ((blocks.atom_types[t].c6, blocks.atom_types[t].c12) for t in ("NBT", "FBT"))
    c6, c12 = 0.5 * math.sqrt(c6_n * c6_f), 0.5 * math.sqrt(c12_n * c12_f)
    assert (v, w) == pytest.approx((c6, c12) if rule == 1 else sigma_epsilon((c6, c12), ""), rel=1e-9)


@pytest.mark.parametrize("mixing", MIXING)
def test_files_say_their_rule(mixing: str, blocks: Library, forcefield: Gromos54A7, tmp_path: Path) -> None:
    description = described(blocks, forcefield, mixing)
    write_topology(description, "title", tmp_path, blocks, forcefield)
    rows = (tmp_path / "forcefield.itp").read_text().splitlines()
    defaults = next(row for row in rows[rows.index("[ defaults ]") + 1 :] if not row.startswith(";"))
    assert defaults.split() == ["1", "1" if mixing == "gromos" else "2", "no", "1.0", "1.0"]
    assert ("[ nonbond_params ]" in rows) == (mixing != "lorentz-berthelot")
    # [ defaults ] has gen-pairs no: every 1-4 pair of function 1 must have its row
    written = {tuple(row.split()[:2]) for row in rows[rows.index("[ pairtypes ]") + 2 :]}
    assert written == set(tables_for(description, blocks, forcefield).pairs14)


def test_writing_twice_gives_the_same_bytes(blocks: Library, forcefield: Gromos54A7, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_topology(described(blocks, forcefield, "lb-ions", 0.8), "t", tmp_path / name, blocks, forcefield)
    written = {path.name for path in (tmp_path / "a").iterdir()}
    assert written == {"forcefield.itp", "PEBAX.itp", "LI.itp", "TFSI.itp", "system.top", "system.json"}
    for name in written:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_description_survives_its_file(blocks: Library, forcefield: Gromos54A7, tmp_path: Path) -> None:
    description = described(blocks, forcefield, "lb-ions", 0.8)
    path = tmp_path / "system.json"
    path.write_text(to_json(description))
    assert read_description(path) == description
    assert to_json(read_description(path)) == path.read_text()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"molecules": [{"count": 1}]}'])
def test_what_is_no_description(text: str, tmp_path: Path) -> None:
    path = tmp_path / "system.json"
    path.write_text(text)
    with pytest.raises(DataError, match="no description of a system"):
        read_description(path)


def _set(*keys: str | int, to: Any) -> Callable[[Any], None]:
    def change(data: Any) -> None:
        for key in keys[:-1]:
            data = data[key]
        data[keys[-1]] = to

    return change


_FIRST = ("molecules", 0, "molecule")
WRONG = {
    "a count that is text": _set("molecules", 0, "count", to="2"),
    "a count that is no whole number": _set("molecules", 0, "count", to=2.5),
    "no molecule": _set("molecules", 0, "count", to=0),
    "more than a box holds": _set("molecules", 0, "count", to=10**12),
    "a mass that is no number": _set(*_FIRST, "sites", 0, "mass", to=float("nan")),
    "a mass of zero": _set(*_FIRST, "sites", 0, "mass", to=0.0),
    "a mass that is text": _set(*_FIRST, "sites", 0, "mass", to="x"),
    "a charge beyond all": _set(*_FIRST, "sites", 0, "charge", to=float("inf")),
    "a role that is a number": _set(*_FIRST, "sites", 0, "role", to=3),
    "a kind that there is not": _set(*_FIRST, "kind", to="solvent"),
    "a bond to a site outside": _set(*_FIRST, "bonds", 0, "sites", to=[0, 10**6]),
    "a bond of one site": _set(*_FIRST, "bonds", 0, "sites", to=[0, 0]),
    "a bond without a length": _set(*_FIRST, "bonds", 0, "parameters", to=[]),
    "a bond of negative length": _set(*_FIRST, "bonds", 0, "parameters", to=[-0.1, 1.0]),
    "a torsion outside": _set(*_FIRST, "dihedrals", 0, "sites", to=[0, 1, 2, -1]),
    "positions of some sites": _set(*_FIRST, "positions_nm", to=[[0.0, 0.0, 0.0]]),
    "no choice": _set("choice", to=None),
    "a name changed": _set(*_FIRST, "name", to="OTHER"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_no_system_has_is_refused(what: str, blocks: Library, forcefield: Gromos54A7, tmp_path: Path) -> None:
    data = json.loads(to_json(described(blocks, forcefield)))
    WRONG[what](data)
    path = tmp_path / "system.json"
    path.write_text(json.dumps(data))
    with pytest.raises(DataError) as raised:
        read_description(path)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)


def test_a_description_without_its_checksum_is_read(blocks: Library, forcefield: Gromos54A7, tmp_path: Path) -> None:
    """As earlier versions wrote it: the simulations of a study hang on that file."""
    description, path = described(blocks, forcefield), tmp_path / "system.json"
    data = json.loads(to_json(description))
    assert data.pop("sha256") == description.digest
    path.write_text(json.dumps(data))
    assert read_description(path) == description


def test_nesting_without_end_is_no_description(tmp_path: Path) -> None:
    path = tmp_path / "system.json"
    path.write_text("[" * 100_000)
    with pytest.raises(DataError, match="no description of a system"):
        read_description(path)


def test_arrays_of_a_description(blocks: Library, forcefield: Gromos54A7) -> None:
    description = described(blocks, forcefield, scale=0.8)
    assert description.n_sites == 2 * 131 + 3 + 3 * 15 == len(description.masses())
    assert description.charges().sum() == pytest.approx(0, abs=1e-9)
    assert description.with_role("Li").tolist() == [262, 263, 264]
    assert len(description.with_role("ether_O")) == 48 and len(description.with_role("amide_O", "ester_O")) == 14
    ((anion, anions),) = description.types_of("anion")
    assert (anion.name, anions.shape, anions[0, 0]) == ("TFSI", (3, 15), 265)
    assert description.sites_of("anion").tolist() == anions.ravel().tolist()
    assert description.bonds().shape == (2 * 130 + 3 * 14, 2) and len(description.bond_lengths_nm()) == 302
    assert description.bonds()[130].tolist() == [131, 132]


def test_a_force_field_that_is_not_the_installed_one(forcefield_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ForceFieldError, match=r"atomtypes\.atp: not found"):
        read_gromos54a7(tmp_path)
    folder = Path(shutil.copytree(forcefield_folder, tmp_path / "gromos54a7.ff"))
    (folder / "forcefield.itp").write_text("[ defaults ]\n1 2 yes 0.5 0.5\n")
    with pytest.raises(ForceFieldError, match=r"\[ defaults \] is .*'2'.*allowed: 1 1 no"):
        read_gromos54a7(folder)


def test_tables_of_the_force_field(forcefield: Gromos54A7) -> None:
    assert forcefield.masses["CH2"] == 14.027 and forcefield.atomic_numbers["N"] == 7
    assert forcefield.types["H"] == (0.0, 0.0)
    assert forcefield.macro("gd_34") == (0.0, 6.0, 3.0)
    with pytest.raises(ForceFieldError, match=r"ffbonded\.itp: macro 'gd_99' is not defined"):
        forcefield.macro("gd_99")


@pytest.mark.parametrize("title", ['a\n#include "b"', "a ; b", "[ a ]", "a\\", "\x1b[31m"])
def test_text_that_a_topology_would_read_on(
    title: str, blocks: Library, forcefield: Gromos54A7, tmp_path: Path
) -> None:
    system = describe(Contents.of("peo", 1, "litfsi", 1), choice(), blocks, forcefield)
    assert "cannot stand in a topology" in mistake(lambda: write_topology(system, title, tmp_path, blocks, forcefield))
    assert not list(tmp_path.iterdir())


def test_a_row_that_the_force_field_lacks(edit_block: Edit, copied_blocks: Path, forcefield: Gromos54A7) -> None:
    edit_block("atomtypes.yaml", lambda types: types["LI+L"].update(like="NOSUCH"))
    broken = Library(copied_blocks)
    models = broken.choose("litfsi", "oxy-d", "set-l", "default", "gromos", 1.0)
    system = describe(Contents.of("peo", 1, "litfsi", 1), models, broken, forcefield)
    assert "like 'NOSUCH' is not allowed" in mistake(lambda: tables_for(system, broken, forcefield))


def test_a_macro_of_another_term(edit_block: Edit, copied_blocks: Path, forcefield: Gromos54A7) -> None:
    edit_block("bonded.yaml", lambda table: table["bonds"][0].update(macro="gd_34"))
    text = mistake(lambda: describe(Contents.of("peo", 1, "litfsi", 1), choice(), Library(copied_blocks), forcefield))
    assert "gd_34 has 3 numbers; function 2 takes 2" in text


def test_a_type_of_the_force_field_is_not_taken_over(
    edit_block: Edit, copied_blocks: Path, forcefield: Gromos54A7
) -> None:
    edit_block("atomtypes.yaml", lambda types: types.update(OA=types["OBT"]))
    broken = Library(copied_blocks)
    system = describe(Contents.of("peo", 1, "litfsi", 1), choice(), broken, forcefield)
    assert "OA is a type of gromos54a7.ff" in mistake(lambda: tables_for(system, broken, forcefield))


def test_a_mixing_rule_that_is_none(blocks: Library, forcefield: Gromos54A7) -> None:
    system = describe(Contents.of("peo", 1, "litfsi", 1), choice("geometric"), blocks, forcefield)
    assert "mixing 'geometric' is not allowed" in mistake(lambda: tables_for(system, blocks, forcefield))
