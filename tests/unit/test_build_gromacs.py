"""What `make gromacs` says where it cannot build, and what it tells cmake about CUDA."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support import ROOT

TOOLS = (
    "bash", "basename", "cat", "dirname", "find", "grep", "id", "mkdir", "mv", "nproc", "paste", "realpath", "rm", "rmdir",
    "sed", "sort", "tail", "touch", "tr",
)  # fmt: skip


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with all programs that the script needs, and an apt-get that keeps a list of what it was asked for."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in TOOLS:
        (folder / name).symlink_to(str(shutil.which(name)))
    for name in ("make", "g++", "dpkg-source"):
        program(folder, name, "exit 0")
    return folder


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/bash\n{text}\n")
    (folder / name).chmod(0o755)


def build(programs: Path, prefix: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GROMACS")}
    return subprocess.run(
        ["bash", str(ROOT / "scripts/build-gromacs.sh"), str(prefix), "1"], env=environment | {"PATH": str(programs)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


MISSING = {
    "Unable to find a source package for gromacs": "E: Unable to find a source package for gromacs",
    "Failed to fetch http://mirror/gromacs.dsc  404  Not Found": (
        "E: Failed to fetch http://mirror/gromacs.dsc  404  Not Found\nE: Failed to fetch some archives."
    ),
}


@pytest.mark.parametrize("reason", MISSING)
def test_no_source_is_one_line_before_anything_is_installed(reason: str, programs: Path, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    program(programs, "apt-get", f'echo "$*" >>{asked}\necho "{MISSING[reason]}" >&2\nexit 100')
    run = build(programs, tmp_path / "prefix")
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert run.stderr.startswith(f"gromacs: the source of GROMACS cannot be had here ({reason}); build it yourself")
    assert " install " not in asked.read_text()
    assert not (tmp_path / "prefix").exists()


@pytest.mark.parametrize(("found", "targets"), [("9.0\n9.0\n8.0", "80;90"), ("[N/A]", "75;80;121")])
def test_cuda_is_compiled_for_what_is_here_or_what_the_compiler_knows(
    found: str, targets: str, programs: Path, tmp_path: Path
) -> None:
    (tmp_path / "prefix/build/source").mkdir(parents=True)
    (tmp_path / "prefix/build/source/.unpacked").touch()
    program(programs, "apt-get", "exit 100")
    program(programs, "nvidia-smi", f"[ $1 = -L ] && echo 'GPU 0' || echo '{found}'")
    known = "compute_75\ncompute_80\ncompute_121\ncompute_90a"
    program(programs, "nvcc", f"[ $1 = --help ] && echo '  -static-global-template-stub' || echo '{known}'")
    # configures for CUDA, and builds nothing
    program(
        programs,
        "cmake",
        f'[ "$1" = --build ] && exit 1\nprintf "%s\\n" "$@" >>{tmp_path}/words\nmkdir -p "$4"; touch "$4/CMakeCache.txt"',
    )
    build(programs, tmp_path / "prefix")
    words = (tmp_path / "words").read_text().splitlines()
    compiler, stubs = programs / "g++", "-static-global-template-stub=false"
    assert {
        f"-DGMX_CUDA_TARGET_SM={targets}", f"-DCMAKE_CUDA_ARCHITECTURES={targets}", f"-DCUDA_HOST_COMPILER={compiler}",
        f"-DCMAKE_CUDA_HOST_COMPILER={compiler}", f"-DCUDA_NVCC_FLAGS={stubs}", f"-DCMAKE_CUDA_FLAGS={stubs}",
    } <= set(words)  # fmt: skip
