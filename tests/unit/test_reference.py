"""The reference that is shipped agrees with itself and with our results; mistakes in one are located."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eoli.errors import InputError
from eoli.reference.model import BeyondRandom, Farther, Reference, read_reference
from scalars import STUDY, row
from support import mistake


@pytest.fixture(scope="module")
def study() -> Reference:
    return read_reference(STUDY)


def test_numbers_of_the_reference_agree_among_themselves(study: Reference) -> None:
    numbers = {entry.id: entry for entry in study.numbers}

    def values(id: str) -> list[float]:
        return [value.value for value in numbers[id].systems]

    total = np.add(values("energy-vdw"), values("energy-electrostatic"))
    np.testing.assert_allclose(total, values("energy-total"), atol=0.011)
    np.testing.assert_allclose(2 * np.pi / np.array(values("saxs-peak")), values("saxs-spacing"), atol=0.011)
    labels = {
        id: [(v.polymer, v.eo_li, v.of) for v in numbers[id].systems]
        for id in ("energy-vdw", "energy-electrostatic", "energy-total", "saxs-peak", "saxs-spacing")
    }
    assert labels["energy-vdw"] == labels["energy-electrostatic"] == labels["energy-total"]
    assert labels["saxs-peak"] == labels["saxs-spacing"]
    names = [entry.id for entry in (*study.numbers, *study.claims)]
    assert len(names) == len(set(names))


def test_every_path_of_the_reference_exists_in_results_as_the_analyses_write_them(study: Reference) -> None:
    # the names of keys, as in scripts/eoli/jobs
    shell = {"first_peak_nm": 0, "coordination_number": 0}
    time = {"time_1e_ps": 0}
    pair = {"box": {"E_vdw_kJ_mol": 0, "E_ele_kJ_mol": 0, "E_total_kJ_mol": 0}}
    tree: dict[str, Any] = {
        "sweep": row("peo"),
        "structure": {
            "Li": {"ether_O": shell, "carbonyl_O": shell, "anion_N": shell}, "amide_H": {"anion_O": shell},
            "shell_statistics": {"ether_O": {"mean": 0}, "carbonyl_O": {"mean": 0}},
        },
        "motion": {"Li": {"D_m2_s": 0, "verdict": ""}, "Li_carried_by_chain": {"share": 0}},
        "conductivity": {"ions": {"anion": {"count": 0}}, "sigma_S_m": {"formal_charges": {"collective": 0, "nernst_einstein": 0}}},
        "ions": {"Li": {"free": 0}, "verdict": ""},
        "mechanism": {
            "residence": {name: {"mean_ps": 0, "verdict": ""} for name in ("ether_O", "carbonyl_O")},
            "segments": {"P2": {"all": time}, "torsion_state": {"all": time}},
        },
        "morphology": {
            "blocks": {"PEO": {"percolating_share_of_frames": {"xyz": 0}, "random": {"chains": {"largest_share": {"verdict": ""}}}}},
            "scattering": {"peak_q_per_nm": 0, "spacing_nm": 0, "largest_resolvable_spacing_nm": 0},
        },
        "hydrogen_bonds": {"NH": 0, "acceptors": {"anion": {"NH_share": 0, "molecule_share": 0}}},
        "interactions": {"short_range": {name: pair for name in ("Li/C-O-C", "Li/C=O", "Li/N(TFSI)", "N(TFSI)/NH")}},
    }  # fmt: skip
    paths = [v.scalar for entry in study.numbers for v in entry.systems if v.scalar]
    paths += [entry.limit for entry in study.numbers if entry.limit]
    for test in (test for claim in study.claims for test in claim.tests):
        if isinstance(test, Farther):
            continue
        paths += [*test.scalars, *test.needs, *([test.verdict] if isinstance(test, BeyondRandom) else [])]
    assert len(paths) > 50
    for path in paths:
        node: Any = tree
        for key in path.split("."):
            node = node[key]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("scalar: sweep.chains}", "}", "every value needs a scalar"),
        ("scalar: sweep.chains}", "scalar: }", "scalar is empty"),
        ("kind: present", "kind: absent", "absent"),
        ("status: verified\n", "status: believed\n", "believed"),
        ("cite: Ma 2022", "sight: Ma 2022", "cite"),
    ],
)
def test_mistakes_in_a_reference_are_located(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = STUDY.read_text()
    assert old in text
    path = tmp_path / "study.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=message) as failure:
        read_reference(path)
    assert str(path) in str(failure.value) and "\n" not in str(failure.value)


def test_an_empty_reference_lacks_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.touch()
    text = mistake(lambda: read_reference(path))
    assert text.startswith(f"{path}: cite: is missing; ") and "(also wrong: thesis, article, " in text
