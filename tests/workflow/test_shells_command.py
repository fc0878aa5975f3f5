"""`eoli shells` on a finished study: its clusters and populations against MDAnalysis."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import MDAnalysis
import numpy as np
import pandas as pd
import pytest
from MDAnalysis.lib.distances import distance_array

import eoli
from eoli.cli import main

pytestmark = pytest.mark.workflow
PEBAX = "pebax-eo16-400K-r1"
VALENCES = {"H": {1}, "F": {1}, "O": {1, 2}, "N": {2, 3}, "C": {3, 4}, "S": {4}}
REACH_A = {"ether_O": 3.5, "carbonyl_O": 3.2, "anion_O": 3.0}


@pytest.fixture
def written(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(finished)
    assert main(["shells", "--system", PEBAX, "--types", "20", "--each", "2", "--out", str(tmp_path / "shells")]) == 0
    return tmp_path / "shells"


def test_clusters_are_molecules(written: Path) -> None:
    table = pd.read_csv(written / "shells.csv")
    assert len(table) > 5
    for row in table.itertuples():
        comment = (written / row.file).read_text().splitlines()[1]
        assert comment.startswith(f"charge={row.charge_e} multiplicity=1 system={PEBAX} lithium={row.lithium} ")
        atoms = MDAnalysis.Universe(str(written / row.file)).atoms
        assert len(atoms) == row.atoms and atoms[0].name == "Li" and not atoms[0].position.any()
        rest = atoms[1:]
        rest.guess_bonds()
        for atom in rest:
            assert len(atom.bonds) in VALENCES[atom.element], (row.file, atom)
        carbons = [atom for atom in rest if atom.element == "C"]
        # three bonds are those of a carbonyl
        for atom in carbons:
            bonded = Counter(other.element for other in atom.bonded_atoms)
            assert sum(bonded.values()) == 4 or (sum(bonded.values()) == 3 and bonded["O"] >= 1)
        lengths = [
            np.linalg.norm(h.position - h.bonded_atoms[0].position)
            for h in rest if h.element == "H" and h.bonded_atoms[0].element == "C"
        ]  # fmt: skip
        np.testing.assert_allclose(lengths, 1.09, atol=1e-4)
        # two sulfurs are a TFSI
        assert row.charge_e == 1 - sum(rest.elements == "S") // 2
        # nothing overlaps
        gaps = distance_array(atoms.positions, atoms.positions)
        assert gaps[np.triu_indices(len(atoms), 1)].min() > 0.9
        assert 10 * row.closest_nm > 1.2


def test_populations_and_places_are_those_of_the_trajectory(written: Path, finished: Path) -> None:
    table = pd.read_csv(written / "shells.csv")
    system = eoli.open_study(finished / "results").system(PEBAX)
    universe = MDAnalysis.Universe(str(system.folder / "production/md.tpr"), str(system.folder / "production/md.gro"))
    universe.load_new(str(system.folder / "production/md.xtc"), refresh_offsets=True)
    groups = {name: universe.atoms[atoms.indices] for name, atoms in system.groups(universe).items()}
    counted: Counter[tuple[int, ...]] = Counter()
    of_shell = {}
    for number, frame in enumerate(universe.trajectory[::4]):
        numbers = [
            (distance_array(groups["Li"].positions, groups[name].positions, box=frame.dimensions) <= reach).sum(axis=1)
            for name, reach in REACH_A.items()
        ]
        for ion, found in enumerate(np.transpose(numbers).tolist()):
            counted[tuple(found)] += 1
            of_shell[number, ion] = tuple(found)
    ours: Counter[tuple[int, ...]] = Counter()
    for row in table.drop_duplicates("coordination").itertuples():
        words = {kind: int(number) for number, kind in re.findall(r"(\d+) (\w+)", row.coordination.split(" of ")[0])}
        numbers = (words.get("ether_O", 0), words.get("carbonyl_O", 0), words.get("anion", 0))
        ours[numbers] += row.shells
        assert of_shell[row.frame, row.lithium] == numbers
        assert row.time_ps == pytest.approx(0.4 * row.frame)
    assert ours == counted
    shells = json.loads((written / "shells.provenance.json").read_text())
    assert set(shells["outputs"]) >= {"shells.csv", *table["file"]}


def test_mistakes_are_one_line(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(study)
    assert main(["shells", "--system", "peo", "--out", "x"]) == 2
    (study / "results" / PEBAX / "analysis/reduced.h5").unlink()
    assert main(["shells", "--system", PEBAX, "--out", "x"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and "system 'peo' is not allowed" in lines[0] and "reduced.h5: no such file" in lines[1]
    assert not Path("x").exists()
