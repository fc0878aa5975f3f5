"""The systems of a study: names, compositions, seeds, sizes."""

from __future__ import annotations

import hashlib
import itertools
import math
from dataclasses import dataclass

from eoli.chemistry import NO_SALT, Library, library
from eoli.config import DEFAULT_CHARGE_SCALE, DEFAULT_MIXING, DEFAULT_SALT, Study, SweepBlock
from eoli.errors import InputError
from eoli.validation import place

GRAM_PER_MOL_NM3 = 602.214076  # 1 g/cm3 in g/mol/nm3


@dataclass(frozen=True)
class System:
    """One box: what it contains and at which conditions it is simulated."""

    name: str
    polymer: str
    salt: str
    eo_li_asked: float | None
    temperature_K: float
    replicate: int
    mixing: str
    ion_charge_scale: float
    chains: int
    ether_oxygens: int
    cations: int
    in_study: bool

    @property
    def eo_li(self) -> float | None:
        """Simulated ratio: ether oxygens over whole lithium ions."""
        return self.ether_oxygens / self.cations if self.cations else None


def seed_for(seed: int, *purpose: str | int) -> int:
    """A positive 31-bit seed that depends on the study's seed and on what it is for, and on nothing else."""
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % (2**31 - 2) + 1


def whole_ions(ether_oxygens: int, eo_li: float) -> int:
    """Lithium ions for a ratio, rounded half up."""
    return math.floor(ether_oxygens / eo_li + 0.5)


def _number(value: float) -> str:
    return f"{value:g}"


def system_name(
    polymer: str, salt: str, eo_li: float | None, temperature_K: float, mixing: str, scale: float, replicate: int
) -> str:
    """`<polymer>-eo<ratio>-<T>K[-salt][-mixing][-q<scale>]-r<replicate>`; axes at their default stay out."""
    parts = [polymer, "neat" if salt == NO_SALT or eo_li is None else f"eo{_number(eo_li)}", f"{temperature_K:.0f}K"]
    if salt not in (DEFAULT_SALT, NO_SALT):
        parts.append(salt)
    if mixing != DEFAULT_MIXING:
        parts.append(mixing)
    if scale != DEFAULT_CHARGE_SCALE:
        parts.append(f"q{scale:.2f}" if round(scale, 2) == scale else f"q{scale:g}")
    return "-".join([*parts, f"r{replicate}"])


def _block_systems(block: SweepBlock, number: int, study: Study, blocks: Library) -> list[System]:
    def wrong(key: str, message: str) -> InputError:
        return InputError(f"{place(('sweep', number, key), study.files)}: {message}")

    systems = []
    for polymer_name, salt_name in itertools.product(block.polymer, block.salt):
        try:
            chain = blocks.polymer(polymer_name)
        except InputError as error:
            raise wrong("polymer", str(error)) from None
        if salt_name != NO_SALT:
            try:
                blocks.salt(salt_name)
            except InputError as error:
                raise wrong("salt", f"{error}, {NO_SALT}") from None
        ether_oxygens = chain.ether_oxygens * study.config.box.chains
        if salt_name != NO_SALT and not block.eo_li:
            raise wrong("eo_li", "is missing; a salt needs it")
        if salt_name != NO_SALT and ether_oxygens == 0:
            raise wrong("eo_li", f"{polymer_name} has no ether oxygen; allowed: salt: none")
        ratios: list[float | None] = [None] if salt_name == NO_SALT else list(block.eo_li)
        for ratio, temperature, mixing, scale, replicate in itertools.product(
            ratios, block.temperature_K, block.mixing, block.ion_charge_scale, block.replicate
        ):
            cations = 0 if ratio is None else whole_ions(ether_oxygens, ratio)
            if ratio is not None and cations == 0:
                raise wrong(
                    "eo_li",
                    f"{_number(ratio)} gives no lithium ion among {ether_oxygens} ether oxygens; "
                    f"allowed: at most {2 * ether_oxygens}",
                )
            systems.append(
                System(
                    name=system_name(polymer_name, salt_name, ratio, temperature, mixing, scale, replicate),
                    polymer=polymer_name,
                    salt=salt_name,
                    eo_li_asked=ratio,
                    temperature_K=temperature,
                    replicate=replicate,
                    mixing=mixing,
                    ion_charge_scale=scale,
                    chains=study.config.box.chains,
                    ether_oxygens=ether_oxygens,
                    cations=cations,
                    in_study=block.in_study,
                )
            )
    return systems


@dataclass(frozen=True)
class Size:
    """How big a system is, from its composition alone."""

    sites: int
    mass_g_mol: float
    ideal_density_g_cm3: float

    @property
    def box_nm(self) -> float:
        """Edge of the box at the ideal-mixing density."""
        return box_length_nm(self.mass_g_mol, self.ideal_density_g_cm3)


def size_of(system: System, blocks: Library) -> Size:
    """Sites, mass and ideal-mixing density of a system.

    The density mixes the neat polymer and the salt by volume; both hold at their own temperature, so it is an
    estimate for sizes and plausibility, never a result.
    """
    chain = blocks.polymer(system.polymer)
    chain_mass = sum(blocks.mass(atom.type) for unit in chain.units for atom in unit.atoms)
    sites, mass = system.chains * chain.n_atoms, system.chains * chain_mass
    volume = mass / chain.polymer.neat_density_g_cm3.value
    if system.salt != NO_SALT:
        salt = blocks.salt(system.salt)
        pair = [atom for ion in (salt.cation, salt.anion) for atom in blocks.ion(ion).atoms]
        sites += system.cations * len(pair)
        mass += system.cations * sum(blocks.mass(atom.type) for atom in pair)
        volume += system.cations * salt.molar_volume_cm3_mol.value
    return Size(sites, mass, mass / volume)


def box_length_nm(mass_g_mol: float, density_g_cm3: float) -> float:
    """Edge of the cube that holds a mass at a density."""
    return float((mass_g_mol / (density_g_cm3 * GRAM_PER_MOL_NM3)) ** (1 / 3))


def _check_box(system: System, number: int, study: Study, blocks: Library) -> None:
    box, cutoff = size_of(system, blocks).box_nm, study.protocol.cutoff_nm
    if box < 2 * cutoff:
        raise InputError(
            f"{place(('sweep', number), study.files)}: {system.name}: {system.chains} chains make a box of {box:.2f} nm, "
            f"smaller than twice the cut-off of {cutoff:g} nm; allowed: more chains (box.chains)"
        )


def systems_of(study: Study) -> dict[str, System]:
    """All systems of a study by name, in the order of the configuration.

    Raises InputError where a block asks for what cannot be built, or two systems have one name.
    """
    blocks = library(study.topologies)
    systems: dict[str, System] = {}
    for number, block in enumerate(study.config.sweep):
        for system in _block_systems(block, number, study, blocks):
            if system.name in systems:
                raise InputError(
                    f"{place(('sweep', number), study.files)}: {system.name} is already in the sweep; "
                    "names are unique (temperatures that round to one kelvin count as one)"
                )
            _check_box(system, number, study, blocks)
            systems[system.name] = system
    return systems
