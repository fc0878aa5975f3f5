"""Packing with PACKMOL: seeds from the configuration, recorded retries, output as GRO."""

from __future__ import annotations

import importlib.metadata
import math
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from eoli.box.conformation import random_conformation
from eoli.box.geometry import check_box, check_molecule
from eoli.box.gro import gro_text
from eoli.core.arrays import Floats
from eoli.core.files import write_json, write_text
from eoli.errors import InputError, RunError, ToolError
from eoli.study.box_shape import Shape
from eoli.study.systems import box_edges_nm, seed_for
from eoli.topology.description import SystemDescription
from eoli.topology.molecule import Molecule

NOT_CONVERGED = 173
GROWTH = 1.04  # edges of the box after an attempt that did not converge
LONGEST_EDGE_NM = 900.0  # GRO positions have four characters before the point, one for the sign
SECONDS_A_SITE = 10.0  # of one attempt, at least an hour: far more than PACKMOL takes, whose loops end by themselves


@dataclass(frozen=True)
class Attempt:
    """One PACKMOL run, in a box with `edge_nm` along x and y."""

    seed: int
    edge_nm: float
    exit_code: int


def packmol_program() -> str:
    """Path of the `packmol` program of this environment.

    Raises ToolError if it is not installed.
    """
    beside = Path(sys.executable).with_name("packmol")
    found = str(beside) if beside.is_file() else shutil.which("packmol")
    if not found:
        raise ToolError("packmol is not installed in this environment; `make setup` installs it")
    return found


def _xyz(molecule: Molecule, positions_nm: Floats) -> str:
    rows = [f"{site.name} {x:.5f} {y:.5f} {z:.5f}" for site, (x, y, z) in
            zip(molecule.sites, positions_nm * 10, strict=True)]  # fmt: skip
    return "\n".join([str(len(rows)), molecule.name, *rows]) + "\n"


def _input(structures: list[tuple[str, int]], edges_nm: Floats, tolerance_nm: float, seed: int) -> str:
    x, y, z = edges_nm * 10
    lines = [
        f"tolerance {tolerance_nm * 10:.4f}", "filetype xyz", "output packed.xyz", f"seed {seed}",
        f"pbc {x:.5f} {y:.5f} {z:.5f}", "maxit 20", "nloop 60",
    ]  # fmt: skip
    for name, count in structures:
        lines += [f"structure {name}", f"  number {count}", "end structure"]
    return "\n".join(lines) + "\n"


def _read_xyz(path: Path, n_sites: int) -> Floats:
    rows = path.read_text().splitlines()[2:]
    try:
        positions = np.array([[float(word) for word in row.split()[1:4]] for row in rows if row.strip()])
    except ValueError as error:
        raise RunError(f"PACKMOL wrote a position that is no number: {error}") from error
    if positions.shape != (n_sites, 3):
        raise RunError(f"PACKMOL wrote {len(positions)} sites; expected {n_sites}")
    return positions / 10


def pack(
    description: SystemDescription, seed: int, density_g_cm3: float, tolerance_nm: float, attempts: int, gro: Path,
    report: Path, log: Path, shape: Shape = "cubic",
) -> list[Attempt]:  # fmt: skip
    """Pack a system into a box of that shape and write it as GRO, with a JSON report of seeds and attempts.

    Every polymer chain has its own random conformation; ions of a type share one. A run that does not converge (exit
    173) is repeated with a new seed and a larger box. Raises RunError after the last attempt or for a packed box with
    torn or overlapping molecules, InputError for a box too large for a GRO file, ForceFieldError for a molecule whose
    start geometry contradicts its terms; no GRO is written then.
    """
    edges = np.array(box_edges_nm(description.mass_g_mol, density_g_cm3, shape))
    if edges.max() * GROWTH ** (attempts - 1) > LONGEST_EDGE_NM:
        raise InputError(
            f"a box of {edges.max():.4g} nm ({attempts} attempts at {density_g_cm3:g} g/cm3) is not allowed; allowed: edges up to "
            f"{LONGEST_EDGE_NM:g} nm"
        )
    program = packmol_program()
    done: list[Attempt] = []
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    for number in range(attempts):
        attempt_seed = seed_for(seed, "packmol", number)
        rng = np.random.default_rng(attempt_seed)
        with tempfile.TemporaryDirectory(prefix="eoli-box-") as name:
            folder = Path(name)
            structures = _write_structures(description, folder, rng)
            (folder / "box.inp").write_text(_input(structures, edges, tolerance_nm, attempt_seed % 10**9))
            run = _run(program, folder, max(3600.0, SECONDS_A_SITE * description.n_sites), log)
            with log.open("a") as stream:
                stream.write(
                    f"attempt {number + 1}: seed {attempt_seed}, edge {edges[0]:.4f} nm\n{run.stdout}{run.stderr}\n"
                )
            done.append(Attempt(attempt_seed, float(edges[0]), run.returncode))
            if run.returncode == 0:
                positions = _read_xyz(folder / "packed.xyz", description.n_sites)
                gap = check_box(description, positions, edges, tolerance_nm)
                write_text(gro, gro_text(description, positions, edges, "packed by PACKMOL"))
                write_json(report, _report(description, done, density_g_cm3, tolerance_nm, gap))
                return done
            if run.returncode != NOT_CONVERGED:
                last = next((row.strip() for row in reversed(run.stdout.splitlines()) if row.strip()), "no output")
                raise RunError(f"PACKMOL failed with exit code {run.returncode}: {last}; log: {log}")
        edges *= GROWTH
    raise RunError(
        f"PACKMOL did not converge in {attempts} attempts, the last with an edge of {done[-1].edge_nm:.2f} nm; "
        f"lower box.packing_density_g_cm3 ({density_g_cm3:g}); log: {log}"
    )


def _run(program: str, folder: Path, limit_s: float, log: Path) -> subprocess.CompletedProcess[str]:
    """Run PACKMOL on the input in a folder. Raises ToolError if it cannot be started or does not end."""
    try:
        with (folder / "box.inp").open() as stdin:
            return subprocess.run(
                [program], stdin=stdin, cwd=folder, capture_output=True, text=True, errors="replace", timeout=limit_s,
                check=False,
            )  # fmt: skip
    except OSError as error:
        raise ToolError(f"{program}: cannot be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"PACKMOL did not end within {limit_s:g} s; log: {log}") from error


def _write_structures(description: SystemDescription, folder: Path, rng: np.random.Generator) -> list[tuple[str, int]]:
    structures = []
    for entry in description.molecules:
        own = entry.molecule.kind == "polymer"
        for copy in range(entry.count if own else 1):
            name = f"{entry.molecule.name}-{copy}.xyz"
            conformation = random_conformation(entry.molecule, rng)
            check_molecule(entry.molecule, conformation)
            (folder / name).write_text(_xyz(entry.molecule, conformation))
            structures.append((name, 1 if own else entry.count))
    return structures


def _report(
    description: SystemDescription, attempts: list[Attempt], density_g_cm3: float, tolerance_nm: float,
    smallest_distance_nm: float,
) -> dict[str, object]:  # fmt: skip
    return {
        "packmol": importlib.metadata.version("packmol"),
        "density_g_cm3": density_g_cm3,
        "tolerance_nm": tolerance_nm,
        # JSON has no infinity, which is the distance of a single molecule
        "smallest_distance_nm": round(smallest_distance_nm, 6) if math.isfinite(smallest_distance_nm) else None,
        "attempts": [asdict(attempt) for attempt in attempts],
        "molecules": {entry.molecule.name: entry.count for entry in description.molecules},
    }
