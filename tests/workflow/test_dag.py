"""The whole DAG on a tiny study, as a user runs it."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from eoli.study.columns import meaning
from eoli.workflow.plan import FIGURES, PAPER_FORMATS, SWEEP_FIGURES
from support import (
    LIMIT_S,
    STAGES,
    SYSTEMS,
    TINY,
    environment,
    obeying_modes,
    snakemake,
    snakemake_command,
    without_writing,
)

pytestmark = pytest.mark.workflow


def test_finished_run_has_everything(finished: Path) -> None:
    table = pd.read_csv(finished / "results/summary/sweep.csv")
    assert sorted(table.system) == sorted(SYSTEMS)
    assert set(table.status) <= {"pass", "warn"}
    assert table.set_index("system").loc["pebax-eo16-400K-r1", "eo_li_simulated"] == 16
    assert not table.simulated_in_study.any()
    for system in SYSTEMS:
        folder = finished / "results" / system
        for stage in STAGES:
            verdict = json.loads((folder / stage / "verdict.json").read_text())
            assert verdict["status"] in ("pass", "warn") and not verdict["broken"]
            record = json.loads((folder / stage / "provenance.json").read_text())
            assert record["gromacs"]["versions"] and record["seed"] > 0 and record["software"]["snakemake"]
            words = [word for command in record["commands"] for word in command]
            assert "mdrun" in words and "grompp" in words
            assert not any("maxwarn" in word for word in words)
            assert record["inputs_sha256"] and len(record["git"]["commit"] or "") in (0, 40)
        for name, extension in itertools.product(FIGURES, ("svg", "png")):
            assert (folder / "analysis" / f"{name}.{extension}").stat().st_size > 1000
        assert (folder / "analysis/snapshot.png").stat().st_size > 100_000
        assert "Known limits" in (folder / "topology/parameters.html").read_text()
    for name, extension in itertools.product((*SWEEP_FIGURES, "rdf"), ("svg", "png")):
        assert (finished / "results/summary" / f"{name}.{extension}").stat().st_size > 1000
    study = pd.read_csv(finished / "results/summary/study.csv")
    assert set(study.verdict) <= {"agrees", "differs", "not resolved", "not comparable", "not simulated in the study"}
    assert not study.reason.str.contains("analysis missing").any()
    for extension in PAPER_FORMATS:
        assert (finished / f"results/summary/paper.{extension}").stat().st_size > 10_000
    # four picoseconds resolve no transport: no number may come out of them
    assert table[["D_Li_m2_s", "conductivity_collective_S_m", "transference_onsager_polymer"]].isna().all(axis=None)
    assert table.gauche_fraction.between(0.5, 1).all() and table.energy_Li_PEO_kJ_mol.lt(-100).all()


def test_every_column_of_every_table_is_documented(finished: Path) -> None:
    unknown = []
    for path in finished.glob("results/*/**/*.csv"):
        name = "traces-<stage>.csv" if path.name.startswith("traces-") else path.name
        columns = path.read_text().splitlines()[0].split(",")
        unknown += [f"{path}: {column}" for column in columns if not meaning(f"{path.parent.name}/{name}", column)]
    assert unknown == []


def test_first_mistakes_are_one_line_and_free_text_is_free(workflow: Path) -> None:
    for keys, words, says in (
        ("study: PEO with {Li} & '$x$'", (), "This was a dry-run"),
        ("sweep: [{polymer: peo, eo_li: 12:1}]", (), "eoli: own.yaml:1: sweep[0].eo_li: '12:1' is not allowed"),
        ("seed: 1", ("results/peo-eo13-400K-r1/npt/md.gro",), "did you mean peo-eo12-400K-r1?"),
    ):
        (workflow / "own.yaml").write_text(keys + "\n")
        run = snakemake(workflow, "-n", "--configfile", TINY, "own.yaml", "--", *words, config=())
        assert says in run.stdout and "Traceback" not in run.stdout
        assert run.returncode == (0 if "dry-run" in says else 2)


def test_frames_are_equidistant_and_complete(finished: Path) -> None:
    for system in SYSTEMS:
        with XTCFile(str(finished / "results" / system / "production/md.xtc")) as stream:
            steps = np.array([frame.step for frame in stream])
        assert (np.diff(steps) == 50).all() and steps[-1] == 2000


def test_carbonyl_columns_are_absent_for_peo(finished: Path) -> None:
    peo = pd.read_csv(finished / "results/peo-eo12-400K-r1/analysis/structure.csv")
    pebax = pd.read_csv(finished / "results/pebax-eo16-400K-r1/analysis/structure.csv")
    assert "g_Li_carbonyl_O" in pebax and not any("carbonyl" in name for name in peo)


def test_snakemakes_own_report_has_every_caption(study: Path) -> None:
    run = snakemake(study, "--report", "own.html")
    assert run.returncode == 0, run.stdout
    text = (study / "own.html").read_text()
    for category in ("Page", "For papers", "Sweep", "Systems", "Tables"):
        assert f'"{category}"' in text, category
    # no stage of the tiny study cools a melt
    captions = sorted(
        {*(study / "workflow/report").rglob("*.rst")} - {*(study / "workflow/report").rglob("glass*.rst")}
    )
    assert len(captions) > 20
    for caption in captions:
        words = max(re.findall(r"[A-Za-z ,]+", caption.read_text().splitlines()[0]), key=len).strip()
        assert words in text, caption


def test_second_run_does_nothing(study: Path) -> None:
    def files() -> dict[Path, tuple[int, int]]:
        found = {path: path.stat() for path in study.glob("results/**/*") if path.is_file()}
        return {path: (at.st_ino, at.st_mtime_ns) for path, at in found.items()}

    before = files()
    run = snakemake(study)
    assert run.returncode == 0 and "Nothing to be done" in run.stdout, run.stdout
    # no file is written; what Snakemake dated after the job that made it gets the date of its record back
    after = files()
    assert {path: inode for path, (inode, _) in after.items()} == {path: inode for path, (inode, _) in before.items()}
    assert snakemake(study).returncode == 0
    assert files() == after


def test_topology_and_box_are_the_same_byte_for_byte(finished: Path, workflow: Path) -> None:
    system = SYSTEMS[0]
    run = snakemake(workflow, f"results/{system}/box/box.gro")
    assert run.returncode == 0, run.stdout
    for name in (
        "topology/system.top",
        "topology/forcefield.itp",
        "topology/PEO.itp",
        "topology/TFSI.itp",
        "box/box.gro",
    ):
        assert (workflow / "results" / system / name).read_bytes() == (
            finished / "results" / system / name
        ).read_bytes()


def test_trajectory_is_the_same_with_the_reproducible_option(finished: Path, workflow: Path) -> None:
    system = SYSTEMS[0]
    run = snakemake(workflow, f"results/{system}/npt/md.xtc")
    assert run.returncode == 0, run.stdout
    frames = []
    for folder in (workflow, finished):
        with XTCFile(str(folder / "results" / system / "npt/md.xtc")) as stream:
            frames.append(np.array([frame.x.copy() for frame in stream]))
    np.testing.assert_array_equal(*frames)


@pytest.mark.parametrize("config", [(), ("config/demo.yaml",), (TINY,)])
def test_every_shipped_config_has_a_dag(config: tuple[str, ...], workflow: Path) -> None:
    run = snakemake(workflow, "-n", config=config)
    assert run.returncode == 0, run.stdout
    systems = 2 if TINY in config else 7
    jobs = dict(re.findall(r"^(\w+)\s+(\d+)$", run.stdout, re.MULTILINE))
    assert all(jobs[name] == str(systems) for name in ("topology", "box", *STAGES, "density", "figures"))
    assert jobs["collect"] == "1"


def test_a_temperature_series_starts_from_one_box(workflow: Path) -> None:
    (workflow / "own.yaml").write_text(
        "sweep:\n  - {polymer: peo, eo_li: 12, temperature_K: [380, 420], temperature_series: true}\n"
        "stages: {compress: {length_ns: 0.005}, npt: {length_ns: 0.002}}\n"
    )
    members, config = ("peo-eo12-380K-r1", "peo-eo12-420K-r1"), (TINY, "own.yaml")
    run = snakemake(workflow, *(f"results/{name}/npt/md.gro" for name in members), config=config)
    assert run.returncode == 0, run.stdout
    results = workflow / "results"
    assert sorted(path.parent.name for path in results.glob("*/compress")) == ["peo-eo12-series-r1"]
    starts = []
    for name, kelvin in zip(members, (380, 420), strict=True):
        verdict = json.loads((results / name / "npt/verdict.json").read_text())
        assert verdict["values"]["reference_temperature_K"] == kelvin
        starts.append((results / name / "npt/run/start.trr").read_bytes())
    assert starts[0] == starts[1]
    words = ["eoli", "status", "--json", "--config", "config/config.yaml", *config]
    status = subprocess.run(words, cwd=workflow, env=environment(), capture_output=True, text=True, check=True).stdout
    assert [(s["system"], s["stage"]) for s in json.loads(status) if s["state"] == "done"] == [
        (name, stage) for name in members for stage in ("minimise", "compress", "npt")
    ]
    everything = snakemake(workflow, "-n", config=config)
    assert everything.returncode == 0, everything.stdout
    jobs = dict(re.findall(r"^(\w+)\s+(\d+)$", everything.stdout, re.MULTILINE))
    assert (jobs["traces"], jobs["nvt"]) == ("10", "2") and not {"box", "minimise", "compress", "npt"} & jobs.keys()


def test_a_supercell_is_planned_together_with_its_parent(workflow: Path) -> None:
    (workflow / "own.yaml").write_text(
        "sweep:\n  - {polymer: peo, eo_li: 12, temperature_K: 400}\n"
        "  - {polymer: peo, eo_li: 12, temperature_K: 400, supercell: [2, 1, 1]}\n"
    )
    run = snakemake(workflow, "-n", config=(TINY, "own.yaml"))
    assert run.returncode == 0, run.stdout
    jobs = dict(re.findall(r"^(\w+)\s+(\d+)$", run.stdout, re.MULTILINE))
    assert (jobs["box"], jobs["supercell"], jobs["topology"], jobs["npt"]) == ("1", "1", "2", "2")


def test_a_cooled_melt_gets_a_glass_transition(workflow: Path) -> None:
    run = snakemake(workflow, "-n", config=("config/cases/tg.yaml",))
    assert run.returncode == 0, run.stdout
    jobs = dict(re.findall(r"^(\w+)\s+(\d+)$", run.stdout, re.MULTILINE))
    cooled = (jobs["cooling"], jobs["specific_volume"], jobs["glass_transition"], jobs["replicas"])
    assert cooled == ("2", "2", "1", "1")


def test_starts_of_a_system_are_analysed_together(workflow: Path) -> None:
    case = ("config/cases/resolved.yaml",)
    run = snakemake(workflow, "-n", config=case)
    assert run.returncode == 0, run.stdout
    jobs = dict(re.findall(r"^(\w+)\s+(\d+)$", run.stdout, re.MULTILINE))
    assert (jobs["conductivity"], jobs["starts"], jobs["replicas"]) == ("12", "4", "1")
    one = snakemake(workflow, "-n", "results/summary/starts/pebax-eo12-700K-q0.75.json", config=case)
    jobs = dict(re.findall(r"^(\w+)\s+(\d+)$", one.stdout, re.MULTILINE))
    assert (jobs["starts"], jobs["reduce"]) == ("1", "2") and "conductivity" not in jobs
    single = snakemake(workflow, "-n")
    assert not re.search(r"^starts\s", single.stdout, re.MULTILINE)


def test_a_new_stage_needs_no_rule(workflow: Path) -> None:
    protocol = (workflow / "tests/config/tiny-protocol.yaml").read_text()
    added = protocol.replace(
        "  - name: nvt\n",
        "  - {name: settle, ensemble: NVT, integrator: sd, time_step_fs: 2, length_ns: 0.001, tau_t_ps: 1,\n"
        "     start: mean-volume-frame, frame_interval_ps: 0.5, energy_interval_ps: 0.1}\n  - name: nvt\n",
    ).replace("    start: mean-volume-frame\n    thermostat", "    thermostat")
    (workflow / "protocol.yaml").write_text(added)
    (workflow / "own.yaml").write_text("protocol: protocol.yaml\n")
    run = snakemake(workflow, "-n", config=(TINY, "own.yaml"))
    assert run.returncode == 0, run.stdout
    assert re.search(r"^settle\s+2$", run.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("boks: {chains: 4}", "boks: unknown key"),
        ("box: {chains: many}", "box.chains: 'many' is not allowed"),
        ("stages: {npt: {length_ns: -1}}", "length_ns: -1 is not allowed"),
        ("sweep: [{polymer: nylon, eo_li: 12}]", "polymer 'nylon'"),
        ("sweep: [{polymer: peo, eo_li: 12, salt: nacl}]", "salt 'nacl'"),
        ("sweep: [{polymer: peo, eo_li: 9000}]", "gives no lithium ion"),
        ("{box: {chains: 1}, sweep: [{polymer: peo, eo_li: 12}]}", "smaller than twice the cut-off"),
        (
            "stages: {nvt: {integrator: md-vv, ensemble: NPT, barostat: parrinello-rahman, tau_p_ps: 5, pressure_bar: 1}}",
            "md-vv + v-rescale + parrinello-rahman",
        ),
    ],
)
def test_bad_input_is_one_line_and_starts_nothing(text: str, says: str, workflow: Path) -> None:
    (workflow / "bad.yaml").write_text(text + "\n")
    run = snakemake(workflow, config=(TINY, "bad.yaml"))
    lines = [line for line in run.stdout.splitlines() if line.startswith("eoli: ")]
    assert run.returncode == 2 and len(lines) == 1, run.stdout
    assert says in lines[0] and "bad.yaml:1" in lines[0] and "Traceback" not in run.stdout
    assert not (workflow / "results").exists()


def _failing_gmx(folder: Path, system: str, stage: str) -> Path:
    """A GROMACS that fails in one stage of one system as a real one does, and is the installed one otherwise."""
    script = folder / "failing-gmx"
    script.write_text(
        "#!/bin/bash\n"
        f'if [ "$1" = mdrun ] && [[ "$PWD" == *{system}/{stage}/run ]]; then\n'
        "  printf -- '-------------------------------------------------------\\nProgram:     gmx mdrun\\n\\n"
        "Fatal error:\\nThere is a bug in the test.\\n\\nFor more information and tips\\n' >&2\n  exit 1\nfi\n"
        f'exec {shutil.which("gmx")} "$@"\n'
    )
    script.chmod(0o755)
    return script


def test_one_failing_system_leaves_the_others_alone(study: Path, tmp_path: Path) -> None:
    folder = study
    failing, healthy = SYSTEMS
    for system in SYSTEMS:
        shutil.rmtree(folder / "results" / system / "production")
    own = tmp_path / "own.yaml"
    own.write_text(f"gmx: {{command: {_failing_gmx(tmp_path, failing, 'production')}}}\n")
    run = snakemake(folder, config=(TINY, str(own)))
    assert run.returncode == 1
    line = next(row for row in run.stdout.splitlines() if row.startswith("eoli stage:"))
    assert f"{failing} production: mdrun failed" in line and "There is a bug in the test." in line and "md.log" in line
    assert "Traceback" not in run.stdout
    assert (folder / "results" / healthy / "analysis/structure.csv").exists()
    assert (folder / "results" / healthy / "production/md.xtc").exists()
    assert not (folder / "results" / failing / "production/md.xtc").exists()
    partial = pd.read_csv(folder / "results/summary/sweep-partial.csv").set_index("system")
    assert partial.loc[failing, "status"].startswith("incomplete") and partial.loc[healthy, "status"] in (
        "pass",
        "warn",
    )
    assert f"{failing} production: failed" in run.stdout
    repaired = snakemake(folder)
    assert repaired.returncode == 0, repaired.stdout


def test_an_old_gromacs_is_refused_before_anything_starts(workflow: Path, tmp_path: Path) -> None:
    old = tmp_path / "old-gmx"
    old.write_text(
        "#!/bin/bash\nprintf 'GROMACS version:    2020.7\\nPrecision:          single\\nMPI library:        thread_mpi\\n"
        "Data prefix:        /usr\\n'\n"
    )
    old.chmod(0o755)
    own = tmp_path / "own.yaml"
    own.write_text(f"gmx: {{command: {old}}}\n")
    run = snakemake(workflow, config=(TINY, str(own)))
    assert run.returncode != 0
    assert "c-rescale needs GROMACS 2021.0 or newer" in run.stdout
    assert not (workflow / "results").exists()


def test_no_gromacs_is_one_message_and_nothing_starts(workflow: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bin"
    bare.mkdir()
    for folder in environment()["PATH"].split(os.pathsep):
        for program in Path(folder).iterdir() if Path(folder).is_dir() else ():
            if not program.name.startswith("gmx") and not (bare / program.name).is_symlink():
                (bare / program.name).symlink_to(program)
    run = subprocess.run(
        snakemake_command(), cwd=workflow, env=os.environ | {"PATH": str(bare), "PYTHONUNBUFFERED": ""},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert run.returncode == 1 and "CalledProcessError" not in run.stdout, run.stdout
    assert [line for line in run.stdout.splitlines() if "GROMACS: " in line] == [run.stdout.splitlines()[-1]]
    assert "'gmx' is not on the PATH; allowed: " in run.stdout.splitlines()[-1] and "--sdm conda" in run.stdout
    assert not (workflow / "results").exists()


def test_odd_places_all_at_once(workflow: Path, tmp_path: Path) -> None:
    """A checkout that cannot be written, without a repository, at a path with blanks and umlauts; results elsewhere, for
    nobody else's eyes; a home that cannot be written; the locale C."""
    checkout, out, home = tmp_path / "Prüfung mit Leerzeichen", tmp_path / "Ergebnisse für ß", tmp_path / "home"
    workflow.rename(checkout)
    for folder in (out, home):
        folder.mkdir()
    variables = {"HOME": str(home), "XDG_CACHE_HOME": str(out / ".cache"), "LC_ALL": "C"}
    targets = [f"results/{SYSTEMS[0]}/{name}" for name in ("minimise/verdict.json", "topology/parameters.html")]
    command = ["snakemake", *targets, "-s", str(checkout / "Snakefile"), "--cores", "2", "--directory", str(out)]
    with without_writing(checkout), without_writing(home):
        run = subprocess.run(
            obeying_modes(*command, "--configfile", str(checkout / TINY)), cwd=out, env=environment() | variables,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S, umask=0o077, check=False,
        )  # fmt: skip
    assert run.returncode == 0 and "Traceback" not in run.stdout, run.stdout
    made = [path for path in (out / "results").rglob("*") if path.is_file()]
    assert made and [path for path in made if path.stat().st_mode & 0o077] == []
    assert not list(home.iterdir()) and not (checkout / "results").exists()


def test_the_command_of_a_rule_can_be_copied_into_a_shell(study: Path) -> None:
    folder = study
    shown = snakemake(folder, "-n", "-p", "--quiet", "reason", "-f", f"results/{SYSTEMS[0]}/nvt/md.xtc")
    command = next(row for row in shown.stdout.splitlines() if "eoli stage" in row).partition("Shell command:")[2]
    run = subprocess.run(
        command, shell=True, cwd=folder, env=environment(), capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert run.returncode == 0 and "is complete already" in run.stderr, run.stderr


def test_the_shorter_result_stays_while_an_extension_fails(study: Path, tmp_path: Path) -> None:
    folder = study / "results" / SYSTEMS[0] / "production"
    before = {name: (folder / name).read_bytes() for name in ("md.xtc", "md.edr", "verdict.json")}
    longer = "stages: {production: {length_ns: 0.006}}\n"
    (study / "longer.yaml").write_text(
        longer + f"gmx: {{command: {_failing_gmx(tmp_path, SYSTEMS[0], 'production')}}}\n"
    )
    failed = snakemake(study, config=(TINY, "longer.yaml"))
    assert failed.returncode == 1 and "There is a bug in the test." in failed.stdout
    assert "is extended from 0.004 to 0.006 ns" in failed.stdout
    assert {name: (folder / name).read_bytes() for name in before} == before
    again = snakemake(study, f"results/{SYSTEMS[0]}/analysis/structure.csv", "-R", "structure")
    assert again.returncode == 0, again.stdout
    (study / "longer.yaml").write_text(longer)
    extended = snakemake(study, config=(TINY, "longer.yaml"))
    assert extended.returncode == 0, extended.stdout
    with XTCFile(str(folder / "md.xtc")) as stream:
        steps = [frame.step for frame in stream]
    assert steps == list(range(0, 3001, 50))


def test_a_stage_that_is_asked_something_is_in_table_and_status(study: Path) -> None:
    (study / "asked.yaml").write_text("stages: {production: {converge: [D_Li], max_length_ns: 0.004}}\n")
    run = snakemake(study, "results/summary/sweep.csv", config=(TINY, "asked.yaml"))
    assert run.returncode == 0, run.stdout
    for system in SYSTEMS:
        verdict = json.loads((study / "results" / system / "production/verdict.json").read_text())
        assert verdict["values"]["convergence"]["D_Li"]["converged"] is False
    assert set(pd.read_csv(study / "results/summary/sweep.csv").status) == {"warn"}
    words = ["eoli", "status", "--json", "--config", "config/config.yaml", TINY, "asked.yaml"]
    status = subprocess.run(words, cwd=study, env=environment(), capture_output=True, text=True, check=True).stdout
    assert {stage["state"] for stage in json.loads(status)} == {"done"}


def test_every_result_says_what_it_was_made_with(finished: Path) -> None:
    system = finished / "results" / SYSTEMS[0]
    names = (
        "topology/system",
        "box/box",
        "analysis/density",
        "analysis/structure",
        "analysis/motion",
        "analysis/figures",
    )
    records = [system / f"{name}.provenance.json" for name in names]
    for path in [*records, finished / "results/summary/sweep.provenance.json"]:
        record = json.loads(path.read_text())
        assert record["software"]["MDAnalysis"] and record["inputs_sha256"] and record["commands"][0][0] == "eoli"


def test_a_system_of_the_sweep_is_redone_on_request(study: Path) -> None:
    folder = study / "results" / SYSTEMS[0] / "nvt"
    frames = (folder / "md.xtc").read_bytes()
    command = ["eoli", "redo", SYSTEMS[0], "nvt", "--config", "config/config.yaml", TINY]
    redone = subprocess.run(command, cwd=study, env=environment(), capture_output=True, text=True, check=False)
    assert redone.returncode == 0 and "run.old-1" in redone.stdout, redone.stderr
    assert (folder / "run.old-1/md.xtc").read_bytes() == frames and not (folder / "md.xtc").exists()
    run = snakemake(study, f"results/{SYSTEMS[0]}/nvt/md.xtc")
    assert run.returncode == 0 and "done (pass)" in run.stdout, run.stdout
    # the same seeds and start, and the reproducible option: the same trajectory
    with XTCFile(str(folder / "md.xtc")) as new, XTCFile(str(folder / "run.old-1/md.xtc")) as old:
        assert all(np.array_equal(a.x, b.x) for a, b in zip(new, old, strict=True))


@pytest.fixture
def read_only(workflow: Path) -> Iterator[Path]:
    """A copy of the workflow that this user cannot write; root needs a mount for it."""
    if os.getuid() != 0:
        workflow.chmod(0o555)
        yield workflow
        workflow.chmod(0o755)
        return
    for words in (["--bind", str(workflow), str(workflow)], ["-o", "remount,ro,bind", str(workflow)]):
        if subprocess.run(["mount", *words], capture_output=True, check=False).returncode != 0:
            pytest.skip("root may not mount here")
    yield workflow
    subprocess.run(["umount", "--lazy", str(workflow)], check=True)


def test_a_checkout_that_cannot_be_written(read_only: Path, tmp_path: Path) -> None:
    run = snakemake(read_only, "-n")
    lines = [line for line in run.stdout.splitlines() if line.startswith("eoli: ")]
    assert run.returncode == 2 and len(lines) == 1 and "Traceback" not in run.stdout, run.stdout
    assert "cannot be written; allowed: snakemake --directory FOLDER" in lines[0]
    made = snakemake(read_only, "--directory", str(tmp_path / "out"), f"results/{SYSTEMS[0]}/topology/system.top")
    assert made.returncode == 0, made.stdout
    assert (tmp_path / f"out/results/{SYSTEMS[0]}/topology/system.top").exists()
