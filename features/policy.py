"""Coverage policies as data: ``policies/*.yaml``, checked when they are read.

A policy is a tree. Inner nodes are ``all``, ``any``, ``at_least`` (with ``of``) or ``not``; a leaf's ``evidence`` says which
facts show it. What always goes to a human stands in ``human_review``. No key of a policy can refuse a request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from features.errors import PolicyError
from features.lexicon import Lexicon
from features.types import AuthorizationRequest, Course, DocumentType, PolicyReference, ReviewType

TimeUnit = Literal["d", "wk", "mo", "a"]
Basis = Literal["national", "local", "guideline", "common"]
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Span(_Part):
    """A length of time."""

    value: float = Field(gt=0)
    unit: TimeUnit


class Comparison(_Part):
    """A measured value against a limit, both in ``unit`` (UCUM)."""

    op: Literal["<", "<=", ">", ">="]
    value: float
    unit: str


class Evidence(_Part):
    """Which facts show a criterion. Every part that is given must hold of one and the same fact.

    - ``concepts``: lexicon concepts or measurements, any of them;
    - ``positive``: an examination sign needs a positive result;
    - ``compared``: the measured value lies within all of these limits;
    - ``lasting``: it lasted at least so long without a gap;
    - ``dated``: the document itself gives a date or period for it;
    - ``courses``: how a treatment went (default for treatments: it took place);
    - ``within``: it was so no longer than this before the request; ``beyond``: it was so at least this long before;
    - ``onset_within``: it began or happened no longer than this before the request, by a date or length the notes give;
    - ``historical``: also when the note puts it in the past; ``earlier``: only when it does, or dates it before itself;
    - ``same_side``: not on the other side than the request's; ``regions``: not about another part of the body;
    - ``document_types``, ``sections``: where it counts;
    - ``before``: dated before the earliest fact of these concepts; ``not_before_end_of``: not dated before the latest of
      these treatments ended;
    - ``contradiction``: ``any`` contradicted concept makes the leaf conflicting, or only when ``all`` that support it are;
      ``none`` where several values stand side by side (the grade of each muscle).
    """

    concepts: tuple[str, ...] = Field(min_length=1)
    positive: bool = False
    compared: tuple[Comparison, ...] = ()
    lasting: Span | None = None
    dated: bool = False
    courses: tuple[Course, ...] = ()
    within: Span | None = None
    onset_within: Span | None = None
    beyond: Span | None = None
    historical: bool = False
    earlier: bool = False
    same_side: bool = False
    regions: tuple[str, ...] = ()
    document_types: tuple[DocumentType, ...] = ()
    sections: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    not_before_end_of: tuple[str, ...] = ()
    contradiction: Literal["any", "all", "none"] = "any"


class Criterion(_Part):
    """A node of the tree: exactly one of ``all``, ``any``, ``of`` (with ``at_least``), ``not``, ``evidence``."""

    id: Identifier
    statement: str = Field(min_length=10)
    basis: Basis | None = None
    source: str | None = None
    ask: str | None = None
    all_of: tuple[Criterion, ...] | None = Field(default=None, alias="all", min_length=1)
    any_of: tuple[Criterion, ...] | None = Field(default=None, alias="any", min_length=1)
    at_least: int | None = Field(default=None, ge=1)
    of: tuple[Criterion, ...] | None = Field(default=None, min_length=1)
    none_of: Criterion | None = Field(default=None, alias="not")
    evidence: Evidence | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Criterion:
        kinds = [k for k in (self.all_of, self.any_of, self.of, self.none_of, self.evidence) if k is not None]
        if len(kinds) != 1:
            raise ValueError(f"{self.id}: give exactly one of all, any, of, not, evidence")
        if (self.of is None) != (self.at_least is None) or (self.of and (self.at_least or 0) > len(self.of)):
            raise ValueError(f"{self.id}: at_least needs of, with at least that many entries")
        if self.evidence is not None and (self.ask is None or self.basis is None):
            raise ValueError(f"{self.id}: a leaf needs a basis and the question to ask when it is not documented")
        return self

    @property
    def children(self) -> tuple[Criterion, ...]:
        """The nodes below this one, in order."""
        if self.none_of is not None:
            return (self.none_of,)
        return self.all_of or self.any_of or self.of or ()

    def walk(self) -> Iterator[Criterion]:
        """This node and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


class HumanReview(_Part):
    """Something that always goes to a human where the facts show it."""

    id: Identifier
    statement: str = Field(min_length=10)
    evidence: Evidence


class Source(_Part):
    """A public document the policy is written from."""

    id: str
    kind: str
    link: str | None = None


class Code(_Part):
    """A service code the policy covers."""

    system: str
    code: str


class Effective(_Part):
    """The days a version is in force, both included; no ``until``: still in force."""

    since: date = Field(alias="from")
    until: date | None = Field(default=None, alias="to")


class AgeLimits(_Part):
    """Completed years of age the policy is written for."""

    min: int = 0
    max: int = 130


class CoveragePolicy(_Part):
    """One version of one coverage policy.

    ``family`` is the service family the score's guarantee is given for; ``diagnoses`` are ICD-10-CM prefixes that support
    the service (none: any); ``side_required`` says the request must name a side; ``regions`` the parts of the body it is
    for.
    """

    policy_id: Identifier
    version: str
    title: str
    family: str
    effective: Effective
    sources: tuple[Source, ...] = Field(min_length=1)
    codes: tuple[Code, ...] = Field(min_length=1)
    diagnoses: tuple[str, ...] = ()
    review_types: tuple[ReviewType, ...] = ("prospective",)
    age: AgeLimits = AgeLimits()
    side_required: bool = False
    regions: tuple[str, ...] = ()
    most_units: float = 1
    criteria: Criterion
    human_review: tuple[HumanReview, ...] = ()

    @model_validator(mode="after")
    def _distinct(self) -> CoveragePolicy:
        seen: set[str] = set()
        for entry in [node.id for node in self.criteria.walk()] + [item.id for item in self.human_review]:
            if entry in seen:
                raise ValueError(f"{entry}: used twice")
            seen.add(entry)
        return self

    @property
    def reference(self) -> PolicyReference:
        """What a result names as its policy."""
        source = "; ".join(source.id for source in self.sources)
        return PolicyReference(self.policy_id, self.version, source, self.title, self.family)

    def in_force(self, day: date) -> bool:
        """Whether this version is in force on ``day``."""
        return self.effective.since <= day and (self.effective.until is None or day <= self.effective.until)


@dataclass(frozen=True, slots=True)
class PolicySet:
    """All policies and a hash that changes when any of them does."""

    policies: tuple[CoveragePolicy, ...]
    hash: str

    def covering(self, request: AuthorizationRequest) -> CoveragePolicy | None:
        """The version that covers the request's service on the day it was received; None where there is none."""
        day = request.received_at.date()
        for policy in self.policies:
            if policy.in_force(day) and any(
                code.system == request.service.system and code.code.upper() == request.service.code.upper()
                for code in policy.codes
            ):
                return policy
        return None

    def get(self, policy_id: str) -> CoveragePolicy | None:
        """The newest version of that id; None where there is none."""
        versions = [policy for policy in self.policies if policy.policy_id == policy_id]
        return max(versions, key=lambda policy: policy.effective.since, default=None)


def load_policies(folder: Path | None = None) -> PolicySet:
    """Read every ``*.yaml`` of ``folder`` (the packaged policies by default).

    Raises PolicyError naming file and place for a broken one.
    """
    return _packaged() if folder is None else _read(folder)


@cache
def _packaged() -> PolicySet:
    return _read(resources.files("features") / "policies")


def _read(folder: Traversable | Path) -> PolicySet:
    digest = hashlib.sha256()
    policies: list[CoveragePolicy] = []
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if not entry.name.endswith(".yaml"):
            continue
        content = entry.read_bytes()
        digest.update(entry.name.encode() + b"\0" + content)
        policies.append(parse_policy(content, entry.name))
    return PolicySet(tuple(policies), digest.hexdigest()[:16])


def parse_policy(content: bytes | str, file: str) -> CoveragePolicy:
    """One policy from YAML. Raises PolicyError in one line naming ``file`` and the place."""
    try:
        data: Any = yaml.load(content, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise PolicyError(f"{file}: not valid YAML near line {mark.line + 1 if mark else '?'}") from None
    if not isinstance(data, Mapping):
        raise PolicyError(f"{file}: must be a mapping with policy_id, version, criteria ...")
    try:
        return CoveragePolicy.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PolicyError(f"{file}: {place}: {first['msg'].removeprefix('Value error, ')}") from None


def unknown_concepts(policy: CoveragePolicy, lexicon: Lexicon, measurements: frozenset[str]) -> list[str]:
    """``criterion: concept`` for every concept the policy names that neither lexicon nor measurements know."""
    known = set(lexicon.concepts) | measurements
    leaves = [(node.id, node.evidence) for node in policy.criteria.walk() if node.evidence is not None]
    leaves += [(item.id, item.evidence) for item in policy.human_review]
    return [
        f"{place}: {concept}"
        for place, evidence in leaves
        for concept in (*evidence.concepts, *evidence.before, *evidence.not_before_end_of)
        if concept not in known
    ]
