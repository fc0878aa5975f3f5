"""Size of the reduced trajectory, and memory of its analyses."""

from __future__ import annotations

from collections.abc import Mapping

FORMAT = 3
"""Format version of the reduced trajectory; other versions are made again."""
SLOTS = 16
"""Neighbours kept per lithium, at least."""


def _frames(length_ps: float, intervals_ps: Mapping[str, float]) -> dict[str, float]:
    return {cadence: length_ps / interval + 1 for cadence, interval in intervals_ps.items()}


def reduced_bytes(
    sites: int, molecules: int, cations: int, length_ps: float, intervals_ps: Mapping[str, float]
) -> float:
    """Upper bound for the size of a reduced trajectory, bytes; `molecules` counts chains and solvents, `cations` ion
    pairs.

    `intervals_ps` are those of motion, structure and slow.
    """
    frames = _frames(length_ps, intervals_ps)
    of_motion = 12 * (molecules + 2 * cations) + 8 * cations * SLOTS
    # fluorine, ether oxygens and torsions: less than half of all sites
    return frames["motion"] * of_motion + (frames["structure"] * 6 + frames["slow"] * 12) * sites


def analysis_mb(sites: int, cations: int, length_ps: float, intervals_ps: Mapping[str, float]) -> int:
    """Upper bound for the memory of the largest analysis of a system, MB; measured up to 200,000 sites.

    The mechanism analysis keeps lithium's paths, hosts and places over all frames, the structure analysis all torsions;
    everything else is read in pieces.
    """
    frames = _frames(length_ps, intervals_ps)
    return round(1500 + (80 * cations * frames["motion"] + (4 * frames["structure"] + 2000) * sites) / 1e6)
