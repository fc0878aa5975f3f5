"""What tests share: the tiny study, Snakemake as a user calls it, and a finished run of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TINY = ROOT / "tests/config/tiny.yaml"
SYSTEMS = ("peo-eo12-400K-r1", "pebax-eo16-400K-r1")
STAGES = ("minimise", "compress", "npt", "nvt", "production")


def environment() -> dict[str, str]:
    """The environment of a shell in which this Python's virtual environment is active."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def snakemake(
    folder: Path, *words: str, config: tuple[Path, ...] = (TINY,), root: Path = ROOT, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run the workflow in `folder` on two cores; standard output and error come together."""
    command = ["snakemake", "--snakefile", str(root / "Snakefile"), "--directory", str(folder), "--cores", "2"]
    if config:
        command += ["--configfile", *map(str, config)]
    # the option takes many values: a target must not follow it directly
    command += ["--latency-wait", "5"]
    return subprocess.run(
        [*command, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout,
        stdin=subprocess.DEVNULL, env=environment(), check=False,
    )  # fmt: skip
