"""grompp parameters of a stage; keys in lower case with dashes, values as GROMACS prints them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from eoli.study.annealing import points
from eoli.study.protocol import Stage

NSTCALCENERGY = 100
COUPLING_KEYS = ("nsttcouple", "nstpcouple")
"""Steps between couplings; written, because what grompp takes for them by itself differs between versions."""
PME_ORDER = 4
LOG_STEPS = 1000
# twice the buffer that GROMACS 2022 chooses for lists of this age at 400 K and 2 fs
FIXED_LIST_STEPS = 20
FIXED_LIST_FS = 40.0
"""Oldest that a fixed list becomes with steps above 2 fs: its buffer holds what moves in that time."""
FIXED_LIST_BUFFER_NM = 0.12


@dataclass(frozen=True)
class Conditions:
    """Settings from outside the stage: the protocol's common ones, the system's temperature and seed."""

    temperature_K: float
    cutoff_nm: float
    fourier_spacing_nm: float
    dispersion_correction: bool
    constraints: str
    seed: int
    hydrogen_mass_g_mol: float | None = None


def has_fixed_list(stage: Stage, reproducible: bool) -> bool:
    """Whether age and radius of the pair list are set here and not chosen by GROMACS; `mdp_options` says why."""
    return stage.is_dynamics and (reproducible or stage.generate_velocities or not stage.equilibrates)


def mdp_options(stage: Stage, conditions: Conditions, reproducible: bool = False) -> dict[str, str]:
    """All options of the .mdp file.

    GROMACS derives age and radius of its pair list from the density at each start of mdrun. In a box as PACKMOL leaves
    it, that is a list without a buffer, kept for 100 steps, in which an ion that falls towards its counter-ion reaches
    it unseen. Stages that start from such a box or drive it therefore have a fixed list. So does a reproducible run:
    with another radius, a continued run would sum its forces in another order than an uninterrupted one.

    One setting of the constraint algorithm serves all stages: CF3 and SO2 groups are coupled constraints, for which
    LINCS needs more than its default order. Minimisation keeps bonds flexible: between overlapping molecules steepest
    descent moves sites farther than LINCS can follow, and stops with torn bonds.
    """
    common = {
        "integrator": stage.integrator,
        "comm-mode": "linear",
        "nstcomm": str(NSTCALCENERGY),
        "cutoff-scheme": "verlet",
        "pbc": "xyz",
        "coulombtype": "pme",
        "rcoulomb": f"{conditions.cutoff_nm:g}",
        "fourierspacing": f"{conditions.fourier_spacing_nm:g}",
        "pme-order": str(PME_ORDER),
        "vdwtype": "cut-off",
        "rvdw": f"{conditions.cutoff_nm:g}",
        "dispcorr": "enerpres" if conditions.dispersion_correction else "no",
        "constraints": conditions.constraints if stage.is_dynamics else "none",
        "constraint-algorithm": "lincs",
        "lincs-order": "6",
        "lincs-iter": "2",
    }
    if has_fixed_list(stage, reproducible):
        common |= {
            "verlet-buffer-tolerance": "-1",
            "nstlist": str(min(FIXED_LIST_STEPS, int(FIXED_LIST_FS / (stage.time_step_fs or 1)))),
            "rlist": f"{conditions.cutoff_nm + FIXED_LIST_BUFFER_NM:g}",
        }
    if not stage.is_dynamics:
        return common | {
            "nsteps": str(stage.max_steps),
            "emtol": f"{stage.force_tolerance_kJ_mol_nm:g}",
            "emstep": "0.01",
            "nstenergy": "100",
            "nstlog": "100",
        }
    return common | _dynamics(stage, conditions)


def _dynamics(stage: Stage, conditions: Conditions) -> dict[str, str]:
    assert stage.time_step_fs is not None and stage.frame_interval_ps is not None
    assert stage.energy_interval_ps is not None
    energy_steps = stage.steps_in(stage.energy_interval_ps)
    state_steps = stage.steps_in(stage.state_interval_ps) if stage.state_interval_ps else 0
    course = stage.course(conditions.temperature_K)
    temperature = course[0].temperature_K
    options = {
        "dt": f"{stage.time_step_fs / 1000:g}",
        "tinit": "0",
        "nsteps": str(stage.n_steps),
        "nstxout-compressed": str(stage.steps_in(stage.frame_interval_ps)),
        "compressed-x-precision": "1000",
        "nstxout": str(state_steps),
        "nstvout": str(state_steps),
        "nstfout": "0",
        # energies are summed only when written, or at a divisor of that interval
        "nstcalcenergy": str(next(n for n in range(min(NSTCALCENERGY, energy_steps), 0, -1) if energy_steps % n == 0)),
        "nstenergy": str(energy_steps),
        "nstlog": str(LOG_STEPS),
        "continuation": "no" if stage.generate_velocities else "yes",
        "gen-vel": "yes" if stage.generate_velocities else "no",
        "tc-grps": "system",
        "tcoupl": "no" if stage.thermostat == "none" else stage.thermostat,
        "tau-t": f"{stage.tau_t_ps:g}",
        "ref-t": f"{temperature:g}",
        "ld-seed": str(conditions.seed),
        "pcoupl": "no" if stage.barostat == "none" else stage.barostat,
    }
    if stage.temperature_from_K is not None:
        times, kelvin = zip(*points(course), strict=True)
        options |= {
            "annealing": "single",
            "annealing-npoints": str(len(times)),
            "annealing-time": " ".join(f"{time:.10g}" for time in times),
            "annealing-temp": " ".join(f"{temperature:.10g}" for temperature in kelvin),
        }
    if stage.generate_velocities:
        options |= {"gen-temp": f"{temperature:g}", "gen-seed": str(conditions.seed)}
    for key, steps in zip(COUPLING_KEYS, stage.coupling_steps, strict=True):
        if steps is not None:
            options[key] = str(steps)
    if stage.barostat != "none":
        options |= {
            "pcoupltype": "isotropic",
            "tau-p": f"{stage.tau_p_ps:g}",
            "ref-p": f"{stage.pressure_bar:g}",
            "compressibility": f"{stage.compressibility_per_bar:g}",
        }
    return options


def grid_size(edge_nm: float, spacing_nm: float) -> int:
    """Least even number of points on an edge that are no further apart than `spacing_nm` and whose factors FFTs are fast
    for: 2, 3, 5 and 7. GROMACS wants at least 2 (order - 1)."""

    def is_fast(number: int) -> bool:
        for factor in (2, 3, 5, 7):
            while number % factor == 0:
                number //= factor
        return number == 1

    even = itertools.count(2 * (PME_ORDER - 1), 2)
    return next(number for number in even if number * spacing_nm >= edge_nm and is_fast(number))


def grid_options(edges_nm: Sequence[float], spacing_nm: float) -> dict[str, str]:
    """Options for a Fourier grid of a rectangular box of these edges, in place of one of the box that grompp reads."""
    return {f"fourier-n{axis}": str(grid_size(edge, spacing_nm)) for axis, edge in zip("xyz", edges_nm, strict=True)}


def coupling_of_log(log_text: str) -> dict[str, str]:
    """Steps between couplings of the newest run input in the log of mdrun, by their keys; absent without coupling."""
    return dict(re.findall(rf"^ +({'|'.join(COUPLING_KEYS)}) += (\d+)$", log_text, re.MULTILINE))


def mdp_text(options: dict[str, str]) -> str:
    """The .mdp file, keys sorted."""
    return "".join(f"{key:24s} = {options[key]}\n" for key in sorted(options))
