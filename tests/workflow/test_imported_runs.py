"""Runs of the finished study taken in again, as if made elsewhere: the same tables, beside those of the originals."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import pytest
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from eoli.analysis.results import read_scalars
from support import SYSTEMS, TINY, snakemake

pytestmark = pytest.mark.workflow

PEO = SYSTEMS[0]
ROLES = """\
molecules:
  PEO: {kind: polymer, roles: {ether_O: name O*}, blocks: {PEO: not name CM}}
  LI: {kind: cation, roles: {Li: all}}
  TFSI: {kind: anion, roles: {anion_N: name N*, anion_O: name O*, anion_F: name F*}}
"""
RUNS = f"""\
runs:
  - &same {{name: again, topology: results/{PEO}/production/md.tpr, trajectory: results/{PEO}/production/md.xtc,
      roles: roles.yaml, temperature_K: 400, frame_interval_ps: 0.1, length_ns: 0.004, polymer: peo, salt: litfsi,
      sites: 420, chains: 4, ether_oxygens: 96, lithium_ions: 8}}
  - {{<<: *same, name: parts, trajectory: [a.xtc, b.xtc]}}
"""
TABLES = (
    "conductivity", "displacement", "domains", "hydrogen-bonds", "ions", "mechanism", "moves", "morphology", "motion", "renewal", "structure",
)  # fmt: skip


def cut(source: Path, first: Path, second: Path) -> None:
    """Write a trajectory as two pieces with two frames in common."""
    with XTCFile(str(source)) as file:
        frames = list(file)
    for path, some in ((first, frames[: len(frames) // 2 + 2]), (second, frames[len(frames) // 2 :])):
        with XTCFile(str(path), "w") as target:
            for frame in some:
                target.write(frame.x, frame.box, frame.step, frame.time, frame.prec)


def test_a_run_taken_in_again_gives_the_same_tables(study: Path) -> None:
    production = study / f"results/{PEO}/production/md.xtc"
    cut(production, study / "a.xtc", study / "b.xtc")
    (study / "roles.yaml").write_text(ROLES)
    (study / "runs.yaml").write_text(RUNS)
    originals = [*(study / f"results/{PEO}").glob("*/md.*"), study / "a.xtc", study / "b.xtc"]
    before = {path: (hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns) for path in originals}
    run = snakemake(study, config=(TINY, "runs.yaml"))
    assert run.returncode == 0, run.stdout
    assert {path: (hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns) for path in originals} == before
    ours, again, joined = (study / "results" / name / "analysis" for name in (PEO, "again-r1", "parts-r1"))
    for name in TABLES:
        assert (again / f"{name}.csv").read_bytes() == (ours / f"{name}.csv").read_bytes(), name
        if (ours / f"{name}.json").exists():
            assert (again / f"{name}.json").read_bytes() == (ours / f"{name}.json").read_bytes(), name
    assert (joined.parent / "production/md.xtc").read_bytes() == production.read_bytes()
    assert (joined / "motion.json").read_bytes() == (ours / "motion.json").read_bytes()
    for analysis, reason in (("density", "without energies"), ("interactions", "force field in files of GROMACS")):
        assert reason in str((read_scalars(again, analysis) or {})["verdict"])
    with (study / "results/summary/sweep.csv").open() as file:
        rows = {row["system"]: row for row in csv.DictReader(file)}
    assert list(rows) == [*SYSTEMS, "again-r1", "parts-r1"]
    assert rows["again-r1"]["first_peak_Li_ether_O_nm"] == rows[PEO]["first_peak_Li_ether_O_nm"]
    assert (rows["again-r1"]["density_g_cm3"], rows["again-r1"]["ether_set"]) == ("", "imported-again")
    assert "the run itself was not judged" in rows["again-r1"]["warnings"]
    assert "made elsewhere" in (study / "results/summary/report.html").read_text()
    assert "Nothing to be done" in snakemake(study, config=(TINY, "runs.yaml")).stdout
