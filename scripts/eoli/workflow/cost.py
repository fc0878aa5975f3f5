"""Cost of a study before it starts: core-hours and disk, from sizes and a measured or assumed speed."""

from __future__ import annotations

import math
import operator
import statistics
from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from eoli.analysis.results import checked
from eoli.core.files import read_json
from eoli.core.numbers import counted
from eoli.forcefield.library import Library, library
from eoli.forcefield.models import IONS
from eoli.study.config import Study
from eoli.study.protocol import Stage
from eoli.study.systems import Size, System, n_sites, series_of, size_of, stages_of, systems_of
from eoli.trajectory.sizes import reduced_bytes

# Site-steps per second and core: 2,675 sites at 50 ns/day with 2 fs on one core, Debian's GROMACS 2022.5 on an AMD
# EPYC. Replaced by the speed measured in this study's own runs.
ASSUMED_SPEED = 0.77e6
XTC_BYTES_PER_SITE = 3.9
TRR_BYTES_PER_SITE = 24.0
EDR_BYTES_PER_FRAME = 500.0


@dataclass(frozen=True)
class Cost:
    """Estimated cost of a system's simulations; `most_core_hours` if every stage is prolonged to its limit."""

    core_hours: float
    disk_gb: float
    ns: float
    most_core_hours: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(*map(operator.add, astuple(self), astuple(other)))


NO_COST = Cost(0.0, 0.0, 0.0, 0.0)


def measured_speed(results: Path) -> tuple[float, int]:
    """(median site-steps per second and core, number of stages) of the runs in `results`; (0, 0) without any."""
    speeds = []
    for path in results.glob("*/*/provenance.json"):
        # only an estimate: skip what cannot be read or is not dynamics
        try:
            data = checked(read_json(path), "provenance", path)
            stage, sites = data["stage"], int((path.parent / "md.gro").read_text().split("\n", 2)[1])
            steps = data.get("simulated_ns", stage["length_ns"]) * 1e6 / stage["time_step_fs"]
            if data["wall_seconds"] > 5 and steps > 0 and sites > 0:
                speeds.append(float(sites * steps / data["wall_seconds"] / data["threads"]))
        except (OSError, ValueError, TypeError, IndexError, ArithmeticError):
            continue
    speeds = [speed for speed in speeds if 0 < speed < math.inf]
    return (statistics.median(speeds), len(speeds)) if speeds else (0.0, 0)


def cost_of_stage(size: Size, stage: Stage, speed: float) -> Cost:
    """Estimated cost of a stage of dynamics at a speed in site-steps per second and core."""
    assert stage.length_ns is not None and stage.frame_interval_ps and stage.energy_interval_ps
    ps, hours = stage.length_ns * 1000, size.sites / speed / 3600
    size_bytes = ps / stage.frame_interval_ps * size.sites * XTC_BYTES_PER_SITE
    size_bytes += ps / stage.energy_interval_ps * EDR_BYTES_PER_FRAME
    if stage.state_interval_ps:
        size_bytes += ps / stage.state_interval_ps * size.sites * TRR_BYTES_PER_SITE
    asked, most = hours * stage.n_steps, hours * stage.most_steps
    if stage.max_core_hours is not None:
        most = min(most, max(asked, stage.max_core_hours))
    return Cost(asked, size_bytes / 1e9, stage.length_ns, most)


def cost_of(size: Size, stages: Iterable[Stage], speed: float) -> Cost:
    """Estimated cost of the stages of one system at a speed in site-steps per second and core."""
    return sum((cost_of_stage(size, stage, speed) for stage in stages if stage.is_dynamics), NO_COST)


def _line(system: System, size: Size, cost: Cost) -> str:
    ratio = "-" if system.eo_li is None else f"{system.eo_li:.2f}"
    origin = "Ma 2022" if system.in_study else "extension" if system.imported is None else "made elsewhere"
    return (
        f"{system.name:34s} {ratio:>7s} {system.cations:5d} {size.sites:7d} {cost.ns:8.4g} "
        f"{cost.core_hours:10.3g} {cost.disk_gb:8.2g}  {origin}"
    )


def _contents(system: System, blocks: Library) -> list[str]:
    """A line with the whole numbers of a blend, of a mixture of salts or of a box with solvents; none for other boxes."""
    of = system.contents
    if max(map(len, (of.polymers, of.salts))) < 2 and not of.solvents:
        return []
    ions = [(p.entry.molecule, p.count) for p in blocks.composition(of, system.choice).ingredients if p.kind in IONS]
    kinds = [
        ", ".join(f"{count} {name}" for name, count in counts) for counts in (of.polymers, ions, of.solvents) if counts
    ]
    ratio = [] if system.eo_li is None else [f"EO:Li {system.eo_li:.4g}, asked {system.eo_li_asked:g}"]
    return [f"    {'; '.join([*kinds, *ratio])}"]


def cost_lines(study: Study, results: Path = Path("results")) -> list[str]:
    """Lines of a table: each system with its simulated EO:Li, size, length, core-hours and disk; under one of several
    polymers, salts or solvents the molecules of each."""
    blocks = library(study.topologies)
    speed, stages = measured_speed(results)
    said = f"measured in {stages} stages of this study" if stages else "assumed: one core with Debian's GROMACS 2022.5"
    speed = speed or ASSUMED_SPEED
    systems = systems_of(study).values()
    series = series_of(study, systems)
    lines = [f"study {study.config.study}, protocol {study.protocol.name}: {counted(len(systems), 'system')}"]
    lines.append(f"{'system':34s} {'EO:Li':>7s} {'Li':>5s} {'sites':>7s} {'ns':>8s} {'core-hours':>10s} {'GB':>8s}")
    total = NO_COST
    for system in [*series.values(), *systems]:
        if system.imported is not None:
            run = study.config.runs[system.imported]
            own = Cost(
                0.0,
                XTC_BYTES_PER_SITE * run.sites * run.length_ns * 1e3 / run.frame_interval_ps / 1e9,
                run.length_ns,
                0.0,
            )
            lines.append(_line(system, Size(n_sites(system, study), 0.0, 1.0), own))
            continue
        size = size_of(system, blocks)
        here = study.common_stages if system.name in series else stages_of(study, system)
        cost = cost_of(size, [stage for stage in here if stage.name not in system.common], speed)
        if system.name not in series:
            reduced = reduced_bytes(
                size.sites, system.chains + system.contents.solvent_molecules, system.cations, *study.reduced_frames
            )
            cost = replace(cost, disk_gb=cost.disk_gb + reduced / 1e9)
        total += cost
        lines += [_line(system, size, cost), *_contents(system, blocks)]
    lines.append(
        f"in all about {total.core_hours:.3g} core-hours and {total.disk_gb:.2g} GB "
        f"at {speed / 1e6:.2f} million site-steps/s/core"
    )
    if total.most_core_hours > total.core_hours:
        lines.append(f"at most {total.most_core_hours:.3g} core-hours, if every stage is prolonged to its limit")
    lines.append(f"({said})")
    return lines
