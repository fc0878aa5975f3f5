"""Diffusion without the size of the box: by a box whose shape cancels the periodic images, which also gives a viscosity, or
by a viscosity that is given."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from eoli.analysis.motion.msd import sampled
from eoli.core.arrays import Floats
from eoli.core.statistics import UNKNOWN, Estimate
from eoli.core.units import BOLTZMANN_J_K
from eoli.study.box_shape import ORTHOBOXY
from eoli.study.criteria import GivenViscosity
from eoli.trajectory.unwrap import Paths

VISCOSITY_FACTOR = 8.1711245653
"""Of the box shape ORTHOBOXY: Busch and Paschek, J. Phys. Chem. B 127, 7983 (2023); recomputed in the tests."""
CUBIC_FACTOR = 2.837297
"""Of a cubic box: Yeh and Hummer, J. Phys. Chem. B 108, 15873 (2004), from Duenweg and Kremer, J. Chem. Phys. 99, 6983 (1993);
recomputed in the tests."""
_SAME_RATIO = 1e-3
_SIGMAS = 2.0
_M_PER_NM = 1e-9


def is_orthoboxy(box: Floats) -> bool:
    """Whether a box (frames, 3) has the shape ORTHOBOXY in every frame."""
    return _is_long(box, ORTHOBOXY)


def is_cubic(box: Floats) -> bool:
    """Whether a box (frames, 3) is a cube in every frame."""
    return _is_long(box, 1.0)


def _is_long(box: Floats, elongation: float) -> bool:
    x, y, z = np.asarray(box, dtype=np.float64).T
    return bool(np.abs(z / x / elongation - 1).max() < _SAME_RATIO and np.abs(y / x - 1).max() < _SAME_RATIO)


def _along(paths: Floats | Paths, axes: tuple[float, float, float]) -> Floats | Paths:
    if not isinstance(paths, Paths):
        return np.asarray(paths * np.array(axes))
    read = paths.read
    return replace(paths, read=lambda part: read(part) * np.array(axes))


def without_box(starts: Sequence[Floats | Paths], interval_ps: float) -> tuple[Estimate, Estimate]:
    """D0 = (Dx + Dy)/2 and Dx + Dy - 2 Dz, m2/s, with errors as `msd.diffusion` has them; `starts` are the unwrapped
    paths of each replica, shape (frames, particles, 3), nm.

    For diffusive motion alone; unknown without a trustworthy lag.
    """
    across = sampled([_along(path, (1, 1, 0)) for path in starts], interval_ps)
    along = sampled([_along(path, (0, 0, 1)) for path in starts], interval_ps)
    if across is None or along is None:
        return UNKNOWN, UNKNOWN
    # a coefficient is a sixth of a slope, and that of one axis half of it
    d0, difference = across.plus(along, 1.5, 0.0), across.plus(along, 3.0, -6.0)
    return Estimate(*d0.coefficient()), Estimate(*difference.coefficient())


def viscosity(differences: Sequence[Estimate], z_nm: float, temperature_K: float) -> dict[str, Any]:
    """Viscosity, Pa s, from Dx + Dy - 2 Dz of several kinds of particle, m2/s, in a box of length `z_nm`.

    eta = kT 8.1711245653 / (3 pi Lz (Dx + Dy - 2 Dz)) (Busch, Paschek 2023). The images slow all particles alike, so the
    differences are averaged with their errors as weights. Where the mean is not two errors above zero, there is a lower
    bound instead of a value.
    """
    known = [(one.value, one.error) for one in differences if one.value is not None and one.error]
    if not known:
        return {"value": None, "error": None, "lower_bound": None, "verdict": "not resolved: no motion is diffusive"}
    values, errors = np.array(known).T
    mean, error = float((values / errors**2).sum() / (1 / errors**2).sum()), float(1 / math.sqrt((1 / errors**2).sum()))
    of_unit = BOLTZMANN_J_K * temperature_K * VISCOSITY_FACTOR / (3 * math.pi * z_nm * _M_PER_NM)
    if mean < _SIGMAS * error:
        bound = of_unit / (mean + _SIGMAS * error) if mean + _SIGMAS * error > 0 else None
        said = "not resolved: motion along the box is not measurably slower than across it"
        return {"value": None, "error": None, "lower_bound": bound, "verdict": said}
    value = of_unit / mean
    return {"value": value, "error": value * error / mean, "lower_bound": None, "verdict": "resolved"}


def beyond_cube(d: Estimate, edge_nm: float, temperature_K: float, eta: Estimate) -> Estimate:
    """D of diffusive motion, m2/s, in a cubic box of an edge, without its periodic images, by a viscosity, Pa s.

    D0 = D + 2.837297 kT / (6 pi eta L) (Yeh, Hummer 2004), with the errors of D and of eta, which are independent.
    """
    if d.value is None or d.error is None or eta.value is None or eta.error is None:
        return UNKNOWN
    added = CUBIC_FACTOR * BOLTZMANN_J_K * temperature_K / (6 * math.pi * eta.value * edge_nm * _M_PER_NM)
    return Estimate(d.value + added, math.hypot(d.error, added * eta.error / eta.value))


def cubic_box_scalars(
    found: Mapping[str, Estimate], box: Floats, temperature_K: float, given: GivenViscosity
) -> dict[str, Any]:
    """D0 of each kind of particle from its D, m2/s, in cubic boxes `box` (frames, 3), by a given viscosity.

    The viscosity must be that of the simulated liquid, not of the real one. As with `box_size_scalars`, the theory is that
    of a simple liquid.
    """
    eta, edge_nm = Estimate(given.mPa_s / 1000, given.error_mPa_s / 1000), float(box.mean())
    scalars = {name: {"D0_m2_s": asdict(beyond_cube(d, edge_nm, temperature_K, eta))} for name, d in found.items()}
    return scalars | {"edge_nm": edge_nm, "given_viscosity_Pa_s": {**asdict(eta), "source": given.source}}


def box_size_scalars(
    starts: Mapping[str, Sequence[Floats | Paths]], box: Floats, interval_ps: float, temperature_K: float
) -> dict[str, Any]:
    """D0 of each kind of particle whose motion is diffusive, and the viscosity, from replicas in boxes `box` (frames, 3).

    The theory is that of a simple liquid: in a polymer, it holds at most for motion slower than that of the chains.
    """
    found = {name: without_box(paths, interval_ps) for name, paths in starts.items()}
    scalars: dict[str, Any] = {
        name: {
            "D0_m2_s": {"value": d0.value, "error": d0.error},
            "anisotropy_m2_s": {"value": difference.value, "error": difference.error},
        }
        for name, (d0, difference) in found.items()
    }
    z_nm = float(box[:, 2].mean())
    differences = [difference for _, difference in found.values()]
    return scalars | {"z_nm": z_nm, "viscosity_Pa_s": viscosity(differences, z_nm, temperature_K)}
