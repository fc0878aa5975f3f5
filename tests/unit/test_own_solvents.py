"""Solvents of our building blocks beside a polymer: names, numbers, roles, parameters, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from eoli.cli import main
from eoli.errors import InputError
from eoli.forcefield.library import Library
from eoli.forcefield.models import Contents
from eoli.study.config import Study, load_study
from eoli.study.systems import System, size_of, systems_of
from eoli.topology.build import describe, tables_for
from eoli.topology.description import SystemDescription
from eoli.topology.gromos import Gromos54A7
from eoli.topology.parameters import parameter_rows, parameters_page
from eoli.topology.selections import binding_partners, ether_torsions, pair_groups
from eoli.workflow.plan import Plan
from support import ROOT, choice

AVOGADRO_NM3_PER_CM3 = 602.214076
DME_G_MOL = 2 * 15.035 + 2 * 14.027 + 2 * 15.9994
"""CH3-O-CH2-CH2-O-CH3."""


def study_with(folder: Path, sweep: str) -> Study:
    path = folder / "own.yaml"
    path.write_text(f"sweep:\n  - {{{sweep}}}\n")
    return load_study([ROOT / "config/config.yaml", path], ROOT)


def one(folder: Path, solvents: str, block: str = "polymer: peo, eo_li: 12, temperature_K: 400") -> System:
    return next(iter(systems_of(study_with(folder, f"{block}, solvents: {solvents}")).values()))


@pytest.fixture
def wet(blocks: Library, forcefield: Gromos54A7) -> SystemDescription:
    return describe(Contents.of("peo", 2, "litfsi", 3, (("dme", 5),)), choice("lb-ions", 0.8), blocks, forcefield)


@pytest.mark.parametrize(
    ("asked", "count"),
    [("40", 40), ("{per_lithium: 2}", 100), ("{per_lithium: 0.45}", 23), ("{per_chain: 3}", 75), ("{per_chain: 0.1}", 3)],
)  # fmt: skip
def test_numbers_and_ratios(asked: str, count: int, blocks: Library, tmp_path: Path) -> None:
    system, dry = one(tmp_path, f"{{dme: {asked}}}"), one(tmp_path, "{}")
    assert (system.name, system.solvents) == (f"peo-eo12-400K-dme{count}-r1", (("dme", count),))
    assert (system.chains, system.cations, system.eo_li) == (dry.chains, dry.cations, dry.eo_li) == (25, 50, 12)
    beside, plain = size_of(system, blocks), size_of(dry, blocks)
    assert beside.sites - plain.sites == 6 * count
    assert beside.mass_g_mol - plain.mass_g_mol == pytest.approx(count * DME_G_MOL, rel=1e-4)
    volume = count * DME_G_MOL / 0.864 / AVOGADRO_NM3_PER_CM3
    assert math.prod(beside.edges_nm("cubic")) - math.prod(plain.edges_nm("cubic")) == pytest.approx(volume, rel=1e-3)


def test_the_ratio_of_a_supercell_is_its_parents(tmp_path: Path) -> None:
    block = "polymer: peo, eo_li: 12, temperature_K: 400, solvents: {dme: {per_chain: 0.1}}"
    path = tmp_path / "own.yaml"
    path.write_text(f"sweep:\n  - {{{block}}}\n  - {{{block}, supercell: [2, 1, 1]}}\n")
    parent, large = systems_of(load_study([ROOT / "config/config.yaml", path], ROOT)).values()
    assert (parent.solvents, large.solvents) == ((("dme", 3),), (("dme", 6),))


def test_the_oxygens_of_a_solvent_are_its_own(wet: SystemDescription) -> None:
    assert [(e.molecule.name, e.molecule.kind, e.count) for e in wet.molecules] == [
        ("PEO", "polymer", 2), ("LI", "cation", 3), ("TFSI", "anion", 3), ("DME", "solvent", 5)]  # fmt: skip
    # EO:Li counts those of the polymer
    assert len(wet.with_role("ether_O")) == 2 * 24 and len(wet.with_role("solvent_O")) == 5 * 2
    (solvent,) = (entry.molecule for entry in wet.molecules if entry.molecule.kind == "solvent")
    assert {site.block for site in solvent.sites} == {None} and solvent.charge == pytest.approx(0)
    assert set(wet.sites_of("solvent")) & set(ether_torsions(wet).ravel()) == set()
    assert {"ether_O", "solvent_O", "anion"} == set(binding_partners(wet))
    assert set(pair_groups(wet)["Li"]["solvent_O"]) == set(wet.with_role("solvent_O"))


def test_a_solvent_has_the_terms_of_its_units(wet: SystemDescription, blocks: Library, forcefield: Gromos54A7) -> None:
    """Read by hand: the two methyls, two ether oxygens and the ethylene between them."""
    solvent = wet.molecules[-1].molecule
    assert [(site.name, site.type, site.charge) for site in solvent.sites] == [
        (site.name, site.type, site.charge) for site in describe(
            Contents.of("dme", 1, "none", 0), choice(), blocks, forcefield).molecules[0].molecule.sites]  # fmt: skip
    assert [len(terms) for terms in (solvent.bonds, solvent.angles, solvent.pairs14)] == [5, 4, 3]
    assert {term.sites for term in solvent.dihedrals} == {(0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5)}


def test_ions_alone_are_scaled_and_mixed_as_ions(
    wet: SystemDescription, blocks: Library, forcefield: Gromos54A7
) -> None:
    tables = tables_for(wet, blocks, forcefield)
    # lb-ions: all pairs of neutral molecules are those of the pair table, none with an ion is written
    ions = {site.type for e in wet.molecules if e.molecule.kind in ("cation", "anion") for site in e.molecule.sites}
    neutral = {
        site.type for e in wet.molecules if e.molecule.kind in ("polymer", "solvent") for site in e.molecule.sites
    }
    assert {name for pair in tables.pairs for name in pair} == neutral and not neutral & ions
    rows = [row for row in parameter_rows(wet, tables, blocks).charges if row.molecule == "DME"]
    assert rows and all(row.unscaled == row.simulated for row in rows)
    page = parameters_page(wet, tables, blocks, "wet")
    assert '<td class="name">DME</td><td>solvent</td><td class="number">5</td>' in page


def test_what_a_rule_gets(tmp_path: Path) -> None:
    study = study_with(tmp_path, "polymer: peo, eo_li: 12, temperature_K: 400, solvents: {dme: {per_chain: 1}}")
    plan = Plan(study, systems_of(study), "")
    (name,) = plan.systems
    assert "--salt litfsi --cations 50 --solvent dme=25 --ether-set oxy-d" in plan.topology_flags(name)
    assert plan.molecules_flags(name) == "--polymer peo --salt litfsi --solvent dme=25"
    assert "solvent_O" in plan._contacts(name) and "solvent_N" not in plan._contacts(name)


def test_an_edit_of_the_solvent_changes_the_digest(copied_blocks: Path) -> None:
    def digests() -> list[str]:
        for read in (Library.polymer, Library.ion, Library.salt, Library.solvent, Library.unit):
            read.cache_clear()
        molecules = (Contents.of("peo", 1, "litfsi", 1, solvents) for solvents in ((), (("dme", 1),)))
        return [Library(copied_blocks).digest(contents, choice()) for contents in molecules]

    before = digests()
    path = copied_blocks / "units/OMe/oxy-d.yaml"
    path.write_text(path.read_text().replace("description: ", "description: changed ", 1))
    after = digests()
    assert after[0] == before[0] != before[1] and after[1] not in before


REFUSED = {
    "both": ("{dme: {per_chain: 1, per_lithium: 2}}", "solvents.dme: give one of per_lithium and per_chain"),
    "none of a ratio": ("{dme: {per_chain: 0.01}}", "sweep[0].solvents: dme: per_chain: 0.01 gives no molecule beside 25 chains"),
    "name": ("{dmee: 3}", "solvent 'dmee' is not in"),
    "no ratio": ("{dme: {}}", "own.yaml:2: sweep[0].solvents.dme: give one of per_lithium and per_chain"),
    "key": ("{dme: {per_litium: 2}}", "solvents.dme.per_litium: unknown key (did you mean per_lithium?)"),
    "negative": ("{dme: {per_lithium: -2}}", "solvents.dme.per_lithium: -2 is not allowed"),
    "text": ("{dme: many}", "solvents.dme: 'many' is not allowed: Input should be a valid integer"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_a_sweep_asks_wrongly_is_one_line(kind: str, tmp_path: Path) -> None:
    solvents, said = REFUSED[kind]
    with pytest.raises(InputError) as caught:
        one(tmp_path, solvents)
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("molecule: DME", "molecule: PEO", "molecules named PEO, LI, TFSI, PEO would share a file"),
        ("EO, OMe", "EO", "solvents/dme.yaml:5: sequence: the chain has a charge of"),
        ("EO, OMe", "EOO, OMe", "solvents/dme.yaml:5: sequence[1]: unit 'EOO' is not in"),
        ("density_g_cm3", "neat_density_g_cm3", "solvents/dme.yaml:6: neat_density_g_cm3: unknown key"),
    ],
)
def test_what_an_entry_says_wrongly_is_one_line_of_eoli_check(
    old: str, new: str, said: str, copied_blocks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copied_blocks / "solvents/dme.yaml"
    path.write_text(path.read_text().replace(old, new))
    own = tmp_path / "own.yaml"
    own.write_text(f"topologies: {copied_blocks}\nsweep: [{{polymer: peo, eo_li: 12, solvents: {{dme: 4}}}}]\n")
    assert main(["check", "--config", str(ROOT / "config/config.yaml"), str(own)]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1, err
