"""What is known to be wrong in released versions of GROMACS, as far as a study can meet it.

Each entry is from the release notes of the version that mended it; its number is that of GROMACS' issue tracker.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from eoli.gromacs.build import Gromacs, Version, parse_version
from eoli.gromacs.mdp import has_fixed_list
from eoli.study.protocol import Stage


class Met(Enum):
    """Where a bug is met."""

    ALWAYS = "in every run"
    THREAD_MPI = "with GROMACS' own MPI"
    GPU_PRUNING = "non-bonded forces on a GPU, with a pair list whose buffer GROMACS chooses"
    GPU_UPDATE = "sites moved on a GPU, with lists searched at steps without a virial"


@dataclass(frozen=True)
class KnownBug:
    """A bug: the first version that has it, the first without it in each year, and what to do."""

    issue: int
    first: Version
    mended: tuple[Version, ...]
    met: Met
    what: str
    remedy: str
    touches_results: bool = True

    def is_in(self, version_text: str) -> bool:
        """Whether a version has it. One under development counts as the release before it: it may lack the cure."""
        year, patch = parse_version(version_text)
        version = (year, max(0, patch - 1) if "-dev" in version_text else patch)
        cured = version >= max(self.mended) or any(cure[0] == year and version >= cure for cure in self.mended)
        return version >= self.first and not cured

    def line(self, version_text: str) -> str:
        """The bug in one line."""
        mended = " and ".join(f"{year}.{patch}" for year, patch in self.mended)
        return f"GROMACS {version_text} {self.what} (issue {self.issue} of GROMACS, mended in {mended}); {self.remedy}"


STALE_PREVIOUS = KnownBug(
    4810, (2023, 0), ((2023, 2),), Met.ALWAYS,
    "leaves the first checkpoint of a run in place of the one before the newest",
    "each stage keeps the one before itself, there is nothing to do", touches_results=False,
)  # fmt: skip
KNOWN_BUGS = (
    STALE_PREVIOUS,
    # the notes do not say since when: all that move sites on a GPU are taken to have it
    KnownBug(
        4937, (2020, 0), ((2023, 4),), Met.GPU_UPDATE,
        "can lose forces that the processor computed, on a GPU that many runs share",
        "set update: cpu for the stage, or take a newer version",
    ),
    KnownBug(
        5138, (2018, 0), ((2023, 6), (2024, 4)), Met.GPU_PRUNING,
        "misses a few pairs near the cut-off on a GPU",
        "set nb: cpu for the stage, or take a newer version",
    ),
    KnownBug(
        5564, (2026, 0), ((2026, 1),), Met.THREAD_MPI,
        "can start far more threads than there are cores, and is slow then",
        "take a newer version", touches_results=False,
    ),
)  # fmt: skip


def _may_meet(gromacs: Gromacs, stage: Stage, reproducible: bool, gpu: bool) -> set[Met]:
    """What a stage to come can meet; `gpu` says whether its mdrun may find a GPU."""
    met = {Met.ALWAYS, *([] if gromacs.is_real_mpi else [Met.THREAD_MPI])}
    if not gpu or not stage.is_dynamics or stage.nb == "cpu":
        return met
    if not has_fixed_list(stage, reproducible):
        met.add(Met.GPU_PRUNING)
    # what mdrun takes for auto: GPUs since 2023
    moves = stage.update == "gpu" or (stage.update == "auto" and gromacs.version >= (2023, 0))
    if moves and stage.integrator == "md" and stage.thermostat != "nose-hoover":
        met.add(Met.GPU_UPDATE)
    return met


def bugs_ahead(gromacs: Gromacs, stages: Iterable[Stage], reproducible: bool, gpu: bool) -> list[str]:
    """A line for each bug that the stages can meet; one that only some of them can names these."""
    met = {stage.name: _may_meet(gromacs, stage, reproducible, gpu) for stage in stages}
    lines = []
    for bug in KNOWN_BUGS:
        concerned = [name for name, found in met.items() if bug.met in found]
        if concerned and bug.is_in(gromacs.version_text):
            some = f"{', '.join(concerned)}: " if len(concerned) < len(met) else ""
            lines.append(f"{some}{bug.line(gromacs.version_text)}")
    return lines


_SESSION = re.compile(r"^GROMACS version:[ \t]+(\S*\d{4}\S*)[ \t]*$", re.MULTILINE)
_PRUNED_ON_GPU = "pair-list setup updated with dynamic, rolling pruning"
_MOVED_ON_GPU = "PP task will update and constrain coordinates on the GPU"


def _number(key: str, text: str) -> int | None:
    found = re.findall(rf"^ *{key} *= *(-?\d+)|Changing {key} from \d+ to (\d+)", text, re.MULTILINE)
    return int("".join(found[-1])) if found else None


def _was_met(session: str) -> set[Met]:
    """What the log of one mdrun says that it met."""
    met = {Met.ALWAYS, *([Met.THREAD_MPI] if re.search(r"^MPI library:\s+thread_mpi", session, re.MULTILINE) else [])}
    if _PRUNED_ON_GPU in session:
        met.add(Met.GPU_PRUNING)
    if _MOVED_ON_GPU in session:
        age, coupled = _number("nstlist", session), _number("nstpcouple", session)
        couples = re.search(r"^ *pcoupl *= *(?!No\b)\w", session, re.MULTILINE)
        if not (couples and age and coupled and coupled > 0 and age % coupled == 0):
            met.add(Met.GPU_UPDATE)
    return met


def bugs_met(log: str) -> list[str]:
    """A line for each bug that touched the results of a run, from md.log with all its sessions, each of any version."""
    _, *parts = _SESSION.split(log)
    lines: dict[str, None] = {}
    for version, session in zip(parts[::2], parts[1::2], strict=True):
        met = _was_met(session)
        for bug in KNOWN_BUGS:
            if bug.touches_results and bug.met in met and bug.is_in(version):
                lines[bug.line(version)] = None
    return list(lines)
