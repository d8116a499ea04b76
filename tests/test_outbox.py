"""Events leave with what they tell of, in the order of their case, never before it took effect, and no reader misses one."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import sqlite_only
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event as sql_event
from sqlalchemy import select
from stored_requests import received
from test_case_actions import Desk, open_desk
from test_store import accept, keep, request

from serving.errors import InvalidParameterError, ServingError
from serving.event_feed import EventFeed, cursor_of, number_of
from serving.events import EventKind, record_event
from serving.outbox import Outbox
from serving.outbox_tables import EventRow, OutboxRow
from serving.store import Store
from serving.tables import AuthorizationRow
from serving.work import ActionKind, Work

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LONG_AFTER = timedelta(hours=2)


@pytest.fixture
def store(any_store: Store) -> Store:
    """On each database: what holds for one holds for the other."""
    return any_store


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = open_desk(tmp_path)
    yield desk
    desk.store.close()


def released(store: Store, now: datetime) -> list[dict[str, Any]]:
    """Everything there is at ``now``, oldest first."""
    Outbox(store).release(now=now)
    with store.reading() as session:
        rows = session.scalars(select(EventRow).order_by(EventRow.event_number))
        return [json.loads(row.content) for row in rows]


def told(desk: Desk, now: datetime | None = None) -> list[str]:
    """Kinds, with the outcome or route, of everything after the result that the desk's case begins with."""
    return [_words(event) for event in released(desk.store, now or desk.now)[1:]]


def _words(event: dict[str, Any]) -> str:
    return f"{event['kind'].removeprefix('authorization.')} {event['outcome'] or event['route'] or ''}".strip()


def test_a_result_is_told_with_its_route_and_where_to_get_it(store: Store) -> None:
    stored = accept(store, request("PA-7"))
    keep(store, stored)
    (event,) = released(store, NOW)
    assert event == {
        "kind": "authorization.triaged",
        "at": "2026-11-20T12:00:00Z",
        "authorization_id": stored.authorization_id,
        "external_id": "PA-7",
        "revision": 1,
        "route": "fast_track",
        "outcome": None,
        "result": f"/v1/authorizations/{stored.authorization_id}",
    }


def test_a_result_that_was_there_already_is_told_once(store: Store) -> None:
    stored = accept(store, request())
    assert [keep(store, stored), keep(store, stored)] == [True, False]
    assert len(released(store, NOW)) == 1


def test_what_is_rolled_back_is_not_told(store: Store) -> None:
    stored = accept(store, request())
    with suppress(RuntimeError), store.writing() as session:
        case = session.get_one(AuthorizationRow, stored.authorization_id)
        record_event(session, case, EventKind.CANCELLED, at=NOW)
        raise RuntimeError
    assert released(store, NOW) == []


def test_added_documents_are_told_before_their_result_with_the_new_revision(store: Store) -> None:
    stored = accept(store, request())
    keep(store, stored)
    (part,) = received(request(text="More."))
    more = replace(part, document=replace(part.document, document_id="d2"))
    again, _ = store.add_documents(stored.authorization_id, [more], now=NOW)
    store.add_documents(stored.authorization_id, [more], now=NOW)
    keep(store, again)
    assert [(_words(event), event["revision"]) for event in released(store, NOW)] == [
        ("triaged fast_track", 1),
        ("documents_added", 2),
        ("triaged fast_track", 2),
    ]


def test_a_determination_is_told_when_it_has_taken_effect_and_not_before(desk: Desk) -> None:
    desk.act("ann", ActionKind.APPROVED)
    assert told(desk, desk.now + timedelta(minutes=4, seconds=59)) == []
    assert told(desk, desk.now + timedelta(minutes=5)) == ["decided approved_as_requested"]


def test_a_determination_that_was_undone_is_never_told(desk: Desk) -> None:
    desk.undo("ann", desk.act("ann", ActionKind.APPROVED))
    assert told(desk, desk.now + LONG_AFTER) == []


def test_an_adverse_determination_is_told_by_its_outcome_alone(desk: Desk) -> None:
    desk.open_evidence("dora")
    desk.act("dora", ActionKind.DETERMINED_ADVERSELY)
    event = released(desk.store, desk.now + LONG_AFTER)[-1]
    assert event["outcome"] == "adverse"
    assert "reasons" not in json.dumps(event)


@pytest.mark.parametrize("kind", [ActionKind.REFERRED, ActionKind.NOTED])
def test_what_stays_in_the_house_is_not_told(desk: Desk, kind: ActionKind) -> None:
    desk.act("ann", kind, {"summary": "Please look.", "text": "Called."})
    assert told(desk, desk.now + LONG_AFTER) == []


def test_what_comes_after_a_determination_that_can_still_be_undone_waits_for_it(desk: Desk) -> None:
    desk.act("ann", ActionKind.INFORMATION_REQUESTED, {"letter": "Please send it.", "answer_by": "2026-12-01"})
    desk.now += timedelta(minutes=1)
    desk.documents_come("d2")
    assert told(desk) == []
    assert told(desk, desk.now + timedelta(minutes=4)) == [
        "information_requested",
        "documents_added",
        "triaged nurse_review",
    ]


def test_a_case_that_waits_holds_up_no_other(desk: Desk) -> None:
    desk.act("ann", ActionKind.APPROVED)
    keep(desk.store, accept(desk.store, request("PA-other")))
    assert [event["external_id"] for event in released(desk.store, desk.now)] == ["PA-1", "PA-other"]


def test_a_withdrawal_that_was_told_and_is_undone_is_told_to_be_open_again(desk: Desk) -> None:
    action = desk.act("ann", ActionKind.WITHDRAWN)
    desk.now += LONG_AFTER
    assert told(desk) == ["decided withdrawn"]
    desk.undo("ann", action)
    assert told(desk) == ["decided withdrawn", "reopened"]


def test_a_reopening_that_was_told_and_is_undone_says_the_determination_again(desk: Desk) -> None:
    desk.act("ann", ActionKind.APPROVED)
    desk.now += LONG_AFTER
    told(desk)
    action = desk.act("ann", ActionKind.REOPENED, {"reason": "The provider called."})
    desk.now += LONG_AFTER
    assert told(desk) == ["decided approved_as_requested", "reopened"]
    desk.undo("ann", action)
    assert told(desk) == ["decided approved_as_requested", "reopened", "decided approved_as_requested"]


def write_events(store: Store, authorization_id: str, count: int) -> None:
    for _ in range(count):
        with store.writing() as session:
            case = session.get_one(AuthorizationRow, authorization_id, with_for_update=True)
            record_event(session, case, EventKind.DOCUMENTS_ADDED, at=NOW)


@pytest.mark.parametrize("kinds", [(), (EventKind.DOCUMENTS_ADDED, EventKind.CANCELLED)])
def test_a_reader_who_goes_on_from_the_last_cursor_misses_no_event_of_concurrent_writers(
    store: Store, kinds: tuple[EventKind, ...]
) -> None:
    cases = [accept(store, request(f"PA-{number}")).authorization_id for number in range(6)]
    # A store of its own has a lock of its own: only the database keeps these apart, as it does for processes.
    writers = [Store(store._engine) for _ in cases]
    releasers = [Outbox(Store(store._engine)) for _ in range(2)]
    threads = [threading.Thread(target=write_events, args=(w, c, 15)) for w, c in zip(writers, cases, strict=True)]
    for thread in threads:
        thread.start()
    feed, cursor, seen = EventFeed(store), None, []
    while True:
        over = not any(thread.is_alive() for thread in threads)
        for releaser in releasers:
            releaser.release(now=NOW)
        found = feed.after(cursor, kinds=kinds, limit=7)
        seen += [event.content["event_id"] for event in found.events]
        cursor = found.next_cursor
        if over and not found.events:
            break
    with store.reading() as session:
        everything = session.scalars(select(EventRow.event_id).order_by(EventRow.event_number)).all()
        assert session.scalar(select(OutboxRow.outbox_number).limit(1)) is None
    assert len(everything) == 90
    assert seen == list(everything)


@pytest.mark.parametrize("kinds", [(), (EventKind.DOCUMENTS_ADDED, EventKind.CANCELLED)])
def test_an_event_that_was_written_first_and_committed_last_is_not_skipped(
    store: Store, kinds: tuple[EventKind, ...]
) -> None:
    if store._engine.dialect.name == "sqlite":
        pytest.skip("one writer at a time there")
    early, late = (accept(store, request(f"PA-{name}")).authorization_id for name in ("early", "late"))
    other = Store(store._engine)
    feed = EventFeed(store)
    with store.writing() as session:
        record_event(session, session.get_one(AuthorizationRow, early), EventKind.DOCUMENTS_ADDED, at=NOW)
        write_events(other, late, 1)
        first = EventFeed(other).after(None, kinds=kinds, limit=10)
    second = feed.after(first.next_cursor, kinds=kinds, limit=10)
    assert [event.content["external_id"] for event in (*first.events, *second.events)] == ["PA-late", "PA-early"]


def test_a_tenant_gets_its_own_events_and_no_other(store: Store) -> None:
    keep(store, accept(store, request("PA-1")))
    other = store.of_tenant("other")
    keep(other, accept(other, request("PA-1")))
    assert len(released(store, NOW)) == 2
    for one in (store, other):
        (event,) = EventFeed(one).after(None, kinds=(), limit=10).events
        assert one.request(event.content["authorization_id"])


def test_the_feed_gives_only_the_kinds_asked_for(desk: Desk) -> None:
    desk.documents_come("d2")
    found = EventFeed(desk.store).after(None, kinds=[EventKind.DOCUMENTS_ADDED], limit=10)
    assert [event.content["kind"] for event in found.events] == ["authorization.documents_added"]


def test_the_cursor_moves_past_events_of_kinds_that_were_not_asked_for(store: Store) -> None:
    feed, rare = EventFeed(store), [EventKind.CANCELLED, EventKind.UPDATED]
    assert feed.after(None, kinds=rare, limit=10).next_cursor is None
    case = accept(store, request()).authorization_id
    write_events(store, case, 3)
    page = feed.after(None, kinds=rare, limit=10)
    assert (page.events, page.next_cursor) == ((), cursor_of(3))
    assert feed.after(page.next_cursor, kinds=rare, limit=10) == page
    # A full page ends where it is full.
    write_events(store, case, 2)
    kinds = [EventKind.DOCUMENTS_ADDED, *rare]
    assert feed.after(page.next_cursor, kinds=kinds, limit=1).next_cursor == cursor_of(4)
    assert feed.after(page.next_cursor, kinds=kinds, limit=2).next_cursor == cursor_of(5)
    # Of a backup that was brought back: what it stands after may come again, but it never goes back by itself.
    assert feed.after(cursor_of(9), kinds=rare, limit=10).next_cursor == cursor_of(9)


@sqlite_only  # the plan is SQLite's
def test_events_of_a_kind_are_read_from_their_index(desk: Desk) -> None:
    plans: list[str] = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "FROM events" in statement:
            rows = connection.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.append(" | ".join(row[3] for row in rows))

    sql_event.listen(desk.store._engine, "before_cursor_execute", explain)
    EventFeed(desk.store).after(cursor_of(1), kinds=[EventKind.CANCELLED, EventKind.UPDATED], limit=10)
    sql_event.remove(desk.store._engine, "before_cursor_execute", explain)
    # The first is the releaser's, for its next number.
    _, newest, *by_kind = plans
    assert "ix_events_tenant" in newest
    assert len(by_kind) == 2
    for plan in by_kind:
        assert "ix_events_kind (tenant=? AND kind=? AND event_number>? AND event_number<?)" in plan
        assert "B-TREE" not in plan


@pytest.mark.parametrize("cursor", ["", "x", "ZQ", "ZS0x", cursor_of(10**18), "e1", "\u00e9", "ZTE\0"])
def test_what_is_no_cursor_is_refused_by_name(cursor: str) -> None:
    with pytest.raises(InvalidParameterError, match="after"):
        number_of(cursor)


@pytest.mark.parametrize("number", [0, 1, 10**17])
def test_a_cursor_leads_back_to_its_number(number: int) -> None:
    assert number_of(cursor_of(number)) == number


_KINDS = st.sampled_from(
    [
        ActionKind.APPROVED,
        ActionKind.INFORMATION_REQUESTED,
        ActionKind.DETERMINED_ADVERSELY,
        ActionKind.WITHDRAWN,
        ActionKind.REOPENED,
        ActionKind.REFERRED,
        ActionKind.NOTED,
    ]
)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("act"), st.sampled_from(["dora", "ann"]), _KINDS),
        st.tuples(st.just("undo"), st.none(), st.none()),
        st.tuples(st.just("wait"), st.integers(1, 8), st.none()),
        st.tuples(st.just("documents"), st.none(), st.none()),
    ),
    max_size=14,
)
_CONTENT = {
    "summary": "Please look.",
    "text": "Called.",
    "reason": "They called.",
    "letter": "Please.",
    "answer_by": "x",
}


@pytest.mark.slow
@given(steps=_STEPS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_people_do_what_was_told_last_is_how_the_case_stands(steps: list[tuple[str, Any, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = open_desk(Path(folder))
        for number, (what, argument, kind) in enumerate(steps):
            with suppress(ServingError):
                if what == "act":
                    desk.open_evidence(argument)
                    desk.act(argument, kind, None if kind is ActionKind.DETERMINED_ADVERSELY else _CONTENT)
                elif what == "undo" and desk.standing.counting:
                    last = desk.standing.counting[-1]
                    desk.undo(next(n for n, who in desk.people.items() if who.person.person_id == last.person_id), last)
                elif what == "wait":
                    desk.now += timedelta(minutes=argument)
                elif what == "documents":
                    desk.documents_come(f"d{number + 2}")
            Outbox(desk.store).release(now=desk.now)
        events = released(desk.store, desk.now + LONG_AFTER)
        standing = desk.standing
        desk.store.close()
    assert _place_told(events) == _PLACES[standing.work]


_PLACES = {
    Work.OPEN: "open",
    Work.REFERRED: "open",
    Work.AWAITING_INFORMATION: "open",
    Work.DECIDED: "decided",
    Work.WITHDRAWN: "withdrawn",
}


def _place_told(events: list[dict[str, Any]]) -> str:
    """Where an intake system that heard every event believes the case stands."""
    place = "open"
    for event in events:
        if event["kind"] == EventKind.DECIDED:
            place = "withdrawn" if event["outcome"] == "withdrawn" else "decided"
        else:
            place = "open"
    return place
