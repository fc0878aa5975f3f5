"""D of lithium from the mechanism of its motion, with its times and the tests of what the model assumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eoli.analysis.common import write_results
from eoli.analysis.conductivity.analyse import is_salt, with_lithium
from eoli.analysis.mechanism.contacts import ETHER, batches, ether_chains, partners_of
from eoli.analysis.mechanism.hopping import contour_positions, hosts, rate
from eoli.analysis.mechanism.residence import check_range, contacts
from eoli.analysis.motion.analyse import Motion, read_motion
from eoli.analysis.motion.msd import M2_S_PER_NM2_PS
from eoli.analysis.renewal.estimate import LARGEST_SHARE_OF_RUN, Transport, Walks, transport
from eoli.core.arrays import Floats, Integers
from eoli.core.statistics import Estimate
from eoli.study.criteria import RenewalCriteria
from eoli.topology.description import SystemDescription, read_description
from eoli.topology.molecule import Molecule
from eoli.topology.selections import POLYMER_PARTNERS
from eoli.trajectory.store import Reduced, open_reduced
from eoli.trajectory.unwrap import may_fold, some, too_far_apart, unwrap_and_largest_step

_PS_PER_NS = 1000.0
_UNITS = {"index": "units2", "segments": "nm2", "ions": "nm2"}
"""Units of the curves: along the chain, of the units that hold lithium, of lithium on its chain."""


def _hosts(
    reduced: Reduced, system: SystemDescription, criteria: RenewalCriteria, hold_frames: int
) -> tuple[Integers, Floats, Integers]:
    """Host and place on it of each ion, (frames, ions), and the ion at each ether oxygen, (segment frames, oxygens)."""
    partners, units = partners_of(system, criteria.contact_nm), system.of_sites(lambda site: site.residue_number)
    for of in partners.values():
        check_range(of, float(reduced.attribute("motion/neighbours", "range_nm")))
    oxygens = system.with_role("ether_O")
    number = np.full(system.n_sites, -1)
    number[oxygens] = np.arange(len(oxygens))
    every = reduced.motion_per_structure
    bound = np.full((reduced.n_frames("structure"), len(oxygens)), -1, dtype=np.int32)
    host, index = [], []
    ion = 0
    for neighbours, distances in batches(reduced):
        host.append(hosts(neighbours, distances, partners["chain"], hold_frames, True))
        index.append(contour_positions(neighbours, distances, partners["ether_chain"], units, host[-1]))
        for of_ion in range(neighbours.shape[1]):
            sites, apart = neighbours[::every, of_ion], distances[::every, of_ion]
            frame, slot = np.nonzero(contacts(sites, apart, partners["ether_O"]))
            bound[frame, number[sites[frame, slot]]] = ion
            ion += 1
    return np.concatenate(host, axis=1), np.concatenate(index, axis=1), bound


def walks_of(reduced: Reduced, system: SystemDescription, criteria: RenewalCriteria, motion: Motion) -> Walks | str:
    """Ions on chains in one run, or why the model cannot be asked about it.

    The file must stay open as long as the walks are used. Raises DataError for files that do not belong together, and for
    cut-offs beyond the neighbour lists.
    """
    if len(list(system.types_of("polymer"))) > 1:
        return "not known: several types of chains, and the model is of one"
    ether = ether_chains(system)
    if ether is None or not reduced.has("motion/neighbours"):
        return "not resolved: no lithium beside ether chains"
    if folded := motion.folded or _folded_segments(reduced):
        return f"not known: {folded}"
    return _walks(reduced, system, ether, motion, criteria)


def _frames(criteria: RenewalCriteria, interval_ps: float) -> tuple[int, int]:
    """For how many frames a new host leads, and within how many an ion that is back has not left."""
    hold, back = (round(ps / interval_ps) for ps in (criteria.hold_ps, criteria.return_ps))
    return max(1, hold), back


def _walks(
    reduced: Reduced, system: SystemDescription, ether: tuple[Molecule, Integers], motion: Motion,
    criteria: RenewalCriteria,
) -> Walks:  # fmt: skip
    host, index, bound = _hosts(reduced, system, criteria, _frames(criteria, motion.interval_ps)[0])
    molecule, oxygens = ether
    per_chain, every = oxygens.shape[1], reduced.motion_per_structure
    chains, box = some(motion.paths["chain"], slice(None)), motion.box[::every]
    centres = (chains + motion.drift[:, None])[::every]

    def segments(chain: int) -> tuple[Floats, Integers]:
        part = slice(chain * per_chain, (chain + 1) * per_chain)
        paths, _ = unwrap_and_largest_step(reduced.array("structure/ether_oxygen", part), box)
        return paths - centres[:, [chain]], bound[:, part]

    binding = [site for site in molecule.sites if site.role in (*ETHER, *POLYMER_PARTNERS["carbonyl_O"])]
    own = [site for site in binding if site.role in ETHER]
    ends = reduced.array("structure/end_to_end").astype(np.float64)
    return Walks(
        interval_ps=motion.interval_ps,
        host=host,
        index=index,
        ions=some(motion.paths["Li"], slice(None)),
        chains=chains,
        every=every,
        segments=segments,
        end_to_end2=(ends**2).sum(axis=2).mean(axis=0),
        units=len({site.residue_number for site in own}),
        other_block=1 - len(own) / len(binding),
    )


_NEEDS: dict[str, tuple[str, ...] | None] = {
    "D_m2_s": None,
    "D_long_chains_m2_s": None,
    "D_on_chains_m2_s": ("one block", "on chains", "without anions", "transfers at random", "independent transfers"),
    "D_between_transfers_m2_s": ("independent transfers",),
}
"""The assumptions that each D needs; None for all."""


def _why_not(found: Transport, of: str, shortest_ps: float) -> str:
    """Why a D is withheld; empty if it is not."""
    residence, needs = found.transfers.residence, _NEEDS[of]
    if residence.mean_ps is None:
        return f"transfers between chains: {residence.verdict}"
    checks = {name: check for name, check in found.checks.items() if needs is None or name in needs}
    for result, said in (("fails", "the data contradict"), ("not tested", "the data do not test")):
        names = [name for name, check in checks.items() if check.result == result]
        if names:
            return f"{said}: {', '.join(names)}"
    if of != "D_between_transfers_m2_s":
        return "" if len(found.lag_ps) else "transfers come within few frames"
    if residence.mean_ps > LARGEST_SHARE_OF_RUN * shortest_ps:
        return f"a lithium stays longer on a chain than {LARGEST_SHARE_OF_RUN:.0%} of the run"
    return ""


def _stated(of: Estimate, factor: float, why_not: str) -> dict[str, Any]:
    """Number and verdict; without a number in the data, too."""
    why_not = why_not or ("" if of.value is not None else "the error is more than half of it")
    if why_not:
        return {"value": None, "error": None, "verdict": f"not resolved: {why_not}"}
    return {**asdict(of.times(factor)), "verdict": "resolved"}


def _scalars(found: Transport, shortest_ps: float, ion_ps: float) -> dict[str, Any]:
    transfers, residence = found.transfers, found.transfers.residence
    diffusion = {
        name: _stated(of, M2_S_PER_NM2_PS, _why_not(found, name, shortest_ps))
        for name, of in zip(
            _NEEDS, (found.diffusion, found.long_chains, found.on_chains, found.model_free), strict=True
        )
    }
    # a time means something also where the whole does not fit together
    times = "" if len(found.lag_ps) else _why_not(found, "D_m2_s", shortest_ps)
    ion_ns = ion_ps / _PS_PER_NS
    return {
        "tau_1": _stated(found.tau_1, 1, times),
        "tau_2": _stated(found.tau_2, 1, times),
        "tau_3": {
            "value": residence.mean_ps,
            "error": residence.error_ps,
            "at_least_ps": residence.at_least_ps,
            "verdict": residence.verdict,
        },
        "D_along_chain_units2_ns": _stated(found.index_rate, _PS_PER_NS, times),
        "end_to_end2_nm2": _stated(found.end_to_end2, 1, times),
        "D_of_whole_chain_m2_s": _stated(found.chain_share, M2_S_PER_NM2_PS, times),
        **diffusion,
        "transfers": {
            "direct": asdict(rate(transfers.direct, ion_ns)),
            "with_anion": asdict(rate(transfers.assisted, ion_ns)),
            "share_of_time_without_chain": transfers.absent,
        },
        "assumptions": {name: asdict(check) for name, check in found.checks.items()},
    }


def _table(found: Transport) -> pd.DataFrame:
    columns: dict[str, Floats] = {"lag_ps": found.lag_ps}
    for name, curve in found.curves.items():
        unit = _UNITS[name]
        columns[f"{name}_{unit}"], columns[f"{name}_{unit}_error"] = curve.msd, curve.errors
        columns[f"{name}_model_{unit}"] = curve.model
    return pd.DataFrame(columns)


def _withheld(reason: str) -> dict[str, Any]:
    """The numbers that the sweep shows, each with the reason why it is not there."""
    return {name: {"value": None, "error": None, "verdict": reason} for name in ("tau_1", "tau_2", "tau_3", *_NEEDS)}


_OF_CONDUCTIVITY = ("D_m2_s", "D_between_transfers_m2_s", "D_on_chains_m2_s")
"""Which D of lithium a conductivity is made with: the first of these that is resolved; the second assumes least."""


def _conductivity(scalars: Mapping[str, Any], motions: Sequence[Motion], criteria: RenewalCriteria) -> dict[str, Any]:
    """Conductivity of ions that move independently, lithium as found; for chains that carry the anions, none."""
    if not is_salt(motions[0].species):
        return {}
    name = next((name for name in _OF_CONDUCTIVITY if scalars[name]["value"] is not None), None)
    if name is None:
        return {"conductivity_S_m": dict(scalars["D_between_transfers_m2_s"])}
    lithium = Estimate(scalars[name]["value"], scalars[name]["error"])
    found = with_lithium(lithium, motions, criteria.tolerance, criteria.temperature_K)
    return {"conductivity_S_m": found | {"lithium_by": name}}


def renewal(
    runs: Sequence[Walks | str], motions: Sequence[Motion], criteria: RenewalCriteria
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Table and scalars of one run, or of several of one system together, from `walks_of` and the motion of each."""
    lengths_ps = [motion.length_ns * _PS_PER_NS for motion in motions]
    walks = [of for of in runs if not isinstance(of, str)]
    table, scalars = pd.DataFrame({"lag_ps": []}), _withheld(next((of for of in runs if isinstance(of, str)), ""))
    if len(walks) == len(runs):
        found = transport(walks, *_frames(criteria, walks[0].interval_ps))
        table = _table(found)
        ion_ps = sum(of.host.shape[1] * length for of, length in zip(walks, lengths_ps, strict=True))
        scalars = _scalars(found, min(lengths_ps), ion_ps)
    scalars |= _conductivity(scalars, motions, criteria)
    return table, scalars | {"length_ns": sum(lengths_ps) / _PS_PER_NS, "criteria": criteria.model_dump()}


def analyse_renewal(reduced: Path, description: Path, criteria: RenewalCriteria, out_csv: Path, out_json: Path) -> None:
    """D of lithium from the renewal model and between transfers, its times, and the tests of its assumptions.

    The table has the measured motion and the model at the lags of the fit. Where a chain has two blocks only tau_3 and the D
    between transfers are sought. Raises DataError for files that cannot be read or do not belong together, and for cut-offs
    beyond the neighbour lists.
    """
    system = read_description(description)
    with open_reduced(reduced, system) as opened:
        motion = read_motion(opened, system)
        table, scalars = renewal([walks_of(opened, system, criteria, motion)], [motion], criteria)
    write_results(table, scalars, out_csv, out_json)


def _folded_segments(reduced: Reduced) -> str | None:
    """Why the paths of the ether oxygens are not known; None if they are."""
    name, box = "structure/ether_oxygen", reduced.array("motion/box")[:: reduced.motion_per_structure]
    shape, largest = reduced.shape(name), 0.0
    # a part at a time: paths of all would not fit into memory
    for start in range(0, shape[1], 64):
        part = reduced.array(name, slice(start, start + 64))
        largest = max(largest, unwrap_and_largest_step(part, box[: len(part)])[1])
    return (
        f"ether oxygen: {too_far_apart(largest, reduced.interval_ps('structure'))}"
        if may_fold(largest, shape)
        else None
    )
