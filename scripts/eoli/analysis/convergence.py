"""Convergence of a stage, judged on its second half: blocks that agree, and no memory of the start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eoli.analysis.ions.clusters import anion_of_sites, find_clusters, states
from eoli.core.arrays import Floats, Singles
from eoli.core.statistics import blocks_agree
from eoli.errors import DataError
from eoli.gromacs.energies import densities, read_energies
from eoli.study.protocol import Criterion
from eoli.topology.description import SystemDescription
from eoli.topology.selections import anion_binding_sites
from eoli.trajectory import kernels
from eoli.trajectory.reader import chunks, open_trajectory, spanning_tree

FALSE_ALARMS = 0.05
"""Probability that a stationary run is called drifting, over all criteria of a stage together."""
MEMORY_ALLOWED = {"chain_memory": float(np.exp(-1)), "contact_memory": 0.5}
_SLOTS = 24
_CHUNK = 64
_WORDS = {
    "density": "density",
    "energy": "potential energy",
    "end_to_end": "mean square end-to-end distance",
    "free_ions": "share of free lithium",
}
_OF_TRAJECTORY = frozenset({"end_to_end", "free_ions", "chain_memory", "contact_memory"})


@dataclass(frozen=True)
class Finding:
    """Result of one criterion; `converged` is None if the system has nothing to judge."""

    converged: bool | None
    text: str
    values: dict[str, Any]


def judge_blocks(name: Criterion, series: npt.ArrayLike, level: float) -> Finding:
    """Whether the blocks of a series agree within their statistical error, at a significance level.

    A series too short to estimate its own correlation has not converged.
    """
    what = _WORDS[name]
    try:
        found = blocks_agree(series)
    except DataError as error:
        return Finding(False, f"{what}: {error}", {})
    values = asdict(found)
    if found.p_value is None:
        text = f"{what}: {found.n_effective:.1f} independent samples are too few to judge"
        return Finding(False, text, values)
    if found.p_value < level:
        low, high = min(found.block_means), max(found.block_means)
        text = f"{what} drifts: blocks from {low:.5g} to {high:.5g} (p = {found.p_value:.1g})"
        return Finding(False, text, values)
    return Finding(True, f"{what} is steady (p = {found.p_value:.2g})", values)


def chain_memory(end_to_end: Floats) -> float:
    """Memory of chains over half of these frames: <R(t) R(t + half)> / <R R> of end-to-end vectors, (frames, M, 3).

    Raises DataError for fewer than two frames.
    """
    n = len(end_to_end)
    if n < 2:
        raise DataError(f"{n} frame; chains need at least 2")
    lag = n // 2
    products = (end_to_end[:-lag] * end_to_end[lag:]).sum(axis=2).mean()
    return float(products / (end_to_end**2).sum(axis=2).mean())


def _judge_memory(name: Criterion, share: float | None) -> Finding:
    what = "end-to-end vectors" if name == "chain_memory" else "contacts of lithium with anions"
    if share is None:
        return Finding(None, f"{what}: none", {})
    allowed = MEMORY_ALLOWED[name]
    over = "over a quarter of the run" if name == "chain_memory" else "over its second half"
    text = f"{what} keep {share:.0%} {over}; allowed: {allowed:.0%}"
    return Finding(share <= allowed, text, {"share": share, "allowed": allowed})


def _ends(positions: Singles, boxes: Singles, description: SystemDescription) -> Singles:
    """End-to-end vectors, (frames, M, 3), nm."""
    ((molecule, chains),) = description.types_of("polymer")
    parents, children = spanning_tree(len(molecule.sites), molecule.links)
    masses = np.array([site.mass for site in molecule.sites], dtype=np.float32)
    return np.asarray(kernels.chain_shapes(positions, boxes, chains, parents, children, masses)[1])


def _from_trajectory(
    xtc: Path, frame_interval_ps: float, description: SystemDescription, contact_nm: float
) -> tuple[Floats, Floats | None, float | None]:
    """End-to-end vectors (frames, M, 3), share of free lithium (frames,), contacts kept, in a run's second half."""
    trajectory = open_trajectory(xtc, description.n_sites, frame_interval_ps)
    lithium, binding = description.with_role("Li"), anion_binding_sites(description)
    ends: list[Singles] = []
    near: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = []
    later = np.arange(trajectory.n_frames // 2, trajectory.n_frames)
    for _, positions, exact in chunks(trajectory, later, _CHUNK):
        boxes = exact.astype(np.float32)
        ends.append(_ends(positions, boxes, description))
        if len(lithium) and len(binding):
            near.append(kernels.all_within(positions, boxes, lithium, binding, contact_nm, _SLOTS))
    vectors = np.concatenate(ends).astype(np.float64)
    if not near:
        return vectors, None, None
    clusters = find_clusters(near, anion_of_sites(description), contact_nm)
    return vectors, states(clusters.sizes)[:, 0], clusters.contacts_kept


def _from_energies(criteria: Sequence[Criterion], edr: Path, description: SystemDescription) -> dict[Criterion, Floats]:
    if not {"density", "energy"} & set(criteria):
        return {}
    terms = {name: values[len(values) // 2 :] for name, values in read_energies(edr).items()}
    series: dict[Criterion, Floats] = {"energy": np.asarray(terms["Potential"], dtype=np.float64)}
    if "density" in criteria:
        series["density"] = densities(terms, description.mass_g_mol)
    return series


def convergence(
    criteria: Sequence[Criterion], folder: Path, frame_interval_ps: float, description: SystemDescription,
    contact_nm: float,
) -> dict[Criterion, Finding]:  # fmt: skip
    """Each criterion on a finished run (`md.edr`, `md.xtc` in `folder`), over its second half.

    `density`, `energy`, `end_to_end` (mean square over the chains) and `free_ions` (share of lithium in no cluster; a
    contact is an anion's site within `contact_nm`): blocks agree by `blocks_agree`, sharing FALSE_ALARMS.
    `chain_memory`: the correlation of end-to-end vectors over half of that half is at most 1/e. `contact_memory`: at
    most half of the first frame's contacts are left in the last. Raises DataError for files that cannot be read.
    """
    level = FALSE_ALARMS / max(1, len([name for name in criteria if name in _WORDS]))
    series: dict[Criterion, Floats | None] = {**_from_energies(criteria, folder / "md.edr", description)}
    memory: dict[Criterion, float | None] = {}
    if _OF_TRAJECTORY & set(criteria):
        vectors, free, kept = _from_trajectory(folder / "md.xtc", frame_interval_ps, description, contact_nm)
        series |= {"end_to_end": (vectors**2).sum(axis=2).mean(axis=1), "free_ions": free}
        memory |= {"chain_memory": chain_memory(vectors), "contact_memory": kept}
    found = {}
    for name in criteria:
        if name in memory:
            found[name] = _judge_memory(name, memory[name])
        else:
            values = series[name]
            nothing = Finding(None, f"{_WORDS[name]}: no ions", {})
            found[name] = nothing if values is None else judge_blocks(name, values, level)
    return found
