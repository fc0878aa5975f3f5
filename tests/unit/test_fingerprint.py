"""What a run is bound to: all physics, and neither its length nor how often it writes its log."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import yaml

from eoli.gromacs.mdp import Conditions, mdp_options
from eoli.stage.fingerprint import Fingerprint, make_fingerprint, physics
from eoli.study.protocol import Protocol, Stage

ROOT = Path(__file__).resolve().parents[2]
PROTOCOL = ROOT / "tests/config/tiny-protocol.yaml"
STAGES = {stage.name: stage for stage in Protocol.model_validate(yaml.safe_load(PROTOCOL.read_text())).stages}
CONDITIONS = Conditions(400.0, 0.8, 0.16, True, "all-bonds", 7)
FREE = {"nsteps", "nstlog", "nstlist", "rlist", "verlet-buffer-tolerance"}
KEYS = [(stage, key) for stage in ("minimise", "compress", "npt") for key in mdp_options(STAGES[stage], CONDITIONS)]


@pytest.fixture
def topology(tmp_path: Path) -> Path:
    folder = tmp_path / "topology"
    folder.mkdir()
    (folder / "PEO.itp").write_text(
        "; a chain\n[ atoms ]\n1 CH3 1 MET C1 1 0.290 15.035\n\n2 OE 1 MET O1 1 -0.348 16\n"
    )
    (folder / "system.top").write_text('#include "PEO.itp"\n[ molecules ]\nPEO 4\n')
    return folder


@pytest.fixture
def box(tmp_path: Path) -> Path:
    path = tmp_path / "box.gro"
    path.write_text("box\n0\n1 1 1\n")
    return path


def options(stage: Stage) -> dict[str, str]:
    return mdp_options(stage, CONDITIONS)


@pytest.mark.parametrize(("stage", "key"), KEYS)
def test_every_option_but_length_log_and_pair_list(stage: str, key: str, topology: Path, box: Path) -> None:
    plain = options(STAGES[stage])
    known = make_fingerprint(plain, [box], topology, "mixed")
    changed = make_fingerprint(plain | {key: plain[key] + "1"}, [box], topology, "mixed")
    without = make_fingerprint({k: v for k, v in plain.items() if k != key}, [box], topology, "mixed")
    assert known.differences(changed) == ([] if key in FREE else ["mdp"])
    usual = (key, plain[key]) in {("nsttcouple", "10"), ("nstpcouple", "10")}
    assert known.differences(without) == ([] if key in FREE or usual else ["mdp"])


# taken before the steps between couplings were written
SHIPPED = {
    "annealed": "28872e5fa1e91c2c",
    "annealed-4fs": "e3d45fc7df985801",
    "cooling": "2c9784a08cf97338",
    "larsen21": "747c00fcd54b41d1",
    "ma2022": "5c7c13b7907cbc44",
    "validation": "ff661ac37fc532dc",
}


@pytest.mark.parametrize("path", sorted((ROOT / "config/protocols").glob("*.yaml")), ids=lambda path: path.stem)
def test_finished_runs_of_a_shipped_protocol_stay_finished(path: Path) -> None:
    """Another value here makes every run of the protocol stale, wherever it was made."""
    protocol = Protocol.model_validate(yaml.safe_load(path.read_text()))
    conditions = Conditions(
        400.0, protocol.cutoff_nm, protocol.fourier_spacing_nm, protocol.dispersion_correction, protocol.constraints, 7
    )
    lines = [
        f"{stage.name} {key}={value}"
        for stage in protocol.stages
        for key, value in physics(mdp_options(stage, conditions)).items()
    ]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] == SHIPPED[path.stem]


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"length_ns": 0.012}, True),
        ({"length_ns": 0.003}, True),
        ({"pressure_bar": 2.0}, False),
        ({"tau_p_ps": 2.5}, False),
        ({"temperature_K": 401}, False),
        ({"time_step_fs": 1.0}, False),
        ({"frame_interval_ps": 1.0}, False),
        ({"state_interval_ps": 0.4}, False),
    ],
    ids=str,
)
def test_keys_of_a_protocol(changes: dict[str, float], same: bool, topology: Path, box: Path) -> None:
    changed = Stage.model_validate(STAGES["npt"].model_dump() | changes)
    first = make_fingerprint(options(STAGES["npt"]), [box], topology, "mixed")
    second = make_fingerprint(options(changed), [box], topology, "mixed")
    assert (first == second) is same


def of(topology: Path, box: Path, precision: str = "mixed") -> Fingerprint:
    return make_fingerprint(options(STAGES["npt"]), [box], topology, precision)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("; a chain", "; another remark\n; in two lines"),
        ("16\n", "16 ; the mass\n"),
        ("\n\n2", "\n2"),
        ("1 CH3 1", "1    CH3\t1"),
        ("[ atoms ]\n", "\n\n[ atoms ]   \n\n"),
    ],
)
def test_comments_and_spacing_do_not_matter(old: str, new: str, topology: Path, box: Path) -> None:
    known = of(topology, box)
    path = topology / "PEO.itp"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    assert of(topology, box).differences(known) == []


@pytest.mark.parametrize(
    ("name", "old", "new"), [("PEO.itp", "0.290", "0.291"), ("PEO.itp", "C1 1", "C11"), ("system.top", "4", "5")]
)
def test_a_digit_or_a_gap_matters(name: str, old: str, new: str, topology: Path, box: Path) -> None:
    known = of(topology, box)
    path = topology / name
    path.write_text(path.read_text().replace(old, new))
    assert of(topology, box).differences(known) == ["topology"]


def test_a_new_or_renamed_file_matters(topology: Path, box: Path) -> None:
    known = of(topology, box)
    (topology / "LI.itp").write_text("[ moleculetype ]\n")
    more = of(topology, box)
    (topology / "LI.itp").rename(topology / "NA.itp")
    renamed = of(topology, box)
    assert known.differences(more) == more.differences(renamed) == ["topology"]


def test_start_and_precision_matter(tmp_path: Path, topology: Path, box: Path) -> None:
    known = of(topology, box)
    assert of(topology, box, "double").differences(known) == ["precision"]
    other = tmp_path / "other.gro"
    other.write_bytes(box.read_bytes().replace(b"1 1 1", b"1 1 2"))
    assert of(topology, other).differences(known) == ["start"]
    both = make_fingerprint(options(STAGES["npt"]), [box, other], topology, "mixed")
    assert both.differences(known) == ["start"]
