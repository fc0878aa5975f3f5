"""Comparison with the study and with measurements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eoli.core.numbers import as_given, counted, plain, with_error
from eoli.reference.measured import KINDS
from eoli.report.gather import Sweep, known
from eoli.report.sections.tables import Cell, bounds_text

VERDICTS = {
    "agrees": ("good", "✓"),
    "differs": ("bad", "✗"),
    "not resolved": ("open", "?"),
    "not comparable": ("quiet", "≠"),
    "not simulated in the study": ("quiet", "+"),
}


def beside_study(sweep: Sweep) -> dict[str, Any] | None:
    """Numbers and claims of the study beside ours; None if the sweep was not laid beside it."""
    table = sweep.beside_study
    if table is None:
        return None
    entries = {}
    if sweep.reference is not None:
        entries = {entry.id: entry for entry in (*sweep.reference.numbers, *sweep.reference.claims)}
    claims = {entry.id for entry in sweep.reference.claims} if sweep.reference is not None else set()
    # by id and subject, so that the systems of one number stand together
    parts: dict[str, dict[tuple[str, str], dict[str, Any]]] = {"numbers": {}, "claims": {}}
    for record in map(known, table.to_dict("records")):
        entry = entries.get(record["id"])
        unit = str(record.get("unit", ""))
        verdict = str(record["verdict"])
        ours, theirs = record.get("ours"), record.get("theirs")
        said = "–" if ours is None else with_error(ours, record.get("ours_error"), unit)
        is_claim = record["id"] in claims
        if theirs is not None:
            of_study = as_given(theirs, unit)
            if entry is not None and entry.origin == "measured":
                of_study += " (measured)"
        elif is_claim:
            of_study = "a claim in words"
        else:
            of_study = "not simulated there"
        where = entry.where if entry is not None else ""
        unverified = entry is not None and entry.status != "verified"
        group = parts["claims" if is_claim else "numbers"].setdefault(
            (record["id"], record["what"]),
            {"what": record["what"], "where": where, "unverified": unverified, "rows": []},
        )
        group["rows"].append(
            {
                "system": record.get("system", ""),
                "ours": Cell(ours, said),
                "theirs": Cell(theirs, of_study),
                "verdict": verdict,
                "reason": record.get("reason", ""),
            }
        )
    groups = {part: list(of.values()) for part, of in parts.items()}
    found = [row["verdict"] for part in groups.values() for group in part for row in group["rows"]]
    counts = {verdict: found.count(verdict) for verdict in VERDICTS}
    return {
        **groups,
        "total": len(found),
        "counts": counts,
        "has_ours": any(
            row["ours"].value is not None for part in groups.values() for group in part for row in group["rows"]
        ),
        "cite": sweep.compared.get("cite", "the study"),
        "reference": sweep.reference,
    }


PARTICLES = {"Li": "Li⁺", "anion": "anion", "ether_O": "ether O"}
_COMPARED = {"polymer": "polymers", "eo_li": "EO:Li"}
_SENTENCES = 2
"""Most pairs of polymers that the first screen compares."""


def _starts(record: dict[str, Any]) -> str:
    """What the error of a ratio is from, with the numbers of starts."""
    counts = [int(record[key]) for key in ("starts", "against_starts")]
    return f"{record['error_from']} ({counts[0]} and {counted(counts[1], 'start')})"


def _beside_references(sweep: Sweep) -> list[dict[str, Any]]:
    """Rows of the displacements at equal lag that have the reference of their set beside them."""
    records = [] if sweep.equal_lag is None else map(known, sweep.equal_lag.to_dict("records"))
    return [record for record in records if record["pair"] == "reference"]


def equal_lag(sweep: Sweep) -> dict[str, Any] | None:
    """Displacements at equal lag: ratios to the references, and rankings; None where there are none."""
    if sweep.equal_lag is None or sweep.ranking is None or sweep.equal_lag.empty:
        return None
    rows = []
    for record in _beside_references(sweep):
        ratio, lag, verdict = record.get("ratio"), record.get("lag_ps"), str(record["verdict"])
        row = {
            "particle": PARTICLES[record["particle"]], "system": record["system"], "against": record["against"],
            "ratio": Cell(ratio, "–"), "verdict": verdict, "lag": Cell(lag, "–" if lag is None else plain(lag, "ps")), "likely": "–",
            "source": "–",
        }  # fmt: skip
        if ratio is not None:
            row |= {
                "ratio": Cell(ratio, _ratio_text(record)),
                "likely": _per_cent(record["probability_larger"]), "source": _starts(record),
            }  # fmt: skip
        rows.append(row)
    rankings = []
    ranked = sweep.ranking.dropna(subset="rank")
    for (_, compared, particle), of in ranked.groupby(["set", "compared", "particle"], sort=False):
        first = of.iloc[0]
        places = [f"{row['system']} ({_per_cent(row['probability_best'])})" for row in of.to_dict("records")]
        rankings.append(
            {
                "compared": _COMPARED[str(compared)], "particle": PARTICLES[str(particle)], "order": " > ".join(places),
                "likely": _per_cent(first["probability_of_order"]), "verdict": first["verdict"],
            }
        )  # fmt: skip
    return {"rows": rows, "rankings": rankings}


def moved(sweep: Sweep) -> list[str]:
    """Sentences on lithium in the polymers that are compared at equal lag, up to _SENTENCES."""
    sentences = [
        f"In {plain(record['lag_ps'], 'ps')} the mean squared displacement of lithium in {record['system']} is "
        f"{_ratio_text(record)} of that in {record['against']} ({_order_text(record)})."
        for record in _beside_references(sweep)
        if (record["compared"], record["particle"]) == ("polymer", "Li") and record.get("ratio") is not None
    ]
    more = len(sentences) - _SENTENCES
    return sentences[:_SENTENCES] + ([f"{counted(more, 'more pair')} in the table."] if more > 0 else [])


def _ratio_text(record: Mapping[str, Any]) -> str:
    return f"{record['ratio']:.3g} ({record['ratio_low']:.3g} to {record['ratio_high']:.3g})"


def _order_text(record: Mapping[str, Any]) -> str:
    """The verdict on a ratio with the probability of the likelier order."""
    larger = record["probability_larger"]
    return f"{record['verdict']}, {_per_cent(max(larger, 1 - larger))}"


def _per_cent(probability: float) -> str:
    """A probability that is never said to be certain, which draws cannot tell."""
    return "> 99 %" if probability > 0.99 else "< 1 %" if probability < 0.01 else f"{100 * probability:.0f} %"


def experiments(sweep: Sweep) -> dict[str, Any] | None:
    """Measured values beside ours; None if the sweep was not laid beside them."""
    table = sweep.experiments
    if table is None:
        return None
    rows = []
    for record in map(known, table.to_dict("records")):
        ours, difference, unit = record.get("ours"), record.get("log10_difference"), str(record.get("unit") or "")
        bounds = bounds_text(record.get("ours_low"), record.get("ours_high"), unit)
        apart = bounds_text(record.get("log10_difference_low"), record.get("log10_difference_high"))
        theirs = record.get("measured")
        rows.append(
            {
                "system": record["system"],
                "quantity": KINDS[str(record["quantity"])].label,
                "route": str(record["route"]).replace("_", " "),
                "ours": Cell(ours, _ours(record, bounds, unit)),
                "measured": Cell(theirs, "" if theirs is None else plain(theirs, unit)),
                "difference": Cell(
                    difference,
                    apart if difference is None else with_error(difference, record.get("log10_difference_error")),
                ),
                "series": f"{record['series']}, {record['measured_molar_mass_g_mol']:g} g/mol, EO:Li {record['measured_eo_li']}",
                "source": record["source"],
                "verdict": record.get("verdict", ""),
                "differs": record["what_differs"],
            }
        )
    means = [
        f"{KINDS[entry['quantity']].label}, {entry['series']}, {entry['route'].replace('_', ' ')}"
        f"{', extrapolated' if entry.get('extrapolated') else ''}: {_score(entry)}"
        for entry in sweep.compared.get("mean_absolute_log10_difference", [])
        if entry.get("value") is not None
    ]
    score = sweep.compared.get("score") or {}
    both = table["measured"].notna() & (table["ours"].notna() | table["ours_high"].notna())
    return {
        "rows": rows,
        "means": means,
        "score": _score(score) if score.get("value") is not None else "",
        "drawn": bool(both.any()),
    }


def _ours(record: Mapping[str, Any], bounds: str, unit: str) -> str:
    """Our value with its error, or with its range if that is not symmetric; else its bounds."""
    ours, error = record.get("ours"), record.get("ours_error")
    if ours is None:
        return bounds
    return f"{plain(ours, digits=2)} ({bounds})" if error is None else with_error(ours, error, unit)


def _score(entry: Mapping[str, Any]) -> str:
    """Mean absolute difference with its error; rank correlation, if any; 68 % intervals over points; how many."""
    low, rank = entry.get("low"), entry.get("rank_correlation")
    said = with_error(entry["value"], entry["error"])
    if low is not None:
        said += f", {low:.2f} to {entry['high']:.2f} over the points"
        if rank is not None:
            said += f"; rank correlation {rank:.2f}, {entry['rank_low']:.2f} to {entry['rank_high']:.2f}"
    return f"{said} ({counted(entry['points'], 'comparison')})"
