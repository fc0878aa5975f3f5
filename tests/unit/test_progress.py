"""How far and how fast, from logs as mdrun leaves them."""

from __future__ import annotations

from pathlib import Path

import pytest

from eoli.stage.progress import Pace, duration, last_step

HEAD = """\
                      :-) GROMACS - gmx mdrun, 2022.5-Debian_2022.5_2 (-:
Input Parameters:
   nsteps                         = 100000
   init-step                      = 0
Started mdrun on rank 0 Mon Jan  1 12:00:00 2024

"""
BLOCK = """\
           Step           Time
{step:15d} {time:14.5f}

   Energies (kJ/mol)
        G96Bond       G96Angle    Proper Dih.          LJ-14     Coulomb-14
    1.13711e+02    3.25881e+03    1.03447e+03    1.74170e+02    2.60405e+03
   Conserved En.    Temperature Pres. DC (bar) Pressure (bar)   Constr. rmsd
   -1.58446e+03    4.03175e+02   -1.49384e+02   -4.11093e+02    1.69811e-06

"""
CHECKPOINT = "Writing checkpoint, step {step} at Mon Jan  1 12:05:00 2024\n\n\n"
AVERAGES = """\
	<======  ###############  ==>
	<====  A V E R A G E S  ====>
	<==  ###############  ======>

	Statistics over 100001 steps using 1001 frames

"""


def blocks(*steps: int) -> str:
    return "".join(BLOCK.format(step=step, time=step * 0.002) for step in steps)


@pytest.mark.parametrize(
    ("text", "step"),
    [
        (HEAD, None),
        ("", None),
        (HEAD + blocks(0), 0),
        (HEAD + blocks(0, 1000, 2000), 2000),
        (HEAD + blocks(0, 1000) + CHECKPOINT.format(step=1740) + blocks(2000), 2000),
        (HEAD + blocks(0, 1000) + CHECKPOINT.format(step=1740), 1000),
        (HEAD + blocks(99000, 100000) + AVERAGES, 100000),
        (HEAD + blocks(123456789000), 123456789000),
        (HEAD + blocks(0, 1000) + HEAD.replace("0\n", "1000\n") + blocks(1000, 1500), 1500),
    ],
)
def test_last_step(tmp_path: Path, text: str, step: int | None) -> None:
    log = tmp_path / "md.log"
    log.write_text(text)
    assert last_step(log) == step


def test_a_log_cut_anywhere_in_its_last_block(tmp_path: Path) -> None:
    log = tmp_path / "md.log"
    before, last = HEAD + blocks(0, 1000), blocks(2000)
    seen = []
    for length in range(len(last) + 1):
        log.write_text(before + last[:length])
        seen.append(last_step(log))
    # never a step that is cut off itself, such as 20 of 2000
    assert set(seen) == {1000, 2000}
    assert seen == sorted(seen)


def test_a_long_log_is_read_from_its_end(tmp_path: Path) -> None:
    log = tmp_path / "md.log"
    log.write_text(HEAD + blocks(*range(0, 2_000_000, 1000)))
    assert log.stat().st_size > 500_000
    assert last_step(log) == 1_999_000


def test_foreign_bytes_do_not_stop_it(tmp_path: Path) -> None:
    log = tmp_path / "md.log"
    log.write_bytes(HEAD.encode() + b"\xff\xfe\x00 host\n" + blocks(3000).encode() + b"\xc3")
    assert last_step(log) == 3000


def test_no_log(tmp_path: Path) -> None:
    assert last_step(tmp_path / "md.log") is None
    assert last_step(tmp_path) is None


def test_pace_counts_from_the_first_look() -> None:
    pace = Pace(n_steps=1_000_000, time_step_fs=2.0)
    assert pace.ns_per_day(400_000, now=100.0) is None
    # 0.2 ns in 864 s
    assert pace.ns_per_day(500_000, now=964.0) == pytest.approx(20.0)
    assert pace.ns_per_day(900_000, now=100.0 + 5 * 864) == pytest.approx(20.0)


def test_pace_that_cannot_be_told() -> None:
    pace = Pace(1000, 2.0)
    assert pace.ns_per_day(10, now=5.0) is None
    assert pace.ns_per_day(10, now=50.0) is None
    assert pace.ns_per_day(20, now=5.0) is None


def test_line() -> None:
    pace = Pace(n_steps=20_000, time_step_fs=2.0)
    assert pace.line(0, now=0.0) == "0 of 0.04 ns"
    # 0.012 ns in 10 s are 103.7 ns/day; 0.028 ns take 23.3 s more
    assert pace.line(6000, now=10.0) == "0.012 of 0.04 ns, 104 ns/day, 23 s left"
    assert pace.line(20_000, now=40.0).endswith(", 0 s left")
    assert pace.line(20_010, now=40.0).endswith(", 0 s left")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (12.4, "12 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (180, "3 min"),
        (5399, "90 min"),
        (5400, "1.5 h"),
        (4.2 * 3600, "4.2 h"),
        (2 * 86400 - 1, "48.0 h"),
        (2.1 * 86400, "2.1 d"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
