"""The provenance page against the files that it speaks of, on a small force field with invented numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from eoli.errors import InputError
from eoli.forcefield.library import Library
from eoli.forcefield.models import Contents
from eoli.topology.build import describe, forcefield_text, molecule_text, tables_for
from eoli.topology.description import SystemDescription
from eoli.topology.gromos import Gromos54A7
from eoli.topology.limits import limits_of
from eoli.topology.molecule import Molecule
from eoli.topology.pairs import PairTables
from eoli.topology.parameters import Parameters, parameter_rows, parameters_page
from page_of_parameters import Html, check_that_it_loads_nothing, has, read, sections

Edit = Callable[[str, Callable[[Any], None]], Path]
SYSTEMS = [
    ("pebax", "litfsi", "gromos", 0.8),
    ("pebax", "litfsi", "lorentz-berthelot", 1.0),
    ("pebax", "litfsi", "lb-ions", 0.8),
    ("peo", "litfsi", "gromos", 1.0),
    ("peo", "none", "lorentz-berthelot", 1.0),
]


@dataclass(frozen=True)
class Made:
    """A system with its page."""

    description: SystemDescription
    tables: PairTables
    parameters: Parameters
    page: str
    html: Html


def described(
    blocks: Library, forcefield: Gromos54A7, polymer: str, salt: str, mixing: str, scale: float
) -> SystemDescription:
    choice = blocks.choose(salt, "oxy-d", "default", "default", mixing, scale)
    return describe(Contents.of(polymer, 2, salt, 0 if salt == "none" else 3), choice, blocks, forcefield)


def made(
    blocks: Library, forcefield: Gromos54A7, polymer: str, salt: str, mixing: str = "gromos", scale: float = 1.0
) -> Made:
    description = described(blocks, forcefield, polymer, salt, mixing, scale)
    tables = tables_for(description, blocks, forcefield)
    page = parameters_page(description, tables, blocks, "a <title>")
    return Made(description, tables, parameter_rows(description, tables, blocks), page, read(page))


@pytest.fixture(scope="module", params=SYSTEMS, ids=str)
def system(request: pytest.FixtureRequest, blocks: Library, forcefield: Gromos54A7) -> Made:
    return made(blocks, forcefield, *request.param)


def test_every_number_of_the_molecules_is_on_the_page(system: Made) -> None:
    tables = system.html.tables
    for entry in system.description.molecules:
        molecule = entry.molecule
        written = sections(molecule_text(molecule, system.tables.combination_rule))
        for _, kind, _, residue, name, _, charge, mass in written["atoms"]:
            assert has(tables["charges"], [molecule.name, residue, name, kind], [charge, mass])
        for section, names in {"bonds": ["bond"], "angles": ["angle"], "dihedrals": ["torsion", "improper"]}.items():
            size = {"bonds": 2, "angles": 3, "dihedrals": 4}[section]
            for words in written.get(section, []):
                classes = [molecule.sites[int(word) - 1].bonded_class for word in words[:size]]
                rows = [row for name in names for row in tables.get(name, [])]
                found = [
                    has(rows, [molecule.name, " ".join(order)], [*words[size + 1 :]])
                    for order in (classes, classes[::-1])
                ]
                assert any(found), (section, words)
        for i, j, function, *numbers in written.get("pairs", []):
            types = sorted(molecule.sites[int(site) - 1].type for site in (i, j))
            assert has(tables["one-four"], [molecule.name, " ".join(types), function], numbers)


def test_every_number_of_the_force_field_file_is_on_the_page(
    system: Made, blocks: Library, forcefield: Gromos54A7
) -> None:
    text = forcefield_text(system.tables, system.description.choice.mixing, blocks, forcefield)
    written, tables = sections(text), system.html.tables
    for name, _, mass, _, _, v, w in written["atomtypes"]:
        assert has(tables["types"], [name], [mass, v, w])
    for a, b, _, v, w in written.get("nonbond_params", []):
        assert has(tables["pairs"], [f"{a} {b}"], [v, w, "yes"])
    for a, b, _, v, w in written["pairtypes"]:
        assert any(row[1][1] == f"{a} {b}" and {v, w} <= set(row[1]) for row in tables["one-four"])
    assert sum(row.written for row in system.parameters.pairs) == len(written.get("nonbond_params", []))
    for row, (_, cells) in zip(system.parameters.pairs, tables["pairs"], strict=True):
        if not row.written:
            numbers = (row.lj.c6, row.lj.c12, row.lj.sigma, row.lj.epsilon)
            assert cells[1:5] == [f"{value:.5g}" for value in numbers] and cells[6] == "no, made by grompp"


def test_counts_are_those_of_the_topology(system: Made) -> None:
    def total(rows: Any, molecule: str, kind: str | None = None) -> int:
        return sum(row.count for row in rows if row.molecule == molecule and kind in (None, getattr(row, "kind", None)))

    parameters = system.parameters
    for entry in system.description.molecules:
        molecule, name = entry.molecule, entry.molecule.name
        assert total(parameters.charges, name) == len(molecule.sites)
        assert total(parameters.one_four, name) == len(molecule.pairs14)
        for kind, terms in [
            ("bond", molecule.bonds),
            ("angle", molecule.angles),
            ("torsion", molecule.dihedrals),
            ("improper", molecule.impropers),
        ]:
            assert total(parameters.bonded, name, kind) == len(terms)
    n = len(system.tables.types)
    assert (len(parameters.types), len(parameters.pairs)) == (n, n * (n - 1) // 2)
    shown = sum(len(rows) for name, rows in system.html.tables.items() if name not in ("system", "sources"))
    assert shown == len(list(parameters.rows)) == sum(parameters.statuses().values())


def test_no_kind_of_term_stands_twice(system: Made) -> None:
    # an improper starts with its centre, all others read the same from both ends
    rows = [
        (
            r.molecule,
            r.kind,
            r.classes if r.kind == "improper" else frozenset([r.classes, r.classes[::-1]]),
            *r.coefficients,
        )
        for r in system.parameters.bonded
    ]
    assert len(rows) == len(set(rows))


def test_charges_of_one_four_pairs_are_those_of_their_types(system: Made) -> None:
    charge = {(row.molecule, row.type): row.simulated for row in system.parameters.charges if row.molecule == "TFSI"}
    own = [row for row in system.parameters.one_four if row.charges is not None]
    assert bool(own) == bool(charge)
    for row in own:
        assert row.charges == tuple(charge[row.molecule, name] for name in row.types)


def test_every_source_is_on_the_page_with_its_status(system: Made, blocks: Library) -> None:
    shown = {cells[0]: cells for _, cells in system.html.tables["sources"]}
    sites = [site for entry in system.description.molecules for site in entry.molecule.sites]
    terms = [
        term
        for entry in system.description.molecules
        for terms in (entry.molecule.bonds, entry.molecule.angles, entry.molecule.dihedrals, entry.molecule.pairs14)
        for term in terms
    ]
    assert {item.source for item in (*sites, *terms)} <= shown.keys()
    for key, cells in shown.items():
        source = blocks.sources[key]
        text = " ".join(cells)
        assert source.status in cells[1] and source.citation in text
        assert all(part in text for part in (source.doi, source.read_in, source.why) if part is not None)
    statuses = system.parameters.statuses()
    assert f"{statuses['verified']} verified, {statuses['assumed']} assumed" in system.html.text


def test_charges_are_shown_scaled_beside_unscaled(blocks: Library, forcefield: Gromos54A7) -> None:
    system = made(blocks, forcefield, "peo", "litfsi", scale=0.8)
    published = {atom.name: atom.charge for atom in blocks.ion("TFSI", "clandp2004").atoms}
    ions = {row.atom: row for row in system.parameters.charges if row.molecule == "TFSI"}
    assert {name: row.unscaled for name, row in ions.items()} == pytest.approx(published)
    assert {name: row.simulated for name, row in ions.items()} == pytest.approx(
        {name: 0.8 * charge for name, charge in published.items()}
    )
    assert all(row.unscaled == row.simulated for row in system.parameters.charges if row.molecule == "PEO")
    charges = {cells[0]: cells[-2:] for _, cells in system.html.tables["system"]}
    assert charges == {"PEO": ["0", "0"], "LI": ["1", "0.8"], "TFSI": ["-1", "-0.8"]}
    assert "counts the formal charges" in system.html.text and "0.8 times as large" in system.html.text
    assert "has no ions" in made(blocks, forcefield, "peo", "none").html.text


def test_no_charge_is_minus_zero(blocks: Library, forcefield: Gromos54A7, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum of a chain's charges is a few 1e-17 e, above or below zero as Python sums."""
    for total in (-1e-17, -0.0, 1e-17):
        monkeypatch.setattr(Molecule, "charge", total)
        page = made(blocks, forcefield, "pebax", "litfsi").page
        assert '<td class="number">0</td></tr>' in page and ">-0<" not in page


@pytest.mark.parametrize("mixing", ["lorentz-berthelot", "lb-ions"])
def test_pairs_that_grompp_makes(mixing: str, blocks: Library, forcefield: Gromos54A7) -> None:
    system = made(blocks, forcefield, "pebax", "litfsi", mixing)

    def sigma_epsilon(name: str) -> tuple[float, float]:
        own = blocks.atom_types.get(name)
        c6, c12 = (own.c6, own.c12) if own else forcefield.types[name]
        return ((c12 / c6) ** (1 / 6), c6**2 / 4 / c12) if c6 else (0.0, 0.0)

    ions = {s.type for e in system.description.molecules if e.molecule.kind != "polymer" for s in e.molecule.sites}
    pairs = {row.types: row for row in system.parameters.pairs}
    assert pairs.keys() == set(itertools.combinations(sorted(system.tables.types), 2))
    for (a, b), row in pairs.items():
        made_by_grompp = mixing == "lorentz-berthelot" or bool(ions & {a, b})
        assert row.written != made_by_grompp and (row.origin == "Lorentz-Berthelot") == made_by_grompp
        if made_by_grompp:
            (sigma_a, epsilon_a), (sigma_b, epsilon_b) = sigma_epsilon(a), sigma_epsilon(b)
            sigma, epsilon = (sigma_a + sigma_b) / 2, math.sqrt(epsilon_a * epsilon_b)
            assert (row.lj.sigma, row.lj.epsilon) == pytest.approx((sigma, epsilon), rel=1e-9)
            assert (row.lj.c6, row.lj.c12) == pytest.approx((4 * epsilon * sigma**6, 4 * epsilon * sigma**12), rel=1e-9)


def test_both_forms_are_the_same_numbers(system: Made) -> None:
    for row in (*system.parameters.types, *system.parameters.pairs, *system.parameters.one_four):
        lj = row.lj
        assert lj.sigma is not None and lj.epsilon is not None
        assert (lj.c6, lj.c12) == pytest.approx((4 * lj.epsilon * lj.sigma**6, 4 * lj.epsilon * lj.sigma**12), rel=1e-9)


def test_sources_of_pairs(blocks: Library, forcefield: Gromos54A7) -> None:
    rows = made(blocks, forcefield, "pebax", "litfsi").parameters.pairs
    found = {row.types: (row.origin, {cited.key for cited in row.sources}) for row in rows}
    assert found["CH2", "CH3"] == ("54A7 matrix", {"gromos54a7"})
    assert found["CH2", "OEP"] == ("54A7 row of OE", {"gromos54a7", "oxyd"})
    assert found["LI+", "OEP"] == ("geometric", {"aqvist1990", "oxyd"})


def test_what_nobody_looked_up_is_marked(edit_block: Edit, copied_blocks: Path, forcefield: Gromos54A7) -> None:
    def forget(sources: Any) -> None:
        sources["aqvist1990"] = {"citation": "a paper", "status": "recalled"}

    edit_block("sources.yaml", forget)
    system = made(Library(copied_blocks), forcefield, "pebax", "litfsi")
    assert f"{system.parameters.statuses()['recalled']} recalled" in system.html.text
    tables = [rows for name, rows in system.html.tables.items() if name != "system"]
    for status, cells in itertools.chain.from_iterable(tables):
        text = " ".join(cells)
        assert (status == "recalled") == ("⚠ recalled, unverified" in text)
        if status == "assumed":
            assert "◇ assumed" in text
    # lithium: its atom, its type, and its pairs with all other types
    n = len(system.tables.types)
    assert system.parameters.statuses()["recalled"] == 1 + 1 + n - 1
    assert system.parameters.statuses()["assumed"] > 0


def test_a_missing_source_is_named(edit_block: Edit, copied_blocks: Path, forcefield: Gromos54A7) -> None:
    edit_block("sources.yaml", lambda sources: sources.pop("atomicmass"))
    with pytest.raises(InputError, match=r"sources\.yaml: 'atomicmass' is missing"):
        made(Library(copied_blocks), forcefield, "peo", "none")


def test_the_page_loads_nothing(system: Made) -> None:
    check_that_it_loads_nothing(system.page, system.html)


def test_the_same_system_gives_the_same_bytes(blocks: Library, forcefield: Gromos54A7) -> None:
    pages = {made(blocks, forcefield, "peo", "litfsi").page for _ in range(2)}
    assert len(pages) == 1


@pytest.mark.parametrize(
    ("polymer", "salt", "mixing", "scale", "shown", "hidden"),
    [
        ("peo", "none", "gromos", 1.0, ["twin-range"], ["whole charges", "no GROMOS rule", "2.3 Å", "peptide", "Åqvist's Li+"]),
        ("peo", "litfsi", "gromos", 1.0, ["whole charges", "2.3 Å", "298 K"], ["Scaled", "no GROMOS rule", "peptide"]),
        ("peo", "litfsi", "lb-ions", 0.8, ["Scaled", "Åqvist's Li+", "compromise"], ["whole charges", "no GROMOS rule"]),
        ("pebax", "none", "lorentz-berthelot", 0.8, ["no GROMOS rule", "amide nitrogen", "peptide"], ["Scaled", "Åqvist's Li+"]),
        ("pebax", "litfsi", "lorentz-berthelot", 1.0, ["no GROMOS rule", "Åqvist's Li+"], ["gauche", "water", "The set L"]),
    ],
)  # fmt: skip
def test_limits_that_concern_a_system(
    polymer: str,
    salt: str,
    mixing: str,
    scale: float,
    shown: list[str],
    hidden: list[str],
    blocks: Library,
    forcefield: Gromos54A7,
) -> None:
    description = described(blocks, forcefield, polymer, salt, mixing, scale)
    text = " ".join(limits_of(description, blocks))
    assert [word for word in shown if word not in text] == [] == [word for word in hidden if word in text]


def test_limits_of_ion_models(blocks: Library, forcefield: Gromos54A7) -> None:
    for model, word in [("set-l", "The set L"), ("joung-cheatham-spce", "water models")]:
        choice = blocks.choose("litfsi", "oxy-d", model, "clandp2017", "lorentz-berthelot", 1.0)
        text = " ".join(limits_of(describe(Contents.of("peo", 1, "litfsi", 1), choice, blocks, forcefield), blocks))
        assert word in text and "fluorinated" in text and "Åqvist's Li+" not in text


def test_conditions_of_the_shipped_limits_name_what_exists(blocks: Library) -> None:
    ions = [blocks.ion(name, model) for name in blocks.names("ions") for model in blocks.variants("ions", name)]
    polymers = {blocks.polymer(name, "oxy-d").molecule for name in ("peo", "pebax")}
    for entry in blocks.limits:
        when = entry.when
        assert set(when.ether_set or ()) <= set(blocks.ether_sets())
        assert set(when.cation_model or ()) <= {ion.model for ion in ions if ion.charge > 0}
        assert set(when.anion_model or ()) <= {ion.model for ion in ions if ion.charge < 0}
        assert set(when.molecule or ()) <= {ion.molecule for ion in ions} | polymers


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"limit": "x", "when": {"mixin": ["gromos"]}}, r"limits\.yaml:\d+: limits\[0\]\.when\.mixin: unknown key \(did you mean mixing\?\)"),
        ({"limit": "x", "when": {"mixing": ["geometric"]}}, r"limits\[0\]\.when\.mixing\[0\]: 'geometric' is not allowed"),
        ({"limit": ""}, r"limits\[0\]\.limit: '' is not allowed"),
        ({"when": {"ions": True}}, r"limits\[0\]\.limit: is missing"),
    ],
)  # fmt: skip
def test_wrong_limits_are_refused_in_one_line(
    entry: dict[str, Any], message: str, edit_block: Edit, copied_blocks: Path, blocks: Library, forcefield: Gromos54A7
) -> None:
    edit_block("limits.yaml", lambda data: data.update(limits=[entry]))
    description = described(blocks, forcefield, "peo", "none", "gromos", 1.0)
    with pytest.raises(InputError, match=message) as failure:
        limits_of(description, Library(copied_blocks))
    assert "\n" not in str(failure.value)
