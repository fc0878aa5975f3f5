"""Systems, trajectories and series whose statistics are known, without a simulation."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from eoli.study.criteria import ReduceCriteria
from eoli.topology.description import MoleculeCount, SystemDescription, to_json
from eoli.topology.molecule import Molecule, Site, Term
from eoli.trajectory.reduce import reduce_trajectory
from support import choice, reduced_file

RANGE_NM, BIN_NM, CONTACT_NM, SLOTS = 0.9, 0.02, 0.5, 4
BOND_NM, MASS_G_MOL = 0.15, 2000.0


def molecule(name: str, kind: str, roles: list[str | None], mass: float = 10.0) -> Molecule:
    """A chain of bonds with a torsion around every inner bond, twice, as a force field has it."""
    sites = tuple(Site(f"A{k}", "A", 0.0, mass + k, name, 1, "A", role, None, "test") for k, role in enumerate(roles))
    n = len(roles)
    bonds = tuple(Term((k, k + 1), 1, (0.15, 1.0), "b", "test") for k in range(n - 1))
    torsions = tuple(Term((k, k + 1, k + 2, k + 3), 1, (0.0, 1.0, 3.0), "t", "test") for k in range(n - 3)) * 2
    return Molecule(name, kind, 0, sites, bonds, (), torsions, ())


CHAIN = molecule(
    "PX",
    "polymer",
    ["ether_O", None, None, "ether_O", None, None, "ether_O", "ester_bridging_O", "ester_O", "amide_O", "amide_H"],
)
TFSI = molecule("TFSI", "anion", ["anion_O", None, "anion_N", None, "anion_O", "anion_F"], 14.0)
LITHIUM = molecule("LI", "cation", ["Li"])
SYSTEM = SystemDescription((MoleculeCount(CHAIN, 4), MoleculeCount(LITHIUM, 5), MoleculeCount(TFSI, 5)), choice(), "")
NEAT = SystemDescription((MoleculeCount(CHAIN, 4),), choice(), "")


def walk(system: SystemDescription, n_frames: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Whole molecules, some longer than the box, and boxes that grow and shrink by a third."""
    rng = np.random.default_rng(seed)
    boxes = 1.6 + 0.5 * np.sin(np.arange(n_frames) / 4)[:, None] * np.array([1.0, 0.7, -0.6])
    parts = []
    for entry in system.molecules:
        steps = rng.normal(size=(n_frames, entry.count, len(entry.molecule.sites), 3))
        steps *= 0.17 / np.linalg.norm(steps, axis=-1, keepdims=True)
        steps[:, :, 0] = rng.uniform(-2, 4, (n_frames, entry.count, 3))
        parts.append(np.cumsum(steps, axis=2).reshape(n_frames, -1, 3))
    return np.concatenate(parts, axis=1), boxes


def write_xtc(path: Path, positions: np.ndarray, boxes: np.ndarray, interval_ps: float = 1.0) -> Path:
    with XTCFile(str(path), "w") as file:
        for k, (frame, box) in enumerate(zip(positions, boxes, strict=True)):
            matrix = np.diag(box) if np.ndim(box) == 1 else box
            file.write(frame.astype(np.float32), matrix.astype(np.float32), k, k * interval_ps, 100_000)
    return path


def write_system(folder: Path, system: SystemDescription, n_frames: int = 30) -> tuple[Path, Path]:
    """A trajectory with every second frame wrapped site by site, the others as the molecules lie."""
    positions, boxes = walk(system, n_frames)
    positions[::2] %= boxes[::2, None]
    description = folder / "system.json"
    description.write_text(to_json(system))
    return write_xtc(folder / "md.xtc", positions, boxes), description


def told(
    motion_ps: float, structure_ps: float, slow_ps: float, range_nm: float, bin_nm: float, **more: Any
) -> ReduceCriteria:
    return ReduceCriteria(
        frame_interval_ps=1.0,
        motion_interval_ps=motion_ps,
        structure_interval_ps=structure_ps,
        slow_interval_ps=slow_ps,
        rdf_range_nm=range_nm,
        rdf_bin_nm=bin_nm,
        **more,
    )


def reduce(trajectory: Path, description: Path, out: Path, intervals: tuple[float, float, float], **more: Any) -> Path:
    length_ns = more.pop("length_ps", None)
    criteria = told(*intervals, RANGE_NM, BIN_NM, length_ns=None if length_ns is None else length_ns / 1000)
    reduce_trajectory(trajectory, description, criteria, out, contact_range_nm=CONTACT_NM, **{"slots": SLOTS, **more})
    return out


def brownian(n_frames: int, particles: int, d: float, rng: np.random.Generator) -> np.ndarray:
    """Paths of particles with a diffusion coefficient of `d`, MSD = 6 d t, in units of frames."""
    return np.cumsum(rng.normal(0, math.sqrt(2 * d), (n_frames, particles, 3)), axis=0)


def fractional(n_frames: int, particles: int, hurst: float, size: float, rng: np.random.Generator) -> np.ndarray:
    """Fractional Brownian motion, MSD = 3 size^2 t^(2 H), by circulant embedding (Davies, Harte 1987)."""
    k = np.arange(n_frames)
    covariance = 0.5 * sum(w * np.abs(k + shift) ** (2 * hurst) for shift, w in ((1.0, 1), (0.0, -2), (-1.0, 1)))
    circle = np.concatenate([covariance, covariance[-2:0:-1]])
    power = np.fft.fft(circle).real.clip(0) / len(circle)
    noise = rng.normal(size=(2, len(circle), 3 * particles))
    steps = np.fft.fft((noise[0] + 1j * noise[1]) * np.sqrt(power)[:, None], axis=0)[:n_frames].real
    return size * np.cumsum(steps, axis=0).reshape(n_frames, particles, 3)


def write_conductor(
    folder: Path, salt: int, d: tuple[float, float], n_frames: int = 2000, scale: float = 1.0, seed: int = 8
) -> list[Path]:
    """A reduced run of independent ions and four heavy chains in a box of 4 nm, and its description."""
    rng = np.random.default_rng(seed)
    entries = [MoleculeCount(molecule("PEO", "polymer", ["ether_O"], 1e6), 4)]
    walks = {"chains": brownian(n_frames, 4, 1e-4, rng)}
    if salt:
        entries += [
            MoleculeCount(replace(molecule("LI", "cation", ["Li"], 7.0), formal_charge=1), salt),
            MoleculeCount(replace(molecule("X", "anion", ["anion_O"], 280.0), formal_charge=-1), salt),
        ]
        walks |= {"lithium": brownian(n_frames, salt, d[0], rng), "anions": brownian(n_frames, salt, d[1], rng)}
    described = SystemDescription(tuple(entries), choice(ion_charge_scale=scale), "")
    reduced, description = folder / "reduced.h5", folder / "system.json"
    intervals = {"motion": 1.0, "structure": 1.0, "slow": 1.0}
    with reduced_file(reduced, described, n_frames - 1.0, intervals) as file:
        file["motion/box"] = np.full((n_frames, 3), 4.0, dtype=np.float32)
        for name, path in walks.items():
            file[f"motion/{name}"] = (path % 4.0).astype(np.float32)
        if salt:
            anions = 4 + salt + np.arange(salt, dtype=np.int32)
            file["motion/neighbours"] = np.tile(anions[None, :, None], (n_frames, 1, 1))
            close = np.arange(salt) < salt // 2
            distances = np.where(close, 0.2, 0.4).astype(np.float32)
            file["motion/distances"] = np.tile(distances[None, :, None], (n_frames, 1, 1))
            file["motion/neighbours"].attrs["range_nm"] = 0.5
    description.write_text(to_json(described))
    return [reduced, description, folder / "out" / "c.csv", folder / "out" / "c.json"]


def linear_chains(count: int, n_sites: int = 2) -> SystemDescription:
    """Linear chains with bonds of BOND_NM, MASS_G_MOL in all."""
    mass = MASS_G_MOL / count / n_sites
    sites = tuple(Site(f"C{n}", "CH2", 0.0, mass, "A", 1, "C", None, None, "test") for n in range(n_sites))
    bonds = tuple(Term((n, n + 1), 2, (BOND_NM, 1e6), "bond", "test") for n in range(n_sites - 1))
    chain = Molecule("A", "polymer", 0, sites, bonds, (), (), ())
    return SystemDescription((MoleculeCount(chain, count),), choice(), "0")


def ar1(n: int, rho: float, rng: np.random.Generator) -> np.ndarray:
    """First-order autoregression of variance 1; its statistical inefficiency is (1 + rho) / (1 - rho)."""
    noise = rng.normal(size=n) * np.sqrt(1 - rho**2)
    series = np.empty(n)
    series[0] = rng.normal()
    for k in range(1, n):
        series[k] = rho * series[k - 1] + noise[k]
    return series
