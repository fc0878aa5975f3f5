"""Virtual sites: particles without a mass, whose places follow from those of atoms."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from eoli.core.arrays import Floats
from eoli.topology.molecule import Term

_Place = Callable[[Sequence[Floats], Sequence[float]], Floats]


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def _fad(x: Sequence[Floats], p: Sequence[float]) -> Floats:
    ij, jk = x[1] - x[0], x[2] - x[1]
    along = _unit(ij)
    across = _unit(jk - np.sum(jk * along, axis=-1, keepdims=True) * along)
    theta, d = math.radians(p[0]), p[1]
    return np.asarray(x[0] + d * (math.cos(theta) * along + math.sin(theta) * across))


def _fdn(x: Sequence[Floats], p: Sequence[float]) -> Floats:
    ij = x[1] - x[0]
    return x[0] + p[2] * _unit(np.cross(p[0] * (x[2] - x[0]) - ij, p[1] * (x[3] - x[0]) - ij))


_PLACES: Mapping[tuple[str, int], _Place] = {
    ("virtual_sites1", 1): lambda x, p: x[0],
    ("virtual_sites2", 1): lambda x, p: x[0] + p[0] * (x[1] - x[0]),
    ("virtual_sites2", 2): lambda x, p: x[0] + p[0] * _unit(x[1] - x[0]),
    ("virtual_sites3", 1): lambda x, p: x[0] + p[0] * (x[1] - x[0]) + p[1] * (x[2] - x[0]),
    ("virtual_sites3", 2): lambda x, p: x[0] + p[1] * _unit(x[1] - x[0] + p[0] * (x[2] - x[1])),
    ("virtual_sites3", 3): _fad,
    ("virtual_sites3", 4): lambda x, p: (
        x[0] + p[0] * (x[1] - x[0]) + p[1] * (x[2] - x[0]) + p[2] * np.cross(x[1] - x[0], x[2] - x[0])
    ),
    ("virtual_sites4", 1): lambda x, p: x[0] + p[2] * _unit(x[1] - x[0] + p[0] * (x[2] - x[1]) + p[1] * (x[3] - x[1])),
    ("virtual_sites4", 2): _fdn,
    ("virtual_sitesn", 1): lambda x, p: np.mean(x, axis=0),
    ("virtual_sitesn", 2): lambda x, p: np.average(x, axis=0, weights=p),
    ("virtual_sitesn", 3): lambda x, p: np.average(x, axis=0, weights=p),
}
"""Place of a site by section and function, in the order in which GROMACS makes them. The arguments are the places of the
sites that it follows from, each of shape (..., 3), and its numbers: those of the topology, or the weights of the sites."""
FUNCTIONS = tuple(_PLACES)
"""Sections and functions that are known."""


def in_order(terms: Iterable[Term]) -> list[Term]:
    """Virtual sites in the order in which GROMACS makes them."""
    return sorted(terms, key=lambda term: FUNCTIONS.index((term.label, term.function)))


def place_virtual(terms: Sequence[Term], positions_nm: Floats) -> Floats:
    """Positions (..., n_sites, 3), nm, with the virtual sites where those of the other sites put them.

    With r_ij = x_j - x_i and unit vectors e(...), a site that follows from i, j, k, l lies at x_i in [ virtual_sites1 ];
    x_i + a r_ij and x_i + a e(r_ij) in [ virtual_sites2 ] of functions 1 and 2; x_i + a r_ij + b r_ik, x_i + d e(r_ij +
    a r_jk), at a distance d and an angle theta to r_ij in the plane of i, j and k, and x_i + a r_ij + b r_ik + c r_ij x
    r_ik in [ virtual_sites3 ] of functions 1 to 4; x_i + c e(r_ij + a r_jk + b r_jl) and x_i + c e((a r_ik - r_ij) x
    (b r_il - r_ij)) in [ virtual_sites4 ] of functions 1 and 2; at the centre, the centre of mass or another weighted mean
    in [ virtual_sitesn ] of functions 1 to 3.
    GROMACS manual, "Virtual interaction sites"; Hess, Kutzner, van der Spoel, Lindahl, J. Chem. Theory Comput. 4 (2008)
    435.
    """
    placed = np.array(positions_nm, dtype=np.float64)
    for term in terms:
        site, *makers = term.sites
        placed[..., site, :] = _PLACES[term.label, term.function]([placed[..., k, :] for k in makers], term.parameters)
    return placed
