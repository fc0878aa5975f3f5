"""Verdicts: is the outcome of a stage physically sound, and is it equilibrated?"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eoli.core.statistics import UNKNOWN, equilibrated_mean, linear_drift
from eoli.errors import DataError
from eoli.gromacs.energies import densities, read_energies
from eoli.gromacs.known_bugs import bugs_met
from eoli.gromacs.mdp import COUPLING_KEYS, coupling_of_log
from eoli.gromacs.states import read_positions, read_states, read_velocities
from eoli.stage.ensemble import WITHIN, energy_drift, kinds_of_motion, volume_temperature
from eoli.study.annealing import target_K
from eoli.study.protocol import Stage
from eoli.topology.description import SystemDescription

TEMPERATURE_BROKEN = 0.10
TEMPERATURE_OFF = 0.02
FORCE_BROKEN = 1e5
BOND_BROKEN = 0.10
BONDS_CROSS_NM = 0.08
DRIFT_SIGMA = 3.0
DENSITY_DRIFT = 0.005
ENERGY_DRIFT = 2.0
"""Most drift of the conserved energy, kT per degree of freedom and ns. The pair list alone may add 1 (GROMACS' tolerance of
0.005 kJ/mol/ps per site); runs known to be right have up to 1.7. What exchanges its energy with the thermostat within 1 ps
is 0.4 % too hot then. C-rescale is not judged: right runs with constrained bonds have 5 to 15."""
VOLUME_TEMPERATURES = (0.6, 1.6)
"""Least and most of the temperature at which the volume fluctuates, over the one asked for. Right runs with
Parrinello-Rahman have 1.05 to 1.45, wrong ones 1.85 and more, or 0.1."""
MOTION_CHANCE = 1e-6
"""Least probability of the kinetic energy of a kind of motion at the end of a run, where it differs from that asked for by
more than TEMPERATURE_OFF: one false warning in a hundred studies of 1,000 stages with ten kinds each."""
LEAST_TIME_CONSTANTS = 20
"""Time constants of its couplings that a run must span for a judgement of its fluctuations."""


@dataclass
class Verdict:
    """Verdict of a gate: `broken` stops the system, `warnings` reach the summary, `unsettled` prolongs the stage."""

    stage: str
    values: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        """`broken`, `warn` or `pass`."""
        return "broken" if self.broken else "warn" if self.warnings else "pass"

    def as_dict(self) -> dict[str, Any]:
        """The verdict for JSON."""
        return {"status": self.status, **{key: value for key, value in asdict(self).items() if key != "unsettled"}}


def segment_distances(
    starts_a: npt.NDArray[np.float64], ends_a: npt.NDArray[np.float64], starts_b: npt.NDArray[np.float64],
    ends_b: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:  # fmt: skip
    """Smallest distances between pairs of line segments, shapes (n, 3), result (n,).

    Clamped closest-point method: Ericson, Real-Time Collision Detection (2005), section 5.1.9.
    """
    d1, d2, r = ends_a - starts_a, ends_b - starts_b, starts_a - starts_b
    a, e = np.einsum("ij,ij->i", d1, d1), np.einsum("ij,ij->i", d2, d2)
    f, c, b = np.einsum("ij,ij->i", d2, r), np.einsum("ij,ij->i", d1, r), np.einsum("ij,ij->i", d1, d2)
    denominator = a * e - b * b
    safe = np.where(denominator > 1e-12, denominator, 1.0)
    s = np.where(denominator > 1e-12, np.clip((b * f - c * e) / safe, 0, 1), 0.0)
    t = (b * s + f) / e
    s = np.where(t < 0, np.clip(-c / a, 0, 1), np.where(t > 1, np.clip((b - c) / a, 0, 1), s))
    t = np.clip(t, 0, 1)
    return np.asarray(np.linalg.norm(starts_a + s[:, None] * d1 - starts_b - t[:, None] * d2, axis=1))


def bond_geometry(
    positions: npt.NDArray[np.float64], box: npt.NDArray[np.float64], description: SystemDescription
) -> tuple[float, float]:
    """(largest relative deviation of a bond from its reference, smallest distance between unconnected bonds in nm).

    Two bonds of different chains that nearly touch have been pulled through each other. Positions (n, 3) and
    rectangular box vectors in nm.
    """
    from MDAnalysis.lib.distances import self_capped_distance

    bonds, lengths = description.bonds(), description.bond_lengths_nm()
    if not len(bonds):
        return 0.0, float("inf")
    edges = np.diag(box)
    start = positions[bonds[:, 0]]
    vector = positions[bonds[:, 1]] - start
    vector -= edges * np.round(vector / edges)
    strain = float(np.max(np.abs(np.linalg.norm(vector, axis=1) / lengths - 1)))
    middle = (start + vector / 2).astype(np.float32)
    pairs = self_capped_distance(
        middle, 0.25, box=np.array([*edges, 90, 90, 90], dtype=np.float32), return_distances=False
    )
    first, second = bonds[pairs[:, 0]], bonds[pairs[:, 1]]
    shared = (first[:, :, None] == second[:, None, :]).any(axis=(1, 2))
    pairs = pairs[~shared]
    if not len(pairs):
        return strain, float("inf")
    i, j = pairs.T
    shift = middle[j].astype(np.float64) - middle[i]
    shift -= edges * np.round(shift / edges)
    half_i, half_j = vector[i] / 2, vector[j] / 2
    return strain, float(segment_distances(-half_i, half_i, shift - half_j, shift + half_j).min())


def lincs_warnings(text: str) -> int:
    """Number of LINCS warnings in a log."""
    return len(re.findall(r"LINCS WARNING|lincs warning", text))


def degrees_of_freedom(log_text: str) -> float | None:
    """Degrees of freedom of a run with one temperature group, from its log."""
    found = re.findall(r"^ +nrdf: +(\S+)$", log_text, re.MULTILINE)
    return float(found[-1]) if found else None


def largest_force(log_text: str) -> float | None:
    """Largest force (kJ/mol/nm) at the end of a minimisation, from its log."""
    found = re.findall(r"Maximum force\s*=\s*([+-]?(?:nan|inf|[0-9.]+(?:[eE][+-]?[0-9]+)?))", log_text)
    return float(found[-1]) if found else None


def last_potential(log_text: str) -> float | None:
    """Potential energy (kJ/mol) at the end of a minimisation, from its log; None if it has no number."""
    found = re.findall(r"^Potential Energy\s*=\s*([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)\s*$", log_text, re.MULTILINE)
    return float(found[-1]) if found else None


def require_all_data(stage: Stage, n_steps: int, folder: Path) -> None:
    """Check that a finished run of `n_steps` wrote all its output to the last step (a minimisation: its final energy).

    Raises DataError that names the file, what it holds and what it should hold.
    """
    if not stage.is_dynamics:
        found = float(read_energies(folder / "md.edr", least=1)["Potential"][-1])
        ended = last_potential((folder / "md.log").read_text(encoding="utf-8", errors="replace"))
        if ended is not None and not abs(found - ended) <= 1e-6 * abs(ended):
            raise DataError(
                f"{folder / 'md.edr'}: the last potential energy is {found:.8g} kJ/mol, by the log it was {ended:.8g}: "
                "the file was cut or damaged"
            )
        return
    assert stage.frame_interval_ps is not None and stage.energy_interval_ps is not None
    ps = (stage.time_step_fs or 0.0) / 1000

    def refuse_less(name: str, what: str, found: int, last: float, unit: str, every: int, at_end: bool = False) -> None:
        expected = n_steps // every + 1 + (at_end and n_steps % every > 0)
        until = n_steps if at_end else n_steps - n_steps % every
        wanted = until * ps if unit == "ps" else until
        if found != expected or abs(last - wanted) > 0.5 * every * (ps if unit == "ps" else 1):
            raise DataError(
                f"{folder / name}: {found} {what}, the last at {last:g} {unit}; a whole run has {expected}, the last at "
                f"{wanted:g} {unit}: the file was cut or damaged"
            )

    frames, step = _xtc_frames(folder / "md.xtc")
    refuse_less("md.xtc", "frames", frames, step, "steps", stage.steps_in(stage.frame_interval_ps))
    times = read_energies(folder / "md.edr", least=1)["Time"]
    energy_steps = stage.steps_in(stage.energy_interval_ps)
    refuse_less("md.edr", "energies", len(times), float(times[-1]), "ps", energy_steps, at_end=True)
    if stage.state_interval_ps is not None:
        states = read_states(folder / "md.trr")
        refuse_less("md.trr", "states", len(states), states[-1].step, "steps", stage.steps_in(stage.state_interval_ps))
    reached = read_states(folder / "state.trr")[-1].step
    if reached != n_steps:
        raise DataError(f"{folder / 'state.trr'}: the state of step {reached}, not of {n_steps}, the end of the run")


def _xtc_frames(path: Path) -> tuple[int, int]:
    """Number of frames of an XTC file, and the step of the last."""
    from MDAnalysis.lib.formats.libmdaxdr import XTCFile

    try:
        with XTCFile(str(path)) as stream:
            number = len(stream)
            stream.seek(number - 1)
            return number, int(stream.read().step)
    except (OSError, EOFError, StopIteration, IndexError, ValueError) as error:
        raise DataError(f"{path}: no readable trajectory, or cut: {error}") from error


def judge(
    stage: Stage, temperature_K: float, folder: Path, description: SystemDescription, cutoff_nm: float
) -> Verdict:
    """Judge a finished stage by its files in `folder` (md.edr, md.log, state.trr)."""
    verdict = Verdict(stage.name)
    energies = read_energies(folder / "md.edr", least=2 if stage.is_dynamics else 1)
    text = (folder / "md.log").read_text(encoding="utf-8", errors="replace")
    for name, values in energies.items():
        if not np.isfinite(values).all():
            verdict.broken.append(f"the energy term {name} is not finite")
    positions, box = read_positions(folder / "state.trr")
    if not np.isfinite(positions).all():
        verdict.broken.append("the last positions are not finite")
    if verdict.broken:
        return verdict
    verdict.warnings += bugs_met(text)
    _judge_geometry(verdict, positions, box, description, cutoff_nm)
    if stage.is_dynamics:
        _judge_dynamics(verdict, stage, temperature_K, energies, text, description)
        if stage.is_steady:
            _judge_motion(verdict, temperature_K, folder, text, description)
    else:
        _judge_minimum(verdict, stage, energies, text)
    return verdict


def _judge_geometry(
    verdict: Verdict, positions: npt.NDArray[np.float64], box: npt.NDArray[np.float64], description: SystemDescription,
    cutoff_nm: float,
) -> None:  # fmt: skip
    strain, gap = bond_geometry(positions, box, description)
    edge = float(np.diag(box).min())
    verdict.values |= {
        "largest_bond_strain": strain,
        "smallest_bond_gap_nm": gap if np.isfinite(gap) else None,
        "box_nm": edge,
    }
    if strain > BOND_BROKEN:
        verdict.broken.append(f"a bond is stretched by {strain:.0%}; allowed: {BOND_BROKEN:.0%}")
    if gap < BONDS_CROSS_NM:
        verdict.broken.append(f"two bonds come within {gap:.3f} nm: one chain runs through another")
    if edge < 2 * cutoff_nm:
        verdict.broken.append(f"the box of {edge:.3f} nm is smaller than twice the cut-off of {cutoff_nm:g} nm")


def _judge_minimum(verdict: Verdict, stage: Stage, energies: dict[str, npt.NDArray[np.float64]], text: str) -> None:
    force = largest_force(text)
    verdict.values |= {"largest_force_kJ_mol_nm": force, "potential_kJ_mol": float(energies["Potential"][-1])}
    if force is None:
        verdict.broken.append("the log names no largest force")
    elif not np.isfinite(force) or force > FORCE_BROKEN:
        verdict.broken.append(f"the largest force is {force:.3g} kJ/mol/nm after minimisation")
    elif stage.force_tolerance_kJ_mol_nm is not None and force > stage.force_tolerance_kJ_mol_nm:
        verdict.warnings.append(
            f"largest force {force:.0f} kJ/mol/nm, above the tolerance of {stage.force_tolerance_kJ_mol_nm:g}"
        )


def _judge_dynamics(
    verdict: Verdict, stage: Stage, temperature_K: float, energies: dict[str, npt.NDArray[np.float64]], text: str,
    description: SystemDescription,
) -> None:  # fmt: skip
    warnings = lincs_warnings(text)
    time_ps = energies["Time"]
    # where the temperature changes in steps, its deviation from the target is judged, at the end of the course
    off_target = energies["Temperature"] - target_K(stage.course(temperature_K), time_ps)
    deviation = equilibrated_mean(off_target)
    temperature = replace(deviation, value=deviation.value + temperature_K)
    verdict.values |= {
        "lincs_warnings": warnings,
        "temperature_K": temperature.value,
        "temperature_error_K": temperature.standard_error,
        "reference_temperature_K": temperature_K,
    }
    if warnings:
        verdict.broken.append(f"{warnings} LINCS warnings")
    off = abs(temperature.value - temperature_K) / temperature_K
    if off > TEMPERATURE_BROKEN:
        verdict.broken.append(f"mean temperature {temperature.value:.1f} K instead of {temperature_K:g} K")
    elif off > TEMPERATURE_OFF and stage.equilibrates:
        verdict.warnings.append(f"mean temperature {temperature.value:.1f} K, asked for {temperature_K:g} K")
    potential = equilibrated_mean(energies["Potential"])
    verdict.values |= {"potential_kJ_mol": potential.value, "potential_error_kJ_mol": potential.standard_error}
    if stage.ensemble == "NPT":
        _judge_density(verdict, stage, energies, description)
    if stage.is_steady:
        _judge_ensemble(verdict, stage, temperature_K, energies, text)


def _judge_density(
    verdict: Verdict, stage: Stage, energies: dict[str, npt.NDArray[np.float64]], description: SystemDescription
) -> None:  # fmt: skip
    time_ps, volume = energies["Time"], energies["Volume"]
    series = densities(energies, description.mass_g_mol)
    density = equilibrated_mean(series)
    since = density.first_equilibrated_index
    kept_ps = float(time_ps[-1] - time_ps[since])
    drift = linear_drift(time_ps[since:], series[since:]) if len(series) - since >= 4 else UNKNOWN
    verdict.values |= {
        "density_g_cm3": density.value,
        "density_error_g_cm3": density.standard_error,
        "density_drift_g_cm3_per_ps": drift.value,
        "density_drift_error_g_cm3_per_ps": drift.error,
        "equilibrated_from_ps": float(time_ps[since]),
        "volume_range_nm3": float(np.ptp(volume)),
    }
    if float(np.ptp(volume)) <= 1e-6 * float(volume.mean()):
        verdict.broken.append("the volume did not change: the barostat is without effect")
    if not stage.is_steady or "density" in stage.converge:
        return
    if drift.value is None or drift.error is None:
        verdict.warnings.append("too short to judge the drift of the density")
        return
    change = drift.value * kept_ps
    if abs(change) > DENSITY_DRIFT * density.value and abs(drift.value) > DRIFT_SIGMA * drift.error:
        verdict.warnings.append(
            f"not yet equilibrated, density drifts by {change:+z.4f} g/cm3 over the last {kept_ps:.4g} ps"
        )


def _judge_motion(
    verdict: Verdict, temperature_K: float, folder: Path, text: str, description: SystemDescription
) -> None:
    """Whether the molecules move as fast as their parts, at the end of the run."""
    velocities, degrees = read_velocities(folder / "state.trr"), degrees_of_freedom(text)
    if velocities is None or degrees is None:
        return
    kinds = kinds_of_motion(description, velocities, degrees)
    for kind in kinds:
        verdict.values[f"temperature_of_{kind.name.replace(' ', '_')}_K"] = kind.temperature_K
        off, chance = kind.temperature_K / temperature_K - 1, kind.chance(temperature_K)
        if abs(off) > TEMPERATURE_OFF and chance < MOTION_CHANCE:
            what = kind.name if kind.name == WITHIN else f"of whole {kind.name}"
            verdict.warnings.append(
                f"at the end the motion {what} is at {kind.temperature_K:.0f} K, asked for {temperature_K:g} K, which chance does "
                "less than once in a million: the thermostat does not reach it"
            )


def _judge_ensemble(
    verdict: Verdict, stage: Stage, temperature_K: float, energies: dict[str, npt.NDArray[np.float64]], text: str
) -> None:  # fmt: skip
    """Whether the couplings of an equilibrated run leave it in its ensemble."""
    time_ps = energies["Time"]
    terms = ["Potential", *(["Volume"] if stage.ensemble == "NPT" else [])]
    since = max(equilibrated_mean(energies[term]).first_equilibrated_index for term in terms)
    longest_ps = max(stage.tau_t_ps or 0.0, stage.tau_p_ps or 0.0)
    if len(time_ps) - since < LEAST_TIME_CONSTANTS or time_ps[-1] - time_ps[since] < LEAST_TIME_CONSTANTS * longest_ps:
        return
    kept = {name: values[since:] for name, values in energies.items()}
    found = {key: int(steps) for key, steps in coupling_of_log(text).items()}
    allowed = {key: steps for key, steps in zip(COUPLING_KEYS, stage.coupling_steps, strict=True) if steps}
    rare = [
        f"{key} is {steps}, the time constants allow {allowed[key]}"
        for key, steps in found.items()
        if steps > allowed.get(key, steps)
    ]
    # with these two GROMACS (2022.5 to 2026.4) counts the energy of the thermostat at a few steps only, restarts among them
    if (stage.integrator, stage.thermostat) != ("md-vv", "nose-hoover"):
        _judge_drift(verdict, stage, kept, "; ".join(rare))
    if stage.ensemble != "NPT" or verdict.broken:
        return
    # soon after the box was scaled, the pressure holds how the constraints mend the bonds
    steps = np.rint(kept["Time"] * 1000 / (stage.time_step_fs or 1.0))
    clean = steps % (allowed | found)["nstpcouple"] == 0
    if np.count_nonzero(clean) < LEAST_TIME_CONSTANTS:
        return
    volume = volume_temperature(kept["Volume"][clean], kept["Pressure"][clean], temperature_K)
    assert volume.value is not None and volume.error is not None
    verdict.values |= {"volume_temperature_K": volume.value, "volume_temperature_error_K": volume.error}
    least, most = (factor * temperature_K for factor in VOLUME_TEMPERATURES)
    off = volume.value - temperature_K
    if not least <= volume.value <= most and abs(off) > DRIFT_SIGMA * volume.error:
        hot = f"the barostat drives it: {'; '.join(rare) or 'tau_p_ps is too short'}"
        cold = "the barostat holds it back"
        verdict.warnings.append(
            f"the volume fluctuates as at {volume.value:.0f} +- {volume.error:.0f} K, not {temperature_K:g} K (allowed: "
            f"{least:.0f} to {most:.0f} K): {hot if off > 0 else cold}"
        )


def _judge_drift(verdict: Verdict, stage: Stage, kept: dict[str, npt.NDArray[np.float64]], rare: str) -> None:
    drift = energy_drift(kept["Time"], kept["Conserved En."], kept["Kinetic En."])
    assert drift.value is not None and drift.error is not None
    verdict.values |= {"energy_drift_kT_per_ns": drift.value, "energy_drift_error_kT_per_ns": drift.error}
    if stage.barostat != "c-rescale" and abs(drift.value) > max(ENERGY_DRIFT, DRIFT_SIGMA * drift.error):
        cause = rare or f"time_step_fs {stage.time_step_fs:g} or a time constant does not suit the system"
        verdict.warnings.append(
            f"the conserved energy drifts by {drift.value:+.2g} kT per degree of freedom and ns, at most {ENERGY_DRIFT:g} "
            f"is sound: {cause}"
        )
