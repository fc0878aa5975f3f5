"""Names, compositions, seeds and sizes of systems."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from eoli.forcefield.library import Library
from eoli.study.config import load_study
from eoli.study.systems import System, seed_for, series_of, side_by_side, size_of, system_name, systems_of, whole_ions
from eoli.workflow.cost import cost_lines
from support import choice, mistake

ROOT = Path(__file__).resolve().parents[2]


def systems(folder: Path, *sweep: dict[str, Any], **keys: Any) -> dict[str, System]:
    path = folder / "config.yaml"
    data = {"study": "s", "seed": 1, "sweep": list(sweep), "protocol": "config/protocols/ma2022.yaml", **keys}
    path.write_text(yaml.safe_dump(data))
    return systems_of(load_study([path], ROOT))


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (("peo", "litfsi", 12.0, 298.15, {}, 1), "peo-eo12-298K-r1"),
        (("pebax", "litfsi", 12.0, 298.15, {}, 1), "pebax-eo12-298K-r1"),
        (("pebax", "litfsi", 12.0, 363.15, {"ion_charge_scale": 0.8}, 1), "pebax-eo12-363K-q0.80-r1"),
        (("peo", "none", None, 353.0, {}, 1), "peo-neat-353K-r1"),
        (("peo", "litfsi", 12.5, 298.15, {"mixing": "lb-ions"}, 3), "peo-eo12.5-298K-lb-ions-r3"),
        (
            ("peo", "libob", 8.0, 400.0, {"mixing": "lorentz-berthelot", "ion_charge_scale": 0.75}, 2),
            "peo-eo8-400K-libob-lorentz-berthelot-q0.75-r2",
        ),
        (
            (
                "peo",
                "litfsi",
                8.0,
                400.0,
                {"ether_set": "54a7", "cation_model": "set-l", "anion_model": "clandp2017"},
                1,
            ),
            "peo-eo8-400K-54a7-set-l-clandp2017-r1",
        ),
    ],
)
def test_names(values: tuple[Any, ...], name: str) -> None:
    *composition, chosen, replicate = values
    assert system_name(*composition, replace(choice(), **chosen), choice(), replicate) == name


def test_models_that_the_salt_names_itself_are_no_other_system(tmp_path: Path) -> None:
    """Naming the default is the same system, so that it cannot be asked for twice under two names."""
    named, unnamed = (
        systems(tmp_path, {"polymer": "peo", "eo_li": 12, **keys})
        for keys in ({"cation_model": "aqvist", "anion_model": "clandp2004", "ether_set": "oxy-d"}, {})
    )
    assert named == unnamed
    (neat,) = systems(tmp_path, {"polymer": "peo", "salt": "none", "cation_model": "set-l"}).values()
    assert neat.choice.cation_model is None and neat.name == "peo-neat-298K-r1"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"ether_set": "opls"}, ["sweep[0].ether_set: 'opls' is not allowed; allowed: 54a7, oxy-d"]),
        ({"cation_model": "dang"}, ["sweep[0].cation_model: ion LI has no parameter set 'dang'", "aqvist", "set-l"]),
        ({"salt": "lipf6", "anion_model": "clandp2017"}, ["sweep[0].anion_model: ion PF6 has no", "clandp2004"]),
        (
            {"polymer": "peo-diol", "ether_set": "54a7"},
            ["sweep[0].polymer: ", "unit HO-start has no parameter set '54a7'"],
        ),
    ],
)
def test_unknown_parameter_sets(keys: dict[str, Any], words: list[str], tmp_path: Path) -> None:
    text = mistake(lambda: systems(tmp_path, {"polymer": "peo", "eo_li": 12, **keys}))
    assert [word for word in words if word not in text] == []


def test_a_block_is_the_product_of_its_axes(tmp_path: Path) -> None:
    found = systems(
        tmp_path,
        {"polymer": ["peo", "pebax"], "eo_li": [12, 8], "temperature_K": 363.15, "replicate": [1, 2]},
        {"polymer": "peo", "salt": "none", "temperature_K": 353},
    )
    assert list(found) == [
        "peo-eo12-363K-r1", "peo-eo12-363K-r2", "peo-eo8-363K-r1", "peo-eo8-363K-r2", "pebax-eo12-363K-r1",
        "pebax-eo12-363K-r2", "pebax-eo8-363K-r1", "pebax-eo8-363K-r2", "peo-neat-353K-r1",
    ]  # fmt: skip
    neat, salted = found["peo-neat-353K-r1"], found["peo-eo8-363K-r2"]
    assert (neat.cations, neat.eo_li, neat.eo_li_asked) == (0, None, None)
    assert (salted.cations, salted.eo_li, salted.replicate, salted.ether_oxygens) == (75, 8.0, 2, 600)


@pytest.mark.parametrize(("ratio", "ions"), [(18, 33), (16, 38), (14, 43), (12, 50), (10, 60), (8, 75)])
def test_whole_ions_of_600_ether_oxygens(ratio: float, ions: int) -> None:
    assert whole_ions(600, ratio) == ions


@pytest.mark.parametrize(("oxygens", "ratio", "ions"), [(1, 2, 1), (5, 2, 3), (7, 2, 4), (2, 5, 0)])
def test_half_an_ion_rounds_up(oxygens: int, ratio: float, ions: int) -> None:
    assert whole_ions(oxygens, ratio) == ions


@given(oxygens=st.integers(1, 100_000), ratio=st.floats(0.5, 1000))
def test_ions_are_the_nearest_whole_number(oxygens: int, ratio: float) -> None:
    ions = whole_ions(oxygens, ratio)
    assert abs(ions - oxygens / ratio) <= 0.5 + 1e-9
    if ions:
        # half an ion is the most that the composition moves
        assert abs(oxygens / ions - ratio) <= ratio * 0.5 / ions * (1 + 1e-9)


@given(chains=st.integers(10, 60), ratio=st.floats(4, 60), polymer=st.sampled_from(["peo", "pebax"]))
def test_systems_are_neutral_and_near_the_ratio(
    chains: int, ratio: float, polymer: str, blocks: Library, tmp_path_factory: pytest.TempPathFactory
) -> None:
    block = {"polymer": polymer, "eo_li": ratio}
    [system] = systems(tmp_path_factory.mktemp("sweep"), block, box={"chains": chains}).values()
    made = blocks.composition(system.contents, system.choice).ingredients
    ions = sum(part.entry.charge * part.count for part in made if part.kind in ("cation", "anion"))
    assert ions + chains * sum(unit.charge for unit in blocks.polymer(polymer, "oxy-d").units) == pytest.approx(
        0, abs=1e-9
    )
    assert system.ether_oxygens == 24 * chains
    assert system.eo_li is not None
    assert abs(system.eo_li - ratio) <= ratio * 0.5 / system.cations * (1 + 1e-9)


@given(seed=st.integers(0, 2**63), name=st.text(max_size=20), stage=st.sampled_from(["box", "npt", "nvt"]))
def test_seeds_are_positive_and_repeatable(seed: int, name: str, stage: str) -> None:
    assert 1 <= seed_for(seed, name, stage) <= 2**31 - 1
    assert seed_for(seed, name, stage) == seed_for(seed, name, stage)


def test_seeds_differ_by_purpose() -> None:
    purposes = [
        (s, n, p) for s in (1, 2) for n in ("peo-eo12-298K-r1", "peo-eo12-298K-r2") for p in ("box", "npt", 0, 1)
    ]
    assert len({seed_for(*purpose) for purpose in purposes}) == len(purposes)


@pytest.mark.parametrize(
    ("polymer", "ratio", "density"),
    [("peo", 12, 1.31), ("pebax", 18, 1.22), ("pebax", 16, 1.23), ("pebax", 14, 1.24), ("pebax", 12, 1.26),
     ("pebax", 10, 1.28), ("pebax", 8, 1.31)],
)  # fmt: skip
def test_ideal_mixing_density(polymer: str, ratio: float, density: float, blocks: Library, tmp_path: Path) -> None:
    [system] = systems(tmp_path, {"polymer": polymer, "eo_li": ratio}).values()
    assert size_of(system, blocks).ideal_density_g_cm3 == pytest.approx(density, abs=0.02)


def test_size_of_the_peo_system(blocks: Library, tmp_path: Path) -> None:
    [system] = systems(tmp_path, {"polymer": "peo", "eo_li": 12}).values()
    size = size_of(system, blocks)
    # CH3-(OCH2CH2)24-H is C49 H100 O24; LiTFSI is 287.08 g/mol
    chain = 49 * 12.011 + 100 * 1.008 + 24 * 15.9994
    assert size.sites == 25 * 73 + 50 * 16
    assert size.mass_g_mol == pytest.approx(25 * chain + 50 * 287.08, rel=1e-3)
    volume_nm3 = size.mass_g_mol / size.ideal_density_g_cm3 / 602.214
    assert size.edges_nm("cubic") == pytest.approx([math.cbrt(volume_nm3)] * 3, rel=1e-4)
    x, y, z = size.edges_nm("orthoboxy")
    assert x == y and z / x == pytest.approx(2.7933596497) and x * y * z == pytest.approx(volume_nm3, rel=1e-4)


@pytest.mark.parametrize(
    ("sweep", "names"),
    [
        # as shipped: the two of the study
        (
            [{"polymer": "pebax", "eo_li": [18, 8]}, {"polymer": "peo", "eo_li": 12, "in_study": True},
             {"polymer": "pebax", "eo_li": 12, "in_study": True}],
            ["peo-eo12-298K-r1", "pebax-eo12-298K-r1"],
        ),
        # none of the study: the first two polymers at equal conditions
        (
            [{"polymer": "peo", "eo_li": [16, 12]}, {"polymer": "pebax", "eo_li": 12, "temperature_K": [333.15, 298.15]}],
            ["peo-eo12-298K-r1", "pebax-eo12-298K-r1"],
        ),
        # no two polymers: the first two
        ([{"polymer": "peo", "eo_li": [16, 12, 8]}], ["peo-eo16-298K-r1", "peo-eo12-298K-r1"]),
        # those with salt first
        ([{"polymer": "peo", "salt": "none"}, {"polymer": "pebax", "eo_li": 12}], ["pebax-eo12-298K-r1", "peo-neat-298K-r1"]),
        ([{"polymer": "peo", "eo_li": 12}], ["peo-eo12-298K-r1"]),
    ],
)  # fmt: skip
def test_which_two_stand_beside_each_other(sweep: list[dict[str, Any]], names: list[str]) -> None:
    study = load_study([ROOT / "config/config.yaml"], ROOT, {"sweep": sweep})
    assert [system.name for system in side_by_side(systems_of(study).values())] == names


SERIES = {"polymer": "peo", "eo_li": 12, "temperature_K": [350, 400], "replicate": [1, 2], "temperature_series": True}


def test_a_temperature_series_has_one_box_for_each_start(tmp_path: Path) -> None:
    found = systems(tmp_path, SERIES)
    assert [s.series for s in found.values()] == [f"peo-eo12-series-r{n}" for n in (1, 2, 1, 2)]
    first = found["peo-eo12-350K-r1"]
    assert (first.home("compress"), first.home("npt")) == ("peo-eo12-series-r1", "peo-eo12-350K-r1")
    study = load_study([tmp_path / "config.yaml"], ROOT)
    shared = series_of(study, found.values())
    assert list(shared) == ["peo-eo12-series-r1", "peo-eo12-series-r2"]
    assert shared["peo-eo12-series-r2"].replicate == 2 and shared["peo-eo12-series-r2"].temperature_K == 400
    assert shared["peo-eo12-series-r1"].home("compress") == "peo-eo12-series-r1"
    lines = cost_lines(study, tmp_path)
    assert [line.split()[0] for line in lines[2:8]] == [*shared, *found]
    assert {line.split()[4] for line in lines[2:4]} == {"0.5"} and {line.split()[4] for line in lines[4:8]} == {"50"}


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"stages": {"compress": {"temperature_K": None}}}, "begins its dynamics at the system's temperature"),
        (
            {"stages": {name: {"temperature_K": 400} for name in ("npt", "nvt", "production")}},
            "runs at 400 K, and systems are named",
        ),
    ],
)
def test_series_that_share_nothing_or_all_are_refused(tmp_path: Path, keys: dict[str, Any], says: str) -> None:
    assert says in mistake(lambda: systems(tmp_path, SERIES, **keys))


def test_a_series_has_two_temperatures_at_least(tmp_path: Path) -> None:
    alone = SERIES | {"temperature_K": 350}
    said = mistake(lambda: systems(tmp_path, alone))
    assert (
        "config.yaml:" in said
        and "sweep[0].temperature_series: true is not allowed: 350 K is the only temperature" in said
    )
    assert "allowed: at least 2 in temperature_K, 3 for an activation energy" in said
    # the others may stand in another block
    assert len(systems(tmp_path, alone, SERIES | {"temperature_K": 400})) == 4


SMALL = {"polymer": "pebax", "eo_li": 12}


def test_a_supercell_is_a_system_of_its_own(tmp_path: Path, blocks: Library) -> None:
    found = systems(tmp_path, SMALL, SMALL | {"supercell": [2, 2, 3]})
    parent, large = found.values()
    assert (large.name, large.parent) == ("pebax-eo12-298K-2x2x3-r1", "pebax-eo12-298K-r1")
    assert (large.chains, large.cations) == (12 * parent.chains, 12 * parent.cations)
    assert large.eo_li == parent.eo_li
    assert size_of(large, blocks).sites == 12 * size_of(parent, blocks).sites


@pytest.mark.parametrize(
    ("blocks_of_sweep", "says"),
    [
        ([SMALL | {"supercell": [2, 2, 2]}], "repeats the box of pebax-eo12-298K-r1, which is not in the sweep"),
        ([SMALL, SMALL | {"supercell": [2, 2]}], "supercell"),
        ([SMALL, SMALL | {"supercell": [2, 2, 0]}], "supercell"),
    ],
)
def test_supercells_of_nothing_are_refused(tmp_path: Path, blocks_of_sweep: list[dict[str, Any]], says: str) -> None:
    assert says in mistake(lambda: systems(tmp_path, *blocks_of_sweep))


def test_a_supercell_repeats_a_stage_that_runs(tmp_path: Path) -> None:
    text = mistake(lambda: systems(tmp_path, SMALL, box={"supercell_from": "melt"}))
    assert "box.supercell_from: 'melt' is no stage of dynamics that runs; allowed: compress" in text
