"""A cluster on which Snakemake would wait for ever is refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from eoli.errors import ToolError
from eoli.machine.slurm import SlurmSettings, check_slurm, parse_slurm_settings, slurm_settings
from support import mistake

CONFIG = """Configuration data as of 2026-11-25T08:20:00
AccountingStorageBackupHost = (null)
AccountingStorageType   = {storage}
MinJobAge               = {age}
MpiDefault              = none
"""


@pytest.mark.parametrize(
    ("storage", "age", "expected"),
    [
        ("accounting_storage/slurmdbd", "300 sec", SlurmSettings(True, 300)),
        ("accounting_storage/none", "3600 sec", SlurmSettings(False, 3600)),
        ("(null)", "2 sec", SlurmSettings(False, 2)),
    ],
)
def test_settings_are_read(storage: str, age: str, expected: SlurmSettings) -> None:
    assert parse_slurm_settings(CONFIG.format(storage=storage, age=age)) == expected


def test_nothing_said_is_nothing_promised() -> None:
    assert parse_slurm_settings("") == SlurmSettings(False, None)


@pytest.mark.parametrize(
    ("accounting", "age", "command", "has_sacct", "says"),
    [
        (False, 300, "squeue", True, "squeue tells"),
        (True, 300, "squeue", True, "squeue tells"),
        (True, 300, "sacct", True, "sacct tells"),
        (True, 60, "squeue", True, "sacct tells"),  # the executor turns to sacct by itself
        (True, 300, "sacct", False, "squeue tells"),  # and to squeue where there is no sacct
    ],
)
def test_what_works_is_said(accounting: bool, age: int, command: str, has_sacct: bool, says: str) -> None:
    assert says in check_slurm(SlurmSettings(accounting, age), command, 40, has_sacct)


@pytest.mark.parametrize(
    ("accounting", "age", "command", "has_sacct", "says"),
    [
        (False, 300, "sacct", True, "no accounting and Snakemake would wait for ever; allowed: squeue"),
        (False, 60, "sacct", True, "allowed: slurm-init-seconds-before-status-checks of at most 20"),
        (False, 60, "squeue", True, "allowed: slurm-init-seconds-before-status-checks of at most 20"),
        (False, None, "squeue", True, "MinJobAge = None s"),
        (True, 60, "squeue", False, "leave squeue after MinJobAge = 60 s"),
    ],
)
def test_what_waits_for_ever_is_refused(
    accounting: bool, age: int | None, command: str, has_sacct: bool, says: str
) -> None:
    assert says in mistake(lambda: check_slurm(SlurmSettings(accounting, age), command, 40, has_sacct))


def test_a_machine_without_slurm_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="SLURM: scontrol show config failed"):
        slurm_settings()
