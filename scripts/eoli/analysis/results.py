"""Readers of the files that stages and analyses write: one per kind of file; each refuses what cannot be right.

A file that is cut, altered, or of another program or system gives a DataError of one line with path, key or column, and
what stands there. Numbers are finite and within `RANGES`; a verdict that withholds a number has none.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from eoli.core.files import read_json
from eoli.core.text import printable
from eoli.errors import DataError
from eoli.study import quantities
from eoli.study.axes import SYSTEM_AXES, replica_group

if TYPE_CHECKING:
    import pandas as pd

_LARGEST = 1e30
RANGES = tuple(
    (re.compile(pattern), low, high)
    for pattern, low, high in (
        (r"error", 0.0, _LARGEST),
        (r"(^|\.)D(_gls)?(_[\w-]+?)?(_upper_bound)?_m2_s(\.value)?$", 0.0, 1e-4),
        (r"(^|[._])density_g_cm3(\.value)?$", 0.0, 30.0),
        # from fluctuations: noise can make it negative
        (r"volume_temperature_K$", -1e5, 1e5),
        (r"temperature_K(\.value)?$", 0.0, 1e5),
        (
            r"(coordination_number|at_cutoff|shell_statistics\.[\w@-]+\.mean|contacts_per_lithium\.\w+)\.value$",
            0.0,
            1e3,
        ),
        (r"^(coordination_number|neighbours|chains_of)_", 0.0, 1e3),
        (r"\.(free|paired|aggregated|NH_share|molecule_share|with_carbonyl_O)\.value$", 0.0, 1.0),
        (r"(^|\.)gauche_fraction(\.value)?$|^(Li_free|Li_aggregated|Li_with_carbonyl_O|NH_to_\w+)$", 0.0, 1.0),
        (r"^share_of_|(^|_)largest_share$|^(survival|percolates)_\w+$|probabilities\.\d+\.value$", 0.0, 1.0),
        (r"transference[._]nernst_einstein(\.value|[._](lower|upper)_bound)?$", 0.0, 1.0),
        (r"^n_(Li|anion)$", 0.0, 1e6),
        (r"^[gn]_|^msd_|_nm(\.value)?$|(?<!per)(?<!modified)_(ps|ns)(\.value)?$|(^|\.)ns$", 0.0, 1e15),
    )
)
"""Pattern of a dotted key or column, with the smallest and largest number allowed."""


@cache
def _limits(name: str) -> tuple[float, float]:
    """Allowed range for a name; rounding may exceed it slightly."""
    found = [(low, high) for pattern, low, high in RANGES if pattern.search(name)]
    low, high = found[0] if found else (-_LARGEST, _LARGEST)
    return low - 1e-9 * high if low == 0 and high == 1 else low, high * (1 + 1e-9)


def _out_of_range(name: str, value: float) -> str:
    low, high = _limits(name)
    return "" if low <= value <= high else f"{name}: {value:.6g} is not allowed: {_said(low, high)}"


def _said(low: float, high: float) -> str:
    return f"{round(low, 6) or 0:g} to {high:.6g}"


class Scalars(dict[str, Any]):
    """A mapping read from a file; a missing key is a DataError that names file and key."""

    def __init__(self, data: Mapping[str, Any], path: Path, keys: tuple[str, ...] = ()) -> None:
        super().__init__(
            {key: Scalars(of, path, (*keys, key)) if isinstance(of, dict) else of for key, of in data.items()}
        )
        self._place = path, keys

    def __missing__(self, key: str) -> Any:
        path, keys = self._place
        raise DataError(f"{path}: {'.'.join((*keys, str(key)))} is missing")


Said = Annotated[str, AfterValidator(printable)]
Positive = Annotated[float, Field(gt=0)]
Least = Annotated[float, Field(ge=0)]


def _is_mapping(annotation: Any) -> bool:
    parts = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return any(get_origin(part) is dict or (isinstance(part, type) and issubclass(part, BaseModel)) for part in parts)


class _Part(BaseModel):
    """Part of a file: the fields read have these types; others may be present."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, allow_inf_nan=False)

    unknown: ClassVar[tuple[str, ...]] = ()
    """Parts that may be null, since a run need not know them."""

    @model_validator(mode="before")
    @classmethod
    def _no_null(cls, data: Any) -> Any:
        """Missing results are left out; null is allowed for numbers only."""
        for name, field in cls.model_fields.items():
            null = isinstance(data, Mapping) and data.get(name, ...) is None
            if null and name not in cls.unknown and _is_mapping(field.annotation):
                raise ValueError(f"{name} is null")
        return data


class Estimated(_Part):
    """A number with its error, None if unknown."""

    value: float | None
    error: float | None


class Stated(Estimated):
    """A number with its verdict; bounds replace it, they do not accompany it."""

    verdict: Said
    lower_bound: float | None = None
    upper_bound: float | None = None

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Stated:
        if self.value is not None and (self.lower_bound, self.upper_bound) != (None, None):
            raise ValueError("has bounds beside its value")
        if None not in (self.lower_bound, self.upper_bound) and self.lower_bound > self.upper_bound:  # type: ignore[operator]
            raise ValueError("has a lower bound above the upper one")
        return self


class _Extension(_Part):
    further_ns: float | None
    at_this_exponent_ns: float | None = None
    reason: Said = ""


class _Diffusion(_Part):
    D_m2_s: Estimated
    verdict: Said
    D_upper_bound_m2_s: float | None = None
    exponent: Estimated | None = None
    fit_from_ps: float | None = None
    fit_to_ps: float | None = None
    extension: _Extension | None = None

    @model_validator(mode="after")
    def _withheld(self) -> _Diffusion:
        if self.D_m2_s.value is not None and self.verdict != "diffusive":
            raise ValueError(f"has a D beside the verdict {self.verdict!r}")
        if self.D_m2_s.value is not None and self.D_upper_bound_m2_s is not None:
            raise ValueError("has a D and a bound of it")
        return self


class _Carried(_Part):
    share: Estimated | None = None


class _Motion(_Part):
    length_ns: Least = 0.0
    Li: _Diffusion | None = None
    anion: _Diffusion | None = None
    chain: _Diffusion | None = None
    molecules: dict[str, _Diffusion] | None = None
    Li_carried_by_chain: _Carried | None = None
    box_size: dict[str, Any] | None = None
    tolerance: float | None = None


class _Followed(_Part):
    molecules: int = Field(ge=1)


class _Displacement(_Part):
    verdict: Said
    Li: _Followed | None = None
    anion: _Followed | None = None
    ether_O: _Followed | None = None


class _Sigma(_Part):
    formal_charges: dict[str, Stated]
    simulated_charges: dict[str, Stated] | None = None


class _Ion(_Part):
    count: int = Field(ge=1)


class _Conductivity(_Part):
    ions: dict[str, _Ion] | None = None
    sigma_S_m: _Sigma | None = None
    transference: dict[str, Stated] | None = None
    ionicity: Stated | None = None
    fit_from_ps: float | None = None
    fit_to_ps: float | None = None
    length_ns: Least = 0.0


class _Density(_Part):
    density_g_cm3: Estimated | None = None


class _Shell(_Part):
    first_peak_nm: Estimated | None = None
    coordination_number: Estimated | None = None
    first_minimum_nm: Estimated | None = None
    at_cutoff: Estimated | None = None


class _Counts(_Part):
    mean: Estimated
    probabilities: list[Estimated] = []


class _Structure(_Part):
    Li: dict[str, _Shell] | None = None
    amide_H: dict[str, _Shell] | None = None
    lithium_ions: int = 0
    shell_statistics: dict[str, _Counts | dict[str, float]] | None = None
    chains: dict[str, Estimated] | None = None
    gauche_fraction: Estimated | None = None


class _Shares(_Part):
    free: Estimated
    paired: Estimated
    aggregated: Estimated


class _Ions(_Part):
    cutoff_nm: float | None = None
    Li: _Shares | None = None
    anion: _Shares | None = None
    verdict: Said | None = None
    clusters_by_charge_e: dict[str, Estimated] | None = None


class _Residence(_Part):
    mean_ps: Estimated | None = None
    mean_at_least_ps: float | None = None
    verdict: Said = ""


class _Move(_Part):
    events: int
    per_ion_ns: float | None
    low_per_ion_ns: float | None
    high_per_ion_ns: float | None


class _Mechanism(_Part):
    length_ns: Least = 0.0
    segments: dict[str, Any] | None = None
    residence: dict[str, _Residence] | None = None
    moves: dict[str, _Move | float | None] | None = None


class _Segregation(_Part):
    degree: Estimated
    verdict: Said


class _Scattering(_Part):
    verdict: Said
    spacing_nm: Estimated | None = None
    q_min_per_nm: float | None = None


class _Morphology(_Part):
    blocks: dict[str, dict[str, Any]] | None = None
    scattering: _Scattering | None = None
    segregation: _Segregation | None = None


class _Bonded(_Part):
    NH_share: Estimated


class _HydrogenBonds(_Part):
    NH: int = Field(0, ge=0)
    acceptors: dict[str, _Bonded] | None = None


class _Energies(_Part):
    lithium_ions: int = Field(0, ge=0)
    exact: dict[str, dict[str, dict[str, Estimated]]] | None = None


class _Traces(_Part):
    equilibrated: dict[str, Estimated]


class _Pooled(_Part):
    systems: list[str] = Field(min_length=2)
    motion: _Motion
    conductivity: _Conductivity
    renewal: dict[str, Any] | None = None


class _Verdict(_Part):
    """`values` are numbers, but for `converged` and, by criterion, `convergence` (0.1.0 wrote a list of answers, too)."""

    status: Literal["pass", "warn", "broken"]
    warnings: list[Said]
    values: dict[str, float | bool | dict[str, dict[str, Any]] | list[str] | None]
    broken: list[Said] = []
    system: str | None = None
    stage: str | None = None


class _Progress(_Part):
    time: Least
    host: str | None = None
    n_steps: int | None = None
    ns_per_day: Least | None = None


class _Failure(_Part):
    message: Said


class _Session(_Part):
    started: float
    wall_seconds: Least
    processors: int = Field(ge=1)
    cpu_seconds: Least | None
    ended: bool
    host: str
    gromacs: str
    simd: str
    piece: int = Field(0, ge=0)


class _Git(_Part):
    commit: str | None = None
    modified: bool | None = None


class _Provenance(_Part):
    unknown = ("git", "gromacs")
    called_as: list[Said] = []
    wall_seconds: Least | None = None
    threads: int | None = Field(None, ge=1)
    seed: int | None = None
    simulated_ns: Least | None = None
    stage: dict[str, Any] | str | None = None
    git: _Git | None = None
    gromacs: dict[str, str | list[str] | None] | str | None = None
    software: dict[str, str] | None = None
    host: str | None = None
    made: str | None = None


class _Score(_Part):
    points: int
    value: float | None
    error: float | None
    low: float | None = None
    high: float | None = None
    rank_correlation: float | None = None
    rank_low: float | None = None
    rank_high: float | None = None


class _MeanDifference(_Score):
    quantity: str
    series: str
    route: str


class _Compared(_Part):
    cite: str
    verdicts: dict[str, int] | None = None
    mean_absolute_log10_difference: list[_MeanDifference]
    score: _Score | None = None


KINDS: Mapping[str, type[_Part]] = {
    "density": _Density, "structure": _Structure, "motion": _Motion, "displacement": _Displacement, "ions": _Ions, "conductivity": _Conductivity,
    "mechanism": _Mechanism, "morphology": _Morphology, "hydrogen-bonds": _HydrogenBonds, "interactions": _Energies,
    "traces": _Traces, "together": _Pooled, "verdict": _Verdict, "progress": _Progress, "failure": _Failure, "session": _Session,
    "provenance": _Provenance, "compare": _Compared,
}  # fmt: skip


_NUMBERS = re.compile(r"value|error|bound|at_least")


def _wrong_in(data: Any, name: str = "", withheld: str = "") -> Iterator[str]:
    """Mistakes under a key: numbers out of range or beside a verdict that withholds them, text for numbers."""
    if isinstance(data, Mapping):
        verdict = data.get("verdict")
        said = verdict if isinstance(verdict, str) else ""
        withheld = said if said.startswith(("withheld", "not known")) else withheld
        for key, value in data.items():
            place = f"{name}.{key}" if name else str(key)
            is_estimate = key in ("value", "error") and {"value", "error"} <= data.keys()
            if is_estimate and value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                yield f"{place}: {str(value)[:40]!r} is no number"
            elif key == "value" and value is not None and said.startswith("not resolved"):
                yield f"{place}: a number beside the verdict {said!r}"
            elif withheld and isinstance(value, int | float) and not isinstance(value, bool) and _NUMBERS.search(key):
                yield f"{place}: a number beside the verdict {withheld!r}"
            yield from _wrong_in(value, place, withheld)
    elif isinstance(data, list):
        for number, value in enumerate(data):
            yield from _wrong_in(value, f"{name}.{number}", withheld)
    elif isinstance(data, int | float) and (wrong := _out_of_range(name, data)):
        yield wrong


def _explained(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    # names of unions and models are pydantic's own
    keys = [
        str(key) for key in first["loc"] if not re.match(r"function-|_[A-Z]|dict\[|constrained|(float|bool)$", str(key))
    ]
    message = str(first["msg"]).removeprefix("Value error, ")
    message = re.sub(r"valid dictionary( or instance of \w+)?", "mapping", message)
    value = first.get("input")
    shown = "" if isinstance(value, Mapping | list) else f"{str(value)[:40]!r}: "
    place = ".".join(keys)
    said = f"{place} is missing" if first["type"] == "missing" else f"{place}: {shown}{message}" if place else message
    return printable(said)


def checked(data: Mapping[str, Any], kind: str, path: Path) -> Scalars:
    """Data of a file, checked as its kind in KINDS. Raises DataError with one line."""
    if not data:
        raise DataError(f"{path}: holds nothing")
    try:
        # without a contract of its own, the common one
        made = KINDS.get(kind, _Part).model_validate(data)
    except ValidationError as error:
        raise DataError(f"{path}: {_explained(error)}") from None
    for wrong in _wrong_in(data):
        raise DataError(f"{path}: {printable(wrong)}")
    texts = {key: value for key, value in made if isinstance(value, str) or _is_list_of_text(value)}
    return Scalars({**data, **texts}, path)


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(text, str) for text in value)


def read_found(path: Path, kind: str) -> Scalars | None:
    """A file of a kind in KINDS; None if there is none. Raises DataError for a malformed one."""
    # an empty mapping counts as a file: it lacks required keys
    return checked(read_json(path), kind, path) if _is_there(path) else None


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return True


def read_scalars(analysis: Path, name: str) -> Scalars | None:
    """Scalars of an analysis from a system's `analysis` folder; None if there are none. Raises DataError."""
    return read_found(analysis / f"{name}.json", "traces" if name.startswith("traces-") else name)


def check_salted(analysis: Path, scalars: Mapping[str, Scalars]) -> None:
    """Raises DataError if scalars by analysis, from that folder, lack what every system with salt has."""
    for name, keys in dict.fromkeys((of.analysis, of.salted) for of in quantities.QUANTITIES if of.salted):
        found: Any = scalars.get(name, {})
        for key in keys if name in scalars else ():
            if key not in found:
                raise DataError(f"{analysis / name}.json: {'.'.join(keys)} is missing, which a system with salt has")
            found = found[key]


def read_verdict(folder: Path) -> Scalars | None:
    """Verdict of the stage in a folder `<system>/<stage>`; None if there is none.

    Raises DataError for a malformed one, or one that names another system or stage.
    """
    path = folder / "verdict.json"
    found = read_found(path, "verdict")
    if found is None:
        return None
    for key, name in (("system", folder.parent.name), ("stage", folder.name)):
        if found.get(key, name) != name:
            raise DataError(f"{path}: {key}: it is the verdict of {printable(str(found[key]))}, not of {name}")
    return found


def read_pooled(path: Path) -> Scalars:
    """Pooled scalars of replicas. Raises DataError unless the file matches the replicas of its name."""
    found = read_found(path, "together")
    assert found is not None
    others = [name for name in found["systems"] if replica_group(name) != path.stem]
    if others or len(set(found["systems"])) != len(found["systems"]):
        raise DataError(f"{path}: systems: {', '.join(map(printable, found['systems']))} are not starts of {path.stem}")
    return found


_TEXT = frozenset((
    "system", "systems", "starts", "polymer", "salt", "ether_set", "cation_model", "anion_model", "mixing", "status",
    "warnings", "analysed_stage", "stage", "block", "acceptor", "method", "pair", "per", "kind", "from_block", "to_block",
    "first", "second", "contact", "id", "what", "unit", "reason", "route", "series", "measured_eo_li", "source",
    "what_differs", "compared", "particle", "against", "against_polymer", "error_from", "solvents", "ion_pairs", "quantity",
    "preferred", "beside_measured",
))  # fmt: skip
_TRUTH = frozenset(("simulated_in_study",))


def _text_columns(names: Sequence[str]) -> list[str]:
    return [name for name in names if name in _TEXT or name.split(".")[0].endswith("verdict")]


def read_table(path: Path, needed: Sequence[str] = (), filled: Sequence[str] = (), least: int = 0) -> pd.DataFrame:
    """A table that a stage, an analysis or a command wrote: text in its text columns, numbers in all others.

    Columns `needed` must exist, those of `filled` also without an empty cell; at least `least` rows. Empty cells are
    NaN, the words `nan` and `NA` are text. Raises DataError with line and column of the mistake.
    """
    import pandas as pd

    try:
        names = list(pd.read_csv(path, nrows=0).columns)
        texts = _text_columns(names)
        with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):
            # without an index, else a surplus cell would make the first one the index
            table = pd.read_csv(
                path, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(texts, str), index_col=False
            )
    except pd.errors.EmptyDataError:
        raise DataError(f"{path}: no table: the file is empty") from None
    except pd.errors.ParserWarning:
        raise DataError(f"{path}: no table: its rows have more cells than its head") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: no table: {printable(str(error))}") from error
    lacking = list(dict.fromkeys(column for column in (*filled, *needed) if column not in table))
    if lacking:
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        raise DataError(f"{path}: no column {', '.join(lacking[:3])}{more}")
    if len(table) < least:
        raise DataError(f"{path}: has {len(table)} rows; at least {least} are needed")
    for column in filled:
        if (empty := table[column].isna()).any():
            raise DataError(f"{path}:{_line(empty)}: {column} is empty")
    for column in table.columns.difference(texts, sort=False):
        _check_numbers(path, table[column])
    # consolidated: pandas' reader builds a table with many columns from as many parts
    return table.copy()


def _line(wrong: pd.Series) -> int:
    """Line number in the file, header included, of the first wrong row."""
    return int(wrong.to_numpy().argmax()) + 2


def _check_numbers(path: Path, column: pd.Series) -> None:
    import pandas as pd

    name = str(column.name)
    numbers = pd.to_numeric(column, errors="coerce")
    if name in _TRUTH:
        wrong, allowed = ~column.isin([True, False]), "is not True or False"
    elif column.dtype in (bool, object) or pd.api.types.is_string_dtype(column):
        is_bool = column.map(lambda cell: isinstance(cell, bool)).astype(bool)
        wrong, allowed = is_bool | (numbers.isna() & column.notna()), "is no number"
    else:
        low, high = _limits(name)
        wrong, allowed = (numbers < low) | (numbers > high), f"is not allowed: {_said(low, high)}"
    if wrong.any():
        value = printable(str(column[wrong].iloc[0]))
        raise DataError(f"{path}:{_line(wrong)}: {name}: {value[:60]} {allowed}")


_ALWAYS = ("system", "polymer", "salt", "simulated_in_study", "temperature_K", "replicate", "ether_set", "mixing",
           "ion_charge_scale", "chains")  # fmt: skip


def read_sweep(path: Path) -> pd.DataFrame:
    """The sweep table: one row per system, each once, with its axes filled in every row.

    Raises DataError for any other table.
    """
    table = read_table(path, needed=[*SYSTEM_AXES, "eo_li_simulated"], filled=_ALWAYS, least=1)
    for wrong, said in (
        (table["system"].duplicated(), "stands twice"),
        (table["system"].map(lambda name: Path(name).name != name or name == ".."), "is no name of a system"),
        (table["eo_li_asked"].isna() != table["eo_li_simulated"].isna(), "has a ratio in one of two columns alone"),
        (
            table["eo_li_asked"].isna() != (table["salt"] == "none"),
            "has a salt without a ratio, or a ratio without a salt",
        ),
        (~(table["temperature_K"] > 0), "has no temperature_K above 0"),
        # chains of imported runs need not have ether oxygens
        (~(table[["eo_li_asked", "eo_li_simulated"]].fillna(1) >= 0).all(axis=1), "has a ratio below 0"),
    ):
        if wrong.any():
            raise DataError(f"{path}:{_line(wrong)}: {printable(str(table['system'][wrong].iloc[0]))} {said}")
    return table


def read_curves(analysis: Path, name: str) -> pd.DataFrame:
    """The table of an analysis from a system's `analysis` folder. Raises DataError for a malformed one."""
    first, least = _CURVES.get(name, (None, 0))
    path = analysis / f"{name}.csv"
    table = read_table(path, filled=[first] if first else [])
    # a neat polymer has only the first column
    if len(table.columns) > 1 and len(table) < least:
        raise DataError(f"{path}: has {len(table)} rows; at least {least} are needed")
    if name == "structure" and (empty := table.isna().any(axis=1)).any():
        raise DataError(f"{path}:{_line(empty)}: an empty cell")
    if first in ("r_nm", "lag_ps", "time_ps") and len(table) > 1 and not (table[first].diff().iloc[1:] > 0).all():
        wrong = ~(table[first].diff() > 0)
        wrong.iloc[0] = False
        raise DataError(f"{path}:{_line(wrong)}: {first} does not rise")
    return table


_CURVES: Mapping[str, tuple[str, int]] = {
    "structure": ("r_nm", 2), "motion": ("lag_ps", 1), "conductivity": ("lag_ps", 1), "mechanism": ("lag_ps", 0),
    "density": ("time_ps", 1), "ions": ("n_Li", 0), "morphology": ("q_per_nm", 0), "domains": ("block", 0),
    "specific-volume": ("temperature_K", 1), "displacement": ("lag_ps", 0),
}  # fmt: skip
"""First column and least number of rows of each analysis table."""
