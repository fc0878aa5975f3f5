"""What the Snakefile is told: flags, threads, starts, and which configuration file had the last word."""

from __future__ import annotations

import argparse
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from eoli.cli import COMMANDS
from eoli.commands.compare import add_compare
from eoli.commands.stage import add_stage
from eoli.errors import InputError
from eoli.study.analyses import BY_NAME, REDUCED
from eoli.workflow.plan import FIGURES, SWEEP_FIGURES, Plan, flags, make_plan
from eoli.workflow.products import products_of
from support import ROOT, TINY, mistake

BASE_CONFIG = ROOT / "config/config.yaml"


def plan(*overlays: Path, overrides: Sequence[str] = ()) -> Plan:
    # Snakemake names the files of its call before its own
    files = [*map(str, overlays), str(BASE_CONFIG)]
    return make_plan(files, list(overlays), overrides, str(ROOT))


def written(folder: Path, text: str) -> Path:
    path = folder / "own.yaml"
    path.write_text(text)
    return path


def test_flags_survive_a_shell() -> None:
    words = shlex.split(flags({"a_b": 1.5, "text": "two words; $HOME", "yes": True, "no": False, "none": None}))
    assert words == ["--a-b", "1.5", "--text", "two words; $HOME", "--yes", "--no-no"]


@pytest.mark.parametrize("analysis", [analysis.name for analysis in REDUCED])
def test_the_criteria_of_an_analysis_are_what_its_command_takes(analysis: str) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    _, add, _ = COMMANDS[analysis]
    add(parser)
    flags_of = plan().analysis_flags(BY_NAME[analysis], "peo-eo12-298K-r1")
    words = ["--reduced", "r.h5", "--system-json", "s.json", "--out", "out", *shlex.split(flags_of)]
    parser.parse_args(words)


def test_the_rules_name_the_tables_and_figures_that_are_made() -> None:
    from eoli.figures.sweep import OF_SWEEP
    from eoli.figures.system import OF_SYSTEM

    assert list(FIGURES) == list(OF_SYSTEM) and list(SWEEP_FIGURES) == list(OF_SWEEP)


def test_threads_are_shared_among_systems() -> None:
    shipped = plan()
    assert [shipped.threads(cores) for cores in (None, 1, 2, 7, 14, 32, 1000)] == [1, 1, 1, 1, 2, 4, 16]


def test_threads_as_set(tmp_path: Path) -> None:
    assert plan(written(tmp_path, "run: {threads: 3}")).threads(2) == 3


def test_how_it_is_run_is_no_parameter_of_a_stage(tmp_path: Path) -> None:
    plain = plan()
    other = plan(written(tmp_path, "run: {pin: false}\nstages: {compress: {nb: gpu, pme: gpu, update: cpu}}"))
    name = next(iter(plain.systems))
    assert other.stage_flags("compress", name) == plain.stage_flags("compress", name)
    assert (plain.offload_flags("compress"), other.offload_flags("npt")) == ("", "")
    assert other.offload_flags("compress") == "--nb gpu --pme gpu --update cpu"
    assert plain.run_flags(4) == "--checkpoint-minutes 5 --at-once 4"
    assert other.run_flags(None) == "--checkpoint-minutes 5 --no-pin"
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_stage(parser)
    words = ["--system", name, "--topology", "t", "--start-from", "s", "--out", "o", "--threads", "2"]
    words += shlex.split(
        f"{other.stage_flags('compress', name)} {other.run_flags(4)} {other.offload_flags('compress')}"
    )
    told = parser.parse_args(words)
    assert (told.stage_nb, told.stage_update, told.pin, told.at_once) == ("gpu", "cpu", False, 4)


def test_stages_start_from_the_one_before() -> None:
    shipped = plan()
    name = "peo-eo12-298K-r1"
    assert shipped.start_files("minimise", name) == [f"results/{name}/box/box.gro"]
    assert shipped.start_files("npt", name) == [f"results/{name}/compress/{file}" for file in ("md.gro", "state.trr")]
    assert shipped.start_files("nvt", name) == [f"results/{name}/npt/{file}" for file in ("md.gro", "md.edr", "md.trr")]


def test_a_stage_that_is_left_out_is_skipped(tmp_path: Path) -> None:
    own = written(
        tmp_path,
        "stages:\n  compress: {enabled: false}\n  npt: {generate_velocities: true, barostat: c-rescale}\n",
    )
    name = "peo-eo12-298K-r1"
    assert plan(own).start_files("npt", name)[0] == f"results/{name}/minimise/md.gro"


def test_a_temperature_series_shares_its_first_stages(tmp_path: Path) -> None:
    own = written(
        tmp_path,
        "sweep:\n  - {polymer: peo, eo_li: 12, temperature_K: [350, 400], temperature_series: true}\n"
        "  - {polymer: peo, eo_li: 12, temperature_K: 450}\n",
    )
    series = plan(own)
    assert list(series.systems) == ["peo-eo12-350K-r1", "peo-eo12-400K-r1", "peo-eo12-450K-r1"]
    assert list(series.boxes)[3:] == ["peo-eo12-series-r1"]
    for name, before in (("350K", "series"), ("400K", "series"), ("450K", "450K")):
        assert series.start_files("npt", f"peo-eo12-{name}-r1")[0] == f"results/peo-eo12-{before}-r1/compress/md.gro"
    assert series.start_files("compress", "peo-eo12-series-r1")[0] == "results/peo-eo12-series-r1/minimise/md.gro"
    assert series.files(["compress", "npt"], "verdict.json") == [
        f"results/peo-eo12-{name}-r1/{stage}/verdict.json"
        for name, stage in (
            ("series", "compress"),
            ("350K", "npt"),
            ("400K", "npt"),
            ("450K", "compress"),
            ("450K", "npt"),
        )
    ]
    # its temperature is that of the stage, whatever the series holds
    assert "--system-temperature-K 400 " in series.stage_flags("compress", "peo-eo12-series-r1")
    assert series.stage_flags("npt", "peo-eo12-350K-r1") != series.stage_flags("npt", "peo-eo12-400K-r1")
    assert series.topology_flags("peo-eo12-series-r1") == series.topology_flags("peo-eo12-350K-r1")


@pytest.mark.parametrize("stage", ["minimise", "compress", "npt", "nvt", "production"])
def test_the_flags_of_a_stage_are_the_stage(stage: str) -> None:
    shipped = plan()
    parser = argparse.ArgumentParser()
    add_stage(parser)
    words = ["--system", "x", "--topology", "t", "--start-from", "s", "--out", "o"]
    read = parser.parse_args([*words, *shlex.split(shipped.stage_flags(stage, "peo-eo12-298K-r1"))])
    expected = shipped.study.stage(stage).model_dump(exclude_defaults=True)
    given = {k.removeprefix("stage_"): v for k, v in vars(read).items() if k.startswith("stage_") and v is not None}
    assert given == expected
    assert (read.system_temperature_K, read.cutoff_nm, read.constraints) == (298.15, 1.2, "all-bonds")


def test_the_last_file_has_the_last_word() -> None:
    tiny = plan(ROOT / TINY)
    files = shlex.split(tiny.config_flags)[1:]
    assert [Path(name).name for name in files] == ["config.yaml", "tiny.yaml"]
    assert list(tiny.systems) == ["peo-eo12-400K-r1", "pebax-eo16-400K-r1"]


def test_keys_of_the_command_line_are_passed_on() -> None:
    changed = plan(overrides=["seed=5"])
    assert shlex.split(changed.config_flags)[-2:] == ["--set", '{"seed": 5}']


def test_snakemakes_own_reading_of_the_configuration_decides_nothing(tmp_path: Path) -> None:
    # Snakemake reads 12:1 as 721, yes as true, and the values of --config as Python does
    for keys, says in (
        ("sweep: [{polymer: peo, eo_li: 12:1}]", "own.yaml:1: sweep[0].eo_li: '12:1' is not allowed"),
        ("seed: 012", "own.yaml:1: seed: '012' is not allowed"),
    ):
        assert says in mistake(lambda keys=keys: plan(written(tmp_path, keys)))  # type: ignore[misc]
    for entry, says in (
        ("seed=1_0", "command line:1: seed: '1_0' is not allowed"),
        ("box={chains: 1, chains: 2}", "--config box:1: chains: the key stands twice"),
        ("sede=1", "command line:1: sede: unknown key"),
    ):
        assert says in mistake(lambda entry=entry: plan(overrides=[entry]))  # type: ignore[misc]
    of_call = plan(overrides=["box={chains: 30, attempts: 7}", "seed=5", "box={chains: 40}"])
    assert (of_call.study.config.box.chains, of_call.study.config.box.attempts, of_call.study.config.seed) == (40, 7, 5)


def test_files_of_unknown_systems_are_no_targets() -> None:
    shipped = plan()
    shipped.check_targets(["all", "results/summary/sweep.csv", "results/peo-eo12-298K-r1/npt/md.gro", "/elsewhere/x"])
    with pytest.raises(
        InputError, match=r"'peo-eo13-298K-r1' is no system of the study \(did you mean peo-eo12-298K-r1\?\)"
    ):
        shipped.check_targets(["results/peo-eo13-298K-r1/npt/md.gro"])


def test_a_word_that_begins_with_a_dash_is_no_option() -> None:
    assert shlex.split(flags({"pressure_bar": -5.0, "gmx": "-x"})) == ["--pressure-bar=-5", "--gmx=-x"]


def test_a_stage_is_not_named_like_a_rule(tmp_path: Path) -> None:
    protocol = (ROOT / "config/protocols/ma2022.yaml").read_text().replace("name: minimise", "name: box")
    (tmp_path / "p.yaml").write_text(protocol)
    with pytest.raises(InputError, match=r"stages\[0\]\.name: 'box' is not allowed: has the name of a rule"):
        plan(written(tmp_path, f"protocol: {tmp_path / 'p.yaml'}"))


def test_a_protocol_without_npt_is_refused(tmp_path: Path) -> None:
    protocol = yaml.safe_load((ROOT / "config/protocols/ma2022.yaml").read_text())
    stages = {stage["name"]: stage for stage in protocol["stages"]}
    nvt = {**stages["nvt"], "start": "last-frame", "generate_velocities": True}
    protocol["stages"] = [stages["minimise"], nvt, stages["production"]]
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(protocol))
    with pytest.raises(InputError, match="needs the density of a stage in NPT"):
        plan(written(tmp_path, f"protocol: {tmp_path / 'p.yaml'}"))


CASES = sorted((ROOT / "config/cases").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_shipped_case_can_be_planned(path: Path) -> None:
    from eoli.workflow.cost import cost_lines

    case = plan(path)
    # independent starts of everything: two, or more
    starts = Counter(system.replica_group for system in case.systems.values())
    assert min(starts.values()) >= 2
    assert any("core-hours" in line for line in cost_lines(case.study, Path("nowhere")))
    for system in case.boxes:
        for stage in case.study.stages if system in case.systems else case.study.common_stages:
            assert case.stage_flags(stage.name, system) and case.start_files(stage.name, system)


def test_the_cases_are_what_they_say() -> None:
    by = {path.stem: plan(path) for path in CASES}
    resolved = by["resolved"].systems.values()
    assert {(s.polymer, s.choice.ion_charge_scale) for s in resolved} == {
        (polymer, scale) for polymer in ("peo", "pebax") for scale in (0.75, 1.0)
    }
    assert {(s.temperature_K, s.eo_li) for s in resolved} == {(700, 12)}
    sweep = by["equilibrated-sweep"]
    assert {s.replica_group for s in sweep.systems.values()} == {s.replica_group for s in plan().systems.values()}
    anneal = sweep.study.stage("anneal")
    assert float(anneal.length_ns or 0) >= 1 and float(anneal.temperature_K or 0) >= 400
    for name, system, from_k, length_ns in (
        ("tg", "peo-neat-450K-r1", "450", "2.1"),
        ("tg-salt", "peo-eo12-540K-r1", "540", "6.48"),
    ):
        assert by[name].cooling_stage == "cooling" and by[name].stage_of(BY_NAME["density"]) == "melt"
        assert shlex.split(by[name].analysis_flags(BY_NAME["specific-volume"], system)) == [
            "--from-K", from_k, "--to-K", "150", "--step-K", "15", "--length-ns", length_ns,
        ]  # fmt: skip
    assert len(by["temperature-series"].boxes) == len(by["temperature-series"].systems) + 2


def test_a_cooling_stage_begins_where_its_melt_ends() -> None:
    entry = "sweep=[{polymer: peo, salt: none, temperature_K: 500}]"
    text = mistake(lambda: plan(ROOT / "config/cases/tg.yaml", overrides=[entry]))
    assert "stages.cooling.temperature_from_K: cooling begins at 450 K, and melt before it does not end there" in text


def test_a_cooling_stage_that_does_not_cool_is_refused() -> None:
    with pytest.raises(
        InputError, match="'melt' is no stage in NPT whose temperature changes by steps; allowed: cooling"
    ):
        plan(ROOT / "config/cases/tg.yaml", overrides=["analysis={stage: melt, cooling_stage: melt}"])


def test_a_declared_reference_reaches_the_command_and_makes_its_tables_stale() -> None:
    def noted(made: Plan) -> object:
        return next(product.noted for product in products_of(made) if product.name == "study.csv")

    usual, other = plan(), plan(overrides=["equal_lag={polymer: pebax, eo_li: 8}"])
    lag = plan(overrides=["equal_lag={lag_ps: 100}"])
    assert (usual.against_flags, other.against_flags) == ("", "--polymer pebax --eo-li 8")
    assert lag.against_flags == "--lag-ps 100"
    parser = argparse.ArgumentParser()
    add_compare(parser)
    needed = ["--table=a", "--results=b", "--study=c", "--conductivity=d", "--transport=f", "--out=e"]
    arguments = parser.parse_args([*needed, *shlex.split(other.against_flags)])
    # what the record of the tables holds, and the study is compared with
    assert noted(other) == {"against": {"polymer": arguments.polymer, "eo_li": arguments.eo_li}}
    # as in records from before there was a lag, which stay valid
    assert noted(usual) == {"against": {"polymer": None, "eo_li": None}}
    assert noted(lag) == {"against": {"polymer": None, "eo_li": None, "lag_ps": 100}}


def test_a_stage_is_told_what_its_answers_need_and_no_more() -> None:
    def flags_of(*criteria: str) -> set[str]:
        stages = f"stages={{production: {{converge: [{', '.join(criteria)}], max_length_ns: 20}}}}"
        made = plan(overrides=["equal_lag={lag_ps: 100}", stages])
        words = made.stage_flags("production", "peo-eo12-298K-r1").split()
        return {word for word in words if word in ("--target-error", "--tolerance", "--lag-ps")}

    assert flags_of("energy") == set()
    assert flags_of("D_Li") == {"--target-error", "--tolerance"}
    assert flags_of("displacement_Li") == {"--target-error", "--lag-ps"}
