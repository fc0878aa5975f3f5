"""The configuration: defaults, overlays, and one line for every mistake."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from eoli.cli import main
from eoli.study.config import Study, load_study, merge
from eoli.study.systems import systems_of
from support import mistake

ROOT = Path(__file__).resolve().parents[2]
PROTOCOL = {
    "name": "short",
    "description": "for tests",
    "cutoff_nm": 1.2,
    "stages": [
        {
            "name": "minimise", "ensemble": "minimisation", "integrator": "steep", "max_steps": 100,
            "force_tolerance_kJ_mol_nm": 500,
        },
        {
            "name": "npt", "ensemble": "NPT", "integrator": "md", "time_step_fs": 2.0, "length_ns": 0.01,
            "generate_velocities": True, "thermostat": "v-rescale", "tau_t_ps": 1.0, "barostat": "c-rescale",
            "tau_p_ps": 5.0, "pressure_bar": 1.0, "frame_interval_ps": 1, "energy_interval_ps": 1,
        },
        {
            "name": "production", "ensemble": "NPT", "integrator": "md", "time_step_fs": 2.0, "length_ns": 0.01,
            "thermostat": "nose-hoover", "tau_t_ps": 1.0, "barostat": "parrinello-rahman", "tau_p_ps": 5.0,
            "pressure_bar": 1.0, "frame_interval_ps": 1, "energy_interval_ps": 1,
        },
    ],
}  # fmt: skip
BLOCK = {"polymer": "peo", "eo_li": 12}


def config(folder: Path, **keys: Any) -> dict[str, Any]:
    data = {"study": "s", "seed": 1, "sweep": [BLOCK], "protocol": str(folder / "protocol.yaml"), **keys}
    # the runs are 10 ps long
    return data | {"analysis": {"slow_interval_ps": 1, **keys.get("analysis", {})}}


def study(folder: Path, *overlays: dict[str, Any], protocol: dict[str, Any] = PROTOCOL, **keys: Any) -> Study:
    """A study from files written here; its systems are checked too."""
    (folder / "protocol.yaml").write_text(yaml.safe_dump(protocol, sort_keys=False))
    paths = []
    for number, data in enumerate((config(folder, **keys), *overlays)):
        paths.append(folder / f"config{number or ''}.yaml")
        paths[-1].write_text(yaml.safe_dump(data, sort_keys=False))
    made = load_study(paths, ROOT)
    systems_of(made)
    return made


def with_stage(which: str, /, **keys: Any) -> dict[str, Any]:
    protocol = copy.deepcopy(PROTOCOL)
    stage = next(stage for stage in protocol["stages"] if stage["name"] == which)
    stage.update(keys)
    for key in [key for key, value in keys.items() if value is None]:
        del stage[key]
    return protocol


def test_defaults(tmp_path: Path) -> None:
    made = study(tmp_path).config
    block = made.sweep[0]
    assert (block.polymer, block.salt, block.eo_li, block.temperature_K) == (["peo"], ["litfsi"], [12.0], [298.15])
    assert (block.replicate, block.mixing, block.ion_charge_scale, block.in_study) == ([1], ["gromos"], [1.0], False)
    assert (made.box.chains, made.gmx.command, made.gmx.launcher, made.run.threads) == (25, "gmx", "", "auto")
    assert (made.topologies, made.analysis.stage, made.stages) == ("topologies", "production", {})


@pytest.mark.parametrize("name", ["config.yaml", "demo.yaml"])
def test_shipped_configurations(name: str) -> None:
    files = [ROOT / "config/config.yaml"] + ([ROOT / "config" / name] if name != "config.yaml" else [])
    made = load_study(files, ROOT)
    assert list(systems_of(made)) == [
        "peo-eo12-298K-r1", "pebax-eo12-298K-r1", "pebax-eo18-298K-r1", "pebax-eo16-298K-r1", "pebax-eo14-298K-r1",
        "pebax-eo10-298K-r1", "pebax-eo8-298K-r1",
    ]  # fmt: skip
    assert [system.in_study for system in systems_of(made).values()] == [True, True, *[False] * 5]


def test_later_files_go_over_earlier_ones(tmp_path: Path) -> None:
    made = study(
        tmp_path,
        {"box": {"chains": 30}, "stages": {"npt": {"length_ns": 0.02}}},
        {"box": {"tolerance_nm": 0.25}, "stages": {"npt": {"tau_p_ps": 2.0}}},
        box={"chains": 20, "attempts": 7},
    )
    assert (made.config.box.chains, made.config.box.attempts, made.config.box.tolerance_nm) == (30, 7, 0.25)
    npt = made.stage("npt")
    assert (npt.length_ns, npt.tau_p_ps, npt.time_step_fs) == (0.02, 2.0, 2.0)


def test_merge_leaves_its_arguments_alone() -> None:
    base, overlay = {"a": {"b": 1, "c": [1]}, "d": 1}, {"a": {"c": [2]}, "d": {"e": 3}}
    assert merge(base, overlay) == {"a": {"b": 1, "c": [2]}, "d": {"e": 3}}
    assert base == {"a": {"b": 1, "c": [1]}, "d": 1}


def test_a_stage_can_be_switched_off(tmp_path: Path) -> None:
    made = study(tmp_path, stages={"minimise": {"enabled": False}})
    assert [stage.name for stage in made.stages] == ["npt", "production"]
    assert "no stage before it has velocities" in mistake(lambda: study(tmp_path, stages={"npt": {"enabled": False}}))


BAD_KEYS: list[tuple[dict[str, Any], list[str]]] = [
    ({"sede": 1}, ["sede", "unknown key", "did you mean seed?", "allowed: analysis, box"]),
    ({"box": {"chain": 3}}, ["box.chain:", "did you mean chains?", "allowed: attempts, chains"]),
    ({"sweep": [{"polymer": "peo", "eo_l": 1}]}, ["sweep[0].eo_l:", "did you mean eo_li?", "allowed:"]),
    ({"seed": "abc"}, ["seed:", "'abc'", "valid integer"]),
    ({"seed": -1}, ["seed:", "-1", "greater than or equal to 0"]),
    ({"box": {"chains": "many"}}, ["box.chains:", "'many'", "valid integer"]),
    ({"box": {"packing_density_g_cm3": 3}}, ["box.packing_density_g_cm3:", "3", "less than or equal to 1"]),
    ({"run": {"threads": "many"}}, ["run.threads:", "'many'", "valid integer", "'auto'"]),
    ({"run": {"threads": 0}}, ["run.threads:", "0", "greater than 0", "'auto'"]),
    ({"gmx": {"modules": [3]}}, ["gmx.modules[0]:", "3 is not allowed; allowed: text (loaded by `module load`"]),
    ({"gmx": "gmx_mpi"}, ["gmx:", "'gmx_mpi' is not allowed; allowed: a mapping with keys of command, launcher, modules"]),
    ({"box": [3]}, ["box:", "[3] is not allowed; allowed: a mapping with keys of attempts, chains"]),
    ({"sweep": ["peo"]}, ["sweep[0]:", "'peo' is not allowed; allowed: a mapping with keys of anion_model"]),
    ({"sweep": BLOCK}, ["sweep:", "is not allowed; allowed: a list (the systems"]),
    ({"sweep": [{**BLOCK, "solvents": ["dme"]}]}, ["sweep[0].solvents:", "['dme'] is not allowed; allowed: a mapping, as {dme: ...} (molecules"]),
    ({"sweep": [{**BLOCK, "solvents": {"dme": [3]}}]}, ["sweep[0].solvents.dme:", "[3] is not allowed: Input should be a valid integer"]),
    ({"sweep": [{**BLOCK, "supercell": 2}]}, ["sweep[0].supercell:", "2 is not allowed; allowed: a list, as [2, 2, 2] (copies"]),
    ({"sweep": [{**BLOCK, "polymer": [["peo"]]}]}, ["sweep[0].polymer[0]:", "['peo'] is not allowed; allowed: text (polymers of"]),
    ({"sweep": [{**BLOCK, "polymer": "peg"}]}, ["sweep[0].polymer:", "polymer 'peg' is not in", "topologies/polymers; allowed: dme, pebax,"]),
    ({"sweep": [{**BLOCK, "solvents": {"dmf": 3}}]}, ["sweep[0].solvents:", "solvent 'dmf' is not in", "topologies/solvents; allowed: dme"]),
    ({"sweep": []}, ["sweep:", "at least 1"]),
    ({"sweep": [{**BLOCK, "eo_li": -3}]}, ["sweep[0].eo_li:", "-3", "greater than or equal to 0.1"]),
    ({"sweep": [{**BLOCK, "eo_li": [12, "x"]}]}, ["sweep[0].eo_li[1]:", "'x'", "valid number"]),
    ({"sweep": [{**BLOCK, "temperature_K": float("nan")}]}, ["sweep[0].temperature_K:", "nan", "finite"]),
    ({"sweep": [{**BLOCK, "mixing": "lb"}]}, ["sweep[0].mixing:", "'lb'", "'gromos', 'lorentz-berthelot' or 'lb-ions'"]),
    ({"sweep": [{**BLOCK, "ion_charge_scale": 0.3}]}, ["sweep[0].ion_charge_scale:", "0.3", "greater than or equal to 0.5"]),
    ({"sweep": [BLOCK, {**BLOCK, "polymer": "pvdf"}]}, ["sweep[1].polymer:", "'pvdf'", "allowed: dme, pebax,"]),
    ({"sweep": [{**BLOCK, "salt": "nacl"}]}, ["sweep[0].salt:", "'nacl'", "allowed: libf4, licl,"]),
    ({"sweep": [{**BLOCK, "polymer": "PEO"}]}, ["sweep[0].polymer:", "'PEO'", "(did you mean peo?); allowed: dme,"]),
    ({"sweep": [{**BLOCK, "salt": "LiTFSI"}]}, ["sweep[0].salt:", "'LiTFSI'", "(did you mean litfsi?); allowed: libf4,"]),
    ({"sweep": [{**BLOCK, "ether_set": "oxyd"}]}, ["sweep[0].ether_set:", "'oxyd'", "(did you mean oxy-d?); allowed:"]),
    ({"sweep": [{**BLOCK, "anion_model": "clandp204"}]}, ["sweep[0].anion_model:", "(did you mean clandp2004?); allowed:"]),
    ({"sweep": [{**BLOCK, "eo_li": 1201}]}, ["sweep[0].eo_li:", "1201", "no lithium ion", "allowed: at most 1200"]),
    ({"sweep": [{"polymer": "peo"}]}, ["sweep[0].eo_li:", "is missing", "a salt needs it"]),
    ({"box": {"chains": 2}}, ["sweep[0]:", "peo-eo12-298K-r1", "2 chains", "twice the cut-off of 1.2 nm", "allowed: more chains"]),
    ({"sweep": [{**BLOCK, "temperature_K": [298.15, 298.0]}]}, ["sweep[0]:", "peo-eo12-298K-r1", "unique"]),
    ({"sweep": [BLOCK, BLOCK]}, ["sweep[1]:", "peo-eo12-298K-r1", "unique"]),
    ({"stages": {"nptt": {"length_ns": 1}}}, ["stages.nptt:", "unknown stage (did you mean npt?)", "allowed: minimise, npt, production"]),
    ({"stages": {"npt": {"length": 1}}}, ["stages.npt.length:", "did you mean length_ns?", "allowed:"]),
    ({"stages": {"npt": {"length_ns": -1}}}, ["stages.npt.length_ns:", "-1", "greater than 0"]),
    ({"stages": {"npt": {"energy_interval_ps": 0.003}}}, ["stages.npt:", "energy_interval_ps 0.003", "2.0 fs"]),
    ({"analysis": {"viscosity": {"peo-eo12-298K": 40}}},
     ["analysis.viscosity.peo-eo12-298K: 40 is", "allowed: a mapping with keys of error_mPa_s, mPa_s, source"]),
    ({"stages": {"npt": 3}}, ["stages.npt:", "3 is not allowed; allowed: a mapping"]),
    ({"analysis": {"stage": "minimise"}}, ["analysis.stage:", "'minimise'", "allowed: npt, production"]),
    # numbers that are none, or mean something else elsewhere
    ({"box": {"chains": True}}, ["box.chains:", "true", "valid integer"]),
    ({"run": {"threads": True}}, ["run.threads:", "true", "valid integer", "'auto'"]),
    ({"run": {"pin": "yes"}}, ["run.pin:", "'yes'", "write true or false"]),
    ({"seed": 1.5}, ["seed:", "1.5", "valid integer"]),
    ({"sweep": [{**BLOCK, "eo_li": "12:1"}]}, ["sweep[0].eo_li:", "'12:1'", "write 12 for 12:1"]),
    ({"sweep": [{**BLOCK, "eo_li": ["8:1", 12]}]}, ["sweep[0].eo_li[0]:", "'8:1'", "write 8 for 8:1"]),
    ({"sweep": [{**BLOCK, "eo_li": "12,5"}]}, ["sweep[0].eo_li:", "'12,5'", "write 12.5"]),
    ({"sweep": [{**BLOCK, "eo_li": "012"}]}, ["sweep[0].eo_li:", "'012'", "write 12"]),
    ({"run": {"max_hours": "1:30"}}, ["run.max_hours:", "'1:30'", "decimal number"]),
    ({"sweep": [{**BLOCK, "temperature_K": 25}]}, ["sweep[0].temperature_K:", "25", "in kelvin, 25 degrees Celsius are 298.15"]),
    ({"sweep": [{**BLOCK, "temperature_K": "298 K"}]}, ["sweep[0].temperature_K:", "write 298 for 298 K"]),
    ({"sweep": [{**BLOCK, "temperature_K": [298.15, "127 C"]}]}, ["sweep[0].temperature_K[1]:", "write 400.15 for 127 C"]),
    ({"stages": {"npt": {"length_ns": "500 ps"}}}, ["stages.npt.length_ns:", "write 0.5 for 500 ps"]),
    ({"stages": {"npt": {"temperature_step_K": "20 C"}}}, ["temperature_step_K:", "write 20 for 20 C"]),
    ({"run": {"max_hours": "90 min"}}, ["run.max_hours:", "write 1.5 for 90 min"]),
    ({"lengths_ns": {"peo-eo12-298K-r1": "30000 ps"}}, ["lengths_ns.peo-eo12-298K-r1:", "write 30 for 30000 ps"]),
    ({"analysis": {"contact_nm": {"ether_O": "0.35 nm"}}}, ["contact_nm.ether_O:", "write 0.35 for 0.35 nm"]),
    ({"analysis": {"target_error": "20 %"}}, ["analysis.target_error:", "write 0.2 for 20 %"]),
    ({"analysis": {"hydrogen_bonds": {"angle_deg": "120 °"}}}, ["angle_deg:", "write 120 for 120 °"]),
    # what formats, memory and machines hold
    ({"sweep": [{**BLOCK, "eo_li": 1e-320}]}, ["sweep[0].eo_li:", "greater than or equal to 0.1"]),
    ({"sweep": [{**BLOCK, "ion_charge_scale": 0.8000000001}]}, ["sweep[0].ion_charge_scale:", "four digits"]),
    ({"sweep": [{**BLOCK, "replicate": list(range(1, 9999)), "temperature_K": [300, 310]}]}, ["sweep[0]:", "19996 systems"]),
    ({"sweep": [BLOCK, {**BLOCK, "supercell": [100, 100, 100]}]}, ["sweep[1]:", "100x100x100", "at most 10000000"]),
    ({"box": {"chains": 10**30}}, ["box.chains:", "less than or equal to 100000"]),
    ({"box": {"packing_density_g_cm3": 1e-300}}, ["box.packing_density_g_cm3:", "greater than or equal to 0.01"]),
    ({"stages": {"npt": {"length_ns": 4300}}}, ["stages.npt:", "2.15e+09 steps", "allowed: at most 4294.97"]),
    ({"stages": {"npt": {"converge": ["density"], "max_length_ns": 5000}}}, ["max_length_ns 5000", "at most 4294.97"]),
    ({"stages": {"npt": {"length_ns": 1e15}}}, ["stages.npt.length_ns:", "less than or equal to"]),
    ({"stages": {"npt": {"frame_interval_ps": 1e306}}}, ["stages.npt.frame_interval_ps:", "less than or equal to"]),
    ({"stages": {"npt": {"tau_t_ps": 0.009}}}, ["tau_t_ps 0.009", "too short", "at least 0.01"]),
    ({"stages": {"production": {"tau_t_ps": 0.03}}}, ["tau_t_ps 0.03", "too short", "at least 0.04"]),
    ({"stages": {"npt": {"tau_p_ps": 0.04}}}, ["tau_p_ps 0.04", "too short", "at least 0.25"]),
    ({"stages": {"npt": {"pressure_bar": 1e300}}}, ["stages.npt.pressure_bar:", "less than or equal to 200000"]),
    ({"stages": {"npt": {"energy_interval_ps": 2}}}, ["stages.npt: stage npt:", "energy_interval_ps 2", "allowed: at most 1"]),
    ({"stages": {"npt": {"frame_interval_ps": 20}}}, ["stages.npt: stage npt:", "shorter than one frame_interval_ps"]),
    ({"stages": {"npt": {"generate_velocities": False}}}, ["stages.npt: stage npt:", "no stage before it has velocities"]),
    ({"stages": {"npt": {"state_interval_ps": 12}}}, ["state_interval_ps 12", "allowed: at most 10"]),
    ({"analysis": {"rdf_bin_nm": 1e-6}}, ["analysis.rdf_bin_nm:", "greater than or equal to 0.0001"]),
    ({"analysis": {"morphology": {"q_max_per_nm": 1e6}}}, ["analysis.morphology.q_max_per_nm:", "less than or equal to 200"]),
    ({"analysis": {"mechanism": {"unit_edges": [4, 4]}}}, ["analysis.mechanism.unit_edges:", "do not grow"]),
    # what no trajectory will hold
    ({"analysis": {"motion_interval_ps": 0.5}}, ["analysis.motion_interval_ps:", "multiple of 1", "frame_interval_ps of production"]),
    ({"analysis": {"structure_interval_ps": 1.5}}, ["analysis.structure_interval_ps:", "multiple of 1, the motion"]),
    ({"analysis": {"motion_interval_ps": 2, "structure_interval_ps": 2}}, ["motion_interval_ps:", "6 frames", "at least 10"]),
    ({"analysis": {"slow_interval_ps": 6}}, ["analysis.slow_interval_ps:", "2 frames", "at most 5"]),
    # what is said twice
    ({"stages": {"production": {"temperature_K": 400}}}, ["stages.production.temperature_K:", "runs at 400 K", "named after 298.15 K"]),
    ({"stages": {"production": {"equilibrates": False}}}, ["analysis.stage:", "'production' drives the box", "allowed: npt"]),
    ({"stages": {"npt": {"temperature_K": 400}, "production": {"barostat": "none", "ensemble": "NVT"}}},
     ["production needs the density of a stage in NPT", "npt, is not"]),
    ({"sweep": [{**BLOCK, "salt": "none"}]}, ["sweep[0].eo_li:", "no meaning with salt: none"]),
    ({"box": {"supercell_from": "minimise"}}, ["box.supercell_from:", "'minimise' is no stage of dynamics"]),
    # text that others read
    ({"sweep": [{**BLOCK, "polymer": "PEO (24)"}]}, ["sweep[0].polymer:", "'PEO (24)'", "a letter or digit first"]),
    ({"study": "a\nb"}, ["study:", "one line of visible text"]),
    ({"gmx": {"launcher": "'"}}, ["gmx.launcher:", "words as in a shell"]),
    ({"gmx": {"launcher": "  "}}, ["gmx.launcher:", "words as in a shell"]),
    ({"gmx": {"command": " "}}, ["gmx.command:", "one line of visible text"]),
    ({"gmx": {"modules": ["a b"]}}, ["gmx.modules[0]:", "as `module avail` lists it"]),
    ({"topologies": "README.md"}, ["topologies:", "no folder of building blocks"]),
    ({"reference": {"study": "nope.yaml"}}, ["reference.study:", "nope.yaml' is no file"]),
    ({"reference": {"conductivity": "config"}}, ["reference.conductivity:", "is no file"]),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "words"), BAD_KEYS, ids=[words[0] + words[1] for _, words in BAD_KEYS])
def test_a_mistake_is_one_line_with_file_key_value_and_what_is_allowed(
    keys: dict[str, Any], words: list[str], tmp_path: Path
) -> None:
    text = mistake(lambda: study(tmp_path, **keys))
    assert text.startswith(f"{tmp_path / 'config.yaml'}:")
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(
    "keys",
    [
        # of another kind than the key
        {"sweep": [{**BLOCK, "eo_li": "20 %"}]},
        {"sweep": [{**BLOCK, "temperature_K": "300 ps"}]},
        {"analysis": {"target_error": "0.2 ns"}},
        {"analysis": {"morphology": {"q_max_per_nm": "20 nm"}}},
        {"stages": {"minimise": {"force_tolerance_kJ_mol_nm": "20 nm"}}},
        {"box": {"packing_density_g_cm3": "22 %"}},
        # of which the next mistake would be
        {"sweep": [{**BLOCK, "temperature_K": "20 K"}]},
        {"sweep": [{**BLOCK, "temperature_K": -200}]},
        {"sweep": [{**BLOCK, "eo_li": "0:1"}]},
        {"analysis": {"target_error": "200 %"}},
        {"box": {"chains": "12,5"}},
        {"box": {"chains": "1:30"}},
        {"box": {"chains": "-5 "}},
    ],
)
def test_no_hint_leads_into_the_next_mistake(keys: dict[str, Any], tmp_path: Path) -> None:
    text = mistake(lambda: study(tmp_path, **keys))
    assert "is not allowed" in text and "write" not in text and "in kelvin" not in text


def test_the_analysed_stage_may_say_the_temperature_of_its_systems(tmp_path: Path) -> None:
    made = study(
        tmp_path,
        stages={name: {"temperature_K": 400} for name in ("npt", "production")},
        sweep=[{**BLOCK, "temperature_K": 400}],
    )
    assert made.equilibrated_stage == "production"


def test_a_stage_that_changes_its_temperature_is_not_analysed(tmp_path: Path) -> None:
    cooled = {"temperature_from_K": 600, "temperature_step_K": 300, "thermostat": "v-rescale", "barostat": "c-rescale"}
    text = mistake(lambda: study(tmp_path, stages={"production": cooled}))
    assert "analysis.stage: 'production' changes its temperature; allowed: npt" in text


def test_steps_of_temperature_that_no_run_can_hold(tmp_path: Path) -> None:
    cooled = {"temperature_from_K": 600, "temperature_step_K": 0.1, "thermostat": "v-rescale", "barostat": "c-rescale"}
    protocol = with_stage("production", name="cool", **cooled)
    text = mistake(lambda: study(tmp_path, protocol=protocol, analysis={"stage": "npt"}))
    assert (
        "stages.cool.temperature_step_K: cool of peo-eo12-298K-r1 has" in text and "allowed: 1, of 10 energies" in text
    )


def test_a_mean_volume_is_that_of_enough_frames_at_one_temperature(tmp_path: Path) -> None:
    start = {"start": "mean-volume-frame", "ensemble": "NVT", "barostat": "none"}
    stages = {"npt": {"state_interval_ps": 2.5}, "production": start}
    assert study(tmp_path, stages=stages).stage("production").start == "mean-volume-frame"
    for npt in ({"state_interval_ps": 5}, {"state_interval_ps": 1, "equilibrates": False}):
        assert "mean-volume-frame needs an NPT stage" in mistake(
            lambda npt=npt: study(tmp_path, stages=stages | {"npt": npt})  # type: ignore[misc]
        )


def test_wave_vectors_and_bins_are_counted_in_the_box(tmp_path: Path) -> None:
    text = mistake(lambda: study(tmp_path, analysis={"morphology": {"q_max_per_nm": 200}}, box={"chains": 300}))
    assert "analysis.morphology.q_max_per_nm: 200 makes" in text and "wave vectors in the box of peo-eo12" in text
    text = mistake(lambda: study(tmp_path, analysis={"rdf_bin_nm": 1e-4}, box={"chains": 30000}))
    assert "analysis.rdf_bin_nm: 0.0001 makes" in text and "bins in the box of peo-eo12" in text


def test_keys_of_the_command_line_are_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "protocol.yaml").write_text(yaml.safe_dump(PROTOCOL))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config(tmp_path)))
    text = mistake(lambda: load_study([tmp_path / "config.yaml"], ROOT, {"box": {"chains": 0}}))
    assert text.startswith("command line:1: box.chains: 0 is not allowed")


def test_a_mistake_in_an_overlay_names_the_overlay(tmp_path: Path) -> None:
    text = mistake(lambda: study(tmp_path, {"study": "t", "stages": {"npt": {"tau_p_ps": -2}}}))
    assert text.startswith(f"{tmp_path / 'config1.yaml'}:4: stages.npt.tau_p_ps: -2")
    text = mistake(lambda: study(tmp_path, {"study": "t"}, box={"chains": -1}))
    assert text.startswith(f"{tmp_path / 'config.yaml'}:8: box.chains: -1")


def test_a_mistake_of_a_whole_protocol_names_the_line_of_its_stage(tmp_path: Path) -> None:
    stages = [PROTOCOL["stages"][0], PROTOCOL["stages"][1] | {"energy_interval_ps": 5}, PROTOCOL["stages"][2]]
    text = mistake(lambda: study(tmp_path, protocol=PROTOCOL | {"stages": stages}))
    line = (tmp_path / "protocol.yaml").read_text().splitlines().index("- name: npt") + 1
    assert text.startswith(f"{tmp_path / 'protocol.yaml'}:{line}: stages[1]: stage npt: energy_interval_ps 5")


def test_missing_keys_and_files(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("study: s\nseed: 1\n")
    text = mistake(lambda: load_study([path], ROOT))
    allowed = f"config/config.yaml has it; allowed: config/config.yaml {path}, in this order"
    assert text == f"{path}: sweep: is missing; {allowed} (also wrong: protocol)"
    path.write_text("- 1\n")
    assert "not a mapping" in mistake(lambda: load_study([path], ROOT))
    # as an overlay, too: Snakemake takes no such file
    for text in ("", "# a remark\n"):
        path.write_text(text)
        assert mistake(lambda: load_study([ROOT / "config/config.yaml", path], ROOT)).startswith(
            f"{path}: holds no keys; "
        )
    assert "cannot be read" in mistake(lambda: load_study([tmp_path / "absent.yaml"], ROOT))
    path.write_text(yaml.safe_dump(config(tmp_path, protocol="absent.yaml")))
    assert ": protocol: 'absent.yaml' is no file; allowed: " in mistake(lambda: load_study([path], ROOT))
    path.write_text(yaml.safe_dump(config(tmp_path, protocol="config/protocols/ma2022.yaml", topologies="absent")))
    assert "no folder of building blocks" in mistake(lambda: systems_of(load_study([path], ROOT)))


def test_eo_li_needs_ether_oxygens(copied_blocks: Path, tmp_path: Path) -> None:
    polymer = {"polymer": "pa6", "molecule": "PA", "description": "d", "sequence": ["head", "PA6 * 5", "acetyl"]}
    density = {"neat_density_g_cm3": {"value": 1.1, "temperature_K": 298.15, "source": "idealmixing"}}
    (copied_blocks / "polymers/pa6.yaml").write_text(yaml.safe_dump(polymer | density))
    atoms = [
        {"name": "N", "type": "N", "class": "N", "charge": -0.31, "source": "peptide54a7"},
        {"name": "H", "type": "H", "class": "H", "charge": 0.31, "source": "peptide54a7"},
    ]
    unit = {"unit": "head", "description": "d", "residue": "HD", "charge": 0.0, "tail": "N", "atoms": atoms}
    (copied_blocks / "units/head.yaml").write_text(yaml.safe_dump(unit | {"bonds": [["N", "H"]]}))
    block = {"polymer": "pa6", "eo_li": 12}
    text = mistake(lambda: study(tmp_path, topologies=str(copied_blocks), sweep=[block]))
    assert text.startswith(
        f"{tmp_path / 'config.yaml'}:5: sweep[0].eo_li: pa6 has no ether oxygen; allowed: salt: none"
    )
    made = study(
        tmp_path, topologies=str(copied_blocks), sweep=[{"polymer": "pa6", "salt": "none"}], box={"chains": 40}
    )
    assert list(systems_of(made)) == ["pa6-neat-298K-r1"]


# What GROMACS 2022 integrates as asked: everything else is refused by it or, worse, silently another ensemble.
LEGAL = {
    ("md", "v-rescale", "none"), ("md", "v-rescale", "c-rescale"), ("md", "v-rescale", "parrinello-rahman"),
    ("md", "nose-hoover", "none"), ("md", "nose-hoover", "c-rescale"), ("md", "nose-hoover", "parrinello-rahman"),
    ("md-vv", "v-rescale", "none"), ("md-vv", "v-rescale", "c-rescale"), ("md-vv", "v-rescale", "parrinello-rahman"),
    ("md-vv", "nose-hoover", "none"), ("md-vv", "nose-hoover", "c-rescale"),
    ("sd", "none", "none"), ("sd", "none", "c-rescale"), ("sd", "none", "parrinello-rahman"),
}  # fmt: skip
COUPLINGS = list(
    itertools.product(
        ("steep", "md", "md-vv", "sd"),
        ("none", "v-rescale", "nose-hoover"),
        ("none", "c-rescale", "parrinello-rahman"),
    )
)


@pytest.mark.parametrize(("integrator", "thermostat", "barostat"), COUPLINGS)
def test_couplings(integrator: str, thermostat: str, barostat: str, tmp_path: Path) -> None:
    ensemble = "NVT" if barostat == "none" else "NPT"
    protocol = with_stage(
        "production", integrator=integrator, thermostat=thermostat, barostat=barostat, ensemble=ensemble
    )
    if (integrator, thermostat, barostat) in LEGAL:
        study(tmp_path, protocol=protocol)
        return
    text = mistake(lambda: study(tmp_path, protocol=protocol))
    assert text.startswith(f"{tmp_path / 'protocol.yaml'}:")
    assert "stages[2]" in text and "stage production" in text and "allowed" in text and integrator in text


@pytest.mark.parametrize("thermostat", ["v-rescale", "nose-hoover"])
@pytest.mark.parametrize("barostat", ["c-rescale", "parrinello-rahman"])
def test_a_minimisation_has_no_coupling(thermostat: str, barostat: str, tmp_path: Path) -> None:
    protocol = with_stage("minimise", thermostat=thermostat, barostat=barostat)
    assert "a minimisation has no thermostat" in mistake(lambda: study(tmp_path, protocol=protocol))


BAD_STAGES: list[tuple[dict[str, Any], str]] = [
    (
        {"tau_p_ps": 1.99},
        "tau_p_ps 1.99 is too short for steps of 2.0 fs: it must span 200 couplings, 5 or more steps apart; allowed: at least 2, or c-rescale with at least 0.25",
    ),
    ({"tau_t_ps": 0.03}, "at least 0.04, or v-rescale with at least 0.01"),
    ({"tau_p_ps": 2.1, "tau_t_ps": 1.1}, "tau_p_ps 2.1 is below twice tau_t_ps 1.1"),
    ({"generate_velocities": True}, "parrinello-rahman with generate_velocities is not allowed"),
    ({"frame_interval_ps": 0.003}, "frame_interval_ps 0.003 is no whole number of steps of 2.0 fs"),
    ({"energy_interval_ps": 0.001}, "energy_interval_ps 0.001 is no whole number of steps of 2.0 fs"),
    ({"state_interval_ps": 0.005}, "state_interval_ps 0.005 is no whole number of steps of 2.0 fs"),
    ({"length_ns": 0.000003}, "length_ns 3e-06 is no whole number of steps"),
    (
        {"length_ns": 0.0005},
        "length_ns 0.0005 is shorter than one frame_interval_ps; allowed: at least 0.001, or a shorter",
    ),
    (
        {"time_step_fs": 3.0},
        "frame_interval_ps 1.0 is no whole number of steps of 3.0 fs; allowed: 0.999 or 1.002, for example, or",
    ),
    ({"energy_interval_ps": 0.0005}, "steps of 2.0 fs; allowed: 0.002, for example, or another time_step_fs"),
    ({"length_ns": 0.010001}, "is no whole number of steps of 2.0 fs; allowed: 0.01 or 0.010002, for example"),
    (
        {"max_length_ns": 1.0},
        "max_length_ns 1 needs a criterion in converge; allowed: one or more of density, energy, end_to_end,",
    ),
    ({"max_length_ns": 1.0, "converge": []}, "displacement_Li there, or max_length_ns: null"),
    (
        {"converge": ["energy"]},
        "converge energy needs max_length_ns, which is missing; allowed: at least length_ns 0.01 there, or converge: []",
    ),
    ({"pressure_bar": None}, "pressure_bar is missing; a barostat needs it"),
    (
        {"temperature_from_K": 400},
        "temperature_step_K is missing; temperature_from_K and temperature_step_K go together",
    ),
    ({"ensemble": "NVT"}, "ensemble NVT does not fit barostat parrinello-rahman"),
    ({"tau_t_ps": None}, "tau_t_ps is missing"),
    ({"tau_p_ps": None}, "tau_p_ps is missing; a barostat needs it"),
    ({"energy_interval_ps": None}, "energy_interval_ps is missing"),
    ({"max_steps": 10}, "max_steps has no meaning in a NPT stage"),
    ({"start": "mean-volume-frame"}, "needs an NPT stage right before it that equilibrates, with a state_interval_ps"),
    ({"time_step_fs": 6}, "6 is not allowed: Input should be less than or equal to 4"),
    (
        {"integrator": "md-vv", "thermostat": "v-rescale", "time_step_fs": 4.0},
        "time_step_fs 4 is too long for md-vv, which would be 1 % too hot at 4 fs; allowed: md, or up to 2 fs",
    ),
    ({"name": "npt"}, "stage npt stands twice"),
    ({"name": "Production run"}, "'Production run' is not allowed"),
]


@pytest.mark.parametrize(("keys", "message"), BAD_STAGES, ids=[message[:40] for _, message in BAD_STAGES])
def test_stages_that_cannot_run(keys: dict[str, Any], message: str, tmp_path: Path) -> None:
    text = mistake(lambda: study(tmp_path, protocol=with_stage("production", **keys)))
    assert text.startswith(f"{tmp_path / 'protocol.yaml'}") and message in text


def test_tau_p_of_exactly_twice_tau_t_is_allowed(tmp_path: Path) -> None:
    study(tmp_path, protocol=with_stage("production", tau_p_ps=2.0))


def test_time_step_without_constraints(tmp_path: Path) -> None:
    text = mistake(lambda: study(tmp_path, protocol={**PROTOCOL, "constraints": "h-bonds"}))
    assert "time_step_fs 2.0 is not allowed with constraints h-bonds" in text and "up to 1 fs" in text


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ([], "box.chains: -1 is not allowed"),
        (["--set", "[1]"], "a JSON object"),
        (["--set", "{"], "not valid YAML"),
    ],
)
def test_the_command_line_prints_one_line(
    extra: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config(tmp_path, box={"chains": -1})))
    assert main(["check", "--config", str(path), *extra]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert expected in printed.err and "Traceback" not in printed.err


@pytest.mark.parametrize("key", ["study", "conductivity"])
def test_a_reference_that_is_none_is_refused_before_anything_runs(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = {name: ROOT / "config/reference" / name for name in ("ma2022.yaml", "peo-litfsi-conductivity.csv")}
    other = shipped["peo-litfsi-conductivity.csv" if key == "study" else "ma2022.yaml"]
    path = tmp_path / "own.yaml"
    path.write_text(f"reference: {{{key}: {other}}}\n")
    words = ["check", "--config", str(ROOT / "config/config.yaml"), str(path), "--base", str(ROOT)]
    assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert printed.err.startswith(f"eoli check: {path}:1: reference.{key}: {other}: ")


@pytest.mark.parametrize(
    ("stage", "keys", "message"),
    [
        ("minimise", {"update": "gpu"}, "update: gpu is not possible: GROMACS has it for dynamics alone"),
        ("minimise", {"pme": "gpu"}, "pme: gpu is not possible: GROMACS has it for dynamics alone"),
        ("npt", {"integrator": "md-vv", "update": "gpu"}, "for the integrator md alone, this stage has md-vv"),
        ("npt", {"thermostat": "nose-hoover", "update": "gpu"}, "GROMACS has it without nose-hoover"),
        ("npt", {"nb": "cpu", "bonded": "gpu"}, "it needs the non-bonded forces there, too, and nb is cpu"),
        ("npt", {"pme": "yes"}, "allowed"),
    ],
)
def test_what_a_gpu_cannot_do_is_refused(tmp_path: Path, stage: str, keys: dict[str, Any], message: str) -> None:
    assert message in mistake(lambda: study(tmp_path, stages={stage: keys}))


def test_what_a_gpu_can_do(tmp_path: Path) -> None:
    made = study(tmp_path, stages={"minimise": {"nb": "gpu"}, "npt": {"nb": "gpu", "pme": "gpu", "update": "gpu"}})
    assert made.stage("npt").offload == {"nb": "gpu", "pme": "gpu", "update": "gpu"}
    assert made.stage("minimise").offload == {"nb": "gpu"}


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (
            {"sweep": [{"polymer": {"peo": {"x": 1}}, "eo_li": 12}]},
            "sweep[0].polymer.peo: {'x': 1} is not allowed: Input should be a valid integer, or Input should be a valid number",
        ),
        (
            {"run": {"threads": {"a": 1}}},
            "run.threads: {'a': 1} is not allowed: Input should be a valid integer, or Input should be 'auto'",
        ),
        (
            {"sweep": [{"polymer": {"peo": -1}, "eo_li": 12}]},
            "sweep[0].polymer.peo: -1 is not allowed: Input should be greater than 0",
        ),
        (
            {"analysis": {"viscosity": {"peo": "b"}}},
            "analysis.viscosity.peo: 'b' is not allowed; allowed: a mapping with keys of error_mPa_s, mPa_s, source",
        ),
    ],
)
def test_keys_are_those_that_the_user_wrote(tmp_path: Path, keys: dict[str, Any], says: str) -> None:
    """Not pydantic's names of the members of a union, nor the keys of another model, nor one reason twice."""
    assert mistake(lambda: study(tmp_path, **keys)).endswith(says)


def test_other_mistakes_are_named(tmp_path: Path) -> None:
    said = mistake(lambda: study(tmp_path, seed="a", box={"chains": -1}, study=3))
    assert said.endswith(
        "3 is not allowed; allowed: text (name of the study, shown in the tables) (also wrong: seed and box.chains)"
    )
    said = mistake(lambda: study(tmp_path, stages={"npt": {"length_ns": "a", "frame_interval_ps": "b"}}))
    assert said.endswith("valid number (also wrong: stages.npt.frame_interval_ps)")


def test_a_single_value_stands_for_a_list_of_one(tmp_path: Path) -> None:
    made = study(
        tmp_path, gmx={"modules": "gromacs/2022"}, stages={"production": {"converge": "density", "max_length_ns": 50}}
    )
    assert (made.config.gmx.modules, made.stage("production").converge) == (["gromacs/2022"], ["density"])


def test_a_mistake_is_said_of_the_file_that_made_it(tmp_path: Path) -> None:
    """A list of a later file replaces that of an earlier one; an unknown key explains a missing one."""
    path = tmp_path / "own.yaml"
    path.write_text("sweep:\n  - {polmer: ptmo, eo_li: 12}\n")
    said = mistake(lambda: load_study([ROOT / "config/config.yaml", path], ROOT))
    assert f"{path}:2: sweep[0].polmer: unknown key (did you mean polymer?)" in said
    path.write_text("sweep:\n  - {eo_li: 12}\n")
    said = mistake(lambda: load_study([ROOT / "config/config.yaml", path], ROOT))
    assert f"{path}:2: sweep[0].polymer: is missing" in said
