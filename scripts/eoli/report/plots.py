"""The plots of the page by name; static/report.js draws them, and hides one that has nothing to choose from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from eoli.study.analyses import ANALYSES
from eoli.study.quantities import In, Keys, Theme, declared, grouped

LEADING = "known-"
"""Prefix of the plots that the page leads with."""


@dataclass(frozen=True)
class Plot:
    """A plot: its name in static/report.js, the prefix of the table or analysis it needs, a heading, a caption.

    One that draws scalars needs them to stand under the keys `path`.
    """

    key: str
    needs: str
    heading: str
    caption: str
    path: Keys = ()


def _declared(group: str) -> Iterator[Plot]:
    """Plots of the tables whose analyses declare `curves`."""
    for analysis in ANALYSES:
        if analysis.curves is not None and analysis.curves.group == group:
            yield Plot(analysis.name, analysis.name, analysis.curves.heading, analysis.curves.caption)


_BARS = "Bars: one standard error."
_ANSWERS = (
    Plot("D", "motion", "Diffusion", f"{_BARS} Triangle: an upper bound. Filled: simulated in the study, too. Diamond: "
         "starts of one system together."),
    Plot("conductivity", "conductivity", "Conductivity", f"With formal charges. {_BARS} Triangle: an upper bound. "
         "Diamond: starts of one system together."),
    Plot("transference", "conductivity", "Transference number", "Share of lithium in the current in a uniform "
         f"electrolyte. {_BARS} Diamond: starts of one system together."),
)  # fmt: skip


def answers() -> dict[str, Plot]:
    """The plot of each quantity of the page; one without its own text has a plot of its own, too."""
    own = {plot.key: plot for plot in _ANSWERS}
    found = {}
    for key, (quantity, *_) in grouped(declared(In.PAGE)).items():
        heading = f"{quantity.title[:1].upper()}{quantity.title[1:]}"
        alone = Plot(key, quantity.analysis, heading, f"{_BARS} Triangle: an upper bound.")
        found[key] = own.get(key) or own.get(key.split("_")[0]) or alone
    return found


def leading(themes: Iterable[Theme]) -> list[Plot]:
    """The plots of themes; those without an axis have their answer plots."""
    return [
        Plot(f"{LEADING}{theme.key}", "", theme.heading, f"{theme.caption} {_BARS}") for theme in themes if theme.axis
    ]


def columns(cards: int, most: int) -> int:
    """How many of some cards stand in a row, at most `most`, such that the last row is as full as it can be.

    >>> [columns(cards, 4) for cards in range(1, 9)]
    [1, 2, 3, 4, 3, 3, 4, 4]
    """
    if cards <= most:
        return max(1, cards)
    return max(range(3, most + 1), key=lambda number: ((cards - 1) % number + 1) / number)


STRUCTURE = (
    Plot("rdf", "structure", "Who surrounds whom: g(r) and n(r)", "Solid: g(r), left axis. Dashed: running number of "
         "neighbours n(r), right axis."),
    Plot("coordination", "structure", "Coordination of lithium", "Within the contact distances of the configuration. "
         "Error bars: one standard error.", ("structure", "shell_statistics")),
    Plot("ions", "ions", "Ion pairs and clusters", "Free: no contact. Paired: one cation with one anion. Aggregated: "
         "anything larger. Error bars: one standard error.", ("ions", "Li")),
    Plot("hydrogen", "hydrogen-bonds", "Hydrogen bonds of the amide", "Share of the NH groups, or bonds for each NH, by "
         "acceptor.", ("hydrogen-bonds", "acceptors")),
    Plot("scattering", "morphology", "Structure factor S(q)", "Shaded: spacings larger than the boxes can show, below "
         "their smallest q = 2π/L (paler where only some can). A domain spacing in there is out of reach."),
    Plot("domains", "domains", "Domains by distance of contact", "Solid: this system. Dotted: random arrangements of "
         "its chains; a difference from them is what counts."),
    *_declared("structure"),
)  # fmt: skip
MOTION = (
    Plot("msd", "motion", "Mean-square displacement", "Log axes. Below: the local exponent d ln MSD / d ln t, which is "
         "1 for diffusion. Shaded: the lags between which D is fitted. Dotted: slope 1."),
    Plot("charge", "conductivity", "Collective motion of charge", "The apparent conductivity is flat where the charge "
         "diffuses; before, it is no conductivity."),
    Plot("residence", "mechanism", "How long lithium stays", "Correlation: the pair is together at both times. "
         "Survival: it never parted in between."),
    Plot("segments", "mechanism", "Segments of the ether block", "Reorientation (P1, P2) and torsion autocorrelation, all units or "
         "by their distance, in repeat units, from the amide block or the chain end."),
    Plot("places", "mechanism", "Motion of lithium by its place", "Mean-square displacement of lithium ions that are "
         "at the start of the lag where the name says."),
    Plot("moves", "mechanism", "Moves of lithium", "Events for each ion and ns, with a 68 % interval; without events "
         "the upper end stands alone, as a triangle.", ("mechanism", "moves")),
    *_declared("motion"),
)  # fmt: skip
_EQUILIBRATION = (
    "Faint: before the series counts as equilibrated. Solid: the part that its mean is taken from; the dotted line marks "
    "where that begins. A minimisation and a stage that drives the box have no such part."
)
RUNS = (
    Plot("densities", "traces-", "Density and pressure of each stage", _EQUILIBRATION),
    Plot("energies", "traces-", "Energy and temperature of each stage", _EQUILIBRATION),
)
TEMPERATURE = Plot("temperature", "", "Against temperature", "Points with one standard error against 1000/T. Line: "
                   "Arrhenius. Dashes: Vogel-Tammann-Fulcher, where the points determine it.")  # fmt: skip
