"""The pages of numbers: who may see them, what they say, and the same numbers as CSV."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from case_work import CaseWork
from databases import database_in
from fastapi.testclient import TestClient
from serving_cases import always
from signing_in import sign_in
from sqlalchemy import select

from models.types import Route
from serving.app import create_app
from serving.people_store import PeopleStore
from serving.roles import PERMISSIONS, Permission, Role
from serving.settings import Settings
from serving.store import Store
from serving.tables import SignInRow, TrailRow

PAGE = {"accept": "text/html"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(database_url=database_in(tmp_path), model_dir=tmp_path / "models")
    with TestClient(create_app(settings, triage=always(Route.NURSE_REVIEW)), base_url="http://localhost") as client:
        yield client


@pytest.fixture
def store(client: TestClient) -> Store:
    return client.app.state.store  # type: ignore[attr-defined,no-any-return]  # an ASGI app's type has no state


def some_work(store: Store) -> None:
    """One nurse decided twelve cases in ten seconds each."""
    work, now = CaseWork(store), datetime.now(UTC)
    work.person("ann")
    for _ in range(12):
        case = work.case(received=now - timedelta(hours=5), work="decided")
        work.act(case, "approved", "ann", now - timedelta(minutes=1))
        work.opened(case, "ann", now - timedelta(minutes=1, seconds=10))


@pytest.mark.parametrize("role", Role)
def test_numbers_are_for_reports_and_aggregates_for_aggregates(client: TestClient, role: Role) -> None:
    sign_in(client, role)
    reports = 200 if Permission.READ_REPORTS in PERMISSIONS[role] else 403
    science = 200 if Permission.READ_AGGREGATES in PERMISSIONS[role] else 403
    for path in ("/numbers", "/numbers/now", "/numbers/turnaround.csv"):
        assert client.get(path, headers=PAGE).status_code == reports, path
    for path in ("/aggregates", "/aggregates/score.csv"):
        assert client.get(path, headers=PAGE).status_code == science, path


@pytest.mark.parametrize("path", ["/numbers", "/numbers/now", "/numbers/turnaround.csv", "/aggregates"])
def test_nobody_sees_numbers_without_signing_in(client: TestClient, path: str) -> None:
    assert client.get(path, follow_redirects=False).status_code in (303, 401)


def test_the_lead_s_page_shows_every_table_beside_its_chart_and_the_alarm(client: TestClient, store: Store) -> None:
    some_work(store)
    sign_in(client, Role.LEAD)
    page = client.get("/numbers", headers=PAGE).text
    sections = re.findall(r'<section class="numbers-section" id="([^"]+)"', page)
    assert sections == ["turnaround", "time-left", "age", "workload", "quick", "routes", "corrections", "reviews"]
    assert page.count("<table") == len(sections) - 1  # nothing was corrected
    for chart in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        assert 'role="img"' in chart
        assert "<title>" in chart
        assert "<desc>" in chart
    assert "12 of 12 decisions (100 %)" in page
    scripts = re.findall(r"<script([^>]*)>([^<]*)", page)
    assert (' src="/static/numbers.js" defer', "") in scripts
    assert all(named.startswith(' src="/static/') and not inline for named, inline in scripts)
    assert " style=" not in page


def test_the_part_that_refreshes_itself_is_the_part_of_the_page(client: TestClient, store: Store) -> None:
    some_work(store)
    sign_in(client, Role.LEAD)
    part = client.get("/numbers/now?period=30d", headers=PAGE).text
    page = client.get("/numbers?period=30d", headers=PAGE).text
    assert part.lstrip().startswith('<div id="numbers-now" data-source="/numbers/now?period=30d">')
    timeless = re.compile(r"<time.*?</time>")
    assert timeless.sub("", part.strip()) in timeless.sub("", page)


def test_a_page_left_open_does_not_keep_a_sign_in_alive(client: TestClient, store: Store) -> None:
    sign_in(client, Role.LEAD)
    before = datetime.now(UTC) - timedelta(minutes=14)
    with store.writing() as session:
        session.scalars(select(SignInRow)).one().last_seen_at = before
    assert client.get("/numbers/now").status_code == 200
    with store.reading() as session:
        assert session.scalars(select(SignInRow)).one().last_seen_at == before
    assert client.get("/numbers").status_code == 200
    with store.reading() as session:
        assert session.scalars(select(SignInRow)).one().last_seen_at > before


def test_a_table_comes_as_csv_and_the_trail_says_who_took_it(client: TestClient, store: Store) -> None:
    some_work(store)
    who = sign_in(client, Role.LEAD)
    answer = client.get("/numbers/workload.csv?period=today")
    today = datetime.now(UTC).date()
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="greenlane-workload-{today}-{today}.csv"'
    assert "Ann,,0,0,12,12,12,0,0,0.1" in answer.text.splitlines()
    with store.reading() as session:
        entry = session.scalars(select(TrailRow).order_by(TrailRow.number.desc()).limit(1)).one()
    assert (entry.action, entry.person_id) == ("numbers_exported", who.person.person_id)
    assert "workload" in entry.details


def test_the_threshold_is_set_by_the_deployment(tmp_path: Path) -> None:
    settings = Settings(database_url=database_in(tmp_path), model_dir=tmp_path / "models", quick_decision_seconds=5)
    with TestClient(create_app(settings, triage=always(Route.NURSE_REVIEW)), base_url="http://localhost") as client:
        some_work(client.app.state.store)  # type: ignore[attr-defined]  # an ASGI app's type has no state
        sign_in(client, Role.LEAD)
        page = client.get("/numbers", headers=PAGE).text
    assert "Under 5 s" in page
    assert "Alarm" not in page


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/numbers?period=year", 422),
        ("/numbers?period=custom&from=x&to=y", 422),
        ("/numbers/no-such-table.csv", 404),
        ("/numbers?period=custom&from=2026-11-01&to=2026-11-20", 200),
        # What a form sends that has days in it and another period chosen.
        ("/numbers?period=7d&from=2026-11-01&to=", 200),
    ],
)
def test_what_cannot_be_counted_is_answered_with_a_page(client: TestClient, path: str, status: int) -> None:
    sign_in(client, Role.LEAD)
    assert client.get(path, headers=PAGE).status_code == status


def test_aggregates_name_nobody(client: TestClient, store: Store) -> None:
    some_work(store)
    people: PeopleStore = client.app.state.people  # type: ignore[attr-defined]  # an ASGI app's type has no state
    assert [person.display_name for person in people.everybody()] == ["Ann"]
    sign_in(client, Role.DATA_SCIENTIST)
    page = client.get("/aggregates", headers=PAGE).text
    assert "advanced imaging" in page
    assert ">Ann<" not in page
    assert "cell size suppression" in page
