"""The edge where JSON becomes an :class:`AuthorizationRequest`: validated, complete, nothing half-read.

Pydantic lives here; everything behind it takes frozen dataclasses. Messages name the field and say what to do, and never
repeat a value: it may be a name, a birth date or the text of a note.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from features.errors import RequestRefusedError
from features.types import (
    AuthorizationRequest,
    CodeSystem,
    Coverage,
    CoverageStatus,
    Diagnosis,
    Document,
    DocumentType,
    Member,
    Provider,
    ReviewType,
    Service,
    Sex,
    Urgency,
)

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ].+")
EARLIEST_BIRTH_DATE = datetime.date(1900, 1, 1)
READABLE_CONTENT_TYPE = "text/plain"


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise PydanticCustomError("nul_character", "must not hold a NUL character")
    return value


_Identifier = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    # For callers: what is left after stripping must not be empty.
    Field(json_schema_extra={"pattern": r"\S"}),
]
_Key = Annotated[
    _Identifier,
    AfterValidator(_without_nul),
    Field(json_schema_extra={"pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"}),
]
"""Told apart by other systems and databases too, of which PostgreSQL can hold no NUL in text."""


def _written_as_date(value: object) -> object:
    return _written(value, _DATE)


def written_as_moment(value: object) -> object:
    """``value`` unless it is a number or a text of digits: Pydantic would count seconds since 1970 and accept it."""
    return _written(value, _MOMENT)


def _written(value: object, form: re.Pattern[str]) -> object:
    if value is None or isinstance(value, datetime.date) or (isinstance(value, str) and form.fullmatch(value)):
        return value
    raise PydanticCustomError("datetime_form", "must be written in ISO 8601")


_Date = Annotated[datetime.date, BeforeValidator(_written_as_date)]
_Moment = Annotated[AwareDatetime, BeforeValidator(written_as_moment)]
_ShortText = Annotated[str, StringConstraints(max_length=2000)]

EXAMPLE_REQUEST: dict[str, Any] = {
    "external_id": "PA-2026-000123",
    "urgency": "standard",
    "received_at": "2026-11-20T15:04:05Z",
    "member": {"member_id": "M-1001", "birth_date": "1968-04-12", "sex": "male"},
    "coverage": {"plan_id": "PPO-1", "line_of_business": "commercial", "status": "active"},
    "service": {"system": "CPT", "code": "72148", "description": "MRI lumbar spine without contrast", "units": 1},
    "diagnoses": [{"system": "ICD-10-CM", "code": "M54.16", "description": "Radiculopathy, lumbar region"}],
    "provider": {"npi": "1234567893", "specialty": "family medicine"},
    "documents": [
        {
            "document_id": "d1",
            "type": "progress_note",
            "date": "2026-11-10",
            "content_type": "text/plain",
            "text": "58-year-old man with low back pain radiating to the left leg for three months. "
            "He completed eight weeks of physical therapy from 8/31/2026 to 10/26/2026 without relief. "
            "He denies saddle anesthesia. Plan: MRI lumbar spine, then epidural injection.",
        }
    ],
}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False)


class MemberBody(_Body):
    """Whom the request is about."""

    member_id: _Identifier | None = None
    birth_date: _Date = Field(description="From 1900 until today.", json_schema_extra={"pattern": "^(?:19|20)"})
    sex: Sex = "unknown"

    @field_validator("birth_date")
    @classmethod
    def _plausible(cls, value: datetime.date) -> datetime.date:
        if value < EARLIEST_BIRTH_DATE:
            raise PydanticCustomError("birth_date_range", "must not be before 1900-01-01")
        if value > datetime.datetime.now(UTC).date():
            raise PydanticCustomError("birth_date_range", "must not be in the future")
        return value


class CoverageBody(_Body):
    """The member's coverage."""

    plan_id: _Identifier | None = None
    line_of_business: _Identifier | None = None
    status: CoverageStatus = "unknown"


class ServiceBody(_Body):
    """What is asked for."""

    system: CodeSystem
    code: _Identifier
    description: _ShortText | None = None
    units: float | None = Field(default=None, gt=0, allow_inf_nan=False, strict=True)
    place_of_service: _Identifier | None = None
    start_date: _Date | None = None
    end_date: _Date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> ServiceBody:
        if self.start_date and self.end_date and self.end_date < self.start_date:
            raise PydanticCustomError("service_dates", "end_date must not be before start_date")
        return self


class DiagnosisBody(_Body):
    """A diagnosis code on the request."""

    system: _Identifier
    code: _Identifier
    description: _ShortText | None = None


class ProviderBody(_Body):
    """Who asks."""

    npi: _Identifier | None = None
    specialty: _Identifier | None = None


_CONTENT_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {
            "required": ["text"],
            "properties": {
                "content_type": {"const": READABLE_CONTENT_TYPE},
                "text": {"type": "string"},
                "data": {"type": "null"},
            },
        },
        {
            "required": ["content_type", "data"],
            "properties": {
                "content_type": {"not": {"const": READABLE_CONTENT_TYPE}},
                "text": {"type": "null"},
                "data": {
                    "type": "string",
                    "pattern": "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
                },
            },
        },
    ]
}
"""What callers read of ``_one_content``: it says in JSON Schema what the validator asks."""


class DocumentBody(_Body):
    """One document: ``text`` for text/plain, else ``data`` (base64) with its ``content_type``."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_CONTENT_SCHEMA)

    document_id: _Key
    type: DocumentType = "other"
    date: _Date | None = None
    content_type: _Key = READABLE_CONTENT_TYPE
    text: str | None = None
    data: str | None = None

    @model_validator(mode="after")
    def _one_content(self) -> DocumentBody:
        if self.content_type == READABLE_CONTENT_TYPE:
            if self.text is None or self.data is not None:
                raise PydanticCustomError("document_text", "a text/plain document needs text, and no data")
            try:
                self.text.encode("utf-8")
            except UnicodeEncodeError:
                raise PydanticCustomError(
                    "document_text", "text holds half a character (a lone surrogate); send valid Unicode"
                ) from None
        else:
            if self.data is None or self.text is not None:
                raise PydanticCustomError(
                    "document_data", "a document that is not text/plain needs data (base64), and no text"
                )
            try:
                base64.b64decode(self.data, validate=True)
            except binascii.Error:
                raise PydanticCustomError("document_data", "data must be base64") from None
        return self


def _distinct_ids(documents: list[DocumentBody]) -> list[DocumentBody]:
    if len({document.document_id for document in documents}) != len(documents):
        raise PydanticCustomError("document_id", "two documents have the same document_id")
    return documents


_Documents = Annotated[list[DocumentBody], Field(min_length=1), AfterValidator(_distinct_ids)]


class UpdateBody(_Body):
    """A request as it is from now on, whole, without its documents: what is left out has its default again."""

    external_id: _Key
    review_type: ReviewType = "prospective"
    urgency: Urgency = "standard"
    received_at: _Moment | None = None
    member: MemberBody
    coverage: CoverageBody = CoverageBody()
    service: ServiceBody
    diagnoses: list[DiagnosisBody] = Field(min_length=1)
    provider: ProviderBody = ProviderBody()


class RequestBody(UpdateBody):
    """A prior-authorization request as an intake system sends it. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE_REQUEST]})

    documents: _Documents


class DocumentsBody(_Body):
    """Documents that arrive after the request."""

    documents: _Documents


_MESSAGES = {
    "missing": "is required",
    "extra_forbidden": "is not a field of the request; remove it",
    "too_short": "needs at least one entry",
    "string_too_short": "must not be empty",
    "string_type": "must be text",
    "timezone_aware": "must carry a time zone, such as a closing Z",
    "json_invalid": "is not valid JSON",
}
_CONTEXT_FREE = ("date_", "datetime_", "float_", "int_", "greater_than", "finite_number", "string_too_long")


def refusal(error: ValidationError) -> RequestRefusedError:
    """What Pydantic found, as our error: dotted field names, fixed sentences, no values."""
    return RequestRefusedError(tuple(_problem(detail) for detail in error.errors(include_input=False)))


def _problem(detail: ErrorDetails) -> tuple[str, str]:
    location = detail["loc"]
    kind = detail["type"]
    field = ".".join(str(part) for part in location) or "request"
    if kind == "extra_forbidden":
        field = ".".join([*(str(part) for part in location[:-1]), _safe_name(str(location[-1]))])
    if kind in _MESSAGES:
        message = _MESSAGES[kind]
    elif kind in ("literal_error", "enum"):
        message = f"must be one of {detail.get('ctx', {}).get('expected', 'the listed values')}"
    elif kind in (
        "birth_date_range",
        "service_dates",
        "document_text",
        "document_data",
        "document_id",
        "nul_character",
    ):
        message = detail["msg"]
    elif kind.startswith(_CONTEXT_FREE):
        message = detail["msg"][0].lower() + detail["msg"][1:]
        if kind.startswith(("date_", "datetime_")):
            message = "must be a date or time in ISO 8601, such as 2026-11-20 or 2026-11-20T15:04:05Z"
    else:
        message = f"has the wrong form ({kind})"
    return field, message


def _safe_name(name: str) -> str:
    """The name of an unknown field, unless it may be content: people paste notes in odd places."""
    return name if len(name) <= 64 and name.replace("_", "").replace("-", "").isalnum() else "(unnamed)"


def _document(body: DocumentBody) -> Document:
    text = body.text if body.text is not None else ""
    return Document(body.document_id, text, body.type, body.date, body.content_type)


def to_documents(bodies: Sequence[DocumentBody]) -> tuple[Document, ...]:
    """The documents of a validated body. What is not text/plain has empty text: triage sends it to a nurse unread."""
    return tuple(_document(body) for body in bodies)


def to_request(body: RequestBody, *, now: datetime.datetime) -> AuthorizationRequest:
    """The frozen request of a validated body; ``now`` (timezone-aware) stands in for a missing ``received_at``.

    Raises RequestRefusedError for a ``received_at`` that is outside the calendar in UTC.
    """
    return _request(body, to_documents(body.documents), now)


def _request(body: UpdateBody, documents: tuple[Document, ...], now: datetime.datetime) -> AuthorizationRequest:
    try:
        received = (body.received_at or now).astimezone(UTC)
    except OverflowError:
        raise RequestRefusedError((("received_at", "is too far from now"),)) from None
    return AuthorizationRequest(
        external_id=body.external_id,
        review_type=body.review_type,
        urgency=body.urgency,
        received_at=received,
        member=Member(body.member.birth_date, body.member.member_id, body.member.sex),
        coverage=Coverage(body.coverage.plan_id, body.coverage.line_of_business, body.coverage.status),
        service=Service(**body.service.model_dump()),
        diagnoses=tuple(Diagnosis(d.system, d.code, d.description) for d in body.diagnoses),
        provider=Provider(body.provider.npi, body.provider.specialty),
        documents=documents,
    )


def parse_request(data: object, *, now: datetime.datetime | None = None) -> AuthorizationRequest:
    """A request from parsed JSON. Raises :class:`RequestRefusedError` naming every field that is wrong."""
    if not isinstance(data, Mapping):
        raise RequestRefusedError((("request", "must be a JSON object"),))
    try:
        body = RequestBody.model_validate(data)
    except ValidationError as error:
        raise refusal(error) from None
    return to_request(body, now=now or datetime.datetime.now(UTC))


def parse_update(data: object, earlier: AuthorizationRequest) -> AuthorizationRequest:
    """The request that an update makes of an earlier one, with the earlier one's documents, from parsed JSON.

    ``received_at`` stays, or becomes what the update says where that is sooner: no update gives a decision more time by it.
    Raises :class:`RequestRefusedError`, also where the ``external_id`` is another one.
    """
    if not isinstance(data, Mapping):
        raise RequestRefusedError((("request", "must be a JSON object"),))
    try:
        body = UpdateBody.model_validate(data)
    except ValidationError as error:
        raise refusal(error) from None
    if body.external_id != earlier.external_id:
        raise RequestRefusedError((("external_id", "must be the one the authorization was stored with"),))
    if body.received_at is None or body.received_at > earlier.received_at:
        body = body.model_copy(update={"received_at": earlier.received_at})
    return _request(body, earlier.documents, earlier.received_at)


def parse_documents(data: object) -> tuple[Document, ...]:
    """Documents from parsed JSON, a list of the contract's document objects. Raises :class:`RequestRefusedError`."""
    try:
        body = DocumentsBody.model_validate({"documents": data})
    except ValidationError as error:
        raise refusal(error) from None
    return to_documents(body.documents)


def request_to_json(request: AuthorizationRequest) -> dict[str, Any]:
    """The request in the shape it came in, for storing and for fingerprints. Non-text documents lose their ``data``."""
    service = request.service
    return {
        "external_id": request.external_id,
        "review_type": request.review_type,
        "urgency": request.urgency,
        "received_at": request.received_at.isoformat().replace("+00:00", "Z"),
        "member": {
            "member_id": request.member.member_id,
            "birth_date": request.member.birth_date.isoformat(),
            "sex": request.member.sex,
        },
        "coverage": {
            "plan_id": request.coverage.plan_id,
            "line_of_business": request.coverage.line_of_business,
            "status": request.coverage.status,
        },
        "service": {
            "system": service.system,
            "code": service.code,
            "description": service.description,
            "units": service.units,
            "place_of_service": service.place_of_service,
            "start_date": service.start_date.isoformat() if service.start_date else None,
            "end_date": service.end_date.isoformat() if service.end_date else None,
        },
        "diagnoses": [{"system": d.system, "code": d.code, "description": d.description} for d in request.diagnoses],
        "provider": {"npi": request.provider.npi, "specialty": request.provider.specialty},
        "documents": [
            {
                "document_id": document.document_id,
                "type": document.type,
                "date": document.date.isoformat() if document.date else None,
                "content_type": document.content_type,
                "text": document.text,
            }
            for document in request.documents
        ],
    }
