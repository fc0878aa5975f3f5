"""Interaction energies of a trajectory: the study's table by GROMACS energy groups, exact energies, contacts."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eoli.analysis.common import write_results
from eoli.analysis.interactions.groups import (
    Groups,
    Partition,
    Sums,
    between,
    block_mean,
    block_ratio,
    contact_kinds,
    frame_sums,
    partition,
    read_lennard_jones,
    table_groups,
    table_pairs,
    whole_groups,
    within,
)
from eoli.box.gro import gro_text
from eoli.core.arrays import Floats
from eoli.core.files import write_text
from eoli.core.statistics import Estimate
from eoli.errors import DataError, RunError
from eoli.gromacs.build import Gromacs, inspect
from eoli.gromacs.energies import read_energies
from eoli.gromacs.mdp import Conditions, mdp_options, mdp_text
from eoli.gromacs.mdrun import rerun
from eoli.gromacs.tools import grompp
from eoli.study.config import GromacsBuild
from eoli.study.criteria import InteractionsCriteria
from eoli.study.protocol import Stage
from eoli.topology.description import SystemDescription, read_description
from eoli.trajectory.reader import frames, open_trajectory
from eoli.trajectory.reduce import check_frames

DEFINITIONS = {
    "short_range": (
        "Energies of GROMACS between groups within the cut-off, from a rerun of the frames with the run's own "
        "non-bonded settings. E_vdw: Lennard-Jones, each pair shifted to zero at the cut-off. E_ele: the direct part of "
        "particle mesh Ewald, q q erfc(b r)/r shifted to zero at the cut-off, with erfc(b r_c) = 1e-5. E_ele between "
        "groups that are charged is a property of the cut-off, not of the material: it changes severalfold, and even "
        "its sign, with the cut-off. Compare it only between runs of one cut-off."
    ),
    "exact": (
        "Coulomb energies from the full Ewald sum with conducting surroundings, which has no cut-off; a charged group "
        "meets a uniform background that neutralises it. The parts of the box and the energies within and between "
        "them add up to the Coulomb energy of the box (excluded pairs left out, 1-4 pairs as the force field counts "
        "them). Lithium with a neutral counter-group (a block, the chain) is the number that other work can be compared with."
    ),
    "contacts": (
        "Bare Coulomb and plain Lennard-Jones energy of a lithium and a site within the reach of the first shell, "
        "mean of all such contacts; `unit`: with the site's whole unit (C-O-C of an ether oxygen, C=O of a carbonyl)."
    ),
    "errors": "standard errors over five consecutive blocks of the frames, of contacts by the jackknife",
    "groups": {
        "Li": "lithium ions",
        "C-O-C": "ether oxygens and the carbons bonded to them",
        "C=O": "carbonyl oxygens of amides and esters and the carbons bonded to them",
        "NH": "amide nitrogens and hydrogens",
        "N": "nitrogen atoms of an anion",
        "ether block, by its name": "chain without PA: whole, neutral C-O-C units, uncharged ends, and tethered anions",
        "PA": "polyamide with the ester and the carbon that the ester's bridging oxygen holds",
        "chain": "whole chains",
    },
}
NO_IONS = "the system has no lithium: there are no pairs"
_CHECK = 1e-3
_GRID_PER_CUTOFF = 0.1
_ENERGIES = ("E_vdw", "E_ele", "E_total")
# only what decides the non-bonded energies is used
_FRAME = Stage.model_validate(
    {"name": "rerun", "ensemble": "minimisation", "integrator": "steep", "max_steps": 1, "force_tolerance_kJ_mol_nm": 1}
)


@dataclass(frozen=True)
class Row:
    """One table row: Estimates of E_vdw, E_ele and E_total, kJ/mol, per box, lithium or contact."""

    method: str
    pair: str
    per: str
    energies: dict[str, Estimate]


def _rows(method: str, pair: str, energies: Mapping[str, Floats], n_lithium: int) -> list[Row]:
    """Rows per box and per lithium from series over frames, kJ/mol per box."""
    return [
        Row(method, pair, per, {name: block_mean(series / number) for name, series in energies.items()})
        for per, number in (("box", 1), ("lithium", n_lithium))
    ]


def _gmx_name(group: str) -> str:
    return re.sub(r"\W", "", group)


def index_text(groups: Groups) -> str:
    """A GROMACS index file with one site per line: GROMACS splits lines of more than 4,095 characters."""
    return "".join(
        f"[ {_gmx_name(name)} ]\n" + "".join(f"{site + 1}\n" for site in sites) for name, sites in groups.items()
    )


def rerun_options(groups: Sequence[str], cutoff_nm: float) -> dict[str, str]:
    """The .mdp options for energies between groups: the non-bonded settings of every stage, exact pair lists.

    The grid is a tenth of the cut-off, whatever the run uses: only the reciprocal part depends on it, which serves only
    for the comparison with the Ewald sum.
    """
    conditions = Conditions(
        temperature_K=0, cutoff_nm=cutoff_nm, fourier_spacing_nm=_GRID_PER_CUTOFF * cutoff_nm,
        dispersion_correction=False, constraints="none", seed=0,
    )  # fmt: skip
    return mdp_options(_FRAME, conditions) | {
        "integrator": "md",
        "nsteps": "0",
        "dt": "0.0001",
        "continuation": "yes",
        "nstenergy": "1",
        "nstcalcenergy": "1",
        "verlet-buffer-tolerance": "-1",
        "nstlist": "1",
        "rlist": f"{cutoff_nm:g}",
        "energygrps": " ".join(map(_gmx_name, groups)),
    }


def group_energies(
    used: Sequence[tuple[Floats, Floats]], topology: Path, description: SystemDescription, groups: Groups,
    options: Mapping[str, str], gromacs: Gromacs, threads: int, log: Path,
) -> dict[str, Floats]:  # fmt: skip
    """All GROMACS energies for frames (positions nm, box edges nm), by name, each of shape (frames,).

    Raises RunError with the cause and the log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="eoli-rerun-") as name:
        folder = Path(name)
        write_text(folder / "rerun.mdp", mdp_text(dict(options)))
        write_text(folder / "groups.ndx", index_text(groups))
        positions, box = used[0]
        write_text(folder / "start.gro", gro_text(description, positions, float(box[0]), "rerun"))
        from MDAnalysis.lib.formats.libmdaxdr import TRRFile

        # full precision, so that the Ewald sum sees the same coordinates
        with TRRFile(str(folder / "frames.trr"), "w") as file:
            for step, (positions, box) in enumerate(used):
                x, edges = positions.astype(np.float32), np.diag(box).astype(np.float32)
                file.write(x, None, None, edges, step, float(step), 0.0, len(x))
        grompp(
            gromacs, folder / "rerun.mdp", folder / "start.gro", topology / "system.top", folder / "rerun.tpr", log, None,
            folder / "groups.ndx",
        )  # fmt: skip
        energies = read_energies(rerun(gromacs, folder / "rerun.tpr", folder / "frames.trr", log, threads), least=1)
    if len(energies["Time"]) != len(used):
        raise RunError(f"gmx mdrun -rerun: energies of {len(energies['Time'])} of {len(used)} frames; log: {log}")
    return {term: np.asarray(values, dtype=np.float64) for term, values in energies.items()}


def short_range(energies: Mapping[str, Floats], first: str, second: str) -> dict[str, Floats]:
    """E_vdw, E_ele and their sum between two energy groups, kJ/mol, shape (frames,) each.

    Raises DataError if the energies lack that pair.
    """
    found = []
    for kind in ("LJ-SR", "Coul-SR"):
        names = [f"{kind}:{_gmx_name(a)}-{_gmx_name(b)}" for a, b in ((first, second), (second, first))]
        term = next((name for name in names if name in energies), None)
        if term is None:
            raise DataError(f"the energies of the rerun have no {names[0]}")
        found.append(energies[term])
    return dict(zip(_ENERGIES, (*found, found[0] + found[1]), strict=True))


def _exact_rows(sums: Sums, cells: Partition, pairs: Sequence[tuple[str, str]], parts: Groups, n: int) -> list[Row]:
    single = [name for name in parts if name != "chain"]
    joined = [(name, "chain") for name in single if "chain" in parts and not set(parts[name]) <= set(parts["chain"])]
    found = {
        f"{a}/{b}": between(sums.forms, cells.members[a], cells.members[b])
        for a, b in (*pairs, *combinations(single, 2), *joined)
    }
    found |= {f"{name}/{name}": within(sums.forms, cells.members[name]) for name in single}
    return [row for pair, series in found.items() for row in _rows("exact", pair, {"E_ele": series}, n)]


def _contact_rows(contacts: Mapping[str, Floats], with_units: Mapping[str, bool]) -> list[Row]:
    rows = []
    for kind, sums in contacts.items():
        for what, column in (("site", 1), ("unit", 3)):
            if what == "site" or with_units[kind]:
                series = (sums[:, column], sums[:, column + 1], sums[:, column] + sums[:, column + 1])
                means = {name: block_ratio(s, sums[:, 0]) for name, s in zip(_ENERGIES, series, strict=True)}
                rows.append(Row(f"contact_{what}", f"Li/{kind}", "contact", means))
    return rows


def _table(rows: Sequence[Row]) -> pd.DataFrame:
    columns = [f"{name}{part}_kJ_mol" for name in _ENERGIES for part in ("", "_error")]
    lines = [
        {"method": row.method, "pair": row.pair, "per": row.per}
        | {f"{name}_kJ_mol": found.value for name, found in row.energies.items()}
        | {f"{name}_error_kJ_mol": found.error for name, found in row.energies.items()}
        for row in rows
    ]
    return pd.DataFrame(lines, columns=["method", "pair", "per", *columns])


def _nested(rows: Sequence[Row]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for row in rows:
        energies = {f"{name}_kJ_mol": asdict(found) for name, found in row.energies.items()}
        nested.setdefault(row.method, {}).setdefault(row.pair, {})[row.per] = energies
    return nested


def analyse_interactions(
    trajectory: Path, topology: Path, criteria: InteractionsCriteria, out_csv: Path, out_json: Path, *,
    build: GromacsBuild, threads: int, log: Path,
) -> None:  # fmt: skip
    """Interaction energies of evenly spaced frames of a run; see DEFINITIONS.

    `topology` is the folder of system.top. Contact distances are by partner of lithium (names of pair_groups); a
    partner without one has no contacts. The table has a row for each method, pair and `per` (box, lithium, contact); a
    neat polymer has none. GROMACS output goes to `log`. Raises DataError for files that cannot be read or do not belong
    together, and for frames that no run of the system produces; RunError if GROMACS fails, or if its Coulomb energy
    differs from the Ewald sum of the same frames by more than a thousandth of the terms' magnitudes.
    """
    system = read_description(topology / "system.json")
    opened = open_trajectory(trajectory, system.n_sites, criteria.frame_interval_ps)
    stride = math.ceil(opened.n_frames / criteria.frames)
    n_lithium = len(system.with_role("Li"))
    scalars: dict[str, Any] = {
        "definitions": DEFINITIONS,
        "lithium_ions": n_lithium,
        "frames": len(range(0, opened.n_frames, stride)),
        "use_interval_ps": stride * criteria.frame_interval_ps,
        "cutoff_nm": criteria.cutoff_nm,
    }
    if not n_lithium:
        write_results(_table([]), scalars | {"verdict": NO_IONS}, out_csv, out_json)
        return
    groups, parts, pairs = table_groups(system), whole_groups(system), table_pairs(system)
    used = [(positions, box) for _, positions, box in frames(opened, stride)]
    positions, boxes = (np.array(of, dtype=np.float32) for of in zip(*used, strict=True))
    lengths_nm = system.bond_lengths_nm().astype(np.float32)
    check_frames(trajectory, np.arange(len(used)) * stride, positions, boxes, system.bonds(), lengths_nm)
    options = rerun_options(list(groups), criteria.cutoff_nm)
    energies = group_energies(used, topology, system, groups, options, inspect(build), threads, log)
    cells, kinds = partition(groups | parts, system.n_sites), contact_kinds(system, criteria.contact_nm)
    sums = frame_sums(used, system, cells, kinds, read_lennard_jones(topology / "forcefield.itp"))
    of_gromacs = np.sum([energies[name] for name in ("Coulomb (SR)", "Coul. recip.", "Coulomb-14")], axis=0)
    totals = {"ewald": float(sums.forms.sum(axis=(1, 2)).mean()), "gromacs": float(of_gromacs.mean())}
    # the total itself may pass through zero as the salt content changes
    if abs(totals["ewald"] - totals["gromacs"]) > _CHECK * float(np.abs(sums.forms.mean(axis=0)).sum()):
        raise RunError(
            f"{trajectory}: the Coulomb energy of GROMACS, {totals['gromacs']:.1f} kJ/mol, is not that of the Ewald sum, "
            f"{totals['ewald']:.1f}; log: {log}"
        )
    rows = [row for a, b in pairs for row in _rows("short_range", f"{a}/{b}", short_range(energies, a, b), n_lithium)]
    rows += _exact_rows(sums, cells, pairs, parts, n_lithium)
    rows += _contact_rows(sums.contacts, {name: kind.units.shape[1] > 1 for name, kind in kinds.items()})
    charges = system.charges()
    scalars |= {
        "groups": {
            name: {"sites": len(sites), "charge_e": round(float(charges[sites].sum()), 6) + 0.0}
            for name, sites in (groups | parts).items()
        },
        "coulomb_total_kJ_mol": totals,
        "contacts_per_lithium": {
            name: asdict(block_mean(found[:, 0] / n_lithium)) for name, found in sums.contacts.items()
        },
        "contact_reach_nm": {name: kind.reach_nm for name, kind in kinds.items()},
    }
    write_results(_table(rows), scalars | _nested(rows), out_csv, out_json)
