"""Mean squared displacements of a real run at constant volume, beside those of gmx msd."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from eoli.analysis.motion.msd import mean_msd
from eoli.trajectory.unwrap import unwrap

pytestmark = pytest.mark.gmx

EDGE, BOND, DIMERS = 2.6, 0.2, 60

TOPOLOGY = f"""[ defaults ]
1 2 no 1.0 1.0
[ atomtypes ]
A 18 20.0 0.0 A 0.30 0.5
B 18 60.0 0.0 A 0.30 0.5
[ moleculetype ]
DIM 1
[ atoms ]
1 A 1 DIM A 1 0.0 20.0
2 B 1 DIM B 2 0.0 60.0
[ bonds ]
1 2 1 {BOND} 20000
[ system ]
dimers
[ molecules ]
DIM {DIMERS}
"""

SETTINGS = """integrator = sd
dt = 0.004
nsteps = 20000
nstxout-compressed = 250
compressed-x-precision = 10000
tc-grps = System
tau-t = 0.5
ref-t = 300
gen-vel = yes
gen-temp = 300
gen-seed = 1
ld-seed = 1
rvdw = 1.0
rcoulomb = 1.0
"""


def gmx(folder: Path, *words: str, stdin: str = "") -> None:
    run = subprocess.run(
        ["gmx", "-quiet", *words], cwd=folder, input=stdin, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 ps of a dense gas of dimers, a frame each picosecond: gmx msd rounds times to whole picoseconds."""
    folder = tmp_path_factory.mktemp("msd")
    (folder / "topol.top").write_text(TOPOLOGY)
    (folder / "run.mdp").write_text(SETTINGS)
    lines = ["dimers", str(2 * DIMERS)]
    places = [(x, y, z) for x in range(4) for y in range(4) for z in range(4)][:DIMERS]
    for number, place in enumerate(places):
        for site in range(2):
            x, y, z = 0.65 * np.array(place) + 0.1 + np.array([BOND * site, 0, 0])
            lines.append(f"{number + 1:5d}DIM  {'AB'[site]:>5s}{2 * number + site + 1:5d}{x:8.3f}{y:8.3f}{z:8.3f}")
    (folder / "start.gro").write_text("\n".join([*lines, f"{EDGE} {EDGE} {EDGE}", ""]))
    gmx(folder, "grompp", "-f", "run.mdp", "-c", "start.gro", "-p", "topol.top", "-o", "run.tpr")
    gmx(folder, "mdrun", "-deffnm", "run", "-ntmpi", "1", "-ntomp", "1")
    return folder


@pytest.fixture(scope="module")
def wrapped(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    with XTCFile(str(folder / "run.xtc")) as file:
        frames = [(frame.x.astype(np.float64), np.diagonal(frame.box).astype(np.float64)) for frame in file]
    positions, box = (np.array(part) for part in zip(*frames, strict=True))
    assert len(box) == 81 and (box == box[0]).all()
    return positions % box[:, None], box


def table(path: Path) -> np.ndarray:
    rows = [line.split() for line in path.read_text().splitlines() if line and line[0] not in "#@&"]
    return np.array(rows, dtype=np.float64)


def assert_equal_as_printed(found: np.ndarray, printed: np.ndarray) -> None:
    """gmx prints six digits: below 1 nm2 that is to 1e-6 nm2."""
    last_digit = 10.0 ** (np.floor(np.log10(np.maximum(printed, 0.1))) - 5)
    assert (printed < 1).sum() > 10
    assert (np.abs(found - printed) < 0.6 * last_digit).all()


@pytest.mark.parametrize(("kind", "site"), [("A", 0), ("B", 1)])
def test_sites(folder: Path, wrapped: tuple[np.ndarray, np.ndarray], kind: str, site: int) -> None:
    positions, box = wrapped
    gmx(folder, "msd", "-f", "run.xtc", "-s", "run.tpr", "-o", f"{kind}.xvg", "-trestart", "1", "-sel", f"name {kind}")
    expected = table(folder / f"{kind}.xvg")
    assert len(expected) > 30 and expected[:, 1].max() > 1
    lags = np.round(expected[:, 0]).astype(np.int64)
    found = mean_msd(unwrap(positions[:, site::2], box), lags)
    assert_equal_as_printed(found, expected[:, 1])


def test_centres_of_mass(folder: Path, wrapped: tuple[np.ndarray, np.ndarray]) -> None:
    positions, box = wrapped
    gmx(
        folder, "msd", "-f", "run.xtc", "-s", "run.tpr", "-o", "com.xvg", "-mol", "com-d.xvg", "-trestart", "1",
        "-sel", "resname DIM",
    )  # fmt: skip
    expected = table(folder / "com.xvg")
    bond = positions[:, 1::2] - positions[:, 0::2]
    bond -= box[:, None] * np.round(bond / box[:, None])
    centres = (positions[:, 0::2] + 0.75 * bond) % box[:, None]
    found = mean_msd(unwrap(centres, box), np.round(expected[:, 0]).astype(np.int64))
    assert_equal_as_printed(found, expected[:, 1])
