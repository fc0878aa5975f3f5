"""Output of every analysis: a table (CSV) and its scalars (JSON), both whole or not at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from eoli.core.files import table_to_csv, whole, write_json


def finite(data: Any) -> Any:
    """The same data with null for numbers that JSON cannot represent, and zero without a sign."""
    if isinstance(data, Mapping):
        return {key: finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [finite(value) for value in data]
    if isinstance(data, float):
        return data + 0.0 if math.isfinite(data) else None
    return data


def write_results(table: pd.DataFrame, scalars: Mapping[str, Any], out_csv: Path, out_json: Path) -> None:
    """Write table and scalars of an analysis; numbers that JSON cannot represent become null."""
    # nested, so that no table stays behind without its scalars
    with whole(out_csv) as temporary:
        table_to_csv(temporary, table)
        write_json(out_json, finite(scalars))
