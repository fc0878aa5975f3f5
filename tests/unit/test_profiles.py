"""The profiles of Snakemake: what they share, and that a cluster's is set in one place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.profiles import ProfileConfigFileParser

from support import ROOT

PROFILES = ROOT / "profiles"
CLUSTERS = sorted(path.name for path in PROFILES.iterdir() if path.name != "default")


def parsed(path: Path) -> dict[str, Any]:
    with path.open() as stream:
        return dict(ProfileConfigFileParser().parse(stream))


def slurm(folder: Path, **variables: Any) -> dict[str, Any]:
    """The profile of SLURM as Snakemake reads it, with other variables of its own."""
    data = yaml.safe_load((PROFILES / "slurm/config.yaml").read_text())
    assert set(variables) <= set(data["__variables__"])
    data["__variables__"] |= variables
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return parsed(path)


@pytest.mark.parametrize("name", CLUSTERS)
def test_what_reruns_and_what_is_said_is_the_same_everywhere(name: str) -> None:
    default, cluster = (yaml.safe_load((PROFILES / p / "config.yaml").read_text()) for p in ("default", name))
    assert {key: cluster.get(key) for key in default if key != "cores"} == {
        key: value for key, value in default.items() if key != "cores"
    }


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_job_is_tried_again_and_files_of_other_nodes_are_waited_for(name: str) -> None:
    profile = parsed(PROFILES / name / "config.yaml")
    assert int(profile["retries"]) >= 5 and int(profile["latency-wait"]) >= 30


def test_on_a_cluster_no_short_rule_has_a_job_of_its_own() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "workflow").rglob("*.smk"))
    local = {
        name for names in re.findall(r"^ *localrules:\n((?: +\w+,\n)+)", text, re.MULTILINE) for name in names.split()
    }
    blocks = re.split(r"^ *rule\b", text, flags=re.MULTILINE)[1:]
    assert len(blocks) > 15
    # interactions runs gmx on every frame; one rule makes the stages
    alone = {block.split(":")[0].strip() for block in blocks if "group:" not in block} - {f.rstrip(",") for f in local}
    assert alone == {"interactions", ""}


def test_no_rule_has_retries_of_its_own() -> None:
    # Snakemake would apply them inside the allocation of a job
    for path in [ROOT / "Snakefile", ROOT / "workflow/Snakefile", *(ROOT / "workflow").rglob("*.smk")]:
        assert "retries:" not in path.read_text(), path


def test_stages_of_the_shipped_protocol_get_the_walltime_and_the_cores(tmp_path: Path) -> None:
    stages = yaml.safe_load((ROOT / "config/protocols/ma2022.yaml").read_text())["stages"]
    profile = slurm(tmp_path, walltime=600, threads=4)
    assert profile["set-threads"] == [f"{stage['name']}=4" for stage in stages]
    assert profile["set-resources"] == [f"{stage['name']}:runtime=600" for stage in stages]


def test_account_and_partition_are_set_once(tmp_path: Path) -> None:
    shipped = slurm(tmp_path)
    assert not any("slurm_" in word for word in shipped["default-resources"])
    own = slurm(tmp_path, account="chem", partition="long")
    assert own["default-resources"][:2] == ["slurm_account=chem", "slurm_partition=long"]
    assert not any("slurm" in word or "gpu" in word for word in own["set-resources"])


def test_gpus_are_for_the_stages(tmp_path: Path) -> None:
    own = slurm(tmp_path, partition="long", gpu_partition="a100", gpus=1, stages=["npt"])
    assert own["set-resources"] == ["npt:runtime=1440", "npt:gpu=1", "npt:slurm_partition=a100"]
    assert slurm(tmp_path, gpus=2, stages=["npt"])["set-resources"] == ["npt:runtime=1440", "npt:gpu=2"]
