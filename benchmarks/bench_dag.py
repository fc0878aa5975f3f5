"""What a sweep of many systems costs before anything runs: dry run, one target, status; `make bench-dag`.

The same rules with nothing but their inputs and outputs (a bare Snakefile) show Snakemake's own share. Figures are
processor times, so that they mean something on a busy machine; a job's is what it adds beyond the start-up.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW = ("Snakefile", "workflow", "config", "topologies", "profiles")
RATIOS = (8, 10, 12, 16, 20)
TEMPERATURES = tuple(range(300, 400, 10))

SHAPE = """
include: "Snakefile"
import json
from pathlib import Path
from types import SimpleNamespace
WILDCARDS = {"system": next(iter(PLAN.systems)), "stage": STAGES[-1]}

def patterns(entries, used):
    for entry in entries:
        if not callable(entry):
            yield str(entry)
            continue
        found = entry(SimpleNamespace(**WILDCARDS))
        for path in [found] if isinstance(found, str) else found:
            for name in used:
                path = path.replace(WILDCARDS[name], "{" + name + "}")
            yield path

shape = {}
for rule in workflow.rules:
    output = list(map(str, rule.output))
    # two rules may make one file; the first of them is what this sweep uses
    if output and output in [entry["output"] for entry in shape.values()]:
        continue
    shape[rule.name] = {"input": list(patterns(rule.input, rule.wildcard_names)), "output": output}
Path("shape.json").write_text(json.dumps(shape))
"""
BARE = """
import json
from pathlib import Path

wildcard_constraints:
    system=r"[A-Za-z0-9][\\w.-]*",
    stage=r"[a-z]+",

for name, entry in json.loads(Path("shape.json").read_text()).items():
    rule:
        name: name
        input: entry["input"]
        output: entry["output"]
        shell: "true"
"""


@dataclass(frozen=True)
class Run:
    """Processor and wall time (s) and the largest memory (MB) of a command, and what it printed."""

    cpu_s: float
    wall_s: float
    memory_mb: float
    text: str


def run(folder: Path, *command: str) -> Run:
    """Run a command to its end; a failure ends the benchmark."""
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as stream:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - started
        stream.seek(0)
        text = stream.read()
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{text[-3000:]}")
    return Run(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, text)


def sweep(n_systems: int) -> str:
    """A sweep of that many systems, rounded up to whole replicates."""
    replicates = -(-n_systems // (2 * len(RATIOS) * len(TEMPERATURES)))
    axes = f"polymer: [peo, pebax], eo_li: {list(RATIOS)}, temperature_K: {list(TEMPERATURES)}"
    return f"sweep: [{{{axes}, replicate: {list(range(1, replicates + 1))}}}]\n"


def n_jobs(text: str) -> int:
    found = re.findall(r"^total\s+(\d+)", text, re.MULTILINE)
    if not found:
        sys.exit(f"no table of jobs in:\n{text[-2000:]}")
    return int(found[0])


def dry_run(folder: Path, *words: str) -> Run:
    return run(folder, "snakemake", "-n", "--quiet", "all", *words)


def finished_systems(folder: Path, names: list[str], stages: list[str]) -> None:
    """What `eoli status` reads of systems of which the last stage still has to be done."""
    for name in names:
        for stage in stages[:-1]:
            place = folder / "results" / name / stage
            (place / "run").mkdir(parents=True)
            (place / ".lock").touch()
            (place / "verdict.json").write_text(
                json.dumps({"status": "pass", "values": {"ns": 1000.0}, "warnings": []})
            )
            (place / "progress.json").write_text(json.dumps({"step": 1, "time": 0.0, "host": "x", "ns_per_day": 50.0}))


def compare(folder: Path, n_systems: int) -> None:
    """Print the costs of a sweep of `n_systems`."""
    (folder / "many.yaml").write_text(sweep(n_systems))
    (folder / "one.yaml").write_text("sweep: [{polymer: peo, eo_li: 12}]\n")
    rows = []
    for name, snakefile in (("EOLI", "Snakefile"), ("bare rules", "bare.smk")):
        dags = []
        for config in ("one.yaml", "many.yaml"):
            if name == "EOLI":
                dags.append(dry_run(folder, "--configfile", config))
            else:
                run(
                    folder,
                    "snakemake",
                    "-n",
                    "--quiet",
                    "all",
                    "-s",
                    "shape.smk",
                    "--configfile",
                    config,
                    "--until",
                    "all",
                )
                dags.append(dry_run(folder, "-s", snakefile, "--", "all"))
        jobs = [n_jobs(dag.text) for dag in dags]
        beyond = 1000 * (dags[1].cpu_s - dags[0].cpu_s) / (jobs[1] - jobs[0])
        rows.append((name, jobs[1], dags[0].cpu_s, dags[1].cpu_s, beyond, dags[1].memory_mb))
    print(f"{'dry run':12s} {'jobs':>8s} {'start s':>8s} {'all s':>8s} {'ms/job':>7s} {'MB':>7s}")
    for name, count, start, whole, beyond, memory in rows:
        print(f"{name:12s} {count:8d} {start:8.2f} {whole:8.1f} {beyond:7.2f} {memory:7.0f}")
    ours, bare = rows
    print(
        f"EOLI over bare rules: {ours[4] / bare[4]:.2f} times the time a job, {ours[5] / bare[5]:.2f} times the memory"
    )
    system = f"pebax-eo20-{TEMPERATURES[-1]}K-r1"
    one = dry_run(folder, "--configfile", "many.yaml", "--", f"results/{system}/npt/md.gro")
    print(f"one target of {n_systems} systems: {one.cpu_s:.2f} s, {one.memory_mb:.0f} MB")
    config = ["--config", "config/config.yaml", "many.yaml"]
    systems = [line.split()[0] for line in run(folder, "eoli", "status", *config).text.splitlines()[1:]]
    stages = ["minimise", "compress", "npt", "nvt", "production"]
    finished_systems(folder, systems, stages)
    status = run(folder, "eoli", "status", *config)
    print(f"status of {len(systems)} systems: {status.cpu_s:.2f} s, wall {status.wall_s:.2f} s")
    checked = run(folder, "eoli", "check", *config)
    print(f"check of {len(systems)} systems: {checked.cpu_s:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--systems", type=int, default=1000, help="multiples of 100 (default: 1000)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="eoli-bench-dag-") as name:
        folder = Path(name)
        for part in WORKFLOW:
            source = ROOT / part
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, folder / part)
        (folder / "shape.smk").write_text(SHAPE)
        (folder / "bare.smk").write_text(BARE)
        compare(folder, arguments.systems)


if __name__ == "__main__":
    main()
