"""A study of one run that was made elsewhere: its temperature, and the configuration that takes it in."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eoli.errors import EoliError, InputError
from eoli.gromacs.build import inspect
from eoli.gromacs.tools import run_tool
from eoli.study.config import LEAST_FRAMES, LEAST_WHOLE_FRAMES, GromacsBuild
from eoli.topology.description import SystemDescription
from eoli.topology.roles import composition

_BATHS = re.compile(r"^\s*ref-t:(.*)$", re.MULTILINE)
_USUAL_PS = {"motion": 1.0, "slow": 10.0}
_LONGEST = 36
"""Letters of the names of all chains, or anions, that fit into a name with `li-` in front."""


def bath_temperatures_K(tpr: Path, build: GromacsBuild) -> list[float]:
    """Temperatures of the baths of a run input file, by `gmx dump`.

    Raises ToolError without GROMACS, RunError if it cannot read the file.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "dump.log"
        run_tool(inspect(build), "dump", log, s=tpr.resolve())
        words = " ".join(_BATHS.findall(log.read_text(encoding="utf-8", errors="replace"))).split()
    return [float(word) for word in words]


def temperature_of(tpr: Path, given_K: float | None, build: GromacsBuild) -> tuple[float, str]:
    """Temperature of a run, K, and a remark: the given one, else that of its baths.

    Raises InputError if nothing says it.
    """
    try:
        found = sorted({kelvin for kelvin in bath_temperatures_K(tpr, build) if kelvin > 0})
    except EoliError as error:
        if given_K is None:
            raise InputError(f"--temperature-K is missing, and {tpr} cannot be asked: {error}") from None
        found = []
    baths = " and ".join(f"{kelvin:g}" for kelvin in found)
    if given_K is None and len(found) != 1:
        raise InputError(
            f"--temperature-K is missing; the baths in {tpr} have {f'{baths} K' if found else 'no temperature'}"
        )
    kelvin = found[0] if given_K is None else given_K
    return kelvin, f"; {tpr} has {baths} K" if found and found != [kelvin] else ""


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
