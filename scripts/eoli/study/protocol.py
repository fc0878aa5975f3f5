"""A protocol: the ordered stages of a simulation, as data, and which combinations GROMACS can integrate."""

from __future__ import annotations

import keyword
import math
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from eoli.core.names import STAGE, Line
from eoli.core.validation import AtKeys, Kelvin, Many, Strict
from eoli.study.analyses import ANALYSES
from eoli.study.annealing import Plateau, plateaus

Ensemble = Literal["minimisation", "NVT", "NPT"]
Integrator = Literal["steep", "md", "md-vv", "sd"]
Thermostat = Literal["none", "v-rescale", "nose-hoover"]
Barostat = Literal["none", "c-rescale", "parrinello-rahman"]
Criterion = Literal[
    "density", "energy", "end_to_end", "free_ions", "chain_memory", "contact_memory", "D_Li", "D_anion",
    "conductivity_nernst_einstein", "displacement_Li",
]  # fmt: skip
TRANSPORT: tuple[Criterion, ...] = ("D_Li", "D_anion", "conductivity_nernst_einstein")
"""Criteria that hold once a transport coefficient is known to the target error."""
ANSWERS: tuple[Criterion, ...] = (*TRANSPORT, "displacement_Li")
"""Those and a displacement known well enough for a comparison of systems; the others hold for a steady run."""
MOST_TIMES = 3
"""Most times its length to which a run is prolonged at once: what it needs is expected from the error of an error."""
Where = Literal["auto", "cpu", "gpu"]

MOST_STEPS = 2**31 - 1
"""Steps of one run: TRR files hold the step in 32 bits."""
LEAST_ENERGIES = 10
"""Energies that a stage of dynamics must write, for a mean with an error."""
LEAST_STATES = 4
"""Full-precision frames needed to look for the mean volume: two of them in the second half of the stage."""
MOST_COUPLING_STEPS = 10
"""Most steps between couplings: what grompp takes by itself until 2022; newer versions take up to 100."""
_STEPS_OF_THERMOSTAT = (1, 2, 4, 5, MOST_COUPLING_STEPS)
_STEPS_OF_BAROSTAT = (5, MOST_COUPLING_STEPS)
"""Steps between couplings to choose from, divisors of 100.

A barostat scales the box and all positions once per coupling, and LINCS mends the bonds in the two steps that follow, whose
virial holds that. With fewer than 5 steps a barostat reads it, or energies that are written at multiples of 50 steps hold
it: with 2 the box of Parrinello-Rahman has a tenth of its temperature, and C-rescale crashes with 2 and 1."""
LEAST_COUPLINGS_OF_TAU = {"nose-hoover": 20, "parrinello-rahman": 200, "v-rescale": 5, "none": 5, "c-rescale": 25}
"""Least couplings per time constant, of all versions the strictest (2025.4); below, grompp warns of a wrong integration.
"none" is sd."""
MOST_FS_OF_HYDROGENS = 2.0
"""Longest time step for hydrogens of their own mass, all bonds constrained. Their periods grow as the root of their mass."""
OLDEST_GROMACS = (2020, 0)
OLDEST_GROMACS_FOR = {"c-rescale": (2021, 0)}
OFFLOADED = ("nb", "pme", "bonded", "update")
"""Keys that say where mdrun computes what. They do not change the physics, so they make no result stale."""


RULES = frozenset(
    {
        "all", "topology", "parameters", "box", "supercell", "figures", "collect", "cost", "sweep_figures", "paper_figure",
        "compare", "temperature", "replicas", "starts", "cutoffs", "glass_transition", "report",
        *(analysis.rule for analysis in ANALYSES),
    }
)  # fmt: skip
"""Rules of the workflow other than those of stages."""
FOLDERS = frozenset({"analysis", "summary"})
"""Folders of the results that do not belong to a stage."""


def hydrogen_mass_needed(time_step_fs: float) -> float:
    """Mass that hydrogens must have for a time step, g/mol: with that of nature, rounded, the longest is 2 fs."""
    return max(1.0, (time_step_fs / MOST_FS_OF_HYDROGENS) ** 2)


def too_light(time_step_fs: float, hydrogen: str) -> str:
    """What is wrong with a time step for a hydrogen of its own mass, and what is allowed."""
    return (
        f"time_step_fs {time_step_fs:g} is too long for the hydrogen {hydrogen}; allowed: up to {MOST_FS_OF_HYDROGENS:g}, or "
        f"hydrogen_mass_g_mol of at least {hydrogen_mass_needed(time_step_fs):.3g} in the protocol"
    )


def _free_stage(name: str) -> str:
    if name in RULES | FOLDERS or keyword.iskeyword(name):
        raise ValueError("has the name of a rule, a folder or a word of Python; allowed: any other name")
    return name


StageName = Annotated[str, Field(pattern=STAGE), AfterValidator(_free_stage)]


class Stage(Strict):
    """One stage: an energy minimisation or a piece of dynamics.

    Only the keys that fit the ensemble may be given; `temperature_K` is the system's unless set here.
    """

    name: StageName = Field(description="name of the stage, of its rule and its folder")
    enabled: bool = Field(True, description="false leaves the stage out")
    ensemble: Ensemble = Field(description="minimisation, NVT or NPT")
    integrator: Integrator = Field(description="steep for minimisation; md, md-vv or sd for dynamics")
    max_steps: int | None = Field(None, gt=0, le=MOST_STEPS, description="minimisation: most steps")
    force_tolerance_kJ_mol_nm: float | None = Field(
        None, gt=0, le=1e6, description="minimisation: largest force at which it is done"
    )
    time_step_fs: float | None = Field(
        None,
        ge=0.01,
        le=4,
        description="time step of the dynamics; above 2 fs all bonds must be constrained, hydrogens heavier "
        "(`hydrogen_mass_g_mol`), and the integrator not md-vv",
    )
    length_ns: float | None = Field(None, gt=0, le=1e9, description="length of the dynamics")
    converge: Annotated[list[Criterion], Many] = Field(
        default_factory=list,
        description="the stage is prolonged, by `length_ns` or more at a time, until these hold: over its second half, and "
        "D and conductivity to `analysis.target_error`, and so a ratio of two such displacements at `equal_lag.lag_ps`",
    )
    max_core_hours: float | None = Field(
        None,
        gt=0,
        le=1e9,
        description="cost up to which it is prolonged in one system, hardware threads held times hours of mdrun",
    )
    max_length_ns: float | None = Field(
        None, gt=0, le=1e9, description="how far it is prolonged; then it ends with a warning that it has not converged"
    )
    thermostat: Thermostat = Field("none", description="temperature coupling; sd brings its own")
    tau_t_ps: float | None = Field(
        None,
        gt=0,
        le=1e4,
        description="time constant of the thermostat; at least 20 steps for nose-hoover, 5 otherwise",
    )
    temperature_K: Kelvin | None = Field(None, description="temperature of this stage, if not the system's")
    temperature_from_K: Kelvin | None = Field(
        None, description="the stage begins at this temperature and goes to its own by steps, up or down"
    )
    temperature_step_K: float | None = Field(
        None, ge=0.1, le=1000, description="height of these steps, all of one length"
    )
    barostat: Barostat = Field("none", description="pressure coupling, isotropic")
    tau_p_ps: float | None = Field(
        None, gt=0, le=1e4,
        description="time constant of the barostat; at least 1,000 steps for parrinello-rahman, 125 for c-rescale",
    )  # fmt: skip
    pressure_bar: float | None = Field(None, ge=-10_000, le=200_000, description="reference pressure")
    compressibility_per_bar: float = Field(
        4.5e-5, ge=1e-8, le=0.01, description="compressibility that the barostat assumes"
    )
    generate_velocities: bool = Field(False, description="draw velocities from the Maxwell distribution")
    equilibrates: bool = Field(
        True,
        description="false for a stage that drives the box, such as a compression: temperature and density may drift",
    )
    start: Literal["last-frame", "mean-volume-frame"] = Field(
        "last-frame",
        description="frame of the stage before: its last, or the one whose volume is nearest the equilibrated mean",
    )
    frame_interval_ps: float | None = Field(None, gt=0, le=1e6, description="spacing of the trajectory (XTC)")
    state_interval_ps: float | None = Field(
        None, gt=0, le=1e6, description="spacing of full-precision positions and velocities (TRR)"
    )
    energy_interval_ps: float | None = Field(None, gt=0, le=1e6, description="spacing of the energies")
    nb: Where = Field("auto", description="where mdrun computes non-bonded forces; no part of the physics")
    pme: Where = Field("auto", description="where mdrun computes particle mesh Ewald; no part of the physics")
    bonded: Where = Field("auto", description="where mdrun computes bonded forces; no part of the physics")
    update: Where = Field("auto", description="where mdrun moves the sites; no part of the physics")

    @property
    def offload(self) -> dict[str, str]:
        """Explicit placements of mdrun's work; what is left to mdrun is absent."""
        return {key: getattr(self, key) for key in OFFLOADED if getattr(self, key) != "auto"}

    @property
    def is_dynamics(self) -> bool:
        """Whether the stage has a time axis."""
        return self.ensemble != "minimisation"

    @property
    def is_steady(self) -> bool:
        """Whether the stage equilibrates: it neither drives the box nor changes its temperature."""
        return self.is_dynamics and self.equilibrates and self.temperature_from_K is None

    @property
    def drives_box(self) -> bool:
        """Whether the stage changes the size of its box on purpose, such as a compression."""
        return self.ensemble == "NPT" and not self.equilibrates

    @property
    def n_steps(self) -> int:
        """Steps of dynamics.

        Raises ValueError for a minimisation.
        """
        if self.length_ns is None or self.time_step_fs is None:
            raise ValueError(f"stage {self.name} has no length")
        return round(self.length_ns * 1e6 / self.time_step_fs)

    @property
    def most_steps(self) -> int:
        """Steps after the maximum prolongation; `n_steps` if the stage is not prolonged.

        Raises ValueError for a minimisation.
        """
        if self.max_length_ns is None or self.time_step_fs is None:
            return self.n_steps
        return round(self.max_length_ns * 1e6 / self.time_step_fs)

    def course(self, system_temperature_K: float) -> list[Plateau]:
        """Temperature plateaus of the stage in order; one if the temperature is constant.

        Raises ValueError for a minimisation.
        """
        if self.length_ns is None:
            raise ValueError(f"stage {self.name} has no length")
        last = system_temperature_K if self.temperature_K is None else self.temperature_K
        first = last if self.temperature_from_K is None else self.temperature_from_K
        return plateaus(first, last, self.temperature_step_K or 1.0, self.length_ns * 1000)

    @property
    def published(self) -> tuple[str, ...]:
        """Files that the finished stage publishes."""
        names = ["md.gro", "md.tpr", "md.edr", "md.log", "state.trr", "verdict.json"]
        if self.is_dynamics:
            names.append("md.xtc")
        if self.state_interval_ps is not None:
            names.append("md.trr")
        return tuple(names)

    @property
    def read_of_start(self) -> tuple[str, ...]:
        """Files of the previous stage that the start is made from; the first names the sites."""
        return ("md.gro", "md.edr", "md.trr") if self.start == "mean-volume-frame" else ("md.gro", "state.trr")

    def steps_in(self, interval_ps: float) -> int:
        """Steps per output interval."""
        if self.time_step_fs is None:
            raise ValueError(f"stage {self.name} has no time step")
        return round(interval_ps * 1e3 / self.time_step_fs)

    @property
    def coupling_steps(self) -> tuple[int | None, int | None]:
        """Steps between couplings to the thermostat and to the barostat; None without one (sd: at every step).

        Each is the largest of the possible ones that leaves LEAST_COUPLINGS_OF_TAU in its time constant.
        """

        def steps(coupling: str, tau_ps: float | None, possible: tuple[int, ...]) -> int | None:
            if coupling == "none" or tau_ps is None:
                return None
            most = tau_ps * 1000 / (LEAST_COUPLINGS_OF_TAU[coupling] * float(self.time_step_fs or 1)) * (1 + 1e-9)
            return max((n for n in possible if n <= most), default=possible[0])

        return (
            steps(self.thermostat, self.tau_t_ps, _STEPS_OF_THERMOSTAT),
            steps(self.barostat, self.tau_p_ps, _STEPS_OF_BAROSTAT),
        )

    @model_validator(mode="after")
    def _keys_fit_ensemble(self) -> Self:
        dynamics = {
            "time_step_fs", "length_ns", "frame_interval_ps", "energy_interval_ps",
        }  # fmt: skip
        minimisation = {"max_steps", "force_tolerance_kJ_mol_nm"}
        needed, barred = (dynamics, minimisation) if self.is_dynamics else (minimisation, dynamics)
        for key in sorted(needed):
            if getattr(self, key) is None:
                raise ValueError(f"stage {self.name}: {key} is missing; a stage in {self.ensemble} needs it")
        for key in sorted(barred | (set() if self.is_dynamics else {"state_interval_ps"})):
            if getattr(self, key) is not None:
                raise ValueError(f"stage {self.name}: {key} has no meaning in a {self.ensemble} stage; leave it out")
        if (self.integrator == "steep") == self.is_dynamics:
            allowed = "md, md-vv, sd" if self.is_dynamics else "steep"
            raise ValueError(
                f"stage {self.name}: integrator {self.integrator} does not fit {self.ensemble}; allowed: {allowed}"
            )
        return self

    @model_validator(mode="after")
    def _thermostat_sees_the_temperature(self) -> Self:
        """Velocity Verlet's velocities of whole steps are too slow: those of a harmonic motion of angular frequency w have
        1 - (w dt / 2)^2 of the temperature of its positions, the velocities of half steps, which leap-frog averages, all of
        it. A thermostat heats the positions by what the velocities lack."""
        if self.integrator == "md-vv" and (self.time_step_fs or 0) > MOST_FS_OF_HYDROGENS:
            raise ValueError(
                f"stage {self.name}: time_step_fs {self.time_step_fs:g} is too long for md-vv, which would be 1 % too hot at 4 fs; "
                f"allowed: md, or up to {MOST_FS_OF_HYDROGENS:g} fs"
            )
        return self

    @model_validator(mode="after")
    def _gpu_can_do_it(self) -> Self:
        """Combinations that GROMACS 2020 to 2025 refuses (decidegpuusage.cpp, pme.cpp, listed_forces_gpu)."""

        def refuse(key: str, reason: str) -> None:
            if getattr(self, key) == "gpu":
                raise ValueError(f"stage {self.name}: {key}: gpu is not possible: {reason}; allowed: auto, cpu")

        if not self.is_dynamics:
            for key in ("pme", "bonded", "update"):
                refuse(key, "GROMACS has it for dynamics alone, this is a minimisation")
        if self.integrator != "md":
            refuse("update", f"GROMACS has it for the integrator md alone, this stage has {self.integrator}")
        if self.thermostat == "nose-hoover":
            refuse("update", "GROMACS has it without nose-hoover, with v-rescale")
        if self.nb == "cpu":
            for key in ("pme", "bonded", "update"):
                refuse(key, "it needs the non-bonded forces there, too, and nb is cpu")
        return self

    @model_validator(mode="after")
    def _intervals_are_whole(self) -> Self:
        if not self.is_dynamics:
            return self
        for key in ("frame_interval_ps", "state_interval_ps", "energy_interval_ps"):
            interval = getattr(self, key)
            if interval is None:
                continue
            steps = interval * 1e3 / float(self.time_step_fs or 1)
            if abs(steps - round(steps)) > 1e-6 or round(steps) < 1:
                raise ValueError(self._not_whole(key, interval, steps, 1e-3))
        assert self.length_ns is not None and self.time_step_fs is not None
        exact = self.length_ns * 1e6 / self.time_step_fs
        if abs(exact - round(exact)) > 1e-6 * exact:
            raise ValueError(self._not_whole("length_ns", self.length_ns, exact, 1e-6))
        assert self.frame_interval_ps is not None
        if self.n_steps < self.steps_in(self.frame_interval_ps):
            raise ValueError(
                f"stage {self.name}: length_ns {self.length_ns} is shorter than one frame_interval_ps; allowed: at least "
                f"{self.frame_interval_ps / 1000:g}, or a shorter frame_interval_ps"
            )
        return self

    def _not_whole(self, key: str, value: float, steps: float, fs: float) -> str:
        """What is wrong with a time of that many steps, and which are allowed; `fs` is a femtosecond in its unit."""
        step = float(self.time_step_fs or 1) * fs
        near = [f"{number * step:.12g}" for number in (math.floor(steps), math.floor(steps) + 1) if number]
        return (
            f"stage {self.name}: {key} {value} is no whole number of steps of {self.time_step_fs} fs; allowed: {' or '.join(near)}, "
            "for example, or another time_step_fs"
        )

    @model_validator(mode="after")
    def _steps_fit_the_formats(self) -> Self:
        if self.is_dynamics and self.most_steps > MOST_STEPS:
            key = "length_ns" if self.n_steps > MOST_STEPS else "max_length_ns"
            raise ValueError(
                f"stage {self.name}: {key} {getattr(self, key):g} is {self.most_steps:.4g} steps, and the files of GROMACS "
                f"count up to {MOST_STEPS}; allowed: at most {MOST_STEPS * float(self.time_step_fs or 0) / 1e6:.6g}, "
                "or several stages"
            )
        return self

    @model_validator(mode="after")
    def _time_constants_are_resolved(self) -> Self:
        for key, coupling, other, (fewest, *_) in (
            ("tau_t_ps", self.thermostat, "v-rescale", _STEPS_OF_THERMOSTAT),
            ("tau_p_ps", self.barostat, "c-rescale", _STEPS_OF_BAROSTAT),
        ):
            tau, each_ps = getattr(self, key), fewest * float(self.time_step_fs or 0) / 1000
            least, least_of_other = (LEAST_COUPLINGS_OF_TAU[name] * each_ps for name in (coupling, other))
            if tau is None or tau >= least * (1 - 1e-9):
                continue
            allowed = f"at least {least:g}"
            if least_of_other < least:
                allowed += f", or {other} with at least {least_of_other:g}"
            raise ValueError(
                f"stage {self.name}: {key} {tau:g} is too short for steps of {self.time_step_fs} fs: it must span "
                f"{LEAST_COUPLINGS_OF_TAU[coupling]} couplings, {fewest} or more steps apart; allowed: {allowed}"
            )
        return self

    @model_validator(mode="after")
    def _prolongation_is_whole(self) -> Self:
        if self.converge and (not self.is_dynamics or self.temperature_from_K is not None):
            raise ValueError(f"stage {self.name}: converge is not allowed here; allowed: dynamics at one temperature")
        if self.max_length_ns is not None and not self.converge:
            raise ValueError(
                f"stage {self.name}: max_length_ns {self.max_length_ns:g} needs a criterion in converge; allowed: one or more of "
                f"{', '.join(get_args(Criterion))} there, or max_length_ns: null"
            )
        if self.converge and self.max_length_ns is None:
            raise ValueError(
                f"stage {self.name}: converge {', '.join(self.converge)} needs max_length_ns, which is missing; allowed: at least "
                f"length_ns {self.length_ns:g} there, or converge: []"
            )
        if self.max_core_hours is not None and not self.converge:
            raise ValueError(f"stage {self.name}: max_core_hours has no meaning without converge; leave it out")
        if not self.converge:
            return self
        if "density" in self.converge and self.ensemble != "NPT":
            raise ValueError(f"stage {self.name}: converge: density needs NPT; the stage is {self.ensemble}")
        for name in ANSWERS:
            if name in self.converge and self.ensemble != "NVT":
                raise ValueError(f"stage {self.name}: converge: {name} needs NVT; the stage is {self.ensemble}")
        exact = float(self.max_length_ns or 0) * 1e6 / float(self.time_step_fs or 1)
        if self.most_steps < self.n_steps or abs(exact - round(exact)) > 1e-6 * exact:
            raise ValueError(
                f"stage {self.name}: max_length_ns {self.max_length_ns} is not allowed; allowed: a whole number of "
                f"steps, at least length_ns {self.length_ns}"
            )
        return self

    @model_validator(mode="after")
    def _temperature_steps_are_legal(self) -> Self:
        if (self.temperature_from_K is None) != (self.temperature_step_K is None):
            missing = "temperature_from_K" if self.temperature_from_K is None else "temperature_step_K"
            raise ValueError(
                f"stage {self.name}: {missing} is missing; temperature_from_K and temperature_step_K go together"
            )
        if self.temperature_from_K is None:
            return self
        if (self.integrator, self.thermostat) != ("md", "v-rescale") or self.barostat == "parrinello-rahman":
            raise ValueError(
                f"stage {self.name}: a temperature that changes by steps needs md, v-rescale, and c-rescale or no "
                "barostat: the others oscillate after each step, and GROMACS refuses it with md-vv and "
                "parrinello-rahman"
            )
        return self

    @model_validator(mode="after")
    def _coupling_is_legal(self) -> Self:
        if not self.is_dynamics:
            if self.thermostat != "none" or self.barostat != "none" or self.generate_velocities:
                raise ValueError(f"stage {self.name}: a minimisation has no thermostat, barostat or velocities")
            return self
        if (self.ensemble == "NPT") != (self.barostat != "none"):
            raise ValueError(
                f"stage {self.name}: ensemble {self.ensemble} does not fit barostat {self.barostat}; "
                "allowed: NPT with c-rescale or parrinello-rahman, NVT with none"
            )
        if (self.integrator == "sd") != (self.thermostat == "none"):
            raise ValueError(
                f"stage {self.name}: integrator {self.integrator} does not fit thermostat {self.thermostat}; "
                "allowed: sd with none (it is its own thermostat), md and md-vv with v-rescale or nose-hoover"
            )
        if self.thermostat != "none" and self.tau_t_ps is None:
            raise ValueError(f"stage {self.name}: tau_t_ps is missing; a thermostat needs it")
        if self.integrator == "sd" and self.tau_t_ps is None:
            raise ValueError(f"stage {self.name}: tau_t_ps is missing; sd reads it as its inverse friction")
        for key in ("tau_p_ps", "pressure_bar"):
            if self.barostat != "none" and getattr(self, key) is None:
                raise ValueError(f"stage {self.name}: {key} is missing; a barostat needs it")
        if (self.integrator, self.thermostat, self.barostat) == ("md-vv", "nose-hoover", "parrinello-rahman"):
            raise ValueError(
                f"stage {self.name}: md-vv with nose-hoover and parrinello-rahman is not allowed: GROMACS accepts it and "
                "silently keeps the box frozen; allowed: md + nose-hoover + parrinello-rahman, "
                "md-vv + v-rescale + parrinello-rahman, md-vv + nose-hoover + c-rescale"
            )
        if self.barostat == "parrinello-rahman" and self.generate_velocities:
            raise ValueError(
                f"stage {self.name}: parrinello-rahman with generate_velocities is not allowed (the box oscillates "
                "from an unequilibrated start); allowed: c-rescale, or velocities of the stage before"
            )
        if (
            self.thermostat == "nose-hoover"
            and self.barostat == "parrinello-rahman"
            and float(self.tau_p_ps or 0) < 2 * float(self.tau_t_ps or 0)
        ):
            raise ValueError(
                f"stage {self.name}: tau_p_ps {self.tau_p_ps} is below twice tau_t_ps {self.tau_t_ps}; the two "
                "oscillators couple; allowed: tau_p_ps >= 2 tau_t_ps"
            )
        if self.start == "mean-volume-frame" and self.generate_velocities:
            raise ValueError(f"stage {self.name}: mean-volume-frame keeps its velocities; drop generate_velocities")
        return self


class Protocol(Strict):
    """A protocol: what all stages share, and the stages in their order."""

    name: Line
    description: str = Field(max_length=5000)
    cutoff_nm: float = Field(ge=0.3, le=5, description="cut-off of Lennard-Jones and of the direct Coulomb sum")
    fourier_spacing_nm: float = Field(0.12, ge=0.01, le=0.5, description="grid of particle mesh Ewald")
    dispersion_correction: bool = Field(True, description="long-range correction of energy and pressure")
    constraints: Literal["none", "h-bonds", "all-bonds"] = Field(
        "all-bonds", description="constrained bonds, the same in every stage of dynamics; minimisation has none"
    )
    hydrogen_mass_g_mol: float | None = Field(
        None,
        ge=1.5,
        le=4,
        description="mass of hydrogens, taken from the atoms that they are bonded to, for time steps above 2 fs: at least the "
        "square of half the time step; the same in every stage of dynamics; unset: their own",
    )
    stages: list[Stage] = Field(min_length=1, max_length=200)

    @property
    def active_stages(self) -> tuple[Stage, ...]:
        """Stages that are not switched off."""
        return tuple(stage for stage in self.stages if stage.enabled)

    @model_validator(mode="after")
    def _stages_follow(self) -> Self:
        names = [stage.name for stage in self.stages]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise AtKeys(f"stage {name} stands twice; names are unique", "stages", number)
        if not self.active_stages:
            raise ValueError("no stage is enabled")
        has_velocities, before = False, None
        for stage in self.active_stages:
            if stage.is_dynamics and not has_velocities and not stage.generate_velocities:
                raise AtKeys(
                    f"stage {stage.name}: no stage before it has velocities; set generate_velocities: true",
                    "stages",
                    self.stages.index(stage),
                )
            if stage.start == "mean-volume-frame" and (
                before is None
                or before.ensemble != "NPT"
                or before.state_interval_ps is None
                or not before.is_steady
                or before.n_steps < LEAST_STATES * before.steps_in(before.state_interval_ps)
            ):
                raise AtKeys(
                    f"stage {stage.name}: mean-volume-frame needs an NPT stage right before it that equilibrates, "
                    f"with a state_interval_ps of at most 1/{LEAST_STATES} of its length",
                    "stages",
                    self.stages.index(stage),
                )
            has_velocities = stage.is_dynamics
            before = stage
        return self

    @model_validator(mode="after")
    def _stages_leave_data(self) -> Self:
        for stage in self.active_stages:
            for key, least in (("state_interval_ps", 1), ("energy_interval_ps", LEAST_ENERGIES)):
                interval = getattr(stage, key)
                if (
                    interval is not None
                    and stage.length_ns is not None
                    and stage.n_steps < least * stage.steps_in(interval)
                ):
                    raise AtKeys(
                        f"stage {stage.name}: {key} {interval:g} does not fit into length_ns {stage.length_ns:g}; allowed: "
                        f"at most {stage.length_ns * 1000 / least:g}",
                        "stages",
                        self.stages.index(stage),
                    )
        return self

    @model_validator(mode="after")
    def _time_step_fits_constraints(self) -> Self:
        for stage in self.active_stages:
            if stage.is_dynamics and self.constraints != "all-bonds" and float(stage.time_step_fs or 0) > 1:
                raise AtKeys(
                    f"stage {stage.name}: time_step_fs {stage.time_step_fs} is not allowed with constraints "
                    f"{self.constraints}: a united-atom model has hardly any X-H bonds; allowed: up to 1 fs, or all-bonds",
                    "stages",
                    self.stages.index(stage),
                )
        return self

    @model_validator(mode="after")
    def _time_step_fits_hydrogens(self) -> Self:
        if self.hydrogen_mass_g_mol is None:
            return self
        for stage in self.active_stages:
            if stage.is_dynamics and hydrogen_mass_needed(float(stage.time_step_fs or 0)) > self.hydrogen_mass_g_mol:
                raise AtKeys(
                    f"stage {stage.name}: time_step_fs {stage.time_step_fs:g} is too long for a hydrogen_mass_g_mol of "
                    f"{self.hydrogen_mass_g_mol:g}; allowed: up to {MOST_FS_OF_HYDROGENS * self.hydrogen_mass_g_mol**0.5:.3g} fs",
                    "stages",
                    self.stages.index(stage),
                )
        return self
