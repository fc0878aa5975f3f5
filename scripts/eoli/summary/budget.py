"""A budget of core-hours for a whole sweep: which runs to prolong, and by how much.

The budget is for all mdruns of the study, those that were made included. It is spent in calls: each reads what the runs
found and cost by then, and allots a part of what is left.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eoli.errors import RunError
from eoli.forcefield.library import library
from eoli.forcefield.models import NO_SALT
from eoli.stage.lock import runs_anywhere
from eoli.study.axes import distinguishing_axes
from eoli.study.config import Study
from eoli.study.protocol import MOST_STEPS, MOST_TIMES, TRANSPORT, Stage
from eoli.study.systems import System, replica_groups, size_of, stages_of, systems_of
from eoli.summary.core_hours import cost_of_stage
from eoli.summary.run_lengths import Need, needs, not_analysed
from eoli.summary.sweep_table import composition
from eoli.workflow.cost import ASSUMED_SPEED, measured_speed
from eoli.workflow.cost import cost_of_stage as expected_cost
from eoli.workflow.products import Results, plan_of

ONE_CALL = 0.8
"""Part of what is left that one call allots: runs that cost a quarter more than expected stay within the budget."""
NEARLY = 0.05
"""Part of the budget that is not worth another call."""
_STEPS = 1000
_SIGMAS = 2.0


@dataclass(frozen=True)
class Candidate:
    """A system that can be prolonged, its starts together.

    `needed_ns` is the length at which it is answered, an estimate or a lower bound; `per_ns` the core-hours of one ns;
    `open_comparisons` the number of other systems that it cannot yet be told from.
    """

    name: str
    have_ns: float
    needed_ns: float
    per_ns: float
    open_comparisons: int


def allot(candidates: Iterable[Candidate], core_hours: float) -> dict[str, float]:
    """Further length, ns, of each candidate that gets some, for at most `core_hours` together.

    What is missing of a run of length t is N/t - 1, where N is the length that it needs: for a mean, whose error falls as
    1/sqrt(t), the square of its error over the target, less 1. Step by step the core-hours go where they lessen that most,
    weighted with the number of open comparisons; systems without one come after all others. No run gets more than it
    needs, or than MOST_TIMES its length in one call. Each term is convex in t, so that the best next step is part of the
    best allotment (O. Gross, RAND RM-1644, 1956).
    """
    wanted = [of for of in candidates if of.needed_ns > of.have_ns > 0]
    most = {of.name: min(of.needed_ns, MOST_TIMES * of.have_ns) - of.have_ns for of in wanted}
    further = dict.fromkeys(most, 0.0)

    def step(of: Candidate) -> float:
        return min(core_hours / _STEPS / of.per_ns, most[of.name] - further[of.name])

    def entry(number: int) -> tuple[bool, float, int]:
        of = wanted[number]
        at, longer = of.have_ns + further[of.name], of.have_ns + further[of.name] + step(of)
        gain = of.needed_ns * (1 / at - 1 / longer) / ((longer - at) * of.per_ns)
        return (not of.open_comparisons, -gain * max(1, of.open_comparisons), number)

    left = core_hours
    queue = [entry(number) for number in range(len(wanted))] if left > 0 else []
    heapq.heapify(queue)
    while queue and left > 1e-9 * core_hours:
        *_, number = heapq.heappop(queue)
        of = wanted[number]
        ns = min(step(of), left / of.per_ns)
        further[of.name] += ns
        left -= ns * of.per_ns
        if further[of.name] < most[of.name] * (1 - 1e-9):
            heapq.heappush(queue, entry(number))
    return {name: ns for name, ns in further.items() if ns > 0}


def to_allot(budget: float, spent: float, reserved: float) -> float:
    """Core-hours that one call allots: ONE_CALL of what neither was spent nor is kept for runs that are not done.

    None of it where less than NEARLY of the budget is left.
    """
    left = budget - spent - reserved
    return ONE_CALL * left if left > NEARLY * budget else 0.0


@dataclass(frozen=True)
class Share:
    """What a call allots to a system: further ns and their core-hours, 0 where it gets nothing, and why."""

    system: str
    further_ns: float
    core_hours: float
    why: str

    def line(self) -> str:
        """The share in words."""
        got = f"{self.further_ns:.3g} ns more ({self.core_hours:.3g} core-hours)" if self.further_ns else "nothing"
        return f"{self.system:34s} {got}: {self.why}"


@dataclass(frozen=True)
class Allotment:
    """A call: the core-hours of the budget, those spent, those kept for runs that are not done, the share of each system,
    and the length, ns, of the analysed stage in each system that has a length of its own."""

    budget: float
    spent: float
    reserved: float
    shares: tuple[Share, ...]
    lengths_ns: Mapping[str, float]

    @property
    def core_hours(self) -> float:
        """What this call allots."""
        return sum(share.core_hours for share in self.shares)

    def line(self) -> str:
        """What was spent and is allotted, and what to do then."""
        kept = f", {self.reserved:.3g} kept for runs that are not done" if self.reserved else ""
        said = f"{self.budget:g} core-hours: {self.spent:.3g} spent{kept}, {self.core_hours:.3g} allotted now"
        if self.core_hours:
            return f"{said}; then ask again"
        left = self.budget - self.spent - self.reserved
        if left > NEARLY * self.budget:
            return f"{said}: the rest has no use yet"
        if not self.reserved:
            return f"{said}: the budget is spent"
        if left < 0:
            return f"{said}: the budget is too small for the runs that the study asks for"
        return f"{said}: the rest is for the runs that the study asks for"

    def text(self) -> str:
        """The lengths as a configuration file."""
        entries = [f"\n  {name}: {length:.10g}" for name, length in self.lengths_ns.items()]
        return f"# eoli budget: {self.line()}\nlengths_ns:{''.join(entries) or ' {}'}\n"


def open_comparisons(groups: Mapping[str, System], found: Mapping[str, Sequence[Need]]) -> dict[str, int]:
    """Number of systems that each cannot yet be told from, by replica group, of those that it is compared with.

    Two systems at one temperature are compared if they differ in one axis; another salt brings its own models of ions. A
    comparison is open while a quantity differs by less than two errors, or one of both does not resolve it.
    """
    counts = dict.fromkeys(groups, 0)
    rows = {name: composition(system, {}) for name, system in groups.items()}
    for one, other in itertools.combinations(groups, 2):
        axes = set(distinguishing_axes([rows[one], rows[other]]))
        if "salt" in axes:
            axes -= {"cation_model", "anion_model"}
        if (
            len(axes) == 1
            and axes != {"temperature_K"}
            and any(
                ours.quantity == theirs.quantity and _alike(ours, theirs)
                for ours in found[one]
                for theirs in found[other]
            )
        ):
            counts[one] += 1
            counts[other] += 1
    return counts


def _alike(one: Need, other: Need) -> bool:
    """Whether two values are within two errors of each other, as far as known; errors are relative."""
    if not one.value or not other.value or one.relative_error is None or other.relative_error is None:
        return True
    ratio = one.value / other.value
    return ratio <= 0 or abs(math.log(ratio)) < _SIGMAS * math.hypot(one.relative_error, other.relative_error)


def allotment(study: Study, results: Path, budget: float) -> Allotment:
    """What the next call of a budget, core-hours, allots by the results.

    Runs that were made elsewhere get nothing. No length is less than what a run has, or than the study asks for. Raises
    RunError while a run is going on, DataError for malformed results.
    """
    analysed, simulated = study.stage(study.config.analysis.stage), {
        name: system for name, system in systems_of(study).items() if system.imported is None
    }  # fmt: skip
    others = Results(plan_of(study), results).other_runs()
    runs = list(_runs(study, simulated.values(), results, others))
    spent, reserved = sum(run.core_hours for run in runs), sum(run.reserved for run in runs)
    of_system = {run.system: run for run in runs if run.stage.name == analysed.name}
    wanted = [name for name in analysed.converge if name in TRANSPORT] or TRANSPORT
    groups, missing = replica_groups(simulated.values()), not_analysed(study, results)
    stages = {group: [(system.home(analysed.name), analysed.name) for system in of] for group, of in groups.items()}
    of_others = {group: others[run] for group, its in stages.items() for run in its if run in others}
    found: dict[str, list[Need]] = {}
    for need in needs(study, results, study.config.analysis.target_error):
        if need.quantity in wanted and need.system not in of_others:
            found.setdefault(need.system, []).append(need)
    undecided = open_comparisons({group: groups[group][0] for group in found}, found)
    candidates: dict[str, Candidate] = {}
    reasons: dict[str, str] = {}
    for group, members in groups.items():
        own = [of_system[system.home(analysed.name)] for system in members]
        if members[0].salt == NO_SALT:
            needed, reasons[group] = None, "it has no ions"
        elif group in of_others:
            needed, reasons[group] = None, f"its runs are of another study: {of_others[group]}"
        elif group in missing:
            needed, reasons[group] = None, missing[group]
        else:
            needed, reasons[group] = _needed(found.get(group, ()), [run.ns for run in own], undecided.get(group, 0))
        if needed is not None:
            per_ns = sum(run.per_ns for run in own) / len(own)
            # one that was lengthened by a call before, and has not run since, counts as it will be
            have, most = (
                sum(run.longest_ns for run in own),
                len(own) * MOST_STEPS * float(analysed.time_step_fs or 0) / 1e6,
            )
            candidates[group] = Candidate(group, have, min(needed, most), per_ns, undecided[group])
    further = allot(candidates.values(), to_allot(budget, spent, reserved))
    frame_ns = float(analysed.frame_interval_ps or 0) / 1000
    shares, lengths = [], {}
    for group, members in groups.items():
        # starts get the same, so that they count alike
        more = math.floor(further.get(group, 0.0) / len(members) / frame_ns + 1e-6) * frame_ns
        longer = more * len(members)
        shares.append(Share(group, longer, longer * candidates[group].per_ns if longer else 0.0, reasons[group]))
        for system in members:
            run = of_system[system.home(analysed.name)]
            most = float(run.stage.max_length_ns or run.stage.length_ns or 0)
            # a run that is longer than this configuration knows would not be cut
            if more or system.name in study.config.lengths_ns or run.ns > most * (1 + 1e-9):
                lengths[system.name] = run.longest_ns + more
    return Allotment(budget, spent, reserved, tuple(shares), lengths)


@dataclass(frozen=True)
class _Run:
    """A stage in the folder of a system: simulated ns, core-hours spent and still to be spent on what the study asks for,
    and those of one ns, measured where it ran. A minimisation has what it spent alone."""

    system: str
    stage: Stage
    ns: float
    core_hours: float
    reserved: float
    per_ns: float

    @property
    def longest_ns(self) -> float:
        """What it has or is asked for, whichever is longer."""
        return max(self.ns, float(self.stage.length_ns or 0))


def _runs(
    study: Study, systems: Iterable[System], results: Path, others: Collection[tuple[str, str]]
) -> Iterator[_Run]:
    """All stages, those that systems share once. Those of another study, `others`, are still to be spent on.

    Raises RunError for one that is going on.
    """
    blocks, speed, seen = library(study.topologies), measured_speed(results)[0] or ASSUMED_SPEED, set()
    for system in systems:
        for stage in stages_of(study, system):
            home = system.home(stage.name)
            if (home, stage.name) in seen:
                continue
            seen.add((home, stage.name))
            folder = results / home / stage.name
            if runs_anywhere(folder):
                raise RunError(
                    f"{folder}: the stage is running, and what it costs is not known yet; ask when it has ended"
                )
            cost = None if (home, stage.name) in others else cost_of_stage(home, stage.name, folder)
            spent, ns = (cost.core_hours, cost.ns or 0.0) if cost is not None else (0.0, 0.0)
            if not stage.is_dynamics:
                yield _Run(home, stage, 0.0, spent, 0.0, 0.0)
                continue
            expected, asked = expected_cost(size_of(system, blocks), stage, speed), float(stage.length_ns or 0)
            missing = asked - ns if ns < asked * (1 - 1e-9) else 0.0
            per_ns = spent / ns if ns and spent else expected.core_hours / expected.ns
            yield _Run(home, stage, ns, spent, missing * per_ns, per_ns)


def _needed(found: Sequence[Need], have_ns: Sequence[float], undecided: int) -> tuple[float | None, str]:
    """The length, ns over all starts, at which a system is answered, None if it gets nothing, and the reason in words."""
    if not found or not all(have_ns):
        return None, "not all of its runs are analysed"
    known = [need for need in found if need.further_ns is not None and need.total_ns is not None]
    missing = [need for need in known if need.further_ns]
    unknown = [need for need in found if need not in known]
    if not missing and unknown:
        reason = unknown[0].reason
        # more frames may tell
        if all(need.longer_helps for need in unknown):
            return 2 * sum(have_ns), f"no estimate, so twice its length: {reason}; open comparisons: {undecided}"
        return None, f"no estimate, and no length helps: {reason}"
    if not missing:
        return None, "answered"
    most = max(missing, key=lambda need: float(need.total_ns or 0))
    error = "" if most.relative_error is None else f", its error is {most.relative_error:.0%}"
    kind = "at least" if most.at_least else "about"
    said = f"{most.quantity} needs {kind} {most.total_ns:.3g} ns{error}"
    return most.total_ns, f"{said}; open comparisons: {undecided}"
