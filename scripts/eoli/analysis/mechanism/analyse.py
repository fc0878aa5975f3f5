"""Lithium transport mechanism: residence with its partners, moves, environments, and motion of the ether segments."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eoli.analysis.common import write_results
from eoli.analysis.mechanism import hopping as mv
from eoli.analysis.mechanism import residence as rs
from eoli.analysis.mechanism import segments as sg
from eoli.analysis.mechanism.contacts import ETHER, POLYMER, SITES, batches, ether_chains, numbered, partners_of
from eoli.analysis.motion.analyse import merged_by_lag
from eoli.analysis.motion.msd import M2_S_PER_NM2_PS, SMALLEST_MSD_NM2, log_lags
from eoli.core.arrays import Booleans, Floats, Integers
from eoli.core.files import table_to_csv, whole
from eoli.errors import DataError
from eoli.study.criteria import MechanismCriteria
from eoli.topology.description import SystemDescription, read_description
from eoli.topology.molecule import Molecule
from eoli.topology.selections import OF_TYPE, block_names, ether_torsions
from eoli.topology.species import Species, species_of
from eoli.trajectory.store import Reduced, open_reduced
from eoli.trajectory.unwrap import may_fold, too_far_apart, unwrap_and_largest_step

Columns = dict[str, Floats]

_PER_DECADE = 20
_PS_PER_NS = 1000.0
_CHUNK_BYTES = 128e6
_SMALLEST_CONTOUR_MSD = 1.0
_SHARED = ("block", "ether_chain")
"""Partners that serve for hosts alone; those of all others are followed for their residence."""
_ENDS = [f"{end}_{what}" for what in ("chain", "block", "unit") for end in ("from", "to")]
_OF_MOVE = ["time_ps", "left_ps", "lithium", "kind", *_ENDS, "displacement_nm"]


def _joined(parts: list[rs.Periods]) -> rs.Periods:
    """Join the periods of consecutive batches of ions."""
    starts = np.cumsum([0, *(part.n_lithium for part in parts[:-1])])
    return rs.Periods(
        lithium=np.concatenate([part.lithium + start for part, start in zip(parts, starts, strict=True)]),
        partner=np.concatenate([part.partner for part in parts]),
        first=np.concatenate([part.first for part in parts]),
        last=np.concatenate([part.last for part in parts]),
        n_frames=parts[0].n_frames, n_lithium=sum(part.n_lithium for part in parts), break_frames=parts[0].break_frames,
    )  # fmt: skip


def _lags(reduced: Reduced, cadence: str) -> tuple[Integers, Floats]:
    """Lags of a cadence in frames and in ps."""
    lags = log_lags(reduced.n_frames(cadence), _PER_DECADE)
    return lags, lags.astype(np.float64) * reduced.interval_ps(cadence)


def _decay_scalars(found: rs.Decay | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "value": found.time_ps,
        "error": found.error_ps,
        "at_least": found.at_least_ps,
        "verdict": found.verdict,
    }


def _residence(
    periods: Mapping[str, rs.Periods], interval_ps: float, lags: Integers, columns: Columns
) -> dict[str, dict[str, Any]]:
    scalars = {}
    for name, of in periods.items():
        mean = rs.mean_residence(of, interval_ps)
        entry: dict[str, Any] = {
            "mean_ps": {"value": mean.mean_ps, "error": mean.error_ps},
            "mean_at_least_ps": mean.at_least_ps,
            "verdict": mean.verdict,
            "exits": mean.exits,
            "bound_ns": mean.bound_ps / _PS_PER_NS,
        }
        kaplan_meier = rs.survival(of, interval_ps, lags)
        entry["survival_1e_ps"] = _decay_scalars(kaplan_meier)
        # A block is a single partner: its correlation decays to the fraction of time spent there, not to zero.
        correlation = rs.contact_correlation(of, interval_ps, lags) if name in (*SITES, "solvent", "chain") else None
        if correlation is not None:
            entry["correlation_1e_ps"] = _decay_scalars(correlation)
        for key, found in (("survival", kaplan_meier), ("correlation", correlation)):
            if found is not None:
                columns[f"{key}_{name}"], columns[f"{key}_{name}_error"] = found.function, found.errors
        scalars[name] = entry
    return scalars


def _displacement(found: mv.Displacement, key: str, unit: str, columns: Columns) -> dict[str, Any]:
    columns[f"{key}_{unit}"], columns[f"{key}_{unit}_error"] = found.msd, found.errors
    return {
        f"msd_{unit}": asdict(found.at_lag),
        "lag_ps": found.lag_ps,
        "exponent": asdict(found.exponent),
        "origins": found.origins,
        "verdict": found.verdict,
    }


def _environments(numbers: Mapping[str, Integers], blocks: tuple[str, str]) -> dict[str, Booleans]:
    """Environment masks (frames, ions): anywhere, only ether block, at a C=O, at an anion; the last two overlap."""
    soft, hard = blocks
    near = {name: number > 0 for name, number in numbers.items()}
    found = {"all": np.ones_like(next(iter(near.values())))}
    ether = [of for name, of in near.items() if name in ETHER]
    if ether:
        others = [of for name, of in near.items() if name not in ETHER]
        found[f"{soft}_only"] = np.any(ether, axis=0) & ~np.any([np.zeros_like(found["all"]), *others], axis=0)
    found |= {f"{key}_contact": near[name] for key, name in ((hard, "carbonyl_O"), ("anion", "anion")) if name in near}
    return {name: where for name, where in found.items() if where.any()}


def _partition(numbers: Mapping[str, Integers]) -> dict[str, Any]:
    """Fractions of lithium by environment; those that need a C=O are absent if there is none."""
    found = {}
    if "carbonyl_O" in numbers:
        found["with_carbonyl_O"] = mv.fraction(numbers["carbonyl_O"] > 0)
        if "ether_O" in numbers:
            found["mostly_carbonyl_O"] = mv.fraction(numbers["carbonyl_O"] > numbers["ether_O"])
            found["mostly_ether_O"] = mv.fraction(numbers["ether_O"] > numbers["carbonyl_O"])
    if "anion" in numbers:
        found["with_anion"] = mv.fraction(numbers["anion"] > 0)
    polymer = [numbers[name] == 0 for name in POLYMER if name in numbers]
    if polymer:
        found["without_polymer"] = mv.fraction(np.all(polymer, axis=0))
    return {name: asdict(estimate) for name, estimate in found.items()}


def _event_table(
    moves: Sequence[mv.Move], carried: Floats, chain: Integers | None, block: Integers | None, names: tuple[str, str],
    interval_ps: float,
) -> pd.DataFrame:  # fmt: skip
    """Moves in time order; chains, ions and units as in the topology, counted from 1, blank if unknown."""

    def at(host: Integers | None, frame: int, ion: int) -> int | None:
        return None if host is None or host[frame, ion] < 0 else int(host[frame, ion])

    rows = []
    for move, distance in zip(moves, carried, strict=True):
        ends = [(at(chain, n, move.lithium), at(block, n, move.lithium)) for n in (move.start - 1, move.frame)]
        chains = [None if c is None else c + 1 for c, _ in ends]
        blocks = ["none" if c is None else "" if b is None else names[b] for c, b in ends]
        times = (move.frame * interval_ps, move.start * interval_ps)
        units = (move.from_unit, move.to_unit)
        rows.append((*times, move.lithium + 1, move.kind, *chains, *blocks, *units, float(distance)))
    table = pd.DataFrame(rows, columns=_OF_MOVE).sort_values(["time_ps", "lithium"], kind="stable")
    return table.astype({"from_chain": "Int64", "to_chain": "Int64"})


def _moves(
    moves: Sequence[mv.Move], carried: Floats, paths: Floats, hold_frames: int, ion_ns: float, kinds: Sequence[mv.Kind],
    blocks: tuple[str, str],
) -> dict[str, Any]:  # fmt: skip
    scalars: dict[str, Any] = {}
    for kind in kinds:
        squares = carried[[move.kind == kind for move in moves]] ** 2
        scalars[kind] = asdict(mv.rate(len(squares), ion_ns))
        if len(squares):
            error = float(squares.std(ddof=1) / math.sqrt(len(squares))) if len(squares) > 1 else None
            scalars[kind]["square_displacement_nm2"] = {"value": float(squares.mean()), "error": error}
    if "between_blocks" in kinds:
        for source, target in ((0, 1), (1, 0)):
            seen = sum(move.kind == "between_blocks" and move.to_host == target for move in moves)
            scalars[f"{blocks[source]}_to_{blocks[target]}"] = asdict(mv.rate(seen, ion_ns))
    scalars["square_displacement_anytime_nm2"] = mv.square_displacement_anytime(paths, hold_frames)
    return scalars


@dataclass(frozen=True)
class _Contacts:
    """Contacts of lithium: bound periods by partner, sites of each kind per ion, hosts and contour positions.

    Arrays are (frames, ions); what the system lacks is absent or None.
    """

    periods: dict[str, rs.Periods]
    numbers: dict[str, Integers]
    chain: Integers | None
    block: Integers | None
    contour: Floats | None


def _contacts(
    reduced: Reduced, system: SystemDescription, cutoffs_nm: Mapping[str, float], break_frames: int, hold: int
) -> _Contacts:
    partners, units = partners_of(system, cutoffs_nm), system.of_sites(lambda site: site.residue_number)
    has_both_blocks = all(name in partners for name in block_names(system))
    range_nm = float(reduced.attribute("motion/neighbours", "range_nm"))
    for of in partners.values():
        rs.check_range(of, range_nm)
    periods: dict[str, list[rs.Periods]] = defaultdict(list)
    arrays: dict[str, list[Any]] = defaultdict(list)
    for neighbours, distances in batches(reduced):
        for name, of in partners.items():
            if name not in _SHARED:
                periods[name].append(rs.bound_periods(neighbours, distances, of, break_frames))
            if name in SITES:
                arrays[name].append(mv.contact_numbers(neighbours, distances, of))
        if "chain" in partners:
            chain = mv.hosts(neighbours, distances, partners["chain"], hold, True)
            arrays["chain"].append(chain)
            if "ether_chain" in partners:
                contour = mv.contour_positions(neighbours, distances, partners["ether_chain"], units, chain)
                arrays["contour"].append(contour)
        if has_both_blocks:
            arrays["block"].append(mv.hosts(neighbours, distances, partners["block"], hold, False))
    whole_arrays = {name: np.concatenate(parts, axis=1) for name, parts in arrays.items()}
    return _Contacts(
        {name: _joined(parts) for name, parts in periods.items()},
        {name: whole_arrays[name] for name in SITES if name in whole_arrays},
        *(whole_arrays.get(name) for name in ("chain", "block", "contour")),
    )


def _contour(
    found: _Contacts, lags: Integers, interval_ps: float, tolerance: float, columns: Columns
) -> dict[str, Any]:
    if found.chain is None or found.contour is None:
        return {}
    stays = (np.diff(found.chain, axis=0, prepend=found.chain[:1]) != 0).cumsum(axis=0, dtype=np.int32)
    along = mv.conditional_msd(
        found.contour[:, :, None], found.chain >= 0, lags, interval_ps, tolerance, _SMALLEST_CONTOUR_MSD, stays
    )
    entry = _displacement(along, "msd_contour", "units2", columns)
    return {"contour": {**entry, "D_units2_ns": asdict(along.slope.times(_PS_PER_NS / 2))}}


def _mobility(
    paths: Floats, environments: Mapping[str, Booleans], lags: Integers, interval_ps: float, tolerance: float,
    columns: Columns,
) -> dict[str, Any]:  # fmt: skip
    scalars = {}
    for name, where in environments.items():
        moved = mv.conditional_msd(paths, where, lags, interval_ps, tolerance, SMALLEST_MSD_NM2)
        scalars[name] = _displacement(moved, f"msd_Li_{name}", "nm2", columns)
        if name == "all":
            continue
        scalars[name]["D_m2_s"] = asdict(moved.slope.times(M2_S_PER_NM2_PS / 6))
        if moved.lag_ps is not None:
            lag = round(moved.lag_ps / interval_ps)
            still = (where[lag:] & where[:-lag]).sum() / max(1, where[:-lag].sum())
            scalars[name]["still_there"] = float(still)
    return scalars


def _lithium(
    reduced: Reduced, system: SystemDescription, criteria: MechanismCriteria
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Scalars, table over lags and table of moves."""
    interval_ps, n_frames = reduced.interval_ps("motion"), reduced.n_frames("motion")
    hold, tolerance = max(1, round(criteria.hold_ps / interval_ps)), criteria.tolerance
    found = _contacts(reduced, system, criteria.contact_nm, round(criteria.break_ps / interval_ps), hold)
    paths, largest = unwrap_and_largest_step(reduced.array("motion/lithium"), reduced.array("motion/box"))
    folded = too_far_apart(largest, interval_ps) if may_fold(largest, paths.shape) else None
    if folded:
        # everything derived from them is then unknown too
        paths[:] = np.nan
    lags, lag_ps = _lags(reduced, "motion")
    columns: Columns = {"lag_ps": lag_ps}
    blocks = block_names(system)
    moves: list[mv.Move] = []
    kinds: list[mv.Kind] = []
    if found.chain is not None:
        moves += mv.moves_between_hosts(found.chain, "between_chains")
        kinds += ["between_chains", "with_anion"]
        if found.contour is not None:
            moves += mv.moves_along_chains(found.contour, found.chain, hold, criteria.least_units)
            kinds.append("along_chain")
    if found.block is not None:
        moves += mv.moves_between_hosts(found.block, "between_blocks")
        kinds.append("between_blocks")
    carried = mv.displacements(paths, moves, hold)
    # a state must be seen for `hold` frames after its begin
    ion_ns = paths.shape[1] * max(1, n_frames - hold) * interval_ps / _PS_PER_NS
    scalars = {
        "residence": _residence(found.periods, interval_ps, lags, columns),
        "moves": _moves(moves, carried, paths, hold, ion_ns, kinds, blocks),
        "partition": _partition(found.numbers),
        "mobility": _mobility(paths, _environments(found.numbers, blocks), lags, interval_ps, tolerance, columns),
        **_contour(found, lags, interval_ps, tolerance, columns),
    }
    if folded:
        for entry in scalars["mobility"].values():
            entry["verdict"] = f"not known: {folded}"
    return scalars, pd.DataFrame(columns), _event_table(moves, carried, found.chain, found.block, blocks, interval_ps)


def _relaxation(found: sg.Relaxation, name: str, columns: Columns) -> dict[str, Any]:
    columns[name], columns[f"{name}_error"] = found.decay.function, found.decay.errors
    return {
        "time_1e_ps": _decay_scalars(found.decay),
        "mean_ps": asdict(found.mean_ps),
        "stretching": asdict(found.stretching),
        "amplitude": asdict(found.amplitude),
    }


def _resolved(
    lag_ps: Floats, samples: Mapping[str, Floats], counts: Mapping[str, int], quantity: str, columns: Columns,
    curve: sg.Curve = lambda mean: mean,
) -> dict[str, Any]:  # fmt: skip
    """Relaxation per bin and over all bins, from samples (chains, ...) that are means over `counts` series."""
    total = sum(counts.values())
    together = np.sum([samples[name] * (count / total) for name, count in counts.items()], axis=0)
    parts = {"all": together, **(samples if len(samples) > 1 else {})}
    return {
        name: _relaxation(sg.relaxation(lag_ps, part, curve), f"{quantity}_{name}", columns)
        for name, part in parts.items()
    }


def _orientations(
    reduced: Reduced, places: Integers, groups: Mapping[str, Integers], columns: Columns
) -> dict[str, Any]:
    """Relaxation of the vectors between ether oxygens, whose places in their array are (chains, ether oxygens)."""
    n_chains, n_oxygens = places.shape
    lags, lag_ps = _lags(reduced, "structure")
    box = reduced.array("motion/box")[:: reduced.motion_per_structure]
    rows: dict[str, list[tuple[Floats, Floats]]] = {name: [] for name in groups}
    size = max(1, int(_CHUNK_BYTES / (len(box) * n_oxygens * 12)))
    for start in range(0, n_chains, size):
        some = places[start : start + size].ravel()
        part = reduced.array("structure/ether_oxygen", slice(some.min(), some.max() + 1))[:, some - some.min()]
        vectors = sg.segment_vectors(part.reshape(len(box), -1, n_oxygens, 3), box)
        for chain in range(vectors.shape[1]):
            for name, members in groups.items():
                rows[name].append(sg.orientation_samples(vectors[:, chain, members], lags))
    counts = {name: len(members) for name, members in groups.items()}
    return {
        quantity: _resolved(
            lag_ps, {name: np.array([pair[k] for pair in rows[name]]) for name in groups}, counts, quantity, columns
        )
        for k, quantity in enumerate(("P1", "P2"))
    }


def _torsions(
    reduced: Reduced, system: SystemDescription, oxygens: Integers, groups: Mapping[str, Integers], columns: Columns
) -> dict[str, Any]:
    rank = np.full(system.n_sites, -1, dtype=np.int64)
    rank[oxygens] = np.arange(oxygens.shape[1])
    chain_of = numbered(system.n_sites, list(oxygens))
    ends = ether_torsions(system)[:, [0, 3]]
    if (chain_of[ends[:, 0]] < 0).all():
        return {}
    lags, lag_ps = _lags(reduced, "structure")
    chain, segment = chain_of[ends[:, 0]], rank[ends].min(axis=1)
    members = {name: np.isin(segment, of) for name, of in groups.items()}
    members = {name: of for name, of in members.items() if of.any()}
    samples: dict[str, dict[str, list[Floats]]] = defaultdict(lambda: defaultdict(list))
    for c in range(len(oxygens)):
        # torsions are ordered by chain: one chain at a time bounds memory
        mine = np.flatnonzero(chain == c)
        torsions = reduced.array("structure/torsions", slice(mine[0], mine[-1] + 1))
        for quantity, series in sg.torsion_series(torsions).items():
            for name, of in members.items():
                chosen = mine[of[mine]] - mine[0]
                samples[quantity][name].append(sg.fluctuation_samples(series[:, chosen], lags))
    counts = {name: int(of.sum()) for name, of in members.items()}
    return {
        quantity: _resolved(
            lag_ps, {name: np.array(rows) for name, rows in of.items()}, counts, quantity, columns, sg.fluctuation_curve
        )
        for quantity, of in samples.items()
    }


def _segments_of(
    reduced: Reduced, system: SystemDescription, molecule: Molecule, of_type: Species, unit_edges: Sequence[int]
) -> tuple[dict[str, Any], Columns]:
    """Scalars and columns over lags of one type of chain."""
    scalars: dict[str, Any] = {}
    lags, lag_ps = _lags(reduced, "structure")
    columns: Columns = {"lag_ps": lag_ps}
    oxygens = of_type.sites[:, [site.role == "ether_O" for site in molecule.sites]]
    if oxygens.shape[1] > 1:
        distances = sg.segment_distances(molecule)
        bins = sg.bin_numbers(distances, unit_edges)
        groups = {
            name: np.flatnonzero((bins == k) & (distances > 0)) for k, name in enumerate(sg.bin_names(unit_edges))
        }
        groups = {name: of for name, of in groups.items() if len(of)}
        scalars["units_from"] = "PA" if any(site.block == "PA" for site in molecule.sites) else "chain end"
        # no two ether oxygens may lie in neighbouring units
        if groups:
            places = np.searchsorted(system.with_role("ether_O"), oxygens)
            scalars |= _orientations(reduced, places, groups, columns)
        if groups and reduced.has("structure/torsions"):
            scalars |= _torsions(reduced, system, oxygens, groups, columns)
    if reduced.has("structure/end_to_end"):
        vectors = reduced.array("structure/end_to_end", of_type.particles)
        found = sg.relaxation(lag_ps, sg.end_to_end_samples(vectors, lags), sg.end_to_end_curve)
        scalars["end_to_end"] = _relaxation(found, "end_to_end", columns)
    return scalars, columns


def _segments(
    reduced: Reduced, system: SystemDescription, unit_edges: Sequence[int]
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Scalars, and the table over lags, of the type of chain with the most ether oxygens, and where there are several
    types, of each: under `by_type`, and in columns whose names have `@<type>`."""
    molecules = [molecule for molecule, _ in system.types_of("polymer")]
    types = list(zip(molecules, species_of(system).get("chain", ()), strict=True))
    found = {of_type.label: _segments_of(reduced, system, molecule, of_type, unit_edges) for molecule, of_type in types}
    if not found:
        return {}, pd.DataFrame({"lag_ps": _lags(reduced, "structure")[1]})
    ether = ether_chains(system)
    followed = next(
        (of.label for molecule, of in types if ether is not None and molecule is ether[0]), types[0][1].label
    )
    scalars, columns = found[followed]
    if len(types) > 1:
        scalars = scalars | {"molecule": followed, "by_type": {label: of for label, (of, _) in found.items()}}
        for label, (_, own) in found.items():
            columns = columns | {_at(name, label): values for name, values in own.items() if name != "lag_ps"}
    return scalars, pd.DataFrame(columns)


def _at(column: str, label: str) -> str:
    """Name of a column of one type of chain."""
    quantity = column.removesuffix("_error")
    return f"{quantity}{OF_TYPE}{label}{column[len(quantity) :]}"


def analyse_mechanism(
    reduced: Path, description: Path, criteria: MechanismCriteria, out_csv: Path, out_events_csv: Path, out_json: Path
) -> None:
    """Residence, moves, environments and mobility of lithium, and relaxation of the ether segments, of one run.

    Contacts are with `ether_O`, `hydroxyl_O`, `carbonyl_O`, `solvent_O`, `solvent_N` and `anion`. Times are rounded to whole frames. `out_csv`
    holds the functions of the lag, `out_events_csv` the moves (only its header without lithium). Raises DataError for
    files that cannot be read or do not belong together, and for cut-offs beyond the neighbour lists.
    """
    system = read_description(description)
    events = _event_table([], np.empty(0), None, None, block_names(system), 1.0)
    with open_reduced(reduced, system) as opened:
        for cadence in ("motion", "structure"):
            if opened.n_frames(cadence) < 2:
                raise DataError(f"{reduced}: {opened.n_frames(cadence)} frame of {cadence}; at least 2 are needed")
        scalars: dict[str, Any] = {
            "length_ns": opened.length_ps / _PS_PER_NS,
            "motion_interval_ps": opened.interval_ps("motion"),
            "structure_interval_ps": opened.interval_ps("structure"),
            "criteria": {"cutoffs_nm": criteria.contact_nm, **criteria.model_dump(exclude={"contact_nm"})},
        }
        scalars["segments"], table = _segments(opened, system, criteria.unit_edges)
        tables = [table]
        if opened.has("motion/neighbours"):
            found, table, events = _lithium(opened, system, criteria)
            scalars |= found
            tables.insert(0, table)
    with whole(out_events_csv) as temporary:
        table_to_csv(temporary, events)
        write_results(merged_by_lag(tables), scalars, out_csv, out_json)
