"""Model of a reference: numbers and claims of a study, and our counterpart of each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from eoli.core.validation import Strict, validate
from eoli.core.yamlfile import read_yaml


class Comparable(Strict):
    """Whether a number or claim means the same as ours, and why."""

    answer: bool
    reason: str


class Value(Strict):
    """A number for one system; without `eo_li` the system has no salt. `scalar` is the path of ours."""

    of: str | None = None
    polymer: str
    eo_li: float | None = Field(None, gt=0)
    temperature_K: float | None = Field(None, gt=0)
    value: float
    scalar: str | None = None

    @model_validator(mode="after")
    def _said(self) -> Value:
        for key in sorted(self.model_fields_set):
            if getattr(self, key) is None:
                raise ValueError(f"{key} is empty; allowed: a value, or no such key")
        return self


class _Entry(Strict):
    id: str
    what: str
    where: str
    status: Literal["verified", "recalled"]
    origin: Literal["simulated", "measured"]
    comparable: Comparable


class Numbers(_Entry):
    """Numbers of one kind; ours times `factor` is in `unit`. A value above that of path `limit` needs a larger box, and
    numbers of a whole box mean something in one of `of_chains` alone."""

    unit: str
    uncertainty: float = Field(0.0, ge=0)
    factor: float = 1.0
    limit: str | None = None
    of_chains: int | None = Field(None, ge=1)
    systems: list[Value] = Field(min_length=1)

    @model_validator(mode="after")
    def _answered(self) -> Numbers:
        if self.comparable.answer and any(value.scalar is None for value in self.systems):
            raise ValueError(f"{self.id} is comparable: every value needs a scalar")
        return self


class Of(Strict):
    """Systems of a polymer, at the given ratios or at any."""

    polymer: str
    eo_li: list[float] = Field(default_factory=list)


class _Test(Strict):
    """The first resolved one of `scalars` counts; the verdicts at the paths `needs` must be resolved, too."""

    of: Of
    scalars: list[str] = Field(min_length=1)
    unit: str
    needs: list[str] = Field(default_factory=list)


class Larger(_Test):
    """The scalar is larger in `of` than in `than`, with all other axes equal."""

    kind: Literal["larger"]
    than: Of


class Farther(Strict):
    """Such particles move farther in `of` than in `than` in the same time, with all other axes equal."""

    kind: Literal["farther"]
    of: Of
    than: Of
    particle: Literal["Li", "anion", "ether_O"]
    unit: Literal["ratio"] = "ratio"


class Present(_Test):
    """The scalar is above zero."""

    kind: Literal["present"]


class BeyondRandom(_Test):
    """The comparison with random arrangements at the path `verdict` says `above`."""

    kind: Literal["beyond_random"]
    verdict: str


Test = Annotated[Larger | Farther | Present | BeyondRandom, Field(discriminator="kind")]


class Claim(_Entry):
    """A claim in words, with its test."""

    tests: list[Test] = Field(default_factory=list)

    @model_validator(mode="after")
    def _tested(self) -> Claim:
        if self.comparable.answer and not self.tests:
            raise ValueError(f"{self.id} is comparable: it needs tests")
        return self


class Reference(Strict):
    """Contents of a study."""

    cite: str
    thesis: str
    article: str
    doi: str
    salt: str
    simulated_at_K: float = Field(gt=0)
    numbers: list[Numbers]
    claims: list[Claim]


def compared_with(reference: Reference) -> str | None:
    """Polymer that a study's first claim of moving farther compares with; None if it claims nothing like that."""
    tests = (test for claim in reference.claims for test in claim.tests)
    return next((test.than.polymer for test in tests if isinstance(test, Farther)), None)


def read_reference(path: Path) -> Reference:
    """Read a reference. Raises InputError with one line."""
    file = read_yaml(path)
    return validate(Reference, file.data, [file])
