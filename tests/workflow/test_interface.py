"""A finished study in Python, against its files, its run input and plain pandas."""

from __future__ import annotations

import json
import re
from pathlib import Path

import MDAnalysis
import numpy as np
import pandas as pd
import pytest

import eoli
from support import ROOT

pytestmark = pytest.mark.workflow
PEO, PEBAX = "peo-eo12-400K-r1", "pebax-eo16-400K-r1"


def refused(kind: type[Exception], call: object, *words: str) -> str:
    with pytest.raises(kind) as failure:
        call(*words)
    text = str(failure.value)
    assert "\n" not in text
    return text


def test_systems_and_tables(finished: Path) -> None:
    study = eoli.open_study(finished / "results")
    assert list(study.systems) == [PEO, PEBAX]
    assert study.configuration["study"] == "tiny"
    system = study.system(PEO)
    assert repr(system) == f"System('{PEO}', {system.status}, {len(system.tables)} tables in '{system.folder}')"
    assert repr(study) == f"Study('{study.folder}', 2 systems, {len(study.tables)} tables)"
    assert system.status in ("pass", "warn") and system.row["temperature_K"] == 400
    folder = finished / "results" / PEO / "analysis"
    for name in system.tables:
        table, plain = system.table(name), pd.read_csv(folder / f"{name}.csv")
        pd.testing.assert_frame_equal(table, plain, check_dtype=False)
        assert list(table.attrs["units"]) == list(plain) and all(table.attrs["meanings"].values())
    assert system.table("motion").attrs["units"]["msd_Li_error_nm2"] == "nm²"
    for name in study.tables:
        assert all(study.table(name).attrs["meanings"].values()), name
    assert study.sweep.attrs["units"]["D_Li_m2_s"] == "m²/s"


def test_quantities_are_those_of_the_analyses(finished: Path) -> None:
    system = eoli.open_study(str(finished / "results")).system(PEBAX)
    density = system.quantity("density")
    found = json.loads((system.folder / "analysis/density.json").read_text())["density_g_cm3"]
    assert (density.value, density.error, density.unit) == (found["value"], found["error"], "g/cm³")
    assert str(density).startswith("density = ") and str(density).endswith(" g/cm³")
    diffusion = system.quantity("D_Li")
    assert diffusion.value is None and diffusion.verdict == "too short"
    assert str(diffusion) == "D_Li = not known (too short)"
    assert str(eoli.Value("x", None, None, 1.0, 2.0, "nm", "")) == "x = > 1 and < 2 nm"
    # against the sweep's table: its name is that of a column, followed by the unit
    resolved = {name: value.value for name in system.quantities if (value := system.quantity(name)).value is not None}
    assert len(resolved) > 20
    for name, value in resolved.items():
        columns = [
            key for key in system.row if re.fullmatch(rf"{name}(_[a-z]\w*)?", key) and not key.endswith("verdict")
        ]
        assert system.row[columns[0]] == pytest.approx(value, rel=1e-8), name
    assert system.scalars("ions")["verdict"]


def test_the_universe_is_that_of_the_run_input(study: Path) -> None:
    system = eoli.open_study(study / "results").system(PEBAX)
    universe = system.universe()
    run = MDAnalysis.Universe(str(system.folder / "production/md.tpr"), str(system.folder / "production/md.xtc"))
    ours, theirs = universe.atoms, run.atoms
    for key in ("names", "types", "resnames", "resids", "moltypes", "molnums"):
        np.testing.assert_array_equal(getattr(ours, key), getattr(theirs, key), key)
    np.testing.assert_allclose(ours.masses, theirs.masses, rtol=1e-6)
    np.testing.assert_allclose(ours.charges, theirs.charges, atol=1e-6)
    bonded = lambda atoms: {tuple(sorted(pair)) for pair in atoms.bonds.indices.tolist()}  # noqa: E731
    assert bonded(ours) >= bonded(theirs)
    assert universe.trajectory.n_frames == run.trajectory.n_frames
    universe.trajectory[-1], run.trajectory[-1]
    np.testing.assert_array_equal(ours.positions, theirs.positions)
    groups = system.groups(universe)
    assert len(groups["Li"]) == system.row["lithium_ions"] and set(groups["Li"].elements) == {"Li"}
    assert len(groups["ether_O"]) == system.row["ether_oxygens"]
    assert (universe.select_atoms("role ether_O").indices == groups["ether_O"].indices).all()
    assert set(groups["carbonyl_O"].roles) == {"amide_O", "ester_O"}
    assert len(groups["anion"].fragments) == len(groups["Li"])
    assert len(set(groups["anion"].residues.resids)) == len(groups["Li"])
    assert set(groups["chain"].elements) == {"C", "O", "N", "H"}
    assert system.universe("npt").trajectory.n_frames > 1


def test_mistakes_are_one_line(study: Path, tmp_path: Path) -> None:
    opened = eoli.open_study(study / "results")
    system = opened.system(PEO)
    assert "sweep.csv: no such file; allowed: the folder of the results" in refused(
        eoli.InputError, eoli.open_study, tmp_path
    )
    assert "(did you mean peo-eo12-400K-r1?)" in refused(eoli.InputError, opened.system, "peo-eo12-400K")
    groups = system.groups(system.universe())
    for what, names in (
        ("system", opened.systems), ("column", opened.sweep), ("column", system.row), ("group", groups),
    ):  # fmt: skip
        said = refused(KeyError, names.__getitem__, "x")
        assert said.endswith(f"{what} 'x' is not allowed; allowed: {', '.join(names)}")
        assert refused(eoli.InputError, names.__getitem__, "x") == said
    assert "column 'D_Li' is not allowed (did you mean D_Li_m2_s?)" in refused(
        eoli.InputError, opened.sweep.__getitem__, ["system", "D_Li"]
    )
    assert "column 'x'" in refused(eoli.InputError, system.table("motion").__getitem__, "x")
    assert "(did you mean D_Li?)" in refused(eoli.InputError, system.quantity, "D_li")
    assert "the system has no donor" in refused(eoli.DataError, system.quantity, "NH_to_anion")
    assert "motions.csv: no such table; allowed: conductivity, " in refused(eoli.DataError, system.table, "motions")
    assert "no such table; allowed: cost, " in refused(eoli.DataError, opened.table, "other")
    assert "allowed: compress, npt, nvt, production" in refused(eoli.DataError, system.universe, "minimise")
    folder = system.folder / "analysis"
    absent = {"verdict": "not available: a reason"}
    (folder / "density.json").write_text(json.dumps(absent))
    assert refused(eoli.DataError, system.table, "density") == f"{PEO}: table density is not available: a reason"
    with (folder / "motion.csv").open("a") as stream:
        stream.write("\n")
    assert "is not the file that was made here" in refused(eoli.DataError, system.table, "motion")
    (system.folder / "production/md.xtc").write_bytes(b"no trajectory")
    assert "no trajectory of this system" in refused(eoli.DataError, system.universe)


def test_a_study_that_still_runs(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = study / "results/summary"
    table = pd.read_csv(summary / "sweep.csv")
    (summary / "sweep.csv").unlink()
    table.loc[0, "status"] = "incomplete: motion"
    table.to_csv(summary / "sweep-partial.csv", index=False)
    (study / "results" / PEO / "analysis/motion.csv").unlink()
    system = eoli.open_study(study / "results").system(PEO)
    assert f"{PEO} is not finished (incomplete: motion)" in refused(eoli.DataError, system.table, "motion")
    assert len(system.table("density"))


def test_the_page_about_notebooks(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(study)
    blocks = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "docs/howto/notebook.md").read_text(), re.MULTILINE | re.DOTALL
    )
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "notebook.md", "exec"), names)
    said = capsys.readouterr().out
    assert "not resolved: too short" in said and "no such table; allowed: " in said
    assert len(names["centres"]) == len(names["groups"]["Li"])
