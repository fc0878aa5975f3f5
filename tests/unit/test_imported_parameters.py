"""The page of a box of imported molecules against the files that it speaks of."""

from __future__ import annotations

import itertools
import re
import shutil
from pathlib import Path

import pytest

from eoli.cli import main
from eoli.core.files import sha256
from eoli.forcefield.library import Library
from eoli.forcefield.models import IMPORTED, Contents
from eoli.topology.imported import read_topology
from eoli.topology.imported_box import ImportedBox, imported_box, write_imported
from eoli.topology.imported_parameters import (
    ImportedParameters,
    both_forms,
    imported_parameters,
    imported_parameters_page,
)
from imported_blocks import follow
from page_of_parameters import Html, check_that_it_loads_nothing, has, read, sections

ANION = "ions/tfsi-opls.yaml"


@pytest.fixture
def root(copied_blocks: Path) -> Path:
    follow(copied_blocks)
    return copied_blocks


def box(root: Path, scale: float = 1.0, cations: int = 1) -> ImportedBox:
    blocks = Library(root)
    choice = blocks.choose("litfsi-opls", "imported-oplsaa", "default", "default", IMPORTED, scale)
    return imported_box(Contents.of("dme-opls", 6, "litfsi-opls", cations), choice, blocks)


def made(root: Path, scale: float = 1.0) -> tuple[ImportedParameters, str, Html]:
    found = box(root, scale)
    page = imported_parameters_page(found, Library(root), "a <title>")
    return imported_parameters(found), page, read(page)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new))


def test_every_number_of_the_files_is_on_the_page(root: Path) -> None:
    _, _, html = made(root)
    written = sections((root / "oplsaa/forcefield.itp").read_text())
    for name, bonded, *words in written["atomtypes"]:
        numbers = [f"{float(words[-k]):.10g}" for k in (2, 1)]
        assert has(html.tables["types"], [name, bonded], numbers)
    for section, kind, size in (("bondtypes", "bond", 2), ("angletypes", "angle", 3), ("dihedraltypes", "torsion", 4)):
        for words in written[section]:
            types, numbers = words[:size], [f"{float(word):.10g}" for word in words[size + 1 :]]
            rows = html.tables[kind]
            assert any(has(rows, ["DME", " ".join(order)], numbers) for order in (types, types[::-1])), words


def test_numbers_of_terms_themselves_are_on_the_page(root: Path) -> None:
    _, _, html = made(root)
    assert has(html.tables["charges"], ["TFSI", "TFSI", "O1 O2 O3 O4", "OBT", "OBT"], ["-0.53", "15.9994", "4"])
    assert has(html.tables["charges"], ["DME", "DME", "O2 O5", "opls_180", "OS"], ["-0.4", "15.9994", "2"])
    # of a macro, and of a continued line
    assert has(html.tables["angle"], ["TFSI", "SBT NBT SBT", "1, harmonic"], ["125.6", "671", "1"])
    assert has(
        html.tables["torsion"], ["TFSI", "CBT SBT NBT SBT", "5, Fourier"], ["32.773", "-10.42", "-3.195", "0", "2"]
    )


def test_file_and_line_are_those_of_the_first(root: Path) -> None:
    rows, _, _ = made(root)
    (charge,) = (row for row in rows.charges if row.atoms == "O2 O5")
    (bond,) = (row for row in rows.bonded if (row.kind, row.types) == ("bond", "CT OS"))
    for where, word in (
        (charge.where, "opls_180"),
        (bond.where, "267776.0"),
        (rows.types[0].where, rows.types[0].types),
    ):
        file, _, line = where.partition(":")
        assert word in (root / "oplsaa" / file).read_text().splitlines()[int(line) - 1]


def test_counts_are_those_of_the_files(root: Path) -> None:
    rows, _, html = made(root)
    original = read_topology(root / "oplsaa/box.top")
    for name in ("DME", "LI", "TFSI"):
        molecule = original.molecule(name)
        assert sum(row.count for row in rows.charges if row.molecule == name) == len(molecule.sites)
        assert sum(row.count for row in rows.one_four if row.molecule == name) == len(molecule.terms.get("pairs", ()))
        for section, kind in (("bonds", "bond"), ("angles", "angle"), ("dihedrals", "torsion")):
            counted = sum(row.count for row in rows.bonded if (row.molecule, row.kind) == (name, kind))
            assert counted == len(molecule.terms.get(section, ()))
    assert {cells[0]: cells[2:4] for _, cells in html.tables["system"]} == {
        "DME": ["6", "16"], "LI": ["1", "1"], "TFSI": ["1", "15"]}  # fmt: skip


def test_equal_rows_stand_once(root: Path) -> None:
    rows, _, _ = made(root)
    bonds = [row for row in rows.bonded if (row.molecule, row.kind) == ("DME", "bond")]
    assert {(row.types, row.count) for row in bonds} == {("CT OS", 4), ("CT HC", 10), ("CT CT", 1)}


def test_roles_and_oxygens_and_nitrogens_without_one(root: Path) -> None:
    edit(root / ANION, "anion_O: name O*, anion_N: name N1, ", "anion_O: name O1, ")
    rows, _, html = made(root)
    found = {(row.molecule, row.role, row.element): (row.atoms, row.count) for row in rows.roles}
    assert found == {
        ("DME", "ether_O", "O"): ("O2 O5", 2),
        ("LI", "Li", "Li"): ("LI", 1),
        ("TFSI", "anion_O", "O"): ("O1", 1),
        ("TFSI", "anion_F", "F"): ("F1 F2 F3 F4 F5 F6", 6),
        ("TFSI", None, "O"): ("O2 O3 O4", 3),
        ("TFSI", None, "N"): ("N1", 1),
    }
    marked = [cells for kind, cells in html.tables["roles"] if kind == "assumed"]
    assert [cells[1] for cells in marked] == ["◇ none", "◇ none"]


def test_files_are_named_with_what_they_hold(root: Path) -> None:
    rows, _, _ = made(root)
    assert {name: what for name, what, _ in rows.files} == {
        "box.top": "what it includes", "forcefield.itp": "force field", "dme.itp": "DME", "litfsi.itp": "LI, TFSI"}  # fmt: skip


def test_what_was_changed_is_said_first(root: Path) -> None:
    whole, scaled = made(root), made(root, 0.75)
    assert "Nothing was changed" in whole[2].text and "Nothing was changed" not in scaled[2].text
    assert "0.75 times those of their files" in scaled[2].text
    for rows in (whole[0], scaled[0]):
        nitrogen = next(row for row in rows.charges if row.atoms == "N1")
        assert nitrogen.unscaled == -0.66
    assert next(row for row in scaled[0].charges if row.atoms == "N1").simulated == pytest.approx(-0.495)
    assert all(row.unscaled == row.simulated for row in scaled[0].charges if row.molecule == "DME")
    assert "Nobody here has verified them" in whole[2].text and "unverified" in whole[2].text


def test_limits_say_nothing_of_our_force_field(root: Path) -> None:
    _, _, html = made(root, 0.75)
    assert "Here it runs with those of the settings" in html.text and "Scaled ion charges stand in" in html.text
    assert not re.search("GROMOS|54A7|CL&P|Åqvist|298 K", html.text)


def test_generated_pairs_have_the_factors_of_the_file(root: Path) -> None:
    rows, _, html = made(root)
    (pair,) = (row for row in rows.one_four if row.types == "opls_180 opls_180")
    # OPLS: half of an ordinary pair; of equal types, that of the type
    assert pair.lj is not None
    assert (pair.lj.sigma, pair.lj.epsilon) == pytest.approx((0.29, 0.58576 / 2))
    assert (pair.factor, pair.count, pair.rule) == (0.5, 1, 0)
    mixed = next(row for row in rows.one_four if row.types == "opls_180 opls_185")
    assert mixed.lj is not None
    assert (mixed.lj.sigma, mixed.lj.epsilon) == pytest.approx(((0.29 * 0.25) ** 0.5, (0.58576 * 0.12552) ** 0.5 / 2))
    assert "epsilon times 0.5 (fudgeLJ)" in html.text and "count 0.5 times (fudgeQQ)" in html.text


def test_pairs_that_a_file_lists(root: Path) -> None:
    file = root / "oplsaa/forcefield.itp"
    text = file.read_text()
    listed = "[ nonbond_params ]\nopls_185 opls_180 1 0.271 0.123\n\n[ pairtypes ]\nopls_180 opls_180 1 0.3 0.2\n\n[ bondtypes ]"
    file.write_text(text.replace("[ bondtypes ]", listed))
    rows, _, html = made(root)
    assert has(html.tables["pairs"], ["opls_180 opls_185"], ["0.271", "0.123"])
    # a generated 1-4 pair begins with the ordinary one that grompp uses
    generated = next(row for row in rows.one_four if row.types == "opls_180 opls_185")
    assert generated.lj is not None and (generated.lj.sigma, generated.lj.epsilon) == (0.271, 0.123 / 2)
    assert has(html.tables["one-four"], ["DME", "opls_180 opls_180", "pairs 1"], ["0.3", "0.2"])


def test_a_file_whose_combination_rule_is_changed_is_named(root: Path) -> None:
    own = root / "oplsaa/forcefield.itp"
    lines = own.read_text().splitlines(keepends=True)
    ions = [line for line in lines if re.match(r" +(opls_406|[NSOCF]BT) ", line)]
    own.write_text("".join(line for line in lines if line not in ions))
    edit(root / "oplsaa/box.top", '#include "litfsi.itp"\n', "")
    edit(root / "oplsaa/box.top", "LI 2\nTFSI 2\n", "")
    rows = ""
    for line in ions:
        *words, sigma, epsilon = line.split()
        six = float(sigma) ** 6
        rows += f"{' '.join(words)} {4 * float(epsilon) * six!r} {4 * float(epsilon) * six**2!r}\n"
    (root / "ions.top").write_text(
        f'[ defaults ]\n1 1 yes 0.5 0.5\n[ atomtypes ]\n{rows}#include "oplsaa/litfsi.itp"\n'
        "[ system ]\nsalt\n[ molecules ]\nLI 1\nTFSI 1\n"
    )
    for ion in ("li", "tfsi"):
        edit(root / f"ions/{ion}-opls.yaml", "topology: oplsaa/box.top", "topology: ions.top")
    found, _, html = made(root)
    assert "numbers of oplsaa/box.top, which has combination rule 3, are written as C6 and C12 of rule 1" in html.text
    assert found.defaults.combination_rule == 1 and "geometric in C6 and C12" in html.text
    # each file's own form is the exact one, and both say the same
    assert {row.types: row.rule for row in found.types if row.types in ("opls_180", "OBT")} == {"opls_180": 3, "OBT": 1}
    oxygen = next(row for row in found.types if row.types == "OBT")
    assert (oxygen.lj.sigma, oxygen.lj.epsilon) == pytest.approx((0.296, 0.87864))
    assert oxygen.where.startswith("ions.top:")


def test_functions_that_analyses_do_not_know_are_shown_as_written(root: Path) -> None:
    edit(root / "oplsaa/dme.itp", "   2    1    3  1\n", "   2    1    3  6 107.8 1.5 2.5 3.5 4.5 5.5\n")
    _, _, html = made(root)
    (cells,) = (cells for _, cells in html.tables["angle"] if cells[2].startswith("6,"))
    assert cells[2] == "6, see the manual of GROMACS"
    assert [word.strip(",") for word in cells[3].split() if "." in word] == ["107.8", "1.5", "2.5", "3.5", "4.5", "5.5"]


def test_both_forms() -> None:
    for rule in (2, 3):
        found = both_forms((0.3, 0.5), rule)
        assert (found.c6, found.c12) == pytest.approx((4 * 0.5 * 0.3**6, 4 * 0.5 * 0.3**12))
        assert both_forms((found.c6, found.c12), 1).sigma == pytest.approx(0.3)
    assert both_forms((-0.3, 0.5), 3).c6 == 0
    assert both_forms((0.0, 1e-6), 1).sigma is None


def test_the_page_loads_nothing_and_is_the_same_wherever_the_files_lie(root: Path, tmp_path: Path) -> None:
    _, page, html = made(root)
    check_that_it_loads_nothing(page, html)
    moved = tmp_path / "elsewhere/deep"
    shutil.copytree(root, moved)
    assert imported_parameters_page(box(moved), Library(moved), "a <title>") == page
    assert str(root) not in page


def test_files_have_their_checksums_and_those_of_gromacs_are_named_so(root: Path, tmp_path: Path) -> None:
    installed = tmp_path / "share/gromacs/top"
    (installed / "oplsaa.ff").mkdir(parents=True)
    (root / "oplsaa/forcefield.itp").rename(installed / "oplsaa.ff/forcefield.itp")
    edit(root / "oplsaa/box.top", '"forcefield.itp"', '"oplsaa.ff/forcefield.itp"')
    for read_once in (Library.polymer, Library.ion, Library.salt):
        read_once.cache_clear()
    blocks = Library(root)
    choice = blocks.choose("litfsi-opls", "imported-oplsaa", "default", "default", IMPORTED, 1.0)
    found = imported_box(Contents.of("dme-opls", 6, "litfsi-opls", 1), choice, blocks, installed)
    page = imported_parameters_page(found, blocks, "x")
    files = {cells[0]: cells[3] for _, cells in read(page).tables["files"]}
    assert files == {
        "box.top": sha256(root / "oplsaa/box.top"), "dme.itp": sha256(root / "oplsaa/dme.itp"),
        "litfsi.itp": sha256(root / "oplsaa/litfsi.itp"),
        "GROMACS:oplsaa.ff/forcefield.itp": sha256(installed / "oplsaa.ff/forcefield.itp"),
    }  # fmt: skip
    assert "Files named <code>GROMACS:</code> are those that GROMACS installs" in page and str(tmp_path) not in page
    assert "GROMACS:oplsaa.ff/forcefield.itp:24" in page


def test_virtual_sites_are_on_the_page(root: Path) -> None:
    text = (root / "oplsaa/dme.itp").read_text()
    text = (
        text.replace("\n[ bonds ]", "  17 LP 1 DME LP 17 0.0\n\n[ bonds ]", 1)
        + "[ virtual_sites3 ]\n17 5 1 6 4 -0.2 -0.21 3.5\n"
    )
    (root / "oplsaa/dme.itp").write_text(text)
    edit(root / "oplsaa/forcefield.itp", "[ bondtypes ]", "[ atomtypes ]\nLP LP 0 0.0 0.0 D 0.0 0.0\n[ bondtypes ]")
    edit(root / "polymers/dme-opls.yaml", "atoms: 16", "atoms: 17")
    structure = (root / "oplsaa/dme.gro").read_text().splitlines()
    structure = [structure[0], "17", *structure[2:18], "    1DME     LP   17   0.000   0.000   0.000", structure[18]]
    (root / "oplsaa/dme.gro").write_text("\n".join(structure) + "\n")
    rows, page, html = made(root)
    (row,) = (row for row in rows.bonded if row.kind == "virtual site")
    assert (row.types, row.form, row.count) == ("LP OS CT CT", "out of the plane of 3 atoms", 1)
    assert [(q.symbol, q.value, q.unit) for q in row.coefficients] == [
        ("a", -0.2, ""),
        ("b", -0.21, ""),
        ("c", 3.5, "nm⁻¹"),
    ]
    (cells,) = (cells for _, cells in html.tables["virtual-site"])
    assert "a = -0.2" in cells[3] and cells[5].startswith("dme.itp:")
    assert 'href="#virtual-site"' in page and 'id="virtual-site"' in page


def test_text_of_users_is_escaped(root: Path) -> None:
    edit(root / "oplsaa/dme.itp", "DME  H1A", "<b>  <i>")
    edit(root / "oplsaa/dme.gro", "H1A", "<i>")
    _, page, _ = made(root)
    read(page)
    assert "&lt;i&gt;" in page and "<i>" not in page and "<b>" not in page


def _words(root: Path, folder: Path) -> list[str]:
    return [
        "parameters", "--system=s", f"--system-json={folder / 'system.json'}", f"--blocks={root}",
        "--polymer=dme-opls", "--salt=litfsi-opls", f"--out={folder / 'parameters.html'}",
    ]  # fmt: skip


def test_the_command_writes_the_page_of_the_description(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = box(root, 0.75, cations=2)
    write_imported(found, "title", tmp_path / "out")
    assert main(_words(root, tmp_path / "out")) == 0
    assert (tmp_path / "out/parameters.html").read_text() == imported_parameters_page(found, Library(root), "s")
    (tmp_path / "out/parameters.html").unlink()
    for read_once in (Library.polymer, Library.ion, Library.salt):
        read_once.cache_clear()
    edit(root / "oplsaa/forcefield.itp", "0.14100   267776.0", "0.14200   267776.0")
    assert main(_words(root, tmp_path / "out")) == 1
    err = capsys.readouterr().err
    assert "not what 6 dme-opls and 2 litfsi-opls of" in err and err.count("\n") == 1
    assert not (tmp_path / "out/parameters.html").exists()


def test_rows_have_no_duplicates(root: Path) -> None:
    rows, _, _ = made(root)
    for table in (rows.charges, rows.types, rows.one_four, rows.bonded):
        keys = [{**vars(row), "count": 0, "where": ""} for row in table]
        assert all(a != b for a, b in itertools.combinations(keys, 2))
