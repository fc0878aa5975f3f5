"""The systems of a study: names, compositions, seeds, sizes."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from eoli.core.names import LONGEST_NAME, shares_of, shares_text
from eoli.core.text import did_you_mean, misspelt
from eoli.core.units import GRAM_PER_MOL_NM3
from eoli.core.yamlfile import KeyPath
from eoli.errors import InputError
from eoli.forcefield.library import Library, library
from eoli.forcefield.models import (
    DEFAULT,
    IMPORTED,
    IONS,
    NO_SALT,
    Contents,
    Counts,
    ForceFieldChoice,
    ImportedEntry,
    imported_choice,
    is_hydrogen,
)
from eoli.study.axes import LEAST_OF_FIT, unknown_reference
from eoli.study.box_shape import Edges, Shape, edges_nm
from eoli.study.config import (
    DEFAULT_CHARGE_SCALE,
    DEFAULT_ETHER_SET,
    DEFAULT_MIXING,
    DEFAULT_SALT,
    ImportedRun,
    Study,
    SweepBlock,
)  # fmt: skip
from eoli.study.lags import INDEPENDENT_ORIGINS, closest, within_reach
from eoli.study.protocol import LEAST_ENERGIES, MOST_FS_OF_HYDROGENS, MOST_STEPS, Stage, too_light

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

    `polymer` and `salt` are as tables name them, a mixture with its shares (`shares_text`); `contents` has the
    numbers. Systems of a temperature series share the box and the `common` stages of `series`, which has a folder like theirs. A
    supercell repeats the equilibrated box of its `parent`. One that was made elsewhere is the run of that number,
    `imported`, of the configuration.
    """

    name: str
    polymer: str
    salt: str
    eo_li_asked: float | None
    temperature_K: float
    replicate: int
    choice: ForceFieldChoice
    contents: Contents
    ether_oxygens: int
    in_study: bool
    series: str | None = None
    common: tuple[str, ...] = ()
    supercell: tuple[int, int, int] = NO_COPIES
    parent: str | None = None
    imported: int | None = None

    def home(self, stage: str) -> str:
        """Folder in `results` that holds a stage: the system's own, or its series'."""
        return self.series if self.series is not None and stage in self.common else self.name

    @property
    def eo_li(self) -> float | None:
        """Simulated ratio: ether oxygens per lithium ion, after rounding to whole ions."""
        return self.ether_oxygens / self.cations if self.cations else None

    @property
    def chains(self) -> int:
        """Polymer chains."""
        return self.contents.chains

    @property
    def cations(self) -> int:
        """Lithium ions."""
        return self.contents.cations

    @property
    def solvents(self) -> Counts:
        """Solvents with their numbers of molecules."""
        return self.contents.solvents

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
    """Stages of a system: those of the protocol with its own length, or the one that an imported run stands in for."""
    if system.imported is not None:
        return (study.stage_of_run(study.config.runs[system.imported]),)
    own = study.config.lengths_ns.get(system.name)
    if own is None:
        return study.stages
    analysed = study.stage(study.config.analysis.stage)
    longer = analysed.model_copy(
        update={"length_ns": own, "max_length_ns": None if analysed.max_length_ns is None else own}
    )
    return tuple(longer if stage is analysed else stage for stage in study.stages)


def seed_for(seed: int, *purpose: str | int) -> int:
    """A positive 31-bit seed that depends only on the study's seed and on its purpose."""
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % (2**31 - 2) + 1


def whole_ions(ether_oxygens: int, eo_li: float) -> int:
    """Number of lithium ions for a ratio, rounded half up."""
    return math.floor(ether_oxygens / eo_li + 0.5)


def _named(cell: str) -> str:
    """A polymer or salt as a part of a name, those of a mixture with their shares."""
    shares = shares_of(cell)
    return cell if len(shares) == 1 else "-".join(f"{share:g}{name}" for name, share in shares.items())


def system_name(
    polymer: str, salt: str, eo_li: float | None, temperature_K: float | None, choice: ForceFieldChoice,
    usual: ForceFieldChoice, replicate: int, supercell: tuple[int, int, int] = NO_COPIES,
    solvents: Sequence[tuple[str, int]] = (),
) -> str:  # fmt: skip
    """`[<share>]<polymer>[...]-eo<ratio>-<T>K[-salt][-<share><salt>...][-<solvent><number>...][-ether][-cation][-anion][-mixing][-q<scale>][-<n>x<n>x<n>]-r<replicate>`.

    Axes at their default are left out (force field: those of `usual`). Without a temperature, `series` takes its place.
    """
    at = "series" if temperature_K is None else f"{temperature_K:.0f}K"
    parts = [_named(polymer), "neat" if salt == NO_SALT or eo_li is None else f"eo{eo_li:g}", at]
    if salt not in (DEFAULT_SALT, NO_SALT):
        parts.append(_named(salt))
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
    asked = [name for entry in block.salt for name in ([entry] if isinstance(entry, str) else entry)]
    unknown_salt = next((name for name in asked if name not in salts), None)
    all_neat = all(name == NO_SALT for name in asked)
    series, common, analysed = block.temperature_series, study.common_stages, study.config.analysis.stage
    near_set, near_salt = did_you_mean(unknown_set or "", sets), misspelt(unknown_salt or "", salts)
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
        (study.config.box.shape != "cubic" and len(set(block.supercell)) > 1, "supercell",
         f"{block.supercell} breaks the ratio of edges that box.shape {study.config.box.shape} is for; allowed: three equal numbers, "
         "or box.shape: cubic"),
        (unknown_salt, "salt",
         f"salt {unknown_salt!r} is not in {blocks.root / 'salts'}{near_salt}; allowed: {', '.join(salts)}"),
        (block.eo_li and all_neat, "eo_li", f"has no meaning with salt: {NO_SALT}; allowed: leave it out, or name a salt"),
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


def _ratios(
    polymer: str, salt: str, ether_oxygens: int, counter_ions: int, asked: Sequence[float]
) -> Sequence[float | None]:
    """The ratios of a polymer with a salt. That of charged chains follows from their lithium, `counter_ions`, as imported
    runs have theirs. Raises InputError if it is asked for, and for another salt without a ratio."""
    if counter_ions:
        ratio = round(ether_oxygens / counter_ions, 4)
        if asked:
            raise InputError(
                f"has no meaning for {polymer} with {salt}: {counter_ions} lithium ions neutralise its chains, which gives "
                f"{ratio:g}; allowed: leave it out"
            )
        return [ratio]
    if salt != NO_SALT and not asked:
        raise InputError("is missing; a salt needs it")
    return [None] if salt == NO_SALT else asked


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


def _parted(shares: Mapping[str, float], total: int, of_what: str) -> Counts:
    """Molecules of each name, in order of names, by its share of the total: whole ones with the largest remainders rounded
    up. Raises InputError for a name without any."""
    exact = {name: share * total for name, share in sorted(shares.items())}
    counts = {name: math.floor(number + 1e-9) for name, number in exact.items()}
    by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[: total - sum(counts.values())]:
        counts[name] += 1
    for name, count in counts.items():
        if total and not count:
            raise InputError(
                f"{name}: a share of {shares[name]:g} gives none of {total} {of_what}; allowed: a larger share, or more of them"
            )
    return tuple(counts.items())


def _chains_of(asked: str | Mapping[str, float], chains: int) -> Counts:
    """Chains of each polymer of a box, `chains` in all unless a blend gives numbers."""
    if isinstance(asked, str):
        return ((asked, chains),)
    if all(isinstance(number, int) for number in asked.values()):
        return tuple((name, int(number)) for name, number in sorted(asked.items()))
    return _parted(asked, chains, "chains")


def _solvents(block: SweepBlock, chains: int, cations: int) -> Counts:
    """Molecules of each solvent of a box, by name; ratios rounded half up, as ions are."""
    found = []
    for name, asked in sorted(block.solvents.items()):
        if isinstance(asked, int):
            found.append((name, asked))
            continue
        of_what, ratio = asked.ratio
        beside, shown = {"per_lithium": (cations, "lithium ions"), "per_chain": (chains, "chains")}[of_what]
        count = math.floor(ratio * beside + 0.5)
        if count == 0:
            raise InputError(
                f"{name}: {of_what}: {ratio:g} gives no molecule beside {beside} {shown}; allowed: a number of molecules, "
                f"or {'a salt and ' if not beside else ''}a larger ratio"
            )
        found.append((name, count))
    return tuple(found)


def _block_systems(block: SweepBlock, number: int, study: Study, blocks: Library) -> Iterator[System]:
    """Every combination of a block's axes. Raises InputError for one that cannot be built."""
    x, y, z = block.supercell
    supercell, copies = (x, y, z), x * y * z
    common = tuple(stage.name for stage in study.common_stages) if block.temperature_series else ()
    asked_by = partial(_asked_by, study, number)
    for of_chains, of_salts, ether_set in itertools.product(block.polymer, block.salt, block.ether_set):
        polymer, salt = (of if isinstance(of, str) else shares_text(of) for of in (of_chains, of_salts))
        shares = {of_salts: 1.0} if isinstance(of_salts, str) else of_salts
        with asked_by("polymer"):
            polymers = _chains_of(of_chains, study.config.box.chains)
            sets = blocks.imported_sets([name for name, _ in polymers], ether_set)
        mixings: list[str] = [*block.mixing]
        usual_set: str = DEFAULT_ETHER_SET
        usual_mixing: str = DEFAULT_MIXING
        if sets:
            _check_imported(polymer, block, number, study)
            usual_set = ether_set = sets[0]
            mixings, usual_mixing = [IMPORTED], IMPORTED
        with asked_by("salt"):
            usual = blocks.choose(sorted(shares), usual_set, DEFAULT, DEFAULT, usual_mixing, DEFAULT_CHARGE_SCALE)
            contents = Contents(polymers, () if salt == NO_SALT else _parted(shares, 0, ""))
            held = blocks.composition(contents, replace(usual, ether_set=ether_set))
        ether_oxygens, counter_ions = held.ether_oxygens, -held.tethered_charge
        with asked_by("solvents"):
            contents = replace(contents, solvents=tuple((name, 1) for name in sorted(block.solvents)))
            blocks.composition(contents, replace(usual, ether_set=ether_set))
        with asked_by("eo_li"):
            ratios = _ratios(polymer, salt, ether_oxygens, counter_ions, block.eo_li)
        choices = []
        for cation, anion, mixing, scale in itertools.product(
            block.cation_model, block.anion_model, mixings, block.ion_charge_scale
        ):
            with asked_by("cation_model"):
                blocks.choose(sorted(shares), ether_set, cation, DEFAULT, mixing, scale)
            with asked_by("anion_model"):
                choices.append(blocks.choose(sorted(shares), ether_set, cation, anion, mixing, scale))
            with asked_by("ion_charge_scale"):
                blocks.composition(contents, replace(usual, ether_set=ether_set, ion_charge_scale=scale))
        for ratio, kelvin, choice, replicate in itertools.product(
            ratios, block.temperature_K, choices, block.replicate
        ):
            with asked_by("eo_li"):
                # ions are rounded in the box that is repeated, so a supercell has its parent's ratio
                cations = counter_ions or _cations(polymer, ether_oxygens, ratio)
            with asked_by("salt"):
                pairs = () if salt == NO_SALT else _parted(shares, cations, "lithium ions")
            with asked_by("solvents"):
                contents = Contents(polymers, pairs, _solvents(block, contents.chains, cations))
            named = partial(
                system_name, polymer, salt, ratio, choice=choice, usual=usual, replicate=replicate,
                solvents=contents.solvents,
            )  # fmt: skip
            yield System(
                name=named(temperature_K=kelvin, supercell=supercell),
                polymer=polymer,
                salt=salt,
                eo_li_asked=ratio,
                temperature_K=kelvin,
                replicate=replicate,
                choice=choice,
                contents=contents.times(copies),
                ether_oxygens=ether_oxygens * copies,
                in_study=block.in_study,
                series=named(temperature_K=None) if block.temperature_series else None,
                common=common,
                supercell=supercell,
                parent=named(temperature_K=kelvin) if copies > 1 else None,
            )


@dataclass(frozen=True)
class Size:
    """Size of a system, from its composition alone."""

    sites: int
    mass_g_mol: float
    ideal_density_g_cm3: float

    def edges_nm(self, shape: Shape) -> Edges:
        """Edges of the box at the ideal-mixing density, nm."""
        return box_edges_nm(self.mass_g_mol, self.ideal_density_g_cm3, shape)


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
    sites, mass, volume = 0, 0.0, 0.0
    for part in blocks.composition(system.contents, system.choice).ingredients:
        of_one, mass_of_one = blocks.size_of(part.entry)
        sites += part.count * of_one
        mass += part.count * mass_of_one
        if part.kind not in IONS:
            volume += part.count * mass_of_one / part.density_g_cm3
    for name, pairs in system.contents.salts:
        if (molar := blocks.salt(name).molar_volume_cm3_mol) is not None:
            volume += pairs * molar.value
    return Size(sites, mass, mass / volume)


def box_edges_nm(mass_g_mol: float, density_g_cm3: float, shape: Shape) -> Edges:
    """Edges of the box that holds a mass at a density, nm."""
    return edges_nm(mass_g_mol / (density_g_cm3 * GRAM_PER_MOL_NM3), shape)


def _check_box(system: System, number: int, study: Study, blocks: Library) -> None:
    """Raise InputError for a box too large to analyse, or too small for the cut-off."""
    size, cutoff, analysis = size_of(system, blocks), study.protocol.cutoff_nm, study.config.analysis
    edges = size.edges_nm(study.config.box.shape)
    rdf_bin, q_max, longest = analysis.rdf_bin_nm, analysis.morphology.q_max_per_nm, max(edges)
    bins, waves = math.sqrt(3) / 2 * longest / rdf_bin, 4 * math.prod(q_max * edge / (2 * math.pi) for edge in edges)
    keys: KeyPath
    for wrong, keys, message in (
        (size.sites > MOST_SITES, ("sweep", number),
         f"{system.name}: {system.chains} chains make {size.sites} sites; allowed: at most {MOST_SITES}, which analyses can "
         "hold in memory"),
        (bins > MOST_BINS, ("analysis", "rdf_bin_nm"),
         f"{rdf_bin:g} makes {bins:.3g} bins in the box of {system.name}; allowed: at least "
         f"{math.sqrt(3) / 2 * longest / MOST_BINS:.2g}"),
        (waves > MOST_WAVES, ("analysis", "morphology", "q_max_per_nm"),
         f"{q_max:g} makes {waves:.3g} wave vectors in the box of {system.name}; allowed: at most "
         f"{q_max * (MOST_WAVES / waves) ** (1 / 3):.3g}"),
        (system.parent is None and min(edges) < 2 * cutoff, ("sweep", number),
         f"{system.name}: {system.chains} chains make a box of {min(edges):.2f} nm, smaller than twice the cut-off of {cutoff:g} nm; "
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


def _check_hydrogens(system: System, number: int, study: Study, blocks: Library) -> None:
    """Raise InputError for a time step too long for hydrogens of our building blocks; a stage checks those of others."""
    stages = [stage for stage in study.stages if (stage.time_step_fs or 0) > MOST_FS_OF_HYDROGENS]
    if not stages or study.protocol.hydrogen_mass_g_mol is not None:
        return
    for part in blocks.composition(system.contents, system.choice).ingredients:
        atoms = [] if isinstance(part.entry, ImportedEntry) else part.entry.atoms
        light = [atom.name for atom in atoms if is_hydrogen(blocks.mass(atom.type))]
        if light:
            said = too_light(float(stages[0].time_step_fs or 0), f"{light[0]} of {part.entry.molecule}")
            raise study.wrong(("sweep", number), f"{system.name}, stage {stages[0].name}: {said}")


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
        contents=Contents.of(run.polymer, run.chains, run.salt, run.lithium_ions),
        ether_oxygens=run.ether_oxygens,
        in_study=False,
        imported=number,
    )


def systems_of(study: Study) -> dict[str, System]:
    """All systems of a study by name, in configuration order.

    Raises InputError if a block cannot be built, or if two systems share a name.
    """
    blocks = library(study.topologies)
    systems: dict[str, System] = {}
    series: dict[str, tuple[int, set[float]]] = {}
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
            _check_hydrogens(system, number, study, blocks)
            systems[name] = system
            if system.series is not None:
                series.setdefault(system.series, (number, set()))[1].add(system.temperature_K)
    for number, kelvin in series.values():
        if len(kelvin) < 2:
            raise study.wrong(
                ("sweep", number, "temperature_series"),
                f"true is not allowed: {min(kelvin):g} K is the only temperature, with none to share its box; allowed: at least 2 "
                f"in temperature_K, {LEAST_OF_FIT} for an activation energy, or no temperature_series",
            )
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
    _check_lag(study, systems.values())
    _check_lengths(study, systems)
    _check_viscosities(study, systems.values())
    return systems


def _check_reference(study: Study, systems: Sequence[System]) -> None:
    """Raise InputError for a declared reference that no system has."""
    asked = study.config.equal_lag
    salted = [(system.polymer, system.eo_li_asked) for system in systems if system.eo_li_asked is not None]
    if wrong := unknown_reference(asked.polymer, asked.eo_li, salted):
        key, message = wrong
        raise study.wrong(("equal_lag", key), message)


def _check_lag(study: Study, systems: Iterable[System]) -> None:
    """Raise InputError for a lag of the comparison that the productions of a system with salt cannot resolve. Runs that were
    made elsewhere are as long as they are, and their tables say it."""
    asked, interval = study.config.equal_lag.lag_ps, study.config.analysis.motion_interval_ps
    analysed = study.config.analysis.stage
    if asked is None:
        return
    salted = (system for system in systems if system.imported is None and system.cations)
    for group, members in replica_groups(salted).items():
        stages = [stage for one in members for stage in stages_of(study, one) if stage.name == analysed]
        lengths_ns = [float(stage.max_length_ns or stage.length_ns or 0) for stage in stages]
        lags = within_reach([1000 * length for length in lengths_ns], interval)
        if closest(lags, asked) is None:
            runs = f"{len(members)} runs" if len(members) > 1 else "run"
            said = ", ".join(f"{length:g}" for length in sorted(set(lengths_ns)))
            shorter = f"at most {max(lags):g}, or " if lags else ""
            raise study.wrong(
                ("equal_lag", "lag_ps"),
                f"{asked:g} leaves {group} fewer than {INDEPENDENT_ORIGINS} independent origins in its {runs} of {said} ns "
                f"({analysed}); allowed: {shorter}longer runs",
            )


def _check_lengths(study: Study, systems: Mapping[str, System]) -> None:
    """Raise InputError for the length of a system that has no such run of its own, or that is no length of it."""
    stage = study.stage(study.config.analysis.stage)
    own = [name for name, of in systems.items() if of.imported is None and stage.name not in of.common]
    for name, length_ns in study.config.lengths_ns.items():
        here = ("lengths_ns", name)
        if name not in own:
            why = f"has no {stage.name} of its own" if name in systems else "is not in the sweep"
            raise study.wrong(here, f"{name} {why}{did_you_mean(name, own)}; allowed: {', '.join(own)}")
        steps, least_ns = length_ns * 1e6 / float(stage.time_step_fs or 1), float(stage.length_ns or 0)
        if abs(steps - round(steps)) > 1e-3 or not least_ns * (1 - 1e-9) <= length_ns or steps > MOST_STEPS:
            most_ns = MOST_STEPS * float(stage.time_step_fs or 1) / 1e6
            raise study.wrong(
                here, f"{length_ns:g} is not allowed; allowed: a whole number of steps, {least_ns:g} to {most_ns:g}"
            )


def _check_viscosities(study: Study, systems: Iterable[System]) -> None:
    """Raise InputError for the viscosity of a system that is not there, or whose box has no use for it."""
    groups = {system.replica_group: system for system in systems}
    for name in study.config.analysis.viscosity:
        here = ("analysis", "viscosity", name)
        if name not in groups:
            said = f"{name} is not in the sweep{did_you_mean(name, groups)}; allowed: {', '.join(groups)}"
            raise study.wrong(here, said)
        if groups[name].imported is None and study.config.box.shape != "cubic":
            raise study.wrong(
                here,
                f"a box of shape {study.config.box.shape} needs no viscosity; allowed: cubic boxes, or no such key",
            )
        copies = groups[name].supercell
        if len(set(copies)) > 1:
            raise study.wrong(
                here,
                f"the box of {name} is no cube, by its supercell {[*copies]}; allowed: three equal numbers in supercell, or no such "
                "key",
            )


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
