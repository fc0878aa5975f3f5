"""The configuration of a study as a typed model: read, merged with its protocol, checked. A mistake gives one line."""

from __future__ import annotations

import copy
import itertools
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from eoli.core.names import Line, ModuleName, Part, PathText
from eoli.core.text import did_you_mean
from eoli.core.validation import BY_SHAPE, MAPPING, VALUE, Many, Share, Strict, place, section, validate
from eoli.core.yamlfile import KeyPath, YamlFile, read_yaml
from eoli.errors import InputError
from eoli.forcefield.models import DEFAULT, NO_SALT, Mixing
from eoli.study.box_shape import Shape
from eoli.study.criteria import AnalysisSection
from eoli.study.lags import INDEPENDENT_ORIGINS, around, lag_of_frames
from eoli.study.protocol import TRANSPORT, Protocol, Stage
from eoli.study.roles import Roles, read_roles

SHIPPED = "config/config.yaml"
"""The configuration that others are merged over."""
DEFAULT_COMMAND = "gmx"
DEFAULT_SALT = "litfsi"
DEFAULT_ETHER_SET = "oxy-d"
DEFAULT_MIXING: Mixing = "gromos"
DEFAULT_CHARGE_SCALE = 1.0
LEAST_FRAMES = 10
"""For motion and structure: as many as the blocks that errors are estimated from."""
LEAST_WHOLE_FRAMES = 3
"""Whole frames: start, middle and end."""


def _as_named(value: float) -> float:
    if round(value, 4) != value:
        raise ValueError("the names of systems show four digits after the point; allowed: so many")
    return value


def _shell_words(text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"{error}; allowed: words as in a shell") from None
    if text and (not words or not all(words) or not text.isprintable()):
        raise ValueError("allowed: words as in a shell, or nothing at all")
    return text


Ratio = Annotated[float, Field(ge=0.1, le=10_000)]
SystemKelvin = Annotated[float, Field(ge=150, le=2000)]
Replicate = Annotated[int, Field(gt=0, le=9999)]
Scale = Annotated[float, Field(ge=0.5, le=1.0), AfterValidator(_as_named)]


class GromacsBuild(Strict):
    """Which GROMACS runs."""

    command: PathText = Field(
        DEFAULT_COMMAND,
        description="name or path of the GROMACS program (`gmx`, `gmx_mpi`); plain `gmx` is the one that `make gromacs` "
        "built, where there is one",
    )
    launcher: Annotated[str, Field(max_length=1000), AfterValidator(_shell_words)] = Field(
        "", description="put in front of mdrun alone, e.g. `srun` or `mpirun -np 4`"
    )
    modules: Annotated[list[ModuleName], Many] = Field(
        default_factory=list, description="loaded by `module load` before every call"
    )


class SolventRatio(Strict):
    """Molecules of a solvent for each lithium or for each chain, rounded to whole ones."""

    per_lithium: float | None = Field(None, gt=0, le=10_000, description="molecules for each lithium")
    per_chain: float | None = Field(None, gt=0, le=1_000_000, description="molecules for each chain")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.per_lithium is None) == (self.per_chain is None):
            raise ValueError("give one of per_lithium and per_chain")
        return self

    @property
    def ratio(self) -> tuple[str, float]:
        """The key that is given, and its value."""
        return next((key, value) for key, value in self if value is not None)


Molecules = Annotated[Annotated[int, Field(gt=0, le=10_000_000), VALUE] | Annotated[SolventRatio, MAPPING], BY_SHAPE]


def _whole(shares: dict[str, float]) -> dict[str, float]:
    total = sum(shares.values())
    if len(shares) < 2 or abs(total - 1) > 1e-9:
        raise ValueError(
            f"{shares} is not allowed: the sum is {total:g}; allowed: two or more with shares that sum to 1"
        )
    return shares


def _of_salts(shares: dict[str, float]) -> dict[str, float]:
    if NO_SALT in shares:
        raise ValueError(
            f"{shares} is not allowed: {NO_SALT} has no lithium to share; allowed: salts alone, two or more with shares that sum "
            f"to 1 (a system without salt is salt: {NO_SALT})"
        )
    return _whole(shares)


def _chains_or_shares(blend: dict[str, int | float]) -> dict[str, int | float]:
    if len(blend) > 1 and all(isinstance(value, int) for value in blend.values()):
        return blend
    if any(isinstance(value, int) for value in blend.values()):
        raise ValueError(
            f"{blend} is not allowed; allowed: two or more, all with shares that sum to 1, or all with numbers"
        )
    _whole(blend)
    return blend


PolymerOrBlend = Annotated[
    Annotated[Part, VALUE]
    | Annotated[
        dict[Part, Annotated[int, Field(gt=0, le=10_000_000)] | Annotated[Share, AfterValidator(_as_named)]],
        AfterValidator(_chains_or_shares),
        MAPPING,
    ],
    BY_SHAPE,
]
SaltOrMixture = Annotated[
    Annotated[Part, VALUE]
    | Annotated[dict[Part, Annotated[Share, AfterValidator(_as_named)]], AfterValidator(_of_salts), MAPPING],
    BY_SHAPE,
]


class SweepBlock(Strict):
    """One block of the sweep; every combination of its axes is a system. A single value may stand without a list."""

    polymer: Annotated[
        list[PolymerOrBlend],
        Many,
        Field(
            min_length=1,
            description="polymers of `topologies/polymers`, or blends as `{peo: 0.6, pebax: 0.4}`, shares of the chains, or "
            "`{peo: 15, pebax: 10}`, numbers of chains in place of `box.chains`",
        ),
    ]
    salt: Annotated[list[SaltOrMixture], Many] = Field(
        [DEFAULT_SALT],
        min_length=1,
        description="salts of `topologies/salts`, `none`, or mixtures as `{litfsi: 0.7, lipf6: 0.3}`, shares of the lithium",
    )
    eo_li: Annotated[list[Ratio], Many] = Field(
        default_factory=list,
        description="ether oxygens for each lithium; left out where the salt is none or follows from charged chains",
    )
    solvents: dict[Part, Molecules] = Field(
        default_factory=dict,
        description="molecules of each solvent of `topologies/solvents` in a box, or `{per_lithium: RATIO}`, or "
        "`{per_chain: RATIO}`",
    )
    temperature_K: Annotated[list[SystemKelvin], Many] = Field([298.15], min_length=1, description="temperatures, K")
    temperature_series: bool = Field(
        False,
        description="the temperatures, two or more, share one box and the first stages, up to the first at the system's "
        "temperature",
    )
    replicate: Annotated[list[Replicate], Many] = Field([1], min_length=1, description="numbers of independent starts")
    ether_set: Annotated[list[Part], Many] = Field(
        [DEFAULT_ETHER_SET], min_length=1, description="parameter sets of the ether, the folders in `topologies/units`"
    )
    cation_model: Annotated[list[Part], Many] = Field(
        [DEFAULT], min_length=1, description="models in `topologies/ions/<cation>`, or the salt's own default"
    )
    anion_model: Annotated[list[Part], Many] = Field(
        [DEFAULT], min_length=1, description="models in `topologies/ions/<anion>`, or the salt's own default"
    )
    mixing: Annotated[list[Mixing], Many] = Field([DEFAULT_MIXING], min_length=1, description="mixing rules")
    ion_charge_scale: Annotated[list[Scale], Many] = Field(
        [DEFAULT_CHARGE_SCALE], min_length=1, description="factor on all ion charges, those of 1-4 pairs too"
    )
    supercell: list[Annotated[int, Field(gt=0, le=100)]] = Field(
        [1, 1, 1],
        min_length=3,
        max_length=3,
        description="copies along x, y and z of the box of the same system without this key, which is in the sweep, too",
    )
    in_study: bool = Field(False, description="the study of record simulated this; otherwise it is our extension")


COMPOSITION = ("sites", "chains", "ether_oxygens", "lithium_ions", "ion_charge_scale")
"""Keys of an imported run that say what its box holds."""


class ImportedRun(Strict):
    """A run of GROMACS that was made elsewhere. What the box holds is compared with the files when they are taken in."""

    name: Part = Field(description="name; the system is `<name>-r<replicate>`")
    topology: PathText = Field(description="run input file (TPR)")
    trajectory: Annotated[list[PathText], Many, Field(min_length=1, description="XTC or TRR, pieces in order of time")]
    energies: PathText | None = Field(None, description="energies (EDR) of a run at constant pressure")
    roles: PathText = Field(description="functions of the atoms, a YAML file; `docs/own-runs.md`")
    temperature_K: SystemKelvin = Field(description="temperature of the run, K")
    frame_interval_ps: float = Field(gt=0, le=1e6, description="spacing of the frames, ps")
    length_ns: float = Field(gt=0, le=1e9, description="time from the first frame to the last, ns")
    polymer: Part = Field(description="name of the chains, for labels")
    salt: Part = Field(NO_SALT, description="name of the salt, for labels; none where there are no ions")
    force_field: Part | None = Field(
        None, description="name of the force field; left out, that of the run, which then is like no other"
    )
    replicate: Replicate = Field(1, description="number of the independent start")
    sites: int = Field(gt=0, le=10_000_000, description="atoms")
    chains: int = Field(ge=0, le=10_000_000, description="molecules of the kind polymer")
    ether_oxygens: int = Field(0, ge=0, le=10_000_000, description="atoms with the role ether_O")
    lithium_ions: int = Field(0, ge=0, le=10_000_000, description="atoms with the role Li")
    ion_charge_scale: float = Field(
        DEFAULT_CHARGE_SCALE, gt=0, le=2, description="simulated over formal charge of the ions"
    )

    @property
    def system(self) -> str:
        """Name of its system."""
        return f"{self.name}-r{self.replicate}"


class Box(Strict):
    """The start box."""

    chains: int = Field(25, gt=0, le=10_000_000, description="polymer chains in a box")
    shape: Shape = Field(
        "cubic",
        description="orthoboxy: 2.793 times as long along z, where D needs no correction for the size of the box",
    )
    packing_density_g_cm3: float = Field(0.22, ge=0.01, le=1.0, description="density of the PACKMOL box")
    tolerance_nm: float = Field(0.20, ge=0.15, le=0.4, description="smallest distance between molecules")
    attempts: int = Field(5, gt=0, le=100, description="PACKMOL runs, each with a new seed and a larger box")
    supercell_from: str | None = Field(
        None, description="stage whose end a supercell repeats; the last in NPT up to the analysed one, if not said"
    )


class Run(Strict):
    """How simulations are run; nothing here changes the physics."""

    threads: Annotated[int, Field(gt=0, le=4096)] | Literal["auto"] = Field(
        "auto",
        description="threads of one mdrun; auto takes what `eoli tune` measured on this machine, else shares the cores "
        "among the systems",
    )
    pin: bool = Field(
        True, description="give each mdrun cores of its own, and a GPU where it uses one; false leaves it to the system"
    )
    checkpoint_minutes: float = Field(5.0, ge=0.01, le=1440, description="spacing of checkpoints")
    max_hours: float | None = Field(
        None,
        ge=1e-4,
        le=10_000,
        description="stop each mdrun after this long with a checkpoint; the next run continues",
    )
    reproducible: bool = Field(False, description="mdrun -reprod: the same trajectory bit for bit, a little slower")


class ReferenceFiles(Strict):
    """What a sweep is laid beside."""

    study: PathText = Field("config/reference/ma2022.yaml", description="numbers and claims of a study")
    conductivity: PathText = Field(
        "config/reference/peo-litfsi-conductivity.csv", description="measured conductivities"
    )
    transport: PathText = Field(
        "config/reference/peo-litfsi-transport.csv", description="measured diffusion coefficients and densities"
    )


class EqualLag(Strict):
    """What displacements at equal lag are compared with, and at which lag."""

    polymer: Line | None = Field(
        None,
        description="reference of the polymers, a blend as tables name it (`pebax:0.4 peo:0.6`); without it that of the study's "
        "claim, else the first of the sweep",
    )
    eo_li: Ratio | None = Field(None, description="reference of the ratios; without it the first of the sweep")
    lag_ps: float | None = Field(
        None,
        gt=0,
        le=1e9,
        description="lag at which displacements are compared, ps; without it the largest at which all systems of a set have ten "
        "independent origins",
    )

    @property
    def noted(self) -> dict[str, Any]:
        """What the record of the tables says of it; no lag where none is given, as in records of earlier versions."""
        return self.model_dump(exclude={"lag_ps"} if self.lag_ps is None else None)


class Config(Strict):
    """A study."""

    study: Line = Field(description="name of the study, shown in the tables")
    seed: int = Field(ge=0, le=2**63 - 1, description="all other seeds are derived from it and the system's name")
    gmx: GromacsBuild = section(GromacsBuild, "the GROMACS build")
    topologies: PathText = Field(
        "topologies", description="folder of building blocks; looked for here, then beside the Snakefile"
    )
    sweep: list[SweepBlock] = Field(description="the systems; `[]` in a study of runs alone")
    runs: list[ImportedRun] = Field(
        default_factory=list, description="runs that were made elsewhere, beside the systems"
    )
    box: Box = section(Box, "the start box")
    protocol: PathText = Field(description="protocol file; looked for here, then beside the Snakefile")
    stages: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="keys of single stages of the protocol, set here instead"
    )
    lengths_ns: dict[Line, Annotated[float, Field(gt=0, le=1e9)]] = Field(
        default_factory=dict,
        description="length of the analysed stage in single systems, which then is not prolonged further; `eoli budget` writes "
        "them",
    )
    run: Run = section(Run, "how simulations are run")
    analysis: AnalysisSection = section(AnalysisSection, "frames and criteria of the analyses")
    reference: ReferenceFiles = section(
        ReferenceFiles, "what the sweep is laid beside; looked for here, then beside the Snakefile"
    )
    equal_lag: EqualLag = section(EqualLag, "what displacements at equal lag are compared with, and at which lag")


def _found(name: str, base: Path) -> Path:
    # Path.exists raises for a name that is too long
    return Path(name) if os.path.exists(name) else base / name  # noqa: PTH110


@dataclass(frozen=True)
class Study:
    """A checked configuration with its protocol; all later modules read this."""

    config: Config
    protocol: Protocol
    base: Path
    files: tuple[YamlFile, ...]

    def found(self, name: str) -> Path:
        """A path from the configuration, relative to the working folder, else to the workflow's folder."""
        return _found(name, self.base)

    def wrong(self, keys: KeyPath, message: object) -> InputError:
        """A mistake in the configuration, at the line of its key."""
        return InputError(f"{place(keys, self.files)}: {message}")

    @property
    def topologies(self) -> Path:
        """Folder of building blocks."""
        return self.found(self.config.topologies)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Active stages, in order."""
        return self.protocol.active_stages

    @property
    def common_stages(self) -> tuple[Stage, ...]:
        """Stages before the first dynamics at the system's temperature: identical at all temperatures."""
        own = [stage.is_dynamics and stage.temperature_K is None for stage in self.stages]
        return self.stages[: own.index(True)] if True in own else self.stages

    @property
    def equilibrated_stage(self) -> str:
        """The last NPT stage up to the analysed one, which inherits its box and density.

        Raises InputError if there is none, or if it does not equilibrate at the temperature of the analysed stage.
        """
        names = [stage.name for stage in self.stages]
        analysed = self.stages[names.index(self.config.analysis.stage)]
        found = [stage for stage in self.stages[: names.index(analysed.name) + 1] if stage.ensemble == "NPT"]
        if not found or not found[-1].is_steady or self.temperatures_K(found[-1]) != self.temperatures_K(analysed):
            last = f"the last, {found[-1].name}, is not" if found else "there is none"
            raise self.wrong(
                ("analysis", "stage"),
                f"{analysed.name} needs the density of a stage in NPT before it, or its own, that equilibrates at its "
                f"temperature; {last}",
            )
        return found[-1].name

    def temperatures_K(self, stage: Stage) -> set[float]:
        """Final temperatures of a stage, over all systems."""
        return (
            {k for block in self.config.sweep for k in block.temperature_K}
            if stage.temperature_K is None
            else {stage.temperature_K}
        )

    @property
    def reduced_frames(self) -> tuple[float, dict[str, float]]:
        """Maximum length of the analysed stage, ps, and the frame spacing by cadence, ps."""
        analysis = self.config.analysis
        stage = self.stage(analysis.stage)
        length_ns = stage.max_length_ns or stage.length_ns or 0.0
        cadences = ("motion", "structure", "slow")
        return length_ns * 1000, {cadence: getattr(analysis, f"{cadence}_interval_ps") for cadence in cadences}

    @property
    def supercell_stage(self) -> str:
        """The stage whose final frame a supercell repeats."""
        return self.config.box.supercell_from or self.equilibrated_stage

    def roles_of(self, run: ImportedRun) -> Roles:
        """The roles file of an imported run. Raises InputError for a mistake in it."""
        return read_roles(self.found(run.roles))

    def stage_of_run(self, run: ImportedRun) -> Stage:
        """The analysed stage as an imported run stands in for it: with the run's frames and length, at its temperature."""
        own = {"frame_interval_ps": run.frame_interval_ps, "length_ns": run.length_ns}
        return self.stage(self.config.analysis.stage).model_copy(
            update={**own, "max_length_ns": None, "converge": [], "temperature_K": None}
        )

    def stage(self, name: str) -> Stage:
        """A stage by its name.

        Raises InputError if the protocol does not have it.
        """
        for stage in self.stages:
            if stage.name == name:
                return stage
        names = [stage.name for stage in self.stages]
        raise InputError(
            f"stage {name!r} is not in the protocol{did_you_mean(name, names)}; allowed: {', '.join(names)}"
        )


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """`overlay` merged over `base`: mappings recursively, everything else replaced."""
    merged = copy.deepcopy(dict(base))
    for key, value in overlay.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else copy.deepcopy(value)
    return merged


def _protocol_with_overrides(config: Config, base: Path, files: Sequence[YamlFile]) -> Protocol:
    path = _found(config.protocol, base)
    if not path.is_file():
        raise InputError(
            f"{place(('protocol',), files)}: {config.protocol!r} is no file; allowed: a protocol such as "
            "config/protocols/annealed.yaml"
        )
    file = read_yaml(path)
    data = copy.deepcopy(file.data)
    plain = validate(Protocol, data, [file])
    names = [stage.name for stage in plain.stages]
    for name, keys in config.stages.items():
        if name not in names:
            raise InputError(
                f"{place(('stages', name), files)}: unknown stage{did_you_mean(name, names)}; "
                f"allowed: {', '.join(names)} (of {config.protocol})"
            )
        data["stages"][names.index(name)].update(keys)
    if not config.stages:
        return plain
    try:
        return validate(Protocol, data, [_overrides_as_protocol(source, names) for source in files])
    except InputError as error:
        named = re.sub(r"stages\[(\d+)\]", lambda found: f"stages.{names[int(found[1])]}", str(error))
        raise InputError(named) from None


def _overrides_as_protocol(source: YamlFile, names: list[str]) -> YamlFile:
    """Line numbers of a file's stage overrides under the protocol's key paths, so that errors point into the file."""
    lines = {
        (keys[0], names.index(str(keys[1])), *keys[2:]): line
        for keys, line in source.lines.items()
        if len(keys) > 1 and keys[0] == "stages" and keys[1] in names
    }
    return YamlFile(source.path, source.data, lines)


def _check_analysed_stage(study: Study) -> None:
    """The analysed stage must be at equilibrium, at the temperature that the systems are named after."""
    name = study.config.analysis.stage
    steady = [stage.name for stage in study.stages if stage.is_steady and stage.temperature_K is None]
    stage = next((stage for stage in study.stages if stage.name == name and stage.is_dynamics), None)
    if stage is None or not stage.is_steady:
        why = (
            "is no stage of dynamics that runs"
            if stage is None
            else "changes its temperature"
            if stage.equilibrates
            else "drives the box (equilibrates: false)"
        )
        hint = did_you_mean(name, steady) if stage is None else ""
        allowed = ", ".join(steady) or "none in this protocol"
        raise study.wrong(("analysis", "stage"), f"{name!r} {why}{hint}; allowed: {allowed}")
    for number, block in enumerate(study.config.sweep):
        other = [kelvin for kelvin in block.temperature_K if stage.temperature_K not in (None, kelvin)]
        if other:
            raise study.wrong(
                ("stages", name, "temperature_K"),
                f"{name}, which is analysed, runs at {stage.temperature_K:g} K, and systems are named after {other[0]:g} K; "
                f"allowed: no temperature_K in {name} and sweep[{number}].temperature_K: {stage.temperature_K:g}, or another "
                "analysis.stage",
            )
    # raises if no stage gives the density
    _ = study.equilibrated_stage
    for before, stage in itertools.pairwise(study.stages):
        if stage.start == "mean-volume-frame" and study.temperatures_K(before) != study.temperatures_K(stage):
            raise study.wrong(
                ("stages", stage.name, "start"),
                f"{stage.name} starts at the mean volume of {before.name}, which has another temperature; allowed: "
                "last-frame, or one temperature",
            )


def _is_multiple(interval: float, of: float) -> bool:
    return round(interval / of) >= 1 and abs(interval / of - round(interval / of)) < 1e-6


def _check_cadences(study: Study) -> None:
    """Analyses need frames that the stage writes, or a run made elsewhere has, and enough of them."""
    analysed = study.stage(study.config.analysis.stage)
    if study.config.sweep:
        _check_frames(study, analysed, analysed.name)
    for run in study.config.runs:
        _check_frames(study, study.stage_of_run(run), f"the run {run.name}")


def _check_frames(study: Study, stage: Stage, name: str) -> None:
    analysis = study.config.analysis
    frame, length = float(stage.frame_interval_ps or 0), float(stage.length_ns or 0) * 1000
    motion = analysis.motion_interval_ps
    for key, of, said, least in (
        ("motion_interval_ps", frame, f"frame_interval_ps of {name}", LEAST_FRAMES),
        ("structure_interval_ps", motion, "motion_interval_ps", LEAST_FRAMES),
        ("slow_interval_ps", frame, f"frame_interval_ps of {name}", LEAST_WHOLE_FRAMES),
    ):
        interval, where = getattr(analysis, key), ("analysis", key)
        if not _is_multiple(interval, of):
            raise study.wrong(where, f"{interval:g} is not allowed; allowed: a whole multiple of {of:g}, the {said}")
        frames = int(length / interval + 1e-6) + 1
        if frames < least:
            raise study.wrong(
                where,
                f"{interval:g} leaves {frames} frames of {name}, which is {length:g} ps long; allowed: at least {least}, "
                f"so at most {length / (least - 1):g}, or a longer stage",
            )


def _check_lag(study: Study) -> None:
    """The lag of the comparison must be one that displacements have, and stages that end by it must reach it."""
    asked, where = study.config.equal_lag.lag_ps, ("equal_lag", "lag_ps")
    ending = [stage for stage in study.stages if "displacement_Li" in stage.converge]
    if asked is None:
        for stage in ending:
            raise study.wrong(
                ("stages", stage.name, "converge"),
                f"displacement_Li of {stage.name} needs equal_lag.lag_ps, which is missing; allowed: a lag in ps there, or "
                f"{', '.join(TRANSPORT)}",
            )
        return
    of_stages = [(stage.frame_interval_ps, f"frame_interval_ps of {stage.name}") for stage in ending]
    for interval, said in ((study.config.analysis.motion_interval_ps, "analysis.motion_interval_ps"), *of_stages):
        assert interval is not None
        if lag_of_frames(asked, interval) is None:
            allowed = " or ".join(f"{lag * interval:g}" for lag in around(asked, interval))
            raise study.wrong(
                where, f"{asked:g} is no lag of frames {interval:g} ps apart ({said}); allowed: {allowed}, for example"
            )
    for stage in ending:
        least_ns = INDEPENDENT_ORIGINS * float(lag_of_frames(asked, float(stage.frame_interval_ps or 0)) or 0) / 1000
        most_ns = float(stage.max_length_ns or 0)
        if most_ns < least_ns * (1 - 1e-9):
            raise study.wrong(
                ("stages", stage.name, "max_length_ns"),
                f"{most_ns:g} leaves less than {INDEPENDENT_ORIGINS} independent origins at equal_lag.lag_ps {asked:g} for "
                f"displacement_Li; allowed: at least {least_ns:g}, or a shorter lag",
            )


def _files_of(run: ImportedRun) -> Iterator[tuple[KeyPath, str]]:
    """The files of a run by key."""
    yield ("topology",), run.topology
    yield ("roles",), run.roles
    yield from ((("trajectory", number), name) for number, name in enumerate(run.trajectory))
    if run.energies is not None:
        yield ("energies",), run.energies


def _check_runs(study: Study) -> None:
    """Raise InputError for a study without systems, and for runs that contradict themselves."""
    if not study.config.sweep and not study.config.runs:
        raise study.wrong(("sweep",), "has no system; allowed: at least 1 here, or a run in runs")
    for number, run in enumerate(study.config.runs):
        if (run.lithium_ions > 0) != (run.salt != NO_SALT):
            said = "names no salt" if run.lithium_ions else f"is {run.salt} where there is no lithium ion"
            raise study.wrong(("runs", number, "salt"), f"{said}; allowed: a name with lithium_ions, {NO_SALT} without")


def _check_paths(study: Study) -> None:
    """Files that only the end of the workflow reads must exist at its start."""
    for key, name in study.config.reference.model_dump().items():
        path = study.found(name)
        # Snakemake reads braces as a wildcard
        if not path.is_file() or {"{", "}"} & set(str(path)):
            raise study.wrong(("reference", key), f"{str(path)!r} is no file; allowed: a file, no braces in its path")
    for number, run in enumerate(study.config.runs):
        for keys, name in _files_of(run):
            path = study.found(name)
            if not path.is_file() or {"{", "}"} & set(str(path)):
                raise study.wrong(
                    ("runs", number, *keys), f"{name!r} is no file; allowed: a file, no braces in its path"
                )
        # for the mistakes in it
        study.roles_of(run)
    if not study.topologies.is_dir():
        raise study.wrong(("topologies",), f"{study.config.topologies!r} is no folder of building blocks")


def make_study(data: Mapping[str, Any], files: Sequence[YamlFile], base: Path) -> Study:
    """Check merged configuration data.

    `files` are the merged files in order, to locate mistakes; `base` is the folder for relative paths. Raises
    InputError with one line.
    """
    named = [file.path for file in files if file.path.parts[-2:] == Path(SHIPPED).parts]
    in_order = "" if named or not files else f"{SHIPPED} has it; allowed: {SHIPPED} {files[-1].path}, in this order"
    config = validate(Config, dict(data), files, elsewhere=in_order)
    protocol = _protocol_with_overrides(config, base, files)
    study = Study(config, protocol, base, tuple(files))
    _check_runs(study)
    _check_analysed_stage(study)
    _check_cadences(study)
    _check_lag(study)
    _check_paths(study)
    cooling = config.analysis.cooling_stage
    cooled = [stage.name for stage in study.stages if stage.ensemble == "NPT" and stage.temperature_from_K is not None]
    if cooling is not None and cooling not in cooled:
        raise study.wrong(
            ("analysis", "cooling_stage"),
            f"{cooling!r} is no stage in NPT whose temperature changes by steps; allowed: "
            f"{', '.join(cooled) or 'none in this protocol'}",
        )
    before = {stage.name: earlier for earlier, stage in itertools.pairwise(study.stages)}
    if cooling in before and study.temperatures_K(before[cooling]) != {study.stage(cooling).temperature_from_K}:
        raise study.wrong(
            ("stages", cooling, "temperature_from_K"),
            f"{cooling} begins at {study.stage(cooling).temperature_from_K:g} K, and {before[cooling].name} before it does not "
            "end there in all systems; allowed: one temperature for both",
        )
    dynamics = [stage.name for stage in study.stages if stage.is_dynamics]
    if config.box.supercell_from not in (None, *dynamics):
        said = f"{config.box.supercell_from!r} is no stage of dynamics that runs; allowed: {', '.join(dynamics)}"
        raise study.wrong(("box", "supercell_from"), said)
    return study


def _key_paths(data: Any, keys: KeyPath = ()) -> Iterator[tuple[KeyPath, int]]:
    """Every key path of nested mappings and lists, all with line 1."""
    items = data.items() if isinstance(data, Mapping) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*keys, key), 1
        yield from _key_paths(value, (*keys, key))


def load_study(paths: Sequence[Path], base: Path, overrides: Mapping[str, Any] | None = None) -> Study:
    """Read, merge (later over earlier, `overrides` last) and check configuration files.

    Raises InputError with one line that names file, key, value and what is allowed.
    """
    files = [read_yaml(path) for path in paths]
    data: dict[str, Any] = {}
    for file in files:
        if not isinstance(file.data, dict):
            what = "holds no keys" if file.data is None else "not a mapping of keys"
            raise InputError(f"{file.path}: {what}; allowed: the keys of config/README.md")
        data = merge(data, file.data)
    if overrides:
        files.append(YamlFile(Path("command line"), overrides, dict(_key_paths(overrides))))
        data = merge(data, overrides)
    return make_study(data, files, base)
