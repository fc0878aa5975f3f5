"""A finished stage taken in as a run made elsewhere, from its run input file, with scaled charges and energies."""

from __future__ import annotations

from pathlib import Path

import pytest

from eoli.cli import main
from eoli.core.files import read_json
from eoli.gromacs.adopt import check_temperature
from eoli.study.config import GromacsBuild
from eoli.topology.description import SystemDescription, read_description
from eoli.topology.selections import binding_partners, ether_torsions, pair_groups
from tiny_stages import Tiny

pytestmark = pytest.mark.gmx


def taken_in(tiny: Tiny, stage: str, out: Path, *words: str, kelvin: float = 400.0) -> int:
    """Exit code of the two commands that take in a stage of the tiny system."""
    run = tiny.folder / stage
    roles = out.with_name("given-roles.yaml")
    if not roles.exists():
        asked = ["adopt", str(run / "md.tpr"), str(run / "md.xtc"), "--name", "given", "--out", str(out.parent)]
        assert main(asked) == 0
    ours = tiny.description
    interval, length = (float(line.split(": ")[1]) for line in _run_lines(out.with_name("given.yaml")))
    composition = {
        "sites": ours.n_sites, "chains": 4, "ether_oxygens": len(ours.with_role("ether_O")), "lithium_ions": 8,
        "ion_charge_scale": 0.75, "temperature_K": kelvin, "frame_interval_ps": interval, "length_ns": length,
    }  # fmt: skip
    flags = [word for key, value in composition.items() for word in (f"--{key.replace('_', '-')}", f"{value:g}")]
    return main(
        ["import-run", "--run-input", str(run / "md.tpr"), "--pieces", str(run / "md.xtc"), "--roles", str(roles),
         "--force-field", "x", "--stage", "npt", "--out", str(out), *flags, *words]
    )  # fmt: skip


def _run_lines(study: Path) -> list[str]:
    text = study.read_text().splitlines()
    return [next(line for line in text if f" {key}:" in line) for key in ("frame_interval_ps", "length_ns")]


def facts(system: SystemDescription) -> dict[str, object]:
    """What analyses read of a system."""
    return {
        "masses": system.masses().tolist(),
        "bonds": {tuple(sorted(bond)) for bond in system.bonds().tolist()},
        "torsions": sorted(map(tuple, ether_torsions(system).tolist())),
        "binding": {kind: sites.tolist() for kind, sites in binding_partners(system).items()},
        "pairs": {first: {name: s.tolist() for name, s in of.items()} for first, of in pair_groups(system).items()},
        "molecules": [(e.molecule.name, e.count, e.molecule.kind, e.molecule.formal_charge) for e in system.molecules],
        "units": system.of_sites(lambda site: site.residue_number).tolist(),
    }


def lengths(system: SystemDescription) -> dict[tuple[int, ...], float]:
    """Length of each bond, nm."""
    bonds = (tuple(sorted(bond)) for bond in system.bonds().tolist())
    return dict(zip(bonds, system.bond_lengths_nm().tolist(), strict=True))


def test_the_system_and_its_density_are_those_of_the_stage(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "given-r1"
    energies = tiny.folder / "npt/md.edr"
    assert taken_in(tiny, "npt", out, "--run-energies", str(energies)) == 0
    assert "ether_O" in capsys.readouterr().out
    found, ours = read_description(out / "topology/system.json"), tiny.description
    assert facts(found) == facts(ours)
    assert found.choice.ion_charge_scale == ours.choice.ion_charge_scale == 0.75
    # a run input file has single precision
    assert found.charges() == pytest.approx(ours.charges(), abs=1e-6)
    # those of one frame of a run with constraints
    assert lengths(found) == pytest.approx(lengths(ours), abs=2e-3)
    assert (out / "npt/md.xtc").read_bytes() == (tiny.folder / "npt/md.xtc").read_bytes()
    for name, source, system in (("a", energies, tiny.topology), ("b", out / "npt/md.edr", out / "topology")):
        words = ["density", "--energies", str(source), "--system-json", str(system / "system.json")]
        assert main([*words, "--out", str(tmp_path / name)]) == 0
    assert (tmp_path / "a/density.json").read_bytes() == (tmp_path / "b/density.json").read_bytes()
    assert read_json(out / "npt/verdict.json")["status"] == "warn"


def test_another_temperature_than_that_of_the_thermostat_is_refused(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "given-r1"
    assert taken_in(tiny, "npt", out, kelvin=300.0) == 2
    said = capsys.readouterr().err.strip()
    assert said.endswith(
        f"temperature_K: 300 is not allowed; allowed: that of the thermostat in {tiny.folder}/npt/md.tpr, 400 K"
    )
    assert not out.exists()
    tpr, nothing = tiny.folder / "npt/md.tpr", GromacsBuild(command="no-such-gmx")
    assert check_temperature(tpr, 300.0, nothing).startswith(f"the temperature, 300 K, was not compared with {tpr}: ")
    assert check_temperature(tpr, 400.0, GromacsBuild()) == ""
    # a minimisation has no bath
    assert check_temperature(tiny.folder / "minimise/md.tpr", 300.0, GromacsBuild()) == ""


def test_energies_of_a_run_at_constant_volume_are_refused(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "given-r1"
    assert taken_in(tiny, "npt", out, "--run-energies", str(tiny.folder / "nvt/md.edr")) == 1
    said = capsys.readouterr().err.strip()
    assert said.endswith("allowed: energies of this box with its density, or none") and "\n" not in said
    assert not out.exists()


def test_what_does_not_belong_to_the_run_is_refused_and_leaves_nothing(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, empty, cut = tiny.folder / "npt", tmp_path / "empty.tpr", tmp_path / "cut.xtc"
    empty.touch()
    cut.write_bytes((run / "md.xtc").read_bytes()[:-8])
    other_energies = ["--energies", str(tiny.folder / "nvt/md.edr")]
    for run_input, trajectory, words, said in (
        (run / "md.tpr", cut, [], "cut.xtc: "),
        (run / "md.tpr", tmp_path / "no.xtc", [], "no.xtc: no such trajectory"),
        (run / "md.tpr", run / "md.xtc", other_energies, "nvt/md.edr: "),
        (empty, run / "md.xtc", [], "empty.tpr: is empty; allowed: the run input file"),
        (run / "md.tpr", run / "md.xtc", ["--out", str(cut)], "cut.xtc is a file; allowed: a folder"),
    ):
        out = ["--out", str(tmp_path / "out")]
        assert main(["adopt", str(run_input), str(trajectory), "--name", "given", *out, *words]) == 2
        err = capsys.readouterr().err.strip()
        assert said in err and "\n" not in err, err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.xtc", "empty.tpr"]
