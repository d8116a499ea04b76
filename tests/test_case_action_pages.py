"""The forms of a case over HTTP: who may post them, what they must say, and that nothing typed is ever lost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import database_in
from fastapi import FastAPI
from fastapi.testclient import TestClient
from page_reading import without_varying
from serving_cases import NOTE, always, request_body, routed
from signing_in import add_person, sign_in
from sqlalchemy import select
from typer.testing import CliRunner

from features.lexicon import load_lexicon
from models.types import Route
from serving.app import create_app
from serving.cli import app as command_line
from serving.correction_export import CORRECTION_COLUMNS, export_corrections
from serving.corrections import concept_named, places_of
from serving.deps import COOKIE
from serving.done_view import DONE_WORDS
from serving.letters import APPEAL_RIGHTS, Asked, adverse_notice, answer_by, appeal_rights
from serving.people import SignedIn
from serving.roles import Role
from serving.settings import Settings
from serving.store import Store
from serving.tables import AuthorizationRow, CaseActionRow, DraftRow, TrailRow
from serving.trail import record
from serving.work import ActionKind

TO_A_NURSE = always(Route.NURSE_REVIEW, "criterion_not_documented")
PLAIN_NOTE = "He completed physical therapy for 8 weeks. No saddle anesthesia. Then physical therapy again."
REASONS = (
    "The notes show four weeks of physical therapy. The policy asks for six weeks before this scan, unless there is "
    "weakness, and none is described."
)
ADVERSE = {
    "reasons": REASONS,
    "criteria": "therapy",
    "peer_to_peer": "declined",
    "peer_to_peer_on": "2026-11-20",
    "acknowledged": "yes",
}
EVERY_FORM = (
    "keys",
    "approve",
    "approve-modified",
    "request-information",
    "refer",
    "return",
    "withdraw",
    "reopen",
    "notes",
    "corrections",
    "undo",
    "determine-adversely",
)


class Workplace:
    """The application with one case; ``as_`` signs somebody in and posts as them."""

    def __init__(self, folder: Path, triage: Any = TO_A_NURSE, **options: Any) -> None:
        self.settings = Settings(database_url=database_in(folder), model_dir=folder)
        self.app: FastAPI = create_app(self.settings, triage=triage, draw=options.pop("draw", lambda: 1.0))
        self.client = TestClient(self.app)
        now = datetime.now(UTC).isoformat()
        body = request_body(text=options.pop("text", PLAIN_NOTE), received_at=now, **options)
        self.case: str = self.client.post("/v1/authorizations", json=body).json()["authorization_id"]
        self._signed_in: dict[str, tuple[str, SignedIn]] = {}
        self.who: SignedIn

    @property
    def store(self) -> Store:
        found: Store = self.app.state.store
        return found

    def as_(self, role: Role, name: str | None = None) -> Workplace:
        key = name or role.value
        if key not in self._signed_in:
            self.client.cookies.clear()
            self.who = sign_in(self.client, role, name)
            self._signed_in[key] = (self.client.cookies[COOKIE], self.who)
        token, self.who = self._signed_in[key]
        self.client.cookies.set(COOKIE, token)
        return self

    def page(self, path: str = "") -> str:
        answer = self.client.get(f"/cases/{self.case}{path}")
        assert answer.status_code == 200
        return answer.text

    def post(self, form: str, fields: dict[str, Any] | None = None, **more: Any) -> Any:
        data = {"form_token": self.who.form_token, "turn": str(self.row.turn), **(fields or {}), **more}
        return self.client.post(f"/cases/{self.case}/{form}", data=data)

    @property
    def row(self) -> AuthorizationRow:
        with self.store.reading() as session:
            return session.get_one(AuthorizationRow, self.case)

    @property
    def kept(self) -> list[tuple[str, dict[str, Any]]]:
        with self.store.reading() as session:
            rows = session.scalars(select(CaseActionRow).order_by(CaseActionRow.action_id))
            return [(row.kind, json.loads(row.content)) for row in rows]

    def open_evidence(self) -> None:
        with self.store.writing() as session:
            record(
                session,
                "default",
                "case_opened",
                at=datetime.now(UTC),
                who=self.who,
                authorization_id=self.case,
                details={"revision": self.row.revision},
            )
        self.client.get(f"/cases/{self.case}/evidence/f1")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    place = Workplace(tmp_path)
    yield place
    place.store.close()


@pytest.mark.parametrize("role", Role)
def test_only_a_medical_director_reaches_the_adverse_determination(place: Workplace, role: Role) -> None:
    place.as_(role)
    place.open_evidence()
    answer = place.post("determine-adversely", ADVERSE)
    shown = place.client.get(f"/cases/{place.case}/determine-adversely").status_code
    if role is Role.MEDICAL_DIRECTOR:
        assert (answer.status_code, shown) == (200, 200)
        assert place.row.work == "decided"
    else:
        assert (answer.status_code, shown) == (403, 403)
        assert place.kept == []
        for form in EVERY_FORM[:-1]:
            place.post(form, {**ADVERSE, "kind": "determined_adversely", "verdict": "x", "text": "x", "reason": "x"})
        assert "determined_adversely" not in [kind for kind, _ in place.kept]


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.DATA_SCIENTIST, Role.ADMINISTRATOR])
def test_who_does_not_work_on_cases_has_no_buttons_and_every_post_is_refused(place: Workplace, role: Role) -> None:
    place.as_(role)
    shown = place.client.get(f"/cases/{place.case}")
    assert shown.status_code == (200 if role is Role.AUDITOR else 403)
    # The switch of the single keys is a reader's too; it does nothing to the case.
    assert set(re.findall('<form method="post" action="/cases/[^/]+/([^"]+)"', shown.text)) <= {"keys"}
    for form in EVERY_FORM:
        assert place.post(form).status_code == (200 if form == "keys" and role is Role.AUDITOR else 403)
    assert place.kept == []


def test_a_post_without_the_sign_in_s_token_does_nothing(place: Workplace) -> None:
    place.as_(Role.NURSE)
    assert place.post("approve", form_token="another").status_code == 403
    place.client.cookies.clear()
    assert place.post("approve").status_code == 401
    assert place.kept == []


def test_no_word_of_a_nurse_s_page_suggests_anything_but_help(place: Workplace) -> None:
    html = place.as_(Role.NURSE).page().lower()
    for word in ("deny", "denial", "denied", "adverse", "reject", "not approve"):
        assert word not in html


def test_nothing_is_chosen_or_written_beforehand_in_the_adverse_form(place: Workplace) -> None:
    html = place.as_(Role.MEDICAL_DIRECTOR).page("/determine-adversely")
    form = html[html.index('action="/cases/') :]
    assert "checked" not in form
    assert re.search(r'name="reasons"[^>]*>\s*</textarea>', form)
    assert "score" not in html.lower()


def test_an_approval_is_kept_and_the_way_on_is_shown(place: Workplace) -> None:
    html = place.as_(Role.NURSE).post("approve").text
    assert "Approved PA-1" in html
    assert "Undo (5 min)" in html
    assert place.row.work == "decided"
    assert [kind for kind, _ in place.kept] == ["claimed", "approved"]


def test_undoing_from_the_line_opens_the_case_again(place: Workplace) -> None:
    html = place.as_(Role.NURSE).post("approve").text
    action_id = re.search(r'name="action_id" value="(\w+)"', html)
    assert action_id is not None
    assert "Undone: PA-1" in place.post("undo", action_id=action_id.group(1)).text
    assert place.row.work == "open"


def test_a_form_on_a_case_that_changed_keeps_what_was_typed_and_says_who_did_what(place: Workplace) -> None:
    place.as_(Role.NURSE, "bob").post("notes", text="look at page 2")
    answer = place.as_(Role.NURSE, "ann").post(
        "request-information", letter="Please send the <b>", answer_by="2030-01-01", turn="0"
    )
    assert answer.status_code == 409
    assert "Bob wrote a note, less than a minute ago" in answer.text
    assert "Please send the &lt;b&gt;</textarea>" in answer.text
    assert 'value="2030-01-01"' in answer.text
    assert f'name="turn" value="{place.row.turn}"' in answer.text
    assert place.row.work == "open"


def test_a_refused_form_names_the_field_and_keeps_the_rest(place: Workplace) -> None:
    answer = place.as_(Role.NURSE).post("approve-modified", units="5", agreed_by="Dr. Roe", agreed_on="2026-11-20")
    assert answer.status_code == 422
    assert "Must be fewer than the 1 asked for" in answer.text
    assert "Say how the provider agreed" in answer.text
    assert 'value="Dr. Roe"' in answer.text
    assert place.kept == []


MODIFIED = {"units": "0.5", "agreed_by": "Dr. Roe", "agreed_on": "2026-11-20", "agreed_how": "telephone"}


@pytest.mark.parametrize("missing", ["units", "agreed_by", "agreed_on", "agreed_how"])
def test_an_approval_with_changes_needs_the_change_and_the_provider_s_agreement(place: Workplace, missing: str) -> None:
    place.as_(Role.NURSE)
    assert place.post("approve-modified", {**MODIFIED, missing: ""}).status_code == 422
    assert place.kept == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"units": "-1"},
        {"units": "nan"},
        {"units": "1"},
        {"start_date": "2026-12-05", "end_date": "2026-12-01"},
        {"start_date": "2026-11-30"},
        {"end_date": "2027-01-01"},
        {"units": "", "start_date": "2026-12-01", "end_date": "2026-12-31"},
        {"agreed_on": "2999-01-01"},
        {"agreed_how": "by pigeon"},
    ],
)
def test_a_change_that_is_no_less_than_what_was_asked_for_is_refused(tmp_path: Path, wrong: dict[str, str]) -> None:
    service = {"system": "CPT", "code": "97110", "units": 1, "start_date": "2026-12-01", "end_date": "2026-12-31"}
    place = Workplace(tmp_path, service=service)
    assert place.as_(Role.NURSE).post("approve-modified", {**MODIFIED, **wrong}).status_code == 422


def test_what_the_provider_agreed_to_is_kept(place: Workplace) -> None:
    html = place.as_(Role.NURSE).post("approve-modified", MODIFIED).text
    content = place.kept[-1][1]
    assert (content["units"], content["agreed_by"], content["agreed_how"]) == (0.5, "Dr. Roe", "telephone")
    assert "Dr. Roe agreed by telephone on 2026-11-20" in html


def test_the_letter_asks_the_policy_s_questions_and_names_nobody(place: Workplace) -> None:
    html = place.as_(Role.NURSE).page()
    letter = html[html.index('name="letter"') : html.index("</textarea>", html.index('name="letter"'))]
    assert "Please send the date physical therapy started and ended." in letter
    assert "PA-1" in letter
    for private in ("1968", "M-PA-1", "Radiculopathy", "M54.16", "saddle"):
        assert private not in letter
    place.post("request-information", letter="Please\r\nsend it.", answer_by="2030-01-01")
    assert place.row.work == "awaiting_information"
    assert place.kept[-1][1]["letter"] == "Please\nsend it."


def test_new_documents_bring_a_case_back_that_waits_for_them(place: Workplace) -> None:
    place.as_(Role.NURSE).post("request-information", letter="x", answer_by="2030-01-01")
    more = {"documents": [{"document_id": "d2", "text": "Therapy began on 8/17."}]}
    place.client.post(f"/v1/authorizations/{place.case}/documents", json=more)
    assert place.row.work == "open"


def test_the_referral_lists_open_criteria_without_judging(tmp_path: Path) -> None:
    place = Workplace(tmp_path, text="Nothing of it.")
    html = place.as_(Role.NURSE).page()
    assert "- Physical therapy was completed: nothing found (0 places in the documents)" in html
    place.post("refer", summary="Please look at the therapy.")
    assert place.row.work == "referred"


def test_a_director_s_determination_writes_the_notice_with_reasons_criteria_and_rights(place: Workplace) -> None:
    place.as_(Role.NURSE).post("refer", summary="Please look.")
    place.as_(Role.MEDICAL_DIRECTOR)
    assert "open the evidence" in place.post("determine-adversely", ADVERSE).text.lower()
    place.open_evidence()
    place.post("determine-adversely", ADVERSE)
    kind, content = place.kept[-1]
    assert kind == "determined_adversely"
    assert content["peer_to_peer"] == "declined"
    for part in (REASONS, "Physical therapy was completed", "180 days", "free of charge"):
        assert part in content["letter"]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"reasons": "Not medically necessary."}, "At least 12 words"),
        ({"reasons": ""}, "Give the specific reasons"),
        ({"criteria": "nonsense"}, "at least one of the policy"),
        ({"peer_to_peer": ""}, "became of the offer"),
        ({"peer_to_peer_on": ""}, "on which day the talk was offered"),
    ],
)
def test_a_determination_lacking_anything_is_refused_with_its_words_kept(
    place: Workplace, changed: dict[str, str], named: str
) -> None:
    place.as_(Role.MEDICAL_DIRECTOR).open_evidence()
    answer = place.post("determine-adversely", {**ADVERSE, **changed})
    assert answer.status_code == 422
    assert named.lower() in answer.text.lower()
    assert changed.get("reasons", REASONS) in answer.text
    assert place.kept == []


def test_without_a_policy_a_determination_names_its_guideline(tmp_path: Path) -> None:
    def uncovered(request: Any) -> Any:
        from dataclasses import replace

        return replace(TO_A_NURSE(request), policy=None, criteria=())

    place = Workplace(tmp_path, uncovered)
    place.as_(Role.MEDICAL_DIRECTOR).open_evidence()
    without = {name: value for name, value in ADVERSE.items() if name != "criteria"}
    assert "name the guideline" in place.post("determine-adversely", without).text.lower()
    place.post("determine-adversely", without, guideline="ACR Appropriateness Criteria, 2021")
    assert "ACR Appropriateness Criteria, 2021" in place.kept[-1][1]["letter"]


def test_a_mention_is_kept_and_others_stay_text(place: Workplace) -> None:
    bob = add_person(place.app, Role.NURSE, "bob")
    place.as_(Role.NURSE, "ann").post("notes", text="@Bob, SpO2 @2L? cc @nobody", mention="ann")
    content = place.kept[-1][1]
    assert content["mentions"] == [place.who.person.person_id, bob.person_id]
    assert content["text"] == "@ann @Bob, SpO2 @2L? cc @nobody"


def test_a_fact_is_confirmed_corrected_or_added_without_touching_the_result(place: Workplace, tmp_path: Path) -> None:
    place.as_(Role.NURSE)
    before = place.client.get(f"/v1/authorizations/{place.case}").json()
    place.post("corrections", verdict="confirmed", fact_id="f1")
    place.post("corrections", verdict="wrong_assertion", fact_id="f2", asserted=["negated"])
    where = PLAIN_NOTE.rindex("therapy")
    missed = {"verdict": "missed", "quote": "therapy", "concept": "Physical therapy", "asserted": ["historical"]}
    place.post("corrections", missed, place=f"{where}:{where + 7}:d1")
    place.as_(Role.NURSE, "bob").post("corrections", verdict="wrong", fact_id="f1")

    out = tmp_path / "corrections.jsonl"
    assert export_corrections(place.store, out) == 4
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["verdict"] for row in rows] == ["confirmed", "wrong_assertion", "missed", "wrong"]
    assert [row["reviewer"] for row in rows] == ["reviewer-1"] * 3 + ["reviewer-2"]
    for row in rows:
        assert set(row) == set(CORRECTION_COLUMNS)
        assert PLAIN_NOTE[row["start"] : row["end"]] == row["text"]
        assert row["context"][row["start"] - row["context_start"] :].startswith(row["text"])
        assert row["pipeline_version"] == "test"
    assert (rows[2]["start"], rows[2]["concept"]) == (where, "physical_therapy")
    assert rows[1]["assertion"]["negated"]
    assert place.who.person.person_id not in out.read_text()
    assert place.client.get(f"/v1/authorizations/{place.case}").json() == before
    assert out.stat().st_mode & 0o077 == 0


def test_words_in_several_places_are_asked_about_and_words_in_none_refused(place: Workplace) -> None:
    missed = {"verdict": "missed", "concept": "physical therapy"}
    answer = place.as_(Role.NURSE).post("corrections", missed, quote="physical  therapy")
    assert answer.status_code == 422
    offered = re.findall(r'name="place" value="(\d+):(\d+):d1"', answer.text)
    assert [PLAIN_NOTE[int(start) : int(end)] for start, end in offered] == ["physical therapy"] * 2
    assert "stand in no document" in place.post("corrections", missed, quote="acupuncture").text
    assert "do not stand there" in place.post("corrections", missed, quote="physical therapy", place="0:5:d1").text
    assert "choose a concept" in place.post("corrections", verdict="missed", quote="weeks", concept="?").text.lower()
    assert place.kept == []


def test_a_correction_that_was_taken_back_is_not_exported(place: Workplace, tmp_path: Path) -> None:
    html = place.as_(Role.NURSE).post("corrections", verdict="confirmed", fact_id="f1").text
    (action_id,) = set(re.findall(r'name="action_id" value="(\w+)"', html))
    place.post("undo", action_id=action_id)
    out = tmp_path / "corrections.jsonl"
    environment = {"GREENLANE_DATABASE_URL": place.settings.database_url}
    printed = CliRunner().invoke(command_line, ["export", "corrections", str(out)], env=environment)
    assert printed.output.startswith("0 corrections in")
    assert out.read_text() == ""


def test_a_case_of_the_blind_audit_is_worked_on_like_any_other_and_told_afterwards(tmp_path: Path) -> None:
    def pages(folder: str, triage: Any, draw: Callable[[], float]) -> tuple[list[str], Workplace]:
        (tmp_path / folder).mkdir()
        place = Workplace(tmp_path / folder, triage, draw=draw, text=NOTE).as_(Role.NURSE)
        html = [place.page(), place.post("approve").text]
        return [without_varying(page) for page in html], place

    drawn, audited = pages("a", routed, lambda: 0.0)
    plain, _ = pages("b", always(Route.NURSE_REVIEW, "score_below_threshold"), lambda: 1.0)
    assert drawn == plain
    assert "blind audit" not in audited.page()
    with audited.store.writing() as session:
        row = session.scalars(select(CaseActionRow).where(CaseActionRow.kind == "approved")).one()
        row.takes_effect_at = datetime.now(UTC) - timedelta(seconds=1)
    assert "drawn for the blind audit" in audited.page()


def test_a_sent_form_s_draft_is_dropped_and_another_s_is_shown(place: Workplace) -> None:
    person_id = place.as_(Role.NURSE).who.person.person_id
    with place.store.writing() as session:
        for form, content in (("note", {"text": "half a note"}), ("refer", {"summary": "half a summary"})):
            session.add(
                DraftRow(
                    person_id=person_id,
                    authorization_id=place.case,
                    form=form,
                    content=json.dumps(content),
                    saved_at=datetime.now(UTC),
                )
            )
    assert "half a note</textarea>" in place.page()
    assert "half a summary</textarea>" in place.page()
    place.post("notes", text="a whole note")
    html = place.page()
    assert "half a note" not in html
    assert "half a summary" in html


def test_the_next_case_is_the_one_due_next(place: Workplace) -> None:
    for name, hours in (("PA-later", 1), ("PA-sooner", 2)):
        at = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
        place.client.post("/v1/authorizations", json=request_body(name, received_at=at))
    html = place.as_(Role.NURSE).post("approve").text
    href = re.search(r'id="next-case" href="([^"]+)"', html)
    assert href is not None
    following = place.client.get(href.group(1)).text
    assert "<h1>PA-sooner</h1>" in following
    assert "Approved PA-1" in following


def test_opening_evidence_is_kept_and_leads_to_it(place: Workplace) -> None:
    place.as_(Role.MEDICAL_DIRECTOR)
    answer = place.client.get(f"/cases/{place.case}/evidence/f1", follow_redirects=False)
    assert answer.headers["location"] == f"/cases/{place.case}#fact-f1"
    assert place.client.get(f"/cases/{place.case}/evidence/f99").status_code == 404
    with place.store.reading() as session:
        entry = session.scalars(select(TrailRow).where(TrailRow.action == "evidence_opened")).one()
    assert json.loads(entry.details) == {"fact_id": "f1", "revision": 1}


@pytest.mark.parametrize("line", [*APPEAL_RIGHTS, None, "something_else"])
def test_every_notice_says_until_when_and_how_one_may_appeal(line: str | None) -> None:
    notice = adverse_notice(
        Asked("PA-1", "MRI", line), REASONS, ["Therapy"], "", datetime(2026, 11, 20, tzinfo=UTC).date()
    )
    rights = appeal_rights(line)
    assert f"within {rights.days} days" in notice
    assert "72 hours" in notice


def test_an_answer_is_asked_for_a_day_before_the_decision_is_due_and_never_in_the_past() -> None:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert answer_by(now + timedelta(days=7), now).isoformat() == "2026-11-26"
    assert answer_by(now + timedelta(hours=3), now) == now.date()


def test_everything_that_can_be_done_has_words_for_the_case_s_past() -> None:
    assert set(DONE_WORDS) == set(ActionKind) - {ActionKind.UNDONE}


def test_concepts_are_found_by_the_name_people_see() -> None:
    lexicon = load_lexicon()
    for concept in lexicon.concepts.values():
        found = concept_named(f" {concept.name.upper()} ", lexicon)
        assert found is not None
        assert lexicon.concepts[found].name.casefold() == concept.name.casefold()
    assert concept_named("no such thing", lexicon) is None


def test_words_are_found_across_line_breaks() -> None:
    from features.types import Document

    text = "\U0001f600 physical\r\n therapy"
    (found,) = places_of("physical therapy", [Document("d1", text)])
    assert text[found.start : found.end] == "physical\r\n therapy"
