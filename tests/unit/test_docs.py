"""What the documentation says works: links lead somewhere, YAML is accepted, commands are as their parsers want them."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from snakemake.cli import get_argument_parser

from eoli import cli
from eoli.study.config import load_study
from eoli.study.roles import read_roles
from eoli.study.systems import systems_of
from pages import FENCE, PAGES, commands, give_files_of_a_reader, snippets, text_of
from support import ROOT

LONGEST_README = 150
LINK = re.compile(r"!?\[[^\]]*\]\((?P<path>[^)#\s]*)(?P<anchor>#[^)\s]*)?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


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
    give_files_of_a_reader(tmp_path)
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


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=str)
def test_commands_are_as_their_parsers_want_them(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in commands(page):
        program, *words = shlex.split(line.replace('"$@"', ""))
        try:
            if program == "snakemake":
                get_argument_parser().parse_args(words)
            elif program == "make" or words[:1] in ([], ["--help"], ["--version"]):
                continue
            elif len(words) == 1 or words[1:] == ["--help"]:
                # mentioned by name
                assert words[0] in cli.COMMANDS, line
            else:
                parse_eoli(words, monkeypatch)
        except SystemExit:
            pytest.fail(f"{page}: {line}")


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_make_knows_what_it_is_asked_for() -> None:
    lines = {line for page in PAGES for line in commands(page) if line.split()[0] == "make"}
    assert len(lines) > 15
    for line in sorted(lines):
        run = subprocess.run(
            ["make", "-n", *shlex.split(line)[1:]], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, f"{line}\n{run.stderr}"
        # so it is for a file of that name
        assert "Nothing to be done" not in run.stdout, line
