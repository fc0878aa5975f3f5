"""Molecules of others in a study: what their entries say is compared with their files, and reaches the box."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from eoli.cli import main
from eoli.errors import ForceFieldError, InputError
from eoli.forcefield.library import Library
from eoli.forcefield.models import IMPORTED, Contents
from eoli.study.config import load_study
from eoli.study.systems import size_of, systems_of
from eoli.topology import imported_box as imported_box_module
from eoli.topology.composed import compose
from eoli.topology.description import read_description
from eoli.topology.imported import read_topology
from eoli.topology.imported_box import ImportedBox, imported_box, write_imported
from imported_blocks import follow
from support import ROOT

CHAIN, ANION = "polymers/dme-opls.yaml", "ions/tfsi-opls.yaml"


@pytest.fixture
def sweep(copied_blocks: Path) -> str:
    return follow(copied_blocks)


def box(root: Path, scale: float = 1.0, chains: int = 6, cations: int = 1) -> ImportedBox:
    blocks = Library(root)
    choice = blocks.choose("litfsi-opls", "imported-oplsaa", "default", "default", IMPORTED, scale)
    return imported_box(Contents.of("dme-opls", chains, "litfsi-opls", cations), choice, blocks)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new))


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_box_has_the_molecules_of_the_files_with_their_roles(sweep: str, copied_blocks: Path) -> None:
    found = box(copied_blocks).description
    original = read_topology(copied_blocks / "oplsaa/box.top")
    assert [(e.molecule.name, e.molecule.kind, e.count) for e in found.molecules] == [
        ("DME", "polymer", 6), ("LI", "cation", 1), ("TFSI", "anion", 1)]  # fmt: skip
    for entry in found.molecules:
        own = original.molecule(entry.molecule.name).sites
        assert [(s.name, s.type, s.charge, s.mass) for s in entry.molecule.sites] == [
            (s.name, s.type, s.charge, s.mass) for s in own]  # fmt: skip
    assert len(found.with_role("ether_O")) == 12
    assert [len(found.with_role(role)) for role in ("Li", "anion_O", "anion_N", "anion_F")] == [1, 4, 1, 6]


def test_a_charge_scale_reaches_the_ions_alone(sweep: str, copied_blocks: Path, tmp_path: Path) -> None:
    found = box(copied_blocks, scale=0.75)
    chain, lithium, anion = (entry.molecule for entry in found.description.molecules)
    assert (chain.charge, lithium.charge, anion.charge) == pytest.approx((0, 0.75, -0.75), abs=1e-12)
    assert (lithium.formal_charge, anion.formal_charge) == (1, -1)
    write_imported(found, "scaled", tmp_path / "out")
    # what mdrun reads, read back
    written = read_topology(tmp_path / "out/system.top")
    assert written.molecule("TFSI").charge == pytest.approx(-0.75, abs=1e-12)
    assert written.molecule("DME").sites[4].charge == chain.sites[4].charge == -0.4
    assert read_description(tmp_path / "out/system.json") == found.description


def test_the_systems_of_a_sweep_have_the_sizes_of_the_files(sweep: str, copied_blocks: Path, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(f"topologies: {copied_blocks}\nbox: {{chains: 120}}\n{sweep}")
    study = load_study([ROOT / "config/config.yaml", tmp_path / "own.yaml"], ROOT)
    first, second, *_ = systems_of(study).values()
    assert (first.name, second.name) == ("dme-opls-eo12-400K-litfsi-opls-r1", "dme-opls-eo8-400K-litfsi-opls-r1")
    assert (first.ether_oxygens, first.cations, second.cations) == (240, 20, 30)
    assert (first.choice.ether_set, first.choice.mixing) == ("imported-oplsaa", IMPORTED)
    size = size_of(first, Library(copied_blocks))
    whole = box(copied_blocks, chains=120, cations=20).description
    assert size.sites == whole.n_sites == 120 * 16 + 20 * 16
    assert size.mass_g_mol == pytest.approx(sum(e.molecule.mass * e.count for e in whole.molecules), rel=1e-4)


def test_an_edit_of_an_included_file_changes_the_digest_and_one_elsewhere_does_not(
    sweep: str, copied_blocks: Path
) -> None:
    def digest() -> str:
        # a process reads a folder once
        for read in (Library.polymer, Library.ion, Library.salt):
            read.cache_clear()
        blocks = Library(copied_blocks)
        choice = blocks.choose("litfsi-opls", "imported-oplsaa", "default", "default", IMPORTED, 1.0)
        return blocks.digest(Contents.of("dme-opls", 1, "litfsi-opls", 1), choice)

    before = digest()
    edit(copied_blocks / CHAIN, "label: DME\n", "label: glyme\n")
    (copied_blocks / "oplsaa/unused.itp").write_text("; nothing\n")
    edit(copied_blocks / ANION, "ion: tfsi-opls", "# a comment\nion: tfsi-opls")
    assert digest() == before
    edit(copied_blocks / "oplsaa/dme.itp", "0.140  12.011", "0.140  12.012")
    assert digest() != before


OWN_LITHIUM = (
    (ROOT / "topologies/ions/LI/aqvist.yaml")
    .read_text()
    .replace("ion: LI", "ion: li-opls")
    .replace("model: aqvist", "model: oplsaa")
)

WRONG: dict[str, tuple[str, str | None, str, str]] = {
    "mass": (CHAIN, "90.12", "91.12", "dme-opls.yaml:9: mass_g_mol: 91.12 is not allowed; allowed: 90.123"),
    "atoms": (CHAIN, "atoms: 16", "atoms: 17", "dme-opls.yaml:8: atoms: 17 is not allowed; allowed: 16"),
    "ether oxygens": (CHAIN, "oxygens: 2", "oxygens: 3", "ether_oxygens: 3 is not allowed; allowed: 2"),
    "name": (CHAIN, "molecule: DME", "molecule: DMX", "dme-opls.yaml:7: molecule: "),
    "role of nothing": (CHAIN, "opls_180", "opls_199", "roles.ether_O: 'type opls_199' matches no atom of DME"),
    "no role": (CHAIN, "ether_O:", "ether_X:", "roles.ether_X: is not allowed (did you mean ether_O?)"),
    "overlap": (CHAIN, "{ether_O: type opls_180}", "{ether_O: type opls_180, hydroxyl_O: name O2}", "do not overlap"),
    "no selection": (CHAIN, "type opls_180", "typo opls_180", "is no selection"),
    "no structure": (CHAIN, "dme.gro", "dmx.gro", "dme-opls.yaml:6: structure: no file"),
    "no topology": (CHAIN, "oplsaa/box.top", "oplsaa/bo.top", "bo.top: cannot be read: No such file or directory"),
    "no charge": (ANION, "charge: -1", "charge: 0", "an ion has a charge"),
    "other charge": (ANION, "charge: -1", "charge: -2", "'tfsi-opls' has a charge of -2 e; allowed: -1 e"),
    "scaled charges": ("oplsaa/litfsi.itp", "q_n -0.66", "q_n -0.36", "sum to -0.7000 e; allowed: ion_charge_scale: 0.7"),
    "lost include": ("oplsaa/box.top", '"dme.itp"', '"dm.itp"', "the include 'dm.itp' is not found"),
    "folder of includes": (CHAIN, "molecule: DME", "molecule: DME\ninclude: [opls]", "dme-opls.yaml:8: include: no folder "),
    "macro": (CHAIN, "molecule: DME", "molecule: DME\ndefines: {FLEXIBEL: ''}", "box.top: nothing uses the macro 'FLEXIBEL' of defines"),
    "own ion": ("ions/li-opls.yaml", None, OWN_LITHIUM, "LI of litfsi-opls is made of our building blocks"),
    "other structure": (CHAIN, "oplsaa/dme.gro", "oplsaa/box.top", "'.top' is not allowed; allowed: .gro, .pdb"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_what_an_entry_says_wrongly_is_one_line_of_eoli_check(
    kind: str, sweep: str, copied_blocks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, old, new, said = WRONG[kind]
    if old is None:
        (copied_blocks / name).write_text(new)
    else:
        edit(copied_blocks / name, old, new)
    (tmp_path / "own.yaml").write_text(f"topologies: {copied_blocks}\nbox: {{chains: 120}}\n{sweep}")
    words = ["check", "--config", str(ROOT / "config/config.yaml"), str(tmp_path / "own.yaml")]
    assert main(words) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1, err


@pytest.mark.parametrize("key", ["mixing: gromos", "ether_set: oxy-d"])
def test_axes_that_an_imported_polymer_has_not_are_refused(
    key: str, sweep: str, copied_blocks: Path, tmp_path: Path
) -> None:
    (tmp_path / "own.yaml").write_text(f"topologies: {copied_blocks}\n{sweep.replace('400}', f'400, {key}}}')}")
    study = load_study([ROOT / "config/config.yaml", tmp_path / "own.yaml"], ROOT)
    assert "has no meaning for dme-opls" in refusal(lambda: systems_of(study))


def of_gromacs(blocks: Path, installed: Path) -> None:
    """Move the force field of the molecules to where GROMACS would have it, in a folder of links."""
    store = installed.with_name("store")
    for folder in (store, installed / "oplsaa.ff"):
        folder.mkdir(parents=True)
    (blocks / "oplsaa/forcefield.itp").rename(store / "bonded.itp")
    (store / "forcefield.itp").write_text('#include "bonded.itp"\n')
    for name in ("forcefield.itp", "bonded.itp"):
        (installed / "oplsaa.ff" / name).symlink_to(store / name)
    for name in ("box.top", "acetonitrile.itp", "glyme-sulfonate.itp"):
        edit(blocks / "oplsaa" / name, '"forcefield.itp"', '"oplsaa.ff/forcefield.itp"')


def box_with(blocks: Path, installed: Path | None) -> ImportedBox:
    for read in (Library.polymer, Library.ion, Library.salt):
        read.cache_clear()
    of_blocks = Library(blocks)
    choice = of_blocks.choose("litfsi-opls", "imported-oplsaa", "default", "default", IMPORTED, 1.0)
    return imported_box(Contents.of("dme-opls", 6, "litfsi-opls", 1), choice, of_blocks, installed)


def test_a_force_field_of_gromacs_is_found_after_copies_of_ones_own(
    sweep: str, copied_blocks: Path, tmp_path: Path
) -> None:
    local = box(copied_blocks)
    installed = tmp_path / "top"
    of_gromacs(copied_blocks, installed)
    found = box_with(copied_blocks, installed)
    assert installed / "oplsaa.ff/bonded.itp" in found.files
    assert found.texts["DME.itp"] == local.texts["DME.itp"]
    entry = Library(copied_blocks).polymer("dme-opls", "imported-oplsaa")
    assert entry is not None and entry.of_gromacs == {"oplsaa.ff/forcefield.itp"}
    assert not any(path.is_relative_to(installed) for path in entry.sums)
    with pytest.raises(
        ForceFieldError, match=r"box\.top:2: the include 'oplsaa\.ff/forcefield\.itp' is not found; looked for in "
    ):
        box_with(copied_blocks, None)
    with pytest.raises(ForceFieldError, match=rf"is not found; looked for in .*, {tmp_path}$"):
        box_with(copied_blocks, tmp_path)
    # a copy beside the topology wins, and is part of what a result is made from
    (copied_blocks / "oplsaa/oplsaa.ff").mkdir()
    copy = copied_blocks / "oplsaa/oplsaa.ff/forcefield.itp"
    copy.write_text((installed / "oplsaa.ff/bonded.itp").read_text())
    again = box_with(copied_blocks, installed)
    assert not any(path.is_relative_to(installed) for path in again.files) and copy in again.files
    entry = Library(copied_blocks).polymer("dme-opls", "imported-oplsaa")
    assert entry is not None and not entry.of_gromacs and copy in entry.sums


def test_check_without_gromacs_leaves_its_force_fields_to_the_jobs(
    sweep: str, copied_blocks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of_gromacs(copied_blocks, tmp_path / "top")
    for read in (Library.polymer, Library.ion, Library.salt, Library.solvent):
        read.cache_clear()
    (tmp_path / "own.yaml").write_text(
        f"topologies: {copied_blocks}\ngmx: {{command: no-such-gmx}}\nbox: {{chains: 120}}\n{sweep}"
    )
    assert main(["check", "--config", str(ROOT / "config/config.yaml"), str(tmp_path / "own.yaml")]) == 0
    said = capsys.readouterr().out
    assert (
        "dme-opls with litfsi-opls: not checked, for oplsaa.ff/forcefield.itp is one of GROMACS: GROMACS: 'no-such-gmx' is not on"
        in said
    )


def test_a_topology_is_read_once_and_a_box_composed_once(
    sweep: str, copied_blocks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    for name in ("read_topology", "compose"):
        real = getattr(imported_box_module, name)
        monkeypatch.setattr(imported_box_module, name, lambda *a, real=real, name=name: done.append(name) or real(*a))
    found = box(copied_blocks)
    write_imported(found, "a title", tmp_path / "out")
    # the three molecules are of one file
    assert done == ["read_topology", "compose"]
    parts = [entry.part for entry in found.adopted]
    for name, text in compose(parts, "a title").items():
        assert (tmp_path / "out" / name).read_text() == text
