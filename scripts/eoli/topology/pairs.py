"""Pair tables of a system for the three mixing rules, derived from the installed force field."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

from eoli.errors import ForceFieldError, InputError
from eoli.forcefield.library import Library
from eoli.forcefield.models import LennardJonesType, Mixing
from eoli.topology.gromos import C6C12, Gromos54A7, PairKey, pair_key


@dataclass(frozen=True)
class PairTables:
    """Non-bonded parameters as written into the topology.

    With `combination_rule` 1 the two numbers of a type or pair are C6 and C12 (kJ mol-1 nm6, kJ mol-1 nm12), with 2
    they are sigma (nm) and epsilon (kJ/mol). `pairs` are those written out; `origin` is their source.
    """

    combination_rule: int
    types: dict[str, tuple[float, float]]
    pairs: dict[PairKey, tuple[float, float]]
    pairs14: dict[PairKey, tuple[float, float]]
    origin: dict[PairKey, str]


def sigma_epsilon(c6_c12: C6C12, what: str) -> tuple[float, float]:
    """(sigma nm, epsilon kJ/mol) from (C6, C12); a pair without Lennard-Jones gives (0, 0).

    Raises ForceFieldError if only one of the two is zero, since then no sigma and epsilon exist.
    """
    c6, c12 = c6_c12
    if c6 == 0 and c12 == 0:
        return 0.0, 0.0
    if c6 <= 0 or c12 <= 0:
        raise ForceFieldError(f"{what}: C6 = {c6:g} and C12 = {c12:g} have no sigma and epsilon")
    return (c12 / c6) ** (1 / 6), c6 * c6 / (4 * c12)


def _selected_sqrt_c12(like: LennardJonesType, partner: str) -> float:
    for value, partners in like.sqrt_c12_like.items():
        if isinstance(partners, list) and partner in partners:
            return float(value)
    default = like.sqrt_c12_like["default"]
    assert isinstance(default, float)
    return default


class _GromosRule:
    """Pair parameters under the GROMOS rule, by type names; C6 and C12."""

    def __init__(self, blocks: Library, forcefield: Gromos54A7) -> None:
        self.blocks, self.forcefield = blocks, forcefield
        twice = sorted(blocks.atom_types.keys() & forcefield.types.keys())
        if twice:
            raise ForceFieldError(f"atomtypes.yaml: {twice[0]} is a type of gromos54a7.ff; allowed: a name of its own")

    def type(self, name: str) -> C6C12:
        own = self.blocks.atom_types.get(name)
        if own is not None:
            return own.c6, own.c12
        if name not in self.forcefield.types:
            raise ForceFieldError(f"type {name!r} is neither in gromos54a7.ff nor in atomtypes.yaml")
        return self.forcefield.types[name]

    def is_gromos(self, name: str) -> bool:
        own = self.blocks.atom_types.get(name)
        return own is None or own.like is not None

    def _geometric(self, a: str, b: str) -> C6C12:
        (c6_a, c12_a), (c6_b, c12_b) = self.type(a), self.type(b)
        return math.sqrt(c6_a * c6_b), math.sqrt(c12_a * c12_b)

    def pair(self, a: str, b: str) -> tuple[C6C12, str]:
        if a == b:
            return self.type(a), "type"
        if not (self.is_gromos(a) and self.is_gromos(b)):
            return self._geometric(a, b), "geometric"
        derived = [name for name in (a, b) if name in self.blocks.atom_types]
        if not derived:
            if pair_key(a, b) not in self.forcefield.pairs:
                raise ForceFieldError(f"{self.forcefield.folder}/ffnonbonded.itp: no pair {a} {b}")
            return self.forcefield.pairs[pair_key(a, b)], "54A7 matrix"
        if len(derived) == 2:
            return self._geometric(a, b), "geometric"
        own, partner = derived[0], b if derived[0] == a else a
        entry = self.blocks.atom_types[own]
        like = str(entry.like)
        of_like = self.forcefield.types.get(like, (0.0, 0.0))
        row = of_like if like == partner else self.forcefield.pairs.get(pair_key(like, partner))
        if not of_like[0] or row is None or entry.sqrt_c12 is None:
            raise ForceFieldError(
                f"atomtypes.yaml: {own}: like {like!r} is not allowed; allowed: a type of gromos54a7.ff with a C6 and a row "
                "of pairs"
            )
        c6 = row[0] * math.sqrt(entry.c6 / of_like[0])
        c12 = row[1] / _selected_sqrt_c12(entry, partner) * entry.sqrt_c12
        return (c6, c12), f"54A7 row of {like}"

    def pair14(self, a: str, b: str) -> C6C12:
        names = [self.blocks.atom_types[n].like or n if n in self.blocks.atom_types else n for n in (a, b)]
        key = pair_key(*names)
        if key not in self.forcefield.pairs14:
            raise ForceFieldError(f"1-4 pair {a} {b}: no pairtype {key[0]} {key[1]} in gromos54a7.ff")
        return self.forcefield.pairs14[key]


def make_pair_tables(
    types: list[str], ion_types: set[str], pairs14: set[PairKey], mixing: str, blocks: Library, forcefield: Gromos54A7
) -> PairTables:
    """Tables for the types of a system, `ion_types` among them.

    `gromos`: the 54A7 matrix among GROMOS types and those `like` one, geometric for all others (native to CL&P and
    Aqvist), every pair written out. `lorentz-berthelot`: sigma arithmetic, epsilon geometric for every pair, as the
    study states. `lb-ions`: the 54A7 matrix among types of neutral molecules, Lorentz-Berthelot for pairs with an ion. 1-4 pairs are
    those of 54A7 under every rule. Raises InputError for another rule.
    """
    if mixing not in get_args(Mixing):
        raise InputError(f"mixing {mixing!r} is not allowed; allowed: {', '.join(get_args(Mixing))}")
    rule = _GromosRule(blocks, forcefield)
    names = sorted(set(types))
    keys = [(a, b) for k, a in enumerate(names) for b in names[k + 1 :]]
    fourteen = {key: rule.pair14(*key) for key in sorted(pairs14)}
    if mixing == "gromos":
        found = {key: rule.pair(*key) for key in keys}
        return PairTables(
            combination_rule=1,
            types={name: rule.type(name) for name in names},
            pairs={key: numbers for key, (numbers, _) in found.items()},
            pairs14=fourteen,
            origin={key: origin for key, (_, origin) in found.items()},
        )
    converted = {name: sigma_epsilon(rule.type(name), name) for name in names}
    kept = [key for key in keys if mixing == "lb-ions" and not ion_types.intersection(key)]
    return PairTables(
        combination_rule=2,
        types=converted,
        pairs={key: sigma_epsilon(rule.pair(*key)[0], f"pair {key[0]} {key[1]}") for key in kept},
        pairs14={key: sigma_epsilon(numbers, f"1-4 pair {key[0]} {key[1]}") for key, numbers in fourteen.items()},
        origin={key: rule.pair(*key)[1] for key in kept},
    )
