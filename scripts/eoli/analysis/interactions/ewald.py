"""Exact Coulomb energies of a periodic box, split by groups of sites: the Ewald sum as a bilinear form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import constants

from eoli.core.arrays import Floats, Indices
from eoli.core.compiled import compiled
from eoli.errors import DataError

COULOMB_KJ_NM_MOL_E2 = constants.e**2 * constants.N_A / (4 * math.pi * constants.epsilon_0) * 1e6
# both sums end where their Gaussian has fallen to exp(-16) = 1e-7
_WIDTHS = 4.0
_RECIPROCAL_COST = 0.05


@dataclass(frozen=True)
class ScaledPairs:
    """Site pairs, shape (P, 2), whose Coulomb interaction is scaled by a factor, shape (P,): 0 if excluded."""

    sites: Indices
    factors: Floats


def balanced_splitting(n_charges: int, box: Floats) -> float:
    """Splitting parameter, 1/nm, at which both sums take about equally long; the result does not depend on it.

    Fincham, Mol. Simul. 13, 1 (1994), with the measured cost ratio of one term; never so small that the direct sum
    would reach beyond half the shortest of the box edges `box` (3,), nm.
    """
    balanced = math.sqrt(math.pi) * math.pow(n_charges / (_RECIPROCAL_COST * float(box.prod()) ** 2), 1 / 6)
    return max(balanced, 2 * _WIDTHS / float(box.min()))


@compiled()
def _direct(positions: Floats, box: Floats, charges: Floats, groups: Indices, splitting: float, form: Floats) -> None:
    reach_squared = (_WIDTHS / splitting) ** 2
    for i in range(len(charges)):
        for j in range(i):
            squared = 0.0
            for axis in range(3):
                gap = positions[i, axis] - positions[j, axis]
                gap -= box[axis] * np.rint(gap / box[axis])
                squared += gap * gap
            if squared < reach_squared:
                r = math.sqrt(squared)
                form[groups[i], groups[j]] += charges[i] * charges[j] * math.erfc(splitting * r) / r


@compiled()
def _reciprocal(
    cosines: Floats, sines: Floats, box: Floats, charges: Floats, groups: Indices, splitting: float, form: Floats
) -> None:
    """Add the reciprocal sum; `cosines` and `sines` (3, N, n) are those of 2 pi m x / L for m = 0 ... n - 1."""
    n_sites, n_groups = len(charges), len(form)
    steps = 2 * np.pi / box
    largest_squared = (2 * _WIDTHS * splitting) ** 2
    scale = 4 * np.pi / (box[0] * box[1] * box[2])
    # structure factors of one row of wave vectors (h, k, l) and (h, k, -l), real and imaginary
    rows = np.empty((4, n_groups, cosines.shape[2]))
    for h in range(int(math.sqrt(largest_squared) / steps[0]) + 1):
        left_h = largest_squared - (h * steps[0]) ** 2
        k_end = int(math.sqrt(max(left_h, 0.0)) / steps[1])
        for k in range(-k_end if h else 0, k_end + 1):
            left = left_h - (k * steps[1]) ** 2
            if left < 0:
                continue
            end = int(math.sqrt(left) / steps[2]) + 1
            rows[:] = 0
            for site in range(n_sites):
                cx, sx = cosines[0, site, h], sines[0, site, h]
                cy, sy = cosines[1, site, abs(k)], sines[1, site, abs(k)]
                if k < 0:
                    sy = -sy
                real = charges[site] * (cx * cy - sx * sy)
                imaginary = charges[site] * (cx * sy + sx * cy)
                group = groups[site]
                for m in range(end):
                    c, s = cosines[2, site, m], sines[2, site, m]
                    rows[0, group, m] += real * c - imaginary * s
                    rows[1, group, m] += real * s + imaginary * c
                    rows[2, group, m] += real * c + imaginary * s
                    rows[3, group, m] += imaginary * c - real * s
            # one of each pair of opposite wave vectors is summed and counted twice (in `scale`)
            whole_row = h > 0 or k > 0
            for m in range(0 if whole_row else 1, end):
                squared = (h * steps[0]) ** 2 + (k * steps[1]) ** 2 + (m * steps[2]) ** 2
                weight = scale * math.exp(-squared / (4 * splitting**2)) / squared
                for a in range(n_groups):
                    for b in range(n_groups):
                        value = rows[0, a, m] * rows[0, b, m] + rows[1, a, m] * rows[1, b, m]
                        if whole_row and m > 0:
                            value += rows[2, a, m] * rows[2, b, m] + rows[3, a, m] * rows[3, b, m]
                        form[a, b] += weight * value


def ewald_form(
    positions: Floats,
    box: Floats,
    charges: Floats,
    groups: Indices,
    scaled: ScaledPairs,
    splitting: float | None = None,
) -> Floats:
    """Coulomb energy of a periodic box as a symmetric matrix over its groups, kJ/mol, shape (groups, groups).

    The energy within group a is `form[a, a]`, that between groups a and b `form[a, b] + form[b, a]`, of the whole box
    the sum of all entries; to merge groups, add their rows and columns. `positions` (N, 3) and `box` (3,) in nm,
    `charges` (N,) in e, `groups` (N,) numbers from 0. Ewald sum with conducting surroundings; a group with a net charge
    gets a uniform neutralising background, so that no entry depends on the splitting. The images of `scaled` pairs
    count in full, the nearest one by its factor, as in GROMACS. Ewald, Ann. Phys. 369, 253 (1921); de Leeuw, Perram,
    Smith, Proc. R. Soc. A 373, 27 (1980), eq. 1.6 without the dipole term. Raises DataError for a splitting (1/nm)
    whose direct sum reaches beyond half the box.
    """
    n_groups = int(groups.max()) + 1
    charged = np.flatnonzero(charges)
    alpha = balanced_splitting(len(charged), box) if splitting is None else splitting
    if 2 * _WIDTHS / alpha > box.min() * (1 + 1e-12):
        raise DataError(f"an Ewald splitting of {alpha:g} /nm is too small for a box of {box.min():g} nm")
    x, q, g = np.ascontiguousarray(positions[charged]), charges[charged], groups[charged]
    form = np.zeros((n_groups, n_groups))
    _direct(x, box, q, g, alpha, form)
    n_waves = int((2 * _WIDTHS * alpha) * box.max() / (2 * np.pi)) + 1
    phases = (2 * np.pi * x / box).T[:, :, None] * np.arange(n_waves)
    _reciprocal(np.cos(phases), np.sin(phases), box, q, g, alpha, form)
    form -= np.diag(alpha / math.sqrt(math.pi) * np.bincount(g, q**2, n_groups))
    net = np.bincount(g, q, n_groups)
    form -= math.pi / (2 * alpha**2 * box.prod()) * np.outer(net, net)
    i, j = scaled.sites.T
    gaps = positions[i] - positions[j]
    gaps -= box * np.round(gaps / box)
    bare = charges[i] * charges[j] / np.linalg.norm(gaps, axis=1)
    np.add.at(form, (groups[i], groups[j]), (scaled.factors - 1) * bare)
    return np.asarray(COULOMB_KJ_NM_MOL_E2 * (form + form.T) / 2)
