"""Structure from the core pass against the tools of GROMACS, on frames of one box that breathes."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from eoli.analysis.structure.analyse import pair_counts
from eoli.analysis.structure.rdf import PairCounts, coordination_number, radial_distribution
from eoli.box.conformation import random_conformation
from eoli.box.gro import gro_text
from eoli.forcefield.library import library
from eoli.forcefield.models import Contents
from eoli.gromacs.build import inspect
from eoli.gromacs.tools import grompp
from eoli.study.config import GromacsBuild
from eoli.study.criteria import ReduceCriteria
from eoli.topology.build import describe, write_topology
from eoli.topology.description import SystemDescription
from eoli.topology.gromos import read_gromos54a7
from eoli.trajectory.reduce import reduce_trajectory
from eoli.trajectory.store import open_reduced
from support import choice

pytestmark = pytest.mark.gmx

TOPOLOGIES = Path(__file__).resolve().parents[2] / "topologies"
EDGE_NM, N_FRAMES = 3.6, 12
BIN_NM, RANGE_NM = 0.01, 1.5
GROUPS = {"Li": "Li", "ether_O": "ether_O", "anion_O": "anion_O", "amide_H": "amide_H"}


@dataclass(frozen=True)
class Box:
    """A system with a run input file, a trajectory and its reduced form; groups.ndx names the roles."""

    folder: Path
    system: SystemDescription
    program: Path

    def tool(self, *words: str, answer: str = "") -> None:
        command = [str(self.program), "-quiet", *words, "-f", "md.xtc", "-s", "md.tpr", "-n", "groups.ndx"]
        run = subprocess.run(command, cwd=self.folder, input=answer, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr

    def table(self, name: str) -> np.ndarray:
        return np.loadtxt(self.folder / name, comments=("#", "@"))


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Box:
    folder, gromacs = tmp_path_factory.mktemp("oracles"), inspect(GromacsBuild())
    blocks, forcefield = library(TOPOLOGIES), read_gromos54a7(gromacs.forcefields / "gromos54a7.ff")
    system = describe(Contents.of("pebax", 6, "litfsi", 20), choice(), blocks, forcefield)
    write_topology(system, "test", folder, blocks, forcefield)
    rng = np.random.default_rng(1)
    molecules = [entry.molecule for entry in system.molecules for _ in range(entry.count)]
    with XTCFile(str(folder / "md.xtc"), "w") as file:
        for k in range(N_FRAMES):
            edge = EDGE_NM * (1 + 0.05 * np.sin(k))
            x = np.concatenate([random_conformation(m, rng) + EDGE_NM * rng.random(3) for m in molecules]) % edge
            # enough digits that no distance lies on the edge of a bin
            file.write(x.astype(np.float32), np.eye(3, dtype=np.float32) * np.float32(edge), k, float(k), 100_000)
    (folder / "box.gro").write_text(gro_text(system, x, EDGE_NM, "test"))
    (folder / "md.mdp").write_text("integrator = md\n")
    grompp(
        gromacs,
        folder / "md.mdp",
        folder / "box.gro",
        folder / "system.top",
        folder / "md.tpr",
        folder / "grompp.log",
        None,
    )
    groups = {name: system.with_role(role) for name, role in GROUPS.items()}
    groups["chains"] = system.sites_of("polymer")
    (folder / "groups.ndx").write_text(
        "".join(f"[ {name} ]\n" + "\n".join(str(s + 1) for s in sites) + "\n" for name, sites in groups.items())
    )
    # gmx centres its bins on multiples of their width: two of half the width make one of them
    reduce_trajectory(
        folder / "md.xtc",
        folder / "system.json",
        ReduceCriteria(
            frame_interval_ps=1.0,
            motion_interval_ps=1.0,
            structure_interval_ps=1.0,
            slow_interval_ps=1.0,
            rdf_range_nm=RANGE_NM,
            rdf_bin_nm=BIN_NM / 2,
        ),
        folder / "reduced.h5",
    )
    return Box(folder, system, gromacs.program)


def gromacs_bins(counts: PairCounts) -> np.ndarray:
    """Pairs by the bins of gmx rdf: the first half a bin wide, the others centred on whole multiples."""
    pairs = counts.pairs.sum(axis=0)
    return np.array([pairs[0], *(pairs[1::2][: len(pairs) // 2 - 1] + pairs[2::2][: len(pairs) // 2 - 1])])


@pytest.mark.parametrize(
    ("first", "second"), [("Li", "ether_O"), ("Li", "anion_O"), ("amide_H", "anion_O"), ("Li", "Li")]
)
def test_g_of_r_and_numbers_of_neighbours(box: Box, first: str, second: str) -> None:
    box.tool("rdf", "-ref", first, "-sel", second, "-bin", str(BIN_NM), "-rmax", str(RANGE_NM), "-o", "g", "-cn", "n")
    g, n = box.table("g.xvg"), box.table("n.xvg")
    with open_reduced(box.folder / "reduced.h5", box.system) as reduced:
        counts = pair_counts(reduced)[first, second]
    pairs = gromacs_bins(counts)
    size = min(len(pairs), len(g) - 1)
    np.testing.assert_allclose(g[:size, 0], BIN_NM * np.arange(size), atol=1e-6)
    edges = np.maximum(BIN_NM * (np.arange(size + 1) - 0.5), 0)
    ideal = counts.n_first * counts.n_second * 4 / 3 * np.pi * np.diff(edges**3) * counts.inverse_volumes.sum()
    # gmx prints three decimals; it takes all sites of the group as partners, where one is the site itself
    all_partners = len(box.system.with_role(GROUPS[second])) / counts.n_second
    np.testing.assert_allclose(g[:size, 1] * all_partners, pairs[:size] / ideal, atol=6e-4 * all_partners)
    number = [coordination_number(counts, r).value for r in n[:size, 0] if r < counts.r_nm[-1]]
    np.testing.assert_allclose(n[: len(number), 1], number, atol=6e-4)
    assert number[-1] > 1
    # what the analyses show is the same, bin by bin of half the width
    halves = radial_distribution(counts)[1 : 2 * size - 1].reshape(-1, 2)
    volumes = np.diff((BIN_NM / 2 * np.arange(1, 2 * size)) ** 3).reshape(-1, 2)
    np.testing.assert_allclose((halves * volumes).sum(axis=1) / volumes.sum(axis=1), (pairs[:size] / ideal)[1:])


def test_shape_of_chains(box: Box) -> None:
    box.tool("polystat", "-o", "polystat", answer="chains\n")
    table = box.table("polystat.xvg")
    with open_reduced(box.folder / "reduced.h5", box.system) as reduced:
        gyration = reduced.array("structure/radius_of_gyration")
        ends = np.linalg.norm(reduced.array("structure/end_to_end"), axis=-1)
    np.testing.assert_allclose(table[:, 1], np.sqrt((ends**2).mean(axis=1)), atol=6e-5)
    np.testing.assert_allclose(table[:, 2], np.sqrt((gyration**2).mean(axis=1)), atol=6e-5)
