"""Do replicas of one system agree? Density, lithium coordination and free ions, in units of their errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from eoli.core.statistics import mean_of_starts
from eoli.study import quantities
from eoli.study.axes import SYSTEM_AXES, alike, with_solvents

DIFFER_BELOW = 0.01
_COLUMNS = (
    "systems", *SYSTEM_AXES, "quantity", "replicates", "mean", "mean_error", "largest_difference", "combined_error",
    "difference_over_error", "relative_difference", "chi2", "p_value", "verdict",
)  # fmt: skip


def _compared(rows: pd.DataFrame, value: str, error: str) -> dict[str, Any]:
    """Mean of the replicas, their largest difference in units of its combined error, and their chi-squared."""
    numbers = rows[[value, error]].apply(pd.to_numeric, errors="coerce").dropna()
    numbers = numbers[numbers[error] > 0]
    x, sigma = numbers[value].to_numpy(), numbers[error].to_numpy()
    found: dict[str, Any] = {"replicates": len(x)}
    if len(x) < 2:
        return found | {"verdict": f"not resolved: {len(x)} of {len(rows)} starts with a value and an error"}
    low, high = int(x.argmin()), int(x.argmax())
    difference, combined = float(x[high] - x[low]), float(np.hypot(sigma[low], sigma[high]))
    weighted = float(np.average(x, weights=1 / sigma**2))
    square = float((((x - weighted) / sigma) ** 2).sum())
    mean, mean_error = mean_of_starts(x, sigma)
    p_value = float(chdtrc(len(x) - 1, square))
    return found | {
        "mean": mean,
        "mean_error": mean_error,
        "largest_difference": difference,
        "combined_error": combined,
        "difference_over_error": difference / combined,
        "relative_difference": difference / abs(mean) if mean else None,
        "chi2": square,
        "p_value": p_value,
        "verdict": "differ" if p_value < DIFFER_BELOW else "agree",
    }


def replica_table(sweep: pd.DataFrame) -> pd.DataFrame:
    """One row per compared quantity of each system with several replicas; `sweep` has one row per system.

    `mean_error` is half the 68 % interval of `mean_of_starts`. The stated errors are those within a run. Replicas
    *differ* if chance gives so large a chi-squared in fewer than one case in a hundred. Then the errors within a run
    miss what the starting box decides, and the runs have not forgotten it.
    """
    rows = []
    for axes, starts in alike(sweep):
        if len(starts) < 2:
            continue
        names = {"systems": " ".join(map(str, starts["system"])), **axes}
        for quantity in quantities.QUANTITIES:
            value, error = quantity.columns
            if quantity.compared_as and value in starts and starts[value].notna().any():
                rows.append({**names, "quantity": quantity.compared_as, **_compared(starts, value, error)})
    return pd.DataFrame(rows, columns=with_solvents(_COLUMNS, rows))


def differing(table: pd.DataFrame) -> dict[str, list[str]]:
    """Warnings from a `replica_table`, by system whose replicas differ."""
    found: dict[str, list[str]] = {}
    for row in table[table["verdict"] == "differ"].to_dict("records"):
        text = f"starts differ in {row['quantity']} by {row['difference_over_error']:.1f} combined errors"
        for system in str(row["systems"]).split():
            found.setdefault(system, []).append(text)
    return found
