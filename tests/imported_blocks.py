"""The molecules of docs/own-molecules.md in a folder of building blocks, as a reader who follows it has them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from support import ROOT

FILES = ROOT / "tests/imported"
_BLOCK = re.compile(r"(?P<before>[^\n]*\n[^\n]*)\n\n```yaml\n(?P<yaml>.*?)```", re.DOTALL)


def follow(blocks: Path) -> str:
    """Write the entries of the page and the files that they name; returns its sweeps of `my.yaml` as one."""
    for name in ("oplsaa", "gromos"):
        shutil.copytree(FILES / name, blocks / name)
    sweep = "sweep:\n"
    for block in _BLOCK.finditer((ROOT / "docs/own-molecules.md").read_text()):
        names = re.findall(r"`topologies/([\w/.-]+\.yaml)`", block["before"])
        if names:
            assert not (blocks / names[-1]).exists(), f"{names[-1]} is not new"
            (blocks / names[-1]).parent.mkdir(exist_ok=True)
            (blocks / names[-1]).write_text(block["yaml"])
        elif "`my.yaml`" in block["before"]:
            sweep += block["yaml"].removeprefix("box: {chains: 120}\n").removeprefix("sweep:\n")
    return sweep


def study_beside() -> str:
    """The sweep of the page with an imported solvent beside a polymer of ours."""
    page = (ROOT / "docs/own-molecules.md").read_text()
    return next(block["yaml"] for block in _BLOCK.finditer(page) if "`wet.yaml`" in block["before"])
