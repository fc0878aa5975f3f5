"""Single-point energies of GROMACS, term by term, against a naive evaluation of the building blocks.

The reference reads the YAML files and the tables of the installed force field itself; of EOLI it takes only the
coordinates, so a wrong number, a lost term or a wrong mixing rule in the written topology shows up here.
"""

from __future__ import annotations

import itertools
import math
import subprocess
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyedr
import pytest
import yaml
from scipy.spatial.transform import Rotation

from eoli.box.conformation import random_conformation
from eoli.box.gro import gro_text
from eoli.box.packmol import pack
from eoli.forcefield.library import library
from eoli.forcefield.models import Contents, ForceFieldChoice
from eoli.gromacs.build import Gromacs, inspect
from eoli.gromacs.tools import grompp
from eoli.study.config import GromacsBuild
from eoli.topology.build import describe, write_topology
from eoli.topology.description import MoleculeCount, SystemDescription
from eoli.topology.gromos import read_gromos54a7
from eoli.topology.molecule import build_ion
from support import choice

pytestmark = pytest.mark.gmx

TOPOLOGIES = Path(__file__).resolve().parents[2] / "topologies"
COULOMB = 138.935458  # kJ mol-1 nm e-2
RULES = ["gromos", "lorentz-berthelot", "lb-ions"]
BOND_NAMES = {1: "Bond", 2: "G96Bond"}
ANGLE_NAMES = {1: "Angle", 2: "G96Angle"}
DIHEDRAL_NAMES = {1: "Proper Dih.", 5: "Fourier Dih."}
NON_BONDED = ("LJ-14", "Coulomb-14", "LJ (SR)", "Coulomb (SR)")

# The ether oxygen of 53A6_OXY+D has no row in the 54A7 matrix: its C12 factor against each partner replaces that of OE.
SQRT_C6_OE, SQRT_C12_OEP = 0.04756, 1.529e-3
SQRT_C12_OE = defaultdict(lambda: 1.1e-3, {"N": 1.227e-3})

MDP = {
    "integrator": "md", "nsteps": "0", "dt": "0.0001", "continuation": "yes", "nstenergy": "1", "nstcalcenergy": "1",
    "cutoff-scheme": "verlet", "verlet-buffer-tolerance": "-1", "coulombtype": "cut-off", "coulomb-modifier": "none",
    "vdwtype": "cut-off", "vdw-modifier": "none", "dispcorr": "no", "constraints": "none",
}  # fmt: skip


@dataclass(frozen=True)
class Tables:
    """The installed force field as this test reads it."""

    types: dict[str, tuple[float, float]]
    pairs: dict[frozenset[str], tuple[float, float]]
    pairs14: dict[frozenset[str], tuple[float, float]]
    macros: dict[str, list[float]]


@dataclass
class Part:
    """A molecule as the YAML files describe it."""

    types: list[str]
    classes: list[str]
    charges: list[float]
    bonds: list[tuple[int, int]]
    table: dict[str, Any]
    is_ion: bool


def load(name: str) -> Any:
    return yaml.safe_load((TOPOLOGIES / name).read_text())


def c6_c12(entry: dict[str, Any]) -> tuple[float, float]:
    if "c6" in entry:
        return float(entry["c6"]), float(entry["c12"])
    sigma, epsilon = float(entry["sigma_nm"]), float(entry["epsilon_kJ_mol"])
    return 4 * epsilon * sigma**6, 4 * epsilon * sigma**12


OWN_TYPES = {name: c6_c12(entry) for name, entry in load("atomtypes.yaml").items()}


def installed_tables(folder: Path) -> Tables:
    found: dict[str, dict[Any, tuple[float, float]]] = {"atomtypes": {}, "nonbond_params": {}, "pairtypes": {}}
    section = ""
    for line in (folder / "ffnonbonded.itp").read_text().splitlines():
        words = line.partition(";")[0].split()
        if words[:1] == ["["]:
            section = words[1]
        elif words:
            key = words[0] if section == "atomtypes" else frozenset(words[:2])
            found[section][key] = (float(words[-2]), float(words[-1]))
    macros = {}
    for line in (folder / "ffbonded.itp").read_text().splitlines():
        words = line.partition(";")[0].split()
        if words[:1] == ["#define"]:
            macros[words[1]] = [float(word) for word in words[2:]]
    return Tables(found["atomtypes"], found["nonbond_params"], found["pairtypes"], macros)


def load_unit(name: str, ether_set: str) -> Any:
    return load(
        f"units/{name}.yaml" if (TOPOLOGIES / f"units/{name}.yaml").exists() else f"units/{name}/{ether_set}.yaml"
    )


def polymer_part(name: str, ether_set: str = "oxy-d") -> Part:
    part = Part([], [], [], [], load("bonded.yaml"), False)
    tail = None
    for entry in load(f"polymers/{name}.yaml")["sequence"]:
        unit_name, _, count = (word.strip() for word in entry.partition("*"))
        for _ in range(int(count or 1)):
            unit = load_unit(unit_name, ether_set)
            index = {atom["name"]: len(part.types) + n for n, atom in enumerate(unit["atoms"])}
            part.types += [atom["type"] for atom in unit["atoms"]]
            part.classes += [atom["class"] for atom in unit["atoms"]]
            part.charges += [atom["charge"] for atom in unit["atoms"]]
            part.bonds += [(index[a], index[b]) for a, b in unit["bonds"]]
            if tail is not None:
                part.bonds.append((tail, index[unit["head"]]))
            tail = index.get(unit.get("tail"))
    return part


def ion_part(name: str, scale: float) -> Part:
    """An ion by `<ion>/<model>`."""
    ion, types = load(f"ions/{name}.yaml"), {}
    if "based_on" in ion:
        types, ion = ion["types"], load(f"ions/{ion['ion']}/{ion['based_on']}.yaml")
    index = {atom["name"]: n for n, atom in enumerate(ion["atoms"])}
    return Part(
        [types.get(atom["type"], atom["type"]) for atom in ion["atoms"]],
        [atom["class"] for atom in ion["atoms"]],
        [atom["charge"] * scale for atom in ion["atoms"]],
        [(index[a], index[b]) for a, b in ion["bonds"]],
        ion.get("bonded", {}),
        True,
    )


def lennard_jones(a: str, b: str, mixing: str, tables: Tables) -> tuple[float, float]:
    """C6 and C12 of a pair of types under a mixing rule."""
    (c6_a, c12_a), (c6_b, c12_b) = (OWN_TYPES.get(name) or tables.types[name] for name in (a, b))
    if a == b:
        return c6_a, c12_a
    ion = any(name in OWN_TYPES and name != "OEP" for name in (a, b))
    if mixing == "gromos" and "LI+L" in (a, b) and not (set(OWN_TYPES) - {"LI+L"}) & {a, b}:
        # set L of lithium follows the row of sodium, with its own factors
        partner = b if a == "LI+L" else a
        c6, c12 = tables.pairs[frozenset(("NA+", partner))]
        return c6 * math.sqrt(OWN_TYPES["LI+L"][0] / tables.types["NA+"][0]), c12 / 2.70e-4 * 3.75e-5
    if mixing == "gromos" and ion:
        return math.sqrt(c6_a * c6_b), math.sqrt(c12_a * c12_b)
    if mixing == "lorentz-berthelot" or ion:
        if c6_a == 0 or c6_b == 0:
            return 0.0, 0.0
        sigma = ((c12_a / c6_a) ** (1 / 6) + (c12_b / c6_b) ** (1 / 6)) / 2
        epsilon = math.sqrt(c6_a**2 / (4 * c12_a) * c6_b**2 / (4 * c12_b))
        return 4 * epsilon * sigma**6, 4 * epsilon * sigma**12
    if "OEP" not in (a, b):
        return tables.pairs[frozenset((a, b))]
    partner = b if a == "OEP" else a
    c6, c12 = tables.pairs[frozenset(("OE", partner))]
    return c6 * math.sqrt(OWN_TYPES["OEP"][0]) / SQRT_C6_OE, c12 / SQRT_C12_OE[partner] * SQRT_C12_OEP


def dihedral(p: np.ndarray) -> float:
    """IUPAC angle of four positions, radians, trans at pi."""
    b1, b2, b3 = p[1] - p[0], p[2] - p[1], p[3] - p[2]
    n1, n2 = np.cross(b1, b2), np.cross(b2, b3)
    return math.atan2(np.dot(np.cross(n1, n2), b2) / np.linalg.norm(b2), np.dot(n1, n2))


def angle(p: np.ndarray) -> float:
    u, v = p[0] - p[1], p[2] - p[1]
    return math.acos(np.dot(u, v) / np.linalg.norm(u) / np.linalg.norm(v))


def numbers_of(entries: list[dict[str, Any]], classes: list[str], tables: Tables) -> list[list[float]] | None:
    for entry in entries:
        if entry["classes"] in (classes, classes[::-1]):
            if entry.get("omitted"):
                return []
            numbers = tables.macros[entry["macro"]] if "macro" in entry else entry["parameters"]
            return numbers if isinstance(numbers[0], list) else [numbers]
    return None


def bonds_apart(n: int, bonds: list[tuple[int, int]]) -> np.ndarray:
    """Bonds on the shortest path between all sites, by Floyd and Warshall."""
    apart = np.full((n, n), 999)
    np.fill_diagonal(apart, 0)
    for i, j in bonds:
        apart[i, j] = apart[j, i] = 1
    for k in range(n):
        apart = np.minimum(apart, apart[:, k : k + 1] + apart[k])
    return apart


def bonded_energy(part: Part, x: np.ndarray, apart: np.ndarray, tables: Tables) -> Counter[str]:
    energy: Counter[str] = Counter()
    if not part.bonds:
        return energy
    functions, table = part.table["functions"], part.table
    near = [sorted(np.flatnonzero(row == 1).tolist()) for row in apart]

    def classes(sites: tuple[int, ...]) -> list[str]:
        return [part.classes[site] for site in sites]

    for sites in part.bonds:
        [(b0, k)] = numbers_of(table["bonds"], classes(sites), tables) or []
        b = float(np.linalg.norm(x[sites[0]] - x[sites[1]]))
        quartic = functions["bonds"] == 2
        energy[BOND_NAMES[functions["bonds"]]] += k / 4 * (b**2 - b0**2) ** 2 if quartic else k / 2 * (b - b0) ** 2
    for centre, around in enumerate(near):
        for i, j in itertools.combinations(around, 2):
            for t0, k in numbers_of(table["angles"], classes((i, centre, j)), tables) or []:
                t, rest = angle(x[[i, centre, j]]), math.radians(t0)
                bend = math.cos(t) - math.cos(rest) if functions["angles"] == 2 else t - rest
                energy[ANGLE_NAMES[functions["angles"]]] += k / 2 * bend**2
    for j, k in part.bonds:
        for i, m in itertools.product(near[j], near[k]):
            if i == k or m == j:
                continue
            phi = dihedral(x[[i, j, k, m]])
            for row in numbers_of(table["dihedrals"], classes((i, j, k, m)), tables) or []:
                if functions["dihedrals"] == 1:
                    value = row[1] * (1 + math.cos(row[2] * phi - math.radians(row[0])))
                else:
                    signs = (1, -1, 1, -1)
                    value = (
                        sum(f * (1 + s * math.cos(n * phi)) for n, (f, s) in enumerate(zip(row, signs, strict=True), 1))
                        / 2
                    )
                energy[DIHEDRAL_NAMES[functions["dihedrals"]]] += value
    for entry in table["impropers"]:
        for centre, around in enumerate(near):
            if part.classes[centre] != entry["classes"][0]:
                continue
            for order in itertools.permutations(around):
                if classes(order) == entry["classes"][1:]:
                    xi0, k = tables.macros[entry["macro"]]
                    xi = dihedral(x[[centre, *order]])
                    energy["Improper Dih."] += k / 2 * (xi - math.radians(xi0)) ** 2
                    break
    return energy


def pair14(part: Part, i: int, j: int, r: float, tables: Tables) -> tuple[float, float]:
    """Lennard-Jones and Coulomb energy of a 1-4 pair."""
    one_four = part.table["one_four"]
    if one_four["function"] == 1:
        c6, c12 = tables.pairs14[frozenset("OE" if part.types[site] == "OEP" else part.types[site] for site in (i, j))]
        fudge = 1.0
    else:
        c6, c12 = (n * one_four["fudge_lj"] for n in lennard_jones(part.types[i], part.types[j], "gromos", tables))
        fudge = one_four["fudge_qq"]
    return c12 / r**12 - c6 / r**6, fudge * COULOMB * part.charges[i] * part.charges[j] / r


def reference(
    parts: list[Part], x: np.ndarray, edge: float, cutoff: float, mixing: str, tables: Tables
) -> tuple[Counter[str], Counter[str]]:
    """Energies by their GROMACS names, and the sums of magnitudes, which bound the rounding of single precision."""
    energy: Counter[str] = Counter()
    size: Counter[str] = Counter()

    def add(name: str, value: float) -> None:
        energy[name] += value
        size[name] += abs(value)

    start, types, charges = 0, [], []
    excluded: set[tuple[int, int]] = set()
    for part in parts:
        own = x[start : start + len(part.types)]
        apart = bonds_apart(len(part.types), part.bonds)
        for name, value in bonded_energy(part, own, apart, tables).items():
            add(name, value)
        for i, j in itertools.combinations(range(len(part.types)), 2):
            if apart[i, j] <= 3:
                excluded.add((start + i, start + j))
            if apart[i, j] == 3:
                lj, coulomb = pair14(part, i, j, float(np.linalg.norm(own[i] - own[j])), tables)
                add("LJ-14", lj)
                add("Coulomb-14", coulomb)
        types += part.types
        charges += part.charges
        start += len(part.types)
    numbers = {(a, b): lennard_jones(a, b, mixing, tables) for a in set(types) for b in set(types)}
    for i in range(len(x) - 1):
        gaps = x[i + 1 :] - x[i]
        distances = np.linalg.norm(gaps - edge * np.round(gaps / edge), axis=1)
        for j, r in enumerate(distances, start=i + 1):
            if r < cutoff and (i, j) not in excluded:
                c6, c12 = numbers[types[i], types[j]]
                add("LJ (SR)", c12 / r**12 - c6 / r**6)
                add("Coulomb (SR)", COULOMB * charges[i] * charges[j] / r)
    return energy, size


@pytest.fixture(scope="module")
def gromacs() -> Gromacs:
    return inspect(GromacsBuild())


@pytest.fixture(scope="module")
def tables(gromacs: Gromacs) -> Tables:
    return installed_tables(gromacs.forcefields / "gromos54a7.ff")


def coordinates(gro: Path) -> np.ndarray:
    rows = gro.read_text().splitlines()[2:-1]
    return np.array([[float(row[k : k + 8]) for k in (20, 28, 36)] for row in rows])


def shaken(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Positions off their reference geometry, so that every bonded term has an energy to compare."""
    return x + rng.normal(0, 0.006, x.shape)


def measured(
    folder: Path, description: SystemDescription, x: np.ndarray, edge: float, cutoff: float, gromacs: Gromacs
) -> dict[str, float]:
    """The energies of GROMACS for one configuration; grompp must accept it without a warning."""
    blocks, forcefield = library(TOPOLOGIES), read_gromos54a7(gromacs.forcefields / "gromos54a7.ff")
    write_topology(description, "test", folder, blocks, forcefield)
    (folder / "box.gro").write_text(gro_text(description, x, edge, "test"))
    options = MDP | {key: f"{cutoff:g}" for key in ("rlist", "rcoulomb", "rvdw")}
    (folder / "sp.mdp").write_text("".join(f"{key} = {value}\n" for key, value in options.items()))
    grompp(
        gromacs,
        folder / "sp.mdp",
        folder / "box.gro",
        folder / "system.top",
        folder / "sp.tpr",
        folder / "grompp.log",
        None,
    )
    run = subprocess.run(
        [str(gromacs.program), "mdrun", "-deffnm", "sp", "-ntmpi", "1", "-ntomp", "1"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return {name: float(values[0]) for name, values in pyedr.edr_to_dict(str(folder / "sp.edr")).items()}


def compare(found: dict[str, float], energy: Counter[str], size: Counter[str], expected: set[str]) -> None:
    names = {*BOND_NAMES.values(), *ANGLE_NAMES.values(), *DIHEDRAL_NAMES.values(), "Improper Dih.", *NON_BONDED}
    assert {name for name in names if energy[name]} == expected
    # single precision keeps each term to about 1e-6; where terms cancel, it keeps their magnitudes
    for name in sorted(names):
        allowed = 1e-5 * abs(energy[name]) + 1e-6 * size[name]
        assert found.get(name, 0.0) == pytest.approx(energy[name], rel=0, abs=allowed), name
    total = sum(energy[name] for name in names)
    assert found["Potential"] == pytest.approx(total, rel=0, abs=1e-5 * abs(total) + 1e-6 * sum(size.values()))


CHAIN_TERMS = {"G96Bond", "G96Angle", "Proper Dih.", *NON_BONDED}
TFSI_TERMS = {"Bond", "Angle", "Fourier Dih.", *NON_BONDED}


@pytest.mark.parametrize("mixing", RULES)
@pytest.mark.parametrize(
    ("polymer", "expected"), [("peo", CHAIN_TERMS), ("pebax", CHAIN_TERMS | {"Improper Dih."})], ids=["peo", "pebax"]
)
def test_one_chain(
    polymer: str, expected: set[str], mixing: str, gromacs: Gromacs, tables: Tables, tmp_path: Path
) -> None:
    forcefield = read_gromos54a7(gromacs.forcefields / "gromos54a7.ff")
    description = describe(Contents.of(polymer, 1, "none", 0), choice(mixing), library(TOPOLOGIES), forcefield)
    rng = np.random.default_rng(7)
    x = shaken(random_conformation(description.molecules[0].molecule, rng), rng)
    check_alone(description, [polymer_part(polymer)], x, mixing, expected, gromacs, tables, tmp_path)


@pytest.mark.parametrize("mixing", RULES)
def test_an_amide_at_an_ether(mixing: str, gromacs: Gromacs, tables: Tables, tmp_path: Path) -> None:
    """The C12 of this pair depends on the partner, which no random box shows: its contacts are too few."""
    forcefield = read_gromos54a7(gromacs.forcefields / "gromos54a7.ff")
    description = describe(Contents.of("pebax", 2, "none", 0), choice(mixing), library(TOPOLOGIES), forcefield)
    rng = np.random.default_rng(7)
    one, other = (shaken(random_conformation(description.molecules[0].molecule, rng), rng) for _ in range(2))
    types = polymer_part("pebax").types
    nitrogen, oxygen = types.index("N"), types.index("OEP")
    best, most = other, 0.0
    for turn, direction in zip(Rotation.random(300, rng), rng.normal(size=(300, 3)), strict=True):
        placed = turn.apply(other - other[oxygen]) + one[nitrogen] + 0.29 * direction / np.linalg.norm(direction)
        gaps = np.linalg.norm(one[:, None] - placed[None], axis=2)
        gaps[nitrogen, oxygen] = np.inf
        if gaps.min() > most:
            best, most = placed, float(gaps.min())
    assert most > 0.2
    x = np.concatenate([one, best])
    check_alone(
        description, [polymer_part("pebax")] * 2, x, mixing, CHAIN_TERMS | {"Improper Dih."}, gromacs, tables, tmp_path
    )


@pytest.mark.parametrize("mixing", RULES)
@pytest.mark.parametrize("scale", [1.0, 0.8])
def test_one_tfsi(scale: float, mixing: str, gromacs: Gromacs, tables: Tables, tmp_path: Path) -> None:
    blocks, forcefield = library(TOPOLOGIES), read_gromos54a7(gromacs.forcefields / "gromos54a7.ff")
    ion = build_ion(blocks.ion("TFSI", "clandp2004"), scale, blocks, forcefield)
    description = SystemDescription((MoleculeCount(ion, 1),), choice(mixing, scale), forcefield.sha256)
    rng = np.random.default_rng(3)
    x = shaken(random_conformation(ion, rng), rng)
    check_alone(description, [ion_part("TFSI/clandp2004", scale)], x, mixing, TFSI_TERMS, gromacs, tables, tmp_path)


def check_alone(
    description: SystemDescription,
    parts: list[Part],
    x: np.ndarray,
    mixing: str,
    expected: set[str],
    gromacs: Gromacs,
    tables: Tables,
    folder: Path,
) -> None:
    """Compare molecules in a box so large that the cut-off sees all of it and no image."""
    x = x - x.min(axis=0) + 0.1
    reach = float(np.linalg.norm(np.ptp(x, axis=0))) + 0.2
    edge = 2.2 * reach
    found = measured(folder, description, x, edge, reach, gromacs)
    energy, size = reference(parts, coordinates(folder / "box.gro"), edge, reach, mixing, tables)
    compare(found, energy, size, expected)


@pytest.mark.parametrize("mixing", RULES)
@pytest.mark.parametrize(
    ("polymer", "sets", "scale", "expected"),
    [
        ("peo", ("oxy-d", "aqvist", "clandp2004"), 1.0, CHAIN_TERMS | TFSI_TERMS),
        ("pebax", ("oxy-d", "aqvist", "clandp2004"), 0.8, CHAIN_TERMS | TFSI_TERMS | {"Improper Dih."}),
        ("pebax", ("54a7", "set-l", "clandp2017"), 1.0, CHAIN_TERMS | TFSI_TERMS | {"Improper Dih."}),
    ],
    ids=["peo", "pebax-q0.80", "pebax-other-sets"],
)
def test_mixed_box(
    polymer: str,
    sets: tuple[str, str, str],
    scale: float,
    expected: set[str],
    mixing: str,
    gromacs: Gromacs,
    tables: Tables,
    tmp_path: Path,
) -> None:
    ions = [ion_part(f"LI/{sets[1]}", scale)] * 3 + [ion_part(f"TFSI/{sets[2]}", scale)] * 3
    chosen = ForceFieldChoice(*sets, mixing, scale)
    parts = [polymer_part(polymer, sets[0])] * 2 + ions
    check_packed(Contents.of(polymer, 2, "litfsi", 3), parts, chosen, expected, gromacs, tables, tmp_path)


def check_packed(
    contents: Contents, parts: list[Part], chosen: ForceFieldChoice, expected: set[str], gromacs: Gromacs, tables: Tables,
    folder: Path,
) -> None:  # fmt: skip
    """Compare a packed box of molecules with the reference's `parts`, in the order of the topology."""
    forcefield = read_gromos54a7(gromacs.forcefields / "gromos54a7.ff")
    description = describe(contents, chosen, library(TOPOLOGIES), forcefield)
    packed = folder / "packed.gro"
    attempts = pack(description, 5, 0.4, 0.3, 3, packed, folder / "box.json", folder / "box.log")
    edge, cutoff = round(attempts[-1].edge_nm, 5), 1.1
    x = shaken(coordinates(packed), np.random.default_rng(11))
    found = measured(folder, description, x, edge, cutoff, gromacs)
    energy, size = reference(parts, coordinates(folder / "box.gro"), edge, cutoff, chosen.mixing, tables)
    compare(found, energy, size, expected)


@pytest.mark.parametrize("mixing", RULES)
def test_a_solvent_of_our_building_blocks(mixing: str, gromacs: Gromacs, tables: Tables, tmp_path: Path) -> None:
    contents = Contents.of("peo", 2, "litfsi", 3, (("dme", 12),))
    ions = [ion_part("LI/aqvist", 0.8)] * 3 + [ion_part("TFSI/clandp2004", 0.8)] * 3
    parts = [polymer_part("peo")] * 2 + ions + [polymer_part("dme")] * 12
    check_packed(contents, parts, choice(mixing, 0.8), CHAIN_TERMS | TFSI_TERMS, gromacs, tables, tmp_path)


@pytest.mark.parametrize("mixing", RULES)
def test_a_mixture_of_salts(mixing: str, gromacs: Gromacs, tables: Tables, tmp_path: Path) -> None:
    contents = Contents((("peo", 2),), (("lipf6", 2), ("litfsi", 3)))
    chosen = ForceFieldChoice("oxy-d", "aqvist", "clandp2004+clandp2004", mixing, 1.0)
    ions = (
        [ion_part("LI/aqvist", 1.0)] * 5
        + [ion_part("PF6/clandp2004", 1.0)] * 2
        + [ion_part("TFSI/clandp2004", 1.0)] * 3
    )
    parts = [polymer_part("peo")] * 2 + ions
    check_packed(contents, parts, chosen, CHAIN_TERMS | TFSI_TERMS, gromacs, tables, tmp_path)


@pytest.mark.parametrize("mixing", RULES)
def test_a_blend_of_polymers(mixing: str, gromacs: Gromacs, tables: Tables, tmp_path: Path) -> None:
    contents = Contents((("pebax", 1), ("peo", 2)), (("litfsi", 3),))
    ions = [ion_part("LI/aqvist", 1.0)] * 3 + [ion_part("TFSI/clandp2004", 1.0)] * 3
    parts = [polymer_part("pebax"), *[polymer_part("peo")] * 2, *ions]
    expected = CHAIN_TERMS | TFSI_TERMS | {"Improper Dih."}
    check_packed(contents, parts, choice(mixing), expected, gromacs, tables, tmp_path)
