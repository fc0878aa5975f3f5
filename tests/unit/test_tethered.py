"""Chains that carry the anions, with lithium alone: what a sweep asks, the box that follows, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from eoli.cli import main
from eoli.errors import ForceFieldError
from eoli.forcefield.library import Library
from eoli.forcefield.models import IMPORTED, Contents, ForceFieldChoice
from eoli.study.config import load_study
from eoli.study.systems import System, size_of, systems_of
from eoli.summary.sweep_table import collect
from eoli.topology.imported import read_topology
from eoli.topology.imported_box import imported_box, write_imported
from eoli.topology.species import species_of
from imported_blocks import follow
from support import ROOT

CHAIN, SALT, ITP = "polymers/glyme-sulfonate.yaml", "salts/lithium-opls.yaml", "oplsaa/glyme-sulfonate.itp"
NAME = "glyme-sulfonate-eo2-400K-lithium-opls-r1"
SWEEP = "polymer: glyme-sulfonate, salt: lithium-opls"
BLEND = "{glyme-sulfonate: 0.25, dme-opls: 0.75}"
CHOICE = ForceFieldChoice("imported-oplsaa", "oplsaa", None, IMPORTED, 1.0)
BASE = str(ROOT / "config/config.yaml")


@pytest.fixture
def blocks(copied_blocks: Path) -> Path:
    follow(copied_blocks)
    return copied_blocks


def own(blocks: Path, *entries: str) -> Path:
    path = blocks.parent / "own.yaml"
    rows = "".join(f"  - {{{entry}, temperature_K: 400}}\n" for entry in entries)
    path.write_text(f"topologies: {blocks}\nbox: {{chains: 120}}\nsweep:\n{rows}")
    return path


def systems(blocks: Path, *entries: str) -> list[System]:
    return [*systems_of(load_study([Path(BASE), own(blocks, *entries)], ROOT)).values()]


def test_lithium_and_the_ratio_follow_from_the_chains(blocks: Path, tmp_path: Path) -> None:
    alone, fourth, counted, repeated = systems(
        blocks,
        "polymer: glyme-sulfonate, salt: lithium-opls, solvents: {acetonitrile: {per_lithium: 0.5}}",
        f"polymer: {BLEND}, salt: lithium-opls",
        "polymer: {glyme-sulfonate: 60, dme-opls: 100}, salt: lithium-opls",
        f"polymer: {BLEND}, salt: lithium-opls, supercell: [2, 1, 1]",
    )
    assert alone.name == "glyme-sulfonate-eo2-400K-lithium-opls-acetonitrile60-r1"
    assert (alone.cations, alone.ether_oxygens, alone.eo_li, alone.eo_li_asked) == (120, 240, 2, 2)
    # 30 charged chains among 120 with two ether oxygens each
    assert (fourth.cations, fourth.eo_li) == (30, 8) and "-eo8-400K" in fourth.name
    # 320 / 60
    assert (counted.cations, counted.eo_li_asked) == (60, 5.3333) and "-eo5.3333-400K" in counted.name
    assert (repeated.cations, repeated.eo_li_asked, repeated.parent) == (60, 8, fourth.name)
    assert (alone.choice.cation_model, alone.choice.anion_model) == ("oplsaa", None)
    size = size_of(fourth, Library(blocks))
    assert size.sites == 30 * 22 + 90 * 16 + 30
    assert size.mass_g_mol == pytest.approx(30 * 183.206 + 90 * 90.12 + 30 * 6.941)
    # lithium adds its mass and no volume
    assert size.ideal_density_g_cm3 == pytest.approx(size.mass_g_mol / (30 * 183.206 / 1.3 + 90 * 90.12 / 0.86))
    row = collect([fourth], ["production"], "production", tmp_path, tmp_path / "sweep.csv", allow_missing=True).iloc[0]
    assert (row["eo_li_asked"], row["eo_li_simulated"], row["lithium_ions"]) == (8, 8, 30)
    assert row["salt"] == "lithium-opls" and row["anion_model"] is None


def test_the_box_is_neutral_and_has_an_anion_on_each_chain(blocks: Path, tmp_path: Path) -> None:
    box = imported_box(Contents.of("glyme-sulfonate", 6, "lithium-opls", 6), CHOICE, Library(blocks))
    described = box.description
    assert [(e.molecule.name, e.molecule.kind, e.molecule.formal_charge, e.count) for e in described.molecules] == [
        ("GSO", "polymer", -1, 6), ("LI", "cation", 1, 6)]  # fmt: skip
    assert described.charges().sum() == pytest.approx(0, abs=1e-9)
    found = species_of(described)
    (anion,), (lithium,), (chain,) = found["anion"], found["Li"], found["chain"]
    assert (anion.label, anion.charge, len(anion.sites)) == ("GSO_anion", -1, 6) and len(lithium.sites) == 6
    names = described.of_sites(lambda site: site.name)
    # the sulfur connects the oxygens and has no part in their centre
    assert [*zip(names[anion.sites[0]], anion.masses, strict=True)] == [
        ("S8", 0.0), ("O9", 15.9994), ("O10", 15.9994), ("O11", 15.9994)]  # fmt: skip
    assert chain.sites.shape == (6, 22)
    write_imported(box, "title", tmp_path / "out")
    written = read_topology(tmp_path / "out/system.top")
    assert written.molecule("GSO").charge + written.molecule("LI").charge == pytest.approx(0, abs=1e-9)


def test_chains_without_ether_oxygens_have_a_ratio_of_zero(blocks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = (blocks / CHAIN).read_text()
    entry = entry.replace("oxygens: 2", "oxygens: 0").replace("ether_O: type opls_180, ", "")
    (blocks / CHAIN).write_text(entry)
    (system,) = systems(blocks, SWEEP)
    assert (system.name, system.eo_li, system.eo_li_asked) == (NAME.replace("eo2", "eo0"), 0, 0)
    assert system.cations == 120
    assert main(["check", "--config", BASE, str(own(blocks, SWEEP))]) == 0
    assert system.name in capsys.readouterr().out


def test_two_anions_on_a_chain_want_two_lithium_ions(blocks: Path) -> None:
    """A chain of charge -2: its one group with a role of an anion has both, and two groups have one each."""
    text = (blocks / ITP).read_text()
    # a second sulfonate would be another molecule: here the ether oxygen O2 takes another charge of -1
    (blocks / ITP).write_text(text.replace("O2   5  -0.400", "O2   5  -1.400"))
    for roles, charge in (("type OXT", -2), ("type OXT or name O2", -1)):
        entry = (
            (ROOT / "docs/own-molecules.md").read_text().partition("```yaml\npolymer: glyme-s")[2].partition("```")[0]
        )
        entry = "polymer: glyme-s" + entry.replace("charge: -1", "charge: -2").replace("type OXT", roles)
        if charge == -1:
            entry = entry.replace("type opls_180", "name O5").replace("oxygens: 2", "oxygens: 1")
        (blocks / CHAIN).write_text(entry)
        Library.polymer.cache_clear()
        of_blocks = Library(blocks)
        (system,) = systems(blocks, SWEEP)
        assert system.cations == 240
        box = imported_box(dataclasses.replace(system.contents.names, salts=(("lithium-opls", 2),)), CHOICE, of_blocks)
        assert {species.charge for species in species_of(box.description)["anion"]} == {charge}
        with pytest.raises(ForceFieldError, match=r"the box has a charge of -1\.0000 e"):
            imported_box(system.contents.names, CHOICE, of_blocks)


def test_a_neutral_chain_that_says_so_is_the_same(blocks: Path) -> None:
    def digest() -> str:
        Library.polymer.cache_clear()
        choice = ForceFieldChoice("imported-oplsaa", "oplsaa", "clandp2004", IMPORTED, 1.0)
        return Library(blocks).digest(Contents.of("dme-opls", 1, "litfsi-opls", 1), choice)

    before = digest()
    entry = blocks / "polymers/dme-opls.yaml"
    entry.write_text(entry.read_text() + "charge: 0\n")
    assert digest() == before


WRONG: dict[str, tuple[str, tuple[str, str, str] | None, str]] = {
    "other charge than the files": (SWEEP, (CHAIN, "charge: -1", "charge: -2"), "glyme-sulfonate.itp:26 sum to -1.0000 e; allowed: -1\n"),
    "charge without its key": (SWEEP.replace("lithium", "litfsi") + ", eo_li: 12", (CHAIN, "charge: -1\n", ""), "has a charge of -1.0000 e; allowed: 0, or a whole negative one"),
    "scaled charges": (SWEEP, (ITP, "1.020  32", "1.220  32"), "sum to -0.8000 e; allowed: a topology with the full charges"),
    "fraction": (SWEEP, (CHAIN, "charge: -1", "charge: -1.5"), "glyme-sulfonate.yaml:10: charge: -1.5 is not allowed"),
    "positive": (SWEEP, (CHAIN, "charge: -1", "charge: 1"), "glyme-sulfonate.yaml:10: charge: 1 is not allowed"),
    "no role of an anion": (SWEEP, (CHAIN, ", anion_O: type OXT", ""), "roles: GSO has 0 groups of atoms with roles of anions and a charge of -1 e"),
    "more anions than charges": (SWEEP, (CHAIN, "opls_180, anion_O: type OXT", "opls_180 and name O5, anion_O: type OXT or name O2"), "GSO has 2 groups"),
    "anions on a neutral chain": ("polymer: dme-opls, salt: litfsi-opls, eo_li: 12", ("polymers/dme-opls.yaml", "ether_O: type opls_180", "ether_O: name O2, anion_O: name O5"), "DME has 1 groups of atoms with roles of anions and a charge of 0 e"),
    "ratio": (SWEEP + ", eo_li: [12, 8]", None, "sweep[0].eo_li: has no meaning for glyme-sulfonate with lithium-opls: 120 lithium ions neutralise its chains, which gives 2;"),
    "factor": (SWEEP + ", ion_charge_scale: [1.0, 0.8]", None, "ion_charge_scale: "),
    "salt with an anion": ("polymer: glyme-sulfonate, salt: litfsi-opls, eo_li: 12", None, "charge: GSO has a charge of -1 e; allowed: with a salt that has no anion"),
    "usual salt": ("polymer: glyme-sulfonate, eo_li: 12", None, "charge: GSO has a charge of -1 e; allowed: with a salt that has no anion"),
    "no salt": ("polymer: glyme-sulfonate, salt: none", None, "charge: GSO has a charge of -1 e"),
    "mixture": ("polymer: glyme-sulfonate, salt: {lithium-opls: 0.5, litfsi-opls: 0.5}", None, "lithium-opls has no anion, and a mixture has shares of anions; allowed: lithium-opls by itself"),
    "neutral chain": ("polymer: dme-opls, salt: lithium-opls", None, "salt: lithium-opls has no anion, and DME has no charge; allowed: a polymer with a charge, or a salt with an anion"),
    "our chain": ("polymer: peo, salt: lithium-opls", None, "salt: lithium-opls has no anion, and PEO has no charge"),
    "model of no anion": (SWEEP + ", anion_model: clandp2004", None, "'clandp2004' is not allowed for the anions of lithium-opls"),
    "half an anion": (SWEEP, (SALT, "cation_model: oplsaa", "cation_model: oplsaa\nanion: tfsi-opls"), "anion_model, molar_volume_cm3_mol missing beside the others"),
    "no ratio of an ordinary salt": ("polymer: dme-opls, salt: litfsi-opls", None, "sweep[0].eo_li: is missing; a salt needs it"),
    "role of nobody": (SWEEP, (CHAIN, "anion_O", "anion_X"), "roles.anion_X: is not allowed (did you mean anion_O?)"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_not_possible_with_charged_chains_is_one_line(
    kind: str, blocks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry, edit, said = WRONG[kind]
    if edit is not None:
        name, old, new = edit
        text = (blocks / name).read_text()
        assert text.count(old) == 1, old
        (blocks / name).write_text(text.replace(old, new))
    assert main(["check", "--config", BASE, str(own(blocks, entry))]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1, err
