"""g(r) and coordination numbers, against an ideal gas, lattices, an independent implementation and shapes by hand."""

from __future__ import annotations

import MDAnalysis as mda
import numpy as np
import pytest
from MDAnalysis.analysis.rdf import InterRDF
from MDAnalysis.coordinates.memory import MemoryReader
from scipy.signal import find_peaks

from eoli.analysis.structure.rdf import (
    PairCounts,
    coordination_number,
    first_maximum,
    first_minimum,
    first_peak,
    first_shell,
    radial_distribution,
    running_number,
)
from eoli.errors import DataError
from eoli.trajectory.kernels import count_pairs


def counted(
    positions: np.ndarray, edges: np.ndarray, first: np.ndarray, second: np.ndarray, bin_nm: float, n_blocks: int = 10
) -> PairCounts:
    """Pairs of two groups without a site in common, in cubic boxes with these edges (frames,)."""
    boxes = np.repeat(edges.astype(np.float32)[:, None], 3, axis=1)
    blocks = np.arange(len(positions)) * n_blocks // len(positions)
    counts = np.zeros((n_blocks, 1, int(edges.max() / bin_nm) + 2), dtype=np.int64)
    count_pairs(
        positions.astype(np.float32),
        boxes,
        first,
        second,
        np.array([0, len(second)]),
        np.float32(1 / bin_nm),
        blocks,
        counts,
    )
    n_bins = int(edges.min() / 2 / bin_nm + 1e-9)
    return PairCounts(
        counts[:, 0, :n_bins], len(first), len(second), np.bincount(blocks), np.bincount(blocks, 1 / edges**3), bin_nm
    )


def test_ideal_gas_is_one_within_its_statistical_error_in_a_breathing_box() -> None:
    rng = np.random.default_rng(1)
    edges = np.linspace(2.4, 3.2, 60)
    positions = rng.random((60, 300, 3)) * edges[:, None, None]
    counts = counted(positions, edges, np.arange(100), np.arange(100, 300), 0.025)
    g = radial_distribution(counts)
    # independent pairs: a count varies as its own size
    deviation = (g - 1) * np.sqrt(np.maximum(counts.pairs.sum(axis=0), 1) / g.clip(min=1e-9))
    assert len(g) == 48
    beyond = counts.r_nm > 0.1
    assert np.abs(deviation[beyond]).max() < 4
    assert np.sqrt(np.mean(deviation[beyond] ** 2)) == pytest.approx(1, abs=0.3)
    expected = 200 * np.mean(1 / edges**3) * 4 / 3 * np.pi * counts.r_nm**3
    np.testing.assert_allclose(running_number(counts)[beyond][8:], expected[beyond][8:], rtol=0.02)
    assert first_shell(counts).first_peak_nm.value is None
    inside = coordination_number(counts, 1.0)
    exact = 200 * np.mean(1 / edges**3) * 4 / 3 * np.pi
    # the density falls from block to block, and the error says so
    spread = np.std([200 / e**3 for e in edges.reshape(10, 6).mean(axis=1)], ddof=1) / np.sqrt(10) * 4 / 3 * np.pi
    assert inside.value == pytest.approx(exact, rel=0.01)
    assert inside.error == pytest.approx(spread, rel=0.2)


def test_shells_of_a_simple_cubic_lattice() -> None:
    """6 neighbours at a, 12 at sqrt(2) a, 8 at sqrt(3) a."""
    cells = np.array(np.meshgrid(*[np.arange(8)] * 3, indexing="ij")).reshape(3, -1).T
    shifted = np.concatenate([cells[:1], cells[1:]]) * 0.3
    rng = np.random.default_rng(2)
    positions = (shifted + rng.normal(0, 0.002, (20, len(cells), 3))) % 2.4
    counts = counted(positions, np.full(20, 2.4), np.array([0]), np.arange(1, 512), 0.004)
    for cutoff, number in ((0.36, 6), (0.47, 6 + 12), (0.56, 6 + 12 + 8)):
        found = coordination_number(counts, cutoff)
        assert (found.value, found.error) == (pytest.approx(number, abs=1e-12), pytest.approx(0, abs=1e-12))
    shell = first_shell(counts)
    assert shell.first_peak_nm.value == pytest.approx(0.300, abs=0.001)
    assert 0 <= shell.first_peak_nm.error < 0.001
    assert shell.coordination_number.value == pytest.approx(6)
    assert 0.33 < shell.first_minimum_nm.value < 0.4


def test_agrees_with_an_independent_implementation() -> None:
    rng = np.random.default_rng(3)
    oxygens = rng.random((20, 120, 3)) * 2.5
    lithium = (oxygens[:, :30] + 0.25 * rng.normal(size=(20, 30, 3))) % 2.5
    positions = np.concatenate([lithium, oxygens], axis=1)
    counts = counted(positions, np.full(20, 2.5), np.arange(30), np.arange(30, 150), 0.02)
    universe = mda.Universe.empty(150, trajectory=True)
    universe.load_new((positions * 10).astype(np.float32), format=MemoryReader, dimensions=[25, 25, 25, 90, 90, 90])
    oracle = InterRDF(universe.atoms[:30], universe.atoms[30:], nbins=60, range=(0.0, 12.0), norm="rdf").run()
    np.testing.assert_allclose(counts.r_nm[:60] * 10, oracle.results.bins, rtol=1e-6)
    np.testing.assert_allclose(radial_distribution(counts)[:60], oracle.results.rdf, rtol=2e-3, atol=2e-3)


def test_pairs_of_one_group_make_an_ideal_gas_without_themselves() -> None:
    """Each pair counts twice and a site has one partner less than there are sites."""
    rng = np.random.default_rng(4)
    positions = rng.random((400, 10, 3)) * 2.0
    group = np.arange(10)
    counts = counted(positions, np.full(400, 2.0), group, group, 0.05)
    counts.pairs[:, 0] -= counts.frames * 10
    own = PairCounts(counts.pairs, 10, 9, counts.frames, counts.inverse_volumes, 0.05)
    g = radial_distribution(own)[6:]
    assert np.average(g, weights=own.r_nm[6:] ** 2) == pytest.approx(1, abs=0.01)
    assert (own.pairs % 2 == 0).all()


def by_hand(pairs: list[list[int]], bin_nm: float = 0.1) -> PairCounts:
    n = len(pairs)
    return PairCounts(np.array(pairs), 2, 3, np.full(n, 5), np.full(n, 5 / 8.0), bin_nm)


def test_numbers_at_a_cutoff_by_hand() -> None:
    counts = by_hand([[10, 20], [30, 20], [10, 40], [30, 40]])
    # 2 sites, 5 frames a block: 20, 30, 30 and 50 pairs within 0.15 make 2, 4, 3 and 5 partners
    found = coordination_number(counts, 0.15)
    assert found.value == pytest.approx(3.5)
    assert found.error == pytest.approx(np.std([2, 4, 3, 5], ddof=1) / 2)
    assert coordination_number(by_hand([[10, 20]] * 3), 0.15).error is None
    np.testing.assert_allclose(running_number(counts), [1.0, 3.5])
    np.testing.assert_allclose(
        radial_distribution(counts), np.array([80, 120]) / (6 * 2.5 * 4 / 3 * np.pi * np.array([1e-3, 7e-3]))
    )
    for cutoff in (0.0, 0.21, np.nan):
        with pytest.raises(DataError, match=r"pairs are counted up to 0\.2 nm"):
            coordination_number(counts, cutoff)


def test_a_shell_that_a_part_of_the_run_does_not_show_is_unknown() -> None:
    r = 0.004 * (np.arange(150) + 0.5)
    g = 8 * np.exp(-(((r - 0.2) / 0.015) ** 2) / 2) + 1 / (1 + np.exp(-(r - 0.4) / 0.01))
    shape = np.round(2e6 * g * r**2).astype(int)
    clear = PairCounts(np.tile(shape, (10, 1)), 5, 50, np.full(10, 10), np.full(10, 1.0), 0.004)
    shell = first_shell(clear)
    assert shell.first_peak_nm.value == pytest.approx(0.2, abs=1e-3)
    assert shell.coordination_number.value > 0 and shell.first_minimum_nm.error == pytest.approx(0, abs=1e-6)
    few = PairCounts(clear.pairs[:3], 5, 50, clear.frames[:3], clear.inverse_volumes[:3], 0.004)
    assert first_shell(few).first_peak_nm.value is None
    rare = clear.pairs.copy()
    rare[1:] = np.round(2e6 * r**2)
    rare[0] *= 4
    assert first_shell(PairCounts(rare, 5, 50, clear.frames, clear.inverse_volumes, 0.004)).first_peak_nm.value is None


def test_peak_and_minimum_of_a_known_curve() -> None:
    r = 0.004 * (np.arange(300) + 0.5)
    g = 20 * np.exp(-(((r - 0.2013) / 0.015) ** 2) / 2) + 1 / (1 + np.exp(-(r - 0.42) / 0.01))
    assert first_peak(r, g) == pytest.approx(0.2013, abs=5e-4)
    assert 0.25 < first_minimum(r, g) < 0.38
    noisy = g * (1 + 0.03 * np.random.default_rng(5).normal(size=len(r)))
    assert first_peak(r, noisy) == pytest.approx(0.2013, abs=2e-3)


@pytest.mark.parametrize(
    "g",
    [
        np.ones(200),
        np.zeros(200),
        1 + 0.1 * np.random.default_rng(6).normal(size=200),
        np.linspace(0, 3, 200),
        np.full(200, np.nan),
        np.ones(3),
    ],
)
def test_no_peak_where_there_is_none(g: np.ndarray) -> None:
    r = 0.004 * (np.arange(len(g)) + 0.5)
    assert first_peak(r, g) is None
    assert first_minimum(r, g) is None


def test_first_maximum_is_that_of_scipy() -> None:
    rng, found = np.random.default_rng(3), 0
    for _ in range(1000):
        noise = np.convolve(rng.random(rng.integers(6, 60)), np.ones(rng.integers(1, 4)), "same")
        # rounding makes plateaus
        values, height, prominence = noise.round(rng.integers(1, 5)), 2 * rng.random(), rng.random()
        peaks, more = find_peaks(values, height=height, prominence=prominence, plateau_size=1)
        expected = int(more["left_edges"][0]) if len(peaks) else None
        assert first_maximum(values, height, prominence) == expected
        found += expected is not None
    assert 300 < found < 1000
    assert first_maximum(np.ones(10), 0.0, 0.0) is None
