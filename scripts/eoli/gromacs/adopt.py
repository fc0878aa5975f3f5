"""A study of one run that was made elsewhere: its temperature, and the configuration that takes it in."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eoli.errors import EoliError, InputError
from eoli.gromacs.build import inspect
from eoli.gromacs.tools import run_tool
from eoli.study.config import LEAST_FRAMES, LEAST_WHOLE_FRAMES, GromacsBuild
from eoli.topology.description import SystemDescription
from eoli.topology.roles import composition

_BATHS = re.compile(r"^\s*ref-t:(.*)$", re.MULTILINE)
_THERMOSTAT = re.compile(r"^\s*tcoupl\s*=\s*(\S+)", re.MULTILINE)
_ANNEALED = re.compile(r"^\s*annealing:(.*)$", re.MULTILINE)
_SAME_K = 0.5
_USUAL_PS = {"motion": 1.0, "slow": 10.0}
_LONGEST = 36
"""Letters of the names of all chains, or anions, that fit into a name with `li-` in front."""


@dataclass(frozen=True)
class Baths:
    """Temperatures above zero of the baths of a run input file, K, and whether a thermostat kept them all the time."""

    temperatures_K: tuple[float, ...]
    kept: bool

    def __str__(self) -> str:
        said = " and ".join(f"{kelvin:g}" for kelvin in self.temperatures_K)
        return f"{said} K" if said else "no temperature"


def baths_of(tpr: Path, build: GromacsBuild) -> Baths:
    """The baths of a run input file, by `gmx dump`.

    Raises ToolError without GROMACS, RunError if it cannot read the file.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "dump.log"
        run_tool(inspect(build), "dump", log, s=tpr.resolve())
        return baths_in(log.read_text(encoding="utf-8", errors="replace"))


def baths_in(dump: str) -> Baths:
    """The baths in what `gmx dump` says of a run input file."""
    found = {float(word) for word in " ".join(_BATHS.findall(dump)).split()}
    thermostat, annealed = _THERMOSTAT.search(dump), " ".join(_ANNEALED.findall(dump)).split()
    kept = thermostat is not None and thermostat[1].lower() != "no" and {word.lower() for word in annealed} <= {"no"}
    return Baths(tuple(sorted(kelvin for kelvin in found if kelvin > 0)), kept)


def check_temperature(tpr: Path, kelvin: float, build: GromacsBuild) -> str:
    """A remark on the temperature that is said of a run; empty if its baths have it.

    Raises InputError where a thermostat kept another one all the time. Without a GROMACS that reads the file the remark says
    so.
    """
    try:
        baths = baths_of(tpr, build)
    except EoliError as error:
        return f"the temperature, {kelvin:g} K, was not compared with {tpr}: {error}"
    if all(abs(bath - kelvin) <= _SAME_K for bath in baths.temperatures_K):
        return ""
    if baths.kept:
        raise InputError(f"temperature_K: {kelvin:g} is not allowed; allowed: that of the thermostat in {tpr}, {baths}")
    return f"{tpr} has {baths}, but no thermostat that kept it"


def temperature_of(tpr: Path, given_K: float | None, build: GromacsBuild) -> tuple[float, str]:
    """Temperature of a run, K, and a remark: the given one, else that of its baths.

    Raises InputError if nothing says it, and for a given one that a thermostat contradicts.
    """
    if given_K is not None:
        return given_K, check_temperature(tpr, given_K, build)
    try:
        baths = baths_of(tpr, build)
    except EoliError as error:
        raise InputError(f"--temperature-K is missing, and {tpr} cannot be asked: {error}") from None
    if len(baths.temperatures_K) != 1:
        raise InputError(f"--temperature-K is missing; the baths in {tpr} have {baths}")
    return baths.temperatures_K[0], ""


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "", name).strip("-._").lower() or "run"


def _intervals_ps(interval_ps: float, length_ns: float) -> dict[str, float]:
    """Spacings of the analyses: as usual, whole frames, and no more than leave enough of them."""
    frames = round(length_ns * 1000 / interval_ps)
    every = {
        cadence: max(1, min(round(usual / interval_ps), frames // (least - 1)))
        for (cadence, usual), least in zip(_USUAL_PS.items(), (LEAST_FRAMES, LEAST_WHOLE_FRAMES), strict=True)
    }
    motion, slow = (float(f"{every[cadence] * interval_ps:.9g}") for cadence in ("motion", "slow"))
    return {"motion_interval_ps": motion, "structure_interval_ps": motion, "slow_interval_ps": slow}


def run_text(
    name: str, topology: Path, pieces: Sequence[Path], energies: Path | None, roles: Path, temperature_K: float,
    interval_ps: float, length_ns: float, description: SystemDescription,
) -> str:  # fmt: skip
    """A configuration, laid over the usual one, of one run: its files, and what its box holds."""
    kinds = {
        kind: "-".join(_plain(molecule.name) for molecule, _ in types)[:_LONGEST].strip("-.")
        for kind in ("polymer", "anion")
        if (types := description.types_of(kind))
    }
    held = composition(description)
    run: dict[str, Any] = {
        "name": name, "topology": str(topology), "trajectory": [str(path) for path in pieces],
        **({"energies": str(energies)} if energies is not None else {}),
        "roles": str(roles), "temperature_K": temperature_K, "frame_interval_ps": interval_ps, "length_ns": length_ns,
        "polymer": kinds.get("polymer", "none"),
        **({"salt": f"li-{kinds.get('anion', 'ions')}"} if held["lithium_ions"] else {}),
        **held,
    }  # fmt: skip
    lines = [
        f"# Taken in from {topology}; laid over config/config.yaml.",
        f"study: {json.dumps(name)}",
        "sweep: []",
        "runs:",
    ]
    lines += [
        f"  {'-' if number == 0 else ' '} {key}: {json.dumps(value)}" for number, (key, value) in enumerate(run.items())
    ]
    lines.append("analysis:")
    lines += [f"  {key}: {value:g}" for key, value in _intervals_ps(interval_ps, length_ns).items()]
    return "\n".join(lines) + "\n"
