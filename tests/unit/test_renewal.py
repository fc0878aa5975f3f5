"""The renewal model against ions that walk on Rouse chains with known times."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import constants
from scipy.integrate import quad
from scipy.linalg import expm

from eoli.analysis.pooled import analyse_starts
from eoli.analysis.renewal.analyse import analyse_renewal
from eoli.analysis.renewal.estimate import (
    Transport,
    Walks,
    bridged,
    fitted_rate,
    intervals_between,
    transport,
)
from eoli.analysis.renewal.model import (
    index_msd,
    long_chain_diffusion,
    renewal_diffusion,
    segment_msd,
    slowest_time,
)
from eoli.study.criteria import RenewalCriteria, StartsCriteria
from eoli.topology.description import MoleculeCount, SystemDescription, to_json
from eoli.topology.molecule import Molecule, Site
from support import choice, reduced_file
from walkers import Known, walks

RUNS = int(os.environ.get("EOLI_RENEWAL_RUNS", "10"))
N, RATE, BOND2, TAU_3 = 15, 0.02, 0.4, 900.0


def _laplacian(units: int) -> np.ndarray:
    of = 2 * np.eye(units) - np.eye(units, k=1) - np.eye(units, k=-1)
    of[0, 0] = of[-1, -1] = 1
    return of


def test_index_msd_is_that_of_a_walk_with_ends_that_turn_it_round() -> None:
    n = np.arange(N)
    for time in (1.0, 30.0, 1e3, 1e6):
        chance = expm(-RATE * time * _laplacian(N))
        walked = (chance * (n[:, None] - n) ** 2).sum() / N
        assert index_msd(np.array([time]), RATE, N)[0] == pytest.approx(walked)
    assert index_msd(np.array([1.0]), 1e-4, N)[0] == pytest.approx(2e-4 * (1 - 1 / N), rel=1e-3)


def test_segment_msd_is_that_of_coupled_springs() -> None:
    """Covariance of the beads from the matrix of the springs, without modes."""
    centred = np.eye(N) - 1 / N
    static = BOND2 * np.linalg.pinv(_laplacian(N))
    for time in (1.0, 30.0, 1e3, 1e6):
        moved = centred @ expm(-RATE * time * _laplacian(N)) @ static
        assert segment_msd(np.array([time]), RATE, N, BOND2)[0] == pytest.approx(2 * np.trace(static - moved) / N)
    radius2 = BOND2 * (N**2 - 1) / (6 * N)
    assert segment_msd(np.array([1e9]), RATE, N, BOND2)[0] == pytest.approx(2 * radius2)


def test_rates_add_up() -> None:
    """An ion that walks along a moving chain, from both matrices at once."""
    along, own, time = 0.013, 0.007, 80.0
    static = BOND2 * np.linalg.pinv(_laplacian(N))
    moved = (np.eye(N) - 1 / N) @ expm(-own * time * _laplacian(N)) @ static
    together = (expm(-along * time * _laplacian(N)) * moved).sum() / N
    by_hand = 2 * (np.trace(static) / N - together)
    assert segment_msd(np.array([time]), along + own, N, BOND2)[0] == pytest.approx(by_hand)


def test_diffusion_is_the_mean_over_exponential_times() -> None:
    mean, _ = quad(lambda x: math.exp(-x) * segment_msd(np.array([x * TAU_3]), RATE, N, BOND2)[0], 0, 50, limit=500)
    assert renewal_diffusion(RATE, N, BOND2, TAU_3) == pytest.approx(mean / (6 * TAU_3), rel=1e-6)


def test_long_chains_are_the_limit_of_long_chains() -> None:
    found = renewal_diffusion(RATE, 20_000, BOND2, TAU_3)
    assert long_chain_diffusion(RATE, BOND2, TAU_3) == pytest.approx(found, rel=1e-3)
    slow = 1e4 * TAU_3
    tau_12 = slowest_time(RATE, 20_000)
    published = BOND2 * 20_000 / (6 * math.pi * math.sqrt(tau_12 * slow))
    assert long_chain_diffusion(RATE, BOND2, slow) == pytest.approx(published, rel=1e-3)


def test_the_continuous_chain_of_the_papers_is_the_limit_of_slow_modes() -> None:
    units, time = 400, np.array([2e4, 1e5, 1e6])
    tau = slowest_time(RATE, units)
    p = np.arange(1, units)
    published = (2 * BOND2 * units / math.pi**2 / p**2 * -np.expm1(-np.outer(time, p**2) / tau)).sum(axis=1)
    assert segment_msd(time, RATE, units, BOND2) == pytest.approx(published, rel=0.02)
    assert tau == pytest.approx(units**2 / (math.pi**2 * RATE), rel=1e-4)


def test_an_ion_that_comes_back_has_not_left() -> None:
    host = np.array([[2, 2, -1, 2, 2, -1, 3, -1], [-1, 1, 1, 2, 1, 3, 3, 1]]).T
    assert bridged(host, 0).T.tolist() == [[2, 2, 2, 2, 2, -1, 3, 3], [-1, 1, 1, 2, 1, 3, 3, 1]]
    assert bridged(host, 1)[:, 1].tolist() == [-1, 1, 1, 1, 1, 3, 3, 1]
    assert bridged(host, 2)[:, 1].tolist() == [-1, 1, 1, 1, 1, 1, 1, 1]
    assert bridged(np.array([[1, 2, -1, 3, 1]]).T, 3)[:, 0].tolist() == [1] * 5
    assert bridged(np.array([[-1, -1]]).T, 3)[:, 0].tolist() == [-1, -1]


def test_transfers_by_way_of_an_anion_are_counted_apart() -> None:
    """Every other transfer passes through a frame without a chain; the model then does not hold."""
    run = walks(Known(frames=2000), 1)
    host = run.host.copy()
    changes = [np.flatnonzero(np.diff(series)) for series in host.T]
    for ion, frames in enumerate(changes):
        host[frames[::2], ion] = -1
    found, plain = transport([replace(run, host=host)], 1, 0), transport([run], 1, 0)
    # a stay of one frame is gone with the frame
    assert found.transfers.assisted == pytest.approx(sum(len(frames[::2]) for frames in changes), abs=3)
    assert found.transfers.assisted + found.transfers.direct == pytest.approx(plain.transfers.direct, abs=3)
    assert found.transfers.residence.mean_ps == pytest.approx(plain.transfers.residence.mean_ps, rel=0.02)
    assert found.transfers.absent == pytest.approx((host < 0).mean())
    assert failed(found) == {"without anions"}


def test_weights_make_up_for_intervals_that_were_not_seen() -> None:
    """Times that are cut by the end: a plain mean of those seen whole is too short, the weighted one is not."""
    random = np.random.default_rng(2)
    frames, ions, mean = 1000, 400, 150
    host = np.empty((frames, ions), dtype=np.int64)
    for i in range(ions):
        ends = np.cumsum(random.geometric(1 / mean, frames))
        host[:, i] = np.searchsorted(ends, np.arange(frames), side="right") % 7
    found, moved = intervals_between(host, np.zeros((frames, ions, 3)), 1, 1)
    plain, weighted = found[:, 1].mean(), np.average(found[:, 1], weights=found[:, 3])
    assert plain < 0.95 * mean
    # the few that outlast the run are never seen
    assert weighted == pytest.approx(mean, rel=0.03)
    assert not moved.any()


def test_an_offset_is_not_taken_for_motion() -> None:
    time = np.geomspace(100, 1000, 12)
    msd = 0.3 + segment_msd(time, RATE, N, BOND2)
    rate, offset = fitted_rate(msd, lambda w: segment_msd(time, w, N, BOND2), 1e-6, 1.0)
    assert (rate, offset) == (pytest.approx(RATE, rel=1e-2), pytest.approx(0.3, rel=1e-2))
    assert math.isnan(fitted_rate(0 * msd, lambda w: w * time, 1e-6, 1.0)[0])


def failed(found: Transport) -> set[str]:
    return {name for name, check in found.checks.items() if check.result == "fails"}


def test_known_times_and_d_are_found() -> None:
    """Few runs are for every day; EOLI_RENEWAL_RUNS=200 also tests that the interval holds D in 60 to 76 % of them."""
    known = Known(frames=2000)
    found = [transport([walks(known, seed)], 1, 0) for seed in range(RUNS)]
    assert not any(failed(of) for of in found)
    rate = known.index_rate + known.segment_rate
    expected = {
        "diffusion": known.diffusion,
        "on_chains": known.diffusion,
        "model_free": known.diffusion,
        "long_chains": long_chain_diffusion(rate, known.bond_nm**2, known.tau_3),
        "tau_1": slowest_time(known.index_rate, known.units),
        "chain_share": known.chain_diffusion,
        "end_to_end2": known.bond_nm**2 * (known.units - 1),
    }
    for name, value in expected.items():
        values, errors = np.array([(getattr(of, name).value, getattr(of, name).error) for of in found]).T
        assert values.mean() == pytest.approx(value, rel=0.07), name
        assert (np.abs(values - value) <= errors).sum() >= 3, name
        assert values.std() == pytest.approx(errors.mean(), rel=0.7), name
    assert np.mean([of.transfers.residence.mean_ps for of in found]) == pytest.approx(known.tau_3, rel=0.05)


def test_transfers_that_are_partly_undone_carry_less() -> None:
    """J_k . J_k+m of jumps of which a share b undoes the last one is (-b)^m J^2, which sums to (1 - b)/(1 + b)."""
    known = Known(frames=2000, jump_nm=0.8, back=0.15)
    jumps = 3 * known.jump_nm**2 / (6 * known.tau_3)
    expected = known.diffusion + jumps * (1 - known.back) / (1 + known.back)
    found = [transport([walks(known, seed)], 1, 0).model_free for seed in range(RUNS)]
    values, errors = np.array([(of.value, of.error) for of in found]).T
    # without the correlation it would be 16 % more
    assert values.mean() == pytest.approx(expected, rel=0.07) and known.diffusion + jumps > 1.16 * expected
    assert (np.abs(values - expected) <= errors).sum() >= 3
    assert values.std() == pytest.approx(errors.mean(), rel=0.7)


def test_d_is_that_of_a_run_long_enough_to_diffuse() -> None:
    """The slope of the MSD of the same ions at lags of many tau_3, where they do diffuse."""
    known = Known(ions=150, frames=6000, tau_3=400.0)
    run = walks(known, 1)
    lags = np.array([400, 800])
    msd = [((run.ions[lag:] - run.ions[:-lag]) ** 2).sum(axis=2).mean() for lag in lags]
    direct = (msd[1] - msd[0]) / (6 * (lags[1] - lags[0]) * known.interval_ps)
    assert direct == pytest.approx(known.diffusion, rel=0.1)
    found = transport([run], 1, 0)
    assert found.diffusion.value == pytest.approx(direct, rel=0.1)
    assert found.model_free.value == pytest.approx(direct, rel=0.1)


def test_starts_together_know_more_than_each() -> None:
    """Errors of three starts are those of one over sqrt(3), unless the starts themselves scatter by more."""
    known = Known(frames=1200, ions=20, chains=10, units=12, tau_3=1200.0)
    runs = [walks(known, seed) for seed in range(12)]
    single = [transport([run], 1, 0) for run in runs]
    alone = [found.diffusion for found in single]
    # longer bonds mean lower rates of the same motion: counted apart, they would make this error half as large again
    assert np.median([found.on_chains.error for found in single]) < 1.2 * np.median([of.error for of in alone])
    together = [transport(runs[k : k + 3], 1, 0).diffusion for k in range(0, 12, 3)]
    for k, found in enumerate(together):
        assert found.value == pytest.approx(np.mean([of.value for of in alone[3 * k : 3 * k + 3]]), rel=0.05)
    assert np.median([of.error for of in together]) < 0.85 * np.median([of.error for of in alone])
    assert np.mean([of.value for of in together]) == pytest.approx(known.diffusion, rel=0.07)


def test_starts_of_different_length_count_by_what_they_saw() -> None:
    """The order does not matter, and a start taken twice changes nothing but the error."""
    known = Known(frames=1200, ions=20, chains=10, units=12, tau_3=1200.0)
    long, short = walks(known, 1), walks(replace(known, frames=800), 2)
    one, other = transport([long, short], 1, 0), transport([short, long], 1, 0)
    assert one.diffusion.value == pytest.approx(other.diffusion.value)
    assert one.diffusion.error == pytest.approx(other.diffusion.error)
    assert one.transfers == other.transfers
    assert one.checks["transfers at random"].value == pytest.approx(other.checks["transfers at random"].value)
    assert one.model_free.value == pytest.approx(other.model_free.value)
    single, twice = transport([long], 1, 0), transport([long, long], 1, 0)
    assert twice.diffusion.value == pytest.approx(single.diffusion.value)
    assert twice.model_free.value == pytest.approx(single.model_free.value)
    assert twice.transfers.direct == 2 * single.transfers.direct
    assert twice.diffusion.error < single.diffusion.error


def test_starts_that_differ_give_the_error_of_their_scatter() -> None:
    """Three times the rate in every second start: errors within the starts do not know it."""
    slow = Known(frames=1200, ions=20, chains=10, units=12, tau_3=1200.0)
    fast = replace(slow, index_rate=3 * slow.index_rate, segment_rate=3 * slow.segment_rate)
    starts = [walks(slow if seed % 2 else fast, seed) for seed in range(4)]
    alike = [walks(slow, seed) for seed in range(4)]
    differ, agree = (transport(runs, 1, 0).diffusion for runs in (starts, alike))
    assert differ.error / differ.value > 1.5 * agree.error / agree.value
    low, high = slow.diffusion, fast.diffusion
    assert low < differ.value < high and differ.error > (high - low) / 8


def test_rattling_adds_nothing() -> None:
    found = transport([walks(Known(frames=2000, rattle_nm=0.1), 3)], 5, 0)
    plain = transport([walks(Known(frames=2000), 3)], 5, 0)
    assert found.diffusion.value == pytest.approx(plain.diffusion.value, rel=0.02)


@pytest.mark.parametrize(
    ("known", "what"),
    [
        (Known(frames=3000, jump_nm=0.8, back=0.6), "independent transfers"),
        (Known(frames=3000, stiff=True, segment_rate=1e-2, index_rate=1e-4), "Rouse segments"),
    ],
    ids=["back to where it was", "stiff"],
)
def test_a_walk_that_is_not_of_the_model_fails_its_check(known: Known, what: str) -> None:
    assert what in failed(transport([walks(known, 1)], 1, 0))


def test_too_few_transfers_give_no_d() -> None:
    found = transport([walks(Known(frames=300, ions=10, tau_3=1e5), 1)], 1, 0)
    assert (found.transfers.residence.mean_ps, found.diffusion.value, found.model_free.value) == (None, None, None)
    assert not found.curves


def site(role: str | None, number: int = 1, block: str | None = None) -> Site:
    return Site("X", "X", 0.0, 1.0, "R", number, "X", role, block, "test")


def written(
    folder: Path, known: Known, with_pa: bool = False, every: int = 1, seed: int = 5, anion_nm2_ps: float = 0.0
) -> Walks:
    """Such ions, and their trajectory in a box as `reduced.h5` and `system.json` in `folder`; anions with a D."""
    folder.mkdir(exist_ok=True)
    chain = [site("ether_O", unit, "PEO") for unit in range(1, known.units + 1)]
    chain += [site("amide_O", known.units + 1, "PA")] if with_pa else []
    system = SystemDescription(
        (
            MoleculeCount(Molecule("P", "polymer", 0, tuple(chain), (), (), (), ()), known.chains),
            MoleculeCount(Molecule("LI", "cation", 1, (site("Li"),), (), (), (), ()), known.ions),
            MoleculeCount(Molecule("AN", "anion", -1, (site("anion_O"),), (), (), (), ()), known.ions),
        ),
        choice(),
        "",
    )
    (folder / "system.json").write_text(to_json(system))
    run, edge = walks(known, seed), 6.0
    ether = system.with_role("ether_O").reshape(known.chains, known.units)
    neighbours = ether[run.host, run.index.astype(int)][:, :, None].astype(np.int32)
    beads = np.stack([run.segments(c)[0] + run.chains[:, [c]] for c in range(known.chains)], axis=1)
    box = np.full((known.frames, 3), edge, dtype=np.float32)
    steps = np.random.default_rng(seed).normal(size=(known.frames, known.ions, 3))
    anions = np.sqrt(2 * anion_nm2_ps * known.interval_ps) * steps.cumsum(axis=0)
    arrays = {
        "motion/box": box,
        "motion/lithium": (run.ions % edge).astype(np.float32),
        "motion/anions": (anions % edge).astype(np.float32),
        "motion/chains": (run.chains % edge).astype(np.float32),
        "motion/neighbours": neighbours,
        "motion/distances": np.full(neighbours.shape, 0.2, dtype=np.float32),
        "structure/ether_oxygen": (beads % edge).reshape(known.frames, -1, 3)[::every].astype(np.float32),
        "structure/end_to_end": (beads[:, :, -1] - beads[:, :, 0])[::every].astype(np.float32),
    }
    dt = known.interval_ps
    intervals = {"motion": dt, "structure": dt * every, "slow": dt * every}
    with reduced_file(folder / "reduced.h5", system, dt * (known.frames - 1), intervals) as file:
        for cadence, frames in (("motion", known.frames), ("structure", len(box[::every])), ("slow", 1)):
            file[cadence].attrs["frames"] = frames
        for name, values in arrays.items():
            file[name] = values
        file["motion/neighbours"].attrs["range_nm"] = 0.5
    return run


def criteria_of(known: Known) -> dict[str, Any]:
    contacts = {"ether_O": 0.3, "carbonyl_O": 0.3, "anion": 0.3}
    hold, diffusive = {"hold_ps": known.interval_ps, "return_ps": 0.0}, {"tolerance": 0.1, "temperature_K": 400.0}
    return {"contact_nm": contacts} | hold | diffusive


def analysed(folder: Path, known: Known, with_pa: bool = False, every: int = 1) -> tuple[dict, pd.DataFrame, Transport]:
    """Such ions analysed from their files and, for comparison, at once."""
    run, criteria = written(folder, known, with_pa, every), RenewalCriteria.model_validate(criteria_of(known))
    csv, scalars = folder / "renewal.csv", folder / "renewal.json"
    analyse_renewal(folder / "reduced.h5", folder / "system.json", criteria, csv, scalars)
    return json.loads(scalars.read_text()), pd.read_csv(csv), transport([replace(run, every=every)], 1, 0)


SMALL = Known(ions=25, chains=10, units=12, frames=1500)


def test_files_hold_what_the_functions_find(tmp_path: Path) -> None:
    found, table, expected = analysed(tmp_path, SMALL)
    assert found["tau_3"]["value"] == pytest.approx(expected.transfers.residence.mean_ps)
    assert found["tau_1"]["value"] == pytest.approx(expected.tau_1.value, rel=1e-3)
    assert found["tau_2"]["value"] == pytest.approx(expected.tau_2.value, rel=1e-2)
    # relative to the centre of mass of ten chains, these move a tenth less
    of_chain = expected.chain_share.value * 1e-6
    assert found["D_of_whole_chain_m2_s"]["value"] == pytest.approx(0.9 * of_chain, rel=0.15)
    assert found["D_m2_s"]["value"] == pytest.approx(expected.diffusion.value * 1e-6, rel=0.05)
    assert (
        found["D_m2_s"]["verdict"]
        == found["D_on_chains_m2_s"]["verdict"]
        == found["D_between_transfers_m2_s"]["verdict"]
        == "resolved"
    )
    assert found["transfers"]["direct"]["events"] == expected.transfers.direct
    assert found["transfers"]["with_anion"]["events"] == 0
    assert {check["result"] for check in found["assumptions"].values()} == {"holds"}
    assert table["ions_nm2"].to_numpy() == pytest.approx(expected.curves["ions"].msd, rel=1e-3)
    assert list(table)[:4] == ["lag_ps", "index_units2", "index_units2_error", "index_model_units2"]


def test_the_conductivity_has_lithium_as_in_the_model_and_anions_as_they_move(tmp_path: Path) -> None:
    d_anion = 2e-4
    written(tmp_path, SMALL, anion_nm2_ps=d_anion)
    criteria = RenewalCriteria.model_validate(criteria_of(SMALL))
    out = tmp_path / "renewal.json"
    analyse_renewal(tmp_path / "reduced.h5", tmp_path / "system.json", criteria, tmp_path / "renewal.csv", out)
    found = json.loads(out.read_text())
    sigma, lithium = found["conductivity_S_m"], found["D_m2_s"]
    per_volume = SMALL.ions * constants.e**2 / (constants.k * 400.0 * (6e-9) ** 3)
    assert sigma["verdict"] == "resolved" and sigma["lithium_by"] == "D_m2_s"
    by_hand = per_volume * (lithium["value"] + d_anion * 1e-6)
    assert abs(sigma["value"] - by_hand) < 3 * sigma["error"] < 0.6 * by_hand
    assert sigma["error"] > per_volume * lithium["error"]


def test_a_conductivity_is_withheld_with_the_motion_it_needs(tmp_path: Path) -> None:
    still, _, _ = analysed(tmp_path, SMALL)
    assert still["D_m2_s"]["verdict"] == "resolved"
    assert still["conductivity_S_m"]["value"] is None
    assert still["conductivity_S_m"]["verdict"].startswith("not resolved: motion of anion")
    # lithium alone carries what its D says, within two errors
    per_volume = SMALL.ions * constants.e**2 / (constants.k * 400.0 * (6e-9) ** 3)
    assert still["conductivity_S_m"]["lower_bound"] == pytest.approx(
        per_volume * (still["D_m2_s"]["value"] - 2 * still["D_m2_s"]["error"])
    )


def test_the_conductivity_takes_the_next_d_where_the_model_fails(tmp_path: Path) -> None:
    found, _, _ = analysed(tmp_path, SMALL, with_pa=True)
    assert found["D_m2_s"]["value"] is None and found["D_between_transfers_m2_s"]["value"] is not None
    assert found["conductivity_S_m"]["lithium_by"] == "D_between_transfers_m2_s"


def test_segments_may_have_fewer_frames(tmp_path: Path) -> None:
    found, table, _ = analysed(tmp_path, SMALL, every=2)
    assert (table["lag_ps"] % (2 * SMALL.interval_ps) == 0).all()
    assert found["tau_2"]["value"] == pytest.approx(slowest_time(SMALL.segment_rate, SMALL.units), rel=0.5)


def test_two_blocks_withhold_the_model_alone(tmp_path: Path) -> None:
    found, table, _ = analysed(tmp_path, SMALL, with_pa=True)
    for name in ("D_m2_s", "D_long_chains_m2_s", "D_on_chains_m2_s", "tau_1", "tau_2"):
        assert found[name]["value"] is None
        assert found[name]["verdict"] == "not resolved: the data contradict: one block"
    assert found["tau_3"]["verdict"] == found["D_between_transfers_m2_s"]["verdict"] == "resolved"
    assert not len(table)


def test_too_short_a_run_says_so(tmp_path: Path) -> None:
    found, _, _ = analysed(tmp_path, replace(SMALL, frames=30))
    assert found["D_m2_s"]["verdict"] == "not resolved: transfers between chains: too few exits"
    assert found["tau_3"]["at_least_ps"] > 0


def test_starts_are_analysed_together_from_their_files(tmp_path: Path) -> None:
    names, of_renewal = ["peo-r1", "peo-r2"], criteria_of(SMALL)
    runs = [written(tmp_path / name, SMALL, seed=seed) for seed, name in enumerate(names)]
    criteria = StartsCriteria(
        systems=names, temperature_K=350.0, tolerance=0.1, target_error=0.2, contact_nm=0.3, use_interval_ps=10.0,
        lithium_contact_nm=of_renewal["contact_nm"], hold_ps=of_renewal["hold_ps"], return_ps=0.0,
    )  # fmt: skip
    files = [[tmp_path / name / file for name in names] for file in ("reduced.h5", "system.json")]
    analyse_starts(*files, criteria, tmp_path / "peo.json")
    found, expected = json.loads((tmp_path / "peo.json").read_text())["renewal"], transport(runs, 1, 0)
    assert found["D_m2_s"]["value"] == pytest.approx(expected.diffusion.value * 1e-6, rel=0.05)
    assert found["D_m2_s"]["error"] == pytest.approx(expected.diffusion.error * 1e-6, rel=0.2)
    assert found["tau_3"]["value"] == pytest.approx(expected.transfers.residence.mean_ps)
    assert found["tau_1"]["verdict"] == "resolved"
    assert found["length_ns"] == pytest.approx(2 * (SMALL.frames - 1) * SMALL.interval_ps / 1000)
