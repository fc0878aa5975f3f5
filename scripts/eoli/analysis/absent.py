"""Results that a system cannot have: files without numbers, which say why, for all that reads those of an analysis."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from eoli.analysis.common import write_results

NOT_AVAILABLE = "not available: "
"""How the reason of every such result begins."""
_COLUMNS = {"interactions": ["method", "pair", "per"]}


def write_absent(analysis: str, reason: str, out_csv: Path, out_json: Path) -> None:
    """A table without rows, and a verdict instead of numbers."""
    table = pd.DataFrame({column: [] for column in _COLUMNS.get(analysis, ["time_ps"])})
    write_results(
        table,
        {"verdict": f"{NOT_AVAILABLE}{reason}"} | ({"equilibrated": {}} if analysis == "traces" else {}),
        out_csv,
        out_json,
    )
