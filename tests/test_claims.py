"""No two people on one case: claims, releases and assignments, raced by threads on a real database."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from databases import database_in
from fastapi.testclient import TestClient
from serving_cases import routed
from signing_in import add_person, sign_in
from sqlalchemy import select
from worklist_cases import NOW, add_case, row, signed_in

from serving.app import create_app
from serving.claims import standing
from serving.errors import CaseChangedError, NotAllowedError, PersonRefusedError, UnknownAuthorizationError
from serving.people import SignedIn
from serving.roles import Role
from serving.settings import Settings
from serving.store import Store
from serving.tables import CaseActionRow, TrailRow
from serving.ulid import UlidSource
from serving.work import Work
from serving.worklist import assign, claim, claim_next, colleagues, release, viewer_of
from serving.worklist_filter import LIVE, Filter, Holder, Viewer

LATER = NOW + timedelta(minutes=2)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(database_in(tmp_path))
    yield store
    store.close()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(database_url=database_in(tmp_path), model_dir=tmp_path)
    with TestClient(create_app(settings, triage=routed)) as client:
        client.headers["accept"] = "text/html"
        yield client


def at_once(*calls: Callable[[], object]) -> list[BaseException]:
    """Call all at the same time in threads of their own; what they raised."""
    raised: list[BaseException] = []
    together = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> None:
        together.wait()
        try:
            call()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def viewer(store: Store, who: SignedIn) -> Viewer:
    return viewer_of(who, colleagues(store))


def test_of_two_nurses_who_claim_one_case_at_once_exactly_one_gets_it(store: Store) -> None:
    ann, bob = signed_in(store, "Ann"), signed_in(store, "Bob")
    for number in range(10):
        case_id = add_case(store, f"PA-{number}")
        raised = at_once(
            lambda case_id=case_id: claim(store, ann, case_id, 0, NOW),  # type: ignore[misc]  # a lambda with a default
            lambda case_id=case_id: claim(store, bob, case_id, 0, NOW),  # type: ignore[misc]  # a lambda with a default
        )
        assert [type(error) for error in raised] == [CaseChangedError]
        assert row(store, case_id).turn == 1
        with store.reading() as session:
            done = session.scalars(select(CaseActionRow).where(CaseActionRow.authorization_id == case_id)).one()
        assert done.person_id == row(store, case_id).assigned_to


def test_eight_who_claim_the_next_case_at_once_get_twenty_different_ones_in_due_order(store: Store) -> None:
    nurses = [signed_in(store, f"Nurse{n}") for n in range(8)]
    ids = [add_case(store, f"PA-{n:02d}", due_at=NOW + timedelta(hours=n)) for n in range(20)]
    got: list[str] = []

    def work(who: SignedIn) -> None:
        own: list[str] = []
        while (case_id := claim_next(store, who, viewer(store, who), Filter(), NOW)) is not None:
            own.append(case_id)
        assert own == sorted(own)
        got.extend(own)

    assert at_once(*(lambda who=who: work(who) for who in nurses)) == []  # type: ignore[misc]  # a lambda with a default
    assert sorted(got) == ids
    assert {row(store, case_id).assigned_to for case_id in ids} <= {who.person.person_id for who in nurses}
    assert all(row(store, case_id).turn == 1 for case_id in ids)


def test_a_claim_is_kept_with_who_when_and_the_turn_in_the_case_and_in_the_trail(store: Store) -> None:
    ann = signed_in(store, "Ann")
    case_id = add_case(store, "PA-1")
    assert claim(store, ann, case_id, 0, LATER) == 1

    kept = row(store, case_id)
    assert (kept.assigned_to, kept.assigned_at, kept.turn, kept.changed_at) == (ann.person.person_id, LATER, 1, LATER)
    with store.reading() as session:
        action = session.scalars(select(CaseActionRow)).one()
        entry = session.scalars(select(TrailRow).where(TrailRow.authorization_id == case_id)).one()
    assert (action.kind, action.at, json.loads(action.content)) == (
        "claimed",
        LATER,
        {"from": None, "to": ann.person.person_id},
    )
    details = json.loads(entry.details)
    assert (entry.action, entry.person_id) == ("claimed", ann.person.person_id)
    assert (details["action_id"], details["turn"], details["revision"]) == (action.action_id, 1, 1)


def test_who_has_a_case_claims_it_again_without_a_trace(store: Store) -> None:
    ann = signed_in(store, "Ann")
    case_id = add_case(store, "PA-1")
    assert claim(store, ann, case_id, 0, NOW) == claim(store, ann, case_id, 0, LATER) == 1
    assert row(store, case_id).assigned_at == NOW


def test_a_nurse_takes_no_colleague_s_case_and_a_lead_takes_it_over(store: Store) -> None:
    ann, bob, lead = signed_in(store, "Ann"), signed_in(store, "Bob"), signed_in(store, "Lea", Role.LEAD)
    case_id = add_case(store, "PA-1")
    claim(store, ann, case_id, 0, NOW)
    for turn in (0, 1):
        with pytest.raises(CaseChangedError):
            claim(store, bob, case_id, turn, LATER)
    with pytest.raises(NotAllowedError):
        release(store, bob, case_id, 1, LATER)
    assert claim(store, lead, case_id, 1, LATER) == 2
    assert row(store, case_id).assigned_to == lead.person.person_id


def test_a_released_case_is_anybody_s_and_a_late_release_is_told(store: Store) -> None:
    ann, lead = signed_in(store, "Ann"), signed_in(store, "Lea", Role.LEAD)
    case_id = add_case(store, "PA-1")
    turn = claim(store, ann, case_id, 0, NOW)
    claim(store, lead, case_id, turn, NOW)
    with pytest.raises(CaseChangedError):
        release(store, ann, case_id, turn, LATER)
    assert release(store, lead, case_id, 2, LATER) == 3
    assert release(store, ann, case_id, 0, LATER) == 3
    assert (row(store, case_id).assigned_to, row(store, case_id).assigned_at) == (None, None)


def test_only_a_lead_assigns_and_only_to_somebody_who_works_on_cases(store: Store) -> None:
    ann, lead = signed_in(store, "Ann"), signed_in(store, "Lea", Role.LEAD)
    auditor = signed_in(store, "Aud", Role.AUDITOR)
    case_id = add_case(store, "PA-1")
    with pytest.raises(NotAllowedError):
        assign(store, ann, case_id, ann.person.person_id, 0, NOW)
    for nobody in (auditor.person.person_id, "nobody"):
        with pytest.raises(PersonRefusedError):
            assign(store, lead, case_id, nobody, 0, NOW)
    assert assign(store, lead, case_id, ann.person.person_id, 0, NOW) == 1
    assert assign(store, lead, case_id, ann.person.person_id, 0, NOW) == 1
    assert row(store, case_id).assigned_to == ann.person.person_id


@pytest.mark.parametrize("work", [work for work in Work if work not in LIVE])
def test_a_case_that_needs_nobody_is_claimed_by_nobody(store: Store, work: Work) -> None:
    ann = signed_in(store, "Ann")
    case_id = add_case(store, "PA-1", work=work.value)
    with pytest.raises(CaseChangedError):
        claim(store, ann, case_id, 0, NOW)
    assert claim_next(store, ann, viewer(store, ann), Filter(works=tuple(Work)), NOW) is None


def test_an_auditor_and_an_unknown_case_are_refused(store: Store) -> None:
    ann, auditor = signed_in(store, "Ann"), signed_in(store, "Aud", Role.AUDITOR)
    case_id = add_case(store, "PA-1")
    with pytest.raises(NotAllowedError):
        claim(store, auditor, case_id, 0, NOW)
    with pytest.raises(NotAllowedError):
        claim_next(store, auditor, viewer(store, auditor), Filter(), NOW)
    with pytest.raises(UnknownAuthorizationError):
        claim(store, ann, UlidSource()(), 0, NOW)


def test_the_next_case_fits_the_filter_whoever_has_the_others(store: Store) -> None:
    ann = signed_in(store, "Ann")
    add_case(store, "PA-1", due_at=NOW)
    add_case(store, "PA-2", due_at=NOW, urgency="expedited", assigned_to="bob")
    wanted = add_case(store, "PA-3", urgency="expedited")
    chosen = Filter(urgencies=("expedited",), holders=(Holder.MINE,))
    assert claim_next(store, ann, viewer(store, ann), chosen, NOW) == wanted
    assert claim_next(store, ann, viewer(store, ann), chosen, NOW) is None


def test_a_director_s_next_case_is_one_that_was_referred(store: Store) -> None:
    ann, dora = signed_in(store, "Ann"), signed_in(store, "Dora", Role.MEDICAL_DIRECTOR)
    referred = add_case(store, "PA-1", work=Work.REFERRED.value)
    still_open = add_case(store, "PA-2", due_at=NOW)
    assert claim_next(store, dora, viewer(store, dora), Filter(), NOW) == referred
    assert claim_next(store, dora, viewer(store, dora), Filter(), NOW) is None
    assert claim_next(store, ann, viewer(store, ann), Filter(), NOW) == still_open


def test_standing_says_who_has_a_case_and_what_was_done_last(store: Store) -> None:
    ann = signed_in(store, "Ann")
    case_id = add_case(store, "PA-1")
    assert standing(store, case_id).last_kind is None
    claim(store, ann, case_id, 0, NOW)
    stands = standing(store, case_id)
    assert (stands.held_by, stands.held_since, stands.last_by, stands.last_kind) == ("Ann", NOW, "Ann", "claimed")


# In the browser's forms


def _store(client: TestClient) -> Store:
    store: Store = client.app.state.store  # type: ignore[attr-defined]  # the test client types it as any ASGI app
    return store


def test_who_comes_second_is_told_who_has_the_case_and_led_on(client: TestClient) -> None:
    ann = sign_in(client, name="ann_lee")
    case_id = add_case(_store(client), "PA-1")
    free = add_case(_store(client), "PA-2")
    claim(_store(client), ann, case_id, 0, NOW)

    bob = sign_in(client, name="bob")
    answer = client.post(f"/cases/{case_id}/claim", data={"form_token": bob.form_token, "turn": "0"})
    assert answer.status_code == 409
    assert "Ann Lee claimed this case " in answer.text
    assert "Take it over" not in answer.text
    following = client.post("/claim-next", data={"form_token": bob.form_token}, follow_redirects=False)
    assert following.headers["location"] == f"/cases/{free}"

    none = client.post("/claim-next", data={"form_token": bob.form_token})
    assert "Nobody waits for you here" in none.text


def test_a_case_that_moved_on_but_is_free_can_be_claimed_as_it_is_now(client: TestClient) -> None:
    who = sign_in(client)
    case_id = add_case(_store(client), "PA-1", turn=4)
    answer = client.post(f"/cases/{case_id}/claim", data={"form_token": who.form_token, "turn": "3"})
    assert answer.status_code == 409
    assert "New documents came" in answer.text
    assert '<button name="turn" value="4">Claim it as it is now</button>' in answer.text


def test_a_lead_assigns_the_ticked_cases_and_is_told_of_one_that_changed(client: TestClient) -> None:
    store = _store(client)
    app = client.app
    lead = sign_in(client, Role.LEAD)
    ann = add_person(app, Role.NURSE, "ann")  # type: ignore[arg-type]  # the test client types it as any ASGI app
    ids = [add_case(store, f"PA-{n}", turn=n) for n in range(3)]
    fields = {"form_token": lead.form_token, "person": ann.person_id, "case": [f"{ids[0]} 0", f"{ids[2]} 1"]}
    answer = client.post("/assign", data=fields)
    assert "Some cases were not assigned" in answer.text
    assert [row(store, case_id).assigned_to for case_id in ids] == [ann.person_id, None, None]

    one = client.post(
        f"/cases/{ids[1]}/assign",
        data={"form_token": lead.form_token, "person": ann.person_id, "turn": "1"},
        follow_redirects=False,
    )
    assert one.headers["location"] == f"/cases/{ids[1]}"
    assert row(store, ids[1]).assigned_to == ann.person_id


def test_a_nurse_releases_a_case_and_comes_back_to_the_list_as_it_was(client: TestClient) -> None:
    who = sign_in(client)
    case_id = add_case(_store(client), "PA-1")
    turn = claim(_store(client), who, case_id, 0, NOW)
    page = client.get("/").text
    assert f'formaction="/cases/{case_id}/release" name="turn" value="{turn}"' in page
    fields = {"form_token": who.form_token, "turn": str(turn), "filter": "urgency=standard"}
    answer = client.post(f"/cases/{case_id}/release", data=fields, follow_redirects=False)
    assert answer.headers["location"] == "/?status=open&status=referred&urgency=standard"
    assert row(_store(client), case_id).assigned_to is None


@pytest.mark.parametrize("turn", ["", "-1", "1.5", "x", "99999999999", "٣"])
def test_a_turn_that_is_no_number_is_refused(client: TestClient, turn: str) -> None:
    who = sign_in(client)
    case_id = add_case(_store(client), "PA-1")
    answer = client.post(f"/cases/{case_id}/claim", data={"form_token": who.form_token, "turn": turn})
    assert answer.status_code == 422
    assert row(_store(client), case_id).assigned_to is None


def test_a_referred_case_is_a_medical_director_s_to_claim(store: Store) -> None:
    case = add_case(store, "PA-1", work=Work.REFERRED.value)
    with pytest.raises(NotAllowedError, match="medical director"):
        claim(store, signed_in(store, "ann"), case, 0, LATER)
    director = signed_in(store, "dee", Role.MEDICAL_DIRECTOR)
    claim(store, director, case, 0, LATER)
    assert row(store, case).assigned_to == director.person.person_id
