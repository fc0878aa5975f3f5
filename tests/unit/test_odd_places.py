"""Odd places: other folders, files of other systems, other locales, a temporary folder that runs nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from eoli import PROJECT, cli
from eoli.forcefield.library import Library, library
from eoli.forcefield.models import Contents
from eoli.reference.measured import read_measured
from eoli.reference.model import read_reference
from eoli.study.config import load_study
from eoli.topology.build import describe
from eoli.topology.description import to_json
from eoli.topology.gromos import Gromos54A7
from support import ROOT, TINY, choice, environment

BOM = b"\xef\xbb\xbf"


def of_windows(folder: Path) -> None:
    """Rewrite all texts as an editor of Windows may save them."""
    for path in [*folder.rglob("*.yaml"), *folder.rglob("*.csv")]:
        path.write_bytes(BOM + path.read_bytes().replace(b"\n", b"\r\n"))


def test_files_with_a_byte_order_mark_and_carriage_returns(tmp_path: Path) -> None:
    for name in ("config", "topologies", "tests/config"):
        shutil.copytree(ROOT / name, tmp_path / name)
    of_windows(tmp_path)
    files = ["config/config.yaml", TINY]
    theirs = load_study([tmp_path / name for name in files], tmp_path)
    ours = load_study([ROOT / name for name in files], ROOT)
    assert theirs.config == ours.config and theirs.protocol == ours.protocol
    molecules = Contents.of("pebax", 1, "litfsi", 1)
    there, here = (library(folder / "topologies").digest(molecules, choice()) for folder in (tmp_path, ROOT))
    assert there == here
    for read, name in ((read_reference, "study"), (read_measured, "conductivity")):
        path = getattr(ours.config.reference, name)
        assert str(read(tmp_path / path)) == str(read(ROOT / path))


@pytest.fixture
def study_folder(tmp_path: Path) -> Path:
    """A folder where the workflow ran: configuration and workflow are elsewhere."""
    folder = tmp_path / "eine Prüfung"
    for name in (".snakemake", "results/summary"):
        (folder / name).mkdir(parents=True)
    (folder / "my.yaml").write_text("sweep: [{polymer: peo, salt: none}]\n")
    return folder


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli.main([*words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_a_command_finds_the_study_above_it(
    study_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(study_folder)
    there = said(capsys, "status", "--config", "config/config.yaml", "my.yaml")
    assert there[0] == 0 and "peo-neat-298K-r1" in there[1] and there[2] == ""
    monkeypatch.chdir(study_folder / "results/summary")
    above = said(capsys, "status", "--config", "config/config.yaml", "../../my.yaml")
    assert above[:2] == there[:2] and above[2] == f"eoli status: the study in {study_folder}\n"


def test_what_lies_beside_a_study_is_found_before_its_first_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As by `snakemake -s`, for which the folder of the study is where it is called."""
    (tmp_path / "own.yaml").write_bytes((ROOT / "config/protocols/annealed.yaml").read_bytes())
    (tmp_path / "my.yaml").write_text("protocol: own.yaml\nsweep: [{polymer: peo, salt: none}]\n")
    monkeypatch.chdir(tmp_path)
    code, out, err = said(capsys, "check", "--config", "config/config.yaml", "my.yaml")
    assert (code, err) == (0, "") and "peo-neat-298K-r1" in out


def test_results_from_elsewhere_are_a_study(
    study_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (study_folder / ".snakemake").rmdir()
    monkeypatch.chdir(study_folder)
    assert said(capsys, "status")[::2] == (0, "")


def test_results_say_which_study_is_meant(
    study_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = said(capsys, "status", "--results", "eine Prüfung/results", "--config", "eine Prüfung/my.yaml")
    assert code == 2 and out == "" and "my.yaml: study: is missing" in err
    config = ("--config", "config/config.yaml", "eine Prüfung/my.yaml")
    code, out, err = said(capsys, "plan", "--results", "eine Prüfung/results", *config, "--out", "plan.csv")
    assert code == 2 and f"eoli plan: the study in {study_folder}\n" in err and "no analysed system" in err


def test_without_a_study_the_projects_own_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = said(capsys, "check")
    assert code == 0 and "peo-eo12-298K-r1" in out and err == f"eoli check: the study in {PROJECT}\n"
    code, _, err = said(capsys, "check", "--config", "nope.yaml")
    assert code == 2 and err.splitlines()[1:] == [
        f"eoli check: {tmp_path}/nope.yaml: cannot be read: No such file or directory; allowed: a file in UTF-8"
    ]


def test_paths_that_are_named_stay_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a folder for the workflow nothing is looked for."""
    monkeypatch.chdir(tmp_path)
    words = ("--config", str(ROOT / "config/config.yaml"), "--base", str(ROOT))
    code, _, err = said(capsys, "collect", "--partial", *words, "--out", "table.csv")
    assert (code, err) == (0, "") and (tmp_path / "table.csv").exists() and Path.cwd() == tmp_path


def check_in(variables: dict[str, str]) -> bytes:
    kept = {key: value for key, value in environment().items() if not key.startswith(("LC_", "LANG", "PYTHONUTF8"))}
    return subprocess.run(
        [sys.executable, "-m", "eoli.cli", "check"], cwd=ROOT, env=kept | variables, capture_output=True, check=True
    ).stdout


@pytest.mark.parametrize("name", ["C", "POSIX", "de_DE.UTF-8", "tr_TR.UTF-8"])
def test_other_locales_change_nothing(name: str) -> None:
    known = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout.lower().split()
    if name.lower().replace("-", "") not in known:
        pytest.skip(f"no locale {name} on this machine")
    assert check_in({"LC_ALL": name}) == check_in({"LC_ALL": "C.UTF-8"})


@pytest.mark.parametrize("folder", ["noexec", "missing"])
def test_a_temporary_folder_elsewhere(folder: str, tmp_path: Path, blocks: Library, forcefield: Gromos54A7) -> None:
    """PACKMOL works in it; nothing is started from it."""
    temporary = tmp_path / folder
    mount: list[str] = []
    if folder == "noexec":
        temporary.mkdir()
        script = 'mount -t tmpfs -o noexec tmpfs "$0" && exec "$@"'
        mount = ["unshare", "--mount", "--map-root-user", "sh", "-c", script, str(temporary)]
        if subprocess.run([*mount, "true"], capture_output=True, check=False).returncode != 0:
            pytest.skip("this user may not mount here")
    (tmp_path / "system.json").write_text(
        to_json(describe(Contents.of("dme", 20, "none", 0), choice(), blocks, forcefield))
    )
    words = [
        sys.executable, "-m", "eoli.cli", "box", "--system-json", "system.json", "--seed", "1", "--density-g-cm3", "0.2",
        "--tolerance-nm", "0.2", "--attempts", "2", "--gro", "box.gro", "--report", "box.json", "--log", "log",
    ]  # fmt: skip
    run = subprocess.run(
        [*mount, *words], cwd=tmp_path, env=os.environ | {"TMPDIR": str(temporary)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0 and (tmp_path / "box.gro").exists(), run.stderr
