"""Convergence of a stage: the test of blocks against series of known correlation, and memory of chains and contacts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from eoli.analysis import convergence as module
from eoli.analysis.convergence import chain_memory, convergence, judge_blocks
from eoli.core.statistics import blocks_agree
from eoli.errors import DataError
from eoli.topology.description import MoleculeCount, SystemDescription
from eoli.topology.molecule import Molecule, Site, Term
from support import choice
from synthetic_trajectories import ar1


def share_below(p: float, n: int, rho: float, slope: float = 0.0, trials: int = 150) -> float:
    """How often the test calls a series of n values with a drift of `slope` standard deviations steady."""
    rng = np.random.default_rng(11)
    found = [blocks_agree(ar1(n, rho, rng) + slope * np.linspace(0, 1, n)).p_value for _ in range(trials)]
    return float(np.mean([value is None or value < p for value in found]))


@pytest.mark.parametrize(("n", "rho"), [(1000, 0.0), (1000, 0.8), (2000, 0.9)])
def test_stationary_series_are_rarely_called_drifting(n: int, rho: float) -> None:
    assert share_below(0.05, n, rho) < 0.15


@pytest.mark.parametrize(("n", "rho", "slope"), [(1000, 0.0, 1.0), (1000, 0.8, 2.0), (2000, 0.9, 3.0)])
def test_drifts_are_found(n: int, rho: float, slope: float) -> None:
    assert share_below(0.05, n, rho, slope) > 0.9


def test_fluctuations_slower_than_the_run_are_not_called_steady() -> None:
    assert share_below(0.0125, 1000, 0.999) > 0.9


def test_the_p_value_is_uniform_for_white_noise() -> None:
    rng = np.random.default_rng(5)
    values = [blocks_agree(rng.normal(size=400)).p_value for _ in range(300)]
    assert np.mean(np.array(values) < 0.5) == pytest.approx(0.5, abs=0.1)


def test_a_constant_series_agrees() -> None:
    assert blocks_agree(np.full(40, 0.1 + 0.2)).p_value == 1.0


def test_a_series_of_steps_does_not_agree() -> None:
    assert blocks_agree(np.repeat([0.0, 0, 1, 1], 50)).p_value == 0.0


def test_too_few_values() -> None:
    with pytest.raises(DataError, match="at least 8"):
        blocks_agree(np.arange(7.0))
    found = judge_blocks("energy", np.arange(3.0), 0.05)
    assert found.converged is False and "at least 8" in found.text


def test_chains_that_turn_forget() -> None:
    rng = np.random.default_rng(1)
    assert abs(chain_memory(rng.normal(size=(200, 50, 3)))) < 0.05
    assert chain_memory(np.tile(rng.normal(size=(1, 50, 3)), (10, 1, 1))) == pytest.approx(1)


def site(role: str | None, mass: float = 12.0) -> Site:
    return Site("X", "CH2", 0.0, mass, "A", 1, "C", role, None, "test")


BOND = Term((0, 1), 2, (0.15, 1e6), "bond", "test")
CHAIN = Molecule("PEO", "polymer", 0, (site(None), site(None)), (BOND,), (), (), ())
LITHIUM = Molecule("LI", "cation", 1, (site("Li"),), (), (), (), ())
ANION = Molecule("TFSI", "anion", -1, (site("anion_O"),), (), (), (), ())
SALTY = SystemDescription((MoleculeCount(CHAIN, 2), MoleculeCount(LITHIUM, 2), MoleculeCount(ANION, 2)), choice(), "0")


def write_run(folder: Path, frames: np.ndarray) -> None:
    with XTCFile(str(folder / "md.xtc"), "w") as out:
        for number, positions in enumerate(frames):
            out.write(positions.astype(np.float32), 3 * np.eye(3, dtype=np.float32), number, float(number), 1000.0)


def still_frames(n: int) -> np.ndarray:
    """Two chains, two lithium ions of which one is in contact with an anion."""
    one = np.array([[1, 1, 1], [1.15, 1, 1], [2, 2, 2], [2, 2.15, 2], [0.5, 0.5, 0.5], [2.5, 0.5, 0.5],
                    [0.7, 0.5, 0.5], [1.5, 2.8, 2.8]])  # fmt: skip
    return np.tile(one, (n, 1, 1))


def test_what_does_not_move_has_not_converged(tmp_path: Path) -> None:
    write_run(tmp_path, still_frames(40))
    found = convergence(["end_to_end", "free_ions", "chain_memory", "contact_memory"], tmp_path, 1.0, SALTY, 0.3)
    assert {name: finding.converged for name, finding in found.items()} == {
        "end_to_end": True,
        "free_ions": True,
        "chain_memory": False,
        "contact_memory": False,
    }
    assert found["free_ions"].values["block_means"] == (0.5,) * 4
    assert found["contact_memory"].text == (
        "contacts of lithium with anions keep 100% over its second half; allowed: 50%"
    )


def test_only_the_second_half_is_judged(tmp_path: Path) -> None:
    frames = still_frames(80)
    frames[:40, 7] = [2.5, 0.7, 0.5]  # the other anion leaves its lithium at half of the run
    write_run(tmp_path, frames)
    found = convergence(["free_ions"], tmp_path, 1.0, SALTY, 0.3)
    assert found["free_ions"].converged and found["free_ions"].values["block_means"] == (0.5,) * 4


def test_a_neat_polymer_has_no_ions_to_judge(tmp_path: Path) -> None:
    neat = SystemDescription((MoleculeCount(CHAIN, 2),), choice(), "0")
    write_run(tmp_path, still_frames(40)[:, :4])
    found = convergence(["free_ions", "contact_memory", "end_to_end"], tmp_path, 1.0, neat, 0.3)
    assert [finding.converged for finding in found.values()] == [None, None, True]


def test_density_and_energy_come_from_the_energy_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    n = 800
    volume = 8 * (1 + 0.01 * rng.normal(size=n)) * np.linspace(1.3, 1.0, n) ** 2
    terms = {"Time": np.arange(n, dtype=float), "Potential": rng.normal(size=n), "Volume": volume}
    monkeypatch.setattr(module, "read_energies", lambda _: terms)
    found = convergence(["density", "energy"], tmp_path, 1.0, SALTY, 0.3)
    assert found["energy"].converged is True
    assert found["density"].converged is False and found["density"].text.startswith("density drifts: blocks from ")
