"""Mixtures of salts of lithium: what a sweep asks for, in names, numbers, boxes, groups, tables and labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eoli.analysis.interactions.groups import table_groups, table_pairs, whole_groups
from eoli.cli import main
from eoli.core.names import shares_of, shares_text
from eoli.errors import InputError
from eoli.figures.sweep import read_grouped
from eoli.forcefield.library import Library
from eoli.forcefield.models import Contents, ForceFieldChoice, Labels
from eoli.study.axes import ION_PAIRS
from eoli.study.config import Study, load_study
from eoli.study.systems import System, size_of, systems_of
from eoli.summary.sweep_table import collect
from eoli.topology.build import describe
from eoli.topology.description import SystemDescription, read_description
from eoli.topology.gromos import Gromos54A7
from eoli.topology.limits import limits_of
from eoli.topology.selections import pair_groups
from eoli.topology.species import apart, species_of
from eoli.workflow.plan import Plan
from support import ROOT, assert_sizes_add_up

AVOGADRO_NM3_PER_CM3 = 602.214076
BLOCK = "polymer: peo, temperature_K: 400"
MODELS = "clandp2004+clandp2004"


def study_with(folder: Path, *blocks: str) -> Study:
    path = folder / "own.yaml"
    path.write_text("sweep:\n" + "".join(f"  - {{{block}}}\n" for block in blocks))
    return load_study([ROOT / "config/config.yaml", path], ROOT)


def all_of(folder: Path, *blocks: str) -> list[System]:
    return list(systems_of(study_with(folder, *blocks)).values())


@pytest.fixture
def two_anions(blocks: Library, forcefield: Gromos54A7) -> SystemDescription:
    chosen = ForceFieldChoice("oxy-d", "aqvist", MODELS, "gromos", 0.8)
    salts = (("lipf6", 2), ("litfsi", 3))
    return describe(Contents((("peo", 2),), salts, (("dme", 4),)), chosen, blocks, forcefield)


def test_names_and_numbers(blocks: Library, tmp_path: Path) -> None:
    mixed, pf6, tfsi = all_of(
        tmp_path,
        f"{BLOCK}, eo_li: 12, salt: {{litfsi: 0.7, lipf6: 0.3}}",
        f"{BLOCK}, eo_li: 12, salt: [lipf6, litfsi]",
    )
    assert mixed.name == "peo-eo12-400K-0.3lipf6-0.7litfsi-r1"
    assert mixed.contents == Contents((("peo", 25),), (("lipf6", 15), ("litfsi", 35)))
    assert (mixed.salt, mixed.cations, mixed.eo_li) == ("lipf6:0.3 litfsi:0.7", 50, 12)
    assert (mixed.choice.cation_model, mixed.choice.anion_model) == ("aqvist", MODELS)
    # 50 lithium each: the mixture lies between the two in mass and in volume
    of_mixed, of_pf6, of_tfsi = (size_of(system, blocks) for system in (mixed, pf6, tfsi))
    assert_sizes_add_up(of_mixed, [(0.3, of_pf6), (0.7, of_tfsi)])


@given(lithium=st.integers(10, 400), share=st.integers(1, 9))
def test_ion_pairs_are_whole_and_nearest(lithium: int, share: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("mixture")
    block = f"{BLOCK}, eo_li: {600 / lithium!r}, salt: {{litfsi: {share / 10}, lipf6: {(10 - share) / 10}}}"
    (system,) = all_of(folder, block)
    pairs = dict(system.contents.salts)
    assert sum(pairs.values()) == system.cations
    assert abs(pairs["litfsi"] - share / 10 * system.cations) <= 0.5 + 1e-9


def test_three_salts_share_the_rest_by_remainders(tmp_path: Path) -> None:
    (system,) = all_of(tmp_path, f"{BLOCK}, eo_li: 12, salt: {{litfsi: 0.45, lipf6: 0.33, libf4: 0.22}}")
    # 22.5, 16.5 and 11 of 50
    assert system.contents.salts == (("libf4", 11), ("lipf6", 17), ("litfsi", 22))


def test_the_box_has_one_lithium_and_both_anions(two_anions: SystemDescription, tmp_path: Path) -> None:
    assert [(e.molecule.name, e.molecule.kind, e.count) for e in two_anions.molecules] == [
        ("PEO", "polymer", 2), ("LI", "cation", 5), ("PF6", "anion", 2), ("TFSI", "anion", 3), ("DME", "solvent", 4)]  # fmt: skip
    charges = two_anions.charges()
    assert charges.sum() == pytest.approx(0, abs=1e-9)
    assert [charges[sites].sum() for sites in two_anions.molecules_of("anion")] == pytest.approx([-0.8] * 5)
    families = species_of(two_anions)
    assert {species.label for species in apart(families)} == {"PF6", "TFSI", "DME"}
    lithium = pair_groups(two_anions)["Li"]
    assert {"anion_F", "anion_O", "anion_N", "solvent_O", "ether_O"} < set(lithium)
    # the fluorines of TFSI do not bind: its oxygens do
    assert len(lithium["anion_F"]) == 2 * 6 and len(lithium["anion_O"]) == 3 * 4
    # coordination by each anion has its name
    assert {name for name in lithium if "@" in name} == {"anion_F@PF6", "anion_O@TFSI", "anion_N@TFSI"}


def test_parts_of_the_energy_are_all_of_the_box_once(two_anions: SystemDescription) -> None:
    parts = {name: sites for name, sites in whole_groups(two_anions).items() if name != "chain"}
    assert set(parts) == {"Li", "PF6", "TFSI", "PEO", "DME"}
    assert np.array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(two_anions.n_sites))
    assert len(table_groups(two_anions)["N(TFSI)"]) == 3 and "N(PF6)" not in table_groups(two_anions)
    assert table_pairs(two_anions) == [("Li", "C-O-C"), ("Li", "N(TFSI)")]


def test_limits_are_those_of_each_anion(blocks: Library, forcefield: Gromos54A7) -> None:
    def said(anions: str) -> str:
        chosen = ForceFieldChoice("oxy-d", "aqvist", anions, "gromos", 1.0)
        contents = Contents((("peo", 1),), (("lipf6", 1), ("litfsi", 1)))
        return " ".join(limits_of(describe(contents, chosen, blocks, forcefield), blocks))

    assert "fitted to fluorinated ionic liquids" in said("clandp2004+clandp2017")
    assert "fitted to fluorinated ionic liquids" not in said(MODELS)


def test_what_a_rule_gets_and_the_command_makes(tmp_path: Path) -> None:
    study = study_with(tmp_path, f"{BLOCK}, eo_li: 12, salt: {{litfsi: 0.7, lipf6: 0.3}}")
    plan = Plan(study, systems_of(study), "")
    (name,) = plan.systems
    words = plan.topology_flags(name)
    assert words.startswith("--polymer peo --chains 25 --salt lipf6 litfsi --cations 15 35 --ether-set oxy-d")
    out = tmp_path / "topology"
    assert main(["topology", "--blocks", str(ROOT / "topologies"), *words.split(), "--out", str(out)]) == 0
    made = read_description(out / "system.json")
    assert [(e.molecule.name, e.count) for e in made.molecules] == [("PEO", 25), ("LI", 50), ("PF6", 15), ("TFSI", 35)]
    assert (out / "system.top").read_text().endswith("PEO 25\nLI 50\nPF6 15\nTFSI 35\n")
    page = [
        "parameters",
        "--system",
        name,
        "--system-json",
        str(out / "system.json"),
        "--out",
        str(tmp_path / "p.html"),
    ]
    assert main([*page, "--blocks", str(ROOT / "topologies"), *plan.molecules_flags(name).split()]) == 0
    assert all(f'<td class="name">{ion}</td>' in (tmp_path / "p.html").read_text() for ion in ("PF6", "TFSI"))


REFUSED = {
    "sum": ("salt: {litfsi: 0.7, lipf6: 0.2}", "own.yaml:2: sweep[0].salt: {'litfsi': 0.7, 'lipf6': 0.2} is not allowed: the sum is 0.9; "
            "allowed: two or more with shares that sum to 1"),
    "one": ("salt: {litfsi: 1.0}", "sweep[0].salt.litfsi: 1.0 is not allowed: Input should be less than 1"),
    "none": ("salt: {litfsi: 0.5, none: 0.5}", "is not allowed: none has no lithium to share; allowed: salts alone, two or more"),
    "name": ("salt: {litfsi: 0.5, lipf: 0.5}", "sweep[0].salt: salt 'lipf' is not in"),
    "few": ("salt: {litfsi: 0.995, lipf6: 0.005}", "sweep[0].salt: lipf6: a share of 0.005 gives none of 50 lithium ions"),
    "number": ("salt: [licl, {litfsi: much, lipf6: 0.5}]", "sweep[0].salt[1].litfsi: 'much' is not allowed: Input should be a valid number"),
    "models": ("salt: {litfsi: 0.5, lipf6: 0.5}, anion_model: clandp2017",
               "sweep[0].anion_model: 'clandp2017' is not allowed for the anions of lipf6, litfsi; allowed: default"),
    "cation": ("salt: {litfsi: 0.5, lipf6: 0.5}, cation_model: x", "sweep[0].cation_model: ion LI has no parameter set 'x'"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_a_sweep_asks_wrongly_is_one_line(kind: str, tmp_path: Path) -> None:
    salt, said = REFUSED[kind]
    with pytest.raises(InputError) as caught:
        all_of(tmp_path, f"{BLOCK}, eo_li: 12, {salt}")
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_salts_of_different_cations_are_refused(copied_blocks: Path) -> None:
    path = copied_blocks / "salts/lipf6.yaml"
    path.write_text(path.read_text().replace("cation_model: aqvist", "cation_model: set-l"))
    blocks = Library(copied_blocks)
    words = ("oxy-d", "default", "default", "gromos", 1.0)
    with pytest.raises(InputError, match=r"litfsi has the model of its cation 'aqvist', and lipf6 'set-l'; allowed"):
        blocks.choose(["litfsi", "lipf6"], *words)
    # another model for both is the sweep's choice
    path.write_text(path.read_text().replace("cation_model: set-l", "cation_model: aqvist"))
    Library.salt.cache_clear()
    found = Library(copied_blocks).choose(["litfsi", "lipf6"], "oxy-d", "set-l", "default", "gromos", 1.0)
    assert (found.cation_model, found.anion_models) == ("set-l", ["clandp2004", "clandp2004"])


def test_the_tables_of_a_sweep(blocks: Library, tmp_path: Path) -> None:
    blocks_of = f"{BLOCK}, eo_li: [12, 20], salt: {{litfsi: 0.7, lipf6: 0.3}}", f"{BLOCK}, eo_li: 12"
    mixed, plain = all_of(tmp_path, *blocks_of), all_of(tmp_path, blocks_of[1])

    def columns(systems: list[System]) -> pd.DataFrame:
        return collect(systems, ["npt"], "npt", tmp_path / "results", tmp_path / "sweep.csv", allow_missing=True)

    alone = columns(plain)
    table = columns(mixed)
    assert ION_PAIRS not in alone and list(table.columns) == [*alone.columns, ION_PAIRS]
    assert list(table[ION_PAIRS].fillna("")) == ["lipf6:15 litfsi:35", "lipf6:9 litfsi:21", ""]
    assert list(table["lithium_ions"]) == [50, 30, 50]
    # both ratios of the mixture are one group, apart from the single salt
    labels = blocks.labels(["peo"], table["salt"].unique())
    groups = read_grouped(tmp_path / "sweep.csv", labels).groups
    assert [len(group.rows) for group in groups] == [2, 1] and "0.7" in groups[0].label
    assert labels.salt("lipf6:0.3 litfsi:0.7") == "0.3 LiPF₆ + 0.7 LiTFSI"
    assert (labels.anion("lipf6:0.3 litfsi:0.7"), labels.anion("litfsi")) == ("anion", "TFSI")
    assert Labels().salt("lipf6:0.3 litfsi:0.7") == "0.3 lipf6 + 0.7 litfsi"


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9.-]{0,8}[a-z0-9]", fullmatch=True), st.integers(1, 9), min_size=1))
def test_cells_of_mixtures_read_back(parts: dict[str, int]) -> None:
    total = sum(parts.values())
    shares = (
        {name: round(part / total, 4) for name, part in parts.items()} if len(parts) > 1 else dict.fromkeys(parts, 1.0)
    )
    assert shares_of(shares_text(shares)) == shares
