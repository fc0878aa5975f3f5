"""What was simulated: systems, force field, stages."""

from __future__ import annotations

from collections.abc import Sequence

from eoli.analysis.absent import NOT_AVAILABLE
from eoli.core.names import shares_of
from eoli.core.numbers import counted, listed
from eoli.forcefield.library import library
from eoli.forcefield.models import IMPORTED, NO_SALT, Labels
from eoli.report.gather import Sweep, SystemResult
from eoli.report.sections.tables import Line, length_text, unique
from eoli.study.axes import SOLVENTS, solvents_of
from eoli.study.config import Study
from eoli.study.labels import force_field_of
from eoli.study.protocol import Stage

_MIXING = {
    "gromos": "the pair table of 54A7, geometric where it has no row",
    "lorentz-berthelot": "Lorentz-Berthelot for every pair, as the study says",
    "lb-ions": "the pair table of 54A7 within the polymer, Lorentz-Berthelot with ions",
}


def _stage_words(stage: Stage) -> str:
    if not stage.is_dynamics:
        return f"{stage.name} (energy minimisation)"
    assert stage.length_ns is not None
    return f"{stage.name} ({length_text(stage.length_ns)}, {stage.ensemble}, {stage.time_step_fs:g} fs)"


def _ratios(systems: Sequence[SystemResult], labels: Labels) -> str:
    groups: dict[tuple[str, str, str], list[SystemResult]] = {}
    for system in systems:
        key = (system.row["polymer"], system.row["salt"], str(system.row.get(SOLVENTS, "")))
        groups.setdefault(key, []).append(system)
    parts = []
    for (polymer, salt, solvents), members in groups.items():
        ratios = unique([f"{m.row['eo_li_asked']:g}" for m in members if "eo_li_asked" in m.row])
        name = labels.polymer(polymer)
        name += "".join(f" and {count} {labels.solvent(of)}" for of, count in solvents_of(solvents).items())
        parts.append(name if salt == NO_SALT else f"{name} with {labels.salt(salt)} at EO:Li {listed(ratios, 20)}")
    return "; ".join(parts)


def _ours(systems: Sequence[SystemResult]) -> list[SystemResult]:
    """Systems whose molecules are built here, rather than from topologies of others."""
    return [system for system in systems if system.row["mixing"] != IMPORTED]


def _label(system: SystemResult) -> str:
    """What the user calls the force field of a system that is not built here."""
    return force_field_of(str(system.row["ether_set"]))


def imported(sweep: Sweep) -> dict[str, str]:
    """Force fields of the systems that are not built here, as the user calls them, by system."""
    ours = {system.name for system in _ours(sweep.systems)}
    return {system.name: _label(system) for system in sweep.systems if system.name not in ours}


def _force_field(systems: Sequence[SystemResult]) -> str:
    """Force field of systems that are all built here, or all imported."""

    def axis(key: str) -> list[str]:
        return [str(value) for value in unique([s.row.get(key) for s in systems]) if value is not None]

    if _ours(systems):
        mixing = [f"{name} ({_MIXING.get(name, 'as configured')})" for name in axis("mixing")]
        said = ["GROMOS 54A7 (united atoms)", f"ether set {listed(axis('ether_set'))}"]
        mixed = [f"mixing {listed(mixing)}"]
    else:
        said = [f"{listed(unique([_label(system) for system in systems]))}: topologies of others, unverified"]
        mixed = ["mixing as in the topologies"]
    parts = [
        *said,
        *([f"lithium model {listed(axis('cation_model'))}"] if axis("cation_model") else []),
        *([f"anion model {listed(axis('anion_model'))}"] if axis("anion_model") else []),
        *mixed,
        f"ion charges × {listed(axis('ion_charge_scale'))}",
    ]
    return "; ".join(parts)


def _lengths(study: Study) -> str:
    """Lengths of the stages of dynamics, `0.5 + 20 + 20 + 10 ns`."""
    lengths = [stage.length_ns for stage in study.stages if stage.length_ns is not None]
    unit, scale = ("ns", 1) if max(lengths) >= 1 else ("ps", 1000)
    return f"{' + '.join(f'{scale * length:g}' for length in lengths)} {unit}"


def _temperatures(systems: Sequence[SystemResult]) -> str:
    found = sorted({float(system.row["temperature_K"]) for system in systems})
    return listed([f"{kelvin:g}" for kelvin in found], 12) + " K"


def labels_of(sweep: Sweep) -> Labels:
    """Names for people of what the sweep holds."""
    polymers, salts = ({str(system.row[axis]) for system in sweep.systems} for axis in ("polymer", "salt"))
    solvents = {name for system in sweep.systems for name in solvents_of(system.row.get(SOLVENTS))}
    return library(sweep.study.topologies).labels(sorted(polymers), sorted(salts), sorted(solvents))


def _built(sweep: Sweep) -> list[SystemResult]:
    """Systems that were simulated here; the others were made elsewhere."""
    return [system for system in sweep.systems if system.name not in sweep.elsewhere]


def facts(sweep: Sweep) -> str:
    """What was simulated, in one line."""
    systems, labels = sweep.systems, labels_of(sweep)
    built = _built(sweep)
    ours = _ours(built)
    force_fields = [*(["GROMOS 54A7"] if ours else []), *unique([_label(s) for s in built if s not in ours])]
    elsewhere = counted(len(systems) - len(built), "run") + " made elsewhere"
    return " · ".join(
        [
            f"{counted(len(systems), 'box', 'boxes')}: {_ratios(systems, labels)}",
            _temperatures(systems),
            *([f"{_lengths(sweep.study)} each", listed(force_fields)] if built else []),
            *([elsewhere] if len(built) < len(systems) else []),
        ]
    )


def _simulation(built: Sequence[SystemResult], study: Study) -> list[Line]:
    """Stages and force field of the systems that were simulated here."""
    if not built:
        return []
    ours = _ours(built)
    stages, mass = ", ".join(_stage_words(stage) for stage in study.stages), study.protocol.hydrogen_mass_g_mol
    hydrogens = [] if mass is None else [f"hydrogens weigh {mass:g} g/mol in the dynamics"]
    kinds = [("Force field", ours), ("Imported force field", [system for system in built if system not in ours])]
    beside = library(study.topologies).imported_beside(
        [str(system.row["salt"]) for system in ours],
        [name for system in ours for name in solvents_of(system.row.get(SOLVENTS))],
    )
    across = "topologies of others, unverified, as are their pairs with the rest of the box (pages of parameters)"
    return [
        Line("Lengths", "; ".join([stages, *hydrogens, f"protocol {study.protocol.name}"])),
        *(Line(word, _force_field(some)) for word, some in kinds if some),
        *([Line("Imported beside it", f"{listed(beside)}: {across}")] if beside else []),
    ]


def _elsewhere(runs: Sequence[SystemResult]) -> list[Line]:
    """Runs that were made elsewhere, and what is known of their force fields."""
    if not runs:
        return []
    said = [f"{run.name} ({_label(run)})" for run in runs]
    lines = [Line("Made elsewhere", f"{listed(said, 20)}: name of the force field in brackets, as the user calls it")]
    lacking: dict[str, list[str]] = {}
    for run in runs:
        for analysis, scalars in run.scalars.items():
            verdict = str(scalars.get("verdict", ""))
            if verdict.startswith(NOT_AVAILABLE):
                reason = verdict.removeprefix(NOT_AVAILABLE)
                lacking.setdefault(f"{analysis} ({reason})", []).append(run.name)
    return [*lines, *(Line("Not available", f"{what}: {listed(names, 8)}") for what, names in lacking.items())]


def simulated(sweep: Sweep) -> list[Line]:
    """What was simulated and how, in terms and texts."""
    systems, study, labels = sweep.systems, sweep.study, labels_of(sweep)
    theirs = sum(bool(system.row["simulated_in_study"]) for system in systems)
    chains = unique([f"{system.row['chains']:g}" for system in systems])
    built = _built(sweep)
    polymers = unique([(name, str(s.row["ether_set"])) for s in built for name in shares_of(str(s.row["polymer"]))])
    blocks = library(study.topologies)
    analysed = study.stage(study.config.analysis.stage)
    lengths = unique([s.row["analysed_length_ns"] for s in systems if "analysed_length_ns" in s.row])
    reached = f"; analysed: {listed([length_text(length) for length in lengths])}" if lengths else ""
    elsewhere = len(systems) - len(built)
    origins = [f"{theirs} also simulated in the study of record, {len(built) - theirs} our extension"] if theirs else []
    origins += [f"{counted(elsewhere, 'run')} made elsewhere"] if elsewhere else []
    lines = [
        Line(
            "Systems",
            f"{counted(len(systems), 'box', 'boxes')}: {'; '.join([_ratios(systems, labels), *([', '.join(origins)] if origins else [])])}",
        ),
        Line("Conditions", f"{_temperatures(systems)}, {listed(chains)} chains in each box"),
        *_simulation(built, study),
        Line("Results from", f"the stage {analysed.name}{reached}"),
        *_elsewhere([system for system in systems if system not in built]),
    ]
    described = {name: blocks.polymer(name, ether_set) for name, ether_set in reversed(polymers)}
    for name in unique([name for name, _ in polymers]):
        lines.append(Line(f"{labels.polymer(name)} chain", described[name].said.description))
    return lines
