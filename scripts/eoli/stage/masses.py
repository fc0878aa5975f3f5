"""The masses that a stage is simulated with: those of its topology, or heavier hydrogens for a longer time step."""

from __future__ import annotations

from pathlib import Path

from eoli.errors import InputError
from eoli.stage.job import StageJob
from eoli.study.protocol import MOST_FS_OF_HYDROGENS, too_light
from eoli.topology.description import SystemDescription, read_description
from eoli.topology.repartition import hydrogens, with_heavier_hydrogens, write_repartitioned

HYDROGEN_MASS = "hydrogen-mass"
"""Name of the mass among the settings that a run is bound to; no option of an mdp file."""
_TOPOLOGY = "topology"


def physics_of_masses(job: StageJob) -> dict[str, str]:
    """What the masses of a stage add to the settings that its run is bound to: nothing with those of its topology."""
    mass = job.hydrogen_mass_g_mol
    return {} if mass is None else {HYDROGEN_MASS: f"{mass:g}"}


def simulated(job: StageJob, description: SystemDescription) -> SystemDescription:
    """The system with the masses that the stage is simulated with."""
    mass = job.hydrogen_mass_g_mol
    return description if mass is None else with_heavier_hydrogens(description, mass)


def simulated_topology(job: StageJob) -> Path:
    """system.top with the masses that the stage is simulated with; heavier hydrogens are written into the run folder."""
    if job.hydrogen_mass_g_mol is None:
        return job.topology / "system.top"
    description = read_description(job.topology / "system.json")
    write_repartitioned(job.topology, description, job.hydrogen_mass_g_mol, job.run / _TOPOLOGY)
    return job.run / _TOPOLOGY / "system.top"


def check_masses(job: StageJob) -> None:
    """Check that the hydrogens of a system are heavy enough for the time step of a stage.

    Raises InputError if they are not, ForceFieldError if they cannot be made as heavy as is asked for.
    """
    step_fs = job.stage.time_step_fs
    if step_fs is None or (step_fs <= MOST_FS_OF_HYDROGENS and job.hydrogen_mass_g_mol is None):
        return
    description = read_description(job.topology / "system.json")
    if job.hydrogen_mass_g_mol is not None:
        simulated(job, description)
    elif light := hydrogens(description):
        molecule, name = light[0]
        raise InputError(too_light(step_fs, f"{name} of {molecule}"))
