"""The case page as a reading place: documents by choice, evidence to walk through, contradictions within reach."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from databases import database_in
from page_reading import NoteReader
from serving_cases import NOTE, request_body, routed
from signing_in import signed_in_client

from features.types import AuthorizationRequest, CriterionResult, Document, Fact, Status
from models.types import TriageResult
from serving.app import create_app
from serving.criterion_tree import EVIDENCE_IN_THE_OPEN, criterion_tree
from serving.settings import Settings

SECOND = "Page one.\fHe completed physical therapy. Denies saddle anesthesia."


def two_documents() -> dict[str, Any]:
    return request_body(
        documents=[
            {"document_id": "d1", "type": "progress_note", "date": "2026-11-10", "text": NOTE},
            {"document_id": "JANE-ROE-SCAN", "type": "letter", "text": SECOND},
        ]
    )


def case_page(folder: Path, body: dict[str, Any], triage: Any = routed, query: str = "") -> str:
    settings = Settings(database_url=database_in(folder), model_dir=folder)
    with signed_in_client(create_app(settings, triage=triage, draw=lambda: 1.0)) as client:
        case = client.post("/v1/authorizations", json=body).json()["authorization_id"]
        answer = client.get(f"/cases/{case}{query}")
        assert answer.status_code == 200
        return answer.text


def folded(html: str) -> list[bool]:
    return ["folded" in classes for classes in re.findall(r'<article class="([^"]+)"', html)]


def test_documents_are_stacked_unless_the_reader_asks_for_one(tmp_path: Path) -> None:
    assert folded(case_page(tmp_path, two_documents())) == [False, False]


@pytest.mark.parametrize(("show", "expected"), [("1", [False, True]), ("2", [True, False])])
def test_a_reader_asks_for_one_document_by_its_number(tmp_path: Path, show: str, expected: list[bool]) -> None:
    html = case_page(tmp_path, two_documents(), query=f"?show={show}")
    assert folded(html) == expected
    assert [note.text for note in NoteReader(html).notes] == [NOTE, SECOND]


@pytest.mark.parametrize("show", ["0", "3", "-1", "x", "", "²", "9" * 5000])
def test_a_document_that_is_not_there_shows_them_all(tmp_path: Path, show: str) -> None:
    assert folded(case_page(tmp_path, two_documents(), query=f"?show={show}")) == [False, False]


def test_no_address_holds_an_intake_system_s_document_id(tmp_path: Path) -> None:
    html = case_page(tmp_path, two_documents(), query="?show=2")
    assert not [link for link in re.findall(r'\s(?:href|src|id)="([^"]*)"', html) if "JANE" in link]


def test_one_document_needs_no_list_of_documents(tmp_path: Path) -> None:
    assert "document-list" in case_page(tmp_path / "a", two_documents())
    assert "document-list" not in case_page(tmp_path / "b", request_body())


def test_evidence_of_a_document_of_several_pages_names_its_page(tmp_path: Path) -> None:
    html = case_page(tmp_path, two_documents())
    assert "letter page 2" in html
    assert "progress note 2026-11-10</span>" in html
    assert [page for note in NoteReader(html).notes for page in note.pages] == [(0, "Page 1 of 2"), (10, "Page 2 of 2")]


def test_a_criterion_leads_to_its_first_evidence_and_names_all_of_it(tmp_path: Path) -> None:
    html = case_page(tmp_path, two_documents())
    assert 'href="#fact-f1" data-walk="f1 f2 f3 f4">Physical therapy was completed</a>' in html


def conflicting(request: AuthorizationRequest) -> TriageResult:
    result = routed(request)
    root, leaf = result.criteria
    return replace(result, criteria=(root, replace(leaf, status=Status.CONFLICTING, evidence=("f2", "f1"))))


def test_contradictions_are_one_step_away_in_the_order_of_the_note(tmp_path: Path) -> None:
    html = case_page(tmp_path / "a", request_body(), conflicting)
    assert re.search(r'class="conflict-step" href="#fact-f1" data-walk="f1 f2"', html)
    assert "conflict-step" not in case_page(tmp_path / "b", request_body())


def test_only_the_categories_that_occur_can_be_filtered(tmp_path: Path) -> None:
    html = case_page(tmp_path, request_body())
    assert set(re.findall(r'id="mark-([a-z-]+)"', html)) == {"category-treatment", "category-finding"}


def test_much_evidence_for_one_criterion_is_folded_but_walked_through() -> None:
    text = "pain " * 20
    facts = [Fact(f"f{n}", "pain", "problem", "d1", n * 5, n * 5 + 4, "pain", "plan") for n in range(20)]
    leaf = CriterionResult("pain", "Pain is documented", Status.MET, tuple(fact.fact_id for fact in facts))
    (node,) = criterion_tree([leaf], facts, [Document("d1", text)])

    assert len(node.evidence) == EVIDENCE_IN_THE_OPEN
    assert len(node.evidence) + len(node.further) == 20
    assert node.fact_ids.split() == [fact.fact_id for fact in facts]


def test_the_page_weighs_little_beside_the_note(tmp_path: Path) -> None:
    """An ordinary case; benchmarks/workbench.py weighs a chart of 40 pages."""
    html = case_page(tmp_path, two_documents())
    assert len(html.encode()) - len((NOTE + SECOND).encode()) < 20_000


def test_scripts_find_the_case_and_its_revision(tmp_path: Path) -> None:
    html = case_page(tmp_path, request_body())
    assert re.search(r'<div id="case" data-authorization-id="[0-9A-Z]{26}" data-revision="1"', html)


def test_what_was_decided_before_documents_came_is_told_without_the_score(tmp_path: Path) -> None:
    settings = Settings(database_url=database_in(tmp_path), model_dir=tmp_path)
    with signed_in_client(create_app(settings, triage=routed, draw=lambda: 0.0)) as client:
        case = client.post("/v1/authorizations", json=request_body()).json()["authorization_id"]
        client.post(f"/v1/authorizations/{case}/documents", json={"documents": [{"document_id": "d2", "text": "x"}]})
        html = client.get(f"/cases/{case}").text
    assert "Nurse review. A nurse reviews this request." in html
    assert "selected" not in html
