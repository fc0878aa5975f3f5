"""The systems of a study: names, compositions, seeds, sizes."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from eoli.core.names import LONGEST_NAME
from eoli.core.text import did_you_mean
from eoli.core.units import GRAM_PER_MOL_NM3
from eoli.core.yamlfile import KeyPath
from eoli.errors import InputError
from eoli.forcefield.library import Library, library
from eoli.forcefield.models import DEFAULT, IMPORTED, NO_SALT, ForceFieldChoice, imported_choice
from eoli.study.config import (
    DEFAULT_CHARGE_SCALE,
    DEFAULT_ETHER_SET,
    DEFAULT_MIXING,
    DEFAULT_SALT,
    ImportedRun,
    Study,
    SweepBlock,
)  # fmt: skip
from eoli.study.protocol import LEAST_ENERGIES, Stage

NO_COPIES = (1, 1, 1)

MOST_SYSTEMS = 10_000
MOST_SITES = 10_000_000
"""Largest box, in sites: one frame takes 120 MB, and analyses hold a few dozen."""
MOST_BINS = 200_000
"""Bins of g(r) up to the corners of a box: about 200 MB of pair counts."""
MOST_WAVES = 10_000_000
"""Wave vectors of S(q) up to q_max: their indices take 240 MB, more during selection."""
MOST_PLATEAUS = 150
"""Temperatures per stage: their times must fit into one line of GROMACS, 4096 characters."""


@dataclass(frozen=True)
class System:
    """One box: what it contains and the conditions of its simulation.

    Systems of a temperature series share the box and the `common` stages of `series`, which has a folder like theirs. A
    supercell repeats the equilibrated box of its `parent`. `solvents` are names with numbers of molecules. One that was made elsewhere is the run of that number,
    `imported`, of the configuration.
    """

    name: str
    polymer: str
    salt: str
    eo_li_asked: float | None
    temperature_K: float
    replicate: int
    choice: ForceFieldChoice
    chains: int
    ether_oxygens: int
    cations: int
    in_study: bool
    series: str | None = None
    common: tuple[str, ...] = ()
    supercell: tuple[int, int, int] = NO_COPIES
    parent: str | None = None
    imported: int | None = None
    solvents: tuple[tuple[str, int], ...] = ()

    def home(self, stage: str) -> str:
        """Folder in `results` that holds a stage: the system's own, or its series'."""
        return self.series if self.series is not None and stage in self.common else self.name

    @property
    def eo_li(self) -> float | None:
        """Simulated ratio: ether oxygens per lithium ion, after rounding to whole ions."""
        return self.ether_oxygens / self.cations if self.cations else None

    @property
    def solvent_names(self) -> tuple[str, ...]:
        """Names of the solvents, in the order of the topology."""
        return tuple(name for name, _ in self.solvents)

    @property
    def solvent_molecules(self) -> int:
        """Molecules of all solvents."""
        return sum(count for _, count in self.solvents)

    @property
    def replica_group(self) -> str:
        """Name of the system's replica group."""
        return self.name.removesuffix(f"-r{self.replicate}")


def replica_groups(systems: Iterable[System]) -> dict[str, list[System]]:
    """Systems by replica group."""
    found: dict[str, list[System]] = {}
    for system in systems:
        found.setdefault(system.replica_group, []).append(system)
    return found


def side_by_side(systems: Iterable[System]) -> list[System]:
    """Two systems to show side by side: two polymers, all else equal, with those of the study and with salt first.

    Without such a pair, the first two; fewer if there are fewer.
    """
    ordered = sorted(systems, key=lambda s: (not s.in_study, s.salt == NO_SALT, s.replicate))

    def conditions(system: System) -> tuple[object, ...]:
        box = system.chains, system.supercell, system.solvents
        return system.salt, system.eo_li_asked, system.temperature_K, system.replicate, system.choice, *box

    for first, second in itertools.combinations(ordered, 2):
        if first.polymer != second.polymer and conditions(first) == conditions(second):
            return [first, second]
    return ordered[:2]


def stages_of(study: Study, system: System) -> tuple[Stage, ...]:
    """Stages of a system: those of the protocol, or the one that an imported run stands in for."""
    return study.stages if system.imported is None else (study.stage_of_run(study.config.runs[system.imported]),)


def seed_for(seed: int, *purpose: str | int) -> int:
    """A positive 31-bit seed that depends only on the study's seed and on its purpose."""
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % (2**31 - 2) + 1


def whole_ions(ether_oxygens: int, eo_li: float) -> int:
    """Number of lithium ions for a ratio, rounded half up."""
    return math.floor(ether_oxygens / eo_li + 0.5)


def system_name(
    polymer: str, salt: str, eo_li: float | None, temperature_K: float | None, choice: ForceFieldChoice,
    usual: ForceFieldChoice, replicate: int, supercell: tuple[int, int, int] = NO_COPIES,
    solvents: Sequence[tuple[str, int]] = (),
) -> str:  # fmt: skip
    """`<polymer>-eo<ratio>-<T>K[-salt][-<solvent><number>...][-ether][-cation][-anion][-mixing][-q<scale>][-<n>x<n>x<n>]-r<replicate>`.

    Axes at their default are left out (force field: those of `usual`). Without a temperature, `series` takes its place.
    """
    at = "series" if temperature_K is None else f"{temperature_K:.0f}K"
    parts = [polymer, "neat" if salt == NO_SALT or eo_li is None else f"eo{eo_li:g}", at]
    if salt not in (DEFAULT_SALT, NO_SALT):
        parts.append(salt)
    parts += [f"{name}{count}" for name, count in solvents]
    for key in ("ether_set", "cation_model", "anion_model", "mixing"):
        if getattr(choice, key) != getattr(usual, key):
            parts.append(getattr(choice, key))
    scale = choice.ion_charge_scale
    if scale != DEFAULT_CHARGE_SCALE:
        parts.append(f"q{scale:.2f}" if round(scale, 2) == scale else f"q{scale:g}")
    if supercell != NO_COPIES:
        parts.append("x".join(map(str, supercell)))
    return "-".join([*parts, f"r{replicate}"])


@contextmanager
def _asked_by(study: Study, number: int, key: str) -> Iterator[None]:
    """Locates an error raised in this context at a key of a sweep block."""
    try:
        yield
    except InputError as error:
        raise study.wrong(("sweep", number, key), error) from None


def _check_block(block: SweepBlock, number: int, study: Study, blocks: Library) -> None:
    """Raise InputError for an unknown building block, or keys that exclude each other."""
    sets, salts = blocks.ether_sets(), [*blocks.names("salts"), NO_SALT]
    unknown_set = next((name for name in block.ether_set if name not in sets), None)
    unknown_salt = next((name for name in block.salt if name not in salts), None)
    all_neat = all(name == NO_SALT for name in block.salt)
    series, common, analysed = block.temperature_series, study.common_stages, study.config.analysis.stage
    near_set, near_salt = did_you_mean(unknown_set or "", sets), did_you_mean(unknown_salt or "", salts)
    for wrong, key, message in (
        (unknown_set, "ether_set", f"{unknown_set!r} is not allowed{near_set}; allowed: {', '.join(sets)}"),
        (series and analysed in [stage.name for stage in common], "temperature_series",
         f"{analysed}, which is analysed, is the same at all temperatures; allowed: an analysis.stage at the system's "
         "temperature"),
        (series and not any(stage.is_dynamics for stage in common), "temperature_series",
         f"{study.config.protocol} begins its dynamics at the system's temperature, so that there is nothing to share; "
         "allowed: a protocol whose first stages of dynamics have a temperature_K of their own"),
        (series and math.prod(block.supercell) > 1, "supercell",
         "does not go with temperature_series; allowed: one of them in a block"),
        (unknown_salt, "salt",
         f"salt {unknown_salt!r} is not in {blocks.root / 'salts'}{near_salt}; allowed: {', '.join(salts)}"),
        (block.eo_li and all_neat, "eo_li", f"has no meaning with salt: {NO_SALT}; allowed: leave it out, or name a salt"),
        (not block.eo_li and not all_neat, "eo_li", "is missing; a salt needs it"),
    ):  # fmt: skip
        if wrong:
            raise study.wrong(("sweep", number, key), message)


def _check_imported(polymer: str, block: SweepBlock, number: int, study: Study) -> None:
    """Raise InputError for axes that an imported polymer does not have."""
    for key in ("ether_set", "mixing"):
        if key in block.model_fields_set:
            raise study.wrong(
                ("sweep", number, key),
                f"has no meaning for {polymer}, which is imported with its force field; allowed: leave it out, or a block of its "
                "own for other polymers",
            )


def _cations(polymer: str, ether_oxygens: int, eo_li: float | None) -> int:
    if eo_li is None:
        return 0
    if ether_oxygens == 0:
        raise InputError(f"{polymer} has no ether oxygen; allowed: salt: none")
    cations = whole_ions(ether_oxygens, eo_li)
    if cations == 0:
        raise InputError(
            f"{eo_li:g} gives no lithium ion among {ether_oxygens} ether oxygens; allowed: at most {2 * ether_oxygens}"
        )
    return cations


def _solvents(block: SweepBlock, cations: int) -> tuple[tuple[str, int], ...]:
    """Molecules of each solvent of a box, by name; ratios rounded half up, as ions are."""
    found = []
    for name, asked in sorted(block.solvents.items()):
        if isinstance(asked, int):
            found.append((name, asked))
            continue
        count = math.floor(asked.per_lithium * cations + 0.5)
        if count == 0:
            raise InputError(
                f"{name}: per_lithium: {asked.per_lithium:g} gives no molecule beside {cations} lithium ions; allowed: a number "
                "of molecules, or a salt and a larger ratio"
            )
        found.append((name, count))
    return tuple(found)


def _block_systems(block: SweepBlock, number: int, study: Study, blocks: Library) -> Iterator[System]:
    """Every combination of a block's axes. Raises InputError for one that cannot be built."""
    x, y, z = block.supercell
    supercell, copies, chains = (x, y, z), x * y * z, study.config.box.chains
    common = tuple(stage.name for stage in study.common_stages) if block.temperature_series else ()
    asked_by = partial(_asked_by, study, number)
    for polymer, salt, ether_set in itertools.product(block.polymer, block.salt, block.ether_set):
        with asked_by("polymer"):
            chain = blocks.polymer(polymer, ether_set)
        ether_oxygens = chain.ether_oxygens * chains
        mixings: list[str] = [*block.mixing]
        usual_set: str = DEFAULT_ETHER_SET
        usual_mixing: str = DEFAULT_MIXING
        if chain.imported is not None:
            _check_imported(polymer, block, number, study)
            usual_set = ether_set = chain.ether_set
            mixings, usual_mixing = [IMPORTED], IMPORTED
        with asked_by("salt"):
            usual = blocks.choose(salt, usual_set, DEFAULT, DEFAULT, usual_mixing, DEFAULT_CHARGE_SCALE)
            blocks.composition(polymer, salt, replace(usual, ether_set=ether_set))
        with asked_by("solvents"):
            blocks.composition(polymer, salt, replace(usual, ether_set=ether_set), sorted(block.solvents))
        ratios: Sequence[float | None] = [None] if salt == NO_SALT else block.eo_li
        choices = []
        for cation, anion, mixing, scale in itertools.product(
            block.cation_model, block.anion_model, mixings, block.ion_charge_scale
        ):
            with asked_by("cation_model"):
                blocks.choose(salt, ether_set, cation, DEFAULT, mixing, scale)
            with asked_by("anion_model"):
                choices.append(blocks.choose(salt, ether_set, cation, anion, mixing, scale))
        for ratio, kelvin, choice, replicate in itertools.product(
            ratios, block.temperature_K, choices, block.replicate
        ):
            with asked_by("eo_li"):
                # ions are rounded in the box that is repeated, so a supercell has its parent's ratio
                cations = _cations(polymer, ether_oxygens, ratio)
            with asked_by("solvents"):
                solvents = _solvents(block, cations)
            named = partial(
                system_name, polymer, salt, ratio, choice=choice, usual=usual, replicate=replicate, solvents=solvents
            )
            yield System(
                name=named(temperature_K=kelvin, supercell=supercell),
                polymer=polymer,
                salt=salt,
                eo_li_asked=ratio,
                temperature_K=kelvin,
                replicate=replicate,
                choice=choice,
                chains=chains * copies,
                ether_oxygens=ether_oxygens * copies,
                cations=cations * copies,
                in_study=block.in_study,
                series=named(temperature_K=None) if block.temperature_series else None,
                common=common,
                supercell=supercell,
                parent=named(temperature_K=kelvin) if copies > 1 else None,
                solvents=tuple((name, count * copies) for name, count in solvents),
            )


@dataclass(frozen=True)
class Size:
    """Size of a system, from its composition alone."""

    sites: int
    mass_g_mol: float
    ideal_density_g_cm3: float

    @property
    def box_nm(self) -> float:
        """Box edge at the ideal-mixing density, nm."""
        return box_length_nm(self.mass_g_mol, self.ideal_density_g_cm3)


def n_sites(system: System, study: Study) -> int:
    """Number of sites of a system."""
    if system.imported is not None:
        return study.config.runs[system.imported].sites
    return size_of(system, library(study.topologies)).sites


def size_of(system: System, blocks: Library) -> Size:
    """Sites, mass and ideal-mixing density of a system.

    The density mixes neat polymer, salt and solvents by volume, each at the temperature of its own data. It is an estimate for
    sizes and plausibility, never a result.
    """
    names = system.solvent_names
    (of_chain, chain_mass), *others = blocks.size_of_molecules(system.polymer, system.salt, system.choice, names)
    ions, beside = others[: len(others) - len(names)], others[len(others) - len(names) :]
    chain = blocks.polymer(system.polymer, system.choice.ether_set)
    sites, mass = system.chains * of_chain, system.chains * chain_mass
    volume = mass / chain.polymer.neat_density_g_cm3.value
    if system.salt != NO_SALT:
        salt = blocks.salt(system.salt)
        sites += system.cations * sum(of_ion for of_ion, _ in ions)
        mass += system.cations * sum(ion_mass for _, ion_mass in ions)
        volume += system.cations * salt.molar_volume_cm3_mol.value
    for (name, count), (of_solvent, solvent_mass) in zip(system.solvents, beside, strict=True):
        sites += count * of_solvent
        mass += count * solvent_mass
        volume += count * solvent_mass / blocks.solvent_density_g_cm3(name)
    return Size(sites, mass, mass / volume)


def box_length_nm(mass_g_mol: float, density_g_cm3: float) -> float:
    """Edge of the cube that holds a mass at a density, nm."""
    return float((mass_g_mol / (density_g_cm3 * GRAM_PER_MOL_NM3)) ** (1 / 3))


def _check_box(system: System, number: int, study: Study, blocks: Library) -> None:
    """Raise InputError for a box too large to analyse, or too small for the cut-off."""
    size, cutoff, analysis = size_of(system, blocks), study.protocol.cutoff_nm, study.config.analysis
    box, rdf_bin, q_max = size.box_nm, analysis.rdf_bin_nm, analysis.morphology.q_max_per_nm
    bins, waves = math.sqrt(3) / 2 * box / rdf_bin, 4 * (q_max * box / (2 * math.pi)) ** 3
    keys: KeyPath
    for wrong, keys, message in (
        (size.sites > MOST_SITES, ("sweep", number),
         f"{system.name}: {system.chains} chains make {size.sites} sites; allowed: at most {MOST_SITES}, which analyses can "
         "hold in memory"),
        (bins > MOST_BINS, ("analysis", "rdf_bin_nm"),
         f"{rdf_bin:g} makes {bins:.3g} bins in the box of {system.name}; allowed: at least "
         f"{math.sqrt(3) / 2 * box / MOST_BINS:.2g}"),
        (waves > MOST_WAVES, ("analysis", "morphology", "q_max_per_nm"),
         f"{q_max:g} makes {waves:.3g} wave vectors in the box of {system.name}; allowed: at most "
         f"{(MOST_WAVES / 4) ** (1 / 3) * 2 * math.pi / box:.3g}"),
        (system.parent is None and box < 2 * cutoff, ("sweep", number),
         f"{system.name}: {system.chains} chains make a box of {box:.2f} nm, smaller than twice the cut-off of {cutoff:g} nm; "
         "allowed: more chains (box.chains)"),
    ):  # fmt: skip
        if wrong:
            raise study.wrong(keys, message)


def _check_course(stage: Stage, system: System, study: Study) -> None:
    """Temperature steps must fit into GROMACS's input, and each needs enough energies."""
    if stage.temperature_from_K is None or stage.length_ns is None or stage.energy_interval_ps is None:
        return
    steps = len(stage.course(system.temperature_K))
    most = max(1, min(MOST_PLATEAUS, int(stage.length_ns * 1000 / stage.energy_interval_ps / LEAST_ENERGIES)))
    if steps > most:
        raise study.wrong(
            ("stages", stage.name, "temperature_step_K"),
            f"{stage.name} of {system.name} has {steps} temperatures; allowed: {most}, of {LEAST_ENERGIES} energies at least "
            "(energy_interval_ps)",
        )  # fmt: skip


def _imported(run: ImportedRun, number: int) -> System:
    """A run that was made elsewhere. Its choices name its force field, so that it is grouped with no other unasked."""
    salted = run.lithium_ions > 0
    return System(
        name=run.system,
        polymer=run.polymer,
        salt=run.salt,
        eo_li_asked=round(run.ether_oxygens / run.lithium_ions, 4) if salted else None,
        temperature_K=run.temperature_K,
        replicate=run.replicate,
        choice=imported_choice(run.force_field or run.name, run.ion_charge_scale, salted),
        chains=run.chains,
        ether_oxygens=run.ether_oxygens,
        cations=run.lithium_ions,
        in_study=False,
        imported=number,
    )


def systems_of(study: Study) -> dict[str, System]:
    """All systems of a study by name, in configuration order.

    Raises InputError if a block cannot be built, or if two systems share a name.
    """
    blocks = library(study.topologies)
    systems: dict[str, System] = {}
    asked = 0
    for number, block in enumerate(study.config.sweep):
        axes: tuple[Sized, ...] = (block.polymer, block.salt, block.eo_li or [0], block.temperature_K, block.replicate, block.ether_set,
                block.cation_model, block.anion_model, block.mixing, block.ion_charge_scale)  # fmt: skip
        asked += math.prod(map(len, axes))
        here = ("sweep", number)
        if asked > MOST_SYSTEMS:
            raise study.wrong(here, f"the sweep has {asked} systems and more; allowed: {MOST_SYSTEMS}")
        _check_block(block, number, study, blocks)
        for system in _block_systems(block, number, study, blocks):
            name = system.name
            if len(name) > LONGEST_NAME:
                allowed = f"allowed: {LONGEST_NAME}, which file systems can hold"
                raise study.wrong(here, f"{name} has {len(name)} characters; {allowed}")
            for stage in study.stages:
                _check_course(stage, system, study)
            if name in systems:
                unique = "names are unique (temperatures that round to one kelvin count as one)"
                raise study.wrong(here, f"{name} is already in the sweep; {unique}")
            _check_box(system, number, study, blocks)
            systems[name] = system
    for number, run in enumerate(study.config.runs):
        system = _imported(run, number)
        if system.name in systems:
            raise study.wrong(
                ("runs", number), f"{system.name} is already in the study; allowed: another name or replicate"
            )
        systems[system.name] = system
    for system in systems.values():
        if system.parent is not None and system.parent not in systems:
            raise study.wrong(
                ("sweep",),
                f"{system.name} repeats the box of {system.parent}, which is not in the sweep; allowed: a block that has it, "
                "the same without supercell",
            )  # fmt: skip
    _check_reference(study, list(systems.values()))
    return systems


def _check_reference(study: Study, systems: Sequence[System]) -> None:
    """Raise InputError for a declared reference that no system has."""
    asked = study.config.equal_lag
    polymers = list(dict.fromkeys(system.polymer for system in systems))
    if asked.polymer is not None and asked.polymer not in polymers:
        known = f"{asked.polymer} is not in the sweep{did_you_mean(asked.polymer, polymers)}"
        raise study.wrong(("equal_lag", "polymer"), f"{known}; allowed: {', '.join(polymers)}")
    ratios = sorted({system.eo_li_asked for system in systems if system.eo_li_asked is not None})
    if asked.eo_li is not None and asked.eo_li not in ratios:
        allowed = ", ".join(f"{ratio:g}" for ratio in ratios) or "no such key, since no system has salt"
        raise study.wrong(("equal_lag", "eo_li"), f"{asked.eo_li:g} is not in the sweep; allowed: {allowed}")


def series_of(study: Study, systems: Iterable[System]) -> dict[str, System]:
    """Shared parts of the temperature series, by name: systems with a box and the common stages only.

    Their temperature is that of the last common stage.
    """
    kelvin = [stage.temperature_K for stage in study.common_stages if stage.temperature_K is not None]
    return {
        system.series: replace(system, name=system.series, temperature_K=kelvin[-1], series=None, common=())
        for system in systems
        if system.series is not None
    }
