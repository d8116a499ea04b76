"""Coverage policies as data: ``policies/*.yaml``, checked when they are read.

A policy is a tree. Inner nodes are ``all``, ``any``, ``at_least`` (with ``of``) or ``not``; a leaf's ``evidence`` says which
facts show it, or ``human`` why only a person can tell. What always goes to a human stands in ``human_review``. No key of a
policy can refuse a request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache, lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from features.doses import DRUG_DOSE
from features.errors import PolicyError
from features.lexicon import Lexicon
from features.types import AuthorizationRequest, Course, Diagnosis, DocumentType, PolicyReference, ReviewType

TimeUnit = Literal["d", "wk", "mo", "a"]
Basis = Literal["national", "local", "guideline", "common"]
Role = Literal[
    "physician", "advanced_practitioner", "therapist", "nurse", "dietitian", "mental_health", "pharmacist", "eye_care"
]
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Span(_Part):
    """A length of time."""

    value: float = Field(gt=0)
    unit: TimeUnit


class Length(Span):
    """How long something must have gone on.

    ``counted`` says whether one stretch has to be as long (``contiguous``) or several together (``summed``: stretches with
    dates by the calendar, so that each day counts once; where none has dates, their lengths).
    """

    counted: Literal["contiguous", "summed"] = "contiguous"


class Comparison(_Part):
    """A measured value against a limit, both in ``unit`` (UCUM)."""

    op: Literal["<", "<=", ">", ">="]
    value: float
    unit: str


class AgeLimits(_Part):
    """Completed years of age the policy is written for."""

    min: int = 0
    max: int = 130


class Evidence(_Part):
    """Which facts show a criterion. Every part that is given must hold of one and the same fact.

    What it is:

    - ``concepts``: lexicon concepts or measurements, any of them;
    - ``member_age``: it counts at this age of the member on the day of the request (a new headache from 50);
    - ``positive``: an examination sign needs a positive result;
    - ``compared``: the measured value lies within all of these limits;
    - ``contexts``: how a value was measured (``room_air``, ``right_eye``), any of them; of a ``drug_dose`` the drug it is
      of (``methotrexate``). Facts beside it that are no values (the drug itself) need none;
    - ``courses``: how a treatment went (default for treatments: it took place);
    - ``historical``: also when the note puts it in the past; ``earlier``: only when it does, or dates it before itself.

    When it was:

    - ``lasting``: how long it lasted;
    - ``dated``: the document itself gives a date or period for it;
    - ``within``: it was so no longer than this before the request; ``beyond``: it was so at least this long before;
    - ``newest``: it is said on the newest day of the documents that count, and not of the arrival in hospital;
    - ``onset_within``: it began or happened no longer than this before the request, by a date or length the notes give;
    - ``in_force``: the period the note gives for it lasts to the last day asked for;
    - ``before``: dated before the earliest fact of these concepts; ``not_before_end_of``: not dated before the latest of
      these treatments ended; ``not_before``: nor before the latest of these events.

    Where it stands:

    - ``same_side``: not on the other side than the request's; ``regions``: not about another part of the body;
      ``same_level``: at the level of the spine the request names, or, where it names none, at which the notes plan one of
      these procedures, and not on another side than those;
    - ``document_types``, ``sections``: where it counts; ``by``: who must have documented it, by the signature.

    Several facts together:

    - ``times``: it is documented at least so often, on different days or with different values;
    - ``change``: from its first to its present value a measurement moved by so much (a fall is negative); values of other
      days and those a note calls earlier ones count as first, and ``within`` is asked of the present one only;
    - ``contradiction``: ``any`` contradicted concept makes the leaf conflicting, or only when ``all`` that support it are;
      ``none`` where several values stand side by side (the grade of each muscle).
    """

    concepts: tuple[str, ...] = Field(min_length=1)
    member_age: AgeLimits | None = None
    positive: bool = False
    compared: tuple[Comparison, ...] = ()
    contexts: tuple[str, ...] = ()
    courses: tuple[Course, ...] = ()
    historical: bool = False
    earlier: bool = False
    lasting: Length | None = None
    dated: bool = False
    within: Span | None = None
    newest: bool = False
    onset_within: Span | None = None
    beyond: Span | None = None
    before: tuple[str, ...] = ()
    not_before_end_of: tuple[str, ...] = ()
    not_before: tuple[str, ...] = ()
    in_force: bool = False
    same_side: bool = False
    same_level: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    document_types: tuple[DocumentType, ...] = ()
    sections: tuple[str, ...] = ()
    by: tuple[Role, ...] = ()
    times: int = Field(default=1, ge=1)
    change: Comparison | None = None
    contradiction: Literal["any", "all", "none"] = "any"


class Criterion(_Part):
    """A node of the tree: exactly one of ``all``, ``any``, ``of`` (with ``at_least``), ``not``, ``evidence``, ``human``.

    ``human`` says why a machine cannot tell; such a leaf is never met by itself. ``basis`` is where a leaf comes from; one
    that is only ``common`` practice can be left out for a plan (see :mod:`features.plan_settings`).
    """

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
    human: str | None = Field(default=None, min_length=10)

    @model_validator(mode="after")
    def _one_kind(self) -> Criterion:
        parts = (self.all_of, self.any_of, self.of, self.none_of, self.evidence, self.human)
        if sum(part is not None for part in parts) != 1:
            raise ValueError(f"{self.id}: give exactly one of all, any, of, not, evidence, human")
        if (self.of is None) != (self.at_least is None) or (self.of and (self.at_least or 0) > len(self.of)):
            raise ValueError(f"{self.id}: at_least needs of, with at least that many entries")
        if self.is_leaf and (self.ask is None or self.basis is None):
            raise ValueError(f"{self.id}: a leaf needs a basis and the question to ask when it is not documented")
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether facts (or a person) decide it, not other nodes."""
        return self.evidence is not None or self.human is not None

    @property
    def children(self) -> tuple[Criterion, ...]:
        """The nodes below this one, in order."""
        if self.none_of is not None:
            return (self.none_of,)
        return self.all_of or self.any_of or self.of or ()

    def walk(self) -> Iterator[Criterion]:
        """This node and all below it, parents first."""
        ahead = [self]
        while ahead:
            node = ahead.pop()
            yield node
            ahead.extend(reversed(node.children))


class HumanReview(_Part):
    """Something that always goes to a human where the facts show it, ``unless`` other facts settle it beyond doubt."""

    id: Identifier
    statement: str = Field(min_length=10)
    evidence: Evidence
    unless: Evidence | None = None


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


class CoveragePolicy(_Part):
    """One version of one coverage policy.

    ``family`` is the service family the score's guarantee is given for; ``diagnoses`` are ICD-10-CM prefixes that support
    the service (none: any), ``condition`` the concepts of which the notes must show one as the patient's own (none: not
    asked); ``suspected`` says that a suspected diagnosis supports it, as for a test that is to show it;
    ``side_required`` says the request must name a side; ``regions`` the parts of the body it is for; ``most_units`` how
    many units may be asked for, ``newest_within`` how old the newest document may be.
    """

    policy_id: Identifier
    version: str
    title: str
    family: str
    effective: Effective
    sources: tuple[Source, ...] = Field(min_length=1)
    codes: tuple[Code, ...] = Field(min_length=1)
    diagnoses: tuple[str, ...] = ()
    condition: tuple[str, ...] = ()
    suspected: bool = False
    review_types: tuple[ReviewType, ...] = ("prospective",)
    age: AgeLimits = AgeLimits()
    side_required: bool = False
    regions: tuple[str, ...] = ()
    most_units: float = 1
    newest_within: Span = Span(value=12, unit="mo")
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

    def __hash__(self) -> int:
        """By id and version, so that what is worked out once per policy is found at once; equal is what is equal in all."""
        return hash((self.policy_id, self.version))

    @property
    def reference(self) -> PolicyReference:
        """What a result names as its policy."""
        source = "; ".join(source.id for source in self.sources)
        return PolicyReference(self.policy_id, self.version, source, self.title, self.family)

    def supports(self, diagnosis: Diagnosis) -> bool:
        """Whether the policy lists that diagnosis (or lists none)."""
        if not self.diagnoses:
            return True
        code = diagnosis.code.upper().replace(".", "")
        return diagnosis.system.upper().startswith("ICD-10") and code.startswith(_undotted(self.diagnoses))

    def leaves(self) -> Iterator[tuple[str, Evidence]]:
        """Every place that names facts: the criteria's leaves, then what goes to a human."""
        yield from ((node.id, node.evidence) for node in self.criteria.walk() if node.evidence is not None)
        yield from ((item.id, item.evidence) for item in self.human_review)
        yield from ((item.id, item.unless) for item in self.human_review if item.unless is not None)

    def in_force(self, day: date) -> bool:
        """Whether this version is in force on ``day``."""
        return self.effective.since <= day and (self.effective.until is None or day <= self.effective.until)


@lru_cache(maxsize=256)
def _undotted(codes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(code.upper().replace(".", "") for code in codes)


@dataclass(frozen=True, slots=True)
class PolicySet:
    """All policies and a hash that changes when any of them does."""

    policies: tuple[CoveragePolicy, ...]
    hash: str
    _by_service: Mapping[tuple[str, str], tuple[CoveragePolicy, ...]] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        found: dict[tuple[str, str], tuple[CoveragePolicy, ...]] = {}
        for policy in self.policies:
            for key in dict.fromkeys((entry.system, entry.code.upper()) for entry in policy.codes):
                found[key] = (*found.get(key, ()), policy)
        object.__setattr__(self, "_by_service", found)

    def for_service(self, system: str, code: str, day: date) -> tuple[CoveragePolicy, ...]:
        """Every policy in force on ``day`` for that service code."""
        return tuple(policy for policy in self._by_service.get((system, code.upper()), ()) if policy.in_force(day))

    def covering(self, request: AuthorizationRequest) -> CoveragePolicy | None:
        """The version that covers the request's service on the day it was received; None where there is none.

        Where one code has several policies (a drug with several indications), the diagnoses choose, the first on the
        request before the later ones.
        """
        found = self.for_service(request.service.system, request.service.code, request.received_at.date())
        if len(found) > 1:
            for diagnosis in request.diagnoses:
                supported = [policy for policy in found if policy.diagnoses and policy.supports(diagnosis)]
                if supported:
                    return supported[0]
        return found[0] if found else None

    def get(self, policy_id: str) -> CoveragePolicy | None:
        """The newest version of that id; None where there is none."""
        return max(self.versions(policy_id), key=lambda policy: policy.effective.since, default=None)

    def versions(self, policy_id: str) -> tuple[CoveragePolicy, ...]:
        """Every version of that id, oldest first."""
        found = (policy for policy in self.policies if policy.policy_id == policy_id)
        return tuple(sorted(found, key=lambda policy: policy.effective.since))


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


def policy_schema() -> dict[str, Any]:
    """The JSON Schema of a policy file, for editors and for reviewers of a plan's own policies."""
    schema = CoveragePolicy.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def unknown_concepts(policy: CoveragePolicy, lexicon: Lexicon, measurements: frozenset[str]) -> list[str]:
    """``criterion: concept`` for every concept the policy names that neither lexicon nor measurements know."""
    known = set(lexicon.concepts) | measurements | {DRUG_DOSE}
    named = [
        (place, concept)
        for place, evidence in policy.leaves()
        for concept in (
            *evidence.concepts,
            *evidence.before,
            *evidence.not_before_end_of,
            *evidence.not_before,
            *evidence.same_level,
        )
    ]
    named += [("condition", concept) for concept in policy.condition]
    return [f"{place}: {concept}" for place, concept in named if concept not in known]
