"""A request is read while it is being stored; nothing of that is kept or answered unless the request is stored and new."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from serving_cases import request_body, routed

from features.types import AuthorizationRequest
from models.types import TriageResult
from serving.documents.limits import Limits
from serving.documents.pool import ReadingPool
from serving.errors import ContentConflictError, StoreUnavailableError
from serving.jobs import JobQueue
from serving.metrics import Metrics
from serving.prefer import Preference
from serving.recent_ids import RecentIds
from serving.service import AuthorizationService
from serving.store import Store
from serving.triage_pool import BegunTriage


class Readers:
    """Triage that notes what was read when it was asked for, what began before, and what of that was waited for.

    As one process would: who asks while another reading is under way would wait for ever.
    """

    def __init__(self, *, free: bool = True) -> None:
        self.free = free
        self.asked: list[str] = []
        self.begun: list[str] = []
        self.finished: list[str] = []

    def triage(self, request: AuthorizationRequest) -> TriageResult:
        assert self.begun == self.finished
        self.asked.append(request.external_id)
        return routed(request)

    def begin(self, request: AuthorizationRequest) -> BegunTriage | None:
        if not self.free:
            return None
        self.begun.append(request.external_id)

        def finish() -> TriageResult:
            self.finished.append(request.external_id)
            return routed(request)

        return BegunTriage(finish)


def service_of(store: Store, readers: Readers) -> AuthorizationService:
    return AuthorizationService(
        store,
        readers.triage,
        audit_share=0,
        metrics=Metrics(),
        documents=ReadingPool(Limits(1000, 1, 1000, 1, 500_000_000, False, 1)),
        queue=JobQueue(store),
        sync_characters=1000,
        begin=readers.begin,
        draw=lambda: 1,
    )


def sent(external_id: str = "PA-1", text: str = "Denies fever.", **changes: Any) -> bytes:
    return json.dumps({**request_body(external_id, text), **changes}).encode()


def test_a_new_request_is_read_once_while_it_is_stored(any_store: Store) -> None:
    readers = Readers()
    submission = service_of(any_store, readers).submit(sent())
    assert submission.created
    assert json.loads(str(submission.result))["external_id"] == "PA-1"
    assert (readers.begun, readers.finished, readers.asked) == (["PA-1"], ["PA-1"], [])


def test_where_nobody_is_free_it_is_stored_first(any_store: Store) -> None:
    readers = Readers(free=False)
    assert service_of(any_store, readers).submit(sent()).created
    assert (readers.begun, readers.asked) == ([], ["PA-1"])


def test_a_repeat_is_not_read_and_gets_the_stored_result(any_store: Store) -> None:
    readers = Readers()
    service = service_of(any_store, readers)
    first, again = service.submit(sent()), service.submit(sent())
    assert (again.created, again.result) == (False, first.result)
    assert readers.begun == ["PA-1"]


@pytest.mark.parametrize("text", ["Denies fever.", "Other words."])
def test_what_another_process_has_stored_is_read_for_nothing_and_not_kept(any_store: Store, text: str) -> None:
    first = service_of(any_store, Readers()).submit(sent())
    readers = Readers()
    other = service_of(any_store, readers)
    if text == "Denies fever.":
        assert other.submit(sent()).result == first.result
    else:
        with pytest.raises(ContentConflictError):
            other.submit(sent(text=text))
    # Waited for, so that its process is free again.
    assert readers.finished == readers.begun == ["PA-1"]
    assert len(any_store.history(first.authorization_id)) == 1


def test_a_repeat_of_what_was_never_read_is_read_by_the_one_process_there_is(any_store: Store) -> None:
    now = datetime.now(UTC)
    earlier = service_of(any_store, Readers())
    any_store.accept(earlier.new_request(sent(), now), now=now)
    readers = Readers()
    submission = service_of(any_store, readers).submit(sent())
    assert not submission.created
    assert json.loads(str(submission.result))["external_id"] == "PA-1"
    assert (readers.begun, readers.finished, readers.asked) == (["PA-1"], ["PA-1"], ["PA-1"])


def test_what_cannot_be_stored_has_no_answer(any_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    readers = Readers()

    def unavailable(*_: object, **__: object) -> None:
        raise StoreUnavailableError("the database does not answer")

    monkeypatch.setattr(any_store, "accept", unavailable)
    with pytest.raises(StoreUnavailableError):
        service_of(any_store, readers).submit(sent())
    assert readers.finished == ["PA-1"]


@pytest.mark.parametrize(
    "submit",
    [
        lambda service: service.submit(sent(), Preference(respond_async=True)),
        lambda service: service.submit(sent(text="x" * 1001)),
        lambda service: service.submit(sent(), at_once=True),
    ],
)
def test_what_is_not_answered_at_once_is_not_begun(
    any_store: Store, submit: Callable[[AuthorizationService], object]
) -> None:
    readers = Readers()
    submit(service_of(any_store, readers))
    assert not readers.begun


def test_the_last_ids_are_known_of_each_tenant() -> None:
    recent = RecentIds(most=2)
    assert recent.is_new("a", "1")
    assert recent.is_new("b", "1")
    assert not recent.is_new("a", "1")
    assert recent.is_new("a", "2")
    assert recent.is_new("b", "1")
    assert not recent.is_new("a", "2")
