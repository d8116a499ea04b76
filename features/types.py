"""What flows through the house: requests, documents, facts, criteria, feature vectors. Frozen, without I/O.

Field names are those of the interface, so nothing is translated on the way. Offsets are Python string indices
(code points) into a document's text exactly as it was received or read from its file. Units are UCUM codes.
"""

from __future__ import annotations

import copyreg
import datetime
from bisect import bisect_right
from dataclasses import dataclass, fields
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ReviewType = Literal["prospective", "concurrent", "retrospective"]
Urgency = Literal["standard", "expedited"]
Sex = Literal["female", "male", "unknown"]
CoverageStatus = Literal["active", "inactive", "unknown"]
CodeSystem = Literal["CPT", "HCPCS", "ICD-10-PCS", "NDC"]
Laterality = Literal["left", "right", "bilateral"]
DocumentType = Literal[
    "progress_note",
    "history_and_physical",
    "consultation",
    "discharge_summary",
    "imaging",
    "lab",
    "operative_note",
    "therapy_note",
    "order",
    "form",
    "letter",
    "other",
]

Value = TypeVar("Value", bound="DataclassInstance")


def _sent_by_values(cls: type[Value]) -> type[Value]:
    """Let ``cls`` be pickled as a call with the values of its fields: a frozen dataclass's own way takes twice as long.

    Facts come back from worker processes by the hundred thousand.
    """
    values = attrgetter(*(field.name for field in fields(cls)))

    def as_call(value: Value) -> tuple[type[Value], tuple[object, ...]]:
        return cls, values(value)

    copyreg.pickle(cls, as_call)
    return cls


@dataclass(frozen=True, slots=True)
class DocumentProblem:
    """A doubt about a document that was read: a guard's code and words that complete "Document d1 ...", ours alone."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a request. ``text`` is what was received, to the character; offsets point into it.

    For anything but plain text, ``text`` is what a reader got out of the file, and the fields after ``content_type`` are
    that reader's: ``page_starts`` are ascending offsets into ``text``, one a page, the first 0; ``read_by`` names the reader
    and its version, None for a text as received; ``unread`` says in words why nothing could be read; pages (from 1) that
    could not be read, or only by optical recognition, are listed. ``trusts_recognition``: the deployment lets recognized
    text open the fast lane.
    """

    document_id: str
    text: str
    type: DocumentType = "other"
    date: datetime.date | None = None
    content_type: str = "text/plain"
    page_starts: tuple[int, ...] = (0,)
    read_by: str | None = None
    unread: str | None = None
    unread_pages: tuple[int, ...] = ()
    recognized_pages: tuple[int, ...] = ()
    problems: tuple[DocumentProblem, ...] = ()
    trusts_recognition: bool = False

    @property
    def has_text(self) -> bool:
        """Whether ``text`` is what the document says: sent as text, or read from the file."""
        return self.unread is None and (self.content_type == "text/plain" or self.read_by is not None)

    def page_of(self, offset: int) -> int:
        """The page, from 1, on which the character at ``offset`` of the text stands."""
        return max(1, bisect_right(self.page_starts, offset))


@dataclass(frozen=True, slots=True)
class Member:
    """Whom the request is about. Used to check that documents are about this person, never as model features."""

    birth_date: datetime.date
    member_id: str | None = None
    sex: Sex = "unknown"


@dataclass(frozen=True, slots=True)
class Coverage:
    """The member's coverage as the intake system knows it."""

    plan_id: str | None = None
    line_of_business: str | None = None
    status: CoverageStatus = "unknown"


@dataclass(frozen=True, slots=True)
class Service:
    """What is asked for."""

    system: CodeSystem
    code: str
    description: str | None = None
    units: float | None = None
    place_of_service: str | None = None
    start_date: datetime.date | None = None
    end_date: datetime.date | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A diagnosis the provider names on the request."""

    system: str
    code: str
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """Who asks."""

    npi: str | None = None
    specialty: str | None = None


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A prior-authorization request. ``received_at`` is timezone-aware UTC: the turnaround clock starts there."""

    external_id: str
    member: Member
    service: Service
    diagnoses: tuple[Diagnosis, ...]
    documents: tuple[Document, ...]
    received_at: datetime.datetime
    review_type: ReviewType = "prospective"
    urgency: Urgency = "standard"
    coverage: Coverage = Coverage()
    provider: Provider = Provider()

    def document(self, document_id: str) -> Document:
        """The document of that id; KeyError where there is none."""
        for document in self.documents:
            if document.document_id == document_id:
                return document
        raise KeyError(document_id)


@_sent_by_values
@dataclass(frozen=True, slots=True)
class Cue:
    """Why an assertion flag is set: the words (or the section heading) that set it.

    ``start`` and ``end`` are offsets into the document's text; ``rule`` is the literal of the cue in the lexicon, such
    as ``no evidence of``; ``flag`` is the flag it set.
    """

    flag: Literal["negated", "uncertain", "historical", "hypothetical", "family"]
    start: int
    end: int
    rule: str


@_sent_by_values
@dataclass(frozen=True, slots=True)
class Assertion:
    """How the note states a finding. All flags false: affirmed, current, about the patient.

    ``cues`` say why, at least one for each flag that is set.
    """

    negated: bool = False
    uncertain: bool = False
    historical: bool = False
    hypothetical: bool = False
    family: bool = False
    cues: tuple[Cue, ...] = ()

    @property
    def is_patients_own(self) -> bool:
        """Affirmed about this patient: not negated, uncertain, hypothetical or family. It may be historical."""
        return not (self.negated or self.uncertain or self.hypothetical or self.family)


class Course(StrEnum):
    """How a treatment went, as far as the note says."""

    COMPLETED = "completed"
    ONGOING = "ongoing"
    FAILED = "failed"
    NOT_TOLERATED = "not_tolerated"
    CONTRAINDICATED = "contraindicated"
    DECLINED = "declined"
    NOT_ATTENDED = "not_attended"
    PLANNED = "planned"
    STATED = "stated"


@_sent_by_values
@dataclass(frozen=True, slots=True)
class Fact:
    """One thing a document says, with the words that say it: ``text == document.text[start:end]``, always.

    ``value`` is a number with its UCUM ``unit`` (a BMI, an AHI, how long a symptom or a treatment lasted) or a word
    (``"negative"``); ``date`` is when it was so, where the note says it, else the document's date stands in. The fields
    after ``date`` are ours: side and part of the body, how a treatment went, when it began and ended, what a value is
    about (``context``: ``room_air``, ``limit``), and where the words that carry value and dates stand (``qualifiers``,
    offset pairs, for highlighting).
    """

    fact_id: str
    concept: str
    category: str
    document_id: str
    start: int
    end: int
    text: str
    section: str
    assertion: Assertion = Assertion()
    value: float | str | None = None
    unit: str | None = None
    date: datetime.date | None = None
    laterality: Laterality | None = None
    region: str | None = None
    course: Course | None = None
    context: str | None = None
    began: datetime.date | None = None
    ended: datetime.date | None = None
    qualifiers: tuple[tuple[int, int], ...] = ()


class Status(StrEnum):
    """What the documents show about a criterion.

    ``NOT_MET`` needs evidence that speaks against it; no evidence is ``NOT_DOCUMENTED``. ``CONFLICTING`` wins over
    ``MET``: documents that contradict each other go to a human.
    """

    MET = "met"
    NOT_MET = "not_met"
    NOT_DOCUMENTED = "not_documented"
    CONFLICTING = "conflicting"


@dataclass(frozen=True, slots=True)
class CriterionResult:
    """One node of a policy's tree after the facts were held against it.

    ``evidence`` are fact ids, for and against; ``explanation`` is one plain sentence; ``decided_by`` names the leaf that
    decided an inner node (the node itself for a leaf); ``needed`` is false where another branch of an ``any`` already
    satisfied the policy; ``ask`` is the question to the provider when a leaf is not shown.
    """

    criterion_id: str
    statement: str
    status: Status
    evidence: tuple[str, ...] = ()
    parent: str | None = None
    explanation: str = ""
    decided_by: str | None = None
    needed: bool = True
    ask: str | None = None


@dataclass(frozen=True, slots=True)
class Guard:
    """A reason that keeps a request from the fast lane although it is no criterion: an exclusion, a document about
    someone else, an unreadable document. ``code`` is for machines, ``message`` one sentence for people, without note text.
    """

    code: str
    message: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyReference:
    """Which coverage policy a request was judged by."""

    policy_id: str
    version: str
    source: str
    title: str = ""
    family: str = ""


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature: what it means and in which direction it may move the score.

    ``direction`` is +1 (more never lowers the score), -1 (more never raises it) or 0 (unconstrained); ``source`` says what
    it is computed from.
    """

    name: str
    meaning: str
    direction: Literal[-1, 0, 1]
    source: str = ""


@dataclass(frozen=True, slots=True)
class FeatureSchema:
    """The named, versioned list of features a model is trained on; ``hash`` refuses a model trained on another."""

    name: str
    version: str
    features: tuple[FeatureSpec, ...]
    hash: str


@dataclass(frozen=True, slots=True)
class FeatureVector:
    """The numbers the model sees, in the order of ``schema.features``. Nothing of sex, race, name or place is in it."""

    schema: FeatureSchema
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything that was read from one request: facts, the policy that covers it, criteria, guards, features.

    ``policy`` is None where no policy covers the service on the date; then ``criteria`` is empty and a guard says so.
    """

    facts: tuple[Fact, ...]
    policy: PolicyReference | None
    criteria: tuple[CriterionResult, ...]
    guards: tuple[Guard, ...]
    vector: FeatureVector
