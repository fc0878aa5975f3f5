"""The pages of the documentation, and what a reader of one copies: YAML and command lines."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support import ROOT

PAGES = sorted(
    path.relative_to(ROOT)
    for path in [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "config/README.md", "topologies/README.md")),
        *(ROOT / "docs").rglob("*.md"),
    ]
    if not {"_build", "python"} & set(path.parts)
)
FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK_AND_FILE = re.compile(r"(?P<before>[^\n]*\n[^\n]*)\n\n```yaml\n(?P<yaml>.*?)```", re.DOTALL)
PROGRAMS = ("eoli", "make", "snakemake")


@dataclass(frozen=True)
class Snippet:
    """A block of YAML, and the file that the line before it names, if any."""

    page: Path
    text: str
    file: str


def text_of(page: Path) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: Path, *languages: str) -> Iterator[re.Match[str]]:
    return (found for found in FENCE.finditer(text_of(page)) if found["language"] in languages)


def snippets(page: Path) -> list[Snippet]:
    text, found = text_of(page), []
    for block in blocks(page, "yaml"):
        before = text[: block.start()].rstrip().splitlines()[-1:]
        named = re.findall(r"`([\w/.-]+\.yaml)`", before[0]) if before else []
        found.append(Snippet(page, block["text"], named[0] if named else "my.yaml"))
    return found


def commands(page: Path) -> list[str]:
    """Command lines of our three programs: whole lines of blocks, and code in the text that has more than one word."""
    lines = [line for block in blocks(page, "", "bash") for line in block["text"].replace("\\\n", " ").splitlines()]
    lines += re.findall(r"`([^`\n]+)`", FENCE.sub("", text_of(page)))
    found = []
    for line in lines:
        for part in re.split(r"&&|;", line.split("#")[0]):
            words = re.sub(r"^(?:[A-Z_]+=\S+ +)+", "", part.strip())
            if words.split(" ")[0] in PROGRAMS and "..." not in words:
                found.append(words)
    return found


def give_files_of_a_reader(folder: Path) -> None:
    """Building blocks and topologies that a page takes for those of its reader, in a folder with `topologies`."""
    shutil.copytree(ROOT / "topologies", folder / "my-blocks")
    for name in ("oplsaa", "gromos"):
        shutil.copytree(ROOT / "tests/imported" / name, folder / "topologies" / name)


def extend_blocks(folder: Path) -> list[str]:
    """Write or append what each block of YAML of topologies/README.md belongs to, as the line above it says; returns the
    names of the files."""
    names = []
    for block in BLOCK_AND_FILE.finditer(text_of(Path("topologies/README.md"))):
        name = re.findall(r"`([\w/.-]+\.yaml)`", block["before"])[-1]
        path = folder / name
        old = path.read_text() if path.exists() else ""
        assert not old or name in ("sources.yaml", "atomtypes.yaml"), f"{name} is not new"
        path.parent.mkdir(exist_ok=True)
        path.write_text(old + block["yaml"])
        names.append(name)
    return names
