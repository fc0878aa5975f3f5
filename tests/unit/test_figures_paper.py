"""The figure for papers: two systems, one, or one without ions; its panels show what the tables and scenes hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from eoli.analysis.snapshots import pictures as pic
from eoli.analysis.snapshots.scene import Follow, Snapshot, read_scene, scene
from eoli.errors import DataError
from eoli.figures import paper
from eoli.figures.style import STYLE
from eoli.forcefield.library import Library
from eoli.forcefield.models import Contents
from eoli.topology.build import describe
from eoli.topology.gromos import Gromos54A7
from support import LABELS, choice

EDGE = 2.4


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STYLE, "savefig.dpi", 60)
    monkeypatch.setattr(paper, "_PIXELS", 120)


def scene_data(polymer: str, salt: int, blocks: Library, forcefield: Gromos54A7) -> dict[str, Any]:
    system = describe(Contents.of(polymer, 2, "litfsi" if salt else "none", salt), choice(), blocks, forcefield)
    random, box = np.random.default_rng(3), np.full(3, EDGE)
    frames = {f"frame {k}": Snapshot(500.0 * k, random.uniform(0, EDGE, (system.n_sites, 3)), box) for k in range(3)}
    if not salt:
        return scene(system, frames, None, [])
    path = random.normal(0, 0.05, (21, 3)).cumsum(axis=0) + EDGE / 2
    site = int(system.with_role("Li")[0])
    follow = Follow(0, site, np.linspace(0, 1000, 21), path, np.array([1, 11, 21]))
    return scene(system, frames, follow, [np.array([0, 3]), np.array([0]), np.array([], dtype=np.int64)])


@pytest.fixture
def results(tmp_path: Path, blocks: Library, forcefield: Gromos54A7) -> Path:
    """Three systems with their scenes and tables, and the table of the sweep."""
    rows = []
    for name, polymer, salt in (("peo-r1", "peo", 3), ("pebax-r1", "pebax", 3), ("neat-r1", "peo", 0)):
        folder = tmp_path / name / "analysis"
        folder.mkdir(parents=True)
        (folder / "snapshot-scene.json").write_text(json.dumps(scene_data(polymer, salt, blocks, forcefield)))
        r, lag = np.linspace(0.002, 1.2, 60), np.geomspace(0.1, 100, 20)
        structure, motion = pd.DataFrame({"r_nm": r}), pd.DataFrame({"lag_ps": lag})
        if salt:
            for partner in ("ether_O", "anion_N", "anion_O", *(["carbonyl_O"] if polymer == "pebax" else [])):
                structure[f"g_Li_{partner}"] = np.exp(-(((r - 0.21) / 0.03) ** 2))
            for of in ("Li", "F"):
                motion[f"msd_{of}_nm2"], motion[f"msd_{of}_error_nm2"] = 0.01 * lag, 0.001 * lag
        structure.to_csv(folder / "structure.csv", index=False)
        motion.to_csv(folder / "motion.csv", index=False)
        ratio = 12.0 if salt else None
        rows.append({"system": name, "polymer": polymer, "salt": "litfsi" if salt else "none", "eo_li_asked": ratio,
                     "eo_li_simulated": ratio, "simulated_in_study": True, "temperature_K": 353.15, "replicate": 1,
                     "ether_set": "oxy-d", "cation_model": "aqvist", "anion_model": "clandp2004", "mixing": "gromos",
                     "ion_charge_scale": 1.0, "chains": 2})  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "sweep.csv", index=False)
    return tmp_path


def made(results: Path, *names: str) -> tuple[str, dict[str, Path]]:
    """Text of the SVG, and the files by format."""
    files = paper.figure_paper(
        results / "sweep.csv", [results / name / "analysis" for name in names], results / "fig", LABELS
    )
    by_format = {path.suffix[1:]: path for path in files}
    assert list(by_format) == list(paper.PAPER_FORMATS) and all(path.stat().st_size > 5000 for path in files)
    root = ElementTree.parse(by_format["svg"]).getroot()
    return " | ".join(
        element.text for element in root.iter("{http://www.w3.org/2000/svg}text") if element.text
    ), by_format


def test_two_systems_have_the_panels_of_the_study(results: Path) -> None:
    text, files = made(results, "peo-r1", "pebax-r1")
    assert [letter for letter in text.split(" | ") if letter in tuple("abcdefgh")] == list("abcdefgh")
    for said in (
        "PEO, EO:Li 12",
        "Pebax, EO:Li 12",
        "Li–O (C=O)",
        "Li–N (TFSI)",
        "F (TFSI), Pebax",
        "0 ns",
        "0.5 ns",
        "1 ns",
    ):
        assert said in text, said
    # the study shows nitrogen; oxygen of the anion is left out beside it
    assert "Li–O (TFSI)" not in text
    pdf = files["pdf"].read_bytes()
    assert pdf.startswith(b"%PDF") and b"/FontFile2" in pdf and b"/Type3" not in pdf and b"CreationDate" not in pdf
    width, height = Image.open(files["png"]).size
    assert width / 60 == pytest.approx(7.0, abs=0.02) and 8 < height / 60 < 9.5


def test_the_same_results_give_the_same_bytes(results: Path) -> None:
    first = [path.read_bytes() for path in made(results, "peo-r1", "pebax-r1")[1].values()]
    assert [path.read_bytes() for path in made(results, "peo-r1", "pebax-r1")[1].values()] == first


def test_one_system_has_fewer_panels(results: Path) -> None:
    text, _ = made(results, "pebax-r1")
    assert [letter for letter in text.split(" | ") if letter in tuple("abcdefgh")] == list("abcde")
    assert "PEO, EO:Li" not in text


def test_without_ions_the_panels_say_so(results: Path) -> None:
    text, _ = made(results, "neat-r1")
    assert text.count("no ions") == 2 and "path of Li" not in text


def test_blocks_fill_the_picture_without_the_salt(results: Path) -> None:
    data = json.loads((results / "pebax-r1" / "analysis" / "snapshot-scene.json").read_text())
    read = read_scene(data)
    picture, _ = paper.picture_of_domains(read)

    def share(name: str) -> float:
        wanted = pic.rgb(pic.STYLES[name].colour)
        wanted = wanted - wanted.mean()
        found = picture[..., :3] - picture[..., :3].mean(axis=-1, keepdims=True)
        size = np.linalg.norm(found, axis=-1)
        return float(((found @ wanted > 0.97 * size * np.linalg.norm(wanted)) & (size > 0.1)).mean())

    assert share("PEO") > 0.1 and share("PA") > 0.03 and share("Li") < 0.001


def test_what_is_missing_is_named(results: Path) -> None:
    (results / "peo-r1" / "analysis" / "snapshot-scene.json").write_text("{}")
    with pytest.raises(DataError, match=r"snapshot-scene\.json: no scene"):
        made(results, "peo-r1")
    with pytest.raises(DataError, match=r"sweep\.csv: no system other"):
        paper.read_member(results / "sweep.csv", results / "other" / "analysis", LABELS)
    assert not list(results.glob("fig*"))
