"""What independent starts of one system say together, as `eoli starts` found it, and its table for a sweep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from eoli.axes import SYSTEM_AXES
from eoli.results import Scalars, read_together

_FOLDER = Path("summary") / "starts"
_COLUMNS = (
    "starts", "systems", *SYSTEM_AXES, "length_ns", "quantity", "unit", "value", "error", "lower_bound", "upper_bound", "exponent",
    "exponent_error", "fit_from_ps", "fit_to_ps", "verdict",
)  # fmt: skip


def starts_file(results: Path, name: str) -> Path:
    """Where the scalars of several starts together lie, by the name of all of them."""
    return results / _FOLDER / f"{name}.json"


def read_starts(results: Path, systems: Sequence[str]) -> dict[str, Scalars]:
    """Scalars of several starts together, by the name of all of them; of those whose starts are all among `systems`.

    Raises DataError for a file that is not what it should be.
    """
    found: dict[str, Scalars] = {}
    for path in sorted((results / _FOLDER).glob("*.json")):
        if path.name.endswith(".provenance.json"):
            continue
        record = read_together(path)
        if set(record["systems"]) <= set(systems):
            found[path.stem] = record
    return dict(sorted(found.items(), key=lambda item: systems.index(item[1]["systems"][0])))


def _quantities(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for particle, of in record["motion"].items():
        if isinstance(of, Mapping):
            yield {
                "quantity": f"D_{particle}", "unit": "m2/s", **of["D_m2_s"], "upper_bound": of["D_upper_bound_m2_s"],
                "exponent": of["exponent"]["value"], "exponent_error": of["exponent"]["error"],
                "fit_from_ps": of["fit_from_ps"], "fit_to_ps": of["fit_to_ps"], "verdict": of["verdict"],
            }  # fmt: skip
    conductivity = record["conductivity"]
    window = {key: conductivity.get(key) for key in ("fit_from_ps", "fit_to_ps")}
    for route, of in conductivity.get("sigma_S_m", {}).get("formal_charges", {}).items():
        yield {"quantity": f"conductivity_{route}", "unit": "S/m", **of, **window}
    for route, of in conductivity.get("transference", {}).items():
        yield {"quantity": f"transference_{route}", "unit": "1", **of, **window}
    if "ionicity" in conductivity:
        yield {"quantity": "ionicity", "unit": "1", **conductivity["ionicity"], **window}


def starts_table(sweep: pd.DataFrame, together: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row for each quantity of each entry of `read_starts`; `sweep` has a row a system.

    `length_ns` is that of all starts in sum; conductivities are those of formal charges.
    """
    rows = []
    for name, record in together.items():
        (first,) = sweep[sweep["system"] == record["systems"][0]].to_dict("records")
        of_all = {"starts": name, "systems": " ".join(record["systems"]), "length_ns": record["motion"]["length_ns"]}
        axes = {axis: first[axis] for axis in SYSTEM_AXES}
        rows += [{**of_all, **axes, **found} for found in _quantities(record)]
    return pd.DataFrame(rows, columns=list(_COLUMNS))
