"""The border of the command: whatever goes wrong is one line, and nobody's closed pipe is a failure."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eoli import cli
from eoli.commands.common import typed
from eoli.core.validation import Count, CountOrZero, Kelvin, Positive, Share, kind_of
from eoli.errors import DataError, InputError
from eoli.study.config import Box, Run, SweepBlock
from eoli.study.criteria import AnalysisSection
from eoli.study.protocol import Stage
from support import ROOT

NUMBERS = [Positive, Count, CountOrZero, Kelvin, Share]


def run(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    code = "import sys; from eoli.cli import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, text=True, check=False, **options)


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_each_option_says_what_it_is(command: str) -> None:
    parser = argparse.ArgumentParser()
    cli.COMMANDS[command][1](parser)
    assert [action.dest for action in parser._actions if not action.help] == []
    # `reduce` writes one file, the other analyses of a trajectory several
    out = {action.dest: action for action in parser._actions}.get("out")
    if out is not None:
        assert out.metavar in ("FILE", "DIR", "STEM") and (out.metavar == "DIR") == ("folder" in str(out.help))
    if command == "reduce":
        assert out is not None and out.metavar == "FILE"


@pytest.mark.parametrize("words", [["check"], ["schema"], ["--help"], ["stage", "--help"], ["--version"]])
def test_a_closed_pipe_is_no_failure_to_tell(words: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = run(*words, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert done.stderr == "" and done.returncode in (0, 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_one_line(unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = run("check", stdout=full, stderr=subprocess.PIPE, env=os.environ | {"PYTHONUNBUFFERED": unbuffered})
    assert (done.returncode, done.stderr) == (1, "eoli check: No space left on device\n")


def raising(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def command(_: argparse.Namespace) -> int:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (InputError("a.yaml:1: x"), 2, "eoli check: a.yaml:1: x\n"),
        (DataError("two\nlines \x1b[2J"), 1, "eoli check: two lines \\x1b[2J\n"),
        (FileNotFoundError(2, "No such file or directory", "a"), 1, "eoli check: No such file or directory: a\n"),
        (MemoryError(), 1, "eoli check: not enough memory\n"),
        (RecursionError(), 2, "eoli check: an input is nested too deeply\n"),
        (UnicodeEncodeError("ascii", "\u00e9", 0, 1, "no"), 1, "eoli check: text that this terminal"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_every_failure_is_one_line(
    error: BaseException, code: int, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text, add, _ = cli.COMMANDS["check"]
    monkeypatch.setitem(cli.COMMANDS, "check", (text, add, raising(error)))
    assert cli.main(["check"]) == code
    printed = capsys.readouterr().err
    assert printed.startswith(says) and printed.count("\n") == (1 if says else 0)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["check", "--conf", "x"], "eoli check: unrecognized arguments: --conf x"),
        (["nope"], "invalid choice: 'nope'"),
        ([], "required: COMMAND"),
        (["check", "--slurm-interval-s", "nan"], "'nan' is not allowed"),
        (["tune", "--seconds", "-1"], "-1 is not allowed"),
        (["stage", "--system-temperature-K", "inf"], "'inf' is not allowed"),
        (["topology", "--gmx-module", "{"], "'{' is not allowed; allowed: a name as `module avail` lists it"),
        (["topology", "--gmx-launcher", '"'], "No closing quotation"),
        (["check", "a\nb"], "unrecognized arguments: a b"),
    ],
)
def test_mistakes_of_options_are_one_line(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    printed = capsys.readouterr().err
    assert end.value.code == 2 and says in printed and printed.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["check", "--set", '{"seed": 1, "seed": 2}'], "--set:1: seed: the key stands twice"),
        (["check", "--set", '{"a":' * 900 + "1" + "}" * 900], "--set:1: "),
        (["check", "--base", "nowhere"], "--base nowhere is not allowed; allowed: a folder"),
        (["check", "--base", "README.md"], "--base README.md is not allowed; allowed: a folder"),
        (["status", "--results", "README.md"], "--results README.md is not allowed; allowed: the folder"),
        (["redo", "peo-eo12-298K-r1", "nope"], "stage 'nope' is not in the protocol"),
    ],
)
def test_mistakes_of_values_are_one_line(
    words: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert cli.main(words) == 2
    printed = capsys.readouterr().err
    assert says in printed and printed.count("\n") == 1


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize(
    "word", ["nan", "inf", "-inf", ".nan", ".inf", "1_0", "012", "12:1", "yes", "true", "null", "", "5K", "1e400"]
)
def test_no_flag_takes_what_is_no_number(kind: Any, word: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not allowed: "):
        typed(kind)(word)


def test_flags_have_the_limits_of_files() -> None:
    assert typed(kind_of(Box, "chains"))("25") == 25
    assert typed(kind_of(Run, "threads"))("auto") == "auto" and typed(kind_of(Run, "threads"))("4") == 4
    assert typed(kind_of(SweepBlock, "eo_li"))("12") == 12.0
    assert typed(kind_of(Stage, "name"))("npt") == "npt" and typed(kind_of(Stage, "temperature_K"))("300") == 300
    for model, name, word in (
        (Box, "chains", "0"), (Run, "threads", "0"), (Run, "max_hours", "1:30"), (SweepBlock, "eo_li", "12:1"),
        (AnalysisSection, "rdf_bin_nm", "1e-9"), (Stage, "temperature_K", "25"), (Stage, "name", "box"), (Box, "attempts", "3.0"),
    ):  # fmt: skip
        with pytest.raises(argparse.ArgumentTypeError):
            typed(kind_of(model, name))(word)


def test_a_partial_table_never_replaces_the_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    whole = tmp_path / "results/summary/sweep.csv"
    whole.parent.mkdir(parents=True)
    whole.write_text("the whole one")
    of_study = ["--config", str(ROOT / "config/config.yaml"), "--base", str(ROOT), "--partial"]
    assert cli.main(["collect", *of_study]) == 0 and cli.main(["report", *of_study]) == 0
    capsys.readouterr()
    assert whole.read_text() == "the whole one" and not (whole.parent / "report.html").exists()
    assert (whole.parent / "sweep-partial.csv").exists() and (whole.parent / "report-partial.html").exists()


@pytest.mark.parametrize("command", [["budget", "1"], ["plan"], ["collect"], ["cost"], ["report"], ["cutoffs"]])
@pytest.mark.parametrize("out", ["my.yaml", "../{folder}/my.yaml", "link.yaml"])
def test_a_file_that_a_command_reads_is_never_replaced(
    command: list[str], out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    own = Path("my.yaml")
    own.write_text("lengths_ns: {}\nseed: 1\n")
    Path("link.yaml").symlink_to(own)
    out = out.format(folder=tmp_path.name)
    words = ["--config", str(ROOT / "config/config.yaml"), "my.yaml", "--base", str(ROOT), "--out", out]
    assert cli.main([*command, *words]) == 2
    said = f"eoli {command[0]}: --out {out} is a file that this command reads; allowed: another file\n"
    assert capsys.readouterr().err == said and own.read_text() == "lengths_ns: {}\nseed: 1\n"


@pytest.mark.parametrize("command", [["status"], ["budget", "1"], ["plan"], ["cost"], ["collect"], ["tune"], ["crate"]])
@pytest.mark.parametrize("base", [["--base", str(ROOT)], []])
def test_results_that_are_named_are_there(
    command: list[str],
    base: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    base = [] if command == ["crate"] else base
    assert cli.main([*command, *base, "--results", "nowhere"]) == 2
    printed = capsys.readouterr().err
    assert printed == f"eoli {command[0]}: --results nowhere does not exist; allowed: the folder of the results\n"
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("command", [["status"], ["check"], ["budget", "1"]])
def test_before_its_first_run_a_study_has_no_results(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main([*command, "--config", str(ROOT / "config/config.yaml"), "--base", str(ROOT)]) == 0
    printed = capsys.readouterr()
    assert "peo-eo12-298K" in printed.out and printed.err == ""


def test_a_table_is_not_replaced_by_what_is_made_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sweep.csv").write_text("system\n")
    assert cli.main(["temperature", "--table", "sweep.csv", "--out", "./sweep.csv"]) == 2
    assert "--out sweep.csv is a file that this command reads" in capsys.readouterr().err


def test_the_lengths_of_an_earlier_call_are_updated_and_by_no_other_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lengths = Path("budget.yaml")
    lengths.write_text("lengths_ns: {}\n")
    words = ["--config", str(ROOT / "config/config.yaml"), "budget.yaml", "--base", str(ROOT)]
    assert cli.main(["budget", "1", *words]) == 0 and lengths.read_text().startswith("# eoli budget: 1 core-hours")
    assert cli.main(["budget", "1", *words]) == 0
    capsys.readouterr()
    assert cli.main(["cost", *words, "--out", "budget.yaml"]) == 2
    assert "--out budget.yaml is a file that this command reads" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["plan", "--out", "folder"], "--out folder is a folder; allowed: a file"),
        (["budget", "1", "--out", "folder/link"], "--out folder/link is a folder; allowed: a file"),
        # no device of the machine: a command that fails the test as root would replace it
        (["cutoffs", "--out", "pipe"], "--out pipe is no regular file; allowed: a file"),
        (["report", "--out", "file/page.html"], "--out file is a file; allowed: a folder"),
        (["glass-transition", "--out", "file"], "--out file is a file; allowed: a folder"),
        (["glass-transition", "--out", "file/a/b"], "--out file is a file; allowed: a folder"),
        (
            ["paper-figure", "--table=t", "--analyses=a", "--out", "file/stem"],
            "--out file is a file; allowed: a folder",
        ),
        (
            [
                "supercell",
                "--system-json=s",
                "--small-json=s",
                "--state=s",
                *["--copies", "1", "1", "1", "--report=r", "--gro", "folder"],
            ],
            "--gro folder is a folder; allowed: a file",
        ),
    ],
)
def test_where_nothing_can_be_written_nothing_is_done(
    words: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("folder/link").symlink_to(tmp_path)
    Path("file").touch()
    os.mkfifo("pipe")
    if words[0] not in ("paper-figure", "supercell"):
        words = [*words, "--config", str(ROOT / "config/config.yaml"), "--base", str(ROOT)]
    assert cli.main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and says in printed.err and printed.err.count("\n") == 1
    assert Path("pipe").is_fifo() and not Path("file").read_bytes()
