"""Solvents beside an imported polymer: what a sweep asks for, in names, sizes, digests, boxes and tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from eoli.cli import main
from eoli.errors import InputError
from eoli.figures.sweep import read_grouped
from eoli.forcefield.library import Library
from eoli.forcefield.models import IMPORTED, Contents, Labels
from eoli.study.axes import SOLVENTS
from eoli.study.config import Study, load_study
from eoli.study.systems import System, size_of, systems_of
from eoli.summary.sweep_table import collect
from eoli.topology.description import SystemDescription, read_description
from eoli.topology.imported_box import imported_box, write_imported
from eoli.workflow.plan import Plan
from imported_blocks import follow
from support import ROOT

AVOGADRO_NM3_PER_CM3 = 602.214076
SOLVENT = "solvents/acetonitrile.yaml"
BLOCK = "polymer: dme-opls, salt: litfsi-opls, eo_li: 12, temperature_K: 400"


@pytest.fixture
def sweep(copied_blocks: Path) -> str:
    # charged chains have no solvent on the page
    lines = follow(copied_blocks).splitlines(keepends=True)
    return "".join(line for line in lines if "sulfonate" not in line)


def study_with(blocks: Path, folder: Path, sweep: str, more: str = "") -> Study:
    path = folder / "own.yaml"
    path.write_text(f"topologies: {blocks}\nbox: {{chains: 120}}\n{sweep}{more}")
    return load_study([ROOT / "config/config.yaml", path], ROOT)


def one(blocks: Path, folder: Path, solvents: str, block: str = BLOCK) -> System:
    return next(iter(systems_of(study_with(blocks, folder, f"sweep: [{{{block}, solvents: {solvents}}}]\n")).values()))


def box(blocks: Library, system: System) -> SystemDescription:
    return imported_box(system.contents, system.choice, blocks).description


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_systems_of_the_page(sweep: str, copied_blocks: Path, tmp_path: Path) -> None:
    systems = list(systems_of(study_with(copied_blocks, tmp_path, sweep)).values())
    assert [(s.name, s.cations, s.solvents) for s in systems] == [
        ("dme-opls-eo12-400K-litfsi-opls-r1", 20, ()),
        ("dme-opls-eo8-400K-litfsi-opls-r1", 30, ()),
        ("dme-opls-eo12-400K-litfsi-opls-acetonitrile30-r1", 20, (("acetonitrile", 30),)),
        ("dme-opls-eo8-400K-litfsi-opls-acetonitrile60-r1", 30, (("acetonitrile", 60),)),
    ]
    blocks = Library(copied_blocks)
    plain, beside = (size_of(systems[number], blocks) for number in (0, 2))
    assert beside.sites - plain.sites == 30 * 6
    # CH3CN: 2 C, 3 H, N
    assert beside.mass_g_mol - plain.mass_g_mol == pytest.approx(30 * (2 * 12.011 + 3 * 1.008 + 14.0067), rel=1e-4)
    assert math.prod(beside.edges_nm("cubic")) - math.prod(plain.edges_nm("cubic")) == pytest.approx(
        30 * 41.053 / 0.777 / AVOGADRO_NM3_PER_CM3, rel=1e-6
    )
    whole = box(blocks, systems[2])
    assert whole.n_sites == beside.sites
    assert sum(e.molecule.mass * e.count for e in whole.molecules) == pytest.approx(beside.mass_g_mol, rel=1e-4)


def test_the_box_has_the_solvent_last_with_its_roles(sweep: str, copied_blocks: Path, tmp_path: Path) -> None:
    blocks = Library(copied_blocks)
    salted = one(copied_blocks, tmp_path, "{acetonitrile: 7}")
    found = box(blocks, replace(salted, contents=Contents.of("dme-opls", 6, "litfsi-opls", 1, salted.solvents)))
    assert [(e.molecule.name, e.molecule.kind, e.count) for e in found.molecules] == [
        ("DME", "polymer", 6), ("LI", "cation", 1), ("TFSI", "anion", 1), ("ACN", "solvent", 7)]  # fmt: skip
    assert len(found.with_role("solvent_N")) == len(found.molecules_of("solvent")) == 7
    neat = one(copied_blocks, tmp_path, "{acetonitrile: 7}", "polymer: dme-opls, salt: none, temperature_K: 400")
    assert neat.name == "dme-opls-neat-400K-acetonitrile7-r1"
    made = imported_box(Contents.of("dme-opls", 6, "none", 0, neat.solvents), neat.choice, blocks)
    assert [(e.molecule.kind, e.count) for e in made.description.molecules] == [("polymer", 6), ("solvent", 7)]
    write_imported(made, "x", tmp_path / "out")
    assert (tmp_path / "out/system.top").read_text().endswith("DME 6\nACN 7\n")
    assert read_description(tmp_path / "out/system.json") == made.description


def test_charges_of_a_solvent_are_not_scaled(sweep: str, copied_blocks: Path, tmp_path: Path) -> None:
    scaled = one(copied_blocks, tmp_path, "{acetonitrile: 7}", f"{BLOCK}, ion_charge_scale: 0.75")
    *_, anion, solvent = (entry.molecule for entry in box(Library(copied_blocks), scaled).molecules)
    assert anion.charge == pytest.approx(-0.75)
    assert [site.charge for site in solvent.sites] == [-0.08, 0.46, -0.56, 0.06, 0.06, 0.06]


def test_ratios_are_rounded_half_up(sweep: str, copied_blocks: Path, tmp_path: Path) -> None:
    counts = [
        one(copied_blocks, tmp_path, f"{{acetonitrile: {{per_lithium: {ratio}}}}}").solvents[0][1]
        for ratio in (0.025, 0.125, 1, 2.02)
    ]
    assert counts == [1, 3, 20, 40]


def test_a_supercell_repeats_the_solvent(sweep: str, copied_blocks: Path, tmp_path: Path) -> None:
    block = f"{BLOCK}, solvents: {{acetonitrile: 30}}"
    text = f"sweep:\n  - {{{block}}}\n  - {{{block}, supercell: [2, 1, 1]}}\n"
    parent, large = systems_of(study_with(copied_blocks, tmp_path, text)).values()
    assert (large.parent, large.solvents) == (parent.name, (("acetonitrile", 60),))
    assert large.name == "dme-opls-eo12-400K-litfsi-opls-acetonitrile30-2x1x1-r1"
    blocks = Library(copied_blocks)
    assert size_of(large, blocks).sites == 2 * size_of(parent, blocks).sites


def test_what_a_rule_gets(sweep: str, copied_blocks: Path, tmp_path: Path) -> None:
    study = study_with(copied_blocks, tmp_path, sweep)
    plan = Plan(study, systems_of(study), "")
    plain, beside = (f"dme-opls-eo12-400K-litfsi-opls{part}-r1" for part in ("", "-acetonitrile30"))
    assert "--cations 20 --solvent acetonitrile=30 --ether-set" in plan.topology_flags(beside)
    assert "solvent" not in plan.topology_flags(plain)
    assert plan.blocks_digest(beside) != plan.blocks_digest(plain)
    # lithium's contacts are counted with the sites that the box has
    assert [set(plan._contacts(name)) & {"solvent_N", "solvent_O"} for name in (plain, beside)] == [
        set(), {"solvent_N"}]  # fmt: skip


def test_an_edit_of_the_solvent_changes_the_digest(sweep: str, copied_blocks: Path) -> None:
    def digests() -> list[str]:
        for read in (Library.polymer, Library.ion, Library.salt, Library.solvent):
            read.cache_clear()
        blocks = Library(copied_blocks)
        choice = blocks.choose("litfsi-opls", "imported-oplsaa", "default", "default", IMPORTED, 1.0)
        molecules = partial(Contents.of, "dme-opls", 1, "litfsi-opls", 1)
        return [blocks.digest(molecules(names), choice) for names in ((), (("acetonitrile", 1),))]

    plain, before = digests()
    path = copied_blocks / "oplsaa/acetonitrile.itp"
    path.write_text(path.read_text().replace("543920.0", "543921.0"))
    assert digests()[0] == plain != before and digests()[1] != before


REFUSED: dict[str, tuple[str, str, str]] = {
    "name": (BLOCK, "{acetonitril: 5}", "sweep[0].solvents: solvent 'acetonitril' is not in"),
    "hint": (BLOCK, "{acetonitril: 5}", "(did you mean acetonitrile?); allowed: acetonitrile"),
    "none": (BLOCK, "{acetonitrile: 0}", "own.yaml:3: sweep[0].solvents.acetonitrile: 0 is not allowed"),
    "part": (BLOCK, "{acetonitrile: 1.5}", "sweep[0].solvents.acetonitrile: 1.5 is not allowed"),
    "no lithium": (BLOCK.replace("litfsi-opls, eo_li: 12", "none"), "{acetonitrile: {per_lithium: 2}}",
                   "sweep[0].solvents: acetonitrile: per_lithium: 2 gives no molecule beside 0 lithium ions"),
    "too few": (BLOCK, "{acetonitrile: {per_lithium: 0.02}}", "per_lithium: 0.02 gives no molecule beside 20 lithium ions"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_a_sweep_asks_wrongly_is_one_line(kind: str, sweep: str, copied_blocks: Path, tmp_path: Path) -> None:
    block, solvents, said = REFUSED[kind]
    assert said in refusal(lambda: one(copied_blocks, tmp_path, solvents, block))


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (SOLVENT, "mass_g_mol: 41.053", "mass_g_mol: 42.053", "acetonitrile.yaml:8: mass_g_mol: 42.053 is not allowed"),
        (SOLVENT, "solvent_N:", "anion_N:", "roles.anion_N: is not allowed; allowed: solvent_O, solvent_N"),
        (SOLVENT, "density_g_cm3:", "density:", "acetonitrile.yaml:10: density: unknown key"),
        (SOLVENT, "molecule: ACN", "molecule: DME", "molecules named DME, LI, TFSI, DME would share a file"),
        ("oplsaa/acetonitrile.itp", "2   0.460", "2   0.480", "has a charge of +0.0200 e; allowed: 0 for a solvent"),
    ],
)
def test_what_an_entry_says_wrongly_is_one_line_of_eoli_check(
    file: str, old: str, new: str, said: str, sweep: str, copied_blocks: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = copied_blocks / file
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    (tmp_path / "own.yaml").write_text(f"topologies: {copied_blocks}\nbox: {{chains: 120}}\n{sweep}")
    assert main(["check", "--config", str(ROOT / "config/config.yaml"), str(tmp_path / "own.yaml")]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1, err


def test_the_table_of_a_sweep_has_a_column_of_solvents_only_with_some(
    sweep: str, copied_blocks: Path, tmp_path: Path
) -> None:
    systems = list(systems_of(study_with(copied_blocks, tmp_path, sweep)).values())

    def columns(chosen: list[System]) -> pd.DataFrame:
        return collect(chosen, ["npt"], "npt", tmp_path / "results", tmp_path / "sweep.csv", allow_missing=True)

    plain = columns(systems[:2])
    assert SOLVENTS not in plain
    for order in (systems, systems[::-1]):
        mixed = columns(order)
        assert list(mixed.columns) == [*plain.columns, SOLVENTS]
        assert list(mixed[SOLVENTS].fillna("")) == [" ".join(f"{n}:{c}" for n, c in s.solvents) for s in order]
    # at the same ratio, one group without a solvent and one with it, under the name for people
    groups = read_grouped(tmp_path / "sweep.csv", Labels(solvents={"acetonitrile": "MeCN"})).groups
    assert sorted(group.label for group in groups) == [
        f"dme-opls{solvent}, imported force field oplsaa" for solvent in (", 30 MeCN", ", 60 MeCN", "")]  # fmt: skip


def test_labels_of_solvents(sweep: str, copied_blocks: Path) -> None:
    found = Library(copied_blocks).labels(["dme-opls"], ["litfsi-opls"], ["acetonitrile", "other"])
    assert (found.solvent("acetonitrile"), found.solvent("other")) == ("acetonitrile", "other")


def test_a_box_with_another_number_of_molecules_is_not_shown(sweep: str, copied_blocks: Path, tmp_path: Path) -> None:
    system = one(copied_blocks, tmp_path, "{acetonitrile: 30}")
    results = tmp_path / "results"
    other = replace(system.contents, solvents=(("acetonitrile", 29),))
    made = imported_box(other, system.choice, Library(copied_blocks))
    write_imported(made, "x", results / system.name / "topology")
    table = collect([system], ["npt"], "npt", results, tmp_path / "sweep.csv", allow_missing=True)
    assert f"solvent molecules: 29, where {system.name} of the study has 30; run it again" in table["status"][0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["acetonitrile=5", "acetonitrile=6"], "--solvent: names a solvent twice; allowed: one number for each"),
        (["acetonitrile=0"], "--solvent: 0 is not allowed"),
        (["acetonitrile"], "'acetonitrile' is not allowed; allowed: NAME=NUMBER"),
    ],
)
def test_what_the_command_is_asked_wrongly(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = f"--blocks {tmp_path} --polymer x --chains 2 --salt none --cations 0 --ether-set x --mixing imported"
    rest = ["--ion-charge-scale", "1", "--out", str(tmp_path), "--solvent", *words]
    try:
        code = main(["topology", *given.split(), *rest])
    except SystemExit as stop:
        code = int(str(stop.code))
    err = capsys.readouterr().err
    assert code == 2 and said in err, err
