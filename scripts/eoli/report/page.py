"""The page of a sweep: one self-contained HTML file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from eoli.analysis.snapshots.scene import load_scene
from eoli.core.numbers import unit_text
from eoli.report import plots
from eoli.report.answers import asked, unresolved
from eoli.report.embed import script_json, summary_data, system_data
from eoli.report.gather import Sweep
from eoli.report.known import PAIRS, SENTENCES, shown
from eoli.report.sections.answers import answers, glass_in_short, in_short, not_resolved
from eoli.report.sections.comparison import VERDICTS, beside_study, equal_lag, experiments, moved
from eoli.report.sections.setup import facts, imported, labels_of, simulated
from eoli.report.sections.tables import as_it_is, number_rows, pooled
from eoli.report.sections.trust import missing, starts, trust
from eoli.study.quantities import at
from eoli.study.systems import side_by_side, systems_of


def _inlined(figure: Path | None) -> str | None:
    """An SVG as a data address."""
    return None if figure is None else f"data:image/svg+xml;base64,{base64.b64encode(figure.read_bytes()).decode()}"


@cache
def _asset(name: str) -> str:
    return resources.files("eoli.report").joinpath("static", name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _policy(scripts: Sequence[str]) -> str:
    """Content policy: nothing is loaded, and only these scripts run."""
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:"


def _scenes_shown(sweep: Sweep) -> list[str]:
    """Names of the systems whose boxes are shown side by side at first."""
    drawn = {system.name for system in sweep.systems if system.scene is not None}
    planned = systems_of(sweep.study)
    known = [planned[name] for name in drawn if name in planned]
    return [system.name for system in side_by_side(sorted(known, key=lambda s: list(planned).index(s.name)))] or sorted(
        drawn
    )[:2]


def _present(sweep: Sweep, group: Sequence[plots.Plot]) -> list[plots.Plot]:
    """Plots for which any system has data: scalars under a path, or a table."""
    tables = {name for system in sweep.systems for name in system.tables}
    return [
        plot
        for plot in group
        if (
            any(at(system.scalars, plot.path) for system in sweep.systems)
            if plot.path
            else any(name.startswith(plot.needs) for name in tables)
        )
    ]


def _answer_plots(sweep: Sweep) -> tuple[list[plots.Plot], list[plots.Plot]]:
    """Answer plots that hold a value, and those that hold bounds alone; one with neither is left out."""
    subjects = [*sweep.systems, *(of.whole for of in sweep.pooled)]
    held: dict[plots.Plot, bool] = {}
    for of in asked():
        plot = plots.answers()[of.key]
        found = [of.best(system)[1] for system in subjects]
        if any(answer.value is not None for answer in found):
            held[plot] = True
        elif any(answer.bound is not None for answer in found):
            held.setdefault(plot, False)
    return [plot for plot in held if held[plot]], [plot for plot in held if not held[plot]]


def render(sweep: Sweep) -> str:
    """The page as self-contained HTML; the same results give the same bytes.

    Raises InputError if a polymer of the table is not in the building blocks.
    """
    environment = Environment(
        loader=PackageLoader("eoli.report", "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"unit": unit_text}
    environment.globals["columns"] = plots.columns
    title = sweep.study.config.study
    summary = summary_data(sweep, title)
    packed = [entry.why for entry in unresolved(sweep) if entry.key == PAIRS.name]
    compared = moved(sweep)
    # the first screen has room for so many
    most = SENTENCES - bool(compared)
    known = shown(sweep, labels_of(sweep), packed[0] if len(packed) == 1 else "", most)
    resolved, bounded = _answer_plots(sweep)
    # only its end tag closes a script, and none of these contains one
    scripts = [_plotly(), _asset("viewer.js"), _asset("report.js")]
    return environment.get_template("page.html.j2").render(
        title=title,
        policy=_policy(scripts),
        style=Markup(_asset("report.css") + _asset("viewer.css")),
        scripts=[Markup(script) for script in scripts],
        summary=Markup(script_json(summary)),
        data=[Markup(script_json(system_data(system))) for system in sweep.systems],
        scenes=[(s.name, Markup(script_json(load_scene(s.scene)[0]))) for s in sweep.systems if s.scene is not None],
        scenes_shown=_scenes_shown(sweep),
        systems=sweep.systems,
        elsewhere=sweep.elsewhere,
        imported=imported(sweep),
        facts=facts(sweep),
        simulated=simulated(sweep),
        known=known,
        moved=compared,
        glass_known=glass_in_short(sweep.glass, resolved=True),
        in_short=" ".join(filter(None, [in_short(sweep), glass_in_short(sweep.glass, resolved=False)])),
        target=f"{100 * sweep.study.config.analysis.target_error:g} %",
        answers=answers(sweep),
        not_resolved=not_resolved(sweep),
        missing=missing(sweep),
        numbers=number_rows(sweep),
        beside=beside_study(sweep),
        verdicts=VERDICTS,
        experiments=experiments(sweep),
        trust=trust(sweep),
        starts=starts(sweep),
        equal_lag=equal_lag(sweep),
        experiments_figure=_inlined(sweep.experiments_figure),
        equal_lag_figure=_inlined(sweep.equal_lag_figure),
        glass=as_it_is(sweep.glass),
        glass_figure=_inlined(sweep.glass_figure),
        cutoffs=as_it_is(pooled(sweep.cutoffs)),
        known_plots=[*resolved, *plots.leading(known.drawn)],
        open_plots=bounded,
        groups=[
            ("structure", "Structure", _present(sweep, plots.STRUCTURE)),
            ("motion", "Motion", _present(sweep, plots.MOTION)),
            ("runs", "Runs", _present(sweep, plots.RUNS)),
            ("temperature", "Temperature", [plots.TEMPERATURE] if summary["temperature"] else []),
        ],
    )
