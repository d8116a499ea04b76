"""Bad input has a defined answer: refused with the field's name, or a nurse with the reason. Never a fast track."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from building import RECEIVED, body, document, request

from features.errors import LexiconError, RequestRefusedError
from features.guards import MOST_CHARACTERS
from features.request import parse_request
from features.types import Document
from models import triage
from models.types import Route, TriageResult

TOMORROW = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
TEXT = "He has had low back pain for three months."


def doc(**changes: Any) -> dict[str, Any]:
    return {"document_id": "d1", "text": TEXT, **changes}


def without(field: str, **group: Any) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name != field}


SERVICE = {"system": "CPT", "code": "72148"}
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("an unknown field", body(priority="high"), "priority"),
    ("an unknown field of the member", body(member={"birth_date": "1968-04-12", "race": "x"}), "member.race"),
    ("an unknown field of a document", body(documents=[doc(author="x")]), "documents.0.author"),
    ("expectations, which never reach triage", body(expected_route="fast_track"), "expected_route"),
    ("no birth date", body(member={"sex": "male"}), "member.birth_date"),
    ("no service code", body(service={"system": "CPT"}), "service.code"),
    ("a birth date in the future", body(member={"birth_date": TOMORROW}), "member.birth_date"),
    ("a birth date before 1900", body(member={"birth_date": "1899-12-31"}), "member.birth_date"),
    ("a birth date that is none", body(member={"birth_date": "1968-02-30"}), "member.birth_date"),
    ("a birth date as a number", body(member={"birth_date": 19680412}), "member.birth_date"),
    ("no documents", body(documents=[]), "documents"),
    ("no diagnoses", body(diagnoses=[]), "diagnoses"),
    ("a document without text", body(documents=[{"document_id": "d1"}]), "documents.0"),
    ("a document with text and data", body(documents=[doc(data="aGk=")]), "documents.0"),
    ("a PDF with text", body(documents=[doc(content_type="application/pdf")]), "documents.0"),
    (
        "data that is not base64",
        body(documents=[{"document_id": "d1", "content_type": "application/pdf", "data": "%%%"}]),
        "documents.0",
    ),
    (
        "data that is not even ASCII",
        body(documents=[{"document_id": "d1", "content_type": "application/pdf", "data": "é"}]),
        "documents.0",
    ),
    ("a lone surrogate", body(documents=[doc(text="pain \ud83d pain")]), "documents.0"),
    ("the same document id twice", body(documents=[doc(), doc()]), "documents"),
    ("an empty external_id", body(external_id="  "), "external_id"),
    ("a received_at without a time zone", body(received_at="2026-11-20T15:04:05"), "received_at"),
    ("a received_at that is none", body(received_at="yesterday"), "received_at"),
    ("negative units", body(service={**SERVICE, "units": -1}), "service.units"),
    ("no units at all", body(service={**SERVICE, "units": 0}), "service.units"),
    ("endless units", body(service={**SERVICE, "units": float("inf")}), "service.units"),
    (
        "an end before the start",
        body(service={**SERVICE, "start_date": "2026-12-02", "end_date": "2026-12-01"}),
        "service",
    ),
    ("an unknown code system", body(service={"system": "ICD-11", "code": "1"}), "service.system"),
    ("an unknown document type", body(documents=[doc(type="fax")]), "documents.0.type"),
    ("an unknown urgency", body(urgency="now"), "urgency"),
    ("text where a list belongs", body(documents="note"), "documents"),
    ("a list where text belongs", body(documents=[doc(text=["note"])]), "documents.0.text"),
]


@pytest.mark.parametrize(("sent", "field"), [pytest.param(sent, field, id=name) for name, sent, field in REFUSED])
def test_a_request_that_breaks_the_contract_is_refused_by_field(sent: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestRefusedError) as refused:
        triage(sent, bundle=None)
    assert field in [name for name, _ in refused.value.problems]
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("data", [None, [], "text", 3, [body()]], ids=str)
def test_what_is_no_object_is_refused(data: object) -> None:
    with pytest.raises(RequestRefusedError) as refused:
        parse_request(data)
    assert refused.value.problems[0][0] == "request"


SECRET = "Zyxwvutsrq"


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(body(member={"birth_date": SECRET}), id="a birth date"),
        pytest.param(body(member={"birth_date": "1968-04-12", "sex": SECRET}), id="a sex"),
        pytest.param(body(external_id=[SECRET]), id="an external_id"),
        pytest.param(body(urgency=SECRET), id="an urgency"),
        pytest.param(body(received_at=SECRET), id="a time"),
        pytest.param(body(service={**SERVICE, "units": SECRET}), id="units"),
        pytest.param(body(service={**SERVICE, "description": SECRET * 400}), id="a long description"),
        pytest.param(body(documents=[doc(type=SECRET)]), id="a document type"),
        pytest.param(body(documents=[doc(text=[SECRET])]), id="a text"),
        pytest.param(body(documents=[doc(text=SECRET + "\ud800")]), id="a broken text"),
        pytest.param(
            body(documents=[{"document_id": "d1", "content_type": SECRET, "data": SECRET + "%"}]), id="broken data"
        ),
        pytest.param(body(documents=[doc(document_id=SECRET), doc(document_id=SECRET)]), id="a document id"),
        pytest.param(body(**{f"{SECRET} has low back pain.": 1}), id="a note as a field name"),
    ],
)
def test_a_refusal_never_repeats_a_value(sent: dict[str, Any]) -> None:
    with pytest.raises(RequestRefusedError) as refused:
        parse_request(sent)
    assert SECRET not in str(refused.value)
    assert SECRET not in repr(refused.value.problems)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def codes(result: TriageResult) -> set[str]:
    return {reason.code for reason in result.reasons}


UNREADABLE = {
    "a blank text": " \n\t ",
    "no text": "",
    "hardly a word": "Back.",
    "digits only": "72148 " * 50,
    "five megabytes": "Low back pain for three months. " * 160_000,
    "control characters": "\x00\x01\x02\x07 low back pain " * 40,
    "replacement characters": "pa\ufffdn f\ufffdr m\ufffdnths \ufffd\ufffd\ufffd " * 20,
    "Spanish": "El paciente refiere dolor lumbar desde hace tres meses, sin mejoría con la terapia física.",
    "German": "Der Patient klagt seit drei Monaten über Schmerzen und die Therapie hat nicht geholfen.",
    "French": "Le patient présente une douleur du genou depuis trois mois et il ne marche pas avec les béquilles.",
    "Russian": "Пациент жалуется на боль в пояснице в течение трёх месяцев, лечение не помогло.",
    "Chinese": "病人 腰痛 三 个月 物理 治疗 八 周 没有 好转",
}


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in UNREADABLE.items()])
def test_a_document_a_machine_cannot_read_goes_to_a_nurse(text: str) -> None:
    good = document(TEXT + " He takes naproxen.", "d0")
    result = triage(request(good, document(text, "d1")), bundle=None)
    assert result.route is Route.NURSE_REVIEW
    assert "unreadable_document" in codes(result)
    assert {fact.document_id for fact in result.facts} == {"d0"}


def test_a_long_note_that_can_be_read_is_read() -> None:
    text = (TEXT + " ") * 4_000
    assert len(text) < MOST_CHARACTERS
    result = triage(request(document(text)), bundle=None)
    assert not {"unreadable_document", "system_error"} & codes(result)
    assert result.facts


def test_a_document_that_is_no_plain_text_goes_to_a_nurse() -> None:
    pdf = {"document_id": "d1", "content_type": "application/pdf", "data": base64.b64encode(b"%PDF-1.7").decode()}
    result = triage(body(documents=[pdf]), bundle=None)
    assert result.route is Route.NURSE_REVIEW
    assert "unreadable_document" in codes(result)


@pytest.mark.parametrize(
    "service",
    [
        {"system": "CPT", "code": "99999"},
        {"system": "HCPCS", "code": "72148"},
        {"system": "CPT", "code": "7214"},
        {"system": "CPT", "code": "72148-26"},
    ],
    ids=str,
)
def test_a_service_without_a_policy_goes_to_a_nurse(service: dict[str, Any]) -> None:
    result = triage(body(service=service), bundle=None)
    assert result.route is Route.NURSE_REVIEW
    assert "no_policy" in codes(result)
    assert result.policy is None
    assert result.criteria == ()


def test_a_service_before_its_policy_was_in_force_goes_to_a_nurse() -> None:
    result = triage(body(received_at="2025-11-20T15:04:05Z"), bundle=None)
    assert "no_policy" in codes(result)


@pytest.mark.parametrize(
    "place",
    [
        "features.facts.FactReader.document_facts",
        "features.facts.split_sentences",
        "features.facts.find_measurements",
        "features.reading.evaluate",
        "features.reading.request_guards",
        "features.reading.human_review",
        "features.reading.build_vector",
        "models.routing.route",
        "models.versions.reading_version",
        "features.policy.load_policies",
    ],
)
def test_an_exception_in_the_middle_goes_to_a_nurse_as_system_error(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(place, broken)
    result = triage(request(), bundle=None)
    assert result.route is Route.NURSE_REVIEW
    assert codes(result) == {"system_error"}
    assert result.external_id == "PA-1"
    assert result.due_at == RECEIVED + timedelta(days=7)
    assert SECRET not in repr(result)


def test_a_broken_lexicon_loses_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise LexiconError("findings.yaml: not valid YAML near line 3")

    for place in ("features.reading.extract", "features.reading.load_lexicon", "features.version.load_lexicon"):
        monkeypatch.setattr(place, broken)
    result = triage(request(), bundle=None)
    assert codes(result) == {"system_error"}
    assert result.pipeline_version == "unknown"


def test_a_document_of_an_unknown_kind_of_object_is_a_system_error_not_a_crash() -> None:
    strange = Document("d1", None)  # type: ignore[arg-type]  # what a caller without a type checker may pass
    assert codes(triage(request(strange), bundle=None)) == {"system_error"}
