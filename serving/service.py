"""The use cases: validate, store, triage, store the result. HTTP, pages and workers all go through here.

A request is on disk with its job before anything of its triage is kept or answered. What is wrong with a request sends it to
a nurse as ``system_error`` at once; what is wrong with the machinery lets its job wait, and sends it there after the last
attempt.
"""

from __future__ import annotations

import copy
import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pydantic import ValidationError

from features.errors import OffsetError
from features.request import READABLE_CONTENT_TYPE, DocumentsBody, parse_update, refusal, to_documents
from features.types import AuthorizationRequest, Document
from models.near_duplicates import CODE
from models.result import result_text, trace_text
from models.triage import system_error_result
from models.types import Reason, Route, TriageResult
from serving.cancellations import Cancellation, CancellationReason, cancel
from serving.case_search import cases_of
from serving.documents.pool import ReadingPool
from serving.doubted import DoubtedError
from serving.doubts import NO_DOUBTS, Doubts
from serving.errors import (
    BeingReadError,
    ServiceStoppingError,
    ServingError,
    StoreUnavailableError,
)
from serving.fast_track_switches import is_fast_track_off
from serving.jobs import MOST_ATTEMPTS, MOST_LOST, Job, JobQueue
from serving.json_body import parse_json
from serving.metrics import Metrics
from serving.new_request import NewRequest, parsed_request
from serving.prefer import Preference
from serving.reading import Triage
from serving.recent_ids import RecentIds
from serving.records import read_received, received_documents
from serving.request_updates import update_request
from serving.store import Store
from serving.stored_case import CaseStatus, ListedCase, ListPosition, Received, StoredRequest, StoredResult
from serving.triage_pool import BegunTriage
from serving.ulid import UlidSource

SELECTED_FOR_REVIEW = Reason("selected_for_review", "A nurse reviews this request.")

FAST_TRACK_OFF = Reason("fast_track_off", "Fast-tracking is switched off for this kind of service.")

NEAR_DUPLICATE = Reason(
    CODE,
    "The same or a related service was requested for the same member before; a nurse compares the two.",
)

CANCELLED = Reason("cancelled", "The intake system cancelled this request before it was answered.")

TEXT_OF_ANOTHER_MEMBER = Reason(
    "text_of_another_member",
    "A document says word for word what one of another member's request says; a nurse finds out whose it is.",
)

SECOND_LOOK = Reason(
    "second_look",
    "People have referred, decided or closed this case before; one of them looks at what is there now.",
)

SUPERSEDED = Reason("superseded", "More came while this was read; the next result is of everything.")

PROCESS_ENDED = "process_ended"
"""The kind of error where nobody was left to say another."""

_LONGEST_HOLD = 10.0
"""Seconds a repeat waits for the result of the request it repeats, where it says nothing else."""
_FIRST_LOOK, _LAST_LOOK = 0.02, 0.25
_MOST_WAITING = 24
"""So many calls of a process wait for a result at once: each takes one of the 40 threads that answer all (Starlette's)."""

_log = logging.getLogger("greenlane.serving")


@dataclass(frozen=True, slots=True)
class Submission:
    """The answer to what an intake system sent: the result of a revision as JSON text, or what is known before there is
    one; whether the case is new; and whether it was waited for where the sender asked for that.
    """

    authorization_id: str
    revision: int
    created: bool
    result: str | Received
    waited: bool = True


@dataclass(frozen=True, slots=True)
class Case:
    """Everything the case page shows: the request, its latest result, and the results before it."""

    stored: StoredRequest
    latest: StoredResult
    history: tuple[StoredResult, ...]


class AuthorizationService:
    """Requests in, results out, for one tenant. Safe to share between threads; ``draw`` gives numbers in [0, 1) for the
    blind audit, ``sync_characters`` is how much plain text a request may hold that is triaged while its sender waits;
    ``begin`` lets the reading of one begin while it is being stored.
    """

    def __init__(
        self,
        store: Store,
        triage: Triage,
        *,
        audit_share: float,
        metrics: Metrics,
        documents: ReadingPool,
        queue: JobQueue,
        sync_characters: int,
        begin: Callable[[AuthorizationRequest], BegunTriage | None] = lambda _request: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        draw: Callable[[], float] | None = None,
    ) -> None:
        self._store = store
        self._triage = triage
        self._begin = begin
        self._recent = RecentIds()
        self._audit_share = audit_share
        self._metrics = metrics
        self._documents = documents
        self._queue = queue
        self._sync_characters = sync_characters
        self._clock = clock
        self._draw = draw or secrets.SystemRandom().random
        self._next_id = UlidSource()
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING)

    def of_tenant(self, tenant: str) -> AuthorizationService:
        """The same service on another tenant's cases; notes of all tenants are read by the same model."""
        other = copy.copy(self)
        other._store = self._store.of_tenant(tenant)
        return other

    def submit(self, body: bytes, prefer: Preference | None = None, *, at_once: bool = False) -> Submission:
        """Store a request, and triage it if it is small and its sender wants to wait; else its job waits for a worker.

        A repeat with the same content gets the stored result. ``at_once``: triage it here whatever it is. Raises
        UnreadableBodyError, RequestRefusedError, ContentConflictError, StoreUnavailableError or ServiceStoppingError.
        """
        now = self._clock()
        prefer = prefer or Preference()
        with self._metrics.stage("parse"):
            new = self.new_request(body, now)
        begun = None
        if not at_once and self._is_read_here(new.request, prefer, at_once=False):
            # A repeat would be read for nothing. Nothing of a reading is kept before the request is on disk.
            is_new = self._recent.is_new(self._store.tenant, new.request.external_id)
            begun = self._begin(new.request) if is_new else None
        with begun or nullcontext():
            with self._metrics.stage("store"):
                stored, created = self._store.accept(new, now=now, lease_for=self._lease_for(prefer, at_once=at_once))
            if created:
                return self._answer(stored, prefer, new=True, created=True, at_once=at_once, begun=begun)
        # Only now that nothing is begun any more: a repeat of what has no result yet may have to be read itself.
        return self._answer(stored, prefer, new=False, created=False, at_once=at_once)

    def new_request(self, body: bytes, now: datetime) -> NewRequest:
        """A request from a JSON body, with its draw for the blind audit.

        Raises UnreadableBodyError or RequestRefusedError.
        """
        return parsed_request(body, now).numbered(
            self._next_id, audit_selected=self._draw() < self._audit_share, audit_probability=self._audit_share
        )

    def announce(self) -> None:
        """Tell the workers of this process that requests were stored that nobody has taken."""
        self._queue.announce()

    def preview(self, body: bytes) -> str:
        """The result of a request as JSON text, nothing stored and nothing drawn for the audit. Raises as `submit`."""
        parsed = parsed_request(body, self._clock())
        documents = tuple(read_received(document, self._documents) for document in parsed.documents)
        read = replace(parsed.request, documents=documents)
        return result_text(self._switched(self._read(read)))

    def add_documents(self, authorization_id: str, body: bytes, prefer: Preference | None = None) -> Submission:
        """Add documents and triage again, as :meth:`submit` does; the earlier result stays in the history.

        Raises UnknownAuthorizationError, CaseCancelledError and what :meth:`submit` raises.
        """
        prefer = prefer or Preference()
        data = parse_json(body)
        try:
            parsed = DocumentsBody.model_validate(data)
        except ValidationError as error:
            raise refusal(error) from None
        documents = received_documents(to_documents(parsed.documents), data["documents"])
        stored, added = self._store.add_documents(
            authorization_id, documents, now=self._clock(), lease_for=self._lease_for(prefer, at_once=False)
        )
        return self._answer(stored, prefer, new=added, created=False, at_once=False)

    def update(self, authorization_id: str, body: bytes, prefer: Preference | None = None) -> Submission:
        """Change a request and triage it again, as :meth:`submit` does; the earlier one stays in the history.

        Raises UnknownAuthorizationError, CaseCancelledError, UnreadableBodyError, RequestRefusedError or
        StoreUnavailableError.
        """
        prefer = prefer or Preference()
        data = parse_json(body)
        stored, changed = update_request(
            self._store,
            authorization_id,
            lambda earlier: parse_update(data, earlier),
            now=self._clock(),
            lease_for=self._lease_for(prefer, at_once=False),
        )
        return self._answer(stored, prefer, new=changed, created=False, at_once=False)

    def answered(self, authorization_id: str, revision: int) -> str | Received:
        """What a call that ended in this revision is answered with: its result, or what is known while there is none.

        Where newer content came before anybody read the revision, it will have none: then the answer is the newest's.
        Raises UnknownAuthorizationError.
        """
        found = self._store.result_of(authorization_id, revision) or self._store.result(authorization_id)
        return found.result if found is not None else self._store.received(authorization_id)

    def cancel(self, authorization_id: str, reason: CancellationReason) -> Cancellation:
        """Take a request back. Raises UnknownAuthorizationError, CancellationRefusedError or StoreUnavailableError."""
        return cancel(self._store, authorization_id, reason, now=self._clock())

    def find(self, external_ids: Sequence[str]) -> tuple[ListedCase, ...]:
        """How the cases of these external ids stand, in the order asked; ids that are not stored are left out."""
        return cases_of(self._store, external_ids)

    def result(self, authorization_id: str) -> str:
        """The stored result as JSON text. Raises UnknownAuthorizationError, and BeingReadError where there is none yet."""
        return self._found(authorization_id).result

    def case(self, authorization_id: str, *, earlier: bool = False) -> Case:
        """Request, result and history of one case.

        ``earlier``: where the newest documents are still being read, the result before them will do. Raises
        UnknownAuthorizationError, and BeingReadError where there is no such result.
        """
        stored = self._store.request(authorization_id)
        history = self._store.history(authorization_id)
        latest = next((result for result in history if result.revision == stored.revision), None)
        if latest is None and earlier and history:
            latest = history[-1]
        if latest is None:
            raise BeingReadError(self._store.received(authorization_id))
        return Case(stored, latest, history)

    def document(self, authorization_id: str, number: int) -> Document:
        """The ``number``-th document of a case, from 1, as it was read.

        Raises UnknownAuthorizationError or UnknownDocumentError, and BeingReadError where nobody has read it yet.
        """
        document = self._store.document(authorization_id, number)
        if document.content_type != READABLE_CONTENT_TYPE and document.read_by is None:
            raise BeingReadError(self._store.received(authorization_id))
        return document

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

    def work(
        self, job: Job, stored: StoredRequest | None = None, begun: BegunTriage | None = None
    ) -> StoredResult | None:
        """Triage the request of a job that was taken. None: there is no result, and the job waits again or is over.

        ``stored`` is the request where the caller has it already, ``begun`` its reading where that began. Raises
        StoreUnavailableError; then the job is to be handed back as soon as the database answers.
        """
        with self._queue.in_hand(job):
            try:
                if job.attempts > (MOST_LOST if job.error is None else MOST_ATTEMPTS):
                    return self._give_up(job, job.error or PROCESS_ENDED)
                stored = stored or self._store.request(job.authorization_id)
                if stored.revision != job.revision:
                    self._queue.drop(job)
                    return None
                kept = self._read_and_keep(stored, begun)
                self._metrics.count_attempt("done")
                return kept
            except StoreUnavailableError:
                raise
            except ServiceStoppingError:
                self._metrics.count_attempt("handed_back")
                self._queue.hand_back(job)
            except Exception as error:
                return self._failed(job, type(error).__name__)
        return None

    def _failed(self, job: Job, error: str) -> StoredResult | None:
        """What follows an error of the machinery: another attempt later, or after the last one a nurse."""
        named = {"authorization_id": job.authorization_id}
        _log.error("attempt %d to triage %s failed with %s", job.attempts, job.authorization_id, error, extra=named)
        if job.attempts >= MOST_ATTEMPTS:
            return self._give_up(job, error)
        self._metrics.count_attempt("put_off")
        self._queue.put_off(job, error)
        return None

    def _give_up(self, job: Job, error: str) -> StoredResult | None:
        """A nurse gets the request unread; the job is kept among the dead ones."""
        named = {"authorization_id": job.authorization_id}
        _log.error("gave up on %s after %d attempts: %s", job.authorization_id, job.attempts, error, extra=named)
        self._metrics.count_attempt("dead")
        try:
            stored = self._store.request(job.authorization_id)
            if stored.revision != job.revision:
                self._queue.drop(job)
                return None
            return self._keep(stored, system_error_result(stored.request), dead=error)
        except StoreUnavailableError:
            raise
        except Exception as unusable:
            # Not even that much can be read of it: it stays in sight among the dead jobs.
            _log.error("no result can be stored for %s: %s", job.authorization_id, type(unusable).__name__)
            self._queue.bury(job, error)
            return None

    def _lease_for(self, prefer: Preference, *, at_once: bool) -> Callable[[AuthorizationRequest], str | None]:
        def lease_for(request: AuthorizationRequest) -> str | None:
            return self._queue.owner if self._is_read_here(request, prefer, at_once=at_once) else None

        return lease_for

    def _is_read_here(self, request: AuthorizationRequest, prefer: Preference, *, at_once: bool) -> bool:
        """Whether whoever took the request also triages it, while its sender waits."""
        if at_once or prefer.respond_async:
            return at_once
        texts = [d.text for d in request.documents if d.content_type == READABLE_CONTENT_TYPE or d.read_by is not None]
        return len(texts) == len(request.documents) and sum(map(len, texts)) <= self._sync_characters

    def _answer(
        self,
        stored: StoredRequest,
        prefer: Preference,
        *,
        new: bool,
        created: bool,
        at_once: bool,
        begun: BegunTriage | None = None,
    ) -> Submission:
        """The result where it is there or can be waited for. ``new``: this call made the revision, and so its job."""
        authorization_id = stored.authorization_id
        result: StoredResult | None = None
        here = self._is_read_here(stored.request, prefer, at_once=at_once)
        if new and here:
            result = self.work(Job(self._store.tenant, authorization_id, stored.revision), stored, begun)
        elif new:
            self._queue.announce()
        elif (result := self._store.result(authorization_id)) is None and here:
            # What this repeats was interrupted, or is being read just now by somebody else.
            job = self._queue.take_of(authorization_id)
            result = self.work(job) if job is not None else None
        waited = True
        if result is None and not prefer.respond_async:
            hold = _LONGEST_HOLD if here and not new else 0.0
            result, waited = self._awaited(authorization_id, hold if prefer.wait is None else prefer.wait)
        if result is None:
            received = self._store.received(authorization_id)
            return Submission(authorization_id, stored.revision, created, received, waited)
        return Submission(authorization_id, result.revision, created, result.result)

    def _awaited(self, authorization_id: str, seconds: float) -> tuple[StoredResult | None, bool]:
        """The result, if it comes within so many seconds, and whether it was waited for: not where too many calls wait."""
        if seconds <= 0:
            return None, True
        if not self._waiting.acquire(blocking=False):
            return None, False
        try:
            return self._looked_for(authorization_id, seconds), True
        finally:
            self._waiting.release()

    def _looked_for(self, authorization_id: str, seconds: float) -> StoredResult | None:
        begin, look = time.monotonic(), _FIRST_LOOK
        while True:
            left = begin + seconds - time.monotonic()
            if left <= 0:
                return None
            time.sleep(min(look, left))
            look = min(look * 2, _LAST_LOOK)
            found = self._store.result(authorization_id)
            if found is not None:
                return found

    def _found(self, authorization_id: str) -> StoredResult:
        found = self._store.result(authorization_id)
        if found is None:
            raise BeingReadError(self._store.received(authorization_id))
        return found

    def _read_and_keep(self, stored: StoredRequest, begun: BegunTriage | None) -> StoredResult:
        stored = self._with_files_read(stored)
        with self._metrics.stage("read"):
            result = self._read(stored.request, begun)
        with self._metrics.stage("keep"):
            return self._keep(stored, result)

    def _with_files_read(self, stored: StoredRequest) -> StoredRequest:
        """The request with the text of its files, each read once and stored before anything is triaged on it."""
        waiting = [d for d in stored.request.documents if d.content_type != READABLE_CONTENT_TYPE and d.read_by is None]
        if not waiting:
            return stored
        with self._metrics.stage("documents"):
            for file in self._store.unread_documents(stored.authorization_id):
                begin = time.perf_counter()
                read = self._documents.read(file.content, file.content_type)
                self._store.keep_reading(stored.authorization_id, file.document_id, read)
                self._metrics.time_document(time.perf_counter() - begin, readable=read.unread is None)
        # Those of this revision alone: more may have come meanwhile, and belong to the next.
        now_read = {d.document_id: d for d in self._store.request(stored.authorization_id).request.documents}
        documents = tuple(now_read[document.document_id] for document in stored.request.documents)
        return replace(stored, request=replace(stored.request, documents=documents))

    def _switched(self, result: TriageResult) -> TriageResult:
        """The result as the family's switch allows it. Asked of the database each time, so a turn holds at once."""
        if result.policy is None or not is_fast_track_off(self._store, result.policy.family):
            return result
        return to_a_nurse(result, FAST_TRACK_OFF)

    def _keep(self, stored: StoredRequest, result: TriageResult, *, dead: str | None = None) -> StoredResult:
        doubts = NO_DOUBTS
        while True:
            try:
                return self._keep_as(stored, heeding(result, doubts), dead, doubts)
            except DoubtedError as found:
                # Doubts are only ever added, so this ends.
                doubts = found.doubts

    def _keep_as(self, stored: StoredRequest, result: TriageResult, dead: str | None, doubts: Doubts) -> StoredResult:
        held = stored.audit_selected and result.route is Route.FAST_TRACK
        if held:
            result = replace(result, route=Route.NURSE_REVIEW, reasons=(SELECTED_FOR_REVIEW,))
        result = replace(result, authorization_id=stored.authorization_id)
        kept, stored_now = self._store.keep_result(
            stored,
            result,
            result_json=result_text(result),
            trace=trace_text(result),
            held_for_audit=held,
            now=self._clock(),
            dead=dead,
            heeded=doubts,
        )
        if stored_now:
            self._metrics.count_result(result, held_for_audit=held)
            named = {"authorization_id": stored.authorization_id}
            _log.info("triaged %s: %s", stored.authorization_id, result.route.value, extra=named)
        return kept

    def _read(self, request: AuthorizationRequest, begun: BegunTriage | None = None) -> TriageResult:
        """Triage. Whatever of the request makes it fail is a nurse's case; an error of the machinery passes."""
        try:
            result = begun.result() if begun is not None else self._triage(request)
            check_offsets(request, result)
        except ServingError:
            raise
        except Exception as error:
            # The message may hold note text; the kind of error does not.
            _log.error("triage failed with %s", type(error).__name__)
            return system_error_result(request)
        return result


def to_a_nurse(result: TriageResult, reason: Reason) -> TriageResult:
    """The result with one more reason why a nurse reads the request, once."""
    others = result.reasons if result.route is Route.NURSE_REVIEW else ()
    if any(other.code == reason.code for other in others):
        return result
    return replace(result, route=Route.NURSE_REVIEW, reasons=(*others, reason))


def heeding(result: TriageResult, doubts: Doubts) -> TriageResult:
    """The result after everything that only the store knows of the request."""
    if doubts.fast_track_off:
        result = to_a_nurse(result, FAST_TRACK_OFF)
    if doubts.near_duplicate:
        result = to_a_nurse(result, NEAR_DUPLICATE)
    if doubts.text_of_another_member:
        result = to_a_nurse(result, TEXT_OF_ANOTHER_MEMBER)
    # Of these a nurse is told by the page; they are a reason only where there is no other.
    for doubted, reason in (
        (doubts.second_look, SECOND_LOOK),
        (doubts.superseded, SUPERSEDED),
        (doubts.cancelled, CANCELLED),
    ):
        if doubted and result.route is Route.FAST_TRACK:
            result = to_a_nurse(result, reason)
    return result


def check_offsets(request: AuthorizationRequest, result: TriageResult) -> None:
    """Raise OffsetError unless every fact's text is the document's text at its offsets."""
    texts = {document.document_id: document.text for document in request.documents}
    for fact in result.facts:
        text = texts.get(fact.document_id)
        inside = text is not None and 0 <= fact.start < fact.end <= len(text)
        if text is None or not inside or text[fact.start : fact.end] != fact.text:
            raise OffsetError(f"fact {fact.fact_id}: its text is not the document's text at its offsets")
