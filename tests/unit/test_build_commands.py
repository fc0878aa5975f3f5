"""Commands that make a system: a flag outside the limits of the configuration is one line and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from eoli.box import packmol
from eoli.cli import main
from eoli.errors import ToolError
from eoli.forcefield.library import Library
from eoli.forcefield.models import Contents
from eoli.topology.build import describe
from eoli.topology.description import SystemDescription, to_json
from eoli.topology.gromos import Gromos54A7
from support import choice, mistake

TOPOLOGY = {
    "polymer": "peo",
    "chains": "2",
    "salt": "litfsi",
    "cations": "2",
    "ether-set": "oxy-d",
    "mixing": "gromos",
    "ion-charge-scale": "1.0",
}
BOX = {"seed": "1", "density-g-cm3": "0.1", "tolerance-nm": "0.2", "attempts": "1"}


@pytest.fixture
def small(blocks: Library, forcefield: Gromos54A7) -> SystemDescription:
    return describe(Contents.of("dme", 2, "litfsi", 1), choice(), blocks, forcefield)


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The last line of a command that ends with exit code 2."""
    try:
        code: object = main(words)
    except SystemExit as end:
        code = end.code
    assert code == 2
    return capsys.readouterr().err.splitlines()[-1]


def flags(values: dict[str, str]) -> list[str]:
    return [f"--{key}={value}" for key, value in values.items()]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("chains", "0"), ("chains", "-3"), ("chains", "2.5"), ("chains", "1e30"), ("cations", "-1"), ("cations", "yes"),
        ("ion-charge-scale", "nan"), ("ion-charge-scale", "inf"), ("ion-charge-scale", "0"),
        ("ion-charge-scale", "-1"),
    ],
)  # fmt: skip
def test_flags_of_a_topology(key: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["topology", "--blocks", "topologies", "--out", str(tmp_path / "out"), *flags(TOPOLOGY | {key: value})]
    assert f"--{key}: " in refused(words, capsys)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", "-1"), ("seed", "1e30"), ("density-g-cm3", "nan"), ("density-g-cm3", "0"), ("density-g-cm3", "2"),
        ("tolerance-nm", "inf"), ("tolerance-nm", "0.1"), ("attempts", "0"),
    ],
)  # fmt: skip
def test_flags_of_a_box(
    key: str, value: str, small: SystemDescription, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "system.json").write_text(to_json(small))
    files = [f"--{name}={tmp_path / name}" for name in ("gro", "report", "log")]
    words = ["box", "--system-json", str(tmp_path / "system.json"), *files, *flags(BOX | {key: value})]
    assert f"--{key}: " in refused(words, capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["system.json"]


@pytest.mark.parametrize("copies", [["0", "1", "1"], ["-1", "1", "1"], ["1", "1", "1e9"]])
def test_copies_of_a_supercell(copies: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "supercell",
        "--system-json=a",
        "--small-json=b",
        "--state=c",
        "--gro=d",
        "--report=e",
        "--copies",
        *copies,
    ]
    assert "--copies: " in refused(words, capsys)


def test_a_box_that_its_file_cannot_hold(small: SystemDescription, tmp_path: Path) -> None:
    text = mistake(
        lambda: packmol.pack(small, 1, 1e-12, 0.2, 1, tmp_path / "a.gro", tmp_path / "a.json", tmp_path / "a.log")
    )
    assert "a box of " in text and "allowed: edges up to 900 nm" in text
    assert not list(tmp_path.iterdir())


def test_a_packing_that_does_not_end(small: SystemDescription, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "packmol"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    (tmp_path / "box.inp").write_text("")
    with pytest.raises(ToolError, match=r"PACKMOL did not end within 0\.2 s; log: a\.log"):
        packmol._run(str(program), tmp_path, 0.2, Path("a.log"))
    with pytest.raises(ToolError, match="cannot be started"):
        packmol._run(str(tmp_path), tmp_path, 0.2, Path("a.log"))


def test_more_sites_than_a_file_holds(blocks: Library, forcefield: Gromos54A7) -> None:
    text = mistake(lambda: describe(Contents.of("peo", 2, "litfsi", 2**31 - 1), choice(), blocks, forcefield))
    assert "a box of 3.43597e+10 sites is not allowed; allowed: up to 10000000" in text


def test_ions_without_a_salt(blocks: Library, forcefield: Gromos54A7) -> None:
    models = blocks.choose("none", "oxy-d", "default", "default", "gromos", 1.0)
    assert "2 cations of salt 'none'; allowed: 0" in mistake(
        lambda: describe(Contents.of("peo", 1, "none", 2), models, blocks, forcefield)
    )
