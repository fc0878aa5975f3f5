"""Output of every analysis: a table (CSV) and its scalars (JSON), both whole or not at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from eoli.core.files import whole, write_json


def finite(data: Any) -> Any:
    """The same data with null for numbers that JSON cannot represent."""
    if isinstance(data, Mapping):
        return {key: finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [finite(value) for value in data]
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return data


def write_results(table: pd.DataFrame, scalars: Mapping[str, Any], out_csv: Path, out_json: Path) -> None:
    """Write table and scalars of an analysis; numbers that JSON cannot represent become null."""
    # nested, so that no table stays behind without its scalars
    with whole(out_csv) as temporary:
        table.to_csv(temporary, index=False, float_format="%.10g")
        write_json(out_json, finite(scalars))
