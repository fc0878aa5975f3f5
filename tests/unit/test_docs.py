"""What the documentation says works: links lead somewhere, YAML is accepted, commands are as their parsers want them."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from snakemake.cli import get_argument_parser

from eoli import cli
from eoli.study.config import load_study
from eoli.study.roles import read_roles
from eoli.study.systems import systems_of
from support import ROOT

PAGES = sorted(
    path.relative_to(ROOT)
    for path in [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "config/README.md", "topologies/README.md")),
        *(ROOT / "docs").rglob("*.md"),
    ]
    if not {"_build", "python"} & set(path.parts)
)
LONGEST_README = 150
FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\((?P<path>[^)#\s]*)(?P<anchor>#[^)\s]*)?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
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


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def anchors(page: Path) -> list[str]:
    """Anchors of a page and of those that it includes."""
    text = page.read_text(encoding="utf-8")
    found = [slug(heading) for heading in HEADING.findall(text)]
    for included in re.findall(r"^```{include} (\S+)$", text, re.MULTILINE):
        found += anchors(page.parent / included)
    return found


def test_the_readme_is_short() -> None:
    assert len(text_of(Path("README.md")).splitlines()) <= LONGEST_README


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.finditer(FENCE.sub("", text_of(page))):
        if link["path"].startswith(("https:", "http:")):
            continue
        target = (ROOT / page).parent / link["path"] if link["path"] else ROOT / page
        assert target.exists(), link[0]
        if link["anchor"]:
            assert link["anchor"][1:] in anchors(target), link[0]


@pytest.mark.parametrize("page", [page for page in PAGES if snippets(page)], ids=str)
def test_yaml_is_accepted(page: Path, tmp_path: Path) -> None:
    """A page is followed in a folder of its own: building blocks stay there for the studies that use them."""
    for name in ("config", "topologies"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "topologies", tmp_path / "my-blocks")
    # files that a page takes for those of its reader
    for name in ("oplsaa", "gromos"):
        shutil.copytree(ROOT / "tests/imported" / name, tmp_path / "topologies" / name)
    for snippet in snippets(page):
        keys = yaml.safe_load(snippet.text)
        path = tmp_path / snippet.file
        if "molecules" in keys:
            path.write_text(snippet.text, encoding="utf-8")
            read_roles(path)
        elif path.parent != tmp_path or not keys.keys() & {"sweep", "stages", "study", "analysis", "runs"}:
            # a building block: those of topologies/README.md are built by test_topologies_readme
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(snippet.text, encoding="utf-8")
        else:
            path.write_text(snippet.text, encoding="utf-8")
            blocks = {} if "topologies" in keys else {"topologies": str(tmp_path / "topologies")}
            assert systems_of(load_study([tmp_path / "config/config.yaml", path], tmp_path, blocks))


class Parsed(Exception):
    """The command line was parsed to its end."""


def parse_eoli(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
        raise Parsed

    monkeypatch.setattr(cli, "_run", stop)
    with pytest.raises(Parsed):
        cli.main(words)


def make_targets() -> set[str]:
    text = text_of(Path("Makefile"))
    return {name for line in re.findall(r"^\.PHONY: (.+)$", text, re.MULTILINE) for name in line.split()}


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=str)
def test_commands_are_as_their_parsers_want_them(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in commands(page):
        program, *words = shlex.split(line.replace('"$@"', ""))
        try:
            if program == "make":
                targets = [word for word in words if "=" not in word and word not in ("-n", "-C")]
                assert set(targets) <= make_targets(), line
            elif program == "snakemake":
                get_argument_parser().parse_args(words)
            elif words[:1] in ([], ["--help"], ["--version"]):
                continue
            elif len(words) == 1 or words[1:] == ["--help"]:
                # mentioned by name
                assert words[0] in cli.COMMANDS, line
            else:
                parse_eoli(words, monkeypatch)
        except SystemExit:
            pytest.fail(f"{page}: {line}")


CHECKS = [
    (page, line)
    for page in PAGES
    for line in commands(page)
    if line.startswith("eoli check --config") and all(word.endswith(".yaml") for word in line.split()[3:])
]


@pytest.mark.parametrize(("page", "line"), CHECKS, ids=lambda value: str(value).replace("/", "-"))
def test_checks_of_studies_that_a_page_writes_are_run(
    page: Path, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("config", "topologies"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "topologies", tmp_path / "my-blocks")
    # files that a page takes for those of its reader
    for name in ("oplsaa", "gromos"):
        shutil.copytree(ROOT / "tests/imported" / name, tmp_path / "topologies" / name)
    for snippet in snippets(page):
        (tmp_path / snippet.file).parent.mkdir(exist_ok=True)
        (tmp_path / snippet.file).write_text(snippet.text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert cli.main([*line.split()[1:], "--base", "."]) == 0
    assert "core-hours" in capsys.readouterr().out
