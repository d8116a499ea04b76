"""Who saw what of a case: the entries that looking at a case leaves in the trail.

A sight names criteria and facts by their ids and documents by their place in the request: a document's own id is the
sender's and may hold a name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.types import TriageResult
from serving.errors import InvalidParameterError, UnknownAuthorizationError
from serving.people import SignedIn
from serving.store import Store
from serving.stored_case import StoredResult
from serving.tables import AuthorizationRow, TrailRow
from serving.trail import entry_of, record
from serving.versions_used import versions_of


class Sight(StrEnum):
    """What can be seen of a case."""

    CASE_OPENED = "case_opened"
    DOCUMENT_OPENED = "document_opened"
    EVIDENCE_OPENED = "evidence_opened"
    SCORE_OPENED = "score_opened"
    CASE_LEFT = "case_left"


@dataclass(frozen=True, slots=True)
class Reported:
    """One sight that a browser reports: a criterion, a fact or a document by its id, or the seconds of looking."""

    what: Sight
    criterion_id: str | None = None
    fact_id: str | None = None
    document_id: str | None = None
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """The entry that says that a sign-in opened a case, and the revision it was shown."""

    authorization_id: str
    number: int
    at: datetime
    revision: int


def seen(
    store: Store,
    who: SignedIn,
    authorization_id: str,
    what: Sight | str,
    details: Mapping[str, object] | None = None,
    *,
    now: datetime | None = None,
) -> int:
    """Record that somebody saw something of a case; returns the entry's number. The case's revision is added.

    Raises UnknownAuthorizationError, ValueError for what is no sight.
    """
    sight = Sight(what)
    with store.writing() as session:
        revision = _revision(session, store.tenant, authorization_id)
        return record(
            session,
            store.tenant,
            sight.value,
            at=now or datetime.now(UTC),
            who=who,
            authorization_id=authorization_id,
            details={"revision": revision, **(details or {})},
        )


def case_opened(store: Store, who: SignedIn, authorization_id: str, result: StoredResult) -> int:
    """Record that somebody opened a case and which versions they were shown; returns the entry's number."""
    return seen(store, who, authorization_id, Sight.CASE_OPENED, versions_of(result))


def score_opened(store: Store, who: SignedIn, authorization_id: str) -> int:
    """Record that somebody opened the score (or what stands in its place); returns the entry's number."""
    return seen(store, who, authorization_id, Sight.SCORE_OPENED)


def opening_of(store: Store, who: SignedIn, authorization_id: str, number: int | None = None) -> Opening:
    """The sign-in's opening of the case: the entry of this number, by default its latest.

    Raises UnknownAuthorizationError, or InvalidParameterError where this sign-in has not opened the case.
    """
    query = select(TrailRow).where(
        TrailRow.authorization_id == authorization_id,
        TrailRow.person_id == who.person.person_id,
        TrailRow.sign_in_id == who.sign_in_id,
        TrailRow.action == Sight.CASE_OPENED.value,
    )
    if number is not None:
        query = query.where(TrailRow.number == number)
    with store.reading() as session:
        _revision(session, store.tenant, authorization_id)
        row = session.scalar(query.order_by(TrailRow.number.desc()).limit(1))
        if row is None:
            raise InvalidParameterError("opened", "this sign-in has not opened the case; open its page again")
        return Opening(authorization_id, row.number, row.at, int(entry_of(row).facts["revision"]))


def report_seen(
    store: Store,
    who: SignedIn,
    opening: Opening,
    reported: Sequence[Reported],
    result: TriageResult,
    documents: Sequence[str],
    *,
    now: datetime,
) -> int:
    """Record what a browser reports about a case it has open, all of it or nothing; returns how many entries were added.

    ``result`` is what was shown at the opening, ``documents`` are the ids of the case's documents in order. Seconds never
    exceed the time since the opening. Raises InvalidParameterError where the case has no such criterion, fact or document.
    """
    named = [(each, _named(each, result, documents)) for each in dict.fromkeys(reported)]
    elapsed = max(0, int((now - opening.at).total_seconds()))
    with store.writing() as session:
        for each, details in named:
            counted = {} if each.seconds is None else {"seconds": min(each.seconds, elapsed)}
            record(
                session,
                store.tenant,
                each.what.value,
                at=now,
                who=who,
                authorization_id=opening.authorization_id,
                details={"revision": opening.revision, "opened": opening.number, **details, **counted},
            )
    return len(named)


def _named(each: Reported, result: TriageResult, documents: Sequence[str]) -> dict[str, Any]:
    if each.what is Sight.CASE_LEFT:
        if each.seconds is None:
            raise InvalidParameterError("seconds", "is missing")
        return {}
    if each.what is Sight.DOCUMENT_OPENED:
        if each.document_id not in documents:
            raise InvalidParameterError("document_id", "is no document of this case")
        return {"document": documents.index(each.document_id) + 1}
    return _evidence(each, result)


def _evidence(each: Reported, result: TriageResult) -> dict[str, Any]:
    criteria = {criterion.criterion_id: criterion for criterion in result.criteria}
    if each.criterion_id is not None and each.criterion_id not in criteria:
        raise InvalidParameterError("criterion_id", "is no criterion of this case")
    if each.fact_id is not None and all(fact.fact_id != each.fact_id for fact in result.facts):
        raise InvalidParameterError("fact_id", "is no fact of this case")
    if each.criterion_id is None and each.fact_id is None:
        raise InvalidParameterError("fact_id", "is missing, and so is criterion_id")
    criterion_id = each.criterion_id or _leaf_of(result, each.fact_id)
    return {
        name: value for name, value in (("criterion_id", criterion_id), ("fact_id", each.fact_id)) if value is not None
    }


def _leaf_of(result: TriageResult, fact_id: str | None) -> str | None:
    """The first criterion without parts that rests on the fact."""
    parents = {criterion.parent for criterion in result.criteria}
    return next(
        (
            criterion.criterion_id
            for criterion in result.criteria
            if fact_id in criterion.evidence and criterion.criterion_id not in parents
        ),
        None,
    )


def _revision(session: Session, tenant: str, authorization_id: str) -> int:
    row = session.execute(
        select(AuthorizationRow.tenant, AuthorizationRow.revision).where(
            AuthorizationRow.authorization_id == authorization_id
        )
    ).one_or_none()
    if row is None or row.tenant != tenant:
        raise UnknownAuthorizationError("authorization_id: no authorization has this id")
    return int(row.revision)
