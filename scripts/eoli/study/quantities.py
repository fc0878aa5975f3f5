"""The quantities of a sweep, each declared once: where its analysis stores it, its name, and where it appears.

Tables, figures, plans and the page read this table. A new quantity of an analysis needs one entry here and nothing
else. Imports are light.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from typing import Any

from eoli.core.numbers import never_changed

Keys = tuple[str, ...]


class In(Flag):
    """Where a quantity appears, in addition to what its other fields say."""

    SWEEP = auto()  # columns of sweep.csv, and the page's table of all numbers
    RARE = auto()  # columns at the end of sweep.csv, if any system has it
    STARTS = auto()  # rows of starts.csv: replicas combined
    PLAN = auto()  # lines of `eoli plan`
    PAGE = auto()  # answer plots on the page, and its list of unresolved quantities
    HEADLINE = auto()  # answer table on the page


@dataclass(frozen=True)
class Panel:
    """A panel against EO:Li in the sweep figure `figure`, ordered by `place`.

    `level` is a reference line; `{anion}` in a label becomes the name of the anion.
    """

    figure: str
    ylabel: str
    place: int = 100
    level: float | None = None
    from_zero: bool = False


@dataclass(frozen=True)
class Theme:
    """What the page says and draws of several quantities, which share a unit, once they are resolved.

    `sentence` takes their words in the place of `{}`. `remembers`: until lithium has exchanged its partners, the numbers
    are those of the box as it was packed; errors within a run do not show it, and no difference is claimed from one
    start. Without an `axis` the quantities have answer plots.
    """

    key: str
    heading: str
    sentence: str
    axis: str = ""
    caption: str = ""
    remembers: bool = True
    from_zero: bool = False


@dataclass(frozen=True)
class Known:
    """A quantity that the page leads with where it is resolved.

    `words` hold its value in the place of `{}`, within the sentence of its theme; `noun` is the subject of a difference;
    `label` stands at its points.
    """

    theme: str
    words: str
    noun: str
    label: str = ""


@dataclass(frozen=True)
class Answer:
    """Value with error, or bounds (`bound` upper, `least` lower), or neither; and the verdict."""

    value: float | None
    error: float | None
    bound: float | None
    verdict: str
    least: float | None = None


@dataclass(frozen=True)
class Quantity:
    """A quantity: `stem` of its columns, and `unit` as they end in it (empty if dimensionless).

    In the scalars of `analysis`, the mapping under the keys `home` holds `{"value": ..., "error": ...}` under `value`,
    and bounds and verdict under the names given. `bounds` lists those that are columns of sweep.csv; `verdict_column`
    names the column of the verdict.
    """

    name: str
    unit: str
    analysis: str
    home: Keys
    panel: Panel | None = None
    label: str = ""  # in a panel of several quantities
    value: Keys = ()
    upper_bound: str = "upper_bound"
    lower_bound: str = "lower_bound"
    at_least: str = "at_least"
    verdict: str = "verdict"
    bounds: tuple[str, ...] = ()
    verdict_column: str = ""
    salted: Keys = ()  # keys that every system with salt has, resolved or not
    where: In = In.SWEEP
    log: bool = False  # log axis
    last: bool = False  # drawn last in its panel
    overview: Panel | None = None  # a second panel
    of_carbonyl: bool = False  # chains without C=O do not have it (rather than: not resolved)
    collective: bool = False  # one run gives one sample, however long
    group: str = ""  # routes to the same quantity share a group, most exact last
    route: str = "only"
    route_label: str = ""
    symbol: str = ""
    title: str = ""
    fitted: int = 0  # order among the fits of temperature.csv; 0: not fitted
    fit_label: str = ""  # axis label in the figure of fits; empty: not drawn
    compared_as: str = ""  # name in replicas.csv; empty: replicas are not compared
    open: tuple[str, str] = ("", "")  # its name on the page when unresolved, and how the verdict then begins
    known: Known | None = None  # its words on the page when resolved

    @property
    def columns(self) -> tuple[str, str]:
        """Columns of value and error."""
        return self.column(), self.column("_error")

    def column(self, what: str = "") -> str:
        """Column of the value, of its `_error`, or of a bound."""
        return f"{self.name}{what}_{self.unit}" if self.unit else f"{self.name}{what}"

    def found(self, scalars: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Its mapping in scalars by analysis; None if missing."""
        home = at(scalars, (self.analysis, *self.home))
        return home if isinstance(home, Mapping) else None

    def of(self, scalars: Mapping[str, Any]) -> Answer | None:
        """Value, bounds and verdict in scalars by analysis; None if missing."""
        if (home := self.found(scalars)) is None:
            return None
        value, error = (at(home, (*self.value, key)) for key in ("value", "error"))
        verdict = str(home.get(self.verdict) or "")
        return Answer(value, error, home.get(self.upper_bound), verdict, home.get(self.lower_bound))

    def resolved(self, scalars: Mapping[str, Any]) -> tuple[float, float] | None:
        """Value and error, if it has both and the verdict lets them stand.

        A number that never changed during the run has no error, and rounding is none.
        """
        found = self.standing(scalars)
        return None if found is None or never_changed(*found) else found

    def standing(self, scalars: Mapping[str, Any]) -> tuple[float, float] | None:
        """The same, with a number that never changed, too: its error is zero, but for rounding."""
        answer = self.of(scalars)
        if answer is None or answer.value is None or answer.error is None:
            return None
        withheld = tuple(beginning for beginning in ("not ", self.open[1]) if beginning)
        return None if answer.verdict.startswith(withheld) else (answer.value, answer.error)

    def beside(self, scalars: Mapping[str, Any], *keys: str) -> Any:
        """What stands under `keys` next to it, else nearest above: quantities may share a window of lags."""
        places = (at(scalars, (self.analysis, *self.home[:depth], *keys)) for depth in range(len(self.home), -1, -1))
        return next((found for found in places if found is not None), None)


def at(data: Any, keys: Sequence[str]) -> Any:
    """Value under a path of keys in nested mappings; None if a key is missing."""
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


THEMES: tuple[Theme, ...] = (
    Theme("transport", "Transport", "In transport, {}.", remembers=False),
    Theme("density", "Density", "The density is {}.", "density", "Mean of the equilibrated part of the run.",
          remembers=False),
    Theme("coordination", "Coordination of lithium", "Lithium binds {}.", "neighbours of Li⁺",
          "Neighbours within the contact distances.", from_zero=True),
    Theme("first-shell", "First shell of lithium", "The first peak of g(r) around lithium lies at {}.", "first peak",
          "Position of the first peak of g(r)."),
    Theme("hydrogen-bonds", "Hydrogen bonds of the amide", "The share of NH groups with a hydrogen bond is {}.",
          "share of NH", "Share of the NH groups with a bond to such an acceptor.", from_zero=True),
    Theme("ion-pairs", "Ion pairs and clusters", "Of all lithium, a share of {}.", "share of Li⁺",
          "Free: touches no anion. In clusters: of more than one pair.", from_zero=True),
    Theme("energies", "Coulomb energy of lithium", "The Coulomb energy of one lithium ion is {}.", "energy",
          "Exact, by Ewald sums over the groups."),
)  # fmt: skip
"""What the page leads with, in this order; a quantity joins by its `known`."""

_FIRST_SHELL = Panel("sweep", "neighbours of Li, first shell", 3, from_zero=True)
_D_LI = Panel("sweep", "D(Li) (m²/s)", 4)
_EXPONENT = Panel("transport", "exponent of the MSD", 4, level=1)
_SIGMA = Panel("transport", "conductivity (S/m)", 5)
_SHARES = Panel("transport", "transference number of Li", 6, level=0)
_IN_CUTOFF = Panel("structure", "neighbours of Li in the cut-off", 1, from_zero=True)
_PEAKS = Panel("structure", "first peak of g(r) of Li (nm)", 2)
_PAIRS = Panel("structure", "share of Li", 3, from_zero=True)
_RESIDENCE = Panel("mechanism", "residence of Li (ps)", 1)
_BONDED = Panel("mechanism", "share of NH bonded to", 4, from_zero=True)
_TIMES = Panel("mechanism", "times of the renewal model (ps)", 9)
_D_RENEWAL = Panel("transport", "D(Li) by renewal (m²/s)", 9)
_COULOMB = Panel("mechanism", "Coulomb energy of Li (kJ/mol)", 8)
_TOGETHER = In.SWEEP | In.STARTS
_ANSWERED = In.STARTS | In.PAGE | In.HEADLINE


def _peak(partner: str, label: str, **more: Any) -> Quantity:
    keys = ("Li", partner, "first_peak_nm")
    return Quantity(f"first_peak_Li_{partner}", "nm", "structure", keys, _PEAKS, label, **more)


def _first_shell(partner: str, label: str, **more: Any) -> Quantity:
    keys, panel = ("Li", partner, "coordination_number"), _FIRST_SHELL if label else None
    return Quantity(f"coordination_number_Li_{partner}", "", "structure", keys, panel, label, **more)


def _in_cutoff(partner: str, label: str, **more: Any) -> Quantity:
    keys, panel = ("Li", partner, "at_cutoff"), _IN_CUTOFF if label else None
    return Quantity(f"neighbours_Li_{partner}", "", "structure", keys, panel, label, **more)


def _diffusion(particle: str, ylabel: str, place: int, **more: Any) -> Quantity:
    return Quantity(
        f"D_{particle}", "m2_s", "motion", (particle,), Panel("transport", ylabel, place), value=("D_m2_s",), log=True,
        upper_bound="D_upper_bound_m2_s", route="msd", route_label="mean-square displacement", **more,
    )  # fmt: skip


def _without_box(particle: str) -> Quantity:
    keys = ("box_size", particle)
    return Quantity(f"D0_{particle}", "m2_s", "motion", keys, value=("D0_m2_s",), where=In.RARE | In.STARTS, log=True)


def _exponent(particle: str, label: str) -> Quantity:
    return Quantity(f"exponent_{particle}", "", "motion", (particle, "exponent"), _EXPONENT, label)


def _conductivity(route: str, route_label: str, label: str, **more: Any) -> Quantity:
    keys = ("sigma_S_m", "formal_charges", route)
    return Quantity(
        f"conductivity_{route}", "S_m", "conductivity", keys, _SIGMA, label, salted=keys[:2], log=True, route=route,
        group="conductivity", route_label=route_label, symbol="σ", title="conductivity",
        known=Known("transport", f"σ is {{}} ({label})", "σ"), **more,
    )  # fmt: skip


def _transference(route: str, route_label: str, label: str = "", **more: Any) -> Quantity:
    return Quantity(
        f"transference_{route}", "", "conductivity", ("transference", route), _SHARES if label else None, label,
        group="transference", route=route, route_label=route_label, symbol="t⁺", title="transference number of lithium",
        known=Known("transport", f"t⁺ is {{}} ({route_label})", "t⁺"), **more,
    )  # fmt: skip


def _residence(partner: str, label: str, **more: Any) -> Quantity:
    return Quantity(
        f"residence_Li_{partner}", "ps", "mechanism", ("residence", partner), _RESIDENCE if label else None, label,
        value=("mean_ps",), at_least="mean_at_least_ps", log=True, **more,
    )  # fmt: skip


def _time(number: int, label: str, **more: Any) -> Quantity:
    return Quantity(
        f"tau_{number}", "ps", "renewal", (f"tau_{number}",), _TIMES, label, log=True, where=_TOGETHER, **more
    )


QUANTITIES: tuple[Quantity, ...] = (
    Quantity("density", "g_cm3", "density", ("density_g_cm3",), Panel("sweep", "density (g/cm³)", 1), compared_as="density",
             known=Known("density", "{}", "it")),
    _peak("ether_O", "O (ether)", overview=Panel("sweep", "first peak Li–O (ether) (nm)", 2), salted=("Li",),
          known=Known("first-shell", "{} for ether oxygen", "that of ether oxygen", "ether O")),
    _first_shell("ether_O", "O (ether)"),
    _in_cutoff("ether_O", "O (ether)", compared_as="Li_ether_O",
               known=Known("coordination", "{} ether oxygens", "the number of ether oxygens", "ether O")),
    _peak("carbonyl_O", "O (C=O)", of_carbonyl=True,
          known=Known("first-shell", "{} for carbonyl oxygen", "that of carbonyl oxygen", "C=O")),
    _first_shell("carbonyl_O", "O (C=O)", of_carbonyl=True),
    _in_cutoff("carbonyl_O", "O (C=O)", of_carbonyl=True, compared_as="Li_carbonyl_O",
               known=Known("coordination", "{} carbonyl oxygens", "the number of carbonyl oxygens", "C=O")),
    _peak("anion_N", "N ({anion})", last=True),
    _first_shell("anion_N", ""),
    _peak("anion_O", "O ({anion})",
          known=Known("first-shell", "{} for oxygen of the anion", "that of the anion's oxygen", "anion O")),
    _first_shell("anion_O", "O ({anion})"),
    # any site that an anion binds with
    Quantity("neighbours_Li_anion", "", "structure", ("shell_statistics", "anion", "mean"), _IN_CUTOFF, "{anion}",
             known=Known("coordination", "{} sites of anions", "the number of sites of anions", "anion")),
    Quantity("chains_of_Li", "", "structure", ("shell_statistics", "chains", "mean"),
             Panel("structure", "chains that bind a Li", 4)),
    Quantity("radius_of_gyration", "nm", "structure", ("chains", "radius_of_gyration_nm"),
             Panel("structure", "radius of gyration (nm)", 6)),
    Quantity("gauche_fraction", "", "structure", ("gauche_fraction",), Panel("structure", "gauche share of O–C–C–O", 5)),
    Quantity("Li_free", "", "ions", (), _PAIRS, "free", value=("Li", "free"), verdict_column="ions_verdict",
             salted=("verdict",), compared_as="Li_free", open=("free, paired and aggregated ions", "not resolved"),
             known=Known("ion-pairs", "{} touches no anion", "the share that touches no anion", "free")),
    Quantity("Li_aggregated", "", "ions", (), _PAIRS, "aggregated", value=("Li", "aggregated"),
             known=Known("ion-pairs", "{} is in clusters of more than one pair", "the share in clusters", "in clusters")),
    _diffusion("Li", _D_LI.ylabel, 1, overview=_D_LI, bounds=("upper_bound",), verdict_column="D_Li_verdict",
               salted=("Li", "verdict"), where=In.SWEEP | In.PLAN | _ANSWERED, symbol="D(Li⁺)",
               title="self-diffusion of lithium", fitted=1, fit_label=_D_LI.ylabel,
               known=Known("transport", "D(Li⁺) is {}", "D(Li⁺)")),
    _exponent("Li", "Li"),
    _diffusion("anion", "D({anion}) (m²/s)", 2, bounds=("upper_bound",), verdict_column="D_anion_verdict",
               salted=("anion", "verdict"), where=_TOGETHER | In.PLAN | In.PAGE, symbol="D(anion)",
               title="self-diffusion of the anion's centre of mass", fitted=2, fit_label="D({anion}) (m²/s)",
               known=Known("transport", "D(anion) is {}", "D(anion)")),
    _exponent("anion", "{anion}"),
    _diffusion("chain", "D(chain) (m²/s)", 3, where=_TOGETHER),
    _exponent("chain", "chain"),
    Quantity("Li_carried_by_chain", "", "motion", ("Li_carried_by_chain", "share"),
             Panel("transport", "share of Li motion, by its chain", 8, from_zero=True)),
    Quantity("conductivity_renewal", "S_m", "renewal", ("conductivity_S_m",), _SIGMA, "lithium by renewal", log=True,
             group="conductivity", route="renewal", route_label="ions move independently, lithium by its transfers between chains",
             symbol="σ", title="conductivity", where=In.SWEEP | _ANSWERED, bounds=("upper_bound", "lower_bound"), fitted=10, fit_label="σ, lithium by its transfers (S/m)",
             known=Known("transport", "σ is {} (ions independent, lithium by its transfers between chains)", "σ")),
    _conductivity("nernst_einstein", "ions move independently (Nernst-Einstein)", "ions independent",
                  where=In.SWEEP | In.PLAN | _ANSWERED, bounds=("upper_bound", "lower_bound"), fitted=4,
                  fit_label="σ, ions independent (S/m)"),
    _conductivity("cluster_nernst_einstein", "clusters move independently", "clusters independent",
                  where=In.SWEEP | _ANSWERED, fitted=3),
    _conductivity("collective", "collective (exact)", "collective", where=In.SWEEP | In.PLAN | _ANSWERED, collective=True,
                  bounds=("upper_bound",), verdict_column="conductivity_verdict", fitted=5,
                  fit_label="σ, collective (S/m)"),
    _transference("nernst_einstein", "ions move independently", "independent", where=In.SWEEP | _ANSWERED,
                  bounds=("lower_bound", "upper_bound")),
    _transference("cluster_nernst_einstein", "clusters move independently", where=_ANSWERED),
    _transference("onsager_centre_of_mass", "collective, seen from the centre of mass", "Onsager, mass",
                  where=In.SWEEP | _ANSWERED, collective=True),
    _transference("onsager_polymer", "collective, seen from the polymer", "Onsager, polymer",
                  where=In.SWEEP | _ANSWERED, collective=True),
    Quantity("ionicity", "", "conductivity", ("ionicity",), Panel("transport", "ionicity", 7, level=1), where=_TOGETHER,
             collective=True),
    _residence("ether_O", "O (ether)", bounds=("at_least",), open=("residence of Li⁺ at an ether oxygen", "too few")),
    _residence("carbonyl_O", "O (C=O)", bounds=("at_least",), open=("residence of Li⁺ at a carbonyl oxygen", "too few"),
               of_carbonyl=True),
    _residence("chain", "chain", bounds=("at_least",), open=("residence of Li⁺ on a chain", "too few"), last=True),
    _residence("anion", "{anion}", bounds=("at_least",)),
    Quantity("Li_with_carbonyl_O", "", "mechanism", ("partition", "with_carbonyl_O"),
             Panel("mechanism", "share of Li at a C=O", 3, from_zero=True), of_carbonyl=True),
    Quantity("segment_relaxation", "ps", "mechanism", ("segments", "P2", "all", "time_1e_ps"),
             Panel("mechanism", "P₂ relaxation, ether O (ps)", 2), bounds=("at_least",), log=True,
             open=("relaxation of ether segments", "not resolved")),
    _time(1, "τ₁, along the chain"),
    _time(2, "τ₂, with segments"),
    _time(3, "τ₃, between chains", at_least="at_least_ps", bounds=("at_least",), compared_as="tau_3"),
    Quantity("D_Li_renewal", "m2_s", "renewal", ("D_m2_s",), _D_RENEWAL, "model", verdict_column="renewal_verdict",
             where=_TOGETHER | In.PAGE, log=True, compared_as="D_Li_renewal", symbol="D(Li⁺), renewal model",
             title="self-diffusion of lithium from the renewal model", fitted=6,
             open=("D of lithium from its transfers between chains", "not resolved"),
             known=Known("transport", "D(Li⁺) by the renewal model is {}", "D(Li⁺) by the renewal model")),
    Quantity("D_Li_long_chains", "m2_s", "renewal", ("D_long_chains_m2_s",), _D_RENEWAL, "model, long chains", log=True,
             where=_TOGETHER, compared_as="D_Li_long_chains", fitted=7),
    Quantity("D_Li_on_chains", "m2_s", "renewal", ("D_on_chains_m2_s",), _D_RENEWAL, "motion on chains", log=True,
             where=_TOGETHER, compared_as="D_Li_on_chains", fitted=8, fit_label="D(Li), motion on chains (m²/s)"),
    Quantity("D_Li_between_transfers", "m2_s", "renewal", ("D_between_transfers_m2_s",), _D_RENEWAL, "between transfers",
             log=True, where=_TOGETHER | In.PAGE, compared_as="D_Li_between_transfers", fitted=9,
             fit_label="D(Li), between transfers (m²/s)", symbol="D(Li⁺), between transfers",
             title="self-diffusion of lithium from its displacements between transfers",
             known=Known("transport", "D(Li⁺) from its transfers between chains is {}", "D(Li⁺) from its transfers")),
    Quantity("segregation", "", "morphology", ("segregation",), Panel("mechanism", "degree of segregation", 5, from_zero=True),
             value=("degree",), verdict_column="segregation_verdict", of_carbonyl=True,
             open=("microphase separation beyond chance", "not distinguishable")),
    Quantity("interface", "per_nm", "morphology", ("segregation", "interface_per_volume_per_nm"),
             Panel("mechanism", "interface per volume (1/nm)", 6), of_carbonyl=True),
    Quantity("spacing", "nm", "morphology", ("scattering",), Panel("mechanism", "spacing of domains (nm)", 7),
             value=("spacing_nm",), verdict_column="spacing_verdict", of_carbonyl=True,
             open=("spacing of domains from S(q)", "box-limited")),
    Quantity("NH_to_anion", "", "hydrogen-bonds", ("acceptors", "anion", "NH_share"), _BONDED, "{anion}", of_carbonyl=True,
             known=Known("hydrogen-bonds", "{} with an anion", "the share with an anion", "anion")),
    Quantity("NH_to_carbonyl_O", "", "hydrogen-bonds", ("acceptors", "carbonyl_O", "NH_share"), _BONDED, "O (C=O)",
             of_carbonyl=True, known=Known("hydrogen-bonds", "{} with a carbonyl oxygen", "the share with a carbonyl oxygen", "C=O")),
    Quantity("energy_Li_PEO", "kJ_mol", "interactions", ("exact", "Li/PEO", "lithium", "E_ele_kJ_mol"), _COULOMB, "PEO",
             known=Known("energies", "{} with PEO", "that with PEO", "PEO")),
    Quantity("energy_Li_PA", "kJ_mol", "interactions", ("exact", "Li/PA", "lithium", "E_ele_kJ_mol"), _COULOMB, "PA",
             of_carbonyl=True, known=Known("energies", "{} with PA", "that with PA", "PA")),
    _in_cutoff("hydroxyl_O", "", where=In.RARE),
    _residence("hydroxyl_O", "", where=In.RARE),
    *(_in_cutoff(partner, "", where=In.RARE, known=Known("coordination", f"{{}} {words}", f"the number of {words}", label))
      for partner, words, label in (("solvent_O", "oxygens of the solvent", "solvent O"), ("solvent_N", "nitrogens of the solvent", "solvent N"))),
    *(_without_box(particle) for particle in ("Li", "anion", "chain")),
    Quantity("viscosity", "Pa_s", "motion", ("box_size", "viscosity_Pa_s"), bounds=("lower_bound",), where=In.RARE | In.STARTS),
    *(_residence(partner, "", where=In.RARE) for partner in ("solvent_O", "solvent_N", "solvent")),
)  # fmt: skip
"""Every quantity of the sweep, in table order."""

MOLECULES: Keys = ("motion", "molecules")
"""Path to the diffusion of single molecule types by label, in scalars by analysis (`topology.species.apart`)."""


CHAINS: Keys = ("mechanism", "segments", "by_type")
"""Path to the segments of single types of chains by label, which only systems with several have."""


def of_molecules(label: str) -> tuple[Quantity, Quantity]:
    """D and exponent of a molecule type, which only systems with several species of a kind, or with solvents, have."""
    home = (*MOLECULES[1:], label)
    return (
        Quantity(f"D_{label}", "m2_s", MOLECULES[0], home, value=("D_m2_s",), upper_bound="D_upper_bound_m2_s",
                 bounds=("upper_bound",), verdict_column=f"D_{label}_verdict", where=_TOGETHER, log=True, route="msd",
                 symbol=f"D({label})", title=f"self-diffusion of {label}"),
        Quantity(f"exponent_{label}", "", MOLECULES[0], (*home, "exponent")),
    )  # fmt: skip


def molecules_in(scalars: Iterable[Mapping[str, Any]]) -> list[Quantity]:
    """Quantities of single molecule types that any of the scalars by analysis has: `of_molecules`, neighbours of Li, and
    segments of chains."""
    every = list(scalars)
    labels = dict.fromkeys(label for found in every for label in at(found, MOLECULES) or ())
    partners = dict.fromkeys(name for found in every for name in at(found, ("structure", "Li")) or () if "@" in name)
    neighbours = [
        Quantity(f"neighbours_Li_{name.replace('@', '_of_')}", "", "structure", ("Li", name, "at_cutoff"))
        for name in partners
    ]
    chains = dict.fromkeys(label for found in every for label in at(found, CHAINS) or ())
    segments = [
        Quantity(f"segment_relaxation_{label}", "ps", CHAINS[0], (*CHAINS[1:], label, "P2", "all", "time_1e_ps"),
                 bounds=("at_least",), log=True)
        for label in chains
    ]  # fmt: skip
    return [*(quantity for label in labels for quantity in of_molecules(label)), *neighbours, *segments]


LENGTH: Keys = ("motion", "length_ns")
"""Path to the run length in scalars by analysis (summed over replicas where they are pooled)."""
NUMBERS: Mapping[str, Keys] = {
    "further_ns_for_D_Li": ("motion", "Li", "extension", "further_ns"),
    "analysed_length_ns": LENGTH,
}
"""Further columns of sweep.csv, with their paths in scalars by analysis."""


def declared(where: In) -> list[Quantity]:
    """Quantities that appear in a given place."""
    return [quantity for quantity in QUANTITIES if quantity.where & where]


def named(name: str) -> Quantity:
    """Quantity by name."""
    return next(quantity for quantity in QUANTITIES if quantity.name == name)


def grouped(quantities: Iterable[Quantity]) -> dict[str, list[Quantity]]:
    """Quantities by group; one without a group forms its own."""
    groups: dict[str, list[Quantity]] = {}
    for quantity in quantities:
        groups.setdefault(quantity.group or quantity.name, []).append(quantity)
    return groups


def leading(theme: str) -> dict[str, list[Quantity]]:
    """Quantities of a theme by group, in its order; routes of a group from the least to the most exact."""
    return grouped(quantity for quantity in QUANTITIES if quantity.known is not None and quantity.known.theme == theme)


def fitted() -> list[Quantity]:
    """Quantities fitted against temperature, in the order of temperature.csv."""
    return sorted((quantity for quantity in QUANTITIES if quantity.fitted), key=lambda quantity: quantity.fitted)


def panels(figure: str) -> list[tuple[Panel, list[Quantity]]]:
    """Panels of a sweep figure, with their quantities."""
    found: dict[Panel, list[Quantity]] = {}
    for quantity in sorted(QUANTITIES, key=lambda quantity: quantity.last):
        for panel in (quantity.panel, quantity.overview):
            if panel is not None and panel.figure == figure:
                found.setdefault(panel, []).append(quantity)
    return sorted(found.items(), key=lambda entry: entry[0].place)


def _values(quantities: Iterable[Quantity]) -> dict[str, Keys]:
    return {
        column: (quantity.analysis, *quantity.home, *quantity.value, key)
        for quantity in quantities
        for column, key in zip(quantity.columns, ("value", "error"), strict=True)
    }


def molecule_columns(scalars: Mapping[str, Any]) -> dict[str, Keys]:
    """Further columns of sweep.csv for the molecule types of a system, with paths in its scalars by analysis."""
    columns: dict[str, Keys] = {}
    for quantity in molecules_in([scalars]):
        columns |= _values([quantity])
        home = (quantity.analysis, *quantity.home)
        columns |= {quantity.column(f"_{what}"): (*home, getattr(quantity, what)) for what in quantity.bounds}
        columns |= {quantity.verdict_column: (*home, quantity.verdict)} if quantity.verdict_column else {}
    return columns


def sweep_columns(analyses: Sequence[str]) -> dict[str, Keys]:
    """Columns of sweep.csv that the analyses fill, with paths in scalars by analysis; bounds and verdicts in order."""
    columns = _values(declared(In.SWEEP | In.RARE))
    by_analysis = sorted(QUANTITIES, key=lambda quantity: analyses.index(quantity.analysis))
    # bounds of one kind stay together across the routes of a group
    for group in grouped(by_analysis).values():
        for what in dict.fromkeys(what for quantity in group for what in quantity.bounds):
            for quantity in group:
                if what in quantity.bounds:
                    columns[quantity.column(f"_{what}")] = (quantity.analysis, *quantity.home, getattr(quantity, what))
    verdicts = {q.verdict_column: (q.analysis, *q.home, q.verdict) for q in by_analysis if q.verdict_column}
    return {**columns, **NUMBERS, **verdicts}
