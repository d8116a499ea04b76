"""The auditor's pages: what happened in plain words, whether the chain holds, and no identifier where it does not belong."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from databases import database_in
from fastapi.testclient import TestClient
from serving_cases import request_body, routed
from signing_in import sign_in
from sqlalchemy import select
from trail_attacks import replace_trail, trail_rows

from serving.app import create_app
from serving.people import SignedIn
from serving.roles import Role
from serving.settings import Settings
from serving.store import Store
from serving.tables import TrailRow
from serving.trail import record
from serving.trail_chain import verify
from serving.trail_checks import last_check, verify_next
from serving.trail_export import csv_lines
from serving.trail_pages import LINES_PER_PAGE

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRETS = ("Zyxwvutsrq", "Quillfeather", "1931-07-09", "07/09/1931", "PA-bramble-77", "M-thornwood", "Umbrellahat")
SECRET_NOTE = (
    f"{SECRETS[0]} {SECRETS[1]}, DOB 07/09/1931: completed physical therapy for 8 weeks. Denies saddle anesthesia."
)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    url = database_in(tmp_path)
    with TestClient(create_app(Settings(database_url=url, model_dir=tmp_path), triage=routed)) as client:
        yield client


def store_of(client: TestClient) -> Store:
    store: Store = client.app.state.store  # type: ignore[attr-defined]  # the application, not any ASGI callable
    return store


def words_of(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def a_nurse_reads(client: TestClient, external_id: str = "PA-1", name: str = "ann_lee") -> str:
    """A case opened and its evidence looked at; returns its id."""
    nurse = sign_in(client, Role.NURSE, name)
    case = str(client.post("/v1/authorizations", json=request_body(external_id)).json()["authorization_id"])
    client.get(f"/cases/{case}")
    seen = [{"what": "evidence_opened", "fact_id": "f1"}, {"what": "case_left", "seconds": 0}]
    client.post(f"/cases/{case}/seen", json={"form_token": nurse.form_token, "seen": seen})
    return case


def post(client: TestClient, who: SignedIn, path: str, **fields: str) -> Any:
    return client.post(path, data={"form_token": who.form_token, **fields})


def test_only_an_auditor_reads_the_trail(client: TestClient) -> None:
    case = "01JD3K8Q5T6V7W8X9Y0Z1A2B3C"
    for role in Role:
        who = sign_in(client, role)
        answers = [
            client.get("/trail").status_code,
            client.get(f"/trail/cases/{case}").status_code,
            *(post(client, who, f"/trail/{what}").status_code for what in ("search", "verify", "export")),
        ]
        assert answers == ([200, 404, 200, 200, 200] if role is Role.AUDITOR else [403] * 5), role
    client.cookies.clear()
    assert client.get("/trail", follow_redirects=False).status_code == 303


def test_an_auditor_reads_cases_and_cannot_post_without_their_token(client: TestClient) -> None:
    case = a_nurse_reads(client)
    sign_in(client, Role.AUDITOR)
    assert client.get(f"/cases/{case}").status_code == 200
    for what in ("search", "verify", "export"):
        assert client.post(f"/trail/{what}", data={"form_token": "another"}).status_code == 403


def test_a_case_s_trail_tells_in_plain_words_who_saw_what(client: TestClient) -> None:
    case = a_nurse_reads(client)
    sign_in(client, Role.AUDITOR, "eve_orr")
    said = words_of(client.get(f"/trail/cases/{case}").text)
    assert "Trail of PA-1" in said
    assert "greenlane itself let somebody sign in from now on (Ann Lee)" in words_of(client.get("/trail").text)
    assert "Ann Lee nurse opened the case revision 1, policy lumbar-spine-mri 2026.1" in said
    assert "Ann Lee nurse opened the evidence for “Physical therapy was completed”" in said
    assert "0 s counted by the browser" in said
    assert "Eve Orr auditor opened the case's trail" in words_of(client.get(f"/trail/cases/{case}").text)


def test_the_trail_is_filtered_by_person_kind_day_and_case(client: TestClient) -> None:
    first, second = a_nurse_reads(client, "PA-1", "ann_lee"), a_nurse_reads(client, "PA-2", "bob_ray")
    sign_in(client, Role.AUDITOR, "eve_orr")
    page = client.get("/trail").text
    people = {words: value for value, words in re.findall(r'<option value="(\w+)">([A-Z]\w+ \w+)</option>', page)}

    def shown(**asked: str) -> set[tuple[str, str]]:
        html = client.get("/trail", params=asked).text
        return set(re.findall(r'class="name">([^<]+)<.*?class="words">([^<]+)<', html))

    assert {who for who, _ in shown(person=people["Ann Lee"])} == {"Ann Lee"}
    assert shown(action="case_opened") == {("Ann Lee", "opened the case"), ("Bob Ray", "opened the case")}
    assert shown(action="case_opened", case=second) == {("Bob Ray", "opened the case")}
    assert shown(day="1999-01-01") == set()
    today = datetime.now(UTC).date().isoformat()
    assert ("Ann Lee", "opened the case") in shown(day=today, case=first)


@pytest.mark.parametrize(
    "asked",
    ["case=PA-1", "person=Ann Lee", "day=yesterday", "day=0001-01-01", "before=x", f"action={'a' * 60}"],
)
def test_a_filter_that_cannot_be_is_refused(client: TestClient, asked: str) -> None:
    sign_in(client, Role.AUDITOR)
    refused = client.get(f"/trail?{asked}")
    assert refused.status_code == 422
    assert "Ann Lee" not in refused.text


def test_a_case_is_found_by_the_intake_system_s_id_which_no_address_holds(client: TestClient) -> None:
    case = a_nurse_reads(client, "PA-2026-7")
    auditor = sign_in(client, Role.AUDITOR)
    found = post(client, auditor, "/trail/search", external_id=" PA-2026-7 ")
    assert found.url.path == f"/trail/cases/{case}"
    missed = post(client, auditor, "/trail/search", external_id="PA-8")
    assert "No case has this id." in missed.text
    assert "PA-8" not in str(missed.url)
    for page in (client.get("/trail").text, found.text):
        assert not [link for link in re.findall(r'(?:href|action)="([^"]*)"', page) if "PA-" in link]


def test_older_entries_follow_page_by_page_and_none_is_left_out(client: TestClient) -> None:
    store = store_of(client)
    for _ in range(LINES_PER_PAGE + 20):
        with store.writing() as session:
            record(session, store.tenant, "signed_in", at=NOW)
    sign_in(client, Role.AUDITOR)
    numbers: list[int] = []
    href: str | None = "/trail"
    while href is not None:
        page = client.get(href).text
        numbers += map(int, re.findall(r'id="entry-(\d+)"', page))
        following = re.search(r'href="([^"]+)" rel="next"', page)
        href = unescape(following[1]) if following else None
    assert numbers == list(range(LINES_PER_PAGE + 22, 0, -1))


def test_the_chain_is_verified_on_demand_and_the_finding_is_an_entry(client: TestClient, tmp_path: Path) -> None:
    a_nurse_reads(client)
    auditor = sign_in(client, Role.AUDITOR, "eve_orr")
    assert "7 entries, not verified yet." in words_of(client.get("/trail").text)

    holds = words_of(post(client, auditor, "/trail/verify").text)
    assert "The trail holds: verified up to entry 7" in holds
    assert "Eve Orr auditor had the trail verified up to entry 7: it holds" in holds

    rows = trail_rows(database_in(tmp_path))
    rows[2]["person_id"] = None
    replace_trail(database_in(tmp_path), rows)
    broken = words_of(post(client, auditor, "/trail/verify").text)
    assert "The trail does not hold in one place: entry 3: its hash does not match its content" in broken
    assert "verified up to entry 8: it does not hold at entry 3" in broken


def test_a_long_trail_is_verified_a_piece_at_a_time_and_then_from_the_beginning_again(
    client: TestClient, tmp_path: Path
) -> None:
    store = store_of(client)
    auditor = sign_in(client, Role.AUDITOR)
    for _ in range(8):
        with store.writing() as session:
            record(session, store.tenant, "signed_in", at=NOW)
    verify_next(store, auditor, now=NOW, piece=6)
    check = last_check(store)
    assert check is not None
    assert (check.reached.number, check.complete) == (6, False)
    assert "Verified up to entry 6 of 11 so far" in words_of(client.get("/trail").text)

    assert verify_next(store, auditor, now=NOW, piece=6).complete
    rows = trail_rows(database_in(tmp_path))
    rows[0]["details"] = "{}"
    replace_trail(database_in(tmp_path), rows)
    again = verify_next(store, auditor, now=NOW, piece=100)
    assert again.first is not None
    assert again.first.number == 1


def test_the_export_is_the_filtered_trail_and_is_itself_recorded(client: TestClient) -> None:
    case = a_nurse_reads(client)
    auditor = sign_in(client, Role.AUDITOR, "eve_orr")
    answer = post(client, auditor, "/trail/export", case=case)
    assert answer.headers["content-type"].startswith("text/csv")
    assert "PA-1" not in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["action"] for row in rows] == ["case_opened", "evidence_opened", "case_left", "trail_exported"]
    assert {row["authorization_id"] for row in rows} == {case}
    assert rows[0]["person"] == "Ann Lee"
    with store_of(client).reading() as session:
        kept = {str(row.number): row.hash for row in session.scalars(select(TrailRow))}
    assert all(kept[row["number"]] == row["hash"] for row in rows)


def test_no_cell_of_the_export_is_a_formula(client: TestClient) -> None:
    from serving.people import Person
    from serving.trail import Entry

    entry = Entry(1, "default", NOW, "P", "nurse", "S", "noted", None, "{}", "0" * 64)
    person = Person("P", "ann", "=HYPERLINK(1)", Role.NURSE)
    (_, row) = csv.reader(io.StringIO("".join(csv_lines([entry], {"P": person}))))
    assert "'=HYPERLINK(1)" in row


def test_a_working_day_leaves_no_word_name_date_or_foreign_id_in_the_trail(client: TestClient) -> None:
    body = request_body(SECRETS[4], SECRET_NOTE)
    body["member"] = {"member_id": SECRETS[5], "birth_date": SECRETS[2], "sex": "female"}
    body["documents"][0]["document_id"] = SECRETS[6]
    nurse = sign_in(client, Role.NURSE, "zyxwvutsrq")
    case = client.post("/v1/authorizations", json=body).json()["authorization_id"]
    client.get(f"/cases/{case}")
    sights = [
        {"what": "document_opened", "document_id": SECRETS[6]},
        {"what": "evidence_opened", "fact_id": "f1"},
        {"what": "evidence_opened", "criterion_id": "therapy"},
        {"what": "case_left", "seconds": 1},
    ]
    reported = client.post(f"/cases/{case}/seen", json={"form_token": nurse.form_token, "seen": sights})
    assert reported.status_code == 204
    wrong = {"what": "evidence_opened", "fact_id": SECRETS[1]}
    client.post(f"/cases/{case}/seen", json={"form_token": nurse.form_token, "seen": [wrong]})
    client.post(
        f"/v1/authorizations/{case}/documents", json={"documents": [{"document_id": "d9", "text": SECRET_NOTE}]}
    )
    client.get(f"/cases/{case}")
    auditor = sign_in(client, Role.AUDITOR, "quillfeather")
    post(client, auditor, "/trail/search", external_id=SECRETS[4])
    post(client, auditor, "/trail/search", external_id=SECRETS[5])
    client.get(f"/trail/cases/{case}")
    for what in ("verify", "export"):
        post(client, auditor, f"/trail/{what}", case=case)
    client.get("/trail", params={"action": SECRETS[1]})

    with store_of(client).reading() as session:
        rows = session.scalars(select(TrailRow)).all()
    assert {"case_opened", "evidence_opened", "trail_exported", "trail_opened"} <= {row.action for row in rows}
    kept = " ".join(json.dumps([row.action, row.details, row.role]) for row in rows).lower()
    told = [word for word in re.findall(r"[a-z]{6,}", SECRET_NOTE.lower()) if word not in ("physical", "therapy")]
    assert [word for word in (*told, *(secret.lower() for secret in SECRETS)) if word in kept] == []
    assert verify(store_of(client)).valid
