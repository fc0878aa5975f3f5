"""What an edit reruns: exactly what it makes stale, and nothing else."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import STAGES, SYSTEMS, TINY, snakemake

pytestmark = pytest.mark.workflow

PEO, PEBAX = SYSTEMS
SUMMARY = {"collect", "sweep_figures", "paper_figure", "compare", "temperature", "replicas", "report"}
REDUCED = {
    "structure",
    "motion",
    "displacement",
    "ions",
    "conductivity",
    "mechanism",
    "renewal",
    "morphology",
    "hydrogen_bonds",
    "snapshots",
}
FROM_REDUCED = {"reduce", "figures"} | REDUCED
ANALYSES = {"density", "traces", "interactions"} | FROM_REDUCED
STAGE_SET = set(STAGES)
FROM_PRODUCTION = {"production", "traces", "interactions"} | FROM_REDUCED


def per_system(rules: set[str], *systems: str) -> set[tuple[str, str]]:
    """(rule, system) pairs; the summary's have no system."""
    return {(rule, system) for rule in rules for system in systems or SYSTEMS}


SWEEP = {(rule, "") for rule in SUMMARY}
OTHER_SYSTEMS = SWEEP | {("cutoffs", ""), ("cost", "")}


def swept(rules: set[str], *systems: str) -> set[tuple[str, str]]:
    """`per_system`, and what these make stale in the summary: contact distances with g(r), the cost with a stage."""
    extra = {("cutoffs", "")} if "structure" in rules else set()
    return per_system(rules, *systems) | SWEEP | extra | ({("cost", "")} if rules & STAGE_SET else set())


def replace(path: str, old: str, new: str) -> Callable[[Path], None]:
    """An edit that replaces text in a file."""

    def edit(folder: Path) -> None:
        text = (folder / path).read_text()
        assert old in text
        (folder / path).write_text(text.replace(old, new))

    return edit


def overlay(text: str) -> Callable[[Path], None]:
    """An edit that writes an overlay, which the run then uses."""

    def edit(folder: Path) -> None:
        (folder / "own.yaml").write_text(text + "\n")

    return edit


def append(path: str, text: str) -> Callable[[Path], None]:
    """An edit that adds text to the end of a file."""

    def edit(folder: Path) -> None:
        with (folder / path).open("a") as stream:
            stream.write(text)

    return edit


def touch(*patterns: str) -> Callable[[Path], None]:
    """An edit of dates alone."""

    def edit(folder: Path) -> None:
        for pattern in patterns:
            paths = [path for path in folder.glob(pattern) if path.is_file()]
            assert paths
            for path in paths:
                path.touch()

    return edit


def remove(path: str) -> Callable[[Path], None]:
    """An edit that loses a file or folder."""

    def edit(folder: Path) -> None:
        target = folder / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return edit


def both(*edits: Callable[[Path], None]) -> Callable[[Path], None]:
    """Several edits at once."""

    def edit(folder: Path) -> None:
        for one in edits:
            one(folder)

    return edit


@dataclass(frozen=True)
class Edit:
    """An edit, and the jobs that it must cause."""

    name: str
    make: Callable[[Path], None]
    jobs: set[tuple[str, str]]
    words: tuple[str, ...] = ()


EVERYTHING = {"topology", "parameters", "box"} | STAGE_SET | ANALYSES
NOTHING: set[tuple[str, str]] = set()

EDITS = [
    Edit("nothing", lambda folder: None, NOTHING),
    Edit("comment in the config", append("config/config.yaml", "# a remark\n"), NOTHING),
    Edit("comment in the overlay", append(TINY, "# a remark\n"), NOTHING),
    Edit("comment in the protocol", append("tests/config/tiny-protocol.yaml", "# a remark\n"), NOTHING),
    Edit("a key written out at its default", overlay("box: {tolerance_nm: 0.2}"), NOTHING),
    Edit("threads", overlay("run: {threads: 2}"), NOTHING),
    Edit("checkpoint spacing", overlay("run: {checkpoint_minutes: 3}"), NOTHING),
    Edit("longest run of mdrun", overlay("run: {max_hours: 1}"), NOTHING),
    Edit("reproducible off", overlay("run: {reproducible: false}"), NOTHING),
    Edit("GROMACS by its path", overlay(f"gmx: {{command: {shutil.which('gmx')}}}"), NOTHING),
    Edit("memory of a stage", lambda folder: None, NOTHING, ("--set-resources", "npt:mem_mb=9000")),
    Edit("profile", append("profiles/default/config.yaml", "latency-wait: 7\n"), NOTHING),
    Edit("git checkout: all dates new", touch("Snakefile", "workflow/**/*", "scripts/**/*.py", "topologies/**/*", "config/**/*"), NOTHING),
    Edit("dates of results", touch(f"results/{PEO}/npt/md.gro", f"results/{PEO}/topology/system.top"), NOTHING),
    Edit("a rule's shell command reworded", replace("workflow/rules/simulate.smk", '"eoli stage --system', '"eoli  stage --system'), NOTHING),
    Edit("library code", append("scripts/eoli/stage/gate.py", "\n# a remark\n"), NOTHING),
    Edit("analysis code", append("scripts/eoli/analysis/structure/rdf.py", "\n# a remark\n"), NOTHING),
    Edit("Snakemake's records lost", remove(".snakemake"), NOTHING),
    Edit("comment in a building block", append("topologies/units/EO/oxy-d.yaml", "# a remark\n"), NOTHING),
    Edit("a polymer that the sweep does not use", lambda folder: (folder / "topologies/polymers/other.yaml").write_text("polymer: other\n") and None, NOTHING),
    Edit("name of the study", overlay("study: renamed"), SWEEP),
    Edit("a citation", replace("topologies/sources.yaml", "il.ff names no paper", "no paper is named"), per_system({"parameters"})),
    Edit("a known limit", append("topologies/limits.yaml", '  - limit: "One more."\n'), per_system({"parameters"})),
    Edit("bin of g(r)", overlay("analysis: {rdf_bin_nm: 0.005}"), swept(FROM_REDUCED)),
    Edit("contact distance of the anion", overlay("analysis: {contact_nm: {anion: 0.31}}"), swept({"structure", "ions", "conductivity", "mechanism", "renewal", "snapshots", "interactions", "figures"})),
    Edit("time to come back to a chain", overlay("analysis: {renewal: {return_ps: 50}}"), swept({"renewal"})),
    Edit("angle of a hydrogen bond", overlay("analysis: {hydrogen_bonds: {angle_deg: 140}}"), swept({"hydrogen_bonds"})),
    Edit("reference numbers", append("config/reference/peo-litfsi-conductivity.csv", ""), NOTHING),
    Edit("a table lost", remove(f"results/{PEO}/analysis/structure.csv"), swept({"structure", "figures"}, PEO)),
    Edit("the reduced trajectory lost", remove(f"results/{PEO}/analysis/reduced.h5"), swept(FROM_REDUCED, PEO)),
    Edit("a trajectory lost", remove(f"results/{PEO}/production/md.xtc"), swept(FROM_PRODUCTION, PEO)),
    Edit("production longer", overlay("stages: {production: {length_ns: 0.006}}"), swept(FROM_PRODUCTION)),
    Edit("production's cadence", overlay("stages: {production: {frame_interval_ps: 0.2}}\nanalysis: {motion_interval_ps: 0.2, structure_interval_ps: 0.2}"), swept(FROM_PRODUCTION)),
    Edit("npt longer", overlay("stages: {npt: {length_ns: 0.008}}"), swept({"npt", "nvt", "density"} | FROM_PRODUCTION)),
    Edit("barostat of npt", replace("tests/config/tiny-protocol.yaml", "tau_p_ps: 2.0", "tau_p_ps: 3.0"), swept({"npt", "nvt", "density"} | FROM_PRODUCTION)),
    Edit("temperature of compress", overlay("stages: {compress: {temperature_K: 450}}"), swept({"compress", "npt", "nvt", "density"} | FROM_PRODUCTION)),
    Edit("cut-off", replace("tests/config/tiny-protocol.yaml", "cutoff_nm: 0.8", "cutoff_nm: 0.78"), swept(STAGE_SET | ANALYSES)),
    Edit("seed", overlay("seed: 8"), swept({"box"} | STAGE_SET | ANALYSES)),
    Edit("packing density", overlay("box: {packing_density_g_cm3: 0.14}"), swept({"box"} | STAGE_SET | ANALYSES)),
    Edit("a charge of the amide", both(replace("topologies/units/PA6.yaml", "charge: 0.45,", "charge: 0.44,"), replace("topologies/units/PA6.yaml", "charge: -0.45,", "charge: -0.44,")), swept(EVERYTHING, PEBAX)),
    Edit("an angle of the amide", replace("topologies/bonded.yaml", "[CA, N, H], macro: ga_32", "[CA, N, H], macro: ga_31"), swept(EVERYTHING, PEBAX)),
    Edit("a Lennard-Jones number of lithium", replace("topologies/atomtypes.yaml", "2.82836e-5", "2.83e-5"), swept(EVERYTHING)),
    Edit("a replicate more", overlay("sweep:\n  - {polymer: peo, eo_li: 12, temperature_K: 400, replicate: [1, 2]}\n  - {polymer: pebax, eo_li: 16, temperature_K: 400}"), swept(EVERYTHING, "peo-eo12-400K-r2") | {("starts", "")}),
    Edit("a system less", overlay("sweep:\n  - {polymer: peo, eo_li: 12, temperature_K: 400}"), OTHER_SYSTEMS),
    Edit("ion charges", overlay("sweep:\n  - {polymer: peo, eo_li: 12, temperature_K: 400, ion_charge_scale: 0.8}\n  - {polymer: pebax, eo_li: 16, temperature_K: 400}"), swept(EVERYTHING, "peo-eo12-400K-q0.80-r1")),
]  # fmt: skip


def planned(text: str) -> set[tuple[str, str]]:
    """(rule, system) of each job of a dry run."""
    jobs = set()
    # the jobs of a group are indented
    for block in re.split(r"\n(?= *(?:\[|rule |localrule ))", text):
        head = re.match(r" *(?:local)?rule (\w+):", block)
        if head and head[1] != "all":
            system = re.search(r"wildcards: system=([^\s,]+)", block)
            jobs.add((head[1], system[1] if system else ""))
    return jobs


def dry_run(folder: Path, *words: str, config: tuple[str, ...] = (TINY,)) -> set[tuple[str, str]]:
    run = snakemake(folder, *words, "-n", "--quiet", "host", config=config)
    assert run.returncode == 0, run.stdout
    return planned(run.stdout)


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_an_edit_reruns_what_it_makes_stale(edit: Edit, study: Path) -> None:
    edit.make(study)
    config = (TINY, "own.yaml") if (study / "own.yaml").exists() else (TINY,)
    assert dry_run(study, *edit.words, config=config) == edit.jobs


def test_documented_ways_to_rerun_one_stage(study: Path) -> None:
    after = {"npt", "nvt", "density"} | FROM_PRODUCTION
    assert dry_run(study, "-f", f"results/{PEO}/npt/md.gro") == {("npt", PEO)}
    assert dry_run(study, "-R", "npt") == swept(after)
    assert dry_run(study, "-R", f"results/{PEO}/npt/md.gro") == swept(after, PEO)
    assert dry_run(study, "-R", "npt", "--until", "npt") == per_system({"npt"})
    assert dry_run(study, "-R", "structure") == swept({"structure", "figures"})
    shutil.rmtree(study / "results" / PEO)
    assert dry_run(study, f"results/{PEO}/npt/md.gro") == per_system(
        {"topology", "box", "minimise", "compress", "npt"}, PEO
    )
    assert dry_run(study, "--until", "npt") == per_system({"topology", "box", "minimise", "compress", "npt"}, PEO)


def test_a_forced_stage_finds_its_finished_run_and_simulates_nothing(study: Path) -> None:
    log = study / f"results/{PEO}/nvt/run/mdrun.log"
    before = log.read_bytes()
    run = snakemake(study, "-f", f"results/{PEO}/nvt/md.gro")
    assert run.returncode == 0 and "is complete already" in run.stdout, run.stdout
    assert log.read_bytes() == before
