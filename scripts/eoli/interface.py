"""A finished study in Python: its systems, tables with units, numbers with errors and verdicts, trajectories.

    >>> import eoli
    >>> study = eoli.open_study("results")  # doctest: +SKIP
    >>> study.system("peo-eo12-298K-r1").quantity("D_Li")  # doctest: +SKIP

What `eoli.__all__` names is the public interface and changes only with a notice in the changelog.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from eoli.core.files import read_json
from eoli.core.numbers import counted, never_changed
from eoli.core.records import check_inputs, record_beside
from eoli.core.text import did_you_mean, printable
from eoli.errors import DataError, InputError, UnknownName
from eoli.study.quantities import QUANTITIES, Quantity, molecules_in

if TYPE_CHECKING:
    import pandas as pd
    from MDAnalysis import AtomGroup, Universe

    from eoli.topology.description import SystemDescription

_Item = TypeVar("_Item")
_SWEEPS = ("sweep", "sweep-partial")


@dataclass(frozen=True)
class Value:
    """A number of a system: value and standard error, else bounds; unit, and verdict (empty if it needs none).

    A number that the data do not resolve is None, and the verdict says why.
    """

    name: str
    value: float | None
    error: float | None
    lower_bound: float | None
    upper_bound: float | None
    unit: str
    verdict: str

    def __str__(self) -> str:
        if self.value is not None:
            is_constant = self.error is not None and never_changed(self.value, self.error)
            error = " (constant)" if is_constant else "" if self.error is None else f" +/- {self.error:.2g}"
            said = f"{self.value:.4g}{error}"
        else:
            bounds = ((">", self.lower_bound), ("<", self.upper_bound))
            said = " and ".join(f"{sign} {bound:.4g}" for sign, bound in bounds if bound is not None) or "not known"
        unit = "" if said == "not known" else f" {self.unit}".rstrip()
        return f"{self.name} = {said}{unit}" + (f" ({self.verdict})" if self.verdict else "")


def _read(path: Path, name: str, absent: str) -> pd.DataFrame:
    """A table with `units` and `meanings` of its columns in its `attrs`."""
    from eoli.analysis.results import read_sweep, read_table
    from eoli.core.frame import Frame
    from eoli.study.columns import meaning, tables, unit_of

    if not path.is_file():
        raise DataError(f"{path}: no such table; {absent}")
    check_inputs([path])
    table = Frame(read_sweep(path) if path.stem in _SWEEPS else read_table(path))
    known = name if name in tables() else "analysis/traces-<stage>.csv"
    columns = [str(column) for column in table]
    table.attrs["units"] = {column: unit_of(column) for column in columns}
    table.attrs["meanings"] = {column: meaning(known, column) or "" for column in columns}
    return table


class _Named(dict[str, _Item]):
    """What has names; one that is none is a KeyError that says which there are."""

    def __init__(self, what: str, items: Mapping[str, _Item]) -> None:
        super().__init__(items)
        self._what = what

    def __missing__(self, name: str) -> _Item:
        near = did_you_mean(str(name), self)
        raise UnknownName(f"{self._what} {name!r} is not allowed{near}; allowed: {', '.join(self)}")


def _tables_in(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in folder.glob("*.csv")))


@dataclass(frozen=True, eq=False, repr=False)
class System:
    """A system of a study: `name`, the `folder` of its results, and `row`, its row of the sweep table as a mapping."""

    name: str
    folder: Path
    row: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"System({self.name!r}, {printable(self.status)}, {counted(len(self.tables), 'table')} in {str(self.folder)!r})"

    @property
    def status(self) -> str:
        """`pass`, `warn`, or what is missing or wrong."""
        return str(self.row["status"])

    @property
    def is_finished(self) -> bool:
        """Whether all its stages and analyses are complete."""
        return self.status in ("pass", "warn")

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables of its analyses."""
        return _tables_in(self.folder / "analysis")

    def _missing(self) -> str:
        if not self.is_finished:
            return f"{self.name} is not finished ({printable(self.status)})"
        return f"allowed: {', '.join(self.tables) or 'none, since the system has no tables'}"

    def finished(self, file: str) -> Path:
        """Path of a file in its folder. Raises DataError if there is none, with what the system still lacks."""
        path = self.folder / file
        if not path.is_file():
            raise DataError(f"{path}: no such file; {self._missing()}")
        return path

    def table(self, name: str) -> pd.DataFrame:
        """A table of an analysis, such as `motion`; `attrs["units"]` and `attrs["meanings"]` are by column, and
        `attrs["verdict"]` is that of the whole analysis, if it has one.

        Raises DataError, one line, if there is none: with the reason where the run cannot have it, or what the system
        still lacks. Raises DataError, too, for a file that is not the one that was made.
        """
        from eoli.analysis.absent import NOT_AVAILABLE

        verdict = read_json(self.folder / "analysis" / f"{name}.json").get("verdict")
        if isinstance(verdict, str) and verdict.startswith(NOT_AVAILABLE):
            raise DataError(f"{self.name}: table {name} is {printable(verdict)}")
        path = self.folder / "analysis" / f"{name}.csv"
        table = _read(path, f"analysis/{name}.csv", self._missing())
        table.attrs["verdict"] = verdict if isinstance(verdict, str) else ""
        return table

    def scalars(self, analysis: str) -> Mapping[str, Any]:
        """All numbers of an analysis as it wrote them, nested, with units in the names.

        Raises DataError if there are none, or if the file is malformed or not the one that was made.
        """
        from eoli.analysis.results import read_scalars

        path = self.finished(f"analysis/{analysis}.json")
        check_inputs([path])
        found = read_scalars(path.parent, analysis)
        assert found is not None
        return found

    @cached_property
    def _scalars(self) -> dict[str, Mapping[str, Any]]:
        names = dict.fromkeys(quantity.analysis for quantity in QUANTITIES)
        return {name: self.scalars(name) for name in names if (self.folder / "analysis" / f"{name}.json").is_file()}

    @cached_property
    def _known(self) -> dict[str, Quantity]:
        return {quantity.name: quantity for quantity in (*QUANTITIES, *molecules_in([self._scalars]))}

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names of the numbers that the system has, resolved or not."""
        return tuple(name for name, quantity in self._known.items() if quantity.of(self._scalars) is not None)

    def quantity(self, name: str) -> Value:
        """A number such as `D_Li` or `conductivity_collective`, with error and verdict.

        Raises InputError, which is a KeyError, for a name that is none, DataError with the reason if the system does not
        have the number.
        """
        from eoli.study.columns import UNITS

        if name not in self._known:
            near = did_you_mean(name, self._known)
            raise UnknownName(f"quantity {name!r} is not allowed{near}; allowed: {', '.join(self.quantities)}")
        quantity = self._known[name]
        found = quantity.of(self._scalars)
        if found is None:
            scalars = self._scalars.get(quantity.analysis)
            why = self._missing() if scalars is None else scalars.get("verdict") or f"{quantity.analysis} found none"
            raise DataError(f"{self.name} has no {name}: {printable(str(why))}")
        return Value(
            name,
            found.value,
            found.error,
            found.least,
            found.bound,
            UNITS.get(quantity.unit, quantity.unit),
            found.verdict,
        )

    @cached_property
    def description(self) -> SystemDescription:
        """Molecules, sites, roles, charges and bonds. Raises DataError if the file is missing or malformed."""
        from eoli.topology.description import read_description

        return read_description(self.folder / "topology" / "system.json")

    def universe(self, stage: str | None = None) -> Universe:
        """Trajectory of a stage (by default the analysed one) as a Universe of MDAnalysis, in angstrom and ps.

        Besides what a topology has, atoms have `roles`, and selections know `role ether_O`. Positions are as the
        simulation wrote them: molecules are broken at the faces of the box. Raises DataError if there is no trajectory.
        """
        from eoli.trajectory.universe import universe_of

        name = stage or str(self.row["analysed_stage"])
        path = self.folder / name / "md.xtc"
        if not path.is_file():
            raise DataError(f"{path}: no such trajectory; {self._stages()}")
        return universe_of(self.description, path)

    def _stages(self) -> str:
        if not self.is_finished:
            return self._missing()
        return f"allowed: {', '.join(sorted(path.parent.name for path in self.folder.glob('*/md.xtc'))) or 'none'}"

    def groups(self, universe: Universe) -> dict[str, AtomGroup]:
        """Groups of atoms of its `universe`, by what they are: `Li`, `anion` (all atoms of the anions), `chain`, `solvent`;
        kinds of contact of lithium, such as `carbonyl_O`; and roles, such as `ether_O`."""
        from eoli.trajectory.universe import groups_of

        return _Named(f"{self.name}: group", groups_of(self.description, universe))


@dataclass(frozen=True, eq=False, repr=False)
class Study:
    """The results of a study: `folder`, its `sweep` table, and the `configuration` that the table was made with."""

    folder: Path
    sweep: pd.DataFrame
    configuration: Mapping[str, Any]

    def __repr__(self) -> str:
        return (
            f"Study({str(self.folder)!r}, {counted(len(self.sweep), 'system')}, {counted(len(self.tables), 'table')})"
        )

    @cached_property
    def systems(self) -> dict[str, System]:
        """Systems by name, in the order of the sweep. A name that is none raises InputError, which is a KeyError."""
        found = {}
        for record in self.sweep.to_dict("records"):
            name = record["system"]
            row = _Named(f"{name}: column", {str(key): cell for key, cell in record.items()})
            found[name] = System(name, self.folder / name, row)
        return _Named(f"{self.folder}: system", found)

    def system(self, name: str) -> System:
        """A system by name. Raises InputError if there is none."""
        return self.systems[name]

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables of the sweep."""
        return _tables_in(self.folder / "summary")

    def table(self, name: str) -> pd.DataFrame:
        """A table of the sweep, such as `starts`; `attrs["units"]` and `attrs["meanings"]` are by column.

        Raises DataError if there is none, or if it is malformed or not the file that was made.
        """
        file = name.removesuffix("-partial")
        return _read(
            self.folder / "summary" / f"{name}.csv", f"summary/{file}.csv",
            f"allowed: {', '.join(self.tables)}",
        )  # fmt: skip


def open_study(results: str | os.PathLike[str] = "results") -> Study:
    """The study whose results are in a folder.

    It reads `summary/sweep.csv`; of a study that still runs `summary/sweep-partial.csv`, which `eoli collect --partial`
    makes. Raises InputError if there is neither, DataError if the table is malformed or not the file that was made.
    """
    folder = Path(results)
    found = [path for name in _SWEEPS if (path := folder / "summary" / f"{name}.csv").is_file()]
    if not found:
        raise InputError(
            f"{folder / 'summary/sweep.csv'}: no such file; allowed: the folder of the results of a finished study "
            "(of one that still runs after: eoli collect --partial)"
        )
    sweep = _read(found[0], "summary/sweep.csv", "")
    return Study(folder, sweep, read_json(record_beside(found[0])).get("config") or {})
