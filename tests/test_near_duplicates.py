"""Requests that look like another one: which they are, what a nurse is shown of them, and that none slips through."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import database_in
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from serving_cases import request_body, routed
from signing_in import sign_in

from models.types import Route
from serving.app import create_app
from serving.documents.limits import Limits
from serving.documents.pool import ReadingPool
from serving.jobs import JobQueue
from serving.metrics import Metrics
from serving.near_duplicates import near_duplicates
from serving.new_request import parsed_request
from serving.prefer import Preference
from serving.records import dumps
from serving.service import AuthorizationService
from serving.settings import Settings
from serving.store import Store
from serving.tables import AuthorizationRow
from serving.ulid import UlidSource

NOW = datetime.fromisoformat("2026-11-20T16:00:00Z")
LONG_NOTE = "He completed physical therapy for eight weeks without relief. " + " ".join(
    f"On visit {number} he reported the same pain." for number in range(10)
)


def wanted(
    external_id: str, text: str = "", *, code: str = "72148", member: str = "M-1", **service: Any
) -> dict[str, Any]:
    body = request_body(external_id, text or f"A note of {external_id} alone.")
    body["member"] = {"member_id": member, "birth_date": "1968-04-12", "sex": "male"}
    body["service"].update({"code": code, **service})
    return body


class Desk:
    """A store and a service on it whose clock the test moves."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = NOW
        self.next_id = UlidSource()
        self.queue = JobQueue(store, clock=lambda: self.now)
        self.service = AuthorizationService(
            store,
            routed,
            audit_share=0,
            metrics=Metrics(),
            documents=ReadingPool(_LIMITS),
            queue=self.queue,
            sync_characters=100_000,
            clock=lambda: self.now,
        )

    def send(self, body: dict[str, Any]) -> str:
        return self.service.submit(dumps(body).encode()).authorization_id

    def accept(self, body: dict[str, Any]) -> str:
        """Stored only: it is triaged later."""
        new = parsed_request(dumps(body).encode(), self.now).numbered(
            self.next_id, audit_selected=False, audit_probability=0
        )
        with self.store.writing() as session:
            self.store.accept_within(session, new, now=self.now)
        return new.authorization_id

    def triage(self, case: str) -> None:
        """What was stored only."""
        job = self.queue.take_of(case)
        assert job is not None
        assert self.service.work(job) is not None

    def reasons(self, case: str) -> list[str]:
        result = self.store.result(case)
        assert result is not None
        return re.findall(r'"code":"(\w+)"', result.result.split('"reasons":')[1].split("]")[0])

    def is_flagged(self, case: str) -> bool:
        return "near_duplicate" in self.reasons(case)

    def route(self, case: str) -> Route:
        result = self.store.result(case)
        assert result is not None
        return result.route

    def likes(self, case: str) -> list[str]:
        with self.store.reading() as session:
            row = session.get(AuthorizationRow, case)
            assert row is not None
            return [found.external_id for found in near_duplicates(session, row)]


_LIMITS = Limits(
    file_bytes=1_000_000,
    pages=10,
    characters=100_000,
    seconds=10,
    memory_bytes=500_000_000,
    recognition=False,
    recognition_seconds=10,
)


@pytest.fixture
def desk(any_store: Store) -> Desk:
    return Desk(any_store)


def later(desk: Desk, **span: float) -> None:
    desk.now += timedelta(**span)


DATES = {"start_date": "2026-12-01", "end_date": "2026-12-10"}


@pytest.mark.parametrize(
    ("first", "days", "second"),
    [
        pytest.param({}, 29, {}, id="the same service within thirty days"),
        pytest.param({"text": LONG_NOTE}, 60, {"text": LONG_NOTE.upper()}, id="the same service and the same words"),
        pytest.param(DATES, 60, {"start_date": "2026-12-10"}, id="the same service and a day in common"),
        pytest.param(
            {"code": "72148", **DATES}, 60, {"code": "73721", **DATES}, id="a related service and the same days"
        ),
        pytest.param(
            {"code": "72148", "text": LONG_NOTE},
            60,
            {"code": "73721", "text": LONG_NOTE},
            id="a related service and a note",
        ),
    ],
)
def test_the_later_of_two_near_duplicates_goes_to_a_nurse(
    desk: Desk, first: dict[str, Any], days: int, second: dict[str, Any]
) -> None:
    one = desk.send(wanted("PA-1", **first))
    later(desk, days=days)
    two = desk.send(wanted("PA-2", **second))
    assert (desk.is_flagged(one), desk.is_flagged(two)) == (False, True)
    assert (desk.likes(one), desk.likes(two)) == (["PA-2"], ["PA-1"])


@pytest.mark.parametrize(
    ("first", "days", "second"),
    [
        pytest.param({}, 1, {"member": "M-2"}, id="another member"),
        pytest.param({}, 1, {"code": "95810"}, id="another kind of service"),
        pytest.param({}, 31, {}, id="the same service after thirty days, nothing else in common"),
        pytest.param(DATES, 60, {"start_date": "2026-12-11"}, id="the same service, later days"),
        pytest.param({"code": "72148"}, 1, {"code": "73721"}, id="a related service, nothing else in common"),
        pytest.param({"text": LONG_NOTE}, 400, {"text": LONG_NOTE}, id="the same again after more than a year"),
    ],
)
def test_what_only_resembles_is_not_held_back(
    desk: Desk, first: dict[str, Any], days: int, second: dict[str, Any]
) -> None:
    one = desk.send(wanted("PA-1", **first))
    later(desk, days=days)
    two = desk.send(wanted("PA-2", **second))
    assert (desk.is_flagged(one), desk.is_flagged(two)) == (False, False)
    assert desk.likes(two) == []


def test_another_tenant_s_requests_are_not_compared(any_store: Store) -> None:
    Desk(any_store.of_tenant("other")).send(wanted("PA-1"))
    ours = Desk(any_store)
    assert not ours.is_flagged(ours.send(wanted("PA-2")))


def test_without_a_member_id_birth_date_and_sex_tell_people_apart(desk: Desk) -> None:
    nameless = wanted("PA-1", LONG_NOTE)
    nameless["member"].pop("member_id")
    desk.send(nameless)
    assert desk.is_flagged(desk.send(wanted("PA-2", LONG_NOTE)))


def test_a_request_cancelled_before_is_no_duplicate_and_one_cancelled_after_is(desk: Desk) -> None:
    from serving.cancellations import CancellationReason, cancel

    one, two = desk.accept(wanted("PA-1")), desk.accept(wanted("PA-2"))
    later(desk, hours=1)
    cancel(desk.store, one, CancellationReason.ENTERED_IN_ERROR, now=desk.now)
    later(desk, hours=1)
    cancel(desk.store, two, CancellationReason.ENTERED_IN_ERROR, now=desk.now)
    later(desk, hours=1)
    three = desk.send(wanted("PA-3"))
    for case in (one, two):
        desk.triage(case)
    assert desk.is_flagged(two)
    assert not desk.is_flagged(three)
    assert desk.route(three) is Route.FAST_TRACK


def test_an_update_that_makes_a_request_like_a_later_one_is_flagged(desk: Desk) -> None:
    one = desk.send(wanted("PA-1", code="95810"))
    later(desk, hours=1)
    two = desk.send(wanted("PA-2"))
    later(desk, hours=1)
    body = wanted("PA-1")
    del body["documents"]
    desk.service.update(one, dumps(body).encode())
    assert desk.route(two) is Route.FAST_TRACK
    assert desk.is_flagged(one)


_requests = st.lists(
    st.fixed_dictionaries(
        {
            "code": st.sampled_from(["72148", "73721", "95810"]),
            "member": st.sampled_from(["M-1", "M-2"]),
            "text": st.sampled_from(["", LONG_NOTE]),
            "start_date": st.sampled_from([None, "2026-12-01", "2026-12-05"]),
            "end_date": st.sampled_from([None, "2026-12-05"]),
        }
    ),
    min_size=2,
    max_size=5,
)


@settings(
    max_examples=20,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    requests=_requests,
    days=st.lists(st.integers(0, 40), min_size=5, max_size=5),
    order=st.permutations(range(5)),
)
def test_of_two_near_duplicates_the_second_is_flagged_in_whatever_order_they_are_read(
    tmp_path_factory: pytest.TempPathFactory,
    requests: list[dict[str, Any]],
    days: list[int],
    order: list[int],
) -> None:
    store = _shared_store(tmp_path_factory).of_tenant(f"tenant {next(_numbers)}")
    desk = Desk(store)
    cases = []
    for position, (changes, gap) in enumerate(zip(requests, days, strict=False)):
        later(desk, days=gap)
        cases.append(desk.accept(wanted(f"PA-{position}", **changes)))
    for position in order:
        if position < len(cases):
            desk.triage(cases[position])
    flagged = [desk.is_flagged(case) for case in cases]
    for second, case in enumerate(cases):
        earlier = [f"PA-{first}" for first in range(second) if f"PA-{first}" in desk.likes(case)]
        assert not earlier or flagged[second]
        if desk.route(case) is Route.FAST_TRACK:
            assert not any(
                desk.route(cases[int(other.removeprefix("PA-"))]) is Route.FAST_TRACK for other in desk.likes(case)
            )


@pytest.mark.parametrize("first_has_id", [True, False])
def test_where_one_request_has_no_member_id_birth_date_and_sex_tell(desk: Desk, first_has_id: bool) -> None:
    members: list[str | None] = ["M-1", None] if first_has_id else [None, "M-1"]
    cases = []
    for number, member in enumerate(members):
        body = wanted(f"PA-{number}")
        body["member"]["member_id"] = member
        cases.append(desk.send(body))
        later(desk, hours=1)
    assert [desk.is_flagged(case) for case in cases] == [False, True]


def test_an_earlier_request_that_was_updated_counts_from_then(desk: Desk) -> None:
    one = desk.send(wanted("PA-1", code="70551"))
    later(desk, days=60)
    changed = {name: part for name, part in wanted("PA-1").items() if name != "documents"}
    desk.service.update(one, dumps(changed).encode())
    assert desk.route(one) is Route.FAST_TRACK
    later(desk, days=1)
    assert desk.is_flagged(desk.send(wanted("PA-2")))


def test_of_two_requests_whose_results_are_kept_at_one_time_one_is_held_back(desk: Desk) -> None:
    """The first was stamped before the second and stored after it: neither sees the other when it is read."""
    early = parsed_request(dumps(wanted("PA-1")).encode(), desk.now).numbered(
        desk.next_id, audit_selected=False, audit_probability=0
    )
    later(desk, seconds=1)
    kept, of_store = [], desk.store.keep_result

    def keep_late(*given: Any, **named: Any) -> Any:
        if not kept:
            kept.append(early.authorization_id)
            with desk.store.writing() as session:
                desk.store.accept_within(session, early, now=NOW)
            desk.triage(early.authorization_id)
        return of_store(*given, **named)

    desk.store.keep_result = keep_late  # type: ignore[method-assign]  # the moment between reading and keeping
    two = desk.send(wanted("PA-2"))
    routes = [desk.route(early.authorization_id), desk.route(two)]
    assert routes.count(Route.FAST_TRACK) == 1


def test_a_text_that_comes_to_an_earlier_request_later_is_noticed_there(desk: Desk) -> None:
    one = desk.send(wanted("PA-1", member="M-1"))
    assert desk.route(desk.send(wanted("PA-2", LONG_NOTE, member="M-2"))) is Route.FAST_TRACK
    more = {"documents": [{"document_id": "d2", "type": "progress_note", "text": LONG_NOTE}]}
    desk.service.add_documents(one, dumps(more).encode())
    assert desk.reasons(one) == ["text_of_another_member"]


def test_what_came_while_an_earlier_revision_was_read_lets_nobody_be_told_of_a_fast_track(desk: Desk) -> None:
    of_store, more = desk.store.keep_result, {"documents": [{"document_id": "d2", "type": "letter", "text": "More."}]}
    came: list[str] = []

    def keep_late(stored: Any, *given: Any, **named: Any) -> Any:
        if not came:
            came.append(stored.authorization_id)
            desk.service.add_documents(stored.authorization_id, dumps(more).encode(), Preference(respond_async=True))
        return of_store(stored, *given, **named)

    desk.store.keep_result = keep_late  # type: ignore[method-assign]  # the moment between reading and keeping
    case = desk.send(wanted("PA-1"))
    first = desk.store.result_of(case, 1)
    assert first is not None
    assert first.route is Route.NURSE_REVIEW
    desk.triage(case)
    assert desk.route(case) is Route.FAST_TRACK


_numbers = itertools.count()
_stores: list[Store] = []


def _shared_store(factory: pytest.TempPathFactory) -> Store:
    if not _stores:
        _stores.append(Store.open(f"sqlite:///{factory.mktemp('near')}/greenlane.db"))
    return _stores[0]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    app = create_app(Settings(database_url=database_in(tmp_path), model_dir=tmp_path, audit_share=0), triage=routed)
    with TestClient(app, base_url="http://localhost", headers={"accept": "text/html"}) as client:
        yield client


def test_the_case_page_names_the_other_request_with_what_overlaps(client: TestClient) -> None:
    post: Callable[[dict[str, Any]], str] = lambda body: str(  # noqa: E731  # one word for one call
        client.post("/v1/authorizations", json=body).json()["authorization_id"]
    )
    one = post(wanted("PA-1", LONG_NOTE, **DATES))
    two = post(wanted("PA-2", LONG_NOTE, start_date="2026-12-05", end_date="2026-12-20"))
    sign_in(client)
    text = re.sub(r"\s+", " ", client.get(f"/cases/{two}").text)
    assert "Looks like another request" in text
    assert f'<a href="/cases/{one}">PA-1</a> MRI lumbar spine without contrast CPT 72148' in text
    assert "(came before), fast track." in text
    assert "same member, same service, both for 2026-12-05 to 2026-12-10, the same document" in text
    assert "(came later), open." in re.sub(r"\s+", " ", client.get(f"/cases/{one}").text)
