"""Validate the force field: run the sweeps of config/validation, then write their table into docs/validation.md.

Run by `make validate`. Runs that are there already are kept, so a second call continues or only writes the page. It
takes about three core-hours; `--report` writes the page from what is there.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from MDAnalysis.lib.distances import calc_angles, calc_bonds, calc_dihedrals

from eoli.core.files import write_text
from eoli.core.statistics import standard_error
from eoli.topology.description import read_description
from eoli.trajectory.reader import frames, open_trajectory

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path("results/validation")
PAGE = Path("docs/validation.md")
MISSING = "not run"


def sweep(name: str, cores: int, *more: str) -> None:
    """Run one configuration of config/validation in a folder of its own."""
    folder = RESULTS / name
    folder.mkdir(parents=True, exist_ok=True)
    words = ["snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder), *more, "--keep-going"]
    config = ROOT / f"config/validation/{name}.yaml"
    profile = ["--workflow-profile", str(ROOT / "profiles/default")]
    subprocess.run([*words, *profile, "--cores", str(cores), "--configfile", str(config)], check=False)


def energies() -> str:
    """Verdict of the single-point energies, as pytest words it."""
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/gmx/test_energy.py"]
    run = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    return run.stdout.strip().splitlines()[-1].strip("= ")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [list(head), ["---"] * len(head), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plus_minus(mean: float, error: float, digits: int) -> str:
    """A mean with its error; of one that rounds to zero the bound that it is below."""
    said = f"{error:.{digits}f}"
    return f"{mean:.{digits}f} ± {said}" if float(said) else f"{mean:.{digits}f} ± < {0.5 * 10**-digits:g}"


def starts(values: Sequence[float], errors: Sequence[float], digits: int, unit: float = 1.0) -> str:
    """Mean of independent starts with its error; marked where two starts differ by more than their errors explain."""
    known = [(value * unit, error * unit) for value, error in zip(values, errors, strict=True) if np.isfinite(value)]
    if not known:
        return "-"
    mean = float(np.mean([value for value, _ in known]))
    within = float(np.sqrt(np.nansum([error**2 for _, error in known]))) / len(known)
    if len(known) < 2:
        return f"{plus_minus(mean, within, digits)} (one start)"
    between = standard_error([value for value, _ in known])
    apart = between > 2 * within
    return f"{plus_minus(mean, max(between, within), digits)}{' (unconverged)' if apart else ''}"


def summary(name: str) -> pd.DataFrame:
    """The table of a sweep; empty where it was not run."""
    path = RESULTS / name / "results/summary/sweep.csv"
    return pd.read_csv(path) if path.is_file() else pd.DataFrame()


def gauche(name: str, system: str) -> tuple[float, float]:
    """Gauche fraction of O-C-C-O and its error."""
    path = RESULTS / name / "results" / system / "analysis/structure.json"
    found = json.loads(path.read_text()).get("gauche_fraction") or {}
    return found.get("value", np.nan), found.get("error", np.nan)


def liquid_rows() -> list[list[str]]:
    """1,2-dimethoxyethane and neat PEO by ether set."""
    rows = []
    for name, what, target, verdict in (
        ("dme", "1,2-dimethoxyethane, 298 K", "0.8637 g/cm3 (CRC), within 2 %", (0.8637, 0.02)),
        (
            "neat",
            "neat PEO 24-mer, 353 K",
            "1.045 g/cm3 (estimate from tetraglyme), within 4 %; gauche above 0.8",
            (1.045, 0.04),
        ),
    ):
        found = summary(name)
        if found.empty:
            rows.append([what, "", MISSING, "", target, ""])
            continue
        for ether, group in found.groupby("ether_set", sort=False):
            shares = [gauche(name, system) for system in group["system"]]
            mean = float(group["density_g_cm3"].mean())
            reference, tolerance = verdict
            off = mean / reference - 1
            rows.append(
                [
                    what,
                    str(ether),
                    starts(group["density_g_cm3"].tolist(), group["density_error_g_cm3"].tolist(), 4),
                    starts([s for s, _ in shares], [e for _, e in shares], 3),
                    target,
                    f"{off:+.1%} in density: {'agrees' if abs(off) <= tolerance else 'differs'}",
                ]
            )
    return rows


def salt_rows() -> list[list[str]]:
    """PEO and Pebax with LiTFSI by mixing rule and lithium model."""
    found = summary("salt")
    if found.empty:
        return [[MISSING] + [""] * 9]
    rows = []
    for (polymer, mixing, cation), group in found.groupby(["polymer", "mixing", "cation_model"], sort=False):

        def column(name: str, digits: int, unit: float = 1.0, group: pd.DataFrame = group) -> str:
            error = f"{name.removesuffix('_nm')}_error_nm" if name.endswith("_nm") else f"{name}_error"
            error = "density_error_g_cm3" if name == "density_g_cm3" else error
            return starts(group[name].tolist(), group[error].tolist(), digits, unit)

        rows.append(
            [
                str(polymer), str(mixing), str(cation), column("density_g_cm3", 3),
                column("first_peak_Li_ether_O_nm", 2, 10), column("coordination_number_Li_ether_O", 1),
                column("first_peak_Li_carbonyl_O_nm", 2, 10), column("first_peak_Li_anion_O_nm", 2, 10),
                column("coordination_number_Li_anion_O", 1), column("first_peak_Li_anion_N_nm", 2, 10),
            ]
        )  # fmt: skip
    return rows


def tfsi_rows() -> list[list[str]]:
    """Geometry of the anion in a simulated box, beside the reference values of its bonds and angles."""
    folder = RESULTS / "salt/results/peo-eo12-400K-r1"
    if not (folder / "production/md.xtc").is_file():
        return [[MISSING, "", "", ""]]
    system = read_description(folder / "topology/system.json")
    opened = open_trajectory(folder / "production/md.xtc", system.n_sites, 1.0)
    anions = system.molecules_of("anion")
    molecule = next(entry.molecule for entry in system.molecules if entry.molecule.kind == "anion")
    classes = [site.bonded_class for site in molecule.sites]
    terms = {2: molecule.bonds, 3: molecule.angles, 4: molecule.dihedrals}
    kinds = {"S-N": 2, "S-O": 2, "S-C": 2, "C-F": 2, "S-N-S": 3, "O-S-O": 3, "F-C-F": 3, "C-S-N-S": 4}
    rows = []
    for kind, size in kinds.items():
        wanted = kind.split("-")
        chosen = [t for t in terms[size] if [classes[s] for s in t.sites] in (wanted, wanted[::-1])]
        sites = np.concatenate([anions[:, list(term.sites)] for term in chosen])
        measured = []
        for _, positions, box in frames(opened, 10):
            edges = np.array([*box, 90, 90, 90], dtype=np.float32)
            points = [positions[sites[:, k]].astype(np.float32) for k in range(size)]
            function = {2: calc_bonds, 3: calc_angles, 4: calc_dihedrals}[size]
            measured.append(function(*points, box=edges))
        values = np.concatenate(measured)
        if size == 2:
            rows.append([kind, f"{values.mean():.4f} nm", f"{chosen[0].parameters[0]:.4f} nm", ""])
        elif size == 3:
            degrees = np.degrees(values)
            rows.append(
                [kind, f"{degrees.mean():.1f}°", f"{chosen[0].parameters[0]:.1f}°", f"spread {degrees.std():.1f}°"]
            )
        else:
            degrees = np.abs(np.degrees(values))
            counts, edges_deg = np.histogram(degrees, bins=36, range=(0, 180))
            top = float(edges_deg[counts.argmax()] + 2.5)
            low, high = np.percentile(degrees, [5, 95])
            rows.append(
                [kind, f"most often {top:.0f}°", "cis and trans conformers", f"90 % between {low:.0f}° and {high:.0f}°"]
            )
    return rows


def option_rows() -> list[list[str]]:
    """Which options went through minimisation and 5 ps of dynamics."""
    folder = RESULTS / "options/results"
    rows = []
    for path in sorted(folder.glob("*/compress/verdict.json")):
        verdict = json.loads(path.read_text())
        rows.append([path.parent.parent.name, "passed" if verdict["status"] != "broken" else "broken"])
    return rows or [[MISSING, ""]]


def page(energy_verdict: str) -> str:
    """docs/validation.md."""
    options = option_rows()
    passed = sum(row[1] == "passed" for row in options)
    return f"""# Validation of the force field

`make validate` (`scripts/validate.py`) writes this page from the sweeps of `config/validation`, with GROMACS as installed,
on two cores. Errors are standard errors over time or between two independent starts, whichever is larger. *Unconverged*
means that the two starts differ by more than twice the error within each. The runs are short (0.3 ns for the boxes with
salt). They show whether the force field is written correctly and roughly right, not what it predicts for transport.

## Single-point energies

The test compares every term of PEO, Pebax, TFSI and of mixed boxes, for the three mixing rules, with a numpy evaluation of
the building blocks (`tests/gmx/test_energy.py`). The tolerance is 1e-5 relative for bonded terms, and for non-bonded terms
too, with a plain cut-off and without potential modifiers: **{energy_verdict}**.

## Liquids

{table(["liquid", "ether set", "density, g/cm3", "gauche fraction O-C-C-O", "reference", "verdict"], liquid_rows())}

Published equations of state put high-polymer PEO at 1.076 g/cm3 (353 K); chain ends lower the density. We found no source
with a readable number for the gauche fraction; spectroscopy and other force fields lead one to expect 0.8.

## TFSI

{table(["term", "in the box", "reference", "note"], tfsi_rows())}

## Salt in polymer, 400 K, EO:Li 12, eight chains, two starts

{table(["polymer", "mixing", "lithium", "density, g/cm3", "Li-O ether, Å", "CN", "Li-O carbonyl, Å", "Li-O TFSI, Å", "CN", "Li-N, Å"], salt_rows())}

For comparison, ideal mixing gives 1.21 to 1.24 g/cm3 for PEO at 400 K (an estimate from recalled volumes, ±2 %). Neutron
diffraction gives Li-O 2.1 Å with about five ether oxygens and no ion pairing (Mao et al., Phys. Rev. Lett. 84 (2000) 5536,
EO:Li 7.5). The study of record shows first peaks near 2.3 Å (ether and carbonyl oxygen) and near 3.5 Å (Li-N). No lithium
model here reaches 2.3 Å: the Li-O distances agree with neutron diffraction and with other force fields, and differ from
the study. The Li-N peak depends on whether TFSI binds with one oxygen (near 4.2 Å) or two (near 3.6 Å). Coordination
numbers count up to each box's own first minimum of g(r) and keep the memory of the random start on this time scale.

## Options

Every polymer, ether set, lithium model, salt and mixing rule, and a scaled charge, goes through grompp (which stops at a
warning), minimisation and 5 ps of dynamics at 3,000 bar and 450 K: **{passed} of {len(options)} passed**.

{table(["system", "verdict"], options)}
"""


def main() -> int:
    """Run what is missing and write the page; returns 1 where something failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--report", action="store_true", help="write the page from the runs that are there")
    arguments = parser.parse_args()
    if not arguments.report:
        for name in ("dme", "neat", "salt"):
            sweep(name, arguments.cores)
        sweep("options", arguments.cores, "--until", "compress")
    verdict = energies()
    text = page(verdict)
    write_text(PAGE, text)
    print(f"made {PAGE}")
    return int(MISSING in text or bool(re.search(r"\bfailed\b|\| broken", text)))


if __name__ == "__main__":
    raise SystemExit(main())
