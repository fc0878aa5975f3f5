"""One decode of a trajectory into the small arrays that every analysis reads."""

from __future__ import annotations

from collections.abc import Mapping

FORMAT = 3
"""Of the reduced trajectory; one of another format is made again."""
SLOTS = 16
"""Neighbours that are kept of each lithium."""


def _frames(length_ps: float, intervals_ps: Mapping[str, float]) -> dict[str, float]:
    return {cadence: length_ps / interval + 1 for cadence, interval in intervals_ps.items()}


def reduced_bytes(sites: int, chains: int, cations: int, length_ps: float, intervals_ps: Mapping[str, float]) -> float:
    """Size of the reduced trajectory of a system of so many sites, chains and ion pairs, bytes, from above.

    `intervals_ps` are those of motion, structure and slow.
    """
    frames = _frames(length_ps, intervals_ps)
    of_motion = 12 * (chains + 2 * cations) + 8 * cations * SLOTS
    # fluorine, ether oxygens and torsions: less than half of all sites
    return frames["motion"] * of_motion + (frames["structure"] * 6 + frames["slow"] * 12) * sites


def analysis_mb(sites: int, cations: int, length_ps: float, intervals_ps: Mapping[str, float]) -> int:
    """Memory of the analysis of a system that needs most, MB, from above; measured up to 200,000 sites.

    That of how lithium moves keeps its paths, hosts and places over all frames, that of structure all torsions; all
    else is read in pieces.
    """
    frames = _frames(length_ps, intervals_ps)
    return round(1500 + (80 * cations * frames["motion"] + (4 * frames["structure"] + 2000) * sites) / 1e6)
