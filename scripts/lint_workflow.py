"""`snakemake --lint`, of which one advice is not taken: the software of a rule.

The workflow calls the console command of the environment that it is installed in, and GROMACS as the configuration
names it. A conda environment would hide the user's own GROMACS build: the rules have one only with `--sdm conda`.
"""

from __future__ import annotations

import re
import subprocess

NOT_TAKEN = "Specify a conda environment or container for each rule."


def main() -> int:
    """Print what the linter says beyond `NOT_TAKEN`; 1 when it says anything."""
    run = subprocess.run(["snakemake", "--lint"], capture_output=True, text=True, check=False)
    text = run.stdout + run.stderr
    found, rule = [], "Snakefile"
    for line in text.splitlines():
        if head := re.match(r"Lints for (.+?):?$", line):
            rule = head[1]
        elif (lint := re.match(r"    \* (.+?):?$", line)) and lint[1].rstrip(":") != NOT_TAKEN:
            found.append(f"{rule}: {lint[1]}")
    if "Lints for" not in text and run.returncode != 0:
        found.append(text.strip())
    print("\n".join(found) or "workflow: no lint")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
