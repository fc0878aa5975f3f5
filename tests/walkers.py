"""Ions that walk on Rouse chains with known times: a naive simulation of what the renewal model assumes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from eoli.analysis.renewal.estimate import Walks
from eoli.analysis.renewal.model import renewal_diffusion


@dataclass(frozen=True)
class Known:
    """Rates in 1/ps, lengths in nm, and how a walk departs from the model.

    A transfer is a jump of `jump_nm` along each axis, and a share `back` of them undo the last one. Where `stiff`, the modes
    of a chain relax in tau/p^4, as those of a stiff filament.
    """

    ions: int = 40
    chains: int = 20
    units: int = 20
    frames: int = 4000
    interval_ps: float = 10.0
    index_rate: float = 5e-3
    segment_rate: float = 5e-3
    tau_3: float = 2000.0
    bond_nm: float = 0.6
    jump_nm: float = 0.0
    back: float = 0.0
    stiff: bool = False
    rattle_nm: float = 0.0

    @property
    def chain_diffusion(self) -> float:
        """D of the centre of mass, nm2/ps: kT/(N zeta) with W = 3kT/(zeta b^2)."""
        return self.segment_rate * self.bond_nm**2 / (3 * self.units)

    @property
    def diffusion(self) -> float:
        """D of the ions, nm2/ps."""
        rate = self.index_rate + self.segment_rate
        return renewal_diffusion(rate, self.units, self.bond_nm**2, self.tau_3) + self.chain_diffusion


def _chains(known: Known, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Centres of mass (frames, chains, 3), and beads relative to them (frames, chains, units, 3), by exact steps of modes."""
    n, shape = known.units, (known.frames, known.chains, 3)
    steps = random.normal(0, np.sqrt(2 * known.chain_diffusion * known.interval_ps), shape)
    beads = np.zeros((known.frames, known.chains, n, 3))
    for p in range(1, n):
        of = 4 * np.sin(p * np.pi / 2 / n) ** 2
        rate = known.segment_rate * (of**2 if known.stiff else of)
        keep = np.exp(-rate * known.interval_ps)
        noise = random.normal(0, known.bond_nm / np.sqrt(3 * of), shape)
        noise[1:] *= np.sqrt(1 - keep**2)
        mode = lfilter([1], [1, -keep], noise, axis=0)
        beads += mode[:, :, None, :] * np.cos(p * np.pi * (np.arange(n) + 0.5) / n)[:, None] * np.sqrt(2 / n)
    return steps.cumsum(axis=0), beads


def _ions(known: Known, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Hosts and units of the ions, (frames, ions), frame by frame."""
    host = np.zeros((known.frames, known.ions), dtype=np.int32)
    unit = np.zeros((known.frames, known.ions), dtype=np.int64)
    host[0], unit[0] = random.integers(known.chains, size=known.ions), random.integers(known.units, size=known.ions)
    hops = random.poisson(2 * known.index_rate * known.interval_ps, (known.frames, known.ions))
    transfers = random.random((known.frames, known.ions)) < -np.expm1(-known.interval_ps / known.tau_3)
    for t in range(1, known.frames):
        host[t], unit[t] = host[t - 1], unit[t - 1]
        for k in range(hops[t].max(initial=0)):
            # a step beyond an end stays where it is
            step = np.where(hops[t] > k, random.choice([-1, 1], known.ions), 0)
            unit[t] = np.clip(unit[t] + step, 0, known.units - 1)
        moving = np.flatnonzero(transfers[t])
        host[t, moving] = (host[t, moving] + random.integers(1, known.chains, len(moving))) % known.chains
        unit[t, moving] = random.integers(known.units, size=len(moving))
    return host, unit


def walks(known: Known, seed: int) -> Walks:
    """A run of such ions. The path of an ion that changes its chain goes on from where it is."""
    random = np.random.default_rng(seed)
    centres, beads = _chains(known, random)
    host, unit = _ions(known, random)
    frames = np.arange(known.frames)[:, None]
    on_bead = beads[frames, host, unit] + centres[frames, host]
    steps = np.diff(on_bead, axis=0, prepend=on_bead[:1])
    for i in range(known.ions):
        jump = np.zeros(3)
        for t in np.flatnonzero(host[1:, i] != host[:-1, i]) + 1:
            jump = -jump if random.random() < known.back else random.normal(0, known.jump_nm, 3)
            steps[t, i] = jump
    ions = steps.cumsum(axis=0) + random.normal(0, 1, steps.shape) * known.rattle_nm
    bound = np.full((known.frames, known.chains * known.units), -1)
    bound[frames, host * known.units + unit] = np.arange(known.ions)
    bound = bound.reshape(known.frames, known.chains, known.units)
    end_to_end2 = ((beads[:, :, -1] - beads[:, :, 0]) ** 2).sum(axis=2).mean(axis=0)
    return Walks(
        known.interval_ps, host, unit.astype(np.float64), ions, centres, 1,
        lambda chain: (beads[:, chain], bound[:, chain]), end_to_end2, known.units,
    )  # fmt: skip
