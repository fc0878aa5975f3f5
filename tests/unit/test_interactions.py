"""Groups, exclusions, Lennard-Jones pairs and contacts, against the bonds of the chains and double loops."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from eoli.analysis.interactions.analyse import analyse_interactions, index_text
from eoli.analysis.interactions.ewald import COULOMB_KJ_NM_MOL_E2
from eoli.analysis.interactions.groups import (
    between,
    block_mean,
    block_ratio,
    contact_energies,
    contact_kinds,
    partition,
    read_lennard_jones,
    scaled_pairs,
    table_groups,
    table_pairs,
    whole_groups,
    within,
)
from eoli.errors import DataError
from eoli.forcefield.library import Library
from eoli.forcefield.models import Contents
from eoli.study.config import GromacsBuild
from eoli.study.criteria import InteractionsCriteria
from eoli.topology.build import describe, tables_for, write_topology
from eoli.topology.description import SystemDescription, to_json
from eoli.topology.gromos import Gromos54A7
from eoli.topology.selections import block_names
from support import choice

CHAINS, IONS = 2, 3


CRITERIA = InteractionsCriteria(frame_interval_ps=1.0, frames=2, cutoff_nm=1.2, contact_nm={})


@pytest.fixture
def peo(blocks: Library, forcefield: Gromos54A7) -> SystemDescription:
    return describe(Contents.of("peo", CHAINS, "litfsi", IONS), choice(ion_charge_scale=0.8), blocks, forcefield)


@pytest.fixture
def pebax(blocks: Library, forcefield: Gromos54A7) -> SystemDescription:
    return describe(Contents.of("pebax", CHAINS, "litfsi", IONS), choice(), blocks, forcefield)


def names_of(description: SystemDescription) -> list[str]:
    return [s.name for e in description.molecules for _ in range(e.count) for s in e.molecule.sites]


def test_groups_of_peo(peo: SystemDescription) -> None:
    groups = table_groups(peo)
    assert {name: len(sites) for name, sites in groups.items()} == {
        "Li": IONS,
        "C-O-C": CHAINS * (24 + 48),
        "N(TFSI)": IONS,
    }
    # all of the chain but its uncharged methyl end
    left_out = np.setdiff1d(peo.sites_of("polymer"), groups["C-O-C"])
    assert [names_of(peo)[site] for site in left_out] == ["C2"] * CHAINS
    assert table_pairs(peo) == [("Li", "C-O-C"), ("Li", "N(TFSI)")]
    assert list(whole_groups(peo)) == ["Li", "TFSI", "PEO"]


def test_an_ether_block_has_its_own_name(blocks: Library, forcefield: Gromos54A7, peo: SystemDescription) -> None:
    ptmo = describe(Contents.of("ptmo", CHAINS, "litfsi", IONS), choice(), blocks, forcefield)
    assert list(whole_groups(ptmo)) == ["Li", "TFSI", "PTMO"]
    assert block_names(ptmo)[0] == "PTMO" and block_names(peo)[0] == "PEO"


def test_the_blocks_of_pebax_are_named_by_its_units(blocks: Library, forcefield: Gromos54A7) -> None:
    for name in ("pebax", "pebax12", "pebax-triblock", "pebax-multiblock", "pebax-amide"):
        assert block_names(describe(Contents.of(name, 1, "none", 0), choice(), blocks, forcefield)) == ("PEO", "PA"), (
            name
        )


def test_groups_of_pebax(pebax: SystemDescription) -> None:
    groups = table_groups(pebax)
    sizes = {"Li": IONS, "C-O-C": 72 * CHAINS, "C=O": 14 * CHAINS, "NH": 12 * CHAINS, "N(TFSI)": IONS}
    assert {name: len(sites) for name, sites in groups.items()} == sizes
    assert {names_of(pebax)[site] for site in groups["C=O"]} == {"C", "O"}
    assert {names_of(pebax)[site] for site in groups["NH"]} == {"N", "H"}
    assert table_pairs(pebax) == [("Li", "C-O-C"), ("Li", "C=O"), ("Li", "N(TFSI)"), ("N(TFSI)", "NH")]


def test_parts_of_a_chain_are_neutral_and_complete(peo: SystemDescription, pebax: SystemDescription) -> None:
    for system in (peo, pebax):
        charges, groups, parts = system.charges(), table_groups(system), whole_groups(system)
        single = np.concatenate([sites for name, sites in parts.items() if name != "chain"])
        assert sorted(single.tolist()) == list(range(system.n_sites))
        for sites in (groups["C-O-C"], *(parts[name] for name in ("PEO", "PA", "chain") if name in parts)):
            assert charges[sites].sum() == pytest.approx(0, abs=1e-9)
        # the two groups differ by sites without charge alone
        assert not charges[np.setxor1d(groups["C-O-C"], parts["PEO"])].any()
    assert "chain" not in whole_groups(peo)


def test_scaled_pairs_are_those_of_up_to_three_bonds(pebax: SystemDescription) -> None:
    n = pebax.n_sites
    apart = np.full((n, n), 9, dtype=np.int8)
    np.fill_diagonal(apart, 0)
    linked = np.zeros((n, n), dtype=np.int64)
    i, j = pebax.bonds().T
    linked[i, j] = linked[j, i] = 1
    reached = np.eye(n, dtype=np.int64)
    for step in (1, 2, 3):
        reached = reached @ linked
        apart[(reached > 0) & (apart > step)] = step
    tfsi = np.isin(np.arange(n), pebax.sites_of("anion"))
    expected = {
        (a, b): 0.0 if apart[a, b] < 3 else 0.5 if tfsi[a] else 1.0
        for a, b in np.argwhere((apart <= 3) & (apart > 0)).tolist()
        if a < b
    }
    pairs = scaled_pairs(pebax)
    assert dict(zip(map(tuple, pairs.sites.tolist()), pairs.factors.tolist(), strict=True)) == expected


def test_pairs_without_an_angle_are_excluded_as_well(blocks: Library, forcefield: Gromos54A7) -> None:
    """PF6 has no angle across its centre; GROMACS goes by the bonds, and so three more F-F pairs are excluded."""
    models = blocks.choose("lipf6", "oxy-d", "default", "default", "gromos", 1.0)
    system = describe(Contents.of("peo", 1, "lipf6", 1), models, blocks, forcefield)
    anion, pairs = system.molecules_of("anion")[0], scaled_pairs(system)
    inside = np.isin(pairs.sites, anion).all(axis=1)
    assert sorted(map(tuple, pairs.sites[inside].tolist())) == list(itertools.combinations(anion.tolist(), 2))
    assert not pairs.factors[inside].any()


def test_groups_are_joined_from_cells() -> None:
    groups = {"a": np.array([0, 1, 2, 7]), "b": np.array([3, 4]), "wide": np.array([0, 1, 3, 9])}
    cells = partition(groups, 10)
    for name, sites in groups.items():
        np.testing.assert_array_equal(np.flatnonzero(cells.members[name][cells.cell]), sites)
    assert cells.cell.max() == 5  # what is in a; in a and wide; in b; in b and wide; in wide alone; in none
    rng = np.random.default_rng(1)
    by_site = rng.normal(size=(2, 10, 10))
    by_site += by_site.transpose(0, 2, 1)
    one_hot = np.eye(cells.cell.max() + 1)[cells.cell]
    forms = np.einsum("ia,fij,jb->fab", one_hot, by_site, one_hot)
    expected = 2 * by_site[:, groups["a"]][:, :, groups["b"]].sum(axis=(1, 2))
    np.testing.assert_allclose(between(forms, cells.members["a"], cells.members["b"]), expected)
    expected = by_site[:, groups["wide"]][:, :, groups["wide"]].sum(axis=(1, 2))
    np.testing.assert_allclose(within(forms, cells.members["wide"]), expected)


@pytest.mark.parametrize("mixing", ["gromos", "lorentz-berthelot", "lb-ions"])
def test_lennard_jones_pairs_are_those_of_the_tables(
    mixing: str, blocks: Library, forcefield: Gromos54A7, tmp_path: Path
) -> None:
    system = describe(Contents.of("pebax", 1, "litfsi", 1), choice(mixing), blocks, forcefield)
    write_topology(system, "test", tmp_path, blocks, forcefield)
    found, tables = read_lennard_jones(tmp_path / "forcefield.itp"), tables_for(system, blocks, forcefield)
    r = np.array([0.25, 0.41])
    for (i, a), (j, b) in itertools.product(enumerate(found.types), repeat=2):
        if a == b:
            v, w = tables.types[a]
        elif pair := tables.pairs.get((a, b)) or tables.pairs.get((b, a)):
            v, w = pair
        else:
            (sigma_a, epsilon_a), (sigma_b, epsilon_b) = tables.types[a], tables.types[b]
            v, w = (sigma_a + sigma_b) / 2, math.sqrt(epsilon_a * epsilon_b)
        expected = w / r**12 - v / r**6 if mixing == "gromos" else 4 * w * ((v / r) ** 12 - (v / r) ** 6)
        np.testing.assert_allclose(found.c12[i, j] / r**12 - found.c6[i, j] / r**6, expected, rtol=1e-8, atol=1e-9)
    assert [found.types[k] for k in found.of_sites(system)] == [
        s.type for e in system.molecules for s in e.molecule.sites
    ]


def test_geometric_pairs_where_none_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "forcefield.itp"
    path.write_text(
        "[ defaults ]\n1 1 no 1.0 1.0\n[ atomtypes ]\nA 6 12.0 0.0 A 4 9 ; x\nB 6 12.0 0.0 A 1 4\nC 6 12.0 0.0 A 9 1\n"
        "[ nonbond_params ]\nB A 1 5 7\n[ pairtypes ]\nA C 1 100 100\n"
    )
    found = read_lennard_jones(path)
    np.testing.assert_allclose(found.c6, [[4, 5, 6], [5, 1, 3], [6, 3, 9]])
    np.testing.assert_allclose(found.c12, [[9, 7, 3], [7, 4, 2], [3, 2, 1]])


def test_geometric_sigma_of_any_layout(tmp_path: Path) -> None:
    path = tmp_path / "forcefield.itp"
    path.write_text(
        "#define EPSILON 2.0\n[ defaults ]\n1 3 yes 0.5 0.5\n[ atomtypes ]\n"
        "A CT 6 12.0 0.0 A 0.2 EPSILON\nB 12.0 0.0 A 0.3 0.5 ; neither bonded type nor number\n"
    )
    found = read_lennard_jones(path)
    sigma, epsilon = math.sqrt(0.06), 1.0
    assert found.types == ("A", "B")
    assert found.c6[0, 1] == pytest.approx(4 * epsilon * sigma**6)
    assert found.c12[1, 0] == pytest.approx(4 * epsilon * sigma**12)
    assert found.c6[0, 0] == pytest.approx(8 * 0.2**6)


@pytest.mark.parametrize(
    "text",
    ["", "[ defaults ]\n2 3 no 1 1\n[ atomtypes ]\nA 6 12.0 0.0 A 4 9\n", "[ defaults ]\n1 1\n[ atomtypes ]\nA 6"],
)
def test_other_force_fields_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "forcefield.itp"
    path.write_text(text)
    with pytest.raises(DataError, match=r"forcefield\.itp: "):
        read_lennard_jones(path)


def test_a_type_without_parameters_is_named(tmp_path: Path, pebax: SystemDescription) -> None:
    path = tmp_path / "forcefield.itp"
    path.write_text("[ defaults ]\n1 1 no 1.0 1.0\n[ atomtypes ]\nOEP 8 16 0 A 1 1\n")
    with pytest.raises(DataError, match=r"no type C, CBT, CH2"):
        read_lennard_jones(path).of_sites(pebax)


def test_contacts_equal_a_double_loop(
    pebax: SystemDescription, blocks: Library, forcefield: Gromos54A7, tmp_path: Path
) -> None:
    write_topology(pebax, "test", tmp_path, blocks, forcefield)
    table = read_lennard_jones(tmp_path / "forcefield.itp")
    rng = np.random.default_rng(2)
    box = np.array([1.9, 2.1, 2.4])
    positions = rng.uniform(-0.5, 1.5, (pebax.n_sites, 3)) * box
    charges, types, lithium = pebax.charges(), table.of_sites(pebax), pebax.with_role("Li")
    reach = {"ether_O": 0.6, "carbonyl_O": 0.7, "anion_N": 0.9, "anion_O": 0.5}
    kinds = contact_kinds(pebax, reach)
    assert list(kinds) == list(reach)
    neighbours = {frozenset(pair) for pair in pebax.bonds().tolist()}
    inside = {
        "ether_O": table_groups(pebax)["C-O-C"],
        "carbonyl_O": table_groups(pebax)["C=O"],
        "anion_O": [],
        "anion_N": [],
    }

    def energies(i: int, j: int) -> np.ndarray:
        gap = positions[i] - positions[j]
        r = np.linalg.norm(gap - box * np.round(gap / box))
        lj = table.c12[types[i], types[j]] / r**12 - table.c6[types[i], types[j]] / r**6
        return np.array([r, lj, COULOMB_KJ_NM_MOL_E2 * charges[i] * charges[j] / r])

    for name, kind in kinds.items():
        expected = np.zeros(5)
        for ion, site in itertools.product(lithium, kind.sites):
            r, *of_site = energies(ion, site)
            if r < reach[name]:
                unit = [site, *(other for other in inside[name] if frozenset((site, other)) in neighbours)]
                assert len(unit) == {"ether_O": 3, "carbonyl_O": 2}.get(name, 1)
                expected += [1, *of_site, *sum(energies(ion, member)[1:] for member in unit)]
        assert expected[0] > 0
        found = contact_energies(positions, box, lithium, kind, charges, types, table)
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_kinds_without_a_reach_or_without_sites_are_left_out(peo: SystemDescription) -> None:
    assert list(contact_kinds(peo, {"ether_O": 0.3, "carbonyl_O": 0.3})) == ["ether_O"]


def test_error_over_blocks_is_that_of_a_slow_series() -> None:
    """Neighbouring frames are alike: the error is that of the 5 blocks, not of the 1,000 frames."""
    rng = np.random.default_rng(3)
    levels = rng.normal(10, 2, (400, 5))
    found = [block_mean(np.repeat(row, 200)) for row in levels]
    assert found[0].value == pytest.approx(levels[0].mean())
    # mean of the squared errors: the variance of a mean of five levels, known to 5 % from 400 repetitions
    assert np.mean([e.error**2 for e in found if e.error is not None]) == pytest.approx(4 / 5, rel=0.15)


def test_ratios() -> None:
    rng = np.random.default_rng(4)
    number = rng.integers(0, 6, 200).astype(float)
    exact = block_ratio(-3.0 * number, number)
    assert exact.value == pytest.approx(-3) and exact.error == pytest.approx(0, abs=1e-12)
    noisy = block_ratio(-3.0 * number + rng.normal(0, 1, 200), number)
    # standard deviation of the sum of the noise over the sum of the numbers
    assert noisy.error == pytest.approx(math.sqrt(200) / number.sum(), rel=0.9)
    assert noisy.value == pytest.approx(-3, abs=5 * math.sqrt(200) / number.sum())


def test_what_is_not_determined_is_none() -> None:
    assert block_mean(np.array([4.0])).error is None
    empty = block_ratio(np.zeros(10), np.zeros(10))
    assert empty.value is None and empty.error is None
    rare = np.zeros(10)
    rare[3] = 1
    assert block_ratio(5 * rare, rare).value == 5 and block_ratio(5 * rare, rare).error is None


def test_lines_of_the_index_file_are_short() -> None:
    """GROMACS cuts a line of more than 4,095 characters, and with it a number, in two."""
    text = index_text({"C-O-C": np.arange(10_000), "N(TFSI)": np.array([10_000])})
    assert max(map(len, text.splitlines())) < 100
    head, *numbers = text.split("[ NTFSI ]")[0].split("\n", 1)
    assert head == "[ COC ]" and [int(word) for word in numbers[0].split()] == list(range(1, 10_001))
    assert text.endswith("[ NTFSI ]\n10001\n")


def test_a_neat_polymer_has_no_pairs_and_says_so(blocks: Library, forcefield: Gromos54A7, tmp_path: Path) -> None:
    neat = describe(Contents.of("peo", 1, "none", 0), choice(), blocks, forcefield)
    (tmp_path / "system.json").write_text(to_json(neat))
    with XTCFile(str(tmp_path / "md.xtc"), "w") as file:
        for k in range(4):
            file.write(np.ones((neat.n_sites, 3), dtype=np.float32), 2 * np.eye(3, dtype=np.float32), k, float(k), 1000)
    csv, scalars = tmp_path / "interactions.csv", tmp_path / "interactions.json"
    analyse_interactions(
        tmp_path / "md.xtc",
        tmp_path,
        CRITERIA,
        csv,
        scalars,
        build=GromacsBuild(command="no-such-gmx"),
        threads=1,
        log=tmp_path / "gmx.log",
    )
    assert len(pd.read_csv(csv)) == 0
    found = json.loads(scalars.read_text())
    assert found["verdict"] == "the system has no lithium: there are no pairs"
    assert (found["frames"], found["use_interval_ps"]) == (2, 2.0)
    assert "short_range" not in found


def test_frames_of_no_run_are_refused_before_gromacs_is_asked(peo: SystemDescription, tmp_path: Path) -> None:
    (tmp_path / "system.json").write_text(to_json(peo))
    with XTCFile(str(tmp_path / "md.xtc"), "w") as file:
        for k in range(2):
            file.write(np.ones((peo.n_sites, 3), dtype=np.float32), 2 * np.eye(3, dtype=np.float32), k, float(k), 1000)
    with pytest.raises(DataError, match=r"md\.xtc: frame 0 is not of this system: the bonded sites \d+ and \d+"):
        analyse_interactions(
            tmp_path / "md.xtc",
            tmp_path,
            CRITERIA,
            tmp_path / "interactions.csv",
            tmp_path / "interactions.json",
            build=GromacsBuild(command="no-such-gmx"),
            threads=1,
            log=tmp_path / "gmx.log",
        )
    assert not (tmp_path / "interactions.json").exists()
