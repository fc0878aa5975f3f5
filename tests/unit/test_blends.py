"""Blends of polymers: what a sweep asks for, in names, numbers, boxes, tables and labels; segments of each type of chain."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from eoli.analysis.interactions.groups import whole_groups
from eoli.analysis.mechanism.analyse import analyse_mechanism
from eoli.cli import main
from eoli.errors import InputError
from eoli.forcefield.library import Library
from eoli.forcefield.models import Contents
from eoli.study.config import load_study
from eoli.study.criteria import MechanismCriteria
from eoli.study.systems import System, size_of, systems_of
from eoli.summary.sweep_table import collect
from eoli.topology.build import describe
from eoli.topology.description import MoleculeCount, SystemDescription, read_description, to_json
from eoli.topology.gromos import Gromos54A7
from eoli.topology.molecule import Molecule
from eoli.topology.species import apart, species_of
from eoli.workflow.cost import cost_lines
from eoli.workflow.plan import Plan
from imported_blocks import follow
from support import ROOT, assert_sizes_add_up, choice
from synthetic_trajectories import molecule, reduce, walk, write_xtc

BLOCK = "eo_li: 12, temperature_K: 400"


def all_of(folder: Path, *blocks: str, topologies: Path = ROOT / "topologies") -> list[System]:
    path = folder / "own.yaml"
    path.write_text(f"topologies: {topologies}\nsweep:\n" + "".join(f"  - {{{block}}}\n" for block in blocks))
    return list(systems_of(load_study([ROOT / "config/config.yaml", path], ROOT)).values())


def test_names_and_numbers(blocks: Library, tmp_path: Path) -> None:
    shares, numbers, peo, pebax = all_of(
        tmp_path,
        f"polymer: {{peo: 0.6, pebax: 0.4}}, {BLOCK}",
        f"polymer: {{peo: 20, pebax: 5}}, {BLOCK}",
        f"polymer: [peo, pebax], {BLOCK}",
    )
    assert [s.name for s in (shares, numbers)] == ["0.4pebax-0.6peo-eo12-400K-r1", "5pebax-20peo-eo12-400K-r1"]
    assert [s.polymer for s in (shares, numbers)] == ["pebax:0.4 peo:0.6", "pebax:5 peo:20"]
    assert shares.contents == Contents((("pebax", 10), ("peo", 15)), (("litfsi", 50),))
    assert numbers.contents.polymers == (("pebax", 5), ("peo", 20))
    # 24 ether oxygens in a chain of either
    assert (shares.chains, shares.ether_oxygens, shares.cations, shares.eo_li) == (25, 600, 50, 12)
    of_blend, of_pebax, of_peo = (size_of(system, blocks) for system in (shares, pebax, peo))
    assert_sizes_add_up(of_blend, [(0.4, of_pebax), (0.6, of_peo)])


def test_eo_li_counts_the_ether_oxygens_of_all(tmp_path: Path) -> None:
    (system,) = all_of(tmp_path, f"polymer: {{peo: 10, dme: 30}}, {BLOCK}")
    assert (system.ether_oxygens, system.cations) == (10 * 24 + 30 * 2, 25)
    (large,) = [s for s in all_of(
        tmp_path, *(f"polymer: {{peo: 10, dme: 30}}, {BLOCK}{more}" for more in ("", ", supercell: [2, 1, 1]"))
    ) if s.parent]  # fmt: skip
    assert large.contents.polymers == (("dme", 60), ("peo", 20)) and large.eo_li == 12


def test_the_check_tells_the_whole_numbers(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "sweep:\n"
        "  - {polymer: {peo: 0.6, pebax: 0.4}, salt: {litfsi: 0.7, lipf6: 0.3}, eo_li: 13.7, solvents: {dme: {per_lithium: 2}}}\n"
        "  - {polymer: peo, eo_li: 12}\n"
        "  - {polymer: peo, salt: none, solvents: {dme: 30}}\n"
    )
    lines = cost_lines(load_study([ROOT / "config/config.yaml", path], ROOT), tmp_path)
    # 600 ether oxygens and 44 lithium ions, 0.3 of which are 13.2
    assert [line.strip() for line in lines if line.startswith(" ")] == [
        "10 pebax, 15 peo; 44 LI, 13 PF6, 31 TFSI; 88 dme; EO:Li 13.64, asked 13.7",
        "25 peo; 30 dme",
    ]
    assert lines[2].split()[1:3] == ["13.64", "44"]


def test_the_box_has_both_chains(blocks: Library, forcefield: Gromos54A7) -> None:
    found = describe(Contents((("pebax", 2), ("peo", 3)), (("litfsi", 4),)), choice(), blocks, forcefield)
    assert [(e.molecule.name, e.molecule.kind, e.count) for e in found.molecules] == [
        ("PEBAX", "polymer", 2), ("PEO", "polymer", 3), ("LI", "cation", 4), ("TFSI", "anion", 4)]  # fmt: skip
    assert found.charges().sum() == pytest.approx(0, abs=1e-9) and len(found.with_role("ether_O")) == 5 * 24
    assert {species.label for species in apart(species_of(found))} == {"PEBAX", "PEO"}
    parts = {name: sites for name, sites in whole_groups(found).items() if name != "chain"}
    assert np.array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(found.n_sites))


def test_what_a_rule_gets_and_the_command_makes(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(f"sweep: [{{polymer: {{peo: 3, pebax: 2}}, {BLOCK}}}]\nprotocol: config/protocols/annealed.yaml\n")
    path.write_text(f"sweep: [{{polymer: {{peo: 30, pebax: 20}}, {BLOCK}}}]\n")
    study = load_study([ROOT / "config/config.yaml", path], ROOT)
    plan = Plan(study, systems_of(study), "")
    (name,) = plan.systems
    words = plan.topology_flags(name)
    assert words.startswith("--polymer pebax peo --chains 20 30 --salt litfsi --cations 100 --ether-set oxy-d")
    assert {"ether_O", "carbonyl_O"} <= plan._contacts(name).keys()
    out = tmp_path / "topology"
    assert main(["topology", "--blocks", str(ROOT / "topologies"), *words.split(), "--out", str(out)]) == 0
    assert (out / "system.top").read_text().endswith("PEBAX 20\nPEO 30\nLI 100\nTFSI 100\n")
    assert read_description(out / "system.json").molecules[1].count == 30


REFUSED = {
    "one": ("{peo: 0.6}", "own.yaml:3: sweep[0].polymer: {'peo': 0.6} is not allowed: the sum is 0.6; allowed: two or more with shares"),
    "both": ("{peo: 0.6, pebax: 1}", "allowed: two or more, all with shares that sum to 1, or all with numbers"),
    "sum": ("{peo: 0.6, pebax: 0.3}", "allowed: two or more with shares that sum to 1"),
    "number": ("{peo: 2.5, pebax: 1}", "sweep[0].polymer.peo: 2.5 is not allowed: Input should be a valid integer, or"),
    "name": ("{peo: 0.6, pebx: 0.4}", "sweep[0].polymer: polymer 'pebx' is not in"),
    "few": ("{peo: 0.99, pebax: 0.01}", "sweep[0].polymer: pebax: a share of 0.01 gives none of 25 chains"),
    "origin": ("{peo: 0.5, dme-opls: 0.5}", "dme-opls of imported-oplsaa, peo of our building blocks; allowed: a blend of one"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_a_sweep_asks_wrongly_is_one_line(kind: str, copied_blocks: Path, tmp_path: Path) -> None:
    polymer, said = REFUSED[kind]
    if kind == "origin":
        follow(copied_blocks)
    with pytest.raises(InputError) as caught:
        all_of(tmp_path, f"polymer: {polymer}, {BLOCK}", topologies=copied_blocks)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_the_table_of_a_sweep(blocks: Library, tmp_path: Path) -> None:
    systems = all_of(tmp_path, f"polymer: {{peo: 0.6, pebax: 0.4}}, {BLOCK}", f"polymer: peo, {BLOCK}")
    table = collect(systems, ["npt"], "npt", tmp_path / "results", tmp_path / "sweep.csv", allow_missing=True)
    assert list(table["polymer"]) == ["pebax:0.4 peo:0.6", "peo"] and list(table["chains"]) == [25, 25]
    labels = blocks.labels(table["polymer"], ["litfsi"])
    assert labels.polymer("pebax:0.4 peo:0.6") == "0.4 Pebax + 0.6 PEO" and labels.polymer("peo") == "PEO"


LONG = molecule("LONG", "polymer", ["ether_O", None, None, "ether_O", None, None, "ether_O", None, None, "ether_O"])
SHORT = molecule("SHORT", "polymer", ["ether_O", None, None, "ether_O", None, None, "ether_O"], 12.0)


def in_units(one: Molecule) -> Molecule:
    """Each ether oxygen begins a repeat unit."""
    return replace(one, sites=tuple(replace(site, residue_number=1 + k // 3) for k, site in enumerate(one.sites)))


def segments_of(folder: Path, system: SystemDescription, positions: np.ndarray, boxes: np.ndarray) -> tuple[Any, Any]:
    folder.mkdir()
    (folder / "system.json").write_text(to_json(system))
    trajectory = write_xtc(folder / "md.xtc", positions, boxes)
    reduce(trajectory, folder / "system.json", folder / "reduced.h5", (1.0, 1.0, 10.0))
    out = [folder / name for name in ("mechanism.csv", "moves.csv", "mechanism.json")]
    criteria = MechanismCriteria(contact_nm={"ether_O": 0.35}, tolerance=0.1, unit_edges=[1])
    analyse_mechanism(folder / "reduced.h5", folder / "system.json", criteria, *out)
    return json.loads(out[2].read_text())["segments"], pd.read_csv(out[0])


def test_segments_of_each_type_are_those_of_the_type_alone(tmp_path: Path) -> None:
    kinds = [MoleculeCount(in_units(LONG), 5), MoleculeCount(in_units(SHORT), 4)]
    blend = SystemDescription(tuple(kinds), choice(), "")
    positions, boxes = walk(blend, 60)
    found, table = segments_of(tmp_path / "blend", blend, positions, boxes)
    assert found["molecule"] == "LONG" and found["by_type"].keys() == {"LONG", "SHORT"}
    start = 0
    for entry in kinds:
        name, n = entry.molecule.name, entry.count * len(entry.molecule.sites)
        single = replace(blend, molecules=(entry,))
        alone, columns = segments_of(tmp_path / name, single, positions[:, start : start + n], boxes)
        assert alone == found["by_type"][name] and {"P1", "P2", "end_to_end"} <= alone.keys()
        assert "by_type" not in alone and not any("@" in column for column in columns)
        for column in set(columns) - {"lag_ps"}:
            bare = column.removesuffix("_error")
            np.testing.assert_array_equal(columns[column], table[f"{bare}@{name}{column[len(bare) :]}"])
        start += n
    assert {key: value for key, value in found.items() if key not in ("molecule", "by_type")} == found["by_type"][
        "LONG"
    ]
