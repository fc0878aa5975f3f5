"""Whether a hostile case ends as it must: in success, or in one line, with nothing changed but its output."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from types import TracebackType

from cases import OUT, Case, Maker, copy_study, write_gmx
from forkserver import CPU_S, Ended, Server

from eoli.core.files import sha256
from support import LIMIT_S

SEED = os.environ.get("EOLI_HOSTILE_SEED", "1")
# a stage says what it does, line by line; other commands say one line when they fail
_PROGRESS = re.compile(r"^\[\d\d:\d\d:\d\d\] ")
_COMPARED = {".csv", ".json", ".pdb", ".gro", ".itp", ".top", ".h5"}


class Judge:
    """Runs cases on copies of a finished study and says what is wrong with how they end."""

    def __init__(self, finished: Path, folder: Path) -> None:
        # of its own, so that a command that writes into a linked file spoils no other test
        self._sound = folder / "sound"
        for top in ("config", "topologies", "tests", "results"):
            shutil.copytree(finished / top, self._sound / top)
        write_gmx(self._sound)
        self._folder = folder
        self._server = Server(wall_s=LIMIT_S / 4)
        self._expected: dict[tuple[str, ...], dict[str, bytes]] = {}
        self.make = Maker(self._sound, SEED)

    def __enter__(self) -> Judge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    def fault(self, case: Case) -> str:
        """What is wrong with how a case ends; empty when nothing is."""
        said, study = self._folder / "said", self._folder / "study"
        expected = self._expectation(case) if case.damaged else {}
        shutil.rmtree(study, ignore_errors=True)
        copy_study(self._sound, study)
        if case.damage is not None:
            case.damage(study)
        before = _state(study)
        ended = self._server.run(case.argv, study, said)
        fault = _how(ended, case.argv[0])
        after = _state(study)
        changed = sorted(str(path) for path, _ in (before - after if case.elsewhere else before ^ after))
        if changed:
            fault = fault or f"changed: {', '.join(changed[:3])}"
        if not fault and case.damaged is not None and ended.code == 0:
            fault = _differs(expected, _results(study), case.damaged, ended)
        return fault

    def _expectation(self, case: Case) -> dict[str, bytes]:
        """What a command makes of the sound study; made in the server, whose kernels are compiled from then on."""
        key = tuple(case.argv)
        if key not in self._expected:
            study = self._folder / "sound-study"
            shutil.rmtree(study, ignore_errors=True)
            ended = self._server.run(case.argv, copy_study(self._sound, study), self._folder / "said", warm=True)
            assert ended.code in (0, 1, 2), ended.err
            self._expected[key] = _results(study)
        return self._expected[key]


def _how(ended: Ended, command: str) -> str:
    lines = [line for line in ended.err.splitlines() if not _PROGRESS.match(line)]
    # an exception may have many lines, the first of which is not indented
    last = next((line for line in reversed(lines) if not line.startswith(" ")), "")[:200]
    if ended.hung:
        return f"hang: {last}"
    if ended.signal is not None:
        return f"no end within {CPU_S} s of processor" if ended.signal == 24 else f"signal {ended.signal}: {last}"
    if "Traceback (most recent call last)" in ended.err:
        return f"traceback: {last}"
    if ended.code not in (0, 1, 2):
        return f"exit code {ended.code}: {last}"
    if ended.code != 0 and len(lines) != 1:
        return f"{len(lines)} lines: {last}"
    if ended.code != 0 and not lines[0].startswith(f"eoli {command}: "):
        return f"no prefix: {last}"
    if any("Warning" in line for line in lines):
        return f"warning of a library: {next(line for line in lines if 'Warning' in line)[:200]}"
    return ""


def _state(study: Path) -> set[tuple[Path, str]]:
    """Every file of a study but its output, with its content, and every folder. A date may change: that of a file whose
    content was looked at."""
    paths = [path for path in study.rglob("*") if path.relative_to(study).parts[0] != OUT]
    return {(path.relative_to(study), "" if path.is_dir() else sha256(path)) for path in paths}


def _results(study: Path) -> dict[str, bytes]:
    """Numbers that a command has written; when and how it was made is left out."""
    files = [path for path in (study / OUT).rglob("*") if path.is_file() and path.suffix in _COMPARED]
    return {path.name: path.read_bytes() for path in files if not path.name.endswith("provenance.json")}


def _differs(expected: dict[str, bytes], found: dict[str, bytes], damaged: Path, ended: Ended) -> str:
    """A result of damaged data that is neither that of the sound ones nor says what is wrong."""
    other = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    said = ended.out + ended.err + "".join(content.decode("utf-8", "replace") for content in found.values())
    # the damaged file is named, or at least what it is of: its folder, its analysis
    if not other or any(word in said for word in (damaged.name, f"{damaged.parent.name}: ")):
        return ""
    return f"another result without a word: {', '.join(other[:3])}"
