"""Molecules that users bring, from their entries to a packed box: its energies are those of their own files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from eoli.box.conformation import random_conformation
from eoli.box.geometry import check_molecule
from eoli.box.packmol import pack
from eoli.core.validation import validate
from eoli.core.yamlfile import read_yaml
from eoli.forcefield.models import ImportedEntry, ImportedIon, ImportedPolymer, imported_choice
from eoli.gromacs.build import Gromacs, inspect
from eoli.study.config import GromacsBuild
from eoli.topology.adopted import Adopted, describe_adopted
from eoli.topology.composed import Part, write_composed
from eoli.topology.description import MoleculeCount, SystemDescription
from eoli.topology.imported import read_topology
from eoli.topology.roles import with_roles
from eoli.topology.structure import read_structure
from single_points import compare, energies
from support import imported_blocks

pytestmark = pytest.mark.gmx


@pytest.fixture(scope="module")
def gromacs() -> Gromacs:
    return inspect(GromacsBuild())


@dataclass(frozen=True)
class Brought:
    """An entry of a user and the number of its molecules."""

    entry: ImportedEntry
    count: int
    include: tuple[Path, ...] = ()

    def adopted(self) -> Adopted:
        """The molecule type with its start geometry, where it has one."""
        entry = self.entry
        topology = read_topology(entry.topology, [*entry.include, *self.include], entry.said.defines)
        molecule = topology.molecule(entry.molecule)
        assert len(molecule.sites) == entry.said.atoms
        assert sum(site.mass for site in molecule.sites) == pytest.approx(entry.said.mass_g_mol, rel=1e-5)
        assert molecule.charge == pytest.approx(entry.charge, abs=1e-9)
        kind = "polymer" if entry.charge == 0 else "cation" if entry.charge > 0 else "anion"
        positions = read_structure(entry.structure, molecule).tolist() if entry.structure else ()
        return Adopted(Part(topology, entry.molecule, self.count), kind, positions)


def brought(blocks: Path, name: str, count: int, *include: Path) -> Brought:
    """An entry by its path in the building blocks."""
    file = read_yaml(blocks / name)
    model = ImportedPolymer if name.startswith("polymers") else ImportedIon
    return Brought(ImportedEntry(validate(model, file.data, [file]), file, blocks, {}), count, include)


def described(molecules: Sequence[Brought]) -> SystemDescription:
    """The box with the roles of the entries."""
    found = describe_adopted([one.adopted() for one in molecules], imported_choice("test", 1.0, True))
    return replace(
        found,
        molecules=tuple(
            MoleculeCount(
                with_roles(counted.molecule, one.entry.said.roles, getattr(one.entry.said, "blocks", {}), one.entry.wrong),
                counted.count,
            )
            for counted, one in zip(found.molecules, molecules, strict=True)
        ),
    )  # fmt: skip


def packed(molecules: Sequence[Brought], folder: Path, density_g_cm3: float = 0.3) -> Path:
    """A packed box, and its composed topology in `folder`."""
    pack(described(molecules), 2, density_g_cm3, 0.2, 3, folder / "box.gro", folder / "box.json", folder / "box.log")
    write_composed([one.adopted().part for one in molecules], "test", folder)
    return folder / "box.gro"


def counts(molecules: Sequence[Brought]) -> str:
    return "[ system ]\nx\n[ molecules ]\n" + "".join(f"{one.entry.molecule} {one.count}\n" for one in molecules)


LITHIUM, ANION = "ions/LI/oplsaa.yaml", "ions/TFSI/clandp-all-atom.yaml"


def test_an_all_atom_peo(gromacs: Gromacs, tmp_path: Path) -> None:
    """PEO and LiTFSI of OPLS-AA; and the chain with the force field as GROMACS installs it."""
    blocks = imported_blocks(tmp_path / "blocks")
    chain = brought(blocks, "polymers/peo-oplsaa.yaml", 6)
    molecules = [chain, brought(blocks, LITHIUM, 4), brought(blocks, ANION, 4)]
    gro = packed(molecules, tmp_path)
    original = blocks / "oplsaa/all.top"
    files = ("forcefield.itp", "peo.itp", "litfsi.itp")
    original.write_text("".join(f'#include "{name}"\n' for name in files) + counts(molecules))
    found = energies(gromacs, original, gro, tmp_path / "a")
    compare(found, energies(gromacs, tmp_path / "system.top", gro, tmp_path / "b"))
    assert all(found[name] for name in ("Bond", "Angle", "Ryckaert-Bell.", "Fourier Dih.", "LJ-14", "Coulomb-14"))

    gro = packed([chain], tmp_path / "neat")
    installed = blocks / "oplsaa/installed.top"
    installed.write_text(f'#include "oplsaa.ff/forcefield.itp"\n#include "peo.itp"\n{counts([chain])}')
    ours = energies(gromacs, tmp_path / "neat/system.top", gro, tmp_path / "c")
    compare(ours, energies(gromacs, installed, gro, tmp_path / "d"))


def test_chains_of_all_atoms(tmp_path: Path) -> None:
    """Drawn chains keep bonds and angles of their structure, or those of their terms without one, and differ."""
    blocks = imported_blocks(tmp_path / "blocks")
    description = described([brought(blocks, "polymers/peo-oplsaa.yaml", 1)])
    with_structure = description.molecules[0].molecule
    without = replace(with_structure, positions_nm=())
    given = np.array(with_structure.positions_nm)
    near = np.array([[a, b] for a, b in with_structure.separations() if with_structure.separations()[a, b] <= 2])
    assert len(near) == 71 + 130
    for molecule in (with_structure, without):
        drawn = [random_conformation(molecule, np.random.default_rng(seed)) for seed in range(5)]
        for x in drawn:
            check_molecule(molecule, x)
            if molecule.positions_nm:
                distances = [np.linalg.norm(y[near[:, 0]] - y[near[:, 1]], axis=1) for y in (x, given)]
                assert distances[0] == pytest.approx(distances[1], abs=1e-9)
        assert np.ptp([pdist(x).max() for x in drawn]) > 0.1
