"""One service's file, ``services/<policy_id>.yaml``: its stories, phrases and documents as data, checked when read.

What every key means stands, with an example, in ``services/README.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from features.policy import Role
from training.errors import TrainingError
from training.synthetic.values import Value

BankName = Literal["seen", "unseen"]
Sex = Literal["female", "male"]
LeafStatus = Literal["met", "not_met", "not_documented", "conflicting"]
DocumentType = Literal[
    "progress_note", "history_and_physical", "consultation", "discharge_summary", "imaging", "lab", "operative_note",
    "therapy_note", "order", "form", "letter", "other",
]  # fmt: skip
Kind = Literal["note", "report", "therapy", "form", "letter"]
ABSENT = "absent"
"""The state of an element nothing is written about. Every element has it."""

SECTIONS = (
    "body", "reason", "hpi", "ros", "history", "surgical", "medications", "allergies", "family", "social", "vitals",
    "exam", "findings", "results", "impression", "assessment", "plan",
)  # fmt: skip
"""Where in a document a sentence may stand. ``body`` has no heading."""

_KIND_OF_TYPE: dict[str, Kind] = {
    "imaging": "report",
    "lab": "report",
    "operative_note": "report",
    "other": "report",
    "therapy_note": "therapy",
    "order": "form",
    "form": "form",
    "letter": "letter",
}


class ServiceError(TrainingError):
    """A service's file cannot be used; the message names file and place."""


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str | int | float) else value


Listed = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Pair = tuple[int, int]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Phrases(_Part):
    """What is written in the two banks. ``unseen`` phrases stand in the test split alone."""

    seen: Listed = ()
    unseen: Listed = ()

    def bank(self, name: BankName) -> tuple[str, ...]:
        """The phrases of one bank."""
        return self.seen if name == "seen" else self.unseen


class Conditional(Phrases):
    """Written only where any of ``when`` holds (if given), none of ``unless``, and for a person of ``sex`` and ``age``.

    A condition is ``element`` (in any state but absent), ``element=state``, or the name of an exclusion.
    """

    when: Listed = ()
    unless: Listed = ()
    sex: Sex | None = None
    age: Pair | None = None


class Problem(Conditional):
    """What the patient is seen for: completes "48-year-old woman seen for ..."."""


def _problems(value: Any) -> Any:
    return (value,) if isinstance(value, dict) else value


class Statement(Conditional):
    """One sentence in one place; ``where`` is ``document.section``, one of several is drawn."""

    where: Listed
    share: float = Field(default=1.0, gt=0, le=1)


class State(Conditional):
    """One thing that may be true of an element, and how notes say it."""

    weight: float = Field(default=1.0, gt=0)
    status: LeafStatus | Mapping[str, LeafStatus] | None = None
    near: bool = False
    ambiguous: bool = False
    where: Listed = ()
    fields: Mapping[str, Value] = {}
    also: tuple[Statement, ...] = ()

    @property
    def edge(self) -> bool:
        """Whether careful reviewers may differ about it."""
        return self.near or self.ambiguous


class Element(_Part):
    """A part of the story that leaves of the policy are about. ``otherwise``: its states where no pathway needs it."""

    shows: Listed
    where: Listed
    fields: Mapping[str, Value] = {}
    otherwise: Mapping[str, float] = {ABSENT: 1.0}
    states: Mapping[str, State]

    def state(self, name: str) -> State:
        """The state of that name; ``absent`` always exists."""
        return self.states.get(name, _ABSENT)

    def status(self, state: str, leaf: str) -> LeafStatus:
        """What ``state`` makes of ``leaf``."""
        given = self.state(state).status
        if given is None:
            return "not_documented"
        if isinstance(given, str):
            return given
        return given.get(leaf, "not_documented")

    def good(self) -> tuple[str, ...]:
        """The states that meet every leaf the element shows."""
        return tuple(name for name in self.states if all(self.status(name, leaf) == "met" for leaf in self.shows))


_ABSENT = State(status="not_documented")


class Exclusion(Conditional):
    """Something that sends the request to a human: ``flag`` is the policy's ``human_review`` id."""

    flag: str
    weight: float = Field(default=1.0, gt=0)
    ambiguous: bool = False
    where: Listed
    fields: Mapping[str, Value] = {}


class Diagnosis(_Part):
    """A diagnosis of the request, with what stands beside it. ``when`` and ``unless`` as for states."""

    code: str
    description: str
    weight: float = Field(default=1.0, gt=0)
    further: tuple[Diagnosis, ...] = ()
    when: Listed = ()
    unless: Listed = ()


class RequestVariant(_Part):
    """One way the service is requested. ``pathways``: the only ones it fits, all where empty."""

    weight: float = Field(default=1.0, gt=0)
    system: Literal["CPT", "HCPCS", "ICD-10-PCS", "NDC"]
    code: str
    description: Listed
    units: float | tuple[int, int] = 1
    place_of_service: Listed = ()
    review_type: Literal["prospective", "concurrent", "retrospective"] = "prospective"
    specialty: Listed = ("family medicine", "internal medicine")
    starts_in_days: Pair | None = None
    lasts_days: Pair | None = None
    pathways: Listed = ()


class Group(_Part):
    """Some of several elements: ``at_least`` of ``of``; each of the rest is written with probability ``rest``."""

    at_least: int = Field(default=1, ge=1)
    of: tuple[str, ...] = Field(min_length=1)
    rest: float = 0.35

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"of": [value]}
        return {"of": value} if isinstance(value, list | tuple) else value


class Pathway(_Part):
    """The way the clinician thinks the policy is met: what it needs, and how other elements are drawn.

    A need is ``element`` (in a state that meets all its leaves) or ``element=state,state``; a list is "one of these".
    ``flaws``: relative weight of this pathway's failing states, by element (1 where not named).
    """

    weight: float = Field(default=1.0, gt=0)
    needs: tuple[Group, ...] = ()
    draws: Mapping[str, Mapping[str, float]] = {}
    diagnoses: tuple[Diagnosis, ...] = ()


class DocumentKind(_Part):
    """A kind of document the clinics send. ``share``: how often it is sent even where nothing asks for it.

    Its date is ``date`` (a field of the story) plus ``days``, or ``days_ago`` before the visit where there is none.
    ``signed``: who signs it, on its last line.
    """

    type: DocumentType
    kind: Kind | None = None
    share: float = Field(default=0.0, ge=0, le=1)
    date: str | None = None
    days: Pair = (0, 0)
    days_ago: Pair = (0, 0)
    title: Phrases = Phrases()
    signed: Role | None = None
    opening: bool | None = None
    clutter: bool | None = None

    @property
    def layout(self) -> Kind:
        """Which styles fit it."""
        return self.kind or _KIND_OF_TYPE.get(self.type, "note")


class Service(_Part):
    """Everything told about one service."""

    policy_id: str
    share: float = Field(default=1.0, gt=0)
    age: Pair | None = None
    sex: Sex | None = None
    other_side_asked: float = Field(default=0.0, ge=0)
    requests: tuple[RequestVariant, ...] = Field(min_length=1)
    diagnoses: tuple[Diagnosis, ...] = ()
    problem: Annotated[tuple[Problem, ...], BeforeValidator(_problems), Field(min_length=1)]
    fields: Mapping[str, Value] = {}
    pathways: Mapping[str, Pathway] = Field(min_length=1)
    elements: Mapping[str, Element] = Field(min_length=1)
    exclusions: Mapping[str, Exclusion] = {}
    harmless: tuple[Statement, ...] = ()
    documents: Mapping[str, DocumentKind] = Field(min_length=1)
    clutter_skip: Listed = ()

    @model_validator(mode="after")
    def _states_have_a_status(self) -> Service:
        for name, element in self.elements.items():
            for state, content in element.states.items():
                if content.status is None and state != ABSENT and element.shows:
                    raise ValueError(f"elements.{name}.states.{state}: give its status (met, not_met, ...)")
        return self


def need(text: str) -> tuple[str, tuple[str, ...]]:
    """``element=state,state`` taken apart; no states where any that meets its leaves will do."""
    element, _, states = text.partition("=")
    return element, tuple(states.split(",")) if states else ()


def parse_service(content: str | bytes, file: str) -> Service:
    """One service from YAML. Raises ServiceError, a line for every problem, naming ``file`` and place."""
    try:
        data = yaml.load(content, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "not valid YAML"
        raise ServiceError(f"{file}:{mark.line + 1 if mark else '?'}: {what}") from None
    if not isinstance(data, dict):
        raise ServiceError(f"{file}: must be a mapping with policy_id, requests, pathways, elements ...")
    try:
        return Service.model_validate(data)
    except ValidationError as error:
        lines = [
            f"{file}: {'.'.join(str(part) for part in each['loc'])}: {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors(include_url=False, include_input=False)
        ]
        raise ServiceError("\n".join(dict.fromkeys(lines))) from None


@cache
def load_services() -> dict[str, Service]:
    """Every packaged service by its policy id, in the order of the file names. Raises ServiceError."""
    found = {}
    for entry in sorted((resources.files("training.synthetic") / "services").iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".yaml"):
            service = parse_service(entry.read_bytes(), entry.name)
            if entry.name != f"{service.policy_id}.yaml":
                raise ServiceError(
                    f"{entry.name}: a service's file is named after its policy, {service.policy_id}.yaml"
                )
            found[service.policy_id] = service
    return found
