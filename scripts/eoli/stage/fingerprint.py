"""What a run folder is bound to: its physics without its length."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from eoli.core.files import sha256
from eoli.gromacs.mdp import COUPLING_KEYS
from eoli.study.protocol import MOST_COUPLING_STEPS

LENGTH_KEYS = frozenset({"nsteps"})
OUTPUT_KEYS = frozenset({"nstlog"})
# how neighbours are searched; the forces stay the same
PAIR_LIST_KEYS = frozenset({"nstlist", "rlist", "verlet-buffer-tolerance"})
# runs made before these keys were written took it by themselves
USUAL_COUPLING = {key: str(MOST_COUPLING_STEPS) for key in COUPLING_KEYS}


@dataclass(frozen=True)
class Fingerprint:
    """Hashes of everything that determines a trajectory, and the requested length."""

    mdp: str
    start: str
    topology: str
    precision: str

    def differences(self, other: Fingerprint) -> list[str]:
        """Names of what differs."""
        return [
            name for name in ("mdp", "start", "topology", "precision") if getattr(self, name) != getattr(other, name)
        ]


def _topology_text(folder: Path) -> bytes:
    """All topology files of a folder without comments and spacing, so that a comment changes nothing."""
    parts = []
    for path in sorted([*folder.glob("*.itp"), *folder.glob("*.top")]):
        body = [" ".join(line.split(";", 1)[0].split()) for line in path.read_text(encoding="utf-8").splitlines()]
        parts.append(path.name + "\n" + "\n".join(line for line in body if line))
    return "\n".join(parts).encode()


def physics(options: Mapping[str, str]) -> dict[str, str]:
    """The options that determine a trajectory, without its length, sorted; steps between couplings if unusual."""
    left_out = LENGTH_KEYS | OUTPUT_KEYS | PAIR_LIST_KEYS
    return {
        key: options[key] for key in sorted(options) if key not in left_out and options[key] != USUAL_COUPLING.get(key)
    }


def make_fingerprint(options: Mapping[str, str], start: list[Path], topology: Path, precision: str) -> Fingerprint:
    """Fingerprint of a run: normalised options without length, start coordinates, topology folder, precision."""
    text = "\n".join(f"{key}={value}" for key, value in physics(options).items())
    return Fingerprint(
        mdp=hashlib.sha256(text.encode()).hexdigest(),
        start=hashlib.sha256("".join(sha256(path) for path in start).encode()).hexdigest(),
        topology=hashlib.sha256(_topology_text(topology)).hexdigest(),
        precision=precision,
    )
