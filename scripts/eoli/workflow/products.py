"""The products of each job, their inputs, and whether they match the study as it is now.

Snakemake forgets a job that once failed over a finished result, and forgets everything when its folder is lost. So each
call compares the records beside the results with the study. What differs is made again, whatever Snakemake remembers;
until then it is reported and its numbers are hidden.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from eoli.core.records import ENDING, Record, damaged, options_of, other_options, read_record_of
from eoli.errors import DataError
from eoli.study.config import Study
from eoli.study.systems import System, systems_of
from eoli.workflow.plan import EQUAL_LAG, FIGURES, PAPER_FORMATS, Plan

SUMMARY = "results/summary"
NO_RECORD = "it has no record of what it was made from"
LOST = "is missing"
PICTURES = ("figures", "parameters", "snapshot")
"""Products without numbers that tables or pages read."""
_NOTED = {
    "blocks_sha256": "building blocks",
    "citations_sha256": "sources",
    "systems": "systems",
    "study": "words about the study",
    "contacts_nm": "contact distances",
    "against": "systems or lag to compare displacements with",
}
"""Record keys that are compared with the study although they are not options."""
_HOW_FAR = frozenset(
    {"length-ns", "max-length-ns", "max-core-hours", "converge", "contact-nm", "target-error", "tolerance", "lag-ps"}
)
"""Options of a stage that say how far it goes: where others of these are asked for, its run is continued."""


@dataclass(frozen=True)
class Product:
    """Files of one job. `name` is for messages; `home` is the system's folder (empty for those of the sweep)."""

    name: str
    home: str
    record: str
    files: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    flags: str = ""
    noted: Mapping[str, Any] = field(default_factory=dict)


def _topology(plan: Plan, box: str) -> Product:
    folder = f"results/{box}/topology"
    files = (f"{folder}/system.top", f"{folder}/system.json", f"{folder}/forcefield.itp")
    noted = {"blocks_sha256": plan.blocks_digest(box)}
    return Product("topology", box, f"{folder}/system.{ENDING}", files, (), plan.topology_flags(box), noted)


def _box(plan: Plan, box: str) -> Product:
    folder, description = f"results/{box}/box", f"results/{box}/topology/system.json"
    repeated = plan.repeated_files(box)
    flags = plan.supercell_flags(box) if repeated else plan.box_flags(box)
    files = (f"{folder}/box.gro", f"{folder}/box.json")
    return Product("box", box, f"{folder}/box.{ENDING}", files, (description, *repeated), flags)


def _stage(plan: Plan, home: str, stage: str) -> Product:
    folder, topology = f"results/{home}/{stage}", f"results/{home}/topology"
    files = tuple(f"{folder}/{name}" for name in plan.study.stage(stage).published)
    inputs = (f"{topology}/system.top", f"{topology}/system.json", f"{topology}/forcefield.itp")
    return Product(
        stage, home, f"{folder}/{ENDING}", files, (*inputs, *plan.start_files(stage, home)), plan.stage_flags(stage, home)
    )  # fmt: skip


def _imported(plan: Plan, system: str) -> list[Product]:
    """The description and the trajectory of a run that was made elsewhere."""
    stage = plan.study.config.analysis.stage
    topology, folder, words = (
        f"results/{system}/topology/system",
        f"results/{system}/{stage}",
        plan.import_flags(system),
    )
    inputs = tuple(file for files in plan.import_files(system).values() for file in files)
    energies = ("md.edr",) if plan.imported[system].energies is not None else ()
    files = tuple(f"{folder}/{name}" for name in ("md.xtc", "verdict.json", *energies))
    return [
        Product("topology", system, f"{topology}.{ENDING}", (f"{topology}.json",), inputs, words),
        Product(stage, system, f"{folder}/md.{ENDING}", files, inputs, words),
    ]


def _analyses(plan: Plan, system: str) -> Iterator[Product]:
    folder, description = f"results/{system}/analysis", f"results/{system}/topology/system.json"

    def product(name: str, files: Sequence[str], inputs: Sequence[str], flags: str, record: str) -> Product:
        return Product(name, system, f"{folder}/{record}.{ENDING}", tuple(files), (*inputs, description), flags)

    for analysis in plan.analyses:
        if analysis.of == "cooling" and system in plan.imported:
            continue
        for stage in [stage.name for stage in plan.stages_of(system)] if analysis.of == "each" else [""]:
            record = analysis.known_by(stage).partition(".")[0]
            if plan.lacks(analysis, system):
                words = plan.absent_flags(analysis, system, stage)
                yield product(record, plan.outputs(analysis, system, stage), (), words, record)
                continue
            yield product(
                record, plan.outputs(analysis, system, stage), [plan.source(analysis, system, stage)],
                plan.analysis_flags(analysis, system, stage), record,
            )  # fmt: skip
    used = [
        f"{folder}/{name}.csv" for name in ("structure", "motion", "ions", "conductivity", "mechanism", "morphology")
    ]
    figures = [f"{folder}/{figure}.{ending}" for figure in FIGURES for ending in ("svg", "png")]
    yield product("figures", figures, used, "", "figures")
    if system in plan.imported:
        return
    page, noted = f"results/{system}/topology/parameters", {"citations_sha256": plan.citations_digest}
    yield Product("parameters", system, f"{page}.{ENDING}", (f"{page}.html",), (description,), "", noted)


def _summary(plan: Plan) -> Iterator[Product]:
    for group, systems in plan.replica_groups.items():
        inputs = [
            f"results/{system}/{file}" for system in systems for file in ("analysis/reduced.h5", "topology/system.json")
        ]
        file = f"{SUMMARY}/starts/{group}"
        yield Product(
            f"starts {group}", "", f"{file}.{ENDING}", (f"{file}.json",), tuple(inputs), plan.starts_flags(group)
        )
    sweep = f"{SUMMARY}/sweep.csv"
    tables = plan.table_files()
    config = plan.study.config
    noted = {"study": config.study, "systems": list(plan.systems)}
    yield Product("sweep.csv", "", f"{SUMMARY}/sweep.{ENDING}", (sweep,), tuple(tables), "", noted)
    verdicts = tuple(plan.files([stage.name for stage in plan.study.stages], "verdict.json"))
    yield Product("cost.csv", "", f"{SUMMARY}/cost.{ENDING}", (f"{SUMMARY}/cost.csv",), verdicts)
    structures = tuple(f"results/{system}/analysis/structure.csv" for system in plan.salted())
    contacts = {"contacts_nm": config.analysis.contacts_nm}
    file = f"{SUMMARY}/cutoffs"
    yield Product("cutoffs.csv", "", f"{file}.{ENDING}", (f"{file}.csv",), structures, "", contacts)
    if plan.cooling_stage:
        volumes = tuple(f"results/{system}/analysis/specific-volume.csv" for system in plan.built)
        files = tuple(f"{SUMMARY}/glass-transition.{ending}" for ending in ("csv", "svg", "png"))
        yield Product("glass-transition.csv", "", f"{SUMMARY}/glass-transition.{ENDING}", files, volumes)
    compared = ["study.csv", "experiments.csv", "compare.json", *(f"{name}.csv" for name in EQUAL_LAG)]
    compared += [f"{EQUAL_LAG[0]}.{ending}" for ending in ("svg", "png")]
    displacements = tuple(f"results/{system}/analysis/displacement.csv" for system in plan.salted())
    yield Product(
        "study.csv", "", f"{SUMMARY}/study.{ENDING}", tuple(f"{SUMMARY}/{name}" for name in compared), (sweep, *displacements),
        "", {"against": config.equal_lag.noted},
    )  # fmt: skip
    made = {
        "temperature": ["temperature.csv"],
        "replicas": ["replicas.csv", "starts.csv"],
        "figures": [f"{name}.{ending}" for name in plan.sweep_figures for ending in ("svg", "png")],
        "paper": [f"paper.{ending}" for ending in PAPER_FORMATS],
        "report": ["report.html"],
    }
    for stem, names in made.items():
        yield Product(
            names[0], "", f"{SUMMARY}/{stem}.{ENDING}", tuple(f"{SUMMARY}/{name}" for name in names), (sweep,)
        )


def products_of(plan: Plan) -> list[Product]:
    """Products of a study, each after its inputs."""
    homes = {
        home: None
        for name, s in plan.systems.items()
        for home in [name, *(s.home(stage.name) for stage in plan.stages_of(name))]
    }
    # dependencies first: series before their systems, parents before supercells
    ordered = sorted(homes, key=lambda home: (plan.boxes[home].parent is not None, home in plan.systems))
    steps = {(s.home(x.name), x.name) for name, s in plan.systems.items() for x in plan.stages_of(name)}
    found = []
    for home in ordered:
        if home in plan.imported:
            found += _imported(plan, home)
            continue
        found += [_topology(plan, home), _box(plan, home)]
        found += [_stage(plan, home, stage.name) for stage in plan.study.stages if (home, stage.name) in steps]
    for system in plan.systems:
        found += _analyses(plan, system)
    return [*found, *_summary(plan)]


@dataclass(frozen=True)
class Stale:
    """A product that does not match the study, and why."""

    product: Product
    reason: str

    def __str__(self) -> str:
        return f"{self.product.home} {self.product.name}: {self.reason}".lstrip()


class Results:
    """The results in a folder, compared with the study; each record is read once."""

    def __init__(self, plan: Plan, folder: Path = Path("results")) -> None:
        self._folder = folder
        self._records: dict[str, Record | DataError | None] = {}
        self.products = products_of(plan)

    @cached_property
    def _by_file(self) -> dict[str, Product]:
        return {file: product for product in self.products for file in product.files}

    @cached_property
    def _used(self) -> dict[str, list[Product]]:
        """Per-system products that use a product, by its record."""
        used: dict[str, list[Product]] = {}
        for product in self.products:
            if not product.home:
                continue
            for made_from in {self._by_file[file].record for file in product.inputs if file in self._by_file}:
                used.setdefault(made_from, []).append(product)
        return used

    @cached_property
    def _by_home(self) -> dict[str, list[Product]]:
        found: dict[str, list[Product]] = {}
        for product in self.products:
            found.setdefault(product.home, []).append(product)
        return found

    @cached_property
    def _order(self) -> dict[str, int]:
        return {product.record: number for number, product in enumerate(self.products)}

    def _path(self, file: str) -> Path:
        return self._folder / file.removeprefix("results/")

    def _record(self, product: Product) -> Record | None:
        if product.record not in self._records:
            try:
                self._records[product.record] = read_record_of(self._path(product.record))
            except DataError as error:
                self._records[product.record] = error
        known = self._records[product.record]
        if isinstance(known, DataError):
            raise known
        return known

    def _is_there(self, product: Product) -> bool:
        return self._path(product.record).is_file() or self._path(product.files[0]).exists()

    def reason(self, product: Product) -> str | None:
        """Why a product does not match the study; None if it does or was never made."""
        try:
            record = self._record(product)
        except DataError:
            return "its record cannot be read"
        if record is None:
            if any(self._path(file).exists() for file in product.files):
                return NO_RECORD
            return LOST if any(map(self._is_there, self._used.get(product.record, ()))) else None
        lost = [Path(file).name for file in product.files if not self._path(file).exists()]
        if lost:
            return f"{lost[0]} is missing"
        if differs := self._asked_otherwise(product, record):
            return differs
        if wrong := damaged(record):
            return wrong[0]
        return self._made_from_others(product, record)

    def other_runs(self) -> dict[tuple[str, str], str]:
        """Stages by (home, name) whose run is of another study, so that the next call starts it afresh instead of
        continuing it, with the reason. One that is only lost, damaged or of another length is none."""
        remade: dict[str, str] = {}
        found: dict[tuple[str, str], str] = {}
        for product in self.products:
            is_stage = product.record == f"results/{product.home}/{product.name}/{ENDING}"
            if not is_stage and product.name not in ("topology", "box"):
                continue
            producers = (self._by_file[file].record for file in product.inputs if file in self._by_file)
            text = next((remade[record] for record in producers if record in remade), None)
            try:
                record = self._record(product)
            except DataError:
                record = None
            if text is None and record is not None:
                text = self._asked_otherwise(product, record, _HOW_FAR) or self._made_from_others(product, record)
                text = text and f"{product.name}: {text}"
            if text is not None and is_stage:
                found[product.home, product.name] = text
            # what follows a run that is continued starts from its new end
            longer = None if record is None else self._asked_otherwise(product, record)
            if text or longer:
                remade[product.record] = text or f"{product.name}: {longer}"
        return found

    def _asked_otherwise(self, product: Product, record: Record, left_out: Collection[str] = ()) -> str | None:
        if product.flags:
            asked = {
                name: values for name, values in options_of(shlex.split(product.flags)).items() if name not in left_out
            }
            found = {name: values for name, values in record.options.items() if name not in left_out}
            if differs := other_options(asked, replace(record, options=found)):
                return ", ".join(differs)
        for key, value in product.noted.items():
            if key in record.more and record.more[key] != value:
                return f"was made with other {_NOTED[key]}"
        return None

    def _made_from_others(self, product: Product, record: Record) -> str | None:
        producers = {p.record: p for file in product.inputs if (p := self._by_file.get(file)) is not None}
        return next((text for p in producers.values() if (text := self._made_from_another(product, record, p))), None)

    def _made_from_another(self, product: Product, record: Record, producer: Product) -> str | None:
        try:
            before = self._record(producer)
        except DataError:
            return None
        # records of earlier versions have no marks
        if before is None or not before.outputs or not record.outputs:
            return None
        folder = producer.record.rpartition("/")[0]
        for name, known in before.outputs.items():
            file = f"{folder}/{name}"
            # inputs beyond those of the rule, such as a topology's molecules, are only in the job's record
            if (file in product.inputs or file in record.inputs) and record.inputs.get(file) != known.sha256:
                return f"was made from another {name} of {producer.home or 'the sweep'} {producer.name}"
        return None

    def stale(self, products: Iterable[Product] | None = None) -> list[Stale]:
        """Those of `products` (default: all) that do not match the study, in order."""
        chosen = self.products if products is None else products
        return [Stale(product, text) for product in chosen if (text := self.reason(product)) is not None]

    def behind(self, targets: Iterable[str]) -> list[Product]:
        """Products that Snakemake's targets need: for a file its product and all upstream; for anything else, all."""
        wanted: set[str] = set()
        pending = list(targets)
        if not pending or any(target not in self._by_file for target in pending):
            return self.products
        while pending:
            product = self._by_file.get(pending.pop())
            if product is not None and product.record not in wanted:
                wanted.add(product.record)
                pending += product.inputs
        return [product for product in self.products if product.record in wanted]

    def of_system(self, system: System) -> list[Stale]:
        """What of a system's results does not match the study, in order, without pictures.

        Results without a record are left out too: nothing says that they differ. Snakemake makes them again.
        """
        homes = {system.name, *map(system.home, system.common)}
        chosen = [product for home in homes for product in self._by_home.get(home, ()) if product.name not in PICTURES]
        found = self.stale(sorted(chosen, key=lambda product: self._order[product.record]))
        return [one for one in found if one.reason not in (NO_RECORD, LOST)]


def plan_of(study: Study) -> Plan:
    """The plan of a study outside Snakemake."""
    return Plan(study, systems_of(study), "")


def outdated(study: Study, results: Path) -> dict[str, str]:
    """Systems whose results do not match the study, with the first reason."""
    plan = plan_of(study)
    found = Results(plan, results)
    return {
        name: f"{stale[0].product.name}: {stale[0].reason}"
        for name, system in plan.systems.items()
        if (stale := found.of_system(system))
    }
