"""Processor time that the start of each analysis takes, beyond importing numpy, scipy and h5py; `make bench-start`.

The start is all that a command imports before it reads its data. The smallest of several runs is taken, in turns with the
three libraries alone, because other work on the machine makes a run longer and never shorter.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from eoli.study.analyses import ANALYSES

LIBRARIES = "import numpy, scipy, h5py"
START = "import eoli.cli, eoli.study.criteria, eoli.core.provenance; from eoli.study.analyses import BY_NAME; BY_NAME[{!r}].load()"


def processor_seconds(code: str) -> float:
    """Of a new Python that runs the code."""
    before = os.times()
    subprocess.run([sys.executable, "-c", code], check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7, help="of each, in turns (default: 7)")
    runs = parser.parse_args().runs
    codes = {"numpy, scipy, h5py": LIBRARIES} | {of.name: f"{LIBRARIES}; {START.format(of.name)}" for of in ANALYSES}
    measured = {name: [] for name in codes}
    for _ in range(runs):
        for name, code in codes.items():
            measured[name].append(processor_seconds(code))
    least = {name: min(seconds) for name, seconds in measured.items()}
    base = least.pop("numpy, scipy, h5py")
    print(f"numpy, scipy, h5py alone: {base:.2f} s of processor time")
    for name, seconds in least.items():
        print(f"{name:16s} {seconds - base:5.2f} s more, {seconds / base:4.1f} times")


if __name__ == "__main__":
    main()
