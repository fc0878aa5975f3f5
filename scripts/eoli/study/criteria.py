"""Criteria of the analyses: the `analysis` section of a configuration, and the model of each analysis.

Criteria come from a study or from command-line options; names, limits and descriptions are declared here once. Imports
are light because every job loads this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from eoli.core.names import Line
from eoli.core.validation import Count, Kelvin, Strict, section
from eoli.study.annealing import Plateau, plateaus
from eoli.study.protocol import Protocol, Stage


def _growing(edges: list[int]) -> list[int]:
    if sorted(set(edges)) != edges:
        raise ValueError(f"{edges} do not grow; allowed: each larger than the one before")
    return edges


Interval = Annotated[float, Field(gt=0, le=1e6)]


class ContactDistances(Strict):
    """Distances within which a site binds lithium, the same for all systems so that they can be compared."""

    ether_O: float = Field(0.35, gt=0.1, le=0.5, description="ether oxygen, nm")
    carbonyl_O: float = Field(0.32, gt=0.1, le=0.5, description="carbonyl oxygen of amide and ester, nm")
    ester_bridging_O: float = Field(0.32, gt=0.1, le=0.5, description="bridging oxygen of the ester, nm")
    hydroxyl_O: float = Field(0.35, gt=0.1, le=0.5, description="oxygen of a hydroxyl end, nm")
    solvent_O: float = Field(0.32, gt=0.1, le=0.5, description="binding oxygen of a solvent, nm")
    solvent_N: float = Field(0.32, gt=0.1, le=0.5, description="binding nitrogen of a solvent, nm")
    anion: float = Field(0.30, gt=0.1, le=0.5, description="oxygen of the anion, or its other binding sites, nm")


RARE_CONTACTS = ("hydroxyl_O", "solvent_O", "solvent_N")
"""Kinds of contact that few systems have: analyses are told the distance only where a system has the role."""


class Mechanism(Strict):
    """What counts as a residence and as a move of lithium."""

    break_ps: float = Field(2.0, ge=0, le=1e6, description="absences up to this do not end a residence")
    hold_ps: float = Field(
        10.0, ge=0, le=1e6, description="a new host chain, or place on it, counts once held this long"
    )
    least_units: float = Field(
        1.0, ge=0.01, le=1000, description="least shift, in repeat units, that is a move along a chain"
    )
    unit_edges: Annotated[list[Annotated[int, Field(gt=0, le=100_000)]], AfterValidator(_growing)] = Field(
        [4, 12],
        min_length=1,
        max_length=20,
        description="repeat units from the amide block, or the chain end, that part the segments",
    )


class Renewal(Strict):
    """What counts as a transfer of lithium from chain to chain."""

    return_ps: float = Field(
        100.0, ge=0, le=1e6, description="lithium back on a chain within this has not been transferred"
    )


class Morphology(Strict):
    """Domains and S(q)."""

    distance_nm: float = Field(0.6, gt=0.2, le=5, description="sites of one block closer than this are connected")
    q_max_per_nm: float = Field(20.0, ge=0.5, le=200, description="largest wave vector of S(q)")
    weighting: Literal["electrons", "composition"] = Field(
        "electrons", description="contrast of S(q): what X-rays see, or PEO against PA"
    )


class HydrogenBonds(Strict):
    """What counts as a hydrogen bond."""

    distance_nm: float = Field(0.25, gt=0.1, le=0.4, description="largest distance H...A")
    angle_deg: float = Field(130.0, ge=90, le=180, description="smallest angle N-H...A")


class GivenViscosity(Strict):
    """Viscosity of the contents of a box, known from elsewhere."""

    mPa_s: float = Field(gt=0, le=1e12, description="viscosity, mPa s")
    error_mPa_s: float = Field(ge=0, le=1e12, description="its standard error")
    source: Line = Field(description="where it is from")


class AnalysisSection(Strict):
    """Frames and criteria of the analyses."""

    stage: str = Field("production", description="stage whose trajectory is analysed")
    cooling_stage: str | None = Field(
        None, description="stage of a melt that is cooled by steps: the glass transition is read from its volumes"
    )
    motion_interval_ps: Interval = Field(
        1.0,
        description="spacing of the frames for motion and residence; a whole multiple of the stage's frame_interval_ps",
    )
    structure_interval_ps: Interval = Field(
        1.0,
        description="spacing of the frames for g(r), chains, torsions, F and ether O; a whole multiple of motion's",
    )
    slow_interval_ps: Interval = Field(
        10.0,
        description="spacing of whole frames for domains, S(q), hydrogen bonds; a whole multiple of the stage's "
        "frame_interval_ps",
    )
    rdf_range_nm: float = Field(1.5, gt=0.3, le=100, description="largest distance of g(r), cut at half the box")
    rdf_bin_nm: float = Field(0.004, ge=1e-4, le=0.05, description="bin of g(r)")
    contact_nm: ContactDistances = section(ContactDistances, "distances that bind lithium")
    diffusive_tolerance: float = Field(
        0.1, gt=0, lt=0.5, description="motion is diffusive where the local exponent is within this of 1"
    )
    target_error: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="relative error of D, or of a ratio of displacements, for which the run length is estimated",
    )
    viscosity: dict[Line, GivenViscosity] = Field(
        default_factory=dict,
        description="viscosities by system, without the number of its start, for D without the size of a cubic box: "
        "`{peo-eo12-450K: {mPa_s: 40, error_mPa_s: 8, source: own run}}`",
    )
    mechanism: Mechanism = section(Mechanism, "residences and moves of lithium")
    renewal: Renewal = section(Renewal, "transfers of lithium, and D from them")
    morphology: Morphology = section(Morphology, "domains and S(q)")
    hydrogen_bonds: HydrogenBonds = section(HydrogenBonds, "hydrogen bonds of the amide")
    interaction_frames: int = Field(100, gt=0, le=100_000, description="frames at most for interaction energies")

    @property
    def contacts_nm(self) -> dict[str, float]:
        """Contact distances by kind, of lithium and of hydrogen bonds."""
        return {**self.contact_nm.model_dump(), "hydrogen_bond": self.hydrogen_bonds.distance_nm}


class OneSystem(Strict):
    """What an analysis may need to know about its system."""

    name: str = Field(description="name of the system, for the titles")
    starts: list[str] = Field(description="names of all independent starts of the system")
    temperature_K: Kelvin = Field(description="temperature of the run")
    contact_nm: dict[str, float] = Field(description="distance within which a kind of site binds lithium")
    copies: list[Count] | None = Field(None, description="of a smaller box that the start repeated, along x, y and z")
    viscosity_mPa_s: float | None = Field(None, gt=0, le=1e12, description="of the system, known from elsewhere")
    viscosity_error_mPa_s: float | None = Field(None, ge=0, le=1e12, description="standard error of that viscosity")
    viscosity_source: Line | None = Field(None, description="where that viscosity is from")


class Facts(Strict):
    """All that criteria are filled from; `stage` is the stage that the analysis reads."""

    analysis: AnalysisSection
    protocol: Protocol
    stage: Stage
    system: OneSystem


@dataclass(frozen=True)
class From:
    """Marks a criterion whose value comes from a key of `Facts`, given by its path."""

    path: str

    @property
    def field(self) -> tuple[type[BaseModel], str]:
        """Model and name of the field that holds limits and description."""
        *above, name = self.path.split(".")
        model: type[BaseModel] = Facts
        for key in above:
            found = model.model_fields[key].annotation
            assert isinstance(found, type)
            model = found
        return model, name


class Criteria(Strict):
    """Criteria of an analysis. A field without `From` is a key of `section`, whose model the class inherits."""

    section: ClassVar[str] = ""

    @classmethod
    def origin(cls, name: str) -> From:
        """Where the value of a criterion comes from."""
        marks = [mark for mark in cls.model_fields[name].metadata if isinstance(mark, From)]
        return marks[0] if marks else From(f"{cls.section}.{name}")

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """The criteria of a study; `facts` has the keys of Facts as nested mappings."""
        values = {}
        for name in cls.model_fields:
            value: Any = facts
            for key in cls.origin(name).path.split("."):
                value = value[key]
            values[name] = value
        return cls.model_validate(values)


Tolerance = Annotated[float, From("analysis.diffusive_tolerance")]
TargetError = Annotated[float, From("analysis.target_error")]
Contacts = Annotated[dict[str, float], From("system.contact_nm")]
AnionContact = Annotated[float | None, From("analysis.contact_nm.anion")]
IonFrames = Annotated[float, From("analysis.structure_interval_ps")]
Temperature = Annotated[float, From("system.temperature_K")]
Hold = Annotated[float, From("analysis.mechanism.hold_ps")]


def _without_bridging_oxygen(distances: dict[str, float]) -> dict[str, float]:
    return {kind: nm for kind, nm in distances.items() if kind != "ester_bridging_O"}


def _named_as_pairs(distances: dict[str, float]) -> dict[str, float]:
    return {"anion_O" if kind == "anion" else kind: nm for kind, nm in distances.items()}


class _OfRun(Criteria):
    """Length of the run: input that ends earlier is refused."""

    length_ns: Annotated[float | None, From("stage.length_ns")] = None

    @property
    def length_ps(self) -> float | None:
        """Length of the run, ps, if known."""
        return None if self.length_ns is None else self.length_ns * 1000


class _OfFrames(Criteria):
    frame_interval_ps: Annotated[float, From("stage.frame_interval_ps")]


class ReduceCriteria(_OfRun, _OfFrames):
    """Frames to decode by purpose, and the range of g(r)."""

    motion_interval_ps: Annotated[float, From("analysis.motion_interval_ps")]
    structure_interval_ps: Annotated[float, From("analysis.structure_interval_ps")]
    slow_interval_ps: Annotated[float, From("analysis.slow_interval_ps")]
    rdf_range_nm: Annotated[float, From("analysis.rdf_range_nm")]
    rdf_bin_nm: Annotated[float, From("analysis.rdf_bin_nm")]


class _OfEnergies(Criteria):
    equilibrates: Annotated[bool, From("stage.equilibrates")] = True


class DensityCriteria(_OfRun, _OfEnergies):
    """Facts about the stage that wrote the energies."""


class _OfStage(Criteria):
    stage: Annotated[str, From("stage.name")]


class TracesCriteria(_OfRun, _OfEnergies, _OfStage):
    """Facts about a stage; its name goes into the file names."""


class SpecificVolumeCriteria(Criteria):
    """The temperature program of a cooling run."""

    from_K: Annotated[float, From("stage.temperature_from_K")]
    to_K: Annotated[float, From("stage.temperature_K")]
    step_K: Annotated[float, From("stage.temperature_step_K")]
    length_ns: Annotated[float, From("stage.length_ns")]

    @model_validator(mode="after")
    def _changes(self) -> Self:
        if self.from_K == self.to_K:
            raise ValueError(f"to_K {self.to_K:g} is not allowed; allowed: another temperature than from_K")
        return self

    @property
    def course(self) -> list[Plateau]:
        """Plateaus of the cooling."""
        return plateaus(self.from_K, self.to_K, self.step_K, self.length_ns * 1000)


class StructureCriteria(Criteria):
    """Contact distances of lithium."""

    contact_nm: Contacts


class _OfViscosity(Criteria):
    """A viscosity that is known from elsewhere, with its error and source; all None if there is none."""

    viscosity_mPa_s: Annotated[float | None, From("system.viscosity_mPa_s")] = None
    viscosity_error_mPa_s: Annotated[float | None, From("system.viscosity_error_mPa_s")] = None
    viscosity_source: Annotated[str | None, From("system.viscosity_source")] = None

    @property
    def viscosity(self) -> GivenViscosity | None:
        """The viscosity, if it is given."""
        if self.viscosity_mPa_s is None:
            return None
        return GivenViscosity(
            mPa_s=self.viscosity_mPa_s, error_mPa_s=self.viscosity_error_mPa_s or 0.0, source=self.viscosity_source or "not said",
        )  # fmt: skip


class MotionCriteria(_OfViscosity):
    """When motion is diffusive, the target error of D, the ether contact distance, temperature, and a viscosity."""

    temperature_K: Temperature
    tolerance: Tolerance
    target_error: TargetError
    contact_nm: Annotated[float, From("analysis.contact_nm.ether_O")]


class DisplacementCriteria(Criteria):
    """None: lags, blocks and errors follow from the frames."""


class IonsCriteria(Criteria):
    """Contact distance of anion and lithium; None if there is none."""

    contact_nm: AnionContact
    use_interval_ps: IonFrames


class ConductivityCriteria(IonsCriteria):
    """Ion contacts, tolerance of diffusive motion, temperature."""

    tolerance: Tolerance
    temperature_K: Temperature


LithiumContacts = Annotated[Contacts, AfterValidator(_without_bridging_oxygen)]


class StartsCriteria(_OfViscosity):
    """Criteria of motion, conductivity and the renewal model, for all replicas of a system."""

    systems: Annotated[list[str], From("system.starts")]
    temperature_K: Temperature
    tolerance: Tolerance
    target_error: TargetError
    contact_nm: Annotated[float, From("analysis.contact_nm.anion")]
    use_interval_ps: IonFrames
    lithium_contact_nm: LithiumContacts
    hold_ps: Hold
    return_ps: Annotated[float, From("analysis.renewal.return_ps")]


class MechanismCriteria(Mechanism, Criteria):
    """Contacts, tolerance of diffusive motion, and the section. Bridging ester oxygens do not count as hosts."""

    section = "analysis.mechanism"
    contact_nm: LithiumContacts
    tolerance: Tolerance


class RenewalCriteria(Renewal, Criteria):
    """Contacts, how long a new host must lead, tolerance of diffusive motion, temperature, and the section.

    Bridging ester oxygens do not count as hosts.
    """

    section = "analysis.renewal"
    contact_nm: LithiumContacts
    hold_ps: Hold
    tolerance: Tolerance
    temperature_K: Temperature


class MorphologyCriteria(Morphology, Criteria):
    """The section, and the copies of a repeated box."""

    section = "analysis.morphology"
    copies: Annotated[list[int] | None, From("system.copies")] = None


class HydrogenBondsCriteria(HydrogenBonds, Criteria):
    """The section."""

    section = "analysis.hydrogen_bonds"


class SnapshotsCriteria(Criteria):
    """Name for the titles, and contact distances of lithium."""

    system: Annotated[str, From("system.name")]
    contact_nm: Contacts


class InteractionsCriteria(_OfFrames):
    """Frames, cut-off of the run, and contact distance of each partner of lithium."""

    frames: Annotated[int, From("analysis.interaction_frames")]
    cutoff_nm: Annotated[float, From("protocol.cutoff_nm")]
    contact_nm: Annotated[Contacts, BeforeValidator(_named_as_pairs), AfterValidator(_without_bridging_oxygen)]
