"""Building blocks: the shipped ones are consistent, broken ones are refused in one line that names the file."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from eoli.core.text import misspelt
from eoli.errors import InputError
from eoli.forcefield.library import Library, library
from eoli.forcefield.models import Contents, Ion, Unit
from support import mistake

ROOT = Path(__file__).resolve().parents[2]
Edit = Callable[[str, Callable[[Any], None]], Path]


def sources_in(data: Any) -> list[str]:
    """All values of `source:` keys, however deep."""
    if isinstance(data, dict):
        own = [data["source"]] if isinstance(data.get("source"), str) else []
        return own + [found for value in data.values() for found in sources_in(value)]
    return [found for value in data for found in sources_in(value)] if isinstance(data, list) else []


@pytest.mark.parametrize("name", ["peo", "pebax"])
def test_chains_have_24_ether_oxygens_and_no_charge(name: str, blocks: Library) -> None:
    chain = blocks.polymer(name, "oxy-d")
    assert chain.ether_oxygens == 24
    assert sum(atom.charge for unit in chain.units for atom in unit.atoms) == pytest.approx(0, abs=1e-9)
    assert sum(atom.role == "ether_O" for unit in chain.units for atom in unit.atoms) == 24


def test_sites_of_the_chains(blocks: Library) -> None:
    assert len(blocks.polymer("peo", "oxy-d").atoms) == 1 + 24 * 3
    # methyl, 24 EO, the ester unit of 10 sites, 5 PA6 of 9 and the acetyl of 3
    assert len(blocks.polymer("pebax", "oxy-d").atoms) == 1 + 24 * 3 + 10 + 5 * 9 + 3


def all_units(blocks: Library) -> list[Unit]:
    return [
        blocks.unit(name, ether) for name in blocks.names("units") for ether in blocks.variants("units", name) or [""]
    ]


def test_units_and_ions_sum_to_their_declared_charge(blocks: Library) -> None:
    ions = [blocks.ion(name, model) for name in blocks.names("ions") for model in blocks.variants("ions", name)]
    for entry in [*all_units(blocks), *ions]:
        assert sum(atom.charge for atom in entry.atoms) == pytest.approx(entry.charge, abs=1e-9), entry.description


def test_every_polymer_has_no_charge_in_every_ether_set_that_it_has(blocks: Library) -> None:
    for name, ether in itertools.product(blocks.names("polymers"), blocks.ether_sets()):
        try:
            chain = blocks.polymer(name, ether)
        except InputError as error:
            assert ether != "oxy-d" and "has no parameter set" in str(error)
            continue
        assert sum(unit.charge for unit in chain.units) == pytest.approx(0, abs=1e-9), (name, ether)
        assert chain.ether_oxygens == sum(a.role == "ether_O" for u in chain.units for a in u.atoms), (name, ether)


def test_every_file_is_named_after_what_it_holds(blocks: Library) -> None:
    for kind, key in (("units", "unit"), ("polymers", "polymer"), ("ions", "ion"), ("salts", "salt")):
        for path in sorted((blocks.root / kind).rglob("*.yaml")):
            data = yaml.safe_load(path.read_text())
            variant = path.parent.name != kind
            assert data[key] == (path.parent.name if variant else path.stem), path
            assert kind != "ions" or data["model"] == path.stem, path


def test_every_source_is_cited(blocks: Library) -> None:
    used = {path: sources_in(yaml.safe_load(path.read_text())) for path in sorted(blocks.root.rglob("*.yaml"))}
    unknown = {path.name: set(names) - set(blocks.sources) for path, names in used.items()}
    assert {name: keys for name, keys in unknown.items() if keys} == {}
    assert sum(map(len, used.values())) > 80


def test_sources_say_whether_anybody_looked(blocks: Library) -> None:
    for name, source in blocks.sources.items():
        assert source.status != "verified" or source.read_in, name
        assert source.status != "assumed" or source.why, name


def test_lengths_of_names_fit_the_gro_format(blocks: Library) -> None:
    assert all(len(atom.name) <= 4 for unit in all_units(blocks) for atom in unit.atoms)
    assert all(len(unit.residue) <= 4 for unit in all_units(blocks))


def repeat_atom(unit: Any) -> None:
    unit["atoms"][1]["name"] = "O1"


def far_bond(unit: Any) -> None:
    unit["bonds"][1] = ["C1", "C9"]


def wrong_charge(unit: Any) -> None:
    unit["atoms"][0]["charge"] = -0.5


def no_such_head(unit: Any) -> None:
    unit["head"] = "X"


def misspelt_key(unit: Any) -> None:
    unit["ether_oxygen"] = unit.pop("ether_oxygens")


def no_source(unit: Any) -> None:
    del unit["atoms"][2]["source"]


def unknown_source(unit: Any) -> None:
    unit["atoms"][2]["source"] = "hearsay"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (repeat_atom, ["atoms[1]", "atom O1 stands twice"]),
        (far_bond, ["bonds[1]", "'C9' is no atom"]),
        (wrong_charge, ["charge", "the atoms sum to +0.0800"]),
        (no_such_head, ["head", "'X' is no atom"]),
        (misspelt_key, ["ether_oxygen", "did you mean ether_oxygens?"]),
        (no_source, ["atoms[2].source", "is missing"]),
        (unknown_source, ["atoms[2].source", "'hearsay'", "allowed:", "oxyd"]),
    ],
)
def test_broken_units(change: Callable[[Any], None], words: list[str], edit_block: Edit, copied_blocks: Path) -> None:
    path = edit_block("units/EO/oxy-d.yaml", change)
    text = mistake(lambda: Library(copied_blocks).polymer("peo", "oxy-d"))
    assert f"{path}:" in text
    assert [word for word in words if word not in text] == []


def test_unknown_sources_of_ions_and_tables(edit_block: Edit, copied_blocks: Path) -> None:
    path = edit_block("ions/TFSI/clandp2004.yaml", lambda ion: ion["bonded"]["angles"][3].update(source="hearsay"))
    text = mistake(lambda: Library(copied_blocks).ion("TFSI", "clandp2004"))
    assert text.startswith(f"{path}:") and "bonded.angles[3].source" in text and "'hearsay'" in text
    path = edit_block("bonded.yaml", lambda table: table["impropers"][0].update(source="hearsay"))
    text = mistake(lambda: Library(copied_blocks).bonded)
    assert text.startswith(f"{path}:") and "impropers[0].source" in text
    path = edit_block("atomtypes.yaml", lambda types: types["LI+"].update(source="hearsay"))
    text = mistake(lambda: Library(copied_blocks).atom_types)
    assert text.startswith(f"{path}:") and "LI+.source" in text


def test_a_mistake_in_a_table_names_its_entry(edit_block: Edit, copied_blocks: Path) -> None:
    path = edit_block("atomtypes.yaml", lambda types: types["LI+"].update(mass=-1))
    text = mistake(lambda: Library(copied_blocks).atom_types)
    assert text.startswith(f"{path}:") and "LI+.mass: -1 is not allowed" in text


@pytest.mark.parametrize(
    ("sequence", "words"),
    [
        (["methyl", "EOO * 24", "EO-end"], ["sequence[1]", "unit 'EOO'", "allowed: EO, EO-OH"]),
        (["methyl", "EO-end", "EO * 3"], ["sequence", "EO-end cannot be followed by EO"]),
        (["EO", "methyl"], ["sequence", "EO cannot be followed by methyl"]),
        (["methyl", "EO x 3"], ["sequence[1]", "'EO x 3' is not allowed", "NAME * COUNT"]),
        (["methyl", "EO * 0"], ["sequence[1]", "'EO * 0' is not allowed"]),
        ([], ["sequence", "at least 1"]),
    ],
)
def test_broken_sequences(sequence: list[str], words: list[str], edit_block: Edit, copied_blocks: Path) -> None:
    path = edit_block("polymers/peo.yaml", lambda polymer: polymer.update(sequence=sequence))
    text = mistake(lambda: Library(copied_blocks).polymer("peo", "oxy-d"))
    assert text.startswith(f"{path}:")
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            "a paper",
            "oxyd: 'a paper' is not allowed; allowed: a mapping with keys of citation, doi, read_in, status, why",
        ),
        (
            {"citation": "c", "status": "verified", "reed_in": "r"},
            "oxyd.reed_in: unknown key (did you mean read_in?); allowed: citation, doi, read_in, status, why",
        ),
    ],
)
def test_an_entry_of_a_table_is_told_its_own_keys(
    copied_blocks: Path, edit_block: Edit, entry: object, said: str
) -> None:
    edit_block("sources.yaml", lambda sources: sources.update(oxyd=entry))
    assert said in mistake(lambda: library(copied_blocks).sources)


def test_a_salt_that_is_not_neutral(edit_block: Edit, copied_blocks: Path) -> None:
    path = edit_block("salts/litfsi.yaml", lambda salt: salt.update(anion="LI", anion_model="set-l"))
    text = mistake(lambda: Library(copied_blocks).salt("litfsi"))
    assert text.startswith(f"{path}:") and "'LI' has a charge of +1 e; allowed: -1 e" in text


@pytest.mark.parametrize(
    ("entry", "key"),
    [("polymers/peo", "polymer"), ("salts/litfsi", "salt"), ("units/EO/oxy-d", "unit"), ("ions/LI/aqvist", "ion"), ("ions/LI/aqvist", "model")],
)  # fmt: skip
def test_an_entry_with_another_name_than_its_file(entry: str, key: str, edit_block: Edit, copied_blocks: Path) -> None:
    path = edit_block(f"{entry}.yaml", lambda said: said.update({key: "other"}))
    called = entry.split("/")[2 if key == "model" else 1]
    mine = Library(copied_blocks)
    text = mistake(lambda: (mine.polymer("peo", "oxy-d"), mine.salt("litfsi")))
    assert f"{path}:" in text and f"{key}: 'other' is not allowed; allowed: {called}, as its file is called" in text


def test_an_ion_of_one_file_has_one_model(copied_blocks: Path) -> None:
    (copied_blocks / "ions/LI/aqvist.yaml").rename(copied_blocks / "ions/mine.yaml")
    path = copied_blocks / "ions/mine.yaml"
    path.write_text(path.read_text().replace("ion: LI", "ion: mine"))
    assert isinstance(Library(copied_blocks).ion("mine", "aqvist"), Ion)
    text = mistake(lambda: Library(copied_blocks).ion("mine", "aqvis"))
    assert text == "ion mine has no parameter set 'aqvis' (did you mean aqvist?); allowed: aqvist"


def test_a_type_without_a_mass(blocks: Library) -> None:
    assert blocks.mass("LI+") == 6.941 and blocks.mass("CH2") == 14.027
    assert "type 'XX' has no mass" in mistake(lambda: blocks.mass("XX"))


def test_a_folder_is_read_once() -> None:
    assert library(ROOT / "topologies") is library(ROOT / "topologies")


def lithium(**changes: Any) -> Callable[[Any], None]:
    """A type of one's own beside the shipped ones, with a mistake."""
    entry = {"element": "Li", "mass": 6.94, "c6": 1e-5, "c12": 1e-9, "source": "aqvist1990"} | changes
    return lambda types: types.update({"MINE": {key: value for key, value in entry.items() if value != "absent"}})


def first(section: str, **changes: Any) -> Callable[[Any], None]:
    return lambda table: table[section][0].update(changes)


SIGMA = {"c6": "absent", "c12": "absent", "sigma_nm": 0.2, "epsilon_kJ_mol": 0.1}
TABLES: dict[str, tuple[str, Callable[[Any], None], str]] = {
    "an element that nobody knows": ("atomtypes", lithium(element="K"), "element 'K' is not allowed; allowed: H, Li"),
    "a mass of another element": ("atomtypes", lithium(mass=1e-300), "mass 1e-300 is not allowed for Li"),
    "a mass that is none": ("atomtypes", lithium(mass=float("nan")), "MINE.mass: nan is not allowed"),
    "a sigma that is none": ("atomtypes", lithium(**SIGMA | {"sigma_nm": None}), "sigma_nm None and epsilon_kJ_mol 0.1"),
    "a sigma of text": ("atomtypes", lithium(**SIGMA | {"sigma_nm": "abc"}), "sigma_nm 'abc'"),
    "a list for sigma": ("atomtypes", lithium(**SIGMA | {"sigma_nm": [1]}), r"sigma_nm \[1\]"),
    "a huge sigma": ("atomtypes", lithium(**SIGMA | {"sigma_nm": 1e200}), "sigma_nm 1e.200"),
    "half a pair": ("atomtypes", lithium(**SIGMA | {"epsilon_kJ_mol": "absent"}), "epsilon_kJ_mol None"),
    "both forms": ("atomtypes", lithium(**SIGMA | {"c6": 1e-5}), "give either c6 and c12 or sigma_nm"),
    "like without its row": ("atomtypes", lithium(like="NA+"), "like, sqrt_c12 and sqrt_c12_like go together"),
    "a row without default": (
        "atomtypes", lithium(like="NA+", sqrt_c12=1e-4, sqrt_c12_like={1e-4: ["OA"]}), "default is missing",
    ),
    "a default of zero": (
        "atomtypes", lithium(like="NA+", sqrt_c12=1e-4, sqrt_c12_like={"default": 0}), "greater than 0",
    ),
    "like an own type": (
        "atomtypes", lithium(like="LI+", sqrt_c12=1e-4, sqrt_c12_like={"default": 1e-4}), "a type of gromos54a7.ff",
    ),
    "a line break in a source": ("atomtypes", lithium(source='x\n#include "y"'), "MINE.source: .* is not allowed"),
    "a type of two words": ("atomtypes", lambda types: types.update({"A B": types["LI+"]}), "A B: 'A B' is not allowed"),
    "a mass of NaN": ("masses", lambda masses: masses.update(QQ=float("nan")), "QQ: nan is not allowed"),
    "a mass of nothing": ("masses", lambda masses: masses.update(QQ=0), "QQ: 0 is not allowed"),
    "an empty source": ("sources", lambda sources: sources.update(nothing=None), "nothing: null is not allowed"),
    "a doi that is none": ("sources", lambda sources: sources["oxyd"].update(doi='x" on'), "oxyd.doi: .* is not allowed"),
    "no macro": ("bonded", first("bonds", macro=None), "exactly one of macro"),
    "no classes": ("bonded", first("bonds", classes=[]), "bonds: 0 classes; allowed: 2"),
    "a number too many": (
        "bonded", first("dihedrals", macro=None, parameters=[0, 1, 2, 3]), "function 1 takes 3 numbers",
    ),
    "a bond without length": ("bonded", first("bonds", macro=None, parameters=[0, 1]), "a length is above 0 nm"),
    "a function that is not known": ("bonded", lambda table: table["functions"].update(dihedrals=9), "functions.dihedrals"),
    "a limit of a number": ("limits", lambda limits: limits["limits"].append({"limit": 5}), r"limits\[\d+\].limit: 5"),
}  # fmt: skip


@pytest.mark.parametrize("what", TABLES)
def test_mistakes_in_what_all_entries_share(what: str, edit_block: Edit, copied_blocks: Path) -> None:
    name, change, words = TABLES[what]
    path = edit_block(f"{name}.yaml", change)
    text = mistake(Library(copied_blocks).check_tables)
    assert text.startswith(f"{path}:") and "\n" not in text
    assert re.search(words, text), text


@pytest.mark.parametrize("name", ["atomtypes", "bonded", "limits", "masses", "sources"])
@pytest.mark.parametrize("how", ["missing", "a list", "a link to itself"])
def test_a_table_that_is_none_is_noticed_at_once(name: str, how: str, copied_blocks: Path) -> None:
    path = copied_blocks / f"{name}.yaml"
    path.unlink()
    if how == "a list":
        path.write_text("- a\n")
    elif how == "a link to itself":
        path.symlink_to(path)
    assert str(copied_blocks) in mistake(lambda: library.__wrapped__(copied_blocks))


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("units/EO/oxy-d.yaml", lambda unit: unit["bonds"].append(["C1", "C1"]), "C1-C1 is not allowed"),
        ("units/EO/oxy-d.yaml", lambda unit: unit["bonds"].append(["C2", "C1"]), "each pair once"),
        ("units/EO/oxy-d.yaml", lambda unit: unit["bonds"].pop(), "no bonds lead from O1 to C2"),
        (
            "units/EO/oxy-d.yaml",
            lambda unit: unit.update(ether_oxygens=10**12),
            "allowed: 1, the number of its atoms with the role ether_O",
        ),
        ("units/EO/oxy-d.yaml", lambda unit: unit["atoms"][0].update(role="ether_o"), "'ether_o' is not allowed"),
        ("units/EO-end/oxy-d.yaml", lambda unit: unit["atoms"][1].update(charge=float("nan")), "charge: nan"),
        ("polymers/peo.yaml", lambda peo: peo.update(sequence=["methyl", f"EO * {10**20}", "EO-end"]), "3e.20 sites"),
        ("polymers/peo.yaml", lambda peo: peo.update(sequence=["methyl", "EO * 4"]), r"a charge of \+0.2900 e"),
        (
            "polymers/peo.yaml",
            lambda peo: peo.update(sequence=["methyl", {"repeat": 10**4, "of": ["EO * 9"]}, "EO-end"]),
            "a chain of 270004 sites",
        ),
    ],
)
def test_mistakes_in_units_and_chains(
    name: str, change: Callable[[Any], None], words: str, edit_block: Edit, copied_blocks: Path
) -> None:
    path = edit_block(name, change)
    text = mistake(lambda: Library(copied_blocks).polymer("peo", "oxy-d"))
    assert str(path) in text and re.search(words, text), text


def test_an_oxygen_that_nothing_would_count(edit_block: Edit, copied_blocks: Path) -> None:
    edit_block("units/EO-OH/oxy-d.yaml", lambda unit: unit["atoms"][3].pop("role"))
    assert "the oxygen OH has none" in mistake(lambda: Library(copied_blocks).unit("EO-OH", "oxy-d"))


@pytest.mark.parametrize(
    ("ion", "change", "words"),
    [
        (("LI", "aqvist"), lambda ion: ion["atoms"][0].pop("role"), "no atom has a role, and no analysis would find"),
        (("LI", "aqvist"), lambda ion: ion["atoms"][0].update(role="anion_O"), "'anion_O' is not allowed; allowed: Li"),
        (("CLO4", "acevedo2009"), lambda ion: ion["atoms"][1].pop("role"), "has none, and nothing would count"),
        (("CL", "gromos54a7"), lambda ion: ion.update(charge=0, atoms=[{**ion["atoms"][0], "charge": 0}]), "charge: 0"),
    ],
)
def test_ions_that_no_analysis_would_find(
    ion: tuple[str, str], change: Callable[[Any], None], words: str, edit_block: Edit, copied_blocks: Path
) -> None:
    edit_block(f"ions/{ion[0]}/{ion[1]}.yaml", change)
    assert words in mistake(lambda: Library(copied_blocks).ion(*ion))


def test_models_that_are_based_on_each_other(copied_blocks: Path) -> None:
    for model, base in (("a", "b"), ("b", "a")):
        (copied_blocks / f"ions/LI/{model}.yaml").write_text(
            f"ion: LI\nmodel: {model}\ndescription: x\nbased_on: {base}\ntypes: {{LI+: LI+}}\nsource: aqvist1990\n"
        )
    assert "b.yaml:4: based_on: a is based on this model" in mistake(lambda: Library(copied_blocks).ion("LI", "a"))


def test_a_salt_whose_ions_are_swapped(edit_block: Edit, copied_blocks: Path) -> None:
    swapped = {"cation": "TFSI", "cation_model": "clandp2004", "anion": "LI", "anion_model": "aqvist"}
    edit_block("salts/litfsi.yaml", lambda salt: salt.update(swapped))
    assert "cation: 'TFSI' has a charge of -1 e" in mistake(lambda: Library(copied_blocks).salt("litfsi"))


@pytest.mark.parametrize(("name", "key"), [("ions/LI/aqvist.yaml", "molecule"), ("polymers/peo.yaml", "molecule")])
def test_molecules_of_one_name_would_share_a_file(name: str, key: str, edit_block: Edit, copied_blocks: Path) -> None:
    edit_block(name, lambda entry: entry.update({key: "TFSI"}))
    blocks = Library(copied_blocks)
    words = ("litfsi", "oxy-d", "aqvist", "clandp2004", "gromos", 1.0)
    text = mistake(lambda: blocks.composition(Contents.of("peo", 1, "litfsi", 1), blocks.choose(*words)))
    assert "TFSI would share a file" in text


def test_labels_are_for_people_and_change_no_topology(copied_blocks: Path) -> None:
    chosen = library(copied_blocks).choose("litfsi", "oxy-d", "default", "default", "gromos", 1.0)
    before = library(copied_blocks).digest(Contents.of("peo", 1, "litfsi", 1), chosen)
    found = library(copied_blocks).labels(["peo", "pebax12", "elsewhere"], ["litfsi", "none"])
    assert found.polymer("peo") == "PEO" and found.salt("litfsi") == "LiTFSI" and found.anion("litfsi") == "TFSI"
    # without a label, or not in the folder
    assert [found.polymer(name) for name in ("pebax12", "elsewhere")] == ["pebax12", "elsewhere"]
    assert (found.salt("none"), found.anion("none")) == ("none", "anion")
    for path, old, new in (
        ("polymers/peo.yaml", "label: PEO", "label: PEG"),
        ("salts/litfsi.yaml", "anion_label: TFSI", ""),
    ):
        text = (copied_blocks / path).read_text()
        assert old in text
        (copied_blocks / path).write_text(text.replace(old, new))
    changed = Library(copied_blocks)
    assert changed.labels(["peo"], ["litfsi"]).polymer("peo") == "PEG"
    assert changed.labels(["peo"], ["litfsi"]).anion("litfsi") == "anion"
    assert changed.digest(Contents.of("peo", 1, "litfsi", 1), chosen) == before


SALTS = ("libf4", "licl", "liclo4", "lifsi", "lipf6", "litfsi")


@pytest.mark.parametrize(
    ("name", "known", "proposed"),
    [("LiTFSI", SALTS, "litfsi"), ("li-tfsi", SALTS, "litfsi"), ("litfs", SALTS, "litfsi"), ("liflo4", SALTS, ""),
     # as near to one as to the other
     ("liftsi", SALTS, ""),
     # other molecules, however alike their names
     ("natfsi", SALTS, ""), ("liclo3", SALTS, ""), ("dmf", ("dme",), ""), ("peg", ("peo",), ""), ("pebax11", ("pebax12",), ""),
     ("pebax6", ("pebax",), "")],
)  # fmt: skip
def test_only_the_same_molecule_is_proposed(name: str, known: tuple[str, ...], proposed: str) -> None:
    assert misspelt(name, known) == (f" (did you mean {proposed}?)" if proposed else "")
