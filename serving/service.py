"""The use cases: validate, store, triage, store the result. HTTP, pages and start-up all go through here.

A request is on disk before it is triaged; whatever fails afterwards sends it to a nurse as ``system_error``.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pydantic import ValidationError

from features.errors import OffsetError
from features.request import READABLE_CONTENT_TYPE, DocumentsBody, parse_update, refusal, to_documents
from features.types import AuthorizationRequest, Document
from models.result import result_to_json, trace_to_json
from models.triage import system_error_result
from models.types import Reason, Route, TriageResult
from serving.cancellations import Cancellation, CancellationReason, cancel
from serving.case_search import cases_of
from serving.documents.pool import ReadingPool
from serving.errors import CaseCancelledError
from serving.json_body import parse_json
from serving.metrics import Metrics
from serving.near_duplicates import has_near_duplicate
from serving.new_request import NewRequest, parsed_request
from serving.records import dumps, read_received, received_documents
from serving.request_updates import update_request
from serving.store import Store
from serving.stored_case import CaseStatus, ListedCase, ListPosition, StoredRequest, StoredResult
from serving.ulid import UlidSource

Triage = Callable[[AuthorizationRequest], TriageResult]

SELECTED_FOR_REVIEW = Reason("selected_for_review", "A nurse reviews this request.")

NEAR_DUPLICATE = Reason(
    "near_duplicate",
    "The same or a related service was requested for the same member before; a nurse compares the two.",
)

CANCELLED = Reason("cancelled", "The intake system cancelled this request before it was answered.")

TEXT_OF_ANOTHER_MEMBER = Reason(
    "text_of_another_member",
    "A document says word for word what one of another member's request says; a nurse finds out whose it is.",
)

MOST_ATTEMPTS = 3
"""After so many attempts that ended with the process dead, a request goes to a nurse unread."""

_STRIPES = 64

_log = logging.getLogger("greenlane.serving")


@dataclass(frozen=True, slots=True)
class Submission:
    """The answer to what an intake system sent: the result of a revision as JSON text, and whether anything was new."""

    authorization_id: str
    revision: int
    result: str
    created: bool


@dataclass(frozen=True, slots=True)
class Case:
    """Everything the case page shows: the request, its latest result, and the results before it."""

    stored: StoredRequest
    latest: StoredResult
    history: tuple[StoredResult, ...]


class AuthorizationService:
    """Requests in, results out. Safe to share between threads: notes are read one at a time (it is pure Python, so
    threads would only take turns anyway); ``draw`` gives numbers in [0, 1) for the blind audit.
    """

    def __init__(
        self,
        store: Store,
        triage: Triage,
        *,
        audit_share: float,
        metrics: Metrics,
        documents: ReadingPool,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        draw: Callable[[], float] | None = None,
    ) -> None:
        self._store = store
        self._triage = triage
        self._audit_share = audit_share
        self._metrics = metrics
        self._documents = documents
        self._clock = clock
        self._draw = draw or secrets.SystemRandom().random
        self._next_id = UlidSource()
        self._reading = threading.Lock()
        self._cases = tuple(threading.Lock() for _ in range(_STRIPES))

    def submit(self, body: bytes) -> Submission:
        """Store and triage one request; a repeat with the same content gets the stored result.

        Raises UnreadableBodyError, RequestRefusedError, ContentConflictError or StoreUnavailableError.
        """
        now = self._clock()
        new = self.new_request(body, now)
        stored, created = self._store.accept(
            new.authorization_id,
            new.request,
            new.documents,
            content_hash=new.content_hash,
            due_at=new.due_at,
            audit_selected=new.audit_selected,
            audit_probability=new.audit_probability,
            now=now,
        )
        result = self._complete(stored) if created else self._finish(stored.authorization_id)
        return Submission(stored.authorization_id, result.revision, result.result, created)

    def new_request(self, body: bytes, now: datetime) -> NewRequest:
        """A request from a JSON body, with its draw for the blind audit.

        Raises UnreadableBodyError or RequestRefusedError.
        """
        return parsed_request(body, now).numbered(
            self._next_id, audit_selected=self._draw() < self._audit_share, audit_probability=self._audit_share
        )

    def preview(self, body: bytes) -> str:
        """The result of a request as JSON text, nothing stored and nothing drawn for the audit. Raises as `submit`."""
        parsed = parsed_request(body, self._clock())
        documents = tuple(read_received(document, self._documents) for document in parsed.documents)
        read = replace(parsed.request, documents=documents)
        return dumps(result_to_json(self._switched(self._read(read))))

    def add_documents(self, authorization_id: str, body: bytes) -> Submission:
        """Add documents and triage again; the earlier result stays in the history.

        Raises UnknownAuthorizationError, CaseCancelledError and what :meth:`submit` raises.
        """
        data = parse_json(body)
        try:
            parsed = DocumentsBody.model_validate(data)
        except ValidationError as error:
            raise refusal(error) from None
        documents = received_documents(to_documents(parsed.documents), data["documents"])
        stored, added = self._store.add_documents(authorization_id, documents, now=self._clock())
        result = self._complete(stored) if added else self._finish(authorization_id)
        return Submission(authorization_id, result.revision, result.result, added)

    def update(self, authorization_id: str, body: bytes) -> Submission:
        """Change a request and triage it again; the earlier one stays in the history.

        Raises UnknownAuthorizationError, CaseCancelledError, UnreadableBodyError, RequestRefusedError or
        StoreUnavailableError.
        """
        data = parse_json(body)
        stored, changed = update_request(
            self._store, authorization_id, lambda earlier: parse_update(data, earlier), now=self._clock()
        )
        result = self._complete(stored) if changed else self._finish(authorization_id)
        return Submission(authorization_id, result.revision, result.result, changed)

    def cancel(self, authorization_id: str, reason: CancellationReason) -> Cancellation:
        """Take a request back. Raises UnknownAuthorizationError, CancellationRefusedError or StoreUnavailableError."""
        return cancel(self._store, authorization_id, reason, now=self._clock())

    def result_of(self, authorization_id: str, revision: int) -> str:
        """The result of one revision as JSON text. Raises UnknownAuthorizationError, also where it has none."""
        return self._store.result_of(authorization_id, revision).result

    def find(self, external_ids: Sequence[str]) -> tuple[ListedCase, ...]:
        """How the cases of these external ids stand, in the order asked; ids that are not stored are left out."""
        return cases_of(self._store, external_ids)

    def result(self, authorization_id: str) -> str:
        """The stored result as JSON text; a request whose triage was interrupted is triaged now.

        Raises UnknownAuthorizationError.
        """
        return self._finish(authorization_id).result

    def case(self, authorization_id: str) -> Case:
        """Request, result and history of one case. Raises UnknownAuthorizationError."""
        latest = self._finish(authorization_id)
        stored = self._store.request(authorization_id)
        return Case(stored, latest, self._store.history(authorization_id))

    def document(self, authorization_id: str, number: int) -> Document:
        """The ``number``-th document of a case, from 1, as it was read.

        Raises UnknownAuthorizationError or UnknownDocumentError.
        """
        self._finish(authorization_id)
        return self._store.document(authorization_id, number)

    def cases(
        self,
        *,
        status: CaseStatus | None = None,
        route: Route | None = None,
        due_before: datetime | None = None,
        after: ListPosition | None = None,
        limit: int,
    ) -> tuple[ListedCase, ...]:
        """Cases by due time, soonest first."""
        return self._store.cases(status=status, route=route, due_before=due_before, after=after, limit=limit)

    def check_store(self) -> None:
        """Raise StoreUnavailableError unless the database can be used."""
        self._store.check()

    def recover(self, *, stopping: threading.Event | None = None) -> int:
        """Triage every accepted request that has no result; returns how many. Meant for start-up."""
        count = 0
        for authorization_id in self._store.pending():
            if stopping is not None and stopping.is_set():
                break
            self._finish(authorization_id)
            count += 1
        if count:
            _log.info("triaged %d requests that were accepted before this start", count)
        return count

    def _finish(self, authorization_id: str) -> StoredResult:
        found = self._store.result(authorization_id)
        if found is not None:
            return found
        with self._case(authorization_id):
            found = self._store.result(authorization_id)
            if found is not None:
                return found
            stored = self._store.request(authorization_id)
            if self._store.count_attempt(authorization_id) > MOST_ATTEMPTS:
                return self._keep(stored, system_error_result(stored.request))
            return self._read_and_keep(stored)

    def _complete(self, stored: StoredRequest) -> StoredResult:
        with self._case(stored.authorization_id):
            return self._read_and_keep(stored)

    def _read_and_keep(self, stored: StoredRequest) -> StoredResult:
        stored = self._with_files_read(stored)
        return self._keep(stored, self._read(stored.request))

    def _with_files_read(self, stored: StoredRequest) -> StoredRequest:
        """The request with the text of its files, each read once and stored before anything is triaged on it."""
        waiting = [d for d in stored.request.documents if d.content_type != READABLE_CONTENT_TYPE and d.read_by is None]
        if not waiting:
            return stored
        for file in self._store.unread_documents(stored.authorization_id):
            begin = time.perf_counter()
            read = self._documents.read(file.content, file.content_type)
            self._store.keep_reading(stored.authorization_id, file.document_id, read)
            self._metrics.time_document(time.perf_counter() - begin, readable=read.unread is None)
        # Those of this revision alone: more may have come meanwhile, and belong to the next.
        now_read = {d.document_id: d for d in self._store.request(stored.authorization_id).request.documents}
        documents = tuple(now_read[document.document_id] for document in stored.request.documents)
        return replace(stored, request=replace(stored.request, documents=documents))

    def _case(self, authorization_id: str) -> threading.Lock:
        """What one thread holds while it triages a case, so that a repeat waits instead of counting as an attempt."""
        return self._cases[zlib.crc32(authorization_id.encode()) % len(self._cases)]

    def _switched(self, result: TriageResult) -> TriageResult:
        """The result as the family's switch allows it. Asked of the database each time, so a turn holds at once."""
        if result.policy is None or not self._store.is_fast_track_off(result.policy.family):
            return result
        off = Reason("fast_track_off", "Fast-tracking is switched off for this kind of service.")
        if any(reason.code == off.code for reason in result.reasons):
            return result
        return to_a_nurse(result, off)

    def _keep(self, stored: StoredRequest, result: TriageResult) -> StoredResult:
        try:
            return self._keep_as(stored, self._guarded(stored, result))
        except CaseCancelledError:
            return self._keep_as(stored, to_a_nurse(result, CANCELLED))

    def _guarded(self, stored: StoredRequest, result: TriageResult) -> TriageResult:
        """The result after everything that only the store knows of the request."""
        result = self._switched(result)
        if has_near_duplicate(self._store, stored.authorization_id):
            result = to_a_nurse(result, NEAR_DUPLICATE)
        if self._store.shares_text_with_another_member(stored.authorization_id):
            result = to_a_nurse(result, TEXT_OF_ANOTHER_MEMBER)
        return result

    def _keep_as(self, stored: StoredRequest, result: TriageResult) -> StoredResult:
        held = stored.audit_selected and result.route is Route.FAST_TRACK
        if held:
            result = replace(result, route=Route.NURSE_REVIEW, reasons=(SELECTED_FOR_REVIEW,))
        result = replace(result, authorization_id=stored.authorization_id)
        kept, stored_now = self._store.keep_result(
            stored,
            result,
            result_json=dumps(result_to_json(result)),
            trace=dumps(trace_to_json(result)),
            held_for_audit=held,
            now=self._clock(),
        )
        if stored_now:
            self._metrics.count_result(result)
            _log.info("triaged %s: %s", stored.authorization_id, result.route.value)
        return kept

    def _read(self, request: AuthorizationRequest) -> TriageResult:
        """Triage, and whatever goes wrong in it is a nurse's case: this never raises for a request's content."""
        with self._reading:
            begin = time.perf_counter()
            try:
                result = self._triage(request)
                check_offsets(request, result)
            except Exception as error:
                # The message may hold note text; the kind of error does not.
                _log.error("triage failed with %s", type(error).__name__)
                result = system_error_result(request)
            self._metrics.time_triage(time.perf_counter() - begin)
        return result


def to_a_nurse(result: TriageResult, reason: Reason) -> TriageResult:
    """The result with one more reason why a nurse reads the request."""
    others = result.reasons if result.route is Route.NURSE_REVIEW else ()
    return replace(result, route=Route.NURSE_REVIEW, reasons=(*others, reason))


def check_offsets(request: AuthorizationRequest, result: TriageResult) -> None:
    """Raise OffsetError unless every fact's text is the document's text at its offsets."""
    texts = {document.document_id: document.text for document in request.documents}
    for fact in result.facts:
        text = texts.get(fact.document_id)
        inside = text is not None and 0 <= fact.start < fact.end <= len(text)
        if text is None or not inside or text[fact.start : fact.end] != fact.text:
            raise OffsetError(f"fact {fact.fact_id}: its text is not the document's text at its offsets")
