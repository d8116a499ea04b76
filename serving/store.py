"""The one place that writes. Requests, documents and results go in; frozen records come out.

A request is committed with its job before its result, and the result with the job's end, each in one transaction, so
a process that is killed between the two leaves a job that another one takes (serving/jobs.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime
from typing import cast

from sqlalchemy import Engine, Table, bindparam, literal, select, text, tuple_, update
from sqlalchemy.orm import Session

from features.request import READABLE_CONTENT_TYPE
from features.types import AuthorizationRequest, Document
from models.types import Route, TriageResult
from serving.case_clock import information_came, recompute_due, set_clock
from serving.case_standing import case_row
from serving.data_keys import DataKeys
from serving.database import database_errors, is_migrated, migrate, open_engine
from serving.documents.read_document import ReadDocument
from serving.doubted import DoubtedError
from serving.doubts import NO_DOUBTS, Doubts, doubts_of, hold_alike
from serving.envelope_keys import EnvelopeKeys
from serving.errors import (
    ContentConflictError,
    StoreUnavailableError,
    UnknownDocumentError,
)
from serving.events import EventKind, record_event
from serving.jobs import add_job, end_job
from serving.new_request import NewRequest
from serving.records import ReceivedDocument, wording_of
from serving.revisions import begin_revision, refuse_if_cancelled
from serving.sealed_types import seal_with
from serving.stored_case import (
    CaseStatus,
    ListedCase,
    ListPosition,
    Received,
    StoredRequest,
    StoredResult,
    UnreadDocument,
    columns_of,
    document_of,
    kept_reading,
    listed_case,
    refuse_erased,
    stored_request,
    stored_result,
)
from serving.tables import (
    AuthorizationRow,
    DocumentRow,
    ResultRow,
    UtcDateTime,
)
from serving.tenants import DEFAULT_TENANT
from serving.work import Work
from serving.written_once import write_once, write_unless_there

_LONGEST_READER = 200
_SENT_BEFORE = select(AuthorizationRow).where(
    AuthorizationRow.tenant == bindparam("tenant"), AuthorizationRow.external_id == bindparam("external_id")
)
_TRIAGED = (
    update(cast("Table", AuthorizationRow.__table__))
    .where(AuthorizationRow.authorization_id == bindparam("case"))
    .values(
        status="triaged",
        route=bindparam("route"),
        reason_code=bindparam("reason_code"),
        reason_message=bindparam("reason_message"),
        family=bindparam("family"),
        work=bindparam("work"),
    )
)

LeaseFor = Callable[[AuthorizationRequest], str | None]
"""Who triages a request at once and so holds its job from the start, None where it waits for whoever takes it."""


def for_whoever_takes_it(_request: AuthorizationRequest) -> str | None:
    """Let the job of a request wait."""
    return None


class Store:
    """The database behind the service. Safe to share between threads."""

    def __init__(
        self,
        engine: Engine,
        *,
        tenant: str = DEFAULT_TENANT,
        writing: AbstractContextManager[object] | None = None,
    ) -> None:
        self._engine = engine
        self._writer = engine.execution_options(writes=True)
        self._tenant = tenant
        # SQLite takes one writer at a time and its waiting is not fair; in one process a lock is. Others lock rows.
        self._writing = writing or (threading.Lock() if engine.dialect.name == "sqlite" else nullcontext())

    @classmethod
    def open(cls, url: str, *, migrate_always: bool = False, envelope: EnvelopeKeys | None = None) -> Store:
        """Open ``url``; SQLite is migrated, other databases only on ``migrate_always``.

        ``envelope``: what notes say is sealed from now on. Raises StoreUnavailableError where the database holds sealed
        values and this is not the key to them.
        """
        engine = open_engine(url)
        if migrate_always or engine.dialect.name == "sqlite":
            migrate(engine)
        keys = DataKeys(engine, envelope)
        seal_with(engine.dialect, keys)
        try:
            keys.prepare()
        except StoreUnavailableError:
            engine.dispose()
            raise
        return cls(engine)

    def of_tenant(self, tenant: str) -> Store:
        """The same database as another tenant sees it."""
        return Store(self._engine, tenant=tenant, writing=self._writing)

    @property
    def engine(self) -> Engine:
        """What talks to the database, for the few who need more of it than sessions."""
        return self._engine

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()

    def check(self) -> None:
        """Raise StoreUnavailableError unless the database answers and has the expected schema."""
        with self.reading() as session:
            session.execute(text("SELECT 1"))
            if not is_migrated(session.connection()):
                raise StoreUnavailableError("the database has another schema; run greenlane serve --migrate")

    def check_writable(self) -> None:
        """Raise StoreUnavailableError unless something can be written: a full disk and a read-only file let reads pass."""
        with self.writing() as session:
            if session.get_bind().dialect.name == "postgresql":
                # It says so itself; a write of ours would wait for a migration that is running.
                if session.scalar(text("SHOW transaction_read_only")) == "on":
                    raise StoreUnavailableError("the database answers: it is read-only")
            else:
                session.execute(text("UPDATE alembic_version SET version_num = version_num"))

    def accept(
        self, new: NewRequest, *, now: datetime, lease_for: LeaseFor = for_whoever_takes_it
    ) -> tuple[StoredRequest, bool]:
        """Store a request with the job to triage it, or find the one already stored under its external id.

        Returns the stored request and whether it is new. Raises ContentConflictError where the stored one has other content.
        """
        with self.writing() as session:
            row, created = self.accept_within(session, new, now=now, lease_for=lease_for)
            if not created:
                return stored_request(session, row), False
            return StoredRequest(new.authorization_id, new.content_hash, new.request, 1, new.audit_selected), True

    def accept_within(
        self, session: Session, new: NewRequest, *, now: datetime, lease_for: LeaseFor = for_whoever_takes_it
    ) -> tuple[AuthorizationRow, bool]:
        """:meth:`accept` in a transaction of the caller's, for many requests at once. Returns the row and whether it is new.

        Raises ContentConflictError or AuthorizationErasedError before anything is written.
        """
        request = new.request
        row = AuthorizationRow(
            authorization_id=new.authorization_id,
            tenant=self._tenant,
            external_id=request.external_id,
            content_hash=new.content_hash,
            accepted_at=now,
            changed_at=now,
            status="received",
            revision=1,
            attempts=0,
            audit_selected=new.audit_selected,
            audit_probability=new.audit_probability,
            **columns_of(request),
        )
        set_clock(row, new.due)
        if not write_unless_there(session, row):
            return self._sent_before(session, new), False
        _add_documents(session, new.authorization_id, new.documents, first_position=0, revision=1, now=now)
        add_job(session, row, leased_by=lease_for(request), now=now)
        return row, True

    def _sent_before(self, session: Session, new: NewRequest) -> AuthorizationRow:
        row = session.scalars(_SENT_BEFORE, {"tenant": self._tenant, "external_id": new.request.external_id}).one()
        refuse_erased(row)
        if row.content_hash != new.content_hash:
            raise ContentConflictError(
                "external_id: this id was sent before with other content; use a new external_id, "
                "or update the stored authorization or add documents to it"
            )
        return row

    def add_documents(
        self,
        authorization_id: str,
        documents: Sequence[ReceivedDocument],
        *,
        now: datetime,
        lease_for: LeaseFor = for_whoever_takes_it,
    ) -> tuple[StoredRequest, bool]:
        """Add documents; the request becomes a new revision with a job and without a result. Returns it and whether
        anything is new.

        Documents already stored with the same content are skipped. Raises UnknownAuthorizationError, CaseCancelledError, or
        ContentConflictError where a document id is stored with other content; then nothing is added.
        """
        with self.writing() as session:
            row = self._row(session, authorization_id, to_change=True)
            refuse_if_cancelled(row)
            earlier = stored_request(session, row)
            stored_documents = session.execute(
                select(DocumentRow.document_id, DocumentRow.fingerprint).where(
                    DocumentRow.authorization_id == authorization_id
                )
            )
            known = {row.document_id: row.fingerprint for row in stored_documents}
            for number, received in enumerate(documents):
                stored = known.get(received.document.document_id, received.fingerprint)
                if stored != received.fingerprint:
                    raise ContentConflictError(
                        f"documents.{number}.document_id: this id was sent before with other content; use a new one"
                    )
            new = [received for received in documents if received.document.document_id not in known]
            if new:
                request = replace(
                    earlier.request,
                    documents=(*earlier.request.documents, *(received.document for received in new)),
                )
                revision = begin_revision(session, row, leased_by=lease_for(request), now=now)
                _add_documents(session, authorization_id, new, first_position=len(known), revision=revision, now=now)
                session.flush()
                information_came(session, row, now=now)
                record_event(session, row, EventKind.DOCUMENTS_ADDED, at=now)
                return replace(earlier, request=request, revision=revision), True
            return earlier, False

    def unread_documents(self, authorization_id: str) -> tuple[UnreadDocument, ...]:
        """The documents that are not plain text and that no reader has seen yet, with their bytes.

        Raises UnknownAuthorizationError.
        """
        with self.reading() as session:
            self._row(session, authorization_id)
            rows = session.scalars(
                select(DocumentRow)
                .where(
                    DocumentRow.authorization_id == authorization_id,
                    DocumentRow.content_type != READABLE_CONTENT_TYPE,
                    DocumentRow.read_by.is_(None),
                )
                .order_by(DocumentRow.position)
            )
            return tuple(UnreadDocument(row.document_id, row.content_type, row.content) for row in rows)

    def keep_reading(self, authorization_id: str, document_id: str, read: ReadDocument) -> ReadDocument:
        """Store what was read from a document, once: facts point into its text. Returns what is stored.

        Raises UnknownAuthorizationError or UnknownDocumentError.
        """
        with self.writing() as session:
            self._row(session, authorization_id)
            row = session.get(DocumentRow, (authorization_id, document_id))
            if row is None:
                raise UnknownDocumentError("document_id: the authorization has no document of this id")
            kept = kept_reading(row)
            if kept is not None:
                return kept
            row.extracted_text = read.text.encode()
            row.read_by = read.read_by[:_LONGEST_READER]
            row.reading = read.record()
            row.wording = wording_of(read.text)
            return read

    def document(self, authorization_id: str, number: int) -> Document:
        """The document that came as the ``number``-th, from 1, as triage sees it.

        Raises UnknownAuthorizationError or UnknownDocumentError.
        """
        with self.reading() as session:
            self._row(session, authorization_id)
            row = session.scalar(
                select(DocumentRow).where(
                    DocumentRow.authorization_id == authorization_id, DocumentRow.position == number - 1
                )
            )
            if row is None:
                raise UnknownDocumentError("number: the authorization has fewer documents")
            return document_of(row)

    def keep_result(
        self,
        stored: StoredRequest,
        result: TriageResult,
        *,
        result_json: str,
        trace: str,
        held_for_audit: bool,
        now: datetime,
        dead: str | None = None,
        heeded: Doubts = NO_DOUBTS,
    ) -> tuple[StoredResult, bool]:
        """Store the result of a revision and end its job, or find the result stored meanwhile: the first one stays.

        ``dead``: the job was given up for this kind of error. ``heeded``: the doubts that the result is stored in spite of,
        or heeds. Returns the stored result and whether it is this one. Raises DoubtedError where there are others; then
        nothing is stored.
        """
        key = (stored.authorization_id, stored.revision)
        with self.writing() as session:
            authorization = self._row(session, stored.authorization_id, to_change=True)
            if result.route is Route.FAST_TRACK:
                hold_alike(session, authorization)
            family = result.policy.family if result.policy else None
            doubts = heeded | doubts_of(session, authorization, revision=stored.revision, family=family)
            if doubts != heeded:
                raise DoubtedError(doubts)
            row = ResultRow(
                authorization_id=stored.authorization_id,
                revision=stored.revision,
                triaged_at=now,
                route=result.route.value,
                held_for_audit=held_for_audit,
                pipeline_version=result.pipeline_version,
                result=result_json,
                trace=trace,
                approval_score=result.approval_score,
            )
            if not write_unless_there(session, row):
                end_job(session, *key, dead=None, now=now)
                return stored_result(session.get_one(ResultRow, key)), False
            end_job(session, *key, dead=dead, now=now)
            if authorization.revision == stored.revision:
                if authorization.amber_at is None:
                    # Accepted before cases had alarms; every other has them from the start.
                    recompute_due(session, authorization, now=now)
                fast_tracked = authorization.work == Work.OPEN and result.route is Route.FAST_TRACK
                session.connection().execute(
                    _TRIAGED,
                    {
                        "case": stored.authorization_id,
                        "route": result.route.value,
                        "reason_code": result.reasons[0].code,
                        "reason_message": result.reasons[0].message,
                        "family": family,
                        "work": Work.FAST_TRACKED.value if fast_tracked else authorization.work,
                    },
                )
            # An intake system that took its request back was told so last.
            if authorization.work != Work.CANCELLED:
                record_event(
                    session, authorization, EventKind.TRIAGED, at=now, revision=stored.revision, route=result.route
                )
            return stored_result(row), True

    def request(self, authorization_id: str) -> StoredRequest:
        """The stored request with all its documents. Raises UnknownAuthorizationError."""
        with self.reading() as session:
            return stored_request(session, self._row(session, authorization_id))

    def received(self, authorization_id: str) -> Received:
        """What is known of a request before it is triaged. Raises UnknownAuthorizationError."""
        with self.reading() as session:
            row = self._row(session, authorization_id)
            return Received(row.authorization_id, row.external_id, row.due_at, row.work == Work.CANCELLED)

    def result(self, authorization_id: str) -> StoredResult | None:
        """The result of the current revision, None while there is none. Raises UnknownAuthorizationError."""
        with self.reading() as session:
            row = self._row(session, authorization_id)
            found = session.get(ResultRow, (authorization_id, row.revision))
            return stored_result(found) if found is not None else None

    def result_of(self, authorization_id: str, revision: int) -> StoredResult | None:
        """The result of one revision, None where it has none. Raises UnknownAuthorizationError."""
        with self.reading() as session:
            self._row(session, authorization_id)
            found = session.get(ResultRow, (authorization_id, revision))
            return stored_result(found) if found is not None else None

    def history(self, authorization_id: str) -> tuple[StoredResult, ...]:
        """Every result there was, oldest first. Raises UnknownAuthorizationError."""
        with self.reading() as session:
            self._row(session, authorization_id)
            rows = session.scalars(
                select(ResultRow).where(ResultRow.authorization_id == authorization_id).order_by(ResultRow.revision)
            )
            return tuple(stored_result(row) for row in rows)

    def cases(
        self,
        *,
        status: CaseStatus | None = None,
        route: Route | None = None,
        due_before: datetime | None = None,
        after: ListPosition | None = None,
        limit: int,
    ) -> tuple[ListedCase, ...]:
        """Cases by due time, soonest first: never by score. At most ``limit``, those after ``after``."""
        query = select(AuthorizationRow).where(AuthorizationRow.tenant == self._tenant)
        if status is not None:
            query = query.where(AuthorizationRow.status == status)
        if route is not None:
            query = query.where(AuthorizationRow.route == route.value)
        if due_before is not None:
            query = query.where(AuthorizationRow.due_at < due_before)
        if after is not None:
            query = query.where(
                tuple_(AuthorizationRow.due_at, AuthorizationRow.authorization_id)
                > tuple_(literal(after.due_at, UtcDateTime), literal(after.authorization_id))
            )
        query = query.order_by(AuthorizationRow.due_at, AuthorizationRow.authorization_id).limit(limit)
        with self.reading() as session:
            return tuple(listed_case(row) for row in session.scalars(query))

    def _row(self, session: Session, authorization_id: str, *, to_change: bool = False) -> AuthorizationRow:
        return case_row(session, self._tenant, authorization_id, to_change=to_change)

    @property
    def tenant(self) -> str:
        """Whose cases these are."""
        return self._tenant

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for reading. Raises StoreUnavailableError."""
        with database_errors(), Session(self._engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session in one transaction, committed at the end unless something is raised. Raises StoreUnavailableError."""
        with (
            self._writing,
            database_errors(),
            Session(self._writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session


def _add_documents(
    session: Session,
    authorization_id: str,
    documents: Sequence[ReceivedDocument],
    *,
    first_position: int,
    revision: int,
    now: datetime,
) -> None:
    for position, received in enumerate(documents, start=first_position):
        document = received.document
        write_once(
            session,
            DocumentRow(
                authorization_id=authorization_id,
                document_id=document.document_id,
                position=position,
                revision=revision,
                type=document.type,
                date=document.date.isoformat() if document.date else None,
                content_type=document.content_type,
                fingerprint=received.fingerprint,
                wording=received.wording,
                content=received.content,
                received_at=now,
            ),
        )
