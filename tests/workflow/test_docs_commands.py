"""Each command line of the documentation is executed: `eoli` on the finished tiny study, Snakemake as a dry run.

Those of `make` are in tests/unit/test_docs.py.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
from pathlib import Path

import pytest

from eoli import cli
from pages import PAGES, commands, extend_blocks, give_files_of_a_reader, snippets
from support import SYSTEMS, TINY, run_warm

pytestmark = pytest.mark.workflow
PEO, PEBAX = SYSTEMS
DEFAULT = "config/config.yaml"
OWN = "my.yaml"
STANDS_FOR = {
    "<file>": "config/cases/tg.yaml",
    "<system>": PEO,
    "SYSTEM": PEO,
    "STAGE": "npt",
    "peo-eo12-298K-r1": PEO,
    "pebax-eo12-298K-r1": PEBAX,
    "CHECKOUT": ".",
    "FOLDER": "elsewhere",
    '"$@"': "",
}
"""Names of the pages, and what they are in the tiny study."""
OF_RESULTS = ("eoli plan", "eoli budget", "eoli redo")
"""They want results, which a study that is written on a page has not got."""
MAKE_FILES = ("eoli adopt", "eoli budget")
"""A page goes on with the study or the lengths that they write."""
NOT_EXECUTED = {
    "eoli": "the name of the program",
    "eoli tune": "times mdruns for a minute",
    "snakemake --sdm conda": "wants conda",
    "snakemake -R eoli_npt": "of a workflow that uses this one; tests/workflow/test_module.py has it",
}
ONLY_NAMED = {
    "absent": "for runs made elsewhere, as import-run",
    "glass-transition": "wants a stage that cools; tests/workflow/test_dag.py plans it",
    "import-run": "tests/workflow/test_imported_runs.py",
    "specific-volume": "wants a stage that cools; tests/workflow/test_dag.py plans it",
    "starts": "wants replicas; tests/workflow/test_edits.py plans it",
    "supercell": "wants a supercell; tests/workflow/test_dag.py plans it",
}
"""Commands that no page calls and no rule of the tiny study either, and why."""


def options_of(command: str) -> list[argparse.Action]:
    parser = argparse.ArgumentParser()
    cli.COMMANDS[command][1](parser)
    return parser._actions


def is_only_named(line: str) -> bool:
    """Whether this is the name of an `eoli` command that does nothing without options."""
    program, *words = line.split()
    return (
        program == "eoli"
        and len(words) == 1
        and words[0] in cli.COMMANDS
        and any(option.required for option in options_of(words[0]))
    )


def executed(page: Path, line: str) -> list[str]:
    """The words that are executed for a line of a page.

    The tiny study takes the place of the shipped one, of results, and of a study that the page does not show.
    """
    text = line
    for name, meant in STANDS_FOR.items():
        text = text.replace(name, meant)
    program, *words = shlex.split(text)
    if OWN not in files_of(page) or line.startswith(OF_RESULTS) or "budget.yaml" in line:
        words = [TINY if word == OWN else word for word in words]
    if program == "snakemake":
        words = ["-n", *(word for word in words if word != "-n")]
        return [program, *words, *([] if "--configfile" in words else ["--configfile", TINY])]
    takes_study = words[0] in cli.COMMANDS and any(option.dest == "config" for option in options_of(words[0]))
    return [program, *words, *(["--config", DEFAULT, TINY] if takes_study and "--config" not in words else [])]


def files_of(page: Path) -> set[str]:
    return {snippet.file for snippet in snippets(page)}


LINES = [(page, line) for page in PAGES for line in commands(page) if not line.startswith("make")]


def by_page() -> dict[Path, dict[str, list[str]]]:
    """The words that are executed for the lines of each page, in its order.

    The same words are executed once, unless they are about a file of the page or make one for its next lines.
    """
    found: dict[Path, dict[str, list[str]]] = {}
    seen = set()
    for page, line in LINES:
        if line in NOT_EXECUTED or is_only_named(line):
            continue
        words = executed(page, line)
        own = line.startswith(MAKE_FILES) or files_of(page) & set(words)
        key = (*words, str(page) if own else "")
        if key not in seen:
            found.setdefault(page, {})[line] = words
        seen.add(key)
    return found


EXECUTED = by_page()


@pytest.mark.parametrize("page", EXECUTED, ids=str)
def test_a_page_is_followed(page: Path, study: Path) -> None:
    give_files_of_a_reader(study)
    for name in ("run.tpr", "run.xtc"):
        shutil.copy(study / "results" / PEO / "production" / f"md{Path(name).suffix}", study / name)
    if page == Path("topologies/README.md"):
        extend_blocks(study / "topologies")
    else:
        for snippet in snippets(page):
            (study / snippet.file).parent.mkdir(exist_ok=True)
            (study / snippet.file).write_text(snippet.text, encoding="utf-8")
    for line, words in EXECUTED[page].items():
        run = run_warm(study, words)
        failed = f"{line}\nexecuted as {shlex.join(words)}\n{run.stdout}"
        assert run.returncode == 0 and "Traceback" not in run.stdout, failed


def test_what_is_not_executed_is_in_the_documentation() -> None:
    assert NOT_EXECUTED.keys() <= {line for _, line in LINES}


def test_what_is_only_named_is_a_command_of_a_rule_or_called_on_a_page(finished: Path) -> None:
    records = (finished / "results").rglob("*provenance.json")
    called = {json.loads(path.read_text())["called_as"][1] for path in records}
    called |= {words[1] for lines in EXECUTED.values() for words in lines.values() if words[0] == "eoli"}
    named = {line.split()[1] for _, line in LINES if is_only_named(line)}
    assert named - called == ONLY_NAMED.keys()
