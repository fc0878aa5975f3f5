"""Solvents and salts of others beside our polymers: what a sweep asks for, the pairs across the border, what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from beside import TYPES, as_rule, entry, forcefield, nitrile
from eoli.errors import InputError
from eoli.forcefield.library import Library
from eoli.forcefield.models import Contents
from eoli.study.config import load_study
from eoli.study.systems import System, size_of, systems_of
from eoli.topology.description import read_description
from eoli.topology.gromos import Gromos54A7
from eoli.topology.imported_box import ImportedBox, imported_box, write_imported
from eoli.topology.imported_parameters import imported_parameters, imported_parameters_page
from eoli.topology.selections import pair_groups
from eoli.workflow.plan import Plan
from imported_blocks import follow
from page_of_parameters import check_that_it_loads_nothing, read
from support import ROOT, choice

BLOCK = "polymer: peo-dimethyl, eo_li: 12, temperature_K: 400, solvents: {nitrile: {per_lithium: 2}}"
WET = Contents.of("peo-dimethyl", 2, "litfsi", 3, (("nitrile", 5),))


def systems(blocks: Path, folder: Path, block: str = BLOCK) -> list[System]:
    (folder / "own.yaml").write_text(f"topologies: {blocks}\nsweep:\n  - {{{block}}}\n")
    return list(systems_of(load_study([ROOT / "config/config.yaml", folder / "own.yaml"], ROOT)).values())


def box(
    blocks: Path, installed: Path, mixing: str = "gromos", scale: float = 0.8, contents: Contents = WET
) -> ImportedBox:
    for read_once in (Library.polymer, Library.ion, Library.salt, Library.solvent):
        read_once.cache_clear()
    return imported_box(contents, choice(mixing, scale), Library(blocks), installed.parent)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def wet(copied_blocks: Path) -> Path:
    entry(copied_blocks, forcefield(1) + nitrile())
    return copied_blocks


def test_the_axes_of_our_polymer_stay(wet: Path, tmp_path: Path) -> None:
    found = systems(
        wet, tmp_path, f"{BLOCK}, mixing: [gromos, lb-ions], ether_set: [oxy-d, 54a7], ion_charge_scale: 0.75"
    )
    assert [system.name.removeprefix("peo-dimethyl-eo12-400K-nitrile100") for system in found] == [
        "-q0.75-r1", "-lb-ions-q0.75-r1", "-54a7-q0.75-r1", "-54a7-lb-ions-q0.75-r1"]  # fmt: skip
    assert {system.cations for system in found} == {50}
    blocks = Library(wet)
    plain = replace(found[0].contents, solvents=())
    dry = size_of(replace(found[0], contents=plain), blocks)
    assert size_of(found[0], blocks).mass_g_mol - dry.mass_g_mol == pytest.approx(100 * 41.053)


def test_contacts_of_lithium_are_counted_by_role(wet: Path, forcefield_folder: Path, tmp_path: Path) -> None:
    found = box(wet, forcefield_folder).description
    assert [(e.molecule.name, e.molecule.kind, e.count) for e in found.molecules] == [
        ("PEODM", "polymer", 2), ("LI", "cation", 3), ("TFSI", "anion", 3), ("ACN", "solvent", 5)]  # fmt: skip
    assert found.charges().sum() == pytest.approx(0, abs=1e-9)
    assert [round(entry.molecule.charge, 6) for entry in found.molecules] == [0, 0.8, -0.8, 0]
    nitrogens = found.with_role("solvent_N")
    assert len(nitrogens) == 5 and set(pair_groups(found)["Li"]["solvent_N"]) == set(nitrogens)
    assert len(found.with_role("ether_O")) == 48
    (tmp_path / "own.yaml").write_text(f"topologies: {wet}\nsweep:\n  - {{{BLOCK}}}\n")
    study = load_study([ROOT / "config/config.yaml", tmp_path / "own.yaml"], ROOT)
    planned = systems_of(study)
    assert {"solvent_N", "ether_O"} <= set(Plan(study, planned, "")._contacts(next(iter(planned))))


def test_the_files_do_not_depend_on_the_folder(wet: Path, forcefield_folder: Path, tmp_path: Path) -> None:
    found = box(wet, forcefield_folder)
    write_imported(found, "x", tmp_path / "out")
    assert read_description(tmp_path / "out/system.json") == found.description
    moved = wet.rename(tmp_path / "elsewhere")
    assert box(moved, forcefield_folder).texts == found.texts
    assert str(tmp_path) not in "".join(found.texts.values())


def test_an_edit_of_either_side_changes_the_digest(wet: Path) -> None:
    def digest() -> str:
        for read_once in (Library.polymer, Library.ion, Library.salt, Library.solvent, Library.unit):
            read_once.cache_clear()
        return Library(wet).digest(WET, choice())

    before = digest()
    for name, old, new in (
        ("beside/nitrile.itp", "0.1478", "0.1479"),
        ("units/OMe/oxy-d.yaml", "residue: OME", "residue: OMF"),
    ):
        path = wet / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        earlier, before = before, digest()
        assert before != earlier, name


def test_pairs_across_the_border(wet: Path, forcefield_folder: Path) -> None:
    """Types of its own have the geometric mean of C6 and C12, and stand nowhere in our rows."""
    found = box(wet, forcefield_folder)
    assert found.ours is not None
    rows = {row.types: row for row in imported_parameters(found).across}
    ours = {site.type for entry in found.description.molecules[:3] for site in entry.molecule.sites}
    assert rows.keys() == {f"{own} {their}" for own in ours for their in TYPES}
    for name, row in rows.items():
        own, their = name.split()
        c6, c12 = found.ours.tables.types[own]
        assert row.where == "combination rule 1, by grompp"
        assert (row.lj.c6, row.lj.c12) == pytest.approx(
            (math.sqrt(c6 * TYPES[their][0]), math.sqrt(c12 * TYPES[their][1])), rel=1e-8
        )
    assert not [pair for pair in found.ours.tables.pairs if TYPES.keys() & set(pair)]


def of_gromos(forcefield: Gromos54A7, names: tuple[str, ...], c12: float = 1.0, table: bool = True) -> str:
    """A force field of some types of GROMOS with their table; a factor on the C12 of the last type."""
    factors = dict.fromkeys(names, 1.0) | {names[-1]: c12}
    types = "".join(
        f"{name} 6 0.0 0.0 A {forcefield.types[name][0]:.10g} {forcefield.types[name][1] * factors[name]:.10g}\n"
        for name in names
    )
    pairs = "".join(
        f"{a} {b} 1 {lj[0]:.10g} {lj[1]:.10g}\n" for (a, b), lj in forcefield.pairs.items() if {a, b} <= {*names}
    )
    return f"[ defaults ]\n1 1 no\n[ atomtypes ]\n{types}" + (f"[ nonbond_params ]\n{pairs}" if table else "")


def test_types_of_gromos_follow_its_table(copied_blocks: Path, forcefield: Gromos54A7, forcefield_folder: Path) -> None:
    names = ("CH3", "C", "N")
    entry(copied_blocks, of_gromos(forcefield, names) + nitrile(*names))
    found = box(copied_blocks, forcefield_folder)
    rows = {row.types: row for row in imported_parameters(found).across}
    # CH3 is a type of both
    assert {name.split()[1] for name in rows} == {"C", "N"}
    assert rows["CH3 N"].where.startswith("nitrile.itp:") and rows["CH2 C"].where == "54A7 matrix"
    assert rows["CH3 N"].lj.c12 == pytest.approx(forcefield.pairs["CH3", "N"][1], rel=1e-9)
    assert rows["CH2 C"].lj.c12 == pytest.approx(forcefield.pairs["C", "CH2"][1], rel=1e-9)
    assert rows["OEP N"].where == "54A7 row of OE"
    assert rows["OEP N"].lj.c12 == pytest.approx(forcefield.pairs["N", "OE"][1] / 1.227e-3 * 1.529e-3, rel=1e-9)
    assert rows["LI+ N"].where == "geometric"


@pytest.mark.parametrize("n", ["N", "XN"])
def test_a_pair_that_a_file_lists_counts(
    n: str, copied_blocks: Path, forcefield: Gromos54A7, forcefield_folder: Path
) -> None:
    """Such as one of lithium and a nitrogen that was fitted, whether the nitrogen is one of GROMOS or not."""
    lithium = Library(copied_blocks).atom_types["LI+"]
    numbers = {**TYPES, "N": forcefield.types["N"]}
    types = "".join(f"{name} 6 0.0 0.0 A {as_rule(numbers[name], 1)}\n" for name in ("XM", "XC", n))
    types += f"LI+ 3 0.0 0.0 A {lithium.c6:.10g} {lithium.c12:.10g}\n[ nonbond_params ]\n{n} LI+ 1 1e-4 7e-8\n"
    entry(copied_blocks, f"[ defaults ]\n1 1 no\n[ atomtypes ]\n{types}" + nitrile(n=n))
    found = box(copied_blocks, forcefield_folder)
    row = next(row for row in imported_parameters(found).across if row.types == f"LI+ {n}")
    assert (row.lj.c6, row.lj.c12, row.where) == (1e-4, 7e-8, "nitrile.itp:9")
    listed = [
        words for words in map(str.split, found.texts["forcefield.itp"].splitlines()) if {*words[:2]} == {"LI+", n}
    ]
    assert listed == [[n, "LI+", "1", "1e-4", "7e-8"]]


def test_a_name_of_gromos_with_other_numbers_is_another_type(
    copied_blocks: Path, forcefield: Gromos54A7, forcefield_folder: Path
) -> None:
    names = ("CH3", "C", "N")
    entry(copied_blocks, of_gromos(forcefield, names, 1.1) + nitrile(*names))
    rows = {row.types: row for row in imported_parameters(box(copied_blocks, forcefield_folder)).across}
    assert {row.where for name, row in rows.items() if name.endswith(" N") and name != "CH3 N"} == {
        "combination rule 1, by grompp"}  # fmt: skip
    # what the file lists counts
    assert rows["CH3 N"].where.startswith("nitrile.itp:")
    assert rows["CH2 C"].where == "54A7 matrix"


def test_lorentz_berthelot_across_the_border(wet: Path, forcefield_folder: Path) -> None:
    entry(wet, forcefield(2) + nitrile())
    found = box(wet, forcefield_folder, "lb-ions")
    assert found.ours is not None
    rows = {row.types: row for row in imported_parameters(found).across}
    for own in ("CH2", "LI+"):
        sigma, epsilon = found.ours.tables.types[own]
        c6, c12 = TYPES["XN"]
        assert rows[f"{own} XN"].lj.sigma == pytest.approx((sigma + (c12 / c6) ** (1 / 6)) / 2, rel=1e-8)
        assert rows[f"{own} XN"].lj.epsilon == pytest.approx(math.sqrt(epsilon * c6**2 / (4 * c12)), rel=1e-8)


def test_the_page_has_both_sides_and_what_is_between(wet: Path, forcefield_folder: Path) -> None:
    found = box(wet, forcefield_folder)
    page = imported_parameters_page(found, Library(wet), "a <title>")
    html = read(page)
    check_that_it_loads_nothing(page, html)
    assert "verified by nobody" in html.text and "No force field was ever fitted to these pairs" in html.text
    assert [cells[:1] for _, cells in html.tables["charges"]] == [["ACN"]] * 3
    assert {cells[0] for _, cells in html.tables["our-charges"]} == {"PEODM", "LI", "TFSI"}
    across = {cells[0]: cells for _, cells in html.tables["across"]}
    assert len(across) == len(imported_parameters(found).across) and all(
        kind == "recalled" for kind, _ in html.tables["across"]
    )
    assert "ether set oxy-d" in " ".join(html.text.split())
    sources = {cells[0] for _, cells in html.tables["our-sources"]}
    assert {"gromos54a7", "clandp2004"} <= sources


OTHER = "[ defaults ]\n1 1 no\n[ atomtypes ]\n"
OWN_ROWS = "".join(f"{name} 6 12.0 0.0 A {as_rule(lj, 1)}\n" for name, lj in TYPES.items())


def wrong(kind: str, ff: Gromos54A7) -> tuple[str, str, list[str]]:
    """A file, a mixing rule, and what is said of the file."""
    methyl = f"CH3 6 15.035 0.0 A {ff.types['CH3'][0]:.10g} {ff.types['CH3'][1]:.10g}\n"
    ethylene = f"CH2 6 14.027 0.0 A {ff.types['CH2'][0]:.10g} {ff.types['CH2'][1]:.10g}\n"
    sigma = {name: as_rule(ff.types[name], 2) for name in ("CH2", "CH3")}
    cases = {
        "rule": (forcefield(2) + nitrile(), "gromos", ["[ defaults ] is 1 1 no 1 1 12", "nitrile.itp it is 1 2 no 1 1 12"]),
        "fudge": (forcefield(1, "no 0.5 0.5") + nitrile(), "gromos", ["is 1 1 no 1 1 12", "nitrile.itp it is 1 1 no 0.5 0.5 12"]),
        "pairs": (forcefield(1, "yes") + nitrile(), "gromos", ["is 1 1 no 1 1 12", "nitrile.itp it is 1 1 yes 1 1 12"]),
        "type": (OTHER + OWN_ROWS + "CH2 6 14.027 0.0 A 0.0075 3.4e-05\n" + nitrile(m="CH2").replace("15.035", "14.027"), "gromos",
                 ["CH2 in [ atomtypes ] differs from", "nitrile.itp:7; allowed: the same numbers, or other names of types"]),
        "unknown types": (OTHER + OWN_ROWS + "[ nonbond_params ]\nLI+ XN 1 0.001 1e-06\n" + nitrile(), "gromos",
                          ["nitrile.itp:8: type 'LI+' of [ nonbond_params ] is in no [ atomtypes ] of this topology"]),
        "our pair": (OTHER + OWN_ROWS + methyl + ethylene + "[ nonbond_params ]\nCH2 CH3 1 0.008 3e-05\n" + nitrile(), "gromos",
                     ["CH2 CH3 in [ nonbond_params ] differs from", "nitrile.itp:10"]),
        "our pair by a rule": (
            forcefield(2).replace("[ nonbond", f"CH2 6 14.027 0.0 A {sigma['CH2']}\nCH3 6 15.035 0.0 A {sigma['CH3']}\n[ nonbond")
            + "CH2 CH3 1 0.4 0.7\n" + nitrile(), "lorentz-berthelot",
            ["nitrile.itp:11: CH2 CH3 in [ nonbond_params ] would change molecules of", "which has these types without this row"]),
        "no table": (OTHER + OWN_ROWS + methyl + ethylene + nitrile("CH3", "XC", "CH2").replace("14.0067", "14.027"), "gromos",
                     ["CH2 CH3 in [ nonbond_params ] would change molecules of", "nitrile.itp, which has these types without this row"]),
        "name": (forcefield(1) + nitrile(name="TFSI"), "gromos", ["molecules named PEODM, LI, TFSI, TFSI would share a file"]),
    }  # fmt: skip
    return cases[kind]


@pytest.mark.parametrize(
    "kind", ["rule", "fudge", "pairs", "type", "unknown types", "our pair", "our pair by a rule", "no table", "name"]
)
def test_what_is_no_one_force_field_is_refused_in_one_line(
    kind: str, copied_blocks: Path, forcefield: Gromos54A7, forcefield_folder: Path
) -> None:
    text, mixing, said = wrong(kind, forcefield)
    masses = "atoms: 3\nmass_g_mol: {:.3f}\nroles: {{solvent_N: name N3}}"
    total = {"type": 14.027 + 12.011 + 14.0067, "no table": 15.035 + 12.011 + 14.027}.get(kind, 41.053)
    entry(copied_blocks, text, masses.format(total), molecule="TFSI" if kind == "name" else "ACN")
    found = refusal(lambda: box(copied_blocks, forcefield_folder, mixing))
    assert all(part in found for part in said), found
    if kind != "name":
        assert (
            f"forcefield.itp made from {copied_blocks} with mixing {mixing}" in found
            or "is in no [ atomtypes ]" in found
        )


def test_ours_beside_an_imported_polymer_is_refused_in_one_line(copied_blocks: Path, tmp_path: Path) -> None:
    follow(copied_blocks)
    block = "polymer: dme-opls, salt: litfsi-opls, eo_li: 12, temperature_K: 400"
    found = refusal(lambda: systems(copied_blocks, tmp_path, f"{block}, solvents: {{dme: 5}}"))
    assert "sweep[0].solvents" in found and "solvents/dme.yaml: dme is made of our building blocks" in found
    assert "the polymer dme-opls is imported, so that nothing says with which ether set and mixing rule" in found
    assert "allowed: an imported solvent" in found
    found = refusal(lambda: systems(copied_blocks, tmp_path, block.replace("litfsi-opls", "litfsi")))
    assert "salts/litfsi.yaml: LI and TFSI of litfsi are made of our building blocks" in found
    assert "allowed: a salt whose ions are all imported" in found
