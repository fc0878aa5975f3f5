"""The renewal model of lithium in a polymer: equations only, in ps, nm and repeat units.

Lithium moves along its chain (rate W_1), with the segments of its chain (rate W_2), and from chain to chain (mean time
tau_3). After a transfer it has forgotten what went before. Maitra, Heuer, Phys. Rev. Lett. 98, 227802 (2007); Diddens,
Heuer, Borodin, Macromolecules 43, 2028 (2010).

The papers use the continuous Rouse chain: mode p relaxes in tau/p^2, for 1/tau = 1/tau_1 + 1/tau_2. Here the chain is the
discrete one of N beads, one for each repeat unit, whose limit for p << N that is. Both motions are then the same kind of
diffusion along the chain: mode p relaxes with the rate 4 W sin^2(p pi / 2N), and the rates W add up exactly if an ion
steps along a chain that does not notice it and turns round at its ends.
"""

from __future__ import annotations

import math

import numpy as np

from eoli.core.arrays import Floats


def _eigenvalues(units: int) -> Floats:
    """4 sin^2(p pi / 2N) for p = 1 to N - 1: of the chain's connectivity, and of steps along it."""
    return np.asarray(4 * np.sin(np.arange(1, units) * np.pi / (2 * units)) ** 2)


def slowest_time(rate: float, units: int) -> float:
    """Relaxation time of the first mode, ps, of a chain of `units` >= 2 with `rate`, 1/ps.

    tau = 1 / (4 W sin^2(pi / 2N)), about N^2 / (pi^2 W): tau_1 for W = D_1, where <Dn^2> = 2 D_1 t, and the Rouse time tau_2
    for W = 3 kT / (zeta b^2).
    """
    return float(1 / (rate * _eigenvalues(units)[0]))


def segment_msd(time: Floats, rate: float, units: int, bond2: float) -> Floats:
    """MSD of the beads of a Rouse chain relative to its centre of mass, nm2, at times (n,) in ps, mean over the beads.

    2/N sum_p b^2 / (4 s_p^2) (1 - exp(-4 W s_p^2 t)), s_p = sin(p pi / 2N), for `units` N >= 2 beads with b^2 = <R^2>/(N -
    1) = `bond2`, nm2, and W = `rate`, 1/ps: the Rouse chain (Doi, Edwards, The Theory of Polymer Dynamics, 1986, chapter
    4) before its continuous limit. With W = W_1 + W_2 it is the MSD of an ion on the chain.
    """
    of = _eigenvalues(units)
    return np.asarray(-np.expm1(-rate * np.multiply.outer(time, of)) @ (2 * bond2 / units / of))


def index_msd(time: Floats, rate: float, units: int) -> Floats:
    """<Dn^2(t)>, units^2, at times (n,) in ps of an ion that steps along N `units`, with `rate` in each direction, 1/ps.

    2 W t at first, (N^2 - 1)/6 at last, since the ends of the chain turn it round: 2/N sum_p c_p^2 (1 - exp(-4 W s_p^2 t)),
    where c_p are the coefficients of n in the cosines of the chain.
    """
    place = np.arange(units) + 0.5
    modes = np.cos(np.pi / units * np.multiply.outer(np.arange(1, units), place)) * math.sqrt(2 / units)
    return np.asarray(
        -np.expm1(-rate * np.multiply.outer(time, _eigenvalues(units))) @ (2 / units * (modes @ place) ** 2)
    )


def renewal_diffusion(rate: float, units: int, bond2: float, tau_3: float) -> float:
    """D, nm2/ps, of an ion on a chain of `units` with transfers at random after a mean time `tau_3`, ps.

    D = <g(t)> / (6 tau_3), the mean of `segment_msd` over exponential times t, which is a sum over modes. The motion of the
    whole chain adds its own D (`chain_share`).
    """
    of = _eigenvalues(units)
    msd = 2 * bond2 / units * float((rate * tau_3 / (1 + rate * tau_3 * of)).sum())
    return msd / (6 * tau_3)


def long_chain_diffusion(rate: float, bond2: float, tau_3: float) -> float:
    """D, nm2/ps, for chains of infinite length: the limit of `renewal_diffusion`, b^2 W / (3 sqrt(1 + 4 W tau_3)).

    For W tau_3 >> 1 it is <R^2> / (6 pi sqrt(tau_12 tau_3)). A long chain does not move as a whole.
    """
    return bond2 * rate / (3 * math.sqrt(1 + 4 * rate * tau_3))
