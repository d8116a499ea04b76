"""What the case page shows of a request's way in: updates, a cancellation, and other requests that it looks like."""

from __future__ import annotations

from dataclasses import dataclass

from serving.cancellations import REASON_WORDS, cancellation_of
from serving.case_standing import case_row
from serving.near_duplicates import NearDuplicate, near_duplicates
from serving.request_updates import updates_of
from serving.store import Store
from serving.work import Work
from serving.worklist_view import WORK_WORDS

MOST_SHOWN = 10
"""So many similar requests are named on a page; of more, how many there are."""


@dataclass(frozen=True, slots=True)
class SimilarLine:
    """Another request that this one looks like."""

    authorization_id: str
    external_id: str
    service: str
    received: str
    when: str
    status: str
    overlaps: str


@dataclass(frozen=True, slots=True)
class UpdateLine:
    """One update of the request and what it changed, in words."""

    at: str
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IntakeView:
    """The request's way in. ``cancelled`` is empty where it was not; ``more_similar`` are those not named."""

    cancelled: str
    updates: tuple[UpdateLine, ...]
    similar: tuple[SimilarLine, ...]
    more_similar: int


def intake_view(store: Store, authorization_id: str) -> IntakeView:
    """What came in about a request, read from the store now. Raises UnknownAuthorizationError."""
    with store.reading() as session:
        row = case_row(session, store.tenant, authorization_id)
        cancelled = cancellation_of(session, authorization_id)
        updates = updates_of(session, row)
        similar = near_duplicates(session, row)
    return IntakeView(
        cancelled=f"{cancelled.cancelled_at:%Y-%m-%d %H:%M UTC}: {REASON_WORDS[cancelled.reason]}" if cancelled else "",
        updates=tuple(
            UpdateLine(f"{update.at:%Y-%m-%d %H:%M UTC}", tuple(change.words for change in update.changes))
            for update in updates
        ),
        similar=tuple(_line(found) for found in similar[:MOST_SHOWN]),
        more_similar=max(0, len(similar) - MOST_SHOWN),
    )


def _line(found: NearDuplicate) -> SimilarLine:
    return SimilarLine(
        authorization_id=found.authorization_id,
        external_id=found.external_id,
        service=found.service,
        received=f"{found.accepted_at:%Y-%m-%d}",
        when="came before" if found.is_earlier else "came later",
        status=WORK_WORDS[Work(found.work)],
        overlaps=_overlaps(found),
    )


def _overlaps(found: NearDuplicate) -> str:
    likeness = found.likeness
    parts = ["same member", "same service" if likeness.same_service else "related service"]
    if likeness.dates is not None:
        first, last = likeness.dates
        parts.append(f"both for {first}" if first == last else f"both for {first} to {last}")
    if likeness.documents:
        parts.append("the same document" if likeness.documents == 1 else f"{likeness.documents} of the same documents")
    return ", ".join(parts)
