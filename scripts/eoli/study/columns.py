"""What the columns of the tables mean, for the documentation. The sweep table follows from the table of quantities.

A name in angle brackets stands for any word; a test looks for a column of a finished sweep that no entry covers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from eoli.study.analyses import TABLES
from eoli.study.axes import SERIES_AXES, SYSTEM_AXES
from eoli.study.quantities import NUMBERS, QUANTITIES, Quantity, sweep_columns

UNITS: Mapping[str, str] = {
    "g_cm3": "g/cm³", "cm3_g_K": "cm³/(g K)", "cm3_g": "cm³/g", "m2_s": "m²/s", "S_m": "S/m", "S_cm": "S/cm",
    "per_nm": "1/nm", "e2_nm2": "e² nm²", "nm2": "nm²", "units2": "repeat units²", "kJ_mol": "kJ/mol", "g_mol": "g/mol",
    "K_per_s": "K/s", "ns_per_day": "ns/day", "nm": "nm", "ps": "ps", "ns": "ns", "K": "K", "eV": "eV", "bar": "bar",
    "deg": "degrees", "gb": "GB", "core_hours": "h", "wall_hours": "h", "e": "e", "Pa_s": "Pa s",
}  # fmt: skip
"""Units as they end in the name of a column."""

_SYSTEM = {
    "system": "name of the system, and of its folder",
    "polymer": "polymer of `topologies/polymers`",
    "salt": "salt of `topologies/salts`, or none",
    "eo_li_asked": "ether oxygens for each lithium that the study asks for, or that charged chains have",
    "temperature_K": "temperature of the system",
    "ether_set": "parameter set of the ether",
    "cation_model": "model of lithium",
    "anion_model": "model of the anion; none where chains carry the anions",
    "mixing": "mixing rule",
    "ion_charge_scale": "factor on all charges of the ions",
    "chains": "polymer chains in the box",
}
_SWEEP = _SYSTEM | {
    "eo_li_simulated": "ether oxygens for each lithium in the box, since ions come in whole numbers",
    "simulated_in_study": "whether the study of record simulated this system",
    "replicate": "number of the independent start",
    "ether_oxygens": "ether oxygens in the box",
    "lithium_ions": "lithium ions in the box",
    "ideal_mixing_density_unverified_g_cm3": "density by ideal mixing of recalled neat densities, for plausibility only",
    "further_ns_for_D_Li": "further length, ns, for the relative error `analysis.target_error` of D(Li); a lower bound where motion is "
    "not diffusive",
    "analysed_length_ns": "length of the analysed stage",
    "status": "pass; warn: a stage warned, or starts differ; incomplete or unreadable, with the reason",
    "warnings": "what the stages and the comparison of starts warned of",
    "analysed_stage": "stage whose trajectory was analysed",
}  # fmt: skip
_SITES = {
    "ether_O": "ether oxygen", "carbonyl_O": "carbonyl oxygen", "anion_N": "nitrogen of the anion", "anion_O": "oxygen of the anion",
    "hydroxyl_O": "oxygen of a hydroxyl", "anion": "the binding sites of the anion", "chain": "a chain",
}  # fmt: skip
_MEANINGS: Mapping[str, str] = {
    "density": "mean over the equilibrated part of the stage in NPT",
    **{f"first_peak_Li_{site}": f"first maximum of g(r) of lithium and {what}" for site, what in _SITES.items()},
    **{
        f"coordination_number_Li_{site}": f"{what}: neighbours of a lithium up to the system's own first minimum of g(r)"
        for site, what in _SITES.items()
    },
    **{f"neighbours_Li_{site}": f"{what}: neighbours of a lithium within `analysis.contact_nm`" for site, what in _SITES.items()},
    **{f"residence_Li_{site}": f"mean time that a lithium stays at {what}" for site, what in _SITES.items()},
    "chains_of_Li": "chains that bind a lithium, mean",
    "radius_of_gyration": "of a chain, mean",
    "gauche_fraction": "share of the torsions O-C-C-O with |phi| below 120 degrees (trans at 180)",
    "Li_free": "share of lithium in no contact with an anion",
    "Li_aggregated": "share of lithium in clusters of more than one lithium and one anion",
    **{
        f"D0_{what}": f"self-diffusion of {name} without the effect of the box, in boxes of the shape orthoboxy and in cubic ones with `analysis.viscosity`"
        for what, name in (("Li", "lithium"), ("anion", "the anion"), ("chain", "the chains"))
    },
    "viscosity": "viscosity, in boxes of the shape orthoboxy",
    "D_Li": "self-diffusion of lithium, where its motion is diffusive",
    "D_anion": "self-diffusion of the anion's centre of mass, where its motion is diffusive",
    "D_chain": "self-diffusion of the chain's centre of mass, where its motion is diffusive",
    **{f"exponent_{what}": f"local exponent of the MSD of {what}, in the window of the verdict" for what in ("Li", "anion", "chain")},
    "Li_carried_by_chain": "share of lithium motion carried by the chain that holds it at the origin, <dLi dChain>/<dLi dLi>",
    "conductivity_renewal": "from D of lithium by its transfers between chains and D of the other ions, formal charges",
    "conductivity_nernst_einstein": "from the two D, formal charges",
    "conductivity_cluster_nernst_einstein": "from the populations of clusters, formal charges",
    "conductivity_collective": "from the summed displacements of all ions (Onsager), formal charges",
    "transference_nernst_einstein": "from the two D",
    "transference_cluster_nernst_einstein": "from the populations of clusters",
    "transference_onsager_centre_of_mass": "collective, in the frame of the centre of mass",
    "transference_onsager_polymer": "collective, in the frame of the polymer",
    "ionicity": "collective conductivity over Nernst-Einstein",
    "Li_with_carbonyl_O": "share of lithium that a carbonyl oxygen binds",
    "segment_relaxation": "time at which P2 of vectors between neighbouring ether oxygens passes 1/e; of several types of chains, that with the most "
    "of them",
    "segregation": "degree of segregation: variance of the local share of PA over f(1-f)",
    "interface": "interface between the blocks per volume",
    "spacing": "spacing of domains, 2 pi over the position of the peak of S(q)",
    "NH_to_anion": "share of NH with a hydrogen bond to an anion",
    "NH_to_carbonyl_O": "share of NH with a hydrogen bond to a carbonyl oxygen",
    "energy_Li_PEO": "exact Coulomb energy of a lithium with the PEO blocks (Ewald sum by groups)",
    "energy_Li_PA": "exact Coulomb energy of a lithium with the PA blocks (Ewald sum by groups)",
}  # fmt: skip

_TEXTS = {"verdict": "what the data say, or why they do not resolve it"}
_SERIES = {axis: _SYSTEM[axis] for axis in SERIES_AXES}
_AXES = {axis: _SYSTEM[axis] for axis in SYSTEM_AXES}
_GOODNESS = {"chi2": "chi-squared of the fit", "degrees_of_freedom": "points less parameters"}
_COMPARED = {
    "set": "number of the set: systems that differ in one axis", "compared": "that axis: polymer or eo_li",
    "particle": "Li; anion, its centre of mass; ether_O, ether oxygens",
}  # fmt: skip
_RATIO = {
    "ratio": "MSD of `system` over that of `against`", "ratio_low": "lower end of its 68 % interval", "ratio_high": "upper end of the same",
}  # fmt: skip
_TABLES: Mapping[str, Mapping[str, str]] = {
    "summary/replicas.csv": {
        "systems": "the independent starts", **_AXES, "quantity": "what is compared", "replicates": "starts that have it",
        "mean": "plain mean over the starts, in the unit of the quantity in the sweep table",
        "mean_error": "half of its 68 % interval, the larger of Student's t times the standard error over the starts and of "
        "their own errors",
        "largest_difference": "between two starts", "combined_error": "of that difference, from the errors of the two",
        "difference_over_error": "the former over the latter", "relative_difference": "over the mean",
        "chi2": "about the weighted mean", "p_value": "how often chance alone gives as much",
        "verdict": "agree; differ: less than one case in a hundred; or not resolved",
    },
    "summary/starts.csv": {
        "starts": "name of the group", "systems": "its independent starts", **_AXES, "length_ns": "of all starts together",
        "quantity": "as in the sweep table", "unit": "of value, error and bounds", "value": "empty where not resolved",
        "error": "standard error", "lower_bound": "where one is known", "upper_bound": "where one is known",
        "exponent": "local exponent of the MSD", "exponent_error": "its standard error",
        "fit_from_ps": "window of lags, from", "fit_to_ps": "window of lags, to", **_TEXTS,
    },
    "summary/cutoffs.csv": {
        "first": "first kind of the pair", "second": "second kind of the pair", "system": "system, or the pooled row",
        "systems": "systems behind the row", "first_peak_nm": "first maximum of g(r)", "first_minimum_nm": "first minimum of g(r)",
        "first_minimum_error_nm": "leaving out one system (pooled), or over blocks", "flat_from_nm": "n(r) is within 5 % of its "
        "value at the minimum, from", "flat_to_nm": "the same, to", "neighbours_at_minimum": "n(r) there",
        "contact": "key of the configured distance", "contact_nm": "configured distance", "neighbours_at_contact": "n(r) there", **_TEXTS,
    },
    "summary/temperature.csv": {
        **_SERIES, "quantity": "what is fitted", "points": "temperatures with a value", "excluded": "temperatures with only a bound, or none",
        "activation_energy_kJ_mol": "of the Arrhenius fit", "activation_energy_error_kJ_mol": "its standard error",
        "activation_energy_eV": "the same", "activation_energy_error_eV": "its standard error", **_GOODNESS,
        "p_value": "how often chance alone gives such a scatter about the line", "arrhenius_verdict": "what the line is worth",
        "T0_K": "of the VTF fit, by profile likelihood", "T0_low_K": "lower end of its interval", "T0_high_K": "upper end of its interval",
        "vtf_energy_eV": "energy of the VTF fit", "vtf_energy_low_eV": "lower end of its interval",
        "vtf_energy_high_eV": "upper end of its interval", "vtf_verdict": "what the curve is worth",
        "aicc_arrhenius": "corrected Akaike criterion of the line", "aicc_vtf": "of the curve", "preferred": "the only one that fits, else which of the two it prefers",
    },
    "summary/glass-transition.csv": {
        **{key: _SYSTEM[key] for key in ("system", "polymer", "salt", "eo_li_asked")}, "coolings": "independent coolings",
        "cooling_rate_K_per_s": "rate of cooling", "Tg_K": "glass transition, where it is resolved",
        "Tg_low_K": "lower end of its 68 % interval; where not resolved, of where a bend could be",
        "Tg_high_K": "upper end of the same", "Tg_error_over_coolings_K": "error between the coolings", "bend_width_K": "width of the bend",
        "expansion_glass_cm3_g_K": "slope of the specific volume of the glass", "expansion_melt_cm3_g_K": "and of the melt", **_GOODNESS,
        **_TEXTS, "measured_Tg_K": "measured glass transition (Table S2 of the study)", "above_measured_K": "ours less the measured one",
        "expected_shift_low_K": "shift to expect from the cooling rate, lower end", "expected_shift_high_K": "upper end",
        "beside_measured": "ours beside the measured one, in words",
    },
    "summary/study.csv": {
        "id": "number or claim in `config/reference`", "what": "in words", "system": "our system", "ours": "our value",
        "ours_error": "its standard error", "theirs": "their value", "unit": "of both", **_TEXTS, "reason": "why",
    },
    "summary/experiments.csv": {
        "system": "our system, or the group of its starts", "quantity": "what was measured", "route": "route to ours", "temperature_K": _SYSTEM["temperature_K"],
        "eo_li": "ether oxygens for each lithium", "chain_molar_mass_g_mol": "of our chain", "unit": "of ours and the measured one",
        "ours": "our value", "ours_error": "its standard error", "measured": "measured value at our conditions",
        "series": "measured series", "measured_molar_mass_g_mol": "of its polymer", "measured_eo_li": "its ratios",
        "source": "where it was published", "log10_difference": "log10 of ours over the measured one",
        "log10_difference_error": "its error, that of an extrapolation and of the measurement, where stated, included; from our own series half the 68 % interval", **_TEXTS,
        "what_differs": "between the two materials", "extrapolated_K": "how far beyond the measured temperatures",
        "ours_low": "lower bound of ours; beside a value from our own series, the end of its 68 % interval", "ours_high": "the same, upper",
        "log10_difference_low": "from the lower bound", "log10_difference_high": "from the upper bound",
        "ours_extrapolated_K": "for a value from our own temperature series: how far it lies outside its temperatures; 0 between them",
    },
    "summary/equal-lag.csv": {
        **_COMPARED, "system": "one system, or the group of its starts", "against": "the other",
        "pair": "reference, where `against` is that of the set; else other", "polymer": "of `system`", "eo_li_asked": "of `system`",
        "against_polymer": "of `against`", "against_eo_li_asked": "of `against`", "temperature_K": _SYSTEM["temperature_K"],
        "lag_ps": "`equal_lag.lag_ps`, there also where nothing is resolved; or the largest lag at which all systems of the set have ten independent origins", "starts": "starts of `system` with results",
        "against_starts": "starts of `against` with results", "origins": "independent origins of `system` at the lag, of all its starts",
        "against_origins": "those of `against`", "msd_nm2": "of `system` at the lag", "against_msd_nm2": "of `against` at the lag",
        **_RATIO, "ln_ratio": "natural logarithm of the ratio", "ln_ratio_error": "half of its 68 % interval",
        "probability_larger": "that `system` moves farther", "error_from": "scatter of three or more starts, or blocks of a run and its molecules",
        "verdict": "larger or smaller, from 95 % on; not decided; or not resolved, with the reason",
    },
    "summary/equal-lag-course.csv": {
        **_COMPARED, "system": "system, or the group of its starts", "against": "reference of the set",
        "lag_ps": "lag at which all systems of the set have ten independent origins", **_RATIO,
    },
    "summary/ranking.csv": {
        **_COMPARED, "rank": "place in the likeliest order, 1 moves farthest; empty where no two systems of the set can be compared", "system": "system, or the group of its starts",
        "polymer": _SYSTEM["polymer"], "eo_li_asked": _SYSTEM["eo_li_asked"], "temperature_K": _SYSTEM["temperature_K"],
        "lag_ps": "as in `equal-lag.csv`", "msd_nm2": "at the lag", "probability_best": "that the system moves farthest of all",
        "probability_of_order": "of the whole order, as in the column `rank`",
        "verdict": "decided, or first place decided, from 95 % on; not decided; or not resolved, with the reason",
    },
    "summary/cost.csv": {
        "system": "folder of the system", "stage": "stage", "ns": "simulated; empty for a minimisation",
        "core_hours": "hardware threads held, times the time, over all restarts", "ns_per_day": "over the wall time of all mdruns",
        "wall_hours": "of all mdruns, without the time in between",
        "idle_share": "part of core_hours in which the threads did nothing for mdrun", "restarts": "mdruns after the first, but for those that begin a new piece of the stage",
    },
    "analysis/density.csv": {"time_ps": "time", "density_g_cm3": "density of that frame"},
    "analysis/traces-<stage>.csv": {
        "time_ps": "middle of the block", "step": "step of a minimisation", "potential_kJ_mol": "potential energy",
        "temperature_K": "temperature", "pressure_bar": "pressure", "density_g_cm3": "density, at constant pressure",
    },
    "analysis/structure.csv": {
        "r_nm": "distance", "g_<a>_<b>": "radial distribution function of b about a",
        "n_<a>_<b>": "number of b within r of an a",
    },
    "analysis/motion.csv": {
        "lag_ps": "lag", "msd_<what>_error_nm2": "standard error of the MSD", "msd_<what>_nm2": "mean-square displacement (com: of centres of mass)",
        "alpha_<what>": "local exponent of the MSD",
    },
    "analysis/displacement.csv": {
        "lag_ps": "lag, the same for runs of all lengths", "msd_<what>_nm2": "mean-square displacement",
        "ln_msd_<what>_error": "standard error of its natural logarithm, over blocks and molecules",
        "origins_<what>": "independent origins, whose windows do not overlap",
    },
    "analysis/ions.csv": {
        "n_Li": "lithium ions of the cluster", "n_anion": "anions of the cluster", "charge_e": "its formal charge",
        "clusters": "such clusters in a frame, mean", "clusters_error": "its standard error", "share_of_Li": "share of all lithium in them",
        "share_of_anions": "share of all anions in them",
    },
    "analysis/conductivity.csv": {
        "lag_ps": "lag", "collective_<a>_<b>_nm2": "product of the summed displacements of the two kinds",
        "charge_msd_e2_nm2": "mean-square displacement of the charges, formal", "alpha_charge": "its local exponent",
        "sigma_apparent_S_m": "conductivity, if that were linear from the origin to this lag",
    },
    "analysis/mechanism.csv": {
        "lag_ps": "lag", "<what>_error": "standard error of the column without `_error`", "<what>_nm2_error": "standard error",
        "survival_<partner>": "share of bound periods that last this long (Kaplan-Meier)",
        "correlation_<partner>": "C(t) of the contact, intermittent",
        "msd_Li_<where>_nm2": "mean-square displacement of lithium by its environment at the origin",
        "msd_contour_units2": "of its place along the chain", "P1_<segment>": "first Legendre polynomial of segments, by distance in repeat units",
        "P2_<segment>": "second Legendre polynomial", "torsion_cos_<segment>": "correlation of the cosine of torsions",
        "torsion_state_<segment>": "correlation of gauche or trans", "end_to_end": "correlation of end-to-end vectors",
    },
    "analysis/moves.csv": {
        "time_ps": "first frame of the new state", "left_ps": "first frame after the old state", "lithium": "number of the ion",
        "kind": "along_chain, between_chains, with_anion or between_blocks", "from_<host>": "before: chain, block, place in repeat units",
        "to_<host>": "after: the same", "displacement_nm": "of the ion between the two frames",
    },
    "analysis/renewal.csv": {
        "lag_ps": "lag", "index_units2": "mean-square displacement of lithium along its chain, in repeat units",
        "index_model_units2": "the same of the fitted model", "segments_nm2": "mean-square displacement of the segments that hold a "
        "lithium, without that of their chain", "segments_model_nm2": "the same of the fitted model",
        "ions_nm2": "mean-square displacement of lithium on its chain", "ions_model_nm2": "the same of the fitted model",
        "<what>_error": "standard error of the column without `_error`",
    },
    "analysis/morphology.csv": {
        "q_per_nm": "length of the wave vectors", "vectors": "wave vectors of that length", "S_<a>_error": "standard error",
        "S_<a>": "structure factor, total or partial (Ashcroft and Langreth)",
    },
    "analysis/domains.csv": {
        "block": "block", "distance_nm": "sites closer than this are connected", "domains": "number of domains",
        "largest_share": "share of sites in the largest", "dimensions": "axes along which the block percolates, number",
        "percolates_<axis>": "share of frames that percolate along it; xyz: along all three",
        "random_<how>_<what>_spread": "spread over the random arrangements", "random_<how>_<what>_verdict": "beyond random or not",
        "random_<how>_<what>": "the same of random arrangements of chains or sites, mean", "<what>_error": "standard error",
    },
    "analysis/hydrogen-bonds.csv": {
        "distance_nm": "largest distance H...A", "angle_deg": "smallest angle N-H...A", "acceptor": "kind of acceptor",
        "bonds_per_NH": "bonds per NH", "NH_share": "share of NH with a bond",
        "molecule_share": "share of the molecules with such sites that an NH binds", "<what>_error": "standard error",
    },
    "analysis/interactions.csv": {
        "method": "short range, exact or contact", "pair": "the two groups", "per": "box, lithium or contact", "E_<what>_error_kJ_mol": "standard error",
        "E_<what>_kJ_mol": "van der Waals, electrostatic or total energy",
    },
    "analysis/specific-volume.csv": {
        "temperature_K": "temperature of the plateau", "specific_volume_cm3_g": "mean over the equilibrated part of the plateau",
        "specific_volume_error_cm3_g": "its standard error", "density_g_cm3": "density of that part",
        "independent_samples": "independent samples in it",
    },
}  # fmt: skip
"""Tables by file name, below `results` (`analysis/`: below the folder of a system)."""


def unit_of(column: str) -> str:
    """Unit that a column's name ends in; empty if it has none."""
    plain = re.sub(r"_error$", "", column)
    found = [unit for unit in UNITS if plain == unit or plain.endswith(f"_{unit}")]
    return UNITS[max(found, key=len)] if found else ""


def _of(quantity: Quantity) -> Iterator[tuple[str, str]]:
    text = _MEANINGS.get(quantity.name, "")
    if not text.startswith(quantity.title):
        # as the page calls it
        text = ", ".join(part for part in (quantity.title, text) if part)
    text = text or quantity.name.replace("_", " ")
    yield quantity.column(), text
    yield quantity.column("_error"), "its standard error"
    for bound in quantity.bounds:
        yield quantity.column(f"_{bound}"), bound.replace("at_least", "lower bound").replace("_", " ")
    if quantity.verdict_column:
        yield quantity.verdict_column, f"of {quantity.name}: {_TEXTS['verdict']}"


def tables() -> dict[str, dict[str, str]]:
    """Meaning of each column, by table."""
    of_quantities = dict(pair for quantity in QUANTITIES for pair in _of(quantity))
    first = [name for name in _SWEEP if name not in (*NUMBERS, "status", "warnings", "analysed_stage")]
    order = [*first, *sweep_columns(TABLES), "status", "warnings", "analysed_stage"]
    return {"summary/sweep.csv": {name: (_SWEEP | of_quantities)[name] for name in order}} | {
        name: dict(columns) for name, columns in _TABLES.items()
    }


def meaning(table: str, column: str) -> str | None:
    """Meaning of a column of a table; None if there is no entry."""
    for pattern, text in tables()[table].items():
        if re.fullmatch(re.sub(r"<\w+>", r"\\w+", pattern), column):
            return text
    return None
